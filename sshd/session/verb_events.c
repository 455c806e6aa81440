/* What happened: the last of it, or all behind one that is known; with -f also what follows, asked for anew each time the store has said something. */
#include <stdlib.h>

#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "sshd/session/status.h"
#include "sshd/session/verbs.h"

enum { EVENTS = 50, EVENTS_MOST = 10000, LINE_MOST = 8192 };

struct listing { uint64_t id; bool head; };

static void drop(struct exec *x)
{
    free(x->state);
}

static void put_json(struct buf *b, uint64_t id, uint64_t at, const char *what, const char *server, const char *account, const char *text)
{
    json_begin(b, NULL);
    json_u64(b, "id", id);
    json_time(b, "time", at);
    json_str(b, "event", what);
    json_str(b, "server", server[0] ? server : NULL);
    json_str(b, "account", account[0] ? account : NULL);
    json_str(b, "text", text);
    json_end(b);
    json_line(b);
}

static void print(struct exec *x, struct msg *m)
{
    struct listing *l = x->state;
    uint64_t id = msg_get_u64(m), at = msg_get_u64(m);
    FREE_MEM char *what = msg_get_str(m);
    FREE_MEM char *server = msg_get_str(m);
    FREE_MEM char *account = msg_get_str(m);
    FREE_MEM char *text = msg_get_str(m);
    char when[32];
    if (exec_json(x)) {
        BUF_FREE struct buf b = BUF(LINE_MOST);
        put_json(&b, id, at, what, server, account, text);
        exec_flush(x, &b);
        return;
    }
    if (!l->head)
        exec_print(x, "%8s  %-24s  %-12s  %-10s  %s\n", "id", "time", "server", "event", "");
    l->head = true;
    exec_print(x, "%8llu  %-24s  %-12s  %-10s  %s%s%s\n", (unsigned long long)id, wall_text((int64_t)at, when, sizeof when),
               server[0] ? server : "-", what, esc_text(text), account[0] && text[0] ? ", " : "", account);
}

static void ask(struct exec *x);

static void told(struct exec *x, int code, const char *text, struct msg *m)
{
    struct listing *l = x->state;
    if (!exec_ok(x, code, text))
        return;
    l->id = msg_get_u64(m);
    bool all = msg_get_u32(m) != 0;
    uint32_t n = msg_get_u32(m);
    for (uint32_t i = 0; i < n; i++)
        print(x, m);
    msg_end(m);
    if (all && !(x->options & OPTION_FOLLOW))
        exec_end(x, EXIT_DONE);
    else if (channel_room(x->channel) >= CHANNEL_LOW)
        ask(x);
}

static void ask(struct exec *x)
{
    const struct listing *l = x->state;
    exec_ask(x, OP_EVENTS, x->server, l->id, x->options & OPTION_FOLLOW ? "wait" : NULL, told);
}

static void room(struct exec *x)
{
    if (x->asked == 0)
        ask(x);
}

static void begins(struct exec *x, int code, const char *text, struct msg *m)
{
    struct listing *l = x->state;
    if (!exec_ok(x, code, text))
        return;
    l->id = msg_get_u64(m);
    msg_end(m);
    x->room = room;
    ask(x);
}

static void interrupt(struct exec *x, const char *signal)
{
    (void)signal;
    exec_end(x, EXIT_DONE);
}

/* ctrl-C of a terminal. */
static size_t keys(struct exec *x, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] == 3 || bytes[i] == 4 || bytes[i] == 'q') {
            exec_end(x, EXIT_DONE);
            break;
        }
    return size;
}

void verb_events(struct exec *x)
{
    uint64_t wanted = x->options & OPTION_LINES ? x->lines : EVENTS;
    if (wanted > EVENTS_MOST) {
        exec_fail(x, EXIT_USAGE, "-n: %llu events cannot be listed; allowed: 0 to %d", (unsigned long long)wanted, EVENTS_MOST);
        return;
    }
    if ((x->options & OPTION_AFTER) && (x->options & OPTION_LINES)) {
        exec_fail(x, EXIT_USAGE, "events: --after and -n exclude each other");
        return;
    }
    struct listing *l = mem_new(sizeof *l);
    x->state = l;
    x->drop = drop;
    x->interrupt = interrupt;
    if (exec_terminal(x))
        x->input = keys;
    if (x->options & OPTION_AFTER) {
        l->id = x->after;
        x->room = room;
        ask(x);
    } else
        exec_ask(x, OP_EVENTS, x->server, wanted, "last", begins);
}
