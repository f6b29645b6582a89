/* Sentences as an inspection takes them: ids, words, flags and classes, and of the toy language its gold. */
#ifndef INSPECT_DATA_H
#define INSPECT_DATA_H

#include "data.h"
#include "model.h"

/* Sentences in one list: those shown first, then those measured. */
typedef struct {
    heed_sentence *sentences;
    int64_t count, room;
    int64_t shown;            /* how many of them are */
    int64_t measured;         /* where those end; what follows is only in pairs */
    bool showing;             /* those added now are shown, so they are translated too */
    heed_decision *decisions; /* of the measured ones that are not to fit on */
    toy_decision *toy;        /* likewise, in the same order */
    int64_t decisions_count, decisions_room;
    heed_minimal_pair *pairs; /* their sentences are known after inspect_ready */
    int64_t (*pair_at)[2];
    int64_t pairs_count, pairs_room;
    const char *kinds[64];
    int kinds_count;
    int16_t (*claims)[2];
    int claims_count;
    int64_t page_bytes; /* of heads.html, as heed_inspect_desc; also: twice as many are warned of */
    bool measured_rollout;
} inspect_data;

/* Word classes of the toy language; NULL: of no class. */
extern const char *const inspect_classes[];
extern const int inspect_classes_count;
int16_t inspect_class(const char *word, bool french); /* -1: none */

void inspect_data_free(inspect_data *d);
/* Sentences [from, from + n) of a split; fit: not to measure but to fit templates on. */
void inspect_add_toy(inspect_data *d, const model *m, toy_split split, int64_t from, int64_t n, bool fit);
/* A pair; target NULL: what the model says. False, said, if it is empty or too long. */
bool inspect_add_pair(inspect_data *d, const model *m, const char *id, const char *set, const char *source,
                      const char *target, bool fit);
/* Minimal pairs, as far as the model keeps words whole: while showing one of each kind, at most n of a split; later n
 * of test-pairs and n / 2 of test-number. */
void inspect_add_pairs(inspect_data *d, const model *m, int64_t n);
/* After the last sentence: pairs, and what is known of every kind of arc, the phenomenon that should suffer without a
 * head of it. */
void inspect_ready(inspect_data *d);
/* Models set beside the one inspected (inspect_others.c). */
typedef struct {
    heed_inspect_other *list;
    model **models; /* of each its model, and that before its first step */
    int count;
} other_models;
/* paths: joined by commas; NULL: none. Dies if one is missing or has other words than m, the model of `path`. */
other_models others_load(const char *paths, const model *m, const char *path);
void others_free(other_models *o);
model *untrained_of(const model *m); /* its start is a function of its seed */
char *model_name(const char *path);  /* the last part: no place on this machine goes into the files; to be freed */

/* Inspects the model of a run's folder, writes what it found into the folder `out`, and prints the answer
 * (cmd_inspect.c). others NULL: none. */
void inspect_into(const model *m, const other_models *others, inspect_data *d, const char *run, const char *out,
                  int threads);

#endif
