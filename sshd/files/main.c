#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rights.h"
#include "quota/kind.h"
#include "sandbox/lock/files.bpf.h"
#include "sandbox/lock/lock.h"
#include "sshd/files/deny.h"
#include "sshd/files/handle.h"
#include "sshd/files/requests.h"
#include "sshd/files/usage.h"
#include "sshd/proto.h"

static void open_root(struct worker *w, int fd)
{
    struct stat st;
    struct statfs f;
    if (fstat(fd, &st) < 0 || fstatfs(fd, &f) < 0)
        die_errno("start: the server's directory");
    if (!S_ISDIR(st.st_mode))
        die("start: the server's directory is none");
    w->root = fd;
    w->root_dev = st.st_dev;
    w->root_ino = st.st_ino;
    w->block = f.f_bsize > 0 && f.f_bsize < 1 << 20 ? (uint32_t)f.f_bsize : 4096;
    w->top = st.st_blocks > 0 ? w->block : 0;
}

/* What tells where a descriptor is must be here before the lock. */
static void open_deny(struct worker *w, struct msg *m)
{
    uint32_t n = msg_get_u32(m);
    for (uint32_t i = 0; i < n; i++) {
        FREE_MEM char *pattern = msg_get_str(m);
        if (w->deny == NULL)
            w->deny = deny_new();
        deny_add(w->deny, pattern);
    }
    w->proc_fds = n ? open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (n && w->proc_fds < 0)
        die_errno("start: /proc/self/fd, needed where files are hidden");
}

static void open_handles(struct worker *w, struct msg *m, uint32_t n)
{
    if (n == 0 || n > 4096)
        die("start: handles %u", n);
    w->handles = handles_new(n);
    w->handles->slot = msg_get_u32(m);
    w->handles->account = msg_get_u32(m);
    w->handles->node = msg_get_u32(m);
    CLOSE_FD int gate = msg_get_fd(m);
    w->handles->gate = gate_map(gate);
    if (w->handles->gate == NULL || w->handles->slot >= GATE_SLOTS)
        die_errno("start: the account's handles, slot %u", w->handles->slot);
}

static void open_usage(struct worker *w, struct msg *m)
{
    w->usage = msg_get_u32(m);
    w->usage_fd = w->usage == DISK_COUNT_FILE ? msg_get_fd(m) : -1;
    if (!usage_kind_ok(w->usage))
        die("start: usage of kind %u", w->usage);
}

static void start(struct worker *w)
{
    MSG_FREE struct msg m;
    if (msg_recv(LINK_FD, &m) != 1)
        die("start: no message");
    if (m.type != START_FILES)
        die("start: message %u", m.type);
    FREE_MEM char *server = msg_get_str(&m);
    w->rights = msg_get_u32(&m);
    if (w->rights & RIGHT_FILES_WRITE)
        w->rights |= RIGHT_FILES_CREATE;
    w->slot = msg_get_u32(&m);
    uint32_t handles = msg_get_u32(&m);
    unsigned long long id = msg_get_u64(&m);
    uint32_t level = msg_get_u32(&m);
    open_root(w, msg_get_fd(&m));
    CLOSE_FD int gate = msg_get_fd(&m);
    open_handles(w, &m, handles);
    open_deny(w, &m);
    FREE_MEM char *account = msg_get_str(&m);
    open_usage(w, &m);
    msg_end(&m);
    if (level > LOG_DEBUG || w->slot >= GATE_SLOTS)
        die("start: log level %u, slot %u", level, w->slot);
    log_init("holdfast-files", (enum log_level)level);
    log_context("session=%llu account=%s server=%s", id, esc(account), esc(server));
    w->gate = gate_map(gate);
    if (w->gate == NULL)
        die_errno("start: gate");
}

static void lock(const struct worker *w)
{
    bool writes = w->rights & RIGHT_FILES_CHANGE;
    const struct lock_limit limits[] = {
        { RLIMIT_NOFILE, w->handles->n + 32 + DU_FDS },
        { RLIMIT_NPROC, 0 },
        { RLIMIT_CORE, 1 },   /* 0 would not keep a piped core_pattern from running */
    };
    const struct lock_folder folder = { w->root, writes ? LOCK_FOLDER_WRITE : LOCK_FOLDER_READ };
    lock_apply(&(struct lock){ .limits = limits, .nlimits = countof(limits), .folders = &folder, .nfolders = 1,
                               LOCK_FILTER(lock_files_filter) });
}

int main(void)
{
    /* No more heap than is asked for: a table of handles at its end is memory the kernel cleared, so those that nobody opens take none. */
    mallopt(M_TOP_PAD, 0);
    log_init("holdfast-files", LOG_INFO);
    struct worker w = { 0 };
    start(&w);
    place_open(&w.place);
    umask(022);
    lock(&w);
    /* What it took to be locked in is wanted by none who only looks. */
    mem_rest();
    log_debug("files.ready", "rights=%u", w.rights);
    for (;;) {
        MSG_FREE struct msg m;
        int n = msg_recv(LINK_FD, &m);
        if (n < 0)
            die_errno("link");
        if (n == 0)
            break;
        request(&w, LINK_FD, &m);
        /* Behind the answer: to come there takes longer than to give it. */
        place_follow(&w.place, m.from);
    }
    /* What handles still had out is the supervisor's to give back, with the slot: it must do so for the killed as well. */
    log_debug("files.end", "%s", "");
    /* At once, as in die: there is nothing to flush, and a checker of leaks could not start its thread under our limits. */
    _exit(0);
}
