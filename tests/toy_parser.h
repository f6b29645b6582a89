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

/* ---- words ------------------------------------------------------------------------------------------------------- */

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

/* ---- marks of a node from its children's ------------------------------------------------------------------------- */

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

#include "toy_parser_trees.h"

#endif
