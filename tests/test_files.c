/* heed_file: a file is the old one or the whole new one, whatever fails. */
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { BIG = 300000 };

/* ---- system calls that tests can bend: these are found before libc's --------------------------------------------- */

static size_t longest_write = SIZE_MAX; /* a write takes no more bytes at once */
static const char *taken_over;          /* another process replaces this file just before the next lock */

ssize_t write(int fd, const void *bytes, size_t n)
{
    return syscall(SYS_write, fd, bytes, n < longest_write ? n : longest_write);
}

int flock(int fd, int operation)
{
    if (taken_over) {
        unlink(taken_over);
        file_put(taken_over, "theirs", 6);
        taken_over = NULL;
    }
    return (int)syscall(SYS_flock, fd, operation);
}

/* ---- what works -------------------------------------------------------------------------------------------------- */

static void test_writes(void **state)
{
    (void)state;
    const char *path = folder_path("a.txt");
    heed_file *file = heed_file_create(path);
    assert_non_null(file);
    assert_true(heed_file_write(file, "one ", 4));
    assert_true(heed_file_printf(file, "%d %s", 2, "three"));
    assert_true(heed_file_write(file, NULL, 0));
    assert_int_not_equal(access(path, F_OK), 0); /* not before commit */
    assert_int_equal(folder_count(), 1);
    assert_true(heed_file_commit(file));
    check_text(path, "one 2 three");
    assert_int_equal(folder_count(), 1);

    file = heed_file_create(path);
    assert_true(file && heed_file_commit(file));
    check_text(path, "");
    check_no_error();
}

/* Pieces smaller and larger than the buffer, in every order, arrive as they were. */
static void test_pieces(void **state)
{
    (void)state;
    static char want[BIG], text[BIG];
    for (int i = 0; i < BIG; i++)
        want[i] = (char)('a' + i * 7 % 26);
    const char *path = folder_path("a");
    for (int turn = 0; turn < 20; turn++) {
        heed_rng rng = { .seed = 5, .step = (uint32_t)turn };
        heed_file *file = heed_file_create(path);
        assert_non_null(file);
        int64_t at = 0;
        for (uint64_t i = 0; at < BIG; i++) {
            int64_t most = heed_rng_below(rng, 2 * i, 2) ? 200000 : 3000;
            int64_t n = (int64_t)heed_rng_below(rng, 2 * i + 1, (uint64_t)most);
            n = n < BIG - at ? n : BIG - at;
            if (i % 3 == 0) {
                memcpy(text, want + at, (size_t)n);
                text[n] = '\0';
                assert_true(heed_file_printf(file, "%s", text));
            } else {
                assert_true(heed_file_write(file, want + at, n));
            }
            at += n;
        }
        assert_true(heed_file_commit(file));
        check_file(path, want, BIG);
    }
}

static void test_short_writes(void **state)
{
    (void)state;
    static char want[BIG];
    for (int i = 0; i < BIG; i++)
        want[i] = (char)('a' + i * 7 % 26);
    for (longest_write = 77; longest_write < BIG; longest_write = longest_write * 13 + 1) {
        heed_file *file = heed_file_create(folder_path("a"));
        assert_true(file && heed_file_write(file, want, 70000) && heed_file_write(file, want + 70000, 3));
        assert_true(heed_file_write(file, want + 70003, BIG - 70003) && heed_file_commit(file));
        check_file(folder_path("a"), want, BIG);
    }
    longest_write = SIZE_MAX;
}

static void test_printf_at_the_edge_of_the_buffer(void **state)
{
    (void)state;
    static char want[70000];
    memset(want, 'x', sizeof want);
    for (int64_t fill = 65536 - 12; fill <= 65536; fill++) {
        heed_file *file = heed_file_create(folder_path("a"));
        assert_true(file && heed_file_write(file, want, fill));
        assert_true(heed_file_printf(file, "xxxxx%s", "xxxxx"));
        assert_true(heed_file_commit(file));
        check_file(folder_path("a"), want, fill + 10);
    }
}

static void test_abort(void **state)
{
    (void)state;
    file_put(folder_path("a"), "old", 3);
    heed_file *file = heed_file_create(folder_path("a"));
    assert_true(file && heed_file_write(file, "new", 3));
    heed_file_abort(file);
    heed_file_abort(NULL);
    check_text(folder_path("a"), "old");
    assert_int_equal(folder_count(), 1);
}

static void test_keeps_permissions(void **state)
{
    (void)state;
    const char *path = folder_path("secret");
    file_put(path, "old", 3);
    chmod(path, 0600);
    heed_file *file = heed_file_create(path);
    assert_true(file && heed_file_commit(file));
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void test_follows_links(void **state)
{
    (void)state;
    file_put(folder_path("real"), "old", 3);
    assert_int_equal(symlink("real", folder_path("link")), 0);
    heed_file *file = heed_file_create(folder_path("link"));
    assert_true(file && heed_file_write(file, "new", 3) && heed_file_commit(file));
    check_text(folder_path("real"), "new");
    struct stat info;
    assert_int_equal(lstat(folder_path("link"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(folder_count(), 2);

    assert_int_equal(symlink("nowhere", folder_path("broken")), 0);
    assert_null(heed_file_create(folder_path("broken")));
    check_failed(HEED_IO, "No such file or directory");
}

static void test_relative_path_survives_chdir(void **state)
{
    (void)state;
    char before[4096];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder_name), 0);
    heed_file *file = heed_file_create("a");
    assert_int_equal(chdir("/"), 0);
    bool ok = file && heed_file_write(file, "new", 3) && heed_file_commit(file);
    assert_int_equal(chdir(before), 0);
    assert_true(ok);
    check_text(folder_path("a"), "new");
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static void refuses(const char *path, heed_error_kind kind, const char *part)
{
    assert_null(heed_file_create(path));
    check_failed(kind, part);
}

static void test_refuses_paths(void **state)
{
    (void)state;
    static char longest[6000];
    memset(longest, 'a', sizeof longest - 1);
    mkdir(folder_path("dir"), 0777);
    file_put(folder_path("plain"), "x", 1);
    mkfifo(folder_path("pipe"), 0666);
    refuses(NULL, HEED_BAD_ARGUMENT, "NULL");
    refuses("", HEED_BAD_ARGUMENT, "empty");
    refuses(folder_path("dir"), HEED_IO, "a folder");
    refuses(folder_path("new/"), HEED_BAD_ARGUMENT, "a folder's");
    refuses(folder_path("pipe"), HEED_IO, "a pipe or device");
    refuses("/dev/full", HEED_IO, "a pipe or device");
    refuses(folder_path("none/a"), HEED_IO, "cannot find its folder: No such file or directory");
    refuses(folder_path("plain/a"), HEED_IO, "Not a directory");
    refuses(longest, HEED_IO, "File name too long");
    longest[300] = '\0';
    refuses(folder_path(longest), HEED_IO, "File name too long");
    assert_int_equal(folder_count(), 3);
    if (geteuid() != 0) {
        chmod(folder_path("dir"), 0555);
        refuses(folder_path("dir/a"), HEED_IO, "Permission denied");
    }
}

static void test_refuses_misuse(void **state)
{
    (void)state;
    assert_false(heed_file_write(NULL, "x", 1));
    check_failed(HEED_BAD_ARGUMENT, "file is NULL");
    assert_false(heed_file_printf(NULL, "x"));
    check_failed(HEED_BAD_ARGUMENT, "file is NULL");
    assert_false(heed_file_commit(NULL));
    check_failed(HEED_BAD_ARGUMENT, "file is NULL");
    heed_file *file = heed_file_create(folder_path("a"));
    assert_false(heed_file_write(file, "x", -1));
    check_failed(HEED_BAD_ARGUMENT, "-1 bytes");
    assert_false(heed_file_write(file, NULL, 1));
    check_failed(HEED_BAD_ARGUMENT, "NULL");
    heed_file_abort(file);
    assert_int_equal(folder_count(), 0);
}

/* What a killed save left behind is removed; what another save is writing is not. */
static void test_temporary_files(void **state)
{
    (void)state;
    file_put(folder_path("a.tmp"), "half", 4);
    heed_file *first = heed_file_create(folder_path("a"));
    assert_true(first && heed_file_write(first, "first", 5));
    assert_null(heed_file_create(folder_path("a")));
    check_failed(HEED_IO, "is being written by another save");
    assert_true(heed_file_commit(first));
    check_text(folder_path("a"), "first");
    assert_int_equal(folder_count(), 1);

    assert_int_equal(symlink("a", folder_path("a.tmp")), 0); /* not written through */
    heed_file *second = heed_file_create(folder_path("a"));
    assert_non_null(second);
    check_text(folder_path("a"), "first");
    assert_true(heed_file_write(second, "second", 6) && heed_file_commit(second));
    check_text(folder_path("a"), "second");

    for (int old = 0; old < 2; old++) { /* the name is somebody else's by the time it is locked */
        if (old)
            file_put(folder_path("a.tmp"), "half", 4);
        taken_over = folder_path("a.tmp");
        assert_null(heed_file_create(folder_path("a")));
        check_failed(HEED_IO, "is being written by another save");
        check_text(folder_path("a.tmp"), "theirs");
        unlink(folder_path("a.tmp"));
    }
    check_text(folder_path("a"), "second");

    mkdir(folder_path("a.tmp"), 0777);
    assert_null(heed_file_create(folder_path("a")));
    check_failed(HEED_IO, "cannot remove an old temporary file");
    check_text(folder_path("a"), "second");
}

/* ---- failures half-way ------------------------------------------------------------------------------------------- */

/* A disk that is full after `limit` bytes: the old file stays, nothing else is left. */
static void test_disk_full(void **state)
{
    (void)state;
    static char bytes[BIG];
    const char *path = folder_path("a");
    file_put(path, "old", 3);
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (rlim_t limit = 0; limit <= BIG; limit += limit < 8 ? 1 : limit / 3) {
        small = before;
        small.rlim_cur = limit;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        heed_file *file = heed_file_create(path);
        bool ok = true;
        for (int at = 0; file && ok && at < BIG; at += 1000)
            ok = heed_file_write(file, bytes + at, 1000);
        bool written = ok && file && heed_file_commit(file); /* the rest of the buffer fails here */
        char where[64];
        snprintf(where, sizeof where, "write at byte %lld: File too large", (long long)limit);
        if (!ok) {
            check_failed(HEED_IO, where);
            assert_false(heed_file_write(file, "x", 1));
            check_failed(HEED_BAD_STATE, "an earlier write failed");
            assert_false(heed_file_commit(file));
            check_failed(HEED_BAD_STATE, "an earlier write failed");
        } else if (!written && limit < BIG) {
            check_failed(HEED_IO, where);
        }
        setrlimit(RLIMIT_FSIZE, &before);
        assert_int_equal(written, limit >= BIG);
        if (!written) {
            check_text(path, "old");
            assert_int_equal(folder_count(), 1);
        }
    }
    signal(SIGXFSZ, handler);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    file_put(folder_path("a"), "old", 3);
    heed_memory before = heed_memory_now();
    heed_memory_fail_at(1, false);
    assert_null(heed_file_create(folder_path("a")));
    check_failed(HEED_MEMORY, "memory");
    static char text[BIG];
    memset(text, 'x', sizeof text - 1);
    heed_file *file = heed_file_create(folder_path("a"));
    heed_memory_fail_at(1, false);
    assert_false(heed_file_printf(file, "%s", text)); /* too long for the buffer */
    check_failed(HEED_MEMORY, "memory");
    assert_false(heed_file_commit(file)); /* a text is missing */
    check_failed(HEED_BAD_STATE, "an earlier write failed");
    heed_memory after = heed_memory_now();
    assert_int_equal(before.bytes, after.bytes);
    check_text(folder_path("a"), "old");
    assert_int_equal(folder_count(), 1);
}

static void test_folder_vanishes(void **state)
{
    (void)state;
    mkdir(folder_path("dir"), 0777);
    heed_file *file = heed_file_create(folder_path("dir/a"));
    assert_non_null(file);
    unlink(folder_path("dir/a.tmp"));
    rmdir(folder_path("dir"));
    assert_false(heed_file_commit(file));
    check_failed(HEED_IO, "rename of the temporary file: No such file or directory");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_writes),          IN_FOLDER(test_pieces),
        IN_FOLDER(test_short_writes),    IN_FOLDER(test_printf_at_the_edge_of_the_buffer),
        IN_FOLDER(test_abort),           IN_FOLDER(test_keeps_permissions),
        IN_FOLDER(test_follows_links),   IN_FOLDER(test_relative_path_survives_chdir),
        IN_FOLDER(test_refuses_paths),   IN_FOLDER(test_refuses_misuse),
        IN_FOLDER(test_temporary_files), IN_FOLDER(test_disk_full),
        IN_FOLDER(test_out_of_memory),   IN_FOLDER(test_folder_vanishes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
