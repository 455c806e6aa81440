/* The notify socket, the watchdog, and both versions of the link. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/io.h"
#include "sandbox/proto.h"
#include "t/proc/shim_rig.h"

TestSuite(shim_notify, .timeout = 60);

static struct rig rig;

static void up(const struct plan *p)
{
    rig.cgroup_kill = -1;
    rig_up(&rig, p);
}

static void say(const char *text)
{
    rig_notify(&rig, text, strlen(text));
}

static void end(void)
{
    rig_kill(rig.link);
    rig_expect_end(rig.link, 0, SIGKILL, KILLED_BY_ORDER, 3000);
    rig_plain(rig.link, SHIM_COLLECTED);
    cr_assert_eq(rig_shim_exit(&rig, 3000), 0);
    rig_down(&rig);
}

static bool comes(uint16_t type, int ms)
{
    struct msg m;
    uint64_t until = now_ms() + (uint64_t)ms;
    bool found = false;
    while (!found && now_ms() < until && rig_receive(rig.link, &m, (int)(until - now_ms()), NULL)) {
        found = m.type == type;
        msg_free(&m);
    }
    return found;
}

/* The next status text, in a buffer of our own; *STOPPING as it says. */
static const char *status(uint32_t *stopping)
{
    static char text[SHIM_STATUS_MOST + 1];
    struct msg m;
    rig_expect(rig.link, SHIM_STATUS, &m, 4000);
    char *got = msg_get_str(&m);
    *stopping = msg_get_u32(&m);
    cr_assert(msg_end(&m) && strlen(got) <= SHIM_STATUS_MOST);
    snprintf(text, sizeof text, "%s", got);
    free(got);
    msg_free(&m);
    return text;
}

Test(shim_notify, ready_by_its_own_word)
{
    up(&(struct plan){ .script = "sleep 30", .ready_kind = HOW_NOTIFY, .notify = true });
    cr_assert_not(comes(SHIM_READY, 300), "nobody has said so");
    say("READY=0\nNOTREADY=1\nREADY=11\n READY=1\nREADY=1x");
    cr_assert_not(comes(SHIM_READY, 300), "nor now");
    say("MAINPID=1\nSTATUS=fine\nREADY=1");
    cr_assert(comes(SHIM_READY, 3000));
    end();
}

Test(shim_notify, its_word_is_heard_only_where_it_counts)
{
    up(&(struct plan){ .script = "sleep 1; echo Done; sleep 30", .ready_kind = HOW_LINE, .ready_text = "Done", .notify = true });
    say("READY=1\n");
    cr_assert_not(comes(SHIM_READY, 500));
    cr_assert(comes(SHIM_READY, 3000));
    end();
}

Test(shim_notify, what_it_says_of_itself)
{
    uint32_t stopping;
    up(&(struct plan){ .script = "sleep 30", .ready_kind = HOW_NOTIFY, .notify = true });
    say("STATUS=12 of 40 \033]0;owned\007 \"\\ \342\200\256players\nX=");
    cr_expect_str_eq(status(&stopping), "12 of 40 \\x1b]0;owned\\x07 \"\\ \\xe2\\x80\\xaeplayers");
    cr_expect_eq(stopping, 0u);
    say("STOPPING=1");
    status(&stopping);
    cr_expect_eq(stopping, 1u);
    char text[4000];
    memcpy(text, "STATUS=", 7);
    memset(text + 7, '\001', sizeof text - 7);
    rig_notify(&rig, text, sizeof text);
    cr_expect_leq(strlen(status(&stopping)), (size_t)SHIM_STATUS_MOST);
    int other = rig_supervisor(&rig);
    struct msg m;
    rig_expect(other, SHIM_STATE, &m, 3000);
    for (int i = 0; i < 2; i++)
        msg_get_u32(&m);
    msg_get_u64(&m);
    for (int i = 0; i < 6; i++)
        msg_get_u32(&m);
    char *by = msg_get_str(&m), *again = msg_get_str(&m);
    cr_expect_str_eq(by, "");
    cr_expect_eq(strncmp(again, "\\x01\\x01", 8), 0, "the next daemon is told: %s", again);
    cr_expect(msg_get_u32(&m) == 1 && msg_end(&m));
    free(by), free(again);
    msg_free(&m);
    close(rig.link);
    rig.link = other;
    end();
}

/* A descriptor that comes along, as FDSTORE=1 and BARRIER=1 have them: it is closed at once. */
static void send_with_fd(const char *text, int fd)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    snprintf(at.sun_path, sizeof at.sun_path, "%s/notify", rig.folder);
    CLOSE_FD int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    union { char b[CMSG_SPACE(sizeof(int))]; struct cmsghdr h; } c = { .h = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) } };
    memcpy(CMSG_DATA(&c.h), &fd, sizeof fd);
    char copy[64];
    snprintf(copy, sizeof copy, "%s", text);
    struct iovec v = { copy, strlen(copy) };
    struct msghdr h = { .msg_name = &at, .msg_namelen = sizeof at, .msg_iov = &v, .msg_iovlen = 1, .msg_control = c.b, .msg_controllen = sizeof c.b };
    cr_assert_eq(sendmsg(s, &h, 0), (ssize_t)strlen(copy));
}

Test(shim_notify, descriptors_are_not_kept)
{
    up(&(struct plan){ .script = "sleep 30", .ready_kind = HOW_NOTIFY, .notify = true });
    say("STATUS=there");
    uint32_t stopping;
    status(&stopping);
    for (int i = 0; i < 300; i++) {
        int ends[2];
        cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
        send_with_fd(i % 2 ? "FDSTORE=1\nFDNAME=x" : "BARRIER=1", ends[1]);
        close(ends[1]);
        char byte;
        if (i % 50 == 0)
            cr_assert_eq(read(ends[0], &byte, 1), 0, "whoever waits for the barrier goes on");
        close(ends[0]);
    }
    say("READY=1");
    cr_assert(comes(SHIM_READY, 30000));
    end();
}

static void flood_child(int seconds)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    static char junk[65536];
    snprintf(at.sun_path, sizeof at.sun_path, "%s/notify", rig.folder);
    int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unsigned seed = 7;
    for (uint64_t until = now_ms() + (uint64_t)seconds * 1000; now_ms() < until;) {
        size_t n = (seed = seed * 1103515245 + 12345) % sizeof junk;
        for (size_t i = 0; i < n && i < 200; i++)
            junk[i] = (char)(seed >> i % 24);
        if (seed % 3 == 0)
            n = (size_t)snprintf(junk, sizeof junk, "STATUS=%u\nWATCHDOG=1\nSTOPPING=1\n", seed);
        if (sendto(s, junk, n, 0, (struct sockaddr *)&at, sizeof at) < 0)
            usleep(200);
    }
    _exit(0);
}

static uint64_t cpu_ms(pid_t pid)
{
    char path[64];
    unsigned long user = 0, kernel = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    char *text = io_read_file(path, 4096, NULL, NULL), *at = text ? strrchr(text, ')') : NULL;
    cr_assert(at && sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &kernel) == 2);
    free(text);
    return (user + kernel) * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

Test(shim_notify, a_flood_costs_little_and_is_passed_on_slowly)
{
    up(&(struct plan){ .script = "sleep 30; echo", .ready_kind = HOW_NOTIFY, .notify = true });
    say("READY=1");
    cr_assert(comes(SHIM_READY, 3000));
    uint64_t before = cpu_ms(rig.shim);
    pid_t flooder = fork();
    if (flooder == 0)
        flood_child(3);
    unsigned told = 0;
    struct msg m;
    for (uint64_t until = now_ms() + 3000; now_ms() < until;)
        if (rig_receive(rig.link, &m, 100, NULL)) {
            told += m.type == SHIM_STATUS;
            msg_free(&m);
        }
    cr_expect_leq(told, 5u, "%u status texts in 3 s", told);
    cr_expect_geq(told, 2u, "%u status texts in 3 s", told);
    cr_expect_leq(cpu_ms(rig.shim) - before, 300u, "%llu ms of processor in 3 s", (unsigned long long)(cpu_ms(rig.shim) - before));
    kill(flooder, SIGKILL);
    end();
}

Test(shim_notify, without_a_sign_of_life_it_is_killed)
{
    up(&(struct plan){ .script = "sleep 30", .ready_kind = HOW_NOTIFY, .notify = true, .watchdog = 600 });
    cr_assert_not(comes(SHIM_ENDED, 1000), "it counts only once it is up");
    say("READY=1");
    for (int i = 0; i < 8; i++) {
        say("WATCHDOG=1");
        usleep(200000);
    }
    struct msg m;
    msg_begin(&m, SHIM_WATCH, 0);
    msg_put_u32(&m, 0);
    cr_assert_eq(msg_send(rig.link, &m), 0);
    msg_free(&m);
    cr_assert_not(comes(SHIM_ENDED, 1500), "not while it is frozen");
    msg_begin(&m, SHIM_WATCH, 0);
    msg_put_u32(&m, 1);
    cr_assert_eq(msg_send(rig.link, &m), 0);
    msg_free(&m);
    rig_expect_end(rig.link, 0, SIGKILL, KILLED_BY_WATCHDOG, 3000);
    rig_plain(rig.link, SHIM_COLLECTED);
    cr_assert_eq(rig_shim_exit(&rig, 3000), 0);
    rig_down(&rig);
}

Test(shim_notify, a_stop_out_of_time_is_told_apart)
{
    up(&(struct plan){ .script = "trap '' TERM; echo up; sleep 30; sleep 30" });
    int v = rig_viewer(&rig, false, 65536);
    static char text[4096];
    cr_assert(rig_read(v, text, sizeof text, "up\n", 5000));
    rig_stop_signal(rig.link, SIGTERM, 300);
    struct msg m;
    rig_expect(rig.link, SHIM_ENDED, &m, 5000);
    msg_get_u32(&m), msg_get_u32(&m);
    cr_assert_eq(msg_get_u32(&m), KILLED_BY_STOP);
    char *by = msg_get_str(&m);
    cr_assert(msg_end(&m));
    cr_assert_str_eq(by, "alice");
    free(by);
    msg_free(&m);
    rig_plain(rig.link, SHIM_COLLECTED);
    cr_assert_eq(rig_shim_exit(&rig, 3000), 0);
    rig_down(&rig);
}

/* ---- versions ---- */

static uint32_t state_version(int link)
{
    struct msg m;
    rig_expect(link, SHIM_STATE, &m, 3000);
    uint32_t version = msg_get_u32(&m);
    cr_assert_eq(msg_get_u32(&m), (uint32_t)rig.init, "version and pid stand first in all");
    msg_get_u64(&m);
    for (int i = 0; i < 6; i++)
        msg_get_u32(&m);
    if (version >= 2) {
        free(msg_get_str(&m));
        free(msg_get_str(&m));
        msg_get_u32(&m);
    }
    cr_assert(msg_end(&m), "state of version %u", version);
    msg_free(&m);
    return version;
}

Test(shim_notify, it_speaks_what_an_older_daemon_does)
{
    up(&(struct plan){ .script = "trap 'echo bye; exit 4' TERM; echo up; while :; do sleep 0.1; done", .ready_kind = HOW_NOTIFY, .notify = true });
    int v = rig_viewer(&rig, false, 65536);
    static char text[4096];
    cr_assert(rig_read(v, text, sizeof text, "up\n", 5000));
    close(rig.link);
    rig_version = 1;
    rig.link = rig_supervisor(&rig);
    cr_assert_eq(state_version(rig.link), 1u);
    say("STATUS=nothing for it\nREADY=1");
    struct msg m;
    cr_assert(rig_receive(rig.link, &m, 3000, NULL) && m.type == SHIM_READY, "a message it does not know is not sent to it");
    msg_free(&m);
    rig_stop_signal(rig.link, SIGTERM, 5000);
    rig_expect_end(rig.link, 4, 0, KILLED_NOT, 5000);
    rig_plain(rig.link, SHIM_COLLECTED);
    cr_assert_eq(rig_shim_exit(&rig, 3000), 0);
    rig_down(&rig);
}

Test(shim_notify, it_offers_a_newer_daemon_its_own)
{
    up(&(struct plan){ .script = "sleep 30" });
    int link = rig_supervisor_of(&rig, SHIM_VERSION + 7);
    cr_assert_eq(state_version(link), (uint32_t)SHIM_VERSION);
    close(rig.link);
    rig.link = link;
    int nobody = rig_supervisor_of(&rig, 0);
    cr_assert_eq(state_version(nobody), (uint32_t)SHIM_VERSION, "whom it does not speak with is told why");
    cr_assert(rig_closed(nobody, 3000));
    close(nobody);
    end();
}

Test(shim_notify, who_listens_can_be_seen)
{
    up(&(struct plan){ .script = "sleep 30" });
    cr_assert(comes(SHIM_READY, 3000));
    int fd = rig_connect(&rig);
    struct ucred who;
    socklen_t n = sizeof who;
    cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n), 0);
    cr_assert_eq(who.pid, rig.shim);
    close(fd);
    end();
}

Test(shim_notify, ones_of_other_versions_are_built_so)
{
    up(&(struct plan){ .script = "sleep 30", .program = BUILD "/t/lib/shim-1" });
    close(rig.link);
    rig_version = 1;
    rig.link = rig_supervisor_of(&rig, 2);
    cr_assert_eq(state_version(rig.link), 1u);
    end();
    up(&(struct plan){ .script = "sleep 30", .program = BUILD "/t/lib/shim-9" });
    int link = rig_supervisor_of(&rig, 2);
    struct msg m;
    rig_expect(link, SHIM_STATE, &m, 3000);
    cr_assert_eq(msg_get_u32(&m), 9u);
    msg_free(&m);
    cr_assert(rig_closed(link, 3000));
    close(link);
    rig_version = 9;
    end();
}
