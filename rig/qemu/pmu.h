/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A performance monitoring unit for x86 vCPUs under TCG.
 */

#ifndef TARGET_I386_TCG_PMU_H
#define TARGET_I386_TCG_PMU_H

#include "cpu.h"

/* Give the vCPU the PMU of its vendor and family, if there is one. */
void x86_pmu_realize(X86CPU *cpu);
void x86_pmu_reset(X86CPU *cpu);

/* CPUID leaf 0Ah. */
void x86_pmu_cpuid(X86CPU *cpu, uint32_t *eax, uint32_t *ebx,
                   uint32_t *ecx, uint32_t *edx);

/* True if the MSR is the PMU's; what it refuses raises #GP. */
bool x86_pmu_rdmsr(CPUX86State *env, uint32_t msr, uint64_t *value,
                   uintptr_t ra);
bool x86_pmu_wrmsr(CPUX86State *env, uint32_t msr, uint64_t value,
                   uintptr_t ra);

/* False if there is no counter of that index. */
bool x86_pmu_rdpmc(CPUX86State *env, uint32_t index, uint64_t *value);

/* The vCPU's turn to execute begins and ends. */
void x86_pmu_exec_enter(X86CPU *cpu);
void x86_pmu_exec_exit(X86CPU *cpu);

/* Only accounting: what a Xen PV guest does with its PMU. */
void x86_pmu_msr_trap(CPUX86State *env, bool write);
void x86_pmu_syscall(CPUX86State *env);

#endif
