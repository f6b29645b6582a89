/* What the files of the layers room share. Not installed. */
#ifndef HEED_LAYERS_INTERNAL_H
#define HEED_LAYERS_INTERNAL_H

#include "layers.h"
#include "../tensor/internal.h"

/* ---- params.c, pack.c ------------------------------------------------------------------------------------------- */
struct heed_params {
    heed_arena *arena;  /* names, parameters, values, gradients, the layers' own memory */
    heed_param **items; /* [room] pointers, so that a heed_param keeps its address */
    int count, room;
    int64_t numel;
    heed_real *values; /* [numel]; NULL before init */
    heed_grads *grads; /* the params' own */
    heed_real *packed; /* [packed_room] weights, one behind the other; they serve while is_packed */
    int64_t packed_room;
    uint64_t packed_version; /* of the values they were packed from */
    bool is_packed;
    uint64_t version;
    error_state bad; /* pending: the first bad make */
};

bool params_ready(const heed_params *params, const char *what); /* not NULL, and initialised; else an error of `what` */
void param_multiplies(heed_param *p);                           /* marks it as the W of x Wᵀ; NULL is allowed */
/* Its weight while it is packed, else NULL. */
const heed_real *param_packed(const heed_param *p);

/* ---- decode.c ---------------------------------------------------------------------------------------------------- */
/* Per decoder layer: the keys and values of its own tokens so far, and those of the encoder's output. */
struct heed_decode_cache {
    int64_t layers;
    heed_cache *self, *cross; /* [layers] */
};

/* heed_decode_cache_new in an arena, and gone with it; NULL: in memory of its own, for heed_decode_cache_free. */
heed_decode_cache *decode_cache_in(heed_arena *arena, const heed_transformer *m, int64_t rows, int64_t src_length,
                                   int64_t max_length);
/* to holds, as row i, what `from` holds as row parents[i], i < rows; to has room for them. Cross caches are exchanged
 * instead if same_sources says that every row keeps its source. */
void decode_cache_gather(heed_decode_cache *to, heed_decode_cache *from, const int32_t *parents, int64_t rows,
                         bool same_sources);
void decode_cache_set_rows(heed_decode_cache *cache, int64_t rows);

/* Back to lengths that a step which then failed found. */
void decode_cache_restore(heed_decode_cache *cache, int64_t self, int64_t cross);

/* ---- layer.c ----------------------------------------------------------------------------------------------------- */
/* The zero init in a descriptor means "this layer's usual one". */
bool init_is_default(heed_init init);
/* Each fails with a message that begins with the layer's kind and name. name may be NULL. */
bool dropout_check(const char *layer, const char *name, const char *field, double p); /* 0 <= p < 1 */
bool shared_check(const char *layer, const char *name, const heed_param *weight, heed_shape shape);
/* The sizes and rates of an encoder or decoder layer. */
bool layer_check(const char *layer, const char *name, heed_layer_desc desc);
/* What an encoder or decoder layer asks of its parts. */
heed_attention_desc layer_attention(heed_layer_desc desc);
heed_ffn_desc layer_ffn(heed_layer_desc desc);
heed_norm_desc layer_norm(heed_layer_desc desc);
/* Memory for n layers of `size` bytes, zeroed; the name of the i-th, "name.layers.i"; and whether there are any. */
void *stack_layers(heed_params *params, const char *stack, const char *name, int n, size_t size);
const char *stack_name(heed_params *params, const char *name, int i);
bool stack_made(const char *stack, int n);
/* The tape a forward builds on: its operand's. tape: &x->tape, or NULL if x is. NULL with a message if the layer was
 * not made or the operand is missing or stale. */
heed_tape *layer_tape(const char *layer, const heed_param *weight, heed_tape *const *tape);
/* Enters into the call what the trace wants of layer i of n at this place; the gates of all layers are [n, heads]. */
bool trace_into(heed_attention_call *call, const heed_trace *trace, heed_attention_type type, int i, int n,
                int64_t heads);

/* What stands around a sublayer f: x + dropout(f(norm(x))) if pre_norm, else norm(x + dropout(f(x))). */
typedef struct {
    const heed_norm *norm;
    bool pre_norm;
    double dropout;
    const char *site;
    heed_var **stream; /* receives x and f(...); NULL: not wanted */
} residual;
heed_var *residual_enter(residual r, heed_var *x);              /* what f is given */
heed_var *residual_leave(residual r, heed_var *x, heed_var *h); /* h: what f made of it */

#endif
