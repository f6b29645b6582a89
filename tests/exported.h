/* An inspection of the planted model written to a folder, and its JSON read back. */
#ifndef EXPORTED_H
#define EXPORTED_H

#include "folder.h"
#include "planted.h"

#include "../src/inspect/internal.h"

#include <jansson.h>

static planted_set set;
static planted trained, untrained;

static inline int set_up(void **state)
{
    folder_make(state);
    planted_draw(&set);
    set.shown = 3;
    trained = planted_trained();
    untrained = planted_new(3);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    heed_params_free(trained.params);
    heed_params_free(untrained.params);
    folder_drop(folder_name);
    return 0;
}

/* The file's bytes, ended by NUL; freed at the next call but one. */
static inline char *slurp(const char *folder, const char *name, size_t *bytes)
{
    static char *kept[2];
    static int turn;
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    *bytes = 0;
    if (!file)
        return NULL;
    struct stat status;
    assert_int_equal(fstat(fileno(file), &status), 0);
    turn = !turn;
    free(kept[turn]);
    kept[turn] = calloc(1, (size_t)status.st_size + 1);
    *bytes = fread(kept[turn], 1, (size_t)status.st_size, file);
    fclose(file);
    return kept[turn];
}

static inline json_t *load(const char *folder)
{
    size_t bytes;
    json_error_t error;
    char *text = slurp(folder, "inspect.json", &bytes);
    assert_non_null(text);
    assert_null(memchr(text, '<', bytes));
    json_t *all = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    if (!all)
        fail_msg("inspect.json:%d: %s", error.line, error.text);
    return all;
}

static inline json_t *at(json_t *all, const char *path) /* "sentences.0.src" */
{
    char copy[128], *rest;
    snprintf(copy, sizeof copy, "%s", path);
    for (char *key = strtok_r(copy, ".", &rest); all && key; key = strtok_r(NULL, ".", &rest))
        all = json_is_array(all) ? json_array_get(all, (size_t)atoi(key)) : json_object_get(all, key);
    if (!all)
        fail_msg("inspect.json has no %s", path);
    return all;
}

/* HEED_KEEP names a folder where what is written stays, for tests of the page. */
static inline const char *inspect_into(const char *name, planted_set *of)
{
    static char folder[256];
    const char *kept = getenv("HEED_KEEP");
    snprintf(folder, sizeof folder, "%s/%s", kept ? kept : folder_name, name);
    mkdir(folder, 0777);
    heed_inspection *x = planted_inspect(of, &trained, &untrained);
    if (!heed_inspection_write(x, folder))
        fail_msg("%s", heed_error());
    heed_inspection_free(x);
    return folder;
}

/* The folder of the whole set as it is: written once, for every test that only reads it. */
static inline const char *inspect_once(void)
{
    static char folder[256];
    if (!*folder)
        snprintf(folder, sizeof folder, "%s", inspect_into("whole", &set));
    return folder;
}

#endif
