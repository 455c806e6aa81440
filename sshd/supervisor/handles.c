#include "sshd/supervisor/handles.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "quota/gate.h"
#include "sshd/supervisor/shares.h"

enum { AGAIN_MS = 500 };

struct handles {
    struct handles *next;
    struct super *super;
    char account[NAME_MOST + 1];
    int fd;
    struct gate *gate;
    uint64_t limit, most;   /* now; ever: a page that says more is in use was tampered with */
    unsigned workers;
};

static struct handles *pages;
static struct timer *again;

uint32_t handles_most(const struct super *s)
{
    const struct conf_limits *l = &s->conf.limits;
    uint32_t most = l->handles < l->account_handles ? l->handles : l->account_handles;
    return most < l->node_handles ? most : l->node_handles;
}

static uint64_t in_use(const struct handles *h)
{
    uint64_t use = gate_leased(h->gate);
    return use < h->most ? use : h->most;
}

static void set_limit(struct handles *h, uint64_t limit)
{
    h->limit = limit;
    h->most = h->most > limit ? h->most : limit;
    gate_set_limit(h->gate, limit);
}

static void on_again(void *data);

/* Lowers before it raises, and looks at what is in use in between: a worker that took one at this moment has either been seen, or sees the new
   limit and gives it back. */
static bool share_out(struct super *s, size_t n)
{
    const struct conf_limits *l = &s->conf.limits;
    FREE_MEM uint64_t *use = mem_array(n, sizeof *use);
    FREE_MEM uint64_t *limit = mem_array(n, sizeof *limit);
    uint64_t sum = 0;
    bool short_of = false;
    size_t i = 0;
    for (struct handles *h = pages; h; h = h->next)
        use[i++] = in_use(h);
    shares(l->node_handles, l->account_handles, n, use, limit);
    i = 0;
    for (struct handles *h = pages; h; h = h->next, i++)
        if (limit[i] < h->limit)
            set_limit(h, limit[i]);
    i = 0;
    for (struct handles *h = pages; h; h = h->next, i++) {
        uint64_t now = in_use(h);
        sum += now > limit[i] ? now : limit[i];
        short_of = short_of || limit[i] < l->account_handles;
    }
    i = 0;
    for (struct handles *h = pages; h && sum <= l->node_handles; h = h->next, i++)
        set_limit(h, limit[i]);
    return short_of || sum > l->node_handles;
}

void handles_apply(struct super *s)
{
    size_t n = 0;
    for (struct handles *h = pages; h; h = h->next)
        n++;
    bool short_of = n > 0 && share_out(s, n);
    /* One alone has what there is; of several, one may want what another no longer needs. */
    if (short_of && n > 1 && again == NULL)
        again = loop_timer(s->loop, AGAIN_MS, on_again, s);
}

static void on_again(void *data)
{
    again = NULL;
    handles_apply(data);
}

static struct handles *find(const char *account)
{
    for (struct handles *h = pages; h; h = h->next)
        if (strcmp(h->account, account) == 0)
            return h;
    return NULL;
}

static struct handles *add(struct super *s, const char *account, struct err *e)
{
    CLOSE_FD int fd = gate_create();
    struct gate *gate = fd < 0 ? NULL : gate_map(fd);
    if (gate == NULL) {
        err_set(e, errno, "handles", "%s", account);
        return NULL;
    }
    struct handles *h = mem_new(sizeof *h);
    *h = (struct handles){ .next = pages, .super = s, .fd = fd_steal(&fd), .gate = gate };
    snprintf(h->account, sizeof h->account, "%s", account);
    pages = h;
    return h;
}

static void tidy(struct handles *h)
{
    if (h->workers > 0)
        return;
    struct handles **at = &pages;
    while (*at != h)
        at = &(*at)->next;
    *at = h->next;
    gate_unmap(h->gate);
    close(h->fd);
    free(h);
}

struct handles *handles_join(struct super *s, const char *account, unsigned *slot, struct err *e)
{
    struct handles *h = find(account);
    if (h == NULL && (h = add(s, account, e)) == NULL)
        return NULL;
    int taken = gate_slot_take(h->gate);
    if (taken < 0) {
        err_set(e, EAGAIN, "files", "too many at once of account %s (%d)", account, GATE_SLOTS);
        return NULL;
    }
    h->workers++;
    *slot = (unsigned)taken;
    handles_apply(s);
    return h;
}

void handles_leave(struct handles *h, unsigned slot)
{
    struct super *s = h->super;
    gate_slot_drop(h->gate, slot);
    h->workers--;
    tidy(h);
    handles_apply(s);
}

int handles_fd(const struct handles *h)
{
    return h->fd;
}
