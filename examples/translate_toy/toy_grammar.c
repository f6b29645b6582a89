/* The productions: draws a tree top-down.
 *
 *     S    -> NP VP | NP VP "but" S(anaphor) | NP VP "and" VP(it) | NP Vthat "that" S | "does" NP VP "?"
 *     NP   -> Det (Apre) (Apost) N (PP | RC) | NP "'s" (Apre) (Apost) N | Pron
 *     RC   -> "that" VP | ("that") NP V           (the gap is the object)
 *     VP   -> V | V NP | Vgive NP "to" NP | "be" A | "not"/"never" VP
 *
 * Every choice is one that the English shows, so that a sentence comes from one sequence of choices only (toy_dice.c
 * counts on it); what turns out impossible makes the draw fail, and the caller takes the next cell. `room` is how many
 * English tokens may still be added to the shortest completion; what does not fit is not offered. No noun, adjective or
 * verb is used twice in a sentence: "the old bridge is old" says nothing. */
#include "toy_tree.h"

#include <string.h>

enum { WORDS = 80, DEPTH = 2, BE = V_CLASSES };

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
    int room;
    bool noun_used[WORDS], adjective_used[WORDS], verb_used[WORDS];
} drawing;

static int draw_clause(drawing *d, toy_clause clause, int depth);

static bool chance(drawing *d, int percent, int cost)
{
    if (d->room < cost || !toy_dice_chance(d->dice, percent))
        return false;
    d->room -= cost;
    return true;
}

static int weight_of(const drawing *d, int rank)
{
    return d->style->flat ? 100 : toy_zipf(rank);
}

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

static int noun_weight(const drawing *d, int noun)
{
    const toy_noun *n = &toy_nouns[noun], *first = d->tree->np[0].noun >= 0 ? &toy_nouns[d->tree->np[0].noun] : n;
    int weight = weight_of(d, n->rank) * (n->twin ? d->style->homonym : 100) / 100;
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

/* SPEAKER: after "i am", where English hides the gender. */
typedef enum { BEFORE_NOUN, AFTER_NOUN, PREDICATE, SPEAKER } adjective_use;

static bool shows_gender(const toy_adjective *a)
{
    return strcmp(a->french[0][0], a->french[1][0]);
}

static int draw_adjective(drawing *d, uint32_t kind, adjective_use use)
{
    int weights[WORDS];
    for (int i = 0; i < toy_adjective_count; i++) {
        const toy_adjective *a = &toy_adjectives[i];
        bool placed = use == SPEAKER     ? !a->attributive_only && !shows_gender(a)
                      : use == PREDICATE ? !a->attributive_only
                                         : a->before_noun == (use == BEFORE_NOUN);
        weights[i] = placed && (a->kinds & kind) && !d->adjective_used[i] ? weight_of(d, a->rank) : 0;
    }
    int adjective = toy_dice_choose(d->dice, weights, toy_adjective_count);
    if (adjective >= 0)
        d->adjective_used[adjective] = true;
    return adjective;
}

static int draw_determiner(drawing *d, uint32_t kind, bool plural, slot s)
{
    int weights[DET_WORDS];
    for (int i = 0; i < DET_WORDS; i++) {
        bool fits = toy_determiners[i].english[plural] && (i < DET_MY || (kind & K_OWNED)) &&
                    !(i == DET_SOME && (s.no_some || s.no_indefinite)) && !(i == DET_A && s.no_indefinite);
        weights[i] = fits ? d->style->flat ? 100 : toy_determiners[i].weight : 0;
    }
    return toy_dice_choose(d->dice, weights, DET_WORDS);
}

static int draw_np(drawing *d, slot s);

static bool draw_owner(drawing *d, toy_np *np, int level)
{
    int owner = draw_np(d, (slot){ .kinds = K_OWNER, .depth = DEPTH, .no_some = true, .no_modifier = true });
    if (owner < 0)
        return false;
    np->det = DET_OWNER;
    np->owner = owner;
    toy_np *inner = &d->tree->np[owner];
    bool owned = toy_nouns[inner->noun].kind & K_OWNED;
    if (level || !owned || !d->style->owner_depth || !chance(d, d->style->owner_depth, 2))
        return true;
    return draw_owner(d, inner, level + 1);
}

static bool draw_preposition(drawing *d, toy_np *np, slot s)
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
    np->inner = draw_np(d, (slot){ .kinds = complements[np->preposition], .depth = s.depth + 1, .no_some = de });
    return np->inner >= 0;
}

static bool draw_modifier(drawing *d, int index, slot s)
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
    np->clause = draw_clause(d, clause, s.depth + 1);
    return np->clause >= 0;
}

/* The caller has paid for determiner and noun. */
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
    int plural = !index || d->tree->np[0].noun < 0 ? 45
                 : d->tree->np[0].plural           ? 100 - d->style->opposite
                                                   : d->style->opposite;
    np->plural = toy_dice_chance(d->dice, plural);
    if (chance(d, d->style->pre, 1) && (np->pre = draw_adjective(d, kind, BEFORE_NOUN)) < 0)
        return -1;
    if (chance(d, d->style->post, 1) && (np->post = draw_adjective(d, kind, AFTER_NOUN)) < 0)
        return -1;
    if ((kind & K_OWNED) && s.depth < DEPTH && chance(d, d->style->owner, 2))
        return draw_owner(d, np, 0) ? index : -1;
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

/* A pronoun, or a noun phrase if there is room for its second token. */
static int draw_subject(drawing *d, slot s)
{
    static const int weights[2][PRONOUNS] = { { [PRON_HE] = 22, [PRON_SHE] = 22, [PRON_I] = 24, [PRON_WE] = 32 },
                                              { [PRON_HE] = 14, [PRON_SHE] = 14, [PRON_I] = 48, [PRON_WE] = 34 } };
    bool that = d->tree->kind == TREE_THAT && s.depth == 1;
    if (chance(d, 100 - (that ? d->style->that_pronoun : d->style->pronoun), 1))
        return draw_np(d, s);
    return new_pronoun(d, toy_dice_choose(d->dice, weights[that], PRONOUNS), -1);
}

static bool first_person(const drawing *d, const toy_clause *clause)
{
    const toy_np *subject = &d->tree->np[clause->subject];
    return subject->noun < 0 && toy_pronouns[subject->pronoun].person == 1;
}

/* In "he sees him" the second is another one; "me" and "us" never go with "i" and "we". */
static int draw_object_pronoun(drawing *d, const toy_clause *clause)
{
    bool first = first_person(d, clause);
    int weights[PRONOUNS] = {
        [PRON_HE] = 30, [PRON_SHE] = 30, [PRON_THEY] = 30, [PRON_I] = first ? 0 : 15, [PRON_WE] = first ? 0 : 15
    };
    return new_pronoun(d, toy_dice_choose(d->dice, weights, PRONOUNS), -1);
}

/* A subject "it" or "they" for one of the first nps of the tree, or "he" or "she" if there is such a person among them. */
static int draw_subject_anaphor(drawing *d, int nps)
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
static int draw_object_anaphor(drawing *d, const toy_clause *clause, int nps)
{
    const toy_np *subject = &d->tree->np[clause->subject];
    bool them = subject->noun >= 0 || subject->pronoun >= PRON_IT;
    int weights[TREE_NPS + 1] = { 0 };
    for (int i = 0; i < nps; i++) {
        const toy_np *np = &d->tree->np[i];
        if (np->noun < 0 || i == clause->subject)
            continue;
        if (np->plural)
            weights[TREE_NPS] = them ? 40 : 0;
        else if (!(toy_nouns[np->noun].kind & K_HUMAN))
            weights[i] = 150;
    }
    int choice = toy_dice_choose(d->dice, weights, TREE_NPS + 1);
    if (choice < 0)
        return -1;
    return choice == TREE_NPS ? new_pronoun(d, PRON_THEY, -1) : new_pronoun(d, PRON_IT, choice);
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

static const toy_clause empty_clause = {
    .subject = -1, .head = -1, .verb = -1, .predicate = -1, .object = -1, .recipient = -1, .content = -1, .next = -1
};

/* Weights of the verbs of a class that take the clause's subject, and its object if there is one already. First persons
 * take all verbs alike, so that every form is seen. */
static bool weigh_verbs(const drawing *d, const toy_clause *clause, toy_verb_class class, int *weights)
{
    uint32_t subjects = np_kinds(d->tree, clause->subject);
    uint32_t objects = clause->object >= 0 ? np_kinds(d->tree, clause->object) : 0;
    bool alike = first_person(d, clause);
    bool any = false;
    for (int i = 0; i < toy_verb_count; i++) {
        const toy_verb *v = &toy_verbs[i];
        bool fits =
            v->class == class && (v->subjects & subjects) && (!objects || (v->objects & objects)) && !d->verb_used[i];
        weights[i] = !fits ? 0 : alike ? 100 : weight_of(d, v->rank);
        if (v->twin && d->style->run)
            weights[i] = weights[i] * d->style->run / 100;
        any = any || fits;
    }
    return any;
}

static int draw_verb(drawing *d, const toy_clause *clause, toy_verb_class class)
{
    int weights[WORDS];
    weigh_verbs(d, clause, class, weights);
    int verb = toy_dice_choose(d->dice, weights, toy_verb_count);
    for (int i = 0; verb >= 0 && i < toy_verb_count; i++)
        d->verb_used[i] = d->verb_used[i] || !strcmp(toy_verbs[i].english[0], toy_verbs[verb].english[0]);
    return verb;
}

static void draw_negation(drawing *d, toy_clause *clause, bool be)
{
    if (clause->question || !chance(d, d->style->negation, 1))
        return;
    bool does = !be && d->room > 0; /* "does not" is two tokens */
    int weights[3] = { [NEG_NOT] = be || does ? 70 : 0, [NEG_NEVER] = 30 };
    clause->negation = (toy_negation)toy_dice_choose(d->dice, weights, 3);
    d->room -= does && clause->negation == NEG_NOT;
}

/* One token is paid. */
static bool draw_object(drawing *d, toy_clause *clause, int depth)
{
    bool pronoun = toy_verbs[clause->verb].class == V_OBJECT && (toy_verbs[clause->verb].objects & K_PERSON);
    slot s = { .kinds = toy_verbs[clause->verb].objects,
               .depth = depth,
               .no_indefinite = clause->negation != NEG_NONE };
    if (!pronoun && d->room < 1)
        return false;
    d->room -= !pronoun;
    if (!pronoun || chance(d, 100 - d->style->object_pronoun, 1))
        clause->object = draw_np(d, s);
    else
        clause->object = draw_object_pronoun(d, clause);
    return clause->object >= 0;
}

/* "to" and one token are paid. */
static bool draw_recipient(drawing *d, toy_clause *clause, int depth)
{
    slot s = { .kinds = K_HUMAN, .depth = depth };
    bool noun = toy_np_is_clitic(d->tree, clause->object); /* French would need two clitics */
    if (noun && d->room < 1)
        return false;
    d->room -= noun;
    if (noun || chance(d, 100 - d->style->object_pronoun, 1))
        clause->recipient = draw_np(d, s);
    else
        clause->recipient = draw_object_pronoun(d, clause);
    return clause->recipient >= 0;
}

/* "... and sees it" needs something seen before; first persons have forms of their own that should be seen. */
static void adjust_classes(const drawing *d, const toy_clause *clause, int *weights)
{
    bool root = clause == d->tree->clause;
    for (int class = 0; class <= V_CLASSES; class ++) {
        bool barred = root && ((d->style->root_be && class != BE) ||
                               (d->tree->kind == TREE_AND && class != V_OBJECT && class != V_GIVE));
        int favour = !first_person(d, clause) ? 1 : class == V_PLAIN ? 6 : class == BE ? 18 : 1;
        weights[class] = barred ? 0 : weights[class] * favour;
    }
}

/* The verb phrase of a clause whose subject and object gap stand; the verb is paid. */
static bool draw_vp(drawing *d, toy_clause *clause, int depth)
{
    uint32_t subjects = np_kinds(d->tree, clause->subject);
    bool objects = clause->object >= 0; /* the gap */
    int costs[V_CLASSES + 1] = { [V_OBJECT] = objects ? 0 : 1, [V_GIVE] = objects ? 2 : 3, [BE] = 1 };
    int weights[V_CLASSES + 1] = { 0 }, verbs[WORDS];
    for (int class = 0; class < V_CLASSES; class ++)
        if (costs[class] <= d->room && !(objects && class == V_PLAIN) &&
            weigh_verbs(d, clause, (toy_verb_class) class, verbs))
            weights[class] = d->style->classes[class];
    weights[BE] = objects || clause->question || d->room < 1 ? 0 : d->style->classes[BE];
    adjust_classes(d, clause, weights);
    int class = toy_dice_choose(d->dice, weights, V_CLASSES + 1);
    if (class < 0)
        return false;
    d->room -= costs[class];
    draw_negation(d, clause, class == BE);
    if (class == BE)
        return (clause->predicate = draw_adjective(d, subjects, first_person(d, clause) ? SPEAKER : PREDICATE)) >= 0;
    clause->verb = draw_verb(d, clause, (toy_verb_class) class);
    if (class != V_PLAIN && !objects && !draw_object(d, clause, depth))
        return false;
    return class != V_GIVE || draw_recipient(d, clause, depth);
}

/* A clause from what is known of it: gap and head, or nothing. Its noun phrases are at this depth; one token of the
 * subject and the verb are paid. */
static int draw_clause(drawing *d, toy_clause clause, int depth)
{
    toy_clause full = empty_clause;
    full.gap = clause.gap;
    full.question = clause.question;
    full.head = clause.gap == GAP_NONE ? -1 : clause.head;
    full.subject = clause.gap == GAP_SUBJECT ? clause.head : -1;
    full.object = clause.gap == GAP_OBJECT ? clause.head : -1;
    int index = new_clause(d, full);
    if (index < 0)
        return -1;
    toy_clause *c = &d->tree->clause[index];
    if (c->subject < 0)
        c->subject = draw_subject(d, (slot){ .kinds = c->gap == GAP_OBJECT ? K_LIVING : K_ANY, .depth = depth });
    return c->subject >= 0 && draw_vp(d, c, depth) ? index : -1;
}

/* ---- sentences ---------------------------------------------------------------------------------------------------- */

/* "the man thinks that the cat sleeps"; a question if the tree is one. */
static bool draw_that(drawing *d)
{
    toy_tree *tree = d->tree;
    tree->root = new_clause(d, empty_clause);
    toy_clause *main = &tree->clause[tree->root];
    main->question = tree->kind == TREE_QUESTION;
    main->subject = draw_subject(d, (slot){ .kinds = K_HUMAN, .depth = 1 });
    if (main->subject < 0)
        return false;
    main->verb = draw_verb(d, main, V_THAT);
    const char *french = toy_verbs[main->verb].french[1];
    if (strcmp(french, "pense") && strcmp(french, "croit")) /* these take the subjunctive under negation */
        draw_negation(d, main, false);
    main->content = draw_clause(d, empty_clause, 1);
    return main->content >= 0;
}

/* "... but it is slow", "... but the man does not see it". */
static bool draw_but(drawing *d)
{
    int nps = d->tree->np_count;
    d->tree->but = new_clause(d, empty_clause);
    if (d->tree->but < 0)
        return false;
    toy_clause *c = &d->tree->clause[d->tree->but];
    if (!chance(d, 50, 1))
        return (c->subject = draw_subject_anaphor(d, nps)) >= 0 && draw_vp(d, c, 1);
    c->subject = draw_subject(d, (slot){ .kinds = K_LIVING, .depth = 1 });
    if (c->subject < 0 || (c->object = draw_object_anaphor(d, c, nps)) < 0)
        return false;
    draw_negation(d, c, false);
    c->verb = draw_verb(d, c, V_OBJECT);
    return c->verb >= 0;
}

/* "... and gives it to the boy". */
static bool draw_and(drawing *d)
{
    static const int weights[V_CLASSES] = { [V_OBJECT] = 60, [V_GIVE] = 40 };
    toy_clause *first = &d->tree->clause[d->tree->root];
    int index = new_clause(d, empty_clause);
    if (index < 0)
        return false;
    toy_clause *c = &d->tree->clause[index];
    first->next = index;
    c->subject = first->subject;
    if ((c->object = draw_object_anaphor(d, c, d->tree->np_count)) < 0)
        return false;
    toy_verb_class class = (toy_verb_class)toy_dice_choose(d->dice, weights, V_CLASSES);
    c->verb = draw_verb(d, c, class);
    if (c->verb < 0)
        return false;
    d->room -= class == V_GIVE ? 2 : 0;
    return class != V_GIVE || (d->room >= 0 && draw_recipient(d, c, 1));
}

bool toy_tree_draw(toy_tree *tree, toy_dice *dice, const toy_style *style)
{
    static const int costs[TREE_KINDS] = {
        [TREE_SIMPLE] = 3, [TREE_BUT] = 6, [TREE_AND] = 6, [TREE_THAT] = 6, [TREE_QUESTION] = 4
    };
    drawing d = { .tree = tree, .dice = dice, .style = style };
    tree->np_count = tree->clause_count = 0;
    tree->root = tree->but = -1;
    tree->kind = (toy_tree_kind)toy_dice_choose(dice, style->kinds, TREE_KINDS);
    d.room = style->longest - costs[tree->kind];
    if (tree->kind == TREE_THAT ||
        (tree->kind == TREE_QUESTION && style->question_that && chance(&d, style->question_that, 3)))
        return draw_that(&d);
    tree->root = draw_clause(&d, (toy_clause){ .question = tree->kind == TREE_QUESTION }, 0);
    if (tree->root < 0)
        return false;
    if (tree->kind == TREE_BUT)
        return draw_but(&d);
    return tree->kind != TREE_AND || draw_and(&d);
}

/* ---- features ----------------------------------------------------------------------------------------------------- */

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
