/* The productions: draws a tree top-down. Every choice is one that the English shows, so that a sentence comes from one
 * sequence of choices only (toy_dice.c counts on it); what turns out impossible makes the draw fail, and the caller
 * takes the next number.
 *
 *     S    -> NP VP | NP VP "but" S(anaphor) | NP VP "and" VP(it) | NP Vthat "that" S | does NP VP "?"
 *     NP   -> Det (Apre) (Apost) N (PP | RC) | NP "'s" (A) N | Pron
 *     RC   -> "that" VP | ("that") NP V           (the gap is the object)
 *     VP   -> V | V NP | Vgive NP "to" NP | "be" A | "not"/"never" VP
 */
#include "toy_tree.h"

#include <string.h>

enum { WORDS = 80, DEPTH = 2 };

/* What a position asks of its noun phrase. */
typedef struct {
    uint32_t kinds;
    int depth;
    bool no_some;       /* after "de": de + des is unlike the rest */
    bool no_indefinite; /* object under negation: French would say "pas de" */
    bool no_modifier;
} slot;

typedef struct {
    toy_tree *tree;
    toy_dice *dice;
    const toy_style *style;
} drawing;

static int draw_clause(drawing *d, toy_clause clause, int depth);

/* ---- noun phrases ------------------------------------------------------------------------------------------------- */

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

static int draw_noun(drawing *d, uint32_t kinds)
{
    int weights[WORDS];
    for (int i = 0; i < toy_noun_count; i++) {
        int share = toy_noun_twin(i) < 0 ? 100 : d->style->homonym;
        weights[i] = toy_nouns[i].kind & kinds ? toy_zipf(toy_nouns[i].rank) * share / 100 : 0;
    }
    return toy_dice_choose(d->dice, weights, toy_noun_count);
}

static int draw_adjective(drawing *d, uint32_t kind, int before_noun, bool predicate)
{
    int weights[WORDS];
    for (int i = 0; i < toy_adjective_count; i++) {
        const toy_adjective *a = &toy_adjectives[i];
        bool fits = (a->kinds & kind) && (predicate ? !a->attributive_only : a->before_noun == before_noun);
        weights[i] = fits ? toy_zipf(a->rank) : 0;
    }
    return toy_dice_choose(d->dice, weights, toy_adjective_count);
}

static int draw_determiner(drawing *d, uint32_t kind, bool plural, slot s)
{
    int weights[DET_WORDS];
    for (int i = 0; i < DET_WORDS; i++) {
        bool possessive = i >= DET_MY;
        bool fits = toy_determiners[i].english[plural] && (!possessive || (kind & K_OWNED)) &&
                    !(i == DET_SOME && (s.no_some || s.no_indefinite)) && !(i == DET_A && s.no_indefinite);
        weights[i] = fits ? toy_determiners[i].weight : 0;
    }
    return toy_dice_choose(d->dice, weights, DET_WORDS);
}

static int draw_np(drawing *d, slot s);

static bool draw_owner(drawing *d, toy_np *np, slot s, int level)
{
    int owner = draw_np(d, (slot){ .kinds = K_OWNER, .depth = DEPTH, .no_some = true, .no_modifier = true });
    if (owner < 0)
        return false;
    np->det = DET_OWNER;
    np->owner = owner;
    toy_np *inner = &d->tree->np[owner];
    if (level == 0 && (toy_nouns[inner->noun].kind & K_OWNED) && toy_dice_chance(d->dice, d->style->owner_depth))
        return draw_owner(d, inner, s, level + 1);
    return true;
}

static bool draw_preposition(drawing *d, toy_np *np, slot s)
{
    static const int shares[PREPOSITIONS] = { [PREP_NEAR] = 30, [PREP_OF] = 35, [PREP_IN] = 35 };
    uint32_t complements[PREPOSITIONS] = { 0 };
    int weights[PREPOSITIONS] = { 0 };
    for (int i = 0; i < toy_prep_rule_count; i++)
        if (toy_prep_rules[i].heads & toy_nouns[np->noun].kind) {
            complements[toy_prep_rules[i].preposition] |= toy_prep_rules[i].complements;
            weights[toy_prep_rules[i].preposition] = shares[toy_prep_rules[i].preposition];
        }
    np->preposition = toy_dice_choose(d->dice, weights, PREPOSITIONS);
    if (np->preposition < 0)
        return false;
    bool de = np->preposition != PREP_IN;
    np->inner = draw_np(d, (slot){ .kinds = complements[np->preposition], .depth = s.depth + 1, .no_some = de });
    return np->inner >= 0;
}

static bool draw_modifier(drawing *d, int index, slot s)
{
    toy_np *np = &d->tree->np[index];
    np->mod = (toy_modifier)toy_dice_choose(d->dice, s.depth ? d->style->inner_mods : d->style->mods, MODS);
    if (np->mod == MOD_NONE)
        return true;
    if (np->mod == MOD_PP)
        return draw_preposition(d, np, s);
    toy_clause clause = { .subject = -1, .gap = np->mod == MOD_SUBJECT_RC ? GAP_SUBJECT : GAP_OBJECT, .head = index };
    np->clause = draw_clause(d, clause, s.depth + 1);
    return np->clause >= 0;
}

static int draw_np(drawing *d, slot s)
{
    int index = new_np(d);
    if (index < 0)
        return -1;
    toy_np *np = &d->tree->np[index]; /* the array does not move */
    np->noun = draw_noun(d, s.kinds);
    if (np->noun < 0)
        return -1;
    uint32_t kind = toy_nouns[np->noun].kind;
    np->plural = toy_dice_chance(d->dice, 45);
    if (toy_dice_chance(d->dice, d->style->pre) && (np->pre = draw_adjective(d, kind, true, false)) < 0)
        return -1;
    if (toy_dice_chance(d->dice, d->style->post) && (np->post = draw_adjective(d, kind, false, false)) < 0)
        return -1;
    if ((kind & K_OWNED) && s.depth < DEPTH && toy_dice_chance(d->dice, d->style->owner))
        return draw_owner(d, np, s, 0) ? index : -1;
    np->det = draw_determiner(d, kind, np->plural, s);
    if (np->det < 0)
        return -1;
    if (s.depth < DEPTH && !s.no_modifier && !draw_modifier(d, index, s))
        return -1;
    return index;
}

/* ---- pronouns ----------------------------------------------------------------------------------------------------- */

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

static int draw_subject_pronoun(drawing *d)
{
    static const int weights[PRONOUNS] = { [PRON_HE] = 30, [PRON_SHE] = 30, [PRON_I] = 18, [PRON_WE] = 22 };
    return new_pronoun(d, toy_dice_choose(d->dice, weights, PRONOUNS), -1);
}

/* "him" sees "him" is another him; "me" and "us" never go with "i" and "we". */
static int draw_object_pronoun(drawing *d, const toy_clause *clause)
{
    bool first =
        d->tree->np[clause->subject].noun < 0 && toy_pronouns[d->tree->np[clause->subject].pronoun].person == 1;
    int weights[PRONOUNS] = {
        [PRON_HE] = 30, [PRON_SHE] = 30, [PRON_THEY] = 30, [PRON_I] = first ? 0 : 15, [PRON_WE] = first ? 0 : 15
    };
    return new_pronoun(d, toy_dice_choose(d->dice, weights, PRONOUNS), -1);
}

/* "it" or "they" for one of the first nps of the tree, or "he" or "she" if there is such a person among them. */
static int draw_anaphor(drawing *d, int nps, bool human)
{
    int weights[TREE_NPS + 2] = { 0 };
    for (int i = 0; i < nps; i++) {
        const toy_np *np = &d->tree->np[i];
        if (np->noun < 0)
            continue;
        bool person = toy_nouns[np->noun].kind & K_HUMAN;
        if (np->plural || !person)
            weights[i] = 30;
        else if (human)
            weights[TREE_NPS + toy_nouns[np->noun].feminine] = 15;
    }
    int choice = toy_dice_choose(d->dice, weights, TREE_NPS + 2);
    if (choice < 0)
        return -1;
    if (choice >= TREE_NPS)
        return new_pronoun(d, choice == TREE_NPS ? PRON_HE : PRON_SHE, -1);
    return new_pronoun(d, d->tree->np[choice].plural ? PRON_THEY : PRON_IT, choice);
}

/* The kinds a noun phrase can be, as far as the tree says. */
static uint32_t np_kinds(const toy_tree *tree, int index)
{
    const toy_np *np = &tree->np[index];
    if (np->noun >= 0)
        return toy_nouns[np->noun].kind;
    if (np->antecedent >= 0)
        return toy_nouns[tree->np[np->antecedent].noun].kind;
    return np->pronoun == PRON_THEY ? K_ANY : K_PERSON;
}

/* ---- clauses ------------------------------------------------------------------------------------------------------ */

static int new_clause(drawing *d, toy_clause clause)
{
    if (d->tree->clause_count == TREE_CLAUSES)
        return -1;
    d->tree->clause[d->tree->clause_count] = clause;
    return d->tree->clause_count++;
}

/* A verb of the class that takes this subject, and this object if there is one already. */
static int draw_verb(drawing *d, toy_verb_class class, uint32_t subjects, uint32_t objects)
{
    int weights[WORDS];
    for (int i = 0; i < toy_verb_count; i++) {
        const toy_verb *v = &toy_verbs[i];
        bool fits = v->class == class && (v->subjects & subjects) && (!objects || (v->objects & objects));
        weights[i] = fits ? toy_zipf(v->rank) : 0;
    }
    return toy_dice_choose(d->dice, weights, toy_verb_count);
}

static bool draw_negation(drawing *d, toy_clause *clause)
{
    static const int weights[3] = { [NEG_NOT] = 70, [NEG_NEVER] = 30 };
    if (!clause->question && toy_dice_chance(d->dice, d->style->negation))
        clause->negation = (toy_negation)toy_dice_choose(d->dice, weights, 3);
    return true;
}

static bool draw_object(drawing *d, toy_clause *clause, int depth, bool may_be_pronoun)
{
    uint32_t kinds = toy_verbs[clause->verb].objects;
    if (may_be_pronoun && (kinds & K_PERSON) && toy_dice_chance(d->dice, d->style->object_pronoun))
        clause->object = draw_object_pronoun(d, clause);
    else
        clause->object =
            draw_np(d, (slot){ .kinds = kinds, .depth = depth, .no_indefinite = clause->negation != NEG_NONE });
    return clause->object >= 0;
}

static bool draw_recipient(drawing *d, toy_clause *clause, int depth)
{
    bool clitic_taken = toy_np_is_clitic(d->tree, clause->object);
    if (!clitic_taken && toy_dice_chance(d->dice, d->style->object_pronoun))
        clause->recipient = draw_object_pronoun(d, clause);
    else
        clause->recipient = draw_np(d, (slot){ .kinds = K_HUMAN, .depth = depth });
    return clause->recipient >= 0;
}

/* The verb phrase of a clause whose subject and object gap stand. */
static bool draw_vp(drawing *d, toy_clause *clause, int depth)
{
    enum { BE = V_CLASSES };
    uint32_t subjects = np_kinds(d->tree, clause->subject);
    uint32_t objects = clause->gap == GAP_OBJECT ? np_kinds(d->tree, clause->head) : 0;
    int weights[V_CLASSES + 1] = { [V_PLAIN] = objects ? 0 : 24,
                                   [V_OBJECT] = 46,
                                   [V_GIVE] = 14,
                                   [BE] = objects || clause->question ? 0 : d->style->copula };
    for (int class = 0; class < V_CLASSES; class ++) {
        bool any = false;
        for (int i = 0; i < toy_verb_count && !any; i++)
            any = toy_verbs[i].class == (toy_verb_class) class && (toy_verbs[i].subjects & subjects) &&
                  (!objects || (toy_verbs[i].objects & objects));
        weights[class] = any ? weights[class] : 0;
    }
    int class = toy_dice_choose(d->dice, weights, V_CLASSES + 1);
    if (class < 0)
        return false;
    draw_negation(d, clause);
    if (class == BE)
        return (clause->predicate = draw_adjective(d, subjects, false, true)) >= 0;
    clause->verb = draw_verb(d, (toy_verb_class) class, subjects, objects);
    if (class != V_PLAIN && !objects && !draw_object(d, clause, depth, class == V_OBJECT))
        return false;
    return class != V_GIVE || draw_recipient(d, clause, depth);
}

/* A clause from what is known of it: gap and head, or nothing. Its noun phrases are at this depth. */
static int draw_clause(drawing *d, toy_clause clause, int depth)
{
    clause.verb = clause.predicate = clause.object = clause.recipient = clause.content = clause.next = -1;
    if (clause.gap == GAP_SUBJECT)
        clause.subject = clause.head;
    else if (clause.gap == GAP_OBJECT)
        clause.object = clause.head;
    else
        clause.head = -1;
    int index = new_clause(d, clause);
    if (index < 0)
        return -1;
    toy_clause *c = &d->tree->clause[index];
    if (c->subject < 0)
        c->subject = toy_dice_chance(d->dice, d->style->pronoun)
                         ? draw_subject_pronoun(d)
                         : draw_np(d, (slot){ .kinds = c->gap == GAP_OBJECT ? K_LIVING : K_ANY, .depth = depth });
    return c->subject >= 0 && draw_vp(d, c, depth) ? index : -1;
}

/* ---- sentences ---------------------------------------------------------------------------------------------------- */

static bool draw_that(drawing *d)
{
    toy_clause main = { .subject = -1,
                        .head = -1,
                        .predicate = -1,
                        .object = -1,
                        .recipient = -1,
                        .next = -1,
                        .question = d->tree->kind == TREE_QUESTION };
    main.subject = toy_dice_chance(d->dice, d->style->pronoun) ? draw_subject_pronoun(d)
                                                               : draw_np(d, (slot){ .kinds = K_HUMAN, .depth = 1 });
    if (main.subject < 0)
        return false;
    main.verb = draw_verb(d, V_THAT, K_PERSON, 0);
    const char *french = toy_verbs[main.verb].french[1];
    if (strcmp(french, "pense") && strcmp(french, "croit")) /* these take the subjunctive under negation */
        draw_negation(d, &main);
    d->tree->root = new_clause(d, main);
    int content = draw_clause(d, (toy_clause){ .subject = -1 }, 1);
    d->tree->clause[d->tree->root].content = content;
    return content >= 0;
}

/* "... but it is slow", "... but the man does not see it". */
static bool draw_but(drawing *d)
{
    int nps = d->tree->np_count;
    toy_clause clause = {
        .subject = -1, .head = -1, .verb = -1, .predicate = -1, .object = -1, .recipient = -1, .content = -1, .next = -1
    };
    int index = new_clause(d, clause);
    d->tree->but = index;
    if (index < 0)
        return false;
    toy_clause *c = &d->tree->clause[index];
    if (toy_dice_chance(d->dice, 70))
        return (c->subject = draw_anaphor(d, nps, true)) >= 0 && draw_vp(d, c, 1);
    c->subject = toy_dice_chance(d->dice, d->style->pronoun) ? draw_subject_pronoun(d)
                                                             : draw_np(d, (slot){ .kinds = K_LIVING, .depth = 1 });
    if (c->subject < 0 || (c->object = draw_anaphor(d, nps, false)) < 0)
        return false;
    draw_negation(d, c);
    c->verb = draw_verb(d, V_OBJECT, np_kinds(d->tree, c->subject), np_kinds(d->tree, c->object));
    return c->verb >= 0;
}

/* "... and gives it to the boy". */
static bool draw_and(drawing *d)
{
    toy_tree *tree = d->tree;
    toy_clause *first = &tree->clause[tree->root];
    if (first->predicate >= 0)
        return false;
    toy_clause clause = { .subject = first->subject,
                          .head = -1,
                          .verb = -1,
                          .predicate = -1,
                          .recipient = -1,
                          .content = -1,
                          .next = -1,
                          .shares_subject = true };
    if ((clause.object = draw_anaphor(d, tree->np_count, false)) < 0)
        return false;
    static const int weights[V_CLASSES] = { [V_OBJECT] = 60, [V_GIVE] = 40 };
    toy_verb_class class = (toy_verb_class)toy_dice_choose(d->dice, weights, V_CLASSES);
    clause.verb = draw_verb(d, class, np_kinds(tree, clause.subject), np_kinds(tree, clause.object));
    if (clause.verb < 0)
        return false;
    int index = new_clause(d, clause);
    if (index < 0 || (class == V_GIVE && !draw_recipient(d, &tree->clause[index], 1)))
        return false;
    first->next = index;
    return true;
}

bool toy_tree_draw(toy_tree *tree, toy_dice *dice, const toy_style *style)
{
    drawing d = { tree, dice, style };
    tree->np_count = tree->clause_count = 0;
    tree->root = tree->but = -1;
    tree->kind = (toy_tree_kind)toy_dice_choose(dice, style->kinds, TREE_KINDS);
    if (tree->kind == TREE_THAT)
        return draw_that(&d);
    tree->root = draw_clause(&d, (toy_clause){ .subject = -1, .question = tree->kind == TREE_QUESTION }, 0);
    if (tree->root < 0)
        return false;
    if (tree->kind == TREE_BUT)
        return draw_but(&d);
    return tree->kind != TREE_AND || draw_and(&d);
}

/* ---- features ----------------------------------------------------------------------------------------------------- */

bool toy_clause_plural(const toy_tree *tree, const toy_clause *clause)
{
    return tree->np[clause->subject].plural;
}

int toy_clause_person(const toy_tree *tree, const toy_clause *clause)
{
    const toy_np *np = &tree->np[clause->subject];
    bool first = np->noun < 0 && toy_pronouns[np->pronoun].person == 1;
    return (first ? 0 : 1) + (np->plural ? 2 : 0);
}

bool toy_np_feminine(const toy_tree *tree, int index)
{
    const toy_np *np = &tree->np[index];
    if (np->noun >= 0)
        return toy_nouns[np->noun].feminine;
    return np->antecedent >= 0 ? toy_nouns[tree->np[np->antecedent].noun].feminine : np->pronoun == PRON_SHE;
}

bool toy_np_is_clitic(const toy_tree *tree, int index)
{
    return index >= 0 && tree->np[index].noun < 0;
}
