/* holdfast-filter: holds the kernel's packet filter to what the supervisor says. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bucket.h"
#include "base/die.h"
#include "base/io.h"
#include "base/link.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "sandbox/filter/device.h"
#include "sandbox/filter/held.h"
#include "sandbox/filter/mark.h"
#include "sandbox/filter/nft.h"
#include "sandbox/filter/read.h"
#include "sandbox/filter/rules.h"
#include "sandbox/filter/track.h"
#include "sandbox/filter/watch.h"
#include "sandbox/lock/filter.bpf.h"
#include "sandbox/lock/lock.h"
#include "sandbox/proto.h"

enum { TEXT_MOST = 64 << 20, MENDS = 20, RETRY_MS = 1000, TRIES = 2, FORGET_MS = 50, SWEEP_MS = 1000, REMEMBER_MS = 1000 };

static struct {
    struct loop *loop;
    struct link *link;
    struct nft *nft;
    struct watch_state watch;
    struct settings settings;
    struct server *servers;
    bool started;                /* the kernel was given the whole table once, and is to hold it */
    bool known;                  /* it does, and nobody else has changed it */
    struct state before;         /* what it held before the START that waits for its servers, if that is known */
    uint32_t awaited, start_id;  /* servers that belong to the START before they are put in force as one */
    struct bucket mends;
    struct timer *mend;
    int device, track;
    struct gone { struct gone *next; char interface[INTERFACE_MOST]; } *gone;
    struct timer *sweep;
    struct timer *forget;
    uint16_t port;               /* to forget conversations with; 0: with any */
    uint32_t mark;               /* of connections that passed (mark.h), as the kernel holds it while KNOWN; 0: none */
    uint64_t second;             /* marks are made of later ones only */
    bool told;                   /* the log, that there are none */
    struct timer *remember;
} filter;

static void put_err(struct msg *m, bool ok, const struct err *e)
{
    msg_put_u32(m, ok);
    msg_put_u32(m, (uint32_t)e->no);
    msg_put_str(m, e->step);
    msg_put_str(m, e->text);
}

static void answer(uint32_t id, bool ok, const struct err *e)
{
    struct msg m;
    msg_begin(&m, FILTER_DONE, id);
    put_err(&m, ok, e);
    link_send(filter.link, &m);
}

static int apply(struct buf *text, struct err *e)
{
    if (buf_size(text) == 0)
        return 0;
    buf_put_u8(text, 0);
    if (text->bad)
        return err_set(e, 0, "nftables", "more than %d bytes of rules", TEXT_MOST);
    return nft_apply(filter.nft, "nftables", (const char *)buf_head(text), e);
}

static void on_remember(void *data);

/* ---- the whole ---- */

/* Of all servers, without OUT and with IN, either of which may be NULL. */
static void put_present(const struct server *out, const struct server *in, uint32_t mark, struct state *to)
{
    bool rated = in && in->down;
    for (const struct server *v = filter.servers; v; v = v->next)
        rated |= v != out && v->down;
    rules_present(&filter.settings, rated, mark, to);
}

/* The next mark, a while after the first change since the last one, so that one who changes all the time costs others no more than that. */
static void unmarked(void)
{
    filter.mark = 0;
    if (filter.remember == NULL)
        filter.remember = loop_timer(filter.loop, REMEMBER_MS, on_remember, NULL);
}

static void put_whole(uint32_t mark, struct state *to)
{
    rules_common(&filter.settings, to);
    put_present(NULL, NULL, mark, to);
    for (const struct server *v = filter.servers; v; v = v->next)
        rules_server(&filter.settings, v, to);
}

/* FIRST, and what leads from BEFORE to AFTER, which has no mark. */
static int step(const char *first, struct state *before, struct state *after, struct err *e)
{
    struct buf text BUF_FREE = BUF(TEXT_MOST);
    buf_put_fmt(&text, "%s", first);
    state_change(filter.settings.table, before, after, &text);
    if (apply(&text, e) < 0)
        return -1;
    unmarked();
    return 0;
}

static int change(const char *first, struct state *before, struct err *e)
{
    struct state after STATE_FREE = { 0 };
    put_whole(0, &after);
    return step(first, before, &after, e);
}

/* The table is there, and awake if it was put to sleep, before it is listed. */
static int change_listed(struct err *e)
{
    struct state held STATE_FREE = { 0 };
    FREE_MEM char *make = mem_fmt("add table inet %s\n", filter.settings.table);
    if (nft_apply(filter.nft, "nftables", make, e) < 0)
        return -1;
    FREE_MEM char *listing = nft_list(filter.nft, filter.settings.table, e);
    if (listing == NULL || held_read(listing, rules_filled, &held, e) < 0)
        return -1;
    return change("", &held, e);
}

/* All that we believe, as one change.  KNOWN: what the kernel holds (it may turn out wrong), or NULL.  A table is deleted and made anew only
   where the kernel takes nothing else, as when an earlier version's set is of another type: a packet can then get through (state.h). */
static int lay(struct state *known, struct err *e)
{
    struct state none = { 0 };
    if (known && change("", known, e) == 0)
        return 0;
    filter.known = false;
    for (int i = 0; i < TRIES; i++)
        if (change_listed(e) == 0) {
            filter.known = true;
            *e = (struct err){ 0 };
            return 0;
        }
    struct err why = *e;
    char line[400];
    FREE_MEM char *anew = mem_fmt("add table inet %s\ndelete table inet %s\nadd table inet %s\n", filter.settings.table, filter.settings.table,
                                  filter.settings.table);
    *e = (struct err){ 0 };
    if (change(anew, &none, e) < 0)
        return -1;
    log_warn("filter.replaced", "table=%s why=\"%s\"", filter.settings.table, err_text(&why, line, sizeof line));
    filter.known = true;
    return 0;
}

/* ---- the mark of connections that passed ---- */

static int mark(uint32_t next, struct err *e)
{
    struct buf text BUF_FREE = BUF(TEXT_MOST);
    struct state before STATE_FREE = { 0 }, after STATE_FREE = { 0 };
    put_present(NULL, NULL, 0, &before);
    put_present(NULL, NULL, next, &after);
    state_change(filter.settings.table, &before, &after, &text);
    return apply(&text, e);
}

/* Without one all is asked for each packet, which is slower and no more.  Whatever changes the rules, or puts right what another changed, has it
   tried anew. */
static void on_remember(void *data UNUSED)
{
    struct err e = { 0 };
    uint64_t second = mark_second();
    uint32_t next = mark_of(second);
    filter.remember = NULL;
    if (!filter.known || !filter.started || filter.awaited || next == 0)
        return;
    if (second <= filter.second) {
        filter.remember = loop_timer(filter.loop, REMEMBER_MS, on_remember, NULL);
        return;
    }
    filter.second = second;
    if (!mark_settle())
        err_set(&e, errno, "membarrier", "%s", "");
    else if (mark(next, &e) == 0)
        filter.mark = next;
    else
        filter.known = false;    /* the kernel may have taken it all the same */
    if (filter.mark || filter.told)
        return;
    char line[400];
    filter.told = true;
    log_warn("filter.unmarked", "why=\"%s\"", err_text(&e, line, sizeof line));
}

/* ---- servers ---- */

static struct server **place(const char *name)
{
    struct server **at = &filter.servers;
    while (*at && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    return at;
}

static void forget(struct server **at)
{
    struct server *v = *at;
    *at = v->next;
    server_free(v);
}

static void keep(struct server *v)
{
    v->next = filter.servers;
    filter.servers = v;
}

static int change_one(const struct server *old, const struct server *v, struct err *e)
{
    struct state before STATE_FREE = { 0 }, after STATE_FREE = { 0 };
    if (!filter.known)
        return -1;
    put_present(NULL, NULL, filter.mark, &before);
    put_present(old, v, 0, &after);
    if (old)
        rules_server(&filter.settings, old, &before);
    if (v)
        rules_server(&filter.settings, v, &after);
    return step("", &before, &after, e);
}

/* OLD out, V in (either may be NULL), as one change.  Where the kernel has something else than we believe, the whole is laid. */
static int exchange(struct server **old, struct server *v, struct err *e)
{
    struct server *before = *old;
    int r = change_one(before, v, e);
    if (before)
        *old = before->next;
    if (v)
        keep(v);
    if (r < 0 && lay(NULL, e) < 0) {
        /* As it was: what the kernel has still. */
        if (v)
            filter.servers = v->next;
        if (before)
            keep(before);
        return -1;
    }
    server_free(before);
    return 0;
}

/* ---- interfaces of servers that ended ---- */

static bool in_use(const char *interface)
{
    for (const struct server *v = filter.servers; v; v = v->next)
        if (strcmp(v->interface, interface) == 0)
            return true;
    return false;
}

static void sweep(void *data UNUSED)
{
    filter.sweep = NULL;
    while (filter.gone) {
        FREE_MEM struct gone *g = filter.gone;
        filter.gone = g->next;
        if (!in_use(g->interface))
            device_remove(filter.device, g->interface);
    }
}

/* Later: most are gone by then without us, many with one effort of the kernel's. */
static void sweep_later(const struct server *v)
{
    struct gone *g = mem_new(sizeof *g);
    g->next = filter.gone;
    memcpy(g->interface, v->interface, sizeof g->interface);
    filter.gone = g;
    if (filter.sweep == NULL)
        filter.sweep = loop_timer(filter.loop, SWEEP_MS, sweep, NULL);
}

/* ---- messages ---- */

static const struct net *owner(const void *data UNUSED, uint16_t port)
{
    for (const struct server *v = filter.servers; v; v = v->next)
        for (uint32_t i = 0; i < v->nports; i++)
            if (v->ports[i].udp && v->ports[i].port == port)
                return v->inside;
    return NULL;
}

static void on_forget(void *data UNUSED)
{
    filter.forget = NULL;
    track_forget(filter.track, filter.port, filter.settings.pool, owner, NULL);
}

/* A little later: the kernel looks through all it keeps, for one server as for all that start at the same time. */
static void forget_conversations(uint16_t port)
{
    if (filter.forget == NULL)
        filter.port = port;
    else if (filter.port != port)
        filter.port = 0;
    if (filter.forget == NULL)
        filter.forget = loop_timer(filter.loop, FORGET_MS, on_forget, NULL);
}

static void finish_start(void)
{
    struct err e = { 0 };
    bool ok = lay(filter.known ? &filter.before : NULL, &e) == 0;
    state_free(&filter.before);
    filter.started |= ok;
    if (ok)
        log_info("filter.ready", "table=%s", filter.settings.table);
    answer(filter.start_id, ok, &e);
    if (ok)
        forget_conversations(0);
}

static void take_start(struct msg *m)
{
    struct settings next = { 0 };
    struct start start;
    struct err e = { 0 };
    if (read_settings(m, &next, &start, &e) < 0)
        die_err(&e);
    log_init("holdfast-filter", (enum log_level)start.level);
    filter.known = filter.known && strcmp(filter.settings.table, next.table) == 0;
    if (filter.known)
        put_whole(filter.mark, &filter.before);
    settings_free(&filter.settings);
    filter.settings = next;
    filter.watch.table = filter.settings.table;
    while (filter.servers)
        forget(&filter.servers);
    filter.awaited = start.servers;
    filter.start_id = m->id;
    if (filter.awaited == 0)
        finish_start();
}

static void take_set(struct msg *m)
{
    struct err e = { 0 };
    struct server *v = read_server(m, &e);
    if (filter.awaited) {
        if (v == NULL)
            die_err(&e);
        keep(v);
        if (--filter.awaited == 0)
            finish_start();
        return;
    }
    if (v == NULL) {
        answer(m->id, false, &e);
        return;
    }
    bool ok = exchange(place(v->name), v, &e) == 0;
    answer(m->id, ok, &e);
    if (!ok)
        server_free(v);
    for (uint32_t i = 0; ok && i < v->nports; i++)
        if (v->ports[i].udp)
            forget_conversations(v->ports[i].port);
}

static void take_drop(struct msg *m)
{
    struct err e = { 0 };
    FREE_MEM char *name = msg_get_str(m);
    msg_end(m);
    struct server **at = place(name);
    if (*at)
        sweep_later(*at);
    answer(m->id, *at == NULL || exchange(at, NULL, &e) == 0, &e);
}

static void take_end(struct msg *m)
{
    struct err e = { 0 };
    struct buf text BUF_FREE = BUF(TEXT_MOST);
    msg_end(m);
    while (filter.servers) {
        sweep_later(filter.servers);
        forget(&filter.servers);
    }
    timer_free(filter.sweep);
    sweep(NULL);
    /* Made first, so that it is there to be deleted. */
    buf_put_fmt(&text, "add table inet %s\ndelete table inet %s\n", filter.settings.table, filter.settings.table);
    filter.started = filter.known = false;
    answer(m->id, apply(&text, &e) == 0, &e);
}

static const struct { uint16_t type; void (*take)(struct msg *m); } table[] = {
    { FILTER_START, take_start }, { FILTER_SET, take_set }, { FILTER_DROP, take_drop }, { FILTER_END, take_end },
};

static void on_msg(void *data UNUSED, struct link *l UNUSED, struct msg *m)
{
    bool starts = filter.settings.table[0] == '\0';
    for (size_t i = 0; i < countof(table); i++)
        if (table[i].type == m->type && (m->type == FILTER_START || !starts) && (m->type == FILTER_SET || filter.awaited == 0)) {
            table[i].take(m);
            return;
        }
    die("message %#x has no place here", m->type);
}

/* The rules stay: servers run on, and the next supervisor's filter takes them over. */
static void on_gone(void *data UNUSED, struct link *l UNUSED)
{
    log_info("filter.end", "why=\"the supervisor has gone\"");
    _exit(0);
}

static const struct link_events events = { .msg = on_msg, .gone = on_gone, .queue = 65536 };

/* ---- mending ---- */

static void mend(void *data UNUSED)
{
    struct err e = { 0 };
    filter.mend = NULL;
    bool ok = lay(NULL, &e) == 0;
    struct msg m;
    msg_begin(&m, FILTER_MENDED, 0);
    put_err(&m, ok, &e);
    msg_put_str(&m, filter.watch.by);
    link_send(filter.link, &m);
    filter.watch.changed = !ok;
    if (!ok)
        filter.mend = loop_timer(filter.loop, RETRY_MS, mend, NULL);
}

static void on_change(void *data UNUSED, int fd UNUSED, unsigned ev UNUSED)
{
    watch_read(&filter.watch, nft_port(filter.nft));
    filter.known = filter.known && !filter.watch.changed;
    /* Before the first table is whole there is nothing to mend: what stands there is an earlier filter's. */
    if (!filter.watch.changed || filter.mend)
        return;
    if (!filter.started || filter.awaited) {
        filter.watch.changed = false;
        return;
    }
    /* At once; but one who does it again and again has us at it once a second. */
    uint64_t now = now_ms();
    if (bucket_take(&filter.mends, 1, now))
        mend(NULL);
    else
        filter.mend = loop_timer(filter.loop, bucket_wait(&filter.mends, 1, now), mend, NULL);
}

static const struct lock_limit limits[] = { { RLIMIT_NOFILE, 64 }, { RLIMIT_CORE, 1 }, { RLIMIT_NPROC, 0 } };

int main(int argc, char **argv UNUSED)
{
    log_init("holdfast-filter", LOG_INFO);
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    if (argc != 1 || io_close_from(LINK_FD + 1) < 0)
        die("is started by holdfastd, with its link on descriptor %d", LINK_FD);
    filter.settings.table[0] = '\0';
    filter.watch.table = filter.settings.table;
    filter.nft = nft_open();
    watch_open(&filter.watch);
    filter.track = track_open();
    filter.device = device_open();
    bucket_init(&filter.mends, MENDS, 1, now_ms());
    filter.second = mark_second();
    filter.loop = loop_new();
    lock_apply(&(struct lock){ .limits = limits, .nlimits = countof(limits), LOCK_FILTER(lock_filter_filter) });
    filter.link = link_new(filter.loop, LINK_FD, &events, NULL);
    loop_watch(filter.loop, filter.watch.fd, LOOP_READ, on_change, NULL);
    loop_run(filter.loop);
    return 0;
}
