/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the module asks of Xen and of the kernel around it; seam.c has nothing
 * else, and the unit tests have it all.
 */
#ifndef _ARCH_X86_XEN_PMU_SEAM_H
#define _ARCH_X86_XEN_PMU_SEAM_H

#include <linux/types.h>

struct xen_pmu_data;
struct xen_pmu_params;

int xen_pmu_op(unsigned int op, struct xen_pmu_params *params);
bool xen_pmu_mode_is_off(void);
u64 xen_pmu_scheduled_at(void);
int xen_pmu_rdmsr(u32 msr, u64 *val);
int xen_pmu_wrmsr(u32 msr, u64 val);
struct xen_pmu_data *xen_pmu_alloc_page(void);
void xen_pmu_free_page(struct xen_pmu_data *page);
u64 xen_pmu_frame(struct xen_pmu_data *page);
int xen_pmu_bind_irq(unsigned int cpu, const char *name);
void xen_pmu_unbind_irq(int irq);

#endif /* _ARCH_X86_XEN_PMU_SEAM_H */
