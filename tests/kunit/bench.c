// SPDX-License-Identifier: GPL-2.0-only
/*
 * A test bench: the module's parts for one guest, wired to a model of Xen.
 */
#include <kunit/static_stub.h>
#include <linux/slab.h>

#include <asm/msr-index.h>
#include <asm/perf_event.h>

#include "bench.h"

#define AMD(fam, label) \
	{ .cfg = { .name = label, .vendor = MODEL_AMD, .family = fam, \
		   .mode = XENPMU_MODE_SELF, .vpmu = true, .privileged = true, \
		   .nr_vcpus = 2, .nr_pcpus = 2 }, .vendor = &xen_pmu_amd }

#define INTEL(ver, general, nr, wide, label) \
	{ .cfg = { .name = label, .vendor = MODEL_INTEL, .family = 6, \
		   .nr_general = general, .nr_fixed = nr, .version = ver, \
		   .full_width = wide, .mode = XENPMU_MODE_SELF, .vpmu = true, \
		   .privileged = true, .nr_vcpus = 2, .nr_pcpus = 2 }, \
	  .vendor = &xen_pmu_intel }

const struct machine machines[] = {
	AMD(0x10, "amd 10h"),
	AMD(0x12, "amd 12h"),
	AMD(0x14, "amd 14h"),
	AMD(0x15, "amd 15h"),
	AMD(0x16, "amd 16h"),
	AMD(0x17, "amd 17h"),
	AMD(0x18, "hygon 18h"),
	AMD(0x19, "amd 19h"),
	AMD(0x1a, "amd 1Ah"),
	{ .cfg = { .name = "amd 17h, reserved bits set at boot",
		   .vendor = MODEL_AMD, .family = 0x17,
		   .ctrl_boot = BIT_ULL(42) | BIT_ULL(36) | BIT_ULL(19),
		   .mode = XENPMU_MODE_SELF, .vpmu = true, .privileged = true,
		   .nr_vcpus = 2, .nr_pcpus = 2 }, .vendor = &xen_pmu_amd },
	INTEL(2, 2, 3, false, "intel v2, 2 + 3"),
	INTEL(3, 4, 3, false, "intel v3, 4 + 3"),
	INTEL(3, 8, 3, true, "intel v3, 8 + 3, full width"),
	INTEL(4, 4, 3, true, "intel v4, 4 + 3, full width"),
	INTEL(5, 8, 4, true, "intel v5, 8 + 4, full width"),
};

/**
 * machine_gen_params() - each of the machines, for KUNIT_CASE_PARAM()
 * @prev: the one before, or NULL
 * @desc: where its name goes
 *
 * Return: the next machine, or NULL.
 */
const void *machine_gen_params(const void *prev, char *desc)
{
	const struct machine *next = prev ? (const struct machine *)prev + 1
					  : machines;

	if (next == machines + ARRAY_SIZE(machines))
		return NULL;

	strscpy(desc, next->cfg.name, KUNIT_PARAM_DESC_SIZE);
	return next;
}

/**
 * intel_gen_params() - likewise, Intel's only
 * @prev: the one before, or NULL
 * @desc: where its name goes
 *
 * Return: the next machine, or NULL.
 */
const void *intel_gen_params(const void *prev, char *desc)
{
	const struct machine *next = prev;

	do {
		next = machine_gen_params(next, desc);
	} while (next && next->cfg.vendor != MODEL_INTEL);

	return next;
}

static struct bench *bench_of_test(void)
{
	return kunit_get_current_test()->priv;
}

static int fake_op(unsigned int op, struct xen_pmu_params *params)
{
	struct bench *b = bench_of_test();

	if (b->on_op)
		b->on_op(b, op);
	if (op == XENPMU_finish && params->vcpu < BENCH_MAX_VCPUS &&
	    b->v[params->vcpu].page)
		b->finished_in_use = true;

	return model_hypercall(b->m, b->current_vcpu, op, params);
}

static u64 fake_steal_clock(void)
{
	return bench_of_test()->switches;
}

static int fake_rdmsr(u32 msr, u64 *val)
{
	struct bench *b = bench_of_test();
	int err;

	if (b->on_trap)
		b->on_trap(b);
	*val = 0;
	err = model_rdmsr(b->m, b->current_vcpu, msr, val);
	if (b->after_trap)
		b->after_trap(b);
	return err;
}

static int fake_wrmsr(u32 msr, u64 val)
{
	struct bench *b = bench_of_test();
	int err;

	if (b->on_trap)
		b->on_trap(b);
	err = model_wrmsr(b->m, b->current_vcpu, msr, val);
	if (b->after_trap)
		b->after_trap(b);
	return err;
}

static struct xen_pmu_data *fake_alloc_page(void)
{
	struct bench *b = bench_of_test();

	if (b->no_page)
		return NULL;
	b->pages++;
	return (void *)get_zeroed_page(GFP_KERNEL);
}

static void fake_free_page(struct xen_pmu_data *page)
{
	struct bench *b = bench_of_test();
	unsigned int i;

	for (i = 0; i < b->m->cfg.nr_vcpus; i++)
		if (b->m->vcpus[i].page == page)
			b->freed_mapped = true;
	b->pages--;
	free_page((unsigned long)page);
}

static u64 fake_frame(struct xen_pmu_data *page)
{
	return (uintptr_t)page;
}

static struct xen_pmu_data *frame_to_page(struct xen_model *m, u64 frame)
{
	return (void *)(uintptr_t)frame;
}

static int fake_bind_irq(unsigned int cpu, const char *name)
{
	struct bench *b = bench_of_test();

	if (b->no_irq)
		return -EBUSY;
	b->irqs++;
	return 100 + cpu;
}

static void fake_unbind_irq(int irq)
{
	bench_of_test()->irqs--;
}

static struct xen_pmu_cpuid cpuid_of(const struct model_config *cfg)
{
	if (cfg->vendor != MODEL_INTEL)
		return (struct xen_pmu_cpuid) {};

	return (struct xen_pmu_cpuid) {
		.version	= min(cfg->version, 3u),
		.nr_general	= cfg->nr_general,
		.width_general	= 48,
		.width_fixed	= 48,
	};
}

/**
 * bench_create() - a bench for a machine, nothing brought up yet
 * @test: the test; its priv becomes the bench
 * @machine: the machine
 *
 * Return: the bench, freed with the test.
 */
struct bench *bench_create(struct kunit *test, const struct machine *machine)
{
	struct bench *b = kunit_kzalloc(test, sizeof(*b), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, b);
	b->machine = machine;
	b->pmu.map = &b->map;
	b->pmu.lazy = true;
	b->cpuid = cpuid_of(&machine->cfg);
	b->m = model_create(test, &machine->cfg);
	b->m->frame_to_page = frame_to_page;
	b->m->priv = b;
	for (i = 0; i < BENCH_MAX_VCPUS; i++) {
		b->v[i].cpu = smp_processor_id();
		b->v[i].id = i;
		b->v[i].irq = -1;
	}
	test->priv = b;

	kunit_activate_static_stub(test, xen_pmu_op, fake_op);
	kunit_activate_static_stub(test, xen_pmu_steal_clock, fake_steal_clock);
	kunit_activate_static_stub(test, xen_pmu_rdmsr, fake_rdmsr);
	kunit_activate_static_stub(test, xen_pmu_wrmsr, fake_wrmsr);
	kunit_activate_static_stub(test, xen_pmu_alloc_page, fake_alloc_page);
	kunit_activate_static_stub(test, xen_pmu_free_page, fake_free_page);
	kunit_activate_static_stub(test, xen_pmu_frame, fake_frame);
	kunit_activate_static_stub(test, xen_pmu_bind_irq, fake_bind_irq);
	kunit_activate_static_stub(test, xen_pmu_unbind_irq, fake_unbind_irq);
	return b;
}

/**
 * bench_init() - a suite's init: a bench for the machine the case runs on
 * @test: the test
 *
 * The thread is pinned: per-vCPU functions run on the CPU they are called on.
 *
 * Return: 0.
 */
int bench_init(struct kunit *test)
{
	const struct machine *machine = test->param_value;

	set_cpus_allowed_ptr(current, cpumask_of(0));
	bench_create(test, machine ?: &machines[0]);
	return 0;
}

/**
 * bench_exit() - a suite's exit: take down what the case left up
 * @test: the test
 */
void bench_exit(struct kunit *test)
{
	struct bench *b = test->priv;
	unsigned int i;

	for (i = 0; i < BENCH_MAX_VCPUS; i++)
		if (b->v[i].page)
			xen_pmu_vcpu_down(&b->v[i]);
}

/**
 * bench_vcpu_up() - bring up a vCPU
 * @b: the bench
 * @vcpu: its number; it is current afterwards
 *
 * Return: what xen_pmu_vcpu_up() returns.
 */
int bench_vcpu_up(struct bench *b, unsigned int vcpu)
{
	b->current_vcpu = vcpu;
	return xen_pmu_vcpu_up(&b->pmu, b->machine->vendor, &b->cpuid,
			       &b->v[vcpu]);
}

/**
 * bench_up() - bring up both vCPUs; vCPU 0 is current afterwards
 * @test: the test
 */
void bench_up(struct kunit *test)
{
	struct bench *b = test->priv;
	unsigned int i;

	for (i = BENCH_MAX_VCPUS; i-- > 0;)
		KUNIT_ASSERT_EQ(test, bench_vcpu_up(b, i), 0);
}

/**
 * bench_take_turns() - give vCPU 0's physical CPU to vCPU 1 for a while
 * @b: the bench
 */
void bench_take_turns(struct bench *b)
{
	model_schedule(b->m, 0, 1);
	model_retire(b->m, 1, false, 500, 500);
	model_schedule(b->m, 0, 0);
	b->switches++;
}

/**
 * bench_vcpu() - the module's state of the current vCPU
 * @b: the bench
 *
 * Return: it.
 */
struct xen_pmu_vcpu *bench_vcpu(struct bench *b)
{
	return &b->v[b->current_vcpu];
}

/**
 * bench_interrupt() - VIRQ_XENPMU on the current vCPU
 * @b: the bench
 * @handle: perf's handler, or NULL
 *
 * Return: what the module's handler does.
 */
irqreturn_t bench_interrupt(struct bench *b,
			    int (*handle)(struct pt_regs *regs))
{
	struct pt_regs nowhere = {};

	return xen_pmu_vcpu_interrupt(bench_vcpu(b), &nowhere, handle);
}

/**
 * bench_read() - rdmsr_safe() on the current vCPU, by the module
 * @b: the bench
 * @msr: MSR number
 * @val: where the value goes
 *
 * Return: 0, -EIO, or -ENOENT if the module says that it is not its own.
 */
int bench_read(struct bench *b, u32 msr, u64 *val)
{
	u8 entry = xen_pmu_decode(&b->map, msr);
	int err;

	*val = 0;
	if (!entry)
		return -ENOENT;
	*val = xen_pmu_vcpu_read(bench_vcpu(b), msr, entry, &err);
	return err;
}

/**
 * bench_write() - wrmsr_safe() on the current vCPU, by the module
 * @b: the bench
 * @msr: MSR number
 * @val: value
 *
 * Return: 0, -EIO, or -ENOENT if the module says that it is not its own.
 */
int bench_write(struct bench *b, u32 msr, u64 val)
{
	u8 entry = xen_pmu_decode(&b->map, msr);
	int err;

	if (!entry)
		return -ENOENT;
	xen_pmu_vcpu_write(bench_vcpu(b), msr, entry, val, &err);
	return err;
}

bool bench_is_intel(const struct bench *b)
{
	return b->machine->cfg.vendor == MODEL_INTEL;
}

unsigned int bench_nr_counters(const struct bench *b)
{
	if (bench_is_intel(b))
		return b->machine->cfg.nr_general;
	return b->m->core ? 6 : 4;
}

/* The MSRs as perf would use them, from the manuals and not from the module. */
u32 bench_counter_msr(const struct bench *b, unsigned int i)
{
	if (bench_is_intel(b))
		return MSR_IA32_PERFCTR0 + i;
	return b->m->core ? MSR_F15H_PERF_CTR + 2 * i : MSR_K7_PERFCTR0 + i;
}

u32 bench_control_msr(const struct bench *b, unsigned int i)
{
	if (bench_is_intel(b))
		return MSR_P6_EVNTSEL0 + i;
	return b->m->core ? MSR_F15H_PERF_CTL + 2 * i : MSR_K7_EVNTSEL0 + i;
}

/**
 * bench_cycles() - the event select that counts cycles everywhere, enabled
 * @b: the bench
 *
 * Return: it.
 */
u64 bench_cycles(const struct bench *b)
{
	return (bench_is_intel(b) ? 0x3c : 0x76) | ARCH_PERFMON_EVENTSEL_USR |
	       ARCH_PERFMON_EVENTSEL_OS | ARCH_PERFMON_EVENTSEL_INT |
	       ARCH_PERFMON_EVENTSEL_ENABLE;
}

/**
 * bench_start() - start a counter of cycles as perf does
 * @b: the bench
 * @i: its index
 * @value: what it starts from
 */
void bench_start(struct bench *b, unsigned int i, u64 value)
{
	u64 global;

	bench_write(b, bench_counter_msr(b, i), value);
	bench_write(b, bench_control_msr(b, i), bench_cycles(b));
	if (!bench_is_intel(b))
		return;
	bench_read(b, MSR_CORE_PERF_GLOBAL_CTRL, &global);
	bench_write(b, MSR_CORE_PERF_GLOBAL_CTRL, global | BIT_ULL(i));
}

/**
 * bench_stop() - stop a counter as perf does
 * @b: the bench
 * @i: its index
 */
void bench_stop(struct bench *b, unsigned int i)
{
	bench_write(b, bench_control_msr(b, i),
		    bench_cycles(b) & ~ARCH_PERFMON_EVENTSEL_ENABLE);
}
