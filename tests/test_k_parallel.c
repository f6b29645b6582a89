/* k_parallel: every part runs once, on several threads at a time but on one inside a shard; the cut is a rule on sizes. */
#include "check.h"
#include "../src/tensor/kernels.h"

#include <omp.h>
#include <sched.h>

typedef struct {
    int runs[64];
    int present, together; /* parts that wait for one another, and how many ever met */
    int width;             /* threads seen by omp inside a part */
} record;

static void count(int64_t part, void *context)
{
    record *r = context;
    __atomic_add_fetch(&r->runs[part], 1, __ATOMIC_RELAXED);
    __atomic_store_n(&r->width, omp_get_num_threads(), __ATOMIC_RELAXED);
}

static void test_every_part_runs_once(void **state)
{
    (void)state;
    for (int threads = 0; threads <= 5; threads++)
        for (int parts = 0; parts <= 64; parts++) {
            record r = { .width = 0 };
            k_parallel(threads, parts, count, &r);
            for (int i = 0; i < 64; i++)
                assert_int_equal(r.runs[i], i < parts);
            int want = parts == 0 ? 0 : threads < 1 ? 1 : threads < parts ? threads : parts;
            assert_int_equal(r.width, want);
        }
}

static bool inside_a_shard(int shard, int worker, void *context)
{
    (void)worker;
    record *r = (record *)context + shard;
    k_parallel(4, 8, count, r);
    return true;
}

static void test_one_thread_inside_a_shard(void **state)
{
    (void)state;
    record r[2] = { { .width = 0 }, { .width = 0 } };
    assert_true(heed_shards_run(2, 2, inside_a_shard, r));
    for (int shard = 0; shard < 2; shard++)
        for (int i = 0; i < 8; i++)
            assert_int_equal(r[shard].runs[i], 1);
    assert_int_equal(r[0].width, 2); /* the team is the shards', not the parts' */
}

static void meet(int64_t part, void *context)
{
    record *r = context;
    (void)part;
    __atomic_add_fetch(&r->present, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&r->present, __ATOMIC_SEQ_CST) < 3)
        sched_yield();
    __atomic_add_fetch(&r->together, 1, __ATOMIC_SEQ_CST);
}

static void test_parts_run_at_the_same_time(void **state)
{
    (void)state;
    record r = { .present = 0 };
    k_parallel(3, 3, meet, &r); /* would never end on one thread */
    assert_int_equal(r.together, 3);
}

static void test_the_cut(void **state)
{
    (void)state;
    const struct {
        int64_t items, work, parts, each;
    } cases[] = { { 0, 100, 0, 0 },         { 5, 0, 1, 5 },         { 100, 100, 1, 100 },
                  { 1, 1 << 30, 1, 1 },     { 3, 1 << 30, 3, 1 },   { 2048, 128, 4, 512 },
                  { 16384, 640, 16, 1024 }, { 1000, 6554, 16, 63 }, { INT64_C(1) << 31, INT64_C(1) << 31, 16, 1 << 27 },
                  { 17, 1 << 20, 9, 2 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t each = -1, parts = k_parts(cases[i].items, cases[i].work, &each);
        assert_int_equal(parts, cases[i].parts);
        assert_int_equal(each, cases[i].each);
    }
    for (int64_t items = 1; items < 3000; items += 7)
        for (int64_t work = 1; work < 100000; work *= 3) {
            int64_t each, parts = k_parts(items, work, &each);
            assert_true(parts >= 1 && parts <= 16 && parts * each >= items && (parts - 1) * each < items);
        }
}

static void test_bad_threads_of_a_tape(void **state)
{
    (void)state;
    assert_null(heed_tape_new((heed_tape_desc){ .threads = -1 }));
    check_failed(HEED_BAD_ARGUMENT, "tape: threads is -1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_part_runs_once),       cmocka_unit_test(test_one_thread_inside_a_shard),
        cmocka_unit_test(test_parts_run_at_the_same_time), cmocka_unit_test(test_the_cut),
        cmocka_unit_test(test_bad_threads_of_a_tape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
