/* Project quotas: numbers, limits, and the words for what is missing. */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/dqblk_xfs.h>
#include <linux/magic.h>
#include <string.h>

#include "quota/prjquota.h"
#include "quota/project.h"

static const char *refusal(uint64_t magic, int no, unsigned flags)
{
    static char text[400];
    struct err e = { 0 };
    if (prjquota_judge(magic, no, flags, &e) == 0)
        return "fit";
    cr_assert(e.no != 0);
    return err_text(&e, text, sizeof text);
}

static bool says(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        cr_log_error("'%s' lacks '%s'", text, words);
    return strstr(text, words) != NULL;
}

enum { BOTH = FS_QUOTA_PDQ_ACCT | FS_QUOTA_PDQ_ENFD, USERS = FS_QUOTA_UDQ_ACCT | FS_QUOTA_UDQ_ENFD };

Test(project, fit_wants_counting_and_enforcement)
{
    cr_assert_str_eq(refusal(XFS_SUPER_MAGIC, 0, BOTH), "fit");
    cr_assert_str_eq(refusal(EXT4_SUPER_MAGIC, 0, BOTH | USERS), "fit");
}

Test(project, what_is_missing_is_said_with_what_to_do)
{
    cr_assert(says(refusal(TMPFS_MAGIC, 0, BOTH), "neither XFS nor ext4"));
    cr_assert(says(refusal(BTRFS_SUPER_MAGIC, ENOSYS, 0), "neither XFS nor ext4"));
    cr_assert(says(refusal(EXT4_SUPER_MAGIC, ENOSYS, 0), "tune2fs -O project,quota"));
    cr_assert(says(refusal(EXT4_SUPER_MAGIC, 0, USERS), "tune2fs -O project,quota"));
    cr_assert(says(refusal(XFS_SUPER_MAGIC, ENOSYS, 0), "mount with prjquota"));
    cr_assert(says(refusal(XFS_SUPER_MAGIC, 0, USERS), "remount cannot"));
    cr_assert(says(refusal(XFS_SUPER_MAGIC, 0, FS_QUOTA_PDQ_ACCT), "not enforced"));
    cr_assert(says(refusal(EXT4_SUPER_MAGIC, 0, FS_QUOTA_PDQ_ACCT | USERS), "not enforced"));
    cr_assert(says(refusal(EXT4_SUPER_MAGIC, EIO, 0), "Input/output error"));
}

Test(project, numbers_are_the_servers_own)
{
    struct err e = { 0 };
    uint32_t id = 0;
    cr_assert_eq(project_id(&(struct disk){ .project = 1 }, &id, &e), 0);
    cr_assert_eq(id, PROJECT_BASE + 1U);
    cr_assert_eq(project_id(&(struct disk){ .project = PROJECT_MOST }, &id, &e), 0);
    cr_assert_eq(id, (uint32_t)PROJECT_BASE + PROJECT_MOST);
    cr_assert_eq(project_id(&(struct disk){ .project = 0 }, &id, &e), -1);
    cr_assert_eq(project_id(&(struct disk){ .project = PROJECT_MOST + 1 }, &id, &e), -1);
}

static struct disk limited(uint64_t bytes, uint64_t inodes, uint64_t blocks, uint64_t size, uint64_t files)
{
    struct disk d = { .bytes = bytes, .inodes = inodes };
    project_limits(&d, blocks, size, files);
    return d;
}

Test(project, bytes_are_whole_blocks)
{
    cr_assert_eq(limited(67108864, 100, 1 << 20, 4096, 1000).bytes, 67108864);
    cr_assert_eq(limited(67108863, 100, 1 << 20, 4096, 1000).bytes, 67108864 - 4096);
    cr_assert_eq(limited(4095, 100, 1 << 20, 4096, 1000).bytes, 0, "which is refused: as a limit it would be none");
    cr_assert_eq(limited(5000, 100, 1 << 20, 512, 1000).bytes, 4096, "the kernel's call counts in KiB");
    cr_assert_eq(limited(5000, 100, 1 << 20, 1024, 1000).bytes, 4096);
}

Test(project, no_limit_is_above_the_file_system)
{
    cr_assert_eq(limited(UINT64_MAX, UINT64_MAX, 1000, 4096, 50).bytes, 999 * 4096);
    cr_assert_eq(limited(UINT64_MAX, UINT64_MAX, 1000, 4096, 50).inodes, 49);
    cr_assert_eq(limited(4096, 50, 1, 4096, 0).bytes, 0);
    cr_assert_eq(limited(4096, 50, 1000, 4096, 0).inodes, 0);
    cr_assert_eq(limited(8192, 49, 1000, 4096, 50).inodes, 49);
}

Test(project, what_has_no_quota_is_refused_and_never_marked)
{
    struct err e = { 0 };
    struct prjquota q;
    cr_assert_eq(prjquota_on(-1, &e), -1);
    cr_assert_eq(e.no, EBADF);
    cr_assert_eq(prjquota_get(-1, 7, &q, &e), -1);
    cr_assert_eq(prjquota_set(-1, 7, 4096, 1, &e), -1);
    cr_assert_eq(prjquota_mark(-1, 7, &e), -1);
}

Test(project, ext4_that_finds_a_place_late_is_known)
{
    static const char info[] =
        "25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,prjquota\n"
        "125 1 8:1 / /a\\040-\\040b rw shared:1 - ext4 /dev/sdb rw,nodelalloc,prjquota\n"
        "26 1 8:2 / /c rw,nodelalloc - ext4 /dev/sdc rw,prjquota\n"
        "27 1 8:3 / /d rw - ext4 /dev/nodelalloc rw,xnodelalloc\n"
        "28 1 8:3 / /d rw - ext4 /dev/x rw,nodelalloc";
    cr_expect(project_delays(info, 25));
    cr_expect_not(project_delays(info, 125));
    cr_expect(project_delays(info, 26), "the option of the mount is not that of the file system");
    cr_expect(project_delays(info, 27));
    cr_expect_not(project_delays(info, 28));
    cr_expect(project_delays(info, 2));
    cr_expect(project_delays("", 25));
}
