/* golden: compares heed, in double precision, with reference numbers stored in a folder.
 *
 *     golden DIR
 *
 * DIR, or any folder below it, holds cases: folders with a case.json and arrays (see case.c). One line is printed for
 * each: its name, the largest relative error of its outputs, and that of each gradient. The exit code is 0 if there are
 * cases and every error is under 1e-9; 1 if not, or if anything is missing or cannot be read; 2 for wrong usage.
 * A folder that lists its cases in cases.tsv has to have them all. */
#include "golden.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const double limit = 1e-9;
enum { DEEPEST = 6, PATH_ROOM = 4096 };

static int passed, failed;
static const char *top; /* the folder asked for: names are shown from there */

/* ---- one case ---------------------------------------------------------------------------------------------------- */

static const char *shown(const char *path)
{
    size_t n = strlen(top);
    if (strncmp(path, top, n) == 0 && path[n] == '/')
        return path + n + 1;
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void say_failed(const char *path, const char *why)
{
    printf("%s: FAILED: %s\n", shown(path), why);
    failed++;
}

static void run_case(const char *path)
{
    golden_case c;
    case_open(&c, path);
    heed_error_clear();
    if (!c.failed && json_object_get(c.config, "op"))
        check_op(&c);
    else if (!c.failed && json_object_get(c.config, "kind"))
        check_transformer(&c);
    else if (!c.failed)
        check_attention(&c);
    bool good = c.outputs < limit;
    for (int i = 0; i < c.n_gradients; i++)
        good = good && c.gradients[i].error < limit;
    if (c.failed) {
        say_failed(path, c.why);
    } else {
        printf("%s: %s: outputs %.1e", shown(path), good ? "ok" : "FAILED", c.outputs);
        for (int i = 0; i < c.n_gradients; i++)
            printf("%s %s %.1e", i ? "," : "; gradients", c.gradients[i].name, c.gradients[i].error);
        printf("\n");
        good ? passed++ : failed++;
    }
    heed_error_clear();
    case_close(&c);
}

/* ---- folders ----------------------------------------------------------------------------------------------------- */

static bool is_there(const char *folder, const char *name)
{
    char path[PATH_ROOM + 300];
    struct stat info;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return stat(path, &info) == 0;
}

/* The n-th column of a line of cases.tsv, cut out. */
static const char *column(char *room, size_t size, const char *line, int n)
{
    for (; n > 0 && line; n--) {
        line = strchr(line, '\t');
        line = line ? line + 1 : NULL;
    }
    snprintf(room, size, "%.*s", line ? (int)strcspn(line, "\t\r\n") : 0, line ? line : "");
    return room;
}

/* Every case listed in cases.tsv: columns `case`, or `op` and `case`, come first. */
static void check_list(const char *folder)
{
    char path[PATH_ROOM + 300], line[4096], first[200], second[200], name[420];
    snprintf(path, sizeof path, "%s/cases.tsv", folder);
    FILE *file = fopen(path, "r");
    if (!file)
        return;
    bool by_op = fgets(line, sizeof line, file) && strcmp(column(first, sizeof first, line, 0), "op") == 0;
    while (fgets(line, sizeof line, file)) {
        column(first, sizeof first, line, 0);
        column(second, sizeof second, line, 1);
        snprintf(name, sizeof name, by_op ? "%s/%s" : "%s", first, second);
        snprintf(path, sizeof path, "%s/%s", folder, name);
        if (!is_there(folder, name))
            say_failed(path, "listed in cases.tsv, but not there");
    }
    fclose(file);
}

static int is_name(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void walk(const char *folder, int depth)
{
    if (is_there(folder, "case.json")) {
        run_case(folder);
        return;
    }
    struct dirent **names;
    int n = scandir(folder, &names, is_name, alphasort);
    if (n < 0) {
        say_failed(folder, strerror(errno));
        return;
    }
    check_list(folder);
    bool arrays = false;
    for (int i = 0; i < n; i++) {
        char path[PATH_ROOM];
        struct stat info;
        const char *dot = strrchr(names[i]->d_name, '.');
        arrays = arrays || (dot && strcmp(dot, ".npy") == 0);
        if (snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name) >= (int)sizeof path)
            say_failed(folder, "too long a path");
        else if (depth < DEEPEST && stat(path, &info) == 0 && S_ISDIR(info.st_mode))
            walk(path, depth + 1);
        free(names[i]);
    }
    free(names);
    if (arrays || n == 0)
        say_failed(folder, n ? "arrays, but no case.json" : "an empty folder");
}

int main(int argc, char **argv)
{
    static const char usage[] = "usage: golden DIR\n"
                                "Compares heed with the reference numbers in DIR and the folders below it.\n";
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (argc != 2 || argv[1][0] == '-' || !argv[1][0]) {
        fputs(usage, stderr);
        return 2;
    }
    char folder[PATH_ROOM];
    snprintf(folder, sizeof folder, "%s", argv[1]);
    for (size_t n = strlen(folder); n > 1 && folder[n - 1] == '/'; n--)
        folder[n - 1] = '\0';
    top = folder;
    walk(folder, 0);
    if (passed + failed == 0)
        say_failed(folder, "no cases found");
    printf("%d passed, %d failed\n", passed, failed);
    return failed || fflush(stdout) != 0 || ferror(stdout) ? 1 : 0;
}
