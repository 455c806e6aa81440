#include "sandbox/init/shell.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "sandbox/init/spawn.h"
#include "sandbox/proto.h"

static struct shell {
    pid_t pid;        /* 0: free */
    uint32_t id;
    int go;           /* until it was told to; -1 */
} shells[SHIM_SHELLS_MOST];

static void say(struct msg *m)
{
    msg_send(LINK_FD, m);   /* a shim that is gone shows at the next poll */
    msg_free(m);
}

static void tell_made(uint32_t id, int no, const char *step, int pidfd)
{
    struct msg m;
    msg_begin(&m, INIT_SHELL_MADE, id);
    msg_put_u32(&m, pidfd >= 0);
    msg_put_u32(&m, (uint32_t)no);
    msg_put_str(&m, step);
    if (pidfd >= 0)
        msg_put_fd(&m, pidfd);
    say(&m);
}

/* Undumpable, as init is, until it is the program: none of the server's processes can look into it. */
static NORETURN void wait_and_become(const struct start *s, const int stdio[3], int go)
{
    uint8_t byte;
    for (int i = 0; i < 3; i++)
        if (dup2(stdio[i], i) < 0)
            _exit(CODE_CANNOT);
    ssize_t n;
    while ((n = read(go, &byte, 1)) < 0 && errno == EINTR)
        ;
    if (n != 1)
        _exit(CODE_CANNOT);
    become(s, -1);
}

static const char *make(struct shell *free, const struct start *s, const int stdio[3], int *pidfd)
{
    int go[2];
    if (pipe2(go, O_CLOEXEC) < 0)
        return "pipe";
    CLOSE_FD int mine = go[1], its = go[0];
    /* The call that a filter cannot be without; a fork in all but its name. */
    long pid = syscall(SYS_clone, (unsigned long)(CLONE_PIDFD | SIGCHLD), NULL, pidfd, NULL, NULL);
    if (pid == 0) {
        close(mine);
        wait_and_become(s, stdio, its);
    }
    if (pid < 0)
        return "fork";
    free->pid = (pid_t)pid;
    free->go = fd_steal(&mine);
    return NULL;
}

static struct shell *find(pid_t pid)
{
    for (size_t i = 0; i < countof(shells); i++)
        if (shells[i].pid == pid)
            return &shells[i];
    return NULL;
}

void shell_make(struct msg *m)
{
    struct start s;
    int stdio[3];
    uint32_t id = m->id;
    unsigned n = 0;
    while (n < countof(stdio) && msg_has_fd(m))
        stdio[n++] = msg_get_fd(m);
    start_get(m, &s);
    if (n != (s.tty ? 1 : countof(stdio)))
        die("INIT_SHELL: %u descriptors", n);
    if (s.tty)
        stdio[1] = stdio[2] = stdio[0];
    struct shell *free = find(0);
    int pidfd = -1;
    const char *step = free ? make(free, &s, stdio, &pidfd) : "shells";
    if (step)
        tell_made(id, free ? errno : EMFILE, step, -1);
    else {
        free->id = id;
        tell_made(id, 0, "", pidfd);
        close(pidfd);
    }
    for (unsigned i = 0; i < n; i++)
        close(stdio[i]);
    start_free(&s);
}

void shell_go(struct msg *m)
{
    uint32_t id = m->id, may = msg_get_u32(m);
    msg_end(m);
    for (size_t i = 0; i < countof(shells); i++)
        if (shells[i].pid && shells[i].id == id && shells[i].go >= 0) {
            ssize_t ignored UNUSED = may ? write(shells[i].go, "", 1) : 0;   /* it may have been killed */
            close(fd_steal(&shells[i].go));
        }
}

void shell_ended(pid_t pid, int status)
{
    struct shell *s = find(pid);
    if (s == NULL)
        return;
    struct msg m;
    msg_begin(&m, INIT_SHELL_ENDED, s->id);
    msg_put_u32(&m, WIFEXITED(status) ? (uint32_t)WEXITSTATUS(status) : 0);
    msg_put_u32(&m, WIFSIGNALED(status) ? (uint32_t)WTERMSIG(status) : 0);
    say(&m);
    if (s->go >= 0)
        close(s->go);
    *s = (struct shell){ .go = -1 };
}
