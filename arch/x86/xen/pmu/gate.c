// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the kernel's PMU accesses come in. Nothing of this runs before the
 * static key is on.
 */
#include <linux/irqflags.h>
#include <linux/percpu.h>
#include <linux/printk.h>

#include <xen/pmu.h>

#include "pmu.h"

DEFINE_STATIC_KEY_FALSE(xen_pmu_key);
struct xen_pmu_map xen_pmu_map __read_mostly;

static unsigned int reg_of(u8 entry)
{
	return (entry & XEN_PMU_ENTRY_REG) - 1;
}

/* Bare metal reports a refused access through its exception table. */
static void report(const char *what, u32 msr, int ret, int *err)
{
	if (err)
		*err = ret;
	else if (ret)
		pr_warn_once("xen_pmu: unchecked %s MSR 0x%x refused\n", what,
			     msr);
}

/**
 * xen_pmu_vcpu_read() - read an MSR of a vCPU
 * @v: the vCPU
 * @msr: MSR number
 * @entry: of the map for it
 * @val: where the value goes; 0 if the read failed
 * @err: where -EIO or 0 goes; may be NULL
 *
 * On the vCPU.
 *
 * Return: false if the vCPU has no PMU.
 */
bool xen_pmu_vcpu_read(struct xen_pmu_vcpu *v, u32 msr, u8 entry, u64 *val,
		       int *err)
{
	unsigned long flags;
	int ret;

	if (v->home == XEN_PMU_HOME_NONE)
		return false;

	local_irq_save(flags);
	ret = xen_pmu_regs_read(v, reg_of(entry), msr, val, entry);
	local_irq_restore(flags);

	report("read of", msr, ret, err);
	return true;
}

/**
 * xen_pmu_vcpu_write() - write an MSR of a vCPU
 * @v: the vCPU
 * @msr: MSR number
 * @entry: of the map for it
 * @val: value
 * @err: where -EIO or 0 goes; may be NULL
 *
 * On the vCPU.
 *
 * Return: false if the vCPU has no PMU.
 */
bool xen_pmu_vcpu_write(struct xen_pmu_vcpu *v, u32 msr, u8 entry, u64 val,
			int *err)
{
	unsigned long flags;
	int ret;

	if (v->home == XEN_PMU_HOME_NONE)
		return false;

	local_irq_save(flags);
	ret = xen_pmu_regs_write(v, reg_of(entry), msr, val, entry);
	local_irq_restore(flags);

	report("write to", msr, ret, err);
	return true;
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
	unsigned long flags;
	u64 val = 0;
	int reg;

	if (v->home == XEN_PMU_HOME_NONE)
		return 0;
	reg = v->pmu->vendor->pmc(v->pmu, counter);
	if (reg < 0)
		return 0;

	local_irq_save(flags);
	xen_pmu_regs_read(v, reg, v->pmu->msr[reg], &val, 0);
	local_irq_restore(flags);
	return val;
}

/**
 * xen_pmu_read_msr() - read an MSR of the PMU
 * @msr: MSR number, for which xen_pmu_has_msr() holds
 * @err: where -EIO or 0 goes; NULL for an access that may not fail
 *
 * On a CPU that has no PMU it is read as any other. Any context; the caller
 * stays on its CPU.
 *
 * Return: the value; 0 if the read failed.
 */
u64 xen_pmu_read_msr(u32 msr, int *err)
{
	u8 entry = xen_pmu_decode(&xen_pmu_map, msr);
	u64 val = 0;

	if (!xen_pmu_vcpu_read(this_cpu_ptr(&xen_pmu_vcpu), msr, entry, &val,
			       err))
		report("read of", msr, xen_pmu_rdmsr(msr, &val), err);
	return val;
}

/**
 * xen_pmu_write_msr() - write an MSR of the PMU
 * @msr: MSR number, for which xen_pmu_has_msr() holds
 * @val: value
 * @err: where -EIO or 0 goes; NULL for an access that may not fail
 *
 * On a CPU that has no PMU it is written as any other. Any context; the caller
 * stays on its CPU.
 */
void xen_pmu_write_msr(u32 msr, u64 val, int *err)
{
	u8 entry = xen_pmu_decode(&xen_pmu_map, msr);

	if (!xen_pmu_vcpu_write(this_cpu_ptr(&xen_pmu_vcpu), msr, entry, val,
				err))
		report("write to", msr, xen_pmu_wrmsr(msr, val), err);
}

u64 __xen_pmu_read_pmc(int counter)
{
	return xen_pmu_vcpu_pmc(this_cpu_ptr(&xen_pmu_vcpu), counter);
}

void __xen_pmu_write_lvtpc(u32 val)
{
	struct xen_pmu_vcpu *v = this_cpu_ptr(&xen_pmu_vcpu);
	unsigned long flags;

	if (v->home == XEN_PMU_HOME_NONE)
		return;

	local_irq_save(flags);
	xen_pmu_regs_lvtpc(v, val);
	local_irq_restore(flags);
}
