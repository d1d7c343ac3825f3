/* What every benchmark program shares. A program is one function; start.S calls it and hands its result out. */
#ifndef ASSAY64_PROGRAM_H
#define ASSAY64_PROGRAM_H

#include <stdint.h>

/* Do the work `repeats` times on a problem of `size`, and return a checksum over all of it. */
uint64_t run(uint64_t repeats, uint64_t size);

/* The checksum after one more value; expected.py has the same formula. */
static inline uint64_t combine(uint64_t checksum, uint64_t value) { return checksum * 31 + value; }

/* Keeps the compiler from doing one repetition's work for all of them: memory may have changed. */
#define REPETITION() __asm__ volatile("" ::: "memory")

/* The next pseudo-random number (xorshift64, G. Marsaglia, "Xorshift RNGs", 2003). */
static inline uint64_t next_random(uint64_t *state) {
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

#endif
