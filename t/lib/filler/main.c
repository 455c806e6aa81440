#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "t/lib/filler/filler.h"

static long row_seconds = 25;

uint8_t data[PIECE];
static int home;

static long seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

bool more(struct tally *t)
{
    return t->out == 0 && t->bytes < 3 * t->limit && t->made < 3 * t->inodes && t->wrong == NULL && seconds() < t->deadline;
}

bool filed(struct tally *t, int error)
{
    static const int refused[] = { EPERM, EACCES, EOPNOTSUPP, ENOSYS, ENOTTY, EINVAL, EFBIG, EMLINK, E2BIG, ENODEV, EROFS, ERANGE, EXDEV };
    t->error = error;
    if (error == ENOSPC || error == EDQUOT)
        t->out |= OUT_FULL;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (error == refused[i])
            t->out |= OUT_REFUSED;
    if (t->out == 0)
        t->wrong = "an error nobody expects";
    return false;
}

bool took(struct tally *t, long r, bool counts)
{
    if (r < 0)
        return errno == EINTR || errno == EAGAIN ? true : filed(t, errno);
    if (counts)
        t->bytes += (uint64_t)r;
    return true;
}

int make_file(struct tally *t, const char *name, int flags)
{
    int fd = open(name, flags | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        filed(t, errno);
    else
        t->made++;
    return fd;
}

void hold(struct tally *t, int fd)
{
    if (fd < 0)
        return;
    if (t->nheld == HELD_MOST)
        close(fd);
    else
        t->held[t->nheld++] = fd;
}

void sync_and_close(struct tally *t, int fd)
{
    if (fsync(fd) < 0 && errno != EINTR)
        t->wrong = errno == EIO ? "EIO at fsync" : "an error at fsync, not at the write";
    if (close(fd) < 0)
        t->wrong = "an error at close";
}

void fill(struct tally *t, int fd, size_t piece)
{
    while (more(t) && took(t, write(fd, data, piece), true)) {}
}

bool fill_to(struct tally *t, int fd, uint64_t n)
{
    for (uint64_t at = 0; at < n && more(t);) {
        long r = write(fd, data, n - at < PIECE ? n - at : PIECE);
        if (!took(t, r, true))
            return false;
        at += r > 0 ? (uint64_t)r : 0;
    }
    return true;
}

/* One level up, however deep we are. */
static bool is_home(void)
{
    struct stat a, b;
    return stat(".", &a) == 0 && fstat(home, &b) == 0 && a.st_ino == b.st_ino;
}

/* Empties the current directory but for one subdirectory, into which it goes; false when there was none. */
static bool empty_and_descend(void)
{
    DIR *d = opendir(".");
    char down[NAME_SPACE] = "";
    for (struct dirent *f; d && (f = readdir(d));) {
        if (strcmp(f->d_name, ".") == 0 || strcmp(f->d_name, "..") == 0 || unlink(f->d_name) == 0 || rmdir(f->d_name) == 0)
            continue;
        snprintf(down, sizeof down, "%s", f->d_name);
    }
    if (d)
        closedir(d);
    return down[0] && chdir(down) == 0;
}

void clean(struct tally *t)
{
    while (t->nheld > 0)
        close(t->held[--t->nheld]);
    if (fchdir(home) < 0 || chdir("h") < 0)
        return;
    /* Down to a leaf, up again, and down into what is left. */
    for (long turns = 0; turns < 100000000; turns++) {
        if (empty_and_descend())
            continue;
        if (chdir("..") < 0 || is_home())
            break;
    }
    if (fchdir(home) < 0)
        abort();
    rmdir("h");
    mkdir("h", 0700);
}

static void row(const char *name, struct tally *t)
{
    for (size_t i = 0; i < nrows; i++) {
        if (strcmp(rows[i].name, name) != 0)
            continue;
        *t = (struct tally){ .limit = t->limit, .inodes = t->inodes, .deadline = seconds() + row_seconds };
        if (fchdir(home) == 0)
            mkdir("h", 0700);
        if (chdir("h") < 0) {
            printf("done %s wrong=no folder\n", name);
            return;
        }
        rows[i].fn(t);
        bool good = t->wrong == NULL && (t->out & rows[i].expect) != 0;
        const char *why = t->wrong ? t->wrong : good ? "-" : "never refused";
        printf("done %s %s bytes=%llu made=%llu errno=%s held=%u wrong=%s\n", name, good ? "good" : "bad", (unsigned long long)t->bytes,
               (unsigned long long)t->made, t->error ? strerrorname_np(t->error) : "none", t->nheld, why);
        return;
    }
    printf("done %s wrong=no such row\n", name);
}

int main(int argc, char **argv)
{
    static struct tally t;
    char line[100];
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < nrows; i++)
            printf("%s\t%s\n", rows[i].name, rows[i].words);
        return 0;
    }
    if (argc != 3 && argc != 4)
        return 2;
    t.limit = strtoull(argv[1], NULL, 10);
    t.inodes = strtoull(argv[2], NULL, 10);
    if (argc == 4)
        row_seconds = strtol(argv[3], NULL, 10);
    home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    memset(data, 'q', sizeof data);
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    mkdir("h", 0700);
    printf("ready\n");
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\r\n")] = '\0';
        if (strncmp(line, "row ", 4) == 0)
            row(line + 4, &t);
        else if (strcmp(line, "clean") == 0) {
            clean(&t);
            printf("done clean\n");
        } else if (strcmp(line, "end") == 0)
            return 0;
    }
    return 0;
}
