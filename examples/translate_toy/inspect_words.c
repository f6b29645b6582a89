/* Word classes of the toy language, from its lexicon: for templates by class, and to find what stands between a verb and
 * its subject. */
#include "inspect_data.h"
#include "toy_lexicon.h"

#include <string.h>

enum { DETERMINER, NOUN, NOUNS, ADJECTIVE, VERB, VERBS, BE, PRONOUN, PREPOSITION, CLASSES };
const char *const inspect_classes[] = { "determiner",  "noun", "plural noun", "adjective",  "verb",
                                        "plural verb", "be",   "pronoun",     "preposition" };
const int inspect_classes_count = CLASSES;

static bool is(const char *form, const char *word)
{
    return form && strcmp(form, word) == 0;
}

static int16_t noun_class(const char *word, bool french)
{
    for (int i = 0; i < toy_noun_count; i++)
        for (int plural = 0; plural < 2; plural++)
            if (is(french ? toy_nouns[i].french[plural] : toy_nouns[i].english[plural], word))
                return plural ? NOUNS : NOUN;
    return -1;
}

static bool is_adjective(const char *word, bool french)
{
    for (int i = 0; i < toy_adjective_count; i++) {
        const toy_adjective *a = &toy_adjectives[i];
        if (!french && is(a->english, word))
            return true;
        for (int form = 0; french && form < 4; form++)
            if (is(a->french[form / 2][form % 2], word) || is(a->before_vowel, word))
                return true;
    }
    return false;
}

/* English: the base form goes with plurals; French: je, il, nous, ils. */
static int16_t verb_class(const char *word, bool french)
{
    for (int i = 0; i < toy_verb_count; i++)
        for (int form = 0; form < (french ? 4 : 2); form++)
            if (is(french ? toy_verbs[i].french[form] : toy_verbs[i].english[form], word))
                return (french ? form < 2 : form == 1) ? VERB : VERBS;
    return -1;
}

static bool is_be(const char *word, bool french)
{
    for (int i = 0; i < (french ? 4 : 3); i++)
        if (is(french ? toy_etre[i] : toy_be[i], word))
            return true;
    return false;
}

static bool is_determiner(const char *word, bool french)
{
    for (int i = 0; i < DET_WORDS; i++)
        for (int form = 0; form < 4; form++)
            if (is(french ? toy_determiners[i].french[form / 2][form % 2] : toy_determiners[i].english[form % 2],
                   word) ||
                (french && is(toy_determiners[i].before_vowel[form % 2], word)))
                return true;
    return false;
}

static bool is_pronoun(const char *word, bool french)
{
    for (int i = 0; i < PRONOUNS; i++) {
        const toy_pronoun *p = &toy_pronouns[i];
        if (french ? is(p->french[0], word) || is(p->french[1], word) || is(p->indirect, word)
                   : is(p->english, word) || is(p->english_object, word))
            return true;
    }
    return false;
}

int16_t inspect_class(const char *word, bool french)
{
    static const char *const prepositions[] = { "près", "de", "dans", "à", "du", "des", "au", "aux" };
    if (is_be(word, french))
        return BE;
    if (is_determiner(word, french))
        return DETERMINER;
    if (is_pronoun(word, french))
        return PRONOUN;
    if (noun_class(word, french) >= 0)
        return noun_class(word, french);
    if (is_adjective(word, french))
        return ADJECTIVE;
    if (verb_class(word, french) >= 0)
        return verb_class(word, french);
    for (int i = 0; i < (french ? 8 : PREPOSITIONS); i++)
        if (is(french ? prepositions[i] : toy_prepositions[i], word))
            return PREPOSITION;
    return -1;
}
