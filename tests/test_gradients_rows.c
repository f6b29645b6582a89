/* Gradients of reductions, softmax, norms, dropout and losses. */
#include "gradients.h"

/* ---- reductions ----------------------------------------------------------------------------------------------------- */

/* Axes in tables; none means all. */
#define OVER(...) \
    { \
        .count = HEED_COUNT_(__VA_ARGS__), .axis = { __VA_ARGS__ } \
    }
#define KEEPING(...) \
    { \
        .count = HEED_COUNT_(__VA_ARGS__), .axis = { __VA_ARGS__ }, .keep = true \
    }

#define REDUCTION(op) \
    static heed_var *op##_build(heed_tape *tape, heed_var *const *in, const config *c) \
    { \
        (void)tape; \
        return heed_##op(in[0], c->axes); \
    }
REDUCTION(sum)
REDUCTION(mean)
REDUCTION(max)

static void test_reductions(void **state)
{
    (void)state;
    static const config reduced[] = {
        { .in = { { SCALAR, 0 } }, .axes = { 0 } },
        { .in = { { S(7), 0 } }, .axes = { 0 } },
        { .in = { { S(1), 0 } }, .axes = OVER(0) },
        { .in = { { S(3, 4), 0 } }, .axes = OVER(0) },
        { .in = { { S(3, 4), 0 } }, .axes = OVER(1) },
        { .in = { { S(3, 4), 0 } }, .axes = KEEPING(-1) },
        { .in = { { S(3, 4), 0 } }, .axes = { .keep = true } },
        { .in = { { S(2, 3, 4), 0 } }, .axes = OVER(1) },
        { .in = { { S(2, 3, 4), 0 } }, .axes = OVER(0, 2) },
        { .in = { { S(2, 3, 4), 0 } }, .axes = KEEPING(-1, 1) },
        { .in = { { S(2, 3, 4), 0 } }, .axes = OVER(2, 0, 1) },
        { .in = { { S(2, 1, 3, 1), 0 } }, .axes = OVER(1, 3) },
        { .in = { { S(3, 1, 4), 0 } }, .axes = OVER(1) },
        { .in = { { S(2, 3, 4), PERMUTED } }, .axes = OVER(0) },
        { .in = { { S(2, 3, 4), PERMUTED } }, .axes = OVER(1, 2) },
        { .in = { { S(3, 5), SLICED } }, .axes = OVER(1) },
        { .in = { { S(3, 5), SLICED | PERMUTED } }, .axes = OVER(1) },
        { .in = { { S(4, 3), SPREAD } }, .axes = OVER(0) },
        { .in = { { S(4, 3), SPREAD } }, .axes = OVER(1) },
        { .in = { { S(2, 3, 2), SPREAD | PERMUTED } }, .axes = { 0 } },
        { .in = { { S(2, 1, 2, 1, 2, 3), 0 } }, .axes = OVER(0, 2, 5) },
        { .in = { { S(3, 70), 0 } }, .axes = OVER(0) }, /* more than one stretch of columns */
        { .in = { { S(2, 65, 3), PERMUTED } }, .axes = OVER(2) },
        { .in = { { S(5, 130), 0 } }, .axes = OVER(1) }, /* along directions */
        { .in = { { S(0, 3), 0 } }, .axes = OVER(1) },
    };
    static const op_row rows[] = {
        { "heed_sum", sum_build, 1, ANY, CONFIGS(reduced) },
        { "heed_mean", mean_build, 1, ANY, CONFIGS(reduced) },
        { "heed_max", max_build, 1, DISTINCT, CONFIGS(reduced) },
    };
    check_rows(CONFIGS(rows));
}

/* ---- softmax -------------------------------------------------------------------------------------------------------- */

static heed_var *softmax_build(heed_tape *tape, heed_var *const *in, const config *c)
{
    (void)tape;
    return heed_softmax(in[0], c->axis);
}

static heed_var *log_softmax_build(heed_tape *tape, heed_var *const *in, const config *c)
{
    (void)tape;
    return heed_log_softmax(in[0], c->axis);
}

static void test_softmax(void **state)
{
    (void)state;
    static const config along[] = {
        { .in = { { S(1), 0 } }, .axis = 0 },
        { .in = { { S(6), 0 } }, .axis = 0 },
        { .in = { { S(3, 4), 0 } }, .axis = 1 },
        { .in = { { S(3, 4), 0 } }, .axis = 0 },
        { .in = { { S(3, 4), 0 } }, .axis = -2 },
        { .in = { { S(5, 1), 0 } }, .axis = 1 },
        { .in = { { S(1, 5), 0 } }, .axis = -1 },
        { .in = { { S(2, 3, 4), 0 } }, .axis = 0 },
        { .in = { { S(2, 3, 4), 0 } }, .axis = 1 },
        { .in = { { S(2, 3, 4), 0 } }, .axis = 2 },
        { .in = { { S(2, 3, 4), PERMUTED } }, .axis = 2 },
        { .in = { { S(2, 3, 4), PERMUTED } }, .axis = 0 },
        { .in = { { S(3, 5), SLICED } }, .axis = 1 },
        { .in = { { S(3, 5), SLICED | PERMUTED } }, .axis = 0 },
        { .in = { { S(3, 4), SPREAD } }, .axis = 1 },
        { .in = { { S(4, 3), SPREAD } }, .axis = 0 },
        { .in = { { S(2, 1, 2, 1, 2, 3), 0 } }, .axis = 4 },
        { .in = { { S(2, 33), 0 } }, .axis = 1 },
        { .in = { { S(2, 300), 0 } }, .axis = 1 }, /* along directions */
        { .in = { { S(3, 0), 0 } }, .axis = 1 },
        { .in = { { S(0, 3), 0 } }, .axis = 1 },
    };
    static const op_row rows[] = {
        { "heed_softmax", softmax_build, 1, ANY, CONFIGS(along) },
        { "heed_log_softmax", log_softmax_build, 1, ANY, CONFIGS(along) },
    };
    check_rows(CONFIGS(rows));
}

/* ---- norms ---------------------------------------------------------------------------------------------------------- */

static heed_var *layer_norm_build(heed_tape *tape, heed_var *const *in, const config *c)
{
    (void)tape;
    return c->flag ? heed_layer_norm(in[0], NULL, in[1], 1e-5) : heed_layer_norm(in[0], in[1], in[2], 1e-5);
}

static heed_var *rms_norm_build(heed_tape *tape, heed_var *const *in, const config *c)
{
    (void)tape;
    return heed_rms_norm(in[0], c->n_in == 1 ? NULL : in[1], 1e-5);
}

static void test_norms(void **state)
{
    (void)state;
    static const config norms[] = {
        { .in = { { S(6), 0 }, { S(6), 0 }, { S(6), 0 } } },
        { .in = { { S(3, 5), 0 }, { S(5), 0 }, { S(5), 0 } } },
        { .in = { { S(3, 5), 0 } }, .n_in = 1 },
        { .in = { { S(2, 5), 0 }, { S(5), 0 } }, .n_in = 2 },
        { .in = { { S(2, 5), 0 }, { S(5), 0 } }, .n_in = 2, .flag = true }, /* bias alone */
        { .in = { { S(2, 3, 4), 0 }, { S(4), 0 }, { S(4), 0 } } },
        { .in = { { S(1, 2), 0 }, { S(2), 0 }, { S(2), 0 } } },
        { .in = { { S(3, 1), 0 }, { S(1), 0 }, { S(1), 0 } } },
        { .in = { { S(2, 3, 4), PERMUTED }, { S(4), 0 }, { S(4), 0 } } },
        { .in = { { S(3, 5), SLICED }, { S(5), SLICED }, { S(5), SLICED } } },
        { .in = { { S(3, 5), 0 }, { S(5), SPREAD }, { S(5), SPREAD } } },
        { .in = { { S(3, 5), SPREAD }, { S(5), 0 }, { S(5), 0 } } },
        { .in = { { S(5), 0 }, { S(5), SAME }, { S(5), SAME } } },
        { .in = { { S(5), 0 }, { S(5), SHARED }, { S(5), 0 } } },
        { .in = { { S(2, 1, 2, 1, 2, 3), 0 }, { S(3), 0 }, { S(3), 0 } } },
        { .in = { { S(2, 37), 0 }, { S(37), 0 }, { S(37), 0 } } },
        { .in = { { S(20, 33), 0 }, { S(33), 0 }, { S(33), 0 } } }, /* along directions */
        { .in = { { S(0, 3), 0 }, { S(3), 0 }, { S(3), 0 } } },
        { .in = { { S(3, 0), 0 }, { S(0), 0 }, { S(0), 0 } } },
    };
    static const op_row rows[] = {
        { "heed_layer_norm", layer_norm_build, 3, ANY, CONFIGS(norms) },
        { "heed_rms_norm", rms_norm_build, 3, ANY, CONFIGS(norms) },
    };
    check_rows(CONFIGS(rows));
}

/* ---- dropout -------------------------------------------------------------------------------------------------------- */

static heed_var *dropout_build(heed_tape *tape, heed_var *const *in, const config *c)
{
    (void)tape;
    heed_var *y = heed_dropout(in[0], c->number, "here");
    return heed_add(heed_dropout(in[0], c->number, "there"), heed_scale(y, 0.5));
}

static void test_dropout(void **state)
{
    (void)state;
    static const config dropped[] = {
        { .in = { { SCALAR, 0 } }, .number = 0.3 },
        { .in = { { S(9), 0 } }, .number = 0.5 },
        { .in = { { S(3, 4), 0 } }, .number = 0 },
        { .in = { { S(3, 4), 0 } }, .number = 0.5 },
        { .in = { { S(3, 4), 0 } }, .number = 0.99 },
        { .in = { { S(2, 3, 4), 0 } }, .number = 0.1 },
        { .in = { { S(2, 3, 4), PERMUTED } }, .number = 0.4 },
        { .in = { { S(3, 5), SLICED } }, .number = 0.4 },
        { .in = { { S(3, 4), SPREAD } }, .number = 0.4 },
        { .in = { { S(2, 3, 2), SPREAD | PERMUTED } }, .number = 0.4 },
        { .in = { { S(2, 3, 2, 4), 0 } }, .number = 0.25 },
        { .in = { { S(2, 1, 2, 1, 2, 3), 0 } }, .number = 0.25 },
        { .in = { { S(2, 300), 0 } }, .number = 0.25 },
        { .in = { { S(2, 0), 0 } }, .number = 0.25 },
    };
    static const op_row rows[] = { { "heed_dropout", dropout_build, 1, ANY, CONFIGS(dropped) } };
    check_rows(CONFIGS(rows));
}

/* ---- losses --------------------------------------------------------------------------------------------------------- */

static heed_var *cross_entropy_build(heed_tape *tape, heed_var *const *in, const config *c)
{
    return heed_cross_entropy(in[0], heed_input_ids(tape, c->ids_shape, c->ids), c->ce);
}

static heed_var *affine_cross_entropy_build(heed_tape *tape, heed_var *const *in, const config *c)
{
    return heed_affine_cross_entropy(in[0], in[1], in[2], heed_input_ids(tape, c->ids_shape, c->ids), c->ce);
}

static heed_var *mse_build(heed_tape *tape, heed_var *const *in, const config *c)
{
    (void)tape;
    (void)c;
    return heed_mse(in[0], in[1]);
}

static void test_losses(void **state)
{
    (void)state;
    static const config entropies[] = {
        { .in = { { S(5), 0 } }, .ids_shape = SCALAR, .ids = { 3 } },
        { .in = { { S(1, 1), 0 } }, .ids_shape = S(1), .ids = { 0 } },
        { .in = { { S(4, 5), 0 } }, .ids_shape = S(4), .ids = { 0, 4, 2, 2 } },
        { .in = { { S(4, 5), 0 } }, .ids_shape = S(4), .ids = { 0, 4, 2, 2 }, .ce = { .sum = true } },
        { .in = { { S(4, 5), 0 } }, .ids_shape = S(4), .ids = { 1, 4, 2, 0 }, .ce = { .smoothing = 0.1 } },
        { .in = { { S(4, 5), 0 } }, .ids_shape = S(4), .ids = { 1, 4, 2, 0 }, .ce = { .smoothing = 1, .sum = true } },
        { .in = { { S(4, 5), 0 } }, .ids_shape = S(4), .ids = { 0, 4, 0, 2 }, .ce = { .has_ignore = true } },
        { .in = { { S(4, 5), 0 } },
          .ids_shape = S(4),
          .ids = { -1, 4, -1, 2 },
          .ce = { .smoothing = 0.2, .has_ignore = true, .ignore = -1, .sum = true } },
        { .in = { { S(3, 5), 0 } }, .ids_shape = S(3), .ids = { 7, 7, 7 }, .ce = { .has_ignore = true, .ignore = 7 } },
        { .in = { { S(2, 3, 4), 0 } }, .ids_shape = S(2, 3), .ids = { 0, 1, 2, 3, 2, 1 }, .ce = { .smoothing = 0.1 } },
        { .in = { { S(2, 3, 4), PERMUTED } }, .ids_shape = S(2, 3), .ids = { 0, 1, 2, 3, 2, 1 } },
        { .in = { { S(3, 5), SLICED } }, .ids_shape = S(3), .ids = { 0, 3, 2 } },
        { .in = { { S(3, 5), SPREAD } }, .ids_shape = S(3), .ids = { 0, 3, 2 }, .ce = { .smoothing = 0.3 } },
        { .in = { { S(3, 2, 2), SPREAD | PERMUTED } }, .ids_shape = S(3, 2), .ids = { 0, 1, 1, 0, 1, 0 } },
        { .in = { { S(3, 70), 0 } }, .ids_shape = S(3), .ids = { 69, 0, 16 }, .ce = { .smoothing = 0.1 } },
        { .in = { { S(3, 300), 0 } }, .ids_shape = S(3), .ids = { 299, 0, 256 } }, /* along directions */
        { .in = { { S(0, 3), 0 } }, .ids_shape = S(0), .ids = { 0 } },
    };
#define LINEAR(x, w, n) \
    { \
        { x, 0 }, { w, 0 }, \
        { \
            S(n), 0 \
        } \
    }
    static const config outputs[] = {
        { .in = LINEAR(S(1, 1), S(1, 1), 1), .ids_shape = S(1), .ids = { 0 } },
        { .in = LINEAR(S(4, 3), S(5, 3), 5), .ids_shape = S(4), .ids = { 0, 4, 2, 2 } },
        { .in = LINEAR(S(4, 3), S(5, 3), 5), .ids_shape = S(4), .ids = { 0, 4, 2, 2 }, .ce = { .sum = true } },
        { .in = LINEAR(S(4, 3), S(5, 3), 5), .ids_shape = S(4), .ids = { 1, 0, 3, 2 }, .ce = { .smoothing = 1 } },
        { .in = LINEAR(S(3, 2), S(5, 2), 5), .ids_shape = S(3), .ids = { 0, 4, 0 }, .ce = { .has_ignore = true } },
        { .in = LINEAR(S(2, 2), S(3, 2), 3), .ids_shape = S(2), .ids = { 0, 0 }, .ce = { .has_ignore = true } },
        { .in = LINEAR(S(3, 9), S(40, 9), 40), .ids_shape = S(3), .ids = { 39, 0, 16 }, .ce = { .smoothing = 0.1 } },
        { .in = LINEAR(S(3, 2), S(300, 2), 300), .ids_shape = S(3), .ids = { 299, 0, 256 } }, /* along directions */
        { .in = LINEAR(S(0, 2), S(3, 2), 3), .ids_shape = S(0), .ids = { 0 } },
        { .in = LINEAR(S(2, 1, 3), S(4, 3), 4), .ids_shape = S(2, 1), .ids = { 0, 3 } },
        { .in = { { S(2, 3, 2), PERMUTED }, { S(4, 2), 0 }, { S(4), 0 } },
          .ids_shape = S(2, 3),
          .ids = { 0, -1, 2, 3, 2, -1 },
          .ce = { .smoothing = 0.1, .has_ignore = true, .ignore = -1, .sum = true } },
        { .in = { { S(3, 7), SLICED }, { S(30, 7), SPREAD }, { S(30), 0 } },
          .ids_shape = S(3),
          .ids = { 29, 0, 16 },
          .ce = { .smoothing = 0.2 } },
        { .in = { { S(3, 3), 0 }, { S(3, 3), SAME }, { S(3), 0 } }, .ids_shape = S(3), .ids = { 0, 2, 1 } },
    };
#undef LINEAR
    static const config pairs[] = {
        { .in = { { SCALAR, 0 }, { SCALAR, 0 } } },
        { .in = { { S(1), 0 }, { S(1), 0 } } },
        { .in = { { S(7), 0 }, { S(7), 0 } } },
        { .in = { { S(3, 4), 0 }, { S(3, 4), 0 } } },
        { .in = { { S(3, 4), PERMUTED }, { S(3, 4), 0 } } },
        { .in = { { S(3, 4), 0 }, { S(3, 4), SLICED } } },
        { .in = { { S(3, 4), SPREAD }, { S(3, 4), 0 } } },
        { .in = { { S(3, 4), SPREAD }, { S(3, 4), SPREAD | PERMUTED } } },
        { .in = { { S(3, 4), 0 }, { S(3, 4), SAME } } },
        { .in = { { S(3, 3), 0 }, { S(3, 3), SHARED } } },
        { .in = { { S(2, 1, 2, 1, 2, 3), 0 }, { S(2, 1, 2, 1, 2, 3), PERMUTED } } },
        { .in = { { S(2, 3, 17), 0 }, { S(2, 3, 17), SLICED } } },
        { .in = { { S(2, 300), 0 }, { S(2, 300), 0 } } }, /* along directions */
    };
    static const op_row rows[] = {
        { "heed_cross_entropy", cross_entropy_build, 1, ANY, CONFIGS(entropies) },
        { "heed_affine_cross_entropy", affine_cross_entropy_build, 3, ANY, CONFIGS(outputs) },
        { "heed_mse", mse_build, 2, ANY, CONFIGS(pairs) },
    };
    check_rows(CONFIGS(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reductions), cmocka_unit_test(test_softmax), cmocka_unit_test(test_norms),
        cmocka_unit_test(test_dropout),    cmocka_unit_test(test_losses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
