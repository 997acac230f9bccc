// SPDX-License-Identifier: GPL-2.0-only
/*
 * VIRQ_XENPMU: the order of things, and what to do when one fails.
 */
#include <linux/interrupt.h>
#include <linux/printk.h>

#include <asm/irq_regs.h>

#include "../../events/perf_event.h"
#include "pmu.h"

#define CREATE_TRACE_POINTS
#include <trace/events/xen_pmu.h>

static u8 mode_of(const struct xen_pmu_sample *sample)
{
	if (sample->domain == DOMID_XEN)
		return XEN_PMU_IN_HYPERVISOR;
	return sample->user ? XEN_PMU_IN_USER : XEN_PMU_IN_KERNEL;
}

/**
 * xen_pmu_vcpu_interrupt() - handle an overflow
 * @v: the vCPU
 * @handle: perf's handler; NULL if perf has no PMU
 *
 * Interrupt without an overflow behind it, and one while another is handled,
 * change nothing. On the vCPU, with interrupts off.
 *
 * Return: IRQ_HANDLED if there was an overflow.
 */
irqreturn_t xen_pmu_vcpu_interrupt(struct xen_pmu_vcpu *v,
				   int (*handle)(struct pt_regs *regs))
{
	struct xen_pmu_sample sample;
	struct pt_regs scratch, *regs;

	if (v->sample || !xen_pmu_regs_cached(v)) {
		v->stats.spurious++;
		return IRQ_NONE;
	}

	v->stats.interrupts++;
	xen_pmu_sample_read(v->page, &sample);
	regs = xen_pmu_sample_regs(&sample, get_irq_regs(), &scratch);
	v->stats.delayed += sample.delayed;
	trace_xen_pmu_sample(sample.domain, sample.vcpu, sample.pcpu, sample.ip,
			     mode_of(&sample), sample.delayed);

	v->sample = &sample;
	if (handle)
		handle(regs);
	v->sample = NULL;

	if (xen_pmu_regs_flush(v))
		pr_warn_once("xen_pmu: Xen refuses the counters of a vCPU; it counts no more until the next suspend or CPU hotplug\n");

	return IRQ_HANDLED;
}

irqreturn_t xen_pmu_interrupt(int irq, void *dev_id)
{
	return xen_pmu_vcpu_interrupt(this_cpu_ptr(&xen_pmu_vcpu),
				      x86_pmu.handle_irq);
}
