// SPDX-License-Identifier: GPL-2.0
/*
 * A program that spends its time in the hypervisor.
 *
 *	hyper CALLS
 *
 * makes CALLS hypercalls that do next to nothing: each asks Xen for its version,
 * through the driver that toolstacks use. It wants dom0 and root.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#define HYPERCALL_XEN_VERSION 17
#define XENVER_VERSION 0

struct hypercall {
	unsigned long long op;
	unsigned long long arg[5];
};

#define PRIVCMD_HYPERCALL _IOC(_IOC_NONE, 'P', 0, sizeof(struct hypercall))

/* Calls of one length fall into step with a sampling period, and miss what they do. */
static void vary(unsigned long call)
{
	volatile unsigned long left = (call * 2654435761UL >> 16) % 64;

	while (left)
		left--;
}

int main(int argc, char **argv)
{
	unsigned long calls;
	int file;

	if (argc != 2) {
		fprintf(stderr, "usage: hyper CALLS\n");
		return 2;
	}
	file = open("/proc/xen/privcmd", O_RDWR);
	if (file < 0)
		file = open("/dev/xen/privcmd", O_RDWR);
	if (file < 0) {
		perror("privcmd");
		return 1;
	}
	for (calls = strtoul(argv[1], NULL, 0); calls; calls--) {
		struct hypercall call = {
			.op = HYPERCALL_XEN_VERSION,
			.arg = { XENVER_VERSION },
		};

		if (ioctl(file, PRIVCMD_HYPERCALL, &call) < 0) {
			perror("hypercall");
			return 1;
		}
		vary(calls);
	}
	return 0;
}
