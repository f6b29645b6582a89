/* A tree in French words, with the links to the English ones.
 *
 * Words are put in order with their full forms; a word that changes before a vowel (le, ne, que, vieux, ma) carries
 * that form along, and a last pass picks it by looking at the next word. Contraction (de + le = du) joins two words
 * into one and is decided when the article is put, because the noun phrase knows what follows. */
#include "toy_tree.h"

#include <string.h>

#define AT(position) ((position) < 0 ? 0u : 1u << (position))

typedef struct {
    const toy_tree *tree;
    const toy_places *english;
    toy_french_places *places;
    toy_sentence *out;
    const char *before_vowel[TOY_MAX_FRENCH];
    bool failed;
} writer;

/* "de" or "à" waiting for the noun phrase, with the English words it comes from. */
typedef enum { NO_PREFIX, PREFIX_DE, PREFIX_A } prefix_kind;
typedef struct {
    prefix_kind kind;
    uint32_t sure, possible;
} prefix;

/* First letters that elide. A mute h is a vowel here; every h of the lexicon is mute. */
static bool starts_with_vowel(const char *word)
{
    return strchr("aeiouh", word[0]) || !strncmp(word, "é", 2) || !strncmp(word, "œ", 2) || !strncmp(word, "ê", 2);
}

static void link_words(writer *w, toy_link *links, int16_t *count, uint32_t sources, int target)
{
    for (int s = 0; s < TOY_MAX_ENGLISH; s++)
        if (sources >> s & 1) {
            if (*count == TOY_MAX_LINKS) {
                w->failed = true;
                return;
            }
            links[(*count)++] = (toy_link){ (int16_t)s, (int16_t)target };
        }
}

/* Puts a word with its sure sources and those that are only possible; returns its position. */
static int put(writer *w, const char *word, const char *before_vowel, uint32_t sure, uint32_t possible)
{
    int at = w->out->french_count;
    if (at == TOY_MAX_FRENCH) {
        w->failed = true;
        return -1;
    }
    w->out->french[at] = word;
    w->before_vowel[at] = before_vowel;
    w->out->french_count++;
    link_words(w, w->out->sure, &w->out->sure_count, sure, at);
    link_words(w, w->out->possible, &w->out->possible_count, sure | possible, at);
    return at;
}

/* ---- noun phrases ------------------------------------------------------------------------------------------------ */

/* du, des, au, aux, or NULL if the article stays apart. */
static const char *contraction(prefix_kind kind, bool feminine, bool plural, const char *next)
{
    if (kind == NO_PREFIX || (!plural && (feminine || starts_with_vowel(next))))
        return NULL;
    return kind == PREFIX_DE ? plural ? "des" : "du" : plural ? "aux" : "au";
}

static void put_determiner(writer *w, int index, prefix before)
{
    const toy_np *np = &w->tree->np[index];
    const toy_noun *noun = &toy_nouns[np->noun];
    const toy_np_place *english = &w->english->np[index];
    bool owned = np->det == DET_OWNER;
    const toy_determiner *det = &toy_determiners[owned ? DET_THE : np->det];
    const char *next =
        np->pre >= 0 ? toy_adjectives[np->pre].french[noun->feminine][np->plural] : noun->french[np->plural];
    uint32_t sure = AT(english->det), possible = owned ? AT(english->genitive) : 0;
    if (owned || np->det == DET_THE) {
        const char *joined = contraction(before.kind, noun->feminine, np->plural, next);
        if (joined) {
            w->places->np[index].det = put(w, joined, NULL, sure | before.sure, possible | before.possible);
            return;
        }
    }
    if (before.kind != NO_PREFIX)
        put(w, before.kind == PREFIX_DE ? "de" : "à", before.kind == PREFIX_DE ? "d'" : NULL, before.sure,
            before.possible);
    const char *form = det->french[noun->feminine][np->plural];
    if (np->det == DET_SOME && np->pre >= 0)
        form = "de";
    w->places->np[index].det = put(w, form, np->plural ? NULL : det->before_vowel[noun->feminine], sure, possible);
}

/* "wooden" is two words, "en bois". */
static int put_adjective(writer *w, int adjective, bool feminine, bool plural, bool before_noun, int english)
{
    const toy_adjective *a = &toy_adjectives[adjective];
    bool changes = before_noun && !feminine && !plural;
    int at = put(w, a->french[feminine][plural], changes ? a->before_vowel : NULL, AT(english), 0);
    if (!strcmp(a->english, "wooden"))
        put(w, "bois", NULL, AT(english), 0);
    return at;
}

static void put_clause(writer *w, int index);

static void put_noun_phrase(writer *w, int index, prefix before)
{
    const toy_np *np = &w->tree->np[index];
    const toy_noun *noun = &toy_nouns[np->noun];
    const toy_np_place *english = &w->english->np[index];
    toy_french_np_place *place = &w->places->np[index];
    put_determiner(w, index, before);
    if (np->pre >= 0)
        place->pre = put_adjective(w, np->pre, noun->feminine, np->plural, true, english->pre);
    place->noun = put(w, noun->french[np->plural], NULL, AT(english->noun), 0);
    if (np->post >= 0) {
        place->post = put_adjective(w, np->post, noun->feminine, np->plural, false, english->post);
        place->post_end = w->out->french_count;
    }
    if (np->det == DET_OWNER) {
        place->genitive = w->out->french_count;
        put_noun_phrase(w, np->owner, (prefix){ PREFIX_DE, AT(english->genitive), 0 });
    }
    if (np->mod == MOD_PP) {
        uint32_t source = AT(english->preposition);
        place->preposition = w->out->french_count;
        if (np->preposition == PREP_NEAR)
            put(w, "près", NULL, source, 0);
        else if (np->preposition == PREP_IN)
            put(w, "dans", NULL, source, 0);
        bool near = np->preposition == PREP_NEAR;
        put_noun_phrase(
            w, np->inner,
            (prefix){ np->preposition == PREP_IN ? NO_PREFIX : PREFIX_DE, near ? 0 : source, near ? source : 0 });
    } else if (np->mod != MOD_NONE) {
        bool subject = np->mod == MOD_SUBJECT_RC;
        place->relative = put(w, subject ? "qui" : "que", subject ? NULL : "qu'", AT(english->that), 0);
        put_clause(w, np->clause);
    }
}

/* ---- clauses ----------------------------------------------------------------------------------------------------- */

static void put_subject(writer *w, int index)
{
    const toy_np *np = &w->tree->np[index];
    if (np->noun >= 0) {
        put_noun_phrase(w, index, (prefix){ NO_PREFIX, 0, 0 });
        return;
    }
    const char *form = toy_pronouns[np->pronoun].french[toy_np_feminine(w->tree, index)];
    w->places->np[index].noun = put(w, form, np->pronoun == PRON_I ? "j'" : NULL, AT(w->english->np[index].noun), 0);
}

static void put_clitic(writer *w, int clause, int index, bool direct)
{
    const toy_np *np = &w->tree->np[index];
    const toy_pronoun *p = &toy_pronouns[np->pronoun];
    const char *form = direct ? p->direct[toy_np_feminine(w->tree, index)] : p->indirect;
    const char *elided = !strcmp(form, "me") ? "m'" : direct && !p->plural ? "l'" : NULL;
    uint32_t to = direct ? 0 : AT(w->english->clause[clause].to);
    int at = put(w, form, elided, AT(w->english->np[index].noun), to);
    w->places->np[index].noun = w->places->clause[clause].clitic = at;
}

/* ne + clitic + verb + pas */
static void put_verb(writer *w, int index)
{
    const toy_clause *c = &w->tree->clause[index];
    const toy_clause_place *english = &w->english->clause[index];
    toy_french_clause_place *place = &w->places->clause[index];
    int person = toy_clause_person(w->tree, c);
    if (c->negation != NEG_NONE)
        place->ne = put(w, "ne", "n'", AT(english->negation), 0);
    if (toy_np_is_clitic(w->tree, c->object))
        put_clitic(w, index, c->object, true);
    else if (toy_np_is_clitic(w->tree, c->recipient))
        put_clitic(w, index, c->recipient, false);
    place->verb = put(w, c->verb >= 0 ? toy_verbs[c->verb].french[person] : toy_etre[person], NULL, AT(english->verb),
                      AT(english->aux));
    if (c->negation != NEG_NONE)
        place->pas = put(w, c->negation == NEG_NOT ? "pas" : "jamais", NULL, AT(english->negation), 0);
}

static void put_vp(writer *w, int index)
{
    const toy_clause *c = &w->tree->clause[index];
    const toy_clause_place *english = &w->english->clause[index];
    toy_french_clause_place *place = &w->places->clause[index];
    put_verb(w, index);
    if (c->predicate >= 0)
        place->predicate = put_adjective(w, c->predicate, toy_np_feminine(w->tree, c->subject),
                                         w->tree->np[c->subject].plural, false, english->predicate);
    if (c->object >= 0 && c->gap != GAP_OBJECT && !toy_np_is_clitic(w->tree, c->object))
        put_noun_phrase(w, c->object, (prefix){ NO_PREFIX, 0, 0 });
    if (c->recipient >= 0 && !toy_np_is_clitic(w->tree, c->recipient)) {
        place->to = w->out->french_count;
        put_noun_phrase(w, c->recipient, (prefix){ PREFIX_A, AT(english->to), 0 });
    }
    if (c->content >= 0) {
        place->que = put(w, "que", "qu'", AT(english->that), 0);
        put_clause(w, c->content);
    }
    if (c->next >= 0) {
        w->places->clause[c->next].conjunction = put(w, "et", NULL, AT(w->english->clause[c->next].conjunction), 0);
        put_vp(w, c->next);
    }
}

static void put_clause(writer *w, int index)
{
    const toy_clause *c = &w->tree->clause[index];
    if (c->question) {
        uint32_t aux = AT(w->english->clause[index].aux);
        put(w, "est-ce", NULL, 0, aux);
        put(w, "que", "qu'", 0, aux);
    }
    if (c->gap != GAP_SUBJECT)
        put_subject(w, c->subject);
    put_vp(w, index);
}

bool toy_french(const toy_tree *tree, const toy_places *english, toy_sentence *out, toy_french_places *places)
{
    writer w = { .tree = tree, .english = english, .places = places, .out = out };
    out->french_count = out->sure_count = out->possible_count = 0;
    for (int i = 0; i < tree->np_count; i++)
        places->np[i] = (toy_french_np_place){ -1, -1, -1, -1, -1, -1, -1, -1 };
    for (int i = 0; i < tree->clause_count; i++)
        places->clause[i] = (toy_french_clause_place){ -1, -1, -1, -1, -1, -1, -1, -1, -1 };
    put_clause(&w, tree->root);
    if (tree->but >= 0) {
        uint32_t but = AT(english->clause[tree->but].conjunction);
        places->clause[tree->but].conjunction = put(&w, "mais", NULL, but, 0);
        put_clause(&w, tree->but);
    }
    const toy_clause *root = &tree->clause[tree->root];
    places->clause[tree->root].end = put(&w, root->question ? "?" : ".", NULL, AT(english->clause[tree->root].end), 0);
    for (int i = out->french_count - 2; i >= 0 && !w.failed; i--)
        if (w.before_vowel[i] && starts_with_vowel(out->french[i + 1]))
            out->french[i] = w.before_vowel[i];
    places->count = out->french_count;
    return !w.failed;
}
