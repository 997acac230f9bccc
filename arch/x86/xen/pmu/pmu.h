/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The PMU that Xen offers, the same for all vCPUs: the vendors' tables, and what
 * becomes of them once it is known what there is.
 */
#ifndef _ARCH_X86_XEN_PMU_H
#define _ARCH_X86_XEN_PMU_H

#include <linux/types.h>

#include <xen/interface/xenpmu.h>
#include <xen/pmu.h>

#include "reg.h"

/* How many registers a row of a vendor's table stands for. */
enum xen_pmu_count {
	XEN_PMU_ONE,
	XEN_PMU_GENERAL,	/* one for each general-purpose counter */
	XEN_PMU_FIXED_FUNCTION,	/* one for each fixed counter */
	XEN_PMU_LEGACY,		/* AMD: K7 MSRs, at most four */
	XEN_PMU_EXTENDED,	/* AMD: F15h MSRs, where there are more */
	XEN_PMU_NR_COUNTS,
};

/* What a register does when it is accessed. */
enum xen_pmu_type {
	XEN_PMU_TYPE_COUNTER,	/* changes by itself */
	XEN_PMU_TYPE_CONTROL,	/* holds what was written */
	XEN_PMU_TYPE_STATUS,	/* read-only, set by hardware */
	XEN_PMU_TYPE_ACK,	/* write 1 to clear in the status; reads 0 */
	XEN_PMU_TYPE_PAGE,	/* nothing but a place in the page */
};

/**
 * struct xen_pmu_row - a run of MSRs with the same rules
 * @msr: first MSR
 * @shift: log2 of the distance to the next one
 * @reg: register behind the first MSR
 * @count: how many there are, &enum xen_pmu_count
 * @type: what an access does, &enum xen_pmu_type
 * @slot: where a single register is in the shared page, from the page's start;
 *	banks are where the layout says
 * @flags: XEN_PMU_PAGE_ONLY; XEN_PMU_SIGN_EXTEND: see SDM vol. 3B, "Full-Width
 *	Writes to Performance Counter Registers"
 */
struct xen_pmu_row {
	u32 msr;
	u8 shift;
	u8 reg;
	u8 count;
	u8 type;
	u16 slot;
	u8 flags;
};

/**
 * struct xen_pmu_cpuid - CPUID leaf 0Ah, as far as it matters here
 * @version: architectural perfmon version
 * @nr_general: number of general-purpose counters
 * @width_general: their width in bits
 * @width_fixed: the fixed counters' width in bits
 */
struct xen_pmu_cpuid {
	u8 version;
	u8 nr_general;
	u8 width_general;
	u8 width_fixed;
};

/**
 * struct xen_pmu_layout - where Xen put the banks in the shared page
 * @nr_general: number of general-purpose counters
 * @nr_fixed: number of fixed counters
 * @stride: distance from one general-purpose counter to the next, in bytes
 * @counters: first general-purpose counter, from the page's start
 * @controls: first event select, likewise
 * @fixed: first fixed counter, likewise
 */
struct xen_pmu_layout {
	u16 nr_general;
	u16 nr_fixed;
	u16 stride;
	u16 counters;
	u16 controls;
	u16 fixed;
};

/**
 * struct xen_pmu - the PMU that Xen offers, the same for all vCPUs
 * @reg: the registers; first, as every access looks one up
 * @vendor: the vendor's table; NULL until the first vCPU is up
 * @cpuid: what CPUID says
 * @layout: of every vCPU's page
 * @nr_general: general-purpose counters that answer; perf sees no other
 * @nr_fixed: likewise fixed counters
 * @controls: the registers that are controls
 * @counters: the counters; bits as in IA32_PERF_GLOBAL_CTRL
 * @map: from MSR to register and flags
 * @lazy: writes may wait; not so until perf has seen that counters hold what is
 *	written to them, which some emulated ones do not
 * @gone: called on a vCPU that turns out to be without its PMU: the mode went
 *	off behind our back, or Xen refused what perf wants; any context; may be
 *	NULL
 *
 * Written before the static key is on; constant afterwards.
 */
struct xen_pmu {
	struct xen_pmu_reg reg[XEN_PMU_NR_REGS];
	const struct xen_pmu_vendor *vendor;
	struct xen_pmu_cpuid cpuid;
	struct xen_pmu_layout layout;
	unsigned int nr_general;
	unsigned int nr_fixed;
	u64 controls;
	u64 counters;
	struct xen_pmu_map *map;
	bool lazy;
	void (*gone)(void);
};

/**
 * struct xen_pmu_vendor - all that differs between vendors
 * @name: for messages
 * @msr_base: lowest MSR of @rows
 * @rows: the registers
 * @nr_rows: their number
 * @nr_assumed: general-purpose counters that perf uses without asking
 * @stops_on_disable: Xen takes the vPMU for stopped as soon as any counter is
 *	disabled, and neither saves nor loads it until one is enabled
 * @layout: read and check the offsets in a page that Xen initialised; -ENODEV
 *	if Xen wrote none, -ERANGE if they do not fit
 * @rules: fill in what may be written to the registers
 * @announce: tell the kernel what Xen has but CPUID hides; may be NULL
 * @counts: whether the PMU has a counter for an event select; NULL if it has
 *	one for all
 * @cpuid: show no more of CPUID leaf 0Ah than there is; NULL if the vendor has
 *	no such leaf
 * @left_out: why Xen may not emulate all that it promises, and which does
 * @filtered: whether Xen may refuse an event select, because of its command
 *	line; NULL if it never does
 */
struct xen_pmu_vendor {
	const char *name;
	u32 msr_base;
	const struct xen_pmu_row *rows;
	u8 nr_rows;
	u8 nr_assumed;
	bool stops_on_disable;
	int (*layout)(struct xen_pmu_layout *layout,
		      const struct xen_pmu_data *page,
		      const struct xen_pmu_cpuid *cpuid);
	void (*rules)(struct xen_pmu *pmu);
	void (*announce)(const struct xen_pmu *pmu);
	bool (*counts)(const struct xen_pmu *pmu, u64 config);
	void (*cpuid)(const struct xen_pmu *pmu, u32 *eax, u32 *ecx, u32 *edx);
	const char *left_out;
	bool (*filtered)(u64 config);
};

extern const struct xen_pmu_vendor xen_pmu_amd;
extern const struct xen_pmu_vendor xen_pmu_intel;

/* decode.c */
bool xen_pmu_in_page(u32 offset, unsigned int count, unsigned int size);
void xen_pmu_describe(struct xen_pmu *pmu, const struct xen_pmu_vendor *vendor,
		      const struct xen_pmu_layout *layout,
		      const struct xen_pmu_cpuid *cpuid,
		      unsigned int nr_general, unsigned int nr_fixed);

/* Retired instructions of the guest, not enabled: no mode of Xen refuses it. */
#define XEN_PMU_HARMLESS_EVENT	(ARCH_PERFMON_EVENTSEL_USR | 0xc0)

/* probe.c */
int xen_pmu_probe(struct xen_pmu *pmu);
bool xen_pmu_answers(const struct xen_pmu *pmu);

#endif /* _ARCH_X86_XEN_PMU_H */
