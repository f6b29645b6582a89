/* Heads against gold: do they look where grammar says (arcs), at the cue of an ambiguous word, and along the alignment of
 * words? AER and its two shifts: Och and Ney 2003; Chen, Sun, Liu 2020 (reading a word, or predicting it). */
#include "internal.h"

#include <math.h>
#include <string.h>

/* ---- arcs -------------------------------------------------------------------------------------------------------- */

static int64_t column_of(const heed_arc *arc, int64_t position)
{
    return position + (arc->type == HEED_DEC); /* decoder input i is word i - 1 */
}

/* The row that predicts the word, or with shift the one that reads it; of enc the word itself. */
static int64_t row_of(const heed_arc *arc, int shift)
{
    return arc->word + (arc->type == HEED_ENC ? 0 : shift);
}

static bool among(const heed_arc *arc, const int16_t *list, int count, int64_t key)
{
    for (int i = 0; i < count; i++)
        if (column_of(arc, list[i]) == key)
            return true;
    return false;
}

static bool is_gold(const heed_arc *arc, int64_t key)
{
    return among(arc, arc->keys, arc->keys_count, key);
}

/* The offset that would have found the most arcs of each kind among the sentences to fit on. */
bool baselines_fit(heed_inspection *x, const table *t)
{
    int64_t width = 2 * x->longest + 1;
    for (int type = 0; type < 3; type++) {
        x->baselines[type] = heed_arena_alloc(x->arena, t->arc_count[type] * (int64_t)sizeof(int16_t));
        if (!x->baselines[type])
            return false;
    }
    int64_t *found = heed_arena_alloc(x->arena, width * (int64_t)sizeof *found);
    for (int type = 0; found && type < 3; type++)
        for (int sub = 0; sub < t->arc_count[type]; sub++) {
            int64_t best = -1;
            memset(found, 0, (size_t)width * sizeof *found);
            for (int64_t i = 0; i < x->fit_count; i++)
                for (int64_t k = 0; k < x->fit[i]->arcs_count; k++) {
                    const heed_arc *arc = &x->fit[i]->arcs[k];
                    for (int g = 0;
                         (int)arc->type == type && arc->kind == t->arc_kinds[type][sub] / 2 && g < arc->keys_count; g++)
                        found[column_of(arc, arc->keys[g]) - row_of(arc, t->arc_kinds[type][sub] % 2) + x->longest]++;
                }
            for (int64_t k = 0; k < width; k++)
                best = found[k] > (best < 0 ? 0 : found[best]) ? k : best;
            x->baselines[type][sub] = (int16_t)(best < 0 ? INT16_MIN : best - x->longest);
        }
    return found;
}

/* One arc in one row of one head. Neither the word itself nor, in content, special tokens are candidates. */
static void arc_in_row(spot at, const heed_inspection *x, variant_id variant, int sub, const view *v,
                       const heed_arc *arc)
{
    int64_t own = column_of(arc, arc->word), best = -1;
    double mass = 0, attractor = 0, gold = 0, candidates = 0, gold_candidates = 0;
    int baseline = x->baselines[at.type][sub];
    for (int64_t j = 0; j < v->n; j++) {
        bool candidate = arc->type == HEED_CROSS || v->key[j] != own, is = is_gold(arc, v->key[j]);
        best = candidate && (best < 0 || v->p[j] > v->p[best]) ? j : best;
        candidates += candidate;
        gold_candidates += candidate && is;
        gold += is;
        mass += is ? v->p[j] : 0;
        if (among(arc, arc->attractors, arc->attractors_count, v->key[j]))
            attractor = v->p[j] > attractor ? v->p[j] : attractor;
    }
    if (best < 0)
        return;
    double hit = v->random ? gold_candidates / candidates : is_gold(arc, v->key[best]);
    put(at, M_ARC_ACCURACY, variant, sub, hit, 1);
    put(at, M_ARC_MASS, variant, sub, mass, 1);
    put(at, M_ARC_LIFT, variant, sub, mass, gold / (double)v->n);
    if (baseline != INT16_MIN) {
        double by_offset = is_gold(arc, v->i + baseline);
        put(at, M_ARC_BASELINE, variant, sub, by_offset, 1);
        put(at, M_ARC_GAIN, variant, sub, hit - by_offset, 1);
    }
    if (!arc->attractors_count)
        return;
    put(at, M_ATTRACTOR_MARGIN, variant, sub, mass - attractor, 1);
    put(at, M_ATTRACTOR_WIN, variant, sub, mass > attractor, 1);
    if (variant == CONTENT && sub == at.t->arc_subs[at.type][arc->kind])
        margin_keep(at, x, arc, mass - attractor);
}

/* The row of a head, in a variant; false: it does not count, or has one key. */
static bool row_counts(view *v, const field *f, const heed_real *row, int64_t i, variant_id variant)
{
    if (variant == RAW)
        view_raw(v, f, row, i);
    return (variant == RAW || view_content(v, f, row, i) == ROW_COUNTS) && v->n > 1;
}

static double mass_on(const view *v, const heed_arc *arc)
{
    double mass = 0;
    for (int64_t j = 0; j < v->n; j++)
        mass += is_gold(arc, v->key[j]) ? v->p[j] : 0;
    return mass;
}

/* The cue's share of an ambiguous word's row, against the same row of the control sentence. */
static void cues_in(scene *c, table *t, const heed_record *control, const heed_arc *arc)
{
    field f = field_of(c->s, HEED_ENC);
    for (int64_t slot = 0; slot <= t->heads[HEED_ENC]; slot++)
        for (int variant = RAW; variant <= CONTENT; variant++) {
            bool uniform = slot == table_slot_uniform(t, HEED_ENC);
            const heed_real *other =
                uniform ? scene_row(c, HEED_ENC, slot, arc->word) : record_row(control, HEED_ENC, slot, arc->word);
            if (row_counts(&c->a, &f, scene_row(c, HEED_ENC, slot, arc->word), arc->word, (variant_id)variant) &&
                row_counts(&c->b, &f, other, arc->word, (variant_id)variant))
                put((spot){ t, HEED_ENC, slot, c->at }, M_CUE_MASS, (variant_id)variant, 0,
                    mass_on(&c->a, arc) - mass_on(&c->b, arc), 1);
        }
}

bool arcs_measure(scene *c, table *t)
{
    heed_record control;
    if (c->s->control && !scene_record(c, c->s->control, c->s->tgt.ids, 0, &control))
        return false;
    for (int64_t k = 0; k < c->s->arcs_count; k++) {
        const heed_arc *arc = &c->s->arcs[k];
        int type = (int)arc->type, first = t->arc_subs[type][arc->kind];
        field f = field_of(c->s, type);
        for (int64_t slot = 0; slot <= t->heads[type]; slot++)
            for (int shift = 0; shift < (type == HEED_ENC ? 1 : 2); shift++)
                for (int variant = RAW; variant <= CONTENT; variant++) {
                    int64_t row = row_of(arc, shift);
                    c->a.random = slot == table_slot_uniform(t, type);
                    if (row_counts(&c->a, &f, scene_row(c, type, slot, row), row, (variant_id)variant))
                        arc_in_row((spot){ t, type, slot, c->at }, c->x, (variant_id)variant, first + shift, &c->a,
                                   arc);
                }
        if (c->s->control && type == HEED_ENC && c->s->control[arc->word] != c->s->src.ids[arc->word])
            cues_in(c, t, &control, arc);
    }
    c->a.random = false;
    return true;
}

/* ---- alignment --------------------------------------------------------------------------------------------------- */

enum { POSSIBLE = 1, SURE = 2 };

/* What links a sentence has: gold [words, source tokens]. */
typedef struct {
    const heed_sentence *s;
    uint8_t *gold;
    int64_t words, sure;
} links;

static links links_of(const scene *c)
{
    const heed_sentence *s = c->s;
    links l = { s, NULL, s->tgt.count - 1, 0 };
    l.gold = heed_arena_alloc(c->arena, l.words * s->src.count);
    if (l.gold)
        memset(l.gold, 0, (size_t)(l.words * s->src.count));
    for (int64_t i = 0; l.gold && i < s->links_count; i++) {
        l.gold[s->links[i].target * s->src.count + s->links[i].source] = s->links[i].sure ? SURE : POSSIBLE;
        l.sure += s->links[i].sure;
    }
    return l;
}

/* Sums of one row's link: how much of it is a link, a possible one, a sure one. */
typedef struct {
    double made, possible, sure;
} linked;

static linked link_of(const links *l, int64_t word, const view *v, const field *f)
{
    const uint8_t *gold = l->gold + word * l->s->src.count;
    linked sum = { 0 };
    int64_t best = view_best(v);
    for (int64_t j = v->random ? 0 : best; j < (v->random ? v->n : best + 1); j++) {
        double share = v->random ? 1 / (double)v->n : 1;
        if (f->key->flags[v->key[j]] & HEED_TOKEN_SPECIAL)
            continue; /* eos-null: no link */
        sum.made += share;
        sum.possible += gold[v->key[j]] ? share : 0;
        sum.sure += gold[v->key[j]] == SURE ? share : 0;
    }
    return sum;
}

static bool has_link(const links *l, int64_t word)
{
    for (int64_t j = 0; j < l->s->src.count; j++)
        if (l->gold[word * l->s->src.count + j])
            return true;
    return false;
}

/* matrix [rows, keys]: weights, or weights times norms. */
static void align_head(scene *c, spot at, const links *l, const heed_real *matrix, variant_id variant, int sub)
{
    field f = field_of(c->s, HEED_CROSS);
    linked all = { 0 };
    double of_linked = 0, words = 0, without = 0;
    for (int64_t word = 0; word < l->words; word++) {
        int64_t row = word + sub % 2;
        if (f.query->flags[word + 1] & HEED_TOKEN_SPECIAL)
            continue;
        row_kind kind = ROW_COUNTS;
        if (variant == CONTENT)
            kind = view_keys(&c->a, &f, matrix + row * f.key->count, row);
        else
            view_raw(&c->a, &f, matrix + row * f.key->count, row);
        if (kind == ROW_OUT)
            continue;
        linked one = link_of(l, word, &c->a, &f);
        all.made += one.made;
        all.possible += one.possible;
        all.sure += one.sure;
        of_linked += has_link(l, word) ? one.made : 0;
        words++;
        without += !has_link(l, word);
        if (kind == ROW_SINK)
            continue;
        double soft = 0;
        for (int64_t j = 0; j < c->a.n; j++)
            soft += l->gold[word * l->s->src.count + c->a.key[j]] ? c->a.p[j] : 0;
        if (variant == CONTENT)
            put(at, M_SOFT_MASS, variant, sub, soft, 1);
    }
    put(at, M_AER, variant, sub, all.sure + all.possible, all.made + (double)l->sure);
    put(at, M_AER_LINKED, variant, sub, all.sure + all.possible, of_linked + (double)l->sure);
    put(at, M_PRECISION, variant, sub, all.possible, all.made);
    put(at, M_RECALL, variant, sub, all.sure, (double)l->sure);
    put(at, M_NULL_RATE, variant, sub, without, words);
}

static void align_all(scene *c, spot at, const links *l, const heed_real *matrix, bool by_norm)
{
    for (int shift = 0; shift < 2; shift++)
        for (int variant = CONTENT; variant <= EOS_NULL; variant++)
            align_head(c, at, l, matrix, (variant_id)variant, shift + (by_norm ? BY_NORM : 0));
}

/* The n-th of N words stands for the place among the source's content that is as far along. */
static void draw_diagonal(const scene *c, heed_real *matrix)
{
    int64_t T = c->s->tgt.count, S = c->s->src.count, keys = 0, place = 0;
    for (int64_t j = 0; j < S; j++)
        keys += !(c->s->src.flags[j] & HEED_TOKEN_SPECIAL);
    memset(matrix, 0, (size_t)(T * S) * sizeof *matrix);
    for (int64_t j = 0; j < S; place += !(c->s->src.flags[j++] & HEED_TOKEN_SPECIAL))
        for (int64_t i = 0; i < T; i++)
            matrix[i * S + j] = (heed_real)(!(c->s->src.flags[j] & HEED_TOKEN_SPECIAL) &&
                                            place == llround(T > 2 ? (double)(i * (keys - 1)) / (double)(T - 2) : 0));
}

/* A head's weights; with norms those of what it carries, rows made to sum to 1 again. */
static void weigh(const scene *c, int64_t head, const double *norms, heed_real *out)
{
    int64_t S = c->s->src.count;
    for (int64_t i = 0; i < c->s->tgt.count; i++) {
        const heed_real *row = record_row(&c->r, HEED_CROSS, head, i);
        double all = 0;
        for (int64_t j = 0; j < S; j++)
            all += (double)row[j] * (norms ? norms[j] : 1);
        for (int64_t j = 0; j < S; j++)
            out[i * S + j] = norms && all > 0 ? (heed_real)((double)row[j] * norms[j] / all) : row[j];
    }
}

bool alignment_measure(scene *c, table *t)
{
    int64_t S = c->s->src.count, size = S * c->s->tgt.count, heads = t->heads[HEED_CROSS], per_layer = c->r.heads;
    int64_t layers = t->layers[HEED_CROSS], mean = heads + 1;
    links l = links_of(c);
    double *norms = scene_norms(c, HEED_CROSS);
    heed_real *matrices = heed_arena_alloc(c->arena, (layers + 3) * size * (int64_t)sizeof *matrices);
    if (!l.gold || !norms || !matrices)
        return false;
    spot at = { t, HEED_CROSS, 0, c->at };
    for (int by_norm = 0; by_norm < 2; by_norm++) {
        heed_real *one = matrices + (layers + 1) * size;
        memset(matrices, 0, (size_t)((layers + 1) * size) * sizeof *matrices);
        for (at.slot = 0; at.slot < heads; at.slot++) {
            weigh(c, at.slot, by_norm ? norms + at.slot * S : NULL, one);
            for (int64_t i = 0; i < size; i++) {
                matrices[at.slot / per_layer * size + i] += one[i] / (heed_real)per_layer;
                matrices[layers * size + i] += one[i] / (heed_real)heads;
            }
            align_all(c, at, &l, one, by_norm);
        }
        for (int64_t k = 0; k <= layers; k++) {
            at.slot = mean + k;
            align_all(c, at, &l, matrices + k * size, by_norm);
        }
    }
    at.slot = table_slot_uniform(t, HEED_CROSS);
    for (int64_t i = 0; i < size; i++)
        matrices[i] = 1 / (heed_real)S;
    c->a.random = true;
    align_all(c, at, &l, matrices, false);
    c->a.random = false;
    at.slot = mean + layers + 1;
    draw_diagonal(c, matrices);
    for (int variant = CONTENT; variant <= EOS_NULL; variant++)
        align_head(c, at, &l, matrices, (variant_id)variant, SHIFT_OUT);
    return true;
}
