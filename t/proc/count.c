/* holdfast-count over a socket: the real program, a tree of its own, and somebody who changes it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/msg.h"
#include "quota/proto.h"
#include "quota/scan.h"

enum { UID = 54322, LOOK_MS = 50, NEVER_MS = 3600000 };

static struct {
    char top[64];
    int dir, link;
    pid_t pid;
    uint32_t id;
} rig;

struct report { uint32_t id, no; uint64_t bytes, inodes, unseen, twice; };

static void own(int dir, const char *name)
{
    if (geteuid() == 0)
        cr_assert(fchownat(dir, name, UID, UID, AT_SYMLINK_NOFOLLOW) == 0);
}

static void file_at(int dir, const char *name, size_t size)
{
    CLOSE_FD int fd = openat(dir, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    cr_assert(fd >= 0, "%s: %s", name, strerror(errno));
    FREE_MEM char *zero = mem_new(size + 1);
    cr_assert(io_write_all(fd, zero, size) == 0);
    own(dir, name);
}

static int dir_at(int dir, const char *name)
{
    cr_assert(mkdirat(dir, name, 0755) == 0 || errno == EEXIST);
    own(dir, name);
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert(fd >= 0);
    return fd;
}

static void become(int link)
{
    if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(UID) < 0 || setuid(UID) < 0))
        _exit(1);
    int moved = fcntl(link, F_DUPFD, 10);
    CLOSE_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(null, 0);
    dup2(null, 1);
    dup2(moved, LINK_FD);
    io_close_from(LINK_FD + 1);
    execl(BUILD "/holdfast-count", "holdfast-count", (char *)NULL);
    _exit(1);
}

static void start(bool keep, uint32_t watches, uint32_t reconcile_ms)
{
    int pair[2];
    cr_assert(io_pair(pair) == 0);
    rig.pid = fork();
    if (rig.pid == 0)
        become(pair[1]);
    close(pair[1]);
    rig.link = pair[0];
    rig.id = 0;
    MSG_FREE struct msg m;
    msg_begin(&m, START_COUNT, 0);
    msg_put_str(&m, "one");
    msg_put_u32(&m, LOG_INFO);
    msg_put_u32(&m, keep);
    msg_put_u32(&m, 2);
    msg_put_u32(&m, watches);
    msg_put_u32(&m, reconcile_ms);
    msg_put_u32(&m, LOOK_MS);
    msg_put_fd(&m, rig.dir);
    cr_assert(msg_send(rig.link, &m) == 0);
}

static void up(void)
{
    snprintf(rig.top, sizeof rig.top, "/tmp/count-test-XXXXXX");
    cr_assert(mkdtemp(rig.top) && chmod(rig.top, 0755) == 0);
    rig.dir = open(rig.top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    own(rig.dir, ".");
    rig.link = -1;
}

static void stop(int wanted)
{
    int status;
    close(rig.link);
    cr_assert(waitpid(rig.pid, &status, 0) == rig.pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == wanted, "it ended with %x", (unsigned)status);
}

static void down(void)
{
    close(rig.dir);
    pid_t pid = fork();
    if (pid == 0) {
        execlp("rm", "rm", "-rf", rig.top, (char *)NULL);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
}

TestSuite(count, .init = up, .fini = down, .timeout = 120);

/* The next report, or false after MS. */
static bool report_within(int ms, struct report *r)
{
    struct pollfd p = { .fd = rig.link, .events = POLLIN };
    MSG_FREE struct msg m = { 0 };
    if (poll(&p, 1, ms) != 1)
        return false;
    cr_assert_eq(msg_recv(rig.link, &m), 1, "it has died");
    cr_assert_eq(m.type, COUNT_REPORT);
    r->id = m.id;
    r->no = msg_get_u32(&m);
    r->bytes = msg_get_u64(&m);
    r->inodes = msg_get_u64(&m);
    r->unseen = msg_get_u64(&m);
    r->twice = msg_get_u64(&m);
    msg_end(&m);
    return true;
}

static struct report report(void)
{
    struct report r;
    cr_assert(report_within(30000, &r), "no report");
    return r;
}

static void look(bool now)
{
    MSG_FREE struct msg m;
    msg_begin(&m, COUNT_LOOK, ++rig.id);
    msg_put_u32(&m, now);
    cr_assert(msg_send(rig.link, &m) == 0);
}

static struct scan_result truth(void)
{
    struct scan_result r;
    cr_assert_eq(scan(rig.dir, &(struct scan){ .threads = 1 }, &r), 0);
    return r;
}

/* Told within a while, without anybody having asked for more than the next look. */
static void comes_true(const char *what)
{
    struct report r = { .id = 0 };
    struct scan_result t = truth();
    for (int i = 0; i < 40; i++) {
        look(false);
        if (!report_within(40000, &r))
            break;
        if (r.bytes == t.tally.bytes && r.inodes == t.tally.inodes)
            return;
    }
    cr_assert_fail("%s: %llu bytes, %llu inodes in place of %llu, %llu", what, (unsigned long long)r.bytes, (unsigned long long)r.inodes,
                   (unsigned long long)t.tally.bytes, (unsigned long long)t.tally.inodes);
}

Test(count, once)
{
    CLOSE_FD int d = dir_at(rig.dir, "d");
    file_at(d, "f", 50000);
    cr_assert_eq(linkat(d, "f", rig.dir, "again", 0), 0);
    start(false, 10, NEVER_MS);
    struct report r = report();
    struct scan_result t = truth();
    cr_assert_eq(r.no, 0);
    cr_assert_eq(r.bytes, t.tally.bytes);
    cr_assert_eq(r.inodes, 3);
    cr_assert_eq(r.unseen, 0);
    stop(0);
}

Test(count, once_tells_what_it_could_not_see)
{
    if (geteuid() != 0)
        cr_skip_test("needs root");
    CLOSE_FD int d = dir_at(rig.dir, "shut");
    file_at(d, "f", 50000);
    cr_assert(fchown(d, 0, 0) == 0 && fchmod(d, 0700) == 0);
    start(false, 10, NEVER_MS);
    struct report r = report();
    cr_assert_eq(r.inodes, 2);
    cr_assert_eq(r.unseen, 1);
    stop(0);
}

Test(count, keeps_what_changes)
{
    CLOSE_FD int a = dir_at(rig.dir, "a");
    CLOSE_FD int b = dir_at(rig.dir, "b");
    start(true, 100, NEVER_MS);
    struct report r = report();
    cr_assert_eq(r.id, 0);
    cr_assert_eq(r.inodes, 3);
    look(false);
    cr_assert(!report_within(300, &r), "nothing has changed, nothing is told");
    look(true);
    r = report();
    cr_assert_eq(r.id, 2, "but when asked, with the number of the last question");
    file_at(a, "f", 100000);
    comes_true("a new file");
    file_at(a, "f", 100000);
    comes_true("a longer file");
    CLOSE_FD int deep = dir_at(b, "deep");
    CLOSE_FD int deeper = dir_at(deep, "deeper");
    file_at(deeper, "f", 12345);
    comes_true("a new folder with all in it");
    file_at(deeper, "g", 54321);
    comes_true("a change in the new folder");
    cr_assert_eq(renameat(b, "deep", a, "moved"), 0);
    comes_true("a folder that was moved");
    file_at(deeper, "h", 9999);
    comes_true("a change in the moved folder");
    cr_assert_eq(renameat(rig.dir, "a", b, "a"), 0);
    file_at(deeper, "i", 70000);
    comes_true("under another one");
    cr_assert_eq(unlinkat(deeper, "g", 0), 0);
    comes_true("a file less");
    CLOSE_FD int f = openat(deeper, "i", O_WRONLY | O_CLOEXEC);
    cr_assert_eq(ftruncate(f, 0), 0);
    comes_true("a shorter file");
    char out[80];
    snprintf(out, sizeof out, "%s.out", rig.top);
    cr_assert_eq(renameat(b, "a", AT_FDCWD, out), 0);
    comes_true("a folder that left with all in it");
    cr_assert_eq(rename(out, rig.top) < 0 && errno == ENOTEMPTY, 1);
    cr_assert_eq(renameat(AT_FDCWD, out, b, "back"), 0);
    comes_true("and came back");
    stop(0);
}

Test(count, names_of_one_inode)
{
    CLOSE_FD int a = dir_at(rig.dir, "a");
    CLOSE_FD int b = dir_at(rig.dir, "b");
    file_at(a, "f", 300000);
    start(true, 100, NEVER_MS);
    cr_assert_eq(report().inodes, 4);
    cr_assert_eq(linkat(a, "f", b, "f", 0), 0);
    comes_true("a second name in another folder");
    cr_assert_eq(unlinkat(a, "f", 0), 0);
    comes_true("the name that had been counted goes");
    cr_assert_eq(unlinkat(b, "f", 0), 0);
    comes_true("and the last one");
    stop(0);
}

Test(count, more_folders_than_watches)
{
    enum { RECONCILE = 1500 };
    char name[20];
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "d%d", i);
        CLOSE_FD int d = dir_at(rig.dir, name);
        CLOSE_FD int e = dir_at(d, "e");
        file_at(e, "f", 4000);
    }
    start(true, 5, RECONCILE);
    struct report r = report();
    cr_assert_eq(r.inodes, 91);
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "d%d/e", i);
        CLOSE_FD int e = openat(rig.dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        file_at(e, "g", 20000);
    }
    uint64_t begin = now_ms();
    comes_true("those without a watch, at the reconcile");
    cr_assert_lt(now_ms() - begin, (uint64_t)RECONCILE * (COUNT_FULL_EVERY - 1), "before the one that counts all");
    cr_assert_eq(truth().tally.inodes, 121);
    stop(0);
}

/* A mapping makes no event: the reconcile that counts all finds it. */
Test(count, what_makes_no_event_is_found_by_the_full_count)
{
    enum { SIZE = 1 << 20, RECONCILE = 500 };
    file_at(rig.dir, "f", 1);
    CLOSE_FD int f = openat(rig.dir, "f", O_RDWR | O_CLOEXEC);
    cr_assert_eq(ftruncate(f, SIZE), 0);
    char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
    cr_assert(p != MAP_FAILED);
    uint64_t begin = now_ms();
    start(true, 10, RECONCILE);
    struct report r = report(), last;
    memset(p, 1, SIZE);
    cr_assert_eq(msync(p, SIZE, MS_SYNC), 0);
    look(false);
    cr_assert(!report_within(RECONCILE, &last), "nothing was heard of it");
    last = report();
    cr_assert_geq(now_ms() - begin, (uint64_t)RECONCILE * COUNT_FULL_EVERY - 100);
    cr_assert_geq(last.bytes, r.bytes + SIZE - 8192);
    munmap(p, SIZE);
    stop(0);
}

/* More events than the queue holds, while it cannot take any: all is counted anew, and right. */
Test(count, overflow)
{
    enum { FOLDERS = 10000 };
    char name[20];
    for (int i = 0; i < FOLDERS; i++) {
        snprintf(name, sizeof name, "d%d", i);
        cr_assert_eq(mkdirat(rig.dir, name, 0777), 0);
        own(rig.dir, name);
    }
    start(true, FOLDERS + 10, NEVER_MS);
    struct report r = report();
    cr_assert_eq(r.inodes, FOLDERS + 1);
    cr_assert_eq(kill(rig.pid, SIGSTOP), 0);
    for (int i = 0; i < FOLDERS; i++) {
        snprintf(name, sizeof name, "d%d/f", i);
        file_at(rig.dir, name, 1);
    }
    look(false);
    cr_assert_eq(kill(rig.pid, SIGCONT), 0);
    r = report();
    cr_assert_eq(r.inodes, 2 * FOLDERS + 1);
    file_at(rig.dir, "d9999/g", 5000);
    comes_true("and it goes on watching");
    stop(0);
}

static atomic_bool over;

static void *storm(void *data)
{
    unsigned seed = (unsigned)(uintptr_t)data * 7 + 1, n = 0;
    char a[40], b[40];
    while (!atomic_load(&over)) {
        seed = seed * 1103515245 + 12345;
        unsigned i = seed >> 16 & 7, k = seed >> 20 & 7;
        snprintf(a, sizeof a, "w%u", i);
        snprintf(b, sizeof b, "w%u/w%u", k, i);
        int r = n++ % 2 ? renameat(rig.dir, a, rig.dir, b) : renameat(rig.dir, b, rig.dir, a);
        r = mkdirat(rig.dir, n % 3 ? b : a, 0777);
        snprintf(b, sizeof b, "w%u/f%u", k, n % 40);
        r = n % 5 ? mknodat(rig.dir, b, S_IFREG | 0644, 0) : unlinkat(rig.dir, b, 0);
        snprintf(a, sizeof a, "w%u/f%u", i, n % 40);
        r = n % 97 == 0 ? linkat(rig.dir, b, rig.dir, a, 0) : r;
        (void)r;
    }
    return NULL;
}

Test(count, hostile_renames_and_then_the_truth)
{
    pthread_t t[2];
    start(true, 12, 500);
    report();
    for (size_t i = 0; i < 2; i++)
        cr_assert_eq(pthread_create(&t[i], NULL, storm, (void *)i), 0);
    uint64_t end = now_ms() + 4000;
    while (now_ms() < end) {
        struct report r;
        look(false);
        if (report_within(2000, &r))
            cr_assert_eq(r.no, 0);
    }
    atomic_store(&over, true);
    for (size_t i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    comes_true("within one reconcile after they stopped");
    stop(0);
}

Test(count, a_storm_of_writes_is_not_a_storm_of_reports)
{
    start(true, 10, NEVER_MS);
    report();
    CLOSE_FD int f = openat(rig.dir, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    own(rig.dir, "f");
    struct report r;
    unsigned reports = 0;
    uint64_t end = now_ms() + 1000;
    look(false);
    while (now_ms() < end) {
        cr_assert_eq(pwrite(f, "x", 1, 0), 1);
        if (report_within(0, &r)) {
            reports++;
            look(false);
        }
    }
    cr_assert_leq(reports, 1000 / LOOK_MS + 2);
    cr_assert_geq(reports, 1);
    stop(0);
}

Test(count, ends_with_its_link_and_by_a_broken_rule)
{
    start(true, 10, NEVER_MS);
    report();
    stop(0);
    start(true, 10, NEVER_MS);
    report();
    MSG_FREE struct msg m;
    msg_begin(&m, START_COUNT, 7);
    cr_assert(msg_send(rig.link, &m) == 0);
    int status;
    cr_assert(waitpid(rig.pid, &status, 0) == rig.pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) != 0, "%x", (unsigned)status);
    close(rig.link);
}
