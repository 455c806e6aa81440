/* disk_bench FOLDER BYTES FILES PID [GROUP...]: times work on files of FOLDER, for t/bench/quota.  Lines: a word, seconds, seconds of processor time (its
   own and that of the process PID, which serves FOLDER, 0 for none; not that of the kernel's threads).  What is written is on the disk when the time
   ends (fsync), except where the word says "cached".  A GROUP is big, random, many or append; without any it is all of them.  What one has left to be
   written is written before the next begins; files of one are deleted at the end of all. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 1 << 20, PAGE = 4096, TURNS = 20000, SMALL = 128 };

static uint8_t data[PIECE];
static uint64_t bytes;
static unsigned files;
static clockid_t server;
static bool served;

struct moment { double wall, cpu; };

static double at(clockid_t clock)
{
    struct timespec t = { 0 };
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct moment now(void)
{
    return (struct moment){ at(CLOCK_MONOTONIC), at(CLOCK_PROCESS_CPUTIME_ID) + (served ? at(server) : 0) };
}

static void must(int good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static void said(const char *word, struct moment since)
{
    struct moment t = now();
    printf("%s %.6f %.6f\n", word, t.wall - since.wall, t.cpu - since.cpu);
}

static uint64_t place(unsigned i)
{
    return (uint64_t)i * 2654435761u % (bytes / PAGE) * PAGE;
}

static void fill(int fd)
{
    for (uint64_t off = 0; off < bytes; off += PIECE)
        must(write(fd, data, PIECE) == PIECE, "write");
}

static void sequential(void)
{
    int fd = open("big", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct moment t = now();
    fill(fd);
    said("write-cached", t);
    must(fsync(fd) == 0, "fsync");
    said("write", t);
    must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "fadvise");
    for (int warm = 0; warm < 2; warm++) {
        t = now();
        for (uint64_t off = 0; off < bytes; off += PIECE)
            must(pread(fd, data, PIECE, (off_t)off) == PIECE, "read");
        said(warm ? "read-warm" : "read-cold", t);
    }
    close(fd);
}

static void at_random(void)
{
    int fd = open("big", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct stat st;
    must(fstat(fd, &st) == 0, "stat");
    if ((uint64_t)st.st_size < bytes)
        fill(fd);
    must(fsync(fd) == 0, "fsync");
    struct moment t = now();
    for (unsigned i = 0; i < TURNS; i++)
        must(pread(fd, data, PAGE, (off_t)place(i)) == PAGE, "read");
    said("4k-read-warm", t);
    t = now();
    for (unsigned i = 0; i < TURNS; i++)
        must(pwrite(fd, data, PAGE, (off_t)place(i + 7)) == PAGE, "write");
    must(fsync(fd) == 0, "fsync");
    said("4k-write", t);
    must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "fadvise");
    t = now();
    for (unsigned i = 0; i < TURNS / 10; i++)
        must(pread(fd, data, PAGE, (off_t)place(i)) == PAGE, "read");
    said("4k-read-cold", t);
    close(fd);
}

static void name(char *to, unsigned i)
{
    snprintf(to, 32, "f/%u", i);
}

static void many(void)
{
    char path[32];
    struct stat st;
    must(mkdir("f", 0700) == 0, "mkdir");
    struct moment t = now();
    for (unsigned i = 0; i < files; i++) {
        name(path, i);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        must(fd >= 0 && close(fd) == 0, "create");
    }
    said("create", t);
    t = now();
    for (unsigned i = 0; i < files; i++) {
        name(path, i * 7 % files);
        must(stat(path, &st) == 0, "stat");
    }
    said("stat", t);
    t = now();
    for (unsigned i = 0; i < files; i++) {
        name(path, i);
        must(unlink(path) == 0, "unlink");
    }
    said("unlink", t);
    must(rmdir("f") == 0, "rmdir");
}

static void appends(void)
{
    int fd = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    struct moment t = now();
    for (unsigned i = 0; i < TURNS; i++)
        must(write(fd, data, SMALL) == SMALL, "append");
    said("append-128-cached", t);
    close(fd);
}

static void settle(void)
{
    int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(fd >= 0 && syncfs(fd) == 0, "sync");
    close(fd);
}

static const struct { const char *name; void (*work)(void); } groups[] = {
    { "big", sequential }, { "random", at_random }, { "many", many }, { "append", appends },
};

static bool wanted(const char *name, char **words)
{
    bool is = *words == NULL;
    for (; *words && !is; words++)
        is = strcmp(*words, name) == 0;
    return is;
}

int main(int argc, char **argv)
{
    if (argc < 5 || chdir(argv[1]) < 0)
        return 2;
    pid_t pid = (pid_t)strtol(argv[4], NULL, 10);
    served = pid > 0;
    must(!served || (errno = clock_getcpuclockid(pid, &server)) == 0, "clock of the server");
    bytes = strtoull(argv[2], NULL, 10);
    files = (unsigned)strtoul(argv[3], NULL, 10);
    if (bytes < PIECE || files == 0)
        return 2;
    memset(data, 'b', sizeof data);
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (wanted(groups[i].name, argv + 5)) {
            settle();
            groups[i].work();
        }
    static const char *const made[] = { "big", "log" };
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        must(unlink(made[i]) == 0 || errno == ENOENT, "unlink");
    return 0;
}
