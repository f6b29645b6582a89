/* Models as an inspection takes them: what they are called, as they were before their first step, and those set beside
 * the one inspected (inspect_data.h). */
#include "inspect_data.h"
#include "program.h"

#include <stdlib.h>
#include <string.h>

static heed_vocab *copy_vocabulary(const heed_vocab *vocab)
{
    char *json = heed_vocab_to_json(vocab);
    heed_vocab *copy = json ? heed_vocab_from_json(json) : NULL;
    heed_text_free(json);
    if (!copy)
        die("%s", heed_error());
    return copy;
}

model *untrained_of(const model *m)
{
    heed_vocab *source = copy_vocabulary(m->source);
    return model_new(&m->config, source, m->source == m->target ? source : copy_vocabulary(m->target));
}

char *model_name(const char *path)
{
    size_t end = strlen(path), start;
    while (end > 1 && path[end - 1] == '/')
        end--;
    for (start = end; start > 0 && path[start - 1] != '/';)
        start--;
    char *name = strndup(path + (start < end ? start : 0), start < end ? end - start : end);
    if (!name)
        die("out of memory");
    return name;
}

/* ---- others ------------------------------------------------------------------------------------------------------ */

/* Ids must mean the same words: else what one model is fed is not what the other reads. */
static void check_vocabulary(const heed_vocab *a, const heed_vocab *b, const char *side, const char *path,
                             const char *other)
{
    char *one = heed_vocab_to_json(a), *two = heed_vocab_to_json(b);
    if (!one || !two)
        die("%s", heed_error());
    if (strcmp(one, two) != 0)
        die("inspect: \"%s\" and \"%s\" have different %s vocabularies (%d and %d words): they cannot be compared",
            path, other, side, heed_vocab_size(a), heed_vocab_size(b));
    heed_text_free(one);
    heed_text_free(two);
}

other_models others_load(const char *paths, const model *m, const char *path)
{
    other_models o = { .count = 0 };
    size_t most = 1;
    char *rest, *copy = strdup(paths ? paths : "");
    for (const char *at = copy; at && (at = strchr(at, ',')); at++)
        most++;
    o.list = calloc(most, sizeof *o.list);
    o.models = calloc(2 * most, sizeof(model *));
    if (!copy || !o.list || !o.models)
        die("out of memory");
    for (char *one = strtok_r(copy, ",", &rest); one; one = strtok_r(NULL, ",", &rest)) {
        model *there = o.models[2 * o.count] = model_load(one, false);
        check_vocabulary(m->source, there->source, "source", path, one);
        check_vocabulary(m->target, there->target, "target", path, one);
        model *untrained = o.models[2 * o.count + 1] = untrained_of(there);
        o.list[o.count++] = (heed_inspect_other){ .net = &there->net,
                                                  .untrained = &untrained->net,
                                                  .name = model_name(one),
                                                  .step = there->at.step,
                                                  .seed = there->config.seed };
    }
    if (paths && o.count == 0)
        die_usage("inspect: --with \"%s\" names no model", paths);
    free(copy);
    return o;
}

void others_free(other_models *o)
{
    for (int i = 0; i < o->count; i++) {
        free((void *)(uintptr_t)o->list[i].name);
        model_free(o->models[2 * i + 1]);
        model_free(o->models[2 * i]);
    }
    free(o->list);
    free(o->models);
}
