#include "sshd/supervisor/metrics.h"

#include <inttypes.h>
#include <string.h>

#include "quota/gate.h"
#include "sshd/supervisor/conn.h"
#include "sshd/supervisor/server.h"
#include "sshd/supervisor/usage.h"

enum kind { GAUGE, COUNTER };

struct family { const char *name, *unit, *help; enum kind kind; };

static void head(struct buf *b, const struct family *f)
{
    static const char *const kinds[] = { [GAUGE] = "gauge", [COUNTER] = "counter" };
    buf_put_fmt(b, "# TYPE holdfast_%s %s\n", f->name, kinds[f->kind]);
    if (f->unit)
        buf_put_fmt(b, "# UNIT holdfast_%s %s\n", f->name, f->unit);
    buf_put_fmt(b, "# HELP holdfast_%s %s.\n", f->name, f->help);
}

/* NUMBER is in thousandths where the family is in seconds: the kernel and we count time in ms. */
static void value(struct buf *b, const struct family *f, uint64_t number)
{
    if (f->unit && strcmp(f->unit, "seconds") == 0)
        buf_put_fmt(b, " %" PRIu64 ".%03" PRIu64 "\n", number / 1000, number % 1000);
    else
        buf_put_fmt(b, " %" PRIu64 "\n", number);
}

/* ---- of the daemon ---- */

static uint64_t started(const struct super *s) { return (uint64_t)s->counts.started; }
static uint64_t accepted(const struct super *s) { return s->counts.accepted; }
static uint64_t refused(const struct super *s) { return s->counts.refused; }
static uint64_t logins(const struct super *s) { return s->counts.logins; }
static uint64_t failures(const struct super *s) { return s->counts.login_failures; }
static uint64_t waiting(const struct super *s) { return s->unauthenticated; }

static uint64_t connections(const struct super *s)
{
    uint64_t n = 0;
    for (const struct session *c = s->sessions; c; c = c->next)
        n++;
    return n;
}

static const struct {
    struct family family;
    uint64_t (*read)(const struct super *s);
} daemon_rows[] = {
    { { "start_time_seconds", "seconds", "When the daemon was started, since the epoch", GAUGE }, started },
    { { "connections", NULL, "Connections of clients now", GAUGE }, connections },
    { { "connections_waiting", NULL, "Those of them that are not logged in", GAUGE }, waiting },
    { { "connections_accepted", NULL, "Connections let in", COUNTER }, accepted },
    { { "connections_refused", NULL, "Connections turned away before key exchange", COUNTER }, refused },
    { { "logins", NULL, "Logins", COUNTER }, logins },
    { { "login_failures", NULL, "Keys, passwords and codes that did not fit", COUNTER }, failures },
};

/* ---- of each server ---- */

static bool shown(const struct server *v)
{
    return conf_server(&v->super->conf, v->name) || server_alive(v);
}

static bool disk(const struct server *v, uint64_t bytes, uint64_t *number)
{
    *number = bytes;
    return v->disk == DISK_UP;
}

static bool disk_used(struct server *v, uint64_t *number)
{
    uint64_t inodes;
    return disk(v, server_disk_used(v, &inodes), number);
}

static bool inodes_used(struct server *v, uint64_t *number)
{
    uint64_t inodes = 0;
    server_disk_used(v, &inodes);
    return disk(v, inodes, number);
}

static bool disk_limit(struct server *v, uint64_t *number) { return disk(v, v->disk_limit, number); }
static bool inodes_limit(struct server *v, uint64_t *number) { return disk(v, v->inodes_limit, number); }
static bool leased(struct server *v, uint64_t *number) { return disk(v, v->gate ? gate_leased(v->gate) : 0, number); }

static bool received(struct server *v, uint64_t *number)
{
    uint64_t other;
    usage_net(v, number, &other);
    return server_alive(v) && server_host_address(v) != 0;
}

static bool sent(struct server *v, uint64_t *number)
{
    uint64_t other;
    usage_net(v, &other, number);
    return server_alive(v) && server_host_address(v) != 0;
}

static bool since(struct server *v, uint64_t *number)
{
    *number = (uint64_t)v->since;
    return true;
}

static bool ready(struct server *v, uint64_t *number)
{
    *number = v->ready && server_alive(v);
    return true;
}

static bool restarts(struct server *v, uint64_t *number)
{
    *number = v->restarts;
    return true;
}

static const struct {
    struct family family;
    bool (*read)(struct server *v, uint64_t *number);
    const char *usage;      /* a row of usage.c instead */
} server_rows[] = {
    { { "server_state_since_seconds", "seconds", "When the server came into its state, since the epoch", GAUGE }, since, NULL },
    { { "server_ready", NULL, "1: it runs and has said that it is up", GAUGE }, ready, NULL },
    { { "server_restarts", NULL, "Times it was restarted after crashes since it was last started by order", GAUGE }, restarts, NULL },
    { { "server_disk_used_bytes", "bytes", "Of its disk", GAUGE }, disk_used, NULL },
    { { "server_disk_limit_bytes", "bytes", "Most it may use of its disk", GAUGE }, disk_limit, NULL },
    { { "server_disk_leased_bytes", "bytes", "Promised to transfers under way, not yet written", GAUGE }, leased, NULL },
    { { "server_inodes_used", NULL, "Files and folders on its disk", GAUGE }, inodes_used, NULL },
    { { "server_inodes_limit", NULL, "Most files and folders on its disk", GAUGE }, inodes_limit, NULL },
    { { "server_memory_bytes", "bytes", "Memory it uses", GAUGE }, NULL, "memory" },
    { { "server_memory_peak_bytes", "bytes", "Most memory it has used since it was started", GAUGE }, NULL, "memory_peak" },
    { { "server_swap_bytes", "bytes", "Swap it uses", GAUGE }, NULL, "swap" },
    { { "server_oom_kills", NULL, "Processes of it that were ended for lack of memory", COUNTER }, NULL, "oom_kills" },
    { { "server_cpu_seconds", "seconds", "Processor time since it was started", COUNTER }, NULL, "cpu_ms" },
    { { "server_cpu_throttled_seconds", "seconds", "Time it was held back by its limit", COUNTER }, NULL, "cpu_throttled_ms" },
    { { "server_pids", NULL, "Processes and threads", GAUGE }, NULL, "pids" },
    { { "server_pids_refused", NULL, "Processes it was not allowed to start", COUNTER }, NULL, "pids_refused" },
    { { "server_net_received_bytes", "bytes", "Received on its network since it was started", COUNTER }, received, NULL },
    { { "server_net_sent_bytes", "bytes", "Sent on its network since it was started", COUNTER }, sent, NULL },
    { { "server_io_read_bytes", "bytes", "Read from its disk since it was started", COUNTER }, NULL, "io_read" },
    { { "server_io_written_bytes", "bytes", "Written to its disk since it was started", COUNTER }, NULL, "io_written" },
};

static void put_states(const struct super *s, struct buf *b)
{
    buf_put_fmt(b, "# TYPE holdfast_server_state stateset\n# HELP holdfast_server_state What each server does.\n");
    for (const struct server *v = s->servers; v; v = v->next)
        for (int i = 0; shown(v) && i < STATE_COUNT; i++)
            buf_put_fmt(b, "holdfast_server_state{server=\"%s\",holdfast_server_state=\"%s\"} %d\n", v->name,
                        state_word((enum state)i), v->state == (enum state)i);
}

static void put_servers(const struct super *s, struct buf *b)
{
    for (size_t i = 0; i < countof(server_rows); i++) {
        const struct family *f = &server_rows[i].family;
        head(b, f);
        for (struct server *v = s->servers; v; v = v->next) {
            uint64_t number;
            if (!shown(v) || !(server_rows[i].read ? server_rows[i].read(v, &number) : usage_value(v, server_rows[i].usage, &number)))
                continue;
            buf_put_fmt(b, "holdfast_%s%s{server=\"%s\"}", f->name, f->kind == COUNTER ? "_total" : "", v->name);
            value(b, f, number);
        }
    }
}

void metrics_put(const struct super *s, struct buf *b)
{
    buf_put_fmt(b, "# TYPE holdfast_build info\n# HELP holdfast_build The daemon's version.\nholdfast_build_info{version=\"" VERSION "\"} 1\n");
    for (size_t i = 0; i < countof(daemon_rows); i++) {
        const struct family *f = &daemon_rows[i].family;
        head(b, f);
        buf_put_fmt(b, "holdfast_%s%s", f->name, f->kind == COUNTER ? "_total" : "");
        value(b, f, daemon_rows[i].read(s));
    }
    put_states(s, b);
    put_servers(s, b);
    buf_put_fmt(b, "# EOF\n");
}
