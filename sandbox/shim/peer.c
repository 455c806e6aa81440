#include "sandbox/shim/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/link.h"
#include "base/log.h"
#include "base/mem.h"
#include "sandbox/proto.h"
#include "sandbox/shim/server.h"
#include "sandbox/shim/shell.h"
#include "sandbox/shim/shim.h"
#include "sandbox/shim/viewer.h"

enum { PEERS_MOST = 64, PATIENCE_MS = 10000, LEAVE_MS = 1000, LINE_MOST = 4096 };

enum role { ROLE_UNKNOWN, ROLE_SUPERVISOR, ROLE_VIEWER, ROLE_SHELL };

struct peer {
    struct link *link;
    enum role role;
    uint32_t version;         /* spoken, by the supervisor */
    struct timer *patience;   /* until it must have said who it is */
    struct viewer *viewer;
    struct shell *shell;
};

static unsigned npeers;
static struct peer *supervisor;
static bool collected;

/* Nobody will come for an errand again. */
static void supervisor_lost(void)
{
    supervisor = NULL;
    if (!shim.errand)
        return;
    if (shim.ended)
        loop_stop(shim.loop);
    else
        server_kill("");
}

static void peer_free(struct peer *p)
{
    if (p == supervisor)
        supervisor_lost();
    timer_free(p->patience);
    viewer_free(p->viewer);
    shell_free(p->shell);
    link_free(p->link);
    free(p);
    npeers--;
    if (collected && viewers_served())
        loop_stop(shim.loop);
}

static void send_plain(struct link *l, uint16_t type)
{
    struct msg m;
    msg_begin(&m, type, 0);
    link_send(l, &m);
}

/* What an older one takes for an order is one: the time to stop was part of it. */
static uint32_t killed_for(uint32_t version)
{
    return version < 2 && shim.killed > KILLED_BY_TIME ? KILLED_BY_ORDER : shim.killed;
}

void supervisor_ready(void)
{
    if (supervisor)
        send_plain(supervisor->link, SHIM_READY);
}

void supervisor_ended(void)
{
    if (supervisor == NULL) {
        if (shim.errand)
            loop_stop(shim.loop);
        return;
    }
    struct msg m;
    msg_begin(&m, SHIM_ENDED, 0);
    msg_put_u32(&m, shim.code);
    msg_put_u32(&m, shim.signal);
    msg_put_u32(&m, killed_for(supervisor->version));
    if (supervisor->version >= 2)
        msg_put_str(&m, shim.by);
    link_send(supervisor->link, &m);
}

void supervisor_status(void)
{
    if (supervisor == NULL || supervisor->version < 2)
        return;
    struct msg m;
    msg_begin(&m, SHIM_STATUS, 0);
    msg_put_str(&m, shim.status);
    msg_put_u32(&m, shim.says_stopping);
    link_send(supervisor->link, &m);
}

static void send_state(struct link *l, uint32_t id, uint32_t version)
{
    struct msg m;
    msg_begin(&m, SHIM_STATE, id);
    msg_put_u32(&m, version);
    msg_put_u32(&m, (uint32_t)shim.init);
    msg_put_u64(&m, shim.started);
    msg_put_u32(&m, shim.ready);
    msg_put_u32(&m, shim.stopping);
    msg_put_u32(&m, shim.ended);
    msg_put_u32(&m, shim.ended ? shim.code : 0);
    msg_put_u32(&m, shim.ended ? shim.signal : 0);
    msg_put_u32(&m, killed_for(version));
    if (version >= 2) {
        msg_put_str(&m, shim.by);
        msg_put_str(&m, shim.status);
        msg_put_u32(&m, shim.says_stopping);
    }
    link_send(l, &m);
}

/* Each takes its message apart and returns false when the peer is to be closed: the table's caller does that. */
typedef bool handle_fn(struct peer *p, struct msg *m);

/* We may be older than who asks, or newer: an older daemon is put back now and then. */
static bool take_supervisor(struct peer *p, struct msg *m)
{
    uint32_t version = msg_get_u32(m);
    if (!msg_end(m))
        return false;
    if (version < SHIM_OLDEST) {
        log_warn("supervisor.refused", "version=%u ours=%d", version, SHIM_VERSION);
        send_state(p->link, m->id, SHIM_VERSION);
        return false;
    }
    p->version = version < SHIM_VERSION ? version : SHIM_VERSION;
    send_state(p->link, m->id, p->version);
    if (supervisor && supervisor != p)
        peer_free(supervisor);
    timer_free(p->patience);
    p->patience = NULL;
    p->role = ROLE_SUPERVISOR;
    supervisor = p;
    return true;
}

static bool take_viewer(struct peer *p, struct msg *m)
{
    uint32_t version = msg_get_u32(m), may_write = msg_get_u32(m);
    uint64_t history = msg_get_u64(m);
    FREE_MEM char *account = msg_get_str(m);
    if (!msg_end(m) || version < SHIM_OLDEST)
        return false;
    timer_free(p->patience);
    p->patience = NULL;
    p->role = ROLE_VIEWER;
    log_info("viewer", "account=%s write=%u", esc(account), may_write != 0);
    p->viewer = viewer_new(p->link, version < SHIM_VERSION ? version : SHIM_VERSION, may_write != 0, history);
    return true;
}

static bool take_shell(struct peer *p, struct msg *m)
{
    uint32_t version = msg_get_u32(m);
    if (m->bad || version < 3 || SHIM_VERSION < 3)
        return false;
    timer_free(p->patience);
    p->patience = NULL;
    p->role = ROLE_SHELL;
    p->shell = shell_new(p->link, m);
    return msg_end(m) && p->shell;
}

static bool take_go(struct peer *p, struct msg *m)
{
    if (!msg_end(m))
        return false;
    shell_go(p->shell);
    return true;
}

/* Of version 2: who wants it. */
static char *get_by(const struct peer *p, struct msg *m)
{
    return p->version >= 2 ? msg_get_text(m, SHIM_BY_MOST) : mem_str("");
}

static bool take_stop(struct peer *p, struct msg *m)
{
    uint32_t kind = msg_get_u32(m), signal = msg_get_u32(m);
    FREE_MEM char *line = msg_get_text(m, LINE_MOST);
    uint64_t ms = msg_get_u64(m);
    FREE_MEM char *by = get_by(p, m);
    if (!msg_end(m) || (kind != HOW_LINE && kind != HOW_SIGNAL) || signal > 64 || (kind == HOW_SIGNAL && signal == 0))
        return false;
    server_stop((enum conf_how_kind)kind, signal, line, ms, by);
    return true;
}

static bool take_kill(struct peer *p, struct msg *m)
{
    FREE_MEM char *by = get_by(p, m);
    if (!msg_end(m))
        return false;
    server_kill(by);
    return true;
}

static bool take_watch(struct peer *p UNUSED, struct msg *m)
{
    uint32_t on = msg_get_u32(m);
    if (!msg_end(m))
        return false;
    server_watch(on != 0);
    return true;
}

static void leave(void *data UNUSED)
{
    loop_stop(shim.loop);
}

/* Viewers may still be reading the last output: they get a moment. */
static bool take_collected(struct peer *p UNUSED, struct msg *m)
{
    if (!msg_end(m))
        return false;
    if (!shim.ended) {
        log_warn("supervisor.too_early", "message=collected");
        return true;
    }
    if (!collected)
        loop_timer(shim.loop, viewers_served() ? 0 : LEAVE_MS, leave, NULL);
    collected = true;
    return true;
}

static bool take_input(struct peer *p, struct msg *m)
{
    size_t size;
    const uint8_t *bytes = msg_get_bytes(m, &size);
    if (!msg_end(m))
        return false;
    viewer_input(p->viewer, bytes, size);
    return true;
}

static bool take_resize(struct peer *p, struct msg *m)
{
    uint32_t columns = msg_get_u32(m), rows = msg_get_u32(m);
    if (!msg_end(m) || columns > UINT16_MAX || rows > UINT16_MAX)
        return false;
    viewer_resize(p->viewer, (uint16_t)columns, (uint16_t)rows);
    return true;
}

static const struct {
    enum role from;
    uint16_t type;
    handle_fn *handle;
} rules[] = {
    { ROLE_UNKNOWN, SHIM_SUPERVISOR, take_supervisor },
    { ROLE_UNKNOWN, SHIM_VIEWER, take_viewer },
    { ROLE_UNKNOWN, SHIM_SHELL, take_shell },
    { ROLE_SHELL, SHIM_SHELL_GO, take_go },
    { ROLE_SUPERVISOR, SHIM_SUPERVISOR, take_supervisor },
    { ROLE_SUPERVISOR, SHIM_STOP, take_stop },
    { ROLE_SUPERVISOR, SHIM_KILL, take_kill },
    { ROLE_SUPERVISOR, SHIM_COLLECTED, take_collected },
    { ROLE_SUPERVISOR, SHIM_WATCH, take_watch },
    { ROLE_VIEWER, SHIM_INPUT, take_input },
    { ROLE_VIEWER, SHIM_RESIZE, take_resize },
};

static void on_msg(void *data, struct link *l UNUSED, struct msg *m)
{
    struct peer *p = data;
    for (size_t i = 0; i < countof(rules); i++)
        if (rules[i].from == p->role && rules[i].type == m->type) {
            if (!rules[i].handle(p, m))
                break;
            return;
        }
    log_warn("peer.bad_message", "role=%d type=%u", p->role, m->type);
    peer_free(p);
}

static void on_gone(void *data, struct link *l UNUSED)
{
    peer_free(data);
}

static void on_room(void *data, struct link *l UNUSED)
{
    struct peer *p = data;
    if (p->viewer)
        viewer_serve(p->viewer);
    if (collected && viewers_served())
        loop_stop(shim.loop);
}

static void on_silent(void *data)
{
    struct peer *p = data;
    p->patience = NULL;
    log_warn("peer.silent", "after_ms=%d", PATIENCE_MS);
    peer_free(p);
}

static struct peer *peer_new(int fd)
{
    static const struct link_events events = { .msg = on_msg, .gone = on_gone, .room = on_room, .client = true };
    struct peer *p = mem_new(sizeof *p);
    p->link = link_new(shim.loop, fd, &events, p);
    npeers++;
    return p;
}

static void on_door(void *data UNUSED, int fd, unsigned events UNUSED)
{
    int new = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (new < 0)
        return;
    if (npeers >= PEERS_MOST) {
        log_warn("peer.refused", "connected=%u most=%d", npeers, PEERS_MOST);
        close(new);
        return;
    }
    struct peer *p = peer_new(new);
    p->patience = loop_timer(shim.loop, PATIENCE_MS, on_silent, p);
}

void peers_open(void)
{
    supervisor = peer_new(SUPERVISOR_FD);
    supervisor->role = ROLE_SUPERVISOR;
    supervisor->version = shim.errand ? 1 : SHIM_VERSION;
    if (shim.errand)
        return;
    /* Root bound it; from here on whoever connects sees that it is us who listen. */
    if (SHIM_VERSION >= 2 && listen(LISTEN_FD, PEERS_MOST) < 0)
        die_errno("listener: listen");
    if (io_nonblock(LISTEN_FD) < 0)
        die_errno("listener: fcntl");
    loop_watch(shim.loop, LISTEN_FD, LOOP_READ, on_door, NULL);
}
