/* For tests of optimisers: parameters, and gradients that did not come from a tape. */
#ifndef OPTIM_CASES_H
#define OPTIM_CASES_H

#include "check.h"

/* Parameters p0, p1, ... of the given sizes, normal with deviation 1. */
static inline heed_params *make_params(const int64_t *sizes, int count, uint64_t seed)
{
    heed_params *params = heed_params_new();
    for (int i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "p%d", i);
        heed_param_make(params, name, HEED_SHAPE(sizes[i]), (heed_init){ HEED_INIT_NORMAL, .scale = 1 });
    }
    assert_true(heed_params_init(params, seed));
    return params;
}

/* Puts gradients where a backward pass would: those of parameters in `mask`. */
static inline void give_gradients(heed_params *params, const double *g, unsigned mask)
{
    heed_grads *grads = heed_params_grads(params);
    for (int i = 0; i < heed_params_count(params); i++) {
        const heed_param *p = heed_params_at(params, i);
        if (!(mask >> i & 1))
            continue;
        for (int64_t k = 0; k < heed_shape_numel(p->shape); k++)
            heed_grads_data(grads)[p->offset + k] = (heed_real)g[p->offset + k];
        heed_grads_empty(grads)[i] = false;
    }
    *heed_grads_backwards(grads) += 1;
}

#endif
