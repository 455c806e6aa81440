/* The plan of a launch, as data: what is in it, in which order, and what never is.  Nothing is run. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sandbox/launch/plan.h"
#include "sandbox/launch/run.h"
#include "sandbox/proto.h"

/* The fields of the message; a test changes the ones it is about. */
struct fields {
    uint16_t type;
    const char *server, *argument, *directory, *variable, *host6, *inside6, *interface, *resolver, *init;
    uint32_t base, shim, argc, tty, nofile, pids, profile, filter, network, host, inside, ports, port, resolvers, image, cgroup, notify, writes, wall;
    uint64_t tmp, memory;
};

static struct fields usual(void)
{
    return (struct fields){ .type = LAUNCH_RUN, .server = "survival", .argument = "./run", .directory = "/home/server", .variable = "TOKEN=secret",
                            .host6 = "", .inside6 = "", .interface = "hf0ad50002", .resolver = "1.1.1.1", .init = "/usr/lib/holdfast-init", .base = 65536 * 30, .shim = 990,
                            .argc = 1, .nofile = 1024, .pids = 64, .network = NETWORK_PRIVATE, .host = 0x0ad50001, .inside = 0x0ad50002,
                            .ports = 1, .port = 25565, .resolvers = 1, .cgroup = 1, .wall = 60, .tmp = 1 << 24, .memory = 1 << 30 };
}

static struct fields errand(bool writes)
{
    struct fields f = usual();
    f.type = LAUNCH_ERRAND;
    f.network = NETWORK_NONE;
    f.writes = writes;
    return f;
}

/* COUNT is said; at most so many come as fit. */
static void put_some(struct msg *m, uint32_t count, const char *each)
{
    msg_put_u32(m, count);
    for (uint32_t i = 0; i < count && m->body.len < MSG_MOST - 8192; i++)
        msg_put_str(m, each);
}

static void put(struct msg *m, const struct fields *f)
{
    msg_begin(m, f->type, 0);
    msg_put_str(m, f->server);
    msg_put_u32(m, f->base);
    msg_put_u32(m, f->shim);
    msg_put_u32(m, 2);
    put_some(m, f->argc, f->argument);
    msg_put_str(m, f->directory);
    put_some(m, 1, f->variable);
    msg_put_u32(m, f->tty);
    msg_put_u64(m, f->tmp);
    msg_put_u64(m, f->memory);
    msg_put_u32(m, f->nofile);
    msg_put_u32(m, f->pids);
    msg_put_u32(m, f->profile);
    msg_put_u32(m, f->filter);
    msg_put_u32(m, f->network);
    msg_put_u32(m, f->host);
    msg_put_u32(m, f->inside);
    msg_put_str(m, f->host6);
    msg_put_str(m, f->inside6);
    msg_put_str(m, f->interface);
    msg_put_u32(m, f->ports);
    for (uint32_t i = 0; i < f->ports && i < 100; i++) {
        msg_put_u32(m, f->port);
        msg_put_u32(m, 0);
    }
    put_some(m, f->resolvers, f->resolver);
    msg_put_u32(m, f->image);
    msg_put_str(m, f->init);
    msg_put_str(m, "/usr/lib/holdfast-shim");
    msg_put_u32(m, 0);
    msg_put_u32(m, 0);
    msg_put_str(m, "");
    msg_put_u32(m, f->notify);
    msg_put_u64(m, 0);
    msg_put_u32(m, f->cgroup);
    if (f->type == LAUNCH_ERRAND) {
        msg_put_u32(m, f->writes);
        msg_put_u32(m, f->wall);
    }
}

/* As launch receives it. */
static int read_plan(const struct fields *f, struct plan *p, struct err *e)
{
    int pair[2];
    struct msg out MSG_FREE, in MSG_FREE;
    put(&out, f);
    msg_begin(&in, 0, 0);
    cr_assert(io_pair(pair) == 0 && msg_send(pair[0], &out) == 0 && msg_recv(pair[1], &in) == 1);
    close(pair[0]);
    close(pair[1]);
    return plan_read(p, &in, false, e);
}

static struct { char *text, *line[1000]; int n; } plan;

static void make(struct fields f)
{
    struct plan p;
    struct steps l = { 0 };
    struct err e = { 0 };
    struct buf b BUF_FREE = BUF(1 << 20);
    cr_assert_eq(read_plan(&f, &p, &e), 0, "%s: %s", e.step, e.text);
    sequence(&l, &p);
    steps_print(&l, &b);
    for (size_t i = 0; i < l.n; i++)
        cr_assert((l.each[i].verb->host == NULL) != (l.each[i].verb->child == NULL) && l.each[i].at, "%zu", i);
    free(plan.text);
    plan.text = mem_strn(buf_head(&b), buf_size(&b));
    plan.n = 0;
    for (char *save, *s = strtok_r(plan.text, "\n", &save); s; s = strtok_r(NULL, "\n", &save))
        plan.line[plan.n++] = s;
    cr_assert_eq((size_t)plan.n, l.n, "one line a step");
    steps_free(&l);
    plan_free(&p);
}

/* The step that begins with WORDS; -1: none. */
static int at(const char *words)
{
    for (int i = 0; i < plan.n; i++)
        if (strncmp(plan.line[i], words, strlen(words)) == 0)
            return i;
    return -1;
}

static int last(const char *words)
{
    int found = -1;
    for (int i = 0; i < plan.n; i++)
        if (strncmp(plan.line[i], words, strlen(words)) == 0)
            found = i;
    return found;
}

static int count(const char *words)
{
    int n = 0;
    for (int i = 0; i < plan.n; i++)
        n += strstr(plan.line[i], words) != NULL;
    return n;
}

static void in_order(const char *const *steps, size_t n)
{
    for (size_t i = 0; i < n; i++)
        cr_assert(at(steps[i]) >= 0, "there is no '%s'", steps[i]);
    for (size_t i = 1; i < n; i++)
        cr_expect(last(steps[i - 1]) < at(steps[i]), "'%s' is not before '%s'", steps[i - 1], steps[i]);
}
#define IN_ORDER(...) in_order((const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

Test(plan, the_order_of_both)
{
    make(usual());
    IN_ORDER("host take-filter", "host check the server's files", "host clone-tree", "host readable", "host links", "host owner of the namespaces", "host clone namespaces", "host open its user namespace", "host map", "host owner no more", "host tell mapped", "host network-namespace in the server's [user,net]", "host tell network", "host veth", "host network lo",
             "host hear ready", "host hear exec", "host descriptors", "host drop", "host undumpable", "host tell supervisor",
             "host tell-init", "host exec");
    IN_ORDER("child unshare namespaces [cgroup]", "child clocks", "child hostname", "child hear mapped", "child become root",
             "child mount / ", "child mkdir /home/server", "child symlink /var/run", "child attach /usr", "child mkdir /dev/pts", "child device",
             "child copy /dev/mqueue/boot_id", "child mkdir /sys/devices", "child copy /sys", "child processors", "child file", "child bind",
             "child enter network namespace", "child seal", "child mount /proc", "child cover /proc/kcore", "child read-only", "child cover /proc/sys/kernel/random/boot_id",
             "child mount /sys/fs/cgroup", "child mount /tmp", "child mount /dev/mqueue", "child attach /home/server", "child pivot_root", "child limit", "child drop", "child keyring",
             "child descriptors", "child landlock rules", "child allow", "child landlock for good", "child filter", "child tell ready", "child exec");
    IN_ORDER("host clone namespaces", "child unshare");
    IN_ORDER("host tell mapped", "child become root");
    /* The last of its ids, which is nobody's: what the kernel counts to an owner is shared with nobody. */
    cr_expect_str_eq(plan.line[at("host owner of")], "host owner of the namespaces uid=2031615");
    cr_expect_str_eq(plan.line[at("host owner no more")], "host owner no more uid=0");
    cr_expect_str_eq(plan.line[plan.n - 1], "host exec /usr/lib/holdfast-shim seconds=0");
    cr_expect(strstr(plan.line[at("host clone namespaces")], "[user,pid,mnt,ipc,uts,into-cgroup]"));
}

/* Who has changed its ids may no longer open its own timens_offsets. */
Test(plan, clocks_are_set_before_the_ids_are_used)
{
    struct fields all[] = { usual(), errand(true), usual() };
    all[2].image = 1;
    for (size_t i = 0; i < countof(all); i++) {
        make(all[i]);
        cr_expect_eq(count("child clocks of its own"), 1);
        cr_expect_null(strstr(plan.line[at("child clocks")], " or="), "a machine without time namespaces runs nothing");
        IN_ORDER("host clone namespaces", "child clocks", "host map", "child hear mapped", "child become root", "child mount /proc");
    }
}

Test(plan, behind_the_filter_is_only_the_exec)
{
    make(usual());
    int n = 0;
    for (int i = at("child filter") + 1; i < plan.n; i++)
        n += strncmp(plan.line[i], "child ", 6) == 0;
    cr_expect_eq(n, 2, "%d", n);
}

Test(plan, the_filter_is_named)
{
    static const char *const profiles[] = { "server", "build", "tool" };
    char line[64];
    for (uint32_t i = 0; i < countof(profiles); i++) {
        struct fields f = usual();
        f.profile = i;
        make(f);
        snprintf(line, sizeof line, "child filter %s", profiles[i]);
        cr_expect(at(line) > 0, "%s", line);
        snprintf(line, sizeof line, "host take-filter %s", profiles[i]);
        cr_expect_eq(at(line), 0, "%s", line);
    }
    struct fields f = usual();
    f.filter = 1;
    make(f);
    cr_expect(at("host take-filter as the admin changed it") == 0 && at("child filter as the admin changed it") > 0);
    cr_expect_eq(count("filter server"), 0, "and it is the only one");
}

/* Every mount of the list and its place relative to the seal. */
Test(plan, what_is_writable_comes_behind_the_seal_and_is_known)
{
    static const char *const writable[] = { "child mount /proc ", "child mount /tmp ", "child mount /dev/shm ", "child mount /run ",
                                            "child mount /dev/mqueue ", "child mount /dev/pts " };
    make(usual());
    int seal = at("child seal / [ro,nosuid]"), known = 0;
    cr_assert(seal > 0);
    for (int i = seal; i < plan.n; i++) {
        if (strncmp(plan.line[i], "child mount ", 12) != 0 || strstr(plan.line[i], "[ro,nosuid,nodev,noexec]"))
            continue;
        bool found = false;
        for (size_t k = 0; k < countof(writable); k++)
            found = found || strncmp(plan.line[i], writable[k], strlen(writable[k])) == 0;
        cr_expect(found, "%s", plan.line[i]);
        cr_expect(strstr(plan.line[i], "nosuid"), "%s", plan.line[i]);
        known++;
    }
    cr_expect_eq(known, (int)countof(writable));
    cr_expect_eq(count("child attach "), 2);
    cr_expect(strstr(plan.line[at("host clone-tree /usr")], "[ro,nosuid,nodev]"));
    cr_expect(strstr(plan.line[at("host clone-tree the server's files")], "[nosuid,nodev]"));
    cr_expect_str_eq(plan.line[at("child mount /sys/fs/cgroup")], "child mount /sys/fs/cgroup from=cgroup2 [ro,nosuid,nodev,noexec]");
    cr_expect_lt(last("child copy "), seal, "/sys is sealed with the rest");
    cr_expect(strstr(plan.line[at("child mount /tmp")], "size=16777216,"));
    cr_expect(strstr(plan.line[at("child read-only /proc/sys ")], "[ro,nosuid,nodev,noexec]"));
    for (int i = at("child pivot_root"); i < plan.n; i++)
        cr_expect_null(strstr(plan.line[i], "mount "), "%s", plan.line[i]);
}

/* What tells this machine from another is covered by what was made for this start, or there is no start. */
Test(plan, boot_id)
{
    make(usual());
    IN_ORDER("child copy /dev/mqueue/boot_id from=/proc/sys/kernel/random/uuid", "child seal", "child read-only /proc/sys ",
             "child cover /proc/sys/kernel/random/boot_id", "child mount /dev/mqueue");
    cr_expect_str_eq(plan.line[at("child cover /proc/sys/kernel/random/boot_id")],
                     "child cover /proc/sys/kernel/random/boot_id from=dev/mqueue/boot_id");
}

static const char *const devices[] = { "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom" };

Test(plan, landlock_writes_where_the_mounts_do_and_nowhere_else)
{
    make(usual());
    /* A queue is opened by a mount of the kernel's own, which "/" is not above: it needs the right to read, too. */
    static const char *const made[] = { "/tmp [write,make]", "/dev/shm [write,make]", "/run [write,make]", "/home/server [write,make]",
                                        "/dev/mqueue [read,write,make]" };
    char line[100];
    for (size_t i = 0; i < countof(made); i++) {
        snprintf(line, sizeof line, "child allow %s", made[i]);
        cr_expect(at(line) > 0, "%s", line);
    }
    for (size_t i = 0; i < countof(devices); i++) {
        snprintf(line, sizeof line, "child allow %s [write]", devices[i]);
        cr_expect(at(line) > 0, "%s", line);
    }
    cr_expect(at("child allow /dev/pts [write,ioctl]") > 0 && at("child allow /dev/tty [write,ioctl]") > 0);
    cr_expect(at("child allow / [read,execute]") > 0);
    cr_expect_eq(count("child allow "), (int)(countof(made) + countof(devices)) + 4);
    cr_expect_eq(count(",make]"), (int)countof(made));
    cr_expect_eq(count("ioctl]"), 2);
}

Test(plan, memory_bounds_what_is_written_to_tmp)
{
    struct fields f = usual();
    f.tmp = 1ull << 40;
    make(f);
    cr_expect(strstr(plan.line[at("child mount /tmp")], "size=268435456,"), "%s", plan.line[at("child mount /tmp")]);
}

Test(plan, an_errand_has_no_network_no_pipes_and_an_end)
{
    make(errand(true));
    cr_expect_eq(count("host pipe"), 0);
    cr_expect_eq(count("host veth"), 0);
    cr_expect(at("child attach /home/survival") > 0);
    cr_expect(at("child allow /home/survival [write,make]") > 0);
    cr_expect(at("child landlock rules [bind-tcp,connect-tcp]") > 0);
    cr_expect(at("host exec /usr/lib/holdfast-shim seconds=60") > 0);
}

Test(plan, an_errand_that_only_reads_cannot_write)
{
    make(errand(false));
    cr_expect(strstr(plan.line[at("host clone-tree the server's files")], "[ro,nosuid,nodev]"));
    cr_expect_eq(at("child allow /home/survival"), -1);
}

/* Another tree in place of the host's /usr: ours are laid over it. */
Test(plan, an_image)
{
    static const char *const covered[] = { "passwd", "group", "hostname", "hosts", "resolv.conf", "machine-id" };
    struct fields f = usual();
    f.image = 1;
    make(f);
    cr_expect_eq(count("/usr [") + count("attach /usr") + count("bind /etc/") + count("symlink /bin"), 0, "nothing of the host's programs");
    cr_expect_str_eq(plan.line[at("host clone-tree the image")], "host clone-tree the image [ro,nosuid,nodev]");
    for (size_t i = 0; i < countof(covered); i++) {
        char line[100];
        snprintf(line, sizeof line, "child cover /etc/%s from=run/etc/%s [ro,nosuid,nodev,noexec]", covered[i], covered[i]);
        cr_assert(at(line) > 0, "%s", line);
        cr_expect_str_eq(plan.line[at(line)], line, "and it must not fail");
    }
    cr_expect_eq(count("child cover /etc/"), (int)countof(covered));
    IN_ORDER("child attach / from=the image", "child mkdir /run/etc", "child file /run/etc/", "child cover /etc/", "child unmount /run",
             "child mount /home ", "child mkdir /home/server", "child mount /dev ", "child mount /sys ", "child mkdir /dev/pts", "child device",
             "child mkdir /sys/devices", "child seal / [ro,nosuid]", "child mount /proc ", "child mount /tmp ", "child bind /var/tmp from=tmp",
             "child attach /home/server", "child pivot_root");
    static const char *const small[] = { "/run", "/home", "/dev", "/sys" };
    for (size_t i = 0; i < countof(small); i++) {
        char line[64];
        snprintf(line, sizeof line, "child mount %s from=tmpfs [nosuid,nodev] \"mode=755,size=1m,", small[i]);
        cr_expect(at(line) > 0 && at(line) < at("child seal"), "%s", line);
    }
    cr_expect(at("child allow / [read,execute]") > 0 && at("child filter server") > 0);
}

Test(plan, both_families)
{
    struct fields f = usual();
    f.host6 = "fd00::a";
    f.inside6 = "fd00::9";
    make(f);
    cr_expect_str_eq(plan.line[at("host veth")], "host veth hf0ad50002 \"10.213.0.1/30 fd00::a/126\"");
    cr_expect_str_eq(plan.line[at("host network lo and eth0")], "host network lo and eth0 \"10.213.0.2/30 fd00::9/126\"");
}

Test(plan, network_none)
{
    struct fields f = usual();
    f.network = NETWORK_NONE;
    make(f);
    cr_expect_eq(at("host veth"), -1);
    cr_expect(at("host network lo") > 0 && strstr(plan.line[at("host network lo")], "eth0") == NULL);
    cr_expect(at("child landlock rules [bind-tcp,connect-tcp]") > 0);
    make(usual());
    cr_expect(at("host network lo and eth0 \"10.213.0.2/30\"") > 0);
    cr_expect_eq(at("child landlock rules ["), -1);
}

Test(plan, low_ports_are_opened_for_whom_has_one)
{
    make(usual());
    cr_expect_eq(count("ip_unprivileged_port_start"), 0);
    struct fields f = usual();
    f.port = 80;
    make(f);
    IN_ORDER("child mount /proc", "child write /proc/sys/net/ipv4/ip_unprivileged_port_start", "child read-only /proc/sys");
}

Test(plan, terminal_and_no_group)
{
    struct fields f = usual();
    f.tty = 1;
    f.cgroup = 0;
    make(f);
    cr_expect_eq(count("host pipe"), 0);
    IN_ORDER("child mount /dev/pts", "child pivot_root", "child terminal", "child drop");
    IN_ORDER("host tell network", "host hear terminal", "host hear ready");
    cr_expect(at("host open /dev/null") > 0);
    cr_expect_null(strstr(plan.line[at("host clone namespaces")], "into-cgroup"));
    cr_expect_eq(count("sys/fs/cgroup from="), 0, "nor a view of one");
}

Test(plan, what_may_fail_is_said_and_little)
{
    make(usual());
    /* What a kernel or a machine has not, and then a sandbox has not either. */
    static const struct { const char *step, *reason; } rows[] = {
        { "child copy ", "ENOENT" }, { "child processors /sys/", "ENOENT" }, { "child bind /etc/", "ENOENT" }, { "child localtime ", "ENOENT" },
        { "child cover /proc/", "ENOENT" }, { "child read-only /proc/", "ENOENT" }, { "child keyring ", "ENOSYS" }, { "host session ", "EPERM" },
    };
    for (int i = 0; i < plan.n; i++) {
        const char *tolerates = strstr(plan.line[i], " or=");
        bool known = tolerates == NULL;
        for (size_t k = 0; k < countof(rows); k++)
            known = known || (strncmp(plan.line[i], rows[k].step, strlen(rows[k].step)) == 0 && strcmp(tolerates + 4, rows[k].reason) == 0);
        cr_expect(known, "%s", plan.line[i]);
    }
}

Test(plan, no_secret_of_the_environment_is_printed_and_no_line_forged)
{
    struct fields f = usual();
    make(f);
    int lines = plan.n;
    cr_expect_eq(count("secret"), 0);
    f.argument = "x\nchild filter none\n\"";
    f.directory = "/home/server\nhost exec /bin/sh";
    make(f);
    cr_expect_eq(plan.n, lines);
    cr_expect_eq(at("child filter none"), -1);
    cr_expect_eq(last("host exec"), plan.n - 1);
}

/* Long, but no lie: all of it is taken. */
Test(plan, large_values_that_are_good)
{
    struct fields f = usual();
    f.resolver = "::1";
    f.resolvers = 3000;
    f.argc = 1500;
    f.server = "a2345678901234567890123456789012";
    make(f);
    cr_expect(strlen(plan.line[at("child file /etc/resolv.conf")]) > 3000 * strlen("nameserver ::1"));
    cr_expect(at("child hostname a2345678901234567890123456789012") > 0);
}

static void refused(struct fields f, const char *why)
{
    struct plan p;
    struct err e = { 0 };
    cr_assert_eq(read_plan(&f, &p, &e), -1, "taken: %s", why);
    cr_expect_str_eq(e.step, "plan");
    cr_expect(strstr(e.text, why), "'%s' is not told as '%s'", why, e.text);
}
#define REFUSED(why, ...) do { struct fields f = usual(); __VA_ARGS__; refused(f, why); } while (0)

Test(plan, values_that_cannot_be)
{
    REFUSED("server", f.server = "");
    REFUSED("server", f.server = "../other");
    REFUSED("server", f.server = "a b");
    REFUSED("server", f.server = "a23456789012345678901234567890123");
    REFUSED("uid base 0", f.base = 0);
    REFUSED("uid base", f.base = 65535);
    REFUSED("uid base", f.base = UINT32_MAX - 65536);
    REFUSED("shim uid 0", f.shim = 0);
    REFUSED("shim uid", f.shim = f.base + 1000);
    REFUSED("no command", f.argc = 0);
    REFUSED("no command", f.argument = "");
    REFUSED("a path is not absolute", f.directory = "home");
    REFUSED("a path is not absolute", f.init = "init");
    REFUSED("nofile 0", f.nofile = 0);
    REFUSED("pids 0", f.pids = 0);
    REFUSED("tmp 0", f.tmp = 0);
    REFUSED("network 7", f.network = 7);
    REFUSED("interface", f.interface = "");
    REFUSED("interface", f.interface = "longer-than-16-bytes");
    REFUSED("interface", f.interface = "a/b");
    REFUSED("the two addresses", f.inside = f.host);
    REFUSED("the two addresses", f.inside = f.host + 4);
    REFUSED("port 0", f.port = 0);
    REFUSED("port 70000", f.port = 70000);
    REFUSED("resolver", f.resolver = "1.1.1.1\nsearch evil");
    REFUSED("an errand has neither", f = errand(true); f.network = NETWORK_PRIVATE);
    REFUSED("an errand has neither", f = errand(true); f.tty = 1);
    REFUSED("an errand has neither", f = errand(true); f.image = 1);
    REFUSED("profile 3", f.profile = 3);
    REFUSED("the two IPv6 addresses", f.host6 = "fd00::a");
    REFUSED("the two IPv6 addresses", f.host6 = "fd00::a"; f.inside6 = "fd00::a");
    REFUSED("the two IPv6 addresses", f.host6 = "fd00::a"; f.inside6 = "fd00::e");
    REFUSED("the two IPv6 addresses", f.host6 = "fd00::a"; f.inside6 = "fd01::9");
    REFUSED("the two IPv6 addresses", f.host6 = "10.0.0.1"; f.inside6 = "10.0.0.2");
    REFUSED("an errand without an end", f = errand(true); f.wall = 0);
}

/* The count is believed before anything is taken for it: that costs nothing. */
Test(plan, counts_that_cannot_be)
{
    REFUSED("4294967295 arguments", f.argc = UINT32_MAX);
    REFUSED("1000000 resolvers", f.resolvers = 1000000; f.resolver = "1.1.1.1");
    REFUSED("4000000000 ports", f.ports = 4000000000u);
}
