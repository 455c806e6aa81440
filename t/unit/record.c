/* The record of a server's files, what is taken for one, and which backend follows from it. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "quota/choose.h"
#include "quota/record.h"

static char top[64];
static struct place p;
static struct err e;

static void begin(void)
{
    snprintf(top, sizeof top, "/tmp/record-test-XXXXXX");
    cr_assert(mkdtemp(top));
    memset(&e, 0, sizeof e);
    cr_assert_eq(place_open(&p, top, "one", &e), 0, "%s", e.text);
}

static void end(void)
{
    char command[128];
    place_close(&p);
    snprintf(command, sizeof command, "%s/servers/one.files/tree", top);
    rmdir(command);
    snprintf(command, sizeof command, "%s/servers/one.files", top);
    rmdir(command);
    static const char *const files[] = { ".one.lock", ".one.quota", ".one.quota~", "one.img" };
    for (size_t i = 0; i < countof(files); i++) {
        snprintf(command, sizeof command, "%s/servers/%s", top, files[i]);
        unlink(command);
    }
    snprintf(command, sizeof command, "%s/servers", top);
    rmdir(command);
    rmdir(top);
}

TestSuite(record, .init = begin, .fini = end);

static void put(const char *name, const char *text)
{
    CLOSE_FD int fd = openat(p.servers, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

Test(record, forms)
{
    struct record r;
    static const struct { const char *text; int result; const char *backend; enum record_move move; const char *other; } rows[] = {
        { "holdfast quota 1\nbackend image\n", 0, "image", RECORD_STILL, "" },
        { "holdfast quota 1\nbackend btrfs\nnew none\n", 0, "btrfs", RECORD_NEW, "none" },
        { "holdfast quota 1\nbackend zfs\nold image\n", 0, "zfs", RECORD_OLD, "image" },
        { "", -1, "", 0, "" },
        { "holdfast quota 2\nbackend image\n", -1, "", 0, "" },
        { "holdfast quota 1\n", -1, "", 0, "" },
        { "holdfast quota 1\nbackend image", -1, "", 0, "" },
        { "holdfast quota 1\nbackend \n", -1, "", 0, "" },
        { "holdfast quota 1\nbackend ../image\n", -1, "", 0, "" },
        { "holdfast quota 1\nbackend aaaaaaaaaaaaaaaaaaaaaaa\n", -1, "", 0, "" },
        { "holdfast quota 1\nbackend image\nnext none\n", -1, "", 0, "" },
        { "holdfast quota 1\nbackend image\nold\n", -1, "", 0, "" },
        { "holdfast quota 1\nbackend image\nold none\nold none\n", -1, "", 0, "" },
        { "holdfast quota 1\nbackend image\n\n", -1, "", 0, "" },
    };
    for (size_t i = 0; i < countof(rows); i++) {
        cr_expect_eq(record_parse(rows[i].text, &r), rows[i].result, "%s", rows[i].text);
        if (rows[i].result < 0)
            continue;
        cr_expect_str_eq(r.backend, rows[i].backend);
        cr_expect_eq(r.move, rows[i].move, "%s", rows[i].text);
        cr_expect_str_eq(r.other, rows[i].other);
    }
}

Test(record, is_kept)
{
    struct record w = { .backend = "image", .move = RECORD_NEW, .other = "none" }, r;
    struct stat st;
    cr_assert_eq(record_read(&p, &r, &e), 0);
    cr_assert_eq(record_write(&p, &w, &e), 0);
    cr_assert_eq(record_read(&p, &r, &e), 1);
    cr_assert_str_eq(r.backend, "image");
    cr_assert_eq(r.move, RECORD_NEW);
    cr_assert_str_eq(r.other, "none");
    cr_assert_eq(fstatat(p.servers, ".one.quota", &st, 0), 0);
    cr_assert_eq(st.st_mode & 07777, 0600);
    cr_assert_lt(faccessat(p.servers, ".one.quota~", F_OK, 0), 0);
    cr_assert_eq(record_remove(&p, &e), 0);
    cr_assert_eq(record_read(&p, &r, &e), 0);
    cr_assert_eq(record_remove(&p, &e), 0, "again");
}

Test(record, of_another_kind_is_an_error)
{
    struct record r;
    put(".one.quota", "holdfast quota 9\nbackend image\n");
    cr_assert_eq(record_read(&p, &r, &e), -1);
    cr_assert(strstr(e.text, "no record of this version"));
    cr_assert_eq(fchmodat(p.servers, ".one.quota", 0644, 0), 0);
    cr_assert_eq(record_read(&p, &r, &e), -1);
    cr_assert(strstr(e.text, "0600"));
    cr_assert_eq(unlinkat(p.servers, ".one.quota", 0), 0);
    cr_assert_eq(symlinkat("/etc/passwd", p.servers, ".one.quota"), 0);
    cr_assert_eq(record_read(&p, &r, &e), -1);
}

static int choose(const char *word, const struct backend **b, bool *fresh)
{
    struct disk d = { .name = "one", .backend = word };
    memset(&e, 0, sizeof e);
    return choose_for(&p, &d, b, fresh, &e);
}

static void record(const char *word)
{
    struct record r = { 0 };
    snprintf(r.backend, sizeof r.backend, "%s", word);
    cr_assert_eq(record_write(&p, &r, &e), 0);
}

Test(record, none_only_by_asking)
{
    const struct backend *b = NULL;
    bool fresh;
    if (choose("auto", &b, &fresh) == 0)
        cr_assert_str_neq(b->word, "none");
    cr_assert_eq(choose("none", &b, &fresh), 0);
    cr_assert_str_eq(b->word, "none");
    cr_assert(fresh);
    record("none");
    cr_assert_eq(mkdirat(p.servers, "one.files", 0700), 0);
    cr_assert_eq(mkdirat(p.servers, "one.files/tree", 0700), 0);
    cr_assert_eq(choose("none", &b, &fresh), 0);
    cr_assert_not(fresh);
    cr_assert_eq(choose("auto", &b, &fresh), -1);
    cr_assert(strstr(e.text, "none, unsafe"), "%s", e.text);
}

Test(record, wins_over_the_configuration)
{
    const struct backend *b;
    bool fresh;
    put("one.img", "");
    cr_assert_eq(choose("auto", &b, &fresh), 0, "%s", e.text);
    cr_assert_str_eq(b->word, "image", "found without a record");
    record("image");
    cr_assert_eq(choose("auto", &b, &fresh), 0);
    cr_assert_str_eq(b->word, "image");
    cr_assert_eq(choose("none", &b, &fresh), -1);
    cr_assert_str_eq(e.text, "its files are on image; configured: none; move them with 'holdfast quota migrate one none', or set quota = image");
    record("nosuch");
    cr_assert_eq(choose("auto", &b, &fresh), -1);
    cr_assert(strstr(e.text, "nosuch"));
}

Test(record, two_without_one_are_refused)
{
    const struct backend *b;
    bool fresh;
    put("one.img", "");
    cr_assert_eq(mkdirat(p.servers, "one.files", 0700), 0);
    cr_assert_eq(mkdirat(p.servers, "one.files/tree", 0700), 0);
    cr_assert_eq(choose("auto", &b, &fresh), -1);
    cr_assert(strstr(e.text, "image") && strstr(e.text, "none"), "%s", e.text);
}

Test(record, unknown_backend)
{
    const struct backend *b;
    bool fresh;
    cr_assert_eq(choose("floppy", &b, &fresh), -1);
    cr_assert(strstr(e.text, "floppy"));
}
