/* What the tape's files and the ops share. Not installed.
 *
 * A root owns a gradient. Its values are one block without gaps; its gradient, when it exists, is a block laid out the
 * same way, so the gradient of any view is the view with `grad` in the place of `base`. */
#ifndef HEED_AUTOGRAD_INTERNAL_H
#define HEED_AUTOGRAD_INTERNAL_H

#include "autograd.h"
#include "../tensor/kernels.h"

/* Memory of a gradient, for whichever root needs it next. Roots with equal gradients share one until one of them is
 * written. */
typedef struct grad_block {
    struct grad_block *next; /* in the list of free ones */
    int64_t capacity;
    int users; /* roots */
    _Alignas(64) heed_real data[];
} grad_block;

struct heed_root {
    heed_real *base; /* first element of the values */
    int64_t numel;
    heed_real *grad;   /* NULL until somebody asks for a place to write */
    grad_block *block; /* that grad is in; NULL: it is external, in the place of spare values, or read only and the
                        * caller's of backward */
    bool wants;        /* takes a gradient */
    bool touched;      /* grad holds something (external roots: see *external.empty) */
    bool reached;      /* by the running backward pass */
    bool kept;         /* not released when its node has run */
    bool released;
    bool spare; /* only one op reads the values: it may write their gradient in their place */
    bool is_external;
    heed_external external;
    const uint64_t *version; /* of the values: own_version, another root's, or the external's */
    uint64_t own_version;
    const char *kind, *name; /* "output of relu", "leaf", "parameter"; the user's name or NULL */
};

/* Vars and ids live in slots that keep their address; a dead one has tape NULL, so that a stale pointer is refused. */
typedef struct {
    heed_var var;
    heed_ids ids;
    const char *kind; /* static text, readable after death */
} tape_slot;
enum { SLOTS_PER_CHUNK = 256 };
typedef struct slot_chunk {
    struct slot_chunk *next;
    tape_slot slots[SLOTS_PER_CHUNK];
} slot_chunk;
typedef struct {
    slot_chunk *first, *current;
    int64_t used;
} slot_pool;

struct heed_tape {
    heed_tape_desc desc;
    heed_arena *arena;   /* values, nodes, roots, gradients */
    heed_arena *scratch; /* within one op */
    slot_pool pools[2];  /* taken in turn, so that vars of the last turn are known to be dead during this one */
    heed_node **nodes;
    int64_t n_nodes, nodes_room;
    struct {
        const void *key;
        heed_var *var;
    } * externals; /* in order of arrival */
    int64_t n_externals, externals_room;
    int32_t *external_index; /* hash table over externals: place + 1, 0 = free; room for 2 externals_room */
    grad_block *free_grads;
    uint64_t turn;
    uint32_t step, first_row;
    bool spent;  /* backward has run */
    bool failed; /* inside backward: a gradient found no memory */
    void *slab;
};

struct heed_node_state {
    heed_tape *tape;
    bool wants;
    uint64_t out_version;
    uint64_t in_versions[]; /* n_in */
};

/* op.c: what several ops check and do. */
bool op_broadcast(const heed_op *op, heed_shape a, heed_shape b, heed_shape *out); /* fails in the op's name */
/* heed_grad_into for code that can only add: what is not there yet is zeroed. data NULL: nobody wants it. */
heed_tensor op_grad_to_add(heed_node *node, int i);
void op_map(const heed_node *node, heed_tensor out, heed_real beta, k_row *row, const heed_tensor *in, int n_in,
            const void *arg);                                                     /* k_map, on the tape's threads */
bool op_ids_usable(const heed_node *node, const heed_ids *ids, const char *what); /* there, alive, on this tape */
/* op_elementwise.c: y = f(x), and gx += row(gy, x, y). The constant is kept for backward and is both rows' arg. */
heed_var *op_unary(const heed_op *op, heed_var *x, k_row *forward, const double *constant);
bool op_unary_backward(heed_node *node, k_row *row);
heed_var *op_binary(const heed_op *op, heed_var *a, heed_var *b, k_row *forward); /* y = f(a, b), both broadcast */

/* op_rows.c: for kernels that work on contiguous rows. Tensors are seen with one axis moved to the end. */
typedef struct {
    int order[HEED_MAX_RANK]; /* for heed_tensor_permute: that axis last */
    int64_t rows, n;
} row_layout;
bool op_axis(const heed_op *op, heed_shape shape, int *axis); /* counts a negative one from the end; fails if outside */
bool rows_along(const heed_op *op, heed_shape shape, int axis, row_layout *layout);
/* The numbers as [rows, n]: t's own if they lie so, else a copy in scratch. NULL: no memory. */
const heed_real *rows_of(const heed_node *node, heed_tensor t, const row_layout *layout);
/* Where a kernel puts operand i's gradient as [rows, n]: to = gradient + beta to. rows_grad_end adds up what went to
 * scratch because the operand does not lie so. to NULL: no memory. Call it only if heed_op_wants(node, i). */
typedef struct {
    heed_real *to, beta;
    heed_tensor scratch, rest;
    heed_real rest_beta;
} rows_grad;
rows_grad rows_grad_begin(heed_node *node, int i, const row_layout *layout);
void rows_grad_end(const rows_grad *g);

/* tape.c */
tape_slot *tape_slot_new(heed_tape *tape, const char *kind);
heed_var *tape_var(heed_tape *tape, heed_root *root, heed_tensor value, const char *kind); /* NULL on failure */
bool tape_var_usable(const heed_var *v, const char *who, const char *what); /* not NULL, not stale; else an error */
bool tape_push(heed_tape *tape, heed_node *node);
heed_root *tape_root(heed_tape *tape, heed_real *base, int64_t numel, const char *kind);
/* Where draws for a site on this tape's current pass come from; row is that of the first row. */
heed_rng tape_rng(const heed_tape *tape, const char *site);

/* backward.c */
bool tape_grad_block(heed_tape *tape, heed_root *root);   /* gives root a place for its gradient, not set */
bool tape_grad_unshare(heed_tape *tape, heed_root *root); /* gives it a copy if others use its block */
heed_tensor root_grad_view(const heed_root *root, heed_tensor value);
bool root_has_grad(const heed_root *root);
const char *root_text(const heed_root *root, char *room, size_t size); /* parameter "fc1.weight" */

#endif
