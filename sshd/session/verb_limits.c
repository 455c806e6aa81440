/* What the account may still do, and who else is logged in as it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "sshd/session/conn.h"
#include "sshd/session/status.h"
#include "sshd/session/verbs.h"

/* As the answer has them, in its order. */
struct counts {
    uint32_t connections, connections_most, channels, handles, account_handles, node_handles;
    char *source;
    uint32_t exempt;
    uint64_t refused, penalty;
    uint32_t keys, keys_most, passwords, passwords_most;
};

static void get(struct msg *m, struct counts *c)
{
    c->connections = msg_get_u32(m);
    c->connections_most = msg_get_u32(m);
    c->channels = msg_get_u32(m);
    c->handles = msg_get_u32(m);
    c->account_handles = msg_get_u32(m);
    c->node_handles = msg_get_u32(m);
    c->source = msg_get_str(m);
    c->exempt = msg_get_u32(m);
    c->refused = msg_get_u64(m);
    c->penalty = msg_get_u64(m);
    c->keys = msg_get_u32(m);
    c->keys_most = msg_get_u32(m);
    c->passwords = msg_get_u32(m);
    c->passwords_most = msg_get_u32(m);
}

static void put_json(struct buf *b, const struct counts *c, unsigned channels)
{
    json_u64(b, "connections", c->connections);
    json_u64(b, "connections_limit", c->connections_most);
    json_u64(b, "channels", channels);
    json_u64(b, "channels_limit", c->channels);
    json_u64(b, "handles_limit", c->handles);
    json_u64(b, "account_handles_limit", c->account_handles);
    json_u64(b, "node_handles_limit", c->node_handles);
    json_str(b, "source", c->source);
    json_bool(b, "exempt", c->exempt);
    json_u64(b, "refused_s", (c->refused + 999) / 1000);
    json_u64(b, "penalty_s", (c->penalty + 999) / 1000);
    json_u64(b, "keys_tried", c->keys);
    json_u64(b, "keys_limit", c->keys_most);
    json_u64(b, "passwords_tried", c->passwords);
    json_u64(b, "passwords_limit", c->passwords_most);
}

static void put_text(struct exec *x, const struct counts *c, unsigned channels)
{
    exec_print(x, "connections: %u of %u\nchannels of this connection: %u of %u\n", c->connections, c->connections_most, channels, c->channels);
    exec_print(x, "SFTP handles: %u a channel, %u of the account, %u of everybody\n", c->handles, c->account_handles, c->node_handles);
    if (c->exempt)
        exec_print(x, "your address: exempt from penalties\n");
    else
        exec_print(x, "your address %s: %" PRIu64 " s of penalties%s, %u of %u keys and %u of %u passwords tried\n", c->source, (c->penalty + 999) / 1000,
                   c->refused ? ", refused" : "", c->keys, c->keys_most, c->passwords, c->passwords_most);
}

static void rate_text(struct exec *x, const char *verb, bool bytes, uint64_t burst, uint64_t ms, uint64_t left, uint64_t full_in)
{
    char all[32], there[32];
    if (burst == 0)
        exec_print(x, "%s: any number\n", verb);
    else if (bytes)
        exec_print(x, "%s: %s of %s left, all of it in %" PRIu64 " s (%" PRIu64 " s from empty)\n", verb, size_text(left, there, sizeof there),
                   size_text(burst, all, sizeof all), (full_in + 999) / 1000, ms / 1000);
    else
        exec_print(x, "%s: %" PRIu64 " of %" PRIu64 " left, all of them in %" PRIu64 " s (%" PRIu64 " s from none)\n", verb, left, burst,
                   (full_in + 999) / 1000, ms / 1000);
}

static void rate_json(struct buf *b, const char *verb, bool bytes, uint64_t burst, uint64_t ms, uint64_t left, uint64_t full_in)
{
    json_begin(b, NULL);
    json_str(b, "verb", verb);
    json_str(b, "unit", bytes ? "bytes" : "times");
    if (burst) {
        json_u64(b, "burst", burst);
        json_u64(b, "per_s", ms / 1000);
        json_u64(b, "left", left);
        json_u64(b, "full_in_s", (full_in + 999) / 1000);
    } else
        json_null(b, "burst");
    json_end(b);
}

static void rates(struct exec *x, struct msg *m, struct buf *b)
{
    for (uint32_t n = msg_get_u32(m); n > 0; n--) {
        FREE_MEM char *verb = msg_get_str(m);
        bool bytes = msg_get_u32(m) != 0;
        uint64_t burst = msg_get_u64(m), ms = msg_get_u64(m), left = msg_get_u64(m), full_in = msg_get_u64(m);
        if (exec_json(x))
            rate_json(b, verb, bytes, burst, ms, left, full_in);
        else
            rate_text(x, verb, bytes, burst, ms, left, full_in);
    }
    msg_end(m);
}

static void limits_told(struct exec *x, int code, const char *text, struct msg *m)
{
    struct counts c = { 0 };
    BUF_FREE struct buf b = BUF(64 * 1024);
    if (!exec_ok(x, code, text))
        return;
    get(m, &c);
    FREE_MEM char *source = c.source;
    (void)source;
    unsigned channels = x->session->nchannels;
    if (exec_json(x)) {
        json_begin(&b, NULL);
        put_json(&b, &c, channels);
        json_list(&b, "rates");
        rates(x, m, &b);
        json_list_end(&b);
        json_end(&b);
        json_line(&b);
        exec_flush(x, &b);
    } else {
        put_text(x, &c, channels);
        rates(x, m, &b);
        exec_print(x, "limits of servers: status, quota\n");
    }
    exec_end(x, EXIT_DONE);
}

void verb_limits(struct exec *x)
{
    exec_ask(x, OP_LIMITS, "", 0, NULL, limits_told);
}

/* --- sessions ----------------------------------------------------------------------------------------------------------------------------- */

static void put_session(struct exec *x, struct msg *m)
{
    uint64_t id = msg_get_u64(m);
    FREE_MEM char *address = msg_get_str(m);
    uint32_t port = msg_get_u32(m);
    uint64_t since = msg_get_u64(m);
    FREE_MEM char *method = msg_get_str(m);
    FREE_MEM char *key = msg_get_str(m);
    bool this = msg_get_u32(m) != 0;
    FREE_MEM char *account = msg_get_str(m);
    FREE_MEM char *doing = msg_get_str(m);
    if (exec_json(x)) {
        BUF_FREE struct buf b = BUF(4096);
        json_begin(&b, NULL);
        json_u64(&b, "session", id);
        json_str(&b, "address", *address ? address : NULL);
        if (port)
            json_u64(&b, "port", port);
        else
            json_null(&b, "port");
        json_time(&b, "since", since);
        json_str(&b, "method", *method ? method : NULL);
        json_str(&b, "key", *key ? key : NULL);
        json_bool(&b, "this", this);
        json_str(&b, "account", account);
        json_str(&b, "doing", doing);
        json_end(&b);
        json_line(&b);
        exec_flush(x, &b);
        return;
    }
    char when[24];
    wall_text((int64_t)since, when, sizeof when);
    if (x->nargs > 0)
        exec_print(x, "%c %-8" PRIu64 " %-16s %-40s since %s: %s\n", this ? '*' : ' ', id, account, *address ? address : "-", when, doing);
    else
        exec_print(x, "%c %-8" PRIu64 " %-40s since %s by %s%s%s%s%s\n", this ? '*' : ' ', id, address, when, method, *key ? " " : "", key,
                   *doing ? ": " : "", doing);
}

static void sessions_told(struct exec *x, int code, const char *text, struct msg *m);

static void sessions_ask(struct exec *x, uint64_t skip)
{
    exec_ask(x, OP_SESSIONS, x->nargs > 0 ? x->args[0] : "", skip, NULL, sessions_told);
}

static void sessions_told(struct exec *x, int code, const char *text, struct msg *m)
{
    uint64_t *seen = x->state;
    if (!exec_ok(x, code, text))
        return;
    uint32_t n = msg_get_u32(m);
    for (uint32_t i = 0; i < n; i++)
        put_session(x, m);
    msg_end(m);
    *seen += n;
    if (n == 0)
        exec_end(x, EXIT_DONE);
    else
        sessions_ask(x, *seen);
}

static void drop(struct exec *x)
{
    free(x->state);
}

void verb_sessions(struct exec *x)
{
    x->state = mem_new(sizeof(uint64_t));
    x->drop = drop;
    sessions_ask(x, 0);
}
