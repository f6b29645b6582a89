/* Kernels: the loops on plain arrays that everything else calls. Outputs first, inputs next, sizes last; the shape of
 * every array is in the comment. "+=" kernels take beta: 0 overwrites, 1 adds. Not installed.
 *
 * A kernel never allocates except from the scratch arena it is given, and gives back what it took. */
#ifndef HEED_KERNELS_H
#define HEED_KERNELS_H

#include "tensor.h"

/* ---- k_map.c: elementwise, over any strides -------------------------------------------------------------------- */
/* One stretch: out[i] = f(in[0][i], in[1][i], ...), i < n. All arrays contiguous; out is not an input. */
typedef void k_row(heed_real *out, const heed_real *const *in, int64_t n, const void *arg);
enum { K_MAP_INPUTS = 4 };
/* out = f(in...) + beta out, element by element. All tensors have out's shape; out may have stride 0, and then sums
 * (beta must be 1). in may have any strides. */
void k_map(heed_tensor out, heed_real beta, k_row *row, const heed_tensor *in, int n_in, const void *arg);

/* ---- k_random.c -------------------------------------------------------------------------------------------------- */
/* out[i] = random bits at index first + i of rng, the same as heed_rng_bits. */
void k_random_bits(uint32_t *out, heed_rng rng, uint64_t first, int64_t n);

/* ---- k_gemm.c: BLAS ---------------------------------------------------------------------------------------------- */
/* c [..., M, N] = alpha a [..., M, K] b [..., K, N] + beta c. Leading axes of a and b equal c's (stride 0 allowed in
 * all three; a c with stride 0 is summed into, in order). One thread. Transposes and heads cost no copy as long as one
 * of the last two axes has stride 1. */
bool k_gemm(heed_arena *scratch, heed_tensor c, double beta, double alpha, heed_tensor a, heed_tensor b);

#endif
