/* SPDX-License-Identifier: GPL-2.0 */
/*
 * In a module this is arch/x86/events/perf_event.h: as much of it as our sources
 * use, and what patches/ would have added there.
 */
#ifndef _XEN_PMU_EVENTS_H
#define _XEN_PMU_EVENTS_H

#include <linux/perf_event.h>
#include <linux/types.h>

#include "../../../kernel.h"
#include "../../../layout.h"

/* As in patches/, where perf asks it; here hooks.c does, in perf's place. */
struct x86_pmu_hv {
	bool	(*available)(int cpu);
	int	(*event_init)(struct perf_event *event);
	struct pt_regs *(*overflow)(struct perf_event *event,
				    struct perf_sample_data *data,
				    struct pt_regs *regs);
	void	(*idle)(void);
};

extern const struct x86_pmu_hv *x86_pmu_hv;

/**
 * struct xen_pmu_x86_pmu - what the sources read of perf's struct x86_pmu
 * @handle_irq: perf's handler
 * @event_map: the event select of a general event
 * @max_events: how many of those there are
 * @arch_events_only: never: a hybrid processor is refused at load
 *
 * A copy: perf does not change these once it is up.
 */
struct xen_pmu_x86_pmu {
	int (*handle_irq)(struct pt_regs *regs);
	u64 (*event_map)(int event);
	int max_events;
	bool arch_events_only;
};

extern struct xen_pmu_x86_pmu x86_pmu;

#endif /* _XEN_PMU_EVENTS_H */
