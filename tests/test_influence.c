/* What may not influence what in a Transformer, over random models and batches: later target tokens, padding, other
 * rows. */
#include "transformers.h"

enum { CASES = 200 };

/* Other tokens after place i change no logit up to i, not in one bit. */
static void later_tokens_do_not_reach_earlier_logits(void **state)
{
    (void)state;
    int changed = 0;
    for (int n = 0; n < CASES; n++) {
        draws d = draws_of((uint64_t)n);
        model a = model_new(draw_desc(&d), (uint64_t)n);
        batch b = draw_batch(&d), c = b;
        int64_t keep = draw_int(&d, 1, b.T);
        for (int64_t row = 0; row < b.B; row++)
            draw_ids(&d, c.tgt + row * b.T + keep, b.T - keep, 0, 7);
        heed_tensor y = heed_value(logits_of(&a, &b, NULL)), z = heed_value(logits_of(&a, &c, NULL));
        assert_true(heed_tensor_ok(y) && heed_tensor_ok(z));
        for (int64_t row = 0; row < b.B; row++)
            assert_memory_equal(y.data + row * b.T * 8, z.data + row * b.T * 8, (size_t)keep * 8 * sizeof(heed_real));
        changed += memcmp(y.data, z.data, (size_t)heed_tensor_numel(y) * sizeof(heed_real)) != 0;
        model_free(&a);
    }
    assert_true(changed > CASES / 3); /* the test saw something */
}

/* The gradient of outputs up to place i is exactly zero at inputs after i. */
static void gradients_do_not_flow_to_later_inputs(void **state)
{
    (void)state;
    for (int n = 0; n < CASES; n++) {
        draws d = draws_of((uint64_t)n);
        model a = model_new(draw_desc(&d), (uint64_t)n);
        batch b = draw_batch(&d);
        int64_t D = a.m.desc.layer.d_model, upto = draw_int(&d, 1, b.T);
        heed_var *x = draw_leaf(&d, a.tape, HEED_SHAPE(b.B, b.T, D));
        heed_var *memory = draw_leaf(&d, a.tape, HEED_SHAPE(b.B, b.S, D));
        heed_var *y =
            heed_decoder_forward(&a.m.decoder, x, memory, (heed_mask){ .causal = true }, (heed_mask){ 0 }, NULL, NULL);
        backward_random(heed_slice(y, 1, 0, upto), &d);
        heed_tensor g = heed_grad(x);
        double before = 0;
        for (int64_t i = 0; i < b.B * b.T * D; i++) {
            if (i / D % b.T < upto)
                before += fabs((double)g.data[i]);
            else
                assert_true(g.data[i] == 0);
        }
        assert_true(before > 0 || D == 1);
        model_free(&a);
    }
}

/* A batch with `more` extra source tokens of any kind behind each sentence. */
static batch padded(const batch *b, int64_t more, draws *d)
{
    batch p = *b;
    p.S = b->S + more;
    draw_ids(d, p.src, p.B * p.S, 0, 8);
    for (int64_t row = 0; row < b->B; row++)
        memcpy(p.src + row * p.S, b->src + row * b->S, (size_t)b->S * sizeof *p.src);
    return p;
}

/* Source tokens beyond the length change neither logits nor gradients. */
static void padding_has_no_influence(void **state)
{
    (void)state;
    const double tolerance = 20 * CHECK_EPS;
    for (int n = 0; n < CASES; n++) {
        draws d = draws_of((uint64_t)n);
        model a = model_new(draw_desc(&d), (uint64_t)n);
        batch b = draw_batch(&d), p = padded(&b, draw_int(&d, 1, 6), &d);
        heed_real *values = heed_params_values(a.params), *first = malloc((size_t)heed_params_numel(a.params) * 8);
        assert_non_null(values);
        heed_tensor y = heed_value(logits_of(&a, &b, NULL)), z = heed_value(logits_of(&a, &p, NULL));
        check_near(z, y, tolerance);
        heed_tape_reset(a.tape);
        for (int pass = 0; pass < 2; pass++) {
            draws same = draws_of((uint64_t)n + 1000);
            backward_random(logits_of(&a, pass ? &p : &b, NULL), &same);
            for (int i = 0; i < heed_params_count(a.params); i++) {
                const heed_param *q = heed_params_at(a.params, i);
                heed_tensor g = heed_param_grad(q);
                for (int64_t k = 0; k < heed_tensor_numel(g) && pass; k++)
                    check_close((double)g.data[k], (double)first[q->offset + k], 10 * tolerance);
                memcpy(first + q->offset, g.data, (size_t)heed_tensor_numel(g) * sizeof *first);
            }
            heed_grads_clear(heed_params_grads(a.params));
            heed_tape_reset(a.tape);
        }
        free(first);
        model_free(&a);
    }
}

/* Through encoder and decoder, inputs beyond the length get a gradient of exactly zero. */
static void padding_gets_no_gradient(void **state)
{
    (void)state;
    for (int n = 0; n < CASES; n++) {
        draws d = draws_of((uint64_t)n);
        model a = model_new(draw_desc(&d), (uint64_t)n);
        batch b = draw_batch(&d);
        int64_t D = a.m.desc.layer.d_model;
        heed_mask mask = { .key_lengths = heed_input_ids(a.tape, HEED_SHAPE(b.B), b.lengths) };
        heed_var *x = draw_leaf(&d, a.tape, HEED_SHAPE(b.B, b.S, D)),
                 *y = draw_leaf(&d, a.tape, HEED_SHAPE(b.B, b.T, D));
        heed_var *memory = heed_encoder_forward(&a.m.encoder, x, mask, NULL);
        backward_random(heed_decoder_forward(&a.m.decoder, y, memory, (heed_mask){ .causal = true }, mask, NULL, NULL),
                        &d);
        heed_tensor g = heed_grad(x);
        for (int64_t i = 0; i < b.B * b.S * D; i++)
            if (i / D % b.S >= b.lengths[i / (D * b.S)])
                assert_true(g.data[i] == 0);
        model_free(&a);
    }
}

/* Each sentence alone gives what it gives in the batch. */
static void rows_do_not_read_one_another(void **state)
{
    (void)state;
    for (int n = 0; n < CASES; n++) {
        draws d = draws_of((uint64_t)n);
        model a = model_new(draw_desc(&d), (uint64_t)n);
        batch b = draw_batch(&d), one = b;
        heed_tensor all = heed_value(logits_of(&a, &b, NULL));
        for (int64_t row = 0; row < b.B; row++) {
            one.B = 1;
            memcpy(one.src, b.src + row * b.S, (size_t)b.S * sizeof *b.src);
            memcpy(one.tgt, b.tgt + row * b.T, (size_t)b.T * sizeof *b.tgt);
            one.lengths[0] = b.lengths[row];
            heed_tensor want = heed_tensor_wrap(all.data + row * b.T * 8, HEED_SHAPE(1, b.T, 8));
            check_near(heed_value(logits_of(&a, &one, NULL)), want, 20 * CHECK_EPS);
        }
        model_free(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(later_tokens_do_not_reach_earlier_logits),
        cmocka_unit_test(gradients_do_not_flow_to_later_inputs),
        cmocka_unit_test(padding_has_no_influence),
        cmocka_unit_test(padding_gets_no_gradient),
        cmocka_unit_test(rows_do_not_read_one_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
