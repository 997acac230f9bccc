// SPDX-License-Identifier: GPL-2.0-only
/*
 * The register file puts off what hardware need not know. Perf must not see
 * it: random accesses, counting, vCPU switches, overflows and interrupts at any
 * point, also in the middle of a trap, give what a PMU gives that does
 * everything at once.
 */
#include <linux/moduleparam.h>
#include <linux/prandom.h>
#include <linux/random.h>

#include <asm/msr-index.h>
#include <asm/perf_event.h>

#include "bench.h"

static unsigned long accesses = 1000000;
module_param(accesses, ulong, 0444);
MODULE_PARM_DESC(accesses, "random accesses on each machine and seed");

static unsigned long long repeat;
module_param(repeat, ullong, 0444);
MODULE_PARM_DESC(repeat, "seed to run instead of a fresh one");

#define FIXED_SEED	20150814ULL
#define WIDTH		GENMASK_ULL(47, 0)

/* A PMU that does everything at once, and stands still after an overflow. */
struct plain {
	bool intel;
	unsigned int nr_general;
	unsigned int nr_fixed;
	u64 counter[8];
	u64 control[8];
	u64 fixed[3];
	u64 fixed_ctrl;
	u64 global_ctrl;
	u64 status;
	bool frozen;
};

struct run {
	struct kunit *test;
	struct bench *b;
	struct plain p;
	struct rnd_state rnd;
	unsigned long left;
	unsigned long step;
	u64 seed;
	unsigned int trap;
	u32 insns;
	bool in_xen;
	bool tearing;
	bool torn;
};

static u32 roll(struct run *r, u32 n)
{
	return prandom_u32_state(&r->rnd) % n;
}

static bool plain_enabled(const struct plain *p, unsigned int i)
{
	return p->control[i] & ARCH_PERFMON_EVENTSEL_ENABLE &&
	       (!p->intel || p->global_ctrl & BIT_ULL(i));
}

static bool plain_fixed_enabled(const struct plain *p, unsigned int i)
{
	return p->fixed_ctrl >> (4 * i) & 3 && p->global_ctrl & BIT_ULL(32 + i);
}

static void plain_add(struct plain *p, u64 *counter, u64 n, unsigned int bit)
{
	u64 sum = *counter + n;

	*counter = sum & WIDTH;
	if (sum > WIDTH) {
		p->status |= BIT_ULL(bit);
		p->frozen = true;
	}
}

static u64 plain_events(const struct plain *p, u64 control, bool in_xen,
			u64 cycles, u64 insns)
{
	u64 side = in_xen ? ARCH_PERFMON_EVENTSEL_OS : ARCH_PERFMON_EVENTSEL_USR;

	if (!(control & side))
		return 0;
	if ((control & 0xff) == (p->intel ? 0x3c : 0x76))
		return cycles;
	return (control & 0xff) == 0xc0 ? insns : 0;
}

static void plain_retire(struct plain *p, bool in_xen, u64 cycles, u64 insns)
{
	unsigned int i;

	if (p->frozen)
		return;
	for (i = 0; i < p->nr_general; i++)
		if (plain_enabled(p, i))
			plain_add(p, &p->counter[i],
				  plain_events(p, p->control[i], in_xen, cycles,
					       insns), i);
	for (i = 0; i < p->nr_fixed; i++) {
		u64 side = p->fixed_ctrl >> (4 * i) & (in_xen ? 1 : 2);

		if (side && p->global_ctrl & BIT_ULL(32 + i))
			plain_add(p, &p->fixed[i], i ? cycles : insns, 32 + i);
	}
}

static void check(struct run *r, const char *what, unsigned int i, u64 got,
		  u64 want)
{
	KUNIT_ASSERT_EQ_MSG(r->test, got, want,
			    "%s %u, step %lu of seed %llu on %s", what, i,
			    r->step, r->seed, r->b->machine->cfg.name);
}

static void read_counter(struct run *r, unsigned int i)
{
	u64 val;

	if (roll(r, 2))
		bench_read(r->b, bench_counter_msr(r->b, i), &val);
	else
		val = xen_pmu_vcpu_pmc(bench_vcpu(r->b), i);
	check(r, "counter", i, val, r->p.counter[i]);
}

static void read_fixed(struct run *r, unsigned int i)
{
	u64 val;

	bench_read(r->b, MSR_CORE_PERF_FIXED_CTR0 + i, &val);
	check(r, "fixed counter", i, val, r->p.fixed[i]);
}

static void read_control(struct run *r, unsigned int i)
{
	u64 val;

	bench_read(r->b, bench_control_msr(r->b, i), &val);
	check(r, "control", i, val,
	      r->p.control[i] | r->b->machine->cfg.ctrl_boot);
}

/* Whether somebody asks if it was taken makes no difference. */
static void write_msr(struct run *r, u32 msr, u64 val)
{
	if (roll(r, 2))
		bench_write(r->b, msr, val);
	else
		bench_write_unchecked(r->b, msr, val);
}

/* Far from an overflow, or near, or on top of it. */
static u64 random_value(struct run *r)
{
	static const u64 period[] = { 1, 100, 5000, 1 << 19, 1 << 22,
				      (1ULL << 31) - 1 };

	return roll(r, 4) ? -period[roll(r, ARRAY_SIZE(period))] & WIDTH
			  : roll(r, 1 << 20);
}

/*
 * Seldom while it counts: perf does not. Not at all where an overflow may come
 * right before the write or right after: afterwards they look alike.
 */
static bool may_write_running(struct run *r)
{
	return r->p.frozen || (!r->tearing && !roll(r, 4));
}

static void write_counter(struct run *r, unsigned int i)
{
	u64 val = random_value(r);

	if (plain_enabled(&r->p, i) && !may_write_running(r))
		return;
	write_msr(r, bench_counter_msr(r->b, i), val);
	r->p.counter[i] = val;
}

static void write_fixed(struct run *r, unsigned int i)
{
	u64 val = random_value(r);

	if (plain_fixed_enabled(&r->p, i) && !may_write_running(r))
		return;
	write_msr(r, MSR_CORE_PERF_FIXED_CTR0 + i, val);
	r->p.fixed[i] = val;
}

static u64 random_control(struct run *r)
{
	static const u64 amd[] = { 0x76, 0xc0, 0xc2 };
	static const u64 intel[] = { 0x3c, 0xc0, 0xc4 };
	u64 val = (r->p.intel ? intel : amd)[roll(r, 3)];

	val |= ARCH_PERFMON_EVENTSEL_INT;
	val |= roll(r, 4) ? ARCH_PERFMON_EVENTSEL_USR : 0;
	val |= roll(r, 4) ? ARCH_PERFMON_EVENTSEL_OS : 0;
	return val | (roll(r, 4) ? ARCH_PERFMON_EVENTSEL_ENABLE : 0);
}

static void write_control(struct run *r, unsigned int i)
{
	u64 val = r->p.control[i] ^ ARCH_PERFMON_EVENTSEL_ENABLE;

	/* Mostly stop and start what is there, as perf does. */
	if (!roll(r, 3))
		val = random_control(r);
	write_msr(r, bench_control_msr(r->b, i), val);
	r->p.control[i] = val;
}

static void write_fixed_ctrl(struct run *r)
{
	u64 val = r->p.fixed_ctrl;
	unsigned int i = roll(r, r->p.nr_fixed);

	val &= ~(0xfULL << 4 * i);
	if (roll(r, 3))
		val |= (8ULL | roll(r, 4)) << 4 * i;
	write_msr(r, MSR_CORE_PERF_FIXED_CTR_CTRL, val);
	r->p.fixed_ctrl = val;
}

static void write_global_ctrl(struct run *r)
{
	u64 all = (BIT_ULL(r->p.nr_general) - 1) |
		  (BIT_ULL(r->p.nr_fixed) - 1) << 32;
	u64 val = roll(r, 4) ? (r->p.global_ctrl ? 0 : all)
			     : prandom_u32_state(&r->rnd) * 0x100000001ULL & all;

	write_msr(r, MSR_CORE_PERF_GLOBAL_CTRL, val);
	r->p.global_ctrl = val;
}

static void read(struct run *r)
{
	if (r->p.nr_fixed && roll(r, 2))
		read_fixed(r, roll(r, r->p.nr_fixed));
	else if (roll(r, 2))
		read_counter(r, roll(r, r->p.nr_general));
	else
		read_control(r, roll(r, r->p.nr_general));
}

static void write_general(struct run *r)
{
	unsigned int i = roll(r, r->p.nr_general);

	if (roll(r, 3))
		write_control(r, i);
	else
		write_counter(r, i);
}

static void write(struct run *r)
{
	if (!r->p.intel || roll(r, 2)) {
		write_general(r);
		return;
	}

	switch (r->p.nr_fixed ? roll(r, 4) : 2) {
	case 0:
		write_fixed(r, roll(r, r->p.nr_fixed));
		break;
	case 1:
		write_fixed_ctrl(r);
		break;
	default:
		write_global_ctrl(r);
	}
}

static struct run *running;

static void roll_events(struct run *r)
{
	static const u32 most[] = { 10, 1000, 100000, 30000000 };

	r->insns = roll(r, most[roll(r, ARRAY_SIZE(most))]);
	r->in_xen = !roll(r, 4);
}

static void model_retire_too(struct run *r)
{
	model_retire(r->b->m, 0, r->in_xen, 2 * r->insns, r->insns);
}

static void plain_retire_too(struct run *r, struct plain *p)
{
	plain_retire(p, r->in_xen, 2 * r->insns, r->insns);
}

static void retire(struct run *r)
{
	roll_events(r);
	model_retire_too(r);
	plain_retire_too(r, &r->p);
}

static void disarm(struct bench *b)
{
	b->on_trap = NULL;
	b->m->midway = NULL;
	b->after_trap = NULL;
}

static void retire_at_trap(struct bench *b)
{
	disarm(b);
	retire(running);
}

static void retire_midway(struct xen_model *m)
{
	retire_at_trap(running->b);
}

static void away_at(struct bench *b)
{
	if (running->trap--)
		return;

	disarm(b);
	bench_take_turns(b);
}

/*
 * Events as the first trap of an access begins: they come before it. While the
 * vCPU is away, which it may be at any trap, there are none.
 */
static void access(struct run *r)
{
	r->left -= min(r->left, 1);
	switch (roll(r, 8)) {
	case 0:
		r->b->on_trap = retire_at_trap;
		break;
	case 1:
		r->b->m->midway = retire_midway;
		break;
	case 2:
		r->trap = roll(r, 4);
		r->b->on_trap = away_at;
		break;
	}
	if (roll(r, 8) < 3)
		read(r);
	else
		write(r);
	disarm(r->b);
}

static void retire_at(struct bench *b)
{
	struct run *r = running;

	if (r->trap--)
		return;

	r->torn = true;
	disarm(b);
	model_retire_too(r);
}

static void retire_at_midway(struct xen_model *m)
{
	retire_at(running->b);
}

/* What @write made of @before, done to @p. */
static void plain_write(struct plain *p, const struct plain *before,
			const struct plain *write)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(p->counter); i++)
		if (write->counter[i] != before->counter[i])
			p->counter[i] = write->counter[i];
	for (i = 0; i < ARRAY_SIZE(p->fixed); i++)
		if (write->fixed[i] != before->fixed[i])
			p->fixed[i] = write->fixed[i];
	memcpy(p->control, write->control, sizeof(p->control));
	p->fixed_ctrl = write->fixed_ctrl;
	p->global_ctrl = write->global_ctrl;
}

/* A counter and its overflow, which without a status only stops them all. */
static bool is_of(const struct run *r, const struct plain *p, u64 got, u64 val,
		  unsigned int bit)
{
	bool overflow = p->status & BIT_ULL(bit);

	if (got != val)
		return false;
	if (!r->p.intel)
		return r->p.frozen || !overflow;
	return overflow == !!(r->p.status & BIT_ULL(bit));
}

static void check_either(struct run *r, u64 got, unsigned int bit,
			 u64 a, const struct plain *pa,
			 u64 b, const struct plain *pb)
{
	KUNIT_ASSERT_TRUE_MSG(r->test,
			      is_of(r, pa, got, a, bit) || is_of(r, pb, got, b, bit),
			      "bit %u: %llx (%llx), neither %llx (%llx) nor %llx (%llx), step %lu of seed %llu on %s",
			      bit, got, r->p.status, a, pa->status, b, pb->status,
			      r->step, r->seed, r->b->machine->cfg.name);
}

static void check_torn(struct run *r, const struct plain *first,
		       const struct plain *last)
{
	unsigned int i;

	r->p.frozen = xen_pmu_cached(bench_vcpu(r->b));
	if (r->p.frozen && !first->frozen && !last->frozen) {
		bench_interrupt(r->b, NULL);
		r->p.frozen = false;
	}
	r->p.status = 0;
	if (r->p.frozen && r->p.intel)
		bench_read(r->b, MSR_CORE_PERF_GLOBAL_STATUS, &r->p.status);

	for (i = 0; i < r->p.nr_general; i++) {
		bench_read(r->b, bench_counter_msr(r->b, i), &r->p.counter[i]);
		check_either(r, r->p.counter[i], i, first->counter[i], first,
			     last->counter[i], last);
	}
	for (i = 0; i < r->p.nr_fixed; i++) {
		bench_read(r->b, MSR_CORE_PERF_FIXED_CTR0 + i, &r->p.fixed[i]);
		check_either(r, r->p.fixed[i], 32 + i, first->fixed[i], first,
			     last->fixed[i], last);
	}
}

/*
 * Events at any point of a write, which may be several traps: some counters
 * have them before it, some after.
 */
static void write_torn(struct run *r)
{
	struct plain before = r->p, first = r->p, last;

	roll_events(r);
	r->torn = false;
	r->trap = roll(r, 4);
	switch (roll(r, 3)) {
	case 0:
		r->b->on_trap = retire_at;
		break;
	case 1:
		r->b->m->midway = retire_at_midway;
		break;
	default:
		r->b->after_trap = retire_at;
	}
	r->tearing = true;
	write(r);
	r->tearing = false;
	disarm(r->b);
	if (!r->torn)
		return;

	last = r->p;
	plain_retire_too(r, &first);
	plain_write(&first, &before, &last);
	plain_retire_too(r, &last);
	check_torn(r, &first, &last);
}

/* perf's handler: acknowledge, set periods anew, stop and start. */
static int handle(struct pt_regs *regs)
{
	struct run *r = running;
	unsigned int n = roll(r, 12);
	u64 status;

	if (r->p.intel) {
		bench_read(r->b, MSR_CORE_PERF_GLOBAL_STATUS, &status);
		check(r, "status", 0, status, r->p.status);
		write_msr(r, MSR_CORE_PERF_GLOBAL_OVF_CTRL, status);
	}
	r->p.status = 0;
	while (n--)
		access(r);
	return 1;
}

static void interrupt(struct run *r)
{
	KUNIT_ASSERT_EQ(r->test, IRQ_HANDLED,
			bench_interrupt(r->b, handle));
	r->p.frozen = false;
	KUNIT_ASSERT_EQ(r->test, r->b->v[0].stats.repaired, 0);
}

static void compare_overflows(struct run *r)
{
	/* A counter left running overflowed: nothing of perf's stands still. */
	if (xen_pmu_cached(bench_vcpu(r->b)) && !r->p.frozen)
		bench_interrupt(r->b, NULL);
	check(r, "overflow", 0, xen_pmu_cached(bench_vcpu(r->b)),
	      r->p.frozen);
}

static void step(struct run *r)
{
	r->step++;
	switch (roll(r, 16)) {
	case 0:
		bench_take_turns(r->b);
		break;
	case 1 ... 4:
		retire(r);
		break;
	case 5:
		if (r->p.frozen)
			interrupt(r);
		break;
	case 6:
		if (!roll(r, 64))
			xen_pmu_lazy_tidy(bench_vcpu(r->b));
		break;
	case 7:
		if (!r->p.frozen)
			write_torn(r);
		break;
	default:
		access(r);
	}
	compare_overflows(r);
}

static void run(struct kunit *test, u64 seed)
{
	struct bench *b = test->priv;
	struct run *r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, r);
	r->test = test;
	r->b = b;
	r->seed = seed;
	running = r;
	r->left = accesses;
	r->p.intel = bench_is_intel(b);
	r->p.nr_general = bench_nr_counters(b);
	r->p.nr_fixed = bench_nr_fixed(b);
	prandom_seed_state(&r->rnd, seed);

	xen_pmu_regs_lvtpc(bench_vcpu(b), APIC_DM_NMI);
	while (r->left)
		step(r);

	for (i = 0; i < r->p.nr_general; i++)
		read_counter(r, i);
	KUNIT_EXPECT_EQ(test, b->m->hw_violation, 0);
}

static void equivalence_fixed_seed(struct kunit *test)
{
	bench_up(test);
	run(test, FIXED_SEED);
}

static void equivalence_fresh_seed(struct kunit *test)
{
	u64 seed = repeat ?: get_random_u64();

	kunit_info(test, "seed %llu\n", seed);
	bench_up(test);
	run(test, seed);
}

static struct kunit_case equivalence_cases[] = {
	KUNIT_CASE_PARAM(equivalence_fixed_seed, machine_gen_params),
	KUNIT_CASE_PARAM(equivalence_fresh_seed, machine_gen_params),
	{}
};

static struct kunit_suite equivalence_suite = {
	.name = "xen_pmu_equivalence",
	.init = bench_init,
	.exit = bench_exit,
	.test_cases = equivalence_cases,
};

kunit_test_suite(equivalence_suite);
