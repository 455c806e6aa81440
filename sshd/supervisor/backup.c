#include "sshd/supervisor/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/rights.h"
#include "sshd/supervisor/child.h"
#include "sshd/supervisor/disk.h"
#include "sshd/supervisor/news.h"
#include "sshd/supervisor/store.h"

enum { ID_MOST = 40 };

struct job {
    struct job *next;
    struct super *super;
    struct server *server;
    uint64_t session;
    uint32_t order;
    char account[NAME_MOST + 1];
    pid_t pid;              /* of the archive program; 0: not started yet */
    char why[100];          /* it was ended by us */
    char id[ID_MOST + 1];
    int folder, file, link;
};

static struct job *jobs;

/* The id becomes a file name. */
static bool id_ok(const char *id)
{
    size_t n = strlen(id);
    return n > 0 && n <= ID_MOST && id[0] != '-' &&
           strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-") == n;
}

static void drop(struct job *j)
{
    struct job **at = &jobs;
    while (*at != j)
        at = &(*at)->next;
    *at = j->next;
    j->server->backing_up = false;
    if (j->folder >= 0)
        close(j->folder);
    if (j->file >= 0)
        close(j->file);
    if (j->link >= 0)
        close(j->link);
    server_tidy(j->server);
    free(j);
}

static void fail(struct job *j, const char *why)
{
    if (j->why[0]) {
        log_info("backup.ended", "session=%llu account=%s server=%s id=%s why=\"%s\"", (unsigned long long)j->session, j->account,
                 j->server->name, j->id, j->why);
        result(j->super, j->order, CODE_DENIED, "the backup of %s was ended: %s", j->server->name, j->why);
    } else {
        log_error("backup.failed", "server=%s id=%s error=\"%s\"", j->server->name, j->id, why);
        news_put(j->super, NEWS_BACKUP, j->server->name, j->account, "%s failed: %s", j->id, why);
        result(j->super, j->order, CODE_FAILED, "the backup of %s failed: %s", j->server->name, why);
    }
    drop(j);
}

static int publish(struct job *j, uint64_t *size)
{
    char from[40], name[ID_MOST + 16];
    struct stat st;
    snprintf(from, sizeof from, "/proc/self/fd/%d", j->file);
    snprintf(name, sizeof name, "%s.tar.zst", j->id);
    if (fstat(j->file, &st) < 0 || linkat(AT_FDCWD, from, j->folder, name, AT_SYMLINK_FOLLOW) < 0 || fsync(j->folder) < 0)
        return -1;
    *size = (uint64_t)st.st_size;
    return 0;
}

static void on_end(void *data, pid_t pid, int status)
{
    (void)pid;
    struct job *j = data;
    struct msg m MSG_FREE = { 0 };
    /* Whole or not, it is nobody's who may have it. */
    if (j->why[0] || msg_recv_client(j->link, &m) != 1 || m.type != ARCHIVE_DONE) {
        fail(j, status_text(status));
        return;
    }
    uint32_t ok = msg_get_u32(&m);
    FREE_MEM char *error = msg_get_str(&m);
    msg_get_u64(&m);
    uint64_t entries = msg_get_u64(&m), size = 0;
    if (!msg_end(&m) || !ok || status != 0) {
        fail(j, error[0] ? error : status_text(status));
        return;
    }
    if (publish(j, &size) < 0) {
        fail(j, strerror(errno));
        return;
    }
    log_info("backup.done", "server=%s id=%s bytes=%llu entries=%llu", j->server->name, j->id, (unsigned long long)size,
             (unsigned long long)entries);
    news_put(j->super, NEWS_BACKUP, j->server->name, j->account, "%s is made, %llu bytes", j->id, (unsigned long long)size);
    struct msg out;
    result_begin(&out, j->order, CODE_DONE, "");
    msg_put_str(&out, j->id);
    msg_put_u64(&out, size);
    result_send(j->super, &out);
    drop(j);
}

static int open_folder(const struct server *v, struct err *e)
{
    FREE_MEM char *path = mem_fmt("%s/backups/%s", v->super->conf.paths.state, v->name);
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set(e, errno, "mkdir", "%s", path);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? err_set(e, errno, "open", "%s", path) : fd;
}

static int start(struct job *j, struct err *e)
{
    struct super *s = j->super;
    int pair[2];
    j->folder = open_folder(j->server, e);
    if (j->folder < 0)
        return -1;
    /* Without a name until it is whole: whatever dies, nothing half stays. */
    j->file = openat(j->folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (j->file < 0)
        return err_set(e, errno, "create", "backup file");
    CLOSE_FD int root = disk_open(j->server, e);
    if (root < 0)
        return -1;
    if (io_pair(pair) < 0)
        return err_set(e, errno, "socketpair", "%s", "");
    j->link = pair[0];
    CLOSE_FD int theirs = pair[1];
    struct msg m MSG_FREE;
    msg_begin(&m, START_ARCHIVE, 0);
    msg_put_str(&m, j->server->name);
    msg_put_u32(&m, (uint32_t)s->conf.log.level);
    msg_put_fd(&m, root);
    msg_put_fd(&m, j->file);
    if (io_nonblock(j->link) < 0 || msg_send(j->link, &m) < 0)
        return err_set(e, errno, "archive", "start message");
    j->pid = child_start(s, ROLE_ARCHIVE, server_uid(j->server), theirs, on_end, j, e);
    return j->pid < 0 ? -1 : 0;
}

static void disk_ready(void *data, const char *error)
{
    struct job *j = data;
    struct err e;
    char line[400];
    if (error || j->why[0])
        fail(j, error);
    else if (start(j, &e) < 0)
        fail(j, err_text(&e, line, sizeof line));
}

void backup_create(struct super *s, struct order *o)
{
    struct server *v = o->server;
    char id[ID_MOST + 1];
    const char *space = strchr(o->text, ' ');
    snprintf(id, sizeof id, "%.*s", space ? (int)(space - o->text) : (int)strlen(o->text), o->text);
    if (!id_ok(id)) {
        result(s, o->id, CODE_USAGE, "bad backup id");
        return;
    }
    if (v->backing_up) {
        result(s, o->id, CODE_STATE, "a backup of %s is being made", v->name);
        return;
    }
    v->backing_up = true;
    struct job *j = mem_new(sizeof *j);
    *j = (struct job){ .next = jobs, .super = s, .server = v, .session = o->session->id, .order = o->id, .folder = -1, .file = -1, .link = -1 };
    snprintf(j->id, sizeof j->id, "%s", id);
    snprintf(j->account, sizeof j->account, "%s", o->account);
    jobs = j;
    disk_need(v, disk_ready, j);
}

static void end(struct job *j, const char *why)
{
    if (j->why[0])
        return;
    snprintf(j->why, sizeof j->why, "%s", why);
    if (j->pid > 0)
        kill(j->pid, SIGKILL);
}

void backups_apply(struct super *s)
{
    for (struct job *j = jobs; j; j = j->next)
        if ((order_rights(&s->conf, conf_server(&s->conf, j->server->name), j->account) & RIGHT_BACKUP_CREATE) == 0)
            end(j, "the right to do this was taken away");
}

void backups_end(uint64_t session, const char *why)
{
    for (struct job *j = jobs; j; j = j->next)
        if (j->session == session)
            end(j, why);
}

void backup_get(struct super *s, struct order *o)
{
    struct stat st;
    if (!id_ok(o->text)) {
        result(s, o->id, CODE_USAGE, "'%s' is no backup id", esc(o->text));
        return;
    }
    FREE_MEM char *path = mem_fmt("%s/backups/%s/%s.tar.zst", s->conf.paths.state, o->server->name, o->text);
    CLOSE_FD int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        result(s, o->id, CODE_FAILED, "no such backup");
        return;
    }
    struct msg m;
    result_begin(&m, o->id, CODE_DONE, "");
    msg_put_u64(&m, (uint64_t)st.st_size);
    msg_put_fd(&m, fd);
    result_send(s, &m);
}
