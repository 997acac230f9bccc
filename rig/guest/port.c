// SPDX-License-Identifier: GPL-2.0
/*
 * Asks the rig's QEMU to write down what its PMU knows to be true:
 *
 *	port LABEL
 *
 * appends a snapshot under that number (instructions by CPU and level, trapped
 * MSR accesses, xenpmu hypercalls) to a file of the host's. Elsewhere than on
 * the rig nothing listens at that port: the cases ask $RIG first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/io.h>

#define SNAPSHOT_PORT 0x5e0

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: port LABEL\n");
		return 2;
	}
	if (ioperm(SNAPSHOT_PORT, 4, 1)) {
		perror("ioperm");
		return 1;
	}
	outl(strtoul(argv[1], NULL, 0), SNAPSHOT_PORT);
	return 0;
}
