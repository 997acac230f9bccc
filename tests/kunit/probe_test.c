// SPDX-License-Identifier: GPL-2.0-only
/*
 * Only registers that answer exist: what the probe finds, what it leaves
 * behind, and what perf sees of it.
 */
#include <asm/msr-index.h>
#include <asm/perf_event.h>

#include "bench.h"

#define HARMLESS	(ARCH_PERFMON_EVENTSEL_USR | 0xc0)

static const unsigned int filters[] = {
	0, MODEL_FEATURE_IPC_ONLY, MODEL_FEATURE_ARCH_ONLY,
};

/* The same machine, whose Xen takes some events only. */
static struct bench *filtered(struct kunit *test, struct machine *machine,
			      unsigned int features)
{
	*machine = *(const struct machine *)test->param_value;
	machine->cfg.features = features;
	return bench_create(test, machine);
}

/* What hardware has after nothing but XENPMU_init, as an oracle. */
static struct xen_model *untouched(struct kunit *test, const struct bench *b)
{
	struct xen_pmu_params params = { .version.maj = XENPMU_VER_MAJ };
	struct xen_model *m = model_create(test, &b->machine->cfg);

	m->frame_to_page = b->m->frame_to_page;
	params.val = (uintptr_t)kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NE(test, params.val, 0);
	KUNIT_ASSERT_EQ(test, 0, model_hypercall(m, 0, XENPMU_init, &params));
	return m;
}

/*
 * Where Xen takes some events only it cannot be told to forget one; a control
 * that is not enabled does nothing.
 */
static void expect_controls(struct kunit *test, const struct bench *b,
			    const u64 *got, const u64 *want)
{
	unsigned int i;

	for (i = 0; i < MODEL_MAX_GENERAL; i++)
		if (!b->machine->cfg.features || got[i] != HARMLESS)
			KUNIT_EXPECT_EQ_MSG(test, got[i], want[i], "control %u", i);
}

static void expect_untouched(struct kunit *test, struct bench *b)
{
	struct xen_model *plain = untouched(test, b);
	struct model_hw *got = model_hw_of(b->m, 0), *want = model_hw_of(plain, 0);
	struct model_context *ctx = &b->m->vcpus[0].ctx;

	KUNIT_EXPECT_MEMEQ(test, got->counter, want->counter, sizeof(got->counter));
	KUNIT_EXPECT_MEMEQ(test, got->fixed, want->fixed, sizeof(got->fixed));
	KUNIT_EXPECT_EQ(test, got->fixed_ctrl, want->fixed_ctrl);
	KUNIT_EXPECT_EQ(test, got->global_ctrl, want->global_ctrl);
	KUNIT_EXPECT_EQ(test, got->global_status, want->global_status);
	expect_controls(test, b, got->control, want->control);

	want = NULL;
	KUNIT_EXPECT_MEMEQ(test, ctx->counter, plain->vcpus[0].ctx.counter,
			   sizeof(ctx->counter));
	KUNIT_EXPECT_MEMEQ(test, ctx->fixed, plain->vcpus[0].ctx.fixed,
			   sizeof(ctx->fixed));
	KUNIT_EXPECT_EQ(test, ctx->fixed_ctrl, plain->vcpus[0].ctx.fixed_ctrl);
	KUNIT_EXPECT_EQ(test, ctx->global_ctrl, plain->vcpus[0].ctx.global_ctrl);
	KUNIT_EXPECT_EQ(test, ctx->enabled, 0);
	expect_controls(test, b, ctx->control, plain->vcpus[0].ctx.control);
	KUNIT_EXPECT_FALSE(test, b->m->vcpus[0].flags & MODEL_RUNNING);
	KUNIT_EXPECT_EQ(test, b->m->hw_violation, 0);
}

static void probe_leaves_nothing(struct kunit *test)
{
	struct machine machine;
	struct bench *b;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(filters); i++) {
		b = filtered(test, &machine, filters[i]);
		KUNIT_ASSERT_EQ(test, bench_vcpu_up(b, 0), 0);
		expect_untouched(test, b);
		xen_pmu_vcpu_down(&b->v[0]);
	}
}

/* Xen's log has a line for each #GP. */
static void probe_costs(struct kunit *test)
{
	struct model_stats *stats;
	struct machine machine;
	struct bench *b;
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(filters); i++) {
		b = filtered(test, &machine, filters[i]);
		KUNIT_ASSERT_EQ(test, bench_vcpu_up(b, 0), 0);
		stats = &b->m->vcpus[0].stats;
		KUNIT_ASSERT_LT(test, stats->nr_msrs, MODEL_MAX_MSRS);
		for (k = 0; k < stats->nr_msrs; k++)
			KUNIT_EXPECT_LE_MSG(test, stats->msrs[k].gps, 1,
					    "MSR %x", stats->msrs[k].msr);
		xen_pmu_vcpu_down(&b->v[0]);
	}
}

/* What is described is what answers: exactly that is mapped. */
static void probe_maps(struct kunit *test)
{
	struct bench *b = test->priv;
	u64 counters = GENMASK_ULL(bench_nr_answering(b) - 1, 0);
	unsigned int reg, i;

	if (bench_nr_fixed(b))
		counters |= GENMASK_ULL(31 + bench_nr_fixed(b), 32);
	KUNIT_ASSERT_EQ(test, bench_vcpu_up(b, 0), 0);
	KUNIT_EXPECT_EQ(test, b->pmu.counters, counters);

	for (i = 0; i < XEN_PMU_MSR_SPAN; i++) {
		if (!b->map.entry[i])
			continue;
		reg = b->map.entry[i] & XEN_PMU_ENTRY_REG;
		KUNIT_EXPECT_NE_MSG(test, b->pmu.reg[reg].msr, 0, "MSR %x",
				    b->map.base + i);
		if (reg >= XEN_PMU_FIXED_CTRL)
			continue;
		reg = reg < XEN_PMU_CONTROL ? xen_pmu_bit(reg)
					    : reg - XEN_PMU_CONTROL;
		KUNIT_EXPECT_TRUE_MSG(test, counters & BIT_ULL(reg), "MSR %x",
				      b->map.base + i);
	}
}

static void expect_nothing_left(struct kunit *test, struct bench *b)
{
	KUNIT_EXPECT_STREQ(test, bench_left_behind(b) ?: "", "");
	KUNIT_EXPECT_NULL(test, b->m->vcpus[0].page);
	KUNIT_EXPECT_NULL(test, b->v[0].page);
	KUNIT_EXPECT_NULL(test, b->pmu.vendor);
	KUNIT_EXPECT_EQ(test, b->v[0].home, XEN_PMU_HOME_NONE);
	KUNIT_EXPECT_EQ(test, b->m->hw_violation, 0);
}

/* No counter holds a value, and then no control. */
static void probe_none_answers(struct kunit *test)
{
	struct machine machine = *(const struct machine *)test->param_value;
	struct bench *b;

	machine.cfg.dead = ~0ULL;
	b = bench_create(test, &machine);
	KUNIT_EXPECT_EQ(test, bench_vcpu_up(b, 0), -EIO);
	expect_nothing_left(test, b);

	machine.cfg.dead = 0;
	machine.cfg.dead_controls = ~0ULL;
	b = bench_create(test, &machine);
	KUNIT_EXPECT_EQ(test, bench_vcpu_up(b, 0), -EIO);
	expect_nothing_left(test, b);
}

/* CPUID cannot tell AMD's perf of fewer than four: it would use all four. */
static void probe_fewer_than_perf_knows(struct kunit *test)
{
	struct machine machine = *(const struct machine *)test->param_value;
	struct bench *b;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		machine.cfg.dead = BIT(i);
		b = bench_create(test, &machine);
		KUNIT_EXPECT_EQ(test, bench_vcpu_up(b, 0), -EIO);
		expect_nothing_left(test, b);
	}
}

/* The mode is "all", and the domain another than dom0: writes vanish. */
static void vanish(struct xen_model *m, unsigned int vcpu, struct xen_pmu_data *page)
{
	model_set_mode(m, XENPMU_MODE_ALL);
}

static void probe_in_mode_all(struct kunit *test)
{
	struct machine machine = *(const struct machine *)test->param_value;
	struct bench *b;

	machine.cfg.privileged = false;
	b = bench_create(test, &machine);
	b->m->layout = vanish;
	KUNIT_EXPECT_EQ(test, bench_vcpu_up(b, 0), -EIO);
	expect_nothing_left(test, b);

	/* A domain that was created in this mode. */
	machine.cfg.mode = XENPMU_MODE_ALL;
	b = bench_create(test, &machine);
	KUNIT_EXPECT_EQ(test, bench_vcpu_up(b, 0), -ENOENT);
	expect_nothing_left(test, b);
}

/* Each counter that answers counts, by the MSRs that perf knows. */
static void probe_all_count(struct kunit *test)
{
	struct bench *b = test->priv;
	unsigned int i;
	u64 val;

	bench_up(test);
	for (i = 0; i < bench_nr_counters(b); i++)
		bench_start(b, i, 100 * i);
	model_retire(b->m, 0, false, 7, 7);
	for (i = 0; i < bench_nr_counters(b); i++) {
		KUNIT_EXPECT_EQ(test, 0,
				bench_read(b, bench_counter_msr(b, i), &val));
		KUNIT_EXPECT_EQ_MSG(test, val, 100 * i + 7, "counter %u", i);
	}
}

/* ---- CPUID ---- */

#define LEAF_EAX(version, general)	((version) | (general) << 8 | 48 << 16 | 8 << 24)
#define LEAF_EDX(fixed)			((fixed) | 48 << 5)

static void probe_cpuid(struct kunit *test)
{
	struct bench *b = test->priv;
	const struct model_config *cfg = &b->machine->cfg;
	u32 version = min(cfg->version, 3u);
	u32 eax = LEAF_EAX(version, cfg->nr_general);
	u32 edx = LEAF_EDX(cfg->nr_fixed), ecx = BIT(cfg->nr_fixed) - 1;

	bench_up(test);
	b->pmu.vendor->cpuid(&b->pmu, &eax, &ecx, &edx);
	KUNIT_EXPECT_EQ(test, eax, LEAF_EAX(version, bench_nr_counters(b)));
	KUNIT_EXPECT_EQ(test, ecx, BIT(bench_nr_fixed(b)) - 1);
	KUNIT_EXPECT_EQ(test, edx, LEAF_EDX(bench_nr_fixed(b)));

	/* A bitmap with a gap stays one. */
	ecx = 0xd;
	b->pmu.vendor->cpuid(&b->pmu, &eax, &ecx, &edx);
	KUNIT_EXPECT_EQ(test, ecx, 0xd & (BIT(bench_nr_fixed(b)) - 1));
}

/* Event code 0 with a unit mask is a fixed counter's. */
static void probe_pseudo_events(struct kunit *test)
{
	struct bench *b = test->priv;
	unsigned int umask;

	bench_up(test);
	for (umask = 0; umask < 256; umask++)
		KUNIT_EXPECT_EQ_MSG(test,
				    b->pmu.vendor->counts(&b->pmu, umask << 8),
				    umask && umask <= bench_nr_fixed(b),
				    "unit mask %x", umask);
	KUNIT_EXPECT_TRUE(test, b->pmu.vendor->counts(&b->pmu, 0x3c));
	KUNIT_EXPECT_TRUE(test, b->pmu.vendor->counts(&b->pmu, 0x4f2e));
}

/* n counters: n of each kind of MSR are ours, for each n. */
static void probe_every_number(struct kunit *test)
{
	struct machine machine = *(const struct machine *)test->param_value;
	unsigned int n, i;
	struct bench *b;

	for (n = 1; n <= MODEL_MAX_GENERAL; n++) {
		machine.cfg.nr_general = n;
		machine.cfg.nr_fixed = n % 5;
		b = bench_create(test, &machine);
		KUNIT_ASSERT_EQ(test, bench_vcpu_up(b, 0), 0);
		KUNIT_EXPECT_EQ(test, b->pmu.nr_general, bench_nr_counters(b));
		KUNIT_EXPECT_EQ(test, b->pmu.nr_fixed, bench_nr_fixed(b));
		for (i = 0; i < 16; i++) {
			bool general = i < bench_nr_counters(b);
			bool fixed = i < bench_nr_fixed(b);

			KUNIT_EXPECT_EQ(test, general,
					!!xen_pmu_decode(&b->map, MSR_IA32_PERFCTR0 + i));
			KUNIT_EXPECT_EQ(test, general,
					!!xen_pmu_decode(&b->map, MSR_P6_EVNTSEL0 + i));
			KUNIT_EXPECT_EQ(test, general,
					!!xen_pmu_decode(&b->map, MSR_IA32_PMC0 + i));
			KUNIT_EXPECT_EQ(test, fixed,
					!!xen_pmu_decode(&b->map, MSR_CORE_PERF_FIXED_CTR0 + i));
		}
		xen_pmu_vcpu_down(&b->v[0]);
	}
}

static struct kunit_case probe_cases[] = {
	KUNIT_CASE_PARAM(probe_leaves_nothing, machine_gen_params),
	KUNIT_CASE_PARAM(probe_costs, machine_gen_params),
	KUNIT_CASE_PARAM(probe_maps, machine_gen_params),
	KUNIT_CASE_PARAM(probe_none_answers, machine_gen_params),
	KUNIT_CASE_PARAM(probe_fewer_than_perf_knows, amd_gen_params),
	KUNIT_CASE_PARAM(probe_in_mode_all, machine_gen_params),
	KUNIT_CASE_PARAM(probe_all_count, machine_gen_params),
	KUNIT_CASE_PARAM(probe_cpuid, intel_gen_params),
	KUNIT_CASE_PARAM(probe_pseudo_events, intel_gen_params),
	KUNIT_CASE_PARAM(probe_every_number, intel_gen_params),
	{}
};

static struct kunit_suite probe_suite = {
	.name = "xen_pmu_probe",
	.init = bench_init,
	.exit = bench_exit,
	.test_cases = probe_cases,
};

kunit_test_suite(probe_suite);
