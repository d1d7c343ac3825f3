/* Quicksort of `size` pseudo-random numbers (C. A. R. Hoare's partition), insertion sort for short pieces: branches that
   nothing predicts, and recursion. */
#include "program.h"

#define LIMIT 0x8000u
static uint32_t numbers[LIMIT];

static void sort(uint32_t *first, uint32_t *last) {
    while (last - first > 12) {
        uint32_t pivot = first[(last - first) / 2], *low = first - 1, *high = last + 1;
        for (;;) {
            do
                low++;
            while (*low < pivot);
            do
                high--;
            while (*high > pivot);
            if (low >= high)
                break;
            uint32_t kept = *low;
            *low = *high, *high = kept;
        }
        if (high - first < last - high) {
            sort(first, high);
            first = high + 1;
        } else {
            sort(high + 1, last);
            last = high;
        }
    }
    for (uint32_t *next = first + 1; next <= last; next++) {
        uint32_t value = *next, *hole = next;
        for (; hole > first && hole[-1] > value; hole--)
            *hole = hole[-1];
        *hole = value;
    }
}

uint64_t run(uint64_t repeats, uint64_t size) {
    uint64_t checksum = 0;
    for (; repeats; repeats--) {
        uint64_t random = 88172645463325252u, value = 0;
        for (uint64_t i = 0; i < size; i++)
            numbers[i] = (uint32_t)next_random(&random);
        sort(numbers, numbers + size - 1);
        for (uint64_t i = 0; i < size; i++)
            value += numbers[i] * (i + 1);
        checksum = combine(checksum, value);
        REPETITION();
    }
    return checksum;
}
