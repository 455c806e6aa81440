#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define JOURNAL "/run/systemd/journal/stdout"

static const char *program = "holdfast";
static enum log_level level_max = LOG_INFO;
static int log_fd = STDERR_FILENO;
static char context[128];
static uint64_t number;
static bool journal;

/* The environment says it only to the first of us, the socket to all. */
static bool is_journal(int fd)
{
    struct sockaddr_un peer = { .sun_family = AF_UNSPEC };
    socklen_t size = sizeof peer;
    int saved = errno;
    bool yes = getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && peer.sun_family == AF_UNIX &&
               strncmp(peer.sun_path, JOURNAL, sizeof peer.sun_path) == 0;
    errno = saved;
    return yes;
}

void log_init(const char *name, enum log_level most)
{
    static bool looked;
    /* Later calls may come behind the lock. */
    if (!looked)
        journal = is_journal(log_fd);
    looked = true;
    program = name;
    level_max = most;
}

void log_to(int fd)
{
    log_fd = fd;
    journal = is_journal(fd);
}

void log_as(uint64_t n)
{
    number = n;
}

void log_context(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(context, sizeof context, fmt, ap);
    va_end(ap);
}

static size_t add(char *line, size_t size, size_t at, const char *fmt, va_list ap)
{
    if (at >= size)
        return at;
    int n = vsnprintf(line + at, size - at, fmt, ap);
    return n < 0 ? at : at + (size_t)n;
}

static size_t addf(char *line, size_t size, size_t at, const char *fmt, ...) PRINTF(4, 5);

static size_t addf(char *line, size_t size, size_t at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    at = add(line, size, at, fmt, ap);
    va_end(ap);
    return at;
}

static const char *const level_word[] = { "error: ", "warning: ", "", "debug: " };
/* As syslog counts. */
static const char *const level_number[] = { "<3>", "<4>", "<6>", "<7>" };

void log_line(enum log_level level, const char *event, const char *fmt, ...)
{
    uint64_t whose = number ? number : (uint64_t)getpid();
    number = 0;
    if (level > level_max)
        return;
    int saved = errno;
    char line[2048];
    const size_t size = sizeof line - 1;
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t at = addf(line, size, 0, "%s", journal ? level_number[level] : "");
    at += strftime(line + at, size - at, "%Y-%m-%dT%H:%M:%S", &tm);
    at = addf(line, size, at, ".%03ldZ %s[%" PRIu64 "]: %s%s", now.tv_nsec / 1000000, program, whose, level_word[level],
              event);
    if (context[0])
        at = addf(line, size, at, " %s", context);
    if (fmt[0]) {
        at = addf(line, size, at, " ");
        va_list ap;
        va_start(ap, fmt);
        at = add(line, size, at, fmt, ap);
        va_end(ap);
    }
    if (at >= size)
        at = size - 1;
    line[at++] = '\n';
    /* One write, so that lines of several processes on one descriptor do not mix; a full disk must not stop us. */
    ssize_t ignored UNUSED = write(log_fd, line, at);
    errno = saved;
}

/* What of the printable characters would end a value. */
static const char in_word[] = " \"\\=", in_text[] = "\"\\";

static const char *escape(const void *bytes, size_t len, const char *ends)
{
    static char ring[8][512];
    static unsigned turn;
    char *out = ring[turn++ % countof(ring)];
    const unsigned char *p = bytes;
    size_t at = 0;
    for (size_t i = 0; i < len; i++) {
        if (at > sizeof ring[0] - 9) {
            memcpy(out + at, "...", 4);
            return out;
        }
        if (p[i] >= ' ' && p[i] < 0x7f && strchr(ends, p[i]) == NULL)
            out[at++] = (char)p[i];
        else
            at += (size_t)snprintf(out + at, 5, "\\x%02x", p[i]);
    }
    out[at] = '\0';
    return out;
}

const char *escn(const void *bytes, size_t len)
{
    return escape(bytes, len, in_word);
}

const char *esc(const char *bytes)
{
    return escn(bytes, strlen(bytes));
}

const char *esc_text(const char *bytes)
{
    return escape(bytes, strlen(bytes), in_text);
}
