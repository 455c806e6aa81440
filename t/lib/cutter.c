/* Cuts a launch short at one of its system calls: cutter -o LOG [-c CUT | -f FILE] [-p PID | -- COMMAND [ARG...]].
   It watches what COMMAND, or the process PID, starts.  Whoever executes holdfast-launch and is told LAUNCH_RUN or LAUNCH_ERRAND there is "host",
   the process that makes is "child", one for which it stands still (vfork)
   is "helper"; system calls of each are counted from 1, of the host behind that message, until they execute their next program.
   CUT, or the contents of FILE at the time: "SIDE N kill VICTIM" or "SIDE N ERRNO": as the Nth call of SIDE begins, VICTIM (a side) is
   killed, or it fails with ERRNO (a number) and is not made.
   LOG: a line "SIDE N NAME" a call, "cut SIDE N NAME" for the one.  Exit code: the command's. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/attr.h"
#include "sandbox/proto.h"

enum side { OUTSIDE, ASKED, HOST, CHILD, HELPER };      /* ASKED: launch, before it knows its job */
enum { MOST = 64, OPTIONS = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE };

static struct tracee { pid_t pid; enum side side; bool early, failing; unsigned calls; } tracees[MOST];
static struct cut { enum side side; unsigned n; enum side victim; int no; } cut;
static const char *cut_file;
static bool killed_host;
static FILE *out;

static const char *const names[] = { "outside", "asked", "host", "child", "helper" };

NORETURN static void fail(const char *what)
{
    perror(what);
    exit(125);
}

static struct tracee *find(pid_t pid)
{
    struct tracee *unused = NULL;
    for (size_t i = 0; i < MOST; i++)
        if (tracees[i].pid == pid)
            return &tracees[i];
        else if (tracees[i].pid == 0 && unused == NULL)
            unused = &tracees[i];
    if (unused == NULL || pid == 0)
        return unused;
    *unused = (struct tracee){ .pid = pid, .early = true };
    return unused;
}

static enum side side_of(const char *word)
{
    for (enum side s = HOST; s <= HELPER; s++)
        if (strcmp(word, names[s]) == 0)
            return s;
    return OUTSIDE;
}

static void read_cut(const char *text)
{
    char side[16], what[16], victim[16] = "";
    cut = (struct cut){ 0 };
    if (sscanf(text, "%15s %u %15s %15s", side, &cut.n, what, victim) < 3)
        return;
    cut.side = side_of(side);
    cut.victim = side_of(victim);
    cut.no = atoi(what);
}

static void read_cut_file(void)
{
    char text[128] = "";
    int fd = open(cut_file, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, text, sizeof text - 1) < 0)
        text[0] = '\0';
    if (fd >= 0)
        close(fd);
    read_cut(text);
}

static void resume(struct tracee *t, int sig)
{
    /* One that was killed meanwhile is told by waitpid. */
    ptrace(t->side == OUTSIDE ? PTRACE_CONT : PTRACE_SYSCALL, t->pid, NULL, (void *)(uintptr_t)sig);
}

static void let_go(struct tracee *t)
{
    ptrace(PTRACE_DETACH, t->pid, NULL, NULL);
    t->pid = 0;
}

/* What the system is asked, or has answered. */
static void set_call(pid_t pid, long nr, long answer)
{
#if defined __x86_64__
    struct user_regs_struct r;
    if (ptrace(PTRACE_GETREGS, pid, NULL, &r) < 0)
        return;
    if (nr >= 0)
        r.orig_rax = (unsigned long)nr;
    else
        r.rax = (unsigned long)answer;
    ptrace(PTRACE_SETREGS, pid, NULL, &r);
#elif defined __aarch64__
    struct user_regs_struct r;
    struct iovec all = { &r, sizeof r };
    int number = (int)nr;
    struct iovec one = { &number, sizeof number };
    if (nr >= 0)
        ptrace(PTRACE_SETREGSET, pid, (void *)NT_ARM_SYSTEM_CALL, &one);
    else if (ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &all) == 0) {
        r.regs[0] = (unsigned long)answer;
        ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &all);
    }
#else
#error "how a system call's number is changed on this machine is not known"
#endif
}

static void at_cut(struct tracee *t, const char *name)
{
    fprintf(out, "cut %s %u %s\n", names[t->side], t->calls, name);
    if (cut.no) {
        /* One that changes nothing and that every filter allows; its answer is overwritten. */
        set_call(t->pid, SYS_getpid, 0);
        t->failing = true;
        return;
    }
    for (size_t i = 0; i < MOST; i++)
        if (tracees[i].pid && tracees[i].side == cut.victim)
            kill(tracees[i].pid, SIGKILL);
}

static void entry(struct tracee *t, long nr)
{
    if (t->side == ASKED)
        return;
    t->calls++;
    char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)nr);
    fprintf(out, "%s %u %s\n", names[t->side], t->calls, name ? name : "?");
    if (cut.side == t->side && cut.n == t->calls)
        at_cut(t, name ? name : "?");
    free(name);
}

static void peek(pid_t pid, uint64_t at, void *to, size_t size)
{
    struct iovec here = { to, size }, there = { (void *)(uintptr_t)at, size };
    if (process_vm_readv(pid, &here, 1, &there, 1, 0) != (ssize_t)size)
        memset(to, 0, size);
}

/* The job is the first message: its type, big-endian, begins it. */
static void asked(struct tracee *t, uint64_t header)
{
    struct msghdr h;
    struct iovec body;
    uint8_t type[2];
    peek(t->pid, header, &h, sizeof h);
    peek(t->pid, (uintptr_t)h.msg_iov, &body, sizeof body);
    peek(t->pid, (uintptr_t)body.iov_base, type, sizeof type);
    int word = type[0] << 8 | type[1];
    t->side = word == LAUNCH_RUN || word == LAUNCH_ERRAND ? HOST : OUTSIDE;
    if (t->side == HOST)
        killed_host = false;
    if (t->side == HOST && cut_file)
        read_cut_file();
}

static void on_call(struct tracee *t)
{
    static uint64_t header;
    struct __ptrace_syscall_info i = { 0 };
    if (ptrace(PTRACE_GET_SYSCALL_INFO, t->pid, sizeof i, &i) < 0)
        return;
    if (i.op == PTRACE_SYSCALL_INFO_ENTRY) {
        if (t->side == ASKED)
            header = i.entry.nr == SYS_recvmsg ? i.entry.args[1] : 0;
        entry(t, (long)i.entry.nr);
    } else if (i.op == PTRACE_SYSCALL_INFO_EXIT) {
        if (t->failing)
            set_call(t->pid, -1, -cut.no);
        t->failing = false;
        if (t->side == ASKED && header && i.exit.rval > 0)
            asked(t, header);
    }
}

static void on_exec(struct tracee *t)
{
    char path[64], to[512] = "";
    snprintf(path, sizeof path, "/proc/%d/exe", (int)t->pid);
    if (readlink(path, to, sizeof to - 1) < 0)
        to[0] = '\0';
    const char *name = strrchr(to, '/');
    t->side = t->side == OUTSIDE && name && strcmp(name, "/holdfast-launch") == 0 ? ASKED : OUTSIDE;
}

static void on_fork(struct tracee *t, enum side side)
{
    unsigned long pid = 0;
    if (ptrace(PTRACE_GETEVENTMSG, t->pid, NULL, &pid) < 0)
        return;
    struct tracee *new = find((pid_t)pid);
    if (new == NULL)
        return;
    new->side = t->side == HOST ? side : OUTSIDE;
    if (new->early && new->calls)
        resume(new, 0);
    new->early = false;
    new->calls = 0;
}

static void stopped(struct tracee *t, int status, pid_t root)
{
    int sig = WSTOPSIG(status), event = status >> 16;
    if (sig == (SIGTRAP | 0x80))
        on_call(t);
    else if (event == PTRACE_EVENT_EXEC) {
        on_exec(t);
        if (t->side == OUTSIDE && t->pid != root) {
            let_go(t);
            return;
        }
    } else if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE)
        on_fork(t, event == PTRACE_EVENT_VFORK ? HELPER : CHILD);
    else if (event == PTRACE_EVENT_STOP && t->early && !killed_host) {
        t->calls = 1;   /* is waited for: its parent's event says whose it is */
        return;
    }
    resume(t, event || sig == (SIGTRAP | 0x80) ? 0 : sig);
}

/* Whose parent was killed before it could say whose they are: nobody's. */
static void release_orphans(void)
{
    for (size_t i = 0; i < MOST; i++)
        if (tracees[i].pid && tracees[i].early && tracees[i].calls) {
            tracees[i].early = false;
            tracees[i].calls = 0;
            resume(&tracees[i], 0);
        }
}

/* Until COMMAND has ended, or for ever with a PID: then a signal ends us, and the kernel lets go of all. */
static int watch(pid_t root, bool command)
{
    int status, code = 0;
    for (pid_t pid; (pid = waitpid(-1, &status, __WALL)) > 0;) {
        struct tracee *t = find(pid);
        if (t == NULL)
            fail("too many processes");
        if (WIFSTOPPED(status)) {
            stopped(t, status, root);
            continue;
        }
        if (t->side == HOST && WIFSIGNALED(status)) {
            killed_host = true;
            release_orphans();
        }
        t->pid = 0;
        fflush(out);
        if (pid == root && command)
            code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        else if (pid == root)
            return 0;
    }
    return code;
}

static pid_t start(char **argv)
{
    int go[2];
    if (pipe(go) < 0)
        fail("pipe");
    pid_t pid = fork();
    if (pid == 0) {
        char c;
        close(go[1]);
        if (read(go[0], &c, 1) < 0)
            fail("read");
        close(go[0]);
        execvp(argv[0], argv);
        fail(argv[0]);
    }
    close(go[0]);
    if (pid < 0 || ptrace(PTRACE_SEIZE, pid, NULL, (void *)(uintptr_t)OPTIONS) < 0)
        fail("ptrace");
    close(go[1]);
    return pid;
}

int main(int argc, char **argv)
{
    pid_t root = 0;
    for (int c; (c = getopt(argc, argv, "+o:c:f:p:")) > 0;)
        switch (c) {
        case 'o': out = fopen(optarg, "we"); break;
        case 'c': read_cut(optarg); break;
        case 'f': cut_file = optarg; break;
        case 'p': root = atoi(optarg); break;
        default: return 125;
        }
    if (out == NULL || (root == 0) != (optind < argc))
        return 125;
    setvbuf(out, NULL, _IOLBF, 0);
    bool command = root == 0;
    if (command)
        root = start(argv + optind);
    else if (ptrace(PTRACE_SEIZE, root, NULL, (void *)(uintptr_t)OPTIONS) < 0)
        fail("ptrace");
    find(root)->early = false;
    return watch(root, command);
}
