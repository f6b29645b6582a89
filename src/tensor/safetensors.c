/* safetensors, opening: a strict reader. A file comes from anywhere; nothing in it is believed before it is checked,
 * and no memory for a tensor is allocated before everything is. Format: github.com/huggingface/safetensors.
 *
 *     8 bytes   N, little-endian
 *     N bytes   {"__metadata__": {"key": "value", ...},
 *                "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}   then any white space
 *     the rest  values, row-major, little-endian
 *
 * Checked, in this order:
 *    1. a regular file of at least 8 bytes; N <= min(16 MiB, size - 8)
 *    2. the header starts with '{'
 *    3. brackets nest as above and are no more than entries can have; numbers are plain digits: no sign, dot, exponent
 *    4. JSON in strict UTF-8, no key twice (after \u escapes), no NUL in a string (jansson)
 *    5. __metadata__ holds strings alone; each tensor has dtype, shape, data_offsets, and nothing else
 *    6. a dtype of the format, one that heed holds; rank <= 6; the product of sizes fits in 63 bits even when one is 0
 *    7. end - begin is that product times the element's size
 *    8. sorted by offset, tensors lie end to end: no hole, no overlap, first at 0, last at the end of the file
 *
 * Peak memory: the header, jansson's tree of it, and under 100 bytes an entry: at most 32 x header + 1 MB, by rule 3.
 */
#include "safetensors.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char opening[] = "open";

/* ---- number types ------------------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    int bytes;
} dtypes[] = {
    [HEED_F32] = { "F32", 4 }, [HEED_F64] = { "F64", 8 }, [HEED_BF16] = { "BF16", 2 },
    [HEED_F16] = { "F16", 2 }, [HEED_I32] = { "I32", 4 }, [HEED_I64] = { "I64", 8 },
};
enum { DTYPES = sizeof dtypes / sizeof *dtypes };

/* Types of the format that heed has no place for. */
static const char *const other_dtypes[] = { "BOOL", "U8",  "I8",      "I16",     "U16",     "U32",     "U64",
                                            "F4",   "C64", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F6_E2M3", "F6_E3M2" };

const char *heed_dtype_name(heed_dtype type)
{
    return (unsigned)type < DTYPES ? dtypes[type].name : "unknown";
}

int64_t safetensors_element_bytes(heed_dtype type)
{
    return dtypes[type].bytes;
}

/* ---- the header as text: rule 3 ---------------------------------------------------------------------------------- */

/* In jansson's tree a bracket costs most: up to 320 bytes with its key. A tensor has three in 50 bytes or more; a
 * header with one in less than 16 on average holds no tensors, and would cost more than 32 times its size. */
enum { BYTES_A_BRACKET = 16, MAX_DEPTH = 3 };

typedef struct {
    int64_t at;
    const char *why;
} complaint;

static complaint scan(const char *text, int64_t n)
{
    int depth = 0;
    int64_t brackets = 0;
    bool in_string = false;
    for (int64_t i = 0; i < n; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            brackets++;
            if (++depth > MAX_DEPTH)
                return (complaint){ i, "brackets nested deeper than three" };
        } else if (c == '}' || c == ']') {
            depth--;
        } else if (c == '-' || c == '+' || c == '.' ||
                   ((c == 'e' || c == 'E') && text[i - 1] >= '0' && text[i - 1] <= '9')) {
            return (complaint){ i, "a number that is not plain digits" };
        }
    }
    if (brackets * BYTES_A_BRACKET > n + 64)
        return (complaint){ n, "more brackets than tensors can have" };
    return (complaint){ 0, NULL };
}

/* ---- one entry: rules 5 to 7 ------------------------------------------------------------------------------------- */

/* Where we are, for messages: the file, and the tensor ("" outside of tensors). */
typedef struct {
    const char *file;
    char tensor[FILE_LABEL];
} place;

HEED_PRINTF(3, 4) static bool refuse(const place *at, heed_error_kind kind, const char *format, ...)
{
    char why[256];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    if (!at->tensor[0])
        return heed_fail(kind, "open \"%s\": %s", at->file, why);
    return heed_fail(kind, "open \"%s\": tensor \"%s\": %s", at->file, at->tensor, why);
}

static bool parse_dtype(const place *at, const json_t *value, heed_dtype *type)
{
    const char *name = json_string_value(value);
    if (!name)
        return refuse(at, HEED_BAD_FORMAT, "dtype is missing or not a string");
    for (int i = 0; i < DTYPES; i++)
        if (strcmp(name, dtypes[i].name) == 0) {
            *type = (heed_dtype)i;
            return true;
        }
    for (size_t i = 0; i < sizeof other_dtypes / sizeof *other_dtypes; i++)
        if (strcmp(name, other_dtypes[i]) == 0)
            return refuse(at, HEED_UNSUPPORTED, "dtype %s; heed reads F32, F64, BF16, F16, I32 and I64", name);
    char clean[32];
    return refuse(at, HEED_BAD_FORMAT, "unknown dtype \"%s\"", text_clean(clean, sizeof clean, name));
}

static bool parse_shape(const place *at, const json_t *value, heed_shape *shape)
{
    if (!json_is_array(value))
        return refuse(at, HEED_BAD_FORMAT, "shape is missing or not an array");
    size_t rank = json_array_size(value);
    for (size_t i = 0; i < rank; i++)
        if (!json_is_integer(json_array_get(value, i)))
            return refuse(at, HEED_BAD_FORMAT, "size %zu of shape is not an integer", i);
    if (rank > HEED_MAX_RANK)
        return refuse(at, HEED_UNSUPPORTED, "rank %zu; heed holds up to rank %d", rank, HEED_MAX_RANK);
    *shape = (heed_shape){ .rank = (int)rank };
    for (size_t i = 0; i < rank; i++)
        shape->dims[i] = json_integer_value(json_array_get(value, i));
    return true;
}

/* Bytes of a tensor. Sizes of 0 do not hide an overflow of the others, and every type has to fit as doubles. */
static bool tensor_bytes(const place *at, heed_shape shape, heed_dtype type, int64_t *bytes)
{
    const int64_t widest = sizeof(double);
    int64_t product = widest;
    bool empty = false;
    for (int i = 0; i < shape.rank; i++) {
        heed_shape_buffer text;
        empty = empty || shape.dims[i] == 0;
        if (shape.dims[i] != 0 && !size_mul(product, shape.dims[i], &product))
            return refuse(at, HEED_BAD_FORMAT, "%s %s does not fit in 63 bits", dtypes[type].name,
                          heed_shape_text(shape, &text));
    }
    *bytes = empty ? 0 : product / widest * dtypes[type].bytes;
    return true;
}

static bool parse_offsets(const place *at, const json_t *value, int64_t *begin, int64_t *end)
{
    const json_t *from = json_array_get(value, 0), *to = json_array_get(value, 1);
    if (json_array_size(value) != 2 || !json_is_integer(from) || !json_is_integer(to))
        return refuse(at, HEED_BAD_FORMAT, "data_offsets is missing or not two integers");
    *begin = json_integer_value(from);
    *end = json_integer_value(to);
    return true;
}

static bool parse_entry(const place *at, const json_t *value, safetensors_entry *entry)
{
    heed_stored *stored = &entry->stored;
    int64_t end = 0;
    if (!json_is_object(value))
        return refuse(at, HEED_BAD_FORMAT, "it is not an object");
    if (!parse_dtype(at, json_object_get(value, "dtype"), &stored->type) ||
        !parse_shape(at, json_object_get(value, "shape"), &stored->shape) ||
        !tensor_bytes(at, stored->shape, stored->type, &stored->bytes) ||
        !parse_offsets(at, json_object_get(value, "data_offsets"), &entry->begin, &end))
        return false;
    if (json_object_size(value) != 3)
        return refuse(at, HEED_BAD_FORMAT, "it has fields other than dtype, shape and data_offsets");
    heed_shape_buffer text;
    if (end - entry->begin != stored->bytes) /* neither is negative: they were plain digits */
        return refuse(at, HEED_BAD_FORMAT, "%s %s takes %lld bytes, but data_offsets are [%lld, %lld]",
                      dtypes[stored->type].name, heed_shape_text(stored->shape, &text), (long long)stored->bytes,
                      (long long)entry->begin, (long long)end);
    return true;
}

static bool check_metadata(const place *at, json_t *metadata)
{
    if (!json_is_object(metadata))
        return refuse(at, HEED_BAD_FORMAT, SAFETENSORS_METADATA " is not an object");
    for (void *i = json_object_iter(metadata); i; i = json_object_iter_next(metadata, i)) {
        char clean[FILE_LABEL];
        if (!json_is_string(json_object_iter_value(i)))
            return refuse(at, HEED_BAD_FORMAT, SAFETENSORS_METADATA " \"%s\" is not a string",
                          text_clean(clean, sizeof clean, json_object_iter_key(i)));
    }
    return true;
}

/* ---- all entries: rule 8 ----------------------------------------------------------------------------------------- */

static int by_offset(const void *left, const void *right)
{
    const safetensors_entry *a = left, *b = right;
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    if (a->stored.bytes != b->stored.bytes)
        return a->stored.bytes < b->stored.bytes ? -1 : 1;
    return strcmp(a->stored.name, b->stored.name); /* empty ones at the same place: any fixed order */
}

/* Sorts, and makes offsets those in the file. */
static bool check_layout(heed_reader *reader, int64_t start)
{
    place at = { .file = reader->file.label };
    int64_t end = 0, have = reader->file.size - start;
    qsort(reader->entries, (size_t)reader->count, sizeof *reader->entries, by_offset);
    for (int i = 0; i < reader->count; i++) {
        safetensors_entry *entry = &reader->entries[i];
        text_clean(at.tensor, sizeof at.tensor, entry->stored.name);
        if (entry->begin != end)
            return refuse(&at, HEED_BAD_FORMAT, "it starts at %lld, but the one before ends at %lld: %s",
                          (long long)entry->begin, (long long)end,
                          entry->begin < end ? "they overlap" : "there is a hole");
        end += entry->stored.bytes; /* fits: it was an offset in the header */
        entry->begin += start;
    }
    at.tensor[0] = '\0';
    return end == have ||
           refuse(&at, HEED_BAD_FORMAT, "its tensors take %lld bytes, but %lld follow the header: %s", (long long)end,
                  (long long)have, end > have ? "the file is cut short" : "something is appended");
}

/* ---- the whole header -------------------------------------------------------------------------------------------- */

/* Bytes for all names, with their NULs. */
static int64_t name_bytes(json_t *header)
{
    int64_t total = 0;
    for (void *i = json_object_iter(header); i; i = json_object_iter_next(header, i))
        total += (int64_t)strlen(json_object_iter_key(i)) + 1;
    return total;
}

static bool take_entries(heed_reader *reader, json_t *header, int64_t start)
{
    reader->entries = memory_get((int64_t)json_object_size(header) * (int64_t)sizeof *reader->entries);
    reader->names = memory_get(name_bytes(header));
    if (!reader->entries || !reader->names)
        return false;
    char *name = reader->names;
    for (void *i = json_object_iter(header); i; i = json_object_iter_next(header, i)) {
        const char *key = json_object_iter_key(i);
        json_t *value = json_object_iter_value(i);
        place at = { .file = reader->file.label };
        if (strcmp(key, SAFETENSORS_METADATA) == 0) {
            if (!check_metadata(&at, value))
                return false;
            reader->metadata = json_incref(value);
            continue;
        }
        text_clean(at.tensor, sizeof at.tensor, *key ? key : "(no name)");
        safetensors_entry *entry = &reader->entries[reader->count];
        if (!parse_entry(&at, value, entry))
            return false;
        size_t length = strlen(key) + 1;
        entry->stored.name = memcpy(name, key, length);
        name += length;
        reader->count++;
    }
    return check_layout(reader, start);
}

static json_t *parse(const char *path, const char *text, int64_t n)
{
    if (text[0] != '{') {
        heed_fail(HEED_BAD_FORMAT, "open \"%s\": the header does not start with '{': not a safetensors file", path);
        return NULL;
    }
    complaint bad = scan(text, n);
    if (bad.why) {
        heed_fail(HEED_BAD_FORMAT, "open \"%s\": header byte %lld: %s", path, (long long)bad.at, bad.why);
        return NULL;
    }
    json_error_t error;
    json_t *header = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, &error);
    char clean[FILE_LABEL];
    if (!header && json_error_code(&error) == json_error_out_of_memory)
        heed_fail(HEED_MEMORY, "open \"%s\": out of memory for its header of %lld bytes", path, (long long)n);
    else if (!header)
        heed_fail(HEED_BAD_FORMAT, "open \"%s\": header byte %d: %s", path, error.position,
                  text_clean(clean, sizeof clean, error.text));
    return header;
}

static bool read_header(heed_reader *reader)
{
    const file_input *file = &reader->file;
    unsigned char bytes[SAFETENSORS_LENGTH_BYTES];
    if (file->size < (int64_t)sizeof bytes)
        return heed_fail(HEED_BAD_FORMAT, "open \"%s\": %lld bytes: too short for a safetensors file", file->label,
                         (long long)file->size);
    if (!file_read_at(file, opening, bytes, sizeof bytes, 0))
        return false;
    uint64_t n;
    memcpy(&n, bytes, sizeof n);
    int64_t most = file->size - (int64_t)sizeof bytes;
    most = most < SAFETENSORS_HEADER_MAX ? most : SAFETENSORS_HEADER_MAX;
    if (n == 0 || n > (uint64_t)most)
        return heed_fail(HEED_BAD_FORMAT,
                         "open \"%s\": a header of %llu bytes in a file of %lld (at most %d): not a "
                         "safetensors file, or cut short",
                         file->label, (unsigned long long)n, (long long)file->size, SAFETENSORS_HEADER_MAX);
    char *text = memory_get((int64_t)n);
    json_t *header = NULL;
    if (text && file_read_at(file, opening, text, (int64_t)n, sizeof bytes))
        header = parse(file->label, text, (int64_t)n);
    memory_put(text);
    bool ok = header && take_entries(reader, header, (int64_t)(sizeof bytes + n));
    json_decref(header);
    return ok;
}

/* ---- public ------------------------------------------------------------------------------------------------------ */

heed_reader *heed_safetensors_open(const char *path)
{
    heed_reader *reader = memory_get_zeroed((int64_t)sizeof *reader);
    if (!reader)
        return NULL;
    if (file_open(&reader->file, opening, path) && read_header(reader))
        return reader;
    heed_safetensors_close(reader);
    return NULL;
}

void heed_safetensors_close(heed_reader *reader)
{
    if (!reader)
        return;
    file_close(&reader->file);
    json_decref(reader->metadata);
    memory_put(reader->names);
    memory_put(reader->entries);
    memory_put(reader);
}

const char *heed_safetensors_path(const heed_reader *reader)
{
    return reader ? reader->file.label : "";
}

int heed_safetensors_count(const heed_reader *reader)
{
    return reader ? reader->count : 0;
}

heed_stored heed_safetensors_entry(const heed_reader *reader, int i)
{
    if (i >= 0 && i < heed_safetensors_count(reader))
        return reader->entries[i].stored;
    heed_fail(HEED_BAD_ARGUMENT, "safetensors_entry: entry %d of %d", i, heed_safetensors_count(reader));
    return (heed_stored){ .name = "" };
}

int heed_safetensors_find(const heed_reader *reader, const char *name)
{
    for (int i = 0; i < heed_safetensors_count(reader); i++)
        if (strcmp(reader->entries[i].stored.name, name) == 0)
            return i;
    return -1;
}

const char *heed_safetensors_metadata(const heed_reader *reader, const char *key)
{
    return reader ? json_string_value(json_object_get(reader->metadata, key)) : NULL;
}
