// SPDX-License-Identifier: GPL-2.0-only
/*
 * Between a counter's overflow and perf: one of the side that was not asked for
 * is none, and a sample that came late or is not of this domain gets a call
 * chain of its own address alone.
 */
#include <linux/percpu.h>
#include <linux/perf_event.h>
#include <linux/ptrace.h>

#include <asm/irq_regs.h>

#include "compat.h"
#include "perf.h"

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
		xen_pmu_sample_grows(data, sizeof(*chain));
		data->sample_flags |= PERF_SAMPLE_CALLCHAIN;
	}
	if (type & (PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER)) {
		data->regs_user.regs = NULL;
		data->regs_user.abi = PERF_SAMPLE_REGS_ABI_NONE;
	}
	if (type & PERF_SAMPLE_REGS_USER) {
		xen_pmu_sample_grows(data, sizeof(u64));
		data->sample_flags |= PERF_SAMPLE_REGS_USER;
	}
	if (type & PERF_SAMPLE_STACK_USER) {
		data->stack_user_size = 0;
		xen_pmu_sample_grows(data, sizeof(u64));
		data->sample_flags |= PERF_SAMPLE_STACK_USER;
	}
}

/**
 * xen_pmu_on_way_out() - whether a counter overflowed on the way out of the last
 *	interrupt, back to a program
 * @v: the vCPU
 * @counter: the counter's bit in IA32_PERF_GLOBAL_CTRL
 * @sample: the sample's registers
 * @regs: what the handler interrupted
 *
 * It was close to its overflow at the flush, and the program has not moved
 * since.
 *
 * Return: so.
 */
bool xen_pmu_on_way_out(const struct xen_pmu_vcpu *v, unsigned int counter,
			const struct pt_regs *sample, const struct pt_regs *regs)
{
	return v->soon & BIT_ULL(counter) && sample != regs &&
	       v->sample.delayed && regs->ip == v->out_ip &&
	       regs->sp == v->out_sp;
}

/* An overflow that is not plainly the event's. */
static noinline struct pt_regs *
judge_overflow(const struct xen_pmu_vcpu *v, struct perf_event *event,
	       struct perf_sample_data *data, struct pt_regs *regs,
	       struct pt_regs *interrupted)
{
	/* What is not this domain's is for those who may count Xen. */
	if (v->guest && !(event->hw.config & ARCH_PERFMON_EVENTSEL_OS))
		return NULL;
	if (!xen_pmu_wanted(&event->attr, regs)) {
		if (!xen_pmu_wanted(&event->attr, interrupted) ||
		    !xen_pmu_on_way_out(v, event->hw.idx, regs, interrupted))
			return NULL;
		regs = interrupted;
	}
	if (regs != interrupted)
		xen_pmu_forget_context(data, event->attr.sample_type, regs);
	return regs;
}

/**
 * xen_pmu_overflow() - whose an overflow of an event's counter is
 * @event: the event
 * @data: what perf is to have of the sample; what is in it that should not,
 *	goes
 * @regs: the sample
 *
 * One of the side that was not asked for is nothing to anybody: no record, no
 * signal, no BPF program. So are Xen's and another domain's to an event that
 * does not count Xen. But for the handler's own way out: on bare metal the
 * counter of a program stands still there, and overflows in the program. On the
 * vCPU, in the handler.
 *
 * Return: the registers that it is of, or NULL.
 */
struct pt_regs *xen_pmu_overflow(struct perf_event *event,
				 struct perf_sample_data *data,
				 struct pt_regs *regs)
{
	const struct xen_pmu_vcpu *v = this_cpu_ptr(&xen_pmu_vcpu);
	struct pt_regs *interrupted = get_irq_regs();

	/* An NMI of another kind has perf look at its counters, too. */
	if (!v->handling)
		return regs;
	/* What came at once was this domain's. */
	if (likely(regs == interrupted && !event->attr.exclude_user &&
		   !event->attr.exclude_kernel))
		return regs;

	return judge_overflow(v, event, data, regs, interrupted);
}
