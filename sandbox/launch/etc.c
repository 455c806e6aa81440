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

static int write_files(const struct plan *p, struct err *e)
{
    for (size_t i = 0; i < countof(files); i++) {
        struct buf b BUF_FREE = BUF(16384);
        if (files[i].make)
            files[i].make(p, &b);
        else
            buf_put(&b, files[i].text, strlen(files[i].text));
        CLOSE_FD int fd = open(files[i].name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0 || io_write_all(fd, buf_head(&b), buf_size(&b)) < 0)
            return err_set(e, errno, "write", "/%s", files[i].name);
    }
    return 0;
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

static int bind_one(const char *name, struct err *e)
{
    char host[NAME_MAX + 8];
    struct stat st;
    snprintf(host, sizeof host, "/etc/%s", name);
    const char *at = host + 1;
    if (stat(host, &st) < 0)
        return errno == ENOENT ? 0 : err_set(e, errno, "stat", "%s", host);
    if ((S_ISDIR(st.st_mode) ? mkdir(at, 0755) : mknod(at, S_IFREG | 0644, 0)) < 0)
        return err_set(e, errno, "create", "%s", host);
    if (mount(host, at, NULL, M_BIND | M_REC, NULL) < 0)
        return err_set(e, errno, "bind", "%s", host);
    return mount(NULL, at, NULL, M_REMOUNT | M_BIND | M_RDONLY | M_NOSUID | M_NODEV | M_NOEXEC, NULL) < 0 ? err_set(e, errno, "read-only", "%s", host) : 0;
}

static bool fits(const char *name)
{
    for (size_t i = 0; i < countof(shared_patterns); i++)
        if (fnmatch(shared_patterns[i], name, FNM_PERIOD) == 0)
            return true;
    return false;
}

static int bind_shared(struct err *e)
{
    for (size_t i = 0; i < countof(shared); i++)
        if (bind_one(shared[i], e) < 0)
            return -1;
    DIR *d = opendir("/etc");
    if (d == NULL)
        return err_set(e, errno, "open", "/etc");
    int r = 0;
    for (struct dirent *entry; r == 0 && (entry = readdir(d));)
        if (fits(entry->d_name))
            r = bind_one(entry->d_name, e);
    closedir(d);
    return r;
}

static const struct { const char *at, *to; } links[] = {
    { "etc/os-release", "../usr/lib/os-release" },
    { "etc/mtab", "../proc/self/mounts" },
};

static int make_links(struct err *e)
{
    for (size_t i = 0; i < countof(links); i++)
        if (symlink(links[i].to, links[i].at) < 0)
            return err_set(e, errno, "symlink", "/%s", links[i].at);
    return 0;
}

/* A file that is no link into /usr: the zone without its name. */
static int copy_localtime(struct err *e)
{
    size_t size;
    FREE_MEM char *zone = io_read_file("/etc/localtime", ZONE_MOST, &size, e);
    if (zone == NULL)
        return e->no == ENOENT ? 0 : -1;
    CLOSE_FD int fd = open("etc/localtime", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    return fd < 0 || io_write_all(fd, zone, size) < 0 ? err_set(e, errno, "write", "/etc/localtime") : 0;
}

/* As a link where it is one, since Java and others take the zone's name from that.  The name in /etc/timezone is for the rest. */
static int give_zone(struct err *e)
{
    static const char *const zones[] = { "/usr/share/zoneinfo/", "../usr/share/zoneinfo/" };
    char to[256];
    ssize_t n = readlink("/etc/localtime", to, sizeof to - 1);
    to[n < 0 ? 0 : n] = '\0';
    if (sys_copy("/etc/timezone", "etc/timezone", e) < 0)
        return -1;
    for (size_t i = 0; i < countof(zones); i++)
        if (strncmp(to, zones[i], strlen(zones[i])) == 0)
            return symlink(to, "etc/localtime") < 0 ? err_set(e, errno, "symlink", "/etc/localtime") : 0;
    return copy_localtime(e);
}

int etc_fill(const struct plan *p, struct err *e)
{
    return write_files(p, e) < 0 || bind_shared(e) < 0 || make_links(e) < 0 || give_zone(e) < 0 ? -1 : 0;
}
