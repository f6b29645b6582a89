/* An English parser for the toy language, written apart from the generator: rules of its own, the same dictionary. It
 * counts the derivations of a line, senses, numbers and antecedents included, and gives the last one's tree. */
#ifndef TOY_PARSER_H
#define TOY_PARSER_H

#include "../examples/translate_toy/toy_tree.h"
#include "toy_cfg.h"

static const char *const parser_rules[] = {
    "S -> Cl .",
    "S -> Cl but Cl .",
    "S -> NP VP and VP2 .",
    "S -> NP VC that Cl .",
    "S -> Do NP VB ?",
    "S -> Do NP Vc that Cl ?",
    "Cl -> NP VP",
    "NP -> Pron",
    "NP -> Full",
    "NPo -> PronO",
    "NPo -> Full",
    "Full -> Det AN",
    "Full -> Det AN Mod",
    "Full -> Det AN Gen AN",
    "Full -> Det AN Gen AN Gen AN",
    "AN -> N",
    "AN -> Pre N",
    "AN -> Post N",
    "AN -> Pre Post N",
    "Mod -> Prep Full",
    "Mod -> that VP",
    "Mod -> that NP VG",
    "Mod -> NP VG",
    "VP -> VI",
    "VP -> VT NPo",
    "VP -> VD NPo to NPo",
    "VP -> Be A",
    "VP -> Be Not A",
    "VP2 -> Vt PronO",
    "VP2 -> Vd PronO to NPo",
    "VG -> VT",
    "VG -> VD to NPo",
    "VB -> Vi",
    "VB -> Vt NPo",
    "VB -> Vd NPo to NPo",
    "VI -> Vi",
    "VI -> never Vi",
    "VI -> Do not Vi",
    "VT -> Vt",
    "VT -> never Vt",
    "VT -> Do not Vt",
    "VD -> Vd",
    "VD -> never Vd",
    "VD -> Do not Vd",
    "VC -> Vc",
    "VC -> never Vc",
    "VC -> Do not Vc",
    NULL,
};

/* Marks of nodes. FORM is the subject a finite verb wants: 0 plural and first person, 1 third person, 2 "i" ("am"). */
enum { M_WAY, M_NOUN, M_PLURAL, M_DET, M_PRE, M_POST, M_PRONOUN, M_VERB, M_FORM, M_NEGATION, M_ADJECTIVE, M_OBJECT };

/* ---- words -------------------------------------------------------------------------------------------------------- */

/* The way-th (row, form) of a table whose word it is, as row * 2 + form; -1: no more. */
static int parser_noun(const char *word, int way)
{
    for (int i = 0; i < 2 * toy_noun_count; i++)
        if (!strcmp(word, toy_nouns[i / 2].english[i % 2]) && !way--)
            return i;
    return -1;
}

static int parser_verb(const char *word, toy_frame frame, int way)
{
    for (int i = 0; i < 2 * toy_verb_count; i++)
        if (toy_verbs[i / 2].frame == frame && !strcmp(word, toy_verbs[i / 2].english[i % 2]) && !way--)
            return i;
    return -1;
}

static int parser_adjective(const char *word, char category)
{
    for (int i = 0; i < toy_adjective_count; i++) {
        const toy_adjective *a = &toy_adjectives[i];
        bool fits = category == 'A' ? !a->attributive_only : a->before_noun == (category == 'B');
        if (fits && !strcmp(word, a->english))
            return i;
    }
    return -1;
}

static int parser_determiner(const char *word)
{
    for (int i = 0; i < DET_WORDS; i++)
        for (int plural = 0; plural < 2; plural++)
            if (toy_determiners[i].english[plural] && !strcmp(word, toy_determiners[i].english[plural]))
                return i;
    return !strcmp(word, "an") ? DET_A : -1;
}

static int parser_listed(const char *word, const char *const *list, int count)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(word, list[i]))
            return i;
    return -1;
}

static int parser_pronoun(const char *word, bool object)
{
    for (int i = 0; i < PRONOUNS; i++)
        if (!strcmp(word, object ? toy_pronouns[i].english_object : toy_pronouns[i].english))
            return i;
    return -1;
}

/* What a word is in a category, way by way; -1: nothing (more). */
static int parser_lookup(const char *category, const char *word, int way)
{
    static const char *const be[] = { "are", "is", "am" }, *const marks[] = { "'s", "'" },
                             *const nots[] = { "not", "never" }, *const dos[] = { "do", "does" };
    if (!strcmp(category, "N"))
        return parser_noun(word, way);
    if (category[0] == 'V')
        return parser_verb(word,
                           category[1] == 'i'   ? V_PLAIN
                           : category[1] == 't' ? V_OBJECT
                           : category[1] == 'd' ? V_GIVE
                                                : V_THAT,
                           way);
    if (way > 0)
        return -1;
    if (!strcmp(category, "Det"))
        return parser_determiner(word);
    if (!strcmp(category, "Pron") || !strcmp(category, "PronO"))
        return parser_pronoun(word, category[4] == 'O');
    if (!strcmp(category, "Pre") || !strcmp(category, "Post") || !strcmp(category, "A"))
        return parser_adjective(word, !strcmp(category, "Pre") ? 'B' : category[0]);
    if (!strcmp(category, "Prep"))
        return parser_listed(word, toy_prepositions, PREPOSITIONS);
    if (!strcmp(category, "Be"))
        return parser_listed(word, be, 3);
    if (!strcmp(category, "Gen"))
        return parser_listed(word, marks, 2);
    if (!strcmp(category, "Not"))
        return parser_listed(word, nots, 2);
    return !strcmp(category, "Do") ? parser_listed(word, dos, 2) : -1;
}

static int parser_readings(const char *category, const char *word)
{
    int ways = 0;
    while (parser_lookup(category, word, ways) >= 0)
        ways++;
    return ways;
}

/* ---- marks of a node from its children's -------------------------------------------------------------------------- */

static uint32_t parser_kind(const int16_t *m)
{
    return toy_nouns[m[M_NOUN]].kind;
}

/* Can this noun phrase be the argument? What "it" and a subject "they" are is asked later, with the antecedent. */
static bool parser_argument(const int16_t *np, uint32_t kinds)
{
    if (np[M_NOUN] >= 0)
        return parser_kind(np) & kinds;
    return np[M_PRONOUN] == PRON_IT || np[M_PRONOUN] == PRON_THEY || (kinds & K_PERSON);
}

static bool parser_agrees(const int16_t *np, const int16_t *vp)
{
    if (np[M_NOUN] >= 0)
        return vp[M_FORM] == !np[M_PLURAL];
    bool be = vp[M_VERB] < 0, speaker = np[M_PRONOUN] == PRON_I;
    return vp[M_FORM] == (speaker ? be ? 2 : 0 : toy_pronouns[np[M_PRONOUN]].plural ? 0 : 1);
}

static bool parser_subject(const int16_t *np, const int16_t *vp)
{
    uint32_t kinds = vp[M_VERB] >= 0 ? toy_verbs[vp[M_VERB]].subjects : toy_adjectives[vp[M_ADJECTIVE]].kinds;
    if (!parser_argument(np, kinds))
        return false;
    if (np[M_NOUN] >= 0 || toy_pronouns[np[M_PRONOUN]].person == 3)
        return true;
    bool reflexive = vp[M_OBJECT] >= 0 && toy_pronouns[vp[M_OBJECT]].person == 1;
    if (vp[M_VERB] >= 0)
        return !reflexive && toy_verbs[vp[M_VERB]].french[0];
    const toy_adjective *a = &toy_adjectives[vp[M_ADJECTIVE]];
    return !strcmp(a->french[0][0], a->french[1][0]); /* nobody knows the speaker's gender */
}

static bool parser_mark_an(const cfg *g, const cfg_node *node, int16_t *m)
{
    for (int i = 0; i < node->count; i++) {
        const int16_t *child = cfg_marks(g, node->children[i]);
        const char *name = cfg_name(g, node->children[i]);
        int value = child[M_WAY];
        if (!strcmp(name, "N")) {
            m[M_NOUN] = (int16_t)(value / 2);
            m[M_PLURAL] = (int16_t)(value % 2);
        } else {
            m[name[1] == 'r' ? M_PRE : M_POST] = (int16_t)value;
        }
    }
    return (m[M_PRE] < 0 || (toy_adjectives[m[M_PRE]].kinds & parser_kind(m))) &&
           (m[M_POST] < 0 || (toy_adjectives[m[M_POST]].kinds & parser_kind(m)));
}

static bool parser_modifier(const cfg *g, const cfg_node *mod, const int16_t *head)
{
    const int16_t *first = cfg_marks(g, mod->children[0]), *last = cfg_marks(g, mod->children[mod->count - 1]);
    if (!strcmp(cfg_name(g, mod->children[0]), "Prep")) {
        for (int i = 0; i < toy_prep_rule_count; i++)
            if (toy_prep_rules[i].preposition == first[M_WAY] && (toy_prep_rules[i].heads & parser_kind(head)) &&
                (toy_prep_rules[i].complements & parser_kind(last)))
                return true;
        return false;
    }
    if (!strcmp(cfg_name(g, mod->children[mod->count - 1]), "VP"))
        return parser_agrees(head, last) && parser_subject(head, last);
    return parser_argument(head, toy_verbs[last[M_VERB]].objects);
}

static bool parser_owner(const cfg *g, int owner, int gen, int owned)
{
    const int16_t *o = cfg_marks(g, owner), *p = cfg_marks(g, owned);
    const char *word = toy_nouns[o[M_NOUN]].english[o[M_PLURAL]];
    bool bare = word[strlen(word) - 1] == 's';
    return cfg_marks(g, gen)[M_WAY] == bare && (parser_kind(o) & K_OWNER) && (parser_kind(p) & K_OWNED);
}

static bool parser_mark_full(const cfg *g, const cfg_node *node, int from, int16_t *m)
{
    int det = cfg_marks(g, node->children[0])[M_WAY];
    const int16_t *first = cfg_marks(g, node->children[1]);
    const char *next = g->words[from + 1];
    bool an = g->words[from][0] == 'a' && g->words[from][1] == 'n';
    if (!toy_determiners[det].english[first[M_PLURAL]] || (det >= DET_MY && !(parser_kind(first) & K_OWNED)) ||
        (det == DET_A && an != (strchr("aeiou", next[0]) != NULL)) ||
        (det != DET_A && strcmp(toy_determiners[det].english[first[M_PLURAL]], g->words[from])))
        return false;
    for (int i = 3; i < node->count; i += 2)
        if (!parser_owner(g, node->children[i - 2], node->children[i - 1], node->children[i]))
            return false;
    int head = node->children[node->count == 3 ? 1 : node->count - 1];
    memcpy(m, cfg_marks(g, head), CFG_MARKS * sizeof *m);
    m[M_DET] = (int16_t)det;
    return node->count != 3 || parser_modifier(g, &g->nodes[node->children[2]], first);
}

/* "sleeps", "never sleeps", "does not sleep", "sleep" in a question */
static bool parser_mark_verb(const cfg *g, const cfg_node *node, int16_t *m)
{
    int verb = cfg_marks(g, node->children[node->count - 1])[M_WAY];
    m[M_VERB] = (int16_t)(verb / 2);
    m[M_FORM] = (int16_t)(verb % 2);
    m[M_NEGATION] = node->count == 1 ? NEG_NONE : node->count == 2 ? NEG_NEVER : NEG_NOT;
    if (node->count < 3)
        return true;
    m[M_FORM] = cfg_marks(g, node->children[0])[M_WAY];
    return verb % 2 == 0;
}

static bool parser_mark_vp(const cfg *g, const cfg_node *node, int16_t *m)
{
    const char *name = cfg_name(g, node->children[0]);
    const int16_t *first = cfg_marks(g, node->children[0]);
    bool gap = g->symbols[node->symbol][1] == 'G';
    if (!strcmp(name, "Be")) {
        m[M_FORM] = first[M_WAY];
        m[M_NEGATION] = (int16_t)(node->count == 2 ? NEG_NONE : cfg_marks(g, node->children[1])[M_WAY] + 1);
        m[M_ADJECTIVE] = cfg_marks(g, node->children[node->count - 1])[M_WAY];
        return true;
    }
    bool leaf = g->nodes[node->children[0]].rule < 0;
    m[M_VERB] = (int16_t)(leaf ? first[M_WAY] / 2 : first[M_VERB]);
    m[M_FORM] = (int16_t)(leaf ? first[M_WAY] % 2 : first[M_FORM]);
    m[M_NEGATION] = (int16_t)(leaf ? NEG_NONE : first[M_NEGATION]);
    const toy_verb *v = &toy_verbs[m[M_VERB]];
    const int16_t *object = !gap && node->count > 1 ? cfg_marks(g, node->children[1]) : NULL;
    const int16_t *recipient = v->frame == V_GIVE ? cfg_marks(g, node->children[node->count - 1]) : NULL;
    if (object && object[M_NOUN] < 0)
        m[M_OBJECT] = object[M_PRONOUN];
    else if (recipient && recipient[M_NOUN] < 0)
        m[M_OBJECT] = recipient[M_PRONOUN];
    bool two_clitics = object && recipient && object[M_NOUN] < 0 && recipient[M_NOUN] < 0;
    return !two_clitics && (!object || parser_argument(object, v->objects)) &&
           (!recipient || (parser_argument(recipient, K_HUMAN) && recipient[M_PRONOUN] != PRON_IT));
}

static bool parser_build(cfg *g, int index, int from)
{
    cfg_node *node = &g->nodes[index];
    int16_t *m = node->marks;
    const char *name = g->symbols[node->symbol];
    int way = m[M_WAY];
    for (int i = 0; i < CFG_MARKS; i++)
        m[i] = -1;
    if (node->rule < 0) {
        m[M_WAY] = (int16_t)(isupper((unsigned char)name[0]) ? parser_lookup(name, g->words[from], way) : 0);
        if (!strncmp(name, "Pron", 4))
            m[M_PRONOUN] = m[M_WAY];
        return true;
    }
    const int16_t *a = cfg_marks(g, node->children[0]);
    const int16_t *b = node->count > 1 ? cfg_marks(g, node->children[1]) : NULL;
    if (!strcmp(name, "NP") || !strcmp(name, "NPo")) {
        memcpy(m, a, sizeof node->marks);
        return true;
    }
    if (!strcmp(name, "AN"))
        return parser_mark_an(g, node, m);
    if (!strcmp(name, "Full"))
        return parser_mark_full(g, node, from, m);
    if (!strcmp(name, "VI") || !strcmp(name, "VT") || !strcmp(name, "VD") || !strcmp(name, "VC"))
        return parser_mark_verb(g, node, m);
    if (name[0] == 'V')
        return parser_mark_vp(g, node, m) && (name[1] != 'B' || m[M_FORM] == 0);
    if (!strcmp(name, "Cl"))
        return parser_agrees(a, b) && parser_subject(a, b);
    if (!strcmp(name, "Mod")) { /* [that] NP VG */
        const int16_t *vg = cfg_marks(g, node->children[node->count - 1]), *np = node->count == 3 ? b : a;
        return strcmp(cfg_name(g, node->children[node->count - 1]), "VG") ||
               (parser_agrees(np, vg) && parser_subject(np, vg));
    }
    if (node->count == 5 && !strcmp(cfg_name(g, node->children[2]), "and")) {
        const int16_t *second = cfg_marks(g, node->children[3]);
        return parser_agrees(a, b) && parser_subject(a, b) && parser_agrees(a, second) && parser_subject(a, second);
    }
    if (node->count == 5 && !strcmp(cfg_name(g, node->children[1]), "VC"))
        return parser_agrees(a, b) && parser_subject(a, b);
    if (a[M_WAY] >= 0 && !strcmp(cfg_name(g, node->children[0]), "Do")) {
        int16_t finite[CFG_MARKS];
        memcpy(finite, cfg_marks(g, node->children[2]), sizeof finite);
        if (node->count == 6) { /* Vc that Cl */
            if (finite[M_WAY] % 2)
                return false;
            finite[M_VERB] = (int16_t)(finite[M_WAY] / 2);
        }
        finite[M_FORM] = a[M_WAY];
        return parser_agrees(b, finite) && parser_subject(b, finite);
    }
    return true;
}

static cfg *parser_new(void)
{
    return cfg_new(parser_rules, parser_readings, parser_build);
}

/* ---- trees -------------------------------------------------------------------------------------------------------- */

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

/* ---- antecedents -------------------------------------------------------------------------------------------------- */

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
