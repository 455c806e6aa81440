#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "store/proto.h"
#include "store/stored/activity_in.h"
#include "store/stored/db.h"

/* The most one record holds, so that sums of it stay whole numbers. */
#define NUMBER_MOST (INT64_C(1) << 60)

static uint64_t mix(uint64_t h, const void *bytes, size_t size)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < size; i++)
        h = (h ^ p[i]) * UINT64_C(1099511628211);
    return (h ^ size) * UINT64_C(1099511628211);
}

/* Only a hint: what is found by it is compared byte for byte by the database. */
static uint64_t hash_of(const struct deed *d)
{
    uint64_t h = mix(UINT64_C(14695981039346656037), d->server, strlen(d->server));
    h = mix(h, &d->action, sizeof d->action);
    if (d->action != ACTIVITY_WRITE)
        h = mix(h, &d->number, sizeof d->number);
    return mix(h, d->path, d->npath);
}

/* Of these the same again says no more than once.  All else makes or moves names: what comes behind it is about other files. */
static bool repeats(const struct deed *d)
{
    return d->action == ACTIVITY_WRITE || d->action == ACTIVITY_CHMOD || d->action == ACTIVITY_TRUNCATE || d->action == ACTIVITY_INPUT;
}

static int64_t number_of(const struct deed *d)
{
    return d->number > (uint64_t)NUMBER_MOST ? NUMBER_MOST : (int64_t)d->number;
}

/* 1: counted in a record there is. */
static int again(struct activity *a, struct recent *r, const struct deed *d, uint64_t hash, int64_t now, struct err *e)
{
    for (size_t i = 0; i < RECENT_MOST; i++) {
        if (r->last[i].hash != hash || r->last[i].id == 0 || r->last[i].until <= now)
            continue;
        int n = activity_run(a, AGAIN, e, "tiiiiibbi", d->server, r->last[i].id, (int64_t)ACTIVITY_WRITE, number_of(d), (int64_t)d->flags,
                             (int64_t)d->action, d->path, d->npath, d->other, d->nother, (int64_t)ACTIVITY_UNFINISHED);
        if (n != 0)
            return n;
    }
    return 0;
}

static int insert(struct activity *a, const struct deed *d, int64_t now, struct err *e)
{
    struct place *p = activity_place(a, d->server);
    if (activity_run(a, ADD, e, "tiittibbii", d->server, ++a->id, now, d->account, d->address, (int64_t)d->action, d->path, d->npath,
                     d->other, d->nother, number_of(d), (int64_t)d->flags) < 0)
        return -1;
    p->fresh += 1 + (int64_t)(d->npath + d->nother) / 512;
    return 0;
}

static int add(struct activity *a, struct recent *r, const struct deed *d, int64_t now, struct err *e)
{
    bool repeat = r && repeats(d) && !(d->flags & ACTIVITY_UNFINISHED);
    if (r && !repeats(d))
        *r = (struct recent){ .epoch = r->epoch };
    uint64_t hash = repeat ? hash_of(d) : 0;
    int n = repeat ? again(a, r, d, hash, now, e) : 0;
    if (n != 0)
        return n < 0 ? -1 : 0;
    if (insert(a, d, now, e) < 0)
        return -1;
    if (repeat) {
        unsigned at = r->at++ % RECENT_MOST;
        r->last[at].hash = hash;
        r->last[at].id = a->id;
        r->last[at].until = now + RECENT_MS;
    }
    return 0;
}

/* Until it is committed, nothing weighs. */
static void settle(struct activity *a, bool committed)
{
    for (size_t i = 0; i < a->nplaces; i++) {
        struct place *p = a->places[i];
        if (committed) {
            p->weight += p->fresh;
            a->weight += p->fresh;
        }
        p->fresh = 0;
    }
}

static int undone(struct activity *a)
{
    settle(a, false);
    a->open = false;
    a->epoch++;
    activity_failed(a);
    if (a->db && !sqlite3_get_autocommit(a->db))
        activity_run(a, ROLLBACK, NULL, "");
    return -1;
}

int activity_add(struct activity *a, struct recent *recent, const struct deed *deeds, size_t n, struct err *e)
{
    int64_t now = wall_ms();
    int r = a->open || activity_run(a, BEGIN, e, "") >= 0 ? 0 : -1;
    a->open = r == 0;
    if (recent && recent->epoch != a->epoch)
        *recent = (struct recent){ .epoch = a->epoch };
    for (size_t i = 0; i < n && r == 0; i++)
        r = add(a, recent, &deeds[i], now, e);
    return r < 0 ? undone(a) : 0;
}

int activity_commit(struct activity *a, struct err *e)
{
    if (!a->open)
        return 0;
    if (activity_run(a, COMMIT, e, "") < 0)
        return undone(a);
    a->open = false;
    settle(a, true);
    activity_grown(a);
    return 0;
}
