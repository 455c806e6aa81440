#include "sshd/session/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/json.h"

static void read_one(struct status *t, struct msg *m)
{
    t->server = msg_get_str(m);
    t->state = msg_get_str(m);
    t->since = msg_get_u64(m);
    t->pid = msg_get_u32(m);
    t->ready = msg_get_u32(m);
    t->has_exit = msg_get_u32(m);
    t->exit_code = msg_get_u32(m);
    t->signal = msg_get_u32(m);
    t->reason = msg_get_str(m);
    t->status = msg_get_str(m);
    t->restarts = msg_get_u32(m);
    t->cpu_ms = msg_get_u64(m);
    t->memory = msg_get_u64(m);
    t->memory_peak = msg_get_u64(m);
    t->pids = msg_get_u32(m);
    t->disk_used = msg_get_u64(m);
    t->disk_limit = msg_get_u64(m);
    t->disk_full = msg_get_u32(m);
    t->address = msg_get_str(m);
    t->address6 = msg_get_str(m);
    t->limits = msg_get_str(m);
    t->quota = msg_get_str(m);
    t->quota_note = msg_get_str(m);
    uint32_t n = msg_get_u32(m);
    for (uint32_t i = 0; i < n; i++) {
        t->ports = mem_grow(t->ports, t->nports + 1, sizeof *t->ports);
        t->ports[t->nports].port = msg_get_u32(m);
        t->ports[t->nports++].udp = msg_get_u32(m);
    }
    t->io_read = msg_get_u64(m);
    t->io_written = msg_get_u64(m);
    t->net_received = msg_get_u64(m);
    t->net_sent = msg_get_u64(m);
}

void status_read(struct statuses *all, struct msg *m)
{
    uint32_t n = msg_get_u32(m);
    for (uint32_t i = 0; i < n; i++) {
        all->v = mem_grow(all->v, all->n + 1, sizeof *all->v);
        struct status *t = &all->v[all->n++];
        *t = (struct status){ .nports = 0 };
        read_one(t, m);
    }
    msg_end(m);
}

void status_free(struct statuses *all)
{
    for (uint32_t i = 0; i < all->n; i++) {
        struct status *t = &all->v[i];
        free(t->server);
        free(t->state);
        free(t->reason);
        free(t->status);
        free(t->address);
        free(t->address6);
        free(t->limits);
        free(t->quota);
        free(t->quota_note);
        free(t->ports);
    }
    free(all->v);
    *all = (struct statuses){ .n = 0 };
}

const char *size_text(uint64_t bytes, char *buf, size_t size)
{
    static const char units[] = "BKMGTPE";
    unsigned u = 0;
    double v = (double)bytes;
    while (v >= 1024 && u < sizeof units - 2) {
        v /= 1024;
        u++;
    }
    if (u == 0)
        snprintf(buf, size, "%llu", (unsigned long long)bytes);
    else
        snprintf(buf, size, v < 10 ? "%.1f%c" : "%.0f%c", v, units[u]);
    return buf;
}

static void put_json(struct buf *b, const struct status *t)
{
    json_begin(b, NULL);
    json_str(b, "server", t->server);
    json_str(b, "state", t->state);
    json_time(b, "since", t->since);
    if (t->pid)
        json_u64(b, "pid", t->pid);
    else
        json_null(b, "pid");
    json_bool(b, "ready", t->ready);
    if (t->has_exit && t->signal == 0)
        json_u64(b, "exit_code", t->exit_code);
    else
        json_null(b, "exit_code");
    if (t->has_exit && t->signal)
        json_u64(b, "signal", t->signal);
    else
        json_null(b, "signal");
    json_str(b, "reason", *t->reason ? t->reason : NULL);
    json_str(b, "status", *t->status ? t->status : NULL);
    json_u64(b, "restarts", t->restarts);
    json_u64(b, "cpu_ms", t->cpu_ms);
    json_u64(b, "memory", t->memory);
    json_u64(b, "memory_peak", t->memory_peak);
    json_u64(b, "pids", t->pids);
    json_u64(b, "io_read", t->io_read);
    json_u64(b, "io_written", t->io_written);
    json_u64(b, "net_received", t->net_received);
    json_u64(b, "net_sent", t->net_sent);
    json_u64(b, "disk_used", t->disk_used);
    json_u64(b, "disk_limit", t->disk_limit);
    json_list(b, "ports");
    for (uint32_t i = 0; i < t->nports; i++) {
        char port[32];
        snprintf(port, sizeof port, "%u/%s", t->ports[i].port, t->ports[i].udp ? "udp" : "tcp");
        json_str(b, NULL, port);
    }
    json_list_end(b);
    json_str(b, "address", *t->address ? t->address : NULL);
    json_str(b, "address6", *t->address6 ? t->address6 : NULL);
    json_str(b, "limits", t->limits);
    json_str(b, "quota", *t->quota ? t->quota : NULL);
    json_str(b, "quota_note", *t->quota_note ? t->quota_note : NULL);
    json_end(b);
    json_line(b);
}

static void put_state(struct exec *x, const struct status *t)
{
    const char *colour = t->pid ? "\033[32m" : strcmp(t->state, "failed") == 0 ? "\033[31m" : "";
    bool paint = exec_terminal(x) && *colour;
    exec_print(x, "  %s%-10s%s", paint ? colour : "", t->state, paint ? "\033[0m" : "");
}

static void put_text(struct exec *x, const struct status *t, int width)
{
    char a[32], b[32], c[32], since[32] = "-";
    if (t->since)
        wall_text((int64_t)t->since, since, sizeof since);
    exec_print(x, "%-*s", width, t->server);
    put_state(x, t);
    exec_print(x, "  %-20s  %8s  %6u  %8s of %-8s", since, size_text(t->memory, a, sizeof a), t->pids,
               size_text(t->disk_used, b, sizeof b), size_text(t->disk_limit, c, sizeof c));
    for (uint32_t i = 0; i < t->nports; i++)
        exec_print(x, " %u/%s", t->ports[i].port, t->ports[i].udp ? "udp" : "tcp");
    if (t->disk_full >= FULL_SAID)
        exec_print(x, "  disk %u %% full", t->disk_full);
    if (t->pid && !t->ready)
        exec_print(x, "  not ready yet");
    if (*t->status)
        exec_print(x, "  says: %s", t->status);
    if (*t->reason)
        exec_print(x, "  %s", t->reason);
    if (*t->quota_note)
        exec_print(x, "  quota %s: %s", t->quota, t->quota_note);
    exec_print(x, "\n");
}

static void warn_limits(struct exec *x, const struct statuses *all)
{
    for (uint32_t i = 0; i < all->n; i++)
        if (strcmp(all->v[i].limits, "missing") == 0)
            exec_note(x, "%s: limits of memory, cpu and processes are not enforced on this machine", all->v[i].server);
}

void status_print(struct exec *x, const struct statuses *all)
{
    if (exec_json(x)) {
        BUF_FREE struct buf b = BUF(1024 * 1024);
        for (uint32_t i = 0; i < all->n; i++) {
            put_json(&b, &all->v[i]);
            exec_flush(x, &b);
        }
        return;
    }
    int width = 6;
    for (uint32_t i = 0; i < all->n; i++)
        if ((int)strlen(all->v[i].server) > width)
            width = (int)strlen(all->v[i].server);
    bool bold = exec_terminal(x);
    exec_print(x, "%s%-*s  %-10s  %-20s  %8s  %6s  %8s    %-8s ports%s\n", bold ? "\033[1m" : "", width, "server", "state", "since",
               "memory", "pids", "disk", "limit", bold ? "\033[0m" : "");
    for (uint32_t i = 0; i < all->n; i++)
        put_text(x, &all->v[i], width);
    warn_limits(x, all);
}
