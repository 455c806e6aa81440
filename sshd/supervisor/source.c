#include "sshd/supervisor/source.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"

enum { SOURCES_MOST = 8192 };

struct source {
    struct source *next;
    uint8_t key[16];
    bool v6;
    unsigned pending;   /* connections not logged in */
    unsigned held;      /* connections: each may still have to be punished at its end */
    unsigned tries[TRY_KINDS];
    uint64_t cool;      /* refused until then (ms), for too many tries */
    uint64_t tried;     /* the last try (ms); tries are forgotten a cooldown after it */
    uint64_t until;     /* penalties last until then (ms); in force while more than penalty_min was accrued */
    bool in_force;
};

static void key_of(const struct sockaddr_storage *a, struct source *k)
{
    memset(k, 0, sizeof *k);
    if (a->ss_family == AF_INET6) {
        const struct in6_addr *in6 = &((const struct sockaddr_in6 *)a)->sin6_addr;
        if (IN6_IS_ADDR_V4MAPPED(in6))
            memcpy(k->key, in6->s6_addr + 12, 4);
        else {
            k->v6 = true;
            memcpy(k->key, in6->s6_addr, 8);
        }
    } else if (a->ss_family == AF_INET)
        memcpy(k->key, &((const struct sockaddr_in *)a)->sin_addr, 4);
}

/* Forgets sources without connections or penalties; when too many are left, the one that would be forgotten first. */
static void sweep(struct super *s)
{
    uint64_t now = now_ms();
    struct source **least = NULL;
    unsigned n = 0;
    for (struct source **at = &s->sources; *at;) {
        struct source *src = *at;
        if (src->held == 0 && src->until <= now && src->cool <= now && src->tried + s->conf.limits.cooldown <= now) {
            *at = src->next;
            free(src);
            continue;
        }
        n++;
        if (src->held == 0 && (least == NULL || src->until < (*least)->until))
            least = at;
        at = &src->next;
    }
    if (n >= SOURCES_MOST && least) {
        struct source *src = *least;
        *least = src->next;
        free(src);
    }
}

struct source *source_of(struct super *s, const struct sockaddr_storage *address)
{
    struct source k;
    key_of(address, &k);
    for (struct source *src = s->sources; src; src = src->next)
        if (src->v6 == k.v6 && memcmp(src->key, k.key, sizeof k.key) == 0)
            return src;
    sweep(s);
    struct source *src = mem_new(sizeof *src);
    *src = k;
    src->next = s->sources;
    s->sources = src;
    return src;
}

bool source_refused(struct super *s, const struct source *src)
{
    (void)s;
    uint64_t now = now_ms();
    return (src->in_force && src->until > now) || src->cool > now;
}

unsigned source_pending(const struct source *src)
{
    return src->pending;
}

void source_enter(struct source *src)
{
    src->pending++;
    src->held++;
}

void source_leave(struct source *src)
{
    src->pending--;
}

void source_release(struct source *src)
{
    src->held--;
}

void source_punish(struct super *s, struct source *src, uint64_t ms, const char *why)
{
    if (ms == 0)
        return;
    uint64_t now = now_ms(), most = now + s->conf.limits.penalty_max;
    if (src->until < now) {
        src->until = now;
        src->in_force = false;
    }
    src->until += ms;
    if (src->until > most)
        src->until = most;
    if (!src->in_force && src->until - now >= s->conf.limits.penalty_min) {
        src->in_force = true;
        log_warn("source.refused", "source=%s for_s=%llu why=\"%s\"", source_text(src),
                 (unsigned long long)(src->until - now) / 1000, why);
    }
}

void source_try(struct super *s, struct source *src, enum source_try kind, unsigned most)
{
    uint64_t now = now_ms();
    if (src->tried + s->conf.limits.cooldown <= now)
        source_forgive(src);
    src->tried = now;
    if (++src->tries[kind] < most || src->cool > now)
        return;
    src->cool = now + s->conf.limits.cooldown;
    source_forgive(src);
    log_warn("source.refused", "source=%s for_s=%llu why=\"too many tries\"", source_text(src),
             (unsigned long long)s->conf.limits.cooldown / 1000);
}

void source_forgive(struct source *src)
{
    memset(src->tries, 0, sizeof src->tries);
}

const char *source_text(const struct source *src)
{
    static char text[INET6_ADDRSTRLEN + 4];
    char address[INET6_ADDRSTRLEN] = "";
    inet_ntop(src->v6 ? AF_INET6 : AF_INET, src->key, address, sizeof address);
    snprintf(text, sizeof text, "%s%s", address, src->v6 ? "/64" : "");
    return text;
}
