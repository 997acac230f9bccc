/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the sources find in the kernel when they are built into it, and a module
 * must look for. Included before anything else in each of them (see Kbuild);
 * XEN_PMU_MODULE_ONLY is defined in the files that only the module has.
 */
#ifndef _XEN_PMU_KERNEL_H
#define _XEN_PMU_KERNEL_H

#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/perf_event.h>
#include <linux/workqueue.h>

#include <xen/events.h>
#include <xen/interface/vcpu.h>

struct xen_pmu_kernels_x86_pmu;

/**
 * struct xen_pmu_kernel - what no kernel exports, by its name there
 *
 * All of it is found before anything is touched; see symbols.c.
 */
struct xen_pmu_kernel {
	struct xen_pmu_kernels_x86_pmu *x86_pmu;
	struct pmu *(*x86_get_pmu)(unsigned int cpu);
	void (*release_ds_buffers)(void);
	int (*perf_event_overflow)(struct perf_event *event,
				   struct perf_sample_data *data,
				   struct pt_regs *regs);
	int (*perf_event_account_interrupt)(struct perf_event *event);
	void (*perf_pmu_resched)(struct pmu *pmu);
	void (*perf_sample_event_took)(u64 ns);
	int *sysctl_perf_event_paranoid;
	struct vcpu_runstate_info __percpu *xen_runstate;
	bool *is_xen_pmu;
	struct perf_guest_info_callbacks *xen_guest_cbs;
	void (*xen_pmu_init)(int cpu);
	void (*xen_pmu_finish)(int cpu);
	int (*xen_write_msr_safe)(unsigned int msr, unsigned int low,
				  unsigned int high);
	void *pmu_msr_read;
	void *pmu_msr_write;
	void *xen_read_pmc;
	void *pmu_apic_update;
	void *xen_pmu_irq_handler;
	void *pmu_mode_store;
};

extern struct xen_pmu_kernel xen_pmu_kernel;

/* symbols.c */
int xen_pmu_find_symbols(void);
void *xen_pmu_find_symbol(const char *name);

/* hooks.c */
int xen_pmu_hook(void);
void xen_pmu_unhook(void);
void xen_pmu_hooks_hold(void);
void xen_pmu_hooks_open(u64 counters);
void xen_pmu_hooks_shut(void);
void xen_pmu_hooks_off(void);

/* Between hooks.c and direct.S */
extern bool xen_pmu_is_ours;
extern unsigned long xen_pmu_directly[4];
void xen_pmu_direct(void);
bool xen_pmu_hook_read_msr(unsigned int msr, u64 *val, int *err);
bool xen_pmu_hook_write_msr(unsigned int msr, u32 low, u32 high, int *err);
unsigned long long xen_pmu_hook_read_pmc(int counter);

/* takeover.c */
extern struct workqueue_struct *xen_pmu_wq;	/* its work ends before the module goes */
void xen_pmu_take_guests(struct perf_guest_info_callbacks *callbacks);
int xen_pmu_perf_is_up_now(void);
int xen_pmu_debugfs_init_now(void);

/* The state's begin, of the area that the kernel shares with Xen. */
static inline u64 xen_scheduled_at(void)
{
	return raw_cpu_ptr(xen_pmu_kernel.xen_runstate)->state_entry_time;
}

#ifndef XEN_PMU_MODULE_ONLY

#define x86_get_pmu(cpu)		xen_pmu_kernel.x86_get_pmu(cpu)
#define perf_pmu_resched(pmu)		xen_pmu_kernel.perf_pmu_resched(pmu)
#define perf_sample_event_took(ns)	xen_pmu_kernel.perf_sample_event_took(ns)
#define sysctl_perf_event_paranoid	(*xen_pmu_kernel.sysctl_perf_event_paranoid)

/*
 * VIRQ_XENPMU is bound already, to a handler that hooks.c leads to ours; and the
 * kernel goes on to bind it on CPUs that come up.
 */
static inline int xen_pmu_is_bound(irq_handler_t handler)
{
	return 0;
}

#define bind_virq_to_irqhandler(virq, cpu, handler, ...) \
	((void)(virq), (void)(cpu), xen_pmu_is_bound(handler))
#define unbind_from_irqhandler(irq, dev)	((void)(irq), (void)(dev))

#define perf_register_guest_info_callbacks	xen_pmu_take_guests

#define schedule_work(work)	queue_work(xen_pmu_wq, work)

/* Initcalls are called one after the other by takeover.c. */
#undef core_initcall
#undef late_initcall
#define core_initcall(fn)	int __init fn##_now(void) { return fn(); }
#define late_initcall(fn)	int __init fn##_now(void) { return fn(); }

#endif /* XEN_PMU_MODULE_ONLY */

#endif /* _XEN_PMU_KERNEL_H */
