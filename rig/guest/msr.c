// SPDX-License-Identifier: GPL-2.0
/*
 * Reads a model-specific register and writes the same value back:
 *
 *	msr NUMBER [TIMES [LABEL]]
 *
 * A register that Xen refuses counts all the same: what is looked at is the way
 * to it. With a LABEL the rig takes snapshots LABEL before the reads, LABEL + 1
 * behind them and LABEL + 2 behind the writes (see port.c).
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/io.h>
#include <unistd.h>

#define SNAPSHOT_PORT 0x5e0

static void snapshot(long label)
{
	if (label >= 0)
		outl(label, SNAPSHOT_PORT);
}

int main(int argc, char **argv)
{
	long times = argc > 2 ? strtol(argv[2], NULL, 0) : 1;
	long label = argc > 3 ? strtol(argv[3], NULL, 0) : -1;
	uint64_t value = 0;
	off_t number;
	long i;
	int file;

	if (argc < 2) {
		fprintf(stderr, "usage: msr NUMBER [TIMES [LABEL]]\n");
		return 2;
	}
	number = strtoul(argv[1], NULL, 0);
	file = open("/dev/cpu/0/msr", O_RDWR);
	if (file < 0 || (label >= 0 && ioperm(SNAPSHOT_PORT, 4, 1))) {
		perror("msr");
		return 1;
	}
	snapshot(label);
	for (i = 0; i < times; i++)
		if (pread(file, &value, sizeof(value), number) < 0)
			value = 0;
	snapshot(label < 0 ? label : label + 1);
	for (i = 0; i < times; i++)
		if (pwrite(file, &value, sizeof(value), number) < 0)
			continue;
	snapshot(label < 0 ? label : label + 2);
	return 0;
}
