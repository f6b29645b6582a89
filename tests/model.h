/* Random numbers, parameters and small Transformers for the tests of layers. */
#ifndef MODEL_H
#define MODEL_H

#include "check.h"

/* A stream of draws: draws d = draws_of(case). */
typedef struct {
    heed_rng rng;
    uint64_t next;
} draws;

static inline draws draws_of(uint64_t seed)
{
    return (draws){ .rng = { .seed = seed, .stream = heed_rng_stream("tests") } };
}

/* low .. high, both included */
static inline int64_t draw_int(draws *d, int64_t low, int64_t high)
{
    return low + (int64_t)heed_rng_below(d->rng, d->next++, (uint64_t)(high - low + 1));
}

static inline double draw_normal(draws *d)
{
    return heed_rng_normal(d->rng, d->next++);
}

static inline void draw_normals(draws *d, heed_real *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = (heed_real)draw_normal(d);
}

static inline void draw_ids(draws *d, int32_t *out, int64_t n, int32_t low, int32_t high)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = (int32_t)draw_int(d, low, high);
}

static inline heed_var *draw_leaf(draws *d, heed_tape *tape, heed_shape shape)
{
    heed_real *values = malloc((size_t)heed_shape_numel(shape) * sizeof *values);
    draw_normals(d, values, heed_shape_numel(shape));
    heed_var *leaf = heed_leaf(tape, shape, values);
    free(values);
    return leaf;
}

/* Nothing is left as it starts: biases are not 0, norms not 1, no row is zero. */
static inline void params_shake(heed_params *params, uint64_t seed)
{
    draws d = draws_of(seed);
    for (int i = 0; i < heed_params_count(params); i++) {
        heed_tensor t = heed_param_value(heed_params_at(params, i));
        double middle = t.shape.rank == 1 && t.data[0] == 1 ? 1 : 0; /* the weight of a norm */
        double deviation = t.shape.rank == 1 ? 0.2 : 1 / sqrt((double)t.shape.dims[t.shape.rank - 1]);
        for (int64_t k = 0; k < heed_tensor_numel(t); k++)
            t.data[k] = (heed_real)(middle + deviation * draw_normal(&d));
    }
    heed_params_changed(params);
}

/* A set of parameters that was initialised, with the error printed if it was not. */
static inline void params_ready(heed_params *params, uint64_t seed)
{
    if (!heed_params_init(params, seed))
        fail_msg("%s", heed_error());
}

static inline void check_same_bits_at(heed_tensor a, heed_tensor b, const char *file, int line)
{
    if (!heed_tensor_ok(a) || !heed_tensor_ok(b) || !heed_shape_equal(a.shape, b.shape) ||
        memcmp(a.data, b.data, (size_t)heed_tensor_numel(a) * sizeof *a.data) != 0) {
        heed_shape_buffer x, y;
        print_error("%s:%d: not the same bits: %s and %s (%s)\n", file, line, heed_shape_text(a.shape, &x),
                    heed_shape_text(b.shape, &y), heed_error());
        _fail(file, line);
    }
}
/* Both contiguous. */
#define check_same_bits(a, b) check_same_bits_at((a), (b), __FILE__, __LINE__)

/* Contiguous tensors, element by element. */
static inline void check_near_at(heed_tensor a, heed_tensor b, double tolerance, const char *file, int line)
{
    if (!heed_tensor_ok(a) || !heed_tensor_ok(b) || !heed_shape_equal(a.shape, b.shape)) {
        heed_shape_buffer x, y;
        print_error("%s:%d: shapes %s and %s (%s)\n", file, line, heed_shape_text(a.shape, &x),
                    heed_shape_text(b.shape, &y), heed_error());
        _fail(file, line);
    }
    for (int64_t i = 0; i < heed_tensor_numel(a); i++)
        check_close_at((double)a.data[i], (double)b.data[i], tolerance, file, line);
}
#define check_near(a, b, tolerance) check_near_at((a), (b), (tolerance), __FILE__, __LINE__)

/* heed_backward from a random gradient of v. */
static inline void backward_random(heed_var *v, draws *d)
{
    assert_non_null(v);
    int64_t n = heed_tensor_numel(v->value);
    heed_real *gradient = malloc((size_t)n * sizeof *gradient);
    draw_normals(d, gradient, n);
    bool done = heed_backward_from(v, gradient);
    free(gradient);
    if (!done)
        fail_msg("%s", heed_error());
}

#endif
