/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The register file of a vCPU; see regs.c. Inline is what the interrupt takes,
 * the registers while an overflow waits for its flush, in the page, where they
 * stand still; and what every switch takes, to program a control.
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

void xen_pmu_regs_fetched(struct xen_pmu_vcpu *v, unsigned int counter, u64 val,
			  int err, bool again);
int xen_pmu_regs_control(struct xen_pmu_vcpu *v, unsigned int control, u64 val);
int xen_pmu_regs_unmask(struct xen_pmu_vcpu *v, u64 now);
void xen_pmu_regs_rerun(struct xen_pmu_vcpu *v);
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

/* xen_pmu_cached() of a vCPU that is known to have its PMU. */
static __always_inline bool xen_pmu_in_page_now(const struct xen_pmu_vcpu *v)
{
	return READ_ONCE(v->page->pmu.pmu_flags) & PMU_CACHED;
}

/**
 * xen_pmu_cached() - see whether an overflow waits for the flush
 * @v: the vCPU
 *
 * Return: whether the registers live in the page.
 */
static __always_inline bool xen_pmu_cached(const struct xen_pmu_vcpu *v)
{
	return v->home >= XEN_PMU_HOME_XEN && xen_pmu_in_page_now(v);
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
 * @bit: its bit
 * @val: a value that it takes
 *
 * xen_pmu_regs_put() is what gives it to hardware.
 */
static __always_inline void xen_pmu_regs_note(struct xen_pmu_vcpu *v,
					      unsigned int counter, u64 bit,
					      u64 val)
{
	v->known |= bit;
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

/**
 * xen_pmu_page_switch() - write IA32_PERF_GLOBAL_CTRL, which lives in the page
 * @v: the vCPU
 * @val: a value that it takes
 */
static __always_inline void xen_pmu_page_switch(struct xen_pmu_vcpu *v, u64 val)
{
	xen_pmu_set_control(&v->held, XEN_PMU_GLOBAL_CTRL, val);
	xen_pmu_page_store(v, xen_pmu_reg(v, XEN_PMU_GLOBAL_CTRL), val);
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

/* ---- Traps ---- */

static __always_inline int xen_pmu_trap_read(struct xen_pmu_vcpu *v, u32 msr,
					     u64 *val)
{
	int err;

	v->stats.reads++;
	/* Of what an NMI does in the middle, the trap tells the compiler nothing. */
	barrier();
	err = xen_pmu_rdmsr(msr, val);
	barrier();
	return err;
}

static __always_inline int xen_pmu_trap_write(struct xen_pmu_vcpu *v, u32 msr,
					      u64 val)
{
	v->stats.writes++;
	return xen_pmu_wrmsr(msr, val);
}

/**
 * xen_pmu_regs_fetch() - bring a counter's value to @v->value
 * @v: the vCPU
 * @counter: the counter's register
 *
 * A tracepoint of the trap, or an NMI, may have perf read the counter before the
 * trap's own value is here. What it was told then is later, and perf's counts do
 * not go back.
 */
static __always_inline void xen_pmu_regs_fetch(struct xen_pmu_vcpu *v,
					       unsigned int counter)
{
	u64 val = 0, reads = v->stats.reads + 1;
	bool again;
	int err = 0;

	if (v->home == XEN_PMU_HOME_SAVED)
		return;

	if (likely(!xen_pmu_cached(v)))
		err = xen_pmu_trap_read(v, v->pmu->reg[counter].msr, &val);
	again = v->stats.reads > reads;
	if (likely(!err && val && !xen_pmu_cached(v) && !again))
		xen_pmu_regs_note(v, counter, BIT_ULL(xen_pmu_bit(counter)), val);
	else
		xen_pmu_regs_fetched(v, counter, val, err, again);
}

/**
 * xen_pmu_regs_peek() - read a counter in hardware, if there is no more to it
 * @v: the vCPU, registers in hardware and traps not traced
 * @counter: the counter's register
 * @val: where the value goes
 *
 * Return: whether @val has it; otherwise xen_pmu_regs_fetch() is to see why.
 */
static __always_inline bool xen_pmu_regs_peek(struct xen_pmu_vcpu *v,
					      unsigned int counter, u64 *val)
{
	u64 reads = ++v->stats.reads;

	return likely(!xen_pmu_rdmsr_quiet(v->pmu->reg[counter].msr, val) && *val &&
		      v->stats.reads == reads && v->home == XEN_PMU_HOME_XEN &&
		      !xen_pmu_in_page_now(v));
}

/**
 * xen_pmu_regs_put() - bring a counter's value from @v->value
 * @v: the vCPU, registers not in the page
 * @counter: the counter's register
 *
 * Return: 0, or -EIO if Xen raised #GP.
 */
static __always_inline int xen_pmu_regs_put(struct xen_pmu_vcpu *v,
					    unsigned int counter)
{
	u64 val = v->value[counter];
	int err;

	v->known |= BIT_ULL(xen_pmu_bit(counter));
	if (v->home == XEN_PMU_HOME_SAVED)
		return 0;

	err = xen_pmu_trap_write(v, v->pmu->reg[counter].msr, val);
	if (unlikely(xen_pmu_cached(v)))
		xen_pmu_page_store(v, xen_pmu_reg(v, counter), val);
	return err;
}

/**
 * xen_pmu_regs_poke() - xen_pmu_regs_put(), if there is no more to it
 * @v: the vCPU, registers in hardware and traps not traced
 * @counter: the counter's register
 * @bit: its bit
 * @cached: set to whether an overflow came meanwhile
 *
 * Return: whether it is done; otherwise nothing has changed.
 */
static __always_inline bool xen_pmu_regs_poke(struct xen_pmu_vcpu *v,
					      unsigned int counter, u64 bit,
					      bool *cached)
{
	const struct xen_pmu_reg *reg = xen_pmu_reg(v, counter);
	u64 val = v->value[counter];

	v->stats.writes++;
	if (unlikely(xen_pmu_wrmsr_quiet(reg->msr, val)))
		return false;

	v->known |= bit;
	*cached = xen_pmu_cached(v);
	if (unlikely(*cached))
		xen_pmu_page_store(v, reg, val);
	return true;
}

/*
 * What becomes of Xen's flag with a write. On AMD it falls when any counter is
 * disabled, and rises when one is enabled (amd_vpmu_do_wrmsr()). On Intel it
 * goes with what counts; but for that Xen reads the global control back, which
 * an overflow in the middle has just cleared (core2_vpmu_do_wrmsr()). While it
 * is clear a vCPU switch drops the context and a flush ignores the page.
 */
static __always_inline bool
xen_pmu_runs_after(const struct xen_pmu_vcpu *v, unsigned int control, u64 val,
		   u64 counted)
{
	if (v->pmu->vendor->stops_on_disable)
		return val & ARCH_PERFMON_EVENTSEL_ENABLE;
	if (control != XEN_PMU_GLOBAL_CTRL && xen_pmu_cached(v))
		return false;

	return counted;
}

/*
 * Xen masks LVTPC when it switches from a vCPU, and leaves it masked when it
 * switches to one whose vPMU does not run (vpmu_load()).
 */
static __always_inline int xen_pmu_unmasked(struct xen_pmu_vcpu *v)
{
	u64 now = xen_pmu_scheduled_at();

	return likely(v->unmasked_at == now) ? 0 : xen_pmu_regs_unmask(v, now);
}

/**
 * xen_pmu_regs_program() - program a control
 * @v: the vCPU, registers in hardware
 * @control: the control's register
 * @val: a value that it takes
 * @after: counters that count by it
 *
 * If Xen takes the vPMU for running only by this write, LVTPC must be unmasked
 * before, lest an overflow is lost; and after, in case the vCPU was away between
 * the two. That is so where the first counter starts, and on AMD also where
 * others went on while one was disabled: see xen_pmu_regs_remind(). What
 * overflows before that is lost all the same, and cannot be had back: nothing
 * raises the interrupt but a counter, and to make one do so changes its count.
 *
 * Return: 0, or an error if Xen took it not, or what must go with it.
 */
static __always_inline int xen_pmu_regs_program(struct xen_pmu_vcpu *v,
						unsigned int control, u64 val,
						u64 after)
{
	bool ran = v->running, runs = xen_pmu_runs_after(v, control, val, after);
	int err = 0;

	if (!ran && runs)
		err = xen_pmu_unmasked(v);
	else if (ran && !runs)
		v->unmasked_at = xen_pmu_scheduled_at();
	if (!err)
		err = xen_pmu_trap_write(v, v->pmu->reg[control].msr, val);
	if (!err && !ran && runs)
		err = xen_pmu_unmasked(v);
	if (unlikely(err))
		return err;

	xen_pmu_set_control(&v->held, control, val);
	v->counted = after;
	v->running = xen_pmu_runs_after(v, control, val, after);
	if (unlikely(xen_pmu_cached(v)))
		xen_pmu_page_store(v, xen_pmu_reg(v, control), val);
	return 0;
}

/*
 * IA32_PERF_GLOBAL_CTRL by the rules of xen_pmu_regs_program(), with no call to
 * make. If an overflow came meanwhile, the page has yet to have @val.
 */
static __always_inline bool xen_pmu_regs_switch(struct xen_pmu_vcpu *v, u64 val,
						u64 after)
{
	v->stats.writes++;
	if (unlikely(xen_pmu_wrmsr_quiet(MSR_CORE_PERF_GLOBAL_CTRL, val)))
		return false;

	xen_pmu_set_control(&v->held, XEN_PMU_GLOBAL_CTRL, val);
	v->counted = after;
	v->running = after;
	return true;
}

/**
 * xen_pmu_regs_off() - program IA32_PERF_GLOBAL_CTRL to stop all counters, if
 *	nothing is in the way
 * @v: the vCPU, registers in hardware and traps not traced
 *
 * Return: whether it is done; otherwise nothing has changed.
 */
static __always_inline bool xen_pmu_regs_off(struct xen_pmu_vcpu *v)
{
	if (!v->running)
		return false;

	v->unmasked_at = xen_pmu_scheduled_at();
	return xen_pmu_regs_switch(v, 0, 0);
}

/**
 * xen_pmu_regs_on() - program IA32_PERF_GLOBAL_CTRL to start counters, if nothing
 *	is in the way
 * @v: the vCPU, registers in hardware and traps not traced
 * @val: a value that it takes
 * @after: counters that count by it
 * @away: set to whether the vCPU was away meanwhile, so that LVTPC may be masked
 *
 * Return: whether it is done; otherwise nothing has changed.
 */
static __always_inline bool xen_pmu_regs_on(struct xen_pmu_vcpu *v, u64 val,
					    u64 after, bool *away)
{
	u64 now = xen_pmu_scheduled_at();

	if (unlikely(v->unmasked_at != now) ||
	    unlikely(!xen_pmu_regs_switch(v, val, after)))
		return false;

	*away = xen_pmu_scheduled_at() != now;
	return true;
}

/**
 * xen_pmu_regs_remind() - have Xen take the vPMU for running, if it is
 * @v: the vCPU, after its controls were programmed
 */
static __always_inline void xen_pmu_regs_remind(struct xen_pmu_vcpu *v)
{
	if (unlikely(!v->running && v->counted && v->pmu->vendor->stops_on_disable))
		xen_pmu_regs_rerun(v);
}

#endif /* _ARCH_X86_XEN_PMU_REGS_H */
