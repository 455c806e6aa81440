#include "sshd/files/space.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "sshd/attrs.h"
#include "sshd/files/failure.h"
#include "sshd/files/usage.h"

enum { HUMAN = 32 };

static uint64_t used_now(void *data)
{
    struct usage u;
    usage_now(data, &u);
    return u.used;
}

uint64_t space_blocks(const struct worker *w, uint64_t bytes)
{
    uint64_t rest = bytes % w->block;
    return rest == 0 ? bytes : bytes > UINT64_MAX - w->block ? UINT64_MAX : bytes - rest + w->block;
}

/* A whole lease while there is plenty, an eighth of what is left near the end: else the handles opened first would sit on all of it. */
static uint64_t share(struct worker *w, uint64_t want)
{
    uint64_t busy = used_now(w) + gate_leased(w->gate), limit = gate_limit(w->gate);
    uint64_t part = busy < limit ? (limit - busy) / 8 : 0;
    if (part > GATE_LEASE)
        part = GATE_LEASE;
    part -= part % w->block;
    return part > want ? part : want;
}

uint64_t space_take(struct worker *w, uint64_t want)
{
    want = share(w, space_blocks(w, want ? want : 1));
    uint64_t granted = gate_take_used(w->gate, w->slot, used_now, w, want, w->block);
    return granted || !usage_settle(w) ? granted : gate_take_used(w->gate, w->slot, used_now, w, want, w->block);
}

/* A file may have as many blocks as its size and a hole none the less: some lie past its end, or hold attributes.  A file system that knows nothing
   of holes names none, and then the count has the last word. */
uint64_t space_high(int fd, const struct stat *st)
{
    uint64_t size = (uint64_t)st->st_size;
    off_t hole = size ? lseek(fd, 0, SEEK_HOLE) : 0;
    if (hole < 0 || ((uint64_t)hole >= size && (uint64_t)st->st_blocks * 512 < size))
        return 0;
    return (uint64_t)hole < size ? (uint64_t)hole : size;
}

void space_wrote(struct worker *w, uint64_t bytes)
{
    gate_wrote(w->gate, w->slot, bytes ? space_blocks(w, bytes) : 0);
}

void space_give(struct worker *w, uint64_t bytes)
{
    gate_give(w->gate, w->slot, bytes);
}

static const char *human(uint64_t n, char *buf)
{
    static const char *const unit[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB" };
    unsigned u = 0;
    uint64_t tenths = n * 10;
    if (n > UINT64_MAX / 16)
        tenths = UINT64_MAX / 16;
    while (tenths >= 10240 && u + 1 < countof(unit)) {
        tenths /= 1024;
        u++;
    }
    if (tenths % 10 == 0)
        snprintf(buf, HUMAN, "%" PRIu64 " %s", tenths / 10, unit[u]);
    else
        snprintf(buf, HUMAN, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10, tenths % 10, unit[u]);
    return buf;
}

int fail_space(struct worker *w)
{
    struct usage u;
    char used[HUMAN], limit[HUMAN];
    usage_now(w, &u);
    if (u.inodes_limit > 0 && u.inodes >= u.inodes_limit)
        return fail(w, FX_FAILURE, "quota exceeded (%llu of %llu files and directories)", (unsigned long long)u.inodes,
                    (unsigned long long)u.inodes_limit);
    return fail(w, FX_FAILURE, "quota exceeded (%s of %s)", human(u.used, used), human(u.limit, limit));
}
