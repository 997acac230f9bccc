// SPDX-License-Identifier: GPL-2.0-only
/*
 * What kvm-unit-tests and KVM's selftests hold a PMU to, counter by counter:
 * the interrupt that was asked for and no other, a write to a counter that
 * runs, overflow and acknowledge by index, what Xen's filters and hypercalls
 * refuse.
 */
#include <asm/msr-index.h>
#include <asm/perf_event.h>

#include "bench.h"

#define PERIOD	1000
#define START	(BIT_ULL(48) - PERIOD)

static int anchor_init(struct kunit *test)
{
	bench_init(test);
	bench_up(test);
	xen_pmu_regs_lvtpc(bench_vcpu(test->priv), APIC_DM_NMI);
	return 0;
}

static void anchor_exit(struct kunit *test)
{
	struct bench *b = test->priv;

	KUNIT_EXPECT_EQ(test, b->m->hw_violation, 0);
	bench_exit(test);
}

static u64 counter(struct kunit *test, unsigned int i)
{
	struct bench *b = test->priv;
	u64 val;

	KUNIT_EXPECT_EQ(test, bench_read(b, bench_counter_msr(b, i), &val), 0);
	KUNIT_EXPECT_EQ(test, xen_pmu_vcpu_pmc(bench_vcpu(b), i), val);
	return val;
}

static u64 status(struct kunit *test)
{
	struct bench *b = test->priv;
	u64 val;

	KUNIT_EXPECT_EQ(test, 0, bench_read(b, MSR_CORE_PERF_GLOBAL_STATUS, &val));
	return val;
}

static void start_fixed(struct bench *b, unsigned int i, u64 value, u64 bits)
{
	u64 global;

	bench_write(b, MSR_CORE_PERF_FIXED_CTR0 + i, value);
	bench_write(b, MSR_CORE_PERF_FIXED_CTR_CTRL, bits << 4 * i);
	bench_read(b, MSR_CORE_PERF_GLOBAL_CTRL, &global);
	bench_write(b, MSR_CORE_PERF_GLOBAL_CTRL, global | BIT_ULL(32 + i));
}

/* kvm-unit-tests 12: without INT in the select there is no interrupt. */
static void anchor_no_interrupt_unasked(struct kunit *test)
{
	struct bench *b = test->priv;
	unsigned int i;

	for (i = 0; i < bench_nr_counters(b); i++) {
		bench_start(b, i, START);
		bench_write(b, bench_control_msr(b, i),
			    bench_cycles(b) & ~ARCH_PERFMON_EVENTSEL_INT);
		model_retire(b->m, 0, false, PERIOD + 7, PERIOD);
		KUNIT_EXPECT_FALSE(test, xen_pmu_cached(bench_vcpu(b)));
		KUNIT_EXPECT_EQ(test, counter(test, i), 7);
		bench_write(b, bench_control_msr(b, i), 0);
	}
	for (i = 0; i < bench_nr_fixed(b); i++) {
		start_fixed(b, i, START, 3);
		model_retire(b->m, 0, false, PERIOD, PERIOD);
		KUNIT_EXPECT_FALSE(test, xen_pmu_cached(bench_vcpu(b)));
		bench_write(b, MSR_CORE_PERF_FIXED_CTR_CTRL, 0);
	}
	KUNIT_EXPECT_EQ(test, b->m->vcpus[0].virq_pending, 0);
}

/* 14, 15: a running counter takes what is written, -1 too. */
static void anchor_write_while_running(struct kunit *test)
{
	struct bench *b = test->priv;
	unsigned int i;

	for (i = 0; i < bench_nr_counters(b); i++) {
		bench_start(b, i, 0);
		model_retire(b->m, 0, false, 100, 100);
		KUNIT_EXPECT_EQ(test, 0, bench_write(b, bench_counter_msr(b, i), 5000));
		KUNIT_EXPECT_EQ(test, counter(test, i), 5000);
		model_retire(b->m, 0, false, 100, 100);
		KUNIT_EXPECT_EQ(test, counter(test, i), 5100);

		KUNIT_EXPECT_EQ(test, 0, bench_write(b, bench_counter_msr(b, i),
						     BIT_ULL(48) - 1));
		model_retire(b->m, 0, false, 1, 1);
		KUNIT_EXPECT_TRUE(test, xen_pmu_cached(bench_vcpu(b)));
		if (bench_is_intel(b))
			KUNIT_EXPECT_EQ(test, status(test), BIT_ULL(i));
		KUNIT_EXPECT_EQ(test, counter(test, i), 0);
		if (bench_is_intel(b))
			bench_write(b, MSR_CORE_PERF_GLOBAL_OVF_CTRL, BIT_ULL(i));
		KUNIT_EXPECT_EQ(test, bench_interrupt(b, NULL), IRQ_HANDLED);
		bench_stop(b, i);
		xen_pmu_regs_lvtpc(bench_vcpu(b), APIC_DM_NMI);
	}
}

static unsigned int overflowing;

/* The status has the one bit, and an acknowledge clears it. */
static int acknowledge(struct pt_regs *regs)
{
	struct kunit *test = kunit_get_current_test();
	struct bench *b = test->priv;

	xen_pmu_regs_lvtpc(bench_vcpu(b), APIC_DM_NMI);
	if (!bench_is_intel(b))
		return 1;
	KUNIT_EXPECT_EQ(test, status(test), BIT_ULL(overflowing));
	bench_write(b, MSR_CORE_PERF_GLOBAL_OVF_CTRL, BIT_ULL(overflowing));
	KUNIT_EXPECT_EQ(test, status(test), 0);
	return 1;
}

static void expect_overflow(struct kunit *test, unsigned int bit)
{
	struct bench *b = test->priv;

	overflowing = bit;
	model_retire(b->m, 0, false, PERIOD + 9, PERIOD + 9);
	KUNIT_ASSERT_TRUE(test, xen_pmu_cached(bench_vcpu(b)));
	KUNIT_EXPECT_EQ(test, bench_interrupt(b, acknowledge), IRQ_HANDLED);
	KUNIT_EXPECT_EQ(test, model_hw_of(b->m, 0)->global_status, 0);
}

/* 2, 9, 10, 11: each counter by its index. */
static void anchor_each_counter(struct kunit *test)
{
	struct bench *b = test->priv;
	unsigned int i;
	u64 val;

	for (i = 0; i < bench_nr_counters(b); i++) {
		bench_start(b, i, START);
		expect_overflow(test, i);
		KUNIT_EXPECT_EQ(test, counter(test, i), 9);
		bench_stop(b, i);
	}
	for (i = 0; i < bench_nr_fixed(b); i++) {
		start_fixed(b, i, START, 0xb);
		expect_overflow(test, 32 + i);
		bench_read(b, MSR_CORE_PERF_FIXED_CTR0 + i, &val);
		KUNIT_EXPECT_EQ(test, val, 9);
		KUNIT_EXPECT_EQ(test, val,
				xen_pmu_vcpu_pmc(bench_vcpu(b), BIT(30) | i));
		bench_write(b, MSR_CORE_PERF_FIXED_CTR_CTRL, 0);
	}
}

/* 1, 5, 7: counters that are not there, and bits that RDPMC has no more. */
static void anchor_rdpmc(struct kunit *test)
{
	struct bench *b = test->priv;
	unsigned int i;

	for (i = 0; i < bench_nr_counters(b); i++)
		bench_write(b, bench_counter_msr(b, i), 0x1000 + i);
	for (i = 0; i < bench_nr_fixed(b); i++)
		bench_write(b, MSR_CORE_PERF_FIXED_CTR0 + i, 0x2000 + i);

	for (i = bench_nr_answering(b); i < 64; i++)
		KUNIT_EXPECT_EQ(test, xen_pmu_vcpu_pmc(bench_vcpu(b), i), 0);
	for (i = bench_nr_fixed(b); i < 64; i++)
		KUNIT_EXPECT_EQ(test, 0, xen_pmu_vcpu_pmc(bench_vcpu(b), BIT(30) | i));
	for (i = 0; i < 64; i++) {
		KUNIT_EXPECT_EQ(test, 0, xen_pmu_vcpu_pmc(bench_vcpu(b), BIT(31) | i));
		KUNIT_EXPECT_EQ(test, 0, xen_pmu_vcpu_pmc(bench_vcpu(b),
							  BIT(31) | BIT(30) | i));
	}
}

/* pmu_event_filter_test 9: the same event with another unit mask is another. */
static void anchor_unit_mask(struct kunit *test)
{
	static const struct {
		u16 event;
		bool ipc;
		bool arch;
	} events[] = {
		{ 0x003c, true, true }, { 0x013c, true, true }, { 0x023c },
		{ 0x00c0, true, true }, { 0x01c0 },
		{ 0x4f2e, false, true }, { 0x412e, false, true }, { 0x0f2e },
		{ 0x00c4, false, true }, { 0x01c4 },
		{ 0x00c5, false, true }, { 0x01c5 }, { 0x01c2 },
	};
	struct bench *b = test->priv;
	u64 config, held, before;
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(events); i++) {
		config = events[i].event | (bench_cycles(b) & ~0xffULL);

		b->m->features = 0;
		KUNIT_EXPECT_EQ(test, xen_pmu_regs_try(bench_vcpu(b), config), 0);

		b->m->features = MODEL_FEATURE_IPC_ONLY;
		KUNIT_EXPECT_EQ_MSG(test, xen_pmu_regs_try(bench_vcpu(b), config),
				    events[i].ipc ? 0 : -EIO, "%x", events[i].event);
		b->m->features = MODEL_FEATURE_ARCH_ONLY;
		KUNIT_EXPECT_EQ_MSG(test, xen_pmu_regs_try(bench_vcpu(b), config),
				    events[i].arch ? 0 : -EIO, "%x", events[i].event);

		/* And a write says so at once, and changes nothing. */
		bench_read(b, bench_control_msr(b, 0), &before);
		err = bench_write(b, bench_control_msr(b, 0), config);
		KUNIT_EXPECT_EQ(test, err, events[i].arch ? 0 : -EIO);
		bench_read(b, bench_control_msr(b, 0), &held);
		KUNIT_EXPECT_EQ(test, held, events[i].arch ? config : before);
	}
	b->m->features = 0;
}

/* ---- Hypercalls, as sysfs makes them ---- */

static int set(unsigned int op, u64 val)
{
	struct xen_pmu_params params = {
		.version = { .maj = XENPMU_VER_MAJ, .min = XENPMU_VER_MIN },
		.val = val,
	};

	return xen_pmu_op(op, &params);
}

static void anchor_mode_and_features(struct kunit *test)
{
	struct bench *b = test->priv;
	unsigned int i;

	/* One mode, and one that there is. */
	for (i = 3; i < 64; i++)
		KUNIT_EXPECT_EQ(test, set(XENPMU_mode_set, BIT_ULL(i)), -EINVAL);
	KUNIT_EXPECT_EQ(test, set(XENPMU_mode_set, XENPMU_MODE_SELF | XENPMU_MODE_HV),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, b->m->mode, XENPMU_MODE_SELF);
	for (i = 3; i < 64; i++)
		KUNIT_EXPECT_EQ(test, set(XENPMU_feature_set, BIT_ULL(i)), -EINVAL);

	/* Other guests have vPMUs: only between self and hv. */
	b->m->nr_guest_vpmus = 1;
	KUNIT_EXPECT_EQ(test, set(XENPMU_mode_set, XENPMU_MODE_OFF), -EBUSY);
	KUNIT_EXPECT_EQ(test, set(XENPMU_mode_set, XENPMU_MODE_ALL), -EBUSY);
	KUNIT_EXPECT_EQ(test, set(XENPMU_mode_set, XENPMU_MODE_SELF), 0);
	KUNIT_EXPECT_EQ(test, set(XENPMU_mode_set, XENPMU_MODE_HV), 0);
	KUNIT_EXPECT_EQ(test, set(XENPMU_mode_set, XENPMU_MODE_SELF), 0);
	KUNIT_EXPECT_EQ(test, set(XENPMU_feature_set, MODEL_FEATURE_IPC_ONLY), -EBUSY);
	KUNIT_EXPECT_EQ(test, set(XENPMU_feature_set, 0), 0);
	KUNIT_EXPECT_FALSE(test, xen_pmu_mode_is_off());

	b->m->nr_guest_vpmus = 0;
	KUNIT_EXPECT_EQ(test, set(XENPMU_feature_set, MODEL_FEATURE_IPC_ONLY), 0);
	KUNIT_EXPECT_EQ(test, set(XENPMU_feature_set, 0), 0);
	KUNIT_EXPECT_EQ(test, set(XENPMU_mode_set, XENPMU_MODE_OFF), 0);
	KUNIT_EXPECT_TRUE(test, xen_pmu_mode_is_off());
	KUNIT_EXPECT_EQ(test, set(XENPMU_mode_set, XENPMU_MODE_SELF), 0);
}

/* Another domain than dom0 may not ask, and takes its vPMU for on. */
static void anchor_unprivileged(struct kunit *test)
{
	struct machine machine = *(const struct machine *)test->param_value;
	struct bench *b = test->priv;

	bench_exit(test);
	machine.cfg.privileged = false;
	b = bench_create(test, &machine);
	bench_up(test);
	KUNIT_EXPECT_EQ(test, set(XENPMU_mode_set, XENPMU_MODE_OFF), -EPERM);
	KUNIT_EXPECT_EQ(test, set(XENPMU_feature_set, 0), -EPERM);
	KUNIT_EXPECT_FALSE(test, xen_pmu_mode_is_off());

	bench_start(b, 0, 3);
	model_retire(b->m, 0, false, 7, 7);
	KUNIT_EXPECT_EQ(test, counter(test, 0), 10);
	xen_pmu_vcpu_down(&b->v[0]);
	xen_pmu_vcpu_down(&b->v[1]);
}

static struct kunit_case anchor_cases[] = {
	KUNIT_CASE_PARAM(anchor_no_interrupt_unasked, machine_gen_params),
	KUNIT_CASE_PARAM(anchor_write_while_running, machine_gen_params),
	KUNIT_CASE_PARAM(anchor_each_counter, machine_gen_params),
	KUNIT_CASE_PARAM(anchor_rdpmc, machine_gen_params),
	KUNIT_CASE_PARAM(anchor_unit_mask, intel_gen_params),
	KUNIT_CASE_PARAM(anchor_mode_and_features, machine_gen_params),
	KUNIT_CASE_PARAM(anchor_unprivileged, machine_gen_params),
	{}
};

static struct kunit_suite anchor_suite = {
	.name = "xen_pmu_anchor",
	.init = anchor_init,
	.exit = anchor_exit,
	.test_cases = anchor_cases,
};

kunit_test_suite(anchor_suite);
