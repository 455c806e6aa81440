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
#include "sandbox/shim/shim.h"
#include "sandbox/shim/viewer.h"

enum { PEERS_MOST = 64, PATIENCE_MS = 10000, LEAVE_MS = 1000, LINE_MOST = 4096 };

enum role { ROLE_UNKNOWN, ROLE_SUPERVISOR, ROLE_VIEWER };

struct peer {
    struct link *link;
    enum role role;
    struct timer *patience;   /* until it must have said who it is */
    struct viewer *viewer;
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
        server_kill();
}

static void peer_free(struct peer *p)
{
    if (p == supervisor)
        supervisor_lost();
    timer_free(p->patience);
    viewer_free(p->viewer);
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
    msg_put_u32(&m, shim.killed);
    link_send(supervisor->link, &m);
}

static void send_state(struct link *l, uint32_t id)
{
    struct msg m;
    msg_begin(&m, SHIM_STATE, id);
    msg_put_u32(&m, SHIM_VERSION);
    msg_put_u32(&m, (uint32_t)shim.init);
    msg_put_u64(&m, shim.started);
    msg_put_u32(&m, shim.ready);
    msg_put_u32(&m, shim.stopping);
    msg_put_u32(&m, shim.ended);
    msg_put_u32(&m, shim.ended ? shim.code : 0);
    msg_put_u32(&m, shim.ended ? shim.signal : 0);
    msg_put_u32(&m, shim.killed);
    link_send(l, &m);
}

/* Each takes its message apart and returns false when the peer is to be closed: the table's caller does that. */
typedef bool handle_fn(struct peer *p, struct msg *m);

/* A later version knows how to speak to us; an earlier one does not. */
static bool take_supervisor(struct peer *p, struct msg *m)
{
    uint32_t version = msg_get_u32(m);
    if (!msg_end(m))
        return false;
    send_state(p->link, m->id);
    if (version < SHIM_VERSION) {
        log_warn("supervisor.refused", "version=%u ours=%d", version, SHIM_VERSION);
        return false;
    }
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
    if (!msg_end(m) || version < SHIM_VERSION)
        return false;
    timer_free(p->patience);
    p->patience = NULL;
    p->role = ROLE_VIEWER;
    log_info("viewer", "account=%s write=%u", esc(account), may_write != 0);
    p->viewer = viewer_new(p->link, may_write != 0, history);
    return true;
}

static bool take_stop(struct peer *p UNUSED, struct msg *m)
{
    uint32_t kind = msg_get_u32(m), signal = msg_get_u32(m);
    FREE_MEM char *line = msg_get_text(m, LINE_MOST);
    uint64_t ms = msg_get_u64(m);
    if (!msg_end(m) || (kind != HOW_LINE && kind != HOW_SIGNAL) || signal > 64 || (kind == HOW_SIGNAL && signal == 0))
        return false;
    server_stop((enum conf_how_kind)kind, signal, line, ms);
    return true;
}

static bool take_kill(struct peer *p UNUSED, struct msg *m)
{
    if (!msg_end(m))
        return false;
    server_kill();
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
    { ROLE_SUPERVISOR, SHIM_SUPERVISOR, take_supervisor },
    { ROLE_SUPERVISOR, SHIM_STOP, take_stop },
    { ROLE_SUPERVISOR, SHIM_KILL, take_kill },
    { ROLE_SUPERVISOR, SHIM_COLLECTED, take_collected },
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
    if (shim.errand)
        return;
    if (io_nonblock(LISTEN_FD) < 0)
        die_errno("listener: fcntl");
    loop_watch(shim.loop, LISTEN_FD, LOOP_READ, on_door, NULL);
}
