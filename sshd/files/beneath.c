#include "sshd/files/beneath.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/mem.h"
#include "sshd/files/deny.h"

enum { TURNS_MOST = 40 };   /* as many links as the kernel follows */

static int open_under(int dir, const char *path, int flags, mode_t mode)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
        .mode = flags & O_CREAT ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
    };
    /* EAGAIN: something was renamed while ".." was resolved, and the kernel would not swear to the result. */
    for (int turn = 0;; turn++) {
        long fd = syscall(SYS_openat2, dir, path[0] ? path : ".", &how, sizeof how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR) || turn == 64)
            return (int)fd;
    }
}

/* ---- what the admin hides ---- */

static int refuse(struct worker *w, const char *pattern, int no)
{
    if (pattern == NULL)
        return 0;
    w->pattern = pattern;
    errno = no;
    return -1;
}

static int refuse_words(struct worker *w, const char *path)
{
    return w->deny ? refuse(w, deny_hides(w->deny, path), EHIDDEN) : 0;
}

static int path_of(const struct worker *w, int fd, char path[PATH_MAX])
{
    char number[16];
    snprintf(number, sizeof number, "%d", fd);
    ssize_t n = readlinkat(w->proc_fds, number, path, PATH_MAX);
    if (n < 0)
        return -1;
    if (n == PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    path[n] = '\0';
    return 0;
}

/* Where FD is, as the kernel tells it now, below where the top is now. */
static int place_of(const struct worker *w, int fd, char place[PATH_MAX])
{
    char top[PATH_MAX], path[PATH_MAX];
    if (path_of(w, w->root, top) < 0 || path_of(w, fd, path) < 0)
        return -1;
    size_t len = strcmp(top, "/") == 0 ? 0 : strlen(top);
    if (strncmp(path, top, len) != 0 || (path[len] != '/' && path[len] != '\0')) {
        errno = EXDEV;
        return -1;
    }
    memcpy(place, path + len, strlen(path + len) + 1);
    return 0;
}

/* The name that was removed since is told with this behind it. */
static void cut_deleted(char *place)
{
    static const char behind[] = " (deleted)";
    size_t len = strlen(place), more = sizeof behind - 1;
    if (len > more && strcmp(place + len - more, behind) == 0)
        place[len - more] = '\0';
}

/* The one place that lets FD, or LAST in the directory FD, go on to a handler.  WHERE gets its path, for questions behind this one. */
static int authorise_at(struct worker *w, int fd, const char *last, char where[PATH_MAX + NAME_MAX + 2])
{
    char place[PATH_MAX];
    where[0] = '\0';
    if (w->deny == NULL)
        return 0;
    if (place_of(w, fd, place) < 0)
        return -1;
    if (last && strlen(last) > NAME_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    snprintf(where, PATH_MAX + NAME_MAX + 2, "%s/%s", place, last ? last : "");
    if (refuse(w, deny_hides(w->deny, where), EHIDDEN) < 0)
        return -1;
    cut_deleted(place);
    return refuse(w, deny_hides(w->deny, place), EHIDDEN);
}

static int authorise(struct worker *w, int fd, const char *last)
{
    char where[PATH_MAX + NAME_MAX + 2];
    return authorise_at(w, fd, last, where);
}

/* A directory on the way to what is hidden, moved, would take it out of the pattern's reach; a link in its place would lead the server to write
   elsewhere what the pattern is to hide.  Files, and directories that are new, do neither. */
static int stays(struct worker *w, unsigned which, int dir, const char *last, const char *where)
{
    struct stat st = { 0 };
    if (w->deny == NULL)
        return 0;
    bool there = fstatat(dir, last, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (which == 0)
        w->source = there ? st.st_mode : 0;
    bool moves = (w->use[which] == PATH_TAKEN && (!there || S_ISDIR(st.st_mode))) || (w->use[which] == PATH_PUT && !S_ISREG(w->source));
    return moves ? refuse(w, deny_holds(w->deny, where), EHELD) : 0;
}

bool beneath_hides(struct worker *w, int dir, const char *name)
{
    return authorise(w, dir, name) < 0;
}

/* ---- the ways in ---- */

/* Cuts PATH before its last name, which *LAST points at.  The rest, "" for the top. */
static const char *cut(char *path, const char **last)
{
    size_t len = strlen(path);
    while (len > 0 && path[len - 1] == '/')
        path[--len] = '\0';
    char *slash = strrchr(path, '/');
    *last = slash ? slash + 1 : path;
    if (slash)
        *slash = '\0';
    return slash ? path : "";
}

static bool is_name(const char *last)
{
    return last[0] && strcmp(last, ".") != 0 && strcmp(last, "..") != 0;
}

/* What a link TEXT, found in the directory PARENT, stands for. */
static char *beside(const char *parent, const char *text)
{
    return text[0] == '/' || parent[0] == '\0' ? mem_str(text) : mem_fmt("%s/%s", parent, text);
}

static char *link_at(int dir, const char *parent, const char *last)
{
    char text[PATH_MAX];
    ssize_t n = readlinkat(dir, last, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    return n > 0 ? beside(parent, text) : NULL;
}

/* PATH failed with NO.  That is told only where nothing is hidden: else it would say what is there and what is not.  As far as the path leads,
   over links that lead nowhere as well, it is held against the patterns. */
static int open_failed(struct worker *w, const char *path, int no)
{
    FREE_MEM char *at = w->deny ? mem_str(path) : NULL;
    const char *parent = at, *last = "";
    for (int turn = 0; w->deny && turn < PATH_MAX; turn++) {
        CLOSE_FD int fd = open_under(w->root, parent, O_PATH, 0);
        if (fd < 0) {
            parent = cut(at, &last);
            continue;
        }
        if (authorise(w, fd, is_name(last) ? last : NULL) < 0)
            return -1;
        char *next = is_name(last) ? link_at(fd, parent, last) : NULL;
        if (next == NULL)
            break;
        free(at);
        parent = at = next;
        last = "";
        if (refuse_words(w, at) < 0)
            return -1;
    }
    errno = no;
    return -1;
}

int beneath_open(struct worker *w, const char *path, int flags)
{
    if (refuse_words(w, path) < 0)
        return -1;
    CLOSE_FD int fd = open_under(w->root, path, flags, 0);
    if (fd < 0)
        return open_failed(w, path, errno);
    return authorise(w, fd, NULL) < 0 ? -1 : fd_steal(&fd);
}

int beneath_parent(struct worker *w, unsigned which, char *path, const char **last)
{
    char where[PATH_MAX + NAME_MAX + 2];
    if (refuse_words(w, path) < 0)
        return -1;
    const char *parent = cut(path, last);
    if (!is_name(*last)) {
        errno = EBUSY;
        return -1;
    }
    CLOSE_FD int dir = open_under(w->root, parent, O_PATH | O_DIRECTORY, 0);
    if (dir < 0)
        return open_failed(w, parent, errno);
    if (authorise_at(w, dir, *last, where) < 0 || stays(w, which, dir, *last, where) < 0)
        return -1;
    return fd_steal(&dir);
}

/* Makes the file PATH names and nothing else: a link is not followed, so no name but the one that was looked at comes to be.  EEXIST, with
   *NEXT where to look: what the link there stands for, or PATH again. */
static int make_here(struct worker *w, const char *path, int flags, mode_t mode, char **next)
{
    const char *last;
    size_t len = strlen(path);
    if (len > 0 && path[len - 1] == '/') {
        errno = EISDIR;
        return -1;
    }
    FREE_MEM char *copy = mem_str(path);
    CLOSE_FD int dir = beneath_parent(w, 0, copy, &last);
    if (dir < 0)
        return -1;
    CLOSE_FD int fd = open_under(dir, last, flags | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
    if (fd >= 0)
        return authorise(w, fd, NULL) < 0 ? -1 : fd_steal(&fd);
    if (errno != EEXIST)
        return -1;
    *next = link_at(dir, last == copy ? "" : copy, last);
    if (*next == NULL)
        *next = mem_str(path);
    errno = EEXIST;
    return -1;
}

int beneath_make(struct worker *w, const char *path, int flags, mode_t mode, bool fresh)
{
    /* With nothing hidden the kernel may follow what it likes, in one call. */
    if (w->deny == NULL)
        return open_under(w->root, path, flags | O_CREAT | (fresh ? O_EXCL : 0), mode);
    FREE_MEM char *at = mem_str(path);
    for (int turn = 0; turn < TURNS_MOST; turn++) {
        int fd = fresh ? -1 : beneath_open(w, at, flags);
        if (!fresh && (fd >= 0 || errno != ENOENT))
            return fd;
        FREE_MEM char *next = NULL;
        fd = make_here(w, at, flags, mode, &next);
        if (fresh || fd >= 0 || errno != EEXIST)
            return fd;
        free(at);
        at = next;
        next = NULL;
    }
    errno = EAGAIN;
    return -1;
}

int beneath_look(struct worker *w, const char *path, int follow, struct stat *st)
{
    CLOSE_FD int fd = beneath_open(w, path, O_PATH | (follow ? 0 : O_NOFOLLOW));
    if (fd < 0 || fstat(fd, st) < 0)
        return -1;
    return fd_steal(&fd);
}

int beneath_same(struct worker *w, const char *path, int flags, const struct stat *seen)
{
    struct stat st;
    CLOSE_FD int fd = beneath_open(w, path, flags | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -1;
    if (st.st_dev != seen->st_dev || st.st_ino != seen->st_ino) {
        errno = EAGAIN;
        return -1;
    }
    return fd_steal(&fd);
}
