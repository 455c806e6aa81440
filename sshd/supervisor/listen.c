#include "sshd/supervisor/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "sshd/supervisor/conn.h"
#include "sshd/supervisor/refuse.h"
#include "sshd/supervisor/source.h"

struct listener {
    struct listener *next;
    char *text;
    int fd;
    struct watch *watch;
    bool keep;
};

int listen_parse(const char *text, struct sockaddr_storage *address, socklen_t *size, struct err *e)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    memset(address, 0, sizeof *address);
    if (colon == NULL || colon == text || (size_t)(colon - text) >= sizeof host)
        return err_set(e, EINVAL, "listen", "'%s' is no ADDRESS:PORT", text);
    char *end;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (*end || port == 0 || port > 65535)
        return err_set(e, EINVAL, "listen", "'%s': the port must be 1 to 65535", text);
    bool v6 = text[0] == '[' && colon[-1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(colon - text) - (v6 ? 2 : 0), text + (v6 ? 1 : 0));
    struct sockaddr_in *in = (struct sockaddr_in *)address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;
    if (v6 && inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)port);
        *size = sizeof *in6;
    } else if (!v6 && inet_pton(AF_INET, host, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
        *size = sizeof *in;
    } else
        return err_set(e, EINVAL, "listen", "'%s' is no ADDRESS:PORT or [V6ADDRESS]:PORT", text);
    return 0;
}

static bool drop_early(struct super *s)
{
    unsigned full = s->conf.limits.unauthenticated, start = full / 10, now = s->unauthenticated;
    if (now >= full)
        return !conn_put_out(s);
    if (now < start)
        return false;
    /* From 30 % at the start of the dropping to all when full.  Not the one that comes is dropped but one that has waited: of a flood nearly
       all have, and of those who can log in nearly none. */
    unsigned percent = 30 + 70 * (now - start) / (full - start ? full - start : 1);
    uint8_t dice = 0;
    if (getrandom(&dice, 1, GRND_NONBLOCK) == 1 && (unsigned)dice * 100 / 256 < percent)
        conn_put_out(s);
    return false;
}

/* REFUSE_NOT: it may come in; *MS is how long a ban lasts. */
static enum refusal refusal(struct super *s, const struct source *src, uint64_t *ms)
{
    *ms = 0;
    if (source_exempt(src))
        return REFUSE_NOT;
    if (source_refused(src, ms))
        return REFUSE_PENALTY;
    if (source_pending(src) >= s->conf.limits.per_source)
        return REFUSE_PER_SOURCE;
    return drop_early(s) ? REFUSE_EARLY : REFUSE_NOT;
}

/* False: nobody waits. */
static bool take_one(struct super *s, int fd)
{
    struct sockaddr_storage from;
    socklen_t size = sizeof from;
    CLOSE_FD int client = accept4(fd, (struct sockaddr *)&from, &size, SOCK_CLOEXEC);
    if (client < 0) {
        if (errno == EMFILE || errno == ENFILE)
            log_error("accept", "error=\"%s\"", strerror(errno));
        return false;
    }
    uint64_t ms;
    struct source *src = source_find(s, &from);
    enum refusal why = refusal(s, src, &ms);
    if (why == REFUSE_NOT && conn_new(s, client, &from)) {
        fd_steal(&client);
        s->counts.accepted++;
        return true;
    }
    s->counts.refused++;
    refuse(s, fd_steal(&client), &from, src, why == REFUSE_NOT ? REFUSE_FULL : why, ms);
    return true;
}

static void on_connect(void *data, int fd, unsigned events)
{
    enum { ROUND = 16 };
    (void)events;
    struct super *s = data;
    /* The store may die in this very round: nobody could decide then, and the next round will not ask. */
    for (int i = 0; i < ROUND && s->listening && take_one(s, fd); i++) {}
}

static struct listener *find(struct super *s, const char *text)
{
    for (struct listener *l = s->listeners; l; l = l->next)
        if (strcmp(l->text, text) == 0)
            return l;
    return NULL;
}

static int open_one(struct super *s, const char *text, struct err *e)
{
    struct sockaddr_storage address;
    socklen_t size;
    int one = 1;
    if (listen_parse(text, &address, &size, e) < 0)
        return -1;
    CLOSE_FD int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        (address.ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) < 0) ||
        bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 128) < 0)
        return err_set(e, errno, "listen", "%s", text);
    struct listener *l = mem_new(sizeof *l);
    *l = (struct listener){ .next = s->listeners, .text = mem_str(text), .fd = fd_steal(&fd), .keep = true };
    l->watch = loop_watch(s->loop, l->fd, s->listening ? LOOP_READ : 0, on_connect, s);
    s->listeners = l;
    return 0;
}

static void close_unkept(struct super *s)
{
    for (struct listener **at = &s->listeners; *at;) {
        struct listener *l = *at;
        if (l->keep) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        watch_free(l->watch);
        close(l->fd);
        free(l->text);
        free(l);
    }
}

int listen_open(struct super *s, struct err *e)
{
    struct listener *before = s->listeners;
    for (struct listener *l = before; l; l = l->next)
        l->keep = false;
    for (size_t i = 0; i < s->conf.listen.address.n; i++) {
        struct listener *l = find(s, s->conf.listen.address.v[i]);
        if (l) {
            l->keep = true;
            continue;
        }
        if (open_one(s, s->conf.listen.address.v[i], e) == 0)
            continue;
        for (l = s->listeners; l; l = l->next)
            l->keep = false;
        for (l = before; l; l = l->next)
            l->keep = true;
        close_unkept(s);
        return -1;
    }
    close_unkept(s);
    return 0;
}

void listen_accept(struct super *s, bool on)
{
    s->listening = on;
    for (struct listener *l = s->listeners; l; l = l->next)
        watch_events(l->watch, on ? LOOP_READ : 0);
}

void listen_close(struct super *s)
{
    for (struct listener *l = s->listeners; l; l = l->next)
        l->keep = false;
    close_unkept(s);
}
