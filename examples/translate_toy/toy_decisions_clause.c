/* Decisions about verbs, predicates, negation and pronouns. */
#include "toy_decisions.h"

#include <string.h>

static const toy_clause *clause_at(const decisions *all, int index)
{
    return &all->gold->tree->clause[index];
}

/* ---- agreement with the subject ---------------------------------------------------------------------------------- */

/* les chats dorment; les clés près de la table sont lourdes */
static void number(decisions *all, int index)
{
    const toy_gold *g = all->gold;
    const toy_clause *c = clause_at(all, index);
    const char *const *forms = c->verb >= 0 ? toy_verbs[c->verb].french : toy_etre;
    int person = toy_clause_person(g->tree, c);
    toy_span span;
    bool noun = toy_subject_span(g->tree, g->english, index, &span);
    bool far = noun && span.nouns > 0;
    const char *variant = !noun ? "pronoun" : c->gap == GAP_SUBJECT ? "relative" : "noun";
    toy_decision d =
        decision_start(far ? TOY_NUM_LONG : TOY_NUM_SV, g->french->clause[index].verb, far ? "verb" : variant);
    if (noun)
        d.distance = (int16_t)span.distance;
    d.attractors = (int16_t)(far ? span.by_number : -1);
    decision_compete(all, &d, forms[person ^ 2]);
    for (int i = 0; i < 4 && !noun; i++)
        decision_compete(all, &d, forms[i]);
    decision_source(&d, g->english->np[c->subject].noun);
    decision_target(&d, g->french->np[c->subject].noun);
    decision_keep(all, &d);
}

static void predicate_number(decisions *all, int index, const toy_span *span)
{
    const toy_gold *g = all->gold;
    const toy_clause *c = clause_at(all, index);
    bool feminine = toy_np_feminine(g->tree, c->subject), plural = g->tree->np[c->subject].plural;
    toy_decision d = decision_start(TOY_NUM_LONG, g->french->clause[index].predicate, "adjective");
    d.distance = (int16_t)span->distance;
    d.attractors = (int16_t)span->by_number;
    decision_compete(all, &d, toy_adjectives[c->predicate].french[feminine][!plural]);
    decision_source(&d, g->english->np[c->subject].noun);
    decision_target(&d, g->french->np[c->subject].noun);
    decision_keep(all, &d);
}

/* Nouns between two English tokens whose gender is not this one. */
static int gender_attractors(const toy_gold *g, int from, int to, bool feminine)
{
    int found = 0;
    for (int i = 0; i < g->tree->np_count; i++) {
        const toy_np *np = &g->tree->np[i];
        int at = g->english->np[i].noun;
        found += np->noun >= 0 && at > from && at < to && toy_nouns[np->noun].feminine != feminine;
    }
    return found;
}

/* What decides the gender of an anaphor or of the adjective after it. */
static void govern_by_antecedent(const toy_gold *g, toy_decision *d, int pronoun)
{
    int antecedent = g->tree->np[pronoun].antecedent;
    int from = g->english->np[antecedent].noun, to = g->english->np[pronoun].noun;
    d->distance = (int16_t)(to - from);
    d->attractors = (int16_t)gender_attractors(g, from, to, toy_np_feminine(g->tree, antecedent));
    decision_source(d, from);
    decision_target(d, g->french->np[antecedent].noun);
}

/* la maison est verte; les tables que l'homme voit sont vertes; mais elle est lente */
static void predicate(decisions *all, int index)
{
    const toy_gold *g = all->gold;
    const toy_clause *c = clause_at(all, index);
    const toy_np *subject = &g->tree->np[c->subject];
    const toy_adjective *a = &toy_adjectives[c->predicate];
    bool feminine = toy_np_feminine(g->tree, c->subject);
    int place = g->french->clause[index].predicate;
    toy_span span;
    bool far = toy_subject_span(g->tree, g->english, index, &span) && span.nouns > 0;
    if (far)
        predicate_number(all, index, &span);
    if (!strcmp(a->french[0][subject->plural], a->french[1][subject->plural]))
        return;
    bool anaphor = subject->noun < 0 && subject->antecedent >= 0;
    toy_decision d = decision_start(anaphor ? TOY_ANAPHOR
                                    : far   ? TOY_GEN_LONG
                                            : TOY_GEN_ADJ,
                                    place,
                                    anaphor ? "adjective"
                                    : far   ? NULL
                                            : "predicate");
    if (far) {
        d.distance = (int16_t)span.distance;
        d.attractors = (int16_t)span.by_gender;
        decision_compete(all, &d, a->french[!feminine][subject->plural]);
    } else {
        decision_compete_adjective(all, &d, c->predicate, feminine, subject->plural);
    }
    if (anaphor)
        govern_by_antecedent(g, &d, c->subject);
    else
        decision_source(&d, g->english->np[c->subject].noun);
    decision_target(&d, g->french->np[c->subject].noun);
    decision_keep(all, &d);
}

/* ---- negation ---------------------------------------------------------------------------------------------------- */

/* ne voit pas: neither is left out */
static void negation(decisions *all, int index)
{
    const toy_gold *g = all->gold;
    const toy_clause *c = clause_at(all, index);
    const toy_french_clause_place *place = &g->french->clause[index];
    const char *variant = c->negation == NEG_NEVER ? "never"
                          : place->clitic >= 0     ? "clitic"
                          : c->verb < 0            ? "copula"
                                                   : "plain";
    toy_decision ne = decision_start(TOY_NEG, place->ne, variant);
    decision_compete(all, &ne, g->out->french[place->ne + 1]);
    decision_source(&ne, g->english->clause[index].negation);
    decision_keep(all, &ne);
    toy_decision pas = decision_start(TOY_NEG, place->pas, variant);
    decision_compete(all, &pas, c->negation == NEG_NOT ? "jamais" : "pas");
    decision_compete(all, &pas, g->out->french[place->pas + 1]);
    decision_source(&pas, g->english->clause[index].negation);
    decision_target(&pas, place->ne);
    decision_keep(all, &pas);
}

/* ---- pronouns ---------------------------------------------------------------------------------------------------- */

/* le chien le voit, not le chien voit le, nor la voit */
static void clitic(decisions *all, int index, int pronoun)
{
    static const char *const others[] = { "le", "la", "les", "lui", "leur" };
    const toy_gold *g = all->gold;
    const toy_clause *c = clause_at(all, index);
    int at = g->french->clause[index].clitic;
    const char *variant = c->negation != NEG_NONE ? "negated" : pronoun == c->recipient ? "recipient" : "object";
    toy_decision d = decision_start(TOY_CLITIC, at, variant);
    decision_compete(all, &d, g->out->french[at + 1]);
    bool elided = strchr(g->out->french[at], '\'') != NULL;
    for (int i = elided ? 2 : 0; i < 5; i++)
        decision_compete(all, &d, others[i]);
    decision_source(&d, g->english->np[pronoun].noun);
    decision_keep(all, &d);
    if (g->tree->np[pronoun].antecedent < 0 || g->tree->np[pronoun].plural || elided)
        return;
    toy_decision e = decision_start(TOY_CL_ANTE, at, NULL); /* achète la clé et la donne */
    decision_compete(all, &e, "le");
    decision_compete(all, &e, "la");
    govern_by_antecedent(g, &e, pronoun);
    decision_keep(all, &e);
}

/* mais elle est lente */
static void anaphor(decisions *all, int index)
{
    const toy_gold *g = all->gold;
    int pronoun = clause_at(all, index)->subject;
    const toy_np *np = &g->tree->np[pronoun];
    toy_decision d = decision_start(TOY_ANAPHOR, g->french->np[pronoun].noun, "pronoun");
    decision_compete(all, &d, toy_pronouns[np->pronoun].french[0]);
    decision_compete(all, &d, toy_pronouns[np->pronoun].french[1]);
    govern_by_antecedent(g, &d, pronoun);
    decision_keep(all, &d);
}

/* ---- verbs of two senses ----------------------------------------------------------------------------------------- */

/* connaît le village, sait que; le garçon court, le moteur fonctionne */
static void verb_sense(decisions *all, int index)
{
    const toy_gold *g = all->gold;
    const toy_clause *c = clause_at(all, index);
    const toy_verb *verb = &toy_verbs[c->verb];
    int person = toy_clause_person(g->tree, c), at = g->english->clause[index].verb, governor;
    toy_decision d = decision_start(TOY_VERB_SENSE, g->french->clause[index].verb, verb->english[0]);
    for (int i = 0; i < toy_verb_count; i++)
        if (i != c->verb && !strcmp(toy_verbs[i].english[0], verb->english[0]))
            decision_compete(all, &d, toy_verbs[i].french[person]);
    if (!d.competitor_count)
        return;
    if (verb->frame == V_THAT) {
        governor = g->english->clause[index].that;
    } else {
        int np = verb->frame == V_OBJECT ? c->object : c->subject;
        bool anaphoric = g->tree->np[np].noun < 0 && g->tree->np[np].antecedent >= 0;
        governor = g->english->np[anaphoric ? g->tree->np[np].antecedent : np].noun;
        decision_target(&d, verb->frame == V_PLAIN ? g->french->np[np].noun : -1);
    }
    d.distance = (int16_t)(at > governor ? at - governor : governor - at);
    decision_source(&d, governor);
    decision_keep(all, &d);
}

void decisions_clause(decisions *all, int index)
{
    const toy_tree *tree = all->gold->tree;
    const toy_clause *c = &tree->clause[index];
    const toy_np *subject = &tree->np[c->subject];
    bool shares = false; /* the subject of "and gives it" was there before */
    for (int i = 0; i < tree->clause_count; i++)
        shares = shares || tree->clause[i].next == index;
    number(all, index);
    if (c->predicate >= 0)
        predicate(all, index);
    if (c->negation != NEG_NONE)
        negation(all, index);
    if (toy_np_is_clitic(tree, c->object))
        clitic(all, index, c->object);
    else if (toy_np_is_clitic(tree, c->recipient))
        clitic(all, index, c->recipient);
    if (subject->noun < 0 && subject->antecedent >= 0 && c->gap == GAP_NONE && !shares)
        anaphor(all, index);
    if (c->verb >= 0)
        verb_sense(all, index);
}
