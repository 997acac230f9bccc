// SPDX-License-Identifier: GPL-2.0-only
/*
 * The register file: where the value of a register lives, and how it moves.
 *
 * Xen owns the registers until a counter overflows. It then stops them, copies
 * them into the shared page, sets PMU_CACHED and raises VIRQ_XENPMU; from that
 * moment to XENPMU_flush the page is the truth and the hardware stands still.
 * The interrupt may come much later than the flag, if the guest had events
 * disabled, so it is the flag that says where an access goes, not the handler:
 * what is written in between would otherwise be undone by the flush.
 *
 * The shadow knows what was written last. A control only changes by being
 * written, so its shadow is the value, and a read of it never traps; what Xen
 * put into the page for it is never believed.
 *
 * A flush loads the page only if Xen takes the vPMU for running; otherwise it
 * hands the registers back and ignores the page (vpmu_load() in
 * xen/arch/x86/cpu/vpmu.c). @running mirrors Xen's flag, on the pessimistic
 * side: if it is clear, what was written to the page is written once more by
 * trapping accesses after the flush.
 */
#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/printk.h>
#include <linux/string.h>

#include <asm/perf_event.h>

#include "pmu.h"

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

static u64 *page_slot(const struct xen_pmu_vcpu *v, unsigned int reg)
{
	return (void *)v->page + v->pmu->slot[reg];
}

static u64 page_read(const struct xen_pmu_vcpu *v, unsigned int reg)
{
	return READ_ONCE(*page_slot(v, reg)) & v->pmu->rule[reg].width;
}

static void page_write(struct xen_pmu_vcpu *v, unsigned int reg, u64 val)
{
	WRITE_ONCE(*page_slot(v, reg), val);
	v->dirty |= BIT_ULL(reg);
}

/* Write-1-to-clear: Xen takes the bits to hardware at the flush. */
static void page_ack(struct xen_pmu_vcpu *v, u64 val)
{
	u64 *status = page_slot(v, XEN_PMU_GLOBAL_STATUS);

	page_write(v, XEN_PMU_GLOBAL_OVF_CTRL,
		   page_read(v, XEN_PMU_GLOBAL_OVF_CTRL) | val);
	WRITE_ONCE(*status, READ_ONCE(*status) & ~val);
}

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

static u64 enabled(const struct xen_pmu_vcpu *v)
{
	return v->pmu->vendor->enabled(v->pmu, v->shadow);
}

/*
 * Xen forgets that the vPMU runs when any counter is disabled, and remembers
 * when one is enabled (amd_vpmu_do_wrmsr()). While it has forgotten, a vCPU
 * switch drops the context and a flush ignores the page: remind it.
 */
static void keep_running(struct xen_pmu_vcpu *v)
{
	u64 on = enabled(v);
	unsigned int reg;

	v->running = on;
	if (!on || !v->pmu->vendor->stops_on_disable)
		return;

	reg = XEN_PMU_CONTROL + __ffs64(on);
	if (trap_write(v, v->pmu->msr[reg], v->shadow[reg]))
		v->running = false;
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

static int hardware_read(struct xen_pmu_vcpu *v, unsigned int reg, u32 msr,
			 u64 *val)
{
	int err = trap_read(v, msr, val);

	if (err)
		return err;

	/* The overflow came between the look at the flag and the trap. */
	if (xen_pmu_regs_cached(v))
		*val = page_read(v, reg);
	else if (!*val && v->shadow[reg] && vanished(v))
		*val = v->shadow[reg];

	v->shadow[reg] = *val;
	return 0;
}

static int hardware_write(struct xen_pmu_vcpu *v, unsigned int reg, u32 msr,
			  u64 raw, u64 val)
{
	u64 on = enabled(v);
	int err = trap_write(v, msr, raw);

	if (err)
		return err;

	if (v->pmu->type[reg] == XEN_PMU_TYPE_ACK) {
		if (xen_pmu_regs_cached(v))
			page_ack(v, val);
		return 0;
	}

	v->shadow[reg] = val;
	if (v->pmu->type[reg] == XEN_PMU_TYPE_CONTROL) {
		if (on & ~enabled(v))
			keep_running(v);
		else
			v->running = enabled(v);
	}

	/*
	 * The overflow came before the trap: the page lacks this write. Perf
	 * stops a counter before it writes it, so the value is still the same.
	 */
	if (xen_pmu_regs_cached(v))
		page_write(v, reg, val);
	return 0;
}

/**
 * xen_pmu_regs_read() - read a register
 * @v: the vCPU
 * @reg: the register
 * @msr: the MSR by which it was asked for
 * @val: where the value goes
 *
 * On the vCPU, with interrupts off.
 *
 * Return: 0, or -EIO if Xen raised #GP.
 */
int xen_pmu_regs_read(struct xen_pmu_vcpu *v, unsigned int reg, u32 msr,
		      u64 *val)
{
	u8 type = v->pmu->type[reg];
	bool cached = xen_pmu_regs_cached(v);

	if (type == XEN_PMU_TYPE_ACK) {
		*val = 0;
		return 0;
	}
	if (type == XEN_PMU_TYPE_FOREIGN && !cached)
		return trap_read(v, msr, val);
	if (type == XEN_PMU_TYPE_CONTROL || v->home == XEN_PMU_HOME_SAVED) {
		*val = v->shadow[reg];
		return 0;
	}
	if (!cached)
		return hardware_read(v, reg, msr, val);

	*val = v->shadow[reg] = page_read(v, reg);
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
 *
 * On the vCPU, with interrupts off.
 *
 * Return: 0, or -EIO where hardware or Xen raise #GP; nothing has changed then.
 */
int xen_pmu_regs_write(struct xen_pmu_vcpu *v, unsigned int reg, u32 msr,
		       u64 val)
{
	const struct xen_pmu_rule *rule = &v->pmu->rule[reg];
	bool cached = xen_pmu_regs_cached(v);
	u8 type = v->pmu->type[reg];
	u64 raw = val;

	if (type == XEN_PMU_TYPE_STATUS)
		return -EIO;
	if (type == XEN_PMU_TYPE_FOREIGN && !cached)
		return trap_write(v, msr, val);

	if (xen_pmu_decode(v->pmu, msr) & XEN_PMU_SIGN_EXTEND)
		val = (s64)(s32)val & rule->width;
	if (!allowed(rule, val))
		return -EIO;
	val = (val & rule->width) | rule->fixed_bits;

	if (v->home == XEN_PMU_HOME_SAVED) {
		if (type == XEN_PMU_TYPE_ACK)
			v->shadow[XEN_PMU_GLOBAL_STATUS] &= ~val;
		else
			v->shadow[reg] = val;
		return 0;
	}
	if (!cached)
		return hardware_write(v, reg, msr, raw | rule->fixed_bits, val);

	if (type == XEN_PMU_TYPE_ACK) {
		page_ack(v, val);
	} else {
		v->shadow[reg] = val;
		page_write(v, reg, val);
	}
	return 0;
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

/*
 * Write registers by trapping accesses, counters before the controls that
 * start them: the order of the register numbers.
 */
static void write_back(struct xen_pmu_vcpu *v, u64 regs)
{
	unsigned int reg;

	while (regs) {
		reg = __ffs64(regs);
		regs &= regs - 1;
		if (v->pmu->type[reg] == XEN_PMU_TYPE_ACK)
			trap_write(v, v->pmu->msr[reg], page_read(v, reg));
		else if (v->pmu->type[reg] != XEN_PMU_TYPE_FOREIGN)
			trap_write(v, v->pmu->msr[reg], v->shadow[reg]);
	}
	keep_running(v);
}

/* What the guest wrote is what Xen shall load, whatever the page says. */
static void page_restore_controls(struct xen_pmu_vcpu *v)
{
	unsigned int reg;

	for (reg = 0; reg < XEN_PMU_NR_REGS; reg++)
		if (v->pmu->slot[reg] &&
		    v->pmu->type[reg] == XEN_PMU_TYPE_CONTROL)
			WRITE_ONCE(*page_slot(v, reg), v->shadow[reg]);
}

/* Drop all that Xen may refuse. */
static void page_repair(struct xen_pmu_vcpu *v)
{
	unsigned int reg;

	page_restore_controls(v);
	for (reg = 0; reg < XEN_PMU_NR_REGS; reg++) {
		const struct xen_pmu_rule *rule = &v->pmu->rule[reg];

		if (!v->pmu->slot[reg] ||
		    v->pmu->type[reg] == XEN_PMU_TYPE_STATUS)
			continue;
		WRITE_ONCE(*page_slot(v, reg),
			   (page_read(v, reg) & ~rule->fixed_mask) |
			   rule->fixed_bits);
	}
}

static int flush(struct xen_pmu_vcpu *v)
{
	v->stats.flushes++;
	return xen_pmu_op(XENPMU_flush, NULL);
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
	u64 dirty = v->dirty;
	bool loads = v->running;
	int err;

	page_restore_controls(v);
	err = flush(v);
	if (err) {
		page_repair(v);
		err = flush(v);
		if (err) {
			v->home = XEN_PMU_HOME_SAVED;
			v->stats.lost++;
			return err;
		}
		v->stats.repaired++;
	}

	v->dirty = 0;
	if (loads)
		v->running = enabled(v);
	else if (dirty)
		write_back(v, dirty);
	return 0;
}

/* All registers that keep what is written to them. */
static u64 kept(const struct xen_pmu_vcpu *v)
{
	u64 regs = 0;
	unsigned int reg;

	for (reg = 0; reg < XEN_PMU_NR_REGS; reg++)
		if (v->pmu->msr[reg] &&
		    v->pmu->type[reg] <= XEN_PMU_TYPE_CONTROL)
			regs |= BIT_ULL(reg);

	return regs;
}

static void restore(struct xen_pmu_vcpu *v)
{
	u64 regs = kept(v), left;

	v->home = XEN_PMU_HOME_XEN;
	v->running = false;
	if (!xen_pmu_regs_cached(v)) {
		write_back(v, regs);
	} else {
		/* An overflow was left unhandled: Xen wants a flush first. */
		for (left = regs; left; left &= left - 1)
			page_write(v, __ffs64(left), v->shadow[__ffs64(left)]);
		xen_pmu_regs_flush(v);
	}
	xen_pmu_regs_lvtpc(v, v->lvtpc);
}

/**
 * xen_pmu_regs_attach() - move the registers to Xen
 * @v: the vCPU
 * @page: its page, with a layout that fits @v->pmu
 *
 * What was saved is loaded again. On the vCPU with interrupts off, or with the
 * vCPU down and nothing saved.
 */
void xen_pmu_regs_attach(struct xen_pmu_vcpu *v, struct xen_pmu_data *page)
{
	unsigned int reg;

	v->page = page;
	v->dirty = 0;
	if (v->home == XEN_PMU_HOME_SAVED) {
		restore(v);
		return;
	}

	for (reg = 0; reg < XEN_PMU_NR_REGS; reg++)
		v->shadow[reg] = v->pmu->rule[reg].fixed_bits;
	v->running = false;
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

static void read_counters(struct xen_pmu_vcpu *v)
{
	unsigned int reg;
	u64 val;

	for (reg = 0; reg < XEN_PMU_NR_REGS; reg++)
		if (v->pmu->msr[reg] &&
		    v->pmu->type[reg] == XEN_PMU_TYPE_COUNTER)
			xen_pmu_regs_read(v, reg, v->pmu->msr[reg], &val);
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

	read_counters(v);
	v->home = XEN_PMU_HOME_SAVED;
	WRITE_ONCE(v->page, NULL);
	return page;
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
	unsigned int reg;

	if (v->home != XEN_PMU_HOME_XEN)
		return;

	read_counters(v);
	if (!xen_pmu_regs_cached(v))
		for (reg = 0; reg < XEN_PMU_NR_REGS; reg++)
			if (v->pmu->msr[reg] &&
			    v->pmu->type[reg] == XEN_PMU_TYPE_CONTROL)
				trap_write(v, v->pmu->msr[reg],
					   v->pmu->rule[reg].fixed_bits);
	v->home = XEN_PMU_HOME_SAVED;
}

/**
 * xen_pmu_regs_proceed() - undo xen_pmu_regs_pause()
 * @v: the vCPU
 *
 * On the vCPU, with interrupts off.
 */
void xen_pmu_regs_proceed(struct xen_pmu_vcpu *v)
{
	if (v->home == XEN_PMU_HOME_SAVED && v->page)
		restore(v);
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
	const u64 enable = ARCH_PERFMON_EVENTSEL_ENABLE;
	unsigned int reg = XEN_PMU_CONTROL, i;
	int err;

	if (!allowed(&v->pmu->rule[reg], config))
		return -EIO;
	if (!v->pmu->vendor->filtered || !v->pmu->vendor->filtered(config) ||
	    xen_pmu_regs_cached(v))
		return 0;

	for (i = 0; i < XEN_PMU_MAX_GENERAL; i++, reg++) {
		if (!v->pmu->msr[reg] || v->shadow[reg] & enable)
			continue;
		err = trap_write(v, v->pmu->msr[reg], config & ~enable);
		trap_write(v, v->pmu->msr[reg], v->shadow[reg]);
		return err;
	}
	return 0;
}
