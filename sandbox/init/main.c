/* Pid 1 of a sandbox: starts the main process, reaps what is orphaned, kills everything when told, when the shim is gone, or when the
   main process has ended.  It runs with the server's uid and behind the server's own seccomp filter, so it can do nothing that the
   server could not do. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/msg.h"
#include "sandbox/init/shell.h"
#include "sandbox/init/spawn.h"
#include "sandbox/init/start.h"
#include "sandbox/proto.h"

static struct spawned server;

static void on_child(int sig UNUSED) {}

/* Everything is blocked but while ppoll sleeps, and there only SIGCHLD comes through: no signal is lost between reaping and sleeping,
   and none of the server's processes can disturb us. */
static void signals_block(void)
{
    struct sigaction child = { .sa_handler = on_child };
    sigset_t all;
    sigfillset(&all);
    if (sigaction(SIGCHLD, &child, NULL) < 0 || sigprocmask(SIG_SETMASK, &all, NULL) < 0)
        die_errno("sigprocmask");
}

/* Else the shim would wait for the end of output that we, too, could still write. */
static void stdio_let_go(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2; fd++)
        if (null < 0 || dup2(null, fd) < 0)
            close(fd);
    if (null > 2)
        close(null);
}

static void tell_started(const struct spawn_failure *f)
{
    struct msg m;
    msg_begin(&m, INIT_STARTED, 0);
    msg_put_u32(&m, f == NULL);
    msg_put_u32(&m, f ? (uint32_t)f->no : 0);
    msg_put_str(&m, f ? f->step : "");
    msg_send(LINK_FD, &m);   /* a shim that is gone shows at the next poll */
    msg_free(&m);
}

NORETURN static void end(int code, int sig)
{
    struct msg m;
    msg_begin(&m, INIT_ENDED, 0);
    msg_put_u32(&m, (uint32_t)code);
    msg_put_u32(&m, (uint32_t)sig);
    msg_send(LINK_FD, &m);
    msg_free(&m);
    kill(-1, SIGKILL);
    _exit(sig ? 128 + sig : code);
}

static void on_report(void)
{
    struct spawn_failure f;
    ssize_t n = read(server.report, &f, sizeof f);
    close(server.report);
    server.report = -1;
    f.step[sizeof f.step - 1] = '\0';
    bool failed = n == (ssize_t)sizeof f;
    tell_started(failed ? &f : NULL);
    if (failed)
        end(f.no == ENOENT ? CODE_MISSING : CODE_CANNOT, 0);
}

/* The report of a main process that ended at once must not be overtaken by its end. */
static void reap(void)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (pid != server.pid) {
            shell_ended(pid, status);
            continue;
        }
        if (server.report >= 0)
            on_report();
        end(WIFEXITED(status) ? WEXITSTATUS(status) : 0, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    }
}

/* To its whole process group: a start script passes nothing on to the program it started. */
static void signal_server(struct msg *m)
{
    uint32_t sig = msg_get_u32(m);
    msg_end(m);
    if (sig < 1 || sig >= NSIG)
        die("INIT_SIGNAL %u: no such signal", sig);
    if (kill(-server.pid, (int)sig) < 0)
        kill(server.pid, (int)sig);   /* it has not made its group yet */
}

static void kill_all(struct msg *m)
{
    msg_end(m);
    kill(-1, SIGKILL);   /* the main process is among them: reap() ends us with its status */
}

static const struct { uint16_t type; void (*handle)(struct msg *m); } orders[] = {
    { INIT_SIGNAL, signal_server },
    { INIT_KILL, kill_all },
    { INIT_SHELL, shell_make },
    { INIT_SHELL_GO, shell_go },
};

static void on_link(void)
{
    MSG_FREE struct msg m;
    if (msg_recv(LINK_FD, &m) != 1) {
        kill(-1, SIGKILL);
        _exit(128 + SIGKILL);
    }
    for (size_t i = 0; i < countof(orders); i++)
        if (orders[i].type == m.type) {
            orders[i].handle(&m);
            return;
        }
    die("message %u is none for init", m.type);
}

static void serve(void)
{
    sigset_t asleep;
    sigfillset(&asleep);
    sigdelset(&asleep, SIGCHLD);
    for (;;) {
        struct pollfd p[] = { { .fd = LINK_FD, .events = POLLIN }, { .fd = server.report, .events = POLLIN } };
        int n = ppoll(p, countof(p), NULL, &asleep);
        if (n < 0 && errno != EINTR)
            die_errno("ppoll");
        if (n > 0 && p[1].revents)
            on_report();
        if (n > 0 && p[0].revents)
            on_link();
        reap();
    }
}

int main(void)
{
    log_init("holdfast-init", LOG_INFO);
    /* kill(-1) means this sandbox only while we are the first process of a pid namespace. */
    if (getpid() != 1)
        die("holdfast-init is pid 1 of a sandbox and nothing else");
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        die_errno("prctl dumpable");
    signals_block();
    struct start start;
    start_receive(LINK_FD, &start);
    server = spawn(&start);
    stdio_let_go();
    start_free(&start);
    mem_rest();
    serve();
}
