/* What the files of the inspect room share. Not installed. */
#ifndef HEED_INSPECT_INTERNAL_H
#define HEED_INSPECT_INTERNAL_H

#include "inspect.h"
#include "measures.h"
#include "../tensor/internal.h"

/* ---- record.c ---------------------------------------------------------------------------------------------------- */
int64_t record_queries(const heed_record *r, int type);
int64_t record_keys(const heed_record *r, int type);
/* The weights of a query; head counts all heads of the type. */
const heed_real *record_row(const heed_record *r, int type, int64_t head, int64_t row);
/* Adds what a head says in a row, before the output projection, to out [d]: sum_j A[i, j] v_j (flow.c). */
void record_say(const heed_record *r, int type, int64_t head, int64_t i, double *out);

/* ---- the table of measures (table.c) ------------------------------------------------------------------------------ */
#define MEASURE_ID(name, ...) M_##name,
typedef enum { MEASURE_LIST(MEASURE_ID) MEASURES } measure_id;
typedef enum { RAW, CONTENT, EOS_NULL, VARIANTS } variant_id;
/* How the sums of a column become its number. */
typedef enum { MEAN, ONE_MINUS, CLIPPED, RESIDUAL, OF_LAYER } measure_form;
typedef enum { SUB_ONE, SUB_OFFSETS, SUB_ARCS, SUB_ALIGN } measure_subs;
typedef struct {
    const char *id;
    unsigned types, variants; /* bit sets */
    measure_subs subs;
    measure_form form;
    measure_id n;     /* the measure that counts what this one is of */
    double low, high; /* its range; high infinite: open */
    const char *text;
} measure_info;
extern const measure_info measure_infos[MEASURES];
extern const char *const variant_names[VARIANTS];
extern const char *const type_names[3];

enum { REACH = 8, OFFSETS = 2 * REACH + 1, RESAMPLES = 1000 };
enum { SHIFT_OUT, SHIFT_IN, BY_NORM = 2 }; /* subs of alignment: shift + by */

/* A column is one measure in one variant for all heads of a type, and behind them slots of no head: uniform attention,
 * and for alignment the means of each layer, of all layers, and the diagonal. */
typedef struct {
    measure_id measure;
    variant_id variant;
    int type, sub;
    int64_t first; /* slot of head 0 among all columns' */
    int64_t slots;
} column;
typedef struct {
    int64_t sentences, heads[3], layers[3], slots;
    column *columns;
    int count;
    int base[MEASURES][VARIANTS][3]; /* the first column, its sub 0; -1: none */
    int *arc_subs[3];                /* [kinds]: sub of a kind's first shift among arc columns; -1: none */
    const int16_t *arc_kinds[3];     /* [subs]: kind * 2 + shift */
    int arc_count[3];
    double *sums, *weights; /* [slots, sentences] */
    double *margins; /* [arcs, widest], content, at the row that predicts: by head of the arc's type; NULL: none */
    int64_t *first_arc, widest; /* of each sentence, [sentences]; the most heads of a type */
} table;

struct heed_inspection;
/* Only alignment error rates, if `few`. */
table *table_new(heed_arena *arena, const struct heed_inspection *x, int64_t sentences, bool few);
/* Where a measurement goes. */
typedef struct {
    table *t;
    int type;
    int64_t slot, sentence;
} spot;
void put(spot at, measure_id measure, variant_id variant, int sub, double sum, double weight);
int64_t table_slot_uniform(const table *t, int type);
/* How often each sentence is drawn: [sentences, RESAMPLES + 1], the last column all ones. */
double *table_draws(heed_arena *arena, int64_t sentences);
/* sum of sums over sum of weights, [n], in every resample and, last, as they are: out [RESAMPLES + 1]; draws NULL: only
 * the last. NaN where the weights are 0. */
void quotients(const double *sums, const double *weights, int64_t n, const double *draws, double *out);
/* The number in every resample and, last, itself: out [RESAMPLES + 1]; draws NULL: only itself. */
void table_evaluate(const table *t, const column *c, int64_t slot, const double *draws, double *out);
double table_value(const table *t, const column *c, int64_t slot);
heed_measure table_measure(const table *t, const column *c, int64_t slot, const double *draws);
/* 2.5 % and 97.5 % of values [RESAMPLES], NaNs left out; moves them about. */
void percentiles(double *values, double *lo, double *hi);

/* ---- measures of one sentence ------------------------------------------------------------------------------------- */
/* A row of a head: the keys that count and their weights. */
typedef struct {
    int64_t i, n;
    double *p; /* [n], sum 1 */
    int32_t *key;
    double kept; /* what they had of the row before they were made to sum to 1 */
    bool random; /* uniform attention: its largest weight is anywhere */
} view;
/* Queries and keys of a type. */
typedef struct {
    int type;
    const heed_tokens *query, *key;
} field;
field field_of(const heed_sentence *s, int type);
int64_t field_valid(const field *f, int64_t row); /* keys it may look at */
void view_raw(view *v, const field *f, const heed_real *row, int64_t i);
typedef enum { ROW_COUNTS, ROW_SINK, ROW_OUT } row_kind;
row_kind view_content(view *v, const field *f, const heed_real *row, int64_t i);
row_kind view_keys(view *v, const field *f, const heed_real *row, int64_t i); /* the same for any query */
int64_t view_best(const view *v);                                     /* place of the largest, the first of equals */
double divergence(const heed_real *a, const heed_real *b, int64_t n); /* Jensen-Shannon, in bits */
double tau_b(const double *a, const double *b, int64_t n);            /* Kendall's; NaN if all are equal on a side */

/* Positions and word classes that explain rows, fitted on some sentences (position.c). */
typedef struct {
    int64_t reach, classes, cells, heads[3], d;
    double *sums[3], *counts[3]; /* [heads, raw and content, cells]: by offset, then by pair of classes */
    double *outputs[3];          /* [heads, d]: sums of what heads say */
    double rows[3];
} templates;
/* What a head says on average, [d]. */
const double *templates_mean(const templates *t, heed_head head, int per_layer);
templates *templates_new(heed_arena *arena, const struct heed_inspection *x);
void templates_add(templates *to, const templates *from);

/* One thread's tools, and the sentence it works on. */
typedef struct {
    const struct heed_inspection *x;
    const heed_transformer *net;
    heed_tape *tape;
    heed_arena *arena;
    heed_recorder *recorder;
    view a, b;
    double *room; /* [4 x longest sentence] */
    const heed_sentence *s;
    int64_t at; /* its number among those it is measured with */
    heed_record r;
    heed_real *uniform; /* a row for each number of keys: [longest, longest] */
    heed_grads *grads;
    double *said, loss;
} scene;
/* Runs the sentence, or the same places with other tokens; first: of positions. */
bool scene_record(scene *c, const int32_t *src, const int32_t *tgt, int64_t first, heed_record *out);
const heed_real *scene_row(const scene *c, int type, int64_t slot, int64_t row);
/* Lengths of what each key carries to each head's output, ||(x_j Wv + b) Wo||: [heads, keys]; in the arena. */
double *scene_norms(scene *c, int type);

const heed_attention *attention_of(const heed_transformer *m, int type, int64_t layer);
/* What of the source (enc: [S, S], cross: [T, S]) and of the decoder's inputs (dec: [T, T]) reaches the top when weights
 * are multiplied along, half of each layer's output or, if it was recorded, its share coming through attention;
 * uniform: of uniform attention. */
bool rollout(heed_arena *arena, const heed_record *r, bool uniform, double *out[3]);

void rows_measure(scene *c, table *t);
void templates_fit(scene *c, templates *to);
void templates_measure(scene *c, table *t, const templates *fitted);
bool swaps_measure(scene *c, table *t);
bool arcs_measure(scene *c, table *t);
bool alignment_measure(scene *c, table *t);
bool importance_measure(scene *c, table *t);
bool faithfulness_measure(scene *c, table *t);
double log_probability(const heed_real *logits, int64_t words, int32_t token);

/* ---- ablation (ablate.c) -------------------------------------------------------------------------------------------- */
enum {
    SHUFFLED = HEED_ABLATE_UNIFORM + 1,
    ABLATIONS,
    RANDOM_ORDERS = 10,
    TOGETHER = 6,
    REDUNDANT = TOGETHER * (TOGETHER - 1) / 2
}; /* SHUFFLED: only its loss */
typedef struct {
    double value, lo, hi, p;
    bool ranked, matters; /* matters: p below 0.05 after Holm's correction over heads */
} effect;
/* Of sums over weights, [count]: paired over sentences. */
effect effect_of(const double *change, const double *weight, int64_t count, const double *draws);
void effects_correct(effect *e, int64_t m, int stride); /* Holm's correction over m effects, `stride` apart */
/* What is measured of an ablation: these, then each phenomenon forced, each free, and the margin of each. */
enum { EFFECT_LOSS, EFFECT_EXACT, EFFECT_BLEU, EFFECT_FORCED };
typedef struct {
    const char *name; /* heads, joined by commas */
    char **texts;     /* [shown]; NULL: as without ablation */
    double *losses;
} cached;
typedef struct {
    double loss, exact, decided;   /* decided: share of all decisions, forced */
    double *forced, *free, *count; /* [phenomena] */
} tally;
typedef struct {
    heed_outcome base;
    tally tally;
    effect *of[ABLATIONS];                /* [heads, effects_count] */
    int64_t *order;                       /* [heads] as removed */
    tally *curve;                         /* [heads + 1] */
    double *random_loss, *random_decided; /* [RANDOM_ORDERS, heads + 1] */
    int64_t pairs[REDUNDANT][2];          /* of the heads that matter most; loss beyond the sum of both alone */
    effect redundancy[REDUNDANT];
    int pairs_count;
    cached *cache;
    int cached_count, cache_room;
} ablations;
/* NULL: not measured of such a head; i counts all heads: enc, dec, cross. */
const heed_measure *measure_at(const struct heed_inspection *x, measure_id m, variant_id variant, int sub, int64_t i);
heed_head head_at(const struct heed_inspection *x, int64_t i);
int64_t heads_count(const struct heed_inspection *x);
int effects_count(const struct heed_inspection *x);
double bleu_of(const struct heed_inspection *x, const heed_outcome *o, int draw); /* draw RESAMPLES: all sentences */
bool ablations_run(struct heed_inspection *x);
/* Keeps translations without all of these heads. */
bool ablations_keep(const struct heed_inspection *x, ablations *a, int64_t *which, int count);

/* ---- minimal pairs (pairs.c) ------------------------------------------------------------------------------------------ */
typedef struct {
    double *effects, *margins; /* [pairs, all heads], NaN: the cue changes too little; [pairs, 2] */
    effect *of;                /* [phenomena, all heads] */
    int64_t *count;            /* [phenomena, 2]: pairs that count, and those that do not */
} patching;
bool patching_run(struct heed_inspection *x);
bool shuffled_run(struct heed_inspection *x);
/* The head that most of a phenomenon hangs on, by patching (if there are pairs, patched) or by the margin's fall without
 * it; -1: none that can be told from nothing. */
int64_t carrier_of(const struct heed_inspection *x, int phenomenon, bool patched);

/* ---- agreement across a distance (agreement.c) ------------------------------------------------------------------------ */
/* Decisions are of measured sentences, and their arcs of those; false: not so. */
bool decisions_fit(const struct heed_inspection *x);
/* Room for the margin of every arc of the measured sentences; NaN: it has no attractors. */
bool margins_start(const struct heed_inspection *x, table *t);
/* Of an arc of the sentence that is measured; nothing where the table has no room for margins. */
void margin_keep(spot at, const struct heed_inspection *x, const heed_arc *arc, double margin);

/* ---- likeness (similar.c) ------------------------------------------------------------------------------------------ */
typedef struct {
    double *jsd, *map;                /* [heads, heads], [heads, 2] */
    double *diversity, *disagreement; /* [layers] */
} similarity;
bool similarity_run(struct heed_inspection *x);

/* ---- roles (roles.c) ------------------------------------------------------------------------------------------------ */
enum { MAX_LABELS = 12 };
typedef struct {
    char role[64], name[96], why[160];
    char grade;
    measure_id measure;
    variant_id variant;
    int sub;
    double threshold;
    bool strict;
} label;
typedef struct {
    label labels[MAX_LABELS];
    int count;
    bool idle;
    char text[256];
} role;
int roles_thresholds(const char **names, double *values); /* at most 16 */
bool roles_run(struct heed_inspection *x);

/* ---- health, examples (health.c) ------------------------------------------------------------------------------------ */
enum { TOP = 5, FINDINGS = 256 };
typedef enum { FAULT_NAN, FAULT_MASK, FAULT_SUM, FAULTS } fault;
typedef struct {
    const heed_sentence *sentence; /* NULL: none */
    int32_t row, key;
    double weight;
} example;
typedef struct {
    double loss; /* sum over sentences */
    int64_t faults[FAULTS];
    example *top; /* [all heads, TOP] */
} watch;
watch *watch_new(heed_arena *arena, const struct heed_inspection *x);
void watch_add(watch *to, const watch *from, int64_t heads);
void watch_scene(scene *c, watch *w);
typedef struct {
    const char *level, *code;
    int64_t head; /* -1: of none */
    char text[128];
} finding;
bool health_run(struct heed_inspection *x);

/* ---- training time (time.c) ------------------------------------------------------------------------------------------ */
enum { HISTORY_SHOWN = 8 };
typedef struct {
    double loss;
    role *roles;        /* of all heads */
    heed_record *shown; /* of the first sentences */
} moment;
typedef struct {
    int column;
    double *value, *lo, *hi; /* [steps, heads of the type] */
} series;
typedef struct {
    int64_t shown;
    moment *moments; /* [steps] */
    series *series;
    int series_count;
    double *churn; /* [steps - 1, all heads] */
} history;
bool history_run(struct heed_inspection *x);
int64_t history_onset(const struct heed_inspection *x, int64_t head, const char *code); /* the step; -1: it has none */
bool role_has(const role *r, const char *code);

/* ---- other models (others.c, assign.c) --------------------------------------------------------------------------------- */
/* The column of each row, no two the same, such that the sum of costs [n, n] is least. */
bool assign(heed_arena *arena, const double *cost, int64_t n, int64_t *column_of);
typedef struct {
    heed_record *shown; /* [shown] */
    role *roles;        /* of all its heads */
    int64_t *partner;   /* [all heads]: its head that goes with each of the inspected model's */
    double *apart;      /* [all heads]: how far, in bits; NaN: no row had a choice */
    double *any;        /* the mean over all heads of the layer there */
    double loss;
    int64_t faults[FAULTS];
} companion;
typedef struct {
    const label *label;
    int models; /* that have the role */
} found_role;
bool others_fit(const struct heed_inspection *x);
bool others_run(struct heed_inspection *x);
/* Heads of the i-th other model (-1: of the inspected one) with that role. */
int64_t others_heads_with(const struct heed_inspection *x, int i, const char *code);

/* ---- export (export.c, json.c, blocks.c, svg.c) ------------------------------------------------------------------------ */
enum { MAX_TOKENS = 1024 }; /* of a sentence */
/* One way to read word alignments off cross-attention: a slot and sub of the alignment columns. */
typedef struct {
    int64_t slot;
    int sub;
    variant_id variant;
    double fit; /* error rate on the sentences to choose by */
} aligner;
typedef struct {
    char id[96];
    const char *kind, *sentence;
    int type;
    int64_t shape[4], step; /* step: of training, + 1; 0: none */
    int model;              /* another one, from 1; 0: the inspected one */
    bool flat, floats;      /* flat: its shape is the last two */
    double scale;           /* 0: 1 */
    const heed_real *data;
} block;
typedef struct {
    char *data;
    int64_t size, room;
} json_text;
bool aligners_find(struct heed_inspection *x);
bool blocks_find(struct heed_inspection *x);
/* n cells of 255, rounded so that they sum to it. */
void block_round(const heed_real *row, int64_t n, uint8_t *out);
bool page_write(const struct heed_inspection *x, const char *path, const char *json, int64_t bytes);
bool json_make(const struct heed_inspection *x, json_text *out);                    /* data: memory_put */
bool json_lists(const struct heed_inspection *x, int64_t sentence, json_text *out); /* weights as BertViz takes them */
bool svg_write(const struct heed_inspection *x, const char *path, int64_t sentence, int type);
extern const char inspect_page[]; /* generated: the template, or "" */

/* ---- an inspection (inspect.c) ------------------------------------------------------------------------------------ */
struct heed_inspection {
    heed_inspect_desc desc;
    heed_arena *arena;
    int64_t heads[3], layers[3], longest;
    const heed_sentence **fit, **measured; /* those of desc.measured */
    int64_t fit_count, measured_count;
    int16_t *baselines[3]; /* [arc subs]: the best fixed offset; INT16_MIN: none */
    table *trained, *fitted, *untrained;
    templates *templates;
    double *draws;
    heed_measure *measures; /* [slots of trained] */
    ablations *ablations;   /* NULL: none */
    patching *patching;     /* NULL: none */
    similarity similarity[3];
    role *roles; /* of all heads */
    char summary[512];
    watch *watch;
    finding findings[FINDINGS];
    int findings_count;
    heed_record *shown; /* [shown] */
    history *history;   /* NULL: none */
    companion *others;  /* [desc.others_count] */
    found_role *found;  /* in any of them, or here */
    int found_count;
    char beside[192];
    bool brief; /* only what roles need */
    aligner *aligners, winner;
    int aligners_count;
    block *blocks;
    int blocks_count, blocks_room, blocks_left_out;
    int64_t blocks_bytes;
};
bool baselines_fit(heed_inspection *x, const table *t);
/* Records of the first sentences shown, which last. */
bool record_shown(heed_inspection *x, const heed_transformer *net, int64_t count, heed_record **out);
/* The table of the control, on the sentences of x. */
bool inspect_control(heed_inspection *x, const heed_transformer *net);
/* The table of a network, and its numbers. */
bool inspect_numbers(heed_inspection *x, const heed_transformer *net);
bool scene_start(scene *c, const heed_inspection *x, const heed_transformer *net);
void scene_free(scene *c);
typedef bool scene_fn(scene *c, void *to);
typedef struct {
    const heed_inspection *x;
    const heed_transformer *net;
    const heed_sentence **list;
    int64_t count;
    scene_fn *fn;
    void **blocks; /* what fn is given: one for each part of the list, in order */
    int n_blocks;
} scene_pass;
enum { BLOCKS = 8 };
/* Runs every sentence of the list on the network. */
bool inspect_each(scene_pass pass);

#endif
