#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attr.h"
#include "quota/quotafs/charge.h"
#include "quota/quotafs/folder.h"
#include "quota/quotafs/ledger.h"
#include "quota/quotafs/node.h"
#include "quota/quotafs/recount.h"

enum { UNIT = 4096, WRITERS = 16, TURNS = 200000 };

/* ---- the ledger ---- */

static struct ledger shared;
static pthread_barrier_t all_there;
/* What the writers know that they have, and the most that each of them saw: never more than the ledger's own sum. */
static _Atomic uint64_t held, held_most;
static uint64_t each_bytes, each_inodes;

static void *dance(void *data)
{
    (void)data;
    pthread_barrier_wait(&all_there);
    for (int i = 0; i < TURNS;) {
        if (!ledger_take(&shared, each_bytes, each_inodes)) {
            sched_yield();
            continue;
        }
        uint64_t now = ++held, most = held_most;
        while (now > most && !atomic_compare_exchange_weak(&held_most, &most, now)) {}
        held--;
        ledger_give(&shared, each_bytes, each_inodes);
        i++;
    }
    return NULL;
}

/* All for the rest that is enough for one: two who look at once would both find it. */
static void dance_all(uint64_t bytes, uint64_t inodes)
{
    pthread_t t[WRITERS];
    each_bytes = bytes;
    each_inodes = inodes;
    held_most = 0;
    cr_assert_eq(pthread_barrier_init(&all_there, NULL, WRITERS), 0);
    for (int i = 0; i < WRITERS; i++)
        cr_assert_eq(pthread_create(&t[i], NULL, dance, NULL), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(t[i], NULL);
    pthread_barrier_destroy(&all_there);
    cr_assert_eq(held_most, 1);
}

Test(ledger, many_threads_never_pass_the_limit)
{
    ledger_set(&shared, 16 * UNIT, 7);
    cr_assert(ledger_take(&shared, 15 * UNIT, 6));
    dance_all(UNIT, 0);
    dance_all(0, 1);
    struct ledger_sum s = ledger_sum(&shared);
    cr_assert(s.bytes == 15 * UNIT && s.inodes == 6);
}

Test(ledger, both_or_neither)
{
    struct ledger l = { 0 };
    ledger_set(&l, 100, 2);
    cr_assert(ledger_take(&l, 100, 1));
    cr_assert_not(ledger_take(&l, 1, 1));
    cr_assert_eq(ledger_sum(&l).inodes, 1, "the inode went back with the bytes");
    cr_assert(ledger_take(&l, 0, 1));
    cr_assert_not(ledger_take(&l, 0, 1));
    cr_assert_not(ledger_take(&l, UINT64_MAX, 0), "and nothing wraps");
}

Test(ledger, limit_below_use)
{
    struct ledger l = { 0 };
    ledger_set(&l, 100, 10);
    cr_assert(ledger_take(&l, 80, 1));
    ledger_set(&l, 40, 10);
    cr_assert_eq(ledger_left(&l), 0);
    cr_assert_not(ledger_take(&l, 1, 0));
    cr_assert(ledger_take(&l, 0, 1), "what costs no bytes is no matter of bytes");
    cr_assert_eq(ledger_take_most(&l, 50, 1), 0);
    ledger_give(&l, 60, 0);
    cr_assert(ledger_take(&l, 20, 0));
    cr_assert_not(ledger_take(&l, 1, 0));
}

Test(ledger, most)
{
    struct ledger l = { 0 };
    ledger_set(&l, 10000, 1);
    cr_assert_eq(ledger_take_most(&l, 1 << 20, UNIT), 8192, "whole units");
    cr_assert_eq(ledger_take_most(&l, 1 << 20, UNIT), 0);
    ledger_settle(&l, 8192, 12288);
    cr_assert_eq(ledger_sum(&l).bytes, 12288, "what turned out later is noted also above the limit");
    ledger_settle(&l, 12288, 4096);
    cr_assert_eq(ledger_take_most(&l, 4096, UNIT), 4096);
}

/* ---- one file's charge ---- */

static uint64_t wrote(struct charge *c, uint64_t off, uint64_t len)
{
    struct charge_need n = charge_need(c, off, len, UNIT);
    charge_begin(c, &n);
    charge_end(c, &n, off, len);
    return n.data;
}

Test(charge, what_is_there_costs_nothing)
{
    struct charge c;
    charge_open(&c, 0, 0, 0);
    cr_assert_eq(wrote(&c, 0, 100), UNIT);
    cr_assert_eq(wrote(&c, 100, 100), 0, "an append within the block");
    cr_assert_eq(wrote(&c, 200, UNIT), UNIT);
    cr_assert_eq(wrote(&c, 0, UNIT + 200), 0, "all of it again");
    cr_assert_eq(wrote(&c, 1 << 20, 1), UNIT, "far behind: one block, no hole");
    cr_assert_eq(wrote(&c, 1 << 20, 1), UNIT, "which it does not remember");
    cr_assert_eq(charge_sum(&c), 4 * UNIT);
    uint64_t taken, real;
    charge_settle(&c, 3 * UNIT, false, &taken, &real);
    cr_assert(taken == 4 * UNIT && real == 3 * UNIT && charge_sum(&c) == 3 * UNIT);
}

Test(charge, after_a_cut_it_costs_again)
{
    struct charge c;
    charge_open(&c, 10 * UNIT, 10 * UNIT, 10 * UNIT);
    cr_assert_eq(wrote(&c, 5 * UNIT, 5 * UNIT), 0);
    charge_cut(&c, 2 * UNIT + 1);
    cr_assert_eq(wrote(&c, 2 * UNIT + 1, 10), 0, "the block that it ends in is there");
    cr_assert_eq(wrote(&c, 3 * UNIT, UNIT), UNIT);
}

Test(charge, a_hole_ends_what_is_known)
{
    struct charge c;
    charge_open(&c, 10 * UNIT, 5 * UNIT, 5 * UNIT);
    cr_assert_eq(wrote(&c, 0, 5 * UNIT), 0);
    cr_assert_geq(wrote(&c, 5 * UNIT, 5 * UNIT), 5 * UNIT);
}

Test(charge, pieces_have_notes)
{
    struct charge c;
    charge_open(&c, 0, 0, 0);
    uint64_t data = 0;
    for (uint64_t i = 1; i <= 3400; i++, data += UNIT)
        wrote(&c, i * 2 * UNIT, UNIT);
    cr_assert_geq(charge_sum(&c), data + 3400 / 170 * UNIT, "at least what ext4 notes them in");
    cr_assert_leq(charge_sum(&c), data + data / 50, "and little more");
    uint64_t taken, real;
    charge_settle(&c, data, false, &taken, &real);
    cr_assert_gt(charge_sum(&c), data, "until it is flushed");
    charge_settle(&c, data + 11 * UNIT, true, &taken, &real);
    cr_assert_eq(charge_sum(&c), data + 11 * UNIT);
}

Test(charge, filled_gaps_are_pieces)
{
    struct charge c;
    charge_open(&c, 0, 0, 0);
    wrote(&c, 0, UNIT);
    wrote(&c, 10 * UNIT, UNIT);
    for (uint64_t i = 1; i < 6; i++)
        wrote(&c, i * UNIT, UNIT);
    cr_assert_gt(c.slack, 0, "each part of a gap may lie elsewhere");
    charge_open(&c, 0, 0, 0);
    for (uint64_t i = 0; i < 100; i++)
        wrote(&c, i * UNIT, UNIT);
    cr_assert_eq(c.slack, 0, "what is written from end to end does not");
}

/* Each may split another of the 20 blocks of notes that there may be. */
Test(charge, notes_that_are_full_split)
{
    struct charge c;
    charge_open(&c, 1ull << 40, 3400 * UNIT, 0);
    for (uint64_t i = 1; i <= 20; i++)
        wrote(&c, i << 30, UNIT);
    cr_assert_geq(c.slack, 20 * UNIT);
    cr_assert_leq(c.slack, 25 * UNIT);
    wrote(&c, 3ull << 40, UNIT);
    cr_assert_leq(c.slack, 25 * UNIT);
}

Test(charge, a_write_under_way_is_not_settled)
{
    struct charge c;
    uint64_t taken, real;
    charge_open(&c, 0, 0, 0);
    struct charge_need n = charge_need(&c, 0, 8 * UNIT, UNIT);
    charge_begin(&c, &n);
    charge_settle(&c, 0, true, &taken, &real);
    cr_assert_eq(charge_sum(&c), 8 * UNIT);
    charge_end(&c, &n, 0, 3 * UNIT);
    charge_settle(&c, 3 * UNIT, true, &taken, &real);
    cr_assert_eq(charge_sum(&c), 3 * UNIT);
    cr_assert_eq(wrote(&c, 3 * UNIT, UNIT), UNIT, "what was not written has no blocks");
}

Test(charge, fits)
{
    struct charge c;
    charge_open(&c, 100, UNIT, 100);
    cr_assert_eq(charge_fits(&c, 100, 0, UNIT), UNIT - 100);
    cr_assert_eq(charge_fits(&c, 100, UNIT, UNIT), 2 * UNIT - 100);
    cr_assert_eq(charge_fits(&c, 10 * UNIT + 5, UNIT, UNIT), UNIT - 5);
    cr_assert_eq(charge_fits(&c, 10 * UNIT + 5, 0, UNIT), 0);
}

/* A file system of 512 blocks beside it: never more on the disk than was charged. */
Test(charge, never_less_than_the_disk)
{
    enum { BLOCKS = 512 };
    for (unsigned seed = 1; seed <= 300; seed++) {
        bool has[BLOCKS] = { false };
        unsigned s = seed;
        uint64_t size = 0, taken, real, blocks;
        struct charge c;
        charge_open(&c, 0, 0, 0);
        for (int turn = 0; turn < 300; turn++) {
            unsigned what = (unsigned)rand_r(&s) % 10;
            uint64_t off = (uint64_t)rand_r(&s) % (BLOCKS * UNIT), len = (uint64_t)rand_r(&s) % (what < 5 ? 3 * UNIT : 40 * UNIT) + 1;
            off = what % 3 == 0 ? size : off;
            len = off + len > BLOCKS * UNIT ? BLOCKS * UNIT - off : len;
            if (what == 9) {
                for (uint64_t b = (off + UNIT - 1) / UNIT; b < BLOCKS; b++)
                    has[b] = false;
                size = off;
                charge_cut(&c, off);
            } else if (len) {
                uint64_t done = what == 8 ? len / 2 : len;
                struct charge_need n = charge_need(&c, off, len, UNIT);
                charge_begin(&c, &n);
                for (uint64_t b = off / UNIT; done && b <= (off + done - 1) / UNIT; b++)
                    has[b] = true;
                charge_end(&c, &n, off, done);
                size = off + done > size ? off + done : size;
            }
            blocks = 0;
            for (int b = 0; b < BLOCKS; b++)
                blocks += has[b];
            cr_assert_geq(charge_sum(&c), blocks * UNIT, "seed %u turn %d", seed, turn);
            if (turn % 17 == 0)
                charge_settle(&c, blocks * UNIT, turn % 2 == 0, &taken, &real);
        }
    }
}

/* ---- entries ---- */

static struct stat a_file(ino_t ino, nlink_t links)
{
    return (struct stat){ .st_ino = ino, .st_mode = S_IFREG | 0644, .st_nlink = links, .st_blocks = 8 };
}

Test(node, the_last_name_gives_back)
{
    struct ledger l = { 0 };
    struct nodes t;
    struct stat root = { .st_ino = 1, .st_mode = S_IFDIR }, st = a_file(7, 2);
    ledger_set(&l, 1 << 20, 100);
    nodes_init(&t, &l, &root);
    ledger_take(&l, UNIT, 1);
    struct node *n = node_at(&t, &st, &t.root, "a");
    n->lookups++;
    cr_assert_eq(node_at(&t, &st, &t.root, "b"), n, "one inode, one entry");
    node_unlinked(&t, n, &t.root, "a");
    cr_assert(n->name == NULL && n->links == 1, "its name has gone");
    node_at(&t, &st, &t.root, "b");
    cr_assert_str_eq(n->name, "b", "and comes back with the other");
    n->file = (struct file *)&st;
    node_unlinked(&t, n, &t.root, "b");
    cr_assert_eq(ledger_sum(&l).inodes, 1, "it is still open");
    n->file = NULL;
    cr_assert_null(node_find(&t, 7), "but nobody finds it: its number may be used again");
    st = a_file(7, 1);
    struct node *other = node_at(&t, &st, &t.root, "c");
    cr_assert_neq(other, n);
    other->lookups++;
    node_forget(&t, n, 1);
    cr_assert_eq(ledger_sum(&l).inodes, 0);
    cr_assert_eq(ledger_sum(&l).bytes, 0);
    cr_assert_eq(node_find(&t, 7), other);
    node_forget(&t, other, 1);
    cr_assert_eq(t.n, 0);
}

Test(node, a_parent_stays_as_long_as_a_name_in_it)
{
    struct ledger l = { 0 };
    struct nodes t;
    struct stat root = { .st_ino = 1, .st_mode = S_IFDIR };
    nodes_init(&t, &l, &root);
    struct node *above = &t.root, *each[1000];
    for (ino_t i = 0; i < countof(each); i++) {
        struct stat st = { .st_ino = i + 2, .st_mode = S_IFDIR };
        above = each[i] = node_at(&t, &st, above, "d");
        above->lookups++;
    }
    for (size_t i = 0; i + 1 < countof(each); i++)
        node_forget(&t, each[i], 1);
    cr_assert_eq(t.n, countof(each), "the lowest holds them all");
    node_forget(&t, above, 1);
    cr_assert_eq(t.n, 0);
}

Test(folder, is_opened_again_from_above)
{
    struct ledger l = { 0 };
    struct nodes t;
    struct stat st;
    char top[] = "/tmp/holdfast-unit.XXXXXX", path[64];
    cr_assert(mkdtemp(top));
    int root = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
    cr_assert(root >= 0 && fstat(root, &st) == 0);
    nodes_init(&t, &l, &st);
    folder_root(&t, root);
    struct node *each[FOLDERS_KEPT * 2], *deep = NULL;
    for (size_t i = 0; i < countof(each); i++) {
        snprintf(path, sizeof path, "%zu", i);
        cr_assert(mkdirat(root, path, 0755) == 0 && fstatat(root, path, &st, 0) == 0);
        each[i] = node_at(&t, &st, &t.root, path);
        each[i]->lookups++;
        cr_assert(folder_use(&t, each[i]) >= 0);
        folder_done(&t, each[i]);
    }
    cr_assert_null(each[0]->folder, "only some are kept");
    cr_assert(mkdirat(root, "0/x", 0755) == 0 && fstatat(root, "0/x", &st, 0) == 0);
    deep = node_at(&t, &st, each[0], "x");
    deep->lookups++;
    cr_assert(renameat(root, "0", root, "1/moved") == 0);
    cr_assert_eq(folder_use(&t, deep), -1, "not by the old name");
    node_rename(&t, each[0], each[1], "moved");
    int fd = folder_use(&t, deep);
    cr_assert(fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == deep->ino, "by the new one");
    folder_done(&t, deep);
    cr_assert(unlinkat(root, "1/moved/x", AT_REMOVEDIR) == 0 && unlinkat(root, "1/moved", AT_REMOVEDIR) == 0);
    for (size_t i = 1; i < countof(each); i++) {
        snprintf(path, sizeof path, "%zu", i);
        cr_assert_eq(unlinkat(root, path, AT_REMOVEDIR), 0);
    }
    rmdir(top);
}

Test(recount, once_each)
{
    char top[] = "/tmp/holdfast-unit.XXXXXX", path[128];
    struct recount r;
    struct err e;
    struct stat st;
    cr_assert(mkdtemp(top));
    CLOSE_FD int root = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
    cr_assert(mkdirat(root, "d", 0755) == 0 && mkdirat(root, "d/e", 0755) == 0);
    CLOSE_FD int fd = openat(root, "d/f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    cr_assert(fd >= 0 && ftruncate(fd, 1 << 30) == 0 && pwrite(fd, "x", 1, 1 << 20) == 1);
    cr_assert(linkat(root, "d/f", root, "g", 0) == 0 && symlinkat("/etc", root, "s") == 0);
    cr_assert_eq(recount(root, &r, &e), 0);
    cr_assert_eq(r.inodes, 5, "root, d, e, f, s: %llu", (unsigned long long)r.inodes);
    uint64_t sum = 0;
    const char *const names[] = { ".", "d", "d/e", "d/f", "s" };
    for (size_t i = 0; i < countof(names); i++) {
        cr_assert(fstatat(root, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0);
        sum += blocks_of(&st);
    }
    cr_assert_eq(r.bytes, sum);
    static const char *const gone[] = { "s", "g", "d/f" };
    for (size_t i = 0; i < countof(gone); i++)
        unlinkat(root, gone[i], 0);
    unlinkat(root, "d/e", AT_REMOVEDIR);
    unlinkat(root, "d", AT_REMOVEDIR);
    snprintf(path, sizeof path, "%s", top);
    rmdir(path);
}
