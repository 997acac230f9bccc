// SPDX-License-Identifier: GPL-2.0-only
/*
 * Between perf's overflow and its output: samples of the side that was not
 * asked for are dropped, and one that came late or is not of this domain gets
 * a call chain of its own address alone.
 */
#include <linux/percpu.h>
#include <linux/perf_event.h>
#include <linux/ptrace.h>

#include "pmu.h"

/* What a sample has of its context, beside its address. */
#define CONTEXT	(PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_REGS_USER | \
		 PERF_SAMPLE_STACK_USER)

/* A call chain of one: where it was, and nothing about how it got there. */
struct short_chain {
	u64 nr;
	u64 ip[2];
};

static DEFINE_PER_CPU(struct short_chain, short_chain);

/**
 * xen_pmu_one_side() - whether one of user and kernel mode is asked for
 * @attr: what was asked for
 *
 * The hardware cannot tell the two apart in a PV guest.
 *
 * Return: so.
 */
bool xen_pmu_one_side(const struct perf_event_attr *attr)
{
	return attr->exclude_user != attr->exclude_kernel;
}

/**
 * xen_pmu_wanted() - whether a sample is of the side that was asked for
 * @attr: what was asked for
 * @regs: the sample
 *
 * The counter counted both sides; a period ends on either.
 *
 * Return: false if the sample is to be dropped.
 */
bool xen_pmu_wanted(const struct perf_event_attr *attr, struct pt_regs *regs)
{
	return !xen_pmu_one_side(attr) ||
	       !!user_mode(regs) == !attr->exclude_user;
}

/**
 * xen_pmu_forget_context() - a sample without what led to it
 * @data: what perf is to have of the sample
 * @type: the parts it asked for
 * @regs: the sample
 *
 * What perf would take for the call chain and the user's registers belongs to
 * where the interrupt was let in. Of a guest, which Xen is to perf, it takes no
 * chain at all, and perf script prints no line of a sample with an empty one.
 * The context is plain PERF_CONTEXT_KERNEL or _USER for a guest, too: the tools
 * drop a chain with any of PERF_CONTEXT_GUEST*, and know from the sample itself
 * whose it is.
 */
void xen_pmu_forget_context(struct perf_sample_data *data, u64 type,
			    struct pt_regs *regs)
{
	struct short_chain *chain = this_cpu_ptr(&short_chain);

	type &= ~data->sample_flags;
	if (type & PERF_SAMPLE_CALLCHAIN) {
		chain->nr = ARRAY_SIZE(chain->ip);
		chain->ip[0] = user_mode(regs) ? PERF_CONTEXT_USER :
						 PERF_CONTEXT_KERNEL;
		chain->ip[1] = regs->ip;
		data->callchain = (struct perf_callchain_entry *)chain;
		data->dyn_size += sizeof(*chain);
		data->sample_flags |= PERF_SAMPLE_CALLCHAIN;
	}
	if (type & (PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER)) {
		data->regs_user.regs = NULL;
		data->regs_user.abi = PERF_SAMPLE_REGS_ABI_NONE;
	}
	if (type & PERF_SAMPLE_REGS_USER) {
		data->dyn_size += sizeof(u64);
		data->sample_flags |= PERF_SAMPLE_REGS_USER;
	}
	if (type & PERF_SAMPLE_STACK_USER) {
		data->stack_user_size = 0;
		data->dyn_size += sizeof(u64);
		data->sample_flags |= PERF_SAMPLE_STACK_USER;
	}
}

/* Whether perf shall have the sample; what is in it that should not, goes. */
static bool prepare(struct perf_event *event, struct perf_sample_data *data,
		    struct pt_regs *regs)
{
	const struct xen_pmu_vcpu *v = this_cpu_ptr(&xen_pmu_vcpu);

	if (v->home != XEN_PMU_HOME_PAGE)
		return true;
	if (!xen_pmu_wanted(&event->attr, regs))
		return false;
	if (regs == &v->regs)
		xen_pmu_forget_context(data, event->attr.sample_type, regs);
	return true;
}

static void output_forward(struct perf_event *event,
			   struct perf_sample_data *data, struct pt_regs *regs)
{
	if (prepare(event, data, regs))
		perf_event_output_forward(event, data, regs);
}

static void output_backward(struct perf_event *event,
			    struct perf_sample_data *data, struct pt_regs *regs)
{
	if (prepare(event, data, regs))
		perf_event_output_backward(event, data, regs);
}

/**
 * xen_pmu_output_through() - have an event's samples come through here
 * @event: the event, being opened
 *
 * Only those that may have to be dropped, or have something in them that may.
 * Handlers other than perf's own are the kernel's, which can tell by itself.
 */
void xen_pmu_output_through(struct perf_event *event)
{
	if (!xen_pmu_one_side(&event->attr) &&
	    !(event->attr.sample_type & CONTEXT))
		return;

	if (event->overflow_handler == perf_event_output_forward)
		event->overflow_handler = output_forward;
	else if (event->overflow_handler == perf_event_output_backward)
		event->overflow_handler = output_backward;
}
