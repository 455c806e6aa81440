#include "quota/btrfs_tree.h"

#include <endian.h>
#include <linux/btrfs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/mem.h"

enum { A_TIME = 4096 };

/* One answer's items: how many came in *SEEN, where to go on in *NEXT. */
static int each(const struct btrfs_ioctl_search_args *a, uint64_t object, uint32_t type, btrfs_item_fn *fn, void *arg, uint64_t *next)
{
    size_t at = 0;
    for (uint32_t n = 0; n < a->key.nr_items; n++) {
        struct btrfs_ioctl_search_header h;
        memcpy(&h, a->buf + at, sizeof h);
        at += sizeof h;
        const struct btrfs_item item = { h.objectid, h.offset, h.len, a->buf + at };
        at += h.len;
        *next = h.offset + 1;
        int r = h.objectid == object && h.type == type ? fn(arg, &item) : 0;
        if (r)
            return r;
    }
    return 0;
}

int btrfs_items(int fs, uint64_t tree, uint64_t object, uint32_t type, btrfs_item_fn *fn, void *arg)
{
    struct btrfs_ioctl_search_args a = { 0 };
    uint64_t next = 0;
    do {
        a.key = (struct btrfs_ioctl_search_key){
            .tree_id = tree, .min_objectid = object, .max_objectid = object, .min_type = type, .max_type = type,
            .min_offset = next, .max_offset = UINT64_MAX, .max_transid = UINT64_MAX, .nr_items = A_TIME,
        };
        if (ioctl(fs, BTRFS_IOC_TREE_SEARCH, &a) < 0)
            return -1;
        int r = each(&a, object, type, fn, arg, &next);
        if (r)
            return r;
    } while (a.key.nr_items && next);
    return 0;
}

uint64_t btrfs_u64(const struct btrfs_item *i, size_t at)
{
    uint64_t v = 0;
    if (at + sizeof v <= i->len)
        memcpy(&v, (const char *)i->bytes + at, sizeof v);
    return le64toh(v);
}

void btrfs_ids_free(struct btrfs_ids *l)
{
    free(l->at);
}

void btrfs_ids_add(struct btrfs_ids *l, uint64_t id)
{
    if ((l->n & (l->n - 1)) == 0)
        l->at = mem_grow(l->at, l->n ? l->n * 2 : 1, sizeof *l->at);
    l->at[l->n++] = id;
}

bool btrfs_ids_has(const struct btrfs_ids *l, uint64_t id)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->at[i] == id)
            return true;
    return false;
}
