/* Batches: every sentence once an epoch, within the limits, in an order that seed and epoch decide; padded arrays. */
#include "memory_sweep.h"
#include "text/internal.h"

/* n examples; the lengths are drawn from 0 .. longest, and each id says row, side and position. */
static heed_dataset *random_data(int64_t n, int64_t longest, uint64_t seed)
{
    heed_dataset *data = heed_dataset_new();
    heed_rng rng = { .seed = seed, .stream = heed_rng_stream("data") };
    int32_t ids[2][256];
    for (rng.row = 0; rng.row < n; rng.row++) {
        int64_t src = (int64_t)heed_rng_below(rng, 0, (uint64_t)longest + 1);
        int64_t tgt = (int64_t)heed_rng_below(rng, 1, (uint64_t)longest + 1);
        tgt = (2 * src + tgt) / 3; /* as in translations, long goes with long */
        for (int i = 0; i < 256; i++)
            for (int side = 0; side < 2; side++)
                ids[side][i] = 4 + (int32_t)rng.row * 1000 + side * 500 + i;
        assert_true(heed_dataset_add(data, ids[0], src, ids[1], tgt));
    }
    return data;
}

static void a_data_set_gives_back_what_was_added(void **state)
{
    (void)state;
    heed_dataset *data = random_data(500, 30, 1), *same = random_data(500, 30, 1);
    assert_int_equal(heed_dataset_count(data), 500);
    for (int64_t row = 0; row < 500; row++) {
        heed_example e = heed_dataset_at(data, row), f = heed_dataset_at(same, row);
        assert_int_equal(e.src_length, f.src_length);
        assert_int_equal(e.tgt_length, f.tgt_length);
        for (int i = 0; i < e.src_length; i++)
            assert_int_equal(e.src[i], 4 + row * 1000 + i);
        for (int i = 0; i < e.tgt_length; i++)
            assert_int_equal(e.tgt[i], 4 + row * 1000 + 500 + i);
    }
    heed_dataset_free(data);
    heed_dataset_free(same);
    heed_dataset_free(NULL);
}

static void padded_arrays_are_exact(void **state)
{
    (void)state;
    heed_dataset *data = heed_dataset_new();
    heed_arena *arena = heed_arena_new();
    assert_true(heed_dataset_add(data, (const int32_t[]){ 5, 6, 7 }, 3, (const int32_t[]){ 8 }, 1));
    assert_true(heed_dataset_add(data, NULL, 0, (const int32_t[]){ 9, HEED_UNK }, 2));
    assert_true(heed_dataset_add(data, (const int32_t[]){ 4 }, 1, NULL, 0));
    heed_batch batch;
    assert_true(heed_batch_make(data, (const int32_t[]){ 0, 1, 2 }, 3, arena, &batch));
    static const int32_t src[] = { 5, 6, 7, HEED_EOS, HEED_EOS, 0, 0, 0, 4, HEED_EOS, 0, 0 }, lengths[] = { 4, 1, 2 };
    static const int32_t in[] = { HEED_BOS, 8, 0, HEED_BOS, 9, HEED_UNK, HEED_BOS, 0, 0 };
    static const int32_t out[] = { 8, HEED_EOS, 0, 9, HEED_UNK, HEED_EOS, HEED_EOS, 0, 0 };
    assert_int_equal(batch.rows, 3);
    assert_int_equal(batch.src_length, 4);
    assert_int_equal(batch.tgt_length, 3);
    assert_int_equal(batch.tokens, 2 + 3 + 1);
    assert_memory_equal(batch.src, src, sizeof(src));
    assert_memory_equal(batch.src_lengths, lengths, sizeof(lengths));
    assert_memory_equal(batch.tgt_in, in, sizeof(in));
    assert_memory_equal(batch.tgt_out, out, sizeof(out));

    assert_true(heed_batch_make(data, (const int32_t[]){ 2, 2 }, 2, arena, &batch)); /* part of a batch, in its order */
    static const int32_t twice[] = { 4, HEED_EOS, 4, HEED_EOS };
    assert_int_equal(batch.src_length, 2);
    assert_int_equal(batch.tgt_length, 1);
    assert_memory_equal(batch.src, twice, sizeof(twice));
    heed_arena_free(arena);
    heed_dataset_free(data);
}

/* ---- epochs ------------------------------------------------------------------------------------------------------ */

/* Every row once, limits kept, longest first, no batch that could have taken the next. Returns the share of tokens that
 * are not padding. */
static double check_epoch(const heed_dataset *data, const heed_batches *batches, heed_batches_desc desc)
{
    int64_t n = heed_dataset_count(data), seen = 0, tokens = 0, padded = 0;
    bool *taken = calloc((size_t)n + 1, 1);
    for (int64_t i = 0; i < heed_batches_count(batches); i++) {
        int64_t count = 0, src = 0, tgt = 0;
        const int32_t *rows = heed_batches_rows(batches, i, &count);
        heed_example before = { 0 };
        assert_true(count >= 1);
        assert_true(desc.rows == 0 || count <= desc.rows);
        for (int64_t k = 0; k < count; k++) {
            assert_in_range(rows[k], 0, n - 1);
            assert_false(taken[rows[k]]);
            taken[rows[k]] = true;
            seen++;
            heed_example e = heed_dataset_at(data, rows[k]);
            if (k > 0)
                assert_true(before.tgt_length > e.tgt_length ||
                            (before.tgt_length == e.tgt_length && before.src_length >= e.src_length));
            before = e;
            src = e.src_length > src ? e.src_length : src;
            tgt = e.tgt_length > tgt ? e.tgt_length : tgt;
            tokens += e.src_length + e.tgt_length + 2;
        }
        assert_true(desc.max_tokens == 0 || count == 1 || count * (src + tgt + 2) <= desc.max_tokens);
        assert_true(desc.side_tokens == 0 || count == 1 || count * (1 + (src > tgt ? src : tgt)) <= desc.side_tokens);
        padded += count * (src + tgt + 2);
    }
    assert_int_equal(seen, n);
    free(taken);
    return padded ? (double)tokens / (double)padded : 1;
}

static void every_sentence_comes_once_an_epoch(void **state)
{
    (void)state;
    heed_rng rng = { .seed = 3, .stream = heed_rng_stream("cases") };
    for (rng.row = 0; rng.row < 300; rng.row++) {
        int64_t n = (int64_t)heed_rng_below(rng, 0, rng.row % 3 ? 60 : 2000);
        heed_dataset *data = random_data(n, 1 + (int64_t)heed_rng_below(rng, 1, 40), rng.row);
        heed_batches_desc desc = { .seed = rng.row, .in_order = rng.row % 5 == 0 };
        if (heed_rng_below(rng, 2, 3) != 0)
            desc.rows = 1 + (int64_t)heed_rng_below(rng, 3, 40);
        if (heed_rng_below(rng, 4, 2) != 0)
            desc.max_tokens = 1 + (int64_t)heed_rng_below(rng, 5, 600);
        if (heed_rng_below(rng, 6, 3) == 0)
            desc.side_tokens = 1 + (int64_t)heed_rng_below(rng, 7, 300);
        heed_batches *batches = heed_batches_new(data, desc);
        assert_int_equal(heed_batches_count(batches), 0);
        for (int64_t epoch = 0; epoch < 3; epoch++) {
            assert_true(heed_batches_epoch(batches, epoch));
            check_epoch(data, batches, desc);
        }
        heed_batches_free(batches);
        heed_dataset_free(data);
    }
    check_no_error();
    heed_batches_free(NULL);
}

/* All row numbers of an epoch with -1 behind each batch. */
static int64_t written(const heed_batches *batches, int32_t *out)
{
    int64_t n = 0;
    for (int64_t i = 0; i < heed_batches_count(batches); i++) {
        int64_t count;
        const int32_t *rows = heed_batches_rows(batches, i, &count);
        for (int64_t k = 0; k < count; k++)
            out[n++] = rows[k];
        out[n++] = -1;
    }
    return n;
}

static void order_is_a_function_of_seed_and_epoch(void **state)
{
    (void)state;
    enum { N = 1000 };
    static int32_t first[2 * N], other[2 * N];
    heed_dataset *data = random_data(N, 12, 1);
    heed_batches_desc desc = { .rows = 16, .seed = 7 };
    heed_batches *batches = heed_batches_new(data, desc), *again = heed_batches_new(data, desc);
    assert_true(heed_batches_epoch(batches, 5));
    int64_t n = written(batches, first);
    for (int64_t epoch = 8; epoch >= 0; epoch--) { /* epochs in any order, back to 5 in the end */
        assert_true(heed_batches_epoch(again, epoch));
        int64_t m = written(again, other);
        assert_int_equal(memcmp(first, other, (size_t)n * sizeof(int32_t)) == 0 && n == m, epoch == 5);
    }
    assert_true(heed_batches_epoch(again, 5 + ((int64_t)1 << 32)));
    written(again, other);
    assert_memory_not_equal(first, other, (size_t)n * sizeof(int32_t));
    heed_batches_free(again);
    desc.seed = 8;
    again = heed_batches_new(data, desc);
    assert_true(heed_batches_epoch(again, 5));
    written(again, other);
    assert_memory_not_equal(first, other, (size_t)n * sizeof(int32_t));
    heed_batches_free(again);
    heed_batches_free(batches);
    heed_dataset_free(data);
}

/* Two sentences of one length meet in some epochs and not in others, and no batch length has a fixed place. */
static void company_and_place_change(void **state)
{
    (void)state;
    heed_dataset *data = random_data(400, 6, 2);
    heed_batches *batches = heed_batches_new(data, (heed_batches_desc){ .rows = 8, .seed = 1 });
    int with[400] = { 0 }, longest = 0; /* longest: comes first in the sort, and still in any place */
    for (int i = 1; i < 400; i++)
        if (heed_dataset_at(data, i).tgt_length > heed_dataset_at(data, longest).tgt_length)
            longest = i;
    double place = 0;
    const int epochs = 200;
    for (int epoch = 0; epoch < epochs; epoch++) {
        assert_true(heed_batches_epoch(batches, epoch));
        for (int64_t i = 0; i < heed_batches_count(batches); i++) {
            int64_t count;
            const int32_t *rows = heed_batches_rows(batches, i, &count);
            bool company = false, placed = false;
            for (int64_t k = 0; k < count; k++) {
                company |= rows[k] == 0;
                placed |= rows[k] == longest;
            }
            for (int64_t k = 0; company && k < count; k++)
                with[rows[k]]++;
            if (placed)
                place += (double)i / (double)heed_batches_count(batches) / epochs;
        }
    }
    int met = 0, most = 0;
    assert_int_equal(with[0], epochs);
    for (int i = 1; i < 400; i++) {
        met += with[i] > 0;
        most = with[i] > most ? with[i] : most;
    }
    assert_true(met >= 15);
    assert_true(most <= epochs * 6 / 10);
    assert_true(place > 0.4 && place < 0.6); /* uniform: 0.5, deviation 0.29 / sqrt(200) = 0.02 */
    heed_batches_free(batches);
    heed_dataset_free(data);
}

static void there_is_little_padding(void **state)
{
    (void)state;
    heed_dataset *data = random_data(20000, 30, 3);
    static const heed_batches_desc descs[] = {
        { .rows = 32 }, { .max_tokens = 1500 }, { .rows = 64, .max_tokens = 3000 }, { .side_tokens = 1000 }
    };
    for (int i = 0; i < 4; i++) {
        heed_batches *batches = heed_batches_new(data, descs[i]);
        assert_true(heed_batches_epoch(batches, 0));
        assert_true(check_epoch(data, batches, descs[i]) > 0.9); /* unsorted: 0.53 to 0.55 */
        heed_batches_free(batches);
    }
    heed_dataset_free(data);
}

/* Also where windows meet: there the shortest follow the shortest, the longest the longest. */
static void no_batch_mixes_short_and_long(void **state)
{
    (void)state;
    heed_dataset *data = random_data(20000, 30, 3);
    heed_batches *batches = heed_batches_new(data, (heed_batches_desc){ .max_tokens = 300 });
    assert_true(heed_batches_epoch(batches, 0));
    for (int64_t i = 0; i < heed_batches_count(batches); i++) {
        int64_t count;
        const int32_t *rows = heed_batches_rows(batches, i, &count);
        heed_example first = heed_dataset_at(data, rows[0]), last = heed_dataset_at(data, rows[count - 1]);
        assert_in_range(first.tgt_length - last.tgt_length, 0, 5);
    }
    heed_batches_free(batches);
    heed_dataset_free(data);
}

static void a_long_sentence_is_a_batch_of_its_own(void **state)
{
    (void)state;
    heed_dataset *data = heed_dataset_new();
    int32_t ids[100];
    for (int i = 0; i < 100; i++)
        ids[i] = 4;
    static const int64_t lengths[] = { 3, 50, 4, 3 };
    for (int i = 0; i < 4; i++)
        assert_true(heed_dataset_add(data, ids, lengths[i], ids, lengths[i]));
    heed_batches *batches = heed_batches_new(data, (heed_batches_desc){ .max_tokens = 20, .in_order = true });
    assert_true(heed_batches_epoch(batches, 0));
    static int32_t got[16];
    static const int32_t want[] = { 0, -1, 1, -1, 2, 3, -1 }; /* 2 x (4 + 4 + 2) = 20 fit */
    assert_int_equal(written(batches, got), 7);
    assert_memory_equal(got, want, sizeof(want));
    heed_batches_free(batches);

    assert_true(heed_dataset_add(data, ids, 3, ids, 2)); /* the longer side counts: 3 x (1 + 4) = 15 */
    batches = heed_batches_new(data, (heed_batches_desc){ .side_tokens = 15, .in_order = true });
    assert_true(heed_batches_epoch(batches, 0));
    static const int32_t sides[] = { 0, -1, 1, -1, 2, 3, 4, -1 };
    assert_int_equal(written(batches, got), 8);
    assert_memory_equal(got, sides, sizeof(sides));
    heed_batches_free(batches);
    heed_dataset_free(data);
}

static void in_order_cuts_neighbours(void **state)
{
    (void)state;
    heed_dataset *data = heed_dataset_new();
    int32_t ids[8] = { 4, 4, 4, 4, 4, 4, 4, 4 };
    static const int64_t lengths[][2] = { { 1, 2 }, { 3, 2 }, { 1, 5 }, { 2, 2 }, { 2, 2 }, { 7, 1 }, { 1, 1 } };
    for (int i = 0; i < 7; i++)
        assert_true(heed_dataset_add(data, ids, lengths[i][0], ids, lengths[i][1]));
    heed_batches *batches = heed_batches_new(data, (heed_batches_desc){ .rows = 3, .in_order = true, .seed = 4 });
    static const int32_t want[] = { 2, 1, 0, -1, 3, 4, 5, -1, 6, -1 };
    for (int64_t epoch = 0; epoch < 3; epoch++) {
        static int32_t got[16];
        assert_true(heed_batches_epoch(batches, epoch));
        assert_int_equal(written(batches, got), 10);
        assert_memory_equal(got, want, sizeof(want));
    }
    heed_batches_free(batches);
    heed_dataset_free(data);
}

static void epochs_allocate_nothing(void **state)
{
    (void)state;
    heed_dataset *data = random_data(5000, 20, 4);
    heed_arena *arena = heed_arena_new();
    heed_batches *batches = heed_batches_new(data, (heed_batches_desc){ .rows = 50 });
    int64_t calls = 0;
    for (int64_t epoch = 0; epoch < 4; epoch++) {
        assert_true(heed_batches_epoch(batches, epoch));
        for (int64_t i = 0; i < heed_batches_count(batches); i++) {
            int64_t count;
            const int32_t *rows = heed_batches_rows(batches, i, &count);
            heed_batch batch;
            assert_true(heed_batch_make(data, rows, count, arena, &batch));
            heed_arena_reset(arena);
        }
        if (epoch == 0)
            calls = heed_memory_now().calls;
    }
    assert_int_equal(heed_memory_now().calls, calls);
    heed_arena_free(arena);
    heed_batches_free(batches);
    heed_dataset_free(data);
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    int32_t id = 4, row = 1;
    int64_t count;
    heed_batch batch;
    heed_arena *arena = heed_arena_new();
    heed_dataset *data = heed_dataset_new();
    assert_true(heed_dataset_add(data, &id, 1, &id, 1));
    assert_false(heed_dataset_add(NULL, &id, 1, &id, 1));
    check_failed(HEED_BAD_ARGUMENT, "data is NULL");
    assert_false(heed_dataset_add(data, NULL, 1, &id, 1));
    check_failed(HEED_BAD_ARGUMENT, "source is NULL, its length 1");
    assert_false(heed_dataset_add(data, &id, 1, &id, -1));
    check_failed(HEED_BAD_ARGUMENT, "its length -1");
    assert_false(heed_dataset_add(data, &id, (int64_t)1 << 31, &id, 1));
    check_failed(HEED_BAD_ARGUMENT, "2147483648");
    for (int32_t bad = -1; bad < HEED_UNK; bad++) {
        assert_false(heed_dataset_add(data, &id, 1, (const int32_t[]){ 4, bad }, 2));
        check_failed(HEED_BAD_ARGUMENT, "target id");
    }
    assert_int_equal(heed_dataset_count(data), 1);
    assert_int_equal(heed_dataset_count(NULL), 0);
    assert_null(heed_dataset_at(data, 1).src);
    check_failed(HEED_BAD_ARGUMENT, "row 1 of 1");

    assert_null(heed_batches_new(NULL, (heed_batches_desc){ 0 }));
    check_failed(HEED_BAD_ARGUMENT, "data is NULL");
    assert_null(heed_batches_new(data, (heed_batches_desc){ .rows = -1 }));
    check_failed(HEED_BAD_ARGUMENT, "rows -1");
    assert_null(heed_batches_new(data, (heed_batches_desc){ .max_tokens = -1 }));
    check_failed(HEED_BAD_ARGUMENT, "max_tokens -1");
    assert_null(heed_batches_new(data, (heed_batches_desc){ .side_tokens = -1 }));
    check_failed(HEED_BAD_ARGUMENT, "side_tokens -1");
    heed_batches *batches = heed_batches_new(data, (heed_batches_desc){ 0 });
    assert_false(heed_batches_epoch(batches, -1));
    check_failed(HEED_BAD_ARGUMENT, "epoch -1");
    assert_true(heed_batches_epoch(batches, 0));
    assert_null(heed_batches_rows(batches, 1, &count));
    check_failed(HEED_BAD_ARGUMENT, "batch 1 of 1");
    assert_null(heed_batches_rows(batches, -1, &count));
    check_failed(HEED_BAD_ARGUMENT, "batch -1 of 1");
    assert_true(heed_dataset_add(data, &id, 1, &id, 1));
    assert_false(heed_batches_epoch(batches, 1));
    check_failed(HEED_BAD_STATE, "has 2 examples, and had 1");

    row = 2;
    assert_false(heed_batch_make(data, &row, 1, arena, &batch));
    check_failed(HEED_BAD_ARGUMENT, "row 2 of a data set of 2");
    row = -1;
    assert_false(heed_batch_make(data, &row, 1, arena, &batch));
    check_failed(HEED_BAD_ARGUMENT, "row -1");
    row = 0;
    assert_false(heed_batch_make(data, &row, 0, arena, &batch));
    check_failed(HEED_BAD_ARGUMENT, "count 0");
    assert_false(heed_batch_make(data, &row, 1, NULL, &batch));
    check_failed(HEED_BAD_ARGUMENT, "NULL");
    heed_batches_free(batches);
    heed_dataset_free(data);
    heed_arena_free(arena);
}

static bool whole_life(void)
{
    bool ok = true;
    heed_dataset *data = heed_dataset_new();
    heed_arena *arena = heed_arena_new();
    for (int i = 0; i < 100 && ok; i++)
        ok = data && heed_dataset_add(data, (const int32_t[]){ 4, 5, 6 }, 1 + i % 3, (const int32_t[]){ 7 }, 1);
    heed_batches *batches = ok ? heed_batches_new(data, (heed_batches_desc){ .rows = 60 }) : NULL;
    ok = batches && heed_batches_epoch(batches, 0) && arena;
    for (int64_t i = 0; ok && i < heed_batches_count(batches); i++) {
        int64_t count;
        const int32_t *rows = heed_batches_rows(batches, i, &count);
        heed_arena_mark mark = heed_arena_marked(arena);
        heed_batch batch = { .rows = -1 };
        ok = heed_batch_make(data, rows, count, arena, &batch);
        assert_int_equal(batch.rows, ok ? count : -1);
        if (!ok)
            assert_int_equal(heed_arena_marked(arena).used, mark.used);
    }
    heed_batches_free(batches);
    heed_arena_free(arena);
    heed_dataset_free(data);
    return ok;
}

static void running_out_of_memory_is_an_error(void **state)
{
    (void)state;
    check_memory_sweep(whole_life, 10);

    /* each of these arrays needs a block of its own; whichever fails, the arena is as it was */
    enum { ROWS = 5000, LENGTH = 255 };
    heed_dataset *data = random_data(ROWS, LENGTH, 1);
    int32_t rows[ROWS];
    for (int i = 0; i < ROWS; i++)
        rows[i] = i;
    int failed = 0;
    for (bool ok = false; !ok;) {
        heed_arena *arena = heed_arena_new();
        heed_batch batch = { .rows = -1 };
        assert_non_null(heed_arena_alloc(arena, 64));
        heed_arena_mark mark = heed_arena_marked(arena);
        heed_memory_fail_at(failed + 1, true);
        ok = heed_batch_make(data, rows, ROWS, arena, &batch);
        heed_memory_fail_at(0, false);
        if (!ok) {
            check_failed(HEED_MEMORY, "out of memory");
            failed++;
            assert_int_equal(batch.rows, -1);
            assert_ptr_equal(heed_arena_marked(arena).block, mark.block);
            assert_int_equal(heed_arena_marked(arena).used, mark.used);
        }
        heed_arena_free(arena);
    }
    assert_true(failed >= 2);
    heed_dataset_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_data_set_gives_back_what_was_added),
        cmocka_unit_test(padded_arrays_are_exact),
        cmocka_unit_test(every_sentence_comes_once_an_epoch),
        cmocka_unit_test(order_is_a_function_of_seed_and_epoch),
        cmocka_unit_test(company_and_place_change),
        cmocka_unit_test(there_is_little_padding),
        cmocka_unit_test(no_batch_mixes_short_and_long),
        cmocka_unit_test(a_long_sentence_is_a_batch_of_its_own),
        cmocka_unit_test(in_order_cuts_neighbours),
        cmocka_unit_test(epochs_allocate_nothing),
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(running_out_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
