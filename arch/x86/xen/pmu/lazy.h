/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The way to the register file: by lazy.c, or straight where the kernel is built
 * without it.
 *
 * All of it on the vCPU, with interrupts off.
 */
#ifndef _ARCH_X86_XEN_PMU_LAZY_H
#define _ARCH_X86_XEN_PMU_LAZY_H

#include <linux/log2.h>

#include "regs.h"

#ifdef CONFIG_XEN_PMU_LAZY

int xen_pmu_lazy_read(struct xen_pmu_vcpu *v, unsigned int reg, u32 msr,
		      u64 *val, u8 flags);
int xen_pmu_lazy_write_control(struct xen_pmu_vcpu *v, unsigned int control,
			       u64 val);
void xen_pmu_lazy_switched_late(struct xen_pmu_vcpu *v, bool away);
void xen_pmu_lazy_write_counter(struct xen_pmu_vcpu *v, unsigned int counter,
				u64 val);
int xen_pmu_lazy_write_elsewhere(struct xen_pmu_vcpu *v, unsigned int reg,
				 u32 msr, u64 val, u8 flags);
void xen_pmu_lazy_settle(struct xen_pmu_vcpu *v);
void xen_pmu_lazy_tidy(struct xen_pmu_vcpu *v);
void xen_pmu_lazy_attach(struct xen_pmu_vcpu *v, struct xen_pmu_data *page);
struct xen_pmu_data *xen_pmu_lazy_save(struct xen_pmu_vcpu *v);
void xen_pmu_lazy_pause(struct xen_pmu_vcpu *v);
void xen_pmu_lazy_proceed(struct xen_pmu_vcpu *v);
void xen_pmu_lazy_lose(struct xen_pmu_vcpu *v);

/*
 * A counter this close to its overflow is not left loose. Small against the
 * 2^31 events that perf gives a counter that only counts, large against what
 * happens between a switch out and in.
 */
static __always_inline bool xen_pmu_is_near(const struct xen_pmu_vcpu *v,
					    unsigned int counter, u64 val)
{
	return v->pmu->reg[counter].width - val < BIT_ULL(20);
}

/* See at the end of an access whether a control is owed. */
static __always_inline void xen_pmu_note_owed(struct xen_pmu_vcpu *v,
					      unsigned int control)
{
	u64 bit = BIT_ULL(control);

	v->owed &= ~bit;
	if (xen_pmu_control(&v->want, control) !=
	    xen_pmu_control(&v->held, control))
		v->owed |= bit;
}

/* A counter that perf has stopped is to have a value; hardware has another. */
static __always_inline void xen_pmu_lazy_defer(struct xen_pmu_vcpu *v,
					       unsigned int counter, u64 bit,
					       u64 val)
{
	xen_pmu_regs_note(v, counter, bit, val);
	v->latched |= bit;
	v->stale |= bit;
}

/* It may stand still in hardware, where perf wants it to go on. */
static __always_inline bool xen_pmu_goes_on(const struct xen_pmu_vcpu *v,
					    unsigned int counter, u64 bit,
					    u64 val)
{
	return v->latched & bit && v->value[counter] == val;
}

/* Counters that hardware counts and perf has stopped. */
static inline u64 xen_pmu_loose(const struct xen_pmu_vcpu *v)
{
	return v->home == XEN_PMU_HOME_XEN ?
	       READ_ONCE(v->counted) & ~READ_ONCE(v->wanted) : 0;
}

/* Those that perf has not. */
static inline u64 xen_pmu_running(const struct xen_pmu_vcpu *v)
{
	return READ_ONCE(v->wanted);
}

/**
 * xen_pmu_lazy_knows() - whether what perf would read needs no trap
 * @v: the vCPU, outside the handler
 * @reg: the register
 * @flags: XEN_PMU_PAGE_ONLY, of the MSR
 *
 * Controls never do, counters not when they have stopped and been read. Also
 * with interrupts on: only perf makes a register leave this state.
 *
 * Return: so; xen_pmu_lazy_known() has it.
 */
static __always_inline bool xen_pmu_lazy_knows(const struct xen_pmu_vcpu *v,
					       unsigned int reg, u8 flags)
{
	if (v->home != XEN_PMU_HOME_XEN || flags & XEN_PMU_PAGE_ONLY)
		return false;
	if (reg < XEN_PMU_NR_COUNTERS)
		return v->latched & BIT_ULL(xen_pmu_bit(reg));

	return reg < XEN_PMU_CONTROLS_END;
}

static __always_inline u64 xen_pmu_lazy_known(struct xen_pmu_vcpu *v,
					      unsigned int reg)
{
	if (reg >= XEN_PMU_CONTROL)
		return xen_pmu_control(&v->want, reg);

	v->asked = true;
	return v->value[reg];
}

/**
 * xen_pmu_lazy_enter() - from now on the registers live in the page
 * @v: the vCPU; xen_pmu_cached() holds
 */
static __always_inline void xen_pmu_lazy_enter(struct xen_pmu_vcpu *v)
{
	xen_pmu_regs_enter(v);
	if (unlikely(v->stale | v->owed))
		xen_pmu_lazy_settle(v);
}

/* After a write: whether an overflow waits. */
static __always_inline bool xen_pmu_lazy_entered(const struct xen_pmu_vcpu *v)
{
	return v->home == XEN_PMU_HOME_PAGE;
}

/*
 * Whether to leave loose what a write of the global control stops: one alone,
 * and not where perf only interrupts the count and asks for nothing, as it did
 * the last time. See better_loose().
 */
static __always_inline bool xen_pmu_best_left(const struct xen_pmu_vcpu *v,
					      u64 counters)
{
	return !v->interrupts && is_power_of_2(counters);
}

/**
 * xen_pmu_lazy_write() - write a register
 * @v: the vCPU
 * @reg: the register
 * @msr: the MSR by which it was asked for
 * @val: value
 * @flags: XEN_PMU_PAGE_ONLY and XEN_PMU_SIGN_EXTEND, of the MSR
 *
 * Return: 0, or -EIO where hardware or Xen raise #GP; nothing has changed then.
 */
static __always_inline int xen_pmu_lazy_write(struct xen_pmu_vcpu *v,
					      unsigned int reg, u32 msr,
					      u64 val, u8 flags)
{
	int err;

	if (unlikely(v->home == XEN_PMU_HOME_NONE || xen_pmu_cached(v) ||
		     flags & XEN_PMU_PAGE_ONLY || reg >= XEN_PMU_CONTROLS_END))
		return xen_pmu_lazy_write_elsewhere(v, reg, msr, val, flags);

	err = xen_pmu_conform(xen_pmu_reg(v, reg), flags, &val);
	if (err)
		return err;

	if (reg >= XEN_PMU_CONTROL)
		return xen_pmu_lazy_write_control(v, reg, val);

	xen_pmu_lazy_write_counter(v, reg, val);
	return 0;
}

/**
 * xen_pmu_lazy_page_write() - write a register that lives in the page
 * @v: the vCPU
 * @reg: the register
 * @val: a value that it takes
 *
 * Return: 0, or -EIO where hardware or Xen raise #GP.
 */
static __always_inline int
xen_pmu_lazy_page_write(struct xen_pmu_vcpu *v, const struct xen_pmu_reg *reg,
			u64 val)
{
	if (reg->type == XEN_PMU_TYPE_COUNTER)
		v->latched &= ~BIT_ULL(reg->bit);
	else if (reg->type == XEN_PMU_TYPE_CONTROL)
		xen_pmu_set_control(&v->want, reg - v->pmu->reg, val);
	return xen_pmu_page_write(v, reg, val);
}

/**
 * xen_pmu_lazy_page_switch() - the same for IA32_PERF_GLOBAL_CTRL
 * @v: the vCPU
 * @val: a value that it takes
 */
static __always_inline void xen_pmu_lazy_page_switch(struct xen_pmu_vcpu *v,
						     u64 val)
{
	xen_pmu_set_control(&v->want, XEN_PMU_GLOBAL_CTRL, val);
	xen_pmu_page_switch(v, val);
}

/**
 * xen_pmu_lazy_flush() - give the registers back to Xen
 * @v: the vCPU; the registers live in the page
 *
 * Return: as xen_pmu_regs_flush().
 */
static __always_inline int xen_pmu_lazy_flush(struct xen_pmu_vcpu *v)
{
	int err = xen_pmu_regs_flush(v);

	v->wanted = v->counted;
	v->latched &= ~v->wanted;
	return err;
}

#else

static inline void xen_pmu_lazy_switched_late(struct xen_pmu_vcpu *v, bool away) {}

#define xen_pmu_lazy_read		xen_pmu_regs_read
#define xen_pmu_lazy_write		xen_pmu_regs_write
#define xen_pmu_lazy_page_write		xen_pmu_page_write
#define xen_pmu_lazy_page_switch	xen_pmu_page_switch
#define xen_pmu_lazy_flush		xen_pmu_regs_flush
#define xen_pmu_lazy_enter		xen_pmu_regs_enter
#define xen_pmu_lazy_entered		xen_pmu_cached

static inline u64 xen_pmu_loose(const struct xen_pmu_vcpu *v)
{
	return 0;
}

static inline u64 xen_pmu_running(const struct xen_pmu_vcpu *v)
{
	return READ_ONCE(v->counted);
}

static inline bool xen_pmu_lazy_knows(const struct xen_pmu_vcpu *v,
				      unsigned int reg, u8 flags)
{
	return v->home == XEN_PMU_HOME_XEN && reg >= XEN_PMU_CONTROL &&
	       reg < XEN_PMU_CONTROLS_END;
}

static inline u64 xen_pmu_lazy_known(const struct xen_pmu_vcpu *v,
				     unsigned int reg)
{
	return xen_pmu_control(&v->held, reg);
}

static inline void xen_pmu_lazy_tidy(struct xen_pmu_vcpu *v) {}

static inline void xen_pmu_lazy_attach(struct xen_pmu_vcpu *v,
				       struct xen_pmu_data *page)
{
	const struct xen_pmu_controls want = v->held;

	xen_pmu_regs_attach(v, page, &want);
}

static inline struct xen_pmu_data *xen_pmu_lazy_save(struct xen_pmu_vcpu *v)
{
	return xen_pmu_regs_save(v, ~0ULL);
}

static inline void xen_pmu_lazy_pause(struct xen_pmu_vcpu *v)
{
	xen_pmu_regs_pause(v, ~0ULL);
}

static inline void xen_pmu_lazy_proceed(struct xen_pmu_vcpu *v)
{
	const struct xen_pmu_controls want = v->held;

	xen_pmu_regs_proceed(v, &want);
}

static inline void xen_pmu_lazy_lose(struct xen_pmu_vcpu *v)
{
	xen_pmu_regs_lose(v, ~0ULL);
}

#endif /* CONFIG_XEN_PMU_LAZY */

#endif /* _ARCH_X86_XEN_PMU_LAZY_H */
