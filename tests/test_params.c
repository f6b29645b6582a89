/* Named parameters: layout, initial values, bad makes, gradients and their slabs. */
#include "memory_sweep.h"
#include "model.h"

static const heed_init NORMAL = { .kind = HEED_INIT_NORMAL, .scale = 0.5 };

static void layout_is_the_order_of_makes(void **state)
{
    (void)state;
    heed_params *params = heed_params_new();
    heed_param *a = heed_param_make(params, "a", HEED_SHAPE(3, 5), NORMAL);
    heed_param *b = heed_param_make(params, "b", HEED_SHAPE(7), NORMAL);
    heed_param *c = heed_param_make(params, "c", heed_shape_scalar(), (heed_init){ .kind = HEED_INIT_ONES });
    assert_int_equal(heed_params_count(params), 3);
    assert_int_equal(heed_params_numel(params), 23);
    params_ready(params, 1);
    heed_real *slab = heed_params_values(params);
    assert_ptr_equal(heed_param_value(a).data, slab);
    assert_ptr_equal(heed_param_value(b).data, slab + 15);
    assert_ptr_equal(heed_param_value(c).data, slab + 22);
    assert_int_equal(b->offset, 15);
    assert_int_equal(c->index, 2);
    assert_true(heed_shape_equal(heed_param_value(a).shape, HEED_SHAPE(3, 5)));
    assert_ptr_equal(heed_params_at(params, 1), b);
    assert_ptr_equal(heed_params_find(params, "c"), c);
    assert_null(heed_params_find(params, "d"));
    assert_null(heed_params_find(params, NULL));
    check_no_error();
    assert_null(heed_params_at(params, 3));
    check_failed(HEED_BAD_ARGUMENT, "no parameter 3 of 3");
    heed_params_free(params);
    heed_params_free(NULL);
}

static void many_parameters_keep_their_addresses(void **state)
{
    (void)state;
    enum { MANY = 300 };
    heed_param *made[MANY];
    heed_params *params = heed_params_new();
    for (int i = 0; i < MANY; i++) {
        char name[16];
        snprintf(name, sizeof name, "p%d", i); /* the name is copied */
        made[i] = heed_param_make(params, name, HEED_SHAPE(i + 1), NORMAL);
    }
    params_ready(params, 3);
    int64_t offset = 0;
    for (int i = 0; i < MANY; i++) {
        char name[16];
        snprintf(name, sizeof name, "p%d", i);
        assert_ptr_equal(heed_params_find(params, name), made[i]);
        assert_string_equal(made[i]->name, name);
        assert_int_equal(made[i]->offset, offset);
        offset += i + 1;
    }
    assert_int_equal(heed_params_numel(params), offset);
    heed_params_free(params);
}

static void names_are_joined(void **state)
{
    (void)state;
    heed_params *params = heed_params_new();
    assert_string_equal(heed_param_name(params, "encoder.layers.0", "norm1"), "encoder.layers.0.norm1");
    assert_string_equal(heed_param_name(params, "", "weight"), "weight");
    assert_string_equal(heed_param_name(params, NULL, "weight"), "weight");
    int *block = heed_params_alloc(params, 40);
    for (int i = 0; i < 10; i++)
        assert_int_equal(block[i], 0);
    heed_params_free(params);
}

/* ---- initial values ---------------------------------------------------------------------------------------------- */

static void check_spread(heed_tensor t, double mean, double variance, double low, double high)
{
    int64_t n = heed_tensor_numel(t);
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) {
        double x = (double)t.data[i];
        assert_true(x >= low && x <= high);
        sum += x;
        squares += (x - mean) * (x - mean);
    }
    double deviation = sqrt(variance);
    check_close((sum / (double)n - mean) / deviation, 0, 5 / sqrt((double)n));
    check_close(squares / (double)n / variance, 1, 5 * sqrt(2 / (double)n));
}

static void initial_values_have_their_distribution(void **state)
{
    (void)state;
    heed_params *params = heed_params_new();
    heed_param *zeros = heed_param_make(params, "zeros", HEED_SHAPE(10), (heed_init){ 0 });
    heed_param *ones = heed_param_make(params, "ones", HEED_SHAPE(10), (heed_init){ .kind = HEED_INIT_ONES });
    heed_init uniform = { .kind = HEED_INIT_UNIFORM, .scale = 0.25 };
    heed_param *u = heed_param_make(params, "u", HEED_SHAPE(100, 100), uniform);
    heed_param *n = heed_param_make(params, "n", HEED_SHAPE(100, 100), NORMAL);
    heed_param *x = heed_param_make(params, "x", HEED_SHAPE(50, 200), (heed_init){ .kind = HEED_INIT_XAVIER });
    heed_init twice = { .kind = HEED_INIT_XAVIER, .scale = 2 };
    heed_param *y = heed_param_make(params, "y", HEED_SHAPE(200, 50), twice);
    heed_init padded = NORMAL;
    padded.has_zero_row = true;
    padded.zero_row = 2;
    heed_param *z = heed_param_make(params, "z", HEED_SHAPE(4, 3), padded);
    params_ready(params, 42);
    for (int i = 0; i < 10; i++) {
        assert_true(heed_param_value(zeros).data[i] == 0);
        assert_true(heed_param_value(ones).data[i] == 1);
    }
    check_spread(heed_param_value(u), 0, 0.25 * 0.25 / 3, -0.25, 0.25);
    check_spread(heed_param_value(n), 0, 0.25, -4, 4);
    double bound = sqrt(6.0 / 250); /* Glorot and Bengio 2010, (16) */
    check_spread(heed_param_value(x), 0, bound * bound / 3, -bound, bound);
    check_spread(heed_param_value(y), 0, 4 * bound * bound / 3, -2 * bound, 2 * bound);
    for (int i = 0; i < 12; i++)
        assert_true((heed_param_value(z).data[i] == 0) == (i / 3 == 2));
    heed_params_free(params);
}

/* The same value for a (seed, name), whatever else is made and when. */
static void initial_values_do_not_depend_on_order(void **state)
{
    (void)state;
    heed_params *one = heed_params_new(), *two = heed_params_new(), *three = heed_params_new();
    heed_init xavier = { .kind = HEED_INIT_XAVIER };
    heed_param *a = heed_param_make(one, "a", HEED_SHAPE(3, 4), NORMAL);
    heed_param *b = heed_param_make(one, "b", HEED_SHAPE(6, 5), xavier);
    assert_non_null(heed_param_make(two, "first", HEED_SHAPE(11), NORMAL));
    heed_param *b2 = heed_param_make(two, "b", HEED_SHAPE(6, 5), xavier);
    heed_param *a2 = heed_param_make(two, "a", HEED_SHAPE(3, 4), NORMAL);
    heed_param *a3 = heed_param_make(three, "a", HEED_SHAPE(3, 4), NORMAL);
    params_ready(one, 7);
    params_ready(two, 7);
    params_ready(three, 8);
    check_same_bits(heed_param_value(a), heed_param_value(a2));
    check_same_bits(heed_param_value(b), heed_param_value(b2));
    for (int i = 0; i < 12; i++) {
        assert_true(heed_param_value(a).data[i] != heed_param_value(a3).data[i]); /* another seed */
        assert_true(heed_param_value(a).data[i] != heed_param_value(b).data[i]);  /* another name */
    }
    heed_params_free(one);
    heed_params_free(two);
    heed_params_free(three);
}

/* ---- bad makes --------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    heed_shape shape;
    heed_init init;
    heed_error_kind kind;
    const char *message;
} bad_make;

static const bad_make BAD_MAKES[] = {
    { "w", { .rank = 1, .dims = { 2 } }, { 0 }, HEED_BAD_ARGUMENT, "\"w\": the name is taken" },
    { "", { .rank = 1, .dims = { 2 } }, { 0 }, HEED_BAD_ARGUMENT, "parameter 1: its name is empty" },
    { NULL, { .rank = 1, .dims = { 2 } }, { 0 }, HEED_BAD_ARGUMENT, "parameter 1: its name is NULL" },
    { "a\nb", { .rank = 1, .dims = { 2 } }, { 0 }, HEED_BAD_ARGUMENT, "\"a\\x0Ab\": a name is at most 200 bytes" },
    { "a\xff", { .rank = 1, .dims = { 2 } }, { 0 }, HEED_BAD_ARGUMENT, "\"a\\xFF\": a name is at most 200 bytes" },
    { "x", { .rank = 2, .dims = { 2, 0 } }, { 0 }, HEED_BAD_SHAPE, "\"x\": shape [2, 0] has no elements" },
    { "x", { .rank = 2, .dims = { 2, -1 } }, { 0 }, HEED_BAD_SHAPE, "[2, -1]" },
    { "x", { .rank = 7 }, { 0 }, HEED_BAD_SHAPE, "rank" },
    { "x", { .rank = 1, .dims = { 2 } }, { .kind = HEED_INIT_XAVIER }, HEED_BAD_SHAPE, "XAVIER needs a matrix" },
    { "x", { .rank = 1, .dims = { 2 } }, { .kind = (heed_init_kind)9 }, HEED_BAD_ARGUMENT, "init kind 9 is unknown" },
    { "x", { .rank = 1, .dims = { 2 } }, { .scale = -1 }, HEED_BAD_ARGUMENT, "init scale is -1" },
    { "x", { .rank = 1, .dims = { 2 } }, { .scale = (double)INFINITY }, HEED_BAD_ARGUMENT, "init scale is inf" },
    { "x",
      { .rank = 2, .dims = { 2, 3 } },
      { .has_zero_row = true, .zero_row = 2 },
      HEED_BAD_SHAPE,
      "no row 2 to be zero in shape [2, 3]" },
    { "x", { .rank = 2, .dims = { INT64_C(1) << 40, INT64_C(1) << 40 } }, { 0 }, HEED_BAD_SHAPE, "1099511627776" },
    { "x",
      { .rank = 2, .dims = { INT64_C(1) << 30, (INT64_C(1) << (sizeof(heed_real) == 8 ? 30 : 31)) - 1 } },
      { 0 },
      HEED_BAD_SHAPE,
      "\"x\": too many elements in all" },
};

static void bad_makes_are_told_by_init(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof BAD_MAKES / sizeof *BAD_MAKES; i++) {
        const bad_make *bad = &BAD_MAKES[i];
        heed_params *params = heed_params_new();
        assert_non_null(heed_param_make(params, "w", HEED_SHAPE(1 << 20, 1 << 20), (heed_init){ 0 }));
        assert_null(heed_param_make(params, bad->name, bad->shape, bad->init));
        check_failed(bad->kind, bad->message); /* at once, for who asks ... */
        assert_non_null(heed_param_make(params, "fine", HEED_SHAPE(2), (heed_init){ 0 }));
        assert_null(heed_param_make(params, "later", HEED_SHAPE(0), (heed_init){ 0 }));
        heed_error_clear();
        assert_false(heed_params_init(params, 1)); /* ... and at init, the first one */
        check_failed(bad->kind, bad->message);
        assert_false(heed_params_init(params, 1)); /* again */
        check_failed(bad->kind, bad->message);
        heed_params_free(params);
    }
    heed_params *params = heed_params_new();
    char name[202];
    memset(name, 'n', 201);
    name[201] = 0;
    assert_null(heed_param_make(params, name, HEED_SHAPE(2), (heed_init){ 0 }));
    assert_false(heed_params_init(params, 1)); /* nobody asked in between */
    check_failed(HEED_BAD_ARGUMENT, "at most 200 bytes");
    heed_params_free(params);
}

static void calls_in_the_wrong_order_are_refused(void **state)
{
    (void)state;
    heed_params *params = heed_params_new();
    assert_false(heed_params_init(params, 1));
    check_failed(HEED_BAD_STATE, "no parameter was made");
    heed_param *w = heed_param_make(params, "w", HEED_SHAPE(2), (heed_init){ 0 });
    heed_tape *tape = heed_tape_new((heed_tape_desc){ 0 });
    assert_null(heed_params_values(params));
    check_failed(HEED_BAD_STATE, "heed_params_init comes first");
    assert_null(heed_param_on(tape, w));
    check_failed(HEED_BAD_STATE, "w: heed_params_init comes first");
    assert_null(heed_grads_new(params));
    check_failed(HEED_BAD_STATE, "heed_params_init comes first");
    assert_false(heed_tensor_ok(heed_param_grad(w)));
    check_failed(HEED_BAD_STATE, "heed_params_init comes first");
    params_ready(params, 1);
    assert_false(heed_params_init(params, 1));
    check_failed(HEED_BAD_STATE, "called twice");
    assert_null(heed_param_make(params, "late", HEED_SHAPE(2), (heed_init){ 0 }));
    check_failed(HEED_BAD_STATE, "\"late\": made after heed_params_init");
    assert_null(heed_param_on(NULL, w));
    check_failed(HEED_BAD_ARGUMENT, "\"w\": the tape");
    assert_null(heed_param_on(tape, NULL));
    check_no_error();
    assert_false(heed_params_init(NULL, 1));
    check_failed(HEED_BAD_ARGUMENT, "params is NULL");
    assert_null(heed_param_make(NULL, "w", HEED_SHAPE(2), (heed_init){ 0 }));
    check_failed(HEED_BAD_ARGUMENT, "params is NULL");
    heed_tape_free(tape);
    heed_params_free(params);
}

/* ---- gradients --------------------------------------------------------------------------------------------------- */

/* [2, 3] x wᵀ with w [2, 3], and a parameter nobody uses. */
typedef struct {
    heed_params *params;
    heed_param *w, *idle;
    heed_tape *tape;
} fixture;

static fixture fixture_new(void)
{
    fixture f = { .params = heed_params_new(), .tape = heed_tape_new((heed_tape_desc){ 0 }) };
    f.idle = heed_param_make(f.params, "idle", HEED_SHAPE(4), NORMAL);
    f.w = heed_param_make(f.params, "w", HEED_SHAPE(2, 3), NORMAL);
    params_ready(f.params, 5);
    return f;
}

static void fixture_free(fixture *f)
{
    heed_tape_free(f->tape);
    heed_params_free(f->params);
}

static const heed_real X[] = { 1, 2, 3, 4, 5, 6 }, G[] = { 1, 10, 100, 1000 };

/* Gradient of w from x and g is gᵀ x, `times` over. */
static void check_w(heed_tensor grad, double times)
{
    static const double want[] = { 401, 502, 603, 4010, 5020, 6030 };
    for (int i = 0; i < 6; i++)
        check_close((double)grad.data[i], times * want[i], CHECK_EPS);
}

static void pass(fixture *f)
{
    heed_var *x = heed_input(f->tape, HEED_SHAPE(2, 3), X);
    heed_var *y = heed_affine(x, heed_param_on(f->tape, f->w), NULL);
    assert_true(heed_backward_from(y, G));
}

static void fill(heed_grads *grads, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        heed_grads_data(grads)[i] = (heed_real)NAN;
}

static void gradients_add_up_in_the_own_slab(void **state)
{
    (void)state;
    fixture f = fixture_new();
    heed_grads *own = heed_params_grads(f.params);
    fill(own, 10); /* what is there must not matter */
    assert_true(heed_grads_empty(own)[0] && heed_grads_empty(own)[1]);
    assert_string_equal(heed_params_untouched(f.params, 0), "idle");
    assert_string_equal(heed_params_untouched(f.params, 1), "w");
    assert_null(heed_params_untouched(f.params, 2));
    assert_int_equal(*heed_grads_backwards(own), 0);

    pass(&f);
    assert_true(heed_grads_empty(own)[0] && !heed_grads_empty(own)[1]);
    assert_string_equal(heed_params_untouched(f.params, 0), "idle");
    assert_null(heed_params_untouched(f.params, 1));
    assert_true(*heed_grads_backwards(own) > 0);
    check_w(heed_param_grad(f.w), 1);
    for (int i = 0; i < 4; i++)
        assert_true(heed_param_grad(f.idle).data[i] == 0); /* zeros, not what lay there */
    assert_true(heed_grads_empty(own)[0]);                 /* and asking is not touching */

    heed_tape_reset(f.tape);
    pass(&f);
    check_w(heed_param_grad(f.w), 2);
    heed_grads_clear(own);
    assert_int_equal(*heed_grads_backwards(own), 0);
    for (int i = 0; i < 6; i++)
        assert_true(heed_param_grad(f.w).data[i] == 0);
    heed_tape_reset(f.tape);
    pass(&f);
    check_w(heed_param_grad(f.w), 1);
    fixture_free(&f);
}

static void a_parameter_used_twice_has_one_gradient(void **state)
{
    (void)state;
    fixture f = fixture_new();
    assert_ptr_equal(heed_param_on(f.tape, f.w), heed_param_on(f.tape, f.w));
    heed_var *x = heed_input(f.tape, HEED_SHAPE(2, 3), X);
    heed_var *once = heed_affine(x, heed_param_on(f.tape, f.w), NULL);
    heed_var *again = heed_affine(x, heed_param_on(f.tape, f.w), NULL);
    assert_true(heed_backward_from(heed_add(once, again), G));
    check_w(heed_param_grad(f.w), 2);
    fixture_free(&f);
}

static void a_bound_slab_receives_instead_of_the_own(void **state)
{
    (void)state;
    fixture f = fixture_new(), other = fixture_new();
    heed_grads *slab = heed_grads_new(f.params);
    fill(slab, 10);
    fill(heed_params_grads(f.params), 10);
    heed_grads_bind(f.tape, slab);
    pass(&f);
    assert_true(heed_grads_empty(heed_params_grads(f.params))[1]);
    assert_int_equal(*heed_grads_backwards(heed_params_grads(f.params)), 0);
    assert_true(*heed_grads_backwards(slab) > 0);
    check_w(heed_tensor_wrap(heed_grads_data(slab) + f.w->offset, HEED_SHAPE(2, 3)), 1);

    heed_tape_reset(f.tape); /* a slab of other params is not for these */
    heed_grads_bind(f.tape, heed_params_grads(other.params));
    pass(&f);
    check_w(heed_param_grad(f.w), 1);
    assert_true(heed_grads_empty(heed_params_grads(other.params))[1]);

    heed_tape_reset(f.tape); /* NULL: the own again */
    heed_grads_bind(f.tape, NULL);
    pass(&f);
    check_w(heed_param_grad(f.w), 2);
    heed_grads_free(slab);
    heed_grads_free(NULL);
    fixture_free(&f);
    fixture_free(&other);
}

static void a_step_between_forward_and_backward_is_refused(void **state)
{
    (void)state;
    fixture f = fixture_new();
    uint64_t before = heed_params_version(f.params);
    heed_var *x = heed_input(f.tape, HEED_SHAPE(2, 3), X);
    heed_var *y = heed_affine(x, heed_param_on(f.tape, f.w), NULL);
    heed_params_values(f.params)[0] += 1;
    heed_params_changed(f.params);
    assert_true(heed_params_version(f.params) > before);
    assert_false(heed_backward_from(y, G));
    check_failed(HEED_BAD_STATE, "\"w\"");
    fixture_free(&f);
}

/* ---- gradient checks --------------------------------------------------------------------------------------------- */

static heed_var *product(heed_tape *tape, heed_var *const *inputs, void *context)
{
    fixture *f = context;
    heed_var *y = heed_affine(inputs[0], heed_param_on(tape, f->w), NULL);
    return heed_mul(y, heed_exp(heed_scale(y, 0.1)));
}

static bool twice_backward(heed_node *node)
{
    heed_tensor g = heed_out_grad(node);
    heed_grad_dest x = heed_grad_into(node, 0);
    if (!x.view.data)
        return true;
    for (int64_t i = 0; i < heed_tensor_numel(g); i++)
        x.view.data[i] = x.beta * x.view.data[i] + g.data[i] * (heed_real)(i == 5 ? 2.001 : 2);
    return true;
}

/* y = 2 x, with a fault in the gradient of element 5. */
static heed_var *twice(heed_var *x)
{
    static const heed_op op = { .name = "twice", .backward = twice_backward };
    heed_node *node = heed_op_begin(&op, &x, 1);
    heed_var *y = heed_op_output(node, x->value.shape);
    for (int64_t i = 0; y && i < heed_tensor_numel(x->value); i++)
        y->value.data[i] = 2 * x->value.data[i];
    return heed_op_end(node);
}

static heed_var *faulty_product(heed_tape *tape, heed_var *const *inputs, void *context)
{
    fixture *f = context;
    return heed_affine(inputs[0], twice(heed_param_on(tape, f->w)), NULL);
}

static void gradcheck_covers_parameters(void **state)
{
    (void)state;
    fixture f = fixture_new();
    heed_real values[6];
    memcpy(values, X, sizeof X);
    heed_named_tensor x = { "x", heed_tensor_wrap(values, HEED_SHAPE(2, 3)) };
    heed_gradcheck_report report = { 0 };
    bool same = heed_params_gradcheck(f.params, product, &f, &x, 1, (heed_gradcheck_desc){ .seed = 1 }, &report);
    if (sizeof(heed_real) == 4) {
        assert_false(same);
        check_failed(HEED_UNSUPPORTED, "use libheed64");
        fixture_free(&f);
        return;
    }
    check_no_error();
    assert_true(same);
    assert_true(report.checked >= 6 + 6 + 4); /* x, w, and idle, whose gradient is zero */
    assert_true(heed_grads_empty(heed_params_grads(f.params))[1]);

    assert_false(
        heed_params_gradcheck(f.params, faulty_product, &f, &x, 1, (heed_gradcheck_desc){ .seed = 1 }, &report));
    assert_string_equal(report.input, "w");
    assert_int_equal(report.element, 5);
    heed_error_clear();
    fixture_free(&f);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static bool build(void)
{
    heed_params *params = heed_params_new();
    if (!params)
        return false;
    for (int i = 0; i < 70; i++) { /* the list grows once */
        char name[16];
        snprintf(name, sizeof name, "p%d", i);
        heed_param_make(params, heed_param_name(params, "layer", name), HEED_SHAPE(100, i + 1), NORMAL);
    }
    bool done = heed_params_init(params, 1);
    heed_grads *grads = done ? heed_grads_new(params) : NULL;
    heed_grads_free(grads);
    heed_params_free(params);
    return grads;
}

static void running_out_of_memory_is_an_error(void **state)
{
    (void)state;
    check_memory_sweep(build, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout_is_the_order_of_makes),
        cmocka_unit_test(many_parameters_keep_their_addresses),
        cmocka_unit_test(names_are_joined),
        cmocka_unit_test(initial_values_have_their_distribution),
        cmocka_unit_test(initial_values_do_not_depend_on_order),
        cmocka_unit_test(bad_makes_are_told_by_init),
        cmocka_unit_test(calls_in_the_wrong_order_are_refused),
        cmocka_unit_test(gradients_add_up_in_the_own_slab),
        cmocka_unit_test(a_parameter_used_twice_has_one_gradient),
        cmocka_unit_test(a_bound_slab_receives_instead_of_the_own),
        cmocka_unit_test(a_step_between_forward_and_backward_is_refused),
        cmocka_unit_test(gradcheck_covers_parameters),
        cmocka_unit_test(running_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
