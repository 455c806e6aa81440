/* /etc of a sandbox: what programs ask libc for, and nothing that tells of the host. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "sandbox/launch/mounts.h"
#include "sandbox/launch/root.h"

enum { ZONE_MOST = 64 << 10 };

static void hostname(const struct plan *p, struct buf *b)
{
    buf_put_fmt(b, "%s\n", p->server);
}

static void hosts(const struct plan *p, struct buf *b)
{
    struct in_addr inside = { htonl(p->inside) };
    char dotted[INET_ADDRSTRLEN];
    /* Both families: a name that hosts has in one only is asked of the resolvers for the other, and waited for. */
    buf_put_fmt(b, "127.0.0.1 localhost\n::1 localhost\n");
    if (p->network == NETWORK_PRIVATE && inet_ntop(AF_INET, &inside, dotted, sizeof dotted))
        buf_put_fmt(b, "%s %s\n", dotted, p->server);
    else
        buf_put_fmt(b, "127.0.1.1 %s\n", p->server);
}

static void resolvers(const struct plan *p, struct buf *b)
{
    for (uint32_t i = 0; i < p->dns.n; i++)
        buf_put_fmt(b, "nameserver %s\n", p->dns.each[i]);
}

/* The same at every start, another for every server, and no trace of the host's: two FNV-1a sums of the name. */
static void machine_id(const struct plan *p, struct buf *b)
{
    uint64_t sum[2] = { 0xcbf29ce484222325, 0x84222325cbf29ce4 };
    for (const char *s = p->server; *s; s++)
        for (int i = 0; i < 2; i++)
            sum[i] = (sum[i] ^ (uint8_t)*s) * 0x100000001b3;
    buf_put_fmt(b, "%016llx%016llx\n", (unsigned long long)sum[0], (unsigned long long)sum[1]);
}

/* A file of fixed text, or one made for the plan. */
static const struct {
    const char *name, *text;
    void (*make)(const struct plan *p, struct buf *b);
} files[] = {
    { "etc/passwd", .text = "root:x:0:0:root:/:/usr/sbin/nologin\n"
                            "server:x:1000:1000::/home/server:/bin/sh\n"
                            "nobody:x:65534:65534::/:/usr/sbin/nologin\n" },
    { "etc/group", .text = "root:x:0:\ntty:x:5:\nserver:x:1000:\nnogroup:x:65534:\n" },
    { "etc/nsswitch.conf", .text = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\n"
                                   "protocols: files\nservices: files\n" },
    { "etc/hostname", .make = hostname },
    { "etc/hosts", .make = hosts },
    { "etc/resolv.conf", .make = resolvers },
    { "etc/machine-id", .make = machine_id },
};

static int make_file(struct child *c UNUSED, const struct step *s, struct err *e UNUSED)
{
    CLOSE_FD int fd = open(s->at, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)s->number);
    return fd < 0 ? -1 : io_write_all(fd, s->with, strlen(s->with));
}

/* The host's own, where it has them: public, the same for everyone, configured by packages and not by the admin, and too large to copy at every start.
   Not here, though programs may look: profile, environment, bash.bashrc, php and the like (admins write secrets there), ld.so.conf (the cache is
   enough), terminfo (Debian's entries are in /usr). */
static const char *const shared[] = {
    "ld.so.cache",           /* the dynamic linker: without it every library is searched for */
    "ssl/openssl.cnf",       /* OpenSSL complains of its absence */
    "ssl/certs",             /* whom TLS trusts, with Java's cacerts; its links go to /usr/share and /usr/local/share */
    "alternatives",          /* java, awk and others are links through here */
    "services", "protocols", /* getservbyname, getprotobyname */
    "mime.types",            /* web servers, Python's mimetypes */
    "fonts",                 /* fontconfig: Java and Mono draw nothing without it, maps and images included */
    "mono",                  /* Mono's configuration and its map of native libraries */
    "dotnet",                /* where a .NET program finds its runtime */
};

/* As above, named by version.  The files of Java's own folder in /usr are links to here; without java.security no TLS, no digest, no random number. */
static const char *const shared_patterns[] = { "java-*-openjdk" };

/* A file or a folder, as it is on the host. */
static int bind_host(const char *from, const char *at, uint64_t flags, struct err *e)
{
    struct stat st;
    if (stat(from, &st) < 0)
        return -1;
    if ((S_ISDIR(st.st_mode) ? mkdir(at, 0755) : mknod(at, S_IFREG | 0644, 0)) < 0)
        return err_set(e, errno, "create", "/%s", at);
    if (mount(from, at, NULL, M_BIND | M_REC, NULL) < 0)
        return err_set(e, errno, "bind", "%s", from);
    return mount(NULL, at, NULL, (unsigned long)flags, NULL) < 0 ? err_set(e, errno, "read-only", "%s", from) : 0;
}

static int bind_shared(struct child *c UNUSED, const struct step *s, struct err *e)
{
    return bind_host(s->from, s->at, s->flags, e);
}

/* All that fit; the list of steps is made without a look at the host. */
static int bind_fitting(struct child *c UNUSED, const struct step *s, struct err *e)
{
    char from[NAME_MAX + 8];
    DIR *d = opendir("/etc");
    if (d == NULL)
        return -1;
    int r = 0;
    struct dirent *entry;
    while (errno = 0, r == 0 && (entry = readdir(d))) {
        if (fnmatch(s->with, entry->d_name, FNM_PERIOD) != 0)
            continue;
        snprintf(from, sizeof from, "/etc/%s", entry->d_name);
        r = bind_host(from, from + 1, s->flags, e);
        if (r < 0 && e->step[0] == '\0')
            err_set(e, errno, s->verb->name, "%s", from);
    }
    /* A list that breaks off is not a short one. */
    if (r == 0 && errno)
        r = err_set(e, errno, "list", "%s", s->from);
    closedir(d);
    return r;
}

static const struct { const char *at, *to; } links[] = {
    { "etc/os-release", "../usr/lib/os-release" },
    { "etc/mtab", "../proc/self/mounts" },
};

static int make_link(struct child *c UNUSED, const struct step *s, struct err *e UNUSED)
{
    return symlink(s->from, s->at);
}

/* A file that is no link into /usr: the zone without its name. */
static int copy_zone(const struct step *s, struct err *e)
{
    size_t size;
    FREE_MEM char *zone = io_read_file(s->from, ZONE_MOST, &size, e);
    if (zone == NULL)
        return -1;
    CLOSE_FD int fd = open(s->at, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    return fd < 0 || io_write_all(fd, zone, size) < 0 ? err_set(e, errno, "write", "/%s", s->at) : 0;
}

/* As a link where it is one, since Java and others take the zone's name from that.  The name in /etc/timezone is for the rest. */
static int give_zone(struct child *c UNUSED, const struct step *s, struct err *e)
{
    static const char *const zones[] = { "/usr/share/zoneinfo/", "../usr/share/zoneinfo/" };
    char to[256];
    ssize_t n = readlink(s->from, to, sizeof to - 1);
    if (n < 0 && errno != EINVAL)
        return -1;
    to[n < 0 ? 0 : n] = '\0';
    for (size_t i = 0; i < countof(zones); i++)
        if (strncmp(to, zones[i], strlen(zones[i])) == 0)
            return symlink(to, s->at) < 0 ? err_set(e, errno, "symlink", "/%s", s->at) : 0;
    return copy_zone(s, e);
}

static const struct verb v_file = { "file", .child = make_file, .inside = true },
    v_shared = { "bind", .child = bind_shared, .bits = mount_flags, .inside = true },
    v_fitting = { "bind", .child = bind_fitting, .bits = mount_flags, .inside = true }, v_link = { "symlink", .child = make_link, .inside = true },
    v_localtime = { "localtime", .child = give_zone, .inside = true };

static const char *text_of(struct steps *l, const struct plan *p, size_t i)
{
    if (files[i].text)
        return files[i].text;
    /* Nothing comes out longer than four times the message it came in. */
    struct buf b BUF_FREE = BUF(4 * MSG_MOST);
    files[i].make(p, &b);
    invariant(!b.bad);
    return step_text(l, mem_strn(buf_head(&b), buf_size(&b)));
}

void etc_steps_files(struct steps *l, const struct plan *p, const char *prefix)
{
    for (size_t i = 0; i < countof(files); i++)
        step_add(l, (struct step){ .verb = &v_file, .at = step_text(l, mem_fmt("%s%s", prefix, files[i].name)), .with = text_of(l, p, i),
                                   .number = 0644 });
}

void etc_steps(struct steps *l, const struct plan *p)
{
    etc_steps_files(l, p, "");
    const uint64_t sealed = M_REMOUNT | M_BIND | M_RDONLY | M_NOSUID | M_NODEV | M_NOEXEC;
    for (size_t i = 0; i < countof(shared); i++) {
        const char *host = step_text(l, mem_fmt("/etc/%s", shared[i]));
        step_add(l, (struct step){ .verb = &v_shared, .at = host + 1, .from = host, .tolerates = ENOENT, .flags = sealed });
    }
    for (size_t i = 0; i < countof(shared_patterns); i++)
        step_add(l, (struct step){ .verb = &v_fitting, .at = "etc", .from = "/etc", .with = shared_patterns[i], .flags = sealed });
    for (size_t i = 0; i < countof(links); i++)
        step_add(l, (struct step){ .verb = &v_link, .at = links[i].at, .from = links[i].to });
    sys_step_copy(l, "/etc/timezone", "etc/timezone");
    step_add(l, (struct step){ .verb = &v_localtime, .at = "etc/localtime", .from = "/etc/localtime", .tolerates = ENOENT });
}
