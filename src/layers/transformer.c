/* The Transformer: "Attention Is All You Need", figure 1. Embeddings times sqrt(d_model) plus positions (3.4, 3.5),
 * encoder, decoder, and the projection to the target vocabulary, by default the target embedding itself (3.4). */
#include <math.h>

#include "internal.h"

static bool check(heed_transformer_desc desc)
{
    if (desc.src_vocab < 1 || desc.tgt_vocab < 1)
        return heed_fail(HEED_BAD_ARGUMENT,
                         "transformer: src_vocab is %lld and tgt_vocab is %lld; both are needed, at least 1",
                         (long long)desc.src_vocab, (long long)desc.tgt_vocab);
    if (desc.share_embeddings && desc.src_vocab != desc.tgt_vocab)
        return heed_fail(HEED_BAD_ARGUMENT,
                         "transformer: share_embeddings needs equal vocabularies, src_vocab is %lld and tgt_vocab %lld",
                         (long long)desc.src_vocab, (long long)desc.tgt_vocab);
    if (desc.learned_positions && desc.max_length < 1)
        return heed_fail(HEED_BAD_ARGUMENT, "transformer: max_length is %lld; learned positions need it, at least 1",
                         (long long)desc.max_length);
    return layer_check("transformer", "layer", desc.layer) &&
           dropout_check("transformer", "embeddings", "dropout", desc.dropout);
}

static void make_embeddings(heed_transformer *m)
{
    const heed_transformer_desc *desc = &m->desc;
    heed_embedding_desc table = { .count = desc->src_vocab,
                                  .dim = desc->layer.d_model,
                                  .scale = sqrt((double)desc->layer.d_model),
                                  .has_padding = desc->has_padding,
                                  .padding = desc->padding };
    m->src_embed = heed_embedding_make(m->params, "src_embed", table);
    table.count = desc->tgt_vocab;
    table.weight = desc->share_embeddings ? m->src_embed.weight : NULL;
    m->tgt_embed = heed_embedding_make(m->params, "tgt_embed", table);

    heed_positions_desc positions = { .learned = desc->learned_positions,
                                      .count = desc->max_length,
                                      .dim = desc->layer.d_model };
    m->src_positions = heed_positions_make(m->params, "src_positions", positions);
    m->tgt_positions =
        desc->learned_positions ? heed_positions_make(m->params, "tgt_positions", positions) : m->src_positions;
}

heed_transformer heed_transformer_make(heed_params *params, heed_transformer_desc desc)
{
    heed_transformer m = { .desc = desc, .params = params };
    if (!check(desc)) {
        heed_params_fail(params);
        return (heed_transformer){ 0 };
    }
    make_embeddings(&m);
    heed_stack_desc stack = { .layers = desc.enc_layers, .no_final_norm = desc.no_final_norm, .layer = desc.layer };
    m.encoder = heed_encoder_make(params, "encoder", stack);
    stack.layers = desc.dec_layers;
    m.decoder = heed_decoder_make(params, "decoder", stack);
    m.generator = heed_linear_make(params, "generator",
                                   (heed_linear_desc){ .in = desc.layer.d_model,
                                                       .out = desc.tgt_vocab,
                                                       .no_bias = true,
                                                       .weight = desc.untied_output ? NULL : m.tgt_embed.weight });
    return m;
}

static bool ids_check(const char *what, const heed_ids *ids)
{
    heed_shape_buffer buffer;
    return !ids || ids->shape.rank == 2 ||
           heed_fail(HEED_BAD_SHAPE, "transformer: the %s ids are %s, must be [B, T]", what,
                     heed_shape_text(ids->shape, &buffer));
}

heed_var *heed_transformer_encode(const heed_transformer *m, const heed_ids *src, const heed_ids *src_lengths,
                                  const heed_trace *trace)
{
    if (!ids_check("source", src))
        return NULL;
    heed_var *x = heed_embedding_forward(&m->src_embed, src); /* [B, Ts, D] */
    x = heed_positions_forward(&m->src_positions, x, trace ? trace->first : 0);
    x = heed_dropout(x, m->desc.dropout, "src_embed.dropout");
    return heed_encoder_forward(&m->encoder, x, (heed_mask){ .key_lengths = src_lengths }, trace);
}

/* [B, Tt, D], of which the generator makes logits. */
static heed_var *decoder_output(const heed_transformer *m, const heed_ids *tgt, heed_var *memory,
                                const heed_ids *src_lengths, const heed_trace *trace, heed_decode_cache *cache)
{
    if (!ids_check("target", tgt))
        return NULL;
    heed_var *x = heed_embedding_forward(&m->tgt_embed, tgt); /* [B, Tt, D] */
    x = heed_positions_forward(&m->tgt_positions, x, heed_decode_cache_length(cache) + (trace ? trace->first : 0));
    x = heed_dropout(x, m->desc.dropout, "tgt_embed.dropout");
    return heed_decoder_forward(&m->decoder, x, memory, (heed_mask){ .causal = true },
                                (heed_mask){ .key_lengths = src_lengths }, trace, cache);
}

heed_var *heed_transformer_decode(const heed_transformer *m, const heed_ids *tgt, heed_var *memory,
                                  const heed_ids *src_lengths, const heed_trace *trace, heed_decode_cache *cache)
{
    int64_t own = heed_decode_cache_length(cache), other = cache ? cache->cross[0].length : 0;
    heed_var *x = decoder_output(m, tgt, memory, src_lengths, trace, cache);
    heed_var *logits = heed_linear_forward(&m->generator, x); /* [B, Tt, tgt_vocab] */
    if (!logits)
        decode_cache_restore(cache, own, other);
    return logits;
}

heed_var *heed_transformer_loss(const heed_transformer *m, const heed_ids *tgt, heed_var *memory,
                                const heed_ids *src_lengths, const heed_ids *labels, heed_ce_desc desc)
{
    return heed_linear_loss(&m->generator, decoder_output(m, tgt, memory, src_lengths, NULL, NULL), labels, desc);
}
