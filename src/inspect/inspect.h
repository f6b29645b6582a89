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
} heed_heatmap_desc;
/* weights [Tq, Tk], 0..1 on one stated linear scale, at most 100 columns wide. Labels are cleaned of control characters
 * and shortened. The file is flushed, so that a failed write is an error here. */
HEED_CHECKED bool heed_heatmap_ascii(FILE *file, heed_tensor weights, heed_heatmap_desc desc);

/* ---- recording (record.c) ---------------------------------------------------------------------------------------- */
/* What all heads did with one sentence of S source tokens and T decoder inputs. */
typedef struct {
    int64_t layers[3], heads, d, S, T; /* layers of each type; d: width of a head */
    heed_real *weights[3];             /* [layers, heads, queries, keys]: S x S, T x T, T x S */
    heed_real *q[3], *k[3], *v[3];     /* [layers, heads, tokens, d]; NULL: not asked for */
} heed_record;
HEED_API heed_tensor heed_record_head(const heed_record *record, heed_head head); /* [queries, keys] */

typedef struct heed_recorder heed_recorder;
typedef struct {
    bool parts; /* q, k and v too */
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

#ifdef __cplusplus
}
#endif
#endif
