/* What k_split.c and the matrix unit of k_amx.c share: factors in bf16 parts, packed for 16 x 16 tiles. Not installed.
 *
 * Two bf16 numbers with neighbouring k are one pair: the even k in the lower half. A tile of a is [16 rows][16 pairs], a
 * tile of b [16 pairs][16 columns]: 32 values of k, a step. Strips of a and panels of b are two tiles wide. */
#ifndef HEED_K_SPLIT_H
#define HEED_K_SPLIT_H

#include "k_gemm.h"

enum {
    SPLIT_SIDE = 16,
    SPLIT_TILE = SPLIT_SIDE * SPLIT_SIDE, /* pairs */
    SPLIT_STEP = 2 * SPLIT_SIDE,          /* values of k in a tile */
    SPLIT_WIDE = 2 * SPLIT_SIDE,          /* rows of a strip, columns of a panel, and both of the sums of the two */
    SPLIT_MOST = 6                        /* products */
};
/* Which parts are multiplied, in this order; part 0 is the largest. */
typedef struct {
    int parts, products;
    int a[SPLIT_MOST], b[SPLIT_MOST];
} split_mode;
/* Something that can multiply a strip by a panel: sums [32][32] = over products, over steps, in the order the comment
 * in k_split.c gives. strip and panel are [parts][steps][2][SPLIT_TILE]. */
typedef struct {
    void (*begin)(void), (*end)(void); /* around any number of calls on one thread; NULL: nothing to do */
    void (*sums)(float *sums, const uint32_t *strip, const uint32_t *panel, const split_mode *mode, int64_t steps);
} split_unit;
extern const split_unit k_split_plain; /* everywhere */
const split_unit *k_amx_unit(void);    /* k_amx.c; NULL: this machine has none */

#endif
