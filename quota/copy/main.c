/* holdfast-copy: one walk over a server's files, as root of a user namespace that has the server's ids alone, then it ends. */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/msg.h"
#include "quota/copy/jobs.h"
#include "sandbox/lock/copy.bpf.h"
#include "sandbox/lock/lock.h"
#include "sandbox/proto.h"

enum { TELL_MS = 250, TELL_EACH = 64 };

struct mode {
    const char *word;
    enum lock_access to;        /* 0: there is one tree alone */
    int (*run)(int from, int to, struct copy *c, struct err *e);
};

static int count(int from, int to UNUSED, struct copy *c, struct err *e)
{
    return copy_count(from, c, e);
}

static const struct mode modes[] = {
    [COPY_COUNT] = { "count", 0, count },
    [COPY_MAKE] = { "make", LOCK_FOLDER_WRITE, copy_make },
    [COPY_COMPARE] = { "compare", LOCK_FOLDER_READ, copy_compare },
};

void copy_tell(const struct copy *c)
{
    static uint64_t next;
    static unsigned calls;
    if (++calls % TELL_EACH || now_ms() < next)
        return;
    MSG_FREE struct msg m;
    next = now_ms() + TELL_MS;
    msg_begin(&m, COPIER_PROGRESS, 0);
    msg_put_u64(&m, c->bytes);
    msg_put_u64(&m, c->inodes);
    if (msg_send(LINK_FD, &m) < 0)
        die_errno("launch has gone");
}

static void lock(int from, int to, enum lock_access access)
{
    static const struct lock_limit limits[] = {
        { RLIMIT_CORE, 1 },
        { RLIMIT_NOFILE, 2 * WALK_OPEN + 32 },
#ifndef SANITIZERS
        /* A floor of the way down, and an inode with several names, each takes some: their number is limited, this is for what is not. */
        { RLIMIT_AS, UINT64_C(4) << 30 },
#endif
    };
    const struct lock_folder folders[] = { { from, LOCK_FOLDER_READ }, { to, access } };
    lock_apply(&(struct lock){ .limits = limits, .nlimits = countof(limits), .folders = folders, .nfolders = access ? 2 : 1,
                               LOCK_FILTER(lock_copy_filter) });
}

static int done(const struct mode *mode, bool ok, const struct copy *c, const struct err *e)
{
    MSG_FREE struct msg m;
    msg_begin(&m, COPIER_DONE, 0);
    msg_put_u32(&m, ok);
    msg_put_u32(&m, (uint32_t)e->no);
    msg_put_str(&m, e->step);
    msg_put_str(&m, e->text);
    msg_put_u64(&m, c->bytes);
    msg_put_u64(&m, c->inodes);
    msg_put_u64(&m, c->left_out);
    if (msg_send(LINK_FD, &m) < 0)
        die_errno("launch has gone");
    log_info("copy.done", "job=%s ok=%d inodes=%llu bytes=%llu left_out=%llu", mode->word, ok, (unsigned long long)c->inodes,
             (unsigned long long)c->bytes, (unsigned long long)c->left_out);
    return ok ? 0 : 1;
}

int main(int argc, char **argv UNUSED)
{
    MSG_FREE struct msg m;
    struct copy c = { 0 };
    struct err e = { 0 };
    log_init("holdfast-copy", LOG_INFO);
    signal(SIGPIPE, SIG_IGN);
    if (io_close_from(LINK_FD + 1) < 0)
        die_errno("close_range");
    if (argc != 1 || msg_recv(LINK_FD, &m) <= 0 || m.type != COPIER_START)
        die("is started by holdfast-launch, with its link on descriptor %d", LINK_FD);
    FREE_MEM char *name = msg_get_str(&m);
    uint32_t which = msg_get_u32(&m);
    if (which >= countof(modes))
        die("launch broke a rule: mode %u", which);
    const struct mode *mode = &modes[which];
    CLOSE_FD int from = msg_get_fd(&m);
    CLOSE_FD int to = mode->to ? msg_get_fd(&m) : -1;
    msg_end(&m);
    log_context("server=%s", esc(name));
    umask(0);
    lock(from, to, mode->to);
    bool ok = mode->run(from, to, &c, &e) == 0;
    /* Behind the lock nothing that waits for an exit can do its work any more. */
    _exit(done(mode, ok, &c, &e));
}
