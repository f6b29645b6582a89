/* Optimisers: gradients in, new values out. A step is two passes over the slab: the norm, which also shows whether every
 * gradient is finite and is left out if the caller knows it, and the update, where a piece of x, m, v and g is read and
 * written once.
 *
 * Everything that can refuse a step comes before the second pass. */
#include <math.h>

#include "slab.h"
#include "../tensor/internal.h"
#include "../tensor/kernels.h"

/* ---- checks ----------------------------------------------------------------------------------------------------- */
/* low <= value < high */
static bool in_range(const char *who, const char *what, double value, double low, double high, const char *range)
{
    if (value >= low && value < high)
        return true;
    return heed_fail(HEED_BAD_ARGUMENT, "%s: %s is %g, want %s", who, what, value, range);
}

static bool check_desc(const char *who, const heed_params *params, double lr, double weight_decay, double clip)
{
    if (!params)
        return heed_fail(HEED_BAD_ARGUMENT, "%s: params is NULL", who);
    if (lr == 0)
        return heed_fail(HEED_BAD_ARGUMENT, "%s: lr is missing (1e-3 is a start); a schedule may set .lr to 0 later",
                         who);
    return in_range(who, "lr", lr, 0, HUGE_VAL, "a positive number") &&
           in_range(who, "weight_decay", weight_decay, 0, HUGE_VAL, "0 or more") &&
           in_range(who, "clip", clip, 0, HUGE_VAL, "0 (none) or a positive norm");
}

/* Zeroed moments, laid out like the slab. */
static heed_real *make_moments(heed_params *params)
{
    if (!heed_params_values(params)) /* not initialised; says so */
        return NULL;
    return heed_params_alloc(params, heed_params_numel(params) * (int64_t)sizeof(heed_real));
}

static double clip_factor(double clip, double norm)
{
    return clip > 0 && clip < norm + 1e-6 ? clip / (norm + 1e-6) : 1;
}

/* What comes before the first write: norm and factor receive the gradient's norm and what clipping makes of it. A known
 * norm is used up, even by a step that is refused. */
static bool begin_step(const char *who, heed_params *params, double lr, double clip, int threads, double *known,
                       double *norm, heed_real *factor)
{
    static const char hint[] = "nothing was changed; heed_grads_clear(heed_params_grads(params)) skips the step";
    double found = *known;
    *known = 0;
    if (!params)
        return heed_fail(HEED_BAD_STATE, "%s: the optimiser was not made", who);
    if (!in_range(who, "lr", lr, 0, HUGE_VAL, "0 or more"))
        return false;
    if (*heed_grads_backwards(heed_params_grads(params)) == 0)
        return heed_fail(HEED_BAD_STATE, "%s: no backward pass was completed since the last step; nothing was changed",
                         who);
    if (found == 0 && !slab_norm(params, threads, &found))
        return false;
    if (!(found >= 0 && isfinite(found))) {
        if (slab_check_finite(params, who, hint))
            heed_fail(HEED_BAD_STATE, "%s: the gradient's norm is %g; %s", who, found, hint);
        return false;
    }
    *norm = found;
    *factor = (heed_real)clip_factor(clip, found);
    return true;
}

static void end_step(heed_params *params)
{
    heed_params_changed(params);
    heed_grads_clear(heed_params_grads(params));
}

/* ---- AdamW ------------------------------------------------------------------------------------------------------ */
heed_adamw_desc heed_adamw_defaults(void)
{
    return (heed_adamw_desc){ .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8 };
}

heed_adamw heed_adamw_make(heed_params *params, heed_adamw_desc desc)
{
    static const char who[] = "adamw";
    heed_adamw opt = { 0 };
    if (desc.beta1 == 0 && desc.beta2 == 0) {
        desc.beta1 = heed_adamw_defaults().beta1;
        desc.beta2 = heed_adamw_defaults().beta2;
    }
    if (desc.eps == 0)
        desc.eps = heed_adamw_defaults().eps;
    if (!check_desc(who, params, desc.lr, desc.weight_decay, desc.clip))
        return opt;
    if (desc.beta1 == 0 || desc.beta2 == 0) {
        heed_fail(HEED_BAD_ARGUMENT, "%s: beta1 is %g and beta2 is %g; set both or neither (1e-30 acts as 0)", who,
                  desc.beta1, desc.beta2);
        return opt;
    }
    if (!in_range(who, "beta1", desc.beta1, 0, 1, "0 <= beta1 < 1") ||
        !in_range(who, "beta2", desc.beta2, 0, 1, "0 <= beta2 < 1") ||
        !in_range(who, "eps", desc.eps, 0, HUGE_VAL, "a positive number"))
        return opt;
    heed_real *m = make_moments(params), *v = m ? make_moments(params) : NULL;
    if (!v)
        return opt;
    opt = (heed_adamw){ .params = params, .desc = desc, .lr = desc.lr, .m = m, .v = v };
    return opt;
}

/* The slab and its companions during one pass. */
typedef struct {
    heed_real *x, *m, *v;
    const heed_real *g;
    k_adamw_rates rates;
} adamw_pass;

static double adamw_piece(slab_piece piece, void *context)
{
    adamw_pass *pass = context;
    int64_t at = piece.from;
    k_adamw(pass->x + at, pass->m + at, pass->v + at, pass->g + at, piece.count, &pass->rates);
    return 0;
}

bool heed_adamw_step(heed_adamw *opt)
{
    static const char who[] = "adamw_step";
    heed_real factor = 1;
    if (!begin_step(who, opt->params, opt->lr, opt->desc.clip, opt->threads, &opt->known_norm, &opt->norm, &factor))
        return false;
    const heed_adamw_desc *d = &opt->desc;
    double t = (double)(opt->step + 1), decay = d->coupled ? 0 : d->weight_decay;
    heed_grads *grads = heed_params_grads(opt->params);
    adamw_pass pass = { .x = heed_params_values(opt->params), .m = opt->m, .v = opt->v, .g = heed_grads_data(grads) };
    pass.rates = (k_adamw_rates){
        .clip = factor,
        .keep = (heed_real)(1 - opt->lr * decay),
        .l2 = (heed_real)(d->weight_decay - decay),
        .beta1 = (heed_real)d->beta1,
        .one_less_beta1 = (heed_real)(1 - d->beta1),
        .beta2 = (heed_real)d->beta2,
        .one_less_beta2 = (heed_real)(1 - d->beta2),
        .rate = (heed_real)(opt->lr / (1 - pow(d->beta1, t))),
        .unbias = (heed_real)(1 / sqrt(1 - pow(d->beta2, t))),
        .eps = (heed_real)d->eps,
    };
    if (!slab_pass(opt->params, heed_grads_empty(grads), opt->threads, adamw_piece, &pass, NULL))
        return false;
    opt->step++;
    end_step(opt->params);
    return true;
}

/* ---- SGD -------------------------------------------------------------------------------------------------------- */
heed_sgd heed_sgd_make(heed_params *params, heed_sgd_desc desc)
{
    static const char who[] = "sgd";
    heed_sgd opt = { 0 };
    if (!check_desc(who, params, desc.lr, desc.weight_decay, desc.clip) ||
        !in_range(who, "momentum", desc.momentum, 0, 1, "0 <= momentum < 1"))
        return opt;
    if (desc.nesterov && desc.momentum == 0) {
        heed_fail(HEED_BAD_ARGUMENT, "%s: nesterov needs a momentum (0.9 is usual)", who);
        return opt;
    }
    heed_real *m = make_moments(params);
    if (!m)
        return opt;
    opt = (heed_sgd){ .params = params, .desc = desc, .lr = desc.lr, .m = m };
    return opt;
}

typedef struct {
    heed_real *x, *m;
    const heed_real *g;
    k_sgd_rates rates;
} sgd_pass;

static double sgd_piece(slab_piece piece, void *context)
{
    sgd_pass *pass = context;
    int64_t at = piece.from;
    k_sgd(pass->x + at, pass->m + at, pass->g + at, piece.count, &pass->rates);
    return 0;
}

bool heed_sgd_step(heed_sgd *opt)
{
    static const char who[] = "sgd_step";
    heed_real factor = 1;
    if (!begin_step(who, opt->params, opt->lr, opt->desc.clip, opt->threads, &opt->known_norm, &opt->norm, &factor))
        return false;
    heed_grads *grads = heed_params_grads(opt->params);
    sgd_pass pass = { .x = heed_params_values(opt->params), .m = opt->m, .g = heed_grads_data(grads) };
    pass.rates = (k_sgd_rates){
        .clip = factor,
        .l2 = (heed_real)opt->desc.weight_decay,
        .momentum = (heed_real)opt->desc.momentum,
        .rate = (heed_real)opt->lr,
        .nesterov = opt->desc.nesterov,
    };
    if (!slab_pass(opt->params, heed_grads_empty(grads), opt->threads, sgd_piece, &pass, NULL))
        return false;
    opt->step++;
    end_step(opt->params);
    return true;
}

/* ---- clipping --------------------------------------------------------------------------------------------------- */
double heed_grad_norm(heed_params *params, int threads)
{
    double norm;
    if (params && slab_norm(params, threads, &norm))
        return norm;
    if (!params)
        heed_fail(HEED_BAD_ARGUMENT, "grad_norm: params is NULL");
    return (double)NAN;
}

typedef struct {
    heed_real *g, factor;
} scale_pass;

static double scale_piece(slab_piece piece, void *context)
{
    scale_pass *pass = context;
    k_scale(pass->g + piece.from, pass->factor, piece.count);
    return 0;
}

double heed_clip_grad_norm(heed_params *params, double max_norm, int threads)
{
    double norm = heed_grad_norm(params, threads);
    if (!(max_norm > 0)) {
        heed_fail(HEED_BAD_ARGUMENT, "clip_grad_norm: max_norm is %g, want a positive norm", max_norm);
        return (double)NAN;
    }
    if (!isfinite(norm)) /* nothing to scale by; the optimiser will refuse the step */
        return norm;
    heed_grads *grads = heed_params_grads(params);
    double factor = clip_factor(max_norm, norm);
    scale_pass pass = { .g = heed_grads_data(grads), .factor = (heed_real)factor };
    if (factor < 1 && !slab_pass(params, heed_grads_empty(grads), threads, scale_piece, &pass, NULL))
        return (double)NAN;
    return norm;
}
