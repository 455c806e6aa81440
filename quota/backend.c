#include "quota/backend.h"

#include <errno.h>
#include <string.h>

#include "quota/btrfs.h"
#include "quota/choose.h"
#include "quota/fuse.h"
#include "quota/image.h"
#include "quota/migrate.h"
#include "quota/none.h"
#include "quota/place.h"
#include "quota/project.h"
#include "quota/record.h"
#include "quota/tree.h"
#include "quota/zfs.h"

const struct backend *const backends[] = {
    &backend_project,
    &backend_zfs,
    &backend_btrfs,
    &backend_image,
    &backend_fuse,
    &backend_none,
    NULL,
};

const struct backend *backend_find(const char *word)
{
    for (size_t i = 0; backends[i]; i++)
        if (strcmp(backends[i]->word, word) == 0)
            return backends[i];
    return NULL;
}

static int open_place(struct place *p, const struct disk *d, struct err *e)
{
    return place_open(p, d->state, d->name, e) < 0 ? -1 : migrate_settle(p, d, e);
}

/* A disk of an earlier version gets its record here; the first words on a new one are written before its files. */
static int note(const struct place *p, const struct backend *b, struct err *e)
{
    struct record has, r = { 0 };
    memcpy(r.backend, b->word, strlen(b->word));
    int is = record_read(p, &has, e);
    return is < 0 ? -1 : is && strcmp(has.backend, r.backend) == 0 ? 0 : record_write(p, &r, e);
}

static int up_at(const struct place *p, struct disk *d, struct err *e)
{
    const struct backend *b;
    bool fresh;
    if (choose_for(p, d, &b, &fresh, e) < 0 || note(p, b, e) < 0)
        return -1;
    d->count[0] = '\0';
    d->kind = b->count;
    if (b->up(p, d, e) == 0) {
        d->backend = b->word;
        return 0;
    }
    struct err other;
    if (fresh && !b->has(p))
        record_remove(p, &other);
    return -1;
}

int disk_up(struct disk *d, struct err *e)
{
    PLACE p = PLACE_NONE;
    if (tree_owner_ok(d->owner, e) < 0 || open_place(&p, d, e) < 0)
        return -1;
    return up_at(&p, d, e);
}

/* 1 and *B of files that are there, or -1: ENOENT when there are none. */
static int found(const struct place *p, const struct backend **b, struct err *e)
{
    int is = choose_found(p, b, e);
    return is == 0 ? err_set(e, ENOENT, "quota", "%s has no files", p->folder) : is;
}

int disk_resize(struct disk *d, struct err *e)
{
    PLACE p = PLACE_NONE;
    const struct backend *b;
    if (tree_owner_ok(d->owner, e) < 0 || open_place(&p, d, e) < 0 || found(&p, &b, e) < 0)
        return -1;
    d->count[0] = '\0';
    d->kind = b->count;
    d->backend = b->word;
    return (b->resize ? b->resize : b->up)(&p, d, e);
}

static int down_at(const struct place *p, const struct disk *d, struct err *e)
{
    const struct backend *b;
    uint64_t mount;
    dev_t dev;
    int is = choose_found(p, &b, e);
    if (is)
        return is < 0 ? -1 : b->down(p, d, e);
    is = place_mounted(p, &mount, &dev, e);
    return is > 0 ? place_foreign(p, e) : is;
}

int disk_down(const struct disk *d, struct err *e)
{
    PLACE p = PLACE_NONE;
    return open_place(&p, d, e) < 0 ? -1 : down_at(&p, d, e);
}

int disk_use(struct disk *d, struct err *e)
{
    PLACE p = PLACE_NONE;
    const struct backend *b;
    d->used = d->used_inodes = 0;
    if (open_place(&p, d, e) < 0 || found(&p, &b, e) < 0)
        return -1;
    return b->use ? b->use(&p, d, e) : 0;
}

int disk_drop(const struct disk *d, struct err *e)
{
    PLACE p = PLACE_NONE;
    const struct backend *b;
    if (open_place(&p, d, e) < 0 || down_at(&p, d, e) < 0)
        return -1;
    int is = choose_found(&p, &b, e);
    if (is < 0 || (is && b->drop(&p, d, e) < 0))
        return -1;
    return record_remove(&p, e);
}
