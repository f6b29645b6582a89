/* Position-wise feed-forward: linear2(dropout(activation(linear1(x)))), "Attention Is All You Need", 3.3. */
#include "internal.h"

heed_var *heed_activate(heed_activation activation, heed_var *x)
{
    switch (activation) {
    case HEED_RELU:
        return heed_relu(x);
    case HEED_GELU:
        return heed_gelu(x);
    case HEED_GELU_TANH:
        return heed_gelu_tanh(x);
    case HEED_SILU:
        return heed_silu(x);
    }
    heed_fail(HEED_BAD_ARGUMENT, "heed_activate: activation %d is unknown", (int)activation);
    return NULL;
}

static bool check(const char *prefix, heed_ffn_desc desc)
{
    const char *name = prefix ? prefix : "";
    if (desc.d_model < 1 || desc.ffn < 1)
        return heed_fail(HEED_BAD_ARGUMENT, "ffn \"%s\": d_model is %lld and ffn is %lld; both are needed, at least 1",
                         name, (long long)desc.d_model, (long long)desc.ffn);
    if ((unsigned)desc.activation > HEED_SILU)
        return heed_fail(HEED_BAD_ARGUMENT, "ffn \"%s\": activation %d is unknown", name, (int)desc.activation);
    return dropout_check("ffn", name, "dropout", desc.dropout);
}

heed_ffn heed_ffn_make(heed_params *params, const char *prefix, heed_ffn_desc desc)
{
    heed_ffn m = { .activation = desc.activation, .dropout = desc.dropout };
    if (!check(prefix, desc)) {
        heed_params_fail(params);
        return (heed_ffn){ 0 };
    }
    m.linear1 = heed_linear_make(params, heed_param_name(params, prefix, "linear1"),
                                 (heed_linear_desc){ .in = desc.d_model, .out = desc.ffn, .no_bias = desc.no_bias });
    m.linear2 = heed_linear_make(params, heed_param_name(params, prefix, "linear2"),
                                 (heed_linear_desc){ .in = desc.ffn, .out = desc.d_model, .no_bias = desc.no_bias });
    m.site = heed_param_name(params, prefix, "dropout");
    return m;
}

heed_var *heed_ffn_forward(const heed_ffn *m, heed_var *x)
{
    heed_var *h = heed_activate(m->activation, heed_linear_forward(&m->linear1, x));
    return heed_linear_forward(&m->linear2, heed_dropout(h, m->dropout, m->site));
}
