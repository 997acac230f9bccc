/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernels back to 6.1 call otherwise where the module takes hold of them;
 * what our sources need of older kernels is in arch/x86/xen/pmu/compat.h.
 */
#ifndef _XEN_PMU_OLDER_H
#define _XEN_PMU_OLDER_H

#include <linux/ftrace.h>
#include <linux/perf_event.h>
#include <linux/version.h>

/* 6.2 and 6.4 have given them other names; 6.4 frees a filter if told to. */
#ifdef ftrace_instruction_pointer_set
#define ftrace_regs_set_instruction_pointer	ftrace_instruction_pointer_set
#endif
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
#define register_ftrace_direct	register_ftrace_direct_multi
#define unregister_ftrace_direct(ops, address, free)			\
	(unregister_ftrace_direct_multi(ops, address), ftrace_free_filter(ops))
#endif

/* 6.2 has renamed what a registered PMU has. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define cpu_context	cpu_pmu_context
#else
#define cpu_context	pmu_cpu_context
#endif

/* Before 6.3 a PMU's filter is asked about an event, whether it may run here. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define filter_of(pmu)	(&(pmu)->filter)
typedef bool (*filter_t)(struct pmu *pmu, int cpu);
#else
#define FILTER_IS_OF_EVENTS
#define filter_of(pmu)	(&(pmu)->filter_match)
typedef int (*filter_t)(struct perf_event *event);
#endif

#endif /* _XEN_PMU_OLDER_H */
