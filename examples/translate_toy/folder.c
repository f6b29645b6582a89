/* The folder of a run: folder.h. */
#include "folder.h"
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

char *folder_path(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    if (!path)
        die("out of memory");
    snprintf(path, size, "%s/%s", folder, name);
    return path;
}

/* mkdir -p */
static void make_folder(const char *folder)
{
    char *path = strdup(folder);
    if (!path)
        die("out of memory");
    for (char *slash = path + 1; *slash; slash++)
        if (*slash == '/') {
            *slash = '\0';
            if (mkdir(path, 0777) && errno != EEXIST)
                die("folder \"%s\": cannot make \"%s\": %s", folder, path, strerror(errno));
            *slash = '/';
        }
    struct stat status;
    if (mkdir(path, 0777) && errno != EEXIST)
        die("folder \"%s\": cannot be made: %s", folder, strerror(errno));
    if (stat(path, &status))
        die("folder \"%s\": %s", folder, strerror(errno));
    if (!S_ISDIR(status.st_mode))
        die("folder \"%s\": there is a file of that name; give another --out", folder);
    free(path);
}

void folder_open(const char *folder)
{
    make_folder(folder);
    char *path = folder_path(folder, ".lock");
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666); /* stays open: the lock lasts as long as the program */
    if (lock < 0)
        die("folder \"%s\": cannot write in it: %s", folder, strerror(errno));
    if (flock(lock, LOCK_EX | LOCK_NB))
        die("folder \"%s\": %s", folder,
            errno == EWOULDBLOCK ? "another run is training in it; give another --out" : strerror(errno));
    free(path);
}

bool folder_has(const char *folder, const char *name)
{
    char *path = folder_path(folder, name);
    bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}
