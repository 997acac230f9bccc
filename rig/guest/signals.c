// SPDX-License-Identifier: GPL-2.0
/*
 * What programs do with an event of their own, instead of leaving it to perf: a
 * signal for each overflow, so many of them and no more, another period, from 0
 * again.
 *
 *	signals u|all PERIOD
 *
 * counts its own instructions, in user mode alone or all, and prints for each part
 *
 *	PART signals N last M count C
 *
 * N are signals that said "more to come", M those that said it was the last; C is
 * the event's count afterwards.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile sig_atomic_t more, last, traps;

static void overflowed(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	if (info->si_code == POLL_HUP)
		last++;
	else
		more++;
}

static void trapped(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)info;
	(void)context;
	traps++;
}

static void work(uint64_t instructions)
{
	uint64_t left = instructions / 2;

	asm volatile("1:\n\tdec %0\n\tjnz 1b" : "+r" (left) : : "cc");
}

static int open_event(int user_only, uint64_t period, int trap)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.sample_period = period,
		.disabled = 1,
		.exclude_kernel = user_only,
		.exclude_hv = user_only,
		.wakeup_events = 1,
		.sigtrap = trap,
		.remove_on_exec = trap,
		.sig_data = 1,
	};
	int file = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);

	if (file < 0) {
		perror("perf_event_open");
		exit(1);
	}
	if (!trap && (fcntl(file, F_SETFL, O_ASYNC) || fcntl(file, F_SETSIG, SIGIO) ||
		      fcntl(file, F_SETOWN, getpid()))) {
		perror("fcntl");
		exit(1);
	}
	return file;
}

static uint64_t count_of(int file)
{
	uint64_t count = 0;

	if (read(file, &count, sizeof(count)) != sizeof(count))
		perror("read");
	return count;
}

static void say(const char *part, int file)
{
	printf("%s signals %d last %d count %llu\n", part, (int)more, (int)last,
	       (unsigned long long)count_of(file));
	more = 0;
	last = 0;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_flags = SA_SIGINFO };
	uint64_t period, half;
	int file, user_only;

	if (argc != 3) {
		fprintf(stderr, "usage: signals u|all PERIOD\n");
		return 2;
	}
	user_only = !strcmp(argv[1], "u");
	period = strtoull(argv[2], NULL, 0);
	half = period / 2;
	action.sa_sigaction = overflowed;
	sigaction(SIGIO, &action, NULL);
	action.sa_sigaction = trapped;
	sigaction(SIGTRAP, &action, NULL);

	/* So many overflows, and the last turns the event off. */
	file = open_event(user_only, period, 0);
	ioctl(file, PERF_EVENT_IOC_REFRESH, 3);
	work(20 * period);
	say("refresh", file);
	ioctl(file, PERF_EVENT_IOC_REFRESH, 1);
	work(20 * period);
	say("again", file);

	/* From 0, with a period that is half as long: the old one's rest comes first. */
	ioctl(file, PERF_EVENT_IOC_RESET, 0);
	say("reset", file);
	ioctl(file, PERF_EVENT_IOC_PERIOD, &half);
	ioctl(file, PERF_EVENT_IOC_REFRESH, 1000);
	work(10 * period);
	ioctl(file, PERF_EVENT_IOC_DISABLE, 0);
	say("period", file);
	close(file);

	/* A trap in the program itself, at each. */
	file = open_event(user_only, period, 1);
	ioctl(file, PERF_EVENT_IOC_ENABLE, 0);
	work(20 * period);
	ioctl(file, PERF_EVENT_IOC_DISABLE, 0);
	printf("trap signals %d last 0 count %llu\n", (int)traps,
	       (unsigned long long)count_of(file));
	return 0;
}
