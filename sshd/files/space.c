#include "sshd/files/space.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/vfs.h>

#include "base/die.h"
#include "sshd/attrs.h"
#include "sshd/files/failure.h"

enum { HUMAN = 32 };

/* Two views of the same disk: what is not available, and what is taken.  They are equal where the file system was made to the limit; where its
   own tables cost a little more or less, the larger one keeps us from both the limit and the wall. */
static uint64_t used_of(const struct worker *w, const struct statfs *f)
{
    uint64_t block = (uint64_t)f->f_bsize, limit = gate_limit(w->gate), available = f->f_bavail * block;
    uint64_t gone = available < limit ? limit - available : 0;
    /* Where nothing in the kernel counts for the server, the file system is everybody's, and what is taken of it too. */
    uint64_t taken = w->ledger ? 0 : (f->f_blocks - f->f_bfree) * block;
    return gone > taken ? gone : taken;
}

static void measure(const struct worker *w, struct statfs *f)
{
    if (fstatfs(w->root, f) < 0)
        die_errno("fstatfs");
}

static uint64_t used_now(void *data)
{
    struct worker *w = data;
    struct statfs f;
    measure(w, &f);
    return used_of(w, &f);
}

static uint64_t blocks_up(const struct worker *w, uint64_t bytes)
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
    want = share(w, blocks_up(w, want ? want : 1));
    return gate_take_used(w->gate, w->slot, used_now, w, want, w->block);
}

uint64_t space_high(const struct worker *w, const struct stat *st)
{
    uint64_t size = (uint64_t)st->st_size;
    return (uint64_t)st->st_blocks * 512 < size ? 0 : blocks_up(w, size);
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
    struct statfs f;
    char used[HUMAN], limit[HUMAN];
    measure(w, &f);
    if (f.f_files > 0 && f.f_ffree == 0)
        return fail(w, FX_FAILURE, "quota exceeded (%llu of %llu files and directories)", (unsigned long long)f.f_files,
                    (unsigned long long)f.f_files);
    return fail(w, FX_FAILURE, "quota exceeded (%s of %s)", human(used_of(w, &f), used), human(gate_limit(w->gate), limit));
}
