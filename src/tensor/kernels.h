/* Kernels: the loops on plain arrays that everything else calls. Outputs first, inputs next, sizes last; the shape of
 * every array is in the comment. "+=" kernels take beta: 0 overwrites, 1 adds. Not installed.
 *
 * A kernel never allocates except from the scratch arena it is given, and gives back what it took. */
#ifndef HEED_KERNELS_H
#define HEED_KERNELS_H

#include "tensor.h"

/* ---- k_parallel.c ------------------------------------------------------------------------------------------------ */
/* Runs part(0..parts-1, context) on up to `threads` threads; in one where a shard is already running. Parts must not
 * fail and must not depend on one another. */
typedef void k_part(int64_t part, void *context);
void k_parallel(int threads, int64_t parts, k_part *part, void *context);
int k_threads(int threads); /* how many k_parallel would use for many parts */
/* Cuts `items` of about `work` multiplications each into parts worth a thread's while, `each` items in all but the last;
 * a rule on the two numbers alone. Returns how many parts, at most K_MOST_PARTS; 0 for no items. */
enum { K_MOST_PARTS = 16 };
int64_t k_parts(int64_t items, int64_t work, int64_t *each);

/* ---- k_map.c: elementwise, over any strides -------------------------------------------------------------------- */
/* One stretch: out[i] = f(in[0][i], in[1][i], ...), i < n. All arrays contiguous; out is not an input. */
typedef void k_row(heed_real *out, const heed_real *const *in, int64_t n, const void *arg);
void k_copy_row(heed_real *out, const heed_real *const *in, int64_t n, const void *arg); /* out = in[0] */
enum { K_MAP_INPUTS = 4 };
/* out = f(in...) + beta out, element by element. All tensors have out's shape; out may have stride 0, and then sums
 * (beta must be 1). in may have any strides. */
void k_map(heed_tensor out, heed_real beta, k_row *row, const heed_tensor *in, int n_in, const void *arg);
/* The same; a large one is cut into parts, where out is not summed along. */
void k_map_parallel(heed_tensor out, heed_real beta, k_row *row, const heed_tensor *in, int n_in, const void *arg,
                    int threads);

/* ---- k_random.c -------------------------------------------------------------------------------------------------- */
enum { PHILOX_ROUNDS = 10 };
static const uint32_t PHILOX_M0 = 0xD2511F53, PHILOX_M1 = 0xCD9E8D57; /* multipliers */
static const uint32_t PHILOX_W0 = 0x9E3779B9, PHILOX_W1 = 0xBB67AE85; /* key steps */

/* One block of Philox4x32-10, and the key of a generator: rng.c. */
void rng_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);
void rng_key(heed_rng rng, uint32_t key[2]);

/* out[w][i] = word w of the block of Philox whose counter is the i-th; key from rng_key. */
enum { K_BLOCKS = 32 };
typedef struct {
    uint32_t low[K_BLOCKS], high[K_BLOCKS], row[K_BLOCKS];
} k_counters;
void k_random_blocks(uint32_t out[4][K_BLOCKS], const k_counters *at, uint32_t step, const uint32_t key[2]);
/* out[i] = random bits at index first + i of rng, the same as heed_rng_bits. */
void k_random_bits(uint32_t *out, heed_rng rng, uint64_t first, int64_t n);

/* ---- k_gemm.c: products ------------------------------------------------------------------------------------------- */
typedef struct {
    double beta;             /* 0: c need not be set */
    const heed_real *bias;   /* [N], added to every row of c once; NULL: none */
    const heed_real *packed; /* b as k_gemm_pack laid it out, which some products read instead; NULL: it is not */
    int threads;             /* 0: one; the same bits for any number */
    heed_gemm by;
} k_gemm_how;
/* c [..., M, N] = a [..., M, K] b [..., K, N] + beta c + bias. Leading axes of a and b equal c's (stride 0 allowed in
 * all three; a c with stride 0 is summed into, in order, and takes no bias). Transposes and heads cost no copy as long
 * as one of the last two axes has stride 1. */
bool k_gemm(heed_arena *scratch, heed_tensor c, heed_tensor a, heed_tensor b, k_gemm_how how);
/* A weight w [N, K] that many products x wᵀ will read is packed for all of them, into so many numbers; 0 where no product
 * would read them. The layout is k_tile's own. */
int64_t k_gemm_packed_size(int64_t n, int64_t k);
void k_gemm_pack(heed_real *out, const heed_real *w, int64_t n, int64_t k);
/* For a product with the rows from `row` on; NULL if no panel begins there, or packed is NULL. */
const heed_real *k_gemm_packed_from(const heed_real *packed, int64_t row, int64_t k);

/* ---- k_optim.c: pieces of a parameter slab, one thread ----------------------------------------------------------- */
double k_sum_squares(const heed_real *x, int64_t n);
/* out = beta out + scale (x[0] + x[1] + ...), in that order; count is at least 1 */
void k_add_all(heed_real *out, heed_real beta, heed_real scale, const heed_real *const *x, int count, int64_t n);
void k_scale(heed_real *x, heed_real factor, int64_t n); /* x = factor x */
/* One step's constants; the formulas are in k_optim.c. */
typedef struct {
    heed_real clip; /* factor of the gradient */
    heed_real keep; /* 1 - lr decay */
    heed_real l2;   /* coupled decay */
    heed_real beta1, one_less_beta1, beta2, one_less_beta2;
    heed_real rate;   /* lr / (1 - beta1^t) */
    heed_real unbias; /* 1 / sqrt(1 - beta2^t) */
    heed_real eps;
} k_adamw_rates;
void k_adamw(heed_real *restrict x, heed_real *restrict m, heed_real *restrict v, const heed_real *restrict g,
             int64_t n, const k_adamw_rates *rates);
typedef struct {
    heed_real clip, l2, momentum, rate;
    bool nesterov;
} k_sgd_rates;
void k_sgd(heed_real *restrict x, heed_real *restrict m, const heed_real *restrict g, int64_t n,
           const k_sgd_rates *rates);

/* ---- k_attention.c, k_attention_grad.c, k_attention_step.c: softmax(scale q kᵀ + bias) v ----------------------------- */
typedef struct {
    heed_tensor q, k, v; /* [B, Tq, H, d], [B, Tk, H, d], [B, Tk, H, e]; the last axis has stride 1 */
    bool causal;
    const int32_t *key_lengths; /* [B] or NULL */
    const int32_t *allowed;     /* [allowed_rows, allowed_heads, Tq, Tk], each B or 1, H or 1; or NULL */
    int64_t allowed_rows, allowed_heads;
    heed_tensor bias;  /* [B or 1, H or 1, Tq, Tk]; data NULL: none */
    heed_tensor gates; /* [B, H], strides may be 0; data NULL: none */
    heed_real scale;
    double dropout;
    heed_rng rng;
} k_attention;
/* A row's weights are exp(score - top) inverse; 0 and 0 where nothing is allowed. */
typedef struct {
    heed_real top, inverse;
} k_attention_row;
typedef struct {
    heed_tensor out;                  /* the output's gradient, [B, Tq, H, e] */
    heed_tensor q, k, v, bias, gates; /* += here, shaped and strided as above; data NULL: not wanted */
    bool add_q, add_k, add_v;         /* false: the place of q, k, v is overwritten */
} k_attention_grads;
int64_t k_attention_scratch(const k_attention *a, int threads); /* numbers of scratch a pass needs */
int64_t k_attention_backward_scratch(const k_attention *a, const k_attention_grads *to, int threads);
/* out [B, Tq, H, e], row [B, H, Tq], weights [B, H, Tq, Tk] or NULL */
void k_attention_forward(heed_tensor out, k_attention_row *row, heed_real *weights, const k_attention *a,
                         heed_real *scratch, int threads);
/* out and row: from the forward pass */
void k_attention_backward(const k_attention_grads *to, heed_tensor out, const k_attention_row *row,
                          const k_attention *a, heed_real *scratch, int threads);

/* Forward for one query a row (Tq 1) without dropout, in its own order of sums. */
int64_t k_attention_step_scratch(const k_attention *a, int threads);
void k_attention_step(heed_tensor out, heed_real *weights, const k_attention *a, heed_real *scratch, int threads);

/* ---- k_softmax.c: each row of [rows, n] by itself; all arrays contiguous ------------------------------------------ */
/* A row of only -inf gives zeros (log: -inf) and no gradient; NaN anywhere in a row makes all of it NaN. y may be x. */
void k_softmax(heed_real *y, const heed_real *x, int64_t rows, int64_t n, int threads);
void k_log_softmax(heed_real *y, const heed_real *x, int64_t rows, int64_t n, int threads);
/* dx = (gradient for x) + beta dx; dx may be dy, with beta 0 */
void k_softmax_grad(heed_real *dx, heed_real beta, const heed_real *dy, const heed_real *y, int64_t rows, int64_t n,
                    int threads);
void k_log_softmax_grad(heed_real *dx, heed_real beta, const heed_real *dy, const heed_real *y, int64_t rows, int64_t n,
                        int threads);

/* ---- k_norm.c: layer norm and RMS norm ----------------------------------------------------------------------------- */
typedef struct {
    const heed_real *x;             /* [rows, n] */
    const heed_real *weight, *bias; /* [n], or NULL: 1 and 0 */
    int64_t rows, n;
    double eps;
    bool rms; /* the mean is not taken off */
} k_norm;
/* x^ = ((x - mean) - rest) scale; mean + rest is the mean to twice the precision */
typedef struct {
    heed_real mean, rest, scale;
} k_norm_row;
typedef struct {
    heed_real *x, x_beta;     /* [rows, n] = gradient + x_beta x */
    heed_real *weight, *bias; /* [n], overwritten; any of the three NULL: not wanted */
} k_norm_grads;
/* y [rows, n], stats [rows] */
void k_norm_forward(heed_real *y, k_norm_row *stats, const k_norm *norm, int threads);
int64_t k_norm_scratch(const k_norm *norm); /* numbers of scratch that backward needs */
void k_norm_backward(const k_norm_grads *to, const heed_real *dy, const k_norm_row *stats, const k_norm *norm,
                     heed_real *scratch, int threads);

/* ---- k_loss.c ------------------------------------------------------------------------------------------------------ */
typedef struct {
    const heed_real *logits; /* [rows, classes] */
    const int32_t *labels;   /* [rows], each below classes or ignored */
    int64_t rows, classes;
    double smoothing;
    bool has_ignore;
    int32_t ignore;
} k_cross_entropy;
typedef struct {
    heed_real top, inverse; /* softmax = exp(x - top) inverse */
} k_cross_entropy_row;
/* Sum of the losses of the rows that count; stats [rows]. */
double k_cross_entropy_forward(k_cross_entropy_row *stats, const k_cross_entropy *ce, int threads);
/* dx [rows, classes] = factor gradient + beta dx; stats as forward left them */
void k_cross_entropy_backward(heed_real *dx, heed_real beta, heed_real factor, k_cross_entropy_row *stats,
                              const k_cross_entropy *ce, int threads);
double k_squared_distance(const heed_real *a, const heed_real *b, int64_t n);

/* ---- k_reduce.c: over any axes and strides ------------------------------------------------------------------------- */
/* out has x's rank; its size 1 where it is summed over. out = scale (sum of x), accumulated in double. */
void k_sum(heed_tensor out, double scale, heed_tensor x, int threads);
/* sums [n] = the sum of the rows of x [rows, n]; on the way copy [rows, n] = x + beta copy (NULL: none) */
void k_sum_rows(heed_real *sums, heed_real *copy, heed_real beta, const heed_real *x, int64_t rows, int64_t n,
                double *scratch, int threads);
int64_t k_sum_rows_scratch(int64_t rows, int64_t n); /* doubles */
/* out likewise = the largest; at[i] is where out's i-th element (row-major) lies in x, as an offset from x.data. The
 * first of equals in x's row-major order; NaN is larger than all. x is not empty. */
void k_max(heed_tensor out, int64_t *at, heed_tensor x);

/* ---- k_index.c ----------------------------------------------------------------------------------------------------- */
/* out [count, D] = scale (rows of table [V, D]); ids in 0..V-1 */
void k_embed(heed_real *out, heed_tensor table, heed_real scale, const int32_t *ids, int64_t count);
/* dtable [V, D] += scale (rows of dy [count, D]), in order; none for id `skip` (-1: all) */
void k_embed_grad(heed_tensor dtable, heed_real scale, const heed_real *dy, const int32_t *ids, int64_t count,
                  int64_t skip);
/* out (shape of ids, contiguous): along axis, out[.. i ..] = x[.. ids[.. i ..] ..] */
void k_gather(heed_tensor out, heed_tensor x, int axis, const int32_t *ids);
/* dx[.. ids[.. i ..] ..] += dy[.. i ..] */
void k_gather_grad(heed_tensor dx, heed_tensor dy, int axis, const int32_t *ids);

/* ---- k_dropout.c --------------------------------------------------------------------------------------------------- */
/* The draws for a tensor of this shape whose first row is rng.row. Rows, lines and columns stay below 2^32. */
typedef struct {
    heed_rng rng;
    heed_shape shape;
    double p; /* 0 < p < 1 */
} k_dropout;
uint32_t k_dropout_limit(double p);        /* an element stays if its 32 random bits are above this */
int64_t k_dropout_bytes(heed_shape shape); /* of `kept` a line: its columns, rounded up to fours */
/* kept [lines, k_dropout_bytes]: 1 where an element stays; lines first .. first + lines - 1, counted through all rows. */
void k_dropout_draw(uint8_t *kept, const k_dropout *d, int64_t first, int64_t lines);
/* y = x m, and dx = dy m + beta dx, m = 0 or 1 / (1 - p). x, y and kept of all lines; y may be x, and dx dy. */
void k_dropout_forward(heed_real *y, uint8_t *kept, const heed_real *x, const k_dropout *d, int threads);
void k_dropout_backward(heed_real *dx, heed_real beta, const heed_real *dy, uint8_t *kept, const k_dropout *d,
                        int threads);

#endif
