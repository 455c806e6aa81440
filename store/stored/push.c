/* A configuration from the supervisor: gathered, then applied as a whole in one transaction, then the live sessions are held to it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rights.h"
#include "store/stored/activity.h"
#include "store/stored/db.h"
#include "store/stored/push.h"
#include "store/stored/rates.h"
#include "store/stored/session.h"
#include "store/stored/trust.h"

static struct push *open_push(struct store *s)
{
    if (s->push == NULL)
        die("a configuration was sent without its beginning");
    return s->push;
}

/* The first error is the one that is told; the supervisor has checked everything before, but it has no code for keys. */
static void wrong(struct push *p, const char *fmt, ...) PRINTF(2, 3);

static void wrong(struct push *p, const char *fmt, ...)
{
    if (p->error)
        return;
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    p->error = mem_str(text);
}

void push_free(struct push *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->naccounts; i++) {
        for (size_t k = 0; k < p->accounts[i].nkeys; k++)
            free(p->accounts[i].keys[k].options);
        free(p->accounts[i].keys);
    }
    for (size_t i = 0; i < p->nservers; i++)
        free(p->servers[i].allow);
    free(p->accounts);
    free(p->servers);
    trust_free(p->trust);
    free(p->error);
    free(p);
}

static void get_rates(struct push *p, struct msg *m)
{
    uint32_t n = msg_get_u32(m);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t verb = msg_get_u32(m);
        if (verb >= RATES)
            die("a rate of verb %u, which has none", verb);
        p->rates[verb].burst = msg_get_u32(m);
        p->rates[verb].ms = msg_get_u64(m);
        if (p->rates[verb].burst && (p->rates[verb].ms == 0 || p->rates[verb].ms > 1ull << 40))
            die("a rate in %llu ms", (unsigned long long)p->rates[verb].ms);
    }
}

typedef int trust_fn(struct trust *t, const char *line, struct err *e);

static void get_trust(struct push *p, struct msg *m, const char *what, trust_fn *add)
{
    uint32_t n = msg_get_u32(m);
    for (uint32_t i = 1; i <= n; i++) {
        FREE_MEM char *line = msg_get_str(m);
        struct err e = { 0 };
        char text[400];
        if (add(p->trust, line, &e) < 0)
            wrong(p, "%s: line %u: %s", what, i, err_text(&e, text, sizeof text));
    }
}

void push_begin(struct store *s, struct msg *m)
{
    push_free(s->push);
    s->push = mem_new(sizeof *s->push);
    s->push->seal = s->seal;
    s->push->activity_days = msg_get_u32(m);
    s->push->activity_rows = msg_get_u32(m);
    uint32_t numbers = msg_get_u32(m);
    s->push->numbers = numbers < PUSH_NUMBERS ? numbers : PUSH_NUMBERS;
    get_rates(s->push, m);
    s->push->trust = trust_new();
    get_trust(s->push, m, "[auth] ca_key", trust_add_ca);
    get_trust(s->push, m, "[auth] revoked", trust_add_revoked);
    msg_end(m);
}

/* A name from the supervisor; one that is none is told and kept out. */
static void get_name(struct push *p, struct msg *m, const char *what, char name[NAME_MOST + 1])
{
    FREE_MEM char *text = msg_get_str(m);
    name[0] = '\0';
    if (name_ok(text))
        snprintf(name, NAME_MOST + 1, "%s", text);
    else
        wrong(p, "%s '%s': no name; allowed: 1 to 32 of a-z 0-9 . _ -, the first a letter or digit", what, esc(text));
}

static void digest_str(crypto_generichash_state *d, const char *text)
{
    crypto_generichash_update(d, (const unsigned char *)text, strlen(text) + 1);
}

static void digest_int(crypto_generichash_state *d, uint32_t v)
{
    crypto_generichash_update(d, (const unsigned char *)&v, sizeof v);
}

static const struct pushed_key *same_key(const struct pushed_account *a, const uint8_t hash[KEY_HASH])
{
    for (size_t i = 0; i < a->nkeys; i++)
        if (memcmp(a->keys[i].hash, hash, KEY_HASH) == 0)
            return &a->keys[i];
    return NULL;
}

static void get_key(struct store *s, struct pushed_account *a, uint32_t number, const char *line)
{
    struct key k;
    struct err e = { 0 };
    char text[400];
    if (key_parse(line, &k, &e) < 0) {
        wrong(s->push, "account %s: key %u: %s", a->name, number, err_text(&e, text, sizeof text));
        return;
    }
    if (k.blob == NULL)
        return;
    struct pushed_key *one = &a->keys[a->nkeys];
    one->type = k.type;
    snprintf(one->label, sizeof one->label, "%s", k.label);
    one->options = k.options;
    k.options = NULL;
    key_hash(s->secret, k.blob, k.size, one->hash);
    key_fingerprint(k.blob, k.size, one->fingerprint);
    key_free(&k);
    const struct pushed_key *same = same_key(a, one->hash);
    /* The first would count, and the options of the other be lost without a word. */
    if (same && strcmp(same->options ? same->options : "", one->options ? one->options : "") != 0)
        wrong(s->push, "account %s: key %u: it stands there already, with other options", a->name, number);
    a->nkeys++;
}

static void account_digest(const struct store *s, struct pushed_account *a)
{
    crypto_generichash_state d;
    crypto_generichash_init(&d, s->digest, crypto_generichash_KEYBYTES, sizeof a->digest);
    digest_int(&d, a->password);
    digest_int(&d, a->suspended);
    digest_int(&d, a->max_connections);
    digest_int(&d, a->rights);
    digest_int(&d, a->own_keys);
    digest_int(&d, a->second_factor);
    for (size_t i = 0; i < a->nkeys; i++) {
        digest_str(&d, a->keys[i].fingerprint);
        digest_str(&d, a->keys[i].label);
        digest_str(&d, a->keys[i].options ? a->keys[i].options : "");
    }
    crypto_generichash_final(&d, a->digest, sizeof a->digest);
}

void push_account(struct store *s, struct msg *m)
{
    struct push *p = open_push(s);
    p->accounts = mem_grow(p->accounts, p->naccounts + 1, sizeof *p->accounts);
    struct pushed_account *a = &p->accounts[p->naccounts++];
    *a = (struct pushed_account){ 0 };
    get_name(p, m, "account", a->name);
    a->password = msg_get_u32(m) != 0;
    a->suspended = msg_get_u32(m) != 0;
    a->max_connections = msg_get_u32(m);
    a->rights = msg_get_u32(m) & RIGHT_ALL;
    a->own_keys = msg_get_u32(m) != 0;
    a->second_factor = msg_get_u32(m) != 0;
    uint32_t n = msg_get_u32(m);
    /* A key's field is 5 bytes at least, so a count past this is a lie. */
    if (n > MSG_MOST / 5)
        die("account %s: %u keys in one message", a->name, n);
    a->keys = mem_array(n, sizeof *a->keys);
    for (uint32_t i = 1; i <= n; i++) {
        FREE_MEM char *line = msg_get_str(m);
        get_key(s, a, i, line);
    }
    msg_end(m);
    account_digest(s, a);
}

static void server_digest(const struct store *s, struct pushed_server *v)
{
    crypto_generichash_state d;
    crypto_generichash_init(&d, s->digest, crypto_generichash_KEYBYTES, sizeof v->digest);
    digest_str(&d, v->owner);
    for (size_t i = 0; i < v->nallow; i++) {
        digest_str(&d, v->allow[i].account);
        digest_int(&d, v->allow[i].rights);
    }
    crypto_generichash_final(&d, v->digest, sizeof v->digest);
}

void push_server(struct store *s, struct msg *m)
{
    struct push *p = open_push(s);
    p->servers = mem_grow(p->servers, p->nservers + 1, sizeof *p->servers);
    struct pushed_server *v = &p->servers[p->nservers++];
    *v = (struct pushed_server){ 0 };
    get_name(p, m, "server", v->name);
    get_name(p, m, "owner", v->owner);
    uint32_t n = msg_get_u32(m);
    if (n > MSG_MOST / 10)
        die("server %s: %u lines of allow in one message", v->name, n);
    v->allow = mem_array(n, sizeof *v->allow);
    for (; v->nallow < n; v->nallow++) {
        get_name(p, m, "allow", v->allow[v->nallow].account);
        v->allow[v->nallow].rights = msg_get_u32(m) & RIGHT_ALL;
    }
    msg_end(m);
    server_digest(s, v);
}

static int by_name(const void *a, const void *b)
{
    /* Both kinds start with their name. */
    return strcmp(a, b);
}

static bool has_account(const struct push *p, const char *name)
{
    return p->naccounts && bsearch(name, p->accounts, p->naccounts, sizeof *p->accounts, by_name) != NULL;
}

static void check(struct push *p)
{
    if (p->nservers > PUSH_SERVERS)
        wrong(p, "%zu servers; at most %d", p->nservers, PUSH_SERVERS);
    if (p->naccounts)
        qsort(p->accounts, p->naccounts, sizeof *p->accounts, by_name);
    if (p->nservers)
        qsort(p->servers, p->nservers, sizeof *p->servers, by_name);
    for (size_t i = 1; i < p->naccounts; i++)
        if (strcmp(p->accounts[i - 1].name, p->accounts[i].name) == 0)
            wrong(p, "account %s: stands there twice", p->accounts[i].name);
    for (size_t i = 0; i < p->nservers; i++) {
        const struct pushed_server *v = &p->servers[i];
        if (i > 0 && strcmp(v[-1].name, v->name) == 0)
            wrong(p, "server %s: stands there twice", v->name);
        if (!has_account(p, v->owner))
            wrong(p, "server %s: owner: there is no account '%s'", v->name, v->owner);
        for (size_t j = 0; j < v->nallow; j++)
            if (!has_account(p, v->allow[j].account))
                wrong(p, "server %s: allow: there is no account '%s'", v->name, v->allow[j].account);
    }
}

static const char *summary(const struct changes *c, unsigned closed, char *text, size_t size)
{
    const struct { unsigned n; const char *one, *many; } parts[] = {
        { c->accounts_added, "account added", "accounts added" },
        { c->accounts_changed, "account changed", "accounts changed" },
        { c->suspended, "suspended", "suspended" },
        { c->accounts_removed, "account removed", "accounts removed" },
        { c->servers_added, "server added", "servers added" },
        { c->servers_changed, "server changed", "servers changed" },
        { c->servers_removed, "server removed", "servers removed" },
        { c->lists, "list of [auth] changed", "lists of [auth] changed" },
        { closed, "session closed", "sessions closed" },
    };
    size_t at = 0;
    snprintf(text, size, "nothing changed");
    for (size_t i = 0; i < countof(parts) && at < size; i++)
        if (parts[i].n)
            at += (size_t)snprintf(text + at, size - at, "%s%u %s", at ? ", " : "", parts[i].n,
                                   parts[i].n == 1 ? parts[i].one : parts[i].many);
    return text;
}

void push_end(struct store *s, struct msg *m)
{
    struct push *p = open_push(s);
    struct changes c = { 0 };
    struct err e = { 0 };
    char text[512];
    msg_end(m);
    check(p);
    if (p->error == NULL && push_apply(s->db, p, &c, &e) < 0)
        wrong(p, "%s", err_text(&e, text, sizeof text));
    bool applied = p->error == NULL;
    if (applied) {
        activity_limits(s->activity, p->activity_days, p->activity_rows);
        rates_apply(s, p->rates);
        c.lists = trust_changes(p->trust, s->trust);
        trust_free(s->trust);
        s->trust = p->trust;
        p->trust = NULL;
    }
    unsigned closed = applied ? sessions_recheck(s, NULL) : 0;
    struct msg out;
    msg_begin(&out, STORE_CONF_DONE, m->id);
    msg_put_str(&out, p->error);
    msg_put_str(&out, applied ? summary(&c, closed, text, sizeof text) : "");
    msg_put_u32(&out, applied ? (uint32_t)p->nservers : 0);
    for (size_t i = 0; applied && i < p->nservers; i++) {
        msg_put_str(&out, p->servers[i].name);
        msg_put_u32(&out, p->servers[i].number);
    }
    if (applied)
        log_info("conf.applied", "summary=\"%s\"", text);
    else
        log_warn("conf.refused", "why=\"%s\"", p->error);
    link_send(s->super, &out);
    push_free(p);
    s->push = NULL;
}
