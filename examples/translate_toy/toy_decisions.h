/* Between toy_decisions.c and toy_decisions_clause.c. */
#ifndef TOY_DECISIONS_H
#define TOY_DECISIONS_H

#include "toy_tree.h"

typedef struct {
    const toy_gold *gold;
    bool failed; /* too many, or one that nothing in the English decides */
} decisions;

toy_decision decision_start(toy_phenomenon phenomenon, int position, const char *variant);
void decision_compete(const decisions *all, toy_decision *d,
                      const char *form); /* unless it is the gold; NULL: nothing */
void decision_compete_adjective(const decisions *all, toy_decision *d, int adjective, bool feminine, bool plural);
void decision_source(toy_decision *d, int english); /* -1: nothing */
void decision_target(toy_decision *d, int french);
void decision_keep(decisions *all, const toy_decision *d); /* if it has a competitor */

void decisions_clause(decisions *all, int index);

#endif
