// SPDX-License-Identifier: GPL-2.0-only
/*
 * A page that anything may be written into at any moment: by Xen's side while it
 * answers, and by another processor between any two reads of ours.
 *
 * Nothing beside the page is touched, no access takes more calls than it may,
 * the vCPU is always in a home that there is; and with a new page it counts as
 * if nothing had been.
 */
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/prandom.h>
#include <linux/random.h>

#include <asm/msr-index.h>

#include "bench.h"

static unsigned long cases = 1000000;
module_param(cases, ulong, 0444);
MODULE_PARM_DESC(cases, "random writes to the page in all");

/* A flush that is refused and then done by traps takes most: two for a register. */
#define MOST_CALLS	100
#define BEFORE_NEW_PAGE	400
#define START		(BIT_ULL(48) - 1000)

/**
 * struct hostile - a vCPU whose page is not to be trusted
 * @test: the test
 * @b: its bench
 * @rnd: what is written, and what perf does
 * @calls: of Xen, by this access
 * @written: to the page, so far
 * @page: what another processor writes to
 */
struct hostile {
	struct kunit *test;
	struct bench *b;
	struct rnd_state rnd;
	unsigned long calls;
	unsigned long written;
	struct xen_pmu_data *page;
};

static struct hostile *hostile;

static u32 roll(struct rnd_state *rnd, u32 n)
{
	return prandom_u32_state(rnd) % n;
}

/* ---- What is written ---- */

static u64 random_value(struct rnd_state *rnd)
{
	u64 val = (u64)prandom_u32_state(rnd) << 32 | prandom_u32_state(rnd);

	switch (roll(rnd, 4)) {
	case 0:
		return 0;
	case 1:
		return ~0ULL;
	case 2:
		return BIT_ULL(val & 63);
	default:
		return val;
	}
}

static void scribble(struct xen_pmu_data *page, struct rnd_state *rnd)
{
	static const u16 dear[] = {
		offsetof(struct xen_pmu_data, domain_id),
		offsetof(struct xen_pmu_data, vcpu_id),
		offsetof(struct xen_pmu_data, pcpu_id),
		offsetof(struct xen_pmu_data, pmu.r.regs.ip),
		offsetof(struct xen_pmu_data, pmu.r.regs.cpl),
		offsetof(struct xen_pmu_data, pmu.l.lapic_lvtpc),
	};
	void *at = page;

	switch (roll(rnd, 4)) {
	case 0:
		WRITE_ONCE(page->pmu.pmu_flags,
			   READ_ONCE(page->pmu.pmu_flags) ^ BIT(roll(rnd, 5)));
		break;
	case 1:
		at += dear[roll(rnd, ARRAY_SIZE(dear))];
		WRITE_ONCE(*(u32 *)at, random_value(rnd));
		break;
	case 2:
		/* The registers, and the offsets that say where they are. */
		at += offsetof(struct xen_pmu_data, pmu.c) + 8 * roll(rnd, 64);
		WRITE_ONCE(*(u64 *)at, random_value(rnd));
		break;
	default:
		at += roll(rnd, PAGE_SIZE);
		WRITE_ONCE(*(u8 *)at, random_value(rnd));
	}
}

static void write_some(struct hostile *h)
{
	struct xen_pmu_data *page = h->b->v[0].page;

	if (!page || roll(&h->rnd, 3))
		return;

	scribble(page, &h->rnd);
	h->written++;
}

static void on_trap(struct bench *b)
{
	hostile->calls++;
	write_some(hostile);
}

static void after_trap(struct bench *b)
{
	write_some(hostile);
}

static void on_op(struct bench *b, unsigned int op)
{
	on_trap(b);
}

static void midway(struct xen_model *m)
{
	write_some(hostile);
}

/* ---- What perf does meanwhile ---- */

static void access(struct hostile *h)
{
	struct bench *b = h->b;
	unsigned int i = roll(&h->rnd, 8);
	u32 msr;
	u64 val;

	switch (roll(&h->rnd, 6)) {
	case 0:
		msr = bench_counter_msr(b, i);
		break;
	case 1:
		msr = bench_control_msr(b, i);
		break;
	default:
		msr = MSR_CORE_PERF_FIXED_CTR_CTRL + roll(&h->rnd, 4);
	}
	if (!xen_pmu_decode(&b->map, msr))
		return;

	val = roll(&h->rnd, 4) ? bench_cycles(b) : random_value(&h->rnd);
	switch (roll(&h->rnd, 4)) {
	case 0:
		bench_read(b, msr, &val);
		break;
	case 1:
		bench_write_unchecked(b, msr, val);
		break;
	case 2:
		xen_pmu_vcpu_pmc(&b->v[0], i | (val & BIT(30)));
		break;
	default:
		bench_write(b, msr, val);
	}
}

static int handler(struct pt_regs *regs)
{
	struct hostile *h = hostile;
	unsigned int n = roll(&h->rnd, 8);

	xen_pmu_regs_lvtpc(&h->b->v[0], APIC_DM_NMI);
	while (n--) {
		write_some(h);
		access(h);
	}
	return 1;
}

static void new_page(struct hostile *h)
{
	struct bench *b = h->b;
	int err;

	if (roll(&h->rnd, 2))
		xen_pmu_vcpu_suspend(&b->v[0]);
	else
		xen_pmu_vcpu_down(&b->v[0]);
	err = bench_vcpu_up(b, 0);
	KUNIT_ASSERT_EQ(h->test, err, 0);
	xen_pmu_regs_lvtpc(&b->v[0], APIC_DM_NMI);
}

static void step(struct hostile *h)
{
	struct xen_pmu_vcpu *v = &h->b->v[0];
	unsigned int what = roll(&h->rnd, 16);

	h->calls = 0;
	write_some(h);
	switch (what) {
	case 0 ... 7:
		access(h);
		break;
	case 8 ... 11:
		bench_interrupt(h->b, handler);
		break;
	case 12:
		bench_start(h->b, 0, START);
		break;
	case 13:
		model_retire(h->b->m, 0, false, 700, 700);
		break;
	case 14:
		xen_pmu_lazy_tidy(v);
		break;
	default:
		xen_pmu_lazy_pause(v);
		xen_pmu_lazy_proceed(v);
	}

	/* The others are up to nine accesses. */
	KUNIT_ASSERT_LE(h->test, h->calls, (what < 8 ? 1UL : 9UL) * MOST_CALLS);
	KUNIT_ASSERT_TRUE_MSG(h->test,
			      v->home >= XEN_PMU_HOME_SAVED && v->home <= XEN_PMU_HOME_PAGE,
			      "home %u after %u", v->home, what);
	KUNIT_ASSERT_FALSE(h->test, v->handling);
	KUNIT_ASSERT_FALSE(h->test, irqs_disabled());
}

static void run(struct hostile *h, unsigned long n)
{
	while (h->written < n) {
		step(h);
		if (!roll(&h->rnd, BEFORE_NEW_PAGE))
			new_page(h);
	}
}

/* ---- Afterwards ---- */

static void be_kind(struct bench *b)
{
	b->on_op = NULL;
	b->on_trap = NULL;
	b->after_trap = NULL;
	b->m->midway = NULL;
	b->m->layout = NULL;
}

static void expect_well(struct hostile *h)
{
	struct bench *b = h->b;
	u64 val;

	be_kind(b);
	xen_pmu_vcpu_down(&b->v[0]);
	KUNIT_ASSERT_EQ(h->test, bench_vcpu_up(b, 0), 0);
	xen_pmu_regs_lvtpc(&b->v[0], APIC_DM_NMI);

	bench_start(b, 0, 5);
	model_retire(b->m, 0, false, 300, 300);
	KUNIT_EXPECT_EQ(h->test, bench_read(b, bench_counter_msr(b, 0), &val), 0);
	KUNIT_EXPECT_EQ(h->test, val, 305);

	bench_start(b, 0, START);
	b->m->vcpus[0].virq_pending = 0;
	model_retire(b->m, 0, false, 1000, 1000);
	KUNIT_EXPECT_GT(h->test, b->m->vcpus[0].virq_pending, 0);
	KUNIT_EXPECT_EQ(h->test, bench_interrupt(b, NULL), IRQ_HANDLED);
	KUNIT_EXPECT_EQ(h->test, bench_read(b, bench_counter_msr(b, 0), &val), 0);
	KUNIT_EXPECT_EQ(h->test, val, 0);

	xen_pmu_vcpu_down(&b->v[0]);
	KUNIT_EXPECT_STREQ(h->test, bench_left_behind(b) ?: "", "");
}

static struct task_struct *writer;

static void end_writer(void)
{
	if (writer)
		kthread_stop(writer);
	writer = NULL;
}

static void hostile_exit(struct kunit *test)
{
	end_writer();
	be_kind(test->priv);
	bench_exit(test);
}

static struct hostile *begin(struct kunit *test)
{
	struct hostile *h = kunit_kzalloc(test, sizeof(*h), GFP_KERNEL);
	u64 seed = get_random_u64();

	KUNIT_ASSERT_NOT_NULL(test, h);
	h->test = test;
	h->b = test->priv;
	kunit_info(test, "seed %llu\n", seed);
	prandom_seed_state(&h->rnd, seed);
	hostile = h;
	KUNIT_ASSERT_EQ(test, bench_vcpu_up(h->b, 0), 0);
	h->b->on_op = on_op;
	h->b->on_trap = on_trap;
	h->b->after_trap = after_trap;
	h->b->m->midway = midway;
	return h;
}

static void hostile_while_asked(struct kunit *test)
{
	struct hostile *h = begin(test);

	run(h, cases / 32);
	expect_well(h);
}

/* ---- Another processor ---- */

static int write_all_the_time(void *data)
{
	struct hostile *h = data;
	struct xen_pmu_data *page;
	struct rnd_state rnd;

	prandom_seed_state(&rnd, 1);
	while (!kthread_should_stop()) {
		page = READ_ONCE(h->page);
		if (page)
			scribble(page, &rnd);
		else
			cond_resched();
	}
	return 0;
}

static void hostile_all_the_time(struct kunit *test)
{
	unsigned int cpu = cpumask_any_but(cpu_online_mask, smp_processor_id());
	unsigned long n;
	struct hostile *h;

	if (cpu >= nr_cpu_ids)
		kunit_skip(test, "needs two processors");

	h = begin(test);
	writer = kthread_create(write_all_the_time, h, "hostile");
	if (IS_ERR(writer))
		writer = NULL;
	KUNIT_ASSERT_NOT_NULL(test, writer);
	kthread_bind(writer, cpu);
	wake_up_process(writer);
	WRITE_ONCE(h->page, h->b->v[0].page);
	for (n = 0; n < cases / 32 / 4; n++)
		step(h);
	end_writer();
	expect_well(h);
}

/* ---- A layout ---- */

static void damage(struct xen_model *m, unsigned int vcpu, struct xen_pmu_data *page)
{
	u32 *at = (void *)page + offsetof(struct xen_pmu_data, pmu.c);
	unsigned int n = 1 + roll(&hostile->rnd, 3);

	while (n--)
		at[roll(&hostile->rnd, 4)] = roll(&hostile->rnd, 3) ?
			roll(&hostile->rnd, PAGE_SIZE + 16) : random_value(&hostile->rnd);
	hostile->written++;
}

/* Every register that perf is shown is in the page, and none of them in its head. */
static void expect_in_page(struct hostile *h)
{
	const struct xen_pmu_reg *reg = h->b->pmu.reg;
	unsigned int i;

	for (i = 0; i < XEN_PMU_NR_REGS; i++)
		if (reg[i].slot)
			KUNIT_ASSERT_TRUE_MSG(h->test,
					      reg[i].slot >= offsetof(struct xen_pmu_data, pmu.c) &&
					      IS_ALIGNED(reg[i].slot, sizeof(u64)) &&
					      reg[i].slot <= PAGE_SIZE - sizeof(u64),
					      "register %u at %u", i, reg[i].slot);
}

static void hostile_layout(struct kunit *test)
{
	struct bench *b = test->priv;
	struct hostile *h = begin(test);
	unsigned long n;

	xen_pmu_vcpu_down(&b->v[0]);
	b->m->layout = damage;
	while (h->written < cases / 32 / 20) {
		bench_forget(b);
		if (bench_vcpu_up(b, 0)) {
			KUNIT_ASSERT_NULL(test, b->v[0].page);
			continue;
		}
		expect_in_page(h);
		xen_pmu_regs_lvtpc(&b->v[0], APIC_DM_NMI);
		for (n = 0; n < 20; n++)
			step(h);
		xen_pmu_vcpu_down(&b->v[0]);
	}
	be_kind(b);
	bench_forget(b);
	KUNIT_ASSERT_EQ(test, bench_vcpu_up(b, 0), 0);
	expect_well(h);
}

static struct kunit_case hostile_cases[] = {
	KUNIT_CASE_PARAM(hostile_while_asked, machine_gen_params),
	KUNIT_CASE_PARAM(hostile_all_the_time, machine_gen_params),
	KUNIT_CASE_PARAM(hostile_layout, machine_gen_params),
	{}
};

static struct kunit_suite hostile_suite = {
	.name = "xen_pmu_hostile",
	.init = bench_init,
	.exit = hostile_exit,
	.test_cases = hostile_cases,
};

kunit_test_suite(hostile_suite);
