/* Which words may go together, and how many readings a sentence has.
 *
 * English hides the number of "sheep", the sense of "bank" and the antecedent of "it". A sentence is kept only if one
 * assignment of these is licensed: by the kinds that verbs, adjectives and prepositions select (toy_lexicon.c), by
 * agreement, and by printing the same English. Counting all assignments at once, rather than flipping them one by one,
 * also finds readings that differ in two places. */
#include "toy_tree.h"

#include <string.h>

/* ---- relations --------------------------------------------------------------------------------------------------- */

typedef struct {
    const toy_tree *tree;
    toy_relation *out;
    int count;
} listing;

static uint32_t kind_of(const toy_tree *tree, int np)
{
    return toy_nouns[tree->np[np].noun].kind;
}

static void add(listing *list, toy_relation relation)
{
    if (list->count < TREE_RELATIONS)
        list->out[list->count++] = relation;
}

/* The noun an argument stands for: itself, or its antecedent; -1 for a pronoun without. */
static int referent(const toy_tree *tree, int np)
{
    return np < 0 || tree->np[np].noun >= 0 ? np : tree->np[np].antecedent;
}

static void add_argument(listing *list, toy_rel_kind kind, int clause, int partner, int np, uint32_t kinds)
{
    int noun = referent(list->tree, np);
    if (noun >= 0)
        add(list, (toy_relation){ kind, noun, partner, clause, kind == REL_ADJECTIVE ? np : -1,
                                  (kind_of(list->tree, noun) & kinds) != 0, noun == np });
}

static bool preposition_licensed(int preposition, uint32_t head, uint32_t complement)
{
    for (int i = 0; i < toy_prep_rule_count; i++) {
        const toy_prep_rule *rule = &toy_prep_rules[i];
        if (rule->preposition == preposition && (rule->heads & head) && (rule->complements & complement))
            return true;
    }
    return false;
}

static void add_np(listing *list, int index)
{
    const toy_tree *tree = list->tree;
    const toy_np *np = &tree->np[index];
    uint32_t kind = kind_of(tree, index);
    if (np->pre >= 0)
        add_argument(list, REL_ADJECTIVE, -1, np->pre, index, toy_adjectives[np->pre].kinds);
    if (np->post >= 0)
        add_argument(list, REL_ADJECTIVE, -1, np->post, index, toy_adjectives[np->post].kinds);
    if (np->mod == MOD_PP)
        add(list, (toy_relation){ REL_PREPOSITION, index, np->preposition, -1, np->inner,
                                  preposition_licensed(np->preposition, kind, kind_of(tree, np->inner)), true });
    if (np->det == DET_OWNER)
        add(list, (toy_relation){ REL_OWNER, index, -1, -1, np->owner,
                                  (kind & K_OWNED) && (kind_of(tree, np->owner) & K_OWNER), true });
    else if (np->det >= DET_MY)
        add(list, (toy_relation){ REL_OWNER, index, np->det, -1, -1, (kind & K_OWNED) != 0, true });
}

static void add_clause(listing *list, int index)
{
    const toy_clause *c = &list->tree->clause[index];
    if (c->verb < 0) {
        add_argument(list, REL_ADJECTIVE, index, c->predicate, c->subject, toy_adjectives[c->predicate].kinds);
        return;
    }
    const toy_verb *v = &toy_verbs[c->verb];
    add_argument(list, REL_SUBJECT, index, c->verb, c->subject, v->subjects);
    add_argument(list, REL_OBJECT, index, c->verb, c->object, v->objects);
    add_argument(list, REL_RECIPIENT, index, c->verb, c->recipient, K_HUMAN);
}

static const toy_clause *clause_with_object(const toy_tree *tree, int np)
{
    for (int i = 0; i < tree->clause_count; i++)
        if (tree->clause[i].object == np)
            return &tree->clause[i];
    return NULL;
}

/* "it" for one thing or animal, "they" for several of anything; "sees it" is never its own subject. */
static void add_antecedent(listing *list, int index)
{
    const toy_tree *tree = list->tree;
    const toy_np *pronoun = &tree->np[index], *noun = &tree->np[pronoun->antecedent];
    const toy_clause *clause = clause_with_object(tree, index);
    bool agrees =
        noun->plural == pronoun->plural && (pronoun->plural || !(kind_of(tree, pronoun->antecedent) & K_HUMAN));
    bool own_subject = clause && referent(tree, clause->subject) == pronoun->antecedent;
    add(list, (toy_relation){ REL_ANTECEDENT, pronoun->antecedent, -1, -1, index, agrees && !own_subject, true });
}

int toy_relations(const toy_tree *tree, toy_relation *out)
{
    listing list = { tree, out, 0 };
    for (int i = 0; i < tree->np_count; i++) {
        if (tree->np[i].noun >= 0)
            add_np(&list, i);
        else if (tree->np[i].antecedent >= 0)
            add_antecedent(&list, i);
    }
    for (int i = 0; i < tree->clause_count; i++)
        add_clause(&list, i);
    return list.count;
}

/* A pronoun without antecedent is a person, but for an object "them". */
static bool person_fits(const toy_tree *tree, int np, uint32_t kinds)
{
    const toy_np *p = np < 0 ? NULL : &tree->np[np];
    return !p || p->noun >= 0 || p->antecedent >= 0 || p->pronoun == PRON_THEY || (kinds & K_PERSON);
}

/* "i am tired" hides the speaker's gender, "i am sad" does not need it. Some verbs are not used with "i" and "we". */
static bool speaker_fits(const toy_tree *tree, const toy_clause *c)
{
    const toy_np *subject = &tree->np[c->subject];
    if (subject->noun >= 0 || toy_pronouns[subject->pronoun].person == 3)
        return true;
    if (c->verb >= 0)
        return toy_verbs[c->verb].french[0];
    const toy_adjective *a = &toy_adjectives[c->predicate];
    return !strcmp(a->french[0][0], a->french[1][0]);
}

bool toy_licensed(const toy_tree *tree)
{
    toy_relation relations[TREE_RELATIONS];
    int count = toy_relations(tree, relations);
    for (int i = 0; i < count; i++)
        if (!relations[i].licensed)
            return false;
    for (int i = 0; i < tree->clause_count; i++) {
        const toy_clause *c = &tree->clause[i];
        uint32_t subjects = c->verb < 0 ? toy_adjectives[c->predicate].kinds : toy_verbs[c->verb].subjects;
        if (!speaker_fits(tree, c) || !person_fits(tree, c->subject, subjects) ||
            (c->verb >= 0 && !person_fits(tree, c->object, toy_verbs[c->verb].objects)))
            return false;
    }
    return true;
}

/* ---- readings ---------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *words[TOY_MAX_ENGLISH]; /* what must be printed */
    int word_count;
    int limit, found;
} reading_count;

static bool prints_the_same(const toy_tree *tree, const reading_count *count)
{
    const char *words[TOY_MAX_ENGLISH];
    toy_places places;
    if (!toy_english(tree, words, &places) || places.count != count->word_count)
        return false;
    for (int i = 0; i < places.count; i++)
        if (strcmp(words[i], count->words[i]))
            return false;
    return true;
}

/* Assigns the hidden features of node `at` and after: noun phrases first, then clauses (their verbs' senses). */
static void count_readings(toy_tree *tree, int at, reading_count *count)
{
    if (count->found >= count->limit)
        return;
    if (at == tree->np_count + tree->clause_count) {
        count->found += toy_licensed(tree) && prints_the_same(tree, count);
        return;
    }
    if (at >= tree->np_count) {
        int *verb = &tree->clause[at - tree->np_count].verb, kept = *verb;
        count_readings(tree, at + 1, count);
        if (kept >= 0 && toy_verbs[kept].twin) {
            *verb = kept + toy_verbs[kept].twin;
            count_readings(tree, at + 1, count);
            *verb = kept;
        }
        return;
    }
    toy_np *np = &tree->np[at], kept = *np;
    if (np->noun >= 0) {
        bool invariant = !strcmp(toy_nouns[np->noun].english[0], toy_nouns[np->noun].english[1]);
        int twin = toy_nouns[np->noun].twin;
        count_readings(tree, at + 1, count);
        if (invariant || twin) { /* no noun is both */
            np->plural = kept.plural != invariant;
            np->noun = kept.noun + twin;
            count_readings(tree, at + 1, count);
        }
    } else if (np->antecedent >= 0) {
        for (np->antecedent = 0; np->antecedent < at; np->antecedent++)
            if (tree->np[np->antecedent].noun >= 0)
                count_readings(tree, at + 1, count);
    } else {
        count_readings(tree, at + 1, count);
    }
    *np = kept;
}

int toy_readings(const toy_tree *tree, int limit)
{
    reading_count count = { .limit = limit };
    toy_tree copy = *tree;
    toy_places places;
    if (!toy_english(tree, count.words, &places))
        return 0;
    count.word_count = places.count;
    count_readings(&copy, 0, &count);
    return count.found;
}
