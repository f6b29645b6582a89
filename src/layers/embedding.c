/* Rows of a table, one per id, times a scale. */
#include <math.h>

#include "internal.h"

static bool check(const char *name, heed_embedding_desc desc)
{
    if (desc.count < 1 || desc.dim < 1 || desc.count > INT32_MAX)
        return heed_fail(HEED_BAD_ARGUMENT,
                         "embedding \"%s\": count is %lld and dim is %lld; both are needed, at least 1", name,
                         (long long)desc.count, (long long)desc.dim);
    if (desc.has_padding && (desc.padding < 0 || desc.padding >= desc.count))
        return heed_fail(HEED_BAD_ARGUMENT, "embedding \"%s\": the padding id is %d, must be 0 .. %lld", name,
                         (int)desc.padding, (long long)desc.count - 1);
    if (!isfinite(desc.scale))
        return heed_fail(HEED_BAD_ARGUMENT, "embedding \"%s\": scale is %g, must be finite", name, desc.scale);
    return !desc.weight || shared_check("embedding", name, desc.weight, HEED_SHAPE(desc.count, desc.dim));
}

heed_embedding heed_embedding_make(heed_params *params, const char *name, heed_embedding_desc desc)
{
    heed_embedding m = { .weight = desc.weight,
                         .scale = desc.scale == 0 ? 1 : desc.scale,
                         .has_padding = desc.has_padding,
                         .padding = desc.padding };
    if (!check(name ? name : "", desc)) {
        heed_params_fail(params);
        return (heed_embedding){ 0 };
    }
    if (init_is_default(desc.init))
        desc.init = (heed_init){ .kind = HEED_INIT_NORMAL, .scale = 1 / sqrt((double)desc.dim) };
    if (desc.has_padding) {
        desc.init.has_zero_row = true;
        desc.init.zero_row = desc.padding;
    }
    if (!m.weight)
        m.weight = heed_param_make(params, heed_param_name(params, name, "weight"), HEED_SHAPE(desc.count, desc.dim),
                                   desc.init);
    return m;
}

heed_var *heed_embedding_forward(const heed_embedding *m, const heed_ids *ids)
{
    heed_tape *tape = layer_tape("embedding", m->weight, ids ? &ids->tape : NULL);
    if (!tape)
        return NULL;
    return heed_embed(heed_param_on(tape, m->weight), ids,
                      (heed_embed_desc){ .has_padding = m->has_padding, .padding = m->padding, .scale = m->scale });
}
