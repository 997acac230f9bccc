// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU gets its PMU and loses it: boot, hotplug, suspend and resume.
 *
 * The first vCPU decides: without a vPMU there, the static key stays off and
 * the kernel behaves as if this code did not exist.
 */
#define pr_fmt(fmt) "xen_pmu: " fmt

#include <linux/kernel.h>
#include <linux/printk.h>
#include <linux/smp.h>
#include <linux/string.h>

#include <asm/cpu_device_id.h>
#include <asm/perf_event.h>

#include <xen/pmu.h>
#include <xen/xen.h>
#include <xen/xen-ops.h>

#include "compat.h"
#include "lazy.h"
#include "perf.h"

DEFINE_PER_CPU(struct xen_pmu_vcpu, xen_pmu_vcpu) = { .irq = -1 };

static struct xen_pmu xen_pmu = { .map = &xen_pmu_map };

/* Xen has no vPMU for other vendors; Intel has one in family 6 only. */
static const struct x86_cpu_id xen_pmu_vendors[] __initconst = {
	X86_MATCH_VENDOR_FAM(AMD, X86_FAMILY_ANY, &xen_pmu_amd),
	X86_MATCH_VENDOR_FAM(HYGON, X86_FAMILY_ANY, &xen_pmu_amd),
	X86_MATCH_VENDOR_FAM(INTEL, 6, &xen_pmu_intel),
	{}
};

static const struct xen_pmu_vendor *xen_pmu_vendor __read_mostly;

/* As it was at boot: __xen_pmu_cpuid() changes what is seen later. */
static struct xen_pmu_cpuid xen_pmu_cpuid_0a __read_mostly;

static struct xen_pmu_params params_for(const struct xen_pmu_vcpu *v)
{
	return (struct xen_pmu_params) {
		.version.maj	= XENPMU_VER_MAJ,
		.version.min	= XENPMU_VER_MIN,
		.vcpu		= v->id,
	};
}

/* Xen unmaps the page before it may be used for anything else. */
static void release(const struct xen_pmu_vcpu *v, struct xen_pmu_data *page)
{
	struct xen_pmu_params params = params_for(v);

	if (!page)
		return;
	if (xen_pmu_op(XENPMU_finish, &params)) {
		pr_warn_once("Xen keeps the shared page of CPU %u; it is lost\n",
			     v->cpu);
		return;
	}
	xen_pmu_free_page(page);
}

/* Xen wants the reserved bits back as the hardware had them. */
static int keep_reserved_bits(struct xen_pmu *pmu)
{
	struct xen_pmu_reg *reg;
	u64 val;

	for (reg = pmu->reg; reg < pmu->reg + XEN_PMU_NR_REGS; reg++) {
		if (!reg->msr || reg->type != XEN_PMU_TYPE_CONTROL)
			continue;
		if (xen_pmu_rdmsr(reg->msr, &val))
			return -EIO;
		reg->one = val & reg->zero;
		reg->zero &= ~val;
	}
	return 0;
}

/* The first vCPU's: what all others must have, too. */
static int describe(struct xen_pmu *pmu, const struct xen_pmu_vendor *vendor,
		    const struct xen_pmu_cpuid *cpuid,
		    const struct xen_pmu_layout *layout)
{
	xen_pmu_describe(pmu, vendor, layout, cpuid, layout->nr_general,
			 layout->nr_fixed);
	if (!xen_pmu_probe(pmu) && !keep_reserved_bits(pmu))
		return 0;

	pmu->vendor = NULL;
	return -EIO;
}

static int check_layout(struct xen_pmu *pmu,
			const struct xen_pmu_vendor *vendor,
			const struct xen_pmu_cpuid *cpuid,
			const struct xen_pmu_data *page)
{
	struct xen_pmu_layout layout;
	int err;

	err = vendor->layout(&layout, page, cpuid);
	if (err)
		return err;
	if (!pmu->vendor)
		return describe(pmu, vendor, cpuid, &layout);

	return memcmp(&layout, &pmu->layout, sizeof(layout)) ? -ERANGE : 0;
}

struct attach {
	struct xen_pmu_vcpu *v;
	struct xen_pmu_data *page;
	int err;
};

/* After a resume the processor may be another. */
static void attach_here(void *arg)
{
	struct attach *attach = arg;

	if (attach->v->home == XEN_PMU_HOME_SAVED &&
	    !xen_pmu_answers(attach->v->pmu))
		attach->err = -ERANGE;
	else
		xen_pmu_lazy_attach(attach->v, attach->page);
}

static void save_here(void *arg)
{
	struct attach *attach = arg;

	/* What is saved overflows no more. */
	if (xen_pmu_cached(attach->v))
		xen_pmu_handle_early(attach->v);
	attach->page = xen_pmu_lazy_save(attach->v);
}

/**
 * xen_pmu_vcpu_up() - give a vCPU its PMU
 * @pmu: the PMU; described if this is the first vCPU
 * @vendor: the vendor
 * @cpuid: what CPUID says
 * @v: the vCPU; @v->cpu and @v->id are known
 *
 * What was saved on the vCPU is loaded again. May sleep.
 *
 * Return: 0; -ENOMEM; what XENPMU_init answers; -ENODEV if that did nothing;
 * -ERANGE if the layout does not fit, or a register is gone; -EIO if no counter
 * answers. Nothing is left behind after an error, and what was saved stays so.
 */
int xen_pmu_vcpu_up(struct xen_pmu *pmu, const struct xen_pmu_vendor *vendor,
		    const struct xen_pmu_cpuid *cpuid, struct xen_pmu_vcpu *v)
{
	struct xen_pmu_params params = params_for(v);
	struct attach attach = { .v = v };
	int err, irq = v->irq;

	attach.page = xen_pmu_alloc_page();
	if (!attach.page)
		return -ENOMEM;

	params.val = xen_pmu_frame(attach.page);
	err = xen_pmu_op(XENPMU_init, &params);
	if (err) {
		xen_pmu_free_page(attach.page);
		return err;
	}

	err = check_layout(pmu, vendor, cpuid, attach.page);
	if (err)
		goto fail;

	if (irq < 0) {
		snprintf(v->name, sizeof(v->name), "pmu%u", v->cpu);
		irq = xen_pmu_bind_irq(v->cpu, v->name);
		if (irq < 0) {
			err = irq;
			goto fail;
		}
	}

	v->irq = irq;
	v->pmu = pmu;
	if (cpu_online(v->cpu))
		smp_call_function_single(v->cpu, attach_here, &attach, 1);
	else
		attach_here(&attach);
	err = attach.err;
	if (!err)
		return 0;

fail:
	release(v, attach.page);
	return err;
}

/**
 * xen_pmu_vcpu_down() - take the PMU from a vCPU that is gone
 * @v: the vCPU
 *
 * May sleep.
 */
void xen_pmu_vcpu_down(struct xen_pmu_vcpu *v)
{
	release(v, xen_pmu_regs_detach(v));
	if (v->irq >= 0)
		xen_pmu_unbind_irq(v->irq);
	v->irq = -1;
}

/**
 * xen_pmu_vcpu_suspend() - take the PMU from a vCPU until xen_pmu_vcpu_up()
 * @v: the vCPU, which is online
 *
 * Its registers are saved, and its interrupt stays bound. May sleep.
 */
void xen_pmu_vcpu_suspend(struct xen_pmu_vcpu *v)
{
	struct attach attach = { .v = v };

	smp_call_function_single(v->cpu, save_here, &attach, 1);
	release(v, attach.page);
}

static struct xen_pmu_cpuid read_cpuid(void)
{
	union cpuid10_eax eax;
	union cpuid10_edx edx;
	unsigned int ebx, ecx;

	if (boot_cpu_data.cpuid_level < 0xa)
		return (struct xen_pmu_cpuid) {};

	cpuid(0xa, &eax.full, &ebx, &ecx, &edx.full);
	return (struct xen_pmu_cpuid) {
		.version	= eax.split.version_id,
		.nr_general	= eax.split.num_counters,
		.width_general	= eax.split.bit_width,
		.width_fixed	= edx.split.bit_width_fixed,
	};
}

/* As far as a guest can tell; what it cannot, Xen's own log says. */
static const char *reason(int err)
{
	switch (err) {
	case -EOPNOTSUPP:
		return "Xen wants vpmu=on, no watchdog, and a CPU that it knows; see xl dmesg";
	case -ENOENT:
		return "the vPMU was off when this vCPU was created";
	case -ENODEV:
		return "Xen could not set up the vPMU of this vCPU";
	case -ERANGE:
		return "its PMU is not the one that this kernel booted with";
	case -EIO:
		return "Xen promises counters that do not answer";
	case -ENOMEM:
		return "out of memory";
	default:
		return "Xen does not offer them";
	}
}

/**
 * xen_pmu_init() - give a CPU its PMU
 * @cpu: the CPU: the first at boot, any other before it comes up, all that are
 *	online on resume
 *
 * A CPU for which this fails has no hardware events. May sleep.
 */
void xen_pmu_init(int cpu)
{
	struct xen_pmu_vcpu *v = per_cpu_ptr(&xen_pmu_vcpu, cpu);
	int err;

	if (!xen_pmu_vendor || v->page)
		return;

	v->cpu = cpu;
	v->id = xen_vcpu_nr(cpu);
	err = xen_pmu_vcpu_up(&xen_pmu, xen_pmu_vendor, &xen_pmu_cpuid_0a, v);
	if (err && err != v->told_err)
		pr_info("no hardware events on CPU %d: %s (%d)\n", cpu,
			reason(err), err);
	else if (!err && v->told_err)
		pr_info("hardware events on CPU %d again\n", cpu);
	v->told_err = err;
	if (cpu_online(cpu))
		xen_pmu_reschedule(cpu);
}

static void __init say_what_is_left_out(const struct xen_pmu *pmu)
{
	const struct xen_pmu_layout *layout = &pmu->layout;

	if (pmu->nr_general == layout->nr_general &&
	    pmu->nr_fixed == layout->nr_fixed)
		return;

	pr_info("of %u and %u that the processor has; Xen does not emulate all of them%s%s\n",
		layout->nr_general, layout->nr_fixed,
		pmu->vendor->left_out ? ": " : "",
		pmu->vendor->left_out ?: "");
}

/**
 * xen_pmu_boot() - give the first CPU its PMU, and decide for the others
 *
 * On the first CPU, before perf looks for counters. May sleep.
 */
void __init xen_pmu_boot(void)
{
	const struct x86_cpu_id *id = x86_match_cpu(xen_pmu_vendors);

	if (!xen_pv_domain() || !id)
		return;

	xen_pmu_vendor = (const void *)id->driver_data;
	xen_pmu_cpuid_0a = read_cpuid();
	xen_pmu_init(0);
	if (!xen_pmu.vendor || !this_cpu_read(xen_pmu_vcpu.page)) {
		xen_pmu_vendor = NULL;
		return;
	}

	xen_pmu.gone = xen_pmu_gone;
	if (xen_pmu.vendor->announce)
		xen_pmu.vendor->announce(&xen_pmu);
	xen_pmu_sample_init();
	xen_pmu_control_init();
	static_branch_enable(&xen_pmu_key);
	pr_info("%s vPMU: %u general-purpose and %u fixed counters\n",
		xen_pmu.vendor->name, xen_pmu.nr_general, xen_pmu.nr_fixed);
	say_what_is_left_out(&xen_pmu);
}

/**
 * __xen_pmu_cpuid() - show no more of CPUID leaf 0Ah than there is
 * @eax: what the processor says, and what perf shall see
 * @ecx: likewise
 * @edx: likewise
 *
 * Any context.
 */
void __xen_pmu_cpuid(u32 *eax, u32 *ecx, u32 *edx)
{
	if (xen_pmu.vendor->cpuid)
		xen_pmu.vendor->cpuid(&xen_pmu, eax, ecx, edx);
}

/**
 * xen_pmu_be_lazy() - let writes wait from now on
 *
 * When perf has seen that counters hold what is written to them.
 */
void xen_pmu_be_lazy(void)
{
	xen_pmu.lazy = true;
}

/**
 * xen_pmu_finish() - take the PMU from a CPU
 * @cpu: the CPU: one that is gone, or all that are online before suspend
 *
 * May sleep.
 */
void xen_pmu_finish(int cpu)
{
	struct xen_pmu_vcpu *v = per_cpu_ptr(&xen_pmu_vcpu, cpu);

	if (!xen_pmu_vendor)
		return;
	if (cpu_online(cpu))
		xen_pmu_vcpu_suspend(v);
	else
		xen_pmu_vcpu_down(v);
}
