#include "quota/quotafs/extent.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "base/attr.h"

enum { EACH = 64, FEW = 2 };

struct ask {
    struct fiemap map;
    struct fiemap_extent each[EACH];
};

static uint64_t common(const struct fiemap_extent *x, uint64_t from, uint64_t end)
{
    uint64_t a = x->fe_logical > from ? x->fe_logical : from, last = x->fe_logical + x->fe_length, b = last < end ? last : end;
    return b > a ? b - a : 0;
}

uint64_t extent_missing(int fd, uint64_t off, uint64_t len, uint64_t unit, bool written)
{
    uint32_t not = FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_SHARED | FIEMAP_EXTENT_ENCODED;
    uint64_t from = off - off % unit, end = off + len, missing;
    end += (unit - end % unit) % unit;
    missing = end - from;
    for (uint64_t at = from; at < end;) {
        struct ask a = { .map = { .fm_start = at, .fm_length = end - at, .fm_flags = FIEMAP_FLAG_SYNC, .fm_extent_count = EACH } };
        if (ioctl(fd, FS_IOC_FIEMAP, &a.map) < 0 || a.map.fm_mapped_extents == 0)
            break;
        for (uint32_t i = 0; i < a.map.fm_mapped_extents; i++) {
            const struct fiemap_extent *x = &a.each[i];
            if (!(x->fe_flags & (not | (written ? FIEMAP_EXTENT_UNWRITTEN : 0))))
                missing -= common(x, at > from ? at : from, end);
            if (x->fe_flags & FIEMAP_EXTENT_LAST)
                return missing;
        }
        const struct fiemap_extent *x = &a.each[a.map.fm_mapped_extents - 1];
        if (x->fe_logical + x->fe_length <= at)
            break;
        at = x->fe_logical + x->fe_length;
    }
    return missing;
}

bool extent_few(int fd)
{
    struct fiemap map = { .fm_length = UINT64_MAX, .fm_flags = FIEMAP_FLAG_SYNC };
    return ioctl(fd, FS_IOC_FIEMAP, &map) == 0 && map.fm_mapped_extents <= FEW;
}
