/* fallocate in each mode. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include "t/lib/filler/filler.h"

enum { STEP = 1 << 20 };

/* Twice the limit at once, which must change nothing, then in steps. */
static void steps(struct tally *t, int mode)
{
    struct stat st;
    int fd = make_file(t, "a", O_RDWR);
    if (fallocate(fd, mode, 0, (off_t)(2 * t->limit)) == 0)
        t->bytes += 2 * t->limit;
    if (ftruncate(fd, 0) < 0 || fstat(fd, &st) < 0)
        t->wrong = "it cannot be cut";
    for (off_t at = 0; more(t); at += STEP)
        if (fallocate(fd, mode, at, STEP) < 0)
            filed(t, errno);
        else
            t->bytes += STEP;
    sync_and_close(t, fd);
}

void r_alloc(struct tally *t) { steps(t, 0); }
void r_alloc_keep(struct tally *t) { steps(t, FALLOC_FL_KEEP_SIZE); }
void r_zero(struct tally *t) { steps(t, FALLOC_FL_ZERO_RANGE); }
void r_zero_keep(struct tally *t) { steps(t, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE); }

void r_punch(struct tally *t)
{
    struct stat st;
    int fd = make_file(t, "p", O_RDWR);
    if (!fill_to(t, fd, t->limit / 4))
        return;
    for (int i = 0; i < 12 && t->out == 0; i++)
        for (off_t at = 0; at < (off_t)t->limit / 4; at += STEP) {
            if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, STEP) < 0) {
                filed(t, errno);
                break;
            }
            if (pwrite(fd, data, PIECE, at) < 0)
                filed(t, errno);
        }
    if (fsync(fd) < 0 || fstat(fd, &st) < 0 || (uint64_t)st.st_blocks * 512 > t->limit / 4 + STEP)
        t->wrong = "it grew";
    if (t->out == 0)
        t->out = OUT_FREE;
    close(fd);
}

/* COLLAPSE takes blocks out, and the end moves: what is written there again must count. */
void r_collapse(struct tally *t)
{
    int fd = make_file(t, "c", O_RDWR | O_APPEND);
    fill_to(t, fd, 4 * STEP);
    while (more(t)) {
        if (fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, STEP) < 0) {
            filed(t, errno);
            break;
        }
        t->bytes -= STEP;
        fill_to(t, fd, 3 * STEP);
    }
    sync_and_close(t, fd);
}

void r_insert(struct tally *t)
{
    int fd = make_file(t, "i", O_RDWR);
    fill_to(t, fd, STEP);
    while (more(t)) {
        if (fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, STEP) < 0) {
            filed(t, errno);
            break;
        }
        for (off_t at = 0; at < STEP && more(t); at += PIECE)
            took(t, pwrite(fd, data, PIECE, at), true);
    }
    sync_and_close(t, fd);
}

void r_unshare(struct tally *t)
{
    int fd = make_file(t, "u", O_RDWR);
    fill_to(t, fd, STEP);
    if (fallocate(fd, FALLOC_FL_UNSHARE_RANGE, 0, STEP) < 0)
        filed(t, errno);
    else if (fallocate(fd, FALLOC_FL_UNSHARE_RANGE, 0, (off_t)(2 * t->limit)) < 0)
        filed(t, errno);
    else
        t->bytes += 2 * t->limit;
    if (t->out == 0 && t->bytes <= t->limit)
        t->out = OUT_FREE;
    sync_and_close(t, fd);
}

void r_terabyte(struct tally *t)
{
    static const int modes[] = { 0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE };
    int fd = make_file(t, "tib", O_RDWR);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (fallocate(fd, modes[i], 0, (off_t)1 << 40) == 0)
            t->wrong = "a tebibyte was given";
        else
            filed(t, errno);
    sync_and_close(t, fd);
}

void r_alloc_then_write(struct tally *t)
{
    int fd = make_file(t, "aw", O_RDWR);
    for (off_t at = 0; more(t); at += STEP) {
        if (fallocate(fd, FALLOC_FL_KEEP_SIZE, at, 2 * STEP) < 0) {
            filed(t, errno);
            break;
        }
        /* Paid for when it was allocated: to be refused now would be a late error. */
        for (off_t in = 0; in < STEP; in += PIECE)
            if (pwrite(fd, data, PIECE, at + in) < 0)
                t->wrong = "refused where it was allocated";
        t->bytes += STEP;
    }
    sync_and_close(t, fd);
}
