/* heed/layers: networks.
 *
 * A heed_params holds named parameters in one slab. Layers are small structs by value that point at their parameters;
 * their forward functions build ops on the tape of their input. A layer keeps no hidden state.
 *
 *     heed_params *params = heed_params_new();
 *     heed_linear  fc1 = heed_linear_make(params, "fc1", (heed_linear_desc){ .in = 784, .out = 128 });
 *     heed_linear  fc2 = heed_linear_make(params, "fc2", (heed_linear_desc){ .in = 128, .out = 10 });
 *     if (!heed_params_init(params, 42)) puts(heed_error());      // one slab, one seed; reports the first bad make
 *     ...
 *     heed_var *h = heed_relu(heed_linear_forward(&fc1, x));      // [64, 128]
 *     heed_params_free(params);                                   // the layers' own memory too
 *
 * Rules
 *   - Make all layers, then heed_params_init once. Names and layouts equal PyTorch's nn.Transformer, so weights go
 *     both ways: a weight is [out, in].
 *   - Every initial value is a function of (seed, parameter name), not of the order of makes.
 *   - In descriptors zero means the default; required fields are checked with a message.
 */
#ifndef HEED_LAYERS_H
#define HEED_LAYERS_H

#include "../autograd/autograd.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- parameters (params.c) ------------------------------------------------------------------------------------- */
typedef struct heed_params heed_params;

typedef enum { HEED_INIT_ZEROS, HEED_INIT_ONES, HEED_INIT_UNIFORM, HEED_INIT_NORMAL, HEED_INIT_XAVIER } heed_init_kind;
typedef struct {
    heed_init_kind kind; /* XAVIER: uniform in +-scale sqrt(6 / (in + out)), Glorot and Bengio 2010, (16) */
    double scale;        /* UNIFORM: +-scale; NORMAL: deviation scale; XAVIER: factor, 0 = 1 */
    bool has_zero_row;   /* this row of a matrix starts, and by its layer's backward stays, zero (padding) */
    int64_t zero_row;
} heed_init;

typedef struct {
    const char *name;
    heed_shape shape;
    int64_t offset; /* of its first element in the slab */
    int index;
    heed_init init;
    heed_params *params;
    bool multiplies;   /* the W of x Wᵀ: heed_params_pack takes it */
    int64_t packed_at; /* and puts it there; -1: it did not */
} heed_param;

HEED_CHECKED heed_params *heed_params_new(void);
HEED_API void heed_params_free(heed_params *params); /* NULL is allowed */
HEED_CHECKED bool heed_params_init(heed_params *params, uint64_t seed);
HEED_API int heed_params_count(const heed_params *params);
HEED_API heed_param *heed_params_at(heed_params *params, int i);
HEED_API heed_param *heed_params_find(heed_params *params, const char *name); /* NULL without an error */
HEED_API int64_t heed_params_numel(const heed_params *params);
HEED_API heed_real *heed_params_values(heed_params *params); /* the slab; tell heed_params_changed after writing */
HEED_API void heed_params_changed(heed_params *params);
HEED_API uint64_t heed_params_version(const heed_params *params);
HEED_CHECKED void *heed_params_alloc(heed_params *params, int64_t bytes); /* zeroed; lives as long as params */
/* A parameter of your own layer. NULL on a bad or doubled name, remembered until heed_params_init. */
HEED_API heed_param *heed_param_make(heed_params *params, const char *name, heed_shape shape, heed_init init);
/* "prefix.name" ("name" if prefix is empty), kept by params. */
HEED_API const char *heed_param_name(heed_params *params, const char *prefix, const char *name);
HEED_API void heed_params_fail(heed_params *params); /* remembers this thread's error as a bad make */
HEED_API heed_tensor heed_param_value(const heed_param *p);
HEED_API heed_tensor heed_param_grad(const heed_param *p);        /* in the params' own gradients; zeros if untouched */
HEED_API heed_var *heed_param_on(heed_tape *tape, heed_param *p); /* NULL p: NULL without an error */

/* A slab of gradients, laid out like the values. params has one of its own; each shard of a parallel step has another,
 * and heed_grads_bind says which one the parameters on a tape add to (NULL: the params' own). */
typedef struct heed_grads heed_grads;
HEED_CHECKED heed_grads *heed_grads_new(heed_params *params);
HEED_API void heed_grads_free(heed_grads *grads); /* of heed_grads_new; NULL is allowed */
/* So many slabs in an arena, side by side, and gone with it. */
HEED_CHECKED bool heed_grads_in(heed_arena *arena, heed_params *params, int count, heed_grads **grads);
HEED_API heed_grads *heed_params_grads(heed_params *params);
HEED_API void heed_grads_bind(heed_tape *tape, heed_grads *grads);
HEED_API void heed_grads_clear(heed_grads *grads); /* marks all empty; touches no memory */
HEED_API heed_real *heed_grads_data(heed_grads *grads);
HEED_API bool *heed_grads_empty(heed_grads *grads);         /* [count]; true: that parameter got no gradient */
HEED_API uint64_t *heed_grads_backwards(heed_grads *grads); /* backward passes completed since clear */
/* Lays weights out as products read them fastest, for tapes they come onto until heed_params_unpack: those of linear and
 * attention layers, and of your own if you set `multiplies`. Worth it where four tapes or more multiply by the same values,
 * as the shards of a step do; products keep their bits. A value changed since, and announced by heed_params_changed, is
 * read as it is. The copy is a second slab of weights and lives as long as params; where products have no use for it (in
 * double, without AVX2) there is none. */
HEED_CHECKED bool heed_params_pack(heed_params *params, int threads);
HEED_API void heed_params_unpack(heed_params *params);
/* The i-th parameter without a gradient in the params' own slab, or NULL: what a step left untouched, by name. */
HEED_API const char *heed_params_untouched(heed_params *params, int i);
/* heed_gradcheck over the inputs and every parameter. */
HEED_CHECKED bool heed_params_gradcheck(heed_params *params, heed_gradcheck_fn *fn, void *context,
                                        const heed_named_tensor *inputs, int n_inputs, heed_gradcheck_desc desc,
                                        heed_gradcheck_report *report);

/* ---- linear, embedding, positions, norm, dropout (linear.c, embedding.c, positions.c, norm.c) -------------------- */
typedef struct {
    heed_param *weight, *bias;
} heed_linear;
typedef struct {
    int64_t in, out;
    bool no_bias;
    heed_init init;     /* of the weight; zero: XAVIER. The bias starts at 0. */
    heed_param *weight; /* not NULL: shared with another layer, [out, in] (tying) */
} heed_linear_desc;
HEED_API heed_linear heed_linear_make(heed_params *params, const char *name, heed_linear_desc desc);
HEED_API heed_var *heed_linear_forward(const heed_linear *m, heed_var *x); /* [..., in] -> [..., out] */
/* heed_cross_entropy of what forward gives and labels [...], in less memory: see heed_affine_cross_entropy. */
HEED_API heed_var *heed_linear_loss(const heed_linear *m, heed_var *x, const heed_ids *labels, heed_ce_desc desc);

typedef struct {
    heed_param *weight;
    double scale;
    bool has_padding;
    int32_t padding;
} heed_embedding;
typedef struct {
    int64_t count, dim;
    double scale;     /* of the output; 0: 1. The Transformer uses sqrt(d_model) (3.4) */
    bool has_padding; /* this id's row starts at zero and gets no gradient (but from an output tied to it) */
    int32_t padding;
    heed_init init;     /* zero: NORMAL with deviation 1 / sqrt(dim) */
    heed_param *weight; /* not NULL: shared, [count, dim] */
} heed_embedding_desc;
HEED_API heed_embedding heed_embedding_make(heed_params *params, const char *name, heed_embedding_desc desc);
HEED_API heed_var *heed_embedding_forward(const heed_embedding *m, const heed_ids *ids); /* [...] -> [..., dim] */

/* Adds the code of positions first, first + 1, ... to x [B, T, D]. Sinusoidal: "Attention Is All You Need", 3.5:
 * sin(p / 10000^(2i/D)) at 2i, cos at 2i+1. Learned: a table of `count` rows; a position beyond it is an error. */
typedef struct {
    heed_param *weight; /* NULL: sinusoidal */
    heed_real *table;   /* sinusoidal: the codes of positions 0 .. count-1, ready made; NULL: none */
    int64_t count, dim;
} heed_positions;
typedef struct {
    bool learned;
    int64_t count, dim; /* needed when learned. Sinusoidal with dim: the first count codes (0: 512) are made once */
} heed_positions_desc;
HEED_API heed_positions heed_positions_make(heed_params *params, const char *name, heed_positions_desc desc);
HEED_API heed_var *heed_positions_forward(const heed_positions *m, heed_var *x, int64_t first);

typedef struct {
    heed_param *weight, *bias;
    double eps;
    bool rms;
} heed_norm;
typedef struct {
    int64_t dim;
    double eps; /* 0: 1e-5 */
    bool rms;   /* RMS norm (Zhang and Sennrich 2019): no mean, no bias */
    bool no_bias;
} heed_norm_desc;
HEED_API heed_norm heed_norm_make(heed_params *params, const char *name, heed_norm_desc desc);
HEED_API heed_var *heed_norm_forward(const heed_norm *m, heed_var *x);

/* linear2(dropout(activation(linear1(x)))), "Attention Is All You Need", 3.3. */
typedef enum { HEED_RELU, HEED_GELU, HEED_GELU_TANH, HEED_SILU } heed_activation;
HEED_API heed_var *heed_activate(heed_activation activation, heed_var *x);
typedef struct {
    heed_linear linear1, linear2;
    heed_activation activation;
    double dropout;
    const char *site;
} heed_ffn;
typedef struct {
    int64_t d_model, ffn;
    heed_activation activation;
    double dropout;
    bool no_bias;
} heed_ffn_desc;
/* Parameters prefix.linear1.weight, ... */
HEED_API heed_ffn heed_ffn_make(heed_params *params, const char *prefix, heed_ffn_desc desc);
HEED_API heed_var *heed_ffn_forward(const heed_ffn *m, heed_var *x);

/* ---- attention (attention.c, attend.c) ---------------------------------------------------------------------------
 * Masks mean "allowed" and all apply together. A query with no allowed key gives zeros and zero gradients. */
typedef struct {
    bool causal;                 /* query i sees keys 0 .. i + Tk - Tq */
    const heed_ids *key_lengths; /* [B]: keys 0 .. length-1; NULL: all */
    const heed_ids *allowed;     /* [B or 1, H or 1, Tq, Tk], not 0: allowed; NULL: all */
    heed_var *bias; /* [B or 1, H or 1, Tq, Tk], added to the scaled scores; -inf: not allowed; NULL: none */
} heed_mask;

/* One attention for every row b and head h, "Attention Is All You Need", 3.2.1:
 *     softmax(scale q kᵀ + bias) v over the allowed keys
 *     q [B, Tq, H, d]   k [B, Tk, H, d]   v [B, Tk, H, e]   ->   [B, Tq, H, e]                                      */
typedef struct {
    heed_mask mask;
    double scale;       /* 0: 1 / sqrt(d) */
    double dropout;     /* on the weights, as heed_dropout */
    const char *site;   /* names the dropout; needed with it */
    heed_var *gates;    /* [H] or [B, H]: head h's output times its gate; NULL: none */
    heed_var **weights; /* receives [B, H, Tq, Tk] before dropout and gates, without gradient; NULL: not kept */
} heed_attend_desc;
HEED_API heed_var *heed_attend(heed_var *q, heed_var *k, heed_var *v, heed_attend_desc desc); /* fused, linear memory */
/* From small ops. A key beyond key_lengths is never read, as in heed_attend; one that another mask forbids is multiplied by
 * a weight of 0, so a NaN in it would show. */
HEED_API heed_var *heed_attend_composed(heed_var *q, heed_var *k, heed_var *v, heed_attend_desc desc);

/* Keys and values of the tokens decoded so far, for one attention layer and up to B sentences. */
typedef struct {
    heed_real *k, *v;                         /* [B, H, d, capacity]; [B, H, capacity, d] */
    int64_t rows, capacity, heads, d, length; /* length: tokens held */
} heed_cache;

/* Multi-head attention, 3.2.2: h heads with d_k = d_v = d_model / h, concatenated, times the output projection. */
typedef struct {
    heed_param *in_weight; /* [3 d_model, d_model]: rows Wq; Wk; Wv. NULL with other kdim or vdim */
    heed_param *q_weight, *k_weight, *v_weight; /* else [d_model, d_model], [d_model, kdim], [d_model, vdim] */
    heed_param *in_bias;                        /* [3 d_model] or NULL */
    heed_linear out;
    int64_t d_model, heads, kdim, vdim;
    double dropout;
    bool composed;
    const char *site;
} heed_attention;
typedef struct {
    int64_t d_model, heads;
    int64_t kdim, vdim; /* 0: d_model */
    bool no_bias;
    double dropout; /* on the attention weights */
    bool composed;  /* the reading version, from small ops */
} heed_attention_desc;
typedef struct {
    heed_mask mask;
    heed_var *gates;    /* [H] or [B, H]; NULL: all open */
    heed_var **weights; /* receives [B, H, Tq, Tk]; NULL: not kept */
    heed_var **parts;   /* receives q, k and v of all heads, [B, T, H, d_k] each; NULL: not wanted */
    heed_var **stream;  /* filled by the layer around: x and what attention adds to it, [B, Tq, d_model]; NULL */
    heed_var *added;    /* [B, Tq, d_model], joins what the heads say, before the output projection; NULL: none */
    heed_cache *cache; /* decoding, in a no-grad region: k and v are appended here and attended with all before; NULL */
    bool cached_only;  /* cross-attention: the cache is complete; k and v are not read (pass NULL) */
} heed_attention_call;
HEED_API heed_attention heed_attention_make(heed_params *params, const char *name, heed_attention_desc desc);
/* q [B, Tq, d_model], k [B, Tk, kdim], v [B, Tk, vdim] -> [B, Tq, d_model]. Self-attention passes one var thrice. */
HEED_API heed_var *heed_attention_forward(const heed_attention *m, heed_var *q, heed_var *k, heed_var *v,
                                          heed_attention_call call);

/* ---- encoder, decoder, Transformer (encoder.c, decoder.c, transformer.c) ------------------------------------------ */
typedef enum { HEED_ENC, HEED_DEC, HEED_CROSS } heed_attention_type; /* the three places of attention */
/* What a forward pass records and changes of its heads. Zero: nothing. */
typedef struct {
    heed_var **weights[3]; /* [type][layer] receives [B, H, Tq, Tk]; NULL: not wanted */
    heed_var **parts[3];   /* [type][3 layer ...] receives q, k, v, [B, T, H, d_k]; NULL: not wanted */
    heed_var **streams[3]; /* [type][2 layer ...] receives the residual and what joins it, [B, T, d_model]; NULL */
    heed_var *gates[3];    /* [layers, H] or [layers, B, H]; NULL: all open */
    heed_var *added[3];    /* [layers, B, T, d_model], joins what the heads say; NULL: none */
    int64_t first;         /* added to every position */
} heed_trace;

typedef struct {
    int64_t d_model, heads, ffn;
    heed_activation activation;
    bool pre_norm;  /* x + f(norm(x)) instead of norm(x + f(x)) */
    double dropout; /* on each sublayer's output */
    double attention_dropout, ffn_dropout;
    double norm_eps; /* 0: 1e-5 */
    bool rms_norm, no_bias, composed;
} heed_layer_desc;

typedef struct {
    heed_attention self_attn;
    heed_ffn ffn;
    heed_norm norm1, norm2;
    bool pre_norm;
    double dropout;
    const char *site1, *site2;
} heed_encoder_layer;
HEED_API heed_encoder_layer heed_encoder_layer_make(heed_params *params, const char *name, heed_layer_desc desc);
HEED_API heed_var *heed_encoder_layer_forward(const heed_encoder_layer *m, heed_var *x, heed_attention_call self);

typedef struct {
    heed_attention self_attn, multihead_attn;
    heed_ffn ffn;
    heed_norm norm1, norm2, norm3;
    bool pre_norm;
    double dropout;
    const char *site1, *site2, *site3;
} heed_decoder_layer;
HEED_API heed_decoder_layer heed_decoder_layer_make(heed_params *params, const char *name, heed_layer_desc desc);
HEED_API heed_var *heed_decoder_layer_forward(const heed_decoder_layer *m, heed_var *x, heed_var *memory,
                                              heed_attention_call self, heed_attention_call cross);

typedef struct {
    heed_encoder_layer *layers;
    int n_layers;
    heed_norm norm;
    bool has_norm;
} heed_encoder;
typedef struct {
    heed_decoder_layer *layers;
    int n_layers;
    heed_norm norm;
    bool has_norm;
} heed_decoder;
typedef struct {
    int layers;
    bool no_final_norm;
    heed_layer_desc layer;
} heed_stack_desc;
HEED_API heed_encoder heed_encoder_make(heed_params *params, const char *name, heed_stack_desc desc);
HEED_API heed_decoder heed_decoder_make(heed_params *params, const char *name, heed_stack_desc desc);
/* x [B, Ts, D] -> [B, Ts, D] */
HEED_API heed_var *heed_encoder_forward(const heed_encoder *m, heed_var *x, heed_mask mask, const heed_trace *trace);
/* Per decoder layer, two caches: of its own tokens, and of the encoder's output (filled at the first step). */
typedef struct heed_decode_cache heed_decode_cache;
/* x [B, Tt, D], memory [B, Ts, D] -> [B, Tt, D]. self is usually causal; cache NULL: none. */
HEED_API heed_var *heed_decoder_forward(const heed_decoder *m, heed_var *x, heed_var *memory, heed_mask self,
                                        heed_mask cross, const heed_trace *trace, heed_decode_cache *cache);

typedef struct {
    int64_t src_vocab, tgt_vocab;
    int enc_layers, dec_layers;
    heed_layer_desc layer;
    double dropout; /* on embeddings + positions */
    bool learned_positions;
    int64_t max_length;    /* needed with learned positions */
    bool untied_output;    /* default: the output projection is the target embedding (3.4) */
    bool share_embeddings; /* source and target share one table; the vocabularies must be equal in size */
    bool has_padding;      /* padding id: its embedding starts at 0 and gets no gradient but from a tied output */
    int32_t padding;
    bool no_final_norm;
} heed_transformer_desc;
typedef struct {
    heed_transformer_desc desc;
    heed_embedding src_embed, tgt_embed;
    heed_positions src_positions, tgt_positions;
    heed_encoder encoder;
    heed_decoder decoder;
    heed_linear generator; /* [tgt_vocab, d_model], no bias */
    heed_params *params;
} heed_transformer;
HEED_API heed_transformer heed_transformer_make(heed_params *params, heed_transformer_desc desc);
/* src [B, Ts], src_lengths [B] or NULL -> memory [B, Ts, D] */
HEED_API heed_var *heed_transformer_encode(const heed_transformer *m, const heed_ids *src, const heed_ids *src_lengths,
                                           const heed_trace *trace);
/* tgt [B, Tt] (starting with <bos>) -> logits [B, Tt, tgt_vocab]; row i predicts token i + 1. */
HEED_API heed_var *heed_transformer_decode(const heed_transformer *m, const heed_ids *tgt, heed_var *memory,
                                           const heed_ids *src_lengths, const heed_trace *trace,
                                           heed_decode_cache *cache);
/* heed_cross_entropy of those logits and labels [B, Tt], for training: the logits are not kept beside their gradient. */
HEED_API heed_var *heed_transformer_loss(const heed_transformer *m, const heed_ids *tgt, heed_var *memory,
                                         const heed_ids *src_lengths, const heed_ids *labels, heed_ce_desc desc);

/* ---- decoding over token ids (decode.c, beam.c) --------------------------------------------------------------------------- */
HEED_CHECKED heed_decode_cache *heed_decode_cache_new(const heed_transformer *m, int64_t rows, int64_t src_length,
                                                      int64_t max_length);
HEED_API void heed_decode_cache_free(heed_decode_cache *cache); /* NULL is allowed */
HEED_API int64_t heed_decode_cache_length(const heed_decode_cache *cache);
typedef struct {
    int32_t bos, eos;
    int64_t max_length;                        /* tokens, <eos> included */
    bool no_cache;                             /* recompute the whole prefix at every step; for tests */
    const heed_trace *trace;                   /* of every pass; its gates were made before. NULL: none */
    bool (*on_step)(int64_t t, void *context); /* after each pass, while what it recorded is there; NULL: none */
    void *context;
} heed_decode_desc;
/* Greedy: the most probable next token (the lowest id of equals) until <eos> or max_length.
 * src row-major [rows, src_length], lengths [rows]. out [rows, max_length] and out_lengths [rows] receive the tokens
 * without <eos>; what is left of a row of out is <eos>. lengths NULL: all of src. The tape is used in eval and no-grad
 * mode and given back as it was, with room for the next call's cache; on_step must not reset it. */
HEED_CHECKED bool heed_decode_greedy(const heed_transformer *m, heed_tape *tape, const int32_t *src,
                                     const int32_t *lengths, int64_t rows, int64_t src_length, heed_decode_desc desc,
                                     int32_t *out, int32_t *out_lengths);

/* Beam search. Of all extensions of a sentence's running hypotheses the 2 beam most probable are looked at: those among
 * the first `beam` that end in <eos> are results, the first `beam` others run on; at the last place allowed they are
 * results as they are. Results are ranked by
 *     log probability / tokens^length_penalty        (<eos> counts as a token)
 * and a sentence stops when nothing that runs can still get among its n_best, so stopping early changes no result.
 * Of equals the one found first is kept. Beam 1 with penalty 0 is greedy search. */
typedef struct {
    int32_t bos, eos;
    int64_t max_length;         /* tokens, <eos> included */
    const int32_t *max_lengths; /* [rows], each 1 .. max_length; NULL: max_length */
    int beam;                   /* hypotheses that run at a time; at least 1 */
    int n_best;                 /* results a sentence, at most beam; 0: 1 */
    double length_penalty;      /* 0 or more; 1: log probability a token */
    bool has_unk;
    int32_t unk;   /* a token that is never chosen */
    bool no_cache; /* recompute the whole prefix at every step; for tests */
} heed_beam_desc;
typedef struct {
    int32_t *tokens;  /* [rows, n_best, max_length] without <eos>, which fills what is left */
    int32_t *lengths; /* [rows, n_best] tokens without <eos>; -1: there are fewer than n_best results */
    double *scores;   /* [rows, n_best] */
} heed_beam_results;
/* As heed_decode_greedy; the arrays of `to` are the caller's. */
HEED_CHECKED bool heed_decode_beam(const heed_transformer *m, heed_tape *tape, const int32_t *src,
                                   const int32_t *lengths, int64_t rows, int64_t src_length, heed_beam_desc desc,
                                   heed_beam_results to);

#ifdef __cplusplus
}
#endif
#endif
