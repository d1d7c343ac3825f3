/* Strings of many lengths and alignments, copied, measured and compared: words where they pay, bytes at the ends.
   `size` strings a repetition. */
#include "program.h"

#define BYTES 0x10000u
static uint8_t from[BYTES + 1024], to[BYTES + 1024];

static void copy(uint8_t *target, const uint8_t *source, uint64_t bytes) {
    while (bytes >= 8) {
        uint64_t word;
        __builtin_memcpy(&word, source, 8);
        __builtin_memcpy(target, &word, 8);
        target += 8, source += 8, bytes -= 8;
    }
    for (; bytes; bytes--)
        *target++ = *source++;
}

static uint64_t length(const uint8_t *string) {
    const uint8_t *end = string;
    for (; (uint64_t)end & 7; end++)
        if (!*end)
            return (uint64_t)(end - string);
    for (;; end += 8) {
        uint64_t word = *(const uint64_t *)end;
        if ((word - 0x0101010101010101u) & ~word & 0x8080808080808080u)
            break;
    }
    while (*end)
        end++;
    return (uint64_t)(end - string);
}

static int compare(const uint8_t *left, const uint8_t *right, uint64_t bytes) {
    for (; bytes; bytes--, left++, right++)
        if (*left != *right)
            return *left - *right;
    return 0;
}

uint64_t run(uint64_t repeats, uint64_t size) {
    uint64_t checksum = 0;
    for (; repeats; repeats--) {
        uint64_t random = 88172645463325252u, value = 0;
        for (uint64_t i = 0; i < size; i++) {
            uint64_t drawn = next_random(&random);
            uint8_t *source = from + (drawn & 0xFFFF), *target = to + (drawn >> 16 & 0xFFFF);
            uint64_t bytes = drawn >> 32 & 0xFF;
            uint8_t letter = (uint8_t)(drawn >> 40 | 1);
            for (uint64_t at = 0; at < bytes; at++)
                source[at] = letter;
            source[bytes] = 0;
            copy(target, source, bytes + 1);
            uint64_t measured = length(target);
            target[measured / 2] ^= (uint8_t)(drawn >> 50 & 1);
            value = combine(value, measured + (uint64_t)(int64_t)compare(source, target, measured + 1));
        }
        checksum = combine(checksum, value);
        REPETITION();
    }
    return checksum;
}
