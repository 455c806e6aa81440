#include "store/stored/key_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/name.h"

/* Takes VALUE (no control characters, quotes taken off) into *O.  0, or -1 with E. */
typedef int value_fn(struct key_options *o, const char *value, struct err *e);
static value_fn take_command, take_expiry, take_from, take_principals, take_rights, take_servers;

/* `restrict` takes away all that a later word may give back.  What we have not got, forwarding and a file of the client's to run, may be
   forbidden and never allowed. */
static const struct option {
    const char *name;
    uint32_t set, clear;       /* flags */
    value_fn *take;            /* NULL: it has no value */
    bool authority;            /* of an authority's line only */
} options[] = {
    { .name = "command", .set = KEY_LIMITED, .take = take_command },
    { .name = "expiry-time", .take = take_expiry },
    { .name = "from", .take = take_from },
    { .name = "no-agent-forwarding" },
    { .name = "no-port-forwarding" },
    { .name = "no-pty", .set = KEY_NO_PTY },
    { .name = "no-touch-required", .set = KEY_NO_TOUCH },
    { .name = "no-user-rc" },
    { .name = "no-x11-forwarding" },
    { .name = "principals", .take = take_principals, .authority = true },
    { .name = "pty", .clear = KEY_NO_PTY },
    { .name = "restrict", .set = KEY_NO_PTY },
    { .name = "rights", .set = KEY_LIMITED, .take = take_rights },
    { .name = "servers", .set = KEY_LIMITED, .take = take_servers },
    { .name = "verify-required", .set = KEY_VERIFY_REQUIRED },
};

_Static_assert(countof(options) <= 32, "a bit each");

static int take_command(struct key_options *o, const char *value, struct err *e)
{
    if (strlen(value) > KEY_COMMAND_MOST)
        return err_set(e, 0, "option", "command: longer than %d bytes", KEY_COMMAND_MOST);
    if (key_command_check(value, e) < 0)
        return -1;
    o->command = mem_str(value);
    return 0;
}

static int two_digits(const char *at)
{
    return (at[0] - '0') * 10 + (at[1] - '0');
}

/* UTC with the Z and without: the appliance has no other time. */
static int take_expiry(struct key_options *o, const char *value, struct err *e)
{
    size_t digits = strspn(value, "0123456789"), all = strlen(value);
    char full[16] = "00000000000000";
    bool form = (digits == 8 || digits == 12 || digits == 14) && (all == digits || (all == digits + 1 && value[digits] == 'Z'));
    if (form)
        memcpy(full, value, digits);
    struct tm tm = { .tm_year = two_digits(full) * 100 + two_digits(full + 2) - 1900, .tm_mon = two_digits(full + 4) - 1,
                     .tm_mday = two_digits(full + 6), .tm_hour = two_digits(full + 8), .tm_min = two_digits(full + 10),
                     .tm_sec = two_digits(full + 12) };
    struct tm again = tm;
    time_t t = form ? timegm(&again) : -1;
    /* A day that there is not comes back as another one. */
    if (t <= 0 || again.tm_mon != tm.tm_mon || again.tm_mday != tm.tm_mday || again.tm_hour != tm.tm_hour || again.tm_min != tm.tm_min ||
        again.tm_sec != tm.tm_sec)
        return err_set(e, 0, "option", "expiry-time: '%.40s' is no time; allowed: YYYYMMDD, YYYYMMDDHHMM, YYYYMMDDHHMMSS, a Z behind or not (UTC)",
                       value);
    o->expires = (int64_t)t * 1000;
    return 0;
}

static int take_from(struct key_options *o, const char *value, struct err *e)
{
    if (key_from_parse(value, e) < 0)
        return -1;
    o->from = mem_str(value);
    return 0;
}

static int take_principals(struct key_options *o, const char *value, struct err *e)
{
    if (value[0] == '\0')
        return err_set(e, 0, "option", "principals: names none");
    o->principals = mem_str(value);
    return 0;
}

static int take_rights(struct key_options *o, const char *value, struct err *e)
{
    char why[sizeof e->text];
    return rights_parse(value, &o->rights, why, sizeof why) < 0 ? err_set(e, 0, "option", "rights: %s", why) : 0;
}

static int take_servers(struct key_options *o, const char *value, struct err *e)
{
    size_t n = 0;
    for (const char *at = value;; at++) {
        size_t len = strcspn(at, ",");
        FREE_MEM char *name = mem_strn(at, len);
        if (!name_ok(name))
            return err_set(e, 0, "option", "servers: '%.40s' is no name of a server; allowed: NAME,NAME", name);
        if (++n > KEY_NAMES_MOST)
            return err_set(e, 0, "option", "servers: more than %d names", KEY_NAMES_MOST);
        at += len;
        if (*at == '\0')
            break;
    }
    o->servers = mem_str(value);
    return 0;
}

static const struct option *option_of(const char *name, size_t size)
{
    for (size_t i = 0; i < countof(options); i++)
        if (strlen(options[i].name) == size && strncasecmp(options[i].name, name, size) == 0)
            return &options[i];
    return NULL;
}

static int unknown(const char *name, size_t size, enum key_role role, struct err *e)
{
    char allowed[256] = "";
    size_t at = 0;
    for (size_t i = 0; i < countof(options) && at < sizeof allowed; i++)
        if (!options[i].authority || role == KEY_OF_AUTHORITY)
            at += (size_t)snprintf(allowed + at, sizeof allowed - at, "%s%s", at ? " " : "", options[i].name);
    return err_set(e, 0, "option", "'%s' is not supported; allowed: %s", escn(name, size < 32 ? size : 32), allowed);
}

/* Quotes as OpenSSH has them: a backslash takes the meaning from a quote and from nothing else.  The value in *VALUE, owned by the caller;
   returns where it ends, or NULL. */
static const char *unquote(const char *at, const char *end, char **value)
{
    char *out = mem_new((size_t)(end - at) + 1);
    size_t n = 0;
    for (at++; at < end && *at != '"'; at++) {
        if (*at == '\\' && at + 1 < end && at[1] == '"')
            at++;
        out[n++] = *at;
    }
    *value = out;
    return at < end ? at + 1 : NULL;
}

static int value_of(const struct option *opt, const char **at, const char *end, struct key_options *o, struct err *e)
{
    bool has = *at < end && **at == '=';
    if (opt->take == NULL)
        return has ? err_set(e, 0, "option", "%s takes no value", opt->name) : 0;
    if (!has || *at + 1 == end || (*at)[1] != '"')
        return err_set(e, 0, "option", "%s needs a value in double quotes: %s=\"...\"", opt->name, opt->name);
    FREE_MEM char *value = NULL;
    *at = unquote(*at + 1, end, &value);
    if (*at == NULL)
        return err_set(e, 0, "option", "%s: the quote at the end is missing", opt->name);
    return opt->take(o, value, e);
}

static int one(const char **at, const char *end, enum key_role role, uint32_t *seen, struct key_options *o, struct err *e)
{
    size_t size = 0;
    while (*at + size < end && (*at)[size] != '=' && (*at)[size] != ',' && (*at)[size] != '"')
        size++;
    const struct option *opt = option_of(*at, size);
    if (opt == NULL)
        return unknown(*at, size, role, e);
    uint32_t bit = 1u << (opt - options);
    if (*seen & bit)
        return err_set(e, 0, "option", "'%s' stands there twice", opt->name);
    if (opt->authority && role != KEY_OF_AUTHORITY)
        return err_set(e, 0, "option", "'%s' is for the line of a certificate authority: a key of an account has none", opt->name);
    *seen |= bit;
    *at += size;
    if (value_of(opt, at, end, o, e) < 0)
        return -1;
    o->flags = (o->flags & ~opt->clear) | opt->set;
    return 0;
}

static int all(const char *at, const char *end, enum key_role role, struct key_options *o, struct err *e)
{
    uint32_t seen = 0;
    for (;;) {
        if (one(&at, end, role, &seen, o, e) < 0)
            return -1;
        if (at == end)
            return 0;
        if (*at != ',')
            return err_set(e, 0, "option", "'%s': a comma must stand between options", escn(at, end - at < 32 ? (size_t)(end - at) : 32));
        at++;
    }
}

size_t key_options_size(const char *line)
{
    bool quoted = false;
    size_t n = 0;
    for (; line[n] && line[n] != '\r' && line[n] != '\n' && (quoted || (line[n] != ' ' && line[n] != '\t')); n++)
        if (line[n] == '\\' && line[n + 1] == '"')
            n++;
        else if (line[n] == '"')
            quoted = !quoted;
    return n;
}

int key_options_parse(const char *text, size_t size, enum key_role role, struct key_options *o, struct err *e)
{
    *o = KEY_OPTIONS_NONE;
    if (size > KEY_OPTIONS_MOST)
        return err_set(e, 0, "option", "the options have %zu bytes; allowed: %d", size, KEY_OPTIONS_MOST);
    for (size_t i = 0; i < size; i++)
        if (text[i] < ' ' || text[i] > '~')
            return err_set(e, 0, "option", "a byte that is not printable ASCII");
    if (size == 0 || all(text, text + size, role, o, e) == 0)
        return 0;
    key_options_end(o);
    return -1;
}

void key_options_end(struct key_options *o)
{
    free(o->servers);
    free(o->from);
    free(o->command);
    free(o->principals);
    *o = KEY_OPTIONS_NONE;
}

enum key_verdict key_options_check(const struct key_options *o, const char *address, int64_t now)
{
    if (o->expires && now >= o->expires)
        return KEY_EXPIRED;
    return o->from && !key_from_fits(o->from, address) ? KEY_ELSEWHERE : KEY_FITS;
}

uint32_t key_options_rights(const struct key_options *o, const char *server, uint32_t rights)
{
    return o->servers && !name_listed(o->servers, server) ? 0 : rights & o->rights;
}
