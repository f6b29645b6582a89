/* The allocator's counters and planned failures, and arenas. */
#include "check.h"
#include "tensor/internal.h"

#include <pthread.h>

static void counters_count(void **state)
{
    (void)state;
    heed_memory before = heed_memory_now();
    char *a = memory_get(100), *b = memory_get_zeroed(1000), *c = memory_get(0);
    heed_memory now = heed_memory_now();
    assert_int_equal(now.blocks - before.blocks, 3);
    assert_int_equal(now.bytes - before.bytes, 1100);
    assert_int_equal(now.calls - before.calls, 3);
    assert_non_null(c);
    assert_int_equal((uintptr_t)a % 64, 0);
    assert_int_equal((uintptr_t)b % 64, 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(b[i], 0);
    memcpy(a, "the first bytes", 16);
    a = memory_grow(a, 16, 5000);
    assert_string_equal(a, "the first bytes");
    char *copy = memory_string(a);
    assert_string_equal(copy, a);
    assert_int_equal(heed_memory_now().bytes - before.bytes, 6000 + 16);
    memory_put(a), memory_put(b), memory_put(c), memory_put(copy), memory_put(NULL);
    now = heed_memory_now();
    assert_int_equal(now.blocks, before.blocks);
    assert_int_equal(now.bytes, before.bytes);
    assert_int_equal(now.calls - before.calls, 5);
}

static void impossible_sizes_fail(void **state)
{
    (void)state;
    heed_memory before = heed_memory_now();
    assert_null(memory_get(-1));
    check_failed(HEED_MEMORY, "-1 bytes");
    assert_null(memory_get(INT64_MAX));
    check_failed(HEED_MEMORY, "9223372036854775807 bytes");
    assert_null(memory_get_zeroed(INT64_MAX / 2));
    check_failed(HEED_MEMORY, "out of memory");
    char *kept = memory_string("kept");
    assert_null(memory_grow(kept, 5, INT64_MAX));
    check_failed(HEED_MEMORY, "out of memory");
    assert_string_equal(kept, "kept");
    memory_put(kept);
    heed_memory now = heed_memory_now();
    assert_int_equal(now.blocks, before.blocks);
    assert_int_equal(now.bytes, before.bytes);
}

static void planned_failures(void **state)
{
    (void)state;
    for (int sticky = 0; sticky < 2; sticky++) {
        heed_memory_fail_at(3, sticky);
        void *blocks[6];
        for (int i = 0; i < 6; i++) {
            blocks[i] = memory_get(8);
            assert_int_equal(!blocks[i], i == 2 || (sticky && i > 2));
            heed_error_clear();
        }
        heed_memory_fail_at(0, true);
        void *works = memory_get(8);
        assert_non_null(works);
        memory_put(works);
        for (int i = 0; i < 6; i++)
            memory_put(blocks[i]);
    }
}

enum { THREADS = 4, PER_THREAD = 2000 };
static void *count_failures(void *out)
{
    for (int i = 0; i < PER_THREAD; i++) {
        void *block = memory_get(16);
        *(int *)out += !block;
        heed_error_clear();
        memory_put(block);
    }
    return NULL;
}

static void one_planned_failure_among_threads(void **state)
{
    (void)state;
    heed_memory before = heed_memory_now();
    pthread_t threads[THREADS];
    int failures[THREADS] = { 0 }, total = 0;
    heed_memory_fail_at(THREADS * PER_THREAD / 2, false);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_failures, &failures[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        total += failures[i];
    }
    assert_int_equal(total, 1);
    heed_memory now = heed_memory_now();
    assert_int_equal(now.blocks, before.blocks);
    assert_int_equal(now.bytes, before.bytes);
    assert_int_equal(now.calls - before.calls, THREADS * PER_THREAD - 1);
}

static void checked_arithmetic(void **state)
{
    (void)state;
    int64_t x = -7;
    assert_true(size_mul(1 << 20, INT64_C(1) << 42, &x));
    assert_int_equal(x, INT64_C(1) << 62);
    assert_false(size_mul(2, INT64_C(1) << 62, &x));
    assert_true(size_mul(0, INT64_MAX, &x));
    assert_int_equal(x, 0);
    assert_false(size_mul(-1, -1, &x));
    assert_false(size_mul(5, -1, &x));
    assert_true(size_add(INT64_MAX, 0, &x));
    assert_int_equal(x, INT64_MAX);
    assert_false(size_add(INT64_MAX, 1, &x));
    assert_false(size_add(-1, 2, &x));
    check_no_error();
}

/* ---- arenas ------------------------------------------------------------------------------------------------------ */

static void arena_gives_aligned_separate_memory(void **state)
{
    (void)state;
    heed_arena *arena = heed_arena_new();
    enum { N = 300 };
    char *parts[N];
    for (int i = 0; i < N; i++) {
        parts[i] = heed_arena_alloc(arena, 37 * i);
        assert_non_null(parts[i]);
        assert_int_equal((uintptr_t)parts[i] % 64, 0);
        memset(parts[i], i % 251, (size_t)(37 * i));
    }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < 37 * i; j++)
            assert_int_equal((unsigned char)parts[i][j], i % 251);
    heed_arena_free(arena);
    heed_arena_free(NULL);
}

static void arena_refuses(void **state)
{
    (void)state;
    heed_arena *arena = heed_arena_new();
    assert_null(heed_arena_alloc(NULL, 8));
    check_failed(HEED_BAD_ARGUMENT, "arena is NULL");
    assert_null(heed_arena_alloc(arena, -1));
    check_failed(HEED_MEMORY, "-1 bytes");
    assert_null(heed_arena_alloc(arena, INT64_MAX));
    check_failed(HEED_MEMORY, "9223372036854775807 bytes");
    assert_null(heed_arena_alloc(arena, INT64_MAX - 64));
    check_failed(HEED_MEMORY, "out of memory");
    assert_non_null(heed_arena_alloc(arena, 8)); /* it still works */
    heed_arena_rewind(NULL, heed_arena_marked(NULL));
    heed_arena_reset(NULL);
    heed_arena_free(arena);
    check_no_error();
}

/* Sizes of one turn: up to 60 allocations of up to 40 kB. */
static int turn_sizes(uint64_t turn, int64_t *sizes)
{
    heed_rng rng = { .seed = 5, .row = (uint32_t)turn };
    int n = (int)heed_rng_below(rng, 0, 60);
    for (int i = 0; i < n; i++)
        sizes[i] = (int64_t)heed_rng_below(rng, (uint64_t)i + 1, 40000);
    return n;
}

static void arena_stops_allocating(void **state)
{
    (void)state;
    enum { TURNS = 50 };
    heed_arena *arena = heed_arena_new();
    heed_memory settled = { .calls = 0 };
    for (int turn = 0; turn < 2 * TURNS; turn++) {
        int64_t sizes[60];
        int n = turn_sizes((uint64_t)(turn % TURNS), sizes);
        if (turn == TURNS)
            settled = heed_memory_now();
        for (int i = 0; i < n; i++)
            assert_non_null(heed_arena_alloc(arena, sizes[turn < TURNS ? i : n - 1 - i])); /* later in any order */
        heed_arena_reset(arena);
    }
    heed_memory now = heed_memory_now();
    assert_int_equal(now.calls, settled.calls);
    assert_int_equal(now.bytes, settled.bytes);
    heed_arena_free(arena);
}

/* What is larger than a first block has room to grow: its memory is there already after the first turn, and stays. */
static void a_reset_keeps_a_block_that_holds_all(void **state)
{
    (void)state;
#ifdef HEED_DEBUG
    skip(); /* blocks are small */
#endif
    heed_arena *arena = heed_arena_new();
    assert_non_null(heed_arena_alloc(arena, 1000));
    char *second = heed_arena_alloc(arena, 1 << 20);
    heed_memory after = heed_memory_now();
    assert_non_null(heed_arena_alloc(arena, 2 << 20));
    heed_arena_reset(arena);
    assert_ptr_equal(heed_arena_alloc(arena, 1000), second);
    assert_non_null(heed_arena_alloc(arena, 3 << 20));
    assert_int_equal(heed_memory_now().calls, after.calls);
    assert_int_equal(heed_memory_now().blocks, after.blocks - 1); /* the first one is gone */
    heed_arena_free(arena);
}

/* Without any reset: marks alone must settle too. */
static void rewinding_stops_allocating(void **state)
{
    (void)state;
    heed_arena *arena = heed_arena_new();
    heed_memory settled = { .calls = 0 };
    assert_non_null(heed_arena_alloc(arena, 1000));
    for (int turn = 0; turn < 2000; turn++) {
        int64_t sizes[60];
        int n = turn_sizes((uint64_t)(turn % 50), sizes);
        if (turn == 1000)
            settled = heed_memory_now();
        heed_arena_mark mark = heed_arena_marked(arena);
        for (int i = 0; i < n; i++)
            assert_non_null(heed_arena_alloc(arena, sizes[i]));
        heed_arena_rewind(arena, mark);
    }
    assert_int_equal(heed_memory_now().calls, settled.calls);
    assert_true(settled.bytes < 20 * 60 * 40000);
    heed_arena_free(arena);
}

/* Nested marks over many blocks: what is older than a mark stays, what is newer is handed out again. */
static void marks_nest(void **state)
{
    (void)state;
    enum { DEPTH = 40 };
    heed_arena *arena = heed_arena_new();
    heed_arena_mark marks[DEPTH];
    char *parts[DEPTH], *firsts[DEPTH];
    for (int i = 0; i < DEPTH; i++) {
        parts[i] = heed_arena_alloc(arena, 10000);
        memset(parts[i], i, 10000);
        marks[i] = heed_arena_marked(arena);
        firsts[i] = heed_arena_alloc(arena, 30000);
    }
    for (int i = DEPTH - 1; i >= 0; i--) {
        heed_arena_rewind(arena, marks[i]);
        assert_ptr_equal(heed_arena_alloc(arena, 30000), firsts[i]);
        for (int j = 0; j <= i; j++)
            for (int k = 0; k < 10000; k += 999)
                assert_int_equal(parts[j][k], j);
    }
    heed_arena_free(arena);
}

static void odd_marks_do_no_harm(void **state)
{
    (void)state;
    heed_arena *arena = heed_arena_new(), *other = heed_arena_new();
    heed_arena_mark empty = heed_arena_marked(arena);
    char *a = heed_arena_alloc(arena, 64);
    char *b = heed_arena_alloc(other, 64);
    strcpy(a, "mine");
    heed_arena_mark later = heed_arena_marked(arena), strange = heed_arena_marked(other);
    heed_arena_rewind(arena, strange);
    assert_string_equal(a, "mine");
    heed_arena_rewind(arena, empty);
    heed_arena_rewind(arena, later); /* from before the rewind: nothing to free */
    assert_ptr_equal(heed_arena_alloc(arena, 64), a);
    assert_non_null(b);
    heed_arena_free(arena);
    heed_arena_free(other);
}

/* Each allocation of a scenario fails once, and once with all after it: a clean error or the same result. */
static bool arena_scenario(void)
{
    heed_arena *arena = heed_arena_new();
    bool ok = arena != NULL;
    for (int turn = 0; ok && turn < 4; turn++) {
        for (int i = 0; ok && i < 5; i++) {
            char *p = heed_arena_alloc(arena, 50000);
            ok = p != NULL;
            if (p)
                memset(p, 1, 50000);
        }
        heed_arena_reset(arena);
    }
    heed_arena_free(arena);
    return ok;
}

static void arenas_survive_planned_failures(void **state)
{
    (void)state;
    heed_memory before = heed_memory_now();
    assert_true(arena_scenario());
    int64_t calls = heed_memory_now().calls - before.calls;
    assert_in_range(calls, 3, 12);
    int failed = 0;
    for (int sticky = 0; sticky < 2; sticky++)
        for (int64_t n = 1; n <= calls; n++) {
            heed_memory_fail_at(n, sticky);
            bool ok = arena_scenario();
            heed_memory_fail_at(0, false);
            failed += !ok;
            if (!ok)
                check_failed(HEED_MEMORY, "out of memory");
            check_no_error(); /* a reset that cannot melt its blocks says nothing */
            assert_int_equal(heed_memory_now().blocks, before.blocks);
            assert_int_equal(heed_memory_now().bytes, before.bytes);
        }
    assert_true(failed >= 3);
}

#ifdef HEED_DEBUG
static void debug_builds_fill_what_is_released(void **state)
{
    (void)state;
    heed_arena *arena = heed_arena_new();
    heed_real *x = heed_arena_alloc(arena, 4 * sizeof *x);
    assert_true(isnan(x[0]) && isnan(x[3])); /* never written */
    x[0] = x[3] = 1;
    heed_arena_reset(arena);
    memory_reused(x, 4 * sizeof *x);
    assert_true(isnan(x[0]) && isnan(x[3]));
    heed_arena_free(arena);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_count),
        cmocka_unit_test(impossible_sizes_fail),
        cmocka_unit_test(planned_failures),
        cmocka_unit_test(one_planned_failure_among_threads),
        cmocka_unit_test(checked_arithmetic),
        cmocka_unit_test(arena_gives_aligned_separate_memory),
        cmocka_unit_test(arena_refuses),
        cmocka_unit_test(arena_stops_allocating),
        cmocka_unit_test(a_reset_keeps_a_block_that_holds_all),
        cmocka_unit_test(rewinding_stops_allocating),
        cmocka_unit_test(marks_nest),
        cmocka_unit_test(odd_marks_do_no_harm),
        cmocka_unit_test(arenas_survive_planned_failures),
#ifdef HEED_DEBUG
        cmocka_unit_test(debug_builds_fill_what_is_released),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
