/* Vector registers for k_gemm's own loops, in GCC's vector types, which clang has too. Not installed. */
#ifndef HEED_K_LANES_H
#define HEED_K_LANES_H

#include "k_gemm.h"

#if K_TILE

#ifdef __AVX512F__
enum { LANES = 16 };
#else
enum { LANES = 8 };
#endif
typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef float loose_lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)))); /* anywhere */

/* A loop with constant bounds over registers. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 24")
#endif

/* x0 y0 x1 y1 ... of the lower and of the upper halves, and the sums of neighbours: x0+x1 x2+x3 ... y0+y1 ... */
#ifdef __AVX512F__
static inline lanes lanes_lower(lanes x, lanes y)
{
    return __builtin_shufflevector(x, y, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
static inline lanes lanes_upper(lanes x, lanes y)
{
    return __builtin_shufflevector(x, y, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
static inline lanes lanes_pairs(lanes x, lanes y)
{
    return __builtin_shufflevector(x, y, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30) +
           __builtin_shufflevector(x, y, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}
#else
static inline lanes lanes_lower(lanes x, lanes y)
{
    return __builtin_shufflevector(x, y, 0, 8, 1, 9, 2, 10, 3, 11);
}
static inline lanes lanes_upper(lanes x, lanes y)
{
    return __builtin_shufflevector(x, y, 4, 12, 5, 13, 6, 14, 7, 15);
}
static inline lanes lanes_pairs(lanes x, lanes y)
{
    return __builtin_shufflevector(x, y, 0, 2, 4, 6, 8, 10, 12, 14) +
           __builtin_shufflevector(x, y, 1, 3, 5, 7, 9, 11, 13, 15);
}
#endif

#endif
#endif
