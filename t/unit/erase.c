/* The end of a tree: deep, wide, with names of every kind, beside what must stay; and swapped in the middle. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "quota/erase.h"

static char scratch[64];
static int folder = -1;
static struct err e;

static void begin(void)
{
    snprintf(scratch, sizeof scratch, "/tmp/holdfast-erase.XXXXXX");
    cr_assert_not_null(mkdtemp(scratch));
    folder = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    e = (struct err){ 0 };
    cr_assert_eq(mkdirat(folder, "kept", 0755), 0);
    cr_assert_eq(mkdirat(folder, "tree", 0755), 0);
}

static void file(int at, const char *name)
{
    int fd = openat(at, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    cr_assert(fd >= 0, "%s: %s", name, strerror(errno));
    close(fd);
}

static bool there(const char *name)
{
    struct stat st;
    return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void end(void)
{
    cr_assert(there("kept"), "what is beside it was touched");
    cr_assert_eq(erase_tree(folder, "kept", &e), 0);
    erase_tree(folder, "tree", NULL);
    close(folder);
    cr_assert_eq(rmdir(scratch), 0, "something is left");
}

TestSuite(erase, .init = begin, .fini = end, .timeout = 240);

static void gone(void)
{
    char text[400];
    cr_assert_eq(erase_tree(folder, "tree", &e), 0, "%s", err_text(&e, text, sizeof text));
    cr_assert_not(there("tree"));
}

Test(erase, nothing_is_harmless)
{
    gone();
    gone();
}

Test(erase, every_kind_and_every_name)
{
    static const char *const names[] = { "tree/ space", "tree/\n", "tree/-rf", "tree/0", "tree/1", "tree/.x", "tree/\xff\xfe", "tree/..." };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        file(folder, names[i]);
    cr_assert_eq(mkdirat(folder, "tree/2", 0), 0);
    cr_assert_eq(mkdirat(folder, "tree/d", 0755), 0);
    cr_assert_eq(mkdirat(folder, "tree/d/0", 0755), 0);
    cr_assert_eq(mkdirat(folder, "tree/d/0/0", 0755), 0);
    file(folder, "tree/d/0/f");
    file(folder, "tree/d/0/0/f");
    cr_assert_eq(mkfifoat(folder, "tree/fifo", 0600), 0);
    gone();
}

Test(erase, a_file_or_a_link_in_its_place)
{
    file(folder, "one");
    cr_assert_eq(erase_tree(folder, "one", &e), 0);
    file(folder, "kept/x");
    cr_assert_eq(symlinkat("kept", folder, "link"), 0);
    cr_assert_eq(erase_tree(folder, "link", &e), 0);
    cr_assert(there("kept/x"));
    cr_assert_not(there("link"));
}

Test(erase, links_lead_nowhere)
{
    char target[96];
    file(folder, "kept/x");
    snprintf(target, sizeof target, "%s/kept", scratch);
    cr_assert_eq(symlinkat(target, folder, "tree/a"), 0);
    cr_assert_eq(symlinkat("../kept", folder, "tree/b"), 0);
    cr_assert_eq(symlinkat("..", folder, "tree/c"), 0);
    cr_assert_eq(mkdirat(folder, "tree/d", 0755), 0);
    cr_assert_eq(symlinkat("../..", folder, "tree/d/up"), 0);
    cr_assert_eq(linkat(folder, "kept/x", folder, "tree/d/hard", 0), 0);
    gone();
    cr_assert(there("kept/x"));
}

/* Deeper than descriptors, than paths, than a stack of frames. */
Test(erase, a_very_deep_tree)
{
    enum { DEPTH = 3000 };
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 64, 64 });
    int at = openat(folder, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < DEPTH; i++) {
        cr_assert_eq(mkdirat(at, "d", 0755), 0);
        file(at, "f");
        int next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close(at);
        at = next;
    }
    close(at);
    gone();
}

/* 4 folders in each, with a file: at most one of all is open at any time. */
static void grow(int at, int depth)
{
    file(at, "f");
    for (int i = 0; depth > 0 && i < 4; i++) {
        char name[8];
        snprintf(name, sizeof name, "%d", i);
        cr_assert_eq(mkdirat(at, name, 0755), 0);
        int next = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        grow(next, depth - 1);
        close(next);
    }
}

Test(erase, a_tree_whose_names_are_those_it_moves_to)
{
    int at = openat(folder, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    grow(at, 6);
    close(at);
    gone();
}

/* In place of libc's: as soon as tree/s is known to be a folder with something in it, it is a link to what must stay. */
static bool swapping;
static int swaps;

int unlinkat(int at, const char *name, int flags)
{
    int r = (int)syscall(SYS_unlinkat, at, name, flags), no = errno;
    if (swapping && r < 0 && flags == AT_REMOVEDIR && strcmp(name, "s") == 0)
        swaps += syscall(SYS_renameat2, folder, "tree/s", folder, "link", 2 /* RENAME_EXCHANGE */) == 0;
    errno = no;
    return r;
}

Test(erase, a_swap_in_the_middle_leads_nowhere)
{
    char target[96];
    file(folder, "kept/x");
    snprintf(target, sizeof target, "%s/kept", scratch);
    cr_assert_eq(symlinkat(target, folder, "link"), 0);
    cr_assert_eq(mkdirat(folder, "tree/s", 0755), 0);
    file(folder, "tree/s/f");
    swapping = true;
    gone();
    swapping = false;
    cr_assert_eq(swaps, 1);
    cr_assert(there("kept/x"), "it followed a link");
    cr_assert(there("link/f"), "it followed a folder that is elsewhere by now");
    cr_assert_eq(erase_tree(folder, "link", &e), 0);
}

Test(erase, empty_is_told)
{
    int at = openat(folder, "tree", O_PATH | O_DIRECTORY | O_CLOEXEC);
    cr_assert(erase_empty(at));
    file(at, ".x");
    cr_assert_not(erase_empty(at));
    cr_assert_not(erase_empty(-1));
    close(at);
}
