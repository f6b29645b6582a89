/* A pass over the slab of a heed_params, by several threads, with the same bits for any number of them. The slab is cut
 * by its length alone, into runs of whole blocks; a run is one task, done in order. Not installed. */
#ifndef HEED_SLAB_H
#define HEED_SLAB_H

#include "train.h"

enum { SLAB_BLOCK = 4096 };

/* Part of one parameter within one block: `count` elements from `from` on. */
typedef struct {
    int param;
    int64_t from, count;
} slab_piece;

/* What to do with a piece. Returns what to add to the pass's sum. */
typedef double slab_fn(slab_piece piece, void *context);
/* fn on every piece of the parameters not in skip [count]; sum receives what fn returned, added in a fixed order; it
 * may be NULL. False, with an error, if threads is negative. */
bool slab_pass(heed_params *params, const bool *skip, int threads, slab_fn *fn, void *context, double *sum);

/* The norm of the gradients in the params' own slab; false, with an error, if threads is negative. */
bool slab_norm(heed_params *params, int threads, double *norm);
/* Fails, naming the first parameter with a non-finite gradient in the params' own slab; true if there is none. */
bool slab_check_finite(heed_params *params, const char *who, const char *hint);

#endif
