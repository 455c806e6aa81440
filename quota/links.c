#include "quota/links.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"

enum { FIRST_ROOM = 1024 };

struct place { uint64_t dev, ino; };   /* ino 0: free; no file system gives it to a file */

struct links {
    pthread_mutex_t lock;
    struct place *v;
    size_t room, n, most;   /* room: a power of two */
    uint64_t over;
};

struct links *links_new(size_t most)
{
    struct links *l = mem_new(sizeof *l);
    pthread_mutex_init(&l->lock, NULL);
    l->most = most;
    return l;
}

void links_free(struct links *l)
{
    if (l == NULL)
        return;
    pthread_mutex_destroy(&l->lock);
    free(l->v);
    free(l);
}

/* Inode numbers are the tenant's to choose in part: mixed, so that they cannot be made to fall together easily. */
static size_t mix(uint64_t dev, uint64_t ino)
{
    uint64_t x = ino * UINT64_C(0x9e3779b97f4a7c15) ^ dev * UINT64_C(0xc2b2ae3d27d4eb4f);
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    return (size_t)(x ^ x >> 29);
}

static struct place *find(struct place *v, size_t room, uint64_t dev, uint64_t ino)
{
    size_t at = mix(dev, ino) & (room - 1);
    while (v[at].ino != 0 && (v[at].ino != ino || v[at].dev != dev))
        at = (at + 1) & (room - 1);
    return &v[at];
}

static void grow(struct links *l)
{
    size_t room = l->room ? l->room * 2 : FIRST_ROOM;
    struct place *v = mem_array(room, sizeof *v);
    for (size_t i = 0; i < l->room; i++)
        if (l->v[i].ino)
            *find(v, room, l->v[i].dev, l->v[i].ino) = l->v[i];
    free(l->v);
    l->v = v;
    l->room = room;
}

static bool first(struct links *l, uint64_t dev, uint64_t ino)
{
    struct place *p = l->room ? find(l->v, l->room, dev, ino) : NULL;
    if (p && p->ino)
        return false;
    if (l->n >= l->most) {
        l->over++;
        return true;
    }
    if (p == NULL || l->n >= l->room / 4 * 3) {
        grow(l);
        p = find(l->v, l->room, dev, ino);
    }
    *p = (struct place){ dev, ino };
    l->n++;
    return true;
}

bool links_first(struct links *l, uint64_t dev, uint64_t ino)
{
    pthread_mutex_lock(&l->lock);
    bool is = first(l, dev, ino);
    pthread_mutex_unlock(&l->lock);
    return is;
}

size_t links_known(struct links *l)
{
    pthread_mutex_lock(&l->lock);
    size_t n = l->n;
    pthread_mutex_unlock(&l->lock);
    return n;
}

uint64_t links_over(struct links *l)
{
    pthread_mutex_lock(&l->lock);
    uint64_t n = l->over;
    pthread_mutex_unlock(&l->lock);
    return n;
}
