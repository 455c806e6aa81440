/* /etc of a sandbox: what programs ask libc for, and nothing that tells of the host. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sandbox/launch/mounts.h"
#include "sandbox/launch/root.h"

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

int etc_write(const struct plan *p, struct err *e)
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

/* The host's own, where it has them: public, the same for everyone, and too large to copy at every start. */
static const struct { const char *host; bool folder; } shared[] = {
    { "/etc/ld.so.cache", false },
    { "/etc/ssl/openssl.cnf", false },
    { "/etc/ssl/certs", true },
    { "/etc/alternatives", true },
};

static int bind_shared(struct err *e)
{
    for (size_t i = 0; i < countof(shared); i++) {
        const char *at = shared[i].host + 1;
        if (!shared[i].folder && mknod(at, S_IFREG | 0644, 0) < 0)
            return err_set(e, errno, "create", "%s", shared[i].host);
        if (mount(shared[i].host, at, NULL, M_BIND | M_REC, NULL) == 0) {
            if (mount(NULL, at, NULL, M_REMOUNT | M_BIND | M_RDONLY | M_NOSUID | M_NODEV | M_NOEXEC, NULL) < 0)
                return err_set(e, errno, "read-only", "%s", shared[i].host);
            continue;
        }
        if (errno != ENOENT)
            return err_set(e, errno, "bind", "%s", shared[i].host);
        if (!shared[i].folder)
            unlink(at);
    }
    return 0;
}

/* A link into /usr can be repeated; anything else (a copy made by hand) is left out and the time is UTC. */
static int link_localtime(struct err *e)
{
    static const char zones[] = "/usr/share/zoneinfo/";
    char to[256];
    ssize_t n = readlink("/etc/localtime", to, sizeof to - 1);
    if (n < 0)
        return 0;
    to[n] = '\0';
    if (strncmp(to, zones, sizeof zones - 1) != 0)
        return 0;
    return symlink(to, "etc/localtime") < 0 ? err_set(e, errno, "symlink", "/etc/localtime") : 0;
}

int etc_fill(const struct plan *p, struct err *e)
{
    return etc_write(p, e) < 0 || bind_shared(e) < 0 || link_localtime(e) < 0 ? -1 : 0;
}
