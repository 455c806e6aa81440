#include "quota/migrate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "quota/choose.h"
#include "quota/record.h"
#include "quota/tree.h"

enum { SPARE = 16 << 20 };      /* what a backend takes for itself, at least */

/* One of the two places. */
struct side {
    const struct backend *b;
    struct place p;
    struct disk d;
    bool up;
};

static int open_new(struct place *p, const struct disk *d, char folder[NAME_MOST + 8], struct err *e)
{
    snprintf(folder, NAME_MOST + 8, ".%.*s.new", NAME_MOST, d->name);
    return place_open(p, d->state, folder, e);
}

/* Nobody takes this lock who has not the name's. */
static void close_new(struct place *p)
{
    if (p->servers >= 0) {
        unlinkat(p->servers, p->folder, AT_REMOVEDIR);
        unlinkat(p->servers, p->lock, 0);
    }
    place_close(p);
    *p = (struct place)PLACE_NONE;
}

/* ---- the end of a job that has none ---- */

static int still(const struct place *p, const char *word, struct err *e)
{
    struct record r = { 0 };
    snprintf(r.backend, sizeof r.backend, "%s", word);
    return record_write(p, &r, e);
}

static int undo(const struct place *p, const struct place *fresh, const struct disk *d, const struct record *r, const struct backend *b, struct err *e)
{
    if (b->down(fresh, d, e) < 0 || (b->has(fresh) && b->drop(fresh, d, e) < 0))
        return -1;
    log_info("quota.undone", "server=%s backend=%s not=%s", d->name, r->backend, r->other);
    return still(p, r->backend, e);
}

static int complete(const struct place *p, const struct place *fresh, const struct disk *d, const struct record *r, const struct backend *old,
                    const struct backend *b, struct err *e)
{
    /* Renamed already, there is nothing of the old one's any more: both may use the same names. */
    if (b->has(fresh) && ((old->has(p) && old->drop(p, d, e) < 0) || fsync(p->servers) < 0 || b->move(fresh, p, e) < 0))
        return -1;
    log_info("quota.moved", "server=%s backend=%s was=%s", d->name, r->backend, r->other);
    return still(p, r->backend, e);
}

static int settle_at(const struct place *p, const struct place *fresh, const struct disk *d, const struct record *r, struct err *e)
{
    const struct backend *b = backend_find(r->backend), *other = backend_find(r->other);
    if (b == NULL || other == NULL)
        return err_set(e, 0, "quota", "its files are being moved between %s and %s, and this version does not know both", r->backend, r->other);
    return r->move == RECORD_NEW ? undo(p, fresh, d, r, other, e) : complete(p, fresh, d, r, other, b, e);
}

/* The lock of one that was killed before it had begun. */
static void tidy(const struct place *p, const struct disk *d)
{
    char lock[NAME_MOST + 24];
    snprintf(lock, sizeof lock, "..%.*s.new.lock", NAME_MOST, d->name);
    unlinkat(p->servers, lock, 0);
}

int migrate_settle(const struct place *p, const struct disk *d, struct err *e)
{
    struct record r;
    char folder[NAME_MOST + 8];
    int is = record_read(p, &r, e);
    record_tidy(p);
    if (is <= 0 || r.move == RECORD_STILL) {
        tidy(p, d);
        return is < 0 ? -1 : 0;
    }
    struct place fresh = PLACE_NONE;
    is = open_new(&fresh, d, folder, e);
    if (is == 0)
        is = settle_at(p, &fresh, d, &r, e);
    close_new(&fresh);
    return is < 0 ? err_wrap(e, "an unfinished migration") : 0;
}

/* ---- a job ---- */

/* Of the mounts that came along only ours are any business of this job; the others would be held for as long as it takes. */
static int be_alone(const struct disk *d, struct err *e)
{
    char path[96];
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return err_set(e, errno, "mount namespace", "%s", "");
    FREE_MEM char *servers = mem_fmt("%s/servers", d->state);
    CLOSE_FD int fd = open(servers, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLOSE_FD int list = fd < 0 ? -1 : openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *all = list < 0 ? NULL : fdopendir(list);
    if (all == NULL)
        return err_set(e, errno, "open", "%s", servers);
    fd_steal(&list);
    for (struct dirent *f; (f = readdir(all));) {
        snprintf(path, sizeof path, "/proc/self/fd/%d/%.*s", fd, NAME_MOST, f->d_name);
        if (name_ok(f->d_name))
            umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
    }
    closedir(all);
    return 0;
}

static int not_mounted(const struct disk *d, struct err *e)
{
    PLACE p = PLACE_NONE;
    uint64_t mount;
    dev_t dev;
    if (place_open(&p, d->state, d->name, e) < 0)
        return -1;
    int is = place_mounted(&p, &mount, &dev, e);
    return is > 0 ? err_set(e, 0, "quota", "the disk of %s is mounted", d->name) : is;
}

static int raise_up(struct side *s, struct err *e)
{
    if (s->b->up(&s->p, &s->d, e) < 0)
        return err_wrap(e, s->b->word);
    s->up = true;
    return 0;
}

static int put_down(struct side *s, struct err *e)
{
    if (s->up && s->b->down(&s->p, &s->d, e) < 0)
        return err_wrap(e, s->b->word);
    s->up = false;
    return 0;
}

static int root_of(const struct side *s, struct err *e)
{
    int fd = openat(s->p.servers, s->p.folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? err_set(e, errno, "open", "servers/%s", s->p.folder) : fd;
}

struct telling { struct migration *m; const char *what; };

static bool tell(void *data, const struct copied *far)
{
    const struct telling *t = data;
    return t->m->tell == NULL || t->m->tell(t->m->data, t->what, far);
}

static int walk_over(struct migration *m, enum copy_mode mode, const struct side *from, const struct side *to, struct copied *c, struct err *e)
{
    static const char *const words[] = { [COPY_COUNT] = "counted", [COPY_MAKE] = "copied", [COPY_COMPARE] = "compared" };
    struct telling t = { m, words[mode] };
    CLOSE_FD int a = root_of(from, e);
    CLOSE_FD int b = a < 0 || to == NULL ? -1 : root_of(to, e);
    if (a < 0 || (to && b < 0))
        return -1;
    return copier_run(&from->d, mode, a, b, c, tell, &t, e);
}

static int fits(struct migration *m, const struct side *to, struct err *e)
{
    struct statvfs f;
    const struct disk *d = &to->d;
    if (fstatvfs(to->p.servers, &f) < 0)
        return err_set(e, errno, "statvfs", "servers");
    m->free = (uint64_t)f.f_bavail * f.f_frsize;
    uint64_t need = m->moved.bytes + m->moved.bytes / 32 + SPARE;
    if (need > m->free)
        return err_set(e, 0, "quota", "its files take %" PRIu64 " bytes, and the machine's disk has %" PRIu64 " free", m->moved.bytes, m->free);
    if (to->b->count != DISK_COUNT_LEDGER && (m->moved.bytes > d->bytes || m->moved.inodes > d->inodes))
        return err_set(e, 0, "quota", "it has %" PRIu64 " bytes in %" PRIu64 " files and folders, its limits are %" PRIu64 " and %" PRIu64,
                       m->moved.bytes, m->moved.inodes, d->bytes, d->inodes);
    return to->b->fit(&to->p, d, e) < 0 ? err_wrap(e, to->b->word) : 0;
}

/* What was written is read again, not what is remembered of it. */
static int fill(struct migration *m, struct side *from, struct side *to, struct err *e)
{
    struct copied seen;
    if (raise_up(to, e) < 0 || walk_over(m, COPY_MAKE, from, to, &m->moved, e) < 0 || put_down(to, e) < 0 || raise_up(to, e) < 0 ||
        walk_over(m, COPY_COMPARE, from, to, &seen, e) < 0)
        return -1;
    return put_down(to, e) < 0 || put_down(from, e) < 0 ? -1 : 0;
}

static int note(const struct side *from, const struct side *to, enum record_move move, struct err *e)
{
    struct record r = { .move = move };
    bool moved = move == RECORD_OLD;
    snprintf(r.backend, sizeof r.backend, "%s", (moved ? to : from)->b->word);
    snprintf(r.other, sizeof r.other, "%s", (moved ? from : to)->b->word);
    return syncfs(from->p.servers) < 0 ? err_set(e, errno, "sync", "servers") : record_write(&from->p, &r, e);
}

static void give_up(struct side *from, struct side *to)
{
    struct err e;
    char line[400];
    bool down = put_down(to, &e) == 0 && put_down(from, &e) == 0;
    close_new(&to->p);
    if (!down || migrate_settle(&from->p, &from->d, &e) < 0)
        log_error("quota.left", "server=%s error=\"%s\" why=\"what a migration made is deleted when its disk is next used\"", from->d.name,
                  esc_text(err_text(&e, line, sizeof line)));
}

static int move_files(struct migration *m, struct side *from, struct side *to, struct err *e)
{
    struct err late;
    char line[400];
    if (note(from, to, RECORD_NEW, e) < 0 || fill(m, from, to, e) < 0 || note(from, to, RECORD_OLD, e) < 0) {
        give_up(from, to);
        return -1;
    }
    close_new(&to->p);
    if (migrate_settle(&from->p, &from->d, &late) < 0)
        snprintf(m->note, sizeof m->note, "done when its disk is next used: %s", err_text(&late, line, sizeof line));
    return 0;
}

/* From here on FROM is known, and the two places are open. */
static int look_and_move(struct migration *m, struct side *from, struct side *to, struct err *e)
{
    m->from = from->b->word;
    if (from->b == to->b)
        return err_set(e, 0, "quota", "its files are on %s already", from->b->word);
    if (raise_up(from, e) < 0 || walk_over(m, COPY_COUNT, from, NULL, &m->moved, e) < 0 || fits(m, to, e) < 0)
        return -1;
    return m->dry ? 0 : move_files(m, from, to, e);
}

static int with_places(struct disk *d, struct migration *m, const struct backend *to, struct err *e)
{
    char folder[NAME_MOST + 8];
    struct err ignored;
    struct side a = { .d = *d, .p = PLACE_NONE }, b = { .b = to, .d = *d, .p = PLACE_NONE };
    int r = place_open(&a.p, d->state, d->name, e);
    if (r == 0)
        r = migrate_settle(&a.p, d, e);
    if (r == 0)
        r = choose_found(&a.p, &a.b, e);
    /* Without files there is nothing to move: they are made where they are to be. */
    if (r == 0 && !m->dry)
        r = record_remove(&a.p, e);
    else if (r > 0)
        r = open_new(&b.p, d, folder, e) < 0 ? -1 : look_and_move(m, &a, &b, e);
    put_down(&b, &ignored);
    put_down(&a, &ignored);
    close_new(&b.p);
    place_close(&a.p);
    return r;
}

/* Else the server could not be started afterwards. */
static int configured(const struct disk *d, const struct backend *to, struct err *e)
{
    struct err other;
    if (choose_allowed(d, to, &other) == 0)
        return 0;
    bool none = strcmp(to->word, "none") == 0;
    return err_set(e, 0, "quota", "configured is %s: set quota = %s%s first, and reload", d->backend, to->word, none ? ", unsafe" : " (or auto)");
}

int disk_migrate(struct disk *d, struct migration *m, struct err *e)
{
    const struct backend *to = backend_find(m->to);
    m->from = NULL;
    if (to == NULL)
        return err_set(e, 0, "quota", "there is no backend '%s' in this build", m->to);
    if (to->move == NULL)
        return err_set(e, 0, "quota", "nothing can be moved to %s", m->to);
    if (configured(d, to, e) < 0 || tree_owner_ok(d->owner, e) < 0 || not_mounted(d, e) < 0 || be_alone(d, e) < 0)
        return -1;
    return with_places(d, m, to, e);
}
