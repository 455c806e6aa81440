#include "sshd/supervisor/tool_quota_migrate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sandbox/proto.h"
#include "sshd/supervisor/child.h"
#include "sshd/supervisor/disk.h"
#include "sshd/supervisor/launch.h"
#include "sshd/supervisor/store.h"
#include "sshd/supervisor/tool_client.h"

struct migration_job {
    struct migration_job *next;
    struct super *super;
    struct server *server;
    struct client *client;      /* who waits; NULL: has gone, and the job is being given up */
    char to[16];
    bool dry, answered;
    struct link *link;          /* NULL: not begun yet, or given up */
    int code;
    char text[700];             /* the answer: with code 0 output, else the reason */
};

static struct migration_job *jobs;

static void end(struct migration_job *j)
{
    struct migration_job **at = &jobs;
    struct server *v = j->server;
    while (*at != j)
        at = &(*at)->next;
    *at = j->next;
    link_free(j->link);
    if (j->code)
        log_error("quota.migrate", "server=%s to=%s error=\"%s\"", v->name, j->to, esc_text(j->text));
    else
        log_info("quota.migrate", "server=%s to=%s told=\"%.*s\"", v->name, j->to, (int)strcspn(j->text, "\n"), j->text);
    if (j->client) {
        j->client->left = NULL;
        if (j->code == 0)
            client_put(j->client, j->text, strlen(j->text));
        client_done(j->client, j->code, j->code ? j->text : "");
        client_release(j->client);
    }
    v->migrating = false;
    server_unlock(v);
    v->backend[0] = '\0';
    if (!v->super->leaving && conf_server(&v->super->conf, v->name))
        disk_need(v, NULL, NULL);
    server_tidy(v);
    free(j);
}

static void fail(struct migration_job *j, int code, const char *why)
{
    j->code = code;
    snprintf(j->text, sizeof j->text, "%s: %s", j->server->name, why);
}

/* ---- the job's words ---- */

static void take_progress(struct migration_job *j, struct msg *m)
{
    FREE_MEM char *what = msg_get_str(m);
    uint64_t bytes = msg_get_u64(m), inodes = msg_get_u64(m);
    if (!msg_end(m) || j->client == NULL)
        return;
    FREE_MEM char *text = mem_fmt("%s: %s %llu files and folders, %llu MiB", j->server->name, what, (unsigned long long)inodes,
                                  (unsigned long long)(bytes >> 20));
    client_progress(j->client, text);
}

static void tell_done(struct migration_job *j, const char *from, uint64_t bytes, uint64_t inodes, uint64_t space, uint64_t left_out, const char *note)
{
    const char *name = j->server->name;
    char more[80] = "";
    if (left_out)
        snprintf(more, sizeof more, "; %llu device nodes %sleft out", (unsigned long long)left_out, j->dry ? "would be " : "");
    if (from[0] == '\0')
        snprintf(j->text, sizeof j->text, "%s has no files yet: they will be made on %s\n", name, j->to);
    else if (j->dry)
        snprintf(j->text, sizeof j->text, "%s: %llu files and folders, %llu bytes, can be moved from %s to %s; %llu bytes are free on the machine's disk%s\n", name,
                 (unsigned long long)inodes, (unsigned long long)bytes, from, j->to, (unsigned long long)space, more);
    else
        snprintf(j->text, sizeof j->text, "%s: %llu files and folders, %llu bytes, moved from %s to %s%s%s%s\n", name, (unsigned long long)inodes,
                 (unsigned long long)bytes, from, j->to, more, note[0] ? "; " : "", note);
}

static void take_done(struct migration_job *j, struct msg *m)
{
    struct err e;
    char line[400];
    bool ok = launch_answer(m, &e);
    if (!ok) {
        j->answered = msg_end(m);
        fail(j, CODE_FAILED, err_text(&e, line, sizeof line));
        return;
    }
    FREE_MEM char *from = msg_get_str(m);
    uint64_t bytes = msg_get_u64(m), inodes = msg_get_u64(m), space = msg_get_u64(m), left_out = msg_get_u64(m);
    FREE_MEM char *note = msg_get_str(m);
    j->answered = msg_end(m);
    j->code = 0;
    tell_done(j, from, bytes, inodes, space, left_out, note);
}

static void on_msg(void *data, struct link *l UNUSED, struct msg *m)
{
    struct migration_job *j = data;
    if (m->type == LAUNCH_PROGRESS)
        take_progress(j, m);
    else if (m->type == LAUNCH_DONE && !j->answered)
        take_done(j, m);
}

/* Its end is what counts: on_end. */
static void on_gone(void *data, struct link *l)
{
    struct migration_job *j = data;
    j->link = NULL;
    link_free(l);
}

static const struct link_events events = { .msg = on_msg, .gone = on_gone, .client = true };

static void on_end(void *data, pid_t pid UNUSED, int status)
{
    struct migration_job *j = data;
    /* Its last words may still lie in the socket. */
    if (j->link)
        link_wake(j->link);
    if (!j->answered && j->client == NULL)
        fail(j, CODE_FAILED, "given up");
    else if (!j->answered) {
        FREE_MEM char *why = mem_fmt("launch: %s; what was begun is undone when its disk is next used", status_text(status));
        fail(j, CODE_FAILED, why);
    }
    end(j);
}

/* ---- its way ---- */

static int run(struct migration_job *j, struct err *e)
{
    int pair[2];
    if (io_pair(pair) < 0)
        return err_set(e, errno, "socketpair", "%s", "");
    CLOSE_FD int ours = pair[0], theirs = pair[1];
    struct msg m MSG_FREE;
    msg_begin(&m, LAUNCH_DISK_MIGRATE, 0);
    disk_put(j->server, &m);
    msg_put_str(&m, j->to);
    msg_put_u32(&m, j->dry);
    if (io_nonblock(ours) < 0 || msg_send(ours, &m) < 0)
        return err_set(e, errno, "launch", "send");
    if (child_start(j->super, ROLE_LAUNCH, 0, theirs, on_end, j, e) < 0)
        return -1;
    j->link = link_new(j->super->loop, fd_steal(&ours), &events, j);
    return 0;
}

static void on_down(void *data, const char *error)
{
    struct migration_job *j = data;
    struct err e;
    char line[400];
    if (error)
        fail(j, CODE_STATE, error);
    else if (j->client == NULL)
        fail(j, CODE_FAILED, "given up");
    else if (run(j, &e) == 0)
        return;
    else
        fail(j, CODE_FAILED, err_text(&e, line, sizeof line));
    end(j);
}

static void give_up(struct migration_job *j)
{
    link_free(j->link);
    j->link = NULL;
    if (j->client) {
        j->client->left = NULL;
        client_done(j->client, CODE_FAILED, "given up: the daemon is ending");
        client_release(j->client);
    }
    j->client = NULL;
}

/* The admin has pressed ctrl-c: launch hears that its link has gone, and undoes what it did. */
static void on_left(void *data)
{
    struct migration_job *j = data;
    client_release(j->client);
    j->client = NULL;
    give_up(j);
}

void migrations_end(struct super *s UNUSED)
{
    for (struct migration_job *j = jobs; j; j = j->next)
        give_up(j);
}

static const char *refusal(const struct server *v)
{
    if (v->migrating)
        return "it is being moved already";
    if (server_alive(v) || v->state == STATE_BACKOFF)
        return "it runs, or is about to: stop it first";
    if (v->workers || v->backing_up)
        return "its files are in use, by a session, an rsync or a backup: try later";
    return NULL;
}

void tool_quota_migrate(struct client *c, struct server *v)
{
    const char *why = refusal(v);
    if (why == NULL && c->argc == 4 && strcmp(c->argv[3], "--dry-run") != 0) {
        client_done(c, CODE_USAGE, "usage: quota migrate SERVER BACKEND [--dry-run]");
        return;
    }
    if (why) {
        FREE_MEM char *text = mem_fmt("%s: %s", v->name, why);
        client_done(c, CODE_STATE, text);
        return;
    }
    FREE_MEM char *reason = mem_fmt("its files are moved to %s", c->argv[2]);
    const char *busy = server_lock(v, reason);
    if (busy) {
        FREE_MEM char *text = mem_fmt("%s %s", v->name, busy);
        client_done(c, CODE_STATE, text);
        return;
    }
    struct migration_job *j = mem_new(sizeof *j);
    *j = (struct migration_job){ .next = jobs, .super = c->super, .server = v, .client = c, .dry = c->argc == 4 };
    snprintf(j->to, sizeof j->to, "%s", c->argv[2]);
    jobs = j;
    c->left = on_left;
    c->left_data = j;
    client_hold(c);
    v->migrating = true;
    log_info("quota.migrate", "server=%s to=%s dry=%d", v->name, esc(j->to), j->dry);
    disk_down(v, on_down, j);
}
