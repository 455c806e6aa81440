#include "sandbox/shim/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/log.h"

enum { TIME_SIZE = 20, PREFIX_MOST = TIME_SIZE + 2, COMPLAIN_EVERY = 60000 };

/* An unfinished line and when it began. */
struct partial {
    struct buf text;
    int64_t began;
};

static struct partial partial[SOURCE_COUNT];
static const char mark[SOURCE_COUNT] = { [SOURCE_STDERR] = '!', [SOURCE_SHIM] = '#' };

static int folder = -1, file = -1;
static uint64_t file_size;
static bool failing;
static uint64_t complained, lost;

/* Lines on their way to the file: one write for many.  Untouched pages of it cost nothing. */
static uint8_t batch[2 * JOURNAL_LINE];
static size_t batch_size;

void journal_open(int fd)
{
    folder = fd;
    for (int i = 0; i < SOURCE_COUNT; i++)
        partial[i].text = (struct buf)BUF(JOURNAL_LINE);
}

static const char *file_name(int generation, char *name, size_t size)
{
    if (generation == 0)
        snprintf(name, size, "console.log");
    else
        snprintf(name, size, "console.log.%d", generation);
    return name;
}

static void rotate(void)
{
    char from[24], to[24];
    for (int i = JOURNAL_FILES - 1; i > 0; i--)
        if (renameat(folder, file_name(i - 1, from, sizeof from), folder, file_name(i, to, sizeof to)) < 0 &&
            errno != ENOENT)
            log_error("journal.rotate", "file=%s errno=%s", from, strerrorname_np(errno));
    close(fd_steal(&file));
}

static bool reopen(void)
{
    char name[24];
    file = openat(folder, file_name(0, name, sizeof name),
                  O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    struct stat st;
    if (file < 0)
        return false;
    if (fstat(file, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd_steal(&file));
        errno = EINVAL;
        return false;
    }
    file_size = (uint64_t)st.st_size;
    return true;
}

/* An open file with room for the batch. */
static bool room(void)
{
    for (int tries = 0; tries < 2; tries++) {
        if (file < 0 && !reopen())
            return false;
        if (file_size == 0 || file_size + batch_size <= JOURNAL_FILE)
            return true;
        rotate();
    }
    /* It could not be moved on: the limit is kept all the same. */
    if (!reopen() || ftruncate(file, 0) < 0)
        return false;
    file_size = 0;
    return true;
}

static bool write_out(void)
{
    if (!room())
        return false;
    if (io_write_all(file, batch, batch_size) == 0) {
        file_size += batch_size;
        return true;
    }
    int why = errno;
    /* No half lines: what is in the file stays readable. */
    int ignored UNUSED = ftruncate(file, (off_t)file_size);
    errno = why;
    return false;
}

static void flush(void)
{
    if (batch_size == 0)
        return;
    if (!write_out()) {
        lost += batch_size;
        if (!failing)
            log_error("journal.write", "errno=%s", strerrorname_np(errno));
        failing = true;
        complained = now_ms();
    } else if (failing && now_ms() - complained > COMPLAIN_EVERY) {
        log_info("journal.recovered", "lost_bytes=%llu", (unsigned long long)lost);
        failing = false;
        lost = 0;
    }
    batch_size = 0;
}

static const char *time_text(int64_t ms)
{
    static char text[TIME_SIZE + 1];
    static int64_t second = -1;
    if (ms / 1000 != second) {
        second = ms / 1000;
        wall_text(ms, text, sizeof text);
    }
    return text;
}

static void emit(enum source from, int64_t when, const uint8_t *text, size_t size)
{
    if (size > 0 && text[size - 1] == '\r')
        size--;
    if (batch_size + PREFIX_MOST + size + 1 > sizeof batch)
        flush();
    memcpy(batch + batch_size, time_text(when), TIME_SIZE);
    batch_size += TIME_SIZE;
    if (mark[from])
        batch[batch_size++] = (uint8_t)mark[from];
    batch[batch_size++] = '\t';
    memcpy(batch + batch_size, text, size);
    batch_size += size;
    batch[batch_size++] = '\n';
}

static void emit_partial(enum source from)
{
    struct partial *p = &partial[from];
    emit(from, p->began, buf_head(&p->text), buf_size(&p->text));
    if (p->text.cap > 4096)
        buf_free(&p->text);
    else
        buf_reset(&p->text);
}

/* SIZE bytes without a line end.  Cuts as often as the line is too long. */
static void keep(enum source from, int64_t now, const uint8_t *bytes, size_t size)
{
    struct partial *p = &partial[from];
    while (size > 0) {
        if (buf_size(&p->text) == 0)
            p->began = now;
        size_t room = JOURNAL_LINE - buf_size(&p->text), n = size < room ? size : room;
        buf_put(&p->text, bytes, n);
        bytes += n;
        size -= n;
        if (buf_size(&p->text) == JOURNAL_LINE)
            emit_partial(from);
    }
}

void journal_add(enum source from, const uint8_t *bytes, size_t size)
{
    int64_t now = wall_ms();
    while (size > 0) {
        const uint8_t *end = memchr(bytes, '\n', size);
        size_t n = end ? (size_t)(end - bytes) : size;
        if (end && n <= JOURNAL_LINE && buf_size(&partial[from].text) == 0)
            emit(from, now, bytes, n);
        else {
            keep(from, now, bytes, n);
            if (end && buf_size(&partial[from].text) > 0)
                emit_partial(from);
        }
        n += end != NULL;
        bytes += n;
        size -= n;
    }
    flush();
}

void journal_close(void)
{
    for (int i = 0; i < SOURCE_COUNT; i++)
        if (buf_size(&partial[i].text) > 0)
            emit_partial((enum source)i);
    flush();
    if (file >= 0)
        close(fd_steal(&file));
}
