/* What an optimiser's step uses up, leaves alone and refuses. */
#include "check.h"
#include "optim_cases.h"

/* ---- what a step leaves ----------------------------------------------------------------------------------------- */
static heed_params *make_small(void)
{
    return make_params((const int64_t[]){ 3, 5, 2 }, 3, 1);
}

static const double ones[10] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };

static void test_a_step_uses_up_the_gradients(void **state)
{
    (void)state;
    heed_params *params = make_small();
    heed_adamw opt = heed_adamw_make(params, (heed_adamw_desc){ .lr = 0.1 });
    uint64_t version = heed_params_version(params);
    give_gradients(params, ones, 5);
    assert_true(heed_adamw_step(&opt));
    assert_int_equal(opt.step, 1);
    check_close(opt.norm, sqrt(5), 1e-15);
    assert_true(heed_params_version(params) > version);
    for (int i = 0; i < 3; i++)
        assert_true(heed_grads_empty(heed_params_grads(params))[i]);
    assert_false(heed_adamw_step(&opt));
    check_failed(HEED_BAD_STATE, "adamw_step: no backward pass was completed since the last step");
    assert_int_equal(opt.step, 1);
    heed_params_free(params);
}

static void test_untouched_parameters_stay(void **state)
{
    (void)state;
    heed_params *params = make_small();
    heed_adamw opt = heed_adamw_make(params, (heed_adamw_desc){ .lr = 0.1, .weight_decay = 0.5 });
    heed_sgd sgd = heed_sgd_make(params, (heed_sgd_desc){ .lr = 0.1, .momentum = 0.9, .weight_decay = 0.5 });
    give_gradients(params, ones, 7);
    assert_true(heed_adamw_step(&opt));
    give_gradients(params, ones, 7);
    assert_true(heed_sgd_step(&sgd));
    heed_real before[4][10], *slabs[4] = { heed_params_values(params), opt.m, opt.v, sgd.m };
    for (int i = 0; i < 4; i++)
        memcpy(before[i], slabs[i], sizeof before[i]);
    give_gradients(params, ones, 5); /* not p1: elements 3 to 7 */
    assert_true(heed_adamw_step(&opt));
    give_gradients(params, ones, 5);
    assert_true(heed_sgd_step(&sgd));
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 10; k++)
            assert_true((slabs[i][k] == before[i][k]) == (k >= 3 && k < 8));
    heed_params_free(params);
}

static void test_defaults(void **state)
{
    (void)state;
    heed_params *params = make_small();
    heed_adamw opt = heed_adamw_make(params, (heed_adamw_desc){ .lr = 0.25 }), same;
    assert_true(opt.desc.beta1 == 0.9 && opt.desc.beta2 == 0.999 && opt.desc.eps == 1e-8 && opt.desc.clip == 0);
    assert_true(opt.lr == 0.25 && opt.step == 0 && opt.params == params);
    for (int i = 0; i < 10; i++)
        assert_true(opt.m[i] == 0 && opt.v[i] == 0);
    same = heed_adamw_make(params, heed_adamw_defaults());
    assert_true(same.desc.beta1 == 0.9 && same.desc.beta2 == 0.999 && same.desc.eps == 1e-8 && same.lr == 1e-3);
    heed_params_free(params);
}

/* ---- refusals --------------------------------------------------------------------------------------------------- */
static void test_bad_settings(void **state)
{
    (void)state;
    heed_params *params = make_small();
    const struct {
        heed_adamw_desc desc;
        const char *message;
    } adamw[] = {
        { { 0 }, "adamw: lr is missing" },
        { { .lr = -1 }, "adamw: lr is -1, want a positive number" },
        { { .lr = (double)NAN }, "adamw: lr is " },
        { { .lr = HUGE_VAL }, "adamw: lr is inf" },
        { { .lr = 1, .beta1 = 0.9 }, "adamw: beta1 is 0.9 and beta2 is 0; set both or neither" },
        { { .lr = 1, .beta2 = 0.9 }, "adamw: beta1 is 0 and beta2 is 0.9; set both or neither" },
        { { .lr = 1, .beta1 = 1, .beta2 = 0.9 }, "adamw: beta1 is 1, want 0 <= beta1 < 1" },
        { { .lr = 1, .beta1 = 0.9, .beta2 = 1.5 }, "adamw: beta2 is 1.5, want 0 <= beta2 < 1" },
        { { .lr = 1, .beta1 = -0.9, .beta2 = 0.9 }, "adamw: beta1 is -0.9" },
        { { .lr = 1, .eps = -1e-8 }, "adamw: eps is -1e-08" },
        { { .lr = 1, .weight_decay = -0.1 }, "adamw: weight_decay is -0.1, want 0 or more" },
        { { .lr = 1, .clip = -1 }, "adamw: clip is -1" },
        { { .lr = 1, .clip = (double)NAN }, "adamw: clip is " },
    };
    for (size_t i = 0; i < sizeof adamw / sizeof *adamw; i++) {
        heed_adamw opt = heed_adamw_make(params, adamw[i].desc);
        assert_null(opt.params);
        check_failed(HEED_BAD_ARGUMENT, adamw[i].message);
        assert_false(heed_adamw_step(&opt));
        check_failed(HEED_BAD_STATE, "adamw_step: the optimiser was not made");
    }
    const struct {
        heed_sgd_desc desc;
        const char *message;
    } sgd[] = {
        { { 0 }, "sgd: lr is missing" },
        { { .lr = 1, .momentum = 1 }, "sgd: momentum is 1, want 0 <= momentum < 1" },
        { { .lr = 1, .momentum = -0.1 }, "sgd: momentum is -0.1" },
        { { .lr = 1, .nesterov = true }, "sgd: nesterov needs a momentum" },
        { { .lr = 1, .weight_decay = HUGE_VAL }, "sgd: weight_decay is inf" },
    };
    for (size_t i = 0; i < sizeof sgd / sizeof *sgd; i++) {
        heed_sgd opt = heed_sgd_make(params, sgd[i].desc);
        assert_null(opt.params);
        check_failed(HEED_BAD_ARGUMENT, sgd[i].message);
        assert_false(heed_sgd_step(&opt));
        check_failed(HEED_BAD_STATE, "sgd_step: the optimiser was not made");
    }
    heed_params_free(params);
}

static void test_params_must_be_ready(void **state)
{
    (void)state;
    heed_params *params = heed_params_new();
    heed_param_make(params, "w", HEED_SHAPE(2), (heed_init){ 0 });
    assert_null(heed_adamw_make(params, (heed_adamw_desc){ .lr = 1 }).params);
    check_failed(HEED_BAD_STATE, "heed_params_init comes first");
    assert_null(heed_sgd_make(NULL, (heed_sgd_desc){ .lr = 1 }).params);
    check_failed(HEED_BAD_ARGUMENT, "sgd: params is NULL");
    assert_true(isnan(heed_grad_norm(NULL, 1)));
    check_failed(HEED_BAD_ARGUMENT, "grad_norm: params is NULL");
    heed_params_free(params);
}

/* Ten values and both moments as they are, to see that a refused step left them so. */
typedef struct {
    heed_real x[10], m[10], v[10];
    int64_t step;
    uint64_t version;
} snapshot;

static snapshot snap(const heed_adamw *opt)
{
    snapshot s = { .step = opt->step, .version = heed_params_version(opt->params) };
    memcpy(s.x, heed_params_values(opt->params), sizeof s.x);
    memcpy(s.m, opt->m, sizeof s.m);
    memcpy(s.v, opt->v, sizeof s.v);
    return s;
}

static void test_refused_steps_write_nothing(void **state)
{
    (void)state;
    heed_params *params = make_small();
    heed_adamw opt = heed_adamw_make(params, (heed_adamw_desc){ .lr = 0.1, .weight_decay = 0.1 });
    give_gradients(params, ones, 7);
    assert_true(heed_adamw_step(&opt));
    heed_real *g = heed_grads_data(heed_params_grads(params));
    const snapshot before = snap(&opt);
    const heed_real bad[] = { (heed_real)NAN, (heed_real)INFINITY, -(heed_real)INFINITY };
    for (int i = 0; i < 3; i++) {
        give_gradients(params, ones, 7);
        g[4] = bad[i];
        g[9] = (heed_real)NAN; /* the first parameter is named */
        assert_false(heed_adamw_step(&opt));
        const char *message[] = { "adamw_step: gradient of \"p1\" is ",
                                  "\"p1\" is inf at element 1; nothing was changed",
                                  "\"p1\" is -inf at element 1; nothing was changed; heed_grads_clear" };
        check_failed(HEED_BAD_STATE, message[i]);
    }
    heed_grads_clear(heed_params_grads(params));
    give_gradients(params, ones, 7);
    g[4] = (heed_real)NAN;
    heed_grads_empty(heed_params_grads(params))[1] = true; /* nothing to do with this step */
    opt.lr = -1;
    assert_false(heed_adamw_step(&opt));
    check_failed(HEED_BAD_ARGUMENT, "adamw_step: lr is -1, want 0 or more");
    opt.lr = (double)NAN;
    assert_false(heed_adamw_step(&opt));
    check_failed(HEED_BAD_ARGUMENT, "adamw_step: lr is ");
    opt.lr = 0.1;
    opt.threads = -2;
    assert_false(heed_adamw_step(&opt));
    check_failed(HEED_BAD_ARGUMENT, "-2 threads");
    snapshot after = snap(&opt);
    assert_memory_equal(&before, &after, sizeof before);
    opt.threads = 0;
    assert_true(heed_adamw_step(&opt));
    check_close(opt.norm, sqrt(5), 1e-15);
    heed_params_free(params);
}

/* Finite gradients whose squares are not: only double has them. */
static void test_a_norm_beyond_range(void **state)
{
    (void)state;
    if (sizeof(heed_real) == 4)
        return;
    heed_params *params = make_small();
    heed_adamw opt = heed_adamw_make(params, (heed_adamw_desc){ .lr = 0.1 });
    const snapshot before = snap(&opt);
    const double huge[10] = { 1e200 };
    give_gradients(params, huge, 1);
    assert_false(heed_adamw_step(&opt));
    check_failed(HEED_BAD_STATE, "adamw_step: the gradient's norm is inf; nothing was changed");
    const snapshot after = snap(&opt);
    assert_memory_equal(&before, &after, sizeof before);
    heed_params_free(params);
}

static void test_sgd_refuses_too(void **state)
{
    (void)state;
    heed_params *params = make_small();
    heed_sgd opt = heed_sgd_make(params, (heed_sgd_desc){ .lr = 0.1 });
    assert_false(heed_sgd_step(&opt));
    check_failed(HEED_BAD_STATE, "sgd_step: no backward pass was completed since the last step");
    give_gradients(params, ones, 7);
    heed_grads_data(heed_params_grads(params))[0] = (heed_real)INFINITY;
    assert_false(heed_sgd_step(&opt));
    check_failed(HEED_BAD_STATE, "sgd_step: gradient of \"p0\" is inf at element 0");
    heed_params_free(params);
}

/* A norm that the caller knows is believed, once: by the clipping, and where it is no norm. */
static void test_a_known_norm(void **state)
{
    (void)state;
    heed_params *params = make_small();
    heed_sgd opt = heed_sgd_make(params, (heed_sgd_desc){ .lr = 1, .clip = 1 });
    const double before = (double)heed_params_values(params)[0], gradient[10] = { 3 };
    give_gradients(params, gradient, 1);
    opt.known_norm = 4;
    assert_true(heed_sgd_step(&opt) && opt.norm == 4 && opt.known_norm == 0);
    check_close((double)heed_params_values(params)[0], before - 0.75, 1e-6);
    give_gradients(params, gradient, 1);
    assert_true(heed_sgd_step(&opt));
    check_close(opt.norm, 3, 1e-15);
    const double bad[] = { (double)NAN, (double)INFINITY, -1 };
    for (int i = 0; i < 3; i++) {
        give_gradients(params, gradient, 1);
        opt.known_norm = bad[i];
        assert_false(heed_sgd_step(&opt));
        check_failed(HEED_BAD_STATE, "sgd_step: the gradient's norm is ");
        assert_true(opt.known_norm == 0 && opt.norm == 3);
    }
    heed_params_free(params);
}

static void test_bad_clipping(void **state)
{
    (void)state;
    heed_params *params = make_small();
    heed_real *g = heed_grads_data(heed_params_grads(params));
    assert_true(heed_grad_norm(params, 1) == 0 && heed_clip_grad_norm(params, 1, 1) == 0); /* no gradient at all */
    give_gradients(params, ones, 7);
    assert_true(isnan(heed_clip_grad_norm(params, 0, 1)));
    check_failed(HEED_BAD_ARGUMENT, "clip_grad_norm: max_norm is 0, want a positive norm");
    assert_true(isnan(heed_clip_grad_norm(params, 1, -1)));
    check_failed(HEED_BAD_ARGUMENT, "-1 threads");
    g[2] = (heed_real)INFINITY;
    assert_true(isinf(heed_clip_grad_norm(params, 1, 1)));
    for (int i = 0; i < 10; i++)
        assert_true(i == 2 || g[i] == 1);
    heed_params_free(params);
}

/* ---- with a tape ------------------------------------------------------------------------------------------------ */
/* sum(w w) of the first parameter: its gradient is 2 w. */
static heed_var *square_of(heed_tape *tape, heed_params *params)
{
    heed_var *w = heed_param_on(tape, heed_params_at(params, 0));
    return heed_sum(heed_mul(w, w), (heed_axes){ 0 });
}

static void test_step_between_forward_and_backward(void **state)
{
    (void)state;
    heed_params *params = make_small();
    heed_adamw opt = heed_adamw_make(params, (heed_adamw_desc){ .lr = 0.1 });
    heed_tape *tape = heed_tape_new((heed_tape_desc){ .seed = 1 });
    assert_true(heed_backward(square_of(tape, params)));
    heed_tape_reset(tape);
    heed_var *loss = square_of(tape, params);
    assert_true(heed_adamw_step(&opt)); /* with the gradient of the first pass */
    assert_false(heed_backward(loss));
    check_failed(HEED_BAD_STATE, "p0");
    assert_false(heed_adamw_step(&opt));
    check_failed(HEED_BAD_STATE, "no backward pass");
    heed_tape_free(tape);
    heed_params_free(params);
}

static void test_forward_alone_is_no_gradient(void **state)
{
    (void)state;
    heed_params *params = make_small();
    heed_sgd opt = heed_sgd_make(params, (heed_sgd_desc){ .lr = 0.1 });
    heed_tape *tape = heed_tape_new((heed_tape_desc){ .seed = 1 });
    assert_non_null(square_of(tape, params));
    assert_false(heed_sgd_step(&opt));
    check_failed(HEED_BAD_STATE, "sgd_step: no backward pass was completed");
    heed_tape_free(tape);
    heed_params_free(params);
}

static void test_passes_add_up(void **state)
{
    (void)state;
    heed_params *params = make_small();
    heed_sgd opt = heed_sgd_make(params, (heed_sgd_desc){ .lr = 0.25 });
    heed_tape *tape = heed_tape_new((heed_tape_desc){ .seed = 1 });
    heed_real w[10];
    memcpy(w, heed_params_values(params), sizeof w);
    for (int pass = 0; pass < 3; pass++) {
        assert_true(heed_backward(square_of(tape, params)));
        heed_tape_reset(tape);
    }
    assert_true(heed_sgd_step(&opt)); /* w - 1/4 (2 w + 2 w + 2 w) */
    for (int i = 0; i < 10; i++)
        check_close((double)heed_params_values(params)[i], (double)w[i] * (i < 3 ? -0.5 : 1), CHECK_EPS);
    assert_string_equal(heed_params_untouched(params, 0), "p0");
    heed_tape_free(tape);
    heed_params_free(params);
}

/* ---- memory ----------------------------------------------------------------------------------------------------- */
static void test_out_of_memory(void **state)
{
    (void)state;
    for (int64_t n = 1;; n++) {
        heed_params *params =
            make_params((const int64_t[]){ 1200000 }, 1, 1); /* each moment needs a block of its own */
        heed_memory_fail_at(n, true);
        heed_adamw opt = heed_adamw_make(params, (heed_adamw_desc){ .lr = 1 });
        heed_memory_fail_at(0, false);
        bool made = opt.params;
        if (!made)
            check_failed(HEED_MEMORY, "");
        heed_params_free(params);
        if (made) {
            assert_true(n > 2);
            return;
        }
    }
}

static void test_steps_allocate_nothing(void **state)
{
    (void)state;
    heed_params *params = make_params((const int64_t[]){ 100000 }, 1, 1);
    heed_adamw opt = heed_adamw_make(params, (heed_adamw_desc){ .lr = 1e-3, .clip = 1 });
    heed_grads *grads = heed_params_grads(params);
    memset(heed_grads_data(grads), 0, 100000 * sizeof(heed_real));
    int64_t calls = heed_memory_now().calls;
    for (opt.threads = 1; opt.threads <= 3; opt.threads++) {
        *heed_grads_empty(grads) = false;
        *heed_grads_backwards(grads) = 1;
        assert_true(heed_adamw_step(&opt));
    }
    assert_int_equal(heed_memory_now().calls, calls);
    heed_params_free(params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_step_uses_up_the_gradients),
        cmocka_unit_test(test_untouched_parameters_stay),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_bad_settings),
        cmocka_unit_test(test_params_must_be_ready),
        cmocka_unit_test(test_refused_steps_write_nothing),
        cmocka_unit_test(test_a_norm_beyond_range),
        cmocka_unit_test(test_sgd_refuses_too),
        cmocka_unit_test(test_a_known_norm),
        cmocka_unit_test(test_bad_clipping),
        cmocka_unit_test(test_step_between_forward_and_backward),
        cmocka_unit_test(test_forward_alone_is_no_gradient),
        cmocka_unit_test(test_passes_add_up),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_steps_allocate_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
