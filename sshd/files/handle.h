/* Open files and directories of the session, by number.  The worker keeps a descriptor of each; for files the session has its own of the
   same open file. */
#ifndef FILES_HANDLE_H
#define FILES_HANDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LIST_SPACE = 32 * 1024 };

/* What getdents64 gave and was not yet sent. */
struct list {
    size_t at, len;
    char space[LIST_SPACE] __attribute__((aligned(8)));
};

struct handle {
    bool open;
    int fd;
    uint64_t leased;     /* out of the gate for this file */
    struct list *list;   /* directories only; owned */
};

struct handles {
    uint32_t n;
    struct handle v[];
};

struct handles *handles_new(uint32_t n);
/* Takes FD and LIST over.  The number, or -1 with errno EMFILE when all are taken (FD and LIST stay the caller's). */
int handle_new(struct handles *h, int fd, struct list *list);
/* The session keeps its own numbers right: one that is not open ends us. */
struct handle *handle_get(struct handles *h, uint32_t number);
void handle_close(struct handles *h, uint32_t number);

#endif
