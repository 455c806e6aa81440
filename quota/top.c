#include "quota/top.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct top *top_new(size_t most)
{
    struct top *t = mem_new(sizeof *t);
    t->most = most < TOP_MOST ? most : TOP_MOST;
    t->v = mem_array(t->most + 1, sizeof *t->v);
    return t;
}

void top_free(struct top *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->n; i++)
        free(t->v[i].path);
    free(t->v);
    free(t);
}

bool top_wants(const struct top *t, uint64_t bytes)
{
    return t->n < t->most || (t->most > 0 && bytes > t->v[t->n - 1].bytes);
}

void top_add(struct top *t, uint64_t bytes, const char *path)
{
    size_t at = t->n;
    if (!top_wants(t, bytes))
        return;
    while (at > 0 && t->v[at - 1].bytes < bytes)
        at--;
    memmove(t->v + at + 1, t->v + at, (t->n - at) * sizeof *t->v);
    t->v[at] = (struct top_one){ bytes, mem_str(path) };
    if (t->n < t->most)
        t->n++;
    else
        free(t->v[t->n].path);
}
