#include "quota/copier.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/msg.h"
#include "quota/idmap.h"

enum { TICK_MS = 200, NOT_RUN = 127 };

struct run {
    const struct disk *d;
    pid_t pid;
    int link;
    struct copied *copied;
    bool done, silent;          /* it told its end; it ended without that */
};

/* ---- the child ---- */

/* What root has over files, and no more: exec gives what the bounding set has. */
static bool dropped(void)
{
    static const int keep[] = { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_SETFCAP };
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
        bool kept = false;
        for (size_t i = 0; i < countof(keep); i++)
            kept |= keep[i] == cap;
        if (!kept && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
            return false;
    }
    return true;
}

static NORETURN void become(const char *path, int link, int ready)
{
    char byte;
    /* Its own death signal: launch may be killed, and nobody else would end it. */
    if (read(ready, &byte, 1) != 1 || setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 || !dropped() ||
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
        _exit(1);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(link, LINK_FD) < 0 || io_cloexec(LINK_FD, false) < 0 ||
        close_range(LINK_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        _exit(1);
    static char program[] = "holdfast-copy", lang[] = "LC_ALL=C.UTF-8", bin[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    char *argv[] = { program, NULL }, *envp[] = { lang, bin, NULL };
    execve(path, argv, envp);
    _exit(NOT_RUN);
}

/* ---- the parent ---- */

static int write_map(pid_t pid, const char *file, uid_t first, struct err *e)
{
    char path[64], map[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    snprintf(map, sizeof map, "0 %u %d\n", (unsigned)first, IDMAP_IDS);
    CLOSE_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 || io_write_all(fd, map, strlen(map)) < 0 ? err_set(e, errno, "copy", "%s", file) : 0;
}

static int let_go(const struct run *r, int ready, struct err *e)
{
    uid_t first = r->d->owner - DISK_UID;
    if (write_map(r->pid, "uid_map", first, e) < 0 || write_map(r->pid, "gid_map", first, e) < 0)
        return -1;
    return io_write_all(ready, "", 1) < 0 ? err_set(e, errno, "copy", "its start") : 0;
}

/* How it ended, as waitpid has it: of one that is ending by itself that is fixed before its link is closed, and not ours. */
static int end(const struct run *r)
{
    int status = 0;
    kill(r->pid, SIGKILL);
    while (waitpid(r->pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static int ended(int status, struct err *e)
{
    static const char words[] = "holdfast-copy ended without a word";
    if (WIFSIGNALED(status))
        return err_set(e, 0, "copy", "%s: killed by signal %d (%s)", words, WTERMSIG(status), strsignal(WTERMSIG(status)));
    int code = WEXITSTATUS(status);
    return err_set(e, 0, "copy", "%s: exit code %d%s", words, code, code == NOT_RUN ? ", the program could not be run" : "");
}

static int start(struct run *r, struct err *e)
{
    int ends[2], pair[2];
    FREE_MEM char *path = mem_fmt("%s/holdfast-copy", r->d->libexec ? r->d->libexec : "");
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(e, errno, "copy", "pipe");
    CLOSE_FD int wait = ends[0], ready = ends[1];
    if (io_pair(pair) < 0)
        return err_set(e, errno, "copy", "link");
    CLOSE_FD int theirs = pair[1];
    r->link = pair[0];
    /* It looks no process but itself in the eye, and reaches no network. */
    struct clone_args a = { .flags = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC, .exit_signal = SIGCHLD };
    r->pid = (pid_t)syscall(SYS_clone3, &a, sizeof a);
    if (r->pid < 0)
        return err_set(e, errno, "copy", "user namespace");
    if (r->pid == 0)
        become(path, theirs, wait);
    if (let_go(r, ready, e) == 0)
        return 0;
    end(r);
    return -1;
}

/* It closes its link by ending, of which more is told afterwards. */
static int unheard(struct run *r, const char *what, struct err *e)
{
    r->silent = errno == EPIPE || errno == ECONNRESET;
    return err_set(e, errno, "copy", "%s", what);
}

static int send_job(struct run *r, enum copy_mode mode, int from, int to, struct err *e)
{
    struct msg m MSG_FREE;
    msg_begin(&m, COPIER_START, 0);
    msg_put_str(&m, r->d->name);
    msg_put_u32(&m, (uint32_t)mode);
    msg_put_fd(&m, from);
    if (to >= 0)
        msg_put_fd(&m, to);
    return msg_send(r->link, &m) < 0 ? unheard(r, "its job", e) : 0;
}

static void take_progress(struct run *r, struct msg *m)
{
    uint64_t bytes = msg_get_u64(m), inodes = msg_get_u64(m);
    if (msg_end(m))
        *r->copied = (struct copied){ bytes, inodes, 0 };
}

static int take_done(struct run *r, struct msg *m, struct err *e)
{
    bool ok = msg_get_u32(m) != 0;
    int no = (int)msg_get_u32(m);
    FREE_MEM char *step = msg_get_str(m);
    FREE_MEM char *text = msg_get_str(m);
    struct copied c = { 0 };
    c.bytes = msg_get_u64(m);
    c.inodes = msg_get_u64(m);
    c.left_out = msg_get_u64(m);
    if (!msg_end(m))
        return err_set(e, EPROTO, "copy", "it broke a rule");
    *r->copied = c;
    r->done = true;
    return ok ? 0 : err_set(e, no, step, "%s", text);
}

/* One message; it faced hostile files, so a bad one is no more than a failed job. */
static int take(struct run *r, struct err *e)
{
    struct msg m MSG_FREE = { 0 };
    int n = msg_recv_client(r->link, &m);
    if (n < 0)
        return unheard(r, "its link", e);
    if (n == 0) {
        r->silent = true;
        return -1;
    }
    if (m.type == COPIER_DONE)
        return take_done(r, &m, e);
    take_progress(r, &m);
    return 0;
}

static int hear(struct run *r, copier_fn *fn, void *data, struct err *e)
{
    int result = 0;
    while (!r->done && result == 0) {
        struct pollfd p = { .fd = r->link, .events = POLLIN };
        int n = poll(&p, 1, TICK_MS);
        if (n > 0)
            result = take(r, e);
        if (!r->done && result == 0 && !fn(data, r->copied))
            return err_set(e, ECANCELED, "copy", "given up");
    }
    return result;
}

int copier_run(const struct disk *d, enum copy_mode mode, int from, int to, struct copied *c, copier_fn *fn, void *data, struct err *e)
{
    struct run r = { .d = d, .link = -1, .copied = c };
    *c = (struct copied){ 0 };
    int result = start(&r, e);
    if (result == 0) {
        result = send_job(&r, mode, from, to, e);
        if (result == 0)
            result = hear(&r, fn, data, e);
        int status = end(&r);
        if (r.silent)
            result = ended(status, e);
    }
    if (r.link >= 0)
        close(r.link);
    return result;
}
