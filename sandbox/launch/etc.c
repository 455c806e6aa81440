/* /etc of a sandbox: what programs ask libc for, and nothing that tells of the host. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/die.h"
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

static int make_file(struct child *c UNUSED, const struct step *s, struct err *e UNUSED)
{
    CLOSE_FD int fd = open(s->at, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)s->number);
    return fd < 0 ? -1 : io_write_all(fd, s->with, strlen(s->with));
}

/* The host's own, where it has them: public, the same for everyone, and too large to copy at every start. */
static const struct { const char *host; bool folder; } shared[] = {
    { "/etc/ld.so.cache", false },
    { "/etc/ssl/openssl.cnf", false },
    { "/etc/ssl/certs", true },
    { "/etc/alternatives", true },
};

static int bind_shared(struct child *c UNUSED, const struct step *s, struct err *e)
{
    bool folder = s->number;
    if (!folder && mknod(s->at, S_IFREG | 0644, 0) < 0)
        return err_set(e, errno, "create", "/%s", s->at);
    if (mount(s->from, s->at, NULL, M_BIND | M_REC, NULL) == 0) {
        if (mount(NULL, s->at, NULL, (unsigned long)s->flags, NULL) < 0)
            return err_set(e, errno, "read-only", "%s", s->from);
        return 0;
    }
    int no = errno;
    if (!folder && no == ENOENT && unlink(s->at) < 0)
        return err_set(e, errno, "unlink", "/%s", s->at);
    errno = no;
    return -1;
}

/* A link into /usr can be repeated; anything else (a copy made by hand) is left out and the time is UTC. */
static int link_localtime(struct child *c UNUSED, const struct step *s, struct err *e)
{
    static const char zones[] = "/usr/share/zoneinfo/";
    char to[256];
    ssize_t n = readlink(s->from, to, sizeof to - 1);
    if (n < 0)
        return errno == EINVAL ? 0 : -1;
    to[n] = '\0';
    if (strncmp(to, zones, sizeof zones - 1) != 0)
        return 0;
    return symlink(to, s->at) < 0 ? err_set(e, errno, "symlink", "/%s", s->at) : 0;
}

static const struct verb v_file = { "file", .child = make_file, .inside = true },
    v_shared = { "bind", .child = bind_shared, .bits = mount_flags, .inside = true },
    v_localtime = { "localtime", .child = link_localtime, .inside = true };

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

void etc_steps(struct steps *l, const struct plan *p)
{
    for (size_t i = 0; i < countof(files); i++)
        step_add(l, (struct step){ .verb = &v_file, .at = files[i].name, .with = text_of(l, p, i), .number = 0644 });
    for (size_t i = 0; i < countof(shared); i++)
        step_add(l, (struct step){ .verb = &v_shared, .at = shared[i].host + 1, .from = shared[i].host, .number = shared[i].folder, .tolerates = ENOENT,
                                   .flags = M_REMOUNT | M_BIND | M_RDONLY | M_NOSUID | M_NODEV | M_NOEXEC });
    step_add(l, (struct step){ .verb = &v_localtime, .at = "etc/localtime", .from = "/etc/localtime", .tolerates = ENOENT });
}
