// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU without its PMU is one state, whatever took it: not available to perf,
 * nothing of perf's reaches Xen, what was counted stays, and it goes on from
 * there when the PMU comes back.
 */
#include <asm/msr-index.h>
#include <asm/perf_event.h>

#include "bench.h"

#define PERIOD	1000
#define START	(BIT_ULL(48) - PERIOD)

static int lost_init(struct kunit *test)
{
	bench_init(test);
	bench_up(test);
	xen_pmu_regs_lvtpc(bench_vcpu(test->priv), APIC_DM_NMI);
	return 0;
}

static void lost_exit(struct kunit *test)
{
	struct bench *b = test->priv;

	KUNIT_EXPECT_EQ(test, b->m->hw_violation, 0);
	KUNIT_EXPECT_FALSE(test, b->freed_mapped);
	KUNIT_EXPECT_FALSE(test, b->finished_in_use);
	bench_exit(test);
}

static u64 value(struct kunit *test, unsigned int i)
{
	struct bench *b = test->priv;
	u64 val;

	KUNIT_EXPECT_EQ(test, bench_read(b, bench_counter_msr(b, i), &val), 0);
	return val;
}

static unsigned long traps(const struct bench *b)
{
	const struct model_stats *stats = &b->m->vcpus[0].stats;

	return stats->rdmsr + stats->wrmsr + stats->hypercalls[XENPMU_flush] +
	       stats->hypercalls[XENPMU_lvtpc_set];
}

/*
 * Everything that perf does to a PMU reads and writes the shadow, and nothing
 * of it reaches Xen. The counter that ran stands at @at.
 */
static void expect_lost(struct kunit *test, unsigned long gone, u64 at)
{
	struct bench *b = test->priv;
	unsigned long before = traps(b);
	u64 control, val;

	KUNIT_EXPECT_FALSE(test, xen_pmu_available(bench_vcpu(b)));
	KUNIT_EXPECT_EQ(test, bench_vcpu(b)->home, XEN_PMU_HOME_SAVED);
	KUNIT_EXPECT_EQ(test, b->gone[0], gone);

	KUNIT_EXPECT_EQ(test, value(test, 0), at);
	KUNIT_EXPECT_EQ(test, xen_pmu_vcpu_pmc(bench_vcpu(b), 0), at);
	bench_read(b, bench_control_msr(b, 0), &control);
	KUNIT_EXPECT_EQ(test, control,
			bench_cycles(b) | b->machine->cfg.ctrl_boot);

	bench_stop(b, 0);
	bench_write(b, bench_counter_msr(b, 0), 0x1234);
	KUNIT_EXPECT_EQ(test, value(test, 0), 0x1234);
	bench_write(b, bench_counter_msr(b, 0), at);
	bench_write(b, bench_control_msr(b, 0), bench_cycles(b));
	if (bench_is_intel(b)) {
		bench_read(b, MSR_CORE_PERF_GLOBAL_CTRL, &control);
		bench_write(b, MSR_CORE_PERF_GLOBAL_CTRL, 0);
		bench_write(b, MSR_CORE_PERF_GLOBAL_CTRL, control);
		bench_read(b, MSR_CORE_PERF_GLOBAL_STATUS, &val);
		bench_write(b, MSR_CORE_PERF_GLOBAL_OVF_CTRL, val);
	}
	xen_pmu_regs_lvtpc(bench_vcpu(b), APIC_DM_NMI);
	xen_pmu_lazy_tidy(bench_vcpu(b));
	KUNIT_EXPECT_EQ(test, xen_pmu_regs_try(bench_vcpu(b), 0xc0), 0);
	KUNIT_EXPECT_EQ(test, bench_interrupt(b, NULL), IRQ_NONE);
	KUNIT_EXPECT_EQ(test, traps(b), before);
	KUNIT_EXPECT_EQ(test, b->gone[0], gone);
}

/* The counter that ran goes on where it stood, and interrupts. */
static void expect_back(struct kunit *test, u64 at)
{
	struct bench *b = test->priv;

	KUNIT_ASSERT_TRUE(test, xen_pmu_available(bench_vcpu(b)));
	KUNIT_EXPECT_EQ(test, value(test, 0), at);
	model_retire(b->m, 0, false, 300, 300);
	KUNIT_EXPECT_EQ(test, value(test, 0), at + 300);

	bench_stop(b, 0);
	bench_start(b, 0, START);
	model_retire(b->m, 0, false, PERIOD, PERIOD);
	KUNIT_EXPECT_TRUE(test, xen_pmu_cached(bench_vcpu(b)));
	KUNIT_EXPECT_EQ(test, bench_interrupt(b, NULL), IRQ_HANDLED);
	KUNIT_EXPECT_EQ(test, value(test, 0), 0);
}

/* ---- A host that cannot load what was saved ---- */

static void run_and_suspend(struct kunit *test)
{
	struct bench *b = test->priv;

	bench_start(b, 0, 1000);
	model_retire(b->m, 0, false, 500, 500);
	xen_pmu_vcpu_suspend(&b->v[0]);
	xen_pmu_vcpu_suspend(&b->v[1]);
}

/* All that resume does there ends with an error, and in the lost state. */
static void fail_on(struct kunit *test, const struct machine *host, int want)
{
	struct bench *b = test->priv;

	bench_move(b, test, host);
	KUNIT_EXPECT_EQ_MSG(test, bench_vcpu_up(b, 0), want, "%s", host->cfg.name);
	KUNIT_EXPECT_EQ(test, b->pages, 0);
	KUNIT_EXPECT_NULL(test, b->m->vcpus[0].page);
	KUNIT_EXPECT_EQ(test, b->m->hw_violation, 0);
	expect_lost(test, 0, 1500);
}

static void succeed_on(struct kunit *test, const struct machine *host)
{
	struct bench *b = test->priv;

	bench_move(b, test, host);
	KUNIT_ASSERT_EQ(test, bench_vcpu_up(b, 0), 0);
	expect_back(test, 1500);
}

static void lost_host_without_vpmu(struct kunit *test)
{
	struct bench *b = test->priv;
	struct machine host = *b->machine;

	run_and_suspend(test);
	host.cfg.mode = XENPMU_MODE_OFF;
	fail_on(test, &host, -ENOENT);
	host.cfg.vpmu = false;
	fail_on(test, &host, -EOPNOTSUPP);
	succeed_on(test, b->machine);
}

static void lost_host_with_fewer(struct kunit *test)
{
	struct bench *b = test->priv;
	struct machine host = *b->machine;

	run_and_suspend(test);
	host.cfg.nr_general = bench_nr_answering(b) - 1;
	if (!bench_is_intel(b))
		host.cfg.family = b->m->core ? 0x10 : 0x17;
	fail_on(test, &host, -ERANGE);
	succeed_on(test, b->machine);
}

/* The processor is alike, but a register of it does not answer. */
static void lost_host_with_gap(struct kunit *test)
{
	struct bench *b = test->priv;
	struct machine host = *b->machine;

	run_and_suspend(test);
	host.cfg.dead |= BIT(bench_nr_answering(b) - 1);
	fail_on(test, &host, -ERANGE);
	host.cfg.dead = b->machine->cfg.dead;
	host.cfg.dead_controls |= BIT(bench_nr_answering(b) - 1);
	fail_on(test, &host, -ERANGE);
	if (bench_nr_fixed(b)) {
		host.cfg.dead |= BIT_ULL(31 + bench_nr_fixed(b));
		host.cfg.dead_controls = b->machine->cfg.dead_controls;
		fail_on(test, &host, -ERANGE);
	}
	succeed_on(test, b->machine);
}

static void lost_host_with_older_xen(struct kunit *test)
{
	struct bench *b = test->priv;
	struct machine host = *b->machine;

	run_and_suspend(test);
	host.cfg.four_selects = true;
	if (bench_nr_counters(b) > 4)
		fail_on(test, &host, -ERANGE);
	else
		succeed_on(test, &host);
}

/* More than was described is no reason; it is not used. */
static void lost_host_with_newer_xen(struct kunit *test)
{
	struct bench *b = test->priv;
	struct machine host = *b->machine;

	run_and_suspend(test);
	host.cfg.four_selects = false;
	host.cfg.dead = 0;
	host.cfg.dead_controls = 0;
	succeed_on(test, &host);
}

static void lost_host_with_other_reserved_bits(struct kunit *test)
{
	struct bench *b = test->priv;
	struct machine host = *b->machine;

	run_and_suspend(test);
	host.cfg.ctrl_boot ^= BIT_ULL(37);
	fail_on(test, &host, -ERANGE);
	succeed_on(test, b->machine);
}

/* Not one MSR of the other vendor is touched, nor one of ours there. */
static void lost_host_of_other_vendor(struct kunit *test)
{
	struct bench *b = test->priv;
	struct machine amd = {
		.cfg = { .name = "amd", .vendor = MODEL_AMD, .family = 0x19,
			 .mode = XENPMU_MODE_SELF, .vpmu = true,
			 .privileged = true, .nr_vcpus = 2, .nr_pcpus = 2 },
	};
	struct machine intel = {
		.cfg = { .name = "intel", .vendor = MODEL_INTEL, .family = 6,
			 .nr_general = 8, .nr_fixed = 3, .version = 3,
			 .full_width = true, .mode = XENPMU_MODE_SELF,
			 .vpmu = true, .privileged = true, .nr_vcpus = 2,
			 .nr_pcpus = 2 },
	};

	run_and_suspend(test);
	fail_on(test, bench_is_intel(b) ? &amd : &intel, -ERANGE);
	KUNIT_EXPECT_EQ(test, b->m->vcpus[0].stats.foreign, 0);
	KUNIT_EXPECT_EQ(test, b->m->vcpus[0].stats.wrmsr, 0);
	succeed_on(test, b->machine);
}

static void lost_no_memory(struct kunit *test)
{
	struct bench *b = test->priv;

	run_and_suspend(test);
	b->no_page = true;
	fail_on(test, b->machine, -ENOMEM);
	b->no_page = false;
	bench_move(b, test, b->machine);
	b->m->no_memory = true;
	KUNIT_EXPECT_EQ(test, bench_vcpu_up(b, 0), -ENOMEM);
	expect_lost(test, 0, 1500);
	b->m->no_memory = false;
	b->m->init_without_layout = true;
	KUNIT_EXPECT_EQ(test, bench_vcpu_up(b, 0), -ENODEV);
	expect_lost(test, 0, 1500);
	succeed_on(test, b->machine);
}

/* A CPU that went and comes back: the interrupt cannot be bound. */
static void lost_no_irq(struct kunit *test)
{
	struct bench *b = test->priv;

	run_and_suspend(test);
	b->v[0].irq = -1;
	b->no_irq = true;
	fail_on(test, b->machine, -EBUSY);
	b->no_irq = false;
	succeed_on(test, b->machine);
}

/* ---- Xen refuses ---- */

/* Xen stops nothing by itself; what counts on may interrupt. */
static void expect_stopped(struct kunit *test)
{
	struct bench *b = test->priv;
	struct model_hw *hw = model_hw_of(b->m, 0);
	unsigned int i;

	for (i = 0; i < MODEL_MAX_GENERAL; i++)
		KUNIT_EXPECT_FALSE(test, hw->control[i] &
					 ARCH_PERFMON_EVENTSEL_ENABLE);
	KUNIT_EXPECT_EQ(test, hw->fixed_ctrl, 0);
	KUNIT_EXPECT_EQ(test, hw->global_ctrl, 0);
}

static void back_by_proceed(struct kunit *test, u64 at)
{
	struct bench *b = test->priv;

	xen_pmu_lazy_proceed(bench_vcpu(b));
	expect_back(test, at);
}

static void back_by_resume(struct kunit *test, u64 at)
{
	struct bench *b = test->priv;

	xen_pmu_vcpu_suspend(&b->v[0]);
	KUNIT_ASSERT_EQ(test, bench_vcpu_up(b, 0), 0);
	expect_back(test, at);
}

static void (*const backs[])(struct kunit *test, u64 at) = {
	back_by_proceed, back_by_resume,
};

static void lost_flush_refused(struct kunit *test)
{
	struct bench *b = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(backs); i++) {
		bench_start(b, 0, START);
		model_retire(b->m, 0, false, PERIOD + 5, PERIOD);
		b->m->fail_op[XENPMU_flush] = -EIO;
		KUNIT_EXPECT_EQ(test, bench_interrupt(b, NULL), IRQ_HANDLED);
		expect_lost(test, i + 1, 5);
		b->m->fail_op[XENPMU_flush] = 0;
		backs[i](test, 5);
		bench_stop(b, 0);
	}
}

/*
 * With vpmu=ipc or arch Xen takes no control that selects nothing, which those
 * that are not in use do: not a reason to be lost again.
 */
static void lost_flush_refused_with_filter(struct kunit *test)
{
	static const unsigned int features[] = {
		MODEL_FEATURE_IPC_ONLY, MODEL_FEATURE_ARCH_ONLY,
	};
	struct machine machine = *(const struct machine *)test->param_value;
	struct bench *b = test->priv;
	unsigned int i;

	bench_exit(test);
	for (i = 0; i < ARRAY_SIZE(features); i++) {
		machine.cfg.features = features[i];
		b = bench_create(test, &machine);
		bench_up(test);
		xen_pmu_regs_lvtpc(bench_vcpu(b), APIC_DM_NMI);
		bench_start(b, 0, START);
		model_retire(b->m, 0, false, PERIOD + 5, PERIOD);
		b->m->fail_op[XENPMU_flush] = -EIO;
		KUNIT_EXPECT_EQ(test, bench_interrupt(b, NULL), IRQ_HANDLED);
		expect_lost(test, 1, 5);
		b->m->fail_op[XENPMU_flush] = 0;
		backs[i](test, 5);
		xen_pmu_vcpu_down(&b->v[0]);
		xen_pmu_vcpu_down(&b->v[1]);
	}
}

/* With vpmu=ipc from now on, perf starts what it has opened before. */
static void lost_event_refused_late(struct kunit *test)
{
	const u64 branches = 0xc4 | (bench_cycles(test->priv) & ~0xffULL);
	struct bench *b = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(backs); i++) {
		bench_start(b, 0, 4000);
		bench_start(b, 1, 0);
		model_retire(b->m, 0, false, 77, 77);
		b->m->features = MODEL_FEATURE_IPC_ONLY;
		bench_write_unchecked(b, bench_control_msr(b, 1), branches);
		expect_stopped(test);
		expect_lost(test, i + 1, 4077);
		KUNIT_EXPECT_EQ(test, value(test, 1), 77);

		b->m->features = 0;
		backs[i](test, 4077);
		bench_stop(b, 0);
	}
}

/* ---- perf writes what no register takes, and does not ask ---- */

static void refuse(struct bench *b)
{
	bench_write_unchecked(b, bench_control_msr(b, 0),
			      bench_cycles(b) | BIT_ULL(21));
}

static void lost_unchecked_write(struct kunit *test)
{
	struct bench *b = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(backs); i++) {
		bench_start(b, 0, 3000);
		model_retire(b->m, 0, false, 33, 33);
		/* One that asks is answered, and that is all. */
		KUNIT_EXPECT_EQ(test, -EIO,
				bench_write(b, bench_control_msr(b, 0),
					    BIT_ULL(21)));
		KUNIT_EXPECT_TRUE(test, xen_pmu_available(bench_vcpu(b)));

		refuse(b);
		expect_stopped(test);
		expect_lost(test, i + 1, 3033);
		backs[i](test, 3033);
		bench_stop(b, 0);
	}
}

static bool write_fails(struct bench *b, const char *what)
{
	return !strcmp(what, "write");
}

/* A counter that counts goes on from elsewhere than perf believes. */
static void lost_counter_refused(struct kunit *test)
{
	struct bench *b = test->priv;

	bench_start(b, 0, 3000);
	b->fails = write_fails;
	bench_write_unchecked(b, bench_counter_msr(b, 0), 77);
	b->fails = NULL;
	KUNIT_EXPECT_FALSE(test, xen_pmu_available(bench_vcpu(b)));
	KUNIT_EXPECT_EQ(test, bench_vcpu(b)->value[0], 77);
}

static int refuse_in_handler(struct pt_regs *regs)
{
	struct bench *b = kunit_get_current_test()->priv;

	KUNIT_EXPECT_EQ(kunit_get_current_test(), -EIO,
			bench_write(b, bench_control_msr(b, 0), BIT_ULL(21)));
	refuse(b);
	return 1;
}

static void lost_unchecked_write_in_handler(struct kunit *test)
{
	struct bench *b = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(backs); i++) {
		bench_start(b, 0, START);
		model_retire(b->m, 0, false, PERIOD + 9, PERIOD);
		KUNIT_EXPECT_EQ(test, bench_interrupt(b, refuse_in_handler),
				IRQ_HANDLED);
		expect_lost(test, i + 1, 9);
		KUNIT_EXPECT_FALSE(test, b->m->vcpus[0].flags & MODEL_CACHED);
		backs[i](test, 9);
		bench_stop(b, 0);
	}
}

/* After the overflow, before the handler. */
static void lost_unchecked_write_while_cached(struct kunit *test)
{
	struct bench *b = test->priv;

	bench_start(b, 0, START);
	model_retire(b->m, 0, false, PERIOD + 9, PERIOD);
	refuse(b);
	/* Everything stands still until then. */
	KUNIT_EXPECT_EQ(test, b->gone[0], 0);
	bench_interrupt(b, NULL);
	expect_lost(test, 1, 9);
	back_by_proceed(test, 9);
}

/* A register of a counter that is not there: the global control's too. */
static void lost_absent_counter_enabled(struct kunit *test)
{
	struct bench *b = test->priv;

	bench_start(b, 0, 2000);
	bench_write_unchecked(b, MSR_CORE_PERF_GLOBAL_CTRL, 1 | BIT_ULL(48));
	expect_lost(test, 1, 2000);
	back_by_proceed(test, 2000);

	bench_write_unchecked(b, MSR_CORE_PERF_FIXED_CTR_CTRL,
			      0xbULL << 4 * bench_nr_fixed(b));
	KUNIT_EXPECT_FALSE(test, xen_pmu_available(bench_vcpu(b)));
	KUNIT_EXPECT_EQ(test, b->gone[0], 2);
}

/* Debug registers are not perf's alone: not a reason. */
static void lost_not_by_debugctl(struct kunit *test)
{
	struct bench *b = test->priv;

	bench_start(b, 0, 2000);
	bench_write_unchecked(b, MSR_IA32_DEBUGCTLMSR, 1);
	bench_write_unchecked(b, MSR_IA32_DS_AREA, 1);
	KUNIT_EXPECT_TRUE(test, xen_pmu_available(bench_vcpu(b)));
	expect_back(test, 2000);
}

/* ---- The mode ---- */

/* Behind our back: seen when a counter reads 0 that was not. */
static void lost_mode_off(struct kunit *test)
{
	struct bench *b = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(backs); i++) {
		bench_start(b, 0, 6000);
		bench_start(b, 1, 7000);
		model_retire(b->m, 0, false, 40, 40);
		KUNIT_EXPECT_EQ(test, value(test, 0), 6040);
		KUNIT_EXPECT_EQ(test, value(test, 1), 7040);
		model_set_mode(b->m, XENPMU_MODE_OFF);
		model_retire(b->m, 0, false, 40, 40);
		KUNIT_EXPECT_EQ(test, value(test, 0), 6040);
		expect_lost(test, i + 1, 6040);
		KUNIT_EXPECT_EQ(test, value(test, 1), 7040);

		model_set_mode(b->m, XENPMU_MODE_SELF);
		backs[i](test, 6040);
		bench_stop(b, 0);
		bench_stop(b, 1);
	}
}

/* One write that stops many, each of which would read 0. */
static void lost_mode_off_while_stopped(struct kunit *test)
{
	struct bench *b = test->priv;
	unsigned int i, n = bench_nr_counters(b);

	for (i = 0; i < n; i++)
		bench_start(b, i, 6000 + i);
	model_set_mode(b->m, XENPMU_MODE_OFF);
	if (bench_is_intel(b))
		bench_write(b, MSR_CORE_PERF_GLOBAL_CTRL, 0);
	for (i = 0; i < n; i++)
		KUNIT_EXPECT_EQ(test, value(test, i), 6000 + i);
	if (bench_is_intel(b))
		bench_write(b, MSR_CORE_PERF_GLOBAL_CTRL, BIT(n) - 1);
	expect_lost(test, 1, 6000);

	model_set_mode(b->m, XENPMU_MODE_SELF);
	back_by_proceed(test, 6000);
}

/* Saved while it is off. */
static void lost_mode_off_and_suspend(struct kunit *test)
{
	struct bench *b = test->priv;

	bench_start(b, 0, 6000);
	bench_start(b, 1, 6000);
	model_set_mode(b->m, XENPMU_MODE_OFF);
	xen_pmu_vcpu_suspend(&b->v[0]);
	KUNIT_EXPECT_LE(test, b->gone[0], 1);
	model_set_mode(b->m, XENPMU_MODE_SELF);
	KUNIT_ASSERT_EQ(test, bench_vcpu_up(b, 0), 0);
	expect_back(test, 6000);
}

/* As control.c does it: read and stopped before, proceeded after. */
static void lost_mode_off_announced(struct kunit *test)
{
	struct bench *b = test->priv;

	bench_start(b, 0, 6000);
	model_retire(b->m, 0, false, 40, 40);
	xen_pmu_lazy_pause(bench_vcpu(b));
	expect_stopped(test);
	model_set_mode(b->m, XENPMU_MODE_OFF);
	model_retire(b->m, 0, false, 40, 40);
	expect_lost(test, 0, 6040);
	model_set_mode(b->m, XENPMU_MODE_SELF);
	back_by_proceed(test, 6040);
}

static struct kunit_case lost_cases[] = {
	KUNIT_CASE_PARAM(lost_host_without_vpmu, machine_gen_params),
	KUNIT_CASE_PARAM(lost_host_with_fewer, machine_gen_params),
	KUNIT_CASE_PARAM(lost_host_with_gap, machine_gen_params),
	KUNIT_CASE_PARAM(lost_host_with_older_xen, intel_gen_params),
	KUNIT_CASE_PARAM(lost_host_with_newer_xen, machine_gen_params),
	KUNIT_CASE_PARAM(lost_host_with_other_reserved_bits, amd_gen_params),
	KUNIT_CASE_PARAM(lost_host_of_other_vendor, machine_gen_params),
	KUNIT_CASE_PARAM(lost_no_memory, machine_gen_params),
	KUNIT_CASE_PARAM(lost_no_irq, machine_gen_params),
	KUNIT_CASE_PARAM(lost_flush_refused, machine_gen_params),
	KUNIT_CASE_PARAM(lost_flush_refused_with_filter, intel_gen_params),
	KUNIT_CASE_PARAM(lost_event_refused_late, fixed_gen_params),
	KUNIT_CASE_PARAM(lost_unchecked_write, machine_gen_params),
	KUNIT_CASE_PARAM(lost_counter_refused, machine_gen_params),
	KUNIT_CASE_PARAM(lost_unchecked_write_in_handler, machine_gen_params),
	KUNIT_CASE_PARAM(lost_unchecked_write_while_cached, machine_gen_params),
	KUNIT_CASE_PARAM(lost_absent_counter_enabled, intel_gen_params),
	KUNIT_CASE_PARAM(lost_not_by_debugctl, intel_gen_params),
	KUNIT_CASE_PARAM(lost_mode_off, two_gen_params),
	KUNIT_CASE_PARAM(lost_mode_off_while_stopped, machine_gen_params),
	KUNIT_CASE_PARAM(lost_mode_off_and_suspend, two_gen_params),
	KUNIT_CASE_PARAM(lost_mode_off_announced, machine_gen_params),
	{}
};

static struct kunit_suite lost_suite = {
	.name = "xen_pmu_lost",
	.init = lost_init,
	.exit = lost_exit,
	.test_cases = lost_cases,
};

kunit_test_suite(lost_suite);
