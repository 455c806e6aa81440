/* The log of who did what: what becomes one record, what goes when there is too much, and a file that breaks while it is used. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/proto.h"
#include "store/stored/activity_in.h"
#include "store/stored/db.h"
#include "store/stored/event.h"

static char folder[64];
static struct loop *loop;
static struct activity *a;
static struct recent recent;
static struct err e;

static void up(void)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    a = activity_open(loop, folder, fd);
    close(fd);
    cr_assert_not_null(a->db);
}

static void make(void)
{
    snprintf(folder, sizeof folder, "/tmp/holdfast-act.XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    umask(077);
    log_to(open("/dev/null", O_WRONLY | O_CLOEXEC));
    loop = loop_new();
    up();
}

static void drop(void)
{
    static const char *const names[] = { "activity.db", "activity.db-wal", "activity.db-shm", "activity.db.bad", "activity.db.bad-wal" };
    char path[128];
    activity_close(a);
    for (size_t i = 0; i < countof(names); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
    loop_free(loop);
}

TestSuite(activity, .init = make, .fini = drop);

static int add(const char *server, enum activity_action action, const char *path, uint64_t number, uint32_t flags)
{
    const struct deed d = { .account = "alice", .address = "192.0.2.1", .server = server, .action = action, .path = path,
                            .npath = strlen(path), .other = "", .number = number, .flags = flags };
    return activity_add(a, &recent, &d, 1, &e) < 0 || activity_commit(a, &e) < 0 ? -1 : 0;
}

/* "ACTION PATH NUMBER FLAGS TIMES", a record a line. */
static void is(const char *want)
{
    BUF_FREE struct buf b = BUF(64 * 1024);
    QUERY_END sqlite3_stmt *q = db_query(a->db, &e, "SELECT action, path, number, flags, times FROM activity ORDER BY id", "");
    while (query_step(q, &e) == 1)
        buf_put_fmt(&b, "%lld %s %lld %lld %lld\n", (long long)query_int(q, 0), query_text(q, 1), (long long)query_int(q, 2),
                    (long long)query_int(q, 3), (long long)query_int(q, 4));
    buf_put_u8(&b, 0);
    cr_assert_str_eq((const char *)buf_head(&b), want);
}

static int64_t count(const char *server)
{
    QUERY_END sqlite3_stmt *q = db_query(a->db, &e, "SELECT COUNT(*) FROM activity WHERE server = ?", "t", server);
    cr_assert_eq(query_step(q, &e), 1);
    return query_int(q, 0);
}

Test(activity, the_same_again_is_counted)
{
    add("one", ACTIVITY_WRITE, "a", 10, ACTIVITY_CREATED);
    add("one", ACTIVITY_WRITE, "b", 1, 0);
    add("one", ACTIVITY_WRITE, "a", 5, ACTIVITY_EMPTIED);
    add("one", ACTIVITY_CHMOD, "a", 0600, 0);
    add("one", ACTIVITY_WRITE, "a", 7, 0);
    add("one", ACTIVITY_CHMOD, "a", 0600, 0);
    is("1 a 22 3 3\n1 b 1 0 1\n6 a 384 0 2\n");
}

Test(activity, what_differs_is_not_hidden)
{
    add("one", ACTIVITY_CHMOD, "a", 0777, 0);
    add("one", ACTIVITY_CHMOD, "a", 0600, 0);
    add("one", ACTIVITY_TRUNCATE, "a", 0, 0);
    add("one", ACTIVITY_TRUNCATE, "a", 9, 0);
    add("two", ACTIVITY_TRUNCATE, "a", 9, 0);
    add("one", ACTIVITY_WRITE, "a", 1, ACTIVITY_UNFINISHED);
    add("one", ACTIVITY_WRITE, "a", 2, 0);
    add("one", ACTIVITY_WRITE, "a", 3, ACTIVITY_UNFINISHED);
    is("6 a 511 0 1\n6 a 384 0 1\n7 a 0 0 1\n7 a 9 0 1\n7 a 9 0 1\n1 a 1 4 1\n1 a 2 0 1\n1 a 3 4 1\n");
}

Test(activity, a_name_that_moved_is_another_file)
{
    static const enum activity_action moves[] = { ACTIVITY_RENAME, ACTIVITY_REMOVE, ACTIVITY_RMDIR, ACTIVITY_MKDIR, ACTIVITY_LINK, ACTIVITY_SYMLINK };
    char want[512] = "";
    for (size_t i = 0; i < countof(moves); i++) {
        add("one", ACTIVITY_WRITE, "a", 1, 0);
        add("one", moves[i], "x", 0, 0);
        size_t at = strlen(want);
        snprintf(want + at, sizeof want - at, "1 a 1 0 1\n%d x 0 0 1\n", (int)moves[i]);
    }
    is(want);
}

Test(activity, what_repeats_has_an_end)
{
    for (int i = 0; i < 2; i++)
        for (unsigned k = 0; k <= RECENT_MOST; k++) {
            char path[8];
            snprintf(path, sizeof path, "%u", k);
            add("one", ACTIVITY_WRITE, path, 1, 0);
        }
    cr_assert_eq(count("one"), 2 * (RECENT_MOST + 1), "as many as are remembered and one more, in turn");
    add("two", ACTIVITY_WRITE, "a", 1, 0);
    for (unsigned i = 0; i < RECENT_MOST; i++)
        recent.last[i].until = wall_ms() - 1;
    add("two", ACTIVITY_WRITE, "a", 1, 0);
    cr_assert_eq(count("two"), 2, "too late to be the same");
}

/* Two paths of one hash are two files. */
Test(activity, a_hash_alone_proves_nothing)
{
    add("one", ACTIVITY_WRITE, "a", 1, 0);
    uint64_t of_a = recent.last[0].hash;
    add("one", ACTIVITY_WRITE, "b", 1, 0);
    uint64_t of_b = recent.last[1].hash;
    cr_assert_neq(of_a, of_b);
    recent.last[0].hash = of_b;
    recent.last[1].hash = 0;
    add("one", ACTIVITY_WRITE, "b", 1, 0);
    is("1 a 1 0 1\n1 b 1 0 1\n1 b 1 0 1\n");
}

Test(activity, sums_stay_whole)
{
    for (int i = 0; i < 20; i++)
        add("one", ACTIVITY_WRITE, "a", UINT64_MAX, 0);
    is("1 a 1152921504606846976 0 20\n");
}

static void settle(const char *server, int64_t want)
{
    for (int i = 0; i < 500 && count(server) != want; i++)
        loop_once(loop, 20);
    cr_assert_eq(count(server), want, "%s has %lld, not %lld", server, (long long)count(server), (long long)want);
}

Test(activity, who_has_most_loses_first)
{
    activity_limits(a, 90, 1000);
    for (int i = 0; i < 300; i++)
        add("few", ACTIVITY_REMOVE, "a", 0, 0);
    for (int i = 0; i < 1500; i++)
        add("many", ACTIVITY_REMOVE, "a", 0, 0);
    settle("many", 700);
    cr_assert_eq(count("few"), 300);
    activity_close(a);
    up();
    cr_assert_eq(a->weight, 1000, "and it is counted the same by the next");
    activity_limits(a, 90, 1000);
    add("many", ACTIVITY_MKDIR, "a", 0, 0);
    settle("many", 700);
}

Test(activity, age)
{
    for (int i = 0; i < 500; i++)
        add(i % 2 ? "one" : "two", ACTIVITY_REMOVE, "a", 0, 0);
    cr_assert_eq(db_exec(a->db, "UPDATE activity SET at = at - 2 * 86400000 WHERE id <= 400", &e), 0);
    activity_limits(a, 1, 1000);
    settle("one", 50);
    settle("two", 50);
    cr_assert_eq(a->weight, 100);
}

Test(activity, what_fails_leaves_nothing_behind)
{
    add("one", ACTIVITY_WRITE, "a", 1, 0);
    cr_assert_eq(db_exec(a->db, "CREATE TRIGGER no BEFORE INSERT ON activity WHEN new.path = x'62' BEGIN SELECT RAISE(ABORT, 'no'); END", &e), 0);
    const struct deed two[] = {
        { .account = "alice", .address = "x", .server = "one", .action = ACTIVITY_WRITE, .path = "c", .npath = 1, .other = "" },
        { .account = "alice", .address = "x", .server = "one", .action = ACTIVITY_WRITE, .path = "b", .npath = 1, .other = "" },
    };
    cr_assert_eq(activity_add(a, &recent, two, 2, &e), -1);
    cr_assert_eq(activity_commit(a, &e), 0, "nothing is open");
    is("1 a 1 0 1\n");
    cr_assert_eq(a->weight, 1);
    add("one", ACTIVITY_WRITE, "c", 1, 0);
    is("1 a 1 0 1\n1 c 1 0 1\n");
}

Test(activity, one_that_breaks_in_use_is_set_aside)
{
    for (int i = 0; i < 2000; i++)
        add("one", ACTIVITY_REMOVE, "a", 0, 0);
    cr_assert_eq(db_exec(a->db, "PRAGMA wal_checkpoint(TRUNCATE)", &e), 0);
    cr_assert_eq(db_exec(a->db, "PRAGMA shrink_memory", &e), 0);
    char path[128];
    uint8_t rubbish[4096];
    memset(rubbish, 0xa5, sizeof rubbish);
    snprintf(path, sizeof path, "%s/activity.db", folder);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    struct stat st;
    cr_assert_eq(fstat(fd, &st), 0);
    for (off_t at = 4096; at < st.st_size; at += 4096)
        cr_assert_eq(pwrite(fd, rubbish, sizeof rubbish, at), (ssize_t)sizeof rubbish);
    close(fd);
    int tries = 0;
    while (add("one", ACTIVITY_MKDIR, "new", 0, 0) < 0 && ++tries < 3) {}
    cr_assert(tries > 0 && tries < 3, "%d", tries);
    is("5 new 0 0 1\n");
    snprintf(path, sizeof path, "%s/activity.db.bad", folder);
    cr_assert_eq(access(path, F_OK), 0);
}

/* ---- events ---- */

static bool all(void *data UNUSED, const struct event *v UNUSED)
{
    return true;
}

static bool of(void *data, const struct event *v)
{
    return strcmp(v->server, data) == 0;
}

static int64_t happen(const char *server, const char *text)
{
    struct event v = { .at = 5, .kind = "running", .server = server, .account = "", .text = text };
    cr_assert_eq(event_add(a, &v, &e), 0);
    return v.id;
}

/* How many a page has that begins behind *ID. */
static uint32_t page_of(int64_t *id, event_seen_fn *seen, const char *server, size_t size, bool *end)
{
    struct msg m;
    uint32_t n;
    msg_begin(&m, 1, 0);
    cr_assert_eq(event_page(a, id, seen, (void *)(uintptr_t)server, &m, size, &n, end, &e), 0);
    msg_free(&m);
    return n;
}

Test(activity, events_are_numbered_and_filtered)
{
    bool end;
    for (int i = 1; i <= 6; i++)
        cr_assert_eq(happen(i % 2 ? "one" : "two", "x"), i);
    int64_t id = 0;
    cr_expect_eq(page_of(&id, of, "two", 60000, &end), 3);
    cr_expect(end && id == 6);
    id = 3;
    cr_expect_eq(page_of(&id, of, "one", 60000, &end), 1);
    cr_assert_eq(event_last(a, 2, of, (void *)(uintptr_t)"one", &id, &e), 0);
    cr_expect_eq(id, 2);
    cr_assert_eq(event_last(a, 0, all, NULL, &id, &e), 0);
    cr_expect_eq(id, 6, "none wanted: behind the newest");
    cr_assert_eq(event_last(a, 100, all, NULL, &id, &e), 0);
    cr_expect_eq(id, 0, "more wanted than there are: from the beginning");
}

Test(activity, a_page_of_events_ends_at_its_size_and_goes_on)
{
    char text[201];
    memset(text, 't', 200);
    text[200] = '\0';
    for (int i = 0; i < 300; i++)
        happen("one", text);
    int64_t id = 0;
    bool end;
    uint32_t n = page_of(&id, all, NULL, 5000, &end), sum = n;
    cr_expect(n > 10 && n < 25 && !end && id == n);
    while (!end)
        sum += page_of(&id, all, NULL, 60000, &end);
    cr_expect_eq(sum, 300);
    id = 0;
    cr_expect_eq(page_of(&id, all, NULL, 1000000, &end), EVENT_PAGE, "never more than a page");
}

Test(activity, a_place_of_another_file_is_the_end_of_this_one)
{
    bool end;
    happen("one", "x");
    int64_t id = 1000;
    cr_expect_eq(page_of(&id, all, NULL, 60000, &end), 0);
    cr_expect_eq(id, 1);
    happen("one", "y");
    cr_expect_eq(page_of(&id, all, NULL, 60000, &end), 1);
}

Test(activity, the_oldest_events_go_and_numbers_stay)
{
    cr_assert_eq(db_exec(a->db, "INSERT INTO event VALUES (60000, 1, 'running', 'one', '', 'old')", &e), 0);
    cr_assert_eq(db_exec(a->db, "INSERT INTO event VALUES (9000, 1, 'running', 'one', '', 'older')", &e), 0);
    bool end;
    int64_t id = 0;
    while (happen("one", "x") % 256)
        ;
    cr_expect_eq(page_of(&id, all, NULL, 60000, &end), 160 + 1, "60001 to 60160, and 60000");
    activity_close(a);
    up();
    cr_expect_eq(happen("one", "x"), 60161, "never given twice");
}

Test(activity, a_file_of_the_first_version_gets_events)
{
    add("one", ACTIVITY_REMOVE, "f", 0, 0);
    cr_assert_eq(db_exec(a->db, "DROP TABLE event; PRAGMA user_version = 1", &e), 0);
    activity_close(a);
    up();
    cr_expect_eq(happen("one", "x"), 1);
    int64_t id;
    const char *const names[] = { "one" };
    cr_assert_eq(activity_last(a, names, 1, 5, &id, &e), 0);
    cr_expect_eq(id, 0, "and what it had is there");
}
