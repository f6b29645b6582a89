/* What the rooms share below the public headers: counted memory and checked arithmetic. Not installed. */
#ifndef HEED_INTERNAL_H
#define HEED_INTERNAL_H

#include "tensor.h"

/* The one allocator. 64-byte aligned, not cleared; bytes >= 0. NULL and a HEED_MEMORY error if it fails. */
void *memory_get(int64_t bytes);
void *memory_get_zeroed(int64_t bytes);
void memory_put(void *block); /* NULL is allowed */
/* The block with room for `bytes`, its first `keep` bytes kept; the old one stays valid on failure (NULL). */
void *memory_grow(void *block, int64_t keep, int64_t bytes);
char *memory_string(const char *text); /* a copy */

/* Debug builds (HEED_DEBUG) fill released memory with NaN and, under ASan, poison it. */
void memory_released(void *start, int64_t bytes);
void memory_reused(void *start, int64_t bytes);

/* False on overflow of int64_t or a negative operand; no error is recorded. */
bool size_mul(int64_t a, int64_t b, int64_t *product);
bool size_add(int64_t a, int64_t b, int64_t *sum);

/* Copies text into room, control characters and invalid UTF-8 as \xNN, cut with "..." if too long. For messages. */
const char *text_clean(char *room, size_t size, const char *text);

/* Visits the rows of a tensor in row-major order: n elements with this stride, the first of them at this position. A
 * contiguous tensor is one row. Stops at the first visit that returns false, and returns that. */
typedef bool row_visit(heed_real *row, int64_t stride, int64_t n, int64_t position, void *arg);
bool tensor_rows(heed_tensor t, row_visit *visit, void *arg);
/* The same with the repeated axes (stride 0) at size 1, so that every element appears once. */
heed_tensor tensor_without_repeats(heed_tensor t);
/* False and an error if t is a failed tensor, or a broadcast view, which has no elements of its own to write to. */
bool tensor_writable(heed_tensor t, const char *op);

/* Moves the pending error of this thread out, or in again: how the shard runner carries one from a worker. */
typedef struct {
    heed_error_kind kind;
    bool pending;
    char text[512];
} error_state;
/* While on, failures of this thread are only returned: neither kept nor told to heed_on_error. For trying what may fail
 * without harm. Returns what it was. */
bool error_mute(bool on);
error_state error_take(void);             /* pending is false afterwards */
void error_put(const error_state *state); /* becomes this thread's first failure if none is pending */

#endif
