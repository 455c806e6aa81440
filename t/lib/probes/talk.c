/* What another has made, and whether it is found.  The canary and the probes share the names. */
#include "t/lib/probes/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/attr.h"

static socklen_t unix_address(struct sockaddr_un *a, const char *name, bool abstract)
{
    *a = (struct sockaddr_un){ .sun_family = AF_UNIX };
    size_t n = strlen(name);
    if (n > sizeof a->sun_path - 2)
        n = sizeof a->sun_path - 2;
    memcpy(a->sun_path + abstract, name, n);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + abstract + n);
}

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static bool missing(const char *what)
{
    if (what[0])
        return false;
    say("no canary");
    return true;
}

long try_unix(const struct probe *p)
{
    struct sockaddr_un a;
    if (missing(text_of(p->path)))
        return -1;
    socklen_t n = unix_address(&a, text_of(p->path), p->arg[0] != 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&a, n);
}

long try_tcp(const struct probe *p)
{
    if (missing(text_of(p->path)))
        return -1;
    struct sockaddr_in a = loopback((int)strtol(text_of(p->path), NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? -1 : connect(fd, (struct sockaddr *)&a, sizeof a);
}

static key_t key_of(const struct probe *p)
{
    return (key_t)strtol(text_of(p->path), NULL, 10);
}

long try_shm(const struct probe *p)
{
    return missing(text_of(p->path)) ? -1 : shmget(key_of(p), 0, 0);
}

long try_sem(const struct probe *p)
{
    return missing(text_of(p->path)) ? -1 : semget(key_of(p), 0, 0);
}

long try_msg(const struct probe *p)
{
    return missing(text_of(p->path)) ? -1 : msgget(key_of(p), 0);
}

long try_mqueue(const struct probe *p)
{
    return missing(text_of(p->path)) ? -1 : mq_open(text_of(p->path), O_RDONLY | O_CLOEXEC);
}

long try_own_mqueue(const struct probe *p)
{
    (void)p;
    long r = mq_open("/own", O_RDWR | O_CREAT | O_CLOEXEC, 0600, NULL);
    int no = errno;
    mq_unlink("/own");
    errno = no;
    return r;
}

long try_key(const struct probe *p)
{
    return syscall(SYS_keyctl, (long)KEYCTL_SEARCH, (long)KEY_SPEC_SESSION_KEYRING, "user", p->path, 0L);
}

long try_timer(const struct probe *p)
{
    timer_t t;
    struct sigevent none = { .sigev_notify = SIGEV_NONE };
    return syscall(SYS_timer_create, p->arg[0], &none, &t);
}

/* --- the canary ------------------------------------------------------------------------------------------------------------------------ */

static int listening(int fd, const struct sockaddr *a, socklen_t n)
{
    if (fd < 0 || bind(fd, a, n) < 0 || listen(fd, 8) < 0) {
        perror("canary: listen");
        exit(1);
    }
    return fd;
}

static void make_sockets(key_t key)
{
    char name[64], place[128];
    struct sockaddr_un a;
    struct sockaddr_in in = loopback(0);
    socklen_t n = sizeof in;
    snprintf(name, sizeof name, "holdfast-canary-%d", (int)key);
    socklen_t an = unix_address(&a, name, true);
    listening(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), (struct sockaddr *)&a, an);
    printf("abstract=%s\n", name);
    int tcp = listening(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), (struct sockaddr *)&in, sizeof in);
    getsockname(tcp, (struct sockaddr *)&in, &n);
    printf("tcp=%d\n", ntohs(in.sin_port));
    if (getcwd(place, sizeof place - 16) == NULL)
        exit(1);
    strncat(place, "/canary.sock", sizeof place - strlen(place) - 1);
    unlink(place);
    an = unix_address(&a, place, false);
    listening(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), (struct sockaddr *)&a, an);
    chmod(place, 0777);
    printf("socket=%s\n", place);
}

static void make_ipc(key_t key)
{
    char name[64];
    snprintf(name, sizeof name, "/holdfast-canary-%d", (int)key);
    mode_t mask = umask(0);
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666, NULL);
    umask(mask);
    if (shmget(key, 4096, IPC_CREAT | 0666) < 0 || semget(key, 1, IPC_CREAT | 0666) < 0 || msgget(key, IPC_CREAT | 0666) < 0 || queue < 0) {
        perror("canary: ipc");
        exit(1);
    }
    printf("ipc=%d\nmqueue=%s\n", (int)key, name);
}

static void remove_ipc(key_t key)
{
    char name[64];
    snprintf(name, sizeof name, "/holdfast-canary-%d", (int)key);
    shmctl(shmget(key, 0, 0), IPC_RMID, NULL);
    semctl(semget(key, 0, 0), 0, IPC_RMID);
    msgctl(msgget(key, 0), IPC_RMID, NULL);
    mq_unlink(name);
}

static void tell_namespaces(void)
{
    static const char *const kinds[] = { "user", "pid", "mnt", "ipc", "uts", "net", "cgroup", "time" };
    for (size_t i = 0; i < countof(kinds); i++) {
        char path[64], value[64] = "";
        snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i]);
        if (readlink(path, value, sizeof value - 1) > 0)
            printf("ns-%s=%s\n", kinds[i], value);
    }
}

static void tell_boot_id(void)
{
    char text[64] = "";
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, text, sizeof text - 1) > 0)
        printf("boot-id=%.*s\n", (int)strcspn(text, "\n"), text);
    close(fd);
}

/* Signals that wait are counted to who owns a user namespace, too: these to root. */
static void hold_signals(void)
{
    enum { WAITING = 3000 };
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGRTMIN + 1);
    sigprocmask(SIG_BLOCK, &one, NULL);
    for (int i = 0; i < WAITING; i++)
        if (sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = i }) < 0)
            break;
}

static void on_end(int sig)
{
    (void)sig;
}

int canary_main(void)
{
    key_t key = (key_t)(0x40000000 + getpid());
    char host[128] = "";
    sigset_t ends, waiting;
    hold_signals();
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, &waiting);
    signal(SIGTERM, on_end);
    gethostname(host, sizeof host - 1);
    make_sockets(key);
    make_ipc(key);
    tell_namespaces();
    tell_boot_id();
    printf("pid=%d\nhostname=%s\nend=\n", (int)getpid(), host);
    sigsuspend(&waiting);
    remove_ipc(key);
    return 0;
}
