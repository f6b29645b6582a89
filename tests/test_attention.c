/* Attention: fused against composed, and what must hold whatever the numbers are. Every property over 200 random cases:
 * sizes with ones, odd head widths, every mask alone and together, dropout, gates. */
#include "attention.h"

enum { CASES = 200 };

static const problem small = { .B = 3, .Tq = 7, .Tk = 7, .H = 3, .d = 5, .e = 5 };

static void test_fused_equals_composed(void **state)
{
    (void)state;
    for (int n = 0; n < LAYOUTS * CASES; n++) {
        problem *p = random_problem(n % CASES, small);
        p->layout = (layout)(n / CASES);
        result fused = run(p, false), composed = run(p, true);
        same_results(p, &fused, &composed, 20 * CHECK_EPS);
        end(&fused);
        end(&composed);
    }
}

/* Weights are a distribution over what is allowed, exactly 0 elsewhere; a row with nothing allowed is zeros, with zero
 * gradients. */
static void test_weights_and_empty_rows(void **state)
{
    (void)state;
    int64_t empty_rows = 0;
    for (int n = 0; n < CASES; n++) {
        problem *p = random_problem(n, small);
        for (int composed = 0; composed < 2; composed++) {
            result r = run(p, composed);
            heed_tensor w = heed_value(r.weights), o = heed_value(r.out), gq = heed_grad(r.q);
            for (int64_t b = 0; b < p->B; b++)
                for (int64_t h = 0; h < p->H; h++)
                    for (int64_t i = 0; i < p->Tq; i++) {
                        double sum = 0;
                        int64_t visible = 0;
                        for (int64_t j = 0; j < p->Tk; j++) {
                            double at = (double)*heed_tensor_at(w, (const int64_t[]){ b, h, i, j });
                            assert_true(at >= 0 && (at == 0 || sees(p, b, h, i, j)));
                            visible += sees(p, b, h, i, j);
                            sum += at;
                        }
                        check_close(sum, visible > 0, 8 * CHECK_EPS);
                        empty_rows += visible == 0;
                        for (int64_t c = 0; visible == 0 && c < p->e; c++)
                            assert_true(*heed_tensor_at(o, (const int64_t[]){ b, i, h, c }) == 0);
                        for (int64_t c = 0; visible == 0 && c < p->d; c++)
                            assert_true(*heed_tensor_at(gq, (const int64_t[]){ b, i, h, c }) == 0);
                    }
            end(&r);
        }
    }
    assert_true(empty_rows > 100);
}

/* Fused: what a key or value holds that a query may not see changes not one bit of its output or gradients, NaN
 * included. Here a key nobody in its row and head may see is poisoned. */
static void test_unseen_keys_are_never_read(void **state)
{
    (void)state;
    int64_t poisoned = 0;
    for (int n = 0; n < CASES; n++) {
        problem *p = random_problem(n, small);
        result before = run(p, false);
        for (int64_t b = 0; b < p->B; b++)
            for (int64_t h = 0; h < p->H; h++)
                for (int64_t j = 0; j < p->Tk; j++) {
                    bool seen = false;
                    for (int64_t i = 0; i < p->Tq; i++)
                        seen |= sees(p, b, h, i, j);
                    for (int64_t c = 0; !seen && c < p->d; c++)
                        p->k[((b * p->Tk + j) * p->H + h) * p->d + c] = (heed_real)NAN;
                    for (int64_t c = 0; !seen && c < p->e; c++)
                        p->v[((b * p->Tk + j) * p->H + h) * p->e + c] = (heed_real)NAN;
                    poisoned += !seen;
                }
        result after = run(p, false);
        identical(heed_value(before.out), heed_value(after.out));
        identical(heed_value(before.weights), heed_value(after.weights));
        identical(heed_grad(before.q), heed_grad(after.q));
        identical(heed_grad(before.k), heed_grad(after.k));
        identical(heed_grad(before.v), heed_grad(after.v));
        end(&before);
        end(&after);
    }
    assert_true(poisoned > 500);
}

/* Composed: the same for padding, the keys beyond a row's length. */
static void test_composed_ignores_padding(void **state)
{
    (void)state;
    for (int n = 0; n < CASES; n++) {
        problem *p = random_problem(n, small);
        p->lengths = true;
        result before = run(p, true);
        for (int64_t b = 0; b < p->B; b++)
            for (int64_t at = (b * p->Tk + p->length[b]) * p->H; at < (b + 1) * p->Tk * p->H; at++) {
                for (int64_t c = 0; c < p->d; c++)
                    p->k[at * p->d + c] = (heed_real)NAN;
                for (int64_t c = 0; c < p->e; c++)
                    p->v[at * p->e + c] = (heed_real)NAN;
            }
        result after = run(p, true);
        identical(heed_value(before.out), heed_value(after.out));
        identical(heed_grad(before.q), heed_grad(after.q));
        identical(heed_grad(before.k), heed_grad(after.k));
        identical(heed_grad(before.v), heed_grad(after.v));
        end(&before);
        end(&after);
    }
}

/* Changing keys and values after position t leaves outputs up to t as they were, bit for bit; and the gradient of an
 * output up to t for later keys is exactly 0. */
static void test_causality(void **state)
{
    (void)state;
    for (int n = 0; n < CASES; n++) {
        problem *p = random_problem(n, small);
        p->Tk = p->Tq < p->Tk ? p->Tq : p->Tk;
        p->Tq = p->Tk;
        p->causal = true, p->lengths = p->allowed = p->bias = false;
        int64_t t = draw(p, p->Tq) - 1, row = p->H * p->d, row_v = p->H * p->e;
        for (int64_t b = 0; b < p->B; b++) /* only outputs up to t count */
            for (int64_t at = (b * p->Tq + t + 1) * row_v; at < (b + 1) * p->Tq * row_v; at++)
                p->g[at] = 0;
        for (int composed = 0; composed < 2; composed++) {
            result before = run(p, composed);
            problem changed = *p;
            for (int64_t b = 0; b < p->B; b++) {
                fill(&changed, changed.k + (b * p->Tk + t + 1) * row, (p->Tk - t - 1) * row);
                fill(&changed, changed.v + (b * p->Tk + t + 1) * row_v, (p->Tk - t - 1) * row_v);
            }
            result after = run(&changed, composed);
            identical(heed_tensor_slice(heed_value(before.out), 1, 0, t + 1),
                      heed_tensor_slice(heed_value(after.out), 1, 0, t + 1));
            identical(heed_tensor_slice(heed_grad(before.q), 1, 0, t + 1),
                      heed_tensor_slice(heed_grad(after.q), 1, 0, t + 1));
            heed_tensor late[] = { heed_tensor_slice(heed_grad(before.k), 1, t + 1, p->Tk),
                                   heed_tensor_slice(heed_grad(before.v), 1, t + 1, p->Tk) };
            for (int side = 0; side < 2; side++)
                for (int64_t i = 0; i < heed_tensor_numel(late[side]); i++)
                    assert_true(element(late[side], i) == 0);
            end(&before);
            end(&after);
        }
    }
}

/* Rotating the heads of all operands rotates the heads of the output and of the gradients, bit for bit. */
static void test_heads_are_independent(void **state)
{
    (void)state;
    for (int n = 0; n < CASES; n++) {
        problem *p = random_problem(n, small);
        p->dropout = p->allowed = p->bias = false; /* those depend on the head's number */
        result before = run(p, false);
        problem turned = *p;
        heed_real *to[] = { turned.q, turned.k, turned.v, turned.g }, *from[] = { p->q, p->k, p->v, p->g };
        int64_t lines[] = { p->B * p->Tq, p->B * p->Tk, p->B * p->Tk, p->B * p->Tq },
                width[] = { p->d, p->d, p->e, p->e };
        for (int x = 0; x < 4; x++)
            for (int64_t line = 0; line < lines[x]; line++)
                for (int64_t h = 0; h < p->H; h++)
                    memcpy(to[x] + (line * p->H + (h + 1) % p->H) * width[x], from[x] + (line * p->H + h) * width[x],
                           (size_t)width[x] * sizeof(heed_real));
        for (int64_t h = 0; h < p->H; h++)
            turned.gate[(h + 1) % p->H] = p->gate[h];
        result after = run(&turned, false);
        heed_tensor a[] = { heed_value(before.out), heed_grad(before.q), heed_grad(before.k), heed_grad(before.v) };
        heed_tensor b[] = { heed_value(after.out), heed_grad(after.q), heed_grad(after.k), heed_grad(after.v) };
        for (int x = 0; x < 4; x++)
            for (int64_t h = 0; h < p->H; h++)
                identical(heed_tensor_slice(a[x], 2, h, h + 1),
                          heed_tensor_slice(b[x], 2, (h + 1) % p->H, (h + 1) % p->H + 1));
        end(&before);
        end(&after);
    }
}

/* More keys that nobody may see change nothing: not outputs, not weights, not gradients. */
static void test_padding_more_keys(void **state)
{
    (void)state;
    for (int n = 0; n < CASES; n++) {
        problem *p = random_problem(n, small);
        p->allowed = p->bias = p->causal = p->dropout = false;
        p->lengths = true;
        result before = run(p, false);
        problem wide = *p;
        wide.Tk += 3;
        for (int64_t b = 0; b < p->B; b++) {
            memcpy(wide.k + b * wide.Tk * p->H * p->d, p->k + b * p->Tk * p->H * p->d,
                   (size_t)(p->Tk * p->H * p->d) * sizeof(heed_real));
            memcpy(wide.v + b * wide.Tk * p->H * p->e, p->v + b * p->Tk * p->H * p->e,
                   (size_t)(p->Tk * p->H * p->e) * sizeof(heed_real));
        }
        result after = run(&wide, false);
        identical(heed_value(before.out), heed_value(after.out));
        identical(heed_grad(before.q), heed_grad(after.q));
        identical(heed_grad(before.k), heed_tensor_slice(heed_grad(after.k), 1, 0, p->Tk));
        identical(heed_grad(before.v), heed_tensor_slice(heed_grad(after.v), 1, 0, p->Tk));
        end(&before);
        end(&after);
    }
}

/* Equal scores average the values; one overwhelming score picks its value, however large scores are. */
static void test_uniform_and_extreme_scores(void **state)
{
    (void)state;
    static const heed_real zero[8], v[] = { 1, 2, 3, 4, 5, 6, 7, 9 };
    const heed_real q[] = { 1, 1 }, k[] = { 1, 2, (heed_real)3e30, (heed_real)-3e30, 0, 0, 1, 1 };
    heed_tape *tape = heed_tape_new((heed_tape_desc){ 0 });
    heed_var *values = heed_input(tape, HEED_SHAPE(1, 4, 1, 2), v);
    heed_var *flat = heed_attend(heed_input(tape, HEED_SHAPE(1, 1, 1, 2), q),
                                 heed_input(tape, HEED_SHAPE(1, 4, 1, 2), zero), values, (heed_attend_desc){ 0 });
    check_close((double)flat->value.data[0], 4, CHECK_EPS);
    check_close((double)flat->value.data[1], 21.0 / 4, CHECK_EPS);
    heed_real sharp_k[8];
    memcpy(sharp_k, k, sizeof sharp_k);
    sharp_k[3] = 0; /* score 3e30 / sqrt 2 for key 1 */
    heed_var *sharp = heed_attend(heed_input(tape, HEED_SHAPE(1, 1, 1, 2), q),
                                  heed_input(tape, HEED_SHAPE(1, 4, 1, 2), sharp_k), values, (heed_attend_desc){ 0 });
    check_close((double)sharp->value.data[0], 3, 0);
    check_close((double)sharp->value.data[1], 4, 0);
    heed_tape_free(tape);
}

/* ---- the layer -------------------------------------------------------------------------------------------------------- */

typedef struct {
    heed_attention m;
    bool cross, own_sizes;
} layer_case;

static heed_var *forward(heed_tape *tape, heed_var *const *in, void *context)
{
    (void)tape;
    const layer_case *c = context;
    heed_attention_call call = { .mask = { .causal = !c->cross } };
    return heed_attention_forward(&c->m, in[0], c->cross ? in[1] : in[0],
                                  c->own_sizes ? in[2]
                                  : c->cross   ? in[1]
                                               : in[0],
                                  call);
}

/* The derivative of the whole layer, for its inputs and every parameter, fused and composed, self and cross. */
static void test_layer_gradients(void **state)
{
    (void)state;
    for (int n = 0; n < 24; n++) {
        layer_case c = { .cross = n % 3 > 0, .own_sizes = n % 3 == 2 };
        int64_t heads = 1 + n % 2, d = heads * (2 + n % 3), kdim = c.own_sizes ? 3 : d, vdim = c.own_sizes ? 5 : d;
        heed_params *params = heed_params_new();
        c.m = heed_attention_make(params, "attn",
                                  (heed_attention_desc){ .d_model = d,
                                                         .heads = heads,
                                                         .kdim = kdim,
                                                         .vdim = vdim,
                                                         .no_bias = n % 4 == 3,
                                                         .composed = n % 8 >= 4 });
        assert_true(heed_params_init(params, (uint64_t)n));
        for (int64_t i = 0; i < heed_params_numel(params); i++) /* biases too */
            heed_params_values(params)[i] = (heed_real)(0.5 * heed_rng_normal((heed_rng){ .seed = 3 }, (uint64_t)i));
        heed_params_changed(params);
        heed_arena *arena = heed_arena_new();
        heed_named_tensor in[] = { { "q", heed_tensor_new(arena, HEED_SHAPE(2, 3, d)) },
                                   { "k", heed_tensor_new(arena, HEED_SHAPE(2, 4, kdim)) },
                                   { "v", heed_tensor_new(arena, HEED_SHAPE(2, 4, vdim)) } };
        for (int i = 0; i < 3; i++)
            assert_true(
                heed_tensor_normal(in[i].values, (heed_rng){ .seed = 9, .stream = (uint64_t)(10 * n + i) }, 0, 1));
        heed_gradcheck_report report;
        bool fine =
            heed_params_gradcheck(params, forward, &c, in, 3, (heed_gradcheck_desc){ .seed = (uint64_t)n }, &report);
        if (sizeof(heed_real) == 4) {
            assert_false(fine);
            check_failed(HEED_UNSUPPORTED, "");
        } else {
            check_no_error();
            assert_true(fine && report.checked > 50);
        }
        heed_arena_free(arena);
        heed_params_free(params);
    }
}

static void test_what_is_refused(void **state)
{
    (void)state;
    heed_params *params = heed_params_new();
    heed_attention bad = heed_attention_make(params, "a", (heed_attention_desc){ .d_model = 10, .heads = 3 });
    assert_null(bad.out.weight);
    assert_false(heed_params_init(params, 1));
    check_failed(HEED_BAD_ARGUMENT, "d_model 10 is not a multiple of heads 3");
    heed_params_free(params);

    static const heed_real numbers[64];
    heed_tape *tape = heed_tape_new((heed_tape_desc){ 0 });
    heed_var *q = heed_input(tape, HEED_SHAPE(1, 2, 2, 3), numbers),
             *k = heed_input(tape, HEED_SHAPE(1, 3, 2, 3), numbers);
    heed_var *other = heed_input(tape, HEED_SHAPE(1, 3, 2, 4), numbers);
    assert_null(heed_attend(q, other, other, (heed_attend_desc){ 0 }));
    check_failed(HEED_BAD_SHAPE, "q [1, 2, 2, 3], k [1, 3, 2, 4]");
    heed_ids *long_one = heed_input_ids(tape, HEED_SHAPE(1), (const int32_t[]){ 4 });
    assert_null(heed_attend(q, k, k, (heed_attend_desc){ .mask = { .key_lengths = long_one } }));
    check_failed(HEED_BAD_ARGUMENT, "key_lengths[0] is 4, with 3 keys");
    heed_ids *wrong = heed_input_ids(tape, HEED_SHAPE(2, 3), (const int32_t[6]){ 0 });
    assert_null(heed_attend(q, k, k, (heed_attend_desc){ .mask = { .allowed = wrong } }));
    check_failed(HEED_BAD_SHAPE, "mask.allowed [2, 3]");
    assert_null(heed_attend(q, k, k, (heed_attend_desc){ .gates = q }));
    check_failed(HEED_BAD_SHAPE, "gates");
    assert_null(heed_attend(q, k, k, (heed_attend_desc){ .dropout = 1, .site = "x" }));
    check_failed(HEED_BAD_ARGUMENT, "dropout is 1");
    assert_null(heed_attend(q, k, k, (heed_attend_desc){ .dropout = 0.5 }));
    check_failed(HEED_BAD_ARGUMENT, "site");
    assert_null(heed_attend(q, NULL, k, (heed_attend_desc){ 0 }));
    check_failed(HEED_BAD_ARGUMENT, "operand k is NULL");
    heed_tape_reset(tape);
    heed_var *fresh = heed_input(tape, HEED_SHAPE(1, 3, 2, 3), numbers);
    assert_null(heed_attend(fresh, fresh, fresh, (heed_attend_desc){ .mask = { .key_lengths = long_one } }));
    check_failed(HEED_BAD_STATE, "key_lengths is stale");
    heed_tape_free(tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fused_equals_composed),
        cmocka_unit_test(test_weights_and_empty_rows),
        cmocka_unit_test(test_unseen_keys_are_never_read),
        cmocka_unit_test(test_composed_ignores_padding),
        cmocka_unit_test(test_causality),
        cmocka_unit_test(test_heads_are_independent),
        cmocka_unit_test(test_padding_more_keys),
        cmocka_unit_test(test_uniform_and_extreme_scores),
        cmocka_unit_test(test_layer_gradients),
        cmocka_unit_test(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
