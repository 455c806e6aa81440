/* The counting engine against trees that stand still and trees that do not. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "config.h"

#include "base/attr.h"
#include "quota/scan.h"

static char top[64];
static int top_fd;

static void up(void)
{
    snprintf(top, sizeof top, "/tmp/scan-test-XXXXXX");
    cr_assert(mkdtemp(top));
    top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert(top_fd >= 0 && chmod(top, 0777) == 0);
}

static void down(void)
{
    close(top_fd);
    if (fork() == 0) {
        execlp("rm", "rm", "-rf", "--one-file-system", top, (char *)NULL);
        _exit(127);
    }
    int status;
    wait(&status);
    cr_assert_eq(status, 0);
}

TestSuite(scan, .init = up, .fini = down, .timeout = 120);

static void file_at(int dir, const char *name, size_t size)
{
    static const char block[4096] = { 1 };
    CLOSE_FD int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    cr_assert(fd >= 0, "%s: %s", name, strerror(errno));
    for (size_t part; size > 0; size -= part) {
        part = size < sizeof block ? size : sizeof block;
        cr_assert_eq(write(fd, block, part), (ssize_t)part);
    }
}

static int dir_at(int dir, const char *name)
{
    mkdirat(dir, name, 0777);
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert(fd >= 0, "%s: %s", name, strerror(errno));
    return fd;
}

static struct scan_result count(unsigned threads)
{
    struct scan_result r;
    cr_assert_eq(scan(top_fd, &(struct scan){ .threads = threads }, &r), 0);
    return r;
}

/* Another's opinion: du -s of coreutils, in blocks of 512, and find. */
static uint64_t ask(const char *command)
{
    char line[200];
    int pipes[2];
    cr_assert(pipe2(pipes, O_CLOEXEC) == 0);
    if (fork() == 0) {
        dup2(pipes[1], 1);
        execlp("sh", "sh", "-c", command, "sh", top, (char *)NULL);
        _exit(127);
    }
    close(pipes[1]);
    ssize_t n = read(pipes[0], line, sizeof line - 1);
    close(pipes[0]);
    wait(NULL);
    cr_assert(n > 0);
    line[n] = '\0';
    return strtoull(line, NULL, 10);
}

static void mixed(void)
{
    char name[40];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "d%d", i);
        CLOSE_FD int d = dir_at(top_fd, name);
        for (int k = 0; k < 60; k++) {
            snprintf(name, sizeof name, "f%d", k);
            file_at(d, name, (size_t)(k * 700));
        }
        CLOSE_FD int below = dir_at(d, "below");
        file_at(below, "x", 10000);
        cr_assert_eq(linkat(below, "x", top_fd, name, 0) < 0 && errno != EEXIST, 0);
        cr_assert_eq(linkat(below, "x", below, "again", 0), 0);
        cr_assert_eq(symlinkat("/usr", below, "link"), 0);
        cr_assert_eq(mkfifoat(below, "fifo", 0600), 0);
    }
    CLOSE_FD int holes = openat(top_fd, "holes", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    cr_assert_eq(ftruncate(holes, 1 << 30), 0);
}

Test(scan, the_same_as_du_and_find)
{
    mixed();
    uint64_t du = ask("du -s --block-size=512 \"$1\""), inodes = ask("find \"$1\" -printf '%D %i\\n' | sort -u | wc -l");
    for (unsigned threads = 1; threads <= 4; threads++) {
        struct scan_result r = count(threads);
        cr_assert_eq(r.tally.bytes, du * 512, "%u threads: %llu of %llu", threads, (unsigned long long)r.tally.bytes, (unsigned long long)du * 512);
        cr_assert_eq(r.tally.inodes, inodes);
        cr_assert(scan_exact(&r));
        cr_assert_geq(r.tally.size, 1u << 30, "holes have a size and no blocks");
    }
}

Test(scan, an_inode_counts_once_and_past_the_bound_too_often)
{
    char name[40];
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "f%d", i);
        file_at(top_fd, name, 8192);
        snprintf(name, sizeof name, "g%d", i);
        char old[40];
        snprintf(old, sizeof old, "f%d", i);
        cr_assert_eq(linkat(top_fd, old, top_fd, name, 0), 0);
    }
    struct scan_result r = count(2), few;
    cr_assert_eq(r.tally.inodes, 11);
    cr_assert_eq(scan(top_fd, &(struct scan){ .links = 4 }, &few), 0);
    cr_assert_eq(few.tally.inodes, 11 + 6, "four are known, the names of six others all count");
    cr_assert_eq(few.links_over, 12);
    cr_assert(!scan_exact(&few), "and that is said");
}

Test(scan, links_remembers_exactly)
{
    struct links *l = links_new(5000);
    for (uint64_t i = 1; i <= 5000; i++)
        cr_assert(links_first(l, i % 3, i << 20));
    for (uint64_t i = 1; i <= 5000; i++)
        cr_assert(!links_first(l, i % 3, i << 20));
    cr_assert(links_first(l, 3, 1 << 20), "another device, another inode");
    cr_assert_eq(links_known(l), 5000);
    cr_assert_eq(links_over(l), 1);
    links_free(l);
}

Test(scan, mount_points_are_not_crossed)
{
    if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        cr_skip_test("needs root");
    char path[100], other[100];
    /* The one from before is of the other name space. */
    close(top_fd);
    top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(dir_at(top_fd, "m"));
    file_at(top_fd, "f", 1000);
    file_at(top_fd, "on", 1000);
    struct scan_result before = count(1);
    snprintf(path, sizeof path, "%s/m", top);
    cr_assert_eq(mount("t", path, "tmpfs", 0, "size=1m"), 0);
    CLOSE_FD int m = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    file_at(m, "inside", 100000);
    snprintf(path, sizeof path, "%s/f", top);
    snprintf(other, sizeof other, "%s/on", top);
    cr_assert_eq(mount(path, other, NULL, MS_BIND, NULL), 0);
    struct scan_result after = count(2);
    umount2(other, MNT_DETACH);
    snprintf(path, sizeof path, "%s/m", top);
    umount2(path, MNT_DETACH);
    cr_assert_eq(after.tally.mounts, 2, "%llu", (unsigned long long)after.tally.mounts);
    cr_assert_eq(after.tally.inodes, before.tally.inodes - 2, "neither what is mounted nor, unseen, what is beneath it");
    cr_assert_eq(after.tally.unreadable, 0);
}

/* Two children at each level, so that every level has to be gone back to. */
static void chain(unsigned levels)
{
    int at = fcntl(top_fd, F_DUPFD_CLOEXEC, 0);
    for (unsigned i = 0; i < levels; i++) {
        mkdirat(at, "a", 0777);
        mkdirat(at, "z", 0777);
        int next = openat(at, i % 2 ? "a" : "z", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        cr_assert(next >= 0);
        close(at);
        at = next;
    }
    close(at);
}

static void fewer_descriptors(void)
{
    struct rlimit r = { 40, 40 };
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &r), 0);
}

Test(scan, deeper_than_descriptors_and_paths)
{
    enum { LEVELS = 4500 };
    struct scan_result r;
    struct top *t = top_new(3);
    chain(LEVELS);
    fewer_descriptors();
    for (unsigned threads = 1; threads <= 2; threads++) {
        cr_assert_eq(scan(top_fd, &(struct scan){ .threads = threads, .fds = 6, .top = t }, &r), 0);
        cr_assert_eq(r.tally.inodes, 2 * LEVELS + 1, "%u threads: %llu", threads, (unsigned long long)r.tally.inodes);
        cr_assert(scan_exact(&r));
    }
    cr_assert_str_eq(t->v[0].path, ".");
    top_free(t);
}

/* As the files worker walks: never by "..". */
Test(scan, deeper_by_names_alone)
{
    enum { LEVELS = 4500 };
    struct walk_rules rules = { .fds = 16 };
    chain(LEVELS);
    fewer_descriptors();
    struct walk *w = walk_new(&rules);
    cr_assert_eq(walk_root(w, top_fd), 0);
    while (walk_step(w, 7)) {}
    cr_assert_eq(walk_tally(w)->inodes, 2 * LEVELS + 1);
    cr_assert_eq(walk_tally(w)->lost, 0);
    walk_free(w);
}

Test(scan, too_deep_is_counted_and_said)
{
    struct scan_result r;
    chain(100);
    cr_assert_eq(scan(top_fd, &(struct scan){ .threads = 1, .depth = 50 }, &r), 0);
    cr_assert_eq(r.tally.deep, 2);
    cr_assert_eq(r.tally.inodes, 2 * 50 + 1, "those at the bound count as themselves");
    cr_assert(!scan_exact(&r));
}

static uint64_t peak(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (uint64_t)u.ru_maxrss;
}

Test(scan, many_entries_in_little_memory)
{
    enum { FILES = 60000, FOLDERS = 20000 };
    char name[240];
    memset(name, 'n', sizeof name);
    for (int i = 0; i < FILES + FOLDERS; i++) {
        snprintf(name + 200, 40, "%d", i);
        if (i < FILES)
            cr_assert_eq(mknodat(top_fd, name, S_IFREG | 0600, 0), 0);
        else
            cr_assert_eq(mkdirat(top_fd, name, 0700), 0);
    }
    uint64_t before = peak();
    struct scan_result r;
    for (unsigned threads = 1; threads <= 3; threads++) {
        cr_assert_eq(scan(top_fd, &(struct scan){ .threads = threads, .names = 2048 }, &r), 0);
        cr_assert_eq(r.tally.inodes, FILES + FOLDERS + 1, "%u threads: %llu", threads, (unsigned long long)r.tally.inodes);
        cr_assert(scan_exact(&r));
    }
#ifndef SANITIZERS
    cr_assert_leq(peak() - before, 3072, "KiB more for 20 MB of names");
#endif
    (void)before;
}

Test(scan, unreadable_is_counted_as_itself_and_reported)
{
    if (geteuid() != 0)
        cr_skip_test("needs root");
    CLOSE_FD int d = dir_at(top_fd, "shut");
    file_at(d, "inside", 100000);
    cr_assert_eq(fchmod(d, 0), 0);
    file_at(top_fd, "f", 5000);
    pid_t pid = fork();
    if (pid == 0) {
        struct scan_result r;
        if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0 || scan(top_fd, &(struct scan){ .threads = 2 }, &r) < 0)
            _exit(1);
        _exit(r.tally.unreadable == 1 && r.tally.inodes == 3 && !scan_exact(&r) ? 0 : 2);
    }
    int status;
    waitpid(pid, &status, 0);
    cr_assert_eq(status, 0, "%x", (unsigned)status);
    cr_assert_eq(count(1).tally.inodes, 4, "for root it is open");
}

static atomic_bool stop_it;

static void *stopper(void *data)
{
    nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
    atomic_store(&stop_it, true);
    return data;
}

static unsigned descriptors(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

Test(scan, stops_when_told)
{
    struct scan_result r;
    pthread_t t;
    mixed();
    unsigned before = descriptors();
    atomic_store(&stop_it, true);
    cr_assert_eq(scan(top_fd, &(struct scan){ .threads = 3, .stop = &stop_it }, &r), -1);
    cr_assert_eq(errno, ECANCELED);
    atomic_store(&stop_it, false);
    cr_assert_eq(pthread_create(&t, NULL, stopper, NULL), 0);
    int turns = 0;
    while (scan(top_fd, &(struct scan){ .threads = 3, .stop = &stop_it }, &r) == 0)
        cr_assert_lt(++turns, 100000);
    pthread_join(t, NULL);
    cr_assert_eq(descriptors(), before, "nothing is left open");
}

Test(scan, the_largest_directories)
{
    struct top *t = top_new(3);
    struct scan_result r;
    CLOSE_FD int a = dir_at(top_fd, "a");
    CLOSE_FD int b = dir_at(a, "b");
    CLOSE_FD int c = dir_at(top_fd, "c");
    file_at(b, "big", 400000);
    file_at(c, "small", 40000);
    cr_assert_eq(scan(top_fd, &(struct scan){ .threads = 2, .top = t }, &r), 0);
    cr_assert_eq(t->n, 3);
    cr_assert_str_eq(t->v[0].path, ".");
    cr_assert_str_eq(t->v[1].path, "a");
    cr_assert_str_eq(t->v[2].path, "a/b");
    cr_assert_eq(t->v[0].bytes, r.tally.bytes);
    top_free(t);
}

/* ---- while it is changed ---- */

static void *mutate(void *data)
{
    unsigned seed = 1 + (unsigned)(uintptr_t)data, n = 0;
    char a[60], b[60];
    while (!atomic_load(&stop_it)) {
        seed = seed * 1103515245 + 12345;
        unsigned i = seed >> 16 & 15, k = seed >> 20 & 15;
        snprintf(a, sizeof a, "w%u", i);
        snprintf(b, sizeof b, "w%u/w%u", k, i);
        if (n++ % 3 == 0)
            renameat(top_fd, a, top_fd, b);
        else if (n % 3 == 1)
            renameat(top_fd, b, top_fd, a);
        else
            mkdirat(top_fd, b, 0777);
        snprintf(b, sizeof b, "w%u/f%u", k, n % 50);
        int fd = openat(top_fd, b, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (fd >= 0)
            close(fd);
        snprintf(b, sizeof b, "w%u/f%u", k, (n * 7) % 50);
        unlinkat(top_fd, b, 0);
        unlinkat(top_fd, "swap", n % 2 ? 0 : AT_REMOVEDIR);
        int swapped = n % 2 == 0 ? symlinkat("/", top_fd, "swap") : mkdirat(top_fd, "swap", 0777);
        (void)swapped;
    }
    return NULL;
}

Test(scan, others_change_it_meanwhile)
{
    pthread_t t[2];
    char name[40];
    for (int i = 0; i < 16; i++) {
        snprintf(name, sizeof name, "w%d", i);
        CLOSE_FD int d = dir_at(top_fd, name);
        CLOSE_FD int e = dir_at(d, "deep");
        file_at(e, "f", 3000);
    }
    CLOSE_FD int still = dir_at(top_fd, "still");
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "s%d", i);
        file_at(still, name, 5000);
    }
    unsigned before = descriptors();
    for (size_t i = 0; i < 2; i++)
        cr_assert_eq(pthread_create(&t[i], NULL, mutate, (void *)i), 0);
    for (int i = 0; i < 1500; i++) {
        struct scan_result r;
        cr_assert_eq(scan(top_fd, &(struct scan){ .threads = 1 + (unsigned)i % 3, .fds = 4 }, &r), 0);
        cr_assert_geq(r.tally.bytes, 200u * 8192, "what stands still is there every time");
        cr_assert_lt(r.tally.inodes, 20000, "the link to / is not followed");
    }
    atomic_store(&stop_it, true);
    for (size_t i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    cr_assert_eq(descriptors(), before);
}

/* A directory whose turn comes when its parent is closed and was moved away. */
static bool move_parent(void *data, struct walk_dir *d, int fd, const struct walk_stat *st)
{
    (void)fd;
    (void)st;
    if (d->depth == 30 && *(int *)data == 0) {
        *(int *)data = 1;
        CLOSE_FD int other = dir_at(top_fd, "other");
        cr_assert_eq(renameat(top_fd, "z", other, "moved"), 0);
    }
    return true;
}

static struct walk_tally moved(bool upward)
{
    int done = 0;
    struct walk_rules rules = { .data = &done, .enter = move_parent, .fds = 4, .upward = upward };
    chain(40);
    struct walk *w = walk_new(&rules);
    cr_assert_eq(walk_root(w, top_fd), 0);
    while (walk_step(w, 1)) {}
    struct walk_tally t = *walk_tally(w);
    walk_free(w);
    cr_assert_eq(done, 1);
    return t;
}

Test(scan, moved_away_and_found_by_its_child)
{
    struct walk_tally t = moved(true);
    cr_assert_eq(t.lost, 0);
    cr_assert_geq(t.inodes, 81);
}

Test(scan, moved_away_and_lost_by_its_name)
{
    struct walk_tally t = moved(false);
    cr_assert_gt(t.lost, 0, "told, not silently less");
}

Test(scan, a_root_that_is_gone_is_an_error)
{
    struct scan_result r;
    CLOSE_FD int f = open(top, O_PATH | O_CLOEXEC);
    file_at(top_fd, "file", 1);
    CLOSE_FD int file = openat(top_fd, "file", O_RDONLY | O_CLOEXEC);
    cr_assert_eq(scan(file, &(struct scan){ .threads = 2 }, &r), -1);
    cr_assert_eq(errno, ENOTDIR);
}

Test(scan, long_paths_are_cut_at_their_beginning)
{
    char space[sizeof(struct walk_dir) + 20] __attribute__((aligned(16))), more[sizeof space] __attribute__((aligned(16)));
    struct walk_dir *root = (struct walk_dir *)(void *)space, *d = (struct walk_dir *)(void *)more;
    char buf[16];
    memset(space, 0, sizeof space);
    memset(more, 0, sizeof more);
    d->parent = root;
    snprintf(d->name, 20, "a-directory");
    cr_assert_str_eq(walk_path(d, "f", buf, sizeof buf), ".../f", "%s", buf);
    char large[40];
    cr_assert_str_eq(walk_path(d, "f", large, sizeof large), "a-directory/f");
    cr_assert_str_eq(walk_path(root, NULL, large, sizeof large), ".");
    cr_assert_str_eq(walk_path(root, "g", large, sizeof large), "g");
}
