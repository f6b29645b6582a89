/* Switching heads off, and what that costs: the loss, whole sentences, and each phenomenon. An ablation is an edit of the
 * parameters, so whatever runs the network afterwards runs it without those heads:
 *
 *     zero      columns of Wo = 0                 mean    and the bias gets Wo (mean output)
 *     uniform   rows of Wq and its bias = 0, so all scores are equal */
#include "internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct heed_ablated {
    heed_params *params;
    heed_real values[];
};

static void close_head(const heed_attention *m, int head, const double *mean)
{
    heed_tensor w = heed_param_value(m->out.weight);
    int64_t D = m->d_model, d = D / m->heads;
    heed_real *bias = mean ? heed_param_value(m->out.bias).data : NULL;
    for (int64_t row = 0; row < D; row++)
        for (int64_t k = 0; k < d; k++) {
            heed_real *cell = &w.data[row * D + head * d + k];
            if (mean)
                bias[row] += (heed_real)((double)*cell * mean[k]);
            *cell = 0;
        }
}

static void flatten_head(const heed_attention *m, int head)
{
    int64_t D = m->d_model, d = D / m->heads;
    heed_real *wq = heed_param_value(m->in_weight ? m->in_weight : m->q_weight).data; /* Wq comes first */
    memset(wq + head * d * D, 0, (size_t)(d * D) * sizeof *wq);
    if (m->in_bias)
        memset(heed_param_value(m->in_bias).data + head * d, 0, (size_t)d * sizeof *wq);
}

static bool is_head(const heed_transformer *net, heed_head head)
{
    heed_shape_buffer name;
    int layers = head.type == HEED_ENC ? net->encoder.n_layers : net->decoder.n_layers;
    return ((unsigned)head.type < 3 && head.layer >= 0 && head.layer < layers && head.head >= 0 &&
            head.head < net->desc.layer.heads) ||
           heed_fail(HEED_BAD_ARGUMENT, "ablate: there is no head %s",
                     heed_head_name(head.type, head.layer, head.head, &name));
}

heed_ablated *heed_ablate(const heed_transformer *net, const heed_head *heads, int count, heed_ablation how,
                          const heed_inspection *x)
{
    int64_t bytes = heed_params_numel(net->params) * (int64_t)sizeof(heed_real);
    for (int i = 0; i < count; i++)
        if (!is_head(net, heads[i]))
            return NULL;
    if (how == HEED_ABLATE_MEAN && (!x || !attention_of(net, HEED_ENC, 0)->out.bias)) {
        heed_fail(HEED_BAD_ARGUMENT, "ablate: the mean output needs %s", x ? "a bias to put it in" : "an inspection");
        return NULL;
    }
    heed_ablated *kept = memory_get((int64_t)sizeof *kept + bytes);
    if (!kept)
        return NULL;
    kept->params = net->params;
    memcpy(kept->values, heed_params_values(net->params), (size_t)bytes);
    for (int i = 0; i < count; i++) {
        const heed_attention *m = attention_of(net, (int)heads[i].type, heads[i].layer);
        if (how == HEED_ABLATE_UNIFORM)
            flatten_head(m, heads[i].head);
        else
            close_head(m, heads[i].head,
                       how == HEED_ABLATE_MEAN ? templates_mean(x->templates, heads[i], (int)m->heads) : NULL);
    }
    heed_params_changed(net->params);
    return kept;
}

void heed_ablate_undo(heed_ablated *kept)
{
    if (!kept)
        return;
    memcpy(heed_params_values(kept->params), kept->values,
           (size_t)heed_params_numel(kept->params) * sizeof *kept->values);
    heed_params_changed(kept->params);
    memory_put(kept);
}

heed_head head_at(const heed_inspection *x, int64_t i)
{
    int type = HEED_ENC;
    while (type < HEED_CROSS && i >= x->heads[type])
        i -= x->heads[type++];
    int64_t per_layer = x->heads[type] / x->layers[type];
    return (heed_head){ (heed_attention_type)type, (int)(i / per_layer), (int)(i % per_layer) };
}

bool heed_head_named(const heed_transformer *net, const char *name, heed_head *out)
{
    heed_shape_buffer buffer;
    for (int type = 0; type < 3; type++)
        for (int layer = 0; layer < (type ? net->decoder.n_layers : net->encoder.n_layers); layer++)
            for (int head = 0; head < net->desc.layer.heads; head++)
                if (strcmp(heed_head_name((heed_attention_type)type, layer, head, &buffer), name) == 0) {
                    *out = (heed_head){ (heed_attention_type)type, layer, head };
                    return true;
                }
    return heed_fail(HEED_BAD_ARGUMENT, "there is no head \"%.60s\"; they are enc.L.H, dec.L.H and cross.L.H", name);
}

int64_t heads_count(const heed_inspection *x)
{
    return x->heads[HEED_ENC] + x->heads[HEED_DEC] + x->heads[HEED_CROSS];
}

/* ---- outcomes ---------------------------------------------------------------------------------------------------- */

static bool outcome_new(const heed_inspection *x, heed_outcome *out)
{
    int64_t n = x->measured_count, decisions = x->desc.decisions_count, shown = x->desc.shown_count;
    int64_t doubles = n + shown + decisions + n * HEED_SCORE_PARTS;
    int64_t bytes = doubles * (int64_t)sizeof(double) + n + 2 * decisions + shown * (int64_t)sizeof(char *);
    char *room = heed_arena_alloc(x->arena, bytes);
    if (!room)
        return false;
    memset(room, 0, (size_t)bytes);
    out->loss = (double *)(void *)room;
    out->shown_loss = out->loss + n;
    out->margin = out->shown_loss + shown;
    out->parts = out->margin + decisions;
    out->texts = (char **)(void *)(out->parts + n * HEED_SCORE_PARTS);
    out->exact = (bool *)(out->texts + shown);
    out->forced = out->exact + n;
    out->free = out->forced + decisions;
    out->arena = x->arena;
    return true;
}

static bool tally_of(const heed_inspection *x, const heed_outcome *o, tally *t)
{
    int phenomena = x->desc.phenomena_count;
    t->forced = heed_arena_alloc(x->arena, 3 * phenomena * (int64_t)sizeof(double));
    if (!t->forced)
        return false;
    memset(t->forced, 0, 3 * (size_t)phenomena * sizeof(double));
    t->free = t->forced + phenomena;
    t->count = t->free + phenomena;
    t->loss = t->exact = t->decided = 0;
    for (int64_t i = 0; i < x->measured_count; i++) {
        t->loss += o->loss[i] / (double)x->measured_count;
        t->exact += o->exact[i] / (double)x->measured_count;
    }
    for (int64_t i = 0; i < x->desc.decisions_count; i++) {
        int p = x->desc.decisions[i].phenomenon;
        t->forced[p] += o->forced[i];
        t->free[p] += o->free[i];
        t->count[p]++;
        t->decided += o->forced[i] / (double)x->desc.decisions_count;
    }
    for (int p = 0; p < phenomena; p++) {
        t->forced[p] /= t->count[p]; /* NaN of none */
        t->free[p] /= t->count[p];
    }
    return true;
}

/* ---- effects ----------------------------------------------------------------------------------------------------- */

/* Of its values in every resample and, last, itself: the interval is the bootstrap's, p of a normal with its deviation. */
static effect effect_among(double values[RESAMPLES + 1])
{
    double mean = 0, square = 0, n = 0;
    effect e = { .value = values[RESAMPLES], .p = (double)NAN };
    for (int r = 0; r < RESAMPLES; r++)
        if (!isnan(values[r])) {
            n++;
            mean += values[r];
            square += values[r] * values[r];
        }
    double variance = n > 0 ? square / n - mean / n * (mean / n) : 0;
    percentiles(values, &e.lo, &e.hi);
    if (!isnan(e.value))
        e.p = e.value == 0 ? 1 : variance > 0 ? erfc(fabs(e.value) / sqrt(2 * variance)) : 0;
    return e;
}

effect effect_of(const double *change, const double *weight, int64_t count, const double *draws)
{
    double values[RESAMPLES + 1];
    quotients(change, weight, count, draws, values);
    return effect_among(values);
}

double bleu_of(const heed_inspection *x, const heed_outcome *o, int draw)
{
    double sums[HEED_SCORE_PARTS] = { 0 };
    for (int64_t i = 0; i < x->measured_count; i++) {
        double times = x->draws[i * (RESAMPLES + 1) + draw];
        for (int k = 0; times != 0 && k < HEED_SCORE_PARTS; k++)
            sums[k] += times * o->parts[i * HEED_SCORE_PARTS + k];
    }
    return x->desc.bleu(sums, x->desc.context);
}

/* Paired: both of the same resample. */
static effect bleu_effect(const heed_inspection *x, const heed_outcome *base, const heed_outcome *o)
{
    double values[RESAMPLES + 1];
    for (int r = 0; r <= RESAMPLES; r++)
        values[r] = bleu_of(x, o, r) - bleu_of(x, base, r);
    return effect_among(values);
}

int effects_count(const heed_inspection *x)
{
    return EFFECT_FORCED + 3 * x->desc.phenomena_count;
}

/* The effects of one ablation, e [effects_count]; without translations those of exact and free are undefined. */
static bool find_effects(const heed_inspection *x, const heed_outcome *base, const heed_outcome *o, effect *e)
{
    int phenomena = x->desc.phenomena_count;
    int64_t n = x->measured_count;
    heed_arena_mark mark = heed_arena_marked(x->arena);
    double *change = heed_arena_alloc(x->arena, 5 * n * (int64_t)sizeof *change);
    if (!change)
        return false;
    double *free = change + n, *weight = free + n, *margin = weight + n, *with_margin = margin + n;
    for (int i = EFFECT_LOSS; i < effects_count(x); i++)
        e[i] = (effect){ .value = (double)NAN, .p = (double)NAN };
    for (int64_t i = 0; i < n; i++) {
        weight[i] = 1;
        change[i] = o->loss[i] - base->loss[i];
        free[i] = (double)o->exact[i] - (double)base->exact[i];
    }
    for (int p = -1; p < phenomena; p++) {
        e[p < 0 ? EFFECT_LOSS : EFFECT_FORCED + p] = effect_of(change, weight, n, x->draws);
        if (o->translate)
            e[p < 0 ? EFFECT_EXACT : EFFECT_FORCED + phenomena + p] = effect_of(free, weight, n, x->draws);
        if (p >= 0)
            e[EFFECT_FORCED + 2 * phenomena + p] = effect_of(margin, with_margin, n, x->draws);
        memset(change, 0, 5 * (size_t)n * sizeof *change);
        for (int64_t i = 0; i < x->desc.decisions_count; i++) {
            int32_t at = x->desc.decisions[i].sentence;
            if (x->desc.decisions[i].phenomenon != p + 1)
                continue;
            weight[at]++;
            change[at] += (double)o->forced[i] - (double)base->forced[i];
            free[at] += (double)o->free[i] - (double)base->free[i];
            double moved = o->margin[i] - base->margin[i];
            margin[at] += isnan(moved) ? 0 : moved;
            with_margin[at] += !isnan(moved);
        }
    }
    if (o->translate && x->desc.bleu)
        e[EFFECT_BLEU] = bleu_effect(x, base, o);
    heed_arena_rewind(x->arena, mark);
    return true;
}

/* Holm 1979: the k-th smallest of m p-values times m - k + 1, and no smaller than those before; `stride` apart. */
void effects_correct(effect *e, int64_t m, int stride)
{
    double before = 0;
    for (int64_t k = 0; k < m; k++) {
        effect *least = NULL;
        for (int64_t i = 0; i < m; i++)
            if (!e[i * stride].ranked && !isnan(e[i * stride].p) && (!least || e[i * stride].p < least->p))
                least = &e[i * stride];
        if (!least)
            return;
        double adjusted = least->p * (double)(m - k);
        before = adjusted > before ? adjusted : before;
        least->ranked = true;
        least->matters = before < 0.05;
    }
}

/* ---- all of it ----------------------------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The shown sentences without these heads; what is as before is NULL. */
static bool keep(const heed_inspection *x, ablations *a, const int64_t *which, int count, const heed_outcome *o)
{
    heed_shape_buffer one;
    char *name = heed_arena_alloc(x->arena, count * (int64_t)sizeof one.text), *end = name;
    if (!name)
        return false;
    for (int i = 0; i < count; i++) {
        heed_head head = head_at(x, which[i]);
        end += sprintf(end, "%s%s", i ? "," : "", heed_head_name(head.type, head.layer, head.head, &one));
    }
    for (int i = 0; i < a->cached_count; i++)
        if (strcmp(a->cache[i].name, name) == 0)
            return true;
    for (int64_t i = 0; i < x->desc.shown_count; i++)
        if (o->texts[i] && a->base.texts[i] && strcmp(o->texts[i], a->base.texts[i]) == 0)
            o->texts[i] = NULL;
    a->cache[a->cached_count++] = (cached){ name, o->texts, o->shown_loss };
    return true;
}

/* Evaluates with these heads off, sorts their numbers, and keeps what is shown. */
static bool without(const heed_inspection *x, ablations *a, int64_t *which, int count, heed_ablation how,
                    heed_outcome *o)
{
    heed_head *heads = heed_arena_alloc(x->arena, count * (int64_t)sizeof *heads);
    if (!heads || (!o->arena && !outcome_new(x, o)))
        return false;
    if (count)
        qsort(which, (size_t)count, sizeof *which, ascending);
    for (int i = 0; i < count; i++)
        heads[i] = head_at(x, which[i]);
    heed_ablated *off = count ? heed_ablate(x->desc.net, heads, count, how, x) : NULL;
    bool done = (off || !count) && x->desc.evaluate(o, x->desc.context);
    heed_ablate_undo(off);
    return done && (!o->show || !count || keep(x, a, which, count, o));
}

static bool each_head(const heed_inspection *x, ablations *a)
{
    int64_t n = heads_count(x);
    int columns = effects_count(x);
    for (int how = 0; how < SHUFFLED; how++) {
        bool zero = how == HEED_ABLATE_ZERO;
        if (how == HEED_ABLATE_MEAN && !attention_of(x->desc.net, HEED_ENC, 0)->out.bias)
            continue; /* there is no place for a mean output */
        effect *e = heed_arena_alloc(x->arena, n * columns * (int64_t)sizeof *e);
        for (int64_t i = 0; e && i < n; i++) {
            heed_outcome o = { .measure = true, .translate = zero, .show = zero };
            if (!without(x, a, (int64_t[]){ i }, 1, (heed_ablation)how, &o) ||
                !find_effects(x, &a->base, &o, e + i * columns))
                return false;
        }
        for (int k = 0; e && k < columns; k++)
            effects_correct(e + k, n, columns);
        if (!(a->of[how] = e))
            return false;
    }
    return true;
}

/* Heads by rising importance. */
static bool find_order(const heed_inspection *x, ablations *a)
{
    int64_t n = heads_count(x);
    a->order = heed_arena_alloc(x->arena, 2 * n * (int64_t)sizeof *a->order);
    for (int64_t i = 0; a->order && i < n; i++) {
        double one = measure_at(x, M_IMPORTANCE, RAW, 0, i)->value;
        int64_t at = i;
        for (; at > 0 && measure_at(x, M_IMPORTANCE, RAW, 0, a->order[at - 1])->value > one; at--)
            a->order[at] = a->order[at - 1];
        a->order[at] = i;
    }
    return a->order;
}

/* Removing ever more heads: the least important first, and in random orders. */
static bool find_curve(const heed_inspection *x, ablations *a)
{
    int64_t n = heads_count(x), *which = a->order + n;
    a->curve = heed_arena_alloc(x->arena, (n + 1) * (int64_t)sizeof *a->curve);
    a->random_loss = heed_arena_alloc(x->arena, 2 * RANDOM_ORDERS * (n + 1) * (int64_t)sizeof(double));
    int32_t *shuffled = heed_arena_alloc(x->arena, n * (int64_t)sizeof *shuffled);
    if (!a->curve || !a->random_loss || !shuffled)
        return false;
    a->random_decided = a->random_loss + RANDOM_ORDERS * (n + 1);
    for (int r = 0; r <= RANDOM_ORDERS; r++) {
        heed_outcome o = { .measure = true, .translate = r == 0, .show = r == 0 };
        for (int64_t i = 0; i < n; i++)
            shuffled[i] = (int32_t)a->order[i];
        if (r > 0)
            heed_rng_shuffle((heed_rng){ .seed = 1, .stream = heed_rng_stream("ablation"), .row = (uint32_t)r },
                             shuffled, n);
        for (int64_t k = 0; k <= n; k++) {
            tally t;
            for (int64_t i = 0; i < k; i++)
                which[i] = shuffled[i];
            o.arena = o.show ? NULL : o.arena;
            if (!without(x, a, which, (int)k, HEED_ABLATE_ZERO, &o) || !tally_of(x, &o, &t))
                return false;
            if (r == 0)
                a->curve[k] = t;
            else {
                a->random_loss[(r - 1) * (n + 1) + k] = t.loss;
                a->random_decided[(r - 1) * (n + 1) + k] = t.decided;
            }
        }
    }
    return true;
}

/* Pairs of the heads that cost most alone: what both together cost beyond that. Positive: they back each other up. */
static bool find_redundancy(const heed_inspection *x, ablations *a)
{
    int64_t n = heads_count(x), columns = effects_count(x), count = x->measured_count, most[TOGETHER], m = 0;
    const effect *alone = a->of[HEED_ABLATE_ZERO];
    for (int64_t i = 0; i < n; i++) {
        int64_t at = m < TOGETHER ? m++ : TOGETHER;
        for (; at > 0 && alone[most[at - 1] * columns].value < alone[i * columns].value; at--)
            if (at < TOGETHER)
                most[at] = most[at - 1];
        if (at < TOGETHER)
            most[at] = i;
    }
    heed_outcome off[TOGETHER];
    double *change = heed_arena_alloc(x->arena, 2 * count * (int64_t)sizeof *change), *ones = change + count;
    for (int64_t k = 0; change && k < m; k++) {
        off[k] = (heed_outcome){ .measure = true };
        if (!without(x, a, (int64_t[]){ most[k] }, 1, HEED_ABLATE_ZERO, &off[k]))
            return false;
    }
    for (int64_t k = 0; change && k < m; k++)
        for (int64_t l = 0; l < k; l++) {
            heed_outcome both = { .measure = true };
            int64_t *pair = a->pairs[a->pairs_count];
            pair[0] = most[l];
            pair[1] = most[k];
            if (!without(x, a, pair, 2, HEED_ABLATE_ZERO, &both))
                return false;
            for (int64_t i = 0; i < count; i++) {
                change[i] = both.loss[i] - off[k].loss[i] - off[l].loss[i] + a->base.loss[i];
                ones[i] = 1;
            }
            a->redundancy[a->pairs_count++] = effect_of(change, ones, count, x->draws);
        }
    effects_correct(a->redundancy, a->pairs_count, 1);
    return change;
}

static bool whole_layers(const heed_inspection *x, ablations *a)
{
    int64_t *which = a->order + heads_count(x), first = 0;
    for (int type = 0; type < 3; type++)
        for (int64_t layer = 0, per = x->heads[type] / x->layers[type]; layer < x->layers[type];
             layer++, first += per) {
            for (int64_t i = 0; i < per; i++)
                which[i] = first + i;
            if (!ablations_keep(x, a, which, (int)per))
                return false;
        }
    return true;
}

bool ablations_keep(const heed_inspection *x, ablations *a, int64_t *which, int count)
{
    heed_outcome o = { .show = true };
    return count == 0 || without(x, a, which, count, HEED_ABLATE_ZERO, &o);
}

bool ablations_run(heed_inspection *x)
{
    enum { ROLE_SETS = 64 };
    int64_t n = heads_count(x);
    ablations *a = heed_arena_alloc(x->arena, (int64_t)sizeof *a);
    if (!a)
        return false;
    *a = (ablations){ .base = { .measure = true, .translate = true, .show = true } };
    a->cache_room = (int)(2 * n + x->layers[0] + 2 * x->layers[1] + ROLE_SETS);
    a->cache = heed_arena_alloc(x->arena, a->cache_room * (int64_t)sizeof *a->cache);
    x->ablations = a;
    return a->cache && without(x, a, NULL, 0, HEED_ABLATE_ZERO, &a->base) && tally_of(x, &a->base, &a->tally) &&
           each_head(x, a) && shuffled_run(x) && find_order(x, a) && find_curve(x, a) && find_redundancy(x, a) &&
           whole_layers(x, a);
}
