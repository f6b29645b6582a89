/* The decisions of a sentence: French tokens that could have come out otherwise, what decides them, and in which bucket
 * they count. docs/toy.md lists them with examples. Here: decisions inside noun phrases; clauses are in
 * toy_decisions_clause.c. */
#include "toy_decisions.h"

#include <stdlib.h>
#include <string.h>

/* ---- building one ------------------------------------------------------------------------------------------------ */

toy_decision decision_start(toy_phenomenon phenomenon, int position, const char *variant)
{
    return (toy_decision){ .phenomenon = phenomenon,
                           .position = (int16_t)position,
                           .span = 1,
                           .variant = variant,
                           .distance = -1,
                           .attractors = -1 };
}

void decision_compete(const decisions *all, toy_decision *d, const char *form)
{
    if (!form || d->position < 0 || !strcmp(form, all->gold->out->french[d->position]) ||
        d->competitor_count == TOY_MAX_COMPETITORS)
        return;
    for (int i = 0; i < d->competitor_count; i++)
        if (!strcmp(form, d->competitors[i]))
            return;
    d->competitors[d->competitor_count++] = form;
}

static void add_governor(int16_t *list, int16_t *count, int position)
{
    for (int i = 0; i < *count; i++)
        if (list[i] == position)
            return;
    if (position >= 0 && *count < TOY_MAX_GOVERNORS)
        list[(*count)++] = (int16_t)position;
}

void decision_source(toy_decision *d, int english)
{
    add_governor(d->source, &d->source_count, english);
}

void decision_target(toy_decision *d, int french)
{
    add_governor(d->target, &d->target_count, french);
}

void decision_keep(decisions *all, const toy_decision *d)
{
    toy_sentence *out = all->gold->out;
    if (d->position < 0 || !d->competitor_count)
        return;
    if (out->decision_count == TOY_MAX_DECISIONS || !d->source_count)
        all->failed = true;
    else
        out->decisions[out->decision_count++] = *d;
}

/* ---- determiners ------------------------------------------------------------------------------------------------- */

static bool starts_contracted(const char *word)
{
    return !strcmp(word, "du") || !strcmp(word, "des") || !strcmp(word, "au") || !strcmp(word, "aux");
}

static void compete_forms(const decisions *all, toy_decision *d, const toy_determiner *det, bool plural)
{
    for (int feminine = 0; feminine < 2; feminine++) {
        decision_compete(all, d, det->french[feminine][plural]);
        if (!plural)
            decision_compete(all, d, det->before_vowel[feminine]);
    }
}

/* la clé, le/l' clé; sa clé, son/ses clé */
static void determiner(decisions *all, int index)
{
    const toy_gold *g = all->gold;
    const toy_np *np = &g->tree->np[index];
    bool article = np->det == DET_THE || np->det == DET_OWNER;
    bool possessive = np->det == DET_MY || np->det == DET_HIS || np->det == DET_HER;
    const toy_determiner *row = &toy_determiners[article ? DET_THE : np->det];
    const char *form = g->out->french[g->french->np[index].det];
    bool vowel = !np->plural && ((row->before_vowel[0] && !strcmp(form, row->before_vowel[0])) ||
                                 (row->before_vowel[1] && !strcmp(form, row->before_vowel[1])));
    if (np->det == DET_SOME || np->det == DET_OUR || (article && starts_contracted(form)) ||
        (!possessive && np->plural))
        return;
    toy_decision d = decision_start(possessive ? TOY_POSS_AGR : TOY_GEN_DET, g->french->np[index].det,
                                    vowel          ? "vowel"
                                    : np->pre >= 0 ? "adjective"
                                                   : "plain");
    compete_forms(all, &d, row, np->plural);
    if (possessive)
        compete_forms(all, &d, row, !np->plural);
    decision_source(&d, g->english->np[index].noun);
    decision_target(&d, g->french->np[index].noun);
    decision_keep(all, &d);
}

/* du roi, not de le roi; de la reine, not du reine */
static void contraction(decisions *all, int index)
{
    static const char *const forms[2][3] = { { "de", "du", "des" }, { "à", "au", "aux" } };
    const toy_gold *g = all->gold;
    int det = g->french->np[index].det;
    bool joined = starts_contracted(g->out->french[det]);
    int at = joined ? det : det - 1;
    if (at < 0 || (g->tree->np[index].det != DET_THE && g->tree->np[index].det != DET_OWNER))
        return;
    bool a = g->out->french[at][0] != 'd';
    if (strcmp(g->out->french[at], forms[a][0]) && !joined)
        return; /* no preposition there */
    toy_decision d = decision_start(TOY_CONTR, at, joined ? "joined" : "apart");
    for (int i = 0; i < 3; i++)
        decision_compete(all, &d, forms[a][i]);
    decision_source(&d, g->english->np[index].noun);
    decision_target(&d, g->french->np[index].noun);
    decision_keep(all, &d);
}

/* de petits chats, des chats */
static void plural_de(decisions *all, int index)
{
    const toy_gold *g = all->gold;
    const toy_np *np = &g->tree->np[index];
    toy_decision d = decision_start(TOY_DE_PLUR, g->french->np[index].det, np->pre >= 0 ? "adjective" : "plain");
    decision_compete(all, &d, np->pre >= 0 ? "des" : "de");
    decision_source(&d, g->english->np[index].det);
    decision_source(&d, g->english->np[index].pre);
    decision_target(&d, g->french->np[index].pre);
    decision_keep(all, &d);
}

/* ---- adjectives -------------------------------------------------------------------------------------------------- */

void decision_compete_adjective(const decisions *all, toy_decision *d, int adjective, bool feminine, bool plural)
{
    const toy_adjective *a = &toy_adjectives[adjective];
    decision_compete(all, d, a->french[!feminine][plural]);
    decision_compete(all, d, a->french[feminine][!plural]);
    decision_compete(all, d, a->french[!feminine][!plural]);
}

static void adjective_form(decisions *all, int index, int adjective, int place, const char *variant)
{
    const toy_gold *g = all->gold;
    const toy_adjective *a = &toy_adjectives[adjective];
    bool feminine = toy_np_feminine(g->tree, index), plural = g->tree->np[index].plural;
    if (strcmp(a->french[0][plural], a->french[1][plural])) {
        toy_decision d = decision_start(TOY_GEN_ADJ, place, variant);
        decision_compete_adjective(all, &d, adjective, feminine, plural);
        decision_source(&d, g->english->np[index].noun);
        decision_target(&d, g->french->np[index].noun);
        decision_keep(all, &d);
    }
    if (!a->before_vowel || feminine || plural || strcmp(variant, "pre"))
        return;
    bool vowel = !strcmp(g->out->french[place], a->before_vowel);
    toy_decision d = decision_start(TOY_LIAISON, place, vowel ? "vowel" : "consonant");
    decision_compete(all, &d, vowel ? a->french[0][0] : a->before_vowel);
    decision_source(&d, g->english->np[index].noun);
    decision_target(&d, g->french->np[index].noun);
    decision_keep(all, &d);
}

/* le petit chat noir, not le noir petit chat */
static void adjective_order(decisions *all, int index)
{
    const toy_gold *g = all->gold;
    const toy_np *np = &g->tree->np[index];
    const toy_french_np_place *place = &g->french->np[index];
    int first = place->pre >= 0 ? place->pre : place->noun, end = place->post >= 0 ? place->post_end : place->noun + 1;
    toy_decision d = decision_start(TOY_ADJ_ORDER, first, np->pre >= 0 && np->post >= 0 ? "2" : "1");
    d.span = (int16_t)(end - first);
    if (place->pre >= 0)
        decision_compete(all, &d, g->out->french[place->noun]);
    if (place->post >= 0)
        decision_compete(all, &d, g->out->french[place->post]);
    decision_source(&d, g->english->np[index].pre);
    decision_source(&d, g->english->np[index].post);
    decision_keep(all, &d);
}

/* ---- nouns ------------------------------------------------------------------------------------------------------- */

/* le cheval du roi, not le roi du cheval */
static void genitive(decisions *all, int index)
{
    const toy_gold *g = all->gold;
    const toy_np *np = &g->tree->np[index], *owner = &g->tree->np[np->owner];
    const toy_french_np_place *place = &g->french->np[index], *owned_by = &g->french->np[np->owner];
    bool deep = owner->det == DET_OWNER;
    for (int i = 0; i < g->tree->np_count; i++)
        deep = deep || (g->tree->np[i].noun >= 0 && g->tree->np[i].det == DET_OWNER && g->tree->np[i].owner == index);
    int first = place->pre >= 0 ? place->pre : place->noun;
    toy_decision d = decision_start(TOY_GENITIVE, first, deep ? "depth 2" : "depth 1");
    d.span = (int16_t)(owned_by->noun + 1 - first);
    decision_compete(all, &d, g->out->french[owned_by->pre >= 0 ? owned_by->pre : owned_by->noun]);
    decision_source(&d, g->english->np[index].genitive);
    decision_source(&d, g->english->np[index].noun);
    decision_keep(all, &d);
}

static int french_of(const toy_gold *g, int english)
{
    for (int i = 0; i < g->out->sure_count; i++)
        if (g->out->sure[i].source == english)
            return g->out->sure[i].target;
    return -1;
}

/* la rive boueuse, la banque fermée */
static void homonym(decisions *all, int index)
{
    const toy_gold *g = all->gold;
    const toy_np *np = &g->tree->np[index];
    int noun = g->english->np[index].noun;
    toy_cue_word cues[TREE_CUES];
    int count = toy_cues(g->tree, g->english, index, cues);
    toy_decision d = decision_start(TOY_HOMONYM, g->french->np[index].noun, toy_nouns[np->noun].french[0]);
    decision_compete(all, &d, toy_nouns[np->noun + toy_nouns[np->noun].twin].french[np->plural]);
    for (int i = 0; i < count; i++) {
        int distance = abs(cues[i].position - noun);
        decision_source(&d, cues[i].position);
        decision_target(&d, french_of(g, cues[i].position));
        if (d.distance >= 0 && distance >= d.distance)
            continue;
        d.distance = (int16_t)distance;
        d.cue_side = cues[i].position < noun ? -1 : 1;
        d.cue = cues[i].kind;
    }
    decision_keep(all, &d);
}

/* Which English words would change with the number of "sheep". */
static void number_governors(const toy_gold *g, int index, toy_decision *d)
{
    const char *words[TOY_MAX_ENGLISH];
    toy_places places;
    toy_tree flipped = *g->tree;
    flipped.np[index].plural = !flipped.np[index].plural;
    bool same = toy_english(&flipped, words, &places) && places.count == g->english->count;
    for (int i = 0; same && i < places.count; i++)
        if (strcmp(words[i], g->out->english[i]))
            decision_source(d, i);
    for (int i = 0; i < g->tree->np_count; i++)
        if (g->tree->np[i].noun < 0 && g->tree->np[i].antecedent == index)
            decision_source(d, g->english->np[i].noun);
    for (int i = 0; i < d->source_count; i++) {
        int distance = abs(d->source[i] - g->english->np[index].noun);
        d->distance = (int16_t)(d->distance < 0 || distance < d->distance ? distance : d->distance);
    }
}

/* the sheep that the man sees sleep: les moutons */
static void hidden_number(decisions *all, int index)
{
    const toy_gold *g = all->gold;
    const toy_np *np = &g->tree->np[index];
    const toy_noun *noun = &toy_nouns[np->noun];
    if (strcmp(noun->english[0], noun->english[1]) || np->det == DET_A || np->det == DET_SOME || np->det == DET_THIS)
        return;
    toy_decision d = decision_start(TOY_NUM_VERB, g->french->np[index].noun, "noun");
    number_governors(g, index, &d);
    decision_compete(all, &d, noun->french[!np->plural]);
    decision_keep(all, &d);
    toy_decision e = d;
    e.position = (int16_t)g->french->np[index].det;
    e.competitor_count = 0;
    e.variant = "determiner";
    const char *form = g->out->french[e.position];
    if (starts_contracted(form))
        decision_compete(all, &e, form[0] == 'd' ? np->plural ? "du" : "des" : np->plural ? "au" : "aux");
    else
        compete_forms(all, &e, &toy_determiners[np->det == DET_OWNER ? DET_THE : np->det], !np->plural);
    decision_keep(all, &e);
}

static void noun_phrase(decisions *all, int index)
{
    const toy_np *np = &all->gold->tree->np[index];
    const toy_french_np_place *place = &all->gold->french->np[index];
    determiner(all, index);
    contraction(all, index);
    if (np->det == DET_SOME)
        plural_de(all, index);
    if (np->pre >= 0)
        adjective_form(all, index, np->pre, place->pre, "pre");
    if (np->post >= 0)
        adjective_form(all, index, np->post, place->post, "post");
    if (np->pre >= 0 || np->post >= 0)
        adjective_order(all, index);
    if (np->det == DET_OWNER)
        genitive(all, index);
    if (toy_nouns[np->noun].twin)
        homonym(all, index);
    hidden_number(all, index);
}

bool toy_decisions(const toy_gold *gold)
{
    decisions all = { gold, false };
    gold->out->decision_count = 0;
    for (int i = 0; i < gold->tree->np_count; i++)
        if (gold->tree->np[i].noun >= 0)
            noun_phrase(&all, i);
    for (int i = 0; i < gold->tree->clause_count; i++)
        decisions_clause(&all, i);
    return !all.failed;
}
