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
 * what is written in between would otherwise be undone by the flush.
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
 * counter is called loose. If one overflows, the interrupt stops it, and its
 * overflow is not shown to perf. A counter that is near its overflow is
 * stopped for good instead, as is one that shares its enable bit with many.
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

#include "pmu.h"

/*
 * A counter this close to its overflow is not left loose. Small against the
 * 2^31 events that perf gives a counter that only counts, large against what
 * happens between a switch out and in.
 */
#define NEAR_OVERFLOW	BIT_ULL(20)

/* Counters by their bit in IA32_PERF_GLOBAL_CTRL; AMD's likewise. */
#define FIXED_BIT	INTEL_PMC_IDX_FIXED

static unsigned int reg_of(unsigned int bit)
{
	return bit < FIXED_BIT ? XEN_PMU_COUNTER + bit
			       : XEN_PMU_FIXED + bit - FIXED_BIT;
}

static u64 bit_of(unsigned int reg)
{
	return reg < XEN_PMU_FIXED ? BIT_ULL(reg - XEN_PMU_COUNTER)
				   : BIT_ULL(FIXED_BIT + reg - XEN_PMU_FIXED);
}

static u64 enabled(const struct xen_pmu_vcpu *v, const u64 *regs)
{
	return v->pmu->vendor->enabled(v->pmu, regs);
}

/* Counters that hardware counts and perf has stopped. */
static u64 loose(const struct xen_pmu_vcpu *v)
{
	return enabled(v, v->held) & ~enabled(v, v->shadow);
}

/**
 * xen_pmu_regs_enabled() - counters that perf has enabled
 * @v: the vCPU
 *
 * Return: their bits, as in IA32_PERF_GLOBAL_CTRL.
 */
u64 xen_pmu_regs_enabled(const struct xen_pmu_vcpu *v)
{
	return v->pmu ? enabled(v, v->shadow) : 0;
}

/**
 * xen_pmu_regs_loose() - counters that hardware counts and perf has stopped
 * @v: the vCPU
 *
 * Return: their bits, as in IA32_PERF_GLOBAL_CTRL.
 */
u64 xen_pmu_regs_loose(const struct xen_pmu_vcpu *v)
{
	return v->pmu ? loose(v) : 0;
}

/**
 * xen_pmu_regs_cached() - see whether an overflow waits for the flush
 * @v: the vCPU
 *
 * Return: whether the registers live in the page.
 */
bool xen_pmu_regs_cached(const struct xen_pmu_vcpu *v)
{
	return v->home == XEN_PMU_HOME_XEN &&
	       READ_ONCE(v->page->pmu.pmu_flags) & PMU_CACHED;
}

/* ---- The page ---- */

static u64 *page_slot(const struct xen_pmu_vcpu *v, unsigned int reg)
{
	return (void *)v->page + v->pmu->slot[reg];
}

static u64 page_read(const struct xen_pmu_vcpu *v, unsigned int reg)
{
	return READ_ONCE(*page_slot(v, reg)) & v->pmu->rule[reg].width;
}

static void page_write(const struct xen_pmu_vcpu *v, unsigned int reg, u64 val)
{
	WRITE_ONCE(*page_slot(v, reg), val);
}

/* Write-1-to-clear: Xen takes the bits to hardware at the flush. */
static void page_ack(const struct xen_pmu_vcpu *v, u64 val)
{
	u64 *status = page_slot(v, XEN_PMU_GLOBAL_STATUS);

	page_write(v, XEN_PMU_GLOBAL_OVF_CTRL,
		   page_read(v, XEN_PMU_GLOBAL_OVF_CTRL) | val);
	WRITE_ONCE(*status, READ_ONCE(*status) & ~val);
}

/* In the page, to start a counter is to put its value there. */
static void page_start(struct xen_pmu_vcpu *v, u64 counters)
{
	u64 known = counters & v->latched;

	for (; known; known &= known - 1) {
		unsigned int reg = reg_of(__ffs64(known));

		page_write(v, reg, v->shadow[reg]);
	}
	v->latched &= ~counters;
}

/*
 * The first look at a page that Xen has filled: overflows of loose counters
 * are not perf's.
 */
static void page_enter(struct xen_pmu_vcpu *v, u64 was_loose)
{
	if (v->entered)
		return;

	v->entered = true;
	if (was_loose && v->pmu->slot[XEN_PMU_GLOBAL_STATUS])
		page_ack(v, was_loose);
}

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

	if (!xen_pmu_regs_cached(v)) {
		err = trap_read(v, v->pmu->msr[reg], &val);
		if (err)
			return err;
	}
	/* The overflow may also have come between the flag and the trap. */
	if (xen_pmu_regs_cached(v))
		val = page_read(v, reg);
	else if (!val && v->shadow[reg] && vanished(v))
		return 0;

	v->shadow[reg] = val;
	return 0;
}

static void latch(struct xen_pmu_vcpu *v, u64 counters)
{
	counters &= ~v->latched;
	v->latched |= counters;
	for (; counters; counters &= counters - 1)
		fetch(v, reg_of(__ffs64(counters)));
}

/* What hardware would count after a write to a control. */
static u64 enabled_after(struct xen_pmu_vcpu *v, unsigned int reg, u64 val)
{
	u64 old = v->held[reg], after;

	v->held[reg] = val;
	after = enabled(v, v->held);
	v->held[reg] = old;
	return after;
}

/*
 * A write may let counters loose that perf has stopped and whose values are
 * still in hardware: they are latched first.
 *
 * Xen forgets that the vPMU runs when any counter is disabled, and remembers
 * when one is enabled (amd_vpmu_do_wrmsr()). While it has forgotten, a vCPU
 * switch drops the context and a flush ignores the page.
 *
 * Xen masks LVTPC when it switches from a vCPU, and leaves it masked when it
 * switches to one whose vPMU does not run (vpmu_load()): who starts the first
 * counter unmasks it.
 */
static int write_control(struct xen_pmu_vcpu *v, unsigned int reg, u64 val)
{
	u64 before = enabled(v, v->held), after = enabled_after(v, reg, val);
	u64 stray = after & ~before & ~enabled(v, v->shadow);
	int err;

	latch(v, stray);
	err = trap_write(v, v->pmu->msr[reg], val);
	if (err)
		return err;

	v->stale |= stray;
	v->held[reg] = val;
	v->running = v->pmu->vendor->stops_on_disable ?
		     val & ARCH_PERFMON_EVENTSEL_ENABLE : after;
	if (after && !before)
		xen_pmu_regs_lvtpc(v, v->lvtpc);
	return 0;
}

static void remind(struct xen_pmu_vcpu *v)
{
	u64 on = enabled(v, v->held), bits;
	unsigned int reg;

	if (!on || v->running)
		return;

	reg = v->pmu->vendor->own(__ffs64(on), &bits);
	write_control(v, reg, v->held[reg]);
}

static void write_counters(struct xen_pmu_vcpu *v, u64 counters)
{
	for (; counters; counters &= counters - 1) {
		unsigned int reg = reg_of(__ffs64(counters));

		trap_write(v, v->pmu->msr[reg], v->shadow[reg]);
	}
}

/* Controls in which hardware programs these counters otherwise than perf. */
static u64 owed_controls(const struct xen_pmu_vcpu *v, u64 counters)
{
	u64 owed = 0, bits, left;

	for (left = counters; left; left &= left - 1) {
		unsigned int reg = v->pmu->vendor->own(__ffs64(left), &bits);

		if ((v->held[reg] ^ v->shadow[reg]) & bits)
			owed |= BIT_ULL(reg);
	}
	if (v->pmu->msr[XEN_PMU_GLOBAL_CTRL] &&
	    (v->held[XEN_PMU_GLOBAL_CTRL] ^ v->shadow[XEN_PMU_GLOBAL_CTRL]) &
	    counters)
		owed |= BIT_ULL(XEN_PMU_GLOBAL_CTRL);

	return owed;
}

/* Xen was not expected to refuse a control: what it governs is not counted. */
static void drop_control(struct xen_pmu_vcpu *v, unsigned int reg)
{
	v->shadow[reg] = v->pmu->rule[reg].fixed_bits;
	pr_warn_once("xen_pmu: Xen refuses an event that it took before\n");
}

/*
 * Start counters, and program those that run as perf wants. One that hardware
 * counts already begins with the write of its value, any other with the write
 * of the last of its controls. One that is not latched began when the same
 * write stopped others, from the value that stood still in hardware.
 */
static void start(struct xen_pmu_vcpu *v, u64 counters)
{
	u64 was_on = enabled(v, v->held), was_loose = loose(v) | counters;
	u64 owed = owed_controls(v, enabled(v, v->shadow));

	write_counters(v, counters & v->stale & ~was_on);
	for (; owed; owed &= owed - 1) {
		unsigned int reg = __ffs64(owed);

		if (write_control(v, reg, v->shadow[reg]))
			drop_control(v, reg);
	}
	write_counters(v, counters & was_on & v->latched);
	remind(v);
	v->stale &= ~counters;
	/* An overflow in the middle: the page lacks what was written. */
	if (xen_pmu_regs_cached(v)) {
		page_enter(v, was_loose);
		page_start(v, counters);
	}
	v->latched &= ~counters;
}

static bool near_overflow(const struct xen_pmu_vcpu *v, u64 counters)
{
	for (; counters; counters &= counters - 1) {
		unsigned int reg = reg_of(__ffs64(counters));

		if (v->pmu->rule[reg].width - v->shadow[reg] < NEAR_OVERFLOW)
			return true;
	}
	return false;
}

/*
 * Stop counters that perf has just disabled by a write to @reg. To stop them
 * in hardware costs a write now and one when they start again; to let them
 * loose costs a read each, which perf wants in any case, and a write each when
 * they start, which perf mostly wants too.
 */
static void stop(struct xen_pmu_vcpu *v, unsigned int reg, u64 counters)
{
	u64 was_loose = loose(v) & ~counters;
	bool few = hweight64(counters) <= 2;

	if (few)
		latch(v, counters);
	v->stale |= counters & v->latched;

	if (!few || near_overflow(v, counters)) {
		write_control(v, reg, v->shadow[reg]);
		remind(v);
	}
	if (xen_pmu_regs_cached(v))
		page_enter(v, was_loose);
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
	bool cached = xen_pmu_regs_cached(v);
	int err = 0;

	if (cached)
		page_enter(v, loose(v));
	else if (flags & XEN_PMU_PAGE_ONLY)
		return trap_read(v, msr, val);

	switch (v->pmu->type[reg]) {
	case XEN_PMU_TYPE_COUNTER:
		if (v->home == XEN_PMU_HOME_XEN && !(v->latched & bit_of(reg)))
			err = fetch(v, reg);
		if (!err)
			v->latched |= bit_of(reg) & ~enabled(v, v->shadow);
		*val = v->shadow[reg];
		return err;
	case XEN_PMU_TYPE_CONTROL:
		*val = v->shadow[reg];
		return 0;
	case XEN_PMU_TYPE_STATUS:
		if (v->home == XEN_PMU_HOME_SAVED)
			*val = v->shadow[reg];
		else if (cached)
			*val = page_read(v, reg);
		else
			return trap_read(v, msr, val);
		return 0;
	case XEN_PMU_TYPE_ACK:
		*val = 0;
		return 0;
	default:
		*val = page_read(v, reg);
		return 0;
	}
}

static int write_counter(struct xen_pmu_vcpu *v, unsigned int reg, u64 val)
{
	u64 bit = bit_of(reg), was_loose = loose(v);

	v->shadow[reg] = val;
	if (!v->pmu->lazy && v->home == XEN_PMU_HOME_XEN) {
		v->latched &= ~bit;
		return trap_write(v, v->pmu->msr[reg], val);
	}
	if (v->home == XEN_PMU_HOME_SAVED || !(enabled(v, v->shadow) & bit)) {
		v->latched |= bit;
		v->stale |= bit;
		return 0;
	}

	if (!xen_pmu_regs_cached(v))
		trap_write(v, v->pmu->msr[reg], val);
	if (xen_pmu_regs_cached(v)) {
		page_enter(v, was_loose);
		page_write(v, reg, val);
	}
	return 0;
}

static int write_by_perf(struct xen_pmu_vcpu *v, unsigned int reg, u64 val)
{
	bool (*filtered)(u64 config) = v->pmu->vendor->filtered;
	u64 was_on = enabled(v, v->shadow);
	u64 changed = (val ^ v->held[reg]) & ~ARCH_PERFMON_EVENTSEL_ENABLE;
	u64 was_loose = loose(v), on;
	int err;

	/* Xen may refuse an event: only it can tell, and it must at once. */
	if (v->home == XEN_PMU_HOME_XEN && !xen_pmu_regs_cached(v) &&
	    reg < XEN_PMU_FIXED && changed && filtered && filtered(val)) {
		err = write_control(v, reg, val);
		if (err)
			return err;
	}

	v->shadow[reg] = val;
	if (v->home == XEN_PMU_HOME_SAVED)
		return 0;

	on = enabled(v, v->shadow);
	if (xen_pmu_regs_cached(v)) {
		page_enter(v, was_loose);
		latch(v, was_on & ~on);
		v->stale |= was_on & ~on;
		page_start(v, on & ~was_on);
		return 0;
	}

	if (was_on & ~on)
		stop(v, reg, was_on & ~on);
	if (owed_controls(v, on) || on & ~was_on)
		start(v, on & ~was_on);
	return 0;
}

static bool allowed(const struct xen_pmu_rule *rule, u64 val)
{
	return !(val & rule->fixed_mask & ~rule->fixed_bits);
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
	const struct xen_pmu_rule *rule = &v->pmu->rule[reg];
	u8 type = v->pmu->type[reg];
	bool cached = xen_pmu_regs_cached(v);

	if (flags & XEN_PMU_PAGE_ONLY && !cached)
		return trap_write(v, msr, val);
	if (flags & XEN_PMU_SIGN_EXTEND)
		val = (s64)(s32)val & rule->width;
	if (!allowed(rule, val))
		return -EIO;
	val = (val & rule->width) | rule->fixed_bits;

	switch (type) {
	case XEN_PMU_TYPE_COUNTER:
		return write_counter(v, reg, val);
	case XEN_PMU_TYPE_CONTROL:
		return write_by_perf(v, reg, val);
	case XEN_PMU_TYPE_STATUS:
		return -EIO;
	case XEN_PMU_TYPE_ACK:
		if (v->home == XEN_PMU_HOME_SAVED) {
			v->shadow[XEN_PMU_GLOBAL_STATUS] &= ~val;
			return 0;
		}
		if (!cached)
			return trap_write(v, msr, val);
		page_enter(v, loose(v));
		page_ack(v, val);
		return 0;
	default:
		page_write(v, reg, val);
		return 0;
	}
}

/**
 * xen_pmu_regs_lvtpc() - write LVTPC
 * @v: the vCPU
 * @val: value
 *
 * While an overflow waits, the flush takes it along. On the vCPU, with
 * interrupts off.
 */
void xen_pmu_regs_lvtpc(struct xen_pmu_vcpu *v, u32 val)
{
	v->lvtpc = val;
	if (v->home != XEN_PMU_HOME_XEN)
		return;

	WRITE_ONCE(v->page->pmu.l.lapic_lvtpc, val);
	if (xen_pmu_regs_cached(v))
		return;

	v->stats.lvtpc++;
	if (xen_pmu_op(XENPMU_lvtpc_set, NULL))
		pr_warn_once("xen_pmu: Xen refused LVTPC; interrupts may be masked\n");
}

/* ---- From one home to the other ---- */

/* What the guest wrote is what Xen shall load, whatever the page says. */
static void page_restore(const struct xen_pmu_vcpu *v)
{
	unsigned int reg;

	for (reg = 0; reg < XEN_PMU_NR_REGS; reg++) {
		u8 type = v->pmu->type[reg];

		if (!v->pmu->slot[reg])
			continue;
		if (type == XEN_PMU_TYPE_CONTROL ||
		    (type == XEN_PMU_TYPE_COUNTER && v->latched & bit_of(reg)))
			page_write(v, reg, v->shadow[reg]);
	}
}

/* Drop all that Xen may refuse. */
static void page_repair(const struct xen_pmu_vcpu *v)
{
	unsigned int reg;

	page_restore(v);
	for (reg = 0; reg < XEN_PMU_NR_REGS; reg++) {
		const struct xen_pmu_rule *rule = &v->pmu->rule[reg];

		if (v->pmu->slot[reg] &&
		    v->pmu->type[reg] != XEN_PMU_TYPE_STATUS)
			page_write(v, reg,
				   (page_read(v, reg) & ~rule->fixed_mask) |
				   rule->fixed_bits);
	}
}

static u64 all_counters(const struct xen_pmu_vcpu *v)
{
	u64 counters = 0;
	unsigned int reg;

	for (reg = 0; reg < XEN_PMU_NR_REGS; reg++)
		if (v->pmu->msr[reg] &&
		    v->pmu->type[reg] == XEN_PMU_TYPE_COUNTER)
			counters |= bit_of(reg);

	return counters;
}

static int flush(struct xen_pmu_vcpu *v)
{
	int err;

	v->stats.flushes++;
	err = xen_pmu_op(XENPMU_flush, NULL);
	if (!err)
		return 0;

	page_repair(v);
	v->stats.flushes++;
	err = xen_pmu_op(XENPMU_flush, NULL);
	if (!err)
		v->stats.repaired++;
	return err;
}

/* Xen has ignored the page: do by traps what the flush should have done. */
static void flush_by_traps(struct xen_pmu_vcpu *v)
{
	u64 on = enabled(v, v->shadow), ack = 0;

	if (v->pmu->slot[XEN_PMU_GLOBAL_OVF_CTRL])
		ack = page_read(v, XEN_PMU_GLOBAL_OVF_CTRL);
	if (ack)
		trap_write(v, v->pmu->msr[XEN_PMU_GLOBAL_OVF_CTRL], ack);

	v->stale |= on;
	if (on)
		start(v, on);
}

/* The controls of hardware are those that perf wrote. */
static void all_held(struct xen_pmu_vcpu *v, const u64 *regs)
{
	unsigned int reg;

	for (reg = 0; reg < XEN_PMU_NR_REGS; reg++)
		if (v->pmu->type[reg] == XEN_PMU_TYPE_CONTROL)
			v->held[reg] = regs[reg];
}

/**
 * xen_pmu_regs_flush() - give the registers back to Xen
 * @v: the vCPU; xen_pmu_regs_cached() holds
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
	u64 on = enabled(v, v->shadow);
	bool loads = v->running;
	int err;

	page_enter(v, loose(v));
	if (!loads)
		latch(v, on);
	page_restore(v);

	err = flush(v);
	if (err) {
		latch(v, all_counters(v));
		v->home = XEN_PMU_HOME_SAVED;
		v->stats.lost++;
		return err;
	}

	v->entered = false;
	if (!loads) {
		flush_by_traps(v);
		return 0;
	}

	all_held(v, v->shadow);
	v->running = on;
	v->latched &= ~on;
	v->stale = 0;
	return 0;
}

/* From the shadow to hardware; @held says what is there. */
static void restore(struct xen_pmu_vcpu *v)
{
	u64 on = enabled(v, v->shadow);

	v->home = XEN_PMU_HOME_XEN;
	v->latched = all_counters(v);
	v->stale = v->latched;
	v->entered = false;

	if (xen_pmu_regs_cached(v)) {
		/* An overflow was left unhandled: Xen wants a flush first. */
		xen_pmu_regs_flush(v);
		return;
	}
	if (on)
		start(v, on);
	xen_pmu_regs_lvtpc(v, v->lvtpc);
}

static void controls_off(u64 *regs, const struct xen_pmu *pmu)
{
	unsigned int reg;

	for (reg = 0; reg < XEN_PMU_NR_REGS; reg++)
		if (pmu->type[reg] == XEN_PMU_TYPE_CONTROL)
			regs[reg] = pmu->rule[reg].fixed_bits;
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
	v->running = false;
	controls_off(v->held, v->pmu);
	if (v->home == XEN_PMU_HOME_SAVED) {
		restore(v);
		return;
	}

	memset(v->shadow, 0, sizeof(v->shadow));
	controls_off(v->shadow, v->pmu);
	v->latched = all_counters(v);
	v->stale = 0;
	v->entered = false;
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
		latch(v, all_counters(v));
	v->home = XEN_PMU_HOME_SAVED;
	WRITE_ONCE(v->page, NULL);
	return page;
}

static void stop_hardware(struct xen_pmu_vcpu *v)
{
	unsigned int reg;

	for (reg = 0; reg < XEN_PMU_NR_REGS; reg++)
		if (v->pmu->msr[reg] &&
		    v->pmu->type[reg] == XEN_PMU_TYPE_CONTROL)
			trap_write(v, v->pmu->msr[reg],
				   v->pmu->rule[reg].fixed_bits);
	controls_off(v->held, v->pmu);
	v->running = false;
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

	latch(v, all_counters(v));
	if (!xen_pmu_regs_cached(v))
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
	if (!xen_pmu_regs_cached(v))
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

	if (v->home != XEN_PMU_HOME_XEN || xen_pmu_regs_cached(v))
		return;

	latch(v, loose(v));
	for (reg = 0; reg < XEN_PMU_NR_REGS; reg++)
		if (v->pmu->type[reg] == XEN_PMU_TYPE_CONTROL &&
		    v->held[reg] != v->shadow[reg])
			write_control(v, reg, v->shadow[reg]);
	remind(v);
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
	if (!allowed(&v->pmu->rule[reg], config))
		return -EIO;
	if (!v->pmu->vendor->filtered || !v->pmu->vendor->filtered(config) ||
	    v->home != XEN_PMU_HOME_XEN || xen_pmu_regs_cached(v))
		return 0;

	for (i = 0; i < XEN_PMU_MAX_GENERAL; i++, reg++) {
		if (!v->pmu->msr[reg] || enabled(v, v->shadow) & BIT_ULL(i))
			continue;
		old = v->held[reg];
		err = write_control(v, reg, config);
		if (!err)
			write_control(v, reg, old);
		return err;
	}
	return 0;
}
