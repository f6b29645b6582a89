/* Files: arrays, alignments, and the folder they go to. docs/inspect.md says what is in each. */
#include "internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- alignments -------------------------------------------------------------------------------------------------- */

static int by_fit(const void *a, const void *b)
{
    const aligner *x = a, *y = b;
    if (x->fit < y->fit || x->fit > y->fit)
        return x->fit < y->fit ? -1 : 1;
    return x->slot != y->slot ? (x->slot > y->slot) - (x->slot < y->slot) : x->sub - y->sub; /* equal, or not known */
}

/* All ways to align, the best on the sentences to choose by first; the winner is a head. */
bool aligners_find(heed_inspection *x)
{
    const table *t = x->trained;
    int64_t heads = x->heads[HEED_CROSS];
    int base = t->base[M_AER][CONTENT][HEED_CROSS];
    int64_t slots = t->columns[base].slots, most = slots * 4 * 2;
    x->aligners = heed_arena_alloc(x->arena, most * (int64_t)sizeof *x->aligners);
    for (int64_t i = 0; x->aligners && i < most; i++) {
        aligner a = { i / 8, (int)(i / 2 % 4), (variant_id)(CONTENT + i % 2), 0 };
        a.fit =
            table_value(x->fitted, &x->fitted->columns[x->fitted->base[M_AER][a.variant][HEED_CROSS] + a.sub], a.slot);
        int at = t->base[M_AER][a.variant][HEED_CROSS] + a.sub;
        if (!isnan(x->measures[t->columns[at].first + a.slot].value) || !isnan(a.fit))
            x->aligners[x->aligners_count++] = a;
    }
    if (!x->aligners)
        return false;
    if (x->aligners_count)
        qsort(x->aligners, (size_t)x->aligners_count, sizeof *x->aligners, by_fit);
    x->winner = (aligner){ .variant = CONTENT, .fit = (double)NAN };
    for (int i = x->aligners_count - 1; i >= 0; i--)
        if (x->aligners[i].slot < heads)
            x->winner = x->aligners[i];
    double least = (double)INFINITY; /* without gold the head of lowest entropy */
    for (int64_t slot = 0; x->aligners_count == 0 && slot < heads; slot++) {
        double entropy = measure_at(x, M_ENTROPY, CONTENT, 0, heads_count(x) - heads + slot)->value;
        if (entropy < least) {
            least = entropy;
            x->winner.slot = slot;
        }
    }
    return true;
}

/* One line of links: for each content word of the target the source word its row looks at most. */
static bool write_links(const heed_inspection *x, scene *c, heed_file *file)
{
    field f = field_of(c->s, HEED_CROSS);
    const aligner *a = &x->winner;
    double *norms = a->sub >= BY_NORM ? scene_norms(c, HEED_CROSS) : NULL;
    heed_real *row = heed_arena_alloc(c->arena, c->r.S * (int64_t)sizeof *row);
    bool done = row && (norms || a->sub < BY_NORM);
    const char *between = "";
    for (int64_t word = 0; done && word + 1 < c->r.T; word++) {
        int64_t i = word + a->sub % 2;
        for (int64_t j = 0; j < c->r.S; j++)
            row[j] = (heed_real)((double)record_row(&c->r, HEED_CROSS, a->slot, i)[j] *
                                 (norms ? norms[a->slot * c->r.S + j] : 1));
        if (a->variant == CONTENT)
            view_keys(&c->a, &f, row, i);
        else
            view_raw(&c->a, &f, row, i);
        int32_t best = c->a.n ? c->a.key[view_best(&c->a)] : 0;
        if (!c->a.n || (f.key->flags[best] & HEED_TOKEN_SPECIAL) || (c->s->tgt.flags[word + 1] & HEED_TOKEN_SPECIAL))
            continue;
        done = heed_file_printf(file, "%s%d-%d", between, (int)best, (int)word);
        between = " ";
    }
    return done && heed_file_write(file, "\n", 1);
}

static bool write_alignments(const heed_inspection *x, const char *path)
{
    scene c = { 0 };
    heed_file *file = heed_file_create(path);
    bool done = file && scene_start(&c, x, x->desc.net);
    for (int64_t i = 0; done && i < x->desc.shown_count; i++) {
        heed_arena_reset(c.arena);
        c.s = &x->desc.shown[i];
        c.r = x->shown[i];
        done = write_links(x, &c, file);
    }
    scene_free(&c);
    if (done)
        return heed_file_commit(file);
    heed_file_abort(file);
    return false;
}

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

static heed_tensor layer_of(const heed_record *r, int type, int64_t layer, int64_t layers)
{
    int64_t rows = record_queries(r, type), keys = record_keys(r, type);
    heed_real *from = r->weights[type] + layer * r->heads * rows * keys;
    return heed_tensor_wrap(from, layers ? HEED_SHAPE(layers, r->heads, rows, keys) : HEED_SHAPE(r->heads, rows, keys));
}

static bool write_npy(const heed_inspection *x, const char *folder, int64_t i, int type)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/attn/%s.%s.npy", folder, x->desc.shown[i].id, type_names[type]);
    return heed_npy_save(path, layer_of(&x->shown[i], type, 0, x->layers[type]));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const heed_named_tensor *)a)->name, ((const heed_named_tensor *)b)->name);
}

static bool write_safetensors(const heed_inspection *x, const char *path)
{
    enum { NAME = 128 };
    int64_t per = x->layers[0] + x->layers[1] + x->layers[2], n = 0;
    heed_named_tensor *all = memory_get(x->desc.shown_count * per * (int64_t)(sizeof *all + NAME));
    char *names = (char *)(all + x->desc.shown_count * per), step[24];
    for (int64_t i = 0; all && i < x->desc.shown_count; i++)
        for (int type = 0; type < 3; type++)
            for (int64_t layer = 0; layer < x->layers[type]; layer++, n++) {
                snprintf(names + n * NAME, NAME, "%.90s.%s.l%d", x->desc.shown[i].id, type_names[type], (int)layer);
                all[n] = (heed_named_tensor){ names + n * NAME, layer_of(&x->shown[i], type, layer, 0) };
            }
    snprintf(step, sizeof step, "%lld", (long long)x->desc.step);
    const heed_metadata metadata[] = {
        { "conventions", "rows=queries; cols=keys; pre-dropout; teacher-forced" },
        { "run", x->desc.name },
        { "step", step },
        { "version", "1" },
    };
    if (all && n)
        qsort(all, (size_t)n, sizeof *all, by_name);
    bool done = all && heed_safetensors_save(path, all, (int)n, metadata, 4);
    memory_put(all);
    return done;
}

/* ---- the folder -------------------------------------------------------------------------------------------------- */

static bool write_text(const char *path, const json_text *t)
{
    heed_file *file = heed_file_create(path);
    if (file && heed_file_write(file, t->data, t->size) && heed_file_write(file, "\n", 1))
        return heed_file_commit(file);
    heed_file_abort(file);
    return false;
}

static bool write_lists(const heed_inspection *x, const char *folder, int64_t i)
{
    char path[4096];
    json_text lists;
    if (!json_lists(x, i, &lists))
        return false;
    snprintf(path, sizeof path, "%s/bertviz/%s.json", folder, x->desc.shown[i].id);
    bool done = write_text(path, &lists);
    memory_put(lists.data);
    return done;
}

static bool make_folder(const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return !mkdir(path, 0777) || errno == EEXIST ||
           heed_fail(HEED_IO, "inspection_write: \"%s\": %s", path, strerror(errno));
}

bool heed_inspection_write(const heed_inspection *x, const char *folder)
{
    enum { PICTURES = 3 };
    char path[4096];
    json_text json;
    if (!x || !folder || strlen(folder) > 3800)
        return heed_fail(HEED_BAD_ARGUMENT, "inspection_write: %s", x ? "the folder is NULL or too long" : "x is NULL");
    bool done = make_folder(folder, "attn") && make_folder(folder, "bertviz");
    for (int64_t i = 0; done && i < x->desc.shown_count; i++)
        done = write_lists(x, folder, i);
    for (int64_t i = 0; done && i < 3 * x->desc.shown_count; i++)
        done = write_npy(x, folder, i / 3, (int)(i % 3));
    for (int64_t i = 0; done && i < 3 * x->desc.shown_count && i < 3 * PICTURES; i++) {
        snprintf(path, sizeof path, "%s/%s.%s.svg", folder, x->desc.shown[i / 3].id, type_names[i % 3]);
        done = svg_write(x, path, i / 3, (int)(i % 3));
    }
    snprintf(path, sizeof path, "%s/attn.safetensors", folder);
    done = done && write_safetensors(x, path);
    snprintf(path, sizeof path, "%s/align.txt", folder);
    if (!done || !write_alignments(x, path) || !json_make(x, &json))
        return false;
    snprintf(path, sizeof path, "%s/inspect.json", folder);
    done = write_text(path, &json);
    snprintf(path, sizeof path, "%s/heads.html", folder);
    done = done && page_write(x, path, json.data, json.size);
    memory_put(json.data);
    return done;
}
