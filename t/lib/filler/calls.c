/* Calls that could take the limit away. */
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/quota.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "t/lib/filler/filler.h"

#ifndef EXT4_IOC_RESIZE_FS
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)
#define EXT4_IOC_GROUP_EXTEND _IOW('f', 7, unsigned long)
#define EXT4_IOC_ALLOC_DA_BLKS _IO('f', 12)
#define EXT4_IOC_SHUTDOWN _IOR('X', 125, uint32_t)
#endif

/* Each must be refused: one that is not is the row's end. */
static void refused(struct tally *t, long r, const char *what)
{
    if (r >= 0)
        t->wrong = what;
    else
        filed(t, errno);
}

static int here(void) { return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); }

void r_subvolume(struct tally *t)
{
    int fd = here();
    struct btrfs_ioctl_vol_args a = { .fd = fd, .name = "sub" };
    struct btrfs_ioctl_vol_args_v2 b = { .fd = fd, .name = "snap" };
    refused(t, ioctl(fd, BTRFS_IOC_SUBVOL_CREATE, &a), "a subvolume was made");
    refused(t, ioctl(fd, BTRFS_IOC_SUBVOL_CREATE_V2, &b), "a subvolume was made, V2");
    refused(t, ioctl(fd, BTRFS_IOC_SNAP_CREATE, &a), "a snapshot was made");
    refused(t, ioctl(fd, BTRFS_IOC_SNAP_CREATE_V2, &b), "a snapshot was made, V2");
    refused(t, ioctl(fd, BTRFS_IOC_SNAP_DESTROY, &a), "a subvolume was removed");
    struct btrfs_ioctl_qgroup_limit_args q = { .qgroupid = 0 };
    refused(t, ioctl(fd, BTRFS_IOC_QGROUP_LIMIT, &q), "a limit was set");
    close(fd);
}

void r_project(struct tally *t)
{
    struct fsxattr x = { 0 };
    int fd = make_file(t, "project", O_RDWR), top = here();
    if (ioctl(fd, FS_IOC_FSGETXATTR, &x) < 0)
        filed(t, errno);
    x.fsx_projid += 77;
    refused(t, ioctl(fd, FS_IOC_FSSETXATTR, &x), "a project number was set");
    x.fsx_projid = 0;
    refused(t, ioctl(top, FS_IOC_FSSETXATTR, &x), "a project number was taken away");
    close(fd);
    close(top);
}

void r_immutable(struct tally *t)
{
    int fd = make_file(t, "flags", O_RDWR), flags = FS_IMMUTABLE_FL, journal = FS_JOURNAL_DATA_FL, project = FS_PROJINHERIT_FL, none = 0;
    refused(t, ioctl(fd, FS_IOC_SETFLAGS, &flags), "a file is immutable");
    refused(t, ioctl(fd, FS_IOC_SETFLAGS, &journal), "a file's data go through the journal");
    refused(t, ioctl(fd, FS_IOC_SETFLAGS, &project), "a folder's number is inherited");
    refused(t, ioctl(fd, FS_IOC_SETFLAGS, &none), "flags were taken away");
    close(fd);
}

void r_quotactl(struct tally *t)
{
    struct dqblk d = { .dqb_valid = QIF_LIMITS };
    int fd = here();
    refused(t, quotactl(QCMD(Q_SETQUOTA, USRQUOTA), "/dev/loop0", (int)getuid(), (char *)&d), "a quota was set");
    refused(t, quotactl(QCMD(Q_QUOTAOFF, USRQUOTA), "/dev/loop0", 0, NULL), "quotas were put off");
    refused(t, syscall(443, fd, QCMD(Q_SETQUOTA, 2), 1, &d), "a quota was set, by descriptor");
    close(fd);
}

void r_ext4(struct tally *t)
{
    int fd = here(), file = make_file(t, "ext4", O_RDWR);
    uint64_t blocks = 1 << 30;
    uint32_t down = 0;
    struct fstrim_range all = { .len = UINT64_MAX };
    refused(t, ioctl(fd, EXT4_IOC_RESIZE_FS, &blocks), "the file system grew");
    refused(t, ioctl(fd, EXT4_IOC_GROUP_EXTEND, &blocks), "the last group grew");
    refused(t, ioctl(fd, FIFREEZE, 0), "the file system stands still");
    refused(t, ioctl(fd, FITRIM, &all), "the file system was trimmed");
    refused(t, ioctl(fd, EXT4_IOC_SHUTDOWN, &down), "the file system was shut down");
    refused(t, ioctl(file, EXT4_IOC_ALLOC_DA_BLKS), "blocks were allocated by ioctl");
    close(fd);
    close(file);
}
