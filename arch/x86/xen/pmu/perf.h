/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between perf and the registers: samples, the interrupt, whose an overflow is,
 * which events may be opened and when they may run.
 */
#ifndef _ARCH_X86_XEN_PMU_PERF_H
#define _ARCH_X86_XEN_PMU_PERF_H

#include <linux/compiler.h>
#include <linux/interrupt.h>
#include <linux/jump_label.h>
#include <linux/perf_event.h>
#include <linux/types.h>

#include "vcpu.h"

/**
 * xen_pmu_sample_is_here() - whether a sample is of what was interrupted
 * @page: the page
 * @regs: what was interrupted
 *
 * Return: true if it is known to be: most are, and need no closer look.
 */
static inline bool xen_pmu_sample_is_here(const struct xen_pmu_data *page,
					  const struct pt_regs *regs)
{
	/* Its mode is a matter of the address; see in_user(). */
	return READ_ONCE(page->pmu.r.regs.ip) == regs->ip &&
	       READ_ONCE(page->pmu.r.regs.sp) == regs->sp &&
	       READ_ONCE(page->domain_id) == DOMID_SELF;
}

/* sample.c */
struct pt_regs *xen_pmu_sample_take(struct xen_pmu_vcpu *v,
				    struct pt_regs *interrupted,
				    struct pt_regs *made);
unsigned int xen_pmu_sample_guest(const struct xen_pmu_sample *sample);
void xen_pmu_sample_init(void);

/* interrupt.c */
/* On once somebody has asked for samples of programs alone. */
DECLARE_STATIC_KEY_FALSE(xen_pmu_way_out_key);
irqreturn_t xen_pmu_interrupt(int irq, void *dev_id);
irqreturn_t xen_pmu_vcpu_interrupt(struct xen_pmu_vcpu *v, struct pt_regs *regs,
				   int (*handler)(struct pt_regs *regs));
void xen_pmu_vcpu_early(struct xen_pmu_vcpu *v,
			int (*handler)(struct pt_regs *regs));

/* output.c */
bool xen_pmu_one_side(const struct perf_event_attr *attr);
bool xen_pmu_wanted(const struct perf_event_attr *attr, struct pt_regs *regs);
void xen_pmu_forget_context(struct perf_sample_data *data, u64 type,
			    struct pt_regs *regs);
bool xen_pmu_on_way_out(const struct xen_pmu_vcpu *v, unsigned int counter,
			const struct pt_regs *sample, const struct pt_regs *regs);
struct pt_regs *xen_pmu_overflow(struct perf_event *event,
				 struct perf_sample_data *data,
				 struct pt_regs *regs);

/* control.c */
u64 xen_pmu_privilege(const struct perf_event_attr *attr, u64 config, bool xen);
void xen_pmu_reschedule(int cpu);
void xen_pmu_gone(void);
void xen_pmu_control_init(void);
#ifdef MODULE
void xen_pmu_control_exit(void);
#endif

#endif /* _ARCH_X86_XEN_PMU_PERF_H */
