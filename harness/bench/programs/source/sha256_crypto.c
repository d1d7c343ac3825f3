/* SHA-256 with the instructions of FEAT_SHA256. */
#include "sha256.h"

#include <arm_neon.h>

static void block(uint32_t *state, const uint32_t *words) {
    uint32x4_t abcd = vld1q_u32(state), efgh = vld1q_u32(state + 4), w[4];
    const uint32x4_t abcd_before = abcd, efgh_before = efgh;
    for (int i = 0; i < 4; i++)
        w[i] = vreinterpretq_u32_u8(vrev32q_u8(vreinterpretq_u8_u32(vld1q_u32(words + 4 * i))));
    for (int i = 0; i < 16; i++) {
        uint32x4_t sum = vaddq_u32(w[0], vld1q_u32(K + 4 * i)), before = abcd;
        abcd = vsha256hq_u32(abcd, efgh, sum);
        efgh = vsha256h2q_u32(efgh, before, sum);
        uint32x4_t next = vsha256su1q_u32(vsha256su0q_u32(w[0], w[1]), w[2], w[3]);
        w[0] = w[1], w[1] = w[2], w[2] = w[3], w[3] = next;
    }
    vst1q_u32(state, vaddq_u32(abcd, abcd_before));
    vst1q_u32(state + 4, vaddq_u32(efgh, efgh_before));
}
