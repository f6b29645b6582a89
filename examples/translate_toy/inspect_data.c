/* Sentences for an inspection: inspect_data.h. */
#include "inspect_data.h"
#include "decisions.h"
#include "program.h"
#include "toy_lexicon.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { MOST = 1000 }; /* tokens a side */

static void *get(int64_t n, size_t size)
{
    void *room = calloc((size_t)(n ? n : 1), size);
    if (!room)
        die("out of memory");
    return room;
}

/* ---- tokens ------------------------------------------------------------------------------------------------------ */

static uint8_t flag_of(int32_t id, const char *word)
{
    static const uint8_t specials[] = { HEED_TOKEN_PAD, HEED_TOKEN_BOS, HEED_TOKEN_EOS, HEED_TOKEN_UNK };
    if (id < HEED_SPECIALS)
        return specials[id];
    bool marks = false; /* nothing but punctuation and join marks */
    utf8proc_int32_t code;
    for (const char *at = word; *at;) {
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)at, -1, &code);
        utf8proc_category_t kind = n > 0 ? utf8proc_category(code) : UTF8PROC_CATEGORY_LU;
        bool mark = (kind >= UTF8PROC_CATEGORY_PC && kind <= UTF8PROC_CATEGORY_PO) || code == 0xFFED;
        if (!mark)
            return 0;
        marks = true;
        at += n;
    }
    return marks ? HEED_TOKEN_PUNCTUATION : 0;
}

/* Ids with <bos> in front (target) or <eos> behind, and what is known of each. */
static heed_tokens make_tokens(const heed_vocab *vocab, const int32_t *ids, int64_t n, bool target, bool toy)
{
    int32_t *all = get(n + 1, sizeof *all);
    uint8_t *flags = get(n + 1, sizeof *flags);
    int16_t *classes = get(n + 1, sizeof *classes);
    const char **words = get(n + 1, sizeof *words);
    memcpy(all + target, ids, (size_t)n * sizeof *all);
    all[target ? 0 : n] = target ? HEED_BOS : HEED_EOS;
    for (int64_t i = 0; i <= n; i++) {
        words[i] = heed_vocab_word(vocab, all[i]);
        flags[i] = flag_of(all[i], words[i]);
        classes[i] = toy ? inspect_class(words[i], target) : -1;
    }
    heed_tokens t = { n + 1, all, flags, toy ? classes : NULL, words };
    if (!toy)
        free(classes);
    return t;
}

static void free_tokens(heed_tokens *t)
{
    free((void *)(uintptr_t)t->ids);
    free((void *)(uintptr_t)t->flags);
    free((void *)(uintptr_t)t->classes);
    free((void *)(uintptr_t)t->words);
}

static char *copy_of(const char *text)
{
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy)
        die("out of memory");
    return copy;
}

/* What the model makes of the source. */
static int64_t translate(const model *m, const int32_t *src, int64_t n, int32_t *out)
{
    int32_t length, ids[MOST + 1];
    heed_tape *tape = heed_tape_new((heed_tape_desc){ .eval = true, .no_grad = true, .threads = 1 });
    int64_t most = 2 * n + 10 < MOST ? 2 * n + 10 : MOST;
    memcpy(ids, src, (size_t)n * sizeof *ids);
    ids[n] = HEED_EOS;
    if (!tape ||
        !heed_decode_greedy(&m->net, tape, ids, NULL, 1, n + 1,
                            (heed_decode_desc){ .bos = HEED_BOS, .eos = HEED_EOS, .max_length = most }, out, &length))
        die("%s", heed_error());
    heed_tape_free(tape);
    return length;
}

static heed_sentence *add_sentence(inspect_data *d, const char *id, const char *set)
{
    d->sentences = grow(d->sentences, d->count, &d->room, sizeof *d->sentences);
    heed_sentence *s = &d->sentences[d->count++];
    *s = (heed_sentence){ .id = copy_of(id), .set = set, .exact = -1 };
    return s;
}

static int64_t encode(const heed_vocab *vocab, const char *text, int32_t *ids)
{
    if (!heed_utf8_valid(text, (int64_t)strlen(text))) {
        warn("not looked at: %s", heed_line_reason(HEED_LINE_ENCODING));
        return 0;
    }
    int64_t n = heed_vocab_encode(vocab, text, ids, MOST, NULL);
    if (n < 0)
        warn("not looked at: %s", heed_error());
    heed_error_clear();
    return n;
}

bool inspect_add_pair(inspect_data *d, const model *m, const char *id, const char *set, const char *source,
                      const char *target, bool fit)
{
    int32_t src[MOST + 1], tgt[MOST + 1], out[MOST + 1];
    int64_t n = encode(m->source, source, src);
    if (n < 1)
        return false;
    int64_t own = d->showing || !target ? translate(m, src, n, out) : 0;
    int64_t length = target ? encode(m->target, target, tgt) : own;
    if (length < 0)
        return false;
    heed_sentence *s = add_sentence(d, id, set);
    char *text = d->showing ? heed_vocab_decode(m->target, out, own) : NULL;
    s->src = make_tokens(m->source, src, n, false, false);
    s->tgt = make_tokens(m->target, target ? tgt : out, length, true, false);
    s->decoded = !target;
    s->fit = fit;
    s->translation = copy_of(text);
    if (target && d->showing)
        s->exact = length == own && memcmp(tgt, out, (size_t)own * sizeof *out) == 0;
    heed_text_free(text);
    return true;
}

/* ---- the toy language's gold --------------------------------------------------------------------------------------- */

static int16_t kind_of(inspect_data *d, const char *name)
{
    int i = 0;
    while (i < d->kinds_count && strcmp(d->kinds[i], name) != 0)
        i++;
    if (i == d->kinds_count)
        d->kinds[d->kinds_count++] = name;
    return (int16_t)i;
}

/* 0 singular, 1 plural, -1: no noun, or one that does not tell. */
static int number_of(const char *word)
{
    for (int i = 0; i < toy_noun_count; i++)
        for (int plural = 0; plural < 2; plural++)
            if (strcmp(toy_nouns[i].english[plural], word) == 0)
                return strcmp(toy_nouns[i].english[0], toy_nouns[i].english[1]) == 0 ? -1 : plural;
    return -1;
}

/* In French: 0 masculine, 1 feminine, -1: no noun, or one whose senses differ. */
static int gender_of(const char *word)
{
    int found = -1;
    for (int i = 0; i < toy_noun_count; i++)
        if (strcmp(toy_nouns[i].english[0], word) == 0 || strcmp(toy_nouns[i].english[1], word) == 0) {
            if (found >= 0 && found != toy_nouns[i].feminine)
                return -1;
            found = toy_nouns[i].feminine;
        }
    return found;
}

/* Nouns between two English words, the first of which controls something, of the other number or gender. */
static void find_attractors(heed_arc *arc, const toy_sentence *toy, int key, int word, int (*feature)(const char *word))
{
    int from = key < word ? key : word, to = key < word ? word : key, of_key = feature(toy->english[key]);
    arc->attractors_count = 0;
    for (int i = from + 1; i < to && of_key >= 0 && arc->attractors_count < HEED_ARC_KEYS; i++)
        if (feature(toy->english[i]) == 1 - of_key)
            arc->attractors[arc->attractors_count++] = (int16_t)i;
}

static bool agrees(const char *kind)
{
    return !strcmp(kind, "subject") || !strcmp(kind, "relative") || !strcmp(kind, "predicate");
}

/* Does the French word say the English one? */
static bool linked(const toy_sentence *toy, int english, int french)
{
    for (int i = 0; i < toy->possible_count; i++)
        if (toy->possible[i].source == english && toy->possible[i].target == french)
            return true;
    return false;
}

/* The English word that agrees with the controller where French word `french` does: the one it says, else the last of
 * those before arc i. -1: none. */
static int agreeing(const toy_sentence *toy, int i, int controller, int french)
{
    int last = -1;
    for (int k = 0; k < i; k++) {
        const toy_arc *arc = &toy->arcs[k];
        if (arc->side != TOY_ENC || !agrees(arc->kind) || arc->keys[0] != controller)
            continue;
        last = arc->query;
        if (linked(toy, last, french))
            return last;
    }
    return last;
}

static heed_arc *make_arcs(inspect_data *d, const toy_sentence *toy)
{
    heed_arc *arcs = get(toy->arc_count, sizeof *arcs);
    for (int i = 0; i < toy->arc_count; i++) {
        const toy_arc *from = &toy->arcs[i];
        heed_arc *arc = &arcs[i];
        *arc = (heed_arc){ (heed_attention_type)from->side, kind_of(d, from->kind), from->query, { 0 }, 0, { 0 }, 0 };
        for (int k = 0; k < from->count && k < HEED_ARC_KEYS; k++)
            arc->keys[arc->keys_count++] = from->keys[k];
        if (from->side == TOY_ENC && agrees(from->kind))
            find_attractors(arc, toy, arc->keys[0], arc->word, number_of);
        bool gender = !strcmp(from->kind, "GEN-LONG"), number = !strncmp(from->kind, "NUM-", 4);
        if (from->side != TOY_CROSS || (!number && !gender))
            continue;
        /* what stands between in English stands there for French */
        int word = agreeing(toy, i, arc->keys[0], arc->word);
        if (word >= 0)
            find_attractors(arc, toy, arc->keys[0], word, gender ? gender_of : number_of);
    }
    return arcs;
}

static heed_link *make_links(const toy_sentence *toy)
{
    heed_link *links = get(toy->possible_count, sizeof *links);
    for (int i = 0; i < toy->possible_count; i++) {
        links[i] = (heed_link){ toy->possible[i].source, toy->possible[i].target, false };
        for (int k = 0; k < toy->sure_count; k++)
            links[i].sure =
                links[i].sure || (toy->sure[k].source == links[i].source && toy->sure[k].target == links[i].target);
    }
    return links;
}

/* The source with every homonym that has a cue replaced by a noun of one sense and the same number; NULL: none. */
static int32_t *make_control(const model *m, const toy_sentence *toy, const heed_tokens *src)
{
    int32_t *ids = NULL;
    for (int i = 0; i < toy->arc_count; i++) {
        const toy_arc *arc = &toy->arcs[i];
        if (arc->side != TOY_ENC || strcmp(arc->kind, "cue") != 0)
            continue;
        if (!ids) {
            ids = get(src->count, sizeof *ids);
            memcpy(ids, src->ids, (size_t)src->count * sizeof *ids);
        }
        int plural = number_of(toy->english[arc->query]) == 1;
        int32_t id = HEED_UNK;
        for (int k = 0; id == HEED_UNK && k < toy_noun_count; k++)
            id = toy_nouns[k].twin ? HEED_UNK : heed_vocab_id(m->source, toy_nouns[k].english[plural]);
        ids[arc->query] = id;
    }
    return ids;
}

/* The decisions as toy_gold_write has them, with row, and whether the translation has each right. */
static char *decisions_text(const toy_sentence *toy, const char *translation)
{
    char *line = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&line, &bytes);
    if (!file || !toy_gold_write(toy, file) || fclose(file))
        die("out of memory");
    json_t *all = json_loads(line, 0, NULL), *list = json_object_get(all, "decisions");
    static const char *const optional[] = { "variant", "distance", "attractors", "cue", "side" };
    char *copy = copy_of(translation), *rest;
    const char *output[MOST];
    int n = 0, place[TOY_MAX_FRENCH];
    for (char *word = strtok_r(copy, " ", &rest); word && n < MOST; word = strtok_r(NULL, " ", &rest))
        output[n++] = word;
    if (!decisions_align(toy->french, toy->french_count, output, n, place))
        die("out of memory");
    for (int i = 0; i < toy->decision_count; i++) {
        json_t *one = json_array_get(list, (size_t)i);
        for (int k = 0; k < 5; k++)
            if (!json_object_get(one, optional[k]))
                json_object_set_new(one, optional[k], json_null());
        bool right = decisions_free_result(&toy->decisions[i], toy->french, output, n, place) == FREE_RIGHT;
        json_object_set_new(one, "row", json_integer(toy->decisions[i].position));
        json_object_set_new(one, "free", json_boolean(right));
    }
    char *text = json_dumps(list, JSON_COMPACT);
    json_decref(all);
    free(line);
    free(copy);
    return text;
}

/* Where a head of the encoder and one of the decoder may look for the number of a verb, or for the gender of a predicate:
 * the arc of the English verb to the same subject, about as far, and the row that predicts the French word. */
static void find_decision_arcs(heed_decision *to, const toy_decision *d, const toy_sentence *toy)
{
    int near = TOY_MAX_ENGLISH;
    for (int i = 0; i < toy->arc_count; i++) {
        const toy_arc *arc = &toy->arcs[i];
        int apart = abs(abs(arc->query - arc->keys[0]) - d->distance);
        if (arc->side == TOY_CROSS && arc->query == d->position &&
            !strcmp(arc->kind, toy_phenomenon_name(d->phenomenon)))
            to->arcs[1] = (int16_t)(i + 1);
        if (arc->side == TOY_ENC && d->phenomenon == TOY_NUM_LONG && arc->keys[0] == d->source[0] &&
            agrees(arc->kind) && apart < near) {
            near = apart;
            to->arcs[0] = (int16_t)(i + 1);
        }
    }
}

static void add_decisions(inspect_data *d, const toy_sentence *toy, int64_t sentence)
{
    for (int i = 0; i < toy->decision_count; i++) {
        if (d->decisions_count == d->decisions_room) {
            int64_t room = d->decisions_room;
            d->decisions = grow(d->decisions, d->decisions_count, &room, sizeof *d->decisions);
            d->toy = grow(d->toy, d->decisions_count, &d->decisions_room, sizeof *d->toy);
        }
        const toy_decision *from = &toy->decisions[i];
        heed_decision *to = &d->decisions[d->decisions_count];
        *to = (heed_decision){ .sentence = (int32_t)sentence, .phenomenon = (int16_t)from->phenomenon };
        if (from->attractors >= 0) {
            to->distance = from->distance;
            to->attractors = from->attractors;
            find_decision_arcs(to, from, toy);
        }
        d->toy[d->decisions_count++] = *from;
    }
}

void inspect_add_toy(inspect_data *d, const model *m, toy_split split, int64_t from, int64_t n, bool fit)
{
    int64_t measured = 0;
    for (int64_t i = d->shown; !d->showing && i < d->count; i++)
        measured += !d->sentences[i].fit;
    for (int64_t i = from; i < from + n && i < toy_split_size(split); i++) {
        toy_sentence toy;
        char english[TOY_TEXT], french[TOY_TEXT], id[64];
        if (!toy_make(TOY_SEED, split, i, &toy) || toy_text(&toy, false, english, sizeof english) < 0 ||
            toy_text(&toy, true, french, sizeof french) < 0)
            die("the toy language has no sentence %lld of %s", (long long)i, toy_split_name(split));
        snprintf(id, sizeof id, "%s-%lld", toy_split_name(split), (long long)i);
        if (!inspect_add_pair(d, m, id,
                              split == TOY_TEST_PAIRS || split == TOY_TEST_NUMBER ? "pair"
                              : d->showing                                        ? "probe"
                                                                                  : "toy",
                              english, french, fit))
            continue;
        heed_sentence *s = &d->sentences[d->count - 1];
        if (s->src.count != toy.english_count + 1 || s->tgt.count != toy.french_count + 1)
            continue; /* the model cuts words: gold is of whole ones */
        heed_tokens src = s->src, tgt = s->tgt;
        s->src = make_tokens(m->source, src.ids, src.count - 1, false, true);
        s->tgt = make_tokens(m->target, tgt.ids + 1, tgt.count - 1, true, true);
        free_tokens(&src);
        free_tokens(&tgt);
        s->gold = true;
        s->links = make_links(&toy);
        s->links_count = toy.possible_count;
        s->arcs = make_arcs(d, &toy);
        s->arcs_count = toy.arc_count;
        s->control = make_control(m, &toy, &s->src);
        s->decisions = d->showing ? decisions_text(&toy, s->translation) : NULL;
        if (!d->showing && !fit)
            add_decisions(d, &toy, measured++);
    }
}

/* The first row in which the decision that flips says something else; -1: none. */
static int32_t deciding_row(const heed_sentence *a, const heed_sentence *b, const toy_decision *d)
{
    for (int32_t row = d->position; row < d->position + d->span && row + 1 < a->tgt.count; row++)
        if (a->tgt.ids[row + 1] != b->tgt.ids[row + 1])
            return row;
    return -1;
}

static void add_pair(inspect_data *d, int64_t at, const toy_decision *decision)
{
    const heed_sentence *a = &d->sentences[at], *b = a + 1;
    bool alike = a->gold && b->gold && a->src.count == b->src.count && a->tgt.count == b->tgt.count;
    int32_t row = alike ? deciding_row(a, b, decision) : -1;
    int16_t word = -1, also = 0;
    for (int16_t i = 0; row >= 0 && i < a->src.count; i++)
        if (a->src.ids[i] != b->src.ids[i])
            *(word < 0 ? &word : &also) = i;
    if (word < 0)
        return;
    int64_t room = d->pairs_room;
    d->pair_at = grow(d->pair_at, d->pairs_count, &room, sizeof *d->pair_at);
    d->pairs = grow(d->pairs, d->pairs_count, &d->pairs_room, sizeof *d->pairs);
    d->pairs[d->pairs_count] = (heed_minimal_pair){ .row = row,
                                                    .token = { a->tgt.ids[row + 1], b->tgt.ids[row + 1] },
                                                    .word = word,
                                                    .also = also,
                                                    .phenomenon = (int16_t)decision->phenomenon };
    d->pair_at[d->pairs_count][0] = at;
    d->pair_at[d->pairs_count++][1] = at + 1;
}

static void add_pairs(inspect_data *d, const model *m, toy_split split, int64_t from, int64_t n)
{
    for (int64_t i = from; i < from + n && 2 * i + 1 < toy_split_size(split); i++) {
        toy_sentence toy;
        int64_t at = d->count;
        inspect_add_toy(d, m, split, 2 * i, 2, true);
        if (d->count == at + 2 && toy_make(TOY_SEED, split, 2 * i, &toy) && toy.pair_decision >= 0)
            add_pair(d, at, &toy.decisions[toy.pair_decision]);
    }
}

void inspect_add_pairs(inspect_data *d, const model *m, int64_t n)
{
    enum { SHOWN = 6, NUMBER_SHOWN = 2 }; /* one of each kind; without and with a noun in between */
    if (d->showing) {
        add_pairs(d, m, TOY_TEST_PAIRS, 0, n < SHOWN ? n : SHOWN);
        add_pairs(d, m, TOY_TEST_NUMBER, 0, n < NUMBER_SHOWN ? n : NUMBER_SHOWN);
    } else {
        add_pairs(d, m, TOY_TEST_PAIRS, SHOWN, n);
        add_pairs(d, m, TOY_TEST_NUMBER, NUMBER_SHOWN, n / 2);
    }
}

void inspect_ready(inspect_data *d)
{
    for (int64_t i = 0; i < d->pairs_count; i++)
        for (int side = 0; side < 2; side++) {
            heed_sentence *s = &d->sentences[d->pair_at[i][side]];
            d->pairs[i].sentences[side] = s;
            s->pair = d->sentences[d->pair_at[i][1 - side]].id;
        }

    static const struct {
        const char *kind;
        toy_phenomenon phenomenon;
    } claims[] = {
        { "determiner", TOY_GEN_DET }, { "determiner", TOY_DE_PLUR }, { "modifier", TOY_GEN_ADJ },
        { "modifier", TOY_ADJ_ORDER }, { "subject", TOY_NUM_SV },     { "subject", TOY_NUM_LONG },
        { "relative", TOY_NUM_SV },    { "relative", TOY_NUM_LONG },  { "predicate", TOY_GEN_ADJ },
        { "predicate", TOY_GEN_LONG }, { "antecedent", TOY_ANAPHOR }, { "antecedent", TOY_CL_ANTE },
        { "cue", TOY_HOMONYM },        { "number", TOY_NUM_VERB },    { "verb", TOY_NUM_SV },
        { "verb", TOY_NUM_LONG },      { "adjective", TOY_GEN_ADJ },  { "pas", TOY_NEG },
    };
    int n = (int)(sizeof claims / sizeof claims[0]);
    d->claims = get(n + TOY_PHENOMENA, sizeof *d->claims);
    for (int k = 0; k < d->kinds_count; k++) {
        for (int i = 0; i < n; i++)
            if (strcmp(d->kinds[k], claims[i].kind) == 0) {
                d->claims[d->claims_count][0] = (int16_t)k;
                d->claims[d->claims_count++][1] = (int16_t)claims[i].phenomenon;
            }
        for (int p = 0; p < TOY_PHENOMENA; p++)
            if (strcmp(d->kinds[k], toy_phenomenon_name((toy_phenomenon)p)) == 0) {
                d->claims[d->claims_count][0] = (int16_t)k;
                d->claims[d->claims_count++][1] = (int16_t)p;
            }
    }
}

void inspect_data_free(inspect_data *d)
{
    for (int64_t i = 0; i < d->count; i++) {
        heed_sentence *s = &d->sentences[i];
        const void *all[] = { s->id, s->links, s->arcs, s->control, s->decisions, s->translation };
        free_tokens(&s->src);
        free_tokens(&s->tgt);
        for (size_t k = 0; k < sizeof all / sizeof all[0]; k++)
            free((void *)(uintptr_t)all[k]);
    }
    free(d->sentences);
    free(d->decisions);
    free(d->pairs);
    free(d->pair_at);
    free(d->toy);
    free(d->claims);
}
