/* safetensors files that are wrong: each is refused with the right kind and reason, whatever was done to it, and costs
 * no more memory than its size allows. */
#include "folder.h"

#include <jansson.h>

/* ---- by hand, one rule broken in each ---------------------------------------------------------------------------- */

#define F                          "\"dtype\":\"F32\","
#define ONE(fields)                "{\"a\":{" fields "}}"
#define SHAPE(sizes, end)          ONE(F "\"shape\":" sizes ",\"data_offsets\":[0," end "]")
#define AT(name, size, begin, end) "\"" name "\":{" F "\"shape\":[" size "],\"data_offsets\":[" begin "," end "]}"

static const struct {
    const char *header;
    int64_t bytes; /* zeros after the header */
    heed_error_kind kind;
    const char *says;
} bad[] = {
    /* not JSON, or not of this kind */
    { " {}", 0, HEED_BAD_FORMAT, "does not start with '{'" },
    { "[]", 0, HEED_BAD_FORMAT, "does not start with '{'" },
    { "\"a\"", 0, HEED_BAD_FORMAT, "does not start with '{'" },
    { "\xEF\xBB\xBF{}", 0, HEED_BAD_FORMAT, "does not start with '{'" },
    { "{", 0, HEED_BAD_FORMAT, "header byte" },
    { "{}}", 0, HEED_BAD_FORMAT, "end of file expected" },
    { "{}{}", 0, HEED_BAD_FORMAT, "end of file expected" },
    { "{} // end", 0, HEED_BAD_FORMAT, "end of file expected" },
    { "{'a':1}", 0, HEED_BAD_FORMAT, "header byte 2" },
    { "{\"a\" 1}", 0, HEED_BAD_FORMAT, "':' expected" },
    { "{\"a\":1,}", 0, HEED_BAD_FORMAT, "header byte" },
    { "{\"a\":[}", 0, HEED_BAD_FORMAT, "header byte" },
    { "{\"a", 0, HEED_BAD_FORMAT, "header byte" },
    { "{\"a\\", 0, HEED_BAD_FORMAT, "header byte" },
    { "{\"a\":tru}", 0, HEED_BAD_FORMAT, "invalid token" },
    { "{\"a\":NaN}", 0, HEED_BAD_FORMAT, "invalid token" },
    { "{\"a\n\":1}", 0, HEED_BAD_FORMAT, "unexpected newline" },
    { "{\"a\x01\":1}", 0, HEED_BAD_FORMAT, "control character" },
    { "{\"a\":[],\"b\":[],\"c\":[],\"d\":[],\"e\":[],\"f\":[],\"g\":[],\"h\":[],\"i\":[]}", 0, HEED_BAD_FORMAT,
      "more brackets than tensors can have" },
    { "{\"a\":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}", 0, HEED_BAD_FORMAT, "nested deeper than three" },
    /* names and text */
    { "{" AT("a\xC0\x80", "1", "0", "4") "}", 4, HEED_BAD_FORMAT, "unable to decode byte 0xc0" },
    { "{" AT("a\xED\xA0\x80", "1", "0", "4") "}", 4, HEED_BAD_FORMAT, "unable to decode byte 0xed" },
    { "{" AT("a\xF5\x80\x80\x80", "1", "0", "4") "}", 4, HEED_BAD_FORMAT, "unable to decode byte 0xf5" },
    { "{" AT("a\xE2\x82", "1", "0", "4") "}", 4, HEED_BAD_FORMAT, "unable to decode byte 0xe2" },
    { "{\"a\":{" F "\"shape\":[1],\"data_offsets\":[0,4]}\xFF}", 4, HEED_BAD_FORMAT, "unable to decode byte 0xff" },
    { "{" AT("a\\u0000b", "1", "0", "4") "}", 4, HEED_BAD_FORMAT, "NUL byte in object key" },
    { "{" AT("a\\ud800", "1", "0", "4") "}", 4, HEED_BAD_FORMAT, "invalid Unicode" },
    { "{" AT("a\\x", "1", "0", "4") "}", 4, HEED_BAD_FORMAT, "invalid escape" },
    { "{" AT("a", "1", "0", "4") "," AT("a", "1", "4", "8") "}", 8, HEED_BAD_FORMAT, "duplicate object key" },
    { "{" AT("a", "1", "0", "4") "," AT("\\u0061", "1", "4", "8") "}", 8, HEED_BAD_FORMAT, "duplicate object key" },
    { ONE(F F "\"shape\":[1],\"data_offsets\":[0,4]"), 4, HEED_BAD_FORMAT, "duplicate object key" },
    { "{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, HEED_BAD_FORMAT, "duplicate object key" },
    { "{\"__metadata__\":{},\"__metadata__\":{}}", 0, HEED_BAD_FORMAT, "duplicate object key" },
    /* metadata */
    { "{\"__metadata__\":[]}", 0, HEED_BAD_FORMAT, "__metadata__ is not an object" },
    { "{\"__metadata__\":\"text\"}", 0, HEED_BAD_FORMAT, "__metadata__ is not an object" },
    { "{\"__metadata__\":{\"step\":1}}", 0, HEED_BAD_FORMAT, "__metadata__ \"step\" is not a string" },
    { "{\"__metadata__\":{\"step\":null}}", 0, HEED_BAD_FORMAT, "__metadata__ \"step\" is not a string" },
    { "{\"__metadata__\":{\"step\":{}}}", 0, HEED_BAD_FORMAT, "__metadata__ \"step\" is not a string" },
    { "{\"__metadata__\":{\"step\":\"\\u0000\"}}", 0, HEED_BAD_FORMAT, "\\u0000 is not allowed" },
    { "{\"__metadata__\":{" F "\"shape\":[1],\"data_offsets\":[0,4]}}", 4, HEED_BAD_FORMAT,
      "__metadata__ \"shape\" is not a string" },
    /* fields */
    { "{\"a\":1}", 0, HEED_BAD_FORMAT, "tensor \"a\": it is not an object" },
    { "{\"a\":[0,4]}", 0, HEED_BAD_FORMAT, "tensor \"a\": it is not an object" },
    { "{\"a\":{}}          ", 0, HEED_BAD_FORMAT, "tensor \"a\": dtype is missing" },
    { ONE("\"shape\":[1],\"data_offsets\":[0,4]"), 4, HEED_BAD_FORMAT, "dtype is missing" },
    { ONE("\"dtype\":32,\"shape\":[1],\"data_offsets\":[0,4]"), 4, HEED_BAD_FORMAT, "not a string" },
    { ONE("\"dtype\":\"Q4\",\"shape\":[1],\"data_offsets\":[0,4]"), 4, HEED_BAD_FORMAT, "unknown dtype \"Q4\"" },
    { ONE("\"dtype\":\"f32\",\"shape\":[1],\"data_offsets\":[0,4]"), 4, HEED_BAD_FORMAT, "unknown dtype \"f32\"" },
    { ONE("\"dtype\":\"\",\"shape\":[1],\"data_offsets\":[0,4]"), 4, HEED_BAD_FORMAT, "unknown dtype \"\"" },
    { ONE("\"dtype\":\"F32\\u001b[2J\",\"shape\":[1],\"data_offsets\":[0,4]"), 4, HEED_BAD_FORMAT, "F32\\x1B[2J" },
    { ONE("\"dtype\":\"BOOL\",\"shape\":[4],\"data_offsets\":[0,4]"), 4, HEED_UNSUPPORTED, "dtype BOOL" },
    { ONE("\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]"), 4, HEED_UNSUPPORTED, "dtype U8" },
    { ONE("\"dtype\":\"U64\",\"shape\":[4],\"data_offsets\":[0,32]"), 32, HEED_UNSUPPORTED, "dtype U64" },
    { ONE("\"dtype\":\"F8_E4M3\",\"shape\":[4],\"data_offsets\":[0,4]"), 4, HEED_UNSUPPORTED, "dtype F8_E4M3" },
    { ONE(F "\"data_offsets\":[0,4]"), 4, HEED_BAD_FORMAT, "shape is missing" },
    { SHAPE("4", "16"), 16, HEED_BAD_FORMAT, "shape is missing or not an array" },
    { SHAPE("\"4\"", "16"), 16, HEED_BAD_FORMAT, "shape is missing or not an array" },
    { ONE(F "\"shape\":[1]"), 4, HEED_BAD_FORMAT, "data_offsets is missing" },
    { ONE(F "\"shape\":[1],\"data_offsets\":4"), 4, HEED_BAD_FORMAT, "data_offsets is missing or not two" },
    { ONE(F "\"shape\":[1],\"data_offsets\":[4]"), 4, HEED_BAD_FORMAT, "not two integers" },
    { ONE(F "\"shape\":[1],\"data_offsets\":[0,4,4]"), 4, HEED_BAD_FORMAT, "not two integers" },
    { ONE(F "\"shape\":[1],\"data_offsets\":[0,\"4\"]"), 4, HEED_BAD_FORMAT, "not two integers" },
    { ONE(F "\"shape\":[1],\"data_offsets\":[null,4]"), 4, HEED_BAD_FORMAT, "not two integers" },
    { ONE(F "\"shape\":[1],\"data_offsets\":[0,4],\"x\":1"), 4, HEED_BAD_FORMAT, "fields other than" },
    { ONE(F "\"Shape\":[1],\"data_offsets\":[0,4]"), 4, HEED_BAD_FORMAT, "shape is missing" },
    /* sizes */
    { SHAPE("[-1]", "4"), 4, HEED_BAD_FORMAT, "header byte 29: a number that is not plain digits" },
    { SHAPE("[-0]", "0"), 0, HEED_BAD_FORMAT, "not plain digits" },
    { SHAPE("[1.0]", "4"), 4, HEED_BAD_FORMAT, "not plain digits" },
    { SHAPE("[1e3]", "4000"), 4000, HEED_BAD_FORMAT, "not plain digits" },
    { SHAPE("[+1]", "4"), 4, HEED_BAD_FORMAT, "not plain digits" },
    { SHAPE("[01]", "4"), 4, HEED_BAD_FORMAT, "invalid token" },
    { SHAPE("[0x1]", "4"), 4, HEED_BAD_FORMAT, "']' expected" },
    { SHAPE("[true]", "4"), 4, HEED_BAD_FORMAT, "size 0 of shape is not an integer" },
    { SHAPE("[1,null]", "4"), 4, HEED_BAD_FORMAT, "size 1 of shape is not an integer" },
    { SHAPE("[\"1\"]", "4"), 4, HEED_BAD_FORMAT, "size 0 of shape is not an integer" },
    { SHAPE("[18446744073709551616]", "0"), 0, HEED_BAD_FORMAT, "too big integer" },
    { SHAPE("[9223372036854775808]", "0"), 0, HEED_BAD_FORMAT, "too big integer" },
    { SHAPE("[1,1,1,1,1,1,1]", "4"), 4, HEED_UNSUPPORTED, "rank 7; heed holds up to rank 6" },
    { SHAPE("[0,0,0,0,0,0,0,0,0,0,0,0,0]", "0"), 0, HEED_UNSUPPORTED, "rank 13" },
    { SHAPE("[[1]]", "4"), 4, HEED_BAD_FORMAT, "nested deeper than three" },
    /* products that wrap: to 0, past a zero, past the element size */
    { SHAPE("[4294967296,4294967296]", "0"), 0, HEED_BAD_FORMAT, "does not fit in 63 bits" },
    { SHAPE("[4294967296,4294967296]", "16"), 16, HEED_BAD_FORMAT, "does not fit in 63 bits" },
    { SHAPE("[0,4294967296,4294967296]", "0"), 0, HEED_BAD_FORMAT, "does not fit in 63 bits" },
    { SHAPE("[4294967296,4294967296,0]", "0"), 0, HEED_BAD_FORMAT, "does not fit in 63 bits" },
    { SHAPE("[4611686018427387904]", "0"), 0, HEED_BAD_FORMAT, "does not fit in 63 bits" },
    { SHAPE("[4611686018427387905]", "4"), 4, HEED_BAD_FORMAT, "does not fit in 63 bits" },
    { SHAPE("[9223372036854775807]", "4"), 4, HEED_BAD_FORMAT, "does not fit in 63 bits" },
    { SHAPE("[1099511627776]", "4398046511104"), 16, HEED_BAD_FORMAT, "the file is cut short" },
    /* offsets */
    { SHAPE("[2]", "4"), 8, HEED_BAD_FORMAT, "F32 [2] takes 8 bytes, but data_offsets are [0, 4]" },
    { SHAPE("[1]", "8"), 8, HEED_BAD_FORMAT, "F32 [1] takes 4 bytes, but data_offsets are [0, 8]" },
    { SHAPE("[]", "0"), 0, HEED_BAD_FORMAT, "F32 [] takes 4 bytes" },
    { SHAPE("[0]", "4"), 4, HEED_BAD_FORMAT, "F32 [0] takes 0 bytes" },
    { "{" AT("a", "1", "4", "0") "}", 4, HEED_BAD_FORMAT, "data_offsets are [4, 0]" },
    { "{" AT("a", "1", "9223372036854775807", "3") "}", 4, HEED_BAD_FORMAT, "takes 4 bytes" },
    { "{" AT("a", "1", "9223372036854775803", "9223372036854775807") "}", 4, HEED_BAD_FORMAT, "there is a hole" },
    { "{" AT("a", "1", "4", "8") "}", 8, HEED_BAD_FORMAT,
      "tensor \"a\": it starts at 4, but the one before ends at 0" },
    { "{" AT("a", "1", "0", "4") "," AT("b", "1", "8", "12") "}", 12, HEED_BAD_FORMAT, "there is a hole" },
    { "{" AT("b", "1", "8", "12") "," AT("a", "1", "0", "4") "}", 12, HEED_BAD_FORMAT, "there is a hole" },
    { "{" AT("a", "2", "0", "8") "," AT("b", "1", "4", "8") "}", 8, HEED_BAD_FORMAT, "they overlap" },
    { "{" AT("a", "1", "0", "4") "," AT("b", "1", "0", "4") "}", 4, HEED_BAD_FORMAT, "they overlap" },
    { "{" AT("a", "2", "0", "8") "," AT("b", "0", "4", "4") "}", 8, HEED_BAD_FORMAT, "they overlap" },
    { "{" AT("a", "0", "8", "8") "}", 8, HEED_BAD_FORMAT, "there is a hole" },
    { SHAPE("[2]", "8"), 7, HEED_BAD_FORMAT, "take 8 bytes, but 7 follow the header: the file is cut short" },
    { SHAPE("[2]", "8"), 0, HEED_BAD_FORMAT, "the file is cut short" },
    { SHAPE("[2]", "8"), 9, HEED_BAD_FORMAT, "take 8 bytes, but 9 follow the header: something is appended" },
    { "{}", 1, HEED_BAD_FORMAT, "something is appended" },
    { "{\"__metadata__\":{}}", 8, HEED_BAD_FORMAT, "something is appended" },
};
enum { BAD = sizeof bad / sizeof *bad };

static void put_header(const char *path, const char *header, int64_t n, int64_t bytes)
{
    char *file = calloc(1, (size_t)(8 + n + bytes));
    uint64_t length = (uint64_t)n;
    memcpy(file, &length, 8);
    memcpy(file + 8, header, (size_t)n);
    file_put(path, file, 8 + n + bytes);
    free(file);
}

static void test_each_rule(void **state)
{
    (void)state;
    assert_true(BAD >= 60);
    heed_memory before = heed_memory_now();
    for (int i = 0; i < BAD; i++) {
        put_header(folder_path("bad"), bad[i].header, (int64_t)strlen(bad[i].header), bad[i].bytes);
        heed_reader *reader = heed_safetensors_open(folder_path("bad"));
        if (reader)
            fail_msg("accepted: %s", bad[i].header);
        if (heed_error_code() != bad[i].kind || !strstr(heed_error(), bad[i].says))
            fail_msg("%s\nshould say %d \"%s\", says %d \"%s\"", bad[i].header, (int)bad[i].kind, bad[i].says,
                     (int)heed_error_code(), heed_error());
        assert_non_null(strstr(heed_error(), "/bad\"")); /* every message names the file */
        heed_error_clear();
    }
    assert_int_equal(heed_memory_now().bytes, before.bytes);
}

/* A raw NUL inside the header, where a C string would end. */
static void test_nul(void **state)
{
    (void)state;
    static const char inside[] = "{" AT("a\0b", "1", "0", "4") "}", after[] = "{}\0\0\0";
    put_header(folder_path("bad"), inside, sizeof inside - 1, 4);
    assert_null(heed_safetensors_open(folder_path("bad")));
    check_failed(HEED_BAD_FORMAT, "control character");
    put_header(folder_path("bad"), after, sizeof after - 1, 0);
    assert_null(heed_safetensors_open(folder_path("bad")));
    check_failed(HEED_BAD_FORMAT, "end of file expected");
}

/* ---- the eight bytes in front, and things that are no file ------------------------------------------------------- */

static void refuses(const void *bytes, int64_t n, heed_error_kind kind, const char *says)
{
    file_put(folder_path("bad"), bytes, n);
    assert_null(heed_safetensors_open(folder_path("bad")));
    check_failed(kind, says);
}

static void test_lengths(void **state)
{
    (void)state;
    char file[32] = { 0 };
    for (int64_t n = 0; n < 8; n++)
        refuses(file, n, HEED_BAD_FORMAT, "too short for a safetensors file");
    static const uint64_t lengths[] = { 0,
                                        3,
                                        9,
                                        1u << 31,
                                        0xFFFFFFFF,
                                        1ull << 32,
                                        INT64_MAX,
                                        INT64_MAX - 4,
                                        UINT64_MAX,
                                        UINT64_MAX - 4,
                                        UINT64_MAX - 7,
                                        UINT64_MAX - 8 };
    memcpy(file + 8, "{}", 2);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        memcpy(file, &lengths[i], 8);
        refuses(file, 10, HEED_BAD_FORMAT, "cut short");
    }
    refuses(file, 8, HEED_BAD_FORMAT, "cut short");
    refuses("\x93NUMPY\1\0v\0{'descr'", 18, HEED_BAD_FORMAT, "not a safetensors file");
    refuses("\x1F\x8B\x08\0\0\0\0\0\0\3", 10, HEED_BAD_FORMAT, "not a safetensors file");
}

/* A header of 16 MiB is read, one byte more is not. */
static void test_longest_header(void **state)
{
    (void)state;
    const int64_t most = 16 << 20;
    char *header = malloc((size_t)most + 1);
    memset(header, ' ', (size_t)most + 1);
    memcpy(header, "{}", 2);
    put_header(folder_path("big"), header, most, 0);
    heed_reader *reader = heed_safetensors_open(folder_path("big"));
    assert_non_null(reader);
    assert_int_equal(heed_safetensors_count(reader), 0);
    heed_safetensors_close(reader);
    put_header(folder_path("big"), header, most + 1, 0);
    assert_null(heed_safetensors_open(folder_path("big")));
    check_failed(HEED_BAD_FORMAT, "at most 16777216");
    free(header);
}

static void test_no_file(void **state)
{
    (void)state;
    assert_null(heed_safetensors_open(NULL));
    check_failed(HEED_BAD_ARGUMENT, "NULL");
    assert_null(heed_safetensors_open(folder_path("none")));
    check_failed(HEED_IO, "/none\": No such file or directory");
    assert_null(heed_safetensors_open(folder_name));
    check_failed(HEED_IO, "it is a folder, not a regular file");
    assert_int_equal(mkfifo(folder_path("pipe"), 0666), 0);
    assert_null(heed_safetensors_open(folder_path("pipe"))); /* and does not wait */
    check_failed(HEED_IO, "pipe or device");
    assert_null(heed_safetensors_open("/dev/zero"));
    check_failed(HEED_IO, "pipe or device");
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static int64_t json_live, json_peak, json_fail_in;

static void json_count(int64_t bytes)
{
    json_live += bytes;
    int64_t all = json_live + heed_memory_now().bytes;
    json_peak = all > json_peak ? all : json_peak;
}

static void *counting_malloc(size_t n)
{
    if (json_fail_in > 0 && --json_fail_in == 0)
        return NULL;
    size_t rounded = (n + 8 + 15) / 16 * 16; /* as glibc's malloc rounds */
    size_t *block = malloc(rounded + 16);
    *block = rounded;
    json_count((int64_t)rounded);
    return (char *)block + 16;
}

static void counting_free(void *p)
{
    if (!p)
        return;
    size_t *block = (size_t *)((char *)p - 16);
    json_count(-(int64_t)*block);
    free(block);
}

/* Repeats a member with this value, named by a running number, up to n bytes, between { and }. */
static int64_t repeat(char *to, int64_t n, const char *value)
{
    int64_t used = 0;
    to[used++] = '{';
    for (unsigned i = 0; used + 100 < n; i++)
        used += snprintf(to + used, 100, "\"%x\":%s,", i, value);
    to[used - 1] = '}'; /* instead of the last comma */
    return used;
}

/* Peak memory of opening stays under the file's size + 32 headers + 1 MB, for headers made to cost much. */
static void test_peak_memory(void **state)
{
    (void)state;
    static const char *const values[] = {
        "{}",
        "[]",
        "1",
        "null",
        "\"\"",
        "{\"a\":1}",
        "{\"ab\":[]}",
        "{\"__\":\"\",\"a\":1}",
        "[1,1,1,1,1,1,1,1]",
        "{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}",
        "{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[0,2]}",
        "{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,0],\"data_offsets\":[0,0]}",
    };
    const int64_t n = 2 << 20;
    char *header = malloc((size_t)n);
    json_set_alloc_funcs(counting_malloc, counting_free);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        int64_t length = repeat(header, n, values[i]);
        put_header(folder_path("big"), header, length, 0);
        json_peak = 0;
        json_live = -heed_memory_now().bytes;
        int64_t start = json_live;
        heed_reader *reader = heed_safetensors_open(folder_path("big"));
        heed_safetensors_close(reader);
        heed_error_clear();
        if (json_peak > 33 * length + (1 << 20))
            fail_msg("%s: %.1f times the header", values[i], (double)json_peak / (double)length);
        assert_int_equal(json_live, start);
    }
    json_set_alloc_funcs(malloc, free);
    free(header);
}

/* Every allocation fails in turn, ours and jansson's: an error, and nothing kept. */
static void test_out_of_memory(void **state)
{
    (void)state;
    static const char header[] =
        "{\"__metadata__\":{\"k\":\"v\"}," AT("a", "1", "0", "4") "," AT("b", "1", "4", "8") "}";
    put_header(folder_path("good"), header, sizeof header - 1, 8);
    int64_t before = heed_memory_now().bytes;
    json_set_alloc_funcs(counting_malloc, counting_free);
    json_live = 0;
    heed_reader *reader = NULL;
    int failures = 0;
    for (int64_t n = 1; !reader; n++, failures++) {
        heed_memory_fail_at(n, false);
        reader = heed_safetensors_open(folder_path("good"));
        heed_memory_fail_at(0, false);
        if (!reader)
            check_failed(HEED_MEMORY, "memory");
    }
    assert_int_equal(failures, 5); /* reader, header, entries, names; then it works */
    heed_safetensors_close(reader);
    reader = NULL;
    for (int64_t n = 1; !reader; n++) {
        assert_int_equal(json_live, 0);
        json_fail_in = n;
        reader = heed_safetensors_open(folder_path("good"));
        json_fail_in = 0;
        assert_int_equal(heed_error_pending(), !reader);
        heed_error_clear();
    }
    heed_safetensors_close(reader);
    json_set_alloc_funcs(malloc, free);
    assert_int_equal(heed_memory_now().bytes, before);
}

/* ---- a good file, damaged everywhere ----------------------------------------------------------------------------- */

static char *sample(int64_t *n)
{
    static heed_real values[900];
    for (int i = 0; i < 900; i++)
        values[i] = (heed_real)(i * 0.25 - 3);
    const int rows = sizeof(heed_real) == 4 ? 28 : 14;
    const heed_named_tensor tensors[] = {
        { "enc.0.weight", heed_tensor_wrap(values, HEED_SHAPE(rows, 28)) },
        { "enc.0.bias", heed_tensor_wrap(values + 100, HEED_SHAPE(28)) },
        { "empty", heed_tensor_wrap(values, HEED_SHAPE(0, 3)) },
        { "scalar", heed_tensor_wrap(values + 7, heed_shape_scalar()) },
    };
    const heed_metadata metadata[] = { { "step", "12" }, { "vocab", "[\"a\",\"\xC3\xA9\"]" } };
    assert_true(heed_safetensors_save(folder_path("good"), tensors, 4, metadata, 2));
    return file_get(folder_path("good"), n);
}

/* Opens, and reads everything: it has to end well, however far it gets. Returns whether it opened. */
static bool survives(const char *path)
{
    static heed_real room[100000];
    static int64_t integers[100000];
    heed_reader *reader = heed_safetensors_open(path);
    for (int i = 0; i < heed_safetensors_count(reader); i++) {
        heed_stored stored = heed_safetensors_entry(reader, i);
        int64_t n = heed_shape_numel(stored.shape);
        assert_true(n >= 0 && n <= 100000);
        bool ok = stored.type == HEED_I32 || stored.type == HEED_I64
                      ? heed_safetensors_read_integers(reader, i, integers)
                      : heed_safetensors_read(reader, i, heed_tensor_wrap(room, stored.shape));
        assert_true(ok);
    }
    bool opened = reader != NULL;
    heed_safetensors_close(reader);
    assert_int_equal(heed_error_pending(), !opened);
    heed_error_clear();
    return opened;
}

static void test_cut_anywhere(void **state)
{
    (void)state;
    int64_t n;
    char *file = sample(&n);
    assert_true(n > 3000 && n < 5000);
    assert_true(survives(folder_path("good")));
    for (int64_t length = 0; length < n; length++) {
        file_put(folder_path("cut"), file, length);
        if (survives(folder_path("cut")))
            fail_msg("%lld of %lld bytes are accepted", (long long)length, (long long)n);
    }
    free(file);
}

/* One bit of the length or the header changed: refused, or a valid file (another letter in a name, say). */
static void test_flip_every_header_bit(void **state)
{
    (void)state;
    int64_t n, opened = 0;
    char *file = sample(&n);
    uint64_t header;
    memcpy(&header, file, 8);
    for (uint64_t bit = 0; bit < 8 * (8 + header); bit++) {
        file[bit / 8] = (char)(file[bit / 8] ^ 1 << bit % 8);
        file_put(folder_path("flip"), file, n);
        opened += survives(folder_path("flip"));
        file[bit / 8] = (char)(file[bit / 8] ^ 1 << bit % 8);
    }
    assert_true(opened > 0 && opened < 2000);
    free(file);
}

/* Random damage of several bytes, often digits and punctuation. */
static void test_random_damage(void **state)
{
    (void)state;
    static const char likely[] = "0123456789{}[]\",:- \\eE.\0\xFF";
    int64_t n;
    char *good = sample(&n), *file = malloc((size_t)n);
    const int turns = getenv("HEED_LONG") ? 50000 : 3000;
    for (int turn = 0; turn < turns; turn++) {
        heed_rng rng = { .seed = 11, .step = (uint32_t)turn };
        memcpy(file, good, (size_t)n);
        uint64_t changes = 1 + heed_rng_below(rng, 0, 4);
        for (uint64_t i = 1; i <= changes; i++) {
            uint64_t at = heed_rng_below(rng, 3 * i, 500);
            file[at] = heed_rng_below(rng, 3 * i + 1, 4) ? likely[heed_rng_below(rng, 3 * i + 2, sizeof likely - 1)]
                                                         : (char)heed_rng_bits(rng, 3 * i + 2);
        }
        file_put(folder_path("hurt"), file, n);
        survives(folder_path("hurt"));
    }
    free(good);
    free(file);
}

/* The file shrinks after it was opened. */
static void test_shrinks(void **state)
{
    (void)state;
    int64_t n;
    free(sample(&n));
    heed_reader *reader = heed_safetensors_open(folder_path("good"));
    assert_non_null(reader);
    assert_int_equal(truncate(folder_path("good"), n - 400), 0);
    heed_stored stored = heed_safetensors_entry(reader, 0);
    heed_real room[900];
    int i = heed_safetensors_find(reader, "enc.0.bias");
    assert_true(heed_safetensors_read(reader, 0, heed_tensor_wrap(room, stored.shape)) || heed_error_pending());
    heed_error_clear();
    assert_int_equal(truncate(folder_path("good"), 100), 0);
    assert_false(heed_safetensors_read(reader, i, heed_tensor_wrap(room, HEED_SHAPE(28))));
    check_failed(HEED_IO, "it ends at byte");
    heed_safetensors_close(reader);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_each_rule),      IN_FOLDER(test_nul),          IN_FOLDER(test_lengths),
        IN_FOLDER(test_longest_header), IN_FOLDER(test_no_file),      IN_FOLDER(test_peak_memory),
        IN_FOLDER(test_out_of_memory),  IN_FOLDER(test_cut_anywhere), IN_FOLDER(test_flip_every_header_bit),
        IN_FOLDER(test_random_damage),  IN_FOLDER(test_shrinks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
