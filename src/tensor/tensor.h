/* heed/tensor: numbers.
 *
 * A heed_tensor is a window on a buffer of heed_real: a pointer, a shape, and strides counted in elements. It owns
 * nothing and is passed by value; reshape, permute, slice and broadcast make another window and copy nothing. The
 * buffer belongs to whoever made it: an arena, a parameter slab, or you.
 *
 *     heed_arena *arena = heed_arena_new();
 *     heed_tensor x = heed_tensor_new(arena, HEED_SHAPE(2, 3));
 *     heed_tensor_uniform(x, (heed_rng){ .seed = 7 }, -1, 1);
 *     heed_tensor y = heed_tensor_permute(x, (const int[]){ 1, 0 });    // [3, 2], the same six numbers
 *     if (!heed_tensor_ok(y)) puts(heed_error());
 *     heed_tensor_print(stdout, y);
 *     heed_arena_free(arena);
 *
 * Rules
 *   - The number type is fixed for the whole build: float in libheed, double in libheed64 (compile with HEED_DOUBLE).
 *   - A failed call returns false, NULL, or a tensor that is not heed_tensor_ok(); the text is heed_error()'s.
 *     Nothing here exits, prints or asserts on data.
 *   - Sizes are int64_t, and every product of sizes is checked.
 */
#ifndef HEED_TENSOR_H
#define HEED_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef HEED_DOUBLE
#include "names64.h" /* generated: every public name becomes heed64_..., so a mix of libraries fails at link */
typedef double heed_real;
#else
typedef float heed_real;
#endif

#if defined(__GNUC__)
#define HEED_API           __attribute__((visibility("default")))
#define HEED_CHECKED       __attribute__((visibility("default"), warn_unused_result))
#define HEED_PRINTF(at, n) __attribute__((format(printf, at, n)))
#else
#define HEED_API
#define HEED_CHECKED
#define HEED_PRINTF(at, n)
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define HEED_VERSION "0.1.0"
HEED_API const char *heed_version(void); /* of the library that runs; HEED_VERSION is that of the headers */

/* ---- errors (error.c) ------------------------------------------------------------------------------------------
 * Each thread keeps its first failure; later ones are dropped until it has been read or cleared. */
typedef enum {
    HEED_OK,
    HEED_MEMORY,       /* out of memory */
    HEED_BAD_SHAPE,    /* sizes that do not fit each other, or overflow */
    HEED_BAD_TYPE,     /* a number type that does not fit */
    HEED_BAD_ARGUMENT, /* a value outside its range, or missing */
    HEED_IO,           /* the operating system refused a file */
    HEED_BAD_FORMAT,   /* a file or a text breaks its format */
    HEED_BAD_STATE,    /* calls in the wrong order */
    HEED_UNSUPPORTED   /* cannot be done by this build, or at all */
} heed_error_kind;

HEED_API const char *heed_error(void);          /* the first failure's text ("" if none); marks it as read */
HEED_API heed_error_kind heed_error_code(void); /* its kind; does not mark it as read */
HEED_API bool heed_error_pending(void);         /* is there a failure nobody has read? */
HEED_API void heed_error_clear(void);
/* text as a terminal may show it: control characters and bytes that are no UTF-8 as \xNN, and ... at the end if `size`
 * bytes do not hold it. For names out of files. Returns room. */
HEED_API const char *heed_error_clean(char *room, size_t size, const char *text);
HEED_API void heed_on_error(void (*fn)(heed_error_kind, const char *text)); /* called at once; NULL: none */
/* Records a failure and returns false. For the library and for ops of your own. At most 511 bytes are kept. */
HEED_API bool heed_fail(heed_error_kind kind, const char *format, ...) HEED_PRINTF(2, 3);

/* ---- matrix products (k_gemm.c) --------------------------------------------------------------------------------
 * How they are computed; a field of the tape and the trainer. Each way gives its own bits, the same for any threads.
 *
 * SPLIT6 and below cut numbers into bf16 parts, for the matrix unit of a CPU with AMX; without one they are computed to
 * the same bits, but slowly. Errors are bounds relative to the sum of |a||b|, and the rms on normal numbers relative to
 * the result's; factors below 1e-33 lose parts. Products with a side below 16, and all of the double build, stay in full
 * precision. */
typedef enum {
    HEED_GEMM_AUTO,   /* in full precision by what is fastest here: heed's own loops where the compiler had AVX2 or
                       * AVX-512, BLAS elsewhere and in the double build */
    HEED_GEMM_BLAS,   /* by BLAS */
    HEED_GEMM_SPLIT6, /* 3 parts, 6 products: 1.2e-7, and at least as accurate as AUTO */
    HEED_GEMM_SPLIT3, /* 2 parts, 3 products: 4.6e-5; rms 5e-6 */
    HEED_GEMM_BF16    /* 1 part: 7.9e-3; rms 2.5e-3 */
} heed_gemm;

/* ---- memory (memory.c) -----------------------------------------------------------------------------------------
 * All of heed's memory comes from one allocator, which counts. */
typedef struct {
    int64_t blocks; /* live allocations */
    int64_t bytes;  /* live bytes */
    int64_t calls;  /* allocations ever made; equal before and after = nothing was allocated in between */
} heed_memory;

HEED_API heed_memory heed_memory_now(void);
/* For tests: the n-th allocation from now (1 = the next) fails, and with sticky all after it; n = 0 stops that. */
HEED_API void heed_memory_fail_at(int64_t n, bool sticky);

/* An arena hands out memory and takes it back all at once. Memory is 64-byte aligned and not cleared. After a reset the
 * arena is one block as large as the most it ever held, so a loop stops allocating once it has seen its largest turn. */
typedef struct heed_arena heed_arena;
typedef struct {
    void *block;
    size_t used;
} heed_arena_mark;

HEED_CHECKED heed_arena *heed_arena_new(void);
HEED_API void heed_arena_free(heed_arena *arena); /* NULL is allowed */
HEED_CHECKED void *heed_arena_alloc(heed_arena *arena, int64_t bytes);
HEED_API heed_arena_mark heed_arena_marked(heed_arena *arena);
HEED_API void heed_arena_rewind(heed_arena *arena, heed_arena_mark mark); /* frees what came after the mark */
HEED_API void heed_arena_reset(heed_arena *arena);                        /* frees everything; marks end */

/* ---- shapes (shape.c) ------------------------------------------------------------------------------------------ */
enum { HEED_MAX_RANK = 6 };

typedef struct {
    int rank; /* 0: a scalar */
    int64_t dims[HEED_MAX_RANK];
} heed_shape;

/* HEED_SHAPE(2, 3) is the shape [2, 3]; heed_shape_scalar() is []. More than six sizes do not compile. */
#define HEED_COUNT_(...) ((int)(sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)))
#ifdef __cplusplus
#define HEED_SHAPE(...) (heed_shape_of({ __VA_ARGS__ }))
#else
#define HEED_SHAPE(...) ((heed_shape){ .rank = HEED_COUNT_(__VA_ARGS__), .dims = { __VA_ARGS__ } })
#endif

HEED_API heed_shape heed_shape_scalar(void);
HEED_CHECKED bool heed_shape_check(heed_shape shape); /* rank 0..6, sizes >= 0, elements and bytes fit in int64_t */
HEED_API int64_t heed_shape_numel(heed_shape shape);  /* product of sizes; -1 and an error if it does not fit */
HEED_API bool heed_shape_equal(heed_shape a, heed_shape b);
/* NumPy's rule: align at the right, sizes equal or 1. */
HEED_CHECKED bool heed_shape_broadcast(heed_shape a, heed_shape b, heed_shape *out);
typedef struct {
    char text[160];
} heed_shape_buffer;
HEED_API const char *heed_shape_text(heed_shape shape, heed_shape_buffer *buffer); /* "[2, 3]"; returns buffer->text */

/* ---- tensors (tensor.c, print.c) ------------------------------------------------------------------------------- */
typedef struct {
    heed_real *data; /* NULL: the call that made it failed */
    heed_shape shape;
    int64_t strides[HEED_MAX_RANK]; /* in elements; 0 = broadcast */
} heed_tensor;

HEED_API bool heed_tensor_ok(heed_tensor t);
HEED_API int64_t heed_tensor_numel(heed_tensor t);
HEED_API bool heed_tensor_contiguous(heed_tensor t); /* row-major without gaps; axes of size 1 do not count */

HEED_API heed_tensor heed_tensor_new(heed_arena *arena, heed_shape shape); /* values not set */
HEED_API heed_tensor heed_tensor_wrap(heed_real *data, heed_shape shape);  /* your buffer, row-major */
HEED_API heed_tensor heed_tensor_reshape(heed_tensor t, heed_shape shape); /* fails if strides forbid it */
HEED_API heed_tensor heed_tensor_permute(heed_tensor t, const int *axes);  /* result axis i = axis axes[i] */
HEED_API heed_tensor heed_tensor_slice(heed_tensor t, int axis, int64_t from,
                                       int64_t to);                          /* [from, to); axis -1: the last */
HEED_API heed_tensor heed_tensor_broadcast(heed_tensor t, heed_shape shape); /* stride 0 on repeated axes */
HEED_API heed_tensor heed_tensor_contiguous_copy(heed_arena *arena, heed_tensor t);
HEED_CHECKED bool heed_tensor_copy(heed_tensor to, heed_tensor from); /* equal shapes */
HEED_CHECKED bool heed_tensor_fill(heed_tensor t, double value);
HEED_API heed_real *heed_tensor_at(heed_tensor t, const int64_t *index); /* NULL and an error if outside */
HEED_API bool heed_tensor_finite(heed_tensor t, int64_t *first);         /* first: row-major position */
HEED_API void heed_tensor_print(FILE *file, heed_tensor t);              /* long axes are shortened */

/* ---- randomness (rng.c) ----------------------------------------------------------------------------------------
 * Counter-based: a draw is a pure function of (seed, stream, step, row, index), so it does not depend on the order of
 * calls, on threads or on a resume. Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as
 * 1, 2, 3" (SC 2011). The stream is usually heed_rng_stream("a name"). */
typedef struct {
    uint64_t seed, stream;
    uint32_t step, row;
} heed_rng;

HEED_API uint64_t heed_rng_stream(const char *name); /* 64-bit FNV-1a of the name */
HEED_API uint32_t heed_rng_bits(heed_rng rng, uint64_t index);
HEED_API double heed_rng_uniform(heed_rng rng, uint64_t index);             /* [0, 1), 53 bits */
HEED_API double heed_rng_normal(heed_rng rng, uint64_t index);              /* mean 0, deviation 1 (Box-Muller) */
HEED_API uint64_t heed_rng_below(heed_rng rng, uint64_t index, uint64_t n); /* 0 .. n-1, bias under 2^-64 n; n >= 1 */
HEED_API void heed_rng_shuffle(heed_rng rng, int32_t *items, int64_t n);    /* Fisher-Yates */
HEED_CHECKED bool heed_tensor_uniform(heed_tensor t, heed_rng rng, double low, double high);
HEED_CHECKED bool heed_tensor_normal(heed_tensor t, heed_rng rng, double mean, double deviation);
HEED_CHECKED bool heed_tensor_bernoulli(heed_tensor t, heed_rng rng, double p); /* 1 with probability p, else 0 */

/* ---- files (file.c, safetensors.c, safetensors_data.c, npy.c) -------------------------------------------------- */
/* A file that is either the old one or the whole new one: written beside PATH as PATH.tmp, fsynced, renamed, and the
 * folder fsynced. heed_file_commit does that and frees; heed_file_abort leaves PATH as it was and frees. A symbolic link
 * is followed; a folder, pipe or device, or a file that is just being written, is refused. */
typedef struct heed_file heed_file;
HEED_CHECKED heed_file *heed_file_create(const char *path);
HEED_CHECKED bool heed_file_write(heed_file *file, const void *bytes, int64_t n);
HEED_CHECKED bool heed_file_printf(heed_file *file, const char *format, ...) HEED_PRINTF(2, 3);
HEED_CHECKED bool heed_file_commit(heed_file *file);
HEED_API void heed_file_abort(heed_file *file); /* NULL is allowed */

/* safetensors: an 8-byte little-endian header length, a JSON header, then raw row-major data.
 * The reader is strict: see safetensors.c for its rules. F32, F64, BF16 and F16 convert to heed_real on read, I32 and I64
 * to int64_t. The reader checks everything before it allocates memory for a tensor. */
typedef enum { HEED_F32, HEED_F64, HEED_BF16, HEED_F16, HEED_I32, HEED_I64 } heed_dtype;
HEED_API const char *heed_dtype_name(heed_dtype type); /* "F32" */

typedef struct {
    const char *name;
    heed_dtype type;
    heed_shape shape;
    int64_t bytes;
} heed_stored; /* one entry of a file; name lives as long as the reader */

typedef struct heed_reader heed_reader;
HEED_CHECKED heed_reader *heed_safetensors_open(const char *path);
HEED_API void heed_safetensors_close(heed_reader *reader);             /* NULL is allowed */
HEED_API const char *heed_safetensors_path(const heed_reader *reader); /* as messages show it: cleaned, perhaps cut */
HEED_API int heed_safetensors_count(const heed_reader *reader);
HEED_API heed_stored heed_safetensors_entry(const heed_reader *reader, int i);   /* 0 <= i < count; file order */
HEED_API int heed_safetensors_find(const heed_reader *reader, const char *name); /* index, or -1 without an error */
HEED_API const char *heed_safetensors_metadata(const heed_reader *reader, const char *key); /* or NULL, no error */
HEED_CHECKED bool heed_safetensors_read(heed_reader *reader, int i, heed_tensor out);       /* shape must be equal */
HEED_CHECKED bool heed_safetensors_read_integers(heed_reader *reader, int i, int64_t *out); /* numel values */

/* Writes entries in the order given to the (sorted by the caller) file; the same content gives the same bytes. */
typedef struct {
    const char *name;
    heed_tensor values; /* stored as F32 by libheed, F64 by libheed64; strided is fine */
} heed_named_tensor;
typedef struct {
    const char *key, *value;
} heed_metadata;
HEED_CHECKED bool heed_safetensors_save(const char *path, const heed_named_tensor *tensors, int n_tensors,
                                        const heed_metadata *metadata, int n_metadata);

/* NumPy's .npy, format 1.0 and 2.0, little-endian, C order: f4 f8 i4 i8 b1 are read, converted to heed_real. */
HEED_CHECKED heed_tensor heed_npy_load(heed_arena *arena, const char *path);
HEED_CHECKED bool heed_npy_save(const char *path, heed_tensor t); /* f4 or f8, the build's */

#ifdef __cplusplus
}

#include <initializer_list>
static inline heed_shape heed_shape_of(std::initializer_list<int64_t> dims)
{
    heed_shape shape = {};
    for (int64_t d : dims)
        if (shape.rank < HEED_MAX_RANK)
            shape.dims[shape.rank++] = d;
    return shape;
}
#endif
#endif
