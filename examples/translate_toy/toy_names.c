/* Names of things, and a sentence as a line of text. */
#include "toy.h"

#include <string.h>

static const struct {
    const char *name;
    int64_t size;
} splits[TOY_SPLITS] = {
    [TOY_TRAIN] = { "train", 60000 },
    [TOY_DEV] = { "dev", 2000 },
    [TOY_TEST_IID] = { "test-iid", 2000 },
    [TOY_TEST_COMB] = { "test-comb", 2000 },
    [TOY_TEST_STRUCT] = { "test-struct", 2000 },
    [TOY_TEST_LEN] = { "test-len", 1000 },
    [TOY_TEST_AGREE] = { "test-agree", 3000 },
    [TOY_TEST_SENSE] = { "test-sense", 2000 },
    [TOY_TEST_PAIRS] = { "test-pairs", 3000 },
    [TOY_TEST_NUMBER] = { "test-number", 2000 },
    [TOY_PROBE] = { "probe", 24 },
};

static const char *const phenomena[TOY_PHENOMENA] = {
    [TOY_GEN_DET] = "GEN-DET",       [TOY_GEN_ADJ] = "GEN-ADJ",
    [TOY_NUM_SV] = "NUM-SV",         [TOY_NUM_LONG] = "NUM-LONG",
    [TOY_GEN_LONG] = "GEN-LONG",     [TOY_NUM_VERB] = "NUM-VERB",
    [TOY_ADJ_ORDER] = "ADJ-ORDER",   [TOY_LIAISON] = "LIAISON",
    [TOY_DE_PLUR] = "DE-PLUR",       [TOY_NEG] = "NEG",
    [TOY_CLITIC] = "CLITIC",         [TOY_CL_ANTE] = "CL-ANTE",
    [TOY_ANAPHOR] = "ANAPHOR",       [TOY_POSS_AGR] = "POSS-AGR",
    [TOY_GENITIVE] = "GENITIVE",     [TOY_HOMONYM] = "HOMONYM",
    [TOY_VERB_SENSE] = "VERB-SENSE", [TOY_CONTR] = "CONTR",
};

static const char *const features[TOY_FEATURES] = {
    [TOY_F_CLAUSES] = "clauses",
    [TOY_F_NOUNS] = "nouns",
    [TOY_F_PRE_ADJECTIVES] = "pre_adjectives",
    [TOY_F_POST_ADJECTIVES] = "post_adjectives",
    [TOY_F_PREPOSITIONS] = "prepositions",
    [TOY_F_SUBJECT_RELATIVES] = "subject_relatives",
    [TOY_F_OBJECT_RELATIVES] = "object_relatives",
    [TOY_F_BARE_RELATIVES] = "bare_relatives",
    [TOY_F_POSSESSORS] = "possessors",
    [TOY_F_POSSESSOR_DEPTH] = "possessor_depth",
    [TOY_F_NEGATIONS] = "negations",
    [TOY_F_CLITICS] = "clitics",
    [TOY_F_COPULAS] = "copulas",
    [TOY_F_THAT_CLAUSES] = "that_clauses",
    [TOY_F_QUESTIONS] = "questions",
    [TOY_F_BUT] = "but",
    [TOY_F_AND] = "and",
    [TOY_F_HOMONYMS] = "homonyms",
    [TOY_F_ATTRACTORS] = "attractors",
};

const char *toy_split_name(toy_split split)
{
    return (unsigned)split < TOY_SPLITS ? splits[split].name : NULL;
}

bool toy_split_named(const char *name, toy_split *out)
{
    for (int i = 0; i < TOY_SPLITS; i++)
        if (!strcmp(name, splits[i].name)) {
            *out = (toy_split)i;
            return true;
        }
    return false;
}

int64_t toy_split_size(toy_split split)
{
    return (unsigned)split < TOY_SPLITS ? splits[split].size : 0;
}

const char *toy_phenomenon_name(toy_phenomenon phenomenon)
{
    return (unsigned)phenomenon < TOY_PHENOMENA ? phenomena[phenomenon] : NULL;
}

const char *toy_feature_name(toy_feature feature)
{
    return (unsigned)feature < TOY_FEATURES ? features[feature] : NULL;
}

const char *toy_cue_name(toy_cue cue)
{
    static const char *const names[] = { "none", "adjective", "verb", "preposition", "subject", "owner" };
    return (unsigned)cue <= TOY_CUE_OWNER ? names[cue] : NULL;
}

int64_t toy_text(const toy_sentence *sentence, bool french, char *room, int64_t size)
{
    const char *const *words = french ? sentence->french : sentence->english;
    int count = french ? sentence->french_count : sentence->english_count;
    int64_t length = 0;
    for (int i = 0; i < count; i++) {
        int64_t bytes = (int64_t)strlen(words[i]);
        if (length + bytes + 1 > size)
            return -1;
        memcpy(room + length, words[i], (size_t)bytes);
        length += bytes;
        room[length++] = i + 1 < count ? ' ' : '\0';
    }
    return length - 1;
}
