/* The gradient checker itself: it passes what is right, catches what is wrong, and says where. */
#include "check.h"

#ifndef HEED_DOUBLE

static heed_var *identity(heed_tape *tape, heed_var *const *in, void *context)
{
    (void)tape, (void)context;
    return heed_neg(in[0]);
}

static void test_float_build_refuses(void **state)
{
    (void)state;
    heed_real one = 1;
    heed_named_tensor x = { "x", heed_tensor_wrap(&one, HEED_SHAPE(1)) };
    heed_gradcheck_report report = { .checked = 7 };
    assert_false(heed_gradcheck(identity, NULL, &x, 1, (heed_gradcheck_desc){ 0 }, &report));
    assert_int_equal(report.checked, 0);
    check_failed(HEED_UNSUPPORTED, "gradcheck: this is the float build");
    assert_false(heed_gradcheck(identity, NULL, &x, 1, (heed_gradcheck_desc){ 0 }, NULL));
    check_failed(HEED_UNSUPPORTED, "libheed64");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_float_build_refuses) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

/* ---- an op of our own, y = a^2 b, and the ways its backward can be wrong ------------------------------------------- */

typedef enum {
    RIGHT,
    SIGN,        /* of the gradient of a */
    FACTOR,      /* a b instead of 2 a b */
    FACTOR_B,    /* a instead of a^2, for b */
    MISSING,     /* nothing for b */
    SWAPPED,     /* each operand gets the other's */
    OVERWRITES,  /* = instead of += */
    ONE_ELEMENT, /* only the last but three element of a's */
    SHIFTED,     /* the gradient of the neighbour */
    SLIGHT,      /* 1 + 1e-5 times the gradient */
    NAN_GRADIENT
} fault;
static fault planted; /* what the descriptor's backward does */

static double wrong(fault how, double right, int64_t i, int64_t n)
{
    switch (how) {
    case SIGN:
        return -right;
    case FACTOR:
        return right / 2;
    case ONE_ELEMENT:
        return i == n - 4 ? right * 1.01 : right;
    case SLIGHT:
        return right * (1 + 1e-5);
    case NAN_GRADIENT:
        return i == 2 ? (double)NAN : right;
    default:
        return right;
    }
}

static bool own_backward(heed_node *node)
{
    const double *a = node->in[0]->value.data, *b = node->in[1]->value.data, *g = heed_out_grad(node).data;
    int64_t n = heed_tensor_numel(node->out->value);
    heed_grad_dest to = heed_grad_into(node, planted == SWAPPED ? 1 : 0);
    for (int64_t i = 0; to.view.data && i < n; i++) {
        int64_t j = planted == SHIFTED ? (i + 1) % n : i;
        double value = wrong(planted, 2 * g[j] * a[j] * b[j], i, n);
        to.view.data[i] = value + (to.beta == 0 || planted == OVERWRITES ? 0 : to.view.data[i]);
    }
    if (planted == MISSING)
        return true;
    to = heed_grad_into(node, planted == SWAPPED ? 0 : 1);
    for (int64_t i = 0; to.view.data && i < n; i++)
        to.view.data[i] = g[i] * a[i] * (planted == FACTOR_B ? 1 : a[i]) + (to.beta == 0 ? 0 : to.view.data[i]);
    return true;
}

static const heed_op own_op = { .name = "own", .operands = "a b", .backward = own_backward };
static heed_var *own(heed_var *a, heed_var *b)
{
    heed_var *in[] = { a, b };
    heed_node *node = heed_op_begin(&own_op, in, 2);
    heed_var *y = heed_op_output(node, node ? a->value.shape : heed_shape_scalar());
    if (!y)
        return NULL;
    for (int64_t i = 0; i < heed_tensor_numel(y->value); i++)
        y->value.data[i] = a->value.data[i] * a->value.data[i] * b->value.data[i];
    return heed_op_end(node);
}

static heed_var *own_fn(heed_tape *tape, heed_var *const *in, void *context)
{
    (void)tape, (void)context;
    return own(in[0], in[1]);
}

static heed_var *own_twice_fn(heed_tape *tape, heed_var *const *in, void *context)
{
    (void)tape, (void)context;
    return heed_add(own(in[0], in[1]), own(in[0], heed_scale(in[1], 0.5)));
}

enum { LARGE = 2000 };
static double numbers[2][LARGE];
static heed_named_tensor inputs[2];

static int setup(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < LARGE; i++) /* at least 0.5, so that no gradient is too small to be wrong */
            numbers[k][i] = 0.5 + heed_rng_uniform((heed_rng){ .seed = 3, .row = (uint32_t)k }, (uint64_t)i);
    inputs[0] = (heed_named_tensor){ "first", heed_tensor_wrap(numbers[0], HEED_SHAPE(2, 3)) };
    inputs[1] = (heed_named_tensor){ "second", heed_tensor_wrap(numbers[1], HEED_SHAPE(2, 3)) };
    planted = RIGHT;
    heed_error_clear();
    return 0;
}

static void enlarge(void)
{
    for (int k = 0; k < 2; k++)
        inputs[k].values = heed_tensor_wrap(numbers[k], HEED_SHAPE(LARGE));
}

static const heed_gradcheck_desc plain = { .seed = 1 };

/* ---- right ones ------------------------------------------------------------------------------------------------------ */

static void test_right_op_passes(void **state)
{
    (void)state;
    double before[2][LARGE];
    heed_gradcheck_report report;
    memcpy(before, numbers, sizeof before);
    assert_true(heed_gradcheck(own_fn, NULL, inputs, 2, plain, &report));
    assert_int_equal(report.checked, 12);
    assert_string_equal(report.op, "own");
    assert_true(report.worst < 0.1); /* a tenth of the tolerance */
    assert_true(heed_gradcheck(own_twice_fn, NULL, inputs, 2, plain, NULL));
    enlarge();
    assert_true(heed_gradcheck(own_twice_fn, NULL, inputs, 2, plain, &report));
    assert_int_equal(report.checked, 16); /* eight directions each */
    assert_string_equal(report.op, "add");
    assert_memory_equal(before, numbers, sizeof before);
    inputs[0].values = inputs[1].values = heed_tensor_wrap(numbers[0], HEED_SHAPE(600));
    assert_true(heed_gradcheck(own_fn, NULL, inputs, 2, (heed_gradcheck_desc){ .full = 600 }, &report));
    assert_int_equal(report.checked, 1200);
    check_no_error();
}

static heed_var *dropped_fn(heed_tape *tape, heed_var *const *in, void *context)
{
    (void)tape, (void)context;
    return heed_dropout(heed_exp(in[0]), 0.5, "site");
}

static void test_dropout_keeps_its_mask(void **state)
{
    (void)state;
    assert_true(heed_gradcheck(dropped_fn, NULL, inputs, 1, plain, NULL));
}

/* ---- wrong ones ------------------------------------------------------------------------------------------------------ */

static void test_faults_are_caught(void **state)
{
    (void)state;
    static const struct {
        fault fault;
        const char *input;
        int64_t element;
    } faults[] = { { SIGN, "first", 0 },        { FACTOR, "first", 0 },  { FACTOR_B, "second", 0 },
                   { MISSING, "second", 0 },    { SWAPPED, "first", 0 }, { OVERWRITES, "first", 0 },
                   { ONE_ELEMENT, "first", 2 }, { SHIFTED, "first", 0 }, { SLIGHT, "first", 0 },
                   { NAN_GRADIENT, "first", 2 } };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        heed_gradcheck_report report;
        planted = faults[i].fault;
        assert_false(heed_gradcheck(own_twice_fn, NULL, inputs, 2, plain, &report));
        assert_string_equal(report.input, faults[i].input);
        assert_int_equal(report.element, faults[i].element);
        assert_false(report.direction);
        assert_true(!(report.worst <= 1));
        assert_true(!(fabs(report.analytic - report.numeric) < 1e-7));
        char part[64];
        snprintf(part, sizeof part, "add: input \"%s\", element %d: backward gives", faults[i].input,
                 (int)faults[i].element);
        check_failed(HEED_BAD_ARGUMENT, part);
    }
}

/* One wrong element among 2000: no direction may miss it, for many seeds. */
static void test_directions_see_one_element(void **state)
{
    (void)state;
    enlarge();
    for (uint64_t seed = 0; seed < 50; seed++) {
        heed_gradcheck_report report;
        planted = RIGHT;
        assert_true(heed_gradcheck(own_fn, NULL, inputs, 2, (heed_gradcheck_desc){ .seed = seed }, &report));
        planted = ONE_ELEMENT;
        assert_false(heed_gradcheck(own_fn, NULL, inputs, 2, (heed_gradcheck_desc){ .seed = seed }, &report));
        assert_true(report.direction);
        assert_string_equal(report.input, "first");
        check_failed(HEED_BAD_ARGUMENT, "own: input \"first\", direction");
    }
}

/* The element is counted row by row in the input as it was given, whatever its strides. */
static void test_strided_inputs(void **state)
{
    (void)state;
    heed_gradcheck_report report;
    inputs[0].values = heed_tensor_permute(heed_tensor_wrap(numbers[0], HEED_SHAPE(3, 2)), (const int[]){ 1, 0 });
    assert_true(heed_gradcheck(own_fn, NULL, inputs, 2, plain, NULL));
    planted = ONE_ELEMENT;
    assert_false(heed_gradcheck(own_fn, NULL, inputs, 2, plain, &report));
    assert_int_equal(report.element, 2);
    double a = numbers[0][4], b = numbers[1][2]; /* row 0, column 2 */
    check_close(report.analytic / report.numeric, 1.01, 1e-9);
    check_failed(HEED_BAD_ARGUMENT, "element 2");
    heed_tape *tape = heed_tape_new((heed_tape_desc){ 0 }); /* c_2, from the same generator */
    heed_rng rng = { .seed = plain.seed, .stream = heed_rng_stream("gradcheck.cotangent") };
    check_close(report.numeric, 2 * a * b * heed_rng_normal(rng, 2), 1e-9);
    heed_tape_free(tape);
}

static heed_var *detached_fn(heed_tape *tape, heed_var *const *in, void *context)
{
    (void)tape, (void)context;
    return heed_add(heed_exp(heed_detach(in[0])), in[1]);
}

static heed_var *unrecorded_fn(heed_tape *tape, heed_var *const *in, void *context)
{
    (void)tape, (void)context;
    return heed_exp(heed_detach(in[0]));
}

static void test_lost_gradients(void **state)
{
    (void)state;
    heed_gradcheck_report report;
    assert_false(heed_gradcheck(detached_fn, NULL, inputs, 2, plain, &report));
    assert_true(report.analytic == 0);
    check_failed(HEED_BAD_ARGUMENT, "add: input \"first\", element 0: backward gives 0,");
    assert_false(heed_gradcheck(unrecorded_fn, NULL, inputs, 1, plain, &report));
    assert_true(heed_error_pending());
    heed_error_clear();
}

/* ---- what cannot be checked ------------------------------------------------------------------------------------------ */

static heed_var *relu_fn(heed_tape *tape, heed_var *const *in, void *context)
{
    (void)tape, (void)context;
    return heed_relu(in[0]);
}

static heed_var *max_fn(heed_tape *tape, heed_var *const *in, void *context)
{
    (void)tape, (void)context;
    return heed_max(in[0], (heed_axes){ .count = 1, .axis = { 1 } });
}

static void test_kinks_are_errors(void **state)
{
    (void)state;
    static const double distances[] = { 0, 1e-5, -1e-5, 5e-5, -8e-5, 1.5e-4, -1.9e-4 };
    for (size_t i = 0; i < sizeof distances / sizeof *distances; i++) {
        heed_gradcheck_report report;
        setup(NULL);
        numbers[0][4] = distances[i];
        assert_false(heed_gradcheck(relu_fn, NULL, inputs, 1, plain, &report));
        assert_int_equal(report.element, 4);
        check_failed(HEED_BAD_STATE, "relu: kink at input \"first\", element 4");
        setup(NULL);
        numbers[0][1] = 7;
        numbers[0][2] = 7 + distances[i];
        assert_false(heed_gradcheck(max_fn, NULL, inputs, 1, plain, &report));
        check_failed(HEED_BAD_STATE, "max: kink at input \"first\", element 1");
    }
    setup(NULL);
    numbers[0][4] = 1e-3;
    assert_true(heed_gradcheck(relu_fn, NULL, inputs, 1, plain, NULL));
    numbers[0][4] = 1e-4;
    assert_true(heed_gradcheck(relu_fn, NULL, inputs, 1, (heed_gradcheck_desc){ .step = 1e-5 }, NULL));
    setup(NULL);
    enlarge();
    numbers[0][1234] = 0;
    heed_gradcheck_report report;
    assert_false(heed_gradcheck(relu_fn, NULL, inputs, 1, plain, &report));
    assert_true(report.direction);
    check_failed(HEED_BAD_STATE, "relu: kink at input \"first\", direction 0");
}

static heed_var *moody_fn(heed_tape *tape, heed_var *const *in, void *context)
{
    (void)tape;
    int *calls = context;
    return heed_scale(in[0], 1 + 1e-15 * (*calls)++);
}

static heed_var *growing_fn(heed_tape *tape, heed_var *const *in, void *context)
{
    (void)tape;
    int *calls = context;
    return (*calls)++ ? in[0] : heed_reshape(in[0], HEED_SHAPE(6));
}

static heed_var *failing_fn(heed_tape *tape, heed_var *const *in, void *context)
{
    (void)tape, (void)context;
    return heed_matmul(in[0], in[0]);
}

static heed_var *silent_fn(heed_tape *tape, heed_var *const *in, void *context)
{
    (void)tape, (void)in, (void)context;
    return NULL;
}

static heed_var *log_fn(heed_tape *tape, heed_var *const *in, void *context)
{
    (void)tape, (void)context;
    return heed_log(in[0]);
}

static void test_unfit_functions(void **state)
{
    (void)state;
    int calls = 0;
    assert_false(heed_gradcheck(moody_fn, &calls, inputs, 1, plain, NULL));
    check_failed(HEED_BAD_STATE, "scale: fn is not deterministic");
    calls = 0;
    assert_false(heed_gradcheck(growing_fn, &calls, inputs, 1, plain, NULL));
    check_failed(HEED_BAD_STATE, "changed shape");
    assert_false(heed_gradcheck(failing_fn, NULL, inputs, 1, plain, NULL));
    check_failed(HEED_BAD_SHAPE, "matmul");
    assert_false(heed_gradcheck(silent_fn, NULL, inputs, 1, plain, NULL));
    check_failed(HEED_BAD_ARGUMENT, "fn returned NULL without an error");
    numbers[0][3] = 0;
    assert_false(heed_gradcheck(log_fn, NULL, inputs, 1, plain, NULL));
    check_failed(HEED_BAD_STATE, "log: output element 3 is not finite");
}

static void test_unfit_arguments(void **state)
{
    (void)state;
    assert_false(heed_gradcheck(NULL, NULL, inputs, 1, plain, NULL));
    check_failed(HEED_BAD_ARGUMENT, "gradcheck: fn, inputs or externals are missing");
    assert_false(heed_gradcheck(own_fn, NULL, inputs, 2, (heed_gradcheck_desc){ .directions = 3 }, NULL));
    check_failed(HEED_BAD_ARGUMENT, "3 directions");
    assert_false(heed_gradcheck(own_fn, NULL, inputs, 2, (heed_gradcheck_desc){ .step = -1 }, NULL));
    check_failed(HEED_BAD_ARGUMENT, "step -1");
    assert_false(heed_gradcheck(own_fn, NULL, inputs, 2, (heed_gradcheck_desc){ .relative = (double)NAN }, NULL));
    check_failed(HEED_BAD_ARGUMENT, "relative");
    inputs[1].values.data = NULL;
    assert_false(heed_gradcheck(own_fn, NULL, inputs, 2, plain, NULL));
    check_failed(HEED_BAD_ARGUMENT, "input \"second\"");
}

/* ---- values outside the tape ------------------------------------------------------------------------------------------ */

typedef struct {
    heed_external external;
    double values[6], grads[6];
    bool empty;
    uint64_t version, backwards;
} parameter;

static heed_var *parameter_fn(heed_tape *tape, heed_var *const *in, void *context)
{
    const parameter *p = context;
    return own_twice_fn(tape, (heed_var *[]){ in[0], heed_external_on(tape, p, p->external) }, NULL);
}

static void test_externals(void **state)
{
    (void)state;
    for (int empty = 0; empty < 2; empty++) {
        parameter p = { .empty = empty, .version = 5, .backwards = 2 };
        p.external = (heed_external){ .name = "weight",
                                      .value = heed_tensor_wrap(p.values, HEED_SHAPE(2, 3)),
                                      .grad = p.grads,
                                      .empty = &p.empty,
                                      .version = &p.version,
                                      .backwards = &p.backwards };
        for (int i = 0; i < 6; i++) {
            p.values[i] = numbers[1][i];
            p.grads[i] = 100 + i;
        }
        parameter before = p;
        heed_gradcheck_report report;
        planted = RIGHT;
        assert_true(heed_gradcheck_with(parameter_fn, &p, inputs, 1, &p.external, 1, plain, &report));
        assert_int_equal(report.checked, 12);
        assert_true(heed_gradcheck_with(relu_fn, NULL, inputs, 1, &p.external, 1, plain, &report)); /* not reached: 0 */
        assert_int_equal(report.checked, 12);
        planted = FACTOR_B;
        assert_false(heed_gradcheck_with(parameter_fn, &p, inputs, 1, &p.external, 1, plain, &report));
        check_failed(HEED_BAD_ARGUMENT, "add: input \"weight\", element 0");
        assert_memory_equal(p.values, before.values, sizeof p.values);
        assert_true(p.empty == before.empty && p.backwards == 2 && p.version == 5);
        if (!empty)
            assert_memory_equal(p.grads, before.grads, sizeof p.grads);
        p.external.empty = NULL;
        assert_false(heed_gradcheck_with(parameter_fn, &p, inputs, 1, &p.external, 1, plain, &report));
        check_failed(HEED_BAD_ARGUMENT, "external \"weight\" has a gradient but no flag");
        assert_memory_equal(p.values, before.values, sizeof p.values);
    }
}

/* ---- memory ----------------------------------------------------------------------------------------------------------- */

static void test_gives_memory_back(void **state)
{
    (void)state;
    int64_t blocks = heed_memory_now().blocks;
    assert_true(heed_gradcheck(own_fn, NULL, inputs, 2, plain, NULL));
    planted = SIGN;
    assert_false(heed_gradcheck(own_fn, NULL, inputs, 2, plain, NULL));
    heed_error_clear();
    planted = RIGHT;
    int failures = 0;
    for (int64_t n = 1;; n++, failures++) { /* every allocation fails once */
        heed_memory_fail_at(n, true);
        bool fine = heed_gradcheck(own_fn, NULL, inputs, 2, plain, NULL);
        heed_memory_fail_at(0, false);
        assert_int_equal(heed_memory_now().blocks, blocks);
        if (fine)
            break;
        check_failed(HEED_MEMORY, "");
    }
    assert_true(failures >= 3);
    assert_int_equal(heed_memory_now().blocks, blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_right_op_passes, setup),
        cmocka_unit_test_setup(test_dropout_keeps_its_mask, setup),
        cmocka_unit_test_setup(test_faults_are_caught, setup),
        cmocka_unit_test_setup(test_directions_see_one_element, setup),
        cmocka_unit_test_setup(test_strided_inputs, setup),
        cmocka_unit_test_setup(test_lost_gradients, setup),
        cmocka_unit_test_setup(test_kinks_are_errors, setup),
        cmocka_unit_test_setup(test_unfit_functions, setup),
        cmocka_unit_test_setup(test_unfit_arguments, setup),
        cmocka_unit_test_setup(test_externals, setup),
        cmocka_unit_test_setup(test_gives_memory_back, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
