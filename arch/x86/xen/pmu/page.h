/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The registers while an overflow waits for its flush: in the page, where Xen
 * has put them. They stand still there, so what perf writes to a control has no
 * effect yet: it is noted, and regs.c sorts it out once, at the flush.
 *
 * Inline, for the interrupt's sake. All of it on the vCPU, with interrupts off.
 */
#ifndef _ARCH_X86_XEN_PMU_PAGE_H
#define _ARCH_X86_XEN_PMU_PAGE_H

#include <linux/compiler.h>

#include "pmu.h"

/* A register by its number. */
static __always_inline const struct xen_pmu_reg *
xen_pmu_reg(const struct xen_pmu_vcpu *v, unsigned long i)
{
	const struct xen_pmu_reg *reg = &v->pmu->reg[i];

	/* Or the compiler works out the address anew for each member. */
	OPTIMIZER_HIDE_VAR(reg);
	return reg;
}

static __always_inline u64 *xen_pmu_slot(const struct xen_pmu_vcpu *v,
					 const struct xen_pmu_reg *reg)
{
	return (void *)v->page + reg->slot;
}

/**
 * xen_pmu_page_load() - take a register's value out of the page
 * @v: the vCPU
 * @reg: the register, which has a slot
 *
 * Return: the value, no wider than the register.
 */
static __always_inline u64 xen_pmu_page_load(const struct xen_pmu_vcpu *v,
					     const struct xen_pmu_reg *reg)
{
	return READ_ONCE(*xen_pmu_slot(v, reg)) & reg->width;
}

/**
 * xen_pmu_page_store() - put a value into the page
 * @v: the vCPU
 * @reg: the register, which has a slot
 * @val: a value that Xen takes
 */
static __always_inline void xen_pmu_page_store(const struct xen_pmu_vcpu *v,
					       const struct xen_pmu_reg *reg,
					       u64 val)
{
	WRITE_ONCE(*xen_pmu_slot(v, reg), val);
}

/**
 * xen_pmu_page_ack() - clear overflows
 * @v: the vCPU, which has a global status
 * @val: their bits
 *
 * Xen takes them to hardware at the flush.
 */
static __always_inline void xen_pmu_page_ack(const struct xen_pmu_vcpu *v, u64 val)
{
	u64 *status = xen_pmu_slot(v, &v->pmu->reg[XEN_PMU_GLOBAL_STATUS]);
	u64 *ack = xen_pmu_slot(v, &v->pmu->reg[XEN_PMU_GLOBAL_OVF_CTRL]);

	WRITE_ONCE(*ack, READ_ONCE(*ack) | val);
	WRITE_ONCE(*status, READ_ONCE(*status) & ~val);
}

/**
 * xen_pmu_page_counts() - whether a register is a counter that counts
 * @v: the vCPU
 * @reg: the register
 *
 * The value of one that stood still before the overflow may be in the shadow.
 *
 * Return: so.
 */
static __always_inline bool xen_pmu_page_counts(const struct xen_pmu_vcpu *v,
						const struct xen_pmu_reg *reg)
{
	return test_bit(reg->bit, (const unsigned long *)&v->wanted);
}

static __always_inline u64 xen_pmu_page_counter(const struct xen_pmu_vcpu *v,
						const struct xen_pmu_reg *reg)
{
	return v->latched & BIT_ULL(reg->bit) ?
	       v->shadow.reg[reg - v->pmu->reg] : xen_pmu_page_load(v, reg);
}

/**
 * xen_pmu_page_read() - read a register
 * @v: the vCPU
 * @reg: the register
 *
 * Overflows of loose counters are not perf's.
 *
 * Return: the value.
 */
static __always_inline u64 xen_pmu_page_read(const struct xen_pmu_vcpu *v,
					     const struct xen_pmu_reg *reg)
{
	switch (reg->type) {
	case XEN_PMU_TYPE_COUNTER:
		return xen_pmu_page_counter(v, reg);
	case XEN_PMU_TYPE_CONTROL:
		return v->shadow.reg[reg - v->pmu->reg];
	case XEN_PMU_TYPE_STATUS:
		return xen_pmu_page_load(v, reg) & ~xen_pmu_loose(v);
	case XEN_PMU_TYPE_ACK:
		return 0;
	default:
		return xen_pmu_page_load(v, reg);
	}
}

/**
 * xen_pmu_page_write() - write a register
 * @v: the vCPU
 * @reg: the register
 * @val: a value that it takes
 *
 * Return: 0, or -EIO where hardware or Xen raise #GP.
 */
static inline int xen_pmu_page_write(struct xen_pmu_vcpu *v,
				     const struct xen_pmu_reg *reg, u64 val)
{
	unsigned int i = reg - v->pmu->reg;

	switch (reg->type) {
	case XEN_PMU_TYPE_COUNTER:
		if (xen_pmu_page_counts(v, reg)) {
			xen_pmu_page_store(v, reg, val);
			return 0;
		}
		v->shadow.reg[i] = val;
		v->latched |= BIT_ULL(reg->bit);
		v->stale |= BIT_ULL(reg->bit);
		return 0;
	case XEN_PMU_TYPE_CONTROL:
		xen_pmu_file_set(&v->shadow, i, val);
		if (val == v->held.reg[i])
			v->dirty &= ~BIT_ULL(i);
		else
			v->dirty |= BIT_ULL(i);
		return 0;
	case XEN_PMU_TYPE_STATUS:
		return -EIO;
	case XEN_PMU_TYPE_ACK:
		xen_pmu_page_ack(v, val);
		return 0;
	default:
		xen_pmu_page_store(v, reg, val);
		return 0;
	}
}

/* Whether perf has changed more than values of counters that count. */
static __always_inline bool xen_pmu_page_changed(const struct xen_pmu_vcpu *v)
{
	return v->dirty || !v->running || xen_pmu_loose(v) ||
	       v->wanted != xen_pmu_file_enabled(&v->shadow);
}

/* The flush itself, and what follows if Xen refuses it. */
static __always_inline int xen_pmu_page_give(struct xen_pmu_vcpu *v)
{
	v->stats.flushes++;
	if (likely(!xen_pmu_op(XENPMU_flush, NULL)))
		return 0;

	return xen_pmu_regs_flush_again(v);
}

/**
 * xen_pmu_page_flush() - give the registers back to Xen
 * @v: the vCPU; xen_pmu_cached() holds
 *
 * The short way of xen_pmu_regs_flush().
 */
static __always_inline void xen_pmu_page_flush(struct xen_pmu_vcpu *v)
{
	if (unlikely(xen_pmu_page_changed(v)))
		xen_pmu_regs_flush(v);
	else
		xen_pmu_page_give(v);
}

#endif /* _ARCH_X86_XEN_PMU_PAGE_H */
