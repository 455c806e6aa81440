#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "sshd/supervisor/cgroup.h"
#include "sshd/supervisor/child.h"
#include "sshd/supervisor/conn.h"
#include "sshd/supervisor/doctor.h"
#include "sshd/supervisor/hostkey.h"
#include "sshd/supervisor/image.h"
#include "sshd/supervisor/import.h"
#include "sshd/supervisor/listen.h"
#include "sshd/supervisor/notify.h"
#include "sshd/supervisor/reload.h"
#include "sshd/supervisor/secret.h"
#include "sshd/supervisor/source_keep.h"
#include "sshd/supervisor/spare.h"
#include "sshd/supervisor/store.h"
#include "sshd/supervisor/super.h"
#include "sshd/supervisor/tool.h"
#include "sshd/supervisor/warn.h"

/* As the unit knows it (sysexits' EX_CONFIG): to start again would not help. */
enum { EXIT_MISCONFIGURED = 78 };

static struct super super;
static bool foreground, test_only, print_only;
static int ready_pipe = -1;     /* of the detached daemon: closed with a byte when ready */

static const char usage[] =
    "usage: holdfastd [-DtTVh] [-c FOLDER]\n"
    "  -c FOLDER  read the ini files from FOLDER instead of " HOLDFAST_SYSCONF "\n"
    "  -D         stay in the foreground, log to standard error\n"
    "  -t         check the ini files and the machine, then exit\n"
    "  -T         print the effective configuration, then exit\n"
    "  -V, -h     version, help\n";

static void options(int argc, char **argv)
{
    super.folder = mem_str(HOLDFAST_SYSCONF);
    for (int c; (c = getopt(argc, argv, "c:DtTVh")) != -1;)
        switch (c) {
        case 'c':
            free(super.folder);
            super.folder = realpath(optarg, NULL);
            if (super.folder == NULL) {
                fprintf(stderr, "holdfastd: %s: %s\n", optarg, strerror(errno));
                exit(1);
            }
            break;
        case 'D': foreground = true; break;
        case 't': test_only = true; break;
        case 'T': print_only = true; break;
        case 'V': puts("holdfastd " VERSION); exit(0);
        case 'h': fputs(usage, stdout); exit(0);
        default: fputs(usage, stderr); exit(2);
        }
    if (optind < argc) {
        fprintf(stderr, "holdfastd: '%s': no arguments are allowed\n%s", argv[optind], usage);
        exit(2);
    }
}

static void configure(void)
{
    struct conf_errors errors = { 0 };
    if (reload_read(super.folder, &super.conf, &errors) == 0)
        return;
    for (size_t i = 0; i < errors.n; i++)
        fprintf(stderr, "%s\n", errors.v[i]);
    exit(test_only || print_only ? 1 : EXIT_MISCONFIGURED);
}

/* Another holdfastd of this configuration: it holds the lock on the pid file. */
static bool is_running(void)
{
    FREE_MEM char *path = mem_fmt("%s/holdfastd.pid", super.conf.paths.run);
    CLOSE_FD int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

static void check_only(void)
{
    if (print_only) {
        FREE_MEM char *text = conf_text(&super.conf);
        fputs(text, stdout);
        exit(0);
    }
    if (test_only) {
        struct buf b = BUF(65536);
        unsigned bad = doctor(&super.conf, super.folder, is_running(), &b);
        fwrite(buf_head(&b), 1, buf_size(&b), stdout);
        exit(bad ? 1 : 0);
    }
}

/* What root keeps: no module, raw device, clock, kernel log, ptrace or bpf in anything we start. */
static void fewer_capabilities(void)
{
    static const cap_value_t keep[] = {
        CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SETPCAP, CAP_NET_BIND_SERVICE,
        CAP_NET_ADMIN, CAP_SYS_CHROOT, CAP_SYS_ADMIN, CAP_SYS_RESOURCE, CAP_MKNOD,
    };
    cap_t now = cap_get_proc(), next = cap_init();
    for (size_t i = 0; i < countof(keep); i++) {
        cap_flag_value_t has = CAP_CLEAR;
        cap_get_flag(now, keep[i], CAP_PERMITTED, &has);
        if (has == CAP_CLEAR)
            continue;
        cap_set_flag(next, CAP_PERMITTED, 1, &keep[i], CAP_SET);
        cap_set_flag(next, CAP_EFFECTIVE, 1, &keep[i], CAP_SET);
    }
    for (cap_value_t cap = 0; cap_get_bound(cap) >= 0; cap++) {
        cap_flag_value_t kept = CAP_CLEAR;
        cap_get_flag(next, cap, CAP_PERMITTED, &kept);
        if (kept == CAP_CLEAR && cap_drop_bound(cap) < 0)
            die_errno("bounding set");
    }
    if (cap_set_proc(next) < 0)
        die_errno("capabilities");
    cap_free(now);
    cap_free(next);
}

/* True if it was not there. */
static bool folder(const char *name, const char *under, mode_t mode)
{
    FREE_MEM char *path = mem_fmt("%s%s%s", name, under[0] ? "/" : "", under);
    struct stat st;
    bool made = mkdir(path, mode) == 0;
    if (!made && errno != EEXIST)
        die_errno("mkdir %s", path);
    if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != 0)
        die("%s must be a folder of root's", path);
    if ((st.st_mode & 0777) != mode && chmod(path, mode) < 0)
        die_errno("chmod %s", path);
    return made;
}

static void folders(void)
{
    const struct conf_paths *p = &super.conf.paths;
    folder(p->state, "", 0711);
    folder(p->state, "servers", 0700);
    folder(p->state, "logs", 0711);
    folder(p->state, "backups", 0700);
    folder(p->state, "images", 0700);
    folder(p->run, "", 0711);
    super.booted = folder(p->run, "shims", 0700);
}

/* One daemon a run folder; held until we end. */
static void only_one(void)
{
    FREE_MEM char *path = mem_fmt("%s/holdfastd.pid", super.conf.paths.run);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    /* One that has just died may have left a child between fork and exec, which holds the lock as well for a moment. */
    for (int i = 0; fd >= 0 && i < 100 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK; i++)
        nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        die("%s: %s", path, errno == EWOULDBLOCK ? "another holdfastd runs here" : strerror(errno));
    char text[16];
    int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (ftruncate(fd, 0) < 0 || io_write_all(fd, text, (size_t)n) < 0)
        die_errno("%s", path);
}

static void detach(void)
{
    int pipes[2];
    char byte;
    FREE_MEM char *path = mem_fmt("%s/logs/holdfastd.log", super.conf.paths.state);
    if (pipe2(pipes, O_CLOEXEC) < 0)
        die_errno("pipe");
    pid_t pid = fork();
    if (pid < 0)
        die_errno("fork");
    if (pid > 0) {
        close(pipes[1]);
        if (io_read_all(pipes[0], &byte, 1) == 1)
            _exit(0);
        fprintf(stderr, "holdfastd: did not start: see %s\n", path);
        _exit(1);
    }
    setsid();
    ready_pipe = pipes[1];
    super.log_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (super.log_fd < 0)
        die_errno("%s", path);
    log_to(super.log_fd);
    if (dup2(super.null_fd, 0) < 0 || dup2(super.null_fd, 1) < 0 || dup2(super.null_fd, 2) < 0)
        die_errno("dup2");
}

void super_ready(struct super *s)
{
    static bool told;
    (void)s;
    if (told)
        return;
    told = true;
    notify_send("READY=1");
    if (ready_pipe >= 0 && io_write_all(ready_pipe, "1", 1) == 0)
        close(fd_steal(&ready_pipe));
}

void super_leave(struct super *s, int code)
{
    notify_send("STOPPING=1");
    conn_kill_all(s);
    source_keep_all(s);
    tool_close(s);
    _exit(code);
}

static void on_signal(void *data, int fd, unsigned events)
{
    (void)events;
    struct super *s = data;
    struct signalfd_siginfo si;
    while (read(fd, &si, sizeof si) == sizeof si)
        switch (si.ssi_signo) {
        case SIGCHLD: child_reap(); break;
        case SIGHUP: reload(s, NULL, NULL); break;
        default:
            /* The servers live on: their shims hold them, the next daemon finds them. */
            log_info("stop", "signal=%u servers=\"run on\"", si.ssi_signo);
            super_leave(s, 0);
        }
}

static void signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        die_errno("signalfd");
    loop_watch(super.loop, fd, LOOP_READ, on_signal, &super);
}

static void limits(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
    /* 0 would still run a piped core handler. */
    r = (struct rlimit){ 1, 1 };
    setrlimit(RLIMIT_CORE, &r);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    umask(077);
}

static void begin(void)
{
    struct err e;
    super.counts.started = wall_ms();
    super.loop = loop_new();
    super.slots = mem_array(super.conf.limits.connections, sizeof(struct session *));
    super.hostkeys = super.secret = super.secret_next = -1;
    signals();
    cgroup_find(&super);
    if (super.limits_missing[0])
        log_warn("limits.missing", "why=\"%s\" servers=%s", super.limits_missing,
                 super.conf.sandbox.limits == LIMITS_REQUIRED ? "refused" : "unlimited");
    if (listen_open(&super, &e) < 0 || hostkey_load(&super, &e) < 0 || secret_load(&super, &e) < 0 || tool_open(&super, &e) < 0)
        die_err(&e);
    char why[400];
    if (image_missing(&super.conf, why, sizeof why))
        log_error("image.missing", "error=\"%s\"", esc_text(why));
    import_sweep(&super);
    store_start(&super);
    spare_keep(&super);
    warn_begin(&super);
    notify_watchdog(super.loop);
}

int main(int argc, char **argv)
{
    log_init("holdfastd", LOG_INFO);
    options(argc, argv);
    configure();
    check_only();
    if (geteuid() != 0)
        die("must run as root");
    /* What our starter left open is nobody's below us. */
    if (close_range(3, ~0U, 0) < 0)
        die_errno("close_range");
    super.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    super.log_fd = STDERR_FILENO;
    if (super.null_fd < 0)
        die_errno("/dev/null");
    log_init("holdfastd", (enum log_level)super.conf.log.level);
    limits();
    folders();
    if (!foreground)
        detach();
    only_one();
    fewer_capabilities();
    begin();
    loop_run(super.loop);
    return 0;
}
