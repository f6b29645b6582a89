/* Saving under strace: the order of the system calls, each of them failing, and a kill at each of them. */
#include "folder.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int save_for_trace(const char *path)
{
    heed_file *file = heed_file_create(path);
    bool ok = file && heed_file_write(file, "new", 3);
    if (ok)
        ok = heed_file_commit(file);
    else
        heed_file_abort(file);
    if (!ok)
        fprintf(stderr, "%s\n", heed_error());
    return ok ? 0 : 1;
}

static char program[4096]; /* this one */

/* Runs save_for_trace in a child under strace -e WHAT, for calls that concern the temporary file and its folder alone;
 * its exit code. The file err gets its standard error, the file trace what strace says. */
static int trace(const char *what, const char *target)
{
    pid_t child = fork();
    if (child == 0) {
        int err = open(folder_path("err"), O_WRONLY | O_CREAT | O_TRUNC, 0666);
        dup2(err, STDERR_FILENO);
        close(err);
        setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* leak detection cannot run under ptrace */
        char temp[512];
        snprintf(temp, sizeof temp, "%s.tmp", target);
        execlp("strace", "strace", "-f", "-qq", "-o", folder_path("trace"), "-P", temp, "-P", folder_name, "-e", what,
               program, "--save", target, (char *)NULL);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool can_trace(void)
{
    return trace("trace=none", folder_path("a")) == 0;
}

/* One fault in the k-th call of a kind on the temporary file or its folder. */
static int save_with_fault(const char *fault, const char *call, int k)
{
    char what[128];
    file_put(folder_path("a"), "old", 3);
    unlink(folder_path("a.tmp"));
    snprintf(what, sizeof what, "inject=%s:%s:when=%d", call, fault, k);
    return trace(what, folder_path("a"));
}

static void test_order_of_calls(void **state)
{
    (void)state;
    if (!can_trace()) {
        print_message("skipped: no strace, or it may not trace\n");
        skip();
    }
    assert_int_equal(trace("trace=flock,write,fsync,close,rename", folder_path("a")), 0);
    check_text(folder_path("a"), "new");
    int64_t n;
    char *text = file_get(folder_path("trace"), &n);
    const char *const order[] = { "flock(", "write(", "fsync(", "close(", "rename(", "fsync(" };
    const char *at = text;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        at = strstr(at, order[i]);
        if (!at)
            fail_msg("call %zu, %s..., is missing or in the wrong place:\n%s", i, order[i], text);
        at++;
    }
    free(text);
}

static void test_failing_calls(void **state)
{
    (void)state;
    if (!can_trace())
        skip();
    static const struct {
        const char *call, *fault;
        int k;           /* which call of that kind */
        const char *now; /* the file afterwards */
        const char *says;
    } cases[] = {
        { "write", "error=ENOSPC", 1, "old", "No space left on device" },
        { "write", "error=EDQUOT", 1, "old", "Disk quota exceeded" },
        { "write", "retval=0", 1, "old", "Input/output error" },
        { "fsync", "error=EIO", 1, "old", "fsync of the temporary file: Input/output error" },
        { "fsync", "error=ENOSPC", 1, "old", "fsync of the temporary file: No space left on device" },
        { "fsync", "error=EIO", 2, "new", "fsync of its folder failed" },
        { "openat", "error=EMFILE", 1, "old", "cannot open its folder: Too many open files" },
        { "openat", "error=EROFS", 2, "old", "cannot create a temporary file beside it: Read-only file system" },
        { "openat", "error=EDQUOT", 2, "old", "Disk quota exceeded" },
        { "close", "error=EIO", 1, "old", "close of the temporary file: Input/output error" },
        { "close", "error=ENOSPC", 1, "old", "close of the temporary file: No space left on device" },
        { "rename", "error=EROFS", 1, "old", "rename of the temporary file: Read-only file system" },
        { "rename", "error=EIO", 1, "old", "rename of the temporary file: Input/output error" },
        { "flock", "error=EAGAIN", 1, "old", "written by another save" },
        { "fchmod", "error=EPERM", 1, "old", "cannot set permissions: Operation not permitted" },
        { "fcntl", "error=EMFILE", 1, "old", "no descriptor left: Too many open files" },
        /* these are no failures */
        { "write", "error=EINTR", 1, "new", "" },
        { "close", "error=EINTR", 1, "new", "" },
        { "close", "error=EIO", 2, "new", "" }, /* of the lock's descriptor, which nothing was written to */
        { "fsync", "error=EINTR", 1, "new", "" },
        { "fsync", "error=EINTR", 2, "new", "" },
        { "fsync", "error=EINVAL", 2, "new", "" },
        { "flock", "error=ENOLCK", 1, "new", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int code = save_with_fault(cases[i].fault, cases[i].call, cases[i].k);
        int64_t n;
        char *err = file_get(folder_path("err"), &n);
        bool ok = code == (cases[i].says[0] ? 1 : 0) && strstr(err, cases[i].says) && (code || n == 0);
        if (!ok)
            fail_msg("%s %s: exit %d, \"%s\"", cases[i].call, cases[i].fault, code, err);
        free(err);
        check_text(folder_path("a"), cases[i].now);
        /* The lock that was refused belongs to somebody else, and so does the file. */
        bool busy = strcmp(cases[i].fault, "error=EAGAIN") == 0;
        assert_int_equal(access(folder_path("a.tmp"), F_OK) == 0, busy);
    }
}

/* Killed at any call from the first on the temporary file: the old or the new file is there, whole, and the next save
 * works. */
static void test_killed_at_each_call(void **state)
{
    (void)state;
    if (!can_trace())
        skip();
    static const char *const calls[] = { "openat", "flock", "fchmod", "write", "fsync", "fcntl", "close", "rename" };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        for (int k = 1;; k++) {
            int code = save_with_fault("signal=KILL", calls[i], k);
            if (code == 0)
                break;
            assert_int_equal(code, 128 + SIGKILL);
            int64_t n;
            char *now = file_get(folder_path("a"), &n);
            if (strcmp(now, "old") != 0 && strcmp(now, "new") != 0)
                fail_msg("killed at %s %d: the file is \"%s\"", calls[i], k, now);
            free(now);
            assert_int_equal(save_for_trace(folder_path("a")), 0);
            check_text(folder_path("a"), "new");
            assert_int_not_equal(access(folder_path("a.tmp"), F_OK), 0);
        }
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--save") == 0)
        return save_for_trace(argv[2]);
    if (!realpath("/proc/self/exe", program))
        return 1;
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_order_of_calls),
        IN_FOLDER(test_failing_calls),
        IN_FOLDER(test_killed_at_each_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
