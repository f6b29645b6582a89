/* Gradient checks of layers and of whole Transformers: all parameters and inputs against central differences, in random
 * configurations of sizes and options. Only in the double build. */
#include "model.h"

/* With these seeds no configuration puts a relu within a step of its kink, which a check reports as an error. */
enum { CONFIGS = 12, FIRST_SEED = 100, MOST = 64 };

/* One configuration: the layer under test and what its forward gets. */
typedef struct {
    heed_params *params;
    heed_linear linear;
    heed_embedding embedding;
    heed_positions positions;
    heed_norm norm;
    heed_ffn ffn;
    heed_encoder_layer encoder_layer;
    heed_decoder_layer decoder_layer;
    heed_encoder encoder;
    heed_decoder decoder;
    heed_transformer transformer;
    int64_t B, T, S, first; /* rows, queries, length of memory, first position */
    bool masked, gated;
    int64_t full; /* larger parameters along directions, except in long runs; 0: every element */
    int32_t src[MOST], tgt[MOST], lengths[MOST];
    heed_real values[3][1024];
    heed_named_tensor inputs[3];
    int n_inputs;
} scene;

static scene scene_new(draws *d)
{
    scene s = { .params = heed_params_new() };
    s.B = draw_int(d, 1, 3);
    s.T = draw_int(d, 1, 4);
    s.S = draw_int(d, 1, 5);
    s.masked = draw_int(d, 0, 2) > 0;
    s.gated = draw_int(d, 0, 1);
    draw_ids(d, s.lengths, s.B, 1, (int32_t)s.S);
    return s;
}

static void add_input(scene *s, draws *d, const char *name, heed_shape shape)
{
    heed_real *values = s->values[s->n_inputs];
    draw_normals(d, values, heed_shape_numel(shape));
    s->inputs[s->n_inputs++] = (heed_named_tensor){ name, heed_tensor_wrap(values, shape) };
}

static void check(scene *s, heed_gradcheck_fn *fn, uint64_t seed)
{
    heed_gradcheck_report r = { 0 };
    heed_gradcheck_desc desc = { .seed = seed, .full = getenv("HEED_LONG") ? 0 : s->full };
    params_ready(s->params, seed);
    params_shake(s->params, seed);
    if (!heed_params_gradcheck(s->params, fn, s, s->inputs, s->n_inputs, desc, &r))
        fail_msg("configuration %llu: %s (%s, %s %lld: analytic %.12g, numeric %.12g)", (unsigned long long)seed,
                 heed_error(), r.op, r.input, (long long)r.element, r.analytic, r.numeric);
    int64_t least = 0;
    for (int i = 0; i < heed_params_count(s->params); i++) {
        int64_t n = heed_shape_numel(heed_params_at(s->params, i)->shape);
        least += desc.full && n > desc.full ? 8 : n;
    }
    for (int i = 0; i < s->n_inputs; i++)
        least += desc.full ? 0 : heed_tensor_numel(s->inputs[i].values);
    assert_true(r.checked >= least);
    heed_params_free(s->params);
}

/* Runs make for every configuration; it draws the layer, names the inputs and returns the function to check. */
static void sweep(heed_gradcheck_fn *make(scene *, draws *, int))
{
    if (sizeof(heed_real) == 4)
        skip();
    for (int i = 0; i < CONFIGS; i++) {
        uint64_t seed = FIRST_SEED + (uint64_t)i;
        draws d = draws_of(seed);
        scene s = scene_new(&d);
        heed_gradcheck_fn *fn = make(&s, &d, i);
        check(&s, fn, seed);
    }
}

/* ---- small layers ------------------------------------------------------------------------------------------------ */

static heed_var *run_linear(heed_tape *tape, heed_var *const *in, void *context)
{
    (void)tape;
    const scene *s = context;
    return heed_linear_forward(&s->linear, in[0]);
}

static heed_gradcheck_fn *make_linear(scene *s, draws *d, int i)
{
    int64_t in = draw_int(d, 1, 7);
    s->linear = heed_linear_make(s->params, "fc",
                                 (heed_linear_desc){ .in = in, .out = draw_int(d, 1, 6), .no_bias = i % 3 == 0 });
    add_input(s, d, "x", i % 4 == 0 ? HEED_SHAPE(in) : i % 4 == 1 ? HEED_SHAPE(s->B, in) : HEED_SHAPE(s->B, s->T, in));
    return run_linear;
}

static void linear_gradients(void **state)
{
    (void)state;
    sweep(make_linear);
}

static heed_var *run_embedding(heed_tape *tape, heed_var *const *in, void *context)
{
    (void)in;
    const scene *s = context;
    return heed_embedding_forward(&s->embedding, heed_input_ids(tape, HEED_SHAPE(s->B, s->T), s->tgt));
}

/* Without padding: that row has, by design, another gradient than the derivative (test_layers.c). */
static heed_gradcheck_fn *make_embedding(scene *s, draws *d, int i)
{
    int64_t count = draw_int(d, 1, 7);
    s->embedding = heed_embedding_make(
        s->params, "e", (heed_embedding_desc){ .count = count, .dim = draw_int(d, 1, 5), .scale = i % 2 ? 2.5 : 0 });
    draw_ids(d, s->tgt, s->B * s->T, 0, (int32_t)count - 1);
    return run_embedding;
}

static void embedding_gradients(void **state)
{
    (void)state;
    sweep(make_embedding);
}

static heed_var *run_positions(heed_tape *tape, heed_var *const *in, void *context)
{
    (void)tape;
    const scene *s = context;
    return heed_positions_forward(&s->positions, heed_tanh(in[0]), s->first);
}

static heed_gradcheck_fn *make_positions(scene *s, draws *d, int i)
{
    int64_t dim = draw_int(d, 1, 6);
    s->first = draw_int(d, 0, 3);
    heed_positions_desc desc = { .learned = i % 3 < 2, .count = 8, .dim = dim };
    s->positions = heed_positions_make(s->params, "p", desc);
    if (!desc.learned) /* a set of parameters needs one */
        heed_param_make(s->params, "idle", HEED_SHAPE(1), (heed_init){ 0 });
    add_input(s, d, "x", HEED_SHAPE(s->B, s->T, dim));
    return run_positions;
}

static void positions_gradients(void **state)
{
    (void)state;
    sweep(make_positions);
}

static heed_var *run_norm(heed_tape *tape, heed_var *const *in, void *context)
{
    (void)tape;
    const scene *s = context;
    return heed_norm_forward(&s->norm, in[0]);
}

static heed_gradcheck_fn *make_norm(scene *s, draws *d, int i)
{
    int64_t dim = draw_int(d, 2, 9);
    s->norm = heed_norm_make(
        s->params, "n", (heed_norm_desc){ .dim = dim, .rms = i % 2, .no_bias = i % 3 == 0, .eps = i % 4 ? 0 : 0.1 });
    add_input(s, d, "x", i % 5 == 0 ? HEED_SHAPE(dim) : HEED_SHAPE(s->B, s->T, dim));
    return run_norm;
}

static void norm_gradients(void **state)
{
    (void)state;
    sweep(make_norm);
}

static heed_var *run_ffn(heed_tape *tape, heed_var *const *in, void *context)
{
    const scene *s = context;
    heed_tape_place(tape, 3, 0); /* the same dropout in every call */
    return heed_ffn_forward(&s->ffn, in[0]);
}

static heed_gradcheck_fn *make_ffn(scene *s, draws *d, int i)
{
    int64_t d_model = draw_int(d, 1, 6);
    s->ffn = heed_ffn_make(s->params, "f",
                           (heed_ffn_desc){ .d_model = d_model,
                                            .ffn = draw_int(d, 1, 9),
                                            .activation = (heed_activation)(i % 4),
                                            .dropout = i % 3 == 0 ? 0.3 : 0,
                                            .no_bias = i % 5 == 0 });
    add_input(s, d, "x", HEED_SHAPE(s->B, s->T, d_model));
    return run_ffn;
}

static void ffn_gradients(void **state)
{
    (void)state;
    sweep(make_ffn);
}

/* ---- encoder and decoder ----------------------------------------------------------------------------------------- */

static heed_layer_desc draw_layer(draws *d, int i)
{
    int64_t heads = draw_int(d, 1, 3); /* norms of fewer than 4 numbers are all but steps */
    return (heed_layer_desc){ .d_model = heads == 1 ? draw_int(d, 4, 6) : heads * draw_int(d, 2, 5 - heads),
                              .heads = heads,
                              .ffn = draw_int(d, 2, 6),
                              .activation = (heed_activation)(i / 2 % 4),
                              .pre_norm = i % 2,
                              .dropout = i % 3 == 0 ? 0.2 : 0,
                              .attention_dropout = i % 4 == 0 ? 0.2 : 0,
                              .ffn_dropout = i % 5 == 0 ? 0.2 : 0,
                              .norm_eps = i % 3 ? 0.05 : 0,
                              .rms_norm = i % 7 == 3,
                              .no_bias = i % 7 == 5,
                              .composed = i % 6 == 2 };
}

static heed_mask memory_mask(const scene *s, heed_tape *tape)
{
    heed_ids *lengths = s->masked ? heed_input_ids(tape, HEED_SHAPE(s->B), s->lengths) : NULL;
    return (heed_mask){ .key_lengths = lengths };
}

static heed_var *run_encoder_layer(heed_tape *tape, heed_var *const *in, void *context)
{
    const scene *s = context;
    heed_tape_place(tape, 3, 0);
    heed_attention_call self = { .mask = memory_mask(s, tape), .gates = s->gated ? in[1] : NULL };
    return heed_encoder_layer_forward(&s->encoder_layer, in[0], self);
}

static heed_gradcheck_fn *make_encoder_layer(scene *s, draws *d, int i)
{
    heed_layer_desc desc = draw_layer(d, i);
    s->encoder_layer = heed_encoder_layer_make(s->params, "l", desc);
    add_input(s, d, "x", HEED_SHAPE(s->B, s->S, desc.d_model));
    if (s->gated)
        add_input(s, d, "gates", i % 2 ? HEED_SHAPE(desc.heads) : HEED_SHAPE(s->B, desc.heads));
    return run_encoder_layer;
}

static void encoder_layer_gradients(void **state)
{
    (void)state;
    sweep(make_encoder_layer);
}

static heed_var *run_decoder_layer(heed_tape *tape, heed_var *const *in, void *context)
{
    const scene *s = context;
    heed_tape_place(tape, 3, 0);
    heed_attention_call self = { .mask.causal = true };
    heed_attention_call cross = { .mask = memory_mask(s, tape), .gates = s->gated ? in[2] : NULL };
    return heed_decoder_layer_forward(&s->decoder_layer, in[0], in[1], self, cross);
}

static heed_gradcheck_fn *make_decoder_layer(scene *s, draws *d, int i)
{
    heed_layer_desc desc = draw_layer(d, i);
    s->decoder_layer = heed_decoder_layer_make(s->params, "l", desc);
    add_input(s, d, "x", HEED_SHAPE(s->B, s->T, desc.d_model));
    add_input(s, d, "memory", HEED_SHAPE(s->B, s->S, desc.d_model));
    if (s->gated)
        add_input(s, d, "gates", HEED_SHAPE(desc.heads));
    return run_decoder_layer;
}

static void decoder_layer_gradients(void **state)
{
    (void)state;
    sweep(make_decoder_layer);
}

static heed_var *run_encoder(heed_tape *tape, heed_var *const *in, void *context)
{
    const scene *s = context;
    heed_tape_place(tape, 3, 0);
    heed_trace trace = { .gates[HEED_ENC] = s->gated ? in[1] : NULL };
    return heed_encoder_forward(&s->encoder, in[0], memory_mask(s, tape), &trace);
}

static heed_gradcheck_fn *make_encoder(scene *s, draws *d, int i)
{
    heed_stack_desc desc = { .layers = 1 + i % 2, .no_final_norm = i % 3 == 0, .layer = draw_layer(d, i) };
    s->encoder = heed_encoder_make(s->params, "enc", desc);
    add_input(s, d, "x", HEED_SHAPE(s->B, s->S, desc.layer.d_model));
    if (s->gated)
        add_input(s, d, "gates", HEED_SHAPE(desc.layers, desc.layer.heads));
    s->full = 40;
    return run_encoder;
}

static void encoder_gradients(void **state)
{
    (void)state;
    sweep(make_encoder);
}

static heed_var *run_decoder(heed_tape *tape, heed_var *const *in, void *context)
{
    const scene *s = context;
    heed_tape_place(tape, 3, 0);
    heed_trace trace = { .gates[HEED_DEC] = s->gated ? in[2] : NULL };
    return heed_decoder_forward(&s->decoder, in[0], in[1], (heed_mask){ .causal = true }, memory_mask(s, tape), &trace,
                                NULL);
}

static heed_gradcheck_fn *make_decoder(scene *s, draws *d, int i)
{
    heed_stack_desc desc = { .layers = 1 + i % 2, .no_final_norm = i % 3 == 0, .layer = draw_layer(d, i) };
    s->decoder = heed_decoder_make(s->params, "dec", desc);
    add_input(s, d, "x", HEED_SHAPE(s->B, s->T, desc.layer.d_model));
    add_input(s, d, "memory", HEED_SHAPE(s->B, s->S, desc.layer.d_model));
    if (s->gated)
        add_input(s, d, "gates", HEED_SHAPE(desc.layers, desc.layer.heads));
    s->full = 40;
    return run_decoder;
}

static void decoder_gradients(void **state)
{
    (void)state;
    sweep(make_decoder);
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static heed_var *run_transformer(heed_tape *tape, heed_var *const *in, void *context)
{
    (void)in;
    const scene *s = context;
    heed_tape_place(tape, 3, 0);
    heed_ids *src = heed_input_ids(tape, HEED_SHAPE(s->B, s->S), s->src);
    heed_ids *tgt = heed_input_ids(tape, HEED_SHAPE(s->B, s->T), s->tgt);
    heed_ids *lengths = s->masked ? heed_input_ids(tape, HEED_SHAPE(s->B), s->lengths) : NULL;
    heed_var *memory = heed_transformer_encode(&s->transformer, src, lengths, NULL);
    return heed_transformer_decode(&s->transformer, tgt, memory, lengths, NULL, NULL);
}

static heed_gradcheck_fn *make_transformer(scene *s, draws *d, int i)
{
    heed_transformer_desc desc = { .src_vocab = draw_int(d, 2, 7),
                                   .enc_layers = 1 + i % 2,
                                   .dec_layers = 1 + i / 2 % 2,
                                   .layer = draw_layer(d, i),
                                   .dropout = i % 4 == 1 ? 0.2 : 0,
                                   .learned_positions = i % 3 == 0,
                                   .max_length = 5,
                                   .untied_output = i % 4 == 0,
                                   .share_embeddings = i % 5 == 0,
                                   .no_final_norm = i % 7 == 2 };
    desc.tgt_vocab = desc.share_embeddings ? desc.src_vocab : draw_int(d, 2, 7);
    s->transformer = heed_transformer_make(s->params, desc);
    draw_ids(d, s->src, s->B * s->S, 0, (int32_t)desc.src_vocab - 1);
    draw_ids(d, s->tgt, s->B * s->T, 0, (int32_t)desc.tgt_vocab - 1);
    s->full = 40;
    return run_transformer;
}

static void transformer_gradients(void **state)
{
    (void)state;
    sweep(make_transformer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_gradients),        cmocka_unit_test(embedding_gradients),
        cmocka_unit_test(positions_gradients),     cmocka_unit_test(norm_gradients),
        cmocka_unit_test(ffn_gradients),           cmocka_unit_test(encoder_layer_gradients),
        cmocka_unit_test(decoder_layer_gradients), cmocka_unit_test(encoder_gradients),
        cmocka_unit_test(decoder_gradients),       cmocka_unit_test(transformer_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
