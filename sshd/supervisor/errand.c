#include "sshd/supervisor/errand_run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/rights.h"
#include "sandbox/proto.h"
#include "sshd/proto.h"
#include "sshd/supervisor/cgroup.h"
#include "sshd/supervisor/store.h"

enum { SERVER_MOST = 2, ACCOUNT_MOST = 4, RSYNC_SECONDS = 6 * 3600, SHELL_SECONDS = 12 * 3600 };

/* ---- the end ---- */

void errand_close(struct errand *r)
{
    int *each[] = { &r->ends.in, &r->ends.out, &r->ends.err, &r->ends.status, &r->stdio[0], &r->stdio[1], &r->stdio[2] };
    for (size_t i = 0; i < countof(each); i++)
        if (*each[i] >= 0)
            close(fd_steal(each[i]));
}

static void forget(struct errand *r)
{
    struct server *v = r->server;
    for (struct errand **at = &r->super->errands; *at; at = &(*at)->next)
        if (*at == r) {
            *at = r->next;
            break;
        }
    link_free(r->shim);
    link_free(r->status);
    link_free(r->job);
    timer_free(r->wall);
    errand_close(r);
    if (r->joined)
        shell_gone(r);
    else
        cgroup_remove_errand(r->super, r->number);
    free(r->words);
    free(r);
    v->workers--;
    server_tidy(v);
}

/* Kept with what else was done, as its beginning is, whatever has become of the session. */
static void record_end(const struct errand *r, uint32_t code, uint32_t sig)
{
    struct msg m;
    if (r->words == NULL || !r->answered)
        return;
    msg_begin(&m, STORE_SHELL_END, 0);
    msg_put_str(&m, r->account);
    msg_put_str(&m, r->address);
    msg_put_str(&m, r->server->name);
    msg_put_u64(&m, sig ? 128 + sig : code);
    store_send(r->super, &m);
}

void errand_finish(struct errand *r, uint32_t code, uint32_t sig)
{
    log_info("errand.end", "errand=%u session=%llu account=%s server=%s program=%s code=%u signal=%u why=\"%s\"", r->number,
             (unsigned long long)r->session, r->account, r->server->name, r->kind->program, code, sig, r->why);
    if (r->joined)
        shell_gone(r);
    record_end(r, code, sig);
    if (!r->answered) {
        errand_refuse(r, CODE_UNAVAILABLE, r->why);
        return;
    }
    struct msg m;
    msg_begin(&m, ERRAND_ENDED, 0);
    msg_put_u32(&m, code);
    msg_put_u32(&m, sig);
    msg_put_str(&m, r->why);
    if (r->status)
        link_send(r->status, &m);
    else
        msg_free(&m);
    if (!r->joined) {
        msg_begin(&m, SHIM_COLLECTED, 0);
        link_send(r->shim, &m);
    }
    forget(r);
}

/* Its end is told by the shim: only then nothing of it is left that holds the disk. */
void errand_end(struct errand *r, const char *why)
{
    if (r->why[0] == '\0')
        snprintf(r->why, sizeof r->why, "%s", why);
    if (r->joined) {
        shell_kill(r);
        return;
    }
    if (r->shim == NULL)
        return;
    struct msg m;
    msg_begin(&m, SHIM_KILL, 0);
    link_send(r->shim, &m);
    cgroup_kill_errand(r->super, r->number);
}

void errand_too_long(struct errand *r)
{
    uint32_t most = r->kind->seconds;
    bool hours = most % 3600 == 0;
    if (r->why[0] == '\0')
        snprintf(r->why, sizeof r->why, "it ran longer than %u %s, the most that is allowed", hours ? most / 3600 : most, hours ? "hours" : "s");
}

void errand_word(struct errand *r, const struct errand_word *table, size_t n, struct msg *m)
{
    for (size_t i = 0; i < n; i++)
        if (table[i].type == m->type) {
            table[i].take(r, m);
            return;
        }
    log_warn("errand.message", "errand=%u type=%u", r->number, m->type);
}

/* ---- the session ---- */

/* It has nothing to say here. */
static void on_status(void *data, struct link *l, struct msg *m)
{
    struct errand *r = data;
    (void)l;
    log_warn("errand.word", "errand=%u session=%llu account=%s type=%u", r->number, (unsigned long long)r->session, r->account, m->type);
    errand_end(r, "its session broke a rule");
}

static void on_status_gone(void *data, struct link *l)
{
    struct errand *r = data;
    link_free(l);
    r->status = NULL;
    errand_end(r, "its session let go");
}

static const struct link_events status_events = { .msg = on_status, .gone = on_status_gone, .client = true, .queue = 4 };

/* PAIR[0] is read, PAIR[1] written. */
static int open_pipe(int pair[2], struct err *e)
{
    if (pipe2(pair, O_CLOEXEC) < 0)
        return err_set(e, errno, "pipe", "%s", "");
    fcntl(pair[0], F_SETPIPE_SZ, ERRAND_PIPE_BYTES);   /* the usual size does as well */
    return 0;
}

static int open_stdio(struct errand *r, struct err *e)
{
    int *ours[] = { &r->ends.in, &r->ends.out, &r->ends.err };
    for (int i = 0; i < 3; i++) {
        int pair[2];
        if (open_pipe(pair, e) < 0)
            return -1;
        r->stdio[i] = pair[i != 0];
        *ours[i] = pair[i == 0];
        /* Else it could not open /dev/stdout, which is a link to it. */
        if (r->words && fchown(r->stdio[i], server_uid(r->server), server_uid(r->server)) < 0)
            return err_set(e, errno, "pipe", "fchown");
    }
    return 0;
}

int errand_pipes(struct errand *r, struct err *e)
{
    int pair[2];
    if (!r->terminal && open_stdio(r, e) < 0)
        return -1;
    if (io_pair(pair) < 0)
        return err_set(e, errno, "socketpair", "%s", "");
    r->ends.status = pair[1];
    r->status = link_new(r->super->loop, pair[0], &status_events, r);
    return 0;
}

void errand_answer(struct errand *r)
{
    const int fds[] = { r->ends.in, r->ends.out, r->ends.err, r->ends.status };
    struct msg m;
    r->answered = true;
    result_begin(&m, r->order, CODE_DONE, "");
    for (size_t i = 0; i < countof(fds); i++)
        if (fds[i] >= 0)
            msg_put_fd(&m, fds[i]);
    result_send(r->super, &m);
    errand_close(r);
    log_info("errand", "errand=%u session=%llu account=%s server=%s program=%s writes=%d terminal=%d joined=%d", r->number,
             (unsigned long long)r->session, r->account, r->server->name, r->kind->program,
             r->words || (r->needs & RIGHT_FILES_WRITE) != 0, r->terminal, r->joined);
}

void errand_refuse(struct errand *r, int code, const char *why)
{
    result(r->super, r->order, code, "%s: %s", r->server->name, why);
    forget(r);
}

/* ---- who may ---- */

static const char *rsync_refusal(const struct conf_server *c)
{
    /* rsync goes by the sandbox, where nothing is hidden. */
    return c->deny.n ? "some of its files are hidden by the admin (deny), which rsync would not know" : NULL;
}

static const char *shell_refusal(const struct conf_server *c)
{
    if (c->shell != CONF_YES)
        return "the admin has not allowed it (shell = yes in its section of the ini files)";
    return c->deny.n ? "some of its files are hidden by the admin (deny), which a shell would not know" : NULL;
}

static const struct errand_kind rsync_kind = { .program = "rsync", .seconds = RSYNC_SECONDS, .refusal = rsync_refusal };
static const struct errand_kind shell_kind = { .program = "shell", .seconds = SHELL_SECONDS, .refusal = shell_refusal };

static const char *refusal(const struct super *s, const struct errand_kind *kind, const struct conf_server *c)
{
    const char *why = kind->refusal(c);
    if (why == NULL && s->limits_missing[0] && s->conf.sandbox.limits == LIMITS_REQUIRED)
        why = "limits cannot be enforced on this machine";
    return why;
}

const char *errand_unfit(const struct errand *r)
{
    const struct conf *conf = &r->super->conf;
    const struct conf_server *c = conf_server(conf, r->server->name);
    const struct conf_account *a = conf_account(conf, r->account);
    if (a == NULL || a->suspended == CONF_YES)
        return a ? "the account is suspended" : "the account was removed";
    if ((order_rights(conf, c, r->account) & r->needs) != r->needs)
        return "the right to do this was taken away";
    return refusal(r->super, r->kind, c);
}

static const char *too_many(const struct super *s, const struct order *o, const struct errand_kind *kind)
{
    unsigned on_server = 0, of_account = 0;
    for (const struct errand *r = s->errands; r; r = r->next) {
        on_server += r->kind == kind && r->server == o->server;
        of_account += r->kind == kind && strcmp(r->account, o->account) == 0;
    }
    return on_server >= SERVER_MOST ? "on this server" : of_account >= ACCOUNT_MOST ? "of this account" : NULL;
}

/* NULL: the order was refused. */
static struct errand *begin(struct super *s, struct order *o, const struct errand_kind *kind, uint32_t needs)
{
    static uint32_t numbers;
    const char *why = refusal(s, kind, o->conf), *many = too_many(s, o, kind);
    if ((o->rights & needs) != needs)
        result(s, o->id, CODE_DENIED, "not permitted");
    else if (why)
        result(s, o->id, CODE_DISABLED, "%s: no %s here: %s", o->server->name, kind->program, why);
    else if (many)
        result(s, o->id, CODE_LATER, "%s: too many %s run %s already, try later; allowed at once: %d a server, %d an account",
               o->server->name, kind->program, many, SERVER_MOST, ACCOUNT_MOST);
    if ((o->rights & needs) != needs || why || many)
        return NULL;
    struct errand *r = mem_new(sizeof *r);
    *r = (struct errand){ .next = s->errands, .super = s, .server = o->server, .kind = kind, .session = o->session->id, .order = o->id,
                          .number = ++numbers, .needs = needs, .ends = { -1, -1, -1, -1 }, .stdio = { -1, -1, -1 } };
    snprintf(r->account, sizeof r->account, "%s", o->account);
    snprintf(r->address, sizeof r->address, "%.*s", (int)strcspn(o->session->address, " "), o->session->address);
    s->errands = r;
    r->server->workers++;
    return r;
}

void errand_rsync(struct super *s, struct order *o)
{
    struct errand *r = begin(s, o, &rsync_kind, o->number ? RIGHT_FILES_READ | RIGHT_FILES_WRITE | RIGHT_FILES_DELETE : RIGHT_FILES_READ);
    if (r)
        errand_start(r);
}

/* The session was to see to it. */
static bool words_ok(const char *text)
{
    static const char marks[] = { SHELL_MARK, '\0' };
    size_t n = strcspn(text, marks), len = strlen(text);
    return n <= TERM_MOST && strspn(text, TERM_BYTES) >= n && text[n] == SHELL_MARK && text[len - 1] == SHELL_MARK;
}

void errand_shell(struct super *s, struct order *o)
{
    const struct server *v = o->server;
    char why[400];
    if (o->number > UINT32_MAX || !words_ok(o->text)) {
        result(s, o->id, CODE_USAGE, "shell: malformed");
        return;
    }
    if (v->state == STATE_LOCKED) {
        result(s, o->id, CODE_STATE, "%s is %s", v->name, server_reason(v, why, sizeof why));
        return;
    }
    struct errand *r = begin(s, o, &shell_kind, RIGHT_SHELL);
    if (r == NULL)
        return;
    r->words = mem_str(o->text);
    r->terminal = o->number > 0;
    r->columns = (uint32_t)o->number >> 16;
    r->rows = (uint32_t)o->number & UINT16_MAX;
    if (server_alive(v) && !v->life.queued)
        shell_join(r);
    else
        errand_start(r);
}

void errands_apply(struct super *s)
{
    for (struct errand *r = s->errands, *next; r; r = next) {
        const char *why = errand_unfit(r);
        next = r->next;
        if (why)
            errand_end(r, why);
        else if (r->joined)
            shell_change_limits(r);
        else if (r->shim)
            errand_change_limits(r);
    }
}
