#include "t/proc/shim_rig.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/sched.h>

#include "base/conf.h"
#include "base/io.h"
#include "base/mem.h"
#include "sandbox/proto.h"

enum { PLAN_FDS = 13 };

uint32_t rig_version = SHIM_VERSION;

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "rig: %s: %s\n", what, strerror(errno));
        _exit(99);
    }
}

/* Gives FDS[i] the number i, however the numbers cross, and closes the rest. */
static void place(const int *fds, int n)
{
    int high[PLAN_FDS];
    for (int i = 0; i < n; i++)
        must((high[i] = fcntl(fds[i], F_DUPFD, 64)) >= 0, "dup");
    for (int i = 0; i < n; i++)
        must(dup2(high[i], i) == i, "dup2");
    close_range((unsigned)n, ~0U, 0);
}

static void become_init(int in, int out, int err, int link)
{
    int fds[] = { in, out, err, link };
    place(fds, 4);
    execl(BUILD "/holdfast-init", "holdfast-init", (char *)NULL);
    must(false, "exec init");
}

static void put_list(struct msg *m, const char *const *list)
{
    uint32_t n = 0;
    while (list[n])
        n++;
    msg_put_u32(m, n);
    for (uint32_t i = 0; i < n; i++)
        msg_put_str(m, list[i]);
}

static void send_start(int link, const struct plan *p)
{
    const char *const script[] = { "/bin/sh", "-c", p->script, NULL };
    const char *const path[] = { "PATH=/usr/bin:/bin", NULL };
    struct msg m;
    msg_begin(&m, INIT_START, 0);
    put_list(&m, p->argv ? p->argv : script);
    msg_put_str(&m, p->directory ? p->directory : "/");
    put_list(&m, p->env ? p->env : path);
    msg_put_u32(&m, p->tty);
    must(msg_send(link, &m) == 0, "start");
    msg_free(&m);
}

static int notify_open(const struct rig *r)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    snprintf(at.sun_path, sizeof at.sun_path, "%s/notify", r->folder);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    must(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0, "notify socket");
    return fd;
}

/* What launch does with the sandbox's mounts, users and network left out: clones init, sends its start, becomes the shim. */
static void become_shim(const struct rig *r, const struct plan *p, int link, int door, int pid_pipe)
{
    /* A test that fails leaves nothing running: the shim outlives everybody else by design. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null = open("/dev/null", O_RDWR), in[2], out[2], err[2], init_link[2], pidfd = -1;
    char path[128], pid_text[16], kind[16], port[16], watchdog[16];
    snprintf(path, sizeof path, "%s/daemon.log", r->folder);
    int log = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    snprintf(path, sizeof path, "%s/logs", r->folder);
    int folder = open(p->log_folder ? p->log_folder : path, O_RDONLY | O_DIRECTORY);
    must(null >= 0 && log >= 0 && folder >= 0 && io_pair(init_link) == 0, "descriptors");
    if (p->tty) {
        in[1] = posix_openpt(O_RDWR | O_NOCTTY);
        must(in[1] >= 0 && unlockpt(in[1]) == 0, "terminal");
        in[0] = out[1] = err[1] = open(ptsname(in[1]), O_RDWR | O_NOCTTY);
        out[0] = err[0] = null;
    } else
        must(pipe(in) == 0 && pipe(out) == 0 && pipe(err) == 0, "pipes");
    struct clone_args clone = { .flags = CLONE_NEWPID | CLONE_PIDFD | (geteuid() ? CLONE_NEWUSER : 0),
                                .pidfd = (uintptr_t)&pidfd, .exit_signal = SIGCHLD };
    pid_t init = (pid_t)syscall(SYS_clone3, &clone, sizeof clone);
    must(init >= 0, "clone3");
    if (init == 0)
        become_init(in[0], out[1], err[1], init_link[1]);
    send_start(init_link[0], p);
    must(write(pid_pipe, &init, sizeof init) == sizeof init, "pid");
    snprintf(pid_text, sizeof pid_text, "%d", (int)init);
    snprintf(kind, sizeof kind, "%d", p->ready_kind);
    snprintf(port, sizeof port, "%d", p->ready_port);
    snprintf(watchdog, sizeof watchdog, "%u", p->watchdog);
    int kill_fd = r->cgroup_kill >= 0 ? r->cgroup_kill : null;
    int fds[PLAN_FDS] = { null, null, log, link, init_link[0], in[1], out[0], err[0], door, folder, kill_fd, pidfd, p->notify ? notify_open(r) : null };
    place(fds, PLAN_FDS);
    execl(p->program ? p->program : BUILD "/holdfast-shim", "holdfast-shim", "test", "2", p->tty ? "1" : "0", kind, port,
          p->ready_text ? p->ready_text : "", "127.0.0.1", pid_text, "1700000000000", watchdog, (char *)NULL);
    must(false, "exec shim");
}

static int door_open(const struct rig *r)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    snprintf(at.sun_path, sizeof at.sun_path, "%s/door", r->folder);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 16) == 0);
    return fd;
}

void rig_up(struct rig *r, const struct plan *p)
{
    int pair[2], pids[2], kill_fd = r->cgroup_kill;
    *r = (struct rig){ .folder = "/tmp/shim.XXXXXX", .cgroup_kill = kill_fd };
    cr_assert_not_null(mkdtemp(r->folder));
    char logs[128];
    snprintf(logs, sizeof logs, "%s/logs", r->folder);
    cr_assert(mkdir(logs, 0700) == 0 && io_pair(pair) == 0 && pipe(pids) == 0);
    int door = door_open(r);
    r->shim = fork();
    if (r->shim == 0)
        become_shim(r, p, pair[1], door, pids[1]);
    close(pair[1]);
    close(door);
    close(pids[1]);
    cr_assert_eq(read(pids[0], &r->init, sizeof r->init), (ssize_t)sizeof r->init);
    close(pids[0]);
    r->link = pair[0];
}

static void remove_all(const char *folder)
{
    DIR *d = opendir(folder);
    char path[512];
    for (struct dirent *e; d && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (unlink(path) < 0)
            remove_all(path);
    }
    if (d)
        closedir(d);
    rmdir(folder);
}

void rig_down(struct rig *r)
{
    close(r->link);
    if (r->shim > 0) {
        /* With the shim its end of init's link goes, and with that the whole namespace. */
        kill(r->shim, SIGKILL);
        waitpid(r->shim, NULL, 0);
    }
    char *log = NULL, path[128];
    snprintf(path, sizeof path, "%s/daemon.log", r->folder);
    if ((log = io_read_file(path, 1 << 20, NULL, NULL)))
        cr_expect(strstr(log, "ERROR: ") == NULL && strstr(log, "runtime error") == NULL, "sanitizer: %s", log);
    free(log);
    remove_all(r->folder);
}

int rig_connect(const struct rig *r)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    snprintf(at.sun_path, sizeof at.sun_path, "%s/door", r->folder);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    cr_assert(fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0, "connect: %s", strerror(errno));
    return fd;
}

static void send_and_free(int fd, struct msg *m)
{
    cr_assert_eq(msg_send(fd, m), 0, "send %u: %s", m->type, strerror(errno));
    msg_free(m);
}

int rig_viewer_of(const struct rig *r, uint32_t version, bool may_write, uint64_t history)
{
    int fd = rig_connect(r);
    struct msg m;
    msg_begin(&m, SHIM_VIEWER, 0);
    msg_put_u32(&m, version);
    msg_put_u32(&m, may_write);
    msg_put_u64(&m, history);
    msg_put_str(&m, "alice");
    send_and_free(fd, &m);
    return fd;
}

int rig_viewer(const struct rig *r, bool may_write, uint64_t history)
{
    return rig_viewer_of(r, SHIM_VERSION, may_write, history);
}

int rig_supervisor_of(const struct rig *r, uint32_t version)
{
    int fd = rig_connect(r);
    struct msg m;
    msg_begin(&m, SHIM_SUPERVISOR, 7);
    msg_put_u32(&m, version);
    send_and_free(fd, &m);
    return fd;
}

int rig_supervisor(const struct rig *r)
{
    return rig_supervisor_of(r, rig_version);
}

void rig_notify(const struct rig *r, const void *bytes, size_t size)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    snprintf(at.sun_path, sizeof at.sun_path, "%s/notify", r->folder);
    CLOSE_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ssize_t n = -1;
    /* The shim may not be there yet. */
    for (int i = 0; i < 300 && (n = sendto(fd, bytes, size, 0, (struct sockaddr *)&at, sizeof at)) < 0 && (errno == ENOENT || errno == ECONNREFUSED); i++)
        usleep(10000);
    cr_assert_eq(n, (ssize_t)size, "notify: %s", strerror(errno));
}

static void send_stop(int link, uint32_t kind, uint32_t signal, const char *line, uint64_t ms)
{
    struct msg m;
    msg_begin(&m, SHIM_STOP, 0);
    msg_put_u32(&m, kind);
    msg_put_u32(&m, signal);
    msg_put_str(&m, line);
    msg_put_u64(&m, ms);
    if (rig_version >= 2)
        msg_put_str(&m, "alice");
    send_and_free(link, &m);
}

void rig_stop_line(int link, const char *line, uint64_t ms) { send_stop(link, HOW_LINE, 0, line, ms); }
void rig_stop_signal(int link, uint32_t signal, uint64_t ms) { send_stop(link, HOW_SIGNAL, signal, "", ms); }

void rig_kill(int link)
{
    struct msg m;
    msg_begin(&m, SHIM_KILL, 0);
    if (rig_version >= 2)
        msg_put_str(&m, "bob");
    send_and_free(link, &m);
}

void rig_plain(int link, uint16_t type)
{
    struct msg m;
    msg_begin(&m, type, 0);
    send_and_free(link, &m);
}

void rig_type(int viewer, const char *text)
{
    struct msg m;
    msg_begin(&m, SHIM_INPUT, 0);
    msg_put_bytes(&m, text, strlen(text));
    send_and_free(viewer, &m);
}

bool rig_receive(int link, struct msg *m, int ms, bool *gone)
{
    struct pollfd p = { .fd = link, .events = POLLIN };
    msg_begin(m, 0, 0);
    if (gone)
        *gone = false;
    if (ms < 0 || poll(&p, 1, ms) <= 0)
        return false;
    if (msg_recv_client(link, m) == 1)
        return true;
    msg_begin(m, 0, 0);
    if (gone)
        *gone = true;
    return false;
}

void rig_expect(int link, uint16_t type, struct msg *m, int ms)
{
    uint64_t until = now_ms() + (uint64_t)ms;
    while (rig_receive(link, m, (int)(int64_t)(until - now_ms()), NULL)) {
        if (m->type == type)
            return;
        msg_free(m);
    }
    cr_assert_fail("message %x did not come", type);
}

void rig_expect_end(int link, uint32_t code, uint32_t signal, uint32_t killed, int ms)
{
    struct msg m;
    rig_expect(link, SHIM_ENDED, &m, ms);
    uint32_t c = msg_get_u32(&m), s = msg_get_u32(&m), k = msg_get_u32(&m);
    if (rig_version >= 2)
        free(msg_get_str(&m));
    cr_assert(msg_end(&m));
    msg_free(&m);
    cr_assert(c == code && s == signal && k == killed, "ended code=%u signal=%u killed=%u, not %u %u %u", c, s, k, code,
              signal, killed);
}

bool rig_closed(int link, int ms)
{
    uint64_t until = now_ms() + (uint64_t)ms;
    struct msg m;
    bool gone;
    while (rig_receive(link, &m, (int)(int64_t)(until - now_ms()), &gone))
        msg_free(&m);
    return gone;
}

bool rig_read(int viewer, char *text, size_t size, const char *needle, int ms)
{
    uint64_t until = now_ms() + (uint64_t)ms;
    size_t at = strlen(text);
    struct msg m;
    while (strstr(text, needle) == NULL && rig_receive(viewer, &m, (int)(int64_t)(until - now_ms()), NULL)) {
        bool bye = m.type == SHIM_BYE;
        size_t n = 0;
        const uint8_t *bytes = bye || m.type == SHIM_TAKEN ? NULL : msg_get_bytes(&m, &n);
        if (at + n + 3 < size) {
            if (m.type == SHIM_NOTICE)
                text[at++] = '{';
            if (n)
                memcpy(text + at, bytes, n);
            at += n;
            if (m.type == SHIM_NOTICE)
                text[at++] = '}';
            text[at] = '\0';
        }
        msg_free(&m);
        if (bye)
            break;
    }
    return strstr(text, needle) != NULL;
}

char *rig_log(const struct rig *r, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/logs/%s", r->folder, name);
    char *text = io_read_file(path, 16 << 20, NULL, NULL);
    return text ? text : mem_str("");
}

int rig_shim_exit(struct rig *r, int ms)
{
    int status;
    for (uint64_t until = now_ms() + (uint64_t)ms; now_ms() < until; usleep(5000))
        if (waitpid(r->shim, &status, WNOHANG) == r->shim) {
            r->shim = 0;
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
    return -1;
}
