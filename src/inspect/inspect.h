/* heed/inspect: looking inside.
 *
 *     heed_heatmap_ascii(stdout, weights, (heed_heatmap_desc){ .title = "enc.0.1", .rows = words, .cols = words });
 *
 * Rules
 *   - Heads are named enc.LAYER.HEAD, dec.LAYER.HEAD, cross.LAYER.HEAD, from 0.
 *   - Tokens and gold come as plain arrays: this room knows no vocabulary and no task.
 */
#ifndef HEED_INSPECT_H
#define HEED_INSPECT_H

#include "../layers/layers.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "enc.0.1"; buffer as heed_shape_text. */
HEED_API const char *heed_head_name(heed_attention_type type, int layer, int head, heed_shape_buffer *buffer);

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

#ifdef __cplusplus
}
#endif
#endif
