/* Arcs (who should look at whom), feature counts, and a sentence from its tree. */
#include "toy_tree.h"

#include <string.h>

typedef struct {
    const toy_gold *gold;
    bool failed;
} arcs;

static void add(arcs *all, toy_side side, const char *kind, int query, const int16_t *keys, int count)
{
    toy_sentence *out = all->gold->out;
    if (query < 0 || !count || keys[0] < 0)
        return;
    if (out->arc_count == TOY_MAX_ARCS) {
        all->failed = true;
        return;
    }
    toy_arc *arc = &out->arcs[out->arc_count++];
    *arc = (toy_arc){ .side = side, .kind = kind, .query = (int16_t)query };
    for (int i = 0; i < count && arc->count < TOY_MAX_GOVERNORS; i++)
        arc->keys[arc->count++] = keys[i];
}

static void add_one(arcs *all, toy_side side, const char *kind, int query, int key)
{
    int16_t keys[1] = { (int16_t)key };
    add(all, side, kind, query, keys, 1);
}

/* A decoder row can only see what stands left of the token it predicts. */
static void add_left(arcs *all, const char *kind, int query, int key)
{
    if (key < query)
        add_one(all, TOY_DEC, kind, query, key);
}

static void noun_phrase(arcs *all, int index)
{
    const toy_gold *g = all->gold;
    const toy_np_place *english = &g->english->np[index];
    const toy_french_np_place *french = &g->french->np[index];
    add_one(all, TOY_ENC, "determiner", english->det, english->noun);
    add_one(all, TOY_ENC, "modifier", english->pre, english->noun);
    add_one(all, TOY_ENC, "modifier", english->post, english->noun);
    add_left(all, "adjective", french->post, french->noun);
}

/* "them" has no antecedent in the tree, since French does not need it; here it has one if only one noun can be. */
static int only_plural_before(const toy_tree *tree, const toy_places *places, int index)
{
    int found = -1, subject = -1;
    for (int i = 0; i < tree->clause_count; i++)
        if (tree->clause[i].object == index)
            subject = tree->clause[i].subject;
    for (int i = 0; i < tree->np_count; i++) {
        const toy_np *np = &tree->np[i];
        if (np->noun < 0 || !np->plural || i == subject || places->np[i].noun > places->np[index].noun)
            continue;
        if (found >= 0)
            return -1;
        found = i;
    }
    return found;
}

static void pronoun(arcs *all, int index)
{
    const toy_gold *g = all->gold;
    const toy_np *np = &g->tree->np[index];
    int antecedent = np->antecedent;
    if (antecedent < 0 && np->pronoun == PRON_THEY)
        antecedent = only_plural_before(g->tree, g->english, index);
    if (antecedent < 0)
        return;
    add_one(all, TOY_ENC, "antecedent", g->english->np[index].noun, g->english->np[antecedent].noun);
    add_left(all, "antecedent", g->french->np[index].noun, g->french->np[antecedent].noun);
}

static void clause(arcs *all, int index)
{
    const toy_gold *g = all->gold;
    const toy_clause *c = &g->tree->clause[index];
    const toy_clause_place *english = &g->english->clause[index];
    const toy_french_clause_place *french = &g->french->clause[index];
    int subject = g->english->np[c->subject].noun, french_subject = g->french->np[c->subject].noun;
    add_one(all, TOY_ENC, c->gap == GAP_NONE ? "subject" : "relative", english->verb, subject);
    add_one(all, TOY_ENC, "predicate", english->predicate, subject);
    add_left(all, "verb", french->verb, french_subject);
    add_left(all, "adjective", french->predicate, french_subject);
    add_left(all, "pas", french->pas, french->ne);
}

/* What the row that predicts a decision must read in the English. A homonym is also read itself. */
static void decision(arcs *all, const toy_decision *d)
{
    const toy_gold *g = all->gold;
    int16_t keys[TOY_MAX_GOVERNORS];
    int count = 0;
    bool homonym = d->phenomenon == TOY_HOMONYM;
    for (int i = 0; homonym && i < g->out->sure_count && !count; i++)
        if (g->out->sure[i].target == d->position)
            keys[count++] = g->out->sure[i].source;
    int itself = count ? keys[0] : -1;
    for (int i = 0; i < d->source_count && count < TOY_MAX_GOVERNORS; i++)
        keys[count++] = d->source[i];
    add(all, TOY_CROSS, toy_phenomenon_name(d->phenomenon), d->position, keys, count);
    if (homonym)
        add(all, TOY_ENC, "cue", itself, d->source, d->source_count);
    if (d->phenomenon == TOY_NUM_VERB && !strcmp(d->variant, "noun"))
        for (int i = 0; i < g->out->sure_count; i++)
            if (g->out->sure[i].target == d->position)
                add(all, TOY_ENC, "number", g->out->sure[i].source, d->source, d->source_count);
}

bool toy_arcs(const toy_gold *gold)
{
    arcs all = { gold, false };
    gold->out->arc_count = 0;
    for (int i = 0; i < gold->tree->np_count; i++) {
        if (gold->tree->np[i].noun >= 0)
            noun_phrase(&all, i);
        else
            pronoun(&all, i);
    }
    for (int i = 0; i < gold->tree->clause_count; i++)
        clause(&all, i);
    for (int i = 0; i < gold->out->decision_count; i++)
        decision(&all, &gold->out->decisions[i]);
    return !all.failed;
}

/* ---- features ---------------------------------------------------------------------------------------------------- */

static void count_np(const toy_tree *tree, const toy_np *np, int16_t *f)
{
    if (np->noun < 0)
        return;
    f[TOY_F_NOUNS]++;
    f[TOY_F_PRE_ADJECTIVES] += np->pre >= 0;
    f[TOY_F_POST_ADJECTIVES] += np->post >= 0;
    f[TOY_F_PREPOSITIONS] += np->mod == MOD_PP;
    f[TOY_F_SUBJECT_RELATIVES] += np->mod == MOD_SUBJECT_RC;
    f[TOY_F_OBJECT_RELATIVES] += np->mod == MOD_OBJECT_RC || np->mod == MOD_BARE_RC;
    f[TOY_F_BARE_RELATIVES] += np->mod == MOD_BARE_RC;
    f[TOY_F_HOMONYMS] += toy_nouns[np->noun].twin != 0;
    if (np->det != DET_OWNER)
        return;
    int depth = tree->np[np->owner].det == DET_OWNER ? 2 : 1;
    f[TOY_F_POSSESSORS]++;
    f[TOY_F_POSSESSOR_DEPTH] = (int16_t)(depth > f[TOY_F_POSSESSOR_DEPTH] ? depth : f[TOY_F_POSSESSOR_DEPTH]);
}

void toy_features(const toy_gold *gold)
{
    const toy_tree *tree = gold->tree;
    int16_t *f = gold->out->features;
    memset(f, 0, sizeof gold->out->features);
    for (int i = 0; i < tree->np_count; i++)
        count_np(tree, &tree->np[i], f);
    for (int i = 0; i < tree->clause_count; i++) {
        const toy_clause *c = &tree->clause[i];
        toy_span span;
        f[TOY_F_CLAUSES]++;
        f[TOY_F_NEGATIONS] += c->negation != NEG_NONE;
        f[TOY_F_CLITICS] += toy_np_is_clitic(tree, c->object) + toy_np_is_clitic(tree, c->recipient);
        f[TOY_F_COPULAS] += c->verb < 0;
        f[TOY_F_THAT_CLAUSES] += c->content >= 0;
        f[TOY_F_QUESTIONS] += c->question;
        f[TOY_F_AND] += c->next >= 0;
        if (toy_subject_span(tree, gold->english, i, &span) && span.by_number > f[TOY_F_ATTRACTORS])
            f[TOY_F_ATTRACTORS] = (int16_t)span.by_number;
    }
    f[TOY_F_BUT] = tree->but >= 0;
}

bool toy_render(const toy_tree *tree, toy_sentence *out)
{
    toy_places english;
    toy_french_places french;
    toy_gold gold = { tree, &english, &french, out };
    if (!toy_english(tree, out->english, &english) || !toy_french(tree, &english, out, &french))
        return false;
    out->english_count = (int16_t)english.count;
    out->pair_decision = -1;
    if (!toy_decisions(&gold) || !toy_arcs(&gold))
        return false;
    toy_features(&gold);
    return true;
}
