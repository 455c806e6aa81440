#include "sshd/supervisor/sink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "sshd/proto.h"
#include "sshd/supervisor/child.h"

enum { WAITING_MOST = 256, LINE_MOST = 8192 };

struct event {
    struct event *next;
    int64_t at;
    char *what, *server, *account, *text;   /* owned */
};

static struct event *first;             /* the one that is told, and those that wait */
static unsigned waiting, dropped;
static bool running;

static void next(struct super *s);

static void forget_first(void)
{
    struct event *v = first;
    first = v->next;
    waiting--;
    free(v->what);
    free(v->server);
    free(v->account);
    free(v->text);
    free(v);
}

static void on_end(void *data, pid_t pid UNUSED, int status UNUSED)
{
    struct super *s = data;
    running = false;
    forget_first();
    if (dropped && waiting < WAITING_MOST / 2) {
        log_warn("sink.dropped", "events=%u why=\"the program is slower than what happens\"", dropped);
        dropped = 0;
    }
    next(s);
}

static void put_json(struct buf *b, const struct event *v)
{
    json_begin(b, NULL);
    json_time(b, "time", (uint64_t)v->at);
    json_str(b, "event", v->what);
    json_str(b, "server", v->server[0] ? v->server : NULL);
    json_str(b, "account", v->account[0] ? v->account : NULL);
    json_str(b, "text", v->text);
    json_end(b);
    json_line(b);
}

static int put(struct super *s, const struct event *v, struct msg *m, struct err *e)
{
    BUF_FREE struct buf b = BUF(LINE_MOST);
    char when[24];
    uint32_t n = 0;
    char **words;
    const char *why;
    if (conf_words(s->conf.events.command, &words, &why) < 0)
        return err_set(e, EINVAL, "[events] command", "%s", why);
    while (words[n])
        n++;
    put_json(&b, v);
    buf_put_u8(&b, '\0');
    msg_begin(m, START_SINK, 0);
    msg_put_u32(m, (uint32_t)s->conf.log.level);
    msg_put_u64(m, s->conf.events.timeout);
    msg_put_u32(m, n);
    for (uint32_t i = 0; i < n; i++)
        msg_put_str(m, words[i]);
    msg_put_str(m, wall_text(v->at, when, sizeof when));
    msg_put_str(m, v->what);
    msg_put_str(m, v->server);
    msg_put_str(m, v->account);
    msg_put_str(m, v->text);
    msg_put_str(m, (const char *)buf_head(&b));
    conf_words_free(words);
    return 0;
}

static int run(struct super *s, const struct event *v, struct err *e)
{
    int pair[2];
    struct msg m MSG_FREE = { 0 };
    if (put(s, v, &m, e) < 0)
        return -1;
    if (io_pair(pair) < 0)
        return err_set(e, errno, "socketpair", "%s", "");
    CLOSE_FD int ours = pair[0], theirs = pair[1];
    if (io_nonblock(ours) < 0 || msg_send(ours, &m) < 0)
        return err_set(e, errno, "sink", "send");
    /* Behind holdfast-policy's, which is behind the last session's: a uid that nobody has, whose processes can all be ended. */
    uid_t uid = s->conf.ids.sessions + s->conf.limits.connections + 1;
    return child_start(s, ROLE_SINK, uid, theirs, on_end, s, e) < 0 ? -1 : 0;
}

static void next(struct super *s)
{
    while (first && !running) {
        struct err e = { 0 };
        char line[400];
        running = s->conf.events.command[0] && run(s, first, &e) == 0;
        if (running)
            return;
        if (s->conf.events.command[0])
            log_error("sink", "error=\"%s\"", err_text(&e, line, sizeof line));
        forget_first();
    }
}

static bool wanted(const struct conf_events *c, const char *what)
{
    for (size_t i = 0; i < c->only.n; i++)
        if (strcmp(c->only.v[i], what) == 0)
            return true;
    return c->only.n == 0;
}

void sink_put(struct super *s, int64_t at, const char *what, const char *server, const char *account, const char *text)
{
    if (s->conf.events.command == NULL || s->conf.events.command[0] == '\0' || !wanted(&s->conf.events, what))
        return;
    if (waiting >= WAITING_MOST) {
        dropped++;
        return;
    }
    struct event *v = mem_new(sizeof *v), **end = &first;
    *v = (struct event){ .at = at, .what = mem_str(what), .server = mem_str(server), .account = mem_str(account), .text = mem_str(text) };
    while (*end)
        end = &(*end)->next;
    *end = v;
    waiting++;
    next(s);
}
