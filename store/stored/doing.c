#include "store/stored/doing.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/stored/order.h"

static bool sees(const struct session *s, const char *server)
{
    for (size_t i = 0; i < s->nseen; i++)
        if (strcmp(s->seen[i].server, server) == 0)
            return true;
    return false;
}

static bool plain(const char *word)
{
    return strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789 ") == strlen(word);
}

/* A server that it may see no more is left out: it may not have heard of that yet. */
const char *doing_told(struct session *s, struct msg *m)
{
    uint32_t n = msg_get_u32(m);
    if (n > DOING_MOST)
        return "more than it can do";
    doing_forget(s);
    s->doing = mem_array(DOING_MOST, sizeof *s->doing);
    for (; n > 0 && !m->bad; n--) {
        FREE_MEM char *what = msg_get_text(m, DOING_WORD);
        FREE_MEM char *server = msg_get_text(m, NAME_MOST);
        if (m->bad || !plain(what))
            break;
        struct doing *d = &s->doing[s->ndoing++];
        memcpy(d->what, what, strlen(what) + 1);
        memcpy(d->server, sees(s, server) ? server : "", sees(s, server) ? strlen(server) + 1 : 1);
    }
    return n > 0 || !msg_end(m) ? "malformed word of what it does" : NULL;
}

void doing_forget(struct session *s)
{
    free(s->doing);
    s->doing = NULL;
    s->ndoing = 0;
}

static bool does_with(const struct session *s, const char *server)
{
    for (size_t i = 0; i < s->ndoing; i++)
        if (strcmp(s->doing[i].server, server) == 0)
            return true;
    return false;
}

/* With SERVER only what it does there. */
static void put_doing(struct msg *m, const struct session *s, const char *server)
{
    BUF_FREE struct buf b = BUF(2048);
    for (size_t i = 0; i < s->ndoing; i++) {
        const struct doing *d = &s->doing[i];
        if (server[0] && strcmp(d->server, server) != 0)
            continue;
        buf_put_fmt(&b, "%s%s%s%s", buf_size(&b) ? ", " : "", d->what, d->server[0] ? " " : "", d->server);
    }
    buf_put_u8(&b, '\0');
    msg_put_str(m, (const char *)buf_head(&b));
}

/* From where others come, and with what, is told to who may see that in the record of who did what. */
static void put_row(struct msg *m, const struct wish *w, const struct session *s)
{
    bool own = strcmp(s->account, w->session->account) == 0, all = own || (w->rights & RIGHT_ACTIVITY);
    msg_put_u64(m, s->id);
    msg_put_str(m, all ? s->address : "");
    msg_put_u32(m, all ? s->port : 0);
    msg_put_u64(m, (uint64_t)s->since);
    msg_put_str(m, own ? s->method : "");
    msg_put_str(m, own ? s->fingerprint : "");
    msg_put_u32(m, s == w->session);
    msg_put_str(m, s->account);
    put_doing(m, s, w->server);
}

bool doing_list(struct wish *w)
{
    enum { MOST = MSG_MOST - 4096 };
    struct msg rows, out;
    uint32_t n = 0;
    uint64_t skip = w->number;
    msg_begin(&rows, 0, 0);
    for (const struct session *s = w->session->store->sessions; s && buf_size(&rows.body) < MOST - 4096; s = s->next) {
        bool wanted = s->phase == PHASE_IN && (w->server[0] ? does_with(s, w->server) : strcmp(s->account, w->session->account) == 0);
        if (!wanted || (skip > 0 && skip--))
            continue;
        put_row(&rows, w, s);
        n++;
    }
    msg_begin(&out, STORE_DO_RESULT, w->id);
    msg_put_u32(&out, CODE_OK);
    msg_put_str(&out, "");
    msg_put_u32(&out, n);
    buf_put(&out.body, buf_head(&rows.body), buf_size(&rows.body));
    msg_free(&rows);
    link_send(w->session->link, &out);
    return false;
}
