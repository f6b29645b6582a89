/* y = x Wᵀ + b. */
#include "internal.h"

static bool check(const char *name, heed_linear_desc desc)
{
    if (desc.in < 1 || desc.out < 1)
        return heed_fail(HEED_BAD_ARGUMENT, "linear \"%s\": in is %lld and out is %lld; both are needed, at least 1",
                         name ? name : "", (long long)desc.in, (long long)desc.out);
    return !desc.weight || shared_check("linear", name, desc.weight, HEED_SHAPE(desc.out, desc.in));
}

heed_linear heed_linear_make(heed_params *params, const char *name, heed_linear_desc desc)
{
    heed_linear m = { 0 };
    if (!check(name, desc)) {
        heed_params_fail(params);
        return m;
    }
    if (init_is_default(desc.init))
        desc.init.kind = HEED_INIT_XAVIER;
    m.weight = desc.weight;
    if (!m.weight)
        m.weight =
            heed_param_make(params, heed_param_name(params, name, "weight"), HEED_SHAPE(desc.out, desc.in), desc.init);
    param_multiplies(m.weight);
    if (!desc.no_bias)
        m.bias = heed_param_make(params, heed_param_name(params, name, "bias"), HEED_SHAPE(desc.out), (heed_init){ 0 });
    return m;
}

heed_var *heed_linear_forward(const heed_linear *m, heed_var *x)
{
    heed_tape *tape = layer_tape("linear", m->weight, x ? &x->tape : NULL);
    return tape ? heed_affine(x, heed_param_on(tape, m->weight), heed_param_on(tape, m->bias)) : NULL;
}

heed_var *heed_linear_loss(const heed_linear *m, heed_var *x, const heed_ids *labels, heed_ce_desc desc)
{
    heed_tape *tape = layer_tape("linear", m->weight, x ? &x->tape : NULL);
    return tape ? heed_affine_cross_entropy(x, heed_param_on(tape, m->weight), heed_param_on(tape, m->bias), labels,
                                            desc)
                : NULL;
}
