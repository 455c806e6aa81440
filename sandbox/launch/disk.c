#include "sandbox/launch/disk.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/name.h"
#include "quota/backend.h"
#include "quota/fuse_link.h"
#include "quota/choose.h"
#include "quota/migrate.h"
#include "quota/place.h"
#include "sandbox/launch/jobs.h"
#include "sandbox/proto.h"

enum { PATH_LONGEST = 1024, WORD_LONGEST = 32, PROGRESS_MS = 500 };

struct given { char *name, *state, *run, *libexec, *backend; struct disk d; };

static void given_free(struct given *g)
{
    free(g->name);
    free(g->state);
    free(g->run);
    free(g->libexec);
    free(g->backend);
}

#define GIVEN __attribute__((cleanup(given_free))) struct given

static void get(struct msg *m, struct given *g)
{
    g->name = msg_get_text(m, NAME_MOST);
    g->state = msg_get_text(m, PATH_LONGEST);
    g->run = msg_get_text(m, PATH_LONGEST);
    g->libexec = msg_get_text(m, PATH_LONGEST);
    g->backend = msg_get_text(m, WORD_LONGEST);
    g->d = (struct disk){ .name = g->name, .state = g->state, .run = g->run, .libexec = g->libexec, .backend = g->backend };
    g->d.bytes = msg_get_u64(m);
    g->d.inodes = msg_get_u64(m);
    g->d.owner = msg_get_u32(m);
    g->d.project = msg_get_u32(m);
}

static void begin(struct msg *answer)
{
    msg_begin(answer, LAUNCH_DONE, 0);
    msg_put_u32(answer, 1);
    msg_put_u32(answer, 0);
    msg_put_str(answer, "");
    msg_put_str(answer, "");
}

static int finish(struct msg *answer)
{
    if (msg_send(LINK_FD, answer) < 0)
        die_errno("answer");
    return JOB_ANSWERED;
}

static int with_limits(struct msg *m, int (*run)(struct disk *d, struct err *e), struct err *e)
{
    GIVEN g = { 0 };
    get(m, &g);
    msg_end(m);
    if (run(&g.d, e) < 0)
        return -1;
    struct msg answer MSG_FREE;
    begin(&answer);
    msg_put_u64(&answer, g.d.bytes);
    msg_put_u64(&answer, g.d.inodes);
    msg_put_u64(&answer, g.d.used);
    msg_put_u64(&answer, g.d.used_inodes);
    msg_put_str(&answer, g.d.backend);
    msg_put_u32(&answer, (uint32_t)g.d.kind);
    msg_put_str(&answer, g.d.count);
    CLOSE_FD int link = g.d.kind == DISK_COUNT_TOLD ? fuse_link_open(g.d.run, g.d.name, e) : -1;
    if (g.d.kind == DISK_COUNT_TOLD && link < 0)
        return -1;
    if (link >= 0)
        msg_put_fd(&answer, link);
    return finish(&answer);
}

int job_disk_up(struct msg *m, struct err *e)
{
    return with_limits(m, disk_up, e);
}

int job_disk_resize(struct msg *m, struct err *e)
{
    return with_limits(m, disk_resize, e);
}

int job_disk_down(struct msg *m, struct err *e)
{
    GIVEN g = { 0 };
    get(m, &g);
    msg_end(m);
    return disk_down(&g.d, e);
}

/* Nobody waits for it any more: the daemon has gone, or who asked has. */
static bool left(void)
{
    struct pollfd p = { .fd = LINK_FD, .events = POLLIN };
    return poll(&p, 1, 0) > 0;
}

static bool tell(void *data UNUSED, const char *what, const struct copied *far)
{
    static uint64_t next;
    if (left())
        return false;
    if (now_ms() < next)
        return true;
    struct msg m MSG_FREE;
    next = now_ms() + PROGRESS_MS;
    msg_begin(&m, LAUNCH_PROGRESS, 0);
    msg_put_str(&m, what);
    msg_put_u64(&m, far->bytes);
    msg_put_u64(&m, far->inodes);
    return msg_send(LINK_FD, &m) == 0;
}

int job_disk_migrate(struct msg *m, struct err *e)
{
    GIVEN g = { 0 };
    get(m, &g);
    FREE_MEM char *to = msg_get_text(m, WORD_LONGEST);
    struct migration job = { .to = to, .dry = msg_get_u32(m) != 0, .tell = tell };
    msg_end(m);
    if (disk_migrate(&g.d, &job, e) < 0)
        return -1;
    struct msg answer MSG_FREE;
    begin(&answer);
    msg_put_str(&answer, job.from ? job.from : "");
    msg_put_u64(&answer, job.moved.bytes);
    msg_put_u64(&answer, job.moved.inodes);
    msg_put_u64(&answer, job.free);
    msg_put_u64(&answer, job.moved.left_out);
    msg_put_str(&answer, job.note);
    return finish(&answer);
}

/* ---- whether a backend can be used ---- */

struct tried { struct buf text; bool fits; };

static void say(void *data, const struct backend *b, const char *why)
{
    struct tried *t = data;
    t->fits |= why[0] == '\0';
    buf_put_fmt(&t->text, "%s%s%s%s", buf_size(&t->text) ? "; " : "", b->word, why[0] ? " does not fit: " : "", why);
}

static void try_fit(const struct place *p, const struct disk *d, struct tried *t)
{
    struct err e = { 0 };
    char why[400];
    const struct backend *b = backend_find(d->backend);
    if (strcmp(d->backend, "auto") == 0)
        choose_auto(p, d, say, t);
    else if (b)
        say(t, b, b->fit(p, d, &e) < 0 ? err_text(&e, why, sizeof why) : "");
    else
        buf_put_fmt(&t->text, "%s: not in this build", d->backend);
}

int job_disk_fit(struct msg *m, struct err *e)
{
    GIVEN g = { 0 };
    PLACE p = PLACE_NONE;
    get(m, &g);
    msg_end(m);
    if (place_look(&p, g.state, g.name, e) < 0)
        return -1;
    struct tried t = { .text = BUF(4096) };
    try_fit(&p, &g.d, &t);
    struct msg answer MSG_FREE;
    begin(&answer);
    msg_put_u32(&answer, t.fits);
    msg_put_bytes(&answer, buf_size(&t.text) ? (const void *)buf_head(&t.text) : "", buf_size(&t.text));
    buf_free(&t.text);
    return finish(&answer);
}
