/* What the tests of ops share: a tape per test, small vectors, exact comparison. */
#ifndef OPS_H
#define OPS_H

#include "check.h"

static const heed_real inf = (heed_real)INFINITY;
static heed_tape *tape;

static inline int setup(void **state)
{
    (void)state;
    heed_error_clear();
    tape = heed_tape_new((heed_tape_desc){ .seed = 9 });
    return tape ? 0 : -1;
}

static inline int teardown(void **state)
{
    (void)state;
    heed_tape_free(tape);
    return 0;
}

#define COUNT(list) ((int64_t)(sizeof(list) / sizeof *(list)))
#define VECTOR(...) \
    heed_leaf(tape, HEED_SHAPE(COUNT(((const heed_real[]){ __VA_ARGS__ }))), (const heed_real[]){ __VA_ARGS__ })
#define IDS(...) \
    heed_input_ids(tape, HEED_SHAPE(COUNT(((const int32_t[]){ __VA_ARGS__ }))), (const int32_t[]){ __VA_ARGS__ })

/* The values are exactly these; NaN equals NaN. */
static inline void check_values_at(heed_tensor t, const heed_real *want, int64_t n, const char *file, int line)
{
    assert_int_equal(heed_tensor_numel(t), n);
    heed_arena *arena = heed_arena_new();
    heed_tensor flat = heed_tensor_contiguous_copy(arena, t);
    for (int64_t i = 0; i < n; i++)
        if (flat.data[i] != want[i] && !(isnan(flat.data[i]) && isnan(want[i]))) {
            print_error("%s:%d: element %d is %.9g, not %.9g\n", file, line, (int)i, (double)flat.data[i],
                        (double)want[i]);
            _fail(file, line);
        }
    heed_arena_free(arena);
}
#define check_values(t, ...) \
    check_values_at((t), (const heed_real[]){ __VA_ARGS__ }, COUNT(((const heed_real[]){ __VA_ARGS__ })), __FILE__, \
                    __LINE__)

/* The gradient of sum(c y), c = 1, 2, 3, ... */
static inline void backward_counting(heed_var *y)
{
    heed_real c[256];
    assert_true(heed_tensor_numel(heed_value(y)) <= 256);
    for (int i = 0; i < 256; i++)
        c[i] = (heed_real)(i + 1);
    assert_true(heed_backward_from(y, c));
}

static inline void fill_random(heed_real *x, int64_t n, uint64_t seed, double low, double high)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = (heed_real)(low + (high - low) * heed_rng_uniform((heed_rng){ .seed = seed }, (uint64_t)i));
}

#define op_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
