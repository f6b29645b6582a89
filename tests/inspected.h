/* Random sentences with random gold for a random Transformer, and the pieces of a second implementation of measures:
 * whole matrices, one number at a time, no shared code. */
#ifndef INSPECTED_H
#define INSPECTED_H

#include "transformers.h"

enum { LONGEST = 9, SENTENCES = 40, CLASSES = 3, KINDS = 4, LINKS = 12, ARCS = 6 };
static const char *const KIND_NAMES[KINDS] = { "subject", "object", "verb", "GEN" };
static const char *const CLASS_NAMES[CLASSES] = { "noun", "verb", "other" };

typedef struct {
    int32_t src_ids[LONGEST], tgt_ids[LONGEST], control[LONGEST];
    uint8_t src_flags[LONGEST], tgt_flags[LONGEST];
    int16_t src_classes[LONGEST], tgt_classes[LONGEST];
    const char *words[LONGEST];
    heed_link links[LINKS];
    heed_arc arcs[ARCS];
    char id[24];
} sentence_data;

/* Ids 0..2 are <pad>, <bos>, <eos> on both sides, as in a vocabulary. */
static inline void draw_tokens(draws *d, heed_tokens *t, int32_t *ids, uint8_t *flags, int16_t *classes,
                               const char **words)
{
    *t = (heed_tokens){ t->count, ids, flags, classes, words };
    for (int64_t i = 0; i < t->count; i++) {
        int64_t kind = draw_int(d, 0, 9);
        ids[i] = (int32_t)draw_int(d, 3, 7);
        flags[i] = kind == 0 ? HEED_TOKEN_UNK : kind == 1 ? HEED_TOKEN_PUNCTUATION : 0;
        classes[i] = (int16_t)draw_int(d, -1, CLASSES - 1);
        words[i] = "word";
    }
}

static inline void draw_arc(draws *d, heed_arc *arc, int64_t source, int64_t words)
{
    *arc = (heed_arc){ .type = (heed_attention_type)draw_int(d, 0, words > 1 ? 2 : 0) };
    arc->kind = (int16_t)draw_int(d, 0, KINDS - 1);
    arc->word = (int16_t)(arc->type == HEED_DEC ? draw_int(d, 1, words - 1)
                                                : draw_int(d, 0, (arc->type == HEED_ENC ? source : words) - 1));
    int64_t keys = arc->type == HEED_DEC ? arc->word : source;
    for (arc->keys_count = 0; arc->keys_count < draw_int(d, 1, 2);)
        arc->keys[arc->keys_count++] = (int16_t)draw_int(d, 0, keys - 1);
    for (int64_t n = draw_int(d, 0, 2); arc->attractors_count < n;)
        arc->attractors[arc->attractors_count++] = (int16_t)draw_int(d, 0, keys - 1);
}

/* A random sentence: sources of 1 to LONGEST tokens with <eos>, as many decoder inputs with <bos>. */
static inline void draw_sentence(draws *d, sentence_data *to, heed_sentence *s, int number)
{
    *s = (heed_sentence){ .set = "data", .gold = true, .exact = -1, .fit = number % 2 };
    s->src.count = draw_int(d, 1, LONGEST);
    s->tgt.count = draw_int(d, 1, LONGEST);
    draw_tokens(d, &s->src, to->src_ids, to->src_flags, to->src_classes, to->words);
    draw_tokens(d, &s->tgt, to->tgt_ids, to->tgt_flags, to->tgt_classes, to->words);
    int64_t last = s->src.count - 1, words = s->tgt.count - 1;
    to->src_ids[last] = 2, to->src_flags[last] = HEED_TOKEN_EOS, to->src_classes[last] = -1;
    to->tgt_ids[0] = 1, to->tgt_flags[0] = HEED_TOKEN_BOS, to->tgt_classes[0] = -1;
    for (int64_t n = words ? draw_int(d, 0, LINKS) : 0; s->links_count < n; s->links_count++) {
        heed_link link = { (int16_t)draw_int(d, 0, last), (int16_t)draw_int(d, 0, words - 1), draw_int(d, 0, 1) };
        for (int64_t i = 0; i < s->links_count; i++)
            if (to->links[i].source == link.source && to->links[i].target == link.target)
                link.sure = to->links[i].sure; /* no pair has two kinds */
        to->links[s->links_count] = link;
    }
    for (int64_t i = 0; i < s->links_count; i++) /* each pair once */
        for (int64_t k = i + 1; k < s->links_count; k++)
            if (to->links[i].source == to->links[k].source && to->links[i].target == to->links[k].target)
                to->links[k--] = to->links[--s->links_count];
    for (int64_t n = words ? draw_int(d, 0, ARCS) : 0; s->arcs_count < n; s->arcs_count++)
        draw_arc(d, &to->arcs[s->arcs_count], last + 1, words);
    for (int64_t i = 0; i <= last; i++)
        to->control[i] = i < last ? 8 : 2;
    s->control = number % 3 ? to->control : NULL;
    s->links = to->links;
    s->arcs = to->arcs;
    snprintf(to->id, sizeof to->id, "data-%d", number);
    s->id = to->id;
}

static inline heed_inspect_desc inspect_desc(const model *a, const heed_sentence *sentences, int64_t n)
{
    return (heed_inspect_desc){ .net = &a->m,
                                .eos = 2,
                                .name = "test",
                                .measured = sentences,
                                .measured_count = n,
                                .kinds = KIND_NAMES,
                                .classes = CLASS_NAMES,
                                .kinds_count = KINDS,
                                .classes_count = CLASSES };
}

typedef struct {
    model a;
    heed_arena *arena;
    sentence_data data[SENTENCES];
    heed_sentence sentences[SENTENCES];
    heed_record records[SENTENCES];
    heed_inspection *x;
} world;
static world w;

static inline heed_record record_of(const heed_sentence *s, const int32_t *src, int64_t first)
{
    heed_record out;
    heed_recorder *r = heed_recorder_new(&w.a.m, (heed_recorder_desc){ .parts = true });
    heed_trace *trace = heed_recorder_trace(r);
    trace->first = first;
    heed_tape_reset(w.a.tape);
    heed_ids *source = heed_input_ids(w.a.tape, HEED_SHAPE(1, s->src.count), src);
    heed_ids *target = heed_input_ids(w.a.tape, HEED_SHAPE(1, s->tgt.count), s->tgt.ids);
    heed_var *memory = heed_transformer_encode(&w.a.m, source, NULL, trace);
    assert_non_null(heed_transformer_decode(&w.a.m, target, memory, NULL, trace, NULL));
    assert_true(heed_recorder_take(r, w.arena, 0, s->src.count, s->tgt.count, &out));
    heed_recorder_free(r);
    return out;
}

static inline int set_up(void **state)
{
    (void)state;
    heed_transformer_desc desc = TINY;
    desc.has_padding = true;
    w.a = model_new(desc, 7);
    w.arena = heed_arena_new();
    heed_tape_set_grad(w.a.tape, false);
    draws d = draws_of(11);
    for (int i = 0; i < SENTENCES; i++) {
        draw_sentence(&d, &w.data[i], &w.sentences[i], i);
        w.records[i] = record_of(&w.sentences[i], w.sentences[i].src.ids, 0);
    }
    w.x = heed_inspect(inspect_desc(&w.a, w.sentences, SENTENCES));
    if (!w.x)
        print_error("%s\n", heed_error());
    return w.x ? 0 : -1;
}

static inline int tear_down(void **state)
{
    (void)state;
    heed_inspection_free(w.x);
    heed_arena_free(w.arena);
    model_free(&w.a);
    return 0;
}

/* ---- the second implementation ----------------------------------------------------------------------------------- */

typedef struct {
    const heed_sentence *s;
    const heed_record *r;
    heed_head head;
    int64_t rows, keys;
    const heed_tokens *query, *key;
} matrix;

static inline matrix matrix_of(int sentence, heed_head head)
{
    const heed_sentence *s = &w.sentences[sentence];
    const heed_record *r = &w.records[sentence];
    bool enc = head.type == HEED_ENC, dec = head.type == HEED_DEC;
    return (
        matrix){ s, r, head, enc ? r->S : r->T, dec ? r->T : r->S, enc ? &s->src : &s->tgt, dec ? &s->tgt : &s->src };
}

static inline double weight(const matrix *m, int64_t i, int64_t j)
{
    heed_tensor t = heed_record_head(m->r, m->head);
    return (double)t.data[i * m->keys + j];
}

static inline bool special(const heed_tokens *t, int64_t i)
{
    return t->flags[i] & 15;
}

/* A[i, j] as raw or content; false where j is no key of the row. */
static inline bool entry(const matrix *m, bool content, int64_t i, int64_t j, double *a)
{
    if (m->head.type == HEED_DEC && j > i)
        return false;
    *a = weight(m, i, j);
    if (!content)
        return true;
    if (special(m->key, j))
        return false;
    double kept = 0;
    for (int64_t k = 0; k < m->keys; k++)
        kept += (m->head.type != HEED_DEC || k <= i) && !special(m->key, k) ? weight(m, i, k) : 0;
    *a /= kept;
    return true;
}

static inline int64_t keys_of(const matrix *m, bool content, int64_t i)
{
    int64_t n = 0;
    double a;
    for (int64_t j = 0; j < m->keys; j++)
        n += entry(m, content, i, j, &a);
    return n;
}

static inline double kept_of(const matrix *m, int64_t i)
{
    double kept = 0;
    for (int64_t k = 0; k < m->keys; k++)
        kept += special(m->key, k) ? 0 : weight(m, i, k);
    return kept;
}

static inline bool counts(const matrix *m, bool content, int64_t i)
{
    if (!content)
        return true;
    bool from_bos = m->head.type == HEED_CROSS && m->query->flags[i] == HEED_TOKEN_BOS;
    return (from_bos || !special(m->query, i)) && kept_of(m, i) >= 0.05;
}

static inline int64_t largest(const matrix *m, bool content, int64_t i, int64_t without)
{
    int64_t best = -1;
    double a, most = -1;
    for (int64_t j = 0; j < m->keys; j++)
        if (j != without && entry(m, content, i, j, &a) && a > most)
            best = j, most = a;
    return best;
}

static inline heed_measure measured(heed_measure_name name, heed_head head)
{
    heed_measure out = { 0 };
    if (!heed_inspection_measure(w.x, name, head, &out))
        fail_msg("%s", heed_error());
    return out;
}

static inline void check_measure(double got, double want, const char *id, heed_head head)
{
    heed_shape_buffer buffer;
    if (!(fabs(got - want) <= 1e-9) && !(isnan(got) && isnan(want)))
        fail_msg("%s of %s: got %.17g, want %.17g", id, heed_head_name(head.type, head.layer, head.head, &buffer), got,
                 want);
}

static inline double value_of(const char *id, const char *variant, heed_head head)
{
    return measured((heed_measure_name){ .id = id, .variant = variant }, head).value;
}

#endif
