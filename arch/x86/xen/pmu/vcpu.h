/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The PMU of one vCPU. Each of its parts is written by one room only, which is
 * the one that it is headed with.
 */
#ifndef _ARCH_X86_XEN_PMU_VCPU_H
#define _ARCH_X86_XEN_PMU_VCPU_H

#include <linux/percpu.h>
#include <linux/types.h>

#include <xen/interface/xen.h>
#include <xen/interface/xenpmu.h>

#include "pmu.h"

/**
 * struct xen_pmu_sample - what Xen says about an overflow, read once
 * @ip: instruction pointer of what was interrupted
 * @sp: its stack pointer
 * @flags: its flags
 * @cs: its code segment
 * @ss: its stack segment
 * @domain: whose it is: DOMID_SELF, DOMID_XEN or another domain's number
 * @vcpu: the vCPU that was interrupted
 * @pcpu: the physical CPU, in dom0; elsewhere the vCPU
 * @user: it was user code; never so for Xen itself
 * @delayed: it is this vCPU's, and the interrupt was let in somewhere else
 */
struct xen_pmu_sample {
	u64 ip;
	u64 sp;
	u64 flags;
	u16 cs;
	u16 ss;
	domid_t domain;
	u32 vcpu;
	u32 pcpu;
	bool user;
	bool delayed;
};

/* Where the registers of a vCPU live; see regs.c. */
enum xen_pmu_home {
	XEN_PMU_HOME_NONE,
	XEN_PMU_HOME_SAVED,	/* in memory only: the vCPU is without its PMU */
	XEN_PMU_HOME_XEN,	/* in hardware, or on the way to the page */
	XEN_PMU_HOME_PAGE,	/* in the page, and it is known that they are */
};

/**
 * struct xen_pmu_stats - what happened on a vCPU
 * @interrupts: VIRQs that found a sample
 * @spurious: VIRQs that did not
 * @delayed: of @interrupts, those let in elsewhere than where the sample is
 * @reads: trapped reads; also tells whether others came in between
 * @writes: trapped writes
 * @flushes: XENPMU_flush
 * @repaired: flushes that Xen refused and took after repair
 * @lost: flushes that Xen refused for good
 * @lvtpc: XENPMU_lvtpc_set
 */
struct xen_pmu_stats {
	u64 interrupts;
	u64 spurious;
	u64 delayed;
	u64 reads;
	u64 writes;
	u64 flushes;
	u64 repaired;
	u64 lost;
	u64 lvtpc;
};

/**
 * struct xen_pmu_vcpu - the PMU of one vCPU
 * @pmu: what Xen offers
 * @cpu: Linux' number of the CPU
 * @id: Xen's number of the vCPU
 * @irq: Linux' number for VIRQ_XENPMU, or -1
 * @told_err: why the vCPU has no PMU, as the log says already
 * @name: the interrupt's name
 * @page: the page shared with Xen; NULL when there is none
 * @home: where the registers live
 * @running: Xen loads what a flush brings
 * @refused: Xen has refused a value while the registers were in the page
 * @lvtpc: last LVTPC written
 * @told: the same, or none of 32 bits before perf has written any
 * @held: the controls of the home
 * @counted: counters that hardware counts; bits as in IA32_PERF_GLOBAL_CTRL
 * @known: counters of which @value has what was last known; of others it is in
 *	the page, as the last flush left it
 * @value: the counters' values while they are in memory, or as last known
 * @unmasked_at: when Xen scheduled the vCPU, the last time that hardware had
 *	LVTPC as perf wrote it
 * @want: the controls that perf wrote
 * @wanted: counters that @want enables; out of date in the page
 * @latched: counters whose value for perf is @value
 * @stale: of these, those that hardware has another value of
 * @owed: controls that are not in @held as in @want
 * @asked: perf has read or written a counter since it last stopped some
 * @interrupts: the last time it had not, when it started them again
 * @handling: the interrupt handler runs
 * @early: it ran before its VIRQ came
 * @guest: PERF_GUEST_* of the sample being handled; 0 outside the handler
 * @soon: counters that were about to overflow when the handler left for a
 *	program; bits as in IA32_PERF_GLOBAL_CTRL
 * @out_ip: where it left for
 * @out_sp: likewise, the stack pointer
 * @ended: when the handler was last done, by sched_clock()
 * @sample: the sample being handled, if it was looked at
 * @stats: counts, for debugging; every room's
 *
 * Touched by its own CPU with interrupts off, or while that CPU is down.
 */
struct xen_pmu_vcpu {
	/* lifecycle.c */
	const struct xen_pmu *pmu;
	unsigned int cpu;
	u32 id;
	int irq;
	int told_err;
	char name[16];

	/* regs.c */
	struct xen_pmu_data *page;
	u8 home;
	bool running;
	bool refused;
	u32 lvtpc;
	u64 told;
	struct xen_pmu_controls held;
	u64 counted;
	u64 known;
	u64 value[XEN_PMU_NR_COUNTERS];
	u64 unmasked_at;

	/* lazy.c */
	struct xen_pmu_controls want;
	u64 wanted;
	u64 latched;
	u64 stale;
	u64 owed;
	bool asked;
	bool interrupts;

	/* interrupt.c */
	bool handling;
	bool early;
	u32 guest;
	u64 soon;
	unsigned long out_ip;
	unsigned long out_sp;
	u64 ended;
	struct xen_pmu_sample sample;

	struct xen_pmu_stats stats;
};

DECLARE_PER_CPU(struct xen_pmu_vcpu, xen_pmu_vcpu);

/**
 * xen_pmu_available() - whether a vCPU has its PMU
 * @v: the vCPU
 *
 * Any context. Without it nothing that perf writes has an effect: its events
 * must not be scheduled there.
 *
 * Return: so.
 */
static inline bool xen_pmu_available(const struct xen_pmu_vcpu *v)
{
	return READ_ONCE(v->home) >= XEN_PMU_HOME_XEN;
}

/* gate.c */
u64 xen_pmu_vcpu_read(struct xen_pmu_vcpu *v, u32 msr, u8 entry, int *err);
void xen_pmu_vcpu_write(struct xen_pmu_vcpu *v, u32 msr, u8 entry, u64 val,
			int *err);
u64 xen_pmu_vcpu_pmc(struct xen_pmu_vcpu *v, u32 counter);

/* interrupt.c */
void xen_pmu_handle_early(struct xen_pmu_vcpu *v);

/* lifecycle.c */
int xen_pmu_vcpu_up(struct xen_pmu *pmu, const struct xen_pmu_vendor *vendor,
		    const struct xen_pmu_cpuid *cpuid, struct xen_pmu_vcpu *v);
void xen_pmu_vcpu_down(struct xen_pmu_vcpu *v);
void xen_pmu_vcpu_suspend(struct xen_pmu_vcpu *v);
void xen_pmu_be_lazy(void);

#endif /* _ARCH_X86_XEN_PMU_VCPU_H */
