/* What heed_bench times is the model it says: the loss and every gradient of a W1 step, in shards with fused ops, equal
 * those of the same step on the whole batch written in plain ops; and FLOP counts equal the peer's. */
#include "../bench/bench.h"
#include "model.h"

/* ---- the model in plain ops ------------------------------------------------------------------------------------------ */

static heed_tape *tape;
static heed_params *params;
static double p, attention_p; /* of dropout */

static heed_var *weight(const char *layer, const char *name)
{
    heed_param *found = heed_params_find(params, heed_param_name(params, layer, name));
    if (!found)
        fail_msg("there is no parameter %s.%s", layer, name);
    return heed_param_on(tape, found);
}

static heed_var *dropped(heed_var *x, double rate, const char *layer, const char *name)
{
    return heed_dropout(x, rate, heed_param_name(params, layer, name));
}

/* x Wᵀ + b for rows from .. to of W and b */
static heed_var *linear(heed_var *x, heed_var *w, heed_var *b, int64_t from, int64_t to)
{
    heed_var *turned = heed_permute(heed_slice(w, 0, from, to), (const int[]){ 1, 0 });
    return heed_add(heed_matmul(x, turned), heed_slice(b, 0, from, to));
}

static heed_var *norm(heed_var *x, const char *layer, const char *name)
{
    const char *full = heed_param_name(params, layer, name);
    heed_axes last = { .count = 1, .axis = { -1 }, .keep = true };
    heed_var *away = heed_sub(x, heed_mean(x, last));
    heed_var *epsilon = heed_input(tape, HEED_SHAPE(1), &(const heed_real){ (heed_real)1e-5 });
    heed_var *deviation = heed_sqrt(heed_add(heed_mean(heed_mul(away, away), last), epsilon));
    return heed_add(heed_mul(heed_div(away, deviation), weight(full, "weight")), weight(full, "bias"));
}

/* [B, T, D] -> [B, H, T, d] */
static heed_var *heads(heed_var *x, int64_t H)
{
    heed_shape s = x->value.shape;
    return heed_permute(heed_reshape(x, HEED_SHAPE(s.dims[0], s.dims[1], H, s.dims[2] / H)),
                        (const int[]){ 0, 2, 1, 3 });
}

static heed_var *future(heed_var *scores)
{
    int64_t T = scores->value.shape.dims[2];
    int32_t *hidden;
    heed_ids *mask = heed_new_ids(tape, HEED_SHAPE(T, T), &hidden);
    for (int64_t i = 0; i < T * T; i++)
        hidden[i] = i % T > i / T;
    return heed_masked_fill(scores, mask, -(double)INFINITY);
}

static heed_var *attention(const char *layer, const char *name, heed_var *x, heed_var *memory, int64_t H, bool causal)
{
    const char *full = heed_param_name(params, layer, name);
    int64_t d = x->value.shape.dims[2];
    heed_var *w = weight(full, "in_proj_weight"), *b = weight(full, "in_proj_bias");
    heed_var *q = heads(linear(x, w, b, 0, d), H), *k = heads(linear(memory, w, b, d, 2 * d), H),
             *v = heads(linear(memory, w, b, 2 * d, 3 * d), H);
    heed_var *scores =
        heed_scale(heed_matmul(q, heed_permute(k, (const int[]){ 0, 1, 3, 2 })), 1 / sqrt((double)(d / H)));
    heed_var *weights = dropped(heed_softmax(causal ? future(scores) : scores, 3), attention_p, full, "dropout");
    heed_var *out = heed_permute(heed_matmul(weights, v), (const int[]){ 0, 2, 1, 3 }); /* [B, T, H, d] */
    return linear(heed_reshape(out, x->value.shape), weight(full, "out_proj.weight"), weight(full, "out_proj.bias"), 0,
                  d);
}

static heed_var *feed_forward(const char *layer, heed_var *x)
{
    heed_var *w1 = weight(layer, "linear1.weight"), *w2 = weight(layer, "linear2.weight");
    heed_var *h = heed_relu(linear(x, w1, weight(layer, "linear1.bias"), 0, w1->value.shape.dims[0]));
    return linear(dropped(h, p, layer, "dropout"), w2, weight(layer, "linear2.bias"), 0, w2->value.shape.dims[0]);
}

/* Embedding times sqrt(d) plus sin and cos of position / 10000^(2i/d). */
static heed_var *embed(const char *table, const heed_ids *ids)
{
    heed_var *w = weight(table, "weight");
    int64_t T = ids->shape.dims[1], d = w->value.shape.dims[1];
    heed_real *code = malloc((size_t)(T * d) * sizeof *code);
    for (int64_t t = 0; t < T; t++)
        for (int64_t i = 0; i < d; i++) {
            double angle = (double)t * exp(-log(10000) * (double)(i / 2 * 2) / (double)d);
            code[t * d + i] = (heed_real)(i % 2 ? cos(angle) : sin(angle));
        }
    heed_var *x = heed_scale(heed_embed(w, ids, (heed_embed_desc){ 0 }), sqrt((double)d));
    x = heed_add(x, heed_input(tape, HEED_SHAPE(T, d), code));
    free(code);
    return dropped(x, p, table, "dropout");
}

static heed_var *encoder(heed_var *x, const seq2seq_size *size)
{
    for (int i = 0; i < (int)size->layers; i++) {
        char layer[64];
        snprintf(layer, sizeof layer, "encoder.layers.%d", i);
        heed_var *h = norm(x, layer, "norm1");
        x = heed_add(x, dropped(attention(layer, "self_attn", h, h, size->heads, false), p, layer, "dropout1"));
        x = heed_add(x, dropped(feed_forward(layer, norm(x, layer, "norm2")), p, layer, "dropout2"));
    }
    return norm(x, "encoder", "norm");
}

static heed_var *decoder(heed_var *x, heed_var *memory, const seq2seq_size *size)
{
    for (int i = 0; i < (int)size->layers; i++) {
        char layer[64];
        snprintf(layer, sizeof layer, "decoder.layers.%d", i);
        heed_var *h = norm(x, layer, "norm1");
        x = heed_add(x, dropped(attention(layer, "self_attn", h, h, size->heads, true), p, layer, "dropout1"));
        h = norm(x, layer, "norm2");
        x = heed_add(x,
                     dropped(attention(layer, "multihead_attn", h, memory, size->heads, false), p, layer, "dropout2"));
        x = heed_add(x, dropped(feed_forward(layer, norm(x, layer, "norm3")), p, layer, "dropout3"));
    }
    return norm(x, "decoder", "norm");
}

/* Mean over tokens of -(1 - e) log p(label) - e / V sum log p, e = 0.1. */
static heed_var *smoothed(heed_var *logits, const int32_t *labels)
{
    heed_shape s = logits->value.shape; /* [B, T, V] */
    heed_var *logs = heed_log_softmax(logits, 2);
    heed_ids *at = heed_input_ids(tape, HEED_SHAPE(s.dims[0], s.dims[1], 1), labels);
    heed_var *own = heed_mean(heed_gather(logs, 2, at), (heed_axes){ 0 });
    return heed_neg(heed_add(heed_scale(own, 0.9), heed_scale(heed_mean(logs, (heed_axes){ 0 }), 0.1)));
}

static heed_var *composed_loss(const seq2seq *s)
{
    const seq2seq_size *size = &s->size;
    heed_shape src_shape = HEED_SHAPE(size->batch, size->src), tgt_shape = HEED_SHAPE(size->batch, size->tgt);
    heed_var *memory = encoder(embed("src_embed", heed_input_ids(tape, src_shape, s->src)), size);
    heed_var *x = decoder(embed("tgt_embed", heed_input_ids(tape, tgt_shape, s->in)), memory, size);
    heed_var *table = weight("tgt_embed", "weight"); /* the output is tied to it */
    return smoothed(heed_matmul(x, heed_permute(table, (const int[]){ 1, 0 })), s->out);
}

/* ---- both -------------------------------------------------------------------------------------------------------------- */

static double largest(heed_tensor t)
{
    double most = 0;
    for (int64_t i = 0; i < heed_tensor_numel(t); i++)
        most = fmax(most, fabs((double)t.data[i]));
    return most;
}

static void check_step(double dropout, double attention_dropout)
{
    double tolerance = sizeof(heed_real) == 8 ? 1e-12 : 1e-5; /* of a parameter's largest gradient */
    bench_options options = { .threads = 2,
                              .dropout = p = dropout,
                              .attention_dropout = attention_p = attention_dropout };
    seq2seq s;
    seq2seq_open(&s, seq2seq_find("W1"), &options);
    assert_true(s.training.shards > 1);
    params_shake(s.training.params, 5); /* biases are not 0, norms not 1 */
    params = heed_params_new();
    seq2seq_make(params, s.size, 0, 0);
    params_ready(params, 1);
    memcpy(heed_params_values(params), heed_params_values(s.training.params),
           (size_t)heed_params_numel(params) * sizeof(heed_real));
    heed_params_changed(params);
    s.training.steps = 3;
    training_gradients(&s.training);

    tape = heed_tape_new((heed_tape_desc){ .seed = 1234 });
    heed_tape_place(tape, 3, 0);
    heed_var *loss = composed_loss(&s);
    check_close(s.training.loss, heed_item(loss), tolerance);
    assert_true(heed_backward(loss));
    check_no_error();
    for (int i = 0; i < heed_params_count(params); i++) {
        heed_tensor got = heed_param_grad(heed_params_at(s.training.params, i)),
                    want = heed_param_grad(heed_params_at(params, i));
        double most = largest(want);
        assert_true(most > 0);
        for (int64_t k = 0; k < heed_tensor_numel(want); k++)
            if (!(fabs((double)got.data[k] - (double)want.data[k]) <= tolerance * most))
                fail_msg("%s, element %lld: got %.17g, want %.17g; the largest is %g", heed_params_at(params, i)->name,
                         (long long)k, (double)got.data[k], (double)want.data[k], most);
    }
    heed_tape_free(tape);
    heed_params_free(params);
    seq2seq_close(&s);
}

static void test_a_step_is_the_composed_one(void **state)
{
    (void)state;
    check_step(0, 0);
}

static void test_a_step_with_dropout_is_the_composed_one(void **state)
{
    (void)state;
    check_step(0.1, 0);
    check_step(0.1, 0.2);
}

/* Numbers printed by bench/peers/peer.py. */
static void test_flops(void **state)
{
    (void)state;
    check_close(seq2seq_flops(seq2seq_find("W1")), 1111818240.0, 0);
    check_close(seq2seq_flops(seq2seq_find("W2")), 32344375296.0, 0);
    check_close(seq2seq_flops(seq2seq_find("W3")), 298787536896.0, 0);
    check_close(3 * attention_flops(8, 128, 128, 512, true), 6848249856.0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_step_is_the_composed_one),
        cmocka_unit_test(test_a_step_with_dropout_is_the_composed_one),
        cmocka_unit_test(test_flops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
