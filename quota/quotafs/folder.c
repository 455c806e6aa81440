#include "quota/quotafs/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"

struct folder {
    struct folder *newer, *older;
    struct node *node;
    int fd;
    unsigned uses;
};

/* Under the table's lock, as the entries are. */
static struct folder *newest, *oldest;
static unsigned kept;

static void unlist(struct folder *f)
{
    *(f->newer ? &f->newer->older : &newest) = f->older;
    *(f->older ? &f->older->newer : &oldest) = f->newer;
    kept--;
}

static void list(struct folder *f)
{
    f->newer = NULL;
    f->older = newest;
    *(newest ? &newest->newer : &oldest) = f;
    newest = f;
    kept++;
}

void folder_close(struct node *n)
{
    struct folder *f = n->folder;
    unlist(f);
    close(f->fd);
    n->folder = NULL;
    free(f);
}

/* One whose folder has no name left could not be opened again. */
static void evict(void)
{
    for (struct folder *f = oldest, *newer; f && kept > FOLDERS_KEPT; f = newer) {
        newer = f->newer;
        if (f->uses == 0 && f->node->name)
            folder_close(f->node);
    }
}

static void keep(struct node *n, int fd)
{
    struct folder *f = mem_new(sizeof *f);
    *f = (struct folder){ .node = n, .fd = fd };
    n->folder = f;
    list(f);
}

void folder_root(struct nodes *t, int root)
{
    keep(&t->root, root);
    t->root.folder->uses = 1;
}

static int enter(struct node *n)
{
    struct folder *f = n->folder;
    unlist(f);
    list(f);
    f->uses++;
    n->uses++;
    return f->fd;
}

static void leave(struct nodes *t, struct node *n)
{
    n->folder->uses--;
    n->uses--;
    node_let_go(t, n);
}

void folder_done(struct nodes *t, struct node *n)
{
    pthread_mutex_lock(&t->lock);
    leave(t, n);
    pthread_mutex_unlock(&t->lock);
}

struct way { struct node **steps; size_t n, room; };

/* Up from N to the nearest one that has a descriptor, which is entered; the others, the lowest first, in W. */
static int climb(struct way *w, struct node *n, struct node **above)
{
    while (!n->folder) {
        if (!n->name)
            return errno = n->links ? ESTALE : ENOENT, -1;
        if (w->n == w->room)
            w->steps = mem_grow(w->steps, w->room = w->room ? w->room * 2 : 16, sizeof(struct node *));
        w->steps[w->n++] = n;
        n = n->parent;
    }
    *above = n;
    return enter(n);
}

static int step_down(struct nodes *t, struct node *above, int at, struct node *n)
{
    struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV };
    int fd = (int)syscall(SYS_openat2, at, n->name, &how, sizeof how), no = errno;
    pthread_mutex_lock(&t->lock);
    if (fd >= 0 && n->folder)
        close(fd);
    else if (fd >= 0)
        keep(n, fd);
    fd = fd < 0 ? -1 : enter(n);
    leave(t, above);
    evict();
    pthread_mutex_unlock(&t->lock);
    errno = no;
    return fd;
}

int folder_use(struct nodes *t, struct node *n)
{
    struct way w = { 0 };
    struct node *above = NULL;
    pthread_mutex_lock(&t->lock);
    int fd = climb(&w, n, &above), no = errno;
    pthread_mutex_unlock(&t->lock);
    errno = no;
    while (fd >= 0 && w.n) {
        struct node *below = w.steps[--w.n];
        fd = step_down(t, above, fd, below);
        above = below;
    }
    no = errno;
    free(w.steps);
    errno = no;
    return fd;
}
