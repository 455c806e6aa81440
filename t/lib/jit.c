/* What emulators and compilers at run time do to their own memory, as Wine and Box64: prints a line for each, which must not differ inside a
   sandbox.  x86_64; elsewhere only what needs no machine code. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/attr.h"

static void say(const char *what, const char *result)
{
    printf("%s: %s\n", what, result);
    fflush(stdout);
}

static void tell(const char *what, int good)
{
    say(what, good ? "works" : strerror(errno));
}

#ifdef __x86_64__
/* mov eax, N; ret */
static void write_code(uint8_t *at, uint32_t n)
{
    const uint8_t code[] = { 0xb8, (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16), (uint8_t)(n >> 24), 0xc3 };
    memcpy(at, code, sizeof code);
}

static uint32_t call(const void *at)
{
    uint32_t (*fn)(void);
    memcpy(&fn, &at, sizeof fn);
    return fn();
}

static void try_write_then_execute(void)
{
    uint8_t *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p != MAP_FAILED)
        write_code(p, 42);
    tell("written, then made executable", p != MAP_FAILED && mprotect(p, 4096, PROT_READ | PROT_EXEC) == 0 && call(p) == 42);
    tell("written anew", mprotect(p, 4096, PROT_READ | PROT_WRITE) == 0 && (write_code(p, 43), mprotect(p, 4096, PROT_READ | PROT_EXEC)) == 0 &&
                             call(p) == 43);
    p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p != MAP_FAILED)
        write_code(p, 44);
    tell("both at once", p != MAP_FAILED && call(p) == 44);
}

static void try_two_views(void)
{
    int fd = memfd_create("code", MFD_CLOEXEC);
    uint8_t *w = MAP_FAILED, *x = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, 4096) == 0) {
        w = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        x = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    }
    if (w != MAP_FAILED)
        write_code(w, 45);
    tell("two views of one memory", w != MAP_FAILED && x != MAP_FAILED && call(x) == 45);
}

/* The handler turns the fault into a return with a result of its own, on a stack of its own. */
static volatile sig_atomic_t faults;

static void on_fault(int sig UNUSED, siginfo_t *info UNUSED, void *context)
{
    ucontext_t *c = context;
    greg_t *r = c->uc_mcontext.gregs;
    uint64_t back;
    memcpy(&back, (void *)(uintptr_t)r[REG_RSP], sizeof back);
    r[REG_RSP] += 8;
    r[REG_RIP] = (greg_t)back;
    r[REG_RAX] = 46;
    faults++;
}

static void try_faults(void)
{
    static uint8_t room[65536];
    stack_t stack = { .ss_sp = room, .ss_size = sizeof room };
    struct sigaction act = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
    struct sigaction old;
    uint8_t *p = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int good = p != MAP_FAILED && sigaltstack(&stack, NULL) == 0 && sigaction(SIGSEGV, &act, &old) == 0;
    for (int i = 0; good && i < 100; i++)
        good = call(p) == 46;
    tell("faults turned into results", good && faults == 100);
    sigaction(SIGSEGV, &old, NULL);
}

static void try_places(void)
{
    static const uintptr_t places[] = { 0x10000, 0x400000 - 0x10000, 0x7ffe0000, 0x110000000 };
    int good = 1;
    for (size_t i = 0; i < countof(places); i++) {
        void *p = mmap((void *)places[i], 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        good &= p == (void *)places[i];
    }
    tell("memory at fixed low places", good);
    void *low = mmap(NULL, 65536, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    tell("memory below 2 GiB", low != MAP_FAILED && (uintptr_t)low < 0x80000000);
}

/* As Wine hands the calls of a Windows program to itself: this filter of the kernel's comes before the sandbox's. */
static volatile char selector;
static volatile sig_atomic_t dispatched;

static void on_dispatch(int sig UNUSED, siginfo_t *info, void *context)
{
    ucontext_t *c = context;
    selector = 0;
    dispatched = info->si_syscall;
    c->uc_mcontext.gregs[REG_RAX] = 47;
}

static void try_user_dispatch(void)
{
    struct sigaction act = { .sa_sigaction = on_dispatch, .sa_flags = SA_SIGINFO };
    sigaction(SIGSYS, &act, NULL);
    if (prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &selector) < 0) {
        say("calls dispatched to itself", strerror(errno));
        return;
    }
    selector = 1;
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(9999L) : "rcx", "r11", "memory");
    selector = 0;
    prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0, 0);
    tell("calls dispatched to itself", r == 47 && dispatched == 9999);
}

static void try_machine(void)
{
    try_write_then_execute();
    try_two_views();
    try_faults();
    try_places();
    try_user_dispatch();
    uint64_t fs = 0;
    tell("thread pointer", syscall(SYS_arch_prctl, 0x1003, &fs) == 0 && fs != 0);
}
#else
static void try_machine(void) {}
#endif

static void *bump(void *at)
{
    for (int i = 0; i < 10000; i++)
        atomic_fetch_add((atomic_int *)at, 1);
    return NULL;
}

static void try_threads(void)
{
    atomic_int n = 0;
    pthread_t threads[8];
    int good = 1;
    for (size_t i = 0; i < countof(threads); i++)
        good &= pthread_create(&threads[i], NULL, bump, &n) == 0;
    for (size_t i = 0; good && i < countof(threads); i++)
        pthread_join(threads[i], NULL);
    tell("threads", good && n == 80000);
    tell("membarrier", syscall(SYS_membarrier, 1 << 4, 0, 0) == 0 && syscall(SYS_membarrier, 1 << 3, 0, 0) == 0);
}

static void try_memory(void)
{
    size_t huge = (size_t)1 << 36;
    uint8_t *p = mmap(NULL, huge, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    tell("64 GiB reserved, a page used",
         p != MAP_FAILED && mprotect(p + (huge >> 1), 4096, PROT_READ | PROT_WRITE) == 0 && (p[huge >> 1] = 1) == 1);
    tell("given back", madvise(p + (huge >> 1), 4096, MADV_DONTNEED) == 0 && p[huge >> 1] == 0);
    void *a = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    tell("moved", a != MAP_FAILED && mremap(a, 8192, 1 << 20, MREMAP_MAYMOVE) != MAP_FAILED);
}

static void try_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3 };
    timer_t timer;
    struct itimerspec soon = { .it_value.tv_nsec = 1000000 };
    int good = timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &soon, NULL) == 0;
    tell("timer's signal", good && sigwaitinfo(&set, NULL) == SIGRTMIN + 3);
    union sigval value = { .sival_int = 9 };
    siginfo_t info;
    tell("queued signal", sigqueue(getpid(), SIGRTMIN + 3, value) == 0 && sigwaitinfo(&set, &info) > 0 && info.si_value.sival_int == 9);
}

static void try_children(void)
{
    int status, pair[2];
    pid_t pid = vfork();
    if (pid == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(9);
    }
    tell("a child by vfork", pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
    tell("a socket with credentials", socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0 &&
                                          setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &(int){ 1 }, sizeof(int)) == 0);
    tell("named", prctl(PR_SET_NAME, "emulated") == 0);
    printf("personality: %#x\n", (unsigned)personality(0xffffffff));
}

int main(void)
{
    try_machine();
    try_threads();
    try_memory();
    try_signals();
    try_children();
    return 0;
}
