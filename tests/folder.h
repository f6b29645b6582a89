/* A temporary folder for tests that need files: fresh for each test, removed at its end.
 *
 *     cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)      // or as a group's set-up
 *     const char *path = folder_path("a.npy");                               // until the next eight calls
 */
#ifndef FOLDER_H
#define FOLDER_H

#include "check.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder_name[64];

static inline int folder_make(void **state)
{
    (void)state;
    strcpy(folder_name, "/tmp/heed_test_XXXXXX");
    return mkdtemp(folder_name) ? 0 : -1;
}

static inline const char *folder_path(const char *name)
{
    static char paths[8][512];
    static int turn;
    char *path = paths[turn++ % 8];
    if (snprintf(path, sizeof paths[0], "%s/%s", folder_name, name) >= (int)sizeof paths[0])
        fail_msg("too long a name: %.40s...", name);
    return path;
}

/* Removes everything in folder_name, one level of folders deep, and the folder itself. */
static inline int folder_remove(void **state)
{
    (void)state;
    for (int depth = 2; depth > 0 && rmdir(folder_name) != 0; depth--) {
        DIR *dir = opendir(folder_name);
        for (struct dirent *entry; dir && (entry = readdir(dir));)
            if (entry->d_name[0] != '.' || strlen(entry->d_name) > 2)
                if (unlink(folder_path(entry->d_name)) != 0)
                    rmdir(folder_path(entry->d_name));
        if (dir)
            closedir(dir);
    }
    return 0;
}

/* Removes a folder with all that is in it, however deep. */
static inline void folder_drop(const char *folder)
{
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[1024];
        if (entry->d_name[0] == '.' || snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path)
            continue;
        if (unlink(path) != 0)
            folder_drop(path);
    }
    if (dir)
        closedir(dir);
    rmdir(folder);
}

/* How many entries it has. */
static inline int folder_count(void)
{
    int count = -2; /* "." and ".." */
    DIR *dir = opendir(folder_name);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static inline void file_put(const char *path, const void *bytes, int64_t n)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, (size_t)n, file), n);
    assert_int_equal(fclose(file), 0);
}

/* All bytes of a file, to be freed; *n is how many. A NUL follows them. */
static inline char *file_get(const char *path, int64_t *n)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *n = ftell(file);
    rewind(file);
    char *bytes = calloc(1, (size_t)*n + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)*n, file), *n);
    fclose(file);
    return bytes;
}

static inline void check_file_at(const char *path, const char *want, int64_t n, const char *source, int line)
{
    int64_t got_n;
    char *got = file_get(path, &got_n);
    bool same = got_n == n && memcmp(got, want, (size_t)n) == 0;
    free(got);
    if (!same) {
        print_error("%s:%d: %s has %lld bytes that are not the %lld wanted\n", source, line, path, (long long)got_n,
                    (long long)n);
        _fail(source, line);
    }
}
#define check_file(path, want, n) check_file_at((path), (want), (n), __FILE__, __LINE__)
#define check_text(path, want)    check_file_at((path), (want), (int64_t)strlen(want), __FILE__, __LINE__)

#endif
