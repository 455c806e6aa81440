#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sshd/tool/tool.h"

static int complain(const char *file, const char *why)
{
    fprintf(stderr, "holdfast: %s: %s\n", file, why);
    return TOOL_FAILED;
}

static int sync_folder_of(const char *file)
{
    FREE_MEM char *folder = mem_str(file);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    CLOSE_FD int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fsync(fd) : -1;
}

/* In place as a whole; without FORCE only where nothing is, which link() tells without a gap. */
static int place(const char *part, const char *file, bool force)
{
    int r = force ? rename(part, file) : link(part, file);
    if (r < 0)
        return errno == EEXIST ? complain(file, "is there already; --force replaces it") : complain(file, strerror(errno));
    return sync_folder_of(file) < 0 ? complain(file, strerror(errno)) : TOOL_DONE_WELL;
}

static int ask_copy(const struct command *c, int fd)
{
    struct command with = *c;
    struct buf none = BUF(16);
    with.argc = 1;
    with.fd = fd;
    return request(&with, &none);
}

static int backup(const struct command *c)
{
    const char *file = c->argv[1];
    struct stat st;
    FREE_MEM char *part = mem_fmt("%s.part", file);
    if (!c->force && lstat(file, &st) == 0)
        return complain(file, "is there already; --force replaces it");
    /* Left by one that was killed. */
    unlink(part);
    CLOSE_FD int fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || fchmod(fd, 0600) < 0)
        return complain(part, strerror(errno));
    int code = ask_copy(c, fd);
    if (code == TOOL_DONE_WELL)
        code = place(part, file, c->force);
    unlink(part);
    return code;
}

static int plain(const struct command *c)
{
    struct buf none = BUF(16);
    return request(c, &none);
}

int store(const struct command *c)
{
    if (strcmp(c->argv[0], "check") == 0 && c->argc == 1 && !c->force)
        return plain(c);
    if (strcmp(c->argv[0], "backup") == 0 && c->argc == 2)
        return backup(c);
    fprintf(stderr, "usage: holdfast store check, holdfast store backup FILE [--force]\n");
    return TOOL_USAGE;
}

int key(const struct command *c)
{
    static char force[] = "force";
    char *words[] = { c->argv[0], force };
    struct command with = *c;
    if (strcmp(c->argv[0], "rotate") != 0) {
        fprintf(stderr, "usage: holdfast key rotate [--force]\n");
        return TOOL_USAGE;
    }
    if (c->force) {
        with.argv = words;
        with.argc = 2;
    }
    return plain(&with);
}
