/* Directories that are known: a tree, found by inode and by watch. */
#ifndef COUNT_FOLDER_H
#define COUNT_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct folder {
    struct folder *parent, *first, *next;
    struct folder *same_ino, *same_wd;   /* further ones of a table's place */
    uint64_t dev, ino;
    uint64_t bytes, inodes, unseen;      /* itself, what is in it but known directories, and all beneath unknown ones */
    int wd;                              /* -1: not watched now */
    bool dirty;
    bool rest;                           /* there are unknown ones beneath it, or its watch was refused */
    bool links;                          /* has inodes of several names */
    bool seen;                           /* in the look under way */
    char *name;
};

struct folders {
    struct folder *root;
    struct folder **by_ino, **by_wd;
    size_t mask, n;
};

/* Room for tables; any number may be added. */
void folders_init(struct folders *t, size_t expected);
void folders_free(struct folders *t);
/* PARENT NULL: the root. */
struct folder *folder_add(struct folders *t, struct folder *parent, const char *name, uint64_t dev, uint64_t ino);
/* With all beneath it; GONE is told of each. */
void folder_drop(struct folders *t, struct folder *f, void (*gone)(void *data, struct folder *f), void *data);
struct folder *folder_of_ino(const struct folders *t, uint64_t dev, uint64_t ino);
struct folder *folder_of_wd(const struct folders *t, int wd);
/* -1: none. */
void folder_watch(struct folders *t, struct folder *f, int wd);
/* It was moved or renamed.  False: it would be beneath itself. */
bool folder_move(struct folder *f, struct folder *parent, const char *name);
/* From the root on, each before those in it; NULL at the end. */
struct folder *folder_after(const struct folder *f);

#endif
