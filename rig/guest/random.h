/* SPDX-License-Identifier: GPL-2.0 */
/* Random numbers that a seed repeats: splitmix64. */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>

static uint64_t random_state;

static uint64_t random_word(void)
{
	uint64_t word = random_state += 0x9e3779b97f4a7c15ULL;

	word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9ULL;
	word = (word ^ word >> 27) * 0x94d049bb133111ebULL;
	return word ^ word >> 31;
}

static unsigned int below(unsigned int limit)
{
	return random_word() % limit;
}

/* One time in so many */
static int one_in(unsigned int times)
{
	return !below(times);
}

#endif /* RANDOM_H */
