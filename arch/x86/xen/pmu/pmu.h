/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Xen's paravirtual PMU as a register file: what the rooms of this folder
 * share. An access comes in through gate.c, decode.c finds its register in the
 * vendor's table, regs.c and page.h know where the value lives, seam.c reaches
 * Xen.
 */
#ifndef _ARCH_X86_XEN_PMU_H
#define _ARCH_X86_XEN_PMU_H

#include <linux/bits.h>
#include <linux/interrupt.h>
#include <linux/percpu.h>
#include <linux/perf_event.h>
#include <linux/types.h>

#include <xen/interface/xen.h>
#include <xen/interface/xenpmu.h>
#include <xen/pmu.h>

#include "file.h"

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
 * @vendor: the vendor's table; NULL until the first vCPU is up
 * @layout: of every vCPU's page
 * @reg: the registers
 * @controls: the registers that are controls
 * @counters: the counters; bits as in IA32_PERF_GLOBAL_CTRL
 * @map: from MSR to register and flags
 * @lazy: writes may wait; not so until perf has seen that counters hold what is
 *	written to them, which some emulated ones do not
 * @vanished: called when the registers turn out to be gone, because the mode
 *	went off behind our back; any context; may be NULL
 *
 * Written before the static key is on; constant afterwards.
 */
struct xen_pmu {
	const struct xen_pmu_vendor *vendor;
	struct xen_pmu_layout layout;
	struct xen_pmu_reg reg[XEN_PMU_NR_REGS];
	u64 controls;
	u64 counters;
	struct xen_pmu_map *map;
	bool lazy;
	void (*vanished)(void);
};

/**
 * struct xen_pmu_vendor - all that differs between vendors
 * @name: for messages
 * @msr_base: lowest MSR of @rows
 * @rows: the registers
 * @nr_rows: their number
 * @stops_on_disable: Xen takes the vPMU for stopped as soon as any counter is
 *	disabled, and neither saves nor loads it until one is enabled
 * @layout: read and check the offsets in a page that Xen initialised; -ENODEV
 *	if Xen wrote none, -ERANGE if they do not fit
 * @rules: fill in what may be written to the registers
 * @announce: tell the kernel what Xen has but CPUID hides; may be NULL
 * @filtered: whether Xen may refuse an event select, because of its command
 *	line; NULL if it never does
 */
struct xen_pmu_vendor {
	const char *name;
	u32 msr_base;
	const struct xen_pmu_row *rows;
	u8 nr_rows;
	bool stops_on_disable;
	int (*layout)(struct xen_pmu_layout *layout,
		      const struct xen_pmu_data *page,
		      const struct xen_pmu_cpuid *cpuid);
	void (*rules)(struct xen_pmu *pmu, const struct xen_pmu_cpuid *cpuid);
	void (*announce)(const struct xen_pmu *pmu);
	bool (*filtered)(u64 config);
};

extern const struct xen_pmu_vendor xen_pmu_amd;
extern const struct xen_pmu_vendor xen_pmu_intel;

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
	XEN_PMU_HOME_SAVED,	/* in the shadow only */
	XEN_PMU_HOME_XEN,	/* in hardware, or in the page until a flush */
	XEN_PMU_HOME_PAGE,	/* in the page: the interrupt handler runs */
};

/**
 * struct xen_pmu_stats - what happened on a vCPU
 * @interrupts: VIRQs that found a sample
 * @spurious: VIRQs that did not
 * @delayed: of @interrupts, those let in elsewhere than where the sample is
 * @reads: trapped reads
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
 * @page: the page shared with Xen; NULL when there is none
 * @home: where the registers live
 * @running: Xen loads what a flush brings; see regs.c
 * @guest: PERF_GUEST_* of the sample being handled; 0 outside the handler
 * @lvtpc: last LVTPC written
 * @told: the same, or none of 32 bits before perf has written any
 * @dirty: controls that perf made differ from @held since the overflow, or
 *	XEN_PMU_BEHIND
 * @latched: counters whose value is in the shadow; bits as in
 *	IA32_PERF_GLOBAL_CTRL
 * @stale: of these, those that hardware has another value of
 * @shadow: what perf wrote or would read
 * @held: the controls that hardware has
 * @wanted: counters that @shadow enabled when it was last looked at, which is
 *	always but for @dirty; bits as in IA32_PERF_GLOBAL_CTRL
 * @counted: counters that @held enables
 * @asked: perf has read or written a counter since it last stopped some
 * @interrupts: the last time it had not, when it started them again
 * @unmasked_at: a moment of the steal clock when hardware had LVTPC as perf
 *	wrote it
 * @cpu: Linux' number of the CPU
 * @id: Xen's number of the vCPU
 * @irq: Linux' number for VIRQ_XENPMU, or -1
 * @name: the interrupt's name
 * @sample: the sample being handled
 * @regs: its registers, if the interrupted ones are not
 * @stats: counts, for debugging
 *
 * Touched by its own CPU with interrupts off, or while that CPU is down.
 */
struct xen_pmu_vcpu {
	const struct xen_pmu *pmu;
	struct xen_pmu_data *page;
	enum xen_pmu_home home;
	bool running;
	u32 guest;
	u32 lvtpc;
	u64 told;
	u64 dirty;
	u64 latched;
	u64 stale;
	struct xen_pmu_file shadow;
	struct xen_pmu_file held;
	u64 wanted;
	u64 counted;
	bool asked;
	bool interrupts;
	u64 unmasked_at;
	unsigned int cpu;
	u32 id;
	int irq;
	char name[16];
	struct xen_pmu_sample sample;
	struct pt_regs regs;
	struct xen_pmu_stats stats;
};

DECLARE_PER_CPU(struct xen_pmu_vcpu, xen_pmu_vcpu);

/* seam.c */
int xen_pmu_op(unsigned int op, struct xen_pmu_params *params);
bool xen_pmu_mode_is_off(void);
u64 xen_pmu_steal_clock(void);
int xen_pmu_rdmsr(u32 msr, u64 *val);
int xen_pmu_wrmsr(u32 msr, u64 val);
struct xen_pmu_data *xen_pmu_alloc_page(void);
void xen_pmu_free_page(struct xen_pmu_data *page);
u64 xen_pmu_frame(struct xen_pmu_data *page);
int xen_pmu_bind_irq(unsigned int cpu, const char *name);
void xen_pmu_unbind_irq(int irq);

/* decode.c */
bool xen_pmu_in_page(u32 offset, unsigned int count, unsigned int size);
void xen_pmu_describe(struct xen_pmu *pmu, const struct xen_pmu_vendor *vendor,
		      const struct xen_pmu_layout *layout,
		      const struct xen_pmu_cpuid *cpuid);

/* In @dirty: hardware was told what the page lacks. */
#define XEN_PMU_BEHIND	BIT_ULL(63)

/* Counters that hardware counts and perf has stopped. */
static inline u64 xen_pmu_loose(const struct xen_pmu_vcpu *v)
{
	return READ_ONCE(v->counted) & ~READ_ONCE(v->wanted);
}

/**
 * xen_pmu_cached() - see whether an overflow waits for the flush
 * @v: the vCPU
 *
 * Return: whether the registers live in the page.
 */
static __always_inline bool xen_pmu_cached(const struct xen_pmu_vcpu *v)
{
	return v->home == XEN_PMU_HOME_XEN &&
	       READ_ONCE(v->page->pmu.pmu_flags) & PMU_CACHED;
}

/**
 * xen_pmu_in_shadow() - whether the shadow has what perf would read
 * @v: the vCPU, outside the handler
 * @reg: the register's number
 * @flags: XEN_PMU_PAGE_ONLY, of the MSR
 *
 * Controls are there always, counters when they have stopped and been read. On
 * the vCPU, interrupts on or off: only perf makes a register leave the shadow.
 *
 * Return: so.
 */
static __always_inline bool xen_pmu_in_shadow(const struct xen_pmu_vcpu *v,
					      unsigned int reg, u8 flags)
{
	const struct xen_pmu_reg *r;

	if (v->home != XEN_PMU_HOME_XEN || flags & XEN_PMU_PAGE_ONLY)
		return false;

	r = &v->pmu->reg[reg];
	return r->type == XEN_PMU_TYPE_CONTROL ||
	       (r->type == XEN_PMU_TYPE_COUNTER && v->latched & BIT_ULL(r->bit));
}

/* regs.c */
int xen_pmu_regs_read(struct xen_pmu_vcpu *v, unsigned int reg, u32 msr,
		      u64 *val, u8 flags);
int xen_pmu_regs_write(struct xen_pmu_vcpu *v, unsigned int reg, u32 msr,
		       u64 val, u8 flags);
void xen_pmu_regs_lvtpc(struct xen_pmu_vcpu *v, u32 val);
int xen_pmu_regs_flush(struct xen_pmu_vcpu *v);
int xen_pmu_regs_flush_again(struct xen_pmu_vcpu *v);
void xen_pmu_regs_attach(struct xen_pmu_vcpu *v, struct xen_pmu_data *page);
struct xen_pmu_data *xen_pmu_regs_detach(struct xen_pmu_vcpu *v);
struct xen_pmu_data *xen_pmu_regs_save(struct xen_pmu_vcpu *v);
void xen_pmu_regs_pause(struct xen_pmu_vcpu *v);
void xen_pmu_regs_proceed(struct xen_pmu_vcpu *v);
void xen_pmu_regs_tidy(struct xen_pmu_vcpu *v);
int xen_pmu_regs_probe(struct xen_pmu_vcpu *v, u64 config);

/* gate.c */
u64 xen_pmu_vcpu_read(struct xen_pmu_vcpu *v, u32 msr, u8 entry, int *err);
void xen_pmu_vcpu_write(struct xen_pmu_vcpu *v, u32 msr, u8 entry, u64 val,
			int *err);
u64 xen_pmu_vcpu_pmc(struct xen_pmu_vcpu *v, u32 counter);

/**
 * xen_pmu_sample_is_here() - whether a sample is of what was interrupted
 * @page: the page
 * @regs: what was interrupted
 *
 * Return: true if it is known to be: most are, and need no closer look.
 */
static inline bool xen_pmu_sample_is_here(const struct xen_pmu_data *page,
					  const struct pt_regs *regs)
{
	/* Its mode is a matter of the address; see in_user(). */
	return READ_ONCE(page->pmu.r.regs.ip) == regs->ip &&
	       READ_ONCE(page->pmu.r.regs.sp) == regs->sp &&
	       READ_ONCE(page->domain_id) == DOMID_SELF;
}

/* sample.c */
struct pt_regs *xen_pmu_sample_take(struct xen_pmu_vcpu *v,
				    struct pt_regs *interrupted);
unsigned int xen_pmu_sample_guest(const struct xen_pmu_sample *sample);
void xen_pmu_sample_init(void);

/* interrupt.c */
irqreturn_t xen_pmu_interrupt(int irq, void *dev_id);
irqreturn_t xen_pmu_vcpu_interrupt(struct xen_pmu_vcpu *v, struct pt_regs *regs,
				   int (*handle)(struct pt_regs *regs));

/* output.c */
bool xen_pmu_one_side(const struct perf_event_attr *attr);
bool xen_pmu_wanted(const struct perf_event_attr *attr, struct pt_regs *regs);
void xen_pmu_forget_context(struct perf_sample_data *data, u64 type,
			    struct pt_regs *regs);
void xen_pmu_output_through(struct perf_event *event);

/* control.c */
u64 xen_pmu_privilege(const struct perf_event_attr *attr, u64 config, bool xen);
void xen_pmu_mode_refresh(void);
void xen_pmu_mode_suspect(void);

/* lifecycle.c */
int xen_pmu_vcpu_up(struct xen_pmu *pmu, const struct xen_pmu_vendor *vendor,
		    const struct xen_pmu_cpuid *cpuid, struct xen_pmu_vcpu *v);
void xen_pmu_vcpu_down(struct xen_pmu_vcpu *v);
void xen_pmu_vcpu_suspend(struct xen_pmu_vcpu *v);
void xen_pmu_be_lazy(void);

#endif /* _ARCH_X86_XEN_PMU_H */
