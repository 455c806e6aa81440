/* ZFS's commands: what they are given, what their answers mean, and what is no answer.  The command itself is a stand-in that records its words and replies as
   zfs(8) 2.1 does. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "quota/command.h"
#include "quota/dataset.h"

static char asked[8][400];
static struct { int code; const char *out, *why; } replies[8];
static size_t calls, planned;

/* In place of quota/command.c's. */
int command_run(const struct command *c, struct said *s, struct err *e)
{
    cr_assert(calls < planned, "one command too many: %s %s", c->argv[0], c->argv[1]);
    cr_assert(c->seconds > 0 && c->folders[0][0] == '/', "bounded, and from a fixed folder");
    char *at = asked[calls];
    size_t left = sizeof asked[calls];
    for (size_t i = 0; c->argv[i]; i++) {
        int n = snprintf(at, left, "%s%s", i ? " " : "", c->argv[i]);
        at += n;
        left -= (size_t)n;
    }
    if (replies[calls].code < 0)
        return err_set(e, ENOENT, "zfs", "not found");
    s->code = replies[calls].code;
    snprintf(s->out, sizeof s->out, "%s", replies[calls].out ? replies[calls].out : "");
    snprintf(s->why, sizeof s->why, "%s", replies[calls].why ? replies[calls].why : "");
    calls++;
    return 0;
}

static void reply(int code, const char *out, const char *why)
{
    replies[planned].code = code;
    replies[planned].out = out;
    replies[planned++].why = why;
}

static struct dataset s;
static struct err e;

static void begin(void)
{
    calls = planned = 0;
    e = (struct err){ 0 };
    cr_assert_eq(dataset_of(&s, "tank/state", "arena", &e), 0);
}

static void end(void)
{
    cr_assert_eq(calls, planned, "commands that were not asked for");
}

TestSuite(zfs, .init = begin, .fini = end);

static void named(const char *parent, const char *folder, const char *want)
{
    struct dataset n;
    int r = dataset_of(&n, parent, folder, &e);
    cr_assert_eq(r, want ? 0 : -1, "%s %s", parent, folder);
    if (want)
        cr_assert_str_eq(n.name, want);
}

Test(zfs, names)
{
    char longest[300];
    named("tank", "arena", "tank/arena");
    named("tank/a-b_c.d:e", "x.y", "tank/a-b_c.d:e/x.y");
    named("tank", ".arena.new", "tank/arena:new");
    static const char *const bad[] = { "", "-o", "/tank", "tank/", "tank//a", "tank@snap", "tank a", "tank%x", "tank\n", "9tank", "tank;id", "tank\t" };
    for (size_t i = 0; i < countof(bad); i++)
        named(bad[i], "arena", NULL);
    memset(longest, 'a', sizeof longest);
    longest[249] = '\0';
    named(longest, "arena", longest[0] ? strcat(strcpy((char[300]){ 0 }, longest), "/arena") : NULL);
    longest[249] = 'a';
    longest[250] = '\0';
    named(longest, "arena", NULL);
}

#define HEAD "holdfast:server\tarena\nmountpoint\tlegacy\nrefquota\t67108864\nreferenced\t98304\n"
#define WHOLE HEAD "userobjquota@1212547079\t300\nuserobjused@1212547079\t7\n"
enum { OWNER = 1212547079 };

Test(zfs, get)
{
    struct dataset_state st;
    reply(0, WHOLE, NULL);
    cr_assert_eq(dataset_get(&s, OWNER, &st, &e), 1);
    cr_assert_str_eq(asked[0], "zfs get -Hp -t filesystem -o property,value holdfast:server,mountpoint,refquota,referenced,userobjquota@1212547079,"
                               "userobjused@1212547079 tank/state/arena");
    cr_assert_str_eq(st.server, "arena");
    cr_assert_str_eq(st.mountpoint, "legacy");
    cr_assert(st.limit == 67108864 && st.used == 98304 && st.inodes == 300 && st.used_inodes == 7);
}

Test(zfs, get_of_what_has_no_objects_yet)
{
    struct dataset_state st;
    reply(0, HEAD "userobjquota@1212547079\tnone\nuserobjused@1212547079\t-\n", NULL);
    cr_assert_eq(dataset_get(&s, OWNER, &st, &e), 1);
    cr_assert(st.inodes == 0 && st.used_inodes == 0);
}

Test(zfs, get_of_nothing)
{
    struct dataset_state st;
    reply(1, NULL, "cannot open 'tank/state/arena': dataset does not exist");
    cr_assert_eq(dataset_get(&s, OWNER, &st, &e), 0);
    reply(1, NULL, "internal error: Value too large");
    cr_assert_eq(dataset_get(&s, OWNER, &st, &e), -1);
    cr_assert(strstr(e.text, "Value too large"));
    reply(2, NULL, "usage: dataset does not exist");
    cr_assert_eq(dataset_get(&s, OWNER, &st, &e), -1);
}

Test(zfs, get_answers_that_are_none)
{
    static const char *const bad[] = {
        "", "\n", "\t\n", HEAD, WHOLE "referenced\t1\n", WHOLE "x\ty\n", WHOLE "x", HEAD "userobjquota@1212547079\t300\nuserobjused@1212547079\t7",
        HEAD "userobjquota@1212547079\t300\nuserobjused@1212547079\t7x\n", HEAD "userobjquota@1212547079\t-3\nuserobjused@1212547079\t7\n",
        HEAD "userobjquota@1212547079\t99999999999999999999\nuserobjused@1212547079\t7\n", HEAD "userobjquota@1212547078\t3\nuserobjused@1212547079\t7\n",
        "refquota\t64M\nholdfast:server\tarena\nmountpoint\tlegacy\nreferenced\t98304\nuserobjquota@1212547079\t300\nuserobjused@1212547079\t7\n",
        "holdfast:server\taaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nmountpoint\tlegacy\nrefquota\t1\nreferenced\t1\n"
        "userobjquota@1212547079\t300\nuserobjused@1212547079\t7\n",
    };
    for (size_t i = 0; i < countof(bad); i++) {
        struct dataset_state st;
        calls = planned = 0;
        reply(0, bad[i], NULL);
        cr_assert_eq(dataset_get(&s, OWNER, &st, &e), -1, "%s", bad[i]);
        cr_assert_eq(e.no, EPROTO);
    }
}

Test(zfs, make)
{
    reply(0, NULL, NULL);
    cr_assert_eq(dataset_make(&s, "arena", 67108864, &e), 0);
    cr_assert_str_eq(asked[0], "zfs create -o mountpoint=legacy -o setuid=off -o devices=off -o snapdir=hidden -o xattr=sa -o acltype=posixacl -o refquota=67108864 "
                               "-o holdfast:server=arena tank/state/arena");
    reply(1, NULL, "cannot create 'tank/state/arena': out of space");
    cr_assert_eq(dataset_make(&s, "arena", 67108864, &e), -1);
    cr_assert(strstr(e.text, "out of space"));
    planned++;
    replies[2].code = -1;
    cr_assert_eq(dataset_make(&s, "arena", 67108864, &e), -1);
    cr_assert_eq(e.no, ENOENT);
    planned--;
}

Test(zfs, limit)
{
    uint64_t bytes = 4096 * 1000;
    reply(0, NULL, NULL);
    reply(0, NULL, NULL);
    cr_assert_eq(dataset_objects(&s, OWNER, 300, &e), 0);
    cr_assert_eq(dataset_limit(&s, &bytes, &e), 0);
    cr_assert_str_eq(asked[0], "zfs set userobjquota@1212547079=300 tank/state/arena");
    cr_assert_str_eq(asked[1], "zfs set refquota=4096000 tank/state/arena");
    cr_assert_eq(bytes, 4096 * 1000);
}

#define SMALL "cannot set property for 'tank/state/arena': size is less than current used or reserved space"

#define OF_ROOT HEAD "userobjquota@0\tnone\nuserobjused@0\t2\n"

Test(zfs, a_limit_below_what_is_used_becomes_that)
{
    uint64_t bytes = 4096;
    reply(1, NULL, SMALL);
    reply(0, OF_ROOT, NULL);
    reply(1, NULL, SMALL);
    reply(0, "holdfast:server\tarena\nmountpoint\tlegacy\nrefquota\t1\nreferenced\t200000\nuserobjquota@0\tnone\nuserobjused@0\t2\n", NULL);
    reply(0, NULL, NULL);
    cr_assert_eq(dataset_limit(&s, &bytes, &e), 0);
    cr_assert_str_eq(asked[2], "zfs set refquota=98304 tank/state/arena");
    cr_assert_eq(bytes, 200000 + (1 << 20), "who writes meanwhile is a little further");
    cr_assert_str_eq(asked[4], "zfs set refquota=1248576 tank/state/arena");
}

Test(zfs, a_limit_that_is_refused_for_another_reason_fails)
{
    uint64_t bytes = 67108864;
    reply(1, NULL, "cannot set property for 'tank/state/arena': permission denied");
    reply(0, OF_ROOT, NULL);
    cr_assert_eq(dataset_limit(&s, &bytes, &e), -1);
    cr_assert(strstr(e.text, "permission denied"));
    calls = planned = 0;
    reply(1, NULL, "cannot set property for 'tank/state/arena': pool must be upgraded to set this property or value");
    cr_assert_eq(dataset_objects(&s, OWNER, 300, &e), -1);
    cr_assert(strstr(e.text, "userobj_accounting") && strstr(e.text, "must be upgraded"), "%s", e.text);
}

Test(zfs, destroy)
{
    reply(0, NULL, NULL);
    cr_assert_eq(dataset_destroy(&s, &e), 0);
    cr_assert_str_eq(asked[0], "zfs destroy tank/state/arena", "neither children nor snapshots go with it");
    reply(1, NULL, "cannot open 'tank/state/arena': dataset does not exist");
    cr_assert_eq(dataset_destroy(&s, &e), 0);
    reply(1, NULL, "cannot destroy 'tank/state/arena': filesystem has children");
    cr_assert_eq(dataset_destroy(&s, &e), -1);
    cr_assert(strstr(e.text, "has children"));
}

Test(zfs, rename)
{
    struct dataset from;
    cr_assert_eq(dataset_of(&from, "tank/state", ".arena.new", &e), 0);
    reply(0, NULL, NULL);
    cr_assert_eq(dataset_rename(&from, &s, &e), 0);
    cr_assert_str_eq(asked[0], "zfs rename tank/state/arena:new tank/state/arena");
    reply(1, NULL, "cannot rename 'tank/state/arena:new': dataset already exists");
    cr_assert_eq(dataset_rename(&from, &s, &e), -1);
}

static const char MOUNTS[] =
    "21 1 0:20 / / rw shared:1 - ext4 /dev/sda1 rw\n"
    "45 21 0:40 / /tank rw,noatime shared:20 master:3 - zfs tank rw,xattr\n"
    "46 45 0:41 / /var/lib/hold\\040fast - x rw - zfs tank/with\\040space rw\n"
    "47 45 0:42 /sub /a\\040-\\040b rw - zfs tank/state rw\n"
    "450 45 0:43 / /c rw - tmpfs none rw\n"
    "48 45 0:44 / /d rw\n"
    "49 45 0:44 / /e rw - zfs";

static void shows(uint64_t id, bool there, const char *type, const char *source)
{
    char t[16], from[16];
    cr_assert_eq(dataset_mount(MOUNTS, id, t, from, sizeof t), there, "%lu", (unsigned long)id);
    cr_assert_str_eq(t, type, "%lu", (unsigned long)id);
    cr_assert_str_eq(from, source, "%lu", (unsigned long)id);
}

Test(zfs, mounts)
{
    shows(21, true, "ext4", "/dev/sda1");
    shows(45, true, "zfs", "tank");
    shows(47, true, "zfs", "tank/state");
    shows(450, true, "tmpfs", "none");
    shows(4, false, "", "");
    shows(48, false, "", "");
    shows(49, true, "zfs", "");
    shows(0, false, "", "");
}
