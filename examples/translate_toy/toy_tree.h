/* What the generator passes around: the tree of a sentence, the dice it is drawn with, where its words stand.
 *
 * dice -> grammar (draws a tree) -> licence (one reading only?) -> english, french (words) -> gold (arcs, decisions)
 *
 * A tree is flat: noun phrases and clauses in two arrays, linked by index, -1 for nothing. */
#ifndef TOY_TREE_H
#define TOY_TREE_H

#include "toy.h"
#include "toy_lexicon.h"

/* ---- dice (toy_dice.c) -------------------------------------------------------------------------------------------
 * Choices decoded from a number, so that no derivation comes up twice; the idea is explained in toy_dice.c. */
typedef struct {
    uint64_t start;         /* the number, 63 bits */
    uint64_t offset, range; /* where in the current interval */
    uint64_t stream;        /* goes on when the number is used up */
    int cell_bits;          /* size of a cell */
    bool spent;
} toy_dice;

uint64_t toy_mix(uint64_t value);                                           /* SplitMix64's finaliser */
void toy_dice_throw(toy_dice *dice, uint64_t key, uint64_t cell, int bits); /* cell < 2^bits, bits <= 40 */
int toy_dice_choose(toy_dice *dice, const int *weights, int count);         /* -1: all weights are 0 */
int toy_dice_below(toy_dice *dice, int count);
bool toy_dice_chance(toy_dice *dice, int percent);
bool toy_dice_first(const toy_dice *dice); /* is this the derivation's own cell? */

/* ---- trees (toy_grammar.c) --------------------------------------------------------------------------------------- */
enum { TREE_NPS = 20, TREE_CLAUSES = 12 };

typedef enum { MOD_NONE, MOD_PP, MOD_SUBJECT_RC, MOD_OBJECT_RC, MOD_BARE_RC, MODS } toy_modifier;

typedef struct {
    int noun;       /* row, -1: a pronoun */
    int pronoun;    /* PRON_..., if noun is -1 */
    int antecedent; /* np, of "it" and "they" as subject and of "it" as object; otherwise -1 */
    bool plural;
    int det;
    int pre, post; /* adjectives, -1: none */
    int owner;     /* np, if det is DET_OWNER */
    toy_modifier mod;
    int preposition;
    int inner;  /* np under the preposition */
    int clause; /* the relative clause */
} toy_np;

typedef enum { NEG_NONE, NEG_NOT, NEG_NEVER } toy_negation;
typedef enum { GAP_NONE, GAP_SUBJECT, GAP_OBJECT } toy_gap;

typedef struct {
    int subject;   /* np; in a subject relative the head */
    toy_gap gap;   /* what the relative's head is in it */
    int head;      /* np, if there is a gap */
    int verb;      /* row, -1: "be" */
    int predicate; /* adjective after "be" */
    toy_negation negation;
    int object;    /* np, or the head if gap is GAP_OBJECT, or -1 */
    int recipient; /* np, or -1 */
    int content;   /* the that-clause, or -1 */
    int next;      /* "and ...": clause with the same subject, or -1 */
    bool question;
} toy_clause;

typedef enum { TREE_SIMPLE, TREE_BUT, TREE_AND, TREE_THAT, TREE_QUESTION, TREE_KINDS } toy_tree_kind;

typedef struct {
    toy_np np[TREE_NPS];
    toy_clause clause[TREE_CLAUSES];
    int np_count, clause_count;
    toy_tree_kind kind;
    int root, but; /* clauses; but is -1 unless there is one */
} toy_tree;

/* How rich sentences are: weights, and percentages. */
typedef struct {
    int longest; /* English tokens */
    int kinds[TREE_KINDS];
    int frames[V_FRAMES + 1]; /* V_PLAIN, V_OBJECT, V_GIVE, unused, "be" */
    int mods[MODS];           /* of noun phrases at depth 0 */
    int inner_mods[MODS];     /* at depth 1 */
    int pronoun;              /* % of subjects */
    int that_pronoun;         /* % of subjects around a that-clause */
    int object_pronoun;       /* % of objects */
    int pre, post;            /* % of noun phrases with such an adjective */
    int owner;                /* % with a possessor */
    int owner_depth;          /* % of possessors with a possessor */
    int negation;             /* % of clauses */
    int homonym;              /* a homonym's share of its weight, % */
    int opposite;             /* % of noun phrases whose number is not the first one's */
    int question_that;        /* % of questions with a that-clause */
    int other_gender;         /* weight of nouns whose gender is not the first one's, %; 0: 100 */
    int invariant;            /* weight of "sheep" and "fish", %; 0: 100 */
    int run;                  /* weight of "run", %; 0: 100 */
    bool flat;                /* all words alike, no Zipf */
    bool root_be;             /* the main verb is "be" */
    int sense;                /* a noun row + 1: the only homonym; 0: all */
} toy_style;

bool toy_tree_draw(toy_tree *tree, toy_dice *dice, const toy_style *style);
/* The subject's features, through relatives. */
int toy_clause_person(const toy_tree *tree, const toy_clause *clause); /* index into je, il, nous, ils */
bool toy_np_feminine(const toy_tree *tree, int np); /* gender in French; a pronoun's is its antecedent's */
bool toy_np_is_clitic(const toy_tree *tree, int np);

/* ---- one reading (toy_licence.c) --------------------------------------------------------------------------------- */
typedef enum {
    REL_ADJECTIVE,
    REL_SUBJECT,
    REL_OBJECT,
    REL_RECIPIENT,
    REL_PREPOSITION,
    REL_OWNER,
    REL_ANTECEDENT
} toy_rel_kind;

/* Two words that must go together. */
typedef struct {
    toy_rel_kind kind;
    int np;      /* the noun that is selected */
    int partner; /* adjective or verb row, preposition */
    int clause;  /* the clause it happens in, -1 */
    int other;   /* np: the second noun of a preposition or possessor, or the one with the adjective; -1 */
    bool licensed;
    bool direct; /* not through a pronoun */
} toy_relation;
enum { TREE_RELATIONS = 64 };

int toy_relations(const toy_tree *tree, toy_relation *out); /* at most TREE_RELATIONS */
bool toy_licensed(const toy_tree *tree);
/* How many readings the English of this tree has; 1 is wanted. Counting stops at limit. */
int toy_readings(const toy_tree *tree, int limit);

/* ---- words (toy_english.c, toy_french.c) --------------------------------------------------------------------------
 * Where the words of a node stand; -1: nowhere. */
typedef struct {
    int det, pre, post, noun, genitive, preposition, that;
} toy_np_place;
typedef struct {
    int verb, aux, negation, predicate, to, that, conjunction, end;
} toy_clause_place;
typedef struct {
    toy_np_place np[TREE_NPS];
    toy_clause_place clause[TREE_CLAUSES];
    int count;
} toy_places;

bool toy_english(const toy_tree *tree, const char **words, toy_places *places); /* false: too long */

typedef struct {
    int det, pre, post, post_end, noun, genitive, preposition, relative;
} toy_french_np_place;
typedef struct {
    int verb, ne, pas, clitic, predicate, to, que, conjunction, end;
} toy_french_clause_place;
typedef struct {
    toy_french_np_place np[TREE_NPS];
    toy_french_clause_place clause[TREE_CLAUSES];
    int count;
} toy_french_places;

/* Fills the French words and the links. */
bool toy_french(const toy_tree *tree, const toy_places *english, toy_sentence *out, toy_french_places *places);

/* ---- measures (toy_measure.c) -------------------------------------------------------------------------------------
 * What a split may have or not is said in these. */
typedef struct {
    int distance;  /* English tokens from the subject's noun to the finite word */
    int by_number; /* nouns between them of the other number */
    int by_gender; /* of the other gender in French */
    int nouns;     /* nouns between them */
} toy_span;
/* Of a clause whose subject is a noun; false otherwise. */
bool toy_subject_span(const toy_tree *tree, const toy_places *places, int clause, toy_span *out);
int toy_finite_place(const toy_tree *tree, const toy_places *places, int clause); /* "does", "is" or the verb */

/* Structures that train never has together (test-struct), as bits. */
enum { STRUCT_RELATIVE = 1, STRUCT_OWNERS = 2, STRUCT_ATTRACTORS = 4, STRUCT_QUESTION = 8 };
int toy_structures(const toy_tree *tree, const toy_places *places);

int toy_held_out_pairs(const toy_tree *tree); /* pairs of words that train never has together (test-comb) */

/* A word without which the other sense of a homonym would be possible. */
typedef struct {
    toy_cue kind;
    int position;  /* English token */
    bool held_out; /* train never has this cue with this sense (test-sense) */
} toy_cue_word;
enum { TREE_CUES = 8 };
int toy_cues(const toy_tree *tree, const toy_places *places, int np, toy_cue_word *out); /* at most TREE_CUES */

uint64_t toy_hash_word(uint64_t hash, const char *word); /* FNV-1a, NUL included; start with 0 */

/* ---- gold (toy_decisions.c, toy_arcs.c) -------------------------------------------------------------------------- */
/* A sentence whose English, French and links are there. */
typedef struct {
    const toy_tree *tree;
    const toy_places *english;
    const toy_french_places *french;
    toy_sentence *out;
} toy_gold;

bool toy_decisions(const toy_gold *gold);
bool toy_arcs(const toy_gold *gold); /* after the decisions */
void toy_features(const toy_gold *gold);
/* All of the sentence from its tree. */
bool toy_render(const toy_tree *tree, toy_sentence *out);

/* ---- splits (toy_families.c, toy_pairs.c, toy_splits.c) ------------------------------------------------------------
 * A split is cut into families: sentences drawn in one style that share a property the English shows (length, grid
 * cell, sense), so that no string is in two of them. */
typedef struct {
    toy_style style;
    int id;
    int64_t turn, turns;       /* this sentence's number in the family, and how many there are */
    int run;                   /* cells that each of them owns, at least */
    int shortest, longest;     /* English tokens */
    int structures;            /* these exactly; -1: any */
    bool held_out_pair;        /* at least one; otherwise none */
    int attractors, near, far; /* of the main subject if far > 0, and the distance between these */
    bool by_gender;            /* attractors are counted by gender, and the main verb is "be" */
    int sense;                 /* the one homonym, a noun row; -1: any number of any */
    bool cue_held_out;         /* its one cue; otherwise no cue is */
    int pair_kind;             /* + 1; 0: any */
} toy_family;

toy_family toy_family_of(toy_split split, int64_t n); /* not of the probe */
toy_family toy_probe_family(void);
/* Instead of a family of short sentences that has no more of them; false: no such thing. */
bool toy_family_longer(toy_split split, toy_family *family);
bool toy_family_takes(const toy_family *family, const toy_tree *tree, const toy_places *places);

/* Minimal pairs, by what the changed word decides. A tree is of one of the first kinds only, and so is its partner.
 * PAIR_SUBJECT: two words change, the noun of the main subject and the verb that agrees with it. */
typedef enum {
    PAIR_GENDER,
    PAIR_LONG,
    PAIR_ANTECEDENT,
    PAIR_SENSE,
    PAIR_NUMBER,
    PAIR_VERB,
    PAIR_KINDS,
    PAIR_SUBJECT = PAIR_KINDS
} toy_pair_kind;
toy_pair_kind toy_pair_kind_of(const toy_tree *tree, const toy_places *places);
/* Fills both sentences, pair_decision too; false if the tree is not the first of a pair (the masculine one, the
 * singular one, the sense that comes first in the lexicon) or has no partner whose English fits. */
bool toy_pair_make(const toy_tree *first, toy_pair_kind kind, bool (*fits)(const toy_tree *tree), toy_sentence *a,
                   toy_sentence *b);

#endif
