/* Gradients of products, of picking and joining, and of views. */
#include "gradients.h"

/* ---- products ------------------------------------------------------------------------------------------------------- */

static heed_var *matmul_build(heed_tape *tape, heed_var *const *in, const config *c)
{
    (void)tape, (void)c;
    return heed_matmul(in[0], in[1]);
}

static heed_var *affine_build(heed_tape *tape, heed_var *const *in, const config *c)
{
    (void)tape;
    return heed_affine(in[0], in[1], c->n_in == 2 ? NULL : in[2]);
}

static void test_products(void **state)
{
    (void)state;
    static const config products[] = {
        { .in = { { S(1, 1), 0 }, { S(1, 1), 0 } } },
        { .in = { { S(3, 4), 0 }, { S(4, 5), 0 } } },
        { .in = { { S(1, 4), 0 }, { S(4, 1), 0 } } },
        { .in = { { S(4, 1), 0 }, { S(1, 4), 0 } } },
        { .in = { { S(3, 4), PERMUTED }, { S(4, 5), 0 } } },
        { .in = { { S(3, 4), 0 }, { S(4, 5), PERMUTED } } },
        { .in = { { S(3, 4), PERMUTED }, { S(4, 5), PERMUTED } } },
        { .in = { { S(3, 4), SLICED }, { S(4, 5), SLICED | PERMUTED } } },
        { .in = { { S(3, 4), SPREAD }, { S(4, 5), 0 } } },
        { .in = { { S(3, 4), 0 }, { S(4, 5), SPREAD } } },
        { .in = { { S(2, 3, 4), 0 }, { S(2, 4, 5), 0 } } },
        { .in = { { S(2, 3, 4), 0 }, { S(4, 5), 0 } } },
        { .in = { { S(3, 4), 0 }, { S(2, 4, 5), 0 } } },
        { .in = { { S(2, 1, 3, 4), 0 }, { S(5, 4, 2), 0 } } },
        { .in = { { S(1, 3, 4), 0 }, { S(2, 4, 1), 0 } } },
        { .in = { { S(2, 3, 2, 4), PERMUTED }, { S(2, 3, 4, 2), PERMUTED } } },
        { .in = { { S(2, 3, 3), SPREAD }, { S(2, 3, 3), SAME } } },
        { .in = { { S(3, 3), 0 }, { S(3, 3), SHARED } } },
        { .in = { { S(3, 3), 0 }, { S(3, 3), SAME } } },
        { .in = { { S(2, 1, 1, 2, 2, 3), 0 }, { S(2, 1, 1, 3, 2), 0 } } },
        { .in = { { S(30, 20), 0 }, { S(20, 7), 0 } } },
        { .in = { { S(3, 0), 0 }, { S(0, 2), 0 } } },
    };
    static const config affines[] = {
        { .in = { { S(4), 0 }, { S(3, 4), 0 }, { S(3), 0 } } },
        { .in = { { S(4), 0 }, { S(3, 4), 0 } }, .n_in = 2 },
        { .in = { { S(2, 4), 0 }, { S(3, 4), 0 }, { S(3), 0 } } },
        { .in = { { S(2, 4), 0 }, { S(3, 4), 0 } }, .n_in = 2 },
        { .in = { { S(2, 4), 0 }, { S(1, 4), 0 }, { S(1), 0 } } },
        { .in = { { S(2, 1), 0 }, { S(3, 1), 0 }, { S(3), 0 } } },
        { .in = { { S(2, 5, 4), 0 }, { S(3, 4), 0 }, { S(3), 0 } } },
        { .in = { { S(2, 5, 4), PERMUTED }, { S(3, 4), 0 }, { S(3), 0 } } },
        { .in = { { S(2, 4), SLICED }, { S(3, 4), SLICED | PERMUTED }, { S(3), SLICED } } },
        { .in = { { S(2, 4), SPREAD }, { S(3, 4), SPREAD }, { S(3), SPREAD } } },
        { .in = { { S(2, 4), 0 }, { S(3, 4), PERMUTED }, { S(3), 0 } } },
        { .in = { { S(3, 3), 0 }, { S(3, 3), SAME }, { S(3), 0 } } },
        { .in = { { S(3, 3), 0 }, { S(3, 3), SHARED } }, .n_in = 2 },
        { .in = { { S(2, 1, 2, 1, 2, 3), 0 }, { S(2, 3), 0 }, { S(2), 0 } } },
        { .in = { { S(9, 30), 0 }, { S(20, 30), 0 }, { S(20), 0 } } }, /* along directions */
        { .in = { { S(0, 4), 0 }, { S(3, 4), 0 }, { S(3), 0 } } },
    };
    static const op_row rows[] = {
        { "heed_matmul", matmul_build, 2, ANY, CONFIGS(products) },
        { "heed_affine", affine_build, 3, ANY, CONFIGS(affines) },
    };
    check_rows(CONFIGS(rows));
}

/* ---- picking -------------------------------------------------------------------------------------------------------- */

static heed_var *embed_build(heed_tape *tape, heed_var *const *in, const config *c)
{
    return heed_embed(in[0], heed_input_ids(tape, c->ids_shape, c->ids), (heed_embed_desc){ .scale = c->axis });
}

static heed_var *gather_build(heed_tape *tape, heed_var *const *in, const config *c)
{
    return heed_gather(in[0], c->axis, heed_input_ids(tape, c->ids_shape, c->ids));
}

static void test_picking(void **state)
{
    (void)state;
    static const config embeds[] = {
        { .in = { { S(5, 3), 0 } }, .ids_shape = SCALAR, .ids = { 4 } },
        { .in = { { S(5, 3), 0 } }, .ids_shape = S(4), .ids = { 0, 1, 3, 4 } },
        { .in = { { S(5, 3), 0 } }, .axis = -3, .ids_shape = S(5), .ids = { 2, 2, 0, 2, 0 } },
        { .in = { { S(5, 3), 0 } }, .ids_shape = S(2, 3), .ids = { 0, 1, 3, 4, 1, 1 } },
        { .in = { { S(1, 3), 0 } }, .ids_shape = S(3), .ids = { 0, 0, 0 } },
        { .in = { { S(5, 1), 0 } }, .ids_shape = S(3), .ids = { 4, 0, 4 } },
        { .in = { { S(4, 3), PERMUTED } }, .axis = 2, .ids_shape = S(3), .ids = { 3, 0, 3 } },
        { .in = { { S(4, 3), SLICED } }, .ids_shape = S(3), .ids = { 3, 0, 3 } },
        { .in = { { S(4, 3), SLICED | PERMUTED } }, .ids_shape = S(3), .ids = { 3, 0, 3 } },
        { .in = { { S(4, 3), SPREAD } }, .ids_shape = S(3), .ids = { 3, 0, 1 } },
        { .in = { { S(1, 3), SPREAD } }, .ids_shape = S(2), .ids = { 0, 0 } },
        { .in = { { S(4, 3), 0 } }, .ids_shape = S(2, 1, 2, 1, 2), .ids = { 0, 1, 2, 3, 3, 2, 1, 0 } },
        { .in = { { S(40, 20), 0 } }, .ids_shape = S(6), .ids = { 39, 0, 7, 7, 12, 39 } }, /* along directions */
        { .in = { { S(4, 3), 0 } }, .ids_shape = S(0), .ids = { 0 } },
    };
    static const config gathers[] = {
        { .in = { { S(5), 0 } }, .axis = 0, .ids_shape = S(3), .ids = { 4, 0, 4 } },
        { .in = { { S(1), 0 } }, .axis = 0, .ids_shape = S(4), .ids = { 0, 0, 0, 0 } },
        { .in = { { S(3, 4), 0 } }, .axis = 1, .ids_shape = S(3, 2), .ids = { 3, 0, 1, 1, 2, 0 } },
        { .in = { { S(3, 4), 0 } }, .axis = 0, .ids_shape = S(2, 4), .ids = { 2, 0, 1, 1, 2, 0, 0, 2 } },
        { .in = { { S(3, 4), 0 } }, .axis = -1, .ids_shape = S(3, 1), .ids = { 3, 0, 1 } },
        { .in = { { S(3, 4), 0 } }, .axis = 0, .ids_shape = S(5, 2), .ids = { 2, 0, 1, 1, 2, 0, 0, 2, 1, 1 } },
        { .in = { { S(3, 4), PERMUTED } }, .axis = 1, .ids_shape = S(2, 3), .ids = { 3, 0, 1, 1, 2, 0 } },
        { .in = { { S(3, 4), SLICED } }, .axis = 1, .ids_shape = S(2, 3), .ids = { 3, 0, 1, 1, 2, 0 } },
        { .in = { { S(3, 4), SPREAD } }, .axis = 0, .ids_shape = S(3, 2), .ids = { 2, 0, 1, 1, 2, 0 } },
        { .in = { { S(2, 2, 3), 0 } }, .axis = 1, .ids_shape = S(2, 1, 3), .ids = { 1, 0, 1, 0, 0, 1 } },
        { .in = { { S(2, 2, 3), PERMUTED | SLICED } }, .axis = 2, .ids_shape = S(2, 2, 1), .ids = { 2, 0, 1, 2 } },
        { .in = { { S(2, 1, 2, 1, 2, 2), 0 } }, .axis = 4, .ids_shape = S(2, 1, 2, 1, 1, 1), .ids = { 1, 0, 1, 1 } },
        { .in = { { S(3, 300), 0 } },
          .axis = 1,
          .ids_shape = S(3, 2),
          .ids = { 299, 0, 1, 17, 2, 2 } }, /* directions */
        { .in = { { S(3, 4), 0 } }, .axis = 1, .ids_shape = S(3, 0), .ids = { 0 } },
    };
    static const op_row rows[] = {
        { "heed_embed", embed_build, 1, ANY, CONFIGS(embeds) },
        { "heed_gather", gather_build, 1, ANY, CONFIGS(gathers) },
    };
    check_rows(CONFIGS(rows));
}

/* ---- joining and views ------------------------------------------------------------------------------------------------ */

static heed_var *concat_build(heed_tape *tape, heed_var *const *in, const config *c)
{
    (void)tape;
    return heed_concat(in, c->n_in, c->axis);
}

/* Views need no backward of their own; a product shows that the gradient of every path arrives. */
static heed_var *reshape_build(heed_tape *tape, heed_var *const *in, const config *c)
{
    (void)tape, (void)c;
    heed_var *flat = heed_reshape(in[0], HEED_SHAPE(-1));
    return flat ? heed_mul(flat, heed_exp(heed_reshape(in[0], flat->value.shape))) : NULL;
}

static heed_var *permute_build(heed_tape *tape, heed_var *const *in, const config *c)
{
    (void)tape, (void)c;
    return heed_mul(back_to_front(in[0]), heed_exp(back_to_front(in[0])));
}

static heed_var *slice_build(heed_tape *tape, heed_var *const *in, const config *c)
{
    (void)tape, (void)c;
    int last = in[0]->value.shape.rank - 1;
    int64_t n = in[0]->value.shape.dims[last];
    return heed_mul(heed_slice(in[0], last, 0, n / 2), heed_exp(heed_slice(in[0], last, n - n / 2, n)));
}

static heed_var *broadcast_build(heed_tape *tape, heed_var *const *in, const config *c)
{
    (void)tape, (void)c;
    heed_shape wide = in[0]->value.shape;
    for (int i = 0; i < wide.rank; i++)
        wide.dims[i] = wide.dims[i] == 1 ? 3 : wide.dims[i];
    return heed_mul(heed_broadcast(in[0], wide), heed_exp(in[0]));
}

static void test_joining(void **state)
{
    (void)state;
    static const config joined[] = {
        { .in = { { S(3), 0 } }, .n_in = 1, .axis = 0 },
        { .in = { { S(3), 0 }, { S(2), 0 } }, .n_in = 2, .axis = 0 },
        { .in = { { S(2, 3), 0 }, { S(2, 4), 0 } }, .n_in = 2, .axis = 1 },
        { .in = { { S(2, 3), 0 }, { S(4, 3), 0 } }, .n_in = 2, .axis = 0 },
        { .in = { { S(2, 3), 0 }, { S(2, 1), 0 }, { S(2, 2), 0 } }, .n_in = 3, .axis = -1 },
        { .in = { { S(2, 3), PERMUTED }, { S(2, 1), SLICED }, { S(2, 2), SPREAD } }, .n_in = 3, .axis = 1 },
        { .in = { { S(2, 3), 0 }, { S(2, 3), SAME } }, .n_in = 2, .axis = 0 },
        { .in = { { S(3, 3), 0 }, { S(3, 3), SHARED }, { S(3, 3), SAME } }, .n_in = 3, .axis = 1 },
        { .in = { { S(2, 1, 3), 0 }, { S(2, 4, 3), PERMUTED } }, .n_in = 2, .axis = 1 },
        { .in = { { S(2, 0), 0 }, { S(2, 2), 0 } }, .n_in = 2, .axis = 1 },
        { .in = { { S(2, 1, 2, 1, 2, 1), 0 }, { S(2, 1, 2, 1, 2, 3), 0 } }, .n_in = 2, .axis = 5 },
        { .in = { { S(1), 0 }, { S(1), 0 }, { S(1), 0 }, { S(1), 0 } }, .n_in = 4, .axis = 0 },
        { .in = { { S(600), 0 }, { S(3), 0 } }, .n_in = 2, .axis = 0 },
    };
    static const config views[] = {
        { .in = { { S(1), 0 } } },
        { .in = { { S(5), 0 } } },
        { .in = { { S(3, 4), 0 } } },
        { .in = { { S(1, 4), 0 } } },
        { .in = { { S(4, 1), 0 } } },
        { .in = { { S(2, 3, 4), 0 } } },
        { .in = { { S(2, 1, 3, 2), 0 } } },
        { .in = { { S(2, 1, 2, 1, 2, 3), 0 } } },
        { .in = { { S(3, 4), PERMUTED } } },
        { .in = { { S(3, 4), SLICED } } },
        { .in = { { S(3, 4), SPREAD } } },
        { .in = { { S(2, 3, 4), SPREAD | PERMUTED } } },
        { .in = { { S(2, 1, 4), SLICED | PERMUTED } } },
        { .in = { { S(2, 0, 4), 0 } } },
    };
    static const op_row rows[] = {
        { "heed_concat", concat_build, 1, ANY, CONFIGS(joined) },
        { "heed_reshape", reshape_build, 1, ANY, CONFIGS(views) },
        { "heed_permute", permute_build, 1, ANY, CONFIGS(views) },
        { "heed_slice", slice_build, 1, ANY, CONFIGS(views) },
        { "heed_broadcast", broadcast_build, 1, ANY, CONFIGS(views) },
    };
    check_rows(CONFIGS(rows));
}

/* ---- every pair of shapes -------------------------------------------------------------------------------------------- */

/* The i-th of the 40 shapes of rank 0 to 3 with sizes 1 to 3. */
static heed_shape small_shape(int i)
{
    heed_shape s = { .rank = i < 1 ? 0 : i < 4 ? 1 : i < 13 ? 2 : 3 };
    static const int first[] = { 0, 1, 4, 13 };
    int rest = i - first[s.rank];
    for (int axis = 0; axis < s.rank; axis++, rest /= 3)
        s.dims[axis] = 1 + rest % 3;
    return s;
}

/* The broadcast shape by NumPy's rule, written independently. False if there is none. */
static bool numpy_rule(heed_shape a, heed_shape b, heed_shape *out)
{
    *out = (heed_shape){ .rank = a.rank > b.rank ? a.rank : b.rank };
    for (int k = 1; k <= out->rank; k++) {
        int64_t x = k <= a.rank ? a.dims[a.rank - k] : 1, y = k <= b.rank ? b.dims[b.rank - k] : 1;
        if (x != y && x != 1 && y != 1)
            return false;
        out->dims[out->rank - k] = x == 1 ? y : x;
    }
    return true;
}

/* Where element e of the output comes from in an operand of shape s. */
static int64_t origin(heed_shape out, heed_shape s, int64_t e)
{
    int64_t at = 0, step = 1;
    for (int k = 1; k <= out.rank; k++) {
        int64_t i = e % out.dims[out.rank - k];
        e /= out.dims[out.rank - k];
        if (k <= s.rank) {
            at += (s.dims[s.rank - k] == 1 ? 0 : i) * step;
            step *= s.dims[s.rank - k];
        }
    }
    return at;
}

/* Values, and row e of both Jacobians: exactly one entry each. */
static void check_pair(heed_tape *tape, heed_shape sa, heed_shape sb, heed_shape out, int64_t e)
{
    heed_real va[27], vb[27], c[27] = { 0 };
    int64_t at_a = origin(out, sa, e), at_b = origin(out, sb, e);
    sample(va, 27, ANY, 1);
    sample(vb, 27, ANY, 2);
    c[e] = 1;
    for (int product = 0; product < 2; product++) {
        heed_tape_reset(tape);
        heed_var *a = heed_leaf(tape, sa, va), *b = heed_leaf(tape, sb, vb);
        heed_var *y = product ? heed_mul(a, b) : heed_add(a, b);
        assert_true(heed_shape_equal(heed_value(y).shape, out));
        assert_true(heed_value(y).data[e] == (product ? va[at_a] * vb[at_b] : va[at_a] + vb[at_b]));
        assert_true(heed_backward_from(y, c));
        for (int64_t i = 0; i < heed_shape_numel(sa); i++)
            assert_true(heed_grad(a).data[i] == (i != at_a ? 0 : product ? vb[at_b] : 1));
        for (int64_t i = 0; i < heed_shape_numel(sb); i++)
            assert_true(heed_grad(b).data[i] == (i != at_b ? 0 : product ? va[at_a] : 1));
    }
}

static void test_every_broadcast(void **state)
{
    (void)state;
    heed_tape *tape = heed_tape_new((heed_tape_desc){ 0 });
    int accepted = 0, pairs = 0;
    for (int i = 0; i < 40; i++)
        for (int j = 0; j < 40; j++, pairs++) {
            heed_shape a = small_shape(i), b = small_shape(j), out;
            if (numpy_rule(a, b, &out)) {
                accepted++;
                for (int64_t e = 0; e < heed_shape_numel(out); e++)
                    check_pair(tape, a, b, out, e);
                check_no_error();
                continue;
            }
            const heed_real zeros[27] = { 0 };
            heed_shape_buffer text;
            heed_var *x = heed_leaf(tape, a, zeros);
            assert_null(heed_add(x, heed_leaf(tape, b, zeros)));
            assert_true(heed_error_code() == HEED_BAD_SHAPE);
            check_failed(HEED_BAD_SHAPE, heed_shape_text(b, &text));
        }
    assert_int_equal(pairs, 1600);
    assert_int_equal(accepted, 940); /* over ranks r, s: sum of 7^min(r, s) 3^|r - s| */
    heed_tape_free(tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_picking),
        cmocka_unit_test(test_joining),
        cmocka_unit_test(test_every_broadcast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
