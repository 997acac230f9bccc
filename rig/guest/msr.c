// SPDX-License-Identifier: GPL-2.0
/*
 * Reads a model-specific register of CPU 0, as raw tools do, prints its value, and
 * writes VALUE or the same again:
 *
 *	msr NUMBER [VALUE]
 *
 * That Xen refuses the register is no error: what is looked at is the way there.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	uint64_t value = 0;
	off_t number;
	int file;

	if (argc != 2 && argc != 3) {
		fprintf(stderr, "usage: msr NUMBER [VALUE]\n");
		return 2;
	}
	number = strtoul(argv[1], NULL, 0);
	file = open("/dev/cpu/0/msr", O_RDWR);
	if (file < 0) {
		perror("/dev/cpu/0/msr");
		return 1;
	}
	if (pread(file, &value, sizeof(value), number) < 0)
		fprintf(stderr, "reading %s is refused\n", argv[1]);
	printf("%llu\n", (unsigned long long)value);
	if (argc == 3)
		value = strtoull(argv[2], NULL, 0);
	if (pwrite(file, &value, sizeof(value), number) < 0)
		fprintf(stderr, "writing %s is refused\n", argv[1]);
	return 0;
}
