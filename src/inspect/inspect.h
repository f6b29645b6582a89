/* heed/inspect: looking inside.
 *
 *     heed_heatmap_ascii(stdout, weights, (heed_heatmap_desc){ .title = "enc.0.1", .rows = words, .cols = words });
 *
 *     heed_recorder *recorder = heed_recorder_new(&net, (heed_recorder_desc){ 0 });
 *     ... heed_transformer_encode(&net, src, NULL, heed_recorder_trace(recorder)), and decode likewise ...
 *     heed_record record;
 *     heed_recorder_take(recorder, arena, 0, S, T, &record);          // a copy of all weights of row 0
 *
 *     heed_inspection *seen = heed_inspect((heed_inspect_desc){ .net = &net, .shown = ..., .measured = ... });
 *     puts(heed_inspection_summary(seen));
 *     if (!heed_inspection_write(seen, "folder")) puts(heed_error());  // docs/inspect.md says what it writes
 *     heed_inspection_free(seen);
 *
 * Rules
 *   - Heads are named enc.LAYER.HEAD, dec.LAYER.HEAD, cross.LAYER.HEAD, from 0.
 *   - Tokens and gold come as plain arrays, translations from a callback: this room knows no vocabulary and no task.
 *   - Rows are queries, columns are keys; weights are before dropout. A source ends with <eos>, decoder inputs begin with
 *     <bos>: input i is target word i - 1, and row i predicts input i + 1.
 *   - The numbers are the same for any number of threads.
 */
#ifndef HEED_INSPECT_H
#define HEED_INSPECT_H

#include "../layers/layers.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "enc.0.1"; buffer as heed_shape_text. */
HEED_API const char *heed_head_name(heed_attention_type type, int layer, int head, heed_shape_buffer *buffer);
typedef struct {
    heed_attention_type type;
    int layer, head;
} heed_head;

/* ---- heat maps in a terminal (ascii.c) --------------------------------------------------------------------------- */
typedef struct {
    const char *title;
    const char *const *rows; /* labels, as many as weights has rows; NULL: numbers */
    const char *const *cols;
    bool color;   /* 256-colour escapes behind the shades */
    bool unicode; /* block shades instead of ASCII ones */
    bool causal;  /* keys after a query's own place are masked: shown as '/' */
    bool digits;  /* tenths, 0 to 9, instead of shades */
    int width;    /* columns, at least 40; 0: 100 */
} heed_heatmap_desc;
/* weights [Tq, Tk], 0..1 on one stated linear scale. Labels are cleaned of control characters
 * and shortened. The file is flushed, so that a failed write is an error here. */
HEED_CHECKED bool heed_heatmap_ascii(FILE *file, heed_tensor weights, heed_heatmap_desc desc);

/* ---- recording (record.c) ---------------------------------------------------------------------------------------- */
/* What all heads did with one sentence of S source tokens and T decoder inputs. */
typedef struct {
    int64_t layers[3], heads, d, S, T; /* layers of each type; d: width of a head */
    heed_real *weights[3];             /* [layers, heads, queries, keys]: S x S, T x T, T x S */
    heed_real *q[3], *k[3], *v[3];     /* [layers, heads, tokens, d]; NULL: not asked for */
    double *share[3];                  /* [layers, queries] |attention| / (|attention| + |residual|); NULL likewise */
} heed_record;
HEED_API heed_tensor heed_record_head(const heed_record *record, heed_head head); /* [queries, keys] */

typedef struct heed_recorder heed_recorder;
typedef struct {
    bool parts;  /* q, k and v too */
    bool shares; /* how much attention adds to the residual */
} heed_recorder_desc;
HEED_CHECKED heed_recorder *heed_recorder_new(const heed_transformer *m, heed_recorder_desc desc);
HEED_API void heed_recorder_free(heed_recorder *recorder); /* NULL is allowed */
/* To be given to encode and decode, in training as in evaluation. NULL for NULL, which records nothing and costs nothing. */
HEED_API heed_trace *heed_recorder_trace(heed_recorder *recorder);
/* Copies one row of the last pass, without its padding. Before the tape is reset or rewound. */
HEED_CHECKED bool heed_recorder_take(const heed_recorder *recorder, heed_arena *arena, int64_t row, int64_t S,
                                     int64_t T, heed_record *out);
/* heed_decode_greedy for one sentence, recording what each step looks at: row t is the step that chose token t, the last
 * the one that chose <eos>. */
HEED_CHECKED bool heed_record_decode(const heed_transformer *m, heed_tape *tape, heed_arena *arena, const int32_t *src,
                                     int64_t S, heed_decode_desc desc, int32_t *out, int32_t *length,
                                     heed_record *record);

/* ---- what is inspected (inspect.c) --------------------------------------------------------------------------------- */
enum {
    HEED_TOKEN_BOS = 1,
    HEED_TOKEN_EOS = 2,
    HEED_TOKEN_PAD = 4,
    HEED_TOKEN_UNK = 8,
    HEED_TOKEN_SPECIAL = 15, /* any of the above */
    HEED_TOKEN_PUNCTUATION = 16
};
typedef struct {
    int64_t count;
    const int32_t *ids;
    const uint8_t *flags;     /* sums of HEED_TOKEN_... */
    const int16_t *classes;   /* word classes, into classes of the desc, -1: none; NULL: not known */
    const char *const *words; /* UTF-8, or what passes for it */
} heed_tokens;

enum { HEED_ARC_KEYS = 8 };
typedef struct {
    int16_t source, target; /* source token, target word */
    bool sure;
} heed_link;
/* Where a word should look: one of the keys is enough. Positions are source tokens and target words. */
typedef struct {
    heed_attention_type type;
    int16_t kind, word; /* kind: into kinds of the desc. word: of the source for enc, else of the target */
    int16_t keys[HEED_ARC_KEYS], keys_count, attractors[HEED_ARC_KEYS], attractors_count;
} heed_arc;

typedef struct {
    const char *id, *set;   /* id: of [A-Za-z0-9_-] */
    bool decoded;           /* tgt is the model's own translation, not a reference */
    bool fit;               /* of measured ones: to fit templates, baselines and winners on, not measured */
    heed_tokens src, tgt;   /* tgt: decoder inputs */
    const heed_link *links; /* possible ones, all */
    const heed_arc *arcs;
    int64_t links_count, arcs_count;
    bool gold;              /* links and arcs are known, even if there are none */
    const int32_t *control; /* source ids with every cue's word replaced by an unambiguous one; NULL: none */
    const char *decisions;  /* of shown ones: a JSON array, copied into inspect.json; NULL: none */
    const char *translation, *pair;
    int exact; /* does the translation equal the reference: 0, 1; -1: not known */
} heed_sentence;

/* How the model does on the sentences as its weights are now: the task's answer. Arrays are ready. */
enum { HEED_SCORE_PARTS = 12 };
typedef struct {
    bool measure;        /* loss and forced are wanted */
    bool translate;      /* exact, free and parts */
    bool show;           /* texts and shown_loss */
    double *loss;        /* [measured] mean negative log probability of a sentence's target tokens */
    bool *exact;         /* [measured] is its translation the reference */
    double *parts;       /* [measured, HEED_SCORE_PARTS] what the desc's bleu is made of; 0 */
    bool *forced, *free; /* [decisions] is each right, given the reference so far, and in the translation */
    double *margin;      /* [decisions] log p(right) - log p(the best wrong one), likewise; NaN: not known */
    char **texts;        /* [shown] translations, from heed_arena_alloc(arena, ...) */
    double *shown_loss;
    heed_arena *arena;
} heed_outcome;
typedef bool heed_evaluate_fn(heed_outcome *outcome, void *context);
/* A score of all translations together, BLEU, from sums of their parts. */
typedef double heed_score_fn(const double parts[HEED_SCORE_PARTS], void *context);
enum { HEED_DECISION_ARCS = 2 };
typedef struct {
    int32_t sentence; /* of those without `fit`, from 0 */
    int16_t phenomenon;
    int16_t distance;                 /* tokens from what decides it; 0: not known, and then neither is what follows */
    int16_t attractors;               /* how many in between could mislead */
    int16_t arcs[HEED_DECISION_ARCS]; /* of the sentence, from 1, where heads may look for what decides it; 0: none */
} heed_decision;

/* Two sentences of the same lengths that differ in one source word, or in two that say the same, and so in one
 * decision. */
typedef struct {
    const heed_sentence *sentences[2]; /* shown ones or others; ids, flags and words are read */
    int32_t row, token[2];             /* the row that decides; what it should say in each */
    int16_t word, also, phenomenon;    /* the source word; a second one behind it, 0: none */
} heed_minimal_pair;

/* Another model to set beside: of the same vocabularies, numbers of layers and heads; it is fed the same ids. */
typedef struct {
    const heed_transformer *net, *untrained;
    const char *name;
    int64_t step, seed;
} heed_inspect_other;

typedef struct {
    const heed_transformer *net;
    const heed_transformer *untrained; /* the same before its first step; NULL: no such control */
    int32_t eos;                       /* of the target */
    const char *name;
    int64_t step, seed;
    const heed_sentence *shown, *measured; /* heed_outcome's measured: those without `fit`, in their order */
    int64_t shown_count, measured_count;
    const char *const *kinds, *const *classes, *const *phenomena;
    int kinds_count, classes_count, phenomena_count;
    const int16_t (*claims)[2]; /* kind, phenomenon: a head of these arcs should matter for this phenomenon */
    int claims_count;
    heed_evaluate_fn *evaluate; /* NULL: nothing is ablated */
    heed_score_fn *bleu;        /* NULL: no such score */
    const heed_decision *decisions;
    int64_t decisions_count;
    const heed_minimal_pair *pairs;
    int64_t pairs_count;
    void *context;
    const int64_t *steps; /* snapshots of training, rising */
    int steps_count;
    const heed_transformer *(*at_step)(int i, void *context); /* the network then, until the next call */
    bool measured_rollout; /* by `share` at each position; false: half of every layer comes through attention */
    const heed_inspect_other *others; /* their heads are matched with net's, and shown with them */
    int others_count;
    int64_t page_bytes; /* of heads.html: data that do not fit are left out; above five times as many it is not written,
                         * and one of before removed. 0: 5 MiB */
    int threads;        /* 0: heed_threads() */
} heed_inspect_desc;

/* One number of one head, with its 95 % interval. NaN: undefined. */
typedef struct {
    double value, lo, hi, chance, untrained;
    int64_t n, sentences;
} heed_measure;
typedef struct {
    const char *id, *variant; /* docs/inspect.md; variant NULL: "raw" */
    const char *kind;         /* of arcs; of aer and soft_mass "weight" or "norm"; NULL: none */
    const char *shift;        /* "out", "in"; NULL: none */
    int offset;
} heed_measure_name;

typedef struct heed_inspection heed_inspection;
/* Everything desc points to must live as long. */
HEED_CHECKED heed_inspection *heed_inspect(heed_inspect_desc desc);
HEED_API void heed_inspection_free(heed_inspection *x); /* NULL is allowed */
/* Writes inspect.json, heads.html, attn/, attn.safetensors, align.txt and pictures (docs/inspect.md) into a folder that is
 * there. The same inspection gives the same bytes. */
HEED_CHECKED bool heed_inspection_write(const heed_inspection *x, const char *folder);
HEED_API const char *heed_inspection_summary(const heed_inspection *x); /* "24 heads: 5 positional, ..." */
/* "Beside 2 other models: 5 of 7 roles are in all; ..."; "": there are none. */
HEED_API const char *heed_inspection_beside(const heed_inspection *x);
/* The i-th role of a head, "OFFSET-1", and its grade, 'A' to 'C'; NULL: there are no more. */
HEED_API const char *heed_inspection_role(const heed_inspection *x, heed_head head, int i, char *grade);
/* False, with an error, if nothing of that name was measured. */
HEED_CHECKED bool heed_inspection_measure(const heed_inspection *x, heed_measure_name name, heed_head head,
                                          heed_measure *out);

/* ---- switching heads off (ablate.c) ---------------------------------------------------------------------------------- */
/* ZERO: they say nothing, as with a gate of 0. MEAN: always what they say on average over the sentences to fit on.
 * UNIFORM: they look everywhere alike, and pass on what they see. */
typedef enum { HEED_ABLATE_ZERO, HEED_ABLATE_MEAN, HEED_ABLATE_UNIFORM } heed_ablation;
typedef struct heed_ablated heed_ablated;
/* Changes the net's parameters until they are put back, bit for bit. x: for MEAN. */
HEED_CHECKED heed_ablated *heed_ablate(const heed_transformer *net, const heed_head *heads, int count,
                                       heed_ablation how, const heed_inspection *x);
HEED_API void heed_ablate_undo(heed_ablated *ablated);                                            /* NULL is allowed */
HEED_CHECKED bool heed_head_named(const heed_transformer *net, const char *name, heed_head *out); /* "enc.0.1" */

#ifdef __cplusplus
}
#endif
#endif
