/* Agreement across a distance: how often decisions are right, and by how much a head prefers what controls them to what
 * could mislead it (the attractor margin), by the number of attractors in between and by distance. */
#include "json.h"

#include <math.h>

/* Bounds of the buckets, the last one open, as `evaluate` has them (docs/evaluation.md). */
enum { BY_ATTRACTORS, BY_DISTANCE, WAYS, BUCKETS = 4 };
static const struct {
    const char *name, *buckets[BUCKETS];
    int most[BUCKETS];
} ways[WAYS] = { { "attractors", { "0", "1", "2", "3+" }, { 0, 1, 2, INT16_MAX } },
                 { "distance", { "0-2", "3-5", "6-8", "9+" }, { 2, 5, 8, INT16_MAX } } };

bool decisions_fit(const heed_inspection *x)
{
    for (int64_t i = 0; i < x->desc.decisions_count; i++) {
        const heed_decision *d = &x->desc.decisions[i];
        if (d->sentence < 0 || d->sentence >= x->measured_count)
            return heed_fail(HEED_BAD_ARGUMENT, "inspect: decision %lld is of no measured sentence", (long long)i);
        for (int k = 0; k < HEED_DECISION_ARCS; k++)
            if (d->arcs[k] < 0 || d->arcs[k] > x->measured[d->sentence]->arcs_count)
                return heed_fail(HEED_BAD_ARGUMENT, "inspect: decision %lld is of arc %d, of %lld", (long long)i,
                                 d->arcs[k], (long long)x->measured[d->sentence]->arcs_count);
    }
    return true;
}

/* ---- margins of arcs ------------------------------------------------------------------------------------------------ */

bool margins_start(const heed_inspection *x, table *t)
{
    int64_t arcs = 0, widest = 0;
    t->first_arc = heed_arena_alloc(x->arena, x->measured_count * (int64_t)sizeof *t->first_arc);
    for (int64_t i = 0; t->first_arc && i < x->measured_count; arcs += x->measured[i++]->arcs_count)
        t->first_arc[i] = arcs;
    for (int type = 0; type < 3; type++)
        widest = t->heads[type] > widest ? t->heads[type] : widest;
    t->widest = widest;
    t->margins = heed_arena_alloc(x->arena, arcs * widest * (int64_t)sizeof *t->margins);
    for (int64_t i = 0; t->margins && i < arcs * widest; i++)
        t->margins[i] = (double)NAN;
    return t->first_arc && t->margins;
}

static int64_t place_of(const heed_inspection *x, const table *t, int64_t sentence, const heed_arc *arc, int64_t slot)
{
    return (t->first_arc[sentence] + (arc - x->measured[sentence]->arcs)) * t->widest + slot;
}

void margin_keep(spot at, const heed_inspection *x, const heed_arc *arc, double margin)
{
    if (at.t->margins && at.slot < at.t->heads[at.type])
        at.t->margins[place_of(x, at.t, at.sentence, arc, at.slot)] = margin;
}

static const heed_arc *arc_of(const heed_inspection *x, const heed_decision *d, int type)
{
    const heed_sentence *s = x->measured[d->sentence];
    for (int i = 0; i < HEED_DECISION_ARCS; i++)
        if (d->arcs[i] > 0 && (int)s->arcs[d->arcs[i] - 1].type == type)
            return &s->arcs[d->arcs[i] - 1];
    return NULL;
}

/* Of a decision's arc of the head's type; NaN: it has none, or that has no attractors. */
static double margin_of(const heed_inspection *x, const heed_decision *d, int64_t i)
{
    const table *t = x->trained;
    heed_head head = head_at(x, i);
    const heed_arc *arc = arc_of(x, d, (int)head.type);
    int64_t slot = head.layer * (t->heads[head.type] / t->layers[head.type]) + head.head;
    return arc ? t->margins[place_of(x, t, d->sentence, arc, slot)] : (double)NAN;
}

/* ---- buckets -------------------------------------------------------------------------------------------------------- */

typedef struct {
    const heed_inspection *x;
    int phenomenon, way, bucket;
    double *sums, *weights; /* [measured] */
} bucket;

static bool is_in(const bucket *b, const heed_decision *d)
{
    int value = b->way == BY_ATTRACTORS ? d->attractors : d->distance;
    return d->distance > 0 && d->phenomenon == b->phenomenon && value <= ways[b->way].most[b->bucket] &&
           (b->bucket == 0 || value > ways[b->way].most[b->bucket - 1]);
}

enum { FORCED = -2, FREE = -1 }; /* the others are heads */

/* The mean over the bucket's decisions of what is asked for. */
static effect mean_of(bucket *b, int64_t what, int64_t *n)
{
    const heed_inspection *x = b->x;
    *n = 0;
    for (int64_t i = 0; i < x->measured_count; i++)
        b->sums[i] = b->weights[i] = 0;
    for (int64_t i = 0; i < x->desc.decisions_count; i++) {
        const heed_decision *d = &x->desc.decisions[i];
        if (!is_in(b, d))
            continue;
        double one = what >= 0        ? margin_of(x, d, what)
                     : !x->ablations  ? (double)NAN
                     : what == FORCED ? x->ablations->base.forced[i]
                                      : x->ablations->base.free[i];
        b->sums[d->sentence] += isnan(one) ? 0 : one;
        b->weights[d->sentence] += !isnan(one);
        *n += !isnan(one);
    }
    return effect_of(b->sums, b->weights, x->measured_count, x->draws);
}

static json_t *share_json(const effect *e)
{
    return isnan(e->value)
               ? json_null()
               : json_pack("{s:o, s:o, s:o}", "value", json_of(e->value), "lo", json_of(e->lo), "hi", json_of(e->hi));
}

static int64_t size_of(const bucket *b)
{
    int64_t n = 0;
    for (int64_t i = 0; i < b->x->desc.decisions_count; i++)
        n += is_in(b, &b->x->desc.decisions[i]);
    return n;
}

static json_t *bucket_json(bucket *b)
{
    const heed_inspection *x = b->x;
    int64_t arcs[3] = { 0 }, n;
    effect forced = mean_of(b, FORCED, &n), freely = mean_of(b, FREE, &n);
    json_t *values = json_array(), *lo = json_array(), *hi = json_array();
    for (int64_t head = 0; head < heads_count(x); head++) {
        heed_attention_type type = head_at(x, head).type;
        effect e = mean_of(b, head, &n);
        json_push(&values, json_of(e.value));
        json_push(&lo, json_of(e.lo));
        json_push(&hi, json_of(e.hi));
        arcs[type] = n > arcs[type] ? n : arcs[type]; /* less of a head whose row there is a sink */
    }
    return json_pack("{s:s, s:s, s:s, s:I, s:o, s:o, s:{s:I, s:I, s:I}, s:{s:o, s:o, s:o}}", "code",
                     x->desc.phenomena[b->phenomenon], "by", ways[b->way].name, "bucket",
                     ways[b->way].buckets[b->bucket], "n", (json_int_t)size_of(b), "forced", share_json(&forced),
                     "free", share_json(&freely), "arcs", "enc", (json_int_t)arcs[0], "dec", (json_int_t)arcs[1],
                     "cross", (json_int_t)arcs[2], "margin", "value", values, "lo", lo, "hi", hi);
}

json_t *agreement_json(const heed_inspection *x)
{
    heed_arena_mark mark = heed_arena_marked(x->arena);
    double *room = heed_arena_alloc(x->arena, 2 * x->measured_count * (int64_t)sizeof *room);
    bucket b = { .x = x, .sums = room, .weights = room ? room + x->measured_count : NULL };
    json_t *list = room ? json_array() : NULL;
    for (b.phenomenon = 0; room && b.phenomenon < x->desc.phenomena_count; b.phenomenon++)
        for (b.way = 0; b.way < WAYS; b.way++)
            for (b.bucket = 0; b.bucket < BUCKETS; b.bucket++)
                if (size_of(&b) > 0)
                    json_push(&list, bucket_json(&b));
    heed_arena_rewind(x->arena, mark);
    if (!list || json_array_size(list) > 0)
        return list;
    json_decref(list);
    return json_null();
}
