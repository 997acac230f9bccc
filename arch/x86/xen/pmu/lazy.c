// SPDX-License-Identifier: GPL-2.0-only
/*
 * What may wait. Every access that reaches hardware is a trap, so hardware is
 * told only what it must know. @want is what perf wrote to the controls, @held
 * what hardware has. The invariant, true whenever an access returns:
 *
 *   A counter that perf has enabled is enabled in hardware, programmed alike,
 *   and hardware alone has its value. Of any other counter the value that perf
 *   would read is in @value, if @latched says so, or stands still in hardware;
 *   what hardware does with the counter meanwhile is nobody's business.
 *
 *   Counters that perf stops or starts by one write of IA32_PERF_GLOBAL_CTRL
 *   stop or start by one write of hardware's: those that count alike have equal
 *   values.
 *
 *   While the registers live in the page or in memory they are as perf wants
 *   them: nothing waits.
 *
 * So to stop a single counter it is enough to read it, which perf does anyway,
 * and to start it again it is enough to write its value: it never stopped. Such
 * a counter is called loose. If one overflows, perf is not shown it. A counter
 * that is near its overflow is stopped for good instead, and so are several that
 * one write stops: they stand still in hardware, and one that perf starts again
 * from there needs no write of its value.
 *
 * Words: a counter is *loose* if hardware counts it and perf has stopped it;
 * *latched* if @value is its value to perf; *stale* if it is latched and
 * hardware has another value. A control is *owed* while hardware has another
 * value than perf wrote.
 */
#include <linux/bitops.h>
#include <linux/log2.h>

#include <asm/perf_event.h>

#include "lazy.h"

#define GENERAL		GENMASK_ULL(XEN_PMU_MAX_GENERAL - 1, 0)

static bool has_global_ctrl(const struct xen_pmu_vcpu *v)
{
	return v->pmu->reg[XEN_PMU_GLOBAL_CTRL].msr;
}

static __always_inline void latch(struct xen_pmu_vcpu *v, u64 counters)
{
	unsigned int counter;

	counters &= ~v->latched;
	for_each_counter(counter, counters)
		xen_pmu_regs_fetch(v, counter);
	v->latched |= counters;
}

static int reach(struct xen_pmu_vcpu *v, unsigned int control, u64 val)
{
	int err = xen_pmu_regs_control(v, control, val);

	if (!err)
		xen_pmu_note_owed(v, control);
	return err;
}

static u64 near_overflow(const struct xen_pmu_vcpu *v, u64 counters)
{
	unsigned int counter;
	u64 near = 0;

	for_each_counter(counter, counters)
		if (xen_pmu_is_near(v, counter, v->value[counter]))
			near |= BIT_ULL(xen_pmu_bit(counter));
	return near;
}

/*
 * What a write lets loose is latched first, as its value is still in hardware. One
 * that is near its overflow there, or may be, the global control holds back.
 * Returns what to write.
 */
static noinline u64 let_loose(struct xen_pmu_vcpu *v, unsigned int control,
			      u64 val, u64 loose)
{
	u64 back;

	latch(v, loose);
	back = near_overflow(v, loose) | (loose & v->stale);
	v->stale |= loose & ~back;
	if (control == XEN_PMU_GLOBAL_CTRL)
		return val & ~back;

	if (back)
		reach(v, XEN_PMU_GLOBAL_CTRL,
		      xen_pmu_control(&v->held, XEN_PMU_GLOBAL_CTRL) & ~back);
	return val;
}

/* With what perf has stopped, and would count by it. */
static int program(struct xen_pmu_vcpu *v, unsigned int control, u64 val)
{
	u64 loose = xen_pmu_enabled_with(&v->held, control, val) &
		    ~v->counted & ~v->wanted;

	if (unlikely(loose))
		val = let_loose(v, control, val, loose);
	return reach(v, control, val);
}

/* What has its value in hardware is no longer stale: an overflow is perf's. */
static __always_inline int put(struct xen_pmu_vcpu *v, u64 counters)
{
	unsigned int counter;

	for_each_counter(counter, counters) {
		if (unlikely(xen_pmu_regs_put(v, counter)))
			return -EIO;
		v->stale &= ~BIT_ULL(xen_pmu_bit(counter));
	}
	return 0;
}

/* ---- Stop and start ---- */

/*
 * To stop counters in hardware costs a write now and one when they start
 * again. To let them loose costs a read each, which perf mostly wants in any
 * case, and a write each when they start. That is never worse where a counter
 * has a control of its own; where one control stops them it is for one alone,
 * and several must stop together.
 */
static bool better_loose(const struct xen_pmu_vcpu *v, unsigned int control,
			 u64 counters)
{
	if (!has_global_ctrl(v))
		return true;

	return control == XEN_PMU_GLOBAL_CTRL ? xen_pmu_best_left(v, counters) :
						is_power_of_2(counters);
}

/* What stops counters, and starts none. */
static u64 stopping(const struct xen_pmu_vcpu *v, unsigned int control,
		    u64 counters)
{
	return control == XEN_PMU_GLOBAL_CTRL ?
	       xen_pmu_control(&v->held, control) & ~counters :
	       xen_pmu_control(&v->want, control);
}

/* Counters that perf has just disabled by a write of @control. */
static void stop(struct xen_pmu_vcpu *v, unsigned int control, u64 counters)
{
	bool leave_on = better_loose(v, control, counters);

	v->asked = false;
	if (leave_on) {
		latch(v, counters);
		v->stale |= counters;
		if (!near_overflow(v, counters))
			return;
	}
	/* Nor may anything go on that seems to stand still. */
	if (program(v, control, stopping(v, control, counters)))
		xen_pmu_lazy_lose(v);
	xen_pmu_regs_remind(v);
}

/* Owed controls that these counters are programmed by. */
static u64 owed_for(const struct xen_pmu_vcpu *v, u64 counters)
{
	u64 owed = v->owed & (counters & GENERAL) << XEN_PMU_CONTROL, differ;
	unsigned int counter;

	if (!v->owed)
		return 0;
	if (v->owed & BIT_ULL(XEN_PMU_FIXED_CTRL)) {
		differ = xen_pmu_control(&v->want, XEN_PMU_FIXED_CTRL) ^
			 xen_pmu_control(&v->held, XEN_PMU_FIXED_CTRL);
		for_each_counter(counter, counters & ~GENERAL)
			if (differ & xen_pmu_own_bits(counter))
				owed |= BIT_ULL(XEN_PMU_FIXED_CTRL);
	}
	if (counters & (xen_pmu_control(&v->want, XEN_PMU_GLOBAL_CTRL) ^
			xen_pmu_control(&v->held, XEN_PMU_GLOBAL_CTRL)))
		owed |= BIT_ULL(XEN_PMU_GLOBAL_CTRL);
	return owed;
}

/* An overflow in the middle, of a counter that was loose, is not perf's. */
static void hide_overflows(const struct xen_pmu_vcpu *v, u64 loose)
{
	if (loose && xen_pmu_cached(v))
		xen_pmu_page_ack(v, loose);
}

/* Counters without a common control; returns the controls that are owed then. */
static u64 stand_still(struct xen_pmu_vcpu *v, u64 counters)
{
	unsigned int counter, control;
	u64 owed = 0;

	for_each_counter(counter, counters) {
		control = xen_pmu_own_control(counter);
		program(v, control, xen_pmu_control(&v->held, control) &
				    ~ARCH_PERFMON_EVENTSEL_ENABLE);
		owed |= BIT_ULL(control);
	}
	return owed;
}

/*
 * Counters that start together do so with the write of the global control: if
 * it has some of them on already, they would begin with their own controls, or
 * with their values if they were left loose. Nor may one begin with its value
 * where a tracepoint tells of that write: what it counts and overflows in it,
 * nobody could tell from what it did while it was loose.
 */
static u64 line_up(struct xen_pmu_vcpu *v, u64 counters)
{
	u64 ctrl = xen_pmu_control(&v->held, XEN_PMU_GLOBAL_CTRL);
	u64 traced = xen_pmu_is_traced() ? counters & v->counted : 0;

	if (!has_global_ctrl(v))
		return stand_still(v, traced);
	if (!(counters & ctrl) || (is_power_of_2(counters) && !traced))
		return 0;

	program(v, XEN_PMU_GLOBAL_CTRL, ctrl & ~counters);
	hide_overflows(v, counters);
	return BIT_ULL(XEN_PMU_GLOBAL_CTRL);
}

/* Nothing may seem to count that does not. */
static bool is_refused(struct xen_pmu_vcpu *v, unsigned int control)
{
	u64 val = xen_pmu_control(&v->want, control);

	/* Where Xen takes a few events only it refuses to have none, too. */
	return program(v, control, val) &&
	       (control >= XEN_PMU_FIXED_CTRL || xen_pmu_arms(control, val));
}

/*
 * Start counters, and program those that run as perf wants. One that hardware
 * counts already begins with the write of its value, any other with the write
 * of the last of its controls, which is the global one.
 */
static void start(struct xen_pmu_vcpu *v, u64 counters, u64 owed)
{
	unsigned int control;
	u64 loose;

	owed |= line_up(v, counters);
	loose = counters & v->counted & v->latched;
	if (put(v, counters & v->stale & ~v->counted))
		goto refused;
	for_each_reg(control, owed)
		if (is_refused(v, control))
			goto refused;
	if (put(v, loose))
		goto refused;
	hide_overflows(v, loose);
	xen_pmu_regs_remind(v);
	v->latched &= ~counters;
	return;

refused:
	xen_pmu_lazy_lose(v);
}

/**
 * xen_pmu_lazy_switched_late() - what a quick write of IA32_PERF_GLOBAL_CTRL left:
 *	an overflow came meanwhile, or the vCPU was away
 * @v: the vCPU
 * @away: of xen_pmu_regs_on()
 */
void xen_pmu_lazy_switched_late(struct xen_pmu_vcpu *v, bool away)
{
	if (away && xen_pmu_unmasked(v))
		xen_pmu_lazy_lose(v);
	if (!xen_pmu_cached(v))
		return;

	xen_pmu_page_store(v, xen_pmu_reg(v, XEN_PMU_GLOBAL_CTRL),
			   xen_pmu_control(&v->held, XEN_PMU_GLOBAL_CTRL));
	xen_pmu_lazy_enter(v);
}

/* ---- Accesses ---- */

/* Xen may refuse an event: only it can tell, and it must at once. */
static int ask_xen(struct xen_pmu_vcpu *v, unsigned int control, u64 val)
{
	u64 changed = val ^ xen_pmu_control(&v->held, control);

	return changed & ~ARCH_PERFMON_EVENTSEL_ENABLE &&
	       v->pmu->vendor->filtered(val) ? program(v, control, val) : 0;
}

/* What perf has changed about the counters that it wants, by one write. */
static void apply(struct xen_pmu_vcpu *v, unsigned int control)
{
	u64 was_on = v->wanted, stopped, started, affected;

	v->wanted = xen_pmu_enabled(&v->want);
	stopped = was_on & ~v->wanted;
	if (stopped) {
		stop(v, control, stopped);
		/* An overflow in the middle came before they stopped. */
		if (xen_pmu_cached(v)) {
			v->latched &= ~stopped;
			v->stale &= ~stopped;
			return;
		}
	}

	/* Those that counted before are programmed alike, but for this control. */
	started = v->wanted & ~was_on;
	affected = started | (v->wanted & xen_pmu_governed(control));
	if (started)
		v->interrupts = !v->asked;
	if (affected && (v->owed | started))
		start(v, started, owed_for(v, affected));
}

/**
 * xen_pmu_lazy_write_control() - write a control
 * @v: the vCPU, registers not in the page
 * @control: the control's register
 * @val: a value that it takes
 *
 * Return: as xen_pmu_lazy_write().
 */
int xen_pmu_lazy_write_control(struct xen_pmu_vcpu *v, unsigned int control,
			       u64 val)
{
	int err = 0;

	/* What is written as it is stays as it is. */
	if (xen_pmu_control(&v->want, control) == val)
		return 0;
	if (v->pmu->vendor->filtered && control < XEN_PMU_FIXED_CTRL &&
	    v->home == XEN_PMU_HOME_XEN)
		err = ask_xen(v, control, val);
	if (!err) {
		xen_pmu_set_control(&v->want, control, val);
		xen_pmu_note_owed(v, control);
		/* In the page nothing waits. */
		if (v->home == XEN_PMU_HOME_XEN && !xen_pmu_cached(v))
			apply(v, control);
	}
	if (xen_pmu_cached(v))
		xen_pmu_lazy_enter(v);
	return err;
}

static void set_counter(struct xen_pmu_vcpu *v, unsigned int counter, u64 val)
{
	u64 bit = BIT_ULL(xen_pmu_bit(counter));

	if (v->pmu->lazy && !(v->wanted & bit)) {
		xen_pmu_lazy_defer(v, counter, bit, val);
		return;
	}
	xen_pmu_regs_note(v, counter, bit, val);
	v->latched &= ~bit;
	if (!xen_pmu_regs_put(v, counter))
		return;

	v->latched |= bit;
	xen_pmu_lazy_lose(v);
}

/**
 * xen_pmu_lazy_write_counter() - write a counter
 * @v: the vCPU, registers not in the page
 * @counter: the counter's register
 * @val: a value that it takes
 */
void xen_pmu_lazy_write_counter(struct xen_pmu_vcpu *v, unsigned int counter,
				u64 val)
{
	v->asked = true;
	if (xen_pmu_goes_on(v, counter, BIT_ULL(xen_pmu_bit(counter)), val))
		return;

	set_counter(v, counter, val);
	if (xen_pmu_cached(v))
		xen_pmu_lazy_enter(v);
}

static u64 read_counter(struct xen_pmu_vcpu *v, unsigned int counter)
{
	u64 bit = BIT_ULL(xen_pmu_bit(counter));

	v->asked = true;
	if (!(v->latched & bit))
		xen_pmu_regs_fetch(v, counter);
	v->latched |= bit & ~v->wanted;
	return v->value[counter];
}

/**
 * xen_pmu_lazy_read() - read a register
 * @v: the vCPU
 * @reg: the register
 * @msr: the MSR by which it was asked for
 * @val: where the value goes
 * @flags: XEN_PMU_PAGE_ONLY, of the MSR
 *
 * Return: 0, or -EIO if Xen raised #GP.
 */
int xen_pmu_lazy_read(struct xen_pmu_vcpu *v, unsigned int reg, u32 msr,
		      u64 *val, u8 flags)
{
	if (xen_pmu_cached(v))
		xen_pmu_lazy_enter(v);
	if (v->home == XEN_PMU_HOME_PAGE || v->home == XEN_PMU_HOME_NONE ||
	    flags & XEN_PMU_PAGE_ONLY)
		return xen_pmu_regs_read(v, reg, msr, val, flags);

	if (reg < XEN_PMU_NR_COUNTERS) {
		*val = read_counter(v, reg);
		return 0;
	}
	if (reg < XEN_PMU_CONTROLS_END) {
		*val = xen_pmu_control(&v->want, reg);
		return 0;
	}
	/* Of the status Xen has what was in the page, no overflow of a loose counter. */
	return xen_pmu_regs_read(v, reg, msr, val, flags);
}

/**
 * xen_pmu_lazy_write_elsewhere() - write what is not in hardware, or no part of it
 * @v: the vCPU
 * @reg: the register
 * @msr: the MSR by which it was asked for
 * @val: value
 * @flags: XEN_PMU_PAGE_ONLY and XEN_PMU_SIGN_EXTEND, of the MSR
 *
 * Return: as xen_pmu_lazy_write().
 */
int xen_pmu_lazy_write_elsewhere(struct xen_pmu_vcpu *v, unsigned int reg,
				 u32 msr, u64 val, u8 flags)
{
	const struct xen_pmu_reg *r = xen_pmu_reg(v, reg);
	int err;

	if (v->home < XEN_PMU_HOME_XEN || !xen_pmu_cached(v))
		return xen_pmu_regs_write(v, reg, msr, val, flags);

	xen_pmu_lazy_enter(v);
	err = xen_pmu_conform(r, flags, &val);
	return err ?: xen_pmu_lazy_page_write(v, r, val);
}

/**
 * xen_pmu_lazy_tidy() - stop what hardware counts and perf does not
 * @v: the vCPU
 *
 * For when nobody uses the PMU any more.
 */
void xen_pmu_lazy_tidy(struct xen_pmu_vcpu *v)
{
	unsigned int control;

	if (v->home != XEN_PMU_HOME_XEN || xen_pmu_cached(v))
		return;

	for_each_reg(control, v->owed)
		program(v, control, xen_pmu_control(&v->want, control));
	xen_pmu_regs_remind(v);
	if (xen_pmu_cached(v))
		xen_pmu_lazy_enter(v);
}

/* ---- From one home to the other ---- */

/**
 * xen_pmu_lazy_settle() - have the page as perf wants it
 * @v: the vCPU; the registers live in the page
 *
 * Overflows of counters that have another value to perf are not perf's.
 */
void xen_pmu_lazy_settle(struct xen_pmu_vcpu *v)
{
	unsigned int reg;

	xen_pmu_page_ack(v, v->stale);
	for_each_counter(reg, v->stale)
		xen_pmu_page_store(v, xen_pmu_reg(v, reg), v->value[reg]);
	for_each_reg(reg, v->owed)
		xen_pmu_page_write(v, xen_pmu_reg(v, reg),
				   xen_pmu_control(&v->want, reg));
	v->latched &= ~v->stale;
	v->stale = 0;
	v->owed = 0;
}

/* Hardware has what perf wants, and @value what stands still. */
static void nothing_waits(struct xen_pmu_vcpu *v)
{
	v->wanted = xen_pmu_enabled(&v->want);
	v->latched = v->pmu->counters & ~v->wanted;
	v->stale = 0;
	v->owed = 0;
}

/**
 * xen_pmu_lazy_attach() - move the registers to Xen
 * @v: the vCPU
 * @page: its page, with a layout that fits @v->pmu
 *
 * What was saved is loaded again.
 */
void xen_pmu_lazy_attach(struct xen_pmu_vcpu *v, struct xen_pmu_data *page)
{
	bool saved = v->home == XEN_PMU_HOME_SAVED;

	xen_pmu_regs_attach(v, page, &v->want);
	if (!saved)
		v->want = v->held;
	nothing_waits(v);
}

/**
 * xen_pmu_lazy_save() - xen_pmu_regs_save(), for all that may wait
 * @v: the vCPU
 *
 * Return: the page.
 */
struct xen_pmu_data *xen_pmu_lazy_save(struct xen_pmu_vcpu *v)
{
	return xen_pmu_regs_save(v, ~v->latched);
}

/**
 * xen_pmu_lazy_pause() - xen_pmu_regs_pause(), for all that may wait
 * @v: the vCPU
 */
void xen_pmu_lazy_pause(struct xen_pmu_vcpu *v)
{
	xen_pmu_regs_pause(v, ~v->latched);
}

/**
 * xen_pmu_lazy_lose() - xen_pmu_regs_lose(), for all that may wait
 * @v: the vCPU
 */
void xen_pmu_lazy_lose(struct xen_pmu_vcpu *v)
{
	xen_pmu_regs_lose(v, ~v->latched);
}

/**
 * xen_pmu_lazy_proceed() - undo xen_pmu_lazy_pause() or xen_pmu_lazy_lose()
 * @v: the vCPU
 */
void xen_pmu_lazy_proceed(struct xen_pmu_vcpu *v)
{
	if (v->home != XEN_PMU_HOME_SAVED || !v->page)
		return;

	xen_pmu_regs_proceed(v, &v->want);
	nothing_waits(v);
}
