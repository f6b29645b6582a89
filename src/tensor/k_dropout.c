/* Dropout masks. Which elements fall is a function of (seed, site, step, row, line, column) alone, never of how a batch
 * was cut or padded, so the plain op and fused kernels that draw line by line get the same mask. */
#include "kernels.h"

#include <math.h>

enum { CHUNK = 256 };

void k_dropout_line(heed_real *mask, heed_rng rng, uint32_t line, int64_t n, double p)
{
    uint32_t bits[CHUNK];
    const uint64_t threshold = (uint64_t)ceil(p * 4294967296.0); /* kept: bits >= p 2^32 */
    const heed_real kept = (heed_real)(1 / (1 - p));
    for (int64_t from = 0; from < n; from += CHUNK) {
        int64_t count = n - from < CHUNK ? n - from : CHUNK;
        k_random_bits(bits, rng, ((uint64_t)line << 32) + (uint64_t)from, count);
        for (int64_t i = 0; i < count; i++)
            mask[from + i] = bits[i] >= threshold ? kept : 0;
    }
}
