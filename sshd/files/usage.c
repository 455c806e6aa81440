#include "quota/kind.h"
#include "sshd/files/usage.h"

#include <stdlib.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "sshd/proto.h"

static void inodes_of(const struct statfs *f, struct usage *u)
{
    u->inodes_limit = f->f_files;
    u->inodes = f->f_files > f->f_ffree ? f->f_files - f->f_ffree : 0;
}

/* Two views of the same disk: what is not available, and what is taken.  Where the file system was made to the limit the first is exact, and what
   everybody shows; else the larger one keeps us from both the limit and the wall. */
static void by_statfs(const struct worker *w, struct usage *u)
{
    struct statfs f;
    if (fstatfs(w->root, &f) < 0)
        die_errno("fstatfs");
    uint64_t block = (uint64_t)f.f_bsize, available = f.f_bavail * block;
    uint64_t gone = available < u->limit ? u->limit - available : 0;
    uint64_t taken = (f.f_blocks - f.f_bfree) * block;
    /* The block of the top directory, which no limit counts. */
    taken -= taken < w->top ? taken : w->top;
    uint64_t size = (f.f_blocks - (f.f_bfree - f.f_bavail)) * block;
    bool made_to_it = size >= u->limit && size - u->limit <= DISK_ON_TOP;
    u->used = made_to_it || gone > taken ? gone : taken;
    inodes_of(&f, u);
}

static void by_ledger(const struct worker *w, struct usage *u)
{
    u->used = gate_used(w->gate);
    u->inodes = gate_inodes(w->gate, &u->inodes_limit);
}

/* A number in decimal, as sysfs shows it; the file is asked again each time. */
static void by_file(const struct worker *w, struct usage *u)
{
    char text[32], *end;
    ssize_t n = pread(w->usage_fd, text, sizeof text - 1, 0);
    if (n < 0)
        die_errno("the disk's use");
    text[n] = '\0';
    u->used = strtoull(text, &end, 10);
    if (end == text)
        die("the disk's use is no number");
    struct statfs f;
    if (fstatfs(w->root, &f) < 0)
        die_errno("fstatfs");
    inodes_of(&f, u);
}

static void by_objects(const struct worker *w, struct usage *u)
{
    by_statfs(w, u);
    gate_inodes(w->gate, &u->inodes_limit);
}

static void (*const kinds[])(const struct worker *w, struct usage *u) = {
    [DISK_COUNT_STATFS] = by_statfs, [DISK_COUNT_LEDGER] = by_ledger, [DISK_COUNT_FILE] = by_file,
    [DISK_COUNT_OBJECTS] = by_objects,
};

bool usage_kind_ok(uint32_t kind)
{
    return kind < countof(kinds);
}

void usage_now(const struct worker *w, struct usage *u)
{
    *u = (struct usage){ .limit = gate_limit(w->gate) };
    kinds[w->usage](w, u);
}

bool usage_settle(struct worker *w)
{
    uint64_t now = now_ms();
    if (w->usage != DISK_COUNT_FILE || now < w->settle_at)
        return false;
    w->settle_at = now + 1000;
    return syncfs(w->root) == 0;
}
