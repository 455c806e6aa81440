#include "quota/quotafs/node.h"

#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/mem.h"
#include "quota/quotafs/folder.h"
#include "quota/quotafs/ledger.h"

enum { HEADS_FIRST = 1024 };

void nodes_init(struct nodes *t, struct ledger *l, const struct stat *root)
{
    *t = (struct nodes){ .mask = HEADS_FIRST - 1, .ledger = l };
    pthread_mutex_init(&t->lock, NULL);
    t->heads = mem_array(HEADS_FIRST, sizeof *t->heads);
    /* The root is never let go. */
    t->root = (struct node){ .ino = root->st_ino, .real = blocks_of(root), .links = 1, .type = S_IFDIR, .uses = 1 };
}

static struct node **head(struct nodes *t, uint64_t ino)
{
    return &t->heads[(ino * 0x9e3779b97f4a7c15ull >> 20) & t->mask];
}

static void resize(struct nodes *t, uint64_t heads)
{
    struct node **old = t->heads;
    uint64_t n = t->mask + 1;
    t->heads = mem_array(heads, sizeof *t->heads);
    t->mask = heads - 1;
    for (uint64_t i = 0; i < n; i++)
        for (struct node *e = old[i], *next; e; e = next) {
            struct node **h = head(t, e->ino);
            next = e->next;
            e->next = *h;
            *h = e;
        }
    free(old);
}

struct node *node_find(struct nodes *t, uint64_t ino)
{
    if (ino == t->root.ino)
        return &t->root;
    struct node *e = *head(t, ino);
    while (e && e->ino != ino)
        e = e->next;
    return e;
}

static void name_drop(struct node *n)
{
    free(n->name);
    if (n->parent)
        n->parent->children--;
    n->name = NULL;
    n->parent = NULL;
}

static void name_set(struct node *n, struct node *parent, const char *name)
{
    n->parent = parent;
    n->name = mem_str(name);
    parent->children++;
}

struct node *node_at(struct nodes *t, const struct stat *st, struct node *parent, const char *name)
{
    struct node *n = node_find(t, st->st_ino);
    if (n == &t->root)
        bug("the root folder is in %s", name);
    if (n) {
        if (!n->name && n->links)
            name_set(n, parent, name);
        return n;
    }
    n = mem_new(sizeof *n);
    *n = (struct node){ .ino = st->st_ino, .real = blocks_of(st), .type = st->st_mode & S_IFMT,
                        .links = S_ISDIR(st->st_mode) ? 1 : (uint32_t)st->st_nlink };
    name_set(n, parent, name);
    struct node **h = head(t, n->ino);
    n->next = *h;
    *h = n;
    if (++t->n > t->mask)
        resize(t, (t->mask + 1) * 2);
    return n;
}

void node_rename(struct nodes *t, struct node *n, struct node *parent, const char *name)
{
    struct node *was = n->parent;
    free(n->name);
    name_set(n, parent, name);
    if (was) {
        was->children--;
        node_let_go(t, was);
    }
}

/* An inode without a name cannot be found, and its number may be another's tomorrow. */
static void take_out(struct nodes *t, struct node *n)
{
    struct node **at = head(t, n->ino);
    while (*at != n)
        at = &(*at)->next;
    *at = n->next;
    t->n--;
    if (t->mask >= HEADS_FIRST && t->n < t->mask / 8)
        resize(t, (t->mask + 1) / 4);
}

void node_give(struct nodes *t, struct node *n)
{
    ledger_give(t->ledger, n->real, !n->given);
    n->real = 0;
    n->given = 1;
}

void node_unlinked(struct nodes *t, struct node *n, const struct node *parent, const char *name)
{
    if (n->links && --n->links == 0) {
        take_out(t, n);
        if (n->type != S_IFREG || !n->file)
            node_give(t, n);
    }
    /* The parent is in use by whoever unlinks. */
    if (n->parent == parent && n->name && strcmp(n->name, name) == 0)
        name_drop(n);
    node_let_go(t, n);
}

void node_let_go(struct nodes *t, struct node *n)
{
    while (n && n != &t->root && n->lookups == 0 && n->children == 0 && n->uses == 0) {
        struct node *parent = n->parent;
        if (n->type == S_IFDIR && n->folder)
            folder_close(n);
        if (n->links)
            take_out(t, n);
        else
            node_give(t, n);
        name_drop(n);
        free(n);
        n = parent;
    }
}

void node_forget(struct nodes *t, struct node *n, uint64_t lookups)
{
    pthread_mutex_lock(&t->lock);
    if (lookups > n->lookups)
        bug("more forgotten than was looked up");
    n->lookups -= lookups;
    node_let_go(t, n);
    pthread_mutex_unlock(&t->lock);
}
