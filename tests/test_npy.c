/* .npy files: the bytes NumPy writes, every type that is read, and everything that is refused. */
#include "folder.h"

static heed_arena *arena;

static int make(void **state)
{
    arena = heed_arena_new();
    return arena ? folder_make(state) : -1;
}

static int done(void **state)
{
    heed_arena_free(arena);
    return folder_remove(state);
}

/* A file of this version and header (its newline included), and n bytes after it. */
static void put_npy(int version, const char *header, const void *bytes, int64_t n)
{
    char file[8192] = "\x93NUMPY";
    size_t length = strlen(header), at = version == 1 ? 10 : 12;
    file[6] = (char)version;
    file[8] = (char)(length & 255);
    file[9] = (char)(length >> 8);
    memcpy(file + at, header, length);
    memcpy(file + at + length, bytes, (size_t)n);
    file_put(folder_path("a"), file, (int64_t)(at + length) + n);
}

#define HEADER(descr, shape) "{'descr': '" descr "', 'fortran_order': False, 'shape': " shape ", }\n"

static heed_tensor load(void)
{
    heed_tensor t = heed_npy_load(arena, folder_path("a"));
    check_no_error();
    assert_true(heed_tensor_ok(t) && heed_tensor_contiguous(t));
    return t;
}

/* ---- what is read ------------------------------------------------------------------------------------------------ */

static void test_types(void **state)
{
    (void)state;
    const float f4[] = { 1.5f, -0.0f, INFINITY };
    const double f8[] = { 0.1, -1e-300, -HUGE_VAL };
    const int32_t i4[] = { INT32_MIN, 0, 16777217 };
    const int64_t i8[] = { INT64_MIN, -1, (1ll << 53) + 1 };
    const char b1[] = { 0, 1, 1 };
    put_npy(1, HEADER("<f4", "(3,)"), f4, sizeof f4);
    heed_tensor t = load();
    assert_true(heed_shape_equal(t.shape, HEED_SHAPE(3)));
    for (int i = 0; i < 3; i++)
        assert_true((double)t.data[i] == (double)f4[i] && !signbit(t.data[i]) == !signbit(f4[i]));
    put_npy(2, HEADER("<f8", "(3, 1)"), f8, sizeof f8);
    t = load();
    assert_true(heed_shape_equal(t.shape, HEED_SHAPE(3, 1)));
    for (int i = 0; i < 3; i++)
        assert_true((double)t.data[i] == (double)(heed_real)f8[i]);
    put_npy(1, HEADER("<i4", "(1, 3)"), i4, sizeof i4);
    t = load();
    for (int i = 0; i < 3; i++)
        assert_true((double)t.data[i] == (double)(heed_real)i4[i]);
    put_npy(1, HEADER("<i8", "(1, 1, 3)"), i8, sizeof i8);
    t = load();
    for (int i = 0; i < 3; i++)
        assert_true((double)t.data[i] == (double)(heed_real)i8[i]);
    put_npy(1, HEADER("|b1", "(3,)"), b1, sizeof b1);
    t = load();
    for (int i = 0; i < 3; i++)
        assert_true((double)t.data[i] == b1[i]);
}

/* Headers NumPy would also take. */
static void test_headers(void **state)
{
    (void)state;
    const double one = 7;
    static const struct {
        const char *header;
        heed_shape shape;
    } cases[] = {
        { HEADER("<f8", "()"), { .rank = 0 } },
        { HEADER("<f8", "(1,)"), { .rank = 1, .dims = { 1 } } },
        { HEADER("<f8", "(1, 1)"), { .rank = 2, .dims = { 1, 1 } } },
        { HEADER("<f8", "(1, 1,)"), { .rank = 2, .dims = { 1, 1 } } },
        { HEADER("<f8", "( 1 ,1, 1,1,1,1 )"), { .rank = 6, .dims = { 1, 1, 1, 1, 1, 1 } } },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': ()}   \n", { .rank = 0 } },
        { "{'shape':(1,),'fortran_order':False,'descr':'<f8',}\n", { .rank = 1, .dims = { 1 } } },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int version = 1; version <= 2; version++) {
            put_npy(version, cases[i].header, &one, sizeof one);
            heed_tensor t = load();
            assert_true(heed_shape_equal(t.shape, cases[i].shape));
            assert_true((double)t.data[0] == 7);
        }
    put_npy(1, HEADER("<f8", "(3, 0, 2)"), "", 0);
    heed_tensor t = load();
    assert_true(heed_shape_equal(t.shape, HEED_SHAPE(3, 0, 2)));
}

/* ---- what is written --------------------------------------------------------------------------------------------- */

static void test_exact_bytes(void **state)
{
    (void)state;
    heed_real values[] = { 1, 2, 3, 4, 5, 6 };
    const char *type = sizeof(heed_real) == 4 ? "<f4" : "<f8";
    const heed_tensor t = heed_tensor_wrap(values, HEED_SHAPE(2, 3));
    assert_true(heed_npy_save(folder_path("a"), t));
    char want[128 + sizeof values];
    memset(want, ' ', 128);
    memcpy(want, "\x93NUMPY\1\0\x76\0", 10);
    char header[100];
    int n = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (2, 3), }", type);
    memcpy(want + 10, header, (size_t)n);
    want[127] = '\n';
    memcpy(want + 128, values, sizeof values);
    check_file(folder_path("a"), want, sizeof want);
    /* strided: the same as its copy */
    assert_true(heed_npy_save(folder_path("a"), heed_tensor_permute(t, (const int[]){ 1, 0 })));
    const heed_real across[] = { 1, 4, 2, 5, 3, 6 };
    assert_memory_equal(load().data, across, sizeof across);
    heed_tensor repeated = heed_tensor_broadcast(heed_tensor_wrap(values, HEED_SHAPE(1, 3)), HEED_SHAPE(2, 3));
    assert_true(heed_npy_save(folder_path("a"), repeated));
    const heed_real twice[] = { 1, 2, 3, 1, 2, 3 };
    assert_memory_equal(load().data, twice, sizeof twice);
}

static void test_round_trip(void **state)
{
    (void)state;
    static heed_real values[5000];
    for (int turn = 0; turn < 200; turn++) {
        heed_rng rng = { .seed = 9, .step = (uint32_t)turn };
        heed_shape shape = { .rank = (int)heed_rng_below(rng, 0, HEED_MAX_RANK + 1) };
        for (int i = 0; i < shape.rank; i++)
            shape.dims[i] = (int64_t)heed_rng_below(rng, 1 + (uint64_t)i, 5) + (turn % 4 > 0 && shape.rank < 6);
        if (turn == 7)
            shape = HEED_SHAPE(4999); /* many pieces */
        heed_tensor t = heed_tensor_wrap(values, shape);
        assert_true(heed_shape_numel(shape) <= 5000 || shape.rank > 5);
        if (heed_shape_numel(shape) > 5000)
            continue;
        assert_true(heed_tensor_normal(t, rng, 0, 1));
        assert_true(heed_npy_save(folder_path("a"), t));
        heed_tensor back = load();
        assert_true(heed_shape_equal(back.shape, shape));
        assert_memory_equal(back.data, values, sizeof(heed_real) * (size_t)heed_shape_numel(shape));
        heed_arena_reset(arena);
    }
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static void refused(heed_error_kind kind, const char *says)
{
    assert_false(heed_tensor_ok(heed_npy_load(arena, folder_path("a"))));
    check_failed(kind, says);
}

static void test_bad_headers(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        heed_error_kind kind;
        const char *says;
    } cases[] = {
        { HEADER(">f8", "(2,)"), HEED_UNSUPPORTED, "element type '>f8'" },
        { HEADER("<f2", "(2,)"), HEED_UNSUPPORTED, "element type '<f2'" },
        { HEADER("<u4", "(2,)"), HEED_UNSUPPORTED, "element type '<u4'" },
        { HEADER("|O", "(2,)"), HEED_UNSUPPORTED, "element type '|O'" },
        { HEADER("<U5", "(2,)"), HEED_UNSUPPORTED, "element type '<U5'" },
        { HEADER("<f88", "(2,)"), HEED_UNSUPPORTED, "element type '<f88'" },
        { "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (2,), }\n", HEED_UNSUPPORTED, "element type [" },
        { "{'descr': '<f8', 'fortran_order': True, 'shape': (2,), }\n", HEED_UNSUPPORTED, "column-major" },
        { "{'descr': '<f8', 'fortran_order': 0, 'shape': (2,), }\n", HEED_BAD_FORMAT, "expected False" },
        { HEADER("<f8", "(1, 1, 1, 1, 1, 1, 2)"), HEED_UNSUPPORTED, "more than 6 axes" },
        { HEADER("<f8", "(2)"), HEED_BAD_FORMAT, "',' in a tuple of one" },
        { HEADER("<f8", "2"), HEED_BAD_FORMAT, "expected a tuple" },
        { HEADER("<f8", "[2]"), HEED_BAD_FORMAT, "expected a tuple" },
        { HEADER("<f8", "(,)"), HEED_BAD_FORMAT, "a size in plain digits" },
        { HEADER("<f8", "(2,,)"), HEED_BAD_FORMAT, "a size in plain digits" },
        { HEADER("<f8", "(1 2)"), HEED_BAD_FORMAT, "',' or ')'" },
        { HEADER("<f8", "(-2,)"), HEED_BAD_FORMAT, "a size in plain digits" },
        { HEADER("<f8", "(+2,)"), HEED_BAD_FORMAT, "a size in plain digits" },
        { HEADER("<f8", "(02,)"), HEED_BAD_FORMAT, "a size in plain digits" },
        { HEADER("<f8", "(2.0,)"), HEED_BAD_FORMAT, "found \".0" },
        { HEADER("<f8", "(2L,)"), HEED_BAD_FORMAT, "found \"L" },
        { HEADER("<f8", "(2e0,)"), HEED_BAD_FORMAT, "found \"e0" },
        { HEADER("<f8", "(9223372036854775808,)"), HEED_BAD_FORMAT, "does not fit in 63 bits" },
        { HEADER("<f8", "(18446744073709551618,)"), HEED_BAD_FORMAT, "does not fit in 63 bits" },
        { HEADER("<f8", "(4294967296, 4294967296)"), HEED_BAD_SHAPE, "4294967296" },
        { HEADER("<f8", "(2305843009213693952,)"), HEED_BAD_SHAPE, "2305843009213693952" },
        { HEADER("<f8", "(1152921504606846975, 1)"), HEED_BAD_FORMAT, "the file is cut short" },
        { HEADER("<f8", "(2,"), HEED_BAD_FORMAT, "a size in plain digits" },
        { "{'descr': '<f8', 'fortran_order': False, }\n", HEED_BAD_FORMAT, "without 'shape'" },
        { "{'fortran_order': False, 'shape': (2,), }\n", HEED_BAD_FORMAT, "without 'descr'" },
        { "{'descr': '<f8', 'shape': (2,), }\n", HEED_BAD_FORMAT, "without 'fortran_order'" },
        { "{}\n", HEED_BAD_FORMAT, "without 'descr'" },
        { "{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n", HEED_BAD_FORMAT,
          "one each of 'descr'" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), 'x': 1}\n", HEED_BAD_FORMAT, "one each of 'descr'" },
        { "{'descr': '<f8' 'fortran_order': False, 'shape': (2,), }\n", HEED_BAD_FORMAT, "expected ','" },
        { "{'descr' '<f8', 'fortran_order': False, 'shape': (2,), }\n", HEED_BAD_FORMAT, "expected ':'" },
        { "{\"descr\": '<f8', 'fortran_order': False, 'shape': (2,), }\n", HEED_BAD_FORMAT, "one each of 'descr'" },
        { "('descr': '<f8', 'fortran_order': False, 'shape': (2,), )\n", HEED_BAD_FORMAT, "expected '{'" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", HEED_BAD_FORMAT, "a newline at its end" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n\n", HEED_BAD_FORMAT, "a newline at its end" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), } x\n", HEED_BAD_FORMAT, "a newline at its end" },
        { "", HEED_BAD_FORMAT, "expected '{'" },
        { "\xFF\x1B", HEED_BAD_FORMAT, "found \"\\xFF\\x1B\"" },
        /* right headers, wrong sizes of the rest (16 bytes) */
        { HEADER("<f8", "(1,)"), HEED_BAD_FORMAT, "something is appended" },
        { HEADER("<f8", "(3,)"), HEED_BAD_FORMAT, "the file is cut short" },
        { HEADER("<f4", "(2,)"), HEED_BAD_FORMAT, "something is appended" },
        { HEADER("<f8", "(0,)"), HEED_BAD_FORMAT, "<f8 [0] does not take the 16 bytes" },
        { HEADER("|b1", "(99999999999,)"), HEED_BAD_FORMAT, "the file is cut short" },
    };
    const double two[] = { 1, 2 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_npy(1, cases[i].header, two, sizeof two);
        heed_memory before = heed_memory_now();
        heed_tensor t = heed_npy_load(arena, folder_path("a"));
        if (heed_tensor_ok(t) || heed_error_code() != cases[i].kind || !strstr(heed_error(), cases[i].says))
            fail_msg("%s should say %d \"%s\", says %d \"%s\"", cases[i].header, (int)cases[i].kind, cases[i].says,
                     (int)heed_error_code(), heed_error());
        heed_error_clear();
        assert_int_equal(heed_memory_now().calls, before.calls); /* nothing was allocated */
    }
}

static void test_bad_starts(void **state)
{
    (void)state;
    char file[12000] = "\x93NUMPY\1\0";
    for (int64_t n = 0; n < 10; n++) {
        file_put(folder_path("a"), file, n);
        refused(HEED_BAD_FORMAT, "not an .npy file");
    }
    file_put(folder_path("a"), "PK\3\4 a zip archive", 18);
    refused(HEED_BAD_FORMAT, "not an .npy file");
    for (int version = 0; version < 5; version++)
        if (version == 0 || version > 2) {
            file[6] = (char)version;
            file_put(folder_path("a"), file, 100);
            refused(HEED_UNSUPPORTED, "heed reads 1.0 and 2.0");
        }
    file[6] = 1, file[7] = 1;
    file_put(folder_path("a"), file, 100);
    refused(HEED_UNSUPPORTED, ".npy version 1.1");
    file[7] = 0;
    file[8] = 95;
    file_put(folder_path("a"), file, 100);
    refused(HEED_BAD_FORMAT, "a header of 95 bytes in a file of 100");
    memset(file + 6, -1, 6), file[6] = 2, file[7] = 0;
    file_put(folder_path("a"), file, sizeof file);
    refused(HEED_BAD_FORMAT, "a header of 4294967295 bytes");
    static const char inside[] = "\x93NUMPY\1\0\4\0{}\0\n";
    file_put(folder_path("a"), inside, sizeof inside - 1);
    refused(HEED_BAD_FORMAT, "a NUL byte in the header");

    assert_false(heed_tensor_ok(heed_npy_load(arena, folder_path("none"))));
    check_failed(HEED_IO, "No such file or directory");
    assert_false(heed_tensor_ok(heed_npy_load(arena, folder_name)));
    check_failed(HEED_IO, "a folder");
    assert_false(heed_tensor_ok(heed_npy_load(arena, "/dev/zero")));
    check_failed(HEED_IO, "a pipe or device");
    assert_false(heed_tensor_ok(heed_npy_load(arena, NULL)));
    check_failed(HEED_BAD_ARGUMENT, "NULL");
}

/* Cut anywhere, and with each bit of the header changed: an error. */
static void test_damage(void **state)
{
    (void)state;
    heed_real values[12] = { 0 };
    assert_true(heed_npy_save(folder_path("good"), heed_tensor_wrap(values, HEED_SHAPE(3, 4))));
    int64_t n;
    char *file = file_get(folder_path("good"), &n);
    for (int64_t length = 0; length < n; length++) {
        file_put(folder_path("a"), file, length);
        assert_false(heed_tensor_ok(heed_npy_load(arena, folder_path("a"))));
        assert_true(heed_error_pending());
        heed_error_clear();
    }
    int valid = 0;
    for (int bit = 0; bit < 128 * 8; bit++) {
        file[bit / 8] = (char)(file[bit / 8] ^ 1 << bit % 8);
        file_put(folder_path("a"), file, n);
        bool ok = heed_tensor_ok(heed_npy_load(arena, folder_path("a")));
        assert_int_equal(heed_error_pending(), !ok);
        heed_error_clear();
        valid += ok;
        file[bit / 8] = (char)(file[bit / 8] ^ 1 << bit % 8);
    }
    assert_int_equal(valid, 0); /* no token is one bit from another */
    free(file);
}

static void test_failures(void **state)
{
    (void)state;
    heed_real value = 1;
    file_put(folder_path("a"), "old", 3);
    assert_false(heed_npy_save(folder_path("a"), (heed_tensor){ .data = NULL }));
    check_failed(HEED_BAD_ARGUMENT, "the tensor is not ok");
    heed_memory_fail_at(1, false);
    assert_false(heed_npy_save(folder_path("a"), heed_tensor_wrap(&value, HEED_SHAPE(1))));
    check_failed(HEED_MEMORY, "memory");
    assert_false(heed_npy_save(folder_path("none/a"), heed_tensor_wrap(&value, HEED_SHAPE(1))));
    check_failed(HEED_IO, "No such file or directory");
    check_text(folder_path("a"), "old");
    static char zeros[100000];
    put_npy(1, HEADER("|b1", "(1000,)"), zeros, 1000);
    heed_memory_fail_at(1, true);
    heed_tensor t = heed_npy_load(arena, folder_path("a"));
    heed_memory_fail_at(0, false);
    assert_false(heed_tensor_ok(t));
    check_failed(HEED_MEMORY, "memory");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make, done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_types),      IN_FOLDER(test_headers),     IN_FOLDER(test_exact_bytes),
        IN_FOLDER(test_round_trip), IN_FOLDER(test_bad_headers), IN_FOLDER(test_bad_starts),
        IN_FOLDER(test_damage),     IN_FOLDER(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
