#include "quota/backend.h"

#include <errno.h>
#include <string.h>

#include "quota/fuse.h"
#include "quota/image.h"
#include "quota/place.h"
#include "quota/tree.h"

const struct backend *const backends[] = {
    &backend_image,
    &backend_fuse,
    NULL,
};

const struct backend *backend_find(const char *word)
{
    for (size_t i = 0; backends[i]; i++)
        if (strcmp(backends[i]->word, word) == 0)
            return backends[i];
    return NULL;
}

int disk_up(struct disk *d, struct err *e)
{
    PLACE p;
    if (tree_owner_ok(d->owner, e) < 0 || place_open(&p, d->state, d->name, e) < 0)
        return -1;
    return backend_image.up(&p, d, e);
}

int disk_down(const struct disk *d, struct err *e)
{
    PLACE p;
    return place_open(&p, d->state, d->name, e) < 0 ? -1 : backend_image.down(&p, d, e);
}
