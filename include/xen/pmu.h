/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel calls to use Xen's paravirtual PMU.
 *
 * Every entry from a hot or an early path sits behind one static key that is
 * off until the first vCPU has a vPMU. Code that runs before per-CPU areas or
 * the stack canary exist, and kernels that never get a vPMU, execute a no-op.
 */
#ifndef _XEN_PMU_H
#define _XEN_PMU_H

#include <linux/jump_label.h>
#include <linux/types.h>

#include <xen/interface/xen.h>
#include <xen/interface/xenpmu.h>

#ifdef CONFIG_XEN_PMU

DECLARE_STATIC_KEY_FALSE(xen_pmu_key);

/* MSRs from a vendor's first to its last; Intel: 0C1h to 600h. */
#define XEN_PMU_MSR_SPAN	0x540

/**
 * struct xen_pmu_map - from MSR to register
 * @base: lowest MSR
 * @entry: by MSR less @base: register and flags, or 0 for an MSR that is
 *	not the PMU's
 *
 * Here, so that an access to any other MSR is told apart in a few instructions.
 */
struct xen_pmu_map {
	u32 base;
	u8 entry[XEN_PMU_MSR_SPAN];
};

extern struct xen_pmu_map xen_pmu_map;

u64 xen_pmu_read_msr(u32 msr, u8 entry);
u64 xen_pmu_read_msr_safe(u32 msr, u8 entry, int *err);
void xen_pmu_write_msr(u32 msr, u8 entry, u64 val);
int xen_pmu_write_msr_safe(u32 msr, u8 entry, u64 val);
u64 __xen_pmu_read_pmc(int counter);
void __xen_pmu_write_lvtpc(u32 val);
void __xen_pmu_cpuid(u32 *eax, u32 *ecx, u32 *edx);

void xen_pmu_boot(void);
void xen_pmu_init(int cpu);
void xen_pmu_finish(int cpu);

int xen_pmu_set_mode(struct xen_pmu_params *params);

/**
 * xen_pmu_decode() - find the register behind an MSR
 * @map: the PMU's map
 * @msr: MSR number
 *
 * Return: the map's entry, or 0 for an MSR that is not the PMU's.
 */
static __always_inline u8 xen_pmu_decode(const struct xen_pmu_map *map, u32 msr)
{
	u32 i = msr - map->base;

	return i < XEN_PMU_MSR_SPAN ? map->entry[i] : 0;
}

/**
 * xen_pmu_entry() - whether an MSR is the PMU's
 * @msr: MSR number
 *
 * Any context, however early.
 *
 * Return: what xen_pmu_read_msr(), xen_pmu_write_msr() and their safe variants
 * are to be called with, or 0 for an MSR that is not the PMU's.
 */
static __always_inline u8 xen_pmu_entry(u32 msr)
{
	return static_branch_unlikely(&xen_pmu_key) ?
	       xen_pmu_decode(&xen_pmu_map, msr) : 0;
}

/**
 * xen_pmu_read_pmc() - read a counter by its RDPMC index
 * @counter: index as RDPMC takes it
 *
 * RDPMC raises #GP in a PV guest (Xen keeps CR4.PCE clear), so there is no
 * native instruction to fall back to: without a vPMU a counter reads 0.
 *
 * Any context; the caller stays on its CPU.
 *
 * Return: the counter's value.
 */
static __always_inline u64 xen_pmu_read_pmc(int counter)
{
	return static_branch_unlikely(&xen_pmu_key) ?
	       __xen_pmu_read_pmc(counter) : 0;
}

/**
 * xen_pmu_write_lvtpc() - write the local APIC's LVTPC
 * @val: register value; Xen looks at the mask bit only
 *
 * Any context; the caller stays on its CPU.
 */
static __always_inline void xen_pmu_write_lvtpc(u32 val)
{
	if (static_branch_unlikely(&xen_pmu_key))
		__xen_pmu_write_lvtpc(val);
}

/**
 * xen_pmu_cpuid() - show perf the counters that are there
 * @leaf: CPUID leaf
 * @eax: what the processor says of it
 * @ecx: likewise
 * @edx: likewise
 *
 * Any context, however early.
 */
static __always_inline void xen_pmu_cpuid(u32 leaf, u32 *eax, u32 *ecx, u32 *edx)
{
	if (static_branch_unlikely(&xen_pmu_key) && leaf == 0xa)
		__xen_pmu_cpuid(eax, ecx, edx);
}

#else

static inline u8 xen_pmu_entry(u32 msr)
{
	return 0;
}

static inline u64 xen_pmu_read_msr(u32 msr, u8 entry)
{
	return 0;
}

static inline u64 xen_pmu_read_msr_safe(u32 msr, u8 entry, int *err)
{
	return 0;
}

static inline void xen_pmu_write_msr(u32 msr, u8 entry, u64 val) {}

static inline int xen_pmu_write_msr_safe(u32 msr, u8 entry, u64 val)
{
	return 0;
}

static inline u64 xen_pmu_read_pmc(int counter)
{
	return 0;
}

static inline void xen_pmu_write_lvtpc(u32 val) {}
static inline void xen_pmu_cpuid(u32 leaf, u32 *eax, u32 *ecx, u32 *edx) {}
static inline void xen_pmu_boot(void) {}
static inline void xen_pmu_init(int cpu) {}
static inline void xen_pmu_finish(int cpu) {}

#ifdef CONFIG_XEN_HAVE_VPMU
#include <asm/xen/hypercall.h>

static inline int xen_pmu_set_mode(struct xen_pmu_params *params)
{
	return HYPERVISOR_xenpmu_op(XENPMU_mode_set, params);
}
#endif

#endif /* CONFIG_XEN_PMU */

#endif /* _XEN_PMU_H */
