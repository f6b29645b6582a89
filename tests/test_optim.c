/* Optimisers against PyTorch's numbers, against a second implementation in double, and with several threads. */
#include "check.h"
#include "optim_cases.h"
#include "optim_golden.h"
#include "tensor/kernels.h"

static const heed_rng rng = { .seed = 20, .stream = 3 };
static uint64_t drawn;

static double normal(void)
{
    return heed_rng_normal(rng, drawn++);
}

static int64_t below(int64_t n)
{
    return (int64_t)heed_rng_below(rng, drawn++, (uint64_t)n);
}

/* ---- PyTorch's numbers ------------------------------------------------------------------------------------------ */
static double quadratic(const golden_case *c, const heed_real *x, double *g)
{
    double loss = 0;
    for (int i = 0; i < c->n; i++) {
        double ax = 0;
        for (int j = 0; j < c->n; j++)
            ax += c->A[i * c->n + j] * (double)x[j];
        g[i] = ax - c->b[i];
        loss += (double)x[i] * (ax / 2 - c->b[i]);
    }
    return loss;
}

static void test_golden_trajectories(void **state)
{
    (void)state;
    const double tolerance = sizeof(heed_real) == 8 ? 1e-12 : 2e-6;
    for (size_t at = 0; at < sizeof golden_cases / sizeof *golden_cases; at++) {
        const golden_case *c = &golden_cases[at];
        heed_params *params = make_params((const int64_t[]){ c->n }, 1, 1);
        heed_real *x = heed_params_values(params);
        for (int i = 0; i < c->n; i++)
            x[i] = (heed_real)c->x[0][i];
        heed_adamw opt = heed_adamw_make(params, c->desc);
        double loss = 0, g[GOLDEN_MOST];
        for (int step = 1; step <= 10; step++) {
            loss = quadratic(c, x, g);
            give_gradients(params, g, 1);
            assert_true(heed_adamw_step(&opt));
            int row = step == 1 ? 1 : step == 5 ? 2 : step == 10 ? 3 : 0;
            for (int i = 0; row && i < c->n; i++)
                check_close((double)x[i], c->x[row][i], tolerance);
        }
        check_close(loss, c->loss, tolerance * 5);
        for (int i = 0; i < c->n; i++) {
            check_close((double)opt.m[i], c->m[i], tolerance * 5);
            check_close((double)opt.v[i], c->v[i], tolerance);
        }
        heed_params_free(params);
    }
}

static void test_golden_clipping(void **state)
{
    (void)state;
    const double tolerance = sizeof(heed_real) == 8 ? 1e-15 : 1e-7;
    for (size_t at = 0; at < sizeof golden_clips / sizeof *golden_clips; at++) {
        const golden_clip *c = &golden_clips[at];
        heed_params *params = make_params(c->sizes, c->count, 1);
        const heed_real *g = heed_grads_data(heed_params_grads(params));
        give_gradients(params, c->g, 7);
        double scale = fmin(1, c->norm); /* "tiny" needs a tolerance as tiny */
        check_close(heed_grad_norm(params, 1) / scale, c->norm / scale, tolerance * 10);
        check_close(heed_clip_grad_norm(params, c->max_norm, 1) / scale, c->norm / scale, tolerance * 10);
        for (int64_t i = 0; i < heed_params_numel(params); i++)
            check_close((double)g[i] / scale, c->out[i] / scale, tolerance * 10);
        if (c->norm < c->max_norm)
            for (int64_t i = 0; i < heed_params_numel(params); i++)
                assert_true(g[i] == (heed_real)c->g[i]);
        heed_params_free(params);
    }
}

/* ---- a second implementation ------------------------------------------------------------------------------------ */
enum { CASES = 250, PARAMS = 6, STEPS = 4 };

/* One parameter set with reference values beside it, as the formulas say, in double and in no hurry. */
typedef struct {
    double *x, *m, *v, *g;
} reference;

static reference reference_new(heed_params *params)
{
    size_t n = (size_t)heed_params_numel(params);
    reference r = { calloc(n, sizeof(double)), calloc(n, sizeof(double)), calloc(n, sizeof(double)),
                    calloc(n, sizeof(double)) };
    for (size_t i = 0; i < n; i++)
        r.x[i] = (double)heed_params_values(params)[i];
    return r;
}

static void reference_free(reference r)
{
    free(r.x);
    free(r.m);
    free(r.v);
    free(r.g);
}

/* Random gradients into r.g and into the params, for the parameters in mask; returns min(1, clip / (norm + 1e-6)). */
static double reference_gradients(reference r, heed_params *params, unsigned mask, double clip, double *norm)
{
    long double sum = 0;
    for (int p = 0; p < heed_params_count(params); p++) {
        const heed_param *param = heed_params_at(params, p);
        for (int64_t k = 0; k < heed_shape_numel(param->shape); k++) {
            double g = (double)(heed_real)normal();
            r.g[param->offset + k] = g;
            if (mask >> p & 1)
                sum += (long double)g * (long double)g;
        }
    }
    give_gradients(params, r.g, mask);
    *norm = (double)sqrtl(sum);
    return clip > 0 ? fmin(1, clip / (*norm + 1e-6)) : 1;
}

static void reference_adamw(reference r, const heed_param *p, const heed_adamw_desc *d, double lr, int step, double c)
{
    for (int64_t i = p->offset; i < p->offset + heed_shape_numel(p->shape); i++) {
        double g = r.g[i] * c;
        if (d->coupled)
            g += d->weight_decay * r.x[i];
        else
            r.x[i] -= lr * d->weight_decay * r.x[i];
        r.m[i] = d->beta1 * r.m[i] + (1 - d->beta1) * g;
        r.v[i] = d->beta2 * r.v[i] + (1 - d->beta2) * g * g;
        double mean = r.m[i] / (1 - pow(d->beta1, step)), variance = r.v[i] / (1 - pow(d->beta2, step));
        r.x[i] -= lr * mean / (sqrt(variance) + d->eps);
    }
}

static void reference_sgd(reference r, const heed_param *p, const heed_sgd_desc *d, double lr, double c)
{
    for (int64_t i = p->offset; i < p->offset + heed_shape_numel(p->shape); i++) {
        double g = r.g[i] * c + d->weight_decay * r.x[i];
        r.m[i] = d->momentum * r.m[i] + g;
        r.x[i] -= lr * (d->nesterov ? g + d->momentum * r.m[i] : r.m[i]);
    }
}

/* Sizes so that blocks begin and end inside parameters, and parameters inside blocks. */
static heed_params *random_params(void)
{
    int64_t sizes[PARAMS];
    int count = (int)(1 + below(PARAMS));
    for (int i = 0; i < count; i++)
        sizes[i] = below(3) ? 1 + below(40) : below(4) ? 1 + below(9000) : 4096 * (1 + below(2));
    return make_params(sizes, count, drawn);
}

static void check_values(heed_params *params, const heed_real *got, const double *want)
{
    const double tolerance = sizeof(heed_real) == 8 ? 1e-12 : 1e-5;
    for (int64_t i = 0; i < heed_params_numel(params); i++)
        if (!(fabs((double)got[i] - want[i]) <= tolerance * fmax(1, fabs(want[i]))))
            check_close((double)got[i], want[i], tolerance);
}

static void test_adamw_formula(void **state)
{
    (void)state;
    for (int at = 0; at < CASES; at++) {
        heed_params *params = random_params();
        heed_adamw_desc desc = { .lr = 0.01 + 0.02 * (double)below(5), .weight_decay = 0.1 * (double)below(3) };
        desc.beta1 = 0.5 + 0.1 * (double)below(5);
        desc.beta2 = 0.9 + 0.02 * (double)below(5);
        desc.eps = below(2) ? 1e-3 : 1e-8;
        desc.coupled = below(2);
        desc.clip = below(2) ? 0.5 * (double)(1 + below(400)) : 0;
        heed_adamw opt = heed_adamw_make(params, desc);
        opt.threads = (int)(1 + below(3));
        reference r = reference_new(params);
        for (int step = 1; step <= STEPS; step++) {
            unsigned mask = (unsigned)(below(1 << PARAMS) | 1);
            double norm, factor = reference_gradients(r, params, mask, desc.clip, &norm);
            opt.lr = desc.lr / step;
            assert_true(heed_adamw_step(&opt));
            check_close(opt.norm, norm, 1e-12);
            for (int p = 0; p < heed_params_count(params); p++)
                if (mask >> p & 1)
                    reference_adamw(r, heed_params_at(params, p), &desc, opt.lr, step, factor);
            check_values(params, heed_params_values(params), r.x);
            check_values(params, opt.m, r.m);
            check_values(params, opt.v, r.v);
        }
        reference_free(r);
        heed_params_free(params);
    }
}

static void test_sgd_formula(void **state)
{
    (void)state;
    for (int at = 0; at < CASES; at++) {
        heed_params *params = random_params();
        heed_sgd_desc desc = { .lr = 0.1 * (double)(1 + below(5)), .weight_decay = 0.05 * (double)below(3) };
        desc.momentum = 0.3 * (double)below(4);
        desc.nesterov = desc.momentum > 0 && below(2);
        desc.clip = below(2) ? 0.5 * (double)(1 + below(400)) : 0;
        heed_sgd opt = heed_sgd_make(params, desc);
        opt.threads = (int)(1 + below(3));
        reference r = reference_new(params);
        for (int step = 1; step <= STEPS; step++) {
            unsigned mask = (unsigned)(below(1 << PARAMS) | 1);
            double norm, factor = reference_gradients(r, params, mask, desc.clip, &norm);
            assert_true(heed_sgd_step(&opt));
            check_close(opt.norm, norm, 1e-12);
            for (int p = 0; p < heed_params_count(params); p++)
                if (mask >> p & 1)
                    reference_sgd(r, heed_params_at(params, p), &desc, opt.lr, factor);
            check_values(params, heed_params_values(params), r.x);
            check_values(params, opt.m, r.m);
        }
        assert_int_equal(opt.step, STEPS);
        reference_free(r);
        heed_params_free(params);
    }
}

/* ---- threads ---------------------------------------------------------------------------------------------------- */
/* Two steps of both optimisers on one slab; the values come back in x [numel], the norm after them. */
static void two_steps(const int64_t *sizes, int count, uint64_t seed, int threads, heed_real *x, double *norm)
{
    heed_params *params = make_params(sizes, count, seed);
    heed_adamw adamw = heed_adamw_make(params, (heed_adamw_desc){ .lr = 0.01, .clip = 1, .weight_decay = 0.01 });
    heed_sgd sgd = heed_sgd_make(params, (heed_sgd_desc){ .lr = 0.1, .momentum = 0.9, .clip = 2 });
    adamw.threads = sgd.threads = threads;
    heed_grads *grads = heed_params_grads(params);
    for (int step = 0; step < 2; step++) {
        heed_tensor g = heed_tensor_wrap(heed_grads_data(grads), HEED_SHAPE(heed_params_numel(params)));
        assert_true(heed_tensor_normal(g, (heed_rng){ .seed = seed, .step = (uint32_t)step }, 0, 1));
        for (int i = 0; i < count; i++)
            heed_grads_empty(grads)[i] = i % 3 == 2;
        *heed_grads_backwards(grads) = 1;
        assert_true(step ? heed_sgd_step(&sgd) : heed_adamw_step(&adamw));
    }
    memcpy(x, heed_params_values(params), (size_t)heed_params_numel(params) * sizeof *x);
    *norm = sgd.norm + adamw.norm;
    heed_params_free(params);
}

static void test_threads_give_the_same_bits(void **state)
{
    (void)state;
    enum { MOST = 3 * 45000 };
    heed_real *x = malloc(2 * MOST * sizeof *x);
    for (int at = 0; at < 200; at++) {
        int count = (int)(1 + below(3));
        int64_t sizes[3], numel = 0;
        for (int i = 0; i < count; i++)
            numel += sizes[i] = 1 + below(at % 5 ? 12000 : 45000);
        double norm, again;
        two_steps(sizes, count, (uint64_t)at, 1, x, &norm);
        for (int threads = 2; threads <= 4; threads++) {
            two_steps(sizes, count, (uint64_t)at, threads, x + MOST, &again);
            assert_memory_equal(x, x + MOST, (size_t)numel * sizeof *x);
            assert_memory_equal(&norm, &again, sizeof norm);
        }
    }
    free(x);
}

/* ---- kernels ---------------------------------------------------------------------------------------------------- */
static void test_pieces_of_every_length(void **state)
{
    (void)state;
    enum { MOST = 150 };
    heed_real x[MOST], y[MOST], z[MOST];
    const heed_real *const all[] = { x, y, x };
    for (int n = 0; n <= MOST; n++) {
        double sum = 0;
        for (int i = 0; i < MOST; i++) {
            x[i] = (heed_real)normal();
            y[i] = z[i] = i < n ? (heed_real)NAN : 7;
        }
        for (int i = 0; i < n; i++)
            sum += (double)x[i] * (double)x[i];
        check_close(k_sum_squares(x, n), sum, 1e-14);
        k_add_all(y, 0, (heed_real)0.5, all, 1, n); /* overwrites, whatever was there */
        k_add_all(z, 0, 1, all, 1, n);
        k_add_all(z, 3, 2, all, 3, n);
        k_scale(y, 4, n);
        for (int i = 0; i < MOST; i++) {
            check_close((double)y[i], i < n ? 2 * (double)x[i] : 7, CHECK_EPS);
            check_close((double)z[i], i < n ? 8 * (double)x[i] : 7, CHECK_EPS);
        }
    }
    x[70] = (heed_real)NAN;
    assert_true(isnan(k_sum_squares(x, MOST)) && !isnan(k_sum_squares(x, 70)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_trajectories),
        cmocka_unit_test(test_golden_clipping),
        cmocka_unit_test(test_adamw_formula),
        cmocka_unit_test(test_sgd_formula),
        cmocka_unit_test(test_threads_give_the_same_bits),
        cmocka_unit_test(test_pieces_of_every_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
