#include "quota/command.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"

enum { NOT_FOUND = 126, NOT_RUN = 127, OUTPUT_MOST = 1 << 20, DEAD_MS = 2000 };

/* execve takes strings it could write to, and does not. */
union words { const char *const *read; char *const *write; };

static void run_it(const struct command *c, pid_t parent, int out, int why)
{
    static const char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL };
    const struct rlimit most = { OUTPUT_MOST, OUTPUT_MOST };
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), high = fcntl(out, F_DUPFD_CLOEXEC, 10), higher = fcntl(why, F_DUPFD_CLOEXEC, 10);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || setrlimit(RLIMIT_FSIZE, &most) < 0 || null < 0 || high < 0 || higher < 0 ||
        dup2(null, 0) < 0 || dup2(high, 1) < 0 || dup2(higher, 2) < 0 || close_range(3, ~0U, 0) < 0 || chdir("/") < 0)
        _exit(NOT_RUN);
    union words argv = { c->argv }, env = { environment };
    for (size_t i = 0; c->folders[i]; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", c->folders[i], c->argv[0]);
        execve(path, argv.write, env.write);
        if (errno != ENOENT)
            _exit(NOT_RUN);
    }
    _exit(NOT_FOUND);
}

/* 1 ended, its status in *STATUS; 0 not in time. */
static int wait_for(pid_t pid, int handle, uint64_t ms, int *status)
{
    struct pollfd p = { .fd = handle, .events = POLLIN };
    for (uint64_t end = now_ms() + ms, now; (now = now_ms()) < end;)
        if (poll(&p, 1, (int)(end - now)) > 0)
            break;
    pid_t r;
    while ((r = waitpid(pid, status, WNOHANG)) < 0 && errno == EINTR)
        ;
    return r == pid;
}

/* In the kernel's hands it cannot be killed: then it is left to end when it can. */
static int give_up(const struct command *c, pid_t pid, int handle, struct err *e)
{
    int status;
    kill(pid, SIGKILL);
    wait_for(pid, handle, DEAD_MS, &status);
    return err_set(e, ETIME, c->argv[0], "%s not done in %u s", c->argv[1] ? c->argv[1] : "", c->seconds);
}

static int take(const struct command *c, int fd, char *to, size_t size, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return err_set(e, errno, c->argv[0], "its output");
    ssize_t n = io_read_all(fd, to, size - 1);
    if (n < 0)
        return err_set(e, errno, c->argv[0], "its output");
    to[n] = '\0';
    return st.st_size > n ? 1 : 0;
}

static int hear(const struct command *c, struct said *s, int out, int why, struct err *e)
{
    int more = take(c, out, s->out, sizeof s->out, e);
    if (more < 0 || take(c, why, s->why, sizeof s->why, e) < 0)
        return -1;
    if (more > 0 || strlen(s->out) < (size_t)lseek(out, 0, SEEK_CUR))
        return err_set(e, EOVERFLOW, c->argv[0], "it said more than %zu bytes, or no text", sizeof s->out - 1);
    for (char *p = s->why; *p; p++)
        if (*p < ' ' || *p > '~')
            *p = p[1] ? ' ' : '\0';
    return 0;
}

int command_run(const struct command *c, struct said *s, struct err *e)
{
    CLOSE_FD int out = memfd_create("out", MFD_CLOEXEC), why = memfd_create("why", MFD_CLOEXEC);
    pid_t parent = getpid(), pid = out < 0 || why < 0 ? -1 : fork();
    if (pid < 0)
        return err_set(e, errno, c->argv[0], "fork");
    if (pid == 0)
        run_it(c, parent, out, why);
    CLOSE_FD int handle = (int)syscall(SYS_pidfd_open, pid, 0);
    int status = 0;
    if (handle < 0 || !wait_for(pid, handle, c->seconds * UINT64_C(1000), &status))
        return give_up(c, pid, handle, e);
    if (!WIFEXITED(status))
        return err_set(e, 0, c->argv[0], "killed by signal %d", WTERMSIG(status));
    s->code = WEXITSTATUS(status);
    if (s->code == NOT_FOUND)
        return err_set(e, ENOENT, c->argv[0], "not found in %s or the like: install %s", c->folders[0], c->package);
    return s->code == NOT_RUN ? err_set(e, EPERM, c->argv[0], "could not be run") : hear(c, s, out, why, e);
}
