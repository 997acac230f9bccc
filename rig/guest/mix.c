// SPDX-License-Identifier: GPL-2.0
/*
 * Random mixes of events, each count held against what ran.
 *
 *	mix SEED ROUNDS [LABEL]
 *
 * A round opens some events (of a task, of a CPU, in groups, pinned, inherited,
 * with modifiers, sampling, often more than there are counters), then executes
 * loops of known length, with sleeps, children, moves to other CPUs, enabling
 * and disabling in between, and reads all of them. One rule is held to: an event
 * that shows as running for a stretch of time was enabled in hardware for all of
 * it. On the rig an instruction takes two nanoseconds and two cycles, whatever it
 * is, so time_running alone says what a count must be.
 *
 * The same seed gives the same mix. It prints
 *
 *	mix SEED opened A refused B pinned out C
 *	rule NAME held H broken K		for each rule
 *	broken NAME: why			for the first few of each
 *	# known N - ...			for the host, see cases/lib.sh
 *
 * With LABEL the rig takes snapshots from that number on (see port.c).
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "random.h"

#define SNAPSHOT_PORT 0x5e0
#define NS 2		/* an instruction's time on the rig */
#define KINDS 5
#define MOST 16		/* events at a time */
#define CLOCKS 100000	/* ns that the clocks of two CPUs may be apart */
#define SHOWN 4		/* of each rule */
#define HANDLING 6	/* thousands of instructions from an overflow to the flush */
#define TICK 10000000ULL	/* ns after which perf lets events take turns */
#define APART 500	/* instructions from a group's first start or stop to its last */

/* How often an event happens, in thousandths of the instructions */
struct kind {
	const char *name;
	uint32_t type;
	uint64_t config;
	int least, most;
};

/* Loops branch once in ten instructions, the kernel and Xen more often. */
static const struct kind kinds[KINDS] = {
	{ "instructions", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, 1000, 1000 },
	{ "cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, 2000, 2000 },
	{ "branches", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_INSTRUCTIONS, 90, 250 },
	{ "ref-cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_REF_CPU_CYCLES, 2000, 2000 },
	{ "r00c0", PERF_TYPE_RAW, 0xc0, 1000, 1000 },
};

struct reading {
	uint64_t count, enabled, running;
};

struct event {
	const struct kind *kind;
	struct perf_event_attr attr;
	struct event *leader;
	struct reading first, base, last;
	uint64_t work;		/* instructions of loops while it was enabled */
	int file;
	int cpu;		/* -1: the task's, wherever it is */
	int task;
	int enabled;		/* asked to be */
	int changed;		/* has been enabled or disabled in this interval */
	int steady;		/* never in this round, and never left its CPU */
	int out;		/* pinned, and had no place */
};

enum rule { TIME, COUNT, SCALED, GROUP, STOPPED, PINNED, RULES };

static const char * const rules[RULES] = {
	"time", "count", "scaled", "group", "stopped", "pinned"
};

static struct event events[MOST];
static unsigned int number;
static unsigned long held[RULES], broken[RULES], shown[RULES], opened, refused, out, known;
static uint64_t round_lives;	/* ns that children were there */
static uint64_t round_switches;	/* times that all events were taken out and put in */
static int cpus, home, round_number;
static long label;

/* INSTRUCTIONS of them, ten a turn */
static void spin(uint64_t instructions)
{
	uint64_t left = instructions / 10;

	asm volatile("1:\n\t"
		     "add $1, %%rax\n\t"
		     "add $2, %%rdx\n\t"
		     "add $3, %%rax\n\t"
		     "add $4, %%rdx\n\t"
		     "add $5, %%rax\n\t"
		     "add $6, %%rdx\n\t"
		     "add $7, %%rax\n\t"
		     "add $8, %%rdx\n\t"
		     "dec %0\n\t"
		     "jnz 1b"
		     : "+r" (left) : : "rax", "rdx", "cc");
}

static void move_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		perror("sched_setaffinity");
		exit(1);
	}
	home = cpu;
}

static void describe(const struct event *e, char *text, size_t size)
{
	snprintf(text, size, "%s%s%s%s%s%s%s%s of %s cpu %d%s", e->kind->name,
		 e->attr.exclude_user ? " !u" : "", e->attr.exclude_kernel ? " !k" : "",
		 e->attr.exclude_hv ? " !h" : "", e->attr.exclude_host ? " G" : "",
		 e->attr.pinned ? " pinned" : "", e->attr.inherit ? " inherited" : "",
		 e->attr.sample_period ? " sampling" : "", e->task ? "task," : "all,",
		 e->cpu, e->leader == e ? "" : " in a group");
}

static void judge(enum rule rule, int good, const struct event *e, const char *format, ...)
{
	char name[120];
	va_list list;

	if (good) {
		held[rule]++;
		return;
	}
	broken[rule]++;
	if (shown[rule]++ >= SHOWN)
		return;
	describe(e, name, sizeof(name));
	printf("broken %s: round %d event %d (%s): ", rules[rule], round_number,
	       (int)(e - events), name);
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	printf("\n");
}

/*
 * False: it stands in an error, as a pinned event does that had no place, or its
 * leader does.
 */
static int take(struct event *e, struct reading *r)
{
	ssize_t got;

	if (e->leader->out)
		return 0;
	got = read(e->file, r, sizeof(*r));
	if (got == sizeof(*r))
		return 1;
	if (got || !e->attr.pinned) {
		judge(PINNED, 0, e, "read() gives %zd", got);
		exit(1);
	}
	out++;
	e->out = 1;
	return 0;
}

static int guest_counts(const struct event *e)
{
	return !(e->attr.exclude_user && e->attr.exclude_kernel) && !e->attr.exclude_host;
}

static int xen_counts(const struct event *e)
{
	return !e->attr.exclude_hv && !e->attr.exclude_host;
}

static void change(const struct event *leader, int on)
{
	if (ioctl(leader->file, on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE, 0)) {
		perror("ioctl");
		exit(1);
	}
}

/*
 * Open one event, alone or behind a leader. A group is enabled when it is complete,
 * so that its members have the same time.
 */
static void add(struct event *leader)
{
	struct event *e = &events[number];
	unsigned int more = leader || !one_in(3) ? 0 : 1 + below(6);

	memset(e, 0, sizeof(*e));
	e->kind = &kinds[below(KINDS)];
	if (leader && one_in(2))
		e->kind = leader->kind;
	e->attr.type = e->kind->type;
	e->attr.config = e->kind->config;
	e->attr.size = sizeof(e->attr);
	e->attr.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
	if (leader) {
		e->task = leader->task;
		e->cpu = leader->cpu;
		e->attr.inherit = leader->attr.inherit;
		e->leader = leader;
	} else {
		e->task = !one_in(3);
		e->cpu = !e->task || one_in(4) ? (int)below(cpus) : -1;
		e->attr.inherit = e->task && one_in(3);
		e->attr.pinned = one_in(6);
		e->attr.exclusive = one_in(12);
		e->enabled = !one_in(4);
		e->attr.disabled = more || !e->enabled;
		e->leader = e;
	}
	switch (below(8)) {
	case 0:
		e->attr.exclude_kernel = 1;
		e->attr.exclude_hv = 1;
		break;
	case 1:
		e->attr.exclude_user = 1;
		e->attr.exclude_hv = 1;
		break;
	case 2:
		e->attr.exclude_hv = 1;
		break;
	case 3:
		e->attr.exclude_user = 1;
		e->attr.exclude_kernel = 1;
		break;
	case 4:
		e->attr.exclude_kernel = one_in(3);
		e->attr.exclude_host = one_in(3);
		break;
	}
	if (one_in(5))
		e->attr.sample_period = 500000 + below(3000000);
	e->file = syscall(SYS_perf_event_open, &e->attr, e->task ? 0 : -1, e->cpu,
			  leader ? leader->file : -1, 0);
	if (e->file < 0) {
		refused++;
		return;
	}
	opened++;
	number++;
	for (; more && number < MOST; more--)
		add(e);
	if (!leader && e->attr.disabled && e->enabled)
		change(e, 1);
}

static void open_some(void)
{
	unsigned int wanted = 1 + below(MOST);

	number = 0;
	for (unsigned int tries = 0; number < wanted && tries < 2 * MOST; tries++)
		add(NULL);
	for (unsigned int i = 0; i < number; i++) {
		struct event *e = &events[i];

		e->enabled = e->leader->enabled;
		e->steady = e->enabled;
		if (!take(e, &e->first))
			memset(&e->first, 0, sizeof(e->first));
	}
}

/* Enable or disable events now and then, a group by its leader; returns how often. */
static int maybe_switch(void)
{
	int switches = 0;

	for (unsigned int i = 0; i < number; i++) {
		struct event *leader = &events[i];
		int back, on = !leader->enabled;

		if (leader->leader != leader || !one_in(5))
			continue;
		change(leader, on);
		switches++;
		/* A second chance for one that had no place */
		back = on && leader->out;
		if (back)
			leader->out = 0;
		for (unsigned int j = i; j < number; j++) {
			struct event *e = &events[j];

			if (e->leader != leader)
				continue;
			e->enabled = on;
			e->changed = 1;
			e->steady = 0;
			if (back)
				take(e, &e->base);
		}
	}
	return switches;
}

struct interval {
	uint64_t start;		/* ns */
	uint64_t mine, forked;	/* instructions of loops */
	int switches;		/* times that all events were taken out and put in */
	uint64_t overflows;	/* at most, of all events */
};

/*
 * Linux 7.x forgets how long a child's event has waited for a counter when the child
 * ends, and shows the parent's as if there had been no child. Of a group that did not
 * fit it remembers the members that it tried before it gave the group up, until then.
 */
static int forgets_children(void)
{
	static struct utsname kernel;

	if (!*kernel.release)
		uname(&kernel);
	return atoi(kernel.release) >= 7;
}

/* What children have executed of what an event counts for certain. */
static uint64_t of_children(const struct event *e, const struct interval *in)
{
	if (!e->attr.inherit)
		return e->task ? 0 : in->forked;
	return forgets_children() ? 0 : in->forked;
}

/*
 * A parent and its child may swap their events when one makes way for the other
 * (perf_event_context_sched_out()), and those with the files end with the child. A
 * pinned one for which there was no place shows from then on as one that is not
 * enabled, and read() does not tell.
 */
static int is_mute(const struct event *e)
{
	return round_lives && e->attr.inherit && e->leader->attr.pinned;
}

/*
 * What a count may be, from the time that it claims. Whenever events are put in or
 * taken out, some time passes between an event's clock and its counter: that of
 * the accesses, each a trap, for all of them.
 */
static void hold_count(struct event *e, const struct reading *d, const struct interval *in)
{
	double ran = (double)d->running / NS / 1000;	/* thousands of instructions */
	double slack = 50e3 + 8e3 * number * (d->enabled / TICK + 1 + in->switches);
	/* Xen's part of starting and of switching is great, and of a fork greater. */
	double xens = xen_counts(e) ? 0 : 100e3 + (in->forked ? 400e3 : 0);
	double least = 0, most = ran * e->kind->most * 1.02 + slack * e->kind->most / 1000;
	uint64_t work = in->mine + of_children(e, in);
	int whole = e->enabled && !e->changed && !is_mute(e) && d->running == d->enabled;
	int here = e->cpu < 0 || e->cpu == home;

	if (!guest_counts(e) && !xen_counts(e)) {
		judge(COUNT, !d->count, e, "%llu of what it excludes",
		      (unsigned long long)d->count);
		return;
	}
	/* Xen stops all counters from an overflow until the guest has handled it. */
	if (guest_counts(e) && e->task) {
		least = (ran - in->overflows * HANDLING) * (xen_counts(e) ? 0.92 : 0.85) -
			(slack + xens) / 1000;
		least *= e->kind->least;
	}
	/* On a counter all the time: at least the loops, exactly. */
	if (guest_counts(e) && here && whole && least < work / 1000.0 * e->kind->least * 0.999)
		least = work / 1000.0 * e->kind->least * 0.999;
	if (!guest_counts(e))
		least = d->running > 5000000 && e->task ? 1 : 0;
	judge(COUNT, d->count >= least && d->count <= most, e,
	      "%llu in %llu of %llu us, should be %.0f to %.0f; %d switches, %llu overflows of %d events",
	      (unsigned long long)d->count, (unsigned long long)d->running / 1000,
	      (unsigned long long)d->enabled / 1000, least, most, in->switches,
	      (unsigned long long)in->overflows, number);
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

/* What an interval must look like in one event's reading. */
static void hold(struct event *e, const struct interval *in)
{
	struct reading d;
	uint64_t wall, clocks;
	int here = e->cpu < 0 || e->cpu == home;

	if (!take(e, &e->last))
		return;
	d.count = e->last.count - e->base.count;
	d.enabled = e->last.enabled - e->base.enabled;
	d.running = e->last.running - e->base.running;
	wall = now() - in->start;
	clocks = (wall + CLOCKS) * (e->attr.inherit ? 2 : 1);
	judge(TIME, d.running <= d.enabled && d.enabled <= clocks, e,
	      "running %llu, enabled %llu, %llu passed", (unsigned long long)d.running,
	      (unsigned long long)d.enabled, (unsigned long long)wall);
	if (!e->enabled && !e->changed) {
		judge(STOPPED, !d.count && !d.enabled && !d.running, e,
		      "disabled, and went on by %llu in %llu of %llu ns",
		      (unsigned long long)d.count, (unsigned long long)d.running,
		      (unsigned long long)d.enabled);
		return;
	}
	if (e->enabled && !e->changed && !is_mute(e) && here)
		judge(TIME, d.enabled >= in->mine * NS * 99 / 100, e,
		      "enabled for %llu ns of %llu", (unsigned long long)d.enabled,
		      (unsigned long long)in->mine * NS);
	hold_count(e, &d, in);
	if (e->attr.pinned && !e->changed && here && !e->attr.inherit)
		judge(PINNED, d.running * 100 >= d.enabled * 99, e,
		      "running %llu of %llu ns", (unsigned long long)d.running,
		      (unsigned long long)d.enabled);
	if (e->enabled && !e->changed)
		e->work += in->mine + of_children(e, in);
}

/* So many there were since the interval began, or one more of each event. */
static uint64_t overflows(void)
{
	struct reading r;
	uint64_t sum = 0;

	for (unsigned int i = 0; i < number; i++) {
		struct event *e = &events[i];

		if (e->attr.sample_period && take(e, &r))
			sum += 1 + (r.count - e->base.count) / e->attr.sample_period;
	}
	return sum;
}

/* How often it was switched away from, children that ended included */
static int task_switches(void)
{
	static const int whose[] = { RUSAGE_SELF, RUSAGE_CHILDREN };
	struct rusage used;
	int sum = 0;

	for (unsigned int i = 0; i < 2; i++)
		if (!getrusage(whose[i], &used))
			sum += used.ru_nvcsw + used.ru_nivcsw;
	return sum;
}

static int is_instructions(const struct kind *kind)
{
	return kind->least == 1000 && kind->most == 1000;
}

/*
 * A CPU's event that counts all the time: QEMU knows how much, to the instruction.
 * Of Xen's part alone the snapshot itself would be the greatest share; and while
 * an overflow is handled all counters stand still, which QEMU does not take off.
 */
static struct event *witness(void)
{
	if (!label)
		return NULL;
	for (unsigned int i = 0; i < number; i++)
		if (events[i].attr.sample_period)
			return NULL;
	for (unsigned int i = 0; i < number; i++) {
		struct event *e = &events[i];

		if (!e->task && is_instructions(e->kind) && e->cpu == home && e->enabled &&
		    !e->changed && !e->leader->out && !e->attr.exclude_host &&
		    guest_counts(e))
			return e;
	}
	return NULL;
}

static void interval(void)
{
	struct interval in = { .mine = (200000 + below(1000000)) / 10 * 100 };
	struct reading before, after;
	uint64_t parts = 1 + below(3);
	struct event *sure;
	int switches;

	if (one_in(4))
		move_to(below(cpus));
	in.start = now();
	for (unsigned int i = 0; i < number; i++) {
		struct event *e = &events[i];

		e->changed = 0;
		if (!take(e, &e->base))
			e->base = e->last;
	}
	switches = task_switches();
	in.switches = 1 + maybe_switch();
	if (one_in(4)) {
		uint64_t born = now();
		pid_t child;

		in.forked = in.mine / 20 * 10;
		child = fork();
		if (!child) {
			spin(in.forked);
			_exit(0);
		}
		waitpid(child, NULL, 0);
		in.switches += 2;
		round_lives += now() - born + CLOCKS;
	}
	if (one_in(3))
		usleep(500 + below(4000));

	sure = witness();
	if (sure && take(sure, &before))
		outl(label, SNAPSHOT_PORT);
	for (uint64_t part = 0; part < parts; part++)
		spin(in.mine / parts);
	if (sure && take(sure, &after)) {
		outl(label + 1, SNAPSHOT_PORT);
		if (after.running - before.running == after.enabled - before.enabled) {
			printf("# known %lu - round %d event %d at %ld: ",
			       ++known, round_number, (int)(sure - events), label);
			printf("%llu is instr%s_cpu%d of %ld -%ld +-3 %%\n",
			       (unsigned long long)(after.count - before.count),
			       xen_counts(sure) ? "" : "_usr", home, label + 1, label);
			label += 2;
		}
	}
	in.mine = in.mine / parts / 10 * 10 * parts;
	in.overflows = overflows();
	in.switches += task_switches() - switches;
	round_switches += in.switches;

	for (unsigned int i = 0; i < number; i++)
		hold(&events[i], &in);
}

/*
 * Where counters have a switch in common (SDM vol. 3B, version 2), a group begins and
 * ends with it. On AMD each has its own, and what is not left on starts a trap later
 * than the one before: five of them take some 14,000 instructions, if that happens.
 */
static double group_apart(const struct event *e)
{
	/* Those that were opened later took it out, too. */
	uint64_t starts = MOST + round_switches + e->last.enabled / TICK;
	unsigned int version = 0, b, c, d;

	if (__get_cpuid(0xa, &version, &b, &c, &d) && (version & 0xff) >= 2)
		return 0;
	return (double)APART * e->kind->most / 1000 * starts;
}

/* How much longer one of a group may be enabled than another, in ns. */
static int64_t untold(const struct event *e)
{
	return e->attr.inherit && forgets_children() ? round_lives : 0;
}

/* Over a round: what steady events had a part of is all of it, scaled. */
static void hold_round(void)
{
	for (unsigned int i = 0; i < number; i++) {
		struct event *e = &events[i];
		double scaled, most, least;
		struct reading d;

		if (e->leader->out || !e->steady || is_mute(e) || !e->task || e->cpu >= 0 ||
		    !guest_counts(e))
			continue;
		d.count = e->last.count - e->first.count;
		d.enabled = e->last.enabled - e->first.enabled;
		d.running = e->last.running - e->first.running;
		if (d.running < 20 * (TICK / 10) || !e->work)
			continue;
		scaled = (double)d.count * d.enabled / d.running;
		least = e->work / 1000.0 * e->kind->least * 0.9;
		most = (double)d.enabled / NS / 1000 * e->kind->most * 1.05;
		judge(SCALED, scaled >= least && scaled <= most, e,
		      "%.0f at %.1f %%, should be %.0f to %.0f", scaled,
		      100.0 * d.running / d.enabled, least, most);
	}
	for (unsigned int i = 0; i < number; i++) {
		struct event *e = &events[i], *leader = e->leader;
		double apart, slack;
		int64_t longer;
		int together;

		if (leader == e) {
			change(e, 0);
			take(e, &e->last);
			continue;
		}
		if (!take(e, &e->last))
			continue;
		longer = e->last.enabled - leader->last.enabled;
		together = llabs(longer) <= untold(e) &&
			   e->last.running == leader->last.running;
		judge(GROUP, together, e,
		      "running %llu of %llu ns, its leader %llu of %llu",
		      (unsigned long long)e->last.running, (unsigned long long)e->last.enabled,
		      (unsigned long long)leader->last.running,
		      (unsigned long long)leader->last.enabled);
		if (e->kind != leader->kind || guest_counts(e) != guest_counts(leader) ||
		    xen_counts(e) != xen_counts(leader))
			continue;
		apart = (double)e->last.count - leader->last.count;
		slack = 0.005 * leader->last.count + 50e3 + group_apart(e);
		judge(GROUP, apart <= slack && -apart <= slack, e, "%llu, its leader %llu",
		      (unsigned long long)e->last.count, (unsigned long long)leader->last.count);
	}
}

int main(int argc, char **argv)
{
	uint64_t seed;
	int rounds;

	if (argc < 3) {
		fprintf(stderr, "usage: mix SEED ROUNDS [LABEL]\n");
		return 2;
	}
	seed = strtoull(argv[1], NULL, 0);
	rounds = atoi(argv[2]);
	label = argc > 3 ? atol(argv[3]) : 0;
	if (label && ioperm(SNAPSHOT_PORT, 4, 1)) {
		perror("ioperm");
		return 1;
	}
	random_state = seed;
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	move_to(0);
	for (round_number = 0; round_number < rounds; round_number++) {
		int intervals = 2 + below(4);

		round_lives = 0;
		round_switches = 0;
		open_some();
		while (intervals--)
			interval();
		hold_round();
		while (number)
			close(events[--number].file);
	}
	printf("mix %llu opened %lu refused %lu pinned out %lu\n", (unsigned long long)seed,
	       opened, refused, out);
	for (int rule = 0; rule < RULES; rule++)
		printf("rule %s held %lu broken %lu\n", rules[rule], held[rule], broken[rule]);
	printf("known %lu\n", known);
	return 0;
}
