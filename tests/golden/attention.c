/* Multi-head attention cases. Each is run with both versions of attention and both ways to say its masks, and, if it is
 * self-attention, with one tensor as query, key and value too: the worst counts.
 *
 *     query [B, Tq, d_model]   key [B, Tk, kdim]   value [B, Tk, vdim]   attn_weights [B, heads, Tq, Tk]
 *     loss = sum(output * grad_output); parameters are named as in PyTorch's nn.MultiheadAttention                  */
#include "golden.h"

typedef struct {
    bool composed, typed_masks, one_tensor;
} variant;

static void run(golden_case *c, heed_params *params, heed_tape *tape, variant how)
{
    golden_sizes sizes = { case_integer(c, "B"), case_integer(c, "heads"), case_integer(c, "Tq"),
                           case_integer(c, "Tk") };
    heed_attention m = heed_attention_make(params, "",
                                           (heed_attention_desc){ .d_model = case_integer(c, "d_model"),
                                                                  .heads = sizes.H,
                                                                  .kdim = case_integer(c, "kdim"),
                                                                  .vdim = case_integer(c, "vdim"),
                                                                  .no_bias = !case_flag(c, "bias"),
                                                                  .composed = how.composed });
    case_params(c, params, "");
    heed_var *q = case_tokens(c, tape, "query", sizes.B, sizes.Tq);
    heed_var *k = how.one_tensor ? q : case_tokens(c, tape, "key", sizes.B, sizes.Tk);
    heed_var *v = how.one_tensor ? q : case_tokens(c, tape, "value", sizes.B, sizes.Tk);
    heed_mask mask = case_mask(c, tape, "attn_mask", "key_padding_mask", sizes, how.typed_masks);
    if (c->failed)
        return;
    heed_var *weights = NULL;
    heed_var *out = heed_attention_forward(&m, q, k, v, (heed_attention_call){ .mask = mask, .weights = &weights });
    if (!case_check(c, out && weights))
        return;
    case_output(c, "attn_weights", heed_value(weights));
    case_backward(c, out);
    case_leaf_gradient(c, how.one_tensor ? "self" : "query", q);
    case_leaf_gradient(c, "key", how.one_tensor ? NULL : k);
    case_leaf_gradient(c, "value", how.one_tensor ? NULL : v);
    case_param_gradients(c, params, "grad_");
}

void check_attention(golden_case *c)
{
    bool self = case_has(c, "grad_self");
    for (int i = 0; i < (self ? 8 : 4); i++) {
        heed_params *params = heed_params_new();
        heed_tape *tape = heed_tape_new((heed_tape_desc){ .seed = 1 });
        if (case_check(c, params && tape))
            run(c, params, tape, (variant){ .composed = i & 1, .typed_masks = i & 2, .one_tensor = i & 4 });
        heed_tape_free(tape);
        heed_params_free(params);
    }
}
