/* k_gemm: batched matrix products over strided views.
 *
 * A product is a set of loop axes, each with a stride in a, b and c: m (not in b), n (not in a), k (not in c), and the
 * batch. A batch axis that continues m, n or k becomes part of it, so that a linear layer over [B, T, D] and its
 * weight gradient are one product each. A large product is cut along one axis, never k, into parts for k_parallel; the
 * parts run in k_tile, our own loops, or in k_blas: where the instructions for our own are missing, in the double
 * build, or on request. */
#include "internal.h"
#include "k_gemm.h"

#include <limits.h>
#include <math.h>
#include <omp.h>

/* Makes `outer` part of `inner` if the two walk through all operands like one axis. */
static bool absorb(gemm_axis *inner, const gemm_axis *outer)
{
    if (inner->size == 1) {
        *inner = *outer;
        return true;
    }
    if (outer->a != inner->a * inner->size || outer->b != inner->b * inner->size ||
        outer->c != inner->c * inner->size || outer->size > INT_MAX / inner->size)
        return false;
    inner->size *= outer->size;
    return true;
}

static gemm_product make_product(heed_tensor c, heed_tensor a, heed_tensor b, const k_gemm_how *how)
{
    int rank = c.shape.rank, row = rank - 2, col = rank - 1;
    gemm_product p = {
        .a = a.data, .b = b.data, .c = c.data, .beta = (heed_real)how->beta, .bias = how->bias, .by = how->by
    };
    p.m = (gemm_axis){ .size = c.shape.dims[row], .a = a.strides[row], .c = c.strides[row] };
    p.n = (gemm_axis){ .size = c.shape.dims[col], .b = b.strides[col], .c = c.strides[col] };
    p.k = (gemm_axis){ .size = a.shape.dims[col], .a = a.strides[col], .b = b.strides[row] };
    for (int i = row - 1; i >= 0; i--) {
        gemm_axis outer = { .size = c.shape.dims[i], .a = a.strides[i], .b = b.strides[i], .c = c.strides[i] };
        gemm_axis *inner = outer.c == 0 ? &p.k : outer.b == 0 ? &p.m : outer.a == 0 && !p.bias ? &p.n : NULL;
        if (outer.size > 1 && !(inner && absorb(inner, &outer)))
            p.batch[p.n_batch++] = outer;
    }
    if (p.n_batch == 0 && p.n.size == c.shape.dims[col] && p.k.size == a.shape.dims[col]) /* b is one matrix, whole */
        p.packed = how->packed;
    return p;
}

static gemm_axis swap_operands(gemm_axis x)
{
    return (gemm_axis){ .size = x.size, .a = x.b, .b = x.a, .c = x.c };
}

gemm_product gemm_transposed(const gemm_product *p)
{
    gemm_product t = *p;
    t.a = p->b, t.b = p->a, t.bias_of_rows = !p->bias_of_rows;
    t.packed = NULL;
    t.m = swap_operands(p->n);
    t.n = swap_operands(p->m);
    t.k = swap_operands(p->k);
    for (int i = 0; i < p->n_batch; i++)
        t.batch[i] = swap_operands(p->batch[i]);
    return t;
}

bool gemm_next_item(gemm_product *p, int64_t index[HEED_MAX_RANK])
{
    for (int i = 0; i < p->n_batch; i++) {
        const gemm_axis *x = &p->batch[i];
        if (++index[i] < x->size) {
            p->a += x->a, p->b += x->b, p->c += x->c;
            return true;
        }
        p->a -= (x->size - 1) * x->a, p->b -= (x->size - 1) * x->b, p->c -= (x->size - 1) * x->c;
        index[i] = 0;
    }
    return false;
}

/* ---- parts ------------------------------------------------------------------------------------------------------- */

typedef struct {
    gemm_product whole;
    const gemm_way *way;
    size_t axis; /* to cut: where it is in gemm_product */
    int64_t parts, each;
    heed_real *scratch;
    int64_t lines_each; /* of scratch for a part; 0: all parts use the same, one after the other */
} job;

static gemm_axis *axis_of(gemm_product *p, size_t axis)
{
    return (gemm_axis *)((char *)p + axis);
}

static gemm_product part_of(const job *j, int64_t part)
{
    gemm_product p = j->whole;
    gemm_axis *x = axis_of(&p, j->axis);
    int64_t from = part * j->each;
    p.a += from * x->a, p.b += from * x->b, p.c += from * x->c;
    if (p.bias && x == (p.bias_of_rows ? &p.m : &p.n))
        p.bias += from;
    if (p.packed && x == &p.n) /* whole panels: k_tile, which alone reads them, has .columns of one */
        p.packed += from * p.k.size;
    x->size = x->size - from < j->each ? x->size - from : j->each;
    return p;
}

static void run_part(int64_t part, void *context)
{
    const job *j = context;
    gemm_product p = part_of(j, part);
    j->way->run(&p, j->scratch + part * j->lines_each * GEMM_LINE);
}

/* The product may be transposed. */
static const gemm_way *choose_way(gemm_product *p)
{
#ifndef HEED_DOUBLE
    if (p->by >= HEED_GEMM_SPLIT6) {
        enum { LEAST = 16 };
        if (p->m.size >= LEAST && p->n.size >= LEAST && p->k.size >= LEAST)
            return &k_split;
        p->by = HEED_GEMM_AUTO;
    }
#endif
#if K_TILE
    if (p->by == HEED_GEMM_AUTO) {
        if (!p->bias && p->m.c == 1 && (p->n.c != 1 || p->n.size == 1)) /* so that c has rows */
            *p = gemm_transposed(p);
        if (k_few_fits(p))
            return &k_few;
        if (!p->packed && k_tile_turned(p))
            *p = gemm_transposed(p);
        return &k_tile;
    }
#endif
    (void)p;
    return &k_blas;
}

/* Which axis to cut, and where. Small items of a batch stay whole. Of rows and columns the longer is cut, since each
 * part packs all of the other operand for itself. An axis along which c repeats is never cut, and a product whose bits
 * depend on the cut only if it is large, by a rule on the shape alone, for the same bits with any number of threads.
 * Where no cut can change bits, there are no more parts than two for each thread, as even as can be, and of a b that must
 * be turned round every part packs its own columns. */
static void cut(job *j, int threads)
{
    enum { NARROW = 64 };
    static const double large_item = 1 << 19, large = 1 << 24;
    gemm_product *p = &j->whole;
    double item = (double)p->m.size * (double)p->n.size * (double)p->k.size, all = item;
    gemm_axis *best = NULL;
    for (int i = 0; i < p->n_batch; i++) {
        all *= (double)p->batch[i].size;
        if (p->batch[i].c != 0 && (!best || p->batch[i].size > best->size))
            best = &p->batch[i];
    }
    int64_t unit = 1;
    if (!best || item >= large_item) {
        bool turned = j->way->turns && !p->packed && p->n.b != 1 && p->n.size >= 2 * threads * NARROW;
        bool columns = p->m.c == 0 || (p->n.c != 0 && (turned || p->n.size >= p->m.size));
        best = columns ? &p->n : &p->m;
        unit = columns ? j->way->columns : j->way->rows;
    }
    j->axis = (size_t)((char *)best - (char *)p);
    int64_t units = (best->size + unit - 1) / unit;
    j->parts = k_parts(units, (int64_t)fmin(all / (double)units, 1e15), &j->each);
    int64_t most = !j->way->any_cut ? (all < large ? 1 : j->parts) : threads > 1 ? 2 * threads : 1;
    if (best->c == 0)
        most = 1;
    if (j->parts > most) {
        j->each = (units + most - 1) / most;
        j->parts = (units + j->each - 1) / j->each;
    }
    j->each *= unit;
}

static bool run(heed_arena *scratch, job *j, int threads)
{
    bool inside = omp_in_parallel();
    if (j->way->ready && !j->way->ready(inside ? omp_get_num_threads() : threads))
        return false;
    gemm_product first = part_of(j, 0);
    j->lines_each = j->way->scratch(&first);
    int64_t bytes;
    if (!size_mul(threads > 1 ? j->parts : 1, j->lines_each * (int64_t)sizeof(heed_real) * GEMM_LINE, &bytes))
        return heed_fail(HEED_MEMORY, "gemm: copies of the operands do not fit into memory");
    if (bytes > 0 && !(j->scratch = heed_arena_alloc(scratch, bytes)))
        return false;
    if (threads == 1)
        j->lines_each = 0;
    k_parallel(threads, j->parts, run_part, j);
    return true;
}

/* ---- weights packed in advance ------------------------------------------------------------------------------------ */

int64_t k_gemm_packed_size(int64_t n, int64_t k)
{
#if K_TILE
    return k_tile_packed_rows(n) * k;
#else
    (void)n, (void)k;
    return 0;
#endif
}

void k_gemm_pack(heed_real *out, const heed_real *w, int64_t n, int64_t k)
{
#if K_TILE
    k_tile_pack(out, w, n, k);
#else
    (void)out, (void)w, (void)n, (void)k;
#endif
}

const heed_real *k_gemm_packed_from(const heed_real *packed, int64_t row, int64_t k)
{
#if K_TILE
    return packed && k_tile_packed_rows(row) == row ? packed + row * k : NULL;
#else
    (void)packed, (void)row, (void)k;
    return NULL;
#endif
}

/* ---- the call ---------------------------------------------------------------------------------------------------- */

/* The shapes fit each other, and CBLAS's ints. */
static bool fits(heed_tensor c, heed_tensor a, heed_tensor b)
{
    heed_shape_buffer ta, tb, tc;
    int rank = c.shape.rank, row = rank - 2, col = rank - 1;
    bool same = rank >= 2 && a.shape.rank == rank && b.shape.rank == rank;
    for (int i = 0; same && i < row; i++)
        same = a.shape.dims[i] == c.shape.dims[i] && b.shape.dims[i] == c.shape.dims[i];
    if (!same || a.shape.dims[row] != c.shape.dims[row] || b.shape.dims[col] != c.shape.dims[col] ||
        a.shape.dims[col] != b.shape.dims[row])
        return heed_fail(HEED_BAD_SHAPE, "gemm: a %s times b %s does not give c %s", heed_shape_text(a.shape, &ta),
                         heed_shape_text(b.shape, &tb), heed_shape_text(c.shape, &tc));
    if (c.shape.dims[row] > INT_MAX || c.shape.dims[col] > INT_MAX || a.shape.dims[col] > INT_MAX)
        return heed_fail(HEED_BAD_SHAPE, "gemm: a %s times b %s: BLAS takes sizes up to %d",
                         heed_shape_text(a.shape, &ta), heed_shape_text(b.shape, &tb), INT_MAX);
    return true;
}

static void zero_row(heed_real *out, const heed_real *const *in, int64_t n, const void *arg)
{
    (void)in, (void)arg;
    for (int64_t i = 0; i < n; i++)
        out[i] = 0;
}

/* c = beta c + bias, for products of nothing */
static void add_bias(heed_tensor c, double beta, const heed_real *bias)
{
    heed_tensor row = { .data = (heed_real *)(uintptr_t)bias, .shape = c.shape };
    row.strides[c.shape.rank - 1] = 1;
    k_map(c, (heed_real)beta, k_copy_row, &row, 1, NULL);
}

bool k_gemm(heed_arena *scratch, heed_tensor c, heed_tensor a, heed_tensor b, k_gemm_how how)
{
    if (!fits(c, a, b))
        return false;
    heed_tensor distinct = tensor_without_repeats(c);
    bool repeats = !heed_shape_equal(c.shape, distinct.shape);
    bool empty = a.shape.dims[a.shape.rank - 1] == 0;
    if (repeats || empty) { /* elements that several items add to are scaled before the first */
        if (how.beta != 1)
            k_map(distinct, (heed_real)how.beta, zero_row, NULL, 0, NULL);
        how.beta = 1;
    }
    if (empty && how.bias)
        add_bias(c, 1, how.bias);
    if (empty || heed_tensor_numel(c) == 0)
        return true;
    job j = { .whole = make_product(c, a, b, &how) };
    j.way = choose_way(&j.whole);
    int threads = k_threads(how.threads);
    cut(&j, threads);
    heed_arena_mark mark = heed_arena_marked(scratch);
    bool done = run(scratch, &j, threads);
    heed_arena_rewind(scratch, mark);
    return done;
}
