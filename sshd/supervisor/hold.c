#include "sshd/supervisor/hold.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"

enum { PATIENCE_S = 3, PASSES_MOST = 16 };

static void on_alarm(int signal UNUSED)
{
}

int hold_write(const char *folder, const char *file, const char *text)
{
    FREE_MEM char *path = mem_fmt("%s/%s", folder, file);
    CLOSE_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    /* A lower memory limit is reclaimed for, and killed for, inside the write, until the group is below it or a signal comes. */
    const struct sigaction wake = { .sa_handler = on_alarm };
    struct sigaction before;
    sigaction(SIGALRM, &wake, &before);
    setitimer(ITIMER_REAL, &(struct itimerval){ .it_value.tv_sec = PATIENCE_S, .it_interval.tv_sec = 1 }, NULL);
    ssize_t n = write(fd, text, strlen(text));
    int no = errno;
    setitimer(ITIMER_REAL, &(struct itimerval){ .it_value.tv_sec = 0 }, NULL);
    sigaction(SIGALRM, &before, NULL);
    errno = no;
    return n < 0 ? -1 : 0;
}

static char *content_of(const struct hold *h, const struct limit *l)
{
    FREE_MEM char *path = mem_fmt("%s/%s", h->folder, l->file);
    return io_read_file(path, 1 << 20, NULL, NULL);
}

static void say(struct buf *wrong, const char *key, const char *file, const char *text, const char *why)
{
    buf_put_fmt(wrong, "%s%s%s%s = %s: %s", buf_size(wrong) ? "; " : "", key ? key : "", key ? ": " : "", file, text, why);
}

static int absent(const struct hold *h, const struct limit *l, const char *text, struct buf *wrong)
{
    if (!limit_needed(l, h->conf, h->place))
        return 0;
    if (h->excused) {
        /* What no server is held to here is said with each start. */
        if (l->need == NEED_ASKED)
            log_warn("limit.missing", "group=%s file=%s value=\"%s\"", h->folder, l->file, text);
        return 0;
    }
    FREE_MEM char *why = mem_fmt("this machine has no such file (controller %s of cgroup v2)", l->controller);
    say(wrong, l->key, l->file, text, why);
    return ENOENT;
}

static int hold_one(struct hold *h, const struct limit *l, struct buf *wrong)
{
    char why[200];
    FREE_MEM char *text = limit_text(l, h->conf, h->place);
    FREE_MEM char *content = content_of(h, l);
    if (!limit_possible(l, h->conf, h->place, why, sizeof why)) {
        say(wrong, l->key, l->file, text, why);
        return EINVAL;
    }
    if (content == NULL)
        return absent(h, l, text, wrong);
    if (limit_in_force(l, text, content, h->place))
        return 0;
    FREE_MEM char *line = limit_line(l, text, h->place);
    if (hold_write(h->folder, l->file, line) < 0) {
        int no = errno;
        say(wrong, l->key, l->file, text, strerror(no));
        return no;
    }
    h->changed++;
    if (h->name)
        log_info("server.limit", "server=%s file=%s value=\"%s\" was=\"%.*s\"", h->name, l->file, text, (int)strcspn(content, "\n"), content);
    return 0;
}

static int hold_all(struct hold *h, struct buf *wrong)
{
    int failed = 0;
    for (size_t i = 0; i < limit_count; i++) {
        int no = hold_one(h, &limit_rows[i], wrong);
        if (failed == 0)
            failed = no;
    }
    return failed;
}

/* What the kernel refuses beside the old value of another, as a quota below the burst, it takes when that one is changed. */
int hold_limits(struct hold *h, struct buf *wrong)
{
    BUF_FREE struct buf first = BUF(65536);
    return hold_all(h, &first) ? hold_all(h, wrong) : 0;
}

static int set_nproc(pid_t pid, rlim_t most, unsigned *changed)
{
    struct rlimit now, next = { most, most };
    if (prlimit(pid, RLIMIT_NPROC, NULL, &now) < 0)
        return errno == ESRCH ? 0 : errno;
    if (now.rlim_cur == most && now.rlim_max == most)
        return 0;
    if (prlimit(pid, RLIMIT_NPROC, &next, NULL) < 0)
        return errno == ESRCH ? 0 : errno;
    ++*changed;
    return 0;
}

/* Where root has no CAP_SYS_RESOURCE, the right over a sandbox's processes is its owner's alone. */
static int set_nproc_as(uid_t owner, pid_t pid, rlim_t most, unsigned *changed)
{
    int no = set_nproc(pid, most, changed);
    if (no != EPERM || seteuid(owner) < 0)
        return no;
    no = set_nproc(pid, most, changed);
    if (seteuid(0) < 0)
        die_errno("seteuid");
    return no;
}

/* A child that was forked before its parent's turn is found in the next pass. */
int hold_nproc(const char *folder, uint32_t most, uid_t owner)
{
    FREE_MEM char *path = mem_fmt("%s/cgroup.procs", folder);
    unsigned changed = 1;
    for (int pass = 0; changed && pass < PASSES_MOST; pass++) {
        FREE_MEM char *text = io_read_file(path, 1 << 22, NULL, NULL);
        changed = 0;
        for (char *at = text, *end; at && *at; at = end + (*end == '\n')) {
            pid_t pid = (pid_t)strtol(at, &end, 10);
            int no = pid > 0 ? set_nproc_as(owner, pid, most, &changed) : 0;
            if (no)
                return no;
            if (end == at)
                break;
        }
    }
    return changed ? EAGAIN : 0;
}
