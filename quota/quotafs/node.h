/* The inodes that the kernel knows of: one entry each, without a descriptor.  An entry has one of its inode's names (where it lies in which
   folder), so that it can be opened; the name goes when it is unlinked, and comes back with the next lookup of another.

   An entry lives while the kernel has it looked up, is a folder of another's name, or is open.  When its inode has no name left and is not open
   its blocks and the inode itself are given back to the ledger. */
#ifndef QUOTAFS_NODE_H
#define QUOTAFS_NODE_H

#include <pthread.h>
#include <stdint.h>
#include <sys/stat.h>

struct file;
struct folder;
struct ledger;

struct node {
    struct node *next;         /* of the hash */
    struct node *parent;       /* NULL with NAME */
    char *name;
    union {
        struct file *file;     /* while open; regular files */
        struct folder *folder; /* while its descriptor is kept; folders */
    };
    uint64_t ino;
    uint64_t lookups;          /* the kernel's */
    uint64_t real;             /* bytes of blocks that the ledger has of it; of an open file in its charge */
    uint32_t children;         /* entries whose parent it is */
    uint32_t links;            /* names; of a folder 1 or 0 */
    uint32_t type;             /* S_IFMT bits */
    uint32_t uses : 31;        /* besides lookups and children */
    uint32_t given : 1;        /* the inode was given back to the ledger */
};

struct nodes {
    pthread_mutex_t lock;      /* of all entries' fields */
    struct node **heads;
    uint64_t mask, n;
    struct ledger *ledger;
    struct node root;
};

void nodes_init(struct nodes *t, struct ledger *l, const struct stat *root);

/* All of these with the lock held. */
struct node *node_find(struct nodes *t, uint64_t ino);
/* The entry of the inode ST found as NAME in PARENT, made when missing; not counted as a lookup yet. */
struct node *node_at(struct nodes *t, const struct stat *st, struct node *parent, const char *name);
void node_rename(struct nodes *t, struct node *n, struct node *parent, const char *name);
/* NAME in PARENT is gone; N's own name if that was it. */
void node_unlinked(struct nodes *t, struct node *n, const struct node *parent, const char *name);
/* Frees it, and parents that only it held, if nothing holds it. */
void node_let_go(struct nodes *t, struct node *n);

/* Its inode has no name and is not open: what the ledger has of it goes back. */
void node_give(struct nodes *t, struct node *n);

/* Takes the lock itself. */
void node_forget(struct nodes *t, struct node *n, uint64_t lookups);

static inline uint64_t blocks_of(const struct stat *st)
{
    return (uint64_t)st->st_blocks * 512;
}

#endif
