/* Open files and directories of the session, by number.  The worker keeps a descriptor of each; for files the session has its own of the
   same open file. */
#ifndef FILES_HANDLE_H
#define FILES_HANDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sshd/files/worker.h"

enum { LIST_SPACE = 32 * 1024 };

/* What getdents64 gave and was not yet sent. */
struct list {
    size_t at, len;
    char space[LIST_SPACE] __attribute__((aligned(8)));
};

struct handle {
    bool open, made;     /* made: the file was not there before */
    int fd;
    uint64_t leased;     /* out of the gate for this file */
    struct list *list;   /* directories only; owned */
};

struct handles {
    uint32_t n, used;    /* places; those taken */
    struct gate *gate;   /* of the account: handles in place of bytes; its limit is the account's share of the machine's */
    unsigned slot;
    uint32_t account, node;   /* what limits that, for words */
    struct handle v[];
};

struct handles *handles_new(uint32_t n);
/* Before anything is opened: takes room for one more, on the channel and in the account; handle_new or handle_room_back follows.  -1 with
   w->failure. */
int handle_room(struct worker *w);
void handle_room_back(struct worker *w);
/* Takes FD and LIST over.  The number. */
uint32_t handle_new(struct worker *w, int fd, struct list *list);
/* The session keeps its own numbers right: one that is not open ends us. */
struct handle *handle_get(struct handles *h, uint32_t number);
void handle_close(struct worker *w, uint32_t number);

#endif
