#include "sandbox/shim/viewer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/bucket.h"
#include "base/io.h"
#include "base/mem.h"
#include "sandbox/proto.h"
#include "sandbox/shim/input.h"
#include "sandbox/shim/ring.h"
#include "sandbox/shim/shim.h"
#include "sandbox/shim/taken.h"

enum {
    PIECE_MOST = 32 * 1024,
    LINES_BURST = 2000, LINES_RATE = 20, LINES_RESUME = 200,
    BYTES_BURST = 4 * 1024 * 1024, BYTES_RATE = BYTES_BURST, BYTES_RESUME = 1024 * 1024,
    TELL_EVERY = 100000,
};

struct viewer {
    struct viewer *next, **prev;
    struct link *link;
    struct taken *taken;      /* NULL: it is not told */
    bool may_write, told_bye;
    uint64_t at;              /* what it gets next */
    uint64_t lines;           /* line ends before that */
    uint64_t history_end;     /* what lies before does not count for its share */
    struct bucket by_lines, by_bytes;
    struct timer *paused;     /* its share is used up */
    uint64_t told_paused;     /* ms; 0: never */
};

static struct viewer *viewers;
static struct ring scrollback = RING(HISTORY_MOST);

static void notice(struct viewer *v, const char *text)
{
    struct msg m;
    msg_begin(&m, SHIM_NOTICE, 0);
    msg_put_str(&m, text);
    link_send(v->link, &m);
}

static void move_to(struct viewer *v, uint64_t at)
{
    v->at = at;
    v->lines = scrollback.lines - ring_lines_from(&scrollback, at);
}

static void skip_to(struct viewer *v, uint64_t at)
{
    uint64_t from = v->lines, bytes = at - v->at;
    char text[96];
    move_to(v, at);
    if (v->lines > from)
        snprintf(text, sizeof text, "skipped %llu lines", (unsigned long long)(v->lines - from));
    else
        snprintf(text, sizeof text, "skipped %llu bytes", (unsigned long long)bytes);
    notice(v, text);
}

static void resume(void *data)
{
    struct viewer *v = data;
    v->paused = NULL;
    if (shim.ended)
        return;   /* it gets the rest as fast as it reads */
    bucket_take(&v->by_lines, 0, now_ms());
    /* The newest lines are worth more than those right behind the gap. */
    uint64_t fit = v->by_lines.level / 1000, at = ring_last_lines(&scrollback, fit);
    if (at > v->at)
        skip_to(v, at);
    viewer_serve(v);
}

static void pause_for(struct viewer *v, uint64_t ms)
{
    uint64_t now = now_ms();
    v->paused = loop_timer(shim.loop, ms, resume, v);
    if (v->told_paused && now - v->told_paused < TELL_EVERY)
        return;
    v->told_paused = now;
    notice(v, "output is faster than 2000 lines in 100 s or 4 MiB/s: parts of it are left out here; the log has all of it");
}

/* The length of the first N lines in BYTES. */
static size_t lines_within(const uint8_t *bytes, size_t size, uint64_t n, uint64_t *count)
{
    size_t at = 0;
    for (*count = 0; at < size; ++*count) {
        const uint8_t *end = memchr(bytes + at, '\n', size - at);
        if (end == NULL)
            return size;
        if (*count == n)
            return at;
        at = (size_t)(end - bytes) + 1;
    }
    return at;
}

/* How much of the piece its share allows; 0 when it has to pause. */
static size_t share(struct viewer *v, const uint8_t *bytes, size_t size)
{
    uint64_t now = now_ms(), count;
    if (shim.ended || v->at < v->history_end)
        return size;
    bucket_take(&v->by_lines, 0, now);
    bucket_take(&v->by_bytes, 0, now);
    uint64_t room = v->by_bytes.level / 1000;
    if (room == 0) {
        pause_for(v, bucket_wait(&v->by_bytes, BYTES_RESUME, now));
        return 0;
    }
    size = lines_within(bytes, room < size ? (size_t)room : size, v->by_lines.level / 1000, &count);
    if (size == 0) {
        pause_for(v, bucket_wait(&v->by_lines, LINES_RESUME, now));
        return 0;
    }
    bucket_take(&v->by_lines, count, now);
    bucket_take(&v->by_bytes, size, now);
    return size;
}

static size_t next_piece(struct viewer *v, const uint8_t **bytes)
{
    size_t most = PIECE_MOST;
    if (v->at < v->history_end && v->history_end - v->at < most)
        most = (size_t)(v->history_end - v->at);
    return ring_peek(&scrollback, v->at, most, bytes);
}

static void say_bye(struct viewer *v)
{
    if (v->told_bye)
        return;
    v->told_bye = true;
    struct msg m;
    msg_begin(&m, SHIM_BYE, 0);
    msg_put_u32(&m, shim.code);
    msg_put_u32(&m, shim.signal);
    link_send(v->link, &m);
}

static void send_output(struct viewer *v, const uint8_t *bytes, size_t size)
{
    uint64_t lines;
    lines_within(bytes, size, UINT64_MAX, &lines);
    v->at += size;
    v->lines += lines;
    struct msg m;
    msg_begin(&m, SHIM_OUTPUT, 0);
    msg_put_bytes(&m, bytes, size);
    link_send(v->link, &m);
}

void viewer_serve(struct viewer *v)
{
    taken_tell(v->taken);
    while (link_waiting(v->link) == 0 && !v->told_bye && (v->paused == NULL || shim.ended)) {
        /* Half the queue ahead, so that the next word is not overtaken at once. */
        if (v->at < scrollback.start)
            skip_to(v, ring_line_from(&scrollback, scrollback.start + (scrollback.head - scrollback.start) / 2));
        const uint8_t *bytes = NULL;
        size_t size = next_piece(v, &bytes);
        if (size == 0) {
            if (shim.ended)
                say_bye(v);
            return;
        }
        size = share(v, bytes, size);
        if (size == 0)
            return;
        send_output(v, bytes, size);
    }
}

static uint64_t history_start(uint64_t history)
{
    uint64_t held = scrollback.head - scrollback.start, most = history < HISTORY_MOST ? history : HISTORY_MOST;
    if (most == 0)
        return scrollback.head;
    if (most < held)
        return ring_line_from(&scrollback, scrollback.head - most - 1);
    return scrollback.start == 0 ? 0 : ring_line_from(&scrollback, scrollback.start);
}

struct viewer *viewer_new(struct link *link, uint32_t version, bool may_write, uint64_t history)
{
    struct viewer *v = mem_new(sizeof *v);
    uint64_t now = now_ms();
    ring_limit(&scrollback, QUEUE_MOST);
    *v = (struct viewer){ .link = link, .may_write = may_write, .next = viewers, .prev = &viewers };
    if (v->next)
        v->next->prev = &v->next;
    viewers = v;
    v->history_end = scrollback.head;
    bucket_init(&v->by_lines, LINES_BURST, LINES_RATE, now);
    bucket_init(&v->by_bytes, BYTES_BURST, BYTES_RATE, now);
    move_to(v, history_start(history));
    v->taken = version >= 3 && may_write ? taken_new(link) : NULL;
    viewer_serve(v);
    return v;
}

void viewer_free(struct viewer *v)
{
    if (v == NULL)
        return;
    *v->prev = v->next;
    if (v->next)
        v->next->prev = v->prev;
    timer_free(v->paused);
    taken_free(v->taken);
    free(v);
    if (viewers == NULL)
        ring_limit(&scrollback, HISTORY_MOST);
}

void viewer_input(struct viewer *v, const uint8_t *bytes, size_t size)
{
    if (!v->may_write) {
        notice(v, "input refused: you may watch this console, not type into it");
        return;
    }
    bool hidden = input_hidden();
    enum input_result result = shim.ended ? INPUT_CLOSED : input_add(bytes, size);
    /* What was just written may have been what the server waited for to switch it. */
    hidden = hidden || input_hidden();
    taken_add(v->taken, bytes, size, result != INPUT_TAKEN ? TAKEN_REFUSED : hidden ? TAKEN_HIDDEN : TAKEN_SHOWN);
    if (shim.ended)
        return;
    switch (result) {
    case INPUT_TAKEN: break;
    case INPUT_FULL: notice(v, "input refused: the server has not read what was typed before"); break;
    case INPUT_CLOSED: notice(v, "input refused: the server has closed its input"); break;
    }
}

void viewer_resize(struct viewer *v, uint16_t columns, uint16_t rows)
{
    struct winsize size = { .ws_col = columns, .ws_row = rows };
    if (shim.tty && v->may_write && !shim.ended)
        ioctl(STDIN_FD, TIOCSWINSZ, &size);
}

void viewers_output(const uint8_t *bytes, size_t size)
{
    ring_put(&scrollback, bytes, size);
    for (struct viewer *v = viewers, *next; v; v = next) {
        next = v->next;
        viewer_serve(v);
    }
}

void viewers_end(void)
{
    for (struct viewer *v = viewers; v; v = v->next)
        viewer_serve(v);
}

bool viewers_served(void)
{
    for (const struct viewer *v = viewers; v; v = v->next)
        if (!v->told_bye || link_waiting(v->link) > 0)
            return false;
    return true;
}
