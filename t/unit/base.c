#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bucket.h"
#include "base/buf.h"
#include "base/die.h"
#include "base/io.h"
#include "base/link.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/msg.h"
#include "base/name.h"
#include "base/rights.h"
#include "config.h"

/* ---- buffer ---- */

Test(buf, holds_what_was_put)
{
    struct buf b = BUF(1024);
    buf_put_u8(&b, 7);
    buf_put_u16(&b, 0x1234);
    buf_put_u32(&b, 0xdeadbeef);
    buf_put_u64(&b, 0x0123456789abcdefULL);
    buf_put_str(&b, "name");
    buf_put_fmt(&b, "%d-%s", 5, "x");
    cr_assert_eq(buf_get_u8(&b), 7);
    cr_assert_eq(buf_get_u16(&b), 0x1234);
    cr_assert_eq(buf_get_u32(&b), 0xdeadbeef);
    cr_assert_eq(buf_get_u64(&b), 0x0123456789abcdefULL);
    FREE_MEM char *name = buf_get_str(&b);
    cr_assert_str_eq(name, "name");
    cr_assert_eq(memcmp(buf_get(&b, 3), "5-x", 3), 0);
    cr_assert_eq(buf_size(&b), 0u);
    cr_assert_not(b.bad);
    buf_free(&b);
}

Test(buf, is_bounded_and_remembers)
{
    struct buf b = BUF(8);
    buf_put(&b, "12345678", 8);
    cr_assert_not(b.bad);
    buf_put_u8(&b, 9);
    cr_assert(b.bad);
    cr_assert_eq(buf_size(&b), 8u);
    buf_reset(&b);
    cr_assert_null(buf_room(&b, SIZE_MAX));
    buf_reset(&b);
    buf_put_bytes(&b, "123456", 6);
    cr_assert(b.bad);
    cr_assert_eq(buf_size(&b), 0u);
    buf_free(&b);
}

Test(buf, drops_from_the_front_and_uses_the_room)
{
    struct buf b = BUF(16);
    for (int i = 0; i < 1000; i++) {
        buf_put(&b, "0123456789", 10);
        buf_drop(&b, 10);
    }
    cr_assert_not(b.bad);
    cr_assert_leq(b.cap, 16u);
    buf_free(&b);
}

Test(buf, get_past_the_end_is_bad_and_gives_nothing)
{
    struct buf b = BUF(64);
    buf_put_u32(&b, 1000);
    size_t size = 5;
    cr_assert_null(buf_get_bytes(&b, &size));
    cr_assert_eq(size, 0u);
    cr_assert(b.bad);
    cr_assert_eq(buf_get_u64(&b), 0u);
    buf_reset(&b);
    buf_put_bytes(&b, "a\0b", 3);
    cr_assert_null(buf_get_str(&b));
    cr_assert(b.bad);
    buf_free(&b);
}

/* ---- messages ---- */

static void pair(int p[2])
{
    cr_assert_eq(io_pair(p), 0);
    cr_assert_eq(io_nonblock(p[0]), 0);
    cr_assert_eq(io_nonblock(p[1]), 0);
}

Test(msg, carries_fields_and_descriptors)
{
    int p[2];
    struct msg out, in MSG_FREE;
    pair(p);
    CLOSE_FD int file = memfd_create("x", MFD_CLOEXEC);
    cr_assert_eq(write(file, "hello", 5), 5);
    msg_begin(&out, 0x0123, 77);
    out.from = 2;
    msg_put_u32(&out, 5);
    msg_put_u64(&out, UINT64_MAX);
    msg_put_str(&out, NULL);
    msg_put_bytes(&out, "a\0b", 3);
    msg_put_fd(&out, file);
    cr_assert_eq(msg_send(p[0], &out), 0);
    msg_free(&out);
    cr_assert_neq(fcntl(file, F_GETFD), -1, "a sent descriptor is borrowed");
    cr_assert_eq(msg_recv(p[1], &in), 1);
    cr_assert_eq(in.type, 0x0123);
    cr_assert_eq(in.id, 77u);
    cr_assert_eq(in.from, 2);
    cr_assert_eq(msg_get_u32(&in), 5u);
    cr_assert_eq(msg_get_u64(&in), UINT64_MAX);
    FREE_MEM char *none = msg_get_str(&in);
    cr_assert_str_eq(none, "");
    size_t size;
    cr_assert_eq(memcmp(msg_get_bytes(&in, &size), "a\0b", 3), 0);
    cr_assert(msg_has_fd(&in));
    CLOSE_FD int fd = msg_get_fd(&in);
    cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    char text[6] = "";
    cr_assert_eq(pread(fd, text, 5, 0), 5);
    cr_assert_str_eq(text, "hello");
    cr_assert(msg_end(&in));
}

static unsigned open_fds(void)
{
    unsigned n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) != -1;
    return n;
}

Test(msg, untaken_descriptors_are_closed)
{
    int p[2];
    struct msg out, in;
    pair(p);
    CLOSE_FD int file = memfd_create("x", MFD_CLOEXEC);
    msg_begin(&out, 1, 0);
    for (int i = 0; i < MSG_FDS; i++)
        msg_put_fd(&out, file);
    cr_assert_eq(msg_send(p[0], &out), 0);
    unsigned before = open_fds();
    cr_assert_eq(msg_recv_client(p[1], &in), 1);
    cr_assert_eq(open_fds(), before + MSG_FDS);
    cr_assert_not(msg_end(&in), "left over descriptors are a broken rule");
    msg_free(&in);
    cr_assert_eq(open_fds(), before);
}

Test(msg, too_much_is_not_sent)
{
    int p[2];
    pair(p);
    struct msg m MSG_FREE;
    FREE_MEM char *big = mem_new(MSG_MOST);
    msg_begin(&m, 1, 0);
    msg_put_bytes(&m, big, MSG_MOST);
    cr_assert_eq(msg_send(p[0], &m), -1);
    cr_assert_eq(errno, EMSGSIZE);
}

static const struct { const char *name; size_t size; char bytes[24]; } rubbish[] = {
    { "short", 3, { 0, 1, 0 } },
    { "reserved byte", 8, { 0, 1, 9, 0, 0, 0, 0, 0 } },
    { "a descriptor that is not there", 8, { 0, 1, 0, 1, 0, 0, 0, 0 } },
};

Test(msg, rubbish_from_a_client_is_an_error)
{
    for (size_t i = 0; i < countof(rubbish); i++) {
        int p[2];
        struct msg m;
        pair(p);
        cr_assert_eq(send(p[0], rubbish[i].bytes, rubbish[i].size, 0), (ssize_t)rubbish[i].size);
        cr_assert_eq(msg_recv_client(p[1], &m), -1, "%s", rubbish[i].name);
        cr_assert_eq(errno, EBADMSG);
    }
}

static const struct { const char *name; size_t size; char bytes[24]; } wrong[] = {
    { "no field", 8, { 0, 1, 0, 0, 0, 0, 0, 0 } },
    { "field of another kind", 13, { 0, 1, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0 } },
    { "field cut short", 11, { 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0 } },
    { "bytes left over", 14, { 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 5, 9 } },
};

static bool one_number(struct msg *m)
{
    msg_get_u32(m);
    return msg_end(m);
}

Test(msg, wrong_fields_of_a_client_are_marked)
{
    for (size_t i = 0; i < countof(wrong); i++) {
        int p[2];
        struct msg m MSG_FREE;
        pair(p);
        cr_assert_eq(send(p[0], wrong[i].bytes, wrong[i].size, 0), (ssize_t)wrong[i].size);
        cr_assert_eq(msg_recv_client(p[1], &m), 1);
        cr_assert_not(one_number(&m), "%s", wrong[i].name);
    }
}

Test(msg, wrong_fields_of_a_peer_end_the_process)
{
    for (size_t i = 0; i < countof(wrong); i++) {
        int p[2], status;
        pair(p);
        cr_assert_eq(send(p[0], wrong[i].bytes, wrong[i].size, 0), (ssize_t)wrong[i].size);
        pid_t pid = fork();
        if (pid == 0) {
            struct msg m;
            log_to(open("/dev/null", O_WRONLY | O_CLOEXEC));
            msg_recv(p[1], &m);
            one_number(&m);
            _exit(0);
        }
        waitpid(pid, &status, 0);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DIE, "%s: %x", wrong[i].name, status);
    }
}

/* ---- loop and links ---- */

static char order[16];
static size_t at;

static void note(void *data)
{
    order[at++] = *(char *)data;
}

Test(loop, timers_fire_in_the_order_they_are_due)
{
    struct loop *l = loop_new();
    loop_timer(l, 20, note, "c");
    loop_timer(l, 0, note, "a");
    struct timer *never = loop_timer(l, 5, note, "X");
    loop_timer(l, 10, note, "b");
    timer_free(never);
    while (at < 3)
        loop_once(l, 100);
    cr_assert_str_eq(order, "abc");
    loop_free(l);
}

struct side { struct link *link; unsigned got, gone; uint32_t last; };

static void on_msg(void *data, struct link *l, struct msg *m)
{
    (void)l;
    struct side *s = data;
    s->last = msg_get_u32(m);
    cr_assert(msg_end(m));
    s->got++;
}

static void on_gone(void *data, struct link *l)
{
    struct side *s = data;
    s->gone++;
    link_free(l);
    s->link = NULL;
}

static const struct link_events events = { .msg = on_msg, .gone = on_gone, .client = true, .queue = 5000 };

static void say(struct link *l, uint32_t n)
{
    struct msg m;
    msg_begin(&m, 1, n);
    msg_put_u32(&m, n);
    link_send(l, &m);
}

Test(link, keeps_order_through_a_full_socket)
{
    int p[2];
    pair(p);
    struct loop *l = loop_new();
    struct side a = { 0 }, b = { 0 };
    a.link = link_new(l, p[0], &events, &a);
    for (uint32_t i = 1; i <= 4000; i++)
        say(a.link, i);
    b.link = link_new(l, p[1], &events, &b);
    for (int i = 0; i < 10000 && b.got < 4000; i++)
        loop_once(l, 10);
    cr_assert_eq(b.got, 4000u);
    cr_assert_eq(b.last, 4000u);
    link_free(a.link);
    for (int i = 0; i < 10 && !b.gone; i++)
        loop_once(l, 10);
    cr_assert_eq(b.gone, 1u);
    loop_free(l);
}

Test(link, a_peer_that_does_not_read_is_gone_not_waited_for)
{
    static const struct link_events few = { .msg = on_msg, .gone = on_gone, .client = true, .queue = 4 };
    int p[2];
    pair(p);
    log_to(open("/dev/null", O_WRONLY | O_CLOEXEC));
    struct loop *l = loop_new();
    struct side a = { 0 };
    a.link = link_new(l, p[0], &few, &a);
    for (uint32_t i = 0; i < 100000 && !a.gone; i++) {
        say(a.link, i);
        if (i % 1000 == 0)
            loop_once(l, 0);
    }
    cr_assert_eq(a.gone, 1u);
    loop_free(l);
}

struct resting { struct side side; unsigned rounds; };

static void on_resting(void *data, struct link *l, struct msg *m)
{
    on_msg(&((struct resting *)data)->side, l, m);
    link_rest(l, 50);
}

static void on_round(void *data, struct link *l)
{
    (void)l;
    ((struct resting *)data)->rounds++;
}

Test(link, what_comes_during_a_rest_is_read_in_one_go)
{
    static const struct link_events rests = { .msg = on_resting, .gone = on_gone, .round = on_round, .client = true };
    int p[2];
    pair(p);
    struct loop *l = loop_new();
    struct side a = { 0 };
    struct resting b = { .rounds = 0 };
    a.link = link_new(l, p[0], &events, &a);
    b.side.link = link_new(l, p[1], &rests, &b);
    say(a.link, 1);
    loop_once(l, 10);
    cr_assert_eq(b.side.got, 1u);
    for (uint32_t i = 2; i <= 10; i++) {
        say(a.link, i);
        loop_once(l, 0);
    }
    cr_assert_eq(b.side.got, 1u, "nothing is read meanwhile");
    for (int i = 0; i < 100 && b.side.got < 10; i++)
        loop_once(l, 10);
    cr_assert_eq(b.side.got, 10u);
    cr_assert_eq(b.rounds, 2u);
    for (uint32_t i = 11; i <= 60; i++)
        say(a.link, i);
    link_wake(b.side.link);
    cr_assert_eq(b.side.got, 60u, "woken, it reads all there is");
    say(a.link, 61);
    link_free(a.link);
    for (int i = 0; i < 10 && !b.side.gone; i++)
        loop_once(l, 10);
    cr_assert_eq(b.side.got, 61u);
    cr_assert_eq(b.side.gone, 1u, "an end is seen while it rests");
    loop_free(l);
}

/* ---- the rest ---- */

Test(bucket, gives_its_burst_then_its_rate)
{
    struct bucket b;
    bucket_init(&b, 10, 2, 1000);
    for (int i = 0; i < 10; i++)
        cr_assert(bucket_take(&b, 1, 1000));
    cr_assert_not(bucket_take(&b, 1, 1000));
    cr_assert_eq(bucket_wait(&b, 1, 1000), 500u);
    cr_assert_not(bucket_take(&b, 1, 1499));
    cr_assert(bucket_take(&b, 1, 1500));
    cr_assert_not(bucket_take(&b, 11, 1000000));
    cr_assert_eq(bucket_wait(&b, 11, 1000000), UINT64_MAX);
    cr_assert(bucket_take(&b, 10, 1000000));
    cr_assert_not(bucket_take(&b, 1, 1000000), "no more than its burst is saved up");
}

Test(name, lets_in_only_what_is_safe_as_a_file_name)
{
    static const char *const good[] = { "a", "0", "my-server.2", "a_b", "abcdefghijklmnopqrstuvwxyz012345" };
    static const char *const bad[] = { "", ".", "..", "-a", "_a", "A", "a/b", "a b", "a\n", "\xc3\xa4", "abcdefghijklmnopqrstuvwxyz0123456" };
    for (size_t i = 0; i < countof(good); i++)
        cr_assert(name_ok(good[i]), "%s", good[i]);
    for (size_t i = 0; i < countof(bad); i++)
        cr_assert_not(name_ok(bad[i]), "%s", bad[i]);
}

#define OPERATOR (RIGHT_STATUS | RIGHT_START | RIGHT_STOP | RIGHT_KILL | RIGHT_CONSOLE | RIGHT_SEND | RIGHT_LOGS | RIGHT_FILES_READ | \
                  RIGHT_BACKUP_CREATE | RIGHT_BACKUP_READ | RIGHT_ACTIVITY)

Test(rights, roles_and_what_is_taken)
{
    static const struct { const char *text; uint32_t bits; } good[] = {
        { "owner", RIGHT_ALL }, { "*", RIGHT_ALL }, { "operator", OPERATOR }, { "viewer", RIGHT_STATUS | RIGHT_CONSOLE | RIGHT_LOGS },
        { "operator -kill", OPERATOR & ~(uint32_t)RIGHT_KILL }, { "-kill\t operator ", OPERATOR & ~(uint32_t)RIGHT_KILL },
        { "viewer backup.create", RIGHT_STATUS | RIGHT_CONSOLE | RIGHT_LOGS | RIGHT_BACKUP_CREATE },
        { "* -files", RIGHT_ALL & ~(uint32_t)RIGHT_FILES }, { "files.write", RIGHT_STATUS | RIGHT_FILES_WRITE | RIGHT_FILES_CREATE },
        { "operator -restart", OPERATOR & ~(uint32_t)(RIGHT_START | RIGHT_STOP) },
        { "operator -viewer", (OPERATOR & ~(uint32_t)(RIGHT_CONSOLE | RIGHT_LOGS)) }, { "start -kill", RIGHT_STATUS | RIGHT_START },
        { "viewer -console -logs", RIGHT_STATUS }, { "status", RIGHT_STATUS }, { "start", RIGHT_STATUS | RIGHT_START },
    };
    static const struct { const char *text, *why; } bad[] = {
        { "", "no right named" }, { " \t", "no right named" }, { "-kill", "no right named" }, { "start -start", "no right is left" },
        { "viewer -*", "no right is left" }, { "start -status", "status comes with" }, { "status -status", "no right is left" },
        { "files -files.create", "files.create comes with" },
        { "admin", "'admin' is no right; allowed: status start" }, { "start -fly", "'-fly' is no right" }, { "-", "'-' is no right" },
        { "start --kill", "'--kill' is no right" }, { "Owner", "'Owner' is no right" }, { "start,stop", "'start,stop' is no right" },
    };
    char why[256], words[256];
    uint32_t bits;
    for (size_t i = 0; i < countof(good); i++) {
        bits = 0;
        cr_assert_eq(rights_parse(good[i].text, &bits, why, sizeof why), 0, "%s: %s", good[i].text, why);
        cr_assert_eq(bits, good[i].bits, "%s: %x", good[i].text, bits);
    }
    for (size_t i = 0; i < countof(bad); i++) {
        bits = 7;
        cr_assert_eq(rights_parse(bad[i].text, &bits, why, sizeof why), -1, "%s", bad[i].text);
        cr_assert_not_null(strstr(why, bad[i].why), "%s: %s", bad[i].text, why);
        cr_assert_eq(bits, 7);
    }
    rights_parse("fly", &bits, why, sizeof why);
    cr_assert_not_null(strstr(why, "* owner operator viewer, -WORD"), "the list is whole: %s", why);
    cr_assert_str_eq(rights_role(RIGHT_ALL), "owner");
    cr_assert_str_eq(rights_role(OPERATOR), "operator");
    cr_assert_null(rights_role(RIGHT_STATUS | RIGHT_START));
    cr_assert_null(rights_role(0));
    cr_assert_not_null(strstr(rights_words(words, sizeof words), "activity files.create shell restart files"));
    cr_assert_lt(strlen(words), sizeof words - 1);
}

Test(rights, words_and_bits_agree)
{
    char text[256];
    cr_assert_eq(rights_of_word("*"), (uint32_t)RIGHT_ALL);
    cr_assert_eq(rights_of_word("start"), (uint32_t)(RIGHT_START | RIGHT_STATUS));
    cr_assert_eq(rights_of_word("files"), (uint32_t)(RIGHT_STATUS | RIGHT_FILES_READ | RIGHT_FILES_CREATE | RIGHT_FILES_WRITE | RIGHT_FILES_DELETE));
    cr_assert_eq(rights_of_word("root"), 0u);
    cr_assert_eq(rights_of_word(""), 0u);
    cr_assert_eq(rights_of_word("files.write"), (uint32_t)(RIGHT_STATUS | RIGHT_FILES_CREATE | RIGHT_FILES_WRITE));
    cr_assert_eq(rights_of_word("files.create"), (uint32_t)(RIGHT_STATUS | RIGHT_FILES_CREATE));
    cr_assert_str_eq(rights_text(RIGHT_FILES_CREATE | RIGHT_FILES_WRITE, text, sizeof text), "files.write");
    cr_assert_str_eq(rights_text(RIGHT_FILES_CREATE, text, sizeof text), "files.create");
    cr_assert(name_listed("one,two", "two") && name_listed("one", "one") && !name_listed("one,two", "on") && !name_listed("", "one"));
    cr_assert_str_eq(rights_text(RIGHT_START | RIGHT_LOGS, text, sizeof text), "start logs");
    cr_assert_str_eq(rights_text(RIGHT_ALL, text, 8), text);
    cr_assert_eq(rights_of_word("viewer"), (uint32_t)(RIGHT_STATUS | RIGHT_CONSOLE | RIGHT_LOGS));
    cr_assert_lt(strlen(text), 8u);
}

Test(log, escapes_what_a_stranger_chose)
{
    cr_assert_str_eq(esc("plain-Text_1/2"), "plain-Text_1/2");
    cr_assert_str_eq(esc("a b\n\"=\\\x80"), "a\\x20b\\x0a\\x22\\x3d\\x5c\\x80");
    FREE_MEM char *longest = mem_new(5000);
    memset(longest, '\n', 4999);
    const char *out = esc(longest);
    cr_assert_lt(strlen(out), 512u);
    cr_assert_str_eq(out + strlen(out) - 3, "...");
}

Test(io, file_is_written_whole_or_not_at_all)
{
    char folder[] = "/tmp/holdfast-unit.XXXXXX", path[64];
    struct err e;
    struct stat st;
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
    cr_assert_eq(io_write_file(path, 0600, "one", 3, &e), 0);
    cr_assert_eq(io_write_file(path, 0640, "second", 6, &e), 0);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 07777, 0640u);
    size_t len;
    FREE_MEM char *text = io_read_file(path, 100, &len, &e);
    cr_assert_str_eq(text, "second");
    cr_assert_eq(len, 6u);
    cr_assert_null(io_read_file(path, 5, NULL, &e));
    cr_assert_eq(e.no, EFBIG);
    char line[400];
    cr_assert_eq(io_write_file("/nowhere/file", 0600, "x", 1, &e), -1);
    cr_assert_not_null(strstr(err_text(&e, line, sizeof line), "/nowhere/file"));
    unlink(path);
    cr_assert_eq(rmdir(folder), 0, "nothing else was left beside the file");
}

Test(io, sealed_bytes_cannot_change)
{
    CLOSE_FD int fd = io_sealed("x", "secret", 6);
    cr_assert(fd >= 0);
    cr_assert_eq(pwrite(fd, "X", 1, 0), -1);
    cr_assert_eq(ftruncate(fd, 0), -1);
    char text[7] = "";
    cr_assert_eq(read(fd, text, 6), 6);
    cr_assert_str_eq(text, "secret");
}

Test(err, is_wrapped_and_bounded)
{
    struct err e;
    char line[400];
    err_set(&e, ENOENT, "open", "%s", "/x");
    err_wrap(&e, "config");
    cr_assert_str_eq(err_text(&e, line, sizeof line), "config: open: /x: No such file or directory");
    for (int i = 0; i < 50; i++)
        err_wrap(&e, "again");
    cr_assert_lt(strlen(e.step), sizeof e.step);
    cr_assert_eq(err_set(NULL, 1, "x", "y"), -1);
}

static uintptr_t __attribute__((noinline)) use_deep_stack(void)
{
    volatile char room[6 * 4096];
    for (size_t i = 0; i < sizeof room; i += 4096)
        room[i] = 1;
    return (uintptr_t)&room[2 * 4096] & ~(uintptr_t)4095;
}

Test(mem, one_that_rests_gives_back_stack_and_heap)
{
    enum { BLOCK = 64 * 1024 };
    unsigned char stack = 0, below = 0, heap = 0, mine[64];
    memset(mine, 7, sizeof mine);
    /* What has another one above it does not become a part of the heap's end, which another rule holds for. */
    char *one = mem_new(BLOCK), *two = mem_new(BLOCK), *lower = one < two ? one : two, *upper = one < two ? two : one;
    memset(lower, 1, BLOCK);
    char *inside = (char *)(((uintptr_t)lower + 8192) & ~(uintptr_t)4095);
    uintptr_t page = use_deep_stack();
    int asked = mincore((void *)page, 4096, &stack);
    /* No check before the last answer: the framework would use both. */
    errno = ENOTTY;
    free(lower);
    mem_rest();
    int kept = errno;
    asked |= mincore((void *)page, 4096, &below) | mincore(inside, 4096, &heap);
    cr_assert_eq(asked, 0);
    cr_assert_eq(kept, ENOTTY);
    cr_assert(stack & 1);
    cr_assert_not(below & 1, "the stack below");
#ifndef SANITIZERS
    cr_assert_not(heap & 1, "the heap between what is used");
#endif
    for (size_t i = 0; i < sizeof mine; i++)
        cr_assert_eq(mine[i], 7);
    free(upper);
}

Test(mem, nothing_can_be_wiped)
{
    char bytes[3] = { 1, 2, 3 };
    mem_wipe(NULL, 0);
    mem_wipe(bytes, 2);
    cr_assert_eq(bytes[0] + bytes[1] + bytes[2], 3);
}
