/* holdfast-count: what one server's files take, for disks that the kernel does not count.  It is given one directory and can name nothing outside
   of it; once it answers and ends, or it stays, watches, and tells when the sums have changed. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/msg.h"
#include "quota/count/keep.h"
#include "quota/proto.h"
#include "quota/scan.h"
#include "sandbox/lock/count.bpf.h"
#include "sandbox/lock/lock.h"

/* A look may cost this part of the time: the next one comes so many times later than it took. */
enum { SHARE = 10, FDS = SCAN_THREADS_MOST * (WALK_FDS + 4) + 64 };

struct job {
    uint32_t keep, threads, watches, reconcile_ms, look_ms;
    int root;
};

struct turn {
    struct keep *keep;
    uint32_t look;              /* the last one we were told */
    bool may, now;              /* tell; even if nothing has changed */
    uint64_t next, reconcile;   /* times; not before and at */
    unsigned rounds;
};

static void start(struct job *j)
{
    MSG_FREE struct msg m;
    if (msg_recv(LINK_FD, &m) != 1 || m.type != START_COUNT)
        die("is started by holdfastd, with its link on descriptor %d", LINK_FD);
    FREE_MEM char *server = msg_get_str(&m);
    uint32_t level = msg_get_u32(&m);
    j->keep = msg_get_u32(&m);
    j->threads = msg_get_u32(&m);
    j->watches = msg_get_u32(&m);
    j->reconcile_ms = msg_get_u32(&m);
    j->look_ms = msg_get_u32(&m);
    j->root = io_folder(msg_get_fd(&m));
    if (j->root < 0)
        die_errno("count: the root folder");
    msg_end(&m);
    if (level > LOG_DEBUG || j->threads > SCAN_THREADS_MOST || j->watches > 1 << 20 || j->reconcile_ms == 0 || j->look_ms == 0)
        die("start: log level %u, threads %u, watches %u, times %u %u", level, j->threads, j->watches, j->reconcile_ms, j->look_ms);
    log_init("holdfast-count", (enum log_level)level);
    log_context("server=%s", esc(server));
}

static void lock(int root)
{
    static const struct lock_limit limits[] = {
        { RLIMIT_CORE, 1 },
        { RLIMIT_NOFILE, FDS },
#ifndef SANITIZERS
        { RLIMIT_AS, 1 << 30 },
#endif
    };
    const struct lock_folder folder = { root, LOCK_FOLDER_READ };
    lock_apply(&(struct lock){ .limits = limits, .nlimits = countof(limits), .folders = &folder, .nfolders = 1,
                               LOCK_FILTER(lock_count_filter) });
}

static void report(uint32_t look, int no, const struct keep_sums *s)
{
    MSG_FREE struct msg m;
    msg_begin(&m, COUNT_REPORT, look);
    msg_put_u32(&m, (uint32_t)no);
    msg_put_u64(&m, s->bytes);
    msg_put_u64(&m, s->inodes);
    msg_put_u64(&m, s->unseen);
    msg_put_u64(&m, s->twice);
    if (msg_send(LINK_FD, &m) < 0)
        die_errno("count: the supervisor has gone");
}

static int once(const struct job *j)
{
    struct scan_result r;
    int no = scan(j->root, &(struct scan){ .threads = j->threads }, &r) < 0 ? errno : 0;
    const struct walk_tally *t = &r.tally;
    const struct keep_sums s = { t->bytes, t->inodes, t->unreadable + t->lost + t->deep, r.links_over };
    report(0, no, &s);
    log_debug("count.done", "bytes=%llu inodes=%llu", (unsigned long long)s.bytes, (unsigned long long)s.inodes);
    return no ? 1 : 0;
}

static void take_look(struct turn *t)
{
    MSG_FREE struct msg m;
    int n = msg_recv(LINK_FD, &m);
    if (n == 0)
        _exit(0);
    if (n < 0 || m.type != COUNT_LOOK)
        die("link: message %#x", n < 0 ? 0 : m.type);
    t->look = m.id;
    t->now = msg_get_u32(&m) != 0 || t->now;
    t->may = true;
    msg_end(&m);
}

static bool wanted(const struct turn *t)
{
    return t->may && (t->now || keep_dirty(t->keep));
}

static void look(struct turn *t, const struct job *j)
{
    struct keep_sums s;
    uint64_t begin = now_ms();
    t->may = t->now = false;
    int no = keep_look(t->keep, &s);
    uint64_t end = now_ms(), rest = (end - begin) * SHARE;
    t->next = begin + (rest > j->look_ms ? rest : j->look_ms);
    report(t->look, no, &s);
    log_debug("count.look", "ms=%llu bytes=%llu inodes=%llu", (unsigned long long)(end - begin), (unsigned long long)s.bytes,
              (unsigned long long)s.inodes);
}

static int wait_ms(const struct turn *t)
{
    uint64_t now = now_ms(), at = t->reconcile;
    if (wanted(t) && t->next < at)
        at = t->next;
    return at <= now ? 0 : at - now > INT32_MAX ? INT32_MAX : (int)(at - now);
}

static int stay(const struct job *j)
{
    struct turn t = { .keep = keep_new(j->root, j->watches), .may = true, .reconcile = now_ms() + j->reconcile_ms };
    for (;;) {
        struct pollfd p[] = { { .fd = LINK_FD, .events = POLLIN }, { .fd = keep_fd(t.keep), .events = POLLIN } };
        if (poll(p, countof(p), wait_ms(&t)) < 0 && errno != EINTR)
            die_errno("poll");
        if (p[0].revents)
            take_look(&t);
        if (p[1].revents)
            keep_drain(t.keep);
        uint64_t now = now_ms();
        if (now >= t.reconcile) {
            t.reconcile = now + j->reconcile_ms;
            keep_doubt(t.keep, ++t.rounds % COUNT_FULL_EVERY == 0);
        }
        if (wanted(&t) && now >= t.next)
            look(&t, j);
    }
}

int main(int argc, char **argv UNUSED)
{
    struct job j;
    log_init("holdfast-count", LOG_INFO);
    signal(SIGPIPE, SIG_IGN);
    if (argc != 1 || io_close_from(LINK_FD + 1) < 0)
        die("is started by holdfastd, with its link on descriptor %d", LINK_FD);
    start(&j);
    lock(j.root);
    /* Behind the lock nothing that waits for an exit can do its work any more. */
    _exit(j.keep ? stay(&j) : once(&j));
}
