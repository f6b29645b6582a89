/* The decoder: "Attention Is All You Need", 3.1. Each layer is self-attention, attention over the encoder's output
 * (memory), and a feed-forward layer, each in a residual with a norm as in the encoder. Names are those of PyTorch's
 * nn.TransformerDecoder.
 *
 * With a cache, x holds the next tokens only. Keys and values of memory are computed at the first step and kept, so
 * later steps do not read memory. */
#include "internal.h"

heed_decoder_layer heed_decoder_layer_make(heed_params *params, const char *name, heed_layer_desc desc)
{
    heed_decoder_layer m = { .pre_norm = desc.pre_norm, .dropout = desc.dropout };
    if (!layer_check("decoder layer", name, desc)) {
        heed_params_fail(params);
        return (heed_decoder_layer){ 0 };
    }
    m.self_attn = heed_attention_make(params, heed_param_name(params, name, "self_attn"), layer_attention(desc));
    m.multihead_attn =
        heed_attention_make(params, heed_param_name(params, name, "multihead_attn"), layer_attention(desc));
    m.ffn = heed_ffn_make(params, name, layer_ffn(desc));
    m.norm1 = heed_norm_make(params, heed_param_name(params, name, "norm1"), layer_norm(desc));
    m.norm2 = heed_norm_make(params, heed_param_name(params, name, "norm2"), layer_norm(desc));
    m.norm3 = heed_norm_make(params, heed_param_name(params, name, "norm3"), layer_norm(desc));
    m.site1 = heed_param_name(params, name, "dropout1");
    m.site2 = heed_param_name(params, name, "dropout2");
    m.site3 = heed_param_name(params, name, "dropout3");
    return m;
}

heed_var *heed_decoder_layer_forward(const heed_decoder_layer *m, heed_var *x, heed_var *memory,
                                     heed_attention_call self, heed_attention_call cross)
{
    residual own = { &m->norm1, m->pre_norm, m->dropout, m->site1, self.stream };
    residual source = { &m->norm2, m->pre_norm, m->dropout, m->site2, cross.stream };
    residual ffn = { &m->norm3, m->pre_norm, m->dropout, m->site3, NULL };
    heed_var *h = residual_enter(own, x);
    x = residual_leave(own, x, heed_attention_forward(&m->self_attn, h, h, h, self));
    h = residual_enter(source, x);
    x = residual_leave(source, x, heed_attention_forward(&m->multihead_attn, h, memory, memory, cross));
    h = residual_enter(ffn, x);
    return residual_leave(ffn, x, heed_ffn_forward(&m->ffn, h));
}

heed_decoder heed_decoder_make(heed_params *params, const char *name, heed_stack_desc desc)
{
    heed_decoder m = { .n_layers = desc.layers, .has_norm = !desc.no_final_norm };
    m.layers = stack_layers(params, "decoder", name, desc.layers, sizeof *m.layers);
    if (!m.layers)
        return (heed_decoder){ 0 };
    for (int i = 0; i < desc.layers; i++)
        m.layers[i] = heed_decoder_layer_make(params, stack_name(params, name, i), desc.layer);
    if (m.has_norm)
        m.norm = heed_norm_make(params, heed_param_name(params, name, "norm"), layer_norm(desc.layer));
    return m;
}

static heed_var *forward(const heed_decoder *m, heed_var *x, heed_var *memory, const heed_mask masks[2],
                         const heed_trace *trace, heed_decode_cache *cache)
{
    for (int i = 0; i < m->n_layers; i++) {
        heed_attention_call own = { .mask = masks[0], .cache = cache ? &cache->self[i] : NULL };
        heed_attention_call other = { .mask = masks[1], .cache = cache ? &cache->cross[i] : NULL };
        other.cached_only = cache && cache->cross[i].length > 0;
        if (!trace_into(&own, trace, HEED_DEC, i, m->n_layers, m->layers[i].self_attn.heads) ||
            !trace_into(&other, trace, HEED_CROSS, i, m->n_layers, m->layers[i].multihead_attn.heads))
            return NULL;
        x = heed_decoder_layer_forward(&m->layers[i], x, other.cached_only ? NULL : memory, own, other);
    }
    return m->has_norm ? heed_norm_forward(&m->norm, x) : x;
}

heed_var *heed_decoder_forward(const heed_decoder *m, heed_var *x, heed_var *memory, heed_mask self, heed_mask cross,
                               const heed_trace *trace, heed_decode_cache *cache)
{
    if (!stack_made("decoder", m->n_layers))
        return NULL;
    if (cache && cache->layers != m->n_layers) {
        heed_fail(HEED_BAD_ARGUMENT, "decoder: the cache is for %lld layers, the decoder has %d",
                  (long long)cache->layers, m->n_layers);
        return NULL;
    }
    int64_t own = cache ? cache->self[0].length : 0, other = cache ? cache->cross[0].length : 0;
    heed_var *y = forward(m, x, memory, (const heed_mask[]){ self, cross }, trace, cache);
    if (!y)
        decode_cache_restore(cache, own, other);
    return y;
}
