/* Attention, shared by its forward pass (k_attention.c), its backward pass (k_attention_grad.c) and what both do
 * (k_attention_block.c): softmax(scale q kᵀ + bias) v. "Attention Is All You Need", 3.2.1.
 *
 * A block is up to K_WIDEST queries of one head with all the keys they see, so memory is linear in T. Its scores lie keys
 * down, queries across (s[j][i] for key j, query i): a vector holds one key's scores for many queries, and softmax needs
 * no sums across a vector. Rows of q, k, v and g are read where they are if they are whole vectors wide, else from a copy
 * with zeros added.
 *
 * Every sum over keys is one chain in their order. A key that a query may not see has weight 0 exactly, and adding 0 times
 * a finite number changes nothing: so a query's result does not depend on where the batch ends, on what it may not see, or
 * on how queries are cut into blocks. Where something may not be finite, zero weights are skipped instead. */
#ifndef HEED_K_ATTENTION_H
#define HEED_K_ATTENTION_H

#include "k_tile.h"
#include "kernels.h"

#include <math.h>

enum { K_GROUP = 16, K_WIDEST = 64 }; /* queries that go through softmax together; queries of a block, at most */

/* [n, width] of one head, rows `row` apart. */
typedef struct {
    heed_real *data;
    int64_t row;
} k_rows;

typedef struct {
    const k_attention *a;
    int64_t b, h, B, Tq, Tk, H, d, e;
    int64_t first, count, width; /* queries first .. first + count - 1; count rounded up to whole groups */
    int64_t limit[K_WIDEST];     /* visible keys of each query: the first so many; beyond count as the last query's */
    int64_t fewest, most;        /* of limit, which never falls */
    heed_real gate;
    /* scratch */
    int64_t widest, wide_d, wide_e; /* queries of a block; d and e rounded up to whole vectors */
    heed_real *transposed;          /* [d or e, width]: queries, then their gradients */
    heed_real *s;                   /* [most, width]: scores, then weights */
    heed_real *ds;                  /* [most, width]: their gradients; backward */
    uint8_t *kept;                  /* [most, width]: dropout */
    heed_real *out;                 /* [width, wide_d or wide_e] */
    heed_real *k, *v, *q, *g;       /* copies with zeros added, if wanted; k and v of a head, q and g of a block */
    heed_real *dk, *dv;             /* [Tk, wide] of a head, if the gradient's own rows are not whole vectors */
} k_block;

/* The scratch of one part of a pass, laid out at `scratch`: how many numbers. NULL: only how many. */
int64_t k_block_scratch(k_block *x, const k_attention *a, bool backward, heed_real *scratch);
void k_block_place(k_block *x, int64_t b, int64_t h, int64_t first);
k_rows k_block_head(const k_block *x, heed_tensor t); /* of [B, T, H, n] */
/* from [n, width], or a copy with zeros added in `to` if its rows are not `wide`. */
k_rows k_block_widened(k_rows from, int64_t n, int64_t width, heed_real *to, int64_t wide);
/* s = scores, scaled and biased; -inf where not allowed; for the keys that some query of a group sees. */
void k_block_scores(k_block *x);
/* to[j][i] = keys[j] · (column i of transposed [depth, width]), where some query of i's group sees key j. */
void k_block_times_queries(const k_block *x, heed_real *to, k_rows keys, int64_t depth);
/* to[i] = sum over keys j of weights[j][i] values[j]; to and values are `wide`. */
void k_block_sum_keys(const k_block *x, heed_real *to, const heed_real *weights, k_rows values, int64_t wide);
/* Weights of keys that no query of a group sees become 0. */
void k_block_clear_unseen(const k_block *x, heed_real *weights);
/* kept = draws of dropout. */
void k_block_draw(const k_block *x);
/* Element [b, h, i] of a bias or its gradient, whose axes of size 1 repeat. */
heed_real *k_block_bias(const k_block *x, heed_tensor bias, int64_t i);

#endif
