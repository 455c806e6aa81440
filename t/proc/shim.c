/* The shim and init together: a server's life from its first word to its end. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/io.h"
#include "sandbox/proto.h"
#include "t/proc/shim_rig.h"

TestSuite(shim, .timeout = 60);

static struct rig rig;
static char text[1 << 20];

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

Test(shim, output_and_history)
{
    script("echo one; echo two >&2; read x; echo got $x; exit 3");
    int v = rig_viewer(&rig, true, 65536);
    cr_assert(rig_read(v, text, sizeof text, "two\n", 5000), "%s", text);
    cr_assert_not_null(strstr(text, "one\n"));
    rig_type(v, "three\n");
    cr_assert(rig_read(v, text, sizeof text, "got three\n", 5000), "%s", text);
    rig_expect_end(rig.link, 3, 0, 0, 5000);
    struct msg bye;
    rig_expect(v, SHIM_BYE, &bye, 2000);
    cr_assert_eq(msg_get_u32(&bye), 3);
    msg_free(&bye);
    int late = rig_viewer(&rig, false, 10);   /* ten bytes back lies in "got three": only whole lines are shown */
    text[0] = '\0';
    cr_assert(rig_read(late, text, sizeof text, "got three\n", 2000), "%s", text);
    cr_assert_str_eq(text, "got three\n");
    collect();
}

Test(shim, log_lines)
{
    script("printf 'a\\nb'; sleep 0.2; printf 'c\\r\\n\\nd' ; echo bad >&2");
    rig_expect_end(rig.link, 0, 0, 0, 5000);
    FREE_MEM char *log = rig_log(&rig, "console.log");
    const char *want[] = { "\ta\n", "\tbc\n", "Z\t\n", "\td\n", "Z!\tbad\n" };
    for (size_t i = 0; i < countof(want); i++)
        cr_assert_not_null(strstr(log, want[i]), "%zu: %s", i, log);
    cr_assert(log[4] == '-' && log[10] == 'T' && log[19] == 'Z' && log[20] == '\t', "%s", log);
    collect();
}

Test(shim, log_rotates)
{
    /* 22 MB: three files, none past 5 MiB, the last line in the newest */
    script("seq -f 'line %09.0f of a log that must be moved on several times over' 300000; echo last");
    rig_expect_end(rig.link, 0, 0, 0, 30000);
    const char *names[] = { "console.log", "console.log.1", "console.log.2" };
    for (size_t i = 0; i < countof(names); i++) {
        FREE_MEM char *log = rig_log(&rig, names[i]);
        size_t size = strlen(log);
        cr_assert(size > 0 && size <= 5 << 20, "%s: %zu", names[i], size);
        cr_assert(log[size - 1] == '\n' && log[20] == '\t');
        cr_assert(i > 0 || strstr(log, "\tlast\n"));
    }
    FREE_MEM char *none = rig_log(&rig, "console.log.3");
    cr_assert_str_empty(none);
    collect();
}

Test(shim, ready_line_in_pieces)
{
    up(&(struct plan){ .script = "printf '[12:00] Do'; sleep 0.2; printf '\\033[1;3'; sleep 0.1; printf '2mne\\033[0m ('; sleep 5",
                       .ready_kind = HOW_LINE, .ready_text = "Done (" });
    struct msg m;
    rig_expect(rig.link, SHIM_READY, &m, 3000);
    msg_free(&m);
    rig_kill(rig.link);
    rig_expect_end(rig.link, 0, SIGKILL, 1, 3000);
    collect();
}

Test(shim, ready_line_not_over_lines)
{
    up(&(struct plan){ .script = "printf 'Do\\nne (\\n'; echo 'Done [' ; sleep 0.3", .ready_kind = HOW_LINE, .ready_text = "Done (" });
    struct msg m;
    cr_assert(rig_receive(rig.link, &m, 5000, NULL));
    cr_assert_eq(m.type, SHIM_ENDED);
    msg_free(&m);
    collect();
}

Test(shim, ready_at_once)
{
    script("sleep 5");
    struct msg m;
    rig_expect(rig.link, SHIM_READY, &m, 2000);
    msg_free(&m);
    rig_kill(rig.link);
    rig_expect_end(rig.link, 0, SIGKILL, 1, 3000);
    collect();
}

Test(shim, ready_port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof at;
    CLOSE_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && getsockname(fd, (struct sockaddr *)&at, &size) == 0);
    up(&(struct plan){ .script = "sleep 20", .ready_kind = HOW_TCP, .ready_port = ntohs(at.sin_port) });
    struct msg m;
    cr_assert(!rig_receive(rig.link, &m, 700, NULL), "ready before anybody listened");
    cr_assert_eq(listen(fd, 4), 0);
    rig_expect(rig.link, SHIM_READY, &m, 2000);
    msg_free(&m);
    rig_kill(rig.link);
    rig_expect_end(rig.link, 0, SIGKILL, 1, 3000);
    collect();
}

Test(shim, stop_by_line)
{
    script("while read l; do [ \"$l\" = stop ] && { echo saving; exit 0; }; done; exit 9");
    rig_stop_line(rig.link, "stop", 10000);
    rig_expect_end(rig.link, 0, 0, 0, 5000);
    collect();
}

Test(shim, stop_by_signal_reaches_the_program_behind_a_script)
{
    script("trap 'wait; exit 4' TERM; sh -c 'trap \"echo bye; exit 0\" TERM; echo up; while :; do sleep 0.05; done' & wait; exit 9");
    int v = rig_viewer(&rig, false, 65536);
    cr_assert(rig_read(v, text, sizeof text, "up\n", 5000));
    rig_stop_signal(rig.link, SIGTERM, 10000);
    cr_assert(rig_read(v, text, sizeof text, "bye\n", 5000));
    rig_expect_end(rig.link, 4, 0, 0, 5000);
    collect();
}

Test(shim, stop_times_out_then_kills)
{
    script("trap '' TERM; echo up; while :; do sleep 1; done");
    int v = rig_viewer(&rig, false, 65536);
    cr_assert(rig_read(v, text, sizeof text, "up\n", 5000));
    uint64_t then = now_ms();
    rig_stop_signal(rig.link, SIGTERM, 400);
    rig_expect_end(rig.link, 0, SIGKILL, KILLED_BY_STOP, 5000);
    cr_assert(now_ms() - then >= 400 && now_ms() - then < 2000);
    collect();
}

Test(shim, ends_by_signal)
{
    script("kill -SEGV $$");
    rig_expect_end(rig.link, 0, SIGSEGV, 0, 5000);
    collect();
}

Test(shim, rest_dies_with_the_main_process)
{
    script("setsid sh -c 'trap \"\" TERM HUP; sleep 60' & setsid sleep 61 & echo started; sleep 0.2; exit 0");
    uint64_t then = now_ms();
    rig_expect_end(rig.link, 0, 0, 0, 5000);
    cr_assert_lt(now_ms() - then, 900);   /* not held up by the strays that had its stdout */
    collect();
}

Test(shim, orphans_are_reaped)
{
    script("for i in 1 2 3 4 5 6 7 8; do sh -c 'sleep 0.1 & :' ; done; sleep 0.5; "
           "ls /proc/ >/dev/null; ps -o stat= --ppid $PPID 2>/dev/null | grep -c Z; echo done; sleep 10");
    int v = rig_viewer(&rig, false, 65536);
    cr_assert(rig_read(v, text, sizeof text, "done\n", 5000));
    /* its children, as the host sees them: none may be a zombie */
    char path[64], line[256];
    unsigned zombies = 0, children = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)rig.init, (int)rig.init);
    FILE *f = fopen(path, "re");
    cr_assert_not_null(f);
    for (int pid; fscanf(f, "%d", &pid) == 1; children++) {
        snprintf(path, sizeof path, "/proc/%d/stat", pid);
        FILE *stat = fopen(path, "re");
        if (stat && fgets(line, sizeof line, stat) && strstr(line, ") Z "))
            zombies++;
        if (stat)
            fclose(stat);
    }
    fclose(f);
    cr_assert(children == 1 && zombies == 0, "children=%u zombies=%u", children, zombies);
    rig_kill(rig.link);
    rig_expect_end(rig.link, 0, SIGKILL, 1, 3000);
    collect();
}

Test(shim, exec_failure_is_told)
{
    up(&(struct plan){ .argv = (const char *const[]){ "./no-such-program", NULL } });
    int v = rig_viewer(&rig, false, 65536);
    cr_assert(rig_read(v, text, sizeof text, "exec ./no-such-program: No such file or directory\n", 5000), "%s", text);
    rig_expect_end(rig.link, 127, 0, 0, 5000);
    FREE_MEM char *log = rig_log(&rig, "console.log");
    cr_assert_not_null(strstr(log, "Z#\tholdfast: cannot start: exec ./no-such-program"), "%s", log);
    collect();
}

Test(shim, missing_directory_is_told)
{
    up(&(struct plan){ .script = "echo no", .directory = "/no/such/folder" });
    int v = rig_viewer(&rig, false, 65536);
    cr_assert(rig_read(v, text, sizeof text, "chdir /no/such/folder: No such file or directory\n", 5000), "%s", text);
    rig_expect_end(rig.link, 127, 0, 0, 5000);
    collect();
}

Test(shim, program_is_found_by_the_given_path)
{
    up(&(struct plan){ .argv = (const char *const[]){ "env", NULL },
                       .env = (const char *const[]){ "PATH=/nowhere:/usr/bin", "GREETING=hello", NULL } });
    int v = rig_viewer(&rig, false, 65536);
    rig_read(v, text, sizeof text, "{", 3000);
    cr_assert_str_eq(text, "PATH=/nowhere:/usr/bin\nGREETING=hello\n");
    rig_expect_end(rig.link, 0, 0, 0, 5000);
    collect();
}

Test(shim, main_process_starts_clean)
{
    script("grep -E '^Sig(Blk|Ign)' /proc/self/status; ls /proc/self/fd | tr '\\n' ' '; ps -o sid= -p $$ >/dev/null; echo");
    int v = rig_viewer(&rig, false, 65536);
    cr_assert(rig_read(v, text, sizeof text, "0 1 2 3 \n", 5000), "%s", text);   /* 3: ls itself */
    /* Bits 31 and 32 are the C library's own signals, which no program can reset and some shells leave ignored. */
    unsigned long long blocked = ~0ULL, ignored = ~0ULL;
    cr_assert_eq(sscanf(text, "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2, "%s", text);
    cr_assert_eq((blocked | ignored) & ~0x180000000ULL, 0, "%s", text);
    rig_expect_end(rig.link, 0, 0, 0, 5000);
    collect();
}

Test(shim, terminal)
{
    up(&(struct plan){ .script = "tty; read x; stty size; echo got $x", .tty = true });
    int v = rig_viewer(&rig, true, 65536);
    cr_assert(rig_read(v, text, sizeof text, "/dev/pts/", 5000), "%s", text);
    struct msg m;
    msg_begin(&m, SHIM_RESIZE, 0);
    msg_put_u32(&m, 132);
    msg_put_u32(&m, 43);
    cr_assert_eq(msg_send(v, &m), 0);
    msg_free(&m);
    rig_type(v, "hello\n");
    cr_assert(rig_read(v, text, sizeof text, "43 132\r\ngot hello\r\n", 5000), "%s", text);
    rig_expect_end(rig.link, 0, 0, 0, 5000);
    collect();
}

Test(shim, survives_its_supervisor)
{
    script("echo up; read x; echo late; exit 5");
    struct msg m;
    rig_expect(rig.link, SHIM_READY, &m, 3000);
    msg_free(&m);
    close(rig.link);
    rig.link = rig_supervisor(&rig);
    rig_expect(rig.link, SHIM_STATE, &m, 3000);
    cr_assert(m.id == 7 && msg_get_u32(&m) == SHIM_VERSION && msg_get_u32(&m) == (uint32_t)rig.init);
    cr_assert(msg_get_u64(&m) == 1700000000000 && msg_get_u32(&m) == 1 && msg_get_u32(&m) == 0 && msg_get_u32(&m) == 0);
    msg_free(&m);
    /* the last one wins */
    int second = rig_supervisor(&rig);
    rig_expect(second, SHIM_STATE, &m, 3000);
    msg_free(&m);
    cr_assert(rig_closed(rig.link, 2000));
    close(rig.link);
    /* and it ends while nobody is there to hear */
    close(second);
    int v = rig_viewer(&rig, true, 0);
    rig_type(v, "go\n");
    cr_assert(rig_read(v, text, sizeof text, "late\n", 5000));
    rig_expect(v, SHIM_BYE, &m, 3000);
    msg_free(&m);
    rig.link = rig_supervisor(&rig);
    rig_expect(rig.link, SHIM_STATE, &m, 3000);
    msg_get_u32(&m), msg_get_u32(&m), msg_get_u64(&m);
    cr_assert(msg_get_u32(&m) == 1 && msg_get_u32(&m) == 0 && msg_get_u32(&m) == 1 && msg_get_u32(&m) == 5);
    msg_free(&m);
    collect();
}

Test(shim, signals_do_not_end_it)
{
    script("echo up; sleep 0.5; echo still here");
    int v = rig_viewer(&rig, false, 65536);
    cr_assert(rig_read(v, text, sizeof text, "up\n", 5000));
    const int signals[] = { SIGTERM, SIGHUP, SIGINT, SIGPIPE };
    for (size_t i = 0; i < countof(signals); i++)
        kill(rig.shim, signals[i]);
    cr_assert(rig_read(v, text, sizeof text, "still here\n", 5000));
    rig_expect_end(rig.link, 0, 0, 0, 5000);
    collect();
}

Test(shim, death_of_init_is_an_end)
{
    script("sleep 60");
    struct msg m;
    rig_expect(rig.link, SHIM_READY, &m, 3000);
    msg_free(&m);
    kill(rig.init, SIGKILL);
    rig_expect_end(rig.link, 0, SIGKILL, 0, 3000);
    collect();
}

Test(shim, death_of_the_shim_ends_the_server)
{
    script("sleep 60");
    struct msg m;
    rig_expect(rig.link, SHIM_READY, &m, 3000);
    msg_free(&m);
    kill(rig.shim, SIGKILL);
    cr_assert_eq(rig_shim_exit(&rig, 2000), 128 + SIGKILL);
    int gone = 0;
    for (int i = 0; i < 200 && !gone; i++, usleep(10000)) {
        char path[64], line[256] = "";
        snprintf(path, sizeof path, "/proc/%d/stat", (int)rig.init);
        FILE *f = fopen(path, "re");
        gone = f == NULL || fgets(line, sizeof line, f) == NULL || strstr(line, ") Z ") != NULL;
        if (f)
            fclose(f);
    }
    cr_assert(gone);
    rig_down(&rig);
}

static unsigned long of_process(pid_t pid, const char *file, const char *key)
{
    char path[64], line[256];
    unsigned long n = 0;
    size_t len = strlen(key);
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, key, len) == 0 && line[len] == ':')
            n = strtoul(line + len + 1, NULL, 10);
    if (f)
        fclose(f);
    return n;
}

/* Several at once, as on a host that is in use: what they share counts once. */
Test(shim, idle_is_small_and_locked)
{
    enum { MANY = 8 };
    struct rig rigs[MANY];
    unsigned long shims = 0, inits = 0;
    for (int i = 0; i < MANY; i++) {
        rigs[i].cgroup_kill = -1;
        rig_up(&rigs[i], &(struct plan){ .script = "echo up; exec sleep 20" });
        int v = rig_viewer(&rigs[i], false, 65536);
        text[0] = '\0';
        cr_assert(rig_read(v, text, sizeof text, "up\n", 5000));
        close(v);
    }
    usleep(100000);
    for (int i = 0; i < MANY; i++) {
        shims += of_process(rigs[i].shim, "smaps_rollup", "Pss");
        inits += of_process(rigs[i].init, "smaps_rollup", "Pss");
        cr_expect_eq(of_process(rigs[i].shim, "status", "Seccomp"), 2);
    }
    printf("idle, one of %d: PSS shim %lu KiB, init %lu KiB; private dirty %lu and %lu KiB\n", MANY, shims / MANY, inits / MANY,
           of_process(rigs[0].shim, "smaps_rollup", "Private_Dirty"), of_process(rigs[0].init, "smaps_rollup", "Private_Dirty"));
#if !defined(__SANITIZE_ADDRESS__)
    cr_expect(shims / MANY < 300 && inits / MANY < 250, "shim %lu init %lu", shims / MANY, inits / MANY);
#endif
    for (int i = 0; i < MANY; i++) {
        rig_kill(rigs[i].link);
        rig_expect_end(rigs[i].link, 0, SIGKILL, 1, 3000);
        rig_down(&rigs[i]);
    }
}

Test(shim, init_refuses_to_be_anything_else)
{
    int status = system(BUILD "/holdfast-init 2>/dev/null");
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 71);
}
