/* holdfast-policy: a profile and an admin's changes in, a filter or its description out.  No root process makes programs. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/msg.h"
#include "sandbox/lock/change.h"
#include "sandbox/lock/lock.h"
#include "sandbox/lock/policy.bpf.h"
#include "sandbox/policy/print.h"
#include "sandbox/proto.h"

enum { TEXT_MOST = 1 << 20 };

struct job {
    uint32_t profile, want, nwords;
    char *words[CHANGES_MOST];
};

static void take(struct msg *m, struct job *j)
{
    if (m->type != POLICY_MAKE)
        die("message %#x came where POLICY_MAKE must be the first", m->type);
    j->profile = msg_get_u32(m);
    j->want = msg_get_u32(m);
    log_init("holdfast-policy", (enum log_level)msg_get_u32(m));
    j->nwords = msg_get_u32(m);
    if (j->profile >= PROFILE_COUNT || j->want > POLICY_JSON || j->nwords > CHANGES_MOST)
        die("profile %u, want %u, %u changes", j->profile, j->want, j->nwords);
    for (uint32_t i = 0; i < j->nwords; i++)
        j->words[i] = msg_get_str(m);
    msg_end(m);
}

static int make_filter(int out, struct policy_row *rows, size_t n, uint32_t fallback, struct err *e)
{
    static struct sock_filter program[BPF_MAXINSNS];
    unsigned size = policy_emit(rows, n, fallback, program);
    if (size == 0)
        return err_set(e, 0, "seccomp", "the filter has more than %d instructions", BPF_MAXINSNS);
    return io_write_all(out, program, size * sizeof program[0]);
}

static int make_text(int out, struct policy_row *rows, size_t n, uint32_t fallback, bool json)
{
    struct buf text BUF_FREE = BUF(TEXT_MOST);
    print_policy(&text, rows, n, fallback, json);
    return text.bad ? -1 : io_write_all(out, buf_head(&text), buf_size(&text));
}

static int make(const struct job *j, int out, struct err *e)
{
    static struct policy_row rows[POLICY_ROWS_MOST];
    const struct policy *p = &policies[j->profile];
    size_t n;
    if (change_apply(p, j->words, j->nwords, rows, &n, e) < 0)
        return -1;
    int r = j->want == POLICY_FILTER ? make_filter(out, rows, n, p->fallback, e) : make_text(out, rows, n, p->fallback, j->want == POLICY_JSON);
    if (r == 0)
        r = fcntl(out, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    return r < 0 && e->step[0] == '\0' ? err_set(e, errno, "seccomp", "what was made cannot be kept") : r;
}

static void lock(void)
{
    static const struct lock_limit limits[] = { { RLIMIT_CORE, 1 }, { RLIMIT_NOFILE, 16 }, { RLIMIT_CPU, 5 } };
    lock_apply(&(struct lock){ .limits = limits, .nlimits = countof(limits), LOCK_FILTER(lock_policy_filter) });
}

int main(int argc, char **argv UNUSED)
{
    static struct job job;
    struct msg m MSG_FREE, answer MSG_FREE;
    struct err e = { 0 };
    char line[400];
    log_init("holdfast-policy", LOG_INFO);
    if (argc != 1)
        die("is started by holdfastd, with its link on descriptor %d", LINK_FD);
    int out = memfd_create("policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (out < 0)
        die_errno("memfd_create");
    lock();
    msg_begin(&m, 0, 0);
    if (msg_recv(LINK_FD, &m) <= 0)
        die("is started by holdfastd, with its link on descriptor %d", LINK_FD);
    take(&m, &job);
    bool ok = make(&job, out, &e) == 0;
    msg_begin(&answer, POLICY_MADE, m.id);
    msg_put_u32(&answer, ok);
    msg_put_str(&answer, ok ? "" : err_text(&e, line, sizeof line));
    if (ok)
        msg_put_fd(&answer, out);
    if (msg_send(LINK_FD, &answer) < 0)
        die_errno("the supervisor has gone");
    _exit(EXIT_SUCCESS);
}
