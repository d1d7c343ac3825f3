/* Product of two square matrices of doubles with `size` rows, a multiple of 4: fused multiply-add on vectors, almost
   every result inexact. The loops' order adds the products of an element in ascending k. */
#include "program.h"

#define ROWS 96
static double a[ROWS * ROWS], b[ROWS * ROWS], c[ROWS * ROWS];

uint64_t run(uint64_t repeats, uint64_t size) {
    uint64_t checksum = 0;
    for (uint64_t i = 0; i < size * size; i++) {
        a[i] = (double)(i * 7919 % 1009 + 1) / 3.0;
        b[i] = (double)(i * 104729 % 997 + 1) / 7.0;
    }
    for (; repeats; repeats--) {
        for (uint64_t i = 0; i < size * size; i++)
            c[i] = 0.0;
        for (uint64_t i = 0; i < size; i++)
            for (uint64_t k = 0; k < size; k++) {
                double factor = a[i * size + k];
                for (uint64_t j = 0; j < size; j++)
                    c[i * size + j] = __builtin_fma(factor, b[k * size + j], c[i * size + j]);
            }
        REPETITION();
        const uint64_t *bits = (const uint64_t *)c;
        uint64_t value = 0;
        for (uint64_t i = 0; i < size * size; i++)
            value ^= bits[i];
        checksum = combine(checksum, value);
    }
    return checksum;
}
