/* NumPy's .npy: one array a file. Format: numpy.lib.format in NumPy's documentation.
 *
 *     6 bytes   \x93NUMPY
 *     2 bytes   version: 1 0 or 2 0
 *     2 bytes   (version 1) or 4 (version 2): length N of the header, little-endian
 *     N bytes   {'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }    then spaces and a newline
 *     the rest  values, row-major
 *
 * The reader takes the header's three keys in any order, each once, and nothing else; '<f4', '<f8', '<i4', '<i8' and
 * '|b1'; C order; and a file that ends where the array does. It allocates after all of that is checked. Integers beyond
 * 2^53 (2^24 in the float build) round. We write version 1.0, the header padded as NumPy does. */
#include "files.h"

#include <string.h>

static const char loading[] = "load";
static const char magic[] = "\x93NUMPY";

enum { MAGIC = sizeof magic - 1, PREFIX = MAGIC + 2, HEADER_MAX = 4096, ALIGNMENT = 64 };

typedef enum { F4, F8, I4, I8, B1, TYPES } npy_type;
static const struct {
    const char *descr;
    int bytes;
} types[TYPES] = {
    [F4] = { "<f4", 4 }, [F8] = { "<f8", 8 }, [I4] = { "<i4", 4 }, [I8] = { "<i8", 8 }, [B1] = { "|b1", 1 }
};

/* ---- the header -------------------------------------------------------------------------------------------------- */

/* A place in the header's text, which ends with NUL. */
typedef struct {
    const char *at;
    const char *file;
    npy_type type;
    heed_shape shape;
} parser;

static void skip_space(parser *p)
{
    while (*p->at == ' ' || *p->at == '\t')
        p->at++;
}

/* The text is next, after spaces: step over it. */
static bool take(parser *p, const char *text)
{
    skip_space(p);
    size_t n = strlen(text);
    bool is = strncmp(p->at, text, n) == 0;
    p->at += is ? n : 0;
    return is;
}

static bool refuse(const parser *p, const char *expected)
{
    char clean[40];
    return heed_fail(HEED_BAD_FORMAT, "load \"%s\": header: expected %s, found \"%s\"", p->file, expected,
                     text_clean(clean, sizeof clean, p->at));
}

static bool parse_type(parser *p)
{
    for (int i = 0; i < TYPES; i++) {
        char quoted[8];
        snprintf(quoted, sizeof quoted, "'%s'", types[i].descr);
        if (take(p, quoted)) {
            p->type = (npy_type)i;
            return true;
        }
    }
    char clean[40];
    return heed_fail(HEED_UNSUPPORTED,
                     "load \"%s\": header: element type %s; heed reads '<f4', '<f8', '<i4', '<i8' and '|b1'", p->file,
                     text_clean(clean, sizeof clean, p->at));
}

static bool parse_size(parser *p, int64_t *size)
{
    skip_space(p);
    const char *start = p->at;
    *size = 0;
    for (; *p->at >= '0' && *p->at <= '9'; p->at++)
        if (!size_mul(*size, 10, size) || !size_add(*size, *p->at - '0', size))
            return heed_fail(HEED_BAD_FORMAT, "load \"%s\": header: a size does not fit in 63 bits", p->file);
    if (p->at == start || (*start == '0' && p->at > start + 1)) {
        p->at = start;
        return refuse(p, "a size in plain digits");
    }
    return true;
}

/* A tuple: (), (3,), (2, 3) or (2, 3,). */
static bool parse_shape(parser *p)
{
    if (!take(p, "("))
        return refuse(p, "a tuple");
    bool comma = false;
    while (!take(p, ")")) {
        if (p->shape.rank > 0 && !comma)
            return refuse(p, "',' or ')'");
        if (p->shape.rank == HEED_MAX_RANK)
            return heed_fail(HEED_UNSUPPORTED, "load \"%s\": more than %d axes; heed holds up to rank %d", p->file,
                             HEED_MAX_RANK, HEED_MAX_RANK);
        if (!parse_size(p, &p->shape.dims[p->shape.rank]))
            return false;
        p->shape.rank++;
        comma = take(p, ",");
    }
    return p->shape.rank != 1 || comma || refuse(p, "',' in a tuple of one");
}

static bool parse_value(parser *p, int key)
{
    if (key == 0)
        return parse_type(p);
    if (key == 2)
        return parse_shape(p);
    if (take(p, "True"))
        return heed_fail(HEED_UNSUPPORTED, "load \"%s\": column-major (fortran_order); hint: numpy.ascontiguousarray",
                         p->file);
    return take(p, "False") || refuse(p, "False");
}

static bool parse_header(parser *p)
{
    static const char *const keys[] = { "'descr'", "'fortran_order'", "'shape'" };
    enum { KEYS = 3 };
    bool seen[KEYS] = { false }, comma = true;
    if (!take(p, "{"))
        return refuse(p, "'{'");
    while (!take(p, "}")) {
        int key = 0;
        while (key < KEYS && (seen[key] || !take(p, keys[key])))
            key++;
        if (key == KEYS || !comma)
            return refuse(p, comma ? "one each of 'descr', 'fortran_order' and 'shape'" : "','");
        seen[key] = true;
        if (!take(p, ":"))
            return refuse(p, "':'");
        if (!parse_value(p, key))
            return false;
        comma = take(p, ",");
    }
    for (int key = 0; key < KEYS; key++)
        if (!seen[key])
            return heed_fail(HEED_BAD_FORMAT, "load \"%s\": header without %s", p->file, keys[key]);
    skip_space(p);
    return strcmp(p->at, "\n") == 0 || refuse(p, "spaces and a newline at its end");
}

/* Reads and checks all in front of the values; *start is where they begin. */
static bool read_header(const file_input *file, parser *p, int64_t *start)
{
    unsigned char head[PREFIX + 4] = { 0 };
    int64_t have = file->size < (int64_t)sizeof head ? file->size : (int64_t)sizeof head;
    if (!file_read_at(file, loading, head, have, 0))
        return false;
    if (have < PREFIX + 2 || memcmp(head, magic, MAGIC) != 0)
        return heed_fail(HEED_BAD_FORMAT, "load \"%s\": not an .npy file", file->label);
    int major = head[MAGIC], minor = head[MAGIC + 1];
    if ((major != 1 && major != 2) || minor != 0)
        return heed_fail(HEED_UNSUPPORTED, "load \"%s\": .npy version %d.%d; heed reads 1.0 and 2.0", file->label,
                         major, minor);
    int64_t n = head[PREFIX] | head[PREFIX + 1] << 8;
    *start = PREFIX + 2;
    if (major == 2) {
        n |= (int64_t)head[PREFIX + 2] << 16 | (int64_t)head[PREFIX + 3] << 24;
        *start += 2;
    }
    char text[HEADER_MAX + 1];
    if (n > HEADER_MAX || n > file->size - *start)
        return heed_fail(HEED_BAD_FORMAT, "load \"%s\": a header of %lld bytes in a file of %lld (at most %d)",
                         file->label, (long long)n, (long long)file->size, HEADER_MAX);
    if (!file_read_at(file, loading, text, n, *start))
        return false;
    text[n] = '\0';
    *start += n;
    p->at = text;
    p->file = file->label;
    if (strlen(text) != (size_t)n)
        return heed_fail(HEED_BAD_FORMAT, "load \"%s\": a NUL byte in the header", file->label);
    return parse_header(p);
}

/* The values have to be there, to the byte, before anything is allocated for them. */
static bool check_size(const file_input *file, const parser *p, int64_t start)
{
    if (!heed_shape_check(p->shape))
        return false;
    int64_t need, have = file->size - start;
    if (!size_mul(heed_shape_numel(p->shape), types[p->type].bytes, &need))
        need = INT64_MAX;
    heed_shape_buffer text;
    return need == have ||
           heed_fail(HEED_BAD_FORMAT, "load \"%s\": %s %s does not take the %lld bytes that follow the header: %s",
                     file->label, types[p->type].descr, heed_shape_text(p->shape, &text), (long long)have,
                     need > have ? "the file is cut short" : "something is appended");
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static heed_real number_at(const char *bytes, npy_type type)
{
    float single;
    double twice;
    int32_t integer;
    int64_t wide;
    switch (type) {
    case F4:
        memcpy(&single, bytes, sizeof single);
        return single;
    case F8:
        memcpy(&twice, bytes, sizeof twice);
        return (heed_real)twice;
    case I4:
        memcpy(&integer, bytes, sizeof integer);
        return (heed_real)integer;
    case I8:
        memcpy(&wide, bytes, sizeof wide);
        return (heed_real)wide;
    default:
        return *bytes != 0;
    }
}

static bool read_values(const file_input *file, npy_type type, int64_t start, heed_real *out, int64_t n)
{
    char chunk[FILE_CHUNK];
    int64_t size = types[type].bytes, most = FILE_CHUNK / size;
    for (int64_t done = 0; done < n; done += most) {
        int64_t count = n - done < most ? n - done : most;
        if (!file_read_at(file, loading, chunk, count * size, start + done * size))
            return false;
        for (int64_t i = 0; i < count; i++)
            out[done + i] = number_at(chunk + i * size, type);
    }
    return true;
}

heed_tensor heed_npy_load(heed_arena *arena, const char *path)
{
    heed_tensor out = { .data = NULL };
    file_input file;
    parser p = { .type = F8 };
    int64_t start;
    if (!file_open(&file, loading, path))
        return out;
    if (read_header(&file, &p, &start) && check_size(&file, &p, start)) {
        heed_arena_mark before = heed_arena_marked(arena);
        out = heed_tensor_new(arena, p.shape);
        if (heed_tensor_ok(out) && !read_values(&file, p.type, start, out.data, heed_tensor_numel(out))) {
            heed_arena_rewind(arena, before);
            out.data = NULL;
        }
    }
    file_close(&file);
    return out;
}

bool heed_npy_save(const char *path, heed_tensor t)
{
    char label[FILE_LABEL], shape[256], header[512];
    if (!heed_tensor_ok(t))
        return heed_fail(HEED_BAD_ARGUMENT, "save \"%s\": the tensor is not ok", text_clean(label, sizeof label, path));
    int used = 0;
    for (int i = 0; i < t.shape.rank; i++)
        used += snprintf(shape + used, sizeof shape - (size_t)used, i ? ", %lld" : "%lld", (long long)t.shape.dims[i]);
    shape[used] = '\0';
    const char *descr = types[sizeof(heed_real) == 4 ? F4 : F8].descr;
    int length = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%s%s), }", descr,
                          shape, t.shape.rank == 1 ? "," : "");
    int total = (PREFIX + 2 + length + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; /* with the newline */
    int n = total - PREFIX - 2;
    const char prefix[] = { 1, 0, (char)(n & 255), (char)(n >> 8) };
    heed_file *file = heed_file_create(path);
    bool ok = file && heed_file_write(file, magic, MAGIC) && heed_file_write(file, prefix, sizeof prefix) &&
              heed_file_printf(file, "%-*s\n", n - 1, header) && file_write_tensor(file, t);
    if (ok)
        return heed_file_commit(file);
    heed_file_abort(file);
    return false;
}
