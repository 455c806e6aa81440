#include "sshd/supervisor/reload.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "sshd/supervisor/backup.h"
#include "sshd/supervisor/cgroup.h"
#include "sshd/supervisor/conn.h"
#include "sshd/supervisor/errand.h"
#include "sshd/supervisor/filter.h"
#include "sshd/supervisor/policy.h"
#include "sshd/supervisor/handles.h"
#include "sshd/supervisor/image.h"
#include "sshd/supervisor/ini.h"
#include "sshd/supervisor/launch.h"
#include "sshd/supervisor/listen.h"
#include "sshd/supervisor/server.h"
#include "sshd/supervisor/store.h"
#include "sshd/supervisor/worker.h"

enum { ROWS_MOST = 1000, DENY_MOST = 100, TRUST_MOST = 48 * 1024 };

static struct {
    struct conf next;
    reload_fn *fn;
    void *data;
    bool busy, waiting;
} now;

static void complain(struct conf_errors *errors, const char *fmt, ...) PRINTF(2, 3);

static void complain(struct conf_errors *errors, const char *fmt, ...)
{
    char line[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    errors->v = mem_grow(errors->v, errors->n + 1, sizeof *errors->v);
    errors->v[errors->n++] = mem_str(line);
}

static void check_keys(const struct conf_account *a, struct conf_errors *errors)
{
    size_t bytes = 0;
    for (size_t i = 0; i < a->key.n; i++)
        bytes += strlen(a->key.v[i]) + 8;
    if (bytes > MSG_MOST - 1024)
        complain(errors, "%s: account %s has %zu bytes of keys; allowed: %d", a->where, a->name, bytes, MSG_MOST - 1024);
}

/* Both lists go in the message that opens a configuration. */
static void check_trust(const struct conf *c, const char *folder, struct conf_errors *errors)
{
    const struct conf_list *const lists[] = { &c->auth.ca_key, &c->auth.revoked };
    size_t bytes = 0;
    for (size_t i = 0; i < countof(lists); i++)
        for (size_t j = 0; j < lists[i]->n; j++)
            bytes += strlen(lists[i]->v[j]) + 8;
    if (bytes > TRUST_MOST)
        complain(errors, "%s/holdfast.ini: [auth] has %zu bytes of CA keys and revocations; allowed: %d", folder, bytes, TRUST_MOST);
}

/* What one message about the server holds. */
static void check_rows(const struct conf_server *v, struct conf_errors *errors)
{
    if (v->allow.n > ROWS_MOST)
        complain(errors, "%s: server %s has %zu lines of allow; allowed: %d", v->where, v->name, v->allow.n, ROWS_MOST);
    if (v->port.n > ROWS_MOST)
        complain(errors, "%s: server %s has %zu ports; allowed: %d", v->where, v->name, v->port.n, ROWS_MOST);
    if (v->deny.n > DENY_MOST)
        complain(errors, "%s: server %s has %zu lines of deny; allowed: %d", v->where, v->name, v->deny.n, DENY_MOST);
    struct err e = { 0 };
    char line[400];
    if (policy_check(v, &e) < 0)
        complain(errors, "%s: server %s: %s", v->where, v->name, err_text(&e, line, sizeof line));
}

static void check_cpus(const struct conf_server *v, const struct conf_cpus *there, struct conf_errors *errors)
{
    struct conf_cpus wanted, rest;
    if (conf_cpus(v->cpuset, &wanted) < 0 || !conf_cpus_without(&wanted, there, &rest))
        return;
    FREE_MEM char *missing = conf_cpus_text(&rest), *all = conf_cpus_text(there);
    complain(errors, "%s: server %s: cpuset = %s: this machine has no processor %s; allowed: %s", v->where, v->name, v->cpuset, missing, all);
}

int reload_read(const char *folder, struct conf *c, struct conf_errors *errors)
{
    struct err e;
    char line[400];
    uint32_t base, count;
    if (ini_read(folder, c, errors) < 0)
        return -1;
    if (c->paths.libexec[0] == '\0') {
        free(c->paths.libexec);
        c->paths.libexec = mem_str(HOLDFAST_LIBEXEC);
    }
    if (launch_pool(c, &base, &count) < 0)
        complain(errors, "%s/holdfast.ini: [network] pool = %s is no IPv4 network; allowed: ADDRESS/BITS, 8 to 30 bits", folder,
                 c->network.pool);
    for (size_t i = 0; i < c->listen.address.n; i++) {
        struct sockaddr_storage a;
        socklen_t size;
        if (listen_parse(c->listen.address.v[i], &a, &size, &e) < 0)
            complain(errors, "%s/holdfast.ini: [listen] %s", folder, err_text(&e, line, sizeof line));
    }
    for (size_t i = 0; i < c->naccounts; i++)
        check_keys(&c->accounts[i], errors);
    check_trust(c, folder, errors);
    struct conf_cpus there;
    cgroup_cpus(&there);
    for (size_t i = 0; i < c->nservers; i++) {
        check_rows(&c->servers[i], errors);
        check_cpus(&c->servers[i], &there, errors);
    }
    return errors->n ? -1 : 0;
}

static char *join(const struct conf_errors *errors)
{
    struct buf b = BUF(1 << 20);
    for (size_t i = 0; i < errors->n; i++)
        buf_put_fmt(&b, "%s\n", errors->v[i]);
    char *text = mem_strn(buf_size(&b) ? (const void *)buf_head(&b) : "", buf_size(&b));
    buf_free(&b);
    return text;
}

static void done(bool ok, const char *text)
{
    reload_fn *fn = now.fn;
    void *data = now.data;
    now.busy = false;
    if (ok)
        log_info("reload", "summary=\"%s\"", text);
    else
        log_error("reload.refused", "error=\"%s\"", esc_text(text));
    if (fn)
        fn(data, ok, text);
}

static void on_taken(struct super *s, const char *error, const char *summary)
{
    if (error[0]) {
        conf_free(&now.next);
        done(false, error);
        return;
    }
    struct conf before = s->conf;
    struct err e;
    s->conf = now.next;
    conf_free(&before);
    malloc_trim(0);
    log_init("holdfastd", (enum log_level)s->conf.log.level);
    struct buf told BUF_FREE = BUF(65536);
    servers_apply(s, &told);
    filter_apply(s);
    unsigned ended = workers_apply(s);
    handles_apply(s);
    errands_apply(s);
    backups_apply(s);
    unsigned many = conns_apply(s);
    if (listen_open(s, &e) < 0) {
        char line[400];
        log_error("listen", "error=\"%s\"", err_text(&e, line, sizeof line));
    }
    if (many)
        buf_put_fmt(&told, "; %u connections above max_connections closed", many);
    if (ended)
        buf_put_fmt(&told, "; %u channels to files whose deny changed closed", ended);
    FREE_MEM char *more = mem_strn(buf_size(&told) ? (const char *)buf_head(&told) : "", buf_size(&told));
    /* The summary is the store's, which knows accounts. */
    FREE_MEM char *text = more[0] && strcmp(summary, "nothing changed") == 0 ? mem_str(more + strlen("; ")) : mem_fmt("%s%s", summary, more);
    done(true, text);
}

/* What cannot change under running processes. */
static void check_fixed(const struct super *s, const struct conf *c, struct conf_errors *errors)
{
    const struct conf *o = &s->conf;
    if (strcmp(o->paths.state, c->paths.state) || strcmp(o->paths.run, c->paths.run))
        complain(errors, "[paths] state and run change only with a restart of the daemon");
    if (o->ids.store != c->ids.store || o->ids.shim != c->ids.shim || o->ids.image != c->ids.image ||
        o->ids.filter != c->ids.filter || o->ids.sessions != c->ids.sessions ||
        o->ids.servers != c->ids.servers || conf_ranges(o) != conf_ranges(c))
        complain(errors, "[ids] changes only with a restart of the daemon");
    if (o->limits.connections != c->limits.connections)
        complain(errors, "[limits] max_connections changes only with a restart of the daemon");
    if (strcmp(o->sandbox.cgroup, c->sandbox.cgroup) || strcmp(o->network.pool, c->network.pool) ||
        strcmp(o->network.pool6, c->network.pool6) || strcmp(o->network.table, c->network.table))
        complain(errors, "[sandbox] cgroup and [network] pool, pool6, table change only with a restart of the daemon");
}

static void begin(struct super *s)
{
    struct conf_errors errors = { 0 };
    char why[160], line[400];
    if (reload_read(s->folder, &now.next, &errors) == 0) {
        check_fixed(s, &now.next, &errors);
        if (servers_refuse(s, &now.next, why, sizeof why)[0])
            complain(&errors, "%s", why);
        if (image_missing(&now.next, line, sizeof line))
            complain(&errors, "%s", line);
    }
    if (errors.n) {
        FREE_MEM char *text = join(&errors);
        conf_errors_free(&errors);
        conf_free(&now.next);
        done(false, text);
        return;
    }
    conf_errors_free(&errors);
    store_push(s, &now.next, on_taken);
}

void reload(struct super *s, reload_fn *fn, void *data)
{
    if (now.busy) {
        if (fn)
            fn(data, false, "another reload is under way");
        return;
    }
    now.busy = true;
    now.fn = fn;
    now.data = data;
    /* A push of ours before the store's first would have that one refused, and nobody could ever log in. */
    now.waiting = store_starting(s);
    if (!now.waiting)
        begin(s);
}

void reload_waited(struct super *s)
{
    if (!now.waiting || store_starting(s))
        return;
    now.waiting = false;
    begin(s);
}
