#include "sandbox/shim/notify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/attr.h"
#include "base/bucket.h"
#include "base/io.h"
#include "base/log.h"
#include "sandbox/shim/peer.h"
#include "sandbox/shim/ready.h"
#include "sandbox/shim/server.h"
#include "sandbox/shim/shim.h"

static struct watch *watch;
static struct timer *paused, *telling;
static struct bucket share;
static bool changed;      /* since it was passed on */
static bool complained;

static void tell(void *data UNUSED)
{
    telling = NULL;
    if (!changed)
        return;
    changed = false;
    supervisor_status();
    telling = loop_timer(shim.loop, NOTIFY_TELL, tell, NULL);
}

/* For a person's terminal and our log: all but printable ASCII is written out, and what would not fit whole is left out. */
static void take_status(const char *value, size_t size)
{
    char text[SHIM_STATUS_MOST + 1];
    size_t at = 0;
    for (size_t i = 0; i < size && at + 4 < sizeof text; i++)
        if (value[i] >= ' ' && value[i] <= '~')
            text[at++] = value[i];
        else
            at += (size_t)snprintf(text + at, sizeof text - at, "\\x%02x", (unsigned char)value[i]);
    text[at] = '\0';
    if (strcmp(text, shim.status) == 0)
        return;
    memcpy(shim.status, text, at + 1);
    changed = true;
}

static void take_ready(const char *value, size_t size)
{
    if (size == 1 && value[0] == '1')
        ready_notified();
}

static void take_stopping(const char *value, size_t size)
{
    if (size != 1 || value[0] != '1' || shim.says_stopping)
        return;
    shim.says_stopping = true;
    changed = true;
}

static void take_watchdog(const char *value, size_t size)
{
    if (size == 1 && value[0] == '1')
        server_lives();
}

static const struct { const char *key; void (*take)(const char *value, size_t size); } keys[] = {
    { "READY=", take_ready }, { "STATUS=", take_status }, { "STOPPING=", take_stopping }, { "WATCHDOG=", take_watchdog },
};

static void take_line(const char *line, size_t size)
{
    for (size_t i = 0; i < countof(keys); i++) {
        size_t n = strlen(keys[i].key);
        if (size >= n && memcmp(line, keys[i].key, n) == 0) {
            keys[i].take(line + n, size - n);
            return;
        }
    }
}

void notify_take(const char *bytes, size_t size)
{
    while (size > 0) {
        const char *end = memchr(bytes, '\n', size);
        size_t n = end ? (size_t)(end - bytes) : size;
        take_line(bytes, n);
        n += end != NULL;
        bytes += n;
        size -= n;
    }
    if (changed && telling == NULL)
        tell(NULL);
}

static void complain(const char *what, ssize_t size)
{
    if (!complained)
        log_warn("notify.dropped", "why=\"%s\" bytes=%zd most=%d", what, size, NOTIFY_MESSAGE);
    complained = true;
}

static void resume(void *data UNUSED)
{
    paused = NULL;
    watch_events(watch, LOOP_READ);
}

static void on_message(void *data UNUSED, int fd, unsigned events UNUSED)
{
    static char bytes[NOTIFY_MESSAGE];
    ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_TRUNC);
    if (n < 0)
        return;
    uint64_t now = now_ms();
    if (!bucket_take(&share, 1, now) && paused == NULL) {
        watch_events(watch, 0);
        paused = loop_timer(shim.loop, bucket_wait(&share, NOTIFY_RATE, now), resume, NULL);
    }
    if ((size_t)n > sizeof bytes)
        complain("too long", n);
    else
        notify_take(bytes, (size_t)n);
}

void notify_open(void)
{
    struct stat st;
    if (fstat(NOTIFY_FD, &st) < 0 || !S_ISSOCK(st.st_mode))
        return;
    bucket_init(&share, NOTIFY_BURST, NOTIFY_RATE, now_ms());
    watch = loop_watch(shim.loop, NOTIFY_FD, LOOP_READ, on_message, NULL);
}

void notify_close(void)
{
    timer_free(paused);
    timer_free(telling);
    paused = telling = NULL;
    watch_free(watch);
    watch = NULL;
}
