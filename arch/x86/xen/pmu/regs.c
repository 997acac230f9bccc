// SPDX-License-Identifier: GPL-2.0-only
/*
 * The register file: where the value of a register lives, how it moves, and
 * when Xen must be bothered.
 *
 * Xen owns the registers until a counter overflows. It then stops them, copies
 * them into the shared page, sets PMU_CACHED and raises VIRQ_XENPMU; from that
 * moment to XENPMU_flush the page is the truth and the hardware stands still.
 * The interrupt may come much later than the flag, if the guest had events
 * disabled, so it is the flag that says where an access goes, not the handler:
 * what is written in between would otherwise be undone by the flush. page.h has
 * the accesses of that time: controls are only noted, and sorted out here, once,
 * before the flush.
 *
 * Every access that reaches hardware is a trap, so hardware is told only what
 * it must know. @shadow holds what perf wrote, @held the controls that
 * hardware has. The invariant, true whenever an access returns:
 *
 *   A counter that perf has enabled is enabled in hardware, programmed alike,
 *   and hardware alone has its value. Of any other counter the value that perf
 *   would read is in the shadow, if @latched says so, or stands still in
 *   hardware; what hardware does with the counter meanwhile is nobody's
 *   business.
 *
 * So to stop a counter it is enough to read it, which perf does anyway, and to
 * start it again it is enough to write its value: it never stopped. Such a
 * counter is called loose. If one overflows, perf is not shown it. A counter
 * that is near its overflow is stopped for good instead, as are many that one
 * control stops together.
 *
 * A flush loads the page only if Xen takes the vPMU for running; otherwise it
 * hands the registers back and ignores the page (vpmu_load() in
 * xen/arch/x86/cpu/vpmu.c). @running mirrors Xen's flag, on the pessimistic
 * side: if it is clear, what perf enabled is started by traps after the flush.
 */
#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/printk.h>
#include <linux/string.h>

#include <asm/perf_event.h>

#include "page.h"
#include "pmu.h"

/*
 * A counter this close to its overflow is not left loose. Small against the
 * 2^31 events that perf gives a counter that only counts, large against what
 * happens between a switch out and in.
 */
#define NEAR_OVERFLOW	BIT_ULL(20)

/* Registers of a mask, lowest first. */
#define for_each_reg(reg, mask) \
	for (u64 _left = (mask); \
	     _left && ((reg) = __ffs64(_left), true); _left &= _left - 1)

/* Registers of counters, whose bits are those of IA32_PERF_GLOBAL_CTRL. */
#define for_each_counter(reg, mask) \
	for (u64 _left = (mask); \
	     _left && ((reg) = xen_pmu_counter(__ffs64(_left)), true); \
	     _left &= _left - 1)

/* ---- Traps ---- */

static int trap_read(struct xen_pmu_vcpu *v, u32 msr, u64 *val)
{
	v->stats.reads++;
	return xen_pmu_rdmsr(msr, val);
}

static int trap_write(struct xen_pmu_vcpu *v, u32 msr, u64 val)
{
	v->stats.writes++;
	return xen_pmu_wrmsr(msr, val);
}

/* While an overflow waits, the flush takes LVTPC along. */
static void set_lvtpc(struct xen_pmu_vcpu *v)
{
	WRITE_ONCE(v->page->pmu.l.lapic_lvtpc, v->lvtpc);
	if (v->home == XEN_PMU_HOME_PAGE || xen_pmu_cached(v))
		return;

	v->stats.lvtpc++;
	if (xen_pmu_op(XENPMU_lvtpc_set, NULL))
		pr_warn_once("xen_pmu: Xen refused LVTPC; interrupts may be masked\n");
}

/* All registers read 0 while Xen's mode is off; a counter seldom does. */
static bool vanished(struct xen_pmu_vcpu *v)
{
	if (!xen_pmu_mode_is_off())
		return false;

	v->home = XEN_PMU_HOME_SAVED;
	if (v->pmu->vanished)
		v->pmu->vanished();
	return true;
}

/* Move what a counter has counted so far to the shadow. */
static int fetch(struct xen_pmu_vcpu *v, unsigned int reg)
{
	u64 val;
	int err;

	if (!xen_pmu_cached(v)) {
		err = trap_read(v, v->pmu->reg[reg].msr, &val);
		if (err)
			return err;
	}
	/* The overflow may also have come between the flag and the trap. */
	if (xen_pmu_cached(v))
		val = xen_pmu_page_load(v, xen_pmu_reg(v, reg));
	else if (!val && v->shadow.reg[reg] && vanished(v))
		return 0;

	v->shadow.reg[reg] = val;
	return 0;
}

static void latch(struct xen_pmu_vcpu *v, u64 counters)
{
	unsigned int reg;

	counters &= ~v->latched;
	v->latched |= counters;
	for_each_counter(reg, counters)
		fetch(v, reg);
}

/*
 * What becomes of Xen's flag with a write. On AMD it falls when any counter is
 * disabled, and rises when one is enabled (amd_vpmu_do_wrmsr()). On Intel it
 * goes with what counts; but for that Xen reads the global control back, which
 * an overflow in the middle has just cleared (core2_vpmu_do_wrmsr()). While it
 * is clear a vCPU switch drops the context and a flush ignores the page.
 */
static bool runs_after(const struct xen_pmu_vcpu *v, unsigned int reg, u64 val)
{
	if (v->pmu->vendor->stops_on_disable)
		return val & ARCH_PERFMON_EVENTSEL_ENABLE;
	if (reg != XEN_PMU_GLOBAL_CTRL && xen_pmu_cached(v))
		return false;

	return v->counted;
}

/*
 * Xen masks LVTPC when it switches from a vCPU, and leaves it masked when it
 * switches to one whose vPMU does not run (vpmu_load()). A vCPU that was away
 * has waited to run again, if only for a moment.
 */
static void unmask_lvtpc(struct xen_pmu_vcpu *v)
{
	u64 now = xen_pmu_steal_clock();

	if (v->unmasked_at == now)
		return;

	v->unmasked_at = now;
	set_lvtpc(v);
}

/*
 * A write may let counters loose that perf has stopped and whose values are
 * still in hardware: they are latched first. If it starts the first counter,
 * LVTPC must be unmasked before, lest an overflow is lost; and after, in case
 * the vCPU was away between the two.
 */
static int write_control(struct xen_pmu_vcpu *v, unsigned int reg, u64 val)
{
	u64 before = v->counted, old = v->held.reg[reg], after, stray;
	int err;

	xen_pmu_file_set(&v->held, reg, val);
	after = xen_pmu_file_enabled(&v->held);
	stray = after & ~before & ~v->wanted;
	latch(v, stray);

	if (!before)
		unmask_lvtpc(v);
	else if (!after)
		v->unmasked_at = xen_pmu_steal_clock();
	err = trap_write(v, v->pmu->reg[reg].msr, val);
	if (err) {
		xen_pmu_file_set(&v->held, reg, old);
		return err;
	}
	if (after && !before)
		unmask_lvtpc(v);

	v->stale |= stray;
	v->counted = after;
	v->running = runs_after(v, reg, val);
	/* An overflow in the middle: the page lacks what was written. */
	if (xen_pmu_cached(v))
		v->dirty = XEN_PMU_BEHIND;
	return 0;
}

static void remind(struct xen_pmu_vcpu *v)
{
	unsigned int reg;

	if (!v->counted || v->running || !v->pmu->vendor->stops_on_disable)
		return;

	reg = xen_pmu_own_control(xen_pmu_counter(__ffs64(v->counted)));
	write_control(v, reg, v->held.reg[reg]);
}

static void write_counters(struct xen_pmu_vcpu *v, u64 counters)
{
	unsigned int reg;

	for_each_counter(reg, counters)
		trap_write(v, v->pmu->reg[reg].msr, v->shadow.reg[reg]);
}

/* Controls in which hardware programs these counters otherwise than perf. */
static u64 owed_controls(const struct xen_pmu_vcpu *v, u64 counters)
{
	unsigned int counter, reg;
	u64 owed = 0;

	for_each_counter(counter, counters) {
		reg = xen_pmu_own_control(counter);
		if ((v->held.reg[reg] ^ v->shadow.reg[reg]) &
		    xen_pmu_own_bits(counter))
			owed |= BIT_ULL(reg);
	}
	if (v->pmu->reg[XEN_PMU_GLOBAL_CTRL].msr &&
	    (v->held.reg[XEN_PMU_GLOBAL_CTRL] ^ v->shadow.reg[XEN_PMU_GLOBAL_CTRL]) &
	    counters)
		owed |= BIT_ULL(XEN_PMU_GLOBAL_CTRL);

	return owed;
}

/* Xen was not expected to refuse a control: what it governs is not counted. */
static void drop_control(struct xen_pmu_vcpu *v, unsigned int reg)
{
	xen_pmu_file_set(&v->shadow, reg, v->pmu->reg[reg].one);
	v->wanted = xen_pmu_file_enabled(&v->shadow);
	pr_warn_once("xen_pmu: Xen refuses an event that it took before\n");
}

/* Overflows of counters whose values are in the shadow are not perf's. */
static void hide(const struct xen_pmu_vcpu *v, u64 counters)
{
	if (counters && v->pmu->reg[XEN_PMU_GLOBAL_STATUS].slot)
		xen_pmu_page_ack(v, counters);
}

/* In the page, to start a counter is to put its value there. */
static void start_in_page(struct xen_pmu_vcpu *v, u64 counters)
{
	unsigned int reg;

	for_each_counter(reg, counters & v->latched)
		xen_pmu_page_store(v, xen_pmu_reg(v, reg), v->shadow.reg[reg]);
	v->latched &= ~counters;
	v->stale &= ~counters;
}

/*
 * Start counters, and program those that run as perf wants. One that hardware
 * counts already begins with the write of its value, any other with the write
 * of the last of its controls.
 */
static void start(struct xen_pmu_vcpu *v, u64 counters, u64 owed)
{
	u64 was_on = v->counted;
	unsigned int reg;

	write_counters(v, counters & v->stale & ~was_on);
	for_each_reg(reg, owed)
		if (write_control(v, reg, v->shadow.reg[reg]))
			drop_control(v, reg);
	write_counters(v, counters & was_on & v->latched);
	remind(v);
	v->stale &= ~counters;
	/* An overflow in the middle: the page lacks what was written. */
	if (xen_pmu_cached(v)) {
		hide(v, counters & v->latched);
		start_in_page(v, counters);
		v->dirty = XEN_PMU_BEHIND;
	}
	v->latched &= ~counters;
}

static bool near_overflow(const struct xen_pmu_vcpu *v, u64 counters)
{
	unsigned int reg;

	for_each_counter(reg, counters)
		if (v->pmu->reg[reg].width - v->shadow.reg[reg] < NEAR_OVERFLOW)
			return true;
	return false;
}

/*
 * To stop counters in hardware costs a write now and one when they start
 * again. To let them loose costs a read each, which perf mostly wants in any
 * case, and a write each when they start. That is never worse where a counter
 * has a control of its own; where one control stops many it is for few, unless
 * perf only interrupts the count, and asks for nothing: then it did so before.
 */
static bool better_loose(const struct xen_pmu_vcpu *v, unsigned int reg,
			 u64 counters)
{
	if (!v->pmu->reg[XEN_PMU_GLOBAL_CTRL].msr)
		return true;

	return hweight64(counters) <= 2 &&
	       !(reg == XEN_PMU_GLOBAL_CTRL && v->interrupts);
}

/* A control that stops counters and leaves all others as they are. */
static u64 only_stops(const struct xen_pmu_vcpu *v, unsigned int reg,
		      u64 counters)
{
	unsigned int counter;
	u64 bits = 0;

	for_each_counter(counter, counters)
		bits |= xen_pmu_own_bits(counter);
	if (reg == XEN_PMU_GLOBAL_CTRL)
		bits = counters;

	return (v->held.reg[reg] & ~bits) | (v->shadow.reg[reg] & bits);
}

/* Stop counters that perf has just disabled by a write to @reg. */
static void stop(struct xen_pmu_vcpu *v, unsigned int reg, u64 counters)
{
	bool let_loose = better_loose(v, reg, counters);

	v->asked = false;
	if (let_loose)
		latch(v, counters);
	v->stale |= counters & v->latched;

	if (!let_loose || near_overflow(v, counters)) {
		write_control(v, reg, only_stops(v, reg, counters));
		remind(v);
	}
}

/* ---- Accesses ---- */

/**
 * xen_pmu_regs_read() - read a register
 * @v: the vCPU
 * @reg: the register
 * @msr: the MSR by which it was asked for
 * @val: where the value goes
 * @flags: XEN_PMU_PAGE_ONLY, of the MSR
 *
 * On the vCPU, with interrupts off.
 *
 * Return: 0, or -EIO if Xen raised #GP.
 */
int xen_pmu_regs_read(struct xen_pmu_vcpu *v, unsigned int reg, u32 msr,
		      u64 *val, u8 flags)
{
	int err = 0;

	if (xen_pmu_cached(v)) {
		*val = xen_pmu_page_read(v, xen_pmu_reg(v, reg));
		return 0;
	}
	if (flags & XEN_PMU_PAGE_ONLY || v->home == XEN_PMU_HOME_NONE)
		return trap_read(v, msr, val);

	switch (v->pmu->reg[reg].type) {
	case XEN_PMU_TYPE_COUNTER:
		v->asked = true;
		if (v->home == XEN_PMU_HOME_XEN &&
		    !(v->latched & BIT_ULL(xen_pmu_bit(reg))))
			err = fetch(v, reg);
		if (!err)
			v->latched |= BIT_ULL(xen_pmu_bit(reg)) & ~v->wanted;
		*val = v->shadow.reg[reg];
		return err;
	case XEN_PMU_TYPE_CONTROL:
		*val = v->shadow.reg[reg];
		return 0;
	case XEN_PMU_TYPE_STATUS:
		if (v->home != XEN_PMU_HOME_SAVED)
			return trap_read(v, msr, val);
		*val = v->shadow.reg[reg];
		return 0;
	default:
		*val = 0;
		return 0;
	}
}

static int write_counter(struct xen_pmu_vcpu *v, unsigned int reg, u64 val)
{
	u64 bit = BIT_ULL(xen_pmu_bit(reg));

	v->asked = true;
	v->shadow.reg[reg] = val;
	if (!v->pmu->lazy && v->home == XEN_PMU_HOME_XEN) {
		v->latched &= ~bit;
		return trap_write(v, v->pmu->reg[reg].msr, val);
	}
	if (v->home == XEN_PMU_HOME_SAVED || !(v->wanted & bit)) {
		v->latched |= bit;
		v->stale |= bit;
		return 0;
	}

	trap_write(v, v->pmu->reg[reg].msr, val);
	/* An overflow in the middle: the page lacks what was written. */
	if (xen_pmu_cached(v))
		xen_pmu_page_store(v, xen_pmu_reg(v, reg), val);
	return 0;
}

/*
 * An overflow in the middle of a write that stops counters came before they
 * stopped: it is perf's, their values are in the page, and the write is one
 * while an overflow waits.
 */
static void overflow_first(struct xen_pmu_vcpu *v, u64 was_on)
{
	v->latched &= ~was_on;
	v->stale &= ~was_on;
	v->wanted = was_on;
	v->dirty = XEN_PMU_BEHIND;
}

static int set_control(struct xen_pmu_vcpu *v, unsigned int reg, u64 val)
{
	bool (*filtered)(u64 config) = v->pmu->vendor->filtered;
	u64 changed = val ^ v->held.reg[reg];
	u64 was_on = v->wanted, stopped, started, owed;
	int err;

	/* Xen may refuse an event: only it can tell, and it must at once. */
	if (changed & ~ARCH_PERFMON_EVENTSEL_ENABLE && reg < XEN_PMU_FIXED &&
	    v->home == XEN_PMU_HOME_XEN && filtered && filtered(val)) {
		err = write_control(v, reg, val);
		if (err)
			return err;
		if (xen_pmu_cached(v)) {
			xen_pmu_file_set(&v->shadow, reg, val);
			return 0;
		}
	}

	xen_pmu_file_set(&v->shadow, reg, val);
	v->wanted = xen_pmu_file_enabled(&v->shadow);
	if (v->home == XEN_PMU_HOME_SAVED)
		return 0;

	stopped = was_on & ~v->wanted;
	started = v->wanted & ~was_on;
	if (stopped)
		stop(v, reg, stopped);
	if (xen_pmu_cached(v)) {
		overflow_first(v, was_on);
		return 0;
	}
	if (started)
		v->interrupts = !v->asked;
	/* Those that counted before are programmed alike, but for this control. */
	owed = owed_controls(v, started | (changed ? v->wanted &
						     xen_pmu_governed(reg) : 0));
	if (owed | started)
		start(v, started, owed);
	return 0;
}

static int write_control_of_perf(struct xen_pmu_vcpu *v, unsigned int reg, u64 val)
{
	int err = set_control(v, reg, val);

	if (xen_pmu_cached(v))
		hide(v, v->latched);
	return err;
}

/**
 * xen_pmu_regs_write() - write a register
 * @v: the vCPU
 * @reg: the register
 * @msr: the MSR by which it was asked for
 * @val: value
 * @flags: XEN_PMU_PAGE_ONLY and XEN_PMU_SIGN_EXTEND, of the MSR
 *
 * On the vCPU, with interrupts off.
 *
 * Return: 0, or -EIO where hardware or Xen raise #GP; nothing has changed then.
 */
int xen_pmu_regs_write(struct xen_pmu_vcpu *v, unsigned int reg, u32 msr,
		       u64 val, u8 flags)
{
	bool cached = xen_pmu_cached(v);
	int err;

	if (!cached && (flags & XEN_PMU_PAGE_ONLY ||
			v->home == XEN_PMU_HOME_NONE))
		return trap_write(v, msr, val);

	err = xen_pmu_conform(&v->pmu->reg[reg], flags, &val);
	if (err)
		return err;
	if (cached)
		return xen_pmu_page_write(v, xen_pmu_reg(v, reg), val);

	switch (v->pmu->reg[reg].type) {
	case XEN_PMU_TYPE_COUNTER:
		return write_counter(v, reg, val);
	case XEN_PMU_TYPE_CONTROL:
		return write_control_of_perf(v, reg, val);
	case XEN_PMU_TYPE_ACK:
		if (v->home != XEN_PMU_HOME_SAVED)
			return trap_write(v, msr, val);
		v->shadow.reg[XEN_PMU_GLOBAL_STATUS] &= ~val;
		return 0;
	default:
		return -EIO;
	}
}

/**
 * xen_pmu_regs_lvtpc() - write LVTPC
 * @v: the vCPU
 * @val: value
 *
 * On the vCPU, with interrupts off.
 */
void xen_pmu_regs_lvtpc(struct xen_pmu_vcpu *v, u32 val)
{
	v->lvtpc = val;
	v->told = val;
	if (v->home != XEN_PMU_HOME_SAVED)
		set_lvtpc(v);
}

/* ---- From one home to the other ---- */

/*
 * What perf did to controls while the counters stood still in the page: one
 * that it stopped keeps the value that is there, one that it started gets its
 * own.
 */
static void settle(struct xen_pmu_vcpu *v)
{
	u64 was_on = v->wanted, started;

	if (v->dirty & XEN_PMU_BEHIND)
		v->dirty = v->pmu->controls;
	v->wanted = xen_pmu_file_enabled(&v->shadow);
	started = v->wanted & ~was_on;
	latch(v, was_on & ~v->wanted);
	v->stale |= was_on & ~v->wanted;
	start_in_page(v, started);
	v->dirty |= owed_controls(v, started);
}

/*
 * To the page what perf wrote to controls. As in write_control(), others that
 * this lets loose are latched first.
 */
static void page_controls(struct xen_pmu_vcpu *v)
{
	unsigned int reg;
	u64 stray;

	for_each_reg(reg, v->dirty) {
		xen_pmu_file_set(&v->held, reg, v->shadow.reg[reg]);
		xen_pmu_page_store(v, xen_pmu_reg(v, reg), v->shadow.reg[reg]);
	}
	v->dirty = 0;

	stray = xen_pmu_file_enabled(&v->held) & ~v->wanted;
	latch(v, stray);
	v->stale |= stray;
}

/* Write all that is known to the page, and drop all that Xen may refuse. */
static void page_repair(struct xen_pmu_vcpu *v)
{
	const struct xen_pmu_reg *r;
	unsigned int reg;

	v->dirty = v->pmu->controls;
	page_controls(v);
	for_each_counter(reg, v->latched)
		xen_pmu_page_store(v, xen_pmu_reg(v, reg), v->shadow.reg[reg]);
	for (reg = 0; reg < XEN_PMU_NR_REGS; reg++) {
		r = xen_pmu_reg(v, reg);
		if (r->slot && r->type != XEN_PMU_TYPE_STATUS)
			xen_pmu_page_store(v, r, (xen_pmu_page_load(v, r) &
						  ~r->zero) | r->one);
	}
}

static void to_shadow(struct xen_pmu_vcpu *v)
{
	latch(v, v->pmu->counters);
	v->wanted = xen_pmu_file_enabled(&v->shadow);
}

/**
 * xen_pmu_regs_flush_again() - flush what Xen refused
 * @v: the vCPU
 *
 * On the vCPU, with interrupts off.
 *
 * Return: 0, or what Xen answered.
 */
int xen_pmu_regs_flush_again(struct xen_pmu_vcpu *v)
{
	int err;

	page_repair(v);
	v->stats.flushes++;
	err = xen_pmu_op(XENPMU_flush, NULL);
	if (!err) {
		v->stats.repaired++;
		return 0;
	}

	pr_warn_once("xen_pmu: Xen refuses the counters of a vCPU (%d); it counts no more until the next suspend or CPU hotplug\n",
		     err);
	to_shadow(v);
	v->home = XEN_PMU_HOME_SAVED;
	v->stats.lost++;
	return err;
}

/* The controls that program these counters. */
static u64 owners(const struct xen_pmu_vcpu *v, u64 counters)
{
	u64 controls = 0;
	unsigned int reg;

	for_each_counter(reg, counters)
		controls |= BIT_ULL(xen_pmu_own_control(reg));
	if (counters && v->pmu->reg[XEN_PMU_GLOBAL_CTRL].msr)
		controls |= BIT_ULL(XEN_PMU_GLOBAL_CTRL);

	return controls;
}

/*
 * Xen has ignored the page, or may have: do by traps what the flush should
 * have done. Only the last one starts the counters; if the vCPU was away before
 * it, Xen may have left LVTPC masked.
 */
static void flush_by_traps(struct xen_pmu_vcpu *v, u64 flushed_at)
{
	u64 on = v->wanted, owed = v->dirty | owners(v, on), ack = 0;

	if (v->pmu->reg[XEN_PMU_GLOBAL_OVF_CTRL].slot)
		ack = xen_pmu_page_load(v, xen_pmu_reg(v, XEN_PMU_GLOBAL_OVF_CTRL));
	if (ack)
		trap_write(v, v->pmu->reg[XEN_PMU_GLOBAL_OVF_CTRL].msr, ack);

	v->stale |= on;
	v->dirty = 0;
	if (on | owed)
		start(v, on, owed);

	v->unmasked_at = flushed_at;
	unmask_lvtpc(v);
}

/* Xen has loaded a page with other controls. */
static void reprogrammed(struct xen_pmu_vcpu *v)
{
	v->counted = xen_pmu_file_enabled(&v->held);
	v->running = v->counted;
}

/**
 * xen_pmu_regs_flush() - give the registers back to Xen
 * @v: the vCPU; xen_pmu_cached() holds
 *
 * Xen verifies what it loads. Should it refuse, what it may have refused is
 * dropped and the flush repeated; should it refuse again, the vPMU stays
 * frozen in Xen and the registers move to the shadow.
 *
 * On the vCPU, with interrupts off.
 *
 * Return: 0, or what Xen answered the second time.
 */
int xen_pmu_regs_flush(struct xen_pmu_vcpu *v)
{
	bool loads = v->running;
	u64 now = loads ? 0 : xen_pmu_steal_clock();
	int err;

	hide(v, xen_pmu_loose(v));
	settle(v);
	if (loads)
		page_controls(v);
	else
		latch(v, v->wanted);

	err = xen_pmu_page_give(v);
	if (err)
		return err;

	if (loads)
		reprogrammed(v);
	else
		flush_by_traps(v, now);
	return 0;
}

/* From the shadow to hardware; @held says what is there. */
static void restore(struct xen_pmu_vcpu *v)
{
	v->home = XEN_PMU_HOME_XEN;
	v->latched = v->pmu->counters;
	v->stale = v->latched;
	v->dirty = 0;
	set_lvtpc(v);

	/* An overflow that was left unhandled: Xen wants a flush first. */
	if (xen_pmu_cached(v)) {
		page_repair(v);
		xen_pmu_regs_flush(v);
	} else if (v->wanted) {
		start(v, v->wanted, owed_controls(v, v->wanted));
	}
}

/* Hardware has all counters off. */
static void nothing_held(struct xen_pmu_vcpu *v)
{
	unsigned int reg;

	/* Without a global control nothing keeps a counter from counting. */
	v->held = (struct xen_pmu_file) {
		.reg[XEN_PMU_GLOBAL_CTRL] = ~0ULL,
	};
	for_each_reg(reg, v->pmu->controls)
		xen_pmu_file_set(&v->held, reg, v->pmu->reg[reg].one);
	v->counted = 0;
	v->running = false;
	v->unmasked_at = ~0ULL;
}

/**
 * xen_pmu_regs_attach() - move the registers to Xen
 * @v: the vCPU
 * @page: its page, with a layout that fits @v->pmu
 *
 * What was saved is loaded again. On the vCPU, with interrupts off.
 */
void xen_pmu_regs_attach(struct xen_pmu_vcpu *v, struct xen_pmu_data *page)
{
	v->page = page;
	v->dirty = 0;
	nothing_held(v);
	if (v->home == XEN_PMU_HOME_SAVED) {
		restore(v);
		return;
	}

	/* Counters are 0 in both, controls as a new vPMU has them. */
	v->shadow = v->held;
	v->wanted = 0;
	v->latched = v->pmu->counters;
	v->stale = 0;
	v->told = ~0ULL;
	v->home = XEN_PMU_HOME_XEN;
}

/**
 * xen_pmu_regs_detach() - forget the registers
 * @v: the vCPU, which is down
 *
 * Return: the page that was shared, which Xen still maps; or NULL.
 */
struct xen_pmu_data *xen_pmu_regs_detach(struct xen_pmu_vcpu *v)
{
	struct xen_pmu_data *page = v->page;

	v->home = XEN_PMU_HOME_NONE;
	WRITE_ONCE(v->page, NULL);
	return page;
}

/**
 * xen_pmu_regs_save() - move the registers to the shadow, and give up the page
 * @v: the vCPU
 *
 * On the vCPU, with interrupts off. The counters stand still until
 * xen_pmu_regs_attach().
 *
 * Return: the page that was shared, which Xen still maps; or NULL.
 */
struct xen_pmu_data *xen_pmu_regs_save(struct xen_pmu_vcpu *v)
{
	struct xen_pmu_data *page = v->page;

	if (!page)
		return NULL;

	if (v->home == XEN_PMU_HOME_XEN)
		to_shadow(v);
	v->home = XEN_PMU_HOME_SAVED;
	WRITE_ONCE(v->page, NULL);
	return page;
}

static void stop_hardware(struct xen_pmu_vcpu *v)
{
	unsigned int reg;

	for_each_reg(reg, v->pmu->controls)
		trap_write(v, v->pmu->reg[reg].msr, v->pmu->reg[reg].one);
	nothing_held(v);
}

/**
 * xen_pmu_regs_pause() - move the registers to the shadow, and keep the page
 * @v: the vCPU
 *
 * On the vCPU, with interrupts off. The counters stand still until
 * xen_pmu_regs_proceed().
 */
void xen_pmu_regs_pause(struct xen_pmu_vcpu *v)
{
	if (v->home != XEN_PMU_HOME_XEN)
		return;

	to_shadow(v);
	if (!xen_pmu_cached(v))
		stop_hardware(v);
	v->home = XEN_PMU_HOME_SAVED;
}

/**
 * xen_pmu_regs_proceed() - undo xen_pmu_regs_pause()
 * @v: the vCPU
 *
 * Also brings back a vCPU whose registers vanished or whose flush was refused.
 * On the vCPU, with interrupts off.
 */
void xen_pmu_regs_proceed(struct xen_pmu_vcpu *v)
{
	if (v->home != XEN_PMU_HOME_SAVED || !v->page)
		return;

	/* Writes may have vanished: nothing is known about hardware. */
	v->home = XEN_PMU_HOME_XEN;
	if (!xen_pmu_cached(v))
		stop_hardware(v);
	restore(v);
}

/**
 * xen_pmu_regs_tidy() - stop what hardware counts and perf does not
 * @v: the vCPU
 *
 * For when nobody uses the PMU any more. On the vCPU, with interrupts off.
 */
void xen_pmu_regs_tidy(struct xen_pmu_vcpu *v)
{
	unsigned int reg;

	if (v->home != XEN_PMU_HOME_XEN || xen_pmu_cached(v))
		return;

	latch(v, xen_pmu_loose(v));
	for_each_reg(reg, v->pmu->controls)
		if (v->held.reg[reg] != v->shadow.reg[reg])
			write_control(v, reg, v->shadow.reg[reg]);
	remind(v);
	if (xen_pmu_cached(v))
		hide(v, v->latched);
}

/**
 * xen_pmu_regs_probe() - see whether Xen takes an event
 * @v: the vCPU
 * @config: the event select
 *
 * The event is written to a counter that is not in use, but not enabled. While
 * there is none, nothing is known and nothing refused. On the vCPU, with
 * interrupts off.
 *
 * Return: 0, or -EIO if an event select may not hold @config.
 */
int xen_pmu_regs_probe(struct xen_pmu_vcpu *v, u64 config)
{
	unsigned int reg = XEN_PMU_CONTROL, i;
	u64 old;
	int err;

	config &= ~ARCH_PERFMON_EVENTSEL_ENABLE;
	err = xen_pmu_conform(&v->pmu->reg[reg], 0, &config);
	if (err)
		return err;
	if (!v->pmu->vendor->filtered || !v->pmu->vendor->filtered(config) ||
	    v->home != XEN_PMU_HOME_XEN || xen_pmu_cached(v))
		return 0;

	for (i = 0; i < XEN_PMU_MAX_GENERAL; i++, reg++) {
		if (!v->pmu->reg[reg].msr || v->wanted & BIT_ULL(i))
			continue;
		old = v->held.reg[reg];
		err = write_control(v, reg, config);
		if (!err)
			write_control(v, reg, old);
		return err;
	}
	return 0;
}
