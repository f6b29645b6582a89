/* A checker of the toy language's French, written apart from the generator: it reads nothing but the French tokens and
 * the dictionary, with rules of its own: agreement, elision, contraction, the order of clitics, ne with pas, which verb
 * takes what. A line is right if it has at least one derivation. */
#ifndef TOY_CHECKER_H
#define TOY_CHECKER_H

#include "../examples/translate_toy/toy_lexicon.h"
#include "toy_cfg.h"

static const char *const checker_rules[] = {
    "S -> Cl .",
    "S -> Cl mais Cl .",
    "S -> NP VP et VP2 .",
    "S -> NP GC Que Cl .",
    "S -> est-ce Que Cl ?",
    "S -> est-ce Que NP GC Que Cl ?",
    "Cl -> NP VP",
    "NP -> Pron",
    "NP -> Full",
    "Full -> Det NB",
    "Full -> Det NB Comp",
    "NB -> N",
    "NB -> Pre N",
    "NB -> N AP",
    "NB -> Pre N AP",
    "AP -> Post",
    "AP -> en bois",
    "Comp -> DeP",
    "Comp -> près DeP",
    "Comp -> dans Full",
    "Comp -> qui VP",
    "Comp -> Que NP VG",
    "DeP -> De Full",
    "DeP -> Du NB",
    "DeP -> Du NB Comp",
    "ToP -> à Full",
    "ToP -> Au NB",
    "ToP -> Au NB Comp",
    "VP -> GI",
    "VP -> GT Full",
    "VP -> GTC",
    "VP -> GD Full ToP",
    "VP -> GDI Full",
    "VP -> GDC ToP",
    "VP -> GE A",
    "VP -> GE en bois",
    "VP2 -> ClD Vt",
    "VP2 -> ClD Vd ToP",
    "VG -> GT",
    "VG -> GD ToP",
    "VG -> GDI",
    "GI -> Vi",
    "GI -> Ne Vi Pas",
    "GT -> Vt",
    "GT -> Ne Vt Pas",
    "GTC -> ClD Vt",
    "GTC -> Ne ClD Vt Pas",
    "GD -> Vd",
    "GD -> Ne Vd Pas",
    "GDI -> ClI Vd",
    "GDI -> Ne ClI Vd Pas",
    "GDC -> ClD Vd",
    "GDC -> Ne ClD Vd Pas",
    "GC -> Vc",
    "GC -> Ne Vc Pas",
    "GE -> Etre",
    "GE -> Ne Etre Pas",
    NULL,
};

/* Marks: a word's reading; gender and number of nominal things, -1: any; person (je il nous ils) of subjects and verbs;
 * whether a bare noun phrase begins with an adjective; the row of a determiner; a relative clause for the head. */
enum { C_WAY, C_FEMININE, C_PLURAL, C_PERSON, C_ADJECTIVE, C_DET, C_CLITIC, C_RELATIVE };

/* ---- words ------------------------------------------------------------------------------------------------------- */

static bool checker_vowel(const char *word)
{
    static const char *const letters[] = { "a", "e", "i", "o", "u", "h", "é", "œ", "ê" };
    for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++)
        if (!strncmp(word, letters[i], strlen(letters[i])))
            return true;
    return false;
}

/* Readings are numbered through the tables; checker_find gives the way-th that is this word. */
static int checker_find(const char *word, int count, const char *(*form)(int), int way)
{
    for (int i = 0; i < count; i++) {
        const char *candidate = form(i);
        if (candidate && !strcmp(candidate, word) && !way--)
            return i;
    }
    return -1;
}

static const char *checker_noun(int i)
{
    return toy_nouns[i / 2].french[i % 2];
}

/* Four forms and the one before vowels. */
static const char *checker_adjective(int i)
{
    const toy_adjective *a = &toy_adjectives[i / 5];
    return i % 5 < 4 ? a->french[i % 5 / 2][i % 5 % 2] : a->before_vowel;
}

static const char *checker_determiner(int i)
{
    const toy_determiner *d = &toy_determiners[i / 6];
    return i % 6 < 4 ? d->french[i % 6 / 2][i % 2] : d->before_vowel[i % 6 - 4];
}

static const char *checker_verb(int i)
{
    return toy_verbs[i / 4].french[i % 4];
}

static const char *checker_etre(int i)
{
    return toy_etre[i];
}

static const char *checker_subject(int i)
{
    static const char *const words[] = { "je", "j'", "il", "elle", "nous", "ils", "elles" };
    return words[i];
}

static const char *checker_direct(int i)
{
    static const char *const words[] = { "le", "la", "l'", "les", "me", "m'", "nous" };
    return words[i];
}

static const char *checker_indirect(int i)
{
    static const char *const words[] = { "lui", "leur", "me", "m'", "nous" };
    return words[i];
}

static const char *checker_small(int i)
{
    static const char *const words[] = {
        "ne", "n'", "que", "qu'", "de", "d'", "pas", "jamais", "du", "des", "au", "aux"
    };
    return words[i];
}

static int checker_lookup(const char *category, const char *word, int way)
{
    static const struct {
        const char *category;
        int first, count;
    } small[] = { { "Ne", 0, 2 }, { "Que", 2, 2 }, { "De", 4, 2 }, { "Pas", 6, 2 }, { "Du", 8, 2 }, { "Au", 10, 2 } };
    if (!strcmp(category, "N"))
        return checker_find(word, 2 * toy_noun_count, checker_noun, way);
    if (!strcmp(category, "Pre") || !strcmp(category, "Post") || !strcmp(category, "A"))
        return strcmp(word, "en") ? checker_find(word, 5 * toy_adjective_count, checker_adjective, way) : -1;
    if (!strcmp(category, "Det")) /* "de" is "des" before an adjective */
        return strcmp(word, "de") ? checker_find(word, 6 * DET_WORDS, checker_determiner, way)
                                  : checker_find("des", 6 * DET_WORDS, checker_determiner, way);
    if (!strcmp(category, "Etre"))
        return checker_find(word, 4, checker_etre, way);
    if (category[0] == 'V')
        return checker_find(word, 4 * toy_verb_count, checker_verb, way);
    if (!strcmp(category, "Pron"))
        return checker_find(word, 7, checker_subject, way);
    if (!strcmp(category, "ClD"))
        return checker_find(word, 7, checker_direct, way);
    if (!strcmp(category, "ClI"))
        return checker_find(word, 5, checker_indirect, way);
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++)
        if (!strcmp(category, small[i].category)) {
            int found = checker_find(word, 12, checker_small, way);
            return found >= small[i].first && found < small[i].first + small[i].count ? found : -1;
        }
    return -1;
}

static int checker_readings(const char *category, const char *word)
{
    int ways = 0;
    while (checker_lookup(category, word, ways) >= 0)
        ways++;
    return ways;
}

/* An elided form stands before a vowel, the full form does not. */
static bool checker_elision(const char *word, const char *next)
{
    static const char *const full[] = { "le", "la", "ne", "que", "de", "me", "je" };
    size_t length = strlen(word);
    if (word[length - 1] == '\'')
        return next && checker_vowel(next);
    for (size_t i = 0; i < sizeof full / sizeof full[0]; i++)
        if (!strcmp(word, full[i]))
            return !next || !checker_vowel(next);
    return true;
}

static bool checker_word(const cfg *g, const char *name, int16_t *m, int from)
{
    const char *word = g->words[from], *next = from + 1 < g->word_count ? g->words[from + 1] : NULL;
    int way = m[C_WAY];
    if (!checker_elision(word, next))
        return false;
    if (!strcmp(name, "N")) {
        m[C_FEMININE] = toy_nouns[way / 2].feminine;
        m[C_PLURAL] = (int16_t)(way % 2);
    } else if (!strcmp(name, "Pre") || !strcmp(name, "Post") || !strcmp(name, "A")) {
        const toy_adjective *a = &toy_adjectives[way / 5];
        bool special = way % 5 == 4, changes = a->before_vowel && (special || way % 5 == 0);
        m[C_FEMININE] = (int16_t)(special ? 0 : way % 5 / 2);
        m[C_PLURAL] = (int16_t)(special ? 0 : way % 5 % 2);
        if (name[0] == 'A')
            return !special && !a->attributive_only;
        return a->before_noun == (name[1] == 'r') && (!changes || special == (next && checker_vowel(next)));
    } else if (!strcmp(name, "Det")) {
        int form = way % 6;
        bool vowel = next && checker_vowel(next),
             has_special = toy_determiners[way / 6].before_vowel[form > 3 ? form - 4 : form / 2];
        m[C_DET] = (int16_t)(way / 6);
        m[C_FEMININE] = (int16_t)(form > 3 ? form - 4 : form / 2);
        m[C_PLURAL] = (int16_t)(form > 3 ? 0 : form % 2);
        return m[C_PLURAL] || !has_special || (form > 3) == vowel;
    } else if (!strcmp(name, "Etre") || name[0] == 'V') {
        static const char letters[V_FRAMES] = { [V_PLAIN] = 'i', [V_OBJECT] = 't', [V_GIVE] = 'd', [V_THAT] = 'c' };
        m[C_PERSON] = (int16_t)(way % 4);
        return name[0] == 'E' || letters[toy_verbs[way / 4].frame] == name[1];
    } else if (!strcmp(name, "Pron")) {
        static const int16_t persons[] = { 0, 0, 1, 1, 2, 3, 3 }, feminine[] = { -1, -1, 0, 1, -1, 0, 1 };
        m[C_PERSON] = persons[way];
        m[C_FEMININE] = feminine[way];
        m[C_PLURAL] = persons[way] > 1;
    } else if (!strcmp(name, "Du") || !strcmp(name, "Au")) {
        m[C_PLURAL] = way % 2;
        m[C_FEMININE] = (int16_t)(way % 2 ? -1 : 0);
        return way % 2 || (next && !checker_vowel(next));
    } else if (!strncmp(name, "Cl", 2)) {
        m[C_CLITIC] = (int16_t)(word[0] == 'm' ? 0 : word[0] == 'n' ? 2 : 1); /* the person it is */
    }
    return true;
}

/* ---- phrases ----------------------------------------------------------------------------------------------------- */

static bool checker_same(const int16_t *a, const int16_t *b)
{
    return (a[C_FEMININE] < 0 || b[C_FEMININE] < 0 || a[C_FEMININE] == b[C_FEMININE]) &&
           (a[C_PLURAL] < 0 || b[C_PLURAL] < 0 || a[C_PLURAL] == b[C_PLURAL]);
}

static bool checker_bare(const cfg *g, const cfg_node *node, int16_t *m)
{
    const int16_t *noun = NULL;
    for (int i = 0; i < node->count; i++)
        if (!strcmp(cfg_name(g, node->children[i]), "N"))
            noun = cfg_marks(g, node->children[i]);
    m[C_FEMININE] = noun[C_FEMININE];
    m[C_PLURAL] = noun[C_PLURAL];
    m[C_ADJECTIVE] = !strcmp(cfg_name(g, node->children[0]), "Pre");
    for (int i = 0; i < node->count; i++)
        if (!checker_same(cfg_marks(g, node->children[i]), noun))
            return false;
    return true;
}

static bool checker_verb_of(const int16_t *subject, const int16_t *vp)
{
    bool reflexive = subject[C_PERSON] % 2 == 0 && vp[C_CLITIC] >= 0 && vp[C_CLITIC] % 2 == 0;
    return subject[C_PERSON] == vp[C_PERSON] && checker_same(subject, vp) && !reflexive;
}

/* Article or contraction, bare noun phrase, what follows it. */
static bool checker_full(const cfg *g, const cfg_node *node, int16_t *m)
{
    const int16_t *det = cfg_marks(g, node->children[0]), *bare = cfg_marks(g, node->children[1]);
    m[C_FEMININE] = bare[C_FEMININE];
    m[C_PLURAL] = bare[C_PLURAL];
    m[C_PERSON] = bare[C_PLURAL] ? 3 : 1;
    m[C_DET] = det[C_DET];
    if (!checker_same(det, bare))
        return false;
    if (node->count < 3)
        return true;
    const int16_t *comp = cfg_marks(g, node->children[2]);
    return comp[C_RELATIVE] != 1 || checker_verb_of(m, comp);
}

static bool checker_complement(const cfg *g, const cfg_node *node, int16_t *m)
{
    const char *first = cfg_name(g, node->children[0]);
    const int16_t *last = cfg_marks(g, node->children[node->count - 1]);
    if (!strcmp(first, "qui")) {
        memcpy(m, last, sizeof node->marks);
        m[C_RELATIVE] = 1;
    }
    return strcmp(first, "Que") || checker_verb_of(cfg_marks(g, node->children[1]), last);
}

/* "de" and "à" join with le and les; "de" and "des" make "de", which the language avoids. */
static bool checker_apart(const cfg *g, const cfg_node *node, int from)
{
    const char *det = g->words[from + 1];
    bool de = !strcmp(cfg_name(g, node->children[0]), "De");
    return strcmp(det, "le") && strcmp(det, "les") && !(de && cfg_marks(g, node->children[1])[C_DET] == DET_SOME);
}

static bool checker_verbs(const cfg *g, const cfg_node *node, int16_t *m)
{
    for (int i = 0; i < node->count; i++) {
        const char *name = cfg_name(g, node->children[i]);
        const int16_t *child = cfg_marks(g, node->children[i]);
        if (name[0] == 'V' || name[0] == 'G' || !strcmp(name, "Etre"))
            m[C_PERSON] = child[C_PERSON];
        if (child[C_CLITIC] >= 0)
            m[C_CLITIC] = child[C_CLITIC];
        if (!strcmp(name, "A")) {
            m[C_FEMININE] = child[C_FEMININE];
            m[C_PLURAL] = child[C_PLURAL];
        }
    }
    return true;
}

/* "ils" and "elles" stand for a plural of their gender that was named before. */
static bool checker_antecedents(const cfg *g)
{
    for (int i = 0; i < g->word_count; i++) {
        bool elles = !strcmp(g->words[i], "elles"), found = false;
        if (!elles && strcmp(g->words[i], "ils"))
            continue;
        for (int k = 0; k < i && !found; k++)
            for (int way = 0, row; (row = checker_lookup("N", g->words[k], way)) >= 0; way++)
                found = found || (row % 2 && toy_nouns[row / 2].feminine == elles);
        if (!found)
            return false;
    }
    return true;
}

static bool checker_build(cfg *g, int index, int from)
{
    cfg_node *node = &g->nodes[index];
    int16_t *m = node->marks;
    const char *name = g->symbols[node->symbol];
    int way = m[C_WAY];
    for (int i = 0; i < CFG_MARKS; i++)
        m[i] = -1;
    if (node->rule < 0) {
        m[C_WAY] = (int16_t)(isupper((unsigned char)name[0]) ? checker_lookup(name, g->words[from], way) : 0);
        return !isupper((unsigned char)name[0]) || checker_word(g, name, m, from);
    }
    const int16_t *a = cfg_marks(g, node->children[0]);
    const int16_t *b = node->count > 1 ? cfg_marks(g, node->children[1]) : NULL;
    if (!strcmp(name, "NB"))
        return checker_bare(g, node, m);
    if (!strcmp(name, "Full")) {
        bool some = a[C_DET] == DET_SOME, de = !strcmp(g->words[from], "de");
        return checker_full(g, node, m) && (!some || de == b[C_ADJECTIVE]);
    }
    if (!strcmp(name, "DeP") || !strcmp(name, "ToP"))
        return !strcmp(cfg_name(g, node->children[1]), "Full") ? checker_apart(g, node, from)
                                                               : checker_full(g, node, m);
    if (!strcmp(name, "Comp"))
        return checker_complement(g, node, m);
    if (name[0] == 'V' || name[0] == 'G')
        return checker_verbs(g, node, m);
    if (!strcmp(name, "Cl"))
        return checker_verb_of(a, b);
    if (!strcmp(name, "S")) {
        int np = !strcmp(cfg_name(g, node->children[0]), "NP") ? 0 : node->count == 7 ? 2 : -1;
        bool agrees = np < 0 || checker_verb_of(cfg_marks(g, node->children[np]), cfg_marks(g, node->children[np + 1]));
        if (agrees && node->count == 5 && !strcmp(cfg_name(g, node->children[2]), "et"))
            agrees = checker_verb_of(a, cfg_marks(g, node->children[3]));
        return agrees && checker_antecedents(g);
    }
    memcpy(m, a, sizeof node->marks); /* NP, AP */
    return true;
}

static cfg *checker_new(void)
{
    return cfg_new(checker_rules, checker_readings, checker_build);
}

static bool checker_right(cfg *g, const char *const *words, int count)
{
    return cfg_parse(g, words, count, NULL) > 0;
}

#endif
