/* What the shim says of what was typed: the record of it must never hold a secret, whatever came first. */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "sandbox/proto.h"
#include "t/proc/shim_rig.h"

TestSuite(shim_taken, .timeout = 60);

static struct rig rig;
static char text[1 << 16];

static void up(const char *script, bool tty)
{
    rig.cgroup_kill = -1;
    text[0] = '\0';
    rig_up(&rig, &(struct plan){ .script = script, .tty = tty });
}

static void end(void)
{
    rig_kill(rig.link);
    rig_expect_end(rig.link, 0, SIGKILL, 1, 5000);
    rig_plain(rig.link, SHIM_COLLECTED);
    cr_assert_eq(rig_shim_exit(&rig, 3000), 0);
    rig_down(&rig);
}

static void taken(int v, uint64_t bytes, uint32_t what)
{
    struct msg m;
    rig_expect(v, SHIM_TAKEN, &m, 10000);
    uint64_t n = msg_get_u64(&m);
    uint32_t w = msg_get_u32(&m);
    cr_assert(msg_end(&m));
    msg_free(&m);
    cr_assert(n == bytes && w == what, "%llu bytes, %u; not %llu, %u", (unsigned long long)n, w, (unsigned long long)bytes, what);
}

/* The first word is there before anything is typed. */
static int viewer(void)
{
    int v = rig_viewer(&rig, true, 65536);
    taken(v, 0, TAKEN_SHOWN);
    return v;
}

static void says(int v, const char *what)
{
    cr_assert(rig_read(v, text, sizeof text, what, 10000), "no '%s' in '%s'", what, text);
}

Test(shim_taken, pipes_show_all)
{
    up("cat", false);
    int v = viewer();
    rig_type(v, "one\n");
    taken(v, 4, TAKEN_SHOWN);
    rig_type(v, "two, in two ");
    taken(v, 12, TAKEN_SHOWN);
    close(v);
    end();
}

Test(shim_taken, a_terminal_that_does_not_echo_hides)
{
    up("echo up; read x; stty -echo; echo Password:; read y; stty echo; echo thanks; read z; sleep 60", true);
    int v = viewer();
    says(v, "up");
    rig_type(v, "alice\n");
    /* It may have switched already: hidden is no fault then, but shown it must not be later. */
    struct msg m;
    rig_expect(v, SHIM_TAKEN, &m, 10000);
    cr_assert_eq(msg_get_u64(&m), 6);
    msg_free(&m);
    text[0] = '\0';
    int w = rig_viewer(&rig, false, 65536);
    says(w, "Password:");
    rig_type(v, "hunter2\n");
    taken(v, 8, TAKEN_HIDDEN);
    says(w, "thanks");
    rig_type(v, "shown again\n");
    taken(v, 12, TAKEN_SHOWN);
    close(v);
    close(w);
    end();
}

Test(shim_taken, what_was_sent_ahead_is_hidden)
{
    up("echo up; read x; stty -echo; read y; sleep 60", true);
    int v = viewer();
    says(v, "up");
    rig_type(v, "alice\nhunter2\n");
    taken(v, 6, TAKEN_HIDDEN);
    taken(v, 8, TAKEN_HIDDEN);
    close(v);
    end();
}

/* The echo is off for as long as it takes to read what is there already. */
Test(shim_taken, what_was_sent_ahead_of_a_short_prompt_is_hidden)
{
    up("echo up; while read x; do stty -echo; read y; stty echo; echo thanks; done", true);
    int v = viewer(), w = rig_viewer(&rig, false, 65536);
    says(w, "up");
    rig_type(v, "alice\nhunter2\n");
    says(w, "thanks");
    struct msg m;
    rig_expect(v, SHIM_TAKEN, &m, 10000);
    cr_assert_eq(msg_get_u64(&m), 6);
    msg_free(&m);
    taken(v, 8, TAKEN_HIDDEN);
    close(v);
    close(w);
    end();
}

Test(shim_taken, of_parts_that_differ_all_is_hidden)
{
    up("stty -echo; echo up; read x; stty echo; echo on; sleep 60", true);
    int v = viewer(), w = rig_viewer(&rig, false, 65536);
    says(w, "up");
    rig_type(v, "hunter2\n");
    says(w, "on\r\n");
    rig_type(v, "plain\n");
    struct msg m;
    uint64_t n = 0;
    while (n < 14) {
        rig_expect(v, SHIM_TAKEN, &m, 10000);
        uint64_t bytes = msg_get_u64(&m);
        uint32_t what = msg_get_u32(&m);
        cr_assert(n >= 8 || what == TAKEN_HIDDEN, "%llu bytes at %llu: %u", (unsigned long long)bytes, (unsigned long long)n, what);
        n += bytes;
        msg_free(&m);
    }
    cr_assert_eq(n, 14);
    close(v);
    close(w);
    end();
}

Test(shim_taken, what_a_full_terminal_keeps_waiting_is_hidden)
{
    up("stty raw; echo up; sleep 60", true);
    int v = viewer();
    says(v, "up");
    /* Echoed, but nobody reads: the terminal is full soon, and when the rest goes in it may not echo any more. */
    static char block[4096];
    memset(block, 'y', sizeof block - 1);
    for (int i = 0; i < 12; i++)
        rig_type(v, block);
    struct msg m;
    uint64_t n = 0;
    uint32_t what = TAKEN_SHOWN;
    while (n < 12 * 4095) {
        rig_expect(v, SHIM_TAKEN, &m, 10000);
        n += msg_get_u64(&m);
        what = msg_get_u32(&m);
        msg_free(&m);
    }
    cr_assert_neq(what, TAKEN_SHOWN);
    close(v);
    end();
}

Test(shim_taken, what_was_refused_is_told_apart)
{
    up("exec <&-; echo closed; sleep 60", false);
    int v = viewer();
    says(v, "closed");
    rig_type(v, "x\n");
    usleep(50000);
    rig_type(v, "anybody?\n");
    struct msg m;
    uint32_t what = TAKEN_SHOWN;
    for (uint64_t n = 0; n < 11;) {
        rig_expect(v, SHIM_TAKEN, &m, 10000);
        n += msg_get_u64(&m);
        what = msg_get_u32(&m);
        msg_free(&m);
    }
    cr_assert_eq(what, TAKEN_REFUSED);
    close(v);
    end();
}

Test(shim_taken, older_viewers_and_watchers_are_told_nothing)
{
    up("echo up; cat", false);
    int old = rig_viewer_of(&rig, 2, true, 65536), watcher = rig_viewer(&rig, false, 65536), w = viewer();
    rig_type(old, "hello\n");
    says(w, "hello\n");
    struct msg m;
    for (int i = 0; i < 2; i++)
        while (rig_receive(i ? old : watcher, &m, 300, NULL)) {
            cr_assert_neq(m.type, SHIM_TAKEN);
            msg_free(&m);
        }
    close(old);
    close(watcher);
    close(w);
    end();
}

/* A viewer whose person does not read, but types on. */
Test(shim_taken, words_that_are_not_read_become_one)
{
    up("echo up; cat >/dev/null", false);
    int v = viewer();
    says(v, "up");
    enum { TIMES = 3000 };
    for (int i = 0; i < TIMES; i++)
        rig_type(v, "a line\n");
    struct msg m;
    uint64_t n = 0;
    unsigned words = 0;
    for (; n < TIMES * 7; words++) {
        rig_expect(v, SHIM_TAKEN, &m, 10000);
        n += msg_get_u64(&m);
        cr_assert_eq(msg_get_u32(&m), TAKEN_SHOWN);
        msg_free(&m);
    }
    cr_assert_eq(n, TIMES * 7);
    cr_assert_lt(words, TIMES);
    close(v);
    end();
}
