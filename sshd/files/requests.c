#include "sshd/files/requests.h"

#include <string.h>

#include "base/die.h"
#include "base/rights.h"
#include "sshd/files/failure.h"
#include "sshd/proto.h"

static const struct {
    uint32_t right;
    bool writes, answered;
    enum path_use use[2];
    request_fn *fn;
} requests[] = {
#define R(type, any_of, changes, answers, first, second, handler) \
    [type - FILES_OPEN] = { .right = any_of, .writes = changes, .answered = answers, .use = { first, second }, .fn = handler },
    FILES_REQUESTS(R)
#undef R
};

static void answer_begin(struct msg *a, uint32_t id, uint32_t status, const char *text)
{
    msg_begin(a, FILES_ANSWER, id);
    msg_put_u32(a, status);
    msg_put_str(a, text);
}

static int refuse(struct worker *w, uint32_t right, bool writes)
{
    char words[128];
    return fail(w, FX_PERMISSION_DENIED, "%syour account does not have %s on this server", writes ? "read-only: " : "",
                rights_text(right, words, sizeof words));
}

static unsigned row_of(uint32_t type)
{
    unsigned row = type - FILES_OPEN;
    if (row >= countof(requests) || requests[row].fn == NULL)
        die("peer broke a rule: message %u is no request", type);
    return row;
}

static void one(struct worker *w, int link, struct msg *m)
{
    unsigned row = row_of(m->type);
    MSG_FREE struct msg answer;
    answer_begin(&answer, m->id, FX_OK, "");
    w->use = requests[row].use;
    w->source = 0;
    int r = w->rights & requests[row].right ? requests[row].fn(w, m, &answer)
                                            : refuse(w, requests[row].right, requests[row].writes);
    if (r < 0) {
        msg_free(&answer);
        answer_begin(&answer, m->id, w->failure.status, w->failure.text);
    }
    if (requests[row].answered && msg_send(link, &answer) < 0)
        die_errno("answer");
}

/* Those in front of the last are of the kind that is not answered: there is one id for all. */
static void many(struct worker *w, int link, struct msg *m)
{
    do {
        size_t size;
        uint32_t type = msg_get_u32(m);
        const uint8_t *p = msg_get_bytes(m, &size);
        if (requests[row_of(type)].answered && buf_size(&m->body) > 0)
            die("peer broke a rule: message %u in front of another", type);
        /* A view: the buffer's memory stays the message's. */
        struct msg part = { .type = (uint16_t)type, .id = m->id,
                            .body = { .p = (uint8_t *)(uintptr_t)p, .len = size, .cap = size, .max = size } };
        one(w, link, &part);
    } while (buf_size(&m->body) > 0);
    msg_end(m);
}

void request(struct worker *w, int link, struct msg *m)
{
    (m->type == FILES_MANY ? many : one)(w, link, m);
}

void request_attrs(struct msg *m, struct attrs *a)
{
    size_t size;
    const uint8_t *p = msg_get_bytes(m, &size);
    /* A view: the buffer's memory stays the message's. */
    struct buf view = { .p = (uint8_t *)(uintptr_t)p, .len = size, .cap = size, .max = size };
    attrs_get(&view, a);
    if (view.bad || buf_size(&view) != 0)
        die("peer broke a rule: attributes");
}

void answer_attrs(struct msg *answer, const struct stat *st)
{
    uint8_t space[ATTRS_MOST];
    struct buf b = { .p = space, .cap = sizeof space, .max = sizeof space };
    struct attrs a;
    attrs_of_stat(&a, st);
    attrs_put(&b, &a);
    msg_put_bytes(answer, b.p, b.len);
}
