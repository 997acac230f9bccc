// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the overflow to the flush: what the handler sees and leaves behind.
 */
#include <asm/msr-index.h>
#include <asm/perf_event.h>

#include "bench.h"

#define PERIOD	1000

/* A counter that overflows after PERIOD. */
#define START	(BIT_ULL(48) - PERIOD)

/* What x86_pmu.handle_irq does with counter 0, by the same accesses. */
static unsigned int handled;

static int handler(struct pt_regs *regs)
{
	struct bench *b = kunit_get_current_test()->priv;
	u64 val, status;

	xen_pmu_regs_lvtpc(bench_vcpu(b), APIC_DM_NMI);
	if (bench_is_intel(b)) {
		bench_read(b, MSR_CORE_PERF_GLOBAL_STATUS, &status);
		bench_write(b, MSR_CORE_PERF_GLOBAL_OVF_CTRL, status);
	}
	bench_read(b, bench_counter_msr(b, 0), &val);
	if (!(val & BIT_ULL(47))) {
		handled++;
		bench_write(b, bench_counter_msr(b, 0), START);
	}
	return 1;
}

static int interrupt_init(struct kunit *test)
{
	bench_init(test);
	bench_up(test);
	handled = 0;
	xen_pmu_regs_lvtpc(bench_vcpu(test->priv), APIC_DM_NMI);
	return 0;
}

static void interrupt_exit(struct kunit *test)
{
	struct bench *b = test->priv;

	KUNIT_EXPECT_EQ(test, b->m->hw_violation, 0);
	bench_exit(test);
}

/* Sampling: every period one interrupt, the counter goes on. */
static void interrupt_samples(struct kunit *test)
{
	struct bench *b = test->priv;
	unsigned int i;

	bench_start(b, 0, START);
	for (i = 1; i <= 20; i++) {
		model_retire(b->m, 0, false, PERIOD, PERIOD);
		KUNIT_ASSERT_TRUE(test, xen_pmu_cached(bench_vcpu(b)));
		KUNIT_ASSERT_EQ(test, IRQ_HANDLED,
				bench_interrupt(b, handler));
		KUNIT_ASSERT_EQ(test, handled, i);
		KUNIT_ASSERT_FALSE(test, xen_pmu_cached(bench_vcpu(b)));
	}
	KUNIT_EXPECT_EQ(test, b->v[0].stats.interrupts, 20);
	KUNIT_EXPECT_EQ(test, b->v[0].stats.repaired, 0);
}

/* From VIRQ to flush there is one hypercall and no trap. */
static void interrupt_costs_one_hypercall(struct kunit *test)
{
	struct bench *b = test->priv;
	struct model_stats *stats = &b->m->vcpus[0].stats;
	unsigned int op, calls = 0;

	bench_start(b, 0, START);
	model_retire(b->m, 0, false, PERIOD, PERIOD);
	model_reset_stats(b->m);
	bench_interrupt(b, handler);

	for (op = 0; op < MODEL_NR_OPS; op++)
		calls += stats->hypercalls[op];
	KUNIT_EXPECT_EQ(test, calls, 1);
	KUNIT_EXPECT_EQ(test, stats->hypercalls[XENPMU_flush], 1);
	KUNIT_EXPECT_EQ(test, stats->rdmsr + stats->wrmsr, 0);
}

/* No overflow, no page, or one interrupt inside another: nothing happens. */
static int nested(struct pt_regs *regs)
{
	struct bench *b = kunit_get_current_test()->priv;

	KUNIT_EXPECT_EQ(kunit_get_current_test(), IRQ_NONE,
			bench_interrupt(b, handler));
	return handler(regs);
}

static int as_guest(struct pt_regs *regs)
{
	struct kunit *test = kunit_get_current_test();

	KUNIT_EXPECT_EQ(test, bench_vcpu(test->priv)->guest, PERF_GUEST_ACTIVE);
	return handler(regs);
}

/* A sample of the hypervisor is a guest's, and nothing is outside the handler. */
static void interrupt_guest_state(struct kunit *test)
{
	struct bench *b = test->priv;

	b->m->mode = XENPMU_MODE_HV;
	bench_start(b, 0, START);
	model_retire(b->m, 0, true, PERIOD, PERIOD);
	KUNIT_EXPECT_EQ(test, b->v[0].guest, 0);
	KUNIT_EXPECT_EQ(test, IRQ_HANDLED,
			bench_interrupt(b, as_guest));
	KUNIT_EXPECT_EQ(test, handled, 1);
	KUNIT_EXPECT_EQ(test, b->v[0].guest, 0);

	model_retire(b->m, 0, false, PERIOD, PERIOD);
	bench_interrupt(b, handler);
	KUNIT_EXPECT_EQ(test, b->v[0].guest, 0);
}

static void interrupt_spurious(struct kunit *test)
{
	struct bench *b = test->priv;

	KUNIT_EXPECT_EQ(test, IRQ_NONE,
			bench_interrupt(b, handler));
	KUNIT_EXPECT_EQ(test, handled, 0);

	bench_start(b, 0, START);
	model_retire(b->m, 0, false, PERIOD, PERIOD);
	KUNIT_EXPECT_EQ(test, IRQ_HANDLED,
			bench_interrupt(b, nested));
	KUNIT_EXPECT_EQ(test, handled, 1);
	KUNIT_EXPECT_EQ(test, b->v[0].stats.flushes, 1);
	KUNIT_EXPECT_EQ(test, b->v[0].home, XEN_PMU_HOME_XEN);
	KUNIT_EXPECT_EQ(test, b->v[0].guest, 0);

	model_retire(b->m, 0, false, PERIOD, PERIOD);
	xen_pmu_vcpu_suspend(&b->v[0]);
	KUNIT_EXPECT_EQ(test, IRQ_NONE,
			bench_interrupt(b, handler));
	KUNIT_EXPECT_EQ(test, handled, 1);
}

/*
 * The interrupt comes late, and meanwhile perf stops the counter and starts
 * another: all of it must hold after the flush.
 */
static void interrupt_delayed(struct kunit *test)
{
	struct bench *b = test->priv;
	u64 val;

	bench_start(b, 0, START);
	model_retire(b->m, 0, false, PERIOD, PERIOD);

	bench_stop(b, 0);
	bench_start(b, 1, 5000);
	bench_read(b, bench_counter_msr(b, 1), &val);
	KUNIT_EXPECT_EQ(test, val, 5000);

	bench_interrupt(b, NULL);
	model_retire(b->m, 0, false, 300, 300);
	bench_read(b, bench_counter_msr(b, 1), &val);
	KUNIT_EXPECT_EQ(test, val, 5300);
	bench_read(b, bench_counter_msr(b, 0), &val);
	KUNIT_EXPECT_EQ(test, val, 0);
}

static void stop_all(struct bench *b)
{
	if (bench_is_intel(b))
		bench_write_unchecked(b, MSR_CORE_PERF_GLOBAL_CTRL, 0);
	else
		bench_stop(b, 0);
}

/*
 * perf stops a counter whose overflow waits, and would make no sample of it
 * afterwards: the handler comes first, and the VIRQ finds nothing.
 */
static void interrupt_before_the_stop(struct kunit *test)
{
	struct bench *b = test->priv;
	u64 val;

	b->handler = handler;
	bench_start(b, 0, START);
	model_retire(b->m, 0, false, PERIOD, PERIOD);
	bench_write(b, bench_counter_msr(b, 1), 5000);
	KUNIT_EXPECT_EQ(test, handled, 0);

	stop_all(b);
	KUNIT_EXPECT_EQ(test, handled, 1);
	KUNIT_EXPECT_FALSE(test, xen_pmu_cached(bench_vcpu(b)));
	model_retire(b->m, 0, false, PERIOD, PERIOD);
	bench_read(b, bench_counter_msr(b, 0), &val);
	KUNIT_EXPECT_EQ(test, val, START);
	bench_read(b, bench_counter_msr(b, 1), &val);
	KUNIT_EXPECT_EQ(test, val, 5000);

	KUNIT_EXPECT_EQ(test, IRQ_HANDLED, bench_interrupt(b, handler));
	KUNIT_EXPECT_EQ(test, handled, 1);
	KUNIT_EXPECT_EQ(test, b->v[0].stats.spurious, 0);
	KUNIT_EXPECT_EQ(test, IRQ_NONE, bench_interrupt(b, handler));
	KUNIT_EXPECT_EQ(test, b->v[0].stats.spurious, 1);
}

static void overflow_now(struct bench *b)
{
	b->on_trap = NULL;
	model_pmi(b->m, b->current_vcpu);
}

/* The overflow comes between the look at the flag and the trap. */
static void interrupt_races_with_write(struct kunit *test)
{
	struct bench *b = test->priv;
	u64 val;

	bench_start(b, 0, 0);
	b->on_trap = overflow_now;
	bench_start(b, 1, 7000);
	KUNIT_ASSERT_TRUE(test, xen_pmu_cached(bench_vcpu(b)));

	bench_interrupt(b, NULL);
	model_retire(b->m, 0, false, 11, 11);
	bench_read(b, bench_counter_msr(b, 1), &val);
	KUNIT_EXPECT_EQ(test, val, 7011);
}

/* At the write that stops a counter: lazily there is a read before. */
static void overflow_next(struct bench *b)
{
	b->on_trap = overflow_now;
	if (!LAZY)
		overflow_now(b);
}

/*
 * The counter is read and then, being near its overflow, stopped for good:
 * Xen takes the vPMU for stopped, and ignores the page at the flush.
 */
static void interrupt_flush_ignored(struct kunit *test)
{
	struct bench *b = test->priv;
	u64 val;

	bench_start(b, 0, START);
	b->on_trap = overflow_next;
	bench_stop(b, 0);
	KUNIT_ASSERT_TRUE(test, xen_pmu_cached(bench_vcpu(b)));
	KUNIT_ASSERT_FALSE(test, bench_vcpu(b)->running);

	bench_start(b, 1, 400);
	bench_interrupt(b, NULL);
	model_retire(b->m, 0, false, 50, 50);
	bench_read(b, bench_counter_msr(b, 1), &val);
	KUNIT_EXPECT_EQ(test, val, 450);
	bench_read(b, bench_counter_msr(b, 0), &val);
	KUNIT_EXPECT_EQ(test, val, START);
}

static void interrupt_races_with_stop(struct kunit *test)
{
	struct bench *b = test->priv;
	u64 val;

	bench_start(b, 0, 0);
	b->on_trap = overflow_now;
	bench_stop(b, 0);
	KUNIT_ASSERT_TRUE(test, xen_pmu_cached(bench_vcpu(b)));

	bench_start(b, 0, 400);
	bench_interrupt(b, NULL);
	model_retire(b->m, 0, false, 50, 50);
	bench_read(b, bench_counter_msr(b, 0), &val);
	KUNIT_EXPECT_EQ(test, val, 450);
}

static int opens_both(struct pt_regs *regs)
{
	struct bench *b = kunit_get_current_test()->priv;

	if (bench_is_intel(b))
		bench_write(b, MSR_CORE_PERF_GLOBAL_CTRL, 3);
	else
		bench_write(b, bench_control_msr(b, 1), bench_cycles(b));
	return handler(regs);
}

/*
 * Perf starts a counter by the very value that hardware never lost. On Intel
 * that is the global control's, and the page needs the counter's own all the
 * same.
 */
static void interrupt_starts_as_held(struct kunit *test)
{
	struct bench *b = test->priv;
	u64 val;

	bench_start(b, 0, START);
	bench_start(b, 1, 0);
	bench_stop(b, 1);
	if (bench_is_intel(b)) {
		bench_write(b, MSR_CORE_PERF_GLOBAL_CTRL, 1);
		bench_write(b, bench_control_msr(b, 1), bench_cycles(b));
	}
	bench_write(b, bench_counter_msr(b, 1), 100);
	KUNIT_ASSERT_EQ(test, bench_vcpu(b)->counted, LAZY ? 3 : 1);
	KUNIT_ASSERT_EQ(test, xen_pmu_running(bench_vcpu(b)), 1);

	model_retire(b->m, 0, false, PERIOD, PERIOD);
	bench_interrupt(b, opens_both);
	model_retire(b->m, 0, false, 30, 30);
	bench_read(b, bench_counter_msr(b, 1), &val);
	KUNIT_EXPECT_EQ(test, val, 130);
}

/* The vCPU is away at every trap: LVTPC is unmasked when the counter runs. */
static void interrupt_starts_while_away(struct kunit *test)
{
	struct bench *b = test->priv;

	b->on_trap = bench_take_turns;
	bench_start(b, 0, START);
	b->on_trap = NULL;

	model_retire(b->m, 0, false, PERIOD, PERIOD);
	KUNIT_EXPECT_TRUE(test, xen_pmu_cached(bench_vcpu(b)));
}

/* The same while one counter stops and another goes on. */
static void interrupt_goes_on_while_away(struct kunit *test)
{
	struct bench *b = test->priv;

	bench_start(b, 0, START);
	bench_start(b, 1, 0);
	b->on_trap = bench_take_turns;
	bench_stop(b, 1);
	xen_pmu_lazy_tidy(bench_vcpu(b));
	b->on_trap = NULL;

	model_retire(b->m, 0, false, PERIOD, PERIOD);
	KUNIT_EXPECT_TRUE(test, xen_pmu_cached(bench_vcpu(b)));
}

/* The same where one write stops and starts all there is. */
static void interrupt_switches_while_away(struct kunit *test)
{
	struct bench *b = test->priv;

	bench_start(b, 0, START);
	bench_start(b, 1, 0);
	bench_write_unchecked(b, MSR_CORE_PERF_GLOBAL_CTRL, 3);
	bench_write_unchecked(b, MSR_CORE_PERF_GLOBAL_CTRL, 0);
	KUNIT_ASSERT_EQ(test, bench_vcpu(b)->counted, 0);
	b->on_trap = bench_take_turns;
	bench_write_unchecked(b, MSR_CORE_PERF_GLOBAL_CTRL, 3);
	b->on_trap = NULL;

	model_retire(b->m, 0, false, PERIOD, PERIOD);
	KUNIT_EXPECT_TRUE(test, xen_pmu_cached(bench_vcpu(b)));
}

static void overflow_midway(struct xen_model *m)
{
	m->midway = NULL;
	model_retire(m, 0, false, PERIOD, PERIOD);
}

static void overflow_at_trap(struct bench *b)
{
	b->on_trap = NULL;
	model_retire(b->m, 0, false, PERIOD, PERIOD);
}

/*
 * While an event select is written Xen looks at the global control, which an
 * overflow has cleared: the flush is ignored, and the vCPU away meanwhile.
 */
static void interrupt_flag_lost(struct kunit *test)
{
	struct bench *b = test->priv;

	bench_start(b, 0, START);
	bench_write(b, bench_counter_msr(b, 1), 0);
	if (bench_is_intel(b))
		bench_write(b, MSR_CORE_PERF_GLOBAL_CTRL, 3);
	b->m->midway = overflow_midway;
	bench_write(b, bench_control_msr(b, 1), bench_cycles(b));
	KUNIT_ASSERT_TRUE(test, xen_pmu_cached(bench_vcpu(b)));

	b->on_trap = bench_take_turns;
	bench_interrupt(b, handler);
	b->on_trap = NULL;
	KUNIT_EXPECT_EQ(test, handled, 1);
	model_retire(b->m, 0, false, PERIOD, PERIOD);
	KUNIT_EXPECT_TRUE(test, xen_pmu_cached(bench_vcpu(b)));
}

/* An event that is not an architectural one, and disabled */
static int changes_event(struct pt_regs *regs)
{
	struct bench *b = kunit_get_current_test()->priv;

	return bench_write(b, bench_control_msr(b, 0),
			   ARCH_PERFMON_EVENTSEL_USR | 0x1c2);
}

/* Xen ignores the page, and refuses the event: the one before it is off, too. */
static void interrupt_event_refused(struct kunit *test)
{
	struct bench *b = test->priv;

	b->m->features = MODEL_FEATURE_ARCH_ONLY;
	bench_start(b, 0, START);
	bench_write(b, bench_counter_msr(b, 1), 0);
	if (bench_is_intel(b))
		bench_write(b, MSR_CORE_PERF_GLOBAL_CTRL, 3);
	b->m->midway = overflow_midway;
	bench_write(b, bench_control_msr(b, 1), bench_cycles(b));
	KUNIT_ASSERT_TRUE(test, xen_pmu_cached(bench_vcpu(b)));
	KUNIT_ASSERT_EQ(test, bench_vcpu(b)->running, !bench_is_intel(b));

	bench_interrupt(b, changes_event);
	KUNIT_EXPECT_EQ(test, b->v[0].home, XEN_PMU_HOME_XEN);
	KUNIT_EXPECT_EQ(test, model_hw_of(b->m, 0)->control[0] &
			      ARCH_PERFMON_EVENTSEL_ENABLE, 0);
}

static void expect_handled_in_the_stop(struct kunit *test)
{
	struct bench *b = test->priv;

	b->handler = handler;
	b->on_trap = overflow_at_trap;
	stop_all(b);
	KUNIT_EXPECT_PTR_EQ(test, b->on_trap, NULL);
	KUNIT_EXPECT_EQ(test, handled, 1);
	KUNIT_EXPECT_FALSE(test, xen_pmu_cached(bench_vcpu(b)));
}

/* The same with an overflow in the middle of the access that stops it. */
static void interrupt_in_the_stop(struct kunit *test)
{
	struct bench *b = test->priv;

	bench_start(b, 0, START);
	expect_handled_in_the_stop(test);
}

/* And where one write stops all there is. */
static void interrupt_in_the_stop_of_two(struct kunit *test)
{
	struct bench *b = test->priv;

	bench_start(b, 0, START);
	bench_start(b, 1, 0);
	bench_write_unchecked(b, MSR_CORE_PERF_GLOBAL_CTRL, 0);
	bench_write_unchecked(b, MSR_CORE_PERF_GLOBAL_CTRL, 3);
	KUNIT_ASSERT_EQ(test, bench_vcpu(b)->counted, 3);
	expect_handled_in_the_stop(test);
}

/* And of one of several that have a control in common. */
static void interrupt_in_the_stop_of_one_fixed(struct kunit *test)
{
	struct bench *b = test->priv;

	if (bench_nr_fixed(b) < 2)
		return;

	b->handler = handler;
	bench_write(b, MSR_CORE_PERF_FIXED_CTR0, START);
	bench_write(b, MSR_CORE_PERF_FIXED_CTR_CTRL, 0xbb);
	bench_write(b, MSR_CORE_PERF_GLOBAL_CTRL, BIT_ULL(32) | BIT_ULL(33));
	model_retire(b->m, 0, false, PERIOD, PERIOD);
	KUNIT_ASSERT_TRUE(test, xen_pmu_cached(bench_vcpu(b)));
	bench_write(b, MSR_CORE_PERF_FIXED_CTR_CTRL, 0xb0);
	KUNIT_EXPECT_EQ(test, handled, 1);
	KUNIT_EXPECT_FALSE(test, xen_pmu_cached(bench_vcpu(b)));
}

/* What is stopped near its overflow does not count when another starts. */
static void interrupt_not_of_what_is_stopped(struct kunit *test)
{
	struct bench *b = test->priv;
	u64 val;

	bench_start(b, 0, START);
	bench_start(b, 1, 0);
	bench_write_unchecked(b, MSR_CORE_PERF_GLOBAL_CTRL, 0);
	bench_write(b, bench_control_msr(b, 0),
		    bench_cycles(b) & ~ARCH_PERFMON_EVENTSEL_ENABLE);
	bench_write_unchecked(b, MSR_CORE_PERF_GLOBAL_CTRL, 3);

	model_retire(b->m, 0, false, 2 * PERIOD, 2 * PERIOD);
	KUNIT_EXPECT_FALSE(test, xen_pmu_cached(bench_vcpu(b)));
	bench_read(b, bench_counter_msr(b, 0), &val);
	KUNIT_EXPECT_EQ(test, val, START);
	bench_read(b, bench_counter_msr(b, 1), &val);
	KUNIT_EXPECT_EQ(test, val, 2 * PERIOD);
}

/* What is saved before its VIRQ came has its sample, too. */
static void interrupt_before_the_save(struct kunit *test)
{
	struct bench *b = test->priv;

	b->handler = handler;
	bench_start(b, 0, START);
	model_retire(b->m, 0, false, PERIOD, PERIOD);
	xen_pmu_vcpu_suspend(&b->v[0]);
	KUNIT_EXPECT_EQ(test, handled, 1);
	KUNIT_EXPECT_EQ(test, b->v[0].value[0], START);
}

static void loose_overflow(struct bench *b)
{
	b->on_trap = NULL;
	if (bench_is_intel(b))
		model_hw_of(b->m, 0)->global_status |= 1;
	model_pmi(b->m, 0);
}

/* Perf has stopped the counter: its overflow is nobody's. */
static void interrupt_of_loose_while_tidied(struct kunit *test)
{
	struct bench *b = test->priv;
	u64 val = 0;

	bench_start(b, 0, 77);
	bench_stop(b, 0);
	KUNIT_ASSERT_EQ(test, xen_pmu_loose(bench_vcpu(b)), LAZY);
	b->on_trap = loose_overflow;
	xen_pmu_lazy_tidy(bench_vcpu(b));
	b->on_trap = NULL;
	KUNIT_ASSERT_EQ(test, xen_pmu_cached(bench_vcpu(b)), LAZY);

	if (bench_is_intel(b))
		bench_read(b, MSR_CORE_PERF_GLOBAL_STATUS, &val);
	KUNIT_EXPECT_EQ(test, val, 0);
	bench_read(b, bench_counter_msr(b, 0), &val);
	KUNIT_EXPECT_EQ(test, val, 77);
}

/* What Xen put into the page is from before the write that starts another one. */
static void interrupt_of_loose_before_a_start(struct kunit *test)
{
	struct bench *b = test->priv;
	u64 val = 0;

	bench_start(b, 0, 77);
	bench_write(b, bench_counter_msr(b, 1), 0);
	bench_write(b, bench_control_msr(b, 1), bench_cycles(b));
	bench_write_unchecked(b, MSR_CORE_PERF_GLOBAL_CTRL, 0);
	KUNIT_ASSERT_EQ(test, xen_pmu_loose(bench_vcpu(b)), LAZY);
	b->on_trap = loose_overflow;
	bench_write_unchecked(b, MSR_CORE_PERF_GLOBAL_CTRL, 2);
	b->on_trap = NULL;
	KUNIT_ASSERT_TRUE(test, xen_pmu_cached(bench_vcpu(b)));

	bench_interrupt(b, handler);
	model_retire(b->m, 0, false, PERIOD, PERIOD);
	bench_read(b, bench_counter_msr(b, 1), &val);
	KUNIT_EXPECT_EQ(test, val, PERIOD);
}

static void retire_in_xen(struct bench *b)
{
	model_retire(b->m, 0, true, 50, 50);
}

/* A write that stops one counter and starts another, whose control is new. */
static void interrupt_starts_with_new_control(struct kunit *test)
{
	struct bench *b = test->priv;
	u64 val;

	bench_start(b, 0, START);
	bench_start(b, 1, 0);
	bench_write(b, MSR_CORE_PERF_FIXED_CTR0, 0);
	bench_write(b, MSR_CORE_PERF_FIXED_CTR_CTRL, 0xb);
	bench_write(b, MSR_CORE_PERF_GLOBAL_CTRL, BIT_ULL(32) | 3);
	bench_write(b, MSR_CORE_PERF_GLOBAL_CTRL, 0);
	KUNIT_ASSERT_EQ(test, bench_vcpu(b)->counted, 0);
	bench_write(b, MSR_CORE_PERF_FIXED_CTR_CTRL, 0xa);
	bench_write(b, MSR_CORE_PERF_GLOBAL_CTRL, 1);

	b->after_trap = retire_in_xen;
	bench_write(b, MSR_CORE_PERF_GLOBAL_CTRL, BIT_ULL(32));
	b->after_trap = NULL;
	bench_read(b, MSR_CORE_PERF_FIXED_CTR0, &val);
	KUNIT_EXPECT_EQ(test, val, 0);
}

/* The interrupt comes when nothing runs any more, and Xen ignores the page. */
static void interrupt_after_the_last_stop(struct kunit *test)
{
	struct bench *b = test->priv;

	bench_start(b, 0, START);
	bench_stop(b, 0);
	KUNIT_ASSERT_FALSE(test, bench_vcpu(b)->running);
	if (bench_is_intel(b))
		model_hw_of(b->m, 0)->global_status = 1;
	model_pmi(b->m, 0);

	KUNIT_EXPECT_EQ(test, IRQ_HANDLED, bench_interrupt(b, handler));
	KUNIT_EXPECT_FALSE(test, xen_pmu_cached(bench_vcpu(b)));
	KUNIT_EXPECT_EQ(test, model_hw_of(b->m, 0)->global_status, 0);
}

/* Stopping one counter must not cost the others their counts. */
static void interrupt_stop_one_of_two(struct kunit *test)
{
	struct bench *b = test->priv;
	u64 val;

	bench_start(b, 0, 0);
	bench_start(b, 1, 0);
	model_retire(b->m, 0, false, 100, 100);
	bench_stop(b, 0);

	/* Both vCPUs take turns on one physical CPU. */
	bench_take_turns(b);
	model_retire(b->m, 0, false, 100, 100);

	bench_read(b, bench_counter_msr(b, 1), &val);
	KUNIT_EXPECT_EQ(test, val, 200);
	bench_read(b, bench_counter_msr(b, 0), &val);
	KUNIT_EXPECT_EQ(test, val, 100);
}

static int expects_own_control(struct pt_regs *regs)
{
	struct kunit *test = kunit_get_current_test();
	struct bench *b = test->priv;
	u64 val;

	bench_read(b, bench_control_msr(b, 0), &val);
	KUNIT_EXPECT_EQ(test, val, bench_cycles(b) | b->machine->cfg.ctrl_boot);
	return 1;
}

/* Controls in the page are not believed, and repaired if Xen refuses them. */
static void interrupt_hostile_controls(struct kunit *test)
{
	struct bench *b = test->priv;
	struct xen_pmu_vcpu *v = bench_vcpu(b);
	unsigned int reg;
	u64 val;

	bench_start(b, 0, 0);
	model_pmi(b->m, 0);
	for (reg = 0; reg < XEN_PMU_NR_REGS; reg++)
		if (b->pmu.reg[reg].slot &&
		    b->pmu.reg[reg].type == XEN_PMU_TYPE_CONTROL)
			*(u64 *)((void *)v->page + b->pmu.reg[reg].slot) = ~0ULL;

	expects_own_control(NULL);
	bench_interrupt(b, expects_own_control);
	KUNIT_EXPECT_EQ(test, v->stats.repaired, 1);
	model_retire(b->m, 0, false, 60, 60);
	bench_read(b, bench_counter_msr(b, 0), &val);
	KUNIT_EXPECT_EQ(test, val, 60);
}

/* All registers are scribbled over: repaired, counted, and it goes on. */
static void interrupt_hostile_page(struct kunit *test)
{
	struct bench *b = test->priv;
	struct xen_pmu_vcpu *v = bench_vcpu(b);
	unsigned int reg;
	u64 val;

	bench_start(b, 0, 0);
	model_pmi(b->m, 0);
	for (reg = 0; reg < XEN_PMU_NR_REGS; reg++)
		if (b->pmu.reg[reg].slot)
			*(u64 *)((void *)v->page + b->pmu.reg[reg].slot) = ~0ULL;

	bench_read(b, bench_counter_msr(b, 0), &val);
	KUNIT_EXPECT_EQ(test, val, BIT_ULL(48) - 1);
	bench_write(b, bench_counter_msr(b, 0), 0);
	bench_interrupt(b, NULL);
	KUNIT_EXPECT_EQ(test, v->home, XEN_PMU_HOME_XEN);
	KUNIT_EXPECT_EQ(test, v->stats.repaired, 1);
	model_retire(b->m, 0, false, 60, 60);
	bench_read(b, bench_counter_msr(b, 0), &val);
	KUNIT_EXPECT_EQ(test, val, 60);
}

/* Xen refuses once. */
static void interrupt_flush_refused_once(struct kunit *test)
{
	struct bench *b = test->priv;
	u64 val;

	bench_start(b, 0, START);
	model_retire(b->m, 0, false, PERIOD, PERIOD);
	b->m->fail_op[XENPMU_flush] = -EIO;
	b->m->fail_once = BIT(XENPMU_flush);
	KUNIT_EXPECT_EQ(test, IRQ_HANDLED,
			bench_interrupt(b, handler));
	KUNIT_EXPECT_EQ(test, b->v[0].stats.repaired, 1);
	KUNIT_EXPECT_EQ(test, b->v[0].stats.lost, 0);

	model_retire(b->m, 0, false, 10, 10);
	bench_read(b, bench_counter_msr(b, 0), &val);
	KUNIT_EXPECT_EQ(test, val, START + 10);
}

/* Xen refuses for good: the registers are readable, nothing traps. */
static void interrupt_flush_refused(struct kunit *test)
{
	struct bench *b = test->priv;
	unsigned long traps;
	u64 val;

	bench_start(b, 0, START);
	model_retire(b->m, 0, false, PERIOD, PERIOD);
	b->m->fail_op[XENPMU_flush] = -EIO;
	KUNIT_EXPECT_EQ(test, IRQ_HANDLED,
			bench_interrupt(b, handler));
	KUNIT_EXPECT_EQ(test, b->v[0].stats.lost, 1);
	KUNIT_EXPECT_EQ(test, b->v[0].home, XEN_PMU_HOME_SAVED);

	traps = b->m->vcpus[0].stats.rdmsr + b->m->vcpus[0].stats.wrmsr;
	bench_read(b, bench_counter_msr(b, 0), &val);
	KUNIT_EXPECT_EQ(test, val, START);
	bench_stop(b, 0);
	KUNIT_EXPECT_EQ(test, traps, b->m->vcpus[0].stats.rdmsr +
				     b->m->vcpus[0].stats.wrmsr);

	/* Hotplug or suspend and resume bring it back. */
	b->m->fail_op[XENPMU_flush] = 0;
	xen_pmu_vcpu_suspend(&b->v[0]);
	KUNIT_ASSERT_EQ(test, bench_vcpu_up(b, 0), 0);
	bench_start(b, 0, 0);
	model_retire(b->m, 0, false, 10, 10);
	bench_read(b, bench_counter_msr(b, 0), &val);
	KUNIT_EXPECT_EQ(test, val, 10);
}

/* LVTPC written in the handler goes with the flush. */
static void interrupt_lvtpc_in_page(struct kunit *test)
{
	struct bench *b = test->priv;

	bench_start(b, 0, START);
	model_retire(b->m, 0, false, PERIOD, PERIOD);
	model_reset_stats(b->m);
	xen_pmu_regs_lvtpc(bench_vcpu(b), APIC_DM_NMI | APIC_LVT_MASKED);
	KUNIT_EXPECT_EQ(test, 0,
			b->m->vcpus[0].stats.hypercalls[XENPMU_lvtpc_set]);
	bench_interrupt(b, NULL);
	KUNIT_EXPECT_EQ(test, model_hw_of(b->m, 0)->lvtpc & APIC_LVT_MASKED,
			APIC_LVT_MASKED);
}

static void at_each_trap(struct bench *b)
{
	model_retire(b->m, b->current_vcpu, false, 200, 100);
}

static void start_together(struct bench *b, unsigned int n)
{
	unsigned int i;

	bench_write(b, MSR_CORE_PERF_GLOBAL_CTRL, 0);
	for (i = 0; i < n; i++) {
		bench_write(b, bench_counter_msr(b, i), 1000);
		bench_write(b, bench_control_msr(b, i), bench_cycles(b));
	}
	bench_write(b, MSR_CORE_PERF_GLOBAL_CTRL, BIT_ULL(n) - 1);
}

static void stop_together(struct bench *b, unsigned int n)
{
	unsigned int i;

	bench_write(b, MSR_CORE_PERF_GLOBAL_CTRL, 0);
	for (i = 0; i < n; i++)
		bench_stop(b, i);
}

/*
 * Counters that one write starts and stops have one value, however many traps
 * it took: fresh, with one of them left loose, and after all were tidied away.
 */
static void interrupt_groups_are_one(struct kunit *test)
{
	struct bench *b = test->priv;
	unsigned int n = min(bench_nr_counters(b), 4u), round, i;
	u64 first, val;

	b->on_trap = at_each_trap;
	for (round = 0; round < 4; round++) {
		start_together(b, n);
		stop_together(b, n);
		bench_read(b, bench_counter_msr(b, 0), &first);
		KUNIT_EXPECT_GT(test, first, 1000);
		for (i = 1; i < n; i++) {
			bench_read(b, bench_counter_msr(b, i), &val);
			KUNIT_EXPECT_EQ_MSG(test, val, first,
					    "counter %u, round %u", i, round);
		}

		if (round % 2) {
			xen_pmu_lazy_tidy(bench_vcpu(b));
			continue;
		}
		start_together(b, 1);
		stop_together(b, 1);
	}
}

static struct kunit_case interrupt_cases[] = {
	KUNIT_CASE_PARAM(interrupt_groups_are_one, intel_gen_params),
	KUNIT_CASE_PARAM(interrupt_samples, machine_gen_params),
	KUNIT_CASE_PARAM(interrupt_costs_one_hypercall, machine_gen_params),
	KUNIT_CASE_PARAM(interrupt_spurious, machine_gen_params),
	KUNIT_CASE_PARAM(interrupt_guest_state, machine_gen_params),
	KUNIT_CASE_PARAM(interrupt_delayed, two_gen_params),
	KUNIT_CASE_PARAM(interrupt_before_the_stop, two_gen_params),
	KUNIT_CASE_PARAM(interrupt_in_the_stop, machine_gen_params),
	KUNIT_CASE_PARAM(interrupt_in_the_stop_of_two, fixed_gen_params),
	KUNIT_CASE_PARAM(interrupt_in_the_stop_of_one_fixed, fixed_gen_params),
	KUNIT_CASE_PARAM(interrupt_not_of_what_is_stopped, fixed_gen_params),
	KUNIT_CASE_PARAM(interrupt_before_the_save, machine_gen_params),
	KUNIT_CASE_PARAM(interrupt_races_with_write, two_gen_params),
	KUNIT_CASE_PARAM(interrupt_races_with_stop, machine_gen_params),
	KUNIT_CASE_PARAM(interrupt_flush_ignored, two_gen_params),
	KUNIT_CASE_PARAM(interrupt_starts_as_held, two_gen_params),
	KUNIT_CASE_PARAM(interrupt_starts_while_away, machine_gen_params),
	KUNIT_CASE_PARAM(interrupt_goes_on_while_away, machine_gen_params),
	KUNIT_CASE_PARAM(interrupt_switches_while_away, fixed_gen_params),
	KUNIT_CASE_PARAM(interrupt_flag_lost, two_gen_params),
	KUNIT_CASE_PARAM(interrupt_event_refused, two_gen_params),
	KUNIT_CASE_PARAM(interrupt_of_loose_while_tidied, machine_gen_params),
	KUNIT_CASE_PARAM(interrupt_of_loose_before_a_start, fixed_gen_params),
	KUNIT_CASE_PARAM(interrupt_starts_with_new_control, fixed_gen_params),
	KUNIT_CASE_PARAM(interrupt_after_the_last_stop, machine_gen_params),
	KUNIT_CASE_PARAM(interrupt_stop_one_of_two, two_gen_params),
	KUNIT_CASE_PARAM(interrupt_hostile_controls, machine_gen_params),
	KUNIT_CASE_PARAM(interrupt_hostile_page, machine_gen_params),
	KUNIT_CASE_PARAM(interrupt_flush_refused_once, machine_gen_params),
	KUNIT_CASE_PARAM(interrupt_flush_refused, machine_gen_params),
	KUNIT_CASE_PARAM(interrupt_lvtpc_in_page, machine_gen_params),
	{}
};

static struct kunit_suite interrupt_suite = {
	.name = "xen_pmu_interrupt",
	.init = interrupt_init,
	.exit = interrupt_exit,
	.test_cases = interrupt_cases,
};

kunit_test_suite(interrupt_suite);
