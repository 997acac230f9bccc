// SPDX-License-Identifier: GPL-2.0
/*
 * A program that computes and sleeps by turns.
 *
 *	doze TURNS INSTRUCTIONS MICROSECONDS
 *
 * executes INSTRUCTIONS user instructions in burst() and sleeps MICROSECONDS,
 * TURNS times, and as many instructions more as that takes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void burst(unsigned long instructions)
{
	unsigned long left = instructions / 4;

	asm volatile("1:\n\t"
		     "add $1, %%rax\n\t"
		     "add $2, %%rdx\n\t"
		     "dec %0\n\t"
		     "jnz 1b"
		     : "+r" (left) : : "rax", "rdx", "cc");
}

int main(int argc, char **argv)
{
	unsigned long turns, instructions;
	unsigned int microseconds;

	if (argc != 4) {
		fprintf(stderr, "usage: doze TURNS INSTRUCTIONS MICROSECONDS\n");
		return 2;
	}
	turns = strtoul(argv[1], NULL, 0);
	instructions = strtoul(argv[2], NULL, 0);
	microseconds = strtoul(argv[3], NULL, 0);
	for (; turns; turns--) {
		burst(instructions);
		usleep(microseconds);
	}
	return 0;
}
