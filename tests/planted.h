/* A Transformer built by hand whose heads do known things, and sentences for it.
 *
 *     enc.0.0  looks at the previous token     dec.0.0  the previous token     cross.0.0  the source of what it predicts
 *     enc.0.1  the next token                  dec.0.1  itself                 cross.0.1  all alike
 *     enc.0.2  all alike                       dec.0.2  the first token        cross.0.2  <eos>
 *     enc.0.3  from a verb at its subject      dec.0.3  all alike              cross.0.3  the source of what it reads
 *
 * A source is six words, one noun, one verb, four others, and <eos>; the translation is the words in reverse order, the
 * verb in the number of the noun. cross.0.0 carries the words, and enc.0.3 tells the verb its number; the others say
 * nothing. Everything is one-hot: every token has its position, 1 in dimension ONE, its word, its class and its number. */
#ifndef PLANTED_H
#define PLANTED_H

#include "folder.h"
#include "model.h"

#include <jansson.h>

enum { PLANTED_D = 64, PLANTED_K = 16, PLANTED_WORDS = 6, PLANTED_S = 7, PLANTED_FIT = 20, PLANTED_COUNT = 60 };
enum {
    ONE = 16,
    WORD = 17,
    IS_VERB = 33,
    IS_NOUN,
    IS_OTHER,
    PLURAL,
    NOT_PLURAL,
    NUMBER,
    SAID,
    SAID_NUMBER = SAID + 16
};
/* ids: 0..2 specials, nouns 4 5 (one) 6 7 (many), verbs 8 9, others 10..14. Target: the same, and verbs 15 16 of many. */
enum { NOUNS = 4, VERBS = 8, OTHERS = 10, SOURCE_WORDS = 15, MANY_VERBS = 15, TARGET_WORDS = 17 };

typedef struct {
    heed_params *params;
    heed_transformer m;
} planted;

static const heed_transformer_desc PLANTED_DESC = {
    .src_vocab = SOURCE_WORDS,
    .tgt_vocab = TARGET_WORDS,
    .enc_layers = 1,
    .dec_layers = 1,
    .layer = { .d_model = PLANTED_D, .heads = 4, .ffn = 4, .pre_norm = true },
    .learned_positions = true,
    .max_length = 16,
    .untied_output = true,
    .has_padding = true,
};

static inline planted planted_new(uint64_t seed)
{
    planted p = { .params = heed_params_new() };
    p.m = heed_transformer_make(p.params, PLANTED_DESC);
    params_ready(p.params, seed);
    return p;
}

static inline heed_real *planted_param(planted *p, const char *name)
{
    heed_param *param = heed_params_find(p->params, name);
    assert_non_null(param);
    return heed_param_value(param).data;
}

/* A layer norm turns a 1 of five ones in PLANTED_D into high, and a 0 into low. */
static inline void planted_norm(double *high, double *low)
{
    double mean = 5.0 / PLANTED_D, deviation = sqrt(mean - mean * mean + 1e-5);
    *high = (1 - mean) / deviation;
    *low = -mean / deviation;
}

/* Row `to` of a head's queries (0), keys (1) or values (2) reads dimension `from`, 0 where that is 0. */
static inline void planted_read(planted *p, const char *layer, int what, int head, int to, int from, double strength)
{
    char name[80];
    double high, low;
    planted_norm(&high, &low);
    int row = what * PLANTED_D + head * PLANTED_K + to;
    snprintf(name, sizeof name, "%s.in_proj_weight", layer);
    planted_param(p, name)[row * PLANTED_D + from] = (heed_real)(strength / (high - low));
    snprintf(name, sizeof name, "%s.in_proj_bias", layer);
    planted_param(p, name)[row] -= (heed_real)(strength / (high - low) * low);
}

/* The head looks from each position at another: at(position). */
static inline void planted_look(planted *p, const char *layer, int head, int (*at)(int))
{
    for (int i = 0; i < 16; i++) {
        planted_read(p, layer, 1, head, i, i, 1);
        if (at(i) >= 0 && at(i) < 16) {
            char name[80];
            planted_read(p, layer, 0, head, at(i), i, 0); /* several positions may ask for one */
            double high, low;
            planted_norm(&high, &low);
            int row = head * PLANTED_K + at(i);
            snprintf(name, sizeof name, "%s.in_proj_weight", layer);
            planted_param(p, name)[row * PLANTED_D + i] = (heed_real)(160 / (high - low));
            snprintf(name, sizeof name, "%s.in_proj_bias", layer);
            planted_param(p, name)[row] -= (heed_real)(160 / (high - low) * low);
        }
    }
}

static inline int planted_before(int i)
{
    return i > 0 ? i - 1 : 0;
}
static inline int planted_after(int i)
{
    return i < PLANTED_S - 1 ? i + 1 : i;
}
static inline int planted_self(int i)
{
    return i;
}
static inline int planted_first(int i)
{
    (void)i;
    return 0;
}
static inline int planted_end(int i)
{
    (void)i;
    return PLANTED_S - 1;
}
static inline int planted_out(int i)
{
    return i < PLANTED_WORDS ? PLANTED_WORDS - 1 - i : PLANTED_S - 1;
}
static inline int planted_in(int i)
{
    return i > 0 ? PLANTED_WORDS - i : PLANTED_S - 1;
}

static inline planted planted_trained(void)
{
    planted p = planted_new(1);
    heed_real *values = heed_params_values(p.params);
    for (int i = 0; i < heed_params_count(p.params); i++) {
        const heed_param *param = heed_params_at(p.params, i);
        bool norm = strstr(param->name, "norm") && strstr(param->name, "weight");
        for (int64_t k = 0; k < heed_shape_numel(param->shape); k++)
            values[param->offset + k] = norm;
    }
    heed_real *src = planted_param(&p, "src_embed.weight"), *tgt = planted_param(&p, "tgt_embed.weight");
    for (int id = 1; id < TARGET_WORDS; id++) { /* times sqrt(64) in the layer */
        bool noun = id >= NOUNS && id < VERBS, verb = id >= VERBS && id < OTHERS, many = id == 6 || id == 7;
        const int dims[] = { ONE, WORD + (id < 16 ? id : 0),
                             noun   ? IS_NOUN
                             : verb ? IS_VERB
                                    : IS_OTHER,
                             many ? PLURAL : NOT_PLURAL };
        for (int k = 0; k < 4; k++) {
            tgt[id * PLANTED_D + dims[k]] = (heed_real)0.125;
            if (id < SOURCE_WORDS)
                src[id * PLANTED_D + dims[k]] = (heed_real)0.125;
        }
    }
    for (int i = 0; i < 16; i++) {
        planted_param(&p, "src_positions.weight")[i * PLANTED_D + i] = 1;
        planted_param(&p, "tgt_positions.weight")[i * PLANTED_D + i] = 1;
    }
    const char *enc = "encoder.layers.0.self_attn", *dec = "decoder.layers.0.self_attn";
    const char *cross = "decoder.layers.0.multihead_attn";
    planted_look(&p, enc, 0, planted_before);
    planted_look(&p, enc, 1, planted_after);
    planted_read(&p, enc, 0, 3, 0, IS_VERB, 160);
    planted_read(&p, enc, 1, 3, 0, IS_NOUN, 1);
    planted_read(&p, enc, 2, 3, 0, PLURAL, 4);
    planted_param(&p, "encoder.layers.0.self_attn.out_proj.weight")[NUMBER * PLANTED_D + 3 * PLANTED_K] = 1;
    planted_look(&p, dec, 0, planted_before);
    planted_look(&p, dec, 1, planted_self);
    planted_look(&p, dec, 2, planted_first);
    planted_look(&p, cross, 0, planted_out);
    planted_look(&p, cross, 2, planted_end);
    planted_look(&p, cross, 3, planted_in);
    heed_real *out = planted_param(&p, "decoder.layers.0.multihead_attn.out_proj.weight");
    heed_real *generator = planted_param(&p, "generator.weight");
    for (int id = 0; id < SOURCE_WORDS; id++) { /* head 0 has room for the words and the number */
        planted_read(&p, cross, 2, 0, id, WORD + id, 1);
        out[(SAID + id) * PLANTED_D + id] = 1;
    }
    planted_read(&p, cross, 2, 0, 15, NUMBER, 1);
    out[SAID_NUMBER * PLANTED_D + 15] = 1;
    for (int id = 0; id < TARGET_WORDS; id++) {
        int verb = id >= MANY_VERBS ? id - MANY_VERBS + VERBS : id;
        generator[id * PLANTED_D + SAID + verb] = 20;
        if (id >= MANY_VERBS) {
            generator[id * PLANTED_D + SAID_NUMBER] = 20;
            generator[id * PLANTED_D + ONE] = -10;
        }
    }
    heed_params_changed(p.params);
    return p;
}

/* Head h of every layer becomes head order[h]; the network says the same. */
static inline void planted_permute(planted *p, const int *order)
{
    static const char *const layers[] = { "encoder.layers.0.self_attn", "decoder.layers.0.self_attn",
                                          "decoder.layers.0.multihead_attn" };
    static const char *const parts[] = { "in_proj_weight", "in_proj_bias", "out_proj.weight" };
    enum { D = PLANTED_D, K = PLANTED_K };
    for (int i = 0; i < 3; i++) {
        heed_real in[3 * D * D], bias[3 * D], out[D * D], *to[3];
        char name[80];
        for (int k = 0; k < 3; k++) {
            snprintf(name, sizeof name, "%s.%s", layers[i], parts[k]);
            to[k] = planted_param(p, name);
        }
        memcpy(in, to[0], sizeof in);
        memcpy(bias, to[1], sizeof bias);
        memcpy(out, to[2], sizeof out);
        for (int row = 0; row < 3 * D; row++) {
            int head = row % D / K, there = row + (order[head] - head) * K;
            memcpy(to[0] + there * D, in + row * D, D * sizeof *in);
            to[1][there] = bias[row];
        }
        for (int k = 0; k < D * D; k++)
            to[2][k + (order[k % D / K] - k % D / K) * K] = out[k];
    }
    heed_params_changed(p->params);
}

/* ---- sentences --------------------------------------------------------------------------------------------------- */

typedef struct {
    int32_t src[PLANTED_S], tgt[PLANTED_S + 1];
    uint8_t src_flags[PLANTED_S], tgt_flags[PLANTED_S];
    int16_t src_classes[PLANTED_S], tgt_classes[PLANTED_S];
    const char *src_words[PLANTED_S], *tgt_words[PLANTED_S];
    heed_link links[PLANTED_WORDS];
    heed_arc arc;
    int noun;
    char id[24], translation[64];
} planted_data;

static const char *const PLANTED_NAMES[TARGET_WORDS] = { "<pad>", "<bos>", "<eos>", "<unk>", "cat",  "dog",
                                                         "cats",  "dogs",  "see",   "eat",   "a",    "the",
                                                         "big",   "red",   "not",   "sees+", "eats+" };
static const char *const PLANTED_CLASSES[] = { "noun", "verb", "other" }, *const PLANTED_KINDS[] = { "subject" };
static const char *const PLANTED_PHENOMENA[] = { "NUMBER" };
static const int16_t PLANTED_CLAIMS[][2] = { { 0, 0 } };

/* All that follows from the words of the source. */
static inline void planted_translation(planted_data *to)
{
    *to->translation = 0;
    to->src[6] = 2, to->src_flags[6] = HEED_TOKEN_EOS, to->src_classes[6] = -1;
    to->tgt[0] = 1, to->tgt_flags[0] = HEED_TOKEN_BOS, to->tgt_classes[0] = -1;
    for (int t = 0; t < PLANTED_WORDS; t++) {
        int32_t id = to->src[PLANTED_WORDS - 1 - t];
        bool many = to->src[to->noun] >= 6 && id >= VERBS && id < OTHERS;
        to->tgt[t + 1] = many ? id - VERBS + MANY_VERBS : id;
        to->tgt_classes[t + 1] = to->src_classes[PLANTED_WORDS - 1 - t];
        snprintf(to->translation + strlen(to->translation), sizeof to->translation - strlen(to->translation), "%s%s",
                 t ? " " : "", PLANTED_NAMES[to->tgt[t + 1]]);
    }
    for (int i = 0; i < PLANTED_S; i++) {
        to->src_words[i] = PLANTED_NAMES[to->src[i]];
        to->tgt_words[i] = PLANTED_NAMES[to->tgt[i]];
    }
}

static inline void planted_sentence(draws *d, planted_data *to, heed_sentence *s, int number)
{
    int noun = (int)draw_int(d, 0, 5), verb = (int)draw_int(d, 0, 4);
    verb += verb >= noun;
    to->noun = noun;
    *s = (heed_sentence){ .set = "data", .gold = true, .exact = 1, .fit = number < PLANTED_FIT, .arcs = &to->arc };
    for (int i = 0; i < PLANTED_WORDS; i++) {
        to->src[i] = (int32_t)(i == noun ? draw_int(d, 4, 7) : i == verb ? draw_int(d, 8, 9) : draw_int(d, 10, 14));
        to->src_classes[i] = (int16_t)(i == noun ? 0 : i == verb ? 1 : 2);
        to->links[i] = (heed_link){ (int16_t)i, (int16_t)(PLANTED_WORDS - 1 - i), true };
    }
    planted_translation(to);
    to->arc = (heed_arc){ HEED_ENC, 0, (int16_t)verb, { (int16_t)noun }, 1, { (int16_t)(verb - 1) }, 0 };
    to->arc.attractors_count = verb > 0 && noun != verb - 1; /* what stands before the verb */
    snprintf(to->id, sizeof to->id, "planted-%d", number);
    s->id = to->id;
    s->arcs_count = 1;
    s->links = to->links;
    s->links_count = PLANTED_WORDS;
    s->translation = to->translation;
    s->src = (heed_tokens){ PLANTED_S, to->src, to->src_flags, to->src_classes, to->src_words };
    s->tgt = (heed_tokens){ PLANTED_S, to->tgt, to->tgt_flags, to->tgt_classes, to->tgt_words };
}

typedef struct {
    planted_data data[PLANTED_COUNT];
    heed_sentence sentences[PLANTED_COUNT]; /* the first PLANTED_FIT to fit on */
    heed_decision decisions[PLANTED_COUNT];
    const heed_minimal_pair *pairs;
    int64_t pairs_count;
    const heed_inspect_other *others;
    int others_count, threads;
    bool plain; /* nothing is ablated */
    const heed_transformer *net;
    int64_t shown;
} planted_set;

static inline void planted_draw(planted_set *set)
{
    draws d = draws_of(9);
    memset(set, 0, sizeof *set);
    for (int i = 0; i < PLANTED_COUNT; i++) {
        planted_sentence(&d, &set->data[i], &set->sentences[i], i);
        const heed_arc *arc = &set->data[i].arc;
        int at = i - PLANTED_FIT, apart = abs(arc->word - arc->keys[0]);
        if (at >= 0) /* of the verb, whose subject the arc of its sentence is */
            set->decisions[at] = (heed_decision){ .sentence = at,
                                                  .distance = (int16_t)apart,
                                                  .attractors = (int16_t)(apart > 3 ? 3 : apart - 1),
                                                  .arcs = { 1 } };
    }
}

/* Greedy translation as words; false: an error. */
static inline bool planted_translate(const heed_transformer *m, const heed_sentence *s, char *out, size_t room)
{
    int32_t ids[10], n;
    heed_tape *tape = heed_tape_new((heed_tape_desc){ .eval = true, .no_grad = true, .threads = 1 });
    bool done = heed_decode_greedy(m, tape, s->src.ids, NULL, 1, PLANTED_S,
                                   (heed_decode_desc){ .bos = 1, .eos = 2, .max_length = 10 }, ids, &n);
    heed_tape_free(tape);
    *out = 0;
    for (int i = 0; done && i < n; i++)
        snprintf(out + strlen(out), room - strlen(out), "%s%s", i ? " " : "", PLANTED_NAMES[ids[i]]);
    return done;
}

/* Loss of the reference, and whether its verb is the first choice. */
static inline double planted_loss(const heed_transformer *m, const heed_sentence *s, bool *forced)
{
    heed_tape *tape = heed_tape_new((heed_tape_desc){ .eval = true, .no_grad = true, .threads = 1 });
    heed_ids *src = heed_input_ids(tape, HEED_SHAPE(1, PLANTED_S), s->src.ids);
    heed_ids *tgt = heed_input_ids(tape, HEED_SHAPE(1, PLANTED_S), s->tgt.ids);
    heed_tensor logits =
        heed_value(heed_transformer_decode(m, tgt, heed_transformer_encode(m, src, NULL, NULL), NULL, NULL, NULL));
    double loss = 0;
    for (int i = 0; i < PLANTED_S; i++) {
        const heed_real *row = logits.data + i * TARGET_WORDS;
        int32_t want = i + 1 < PLANTED_S ? s->tgt.ids[i + 1] : 2, best = 0;
        double all = 0;
        for (int k = 0; k < TARGET_WORDS; k++) {
            best = row[k] > row[best] ? k : best;
            all += exp((double)row[k] - (double)row[want]);
        }
        loss += log(all) / PLANTED_S;
        if (s->src.ids[planted_out(i)] >= VERBS && s->src.ids[planted_out(i)] < OTHERS && i < PLANTED_WORDS)
            *forced = best == want;
    }
    heed_tape_free(tape);
    return loss;
}

/* Of the verb's number, in logits. */
static inline double planted_margin(const heed_transformer *m, const heed_sentence *s)
{
    heed_tape *tape = heed_tape_new((heed_tape_desc){ .eval = true, .no_grad = true, .threads = 1 });
    heed_ids *src = heed_input_ids(tape, HEED_SHAPE(1, PLANTED_S), s->src.ids);
    heed_ids *tgt = heed_input_ids(tape, HEED_SHAPE(1, PLANTED_S), s->tgt.ids);
    heed_tensor logits =
        heed_value(heed_transformer_decode(m, tgt, heed_transformer_encode(m, src, NULL, NULL), NULL, NULL, NULL));
    int verb = s->arcs->word, row = PLANTED_WORDS - 1 - verb;
    int32_t want = s->tgt.ids[row + 1], one = s->src.ids[verb], many = one - VERBS + MANY_VERBS;
    double margin = (double)logits.data[row * TARGET_WORDS + want] -
                    (double)logits.data[row * TARGET_WORDS + (want == one ? many : one)];
    heed_tape_free(tape);
    return margin;
}

/* How many of the words stand where they should. */
static inline int planted_words_right(const char *text, const char *want)
{
    int right = 0;
    for (; *text && *want; text += strcspn(text, " "), want += strcspn(want, " ")) {
        text += strspn(text, " ");
        want += strspn(want, " ");
        size_t n = strcspn(text, " ");
        right += n == strcspn(want, " ") && strncmp(text, want, n) == 0;
    }
    return right;
}

/* In the place of BLEU: the square of the share of all words that are right, which no mean over sentences is. */
static inline double planted_score(const double parts[HEED_SCORE_PARTS], void *context)
{
    double share = parts[0] / parts[HEED_SCORE_PARTS - 1];
    (void)context;
    return 100 * share * share;
}

static inline bool planted_evaluate(heed_outcome *o, void *context)
{
    planted_set *set = context;
    for (int i = PLANTED_FIT; i < PLANTED_COUNT; i++) {
        const heed_sentence *s = &set->sentences[i];
        char text[256];
        int at = i - PLANTED_FIT;
        if (o->measure) {
            o->loss[at] = planted_loss(set->net, s, &o->forced[at]);
            o->margin[at] = planted_margin(set->net, s);
        }
        if (o->translate) {
            if (!planted_translate(set->net, s, text, sizeof text))
                return false;
            o->exact[at] = o->free[at] = strcmp(text, s->translation) == 0;
            o->parts[at * HEED_SCORE_PARTS] = planted_words_right(text, s->translation);
            o->parts[at * HEED_SCORE_PARTS + HEED_SCORE_PARTS - 1] = PLANTED_WORDS;
        }
    }
    for (int64_t i = 0; o->show && i < set->shown; i++) {
        bool unused;
        o->texts[i] = heed_arena_alloc(o->arena, 256);
        if (!o->texts[i] || !planted_translate(set->net, &set->sentences[i], o->texts[i], 256))
            return false;
        o->shown_loss[i] = planted_loss(set->net, &set->sentences[i], &unused);
    }
    return true;
}

static inline heed_inspection *planted_inspect(planted_set *set, const planted *p, const planted *untrained)
{
    set->net = &p->m;
    heed_inspection *x = heed_inspect((heed_inspect_desc){ .net = &p->m,
                                                           .untrained = &untrained->m,
                                                           .eos = 2,
                                                           .name = "planted",
                                                           .step = 7,
                                                           .seed = 1,
                                                           .shown = set->sentences,
                                                           .shown_count = set->shown,
                                                           .measured = set->sentences,
                                                           .measured_count = PLANTED_COUNT,
                                                           .kinds = PLANTED_KINDS,
                                                           .classes = PLANTED_CLASSES,
                                                           .phenomena = PLANTED_PHENOMENA,
                                                           .kinds_count = 1,
                                                           .classes_count = 3,
                                                           .phenomena_count = 1,
                                                           .claims = PLANTED_CLAIMS,
                                                           .claims_count = 1,
                                                           .evaluate = set->plain ? NULL : planted_evaluate,
                                                           .bleu = set->plain ? NULL : planted_score,
                                                           .context = set,
                                                           .decisions = set->decisions,
                                                           .decisions_count = PLANTED_COUNT - PLANTED_FIT,
                                                           .pairs = set->pairs,
                                                           .pairs_count = set->pairs_count,
                                                           .others = set->others,
                                                           .others_count = set->others_count,
                                                           .threads = set->threads });
    if (!x)
        fail_msg("%s", heed_error());
    return x;
}

/* Written into the test's folder: its inspect.json. */
static inline json_t *planted_written(const heed_inspection *x)
{
    if (!x || !heed_inspection_write(x, folder_name))
        fail_msg("%s", heed_error());
    json_t *all = json_load_file(folder_path("inspect.json"), 0, NULL);
    assert_non_null(all);
    return all;
}

#endif
