// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every MSR of every machine in every home, against what the same access does
 * on a second model that is accessed by traps only.
 */
#include <asm/msr-index.h>
#include <asm/perf_event.h>

#include "bench.h"

/* MSRs that hold PMU registers of some vendor lie in these ranges. */
static const struct {
	u32 first;
	u32 last;
} ranges[] = {
	{ 0x000, 0x7ff },
	{ 0xc0000000, 0xc00003ff },
	{ 0xc0010000, 0xc00103ff },
};

/* Registers that Xen emulates only through the page. */
static bool page_only(const struct bench *b, u32 msr)
{
	return bench_is_intel(b) &&
	       (msr == MSR_IA32_DS_AREA || msr == MSR_IA32_PEBS_ENABLE ||
		msr == MSR_IA32_DEBUGCTLMSR ||
		(msr >= MSR_IA32_PMC0 && msr < MSR_IA32_PMC0 + 8));
}

static const u64 patterns[] = {
	0, 1, 2, 0xff, BIT_ULL(19), BIT_ULL(20), BIT_ULL(21), BIT_ULL(22),
	BIT_ULL(31), BIT_ULL(31) - 1, U32_MAX, BIT_ULL(32), BIT_ULL(35),
	BIT_ULL(36), BIT_ULL(40), BIT_ULL(41), BIT_ULL(42), BIT_ULL(47),
	BIT_ULL(48) - 1, BIT_ULL(48), BIT_ULL(55), BIT_ULL(61), BIT_ULL(62),
	BIT_ULL(63), U64_MAX, 0x5300c0, 0x530076, 0x53003c, 0x333, 0x444,
	0x888, 0x70000000f, 0x3,
};

struct twins {
	struct bench *b;
	struct xen_model *plain;
};

/* The same guest twice: by the module, and by nothing but traps. */
static struct twins twins_create(struct kunit *test)
{
	struct bench *b = test->priv;
	struct twins t = { .b = b };
	struct xen_pmu_params params = { .version.maj = XENPMU_VER_MAJ };

	bench_up(test);
	t.plain = model_create(test, &b->machine->cfg);
	t.plain->frame_to_page = b->m->frame_to_page;
	params.val = (uintptr_t)kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NE(test, params.val, 0);
	KUNIT_ASSERT_EQ(test, 0,
			model_hypercall(t.plain, 0, XENPMU_init, &params));
	return t;
}

/*
 * Xen lets a guest enable counters that it has no MSR for; they would count
 * nothing.
 */
static bool enables_absent(const struct bench *b, u32 msr, u64 val)
{
	unsigned int i;
	u64 absent = 0;

	for (i = bench_nr_fixed(b); i < b->machine->cfg.nr_fixed; i++)
		absent |= msr == MSR_CORE_PERF_FIXED_CTR_CTRL ? 0xfULL << 4 * i :
							       BIT_ULL(32 + i);
	for (i = bench_nr_answering(b); i < b->machine->cfg.nr_general; i++)
		if (msr != MSR_CORE_PERF_FIXED_CTR_CTRL)
			absent |= BIT_ULL(i);

	return bench_is_intel(b) && msr >= MSR_CORE_PERF_FIXED_CTR_CTRL &&
	       msr <= MSR_CORE_PERF_GLOBAL_OVF_CTRL && val & absent;
}

/* An access to both; what the module does must be what a trap does. */
static void both_write(struct kunit *test, struct twins *t, u32 msr, u64 val)
{
	const u64 boot = t->b->machine->cfg.ctrl_boot;
	bool control = !bench_is_intel(t->b) &&
		       (xen_pmu_decode(&t->b->map, msr) & XEN_PMU_ENTRY_REG) >=
		       XEN_PMU_CONTROL;
	u64 want, got;
	int err, e;

	if (enables_absent(t->b, msr, val)) {
		KUNIT_ASSERT_EQ(test, bench_write(t->b, msr, val), -EIO);
		return;
	}

	/* Xen insists on bits that the module adds by itself. */
	err = model_wrmsr(t->plain, 0, msr, control ? val | boot : val);
	e = bench_write(t->b, msr, val);
	KUNIT_ASSERT_EQ_MSG(test, e, err, "write of %llx to %x", val, msr);

	want = 0;
	err = model_rdmsr(t->plain, 0, msr, &want);
	e = bench_read(t->b, msr, &got);
	KUNIT_ASSERT_EQ_MSG(test, e, err, "read of %x", msr);
	KUNIT_ASSERT_EQ_MSG(test, got, want, "%x after %llx", msr, val);
}

static void every_msr(struct kunit *test, struct twins *t,
		      void (*check)(struct kunit *, struct twins *, u32, u64))
{
	unsigned int i, k;
	u32 msr;

	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		for (msr = ranges[i].first; msr <= ranges[i].last; msr++) {
			if (!xen_pmu_decode(&t->b->map, msr))
				continue;
			for (k = 0; k < ARRAY_SIZE(patterns); k++)
				check(test, t, msr, patterns[k]);
			check(test, t, msr, 0);
		}
}

/*
 * With nothing put off, hardware of both must be programmed alike. Counters
 * are compared by reading them; those that stand still are the module's.
 */
static void same_hardware(struct kunit *test, struct twins *t)
{
	struct model_hw *a = model_hw_of(t->b->m, 0);
	struct model_hw *b = model_hw_of(t->plain, 0);
	unsigned int i;
	u64 want, got;

	xen_pmu_lazy_tidy(&t->b->v[0]);
	KUNIT_EXPECT_MEMEQ(test, a->control, b->control, sizeof(a->control));
	KUNIT_EXPECT_EQ(test, a->fixed_ctrl, b->fixed_ctrl);
	KUNIT_EXPECT_EQ(test, a->global_ctrl, b->global_ctrl);
	KUNIT_EXPECT_EQ(test, a->global_status, b->global_status);
	KUNIT_EXPECT_EQ(test, t->b->m->hw_violation, 0);

	for (i = 0; i < bench_nr_counters(t->b); i++) {
		model_rdmsr(t->plain, 0, bench_counter_msr(t->b, i), &want);
		bench_read(t->b, bench_counter_msr(t->b, i), &got);
		KUNIT_EXPECT_EQ(test, got, want);
	}
}

static void registers_in_hardware(struct kunit *test)
{
	struct twins t = twins_create(test);

	every_msr(test, &t, both_write);
	same_hardware(test, &t);
}

/* Xen has no trap for some registers of the page: the SDM's rules then. */
static void page_write(struct kunit *test, struct twins *t, u32 msr, u64 val)
{
	u64 got;
	int err;

	if (!page_only(t->b, msr)) {
		both_write(test, t, msr, val);
		return;
	}

	err = bench_write(t->b, msr, val);
	if (msr == MSR_IA32_DEBUGCTLMSR)
		KUNIT_ASSERT_EQ(test, err, 0);
	else if (msr == MSR_IA32_DS_AREA || msr == MSR_IA32_PEBS_ENABLE)
		KUNIT_ASSERT_EQ(test, err, val ? -EIO : 0);
	else
		KUNIT_ASSERT_EQ(test, err, val >> 48 ? -EIO : 0);

	if (err)
		return;
	KUNIT_ASSERT_EQ(test, bench_read(t->b, msr, &got), 0);
	KUNIT_ASSERT_EQ_MSG(test, got, val, "%x after %llx", msr, val);
}

static void registers_in_page(struct kunit *test)
{
	struct twins t = twins_create(test);
	unsigned long traps;

	/* A running counter, so that the flush loads what is in the page. */
	bench_start(t.b, 0, 0);
	model_pmi(t.b->m, 0);
	KUNIT_ASSERT_TRUE(test, xen_pmu_cached(&t.b->v[0]));

	traps = t.b->m->vcpus[0].stats.rdmsr + t.b->m->vcpus[0].stats.wrmsr;
	every_msr(test, &t, page_write);
	KUNIT_EXPECT_EQ(test, t.b->m->vcpus[0].stats.rdmsr +
			      t.b->m->vcpus[0].stats.wrmsr, traps);

	KUNIT_EXPECT_EQ(test, xen_pmu_lazy_flush(&t.b->v[0]), 0);
	KUNIT_EXPECT_EQ(test, t.b->v[0].stats.repaired, 0);
	same_hardware(test, &t);
}

static void saved_write(struct kunit *test, struct twins *t, u32 msr, u64 val)
{
	if (!page_only(t->b, msr))
		both_write(test, t, msr, val);
}

static void registers_saved(struct kunit *test)
{
	struct twins t = twins_create(test);
	struct xen_pmu_vcpu *v = &t.b->v[0];
	unsigned long traps;

	xen_pmu_vcpu_suspend(v);
	KUNIT_ASSERT_EQ(test, v->home, XEN_PMU_HOME_SAVED);
	KUNIT_ASSERT_NULL(test, v->page);

	traps = t.b->m->vcpus[0].stats.wrmsr;
	every_msr(test, &t, saved_write);
	KUNIT_EXPECT_EQ(test, t.b->m->vcpus[0].stats.wrmsr, traps);

	KUNIT_ASSERT_EQ(test, bench_vcpu_up(t.b, 0), 0);
	same_hardware(test, &t);
}

/* One half of a counter whose other half is missing, or behind a gap. */
static bool is_left_out(const struct bench *b, u32 msr)
{
	const unsigned int general = bench_nr_answering(b);

	if (!bench_is_intel(b))
		return msr >= MSR_F15H_PERF_CTL + (general > 4 ? 2 * general : 0);

	return (msr >= MSR_IA32_PMC0 + general && msr < MSR_IA32_PMC0 + 16) ||
	       (msr >= MSR_IA32_PERFCTR0 + general && msr < MSR_IA32_PERFCTR0 + 16) ||
	       (msr >= MSR_P6_EVNTSEL0 + general && msr < MSR_P6_EVNTSEL0 + 16) ||
	       (msr >= MSR_CORE_PERF_FIXED_CTR0 + bench_nr_fixed(b) &&
		msr < MSR_CORE_PERF_FIXED_CTR0 + 16);
}

/* Whether Xen takes accesses to an MSR to this vCPU's PMU. */
static bool xen_has(struct bench *b, u32 msr)
{
	unsigned long foreign = b->m->vcpus[0].stats.foreign;
	u64 val;

	/* On four-counter families Xen would fault on these itself. */
	if (!bench_is_intel(b) && !b->m->core && msr >= MSR_F15H_PERF_CTL)
		return false;
	if (is_left_out(b, msr))
		return false;
	if (model_rdmsr(b->m, 0, msr, &val))
		return false;
	if (foreign != b->m->vcpus[0].stats.foreign)
		return false;
	/* Of a counter that is not there a read is not refused. */
	return !model_wrmsr(b->m, 0, msr, b->machine->cfg.ctrl_boot) ||
	       msr == MSR_CORE_PERF_GLOBAL_STATUS;
}

/* What is ours is what Xen emulates, by traps or in the page. */
static void registers_complete(struct kunit *test)
{
	struct bench *b = test->priv;
	unsigned int i;
	u32 msr;

	bench_up(test);
	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		for (msr = ranges[i].first; msr <= ranges[i].last; msr++) {
			bool ours = xen_pmu_decode(&b->map, msr);

			if (ours && page_only(b, msr))
				continue;
			KUNIT_EXPECT_EQ_MSG(test, ours, xen_has(b, msr),
					    "MSR %x", msr);
		}
	KUNIT_EXPECT_EQ(test, b->m->hw_violation, 0);
}

/* A vCPU without a PMU: an MSR is Xen's affair. */
static void registers_of_vcpu_without_pmu(struct kunit *test)
{
	struct bench *b = test->priv;
	struct model_stats *stats = &b->m->vcpus[0].stats;
	u32 msr = bench_control_msr(b, 1);
	u64 val;

	bench_up(test);
	xen_pmu_vcpu_down(bench_vcpu(b));
	model_reset_stats(b->m);
	bench_read(b, msr, &val);
	KUNIT_EXPECT_EQ(test, stats->rdmsr, 1);
	bench_write(b, msr, val);
	KUNIT_EXPECT_EQ(test, stats->wrmsr, 1);
	KUNIT_EXPECT_EQ(test, xen_pmu_vcpu_pmc(bench_vcpu(b), 0), 0);
	KUNIT_EXPECT_EQ(test, stats->rdmsr, 1);
}

/* Likewise of one that never had one: nothing is known of its registers. */
static void registers_of_vcpu_never_up(struct kunit *test)
{
	struct bench *b = test->priv;
	struct model_stats *stats = &b->m->vcpus[1].stats;
	unsigned long reads = 0, writes = 0;
	unsigned int i;
	u64 val;
	u32 msr;

	KUNIT_ASSERT_EQ(test, bench_vcpu_up(b, 0), 0);
	b->current_vcpu = 1;
	KUNIT_ASSERT_PTR_EQ(test, b->v[1].pmu, NULL);
	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		for (msr = ranges[i].first; msr <= ranges[i].last; msr++) {
			if (bench_read(b, msr, &val) == -ENOENT)
				continue;
			bench_write(b, msr, val);
			bench_write_unchecked(b, msr, val);
			bench_write_unchecked(b, msr, ~0ULL);
			reads += xen_has(b, msr);
			writes += 3 * xen_has(b, msr);
		}
	KUNIT_EXPECT_GT(test, reads, 0);
	KUNIT_EXPECT_GE(test, stats->rdmsr, reads);
	KUNIT_EXPECT_GE(test, stats->wrmsr, writes);
	reads = stats->rdmsr;
	KUNIT_EXPECT_EQ(test, b->v[1].home, XEN_PMU_HOME_NONE);
	for (i = 0; i < XEN_PMU_MAX_GENERAL; i++)
		KUNIT_EXPECT_EQ(test, xen_pmu_vcpu_pmc(bench_vcpu(b), i), 0);
	KUNIT_EXPECT_EQ(test, xen_pmu_vcpu_pmc(bench_vcpu(b), BIT(30)), 0);
	KUNIT_EXPECT_EQ(test, stats->rdmsr, reads);
}

/* Before there is any, nothing is ours, nothing reaches Xen. */
static void registers_without_pmu(struct kunit *test)
{
	struct bench *b = test->priv;
	unsigned int i;
	u64 val;
	u32 msr;

	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		for (msr = ranges[i].first; msr <= ranges[i].last; msr++) {
			KUNIT_ASSERT_EQ(test, bench_read(b, msr, &val), -ENOENT);
			KUNIT_ASSERT_EQ(test, bench_write(b, msr, 1), -ENOENT);
		}
	KUNIT_EXPECT_EQ(test, xen_pmu_vcpu_pmc(bench_vcpu(b), 0), 0);
	KUNIT_EXPECT_EQ(test, b->m->vcpus[0].stats.rdmsr, 0);
	KUNIT_EXPECT_EQ(test, b->m->vcpus[0].stats.wrmsr, 0);
}

/* RDPMC and RDMSR agree; an index that does not exist reads 0. */
static void registers_rdpmc(struct kunit *test)
{
	struct bench *b = test->priv;
	unsigned int n, i;
	u64 val;

	bench_up(test);
	n = bench_nr_counters(b);
	for (i = 0; i < n; i++) {
		KUNIT_ASSERT_EQ(test, 0, bench_write(b, bench_counter_msr(b, i),
						     0x1000 + i));
		KUNIT_EXPECT_EQ(test, xen_pmu_vcpu_pmc(bench_vcpu(b), i),
				0x1000 + i);
	}
	for (; i < 4096; i++)
		KUNIT_ASSERT_EQ(test, xen_pmu_vcpu_pmc(bench_vcpu(b), i), 0);
	for (i = 0; i < 4096; i++) {
		u64 want = 0;

		if (i < bench_nr_fixed(b)) {
			bench_write(b, MSR_CORE_PERF_FIXED_CTR0 + i, 0x2000 + i);
			bench_read(b, MSR_CORE_PERF_FIXED_CTR0 + i, &val);
			KUNIT_EXPECT_EQ(test, val, 0x2000 + i);
			want = 0x2000 + i;
		}
		KUNIT_ASSERT_EQ(test, xen_pmu_vcpu_pmc(bench_vcpu(b),
						       BIT(30) | i), want);
	}
	KUNIT_EXPECT_EQ(test, xen_pmu_vcpu_pmc(bench_vcpu(b), U32_MAX), 0);
	KUNIT_EXPECT_EQ(test, xen_pmu_vcpu_pmc(bench_vcpu(b), BIT(31)), 0);
}

/* A control's value is remembered: reading it costs no trap. */
static void registers_controls_read_free(struct kunit *test)
{
	struct bench *b = test->priv;
	u64 val;

	bench_up(test);
	bench_start(b, 1, 7);
	model_reset_stats(b->m);
	KUNIT_EXPECT_EQ(test, bench_read(b, bench_control_msr(b, 1), &val), 0);
	KUNIT_EXPECT_EQ(test, val, bench_cycles(b) | b->machine->cfg.ctrl_boot);
	KUNIT_EXPECT_EQ(test, b->m->vcpus[0].stats.rdmsr, 0);
}

/* A refused write changes nothing, in no home. */
static void registers_refused_write(struct kunit *test)
{
	struct bench *b = test->priv;
	u32 msr = bench_control_msr(b, 0);
	u64 before, after;

	bench_up(test);
	bench_start(b, 0, 0);
	bench_read(b, msr, &before);
	KUNIT_EXPECT_EQ(test, bench_write(b, msr, before | BIT_ULL(21)), -EIO);
	bench_read(b, msr, &after);
	KUNIT_EXPECT_EQ(test, after, before);

	model_pmi(b->m, 0);
	KUNIT_EXPECT_EQ(test, bench_write(b, msr, before | BIT_ULL(21)), -EIO);
	bench_read(b, msr, &after);
	KUNIT_EXPECT_EQ(test, after, before);
	KUNIT_EXPECT_EQ(test, xen_pmu_lazy_flush(bench_vcpu(b)), 0);
	KUNIT_EXPECT_EQ(test, b->m->vcpus[0].stats.flush_failed, 0);
}

/* While perf tries whether there are counters, it tries those of hardware. */
static void registers_tried(struct kunit *test)
{
	struct bench *b = test->priv;
	u32 msr = bench_counter_msr(b, 1);
	u64 val;

	b->pmu.lazy = false;
	bench_up(test);
	KUNIT_EXPECT_EQ(test, bench_write(b, msr, 0xabcd), 0);
	KUNIT_EXPECT_EQ(test, model_hw_of(b->m, 0)->counter[1], 0xabcd);
	model_hw_of(b->m, 0)->counter[1] = 0;
	KUNIT_EXPECT_EQ(test, bench_read(b, msr, &val), 0);
	KUNIT_EXPECT_EQ(test, val, 0);
}

static struct kunit_case registers_cases[] = {
	KUNIT_CASE_PARAM(registers_in_hardware, machine_gen_params),
	KUNIT_CASE_PARAM(registers_in_page, machine_gen_params),
	KUNIT_CASE_PARAM(registers_saved, machine_gen_params),
	KUNIT_CASE_PARAM(registers_complete, machine_gen_params),
	KUNIT_CASE_PARAM(registers_without_pmu, machine_gen_params),
	KUNIT_CASE_PARAM(registers_of_vcpu_without_pmu, two_gen_params),
	KUNIT_CASE_PARAM(registers_of_vcpu_never_up, machine_gen_params),
	KUNIT_CASE_PARAM(registers_rdpmc, machine_gen_params),
	KUNIT_CASE_PARAM(registers_controls_read_free, two_gen_params),
	KUNIT_CASE_PARAM(registers_refused_write, machine_gen_params),
	KUNIT_CASE_PARAM(registers_tried, two_gen_params),
	{}
};

static struct kunit_suite registers_suite = {
	.name = "xen_pmu_registers",
	.init = bench_init,
	.exit = bench_exit,
	.test_cases = registers_cases,
};

kunit_test_suite(registers_suite);
