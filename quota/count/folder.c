#include "quota/count/folder.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void folders_init(struct folders *t, size_t expected)
{
    size_t n = 64;
    while (n < expected)
        n *= 2;
    *t = (struct folders){ .mask = n - 1, .by_ino = mem_array(n, sizeof *t->by_ino), .by_wd = mem_array(n, sizeof *t->by_wd) };
}

static size_t place_of_ino(const struct folders *t, uint64_t dev, uint64_t ino)
{
    uint64_t x = (ino ^ dev << 17) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(x >> 20) & t->mask;
}

static size_t place_of_wd(const struct folders *t, int wd)
{
    return (size_t)(unsigned)wd & t->mask;
}

struct folder *folder_of_ino(const struct folders *t, uint64_t dev, uint64_t ino)
{
    struct folder *f = t->by_ino[place_of_ino(t, dev, ino)];
    while (f && (f->ino != ino || f->dev != dev))
        f = f->same_ino;
    return f;
}

struct folder *folder_of_wd(const struct folders *t, int wd)
{
    struct folder *f = wd < 0 ? NULL : t->by_wd[place_of_wd(t, wd)];
    while (f && f->wd != wd)
        f = f->same_wd;
    return f;
}

void folder_watch(struct folders *t, struct folder *f, int wd)
{
    if (f->wd == wd)
        return;
    if (f->wd >= 0) {
        struct folder **at = &t->by_wd[place_of_wd(t, f->wd)];
        while (*at != f)
            at = &(*at)->same_wd;
        *at = f->same_wd;
    }
    f->wd = wd;
    if (wd < 0)
        return;
    struct folder **at = &t->by_wd[place_of_wd(t, wd)];
    f->same_wd = *at;
    *at = f;
}

static void join(struct folder *f, struct folder *parent)
{
    f->parent = parent;
    f->next = parent ? parent->first : NULL;
    if (parent)
        parent->first = f;
}

static void part(struct folder *f)
{
    struct folder **at = f->parent ? &f->parent->first : NULL;
    while (at && *at != f)
        at = &(*at)->next;
    if (at)
        *at = f->next;
    f->parent = f->next = NULL;
}

struct folder *folder_add(struct folders *t, struct folder *parent, const char *name, uint64_t dev, uint64_t ino)
{
    struct folder *f = mem_new(sizeof *f), **at = &t->by_ino[place_of_ino(t, dev, ino)];
    *f = (struct folder){ .dev = dev, .ino = ino, .wd = -1, .name = mem_str(name), .same_ino = *at, .seen = true };
    *at = f;
    join(f, parent);
    if (parent == NULL)
        t->root = f;
    t->n++;
    return f;
}

static void drop_one(struct folders *t, struct folder *f)
{
    struct folder **at = &t->by_ino[place_of_ino(t, f->dev, f->ino)];
    while (*at != f)
        at = &(*at)->same_ino;
    *at = f->same_ino;
    folder_watch(t, f, -1);
    part(f);
    free(f->name);
    free(f);
    t->n--;
}

void folder_drop(struct folders *t, struct folder *f, void (*gone)(void *data, struct folder *f), void *data)
{
    struct folder *top = f->parent, *at = f;
    bool root = t->root == f;
    while (at != top || (top == NULL && at)) {
        while (at->first)
            at = at->first;
        struct folder *parent = at->parent;
        bool last = at == f;
        if (gone)
            gone(data, at);
        drop_one(t, at);
        if (last)
            break;
        at = parent;
    }
    if (root)
        t->root = NULL;
}

void folders_free(struct folders *t)
{
    if (t->root)
        folder_drop(t, t->root, NULL, NULL);
    free(t->by_ino);
    free(t->by_wd);
    *t = (struct folders){ .n = 0 };
}

bool folder_move(struct folder *f, struct folder *parent, const char *name)
{
    for (const struct folder *up = parent; up; up = up->parent)
        if (up == f)
            return false;
    if (strcmp(f->name, name) != 0) {
        free(f->name);
        f->name = mem_str(name);
    }
    if (f->parent != parent) {
        part(f);
        join(f, parent);
    }
    return true;
}

struct folder *folder_after(const struct folder *f)
{
    if (f->first)
        return f->first;
    while (f && f->next == NULL)
        f = f->parent;
    return f ? f->next : NULL;
}
