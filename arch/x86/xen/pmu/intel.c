// SPDX-License-Identifier: GPL-2.0-only
/*
 * Intel architectural perfmon version 2 to 5: SDM vol. 3B, "Architectural
 * Performance Monitoring". Xen shows version 3 at most.
 */
#include <linux/kernel.h>

#include <asm/msr-index.h>
#include <asm/perf_event.h>

#include "pmu.h"

/* Bits 63:32, AnyThread and pin control: Xen refuses them. */
#define INTEL_CONTROL_RESERVED	(GENMASK_ULL(63, 32) | \
				 ARCH_PERFMON_EVENTSEL_ANY | \
				 ARCH_PERFMON_EVENTSEL_PIN_CONTROL)

#define INTEL_SLOT(field)	offsetof(struct xen_pmu_data, pmu.c.intel.field)

static const struct xen_pmu_row intel_rows[] = {
	{ MSR_IA32_PMC0, 0, XEN_PMU_COUNTER, XEN_PMU_GENERAL,
	  XEN_PMU_TYPE_COUNTER, 0, XEN_PMU_PAGE_ONLY },
	/* Behind its alias, to be the one that traps go to. */
	{ MSR_IA32_PERFCTR0, 0, XEN_PMU_COUNTER, XEN_PMU_GENERAL,
	  XEN_PMU_TYPE_COUNTER, 0, XEN_PMU_SIGN_EXTEND },
	{ MSR_P6_EVNTSEL0, 0, XEN_PMU_CONTROL, XEN_PMU_GENERAL,
	  XEN_PMU_TYPE_CONTROL },
	{ MSR_CORE_PERF_FIXED_CTR0, 0, XEN_PMU_FIXED, XEN_PMU_FIXED_FUNCTION,
	  XEN_PMU_TYPE_COUNTER },
	{ MSR_CORE_PERF_FIXED_CTR_CTRL, 0, XEN_PMU_FIXED_CTRL, XEN_PMU_ONE,
	  XEN_PMU_TYPE_CONTROL, INTEL_SLOT(fixed_ctrl) },
	{ MSR_CORE_PERF_GLOBAL_CTRL, 0, XEN_PMU_GLOBAL_CTRL, XEN_PMU_ONE,
	  XEN_PMU_TYPE_CONTROL, INTEL_SLOT(global_ctrl) },
	{ MSR_CORE_PERF_GLOBAL_STATUS, 0, XEN_PMU_GLOBAL_STATUS, XEN_PMU_ONE,
	  XEN_PMU_TYPE_STATUS, INTEL_SLOT(global_status) },
	{ MSR_CORE_PERF_GLOBAL_OVF_CTRL, 0, XEN_PMU_GLOBAL_OVF_CTRL,
	  XEN_PMU_ONE, XEN_PMU_TYPE_ACK, INTEL_SLOT(global_ovf_ctrl) },
	{ MSR_IA32_DS_AREA, 0, XEN_PMU_DS_AREA, XEN_PMU_ONE,
	  XEN_PMU_TYPE_PAGE, INTEL_SLOT(ds_area), XEN_PMU_PAGE_ONLY },
	{ MSR_IA32_PEBS_ENABLE, 0, XEN_PMU_PEBS_ENABLE, XEN_PMU_ONE,
	  XEN_PMU_TYPE_PAGE, INTEL_SLOT(pebs_enable), XEN_PMU_PAGE_ONLY },
	{ MSR_IA32_DEBUGCTLMSR, 0, XEN_PMU_DEBUGCTL, XEN_PMU_ONE,
	  XEN_PMU_TYPE_PAGE, INTEL_SLOT(debugctl), XEN_PMU_PAGE_ONLY },
};

static int intel_layout(struct xen_pmu_layout *layout,
			const struct xen_pmu_data *page,
			const struct xen_pmu_cpuid *cpuid)
{
	const size_t start = offsetof(struct xen_pmu_data, pmu.c.intel);
	u32 fixed = READ_ONCE(page->pmu.c.intel.fixed_counters);
	u32 arch = READ_ONCE(page->pmu.c.intel.arch_counters);
	u32 nr_fixed;

	if (!fixed && !arch)
		return -ENODEV;
	if (fixed < sizeof(struct xen_pmu_intel_ctxt) || arch < fixed ||
	    !cpuid->nr_general)
		return -ERANGE;

	/* No more than the global registers have bits for. */
	nr_fixed = (arch - fixed) / sizeof(u64);
	if (nr_fixed > 16 || cpuid->nr_general > 32 ||
	    !xen_pmu_in_page(fixed, nr_fixed, sizeof(u64)) ||
	    !xen_pmu_in_page(arch, cpuid->nr_general,
			     sizeof(struct xen_pmu_cntr_pair)))
		return -ERANGE;

	arch += start;
	*layout = (struct xen_pmu_layout) {
		.nr_general	= cpuid->nr_general,
		.nr_fixed	= nr_fixed,
		.stride		= sizeof(struct xen_pmu_cntr_pair),
		.counters	= arch +
				  offsetof(struct xen_pmu_cntr_pair, counter),
		.controls	= arch +
				  offsetof(struct xen_pmu_cntr_pair, control),
		.fixed		= start + fixed,
	};
	return 0;
}

static u64 low_bits(unsigned int n)
{
	return n ? GENMASK_ULL(n - 1, 0) : 0;
}

static u64 intel_fixed_ctrl_reserved(unsigned int nr_fixed)
{
	u64 reserved = ~low_bits(nr_fixed * INTEL_FIXED_BITS_STRIDE);
	unsigned int i;

	for (i = 0; i < nr_fixed; i++)
		reserved |= intel_fixed_bits_by_idx(i, INTEL_FIXED_0_ANYTHREAD);

	return reserved;
}

static void intel_rules(struct xen_pmu *pmu)
{
	const struct xen_pmu_cpuid *cpuid = &pmu->cpuid;
	u64 counters = low_bits(pmu->nr_general) |
		       low_bits(pmu->nr_fixed) << INTEL_PMC_IDX_FIXED;
	u64 general = low_bits(cpuid->width_general);
	/* CondChgd and OvfBuf; TraceToPAPMI from version 3 on. */
	u64 ack = counters | BIT_ULL(63) | BIT_ULL(62) |
		  (cpuid->version > 2 ? BIT_ULL(61) : 0);
	unsigned int i;

	for (i = 0; i < XEN_PMU_NR_REGS; i++)
		pmu->reg[i].width = ~0ULL;

	for (i = 0; i < XEN_PMU_MAX_GENERAL; i++) {
		pmu->reg[XEN_PMU_COUNTER + i].width = general;
		pmu->reg[XEN_PMU_COUNTER + i].zero = ~general;
		pmu->reg[XEN_PMU_CONTROL + i].zero = INTEL_CONTROL_RESERVED;
	}
	for (i = 0; i < XEN_PMU_MAX_FIXED; i++) {
		pmu->reg[XEN_PMU_FIXED + i].width =
			low_bits(cpuid->width_fixed);
		pmu->reg[XEN_PMU_FIXED + i].zero =
			~low_bits(cpuid->width_fixed);
	}

	pmu->reg[XEN_PMU_FIXED_CTRL].zero =
		intel_fixed_ctrl_reserved(pmu->nr_fixed);
	pmu->reg[XEN_PMU_GLOBAL_CTRL].zero = ~counters;
	pmu->reg[XEN_PMU_GLOBAL_STATUS].width = ack;
	pmu->reg[XEN_PMU_GLOBAL_STATUS].zero = ~0ULL;
	pmu->reg[XEN_PMU_GLOBAL_OVF_CTRL].zero = ~ack;
	/* Neither PEBS nor a debug store that a PV guest could point at. */
	pmu->reg[XEN_PMU_DS_AREA].zero = ~0ULL;
	pmu->reg[XEN_PMU_PEBS_ENABLE].zero = ~0ULL;
}

/*
 * With vpmu=ipc or vpmu=arch Xen takes a few event selects only. It lets fixed
 * counters be; event code 0 stands for events that only those can count.
 */
static bool intel_filtered(u64 config)
{
	return config & ARCH_PERFMON_EVENTSEL_EVENT;
}

/*
 * Event code 0 is no event of a general-purpose counter: with a unit mask it
 * stands for a fixed counter, 1 for the first (SDM vol. 3B, "Fixed-function
 * Performance Counters"), and 80h and above for the parts of PERF_METRICS.
 */
static bool intel_counts(const struct xen_pmu *pmu, u64 config)
{
	unsigned int fixed = (config & ARCH_PERFMON_EVENTSEL_UMASK) >> 8;

	return config & ARCH_PERFMON_EVENTSEL_EVENT ||
	       (fixed && fixed <= pmu->nr_fixed);
}

static void intel_cpuid(const struct xen_pmu *pmu, u32 *eax, u32 *ecx, u32 *edx)
{
	union cpuid10_eax a = { .full = *eax };
	union cpuid10_edx d = { .full = *edx };

	a.split.num_counters = pmu->nr_general;
	d.split.num_counters_fixed = pmu->nr_fixed;
	*eax = a.full;
	*ecx &= low_bits(pmu->nr_fixed);
	*edx = d.full;
}

const struct xen_pmu_vendor xen_pmu_intel = {
	.name		= "Intel",
	.msr_base	= MSR_IA32_PERFCTR0,
	.rows		= intel_rows,
	.nr_rows	= ARRAY_SIZE(intel_rows),
	.nr_assumed	= 1,
	.layout		= intel_layout,
	.rules		= intel_rules,
	.counts		= intel_counts,
	.cpuid		= intel_cpuid,
	.left_out	= "4.19.5, 4.20.3 and 4.21.1 have eight and three, none has more",
	.filtered	= intel_filtered,
};
