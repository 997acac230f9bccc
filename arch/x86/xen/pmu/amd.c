// SPDX-License-Identifier: GPL-2.0-only
/*
 * AMD 10h to 1Ah and Hygon: APM vol. 2, "Performance Monitoring Counters".
 * Four counters in the K7 MSRs; from family 15h on six in MSRs of their own,
 * the first four of which the K7 MSRs mirror.
 */
#include <linux/kernel.h>

#include <asm/cpufeature.h>
#include <asm/msr-index.h>
#include <asm/perf_event.h>
#include <asm/processor.h>

#include "pmu.h"

#define AMD_COUNTER_WIDTH	48

/* Bits that Xen wants as it found them at boot: 63:42, 39:36, 21 and 19. */
#define AMD_CONTROL_RESERVED	(GENMASK_ULL(63, 42) | GENMASK_ULL(39, 36) | \
				 BIT_ULL(21) | BIT_ULL(19))

static const struct xen_pmu_row amd_rows[] = {
	{ MSR_K7_EVNTSEL0, 0, XEN_PMU_CONTROL, XEN_PMU_LEGACY,
	  XEN_PMU_TYPE_CONTROL },
	{ MSR_K7_PERFCTR0, 0, XEN_PMU_COUNTER, XEN_PMU_LEGACY,
	  XEN_PMU_TYPE_COUNTER },
	{ MSR_F15H_PERF_CTL, 1, XEN_PMU_CONTROL, XEN_PMU_EXTENDED,
	  XEN_PMU_TYPE_CONTROL },
	{ MSR_F15H_PERF_CTR, 1, XEN_PMU_COUNTER, XEN_PMU_EXTENDED,
	  XEN_PMU_TYPE_COUNTER },
};

static int amd_layout(struct xen_pmu_layout *layout,
		      const struct xen_pmu_data *page,
		      const struct xen_pmu_cpuid *cpuid)
{
	const size_t start = offsetof(struct xen_pmu_data, pmu.c.amd);
	u32 counters = READ_ONCE(page->pmu.c.amd.counters);
	u32 ctrls = READ_ONCE(page->pmu.c.amd.ctrls);
	u32 n;

	if (!counters && !ctrls)
		return -ENODEV;
	if (counters < sizeof(struct xen_pmu_amd_ctxt) || ctrls <= counters)
		return -ERANGE;

	n = (ctrls - counters) / sizeof(u64);
	if (n > U8_MAX || !xen_pmu_in_page(counters, n, sizeof(u64)) ||
	    !xen_pmu_in_page(ctrls, n, sizeof(u64)))
		return -ERANGE;

	*layout = (struct xen_pmu_layout) {
		.nr_general	= n,
		.stride		= sizeof(u64),
		.counters	= start + counters,
		.controls	= start + ctrls,
	};
	return 0;
}

static void amd_rules(struct xen_pmu *pmu)
{
	unsigned int i;

	for (i = 0; i < XEN_PMU_MAX_GENERAL; i++) {
		pmu->reg[XEN_PMU_COUNTER + i].width =
			GENMASK_ULL(AMD_COUNTER_WIDTH - 1, 0);
		pmu->reg[XEN_PMU_CONTROL + i].width = ~0ULL;
		pmu->reg[XEN_PMU_CONTROL + i].zero = AMD_CONTROL_RESERVED;
	}
}

#ifndef MODULE
/*
 * CPUID hides the six counters from PV guests; perf looks for this bit, and
 * not by way of an alternative, which it is too late for.
 */
static void amd_announce(const struct xen_pmu *pmu)
{
	if (!pmu->reg[XEN_PMU_COUNTER + 5].msr)
		return;

	set_cpu_cap(&boot_cpu_data, X86_FEATURE_PERFCTR_CORE);
	/* Or other CPUs clear it as they come up. */
	set_bit(X86_FEATURE_PERFCTR_CORE, (unsigned long *)cpu_caps_set);
}
#endif

const struct xen_pmu_vendor xen_pmu_amd = {
	.name			= "AMD",
	.msr_base		= MSR_K7_EVNTSEL0,
	.rows			= amd_rows,
	.nr_rows		= ARRAY_SIZE(amd_rows),
	.nr_assumed		= AMD64_NUM_COUNTERS,
	.stops_on_disable	= true,
	.layout			= amd_layout,
	.rules			= amd_rules,
#ifndef MODULE	/* perf has looked by then */
	.announce		= amd_announce,
#endif
};
