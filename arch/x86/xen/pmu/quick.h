/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What perf does to its events at every switch: they are off and on again, one or
 * all of them, and what it writes while they are off is only noted. Where there is
 * more to an access than that, nothing has changed and lazy.c does it; so it is
 * while somebody is told of traps, who may do anything in the middle of one.
 *
 * For gate.c alone. Nothing is called from here, so that it need not save a
 * register.
 *
 * All of it on the vCPU, with interrupts off.
 */
#ifndef _ARCH_X86_XEN_PMU_QUICK_H
#define _ARCH_X86_XEN_PMU_QUICK_H

#include <linux/log2.h>

#include <asm/perf_event.h>

#include "lazy.h"

#ifdef CONFIG_XEN_PMU_LAZY

static __always_inline bool xen_pmu_may_be_quick(const struct xen_pmu_vcpu *v)
{
	return xen_pmu_irqs_off() && v->home == XEN_PMU_HOME_XEN &&
	       !xen_pmu_in_page_now(v) && !xen_pmu_is_traced();
}

/* Leave loose what perf stops. */
static __always_inline bool xen_pmu_leave(struct xen_pmu_vcpu *v,
					  unsigned int counter, u64 bit)
{
	u64 val;

	if (unlikely(!xen_pmu_regs_peek(v, counter, &val) ||
		     xen_pmu_is_near(v, counter, val)))
		return false;

	xen_pmu_lazy_defer(v, counter, bit, val);
	v->wanted &= ~bit;
	v->asked = false;
	return true;
}

/* Start what was left so, and is programmed as perf wants. */
static __always_inline bool xen_pmu_resume(struct xen_pmu_vcpu *v,
					   unsigned int counter, u64 bit,
					   bool *late)
{
	if (!(v->counted & v->latched & bit) ||
	    unlikely(!xen_pmu_regs_poke(v, counter, bit, late)))
		return false;

	/* An overflow in the middle, of a counter that was loose, is not perf's. */
	if (unlikely(*late))
		xen_pmu_page_ack(v, bit);
	v->stale &= ~bit;
	v->latched &= ~bit;
	v->wanted |= bit;
	v->interrupts = !v->asked;
	return true;
}

/**
 * xen_pmu_quick_counter() - write a counter that perf has stopped
 * @v: the vCPU, outside the handler
 * @counter: the counter's register
 * @flags: XEN_PMU_PAGE_ONLY and XEN_PMU_SIGN_EXTEND, of the MSR
 * @val: value
 *
 * It gets it when it starts.
 *
 * Return: whether it is done; otherwise nothing has changed.
 */
static __always_inline bool xen_pmu_quick_counter(struct xen_pmu_vcpu *v,
						  unsigned int counter, u8 flags,
						  u64 val)
{
	u64 bit = BIT_ULL(xen_pmu_bit(counter));

	if (!xen_pmu_may_be_quick(v) || flags & XEN_PMU_PAGE_ONLY ||
	    !v->pmu->lazy || v->wanted & bit ||
	    xen_pmu_conform(xen_pmu_reg(v, counter), flags, &val))
		return false;

	v->asked = true;
	if (!xen_pmu_goes_on(v, counter, bit, val))
		xen_pmu_lazy_defer(v, counter, bit, val);
	return true;
}

/**
 * xen_pmu_quick_select() - write an event select, of which perf changes nothing
 *	but whether it is enabled
 * @v: the vCPU, outside the handler
 * @control: the event select's register
 * @val: value
 * @late: set if an overflow came meanwhile; the page has what was written
 *
 * Nothing starts or stops by it while perf has the global control off.
 *
 * Return: whether it is done; otherwise nothing has changed.
 */
static __always_inline bool xen_pmu_quick_select(struct xen_pmu_vcpu *v,
						 unsigned int control, u64 val,
						 bool *late)
{
	unsigned int counter = control - XEN_PMU_CONTROL + XEN_PMU_COUNTER;
	u64 held = xen_pmu_control(&v->held, control), bit = BIT_ULL(counter);

	/* An event that hardware has not, Xen may refuse. */
	if ((val ^ held) & ~ARCH_PERFMON_EVENTSEL_ENABLE || !xen_pmu_may_be_quick(v))
		return false;
	if (xen_pmu_control(&v->want, control) == val)
		return true;
	if (xen_pmu_control(&v->want, XEN_PMU_GLOBAL_CTRL) & bit) {
		if (!(held & ARCH_PERFMON_EVENTSEL_ENABLE))
			return false;
		if (!(val & ARCH_PERFMON_EVENTSEL_ENABLE ?
		      xen_pmu_resume(v, counter, bit, late) :
		      v->wanted & bit && xen_pmu_leave(v, counter, bit)))
			return false;
	}
	xen_pmu_set_control(&v->want, control, val);
	xen_pmu_note_owed(v, control);
	return true;
}

/**
 * xen_pmu_quick_fixed() - write IA32_FIXED_CTR_CTRL while perf has all that it
 *	governs off by the global control
 * @v: the vCPU, outside the handler
 * @val: value
 *
 * Return: whether it is done; otherwise nothing has changed.
 */
static __always_inline bool xen_pmu_quick_fixed(struct xen_pmu_vcpu *v, u64 val)
{
	if (!xen_pmu_may_be_quick(v) ||
	    xen_pmu_control(&v->want, XEN_PMU_GLOBAL_CTRL) &
	    xen_pmu_governed(XEN_PMU_FIXED_CTRL) ||
	    xen_pmu_conform(xen_pmu_reg(v, XEN_PMU_FIXED_CTRL), 0, &val))
		return false;

	xen_pmu_set_control(&v->want, XEN_PMU_FIXED_CTRL, val);
	xen_pmu_note_owed(v, XEN_PMU_FIXED_CTRL);
	return true;
}

/**
 * xen_pmu_quick_off() - write IA32_PERF_GLOBAL_CTRL, to stop all counters
 * @v: the vCPU, outside the handler
 *
 * If an overflow came meanwhile: xen_pmu_lazy_switched_late().
 *
 * Return: whether it is done; otherwise nothing has changed.
 */
static __always_inline bool xen_pmu_quick_off(struct xen_pmu_vcpu *v)
{
	if (!xen_pmu_may_be_quick(v) || v->pmu->reg[XEN_PMU_GLOBAL_CTRL].one ||
	    v->owed & ~BIT_ULL(XEN_PMU_GLOBAL_CTRL) ||
	    !v->wanted || xen_pmu_best_left(v, v->wanted) ||
	    unlikely(!xen_pmu_regs_off(v)))
		return false;

	xen_pmu_set_control(&v->want, XEN_PMU_GLOBAL_CTRL, 0);
	v->owed = 0;
	v->wanted = 0;
	v->asked = false;
	return true;
}

/**
 * xen_pmu_quick_on() - write IA32_PERF_GLOBAL_CTRL, where perf wanted no counter
 * @v: the vCPU, outside the handler
 * @val: value
 * @away: of xen_pmu_regs_on()
 *
 * What is loose is stale: it may stop with the others, not start. If an overflow
 * came meanwhile, or the vCPU was away: xen_pmu_lazy_switched_late().
 *
 * Return: whether it is done; otherwise nothing has changed.
 */
static __always_inline bool xen_pmu_quick_on(struct xen_pmu_vcpu *v, u64 val,
					     bool *away)
{
	u64 after;

	if (!xen_pmu_may_be_quick(v) || v->wanted ||
	    v->owed & ~BIT_ULL(XEN_PMU_GLOBAL_CTRL) ||
	    unlikely(xen_pmu_conform(&v->pmu->reg[XEN_PMU_GLOBAL_CTRL], 0, &val)))
		return false;

	after = v->held.armed & val;
	if (!after || after & v->stale ||
	    unlikely(!xen_pmu_regs_on(v, val, after, away)))
		return false;

	xen_pmu_set_control(&v->want, XEN_PMU_GLOBAL_CTRL, val);
	v->owed = 0;
	v->wanted = after;
	v->latched &= ~after;
	v->interrupts = !v->asked;
	return true;
}

/**
 * xen_pmu_quick_one() - write IA32_PERF_GLOBAL_CTRL, for one counter or none
 * @v: the vCPU, outside the handler
 * @val: value
 * @late: set if an overflow came meanwhile; the page has what was written
 *
 * Return: whether it is done; otherwise nothing has changed.
 */
static __always_inline bool xen_pmu_quick_one(struct xen_pmu_vcpu *v, u64 val,
					      bool *late)
{
	u64 after, bit;
	unsigned int counter;

	if (!xen_pmu_may_be_quick(v) ||
	    xen_pmu_conform(xen_pmu_reg(v, XEN_PMU_GLOBAL_CTRL), 0, &val))
		return false;

	after = v->want.armed & val;
	bit = v->wanted ^ after;
	if (bit) {
		if (!is_power_of_2(bit))
			return false;
		counter = xen_pmu_counter(__ffs64(bit));
		if (!(bit & after ?
		      !(v->owed & ~BIT_ULL(XEN_PMU_GLOBAL_CTRL)) &&
		      xen_pmu_resume(v, counter, bit, late) :
		      xen_pmu_best_left(v, bit) && xen_pmu_leave(v, counter, bit)))
			return false;
	} else if (after) {
		return false;
	}
	xen_pmu_set_control(&v->want, XEN_PMU_GLOBAL_CTRL, val);
	xen_pmu_note_owed(v, XEN_PMU_GLOBAL_CTRL);
	return true;
}

#else

static inline bool xen_pmu_quick_fixed(struct xen_pmu_vcpu *v, u64 val)
{
	return false;
}

static inline bool xen_pmu_quick_counter(struct xen_pmu_vcpu *v,
					 unsigned int counter, u8 flags, u64 val)
{
	return false;
}

static inline bool xen_pmu_quick_select(struct xen_pmu_vcpu *v,
					unsigned int control, u64 val,
					bool *late)
{
	return false;
}

static inline bool xen_pmu_quick_off(struct xen_pmu_vcpu *v)
{
	return false;
}

static inline bool xen_pmu_quick_on(struct xen_pmu_vcpu *v, u64 val, bool *away)
{
	return false;
}

static inline bool xen_pmu_quick_one(struct xen_pmu_vcpu *v, u64 val,
				     bool *late)
{
	return false;
}

#endif /* CONFIG_XEN_PMU_LAZY */

#endif /* _ARCH_X86_XEN_PMU_QUICK_H */
