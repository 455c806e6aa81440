/* ./run of t/sys/swap.t: names of its tree change what they are, as fast as it goes and in several processes, until it is killed.  Each line of
   its file `targets` is a folder of the host that links lead to, beside those named here.  Says "swapping" once all stand, then counts. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/attr.h"

enum { TARGETS_MOST = 64, CHAIN = 46, NAME = 512, EXCHANGE = 2 };

typedef void make_fn(const char *path, const char *target);
/* What a name may be. */
struct form { make_fn *make; const char *target; };
/* A name, what it is half of the time, and what it is in between: kept in the folder `.NAME`. */
struct slot { const char *name; struct form base; struct form forms[TARGETS_MOST]; size_t n; };

static void make_file(const char *path, const char *target UNUSED)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
    if (fd >= 0 && write(fd, "mine\n", 5) < 0)
        perror(path);
    close(fd);
}

static void make_link(const char *path, const char *target)
{
    if (symlink(target, path) < 0 && errno != EEXIST)
        perror(path);
}

static void make_folder(const char *path, const char *target UNUSED)
{
    char name[NAME];
    mkdir(path, 0755);
    snprintf(name, sizeof name, "%s/f", path);
    make_file(name, NULL);
    snprintf(name, sizeof name, "%s/up", path);
    make_link(name, "..");
}

static void make_fifo(const char *path, const char *target UNUSED)
{
    mkfifo(path, 0644);
}

static void make_hard(const char *path, const char *target)
{
    if (link(target, path) < 0 && errno != EEXIST && errno != ENOENT)
        perror(path);
}

static void make_socket(const char *path, const char *target UNUSED)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    bind(fd, (const struct sockaddr *)&a, sizeof a);
    close(fd);
}

static void wipe(int dir, const char *name)
{
    if (unlinkat(dir, name, 0) == 0 || errno != EISDIR)
        return;
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            wipe(fd, e->d_name);
    if (d)
        closedir(d);
    unlinkat(dir, name, AT_REMOVEDIR);
}

static void form_name(const struct slot *s, size_t i, char name[NAME])
{
    snprintf(name, NAME, ".%s/%zu", s->name, i);
}

/* Clients remove and move as well: then all of it is made anew. */
static void rebuild(const struct slot *s)
{
    char name[NAME];
    snprintf(name, sizeof name, ".%s", s->name);
    wipe(AT_FDCWD, s->name);
    wipe(AT_FDCWD, name);
    wipe(AT_FDCWD, "taken");
    mkdir(name, 0755);
    s->base.make(s->name, s->base.target);
    for (size_t i = 0; i < s->n; i++) {
        form_name(s, i, name);
        s->forms[i].make(name, s->forms[i].target);
    }
}

static int exchange(const char *a, const char *b)
{
    return (int)syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, (unsigned)EXCHANGE);
}

static void swap(const struct slot *s, unsigned long *count)
{
    char name[NAME];
    for (size_t i = 0;; i = (i + 1) % s->n) {
        form_name(s, i, name);
        if (exchange(s->name, name) < 0 || exchange(s->name, name) < 0)
            rebuild(s);
        *count += 2;
    }
}

/* Removed and made again, or renamed over; never exchanged: the name is missing now and then. */
static void churn(const struct slot *s, unsigned long *count)
{
    char name[NAME];
    for (size_t i = 0;; i = (i + 1) % s->n) {
        form_name(s, i, name);
        wipe(AT_FDCWD, s->name);
        s->forms[i].make(s->name, s->forms[i].target);
        wipe(AT_FDCWD, name);
        s->forms[(i + 1) % s->n].make(name, s->forms[(i + 1) % s->n].target);
        if (rename(name, s->name) < 0) {
            wipe(AT_FDCWD, s->name);
            rename(name, s->name);
        }
        *count += 2;
    }
}

/* From where `out` stands, six up are the top; from where it is moved to they are above it, or below. */
static void build_walk(void)
{
    static const char *const folders[] = { "cage", "walk", "walk/a", "walk/a/b", "walk/a/b/c", "walk/a/b/c/d", "walk/a/b/c/d/e",
                                           "pit", "pit/1", "pit/1/2", "pit/1/2/3", "pit/1/2/3/4" };
    for (size_t i = 0; i < countof(folders); i++)
        mkdir(folders[i], 0755);
    make_file("cage/f", NULL);
    make_file("walk/a/b/c/d/e/f", NULL);
    make_link("walk/a/b/c/d/e/out", "../../../../../../cage");
    make_link("walk/a/b/c/d/e/far", "../e/../../d/e/../../../c/d/e/../../../../../../cage");
}

static void move(const struct slot *s, unsigned long *count)
{
    static const char *const places[] = { "moved", "walk/a/b/c", "pit/1/2/3/4/c", "walk/a/b/c", "walk/c", "walk/a/b/c" };
    (void)s;
    for (size_t i = 0;; i = (i + 1) % countof(places)) {
        if (rename(places[(i + countof(places) - 1) % countof(places)], places[i]) < 0) {
            wipe(AT_FDCWD, "moved");
            wipe(AT_FDCWD, "pit");
            wipe(AT_FDCWD, "walk");
            build_walk();
            i = 1;
        }
        ++*count;
    }
}

static void device(const char *what, mode_t kind)
{
    int r = mknod(".device", kind | 0666, makedev(1, 3));
    printf("device %s: %s\n", what, r == 0 ? "made" : strerrorname_np(errno));
    unlink(".device");
}

/* 46 links in a row are too many, 36 are not; at the end stands the host. */
static void build_chain(void)
{
    char name[NAME], next[NAME];
    mkdir(".chain", 0755);
    for (int i = 0; i < CHAIN; i++) {
        snprintf(name, sizeof name, ".chain/%d", i);
        snprintf(next, sizeof next, i == CHAIN - 1 ? "../../cage" : "%d", i + 1);
        make_link(name, next);
    }
}

static void add(struct slot *s, make_fn *make, const char *target)
{
    if (s->n < countof(s->forms))
        s->forms[s->n++] = (struct form){ make, target };
}

static const char *leaf_of(const char *folder)
{
    char name[NAME];
    snprintf(name, sizeof name, "%s/f", folder);
    return strdup(name);
}

static struct slot place = { .name = "place", .base = { make_folder, NULL } }, leaf = { .name = "leaf", .base = { make_file, NULL } },
                   zoo = { .name = "zoo", .base = { make_folder, NULL } }, loose = { .name = "churn", .base = { make_file, NULL } },
                   walk = { .name = "walk" };

static void target(const char *folder)
{
    add(&place, make_link, folder);
    add(&leaf, make_link, leaf_of(folder));
    add(&zoo, make_link, folder);
    add(&loose, make_link, folder);
}

static void read_targets(void)
{
    char line[NAME];
    FILE *f = fopen("targets", "re");
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        target(strdup(line));
    }
    if (f)
        fclose(f);
}

static void choose_forms(void)
{
    static const char *const folders[] = { "..", "/", "/etc", "/proc/self/root", "../../../../../..", ".chain/0", ".chain/10", "../cage" };
    static const char *const files[] = { "/etc/passwd", "/proc/self/root/etc/passwd", "/proc/self/environ", "/proc/self/fd/3", "/dev/zero",
                                         "../cage/f", "../../cage/f", "leaf", "nothing" };
    static make_fn *const others[] = { make_fifo, make_socket, make_folder, make_file };
    for (size_t i = 0; i < countof(folders); i++)
        target(folders[i]);
    read_targets();
    for (size_t i = 0; i < countof(files); i++)
        add(&leaf, make_link, files[i]);
    for (size_t i = 0; i < countof(others); i++) {
        add(&zoo, others[i], NULL);
        add(&leaf, others[i], NULL);
        add(&loose, others[i], NULL);
    }
    add(&zoo, make_link, "zoo");
    add(&zoo, make_hard, "cage/f");
    add(&leaf, make_hard, "cage/f");
    add(&loose, make_hard, "cage/f");
}

static const struct { struct slot *slot; void (*run)(const struct slot *s, unsigned long *count); } swappers[] = {
    { &place, swap }, { &leaf, swap }, { &zoo, swap }, { &loose, churn }, { &walk, move },
};

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    unsigned long *counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    device("character", S_IFCHR);
    device("block", S_IFBLK);
    build_walk();
    build_chain();
    choose_forms();
    for (size_t i = 0; i < countof(swappers); i++) {
        if (swappers[i].run != move)
            rebuild(swappers[i].slot);
        if (fork() == 0)
            swappers[i].run(swappers[i].slot, &counts[i]);
    }
    puts("swapping");
    for (;;) {
        sleep(1);
        printf("swaps");
        for (size_t i = 0; i < countof(swappers); i++)
            printf(" %s=%lu", swappers[i].slot->name, counts[i]);
        putchar('\n');
    }
}
