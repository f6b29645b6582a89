/* Picking, joining and dropout: values, refusals, and which elements fall. */
#include "ops.h"

/* ---- embed ---------------------------------------------------------------------------------------------------------- */

static heed_var *small_table(void)
{
    return heed_leaf(tape, HEED_SHAPE(3, 2), (const heed_real[]){ 1, 2, 3, 4, 5, 6 });
}

static void test_embed(void **state)
{
    (void)state;
    heed_var *table = small_table(), *y = heed_embed(table, IDS(2, 0, 2), (heed_embed_desc){ 0 });
    check_values(heed_value(y), 5, 6, 1, 2, 5, 6);
    backward_counting(y);
    check_values(heed_grad(table), 3, 4, 0, 0, 6, 8);
    heed_tape_reset(tape);
    table = small_table();
    y = heed_embed(table, IDS(2, 0, 2), (heed_embed_desc){ .has_padding = true, .padding = 2 });
    check_values(heed_value(y), 5, 6, 1, 2, 5, 6); /* read as it stands */
    backward_counting(y);
    check_values(heed_grad(table), 3, 4, 0, 0, 0, 0);
    heed_tape_reset(tape);
    table = small_table();
    y = heed_embed(table, IDS(2, 0, 2), (heed_embed_desc){ .scale = -4 });
    check_values(heed_value(y), -20, -24, -4, -8, -20, -24);
    backward_counting(y);
    check_values(heed_grad(table), -12, -16, 0, 0, -24, -32);
}

static void test_embed_refusals(void **state)
{
    (void)state;
    heed_var *table = small_table();
    const int32_t wrong[] = { 3, -1, INT32_MAX, INT32_MIN };
    for (int i = 0; i < 4; i++) {
        char part[96];
        assert_null(heed_embed(table, IDS(0, 2, wrong[i], 1), (heed_embed_desc){ 0 }));
        snprintf(part, sizeof part, "embed: id %d at position 2 of ids [4] is outside 0 .. 2", (int)wrong[i]);
        check_failed(HEED_BAD_ARGUMENT, part);
        assert_null(heed_embed(table, IDS(0), (heed_embed_desc){ .has_padding = true, .padding = wrong[i] }));
        snprintf(part, sizeof part, "embed: padding %d is not a row of the table [3, 2]", (int)wrong[i]);
        check_failed(HEED_BAD_ARGUMENT, part);
    }
    assert_null(heed_embed(table, IDS(0), (heed_embed_desc){ .scale = (double)INFINITY }));
    check_failed(HEED_BAD_ARGUMENT, "embed: scale is inf");
    assert_null(heed_embed(VECTOR(1, 2), IDS(0), (heed_embed_desc){ 0 }));
    check_failed(HEED_BAD_SHAPE, "embed: table [2] with ids [1]");
    heed_ids *deep = heed_input_ids(tape, HEED_SHAPE(1, 1, 1, 1, 1, 1), (const int32_t[]){ 0 });
    assert_null(heed_embed(table, deep, (heed_embed_desc){ 0 }));
    check_failed(HEED_BAD_SHAPE, "the ids at most 5");
    assert_null(heed_embed(table, NULL, (heed_embed_desc){ 0 }));
    check_failed(HEED_BAD_ARGUMENT, "embed: ids is NULL");
    assert_null(heed_embed(NULL, IDS(0), (heed_embed_desc){ 0 }));
    check_failed(HEED_BAD_ARGUMENT, "embed: operand table is NULL");
    heed_var *none = heed_leaf(tape, HEED_SHAPE(0, 2), (const heed_real[]){ 0 });
    assert_null(heed_embed(none, IDS(0), (heed_embed_desc){ 0 }));
    check_failed(HEED_BAD_ARGUMENT, "outside 0 .. -1");
}

/* ---- gather and concat ----------------------------------------------------------------------------------------------- */

static void test_gather(void **state)
{
    (void)state;
    heed_var *x = heed_leaf(tape, HEED_SHAPE(2, 3), (const heed_real[]){ 1, 2, 3, 4, 5, 6 });
    heed_ids *ids = heed_input_ids(tape, HEED_SHAPE(2, 2), (const int32_t[]){ 2, 0, 1, 1 });
    heed_var *y = heed_gather(x, 1, ids);
    check_values(heed_value(y), 3, 1, 5, 5);
    check_values(heed_value(heed_gather(x, 0, heed_input_ids(tape, HEED_SHAPE(1, 3), (const int32_t[]){ 1, 0, 1 }))), 4,
                 2, 6);
    backward_counting(y);
    check_values(heed_grad(x), 2, 0, 1, 0, 7, 0);
    assert_null(heed_gather(x, 0, ids));
    check_failed(HEED_BAD_ARGUMENT, "gather: id 2 at position 0 of ids [2, 2] is outside 0 .. 1");
    assert_null(heed_gather(x, 1, IDS(0)));
    check_failed(HEED_BAD_SHAPE, "gather: ids [1] do not fit x [2, 3] along axis 1");
    ids = heed_input_ids(tape, HEED_SHAPE(3, 1), (const int32_t[]){ 0, 0, 0 });
    assert_null(heed_gather(x, 1, ids));
    check_failed(HEED_BAD_SHAPE, "gather: ids [3, 1]");
    assert_null(heed_gather(x, 2, ids));
    check_failed(HEED_BAD_ARGUMENT, "gather: axis 2 is outside");
}

static void test_concat(void **state)
{
    (void)state;
    heed_var *a = heed_leaf(tape, HEED_SHAPE(2, 1), (const heed_real[]){ 1, 2 });
    heed_var *b = heed_leaf(tape, HEED_SHAPE(2, 2), (const heed_real[]){ 3, 4, 5, 6 });
    heed_var *y = heed_concat((heed_var *[]){ a, b, a }, 3, 1);
    assert_true(heed_shape_equal(heed_value(y).shape, HEED_SHAPE(2, 4)));
    check_values(heed_value(y), 1, 3, 4, 1, 2, 5, 6, 2);
    backward_counting(y);
    check_values(heed_grad(a), 1 + 4, 5 + 8);
    check_values(heed_grad(b), 2, 3, 6, 7);
    assert_null(heed_concat((heed_var *[]){ a, b }, 2, 0));
    check_failed(HEED_BAD_SHAPE, "concat: part 1 is [2, 2], the parts before it make [2, 1]: only axis 0 may differ");
    assert_null(heed_concat((heed_var *[]){ a, VECTOR(1) }, 2, 0));
    check_failed(HEED_BAD_SHAPE, "concat: part 1 is [1]");
    assert_null(heed_concat((heed_var *[]){ a, NULL }, 2, 0));
    check_failed(HEED_BAD_ARGUMENT, "concat: operand b is NULL");
    assert_null(heed_concat(NULL, 2, 0));
    check_failed(HEED_BAD_ARGUMENT, "concat: the list of parts is NULL");
    assert_null(heed_concat(&a, 0, 0));
    check_failed(HEED_BAD_ARGUMENT, "concat: there are no parts");
    assert_null(heed_concat(&a, 1, 2));
    check_failed(HEED_BAD_ARGUMENT, "concat: axis 2 is outside [2, 1]");
}

/* ---- dropout --------------------------------------------------------------------------------------------------------- */

/* What dropout makes of ones of this shape. */
static const heed_real *mask(heed_shape shape, double p, const char *site, uint32_t step, uint32_t first_row)
{
    heed_real ones[1024];
    for (int i = 0; i < 1024; i++)
        ones[i] = 1;
    assert_true(heed_shape_numel(shape) <= 1024);
    heed_tape_place(tape, step, first_row);
    return heed_value(heed_dropout(heed_input(tape, shape, ones), p, site)).data;
}

/* The rule of the header, element by element: row = axis 0, column = last axis, line = those between, first fastest. */
static void test_dropout_rule(void **state)
{
    (void)state;
    const heed_shape shapes[] = { heed_shape_scalar(), HEED_SHAPE(7),          HEED_SHAPE(3, 5),
                                  HEED_SHAPE(2, 3, 4), HEED_SHAPE(2, 3, 4, 5), HEED_SHAPE(2, 1, 3, 2, 2, 3),
                                  HEED_SHAPE(2, 500) };
    for (int k = 0; k < 7; k++) {
        heed_shape s = shapes[k];
        double p = 0.1 + 0.12 * k;
        const heed_real *got = mask(s, p, "here", 12, 1000);
        for (int64_t i = 0; i < heed_shape_numel(s); i++) {
            int64_t rest = i, index[HEED_MAX_RANK] = { 0 }, line = 0, lines = 1;
            for (int axis = s.rank - 1; axis >= 0; rest /= s.dims[axis--])
                index[axis] = rest % s.dims[axis];
            for (int axis = 1; axis < s.rank - 1; lines *= s.dims[axis++])
                line += index[axis] * lines;
            int64_t column = s.rank > 1 ? index[s.rank - 1] : 0;
            heed_rng rng = { 9, heed_rng_stream("here"), 12, (uint32_t)(1000 + index[0]) };
            double draw = (double)heed_rng_bits(rng, (uint64_t)line << 32 | (uint64_t)column) / 4294967296.0;
            check_close(got[i], draw < p ? 0 : 1 / (1 - p), 1e-7);
            assert_true((got[i] == 0) == (draw < p));
        }
    }
}

/* Kept from the draw that is p 2^32 on. */
static void test_dropout_threshold(void **state)
{
    (void)state;
    double draw = heed_rng_bits((heed_rng){ 9, heed_rng_stream("edge"), 0, 0 }, 0);
    assert_true(mask(HEED_SHAPE(1, 1), draw / 4294967296.0, "edge", 0, 0)[0] != 0);
    assert_true(mask(HEED_SHAPE(1, 1), (draw + 0.5) / 4294967296.0, "edge", 0, 0)[0] == 0);
    assert_true(mask(HEED_SHAPE(1, 1), (draw - 0.5) / 4294967296.0, "edge", 0, 0)[0] != 0);
}

/* Rows of a shard, and a batch padded further, fall as in the whole batch. */
static void test_dropout_is_independent_of_the_cut(void **state)
{
    (void)state;
    const heed_real *whole = mask(HEED_SHAPE(6, 5, 4), 0.5, "s", 3, 0),
                    *shard = mask(HEED_SHAPE(2, 5, 4), 0.5, "s", 3, 4);
    assert_memory_equal(shard, whole + 4 * 20, 2 * 20 * sizeof *shard);
    const heed_real *longer = mask(HEED_SHAPE(6, 8, 4), 0.5, "s", 3, 0);
    for (int r = 0; r < 6; r++)
        assert_memory_equal(longer + r * 32, whole + r * 20, 20 * sizeof *whole);
    whole = mask(HEED_SHAPE(2, 2, 3, 4), 0.5, "weights", 3, 0); /* [B, H, Tq, Tk] */
    longer = mask(HEED_SHAPE(2, 2, 5, 6), 0.5, "weights", 3, 0);
    for (int b = 0; b < 2; b++)
        for (int h = 0; h < 2; h++)
            for (int i = 0; i < 3; i++)
                assert_memory_equal(longer + ((b * 2 + h) * 5 + i) * 6, whole + ((b * 2 + h) * 3 + i) * 4,
                                    4 * sizeof *whole);
}

static void test_dropout_differs(void **state)
{
    (void)state;
    const size_t bytes = 240 * sizeof(heed_real);
    const heed_shape s = HEED_SHAPE(6, 10, 4);
    const heed_real *first = mask(s, 0.5, "a", 3, 0);
    assert_memory_equal(first, mask(s, 0.5, "a", 3, 0), bytes);
    assert_memory_not_equal(first, mask(s, 0.5, "b", 3, 0), bytes);
    assert_memory_not_equal(first, mask(s, 0.5, "a", 4, 0), bytes);
    assert_memory_not_equal(first, mask(s, 0.5, "a", 3, 1), bytes);
    heed_tape *other = heed_tape_new((heed_tape_desc){ .seed = 10 }), *kept = tape;
    tape = other;
    const heed_real *seeded = mask(s, 0.5, "a", 3, 0);
    tape = kept;
    assert_memory_not_equal(first, seeded, bytes);
    heed_tape_free(other);
}

static void test_dropout_frequency(void **state)
{
    (void)state;
    enum { N = 100000 };
    static heed_real ones[N];
    for (int i = 0; i < N; i++)
        ones[i] = 1;
    static const double ps[] = { 0.1, 0.5, 0.9, 0.999 };
    for (int k = 0; k < 4; k++) {
        double p = ps[k], sum = 0, deviation = sqrt(p / (1 - p) / N);
        heed_tensor y = heed_value(heed_dropout(heed_input(tape, HEED_SHAPE(100, 1000), ones), p, "many"));
        for (int i = 0; i < N; i++) {
            sum += (double)y.data[i];
            assert_true(y.data[i] == 0 || y.data[i] == (heed_real)(1 / (1 - p)));
        }
        assert_true(fabs(sum / N - 1) < 5 * deviation);
    }
}

static void test_dropout_edges(void **state)
{
    (void)state;
    heed_var *x = VECTOR(1, 2, 3);
    assert_ptr_equal(heed_dropout(x, 0, "site"), x);
    heed_tape_set_eval(tape, true);
    assert_ptr_equal(heed_dropout(x, 0.9, "site"), x);
    heed_tape_set_eval(tape, false);
    const double wrong[] = { 1, -0.1, 1.5, (double)NAN };
    for (int i = 0; i < 4; i++) {
        assert_null(heed_dropout(x, wrong[i], "site"));
        check_failed(HEED_BAD_ARGUMENT, "dropout: p is");
    }
    assert_null(heed_dropout(x, 0.5, NULL));
    check_failed(HEED_BAD_ARGUMENT, "dropout: the site is NULL");
    assert_null(heed_dropout(NULL, 0.5, "site"));
    check_failed(HEED_BAD_ARGUMENT, "dropout: operand x is NULL");
    check_values(heed_value(heed_dropout(x, 1 - 0x1p-53, "site")), 0, 0, 0);
}

/* Large enough for several parts, with lines shorter and longer than one draw of blocks: the same bits for any number of
 * threads, from an operand and for a gradient that do not lie row-major too; elements and gradients by the rule. */
static void test_dropout_threads_and_views(void **state)
{
    (void)state;
    const heed_shape stored[] = { HEED_SHAPE(31, 9, 37), HEED_SHAPE(9, 31, 1030), HEED_SHAPE(64, 12, 13) };
    for (int k = 0; k < 3; k++) {
        int64_t n = heed_shape_numel(stored[k]), D = stored[k].dims[2], T = stored[k].dims[0], B = stored[k].dims[1];
        heed_real *x = malloc((size_t)n * sizeof *x), *g = malloc((size_t)n * sizeof *g);
        for (int64_t i = 0; i < n; i++) {
            x[i] = (heed_real)(1 + i % 7);
            g[i] = (heed_real)(i % 11 - 5);
        }
        const heed_real *first[2] = { NULL, NULL };
        heed_tape *tapes[3];
        for (int t = 0; t < 3; t++) {
            tapes[t] = heed_tape_new((heed_tape_desc){ .seed = 4, .threads = t + 1 });
            heed_var *leaf = heed_leaf(tapes[t], stored[k], x);
            heed_var *y = heed_dropout(heed_permute(leaf, (const int[]){ 1, 0, 2 }), 0.4, "views"); /* [B, T, D] */
            assert_true(heed_backward_from(y, g));
            const heed_real *got[] = { heed_value(y).data, heed_grad(leaf).data };
            for (int i = 0; i < 2; i++) {
                first[i] = first[i] ? first[i] : got[i];
                assert_memory_equal(got[i], first[i], (size_t)n * sizeof *x);
            }
        }
        for (int64_t i = 0; i < n; i++) {
            int64_t b = i / D / T, line = i / D % T, at = (line * B + b) * D + i % D;
            heed_rng rng = { 4, heed_rng_stream("views"), 0, (uint32_t)b };
            bool kept = heed_rng_bits(rng, (uint64_t)line << 32 | (uint64_t)(i % D)) >= 0.4 * 4294967296.0;
            check_close(first[0][i], kept ? (double)x[at] / 0.6 : 0, 1e-6);
            check_close(first[1][at], kept ? (double)g[i] / 0.6 : 0, 1e-6);
        }
        for (int t = 0; t < 3; t++)
            heed_tape_free(tapes[t]);
        free(x);
        free(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        op_test(test_embed),
        op_test(test_embed_refusals),
        op_test(test_gather),
        op_test(test_concat),
        op_test(test_dropout_rule),
        op_test(test_dropout_threshold),
        op_test(test_dropout_is_independent_of_the_cut),
        op_test(test_dropout_differs),
        op_test(test_dropout_frequency),
        op_test(test_dropout_edges),
        op_test(test_dropout_threads_and_views),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
