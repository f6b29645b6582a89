/* A tree in English words, and where they stand. */
#include "toy_tree.h"

#include <string.h>

typedef struct {
    const toy_tree *tree;
    const char **words;
    toy_places *places;
    bool failed; /* too long, or a form that does not exist ("a sheep" in the plural) */
} writer;

static int put(writer *w, const char *word)
{
    if (!word || w->places->count == TOY_MAX_ENGLISH) {
        w->failed = true;
        return -1;
    }
    w->words[w->places->count] = word;
    return w->places->count++;
}

/* "the king 's", "the men 's", but "the kings '". */
static const char *genitive_mark(const writer *w)
{
    const char *owner = w->failed ? "" : w->words[w->places->count - 1];
    size_t length = strlen(owner);
    return length && owner[length - 1] == 's' ? "'" : "'s";
}

static void put_clause(writer *w, int index);
static void put_vp(writer *w, int index);

static void put_noun_phrase(writer *w, int index)
{
    const toy_np *np = &w->tree->np[index];
    toy_np_place *place = &w->places->np[index];
    if (np->det == DET_OWNER) {
        put_noun_phrase(w, np->owner);
        place->genitive = put(w, genitive_mark(w));
    } else {
        place->det = put(w, toy_determiners[np->det].english[np->plural]);
    }
    if (np->pre >= 0)
        place->pre = put(w, toy_adjectives[np->pre].english);
    if (np->post >= 0)
        place->post = put(w, toy_adjectives[np->post].english);
    place->noun = put(w, toy_nouns[np->noun].english[np->plural]);
    if (np->det == DET_A && !w->failed && strchr("aeiou", w->words[place->det + 1][0]))
        w->words[place->det] = "an";
    if (np->mod == MOD_PP) {
        place->preposition = put(w, toy_prepositions[np->preposition]);
        put_noun_phrase(w, np->inner);
    } else if (np->mod != MOD_NONE) {
        if (np->mod != MOD_BARE_RC)
            place->that = put(w, "that");
        put_clause(w, np->clause);
    }
}

static void put_argument(writer *w, int index, bool subject)
{
    const toy_np *np = &w->tree->np[index];
    if (np->noun >= 0)
        put_noun_phrase(w, index);
    else
        w->places->np[index].noun =
            put(w, subject ? toy_pronouns[np->pronoun].english : toy_pronouns[np->pronoun].english_object);
}

/* "sleeps", "never sleeps", "does not sleep"; "is", "is never", "is not". */
static void put_verb(writer *w, int index)
{
    const toy_clause *c = &w->tree->clause[index];
    toy_clause_place *place = &w->places->clause[index];
    int person = toy_clause_person(w->tree, c);
    bool third = person == 1;
    const char *const *forms = c->verb >= 0 ? toy_verbs[c->verb].english : NULL;
    if (c->verb < 0) {
        place->verb = put(w, toy_be[person > 1 ? 2 : person]);
        if (c->negation != NEG_NONE)
            place->negation = put(w, c->negation == NEG_NOT ? "not" : "never");
    } else if (c->question) {
        place->verb = put(w, forms[0]);
    } else if (c->negation == NEG_NOT) {
        place->aux = put(w, third ? "does" : "do");
        place->negation = put(w, "not");
        place->verb = put(w, forms[0]);
    } else {
        if (c->negation == NEG_NEVER)
            place->negation = put(w, "never");
        place->verb = put(w, forms[third]);
    }
}

static void put_vp(writer *w, int index)
{
    const toy_clause *c = &w->tree->clause[index];
    toy_clause_place *place = &w->places->clause[index];
    put_verb(w, index);
    if (c->predicate >= 0)
        place->predicate = put(w, toy_adjectives[c->predicate].english);
    if (c->object >= 0 && c->gap != GAP_OBJECT)
        put_argument(w, c->object, false);
    if (c->recipient >= 0) {
        place->to = put(w, "to");
        put_argument(w, c->recipient, false);
    }
    if (c->content >= 0) {
        place->that = put(w, "that");
        put_clause(w, c->content);
    }
    if (c->next >= 0) {
        w->places->clause[c->next].conjunction = put(w, "and");
        put_vp(w, c->next);
    }
}

static void put_clause(writer *w, int index)
{
    const toy_clause *c = &w->tree->clause[index];
    if (c->question)
        w->places->clause[index].aux = put(w, toy_clause_person(w->tree, c) == 1 ? "does" : "do");
    if (c->gap != GAP_SUBJECT)
        put_argument(w, c->subject, true);
    put_vp(w, index);
}

bool toy_english(const toy_tree *tree, const char **words, toy_places *places)
{
    writer w = { tree, words, places, false };
    for (int i = 0; i < tree->np_count; i++)
        places->np[i] = (toy_np_place){ -1, -1, -1, -1, -1, -1, -1 };
    for (int i = 0; i < tree->clause_count; i++)
        places->clause[i] = (toy_clause_place){ -1, -1, -1, -1, -1, -1, -1, -1 };
    places->count = 0;
    put_clause(&w, tree->root);
    if (tree->but >= 0) {
        places->clause[tree->but].conjunction = put(&w, "but");
        put_clause(&w, tree->but);
    }
    places->clause[tree->root].end = put(&w, tree->clause[tree->root].question ? "?" : ".");
    return !w.failed;
}
