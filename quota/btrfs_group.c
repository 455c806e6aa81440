#include "quota/btrfs_group.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "quota/btrfs_subvol.h"
#include "quota/btrfs_tree.h"

/* Of kernel 6.7, which the packaged headers do not have. */
enum { ENABLE_SIMPLE = 4, STATUS_SIMPLE = 1 << 3, SINCE_AT = 32 };
enum { SETTLE_MS = 10000 };

static uint64_t level1(uint64_t id)
{
    return (uint64_t)1 << BTRFS_QGROUP_LEVEL_SHIFT | id;
}

/* --- whether there are quotas ------------------------------------------------------------------------------------------------------ */

static int status(void *arg, const struct btrfs_item *i)
{
    struct quota_state *s = arg;
    uint64_t flags = btrfs_u64(i, offsetof(struct btrfs_qgroup_status_item, flags));
    s->mode = !(flags & BTRFS_QGROUP_STATUS_FLAG_ON) ? QUOTA_OFF : flags & STATUS_SIMPLE ? QUOTA_SIMPLE : QUOTA_FULL;
    s->counting = (flags & BTRFS_QGROUP_STATUS_FLAG_RESCAN) != 0;
    s->inconsistent = (flags & BTRFS_QGROUP_STATUS_FLAG_INCONSISTENT) != 0;
    s->since = s->mode == QUOTA_SIMPLE ? btrfs_u64(i, SINCE_AT) : 0;
    return 1;
}

int quota_look(int fs, struct quota_state *s, struct err *e)
{
    *s = (struct quota_state){ .mode = QUOTA_OFF };
    if (btrfs_items(fs, BTRFS_QUOTA_TREE_OBJECTID, 0, BTRFS_QGROUP_STATUS_KEY, status, s) < 0 && errno != ENOENT)
        return err_set(e, errno, "quotas", "look");
    return 0;
}

bool quota_simple_known(void)
{
    return access("/sys/fs/btrfs/features/simple_quota", F_OK) == 0;
}

int quota_switch_on(int fs, struct err *e)
{
    bool simple = quota_simple_known();
    struct btrfs_ioctl_quota_ctl_args a = { .cmd = simple ? ENABLE_SIMPLE : BTRFS_QUOTA_CTL_ENABLE };
    if (ioctl(fs, BTRFS_IOC_QUOTA_CTL, &a) < 0 && errno != EEXIST)
        return err_set(e, errno, "quotas", "switch on");
    if (simple)
        log_warn("simple quotas are on from now on; kernels before 6.7 cannot mount this file system any more", "quotas=simple");
    else
        log_warn("full quotas are on from now on; this kernel knows no simple ones", "quotas=full");
    return 0;
}

int quota_settle(int fs, struct err *e)
{
    struct quota_state s;
    for (uint64_t end = now_ms() + SETTLE_MS;;) {
        if (quota_look(fs, &s, e) < 0)
            return -1;
        if (s.mode != QUOTA_FULL || (!s.counting && !s.inconsistent))
            return 0;
        struct btrfs_ioctl_quota_rescan_args a = { 0 };
        if (!s.counting && ioctl(fs, BTRFS_IOC_QUOTA_RESCAN, &a) == 0)
            log_info("quotas are counted anew", "quotas=full");
        if (now_ms() > end)
            return err_set(e, EAGAIN, "quotas", "this file system's are being counted anew ('btrfs quota rescan -s' tells how far)");
        nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
    }
}

/* --- groups and their members ------------------------------------------------------------------------------------------------------ */

static int member(void *list, const struct btrfs_item *i)
{
    if (i->offset >> BTRFS_QGROUP_LEVEL_SHIFT == 0)     /* others are groups that this one is in */
        btrfs_ids_add(list, i->offset);
    return 0;
}

static int members(int fs, uint64_t id, struct btrfs_ids *list, struct err *e)
{
    if (btrfs_items(fs, BTRFS_QUOTA_TREE_OBJECTID, level1(id), BTRFS_QGROUP_RELATION_KEY, member, list) < 0)
        return err_set(e, errno, "quota group", "look at 1/%" PRIu64, id);
    return 0;
}

static int relate(int fs, uint64_t child, uint64_t group, bool join)
{
    struct btrfs_ioctl_qgroup_assign_args a = { .assign = join, .src = child, .dst = group };
    return ioctl(fs, BTRFS_IOC_QGROUP_ASSIGN, &a);
}

static int exist(int fs, uint64_t group, bool make)
{
    struct btrfs_ioctl_qgroup_create_args a = { .create = make, .qgroupid = group };
    return ioctl(fs, BTRFS_IOC_QGROUP_CREATE, &a);
}

static int join(int fs, uint64_t id, uint64_t child, struct err *e)
{
    int r = relate(fs, child, level1(id), true);
    if (r < 0 && errno != EEXIST)
        return err_set(e, errno, "quota group", "add %" PRIu64 " to 1/%" PRIu64, child, id);
    if (child != id)
        log_warn("a subvolume of the server's own making was not counted, and is now", "group=1/%" PRIu64 " subvolume=%" PRIu64, id, child);
    return 0;
}

/* --- numbers --------------------------------------------------------------------------------------------------------------------------- */

static int file_of(int fs, uint64_t group, const char *what, char *path, size_t size, struct err *e)
{
    struct btrfs_ioctl_fs_info_args a = { 0 };
    char uuid[37];
    const uint8_t *u = a.fsid;
    if (ioctl(fs, BTRFS_IOC_FS_INFO, &a) < 0)
        return err_set(e, errno, "file system", "look");
    snprintf(uuid, sizeof uuid, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8],
             u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
    int n = snprintf(path, size, "/sys/fs/btrfs/%s/qgroups/%" PRIu64 "_%" PRIu64 "/%s", uuid, group >> BTRFS_QGROUP_LEVEL_SHIFT,
                     group & (((uint64_t)1 << BTRFS_QGROUP_LEVEL_SHIFT) - 1), what);
    return n < 0 || (size_t)n >= size ? err_set(e, ENAMETOOLONG, "quota group", "%s", what) : 0;
}

static int number(int fs, uint64_t group, const char *what, uint64_t *to, struct err *e)
{
    char path[128];
    if (file_of(fs, group, what, path, sizeof path, e) < 0)
        return -1;
    FREE_MEM char *text = io_read_file(path, 64, NULL, e);
    if (text == NULL)
        return -1;
    *to = strtoull(text, NULL, 10);
    return 0;
}

int group_use(int fs, uint64_t id, uint64_t *referenced, uint64_t *reserved, struct err *e)
{
    return number(fs, level1(id), "referenced", referenced, e) < 0 || number(fs, level1(id), "rsv_data", reserved, e) < 0 ? -1 : 0;
}

int group_file(int fs, uint64_t id, char *path, size_t size, struct err *e)
{
    return file_of(fs, level1(id), "referenced", path, size, e);
}

int group_limit(int fs, uint64_t id, uint64_t bytes, struct err *e)
{
    struct btrfs_ioctl_qgroup_limit_args a = { .qgroupid = level1(id), .lim = { .flags = BTRFS_QGROUP_LIMIT_MAX_RFER, .max_rfer = bytes } };
    return ioctl(fs, BTRFS_IOC_QGROUP_LIMIT, &a) < 0 ? err_set(e, errno, "quota group", "limit 1/%" PRIu64, id) : 0;
}

/* --- what the group holds --------------------------------------------------------------------------------------------------------- */

/* Takes out a member that was deleted, unless what it wrote lives on in a snapshot: with simple quotas that is still charged to it.  1 if it stays. */
static int forget(int fs, uint64_t id, uint64_t child)
{
    struct err ignored;
    uint64_t used = 0;
    struct quota_state s;
    if (quota_look(fs, &s, &ignored) == 0 && s.mode == QUOTA_SIMPLE && number(fs, child, "referenced", &used, &ignored) == 0 && used)
        return 1;
    /* Older kernels keep it until a transaction has ended behind the last extent: it stays a member until then, so that it is found again. */
    if (exist(fs, child, false) < 0 && errno != ENOENT)
        return 1;
    return relate(fs, child, level1(id), false) < 0 && errno != ENOENT && errno != EINVAL;
}

/* Dead members are taken out; those alive that are not in TREE come back in *FOREIGN, the first of them; how many stay in *STAY. */
static int tidy(int fs, uint64_t id, const struct btrfs_ids *all, const struct btrfs_ids *tree, uint64_t *foreign, size_t *stay, struct err *e)
{
    *foreign = *stay = 0;
    for (size_t i = 0; i < all->n; i++) {
        int is = subvol_state(fs, all->at[i], e);
        if (is < 0)
            return -1;
        if (is == SUBVOL_THERE && !btrfs_ids_has(tree, all->at[i]) && !*foreign)
            *foreign = all->at[i];
        *stay += is == SUBVOL_GONE ? (size_t)forget(fs, id, all->at[i]) : 1;
    }
    return 0;
}

int group_hold(int fs, uint64_t id, struct err *e)
{
    BTRFS_IDS tree = { 0 };
    BTRFS_IDS all = { 0 };
    uint64_t foreign;
    size_t stay;
    if (subvol_tree(fs, id, &tree, e) < 0 || members(fs, id, &all, e) < 0)
        return -1;
    if (all.n == 0 && exist(fs, level1(id), true) < 0 && errno != EEXIST)
        return err_set(e, errno, "quota group", "make 1/%" PRIu64, id);
    if (tidy(fs, id, &all, &tree, &foreign, &stay, e) < 0)
        return -1;
    if (foreign)
        return err_set(e, EEXIST, "quota group", "1/%" PRIu64 " is in use for another subvolume, number %" PRIu64, id, foreign);
    for (size_t i = 0; i < tree.n; i++)
        if (!btrfs_ids_has(&all, tree.at[i]) && join(fs, id, tree.at[i], e) < 0)
            return -1;
    return 0;
}

int group_remove(int fs, uint64_t id, struct err *e)
{
    BTRFS_IDS none = { 0 };
    BTRFS_IDS all = { 0 };
    uint64_t foreign;
    size_t stay;
    struct quota_state s;
    if (quota_look(fs, &s, e) < 0)
        return -1;
    if (s.mode == QUOTA_OFF)
        return 0;
    int is = subvol_state(fs, id, e);
    if (is != SUBVOL_GONE)
        return is < 0 ? -1 : 1;
    if (members(fs, id, &all, e) < 0 || tidy(fs, id, &all, &none, &foreign, &stay, e) < 0)
        return -1;
    if (stay || (exist(fs, level1(id), false) < 0 && errno == EBUSY))
        return 1;
    return 0;
}
