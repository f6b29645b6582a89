/* Attention, shared by its forward pass (k_attention.c), its backward pass (k_attention_grad.c) and what both do
 * (k_attention_block.c): softmax(scale q kᵀ + bias) v. "Attention Is All You Need", 3.2.1.
 *
 * A block is up to K_WIDEST queries of one head. It goes through the keys it sees by stretches of K_STRETCH, so memory is
 * linear in T and what is at work stays in the nearest caches (Dao, Fu, Ermon, Rudra, Ré, "FlashAttention", NeurIPS 2022).
 * Scores lie keys down, queries across (s[j][i] for key j, query i): a vector holds one key's scores for many queries, and
 * softmax needs no sums across a vector.
 *
 * Every sum over keys is one chain in their order, but for the factors between stretches, which begin at fixed keys. A key
 * that a query may not see has weight 0 exactly, and adding 0 times a finite number changes nothing: so a query's result
 * does not depend on where the batch ends, on what it may not see, or on how queries are cut into blocks. Where something
 * may not be finite, zero weights are skipped instead. */
#ifndef HEED_K_ATTENTION_H
#define HEED_K_ATTENTION_H

#include "k_product.h"
#include "kernels.h"

#include <math.h>

enum {
    K_GROUP = K_WIDTH, /* queries that go through softmax together */
    K_WIDEST = 64,     /* queries of a block, at most */
    K_STRETCH = 64     /* keys that go through a pass together */
};

/* [n, width] of one head, rows `row` apart. */
typedef struct {
    heed_real *data;
    int64_t row;
    bool careful; /* not all are finite */
} k_rows;

typedef struct {
    const k_attention *a;
    int64_t B, Tq, Tk, H, d, e;
    int64_t widest, wide_d, wide_e; /* queries of a block; d and e rounded up to whole vectors */
    /* scratch */
    heed_real *q_t, *g_t;       /* [d, width], [e, width]: the block's queries, scaled, and gradients, transposed */
    heed_real *s, *ds;          /* [K_STRETCH, width]: scores, then weights; and their gradients */
    heed_real *m;               /* [K_STRETCH, width]: dropout's factors, then the weights that are left */
    heed_real *sum;             /* [width, wide_d or wide_e]: what is summed over keys */
    heed_real *room_k, *room_v; /* [Tk, wide]: copies of a head's rows, see k_block_pack */
    heed_real *room_q, *room_g; /* [width, wide]: of a block's */
    heed_real *dk, *dv;         /* [Tk, wide]: a head's sums over queries, if they are not taken in their place */
    /* the head */
    int64_t b, h, seen; /* seen: the first so many keys, before `causal`, `allowed` and `bias` */
    heed_real gate;
    k_rows k, v;
    /* the block */
    int64_t first, count, width; /* queries first .. first + count - 1; count rounded up to whole groups */
    int64_t limit[K_WIDEST];     /* visible keys of each query: the first so many; beyond count as the last query's */
    int64_t most;                /* of limit, which never falls */
} k_block;

/* Scratch for a part that goes through some heads; g: the output's gradient in the backward pass, else NULL. Returns how
 * many numbers; scratch NULL: only that. */
int64_t k_block_begin(k_block *x, const k_attention *a, const heed_tensor *g, heed_real *scratch);
void k_block_enter(k_block *x, int64_t head);  /* begins a head, of B H */
void k_block_place(k_block *x, int64_t first); /* begins a block */
/* How heads are cut into parts, of `each`; alone: not at all. */
int64_t k_block_parts(const k_block *x, int threads, bool alone, int64_t *each);

k_rows k_block_rows(const k_block *x, heed_tensor t); /* the head's of [B, T, H, n] */
/* n of these rows for products: whole vectors wide and close together, in room if there is one. checked: they are summed
 * with weights, so it matters whether they are finite. */
k_rows k_block_pack(k_rows from, int64_t n, int64_t width, heed_real *room, bool checked);
/* The end of the stretch of keys that begins here. */
static inline int64_t k_block_stretch(const k_block *x, int64_t from)
{
    return x->most - from < K_STRETCH ? x->most : from + K_STRETCH;
}

/* In what follows an array of keys by queries begins at key `from`. A group is named by its first query. */

/* Of keys *from .. *to - 1, those that a group sees and no group before it does. False: none. */
bool k_block_new_keys(const k_block *x, int64_t group, int64_t *from, int64_t *to);
/* How many numbers on, in such an array up to key `to`, the keys end that a group sees. */
static inline int64_t k_block_end(const k_block *x, int64_t group, int64_t from, int64_t to)
{
    int64_t limit = x->limit[group + K_GROUP - 1];
    return ((to < limit ? to : limit) - from) * x->width;
}
/* out[j][i] = keys[j] · t[..][i]; t [depth, width]. */
void k_block_times_queries(const k_block *x, heed_real *out, k_rows keys, const heed_real *t, int64_t depth,
                           int64_t from, int64_t to);
/* sum[i] (+)= sum over keys j of weights[j][i] values[j], `wide` numbers; overwrites if from is 0. */
void k_block_sum_keys(const k_block *x, const heed_real *weights, k_rows values, int64_t wide, int64_t from,
                      int64_t to);
/* s = scores, biased; -inf where not allowed. */
void k_block_scores(const k_block *x, int64_t from, int64_t to);
/* Weights of keys that no query of a group sees become 0. */
void k_block_clear_unseen(const k_block *x, heed_real *weights, int64_t from, int64_t to);
void k_block_draw(const k_block *x, int64_t from, int64_t to); /* m = dropout's factors */
/* The row of query first + i in a bias or its gradient, whose axes of size 1 repeat. */
heed_real *k_block_bias(const k_block *x, heed_tensor bias, int64_t i);

#endif
