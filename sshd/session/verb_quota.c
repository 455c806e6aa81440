#include <stdlib.h>

#include "base/mem.h"
#include "base/json.h"
#include "sshd/session/status.h"
#include "sshd/session/verbs.h"

/* The servers still to be asked about; the list is copied, as rights may change in between. */
struct quota { char **names; size_t n, at; };

static void drop(struct exec *x)
{
    struct quota *q = x->state;
    for (size_t i = 0; i < q->n; i++)
        free(q->names[i]);
    free(q->names);
    free(q);
}

static void add(struct quota *q, const char *name)
{
    q->names = mem_grow(q->names, q->n + 1, sizeof *q->names);
    q->names[q->n++] = mem_str(name);
}

static uint64_t percent(uint64_t used, uint64_t limit)
{
    return limit == 0 ? 0 : used >= limit ? 100 : (uint64_t)((__uint128_t)used * 100 / limit);
}

static char *full_words(uint64_t used, uint64_t limit, uint64_t inodes, uint64_t inodes_limit)
{
    uint64_t a = percent(used, limit), b = percent(inodes, inodes_limit), most = a > b ? a : b;
    return most < FULL_SAID ? mem_str("") : mem_fmt(", %llu %% full", (unsigned long long)most);
}

static void print(struct exec *x, const char *server, struct msg *m)
{
    uint64_t used = msg_get_u64(m), limit = msg_get_u64(m), inodes = msg_get_u64(m), inodes_limit = msg_get_u64(m);
    FREE_MEM char *backend = msg_get_str(m);
    msg_end(m);
    if (exec_json(x)) {
        BUF_FREE struct buf b = BUF(4096);
        json_begin(&b, NULL);
        json_str(&b, "server", server);
        json_u64(&b, "used", used);
        json_u64(&b, "limit", limit);
        json_u64(&b, "inodes_used", inodes);
        json_u64(&b, "inodes_limit", inodes_limit);
        json_str(&b, "backend", backend);
        json_end(&b);
        json_line(&b);
        exec_flush(x, &b);
        return;
    }
    char a[32], c[32];
    FREE_MEM char *full = full_words(used, limit, inodes, inodes_limit);
    exec_print(x, "%s: %s of %s (%llu of %llu bytes), %llu of %llu files%s\n", server, size_text(used, a, sizeof a),
               size_text(limit, c, sizeof c), (unsigned long long)used, (unsigned long long)limit, (unsigned long long)inodes,
               (unsigned long long)inodes_limit, full);
}

static void next(struct exec *x);

static void answer(struct exec *x, int code, const char *text, struct msg *m)
{
    struct quota *q = x->state;
    if (!exec_ok(x, code, text))
        return;
    print(x, q->names[q->at++], m);
    next(x);
}

static void next(struct exec *x)
{
    struct quota *q = x->state;
    if (q->at == q->n)
        exec_end(x, EXIT_DONE);
    else
        exec_ask(x, OP_QUOTA, q->names[q->at], 0, NULL, answer);
}

void verb_quota(struct exec *x)
{
    struct quota *q = mem_new(sizeof *q);
    x->state = q;
    x->drop = drop;
    size_t n;
    const struct server_right *r = session_servers(x->session, &n);
    if (x->server)
        add(q, x->server);
    for (size_t i = 0; i < n && x->server == NULL; i++)
        if (r[i].rights & RIGHT_STATUS)
            add(q, r[i].name);
    next(x);
}
