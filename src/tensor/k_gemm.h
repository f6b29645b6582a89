/* What the files of k_gemm share: a product as loop axes. Not installed. */
#ifndef HEED_K_GEMM_H
#define HEED_K_GEMM_H

#include "kernels.h"

/* One loop index: how often it runs, and what a step of it means in each operand. */
typedef struct {
    int64_t size, a, b, c;
} gemm_axis;

/* c [m, n] = a [m, k] b [k, n] + beta c (+ bias [n] on every row, or [m] on every column), for every item of the batch. */
typedef struct {
    heed_real *a, *b, *c;    /* a and b are only read */
    const heed_real *bias;   /* NULL: none */
    bool bias_of_rows;       /* [m] */
    const heed_real *packed; /* b as k_gemm_pack lays it out, for k_tile; NULL: it is not */
    heed_real beta;
    heed_gemm by;
    gemm_axis m, n, k, batch[HEED_MAX_RANK];
    int n_batch;
} gemm_product;

/* Steps to the next batch item; false after the last, and then the product is at its first item again. */
bool gemm_next_item(gemm_product *p, int64_t index[HEED_MAX_RANK]);
/* The same product as c' = b' a', with ' for transposed. */
gemm_product gemm_transposed(const gemm_product *p);

/* A way to run a product, all items of its batch. Scratch is 64-byte aligned; its size is in lines of GEMM_LINE numbers,
 * so that it cannot overflow. */
enum { GEMM_LINE = 16 };
typedef struct {
    int64_t (*scratch)(const gemm_product *p);
    void (*run)(const gemm_product *p, heed_real *scratch);
    bool any_cut;               /* the bits are the same however rows, columns and items are cut */
    bool turns;                 /* it turns a b round whose columns do not lie side by side: dear, for each part */
    int64_t rows, columns;      /* parts have a multiple of these */
    bool (*ready)(int threads); /* before a run, with how many may run at once; NULL: always */
} gemm_way;
extern const gemm_way k_blas;  /* k_blas.c */
extern const gemm_way k_split; /* k_split.c; not in the double build */

/* Our own loops. */
#if !defined(HEED_DOUBLE) && defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector) && (defined(__AVX512F__) || (defined(__AVX2__) && defined(__FMA__)))
#define K_TILE 1
extern const gemm_way k_tile; /* k_tile.c */
extern const gemm_way k_few;  /* k_few.c */
bool k_few_fits(const gemm_product *p);
bool k_tile_turned(const gemm_product *p); /* is it faster transposed? */
int64_t k_tile_packed_rows(int64_t n);     /* n rounded up to whole panels */
void k_tile_pack(float *out, const float *w, int64_t n, int64_t k);
#endif
#endif
#ifndef K_TILE
#define K_TILE 0
#endif

#endif
