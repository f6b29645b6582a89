/* heed/autograd: derivatives.
 *
 * A tape records the ops of one forward pass; heed_backward() walks it from the end and adds up gradients.
 *
 *     heed_tape *tape = heed_tape_new((heed_tape_desc){ .seed = 1 });
 *     heed_var *a = heed_leaf(tape, HEED_SHAPE(3), (const heed_real[]){ 1, 2, 3 });
 *     heed_var *loss = heed_sum(heed_mul(a, heed_exp(a)), (heed_axes){ 0 });
 *     if (!heed_backward(loss)) puts(heed_error());
 *     heed_tensor_print(stdout, heed_grad(a));                        // (1 + a) exp(a)
 *     heed_tape_free(tape);
 *
 * Rules
 *   - What an op returns belongs to its tape and dies at reset, or at rewind to a mark. Nobody frees a heed_var. What is
 *     passed in is copied, or only read during the call.
 *   - An op given NULL returns NULL and keeps the first message, so a whole step is checked once, at its end.
 *   - reshape, permute, slice and broadcast are views: same numbers, same gradient, no copy.
 *   - A value that a backward pass needs must not change in between: heed_write() and optimiser steps are noticed.
 *   - One tape belongs to one thread. heed_shards_run() gives each worker its own.
 */
#ifndef HEED_AUTOGRAD_H
#define HEED_AUTOGRAD_H

#include "../tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct heed_tape heed_tape;
typedef struct heed_root heed_root; /* what owns a gradient: an op's output, an input, a parameter */

/* A tensor on a tape. Read-only for users. A view is another heed_var with the same root. */
typedef struct heed_var {
    heed_tape *tape;
    heed_root *root;
    heed_tensor value;
} heed_var;

/* Integers on a tape: token ids, labels, masks (0 or not 0). No gradient. Row-major. */
typedef struct {
    heed_tape *tape;
    heed_shape shape;
    const int32_t *data;
} heed_ids;

/* ---- the tape (tape.c) ----------------------------------------------------------------------------------------- */
typedef struct {
    uint64_t seed; /* of everything random on this tape */
    bool eval;     /* dropout is the identity */
    bool no_grad;  /* record nothing */
    int threads;   /* one large op may use so many; 0: heed_threads(); the same bits for any; one within a shard */
    heed_gemm gemm;
    bool
        check_finite; /* debug: fail at the first op with a non-finite value, forward or backward, and name it. -inf from
                        * masked_fill is meant and passes */
} heed_tape_desc;

typedef struct {
    int64_t nodes, slots, externals;
    heed_arena_mark memory;
    uint64_t turn;
    bool spent;
} heed_tape_mark; /* opaque */

HEED_CHECKED heed_tape *heed_tape_new(heed_tape_desc desc);
HEED_API void heed_tape_free(heed_tape *tape);  /* NULL is allowed */
HEED_API void heed_tape_reset(heed_tape *tape); /* every heed_var of it is gone; the random step goes up by one */
HEED_API heed_tape_mark heed_tape_marked(heed_tape *tape);
/* Drops what came after the mark, names given since then too. A var it dropped is refused until its place is used again. Fails if the tape was reset, or backward ran, since the mark. */
HEED_CHECKED bool heed_tape_rewind(heed_tape *tape, heed_tape_mark mark);
/* Where this pass stands: the training step, and the place of its row 0 in the whole batch. Random draws (dropout)
 * depend on these, so shards and resumed runs draw what one uninterrupted pass would. Default: step = resets so far. */
HEED_API void heed_tape_place(heed_tape *tape, uint32_t step, uint32_t first_row);
HEED_API bool heed_tape_set_grad(heed_tape *tape, bool on); /* off: a no-grad region; returns what it was */
HEED_API bool heed_tape_set_eval(heed_tape *tape, bool on); /* returns what it was */
HEED_API bool heed_tape_is_eval(const heed_tape *tape);
HEED_API bool heed_tape_is_grad(const heed_tape *tape);
HEED_API int64_t heed_tape_length(const heed_tape *tape); /* nodes recorded */
/* Where the tape's values lie: what heed_arena_alloc takes here is gone at a reset, or at a rewind to a mark from before.
 * The arena itself is the tape's to reset and rewind. */
HEED_API heed_arena *heed_tape_arena(heed_tape *tape);

/* ---- entering the tape (var.c) -------------------------------------------------------------------------------- */
HEED_API heed_var *heed_input(heed_tape *tape, heed_shape shape, const heed_real *data);   /* copied; no gradient */
HEED_API heed_var *heed_leaf(heed_tape *tape, heed_shape shape, const heed_real *data);    /* copied; with gradient */
HEED_API heed_ids *heed_input_ids(heed_tape *tape, heed_shape shape, const int32_t *data); /* copied */
HEED_API heed_ids *heed_new_ids(heed_tape *tape, heed_shape shape, int32_t **values); /* yours to fill in at once */
HEED_API heed_var *heed_detach(heed_var *v);                  /* the same values, no gradient through it */
HEED_API heed_var *heed_named(heed_var *v, const char *name); /* for error messages; copied; returns v */

/* A value that lives outside the tape: how the layers room brings in parameters. One root per key and tape, so a
 * parameter used twice has one gradient. */
typedef struct {
    const char *name;
    heed_tensor value;       /* contiguous */
    heed_real *grad;         /* contiguous, as many as value; NULL: no gradient wanted */
    bool *empty;             /* true: grad holds nothing yet; the first write overwrites, and clears it */
    const uint64_t *version; /* whoever changes the value adds one */
    uint64_t *backwards;     /* counted up when a backward pass that reached this tape is complete; may be NULL */
    /* A weight [N, K] as heed_params_pack laid it out at packed_version of the value: read instead, until the tape's reset,
     * while that is its version. NULL: it is not. */
    const heed_real *packed;
    uint64_t packed_version;
} heed_external;
HEED_API heed_var *heed_external_on(heed_tape *tape, const void *key, heed_external external);
HEED_API void heed_tape_bind(heed_tape *tape, void *slab); /* an opaque pointer for the room above; NULL at first */
HEED_API void *heed_tape_bound(const heed_tape *tape);

/* ---- leaving the tape (var.c, backward.c) --------------------------------------------------------------------- */
HEED_API heed_tensor heed_value(const heed_var *v); /* not ok, with an error, if v is NULL or stale */
HEED_API double heed_item(const heed_var *v);       /* the one element; NaN and an error if there are more */
HEED_API heed_real *heed_write(heed_var *v);       /* to change values in place; what saved them will refuse backward */
HEED_API void heed_keep_grad(heed_var *v);         /* call before backward: an intermediate gradient is kept */
HEED_API heed_tensor heed_grad(const heed_var *v); /* after backward; zeros if nothing reached v */
HEED_CHECKED bool heed_backward(heed_var *loss);   /* loss has one element; its gradient starts as 1 */
/* Any shape: starts from a gradient of v's shape, row-major, read until the call returns. Both refuse a second pass over
 * the same tape. A pass that fails half-way leaves the external gradients it reached empty and sets their `backwards` to
 * 0. */
HEED_CHECKED bool heed_backward_from(heed_var *v, const heed_real *gradient);

/* ---- views (view.c) -------------------------------------------------------------------------------------------- */
HEED_API heed_var *heed_reshape(heed_var *x, heed_shape shape); /* one size may be -1; a copy if no view is possible */
HEED_API heed_var *heed_permute(heed_var *x, const int *axes);
HEED_API heed_var *heed_slice(heed_var *x, int axis, int64_t from, int64_t to);
HEED_API heed_var *heed_broadcast(heed_var *x, heed_shape shape);

/* ---- elementwise ops; a and b broadcast by NumPy's rule (op_elementwise.c, op_activation.c) --------------------- */
HEED_API heed_var *heed_add(heed_var *a, heed_var *b);
HEED_API heed_var *heed_sub(heed_var *a, heed_var *b);
HEED_API heed_var *heed_mul(heed_var *a, heed_var *b);
HEED_API heed_var *heed_div(heed_var *a, heed_var *b);
HEED_API heed_var *heed_scale(heed_var *x, double factor);
HEED_API heed_var *heed_neg(heed_var *x);
HEED_API heed_var *heed_exp(heed_var *x);
HEED_API heed_var *heed_log(heed_var *x);
HEED_API heed_var *heed_sqrt(heed_var *x);
HEED_API heed_var *heed_pow(heed_var *x, double exponent);
HEED_API heed_var *heed_tanh(heed_var *x);
HEED_API heed_var *heed_sigmoid(heed_var *x);
HEED_API heed_var *heed_relu(heed_var *x);                                            /* derivative at 0: 0 */
HEED_API heed_var *heed_gelu(heed_var *x);                                            /* x Phi(x) */
HEED_API heed_var *heed_gelu_tanh(heed_var *x);                                       /* its tanh approximation */
HEED_API heed_var *heed_silu(heed_var *x);                                            /* x sigmoid(x) */
HEED_API heed_var *heed_where(const heed_ids *condition, heed_var *a, heed_var *b);   /* all three broadcast */
HEED_API heed_var *heed_masked_fill(heed_var *x, const heed_ids *mask, double value); /* value where mask is not 0 */

/* ---- products (op_matmul.c) ------------------------------------------------------------------------------------ */
HEED_API heed_var *heed_matmul(heed_var *a, heed_var *b); /* [..., M, K] [..., K, N]; leading axes broadcast */
/* x Wᵀ + b. x [..., K], w [N, K], b [N] or NULL for none. */
HEED_API heed_var *heed_affine(heed_var *x, heed_var *w, heed_var *b);

/* ---- reductions (op_reduce.c) ---------------------------------------------------------------------------------- */
typedef struct {
    int count;               /* 0: all axes */
    int axis[HEED_MAX_RANK]; /* negative counts from the end */
    bool keep;               /* keep reduced axes with size 1 */
} heed_axes;
#ifdef __cplusplus
#define HEED_AXES(...) (heed_axes_of({ __VA_ARGS__ }))
#else
#define HEED_AXES(...) ((heed_axes){ .count = HEED_COUNT_(__VA_ARGS__), .axis = { __VA_ARGS__ } })
#endif
HEED_API heed_var *heed_sum(heed_var *x, heed_axes axes);
HEED_API heed_var *heed_mean(heed_var *x, heed_axes axes); /* over no elements: an error */
HEED_API heed_var *heed_max(heed_var *x, heed_axes axes);  /* the gradient goes to the first of equal largest ones */

/* ---- rows (op_softmax.c, op_norm.c, op_dropout.c) -------------------------------------------------------------- */
HEED_API heed_var *heed_softmax(heed_var *x, int axis); /* a row of only -inf gives zeros */
HEED_API heed_var *heed_log_softmax(heed_var *x, int axis);
/* Over the last axis; weight and bias may be NULL. */
HEED_API heed_var *heed_layer_norm(heed_var *x, heed_var *weight, heed_var *bias, double eps);
HEED_API heed_var *heed_rms_norm(heed_var *x, heed_var *weight, double eps);
/* Zero with probability p, the rest times 1 / (1 - p); 0 <= p < 1; the identity (x itself) in eval. The mask is a
 * function of (seed, site, step, row, place in the row): see heed_tape_place. Axis 0 counts rows. */
HEED_API heed_var *heed_dropout(heed_var *x, double p, const char *site);

/* ---- picking and joining (op_index.c) -------------------------------------------------------------------------- */
typedef struct {
    bool has_padding;
    int32_t padding; /* this row is read as it stands and gets no gradient */
    double scale;    /* of the rows; 0: 1 */
} heed_embed_desc;
/* table [V, D], ids [...] -> [..., D]. An id outside 0..V-1 is an error. */
HEED_API heed_var *heed_embed(heed_var *table, const heed_ids *ids, heed_embed_desc desc);
HEED_API heed_var *heed_gather(heed_var *x, int axis, const heed_ids *ids); /* as torch.gather: shape of ids */
HEED_API heed_var *heed_concat(heed_var *const *parts, int count, int axis);

/* ---- losses (op_loss.c) ---------------------------------------------------------------------------------------- */
typedef struct {
    double smoothing; /* e: the target distribution is (1 - e) on the label plus e / V on every class */
    bool has_ignore;
    int32_t ignore; /* rows with this label count for nothing */
    bool sum;       /* the sum over counted rows instead of the mean */
    int64_t *count; /* receives how many rows counted; may be NULL */
} heed_ce_desc;
/* Fused from logits [..., V] and labels [...]. The mean of no rows is 0. Any other label outside 0..V-1 is an error. */
HEED_API heed_var *heed_cross_entropy(heed_var *logits, const heed_ids *labels, heed_ce_desc desc);
/* The same of the logits x Wᵀ + b, which nobody else can ask for: their gradient takes their place in memory. */
HEED_API heed_var *heed_affine_cross_entropy(heed_var *x, heed_var *w, heed_var *b, const heed_ids *labels,
                                             heed_ce_desc desc);
HEED_API heed_var *heed_mse(heed_var *a, heed_var *b); /* mean of (a - b)^2; equal shapes */

/* ---- gradient checks (gradcheck.c) -------------------------------------------------------------------------------
 * Compares backward with 4-point central differences of sum(c * fn(inputs)) for random c. Only in the double build
 * (libheed64); the float build refuses and says why. fn must be deterministic: it is called many times. */
typedef heed_var *heed_gradcheck_fn(heed_tape *tape, heed_var *const *inputs, void *context);
typedef struct {
    uint64_t seed;   /* of c and of the directions */
    double step;     /* h; 0: 1e-4, times max(1, |x|) */
    double absolute; /* tolerance; 0: 1e-8 */
    double relative; /* tolerance; 0: 1e-6 */
    int64_t full;    /* inputs up to this many elements are checked one by one; 0: 512 */
    int directions;  /* larger ones along this many random signed directions; 0: 8; at least 8 */
} heed_gradcheck_desc;
typedef struct {
    int64_t checked; /* comparisons made */
    double worst;    /* largest |analytic - numeric| / (absolute + relative |numeric|); 1 is the limit */
    char op[48];     /* of the failure: the last op of fn, ... */
    char input[96];  /* ... the input, ... */
    int64_t element; /* ... its row-major element, or the direction's number, ... */
    bool direction;
    double analytic, numeric; /* ... and both values */
} heed_gradcheck_report;
/* inputs: names and values (any strides). True when all agree. A kink (two step sizes disagree) is an error. */
HEED_CHECKED bool heed_gradcheck(heed_gradcheck_fn *fn, void *context, const heed_named_tensor *inputs, int n_inputs,
                                 heed_gradcheck_desc desc, heed_gradcheck_report *report);
/* The same for values outside the tape (parameters): values are changed in place and put back. */
HEED_CHECKED bool heed_gradcheck_with(heed_gradcheck_fn *fn, void *context, const heed_named_tensor *inputs,
                                      int n_inputs, const heed_external *externals, int n_externals,
                                      heed_gradcheck_desc desc, heed_gradcheck_report *report);

/* ---- shards (shards.c) -----------------------------------------------------------------------------------------
 * Runs fn for shard = 0 .. shards-1 on up to `threads` threads (0: heed_threads()). worker is 0 .. threads-1 and runs one
 * shard at a time. All shards run; then the error of the lowest-numbered failed one is this thread's. */
typedef bool heed_shard_fn(int shard, int worker, void *context);
HEED_CHECKED bool heed_shards_run(int shards, int threads, heed_shard_fn *fn, void *context);
HEED_API int heed_threads(void); /* OMP_NUM_THREADS, else the cores this process may use */

/* ---- writing an op (op.c) ------------------------------------------------------------------------------------
 * One static descriptor, a forward that overwrites and a backward that adds. examples/own_op.c is a whole one.
 *
 *     heed_var *square(heed_var *x)
 *     {
 *         heed_var *in[] = { x };
 *         heed_node *node = heed_op_begin(&square_op, in, 1);          // checks operands and tape; NULL: give up
 *         heed_var *y = heed_op_output(node, node ? x->value.shape : heed_shape_scalar());
 *         if (!y) return NULL;
 *         ... y->value from x->value ...
 *         return heed_op_end(node);                                    // records it if a gradient can flow
 *     }
 */
typedef struct heed_node heed_node;
typedef struct {
    const char *name;
    const char *operands;              /* their names for messages, "x w b"; NULL: a b c */
    bool infinite;                     /* outputs may be infinite: check_finite lets them pass */
    bool (*backward)(heed_node *node); /* NULL: refuses by name */
} heed_op;
struct heed_node {
    const heed_op *op;
    heed_var *const *in; /* operands; an optional one may be NULL */
    int n_in;
    heed_var *out;
    void *saved;                   /* heed_op_save */
    struct heed_node_state *state; /* private */
};
typedef struct {
    heed_tensor view; /* where to add; data NULL: nobody wants this gradient. May have stride 0: then reduce. */
    heed_real beta;   /* 0: overwrite (view is contiguous, if heed_grad_into gave it), 1: add */
} heed_grad_dest;

/* in[i] == NULL is an error unless optional. Fails on stale operands and on two tapes. */
HEED_API heed_node *heed_op_begin(const heed_op *op, heed_var *const *in, int n_in);
HEED_API heed_node *heed_op_begin_optional(const heed_op *op, heed_var *const *in, int n_in, int n_required);
HEED_API heed_tape *heed_op_tape(const heed_node *node);
HEED_API heed_var *heed_op_output(heed_node *node, heed_shape shape); /* values not set; NULL node: NULL */
/* The output lies in memory with these axes outermost first: order { 0, 2, 1, 3 } stores axis 2 before axis 1. */
HEED_API heed_var *heed_op_output_ordered(heed_node *node, heed_shape shape, const int *order);
HEED_API void *heed_op_save(heed_node *node, int64_t bytes); /* memory that lives until backward */
/* A second result without a gradient (attention weights); values not set. */
HEED_API heed_var *heed_op_extra(heed_node *node, heed_shape shape);
HEED_API int heed_op_threads(const heed_node *node);                    /* as many as the op may use */
HEED_API heed_rng heed_op_rng(const heed_node *node, const char *site); /* of this pass; row is that of the first row */
HEED_API heed_var *heed_op_end(heed_node *node);
/* In backward: */
/* The gradient of the output, laid out as the output; only to be read. */
HEED_API heed_tensor heed_out_grad(const heed_node *node);
HEED_API heed_grad_dest heed_grad_into(heed_node *node, int i); /* call just before writing operand i's gradient */
HEED_API bool heed_op_wants(const heed_node *node, int i);      /* would heed_grad_into give a place? */
/* The same for all operands at once, dest [n_in]. Views that together hold each element of one untouched root once, as q,
 * k and v of one projection do, all get beta 0, though none is contiguous. A place with beta 0 shares no memory with
 * another operand's. */
HEED_API void heed_grad_into_all(heed_node *node, heed_grad_dest *dest);
/* Memory until heed_op_end, or until the node's backward returns. */
HEED_API heed_tensor heed_op_scratch(const heed_node *node, heed_shape shape);

#ifdef __cplusplus
}

static inline heed_axes heed_axes_of(std::initializer_list<int> list)
{
    heed_axes axes = {};
    for (int axis : list)
        if (axes.count < HEED_MAX_RANK)
            axes.axis[axes.count++] = axis;
    return axes;
}
#endif
#endif
