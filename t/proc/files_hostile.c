/* The files worker and a server that swaps names while it works. */
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

#include "base/io.h"
#include "base/mem.h"
#include "base/rights.h"
#include "t/proc/files_rig.h"

TestSuite(files_hostile, .timeout = 60, .fini = rig_clean_up);

static void swap_for_ever(void)
{
    /* A test that fails ends without a word to us. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(rig.link);
    char dir[100], link[100], leaf[100], leaf_link[100];
    snprintf(dir, sizeof dir, "%s/swap", rig.in);
    snprintf(link, sizeof link, "%s/swap.l", rig.in);
    snprintf(leaf, sizeof leaf, "%s/leaf", rig.in);
    snprintf(leaf_link, sizeof leaf_link, "%s/leaf.l", rig.in);
    for (;;) {
        syscall(SYS_renameat2, AT_FDCWD, dir, AT_FDCWD, link, 2u);
        syscall(SYS_renameat2, AT_FDCWD, leaf, AT_FDCWD, leaf_link, 2u);
    }
}

static unsigned reached;   /* how often an operation went through: else the test tests nothing */

static void try_open(const char *path, uint32_t flags)
{
    char seen[16] = "";
    int h = file_open(path, flags);
    if (h < 0)
        return;
    reached++;
    if (flags & FXF_READ)
        cr_assert(pread(opened_fd, seen, sizeof seen - 1, 0) >= 0);
    cr_assert_neq(strcmp(seen, "canary"), 0, "%s led to the canary", path);
    if (flags & FXF_WRITE)
        cr_assert(pwrite(opened_fd, "own", 3, 0) == 3);
    file_close(h);
}

static void try_list(const char *path)
{
    if (ask(FILES_OPENDIR, "p", path) != FX_OK)
        return;
    reached++;
    uint32_t h = msg_get_u32(&rig.answer);
    ok(FILES_READDIR, "u", h);
    cr_assert_null(memmem(rig.answer.body.p, rig.answer.body.len, "only-outside", 12), "a listing of outside");
    handle_close(h);
}

/* The canary has six bytes, what is ours three at most. */
static void try_stat(const char *path)
{
    struct attrs a;
    size_t size;
    if (ask(FILES_STAT, "p", path) != FX_OK)
        return;
    const uint8_t *p = msg_get_bytes(&rig.answer, &size);
    struct buf view = { .p = (uint8_t *)(uintptr_t)p, .len = size, .cap = size, .max = size };
    attrs_get(&view, &a);
    cr_assert(a.size != 6, "%s led to the canary", path);
}

static void one_round(void)
{
    /* Without a size first: landlock alone would stop that one, and nothing behind it would be tried. */
    static const struct attrs some = { .flags = ATTRS_MODE | ATTRS_TIMES, .mode = 0777, .atime = 1, .mtime = 1 };
    static const struct attrs all = { .flags = ATTRS_SIZE | ATTRS_MODE | ATTRS_TIMES, .size = 3, .mode = 0777, .atime = 1, .mtime = 1 };
    static const char *const leaves[] = { "swap/f", "leaf" };
    for (size_t i = 0; i < countof(leaves); i++) {
        try_open(leaves[i], FXF_READ);
        try_open(leaves[i], FXF_READ | FXF_WRITE | FXF_CREAT | FXF_TRUNC);
        reached += ask(FILES_SETSTAT, "pa", leaves[i], &all) == FX_OK;
        reached += ask(FILES_SETSTAT, "pa", leaves[i], &some) == FX_OK;
        ask(FILES_SETSTAT, "pa", leaves[i], &(struct attrs){ .flags = ATTRS_TIMES, .mtime = 7 });
        ask(FILES_LSETSTAT, "pa", leaves[i], &all);
        try_stat(leaves[i]);
        ask(FILES_LINK, "pp", leaves[i], "hard");
        ask(FILES_REMOVE, "p", "hard");
        ask(FILES_READLINK, "p", leaves[i]);
        ask(FILES_STATVFS, "p", leaves[i]);
    }
    try_list("swap");
    reached += ask(FILES_MKDIR, "pa", "swap/made", NULL) == FX_OK;
    ask(FILES_RMDIR, "p", "swap/made");
    ask(FILES_SYMLINK, "pp", "f", "swap/link");
    ask(FILES_REMOVE, "p", "swap/link");
    ask(FILES_LINK, "pp", "plain", "swap/hard");
    ask(FILES_RENAME, "ppu", "swap/hard", "swap/hard2", 1u);
    ask(FILES_RENAME, "ppu", "swap/hard2", "back", 0u);
    ask(FILES_REMOVE, "p", "back");
    ask(FILES_REMOVE, "p", "swap/only-outside");
    ask(FILES_RENAME, "ppu", "swap/only-outside", "stolen", 1u);
    ask(FILES_REMOVE, "p", "swap/hard");
    ask(FILES_REMOVE, "p", "swap/hard2");
}

static void canary_lives(const struct stat *before)
{
    char path[100], got[16] = "";
    struct stat now;
    snprintf(path, sizeof path, "%s/f", rig.out);
    CLOSE_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    cr_assert(fd >= 0 && read(fd, got, sizeof got - 1) == 6 && fstat(fd, &now) == 0);
    cr_assert_str_eq(got, "canary");
    cr_assert_eq(now.st_mode, before->st_mode);
    cr_assert_eq(now.st_nlink, 1);
    cr_assert_eq(now.st_ctim.tv_sec, before->st_ctim.tv_sec);
    cr_assert_eq(now.st_ctim.tv_nsec, before->st_ctim.tv_nsec, "nothing about it was changed, not even for a moment");
    snprintf(path, sizeof path, "%s", rig.out);
    cr_assert(stat(path, &now) == 0);
    cr_assert_eq(now.st_mtim.tv_nsec, before[1].st_mtim.tv_nsec, "nothing was made or removed beside it");
}

Test(files_hostile, names_swapped_under_it)
{
    struct stat before[2];
    char path[100], target[100];
    rig_up();
    rig_put(rig.out, "only-outside", "x");
    rig_put(rig.in, "plain", "own");
    rig_put(rig.in, "leaf", "own");
    snprintf(path, sizeof path, "%s/swap", rig.in);
    cr_assert(mkdir(path, 0755) == 0);
    rig_own(path);
    rig_put(path, "f", "own");
    snprintf(path, sizeof path, "%s/swap.l", rig.in);
    cr_assert(symlink("../out", path) == 0);
    snprintf(path, sizeof path, "%s/leaf.l", rig.in);
    cr_assert(symlink("../out/f", path) == 0);
    snprintf(target, sizeof target, "%s/f", rig.out);
    cr_assert(stat(target, &before[0]) == 0 && stat(rig.out, &before[1]) == 0);
    pid_t swapper = fork();
    if (swapper == 0)
        swap_for_ever();
    uint64_t until = now_ms() + 4000;
    unsigned rounds = 0;
    while (now_ms() < until) {
        one_round();
        rounds++;
    }
    kill(swapper, SIGKILL);
    waitpid(swapper, NULL, 0);
    canary_lives(before);
    cr_assert(rounds > 200 && reached > rounds / 4, "%u rounds, %u went through", rounds, reached);
    rig_down();
}
