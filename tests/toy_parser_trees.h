/* The English parser's second half: from nodes to trees, and the antecedents. Included by toy_parser.h. */
#ifndef TOY_PARSER_TREES_H
#define TOY_PARSER_TREES_H

/* ---- trees ------------------------------------------------------------------------------------------------------- */

typedef struct {
    const cfg *g;
    toy_tree *tree;
    int starts[TREE_NPS]; /* first word of each noun phrase */
    int at;
} parser_walk;

static int parser_clause(parser_walk *w, int subject, int vp, toy_gap gap, int head);
static int parser_np(parser_walk *w, int node, int from);

static int parser_from(const cfg *g, const cfg_node *node, int child, int from)
{
    for (int i = 0; i < child; i++)
        from = g->nodes[node->children[i]].to;
    return from;
}

static int parser_new_np(parser_walk *w, const int16_t *m, int from)
{
    int index = w->tree->np_count++;
    w->starts[index] = from;
    w->tree->np[index] = (toy_np){ .noun = m[M_NOUN],
                                   .pronoun = m[M_NOUN] < 0 ? m[M_PRONOUN] : -1,
                                   .antecedent = -1,
                                   .plural = m[M_NOUN] < 0 ? toy_pronouns[m[M_PRONOUN]].plural : m[M_PLURAL],
                                   .det = m[M_DET],
                                   .pre = m[M_PRE],
                                   .post = m[M_POST],
                                   .owner = -1,
                                   .preposition = -1,
                                   .inner = -1,
                                   .clause = -1 };
    return index;
}

static void parser_walk_modifier(parser_walk *w, int index, int node, int from)
{
    const cfg_node *mod = &w->g->nodes[node];
    toy_np *np = &w->tree->np[index];
    int last = mod->children[mod->count - 1], inner = parser_from(w->g, mod, mod->count - 1, from);
    if (!strcmp(cfg_name(w->g, mod->children[0]), "Prep")) {
        np->mod = MOD_PP;
        np->preposition = cfg_marks(w->g, mod->children[0])[M_WAY];
        np->inner = parser_np(w, last, inner);
    } else if (!strcmp(cfg_name(w->g, last), "VP")) {
        np->mod = MOD_SUBJECT_RC;
        w->at = inner;
        np->clause = parser_clause(w, index, last, GAP_SUBJECT, index);
    } else {
        np->mod = mod->count == 3 ? MOD_OBJECT_RC : MOD_BARE_RC;
        int subject = parser_np(w, mod->children[mod->count - 2], parser_from(w->g, mod, mod->count - 2, from));
        w->at = inner;
        np->clause = parser_clause(w, subject, last, GAP_OBJECT, index);
    }
}

static int parser_np(parser_walk *w, int node, int from)
{
    const cfg_node *n = &w->g->nodes[node];
    if (n->rule < 0)
        return parser_new_np(w, n->marks, from);
    if (n->count == 1)
        return parser_np(w, n->children[0], from);
    int16_t marks[CFG_MARKS];
    memcpy(marks, cfg_marks(w->g, n->children[1]), sizeof marks);
    marks[M_DET] = cfg_marks(w->g, n->children[0])[M_WAY];
    int index = parser_new_np(w, marks, from);
    for (int i = 3; i < n->count; i += 2) {
        int owned = parser_new_np(w, cfg_marks(w->g, n->children[i]), parser_from(w->g, n, i, from));
        w->tree->np[owned].det = DET_OWNER;
        w->tree->np[owned].owner = index;
        index = owned;
    }
    if (n->count == 3)
        parser_walk_modifier(w, index, n->children[2], parser_from(w->g, n, 2, from));
    return index;
}

/* The verb phrase starts at w->at. */
static int parser_clause(parser_walk *w, int subject, int vp, toy_gap gap, int head)
{
    const cfg_node *n = &w->g->nodes[vp];
    const int16_t *m = n->marks;
    int index = w->tree->clause_count++, from = w->at;
    toy_clause *c = &w->tree->clause[index];
    *c = (toy_clause){ .subject = subject,
                       .gap = gap,
                       .head = gap ? head : -1,
                       .verb = m[M_VERB],
                       .predicate = m[M_ADJECTIVE],
                       .negation = (toy_negation)m[M_NEGATION],
                       .object = gap == GAP_OBJECT ? head : -1,
                       .recipient = -1,
                       .content = -1,
                       .next = -1 };
    if (m[M_VERB] < 0)
        return index;
    bool give = toy_verbs[m[M_VERB]].frame == V_GIVE;
    if (gap != GAP_OBJECT && n->count > 1)
        c->object = parser_np(w, n->children[1], parser_from(w->g, n, 1, from));
    if (give)
        c->recipient = parser_np(w, n->children[n->count - 1], parser_from(w->g, n, n->count - 1, from));
    return index;
}

static int parser_walk_cl(parser_walk *w, int node, int from)
{
    const cfg_node *cl = &w->g->nodes[node];
    int subject = parser_np(w, cl->children[0], from);
    w->at = parser_from(w->g, cl, 1, from);
    return parser_clause(w, subject, cl->children[1], GAP_NONE, -1);
}

static void parser_walk_that(parser_walk *w, const cfg_node *s, bool question)
{
    toy_tree *tree = w->tree;
    int verb = s->children[question ? 2 : 1], subject = question ? 1 : 0;
    const int16_t *m = cfg_marks(w->g, verb);
    tree->root = tree->clause_count++;
    int subject_np = parser_np(w, s->children[subject], parser_from(w->g, s, subject, 0));
    int content = parser_walk_cl(w, s->children[s->count - 2], parser_from(w->g, s, s->count - 2, 0));
    tree->clause[tree->root] = (toy_clause){ .subject = subject_np,
                                             .head = -1,
                                             .verb = question ? m[M_WAY] / 2 : m[M_VERB],
                                             .predicate = -1,
                                             .negation = question ? NEG_NONE : (toy_negation)m[M_NEGATION],
                                             .object = -1,
                                             .recipient = -1,
                                             .content = content,
                                             .next = -1,
                                             .question = question };
    tree->kind = question ? TREE_QUESTION : TREE_THAT;
}

static void parser_walk_s(parser_walk *w, int node)
{
    const cfg_node *s = &w->g->nodes[node];
    toy_tree *tree = w->tree;
    tree->np_count = tree->clause_count = 0;
    tree->kind = TREE_SIMPLE;
    tree->but = -1;
    bool question = !strcmp(cfg_name(w->g, s->children[0]), "Do");
    if (question ? s->count == 6 : s->count == 5 && !strcmp(cfg_name(w->g, s->children[1]), "VC")) {
        parser_walk_that(w, s, question);
    } else if (question) {
        int subject = parser_np(w, s->children[1], 1);
        w->at = parser_from(w->g, s, 2, 0);
        tree->root = parser_clause(w, subject, s->children[2], GAP_NONE, -1);
        tree->clause[tree->root].question = true;
        tree->clause[tree->root].negation = NEG_NONE;
        tree->kind = TREE_QUESTION;
    } else if (s->count == 5) { /* and */
        int subject = parser_np(w, s->children[0], 0);
        w->at = parser_from(w->g, s, 1, 0);
        tree->root = parser_clause(w, subject, s->children[1], GAP_NONE, -1);
        w->at = parser_from(w->g, s, 3, 0);
        int next = parser_clause(w, subject, s->children[3], GAP_NONE, -1);
        tree->clause[tree->root].next = next;
        tree->kind = TREE_AND;
    } else {
        tree->root = parser_walk_cl(w, s->children[0], 0);
        if (s->count == 4) {
            tree->but = parser_walk_cl(w, s->children[2], parser_from(w->g, s, 2, 0));
            tree->kind = TREE_BUT;
        }
    }
}

/* ---- antecedents ------------------------------------------------------------------------------------------------- */

/* Could this pronoun, subject or object of the clause, stand for this noun phrase? */
static bool parser_stands_for(const parser_walk *w, int pronoun, int noun, const toy_clause *c)
{
    const toy_np *p = &w->tree->np[pronoun], *n = &w->tree->np[noun];
    uint32_t kind = n->noun < 0 ? 0 : toy_nouns[n->noun].kind;
    bool subject = c->subject == pronoun;
    uint32_t wanted = !subject       ? toy_verbs[c->verb].objects
                      : c->verb >= 0 ? toy_verbs[c->verb].subjects
                                     : toy_adjectives[c->predicate].kinds;
    return (kind & wanted) && w->starts[noun] < w->starts[pronoun] && n->plural == (p->pronoun == PRON_THEY) &&
           (n->plural || !(kind & K_HUMAN)) && (subject || c->subject != noun);
}

/* The product of the candidates of every anaphor; sets them. */
static int parser_antecedents(parser_walk *w)
{
    int ways = 1;
    for (int k = 0; k < w->tree->clause_count; k++) {
        const toy_clause *c = &w->tree->clause[k];
        int arguments[2] = { c->gap == GAP_NONE || c->gap == GAP_OBJECT ? c->subject : -1,
                             c->gap == GAP_OBJECT ? -1 : c->object };
        for (int i = 0; i < 2; i++) {
            toy_np *np = arguments[i] >= 0 ? &w->tree->np[arguments[i]] : NULL;
            bool anaphor = np && np->noun < 0 && (np->pronoun == PRON_IT || (np->pronoun == PRON_THEY && i == 0));
            int candidates = 0;
            for (int n = 0; anaphor && n < w->tree->np_count; n++)
                if (parser_stands_for(w, arguments[i], n, c)) {
                    candidates++;
                    np->antecedent = n;
                }
            ways *= anaphor ? candidates : 1;
        }
    }
    return ways;
}

/* How many derivations the English has; tree (may be NULL) gets one. -1: the parser ran out of room. */
static int parser_count(cfg *g, const char *const *words, int count, toy_tree *tree)
{
    toy_tree scratch;
    int found = -1, total = 0;
    if (cfg_parse(g, words, count, &found) < 0)
        return -1;
    for (int node = g->first[g->left[0]][0]; node >= 0; node = g->nodes[node].next) {
        if (g->nodes[node].to != count)
            continue;
        parser_walk w = { .g = g, .tree = &scratch };
        parser_walk_s(&w, node);
        int ways = parser_antecedents(&w);
        if (ways && tree)
            *tree = scratch;
        total += ways;
    }
    return total;
}

#endif
