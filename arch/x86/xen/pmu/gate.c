// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the kernel's PMU accesses come in. Nothing of this runs before the
 * static key is on.
 */
#include <linux/irqflags.h>
#include <linux/percpu.h>
#include <linux/printk.h>

#include <asm/msr-index.h>

#include <xen/pmu.h>

#include "quick.h"

DEFINE_STATIC_KEY_FALSE(xen_pmu_key);
struct xen_pmu_map xen_pmu_map __read_mostly;

/* Their entries in the map; they have no flags. */
#define FIXED_CTRL	(XEN_PMU_ENTRY | XEN_PMU_FIXED_CTRL)
#define GLOBAL_CTRL	(XEN_PMU_ENTRY | XEN_PMU_GLOBAL_CTRL)

static unsigned int reg_of(u8 entry)
{
	return entry & XEN_PMU_ENTRY_REG;
}

/*
 * perf mostly has interrupts off, and to ask is cheaper than to turn them off
 * again and back.
 */
static __always_inline bool irqs_off(void)
{
	if (likely(xen_pmu_irqs_off()))
		return false;

	local_irq_disable();
	return true;
}

static __always_inline void irqs_back(bool on)
{
	if (unlikely(on))
		local_irq_enable();
}

/* Bare metal reports a refused access through its exception table. */
static noinline void report(const char *what, u32 msr, int ret, int *err)
{
	if (err)
		*err = ret;
	else if (ret)
		pr_warn_once("xen_pmu: unchecked %s MSR 0x%x refused\n", what,
			     msr);
}

static noinline u64 look_up(struct xen_pmu_vcpu *v, u32 msr, u8 entry, int *err)
{
	bool on = irqs_off();
	u64 val = 0;
	int ret;

	ret = xen_pmu_lazy_read(v, reg_of(entry), msr, &val, entry);
	irqs_back(on);

	report("read of", msr, ret, err);
	return val;
}

/*
 * Out of line are accesses outside the interrupt handler; those inside need no
 * more than the page. Most of perf's at a switch are of values that are known.
 */
static noinline u64 read_reg(struct xen_pmu_vcpu *v, u32 msr, u8 entry,
			     int *err)
{
	unsigned int reg = reg_of(entry);

	if (!xen_pmu_lazy_knows(v, reg, entry))
		return look_up(v, msr, entry, err);

	if (err)
		*err = 0;
	return xen_pmu_lazy_known(v, reg);
}

/*
 * perf does not ask whether its writes were taken: one that was not would leave
 * an event that does not count, and seems to. The vCPU loses its PMU, and what
 * was written goes to memory. Debug registers are not perf's alone.
 */
static noinline void wrote(struct xen_pmu_vcpu *v, u32 msr, u8 entry, u64 val,
			   int ret, int *err)
{
	bool on;

	if (ret && !err && v->home != XEN_PMU_HOME_NONE &&
	    v->pmu->reg[reg_of(entry)].type != XEN_PMU_TYPE_PAGE) {
		on = irqs_off();
		xen_pmu_lazy_lose(v);
		xen_pmu_lazy_write(v, reg_of(entry), msr, val, entry);
		irqs_back(on);
	}
	report("write to", msr, ret, err);
}

/* Of what ran before a write: whether perf has stopped any, and an overflow waits. */
static __always_inline void handle_what_waits(struct xen_pmu_vcpu *v, u64 ran)
{
	if (unlikely(xen_pmu_lazy_entered(v)) && ran & ~xen_pmu_enabled(&v->held))
		xen_pmu_handle_early(v);
}

static noinline void write_reg(struct xen_pmu_vcpu *v, u32 msr, u8 entry,
			       u64 val, int *err)
{
	bool on = irqs_off();
	u64 ran = xen_pmu_running(v);
	int ret;

	ret = xen_pmu_lazy_write(v, reg_of(entry), msr, val, entry);
	handle_what_waits(v, ran);
	irqs_back(on);
	if (unlikely(ret || err))
		wrote(v, msr, entry, val, ret, err);
}

/* An overflow has come in the middle. Nothing has stopped that it could be of. */
static noinline void wrote_late(struct xen_pmu_vcpu *v)
{
	xen_pmu_lazy_enter(v);
}

static __always_inline void wrote_quickly(struct xen_pmu_vcpu *v, bool late,
					  int *err)
{
	if (err)
		*err = 0;
	if (unlikely(late))
		wrote_late(v);
}

/*
 * Each tries the quick way, and leaves to others as its last call what is more than
 * that.
 */
static noinline void write_other(struct xen_pmu_vcpu *v, u32 msr, u8 entry,
				 u64 val, int *err)
{
	if (reg_of(entry) < XEN_PMU_NR_COUNTERS ?
	    xen_pmu_quick_counter(v, reg_of(entry), entry, val) :
	    entry == FIXED_CTRL && xen_pmu_quick_fixed(v, val))
		wrote_quickly(v, false, err);
	else
		write_reg(v, msr, entry, val, err);
}

static noinline void write_select(struct xen_pmu_vcpu *v, u32 msr, u8 entry,
				  u64 val, int *err)
{
	bool late = false;

	if (likely(xen_pmu_quick_select(v, reg_of(entry), val, &late)))
		wrote_quickly(v, late, err);
	else
		write_reg(v, msr, entry, val, err);
}

static noinline void write_global_ctrl(struct xen_pmu_vcpu *v, u64 val, int *err)
{
	bool late = false;

	if (likely(xen_pmu_quick_one(v, val, &late)))
		wrote_quickly(v, late, err);
	else
		write_reg(v, MSR_CORE_PERF_GLOBAL_CTRL, GLOBAL_CTRL, val, err);
}

static noinline void switched_late(struct xen_pmu_vcpu *v, u64 ran, bool away)
{
	xen_pmu_lazy_switched_late(v, away);
	handle_what_waits(v, ran);
}

static noinline void stop_all(struct xen_pmu_vcpu *v)
{
	if (unlikely(!xen_pmu_quick_off(v)))
		write_global_ctrl(v, 0, NULL);
	else if (unlikely(xen_pmu_in_page_now(v)))
		switched_late(v, ~0ULL, false);
}

static noinline void start_all(struct xen_pmu_vcpu *v, u64 val)
{
	bool away;

	if (unlikely(!xen_pmu_quick_on(v, val, &away)))
		write_global_ctrl(v, val, NULL);
	else if (unlikely(away || xen_pmu_in_page_now(v)))
		switched_late(v, 0, away);
}

static __always_inline bool is_select(u8 entry)
{
	const u8 first = XEN_PMU_ENTRY | XEN_PMU_CONTROL;

	return (u8)(entry - first) < XEN_PMU_FIXED_CTRL - XEN_PMU_CONTROL;
}

static __always_inline void write_outside(struct xen_pmu_vcpu *v, u32 msr, u8 entry,
					  u64 val, int *err)
{
	if (entry != GLOBAL_CTRL) {
		if (is_select(entry))
			write_select(v, msr, entry, val, err);
		else
			write_other(v, msr, entry, val, err);
	} else if (err) {
		write_global_ctrl(v, val, err);
	} else if (val) {
		start_all(v, val);
	} else {
		stop_all(v);
	}
}

static __always_inline u64 vcpu_read(struct xen_pmu_vcpu *v, u32 msr, u8 entry,
				     int *err)
{
	if (unlikely(!v->handling))
		return read_reg(v, msr, entry, err);

	if (err)
		*err = 0;
	return xen_pmu_page_read(v, xen_pmu_reg(v, reg_of(entry)));
}

static noinline void write_in_page(struct xen_pmu_vcpu *v, u32 msr, u8 entry,
				   u64 val, int *err)
{
	const struct xen_pmu_reg *reg = xen_pmu_reg(v, reg_of(entry));
	int ret = xen_pmu_conform(reg, entry, &val);

	if (!ret)
		ret = xen_pmu_lazy_page_write(v, reg, val);
	if (unlikely(ret || err))
		wrote(v, msr, entry, val, ret, err);
}

/*
 * What every sample takes is done here: the write of a counter that counts, the
 * counters off and on, the acknowledgment.
 */
static __always_inline void vcpu_write(struct xen_pmu_vcpu *v, u32 msr,
				       u8 entry, u64 val, int *err)
{
	const struct xen_pmu_reg *reg;
	u64 taken = val;

	if (unlikely(!v->handling)) {
		write_outside(v, msr, entry, val, err);
		return;
	}

	reg = xen_pmu_reg(v, reg_of(entry));
	if (unlikely(err || xen_pmu_conform(reg, entry, &taken)))
		write_in_page(v, msr, entry, val, err);
	else if (test_bit(reg->bit, (unsigned long *)&v->counted))
		xen_pmu_page_store(v, reg, taken);
	else if (entry == GLOBAL_CTRL)
		xen_pmu_lazy_page_switch(v, taken);
	else if (entry == (XEN_PMU_ENTRY | XEN_PMU_GLOBAL_OVF_CTRL))
		xen_pmu_page_ack(v, taken);
	else
		write_in_page(v, msr, entry, val, err);
}

/**
 * xen_pmu_vcpu_read() - read an MSR of a vCPU
 * @v: the vCPU
 * @msr: MSR number
 * @entry: of the map for it
 * @err: where -EIO or 0 goes; may be NULL
 *
 * On the vCPU. Without a PMU it is read as any other.
 *
 * Return: the value; 0 if the read failed.
 */
u64 xen_pmu_vcpu_read(struct xen_pmu_vcpu *v, u32 msr, u8 entry, int *err)
{
	return vcpu_read(v, msr, entry, err);
}

/**
 * xen_pmu_vcpu_write() - write an MSR of a vCPU
 * @v: the vCPU
 * @msr: MSR number
 * @entry: of the map for it
 * @val: value
 * @err: where -EIO or 0 goes; may be NULL
 *
 * On the vCPU. Without a PMU it is written as any other.
 */
void xen_pmu_vcpu_write(struct xen_pmu_vcpu *v, u32 msr, u8 entry, u64 val,
			int *err)
{
	vcpu_write(v, msr, entry, val, err);
}

static noinline u64 read_pmc(struct xen_pmu_vcpu *v, unsigned int reg)
{
	u32 msr;

	if (v->home == XEN_PMU_HOME_NONE)
		return 0;
	msr = xen_pmu_reg(v, reg)->msr;

	return msr ? read_reg(v, msr, reg, NULL) : 0;
}

/*
 * Fixed counters have bit 30 set (SDM vol. 2B, RDPMC); AMD has none. In the
 * handler one that does not exist has no width.
 */
static __always_inline u64 vcpu_pmc(struct xen_pmu_vcpu *v, u32 counter)
{
	unsigned long reg = XEN_PMU_COUNTER + counter;

	if (unlikely(counter >= XEN_PMU_MAX_GENERAL)) {
		counter ^= BIT(30);
		if (counter >= XEN_PMU_MAX_FIXED)
			return 0;
		reg = XEN_PMU_FIXED + counter;
	}
	if (likely(v->handling))
		return xen_pmu_page_load(v, xen_pmu_reg(v, reg));

	return read_pmc(v, reg);
}

/**
 * xen_pmu_vcpu_pmc() - read a counter of a vCPU by its RDPMC index
 * @v: the vCPU
 * @counter: index as RDPMC takes it
 *
 * On the vCPU.
 *
 * Return: its value; 0 if there is no such counter.
 */
u64 xen_pmu_vcpu_pmc(struct xen_pmu_vcpu *v, u32 counter)
{
	return vcpu_pmc(v, counter);
}

/**
 * xen_pmu_read_msr() - read an MSR of the PMU
 * @msr: MSR number
 * @entry: what xen_pmu_entry() says of it
 *
 * Any context; the caller stays on its CPU.
 *
 * Return: the value; 0, and a warning in the log, if the read failed.
 */
u64 xen_pmu_read_msr(u32 msr, u8 entry)
{
	return vcpu_read(this_cpu_ptr(&xen_pmu_vcpu), msr, entry, NULL);
}

/**
 * xen_pmu_read_msr_safe() - the same, where a failure is an answer
 * @msr: MSR number
 * @entry: what xen_pmu_entry() says of it
 * @err: where -EIO or 0 goes
 *
 * Any context; the caller stays on its CPU.
 *
 * Return: the value; 0 if the read failed.
 */
u64 xen_pmu_read_msr_safe(u32 msr, u8 entry, int *err)
{
	return vcpu_read(this_cpu_ptr(&xen_pmu_vcpu), msr, entry, err);
}

/**
 * xen_pmu_write_msr() - write an MSR of the PMU
 * @msr: MSR number
 * @entry: what xen_pmu_entry() says of it
 * @val: value
 *
 * Any context; the caller stays on its CPU. A write that fails is perf's, which
 * does not ask: the vCPU loses its PMU.
 */
void xen_pmu_write_msr(u32 msr, u8 entry, u64 val)
{
	vcpu_write(this_cpu_ptr(&xen_pmu_vcpu), msr, entry, val, NULL);
}

/**
 * xen_pmu_write_msr_safe() - the same, where a failure is an answer
 * @msr: MSR number
 * @entry: what xen_pmu_entry() says of it
 * @val: value
 *
 * Any context; the caller stays on its CPU.
 *
 * Return: 0 or -EIO.
 */
int xen_pmu_write_msr_safe(u32 msr, u8 entry, u64 val)
{
	int err;

	vcpu_write(this_cpu_ptr(&xen_pmu_vcpu), msr, entry, val, &err);
	return err;
}

u64 __xen_pmu_read_pmc(int counter)
{
	return vcpu_pmc(this_cpu_ptr(&xen_pmu_vcpu), counter);
}

static noinline void write_lvtpc(u32 val)
{
	struct xen_pmu_vcpu *v = this_cpu_ptr(&xen_pmu_vcpu);
	unsigned long flags;

	if (v->home == XEN_PMU_HOME_NONE)
		return;

	local_irq_save(flags);
	xen_pmu_regs_lvtpc(v, val);
	local_irq_restore(flags);
}

void __xen_pmu_write_lvtpc(u32 val)
{
	/* What Xen has been told already it is not told again. */
	if (this_cpu_read(xen_pmu_vcpu.told) != val)
		write_lvtpc(val);
}
