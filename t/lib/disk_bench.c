/* disk_bench FOLDER BYTES FILES: times work on files of FOLDER, for t/bench/quota.  Lines: a word and seconds.  What is written is on the disk when the time
   ends (fsync), except where the word says "cached". */
#include <errno.h>
#include <fcntl.h>
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

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(int good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static void said(const char *word, double since)
{
    printf("%s %.6f\n", word, now() - since);
}

static uint64_t place(unsigned i)
{
    return (uint64_t)i * 2654435761u % (bytes / PAGE) * PAGE;
}

static void sequential(void)
{
    int fd = open("big", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    double t = now();
    for (uint64_t at = 0; at < bytes; at += PIECE)
        must(write(fd, data, PIECE) == PIECE, "write");
    said("write-cached", t);
    must(fsync(fd) == 0, "fsync");
    said("write", t);
    must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "fadvise");
    for (int warm = 0; warm < 2; warm++) {
        t = now();
        for (uint64_t at = 0; at < bytes; at += PIECE)
            must(pread(fd, data, PIECE, (off_t)at) == PIECE, "read");
        said(warm ? "read-warm" : "read-cold", t);
    }
    close(fd);
}

static void at_random(void)
{
    int fd = open("big", O_RDWR | O_CLOEXEC);
    double t = now();
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
    must(unlink("big") == 0, "unlink");
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
    double t = now();
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
    double t = now();
    for (unsigned i = 0; i < TURNS; i++)
        must(write(fd, data, SMALL) == SMALL, "append");
    said("append-128-cached", t);
    close(fd);
    must(unlink("log") == 0, "unlink");
}

int main(int argc, char **argv)
{
    if (argc != 4 || chdir(argv[1]) < 0)
        return 2;
    bytes = strtoull(argv[2], NULL, 10);
    files = (unsigned)strtoul(argv[3], NULL, 10);
    if (bytes < PIECE || files == 0)
        return 2;
    memset(data, 'b', sizeof data);
    sequential();
    at_random();
    many();
    appends();
    return 0;
}
