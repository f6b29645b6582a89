/* Small Transformers on a tape and random batches for them. */
#ifndef TRANSFORMERS_H
#define TRANSFORMERS_H

#include "model.h"

static const heed_transformer_desc TINY = {
    .src_vocab = 9,
    .tgt_vocab = 8,
    .enc_layers = 2,
    .dec_layers = 2,
    .layer = { .d_model = 8, .heads = 2, .ffn = 12 },
};

typedef struct {
    heed_params *params;
    heed_tape *tape;
    heed_transformer m;
} model;

static inline model model_new(heed_transformer_desc desc, uint64_t seed)
{
    model a = { .params = heed_params_new(), .tape = heed_tape_new((heed_tape_desc){ .seed = seed }) };
    a.m = heed_transformer_make(a.params, desc);
    params_ready(a.params, seed);
    params_shake(a.params, seed);
    return a;
}

static inline void model_free(model *a)
{
    heed_tape_free(a->tape);
    heed_params_free(a->params);
}

/* Sources of 9 words, targets of 8. */
static inline heed_transformer_desc draw_desc(draws *d)
{
    int64_t heads = draw_int(d, 1, 3);
    return (heed_transformer_desc){
        .src_vocab = 9,
        .tgt_vocab = 8,
        .enc_layers = (int)draw_int(d, 1, 2),
        .dec_layers = (int)draw_int(d, 1, 2),
        .layer = { .d_model = heads * draw_int(d, 1, 5),
                   .heads = heads,
                   .ffn = draw_int(d, 1, 12),
                   .activation = (heed_activation)draw_int(d, 0, 3),
                   .pre_norm = draw_int(d, 0, 1),
                   .composed = draw_int(d, 0, 3) == 0 },
        .learned_positions = draw_int(d, 0, 1),
        .max_length = 16,
        .untied_output = draw_int(d, 0, 1),
        .no_final_norm = draw_int(d, 0, 1),
    };
}

enum { MOST = 128 };
typedef struct {
    int64_t B, S, T;
    int32_t src[MOST], tgt[MOST], lengths[MOST];
} batch;

static inline batch draw_batch(draws *d)
{
    batch b = { .B = draw_int(d, 1, 3), .S = draw_int(d, 1, 7), .T = draw_int(d, 1, 7) };
    draw_ids(d, b.src, b.B * b.S, 0, 8);
    draw_ids(d, b.tgt, b.B * b.T, 0, 7);
    draw_ids(d, b.lengths, b.B, 1, (int32_t)b.S);
    return b;
}

static inline heed_var *logits_of(const model *a, const batch *b, const heed_trace *trace)
{
    heed_ids *src = heed_input_ids(a->tape, HEED_SHAPE(b->B, b->S), b->src);
    heed_ids *tgt = heed_input_ids(a->tape, HEED_SHAPE(b->B, b->T), b->tgt);
    heed_ids *lengths = heed_input_ids(a->tape, HEED_SHAPE(b->B), b->lengths);
    heed_var *memory = heed_transformer_encode(&a->m, src, lengths, trace);
    return heed_transformer_decode(&a->m, tgt, memory, lengths, trace, NULL);
}

#endif
