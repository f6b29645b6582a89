/* Philox4x32-10 for many counters at once; the plain version, with the formula, is rng_philox in rng.c. */
#include "kernels.h"

#include <string.h>

#ifdef __AVX512DQ__ /* 64-bit products in one instruction: whole vectors go through the rounds side by side */

enum { LANES = 16, VECTORS = K_BLOCKS / LANES };
typedef uint32_t words __attribute__((vector_size(4 * LANES)));
typedef uint64_t pairs __attribute__((vector_size(4 * LANES)));

void k_random_blocks(uint32_t out[4][K_BLOCKS], const k_counters *at, uint32_t step, const uint32_t key[2])
{
    const uint64_t low = 0xFFFFFFFF;
    words c0[VECTORS], c1[VECTORS], c2[VECTORS], c3[VECTORS];
    memcpy(c0, at->low, sizeof c0);
    memcpy(c1, at->high, sizeof c1);
    memcpy(c2, at->row, sizeof c2);
    for (int i = 0; i < VECTORS; i++)
        c3[i] = (words){ 0 } + step;
    for (uint32_t round = 0; round < PHILOX_ROUNDS; round++)
        for (int i = 0; i < VECTORS; i++) {
            /* products of the words at even places, and of those at odd places */
            pairs even0 = ((pairs)c0[i] & low) * PHILOX_M0, odd0 = ((pairs)c0[i] >> 32) * PHILOX_M0;
            pairs even1 = ((pairs)c2[i] & low) * PHILOX_M1, odd1 = ((pairs)c2[i] >> 32) * PHILOX_M1;
            words low0 = c0[i] * PHILOX_M0, high0 = (words)((even0 >> 32) | (odd0 & ~low));
            words low1 = c2[i] * PHILOX_M1, high1 = (words)((even1 >> 32) | (odd1 & ~low));
            c0[i] = high1 ^ c1[i] ^ (key[0] + round * PHILOX_W0);
            c1[i] = low1;
            c2[i] = high0 ^ c3[i] ^ (key[1] + round * PHILOX_W1);
            c3[i] = low0;
        }
    memcpy(out[0], c0, sizeof c0);
    memcpy(out[1], c1, sizeof c1);
    memcpy(out[2], c2, sizeof c2);
    memcpy(out[3], c3, sizeof c3);
}

#else

void k_random_blocks(uint32_t out[4][K_BLOCKS], const k_counters *at, uint32_t step, const uint32_t key[2])
{
    for (int i = 0; i < K_BLOCKS; i++) {
        uint32_t c0 = at->low[i], c1 = at->high[i], c2 = at->row[i], c3 = step;
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

#endif

void k_random_bits(uint32_t *out, heed_rng rng, uint64_t first, int64_t n)
{
    uint32_t key[2];
    rng_key(rng, key);
    uint64_t block = first / 4;
    int64_t skip = (int64_t)(first % 4); /* words of the first block that lie before `first` */
    while (n > 0) {
        k_counters at;
        uint32_t blocks[4][K_BLOCKS], words_in_order[4 * K_BLOCKS];
        int64_t count = 4 * K_BLOCKS - skip < n ? 4 * K_BLOCKS - skip : n;
        for (uint64_t i = 0; i < K_BLOCKS; i++) {
            at.low[i] = (uint32_t)(block + i);
            at.high[i] = (uint32_t)((block + i) >> 32);
            at.row[i] = rng.row;
        }
        k_random_blocks(blocks, &at, rng.step, key);
        for (int i = 0; i < K_BLOCKS; i++)
            for (int w = 0; w < 4; w++)
                words_in_order[4 * i + w] = blocks[w][i];
        memcpy(out, words_in_order + skip, (size_t)count * sizeof *out);
        out += count;
        n -= count;
        block += K_BLOCKS;
        skip = 0;
    }
}
