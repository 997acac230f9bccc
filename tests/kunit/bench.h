/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A test bench: the module's parts for one guest, wired to a model of Xen.
 */
#ifndef XEN_PMU_KUNIT_BENCH_H
#define XEN_PMU_KUNIT_BENCH_H

#include <kunit/test.h>
#include <kunit/test-bug.h>

#include "../pmu.h"
#include "model.h"

#define BENCH_MAX_VCPUS	2

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
 * @no_page: the next allocation fails
 * @no_irq: the next binding fails
 * @freed_mapped: a page was freed that Xen still mapped
 * @finished_in_use: XENPMU_finish of a page that accesses still go to
 * @on_op: called before a hypercall reaches the model
 * @on_trap: called before an MSR access reaches the model
 * @after_trap: called when it comes back
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
	bool no_page;
	bool no_irq;
	bool freed_mapped;
	bool finished_in_use;
	void (*on_op)(struct bench *b, unsigned int op);
	void (*on_trap)(struct bench *b);
	void (*after_trap)(struct bench *b);
};

extern const struct machine machines[];
const void *machine_gen_params(const void *prev, char *desc);
const void *intel_gen_params(const void *prev, char *desc);

int bench_init(struct kunit *test);
void bench_exit(struct kunit *test);
struct bench *bench_create(struct kunit *test, const struct machine *machine);
void bench_up(struct kunit *test);
int bench_vcpu_up(struct bench *b, unsigned int vcpu);
void bench_take_turns(struct bench *b);
struct xen_pmu_vcpu *bench_vcpu(struct bench *b);

irqreturn_t bench_interrupt(struct bench *b,
			    int (*handle)(struct pt_regs *regs));

int bench_read(struct bench *b, u32 msr, u64 *val);
int bench_write(struct bench *b, u32 msr, u64 val);

u32 bench_counter_msr(const struct bench *b, unsigned int i);
u32 bench_control_msr(const struct bench *b, unsigned int i);
unsigned int bench_nr_counters(const struct bench *b);
u64 bench_cycles(const struct bench *b);
void bench_start(struct bench *b, unsigned int i, u64 value);
void bench_stop(struct bench *b, unsigned int i);

bool bench_is_intel(const struct bench *b);

#endif /* XEN_PMU_KUNIT_BENCH_H */
