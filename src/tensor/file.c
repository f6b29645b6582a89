/* Files: whole or not at all when writing, regular and complete when reading.
 *
 * A heed_file goes to PATH.tmp, in the same folder, so that the rename at the end stays in one file system. The order
 * is write, fsync, close, rename, fsync of the folder: after a crash at any point PATH holds either the old bytes or
 * all of the new ones. Rules:
 *   - PATH.tmp is created with O_EXCL and locked (flock). One left behind by a killed process carries no lock and is
 *     removed first; one that is locked belongs to a live writer, and the second writer is refused.
 *   - A symbolic link is followed: the file it points at is replaced, the link stays.
 *   - A folder, pipe or device is never replaced.
 *   - After a failure PATH.tmp is gone and PATH as it was, with one exception: if only the last step, the fsync of the
 *     folder, fails, the new file is in place and complete, and the message says that it may not outlive a power cut.
 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 1 << 16 };

struct heed_file {
    int fd, folder;  /* folder: open from the start, so that the last fsync cannot fail for want of a descriptor */
    bool owns_temp;  /* PATH.tmp is ours to remove */
    bool failed;     /* a write failed: commit will refuse */
    int64_t written; /* bytes the system has taken */
    int64_t used;    /* bytes waiting in buffer */
    char path[PATH_MAX], temp[PATH_MAX];
    char label[FILE_LABEL];
    char buffer[BUFFER];
};

/* ---- creating ---------------------------------------------------------------------------------------------------- */

static bool refuse(const heed_file *file, const char *step)
{
    return heed_fail(HEED_IO, "save \"%s\": %s: %s", file->label, step, strerror(errno));
}

/* Fills path (absolute, links followed), temp, and the mode of the file that is there, 0 if none is. */
static bool resolve(heed_file *file, const char *path, mode_t *mode)
{
    struct stat info;
    *mode = 0;
    if (lstat(path, &info) == 0) {
        if (!realpath(path, file->path) || stat(file->path, &info) != 0)
            return refuse(file, "cannot follow the path");
        if (!S_ISREG(info.st_mode))
            return heed_fail(HEED_IO, "save \"%s\": it exists and is %s, not a regular file", file->label,
                             S_ISDIR(info.st_mode) ? "a folder" : "a pipe or device");
        *mode = info.st_mode & 0777;
    } else {
        char part[PATH_MAX];
        bool fits = snprintf(part, sizeof part, "%s", path) < (int)sizeof part;
        if (!fits || !realpath(dirname(part), file->path))
            return refuse(file, fits ? "cannot find its folder" : "too long a path");
        size_t used = strlen(file->path), room = sizeof file->path - used;
        const char *slash = strrchr(path, '/');
        if (snprintf(file->path + used, room, "%s%s", used > 1 ? "/" : "", slash ? slash + 1 : path) >= (int)room)
            file->path[0] = '\0';
    }
    errno = ENAMETOOLONG;
    return (file->path[0] && snprintf(file->temp, sizeof file->temp, "%s.tmp", file->path) < (int)sizeof file->temp) ||
           refuse(file, "too long a path");
}

/* Opens the folder of file->path. */
static bool open_folder(heed_file *file)
{
    char part[PATH_MAX];
    memcpy(part, file->path, sizeof part);
    file->folder = open(dirname(part), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return file->folder >= 0 || refuse(file, "cannot open its folder");
}

/* Takes the lock of PATH.tmp, open as fd. Who holds it is the only one who may remove or rename that name: so it also
 * has to be the file the name stands for now. File systems without locks give no protection, and no error. */
static bool lock(const heed_file *file, int fd)
{
    struct stat open_one, named;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return false;
    return fstat(fd, &open_one) == 0 && lstat(file->temp, &named) == 0 && open_one.st_dev == named.st_dev &&
           open_one.st_ino == named.st_ino;
}

static bool refuse_busy(const heed_file *file)
{
    return heed_fail(HEED_IO, "save \"%s\": its temporary file (.tmp) is being written by another save", file->label);
}

/* Removes a PATH.tmp that nobody is writing. */
static bool remove_stale(heed_file *file)
{
    int fd = open(file->temp, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool ok = fd < 0 || lock(file, fd) || refuse_busy(file);
    if (ok && unlink(file->temp) != 0 && errno != ENOENT)
        ok = refuse(file, "cannot remove an old temporary file (.tmp)");
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool open_temp(heed_file *file, mode_t mode)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    file->fd = open(file->temp, flags, 0666);
    if (file->fd < 0 && errno == EEXIST) {
        if (!remove_stale(file))
            return false;
        file->fd = open(file->temp, flags, 0666);
    }
    if (file->fd < 0)
        return refuse(file, "cannot create a temporary file beside it");
    if (!lock(file, file->fd)) { /* somebody took it between open and lock */
        close(file->fd);
        file->fd = -1;
        return refuse_busy(file);
    }
    file->owns_temp = true;
    return mode == 0 || fchmod(file->fd, mode) == 0 || refuse(file, "cannot set permissions");
}

heed_file *heed_file_create(const char *path)
{
    if (!path || !*path || path[strlen(path) - 1] == '/') {
        heed_fail(HEED_BAD_ARGUMENT, "save: the path is %s", !path ? "NULL" : *path ? "a folder's" : "empty");
        return NULL;
    }
    heed_file *file = memory_get((int64_t)sizeof *file);
    if (!file)
        return NULL;
    file->fd = file->folder = -1;
    file->owns_temp = file->failed = false;
    file->written = file->used = 0;
    text_clean(file->label, sizeof file->label, path);
    mode_t mode;
    if (resolve(file, path, &mode) && open_folder(file) && open_temp(file, mode))
        return file;
    heed_file_abort(file);
    return NULL;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static bool write_all(heed_file *file, const char *bytes, int64_t n)
{
    while (n > 0) {
        ssize_t wrote = write(file->fd, bytes, (size_t)n);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0) {
            if (wrote == 0)
                errno = EIO;
            file->failed = true;
            return heed_fail(HEED_IO, "save \"%s\": write at byte %lld: %s; the file is as it was before", file->label,
                             (long long)file->written, strerror(errno));
        }
        bytes += wrote;
        n -= wrote;
        file->written += wrote;
    }
    return true;
}

static bool flush(heed_file *file)
{
    int64_t waiting = file->used;
    file->used = 0;
    return write_all(file, file->buffer, waiting);
}

static bool writable(const heed_file *file)
{
    if (!file)
        return heed_fail(HEED_BAD_ARGUMENT, "file_write: file is NULL");
    return !file->failed || heed_fail(HEED_BAD_STATE, "save \"%s\": an earlier write failed", file->label);
}

bool heed_file_write(heed_file *file, const void *bytes, int64_t n)
{
    if (!writable(file))
        return false;
    if (n < 0 || (n > 0 && !bytes))
        return heed_fail(HEED_BAD_ARGUMENT, "file_write: %lld bytes at %s", (long long)n,
                         bytes ? "an address" : "NULL");
    if (n > BUFFER - file->used && !flush(file))
        return false;
    if (n > BUFFER)
        return write_all(file, bytes, n);
    if (n > 0)
        memcpy(file->buffer + file->used, bytes, (size_t)n);
    file->used += n;
    return true;
}

bool heed_file_printf(heed_file *file, const char *format, ...)
{
    if (!writable(file))
        return false;
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(file->buffer + file->used, (size_t)(BUFFER - file->used), format, args);
    va_end(args);
    bool ok = length >= 0;
    if (!ok) {
        heed_fail(HEED_BAD_ARGUMENT, "save \"%s\": a text that cannot be formatted", file->label);
    } else if (length < BUFFER - file->used) {
        file->used += length;
    } else {
        char *text = memory_get((int64_t)length + 1);
        ok = text && vsnprintf(text, (size_t)length + 1, format, again) == length;
        ok = ok && heed_file_write(file, text, length);
        memory_put(text);
    }
    va_end(again);
    file->failed = file->failed || !ok; /* a text left out is as bad as one not written */
    return ok;
}

int64_t file_place(heed_tensor t, int64_t position)
{
    int64_t place = 0;
    for (int axis = t.shape.rank - 1; axis >= 0; axis--) {
        place += position % t.shape.dims[axis] * t.strides[axis];
        position /= t.shape.dims[axis];
    }
    return place;
}

bool file_write_tensor(heed_file *file, heed_tensor t)
{
    int64_t n = heed_tensor_numel(t);
    if (heed_tensor_contiguous(t))
        return heed_file_write(file, t.data, n * (int64_t)sizeof(heed_real));
    for (int64_t i = 0; i < n; i++)
        if (!heed_file_write(file, t.data + file_place(t, i), sizeof(heed_real)))
            return false;
    return true;
}

/* ---- ending ------------------------------------------------------------------------------------------------------ */

static int sync_fully(int fd)
{
    int result;
    do
        result = fsync(fd);
    while (result != 0 && errno == EINTR);
    return result;
}

/* fsync, close, rename: afterwards PATH is the new file. */
static bool replace(heed_file *file)
{
    if (sync_fully(file->fd) != 0)
        return refuse(file, "fsync of the temporary file");
    int holder = fcntl(file->fd, F_DUPFD_CLOEXEC, 0); /* keeps the lock until the rename */
    if (holder < 0)
        return refuse(file, "no descriptor left");
    bool closed = close(file->fd) == 0 || errno == EINTR; /* interrupted: closed nevertheless */
    file->fd = -1;
    bool ok = closed || refuse(file, "close of the temporary file");
    ok = ok && (rename(file->temp, file->path) == 0 || refuse(file, "rename of the temporary file"));
    if (!ok)
        unlink(file->temp); /* while the lock is held */
    file->owns_temp = false;
    close(holder);
    return ok;
}

bool heed_file_commit(heed_file *file)
{
    bool ok = writable(file) && flush(file) && replace(file);
    /* Some file systems have no fsync for folders and say EINVAL. */
    if (ok && sync_fully(file->folder) != 0 && errno != EINVAL)
        ok = heed_fail(HEED_IO,
                       "save \"%s\": the new file is in place, but fsync of its folder failed, so it may not "
                       "outlive a power cut: %s",
                       file->label, strerror(errno));
    heed_file_abort(file);
    return ok;
}

void heed_file_abort(heed_file *file)
{
    if (!file)
        return;
    if (file->owns_temp)
        unlink(file->temp);
    if (file->fd >= 0)
        close(file->fd);
    if (file->folder >= 0)
        close(file->folder);
    memory_put(file);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

bool file_open(file_input *in, const char *what, const char *path)
{
    in->fd = -1;
    text_clean(in->label, sizeof in->label, path);
    if (!path)
        return heed_fail(HEED_BAD_ARGUMENT, "%s: the path is NULL", what);
    in->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a pipe must not make us wait for a writer */
    struct stat info;
    if (in->fd < 0 || fstat(in->fd, &info) != 0) {
        heed_fail(HEED_IO, "%s \"%s\": %s", what, in->label, strerror(errno));
        file_close(in);
        return false;
    }
    if (!S_ISREG(info.st_mode)) {
        heed_fail(HEED_IO, "%s \"%s\": it is %s, not a regular file", what, in->label,
                  S_ISDIR(info.st_mode) ? "a folder" : "a pipe or device");
        file_close(in);
        return false;
    }
    in->size = info.st_size;
    return true;
}

void file_close(file_input *in)
{
    if (in->fd >= 0)
        close(in->fd);
    in->fd = -1;
}

bool file_read_at(const file_input *in, const char *what, void *to, int64_t n, int64_t offset)
{
    char *bytes = to;
    while (n > 0) {
        ssize_t got = pread(in->fd, bytes, (size_t)n, offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return heed_fail(HEED_IO, "%s \"%s\": read at byte %lld: %s", what, in->label, (long long)offset,
                             strerror(errno));
        if (got == 0)
            return heed_fail(HEED_IO, "%s \"%s\": it ends at byte %lld, and had %lld when it was opened", what,
                             in->label, (long long)offset, (long long)in->size);
        bytes += got;
        n -= got;
        offset += got;
    }
    return true;
}
