#include "sshd/files/handle.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/die.h"
#include "base/mem.h"

struct handles *handles_new(uint32_t n)
{
    struct handles *h = mem_new(sizeof *h + n * sizeof h->v[0]);
    h->n = n;
    return h;
}

int handle_new(struct handles *h, int fd, struct list *list)
{
    for (uint32_t i = 0; i < h->n; i++)
        if (!h->v[i].open) {
            h->v[i] = (struct handle){ .open = true, .fd = fd, .list = list };
            return (int)i;
        }
    errno = EMFILE;
    return -1;
}

struct handle *handle_get(struct handles *h, uint32_t number)
{
    if (number >= h->n || !h->v[number].open)
        die("peer broke a rule: handle %u is not open", number);
    return &h->v[number];
}

void handle_close(struct handles *h, uint32_t number)
{
    struct handle *one = handle_get(h, number);
    close(one->fd);
    free(one->list);
    *one = (struct handle){ .fd = -1 };
}
