// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything that is asked of Xen and of Linux can be refused, at every place:
 * each call of a vCPU's life in turn, and two of them together.
 *
 * Whatever fails, a counter that is shown as running counts, and to the last
 * event; one that cannot is on a vCPU without its PMU, and stands still. If Xen
 * does not let it be read, then where it was when perf looked last. Nothing
 * is freed that Xen still has, and nothing is left. When the faults are over,
 * the vCPU gets its PMU back.
 */
#include <linux/moduleparam.h>
#include <linux/prandom.h>
#include <linux/random.h>

#include <asm/msr-index.h>

#include "bench.h"

static unsigned long pairs = 300;
module_param(pairs, ulong, 0444);
MODULE_PARM_DESC(pairs, "random pairs of faults on each machine");

#define NEVER	(~0UL)
#define PERIOD	1000
#define START	(BIT_ULL(48) - PERIOD)
#define NR_ON	2

/**
 * struct faulty - a vCPU's life with faults
 * @test: the test
 * @b: its bench
 * @calls: how many so far
 * @fail: which of them are refused
 * @nr: how many counters the machine lets a program have of @at
 * @at: where the program's counters stand
 * @seen: where they stood when perf looked last
 * @started: which of them the program has used
 * @on: which of them run
 * @samples: overflows that were handled
 * @refused: what was
 * @over: no more of it
 * @bad: an expectation did not hold
 */
struct faulty {
	struct kunit *test;
	struct bench *b;
	unsigned long calls;
	unsigned long fail[2];
	unsigned int nr;
	u64 at[NR_ON];
	u64 seen[NR_ON];
	bool started[NR_ON];
	bool on[NR_ON];
	unsigned int samples;
	const char *refused[2];
	bool over;
	bool bad;
};

static struct faulty *faulty;

static bool fails(struct bench *b, const char *what)
{
	unsigned long call = faulty->calls++;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		if (faulty->over || call != faulty->fail[i])
			continue;
		faulty->refused[i] = what;
		return true;
	}
	return false;
}

/* What follows the first is of no use. */
static void expect(struct faulty *f, bool holds, const char *what)
{
	if (f->bad)
		return;
	f->bad = !holds;
	KUNIT_EXPECT_TRUE_MSG(f->test, holds, "%s; %s and %s refused at %ld, %ld", what,
			      f->refused[0], f->refused[1], f->fail[0], f->fail[1]);
}

static struct xen_pmu_vcpu *vcpu(const struct faulty *f)
{
	return &f->b->v[0];
}

/* ---- A perf of two counters; it does not ask whether a write was taken ---- */

static void write(struct faulty *f, u32 msr, u64 val)
{
	if (xen_pmu_decode(&f->b->map, msr))
		bench_write_unchecked(f->b, msr, val);
}

static u64 read(struct faulty *f, u32 msr)
{
	u8 entry = xen_pmu_decode(&f->b->map, msr);

	return entry ? xen_pmu_vcpu_read(vcpu(f), msr, entry, NULL) : 0;
}

/* A fault at boot hides what did not answer. */
static unsigned int nr_shown(const struct faulty *f)
{
	const struct xen_pmu_map *map = &f->b->map;
	unsigned int n, end = min_t(unsigned int, bench_nr_counters(f->b), NR_ON);

	for (n = 0; n < end; n++)
		if (!xen_pmu_decode(map, bench_counter_msr(f->b, n)) ||
		    !xen_pmu_decode(map, bench_control_msr(f->b, n)))
			break;
	return n;
}

static void enable(struct faulty *f, bool on)
{
	u64 global = 0;
	unsigned int i;

	for (i = 0; on && i < f->nr; i++)
		global |= (u64)f->on[i] << i;
	if (bench_is_intel(f->b))
		write(f, MSR_CORE_PERF_GLOBAL_CTRL, global);
}

static void start(struct faulty *f, unsigned int i, u64 value)
{
	if (i >= f->nr)
		return;

	enable(f, false);
	write(f, bench_counter_msr(f->b, i), value);
	write(f, bench_control_msr(f->b, i), bench_cycles(f->b));
	f->at[i] = value;
	f->seen[i] = value;
	f->started[i] = true;
	f->on[i] = true;
	enable(f, true);
}

static bool may_be_behind(const struct faulty *f)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		if (f->refused[i] && !strcmp(f->refused[i], "read"))
			return !xen_pmu_available(vcpu(f));

	return false;
}

static void look(struct faulty *f)
{
	unsigned int i;
	u64 val;

	for (i = 0; i < f->nr && !f->bad; i++) {
		if (!f->started[i])
			continue;
		val = i ? read(f, bench_counter_msr(f->b, i))
			: xen_pmu_vcpu_pmc(vcpu(f), 0);
		if (may_be_behind(f) && val >= f->seen[i] && val < f->at[i])
			f->at[i] = val;
		f->seen[i] = val;
		f->bad = val != f->at[i];
		KUNIT_EXPECT_EQ_MSG(f->test, val, f->at[i],
				    "counter %u; %s and %s refused at %ld, %ld", i,
				    f->refused[0], f->refused[1], f->fail[0], f->fail[1]);
	}
}

static void stop(struct faulty *f, unsigned int i)
{
	if (i >= f->nr)
		return;

	enable(f, false);
	write(f, bench_control_msr(f->b, i),
	      bench_cycles(f->b) & ~ARCH_PERFMON_EVENTSEL_ENABLE);
	f->on[i] = false;
	look(f);
	enable(f, true);
}

static int handler(struct pt_regs *regs)
{
	struct faulty *f = faulty;
	u64 status;

	xen_pmu_regs_lvtpc(vcpu(f), APIC_DM_NMI);
	if (bench_is_intel(f->b)) {
		status = read(f, MSR_CORE_PERF_GLOBAL_STATUS);
		write(f, MSR_CORE_PERF_GLOBAL_OVF_CTRL, status);
	}
	look(f);
	if (f->on[0] && !(f->at[0] & BIT_ULL(47))) {
		write(f, bench_counter_msr(f->b, 0), START);
		f->at[0] = START;
		f->seen[0] = START;
		f->samples++;
	}
	return 1;
}

/* What is shown as running ran; if a period ended, somebody hears of it. */
static void run(struct faulty *f, u64 n)
{
	struct model_vcpu *mv = &f->b->m->vcpus[0];
	bool counts = xen_pmu_available(vcpu(f));
	unsigned int i;
	bool ended = false;

	for (i = 0; counts && i < f->nr; i++) {
		if (!f->on[i])
			continue;
		ended |= f->at[i] + n >= BIT_ULL(48);
		f->at[i] = (f->at[i] + n) & GENMASK_ULL(47, 0);
	}
	model_retire(f->b->m, 0, false, n, n);
	if (!counts || !ended)
		return;

	expect(f, mv->virq_pending, "an overflow raises the interrupt");
	mv->virq_pending = 0;
	expect(f, bench_interrupt(f->b, handler) == IRQ_HANDLED,
	       "the interrupt is handled");
}

/* ---- A life ---- */

static void live(struct faulty *f)
{
	struct xen_pmu_vcpu *v = vcpu(f);
	struct bench *b = f->b;

	if (bench_vcpu_up(b, 0))
		return;
	f->nr = nr_shown(f);
	xen_pmu_regs_lvtpc(v, APIC_DM_NMI);

	start(f, 0, 1000);
	run(f, 500);
	look(f);
	start(f, 1, 7);
	run(f, 20);
	stop(f, 1);
	run(f, 30);
	look(f);

	stop(f, 0);
	bench_take_turns(b);
	start(f, 0, START);
	run(f, PERIOD);
	run(f, 100);
	start(f, 1, 40);
	run(f, PERIOD);
	look(f);

	xen_pmu_lazy_pause(v);
	look(f);
	xen_pmu_lazy_proceed(v);
	run(f, 50);
	look(f);

	xen_pmu_vcpu_suspend(v);
	look(f);
	bench_vcpu_up(b, 0);
	run(f, 60);
	look(f);
	stop(f, 0);
	stop(f, 1);
	xen_pmu_lazy_tidy(v);
	start(f, 1, START);
	run(f, 10);
	look(f);
}

/* Xen may keep what it does not want to give up: then nothing can be had anew. */
static void come_back(struct faulty *f)
{
	struct bench *b = f->b;
	struct xen_pmu_vcpu *v = vcpu(f);
	bool kept;
	int err;

	f->over = true;
	xen_pmu_vcpu_down(v);
	kept = b->m->vcpus[0].page;
	err = bench_vcpu_up(b, 0);
	expect(f, err == (kept ? -EEXIST : 0), "the vCPU gets its PMU again");
	if (err)
		return;

	memset(f->on, 0, sizeof(f->on));
	memset(f->at, 0, sizeof(f->at));
	memset(f->seen, 0, sizeof(f->seen));
	f->nr = nr_shown(f);
	f->samples = 0;
	xen_pmu_regs_lvtpc(v, APIC_DM_NMI);
	start(f, 0, START);
	run(f, 300);
	look(f);
	run(f, PERIOD);
	expect(f, f->samples == !!f->nr, "it samples");
	look(f);
	xen_pmu_vcpu_down(v);
}

static void expect_nothing_left(struct faulty *f)
{
	const char *left = bench_left_behind(f->b);

	expect(f, !left, left);
	expect(f, !f->b->m->hw_violation, "Xen lives");
}

/* The module does not touch any more what Xen has kept; somebody is to free it. */
static void take_from_xen(struct bench *b)
{
	struct xen_pmu_data *page = b->m->vcpus[0].page;

	b->m->vcpus[0].page = NULL;
	if (page)
		xen_pmu_free_page(page);
}

/* Returns how many calls it was. */
static unsigned long life(struct kunit *test, unsigned long first, unsigned long second)
{
	struct bench *b = test->priv;
	struct faulty f = {
		.test = test,
		.b = b,
		.fail = { first, second },
	};
	unsigned long calls;

	bench_move(b, test, b->machine);
	bench_forget(b);
	faulty = &f;
	b->fails = fails;
	live(&f);
	calls = f.calls;
	come_back(&f);
	take_from_xen(b);
	expect_nothing_left(&f);
	b->fails = NULL;
	return calls;
}

static void fault_none(struct kunit *test)
{
	KUNIT_EXPECT_GT(test, life(test, NEVER, NEVER), 20UL);
}

static void fault_each(struct kunit *test)
{
	unsigned long calls = life(test, NEVER, NEVER), i;

	for (i = 0; i < calls; i++)
		life(test, i, NEVER);
}

/* What is tried again is refused again. */
static void fault_twice(struct kunit *test)
{
	unsigned long calls = life(test, NEVER, NEVER), i;

	for (i = 0; i < calls; i++)
		life(test, i, i + 1);
}

static void fault_pairs(struct kunit *test)
{
	unsigned long calls = life(test, NEVER, NEVER), i;
	struct rnd_state rnd;
	u64 seed = get_random_u64();

	kunit_info(test, "seed %llu\n", seed);
	prandom_seed_state(&rnd, seed);
	for (i = 0; i < pairs; i++)
		life(test, prandom_u32_state(&rnd) % calls,
		     prandom_u32_state(&rnd) % calls);
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(fault_none, machine_gen_params),
	KUNIT_CASE_PARAM(fault_each, machine_gen_params),
	KUNIT_CASE_PARAM(fault_twice, machine_gen_params),
	KUNIT_CASE_PARAM(fault_pairs, machine_gen_params),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "xen_pmu_fault",
	.init = bench_init,
	.exit = bench_exit,
	.test_cases = cases,
};

kunit_test_suite(fault_suite);
