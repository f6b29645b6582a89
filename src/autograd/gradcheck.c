/* Gradient checks: backward against central differences, for any function of tensors.
 *
 * With random numbers c of the output's shape, the derivative of sum(c fn(x)) along a direction u is
 *
 *     d(h) = sum c (- f(x + 2hu) + 8 f(x + hu) - 8 f(x - hu) + f(x - 2hu)) / 12h      (error of order h^4)
 *
 * where the differences are taken output by output, so that outputs that do not move cancel exactly. u is one element of
 * one input at a time, or, for large inputs, a random direction of length 1. A smooth function gives the same d for h and
 * h/2, and a bend (f(x + hu) - 2 f(x) + f(x - hu)) / h in proportion to h; if not, x is at a kink, and the check says so
 * instead of comparing nonsense. */
#include "internal.h"
#include "../tensor/internal.h"

#include <math.h>
#include <string.h>

bool heed_gradcheck(heed_gradcheck_fn *fn, void *context, const heed_named_tensor *inputs, int n_inputs,
                    heed_gradcheck_desc desc, heed_gradcheck_report *report)
{
    return heed_gradcheck_with(fn, context, inputs, n_inputs, NULL, 0, desc, report);
}

#ifndef HEED_DOUBLE

bool heed_gradcheck_with(heed_gradcheck_fn *fn, void *context, const heed_named_tensor *inputs, int n_inputs,
                         const heed_external *externals, int n_externals, heed_gradcheck_desc desc,
                         heed_gradcheck_report *report)
{
    (void)fn, (void)context, (void)inputs, (void)n_inputs, (void)externals, (void)n_externals, (void)desc;
    if (report)
        *report = (heed_gradcheck_report){ 0 };
    return heed_fail(HEED_UNSUPPORTED,
                     "gradcheck: this is the float build, whose differences keep about three digits: too "
                     "few to tell a wrong gradient; use libheed64 (pkg-config heed64, -DHEED_DOUBLE)");
}

#else

/* An input or an external: what is varied, and what backward says about it. */
typedef struct {
    const char *name;
    heed_tensor value;             /* contiguous; an input's is our copy */
    double *gradient;              /* [numel] */
    double *origin;                /* [numel], the values as given */
    const heed_external *external; /* NULL: an input */
    double *grad_before;           /* what external->grad held; NULL: nothing */
    uint64_t backwards_before;
} subject;

typedef struct {
    heed_gradcheck_fn *fn;
    void *context;
    heed_gradcheck_desc desc;
    heed_gradcheck_report *report;
    heed_tape *tape;
    heed_arena *arena;
    subject *subjects; /* inputs first */
    int n_inputs, n_subjects;
    heed_var **leaves;
    heed_shape shape;  /* of the output */
    double *c;         /* [output] */
    double *still;     /* [output]: fn of the values as given */
    double *moved[4];  /* [output] each: at 1, -1, 2, -2 steps */
    double *direction; /* [largest subject] */
} check;

/* ---- setting up ---------------------------------------------------------------------------------------------------- */

static bool settle(heed_gradcheck_desc *desc)
{
    if (!(desc->step >= 0 && desc->absolute >= 0 && desc->relative >= 0 && desc->full >= 0) || isinf(desc->step))
        return heed_fail(HEED_BAD_ARGUMENT,
                         "gradcheck: step %g, absolute %g, relative %g, full %lld: none may be negative", desc->step,
                         desc->absolute, desc->relative, (long long)desc->full);
    if (desc->directions != 0 && desc->directions < 8)
        return heed_fail(HEED_BAD_ARGUMENT, "gradcheck: %d directions; fewer than 8 miss faults", desc->directions);
    desc->step = desc->step > 0 ? desc->step : 1e-4;
    desc->absolute = desc->absolute > 0 ? desc->absolute : 1e-8;
    desc->relative = desc->relative > 0 ? desc->relative : 1e-6;
    desc->full = desc->full ? desc->full : 512;
    desc->directions = desc->directions ? desc->directions : 8;
    return true;
}

static double *numbers(check *k, int64_t n)
{
    return heed_arena_alloc(k->arena, n * (int64_t)sizeof(double));
}

static bool add_subject(check *k, const char *name, heed_tensor value, const heed_external *external)
{
    subject *s = &k->subjects[k->n_subjects];
    if (!heed_tensor_ok(value))
        return heed_fail(HEED_BAD_ARGUMENT, "gradcheck: %s \"%s\" is not a valid tensor",
                         external ? "external" : "input", name ? name : "");
    if (external && !external->empty)
        return heed_fail(HEED_BAD_ARGUMENT, "gradcheck: external \"%s\" has a gradient but no flag `empty` for it",
                         name ? name : "");
    int64_t n = heed_tensor_numel(value);
    *s = (subject){ .name = name ? name : "", .value = value, .external = external };
    if (!external && !heed_tensor_ok(s->value = heed_tensor_contiguous_copy(k->arena, value)))
        return false;
    if (!(s->gradient = numbers(k, n)) || !(s->origin = numbers(k, n)))
        return false;
    if (external && !*external->empty && !(s->grad_before = numbers(k, n)))
        return false;
    memcpy(s->origin, s->value.data, (size_t)n * sizeof *s->origin);
    if (s->grad_before)
        memcpy(s->grad_before, external->grad, (size_t)n * sizeof *s->grad_before);
    if (external && external->backwards)
        s->backwards_before = *external->backwards;
    k->n_subjects++;
    return true;
}

/* Gives externals their values and gradients back. */
static void put_back(check *k)
{
    for (int i = k->n_inputs; i < k->n_subjects; i++) {
        subject *s = &k->subjects[i];
        size_t bytes = (size_t)heed_tensor_numel(s->value) * sizeof *s->origin;
        memcpy(s->value.data, s->origin, bytes);
        if (s->grad_before)
            memcpy(s->external->grad, s->grad_before, bytes);
        *s->external->empty = !s->grad_before;
        if (s->external->backwards)
            *s->external->backwards = s->backwards_before;
    }
}

/* ---- one evaluation ------------------------------------------------------------------------------------------------ */

/* fn on the subjects' present values; NULL on failure. Every evaluation draws the same random numbers. */
static heed_var *evaluate(check *k)
{
    heed_tape_reset(k->tape);
    heed_tape_place(k->tape, 0, 0);
    for (int i = 0; i < k->n_inputs; i++) {
        subject *s = &k->subjects[i];
        k->leaves[i] = heed_named(heed_leaf(k->tape, s->value.shape, s->value.data), s->name);
        if (!k->leaves[i])
            return NULL;
    }
    heed_var *out = k->fn(k->tape, k->leaves, k->context);
    if (!out && !heed_error_pending())
        heed_fail(HEED_BAD_ARGUMENT, "gradcheck: fn returned NULL without an error");
    return out;
}

static bool evaluate_into(check *k, double *y)
{
    heed_var *out = evaluate(k);
    if (!out)
        return false;
    if (!heed_shape_equal(out->value.shape, k->shape))
        return heed_fail(HEED_BAD_STATE, "gradcheck: %s: fn is not deterministic: its output changed shape",
                         k->report->op);
    return heed_tensor_copy(heed_tensor_wrap(y, k->shape), out->value);
}

/* The output's shape, room for outputs, c; and twice the same output. */
static bool first_evaluations(check *k)
{
    heed_var *out = evaluate(k);
    if (!out)
        return false;
    snprintf(k->report->op, sizeof k->report->op, "%s", out->root->kind);
    k->shape = out->value.shape;
    int64_t n = heed_tensor_numel(out->value), bad;
    bool finite = heed_tensor_finite(out->value, &bad);
    if (!finite)
        return heed_fail(HEED_BAD_STATE, "gradcheck: %s: output element %lld is not finite", k->report->op,
                         (long long)bad);
    k->c = numbers(k, n);
    k->still = numbers(k, n);
    for (int i = 0; i < 4; i++)
        if (!(k->moved[i] = numbers(k, n)))
            return false;
    heed_rng rng = { .seed = k->desc.seed, .stream = heed_rng_stream("gradcheck.cotangent") };
    if (!k->c || !k->still || !heed_tensor_copy(heed_tensor_wrap(k->still, k->shape), out->value) ||
        !heed_tensor_normal(heed_tensor_wrap(k->c, k->shape), rng, 0, 1) || !evaluate_into(k, k->moved[0]))
        return false;
    for (int64_t i = 0; i < n; i++)
        if (memcmp(k->still + i, k->moved[0] + i, sizeof(double)) != 0)
            return heed_fail(HEED_BAD_STATE,
                             "gradcheck: %s: fn is not deterministic: element %lld was %.17g, then %.17g",
                             k->report->op, (long long)i, k->still[i], k->moved[0][i]);
    return true;
}

/* Every subject's gradient, by one backward pass from c. */
static bool run_backward(check *k)
{
    for (int i = k->n_inputs; i < k->n_subjects; i++)
        *k->subjects[i].external->empty = true;
    heed_var *out = evaluate(k);
    if (!out || !heed_backward_from(out, k->c))
        return false;
    for (int i = 0; i < k->n_subjects; i++) {
        subject *s = &k->subjects[i];
        size_t bytes = (size_t)heed_tensor_numel(s->value) * sizeof *s->gradient;
        const double *from = s->external ? s->external->grad : heed_grad(k->leaves[i]).data;
        if (!from)
            return false;
        if (s->external && *s->external->empty)
            memset(s->gradient, 0, bytes);
        else
            memcpy(s->gradient, from, bytes);
    }
    return true;
}

/* ---- differences --------------------------------------------------------------------------------------------------- */

typedef struct {
    double slope, bend;
} change;

/* d(h) and the bend along a direction, or along one element (direction NULL). */
static bool difference(check *k, subject *s, int64_t element, const double *direction, double h, change *d)
{
    static const int steps[4] = { 1, -1, 2, -2 };
    double *x = s->value.data, slope = 0, bend = 0;
    int64_t n = heed_tensor_numel(s->value), outputs = heed_shape_numel(k->shape);
    if (!direction)
        h = (s->origin[element] + h) - s->origin[element]; /* a step that x + h really makes */
    for (int i = 0; i < 4; i++) {
        for (int64_t j = 0; direction && j < n; j++)
            x[j] = s->origin[j] + steps[i] * h * direction[j];
        if (!direction)
            x[element] = s->origin[element] + steps[i] * h;
        if (!evaluate_into(k, k->moved[i]))
            return false;
    }
    memcpy(x, s->origin, (size_t)n * sizeof *x);
    for (int64_t i = 0; i < outputs; i++) {
        double up = k->moved[0][i], down = k->moved[1][i];
        slope += k->c[i] * (8 * (up - down) - (k->moved[2][i] - k->moved[3][i]));
        bend += k->c[i] * ((up - k->still[i]) + (down - k->still[i]));
    }
    *d = (change){ slope / (12 * h), bend / h };
    return true;
}

static bool at_kink(change whole, change half)
{
    double limit = 1e-6 * fmax(1, fabs(whole.slope));
    return !(fabs(whole.slope - half.slope) <= limit && fabs(whole.bend - 2 * half.bend) <= limit);
}

/* Differences at h and h/2 agree with each other and with `analytic`. */
static bool compare(check *k, subject *s, int64_t element, const double *direction, double h, double analytic)
{
    heed_gradcheck_report *r = k->report;
    change whole, half, tenth;
    if (!difference(k, s, element, direction, h, &whole) || !difference(k, s, element, direction, h / 2, &half))
        return false;
    double numeric = whole.slope, limit = k->desc.absolute + k->desc.relative * fabs(numeric);
    double ratio = fabs(analytic - numeric) / limit;
    r->checked++;
    if (!(ratio <= r->worst))
        r->worst = ratio;
    if (!at_kink(whole, half) && ratio <= 1)
        return true;
    snprintf(r->input, sizeof r->input, "%s", s->name);
    r->element = element;
    r->direction = direction != NULL;
    r->analytic = analytic;
    r->numeric = numeric;
    const char *place = direction ? "direction" : "element";
    if (at_kink(whole, half))
        return heed_fail(
            HEED_BAD_STATE,
            "gradcheck: %s: kink at input \"%s\", %s %lld: slope %.9g and bend %.3g, with half the step %.9g and "
            "%.3g; choose values away from kinks, or a smaller step",
            r->op, s->name, place, (long long)element, whole.slope, whole.bend, half.slope, half.bend);
    if (!difference(k, s, element, direction, h / 10, &tenth))
        return false;
    return heed_fail(
        HEED_BAD_ARGUMENT,
        "gradcheck: %s: input \"%s\", %s %lld: backward gives %.12g, differences %.12g (half the step: %.12g, "
        "a tenth: %.12g)",
        r->op, s->name, place, (long long)element, analytic, numeric, half.slope, tenth.slope);
}

/* One element at a time, with h in proportion to it. */
static bool check_elements(check *k, subject *s)
{
    int64_t n = heed_tensor_numel(s->value);
    for (int64_t i = 0; i < n; i++)
        if (!compare(k, s, i, NULL, k->desc.step * fmax(1, fabs(s->origin[i])), s->gradient[i]))
            return false;
    return true;
}

/* Random signed directions of length 1, in which each element moves in proportion to itself. */
static bool check_directions(check *k, subject *s)
{
    int64_t n = heed_tensor_numel(s->value);
    heed_rng rng = { .seed = k->desc.seed, .stream = heed_rng_stream(s->name) };
    for (int d = 0; d < k->desc.directions; d++) {
        double squares = 0, analytic = 0;
        rng.row = (uint32_t)d;
        if (!heed_tensor_normal(heed_tensor_wrap(k->direction, HEED_SHAPE(n)), rng, 0, 1))
            return false;
        for (int64_t i = 0; i < n; i++)
            squares += k->direction[i] * k->direction[i];
        for (int64_t i = 0; i < n; i++) {
            k->direction[i] *= fmax(1, fabs(s->origin[i])) / sqrt(squares);
            analytic += s->gradient[i] * k->direction[i];
        }
        if (!compare(k, s, d, k->direction, k->desc.step, analytic))
            return false;
    }
    return true;
}

/* ---- the whole ----------------------------------------------------------------------------------------------------- */

static bool begin(check *k, const heed_named_tensor *inputs, const heed_external *externals, int n_externals)
{
    int64_t n_subjects = (int64_t)k->n_inputs + n_externals, largest = 0;
    k->arena = heed_arena_new();
    k->tape = heed_tape_new((heed_tape_desc){ .seed = k->desc.seed });
    if (!k->arena || !k->tape)
        return false;
    k->subjects = heed_arena_alloc(k->arena, n_subjects * (int64_t)sizeof *k->subjects);
    k->leaves = heed_arena_alloc(k->arena, k->n_inputs * (int64_t)sizeof(heed_var *));
    if (!k->subjects || !k->leaves)
        return false;
    for (int i = 0; i < k->n_inputs; i++)
        if (!add_subject(k, inputs[i].name, inputs[i].values, NULL))
            return false;
    for (int i = 0; i < n_externals; i++)
        if (externals[i].grad && !add_subject(k, externals[i].name, externals[i].value, &externals[i]))
            return false;
    for (int i = 0; i < k->n_subjects; i++)
        if (heed_tensor_numel(k->subjects[i].value) > largest)
            largest = heed_tensor_numel(k->subjects[i].value);
    return (k->direction = numbers(k, largest)) != NULL;
}

static bool run(check *k)
{
    if (!first_evaluations(k) || !run_backward(k))
        return false;
    for (int i = 0; i < k->n_subjects; i++) {
        subject *s = &k->subjects[i];
        bool small = heed_tensor_numel(s->value) <= k->desc.full;
        if (!(small ? check_elements : check_directions)(k, s))
            return false;
    }
    return true;
}

bool heed_gradcheck_with(heed_gradcheck_fn *fn, void *context, const heed_named_tensor *inputs, int n_inputs,
                         const heed_external *externals, int n_externals, heed_gradcheck_desc desc,
                         heed_gradcheck_report *report)
{
    heed_gradcheck_report own;
    check k = { .fn = fn, .context = context, .desc = desc, .report = report ? report : &own, .n_inputs = n_inputs };
    *k.report = (heed_gradcheck_report){ 0 };
    if (!fn || n_inputs < 0 || n_externals < 0 || (n_inputs && !inputs) || (n_externals && !externals))
        return heed_fail(HEED_BAD_ARGUMENT, "gradcheck: fn, inputs or externals are missing");
    if (!settle(&k.desc))
        return false;
    bool fine = begin(&k, inputs, externals, n_externals) && run(&k);
    put_back(&k);
    heed_tape_free(k.tape);
    heed_arena_free(k.arena);
    return fine;
}

#endif
