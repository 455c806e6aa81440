#include "sshd/files/handle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/die.h"
#include "base/mem.h"
#include "quota/gate.h"
#include "sshd/attrs.h"
#include "sshd/files/failure.h"

struct handles *handles_new(uint32_t n)
{
    struct handles *h = mem_new(sizeof *h + n * sizeof h->v[0]);
    h->n = n;
    return h;
}

static int fail_account(struct worker *w)
{
    const struct handles *h = w->handles;
    uint64_t limit = gate_limit(h->gate);
    char more[80] = "";
    if (limit < h->account)
        snprintf(more, sizeof more, "; this machine shares %" PRIu32 " among those connected", h->node);
    return fail(w, FX_FAILURE, "too many open handles: your account has %" PRIu64 " of %" PRIu64 " open (per account %" PRIu32 ")%s",
                gate_leased(h->gate), limit, h->account, more);
}

int handle_room(struct worker *w)
{
    struct handles *h = w->handles;
    if (h->used == h->n)
        return fail(w, FX_FAILURE, "too many open handles (at most %" PRIu32 ")", h->n);
    if (gate_take(h->gate, h->slot, 0, 1, 1) != 1)
        return fail_account(w);
    /* The limit is looked at again: it may have been lowered to what was in use before this one, and the rest given to others. */
    if (gate_leased(h->gate) > gate_limit(h->gate)) {
        gate_give(h->gate, h->slot, 1);
        return fail_account(w);
    }
    h->used++;
    return 0;
}

void handle_room_back(struct worker *w)
{
    w->handles->used--;
    gate_give(w->handles->gate, w->handles->slot, 1);
}

uint32_t handle_new(struct worker *w, int fd, struct list *list)
{
    struct handles *h = w->handles;
    uint32_t i = 0;
    while (h->v[i].open)
        i++;
    h->v[i] = (struct handle){ .open = true, .fd = fd, .list = list };
    return i;
}

struct handle *handle_get(struct handles *h, uint32_t number)
{
    if (number >= h->n || !h->v[number].open)
        die("peer broke a rule: handle %u is not open", number);
    return &h->v[number];
}

void handle_close(struct worker *w, uint32_t number)
{
    struct handle *one = handle_get(w->handles, number);
    close(one->fd);
    if (one->list) {
        free(one->list);
        /* What a listing and its answers took, 32 KiB and more, is not wanted by most of those who looked at a folder and are idle now. */
        mem_rest();
    }
    *one = (struct handle){ .fd = -1 };
    handle_room_back(w);
}
