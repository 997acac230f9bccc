// SPDX-License-Identifier: GPL-2.0-only
/*
 * A test bench: the module's parts for one guest, wired to a model of Xen.
 */
#include <linux/irqflags.h>
#include <linux/slab.h>

#include <asm/msr-index.h>
#include <asm/perf_event.h>

#include "bench.h"

#define AMD_WITH(fam, label, ...) \
	{ .cfg = { .name = label, .vendor = MODEL_AMD, .family = fam, \
		   .mode = XENPMU_MODE_SELF, .vpmu = true, .privileged = true, \
		   .nr_vcpus = 2, .nr_pcpus = 2, __VA_ARGS__ }, \
	  .vendor = &xen_pmu_amd }

#define AMD(fam, label) AMD_WITH(fam, label, .features = 0)

#define INTEL_WITH(ver, general, nr, wide, label, ...) \
	{ .cfg = { .name = label, .vendor = MODEL_INTEL, .family = 6, \
		   .nr_general = general, .nr_fixed = nr, .version = ver, \
		   .full_width = wide, .mode = XENPMU_MODE_SELF, .vpmu = true, \
		   .privileged = true, .nr_vcpus = 2, .nr_pcpus = 2, \
		   __VA_ARGS__ }, \
	  .vendor = &xen_pmu_intel }

#define INTEL(ver, general, nr, wide, label) \
	INTEL_WITH(ver, general, nr, wide, label, .features = 0)

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
	AMD_WITH(0x17, "amd 17h, reserved bits set at boot",
		 .ctrl_boot = BIT_ULL(42) | BIT_ULL(36) | BIT_ULL(19)),
	AMD_WITH(0x19, "amd 19h, counter 5 does not hold", .dead = BIT(5)),
	AMD_WITH(0x19, "amd 19h, select 4 does not hold",
		 .dead_controls = BIT(4)),
	INTEL(2, 2, 3, false, "intel v2, 2 + 3"),
	INTEL(3, 4, 3, false, "intel v3, 4 + 3"),
	INTEL(3, 8, 3, true, "intel v3, 8 + 3, full width"),
	INTEL(4, 4, 3, true, "intel v4, 4 + 3, full width"),
	INTEL(5, 8, 4, true, "intel v5, 8 + 4, full width"),
	INTEL_WITH(5, 8, 4, true, "intel v5, 8 + 4, Xen 4.17",
		   .four_selects = true),
	INTEL_WITH(3, 8, 3, false, "intel v3, 8 + 3, Xen 4.17",
		   .four_selects = true),
	INTEL_WITH(5, 8, 4, true, "intel v5, 8 + 4, Xen 4.17, msr_relaxed",
		   .four_selects = true, .msr_relaxed = true),
	INTEL(5, 10, 4, true, "intel v5, 10 + 4, full width"),
	INTEL(5, 6, 3, true, "intel v5, 6 + 3, full width"),
	INTEL(2, 1, 1, false, "intel v2, 1 + 1"),
	INTEL(2, 3, 2, false, "intel v2, 3 + 2"),
	INTEL(3, 5, 0, true, "intel v3, 5 + 0, full width"),
	INTEL(3, 7, 3, true, "intel v3, 7 + 3, full width"),
	INTEL_WITH(5, 8, 4, true, "intel v5, general 2 does not hold",
		   .dead = BIT(2)),
	INTEL_WITH(5, 8, 4, true, "intel v5, select 3 does not hold",
		   .dead_controls = BIT(3)),
	INTEL_WITH(5, 8, 4, true, "intel v5, fixed 1 does not hold",
		   .dead = BIT_ULL(33), .dead_controls = BIT_ULL(33)),
	INTEL_WITH(5, 8, 4, true, "intel v5, control of fixed 0 does not hold",
		   .dead_controls = BIT_ULL(32)),
};

static const struct machine *next_machine(const void *prev, char *desc)
{
	const struct machine *next = prev ? (const struct machine *)prev + 1
					  : machines;

	if (next == machines + ARRAY_SIZE(machines))
		return NULL;

	strscpy(desc, next->cfg.name, KUNIT_PARAM_DESC_SIZE);
	return next;
}

/* Each of the machines, for KUNIT_CASE_PARAM(). */
PARAM_GENERATOR(machine_gen_params)
{
	return next_machine(prev, desc);
}

static bool is_intel(const struct machine *machine)
{
	return machine->cfg.vendor == MODEL_INTEL;
}

/* Xen's source says what is routed; behind a gap the module takes none. */
static unsigned int up_to_gap(u64 gaps, unsigned int n)
{
	return gaps ? min_t(unsigned int, n, __ffs64(gaps)) : n;
}

static unsigned int nr_general(const struct machine *machine)
{
	const struct model_config *cfg = &machine->cfg;
	u64 gaps = lower_32_bits(cfg->dead | cfg->dead_controls);

	if (is_intel(machine))
		return up_to_gap(gaps, min(cfg->nr_general,
					   cfg->four_selects ? 4u : 8u));

	return up_to_gap(gaps, cfg->family < 0x15 || cfg->family == 0x16 ? 4 : 6);
}

static unsigned int nr_fixed(const struct machine *machine)
{
	const struct model_config *cfg = &machine->cfg;

	if (!is_intel(machine))
		return 0;
	return up_to_gap((cfg->dead | cfg->dead_controls) >> 32,
			 min(cfg->nr_fixed, 3u));
}

static const void *next_that(bool (*fits)(const struct machine *machine),
			     const void *prev, char *desc)
{
	const struct machine *next = prev;

	do {
		next = next_machine(next, desc);
	} while (next && !fits(next));

	return next;
}

/* Likewise, Intel's only. */
PARAM_GENERATOR(intel_gen_params)
{
	return next_that(is_intel, prev, desc);
}

static bool is_amd(const struct machine *machine)
{
	return !is_intel(machine);
}

/* Likewise, AMD's only. */
PARAM_GENERATOR(amd_gen_params)
{
	return next_that(is_amd, prev, desc);
}

static bool has_two(const struct machine *machine)
{
	return nr_general(machine) >= 2;
}

/* Likewise, those with two general-purpose counters. */
PARAM_GENERATOR(two_gen_params)
{
	return next_that(has_two, prev, desc);
}

static bool has_fixed(const struct machine *machine)
{
	return nr_fixed(machine) && has_two(machine);
}

/* Likewise, those with fixed counters beside two others. */
PARAM_GENERATOR(fixed_gen_params)
{
	return next_that(has_fixed, prev, desc);
}

static struct bench *bench_of_test(void)
{
	return kunit_get_current_test()->priv;
}

static bool fails(struct bench *b, const char *what)
{
	return b->fails && b->fails(b, what);
}

static const char * const ops[] = {
	[XENPMU_mode_get]	= "mode_get",
	[XENPMU_mode_set]	= "mode_set",
	[XENPMU_feature_get]	= "feature_get",
	[XENPMU_feature_set]	= "feature_set",
	[XENPMU_init]		= "init",
	[XENPMU_finish]		= "finish",
	[XENPMU_lvtpc_set]	= "lvtpc_set",
	[XENPMU_flush]		= "flush",
};

static int fake_op(unsigned int op, struct xen_pmu_params *params)
{
	struct bench *b = bench_of_test();

	if (b->on_op)
		b->on_op(b, op);
	if (op == XENPMU_finish && params->vcpu < BENCH_MAX_VCPUS &&
	    b->v[params->vcpu].page)
		b->finished_in_use = true;
	if (fails(b, ops[op]))
		return -EINVAL;

	return model_hypercall(b->m, b->current_vcpu, op, params);
}

static u64 fake_scheduled_at(void)
{
	return bench_of_test()->switches;
}

static int fake_rdmsr(u32 msr, u64 *val)
{
	struct bench *b = bench_of_test();
	int err;

	b->traps++;
	if (b->on_trap)
		b->on_trap(b);
	*val = 0;
	err = fails(b, "read") ? -EIO : model_rdmsr(b->m, b->current_vcpu, msr, val);
	if (b->after_trap)
		b->after_trap(b);
	return err;
}

static int fake_wrmsr(u32 msr, u64 val)
{
	struct bench *b = bench_of_test();
	int err;

	b->traps++;
	if (b->on_trap)
		b->on_trap(b);
	err = fails(b, "write") ? -EIO : model_wrmsr(b->m, b->current_vcpu, msr, val);
	if (b->after_trap)
		b->after_trap(b);
	return err;
}

static bool fake_is_traced(void)
{
	return bench_of_test()->traced;
}

static void fake_handle_early(struct xen_pmu_vcpu *v)
{
	struct bench *b = bench_of_test();

	if (b->handler)
		xen_pmu_vcpu_early(v, b->handler);
}

/* A page between two that nobody is to touch. */
#define GUARD		0x5a
#define GUARDED_ORDER	2

static struct xen_pmu_data *fake_alloc_page(void)
{
	struct bench *b = bench_of_test();
	void *guarded;

	if (b->no_page || fails(b, "page"))
		return NULL;
	guarded = (void *)__get_free_pages(GFP_KERNEL, GUARDED_ORDER);
	if (!guarded)
		return NULL;

	b->pages++;
	memset(guarded, GUARD, PAGE_SIZE << GUARDED_ORDER);
	return memset(guarded + PAGE_SIZE, 0, PAGE_SIZE);
}

static void fake_free_page(struct xen_pmu_data *page)
{
	struct bench *b = bench_of_test();
	void *guarded = (void *)page - PAGE_SIZE;
	unsigned int i;

	for (i = 0; i < b->m->cfg.nr_vcpus; i++)
		if (b->m->vcpus[i].page == page)
			b->freed_mapped = true;
	if (memchr_inv(guarded, GUARD, PAGE_SIZE) ||
	    memchr_inv(guarded + 2 * PAGE_SIZE, GUARD, PAGE_SIZE))
		b->overrun = true;
	b->pages--;
	free_pages((unsigned long)guarded, GUARDED_ORDER);
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

	if (b->no_irq || fails(b, "interrupt"))
		return -EBUSY;
	b->irqs++;
	return 100 + cpu;
}

static void fake_unbind_irq(int irq)
{
	bench_of_test()->irqs--;
}

static void fake_gone(void)
{
	struct bench *b = bench_of_test();

	b->gone[b->current_vcpu]++;
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
 * bench_move() - put the guest on another host
 * @b: the bench, no vCPU up
 * @test: the test
 * @host: the host; what the guest found at boot it keeps
 */
void bench_move(struct bench *b, struct kunit *test, const struct machine *host)
{
	if (b->m)
		model_destroy(b->m);
	b->m = model_create(test, &host->cfg);
	b->m->frame_to_page = frame_to_page;
	b->m->priv = b;
}

/**
 * bench_forget() - be a kernel that boots: nothing is known of the PMU yet
 * @b: the bench, no vCPU up
 */
void bench_forget(struct bench *b)
{
	unsigned int i;

	b->pmu = (struct xen_pmu) { .map = &b->map, .lazy = true, .gone = fake_gone };
	memset(b->v, 0, sizeof(b->v));
	for (i = 0; i < BENCH_MAX_VCPUS; i++) {
		b->v[i].cpu = smp_processor_id();
		b->v[i].id = i;
		b->v[i].irq = -1;
	}
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

	KUNIT_ASSERT_NOT_NULL(test, b);
	b->machine = machine;
	b->cpuid = cpuid_of(&machine->cfg);
	bench_move(b, test, machine);
	bench_forget(b);
	test->priv = b;

	kunit_activate_static_stub(test, xen_pmu_op, fake_op);
	kunit_activate_static_stub(test, xen_pmu_scheduled_at, fake_scheduled_at);
	kunit_activate_static_stub(test, xen_pmu_rdmsr, fake_rdmsr);
	kunit_activate_static_stub(test, xen_pmu_wrmsr, fake_wrmsr);
	kunit_activate_static_stub(test, xen_pmu_is_traced, fake_is_traced);
	kunit_activate_static_stub(test, xen_pmu_handle_early, fake_handle_early);
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
 * bench_left_behind() - what vCPUs that are gone have left
 * @b: the bench
 *
 * Return: a few words for the first thing that is wrong, NULL if nothing is.
 */
const char *bench_left_behind(const struct bench *b)
{
	if (b->freed_mapped)
		return "a page was freed that Xen mapped";
	if (b->finished_in_use)
		return "a page was given up that was used";
	if (b->overrun)
		return "something was written beside a page";
	if (b->pages)
		return "a page was forgotten";
	if (b->irqs)
		return "an interrupt is still bound";

	return NULL;
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

/**
 * bench_write_unchecked() - wrmsr() on the current vCPU, by the module, with
 *	interrupts off as perf has them
 * @b: the bench
 * @msr: MSR number, one of the module's
 * @val: value
 */
void bench_write_unchecked(struct bench *b, u32 msr, u64 val)
{
	unsigned long flags;

	local_irq_save(flags);
	xen_pmu_vcpu_write(bench_vcpu(b), msr, xen_pmu_decode(&b->map, msr), val,
			   NULL);
	local_irq_restore(flags);
}

bool bench_is_intel(const struct bench *b)
{
	return is_intel(b->machine);
}

/**
 * bench_nr_answering() - general-purpose counters that answer
 * @b: the bench
 *
 * Return: their number, up to the first that does not.
 */
unsigned int bench_nr_answering(const struct bench *b)
{
	return nr_general(b->machine);
}

/**
 * bench_nr_counters() - general-purpose counters that perf may use
 * @b: the bench
 *
 * Of AMD's perf knows four or six.
 *
 * Return: their number.
 */
unsigned int bench_nr_counters(const struct bench *b)
{
	unsigned int n = bench_nr_answering(b);

	return bench_is_intel(b) || n == 6 ? n : min(n, 4u);
}

/**
 * bench_nr_fixed() - fixed counters that perf may use
 * @b: the bench
 *
 * Return: their number.
 */
unsigned int bench_nr_fixed(const struct bench *b)
{
	return nr_fixed(b->machine);
}

/* The MSRs as perf would use them, from the manuals and not from the module. */
u32 bench_counter_msr(const struct bench *b, unsigned int i)
{
	if (bench_is_intel(b))
		return MSR_IA32_PERFCTR0 + i;
	return bench_nr_counters(b) == 6 ? MSR_F15H_PERF_CTR + 2 * i
					 : MSR_K7_PERFCTR0 + i;
}

u32 bench_control_msr(const struct bench *b, unsigned int i)
{
	if (bench_is_intel(b))
		return MSR_P6_EVNTSEL0 + i;
	return bench_nr_counters(b) == 6 ? MSR_F15H_PERF_CTL + 2 * i
					 : MSR_K7_EVNTSEL0 + i;
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
