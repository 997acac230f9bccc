// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which of the registers that CPUID and the page promise are there: Xen
 * initialises its vPMU from the processor's count, and emulates the MSRs that
 * somebody listed (xen/arch/x86/pv/emul-priv-op.c). A register that does not
 * hold a value would count 0.
 *
 * All of it on a vCPU whose PMU nobody uses yet.
 */
#include <linux/bits.h>
#include <linux/errno.h>

#include <asm/perf_event.h>

#include "pmu.h"
#include "seam.h"

/* Whether the bits of @mask hold @val; the register gets back what it had. */
static bool holds(u32 msr, u64 mask, u64 val)
{
	u64 old, now;
	bool held;

	if (xen_pmu_rdmsr(msr, &old) || xen_pmu_wrmsr(msr, (old & ~mask) | val))
		return false;

	held = !xen_pmu_rdmsr(msr, &now) && (now & mask) == val;
	/* Where Xen takes a few events only, "none" is not one: the other stays. */
	xen_pmu_wrmsr(msr, old);
	return held;
}

static bool control_holds(const struct xen_pmu *pmu, unsigned int counter)
{
	u32 msr = pmu->reg[xen_pmu_own_control(counter)].msr;
	u64 bits = xen_pmu_own_bits(counter);

	if (counter < XEN_PMU_FIXED)
		return holds(msr, XEN_PMU_HARMLESS_EVENT,
			     XEN_PMU_HARMLESS_EVENT);

	/* Its interrupt without any privilege level. */
	return holds(msr, bits, intel_fixed_bits_by_idx(counter - XEN_PMU_FIXED,
							INTEL_FIXED_0_ENABLE_PMI));
}

static bool counter_answers(const struct xen_pmu *pmu, unsigned int counter)
{
	const struct xen_pmu_reg *reg = &pmu->reg[counter];

	return control_holds(pmu, counter) &&
	       holds(reg->msr, reg->width, 0x5a5a);
}

/* How many of @n answer, from the first to the first that does not. */
static unsigned int answering(const struct xen_pmu *pmu, unsigned int first,
			      unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (!counter_answers(pmu, first + i))
			break;

	return i;
}

/**
 * xen_pmu_probe() - describe no more than answers
 * @pmu: the PMU, described as Xen promises it
 *
 * On a vCPU that has its page, registers unused. A counter behind a gap is left
 * out, too. Each register costs a few traps, and Xen at most one #GP.
 *
 * Return: 0, or -EIO if perf would use counters that do not answer.
 */
int xen_pmu_probe(struct xen_pmu *pmu)
{
	unsigned int general, fixed;

	general = answering(pmu, XEN_PMU_COUNTER, pmu->nr_general);
	fixed = answering(pmu, XEN_PMU_FIXED, pmu->nr_fixed);
	if (general < pmu->vendor->nr_assumed)
		return -EIO;

	xen_pmu_describe(pmu, pmu->vendor, &pmu->layout, &pmu->cpuid, general,
			 fixed);
	return 0;
}

/**
 * xen_pmu_answers() - whether all registers of a PMU are still there
 * @pmu: the PMU
 *
 * After a migration it may be another processor's. On a vCPU that has its
 * page, registers unused.
 *
 * Return: so.
 */
bool xen_pmu_answers(const struct xen_pmu *pmu)
{
	const struct xen_pmu_reg *reg;
	u64 val;

	/* Xen wants the reserved bits as this hardware had them at boot. */
	for (reg = pmu->reg; reg < pmu->reg + XEN_PMU_NR_REGS; reg++)
		if (reg->msr && reg->type == XEN_PMU_TYPE_CONTROL &&
		    (xen_pmu_rdmsr(reg->msr, &val) ||
		     (val & (reg->zero | reg->one)) != reg->one))
			return false;

	return answering(pmu, XEN_PMU_COUNTER, pmu->nr_general) == pmu->nr_general &&
	       answering(pmu, XEN_PMU_FIXED, pmu->nr_fixed) == pmu->nr_fixed;
}
