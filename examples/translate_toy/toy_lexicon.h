/* The words of the toy language, as tables: one row a word (toy_lexicon.c). Data only; no rule of grammar is here. */
#ifndef TOY_LEXICON_H
#define TOY_LEXICON_H

#include <stdbool.h>
#include <stdint.h>

/* What a noun is, for selection: a row of verbs, adjectives or prepositions says which kinds it goes with. */
typedef enum {
    K_PERSON = 1 << 0,
    K_KIN = 1 << 1, /* persons one can have: friend, king, nurse */
    K_PET = 1 << 2,
    K_WILD = 1 << 3,
    K_PICTURE = 1 << 4,
    K_PAPER = 1 << 5,
    K_ITEM = 1 << 6,
    K_CLOTH = 1 << 7,
    K_FOOD = 1 << 8,
    K_FURNITURE = 1 << 9,
    K_VEHICLE = 1 << 10,
    K_BOX = 1 << 11,
    K_LIGHT = 1 << 12,
    K_STICK = 1 << 13, /* match, allumette */
    K_PRIZE = 1 << 14,
    K_EVENT = 1 << 15, /* race; match, match */
    K_CLUB = 1 << 16,  /* bat, batte */
    K_COIL = 1 << 17,  /* spring, ressort */
    K_MACHINE = 1 << 18,
    K_BUILDING = 1 << 19, /* school; bank, banque */
    K_GROUND = 1 << 20,
    K_ROAD = 1 << 21,
    K_VILLAGE = 1 << 22,
    K_RIVER = 1 << 23,
    K_LAKE = 1 << 24,
    K_SHORE = 1 << 25,  /* bank, rive */
    K_SOURCE = 1 << 26, /* spring, source */
    K_BRIDGE = 1 << 27,

    K_HUMAN = K_PERSON | K_KIN,
    K_ANIMAL = K_PET | K_WILD,
    K_LIVING = K_HUMAN | K_ANIMAL,
    K_PORTABLE =
        K_PICTURE | K_PAPER | K_ITEM | K_CLOTH | K_FOOD | K_BOX | K_LIGHT | K_STICK | K_PRIZE | K_CLUB | K_COIL,
    K_THING = K_PORTABLE | K_FURNITURE | K_VEHICLE | K_MACHINE,
    K_PLACE = K_BUILDING | K_GROUND | K_ROAD | K_VILLAGE | K_RIVER | K_LAKE | K_SHORE | K_SOURCE | K_BRIDGE,
    K_OWNED = K_KIN | K_PET | (K_THING & ~K_COIL) | K_COIL | K_BUILDING | K_EVENT | K_VILLAGE, /* "my", "the king 's" */
    K_OWNER = K_HUMAN,
    K_ANY = (1 << 28) - 1
} toy_kinds;

typedef struct {
    const char *english[2]; /* singular, plural; the same word twice: no English plural */
    const char *french[2];
    bool feminine;
    uint32_t kind; /* one bit */
    int rank;      /* frequency rank among its class, from 1 */
    int twin;      /* the other sense of the same English word is so many rows on; 0: none */
} toy_noun;

typedef struct {
    const char *english;
    const char *french[2][2]; /* [feminine][plural] */
    const char *before_vowel; /* masculine singular before a vowel, or NULL */
    bool before_noun;         /* in French */
    bool attributive_only;    /* never after "be" */
    uint32_t kinds;
    int rank;
} toy_adjective;

typedef enum { V_PLAIN, V_OBJECT, V_GIVE, V_THAT, V_FRAMES } toy_frame;
typedef struct {
    const char *english[2]; /* base, third person singular */
    const char *french[4];  /* je, il, nous, ils; NULL: not used with je and nous */
    toy_frame frame;
    uint32_t subjects, objects;
    int rank;
    int twin; /* as for nouns, within a frame */
} toy_verb;

enum { DET_THE, DET_A, DET_SOME, DET_THIS, DET_MY, DET_OUR, DET_HIS, DET_HER, DET_WORDS, DET_OWNER = DET_WORDS };
typedef struct {
    const char *english[2];      /* singular, plural; NULL: not used in that number */
    const char *french[2][2];    /* [feminine][plural] */
    const char *before_vowel[2]; /* [feminine], singular; NULL: no change */
    int weight;
} toy_determiner;

enum { PRON_HE, PRON_SHE, PRON_IT, PRON_THEY, PRON_I, PRON_WE, PRONOUNS };
typedef struct {
    const char *english, *english_object;
    const char *french[2]; /* subject, [feminine] */
    const char *direct[2]; /* clitic, [feminine] */
    const char *indirect;  /* clitic; NULL: none */
    bool plural;
    int person; /* 1 or 3 */
} toy_pronoun;

enum { PREP_NEAR, PREP_OF, PREP_IN, PREPOSITIONS };
typedef struct {
    int preposition;
    uint32_t heads, complements;
} toy_prep_rule;

extern const toy_noun toy_nouns[];
extern const int toy_noun_count;
extern const toy_adjective toy_adjectives[];
extern const int toy_adjective_count;
extern const toy_verb toy_verbs[];
extern const int toy_verb_count;
extern const toy_determiner toy_determiners[DET_WORDS];
extern const toy_pronoun toy_pronouns[PRONOUNS];
extern const toy_prep_rule toy_prep_rules[];
extern const int toy_prep_rule_count;
/* Cues of a sense that train does not have. */
typedef struct {
    const char *sense; /* French singular */
    const char *cues[4];
} toy_held_cue;
extern const toy_held_cue toy_held_cues[];
extern const int toy_held_cue_count;
extern const char *const toy_be[3];                      /* am, is, are */
extern const char *const toy_etre[4];                    /* suis, est, sommes, sont */
extern const char *const toy_prepositions[PREPOSITIONS]; /* English */

/* Zipf-like weight of a frequency rank: 1000 / rank^0.7, rounded. */
int toy_zipf(int rank);

#endif
