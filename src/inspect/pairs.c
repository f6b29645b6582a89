/* Minimal pairs: what each head carries of a single cue, by patching (Vig and others 2020; Wang and others 2022). In the
 * run on x a head says what it says in the run on x', and nothing else is changed:
 *
 *     m   = log p(right) - log p(what is right in x'), in the row that decides
 *     E_h = (m(x) - m(x, o_h from x')) / (m(x) - m(x'))        0: no role, 1: carries the whole cue
 *
 * Each sentence is run with its own decoder inputs, so what earlier target words tell is part of the cue. A pair counts
 * as the mean of its two directions.
 *
 * The same exchange tells whether a head's pattern matters: it says what it would say were its weights shuffled. */
#include "internal.h"

#include <math.h>
#include <string.h>

static const double LEAST = 0.5; /* nats: a pair whose cue changes less says nothing */
enum { FEW = 10 };               /* pairs: of fewer nothing is concluded */

/* What all heads of a type say, [layers, T, heads * d]. */
static double *said_by(scene *c, const heed_record *r, int type)
{
    int64_t rows = record_queries(r, type), D = r->heads * r->d, n = r->layers[type] * rows * D;
    double *out = heed_arena_alloc(c->arena, n * (int64_t)sizeof *out);
    if (out)
        memset(out, 0, (size_t)n * sizeof *out);
    for (int64_t head = 0; out && head < r->layers[type] * r->heads; head++)
        for (int64_t i = 0; i < rows; i++)
            record_say(r, type, head, i, out + (head / r->heads * rows + i) * D + head % r->heads * r->d);
    return out;
}

/* In copy b of the sentence head b of the type says what it says in `other`; the last copy is as it is.
 * [layers, heads + 1, T, D] */
static heed_var *exchange(scene *c, const heed_record *own, const heed_record *other, int type)
{
    int64_t rows = record_queries(own, type), H = own->heads, D = H * own->d, copies = own->layers[type] * H + 1;
    int64_t n = own->layers[type] * copies * rows * D;
    heed_real *out = heed_arena_alloc(c->arena, n * (int64_t)sizeof *out);
    double *from = said_by(c, own, type), *to = said_by(c, other, type);
    if (!out || !from || !to)
        return NULL;
    memset(out, 0, (size_t)n * sizeof *out);
    for (int64_t b = 0; b + 1 < copies; b++)
        for (int64_t i = 0; i < rows; i++)
            for (int64_t k = b % H * own->d; k < (b % H + 1) * own->d; k++) {
                int64_t at = (b / H * rows + i) * D + k;
                out[((b / H * copies + b) * rows + i) * D + k] = (heed_real)(to[at] - from[at]);
            }
    return heed_input(c->tape, HEED_SHAPE(own->layers[type], copies, rows, D), out);
}

static heed_ids *copies_of(heed_tape *tape, const heed_tokens *t, int64_t copies)
{
    int32_t *out;
    heed_ids *ids = heed_new_ids(tape, HEED_SHAPE(copies, t->count), &out);
    for (int64_t b = 0; ids && b < copies; b++)
        memcpy(out + b * t->count, t->ids, (size_t)t->count * sizeof *out);
    return ids;
}

/* Logits of every copy of the sentence, [heads + 1, T, words]: in the run that gave `own`, heads say what they say in
 * `other`. */
static heed_tensor logits_exchanged(scene *c, const heed_record *own, const heed_record *other, int type)
{
    const heed_sentence *s = c->s;
    int64_t copies = c->x->heads[type] + 1;
    heed_trace trace = { 0 };
    heed_tape_reset(c->tape);
    trace.added[type] = exchange(c, own, other, type);
    heed_var *memory =
        trace.added[type] ? heed_transformer_encode(c->net, copies_of(c->tape, &s->src, copies), NULL, &trace) : NULL;
    return heed_value(heed_transformer_decode(c->net, copies_of(c->tape, &s->tgt, copies), memory, NULL, &trace, NULL));
}

/* m of sentence `side` with each head of the type exchanged, and last as it is: [heads + 1]. */
static bool margins(scene *c, const heed_minimal_pair *pair, int side, const heed_record r[2], int type, double *out)
{
    int64_t words = c->net->desc.tgt_vocab;
    c->s = pair->sentences[side];
    heed_tensor logits = logits_exchanged(c, &r[side], &r[1 - side], type);
    for (int64_t b = 0; heed_tensor_ok(logits) && b <= c->x->heads[type]; b++) {
        const heed_real *row = logits.data + (b * c->s->tgt.count + pair->row) * words;
        out[b] = (double)row[pair->token[side]] - (double)row[pair->token[1 - side]];
    }
    return heed_tensor_ok(logits);
}

static bool patch_pair(scene *c, void *to)
{
    patching *p = to;
    const heed_minimal_pair *pair = &c->x->desc.pairs[c->at];
    int64_t n = heads_count(c->x), first = 0;
    heed_record r[2] = { c->r };
    double *m[2] = { heed_arena_alloc(c->arena, 2 * (n + 1) * (int64_t)sizeof(double)) };
    c->s = pair->sentences[1];
    if (!m[0] || !scene_record(c, c->s->src.ids, c->s->tgt.ids, 0, &r[1]))
        return false;
    m[1] = m[0] + n + 1;
    for (int type = 0; type < 3; first += c->x->heads[type++]) {
        int64_t heads = c->x->heads[type];
        if (!margins(c, pair, 0, r, type, m[0]) || !margins(c, pair, 1, r, type, m[1]))
            return false;
        double change = m[0][heads] + m[1][heads];
        for (int64_t h = 0; h < heads; h++)
            p->effects[c->at * n + first + h] =
                fabs(change) < LEAST ? (double)NAN : (m[0][heads] - m[0][h] + m[1][heads] - m[1][h]) / (2 * change);
        p->margins[2 * c->at] = m[0][heads];
        p->margins[2 * c->at + 1] = m[1][heads];
    }
    return true;
}

/* The mean of each head over the pairs of each phenomenon. */
static bool average(const heed_inspection *x, patching *p)
{
    int64_t pairs = x->desc.pairs_count, n = heads_count(x);
    double *draws = table_draws(x->arena, pairs),
           *value = heed_arena_alloc(x->arena, 2 * pairs * (int64_t)sizeof *value);
    for (int code = 0; draws && value && code < x->desc.phenomena_count; code++) {
        effect *e = p->of + code * n;
        for (int64_t head = 0; head < n; head++) {
            for (int64_t i = 0; i < pairs; i++) {
                double one = p->effects[i * n + head];
                bool in = x->desc.pairs[i].phenomenon == code, counts = in && !isnan(one);
                value[i] = counts ? one : 0;
                value[pairs + i] = counts;
                p->count[2 * code] += head == 0 && counts;
                p->count[2 * code + 1] += head == 0 && in && !counts;
            }
            e[head] = effect_of(value, value + pairs, pairs, draws);
        }
        effects_correct(e, n, 1);
        for (int64_t head = 0; head < n; head++)
            e[head].matters = e[head].matters && p->count[2 * code] >= FEW;
    }
    return draws && value;
}

bool patching_run(heed_inspection *x)
{
    int64_t pairs = x->desc.pairs_count, n = heads_count(x), codes = x->desc.phenomena_count;
    if (pairs == 0)
        return true;
    patching *p = heed_arena_alloc(x->arena, (int64_t)sizeof *p);
    const heed_sentence **first = heed_arena_alloc(x->arena, pairs * (int64_t)sizeof *first);
    if (!p || !first)
        return false;
    *p = (patching){ .effects = heed_arena_alloc(x->arena, pairs * (n + 2) * (int64_t)sizeof(double)),
                     .of = heed_arena_alloc(x->arena, codes * n * (int64_t)sizeof(effect)),
                     .count = heed_arena_alloc(x->arena, 2 * codes * (int64_t)sizeof(int64_t)) };
    if (!p->effects || !p->of || !p->count)
        return false;
    p->margins = p->effects + pairs * n;
    memset(p->count, 0, 2 * (size_t)codes * sizeof *p->count);
    void *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = p;
    for (int64_t i = 0; i < pairs; i++)
        first[i] = x->desc.pairs[i].sentences[0];
    x->patching = p;
    return inspect_each((scene_pass){ x, x->desc.net, first, pairs, patch_pair, blocks, BLOCKS }) && average(x, p);
}

/* ---- shuffled weights ---------------------------------------------------------------------------------------------- */

/* The record with each row's weights dealt out anew among the keys it may look at. */
static bool shuffle(scene *c, int type, heed_record *out)
{
    const heed_record *r = &c->r;
    int64_t keys = record_keys(r, type), rows = record_queries(r, type), n = r->layers[type] * r->heads * rows;
    heed_rng rng = { .seed = 1, .stream = heed_rng_stream(type_names[type]), .step = (uint32_t)c->at };
    int32_t *order = heed_arena_alloc(c->arena, keys * (int64_t)sizeof *order);
    *out = *r;
    out->weights[type] = heed_arena_alloc(c->arena, n * keys * (int64_t)sizeof(heed_real));
    for (int64_t i = 0; order && out->weights[type] && i < n; i++) {
        int64_t valid = type == HEED_DEC ? i % rows + 1 : keys;
        for (int64_t j = 0; j < keys; j++)
            order[j] = (int32_t)j;
        rng.row = (uint32_t)i;
        heed_rng_shuffle(rng, order, valid);
        for (int64_t j = 0; j < keys; j++)
            out->weights[type][i * keys + j] = r->weights[type][i * keys + order[j]];
    }
    return order && out->weights[type];
}

/* What the loss of the sentence rises by when a head's weights are shuffled: [heads, sentences]. */
static bool shuffle_scene(scene *c, void *to)
{
    int64_t T = c->s->tgt.count, words = c->net->desc.tgt_vocab, first = 0;
    double *change = to;
    for (int type = 0; type < 3; first += c->x->heads[type++]) {
        heed_record other;
        int64_t heads = c->x->heads[type];
        if (!shuffle(c, type, &other))
            return false;
        heed_tensor logits = logits_exchanged(c, &c->r, &other, type);
        if (!heed_tensor_ok(logits))
            return false;
        double base = 0;
        for (int64_t b = heads; b >= 0; b--) {
            double loss = 0;
            for (int64_t i = 0; i < T; i++)
                loss -= log_probability(logits.data + (b * T + i) * words, words,
                                        i + 1 < T ? c->s->tgt.ids[i + 1] : c->x->desc.eos) /
                        (double)T;
            base = b == heads ? loss : base;
            if (b < heads)
                change[(first + b) * c->x->measured_count + c->at] = loss - base;
        }
    }
    return true;
}

bool shuffled_run(heed_inspection *x)
{
    int64_t n = heads_count(x), columns = effects_count(x), count = x->measured_count;
    double *change = heed_arena_alloc(x->arena, (n + 1) * count * (int64_t)sizeof *change), *ones = change + n * count;
    effect *e = heed_arena_alloc(x->arena, n * columns * (int64_t)sizeof *e);
    void *blocks[BLOCKS];
    if (!change || !e)
        return false;
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = change;
    for (int64_t i = 0; i < count; i++)
        ones[i] = 1;
    for (int64_t i = 0; i < n * columns; i++)
        e[i] = (effect){ .value = (double)NAN, .p = (double)NAN };
    if (!inspect_each((scene_pass){ x, x->desc.net, x->measured, count, shuffle_scene, blocks, BLOCKS }))
        return false;
    for (int64_t i = 0; i < n; i++)
        e[i * columns] = effect_of(change + i * count, ones, count, x->draws);
    effects_correct(e, n, (int)columns);
    x->ablations->of[SHUFFLED] = e;
    return true;
}

/* ---- who carries what ------------------------------------------------------------------------------------------------ */

int64_t carrier_of(const heed_inspection *x, int phenomenon, bool patched)
{
    int64_t n = heads_count(x), best = -1;
    double most = 0;
    for (int64_t i = 0; i < n && (patched ? (void *)x->patching : (void *)x->ablations); i++) {
        const effect *e = patched ? &x->patching->of[phenomenon * n + i]
                                  : &x->ablations->of[HEED_ABLATE_ZERO][i * effects_count(x) + EFFECT_FORCED +
                                                                        2 * x->desc.phenomena_count + phenomenon];
        double size = patched ? e->value : -e->value;
        if (e->matters && size > most) {
            most = size;
            best = i;
        }
    }
    return best;
}
