/* Reads a word from each of `size` pages at PAGES and calls the function at the start of each of them, `repeats` times.
   What is mapped there is the host's affair, which changes it between runs. Not for Linux: nothing is mapped there. */
#include "program.h"

#define PAGES 0x30000000u
#define PAGE_BYTES 0x10000u

uint64_t run(uint64_t repeats, uint64_t size) {
    uint64_t checksum = 0;
    for (; repeats; repeats--)
        for (uint64_t page = 0; page < size; page++) {
            uint64_t at = PAGES + page * PAGE_BYTES;
            checksum = combine(checksum, *(volatile uint64_t *)(at + PAGE_BYTES / 2));
            checksum = ((uint64_t(*)(uint64_t))at)(checksum);
        }
    return checksum;
}
