/* inspect.json: docs/inspect.md is its schema. What is not finite becomes null, text that is no UTF-8 is mended, and
 * '<' is escaped, so that the same bytes can stand in a script element. */
#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { DIGITS = 6 };

/* ---- values ------------------------------------------------------------------------------------------------------ */

json_t *json_of(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

/* The text, U+FFFD for every byte that is no UTF-8. */
json_t *json_text_of(const char *from)
{
    if (!from)
        return json_null();
    json_t *as_it_is = json_string(from);
    size_t n = strlen(from), at = 0;
    char *mended = as_it_is ? NULL : memory_get((int64_t)(3 * n + 1));
    for (const char *end = from + n; mended && from < end;) {
        utf8proc_int32_t code;
        utf8proc_ssize_t bytes = utf8proc_iterate((const utf8proc_uint8_t *)from, end - from, &code);
        at += (size_t)utf8proc_encode_char(bytes > 0 ? code : 0xFFFD, (utf8proc_uint8_t *)mended + at);
        from += bytes > 0 ? bytes : 1;
    }
    if (mended)
        as_it_is = json_stringn(mended, at);
    memory_put(mended);
    return as_it_is;
}

/* A list being made; one that failed is NULL. */
void json_push(json_t **list, json_t *value)
{
    if (*list && json_array_append_new(*list, value)) {
        json_decref(*list);
        *list = NULL;
    }
}

void json_set(json_t **object, const char *key, json_t *value)
{
    if (*object && json_object_set_new(*object, key, value)) {
        json_decref(*object);
        *object = NULL;
    }
}

json_t *json_list(const double *x, int64_t n)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < n; i++)
        json_push(&list, json_of(x[i]));
    return list;
}

static json_t *integers(const int16_t *x, int64_t n, int add)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < n; i++)
        json_push(&list, json_integer(x[i] + add));
    return list;
}

json_t *json_head(const heed_inspection *x, int64_t i)
{
    heed_shape_buffer buffer;
    heed_head head = head_at(x, i);
    return i < 0 ? json_null() : json_string(heed_head_name(head.type, head.layer, head.head, &buffer));
}

/* ---- run, model, sentences ----------------------------------------------------------------------------------------- */

static json_t *run_json(const heed_inspection *x)
{
    bool gold = false;
    for (int64_t i = 0; i < x->measured_count; i++)
        gold = gold || x->measured[i]->gold;
    return json_pack("{s:o, s:I, s:I, s:o, s:b, s:I, s:I, s:s}", "name", json_text_of(x->desc.name), "step",
                     (json_int_t)x->desc.step, "seed", (json_int_t)x->desc.seed, "loss",
                     json_of(x->ablations ? x->ablations->tally.loss : (double)NAN), "gold", gold, "measured",
                     (json_int_t)x->measured_count, "fit", (json_int_t)x->fit_count, "rollout",
                     x->desc.measured_rollout ? "measured" : "half");
}

static json_t *model_json(const heed_inspection *x)
{
    const heed_transformer_desc *d = &x->desc.net->desc;
    return json_pack("{s:{s:I, s:I, s:I}, s:I, s:I, s:I, s:I, s:b, s:I, s:I, s:I}", "layers", "enc",
                     (json_int_t)x->layers[0], "dec", (json_int_t)x->layers[1], "cross", (json_int_t)x->layers[2],
                     "heads", (json_int_t)d->layer.heads, "d_model", (json_int_t)d->layer.d_model, "d_head",
                     (json_int_t)(d->layer.d_model / d->layer.heads), "ffn", (json_int_t)d->layer.ffn, "pre_norm",
                     d->layer.pre_norm, "parameters", (json_int_t)heed_params_numel(x->desc.net->params), "src_vocab",
                     (json_int_t)d->src_vocab, "tgt_vocab", (json_int_t)d->tgt_vocab);
}

static json_t *tokens_json(const heed_inspection *x, const heed_tokens *t, bool target)
{
    json_t *words = json_array(), *ids = json_array(), *flags = json_array(), *classes = json_array(),
           *next = json_array();
    for (int64_t i = 0; i < t->count; i++) {
        int class = t->classes ? t->classes[i] : -1;
        json_push(&words, json_text_of(t->words[i]));
        json_push(&ids, json_integer(t->ids[i]));
        json_push(&flags, json_integer(t->flags[i]));
        json_push(&classes, class < 0 ? json_null() : json_text_of(x->desc.classes[class]));
        json_push(&next, i + 1 < t->count ? json_text_of(t->words[i + 1]) : json_string("<eos>"));
    }
    json_t *object = json_pack("{s:o, s:o, s:o, s:o}", "tokens", words, "ids", ids, "flags", flags, "class", classes);
    if (target)
        json_set(&object, "predicts", next);
    else
        json_decref(next);
    return object;
}

static json_t *arc_json(const heed_inspection *x, const heed_arc *a)
{
    bool enc = a->type == HEED_ENC, dec = a->type == HEED_DEC;
    return json_pack("{s:s, s:o, s:i, s:o, s:o, s:o}", "type", type_names[a->type], "kind",
                     json_text_of(x->desc.kinds[a->kind]), "row", a->word, "row_in",
                     enc ? json_null() : json_integer(a->word + 1), "keys", integers(a->keys, a->keys_count, dec),
                     "attractors", integers(a->attractors, a->attractors_count, dec));
}

static json_t *gold_json(const heed_inspection *x, const heed_sentence *s)
{
    if (!s->gold)
        return json_null();
    json_t *sure = json_array(), *possible = json_array(), *arcs = json_array();
    for (int64_t i = 0; i < s->links_count; i++) {
        json_push(&possible, json_pack("[i, i]", s->links[i].source, s->links[i].target));
        if (s->links[i].sure)
            json_push(&sure, json_pack("[i, i]", s->links[i].source, s->links[i].target));
    }
    for (int64_t i = 0; i < s->arcs_count; i++)
        json_push(&arcs, arc_json(x, &s->arcs[i]));
    json_t *decisions = s->decisions ? json_loads(s->decisions, 0, NULL) : json_array();
    return json_pack("{s:o, s:o, s:o, s:o}", "sure", sure, "possible", possible, "arcs", arcs, "decisions", decisions);
}

static json_t *words_json(const char *line)
{
    json_t *list = json_array();
    for (const char *end; line && *line; line = *end ? end + 1 : end) {
        end = strchr(line, ' ');
        end = end ? end : line + strlen(line);
        char *word = memory_get(end - line + 1);
        if (word) {
            memcpy(word, line, (size_t)(end - line));
            word[end - line] = 0;
        }
        json_push(&list, word ? json_text_of(word) : NULL);
        memory_put(word);
    }
    return list;
}

static json_t *sentence_json(const heed_inspection *x, int64_t i)
{
    const heed_sentence *s = &x->desc.shown[i];
    double loss = x->ablations ? x->ablations->base.shown_loss[i] : (double)NAN;
    return json_pack("{s:o, s:o, s:s, s:o, s:o, s:{s:o, s:o, s:o}, s:o, s:o}", "id", json_text_of(s->id), "set",
                     json_text_of(s->set), "target", s->decoded ? "decoded" : "reference", "src",
                     tokens_json(x, &s->src, false), "tgt", tokens_json(x, &s->tgt, true), "translation", "words",
                     words_json(s->translation), "exact", s->exact < 0 ? json_null() : json_boolean(s->exact), "loss",
                     json_of(loss), "gold", gold_json(x, s), "pair", json_text_of(s->pair));
}

static json_t *block_json(const block *b)
{
    json_t *shape = json_array();
    for (int i = b->flat ? 2 : 0; i < 4; i++)
        json_push(&shape, json_integer(b->shape[i]));
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s, s:o, s:s, s:o}", "id", b->id, "kind", b->kind, "sentence", b->sentence, "type",
                  type_names[b->type], "step", b->step > 0 ? json_integer(b->step - 1) : json_null(), "dtype",
                  b->floats ? "f32" : "u8", "shape", shape);
    if (b->model > 0)
        json_set(&object, "model", json_integer(b->model));
    return object;
}

/* ---- measures ------------------------------------------------------------------------------------------------------ */

static const double *number_at(const heed_measure *m, int i)
{
    const double *const fields[] = { &m->value, &m->lo, &m->hi, &m->chance, &m->untrained };
    return fields[i];
}

json_t *column_key_json(const heed_inspection *x, const column *c)
{
    measure_subs subs = measure_infos[c->measure].subs;
    int arc = subs == SUB_ARCS ? x->trained->arc_kinds[c->type][c->sub] : 0;
    json_t *kind = subs == SUB_ARCS    ? json_text_of(x->desc.kinds[arc / 2])
                   : subs == SUB_ALIGN ? json_string(c->sub >= BY_NORM ? "norm" : "weight")
                                       : json_null();
    bool shifted = subs == SUB_ALIGN || (subs == SUB_ARCS && c->type != HEED_ENC);
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "id", measure_infos[c->measure].id, "variant",
                     variant_names[c->variant], "type", type_names[c->type], "kind", kind, "shift",
                     shifted ? json_string((subs == SUB_ARCS ? arc : c->sub) % 2 ? "in" : "out") : json_null(),
                     "offset", subs == SUB_OFFSETS ? json_integer(c->sub - REACH) : json_null());
}

static json_t *column_json(const heed_inspection *x, const column *c)
{
    static const char *const fields[] = { "value", "lo", "hi", "chance", "untrained" };
    json_t *object = column_key_json(x, c);
    const heed_measure *m = x->measures + c->first;
    json_t *n = json_array(), *sentences = json_array();
    for (int k = 0; k < 5; k++) {
        json_t *list = json_array();
        for (int64_t h = 0; h < x->heads[c->type]; h++)
            json_push(&list, json_of(*number_at(&m[h], k)));
        json_set(&object, fields[k], list);
    }
    for (int64_t h = 0; h < x->heads[c->type]; h++) {
        json_push(&n, json_integer(m[h].n));
        json_push(&sentences, json_integer(m[h].sentences));
    }
    json_set(&object, "n", n);
    json_set(&object, "sentences", sentences);
    return object;
}

static json_t *measures_json(const heed_inspection *x)
{
    json_t *list = json_array();
    for (int i = 0; i < x->trained->count; i++) {
        const column *c = &x->trained->columns[i];
        int64_t n = 0;
        for (int64_t h = 0; h < x->heads[c->type]; h++)
            n += x->measures[c->first + h].n;
        if (n > 0)
            json_push(&list, column_json(x, c));
    }
    return list;
}

static json_t *about_json(void)
{
    json_t *object = json_object();
    for (int i = 0; i < MEASURES; i++)
        json_set(&object, measure_infos[i].id,
                 json_pack("{s:s, s:[o, o]}", "text", measure_infos[i].text, "range", json_of(measure_infos[i].low),
                           json_of(measure_infos[i].high)));
    return object;
}

static json_t *caveats_json(void)
{
    return json_pack(
        "[s, s, s, s]", "Attention shows where a head looks, not why the model answered as it did.",
        "A head that looks at a word may carry nothing of it: see the norm-weighted view, and what ablation changes.",
        "Other weights may give the same answer (Jain and Wallace 2019); whether these matter is tested by flattening "
        "them.",
        "A label is a rule with a threshold; its grade says how good the evidence is, and most heads do several "
        "things.");
}

static int hundredths(double x)
{
    return (int)lround(100 * x);
}

/* The counts of roles; who aligns; what hangs on whom. */
static json_t *summary_json(const heed_inspection *x)
{
    json_t *list = json_pack("[s]", x->summary);
    heed_shape_buffer name;
    const column *c = &x->trained->columns[x->trained->base[M_AER][x->winner.variant][HEED_CROSS] + x->winner.sub];
    double aer = x->measures[c->first + x->winner.slot].value;
    if (!isnan(aer)) {
        heed_head head = head_at(x, x->heads[HEED_ENC] + x->heads[HEED_DEC] + x->winner.slot);
        json_push(&list, json_sprintf("%s aligns words best: error rate %d.%02d.",
                                      heed_head_name(head.type, head.layer, head.head, &name), hundredths(aer) / 100,
                                      hundredths(aer) % 100));
    }
    for (int64_t i = 0; i < heads_count(x); i++) {
        json_t *line = NULL;
        heed_head head = head_at(x, i);
        for (int p = 0; p < x->desc.phenomena_count; p++) {
            if (carrier_of(x, p, true) != i)
                continue;
            int part = hundredths(x->patching->of[p * heads_count(x) + i].value);
            json_t *longer = line ? json_sprintf("%s, %d %% of %s", json_string_value(line), part, x->desc.phenomena[p])
                                  : json_sprintf("%s carries %d %% of what decides %s",
                                                 heed_head_name(head.type, head.layer, head.head, &name), part,
                                                 x->desc.phenomena[p]);
            json_decref(line);
            line = longer;
        }
        if (line)
            json_push(&list, json_sprintf("%s.", json_string_value(line)));
        json_decref(line);
    }
    if (x->desc.others_count)
        json_push(&list, json_string(x->beside));
    return list;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static json_t *whole(const heed_inspection *x)
{
    json_t *heads = json_array(), *sentences = json_array(), *blocks = json_array(), *thresholds = json_object();
    const char *names[16];
    double values[16];
    for (int64_t i = 0; i < heads_count(x); i++)
        json_push(&heads, json_head(x, i));
    for (int64_t i = 0; i < x->desc.shown_count; i++)
        json_push(&sentences, sentence_json(x, i));
    for (int i = 0; i < x->blocks_count; i++)
        json_push(&blocks, block_json(&x->blocks[i]));
    for (int i = 0, n = roles_thresholds(names, values); i < n; i++)
        json_set(&thresholds, names[i], json_real(values[i]));
    return json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
                     "s:o, s:o, s:o, s:o, s:o, s:o}",
                     "schema", "heed.inspect", "version", 1, "run", run_json(x), "model", model_json(x), "summary",
                     summary_json(x), "heads", heads, "sentences", sentences, "blocks", blocks, "measures",
                     measures_json(x), "about", about_json(), "thresholds", thresholds, "roles", roles_json(x),
                     "alignment", alignment_json(x), "ablation", ablation_json(x), "similarity", similarity_json(x),
                     "examples", examples_json(x), "faithfulness", faithfulness_json(x), "snapshots", snapshots_json(x),
                     "pairs", pairs_json(x), "patching", patching_json(x), "carriers", carriers_json(x), "agreement",
                     agreement_json(x), "seeds", seeds_json(x), "health", health_json(x), "caveats", caveats_json());
}

/* What json_dump_callback hands over, with '<' escaped, into a growing text. */
static int take(const char *bytes, size_t n, void *context)
{
    json_text *t = context;
    for (size_t i = 0; i < n; i++) {
        if (t->size + 8 > t->room) {
            int64_t room = t->room ? 2 * t->room : 1 << 16;
            char *grown = memory_grow(t->data, t->size, room);
            if (!grown)
                return -1;
            t->data = grown;
            t->room = room;
        }
        if (bytes[i] == '<') {
            memcpy(t->data + t->size, "\\u003c", 6);
            t->size += 6;
        } else {
            t->data[t->size++] = bytes[i];
        }
    }
    return 0;
}

/* Takes `all`; NULL: out of memory. */
static bool dump(json_t *all, json_text *out)
{
    *out = (json_text){ NULL, 0, 0 };
    bool done =
        all && json_dump_callback(all, take, out, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(DIGITS)) == 0;
    json_decref(all);
    if (!done)
        memory_put(out->data);
    return done || heed_fail(HEED_MEMORY, "inspect.json: out of memory");
}

bool json_make(const heed_inspection *x, json_text *out)
{
    return dump(whole(x), out);
}

/* ---- lists for BertViz ------------------------------------------------------------------------------------------- */

/* [layers][1][heads][queries][keys]: one sentence is a batch of one. */
static json_t *lists_of(const heed_record *r, int type)
{
    json_t *layers = json_array();
    for (int64_t layer = 0; layer < r->layers[type]; layer++) {
        json_t *heads = json_array();
        for (int64_t head = layer * r->heads; head < (layer + 1) * r->heads; head++) {
            json_t *rows = json_array();
            for (int64_t i = 0; i < record_queries(r, type); i++) {
                json_t *row = json_array();
                for (int64_t j = 0; j < record_keys(r, type); j++)
                    json_push(&row, json_of((double)record_row(r, type, head, i)[j]));
                json_push(&rows, row);
            }
            json_push(&heads, rows);
        }
        json_push(&layers, json_pack("[o]", heads));
    }
    return layers;
}

static json_t *words_of(const heed_tokens *t)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < t->count; i++)
        json_push(&list, json_text_of(t->words[i]));
    return list;
}

bool json_lists(const heed_inspection *x, int64_t sentence, json_text *out)
{
    const heed_record *r = &x->shown[sentence];
    const heed_sentence *s = &x->desc.shown[sentence];
    return dump(json_pack("{s:o, s:o, s:o, s:o, s:o}", "encoder_attention", lists_of(r, HEED_ENC), "decoder_attention",
                          lists_of(r, HEED_DEC), "cross_attention", lists_of(r, HEED_CROSS), "encoder_tokens",
                          words_of(&s->src), "decoder_tokens", words_of(&s->tgt)),
                out);
}
