/* Minimal pairs: two sentences that differ in one English word, as long as each other in both languages, in which one
 * decision flips.
 *
 *     the key near the boats is old .        the hat near the boats is old .
 *     la clé près des bateaux est vieille .  le chapeau près des bateaux est vieux .
 *
 * The number of a subject is said twice in English, by the noun and by the verb, so there two words differ.
 *
 * That no sentence is in two pairs follows from what the English shows: its kind, and which of the two it is. */
#include "toy_tree.h"

#include <string.h>

/* A search for a partner of one tree. */
typedef struct {
    const toy_tree *from;
    toy_pair_kind kind;
    bool (*fits)(const toy_tree *tree);
    toy_sentence *from_sentence, *to_sentence;
    toy_tree to;
} search;

/* ---- kinds ------------------------------------------------------------------------------------------------------- */

static bool invariant(int noun)
{
    return !strcmp(toy_nouns[noun].english[0], toy_nouns[noun].english[1]);
}

/* The noun phrase that the kind is about, -1: none or several. */
static int topic(const toy_tree *tree, toy_pair_kind kind)
{
    int found = -1, subject = tree->clause[tree->root].subject;
    if (kind == PAIR_SUBJECT)
        return tree->np[subject].noun < 0 || invariant(tree->np[subject].noun) ? -1 : subject;
    for (int i = 0; i < tree->np_count; i++) {
        const toy_np *np = &tree->np[i];
        bool is = kind == PAIR_ANTECEDENT ? np->noun < 0 && np->antecedent >= 0
                  : np->noun < 0          ? false
                  : kind == PAIR_SENSE    ? toy_nouns[np->noun].twin != 0
                  : kind == PAIR_NUMBER   ? invariant(np->noun)
                                          : true;
        if (is && found >= 0 && kind != PAIR_GENDER && kind != PAIR_LONG)
            return -1;
        if (is && found < 0)
            found = kind == PAIR_ANTECEDENT ? np->antecedent : i;
    }
    return found;
}

/* The clause with a verb of two senses in one frame ("run"), -1: none. */
static int verb_topic(const toy_tree *tree)
{
    for (int i = 0; i < tree->clause_count; i++)
        if (tree->clause[i].verb >= 0 && toy_verbs[tree->clause[i].verb].twin)
            return i;
    return -1;
}

toy_pair_kind toy_pair_kind_of(const toy_tree *tree, const toy_places *places)
{
    bool sense = false, number = false, antecedent = false;
    for (int i = 0; i < tree->np_count; i++) {
        const toy_np *np = &tree->np[i];
        sense = sense || (np->noun >= 0 && toy_nouns[np->noun].twin);
        number = number || (np->noun >= 0 && invariant(np->noun));
        antecedent = antecedent || (np->noun < 0 && np->antecedent >= 0);
    }
    toy_span span;
    bool far = tree->clause[tree->root].verb < 0 && toy_subject_span(tree, places, tree->root, &span) && span.nouns > 0;
    return verb_topic(tree) >= 0 ? PAIR_VERB
           : number              ? PAIR_NUMBER
           : sense               ? PAIR_SENSE
           : antecedent          ? PAIR_ANTECEDENT
           : far                 ? PAIR_LONG
                                 : PAIR_GENDER;
}

/* ---- one candidate ----------------------------------------------------------------------------------------------- */

/* The first of the English words that differ, if there are so many of them; -1: there are not. */
static int changed_word(const toy_sentence *a, const toy_sentence *b, int words)
{
    int first = -1;
    if (a->english_count != b->english_count || a->french_count != b->french_count)
        return -1;
    for (int i = a->english_count - 1; i >= 0; i--)
        if (strcmp(a->english[i], b->english[i])) {
            first = i;
            words--;
        }
    return words == 0 ? first : -1;
}

static bool wanted(toy_pair_kind kind, toy_phenomenon p)
{
    switch (kind) {
    case PAIR_GENDER:
        return p == TOY_GEN_ADJ || p == TOY_GEN_DET || p == TOY_POSS_AGR;
    case PAIR_LONG:
        return p == TOY_GEN_LONG;
    case PAIR_ANTECEDENT:
        return p == TOY_ANAPHOR || p == TOY_CL_ANTE;
    case PAIR_SENSE:
        return p == TOY_HOMONYM;
    case PAIR_NUMBER:
        return p == TOY_NUM_VERB;
    case PAIR_SUBJECT:
        return p == TOY_NUM_SV || p == TOY_NUM_LONG;
    default:
        return p == TOY_VERB_SENSE;
    }
}

static bool decided_by(const toy_decision *d, int english)
{
    for (int i = 0; i < d->source_count; i++)
        if (d->source[i] == english)
            return true;
    return false;
}

static bool competes(const toy_decision *d, const char *form)
{
    for (int i = 0; i < d->competitor_count; i++)
        if (!strcmp(d->competitors[i], form))
            return true;
    return false;
}

/* A decision of both, governed by the changed word, each form the other's competitor. */
static bool flips(toy_pair_kind kind, toy_sentence *a, toy_sentence *b)
{
    int word = changed_word(a, b, kind == PAIR_SUBJECT ? 2 : 1);
    for (int i = 0; word >= 0 && i < a->decision_count; i++) {
        const toy_decision *d = &a->decisions[i];
        if (!wanted(kind, d->phenomenon) || !decided_by(d, word))
            continue;
        for (int j = 0; j < b->decision_count; j++) {
            const toy_decision *e = &b->decisions[j];
            if (e->phenomenon != d->phenomenon || e->position != d->position || !decided_by(e, word) ||
                !competes(d, b->french[e->position]) || !competes(e, a->french[d->position]))
                continue;
            a->pair_decision = (int16_t)i;
            b->pair_decision = (int16_t)j;
            return true;
        }
    }
    return false;
}

/* Is this tree a partner? */
static bool accept(search *s, const toy_tree *to)
{
    if (!toy_licensed(to) || !s->fits(to) || toy_readings(to, 2) != 1 || !toy_render(to, s->to_sentence) ||
        !flips(s->kind, s->from_sentence, s->to_sentence))
        return false;
    s->to = *to;
    return true;
}

/* ---- changes ----------------------------------------------------------------------------------------------------- */

static bool used(const toy_tree *tree, int noun)
{
    for (int i = 0; i < tree->np_count; i++)
        if (tree->np[i].noun == noun)
            return true;
    return false;
}

/* Another noun of the other gender, or, for "run", of the other sense's subjects. Starts anywhere, so that the partners
 * are not always the same. */
static bool change_noun(search *s, int np, int clause)
{
    const toy_noun *old = &toy_nouns[s->from->np[np].noun];
    uint64_t start = toy_mix(toy_hash_word(0, s->from_sentence->french[1]) + (uint64_t)s->from_sentence->french_count);
    toy_tree to = *s->from;
    if (clause >= 0)
        to.clause[clause].verb += toy_verbs[to.clause[clause].verb].twin;
    for (int k = 0; k < toy_noun_count; k++) {
        int row = (int)((start + (uint64_t)k) % (uint64_t)toy_noun_count);
        if (toy_nouns[row].twin || invariant(row) || used(s->from, row) ||
            (clause < 0 && toy_nouns[row].feminine == old->feminine))
            continue;
        to.np[np].noun = row;
        if (accept(s, &to))
            return true;
    }
    return false;
}

/* The other sense, by another adjective in this place of the tree. */
static bool change_adjective(search *s, toy_tree *to, int *adjective, bool predicate)
{
    int old = *adjective;
    for (int row = 0; old >= 0 && row < toy_adjective_count; row++) {
        *adjective = row;
        bool fits = predicate ? !toy_adjectives[row].attributive_only
                              : toy_adjectives[row].before_noun == toy_adjectives[old].before_noun;
        if (row != old && fits && accept(s, to))
            return true;
    }
    *adjective = old;
    return false;
}

static bool change_verb(search *s, toy_tree *to, int *verb)
{
    int old = *verb;
    for (int row = 0; old >= 0 && row < toy_verb_count; row++) {
        *verb = row;
        if (row != old && toy_verbs[row].frame == toy_verbs[old].frame && accept(s, to))
            return true;
    }
    *verb = old;
    return false;
}

static bool change_sense(search *s, int np)
{
    toy_tree to = *s->from;
    to.np[np].noun += toy_nouns[to.np[np].noun].twin;
    if (change_adjective(s, &to, &to.np[np].pre, false) || change_adjective(s, &to, &to.np[np].post, false))
        return true;
    for (int i = 0; i < to.clause_count; i++) {
        toy_clause *c = &to.clause[i];
        if ((c->subject == np || c->object == np) &&
            (change_adjective(s, &to, &c->predicate, true) || change_verb(s, &to, &c->verb)))
            return true;
    }
    return false;
}

static bool change_number(search *s, int np)
{
    toy_tree to = *s->from;
    to.np[np].plural = !to.np[np].plural;
    return accept(s, &to);
}

/* Is this the second of a pair: feminine, plural, the second sense? Otherwise it could be the first. */
static bool is_second(const toy_tree *tree, toy_pair_kind kind)
{
    if (kind == PAIR_VERB)
        return toy_verbs[tree->clause[verb_topic(tree)].verb].twin < 0;
    const toy_np *np = &tree->np[topic(tree, kind)];
    return kind == PAIR_SENSE                            ? toy_nouns[np->noun].twin < 0
           : kind == PAIR_NUMBER || kind == PAIR_SUBJECT ? np->plural
                                                         : toy_nouns[np->noun].feminine;
}

static bool find_partner(search *s)
{
    const toy_tree *from = s->from;
    if (s->kind == PAIR_VERB) {
        int clause = verb_topic(from), subject = from->clause[clause].subject;
        return from->np[subject].noun >= 0 && change_noun(s, subject, clause);
    }
    int np = topic(from, s->kind);
    return s->kind == PAIR_SENSE                               ? change_sense(s, np)
           : s->kind == PAIR_NUMBER || s->kind == PAIR_SUBJECT ? change_number(s, np)
                                                               : change_noun(s, np, -1);
}

/* Several sentences may find the same partner; it belongs to the one that it finds itself. */
bool toy_pair_make(const toy_tree *first, toy_pair_kind kind, bool (*fits)(const toy_tree *tree), toy_sentence *a,
                   toy_sentence *b)
{
    if ((kind != PAIR_VERB && topic(first, kind) < 0) || is_second(first, kind) || !toy_render(first, a))
        return false;
    search there = { .from = first, .kind = kind, .fits = fits, .from_sentence = a, .to_sentence = b };
    if (!find_partner(&there))
        return false;
    toy_sentence again;
    search back = { .from = &there.to, .kind = kind, .fits = fits, .from_sentence = b, .to_sentence = &again };
    if (!find_partner(&back) || again.english_count != a->english_count)
        return false;
    for (int i = 0; i < a->english_count; i++)
        if (strcmp(a->english[i], again.english[i]))
            return false;
    return true;
}
