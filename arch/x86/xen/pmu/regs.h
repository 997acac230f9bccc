/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The register file of a vCPU; see regs.c. Inline is what the interrupt takes:
 * the registers while an overflow waits for its flush, in the page, where they
 * stand still.
 *
 * All of it on the vCPU, with interrupts off.
 */
#ifndef _ARCH_X86_XEN_PMU_REGS_H
#define _ARCH_X86_XEN_PMU_REGS_H

#include <linux/compiler.h>
#include <linux/errno.h>

#include "seam.h"
#include "vcpu.h"

int xen_pmu_regs_read(struct xen_pmu_vcpu *v, unsigned int reg, u32 msr,
		      u64 *val, u8 flags);
int xen_pmu_regs_write(struct xen_pmu_vcpu *v, unsigned int reg, u32 msr,
		       u64 val, u8 flags);
void xen_pmu_regs_lvtpc(struct xen_pmu_vcpu *v, u32 val);

void xen_pmu_regs_fetch(struct xen_pmu_vcpu *v, unsigned int counter);
int xen_pmu_regs_put(struct xen_pmu_vcpu *v, unsigned int counter);
int xen_pmu_regs_control(struct xen_pmu_vcpu *v, unsigned int control, u64 val);
int xen_pmu_regs_global_ctrl(struct xen_pmu_vcpu *v, u64 val);
void xen_pmu_regs_remind(struct xen_pmu_vcpu *v);
int xen_pmu_regs_try(struct xen_pmu_vcpu *v, u64 config);

void xen_pmu_regs_attach(struct xen_pmu_vcpu *v, struct xen_pmu_data *page,
			 const struct xen_pmu_controls *want);
struct xen_pmu_data *xen_pmu_regs_detach(struct xen_pmu_vcpu *v);
struct xen_pmu_data *xen_pmu_regs_save(struct xen_pmu_vcpu *v, u64 fetch);
void xen_pmu_regs_pause(struct xen_pmu_vcpu *v, u64 fetch);
void xen_pmu_regs_proceed(struct xen_pmu_vcpu *v,
			  const struct xen_pmu_controls *want);
void xen_pmu_regs_lose(struct xen_pmu_vcpu *v, u64 fetch);
int xen_pmu_regs_give_again(struct xen_pmu_vcpu *v);
int xen_pmu_regs_flush_slowly(struct xen_pmu_vcpu *v);

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
 * xen_pmu_cached() - see whether an overflow waits for the flush
 * @v: the vCPU
 *
 * Return: whether the registers live in the page.
 */
static __always_inline bool xen_pmu_cached(const struct xen_pmu_vcpu *v)
{
	return v->home >= XEN_PMU_HOME_XEN &&
	       READ_ONCE(v->page->pmu.pmu_flags) & PMU_CACHED;
}

/**
 * xen_pmu_regs_enter() - note that an overflow waits for the flush
 * @v: the vCPU; xen_pmu_cached() holds
 */
static __always_inline void xen_pmu_regs_enter(struct xen_pmu_vcpu *v)
{
	v->home = XEN_PMU_HOME_PAGE;
}

/**
 * xen_pmu_regs_note() - note a value that a counter is to have
 * @v: the vCPU
 * @counter: the counter's register
 * @val: a value that it takes
 *
 * xen_pmu_regs_put() is what gives it to hardware.
 */
static __always_inline void xen_pmu_regs_note(struct xen_pmu_vcpu *v,
					      unsigned int counter, u64 val)
{
	v->known |= BIT_ULL(xen_pmu_bit(counter));
	v->value[counter] = val;
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
 * xen_pmu_page_ack() - clear overflows, if there is a global status
 * @v: the vCPU
 * @val: their bits
 *
 * Xen takes them to hardware at the flush.
 */
static __always_inline void xen_pmu_page_ack(const struct xen_pmu_vcpu *v, u64 val)
{
	const struct xen_pmu_reg *reg = v->pmu->reg;
	u64 *status, *ack;

	if (!reg[XEN_PMU_GLOBAL_STATUS].slot)
		return;

	status = xen_pmu_slot(v, &reg[XEN_PMU_GLOBAL_STATUS]);
	ack = xen_pmu_slot(v, &reg[XEN_PMU_GLOBAL_OVF_CTRL]);
	WRITE_ONCE(*ack, READ_ONCE(*ack) | val);
	WRITE_ONCE(*status, READ_ONCE(*status) & ~val);
}

/**
 * xen_pmu_page_read() - read a register that lives in the page
 * @v: the vCPU
 * @reg: the register
 *
 * Return: the value.
 */
static __always_inline u64 xen_pmu_page_read(const struct xen_pmu_vcpu *v,
					     const struct xen_pmu_reg *reg)
{
	switch (reg->type) {
	case XEN_PMU_TYPE_CONTROL:
		/* What the page has of it is Xen's to write, and not to be trusted. */
		return xen_pmu_control(&v->held, reg - v->pmu->reg);
	case XEN_PMU_TYPE_ACK:
		return 0;
	default:
		return xen_pmu_page_load(v, reg);
	}
}

/**
 * xen_pmu_page_write() - write a register that lives in the page
 * @v: the vCPU
 * @reg: the register
 * @val: a value that it takes
 *
 * Return: 0, or -EIO where hardware or Xen raise #GP.
 */
static __always_inline int xen_pmu_page_write(struct xen_pmu_vcpu *v,
					      const struct xen_pmu_reg *reg,
					      u64 val)
{
	switch (reg->type) {
	case XEN_PMU_TYPE_STATUS:
		return -EIO;
	case XEN_PMU_TYPE_ACK:
		xen_pmu_page_ack(v, val);
		return 0;
	case XEN_PMU_TYPE_CONTROL:
		xen_pmu_set_control(&v->held, reg - v->pmu->reg, val);
		fallthrough;
	default:
		xen_pmu_page_store(v, reg, val);
		return 0;
	}
}

/* The flush itself, and what follows if Xen refuses it. */
static __always_inline int xen_pmu_regs_give(struct xen_pmu_vcpu *v)
{
	v->stats.flushes++;
	if (likely(!xen_pmu_op(XENPMU_flush, NULL)))
		return 0;

	return xen_pmu_regs_give_again(v);
}

/* Xen has loaded the page. */
static __always_inline void xen_pmu_regs_loaded(struct xen_pmu_vcpu *v)
{
	v->home = XEN_PMU_HOME_XEN;
	v->known = 0;
	v->counted = xen_pmu_enabled(&v->held);
	v->running = v->counted;
}

/**
 * xen_pmu_regs_flush() - give the registers back to Xen
 * @v: the vCPU; xen_pmu_cached() holds
 *
 * Xen verifies what it loads. Should it refuse, what it may have refused is
 * dropped and the flush repeated; should it refuse again, the vPMU stays
 * frozen in Xen and the registers move to memory.
 *
 * Return: 0, or what Xen answered the second time.
 */
static __always_inline int xen_pmu_regs_flush(struct xen_pmu_vcpu *v)
{
	int err;

	if (unlikely(!v->running || v->refused))
		return xen_pmu_regs_flush_slowly(v);

	err = xen_pmu_regs_give(v);
	if (likely(!err))
		xen_pmu_regs_loaded(v);
	return err;
}

#endif /* _ARCH_X86_XEN_PMU_REGS_H */
