/* Tensors and views. Views are held against a plain list of buffer positions, one for each element. */
#include "check.h"
#include "tensor/internal.h"

#include <sys/mman.h>

static heed_arena *arena;

static int make_arena(void **state)
{
    (void)state;
    arena = heed_arena_new();
    return arena ? 0 : -1;
}

static int free_arena(void **state)
{
    (void)state;
    heed_arena_free(arena);
    return 0;
}

/* A tensor of 0, 1, 2, ... */
static heed_tensor counting(heed_shape shape)
{
    heed_tensor t = heed_tensor_new(arena, shape);
    int64_t n = heed_tensor_numel(t);
    for (int64_t i = 0; i < n; i++)
        t.data[i] = (heed_real)i;
    return t;
}

static void making(void **state)
{
    (void)state;
    heed_real buffer[6] = { 0 };
    heed_tensor t = heed_tensor_new(arena, HEED_SHAPE(2, 3, 4));
    assert_true(heed_tensor_ok(t));
    assert_int_equal((uintptr_t)t.data % 64, 0);
    assert_int_equal(heed_tensor_numel(t), 24);
    assert_true(t.strides[0] == 12 && t.strides[1] == 4 && t.strides[2] == 1);
    heed_tensor scalar = heed_tensor_new(arena, heed_shape_scalar());
    assert_int_equal(heed_tensor_numel(scalar), 1);
    assert_true(heed_tensor_contiguous(scalar));
    heed_tensor empty = heed_tensor_new(arena, HEED_SHAPE(3, 0));
    assert_true(heed_tensor_ok(empty));
    assert_int_equal(heed_tensor_numel(empty), 0);
    assert_true(heed_tensor_contiguous(empty));
    assert_ptr_equal(heed_tensor_wrap(buffer, HEED_SHAPE(3, 2)).data, buffer);
    check_no_error();

    assert_false(heed_tensor_ok(heed_tensor_wrap(NULL, HEED_SHAPE(2))));
    check_failed(HEED_BAD_ARGUMENT, "tensor_wrap: the data is NULL");
    assert_false(heed_tensor_ok(heed_tensor_wrap(buffer, HEED_SHAPE(2, -3))));
    check_failed(HEED_BAD_SHAPE, "[2, -3]");
    assert_false(heed_tensor_ok(heed_tensor_new(arena, HEED_SHAPE(INT64_C(1) << 62, 2))));
    check_failed(HEED_BAD_SHAPE, "64 bits");
    assert_false(heed_tensor_ok(heed_tensor_new(arena, HEED_SHAPE(INT64_C(1) << 58))));
    check_failed(HEED_MEMORY, "out of memory");
    assert_false(heed_tensor_ok(heed_tensor_new(NULL, HEED_SHAPE(2))));
    check_failed(HEED_BAD_ARGUMENT, "the arena is NULL");
}

static void failed_tensors_pass_on_the_first_message(void **state)
{
    (void)state;
    heed_tensor bad = heed_tensor_new(arena, HEED_SHAPE(-2));
    bad = heed_tensor_slice(heed_tensor_permute(heed_tensor_reshape(bad, HEED_SHAPE(1)), NULL), 0, 0, 1);
    bad = heed_tensor_contiguous_copy(arena, heed_tensor_broadcast(bad, HEED_SHAPE(2)));
    assert_false(heed_tensor_ok(bad));
    assert_int_equal(heed_tensor_numel(bad), 0);
    check_failed(HEED_BAD_SHAPE, "[-2] has a negative size");
    assert_false(heed_tensor_fill(bad, 1)); /* nothing is pending: this is a failure of its own */
    check_failed(HEED_BAD_ARGUMENT, "tensor_fill: the tensor is not valid");
    assert_false(heed_tensor_copy(counting(HEED_SHAPE(2)), bad));
    check_failed(HEED_BAD_ARGUMENT, "tensor_copy: the tensor is not valid");
    assert_null(heed_tensor_at(bad, NULL));
    check_failed(HEED_BAD_ARGUMENT, "tensor_at: the tensor is not valid");
    assert_false(heed_tensor_finite(bad, NULL));
    check_failed(HEED_BAD_ARGUMENT, "tensor_finite: the tensor is not valid");
}

static void refused(heed_tensor t, heed_error_kind kind, const char *part)
{
    assert_false(heed_tensor_ok(t));
    check_failed(kind, part);
}

static void view_messages(void **state)
{
    (void)state;
    heed_tensor t = counting(HEED_SHAPE(2, 3));
    heed_tensor turned = heed_tensor_permute(t, (const int[]){ 1, 0 });
    refused(heed_tensor_reshape(t, HEED_SHAPE(4)), HEED_BAD_SHAPE, "reshape: [2, 3] has 6 elements, [4] has 4");
    refused(heed_tensor_reshape(turned, HEED_SHAPE(6)), HEED_BAD_SHAPE, "reshape a contiguous copy");
    refused(heed_tensor_reshape(t, HEED_SHAPE(-6)), HEED_BAD_SHAPE, "negative");
    refused(heed_tensor_permute(t, (const int[]){ 0, 2 }), HEED_BAD_ARGUMENT, "axis 2 of [2, 3] does not exist");
    refused(heed_tensor_permute(t, (const int[]){ -1, 0 }), HEED_BAD_ARGUMENT, "axis -1 of [2, 3] does not exist");
    refused(heed_tensor_permute(t, (const int[]){ 1, 1 }), HEED_BAD_ARGUMENT, "axis 1 of [2, 3] appears twice");
    refused(heed_tensor_permute(t, NULL), HEED_BAD_ARGUMENT, "NULL");
    refused(heed_tensor_slice(t, 2, 0, 1), HEED_BAD_ARGUMENT, "[2, 3] has no axis 2");
    refused(heed_tensor_slice(t, -3, 0, 1), HEED_BAD_ARGUMENT, "[2, 3] has no axis -3");
    refused(heed_tensor_slice(t, 1, 1, 4), HEED_BAD_ARGUMENT, "[1, 4) is not inside axis 1 of [2, 3]");
    refused(heed_tensor_slice(t, 1, 2, 1), HEED_BAD_ARGUMENT, "expected 0 <= from <= to <= 3");
    refused(heed_tensor_slice(t, 1, -1, 1), HEED_BAD_ARGUMENT, "[-1, 1)");
    refused(heed_tensor_broadcast(t, HEED_SHAPE(3)), HEED_BAD_SHAPE, "broadcast: [2, 3] does not fit [3]");
    refused(heed_tensor_broadcast(t, HEED_SHAPE(2, 6)), HEED_BAD_SHAPE, "[2, 3] does not fit [2, 6]");
    refused(heed_tensor_broadcast(t, heed_shape_scalar()), HEED_BAD_SHAPE, "[2, 3] does not fit []");
    refused(heed_tensor_broadcast(t, HEED_SHAPE(0, 3)), HEED_BAD_SHAPE, "[2, 3] does not fit [0, 3]");
    assert_null(heed_tensor_at(t, (const int64_t[]){ 1, 3 }));
    check_failed(HEED_BAD_ARGUMENT, "index 3 is outside axis 1 of [2, 3]");
    assert_null(heed_tensor_at(t, (const int64_t[]){ -1, 0 }));
    check_failed(HEED_BAD_ARGUMENT, "index -1 is outside axis 0");
    assert_null(heed_tensor_at(t, NULL));
    check_failed(HEED_BAD_ARGUMENT, "the index is NULL");
}

static void empty_and_scalar_views(void **state)
{
    (void)state;
    heed_tensor t = counting(HEED_SHAPE(2, 3));
    heed_tensor none = heed_tensor_slice(t, 1, 3, 3);
    assert_int_equal(heed_tensor_numel(none), 0);
    assert_ptr_equal(none.data, t.data); /* not past the end */
    assert_true(heed_tensor_ok(heed_tensor_reshape(none, HEED_SHAPE(0, 7))));
    assert_true(heed_tensor_ok(heed_tensor_broadcast(heed_tensor_slice(t, 1, 0, 1), HEED_SHAPE(2, 0))));
    assert_true(heed_tensor_fill(none, 9));
    assert_true(heed_tensor_copy(none, none));
    heed_tensor one =
        heed_tensor_reshape(heed_tensor_slice(heed_tensor_slice(t, 0, 1, 2), -1, 2, 3), heed_shape_scalar());
    assert_true(*heed_tensor_at(one, NULL) == 5);
    assert_true(heed_tensor_ok(heed_tensor_permute(one, NULL)));
    assert_true(heed_tensor_ok(heed_tensor_broadcast(one, heed_shape_scalar())));
    assert_true(*heed_tensor_at(heed_tensor_broadcast(one, HEED_SHAPE(2, 1, 2)), (const int64_t[]){ 1, 0, 1 }) == 5);
    assert_true(t.data[0] == 0 && t.data[5] == 5);
    check_no_error();
}

/* ---- random chains of views against a list of positions ---------------------------------------------------------- */

enum { MOST = 4096 };
typedef struct {
    heed_shape shape;
    int n, at[MOST]; /* position in the buffer of each element, row-major */
} list;

static uint64_t draws;
static int below(int n)
{
    return (int)heed_rng_below((heed_rng){ .seed = 99 }, draws++, (uint64_t)n);
}

static void index_of(heed_shape shape, int position, int64_t *index)
{
    for (int i = shape.rank - 1; i >= 0; i--) {
        index[i] = position % shape.dims[i];
        position /= (int)shape.dims[i];
    }
}

static int position_of(heed_shape shape, const int64_t *index)
{
    int position = 0;
    for (int i = 0; i < shape.rank; i++)
        position = position * (int)shape.dims[i] + (int)index[i];
    return position;
}

/* new[i] = old[where(index of i)] for all views but reshape: `axis_of` gives the old axis of each new one (-1: none),
 * `from` what is added to its index; repeated axes stay at 0. */
static void rearrange(list *l, heed_shape shape, const int *axis_of, int64_t from)
{
    list old = *l;
    l->shape = shape;
    l->n = (int)heed_shape_numel(shape);
    for (int i = 0; i < l->n; i++) {
        int64_t index[6], old_index[6] = { 0 };
        index_of(shape, i, index);
        for (int k = 0; k < shape.rank; k++)
            if (axis_of[k] >= 0 && old.shape.dims[axis_of[k]] > 1)
                old_index[axis_of[k]] = index[k] + (from >> 8 * axis_of[k] & 0xFF);
        l->at[i] = old.at[position_of(old.shape, old_index)];
    }
}

static heed_tensor random_permute(list *l, heed_tensor t)
{
    int axes[6] = { 0, 1, 2, 3, 4, 5 };
    heed_shape shape = l->shape;
    for (int i = shape.rank - 1; i > 0; i--) {
        int j = below(i + 1), axis = axes[i];
        axes[i] = axes[j], axes[j] = axis;
    }
    for (int i = 0; i < shape.rank; i++)
        shape.dims[i] = l->shape.dims[axes[i]];
    rearrange(l, shape, axes, 0);
    return heed_tensor_permute(t, axes);
}

static heed_tensor random_slice(list *l, heed_tensor t)
{
    if (l->shape.rank == 0)
        return t;
    int axis = below(l->shape.rank), size = (int)l->shape.dims[axis], from = below(size);
    int to = from + 1 + below(size - from);
    heed_shape shape = l->shape;
    shape.dims[axis] = to - from;
    rearrange(l, shape, (const int[]){ 0, 1, 2, 3, 4, 5 }, (int64_t)from << 8 * axis);
    return heed_tensor_slice(t, below(2) ? axis : axis - shape.rank, from, to);
}

static heed_tensor random_broadcast(list *l, heed_tensor t)
{
    heed_shape shape = { .rank = l->shape.rank + below(7 - l->shape.rank) % 2 };
    int axis_of[6], shift = shape.rank - l->shape.rank;
    for (int i = 0; i < shape.rank; i++) {
        axis_of[i] = i - shift;
        int64_t size = i < shift ? 1 : l->shape.dims[i - shift];
        shape.dims[i] = size == 1 ? 1 + below(3) : size;
    }
    if (heed_shape_numel(shape) > MOST)
        return t;
    rearrange(l, shape, axis_of, 0);
    return heed_tensor_broadcast(t, shape);
}

/* Another shape with as many elements: the primes of n dealt out to some axes. */
static heed_shape random_shape_of(int n)
{
    heed_shape shape = { .rank = n == 1 ? below(4) : 1 + below(6) };
    for (int i = 0; i < shape.rank; i++)
        shape.dims[i] = 1;
    for (int p = 2; n > 1; p++)
        for (; n % p == 0; n /= p)
            shape.dims[below(shape.rank)] *= p;
    return shape;
}

/* Do strides exist that give these positions in this shape? */
static bool has_strides(const list *l, heed_shape shape)
{
    int64_t strides[6] = { 0 }, index[6];
    for (int i = 0; i < shape.rank; i++)
        if (shape.dims[i] > 1) {
            memset(index, 0, sizeof index);
            index[i] = 1;
            strides[i] = l->at[position_of(shape, index)] - l->at[0];
        }
    for (int i = 0; i < l->n; i++) {
        int64_t at = l->at[0];
        index_of(shape, i, index);
        for (int k = 0; k < shape.rank; k++)
            at += index[k] * strides[k];
        if (at != l->at[i])
            return false;
    }
    return true;
}

static int reshapes[2];
static heed_tensor random_reshape(list *l, heed_tensor t)
{
    heed_shape shape = random_shape_of(l->n);
    bool possible = has_strides(l, shape);
    heed_tensor view = heed_tensor_reshape(t, shape);
    assert_int_equal(heed_tensor_ok(view), possible); /* a view whenever there is one, and only then */
    reshapes[possible]++;
    if (!possible) {
        check_failed(HEED_BAD_SHAPE, "have no view as");
        return t;
    }
    l->shape = shape;
    return view;
}

static void chains_of_views(void **state)
{
    (void)state;
    heed_tensor (*const kinds[])(list *, heed_tensor) = { random_permute, random_slice, random_broadcast,
                                                          random_reshape };
    static list l;
    for (int turn = 0; turn < 4000; turn++) {
        l.shape = (heed_shape){ .rank = below(5) };
        for (int i = 0; i < l.shape.rank; i++)
            l.shape.dims[i] = 1 + below(4);
        heed_tensor base = counting(l.shape), t = base;
        l.n = (int)heed_tensor_numel(t);
        for (int i = 0; i < l.n; i++)
            l.at[i] = i;
        for (int step = 0; step < 6; step++) {
            t = kinds[below(4)](&l, t);
            check_no_error();
            assert_true(heed_shape_equal(t.shape, l.shape));
            bool dense = true;
            for (int i = 0; i < l.n; i++) {
                int64_t index[6];
                index_of(l.shape, i, index);
                assert_int_equal(heed_tensor_at(t, index) - base.data, l.at[i]);
                dense = dense && l.at[i] == l.at[0] + i;
            }
            assert_int_equal(heed_tensor_contiguous(t), dense);
        }
        heed_tensor copy = heed_tensor_contiguous_copy(arena, t);
        assert_true(heed_tensor_contiguous(copy) && heed_shape_equal(copy.shape, t.shape));
        for (int i = 0; i < l.n; i++)
            assert_true(copy.data[i] == (heed_real)l.at[i]);
        heed_arena_reset(arena);
    }
    assert_true(reshapes[0] > 500 && reshapes[1] > 500);
}

/* ---- copy, fill, finite ------------------------------------------------------------------------------------------ */

static void copying_and_filling(void **state)
{
    (void)state;
    heed_tensor base = counting(HEED_SHAPE(4, 6)), to = heed_tensor_slice(heed_tensor_slice(base, 0, 1, 3), 1, 2, 4);
    heed_tensor from = heed_tensor_permute(counting(HEED_SHAPE(2, 2)), (const int[]){ 1, 0 });
    assert_true(heed_tensor_copy(to, from));
    const heed_real want[] = { 0, 1, 2, 3, 4, 5, 6, 7, 0, 2, 10, 11, 12, 13, 1, 3, 16, 17, 18, 19, 20, 21, 22, 23 };
    assert_memory_equal(base.data, want, sizeof want);
    assert_true(heed_tensor_copy(to, heed_tensor_broadcast(heed_tensor_slice(base, 0, 0, 1), HEED_SHAPE(1, 6))) ==
                false);
    check_failed(HEED_BAD_SHAPE, "tensor_copy: the shapes differ: to [2, 2], from [1, 6]");
    assert_false(heed_tensor_copy(heed_tensor_broadcast(heed_tensor_slice(to, 0, 0, 1), HEED_SHAPE(2, 2)), from));
    check_failed(HEED_BAD_ARGUMENT, "broadcast view");
    assert_true(heed_tensor_fill(heed_tensor_broadcast(heed_tensor_slice(to, 0, 0, 1), HEED_SHAPE(3, 2)), -0.5));
    assert_true(base.data[8] == (heed_real)-0.5 && base.data[9] == (heed_real)-0.5 && base.data[10] == 10);
    assert_true(base.data[7] == 7 && base.data[14] == 1);
    heed_tensor line = heed_tensor_reshape(base, HEED_SHAPE(24)); /* overlapping, contiguous: as memmove */
    assert_true(heed_tensor_copy(heed_tensor_slice(line, 0, 12, 24), heed_tensor_slice(line, 0, 10, 22)));
    assert_true(base.data[12] == 10 && base.data[14] == 12 && base.data[23] == 21);
    check_no_error();
}

static void finding_what_is_not_finite(void **state)
{
    (void)state;
    int64_t first = -7;
    heed_tensor t = counting(HEED_SHAPE(5, 7, 9)), view = heed_tensor_permute(t, (const int[]){ 2, 0, 1 });
    assert_true(heed_tensor_finite(t, &first) && heed_tensor_finite(view, &first));
    assert_int_equal(first, -7);
    *heed_tensor_at(view, (const int64_t[]){ 4, 3, 2 }) = (heed_real)NAN;
    *heed_tensor_at(view, (const int64_t[]){ 7, 0, 0 }) = -(heed_real)INFINITY;
    assert_false(heed_tensor_finite(view, &first));
    assert_int_equal(first, (4 * 5 + 3) * 7 + 2);
    assert_false(heed_tensor_finite(t, &first));
    assert_int_equal(first, 7);
    assert_false(heed_tensor_finite(t, NULL));
    assert_true(heed_tensor_finite(heed_tensor_slice(view, 0, 0, 4), NULL));
    check_no_error();
}

/* ---- printing ---------------------------------------------------------------------------------------------------- */

static void check_printed(heed_tensor t, const char *want)
{
    char text[2000];
    FILE *file = tmpfile();
    assert_non_null(file);
    heed_tensor_print(file, t);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(text, want);
}

static void printing(void **state)
{
    (void)state;
    heed_tensor t = counting(HEED_SHAPE(2, 3));
    t.data[4] = (heed_real)0.5;
    t.data[2] = -2;
    check_printed(t, "[[  0,   1,  -2],\n [  3, 0.5,   5]]\n");
    check_printed(heed_tensor_permute(t, (const int[]){ 1, 0 }), "[[  0,   3],\n [  1, 0.5],\n [ -2,   5]]\n");
    check_printed(heed_tensor_reshape(heed_tensor_slice(heed_tensor_slice(t, 0, 1, 2), 1, 1, 2), heed_shape_scalar()),
                  "0.5\n");
    check_printed(counting(HEED_SHAPE(2, 1, 2)), "[[[0, 1]],\n\n [[2, 3]]]\n");
    check_printed(counting(HEED_SHAPE(6)), "[0, 1, 2, 3, 4, 5]\n");
    check_printed(counting(HEED_SHAPE(7)), "[0, 1, 2, ..., 4, 5, 6]\n");
    check_printed(counting(HEED_SHAPE(101)), "[  0,   1,   2, ...,  98,  99, 100]\n");
    check_printed(counting(HEED_SHAPE(8, 1)), "[[0],\n [1],\n [2],\n ...,\n [5],\n [6],\n [7]]\n");
    check_printed(counting(HEED_SHAPE(3, 0)), "[] of shape [3, 0]\n");
    check_printed((heed_tensor){ .data = NULL }, "(a tensor whose making failed)\n");
}

/* ---- more than 2^31 elements ------------------------------------------------------------------------------------- */

static void beyond_31_bits(void **state)
{
    (void)state;
    const int64_t n = (INT64_C(1) << 31) + 16, half = n / 2;
    size_t bytes = (size_t)n * sizeof(heed_real);
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        skip(); /* no address space here */
    heed_tensor t = heed_tensor_wrap(map, HEED_SHAPE(n));
    assert_int_equal(heed_tensor_numel(t), n);
    *heed_tensor_at(t, (const int64_t[]){ n - 1 }) = 3;
    assert_true(((heed_real *)map)[n - 1] == 3);
    heed_tensor rows = heed_tensor_reshape(t, HEED_SHAPE(2, half));
    assert_ptr_equal(heed_tensor_at(rows, (const int64_t[]){ 1, half - 1 }), (heed_real *)map + n - 1);
    heed_tensor turned = heed_tensor_permute(rows, (const int[]){ 1, 0 });
    heed_tensor corner = heed_tensor_slice(turned, 0, half - 8, half); /* [8, 2]: strides 1 and 2^30 + 8 */
    heed_tensor values = counting(HEED_SHAPE(8, 2));
    assert_true(heed_tensor_copy(corner, values));
    for (int64_t i = 0; i < 8; i++) {
        assert_true(((heed_real *)map)[half - 8 + i] == (heed_real)(2 * i));
        assert_true(((heed_real *)map)[n - 8 + i] == (heed_real)(2 * i + 1));
    }
    heed_tensor ends = heed_tensor_slice(heed_tensor_reshape(t, HEED_SHAPE(n / 16, 16)), 0, n / 16 - 1, n / 16);
    assert_true(heed_tensor_copy(ends, heed_tensor_reshape(values, HEED_SHAPE(1, 16))));
    assert_true(((heed_real *)map)[n - 16] == 0 && ((heed_real *)map)[n - 1] == 15);
    assert_true(((heed_real *)map)[0] == 0);
    munmap(map, bytes);
    check_no_error();
}

/* ---- every allocation fails once --------------------------------------------------------------------------------- */

static bool scenario(void)
{
    heed_arena *own = heed_arena_new();
    heed_tensor t = heed_tensor_new(own, HEED_SHAPE(300, 200));
    bool ok = heed_tensor_ok(t) && heed_tensor_fill(t, 2);
    t = heed_tensor_contiguous_copy(own, heed_tensor_permute(t, (const int[]){ 1, 0 }));
    ok = ok && heed_tensor_ok(heed_tensor_reshape(t, HEED_SHAPE(200, 3, 100)));
    heed_arena_free(own);
    return ok;
}

static void planned_failures(void **state)
{
    (void)state;
    heed_memory before = heed_memory_now();
    assert_true(scenario());
    int64_t calls = heed_memory_now().calls - before.calls;
    assert_in_range(calls, 3, 10);
    for (int sticky = 0; sticky < 2; sticky++)
        for (int64_t n = 1; n <= calls; n++) {
            heed_memory_fail_at(n, sticky);
            bool ok = scenario();
            heed_memory_fail_at(0, false);
            assert_int_equal(ok, false);
            check_failed(HEED_MEMORY, "out of memory");
            assert_int_equal(heed_memory_now().blocks, before.blocks);
            assert_int_equal(heed_memory_now().bytes, before.bytes);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(making),
        cmocka_unit_test(failed_tensors_pass_on_the_first_message),
        cmocka_unit_test(view_messages),
        cmocka_unit_test(empty_and_scalar_views),
        cmocka_unit_test(chains_of_views),
        cmocka_unit_test(copying_and_filling),
        cmocka_unit_test(finding_what_is_not_finite),
        cmocka_unit_test(printing),
        cmocka_unit_test(beyond_31_bits),
        cmocka_unit_test(planned_failures),
    };
    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
