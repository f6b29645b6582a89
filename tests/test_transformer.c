/* Encoder, decoder and the whole Transformer: names, structure, modes, tying, traces and gates, memory. */
#include "memory_sweep.h"
#include "transformers.h"

/* ---- names and structure ----------------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    heed_shape shape;
} entry;

#define V(n) \
    { \
        .rank = 1, .dims = { n } \
    }
#define M(n, m) \
    { \
        .rank = 2, .dims = { n, m } \
    }
/* clang-format off */
/* The state of torch.nn.Transformer(8, 2, 1, 1, 12), in its order, between embeddings and output. */
static const entry NAMES[] = {
    { "src_embed.weight", M(9, 8) },
    { "tgt_embed.weight", M(8, 8) },
    { "encoder.layers.0.self_attn.in_proj_weight", M(24, 8) },
    { "encoder.layers.0.self_attn.in_proj_bias", V(24) },
    { "encoder.layers.0.self_attn.out_proj.weight", M(8, 8) },
    { "encoder.layers.0.self_attn.out_proj.bias", V(8) },
    { "encoder.layers.0.linear1.weight", M(12, 8) },
    { "encoder.layers.0.linear1.bias", V(12) },
    { "encoder.layers.0.linear2.weight", M(8, 12) },
    { "encoder.layers.0.linear2.bias", V(8) },
    { "encoder.layers.0.norm1.weight", V(8) },
    { "encoder.layers.0.norm1.bias", V(8) },
    { "encoder.layers.0.norm2.weight", V(8) },
    { "encoder.layers.0.norm2.bias", V(8) },
    { "encoder.norm.weight", V(8) },
    { "encoder.norm.bias", V(8) },
    { "decoder.layers.0.self_attn.in_proj_weight", M(24, 8) },
    { "decoder.layers.0.self_attn.in_proj_bias", V(24) },
    { "decoder.layers.0.self_attn.out_proj.weight", M(8, 8) },
    { "decoder.layers.0.self_attn.out_proj.bias", V(8) },
    { "decoder.layers.0.multihead_attn.in_proj_weight", M(24, 8) },
    { "decoder.layers.0.multihead_attn.in_proj_bias", V(24) },
    { "decoder.layers.0.multihead_attn.out_proj.weight", M(8, 8) },
    { "decoder.layers.0.multihead_attn.out_proj.bias", V(8) },
    { "decoder.layers.0.linear1.weight", M(12, 8) },
    { "decoder.layers.0.linear1.bias", V(12) },
    { "decoder.layers.0.linear2.weight", M(8, 12) },
    { "decoder.layers.0.linear2.bias", V(8) },
    { "decoder.layers.0.norm1.weight", V(8) },
    { "decoder.layers.0.norm1.bias", V(8) },
    { "decoder.layers.0.norm2.weight", V(8) },
    { "decoder.layers.0.norm2.bias", V(8) },
    { "decoder.layers.0.norm3.weight", V(8) },
    { "decoder.layers.0.norm3.bias", V(8) },
    { "decoder.norm.weight", V(8) },
    { "decoder.norm.bias", V(8) },
    { "generator.weight", M(8, 8) },
};
/* clang-format on */

static void names_and_shapes_are_those_of_pytorch(void **state)
{
    (void)state;
    heed_transformer_desc desc = TINY;
    desc.enc_layers = desc.dec_layers = 1;
    desc.untied_output = true;
    heed_params *params = heed_params_new();
    heed_transformer_make(params, desc);
    params_ready(params, 1);
    int count = (int)(sizeof NAMES / sizeof *NAMES);
    assert_int_equal(heed_params_count(params), count);
    for (int i = 0; i < count; i++) {
        assert_string_equal(heed_params_at(params, i)->name, NAMES[i].name);
        assert_true(heed_shape_equal(heed_params_at(params, i)->shape, NAMES[i].shape));
    }
    heed_params_free(params);
}

static int count_of(heed_transformer_desc desc, const char *there, const char *not_there)
{
    heed_params *params = heed_params_new();
    heed_transformer_make(params, desc);
    params_ready(params, 1);
    int count = heed_params_count(params);
    if (there)
        assert_non_null(heed_params_find(params, there));
    if (not_there)
        assert_null(heed_params_find(params, not_there));
    heed_params_free(params);
    return count;
}

static void options_add_and_remove_parameters(void **state)
{
    (void)state;
    heed_transformer_desc desc = TINY;
    int count = count_of(desc, "encoder.layers.1.norm2.bias", "generator.weight"); /* tied */
    desc.untied_output = true;
    assert_int_equal(count_of(desc, "generator.weight", "generator.bias"), count + 1);
    desc = TINY;
    desc.share_embeddings = true;
    desc.tgt_vocab = desc.src_vocab;
    assert_int_equal(count_of(desc, "src_embed.weight", "tgt_embed.weight"), count - 1);
    desc = TINY;
    desc.learned_positions = true;
    desc.max_length = 10;
    assert_int_equal(count_of(desc, "tgt_positions.weight", NULL), count + 2);
    desc = TINY;
    desc.has_padding = true;
    desc.padding = 3;
    heed_params *params = heed_params_new();
    heed_transformer m = heed_transformer_make(params, desc);
    params_ready(params, 1);
    assert_true(m.src_embed.has_padding && m.src_embed.padding == 3 && m.tgt_embed.has_padding);
    for (int i = 0; i < 8; i++)
        assert_true(heed_param_value(m.tgt_embed.weight).data[3 * 8 + i] == 0);
    heed_params_free(params);
    desc = TINY;
    desc.no_final_norm = true;
    assert_int_equal(count_of(desc, NULL, "encoder.norm.weight"), count - 4);
    desc = TINY;
    desc.layer.no_bias = true; /* attention 2, feed-forward 2 and norm 1 each */
    assert_int_equal(count_of(desc, "decoder.norm.weight", "decoder.norm.bias"), count - 2 * 6 - 2 * 9 - 2);
    desc = TINY;
    desc.layer.rms_norm = true;
    assert_int_equal(count_of(desc, "decoder.layers.1.linear1.bias", "decoder.layers.1.norm1.bias"), count - 10 - 2);
}

static void bad_descriptors_are_refused(void **state)
{
    (void)state;
    static const struct {
        heed_transformer_desc desc;
        const char *message;
    } bad[] = {
        { { .tgt_vocab = 3 }, "transformer: src_vocab is 0 and tgt_vocab is 3; both are needed" },
        { { .src_vocab = 3, .tgt_vocab = 4, .share_embeddings = true }, "share_embeddings needs equal vocabularies" },
        { { .src_vocab = 3, .tgt_vocab = 4, .learned_positions = true }, "max_length is 0; learned positions need it" },
        { { .src_vocab = 3, .tgt_vocab = 4 }, "transformer \"layer\": d_model is 0, heads is 0, ffn is 0" },
        { { .src_vocab = 3, .tgt_vocab = 4, .layer = { .d_model = 8, .heads = 3, .ffn = 4 } },
          "d_model 8 is not a multiple of heads 3" },
        { { .src_vocab = 3, .tgt_vocab = 4, .dropout = 1.5, .layer = { .d_model = 8, .heads = 2, .ffn = 4 } },
          "dropout is 1.5, must be 0 <= p < 1" },
        { { .src_vocab = 3, .tgt_vocab = 4, .layer = { .d_model = 8, .heads = 2, .ffn = 4 } },
          "encoder \"encoder\": layers is 0" },
        { { .src_vocab = 3, .tgt_vocab = 4, .enc_layers = 1, .layer = { .d_model = 8, .heads = 2, .ffn = 4 } },
          "decoder \"decoder\": layers is 0" },
        { { .src_vocab = 3,
            .tgt_vocab = 4,
            .enc_layers = 1,
            .dec_layers = 1,
            .has_padding = true,
            .padding = 3,
            .layer = { .d_model = 8, .heads = 2, .ffn = 4 } },
          "embedding \"src_embed\": the padding id is 3, must be 0 .. 2" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        heed_params *params = heed_params_new();
        heed_transformer_make(params, bad[i].desc);
        check_failed(HEED_BAD_ARGUMENT, bad[i].message);
        assert_false(heed_params_init(params, 1));
        check_failed(HEED_BAD_ARGUMENT, bad[i].message);
        heed_params_free(params);
    }
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static void the_whole_is_its_parts(void **state)
{
    (void)state;
    heed_transformer_desc desc = TINY;
    desc.dropout = 0.3;
    desc.layer.dropout = 0.2;
    model a = model_new(desc, 1);
    draws d = draws_of(2);
    batch b = draw_batch(&d);
    heed_tensor got = heed_value(logits_of(&a, &b, NULL));
    heed_ids *src = heed_input_ids(a.tape, HEED_SHAPE(b.B, b.S), b.src);
    heed_ids *tgt = heed_input_ids(a.tape, HEED_SHAPE(b.B, b.T), b.tgt);
    heed_mask cross = { .key_lengths = heed_input_ids(a.tape, HEED_SHAPE(b.B), b.lengths) };
    heed_var *x = heed_scale(
        heed_embed(heed_param_on(a.tape, heed_params_find(a.params, "src_embed.weight")), src, (heed_embed_desc){ 0 }),
        sqrt(8));
    x = heed_dropout(heed_positions_forward(&a.m.src_positions, x, 0), 0.3, "src_embed.dropout");
    for (int i = 0; i < 2; i++)
        x = heed_encoder_layer_forward(&a.m.encoder.layers[i], x, (heed_attention_call){ .mask = cross });
    heed_var *memory = heed_norm_forward(&a.m.encoder.norm, x);
    heed_var *table = heed_param_on(a.tape, heed_params_find(a.params, "tgt_embed.weight"));
    x = heed_scale(heed_embed(table, tgt, (heed_embed_desc){ 0 }), sqrt(8));
    x = heed_dropout(heed_positions_forward(&a.m.tgt_positions, x, 0), 0.3, "tgt_embed.dropout");
    for (int i = 0; i < 2; i++)
        x = heed_decoder_layer_forward(&a.m.decoder.layers[i], x, memory, (heed_attention_call){ .mask.causal = true },
                                       (heed_attention_call){ .mask = cross });
    x = heed_affine(heed_norm_forward(&a.m.decoder.norm, x), table, NULL);
    check_same_bits(got, heed_value(x));
    model_free(&a);
}

/* The same bits, in the loss and in every gradient, as of logits and heed_cross_entropy. */
static void the_loss_is_that_of_the_logits(void **state)
{
    (void)state;
    model a = model_new(TINY, 1), c = model_new(TINY, 1);
    heed_ce_desc ce = { .smoothing = 0.1, .has_ignore = true, .ignore = 3, .sum = true };
    draws d = draws_of(2);
    batch b = draw_batch(&d);
    heed_var *plain =
        heed_cross_entropy(logits_of(&a, &b, NULL), heed_input_ids(a.tape, HEED_SHAPE(b.B, b.T), b.tgt), ce);
    heed_ids *src = heed_input_ids(c.tape, HEED_SHAPE(b.B, b.S), b.src);
    heed_ids *tgt = heed_input_ids(c.tape, HEED_SHAPE(b.B, b.T), b.tgt);
    heed_ids *lengths = heed_input_ids(c.tape, HEED_SHAPE(b.B), b.lengths);
    heed_var *memory = heed_transformer_encode(&c.m, src, lengths, NULL);
    heed_var *loss = heed_transformer_loss(&c.m, tgt, memory, lengths, tgt, ce);
    check_same_bits(heed_value(plain), heed_value(loss));
    assert_true(heed_backward(plain) && heed_backward(loss));
    assert_memory_equal(heed_grads_data(heed_params_grads(a.params)), heed_grads_data(heed_params_grads(c.params)),
                        (size_t)heed_params_numel(a.params) * sizeof(heed_real));
    assert_null(heed_transformer_loss(&c.m, heed_input_ids(c.tape, HEED_SHAPE(2), b.tgt), memory, lengths, tgt, ce));
    check_failed(HEED_BAD_SHAPE, "the target ids are [2], must be [B, T]");
    model_free(&a);
    model_free(&c);
}

static void wrong_ids_are_refused(void **state)
{
    (void)state;
    model a = model_new(TINY, 1);
    heed_ids *flat = heed_input_ids(a.tape, HEED_SHAPE(2), (const int32_t[]){ 1, 2 });
    assert_null(heed_transformer_encode(&a.m, flat, NULL, NULL));
    check_failed(HEED_BAD_SHAPE, "the source ids are [2], must be [B, T]");
    heed_ids *ids = heed_input_ids(a.tape, HEED_SHAPE(1, 2), (const int32_t[]){ 1, 9 });
    assert_null(heed_transformer_encode(&a.m, ids, NULL, NULL));
    check_failed(HEED_BAD_ARGUMENT, "9");
    assert_null(heed_transformer_decode(&a.m, flat, NULL, NULL, NULL, NULL));
    check_failed(HEED_BAD_SHAPE, "the target ids are [2], must be [B, T]");
    heed_ids *tgt = heed_input_ids(a.tape, HEED_SHAPE(1, 2), (const int32_t[]){ 1, 7 });
    assert_null(heed_transformer_decode(&a.m, tgt, NULL, NULL, NULL, NULL));
    check_failed(HEED_BAD_ARGUMENT, "NULL");
    model_free(&a);
}

static void modes_agree(void **state)
{
    (void)state;
    heed_transformer_desc desc = TINY;
    desc.dropout = desc.layer.dropout = desc.layer.attention_dropout = desc.layer.ffn_dropout = 0.3;
    model a = model_new(desc, 1), plain = model_new(TINY, 1);
    draws d = draws_of(1);
    batch b = draw_batch(&d);
    heed_tensor train = heed_value(logits_of(&a, &b, NULL)), again = heed_value(logits_of(&a, &b, NULL));
    check_same_bits(train, again); /* the same step: the same dropout */
    heed_tape_set_eval(a.tape, true);
    heed_tensor eval = heed_value(logits_of(&a, &b, NULL));
    check_same_bits(eval, heed_value(logits_of(&a, &b, NULL)));
    check_same_bits(eval, heed_value(logits_of(&plain, &b, NULL))); /* without dropout */
    assert_true(memcmp(train.data, eval.data, (size_t)heed_tensor_numel(eval) * sizeof(heed_real)) != 0);
    int64_t length = heed_tape_length(a.tape);
    heed_tape_set_grad(a.tape, false);
    check_same_bits(eval, heed_value(logits_of(&a, &b, NULL)));
    assert_int_equal(heed_tape_length(a.tape), length); /* nothing recorded */
    model_free(&a);
    model_free(&plain);
}

/* With equal weights, the tied model's gradient is the sum of the untied one's. */
static void tied_gradients_are_the_sum_of_untied_ones(void **state)
{
    (void)state;
    heed_transformer_desc desc = TINY;
    desc.src_vocab = desc.tgt_vocab;
    desc.untied_output = true;
    model untied = model_new(desc, 3);
    desc.share_embeddings = true;
    desc.untied_output = false;
    model tied = model_new(desc, 4);
    heed_tensor shared = heed_param_value(heed_params_find(tied.params, "src_embed.weight"));
    for (int i = 0; i < heed_params_count(untied.params); i++) {
        heed_param *p = heed_params_at(untied.params, i), *q = heed_params_find(tied.params, p->name);
        assert_true(heed_tensor_copy(heed_param_value(p), q ? heed_param_value(q) : shared));
    }
    heed_params_changed(untied.params);
    draws d = draws_of(5), e = draws_of(6), f = draws_of(6);
    batch b = draw_batch(&d);
    for (int i = 0; i < b.B * b.S; i++)
        b.src[i] %= 8;
    heed_var *y = logits_of(&untied, &b, NULL), *z = logits_of(&tied, &b, NULL);
    check_same_bits(heed_value(y), heed_value(z));
    backward_random(y, &e);
    backward_random(z, &f);
    static const char *const names[] = { "src_embed.weight", "tgt_embed.weight", "generator.weight" };
    heed_tensor sum = heed_param_grad(heed_params_find(untied.params, names[0]));
    for (int k = 1; k < 3; k++)
        for (int i = 0; i < 64; i++)
            sum.data[i] += heed_param_grad(heed_params_find(untied.params, names[k])).data[i];
    check_near(heed_param_grad(heed_params_find(tied.params, names[0])), sum, 5 * CHECK_EPS);
    model_free(&untied);
    model_free(&tied);
}

/* ---- traces and gates -------------------------------------------------------------------------------------------- */

static void traces_record_every_layer_and_change_nothing(void **state)
{
    (void)state;
    model a = model_new(TINY, 1);
    draws d = draws_of(4);
    batch b = draw_batch(&d);
    b.B = 2;
    heed_var *weights[3][2] = { { NULL } };
    heed_trace trace = { .weights = { weights[0], weights[1], weights[2] } };
    heed_tensor plain = heed_value(logits_of(&a, &b, NULL));
    check_same_bits(plain, heed_value(logits_of(&a, &b, &trace)));
    const int64_t queries[] = { b.S, b.T, b.T }, keys[] = { b.S, b.T, b.S };
    for (int type = 0; type < 3; type++)
        for (int layer = 0; layer < 2; layer++) {
            heed_tensor w = heed_value(weights[type][layer]);
            assert_true(heed_shape_equal(w.shape, HEED_SHAPE(2, 2, queries[type], keys[type])));
            for (int64_t row = 0; row < 2 * 2 * queries[type]; row++) {
                double sum = 0;
                for (int64_t k = 0; k < keys[type]; k++) {
                    double x = (double)w.data[row * keys[type] + k];
                    bool blocked =
                        type == HEED_DEC ? k > row % queries[type] : k >= b.lengths[row / (2 * queries[type])];
                    assert_true(blocked ? x == 0 : x > 0);
                    sum += x;
                }
                check_close(sum, 1, CHECK_EPS);
            }
        }
    assert_true(memcmp(heed_value(weights[0][0]).data, heed_value(weights[0][1]).data, sizeof(heed_real)) != 0);
    model_free(&a);
}

/* A constant added to what heads say is Wo times it, added to the bias. */
static void what_is_added_goes_through_the_projection(void **state)
{
    (void)state;
    static const char *const names[] = { "encoder.layers.1.self_attn", "decoder.layers.1.self_attn",
                                         "decoder.layers.1.multihead_attn" };
    draws d = draws_of(1);
    batch b = draw_batch(&d);
    for (int type = 0; type < 3; type++) {
        model a = model_new(TINY, 1);
        int64_t rows = type ? b.T : b.S, n = b.B * rows * 8;
        heed_real *said = calloc(2 * (size_t)n, sizeof *said);
        heed_tensor plain = heed_value(logits_of(&a, &b, NULL));
        heed_trace trace = { 0 };
        for (int64_t i = 0; i < n; i++)
            said[n + i] = (heed_real)(1 + i % 8) / 4;
        trace.added[type] = heed_input(a.tape, HEED_SHAPE(2, b.B, rows, 8), said);
        heed_tensor changed = heed_value(logits_of(&a, &b, &trace));
        char name[64];
        snprintf(name, sizeof name, "%s.out_proj.weight", names[type]);
        heed_tensor out = heed_param_value(heed_params_find(a.params, name));
        snprintf(name, sizeof name, "%s.out_proj.bias", names[type]);
        heed_tensor bias = heed_param_value(heed_params_find(a.params, name));
        for (int i = 0; i < 64; i++)
            bias.data[i / 8] += out.data[i] * said[n + i % 8];
        heed_params_changed(a.params);
        check_near(heed_value(logits_of(&a, &b, NULL)), changed, 20 * CHECK_EPS);
        assert_true(memcmp(plain.data, changed.data, (size_t)heed_tensor_numel(plain) * sizeof(heed_real)) != 0);
        trace.added[type] = heed_input(a.tape, HEED_SHAPE(2, b.B, rows + 1, 4), said);
        assert_null(logits_of(&a, &b, &trace));
        check_failed(HEED_BAD_SHAPE, "add");
        free(said);
        model_free(&a);
    }
}

/* A closed gate does what zeros in the head's columns of the output projection do. */
static void gates_close_one_head_of_one_layer(void **state)
{
    (void)state;
    static const char *const places[][2] = { { "encoder", "self_attn" },
                                             { "decoder", "self_attn" },
                                             { "decoder", "multihead_attn" } };
    draws d = draws_of(1);
    batch b = draw_batch(&d);
    for (int type = 0; type < 3; type++)
        for (int layer = 0; layer < 2; layer++)
            for (int head = 0; head < 2; head++) {
                model a = model_new(TINY, 1);
                heed_real open[4] = { 1, 1, 1, 1 };
                heed_trace trace = { 0 };
                trace.gates[type] = heed_input(a.tape, HEED_SHAPE(2, 2), open);
                heed_tensor plain = heed_value(logits_of(&a, &b, NULL));
                check_near(heed_value(logits_of(&a, &b, &trace)), plain, CHECK_EPS);
                open[layer * 2 + head] = 0;
                trace.gates[type] = heed_input(a.tape, HEED_SHAPE(2, 2), open);
                heed_tensor closed = heed_value(logits_of(&a, &b, &trace));
                char name[64];
                snprintf(name, sizeof name, "%s.layers.%d.%s.out_proj.weight", places[type][0], layer, places[type][1]);
                heed_tensor out = heed_param_value(heed_params_find(a.params, name));
                for (int i = 0; i < 64; i++)
                    if (i % 8 / 4 == head)
                        out.data[i] = 0;
                heed_params_changed(a.params);
                check_near(heed_value(logits_of(&a, &b, NULL)), closed, 5 * CHECK_EPS);
                assert_true(memcmp(plain.data, closed.data, (size_t)heed_tensor_numel(plain) * sizeof(heed_real)) != 0);
                model_free(&a);
            }
}

static void gates_of_the_wrong_shape_are_refused(void **state)
{
    (void)state;
    model a = model_new(TINY, 1);
    draws d = draws_of(1);
    batch b = draw_batch(&d);
    heed_real open[6] = { 1, 1, 1, 1, 1, 1 };
    heed_trace trace = { .gates[HEED_CROSS] = heed_input(a.tape, HEED_SHAPE(3, 2), open) };
    assert_null(logits_of(&a, &b, &trace));
    check_failed(HEED_BAD_SHAPE, "the gates of cross attention are [3, 2], must be [layers, heads] = [2, 2]");
    model_free(&a);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void step(model *a, const batch *b)
{
    draws d = draws_of(1);
    backward_random(logits_of(a, b, NULL), &d);
    heed_grads_clear(heed_params_grads(a->params));
    heed_tape_reset(a->tape);
}

static void nothing_is_allocated_once_the_largest_batch_was_seen(void **state)
{
    (void)state;
    heed_transformer_desc desc = TINY;
    desc.dropout = desc.layer.dropout = desc.layer.attention_dropout = 0.1;
    model a = model_new(desc, 1);
    draws d = draws_of(1);
    batch largest = draw_batch(&d);
    largest.B = 3;
    largest.S = largest.T = 7;
    for (int i = 0; i < 3; i++)
        step(&a, &largest);
    heed_memory before = heed_memory_now();
    for (int i = 0; i < 50; i++) {
        batch b = draw_batch(&d);
        step(&a, i % 10 == 9 ? &largest : &b);
    }
    heed_memory after = heed_memory_now();
    assert_int_equal(after.calls, before.calls);
    assert_int_equal(after.bytes, before.bytes);
    model_free(&a);
}

static bool make_and_step(void)
{
    heed_params *params = heed_params_new();
    heed_tape *tape = heed_tape_new((heed_tape_desc){ .seed = 1 });
    bool done = false;
    if (params && tape) {
        heed_transformer_desc desc = TINY;
        desc.learned_positions = true;
        desc.max_length = 8;
        desc.layer.dropout = 0.1;
        model a = { .params = params, .tape = tape, .m = heed_transformer_make(params, desc) };
        draws d = draws_of(1);
        batch b = draw_batch(&d);
        heed_var *loss = heed_params_init(params, 1) ? heed_sum(logits_of(&a, &b, NULL), (heed_axes){ 0 }) : NULL;
        done = loss && heed_backward(loss);
    }
    heed_tape_free(tape);
    heed_params_free(params);
    return done;
}

static void running_out_of_memory_is_an_error(void **state)
{
    (void)state;
    check_memory_sweep(make_and_step, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_shapes_are_those_of_pytorch),
        cmocka_unit_test(options_add_and_remove_parameters),
        cmocka_unit_test(bad_descriptors_are_refused),
        cmocka_unit_test(the_whole_is_its_parts),
        cmocka_unit_test(the_loss_is_that_of_the_logits),
        cmocka_unit_test(wrong_ids_are_refused),
        cmocka_unit_test(modes_agree),
        cmocka_unit_test(tied_gradients_are_the_sum_of_untied_ones),
        cmocka_unit_test(traces_record_every_layer_and_change_nothing),
        cmocka_unit_test(what_is_added_goes_through_the_projection),
        cmocka_unit_test(gates_close_one_head_of_one_layer),
        cmocka_unit_test(gates_of_the_wrong_shape_are_refused),
        cmocka_unit_test(nothing_is_allocated_once_the_largest_batch_was_seen),
        cmocka_unit_test(running_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
