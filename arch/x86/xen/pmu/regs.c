// SPDX-License-Identifier: GPL-2.0-only
/*
 * The register file: where the registers of a vCPU live, and how they move.
 *
 * Xen owns the registers until a counter overflows. It then stops them, copies
 * them into the shared page, sets PMU_CACHED and raises VIRQ_XENPMU; from that
 * moment to XENPMU_flush the page is the truth and the hardware stands still.
 * The interrupt may come much later than the flag, if the guest had events
 * disabled, so it is the flag that says where an access goes, not the handler:
 * what is written in between would otherwise be undone by the flush. regs.h has
 * the accesses of that time.
 *
 * An access that reaches hardware is a trap. The flag may come up in the middle
 * of one: what was written is then put into the page, too, which is right
 * whether Xen stopped the counters before the write or behind it.
 *
 * Controls change only by what is written: @held has them, wherever they are,
 * and no trap reads them. While the vCPU is without its PMU, @value has the
 * counters.
 *
 * A flush loads the page only if Xen takes the vPMU for running; otherwise it
 * hands the registers back and ignores the page (vpmu_load() in
 * xen/arch/x86/cpu/vpmu.c). @running mirrors Xen's flag, on the pessimistic
 * side: if it is clear, the page is loaded by traps after the flush.
 */
#include <linux/bitops.h>
#include <linux/printk.h>
#include <linux/string.h>

#include <asm/perf_event.h>

#include "regs.h"

/* While an overflow waits, the flush takes LVTPC along. */
static int set_lvtpc(struct xen_pmu_vcpu *v)
{
	WRITE_ONCE(v->page->pmu.l.lapic_lvtpc, v->lvtpc);
	if (xen_pmu_cached(v))
		return 0;

	v->stats.lvtpc++;
	return xen_pmu_op(XENPMU_lvtpc_set, NULL);
}

/* ---- A vCPU that is without its PMU ---- */

static void nothing_counts(struct xen_pmu_vcpu *v)
{
	v->counted = 0;
	v->running = false;
	v->unmasked_at = ~0ULL;
}

static void move_to_memory(struct xen_pmu_vcpu *v)
{
	v->home = XEN_PMU_HOME_SAVED;
	nothing_counts(v);
}

static void gone(struct xen_pmu_vcpu *v)
{
	move_to_memory(v);
	if (v->pmu->gone)
		v->pmu->gone();
}

/*
 * What perf saw last of a counter, or something later: a value from before it
 * would be 2^48 events.
 */
static u64 last_known(const struct xen_pmu_vcpu *v, unsigned int counter)
{
	return v->known & BIT_ULL(xen_pmu_bit(counter)) ?
	       v->value[counter] : xen_pmu_page_load(v, xen_pmu_reg(v, counter));
}

/* What was counted since perf looked last, nobody can read any more. */
static void out_of_sight(struct xen_pmu_vcpu *v)
{
	unsigned int counter;

	for_each_counter(counter, v->pmu->counters)
		v->value[counter] = last_known(v, counter);
	gone(v);
}

static void say_refused(const struct xen_pmu_vcpu *v)
{
	pr_warn_once("xen_pmu: Xen refuses the counters of CPU %u; it counts no more until all events are closed, the mode is set anew, or it is plugged in again\n",
		     v->cpu);
}

/* ---- Counters and controls ---- */

/* Of what a trap brought and what was known when it came back. */
static u64 later(const struct xen_pmu_vcpu *v, unsigned int counter, u64 val)
{
	u64 known = last_known(v, counter), width = v->pmu->reg[counter].width;

	return ((known - val) & width) <= width >> 1 ? known : val;
}

/**
 * xen_pmu_regs_fetched() - what to make of a counter that was read, or was not
 * @v: the vCPU
 * @counter: the counter's register
 * @val: what the trap brought; 0 if there was none
 * @err: -EIO if Xen raised #GP
 * @again: others were read before this one came back
 *
 * If Xen does not let it be read, the vCPU is without its PMU afterwards.
 */
void xen_pmu_regs_fetched(struct xen_pmu_vcpu *v, unsigned int counter, u64 val,
			  int err, bool again)
{
	/* The overflow may also have come between the flag and the trap. */
	if (xen_pmu_cached(v)) {
		val = xen_pmu_page_load(v, xen_pmu_reg(v, counter));
	} else if (err) {
		say_refused(v);
		out_of_sight(v);
		return;
	} else if (!val && last_known(v, counter) && xen_pmu_mode_is_off()) {
		/* All registers read 0 then; a counter seldom does. */
		out_of_sight(v);
		return;
	} else if (again) {
		val = later(v, counter, val);
	}
	xen_pmu_regs_note(v, counter, BIT_ULL(xen_pmu_bit(counter)), val);
}

static void fetch_all(struct xen_pmu_vcpu *v, u64 counters)
{
	unsigned int counter;

	for_each_counter(counter, counters & v->pmu->counters)
		xen_pmu_regs_fetch(v, counter);
}

/**
 * xen_pmu_regs_unmask() - have LVTPC in hardware as perf wrote it
 * @v: the vCPU, registers in hardware
 * @now: when Xen scheduled it
 *
 * Return: 0, or what Xen answered.
 */
int xen_pmu_regs_unmask(struct xen_pmu_vcpu *v, u64 now)
{
	int err = set_lvtpc(v);

	if (!err)
		v->unmasked_at = now;
	return err;
}

/**
 * xen_pmu_regs_control() - program a control
 * @v: the vCPU, registers not in the page
 * @control: the control's register
 * @val: a value that it takes
 *
 * Return: 0, or an error if Xen took it not, or what must go with it.
 */
int xen_pmu_regs_control(struct xen_pmu_vcpu *v, unsigned int control, u64 val)
{
	if (v->home == XEN_PMU_HOME_SAVED) {
		xen_pmu_set_control(&v->held, control, val);
		return 0;
	}
	return xen_pmu_regs_program(v, control, val,
				    xen_pmu_enabled_with(&v->held, control, val));
}

/**
 * xen_pmu_regs_rerun() - have Xen take the vPMU for running again
 * @v: the vCPU, of which a counter counts
 */
void xen_pmu_regs_rerun(struct xen_pmu_vcpu *v)
{
	unsigned int control;

	control = xen_pmu_own_control(xen_pmu_counter(__ffs64(v->counted)));
	xen_pmu_regs_control(v, control, xen_pmu_control(&v->held, control));
}

/* ---- Accesses ---- */

/* Of what is the page's alone no trap knows; Xen's answer is the kernel's. */
static bool is_elsewhere(const struct xen_pmu_vcpu *v, u8 flags)
{
	return v->home == XEN_PMU_HOME_NONE ||
	       (flags & XEN_PMU_PAGE_ONLY && v->home == XEN_PMU_HOME_XEN);
}

/**
 * xen_pmu_regs_read() - read a register
 * @v: the vCPU
 * @reg: the register
 * @msr: the MSR by which it was asked for
 * @val: where the value goes
 * @flags: XEN_PMU_PAGE_ONLY, of the MSR
 *
 * Return: 0, or -EIO if Xen raised #GP.
 */
int xen_pmu_regs_read(struct xen_pmu_vcpu *v, unsigned int reg, u32 msr,
		      u64 *val, u8 flags)
{
	if (xen_pmu_cached(v)) {
		*val = xen_pmu_page_read(v, xen_pmu_reg(v, reg));
		return 0;
	}
	if (is_elsewhere(v, flags))
		return xen_pmu_trap_read(v, msr, val);
	if (flags & XEN_PMU_PAGE_ONLY)
		return -EIO;

	*val = 0;
	switch (v->pmu->reg[reg].type) {
	case XEN_PMU_TYPE_COUNTER:
		xen_pmu_regs_fetch(v, reg);
		*val = v->value[reg];
		return 0;
	case XEN_PMU_TYPE_CONTROL:
		*val = xen_pmu_control(&v->held, reg);
		return 0;
	case XEN_PMU_TYPE_STATUS:
		return v->home == XEN_PMU_HOME_SAVED ? 0 : xen_pmu_trap_read(v, msr, val);
	default:
		return 0;
	}
}

/**
 * xen_pmu_regs_write() - write a register
 * @v: the vCPU
 * @reg: the register
 * @msr: the MSR by which it was asked for
 * @val: value
 * @flags: XEN_PMU_PAGE_ONLY and XEN_PMU_SIGN_EXTEND, of the MSR
 *
 * Return: 0, or -EIO where hardware or Xen raise #GP; nothing has changed then.
 */
int xen_pmu_regs_write(struct xen_pmu_vcpu *v, unsigned int reg, u32 msr,
		       u64 val, u8 flags)
{
	const struct xen_pmu_reg *r = xen_pmu_reg(v, reg);
	bool cached = xen_pmu_cached(v);
	int err;

	if (!cached && is_elsewhere(v, flags))
		return xen_pmu_trap_write(v, msr, val);
	if (!cached && flags & XEN_PMU_PAGE_ONLY)
		return -EIO;

	err = xen_pmu_conform(r, flags, &val);
	if (err)
		return err;
	if (cached)
		return xen_pmu_page_write(v, r, val);

	switch (r->type) {
	case XEN_PMU_TYPE_COUNTER:
		xen_pmu_regs_note(v, reg, BIT_ULL(r->bit), val);
		if (xen_pmu_regs_put(v, reg))
			xen_pmu_regs_lose(v, ~BIT_ULL(r->bit));
		return 0;
	case XEN_PMU_TYPE_CONTROL:
		/* What is written as it is stays as it is. */
		if (xen_pmu_control(&v->held, reg) == val)
			return 0;
		err = xen_pmu_regs_control(v, reg, val);
		xen_pmu_regs_remind(v);
		return err;
	case XEN_PMU_TYPE_ACK:
		return v->home == XEN_PMU_HOME_SAVED ? 0 : xen_pmu_trap_write(v, msr, val);
	default:
		return -EIO;
	}
}

/**
 * xen_pmu_regs_lvtpc() - write LVTPC
 * @v: the vCPU
 * @val: value
 */
void xen_pmu_regs_lvtpc(struct xen_pmu_vcpu *v, u32 val)
{
	v->lvtpc = val;
	v->told = val;
	if (v->home != XEN_PMU_HOME_SAVED && set_lvtpc(v))
		v->unmasked_at = ~0ULL;
}

/**
 * xen_pmu_regs_try() - see whether Xen takes an event
 * @v: the vCPU
 * @config: the event select
 *
 * The event is written to a counter that does not count, and not enabled. While
 * there is none, nothing is known and nothing refused.
 *
 * Return: 0, or -EIO if an event select may not hold @config.
 */
int xen_pmu_regs_try(struct xen_pmu_vcpu *v, u64 config)
{
	unsigned int control = XEN_PMU_CONTROL, i;
	u64 old;
	int err;

	config &= ~ARCH_PERFMON_EVENTSEL_ENABLE;
	err = xen_pmu_conform(&v->pmu->reg[control], 0, &config);
	if (err)
		return err;
	if (!v->pmu->vendor->filtered || !v->pmu->vendor->filtered(config) ||
	    v->home != XEN_PMU_HOME_XEN || xen_pmu_cached(v))
		return 0;

	for (i = 0; i < XEN_PMU_MAX_GENERAL; i++, control++) {
		if (!v->pmu->reg[control].msr || v->counted & BIT_ULL(i))
			continue;
		old = xen_pmu_control(&v->held, control);
		err = xen_pmu_regs_control(v, control, config);
		if (!err)
			xen_pmu_regs_control(v, control, old);
		return err;
	}
	return 0;
}

/* ---- From one home to the other ---- */

/* Write all that is known to the page, and drop all that Xen may refuse. */
static void repair_page(struct xen_pmu_vcpu *v)
{
	const struct xen_pmu_reg *r;
	unsigned int reg;

	for_each_reg(reg, v->pmu->controls)
		xen_pmu_page_store(v, xen_pmu_reg(v, reg),
				   xen_pmu_control(&v->held, reg));
	for (reg = 0; reg < XEN_PMU_NR_REGS; reg++) {
		r = xen_pmu_reg(v, reg);
		if (r->slot && r->type != XEN_PMU_TYPE_STATUS)
			xen_pmu_page_store(v, r, (xen_pmu_page_load(v, r) &
						  ~r->zero) | r->one);
	}
}

static void give_up(struct xen_pmu_vcpu *v)
{
	say_refused(v);
	gone(v);
}

/**
 * xen_pmu_regs_give_again() - flush what Xen refused
 * @v: the vCPU; xen_pmu_cached() holds
 *
 * Return: 0, or what Xen answered.
 */
int xen_pmu_regs_give_again(struct xen_pmu_vcpu *v)
{
	int err;

	repair_page(v);
	v->stats.flushes++;
	err = xen_pmu_op(XENPMU_flush, NULL);
	if (!err) {
		v->stats.repaired++;
		return 0;
	}

	v->stats.lost++;
	fetch_all(v, v->pmu->counters);
	give_up(v);
	return err;
}

/* No counter is on, as far as anybody knows. */
static void nothing_held(struct xen_pmu_vcpu *v)
{
	unsigned int control;

	/* Without a global control nothing keeps a counter from counting. */
	memset(&v->held, 0, sizeof(v->held));
	xen_pmu_set_control(&v->held, XEN_PMU_GLOBAL_CTRL, ~0ULL);
	for_each_reg(control, v->pmu->controls)
		xen_pmu_set_control(&v->held, control, v->pmu->reg[control].one);
	nothing_counts(v);
}

/*
 * What stops an event select where Xen takes a few events only, of which "none"
 * is not one: it refused what was to replace the event that is there.
 */
static int disarm(struct xen_pmu_vcpu *v, unsigned int control)
{
	return xen_pmu_trap_write(v, v->pmu->reg[control].msr, XEN_PMU_HARMLESS_EVENT);
}

/*
 * Where Xen takes a few events only it refuses to have none, too; all other
 * refusals would leave an event that does not count, and seems to.
 */
static bool may_be_refused(unsigned int control, u64 val)
{
	return control < XEN_PMU_FIXED_CTRL && !xen_pmu_arms(control, val);
}

/*
 * Everything, by traps: @want, and what @v->value has. With a global control
 * nothing counts before its write, which is the last; without one a counter
 * begins with the write of its value.
 */
static void load_by_traps(struct xen_pmu_vcpu *v,
			  const struct xen_pmu_controls *want, u64 unmasked_at)
{
	unsigned int reg;

	if (v->pmu->reg[XEN_PMU_GLOBAL_CTRL].msr)
		xen_pmu_trap_write(v, v->pmu->reg[XEN_PMU_GLOBAL_CTRL].msr,
				   v->pmu->reg[XEN_PMU_GLOBAL_CTRL].one);
	nothing_held(v);
	v->unmasked_at = unmasked_at;
	for_each_reg(reg, v->pmu->controls & ~BIT_ULL(XEN_PMU_GLOBAL_CTRL))
		if (xen_pmu_regs_control(v, reg, xen_pmu_control(want, reg)) &&
		    (!may_be_refused(reg, xen_pmu_control(want, reg)) ||
		     disarm(v, reg)))
			goto refused;
	for_each_counter(reg, v->pmu->counters)
		if (xen_pmu_regs_put(v, reg))
			goto refused;
	reg = XEN_PMU_GLOBAL_CTRL;
	if (v->pmu->reg[reg].msr &&
	    xen_pmu_regs_control(v, reg, xen_pmu_control(want, reg)))
		goto refused;

	xen_pmu_regs_remind(v);
	return;

refused:
	v->held = *want;
	give_up(v);
}

/**
 * xen_pmu_regs_flush_slowly() - flush what Xen does not load, or should not have
 * @v: the vCPU; xen_pmu_cached() holds
 *
 * Xen ignores the page, or may: what the flush should have done is done by
 * traps.
 *
 * Return: 0, or what Xen answered the second time.
 */
int xen_pmu_regs_flush_slowly(struct xen_pmu_vcpu *v)
{
	const struct xen_pmu_controls want = v->held;
	bool loads = v->running, refused = v->refused;
	u64 now = xen_pmu_scheduled_at(), ack = 0;
	int err;

	v->refused = false;
	if (v->pmu->reg[XEN_PMU_GLOBAL_OVF_CTRL].slot)
		ack = xen_pmu_page_load(v, xen_pmu_reg(v, XEN_PMU_GLOBAL_OVF_CTRL));
	fetch_all(v, v->pmu->counters);

	err = xen_pmu_regs_give(v);
	if (err)
		return err;

	xen_pmu_regs_loaded(v);
	if (refused) {
		xen_pmu_regs_lose(v, loads ? v->pmu->counters : 0);
		return 0;
	}
	if (ack)
		xen_pmu_trap_write(v, v->pmu->reg[XEN_PMU_GLOBAL_OVF_CTRL].msr, ack);
	/* If the vCPU was away since, Xen may have left LVTPC masked. */
	load_by_traps(v, &want, now);
	return 0;
}

static void stop_hardware(struct xen_pmu_vcpu *v)
{
	unsigned int control;
	u64 off;

	for_each_reg(control, v->pmu->controls) {
		off = v->pmu->reg[control].one;
		if (xen_pmu_trap_write(v, v->pmu->reg[control].msr, off) &&
		    control < XEN_PMU_FIXED_CTRL)
			disarm(v, control);
	}
}

/* From memory to hardware, where nothing counts. */
static void restore(struct xen_pmu_vcpu *v, const struct xen_pmu_controls *want)
{
	u64 now = xen_pmu_scheduled_at();
	unsigned int counter;

	v->home = XEN_PMU_HOME_XEN;
	nothing_counts(v);
	if (set_lvtpc(v))
		now = ~0ULL;
	if (!xen_pmu_cached(v)) {
		load_by_traps(v, want, now);
		return;
	}

	/* An overflow that was left unhandled: Xen wants a flush first. */
	v->held = *want;
	for_each_counter(counter, v->pmu->counters)
		xen_pmu_page_store(v, xen_pmu_reg(v, counter), v->value[counter]);
	repair_page(v);
	xen_pmu_regs_flush_slowly(v);
}

/**
 * xen_pmu_regs_attach() - move the registers to Xen
 * @v: the vCPU
 * @page: its page, with a layout that fits @v->pmu
 * @want: the controls, if the counters were saved; they are loaded again
 */
void xen_pmu_regs_attach(struct xen_pmu_vcpu *v, struct xen_pmu_data *page,
			 const struct xen_pmu_controls *want)
{
	v->page = page;
	v->refused = false;
	v->known = v->pmu->counters;
	if (v->home == XEN_PMU_HOME_SAVED) {
		restore(v, want);
		return;
	}

	/* Counters are 0 in a new vPMU, too. */
	memset(v->value, 0, sizeof(v->value));
	nothing_held(v);
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
 * xen_pmu_regs_save() - move the registers to memory, and give up the page
 * @v: the vCPU
 * @fetch: counters whose values are not in @v->value
 *
 * The counters stand still until xen_pmu_regs_attach().
 *
 * Return: the page that was shared, which Xen still maps; or NULL.
 */
struct xen_pmu_data *xen_pmu_regs_save(struct xen_pmu_vcpu *v, u64 fetch)
{
	struct xen_pmu_data *page = v->page;

	if (!page)
		return NULL;

	fetch_all(v, fetch);
	move_to_memory(v);
	WRITE_ONCE(v->page, NULL);
	return page;
}

/**
 * xen_pmu_regs_pause() - move the registers to memory, and keep the page
 * @v: the vCPU
 * @fetch: counters whose values are not in @v->value
 *
 * The counters stand still until xen_pmu_regs_proceed().
 */
void xen_pmu_regs_pause(struct xen_pmu_vcpu *v, u64 fetch)
{
	if (v->home < XEN_PMU_HOME_XEN)
		return;

	fetch_all(v, fetch);
	if (!xen_pmu_cached(v))
		stop_hardware(v);
	move_to_memory(v);
}

/**
 * xen_pmu_regs_lose() - take the PMU from a vCPU on which perf would not count
 * @v: the vCPU
 * @fetch: counters whose values are not in @v->value
 *
 * Xen has refused what perf wants, though perf believes that it counts. The
 * registers stay in memory until xen_pmu_regs_proceed() or
 * xen_pmu_regs_attach().
 */
void xen_pmu_regs_lose(struct xen_pmu_vcpu *v, u64 fetch)
{
	if (v->home < XEN_PMU_HOME_XEN)
		return;
	/* They stand still; the flush is what would start them. */
	if (xen_pmu_cached(v)) {
		v->refused = true;
		return;
	}

	xen_pmu_regs_pause(v, fetch);
	give_up(v);
}

/**
 * xen_pmu_regs_proceed() - undo xen_pmu_regs_pause()
 * @v: the vCPU
 * @want: the controls
 *
 * Also brings back a vCPU whose registers vanished or whose flush was refused.
 */
void xen_pmu_regs_proceed(struct xen_pmu_vcpu *v,
			  const struct xen_pmu_controls *want)
{
	if (v->home != XEN_PMU_HOME_SAVED || !v->page)
		return;

	/* Writes may have vanished: nothing is known about hardware. */
	v->home = XEN_PMU_HOME_XEN;
	if (!xen_pmu_cached(v))
		stop_hardware(v);
	restore(v, want);
}
