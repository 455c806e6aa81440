/* As little of an init as tests of launch need: runs the command, answers, reports its end.  Linked statically. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/msg.h"
#include "sandbox/proto.h"

static char **get_list(struct msg *m)
{
    uint32_t n = msg_get_u32(m);
    char **each = mem_array(n + 1, sizeof *each);
    for (uint32_t i = 0; i < n; i++)
        each[i] = msg_get_str(m);
    return each;
}

static void say(uint16_t type, uint32_t a, uint32_t b, const char *s)
{
    struct msg m MSG_FREE;
    msg_begin(&m, type, 0);
    msg_put_u32(&m, a);
    msg_put_u32(&m, b);
    if (s)
        msg_put_str(&m, s);
    msg_send(LINK_FD, &m);
}

static void run(char **argv, char *directory, char **env, uint32_t tty)
{
    setsid();
    if (tty)
        ioctl(0, TIOCSCTTY, 0);
    close(LINK_FD);
    if (chdir(directory) == 0)
        execvpe(argv[0], argv, env);
    dprintf(2, "exec %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

int main(void)
{
    struct msg m MSG_FREE;
    msg_begin(&m, 0, 0);
    prctl(PR_SET_DUMPABLE, 0);
    if (msg_recv(LINK_FD, &m) <= 0)
        return 1;
    char **argv = get_list(&m), *directory = msg_get_str(&m), **env = get_list(&m);
    uint32_t tty = msg_get_u32(&m);
    msg_end(&m);
    pid_t child = fork();
    if (child == 0)
        run(argv, directory, env, tty);
    say(INIT_STARTED, 1, 0, "");
    int status = 0;
    while (waitpid(-1, &status, 0) != child)
        ;
    say(INIT_ENDED, WIFEXITED(status) ? (uint32_t)WEXITSTATUS(status) : 0, WIFSIGNALED(status) ? (uint32_t)WTERMSIG(status) : 0,
        NULL);
    return 0;
}
