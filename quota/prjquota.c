#include "quota/prjquota.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/quota.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { UNIT = 1024 };       /* of a byte limit in struct if_dqblk */

/* The generic commands work on XFS too, but for asking whether anything is enforced: that one is XFS's own and works on ext4. */
static int call(int fd, unsigned command, uint32_t id, void *about)
{
    return (int)syscall(SYS_quotactl_fd, fd, QCMD(command, PRJQUOTA), id, about);
}

int prjquota_judge(uint64_t magic, int no, unsigned flags, struct err *e)
{
    bool xfs = magic == XFS_SUPER_MAGIC;
    if (!xfs && magic != EXT4_SUPER_MAGIC)
        return err_set(e, EOPNOTSUPP, "project quota", "the state folder is on neither XFS nor ext4 (statfs says %#" PRIx64 ")", magic);
    if (no == ENOSYS || (no == 0 && !(flags & FS_QUOTA_PDQ_ACCT)))
        return err_set(e, EOPNOTSUPP, "project quota", "off, or not in this kernel (5.14 or later with %s): %s", xfs ? "CONFIG_XFS_QUOTA" : "CONFIG_QUOTA",
                       xfs ? "mount with prjquota, which a remount cannot do"
                           : "once, while it is not mounted, 'tune2fs -O project,quota DEVICE', then mount with prjquota");
    if (no)
        return err_set(e, no, "project quota", "its state");
    if (!(flags & FS_QUOTA_PDQ_ENFD))
        return err_set(e, EOPNOTSUPP, "project quota", "counted, but not enforced: mount with prjquota%s", xfs ? ", not pqnoenforce" : "");
    return 0;
}

int prjquota_on(int fd, struct err *e)
{
    struct statfs f;
    struct fs_quota_statv state = { .qs_version = FS_QSTATV_VERSION1 };
    if (fstatfs(fd, &f) < 0)
        return err_set(e, errno, "project quota", "statfs");
    int no = call(fd, Q_XGETQSTATV, 0, &state) < 0 ? errno : 0;
    return prjquota_judge((uint64_t)f.f_type, no, state.qs_flags, e);
}

int prjquota_set(int fd, uint32_t id, uint64_t bytes, uint64_t inodes, struct err *e)
{
    struct if_dqblk q = { .dqb_bhardlimit = bytes / UNIT, .dqb_ihardlimit = inodes, .dqb_valid = QIF_LIMITS };
    if (call(fd, Q_SETQUOTA, id, &q) < 0)
        return err_set(e, errno, "project quota", "limits of project %" PRIu32, id);
    return 0;
}

int prjquota_get(int fd, uint32_t id, struct prjquota *q, struct err *e)
{
    struct if_dqblk k = { 0 };
    /* XFS knows nothing of a number that nobody ever had. */
    if (call(fd, Q_GETQUOTA, id, &k) < 0 && errno != ENOENT)
        return err_set(e, errno, "project quota", "use of project %" PRIu32, id);
    *q = (struct prjquota){ .bytes = k.dqb_bhardlimit * UNIT, .inodes = k.dqb_ihardlimit, .used = k.dqb_curspace, .used_inodes = k.dqb_curinodes };
    return 0;
}

int prjquota_mark_of(int fd, uint32_t *id, bool *inherited, struct err *e)
{
    struct fsxattr x;
    if (ioctl(fd, FS_IOC_FSGETXATTR, &x) < 0)
        return err_set(e, errno, "project quota", "number of a folder");
    *id = x.fsx_projid;
    *inherited = (x.fsx_xflags & FS_XFLAG_PROJINHERIT) != 0;
    return 0;
}

int prjquota_mark(int fd, uint32_t id, struct err *e)
{
    struct fsxattr x;
    if (ioctl(fd, FS_IOC_FSGETXATTR, &x) < 0)
        return err_set(e, errno, "project quota", "number of a folder");
    x.fsx_projid = id;
    x.fsx_xflags |= FS_XFLAG_PROJINHERIT;
    if (ioctl(fd, FS_IOC_FSSETXATTR, &x) < 0)
        return err_set(e, errno, "project quota", "giving a folder number %" PRIu32, id);
    return 0;
}
