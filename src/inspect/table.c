/* The table of measures: sums and weights by measure, head and sentence; the numbers, and their intervals, are quotients
 * of their totals. The bootstrap draws sentences (Efron 1979; percentiles of RESAMPLES draws), the same for all. */
#include "internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const variant_names[VARIANTS] = { "raw", "content", "eos-null" };
const char *const type_names[3] = { "enc", "dec", "cross" };

enum { E = 1, D = 2, C = 4, SELF = E | D, ALL = E | D | C };
enum { R = 1 << RAW, K = 1 << CONTENT, RK = R | K, LINKS = K | 1 << EOS_NULL };
#define OPEN ((double)INFINITY)
#define ROW(name, id, types, variants, subs, form, n, low, high, text) \
    { id, types, variants, subs, form, M_##n, low, high, text },
const measure_info measure_infos[MEASURES] = { MEASURE_LIST(ROW) };

/* ---- columns ----------------------------------------------------------------------------------------------------- */

static int subs_of(const table *t, measure_subs subs, int type)
{
    return subs == SUB_ONE ? 1 : subs == SUB_OFFSETS ? OFFSETS : subs == SUB_ALIGN ? 4 : t->arc_count[type];
}

/* The kinds of arcs that occur in each type; all but enc have both shifts. */
static bool find_arcs(table *t, heed_arena *arena, const heed_inspection *x)
{
    int kinds = x->desc.kinds_count;
    for (int type = 0; type < 3; type++) {
        int *subs = t->arc_subs[type] = heed_arena_alloc(arena, kinds * (int64_t)sizeof *subs);
        int16_t *names = heed_arena_alloc(arena, 2 * kinds * (int64_t)sizeof *names);
        if (!subs || !names)
            return false;
        t->arc_kinds[type] = names;
        for (int kind = 0; kind < kinds; kind++)
            subs[kind] = -1;
        for (int64_t i = 0; i < x->desc.measured_count; i++)
            for (int64_t k = 0; k < x->desc.measured[i].arcs_count; k++)
                if ((int)x->desc.measured[i].arcs[k].type == type)
                    subs[x->desc.measured[i].arcs[k].kind] = 0;
        for (int kind = 0; kind < kinds; kind++)
            for (int shift = 0; subs[kind] >= 0 && shift < (type == HEED_ENC ? 1 : 2); shift++) {
                subs[kind] = shift ? subs[kind] : t->arc_count[type];
                names[t->arc_count[type]++] = (int16_t)(2 * kind + shift);
            }
    }
    return true;
}

static void add_columns(table *t, measure_id measure, variant_id variant, int type)
{
    const measure_info *info = &measure_infos[measure];
    int64_t slots = t->heads[type] + 1 + (info->subs == SUB_ALIGN ? t->layers[type] + 2 : 0);
    t->base[measure][variant][type] = t->count;
    for (int sub = 0; sub < subs_of(t, info->subs, type); sub++) {
        if (t->columns)
            t->columns[t->count] = (column){ measure, variant, type, sub, t->slots, slots };
        t->count++;
        t->slots += slots;
    }
}

static void lay_out(table *t, bool few)
{
    t->count = 0;
    t->slots = 0;
    for (int m = 0; m < MEASURES; m++)
        for (int variant = 0; variant < VARIANTS; variant++)
            for (int type = 0; type < 3; type++) {
                bool has = (measure_infos[m].types >> type & 1) && (measure_infos[m].variants >> variant & 1);
                t->base[m][variant][type] = -1;
                if (has && (!few || m == M_AER))
                    add_columns(t, (measure_id)m, (variant_id)variant, type);
            }
}

table *table_new(heed_arena *arena, const heed_inspection *x, int64_t sentences, bool few)
{
    table *t = heed_arena_alloc(arena, (int64_t)sizeof *t);
    if (!t)
        return NULL;
    *t = (table){ .sentences = sentences };
    memcpy(t->heads, x->heads, sizeof t->heads);
    memcpy(t->layers, x->layers, sizeof t->layers);
    if (!find_arcs(t, arena, x))
        return NULL;
    lay_out(t, few); /* once to count, once with the place known */
    t->columns = heed_arena_alloc(arena, t->count * (int64_t)sizeof *t->columns);
    int64_t bytes = t->slots * sentences * (int64_t)sizeof *t->sums;
    t->sums = heed_arena_alloc(arena, bytes);
    t->weights = heed_arena_alloc(arena, bytes);
    if (!t->columns || !t->sums || !t->weights)
        return NULL;
    memset(t->sums, 0, (size_t)bytes);
    memset(t->weights, 0, (size_t)bytes);
    lay_out(t, few);
    return t;
}

int64_t table_slot_uniform(const table *t, int type)
{
    return t->heads[type];
}

void put(spot at, measure_id measure, variant_id variant, int sub, double sum, double weight)
{
    int base = at.t->base[measure][variant][at.type];
    if (base < 0)
        return;
    const column *c = &at.t->columns[base + sub];
    int64_t place = (c->first + at.slot) * at.t->sentences + at.sentence;
    at.t->sums[place] += sum;
    at.t->weights[place] += weight;
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

enum { DRAWS = RESAMPLES + 1 };

double *table_draws(heed_arena *arena, int64_t sentences)
{
    double *draws = heed_arena_alloc(arena, sentences * DRAWS * (int64_t)sizeof *draws);
    heed_rng rng = { .seed = 1, .stream = heed_rng_stream("bootstrap") };
    for (int64_t i = 0; draws && i < sentences * DRAWS; i++)
        draws[i] = i % DRAWS == RESAMPLES;
    for (int r = 0; draws && r < RESAMPLES; r++) {
        rng.row = (uint32_t)r;
        for (int64_t i = 0; i < sentences; i++)
            draws[(int64_t)heed_rng_below(rng, (uint64_t)i, (uint64_t)sentences) * DRAWS + r]++;
    }
    return draws;
}

void quotients(const double *sums, const double *weights, int64_t n, const double *draws, double *out)
{
    double all[DRAWS] = { 0 };
    memset(out, 0, sizeof all);
    for (int64_t i = 0; i < n; i++) {
        const double *times = draws + i * DRAWS;
        for (int r = 0; draws && (sums[i] != 0 || weights[i] != 0) && r < DRAWS; r++) {
            out[r] += times[r] * sums[i];
            all[r] += times[r] * weights[i];
        }
        out[RESAMPLES] += draws ? 0 : sums[i];
        all[RESAMPLES] += draws ? 0 : weights[i];
    }
    for (int r = 0; r < DRAWS; r++)
        out[r] = all[r] != 0 ? out[r] / all[r] : (double)NAN;
}

static void add_quotients(const table *t, int64_t slot, const double *draws, double *out)
{
    quotients(t->sums + slot * t->sentences, t->weights + slot * t->sentences, t->sentences, draws, out);
}

static const column *sibling(const table *t, const column *c, measure_id measure)
{
    return &t->columns[t->base[measure][c->variant][c->type] + c->sub];
}

/* A head's share of the root of its layer's squares. */
static void divide_by_layer(const table *t, const column *c, int64_t slot, const double *draws, double *out)
{
    double squares[DRAWS] = { 0 }, other[DRAWS];
    int64_t per_layer = t->heads[c->type] / t->layers[c->type], from = slot / per_layer * per_layer;
    for (int64_t i = from; i < from + per_layer; i++) {
        add_quotients(t, c->first + i, draws, other);
        for (int r = 0; r < DRAWS; r++)
            squares[r] += other[r] * other[r];
    }
    for (int r = 0; r < DRAWS; r++)
        out[r] = squares[r] > 0 ? out[r] / sqrt(squares[r]) : (double)NAN;
}

void table_evaluate(const table *t, const column *c, int64_t slot, const double *draws, double *out)
{
    measure_form form = measure_infos[c->measure].form;
    double other[DRAWS];
    if (form == RESIDUAL || form == OF_LAYER) {
        const column *from = sibling(t, c, form == RESIDUAL ? M_POS_R : M_IMPORTANCE);
        table_evaluate(t, from, slot, draws, out);
        if (form == OF_LAYER && slot < t->heads[c->type])
            divide_by_layer(t, from, slot, draws, out);
        if (form == RESIDUAL)
            table_evaluate(t, sibling(t, c, M_TAG_R), slot, draws, other);
        for (int r = 0; form == RESIDUAL && r < DRAWS; r++)
            out[r] = 1 - (out[r] >= other[r] || isnan(other[r]) ? out[r] : other[r]);
        return;
    }
    if (form == CLIPPED)
        c = sibling(t, c, (measure_id)(c->measure + 1));
    add_quotients(t, c->first + slot, draws, out);
    for (int r = 0; form != MEAN && r < DRAWS; r++)
        out[r] = 1 - out[r];
    for (int r = 0; form == CLIPPED && r < DRAWS; r++)
        out[r] = out[r] > 0 || isnan(out[r]) ? out[r] : 0;
}

double table_value(const table *t, const column *c, int64_t slot)
{
    double values[DRAWS];
    table_evaluate(t, c, slot, NULL, values);
    return values[RESAMPLES];
}

/* The k-th smallest, which then stands at k (Hoare 1961). */
static double nth(double *x, int n, int k)
{
    for (int from = 0, to = n - 1; from < to;) {
        double pivot = x[from + (to - from) / 2];
        int i = from - 1, j = to + 1;
        for (;;) {
            while (x[++i] < pivot)
                ;
            while (x[--j] > pivot)
                ;
            if (i >= j)
                break;
            double moved = x[i];
            x[i] = x[j];
            x[j] = moved;
        }
        if (k <= j)
            to = j;
        else
            from = j + 1;
    }
    return x[k];
}

void percentiles(double *values, double *lo, double *hi)
{
    int n = 0;
    for (int r = 0; r < RESAMPLES; r++)
        if (!isnan(values[r]))
            values[n++] = values[r];
    *lo = n ? nth(values, n, n / 40) : (double)NAN;
    *hi = n ? nth(values, n, n - 1 - n / 40) : (double)NAN;
}

heed_measure table_measure(const table *t, const column *c, int64_t slot, const double *draws)
{
    double values[DRAWS], n = 0;
    heed_measure m = { .chance = (double)NAN, .untrained = (double)NAN };
    table_evaluate(t, c, slot, draws, values);
    m.value = values[RESAMPLES];
    percentiles(values, &m.lo, &m.hi);
    const double *weights = t->weights + (sibling(t, c, measure_infos[c->measure].n)->first + slot) * t->sentences;
    for (int64_t i = 0; i < t->sentences; i++) {
        n += weights[i];
        m.sentences += weights[i] != 0;
    }
    m.n = llround(n);
    return m;
}
