/* Small random Transformers with sources to decode, for the tests of searches. */
#ifndef SCENE_H
#define SCENE_H

#include "memory_sweep.h"
#include "model.h"

enum { CASES = 250, ROWS = 4, MOST = 12, VOCAB = 7 };

typedef struct {
    heed_params *params;
    heed_tape *tape;
    heed_transformer m;
    int64_t rows, src_length;
    int32_t src[ROWS * MOST], lengths[ROWS];
    heed_decode_desc desc;
} scene;

static inline scene scene_new(uint64_t seed)
{
    draws d = draws_of(seed);
    int64_t heads = draw_int(&d, 1, 3);
    heed_transformer_desc desc = {
        .src_vocab = 9,
        .tgt_vocab = VOCAB,
        .enc_layers = (int)draw_int(&d, 1, 2),
        .dec_layers = (int)draw_int(&d, 1, 3),
        .layer = { .d_model = heads * draw_int(&d, 2, 4),
                   .heads = heads,
                   .ffn = 8,
                   .pre_norm = draw_int(&d, 0, 1),
                   .composed = draw_int(&d, 0, 3) == 0,
                   .dropout = 0.2 }, /* not while decoding */
        .dropout = 0.2,
        .learned_positions = draw_int(&d, 0, 1),
        .max_length = MOST,
        .untied_output = draw_int(&d, 0, 1),
    };
    scene s = { .params = heed_params_new(), .tape = heed_tape_new((heed_tape_desc){ .seed = seed }) };
    s.m = heed_transformer_make(s.params, desc);
    params_ready(s.params, seed);
    params_shake(s.params, seed);
    s.rows = draw_int(&d, 1, ROWS);
    s.src_length = draw_int(&d, 1, MOST);
    draw_ids(&d, s.src, s.rows * s.src_length, 0, 8);
    draw_ids(&d, s.lengths, s.rows, 1, (int32_t)s.src_length);
    s.desc = (heed_decode_desc){ .bos = (int32_t)draw_int(&d, 0, VOCAB - 1),
                                 .eos = (int32_t)draw_int(&d, 0, VOCAB - 1),
                                 .max_length = draw_int(&d, 1, MOST) };
    return s;
}

static inline void scene_free(scene *s)
{
    heed_tape_free(s->tape);
    heed_params_free(s->params);
}

#endif
