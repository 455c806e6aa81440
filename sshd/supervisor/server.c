#include "sshd/supervisor/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/net.h"
#include "sandbox/proto.h"
#include "sshd/supervisor/cgroup.h"
#include "sshd/supervisor/disk.h"
#include "sshd/supervisor/forward.h"
#include "sshd/supervisor/launch.h"
#include "sshd/supervisor/wait.h"

enum { INSIDE_UID = 1000 };
enum { BACKOFF_FIRST = 1000, BACKOFF_MOST = 300000, CRASH_WINDOW = 600000 };

static const char *const state_words[STATE_COUNT] = {
    [STATE_OFFLINE] = "offline", [STATE_STARTING] = "starting", [STATE_RUNNING] = "running",
    [STATE_STOPPING] = "stopping", [STATE_BACKOFF] = "restarting", [STATE_FAILED] = "failed",
};

const char *server_state_word(enum state state)
{
    return state_words[state];
}

const char *server_word(const struct server *v)
{
    bool could = v->launched && (v->state == STATE_STARTING || v->state == STATE_RUNNING);
    return could && cgroup_frozen(v) ? "frozen" : state_words[v->state];
}

bool server_alive(const struct server *v)
{
    return v->state == STATE_STARTING || v->state == STATE_RUNNING || v->state == STATE_STOPPING;
}

struct server *server_find(struct super *s, const char *name)
{
    for (struct server *v = s->servers; v; v = v->next)
        if (strcmp(v->name, name) == 0)
            return v;
    return NULL;
}

uid_t server_uid_base(const struct server *v)
{
    return v->super->conf.ids.servers + v->number * CONF_RANGE;
}

uid_t server_uid(const struct server *v)
{
    return server_uid_base(v) + INSIDE_UID;
}

static const struct conf_server *conf_of(const struct server *v)
{
    return conf_server(&v->super->conf, v->name);
}

void server_set(struct server *v, enum state state)
{
    if (v->state == state)
        return;
    v->state = state;
    v->since = wall_ms();
    log_info("server.state", "server=%s state=%s reason=\"%s\"", v->name, state_words[state], v->reason);
    wait_check(v);
    server_tidy(v);
}

/* ---- what a step does ---- */

static void say(struct server *v, const char *reason)
{
    snprintf(v->reason, sizeof v->reason, "%s", reason);
}

static const char *do_start(struct server *v)
{
    timer_free(v->backoff);
    v->backoff = NULL;
    v->has_exit = v->killed = v->again = v->abort = v->ready = v->launched = false;
    v->code = v->signal = 0;
    say(v, "");
    server_set(v, STATE_STARTING);
    launch_begin(v);
    return NULL;
}

static const char *order_start(struct server *v)
{
    if (v->migrating)
        return "is being moved to another backend: wait for it";
    memset(v->crashes, 0, sizeof v->crashes);
    v->restarts = 0;
    return do_start(v);
}

static const char *stop(struct server *v)
{
    say(v, "stopped by order");
    if (v->launched)
        launch_stop(v);
    else
        v->abort = true;
    server_set(v, STATE_STOPPING);
    return NULL;
}

static const char *order_stop(struct server *v)
{
    v->again = false;
    return stop(v);
}

static const char *order_restart(struct server *v)
{
    if (v->state != STATE_STOPPING)
        stop(v);
    v->again = true;
    return NULL;
}

static const char *order_kill(struct server *v)
{
    v->again = false;
    v->killed = true;
    say(v, "killed by order");
    if (v->launched)
        launch_kill(v);
    else
        v->abort = true;
    server_set(v, STATE_STOPPING);
    return NULL;
}

static const char *cancel(struct server *v)
{
    timer_free(v->backoff);
    v->backoff = NULL;
    server_set(v, STATE_OFFLINE);
    return NULL;
}

static const char *join(struct server *v)
{
    v->again = false;
    return NULL;
}

static const char *launched(struct server *v)
{
    v->launched = true;
    if (v->killed)
        launch_kill(v);
    else if (v->abort)
        launch_stop(v);
    v->abort = false;
    wait_check(v);
    return NULL;
}

static const char *launch_failed(struct server *v)
{
    bool wanted = v->state == STATE_STARTING;
    launch_end(v);
    server_set(v, wanted ? STATE_FAILED : STATE_OFFLINE);
    return NULL;
}

static const char *ready(struct server *v)
{
    v->ready = true;
    if (v->state == STATE_STARTING)
        server_set(v, STATE_RUNNING);
    return NULL;
}

/* The crash policy: back-off 1 s doubling to 5 min, given up after 5 in 10 minutes. */
static bool crash(struct server *v, uint64_t *wait)
{
    uint64_t now = now_ms();
    memmove(v->crashes, v->crashes + 1, sizeof v->crashes - sizeof v->crashes[0]);
    v->crashes[countof(v->crashes) - 1] = now;
    unsigned n = 0;
    for (size_t i = 0; i < countof(v->crashes); i++)
        n += v->crashes[i] != 0 && now - v->crashes[i] < CRASH_WINDOW;
    if (n == countof(v->crashes))
        return false;
    *wait = (uint64_t)BACKOFF_FIRST << (n ? n - 1 : 0);
    if (*wait > BACKOFF_MOST)
        *wait = BACKOFF_MOST;
    return true;
}

static void on_backoff(void *data)
{
    struct server *v = data;
    v->backoff = NULL;
    server_event(v, EVENT_BACKOFF_OVER);
}

static void end_text(struct server *v)
{
    if (v->reason[0])
        return;
    if (cgroup_oom(v))
        say(v, "out of memory");
    else if (v->signal)
        snprintf(v->reason, sizeof v->reason, "ended by signal %u (%s)", v->signal, strsignal((int)v->signal));
    else
        snprintf(v->reason, sizeof v->reason, "ended with exit code %u", v->code);
}

static const char *ended(struct server *v)
{
    const struct conf_server *c = conf_of(v);
    bool by_order = v->state == STATE_STOPPING, again = v->again;
    bool clean = v->code == 0 && v->signal == 0;
    end_text(v);
    launch_end(v);
    if (by_order) {
        if (again && !v->super->leaving)
            return do_start(v);
        server_set(v, STATE_OFFLINE);
        return NULL;
    }
    int policy = c ? c->restart : RESTART_NEVER;
    if (policy == RESTART_NEVER || (policy == RESTART_ON_FAILURE && clean)) {
        server_set(v, clean ? STATE_OFFLINE : STATE_FAILED);
        return NULL;
    }
    uint64_t wait = BACKOFF_FIRST;
    if (!clean && !crash(v, &wait)) {
        size_t n = strlen(v->reason);
        snprintf(v->reason + n, sizeof v->reason - n, "; given up after %zu crashes in %d minutes", countof(v->crashes),
                 CRASH_WINDOW / 60000);
        server_set(v, STATE_FAILED);
        return NULL;
    }
    v->backoff = loop_timer(v->super->loop, wait, on_backoff, v);
    server_set(v, STATE_BACKOFF);
    return NULL;
}

static const char *backoff_over(struct server *v)
{
    v->restarts++;
    return do_start(v);
}

static const char *no_running(struct server *v)
{
    (void)v;
    return "is not running";
}

static const char *no_already(struct server *v)
{
    return v->state == STATE_STARTING ? "is starting already" : "is running already";
}

static const char *no_stopping(struct server *v)
{
    (void)v;
    return "is stopping: wait for it, or kill it";
}

static const char *nothing(struct server *v)
{
    (void)v;
    return NULL;
}

typedef const char *step_fn(struct server *v);

static step_fn *const steps[STATE_COUNT][EVENT_COUNT] = {
    [STATE_OFFLINE] = { [EVENT_START] = order_start, [EVENT_STOP] = no_running, [EVENT_RESTART] = order_start,
                        [EVENT_KILL] = no_running, [EVENT_LAUNCHED] = nothing, [EVENT_LAUNCH_FAILED] = nothing,
                        [EVENT_READY] = nothing, [EVENT_ENDED] = nothing, [EVENT_BACKOFF_OVER] = nothing },
    [STATE_STARTING] = { [EVENT_START] = no_already, [EVENT_STOP] = order_stop, [EVENT_RESTART] = order_restart,
                         [EVENT_KILL] = order_kill, [EVENT_LAUNCHED] = launched, [EVENT_LAUNCH_FAILED] = launch_failed,
                         [EVENT_READY] = ready, [EVENT_ENDED] = ended, [EVENT_BACKOFF_OVER] = nothing },
    [STATE_RUNNING] = { [EVENT_START] = no_already, [EVENT_STOP] = order_stop, [EVENT_RESTART] = order_restart,
                        [EVENT_KILL] = order_kill, [EVENT_LAUNCHED] = nothing, [EVENT_LAUNCH_FAILED] = ended,
                        [EVENT_READY] = ready, [EVENT_ENDED] = ended, [EVENT_BACKOFF_OVER] = nothing },
    [STATE_STOPPING] = { [EVENT_START] = no_stopping, [EVENT_STOP] = join, [EVENT_RESTART] = order_restart,
                         [EVENT_KILL] = order_kill, [EVENT_LAUNCHED] = launched, [EVENT_LAUNCH_FAILED] = launch_failed,
                         [EVENT_READY] = nothing, [EVENT_ENDED] = ended, [EVENT_BACKOFF_OVER] = nothing },
    [STATE_BACKOFF] = { [EVENT_START] = order_start, [EVENT_STOP] = cancel, [EVENT_RESTART] = order_start,
                        [EVENT_KILL] = cancel, [EVENT_LAUNCHED] = nothing, [EVENT_LAUNCH_FAILED] = nothing,
                        [EVENT_READY] = nothing, [EVENT_ENDED] = nothing, [EVENT_BACKOFF_OVER] = backoff_over },
    [STATE_FAILED] = { [EVENT_START] = order_start, [EVENT_STOP] = no_running, [EVENT_RESTART] = order_start,
                       [EVENT_KILL] = no_running, [EVENT_LAUNCHED] = nothing, [EVENT_LAUNCH_FAILED] = nothing,
                       [EVENT_READY] = nothing, [EVENT_ENDED] = nothing, [EVENT_BACKOFF_OVER] = nothing },
};

const char *server_event(struct server *v, enum event ev)
{
    return steps[v->state][ev](v);
}

/* ---- the list ---- */

void server_number(struct super *s, const char *name, uint32_t number)
{
    if (!name_ok(name) || number >= conf_ranges(&s->conf))
        die("the store broke a rule: server %s number %u", esc(name), number);
    struct server *v = server_find(s, name);
    if (v == NULL) {
        v = mem_new(sizeof *v);
        v->super = s;
        v->gate_fd = -1;
        v->since = wall_ms();
        snprintf(v->name, sizeof v->name, "%s", name);
        struct server **at = &s->servers;
        while (*at && strcmp((*at)->name, name) < 0)
            at = &(*at)->next;
        v->next = *at;
        *at = v;
    }
    if (v->numbered && v->number != number)
        die("the store broke a rule: server %s changed its number", name);
    v->number = number;
    v->numbered = true;
}

const char *servers_refuse(struct super *s, const struct conf *conf, char *buf, size_t size)
{
    buf[0] = '\0';
    for (struct server *v = s->servers; v; v = v->next)
        if (server_alive(v) && conf_server(conf, v->name) == NULL)
            snprintf(buf, size, "server %s is %s and cannot be removed: stop it first", v->name, state_words[v->state]);
    return buf;
}

void server_tidy(struct server *v)
{
    if (conf_of(v) == NULL && v->disk == DISK_UP && v->workers == 0 && !v->backing_up && !server_alive(v))
        disk_down(v, NULL, NULL);
}

/* A server that is named no more stays in the list, as orders, workers and jobs may still point at it; without a configuration nobody can
   ask for it, and its disk goes as soon as nothing uses it. */
void servers_apply(struct super *s, struct buf *told)
{
    cgroup_share(s);
    for (struct server *v = s->servers; v; v = v->next) {
        const struct conf_server *c = conf_of(v);
        if (c && server_alive(v))
            cgroup_limits(v, c, told);
        if (c)
            disk_apply(v, told);
        if (c == NULL && v->state == STATE_BACKOFF)
            server_event(v, EVENT_STOP);
        /* Started after the reload was found to be possible: nobody could stop it any more. */
        if (c == NULL && server_alive(v))
            server_event(v, EVENT_KILL);
        server_tidy(v);
    }
}

void servers_begin(struct super *s)
{
    servers_apply(s, NULL);
    /* A store that was started anew changes nothing about servers: what somebody stopped stays so. */
    if (s->begun)
        return;
    s->begun = true;
    launch_adopt_all(s);
    for (struct server *v = s->servers; v; v = v->next) {
        const struct conf_server *c = conf_of(v);
        if (c)
            disk_need(v, NULL, NULL);
        if (c && c->autostart == CONF_YES && v->state == STATE_OFFLINE && !s->leaving)
            server_event(v, EVENT_START);
    }
}

/* ---- what is told ---- */

bool server_net(const struct server *v, struct server_net *n)
{
    const struct conf *conf = &v->super->conf;
    struct net six = { 0 };
    uint32_t base, count;
    if (launch_pool(conf, &base, &count) < 0 || v->number >= count)
        return false;
    *n = (struct server_net){ .host = base + v->number * 4 + 1, .inside = base + v->number * 4 + 2 };
    snprintf(n->inside_text, sizeof n->inside_text, "%u.%u.%u.%u", n->inside >> 24, n->inside >> 16 & 255, n->inside >> 8 & 255, n->inside & 255);
    /* Its own address names the interface: unique on the machine whatever other installations run beside us. */
    snprintf(n->interface, sizeof n->interface, "hf%08x", n->inside);
    if (conf->network.pool6[0] == '\0' || !forward_has_ipv6() || net_parse(conf->network.pool6, &six, NULL) < 0)
        return true;
    net_address6(&six, v->number * 4ULL + 1, n->host6);
    net_address6(&six, v->number * 4ULL + 2, n->inside6);
    return n->inside6[0] != '\0';
}

static bool has_net(const struct server *v, struct server_net *n)
{
    const struct conf_server *c = conf_of(v);
    return c && c->network == NETWORK_PRIVATE && server_net(v, n);
}

uint32_t server_host_address(const struct server *v)
{
    struct server_net n;
    return has_net(v, &n) ? n.host : 0;
}

uint32_t server_inside_address(const struct server *v)
{
    struct server_net n;
    return has_net(v, &n) ? n.inside : 0;
}

void server_inside6_address(const struct server *v, char text[INET6_ADDRSTRLEN])
{
    struct server_net n;
    snprintf(text, INET6_ADDRSTRLEN, "%s", has_net(v, &n) ? n.inside6 : "");
}

static void put_address(const struct server *v, struct msg *m)
{
    struct server_net n;
    bool has = has_net(v, &n);
    msg_put_str(m, has ? n.inside_text : "");
    msg_put_str(m, has ? n.inside6 : "");
}

void server_put_status(struct server *v, struct msg *m)
{
    const struct conf_server *c = conf_of(v);
    struct cgroup_use use = { 0 };
    if (server_alive(v))
        cgroup_read(v, &use);
    msg_put_str(m, v->name);
    msg_put_str(m, server_word(v));
    msg_put_u64(m, (uint64_t)v->since);
    msg_put_u32(m, (uint32_t)v->pid);
    msg_put_u32(m, v->ready && server_alive(v));
    msg_put_u32(m, v->has_exit);
    msg_put_u32(m, v->code);
    msg_put_u32(m, v->signal);
    msg_put_str(m, v->reason);
    msg_put_u32(m, v->restarts);
    msg_put_u64(m, use.cpu_ms);
    msg_put_u64(m, use.memory);
    msg_put_u64(m, use.memory_peak);
    msg_put_u32(m, use.pids);
    uint64_t inodes;
    msg_put_u64(m, server_disk_used(v, &inodes));
    msg_put_u64(m, v->disk_limit ? v->disk_limit : c ? c->disk : 0);
    put_address(v, m);
    msg_put_str(m, v->super->limits_missing[0] ? "missing" : "enforced");
    char note[600];
    msg_put_str(m, disk_backend(v));
    msg_put_str(m, disk_note(v, note, sizeof note));
    size_t nports = c ? c->port.n : 0;
    msg_put_u32(m, (uint32_t)nports);
    for (size_t i = 0; i < nports; i++) {
        msg_put_u32(m, c->port.v[i].port);
        msg_put_u32(m, c->port.v[i].udp);
    }
}
