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
#include "toy_grammar.h"

#include <string.h>

enum { BE = V_FRAMES };

/* ---- clauses ----------------------------------------------------------------------------------------------------- */

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

/* What a clause asks of its verb: kinds of its subject, and of its object if there is one already. */
typedef struct {
    toy_frame frame;
    uint32_t subjects, objects;
    bool speaker;
} verb_slot;

static verb_slot slot_of(const drawing *d, const toy_clause *clause, toy_frame frame)
{
    return (verb_slot){ frame, grammar_kinds(d, clause->subject),
                        clause->object >= 0 ? grammar_kinds(d, clause->object) : 0, grammar_first_person(d, clause) };
}

static bool fits(const drawing *d, verb_slot s, int verb)
{
    const toy_verb *v = &toy_verbs[verb];
    return v->frame == s.frame && (v->subjects & s.subjects) && (!s.objects || (v->objects & s.objects)) &&
           !d->verb_used[verb] && !(s.speaker && !v->french[0]);
}

static bool any_verb(const drawing *d, verb_slot s)
{
    for (int i = 0; i < toy_verb_count; i++)
        if (fits(d, s, i))
            return true;
    return false;
}

/* First persons take all verbs alike, so that every form is seen. */
static int draw_verb(drawing *d, const toy_clause *clause, toy_frame frame)
{
    verb_slot s = slot_of(d, clause, frame);
    int weights[WORDS];
    for (int i = 0; i < toy_verb_count; i++) {
        weights[i] = !fits(d, s, i) ? 0 : s.speaker ? 100 : grammar_weight(d, toy_verbs[i].rank);
        if (toy_verbs[i].twin && d->style->run)
            weights[i] = weights[i] * d->style->run / 100;
    }
    int verb = toy_dice_choose(d->dice, weights, toy_verb_count);
    for (int i = 0; verb >= 0 && i < toy_verb_count; i++)
        d->verb_used[i] = d->verb_used[i] || !strcmp(toy_verbs[i].english[0], toy_verbs[verb].english[0]);
    return verb;
}

static void draw_negation(drawing *d, toy_clause *clause, bool be)
{
    if (clause->question || !grammar_chance(d, d->style->negation, 1))
        return;
    bool does = !be && d->room > 0; /* "does not" is two tokens */
    int weights[3] = { [NEG_NOT] = be || does ? 70 : 0, [NEG_NEVER] = 30 };
    clause->negation = (toy_negation)toy_dice_choose(d->dice, weights, 3);
    d->room -= does && clause->negation == NEG_NOT;
}

/* One token is paid. */
static bool draw_object(drawing *d, toy_clause *clause, int depth)
{
    bool pronoun = toy_verbs[clause->verb].frame == V_OBJECT && (toy_verbs[clause->verb].objects & K_PERSON);
    grammar_slot s = { .kinds = toy_verbs[clause->verb].objects,
                       .depth = depth,
                       .no_indefinite = clause->negation != NEG_NONE };
    if (!pronoun && d->room < 1)
        return false;
    d->room -= !pronoun;
    if (!pronoun || grammar_chance(d, 100 - d->style->object_pronoun, 1))
        clause->object = grammar_np(d, s);
    else
        clause->object = grammar_object_pronoun(d, clause);
    return clause->object >= 0;
}

/* "to" and one token are paid. */
static bool draw_recipient(drawing *d, toy_clause *clause, int depth)
{
    grammar_slot s = { .kinds = K_HUMAN, .depth = depth };
    bool noun = toy_np_is_clitic(d->tree, clause->object); /* French would need two clitics */
    if (noun && d->room < 1)
        return false;
    d->room -= noun;
    if (noun || grammar_chance(d, 100 - d->style->object_pronoun, 1))
        clause->recipient = grammar_np(d, s);
    else
        clause->recipient = grammar_object_pronoun(d, clause);
    return clause->recipient >= 0;
}

/* "... and sees it" needs something seen before; first persons have forms of their own that should be seen. */
static void adjust_frames(const drawing *d, const toy_clause *clause, int *weights)
{
    static const int favours[V_FRAMES + 1] = { [V_PLAIN] = 48, [V_OBJECT] = 4, [V_GIVE] = 5, [BE] = 130 };
    bool root = clause == d->tree->clause;
    for (int frame = 0; frame <= V_FRAMES; frame++) {
        bool barred = root && ((d->style->root_be && frame != BE) ||
                               (d->tree->kind == TREE_AND && frame != V_OBJECT && frame != V_GIVE));
        int favour = !grammar_first_person(d, clause) ? 1 : favours[frame];
        weights[frame] = barred ? 0 : weights[frame] * favour;
    }
}

/* The verb phrase of a clause whose subject and object gap stand; the verb is paid. */
static bool draw_vp(drawing *d, toy_clause *clause, int depth)
{
    uint32_t subjects = grammar_kinds(d, clause->subject);
    bool objects = clause->object >= 0; /* the gap */
    int costs[V_FRAMES + 1] = { [V_OBJECT] = objects ? 0 : 1, [V_GIVE] = objects ? 2 : 3, [BE] = 1 };
    int weights[V_FRAMES + 1] = { 0 };
    for (int frame = 0; frame < V_FRAMES; frame++)
        if (costs[frame] <= d->room && !(objects && frame == V_PLAIN) &&
            any_verb(d, slot_of(d, clause, (toy_frame)frame)))
            weights[frame] = d->style->frames[frame];
    weights[BE] = objects || clause->question || d->room < 1 ? 0 : d->style->frames[BE];
    adjust_frames(d, clause, weights);
    int frame = toy_dice_choose(d->dice, weights, V_FRAMES + 1);
    if (frame < 0)
        return false;
    d->room -= costs[frame];
    draw_negation(d, clause, frame == BE);
    if (frame == BE)
        return (clause->predicate =
                    grammar_adjective(d, subjects, grammar_first_person(d, clause) ? SPEAKER : PREDICATE)) >= 0;
    clause->verb = draw_verb(d, clause, (toy_frame)frame);
    if (frame != V_PLAIN && !objects && !draw_object(d, clause, depth))
        return false;
    return frame != V_GIVE || draw_recipient(d, clause, depth);
}

/* A clause from what is known of it: gap and head, or nothing. Its noun phrases are at this depth; one token of the
 * subject and the verb are paid. */
int grammar_clause(drawing *d, toy_clause clause, int depth)
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
        c->subject =
            grammar_subject(d, (grammar_slot){ .kinds = c->gap == GAP_OBJECT ? K_LIVING : K_ANY, .depth = depth });
    return c->subject >= 0 && draw_vp(d, c, depth) ? index : -1;
}

/* ---- sentences --------------------------------------------------------------------------------------------------- */

/* "the man thinks that the cat sleeps"; a question if the tree is one. */
static bool draw_that(drawing *d)
{
    toy_tree *tree = d->tree;
    tree->root = new_clause(d, empty_clause);
    toy_clause *main = &tree->clause[tree->root];
    main->question = tree->kind == TREE_QUESTION;
    main->subject = grammar_subject(d, (grammar_slot){ .kinds = K_HUMAN, .depth = 1 });
    if (main->subject < 0)
        return false;
    main->verb = draw_verb(d, main, V_THAT);
    const char *french = toy_verbs[main->verb].french[1];
    if (strcmp(french, "pense") && strcmp(french, "croit")) /* these take the subjunctive under negation */
        draw_negation(d, main, false);
    main->content = grammar_clause(d, empty_clause, 1);
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
    if (!grammar_chance(d, 50, 1))
        return (c->subject = grammar_subject_anaphor(d, nps)) >= 0 && draw_vp(d, c, 1);
    c->subject = grammar_subject(d, (grammar_slot){ .kinds = K_LIVING, .depth = 1 });
    if (c->subject < 0 || (c->object = grammar_object_anaphor(d, c, nps)) < 0)
        return false;
    draw_negation(d, c, false);
    c->verb = draw_verb(d, c, V_OBJECT);
    return c->verb >= 0;
}

/* "... and gives it to the boy". */
static bool draw_and(drawing *d)
{
    static const int weights[V_FRAMES] = { [V_OBJECT] = 60, [V_GIVE] = 40 };
    toy_clause *first = &d->tree->clause[d->tree->root];
    int index = new_clause(d, empty_clause);
    if (index < 0)
        return false;
    toy_clause *c = &d->tree->clause[index];
    first->next = index;
    c->subject = first->subject;
    if ((c->object = grammar_object_anaphor(d, c, d->tree->np_count)) < 0)
        return false;
    toy_frame frame = (toy_frame)toy_dice_choose(d->dice, weights, V_FRAMES);
    c->verb = draw_verb(d, c, frame);
    if (c->verb < 0)
        return false;
    d->room -= frame == V_GIVE ? 2 : 0;
    return frame != V_GIVE || (d->room >= 0 && draw_recipient(d, c, 1));
}

bool toy_tree_draw(toy_tree *tree, toy_dice *dice, const toy_style *style)
{
    static const int costs[TREE_KINDS] = {
        [TREE_SIMPLE] = 3, [TREE_BUT] = 6, [TREE_AND] = 6, [TREE_THAT] = 6, [TREE_QUESTION] = 4
    };
    drawing d = { .tree = tree, .dice = dice, .style = style, .them = K_ANY };
    tree->np_count = tree->clause_count = 0;
    tree->root = tree->but = -1;
    tree->kind = (toy_tree_kind)toy_dice_choose(dice, style->kinds, TREE_KINDS);
    d.room = style->longest - costs[tree->kind];
    if (tree->kind == TREE_THAT ||
        (tree->kind == TREE_QUESTION && style->question_that && grammar_chance(&d, style->question_that, 3)))
        return draw_that(&d);
    tree->root = grammar_clause(&d, (toy_clause){ .question = tree->kind == TREE_QUESTION }, 0);
    if (tree->root < 0)
        return false;
    if (tree->kind == TREE_BUT)
        return draw_but(&d);
    return tree->kind != TREE_AND || draw_and(&d);
}

/* ---- features ---------------------------------------------------------------------------------------------------- */

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
