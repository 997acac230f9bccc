// SPDX-License-Identifier: GPL-2.0
/*
 * Two processes that wake each other through pipes, as perf bench sched pipe
 * does: on one processor every message is a switch from one to the other.
 *
 *	pingpong MESSAGES LABEL
 *
 * sends MESSAGES there and as many back. The rig takes snapshots LABEL before
 * and LABEL + 1 behind them (see port.c), so that nothing else is counted. It
 * prints how often either process left the processor in between:
 *
 *	pingpong LABEL parent NUMBER child NUMBER
 *
 * Both are SCHED_FIFO: the fair scheduler lets the woken one run at once or not by
 * how long both have run, and so a switch's cost would be that of the weather.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/io.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SNAPSHOT_PORT 0x5e0
#define WARM_UP 100

static int there[2], back[2];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static long switched_out(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage))
		die("getrusage");
	return usage.ru_nvcsw + usage.ru_nivcsw;
}

static void ping(long messages)
{
	char byte = 0;

	while (messages--)
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			die("ping");
}

static void pong(long messages)
{
	char byte;

	while (messages--)
		if (read(there[0], &byte, 1) != 1 || write(back[1], &byte, 1) != 1)
			die("pong");
}

static void child(long messages)
{
	long switches;

	pong(WARM_UP);
	switches = switched_out();
	pong(messages);
	switches = switched_out() - switches;
	if (write(back[1], &switches, sizeof(switches)) != sizeof(switches))
		die("child");
	_exit(0);
}

int main(int argc, char **argv)
{
	const struct sched_param fifo = { .sched_priority = 1 };
	long messages, label, mine, others;
	pid_t pid;

	if (argc != 3) {
		fprintf(stderr, "usage: pingpong MESSAGES LABEL\n");
		return 2;
	}
	messages = strtol(argv[1], NULL, 0);
	label = strtol(argv[2], NULL, 0);
	if (sched_setscheduler(0, SCHED_FIFO, &fifo) || ioperm(SNAPSHOT_PORT, 4, 1) ||
	    pipe(there) || pipe(back))
		die("setup");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid)
		child(messages);

	ping(WARM_UP);
	mine = switched_out();
	outl(label, SNAPSHOT_PORT);
	ping(messages);
	outl(label + 1, SNAPSHOT_PORT);
	mine = switched_out() - mine;

	if (read(back[0], &others, sizeof(others)) != sizeof(others))
		die("read");
	wait(NULL);
	printf("pingpong %ld parent %ld child %ld\n", label, mine, others);
	return 0;
}
