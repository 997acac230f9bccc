// SPDX-License-Identifier: GPL-2.0
/*
 * A program whose instruction count and profile are known beforehand.
 *
 *	loop INSTRUCTIONS
 *
 * executes INSTRUCTIONS user instructions (and a few ten thousand more to start
 * and to end), 60 % of them in hot(), 30 % in warm() and 10 % in cold(), all
 * called from round_trip(), called from work(), called from main(). The shares
 * are interleaved in small rounds; a sample period that is a multiple of a round,
 * or near one, is in step with them and sees what chance has put there.
 */
#include <stdio.h>
#include <stdlib.h>

#define ROUND 100000UL	/* instructions of one trip through the three */
#define BODY 10UL	/* instructions of one turn of a loop */

/*
 * Eight additions, a decrement and a jump: ten instructions a turn. Asking for
 * the frame makes gcc set one up, which it leaves out where it is not needed.
 */
#define SPIN(turns)						\
	do {							\
		unsigned long left = (turns);			\
								\
		asm volatile("" : : "r" (__builtin_frame_address(0))); \
		asm volatile("1:\n\t"				\
			     "add $1, %%rax\n\t"		\
			     "add $2, %%rdx\n\t"		\
			     "add $3, %%rax\n\t"		\
			     "add $4, %%rdx\n\t"		\
			     "add $5, %%rax\n\t"		\
			     "add $6, %%rdx\n\t"		\
			     "add $7, %%rax\n\t"		\
			     "add $8, %%rdx\n\t"		\
			     "dec %0\n\t"			\
			     "jnz 1b"				\
			     : "+r" (left) : : "rax", "rdx", "cc"); \
	} while (0)

void hot(unsigned long share)
{
	SPIN(share * 6 / BODY);
}

void warm(unsigned long share)
{
	SPIN(share * 3 / BODY);
}

void cold(unsigned long share)
{
	SPIN(share / BODY);
}

void round_trip(unsigned long instructions)
{
	hot(instructions / 10);
	warm(instructions / 10);
	cold(instructions / 10);
	asm volatile("");	/* no tail call: callers must be on the stack */
}

void work(unsigned long instructions)
{
	for (; instructions >= ROUND; instructions -= ROUND)
		round_trip(ROUND);
	asm volatile("");
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: loop INSTRUCTIONS (a multiple of %lu)\n", ROUND);
		return 2;
	}
	work(strtoul(argv[1], NULL, 0));
	return 0;
}
