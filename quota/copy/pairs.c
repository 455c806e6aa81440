#include "quota/copy/pairs.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/mem.h"

struct pair { uint64_t dev, ino, number; bool taken; };

static struct { struct pair *v; size_t size, n; } table;

static struct pair *slot(struct pair *v, size_t size, uint64_t dev, uint64_t ino)
{
    size_t at = (size_t)((ino * UINT64_C(0x9e3779b97f4a7c15)) ^ (dev * UINT64_C(0xc2b2ae3d27d4eb4f))) & (size - 1);
    while (v[at].taken && (v[at].ino != ino || v[at].dev != dev))
        at = (at + 1) & (size - 1);
    return &v[at];
}

static void grow(void)
{
    size_t size = table.size ? table.size * 2 : 1024;
    struct pair *v = mem_array(size, sizeof *v);
    for (size_t i = 0; i < table.size; i++)
        if (table.v[i].taken)
            *slot(v, size, table.v[i].dev, table.v[i].ino) = table.v[i];
    free(table.v);
    table.v = v;
    table.size = size;
}

bool pairs_note(dev_t dev, ino_t ino, uint64_t *number)
{
    if (table.n * 2 >= table.size)
        grow();
    struct pair *p = slot(table.v, table.size, dev, ino);
    if (p->taken) {
        *number = p->number;
        return false;
    }
    *p = (struct pair){ dev, ino, *number, true };
    table.n++;
    return true;
}
