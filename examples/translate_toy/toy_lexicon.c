/* The words of the toy language. Singular before plural, masculine before feminine, je il nous ils.
 *
 * Selection keeps nonsense out ("the station is happy") and makes the homonyms decidable: a word that goes with one
 * sense only is a cue. Where a native speaker would hesitate, both senses are allowed, so that the sentence is refused.
 * French words beginning with a mute h (homme, horloge, heureux) behave as vowels; there is no other h. Verbs without
 * forms for je and nous are not used with them: each form that is used should be seen often. */
#include "toy_lexicon.h"

#include <stddef.h>
#include <string.h>

/* clang-format off */
const toy_noun toy_nouns[] = {
    /* persons */
    { { "man", "men" },          { "homme", "hommes" },           false, K_PERSON,    1, 0 },
    { { "woman", "women" },      { "femme", "femmes" },           true,  K_PERSON,    2, 0 },
    { { "child", "children" },   { "enfant", "enfants" },         false, K_KIN,       3, 0 },
    { { "girl", "girls" },       { "fille", "filles" },           true,  K_PERSON,    4, 0 },
    { { "friend", "friends" },   { "ami", "amis" },               false, K_KIN,       5, 0 },
    { { "queen", "queens" },     { "reine", "reines" },           true,  K_KIN,       6, 0 },
    { { "king", "kings" },       { "roi", "rois" },               false, K_KIN,       7, 0 },
    { { "nurse", "nurses" },     { "infirmière", "infirmières" }, true,  K_KIN,       8, 0 },
    { { "boy", "boys" },         { "garçon", "garçons" },         false, K_PERSON,    9, 0 },
    { { "sister", "sisters" },   { "sœur", "sœurs" },             true,  K_KIN,      10, 0 },
    { { "doctor", "doctors" },   { "médecin", "médecins" },       false, K_KIN,      11, 0 },
    { { "mother", "mothers" },   { "mère", "mères" },             true,  K_KIN,      12, 0 },
    { { "brother", "brothers" }, { "frère", "frères" },           false, K_KIN,      13, 0 },
    { { "teacher", "teachers" }, { "professeur", "professeurs" }, false, K_KIN,      14, 0 },
    /* animals */
    { { "sheep", "sheep" },      { "mouton", "moutons" },         false, K_PET,       1, 0 },
    { { "cat", "cats" },         { "chat", "chats" },             false, K_PET,       2, 0 },
    { { "mouse", "mice" },       { "souris", "souris" },          true,  K_WILD,      4, 0 },
    { { "fish", "fish" },        { "poisson", "poissons" },       false, K_WILD,      2, 0 },
    { { "cow", "cows" },         { "vache", "vaches" },           true,  K_PET,       5, 0 },
    { { "dog", "dogs" },         { "chien", "chiens" },           false, K_PET,       6, 0 },
    { { "bird", "birds" },       { "oiseau", "oiseaux" },         false, K_WILD,      7, 0 },
    { { "goat", "goats" },       { "chèvre", "chèvres" },         true,  K_PET,       8, 0 },
    { { "horse", "horses" },     { "cheval", "chevaux" },         false, K_PET,       9, 0 },
    /* things */
    { { "key", "keys" },         { "clé", "clés" },               true,  K_ITEM,      1, 0 },
    { { "book", "books" },       { "livre", "livres" },           false, K_PAPER,     2, 0 },
    { { "picture", "pictures" }, { "image", "images" },           true,  K_PICTURE,   3, 0 },
    { { "boat", "boats" },       { "bateau", "bateaux" },         false, K_VEHICLE,   4, 0 },
    { { "car", "cars" },         { "voiture", "voitures" },       true,  K_VEHICLE,   5, 0 },
    { { "hat", "hats" },         { "chapeau", "chapeaux" },       false, K_CLOTH,     6, 0 },
    { { "table", "tables" },     { "table", "tables" },           true,  K_FURNITURE, 6, 0 },
    { { "knife", "knives" },     { "couteau", "couteaux" },       false, K_ITEM,      8, 0 },
    { { "letter", "letters" },   { "lettre", "lettres" },         true,  K_PAPER,     9, 0 },
    { { "ring", "rings" },       { "anneau", "anneaux" },         false, K_ITEM,     10, 0 },
    { { "apple", "apples" },     { "pomme", "pommes" },           true,  K_FOOD,     11, 0 },
    { { "egg", "eggs" },         { "œuf", "œufs" },               false, K_FOOD,     12, 0 },
    { { "lamp", "lamps" },       { "lampe", "lampes" },           true,  K_LIGHT,    7, 0 },
    { { "coat", "coats" },       { "manteau", "manteaux" },       false, K_CLOTH,    11, 0 },
    { { "candle", "candles" },   { "bougie", "bougies" },         true,  K_LIGHT,    15, 0 },
    { { "bag", "bags" },         { "sac", "sacs" },               false, K_BOX,      13, 0 },
    { { "box", "boxes" },        { "boîte", "boîtes" },           true,  K_BOX,      17, 0 },
    { { "race", "races" },       { "course", "courses" },         true,  K_EVENT,     4, 0 },
    { { "prize", "prizes" },     { "prix", "prix" },              false, K_PRIZE,     6, 0 },
    { { "chair", "chairs" },     { "chaise", "chaises" },         true,  K_FURNITURE,7, 0 },
    /* machines */
    { { "machine", "machines" }, { "machine", "machines" },       true,  K_MACHINE,   4, 0 },
    { { "engine", "engines" },   { "moteur", "moteurs" },         false, K_MACHINE,   4, 0 },
    { { "clock", "clocks" },     { "horloge", "horloges" },       true,  K_MACHINE,   5, 0 },
    /* places */
    { { "house", "houses" },     { "maison", "maisons" },         true,  K_BUILDING,  1, 0 },
    { { "garden", "gardens" },   { "jardin", "jardins" },         false, K_GROUND,    2, 0 },
    { { "river", "rivers" },     { "rivière", "rivières" },       true,  K_RIVER,     2, 0 },
    { { "school", "schools" },   { "école", "écoles" },           true,  K_BUILDING,  3, 0 },
    { { "village", "villages" }, { "village", "villages" },       false, K_VILLAGE,   3, 0 },
    { { "church", "churches" },  { "église", "églises" },         true,  K_BUILDING,  4, 0 },
    { { "bridge", "bridges" },   { "pont", "ponts" },             false, K_BRIDGE,    1, 0 },
    { { "road", "roads" },       { "route", "routes" },           true,  K_ROAD,      1, 0 },
    { { "lake", "lakes" },       { "lac", "lacs" },               false, K_LAKE,     1, 0 },
    { { "forest", "forests" },   { "forêt", "forêts" },           true,  K_GROUND,   4, 0 },
    { { "field", "fields" },     { "champ", "champs" },           false, K_GROUND,   4, 0 },
    /* two senses each, in neighbouring rows; in two of them the gender differs too */
    { { "bank", "banks" },       { "banque", "banques" },         true,  K_BUILDING,  2, +1 },
    { { "bank", "banks" },       { "rive", "rives" },             true,  K_SHORE,     1, -1 },
    { { "match", "matches" },    { "match", "matchs" },           false, K_EVENT,     1, +1 },
    { { "match", "matches" },    { "allumette", "allumettes" },   true,  K_STICK,     1, -1 },
    { { "bat", "bats" },         { "chauve-souris", "chauves-souris" }, true, K_WILD, 1, +1 },
    { { "bat", "bats" },         { "batte", "battes" },           true,  K_CLUB,      1, -1 },
    { { "spring", "springs" },   { "ressort", "ressorts" },       false, K_COIL,      1, +1 },
    { { "spring", "springs" },   { "source", "sources" },         true,  K_SOURCE,    1, -1 },
};
const int toy_noun_count = sizeof toy_nouns / sizeof toy_nouns[0];

#define COLOURED (K_ANIMAL | K_THING | K_BUILDING | K_SHORE)
const toy_adjective toy_adjectives[] = {
    { "small",     { { "petit", "petits" },      { "petite", "petites" } },     NULL,     true,  false, K_ANY, 2 },
    { "old",       { { "vieux", "vieux" },       { "vieille", "vieilles" } },   "vieil",  true,  false,
      K_ANY & ~(K_FOOD | K_PRIZE | K_RIVER | K_LAKE), 1 },
    { "big",       { { "grand", "grands" },      { "grande", "grandes" } },     NULL,     true,  false, K_ANY, 4 },
    { "beautiful", { { "beau", "beaux" },        { "belle", "belles" } },       "bel",    true,  false, K_ANY, 3 },
    { "new",       { { "nouveau", "nouveaux" },  { "nouvelle", "nouvelles" } }, "nouvel", true,  true,
      K_KIN | K_THING | K_BUILDING | K_ROAD | K_BRIDGE | K_EVENT | K_SOURCE, 2 },
    { "good",      { { "bon", "bons" },          { "bonne", "bonnes" } },       NULL,     true,  false,
      K_HUMAN | K_PET | K_THING | K_EVENT | K_SOURCE | K_ROAD | K_BUILDING, 6 },
    { "young",     { { "jeune", "jeunes" },      { "jeune", "jeunes" } },       NULL,     true,  false, K_LIVING, 7 },
    { "black",     { { "noir", "noirs" },        { "noire", "noires" } },       NULL,     false, false, COLOURED, 2 },
    { "green",     { { "vert", "verts" },        { "verte", "vertes" } },       NULL,     false, false,
      COLOURED | K_GROUND, 4 },
    { "white",     { { "blanc", "blancs" },      { "blanche", "blanches" } },   NULL,     false, false, COLOURED, 5 },
    { "red",       { { "rouge", "rouges" },      { "rouge", "rouges" } },       NULL,     false, false, COLOURED, 8 },
    { "blue",      { { "bleu", "bleus" },        { "bleue", "bleues" } },       NULL,     false, false, COLOURED, 6 },
    { "heavy",     { { "lourd", "lourds" },      { "lourde", "lourdes" } },     NULL,     false, false,
      K_THING & ~(K_STICK | K_FOOD), 2 },
    { "tired",     { { "fatigué", "fatigués" },  { "fatiguée", "fatiguées" } }, NULL,     false, false, K_LIVING, 3 },
    { "sad",       { { "triste", "tristes" },    { "triste", "tristes" } },     NULL,     false, false, K_LIVING, 5 },
    { "happy",     { { "heureux", "heureux" },   { "heureuse", "heureuses" } }, NULL,     false, false, K_LIVING, 4 },
    { "slow",      { { "lent", "lents" },        { "lente", "lentes" } },       NULL,     false, false,
      K_LIVING | K_VEHICLE | K_MACHINE | K_EVENT | K_RIVER, 2 },
    { "rich",      { { "riche", "riches" },      { "riche", "riches" } },       NULL,     false, false,
      K_HUMAN | K_VILLAGE, 6 },
    { "muddy",     { { "boueux", "boueux" },     { "boueuse", "boueuses" } },   NULL,     false, false,
      K_GROUND | K_ROAD | K_RIVER | K_LAKE | K_SHORE | K_SOURCE | K_CLOTH | K_VEHICLE | K_ANIMAL | K_CLUB, 1 },
    { "closed",    { { "fermé", "fermés" },      { "fermée", "fermées" } },     NULL,     false, false,
      K_BUILDING | K_BOX | K_BRIDGE | K_ROAD | K_PAPER | K_GROUND, 1 },
    { "wet",       { { "mouillé", "mouillés" },  { "mouillée", "mouillées" } }, NULL,     false, false,
      K_ANIMAL | K_CLUB | K_CLOTH | K_PAPER | K_PICTURE | K_STICK | K_SHORE | K_ROAD | K_FURNITURE | K_BOX, 1 },
    /* en bois: its second word is put by toy_french.c */
    { "wooden",    { { "en", "en" },             { "en", "en" } },              NULL,     false, false,
      K_FURNITURE | K_BOX | K_BRIDGE | K_BUILDING | K_CLUB | K_STICK, 1 },
};
const int toy_adjective_count = sizeof toy_adjectives / sizeof toy_adjectives[0];

const toy_verb toy_verbs[] = {
    { { "sleep", "sleeps" },    { "dors", "dort", "dormons", "dorment" },            V_PLAIN,  K_LIVING, 0, 1, 0 },
    { { "sing", "sings" },      { NULL, "chante", NULL, "chantent" },                V_PLAIN,  K_HUMAN, 0, 2, 0 },
    { { "arrive", "arrives" },  { NULL, "arrive", NULL, "arrivent" },                V_PLAIN,
      K_LIVING | K_VEHICLE, 0, 3, 0 },
    { { "swim", "swims" },      { NULL, "nage", NULL, "nagent" },                    V_PLAIN,  K_LIVING, 0, 4, 0 },
    { { "wait", "waits" },      { "attends", "attend", "attendons", "attendent" },   V_PLAIN,  K_LIVING, 0, 5, 0 },
    { { "laugh", "laughs" },    { NULL, "rit", NULL, "rient" },                      V_PLAIN,  K_HUMAN, 0, 6, 0 },
    { { "fall", "falls" },      { NULL, "tombe", NULL, "tombent" },                  V_PLAIN,
      K_LIVING | K_THING, 0, 3, 0 },
    { { "dance", "dances" },    { NULL, "danse", NULL, "dansent" },                  V_PLAIN,  K_HUMAN, 0, 5, 0 },
    { { "burn", "burns" },      { NULL, "brûle", NULL, "brûlent" },                  V_PLAIN,
      K_LIGHT | K_STICK | K_PAPER | K_PICTURE | K_BUILDING | K_FURNITURE, 0, 1, 0 },
    { { "flow", "flows" },      { NULL, "coule", NULL, "coulent" },                  V_PLAIN,
      K_RIVER | K_SOURCE, 0, 1, 0 },
    { { "begin", "begins" },    { NULL, "commence", NULL, "commencent" },            V_PLAIN,  K_EVENT, 0, 1, 0 },
    { { "run", "runs" },        { "cours", "court", "courons", "courent" },          V_PLAIN,  K_LIVING, 0, 2, +1 },
    { { "run", "runs" },        { NULL, "fonctionne", NULL, "fonctionnent" },        V_PLAIN,
      K_MACHINE, 0, 1, -1 },
    { { "see", "sees" },        { "vois", "voit", "voyons", "voient" },              V_OBJECT, K_LIVING, K_ANY, 1, 0 },
    { { "find", "finds" },      { "trouve", "trouve", "trouvons", "trouvent" },      V_OBJECT, K_LIVING, K_ANY, 2, 0 },
    { { "follow", "follows" },  { "suis", "suit", "suivons", "suivent" },            V_OBJECT, K_LIVING,
      K_LIVING | K_VEHICLE | K_ROAD | K_RIVER | K_SHORE | K_EVENT, 3, 0 },
    { { "love", "loves" },      { "aime", "aime", "aimons", "aiment" },              V_OBJECT, K_LIVING, K_ANY, 4, 0 },
    { { "hear", "hears" },      { "entends", "entend", "entendons", "entendent" },   V_OBJECT, K_LIVING,
      K_LIVING | K_MACHINE | K_EVENT | K_RIVER | K_SOURCE | K_VEHICLE, 5, 0 },
    { { "feed", "feeds" },      { "nourris", "nourrit", "nourrissons", "nourrissent" }, V_OBJECT,
      K_HUMAN, K_LIVING, 6, 0 },
    { { "know", "knows" },      { "connais", "connaît", "connaissons", "connaissent" }, V_OBJECT, K_HUMAN,
      K_HUMAN | K_PET | K_VILLAGE | K_ROAD | K_BUILDING | K_SHORE | K_RIVER | K_GROUND, 2, 0 },
    { { "buy", "buys" },        { "achète", "achète", "achetons", "achètent" },      V_OBJECT, K_HUMAN,
      K_THING | K_BUILDING | K_PET, 1, 0 },
    { { "break", "breaks" },    { "casse", "casse", "cassons", "cassent" },          V_OBJECT, K_HUMAN | K_PET,
      K_ITEM | K_FURNITURE | K_BOX | K_LIGHT | K_STICK | K_MACHINE | K_CLUB | K_COIL, 2, 0 },
    { { "win", "wins" },        { NULL, "gagne", NULL, "gagnent" },                  V_OBJECT, K_HUMAN,
      K_EVENT | K_PRIZE, 1, 0 },
    { { "light", "lights" },    { NULL, "allume", NULL, "allument" },                V_OBJECT, K_HUMAN,
      K_LIGHT | K_STICK, 2, 0 },
    { { "wash", "washes" },     { "lave", "lave", "lavons", "lavent" },              V_OBJECT, K_HUMAN,
      K_PET | K_CLOTH | K_FOOD | K_FURNITURE | K_VEHICLE | K_BOX, 2, 0 },
    { { "eat", "eats" },        { NULL, "mange", NULL, "mangent" },                  V_OBJECT, K_LIVING, K_FOOD, 6, 0 },
    { { "give", "gives" },      { "donne", "donne", "donnons", "donnent" },          V_GIVE,   K_HUMAN,
      K_PORTABLE | K_PET, 1, 0 },
    { { "send", "sends" },      { "envoie", "envoie", "envoyons", "envoient" },      V_GIVE,   K_HUMAN,
      K_PORTABLE, 1, 0 },
    { { "show", "shows" },      { "montre", "montre", "montrons", "montrent" },      V_GIVE,   K_HUMAN,
      K_THING | K_BUILDING | K_SHORE | K_SOURCE | K_PET | K_GROUND, 2, 0 },
    { { "bring", "brings" },    { "apporte", "apporte", "apportons", "apportent" },  V_GIVE,   K_HUMAN,
      K_PORTABLE, 1, 0 },
    { { "think", "thinks" },    { "pense", "pense", "pensons", "pensent" },          V_THAT,   K_HUMAN, 0, 1, 0 },
    { { "know", "knows" },      { "sais", "sait", "savons", "savent" },              V_THAT,   K_HUMAN, 0, 2, 0 },
    { { "say", "says" },        { "dis", "dit", "disons", "disent" },                V_THAT,   K_HUMAN, 0, 3, 0 },
    { { "believe", "believes" },{ "crois", "croit", "croyons", "croient" },          V_THAT,   K_HUMAN, 0, 4, 0 },
};
const int toy_verb_count = sizeof toy_verbs / sizeof toy_verbs[0];

const toy_determiner toy_determiners[DET_WORDS] = {
    [DET_THE]  = { { "the", "the" },    { { "le", "les" },    { "la", "les" } },    { "l'", "l'" },    40 },
    [DET_A]    = { { "a", NULL },       { { "un", NULL },     { "une", NULL } },    { NULL, NULL },    14 },
    [DET_SOME] = { { NULL, "some" },    { { NULL, "des" },    { NULL, "des" } },    { NULL, NULL },    12 },
    [DET_THIS] = { { "this", "these" }, { { "ce", "ces" },    { "cette", "ces" } }, { "cet", NULL },   12 },
    [DET_MY]   = { { "my", "my" },      { { "mon", "mes" },   { "ma", "mes" } },    { NULL, "mon" },    8 },
    [DET_OUR]  = { { "our", "our" },    { { "notre", "nos" }, { "notre", "nos" } }, { NULL, NULL },     5 },
    [DET_HIS]  = { { "his", "his" },    { { "son", "ses" },   { "sa", "ses" } },    { NULL, "son" },    8 },
    [DET_HER]  = { { "her", "her" },    { { "son", "ses" },   { "sa", "ses" } },    { NULL, "son" },    7 },
};

const toy_pronoun toy_pronouns[PRONOUNS] = {
    [PRON_HE]   = { "he", "him",    { "il", "il" },       { "le", "le" },     "lui",  false, 3 },
    [PRON_SHE]  = { "she", "her",   { "elle", "elle" },   { "la", "la" },     "lui",  false, 3 },
    [PRON_IT]   = { "it", "it",     { "il", "elle" },     { "le", "la" },     NULL,   false, 3 },
    [PRON_THEY] = { "they", "them", { "ils", "elles" },   { "les", "les" },   "leur", true,  3 },
    [PRON_I]    = { "i", "me",      { "je", "je" },       { "me", "me" },     "me",   false, 1 },
    [PRON_WE]   = { "we", "us",     { "nous", "nous" },   { "nous", "nous" }, "nous", true,  1 },
};

const toy_held_cue toy_held_cues[] = {
    { "banque",        /* en bois: its second word is put by toy_french.c */
    { "wooden", "buy", "village", "my" } },
    { "rive",          { "follow", "lake" } },
    { "match",         { "follow", "hear" } },
    { "allumette",     { "give", "red", "white", "boat" } },
    { "chauve-souris", { "feed", "sleep", "tired", "village" } },
    { "batte",         { "heavy", "our", "send", "show" } },
    { "ressort",       { "black", "engine", "fall", "his" } },
    { "source",        { "field", "forest", "hear" } },
};
const int toy_held_cue_count = sizeof toy_held_cues / sizeof toy_held_cues[0];

const char *const toy_be[3] = { "am", "is", "are" };
const char *const toy_etre[4] = { "suis", "est", "sommes", "sont" };
const char *const toy_prepositions[PREPOSITIONS] = { "near", "of", "in" };

const toy_prep_rule toy_prep_rules[] = {
    { PREP_NEAR, K_ANY, K_ANY },
    { PREP_OF, K_PICTURE, K_ANY },
    { PREP_OF, K_OWNED, K_OWNER },
    { PREP_OF, K_SHORE, K_RIVER | K_LAKE },
    { PREP_OF, K_SOURCE, K_RIVER },
    { PREP_OF, K_COIL, K_MACHINE },
    { PREP_OF, K_BUILDING | K_GROUND | K_ROAD | K_BRIDGE, K_VILLAGE },
    { PREP_OF, K_FURNITURE | K_LIGHT | K_MACHINE | K_GROUND, K_BUILDING },
    { PREP_IN, K_LIVING | K_PORTABLE | K_FURNITURE | K_MACHINE | K_EVENT, K_BUILDING },
    { PREP_IN, K_LIVING | (K_PORTABLE & ~K_COIL) | K_FURNITURE | K_VEHICLE | K_EVENT | K_BUILDING | K_SOURCE | K_LAKE,
      K_GROUND },
    { PREP_IN, K_LIVING | K_VEHICLE | K_EVENT | K_BUILDING | K_BRIDGE | K_GROUND, K_VILLAGE },
    { PREP_IN, (K_PORTABLE & ~(K_BOX | K_LIGHT)) | K_WILD, K_BOX },
    { PREP_IN, K_LIVING | K_PORTABLE, K_VEHICLE },
    { PREP_IN, K_COIL, K_MACHINE },
};
const int toy_prep_rule_count = sizeof toy_prep_rules / sizeof toy_prep_rules[0];
/* clang-format on */

/* round(1000 / rank^0.7) */
int toy_zipf(int rank)
{
    static const int weights[] = { 1000, 616, 463, 379, 324, 285, 256, 233, 215, 200,
                                   187,  176, 166, 158, 150, 144, 138, 132, 127, 123 };
    int last = (int)(sizeof weights / sizeof weights[0]);
    return weights[(rank < 1 ? 1 : rank > last ? last : rank) - 1];
}
