/* What a hostile server or viewer can do to the shim: nothing that costs it memory, time or its life. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/io.h"
#include "sandbox/proto.h"
#include "t/proc/shim_rig.h"

TestSuite(shim_hostile, .timeout = 120);

static struct rig rig;
static char text[4 << 20];

static void up(const struct plan *p)
{
    rig.cgroup_kill = -1;
    text[0] = '\0';
    rig_up(&rig, p);
}

static void script(const char *s)
{
    up(&(struct plan){ .script = s });
}

static void collect(void)
{
    rig_plain(rig.link, SHIM_COLLECTED);
    cr_assert_eq(rig_shim_exit(&rig, 3000), 0);
    rig_down(&rig);
}

/* Peak resident KiB of the shim. */
static unsigned peak(void)
{
    char path[64], line[256];
    unsigned kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)rig.shim);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        sscanf(line, "VmHWM: %u", &kib);
    if (f)
        fclose(f);
    return kib;
}

#if defined(__SANITIZE_ADDRESS__)
enum { PEAK_MOST = 400 * 1024 };
#else
enum { PEAK_MOST = 6 * 1024 };
#endif

Test(shim_hostile, flood_with_a_viewer_that_never_reads)
{
    script("echo up; read x; yes 'a line of some length, as a server in a loop would write it' | head -c 100000000; echo end");
    int deaf = rig_viewer(&rig, false, 65536), v = rig_viewer(&rig, true, 65536);
    uint64_t then = now_ms();
    rig_type(v, "go\n");
    cr_assert(rig_read(v, text, sizeof text, "end\n", 60000));
    rig_expect_end(rig.link, 0, 0, 0, 60000);
    printf("flood: 100 MB in %llu ms, peak %u KiB\n", (unsigned long long)(now_ms() - then), peak());
    cr_assert_lt(peak(), PEAK_MOST);
    cr_assert_not_null(strstr(text, "{output is faster than"));
    cr_assert_not_null(strstr(text, "{skipped "));
    unsigned lines = 0;
    for (const char *p = text; (p = strchr(p, '\n')); p++)
        lines++;
    /* burst, what came back while it ran, and the last of the scroll-back */
    cr_assert(lines >= 2000 && lines < 2000 + 10000, "%u", lines);
    /* the one that slept finds what fitted its socket, one notice, the newest lines and the end */
    text[0] = '\0';
    struct msg m;
    cr_assert(rig_read(deaf, text, sizeof text, "end\n", 2000));
    unsigned notices = 0;
    for (const char *p = text; (p = strstr(p, "{skipped ")); p++)
        notices++;
    cr_assert_eq(notices, 1, "%u", notices);
    rig_expect(deaf, SHIM_BYE, &m, 2000);
    msg_free(&m);
    collect();
}

static unsigned long cpu_ticks(pid_t pid)
{
    char path[64], line[512] = "";
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    if (f && fgets(line, sizeof line, f))
        sscanf(strrchr(line, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    if (f)
        fclose(f);
    return user + system;
}

Test(shim_hostile, flood_without_end_is_slowed_and_can_be_killed)
{
    script("exec yes 'a line of some length, as a server in a loop would write it'");
    usleep(3500000);
    unsigned long then = cpu_ticks(rig.shim);
    usleep(1000000);
    unsigned long ticks = cpu_ticks(rig.shim) - then;
    printf("flood: %lu %% of a core at the bound\n", ticks * 100 / (unsigned long)sysconf(_SC_CLK_TCK));
#if !defined(__SANITIZE_ADDRESS__)
    cr_assert_lt(ticks * 100, 60 * (unsigned long)sysconf(_SC_CLK_TCK));
#endif
    rig_kill(rig.link);
    rig_expect_end(rig.link, 0, SIGKILL, 1, 3000);
    collect();
}

Test(shim_hostile, fewer_lines_than_the_share_are_all_shown)
{
    script("read x; seq 1900; read x; echo end");
    int v = rig_viewer(&rig, true, 0);
    rig_type(v, "go\n");
    cr_assert(rig_read(v, text, sizeof text, "\n1900\n", 10000));
    rig_type(v, "go\n");
    cr_assert(rig_read(v, text, sizeof text, "end\n", 10000));
    cr_assert_null(strchr(text, '{'), "%s", strchr(text, '{'));
    unsigned n = 0;
    for (const char *p = text; (p = strchr(p, '\n')); p++)
        n++;
    cr_assert_eq(n, 1901);
    rig_expect_end(rig.link, 0, 0, 0, 5000);
    collect();
}

Test(shim_hostile, endless_line)
{
    up(&(struct plan){ .script = "head -c 3000000 /dev/zero | tr '\\0' x; printf 'now ready'; sleep 0.2; exit 0",
                       .ready_kind = HOW_LINE, .ready_text = "now ready" });
    struct msg m;
    rig_expect(rig.link, SHIM_READY, &m, 20000);
    msg_free(&m);
    rig_expect_end(rig.link, 0, 0, 0, 20000);
    FREE_MEM char *log = rig_log(&rig, "console.log");
    size_t longest = 0, lines = 0;
    for (char *p = log, *end; (end = strchr(p, '\n')); p = end + 1, lines++)
        longest = (size_t)(end - p) > longest ? (size_t)(end - p) : longest;
    cr_assert(longest == 64 * 1024 + 21 && lines == 46, "longest=%zu lines=%zu", longest, lines);
    cr_assert_lt(peak(), PEAK_MOST);
    collect();
}

Test(shim_hostile, unfinished_escape_sequence_does_not_hide_readiness)
{
    up(&(struct plan){ .script = "printf '\\033]0;title without end\\nDone (\\n'; sleep 5", .ready_kind = HOW_LINE,
                       .ready_text = "Done (" });
    struct msg m;
    rig_expect(rig.link, SHIM_READY, &m, 3000);
    msg_free(&m);
    rig_kill(rig.link);
    rig_expect_end(rig.link, 0, SIGKILL, 1, 3000);
    collect();
}

Test(shim_hostile, server_closes_its_input)
{
    script("exec <&-; echo closed; sleep 1; echo end");
    int v = rig_viewer(&rig, true, 65536);
    cr_assert(rig_read(v, text, sizeof text, "closed\n", 5000));
    for (int i = 0; i < 3; i++)
        rig_type(v, "anybody?\n");
    cr_assert(rig_read(v, text, sizeof text, "{input refused: the server has closed its input}", 3000), "%s", text);
    rig_stop_line(rig.link, "stop", 10000);
    cr_assert(rig_read(v, text, sizeof text, "end\n", 5000));
    rig_expect_end(rig.link, 0, 0, 0, 5000);
    collect();
}

Test(shim_hostile, server_does_not_read_its_input)
{
    script("echo up; sleep 1.5; head -c 65536 >/dev/null; head -c 10 >/dev/null; while read l; do [ \"$l\" = stop ] && exit 0; done");
    int v = rig_viewer(&rig, true, 65536);
    cr_assert(rig_read(v, text, sizeof text, "up\n", 5000));
    static char block[8192];
    memset(block, 'y', sizeof block - 2);
    block[sizeof block - 2] = '\n';
    for (int i = 0; i < 40; i++)
        rig_type(v, block);
    cr_assert(rig_read(v, text, sizeof text, "{input refused: the server has not read", 3000), "%s", text);
    rig_stop_line(rig.link, "stop", 10000);
    rig_expect_end(rig.link, 0, 0, 0, 8000);
    collect();
}

Test(shim_hostile, watching_is_not_typing)
{
    script("echo up; read x; echo got $x; sleep 3");
    int v = rig_viewer(&rig, false, 65536);
    cr_assert(rig_read(v, text, sizeof text, "up\n", 5000));
    rig_type(v, "hello\n");
    cr_assert(rig_read(v, text, sizeof text, "{input refused: you may watch", 3000));
    cr_assert(!rig_read(v, text, sizeof text, "got", 300));
    rig_kill(rig.link);
    rig_expect_end(rig.link, 0, SIGKILL, 1, 3000);
    collect();
}

static void send_raw(int fd, const void *bytes, size_t size)
{
    cr_assert_eq(send(fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

static void send_cut(int fd, uint16_t type)
{
    struct msg m;
    msg_begin(&m, type, 0);
    msg_put_u32(&m, 1);
    m.body.len -= 2;
    cr_assert_eq(msg_send(fd, &m), 0);
    msg_free(&m);
}

static void send_with_fds(int fd)
{
    struct msg m;
    msg_begin(&m, SHIM_INPUT, 0);
    msg_put_bytes(&m, "x\n", 2);
    for (int i = 0; i < MSG_FDS; i++)
        msg_put_fd(&m, 0);
    cr_assert_eq(msg_send(fd, &m), 0);
    msg_free(&m);
}

static unsigned open_fds(pid_t pid)
{
    unsigned n = 0;
    char path[64];
    for (int fd = 0; fd < 512; fd++) {
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
        char to[8];
        n += readlink(path, to, sizeof to) >= 0;
    }
    return n;
}

Test(shim_hostile, bad_messages_close_only_their_link)
{
    script("echo up; read x; echo got $x; exit 0");
    int good = rig_viewer(&rig, true, 65536);
    cr_assert(rig_read(good, text, sizeof text, "up\n", 5000));
    unsigned before = open_fds(rig.shim);
    static const char rubbish[60000];
    for (int i = 0; i < 10; i++) {
        int v = i == 9 ? rig_connect(&rig) : rig_viewer(&rig, true, 0);
        switch (i) {
        case 0: send_raw(v, "x", 1); break;
        case 1: send_raw(v, rubbish, sizeof rubbish); break;
        case 2: send_cut(v, SHIM_INPUT); break;
        case 3: send_cut(v, SHIM_RESIZE); break;
        case 4: rig_plain(v, SHIM_KILL); break;
        case 5: rig_stop_signal(v, SIGKILL, 0); break;
        case 6: send_with_fds(v); break;
        case 7: rig_plain(v, SHIM_COLLECTED); break;
        case 8: send_cut(v, SHIM_SUPERVISOR); break;
        case 9: rig_plain(v, SHIM_KILL); break;   /* before it said who it is */
        }
        cr_assert(rig_closed(v, 2000), "case %d", i);
        close(v);
    }
    cr_assert_eq(open_fds(rig.shim), before);
    rig_plain(rig.link, SHIM_COLLECTED);   /* too early: passed over */
    rig_type(good, "well\n");
    cr_assert(rig_read(good, text, sizeof text, "got well\n", 3000), "%s", text);
    rig_expect_end(rig.link, 0, 0, 0, 5000);
    collect();
}

Test(shim_hostile, crowd_at_the_door)
{
    script("echo up; read x; exit 0");
    int v = rig_viewer(&rig, true, 65536);
    cr_assert(rig_read(v, text, sizeof text, "up\n", 5000));
    int many[100];
    unsigned closed = 0;
    for (int i = 0; i < 100; i++)
        many[i] = rig_connect(&rig);
    for (int i = 0; i < 100; i++)
        closed += rig_closed(many[i], 20);
    cr_assert_eq(closed, 100 - (64 - 2), "%u", closed);
    for (int i = 0; i < 100; i++)
        close(many[i]);
    rig_type(v, "go\n");
    rig_expect_end(rig.link, 0, 0, 0, 5000);
    collect();
}

Test(shim_hostile, chatterer_that_reads_no_answer)
{
    script("echo up; read x; exit 0");
    int v = rig_viewer(&rig, true, 0), bad = rig_viewer(&rig, false, 0);
    fcntl(bad, F_SETFL, O_NONBLOCK);
    struct msg m;
    msg_begin(&m, SHIM_INPUT, 0);
    msg_put_bytes(&m, "x\n", 2);
    int sent = 0;
    for (uint64_t until = now_ms() + 5000; now_ms() < until && sent < 100000;) {
        if (msg_send(bad, &m) == 0)
            sent++;
        else if (errno == EAGAIN)
            usleep(200);
        else
            break;
    }
    msg_free(&m);
    cr_assert_lt(sent, 1000, "never cut off");
    rig_type(v, "go\n");
    rig_expect_end(rig.link, 0, 0, 0, 5000);
    collect();
}

/* A disk of one MiB of this process and its children alone. */
static void small_disk(const char *at)
{
    cr_assert_eq(unshare(CLONE_NEWNS), 0);
    cr_assert_eq(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    cr_assert_eq(mount("none", at, "tmpfs", 0, "size=1m"), 0);
}

Test(shim_hostile, log_on_a_full_disk)
{
    char at[] = "/tmp/shim-disk.XXXXXX", path[128];
    if (geteuid() != 0)
        cr_skip_test("only root can mount a small disk");
    cr_assert_not_null(mkdtemp(at));
    small_disk(at);
    up(&(struct plan){ .script = "seq -f 'line %g of very many that fill it' 40000; echo full; read x; echo more; sleep 0.3; exit 6",
                       .log_folder = at });
    int v = rig_viewer(&rig, true, 65536);
    cr_assert(rig_read(v, text, sizeof text, "full\n", 20000));
    snprintf(path, sizeof path, "%s/console.log", at);
    FREE_MEM char *before = io_read_file(path, 2 << 20, NULL, NULL);
    cr_assert(before && strlen(before) > 500000 && before[strlen(before) - 1] == '\n', "a line was torn");
    cr_assert_eq(truncate(path, 0), 0);
    rig_type(v, "go\n");
    rig_expect_end(rig.link, 6, 0, 0, 5000);
    FREE_MEM char *after = io_read_file(path, 2 << 20, NULL, NULL);
    cr_assert(after && strstr(after, "Z\tmore\n"), "no line after there was room again");
    snprintf(path, sizeof path, "%s/daemon.log", rig.folder);
    FREE_MEM char *log = io_read_file(path, 1 << 20, NULL, NULL);
    const char *first = strstr(log, "journal.write");
    cr_assert(first && strstr(first, "ENOSPC") && !strstr(first + 1, "journal.write"), "%s", log);
    collect();
    umount(at);
    rmdir(at);
}

Test(shim_hostile, stray_that_holds_the_output)
{
    /* a copy of the pipe beyond the sandbox: here the test's own, taken from the server */
    script("echo up; sleep 0.5; exit 0");
    int v = rig_viewer(&rig, false, 65536);
    cr_assert(rig_read(v, text, sizeof text, "up\n", 5000));
    char path[64], line[64] = "";
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)rig.init, (int)rig.init);
    FILE *f = fopen(path, "re");
    cr_assert(f && fgets(line, sizeof line, f));
    fclose(f);
    snprintf(path, sizeof path, "/proc/%ld/fd/1", strtol(line, NULL, 10));
    int held = open(path, O_WRONLY | O_CLOEXEC);
    cr_assert_geq(held, 0);
    uint64_t then = now_ms();
    rig_expect_end(rig.link, 0, 0, 0, 5000);
    cr_assert(now_ms() - then > 1000 && now_ms() - then < 3000);
    close(held);
    collect();
}

Test(shim_hostile, fork_bomb_is_killed)
{
    script("b() { for i in 1 2 3 4; do sleep 30 & done; }; for i in 1 2 3 4 5 6 7 8 9 10; do (b; b; wait) & done; echo up; wait");
    int v = rig_viewer(&rig, false, 65536);
    cr_assert(rig_read(v, text, sizeof text, "up\n", 5000));
    rig_kill(rig.link);
    rig_expect_end(rig.link, 0, SIGKILL, 1, 5000);
    collect();
}

Test(shim_hostile, kill_goes_to_the_cgroup_when_there_is_one)
{
    char path[] = "/tmp/cgroup.kill.XXXXXX", got[4] = "";
    rig.cgroup_kill = mkstemp(path);
    cr_assert_geq(rig.cgroup_kill, 0);
    unlink(path);
    text[0] = '\0';
    rig_up(&rig, &(struct plan){ .script = "sleep 60" });
    struct msg m;
    rig_expect(rig.link, SHIM_READY, &m, 3000);
    msg_free(&m);
    rig_kill(rig.link);
    for (int i = 0; i < 200 && got[0] == '\0'; i++, usleep(10000))
        cr_assert_geq(pread(rig.cgroup_kill, got, 3, 0), 0);
    cr_assert_str_eq(got, "1");
    kill(rig.init, SIGKILL);   /* what the kernel does then */
    rig_expect_end(rig.link, 0, SIGKILL, 1, 3000);
    close(rig.cgroup_kill);
    collect();
}
