/* The types of values: one row each, how it is read, printed and freed. */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf_table.h"
#include "base/mem.h"
#include "base/rights.h"

struct scale { const char *word; uint64_t factor; };

static const struct scale sizes[] = {
    { "", 1 }, { "K", 1ULL << 10 }, { "M", 1ULL << 20 }, { "G", 1ULL << 30 }, { "T", 1ULL << 40 }
};
static const struct scale times[] = {
    { "ms", 1 }, { "s", 1000 }, { "m", 60 * 1000 }, { "h", 3600 * 1000 }, { "d", 24 * 3600 * 1000 }
};
/* Sums of two still fit a signed 64-bit number. */
static const uint64_t size_most = INT64_MAX / 2, time_most = 1000ULL * 24 * 3600 * 1000;

int conf_number(const char *text, const char **end, uint64_t *number)
{
    uint64_t v = 0;
    if (*text < '0' || *text > '9')
        return -1;
    for (; *text >= '0' && *text <= '9'; text++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(*text - '0'), &v))
            return -1;
    *end = text;
    *number = v;
    return 0;
}

static int scaled(const char *text, const struct scale *scales, size_t n, uint64_t most, uint64_t *out)
{
    const char *unit;
    uint64_t v;
    if (conf_number(text, &unit, &v) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (strcmp(scales[i].word, unit) == 0) {
            if (__builtin_mul_overflow(v, scales[i].factor, &v) || v > most)
                return -1;
            *out = v;
            return 0;
        }
    return -1;
}

int conf_size(const char *text, uint64_t *bytes)
{
    return scaled(text, sizes, countof(sizes), size_most, bytes);
}

int conf_time(const char *text, uint64_t *ms)
{
    return scaled(text, times, countof(times), time_most, ms);
}

static void print_scaled(const struct conf_option *o, uint64_t v, const struct scale *scales, size_t n, struct buf *out)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (v >= scales[i].factor && v % scales[i].factor == 0)
            best = i;
    buf_put_fmt(out, "%s = %" PRIu64 "%s\n", o->key, v / scales[best].factor, scales[best].word);
}

/* "N to M" and "at least SIZE" in a unit. */
static bool in_range(const char *unit, uint64_t v)
{
    const char *least = strstr(unit, "at least ");
    if (least) {
        FREE_MEM char *word = mem_strn(least + 9, strcspn(least + 9, " ,;"));
        uint64_t low;
        return conf_size(word, &low) < 0 || v >= low;
    }
    for (const char *at = unit; *at; at++) {
        uint64_t low, high;
        if (at != unit && at[-1] != ' ')
            continue;
        if (conf_number(at, &least, &low) < 0 || strncmp(least, " to ", 4) != 0 ||
            conf_number(least + 4, &least, &high) < 0)
            continue;
        return v >= low && v <= high;
    }
    return true;
}

static int parse_size(const struct conf_option *o, void *field, const char *text, struct err *why)
{
    uint64_t v;
    if (conf_size(text, &v) < 0)
        return err_set(why, 0, "", "must be a whole number, with K, M, G or T behind it or nothing");
    if (!in_range(o->unit, v))
        return -1;
    *(uint64_t *)field = v;
    return 0;
}

static int parse_time(const struct conf_option *o, void *field, const char *text, struct err *why)
{
    uint64_t v;
    if (conf_time(text, &v) < 0)
        return err_set(why, 0, "", "must be a whole number with ms, s, m, h or d behind it, at most 1000d");
    if (!in_range(o->unit, v / 1000))
        return -1;
    *(uint64_t *)field = v;
    return 0;
}

static int parse_count(const struct conf_option *o, void *field, const char *text, const char *behind, struct err *why)
{
    uint64_t v;
    const char *end;
    if (conf_number(text, &end, &v) < 0 || strcmp(end, behind) != 0 || v > UINT32_MAX)
        return err_set(why, 0, "", "must be a whole number%s%s", *behind ? " and " : "", behind);
    if (!in_range(o->unit, v))
        return -1;
    *(uint32_t *)field = (uint32_t)v;
    return 0;
}

static int parse_uint(const struct conf_option *o, void *field, const char *text, struct err *why)
{
    return parse_count(o, field, text, "", why);
}

static int parse_percent(const struct conf_option *o, void *field, const char *text, struct err *why)
{
    return parse_count(o, field, text, "%", why);
}

static void print_size(const struct conf_option *o, const void *field, struct buf *out)
{
    print_scaled(o, *(const uint64_t *)field, sizes, countof(sizes), out);
}

static void print_time(const struct conf_option *o, const void *field, struct buf *out)
{
    print_scaled(o, *(const uint64_t *)field, times, countof(times), out);
}

static void print_uint(const struct conf_option *o, const void *field, struct buf *out)
{
    buf_put_fmt(out, "%s = %" PRIu32 "\n", o->key, *(const uint32_t *)field);
}

static void print_percent(const struct conf_option *o, const void *field, struct buf *out)
{
    buf_put_fmt(out, "%s = %" PRIu32 "%%\n", o->key, *(const uint32_t *)field);
}

/* Texts.  One pair of quotes around the whole is taken off, so that " ;" and outer spaces can be written. */

static char *unquoted(const struct conf_option *o, const char *text)
{
    size_t len = strlen(text);
    if (!conf_form_quoted(o->unit) && len >= 2 && (text[0] == '"' || text[0] == '\'') && text[len - 1] == text[0])
        return mem_strn(text + 1, len - 2);
    return mem_str(text);
}

void conf_print_text(struct buf *out, const char *text)
{
    size_t len = strlen(text);
    bool quote = strstr(text, " ;") || strstr(text, "\t;") || text[0] == ';' || text[0] == ' ' ||
                 (len && text[len - 1] == ' ') || (len >= 2 && strchr("\"'", text[0]) && text[len - 1] == text[0]);
    const char *mark = !quote ? "" : strchr(text, '"') ? "'" : "\"";
    buf_put_fmt(out, "%s%s%s", mark, text, mark);
}

static int parse_str(const struct conf_option *o, void *field, const char *text, struct err *why)
{
    FREE_MEM char *value = unquoted(o, text);
    /* Empty is a value only where it is the default, or said to be. */
    bool none = value[0] == '\0' && o->def && (o->def[0] == '\0' || strstr(o->unit, "or empty"));
    if (!none && (value[0] == '\0' || !conf_form(o->unit, value, why)))
        return -1;
    char **at = field;
    free(*at);
    *at = value;
    value = NULL;
    return 0;
}

static int parse_name(const struct conf_option *o, void *field, const char *text, struct err *why)
{
    (void)o;
    if (!name_ok(text))
        return err_set(why, 0, "", "must be 1 to %d of a-z 0-9 . _ -, the first a letter or digit", NAME_MOST);
    free(*(char **)field);
    *(char **)field = mem_str(text);
    return 0;
}

static void print_line(const struct conf_option *o, const char *text, struct buf *out)
{
    buf_put_fmt(out, "%s = ", o->key);
    if (conf_form_quoted(o->unit))
        buf_put_fmt(out, "%s", text);
    else
        conf_print_text(out, text);
    buf_put(out, "\n", 1);
}

static void print_str(const struct conf_option *o, const void *field, struct buf *out)
{
    const char *text = *(char *const *)field;
    print_line(o, text ? text : "", out);
}

static void free_str(void *field)
{
    free(*(char **)field);
}

/* Users.  /etc/passwd is read as a file: a process of root loads no name service modules. */

static int parse_user(const struct conf_option *o, void *field, const char *text, struct err *why)
{
    (void)o;
    uid_t *uid = field;
    const char *end;
    uint64_t v;
    if (conf_number(text, &end, &v) == 0 && *end == '\0') {
        if (v == 0 || v >= UINT32_MAX)
            return err_set(why, 0, "", v ? "is no uid" : "must not be root");
        *uid = (uid_t)v;
        return 0;
    }
    *uid = (uid_t)-1;
    FILE *f = fopen("/etc/passwd", "re");
    if (f == NULL)
        return err_set(why, 0, "", "/etc/passwd: %s", strerror(errno));
    for (struct passwd *p; *uid == (uid_t)-1 && (p = fgetpwent(f));)
        if (strcmp(p->pw_name, text) == 0)
            *uid = p->pw_uid;
    fclose(f);
    if (*uid == (uid_t)-1)
        return err_set(why, 0, "", "no user of this name in /etc/passwd: create it, or give a uid");
    if (*uid == 0)
        return err_set(why, 0, "", "must not be root");
    return 0;
}

static void print_user(const struct conf_option *o, const void *field, struct buf *out)
{
    uid_t uid = *(const uid_t *)field;
    if (uid == (uid_t)-1)
        buf_put_fmt(out, "%s = %s\n", o->key, o->def);
    else
        buf_put_fmt(out, "%s = %u\n", o->key, (unsigned)uid);
}

/* The length of the first of "a | b, c | d"; *NEXT is where the second begins. */
static size_t choice(const char *unit, const char **next)
{
    size_t n = strcspn(unit, "|");
    *next = unit + n + strspn(unit + n, " |");
    while (n && unit[n - 1] == ' ')
        n--;
    return n;
}

bool conf_choice(const char *unit, const char *word, size_t len, int *index)
{
    for (int i = 0; *unit; i++) {
        const char *at = unit;
        size_t n = choice(at, &unit);
        if (n == len && memcmp(at, word, len) == 0) {
            *index = i;
            return true;
        }
    }
    return false;
}

static int parse_enum(const struct conf_option *o, void *field, const char *text, struct err *why)
{
    (void)why;
    if (text[0] == '\0' && o->def[0] == '\0') {
        *(int *)field = CONF_NOTHING;
        return 0;
    }
    return conf_choice(o->unit, text, strlen(text), field) ? 0 : -1;
}

static void print_enum(const struct conf_option *o, const void *field, struct buf *out)
{
    const char *at = o->unit, *next;
    int chosen = *(const int *)field;
    size_t n = choice(at, &next);
    for (int i = 0; i < chosen; i++)
        n = choice(at = next, &next);
    buf_put_fmt(out, "%s = %.*s\n", o->key, chosen == CONF_NOTHING ? 0 : (int)n, at);
}

/* Lists: an empty value is the empty list. */

static int parse_list(const struct conf_option *o, void *field, const char *text, struct err *why)
{
    struct conf_list *list = field;
    FREE_MEM char *value = unquoted(o, text);
    if (value[0] == '\0')
        return 0;
    if (!conf_form(o->unit, value, why))
        return -1;
    list->v = mem_grow(list->v, list->n + 1, sizeof *list->v);
    list->v[list->n++] = value;
    value = NULL;
    return 0;
}

static void print_list(const struct conf_option *o, const void *field, struct buf *out)
{
    const struct conf_list *list = field;
    for (size_t i = 0; i < list->n; i++)
        print_line(o, list->v[i], out);
    if (list->n == 0)
        buf_put_fmt(out, "%s =\n", o->key);
}

static void free_list(void *field)
{
    struct conf_list *list = field;
    for (size_t i = 0; i < list->n; i++)
        free(list->v[i]);
    free(list->v);
    *list = (struct conf_list){ 0 };
}

static int parse_port(const struct conf_option *o, void *field, const char *text, struct err *why)
{
    (void)o;
    struct conf_ports *ports = field;
    const char *end;
    uint64_t v;
    if (text[0] == '\0')
        return 0;
    if (conf_number(text, &end, &v) < 0 || v < 1 || v > 65535 || (strcmp(end, "/tcp") != 0 && strcmp(end, "/udp") != 0))
        return err_set(why, 0, "", "must be 1 to 65535 with /tcp or /udp behind it");
    ports->v = mem_grow(ports->v, ports->n + 1, sizeof *ports->v);
    ports->v[ports->n++] = (struct conf_port){ .port = (uint16_t)v, .udp = end[1] == 'u' };
    return 0;
}

static void print_ports(const struct conf_option *o, const void *field, struct buf *out)
{
    const struct conf_ports *ports = field;
    for (size_t i = 0; i < ports->n; i++)
        buf_put_fmt(out, "%s = %u/%s\n", o->key, ports->v[i].port, ports->v[i].udp ? "udp" : "tcp");
    if (ports->n == 0)
        buf_put_fmt(out, "%s =\n", o->key);
}

static void free_ports(void *field)
{
    free(((struct conf_ports *)field)->v);
    *(struct conf_ports *)field = (struct conf_ports){ 0 };
}

/* Rights are printed as the role that they are, if they are one: so it can be read back, and so it was probably written. */
static const char *rights_short(uint32_t rights, char *buf, size_t size)
{
    const char *role = rights_role(rights);
    return role ? role : rights_text(rights, buf, size);
}

static int parse_rights(const struct conf_option *o, void *field, const char *text, struct err *why)
{
    (void)o;
    char what[sizeof why->text];
    uint32_t rights;
    if (rights_parse(text, &rights, what, sizeof what) < 0)
        return err_set(why, 0, "", "%s", what);
    *(uint32_t *)field = rights;
    return 0;
}

static void print_rights(const struct conf_option *o, const void *field, struct buf *out)
{
    uint32_t rights = *(const uint32_t *)field;
    char words[256];
    buf_put_fmt(out, "%s = %s\n", o->key, rights == RIGHT_ALL ? "*" : rights_short(rights, words, sizeof words));
}

static int parse_allow(const struct conf_option *o, void *field, const char *text, struct err *why)
{
    (void)o;
    struct conf_allows *list = field;
    if (text[0] == '\0')
        return 0;
    const char *at = text + strcspn(text, ": \t");
    FREE_MEM char *account = mem_strn(text, (size_t)(at - text));
    at += strspn(at, " \t");
    if (*at != ':' || !name_ok(account))
        return -1;
    char what[sizeof why->text];
    uint32_t rights;
    if (rights_parse(at + 1, &rights, what, sizeof what) < 0)
        return err_set(why, 0, "", "%s", what);
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->v[i].account, account) == 0)
            return err_set(why, 0, "", "'%s' is allowed something twice: one line per account", account);
    list->v = mem_grow(list->v, list->n + 1, sizeof *list->v);
    list->v[list->n++] = (struct conf_allow){ .account = account, .rights = rights };
    account = NULL;
    return 0;
}

static void print_allow(const struct conf_option *o, const void *field, struct buf *out)
{
    const struct conf_allows *list = field;
    char words[256];
    for (size_t i = 0; i < list->n; i++)
        buf_put_fmt(out, "%s = %s: %s\n", o->key, list->v[i].account,
                    rights_short(list->v[i].rights, words, sizeof words));
    if (list->n == 0)
        buf_put_fmt(out, "%s =\n", o->key);
}

static void free_allow(void *field)
{
    struct conf_allows *list = field;
    for (size_t i = 0; i < list->n; i++)
        free(list->v[i].account);
    free(list->v);
    *list = (struct conf_allows){ 0 };
}

/* How: "line:TEXT", "signal:NAME", "tcp:PORT", "none"; an option's unit lists the kinds it takes. */

static const struct { const char *prefix; enum conf_how_kind kind; } hows[] = {
    { "none", HOW_NONE }, { "line:", HOW_LINE }, { "signal:", HOW_SIGNAL }, { "tcp:", HOW_TCP },
    { "notify", HOW_NOTIFY },
};

static int signal_of(const char *name)
{
    const char *end;
    uint64_t v;
    if (conf_number(name, &end, &v) == 0)
        return *end || v < 1 || v > 31 ? -1 : (int)v;
    return conf_signal(name);
}

static int how_line(const struct conf_option *o, struct conf_how *how, const char *text, struct err *why)
{
    how->text = unquoted(o, text);
    return how->text[0] ? 0 : err_set(why, 0, "", "the line is empty");
}

static int how_signal(struct conf_how *how, const char *text, struct err *why)
{
    how->number = signal_of(text);
    if (how->number > 0)
        return 0;
    return err_set(why, 0, "", "no signal '%.20s'; allowed: TERM, INT, HUP, QUIT, USR1, USR2 ...", text);
}

static int how_tcp(struct conf_how *how, const char *text, struct err *why)
{
    const char *end;
    uint64_t v;
    if (conf_number(text, &end, &v) < 0 || *end || v < 1 || v > 65535)
        return err_set(why, 0, "", "the port must be 1 to 65535");
    how->number = (int)v;
    return 0;
}

static int parse_how(const struct conf_option *o, void *field, const char *text, struct err *why)
{
    struct conf_how how = { 0 };
    size_t i = 0, len = 0;
    for (; i < countof(hows); i++) {
        len = strlen(hows[i].prefix);
        if (strncmp(text, hows[i].prefix, len) == 0 && strstr(o->unit, hows[i].prefix))
            break;
    }
    bool word = i < countof(hows) && hows[i].prefix[len - 1] != ':';
    if (i == countof(hows) || (word && text[len]))
        return -1;
    how.kind = hows[i].kind;
    int r = how.kind == HOW_LINE ? how_line(o, &how, text + len, why)
          : how.kind == HOW_SIGNAL ? how_signal(&how, text + len, why)
          : how.kind == HOW_TCP ? how_tcp(&how, text + len, why) : 0;
    if (r < 0) {
        free(how.text);
        return -1;
    }
    free(((struct conf_how *)field)->text);
    *(struct conf_how *)field = how;
    return 0;
}

static void print_how(const struct conf_option *o, const void *field, struct buf *out)
{
    const struct conf_how *how = field;
    buf_put_fmt(out, "%s = %s", o->key, hows[how->kind].prefix);
    if (how->kind == HOW_LINE)
        conf_print_text(out, how->text);
    else if (how->kind == HOW_SIGNAL && sigabbrev_np(how->number))
        buf_put_fmt(out, "%s", sigabbrev_np(how->number));
    else if (how->kind == HOW_SIGNAL || how->kind == HOW_TCP)
        buf_put_fmt(out, "%d", how->number);
    buf_put(out, "\n", 1);
}

static void free_how(void *field)
{
    free(((struct conf_how *)field)->text);
}

const struct conf_type conf_types[CONF_TYPE_COUNT] = {
    [CONF_TYPE_STR] = { "text", false, parse_str, print_str, free_str },
    [CONF_TYPE_PATH] = { "path", false, parse_str, print_str, free_str },
    [CONF_TYPE_NAME] = { "name", false, parse_name, print_str, free_str },
    [CONF_TYPE_USER] = { "user", false, parse_user, print_user, NULL },
    [CONF_TYPE_UINT] = { "number", false, parse_uint, print_uint, NULL },
    [CONF_TYPE_SIZE] = { "size", false, parse_size, print_size, NULL },
    [CONF_TYPE_TIME] = { "time", false, parse_time, print_time, NULL },
    [CONF_TYPE_PERCENT] = { "percentage", false, parse_percent, print_percent, NULL },
    [CONF_TYPE_ENUM] = { "word", false, parse_enum, print_enum, NULL },
    [CONF_TYPE_LIST] = { "list", true, parse_list, print_list, free_list },
    [CONF_TYPE_PORTS] = { "ports", true, parse_port, print_ports, free_ports },
    [CONF_TYPE_ALLOW] = { "grants", true, parse_allow, print_allow, free_allow },
    [CONF_TYPE_RIGHTS] = { "rights", false, parse_rights, print_rights, NULL },
    [CONF_TYPE_HOW] = { "how", false, parse_how, print_how, free_how },
    [CONF_TYPE_EXITS] = { "exits", false, conf_parse_exits, conf_print_exits, NULL },
};
