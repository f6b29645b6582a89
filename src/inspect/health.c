/* What a user should know before believing a picture: invariants that every record must keep, and signs that there is
 * little to see. And the rows in which each head looked hardest. */
#include "internal.h"

#include <math.h>
#include <string.h>

static const double ROW_SUM = 1e-4, UNTRAINED = 0.02;

/* ---- every record -------------------------------------------------------------------------------------------------- */

watch *watch_new(heed_arena *arena, const heed_inspection *x)
{
    watch *w = heed_arena_alloc(arena, (int64_t)sizeof *w);
    int64_t bytes = heads_count(x) * TOP * (int64_t)sizeof *w->top;
    if (!w || !(*w = (watch){ .top = heed_arena_alloc(arena, bytes) }).top)
        return NULL;
    memset(w->top, 0, (size_t)bytes);
    return w;
}

/* In order of weight; of equals the earlier one first. */
static void enter(example *top, example e)
{
    for (int k = 0; k < TOP; k++)
        if (e.weight > top[k].weight) {
            example moved = top[k];
            top[k] = e;
            e = moved;
        }
}

void watch_add(watch *to, const watch *from, int64_t heads)
{
    to->loss += from->loss;
    for (int i = 0; i < FAULTS; i++)
        to->faults[i] += from->faults[i];
    for (int64_t i = 0; i < heads * TOP; i++)
        enter(to->top + i / TOP * TOP, from->top[i]);
}

static void check_row(watch *w, const heed_real *row, int64_t valid, int64_t keys)
{
    double sum = 0;
    for (int64_t j = 0; j < keys; j++) {
        w->faults[FAULT_NAN] += !isfinite((double)row[j]);
        w->faults[FAULT_MASK] += j >= valid && row[j] != 0;
        sum += (double)row[j];
    }
    w->faults[FAULT_SUM] += !(fabs(sum - 1) <= ROW_SUM);
}

void watch_scene(scene *c, watch *w)
{
    int64_t head = 0;
    for (int type = 0; type < 3; type++) {
        field f = field_of(c->s, type);
        for (int64_t h = 0; h < c->x->heads[type]; h++, head++)
            for (int64_t i = 0; i < f.query->count; i++) {
                const heed_real *row = record_row(&c->r, type, h, i);
                check_row(w, row, field_valid(&f, i), f.key->count);
                if (view_content(&c->a, &f, row, i) != ROW_COUNTS || c->a.n < 2)
                    continue;
                int32_t best = c->a.key[view_best(&c->a)];
                enter(w->top + head * TOP, (example){ c->s, (int32_t)i, best, (double)row[best] });
            }
    }
}

/* ---- what one change may change -------------------------------------------------------------------------------------- */

static bool same_bits(const heed_record *a, const heed_record *b, int type, int64_t heads, int64_t rows)
{
    for (int64_t h = 0; h < heads; h++)
        for (int64_t i = 0; i < rows; i++)
            if (memcmp(record_row(a, type, h, i), record_row(b, type, h, i),
                       (size_t)record_keys(a, type) * sizeof(heed_real)) != 0)
                return false;
    return true;
}

/* Another last word may change no earlier row of the decoder. */
static bool causal_holds(scene *c, bool *holds)
{
    int64_t T = c->s->tgt.count;
    heed_record other;
    int32_t *tgt = heed_arena_alloc(c->arena, T * (int64_t)sizeof *tgt);
    if (!tgt)
        return false;
    memcpy(tgt, c->s->tgt.ids, (size_t)T * sizeof *tgt);
    tgt[T - 1] = tgt[T - 1] > 0 ? tgt[T - 1] - 1 : 1 % (int32_t)c->net->desc.tgt_vocab;
    if (!scene_record(c, c->s->src.ids, tgt, 0, &other))
        return false;
    *holds = same_bits(&c->r, &other, HEED_DEC, c->x->heads[HEED_DEC], T - 1) &&
             same_bits(&c->r, &other, HEED_CROSS, c->x->heads[HEED_CROSS], T - 1) &&
             same_bits(&c->r, &other, HEED_ENC, c->x->heads[HEED_ENC], c->s->src.count);
    return true;
}

/* A head switched off changes no layer below it, nor its own; a decoder's head, nothing of the encoder. */
static bool gate_holds(scene *c, int64_t i, bool *holds)
{
    const heed_inspection *x = c->x;
    heed_head head = head_at(x, i);
    heed_record other;
    heed_ablated *off = heed_ablate(c->net, &head, 1, HEED_ABLATE_ZERO, NULL);
    bool done = off && scene_record(c, c->s->src.ids, c->s->tgt.ids, 0, &other);
    heed_ablate_undo(off);
    *holds = done;
    for (int type = 0; done && type < 3; type++) {
        int64_t layers = head.layer + 1; /* up to its own */
        if (head.type == HEED_ENC)
            layers = type == HEED_ENC ? layers : type == HEED_DEC ? 1 : 0;
        else if (type == HEED_ENC)
            layers = x->layers[HEED_ENC];
        else if (head.type == HEED_DEC && type == HEED_CROSS)
            layers = head.layer;
        *holds = *holds && same_bits(&c->r, &other, type, layers * c->r.heads, record_queries(&c->r, type));
    }
    return done;
}

/* Softmax of q k over the keys that may be seen must give the weights. */
static double worst_product(const heed_record *r)
{
    double worst = 0;
    for (int type = 0; type < 3; type++)
        for (int64_t h = 0; h < r->layers[type] * r->heads; h++)
            for (int64_t i = 0; i < record_queries(r, type); i++) {
                int64_t keys = record_keys(r, type), valid = type == HEED_DEC ? i + 1 : keys;
                const heed_real *q = r->q[type] + (h * record_queries(r, type) + i) * r->d;
                double all = 0;
                for (int pass = 0; pass < 2; pass++)
                    for (int64_t j = 0; j < valid; j++) {
                        double score = 0;
                        for (int64_t k = 0; k < r->d; k++)
                            score += (double)q[k] * (double)r->k[type][(h * keys + j) * r->d + k];
                        double e = exp(score / sqrt((double)r->d));
                        double off = pass ? fabs(e / all - (double)record_row(r, type, h, i)[j]) : 0;
                        all += pass ? 0 : e;
                        worst = off > worst ? off : worst;
                    }
            }
    return worst;
}

/* ---- findings ------------------------------------------------------------------------------------------------------ */

static void find(heed_inspection *x, const char *level, const char *code, int64_t head, const char *text)
{
    if (x->findings_count == FINDINGS)
        return;
    finding *f = &x->findings[x->findings_count++];
    *f = (finding){ .level = level, .code = code, .head = head };
    snprintf(f->text, sizeof f->text, "%s", text);
}

static bool find_changes(heed_inspection *x, scene *c)
{
    bool holds = true;
    if (!causal_holds(c, &holds))
        return false;
    if (!holds)
        find(x, "error", "causal", -1, "a later word changes an earlier row of the decoder");
    for (int64_t i = 0; i < heads_count(x); i++) {
        if (!gate_holds(c, i, &holds))
            return false;
        if (!holds)
            find(x, "error", "gate", i, "switching it off changes what does not depend on it");
    }
    double off = worst_product(&c->r);
    if (!(off <= (sizeof(heed_real) == 8 ? 1e-9 : 1e-4)))
        find(x, "error", "product", -1, "the recorded queries and keys do not give the recorded weights");
    return true;
}

static void find_untrained(heed_inspection *x)
{
    int64_t n = heads_count(x), flat = 0;
    char text[128];
    for (int64_t i = 0; i < n; i++) {
        flat += measure_at(x, M_UNIFORMITY, RAW, 0, i)->value < UNTRAINED;
        double sinks = measure_at(x, M_SINK_ROW_RATE, RAW, 0, i)->value;
        snprintf(text, sizeof text, "%.0f %% of its rows look at special tokens almost only", 100 * sinks);
        if (sinks > 0.5)
            find(x, "info", "sink", i, text);
    }
    snprintf(text, sizeof text, "%lld of %lld heads are within 2 %% of uniform%s", (long long)flat, (long long)n,
             2 * flat > n ? "; the model looks untrained" : "");
    if (flat)
        find(x, 2 * flat > n ? "warning" : "info", "untrained", -1, text);
}

bool health_run(heed_inspection *x)
{
    static const char *const codes[FAULTS] = { "nan", "mask", "sum" };
    static const char *const texts[FAULTS] = { "weights are not finite", "weights are not 0 where a mask forbids",
                                               "rows do not sum to 1" };
    char text[128];
    for (int i = 0; i < FAULTS; i++) {
        snprintf(text, sizeof text, "%lld %s", (long long)x->watch->faults[i], texts[i]);
        if (x->watch->faults[i])
            find(x, "error", codes[i], -1, text);
    }
    for (int k = 0; k < x->desc.others_count * FAULTS; k++) {
        int64_t faults = x->others[k / FAULTS].faults[k % FAULTS];
        snprintf(text, sizeof text, "the other model \"%.40s\": %lld %s", x->desc.others[k / FAULTS].name,
                 (long long)faults, texts[k % FAULTS]);
        if (faults)
            find(x, "error", "other", -1, text);
    }
    if (x->measured_count < 10)
        find(x, "info", "few", -1, "so few sentences were measured that intervals say little");
    else
        find_untrained(x);
    snprintf(text, sizeof text, "%d of %d arrays do not fit into the page and are left out", x->blocks_left_out,
             x->blocks_count + x->blocks_left_out);
    if (x->blocks_left_out)
        find(x, "info", "left-out", -1, text);
    const heed_sentence *s = x->measured_count ? x->measured[0] : x->desc.shown_count ? &x->desc.shown[0] : NULL;
    scene c;
    bool done = !s || (scene_start(&c, x, x->desc.net) && (c.s = s) &&
                       scene_record(&c, s->src.ids, s->tgt.ids, 0, &c.r) && find_changes(x, &c));
    if (s)
        scene_free(&c);
    return done;
}
