/*
 * random.h
 *		Random numbers for tests, the same in every run.
 */
#ifndef TEST_RANDOM_H
#define TEST_RANDOM_H

#include <stdint.h>

static uint64_t random_state = 42;

/* Xorshift64*: Vigna, An Experimental Exploration of Marsaglia's xorshift Generators, 2016. */
static inline uint64_t
random_bits(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * UINT64_C(2685821657736338717);
}

/* From 0 to n - 1. */
static inline int64_t
random_below(uint64_t n)
{
	return (int64_t) ((random_bits() >> 1) % n);
}

/* From 0 to 1, that excluded. */
static inline double
uniform(void)
{
	return (double) (random_bits() >> 11) / 9007199254740992.0;
}

#endif /* TEST_RANDOM_H */
