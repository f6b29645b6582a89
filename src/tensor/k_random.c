/* k_random: Philox4x32-10 for many counters at once; the plain version, with the formula, is rng_philox in rng.c. */
#include "kernels.h"

#include <string.h>

enum { LANES = 32 };

/* out[w][i] = word w of block first + i, i < LANES. The lanes go side by side through all ten rounds. */
static void philox_lanes(uint32_t out[4][LANES], heed_rng rng, uint64_t first)
{
    uint32_t key[2];
    rng_key(rng, key);
    for (uint64_t i = 0; i < LANES; i++) {
        uint32_t c0 = (uint32_t)(first + i), c1 = (uint32_t)((first + i) >> 32), c2 = rng.row, c3 = rng.step;
        for (uint32_t round = 0; round < PHILOX_ROUNDS; round++) {
            uint64_t p0 = (uint64_t)PHILOX_M0 * c0, p1 = (uint64_t)PHILOX_M1 * c2;
            c0 = (uint32_t)(p1 >> 32) ^ c1 ^ (key[0] + round * PHILOX_W0);
            c1 = (uint32_t)p1;
            c2 = (uint32_t)(p0 >> 32) ^ c3 ^ (key[1] + round * PHILOX_W1);
            c3 = (uint32_t)p0;
        }
        out[0][i] = c0;
        out[1][i] = c1;
        out[2][i] = c2;
        out[3][i] = c3;
    }
}

void k_random_bits(uint32_t *out, heed_rng rng, uint64_t first, int64_t n)
{
    uint64_t block = first / 4;
    int64_t skip = (int64_t)(first % 4); /* words of the first block that lie before `first` */
    while (n > 0) {
        uint32_t lanes[4][LANES], words[4 * LANES];
        int64_t count = 4 * LANES - skip < n ? 4 * LANES - skip : n;
        philox_lanes(lanes, rng, block);
        for (int i = 0; i < LANES; i++)
            for (int w = 0; w < 4; w++)
                words[4 * i + w] = lanes[w][i];
        memcpy(out, words + skip, (size_t)count * sizeof *out);
        out += count;
        n -= count;
        block += LANES;
        skip = 0;
    }
}
