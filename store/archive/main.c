/* holdfast-archive: one tree into one archive, then it ends.  Both are given as descriptors; it can name nothing else. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/msg.h"
#include "sandbox/lock/archive.bpf.h"
#include "sandbox/lock/lock.h"
#include "store/archive/walk.h"
#include "store/proto.h"

static bool supervisor_left(void)
{
    struct pollfd p = { .fd = LINK_FD, .events = POLLIN };
    return poll(&p, 1, 0) > 0;
}

static void lock(int tree)
{
    /* A descriptor a folder on the way down, and a few. */
    static const struct lock_limit limits[] = { { RLIMIT_CORE, 1 }, { RLIMIT_NOFILE, WALK_DEPTH + 64 } };
    const struct lock_folder folders[] = { { .fd = tree, .access = LOCK_FOLDER_READ } };
    lock_apply(&(struct lock){ .limits = limits, .nlimits = countof(limits), .folders = folders, .nfolders = countof(folders),
                               LOCK_FILTER(lock_archive_filter) });
}

/* What was left out, for a person; "" when nothing was. */
static const char *left_out(const struct tally *t, char *text, size_t size)
{
    const struct { uint64_t n; const char *what; } parts[] = {
        { t->unreadable, "not readable" }, { t->deep, "too deep" }, { t->special, "sockets or devices left out" },
        { t->changed, "changed while they were read" },
    };
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < countof(parts) && at < size; i++)
        if (parts[i].n)
            at += (size_t)snprintf(text + at, size - at, "%s%llu %s", at ? ", " : "", (unsigned long long)parts[i].n, parts[i].what);
    return text;
}

static void done(uint32_t id, bool ok, const char *text, const struct writer *w)
{
    MSG_FREE struct msg m;
    msg_begin(&m, ARCHIVE_DONE, id);
    msg_put_u32(&m, ok);
    msg_put_str(&m, text);
    msg_put_u64(&m, writer_bytes(w));
    msg_put_u64(&m, writer_entries(w));
    if (msg_send(LINK_FD, &m) < 0)
        die_errno("archive: the supervisor has gone");
}

static int run(uint32_t id, int tree, int file)
{
    struct err e = { 0 };
    struct tally t;
    char text[400];
    struct writer *w = writer_new(file, supervisor_left);
    lock(tree);
    bool ok = walk(tree, w, &t, &e) == 0 && writer_end(w, &e) == 0;
    done(id, ok, ok ? left_out(&t, text, sizeof text) : err_text(&e, text, sizeof text), w);
    log_info("archive.done", "ok=%d entries=%llu bytes=%llu vanished=%llu note=\"%s\"", ok, (unsigned long long)writer_entries(w),
             (unsigned long long)writer_bytes(w), (unsigned long long)t.vanished, text);
    return ok ? 0 : 1;
}

int main(int argc, char **argv UNUSED)
{
    MSG_FREE struct msg m;
    log_init("holdfast-archive", LOG_INFO);
    signal(SIGPIPE, SIG_IGN);
    if (io_close_from(LINK_FD + 1) < 0)
        die_errno("close_range");
    if (argc != 1 || msg_recv(LINK_FD, &m) <= 0)
        die("is started by holdfastd, with its link on descriptor %d", LINK_FD);
    if (m.type != START_ARCHIVE)
        die("message %#x came before the start", m.type);
    FREE_MEM char *server = msg_get_str(&m);
    log_init("holdfast-archive", (enum log_level)msg_get_u32(&m));
    int tree = msg_get_fd(&m), file = msg_get_fd(&m);
    msg_end(&m);
    log_context("server=%s", esc(server));
    /* Behind the lock nothing that waits for an exit can do its work any more. */
    _exit(run(m.id, tree, file));
}
