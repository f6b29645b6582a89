/* Layer norm and RMS norm over the last axis. */
#include "internal.h"

heed_norm heed_norm_make(heed_params *params, const char *name, heed_norm_desc desc)
{
    heed_norm m = { .eps = desc.eps == 0 ? 1e-5 : desc.eps, .rms = desc.rms };
    if (desc.dim < 1 || !(m.eps > 0)) {
        heed_fail(HEED_BAD_ARGUMENT, "norm \"%s\": dim is %lld, must be at least 1; eps is %g, must be above 0",
                  name ? name : "", (long long)desc.dim, m.eps);
        heed_params_fail(params);
        return (heed_norm){ 0 };
    }
    heed_shape shape = HEED_SHAPE(desc.dim);
    m.weight =
        heed_param_make(params, heed_param_name(params, name, "weight"), shape, (heed_init){ .kind = HEED_INIT_ONES });
    if (!desc.rms && !desc.no_bias)
        m.bias = heed_param_make(params, heed_param_name(params, name, "bias"), shape, (heed_init){ 0 });
    return m;
}

heed_var *heed_norm_forward(const heed_norm *m, heed_var *x)
{
    heed_tape *tape = layer_tape("norm", m->weight, x ? &x->tape : NULL);
    heed_var *weight = tape ? heed_param_on(tape, m->weight) : NULL;
    if (!weight)
        return NULL;
    return m->rms ? heed_rms_norm(x, weight, m->eps) : heed_layer_norm(x, weight, heed_param_on(tape, m->bias), m->eps);
}
