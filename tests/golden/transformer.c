/* Transformer cases: an encoder layer, a decoder layer, or a whole encoder-decoder on vectors (no embedding, no output
 * projection), as PyTorch's nn.Transformer. Each is run with both versions of attention and both ways to say its masks.
 *
 *     src [B, Ts, d_model]   tgt [B, Tt, d_model]   memory [B, Ts, d_model]   state/NAME, grad/NAME for parameters   */
#include "golden.h"

#include <string.h>

typedef struct {
    heed_params *params;
    heed_tape *tape;
    heed_layer_desc layer;
    int64_t B, Ts, Tt;
    bool typed_masks;
} setup;

static heed_mask mask_for(golden_case *c, const setup *s, const char *attention, const char *padding, int64_t Tq,
                          int64_t Tk)
{
    return case_mask(c, s->tape, attention, padding, (golden_sizes){ s->B, s->layer.heads, Tq, Tk }, s->typed_masks);
}

static bool ready(golden_case *c, const setup *s)
{
    case_params(c, s->params, "state/");
    return !c->failed;
}

static void run_encoder_layer(golden_case *c, const setup *s)
{
    heed_encoder_layer m = heed_encoder_layer_make(s->params, "", s->layer);
    if (!ready(c, s))
        return;
    heed_var *src = case_tokens(c, s->tape, "src", s->B, s->Ts);
    heed_mask self = mask_for(c, s, "src_mask", "src_key_padding_mask", s->Ts, s->Ts);
    if (c->failed)
        return;
    case_backward(c, heed_encoder_layer_forward(&m, src, (heed_attention_call){ .mask = self }));
    case_leaf_gradient(c, "src", src);
}

static void run_decoder_layer(golden_case *c, const setup *s)
{
    heed_decoder_layer m = heed_decoder_layer_make(s->params, "", s->layer);
    if (!ready(c, s))
        return;
    heed_var *tgt = case_tokens(c, s->tape, "tgt", s->B, s->Tt),
             *memory = case_tokens(c, s->tape, "memory", s->B, s->Ts);
    heed_mask self = mask_for(c, s, "tgt_mask", "tgt_key_padding_mask", s->Tt, s->Tt);
    heed_mask cross = mask_for(c, s, "memory_mask", "memory_key_padding_mask", s->Tt, s->Ts);
    if (c->failed)
        return;
    case_backward(c, heed_decoder_layer_forward(&m, tgt, memory, (heed_attention_call){ .mask = self },
                                                (heed_attention_call){ .mask = cross }));
    case_leaf_gradient(c, "tgt", tgt);
    case_leaf_gradient(c, "memory", memory);
}

static void run_transformer(golden_case *c, const setup *s)
{
    heed_stack_desc enc = { .layers = (int)case_integer(c, "enc_layers"), .layer = s->layer };
    heed_stack_desc dec = { .layers = (int)case_integer(c, "dec_layers"), .layer = s->layer };
    heed_encoder encoder = heed_encoder_make(s->params, "encoder", enc);
    heed_decoder decoder = heed_decoder_make(s->params, "decoder", dec);
    if (!ready(c, s))
        return;
    heed_var *src = case_tokens(c, s->tape, "src", s->B, s->Ts), *tgt = case_tokens(c, s->tape, "tgt", s->B, s->Tt);
    heed_mask own = mask_for(c, s, "src_mask", "src_key_padding_mask", s->Ts, s->Ts);
    heed_mask self = mask_for(c, s, "tgt_mask", "tgt_key_padding_mask", s->Tt, s->Tt);
    heed_mask cross = mask_for(c, s, "memory_mask", "memory_key_padding_mask", s->Tt, s->Ts);
    if (c->failed)
        return;
    heed_var *memory = heed_encoder_forward(&encoder, src, own, NULL);
    case_backward(c, heed_decoder_forward(&decoder, tgt, memory, self, cross, NULL, NULL));
    case_leaf_gradient(c, "src", src);
    case_leaf_gradient(c, "tgt", tgt);
}

static heed_layer_desc layer_of(golden_case *c)
{
    const char *norm = case_text(c, "norm"), *activation = case_text(c, "activation");
    heed_layer_desc layer = {
        .d_model = case_integer(c, "d_model"),
        .heads = case_integer(c, "heads"),
        .ffn = case_integer(c, "ffn"),
        .activation = strcmp(activation, "gelu") == 0 ? HEED_GELU : HEED_RELU,
        .pre_norm = strcmp(norm, "pre") == 0,
        .norm_eps = case_number(c, "layer_norm_eps"),
    };
    if (!layer.pre_norm && strcmp(norm, "post") != 0)
        case_fail(c, "case.json: config.norm is \"%s\", want pre or post", norm);
    if (layer.activation != HEED_GELU && strcmp(activation, "relu") != 0)
        case_fail(c, "case.json: config.activation is \"%s\", want relu or gelu", activation);
    return layer;
}

static void run(golden_case *c, setup *s)
{
    const char *kind = case_text(c, "kind");
    bool encoder = strcmp(kind, "encoder_layer") == 0, decoder = strcmp(kind, "decoder_layer") == 0;
    s->B = case_integer(c, "B");
    s->Ts = case_integer(c, "Ts");
    s->Tt = encoder ? 0 : case_integer(c, "Tt");
    if (c->failed)
        return;
    if (encoder)
        run_encoder_layer(c, s);
    else if (decoder)
        run_decoder_layer(c, s);
    else if (strcmp(kind, "transformer") == 0)
        run_transformer(c, s);
    else
        case_fail(c, "case.json: config.kind is \"%s\", want encoder_layer, decoder_layer or transformer", kind);
    case_param_gradients(c, s->params, "grad/");
}

void check_transformer(golden_case *c)
{
    for (int i = 0; i < 4; i++) {
        setup s = { heed_params_new(), heed_tape_new((heed_tape_desc){ .seed = 1 }), .layer = layer_of(c) };
        s.layer.composed = i & 1;
        s.typed_masks = i & 2;
        if (case_check(c, s.params && s.tape))
            run(c, &s);
        heed_tape_free(s.tape);
        heed_params_free(s.params);
    }
}
