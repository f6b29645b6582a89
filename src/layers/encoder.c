/* The encoder: "Attention Is All You Need", 3.1. Each layer is self-attention, then a feed-forward layer, each in a
 * residual with a norm: behind it as in the paper, norm(x + f(x)), or before it, x + f(norm(x)). Names are those of
 * PyTorch's nn.TransformerEncoder. */
#include "internal.h"

heed_encoder_layer heed_encoder_layer_make(heed_params *params, const char *name, heed_layer_desc desc)
{
    heed_encoder_layer m = { .pre_norm = desc.pre_norm, .dropout = desc.dropout };
    if (!layer_check("encoder layer", name, desc)) {
        heed_params_fail(params);
        return (heed_encoder_layer){ 0 };
    }
    m.self_attn = heed_attention_make(params, heed_param_name(params, name, "self_attn"), layer_attention(desc));
    m.ffn = heed_ffn_make(params, name, layer_ffn(desc));
    m.norm1 = heed_norm_make(params, heed_param_name(params, name, "norm1"), layer_norm(desc));
    m.norm2 = heed_norm_make(params, heed_param_name(params, name, "norm2"), layer_norm(desc));
    m.site1 = heed_param_name(params, name, "dropout1");
    m.site2 = heed_param_name(params, name, "dropout2");
    return m;
}

heed_var *heed_encoder_layer_forward(const heed_encoder_layer *m, heed_var *x, heed_attention_call self)
{
    residual own = { &m->norm1, m->pre_norm, m->dropout, m->site1, self.stream };
    residual ffn = { &m->norm2, m->pre_norm, m->dropout, m->site2, NULL };
    heed_var *h = residual_enter(own, x);
    x = residual_leave(own, x, heed_attention_forward(&m->self_attn, h, h, h, self));
    h = residual_enter(ffn, x);
    return residual_leave(ffn, x, heed_ffn_forward(&m->ffn, h));
}

heed_encoder heed_encoder_make(heed_params *params, const char *name, heed_stack_desc desc)
{
    heed_encoder m = { .n_layers = desc.layers, .has_norm = !desc.no_final_norm };
    m.layers = stack_layers(params, "encoder", name, desc.layers, sizeof *m.layers);
    if (!m.layers)
        return (heed_encoder){ 0 };
    for (int i = 0; i < desc.layers; i++)
        m.layers[i] = heed_encoder_layer_make(params, stack_name(params, name, i), desc.layer);
    if (m.has_norm)
        m.norm = heed_norm_make(params, heed_param_name(params, name, "norm"), layer_norm(desc.layer));
    return m;
}

heed_var *heed_encoder_forward(const heed_encoder *m, heed_var *x, heed_mask mask, const heed_trace *trace)
{
    if (!stack_made("encoder", m->n_layers))
        return NULL;
    for (int i = 0; i < m->n_layers; i++) {
        heed_attention_call self = { .mask = mask };
        if (!trace_into(&self, trace, HEED_ENC, i, m->n_layers, m->layers[i].self_attn.heads))
            return NULL;
        x = heed_encoder_layer_forward(&m->layers[i], x, self);
    }
    return m->has_norm ? heed_norm_forward(&m->norm, x) : x;
}
