#include "sshd/supervisor/news.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/mem.h"
#include "sshd/supervisor/sink.h"
#include "sshd/supervisor/store.h"

enum { HELD_MOST = 256, TEXT_MOST = 500 };

/* The oldest first. */
struct news { struct news *next; struct msg m; };

static struct news *held;
static unsigned nheld, lost;

static void hold(const struct msg *m)
{
    struct news *n = mem_new(sizeof *n), **at = &held;
    n->m = *m;
    while (*at)
        at = &(*at)->next;
    *at = n;
    if (++nheld <= HELD_MOST)
        return;
    n = held;
    held = n->next;
    msg_free(&n->m);
    free(n);
    nheld--;
    lost++;
}

void news_put(struct super *s, const char *what, const char *server, const char *account, const char *fmt, ...)
{
    char text[TEXT_MOST + 1];
    int64_t now = wall_ms();
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct msg m;
    msg_begin(&m, STORE_EVENT, 0);
    msg_put_u64(&m, (uint64_t)now);
    msg_put_str(&m, what);
    msg_put_str(&m, server);
    msg_put_str(&m, account);
    msg_put_str(&m, text);
    if (store_ready(s))
        store_send(s, &m);
    else
        hold(&m);
    sink_put(s, now, what, server, account, text);
}

void news_store_ready(struct super *s)
{
    while (held) {
        struct news *n = held;
        held = n->next;
        store_send(s, &n->m);
        free(n);
    }
    if (lost)
        log_warn("events.lost", "count=%u why=\"there was no store\"", lost);
    nheld = lost = 0;
}
