/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A test bench: the module's parts for one guest, wired to a model of Xen.
 */
#ifndef XEN_PMU_KUNIT_BENCH_H
#define XEN_PMU_KUNIT_BENCH_H

#include <kunit/test.h>
#include <kunit/test-bug.h>

#include "../compat.h"
#include "../lazy.h"
#include "../perf.h"
#include "model.h"

#define BENCH_MAX_VCPUS	2

/* 6.18 gives a generator its test, and has this macro since then. */
#ifdef KUNIT_CASE_PARAM_WITH_INIT
#define PARAM_GENERATOR(name) \
	const void *name(struct kunit *test, const void *prev, char *desc)
#else
#define PARAM_GENERATOR(name)	const void *name(const void *prev, char *desc)
#endif

/* 6.3 has it. */
#ifndef KUNIT_EXPECT_MEMEQ
#define KUNIT_EXPECT_MEMEQ(test, left, right, size) \
	KUNIT_EXPECT_EQ(test, memcmp(left, right, size), 0)
#endif

/* What stops may run on in hardware. */
#define LAZY		IS_ENABLED(CONFIG_XEN_PMU_LAZY)

/**
 * struct machine - a machine that the suites run on
 * @cfg: for the model
 * @vendor: the module's table for it
 */
struct machine {
	struct model_config cfg;
	const struct xen_pmu_vendor *vendor;
};

/**
 * struct bench - a guest on a model of Xen
 * @m: the model
 * @machine: what it models
 * @pmu: what the module found out about the PMU
 * @map: its part
 * @cpuid: what CPUID says there
 * @v: the module's state of each vCPU
 * @current_vcpu: whose accesses and hypercalls these are
 * @pages: pages allocated and not freed
 * @irqs: interrupts bound and not unbound
 * @switches: how often vCPU 0 was switched from
 * @gone: by vCPU, how often the module said that it is without its PMU
 * @no_page: the next allocation fails
 * @no_irq: the next binding fails
 * @overrun: something was written beside a page
 * @freed_mapped: a page was freed that Xen still mapped
 * @finished_in_use: XENPMU_finish of a page that accesses still go to
 * @on_op: called before a hypercall reaches the model
 * @on_trap: called before an MSR access reaches the model
 * @after_trap: called when it comes back
 * @traps: MSR accesses that reached the model
 * @traced: a tracepoint tells of writes, in @after_trap
 * @handler: perf's, for an overflow that its VIRQ is not waited for; NULL if
 *	it is
 * @fails: whether what is asked of Xen or Linux now is refused; may be NULL
 */
struct bench {
	struct xen_model *m;
	const struct machine *machine;
	struct xen_pmu pmu;
	struct xen_pmu_map map;
	struct xen_pmu_cpuid cpuid;
	struct xen_pmu_vcpu v[BENCH_MAX_VCPUS];
	unsigned int current_vcpu;
	int pages;
	int irqs;
	u64 switches;
	unsigned int gone[BENCH_MAX_VCPUS];
	bool no_page;
	bool no_irq;
	bool overrun;
	bool freed_mapped;
	bool finished_in_use;
	void (*on_op)(struct bench *b, unsigned int op);
	void (*on_trap)(struct bench *b);
	void (*after_trap)(struct bench *b);
	u64 traps;
	bool traced;
	int (*handler)(struct pt_regs *regs);
	bool (*fails)(struct bench *b, const char *what);
};

extern const struct machine machines[];
PARAM_GENERATOR(machine_gen_params);
PARAM_GENERATOR(intel_gen_params);
PARAM_GENERATOR(amd_gen_params);
PARAM_GENERATOR(two_gen_params);
PARAM_GENERATOR(fixed_gen_params);

int bench_init(struct kunit *test);
void bench_exit(struct kunit *test);
struct bench *bench_create(struct kunit *test, const struct machine *machine);
void bench_forget(struct bench *b);
void bench_move(struct bench *b, struct kunit *test, const struct machine *host);
void bench_up(struct kunit *test);
int bench_vcpu_up(struct bench *b, unsigned int vcpu);
void bench_take_turns(struct bench *b);
const char *bench_left_behind(const struct bench *b);
struct xen_pmu_vcpu *bench_vcpu(struct bench *b);

irqreturn_t bench_interrupt(struct bench *b,
			    int (*handle)(struct pt_regs *regs));

int bench_read(struct bench *b, u32 msr, u64 *val);
int bench_write(struct bench *b, u32 msr, u64 val);
void bench_write_unchecked(struct bench *b, u32 msr, u64 val);

u32 bench_counter_msr(const struct bench *b, unsigned int i);
u32 bench_control_msr(const struct bench *b, unsigned int i);
unsigned int bench_nr_answering(const struct bench *b);
unsigned int bench_nr_counters(const struct bench *b);
unsigned int bench_nr_fixed(const struct bench *b);
u64 bench_cycles(const struct bench *b);
void bench_start(struct bench *b, unsigned int i, u64 value);
void bench_stop(struct bench *b, unsigned int i);

bool bench_is_intel(const struct bench *b);

#endif /* XEN_PMU_KUNIT_BENCH_H */
