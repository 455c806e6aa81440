#include "sshd/supervisor/usage_disk.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "sshd/proto.h"
#include "sshd/supervisor/count.h"
#include "sshd/supervisor/told.h"
#include "sshd/supervisor/warn.h"

struct used { uint64_t bytes, inodes; };

static bool ask(const struct server *v, struct statvfs *st)
{
    FREE_MEM char *root = mem_fmt("%s/servers/%s", v->super->conf.paths.state, v->name);
    return statvfs(root, st) == 0;
}

static uint64_t inodes_of(const struct server *v, const struct statvfs *st)
{
    return v->inodes_limit > st->f_ffree ? v->inodes_limit - st->f_ffree : 0;
}

/* The root folder's own block is no user's. */
enum { ROOT = 4096 };

/* The file system was made to the limit: what is not available is used, and none is left of it with a few blocks more taken, which are no user's.
   Of one that holds more than a limit that came later, what is taken. */
static struct used by_statfs(const struct server *v)
{
    struct statvfs st;
    if (!ask(v, &st))
        return (struct used){ 0, 0 };
    uint64_t left = (uint64_t)st.f_bavail * st.f_frsize, taken = (uint64_t)(st.f_blocks - st.f_bfree) * st.f_frsize;
    uint64_t used = v->disk_limit > left ? v->disk_limit - left : 0;
    return (struct used){ left == 0 && taken > used + DISK_ON_TOP ? taken - ROOT : used, inodes_of(v, &st) };
}

/* With those of the file system's own. */
static struct used by_objects(const struct server *v)
{
    struct statvfs st;
    if (!ask(v, &st))
        return (struct used){ 0, 0 };
    return (struct used){ by_statfs(v).bytes, st.f_files > st.f_ffree ? st.f_files - st.f_ffree : 0 };
}

static struct used by_ledger(const struct server *v)
{
    uint64_t limit;
    return v->gate ? (struct used){ gate_used(v->gate), gate_inodes(v->gate, &limit) } : (struct used){ 0, 0 };
}

static struct used by_file(const struct server *v)
{
    char text[32];
    struct statvfs st;
    ssize_t n = pread(v->usage_fd, text, sizeof text - 1, 0);
    if (n <= 0 || !ask(v, &st))
        return (struct used){ 0, 0 };
    text[n] = '\0';
    return (struct used){ strtoull(text, NULL, 10), st.f_files ? inodes_of(v, &st) : 0 };
}

static struct used by_told(const struct server *v)
{
    struct used u;
    told_used(v, &u.bytes, &u.inodes);
    return u;
}

static const struct {
    struct used (*used)(const struct server *v);
    struct usage_apart apart;
} kinds[] = {
    /* ext4_make gives the first block of the root directory, and its inode, on top of the limits. */
    [DISK_COUNT_STATFS] = { by_statfs, { 4096, 1, "the top directory itself (its inode and first block), which is given on top of the limits" } },
    [DISK_COUNT_LEDGER] = { by_ledger, { 0, 0, "" } },
    [DISK_COUNT_FILE] = { by_file, { 0, 0, "" } },
    [DISK_COUNT_OBJECTS] = { by_objects, { 0, 0, "" } },
    [DISK_COUNT_TOLD] = { by_told, { 0, 0, "" } },
};

uint64_t server_disk_used(struct server *v, uint64_t *inodes)
{
    *inodes = 0;
    bool mounted = v->disk == DISK_UP || (v->disk == DISK_WORKING && v->resizing);
    if (!mounted || v->usage >= countof(kinds))
        return 0;
    struct used u = kinds[v->usage].used(v);
    *inodes = u.inodes;
    warn_look(v, u.bytes, u.inodes);
    return u.bytes;
}

struct usage_apart usage_apart(const struct server *v)
{
    return v->usage < countof(kinds) ? kinds[v->usage].apart : kinds[DISK_COUNT_LEDGER].apart;
}

void usage_begin(struct server *v)
{
    if (v->usage == DISK_COUNT_FILE && v->usage_fd < 0)
        v->usage_fd = open(v->count_path, O_RDONLY | O_CLOEXEC);
    if (v->usage != DISK_COUNT_LEDGER || v->count)
        return;
    v->count = count_keep(v);
}

void usage_end(struct server *v)
{
    told_end(v);
    count_end(v->count);
    v->count = NULL;
    cleanup_fd(&v->usage_fd);
    v->usage_fd = -1;
}
