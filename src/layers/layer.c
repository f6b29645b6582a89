/* What layers have in common: checks of descriptors, the tape of an operand, a layer's part of a trace. */
#include "internal.h"

bool init_is_default(heed_init init)
{
    return init.kind == HEED_INIT_ZEROS && init.scale == 0 && !init.has_zero_row;
}

bool dropout_check(const char *layer, const char *name, const char *field, double p)
{
    return (p >= 0 && p < 1) ||
           heed_fail(HEED_BAD_ARGUMENT, "%s \"%s\": %s is %g, must be 0 <= p < 1", layer, name ? name : "", field, p);
}

bool shared_check(const char *layer, const char *name, const heed_param *weight, heed_shape shape)
{
    heed_shape_buffer got, want;
    return heed_shape_equal(weight->shape, shape) ||
           heed_fail(HEED_BAD_SHAPE, "%s \"%s\": the shared weight \"%s\" is %s, must be %s", layer, name ? name : "",
                     weight->name, heed_shape_text(weight->shape, &got), heed_shape_text(shape, &want));
}

bool layer_check(const char *layer, const char *name, heed_layer_desc desc)
{
    name = name ? name : "";
    if (desc.d_model < 1 || desc.heads < 1 || desc.ffn < 1)
        return heed_fail(HEED_BAD_ARGUMENT,
                         "%s \"%s\": d_model is %lld, heads is %lld, ffn is %lld; all are needed, at least 1", layer,
                         name, (long long)desc.d_model, (long long)desc.heads, (long long)desc.ffn);
    if (desc.d_model % desc.heads)
        return heed_fail(HEED_BAD_ARGUMENT, "%s \"%s\": d_model %lld is not a multiple of heads %lld", layer, name,
                         (long long)desc.d_model, (long long)desc.heads);
    return dropout_check(layer, name, "dropout", desc.dropout) &&
           dropout_check(layer, name, "attention_dropout", desc.attention_dropout) &&
           dropout_check(layer, name, "ffn_dropout", desc.ffn_dropout);
}

heed_attention_desc layer_attention(heed_layer_desc desc)
{
    return (heed_attention_desc){ .d_model = desc.d_model,
                                  .heads = desc.heads,
                                  .no_bias = desc.no_bias,
                                  .dropout = desc.attention_dropout,
                                  .composed = desc.composed };
}

heed_ffn_desc layer_ffn(heed_layer_desc desc)
{
    return (heed_ffn_desc){ .d_model = desc.d_model,
                            .ffn = desc.ffn,
                            .activation = desc.activation,
                            .dropout = desc.ffn_dropout,
                            .no_bias = desc.no_bias };
}

heed_norm_desc layer_norm(heed_layer_desc desc)
{
    return (heed_norm_desc){ .dim = desc.d_model, .eps = desc.norm_eps, .rms = desc.rms_norm, .no_bias = desc.no_bias };
}

void *stack_layers(heed_params *params, const char *stack, const char *name, int n, size_t size)
{
    void *layers = NULL;
    if (n < 1 || n > 1000)
        heed_fail(HEED_BAD_ARGUMENT, "%s \"%s\": layers is %d, must be 1 .. 1000", stack, name ? name : "", n);
    else
        layers = heed_params_alloc(params, n * (int64_t)size);
    if (!layers)
        heed_params_fail(params);
    return layers;
}

const char *stack_name(heed_params *params, const char *name, int i)
{
    char place[32];
    snprintf(place, sizeof place, "layers.%d", i);
    return heed_param_name(params, name, place);
}

bool stack_made(const char *stack, int n)
{
    return n > 0 || heed_fail(HEED_BAD_STATE, "%s: it was not made; heed_params_init says why", stack);
}

heed_tape *layer_tape(const char *layer, const heed_param *weight, heed_tape *const *tape)
{
    if (!weight)
        heed_fail(HEED_BAD_STATE, "%s: this layer was not made; heed_params_init says why", layer);
    else if (!tape)
        heed_fail(HEED_BAD_ARGUMENT, "%s: the operand for \"%s\" is NULL", layer, weight->name);
    else if (!*tape)
        heed_fail(HEED_BAD_STATE, "%s: the operand for \"%s\" is stale: its tape was reset or rewound", layer,
                  weight->name);
    return weight && tape ? *tape : NULL;
}

bool trace_into(heed_attention_call *call, const heed_trace *trace, heed_attention_type type, int i, int n,
                int64_t heads)
{
    static const char *const places[] = { "encoder", "decoder", "cross" };
    if (trace && trace->weights[type])
        call->weights = &trace->weights[type][i];
    if (trace && trace->parts[type])
        call->parts = &trace->parts[type][3 * i];
    if (trace && trace->streams[type])
        call->stream = &trace->streams[type][2 * i];
    if (trace && trace->added[type]) {
        heed_shape s = trace->added[type]->value.shape; /* a wrong one is refused where it is added */
        call->added =
            heed_reshape(heed_slice(trace->added[type], 0, i, i + 1), HEED_SHAPE(s.dims[1], s.dims[2], s.dims[3]));
        if (!call->added)
            return false;
    }
    if (!trace || !trace->gates[type])
        return true;
    heed_var *gates = trace->gates[type];
    heed_shape shape = gates->value.shape, want = HEED_SHAPE(n, heads);
    int64_t rows = shape.dims[1];
    heed_shape_buffer got, wanted;
    bool by_row = gates->tape && heed_shape_equal(shape, HEED_SHAPE(n, rows, heads));
    if (gates->tape && !by_row && !heed_shape_equal(shape, want))
        return heed_fail(HEED_BAD_SHAPE,
                         "trace: the gates of %s attention are %s, must be [layers, heads] = %s or [layers, B, heads]",
                         places[type], heed_shape_text(gates->value.shape, &got), heed_shape_text(want, &wanted));
    call->gates = heed_reshape(heed_slice(gates, 0, i, i + 1), by_row ? HEED_SHAPE(rows, heads) : HEED_SHAPE(heads));
    return call->gates;
}

heed_var *residual_enter(residual r, heed_var *x)
{
    return r.pre_norm ? heed_norm_forward(r.norm, x) : x;
}

heed_var *residual_leave(residual r, heed_var *x, heed_var *h)
{
    if (r.stream) {
        r.stream[0] = x;
        r.stream[1] = h;
    }
    x = heed_add(x, heed_dropout(h, r.dropout, r.site));
    return r.pre_norm ? x : heed_norm_forward(r.norm, x);
}
