/* The few AMX instructions that k_amx.c uses, in plain C after the Intel SDM (volume 2: LDTILECFG, TDPBF16PS), for
 * machines without the unit. Use of a tile that is not configured fails the test. */
#ifndef AMX_EMULATED_H
#define AMX_EMULATED_H

#include "check.h"

static struct {
    bool configured;
    int rows[8], row_bytes[8];
    uint32_t tiles[8][16][16];
} amx;

static inline void _tile_loadconfig(const void *config)
{
    const uint8_t *bytes = config;
    assert_int_equal(bytes[0], 1); /* palette */
    for (int i = 1; i < 16; i++)
        assert_int_equal(bytes[i], 0);
    memset(&amx, 0, sizeof amx);
    for (int t = 0; t < 8; t++) {
        amx.row_bytes[t] = bytes[16 + 2 * t] + 256 * bytes[17 + 2 * t];
        amx.rows[t] = bytes[48 + t];
        assert_true(amx.row_bytes[t] <= 64 && amx.row_bytes[t] % 4 == 0 && amx.rows[t] <= 16);
    }
    amx.configured = true;
}

static inline void _tile_release(void)
{
    amx.configured = false;
}

static inline void amx_use(int tile)
{
    assert_true(amx.configured && tile >= 0 && tile < 8 && amx.rows[tile] > 0 && amx.row_bytes[tile] > 0);
}

static inline void _tile_zero(int tile)
{
    amx_use(tile);
    memset(amx.tiles[tile], 0, sizeof amx.tiles[tile]);
}

static inline void _tile_loadd(int tile, const void *from, int64_t stride)
{
    _tile_zero(tile);
    for (int i = 0; i < amx.rows[tile]; i++)
        memcpy(amx.tiles[tile][i], (const char *)from + i * stride, (size_t)amx.row_bytes[tile]);
}

static inline void _tile_stored(int tile, void *to, int64_t stride)
{
    amx_use(tile);
    for (int i = 0; i < amx.rows[tile]; i++)
        memcpy((char *)to + i * stride, amx.tiles[tile][i], (size_t)amx.row_bytes[tile]);
}

/* The unit takes and gives 0 for numbers too small to be normal. */
static inline float amx_flushed(float x)
{
    return fpclassify(x) == FP_SUBNORMAL ? copysignf(0, x) : x;
}

static inline float amx_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return amx_flushed(x);
}

static inline void _tile_dpbf16ps(int to, int a, int b)
{
    amx_use(to), amx_use(a), amx_use(b);
    int pairs = amx.row_bytes[a] / 4, columns = amx.row_bytes[to] / 4;
    assert_true(amx.rows[a] == amx.rows[to] && amx.rows[b] == pairs && amx.row_bytes[b] == amx.row_bytes[to]);
    for (int m = 0; m < amx.rows[to]; m++)
        for (int n = 0; n < columns; n++) {
            float even = 0, odd = 0;
            for (int k = 0; k < pairs; k++) {
                uint32_t x = amx.tiles[a][m][k], y = amx.tiles[b][k][n];
                even = amx_flushed(fmaf(amx_float(x << 16), amx_float(y << 16), even));
                odd = amx_flushed(fmaf(amx_float(x & 0xFFFF0000), amx_float(y & 0xFFFF0000), odd));
            }
            float sum = amx_flushed(amx_float(amx.tiles[to][m][n]) + amx_flushed(even + odd));
            memcpy(&amx.tiles[to][m][n], &sum, sizeof sum);
        }
}

#endif
