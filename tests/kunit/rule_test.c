// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rule: an event that perf shows as running for a stretch of time was
 * enabled in hardware for all of it.
 *
 * A small perf schedules random events on random machines, which lose their
 * PMU and get it back in every way there is. For each event the test keeps what
 * retired while it was shown as running; the count must be that, exactly.
 *
 * Where it cannot be, the test knows a least and a most instead, and there are
 * three such places. From a loss behind the module's back, or a host that has
 * no PMU for what was saved, to the next look of perf at what it can run, which
 * follows at once; if it was the mode, nobody can read any more what was counted
 * since the last look, and Xen does not say when it went off; and if a counter
 * overflows before anybody notices, the page gets what hardware has, which is no
 * longer this vCPU's. And, in some runs, what retires in the middle of an access
 * of perf's; there perf also looks at its events. What overflows there is not lost.
 */
#include <linux/moduleparam.h>
#include <linux/prandom.h>
#include <linux/random.h>

#include <asm/msr-index.h>
#include <asm/perf_event.h>

#include "bench.h"

static unsigned long steps = 800000;
module_param(steps, ulong, 0444);
MODULE_PARM_DESC(steps, "random steps for each seed");

static unsigned long long repeat;
module_param(repeat, ullong, 0444);
MODULE_PARM_DESC(repeat, "seed to run instead of a fresh one");

#define FIXED_SEED	20210413ULL
#define STEPS_A_MACHINE	1500
#define WIDTH		GENMASK_ULL(47, 0)
#define NR_EVENTS	14
#define NR_CONTEXTS	4	/* of each vCPU, and of two tasks */
#define NOT_ON		(-1)
#define NR_BITS		40

/**
 * struct event - an event of perf's
 * @context: whose it is
 * @select: its event select, not enabled
 * @fixed: the fixed counter that counts it, too; or NOT_ON
 * @only_fixed: no other does
 * @group: events with the same number go on together or not at all
 * @pinned: before others
 * @period: after which it overflows
 * @enabled: the user wants it
 * @bit: the counter that it is on; or NOT_ON
 * @started: on this counter it has begun
 * @stopped: on a counter, but throttled
 * @armed: its own control enables it
 * @runs: and the global one, if there is any
 * @since: the access by which it began to
 * @over: the trap behind which it overflowed; 0 if it did not
 * @prev: the counter's value when perf last looked
 * @left: of the period
 * @count: perf's
 * @least: what retired while it was shown as running, where that is certain
 * @most: the same, and where it is not
 * @torn: of that, what retired in the middle of this access
 */
struct event {
	unsigned int context;
	u64 select;
	int fixed;
	bool only_fixed;
	unsigned int group;
	bool pinned;
	s64 period;
	bool enabled;
	int bit;
	bool started;
	bool stopped;
	bool armed;
	bool runs;
	u64 since;
	u64 over;
	u64 prev;
	s64 left;
	u64 count;
	u64 least;
	u64 most;
	u64 torn;
};

struct perf_cpu {
	int task;
	struct event *on[NR_BITS];
	bool all_off;
	unsigned int gone;
	bool due;
	u64 loose;
};

struct rule {
	struct kunit *test;
	struct bench *b;
	struct machine machine;
	struct machine host;
	char name[80];
	struct rnd_state rnd;
	u64 seed;
	unsigned long step;
	u64 access;
	bool intel;
	unsigned int nr_general;
	unsigned int nr_fixed;
	bool may_tear;
	bool mode_off;
	bool blind;
	unsigned long samples;
	bool bad_host;
	unsigned int rotated;
	struct event event[NR_EVENTS];
	struct perf_cpu cpu[BENCH_MAX_VCPUS];
	u64 ran;
};

static struct rule *rule;

static u32 roll(struct rule *r, u32 n)
{
	return prandom_u32_state(&r->rnd) % n;
}

static void expect(const struct rule *r, bool holds, const char *what, int i)
{
	KUNIT_ASSERT_TRUE_MSG(r->test, holds, "%s %d, step %lu of seed %llu on %s",
			      what, i, r->step, r->seed, r->name);
}

/* ---- Machines ---- */

static void random_intel(struct rule *r, struct model_config *cfg)
{
	cfg->vendor = MODEL_INTEL;
	cfg->family = 6;
	cfg->version = 2 + roll(r, 4);
	cfg->nr_general = 1 + roll(r, MODEL_MAX_GENERAL);
	cfg->nr_fixed = roll(r, 5);
	cfg->full_width = roll(r, 2);
	cfg->four_selects = roll(r, 2);
	cfg->msr_relaxed = !roll(r, 4);
	if (!roll(r, 4))
		cfg->dead |= BIT(1 + roll(r, 8));
	if (!roll(r, 4))
		cfg->dead_controls |= BIT(1 + roll(r, 8));
	if (!roll(r, 4))
		cfg->dead |= BIT_ULL(32 + roll(r, 4));
	if (!roll(r, 6))
		cfg->features = roll(r, 2) ? MODEL_FEATURE_IPC_ONLY
					   : MODEL_FEATURE_ARCH_ONLY;
}

static void random_amd(struct rule *r, struct model_config *cfg)
{
	static const u8 families[] = {
		0x10, 0x12, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a,
	};

	cfg->vendor = MODEL_AMD;
	cfg->family = families[roll(r, ARRAY_SIZE(families))];
	if (!roll(r, 4))
		cfg->dead |= BIT(4 + roll(r, 2));
	if (!roll(r, 4))
		cfg->ctrl_boot = BIT_ULL(42) | BIT_ULL(19);
}

static void random_machine(struct rule *r)
{
	struct model_config *cfg = &r->machine.cfg;

	*cfg = (struct model_config) {
		.name = r->name,
		.mode = roll(r, 3) ? XENPMU_MODE_SELF : XENPMU_MODE_HV,
		.vpmu = true,
		.privileged = true,
		.nr_vcpus = 2,
		.nr_pcpus = 2,
	};
	r->intel = roll(r, 3);
	if (r->intel)
		random_intel(r, cfg);
	else
		random_amd(r, cfg);
	r->machine.vendor = r->intel ? &xen_pmu_intel : &xen_pmu_amd;
	scnprintf(r->name, sizeof(r->name),
		  "%s %xh v%u %u+%u%s dead %llx/%llx features %x%s",
		  r->intel ? "intel" : "amd", cfg->family, cfg->version,
		  cfg->nr_general, cfg->nr_fixed,
		  cfg->four_selects ? " 4.17" : "", cfg->dead,
		  cfg->dead_controls, cfg->features,
		  r->may_tear ? " torn" : "");
}

/* ---- What ran ---- */

static u64 tally(const struct rule *r, const struct event *e, bool in_xen,
		 u64 cycles, u64 insns)
{
	if (!(e->select & (in_xen ? ARCH_PERFMON_EVENTSEL_OS
				  : ARCH_PERFMON_EVENTSEL_USR)))
		return 0;
	if (e->only_fixed)
		return cycles;

	switch (e->select & 0xffff) {
	case 0x3c:
	case 0x13c:
		return r->intel ? cycles : 0;
	case 0x76:
		return r->intel ? 0 : cycles;
	case 0xc0:
		return insns;
	default:
		return 0;
	}
}

/* The first event of a vCPU's on this counter, or on a later one. */
static struct event *on_from(const struct rule *r, unsigned int i, int bit)
{
	for (; bit < NR_BITS; bit++)
		if (r->cpu[i].on[bit])
			return r->cpu[i].on[bit];
	return NULL;
}

static struct model_hw *hw_of(const struct rule *r, unsigned int i)
{
	return &r->b->m->hw[r->b->m->vcpus[i].pcpu];
}

static bool stands_still(const struct rule *r, unsigned int i)
{
	return r->b->m->vcpus[i].flags & MODEL_CACHED;
}

/* Whether what retires must be counted, and not only may. */
static bool is_certain(const struct rule *r, unsigned int i)
{
	return !r->blind && xen_pmu_available(&r->b->v[i]);
}

/* What perf shows as running on a vCPU without its PMU is about to go. */
static bool looks_soon(const struct rule *r, unsigned int i)
{
	return r->blind || r->cpu[i].due || r->b->gone[i] != r->cpu[i].gone;
}

static u64 counter_in_hw(const struct rule *r, unsigned int i, int bit)
{
	const struct model_hw *hw = hw_of(r, i);

	return bit < 32 ? hw->counter[bit] : hw->fixed[bit - 32];
}

/* An overflow of what runs interrupts, or waits to. */
static void expect_overflow(struct rule *r, unsigned int i,
			    const struct event *e, u64 n)
{
	u64 now = counter_in_hw(r, i, e->bit);

	if (n && now < n)
		expect(r, stands_still(r, i), "an overflow was lost of counter",
		       e->bit);
}

static void random_events(struct rule *r, u64 *insns, bool *in_xen)
{
	static const u32 most[] = { 10, 1000, 100000, 30000000 };

	*insns = roll(r, most[roll(r, ARRAY_SIZE(most))]);
	*in_xen = !roll(r, 4);
}

static void ensure_runs(struct rule *r, unsigned int i)
{
	r->b->current_vcpu = i;
	if (r->b->m->vcpus[i].pcpu >= 0)
		return;
	model_schedule(r->b->m, roll(r, 2), i);
	r->b->switches++;
}

static void retire(struct rule *r, unsigned int i)
{
	bool in_xen, still, certain;
	struct event *e;
	u64 insns, n;

	ensure_runs(r, i);
	random_events(r, &insns, &in_xen);
	still = stands_still(r, i);
	certain = is_certain(r, i);
	model_retire(r->b->m, i, in_xen, 2 * insns, insns);
	if (still && certain)
		return;

	for (e = on_from(r, i, 0); e; e = on_from(r, i, e->bit + 1)) {
		if (e->stopped)
			continue;
		n = tally(r, e, in_xen, 2 * insns, insns);
		e->most += n;
		if (!certain) {
			expect(r, looks_soon(r, i),
			       "nobody said that the PMU is gone of vCPU", i);
			continue;
		}
		e->least += n;
		r->ran += n;
		expect_overflow(r, i, e, n);
	}
}

/* In the middle of what perf does: it may be counted or not. */
static void retire_in_between(struct rule *r, unsigned int i)
{
	bool in_xen;
	unsigned int k;
	u64 insns;

	random_events(r, &insns, &in_xen);
	model_retire(r->b->m, i, in_xen, 2 * insns, insns);
	for (k = 0; k < NR_EVENTS; k++) {
		r->event[k].torn += tally(r, &r->event[k], in_xen, 2 * insns,
					  insns);
		r->event[k].most += r->event[k].torn;
	}
}

/* The same where it is certain what runs. */
static void retire_behind_trap(struct rule *r, unsigned int i)
{
	u64 before[NR_BITS];
	struct event *e;

	for (e = on_from(r, i, 0); e; e = on_from(r, i, e->bit + 1))
		before[e->bit] = counter_in_hw(r, i, e->bit);
	retire_in_between(r, i);
	for (e = on_from(r, i, 0); e; e = on_from(r, i, e->bit + 1))
		if (e->runs && counter_in_hw(r, i, e->bit) < before[e->bit])
			e->over = r->b->traps;
}

/*
 * What overflowed behind a trap is in the page for its interrupt; if the access
 * started it, behind its last trap.
 */
static void expect_none_lost(struct rule *r, unsigned int i)
{
	struct xen_pmu_vcpu *v = &r->b->v[i];
	const struct xen_pmu_reg *reg;
	struct event *e;
	bool waits;

	for (e = on_from(r, i, 0); e; e = on_from(r, i, e->bit + 1)) {
		if (!e->over || !e->runs || !is_certain(r, i) ||
		    (e->since == r->access && e->over != r->b->traps))
			continue;
		reg = xen_pmu_reg(v, xen_pmu_counter(e->bit));
		waits = !(xen_pmu_page_load(v, reg) & BIT_ULL(47));
		expect(r, stands_still(r, i) && waits,
		       "an overflow behind a trap was lost of counter", e->bit);
		reg = xen_pmu_reg(v, XEN_PMU_GLOBAL_STATUS);
		expect(r, !r->intel || xen_pmu_page_load(v, reg) & BIT_ULL(e->bit),
		       "an overflow behind a trap is not in the status of counter",
		       e->bit);
	}
}

static unsigned long samples(const struct rule *r)
{
	return r->b->m->vcpus[0].stats.samples + r->b->m->vcpus[1].stats.samples;
}

static void check_count(struct rule *r, struct event *e)
{
	if (r->blind && r->samples != samples(r))
		goto done;

	KUNIT_ASSERT_TRUE_MSG(r->test,
			      e->count >= e->least && e->count <= e->most,
			      "event %ld (%llx, counter %d) counted %lld more than ran, of %llu to %llu, step %lu of seed %llu on %s",
			      e - r->event, e->select, e->bit,
			      (s64)(e->count - e->most), e->least, e->most,
			      r->step, r->seed, r->name);
done:
	e->least = e->count;
	e->most = e->count + e->torn;
}

/* ---- Accesses, some of them interrupted ---- */

static void shuffle(struct rule *r, unsigned int i)
{
	unsigned int p = roll(r, 2);

	model_schedule(r->b->m, p, i);
	if (roll(r, 4))
		model_schedule(r->b->m, !p, !i);
	r->b->switches++;
}

static void disarm(struct bench *b)
{
	b->on_trap = NULL;
	b->m->midway = NULL;
	b->after_trap = NULL;
	b->traced = false;
}

static void shuffle_at_trap(struct bench *b)
{
	disarm(b);
	shuffle(rule, b->current_vcpu);
}

static void retire_at_trap(struct bench *b)
{
	disarm(b);
	retire_in_between(rule, b->current_vcpu);
}

static void retire_midway(struct xen_model *m)
{
	retire_at_trap(rule->b);
}

static void look_at_trap(struct bench *b);

static void arm(struct rule *r)
{
	unsigned int k;

	disarm(r->b);
	r->access++;
	for (k = 0; k < NR_EVENTS; k++) {
		r->event[k].torn = 0;
		r->event[k].over = 0;
	}
	if (!roll(r, 16))
		r->b->on_trap = shuffle_at_trap;
	r->b->traced = !roll(r, 8);
	if (r->b->traced)
		r->b->after_trap = look_at_trap;
	if (!r->may_tear || roll(r, 8))
		return;

	switch (roll(r, 3)) {
	case 0:
		r->b->on_trap = retire_at_trap;
		break;
	case 1:
		r->b->m->midway = retire_midway;
		break;
	default:
		r->b->after_trap = retire_at_trap;
	}
}

static void is_back(struct rule *r)
{
	disarm(r->b);
	expect_none_lost(r, r->b->current_vcpu);
}

static void write(struct rule *r, u32 msr, u64 val)
{
	arm(r);
	bench_write_unchecked(r->b, msr, val);
	is_back(r);
}

static u64 read(struct rule *r, u32 msr)
{
	u64 val;

	arm(r);
	bench_read(r->b, msr, &val);
	is_back(r);
	return val;
}

static u64 counter_now(const struct rule *r, const struct event *e)
{
	return xen_pmu_vcpu_pmc(bench_vcpu(r->b), e->bit < 32 ? e->bit :
				BIT(30) | (e->bit - 32));
}

static u64 read_counter(struct rule *r, const struct event *e)
{
	u64 val;

	arm(r);
	val = counter_now(r, e);
	is_back(r);
	return val;
}

/* ---- perf's driver ---- */

static u64 fixed_bits(const struct event *e)
{
	u64 bits = 8;

	if (e->select & ARCH_PERFMON_EVENTSEL_OS)
		bits |= 1;
	if (e->select & ARCH_PERFMON_EVENTSEL_USR)
		bits |= 2;
	return bits << 4 * (e->bit - 32);
}

/* Told before the write that makes it so. */
static void note_running(struct rule *r, unsigned int i)
{
	struct event *e;
	bool runs;

	for (e = on_from(r, i, 0); e; e = on_from(r, i, e->bit + 1)) {
		runs = e->armed && !r->cpu[i].all_off;
		if (runs && !e->runs)
			e->since = r->access + 1;
		e->runs = runs;
	}
}

static void write_own_control(struct rule *r, struct event *e, bool on)
{
	u64 ctrl = 0;

	if (e->bit >= 32)
		ctrl = read(r, MSR_CORE_PERF_FIXED_CTR_CTRL);
	e->armed = on;
	note_running(r, r->b->current_vcpu);
	if (e->bit < 32) {
		write(r, bench_control_msr(r->b, e->bit),
		      e->select | (on ? ARCH_PERFMON_EVENTSEL_ENABLE : 0));
		return;
	}
	ctrl &= ~(0xfULL << 4 * (e->bit - 32));
	write(r, MSR_CORE_PERF_FIXED_CTR_CTRL, ctrl | (on ? fixed_bits(e) : 0));
}

static void add(struct rule *r, struct event *e, u64 now)
{
	u64 delta = (now - e->prev) & WIDTH;

	e->prev = now;
	e->count += delta;
	e->left -= delta;
	check_count(r, e);
}

/* Who looked in the middle of it has the later value, and has it alone. */
static void update(struct rule *r, struct event *e)
{
	u64 prev, now;

	do {
		prev = e->prev;
		now = read_counter(r, e);
	} while (e->prev != prev);
	add(r, e, now);
}

/*
 * A tracepoint of the access itself, or an NMI: perf looks at any of its events
 * before the access has come back.
 */
static void look_at_trap(struct bench *b)
{
	struct event *e;

	if (roll(rule, 2))
		return;

	disarm(b);
	for (e = on_from(rule, b->current_vcpu, 0); e;
	     e = on_from(rule, b->current_vcpu, e->bit + 1)) {
		if (rule->may_tear)
			retire_behind_trap(rule, b->current_vcpu);
		if (e->started && roll(rule, 4))
			add(rule, e, counter_now(rule, e));
	}
}

static void set_period(struct rule *r, struct event *e)
{
	if (e->left <= -e->period)
		e->left = e->period;
	else if (e->left <= 0)
		e->left += e->period;

	e->prev = -e->left & WIDTH;
	e->started = true;
	write(r, e->bit < 32 ? bench_counter_msr(r->b, e->bit)
			     : MSR_CORE_PERF_FIXED_CTR0 + e->bit - 32, e->prev);
}

static void start_event(struct rule *r, struct event *e)
{
	set_period(r, e);
	e->stopped = false;
	write_own_control(r, e, true);
}

/*
 * What overflows is seen before perf stops the event, if it is not in the middle
 * of that; and on the vCPU that the event is on there is a PMU.
 */
static bool has_its_sample(const struct rule *r, const struct event *e)
{
	return !r->may_tear && e->period != S32_MAX &&
	       is_certain(r, r->b->current_vcpu);
}

static void stop_event(struct rule *r, struct event *e)
{
	if (e->stopped)
		return;
	write_own_control(r, e, false);
	e->stopped = true;
	update(r, e);
	expect(r, e->left > 0 || !has_its_sample(r, e), "no sample of event",
	       e - r->event);
}

static u64 global_mask(const struct rule *r)
{
	return (BIT_ULL(r->nr_general) - 1) | (BIT_ULL(r->nr_fixed) - 1) << 32;
}

static void disable_all(struct rule *r, unsigned int i)
{
	struct event *e;

	if (r->intel) {
		r->cpu[i].all_off = true;
		note_running(r, i);
		write(r, MSR_CORE_PERF_GLOBAL_CTRL, 0);
		return;
	}
	for (e = on_from(r, i, 0); e; e = on_from(r, i, e->bit + 1))
		if (!e->stopped)
			write_own_control(r, e, false);
}

static void enable_all(struct rule *r, unsigned int i)
{
	struct event *e;

	if (r->intel) {
		r->cpu[i].all_off = false;
		note_running(r, i);
		write(r, MSR_CORE_PERF_GLOBAL_CTRL, global_mask(r));
		return;
	}
	for (e = on_from(r, i, 0); e; e = on_from(r, i, e->bit + 1))
		if (!e->stopped)
			write_own_control(r, e, true);
}

/* ---- perf's scheduler ---- */

static bool is_available(const struct rule *r, unsigned int i)
{
	return !r->mode_off && xen_pmu_available(&r->b->v[i]);
}

static void event_out(struct rule *r, unsigned int i, struct event *e)
{
	stop_event(r, e);
	r->cpu[i].on[e->bit] = NULL;
	e->bit = NOT_ON;
}

static void context_out(struct rule *r, unsigned int i, int context)
{
	struct event *e;
	unsigned int k;

	for (k = 0; k < NR_BITS; k++) {
		e = r->cpu[i].on[k];
		if (e && e->context == context)
			event_out(r, i, e);
	}
}

static int find_counter(struct rule *r, unsigned int i, const struct event *e)
{
	unsigned int n = r->nr_general, first = roll(r, n), k;

	if (e->fixed >= 0 && e->fixed < r->nr_fixed &&
	    !r->cpu[i].on[32 + e->fixed])
		return 32 + e->fixed;
	if (e->only_fixed)
		return NOT_ON;

	for (k = 0; k < n; k++)
		if (!r->cpu[i].on[(first + k) % n])
			return (first + k) % n;
	return NOT_ON;
}

static void group_in(struct rule *r, unsigned int i, unsigned int group,
		     int context)
{
	struct event *e, *fits[NR_EVENTS];
	unsigned int n = 0, k;

	for (e = r->event; e < r->event + NR_EVENTS; e++) {
		if (e->group != group || e->context != context || !e->enabled ||
		    e->bit != NOT_ON)
			continue;
		e->bit = find_counter(r, i, e);
		if (e->bit == NOT_ON)
			goto undo;
		r->cpu[i].on[e->bit] = e;
		e->started = false;
		e->stopped = true;
		e->armed = false;
		e->runs = false;
		fits[n++] = e;
	}
	for (k = 0; k < n; k++)
		start_event(r, fits[k]);
	return;
undo:
	while (n--) {
		r->cpu[i].on[fits[n]->bit] = NULL;
		fits[n]->bit = NOT_ON;
	}
}

static void context_in(struct rule *r, unsigned int i, int context, bool pinned)
{
	unsigned int k;
	struct event *e;

	if (!is_available(r, i))
		return;
	for (k = 0; k < NR_EVENTS; k++) {
		e = &r->event[(k + r->rotated) % NR_EVENTS];
		if (e->context == context && e->pinned == pinned && e->enabled &&
		    e->bit == NOT_ON)
			group_in(r, i, e->group, context);
	}
}

static void expect_in_hardware(struct rule *r, unsigned int i);

static void reschedule(struct rule *r, unsigned int i)
{
	struct perf_cpu *cpu = &r->cpu[i];

	ensure_runs(r, i);
	cpu->gone = r->b->gone[i];
	cpu->due = false;
	disable_all(r, i);
	context_out(r, i, cpu->task);
	context_out(r, i, i);
	context_in(r, i, i, true);
	context_in(r, i, cpu->task, true);
	context_in(r, i, i, false);
	context_in(r, i, cpu->task, false);
	enable_all(r, i);
	expect_in_hardware(r, i);
}

static bool is_running_anywhere(const struct rule *r, int task)
{
	return r->cpu[0].task == task || r->cpu[1].task == task;
}

static void switch_task(struct rule *r, unsigned int i)
{
	struct perf_cpu *cpu = &r->cpu[i];
	int next = (int)roll(r, 3) + 1;

	ensure_runs(r, i);
	if (next < 2 || is_running_anywhere(r, next))
		next = NOT_ON;
	disable_all(r, i);
	context_out(r, i, cpu->task);
	cpu->task = next;
	context_in(r, i, next, true);
	context_in(r, i, next, false);
	enable_all(r, i);
	expect_in_hardware(r, i);
}

/* ---- The rule, as hardware has it ---- */

static u64 in_hardware(const struct model_hw *hw, const struct event *e)
{
	if (e->bit < 32)
		return hw->control[e->bit];
	return hw->fixed_ctrl & (0xfULL << 4 * (e->bit - 32));
}

/*
 * The interrupt of a counter that perf has stopped has all others stand still: it
 * must be far away when the counter is let loose.
 */
static void expect_far_from_overflow(struct rule *r, unsigned int i)
{
	u64 loose = xen_pmu_loose(&r->b->v[i]), fresh = loose & ~r->cpu[i].loose;
	bool near;
	int bit;

	r->cpu[i].loose = loose;
	if (r->may_tear)
		return;
	for (bit = 0; bit < NR_BITS; bit++) {
		near = (-counter_in_hw(r, i, bit) & WIDTH) < BIT_ULL(20);
		expect(r, !near || !(fresh & BIT_ULL(bit)),
		       "let loose near its overflow: counter", bit);
	}
}

static void expect_in_hardware(struct rule *r, unsigned int i)
{
	struct model_hw *hw;
	struct event *e;
	u64 want;

	ensure_runs(r, i);
	if (!is_available(r, i) || r->blind || stands_still(r, i))
		return;
	expect_far_from_overflow(r, i);
	hw = hw_of(r, i);
	for (e = on_from(r, i, 0); e; e = on_from(r, i, e->bit + 1)) {
		if (e->stopped)
			continue;
		want = e->bit < 32 ? e->select | ARCH_PERFMON_EVENTSEL_ENABLE |
				     r->machine.cfg.ctrl_boot : fixed_bits(e);
		expect(r, in_hardware(hw, e) == want,
		       "shown as running, and otherwise in hardware: counter",
		       e->bit);
		expect(r, !r->intel || hw->global_ctrl & BIT_ULL(e->bit),
		       "shown as running, and not enabled: counter", e->bit);
	}
}

/* ---- Interrupts ---- */

/* Rarely perf writes what no control takes, as on a processor it mistakes. */
static void write_nonsense(struct rule *r)
{
	disarm(r->b);
	if (r->intel && roll(r, 2))
		bench_write_unchecked(r->b, MSR_CORE_PERF_GLOBAL_CTRL,
				      global_mask(r) | BIT_ULL(48));
	else
		bench_write_unchecked(r->b, bench_control_msr(r->b, 0),
				      BIT_ULL(21));
}

static void overflowed(struct rule *r, struct event *e)
{
	update(r, e);
	if (e->prev & BIT_ULL(47))
		return;
	set_period(r, e);
	if (!roll(r, 8))
		stop_event(r, e);
}

static int handle(struct pt_regs *regs)
{
	struct rule *r = rule;
	unsigned int i = r->b->current_vcpu, k;
	bool all_off = r->cpu[i].all_off;
	u64 status = ~0ULL, access = r->access;
	struct event *e;

	xen_pmu_regs_lvtpc(bench_vcpu(r->b), APIC_DM_NMI);
	if (r->intel) {
		disable_all(r, i);
		status = read(r, MSR_CORE_PERF_GLOBAL_STATUS);
		write(r, MSR_CORE_PERF_GLOBAL_OVF_CTRL, status);
	}
	for (k = 0; k < NR_BITS; k++) {
		e = r->cpu[i].on[k];
		if (e && !e->stopped && status & BIT_ULL(k))
			overflowed(r, e);
	}
	/* It may come in the middle of perf's own work. */
	if (r->intel && !all_off)
		enable_all(r, i);
	if (!roll(r, 512))
		write_nonsense(r);
	r->access = access;
	return 1;
}

static void interrupt(struct rule *r, unsigned int i)
{
	ensure_runs(r, i);
	r->b->m->vcpus[i].virq_pending = 0;
	bench_interrupt(r->b, handle);
	expect_in_hardware(r, i);
}

/* ---- Events ---- */

static u64 random_select(struct rule *r)
{
	static const u16 intel[] = { 0x3c, 0xc0, 0x13c, 0xc4, 0xc5, 0x1c2 };
	static const u16 amd[] = { 0x76, 0xc0, 0xc2 };
	u64 select = r->intel ? intel[roll(r, ARRAY_SIZE(intel))]
			      : amd[roll(r, ARRAY_SIZE(amd))];

	/* The guest, Xen, or both. */
	select |= ARCH_PERFMON_EVENTSEL_INT;
	switch (roll(r, 4)) {
	case 0:
		return select | ARCH_PERFMON_EVENTSEL_OS;
	case 1:
		return select | ARCH_PERFMON_EVENTSEL_USR;
	default:
		return select | ARCH_PERFMON_EVENTSEL_USR |
		       ARCH_PERFMON_EVENTSEL_OS;
	}
}

static s64 random_period(struct rule *r)
{
	static const s64 period[] = { 900, 20000, 1000000, 50000000 };

	if (roll(r, 2))
		return S32_MAX;
	return period[roll(r, ARRAY_SIZE(period))] + roll(r, 100);
}

/* As perf opens one: what cannot be counted is refused. */
static void open_event(struct rule *r, struct event *e)
{
	const struct xen_pmu *pmu = &r->b->pmu;
	u64 before = e->count;

	*e = (struct event) { .bit = NOT_ON, .fixed = NOT_ON };
	e->context = roll(r, NR_CONTEXTS);
	e->group = roll(r, 2) ? e - r->event : roll(r, NR_EVENTS);
	e->pinned = !roll(r, 4);
	e->select = random_select(r);
	if (r->intel && (e->select & 0xffff) == 0xc0)
		e->fixed = 0;
	if (r->intel && (e->select & 0xffff) == 0x3c)
		e->fixed = 1;
	if (r->intel && !roll(r, 8)) {
		/* Reference cycles, which only a fixed counter counts. */
		e->select = (e->select & ~0xffffULL) | 0x300;
		e->fixed = 2;
		e->only_fixed = true;
	}
	e->period = random_period(r);
	e->left = e->period;
	e->count = before;
	e->least = before;
	e->most = before;

	ensure_runs(r, roll(r, 2));
	e->enabled = is_available(r, r->b->current_vcpu) &&
		     (!pmu->vendor->counts ||
		      pmu->vendor->counts(pmu, e->select)) &&
		     !xen_pmu_regs_try(bench_vcpu(r->b), e->select);
}

static int vcpu_of(const struct rule *r, const struct event *e)
{
	unsigned int i;

	for (i = 0; i < BENCH_MAX_VCPUS; i++)
		if (e->context == i || e->context == r->cpu[i].task)
			return i;
	return NOT_ON;
}

static void toggle_event(struct rule *r)
{
	struct event *e = &r->event[roll(r, NR_EVENTS)];
	int i = vcpu_of(r, e);

	if (e->bit != NOT_ON) {
		ensure_runs(r, i);
		disable_all(r, i);
		event_out(r, i, e);
		enable_all(r, i);
		expect_in_hardware(r, i);
	}
	if (roll(r, 2))
		open_event(r, e);
	else
		e->enabled = false;
	i = vcpu_of(r, e);
	if (e->enabled && i != NOT_ON)
		reschedule(r, i);
}

static void read_event(struct rule *r)
{
	struct event *e = &r->event[roll(r, NR_EVENTS)];

	if (e->bit == NOT_ON || e->stopped)
		return;
	ensure_runs(r, vcpu_of(r, e));
	update(r, e);
}

/* ---- How the PMU goes and comes back ---- */

static void reschedule_both(struct rule *r)
{
	reschedule(r, 0);
	reschedule(r, 1);
}

/* The order of control.c. */
static void go_off(struct rule *r)
{
	unsigned int i;

	if (r->mode_off)
		return;
	r->mode_off = true;
	reschedule_both(r);
	r->blind = false;
	for (i = 0; i < BENCH_MAX_VCPUS; i++) {
		ensure_runs(r, i);
		xen_pmu_lazy_pause(&r->b->v[i]);
	}
}

static void go_on(struct rule *r)
{
	unsigned int i;

	for (i = 0; i < BENCH_MAX_VCPUS; i++) {
		ensure_runs(r, i);
		if (r->b->v[i].page)
			continue;
		bench_vcpu_up(r->b, i);
		r->cpu[i].due = true;
		reschedule(r, i);
	}
	for (i = 0; i < BENCH_MAX_VCPUS; i++) {
		ensure_runs(r, i);
		xen_pmu_lazy_proceed(&r->b->v[i]);
	}
	r->mode_off = false;
	reschedule_both(r);
}

/* By way of the module, which is told before. */
static void set_mode(struct rule *r)
{
	if (r->blind)
		return;
	if (!r->mode_off) {
		go_off(r);
		model_set_mode(r->b->m, XENPMU_MODE_OFF);
		return;
	}
	model_set_mode(r->b->m, r->host.cfg.mode);
	r->b->m->features = r->host.cfg.features;
	r->b->m->fail_op[XENPMU_flush] = 0;
	go_on(r);
}

/* Behind its back: what was counted since the last look is lost. */
static void mode_off_behind(struct rule *r)
{
	struct event *e;

	if (r->mode_off || r->bad_host)
		return;
	model_set_mode(r->b->m, XENPMU_MODE_OFF);
	r->blind = true;
	r->samples = samples(r);
	for (e = r->event; e < r->event + NR_EVENTS; e++)
		e->least = e->count;
}

/* perf looks again as soon as interrupts are on. */
static void look_after(struct rule *r)
{
	unsigned int i;
	bool gone = false;

	for (i = 0; i < BENCH_MAX_VCPUS; i++) {
		if (r->b->gone[i] == r->cpu[i].gone && !r->cpu[i].due)
			continue;
		gone = true;
		/* What retires on the way there. */
		if (!roll(r, 4))
			retire(r, i);
		reschedule(r, i);
	}
	if (gone && r->blind)
		go_off(r);
}

static void refuse_flush(struct rule *r)
{
	r->b->m->fail_op[XENPMU_flush] = -EIO;
	if (roll(r, 2))
		r->b->m->fail_once |= BIT(XENPMU_flush);
}

static void filter_late(struct rule *r)
{
	if (r->intel)
		r->b->m->features = MODEL_FEATURE_IPC_ONLY;
}

static void random_host(struct rule *r)
{
	struct model_config *cfg = &r->host.cfg;

	r->host = r->machine;
	r->bad_host = true;
	switch (roll(r, 10)) {
	case 0:
		cfg->vpmu = false;
		return;
	case 1:
		cfg->mode = XENPMU_MODE_OFF;
		return;
	case 2:
		cfg->dead |= BIT(r->nr_general - 1);
		return;
	case 3:
		if (r->nr_fixed)
			cfg->dead |= BIT_ULL(31 + r->nr_fixed);
		else
			cfg->vpmu = false;
		return;
	case 4:
		cfg->vendor = r->intel ? MODEL_AMD : MODEL_INTEL;
		cfg->family = r->intel ? 0x19 : 6;
		cfg->nr_general = 8;
		cfg->nr_fixed = 3;
		cfg->version = 3;
		return;
	case 5:
		if (r->intel)
			cfg->vpmu = false;
		else
			cfg->ctrl_boot ^= BIT_ULL(37);
		return;
	default:
		r->bad_host = false;
	}
}

static void move(struct rule *r)
{
	struct bench *b = r->b;
	unsigned int i;
	int err;

	if (r->mode_off || r->blind)
		return;
	for (i = 0; i < BENCH_MAX_VCPUS; i++) {
		ensure_runs(r, i);
		xen_pmu_vcpu_suspend(&b->v[i]);
		r->cpu[i].due = true;
	}
	random_host(r);
	bench_move(b, r->test, &r->host);
	b->no_page = !roll(r, 16);
	for (i = 0; i < BENCH_MAX_VCPUS; i++) {
		err = bench_vcpu_up(b, i);
		expect(r, !!err == (r->bad_host || b->no_page),
		       "a host was taken, or refused, that should not: vCPU", i);
	}
	b->no_page = false;
	look_after(r);
}

static void lose(struct rule *r)
{
	switch (roll(r, 6)) {
	case 0:
		mode_off_behind(r);
		break;
	case 1:
		refuse_flush(r);
		break;
	case 2:
		filter_late(r);
		break;
	case 3:
		ensure_runs(r, roll(r, 2));
		write_nonsense(r);
		break;
	default:
		set_mode(r);
	}
}

/* Also a vCPU that is lost, at a time of the user's choosing. */
static void come_back(struct rule *r)
{
	if (r->mode_off) {
		set_mode(r);
		return;
	}
	if (r->blind)
		return;
	r->b->m->features = r->host.cfg.features;
	r->b->m->fail_op[XENPMU_flush] = 0;
	go_on(r);
}

static void step(struct rule *r)
{
	unsigned int i = roll(r, 2);

	r->step++;
	switch (roll(r, 32)) {
	case 0 ... 13:
		retire(r, i);
		break;
	case 14 ... 17:
		read_event(r);
		break;
	case 18 ... 20:
		switch_task(r, i);
		break;
	case 21 ... 22:
		r->rotated++;
		reschedule(r, i);
		break;
	case 23 ... 25:
		toggle_event(r);
		break;
	case 26:
		ensure_runs(r, i);
		shuffle(r, i);
		expect_in_hardware(r, i);
		break;
	case 27:
		if (!roll(r, 8))
			lose(r);
		break;
	case 28:
		if (!roll(r, 2))
			come_back(r);
		break;
	case 29:
		if (!roll(r, 16))
			move(r);
		break;
	case 30:
		ensure_runs(r, i);
		if (!roll(r, 16))
			xen_pmu_lazy_tidy(&r->b->v[i]);
		break;
	}
	for (i = 0; i < BENCH_MAX_VCPUS; i++)
		if (r->b->m->vcpus[i].virq_pending && roll(r, 2))
			interrupt(r, i);
	look_after(r);
	expect(r, !r->b->m->hw_violation, "Xen crashed on MSR",
	       r->b->m->hw_violation_msr);
}

static void begin(struct rule *r)
{
	struct kunit *test = r->test;
	unsigned int i;

	r->may_tear = !roll(r, 3);
	random_machine(r);
	r->host = r->machine;
	r->b = bench_create(test, &r->machine);
	r->mode_off = false;
	r->blind = false;
	r->bad_host = false;
	bench_up(test);
	r->b->handler = handle;
	/* What perf sees of it: CPUID's leaf, or what AMD has always. */
	r->nr_general = bench_nr_counters(r->b);
	r->nr_fixed = r->b->pmu.nr_fixed;
	if (r->intel)
		r->nr_general = r->b->pmu.nr_general;
	expect(r, r->nr_general <= bench_nr_counters(r->b), "counters that do not answer:",
	       r->nr_general);
	expect(r, r->nr_fixed <= bench_nr_fixed(r->b), "fixed counters that do not answer:",
	       r->nr_fixed);

	for (i = 0; i < BENCH_MAX_VCPUS; i++) {
		r->cpu[i] = (struct perf_cpu) { .task = NOT_ON };
		ensure_runs(r, i);
		xen_pmu_regs_lvtpc(&r->b->v[i], APIC_DM_NMI);
		enable_all(r, i);
	}
	for (i = 0; i < NR_EVENTS; i++)
		open_event(r, &r->event[i]);
}

static void end(struct rule *r)
{
	unsigned int i;

	for (i = 0; i < BENCH_MAX_VCPUS; i++) {
		ensure_runs(r, i);
		context_out(r, i, r->cpu[i].task);
		context_out(r, i, i);
		if (r->b->v[i].page)
			xen_pmu_vcpu_down(&r->b->v[i]);
	}
	model_destroy(r->b->m);
	kunit_kfree(r->test, r->b);
}

static void run(struct kunit *test, u64 seed)
{
	struct rule *r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, r);
	r->test = test;
	r->seed = seed;
	rule = r;
	prandom_seed_state(&r->rnd, seed);

	while (r->step < steps) {
		unsigned long last = r->step + STEPS_A_MACHINE;

		begin(r);
		while (r->step < last)
			step(r);
		end(r);
	}
	KUNIT_EXPECT_GT(test, r->ran, 0);
	/* For the suite's exit. */
	bench_init(test);
}

static void rule_fixed_seed(struct kunit *test)
{
	run(test, FIXED_SEED);
}

/* A control that Xen refused left the event before it, which counted. */
static void rule_found_seed(struct kunit *test)
{
	run(test, 14342904896654996457ULL);
}

static void rule_fresh_seed(struct kunit *test)
{
	u64 seed = repeat ?: get_random_u64();

	kunit_info(test, "seed %llu\n", seed);
	run(test, seed);
}

/* ---- Groups ---- */

/*
 * What retires between any two traps is the same for all counters that one
 * write of the global control starts and stops: they have one value.
 */
static void retire_at_each_trap(struct bench *b)
{
	struct rule *r = rule;
	u64 insns = 1 + roll(r, 1000);

	model_retire(b->m, b->current_vcpu, !roll(r, 4), 2 * insns, insns);
}

/**
 * struct group - counters that count the same
 * @general: so many, from the first
 * @fixed: and fixed counter 0
 * @start: what they start from
 */
struct group {
	unsigned int general;
	bool fixed;
	u64 start;
};

static u64 bits_of(const struct group *g)
{
	return GENMASK_ULL(g->general - 1, 0) | (g->fixed ? BIT_ULL(32) : 0);
}

static void expect_alike(struct rule *r, const struct group *g)
{
	struct bench *b = r->b;
	unsigned int i;
	u64 val, first;

	bench_read(b, bench_counter_msr(b, 0), &first);
	for (i = 1; i < g->general; i++) {
		bench_read(b, bench_counter_msr(b, i), &val);
		expect(r, val == first, "not as counter 0 is counter", i);
	}
	if (!g->fixed)
		return;
	bench_read(b, MSR_CORE_PERF_FIXED_CTR0, &val);
	expect(r, val == first, "not as counter 0 is fixed counter", 0);
}

/* As a group that counts instructions everywhere goes on, and off. */
static void group_on(struct rule *r, const struct group *g)
{
	const u64 select = 0xc0 | (bench_cycles(r->b) & ~0xffULL);
	struct bench *b = r->b;
	unsigned int i;

	for (i = 0; i < g->general; i++) {
		bench_write(b, bench_counter_msr(b, i), g->start);
		bench_write(b, bench_control_msr(b, i), select);
	}
	if (g->fixed) {
		bench_write(b, MSR_CORE_PERF_FIXED_CTR0, g->start);
		bench_write(b, MSR_CORE_PERF_FIXED_CTR_CTRL, 0xb);
	}
	bench_write(b, MSR_CORE_PERF_GLOBAL_CTRL, bits_of(g));
}

static void group_off(struct rule *r, const struct group *g)
{
	const u64 select = 0xc0 | (bench_cycles(r->b) & ~0xffULL);
	struct bench *b = r->b;
	unsigned int i;

	bench_write(b, MSR_CORE_PERF_GLOBAL_CTRL, 0);
	expect_alike(r, g);
	for (i = 0; i < g->general; i++)
		bench_write(b, bench_control_msr(b, i),
			    select & ~ARCH_PERFMON_EVENTSEL_ENABLE);
	if (g->fixed)
		bench_write(b, MSR_CORE_PERF_FIXED_CTR_CTRL, 0);
	expect_alike(r, g);
}

static struct group random_group(struct rule *r)
{
	struct group g = {
		.general = 1 + roll(r, r->nr_general),
		.fixed = roll(r, 2),
		.start = -(u64)(1000000 + roll(r, 1000000)) & WIDTH,
	};

	return g;
}

/* Switched out and in, read while it runs, and interrupted. */
static void run_group(struct rule *r)
{
	struct group g = random_group(r);
	unsigned int times = 1 + roll(r, 3);

	group_on(r, &g);
	while (times--) {
		retire_at_each_trap(r->b);
		if (roll(r, 2))
			bench_write(r->b, MSR_CORE_PERF_GLOBAL_CTRL, 0);
		bench_write(r->b, MSR_CORE_PERF_GLOBAL_CTRL, bits_of(&g));
	}
	group_off(r, &g);
}

static void rule_together(struct kunit *test)
{
	const struct machine *machine = test->param_value;
	struct rule *r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, r);
	rule = r;
	r->test = test;
	r->b = test->priv;
	r->seed = repeat ?: FIXED_SEED;
	strscpy(r->name, machine->cfg.name, sizeof(r->name));
	r->nr_general = bench_nr_counters(r->b);
	r->nr_fixed = bench_nr_fixed(r->b);
	prandom_seed_state(&r->rnd, r->seed);
	bench_up(test);
	xen_pmu_regs_lvtpc(bench_vcpu(r->b), APIC_DM_NMI);

	for (r->step = 0; r->step < 200; r->step++) {
		r->b->on_trap = retire_at_each_trap;
		r->b->after_trap = roll(r, 2) ? retire_at_each_trap : NULL;
		run_group(r);
		disarm(r->b);
		if (!roll(r, 4))
			bench_take_turns(r->b);
	}
}

static struct kunit_case rule_cases[] = {
	KUNIT_CASE(rule_fixed_seed),
	KUNIT_CASE(rule_found_seed),
	KUNIT_CASE(rule_fresh_seed),
	KUNIT_CASE_PARAM(rule_together, fixed_gen_params),
	{}
};

static struct kunit_suite rule_suite = {
	.name = "xen_pmu_rule",
	.init = bench_init,
	.exit = bench_exit,
	.test_cases = rule_cases,
};

kunit_test_suite(rule_suite);
