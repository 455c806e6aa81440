#include "sandbox/shim/output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/bucket.h"
#include "base/die.h"
#include "base/io.h"
#include "sandbox/shim/journal.h"
#include "sandbox/shim/ready.h"
#include "sandbox/shim/server.h"
#include "sandbox/shim/shim.h"
#include "sandbox/shim/viewer.h"

struct output {
    enum source from;
    int fd;
    struct watch *watch;   /* NULL: at its end */
};

static struct output outputs[] = {
    { .from = SOURCE_STDOUT, .fd = STDOUT_FD },
    { .from = SOURCE_STDERR, .fd = STDERR_FD },
};

static void deliver(enum source from, const uint8_t *bytes, size_t size)
{
    journal_add(from, bytes, size);
    ready_output(from, bytes, size);
    viewers_output(bytes, size);
}

/* The work it makes us do is not charged to the server's limits, so there is a bound far above what any log needs: past it the server
   waits, and nothing of what it writes is lost. */
enum { SHARE_BURST = 256 * 1024 * 1024, SHARE_RATE = 64 * 1024 * 1024, PIECE = 64 * 1024 };

static struct bucket share;
static struct timer *paused;

static void watch_all(unsigned events)
{
    for (size_t i = 0; i < countof(outputs); i++)
        if (outputs[i].watch)
            watch_events(outputs[i].watch, events);
}

static void resume(void *data UNUSED)
{
    paused = NULL;
    watch_all(LOOP_READ);
}

static void pay(size_t size)
{
    uint64_t now = now_ms();
    if (bucket_take(&share, size, now) || paused)
        return;
    watch_all(0);
    paused = loop_timer(shim.loop, bucket_wait(&share, 16 * PIECE, now), resume, NULL);
}

/* A program that writes line by line would wake us for each line: half of the time of a flood went into wake-ups, reads and writes of 80 bytes
   (t/bench/console, "one write a line").  So a flood of small pieces is looked at once in a while; what it writes meanwhile waits in its pipe, and
   whoever fills that faster is read at once.  A key's echo is no flood. */
enum { SMALL = 4096, SMALL_MOST = 8, FEW = 256, REST_NS = 150 * 1000 };

static void rest_in_flood(size_t size)
{
    static uint64_t tick;
    static unsigned small;
    static bool flood;
    uint64_t now = now_ms();
    if (now != tick || size >= SMALL)
        small = 0;
    tick = now;
    if (flood)
        flood = size > FEW && size < PIECE / 2;
    else
        flood = size < SMALL && ++small > SMALL_MOST;
    /* Shorter than the loop's timers: in a millisecond the fastest fill their pipe and stand still. */
    if (flood && !paused)
        nanosleep(&(struct timespec){ .tv_nsec = REST_NS }, NULL);
}

static void at_end(struct output *o)
{
    watch_free(o->watch);
    o->watch = NULL;
    close(fd_steal(&o->fd));
    server_drained();
}

static void on_output(void *data, int fd, unsigned events UNUSED)
{
    static uint8_t bytes[PIECE];
    struct output *o = data;
    ssize_t n = read(fd, bytes, sizeof bytes);
    if (n > 0) {
        deliver(o->from, bytes, (size_t)n);
        pay((size_t)n);
        rest_in_flood((size_t)n);
    }
    else if (n == 0 || (errno != EINTR && errno != EAGAIN))
        at_end(o);   /* a terminal says EIO when its last user has gone */
}

static void watch_output(struct output *o)
{
    if (io_nonblock(o->fd) < 0)
        die_errno("output: fcntl");
    o->watch = loop_watch(shim.loop, o->fd, LOOP_READ, on_output, o);
}

void output_open(void)
{
    bucket_init(&share, SHARE_BURST, SHARE_RATE, now_ms());
    if (!shim.tty) {
        for (size_t i = 0; i < countof(outputs); i++)
            watch_output(&outputs[i]);
        return;
    }
    /* The master is read and written; a descriptor of its own for each keeps the two watches apart. */
    outputs[0].fd = fcntl(STDIN_FD, F_DUPFD_CLOEXEC, 3);
    if (outputs[0].fd < 0)
        die_errno("terminal: dup");
    watch_output(&outputs[0]);
    outputs[1].fd = -1;
}

bool output_at_end(void)
{
    return outputs[0].watch == NULL && outputs[1].watch == NULL;
}

void output_close(void)
{
    timer_free(paused);
    paused = NULL;
    for (size_t i = 0; i < countof(outputs); i++) {
        watch_free(outputs[i].watch);
        outputs[i].watch = NULL;
        if (outputs[i].fd >= 0)
            close(fd_steal(&outputs[i].fd));
    }
}

void output_word(const char *text)
{
    journal_add(SOURCE_SHIM, (const uint8_t *)text, strlen(text));
    journal_add(SOURCE_SHIM, (const uint8_t *)"\n", 1);
    viewers_output((const uint8_t *)text, strlen(text));
    viewers_output((const uint8_t *)"\n", 1);
}
