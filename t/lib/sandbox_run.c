/* Plays the supervisor for one LAUNCH_RUN: sandbox_run [KEY=VALUE...] -- COMMAND [ARG...].
   Keys: launch, init, shim, dir (all paths), server, net (private|none), host, inside (dotted), interface, tty, base, cgroup (path), directory, port,
   nofile, pids, tmp, memory, profile, filter (a file, sent sealed), image (folder), logs (folder), errand=1 (LAUNCH_ERRAND; its stdio is ours), write=1, wall=SECONDS (for an errand), print=1 (launch -n:
   prints the plan instead), hold=MS (leaves after so long, to see whether what runs runs on), bait=1 (launch inherits what it must not pass on: a descriptor of /,
   a session keyring with a key, a variable, an ignored signal), stamp (a file the command writes CLOCK_REALTIME
   ns to: prints the us from before launch's fork, and nothing else), spare=1 (launch is started first, and the time begins when it waits for its job).
   Prints LAUNCH_DONE as "done ok=.. errno=.. step=.. text=.. pid=..", then waits for the link's end.  Exit 0: ok was 1. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/die.h"
#include "base/log.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/msg.h"
#include "sandbox/proto.h"

enum { BAIT_FD = 200 };

struct setting { const char *key, *value; };

static struct setting settings[] = {
    { "launch", "./holdfast-launch" }, { "init", "" }, { "shim", "" }, { "dir", "" }, { "server", "probe" }, { "net", "none" },
    { "host", "10.213.77.1" }, { "inside", "10.213.77.2" }, { "host6", "" }, { "inside6", "" }, { "interface", "hft-probe" }, { "tty", "0" }, { "base", "1966080" },
    { "cgroup", "" }, { "notify", "" }, { "directory", "/home/server" }, { "port", "0" }, { "nofile", "4096" }, { "pids", "64" },
    { "tmp", "16777216" }, { "memory", "134217728" }, { "hold", "0" }, { "shimuid", "64990" }, { "stamp", "" }, { "logs", "/tmp" },
    { "errand", "" }, { "write", "" }, { "wall", "60" }, { "print", "" },
    { "profile", "0" }, { "filter", "" },
    { "image", "" },
    { "bait", "" }, { "spare", "" },
};

static const char *get(const char *key)
{
    for (size_t i = 0; i < countof(settings); i++)
        if (strcmp(settings[i].key, key) == 0)
            return settings[i].value;
    die("no setting %s", key);
}

static uint32_t get_u32(const char *key)
{
    return (uint32_t)strtoul(get(key), NULL, 10);
}

static void set(const char *word)
{
    const char *eq = strchr(word, '=');
    for (size_t i = 0; eq && i < countof(settings); i++)
        if (strlen(settings[i].key) == (size_t)(eq - word) && strncmp(settings[i].key, word, (size_t)(eq - word)) == 0) {
            settings[i].value = eq + 1;
            return;
        }
    die("unknown setting %s", word);
}

static uint32_t address(const char *key)
{
    struct in_addr a;
    if (inet_pton(AF_INET, get(key), &a) != 1)
        die("%s is no address", get(key));
    return ntohl(a.s_addr);
}

static void put_command(struct msg *m, int argc, char **argv)
{
    msg_put_u32(m, (uint32_t)argc);
    for (int i = 0; i < argc; i++)
        msg_put_str(m, argv[i]);
    msg_put_str(m, get("directory"));
    msg_put_u32(m, 2);
    msg_put_str(m, "PATH=/usr/local/bin:/usr/bin:/bin");
    msg_put_str(m, "HOME=/home/server");
}

static void put_plan(struct msg *m, int argc, char **argv)
{
    msg_begin(m, get("errand")[0] ? LAUNCH_ERRAND : LAUNCH_RUN, 1);
    msg_put_str(m, get("server"));
    msg_put_u32(m, get_u32("base"));
    msg_put_u32(m, get_u32("shimuid"));
    msg_put_u32(m, 2);
    put_command(m, argc, argv);
    msg_put_u32(m, get_u32("tty"));
    msg_put_u64(m, strtoull(get("tmp"), NULL, 10));
    msg_put_u64(m, strtoull(get("memory"), NULL, 10));
    msg_put_u32(m, get_u32("nofile"));
    msg_put_u32(m, get_u32("pids"));
    msg_put_u32(m, get_u32("profile"));
    msg_put_u32(m, get("filter")[0] != '\0');
    msg_put_u32(m, strcmp(get("net"), "none") == 0);
    msg_put_u32(m, address("host"));
    msg_put_u32(m, address("inside"));
    msg_put_str(m, get("host6"));
    msg_put_str(m, get("inside6"));
    msg_put_str(m, get("interface"));
    uint32_t port = get_u32("port");
    msg_put_u32(m, port != 0);
    if (port) {
        msg_put_u32(m, port);
        msg_put_u32(m, 0);
    }
    msg_put_u32(m, 1);
    msg_put_str(m, "1.1.1.1");
    msg_put_u32(m, get("image")[0] != '\0');
    msg_put_str(m, get("init"));
    msg_put_str(m, get("shim"));
    msg_put_u32(m, 0);
    msg_put_u32(m, 0);
    msg_put_str(m, "");
    msg_put_u32(m, get("notify")[0] != '\0');
    msg_put_u64(m, 0);
    msg_put_u32(m, get("cgroup")[0] != '\0');
    if (get("errand")[0]) {
        msg_put_u32(m, get("write")[0] != '\0');
        msg_put_u32(m, get_u32("wall"));
    }
}

/* If there is to be one. */
static void put_folder(struct msg *m, const char *path)
{
    if (path[0] == '\0')
        return;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        die_errno("open %s", path);
    msg_put_fd(m, fd);
}

static void put_filter(struct msg *m, const char *file)
{
    char bytes[65536];
    int from = open(file, O_RDONLY | O_CLOEXEC);
    /* One whose name says so is sent as it is: a file of a disk, which knows no seals. */
    if (strstr(file, "unsealable")) {
        msg_put_fd(m, from);
        return;
    }
    int to = memfd_create("filter", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ssize_t n = read(from, bytes, sizeof bytes);
    if (n < 0 || to < 0 || write(to, bytes, (size_t)n) != n)
        die_errno("filter %s", file);
    /* One whose name says so is left open to be changed. */
    if (strstr(file, "unsealed") == NULL && fcntl(to, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        die_errno("seal");
    msg_put_fd(m, to);
}

static void put_given(struct msg *m)
{
    for (int fd = 0; fd < 3; fd++)
        msg_put_fd(m, fd);
}

static void put_own(struct msg *m)
{
    int logs = open(get("logs"), O_RDONLY | O_DIRECTORY | O_CLOEXEC), listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    struct sockaddr any = { .sa_family = AF_UNIX };   /* the kernel chooses a name */
    if (logs < 0 || listener < 0 || bind(listener, &any, sizeof any.sa_family) < 0 || listen(listener, 4) < 0)
        die_errno("open %s", get("logs"));
    msg_put_fd(m, logs);
    msg_put_fd(m, listener);
}

static void put_descriptors(struct msg *m)
{
    int dir = open(get("dir"), O_RDONLY | O_CLOEXEC);
    if (dir < 0)
        die_errno("open %s", get("dir"));
    msg_put_fd(m, dir);
    (get("errand")[0] ? put_given : put_own)(m);
    put_folder(m, get("image"));
    put_folder(m, get("cgroup"));
    if (get("filter")[0])
        put_filter(m, get("filter"));
}

/* For t/lib/probes. */
static void lay_bait(void)
{
    setenv("HOLDFAST_CANARY", "1", 1);
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 ||
        syscall(SYS_add_key, "user", "holdfast-canary", "x", 1L, (long)KEY_SPEC_SESSION_KEYRING) < 0)
        die_errno("a session keyring");
    signal(SIGUSR1, SIG_IGN);
    int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 || dup2(root, BAIT_FD) < 0)
        die_errno("a descriptor of /");
}

static pid_t spawn(int link)
{
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        dup2(null, 0);
        if (get("stamp")[0] == '\0')
            dup2(1, 2);
        if (get("print")[0] == '\0')
            dup2(null, 1);
        dup2(link, LINK_FD);
        io_close_from(LINK_FD + 1);
        if (get("bait")[0])
            lay_bait();
        execl(get("launch"), "holdfast-launch", get("print")[0] ? "-n" : NULL, (char *)NULL);
        die_errno("exec %s", get("launch"));
    }
    return pid;
}

/* Until it waits in its first recvmsg. */
static void wait_idle(pid_t pid)
{
    FREE_MEM char *path = mem_fmt("/proc/%d/syscall", (int)pid);
    for (int i = 0; i < 5000; i++) {
        FREE_MEM char *text = io_read_file(path, 256, NULL, NULL);
        if (text && strtol(text, NULL, 10) == SYS_recvmsg)
            return;
        usleep(1000);
    }
    die("launch does not wait for its job");
}

static int hear(int link)
{
    struct msg m MSG_FREE;
    msg_begin(&m, 0, 0);
    if (msg_recv(link, &m) <= 0)
        die("launch ended without a word");
    uint32_t ok = msg_get_u32(&m), no = msg_get_u32(&m);
    FREE_MEM char *step = msg_get_str(&m), *text = msg_get_str(&m);
    uint32_t pid = ok ? msg_get_u32(&m) : 0;
    msg_end(&m);
    if (get("stamp")[0] == '\0' || !ok)
        printf("done ok=%u errno=%u step=%s text=%s pid=%u\n", ok, no, step, text, pid);
    fflush(stdout);
    return ok ? 0 : 1;
}

static long long now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (long long)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The end of the server is not the business of a measurement: its stamp is. */
static int print_stamp(long long start)
{
    for (int i = 0; i < 2000; i++) {
        FREE_MEM char *text = io_read_file(get("stamp"), 64, NULL, NULL);
        if (text && strchr(text, '\n')) {
            printf("%lld\n", (strtoll(text, NULL, 10) - start) / 1000);
            return unlink(get("stamp"));
        }
        usleep(1000);
    }
    return 1;
}

/* Until the link ends, or for as long as `hold` says; a shim that reports the server's end may go. */
static void wait_end(int link)
{
    struct pollfd p = { .fd = link, .events = POLLIN };
    while (poll(&p, 1, get_u32("hold") ? (int)get_u32("hold") : -1) > 0) {
        struct msg m MSG_FREE, go MSG_FREE;
        msg_begin(&m, 0, 0);
        msg_begin(&go, SHIM_COLLECTED, 0);
        if (msg_recv(link, &m) <= 0)
            return;
        if (m.type != SHIM_ENDED)
            continue;
        uint32_t code = msg_get_u32(&m), sig = msg_get_u32(&m), killed = msg_get_u32(&m);
        if (get("stamp")[0] == '\0')
            printf("ended code=%u signal=%u killed=%u\n", code, sig, killed);
        fflush(stdout);
        msg_send(link, &go);
    }
}

int main(int argc, char **argv)
{
    int i = 1;
    log_init("sandbox_run", LOG_INFO);
    for (; i < argc && strcmp(argv[i], "--") != 0; i++)
        set(argv[i]);
    if (i >= argc)
        die("usage: sandbox_run [KEY=VALUE...] -- COMMAND [ARG...]");
    int pair[2];
    if (io_pair(pair) < 0)
        die_errno("socketpair");
    struct msg m MSG_FREE;
    put_plan(&m, argc - i - 1, argv + i + 1);
    if (get("print")[0] == '\0')
        put_descriptors(&m);
    pid_t pid = get("spare")[0] ? spawn(pair[1]) : 0;
    if (pid)
        wait_idle(pid);
    long long start = now_ns();
    /* Sent before launch exists, if it is not there: it starts working at its first instruction. */
    if (msg_send(pair[0], &m) < 0)
        die_errno("send");
    if (pid == 0)
        pid = spawn(pair[1]);
    close(pair[1]);
    if (get("print")[0]) {
        int status;
        return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    }
    int r = hear(pair[0]);
    if (r == 0 && get("stamp")[0])
        r = print_stamp(start);
    wait_end(pair[0]);
    if (!get_u32("hold"))
        waitpid(pid, NULL, 0);
    return r;
}
