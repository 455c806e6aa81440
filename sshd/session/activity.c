#include "sshd/session/activity.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/name.h"
#include "sshd/session/conn.h"

/* Of one message; above it what is noted is sent at once, or lost. */
enum { EVENTS_SIZE = 48 * 1024, EVENT_HEAD = 64, LOSSES_MOST = 64 };

struct activity_loss { char server[NAME_MOST + 1]; uint64_t n; };

static void put(struct session *s, enum activity_action action, const char *server, const char *path, const char *other, uint64_t number,
                uint32_t flags)
{
    struct msg *m = &s->noted;
    msg_put_u32(m, action);
    msg_put_str(m, server);
    msg_put_str(m, path);
    msg_put_str(m, other);
    msg_put_u64(m, number);
    msg_put_u32(m, flags);
    s->nnoted++;
}

static void lose(struct session *s, const char *server)
{
    size_t i = 0;
    while (i < s->nlosses && strcmp(s->losses[i].server, server) != 0)
        i++;
    if (i == s->nlosses) {
        s->losses = mem_grow(s->losses, s->nlosses + 1, sizeof *s->losses);
        struct activity_loss *l = &s->losses[s->nlosses++];
        snprintf(l->server, sizeof l->server, "%s", server);
        l->n = 0;
    }
    s->losses[i].n++;
}

static bool fits(const struct session *s, size_t size)
{
    return s->nnoted < ACTIVITY_MOST - LOSSES_MOST && buf_size(&s->noted.body) + size <= EVENTS_SIZE;
}

void activity_note(struct session *s, enum activity_action action, const char *server, const char *path, const char *other, uint64_t number,
                   uint32_t flags)
{
    size_t size = EVENT_HEAD + strlen(server) + strlen(path) + strlen(other);
    if (!fits(s, size))
        activity_send(s);
    if (s->noted.body.max == 0)
        msg_begin(&s->noted, STORE_ACTIVITY, 0);
    if (fits(s, size))
        put(s, action, server, path, other, number, flags);
    else
        lose(s, server);
}

/* Behind what was noted, in the room that is kept for them. */
static size_t put_losses(struct session *s)
{
    size_t n = s->nlosses < LOSSES_MOST ? s->nlosses : LOSSES_MOST;
    for (size_t i = 0; i < n; i++)
        put(s, ACTIVITY_LOST, s->losses[i].server, "", "", s->losses[i].n, 0);
    return n;
}

void activity_send(struct session *s)
{
    if (s->nnoted == 0)
        return;
    size_t end = s->noted.body.len;
    uint32_t noted = s->nnoted;
    size_t losses = put_losses(s);
    struct msg m;
    msg_begin(&m, STORE_ACTIVITY, 0);
    msg_put_u32(&m, s->nnoted);
    buf_put(&m.body, buf_head(&s->noted.body), buf_size(&s->noted.body));
    if (store_tell(s, &m)) {
        buf_reset(&s->noted.body);
        s->nnoted = 0;
        s->nlosses -= losses;
        if (s->nlosses > 0)
            memmove(s->losses, s->losses + losses, s->nlosses * sizeof *s->losses);
    } else {
        s->noted.body.len = end;
        s->nnoted = noted;
    }
}
