// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a vendor's table and the layout of the page to what the access path
 * needs: one load from MSR to register, one from register to limits and slot.
 */
#include <linux/cache.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include <asm/perf_event.h>

#include <xen/page.h>

#include "pmu.h"

/**
 * xen_pmu_in_page() - check a bank against the end of the shared page
 * @offset: its start, counted from the page's register context
 * @count: number of elements
 * @size: bytes in each
 *
 * Return: whether an aligned bank lies inside the page.
 */
bool xen_pmu_in_page(u32 offset, unsigned int count, unsigned int size)
{
	u64 end = offsetof(struct xen_pmu_data, pmu.c) + (u64)offset +
		  (u64)count * size;

	return IS_ALIGNED(offset, sizeof(u64)) && end <= XEN_PAGE_SIZE;
}

static unsigned int row_count(const struct xen_pmu *pmu, u8 count)
{
	switch (count) {
	case XEN_PMU_ONE:
		return 1;
	case XEN_PMU_GENERAL:
		return pmu->nr_general;
	case XEN_PMU_FIXED_FUNCTION:
		return pmu->nr_fixed;
	case XEN_PMU_LEGACY:
		return min(pmu->nr_general, 4u);
	case XEN_PMU_EXTENDED:
		return pmu->nr_general > 4 ? min(pmu->nr_general, 6u) : 0;
	default:
		return 0;
	}
}

static u16 row_slot(const struct xen_pmu_layout *layout,
		    const struct xen_pmu_row *row, unsigned int i)
{
	switch (row->reg) {
	case XEN_PMU_COUNTER:
		return layout->counters + i * layout->stride;
	case XEN_PMU_CONTROL:
		return layout->controls + i * layout->stride;
	case XEN_PMU_FIXED:
		return layout->fixed + i * sizeof(u64);
	default:
		return row->slot;
	}
}

static void describe_row(struct xen_pmu *pmu, const struct xen_pmu_row *row)
{
	unsigned int n = row_count(pmu, row->count), i;

	for (i = 0; i < n; i++) {
		unsigned int reg = row->reg + i;
		u32 msr = row->msr + (i << row->shift);

		pmu->map->entry[msr - pmu->map->base] =
			reg | XEN_PMU_ENTRY | row->flags;
		pmu->reg[reg].slot = row_slot(&pmu->layout, row, i);
		pmu->reg[reg].type = row->type;
		pmu->reg[reg].bit = xen_pmu_bit(reg);
		pmu->reg[reg].msr = msr;
		if (row->type == XEN_PMU_TYPE_CONTROL)
			pmu->controls |= BIT_ULL(reg);
		if (row->type == XEN_PMU_TYPE_COUNTER)
			pmu->counters |= BIT_ULL(xen_pmu_bit(reg));
	}
}

/**
 * xen_pmu_describe() - lay out the tables of a PMU
 * @pmu: where they go; @pmu->map is where the map goes
 * @vendor: the vendor
 * @layout: what its @layout found in the page
 * @cpuid: what CPUID says
 * @nr_general: how many general-purpose counters to describe
 * @nr_fixed: how many fixed counters
 *
 * Where rows overlap the later one gives the MSR to reach the register by.
 */
void xen_pmu_describe(struct xen_pmu *pmu, const struct xen_pmu_vendor *vendor,
		      const struct xen_pmu_layout *layout,
		      const struct xen_pmu_cpuid *cpuid,
		      unsigned int nr_general, unsigned int nr_fixed)
{
	struct xen_pmu_map *map = pmu->map;
	unsigned int i;

	BUILD_BUG_ON(ARRAY_SIZE(pmu->reg) > XEN_PMU_ENTRY_REG + 1);
	BUILD_BUG_ON(ARRAY_SIZE(pmu->reg) > BITS_PER_TYPE(u64));

	*pmu = (struct xen_pmu) {
		.vendor		= vendor,
		.cpuid		= *cpuid,
		.layout		= *layout,
		.nr_general	= min_t(unsigned int, nr_general, XEN_PMU_MAX_GENERAL),
		.nr_fixed	= min_t(unsigned int, nr_fixed, XEN_PMU_MAX_FIXED),
		.map		= map,
		.lazy		= pmu->lazy,
		.gone		= pmu->gone,
	};
	memset(map, 0, sizeof(*map));
	map->base = vendor->msr_base;
	for (i = 0; i < vendor->nr_rows; i++)
		describe_row(pmu, &vendor->rows[i]);
	vendor->rules(pmu);
	for (i = 0; i < ARRAY_SIZE(pmu->reg); i++)
		if (!pmu->reg[i].msr)
			pmu->reg[i].width = 0;
}
