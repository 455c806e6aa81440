/* holdfast-sink: runs the admin's program for one event and ends what is left of it.  It is started for each event anew, as a user that nobody else is. */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/msg.h"
#include "sandbox/lock/server.bpf.h"
#include "sshd/proto.h"

enum { WORDS_MOST = 64, FIELDS = 5, SAID_MOST = 400, PROCESSES = 64, FILES = 256, KILLS_MOST = 1000 };

struct job {
    uint64_t ms;
    char *argv[WORDS_MOST + 1], *envp[FIELDS + 3];
    char *line;                 /* the event, JSON */
};

static char *field(const char *name, struct msg *m)
{
    FREE_MEM char *value = msg_get_str(m);
    return mem_fmt("%s=%s", name, value);
}

static void take(struct msg *m, struct job *j)
{
    static const char *const names[FIELDS] = { "HOLDFAST_TIME", "HOLDFAST_EVENT", "HOLDFAST_SERVER", "HOLDFAST_ACCOUNT", "HOLDFAST_TEXT" };
    static char path[] = "PATH=/usr/local/bin:/usr/bin:/bin", lang[] = "LC_ALL=C.UTF-8";
    if (m->type != START_SINK)
        die("message %#x came where START_SINK must be the first", m->type);
    log_init("holdfast-sink", (enum log_level)msg_get_u32(m));
    j->ms = msg_get_u64(m);
    uint32_t n = msg_get_u32(m);
    if (n == 0 || n > WORDS_MOST)
        die("%u words of a command", n);
    for (uint32_t i = 0; i < n; i++)
        j->argv[i] = msg_get_str(m);
    for (size_t i = 0; i < FIELDS; i++)
        j->envp[i] = field(names[i], m);
    j->envp[FIELDS] = path;
    j->envp[FIELDS + 1] = lang;
    j->line = msg_get_str(m);
    msg_end(m);
}

/* ---- the program ---- */

static void limit(int resource, rlim_t value)
{
    if (setrlimit(resource, &(struct rlimit){ value, value }) < 0)
        die_errno("limit %d", resource);
}

static NORETURN void become(const struct job *j, int in, int out)
{
    /* Copies: what is laid on 0 to 2 may be one of them. */
    int input = fcntl(in, F_DUPFD, 10), output = fcntl(out, F_DUPFD, 10);
    if (input < 0 || output < 0 || dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0 || close_range(3, ~0U, 0) < 0)
        _exit(126);
    limit(RLIMIT_CPU, (rlim_t)(j->ms / 1000 + 1));
    /* It may make what a server may: no namespaces, no tracing, no odd sockets. */
    struct sock_fprog f = { countof(lock_server_filter), (struct sock_filter *)(uintptr_t)lock_server_filter };
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || setsid() < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &f, 0, 0) < 0)
        _exit(126);
    execve(j->argv[0], j->argv, j->envp);
    dprintf(2, "%s: %s\n", j->argv[0], strerror(errno));
    _exit(127);
}

static int input_of(const struct job *j)
{
    int fd = memfd_create("event", MFD_CLOEXEC);
    if (fd < 0 || io_write_all(fd, j->line, strlen(j->line)) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        die_errno("memfd");
    return fd;
}

/* ---- its end ---- */

/* The first of what it says is kept for the log, the rest is read so that nobody waits for us.  False: there is no more. */
static bool listen_to(int fd, char said[SAID_MOST + 1], size_t *n)
{
    char piece[4096];
    ssize_t got = read(fd, piece, sizeof piece);
    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    size_t room = SAID_MOST - *n, take = (size_t)got < room ? (size_t)got : room;
    memcpy(said + *n, piece, take);
    *n += take;
    return true;
}

/* True: it ended by itself. */
static bool watch(int process, int out, uint64_t ms, char said[SAID_MOST + 1])
{
    struct pollfd p[] = { { .fd = process, .events = POLLIN }, { .fd = out, .events = POLLIN } };
    size_t n = 0;
    for (uint64_t now = now_ms(), end = now + ms; now < end; now = now_ms()) {
        int r = poll(p, countof(p), (int)(end - now < INT32_MAX ? end - now : INT32_MAX));
        if (r < 0 && errno != EINTR)
            die_errno("poll");
        if (p[1].revents && !listen_to(out, said, &n))
            p[1].fd = -1;
        if (r > 0 && p[0].revents) {
            while (p[1].fd >= 0 && poll(&p[1], 1, 0) > 0 && listen_to(out, said, &n) && n < SAID_MOST)
                ;
            return true;
        }
    }
    return false;
}

/* All that has our uid, which is what it left behind: children of its children come to us. */
static void end_all(void)
{
    for (int i = 0; i < KILLS_MOST; i++) {
        kill(-1, SIGKILL);
        pid_t pid = waitpid(-1, NULL, 0);
        if (pid < 0 && errno == ECHILD && kill(-1, 0) < 0)
            return;
    }
    log_warn("sink.left", "why=\"processes of the program cannot be ended\"");
}

static void run(const struct job *j)
{
    int pair[2], status = 0;
    char said[SAID_MOST + 1] = "";
    CLOSE_FD int in = input_of(j);
    if (pipe2(pair, O_CLOEXEC) < 0)
        die_errno("pipe");
    CLOSE_FD int out = pair[0];
    pid_t pid = fork();
    if (pid < 0)
        die_errno("fork");
    if (pid == 0)
        become(j, in, pair[1]);
    close(pair[1]);
    CLOSE_FD int process = pidfd_open(pid, 0);
    if (process < 0 || io_nonblock(out) < 0)
        die_errno("pidfd");
    bool ended = watch(process, out, j->ms, said);
    if (!ended)
        kill(pid, SIGKILL);
    if (waitpid(pid, &status, 0) != pid)
        die_errno("waitpid");
    end_all();
    const char *how = !ended ? "time" : WIFSIGNALED(status) ? "signal" : "code";
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    if (!ended || status != 0)
        log_warn("sink.failed", "program=%s event=\"%s\" end=%s number=%d said=\"%s\"", esc(j->argv[0]), esc_text(j->envp[1]), how, number, esc_text(said));
    else
        log_debug("sink.ran", "program=%s event=\"%s\" said=\"%s\"", esc(j->argv[0]), esc_text(j->envp[1]), esc_text(said));
}

int main(int argc, char **argv UNUSED)
{
    struct job j = { 0 };
    struct msg m MSG_FREE;
    log_init("holdfast-sink", LOG_INFO);
    if (argc != 1)
        die("is started by holdfastd, with its link on descriptor %d", LINK_FD);
    msg_begin(&m, 0, 0);
    if (msg_recv(LINK_FD, &m) <= 0)
        die("is started by holdfastd, with its link on descriptor %d", LINK_FD);
    take(&m, &j);
    limit(RLIMIT_CORE, 1);
    limit(RLIMIT_NPROC, PROCESSES);
    limit(RLIMIT_NOFILE, FILES);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        die_errno("prctl");
    /* An earlier one's, of a daemon that was killed. */
    end_all();
    run(&j);
    _exit(EXIT_SUCCESS);
}
