/* The files worker near the limit of a disk. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "quota/kind.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/rights.h"
#include "t/proc/files_rig.h"

TestSuite(files_quota, .timeout = 60, .fini = rig_clean_up);

/* On a tmpfs of its own: `used` has to be the disk's. */
static bool up_on_disk(const char *options, uint64_t limit)
{
    rig_folders();
    if (geteuid() != 0 || mount("tmpfs", rig.in, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0) {
        rig_clean_up();
        return false;
    }
    rig.mounted = true;
    rig_own(rig.in);
    rig_start(RIGHT_ALL, limit);
    return true;
}

/* Writes as the session does, in leases.  Returns the bytes written until refused. */
static uint64_t fill(int h, uint64_t piece)
{
    uint64_t at = 0, lease = opened_lease;
    char *zero = mem_new(piece);
    for (;; at += piece) {
        if (lease < piece) {
            if (ask(FILES_LEASE, "uUU", (uint32_t)h, lease, piece - lease) != FX_OK)
                break;
            lease += msg_get_u64(&rig.answer);
        }
        cr_assert(pwrite(opened_fd, zero, piece, (off_t)at) == (ssize_t)piece, "the wall was hit before the gate");
        lease -= piece;
    }
    free(zero);
    return at;
}

Test(files_quota, the_gate_stops_at_the_limit)
{
    const uint64_t limit = 8 << 20;
    if (!up_on_disk("size=8m,nr_inodes=1000", limit))
        return;
    int h = file_open("big", FXF_WRITE | FXF_CREAT);
    cr_assert_eq(fill(h, 32768), limit);
    says("quota exceeded (8 MiB of 8 MiB)");
    file_close(h);
    cr_assert_eq(gate_leased(rig.gate), 0);
    cr_assert(file_open("big", FXF_WRITE | FXF_TRUNC) < 0);
    says("quota exceeded (8 MiB of 8 MiB)");
    cr_assert_eq(inside("big").st_size, (off_t)limit, "refused before it was truncated");
    cr_assert(file_open("new", FXF_WRITE | FXF_CREAT) < 0);
    cr_assert_eq(inside("new").st_ino, 0, "nor was anything made");
    h = file_open("big", FXF_READ | FXF_WRITE);
    cr_assert(h >= 0 && opened_lease == 0, "what is there may be written over");
    file_close(h);
    ok(FILES_REMOVE, "p", "big");
    h = file_open("big", FXF_WRITE | FXF_CREAT);
    cr_assert_eq(fill(h, 4096), limit);
    refused(FX_FAILURE, FILES_LEASE, "uUU", (uint32_t)h, UINT64_C(0), UINT64_C(0));
    says("quota exceeded");
    file_close(h);
    rig_down();
}

/* As the session does far from the limit: the next lease comes while the last is not used up. */
Test(files_quota, what_is_left_of_a_lease_stays)
{
    if (!up_on_disk("size=8m,nr_inodes=1000", 8 << 20))
        return;
    static const char some[8192];
    int h = file_open("big", FXF_WRITE | FXF_CREAT);
    uint64_t lease = opened_lease;
    cr_assert_eq(gate_leased(rig.gate), lease);
    cr_assert_eq(pwrite(opened_fd, some, sizeof some, 0), (ssize_t)sizeof some);
    ok(FILES_LEASE, "uUU", (uint32_t)h, lease - sizeof some, UINT64_C(1));
    uint64_t more = msg_get_u64(&rig.answer);
    cr_assert(more > 0);
    cr_assert_eq(gate_leased(rig.gate), lease - sizeof some + more, "what was written went back, what is left and what came are out");
    file_close(h);
    cr_assert_eq(gate_leased(rig.gate), 0);
    rig_down();
}

Test(files_quota, a_limit_below_the_disk_and_one_above)
{
    if (!up_on_disk("size=16m", 4 << 20))
        return;
    int h = file_open("big", FXF_WRITE | FXF_CREAT);
    cr_assert_eq(fill(h, 4096), 4u << 20);
    file_close(h);
    rig_down();
    if (!up_on_disk("size=4m", 16 << 20))
        return;
    h = file_open("big", FXF_WRITE | FXF_CREAT);
    cr_assert_eq(fill(h, 4096), 4u << 20);
    file_close(h);
    rig_down();
}

Test(files_quota, small_files_count_as_blocks)
{
    if (!up_on_disk("size=1m", 1 << 20))
        return;
    char name[32];
    unsigned n = 0;
    for (;; n++) {
        snprintf(name, sizeof name, "f%u", n);
        int h = file_open(name, FXF_WRITE | FXF_CREAT);
        if (h < 0)
            break;
        cr_assert(pwrite(opened_fd, "x", 1, 0) == 1);
        file_close(h);
    }
    cr_assert_eq(n, (1u << 20) / 4096, "%s", rig.text);
    rig_down();
}

Test(files_quota, inodes_have_words_of_their_own)
{
    if (!up_on_disk("size=8m,nr_inodes=20", 8 << 20))
        return;
    char name[32];
    uint32_t status = FX_OK;
    for (int i = 0; i < 40 && status == FX_OK; i++) {
        snprintf(name, sizeof name, "d%d", i);
        status = ask(FILES_MKDIR, "pa", name, NULL);
    }
    cr_assert_eq(status, FX_FAILURE);
    says("20 of 20 files and directories");
    rig_down();
}

Test(files_quota, growing_without_writing_is_free)
{
    if (!up_on_disk("size=8m", 8 << 20))
        return;
    int h = file_open("x", FXF_WRITE | FXF_CREAT);
    ok(FILES_FSETSTAT, "ua", (uint32_t)h, &(struct attrs){ .flags = ATTRS_SIZE, .size = 1 << 30 });
    file_close(h);
    ok(FILES_OPEN, "pua", "x", FXF_WRITE, NULL);
    msg_get_u32(&rig.answer);
    cr_assert_eq(msg_get_u64(&rig.answer), 0, "no part of a file with holes is below the high-water mark");
    refused(FX_FAILURE, FILES_SETSTAT, "pa", "x", &(struct attrs){ .flags = ATTRS_SIZE, .size = UINT64_MAX });
    rig_down();
}

/* ---- who knows what is used ---- */

static void up_with(uint32_t usage, uint64_t limit)
{
    rig_folders();
    rig_own(rig.in);
    rig.usage = usage;
    rig_start(RIGHT_ALL, limit);
    rig.usage = DISK_COUNT_STATFS;
}

static void statvfs_is(uint64_t all, uint64_t left, uint64_t files, uint64_t files_left)
{
    uint64_t v[11];
    ok(FILES_STATVFS, "p", "");
    for (size_t i = 0; i < countof(v); i++)
        v[i] = msg_get_u64(&rig.answer);
    cr_assert_eq(v[2] * v[1], all, "%llu", (unsigned long long)(v[2] * v[1]));
    cr_assert_eq(v[4] * v[1], left, "%llu", (unsigned long long)(v[4] * v[1]));
    cr_assert_eq(v[5], files);
    cr_assert_eq(v[6], files_left);
}

Test(files_quota, the_ledger_stops_and_shows_the_same)
{
    const uint64_t limit = 4 << 20;
    up_with(DISK_COUNT_LEDGER, limit);
    gate_set_inodes_limit(rig.gate, 10);
    gate_set_used(rig.gate, 1 << 20, 4, gate_written(rig.gate));
    statvfs_is(limit, 3 << 20, 10, 6);
    int h = file_open("big", FXF_WRITE | FXF_CREAT);
    cr_assert_eq(fill(h, 32768), 3 << 20);
    says("quota exceeded (4 MiB of 4 MiB)");
    file_close(h);
    cr_assert_eq(gate_used(rig.gate), limit, "written is used, without anybody having counted");
    statvfs_is(limit, 0, 10, 6);
    cr_assert(file_open("more", FXF_WRITE | FXF_CREAT) < 0);
    gate_set_used(rig.gate, 0, 10, gate_written(rig.gate));
    cr_assert(file_open("more", FXF_WRITE | FXF_CREAT) >= 0, "a count moves it");
    close(opened_fd);
    gate_set_used(rig.gate, limit, 10, gate_written(rig.gate));
    cr_assert(file_open("third", FXF_WRITE | FXF_CREAT) < 0);
    says("10 of 10 files and directories");
    rig_down();
}

Test(files_quota, small_files_are_whole_blocks_in_the_ledger)
{
    up_with(DISK_COUNT_LEDGER, 1 << 20);
    gate_set_used(rig.gate, 0, 0, 0);
    char name[32];
    unsigned n = 0;
    for (; n < 1000; n++) {
        snprintf(name, sizeof name, "f%u", n);
        int h = file_open(name, FXF_WRITE | FXF_CREAT);
        if (h < 0)
            break;
        cr_assert(pwrite(opened_fd, "x", 1, 0) == 1);
        close(opened_fd);
        MSG_FREE struct msg m;
        msg_begin(&m, FILES_CLOSE, ++rig.id);
        msg_put_u32(&m, (uint32_t)h);
        msg_put_u64(&m, opened_lease - 1);
        cr_assert(msg_send(rig.link, &m) == 0);
    }
    cr_assert_leq(n, (1u << 20) / 4096, "%u files of a block each", n);
    cr_assert_geq(n, (1u << 20) / 4096 - 2);
    rig_down();
}

Test(files_quota, a_file_of_the_kernels_says_it)
{
    char path[100];
    rig_folders();
    rig_own(rig.in);
    rig_put(rig.out, "referenced", "1048576\n");
    snprintf(path, sizeof path, "%s/referenced", rig.out);
    rig.usage = DISK_COUNT_FILE;
    CLOSE_FD int file = rig.usage_fd = open(path, O_RDWR | O_CLOEXEC);
    rig_start(RIGHT_ALL, 4 << 20);
    rig.usage = DISK_COUNT_STATFS;
    ok(FILES_STATVFS, "p", "");
    for (int i = 0; i < 4; i++)
        msg_get_u64(&rig.answer);
    cr_assert_eq(msg_get_u64(&rig.answer) * 4096, 3 << 20);
    cr_assert_eq(pwrite(file, "4194304\n", 8, 0), 8);
    cr_assert(file_open("x", FXF_WRITE | FXF_CREAT) < 0, "it is asked each time");
    says("quota exceeded (4 MiB of 4 MiB)");
    rig_down();
}

Test(files_quota, inodes_of_a_file_system_that_was_not_made_to_their_limit)
{
    const uint64_t limit = 8 << 20;
    char name[] = "f0";
    rig.usage = DISK_COUNT_OBJECTS;
    bool up = up_on_disk("size=8m,nr_inodes=6", limit);
    rig.usage = DISK_COUNT_STATFS;
    if (!up)
        return;
    gate_set_inodes_limit(rig.gate, 5);
    for (; name[1] < '3'; name[1]++)
        file_close(file_open(name, FXF_WRITE | FXF_CREAT));
    statvfs_is(limit, limit, 5, 1);
    for (; name[1] < '5'; name[1]++)
        file_close(file_open(name, FXF_WRITE | FXF_CREAT));
    statvfs_is(limit, limit, 5, 0);
    cr_assert(file_open(name, FXF_WRITE | FXF_CREAT) < 0);
    says("6 of 5 files and directories");
    rig_down();
}
