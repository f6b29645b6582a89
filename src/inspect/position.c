/* Does a head look by position or by content? Templates, fitted on other sentences, that know only the distance, or only
 * the two word classes, and what they explain:
 *
 *     PosR = 1 - sum KL(A_i || T_i) / sum KL(A_i || U_i)
 *
 * with T_i the template at row i's keys, U_i uniform; all smoothed by 1e-6. And two changes that keep one of the two:
 * other words of the same classes, and the same words at other positions. */
#include "internal.h"

#include <math.h>
#include <string.h>

static const double SMOOTH = 1e-6;

templates *templates_new(heed_arena *arena, const heed_inspection *x)
{
    int64_t classes = x->desc.classes_count ? x->desc.classes_count + 1 : 0; /* and none */
    templates *t = heed_arena_alloc(arena, (int64_t)sizeof *t);
    if (!t)
        return NULL;
    *t = (templates){ .reach = x->longest, .classes = classes };
    t->cells = 2 * x->longest + 1 + classes * classes;
    t->d = x->desc.net->desc.layer.d_model / x->desc.net->desc.layer.heads;
    for (int type = 0; type < 3; type++) {
        int64_t heads = t->heads[type] = x->heads[type], n = heads * (4 * t->cells + t->d);
        t->sums[type] = heed_arena_alloc(arena, n * (int64_t)sizeof(double));
        if (!t->sums[type])
            return NULL;
        memset(t->sums[type], 0, (size_t)n * sizeof(double));
        t->counts[type] = t->sums[type] + 2 * heads * t->cells;
        t->outputs[type] = t->counts[type] + 2 * heads * t->cells;
    }
    return t;
}

void templates_add(templates *to, const templates *from)
{
    for (int type = 0; type < 3; type++) {
        for (int64_t i = 0; i < from->heads[type] * (4 * from->cells + from->d); i++)
            to->sums[type][i] += from->sums[type][i];
        to->rows[type] += from->rows[type];
    }
}

const double *templates_mean(const templates *t, heed_head head, int per_layer)
{
    return t->outputs[head.type] + (head.layer * per_layer + head.head) * t->d;
}

/* Where a key stands from where its row would be expected to look: 0 .. 2 reach. */
static int64_t offset_cell(const templates *t, const field *f, int64_t i, int64_t j)
{
    double slope = f->query->count > 1 ? (double)(f->key->count - 1) / (double)(f->query->count - 1) : 0;
    return j - (f->type == HEED_CROSS ? llround((double)i * slope) : i) + t->reach;
}

static int64_t class_cell(const templates *t, const field *f, int64_t i, int64_t j)
{
    int64_t query = f->query->classes ? f->query->classes[i] + 1 : 0;
    int64_t key = f->key->classes ? f->key->classes[j] + 1 : 0;
    return 2 * t->reach + 1 + query * t->classes + key;
}

typedef int64_t cell_fn(const templates *t, const field *f, int64_t i, int64_t j);

/* The row as raw (0) or content (1); false: it does not count. */
static bool row_in(scene *c, const field *f, int64_t slot, int64_t i, int variant)
{
    const heed_real *row = scene_row(c, f->type, slot, i);
    if (variant == CONTENT)
        return view_content(&c->a, f, row, i) == ROW_COUNTS && c->a.n > 1;
    view_raw(&c->a, f, row, i);
    return c->a.n > 1;
}

static void fit_row(const scene *c, templates *to, const field *f, int64_t head, int variant)
{
    int64_t first = (2 * head + variant) * to->cells;
    for (int64_t j = 0; j < c->a.n; j++) {
        int64_t cells[] = { offset_cell(to, f, c->a.i, c->a.key[j]), class_cell(to, f, c->a.i, c->a.key[j]) };
        for (int k = 0; k < (to->classes ? 2 : 1); k++) {
            to->sums[f->type][first + cells[k]] += c->a.p[j];
            to->counts[f->type][first + cells[k]]++;
        }
    }
}

/* What each head says, summed over rows. */
static void fit_outputs(const scene *c, templates *to, int type)
{
    int64_t queries = record_queries(&c->r, type);
    for (int64_t head = 0; head < to->heads[type]; head++)
        for (int64_t i = 0; i < queries; i++)
            record_say(&c->r, type, head, i, to->outputs[type] + head * c->r.d);
    to->rows[type] += (double)queries;
}

void templates_fit(scene *c, templates *to)
{
    for (int type = 0; type < 3; type++) {
        field f = field_of(c->s, type);
        for (int64_t head = 0; head < to->heads[type]; head++)
            for (int64_t i = 0; i < f.query->count; i++)
                for (int variant = RAW; variant <= CONTENT; variant++)
                    if (row_in(c, &f, head, i, variant))
                        fit_row(c, to, &f, head, variant);
        fit_outputs(c, to, type);
    }
}

/* KL(A || T) and KL(A || U) of a row. */
static void explain_row(const scene *c, const templates *t, const field *f, int64_t head, int variant, cell_fn *cell,
                        double *template_nats, double *uniform_nats)
{
    const double *sums = t->sums[f->type] + (2 * head + variant) * t->cells;
    const double *counts = t->counts[f->type] + (2 * head + variant) * t->cells;
    const view *v = &c->a;
    double n = (double)v->n, all = 0;
    for (int64_t j = 0; j < v->n; j++) {
        int64_t at = cell(t, f, v->i, v->key[j]);
        c->room[j] = (counts[at] > 0 ? sums[at] / counts[at] : 0) + SMOOTH;
        all += c->room[j];
    }
    *template_nats = *uniform_nats = 0;
    for (int64_t j = 0; j < v->n; j++) {
        double a = (v->p[j] + SMOOTH) / (1 + n * SMOOTH);
        *template_nats += a * log(a * all / c->room[j]);
        *uniform_nats += a * log(a * n);
    }
}

void templates_measure(scene *c, table *t, const templates *fitted)
{
    cell_fn *const cells[] = { offset_cell, class_cell };
    static const measure_id measures[] = { M_POS_R_UNCLIPPED, M_TAG_R_UNCLIPPED };
    for (int type = 0; type < 3; type++) {
        field f = field_of(c->s, type);
        for (int64_t head = 0; head < fitted->heads[type]; head++)
            for (int64_t i = 0; i < f.query->count; i++)
                for (int variant = RAW; variant <= CONTENT; variant++)
                    for (int k = 0; k < (fitted->classes ? 2 : 1) && row_in(c, &f, head, i, variant); k++) {
                        double of_template, of_uniform;
                        explain_row(c, fitted, &f, head, variant, cells[k], &of_template, &of_uniform);
                        put((spot){ t, type, head, c->at }, measures[k], (variant_id)variant, 0, of_template,
                            of_uniform);
                    }
    }
}

/* ---- changes ----------------------------------------------------------------------------------------------------- */

static void put_change(scene *c, table *t, const heed_record *other, measure_id measure)
{
    for (int type = 0; type < 3; type++) {
        field f = field_of(c->s, type);
        for (int64_t head = 0; head < t->heads[type]; head++)
            for (int64_t i = 0; i < f.query->count; i++)
                if (field_valid(&f, i) > 1)
                    put((spot){ t, type, head, c->at }, measure, RAW, 0,
                        divergence(record_row(&c->r, type, head, i), record_row(other, type, head, i),
                                   field_valid(&f, i)),
                        1);
    }
}

/* Another token of the same class from the measured sentences, for every token that has a class. */
static void swap_tokens(const scene *c, const heed_tokens *from, bool target, int32_t *out)
{
    const heed_inspection *x = c->x;
    heed_rng rng = { .seed = 1, .stream = heed_rng_stream(target ? "swap.tgt" : "swap.src"), .row = (uint32_t)c->at };
    for (int64_t i = 0; i < from->count; i++) {
        out[i] = from->ids[i];
        for (int draw = 0; from->classes[i] >= 0 && out[i] == from->ids[i] && draw < 200; draw++) {
            uint64_t at = (uint64_t)i * 400 + 2 * (uint64_t)draw;
            const heed_sentence *s = x->measured[heed_rng_below(rng, at, (uint64_t)x->measured_count)];
            const heed_tokens *t = target ? &s->tgt : &s->src;
            uint64_t k = heed_rng_below(rng, at + 1, (uint64_t)t->count);
            if (t->classes && t->classes[k] == from->classes[i])
                out[i] = t->ids[k];
        }
    }
}

bool swaps_measure(scene *c, table *t)
{
    const heed_sentence *s = c->s;
    heed_record other;
    const heed_transformer_desc *desc = &c->net->desc;
    int64_t shift = 1 + c->at % 3; /* learned tables: only where those positions exist */
    if (!desc->learned_positions ||
        (s->src.count + shift <= desc->max_length && s->tgt.count + shift <= desc->max_length)) {
        if (!scene_record(c, s->src.ids, s->tgt.ids, shift, &other))
            return false;
        put_change(c, t, &other, M_SWAP_POSITION);
    }
    if (!s->src.classes || !s->tgt.classes)
        return true;
    int32_t *src = heed_arena_alloc(c->arena, (s->src.count + s->tgt.count) * (int64_t)sizeof *src);
    if (!src)
        return false;
    swap_tokens(c, &s->src, false, src);
    swap_tokens(c, &s->tgt, true, src + s->src.count);
    if (!scene_record(c, src, src + s->src.count, 0, &other))
        return false;
    put_change(c, t, &other, M_SWAP_CONTENT);
    return true;
}
