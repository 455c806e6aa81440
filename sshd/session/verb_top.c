/* What the servers use: a live screen on a terminal, else one look of a second.  The supervisor is asked only while somebody looks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "sshd/session/gauge.h"
#include "sshd/session/verbs.h"

enum { EVERY_MS = 2000, ONCE_MS = 1000, LINE_MOST = 4096, SCREEN_MOST = 256 * 1024, SPARK = 10, NAME_LEAST = 6, LABEL = 30 };

struct top {
    struct exec *x;
    struct statuses now;
    struct histories history;
    struct timer *timer;
    unsigned looks, columns, rows, names;   /* names: width of the widest */
};

static void drop(struct exec *x)
{
    struct top *t = x->state;
    status_free(&t->now);
    gauge_free(&t->history);
    timer_free(t->timer);
    free(t);
}

/* ---- the cells of a line ---- */

typedef void cell_fn(struct buf *b, const struct status *s, const struct history *h);

static void put_rate(struct buf *b, uint64_t bytes)
{
    char text[32];
    buf_put_fmt(b, "%s", bytes ? size_text(bytes, text, sizeof text) : "-");
}

static void put_age(struct buf *b, uint64_t since)
{
    int64_t now = wall_ms();
    uint64_t s = since && now > (int64_t)since ? ((uint64_t)now - since) / 1000 : 0;
    if (s >= 86400)
        buf_put_fmt(b, "%llud%lluh", (unsigned long long)s / 86400, (unsigned long long)s / 3600 % 24);
    else if (s >= 3600)
        buf_put_fmt(b, "%lluh%02llum", (unsigned long long)s / 3600, (unsigned long long)s / 60 % 60);
    else
        buf_put_fmt(b, "%llum%02llus", (unsigned long long)s / 60, (unsigned long long)s % 60);
}

static void c_name(struct buf *b, const struct status *s, const struct history *h UNUSED) { buf_put_fmt(b, "%s", s->server); }
static void c_state(struct buf *b, const struct status *s, const struct history *h UNUSED) { buf_put_fmt(b, "%s", s->state); }
static void c_for(struct buf *b, const struct status *s, const struct history *h UNUSED) { put_age(b, s->since); }
static void c_cpu(struct buf *b, const struct status *s UNUSED, const struct history *h)
{
    buf_put_fmt(b, "%llu.%llu", (unsigned long long)h->now[GAUGE_CPU] / 10, (unsigned long long)h->now[GAUGE_CPU] % 10);
}
static void c_cpus(struct buf *b, const struct status *s UNUSED, const struct history *h) { gauge_draw(b, h, GAUGE_CPU, SPARK, 1000); }
static void c_memory(struct buf *b, const struct status *s, const struct history *h UNUSED) { put_rate(b, s->memory); }
static void c_memories(struct buf *b, const struct status *s, const struct history *h) { gauge_draw(b, h, GAUGE_MEMORY, SPARK, s->memory_peak); }
static void c_pids(struct buf *b, const struct status *s, const struct history *h UNUSED) { buf_put_fmt(b, "%u", s->pids); }
static void c_in(struct buf *b, const struct status *s UNUSED, const struct history *h) { put_rate(b, h->now[GAUGE_RECEIVED]); }
static void c_out(struct buf *b, const struct status *s UNUSED, const struct history *h) { put_rate(b, h->now[GAUGE_SENT]); }
static void c_read(struct buf *b, const struct status *s UNUSED, const struct history *h) { put_rate(b, h->now[GAUGE_READ]); }
static void c_written(struct buf *b, const struct status *s UNUSED, const struct history *h) { put_rate(b, h->now[GAUGE_WRITTEN]); }
static void c_disk(struct buf *b, const struct status *s, const struct history *h UNUSED)
{
    char used[32], limit[32];
    buf_put_fmt(b, "%s of %s", size_text(s->disk_used, used, sizeof used), size_text(s->disk_limit, limit, sizeof limit));
}

/* In the order of their worth: what does not fit on the right is left out.  A width of 0 is the widest name's. */
static const struct cell { const char *head; int width; cell_fn *put; bool blocks; } cells[] = {
    { "server", 0, c_name, false }, { "state", -10, c_state, false }, { "for", 7, c_for, false }, { "cpu%", 6, c_cpu, false },
    { "memory", 7, c_memory, false }, { "pids", 5, c_pids, false }, { "in/s", 6, c_in, false }, { "out/s", 6, c_out, false },
    { "cpu", SPARK, c_cpus, true }, { "disk", -14, c_disk, false }, { "read/s", 6, c_read, false }, { "write/s", 7, c_written, false },
    { "memory", SPARK, c_memories, true },
};

static int width_of(const struct top *t, const struct cell *c)
{
    return c->width ? c->width : -(int)t->names;
}

static void put_cell(struct buf *b, const struct cell *c, int width, const char *text)
{
    buf_put_fmt(b, "%s%*s", b->len > b->off ? "  " : "", c->blocks ? 0 : width, text);
}

/* S NULL: the heads. */
static void put_line(struct buf *b, const struct top *t, const struct status *s, const struct history *h)
{
    unsigned used = 0;
    for (size_t i = 0; i < countof(cells); i++) {
        unsigned width = (unsigned)abs(width_of(t, &cells[i])) + (used ? 2 : 0);
        if (t->columns && used + width > t->columns)
            break;
        /* Nobody reads pictures by a program. */
        if (t->columns == 0 && cells[i].blocks)
            continue;
        BUF_FREE struct buf cell = BUF(LINE_MOST);
        if (s)
            cells[i].put(&cell, s, h);
        else
            buf_put_fmt(&cell, cells[i].blocks ? "%-10s" : "%s", cells[i].head);
        buf_put_u8(&cell, '\0');
        put_cell(b, &cells[i], width_of(t, &cells[i]), (const char *)buf_head(&cell));
        used += width;
    }
}

static void put_json(struct buf *b, const struct status *s, const struct history *h)
{
    json_begin(b, NULL);
    json_str(b, "server", s->server);
    json_str(b, "state", s->state);
    json_time(b, "since", s->since);
    json_u64(b, "cpu_permille", h->now[GAUGE_CPU]);
    json_u64(b, "memory", s->memory);
    json_u64(b, "memory_peak", s->memory_peak);
    json_u64(b, "pids", s->pids);
    json_u64(b, "io_read_rate", h->now[GAUGE_READ]);
    json_u64(b, "io_write_rate", h->now[GAUGE_WRITTEN]);
    json_u64(b, "net_received_rate", h->now[GAUGE_RECEIVED]);
    json_u64(b, "net_sent_rate", h->now[GAUGE_SENT]);
    json_u64(b, "disk_used", s->disk_used);
    json_u64(b, "disk_limit", s->disk_limit);
    json_end(b);
    json_line(b);
}

/* ---- a look ---- */

static void print(struct top *t)
{
    BUF_FREE struct buf b = BUF(LINE_MOST);
    if (!exec_json(t->x)) {
        put_line(&b, t, NULL, NULL);
        buf_put_u8(&b, '\n');
        exec_flush(t->x, &b);
    }
    for (uint32_t i = 0; i < t->now.n; i++) {
        const struct history *h = gauge_find(&t->history, t->now.v[i].server);
        if (exec_json(t->x))
            put_json(&b, &t->now.v[i], h);
        else {
            put_line(&b, t, &t->now.v[i], h);
            buf_put_u8(&b, '\n');
        }
        exec_flush(t->x, &b);
    }
    exec_end(t->x, EXIT_DONE);
}

static void put_one(struct buf *b, const struct top *t)
{
    static const struct { const char *name; enum gauge g; } rows[] = {
        { "cpu, % of a core", GAUGE_CPU }, { "memory", GAUGE_MEMORY }, { "network in, /s", GAUGE_RECEIVED }, { "network out, /s", GAUGE_SENT },
        { "disk read, /s", GAUGE_READ }, { "disk written, /s", GAUGE_WRITTEN },
    };
    const struct history *h = gauge_find(&t->history, t->now.v[0].server);
    unsigned width = t->columns > LABEL ? t->columns - LABEL : 1;
    for (size_t i = 0; i < countof(rows); i++) {
        char text[32];
        uint64_t v = h->now[rows[i].g];
        if (rows[i].g == GAUGE_CPU)
            snprintf(text, sizeof text, "%llu.%llu", (unsigned long long)v / 10, (unsigned long long)v % 10);
        buf_put_fmt(b, "%-18s %8s  ", rows[i].name, rows[i].g == GAUGE_CPU ? text : size_text(v, text, sizeof text));
        gauge_draw(b, h, rows[i].g, width < GAUGE_KEPT ? width : GAUGE_KEPT, rows[i].g == GAUGE_CPU ? 1000 : 0);
        buf_put_fmt(b, "\033[K\r\n");
    }
}

static void screen(struct top *t)
{
    BUF_FREE struct buf b = BUF(SCREEN_MOST);
    char now[32];
    channel_size(t->x->channel, &t->columns, &t->rows);
    if (t->columns < 20)
        t->columns = 80;
    if (t->rows < 4)
        t->rows = 24;
    buf_put_fmt(&b, "\033[H%s  %s, q ends\033[K\r\n\033[1m", session_account(t->x->session), wall_text(wall_ms(), now, sizeof now));
    BUF_FREE struct buf line = BUF(LINE_MOST);
    put_line(&line, t, NULL, NULL);
    buf_put(&b, buf_head(&line), buf_size(&line));
    buf_put_fmt(&b, "\033[0m\033[K\r\n");
    unsigned room = t->rows - 3;
    for (uint32_t i = 0; i < t->now.n && i < room; i++) {
        buf_reset(&line);
        put_line(&line, t, &t->now.v[i], gauge_find(&t->history, t->now.v[i].server));
        buf_put(&b, buf_head(&line), buf_size(&line));
        buf_put_fmt(&b, "\033[K\r\n");
    }
    if (t->x->server && t->now.n == 1 && t->rows > 12)
        put_one(&b, t);
    else if (t->now.n > room)
        buf_put_fmt(&b, "and %u more\033[K", t->now.n - room);
    buf_put_fmt(&b, "\033[J");
    channel_write(t->x->channel, buf_head(&b), buf_size(&b));
}

static int busiest_first(const void *a, const void *b)
{
    const struct status *x = a, *y = b;
    return x->cpu_share != y->cpu_share ? (x->cpu_share < y->cpu_share ? 1 : -1) : strcmp(x->server, y->server);
}

static void ask(void *data);

static void whole(struct top *t)
{
    gauge_look(&t->history, &t->now, now_ms());
    t->names = NAME_LEAST;
    for (uint32_t i = 0; i < t->now.n; i++) {
        size_t n = strlen(t->now.v[i].server);
        t->names = n > t->names ? (unsigned)n : t->names;
    }
    for (uint32_t i = 0; i < t->now.n; i++)
        t->now.v[i].cpu_share = gauge_find(&t->history, t->now.v[i].server)->now[GAUGE_CPU];
    if (t->now.n > 1)
        qsort(t->now.v, t->now.n, sizeof *t->now.v, busiest_first);
    bool live = exec_terminal(t->x) && !exec_json(t->x);
    if (live && channel_room(t->x->channel) >= CHANNEL_LOW)
        screen(t);
    if (!live && t->looks++ > 0)
        print(t);
    else
        t->timer = exec_timer(t->x, live ? EVERY_MS : ONCE_MS, ask);
}

static void answer(struct exec *x, int code, const char *text, struct msg *m)
{
    struct top *t = x->state;
    if (!exec_ok(x, code, text))
        return;
    uint32_t before = t->now.n;
    status_read(&t->now, m);
    if (x->server == NULL && t->now.n > before && t->now.n < status_visible(x))
        exec_ask(x, OP_STATUS, NULL, t->now.n, NULL, answer);
    else
        whole(t);
}

static void ask(void *data)
{
    struct exec *x = data;
    struct top *t = x->state;
    t->timer = NULL;
    status_free(&t->now);
    exec_ask(x, OP_STATUS, x->server, 0, NULL, answer);
}

/* ---- a terminal ---- */

static void leave(struct exec *x)
{
    static const char back[] = "\033[?25h\033[?1049l";
    if (exec_terminal(x) && !exec_json(x))
        channel_write(x->channel, back, sizeof back - 1);
    exec_end(x, EXIT_DONE);
}

static size_t keys(struct exec *x, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] == 3 || bytes[i] == 4 || bytes[i] == 'q') {
            leave(x);
            break;
        }
    return size;
}

static void interrupt(struct exec *x, const char *signal UNUSED) { leave(x); }

static void resize(struct exec *x, unsigned columns UNUSED, unsigned rows UNUSED)
{
    const struct top *t = x->state;
    if (t->now.n && x->asked == 0)
        screen(x->state);
}

void verb_top(struct exec *x)
{
    static const char begin[] = "\033[?1049h\033[?25l\033[2J";
    struct top *t = mem_new(sizeof *t);
    t->x = x;
    x->state = t;
    x->drop = drop;
    x->interrupt = interrupt;
    if (exec_terminal(x) && !exec_json(x)) {
        x->input = keys;
        x->resize = resize;
        channel_write(x->channel, begin, sizeof begin - 1);
    }
    ask(x);
}
