#include "sshd/supervisor/import.h"

#include <dirent.h>
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
#include "sshd/proto.h"
#include "sshd/supervisor/child.h"
#include "sshd/supervisor/image.h"
#include "sshd/supervisor/store.h"
#include "sshd/supervisor/tool_client.h"

enum { JOBS_MOST = 4 };

struct import {
    struct import *next;
    struct super *super;
    struct client *client;       /* who waits; NULL: nobody */
    char name[NAME_MOST + 1];
    char *folder;                /* STATE/images/.NAME.new or .old */
    uint64_t size;               /* of the archive, if it is a file */
    int archive;                 /* ours, for how far it is read; -1 */
    bool unpacking;              /* else its folder is being removed */
    struct link *link;
    pid_t pid;
    bool done, ok;               /* the process's word */
    char text[400];
    uint64_t bytes, files;
    int code;                    /* the answer */
    char answer[500];
};

static int fail(struct import *j, int code, const char *why)
{
    j->code = code;
    snprintf(j->answer, sizeof j->answer, "%s", why);
    return -1;
}

static int fail_err(struct import *j, const struct err *e)
{
    char line[400];
    return fail(j, CODE_FAILED, err_text(e, line, sizeof line));
}

static void end(struct import *j)
{
    struct super *s = j->super;
    for (struct import **at = &s->imports; *at; at = &(*at)->next)
        if (*at == j) {
            *at = j->next;
            break;
        }
    if (j->client) {
        j->client->left = NULL;
        client_done(j->client, j->code, j->answer);
        client_release(j->client);
    }
    if (j->archive >= 0)
        close(j->archive);
    free(j->folder);
    free(j);
}

/* ---- the process ---- */

static void take_progress(struct import *j, struct msg *m)
{
    uint64_t bytes = msg_get_u64(m), files = msg_get_u64(m);
    if (!msg_end(m) || j->client == NULL)
        return;
    /* The process reads by the same open file: its offset is how far it is. */
    off_t at = j->size ? lseek(j->archive, 0, SEEK_CUR) : -1;
    char part[24] = "";
    if (at >= 0)
        snprintf(part, sizeof part, ", %u%%", (unsigned)((uint64_t)at >= j->size ? 100 : (uint64_t)at * 100 / j->size));
    FREE_MEM char *text = mem_fmt("%s: %llu files, %llu MiB%s", j->name, (unsigned long long)files, (unsigned long long)(bytes >> 20), part);
    client_progress(j->client, text);
}

static void take_done(struct import *j, struct msg *m)
{
    bool ok = msg_get_u32(m) != 0;
    FREE_MEM char *text = msg_get_str(m);
    uint64_t bytes = msg_get_u64(m), files = msg_get_u64(m);
    if (!msg_end(m))
        return;
    j->done = true;
    j->ok = ok;
    j->bytes = bytes;
    j->files = files;
    snprintf(j->text, sizeof j->text, "%s", text);
}

static void on_msg(void *data, struct link *l, struct msg *m)
{
    (void)l;
    if (m->type == UNPACK_PROGRESS)
        take_progress(data, m);
    else if (m->type == ARCHIVE_DONE)
        take_done(data, m);
}

/* Its end is what counts: on_end. */
static void on_gone(void *data, struct link *l)
{
    struct import *j = data;
    j->link = NULL;
    link_free(l);
}

static const struct link_events events = { .msg = on_msg, .gone = on_gone, .client = true };

static void on_end(void *data, pid_t pid, int status);

static int start(struct import *j, struct msg *m, struct err *e)
{
    int pair[2];
    if (io_pair(pair) < 0)
        return err_set(e, errno, "socketpair", "%s", "");
    CLOSE_FD int ours = pair[0], theirs = pair[1];
    if (msg_send(ours, m) < 0)
        return err_set(e, errno, "archive", "start message");
    j->done = j->ok = false;
    j->text[0] = '\0';
    j->pid = child_start(j->super, ROLE_ARCHIVE, j->super->conf.ids.image, theirs, on_end, j, e);
    if (j->pid < 0)
        return -1;
    j->link = link_new(j->super->loop, fd_steal(&ours), &events, j);
    return 0;
}

/* ---- removing ---- */

static int open_root(const struct import *j, struct err *e)
{
    FREE_MEM char *path = mem_fmt("%s/root", j->folder);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? err_set(e, errno, "open", "%s", path) : fd;
}

/* What is left of the folder when the tree in it is empty. */
static int remove_folder(const struct import *j, struct err *e)
{
    FREE_MEM char *root = mem_fmt("%s/root", j->folder);
    FREE_MEM char *about = mem_fmt("%s/about", j->folder);
    if ((rmdir(root) < 0 && errno != ENOENT) || (unlink(about) < 0 && errno != ENOENT) || rmdir(j->folder) < 0)
        return err_set(e, errno, "remove", "%s", j->folder);
    return 0;
}

static int empty(struct import *j, struct err *e)
{
    CLOSE_FD int root = open_root(j, e);
    if (root < 0)
        return -1;
    struct msg m MSG_FREE;
    msg_begin(&m, START_EMPTY, 0);
    msg_put_str(&m, j->name);
    msg_put_u32(&m, (uint32_t)j->super->conf.log.level);
    msg_put_fd(&m, root);
    return start(j, &m, e);
}

static void removed(struct import *j, const char *why)
{
    struct err e = { 0 };
    char line[400];
    if (why == NULL && remove_folder(j, &e) < 0)
        why = err_text(&e, line, sizeof line);
    if (why) {
        log_error("image.left", "image=%s folder=%s error=\"%s\"", j->name, j->folder, esc_text(why));
        if (j->code == 0)
            fail(j, CODE_FAILED, why);
    }
    end(j);
}

/* Ends J, later: with its answer as it is, when the folder has gone. */
static void remove_all(struct import *j)
{
    struct err e;
    char line[400];
    j->unpacking = false;
    if (empty(j, &e) == 0)
        return;
    removed(j, e.no == ENOENT ? NULL : err_text(&e, line, sizeof line));
}

/* ---- unpacking ---- */

static int publish(struct import *j, struct err *e)
{
    FREE_MEM char *images = mem_fmt("%s/images", j->super->conf.paths.state);
    FREE_MEM char *place = mem_fmt("%s/%s", images, j->name);
    const struct image_about a = { .bytes = j->bytes, .files = j->files, .created = wall_ms() };
    if (image_write_about(j->folder, &a, e) < 0)
        return -1;
    if (io_rename_new(AT_FDCWD, j->folder, AT_FDCWD, place) < 0)
        return err_set(e, errno, "rename", "%s", place);
    CLOSE_FD int fd = open(images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || fsync(fd) < 0 ? err_set(e, errno, "fsync", "%s", images) : 0;
}

static void unpacked(struct import *j, int status)
{
    struct err e;
    if (!j->done || !j->ok || status != 0)
        fail(j, CODE_FAILED, j->done && !j->ok ? j->text : status_text(status));
    else if (publish(j, &e) < 0)
        fail_err(j, &e);
    if (j->code) {
        log_error("image.failed", "image=%s error=\"%s\"", j->name, esc_text(j->answer));
        remove_all(j);
        return;
    }
    log_info("image.imported", "image=%s bytes=%llu files=%llu note=\"%s\"", j->name, (unsigned long long)j->bytes,
             (unsigned long long)j->files, esc_text(j->text));
    FREE_MEM char *text = mem_fmt("image %s: %llu files, %llu bytes%s%s\n", j->name, (unsigned long long)j->files,
                                  (unsigned long long)j->bytes, j->text[0] ? "; " : "", j->text);
    if (j->client)
        client_put(j->client, text, strlen(text));
    end(j);
}

static void on_end(void *data, pid_t pid, int status)
{
    (void)pid;
    struct import *j = data;
    j->pid = 0;
    /* Its last words may still lie in the socket. */
    if (j->link)
        link_wake(j->link);
    link_free(j->link);
    j->link = NULL;
    if (j->unpacking)
        unpacked(j, status);
    else
        removed(j, j->done && j->ok && status == 0 ? NULL : j->done && !j->ok ? j->text : status_text(status));
}

/* The admin has pressed ctrl-c: half an image is of no use to anybody. */
static void on_left(void *data)
{
    struct import *j = data;
    client_release(j->client);
    j->client = NULL;
    if (j->unpacking && j->pid > 0)
        kill(j->pid, SIGKILL);
}

/* ---- orders ---- */

static struct import *job_new(struct super *s, const char *name, const char *ending)
{
    struct import *j = mem_new(sizeof *j);
    *j = (struct import){ .next = s->imports, .super = s, .archive = -1 };
    snprintf(j->name, sizeof j->name, "%s", name);
    j->folder = mem_fmt("%s/images/.%s.%s", s->conf.paths.state, name, ending);
    s->imports = j;
    return j;
}

static void wait_for(struct import *j, struct client *c)
{
    j->client = c;
    c->left = on_left;
    c->left_data = j;
    client_hold(c);
}

static const char *busy(const struct super *s, const char *name)
{
    unsigned n = 0;
    for (const struct import *j = s->imports; j; j = j->next, n++)
        if (strcmp(j->name, name) == 0)
            return j->unpacking ? "this image is being imported" : "an image of this name is being removed: try later";
    return n >= JOBS_MOST ? "too many imports are under way: try later" : NULL;
}

static bool is_there(const struct super *s, const char *name)
{
    FREE_MEM char *path = mem_fmt("%s/images/%s", s->conf.paths.state, name);
    return access(path, F_OK) == 0;
}

static int make_folder(struct import *j, int *root, struct err *e)
{
    uid_t uid = j->super->conf.ids.image;
    FREE_MEM char *path = mem_fmt("%s/root", j->folder);
    if (mkdir(j->folder, 0700) < 0)
        return err_set(e, errno, "mkdir", "%s", j->folder);
    if (mkdir(path, 0755) < 0 || (*root = open_root(j, e)) < 0)
        return err_set(e, errno, "mkdir", "%s", path);
    return fchown(*root, uid, uid) < 0 || fchmod(*root, 0755) < 0 ? err_set(e, errno, "chown", "%s", path) : 0;
}

static int unpack(struct import *j, int archive, struct err *e)
{
    const struct conf *c = &j->super->conf;
    CLOSE_FD int root = -1;
    struct stat st;
    if (fstat(archive, &st) < 0 || (j->archive = fcntl(archive, F_DUPFD_CLOEXEC, 0)) < 0)
        return err_set(e, errno, "the archive", "%s", "");
    j->size = S_ISREG(st.st_mode) && st.st_size > 0 ? (uint64_t)st.st_size : 0;
    if (make_folder(j, &root, e) < 0)
        return -1;
    struct msg m MSG_FREE;
    msg_begin(&m, START_UNPACK, 0);
    msg_put_str(&m, j->name);
    msg_put_u32(&m, (uint32_t)c->log.level);
    msg_put_u64(&m, c->limits.image_size);
    msg_put_u64(&m, c->limits.image_files);
    msg_put_fd(&m, root);
    msg_put_fd(&m, archive);
    return start(j, &m, e);
}

void import_begin(struct client *c, const char *name, const char *file, int fd)
{
    struct super *s = c->super;
    struct err e;
    const char *why = busy(s, name);
    if (why || is_there(s, name)) {
        client_done(c, why ? CODE_LATER : CODE_STATE, why ? why : "this image exists: remove it first, or take another name");
        return;
    }
    struct import *j = job_new(s, name, "new");
    j->unpacking = true;
    wait_for(j, c);
    log_info("image.import", "image=%s file=%s", name, esc(file));
    if (unpack(j, fd, &e) == 0)
        return;
    fail_err(j, &e);
    log_error("image.failed", "image=%s error=\"%s\"", name, esc_text(j->answer));
    remove_all(j);
}

void import_remove(struct client *c, const char *name)
{
    struct super *s = c->super;
    FREE_MEM char *place = mem_fmt("%s/images/%s", s->conf.paths.state, name);
    const char *why = busy(s, name);
    if (why || !is_there(s, name)) {
        client_done(c, why ? CODE_LATER : CODE_FAILED, why ? why : "no such image; see 'holdfast image list'");
        return;
    }
    struct import *j = job_new(s, name, "old");
    wait_for(j, c);
    /* Gone at once for everybody; the rest takes its time. */
    if (io_rename_new(AT_FDCWD, place, AT_FDCWD, j->folder) < 0) {
        fail(j, CODE_FAILED, strerror(errno));
        end(j);
        return;
    }
    log_info("image.removed", "image=%s", name);
    remove_all(j);
}

void import_sweep(struct super *s)
{
    FREE_MEM char *path = mem_fmt("%s/images", s->conf.paths.state);
    DIR *d = opendir(path);
    if (d == NULL)
        return;
    for (struct dirent *one; (one = readdir(d)) != NULL;) {
        size_t n = strlen(one->d_name);
        if (one->d_name[0] != '.' || n < 6)
            continue;
        const char *ending = one->d_name + n - 4;
        FREE_MEM char *name = mem_strn(one->d_name + 1, n - 5);
        if (!name_ok(name) || (strcmp(ending, ".new") != 0 && strcmp(ending, ".old") != 0))
            continue;
        log_warn("image.swept", "folder=%s", esc(one->d_name));
        remove_all(job_new(s, name, ending + 1));
    }
    closedir(d);
}
