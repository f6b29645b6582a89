/* The page: the template with inspect.json and the data blocks in it. A block is an array of integers or floats in base64
 * (docs/inspect.md). The rows of integers are rounded so that each sums to exactly the unit: every cell is rounded down,
 * and what is missing goes to the largest remainders. */
#include "internal.h"

#include <math.h>
#include <string.h>

enum { UNIT = 255, PARTS = 2 }; /* of u8; sentences with q and k */

static int64_t page_bytes(const heed_inspection *x)
{
    return x->desc.page_bytes > 0 ? x->desc.page_bytes : INT64_C(5) << 20;
}

static int64_t block_cells(const block *b)
{
    return b->shape[0] * b->shape[1] * b->shape[2] * b->shape[3];
}

/* Leaves it out if the page would become too large. */
static void add(heed_inspection *x, block b, const char *letter, int64_t sentence)
{
    int64_t bytes = block_cells(&b) * (b.floats ? 4 : 1) * 4 / 3 + 160;
    if (x->blocks_count == x->blocks_room || x->blocks_bytes + bytes > page_bytes(x)) {
        x->blocks_left_out++;
        return;
    }
    snprintf(b.id, sizeof b.id, "%s-%.64s-%s", letter, x->desc.shown[sentence].id, type_names[b.type]);
    if (b.step > 0)
        snprintf(b.id + strlen(b.id), 24, "-%lld", (long long)b.step - 1);
    if (b.model > 0)
        snprintf(b.id + strlen(b.id), 16, "-%d", b.model);
    b.sentence = x->desc.shown[sentence].id;
    x->blocks[x->blocks_count++] = b;
    x->blocks_bytes += bytes;
}

/* Weights times the lengths of what they carry, rows made to sum to 1. */
static heed_real *weigh_by_norms(scene *c, int type)
{
    int64_t keys = record_keys(&c->r, type), n = c->x->heads[type] * record_queries(&c->r, type);
    double *norms = scene_norms(c, type);
    heed_real *out = heed_arena_alloc(c->arena, n * keys * (int64_t)sizeof *out);
    for (int64_t i = 0; norms && out && i < n; i++) {
        const heed_real *row = c->r.weights[type] + i * keys;
        const double *of = norms + i / record_queries(&c->r, type) * keys;
        double all = 0;
        for (int64_t j = 0; j < keys; j++)
            all += (double)row[j] * of[j];
        for (int64_t j = 0; j < keys; j++)
            out[i * keys + j] = all > 0 ? (heed_real)((double)row[j] * of[j] / all) : 0;
    }
    return norms ? out : NULL;
}

/* Rows made to sum to 1, as numbers of the build. */
static heed_real *shares(heed_arena *arena, const double *from, int64_t rows, int64_t keys)
{
    heed_real *out = heed_arena_alloc(arena, rows * keys * (int64_t)sizeof *out);
    for (int64_t i = 0; out && i < rows; i++) {
        double all = 0;
        for (int64_t j = 0; j < keys; j++)
            all += from[i * keys + j];
        for (int64_t j = 0; j < keys; j++)
            out[i * keys + j] = all > 0 ? (heed_real)(from[i * keys + j] / all) : 0;
    }
    return out;
}

static bool add_rollout(heed_inspection *x, const heed_record *r, int64_t sentence)
{
    double *flow[3], *even[3];
    int64_t T = r->T;
    heed_real *relative = heed_arena_alloc(x->arena, T * T * (int64_t)sizeof *relative);
    if (!relative || !rollout(x->arena, r, false, flow) || !rollout(x->arena, r, true, even))
        return false;
    for (int type = 0; type < 3; type++) {
        int64_t rows = record_queries(r, type), keys = record_keys(r, type);
        heed_real *data = shares(x->arena, flow[type], rows, keys);
        if (!data)
            return false;
        add(x, (block){ .kind = "rollout", .type = type, .shape = { 1, 1, rows, keys }, .flat = true, .data = data },
            "r", sentence);
    }
    for (int64_t i = 0; i < T * T; i++)
        relative[i] = i % T > i / T ? (heed_real)NAN : (heed_real)log2(flow[HEED_DEC][i] / even[HEED_DEC][i]);
    add(x,
        (block){ .kind = "relative",
                 .type = HEED_DEC,
                 .shape = { 1, 1, T, T },
                 .flat = true,
                 .floats = true,
                 .data = relative },
        "v", sentence);
    return true;
}

static void add_others(heed_inspection *x)
{
    for (int64_t i = 0; i < x->desc.shown_count; i++)
        for (int k = 0; k < 3 * x->desc.others_count; k++) {
            const heed_record *r = &x->others[k / 3].shown[i];
            int type = k % 3;
            add(x,
                (block){ .kind = "model",
                         .type = type,
                         .model = k / 3 + 1,
                         .shape = { r->layers[type], r->heads, record_queries(r, type), record_keys(r, type) },
                         .data = r->weights[type] },
                "m", i);
        }
}

bool blocks_find(heed_inspection *x)
{
    scene c;
    bool done = scene_start(&c, x, x->desc.net);
    heed_arena_free(c.arena);
    c.arena = x->arena;
    x->blocks_room =
        (int)((20 + 3 * x->desc.others_count) * x->desc.shown_count + 3 * HISTORY_SHOWN * x->desc.steps_count);
    x->blocks = heed_arena_alloc(x->arena, x->blocks_room * (int64_t)sizeof *x->blocks);
    done = done && x->blocks;
    for (int what = 0; done && what < 4; what++) /* what matters most comes first */
        for (int64_t i = 0; done && i < x->desc.shown_count; i++) {
            const heed_record *r = &x->shown[i];
            c.r = *r;
            if (what == 2)
                done = add_rollout(x, r, i);
            for (int type = 0; done && what != 2 && type < 3; type++) {
                block b = { .kind = "attention", .type = type, .data = r->weights[type] };
                int64_t shape[] = { r->layers[type], r->heads, record_queries(r, type), record_keys(r, type) };
                memcpy(b.shape, shape, sizeof shape);
                if (what == 0)
                    add(x, b, "a", i);
                b.kind = "norm";
                if (what == 1 && (done = (b.data = weigh_by_norms(&c, type))))
                    add(x, b, "n", i);
                for (int side = 0; what == 3 && i < PARTS && side < 2; side++) {
                    b = (block){
                        .kind = side ? "k" : "q", .type = type, .floats = true, .data = side ? r->k[type] : r->q[type]
                    };
                    memcpy(b.shape, shape, sizeof shape);
                    b.shape[2] = shape[2 + side];
                    b.shape[3] = r->d;
                    b.scale = side ? 1 : 1 / sqrt((double)r->d);
                    add(x, b, b.kind, i);
                }
            }
        }
    c.arena = NULL;
    scene_free(&c);
    add_others(x);
    for (int step = 0; x->history && step < x->desc.steps_count; step++)
        for (int64_t i = 0; i < 3 * x->history->shown; i++) {
            const heed_record *r = &x->history->moments[step].shown[i / 3];
            int type = (int)(i % 3);
            add(x,
                (block){ .kind = "snapshot",
                         .type = type,
                         .step = x->desc.steps[step] + 1,
                         .shape = { r->layers[type], r->heads, record_queries(r, type), record_keys(r, type) },
                         .data = r->weights[type] },
                "s", i / 3);
        }
    return done;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* Whole triples are written at once; what is left over waits for more, or the end. */
typedef struct {
    heed_file *file;
    uint8_t waiting[3];
    int count;
    char text[4096];
    int length;
} base64;

static bool base64_flush(base64 *b)
{
    bool done = heed_file_write(b->file, b->text, b->length);
    b->length = 0;
    return done;
}

static bool base64_triple(base64 *b)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = (uint32_t)b->waiting[0] << 16 | (uint32_t)b->waiting[1] << 8 | b->waiting[2];
    for (int i = 0; i < 4; i++)
        b->text[b->length++] = i <= b->count ? digits[bits >> (18 - 6 * i) & 63] : '=';
    b->count = 0;
    memset(b->waiting, 0, sizeof b->waiting);
    return b->length < (int)sizeof b->text || base64_flush(b);
}

static bool base64_byte(base64 *b, uint8_t byte)
{
    b->waiting[b->count++] = byte;
    return b->count < 3 || base64_triple(b);
}

void block_round(const heed_real *row, int64_t n, uint8_t *out)
{
    double all = 0, rest[MAX_TOKENS];
    int64_t left = UNIT;
    for (int64_t j = 0; j < n; j++)
        all += (double)row[j];
    for (int64_t j = 0; j < n; j++) {
        double cell = all > 0 ? (double)row[j] / all * UNIT : 0;
        out[j] = (uint8_t)cell;
        rest[j] = cell - out[j];
        left -= out[j];
    }
    for (; all > 0 && left > 0; left--) {
        int64_t most = 0;
        for (int64_t j = 1; j < n; j++)
            most = rest[j] > rest[most] ? j : most;
        out[most]++;
        rest[most] = -1;
    }
}

static bool write_block(heed_file *file, const block *b)
{
    base64 to = { .file = file };
    int64_t n = b->shape[3], rows = block_cells(b) / (n > 0 ? n : 1);
    uint8_t cells[MAX_TOKENS];
    bool done = heed_file_printf(file, "<script type=\"text/plain\" id=\"%s\">", b->id);
    for (int64_t i = 0; done && i < rows; i++) {
        if (!b->floats)
            block_round(b->data + i * n, n, cells);
        for (int64_t j = 0; done && j < n; j++) {
            float value = (float)((double)b->data[i * n + j] * (b->scale != 0 ? b->scale : 1));
            uint8_t bytes[sizeof value];
            memcpy(bytes, &value, sizeof value);
            for (size_t k = 0; done && k < (b->floats ? sizeof value : 1); k++)
                done = base64_byte(&to, b->floats ? bytes[k] : cells[j]);
        }
    }
    done = done && (to.count == 0 || base64_triple(&to)) && base64_flush(&to);
    return done && heed_file_printf(file, "</script>\n");
}

bool page_write(const heed_inspection *x, const char *path, const char *json, int64_t bytes)
{
    static const char marker[] = "<!-- heed:data -->", open[] = "<script type=\"application/json\" id=\"inspect\">";
    const char *at = strstr(inspect_page, marker);
    if (!at)
        return true; /* built without the page */
    double all = (double)((int64_t)strlen(inspect_page) + bytes + x->blocks_bytes), most = 5 * (double)page_bytes(x);
    if (all > most) {
        remove(path); /* one of before would be of other numbers than what was just written */
        return heed_fail(HEED_BAD_ARGUMENT,
                         "inspection_write: \"%s\" would have %.2f MiB, more than %.2f; show fewer sentences, or allow "
                         "it a larger page",
                         path, all / (1 << 20), most / (1 << 20));
    }
    heed_file *file = heed_file_create(path);
    bool done = file && heed_file_write(file, inspect_page, at - inspect_page) &&
                heed_file_write(file, open, sizeof open - 1) && heed_file_write(file, json, bytes) &&
                heed_file_printf(file, "</script>\n");
    for (int i = 0; done && i < x->blocks_count; i++)
        done = write_block(file, &x->blocks[i]);
    at += sizeof marker - 1;
    if (done && heed_file_write(file, at, (int64_t)strlen(at)))
        return heed_file_commit(file);
    heed_file_abort(file);
    return false;
}
