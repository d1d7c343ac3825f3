/* A 3 by 3 Gaussian blur (1 2 1) of a grey image, 256 pixels wide and `size` rows high, on 16 pixels at a time: widening
   additions, shifts, narrowing with rounding. The outermost rows and columns stay as they are. */
#include "program.h"

#include <arm_neon.h>

#define WIDTH 256
#define ROWS 256
static uint8_t image[ROWS * WIDTH + 16], blurred[ROWS * WIDTH + 16];

static inline uint16x8_t weighted(uint8x8_t left, uint8x8_t middle, uint8x8_t right) {
    return vaddq_u16(vaddl_u8(left, right), vshll_n_u8(middle, 1));
}

static void blur_row(uint8_t *target, const uint8_t *row) {
    for (int x = 1; x < WIDTH - 1; x += 16) {
        uint16x8_t low[3], high[3];
        for (int y = 0; y < 3; y++) {
            const uint8_t *at = row + (y - 1) * WIDTH + x;
            uint8x16_t left = vld1q_u8(at - 1), middle = vld1q_u8(at), right = vld1q_u8(at + 1);
            low[y] = weighted(vget_low_u8(left), vget_low_u8(middle), vget_low_u8(right));
            high[y] = weighted(vget_high_u8(left), vget_high_u8(middle), vget_high_u8(right));
        }
        uint16x8_t l = vaddq_u16(vaddq_u16(low[0], low[2]), vshlq_n_u16(low[1], 1));
        uint16x8_t h = vaddq_u16(vaddq_u16(high[0], high[2]), vshlq_n_u16(high[1], 1));
        vst1q_u8(target + x, vcombine_u8(vrshrn_n_u16(l, 4), vrshrn_n_u16(h, 4)));
    }
    target[0] = row[0];
    target[WIDTH - 1] = row[WIDTH - 1];
}

uint64_t run(uint64_t repeats, uint64_t size) {
    uint64_t checksum = 0;
    for (uint64_t i = 0; i < size * WIDTH; i++)
        image[i] = (uint8_t)(i * 2654435761u >> 24);
    for (; repeats; repeats--) {
        for (uint64_t y = 1; y + 1 < size; y++)
            blur_row(blurred + y * WIDTH, image + y * WIDTH);
        uint64_t value = 0;
        for (uint64_t y = 1; y + 1 < size; y++)
            for (uint64_t x = 0; x < WIDTH; x += 8)
                value += *(const uint64_t *)(blurred + y * WIDTH + x) ^ y;
        checksum = combine(checksum, value);
        REPETITION();
    }
    return checksum;
}
