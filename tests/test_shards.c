/* The shard runner, the number of shards, and the cut. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "check.h"

#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

static const heed_rng rng = { .seed = 21, .stream = 4 };
static uint64_t drawn;

static int below(int n)
{
    return (int)heed_rng_below(rng, drawn++, (uint64_t)n);
}

/* ---- the runner ------------------------------------------------------------------------------------------------- */
enum { MOST = 64 };

typedef struct {
    atomic_int runs[MOST], busy[MOST], wrong;
    int threads;
    bool fails[MOST];
    pthread_t caller;
    atomic_int here;
} record;

static bool note(int shard, int worker, void *context)
{
    record *r = context;
    r->runs[shard]++;
    if (worker < 0 || worker >= r->threads || atomic_fetch_add(&r->busy[worker], 1) != 0)
        r->wrong++; /* a worker does one shard at a time */
    atomic_fetch_sub(&r->busy[worker], 1);
    if (r->fails[shard])
        return heed_fail(HEED_BAD_SHAPE, "shard number %d broke", shard);
    return true;
}

static void test_every_shard_runs_and_the_lowest_error_stays(void **state)
{
    (void)state;
    for (int at = 0; at < 400; at++) {
        record r = { .threads = 1 + below(4) };
        int shards = below(MOST), lowest = -1;
        for (int i = shards - 1; i >= 0; i--) {
            r.fails[i] = at % 2 && below(4) == 0;
            lowest = r.fails[i] ? i : lowest;
        }
        assert_int_equal(heed_shards_run(shards, r.threads, note, &r), lowest < 0);
        for (int i = 0; i < MOST; i++)
            assert_int_equal(r.runs[i], i < shards);
        assert_int_equal(r.wrong, 0);
        char message[64];
        snprintf(message, sizeof message, "shard number %d broke", lowest);
        if (lowest >= 0)
            check_failed(HEED_BAD_SHAPE, message);
        check_no_error();
    }
}

static void test_an_older_error_comes_first(void **state)
{
    (void)state;
    record r = { .threads = 2 };
    heed_fail(HEED_IO, "from before");
    assert_true(heed_shards_run(4, 2, note, &r));
    check_failed(HEED_IO, "from before");
    heed_fail(HEED_IO, "from before");
    r.fails[1] = true;
    assert_false(heed_shards_run(4, 2, note, &r));
    check_failed(HEED_IO, "from before");
}

static bool careless(int shard, int worker, void *context)
{
    (void)worker;
    if (shard % 2)
        heed_fail(HEED_IO, "a failure that the shard did without");
    return context == NULL;
}

static void test_what_a_shard_leaves_behind(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 2; threads++) {
        assert_true(heed_shards_run(8, threads, careless, NULL));
        check_no_error();
        int some;
        assert_false(heed_shards_run(8, threads, careless, &some));
        check_failed(HEED_BAD_STATE, "shards: shard 0 failed and left no error");
    }
}

static bool on_the_caller(int shard, int worker, void *context)
{
    record *r = context;
    if (worker != 0 || !pthread_equal(r->caller, pthread_self()) || r->here != shard)
        r->wrong++;
    r->here++;
    return true;
}

static void test_one_thread_is_no_region(void **state)
{
    (void)state;
    record r = { .caller = pthread_self() };
    assert_true(heed_shards_run(10, 1, on_the_caller, &r));
    assert_int_equal(r.wrong, 0);
    r.here = 0;
    assert_true(heed_shards_run(1, 4, on_the_caller, &r));
    assert_int_equal(r.wrong, 0);
    assert_int_equal(r.here, 1);
}

static bool nested(int shard, int worker, void *context)
{
    (void)shard, (void)worker;
    record *outer = context, inner = { .caller = pthread_self() };
    bool ran = heed_shards_run(5, 4, on_the_caller, &inner);
    outer->wrong += inner.wrong + !ran + (inner.here != 5);
    outer->here++;
    return true;
}

static void test_nested_runs_are_serial(void **state)
{
    (void)state;
    record r = { 0 };
    int levels = omp_get_max_active_levels();
    omp_set_max_active_levels(4); /* the runtime would let it */
    assert_true(heed_shards_run(6, 3, nested, &r));
    omp_set_max_active_levels(levels);
    assert_int_equal(r.here, 6);
    assert_int_equal(r.wrong, 0);
}

/* Waits for the others, at most ten seconds. */
static bool meet(int shard, int worker, void *context)
{
    (void)shard, (void)worker;
    record *r = context;
    r->here++;
    for (int wait = 0; wait < 10000 && r->here < r->threads; wait++)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    return r->here >= r->threads || heed_fail(HEED_BAD_STATE, "alone");
}

static void test_shards_run_at_the_same_time(void **state)
{
    (void)state;
    for (int threads = 2; threads <= 4; threads++) {
        record r = { .threads = threads };
        assert_true(heed_shards_run(threads, threads, meet, &r));
    }
}

static void test_bad_runs(void **state)
{
    (void)state;
    record r = { 0 };
    assert_false(heed_shards_run(-1, 1, note, &r));
    check_failed(HEED_BAD_ARGUMENT, "shards: got -1 shards, 1 threads and a function");
    assert_false(heed_shards_run(1, -1, note, &r));
    check_failed(HEED_BAD_ARGUMENT, "shards: got 1 shards, -1 threads");
    assert_false(heed_shards_run(1, 1, NULL, &r));
    check_failed(HEED_BAD_ARGUMENT, "no function");
    assert_true(heed_shards_run(0, 0, note, &r));
}

static void test_threads(void **state)
{
    (void)state;
    cpu_set_t mask;
    assert_int_equal(sched_getaffinity(0, sizeof mask, &mask), 0);
    int cores = CPU_COUNT(&mask);
    char *before = getenv("OMP_NUM_THREADS") ? strdup(getenv("OMP_NUM_THREADS")) : NULL;
    const struct {
        const char *text;
        int threads;
    } cases[] = { { "3", 3 },      { "4,2", 4 },  { "1", 1 },     { "5000000000", 1024 }, { "0", cores },
                  { "-2", cores }, { "", cores }, { "x", cores }, { "2x", cores },        { "1024", 1024 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        setenv("OMP_NUM_THREADS", cases[i].text, 1);
        assert_int_equal(heed_threads(), cases[i].threads);
    }
    unsetenv("OMP_NUM_THREADS");
    assert_int_equal(heed_threads(), cores);
    if (before)
        setenv("OMP_NUM_THREADS", before, 1);
    free(before);
}

/* ---- the number of shards ---------------------------------------------------------------------------------------- */
static void test_rule(void **state)
{
    (void)state;
    const struct {
        int64_t rows, tokens, parameters;
        int shards;
    } cases[] = {
        { 64, 64 * 24, 100000, 8 },
        { 64, 767, 100000, 4 },
        { 64, 768, 100000, 8 },
        { 64, 383, 1, 2 },
        { 64, 384, 1, 4 },
        { 64, 0, 100000, 2 },
        { 7, 100000, 1, 4 },
        { 8, 100000, 1, 8 },
        { 3, 100000, 1, 2 },
        { 2, 100000, 1, 2 },
        { 1, 100000, 1, 1 },
        { 0, 0, 1, 1 },
        { 64, 100000, 1 << 22, 8 },
        { 64, 100000, (1 << 22) + 1, 4 },
        { 64, 100000, 1 << 23, 4 },
        { 64, 100000, 1 << 24, 2 },
        { 64, 100000, 1 << 25, 2 },
        { 64, 100000, INT64_MAX, 2 },
        { INT64_MAX, INT64_MAX, 0, 8 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(heed_shards_rule(cases[i].rows, cases[i].tokens, cases[i].parameters), cases[i].shards);
}

/* ---- the cut ----------------------------------------------------------------------------------------------------- */
static void check_cut(const int32_t *lengths, int64_t rows, int shards, const int64_t *want)
{
    int64_t starts[MOST + 1];
    assert_true(heed_shards_cut(lengths, rows, shards, starts));
    for (int i = 0; i <= shards; i++)
        if (starts[i] != want[i]) {
            print_error("cut into %d: start %d is %lld, want %lld\n", shards, i, (long long)starts[i],
                        (long long)want[i]);
            fail();
        }
}

static void test_exact_cuts(void **state)
{
    (void)state;
    const int32_t equal[9] = { 5, 5, 5, 5, 5, 5, 5, 5, 5 }, none[5] = { 0 };
    check_cut(equal, 9, 1, (int64_t[]){ 0, 9 });
    check_cut(equal, 9, 3, (int64_t[]){ 0, 3, 6, 9 });
    check_cut(equal, 9, 4, (int64_t[]){ 0, 3, 5, 7, 9 });
    check_cut(equal, 9, 9, (int64_t[]){ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 });
    check_cut(none, 5, 2, (int64_t[]){ 0, 3, 5 });
    /* 6 x 2 and 2 x 6 words */
    check_cut((const int32_t[]){ 1, 1, 1, 2, 2, 2, 6, 6 }, 8, 2, (int64_t[]){ 0, 6, 8 });
    check_cut((const int32_t[]){ 6, 6, 2, 2, 2, 1, 1, 1 }, 8, 2, (int64_t[]){ 0, 2, 8 });
    /* One long row is a shard of its own, and sets the limit of the others. */
    check_cut((const int32_t[]){ 2, 2, 2, 2, 100 }, 5, 3, (int64_t[]){ 0, 3, 4, 5 });
    check_cut((const int32_t[]){ 100, 2, 2, 2, 2 }, 5, 3, (int64_t[]){ 0, 1, 3, 5 });
    check_cut((const int32_t[]){ 1, 1000000000, 1000000000, 2000000000 }, 4, 2, (int64_t[]){ 0, 3, 4 });
}

static int64_t cost(const int32_t *lengths, int64_t from, int64_t to)
{
    int64_t longest = 1;
    for (int64_t i = from; i < to; i++)
        longest = lengths[i] > longest ? lengths[i] : longest;
    return (to - from) * longest;
}

/* The least possible cost of the dearest shard, by trying every cut. */
static int64_t least(const int32_t *lengths, int64_t from, int64_t rows, int shards)
{
    if (shards == 1)
        return cost(lengths, from, rows);
    int64_t best = INT64_MAX;
    for (int64_t to = from + 1; to <= rows - (shards - 1); to++) {
        int64_t here = cost(lengths, from, to), rest = least(lengths, to, rows, shards - 1);
        int64_t dearest = here > rest ? here : rest;
        best = dearest < best ? dearest : best;
    }
    return best;
}

static int by_length(const void *a, const void *b)
{
    const int32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void test_no_cut_is_better(void **state)
{
    (void)state;
    for (int at = 0; at < 400; at++) {
        enum { ROWS = 14 };
        int32_t lengths[ROWS];
        int rows = 1 + below(ROWS), shards = 1 + below(rows < 5 ? rows : 5);
        for (int i = 0; i < rows; i++)
            lengths[i] = below(at % 3 ? 12 : 100);
        if (at % 4)
            qsort(lengths, (size_t)rows, sizeof *lengths, by_length);
        int64_t starts[ROWS + 1], dearest = 0;
        assert_true(heed_shards_cut(lengths, rows, shards, starts));
        assert_true(starts[0] == 0 && starts[shards] == rows);
        for (int i = 0; i < shards; i++) {
            assert_true(starts[i] < starts[i + 1]);
            int64_t here = cost(lengths, starts[i], starts[i + 1]);
            dearest = here > dearest ? here : dearest;
        }
        assert_int_equal(dearest, least(lengths, 0, rows, shards));
    }
}

/* As in training: 64 sentences, sorted, in 8 shards; none costs more than 1.3 times the mean, or less than 0.6. */
static void test_near_equal(void **state)
{
    (void)state;
    for (int at = 0; at < 300; at++) {
        enum { ROWS = 64, SHARDS = 8 };
        int32_t lengths[ROWS];
        int64_t starts[SHARDS + 1], total = 0;
        for (int i = 0; i < ROWS; i++)
            lengths[i] = 4 + below(5) + below(5) + below(5);
        qsort(lengths, ROWS, sizeof *lengths, by_length);
        assert_true(heed_shards_cut(lengths, ROWS, SHARDS, starts));
        for (int i = 0; i < SHARDS; i++)
            total += cost(lengths, starts[i], starts[i + 1]);
        for (int i = 0; i < SHARDS; i++) {
            double share = (double)(SHARDS * cost(lengths, starts[i], starts[i + 1])) / (double)total;
            if (share > 1.3 || share < 0.6) {
                print_error("case %d: shard %d costs %g times the mean\n", at, i, share);
                fail();
            }
        }
    }
}

static void test_bad_cuts(void **state)
{
    (void)state;
    int64_t starts[3];
    const int32_t lengths[2] = { 1, -1 };
    assert_false(heed_shards_cut(lengths, 2, 3, starts));
    check_failed(HEED_BAD_ARGUMENT, "shards_cut: 2 rows into 3 shards");
    assert_false(heed_shards_cut(lengths, 2, 0, starts));
    check_failed(HEED_BAD_ARGUMENT, "shards_cut: 2 rows into 0 shards");
    assert_false(heed_shards_cut(lengths, 0, 1, starts));
    check_failed(HEED_BAD_ARGUMENT, "shards_cut: 0 rows into 1 shards");
    assert_false(heed_shards_cut(lengths, 2, 2, starts));
    check_failed(HEED_BAD_ARGUMENT, "shards_cut: row 1 has length -1");
    assert_false(heed_shards_cut(NULL, 2, 2, starts));
    check_failed(HEED_BAD_ARGUMENT, "shards_cut: lengths is NULL");
    assert_false(heed_shards_cut(lengths, INT64_C(1) << 31, 2, starts));
    check_failed(HEED_BAD_ARGUMENT, "want at most 2^31 - 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_shard_runs_and_the_lowest_error_stays),
        cmocka_unit_test(test_an_older_error_comes_first),
        cmocka_unit_test(test_what_a_shard_leaves_behind),
        cmocka_unit_test(test_one_thread_is_no_region),
        cmocka_unit_test(test_nested_runs_are_serial),
        cmocka_unit_test(test_shards_run_at_the_same_time),
        cmocka_unit_test(test_bad_runs),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_rule),
        cmocka_unit_test(test_exact_cuts),
        cmocka_unit_test(test_no_cut_is_better),
        cmocka_unit_test(test_near_equal),
        cmocka_unit_test(test_bad_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
