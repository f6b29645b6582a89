/* safetensors, values: reading them from an open file (what it says about them is checked, see safetensors.c) and
 * saving a file.
 *
 * Reading converts in small pieces on the stack and allocates nothing. BF16, F16 and F32 are exact in every build; an
 * F64 beyond float's range becomes infinite in the float build. If reading fails, `out` may be partly overwritten: load
 * into a staging tensor what must not be lost.
 *
 * Saving gives the same bytes for the same content: names in the order given, no white space but the spaces that bring
 * the values to a multiple of 8 bytes, no clock, no version. */
#include "safetensors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char reading[] = "read";

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* The upper half of a float. */
static heed_real from_bf16(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

/* Sign, 5 bits of exponent (bias 15), 10 of fraction; exponent 0: fraction x 2^-24; 31: infinite or NaN. */
static heed_real from_f16(uint16_t bits)
{
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 1023, wide;
    float value;
    if (exponent == 0) {
        value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    wide = sign | (exponent == 31 ? 255 : exponent + 127 - 15) << 23 | fraction << 13;
    memcpy(&value, &wide, sizeof value);
    return value;
}

static heed_real number_at(const char *bytes, heed_dtype type)
{
    uint16_t half;
    float single;
    double twice;
    switch (type) {
    case HEED_F32:
        memcpy(&single, bytes, sizeof single);
        return single;
    case HEED_F64:
        memcpy(&twice, bytes, sizeof twice);
        return (heed_real)twice;
    case HEED_BF16:
        memcpy(&half, bytes, sizeof half);
        return from_bf16(half);
    default:
        memcpy(&half, bytes, sizeof half);
        return from_f16(half);
    }
}

/* The entry, if it is one and its type is an integer one or not, as asked. */
static const safetensors_entry *entry_of(const heed_reader *reader, int i, bool integers)
{
    if (!reader || i < 0 || i >= reader->count) {
        heed_fail(HEED_BAD_ARGUMENT, "safetensors_read: entry %d of %d", i, heed_safetensors_count(reader));
        return NULL;
    }
    const safetensors_entry *entry = &reader->entries[i];
    heed_dtype type = entry->stored.type;
    if ((type == HEED_I32 || type == HEED_I64) == integers)
        return entry;
    char clean[FILE_LABEL];
    heed_fail(HEED_BAD_TYPE, "read \"%s\": tensor \"%s\": expected %s, found %s; hint: %s", reader->file.label,
              text_clean(clean, sizeof clean, entry->stored.name), integers ? "I32 or I64" : "F32, F64, BF16 or F16",
              heed_dtype_name(type), integers ? "heed_safetensors_read" : "heed_safetensors_read_integers");
    return NULL;
}

bool heed_safetensors_read(heed_reader *reader, int i, heed_tensor out)
{
    const safetensors_entry *entry = entry_of(reader, i, false);
    if (!entry)
        return false;
    heed_dtype type = entry->stored.type;
    if (!heed_tensor_ok(out) || !heed_shape_equal(out.shape, entry->stored.shape)) {
        heed_shape_buffer want, found;
        char clean[FILE_LABEL];
        return heed_fail(HEED_BAD_SHAPE, "read \"%s\": tensor \"%s\": expected %s, found %s %s", reader->file.label,
                         text_clean(clean, sizeof clean, entry->stored.name),
                         out.data ? heed_shape_text(out.shape, &want) : "no tensor at all", heed_dtype_name(type),
                         heed_shape_text(entry->stored.shape, &found));
    }
    bool straight = heed_tensor_contiguous(out), same = type == (sizeof(heed_real) == 4 ? HEED_F32 : HEED_F64);
    if (straight && same)
        return file_read_at(&reader->file, reading, out.data, entry->stored.bytes, entry->begin);
    char chunk[FILE_CHUNK];
    int64_t size = safetensors_element_bytes(type), done = 0, position = 0;
    while (done < entry->stored.bytes) {
        int64_t left = entry->stored.bytes - done, n = left < FILE_CHUNK ? left : FILE_CHUNK;
        if (!file_read_at(&reader->file, reading, chunk, n, entry->begin + done))
            return false;
        for (int64_t at = 0; at < n; at += size, position++)
            out.data[straight ? position : file_place(out, position)] = number_at(chunk + at, type);
        done += n;
    }
    return true;
}

bool heed_safetensors_read_integers(heed_reader *reader, int i, int64_t *out)
{
    const safetensors_entry *entry = entry_of(reader, i, true);
    if (!entry)
        return false;
    if (!out)
        return heed_fail(HEED_BAD_ARGUMENT, "safetensors_read_integers: out is NULL");
    if (entry->stored.type == HEED_I64)
        return file_read_at(&reader->file, reading, out, entry->stored.bytes, entry->begin);
    int32_t chunk[FILE_CHUNK / sizeof(int32_t)];
    for (int64_t done = 0; done < entry->stored.bytes;) {
        int64_t left = entry->stored.bytes - done, n = left < FILE_CHUNK ? left : FILE_CHUNK;
        if (!file_read_at(&reader->file, reading, chunk, n, entry->begin + done))
            return false;
        done += n;
        for (int64_t at = 0; at < n / (int64_t)sizeof *chunk; at++)
            *out++ = chunk[at];
    }
    return true;
}

/* ---- saving ------------------------------------------------------------------------------------------------------ */

static const heed_dtype stored_type = sizeof(heed_real) == 4 ? HEED_F32 : HEED_F64;

/* jansson says only that it failed; malloc says ENOMEM. header_text clears errno at its start. */
static bool refuse_text(const char *path, const char *what, const char *key)
{
    char label[FILE_LABEL], clean[FILE_LABEL];
    text_clean(label, sizeof label, path);
    if (errno == ENOMEM)
        return heed_fail(HEED_MEMORY, "save \"%s\": out of memory for the header", label);
    return heed_fail(HEED_BAD_ARGUMENT, "save \"%s\": %s \"%s\": the name or value is missing or not UTF-8", label,
                     what, text_clean(clean, sizeof clean, key));
}

/* Puts value, which it owns, under a key that must be new. */
static bool put(json_t *object, const char *key, json_t *value, const char *path, const char *what)
{
    char label[FILE_LABEL], clean[FILE_LABEL];
    bool ok = true;
    if (key && json_object_get(object, key))
        ok = heed_fail(HEED_BAD_ARGUMENT, "save \"%s\": %s \"%s\" is there twice",
                       text_clean(label, sizeof label, path), what, text_clean(clean, sizeof clean, key));
    else if (json_object_set(object, key, value) != 0)
        ok = refuse_text(path, what, key);
    json_decref(value);
    return ok;
}

static json_t *shape_json(heed_shape shape)
{
    json_t *sizes = json_array();
    for (int i = 0; sizes && i < shape.rank; i++)
        if (json_array_append_new(sizes, json_integer(shape.dims[i])) != 0) {
            json_decref(sizes);
            sizes = NULL;
        }
    return sizes;
}

/* Checks a tensor and adds its entry; *end goes up by its bytes. */
static bool put_tensor(json_t *header, const heed_named_tensor *named, int64_t *end, const char *path)
{
    char label[FILE_LABEL], clean[FILE_LABEL];
    text_clean(label, sizeof label, path);
    text_clean(clean, sizeof clean, named->name);
    heed_tensor t = named->values;
    if (!heed_tensor_ok(t))
        return heed_fail(HEED_BAD_ARGUMENT, "save \"%s\": tensor \"%s\" is not ok", label, clean);
    if (named->name && strcmp(named->name, SAFETENSORS_METADATA) == 0)
        return heed_fail(HEED_BAD_ARGUMENT, "save \"%s\": no tensor can be named \"%s\"", label, clean);
    int64_t begin = *end, bytes;
    if (!size_mul(heed_tensor_numel(t), (int64_t)sizeof(heed_real), &bytes) || !size_add(begin, bytes, end))
        return heed_fail(HEED_BAD_SHAPE, "save \"%s\": tensor \"%s\": more than 2^63 bytes", label, clean);
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", heed_dtype_name(stored_type), "shape",
                              shape_json(t.shape), "data_offsets", (json_int_t)begin, (json_int_t)*end);
    return put(header, named->name, entry, path, "tensor");
}

/* The header's JSON text, to be freed with free(); NULL and an error if something cannot be saved. */
static char *header_text(const char *path, const heed_named_tensor *tensors, int n_tensors,
                         const heed_metadata *metadata, int n_metadata)
{
    errno = 0;
    json_t *header = json_object(), *strings = json_object();
    bool ok = true;
    int64_t end = 0;
    for (int i = 0; ok && i < n_metadata; i++)
        ok = put(strings, metadata[i].key, json_string(metadata[i].value), path, "metadata entry");
    if (ok && n_metadata > 0)
        ok = put(header, SAFETENSORS_METADATA, json_incref(strings), path, "metadata entry");
    for (int i = 0; ok && i < n_tensors; i++)
        ok = put_tensor(header, &tensors[i], &end, path);
    char *text = ok ? json_dumps(header, JSON_COMPACT) : NULL;
    if (ok && !text)
        refuse_text(path, "header", "");
    json_decref(strings);
    json_decref(header);
    return text;
}

bool heed_safetensors_save(const char *path, const heed_named_tensor *tensors, int n_tensors,
                           const heed_metadata *metadata, int n_metadata)
{
    char *text = header_text(path, tensors, n_tensors, metadata, n_metadata);
    if (!text)
        return false;
    int64_t length = (int64_t)strlen(text), padding = -length & (SAFETENSORS_ALIGNMENT - 1);
    if (length + padding > SAFETENSORS_HEADER_MAX) {
        char label[FILE_LABEL];
        free(text);
        return heed_fail(HEED_UNSUPPORTED, "save \"%s\": a header of %lld bytes; readers take up to %d",
                         text_clean(label, sizeof label, path), (long long)length, SAFETENSORS_HEADER_MAX);
    }
    uint64_t n = (uint64_t)(length + padding);
    heed_file *file = heed_file_create(path);
    bool ok = file && heed_file_write(file, &n, sizeof n) && heed_file_write(file, text, length) &&
              heed_file_write(file, "        ", padding);
    free(text);
    for (int i = 0; ok && i < n_tensors; i++)
        ok = file_write_tensor(file, tensors[i].values);
    if (ok)
        return heed_file_commit(file);
    heed_file_abort(file);
    return false;
}
