/* holdfast-archive: one tree into one archive, or one archive into one tree, then it ends.  Both are given as descriptors; it can name nothing
   else. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/msg.h"
#include "sandbox/lock/archive.bpf.h"
#include "sandbox/lock/lock.h"
#include "sandbox/lock/unpack.bpf.h"
#include "store/archive/unpack.h"
#include "store/archive/walk.h"
#include "store/proto.h"

struct job {
    uint32_t id;
    const char *word;
    uint64_t bytes, entries;    /* at most */
    int tree, file;
};

static bool supervisor_left(void)
{
    struct pollfd p = { .fd = LINK_FD, .events = POLLIN };
    return poll(&p, 1, 0) > 0;
}

static void lock(int tree, enum lock_access access, const struct sock_filter *filter, size_t nfilter)
{
    static const struct lock_limit limits[] = {
        { RLIMIT_CORE, 1 },
        /* A descriptor a folder on the way down, and a few. */
        { RLIMIT_NOFILE, WALK_DEPTH + 64 },
#ifndef SANITIZERS
        /* What a compressed file asks for is its own choice. */
        { RLIMIT_AS, 1 << 30 },
#endif
    };
    const struct lock_folder folders[] = { { .fd = tree, .access = access } };
    lock_apply(&(struct lock){ .limits = limits, .nlimits = countof(limits), .folders = folders, .nfolders = countof(folders),
                               .filter = filter, .nfilter = nfilter });
}

struct part { uint64_t n; const char *what; };

/* What was left out, for a person; "" when nothing was. */
static const char *left_out(const struct part *parts, size_t n, char *text, size_t size)
{
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < n && at < size; i++)
        if (parts[i].n)
            at += (size_t)snprintf(text + at, size - at, "%s%llu %s", at ? ", " : "", (unsigned long long)parts[i].n, parts[i].what);
    return text;
}

static int done(const struct job *j, bool ok, const char *text, uint64_t bytes, uint64_t entries)
{
    MSG_FREE struct msg m;
    msg_begin(&m, ARCHIVE_DONE, j->id);
    msg_put_u32(&m, ok);
    msg_put_str(&m, text);
    msg_put_u64(&m, bytes);
    msg_put_u64(&m, entries);
    if (msg_send(LINK_FD, &m) < 0)
        die_errno("archive: the supervisor has gone");
    log_info("archive.done", "job=%s ok=%d entries=%llu bytes=%llu note=\"%s\"", j->word, ok, (unsigned long long)entries,
             (unsigned long long)bytes, esc_text(text));
    return ok ? 0 : 1;
}

/* ---- a backup ---- */

static int archive(const struct job *j)
{
    struct err e = { 0 };
    struct tally t;
    char text[400];
    struct writer *w = writer_new(j->file, supervisor_left);
    lock(j->tree, LOCK_FOLDER_READ, lock_archive_filter, countof(lock_archive_filter));
    bool ok = walk(j->tree, w, &t, &e) == 0 && writer_end(w, &e) == 0;
    const struct part parts[] = {
        { t.unreadable, "not readable" }, { t.deep, "too deep" }, { t.special, "sockets or devices left out" },
        { t.changed, "changed while they were read" },
    };
    return done(j, ok, ok ? left_out(parts, countof(parts), text, sizeof text) : err_text(&e, text, sizeof text), writer_bytes(w),
                writer_entries(w));
}

/* ---- an image ---- */

static bool tell(const struct tree *t)
{
    MSG_FREE struct msg m;
    msg_begin(&m, UNPACK_PROGRESS, 0);
    msg_put_u64(&m, t->bytes);
    msg_put_u64(&m, t->entries);
    return msg_send(LINK_FD, &m) < 0 || supervisor_left();
}

static int take_apart(const struct job *j)
{
    struct err e = { 0 };
    struct leftover l;
    char text[400];
    struct tree t = { .root = j->tree, .bytes_most = j->bytes, .entries_most = j->entries };
    struct unpack *u = unpack_new(j->file, LINK_FD, tell);
    umask(0);
    lock(j->tree, LOCK_FOLDER_WRITE, lock_unpack_filter, countof(lock_unpack_filter));
    bool ok = unpack(u, &t, &l, &e) == 0;
    const struct part parts[] = { { l.special, "devices, pipes or sockets left out" }, { l.secret, "shadow files left out" } };
    return done(j, ok, ok ? left_out(parts, countof(parts), text, sizeof text) : err_text(&e, text, sizeof text), t.bytes, t.entries);
}

static int empty(const struct job *j)
{
    struct err e = { 0 };
    char text[400] = "";
    lock(j->tree, LOCK_FOLDER_WRITE, lock_unpack_filter, countof(lock_unpack_filter));
    bool ok = tree_empty(j->tree, &e) == 0;
    return done(j, ok, ok ? "" : err_text(&e, text, sizeof text), 0, 0);
}

static const struct start {
    uint16_t type;
    const char *word, *whose;
    bool limits, file;
    int (*run)(const struct job *j);
} starts[] = {
    { START_ARCHIVE, "backup", "server", false, true, archive },
    { START_UNPACK, "unpack", "image", true, true, take_apart },
    { START_EMPTY, "empty", "image", false, false, empty },
};

static const struct start *start_of(uint16_t type)
{
    for (size_t i = 0; i < countof(starts); i++)
        if (starts[i].type == type)
            return &starts[i];
    die("message %#x came before the start", type);
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
    const struct start *start = start_of(m.type);
    struct job j = { .id = m.id, .word = start->word, .file = -1 };
    FREE_MEM char *name = msg_get_str(&m);
    log_init("holdfast-archive", (enum log_level)msg_get_u32(&m));
    if (start->limits) {
        j.bytes = msg_get_u64(&m);
        j.entries = msg_get_u64(&m);
    }
    j.tree = io_folder(msg_get_fd(&m));
    if (j.tree < 0)
        die_errno("archive: the tree");
    if (start->file)
        j.file = msg_get_fd(&m);
    msg_end(&m);
    log_context("%s=%s", start->whose, esc(name));
    /* Behind the lock nothing that waits for an exit can do its work any more. */
    _exit(start->run(&j));
}
