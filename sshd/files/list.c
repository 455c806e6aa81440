#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/die.h"
#include "base/mem.h"
#include "sshd/files/beneath.h"
#include "sshd/files/failure.h"
#include "sshd/files/handle.h"
#include "sshd/files/requests.h"

/* A name, its line and attributes in a message at their largest; a batch stops while one more still fits. */
enum { ENTRY_MOST = 5 + NAME_MAX + 5 + ATTRS_LINE + NAME_MAX + 5 + ATTRS_MOST, BATCH_MOST = MSG_MOST - 1024 };

int files_opendir(struct worker *w, struct msg *m, struct msg *answer)
{
    FREE_MEM char *path = msg_get_str(m);
    msg_end(m);
    if (handle_room(w) < 0)
        return -1;
    CLOSE_FD int fd = beneath_open(w, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
    if (fd < 0) {
        handle_room_back(w);
        return fail_errno(w, errno);
    }
    msg_put_u32(answer, handle_new(w, fd_steal(&fd), mem_new(sizeof(struct list))));
    return 0;
}

/* The next entry, left in the list until `at` is moved; NULL at the end, or with errno. */
static const struct dirent64 *next(struct handle *h)
{
    struct list *l = h->list;
    errno = 0;
    if (l->at == l->len) {
        long n = syscall(SYS_getdents64, h->fd, l->space, sizeof l->space);
        if (n <= 0)
            return NULL;
        l->at = 0;
        l->len = (size_t)n;
    }
    return (const struct dirent64 *)(const void *)(l->space + l->at);
}

/* What stands above the top is nobody's to see: its ".." is itself. */
static int stat_entry(struct worker *w, int dir, const char *name, struct stat *st)
{
    struct stat self;
    if (strcmp(name, "..") == 0) {
        if (fstat(dir, &self) < 0)
            return -1;
        if (self.st_dev == w->root_dev && self.st_ino == w->root_ino)
            name = ".";
    } else if (strcmp(name, ".") != 0 && beneath_hides(w, dir, name)) {
        errno = ENOENT;
        return -1;
    }
    return fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW);
}

static void put_entry(struct buf *b, const char *name, const struct stat *st, int64_t now)
{
    char line[ATTRS_LINE + NAME_MAX + 1];
    struct attrs a;
    attrs_line(st, now, line);
    size_t at = strlen(line);
    snprintf(line + at, sizeof line - at, "%s", name);
    buf_put_str(b, name);
    buf_put_str(b, line);
    attrs_of_stat(&a, st);
    attrs_put(b, &a);
}

/* Field by field into BATCH, behind their count, which is known last. */
static int fill(struct worker *w, struct handle *h, struct msg *batch, uint32_t *count)
{
    int64_t now = time(NULL);
    const struct dirent64 *d;
    while (batch->body.len + ENTRY_MOST < BATCH_MOST && (d = next(h)) != NULL) {
        struct stat st;
        /* Removed since, or hidden: not an entry.  Anything else unreadable is still listed, so that no listing is cut silently. */
        if (stat_entry(w, h->fd, d->d_name, &st) < 0) {
            if (errno == ENOENT) {
                h->list->at += d->d_reclen;
                continue;
            }
            st = (struct stat){ .st_mode = (mode_t)DTTOIF(d->d_type) };
        }
        uint8_t space[ENTRY_MOST];
        struct buf b = { .p = space, .cap = sizeof space, .max = sizeof space };
        put_entry(&b, d->d_name, &st, now);
        invariant(!b.bad);
        size_t size;
        const uint8_t *p = buf_get_bytes(&b, &size);
        msg_put_bytes(batch, p, size);
        p = buf_get_bytes(&b, &size);
        msg_put_bytes(batch, p, size);
        msg_put_bytes(batch, buf_head(&b), buf_size(&b));
        h->list->at += d->d_reclen;
        ++*count;
    }
    return errno && *count == 0 ? -1 : 0;
}

int files_readdir(struct worker *w, struct msg *m, struct msg *answer)
{
    struct handle *h = handle_get(w->handles, msg_get_u32(m));
    msg_end(m);
    if (h->list == NULL)
        die("peer broke a rule: a file is read as a directory");
    MSG_FREE struct msg batch;
    msg_begin(&batch, 0, 0);
    uint32_t count = 0;
    errno = 0;
    if (fill(w, h, &batch, &count) < 0)
        return fail_errno(w, errno);
    msg_put_u32(answer, count);
    buf_put(&answer->body, batch.body.p, batch.body.len);
    return 0;
}
