/* Writes a function of `size` additions (1 to 1000) into memory that is code, makes it known as Arm demands (B2.4.4 of the
   Arm ARM: DC CVAU, DSB, IC IVAU, DSB, ISB), and calls it: once a repetition, each time with other constants. */
#include "program.h"

extern uint32_t writable_code[1024];

uint64_t run(uint64_t repeats, uint64_t size) {
    uint32_t *code = writable_code;
    uint64_t checksum = 0;
    for (uint64_t repetition = 0; repetition < repeats; repetition++) {
        for (uint64_t i = 0; i < size; i++) /* add x0, x0, #... */
            code[i] = 0x91000000u | (uint32_t)((repetition * 13 + i) & 0xFFF) << 10;
        code[size] = 0xD65F03C0u; /* ret */
        for (uint64_t at = (uint64_t)code; at <= (uint64_t)(code + size); at += 64)
            __asm__ volatile("dc cvau, %0" ::"r"(at) : "memory");
        __asm__ volatile("dsb ish" ::: "memory");
        for (uint64_t at = (uint64_t)code; at <= (uint64_t)(code + size); at += 64)
            __asm__ volatile("ic ivau, %0" ::"r"(at) : "memory");
        __asm__ volatile("dsb ish\n\tisb" ::: "memory");
        checksum = ((uint64_t(*)(uint64_t))code)(checksum * 3);
    }
    return checksum;
}
