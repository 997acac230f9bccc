// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU gets its PMU, loses it, and every way in which that fails.
 */
#include <asm/msr-index.h>

#include "bench.h"

/* Nothing of the module's is left with Xen or Linux. */
static void expect_clean(struct kunit *test)
{
	struct bench *b = test->priv;

	KUNIT_EXPECT_STREQ(test, bench_left_behind(b) ?: "", "");
	KUNIT_EXPECT_NULL(test, b->m->vcpus[0].page);
	KUNIT_EXPECT_NULL(test, b->v[0].page);
	KUNIT_EXPECT_EQ(test, b->v[0].home, XEN_PMU_HOME_NONE);
}

static void lifecycle_up_and_down(struct kunit *test)
{
	struct bench *b = test->priv;
	unsigned int round;

	for (round = 0; round < 3; round++) {
		KUNIT_ASSERT_EQ(test, bench_vcpu_up(b, 0), 0);
		KUNIT_EXPECT_EQ(test, b->v[0].home, XEN_PMU_HOME_XEN);
		KUNIT_EXPECT_PTR_EQ(test, b->m->vcpus[0].page, b->v[0].page);
		KUNIT_EXPECT_EQ(test, b->irqs, 1);
		KUNIT_EXPECT_EQ(test, b->pages, 1);

		xen_pmu_vcpu_down(&b->v[0]);
		expect_clean(test);
	}
}

/* The layout tells how many counters the processor has, the probe what of it. */
static void lifecycle_counts(struct kunit *test)
{
	struct bench *b = test->priv;

	bench_up(test);
	KUNIT_EXPECT_EQ(test, b->pmu.layout.nr_general, b->m->nr_general);
	KUNIT_EXPECT_EQ(test, b->pmu.layout.nr_fixed, b->machine->cfg.nr_fixed);
	KUNIT_EXPECT_EQ(test, b->pmu.nr_general, bench_nr_answering(b));
	KUNIT_EXPECT_EQ(test, b->pmu.nr_fixed, bench_nr_fixed(b));
}

static void lifecycle_xen_refuses(struct kunit *test)
{
	static const int errors[] = {
		-EOPNOTSUPP, -ENOENT, -EINVAL, -EEXIST, -ENOMEM,
		-EPERM, -EFAULT, -EIO,
	};
	struct bench *b = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		b->m->fail_op[XENPMU_init] = errors[i];
		KUNIT_EXPECT_EQ(test, bench_vcpu_up(b, 0), errors[i]);
		expect_clean(test);
	}

	b->m->fail_op[XENPMU_init] = 0;
	KUNIT_EXPECT_EQ(test, bench_vcpu_up(b, 0), 0);
}

static void lifecycle_no_memory(struct kunit *test)
{
	struct bench *b = test->priv;

	b->no_page = true;
	KUNIT_EXPECT_EQ(test, bench_vcpu_up(b, 0), -ENOMEM);
	expect_clean(test);
}

static void lifecycle_no_irq(struct kunit *test)
{
	struct bench *b = test->priv;

	b->no_irq = true;
	KUNIT_EXPECT_EQ(test, bench_vcpu_up(b, 0), -EBUSY);
	expect_clean(test);
}

/* XENPMU_init says 0 and wrote nothing. */
static void lifecycle_no_layout(struct kunit *test)
{
	struct bench *b = test->priv;

	b->m->init_without_layout = true;
	KUNIT_EXPECT_EQ(test, bench_vcpu_up(b, 0), -ENODEV);
	expect_clean(test);
}

/* Xen's command line, or its mode, leaves no vPMU. */
static void lifecycle_vpmu_off(struct kunit *test)
{
	struct machine machine = *(const struct machine *)test->param_value;
	struct bench *b;

	machine.cfg.vpmu = false;
	b = bench_create(test, &machine);
	KUNIT_EXPECT_EQ(test, bench_vcpu_up(b, 0), -EOPNOTSUPP);
	expect_clean(test);

	machine.cfg.vpmu = true;
	machine.cfg.mode = XENPMU_MODE_OFF;
	b = bench_create(test, &machine);
	KUNIT_EXPECT_EQ(test, bench_vcpu_up(b, 0), -ENOENT);
	expect_clean(test);
}

static const struct {
	u32 first;
	u32 second;
} bad_layouts[] = {
	{ 0, 8 }, { 1, 0 }, { 4, 4 }, { 8, 8 }, { 8, 12 }, { 9, 41 },
	{ 64, 8 }, { 72, 16 }, { 8, 4096 }, { 72, 4096 }, { 4096, 4104 },
	{ 0xfffffff8, 0xffffffff }, { 0xfffffff8, 32 }, { 8, 0xfffffff8 },
	{ 72, 0x80000000 }, { 3800, 3992 }, { 80, 3992 }, { 76, 100 },
	{ 76, 104 }, { 128, 127 }, { 0x7fffffff, 0x80000007 },
};

static unsigned int bad_layout;

static void spoil_layout(struct xen_model *m, unsigned int vcpu,
			 struct xen_pmu_data *page)
{
	/* Both vendors have their two offsets here. */
	page->pmu.c.amd.counters = bad_layouts[bad_layout].first;
	page->pmu.c.amd.ctrls = bad_layouts[bad_layout].second;
}

/*
 * A layout is refused, or all registers it has lie in the page behind the
 * fixed part of the context.
 */
static void lifecycle_bad_layout(struct kunit *test)
{
	struct bench *b = test->priv;
	const unsigned int start = offsetof(struct xen_pmu_data, pmu.c) +
				   2 * sizeof(u32);
	unsigned int reg;
	int err;

	b->m->layout = spoil_layout;
	for (bad_layout = 0; bad_layout < ARRAY_SIZE(bad_layouts); bad_layout++) {
		b->pmu.vendor = NULL;
		err = bench_vcpu_up(b, 0);
		if (err) {
			KUNIT_EXPECT_TRUE(test, err == -ERANGE || err == -ENODEV);
			expect_clean(test);
			continue;
		}
		for (reg = 0; reg < XEN_PMU_NR_REGS; reg++) {
			u16 slot = b->pmu.reg[reg].slot;

			if (!slot)
				continue;
			KUNIT_EXPECT_GE(test, slot, start);
			KUNIT_EXPECT_LE(test, slot + sizeof(u64), PAGE_SIZE);
			KUNIT_EXPECT_EQ(test, slot % sizeof(u64), 0);
		}
		xen_pmu_vcpu_down(&b->v[0]);
		expect_clean(test);
	}
}

static void odd_layout(struct xen_model *m, unsigned int vcpu,
		       struct xen_pmu_data *page)
{
	if (vcpu == 1)
		page->pmu.c.amd.counters += sizeof(u64);
}

/* A vCPU whose page is laid out otherwise than the first one's gets none. */
static void lifecycle_second_layout(struct kunit *test)
{
	struct bench *b = test->priv;

	b->m->layout = odd_layout;
	KUNIT_ASSERT_EQ(test, bench_vcpu_up(b, 0), 0);
	KUNIT_EXPECT_EQ(test, bench_vcpu_up(b, 1), -ERANGE);
	KUNIT_EXPECT_EQ(test, b->pages, 1);
	KUNIT_EXPECT_NULL(test, b->m->vcpus[1].page);
}

/* A page that Xen does not give back is not given to anybody else. */
static void lifecycle_finish_refused(struct kunit *test)
{
	struct bench *b = test->priv;
	struct xen_pmu_data *page;

	KUNIT_ASSERT_EQ(test, bench_vcpu_up(b, 0), 0);
	page = b->v[0].page;
	b->m->fail_op[XENPMU_finish] = -EPERM;
	xen_pmu_vcpu_down(&b->v[0]);
	KUNIT_EXPECT_EQ(test, b->pages, 1);
	KUNIT_EXPECT_NULL(test, b->v[0].page);
	KUNIT_EXPECT_FALSE(test, b->freed_mapped);
	free_page((unsigned long)page);
}

/* Counters and controls survive suspend; the pages and Xen's state do not. */
static void lifecycle_suspend(struct kunit *test)
{
	struct bench *b = test->priv;
	u64 val;

	bench_up(test);
	bench_start(b, 1, 1000);
	model_retire(b->m, 0, false, 500, 500);

	xen_pmu_vcpu_suspend(&b->v[0]);
	KUNIT_EXPECT_NULL(test, b->m->vcpus[0].page);
	KUNIT_EXPECT_EQ(test, b->irqs, 2);
	KUNIT_EXPECT_EQ(test, bench_read(b, bench_counter_msr(b, 1), &val), 0);
	KUNIT_EXPECT_EQ(test, val, 1500);

	KUNIT_ASSERT_EQ(test, bench_vcpu_up(b, 0), 0);
	model_retire(b->m, 0, false, 250, 250);
	KUNIT_EXPECT_EQ(test, bench_read(b, bench_counter_msr(b, 1), &val), 0);
	KUNIT_EXPECT_EQ(test, val, 1750);
	KUNIT_EXPECT_EQ(test, b->irqs, 2);
	KUNIT_EXPECT_FALSE(test, b->freed_mapped);
	KUNIT_EXPECT_FALSE(test, b->finished_in_use);
	KUNIT_EXPECT_EQ(test, b->m->hw_violation, 0);
}

/* There is no vPMU after resume: what was counted stays readable. */
static void lifecycle_resume_without_vpmu(struct kunit *test)
{
	struct bench *b = test->priv;
	u64 val;

	bench_up(test);
	bench_start(b, 0, 1000);
	model_retire(b->m, 0, false, 500, 500);
	xen_pmu_vcpu_suspend(&b->v[0]);

	b->m->fail_op[XENPMU_init] = -EOPNOTSUPP;
	KUNIT_EXPECT_EQ(test, bench_vcpu_up(b, 0), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, b->v[0].home, XEN_PMU_HOME_SAVED);
	KUNIT_EXPECT_EQ(test, bench_read(b, bench_counter_msr(b, 0), &val), 0);
	KUNIT_EXPECT_EQ(test, val, 1500);
	KUNIT_EXPECT_EQ(test, b->pages, 1);
}

/* LVTPC: the value reaches Xen; without a page nothing does. */
static void lifecycle_lvtpc(struct kunit *test)
{
	struct bench *b = test->priv;

	bench_up(test);
	xen_pmu_regs_lvtpc(bench_vcpu(b), APIC_DM_NMI);
	KUNIT_EXPECT_EQ(test, model_hw_of(b->m, 0)->lvtpc & APIC_LVT_MASKED, 0);
	xen_pmu_regs_lvtpc(bench_vcpu(b), APIC_DM_NMI | APIC_LVT_MASKED);
	KUNIT_EXPECT_EQ(test, model_hw_of(b->m, 0)->lvtpc & APIC_LVT_MASKED,
			APIC_LVT_MASKED);

	model_reset_stats(b->m);
	xen_pmu_vcpu_suspend(&b->v[0]);
	xen_pmu_regs_lvtpc(bench_vcpu(b), APIC_DM_NMI);
	KUNIT_EXPECT_EQ(test, 0,
			b->m->vcpus[0].stats.hypercalls[XENPMU_lvtpc_set]);
	KUNIT_ASSERT_EQ(test, bench_vcpu_up(b, 0), 0);
	KUNIT_EXPECT_EQ(test, model_hw_of(b->m, 0)->lvtpc & APIC_LVT_MASKED, 0);
}

static struct kunit_case lifecycle_cases[] = {
	KUNIT_CASE_PARAM(lifecycle_up_and_down, machine_gen_params),
	KUNIT_CASE_PARAM(lifecycle_counts, machine_gen_params),
	KUNIT_CASE_PARAM(lifecycle_xen_refuses, machine_gen_params),
	KUNIT_CASE_PARAM(lifecycle_no_memory, machine_gen_params),
	KUNIT_CASE_PARAM(lifecycle_no_irq, machine_gen_params),
	KUNIT_CASE_PARAM(lifecycle_no_layout, machine_gen_params),
	KUNIT_CASE_PARAM(lifecycle_vpmu_off, machine_gen_params),
	KUNIT_CASE_PARAM(lifecycle_bad_layout, machine_gen_params),
	KUNIT_CASE_PARAM(lifecycle_second_layout, machine_gen_params),
	KUNIT_CASE_PARAM(lifecycle_finish_refused, machine_gen_params),
	KUNIT_CASE_PARAM(lifecycle_suspend, two_gen_params),
	KUNIT_CASE_PARAM(lifecycle_resume_without_vpmu, machine_gen_params),
	KUNIT_CASE_PARAM(lifecycle_lvtpc, machine_gen_params),
	{}
};

static struct kunit_suite lifecycle_suite = {
	.name = "xen_pmu_lifecycle",
	.init = bench_init,
	.exit = bench_exit,
	.test_cases = lifecycle_cases,
};

kunit_test_suite(lifecycle_suite);
