/* Random strided views over buffers of small integers, for tests that hold kernels against index loops. */
#ifndef VIEWS_H
#define VIEWS_H

#include "check.h"

typedef struct {
    heed_tensor base, view; /* base is contiguous and holds more than the view shows */
} random_view;

static uint64_t view_draws;
static inline int view_below(int n)
{
    return (int)heed_rng_below((heed_rng){ .seed = 2025 }, view_draws++, (uint64_t)n);
}

/* A view of this shape whose axes lie in memory in any order, some with gaps, some (1 in `repeats`; 0: none) repeated. */
static inline random_view view_make(heed_arena *arena, heed_shape shape, int repeats)
{
    random_view v;
    heed_shape stored = shape;
    int64_t from[HEED_MAX_RANK];
    int place[HEED_MAX_RANK] = { 0, 1, 2, 3, 4, 5 }; /* axis i of the view is axis place[i] of the base */
    for (int i = shape.rank - 1, shuffled = view_below(2); shuffled && i > 0; i--) {
        int j = view_below(i + 1), swap = place[i];
        place[i] = place[j], place[j] = swap;
    }
    for (int i = 0; i < shape.rank; i++) {
        int64_t size = repeats && view_below(repeats) == 0 ? 1 : shape.dims[i], gap = view_below(4) ? 0 : view_below(3);
        from[i] = gap ? view_below((int)gap + 1) : 0;
        stored.dims[place[i]] = size + gap;
    }
    v.view = v.base = heed_tensor_new(arena, stored);
    v.view = heed_tensor_permute(v.view, place);
    for (int i = 0; i < shape.rank; i++) {
        int64_t size = v.view.shape.dims[i] >= from[i] + shape.dims[i] ? shape.dims[i] : 1;
        v.view = heed_tensor_slice(v.view, i, from[i], from[i] + size);
    }
    v.view = heed_tensor_broadcast(v.view, shape);
    int64_t n = heed_tensor_numel(v.base);
    for (int64_t i = 0; i < n; i++)
        v.base.data[i] = (heed_real)(view_below(17) - 8);
    check_no_error();
    return v;
}

static inline bool view_repeats(random_view v)
{
    for (int i = 0; i < v.view.shape.rank; i++)
        if (v.view.shape.dims[i] > 1 && v.view.strides[i] == 0)
            return true;
    return false;
}

/* The shapes of rank 0 to 3 with sizes 1 to 3: 40 of them. */
static inline heed_shape view_small_shape(int number)
{
    heed_shape shape = { .rank = number < 1 ? 0 : number < 4 ? 1 : number < 13 ? 2 : 3 };
    number -= (const int[]){ 0, 1, 4, 13 }[shape.rank];
    for (int i = 0; i < shape.rank; i++, number /= 3)
        shape.dims[i] = 1 + number % 3;
    return shape;
}

/* Steps an index through a shape in row-major order; false after the last. */
static inline bool view_next(heed_shape shape, int64_t *index)
{
    for (int i = shape.rank - 1; i >= 0; i--) {
        if (++index[i] < shape.dims[i])
            return true;
        index[i] = 0;
    }
    return false;
}

static inline int64_t view_at(heed_tensor t, const int64_t *index)
{
    int64_t at = 0;
    for (int i = 0; i < t.shape.rank; i++)
        at += index[i] * t.strides[i];
    return at;
}

/* The same bits in the whole buffer, NaN included. */
static inline void view_check_base(heed_tensor got, const heed_real *want)
{
    int64_t n = heed_tensor_numel(got);
    for (int64_t i = 0; i < n; i++)
        if (!(got.data[i] == want[i] || (isnan(got.data[i]) && isnan(want[i])))) {
            print_error("element %lld: got %.9g, want %.9g\n", (long long)i, (double)got.data[i], (double)want[i]);
            fail();
        }
}

#endif
