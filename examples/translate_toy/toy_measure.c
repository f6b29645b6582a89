/* Measures of a tree that decide which split it may be in: attractors, structures, pairs of words held out.
 *
 * What is held out depends on the words alone, by hash, so that it is the same for every seed. */
#include "toy_tree.h"

#include <string.h>

uint64_t toy_hash_word(uint64_t hash, const char *word)
{
    hash = hash ? hash : UINT64_C(0xcbf29ce484222325);
    do
        hash = (hash ^ (unsigned char)*word) * UINT64_C(0x100000001b3);
    while (*word++);
    return hash;
}

/* ---- agreement --------------------------------------------------------------------------------------------------- */

int toy_finite_place(const toy_tree *tree, const toy_places *places, int clause)
{
    const toy_clause_place *place = &places->clause[clause];
    return place->aux >= 0 && !tree->clause[clause].question ? place->aux : place->verb;
}

bool toy_subject_span(const toy_tree *tree, const toy_places *places, int clause, toy_span *out)
{
    int head = tree->clause[clause].subject;
    const toy_np *subject = &tree->np[head];
    if (subject->noun < 0)
        return false;
    int from = places->np[head].noun, to = toy_finite_place(tree, places, clause);
    *out = (toy_span){ .distance = to - from };
    for (int i = 0; i < tree->np_count; i++) {
        const toy_np *np = &tree->np[i];
        if (np->noun < 0 || places->np[i].noun <= from || places->np[i].noun >= to)
            continue;
        out->nouns++;
        out->by_number += np->plural != subject->plural;
        out->by_gender += toy_nouns[np->noun].feminine != toy_nouns[subject->noun].feminine;
    }
    return true;
}

int toy_structures(const toy_tree *tree, const toy_places *places)
{
    int found = 0;
    for (int i = 0; i < tree->clause_count; i++) {
        const toy_clause *c = &tree->clause[i];
        toy_span span;
        if (c->gap == GAP_OBJECT && c->negation != NEG_NONE && toy_np_is_clitic(tree, c->recipient))
            found |= STRUCT_RELATIVE;
        if (c->question && c->content >= 0)
            found |= STRUCT_QUESTION;
        if (c->verb < 0 && toy_subject_span(tree, places, i, &span) && span.by_number >= 2)
            found |= STRUCT_ATTRACTORS;
    }
    for (int i = 0; i < tree->np_count; i++)
        if (tree->np[i].noun >= 0 && tree->np[i].det == DET_OWNER && tree->np[tree->np[i].owner].det == DET_OWNER)
            found |= STRUCT_OWNERS;
    return found;
}

/* ---- pairs of words ---------------------------------------------------------------------------------------------- */

/* Homonyms are left out: their pairs are held out as cues. */
int toy_held_out_pairs(const toy_tree *tree)
{
    static const char *const names[] = {
        [REL_ADJECTIVE] = "adjective", [REL_SUBJECT] = "subject", [REL_OBJECT] = "object"
    };
    toy_relation relations[TREE_RELATIONS];
    int count = toy_relations(tree, relations), held = 0;
    for (int i = 0; i < count; i++) {
        const toy_relation *r = &relations[i];
        const toy_noun *noun = &toy_nouns[tree->np[r->np].noun];
        if (r->kind > REL_OBJECT || !r->direct || noun->twin)
            continue;
        const char *partner =
            r->kind == REL_ADJECTIVE ? toy_adjectives[r->partner].english : toy_verbs[r->partner].english[0];
        uint64_t hash = toy_hash_word(toy_hash_word(toy_hash_word(0, names[r->kind]), noun->french[0]), partner);
        held += toy_mix(hash) % 10 == 0;
    }
    return held;
}

static bool cue_held_out(const char *sense, const char *word)
{
    for (int i = 0; i < toy_held_cue_count; i++)
        for (int k = 0; k < 4 && toy_held_cues[i].cues[k]; k++)
            if (!strcmp(toy_held_cues[i].sense, sense) && !strcmp(toy_held_cues[i].cues[k], word))
                return true;
    return false;
}

/* The cue that a relation of the homonym is: its kind, its word and where it stands. An antecedent is none. */
static toy_cue_word cue_of(const toy_tree *tree, const toy_places *places, const toy_relation *r, int np)
{
    const toy_np_place *place = &places->np[r->np];
    toy_cue_word cue = { TOY_NO_CUE, -1, false };
    const char *word = "";
    if (r->kind == REL_ADJECTIVE) {
        cue.kind = TOY_CUE_ADJECTIVE;
        cue.position = r->clause >= 0                      ? places->clause[r->clause].predicate
                       : tree->np[r->np].pre == r->partner ? place->pre
                                                           : place->post;
        word = toy_adjectives[r->partner].english;
    } else if (r->kind == REL_SUBJECT || r->kind == REL_OBJECT) {
        cue.kind = r->kind == REL_SUBJECT ? TOY_CUE_SUBJECT : TOY_CUE_VERB;
        cue.position = places->clause[r->clause].verb;
        word = toy_verbs[r->partner].english[0];
    } else if (r->kind == REL_PREPOSITION) {
        bool head = r->np == np;
        cue.kind = TOY_CUE_PREPOSITION;
        cue.position = head ? places->np[r->other].noun : place->preposition;
        word = head ? toy_nouns[tree->np[r->other].noun].english[0] : toy_prepositions[r->partner];
    } else if (r->kind == REL_OWNER) {
        cue.kind = TOY_CUE_OWNER;
        cue.position = r->other >= 0 ? place->genitive : place->det;
        word = r->other >= 0 ? "'s" : toy_determiners[r->partner].english[0];
    }
    cue.held_out = cue_held_out(toy_nouns[tree->np[np].noun].french[0], word);
    return cue;
}

int toy_cues(const toy_tree *tree, const toy_places *places, int np, toy_cue_word *out)
{
    toy_relation relations[TREE_RELATIONS];
    toy_tree flipped = *tree;
    flipped.np[np].noun += toy_nouns[tree->np[np].noun].twin;
    int count = toy_relations(&flipped, relations), cues = 0;
    for (int i = 0; i < count && cues < TREE_CUES; i++) {
        if (relations[i].licensed || (relations[i].np != np && relations[i].other != np))
            continue;
        toy_cue_word cue = cue_of(tree, places, &relations[i], np);
        if (cue.kind != TOY_NO_CUE)
            out[cues++] = cue;
    }
    return cues;
}
