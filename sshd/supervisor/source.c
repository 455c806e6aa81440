#include "sshd/supervisor/source.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/net.h"
#include "sshd/supervisor/source_keep.h"
#include "sshd/supervisor/source_table.h"

/* Those without a penalty have a time of their own: tries cost `cooldown`, an admin says how long. */
static const struct {
    const char *word, *reason;
    size_t penalty;             /* its field in struct conf_limits; 0: none */
} penalties[PENALTIES] = {
    [PENALTY_NONE] = { "none", "", 0 },
    [PENALTY_CRASH] = { "crash", "a connection ended in a fault of the service", offsetof(struct conf_limits, penalty_crash) },
    [PENALTY_AUTH] = { "authfail", "too many failed logins", offsetof(struct conf_limits, penalty_auth) },
    [PENALTY_USER] = { "invaliduser", "too many failed logins", offsetof(struct conf_limits, penalty_user) },
    [PENALTY_NOAUTH] = { "noauth", "too many connections without a login", offsetof(struct conf_limits, penalty_noauth) },
    [PENALTY_GRACE] = { "grace-exceeded", "too many logins that were never finished", offsetof(struct conf_limits, penalty_grace) },
    [PENALTY_KEYS] = { "keys", "too many keys that do not fit", 0 },
    [PENALTY_PASSWORDS] = { "passwords", "too many wrong passwords", 0 },
    [PENALTY_ADMIN] = { "admin", "refused by the admin of this service", 0 },
};

static struct sources *sources(struct super *s)
{
    if (s->sources == NULL)
        s->sources = sources_new();
    return s->sources;
}

/* --- addresses --------------------------------------------------------------------------------------------------------------------------- */

static uint64_t number(const uint8_t *bytes, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | bytes[i];
    return v;
}

/* As net.h has addresses; a mapped one is the IPv4 one. */
static void address_of(const struct sockaddr_storage *a, struct net *n)
{
    *n = (struct net){ .bits = 32 };
    if (a->ss_family == AF_INET6) {
        const struct in6_addr *in6 = &((const struct sockaddr_in6 *)a)->sin6_addr;
        n->six = !IN6_IS_ADDR_V4MAPPED(in6);
        memcpy(n->address, in6->s6_addr + (n->six ? 0 : 12), n->six ? 16 : 4);
    } else if (a->ss_family == AF_INET)
        memcpy(n->address, &((const struct sockaddr_in *)a)->sin_addr, 4);
}

static uint64_t key_of(const struct net *n)
{
    return number(n->address, n->six ? 8 : 4);
}

static bool within(const struct net *net, const struct net *address)
{
    if (net->six != address->six)
        return false;
    unsigned bytes = net->bits / 8, rest = net->bits % 8;
    uint8_t mask = (uint8_t)(0xff00u >> rest);
    return memcmp(net->address, address->address, bytes) == 0 && (rest == 0 || ((net->address[bytes] ^ address->address[bytes]) & mask) == 0);
}

static bool is_exempt(const struct super *s, const struct net *address)
{
    const struct conf_list *list = &s->conf.limits.exempt;
    struct net net;
    for (size_t i = 0; i < list->n; i++)
        if (net_parse(list->v[i], &net, NULL) == 0 && within(&net, address))
            return true;
    return false;
}

const char *source_text(const struct source *src)
{
    static char text[INET6_ADDRSTRLEN + 4];
    char address[INET6_ADDRSTRLEN] = "";
    uint8_t bytes[16] = { 0 };
    if (src == NULL || src->exempt)
        return src ? "exempt" : "unknown";
    if (src->shared)
        return src->v6 ? "others of IPv6" : "others of IPv4";
    for (unsigned i = 0, n = src->v6 ? 8 : 4; i < n; i++)
        bytes[i] = (uint8_t)(src->key >> 8 * (n - 1 - i));
    inet_ntop(src->v6 ? AF_INET6 : AF_INET, bytes, address, sizeof address);
    snprintf(text, sizeof text, "%s%s", address, src->v6 ? "/64" : "");
    return text;
}

/* --- connections --------------------------------------------------------------------------------------------------------------------------- */

struct source *source_find(struct super *s, const struct sockaddr_storage *address)
{
    struct net n;
    address_of(address, &n);
    return is_exempt(s, &n) ? &sources(s)->exempt : sources_find(sources(s), n.six, key_of(&n), now_ms());
}

struct source *source_enter(struct super *s, const struct sockaddr_storage *address)
{
    struct net n;
    address_of(address, &n);
    struct source *src = is_exempt(s, &n) ? &sources(s)->exempt : sources_need(sources(s), n.six, key_of(&n), now_ms());
    src->pending++;
    src->held++;
    sources_place(sources(s), src, now_ms());
    return src;
}

void source_leave(struct source *src)
{
    src->pending--;
}

void source_release(struct super *s, struct source *src)
{
    src->held--;
    sources_place(sources(s), src, now_ms());
}

unsigned source_pending(const struct source *src)
{
    return src && !src->exempt ? src->pending : 0;
}

bool source_exempt(const struct source *src)
{
    return src && src->exempt;
}

bool source_refused(const struct source *src, uint64_t *ms)
{
    uint64_t now = now_ms();
    if (src == NULL || !source_banned(src, now))
        return false;
    *ms = source_ban_end(src) - now;
    return true;
}

void source_turned_away(struct source *src)
{
    if (src->refused < UINT32_MAX)
        src->refused++;
}

/* --- penalties ----------------------------------------------------------------------------------------------------------------------------- */

static void changed(struct super *s, struct source *src, bool banned)
{
    sources_change(sources(s), src);
    source_keep(s, banned);
}

static void ban_begins(struct source *src, enum penalty why, uint64_t ms)
{
    src->why = (uint8_t)why;
    src->since = wall_ms();
    src->refused = 0;
    log_warn("source.refused", "source=%s for_s=%llu why=%s", source_text(src), (unsigned long long)ms / 1000, penalties[why].word);
}

void source_punish(struct super *s, struct source *src, enum penalty why)
{
    uint64_t ms = penalties[why].penalty ? *(const uint64_t *)(const void *)((const char *)&s->conf.limits + penalties[why].penalty) : 0;
    if (ms == 0 || src->exempt)
        return;
    uint64_t now = now_ms(), most = now + s->conf.limits.penalty_max;
    bool was = source_banned(src, now);
    if (src->until <= now) {
        src->until = now;
        src->in_force = false;
    }
    /* What an admin gave may be more already. */
    if (src->until < most)
        src->until = src->until + ms < most ? src->until + ms : most;
    bool begins = !src->in_force && src->until - now >= s->conf.limits.penalty_min;
    src->in_force = src->in_force || begins;
    if (begins && !was)
        ban_begins(src, why, src->until - now);
    changed(s, src, begins);
}

void source_try(struct super *s, struct source *src, enum source_try kind)
{
    const struct conf_limits *l = &s->conf.limits;
    const uint32_t most[TRY_KINDS] = { [TRY_KEY] = l->auth_tries, [TRY_PASSWORD] = l->password_tries };
    uint64_t now = now_ms();
    bool begins = false;
    if (src->exempt)
        return;
    if (src->forget <= now)
        memset(src->tries, 0, sizeof src->tries);
    src->forget = now + l->cooldown;
    if (++src->tries[kind] >= most[kind]) {
        begins = !source_banned(src, now);
        src->cool = now + l->cooldown;
        memset(src->tries, 0, sizeof src->tries);
        if (begins)
            ban_begins(src, kind == TRY_KEY ? PENALTY_KEYS : PENALTY_PASSWORDS, l->cooldown);
    }
    changed(s, src, begins);
}

void source_forgive(struct super *s, struct source *src)
{
    if (src->tries[TRY_KEY] == 0 && src->tries[TRY_PASSWORD] == 0)
        return;
    memset(src->tries, 0, sizeof src->tries);
    src->forget = 0;
    changed(s, src, false);
}

/* --- an admin's word ------------------------------------------------------------------------------------------------------------------------ */

/* TEXT as a source: an address, or exactly a network that is one. */
static int parse(const char *text, struct net *n, struct err *e)
{
    if (net_parse(text, n, e) < 0)
        return -1;
    unsigned whole = n->six ? 128 : 32, bits = n->six ? 64 : 32;
    if (n->bits != whole && n->bits != bits)
        return err_set(e, 0, "", "'%s': a source is %s", text, n->six ? "an address, or a network of /64" : "an address");
    struct sockaddr_storage a = { .ss_family = AF_INET6 };
    if (n->six && n->bits == whole) {
        memcpy(&((struct sockaddr_in6 *)(void *)&a)->sin6_addr, n->address, 16);
        address_of(&a, n);
    }
    return 0;
}

int source_ban(struct super *s, const char *text, uint64_t ms, struct err *e)
{
    struct net n;
    uint64_t now = now_ms();
    if (parse(text, &n, e) < 0)
        return -1;
    if (is_exempt(s, &n))
        return err_set(e, 0, "", "%s is of a network that [limits] exempt names", text);
    struct source *src = sources_need(sources(s), n.six, key_of(&n), now);
    if (src->shared)
        return err_set(e, 0, "", "the table is full of sources that are refused");
    src->until = now + ms;
    src->in_force = true;
    ban_begins(src, PENALTY_ADMIN, ms);
    changed(s, src, true);
    return 0;
}

static bool pardon(struct super *s, struct source *src)
{
    bool refused = source_banned(src, now_ms());
    if (src->until == 0 && src->cool == 0 && src->forget == 0)
        return false;
    src->until = src->cool = src->forget = 0;
    src->in_force = false;
    src->why = PENALTY_NONE;
    memset(src->tries, 0, sizeof src->tries);
    sources_change(sources(s), src);
    return refused;
}

struct pardons { struct super *super; int n; };

static void pardon_one(void *data, struct source *src)
{
    struct pardons *p = data;
    p->n += pardon(p->super, src);
}

int source_pardon(struct super *s, const char *text, struct err *e)
{
    struct net n;
    if (strcmp(text, "all") == 0) {
        struct pardons p = { .super = s };
        sources_each(sources(s), pardon_one, &p);
        source_keep(s, true);
        return p.n;
    }
    if (parse(text, &n, e) < 0)
        return -1;
    struct source *src = sources_find(sources(s), n.six, key_of(&n), now_ms());
    int removed = src ? pardon(s, src) : 0;
    source_keep(s, true);
    return removed;
}

/* --- what is told ---------------------------------------------------------------------------------------------------------------------------- */

const char *penalty_word(enum penalty why) { return penalties[why].word; }
const char *penalty_reason(enum penalty why) { return penalties[why].reason; }

uint64_t source_penalty(const struct source *src)
{
    uint64_t now = now_ms();
    return src->until > now ? src->until - now : 0;
}

enum penalty source_why(const struct source *src) { return (enum penalty)src->why; }

void source_state(const struct source *src, struct source_state *out)
{
    uint64_t now = now_ms();
    int64_t wall = wall_ms();
    uint64_t end = source_banned(src, now) ? source_ban_end(src) : src->until;
    bool tries = src->forget > now;
    *out = (struct source_state){ .source = src, .why = (enum penalty)src->why, .refused = source_banned(src, now), .since = src->since,
                                  .until = end > now ? wall + (int64_t)(end - now) : 0, .keys = tries ? src->tries[TRY_KEY] : 0,
                                  .passwords = tries ? src->tries[TRY_PASSWORD] : 0, .turned_away = src->refused, .connections = src->held };
}

struct listing {
    void (*fn)(void *data, const struct source_state *state);
    void *data;
};

static void list_one(void *data, struct source *src)
{
    struct listing *l = data;
    struct source_state st;
    source_state(src, &st);
    if (st.until || st.keys || st.passwords)
        l->fn(l->data, &st);
}

void source_list(struct super *s, void (*fn)(void *data, const struct source_state *state), void *data)
{
    struct listing l = { .fn = fn, .data = data };
    sources_settle(sources(s), now_ms());
    sources_each(sources(s), list_one, &l);
}
