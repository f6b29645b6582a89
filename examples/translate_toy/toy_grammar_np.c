/* Productions of noun phrases and pronouns; toy_grammar.c has those of clauses and what holds for all. */
#include "toy_grammar.h"

#include <string.h>

enum { DEPTH = 2 };

bool grammar_chance(drawing *d, int percent, int cost)
{
    if (d->room < cost || !toy_dice_chance(d->dice, percent))
        return false;
    d->room -= cost;
    return true;
}

int grammar_weight(const drawing *d, int rank)
{
    return d->style->flat ? 100 : toy_zipf(rank);
}

/* ---- noun phrases ------------------------------------------------------------------------------------------------ */

static int new_np(drawing *d)
{
    if (d->tree->np_count == TREE_NPS)
        return -1;
    d->tree->np[d->tree->np_count] = (toy_np){ .noun = -1,
                                               .pronoun = -1,
                                               .antecedent = -1,
                                               .pre = -1,
                                               .post = -1,
                                               .owner = -1,
                                               .preposition = -1,
                                               .inner = -1,
                                               .clause = -1 };
    return d->tree->np_count++;
}

static int noun_weight(const drawing *d, int noun)
{
    const toy_noun *n = &toy_nouns[noun], *first = d->tree->np[0].noun >= 0 ? &toy_nouns[d->tree->np[0].noun] : n;
    int weight = grammar_weight(d, n->rank) * (n->twin ? d->style->homonym : 100) / 100;
    if (d->style->invariant && !strcmp(n->english[0], n->english[1]))
        weight = weight * d->style->invariant / 100;
    bool biased = d->style->other_gender && n->feminine != first->feminine;
    return biased ? weight * d->style->other_gender / 100 : weight;
}

static int draw_noun(drawing *d, uint32_t kinds)
{
    int weights[WORDS];
    for (int i = 0; i < toy_noun_count; i++) {
        bool other_homonym = d->style->sense && toy_nouns[i].twin && i != d->style->sense - 1;
        bool fits = (toy_nouns[i].kind & kinds) && !d->noun_used[i] && !other_homonym;
        weights[i] = fits ? noun_weight(d, i) : 0;
    }
    int noun = toy_dice_choose(d->dice, weights, toy_noun_count);
    if (noun >= 0)
        d->noun_used[noun] = d->noun_used[noun + toy_nouns[noun].twin] = true;
    return noun;
}

static bool shows_gender(const toy_adjective *a)
{
    return strcmp(a->french[0][0], a->french[1][0]);
}

int grammar_adjective(drawing *d, uint32_t kind, adjective_use use)
{
    int weights[WORDS];
    for (int i = 0; i < toy_adjective_count; i++) {
        const toy_adjective *a = &toy_adjectives[i];
        bool placed = use == SPEAKER     ? !a->attributive_only && !shows_gender(a)
                      : use == PREDICATE ? !a->attributive_only
                                         : a->before_noun == (use == BEFORE_NOUN);
        weights[i] = placed && (a->kinds & kind) && !d->adjective_used[i] ? grammar_weight(d, a->rank) : 0;
    }
    int adjective = toy_dice_choose(d->dice, weights, toy_adjective_count);
    if (adjective >= 0)
        d->adjective_used[adjective] = true;
    return adjective;
}

static int draw_determiner(drawing *d, uint32_t kind, bool plural, grammar_slot s)
{
    int weights[DET_WORDS];
    for (int i = 0; i < DET_WORDS; i++) {
        bool fits = toy_determiners[i].english[plural] && (i < DET_MY || (kind & K_OWNED)) &&
                    !(i == DET_SOME && (s.no_some || s.no_indefinite)) && !(i == DET_A && s.no_indefinite);
        weights[i] = fits ? d->style->flat ? 100 : toy_determiners[i].weight : 0;
    }
    return toy_dice_choose(d->dice, weights, DET_WORDS);
}

static bool draw_owner(drawing *d, toy_np *np, int level)
{
    int owner = grammar_np(d, (grammar_slot){ .kinds = K_OWNER, .depth = DEPTH, .no_some = true, .no_modifier = true });
    if (owner < 0)
        return false;
    np->det = DET_OWNER;
    np->owner = owner;
    toy_np *inner = &d->tree->np[owner];
    bool owned = toy_nouns[inner->noun].kind & K_OWNED;
    if (level || !owned || !d->style->owner_depth || !grammar_chance(d, d->style->owner_depth, 2))
        return true;
    return draw_owner(d, inner, level + 1);
}

static bool draw_preposition(drawing *d, toy_np *np, grammar_slot s)
{
    static const int shares[PREPOSITIONS] = { [PREP_NEAR] = 30, [PREP_OF] = 35, [PREP_IN] = 35 };
    uint32_t complements[PREPOSITIONS] = { 0 };
    int weights[PREPOSITIONS] = { 0 };
    for (int i = 0; i < toy_prep_rule_count; i++) {
        const toy_prep_rule *rule = &toy_prep_rules[i];
        bool owned_twice = rule->heads == K_OWNED && np->det >= DET_MY; /* "my key of the king" */
        if ((rule->heads & toy_nouns[np->noun].kind) && !owned_twice) {
            complements[rule->preposition] |= rule->complements;
            weights[rule->preposition] = shares[rule->preposition];
        }
    }
    np->preposition = toy_dice_choose(d->dice, weights, PREPOSITIONS);
    if (np->preposition < 0)
        return false;
    bool de = np->preposition != PREP_IN;
    np->inner =
        grammar_np(d, (grammar_slot){ .kinds = complements[np->preposition], .depth = s.depth + 1, .no_some = de });
    return np->inner >= 0;
}

static bool draw_modifier(drawing *d, int index, grammar_slot s)
{
    static const int costs[MODS] = { [MOD_PP] = 3, [MOD_SUBJECT_RC] = 2, [MOD_OBJECT_RC] = 3, [MOD_BARE_RC] = 2 };
    toy_np *np = &d->tree->np[index];
    int weights[MODS];
    for (int i = 0; i < MODS; i++)
        weights[i] = costs[i] > d->room ? 0 : s.depth ? d->style->inner_mods[i] : d->style->mods[i];
    int mod = toy_dice_choose(d->dice, weights, MODS);
    if (mod < 0)
        return false;
    np->mod = (toy_modifier)mod;
    d->room -= costs[mod];
    if (np->mod == MOD_NONE)
        return true;
    if (np->mod == MOD_PP)
        return draw_preposition(d, np, s);
    toy_clause clause = { .subject = -1, .gap = np->mod == MOD_SUBJECT_RC ? GAP_SUBJECT : GAP_OBJECT, .head = index };
    np->clause = grammar_clause(d, clause, s.depth + 1);
    return np->clause >= 0;
}

/* The caller has paid for determiner and noun. */
int grammar_np(drawing *d, grammar_slot s)
{
    int index = new_np(d);
    if (index < 0)
        return -1;
    toy_np *np = &d->tree->np[index]; /* the array does not move */
    np->noun = draw_noun(d, s.kinds);
    if (np->noun < 0)
        return -1;
    uint32_t kind = toy_nouns[np->noun].kind;
    int plural = !index || d->tree->np[0].noun < 0 ? 45
                 : d->tree->np[0].plural           ? 100 - d->style->opposite
                                                   : d->style->opposite;
    np->plural = toy_dice_chance(d->dice, plural);
    if (grammar_chance(d, d->style->pre, 1) && (np->pre = grammar_adjective(d, kind, BEFORE_NOUN)) < 0)
        return -1;
    if (grammar_chance(d, d->style->post, 1) && (np->post = grammar_adjective(d, kind, AFTER_NOUN)) < 0)
        return -1;
    if ((kind & K_OWNED) && s.depth < DEPTH && grammar_chance(d, d->style->owner, 2))
        return draw_owner(d, np, 0) ? index : -1;
    np->det = draw_determiner(d, kind, np->plural, s);
    if (np->det < 0)
        return -1;
    if (s.depth < DEPTH && !s.no_modifier && !draw_modifier(d, index, s))
        return -1;
    return index;
}

/* ---- pronouns ---------------------------------------------------------------------------------------------------- */

static int new_pronoun(drawing *d, int pronoun, int antecedent)
{
    int index = new_np(d);
    if (index < 0)
        return -1;
    d->tree->np[index].pronoun = pronoun;
    d->tree->np[index].antecedent = antecedent;
    d->tree->np[index].plural = toy_pronouns[pronoun].plural;
    return index;
}

/* A pronoun, or a noun phrase if there is room for its second token. */
int grammar_subject(drawing *d, grammar_slot s)
{
    static const int weights[2][PRONOUNS] = { { [PRON_HE] = 22, [PRON_SHE] = 22, [PRON_I] = 24, [PRON_WE] = 32 },
                                              { [PRON_HE] = 14, [PRON_SHE] = 14, [PRON_I] = 70, [PRON_WE] = 70 } };
    bool that = d->tree->kind == TREE_THAT && s.depth == 1;
    if (grammar_chance(d, 100 - (that ? d->style->that_pronoun : d->style->pronoun), 1))
        return grammar_np(d, s);
    return new_pronoun(d, toy_dice_choose(d->dice, weights[that], PRONOUNS), -1);
}

bool grammar_first_person(const drawing *d, const toy_clause *clause)
{
    const toy_np *subject = &d->tree->np[clause->subject];
    return subject->noun < 0 && toy_pronouns[subject->pronoun].person == 1;
}

/* In "he sees him" the second is another one; "me" and "us" never go with "i" and "we". */
int grammar_object_pronoun(drawing *d, const toy_clause *clause)
{
    bool first = grammar_first_person(d, clause);
    int weights[PRONOUNS] = {
        [PRON_HE] = 30, [PRON_SHE] = 30, [PRON_THEY] = 30, [PRON_I] = first ? 0 : 15, [PRON_WE] = first ? 0 : 15
    };
    return new_pronoun(d, toy_dice_choose(d->dice, weights, PRONOUNS), -1);
}

/* A subject "it" or "they" for one of the first nps of the tree, or "he" or "she" if there is such a person. */
int grammar_subject_anaphor(drawing *d, int nps)
{
    int weights[TREE_NPS + 2] = { 0 };
    for (int i = 0; i < nps; i++) {
        const toy_np *np = &d->tree->np[i];
        if (np->noun < 0)
            continue;
        if (np->plural || !(toy_nouns[np->noun].kind & K_HUMAN))
            weights[i] = 30;
        else
            weights[TREE_NPS + toy_nouns[np->noun].feminine] = 15;
    }
    int choice = toy_dice_choose(d->dice, weights, TREE_NPS + 2);
    if (choice < 0)
        return -1;
    if (choice >= TREE_NPS)
        return new_pronoun(d, choice == TREE_NPS ? PRON_HE : PRON_SHE, -1);
    return new_pronoun(d, d->tree->np[choice].plural ? PRON_THEY : PRON_IT, choice);
}

/* An object "it" for one of the first nps of the tree, or "them" if there are any. Which ones makes no difference in
 * French, so "them" has no antecedent. With "he" and "she" it would come about in two ways, see draw_but. */
int grammar_object_anaphor(drawing *d, const toy_clause *clause, int nps)
{
    const toy_np *subject = &d->tree->np[clause->subject];
    bool them = subject->noun >= 0 || subject->pronoun >= PRON_IT;
    uint32_t kinds = 0;
    int weights[TREE_NPS + 1] = { 0 };
    for (int i = 0; i < nps; i++) {
        const toy_np *np = &d->tree->np[i];
        if (np->noun < 0 || i == clause->subject)
            continue;
        if (np->plural) {
            weights[TREE_NPS] = them ? 40 : 0;
            kinds |= toy_nouns[np->noun].kind;
        } else if (!(toy_nouns[np->noun].kind & K_HUMAN))
            weights[i] = 150;
    }
    int choice = toy_dice_choose(d->dice, weights, TREE_NPS + 1);
    if (choice < 0)
        return -1;
    d->them = kinds;
    return choice == TREE_NPS ? new_pronoun(d, PRON_THEY, -1) : new_pronoun(d, PRON_IT, choice);
}

/* The kinds a noun phrase can be, as far as the tree says. */
uint32_t grammar_kinds(const drawing *d, int index)
{
    const toy_np *np = &d->tree->np[index];
    if (np->noun >= 0)
        return toy_nouns[np->noun].kind;
    if (np->antecedent >= 0)
        return toy_nouns[d->tree->np[np->antecedent].noun].kind;
    return np->pronoun == PRON_THEY ? d->them : K_PERSON;
}
