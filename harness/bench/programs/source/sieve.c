/* The sieve of Eratosthenes over one byte for each number below `size`: strided stores and a counting loop. */
#include "program.h"

#define LIMIT (1u << 20)
static uint8_t composite[LIMIT];

uint64_t run(uint64_t repeats, uint64_t size) {
    uint64_t checksum = 0;
    for (; repeats; repeats--) {
        for (uint64_t i = 0; i < size; i++)
            composite[i] = 0;
        for (uint64_t i = 2; i * i < size; i++)
            if (!composite[i])
                for (uint64_t multiple = i * i; multiple < size; multiple += i)
                    composite[multiple] = 1;
        uint64_t primes = 0, last = 0;
        for (uint64_t i = 2; i < size; i++)
            if (!composite[i]) {
                primes++;
                last = i;
            }
        checksum = combine(checksum, primes << 32 | last);
        REPETITION();
    }
    return checksum;
}
