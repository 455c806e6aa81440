/* What no single value shows: references, ranges that must not meet, ports. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf_table.h"
#include "base/log.h"
#include "base/mem.h"

struct check {
    struct conf *c;
    struct conf_errors *errors;
    conf_where_fn *at;
    const void *data;
};

/* Less would not let single large packets through in a second; of more the kernel cannot count the billionths of a second, and refuses the rule. */
static const uint64_t rate_least = 16 << 10, rate_most = 16ULL << 30;

#define S(SECTION, section_word, tag, named, file) SECTION_##tag,
enum { CONF_SECTIONS(S) };
#undef S

static const char *where(const struct check *k, int section, const char *name, const char *key)
{
    const struct conf_section *s = &conf_sections[section];
    const char *at = k->at(k->data, s, name, key);
    return at ? at : (at = k->at(k->data, s, name, NULL)) ? at : "default";
}

#define wrong(k, section, name, key, ...) conf_error((k)->errors, where(k, section, name, key), __VA_ARGS__)

static void check_users(const struct check *k)
{
    size_t n;
    const struct conf_option *o = conf_sections[SECTION_ids].options(&n);
    for (size_t i = 0; i < n; i++) {
        if (o[i].type != CONF_TYPE_USER)
            continue;
        uid_t uid = *(uid_t *)(void *)((char *)&k->c->ids + o[i].offset);
        /* A user that was named wrongly has been reported where it stands. */
        if (uid == (uid_t)-1 && k->at(k->data, &conf_sections[SECTION_ids], NULL, o[i].key) == NULL)
            wrong(k, SECTION_ids, NULL, o[i].key,
                  "no user '%s' (default of '%s') in /etc/passwd: create it, or give a uid", o[i].def, o[i].key);
    }
}

static bool meet(uint64_t a, uint64_t na, uint64_t b, uint64_t nb)
{
    return a < b + nb && b < a + na;
}

/* Above 2^31 uids are taken for negative numbers by too many programs. */
static const uint64_t uids_end = 1ULL << 31;

const char *conf_backend(const struct conf *c, const struct conf_server *v)
{
    static const char *const words[] = {
        [QUOTA_AUTO] = "auto", [QUOTA_PROJECT] = "project", [QUOTA_BTRFS] = "btrfs", [QUOTA_ZFS] = "zfs",
        [QUOTA_IMAGE] = "image", [QUOTA_FUSE] = "fuse", [QUOTA_NONE] = "none",
    };
    return words[v->quota == CONF_NOTHING ? c->quota.backend : v->quota];
}

uint32_t conf_ranges(const struct conf *c)
{
    if (c->ids.ranges)
        return c->ids.ranges;
    return c->ids.servers < uids_end ? (uint32_t)((uids_end - c->ids.servers) / CONF_RANGE) : 0;
}

static void check_ends(const struct check *k, uint64_t slots)
{
    const struct conf_ids *ids = &k->c->ids;
    uint64_t fit = ids->servers < uids_end ? (uids_end - ids->servers) / CONF_RANGE : 0;
    uint32_t ranges = conf_ranges(k->c);
    if (ids->sessions + slots > UINT32_MAX)
        wrong(k, SECTION_ids, NULL, "sessions", "'sessions' leaves no room for %u uids (max_connections)",
              k->c->limits.connections);
    if (ids->servers < CONF_RANGE)
        wrong(k, SECTION_ids, NULL, "servers", "'servers' is %u; allowed: %d or more, below are the machine's own", ids->servers, CONF_RANGE);
    if (ranges > fit)
        wrong(k, SECTION_ids, NULL, "ranges", "'servers' leaves no room for %u ranges of %d uids below 2147483648; allowed: at most %llu",
              ranges, CONF_RANGE, (unsigned long long)fit);
    if (k->c->nservers > fit || k->c->nservers > ranges)
        wrong(k, SECTION_ids, NULL, "servers", "there are %zu servers, and ranges of uids for %u", k->c->nservers, ranges);
}

/* What we take, against what the machine has given to others. */
static void check_host(const struct check *k, const char *key, uint64_t first, uint64_t n)
{
    const struct conf_ids *ids = &k->c->ids;
    const uid_t roles[] = { ids->store, ids->shim, ids->image, ids->filter };
    char who[300];
    if (conf_host_meets("/etc", first, n, roles, countof(roles), who, sizeof who))
        wrong(k, SECTION_ids, NULL, key, "'%s' takes the ids %llu to %llu, but %s", key, (unsigned long long)first, (unsigned long long)(first + n - 1), who);
}

static void check_uids(const struct check *k)
{
    const struct conf_ids *ids = &k->c->ids;
    /* Two more: holdfast-policy's and holdfast-sink's. */
    uint64_t slots = (uint64_t)k->c->limits.connections + 2, servers = (uint64_t)conf_ranges(k->c) * CONF_RANGE;
    check_ends(k, slots);
    if (meet(ids->sessions, slots, ids->servers, servers))
        wrong(k, SECTION_ids, NULL, "sessions", "uids of sessions (%u and %u more) and of servers (from %u) meet",
              ids->sessions, k->c->limits.connections, ids->servers);
    const struct { const char *key; uid_t uid; } roles[] = {
        { "store", ids->store }, { "shim", ids->shim }, { "image", ids->image }, { "filter", ids->filter },
    };
    for (size_t i = 0; i < countof(roles); i++) {
        if (roles[i].uid == (uid_t)-1)
            continue;
        if (meet(roles[i].uid, 1, ids->sessions, slots) || meet(roles[i].uid, 1, ids->servers, servers))
            wrong(k, SECTION_ids, NULL, roles[i].key, "uid %u is one of the sessions' or servers'", (unsigned)roles[i].uid);
        for (size_t j = 0; j < i; j++)
            if (roles[i].uid == roles[j].uid)
                wrong(k, SECTION_ids, NULL, roles[i].key, "'%s' and '%s' must be different users", roles[j].key, roles[i].key);
    }
    check_host(k, "sessions", ids->sessions, slots);
    check_host(k, "servers", ids->servers, servers);
}

static void check_limits(const struct check *k)
{
    const struct conf_limits *l = &k->c->limits;
    if (l->penalty_min > l->penalty_max)
        wrong(k, SECTION_limits, NULL, "penalty_min", "'penalty_min' is more than 'penalty_max'");
    if (l->login_grace < 1000)
        wrong(k, SECTION_limits, NULL, "login_grace", "'login_grace' must be at least 1s");
    if (l->keepalive < 1000)
        wrong(k, SECTION_limits, NULL, "keepalive", "'keepalive' must be at least 1s");
    if (k->c->listen.address.n == 0)
        wrong(k, SECTION_listen, NULL, "address", "no 'address' to listen on");
    for (size_t i = 0; i < k->c->listen.address.n; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(k->c->listen.address.v[i], k->c->listen.address.v[j]) == 0)
                wrong(k, SECTION_listen, NULL, "address", "address %s is given twice", k->c->listen.address.v[i]);
}

static void check_events(const struct check *k)
{
    static const char *const words[] = { "backup", "crash", "failed", "locked", "login", "offline", "quota", "restarting", "running", "starting", "stopping" };
    const struct conf_events *v = &k->c->events;
    char **command;
    const char *why = "";
    if (conf_words(v->command, &command, &why) < 0)
        wrong(k, SECTION_events, NULL, "command", "'command': %s", why);
    else {
        if (command[0] && command[0][0] != '/')
            wrong(k, SECTION_events, NULL, "command", "'command' is %s; allowed: the absolute path of a program, and arguments", esc(command[0]));
        conf_words_free(command);
    }
    if (v->timeout < 1000 || v->timeout > 600000)
        wrong(k, SECTION_events, NULL, "timeout", "'timeout' must be 1s to 10m");
    for (size_t i = 0; i < v->only.n; i++) {
        size_t at = 0;
        while (at < countof(words) && strcmp(words[at], v->only.v[i]) != 0)
            at++;
        if (at == countof(words))
            wrong(k, SECTION_events, NULL, "only", "'%s' is no event; allowed: backup, crash, failed, locked, login, offline, quota, restarting, running, "
                  "starting, stopping", esc(v->only.v[i]));
    }
}

static void check_pool(const struct check *k)
{
    const char *slash = strchr(k->c->network.pool, '/');
    unsigned bits = slash ? (unsigned)strtoul(slash + 1, NULL, 10) : 30;
    uint64_t private = 0, room = 1ULL << (30 - bits);
    for (size_t i = 0; i < k->c->nservers; i++)
        private += k->c->servers[i].network == NETWORK_PRIVATE;
    if (private > room)
        wrong(k, SECTION_network, NULL, "pool", "the pool %s has room for %llu private networks, %llu servers want one",
              k->c->network.pool, (unsigned long long)room, (unsigned long long)private);
}

static void check_people(const struct check *k, const struct conf_server *s)
{
    if (s->owner && conf_account(k->c, s->owner) == NULL)
        wrong(k, SECTION_server, s->name, "owner",
              "owner '%s' of server '%s' is no account; allowed: one that has an [account NAME]", s->owner, s->name);
    for (size_t i = 0; i < s->allow.n; i++)
        if (conf_account(k->c, s->allow.v[i].account) == NULL)
            wrong(k, SECTION_server, s->name, "allow", "'%s', allowed on server '%s', is no account",
                  s->allow.v[i].account, s->name);
        else if (s->owner && strcmp(s->owner, s->allow.v[i].account) == 0)
            wrong(k, SECTION_server, s->name, "allow", "'%s' owns server '%s' and may do everything already", s->owner,
                  s->name);
}

static void check_limits_of(const struct check *k, const struct conf_server *s)
{
    uint64_t most = s->memory_high ? s->memory_high : s->memory;
    if (s->memory_reservation > most)
        wrong(k, SECTION_server, s->name, "memory_reservation", "'memory_reservation' of server '%s' is more than its '%s'", s->name,
              s->memory_high ? "memory_high" : "memory");
    /* The kernel's rule.  A percentage is a millisecond in a period of 100. */
    if (s->cpu_burst > s->cpu)
        wrong(k, SECTION_server, s->name, "cpu_burst",
              "'cpu_burst' of server '%s' is more than its 'cpu' gives in 100ms; allowed: at most %ums", s->name, s->cpu);
}

static void check_links(const struct check *k, const struct conf_server *s)
{
    for (size_t i = 0; i < s->link.n; i++) {
        const struct conf_server *to = conf_server(k->c, s->link.v[i]);
        if (to == NULL || to == s)
            wrong(k, SECTION_server, s->name, "link", "'%s', linked by server '%s', is no other server", s->link.v[i], s->name);
        else if (to->network == NETWORK_NONE || s->network == NETWORK_NONE)
            wrong(k, SECTION_server, s->name, "link", "server '%s' links '%s', but one of them has network = none", s->name, to->name);
        for (size_t j = 0; j < i; j++)
            if (strcmp(s->link.v[i], s->link.v[j]) == 0)
                wrong(k, SECTION_server, s->name, "link", "server '%s' links '%s' twice", s->name, s->link.v[i]);
    }
}

static void check_rate(const struct check *k, const struct conf_server *s, const char *key, uint64_t rate)
{
    if (rate && (rate < rate_least || rate > rate_most))
        wrong(k, SECTION_server, s->name, key, "rates of server '%s' must be 0 (none) or at least %lluK and at most %lluG", s->name,
              (unsigned long long)rate_least >> 10, (unsigned long long)rate_most >> 30);
}

static void check_server(const struct check *k, const struct conf_server *s)
{
    const char *end = strrchr(s->name, '.');
    check_people(k, s);
    /* Beside the folder of each server lie a file or a folder of its name with these endings. */
    static const char *const taken[] = { ".img", ".files", ".project", ".fuse" };
    for (size_t i = 0; end && i < countof(taken); i++)
        if (strcmp(end, taken[i]) == 0)
            conf_error(k->errors, s->where, "the name of server '%s' must not end in %s", s->name, end);
    /* What else stands in an account's "/". */
    if (strcmp(s->name, "backups") == 0 || strcmp(s->name, "layers") == 0)
        conf_error(k->errors, s->where, "a server cannot be named '%s'; allowed: any other name than backups, layers", s->name);
    if (s->memory_high > s->memory)
        wrong(k, SECTION_server, s->name, "memory_high", "'memory_high' of server '%s' is more than its 'memory'",
              s->name);
    check_limits_of(k, s);
    /* Its default is no statement about memory; launch gives it a quarter at most. */
    if (s->tmp > s->memory && k->at(k->data, &conf_sections[SECTION_server], s->name, "tmp"))
        wrong(k, SECTION_server, s->name, "tmp",
              "'tmp' of server '%s' is more than its 'memory', which it is charged to", s->name);
    check_links(k, s);
    check_rate(k, s, "net_up", s->net_up);
    check_rate(k, s, "net_down", s->net_down);
    if (s->port.n && s->network == NETWORK_NONE)
        wrong(k, SECTION_server, s->name, "port", "server '%s' has ports but network = none", s->name);
}

struct used { struct conf_port port; const struct conf_server *s; };

static int by_port(const void *a, const void *b)
{
    const struct used *x = a, *y = b;
    if (x->port.port != y->port.port)
        return x->port.port < y->port.port ? -1 : 1;
    if (x->port.udp != y->port.udp)
        return x->port.udp ? 1 : -1;
    return strcmp(x->s->name, y->s->name);
}

static void check_ports(const struct check *k)
{
    size_t n = 0;
    FREE_MEM struct used *used = NULL;
    for (size_t i = 0; i < k->c->nservers; i++)
        for (size_t j = 0; j < k->c->servers[i].port.n; j++) {
            used = mem_grow(used, n + 1, sizeof *used);
            used[n++] = (struct used){ k->c->servers[i].port.v[j], &k->c->servers[i] };
        }
    if (n)
        qsort(used, n, sizeof *used, by_port);
    for (size_t i = 1; i < n; i++)
        if (used[i].port.port == used[i - 1].port.port && used[i].port.udp == used[i - 1].port.udp)
            wrong(k, SECTION_server, used[i].s->name, "port", "port %u/%s of server '%s' is taken by server '%s'",
                  used[i].port.port, used[i].port.udp ? "udp" : "tcp", used[i].s->name, used[i - 1].s->name);
    /* Published, it would take the admin's and everybody's way in. */
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < k->c->listen.address.n; j++)
            if (!used[i].port.udp && strtoul(strrchr(k->c->listen.address.v[j], ':') + 1, NULL, 10) == used[i].port.port)
                wrong(k, SECTION_server, used[i].s->name, "port", "port %u/tcp of server '%s' is the one we listen on at %s",
                      used[i].port.port, used[i].s->name, k->c->listen.address.v[j]);
}

void conf_check(struct conf *c, struct conf_errors *e, conf_where_fn *at, const void *data)
{
    const struct check k = { c, e, at, data };
    check_users(&k);
    check_uids(&k);
    check_limits(&k);
    check_pool(&k);
    check_events(&k);
    for (size_t i = 0; i < c->nservers; i++)
        check_server(&k, &c->servers[i]);
    check_ports(&k);
}
