/* The shim holds a server's stdin, stdout, stderr and its end, and outlives the daemon that started it. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/die.h"
#include "base/log.h"
#include "sandbox/lock/lock.h"
#include "sandbox/lock/shim.bpf.h"
#include "sandbox/shim/input.h"
#include "sandbox/shim/journal.h"
#include "sandbox/shim/notify.h"
#include "sandbox/shim/output.h"
#include "sandbox/shim/peer.h"
#include "sandbox/shim/ready.h"
#include "sandbox/shim/server.h"
#include "sandbox/shim/shim.h"

struct shim shim;

enum argument {
    ARG_SERVER = 1, ARG_LOG_LEVEL, ARG_TTY, ARG_READY_KIND, ARG_READY_NUMBER, ARG_READY_TEXT, ARG_ADDRESS, ARG_INIT, ARG_STARTED,
    ARG_WATCHDOG,
    ARG_COUNT
};

enum errand_argument { ERRAND_INIT = ARG_LOG_LEVEL + 1, ERRAND_SECONDS, ERRAND_COUNT };

static uint64_t number(const char *text, const char *what, uint64_t most)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (errno || end == text || *end || text[0] == '-' || n > most)
        die("%s '%s': a number up to %llu is needed", what, esc(text), (unsigned long long)most);
    return n;
}

static void arguments(int argc, char **argv)
{
    if (argc != ARG_COUNT && argc != ERRAND_COUNT)
        die("holdfast-shim is started by holdfast-launch, with %d arguments, or %d for an errand", ARG_COUNT - 1, ERRAND_COUNT - 1);
    log_init("holdfast-shim", (enum log_level)number(argv[ARG_LOG_LEVEL], "log level", LOG_DEBUG));
    shim.server = argv[ARG_SERVER];
    shim.errand = argc == ERRAND_COUNT;
    log_context("server=%s%s", esc(shim.server), shim.errand ? " errand=yes" : "");
    if (shim.errand) {
        shim.init = (pid_t)number(argv[ERRAND_INIT], "pid", INT32_MAX);
        shim.seconds = (uint32_t)number(argv[ERRAND_SECONDS], "seconds", UINT32_MAX);
        return;
    }
    shim.tty = number(argv[ARG_TTY], "tty", 1);
    shim.init = (pid_t)number(argv[ARG_INIT], "pid", INT32_MAX);
    shim.started = number(argv[ARG_STARTED], "start time", INT64_MAX);
    shim.watchdog = number(argv[ARG_WATCHDOG], "watchdog", INT64_MAX);
    ready_plan((int)number(argv[ARG_READY_KIND], "ready kind", HOW_NOTIFY),
               (int)number(argv[ARG_READY_NUMBER], "ready number", UINT16_MAX), argv[ARG_READY_TEXT], argv[ARG_ADDRESS]);
}

/* The server must not go because somebody meant us: only its own end, or the supervisor, ends it. */
static void signals_ignore(void)
{
    static const int ignored[] = { SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2 };
    for (size_t i = 0; i < countof(ignored); i++)
        signal(ignored[i], SIG_IGN);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void lock_down(void)
{
    static const struct lock_limit limits[] = { { RLIMIT_NPROC, 0 }, { RLIMIT_NOFILE, 128 }, { RLIMIT_CORE, 1 } };
    static const struct lock_folder folders[] = { { FOLDER_FD, LOCK_FOLDER_WRITE } };
    struct lock lock = { .limits = limits, .nlimits = countof(limits), .folders = folders, .nfolders = shim.errand ? 0 : countof(folders),
                         .connect_port = ready_port(), LOCK_FILTER(lock_shim_filter) };
    lock_apply(&lock);
}

int main(int argc, char **argv)
{
    signals_ignore();
    arguments(argc, argv);
    shim.loop = loop_new();
    if (!shim.errand) {
        journal_open(FOLDER_FD);
        input_open(STDIN_FD);
        output_open();
        notify_open();
    }
    server_open();
    peers_open();
    lock_down();
    loop_run(shim.loop);
    _exit(0);   /* nothing is buffered, and what libraries do at exit may want more than the lock leaves */
}
