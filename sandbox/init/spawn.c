#include "sandbox/init/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/die.h"
#include "base/msg.h"

enum { STACK = 256 << 10 };   /* a script without a first line of its own has its arguments copied to it by execvp */

struct job { const struct start *start; int report; };

/* In the child, which is about to be a program: it writes to its stderr why it cannot. */
static bool tells;

NORETURN static void fail(int report, const char *fmt, ...) PRINTF(2, 3);

static void fail(int report, const char *fmt, ...)
{
    struct spawn_failure f = { .no = errno };
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f.step, sizeof f.step, fmt, ap);
    va_end(ap);
    /* First: the report of a main process is its end. */
    if (tells)
        dprintf(STDERR_FILENO, "cannot start: %s: %s\n", f.step, strerror(f.no));
    ssize_t ignored UNUSED = write(report, &f, sizeof f);
    _exit(f.no == ENOENT ? CODE_MISSING : CODE_CANNOT);
}

static void signals_default(void)
{
    for (int sig = 1; sig < NSIG; sig++)
        if (sig != SIGKILL && sig != SIGSTOP)
            signal(sig, SIG_DFL);   /* refused for the two that libc keeps to itself */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Every image has a shell, few have bash.  ARGV is not ours alone: init, whose memory this may be, frees it. */
static void execute(char **argv)
{
    static char bash[] = "/bin/bash", sh[] = "/bin/sh";
    if (argv[0][0]) {
        execvp(argv[0], argv);
        return;
    }
    execv(bash, (char *[]){ bash, NULL });
    if (errno == ENOENT)
        execv(sh, (char *[]){ sh, NULL });
}

NORETURN void become(const struct start *s, int report)
{
    tells = s->tells;
    close(LINK_FD);
    if (setsid() < 0)
        fail(report, "setsid");
    if (s->tty && ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0)
        fail(report, "take the terminal");
    if (chdir(s->directory) < 0)
        fail(report, "chdir %s", s->directory);
    signals_default();
    /* execvpe would search the PATH of our own environment, which is empty. */
    environ = s->env;
    execute(s->argv);
    fail(report, "exec %s", s->argv[0][0] ? s->argv[0] : "/bin/sh");
}

/* Not looked into by a sanitizer, which knows this stack for nobody's. */
__attribute__((no_sanitize_address)) static int become_job(void *data)
{
    const struct job *j = data;
    become(j->start, j->report);
}

/* In our memory, while we stand still: a copy of it would be thrown away by the exec. */
struct spawned spawn(const struct start *s)
{
    static _Alignas(16) char stack[STACK];
    char **own = environ;
    int pair[2];
    if (pipe2(pair, O_CLOEXEC) < 0)
        die_errno("pipe");
    struct job j = { .start = s, .report = pair[1] };
    pid_t pid = clone(become_job, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &j);
    environ = own;
    if (pid < 0)
        die_errno("clone");
    close(pair[1]);
    return (struct spawned){ .pid = pid, .report = pair[0] };
}
