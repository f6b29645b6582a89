/* Between toy_grammar.c (clauses, sentences) and toy_grammar_np.c (noun phrases, pronouns). */
#ifndef TOY_GRAMMAR_H
#define TOY_GRAMMAR_H

#include "toy_tree.h"

enum { WORDS = 80 }; /* more than any table of the lexicon has */

/* What a position asks of its noun phrase. */
typedef struct {
    uint32_t kinds;
    int depth;
    bool no_some;       /* after "de": de + des is unlike the rest */
    bool no_indefinite; /* object under negation: French would say "pas de" */
    bool no_modifier;
} grammar_slot;

typedef struct {
    toy_tree *tree;
    toy_dice *dice;
    const toy_style *style;
    int room;      /* English tokens that may still be added to the shortest completion */
    uint32_t them; /* kinds that a free "them" can be */
    bool noun_used[WORDS], adjective_used[WORDS], verb_used[WORDS];
} drawing;

bool grammar_chance(drawing *d, int percent, int cost); /* no chance without room for the cost; pays it */
int grammar_weight(const drawing *d, int rank);

/* SPEAKER: after "i am", where English hides the gender. */
typedef enum { BEFORE_NOUN, AFTER_NOUN, PREDICATE, SPEAKER } adjective_use;

int grammar_adjective(drawing *d, uint32_t kind, adjective_use use);

/* All give an index, or -1 if it is impossible. */
int grammar_np(drawing *d, grammar_slot s);      /* determiner and noun are paid */
int grammar_subject(drawing *d, grammar_slot s); /* one token is paid */
int grammar_object_pronoun(drawing *d, const toy_clause *clause);
int grammar_subject_anaphor(drawing *d, int nps);
int grammar_object_anaphor(drawing *d, const toy_clause *clause, int nps);
int grammar_clause(drawing *d, toy_clause clause, int depth); /* one token of the subject and the verb are paid */

bool grammar_first_person(const drawing *d, const toy_clause *clause);
uint32_t grammar_kinds(const drawing *d, int np);

#endif
