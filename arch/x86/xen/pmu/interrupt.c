// SPDX-License-Identifier: GPL-2.0-only
/*
 * VIRQ_XENPMU: the order of things, and what to do when one fails.
 */
#include <linux/interrupt.h>

#include <asm/irq_regs.h>

#include "../../events/perf_event.h"
#include "page.h"
#include "pmu.h"

#define CREATE_TRACE_POINTS
#include <trace/events/xen_pmu.h>

static u8 mode_of(const struct xen_pmu_sample *sample)
{
	if (sample->domain == DOMID_XEN)
		return XEN_PMU_IN_HYPERVISOR;
	return sample->user ? XEN_PMU_IN_USER : XEN_PMU_IN_KERNEL;
}

static noinline struct pt_regs *take_sample(struct xen_pmu_vcpu *v,
					    struct pt_regs *regs)
{
	const struct xen_pmu_sample *sample = &v->sample;

	regs = xen_pmu_sample_take(v, regs);
	v->stats.delayed += sample->delayed;
	trace_xen_pmu_sample(sample->domain, sample->vcpu, sample->pcpu,
			     sample->ip, mode_of(sample), sample->delayed);

	/* Not before: the tracepoint's own sample is of this domain. */
	v->guest = xen_pmu_sample_guest(sample);
	return regs;
}

static irqreturn_t spurious(struct xen_pmu_vcpu *v)
{
	v->stats.spurious++;
	return IRQ_NONE;
}

/* Returns the sample's registers. */
static __always_inline struct pt_regs *begin(struct xen_pmu_vcpu *v,
					     struct pt_regs *regs)
{
	v->stats.interrupts++;
	if (tracepoint_enabled(xen_pmu_sample) ||
	    !xen_pmu_sample_is_here(v->page, regs))
		regs = take_sample(v, regs);

	v->home = XEN_PMU_HOME_PAGE;
	return regs;
}

static __always_inline irqreturn_t end(struct xen_pmu_vcpu *v)
{
	v->home = XEN_PMU_HOME_XEN;
	v->guest = 0;
	xen_pmu_page_flush(v);
	return IRQ_HANDLED;
}

/**
 * xen_pmu_vcpu_interrupt() - handle an overflow
 * @v: the vCPU
 * @regs: what was interrupted
 * @handle: perf's handler; NULL if perf has no PMU
 *
 * Interrupt without an overflow behind it, and one while another is handled,
 * change nothing. On the vCPU, with interrupts off.
 *
 * Return: IRQ_HANDLED if there was an overflow.
 */
irqreturn_t xen_pmu_vcpu_interrupt(struct xen_pmu_vcpu *v, struct pt_regs *regs,
				   int (*handle)(struct pt_regs *regs))
{
	if (!xen_pmu_cached(v))
		return spurious(v);

	regs = begin(v, regs);
	if (handle)
		handle(regs);
	return end(v);
}

/* The same, with what would cost instructions to pass. */
irqreturn_t xen_pmu_interrupt(int irq, void *dev_id)
{
	struct xen_pmu_vcpu *v = this_cpu_ptr(&xen_pmu_vcpu);
	struct pt_regs *regs;

	if (!xen_pmu_cached(v))
		return spurious(v);

	regs = begin(v, get_irq_regs());
	if (likely(x86_pmu.handle_irq))
		x86_pmu.handle_irq(regs);
	return end(v);
}
