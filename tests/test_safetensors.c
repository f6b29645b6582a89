/* safetensors: what is saved comes back, every number type converts as it should, and a failed save changes nothing. */
#include "folder.h"

#include <float.h>
#include <sys/resource.h>
#include <signal.h>

#define REAL (sizeof(heed_real) == 4 ? "F32" : "F64")

/* ---- files made by hand ------------------------------------------------------------------------------------------ */

static void put_file(const char *path, const char *header, const void *values, int64_t bytes)
{
    uint64_t n = strlen(header);
    char *file = malloc((size_t)(8 + n) + (size_t)bytes);
    memcpy(file, &n, 8);
    memcpy(file + 8, header, n);
    memcpy(file + 8 + n, values, (size_t)bytes);
    file_put(path, file, (int64_t)(8 + n) + bytes);
    free(file);
}

/* A file with one tensor "a" of n elements; returns its reader. */
static heed_reader *one(const char *dtype, int64_t n, const void *values, int64_t bytes)
{
    char header[200];
    snprintf(header, sizeof header, "{\"a\":{\"dtype\":\"%s\",\"shape\":[%lld],\"data_offsets\":[0,%lld]}}", dtype,
             (long long)n, (long long)bytes);
    put_file(folder_path("one"), header, values, bytes);
    heed_reader *reader = heed_safetensors_open(folder_path("one"));
    check_no_error();
    assert_non_null(reader);
    return reader;
}

/* The same number, or both NaN; zeros by sign too. */
static void check_same(double got, double want)
{
    if (isnan(want) ? !isnan(got) : !(got == want && signbit(got) == signbit(want)))
        fail_msg("got %.17g, want %.17g", got, want);
}

static void test_f32(void **state)
{
    (void)state;
    const float values[] = { 0, -0.0f, 1.5f, -3.14159274f, FLT_MAX, FLT_MIN, 1e-45f, INFINITY, -INFINITY, NAN };
    heed_reader *reader = one("F32", 10, values, sizeof values);
    heed_real out[10];
    assert_true(heed_safetensors_read(reader, 0, heed_tensor_wrap(out, HEED_SHAPE(10))));
    for (int i = 0; i < 10; i++)
        check_same((double)out[i], (double)values[i]);
    heed_safetensors_close(reader);
}

static void test_f64(void **state)
{
    (void)state;
    const double values[] = { 0, -0.0, 0.1, DBL_MAX, 5e-324, 1e300, -HUGE_VAL, (double)NAN };
    heed_reader *reader = one("F64", 8, values, sizeof values);
    heed_real out[8];
    assert_true(heed_safetensors_read(reader, 0, heed_tensor_wrap(out, HEED_SHAPE(8))));
    for (int i = 0; i < 8; i++)
        check_same((double)out[i], (double)(heed_real)values[i]);
    heed_safetensors_close(reader);
}

static void test_bf16(void **state)
{
    (void)state;
    static const struct {
        uint16_t bits;
        double value;
    } cases[] = {
        { 0x0000, 0 },           { 0x8000, -0.0 },          { 0x3F80, 1 },        { 0xC000, -2 },
        { 0x3FC0, 1.5 },         { 0x4049, 3.140625 },      { 0x7F80, HUGE_VAL }, { 0xFF80, -HUGE_VAL },
        { 0x7FC0, (double)NAN }, { 0x7F81, (double)NAN },   { 0x0001, 0x1p-133 }, { 0x807F, -127 * 0x1p-133 },
        { 0x0080, 0x1p-126 },    { 0x7F7F, 255 * 0x1p120 },
    };
    enum { N = sizeof cases / sizeof *cases };
    uint16_t bits[N];
    for (int i = 0; i < N; i++)
        bits[i] = cases[i].bits;
    heed_reader *reader = one("BF16", N, bits, sizeof bits);
    heed_real out[N];
    assert_true(heed_safetensors_read(reader, 0, heed_tensor_wrap(out, HEED_SHAPE(N))));
    for (int i = 0; i < N; i++)
        check_same((double)out[i], cases[i].value);
    heed_safetensors_close(reader);
}

/* All 65,536 half floats, against their definition. */
static void test_f16(void **state)
{
    (void)state;
    static uint16_t bits[65536];
    static heed_real out[65536];
    for (int i = 0; i < 65536; i++)
        bits[i] = (uint16_t)i;
    heed_reader *reader = one("F16", 65536, bits, sizeof bits);
    assert_true(heed_safetensors_read(reader, 0, heed_tensor_wrap(out, HEED_SHAPE(65536))));
    for (int i = 0; i < 65536; i++) {
        int exponent = i >> 10 & 31, fraction = i & 1023;
        double size = exponent == 0    ? ldexp(fraction, -24)
                      : exponent == 31 ? (fraction ? (double)NAN : HUGE_VAL)
                                       : ldexp(1024 + fraction, exponent - 25);
        check_same((double)out[i], i >> 15 ? -size : size);
    }
    heed_safetensors_close(reader);
}

static void test_integers(void **state)
{
    (void)state;
    static int32_t small[5000];
    static int64_t out[5000];
    for (int i = 0; i < 5000; i++)
        small[i] = i % 2 ? INT32_MIN + i : INT32_MAX - i;
    heed_reader *reader = one("I32", 5000, small, sizeof small);
    assert_true(heed_safetensors_read_integers(reader, 0, out));
    for (int i = 0; i < 5000; i++)
        assert_int_equal(out[i], small[i]);
    heed_safetensors_close(reader);

    const int64_t large[] = { 0, -1, INT64_MIN, INT64_MAX };
    reader = one("I64", 4, large, sizeof large);
    assert_true(heed_safetensors_read_integers(reader, 0, out));
    assert_memory_equal(out, large, sizeof large);
    heed_real real[4];
    assert_false(heed_safetensors_read(reader, 0, heed_tensor_wrap(real, HEED_SHAPE(4))));
    check_failed(HEED_BAD_TYPE, "expected F32, F64, BF16 or F16, found I64");
    assert_false(heed_safetensors_read_integers(reader, 0, NULL));
    check_failed(HEED_BAD_ARGUMENT, "NULL");
    heed_safetensors_close(reader);
}

/* What a reader says about a file, in the order of its bytes. */
static void test_entries(void **state)
{
    (void)state;
    const float values[] = { 1, 2, 3, 4, 5, 6, 7 };
    put_file(
        folder_path("a"),
        "{\"z\":{\"data_offsets\":[4,28],\"shape\":[2,3],\"dtype\":\"F32\"} ,\t\"\\u00e9\\\"\":{\"dtype\":\"F32\",\n"
        "\"shape\":[],\"data_offsets\":[0,4]},\"e\":{\"dtype\":\"I64\",\"shape\":[4,0],\"data_offsets\":[28,28]},"
        "\"__metadata__\":{\"step\":\"12\",\"\":\"\xE2\x82\xAC\"}}  \r\n",
        values, sizeof values);
    heed_reader *reader = heed_safetensors_open(folder_path("a"));
    assert_non_null(reader);
    assert_int_equal(heed_safetensors_count(reader), 3);
    heed_stored first = heed_safetensors_entry(reader, 0), second = heed_safetensors_entry(reader, 1);
    heed_stored third = heed_safetensors_entry(reader, 2);
    assert_string_equal(first.name, "\xC3\xA9\"");
    assert_true(first.type == HEED_F32 && first.shape.rank == 0 && first.bytes == 4);
    assert_string_equal(second.name, "z");
    assert_true(heed_shape_equal(second.shape, HEED_SHAPE(2, 3)) && second.bytes == 24);
    assert_string_equal(third.name, "e");
    assert_true(third.type == HEED_I64 && heed_shape_equal(third.shape, HEED_SHAPE(4, 0)) && third.bytes == 0);
    assert_int_equal(heed_safetensors_find(reader, "z"), 1);
    assert_int_equal(heed_safetensors_find(reader, "Z"), -1);
    assert_int_equal(heed_safetensors_find(reader, "__metadata__"), -1);
    assert_string_equal(heed_safetensors_metadata(reader, "step"), "12");
    assert_string_equal(heed_safetensors_metadata(reader, ""), "\xE2\x82\xAC");
    assert_null(heed_safetensors_metadata(reader, "z"));
    check_no_error();

    heed_real scalar, pair[6] = { 0 };
    int64_t none;
    assert_true(heed_safetensors_read(reader, 0, heed_tensor_wrap(&scalar, heed_shape_scalar())));
    assert_true((double)scalar == 1);
    assert_true(heed_safetensors_read_integers(reader, 2, &none));
    /* into a transposed tensor: by position, not by memory */
    heed_tensor across = heed_tensor_permute(heed_tensor_wrap(pair, HEED_SHAPE(3, 2)), (const int[]){ 1, 0 });
    assert_true(heed_safetensors_read(reader, 1, across));
    const heed_real want[] = { 2, 5, 3, 6, 4, 7 };
    assert_memory_equal(pair, want, sizeof want);

    assert_false(heed_safetensors_read(reader, 1, heed_tensor_wrap(pair, HEED_SHAPE(3, 2))));
    check_failed(HEED_BAD_SHAPE, "tensor \"z\": expected [3, 2], found F32 [2, 3]");
    assert_false(heed_safetensors_read(reader, 1, heed_tensor_wrap(pair, HEED_SHAPE(6))));
    check_failed(HEED_BAD_SHAPE, "expected [6], found F32 [2, 3]");
    assert_false(heed_safetensors_read(reader, 1, (heed_tensor){ .data = NULL }));
    check_failed(HEED_BAD_SHAPE, "no tensor at all");
    assert_false(heed_safetensors_read(reader, 3, across));
    check_failed(HEED_BAD_ARGUMENT, "entry 3 of 3");
    assert_false(heed_safetensors_read_integers(reader, -1, &none));
    check_failed(HEED_BAD_ARGUMENT, "entry -1 of 3");
    assert_false(heed_safetensors_read_integers(reader, 0, &none));
    check_failed(HEED_BAD_TYPE, "expected I32 or I64, found F32");
    assert_string_equal(heed_safetensors_entry(reader, 3).name, "");
    check_failed(HEED_BAD_ARGUMENT, "entry 3 of 3");
    heed_safetensors_close(reader);
    heed_safetensors_close(NULL);
    assert_int_equal(heed_safetensors_count(NULL), 0);
}

/* An entry whose numbers take many pieces, contiguous and not, in another type than the build's. */
static void test_long_entry(void **state)
{
    (void)state;
    enum { ROWS = 300, COLS = 70, N = ROWS * COLS };
    static uint16_t bits[N];
    static heed_real straight[N], across[N];
    for (int i = 0; i < N; i++)
        bits[i] = (uint16_t)(0x3C00 + i % 900); /* 1 + k / 1024 */
    char header[100];
    snprintf(header, sizeof header, "{\"a\":{\"dtype\":\"F16\",\"shape\":[300,70],\"data_offsets\":[0,%d]}}", 2 * N);
    put_file(folder_path("a"), header, bits, sizeof bits);
    heed_reader *reader = heed_safetensors_open(folder_path("a"));
    assert_true(heed_safetensors_read(reader, 0, heed_tensor_wrap(straight, HEED_SHAPE(ROWS, COLS))));
    heed_tensor turned = heed_tensor_permute(heed_tensor_wrap(across, HEED_SHAPE(COLS, ROWS)), (const int[]){ 1, 0 });
    assert_true(heed_safetensors_read(reader, 0, turned));
    for (int i = 0; i < N; i++) {
        assert_true((double)straight[i] == 1 + i % 900 / 1024.0);
        assert_true((double)across[i % COLS * ROWS + i / COLS] == (double)straight[i]);
    }
    heed_safetensors_close(reader);
}

/* ---- saving ------------------------------------------------------------------------------------------------------ */

/* The bytes are the format's, to the last one. */
static void test_exact_bytes(void **state)
{
    (void)state;
    heed_real values[] = { 1, 2, 3 };
    const heed_named_tensor tensors[] = {
        { "b/\"\xC3\xA9\"", heed_tensor_wrap(values, HEED_SHAPE(1, 2)) },
        { "a", heed_tensor_wrap(values + 2, heed_shape_scalar()) },
    };
    const heed_metadata metadata[] = { { "z", "1\n" }, { "a", "" } };
    assert_true(heed_safetensors_save(folder_path("a"), tensors, 2, metadata, 2));
    int64_t n, e = sizeof(heed_real);
    char *file = file_get(folder_path("a"), &n), want[400];
    int length = snprintf(want, sizeof want,
                          "{\"__metadata__\":{\"z\":\"1\\n\",\"a\":\"\"},"
                          "\"b/\\\"\xC3\xA9\\\"\":{\"dtype\":\"%s\",\"shape\":[1,2],\"data_offsets\":[0,%lld]},"
                          "\"a\":{\"dtype\":\"%s\",\"shape\":[],\"data_offsets\":[%lld,%lld]}}",
                          REAL, (long long)(2 * e), REAL, (long long)(2 * e), (long long)(3 * e));
    uint64_t header;
    memcpy(&header, file, 8);
    assert_int_equal(header, (length + 7) / 8 * 8);
    assert_memory_equal(file + 8, want, length);
    for (int64_t i = length; i < (int64_t)header; i++)
        assert_int_equal(file[8 + i], ' ');
    assert_int_equal(n, 8 + (int64_t)header + 3 * e);
    assert_memory_equal(file + 8 + header, values, 3 * e);
    free(file);
}

static void test_saves_nothing(void **state)
{
    (void)state;
    assert_true(heed_safetensors_save(folder_path("a"), NULL, 0, NULL, 0));
    check_file(folder_path("a"), "\10\0\0\0\0\0\0\0{}      ", 16);
    heed_reader *reader = heed_safetensors_open(folder_path("a"));
    assert_non_null(reader);
    assert_int_equal(heed_safetensors_count(reader), 0);
    assert_null(heed_safetensors_metadata(reader, "a"));
    heed_safetensors_close(reader);
}

/* 200 random files: what is read is what was saved, and saving it again gives the same bytes. */
static void test_round_trip(void **state)
{
    (void)state;
    enum { MOST = 6, ROOM = 4096 };
    static heed_real values[MOST][ROOM], back[MOST][ROOM];
    for (int turn = 0; turn < 200; turn++) {
        heed_rng rng = { .seed = 3, .step = (uint32_t)turn };
        uint64_t draw = 0;
        int count = (int)heed_rng_below(rng, draw++, MOST + 1);
        heed_named_tensor tensors[MOST], again[MOST];
        char names[MOST][16];
        for (int t = 0; t < count; t++) {
            heed_shape shape = { .rank = (int)heed_rng_below(rng, draw++, HEED_MAX_RANK + 1) };
            for (int i = 0; i < shape.rank; i++)
                shape.dims[i] = (int64_t)heed_rng_below(rng, draw++, turn % 5 ? 4 : 5) + (turn % 5 > 0);
            snprintf(names[t], sizeof names[t], "t%d", t);
            heed_tensor all = heed_tensor_wrap(values[t], shape);
            assert_true(heed_tensor_normal(all, (heed_rng){ .seed = (uint64_t)turn, .stream = (uint64_t)t }, 0, 100));
            int reversed[HEED_MAX_RANK];
            for (int i = 0; i < shape.rank; i++)
                reversed[i] = shape.rank - 1 - i;
            tensors[t] = (heed_named_tensor){ names[t], turn % 2 ? all : heed_tensor_permute(all, reversed) };
        }
        const heed_metadata metadata[] = { { "config", "{\"a\":[1,\"\\u00e9\"]}" } };
        assert_true(heed_safetensors_save(folder_path("a"), tensors, count, metadata, turn % 3 > 0));
        heed_reader *reader = heed_safetensors_open(folder_path("a"));
        assert_non_null(reader);
        assert_int_equal(heed_safetensors_count(reader), count);
        for (int t = 0; t < count; t++) {
            heed_stored stored = heed_safetensors_entry(reader, heed_safetensors_find(reader, names[t]));
            again[t] = (heed_named_tensor){ names[t], heed_tensor_wrap(back[t], stored.shape) };
            assert_true(heed_shape_equal(stored.shape, tensors[t].values.shape));
            assert_true(heed_safetensors_read(reader, heed_safetensors_find(reader, names[t]), again[t].values));
            int64_t index[HEED_MAX_RANK] = { 0 };
            for (int64_t i = 0; i < heed_shape_numel(stored.shape); i++) {
                assert_memory_equal(heed_tensor_at(again[t].values, index), heed_tensor_at(tensors[t].values, index),
                                    sizeof(heed_real));
                for (int axis = stored.shape.rank - 1; axis >= 0 && ++index[axis] == stored.shape.dims[axis]; axis--)
                    index[axis] = 0;
            }
        }
        heed_metadata kept = { "config", heed_safetensors_metadata(reader, "config") };
        assert_true(heed_safetensors_save(folder_path("b"), again, count, &kept, turn % 3 > 0));
        heed_safetensors_close(reader);
        int64_t n;
        char *first = file_get(folder_path("a"), &n);
        check_file(folder_path("b"), first, n);
        free(first);
    }
}

/* Saving over the file that is being read: the reader keeps the old one. */
static void test_save_over_open_file(void **state)
{
    (void)state;
    heed_real old = 1, new = 2, got;
    const heed_named_tensor before = { "a", heed_tensor_wrap(&old, HEED_SHAPE(1)) };
    const heed_named_tensor after = { "a", heed_tensor_wrap(&new, HEED_SHAPE(1)) };
    assert_true(heed_safetensors_save(folder_path("a"), &before, 1, NULL, 0));
    heed_reader *reader = heed_safetensors_open(folder_path("a"));
    assert_true(heed_safetensors_save(folder_path("a"), &after, 1, NULL, 0));
    assert_true(heed_safetensors_read(reader, 0, heed_tensor_wrap(&got, HEED_SHAPE(1))));
    assert_true((double)got == 1);
    heed_safetensors_close(reader);
}

/* ---- saves that fail --------------------------------------------------------------------------------------------- */

static void test_refuses_to_save(void **state)
{
    (void)state;
    heed_real value = 1;
    heed_tensor t = heed_tensor_wrap(&value, HEED_SHAPE(1));
    static const struct {
        const char *first, *second, *key, *text, *says;
    } cases[] = {
        { "a", "a", "k", "v", "tensor \"a\" is there twice" },
        { "a", "__metadata__", "k", "v", "no tensor can be named \"__metadata__\"" },
        { "a", NULL, "k", "v", "tensor \"(null)\": the name or value is missing" },
        { "a", "b\xFF", "k", "v", "tensor \"b\\xFF\": the name or value is missing or not UTF-8" },
        { "a", "b", "k\xC0", "v", "metadata entry \"k\\xC0\"" },
        { "a", "b", "k", "\xED\xA0\x80", "metadata entry \"k\": the name or value is missing or not UTF-8" },
        { "a", "b", "k", NULL, "metadata entry \"k\": the name or value is missing" },
        { "a", "b", NULL, "v", "metadata entry \"(null)\"" },
        { "a", "b", "same", "v", "metadata entry \"same\" is there twice" },
    };
    file_put(folder_path("a"), "old", 3);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const heed_named_tensor tensors[] = { { cases[i].first, t }, { cases[i].second, t } };
        const heed_metadata metadata[] = { { "same", "" }, { cases[i].key, cases[i].text } };
        assert_false(heed_safetensors_save(folder_path("a"), tensors, 2, metadata, 2));
        check_failed(HEED_BAD_ARGUMENT, cases[i].says);
    }
    const heed_named_tensor failed = { "a", { .data = NULL } };
    assert_false(heed_safetensors_save(folder_path("a"), &failed, 1, NULL, 0));
    check_failed(HEED_BAD_ARGUMENT, "tensor \"a\" is not ok");
    static char longest[(16 << 20) + 1];
    memset(longest, 'x', sizeof longest - 1);
    const heed_metadata much = { "k", longest };
    assert_false(heed_safetensors_save(folder_path("a"), NULL, 0, &much, 1));
    check_failed(HEED_UNSUPPORTED, "a header of");
    check_text(folder_path("a"), "old");
    assert_false(heed_safetensors_save(folder_path("none/a"), NULL, 0, NULL, 0));
    check_failed(HEED_IO, "No such file or directory");
    assert_false(heed_safetensors_save(NULL, NULL, 0, NULL, 0));
    check_failed(HEED_BAD_ARGUMENT, "NULL");
    assert_int_equal(folder_count(), 1);
}

/* No room for the whole file, at many sizes: the old one is untouched. */
static void test_full_disk(void **state)
{
    (void)state;
    static heed_real values[40000];
    const heed_named_tensor tensor = { "a", heed_tensor_wrap(values, HEED_SHAPE(40000)) };
    file_put(folder_path("a"), "old", 3);
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    small = before;
    for (rlim_t limit = 0; limit < sizeof values; limit += 7001) {
        small.rlim_cur = limit;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        assert_false(heed_safetensors_save(folder_path("a"), &tensor, 1, NULL, 0));
        check_failed(HEED_IO, "/a\": write at byte");
        setrlimit(RLIMIT_FSIZE, &before);
        check_text(folder_path("a"), "old");
        assert_int_equal(folder_count(), 1);
    }
    signal(SIGXFSZ, handler);
    heed_memory_fail_at(1, false);
    assert_false(heed_safetensors_save(folder_path("a"), &tensor, 1, NULL, 0));
    heed_memory_fail_at(0, false);
    check_failed(HEED_MEMORY, "memory");
    check_text(folder_path("a"), "old");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_f32),
        IN_FOLDER(test_f64),
        IN_FOLDER(test_bf16),
        IN_FOLDER(test_f16),
        IN_FOLDER(test_integers),
        IN_FOLDER(test_entries),
        IN_FOLDER(test_long_entry),
        IN_FOLDER(test_exact_bytes),
        IN_FOLDER(test_saves_nothing),
        IN_FOLDER(test_round_trip),
        IN_FOLDER(test_save_over_open_file),
        IN_FOLDER(test_refuses_to_save),
        IN_FOLDER(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
