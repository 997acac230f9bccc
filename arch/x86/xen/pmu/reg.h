/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The registers by number, which of them programs which, what may be written
 * to them, and what a set of their values enables.
 */
#ifndef _ARCH_X86_XEN_PMU_REG_H
#define _ARCH_X86_XEN_PMU_REG_H

#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/types.h>

#include <asm/perf_event.h>

#include "compat.h"

/*
 * Xen's emulation reaches MSRs of eight general-purpose and three fixed
 * counters for a PV guest (xen/arch/x86/pv/emul-priv-op.c); AMD has six.
 */
#define XEN_PMU_MAX_GENERAL	8
#define XEN_PMU_MAX_FIXED	3

/* A register's number: its place in every table. Counters, controls, others. */
enum {
	XEN_PMU_COUNTER		= 0,
	XEN_PMU_FIXED		= XEN_PMU_COUNTER + XEN_PMU_MAX_GENERAL,
	XEN_PMU_NR_COUNTERS	= XEN_PMU_FIXED + XEN_PMU_MAX_FIXED,
	XEN_PMU_CONTROL		= XEN_PMU_NR_COUNTERS,
	XEN_PMU_FIXED_CTRL	= XEN_PMU_CONTROL + XEN_PMU_MAX_GENERAL,
	XEN_PMU_GLOBAL_CTRL,
	XEN_PMU_CONTROLS_END,
	XEN_PMU_GLOBAL_STATUS	= XEN_PMU_CONTROLS_END,
	XEN_PMU_GLOBAL_OVF_CTRL,
	XEN_PMU_DS_AREA,
	XEN_PMU_PEBS_ENABLE,
	XEN_PMU_DEBUGCTL,
	XEN_PMU_NR_REGS,
};

#define XEN_PMU_NR_CONTROLS	(XEN_PMU_CONTROLS_END - XEN_PMU_CONTROL)

/* In a map's entry that is not 0: the register's number, and flags. */
#define XEN_PMU_SIGN_EXTEND	BIT(7)	/* a write carries 32 bits, and a sign */
#define XEN_PMU_PAGE_ONLY	BIT(6)	/* no trap emulates it for a PV guest */
#define XEN_PMU_ENTRY		BIT(5)	/* always set */
#define XEN_PMU_ENTRY_REG	GENMASK(4, 0)

/**
 * struct xen_pmu_reg - a register
 * @width: bits that it has; others are dropped; none if it does not exist
 * @zero: bits that must be written as 0, or #GP
 * @one: bits that are 1 whatever is written
 * @msr: the MSR to reach it by; 0 if it does not exist
 * @slot: its offset in the shared page; 0 if it has none
 * @type: what an access does, &enum xen_pmu_type
 * @bit: a counter's bit in IA32_PERF_GLOBAL_CTRL; of others it is none there
 */
struct xen_pmu_reg {
	u64 width;
	u64 zero;
	u64 one;
	u32 msr;
	u16 slot;
	u8 type;
	u8 bit;
};

/**
 * struct xen_pmu_controls - values of the controls
 * @reg: by a control's number less XEN_PMU_CONTROL; IA32_PERF_GLOBAL_CTRL is all
 *	ones where there is none
 * @armed: counters that their own control enables; bits as in
 *	IA32_PERF_GLOBAL_CTRL
 */
struct xen_pmu_controls {
	u64 reg[XEN_PMU_NR_CONTROLS];
	u64 armed;
};

/* A counter's bit in IA32_PERF_GLOBAL_CTRL; AMD's likewise. */
static __always_inline unsigned int xen_pmu_bit(unsigned int counter)
{
	static_assert(4 * XEN_PMU_FIXED == INTEL_PMC_IDX_FIXED);

	return counter + 3 * (counter & XEN_PMU_FIXED);
}

/* The register of a counter's bit. */
static inline unsigned int xen_pmu_counter(unsigned int bit)
{
	return bit - 3 * (bit & INTEL_PMC_IDX_FIXED) / 4;
}

/* Registers of a mask, lowest first. */
#define for_each_reg(reg, mask) \
	for (u64 _left = (mask); \
	     _left && ((reg) = __ffs64(_left), true); _left &= _left - 1)

/* Counters of a mask with the bits of IA32_PERF_GLOBAL_CTRL. */
#define for_each_counter(counter, mask) \
	for (u64 _left = (mask); \
	     _left && ((counter) = xen_pmu_counter(__ffs64(_left)), true); \
	     _left &= _left - 1)

/*
 * A general-purpose counter has an event select of its own; fixed counters
 * share IA32_FIXED_CTR_CTRL, where each has a few bits.
 */
static inline unsigned int xen_pmu_own_control(unsigned int counter)
{
	return counter < XEN_PMU_FIXED ? XEN_PMU_CONTROL + counter :
	       XEN_PMU_FIXED_CTRL;
}

/* Which bits of that control are the counter's. */
static inline u64 xen_pmu_own_bits(unsigned int counter)
{
	return counter < XEN_PMU_FIXED ? ~0ULL :
	       intel_fixed_bits_by_idx(counter - XEN_PMU_FIXED,
				       GENMASK_ULL(INTEL_FIXED_BITS_STRIDE - 1, 0));
}

/* The counters that such a control could enable. */
static inline u64 xen_pmu_governed(unsigned int control)
{
	return control < XEN_PMU_FIXED_CTRL ?
	       BIT_ULL(control - XEN_PMU_CONTROL) :
	       GENMASK_ULL(XEN_PMU_MAX_FIXED - 1, 0) << INTEL_PMC_IDX_FIXED;
}

/* Those that it does. */
static inline u64 xen_pmu_arms(unsigned int control, u64 val)
{
	unsigned int i;
	u64 armed = 0;

	if (control < XEN_PMU_FIXED_CTRL)
		return val & ARCH_PERFMON_EVENTSEL_ENABLE ?
		       xen_pmu_governed(control) : 0;

	for (i = 0; i < XEN_PMU_MAX_FIXED; i++, val >>= INTEL_FIXED_BITS_STRIDE)
		if (val & (INTEL_FIXED_0_KERNEL | INTEL_FIXED_0_USER))
			armed |= BIT_ULL(INTEL_PMC_IDX_FIXED + i);
	return armed;
}

static __always_inline u64 xen_pmu_control(const struct xen_pmu_controls *c,
					   unsigned int control)
{
	return c->reg[control - XEN_PMU_CONTROL];
}

/**
 * xen_pmu_enabled_with() - the counters that would count
 * @c: the values
 * @control: the control that would change
 * @val: its value then
 *
 * Return: their bits in IA32_PERF_GLOBAL_CTRL.
 */
static __always_inline u64 xen_pmu_enabled_with(const struct xen_pmu_controls *c,
						unsigned int control, u64 val)
{
	u64 armed;

	if (control == XEN_PMU_GLOBAL_CTRL)
		return c->armed & val;

	armed = (c->armed & ~xen_pmu_governed(control)) |
		xen_pmu_arms(control, val);
	return armed & xen_pmu_control(c, XEN_PMU_GLOBAL_CTRL);
}

/**
 * xen_pmu_set_control() - note a control's value
 * @c: the values
 * @control: the control
 * @val: its value
 */
static __always_inline void xen_pmu_set_control(struct xen_pmu_controls *c,
						unsigned int control, u64 val)
{
	c->reg[control - XEN_PMU_CONTROL] = val;
	if (control != XEN_PMU_GLOBAL_CTRL)
		c->armed = (c->armed & ~xen_pmu_governed(control)) |
			   xen_pmu_arms(control, val);
}

/* The counters that count; bits as in IA32_PERF_GLOBAL_CTRL. */
static __always_inline u64 xen_pmu_enabled(const struct xen_pmu_controls *c)
{
	return c->armed & xen_pmu_control(c, XEN_PMU_GLOBAL_CTRL);
}

/**
 * xen_pmu_conform() - bring a value to what a register takes
 * @reg: the register
 * @flags: XEN_PMU_SIGN_EXTEND, of the MSR
 * @val: the value
 *
 * Return: 0, or -EIO where hardware or Xen raise #GP.
 */
static __always_inline int xen_pmu_conform(const struct xen_pmu_reg *reg,
					   u8 flags, u64 *val)
{
	if (flags & XEN_PMU_SIGN_EXTEND)
		*val = (s64)(s32)*val & reg->width;
	if (*val & reg->zero)
		return -EIO;

	*val = (*val & reg->width) | reg->one;
	return 0;
}

#endif /* _ARCH_X86_XEN_PMU_REG_H */
