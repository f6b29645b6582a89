/* Checkpoints: one safetensors file with everything a run needs to go on.
 *
 *     NAME, ...                      the parameters, in the order they were made
 *     optim.m.NAME, optim.v.NAME     their moments, if an optimiser was given
 *     __metadata__                   the caller's strings, and "optimizer": {"kind":"adamw","step":120}
 *
 * Loading first compares every name, type and shape with the model, then reads into memory of its own, and only a
 * complete reading reaches the model. */
#include <jansson.h>
#include <string.h>

#include "train.h"
#include "../tensor/internal.h"

static const char optimizer_key[] = "optimizer";
static const heed_dtype stored_type = sizeof(heed_real) == 4 ? HEED_F32 : HEED_F64;

/* One slab of numbers and how its tensors are named in a file. */
typedef struct {
    const char *prefix;
    heed_real *slab;
} checkpoint_part;
enum { MAX_PARTS = 3, NAME_SIZE = 256 };

/* Which parts there are; 0, with an error, if params and opt are not ready or do not belong together. */
static int list_parts(const char *who, heed_params *params, const heed_adamw *opt, checkpoint_part parts[MAX_PARTS])
{
    heed_real *values = heed_params_values(params);
    if (!values)
        return 0;
    if (opt && opt->params != params) {
        heed_fail(HEED_BAD_ARGUMENT, "%s: the optimiser was made for other params", who);
        return 0;
    }
    parts[0] = (checkpoint_part){ "", values };
    if (!opt)
        return 1;
    parts[1] = (checkpoint_part){ "optim.m.", opt->m };
    parts[2] = (checkpoint_part){ "optim.v.", opt->v };
    return MAX_PARTS;
}

static const char *stored_name(char room[NAME_SIZE], const checkpoint_part *part, const heed_param *p)
{
    snprintf(room, NAME_SIZE, "%s%s", part->prefix, p->name); /* a parameter's name has at most 200 bytes */
    return room;
}

static const char *kind_of(const heed_adamw *opt)
{
    return opt->desc.coupled ? "adam" : "adamw";
}

/* ---- saving ----------------------------------------------------------------------------------------------------- */
bool heed_checkpoint_save(const char *path, heed_params *params, const heed_adamw *opt, const heed_metadata *metadata,
                          int n_metadata)
{
    checkpoint_part parts[MAX_PARTS];
    int n_parts = list_parts("checkpoint_save", params, opt, parts), count = heed_params_count(params), n = 0;
    if (n_parts == 0)
        return false;
    for (int i = 0; i < n_metadata; i++)
        if (metadata[i].key && strcmp(metadata[i].key, optimizer_key) == 0)
            return heed_fail(HEED_BAD_ARGUMENT, "checkpoint_save: metadata key \"%s\" is the optimiser's own",
                             optimizer_key);
    heed_named_tensor *tensors = memory_get((int64_t)n_parts * count * (int64_t)sizeof *tensors);
    char(*names)[NAME_SIZE] = memory_get((int64_t)n_parts * count * NAME_SIZE);
    heed_metadata *strings = memory_get((n_metadata + 1) * (int64_t)sizeof *strings);
    bool ok = tensors && names && strings;
    for (int part = 0; ok && part < n_parts; part++)
        for (int i = 0; i < count; i++, n++) {
            const heed_param *p = heed_params_at(params, i);
            tensors[n].name = stored_name(names[n], &parts[part], p);
            tensors[n].values = heed_tensor_wrap(parts[part].slab + p->offset, p->shape);
        }
    char state[64];
    if (ok && n_metadata > 0)
        memcpy(strings, metadata, (size_t)n_metadata * sizeof *strings);
    if (ok && opt) {
        snprintf(state, sizeof state, "{\"kind\":\"%s\",\"step\":%lld}", kind_of(opt), (long long)opt->step);
        strings[n_metadata] = (heed_metadata){ optimizer_key, state };
    }
    ok = ok && heed_safetensors_save(path, tensors, n, strings, n_metadata + (opt != NULL));
    memory_put(strings);
    memory_put(names);
    memory_put(tensors);
    return ok;
}

/* ---- loading: checks -------------------------------------------------------------------------------------------- */
typedef struct {
    char text[NAME_SIZE];
} found_text;

static const char *describe(heed_dtype type, heed_shape shape, found_text *room)
{
    heed_shape_buffer buffer;
    snprintf(room->text, sizeof room->text, "%s %s", heed_dtype_name(type), heed_shape_text(shape, &buffer));
    return room->text;
}

static bool refuse(heed_error_kind kind, const heed_reader *reader, const char *name, const char *expected,
                   const char *found)
{
    return heed_fail(kind, "load \"%s\": tensor \"%s\": expected %s, found %s; model unchanged",
                     heed_safetensors_path(reader), name, expected, found);
}

static bool check_tensor(const heed_reader *reader, const checkpoint_part *part, const heed_param *p)
{
    char name[NAME_SIZE];
    found_text expected, found;
    describe(stored_type, p->shape, &expected);
    int i = heed_safetensors_find(reader, stored_name(name, part, p));
    if (i < 0)
        return refuse(HEED_BAD_FORMAT, reader, name, expected.text,
                      *part->prefix ? "none (it may hold weights alone)" : "none");
    heed_stored stored = heed_safetensors_entry(reader, i);
    bool same_type = stored.type == stored_type;
    if (same_type && heed_shape_equal(stored.shape, p->shape))
        return true;
    return refuse(same_type ? HEED_BAD_SHAPE : HEED_BAD_TYPE, reader, name, expected.text,
                  describe(stored.type, stored.shape, &found));
}

/* Nothing in the file may be without a place in the model; moments have one even if nobody asks for them. */
static bool check_extra(const heed_reader *reader, heed_params *params)
{
    for (int i = 0; i < heed_safetensors_count(reader); i++) {
        heed_stored stored = heed_safetensors_entry(reader, i);
        const char *of = stored.name;
        if (strncmp(of, "optim.m.", 8) == 0 || strncmp(of, "optim.v.", 8) == 0)
            of += 8;
        if (heed_params_find(params, of) || heed_params_find(params, stored.name))
            continue;
        char name[NAME_SIZE];
        found_text found;
        return refuse(HEED_BAD_FORMAT, reader, text_clean(name, sizeof name, stored.name), "no such tensor",
                      describe(stored.type, stored.shape, &found));
    }
    return true;
}

static bool check_file(const heed_reader *reader, heed_params *params, const checkpoint_part *parts, int n_parts)
{
    for (int part = 0; part < n_parts; part++)
        for (int i = 0; i < heed_params_count(params); i++)
            if (!check_tensor(reader, &parts[part], heed_params_at(params, i)))
                return false;
    return check_extra(reader, params);
}

static bool read_step(const heed_reader *reader, const heed_adamw *opt, int64_t *step)
{
    const char *path = heed_safetensors_path(reader), *text = heed_safetensors_metadata(reader, optimizer_key), *kind;
    json_int_t count;
    if (!text)
        return heed_fail(HEED_BAD_FORMAT, "load \"%s\": metadata has no \"%s\"; model unchanged", path, optimizer_key);
    json_error_t error;
    json_t *state = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!state && json_error_code(&error) == json_error_out_of_memory)
        return heed_fail(HEED_MEMORY, "load \"%s\": out of memory for metadata", path);
    bool ok = json_unpack(state, "{s:s, s:I !}", "kind", &kind, "step", &count) == 0 && count >= 0;
    char clean[NAME_SIZE];
    if (!ok)
        heed_fail(HEED_BAD_FORMAT,
                  "load \"%s\": metadata \"%s\": expected {\"kind\":\"%s\",\"step\":N}, found %s; "
                  "model unchanged",
                  path, optimizer_key, kind_of(opt), text_clean(clean, 80, text));
    else if (strcmp(kind, kind_of(opt)) != 0)
        ok = heed_fail(HEED_BAD_ARGUMENT, "load \"%s\": optimiser: expected %s, found %s; model unchanged", path,
                       kind_of(opt), text_clean(clean, 40, kind));
    else
        *step = count;
    json_decref(state);
    return ok;
}

/* ---- loading ---------------------------------------------------------------------------------------------------- */
static bool read_parts(heed_reader *reader, heed_params *params, const checkpoint_part *parts, int n_parts)
{
    for (int part = 0; part < n_parts; part++)
        for (int i = 0; i < heed_params_count(params); i++) {
            const heed_param *p = heed_params_at(params, i);
            char name[NAME_SIZE];
            int at = heed_safetensors_find(reader, stored_name(name, &parts[part], p));
            if (!heed_safetensors_read(reader, at, heed_tensor_wrap(parts[part].slab + p->offset, p->shape)))
                return false;
        }
    return true;
}

bool heed_checkpoint_load(heed_reader *reader, heed_params *params, heed_adamw *opt)
{
    checkpoint_part parts[MAX_PARTS], staged[MAX_PARTS];
    int n_parts = list_parts("checkpoint_load", params, opt, parts);
    int64_t numel = heed_params_numel(params), step = 0;
    if (n_parts == 0)
        return false;
    if (!reader)
        return heed_fail(HEED_BAD_ARGUMENT, "checkpoint_load: reader is NULL");
    if (!check_file(reader, params, parts, n_parts) || (opt && !read_step(reader, opt, &step)))
        return false;
    heed_real *staging = memory_get(n_parts * numel * (int64_t)sizeof *staging);
    for (int part = 0; staging && part < n_parts; part++)
        staged[part] = (checkpoint_part){ parts[part].prefix, staging + part * numel };
    bool ok = staging && read_parts(reader, params, staged, n_parts);
    for (int part = 0; ok && part < n_parts; part++)
        memcpy(parts[part].slab, staged[part].slab, (size_t)numel * sizeof *staging);
    memory_put(staging);
    if (!ok)
        return false;
    if (opt)
        opt->step = step;
    heed_params_changed(params);
    heed_grads_clear(heed_params_grads(params)); /* they were of the old values */
    return true;
}

/* ---- averaging -------------------------------------------------------------------------------------------------- */
/* sums [numel] += the weights in a file, read through staging. */
static bool add_file(double *sums, const char *path, heed_params *params, const checkpoint_part *staging)
{
    heed_reader *reader = heed_safetensors_open(path);
    bool ok = reader && check_file(reader, params, staging, 1) && read_parts(reader, params, staging, 1);
    heed_safetensors_close(reader);
    for (int64_t i = 0, n = heed_params_numel(params); ok && i < n; i++)
        sums[i] += (double)staging->slab[i];
    return ok;
}

bool heed_checkpoint_average(const char *const *paths, int n_paths, heed_params *params)
{
    heed_real *values = heed_params_values(params);
    int64_t numel = heed_params_numel(params);
    if (!values)
        return false;
    if (!paths || n_paths < 1)
        return heed_fail(HEED_BAD_ARGUMENT, "checkpoint_average: %d files; want at least 1", paths ? n_paths : 0);
    double *sums = memory_get_zeroed(numel * (int64_t)sizeof *sums);
    checkpoint_part staging = { "", memory_get_zeroed(numel * (int64_t)sizeof *values) };
    bool ok = sums && staging.slab;
    for (int i = 0; ok && i < n_paths; i++)
        ok = paths[i] ? add_file(sums, paths[i], params, &staging)
                      : heed_fail(HEED_BAD_ARGUMENT, "checkpoint_average: path %d is NULL", i);
    for (int64_t i = 0; ok && i < numel; i++)
        values[i] = (heed_real)(sums[i] / n_paths);
    memory_put(sums);
    memory_put(staging.slab);
    if (!ok)
        return false;
    heed_params_changed(params);
    heed_grads_clear(heed_params_grads(params)); /* they were of the old values */
    return true;
}
