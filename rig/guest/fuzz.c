// SPDX-License-Identifier: GPL-2.0
/*
 * Random programs on perf_event_open(), to see whether the kernel survives them.
 *
 *	fuzz SEED LAST [FIRST [LEFT-OUT...]]
 *
 * Several processes, one of them nobody's, each perform the operations FIRST (0)
 * to LAST but those that are left out: they open events with random attributes, in
 * groups, enable, read, map and close them, fork, execute, exit, move between CPUs
 * and sleep. What an operation does follows from the seed, the process and its
 * number alone, so that a sequence stays the same when others are left out.
 *
 * Afterwards all events are gone. It prints
 *
 *	fuzz SEED: A operations, B events opened, C refused, D samples
 *	wedged: ...			for a process that did not end
 *
 * and ends with 1 if there was one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "random.h"

#define PROCESSES 4
#define NOBODY 2		/* the process that is nobody's */
#define SLOTS 24		/* events that one has at a time */
#define PAGES 8			/* of an event's buffer */
#define PATIENCE 120		/* seconds for all of it */

struct slot {
	int file;		/* -1: none */
	struct perf_event_mmap_page *buffer;
	int writable;		/* or the buffer is overwritten when it is full */
};

struct result {
	unsigned long operations, opened, refused;
	unsigned long samples;
};

static struct slot slots[SLOTS];
static struct result *result;	/* this process's, in shared memory */
static long cpus, page;

static void spin(unsigned long turns)
{
	for (volatile unsigned long turn = 0; turn < turns; turn++)
		;
}

/* Of every size, small and great ones as often */
static uint64_t of_any_size(unsigned int bits)
{
	return random_word() >> (64 - (1 + below(bits)));
}

/* ---- Events ---- */

static uint64_t some_config(uint32_t type)
{
	static const uint64_t raw[] = {
		0xc0, 0x3c, 0x76, 0xc2, 0xc4, 0x13c, 0x300, 0x400, 0x4f2e, 0x412e, 0x5301b7
	};

	switch (type) {
	case PERF_TYPE_HARDWARE:
		return below(PERF_COUNT_HW_MAX + 1);
	case PERF_TYPE_SOFTWARE:
		return below(PERF_COUNT_SW_MAX + 1);
	case PERF_TYPE_HW_CACHE:
		return below(8) | below(4) << 8 | below(3) << 16;
	case PERF_TYPE_RAW:
		return raw[below(sizeof(raw) / sizeof(*raw))] | (one_in(4) ? of_any_size(64) : 0);
	case PERF_TYPE_BREAKPOINT:
		return 0;
	default:
		return of_any_size(16);
	}
}

static void fill(struct perf_event_attr *attr)
{
	/* Bits of the attribute's flags: inherit, pinned and what follows them */
	static const uint64_t often = 0x1ff;
	uint64_t flags = random_word() & random_word() & often;

	memset(attr, 0, sizeof(*attr));
	attr->size = sizeof(*attr);
	attr->type = one_in(3) ? PERF_TYPE_RAW : one_in(4) ? below(7) : PERF_TYPE_HARDWARE;
	attr->config = some_config(attr->type);
	if (one_in(2))
		attr->sample_period = 1000 + of_any_size(22);
	if (one_in(16))
		attr->sample_period = of_any_size(4);
	if (one_in(64))
		attr->sample_period = of_any_size(64);
	if (attr->sample_period)
		attr->sample_type = random_word() & random_word() & (PERF_SAMPLE_MAX - 1);
	attr->read_format = random_word() & 31;
	if (one_in(4))
		flags |= random_word() & random_word() & random_word() & 0x7fffffffff;
	memcpy(&attr->read_format + 1, &flags, sizeof(flags));
	if (one_in(8)) {
		attr->freq = 1;
		attr->sample_freq = 1 + of_any_size(17);
	}
	if (one_in(4))
		attr->wakeup_events = below(4);
	if (attr->type == PERF_TYPE_BREAKPOINT) {
		attr->bp_type = HW_BREAKPOINT_W;
		attr->bp_addr = (uintptr_t)&slots[below(SLOTS)];
		attr->bp_len = HW_BREAKPOINT_LEN_4;
	} else if (one_in(16)) {
		attr->config1 = of_any_size(64);
		attr->config2 = of_any_size(64);
	}
	if (attr->sample_type & PERF_SAMPLE_REGS_USER)
		attr->sample_regs_user = of_any_size(24);
	if (attr->sample_type & PERF_SAMPLE_REGS_INTR)
		attr->sample_regs_intr = of_any_size(24);
	if (attr->sample_type & PERF_SAMPLE_STACK_USER)
		attr->sample_stack_user = 8 * of_any_size(10);
	if (attr->sample_type & PERF_SAMPLE_BRANCH_STACK)
		attr->branch_sample_type = of_any_size(18);
}

static int some_event(void)
{
	return slots[below(SLOTS)].file;
}

static void map(struct slot *slot)
{
	void *buffer;

	if (slot->buffer || slot->file < 0)
		return;

	slot->writable = !one_in(4);
	buffer = mmap(NULL, (1 + PAGES) * page,
		      slot->writable ? PROT_READ | PROT_WRITE : PROT_READ,
		      MAP_SHARED, slot->file, 0);
	slot->buffer = buffer == MAP_FAILED ? NULL : buffer;
}

/* What is mostly taken, with the same period and flags */
static void make_common(struct perf_event_attr *attr)
{
	attr->type = PERF_TYPE_HARDWARE;
	attr->config = one_in(2) ? PERF_COUNT_HW_INSTRUCTIONS : PERF_COUNT_HW_CPU_CYCLES;
	attr->sample_type &= PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME |
			     PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_PERIOD;
	attr->read_format &= 15;
	attr->precise_ip = 0;
	attr->sigtrap = 0;
	attr->aux_output = 0;
	attr->write_backward = 0;
	attr->exclude_callchain_kernel = 0;
	attr->exclude_callchain_user = 0;
	attr->config1 = 0;
	attr->config2 = 0;
	attr->branch_sample_type = 0;
}

static void open_event(struct slot *slot)
{
	static const int flags[] = {
		0, PERF_FLAG_FD_CLOEXEC, PERF_FLAG_FD_NO_GROUP, PERF_FLAG_FD_OUTPUT
	};
	struct perf_event_attr attr;
	pid_t task = one_in(3) ? -1 : one_in(8) ? getppid() : 0;
	int cpu = task < 0 || one_in(4) ? (int)below(cpus + 1) : -1;
	int leader = one_in(2) ? some_event() : -1;

	fill(&attr);
	if (slot->file >= 0)
		return;

	slot->file = syscall(SYS_perf_event_open, &attr, task, cpu, leader, flags[below(4)]);
	/* Most of what is random is refused. */
	if (slot->file < 0 && !one_in(3)) {
		make_common(&attr);
		slot->file = syscall(SYS_perf_event_open, &attr, 0, cpu, -1, 0);
	}
	if (slot->file < 0)
		result->refused++;
	else
		result->opened++;
	if (attr.sample_period && one_in(2))
		map(slot);
}

static void unmap(struct slot *slot)
{
	if (slot->buffer)
		munmap(slot->buffer, (1 + PAGES) * page);
	slot->buffer = NULL;
}

static void close_event(struct slot *slot)
{
	/* Sometimes the buffer outlives its event. */
	if (!one_in(4))
		unmap(slot);
	if (slot->file >= 0)
		close(slot->file);
	slot->file = -1;
}

/* Count the samples in a buffer, and mostly say that they were read. */
static void drain(struct slot *slot)
{
	struct perf_event_mmap_page *b = slot->buffer;
	uint64_t head, tail;

	if (!b || !slot->writable)
		return;
	head = b->data_head;
	__sync_synchronize();
	for (tail = b->data_tail; tail < head;) {
		const struct perf_event_header *record =
			(void *)((char *)b + page + tail % (PAGES * page));

		if (!record->size)
			break;
		result->samples += record->type == PERF_RECORD_SAMPLE;
		tail += record->size;
	}
	if (!one_in(4))
		b->data_tail = head;
}

static void control(int file)
{
	static const unsigned long requests[] = {
		PERF_EVENT_IOC_ENABLE, PERF_EVENT_IOC_DISABLE, PERF_EVENT_IOC_RESET,
		PERF_EVENT_IOC_REFRESH, PERF_EVENT_IOC_PERIOD, PERF_EVENT_IOC_SET_OUTPUT,
		PERF_EVENT_IOC_ID, PERF_EVENT_IOC_PAUSE_OUTPUT,
		PERF_EVENT_IOC_MODIFY_ATTRIBUTES,
	};
	unsigned long request = requests[below(sizeof(requests) / sizeof(*requests))];
	struct perf_event_attr attr;
	uint64_t number = one_in(8) ? of_any_size(64) : 1000 + of_any_size(20);

	switch (request) {
	case PERF_EVENT_IOC_PERIOD:
	case PERF_EVENT_IOC_ID:
		ioctl(file, request, &number);
		break;
	case PERF_EVENT_IOC_SET_OUTPUT:
		ioctl(file, request, some_event());
		break;
	case PERF_EVENT_IOC_MODIFY_ATTRIBUTES:
		fill(&attr);
		ioctl(file, request, &attr);
		break;
	default:
		/* As a number: a group's flag, how often, or whether */
		ioctl(file, request, one_in(2) ? below(4) : 0);
	}
}

static void ask_for_signals(int file)
{
	fcntl(file, F_SETOWN, getpid());
	fcntl(file, F_SETSIG, one_in(2) ? SIGIO : 0);
	fcntl(file, F_SETFL, one_in(4) ? 0 : O_ASYNC);
}

/* ---- Other things that programs do ---- */

static void child(void)
{
	char *const words[] = { "true", NULL };
	pid_t pid;
	unsigned int what = below(4);

	pid = fork();
	if (pid > 0 && what)
		waitpid(pid, NULL, 0);
	if (pid)
		return;

	spin(of_any_size(18));
	switch (what) {
	case 0:		/* an orphan, for a moment: its parent collects it later */
		usleep(below(3000));
		_exit(0);
	case 1:
		execvp(words[0], words);
		_exit(1);
	case 2:
		raise(SIGKILL);
	}
	for (unsigned int i = 0; i < SLOTS; i++)
		if (slots[i].file >= 0 && one_in(4))
			close(slots[i].file);
	_exit(0);
}

static void move(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(below(cpus), &set);
	if (one_in(4))
		memset(&set, 0xff, sizeof(set));
	sched_setaffinity(0, sizeof(set), &set);
}

static void look(struct slot *slot)
{
	struct pollfd poll_for = { .fd = slot->file, .events = POLLIN };
	uint64_t values[64];

	if (one_in(4))
		poll(&poll_for, 1, below(3));
	else if (read(slot->file, values, one_in(4) ? 8 : sizeof(values)) < 0)
		errno = 0;
}

static void operation(void)
{
	struct slot *slot = &slots[below(SLOTS)];

	switch (below(24)) {
	case 0 ... 6:
		open_event(slot);
		break;
	case 7 ... 8:
		close_event(slot);
		break;
	case 9 ... 11:
		control(slot->file);
		break;
	case 12 ... 13:
		look(slot);
		break;
	case 14:
		map(slot);
		break;
	case 15:
		drain(slot);
		break;
	case 16:
		unmap(slot);
		break;
	case 17:
		child();
		break;
	case 18:
		move();
		break;
	case 19:
		usleep(below(2000));
		break;
	case 20:
		prctl(one_in(3) ? PR_TASK_PERF_EVENTS_DISABLE : PR_TASK_PERF_EVENTS_ENABLE);
		break;
	case 21:
		ask_for_signals(slot->file);
		break;
	default:
		spin(of_any_size(20));
	}
}

/* ---- All of it ---- */

static void on_signal(int number)
{
	(void)number;
}

static int left_out(char **list, unsigned long operation)
{
	for (; *list; list++)
		if (strtoul(*list, NULL, 0) == operation)
			return 1;
	return 0;
}

static void process(unsigned int which, uint64_t seed, unsigned long first,
		    unsigned long last, char **skip)
{
	static const int ignored[] = { SIGIO, SIGTRAP, SIGUSR1 };

	for (unsigned int i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		signal(ignored[i], on_signal);
	if (which == NOBODY && (setgroups(0, NULL) || setgid(65534) || setuid(65534)))
		_exit(2);
	for (unsigned int i = 0; i < SLOTS; i++)
		slots[i].file = -1;

	for (unsigned long number = first; number <= last; number++) {
		if (left_out(skip, number))
			continue;
		random_state = (seed * PROCESSES + which) << 32 | number;
		operation();
		result->operations++;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	_exit(0);
}

static int is_over(pid_t pid, unsigned int seconds)
{
	for (unsigned int i = 0; i < 10 * seconds; i++) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return 1;
		usleep(100000);
	}
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long first, last;
	struct result *all, sum = { 0 };
	pid_t pids[PROCESSES];
	uint64_t seed;
	int wedged = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: fuzz SEED LAST [FIRST [LEFT-OUT...]]\n");
		return 2;
	}
	seed = strtoull(argv[1], NULL, 0);
	last = strtoul(argv[2], NULL, 0);
	first = argc > 3 ? strtoul(argv[3], NULL, 0) : 0;
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	page = sysconf(_SC_PAGESIZE);
	all = mmap(NULL, PROCESSES * sizeof(*all), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	for (unsigned int i = 0; i < PROCESSES; i++) {
		result = &all[i];
		pids[i] = fork();
		if (!pids[i])
			process(i, seed, first, last, argv + (argc > 4 ? 4 : argc));
	}
	for (unsigned int i = 0; i < PROCESSES; i++) {
		if (!is_over(pids[i], PATIENCE)) {
			printf("wedged: process %u of seed %llu, at operation %lu\n", i,
			       (unsigned long long)seed, first + all[i].operations);
			kill(pids[i], SIGKILL);
			wedged = 1;
			if (!is_over(pids[i], PATIENCE))
				printf("wedged: and it does not die\n");
		}
		sum.operations += all[i].operations;
		sum.opened += all[i].opened;
		sum.refused += all[i].refused;
		sum.samples += all[i].samples;
	}
	printf("fuzz %llu: %lu operations, %lu events opened, %lu refused, %lu samples\n",
	       (unsigned long long)seed, sum.operations, sum.opened, sum.refused, sum.samples);
	return wedged;
}
