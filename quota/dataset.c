#include "quota/dataset.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "quota/command.h"

enum { SECONDS = 60, TRIES = 5, SLACK = 1 << 20 };

static const char *const folders[] = { "/usr/sbin", "/sbin", "/usr/local/sbin", NULL };
static const char PROPERTY[] = "holdfast:server";

static int zfs(const char *const argv[], struct said *s, struct err *e)
{
    const struct command c = { .folders = folders, .argv = argv, .package = "zfsutils-linux (contrib)", .seconds = SECONDS };
    return command_run(&c, s, e);
}

static int failed(const char *verb, const struct said *s, struct err *e)
{
    return err_set(e, EIO, "zfs", "%s: exit %d: %s", verb, s->code, s->why);
}

static bool name_fits(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > DATASET_MOST || !isalpha((unsigned char)name[0]) || name[n - 1] == '/' || strstr(name, "//"))
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:/") == n;
}

/* A place of a migration, ".NAME.new", is NAME:new: no server's name has a colon. */
int dataset_of(struct dataset *s, const char *parent, const char *folder, struct err *e)
{
    bool hidden = folder[0] == '.';
    size_t n = strlen(folder);
    int len = hidden && n > 5 ? snprintf(s->name, sizeof s->name, "%s/%.*s:new", parent, (int)(n - 5), folder + 1)
                              : snprintf(s->name, sizeof s->name, "%s/%s", parent, folder);
    if (len < 0 || (size_t)len >= sizeof s->name || !name_fits(parent) || !name_fits(s->name))
        return err_set(e, EINVAL, "zfs", "the dataset of the state folder or a server has a name that is longer than %d bytes, or not of letters, digits and _-.:/",
                       DATASET_MOST);
    return 0;
}

static bool number(const char *text, uint64_t *to)
{
    char *end;
    if (strcmp(text, "-") == 0 || strcmp(text, "none") == 0) {
        *to = 0;
        return true;
    }
    errno = 0;
    *to = strtoull(text, &end, 10);
    return isdigit((unsigned char)text[0]) && *end == '\0' && errno == 0;
}

static bool text(const char *value, char *to, size_t size)
{
    return (size_t)snprintf(to, size, "%s", value) < size;
}

struct wanted { const char *property; uint64_t *number; char *text; size_t size; bool seen; };

/* One "PROPERTY<tab>VALUE". */
static bool line(struct wanted *w, size_t n, char *property, const char *value)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(w[i].property, property) == 0 && !w[i].seen) {
            w[i].seen = true;
            return w[i].number ? number(value, w[i].number) : text(value, w[i].text, w[i].size);
        }
    return false;
}

/* Each exactly once, and nothing else. */
static bool parse(char *out, struct wanted *w, size_t n)
{
    size_t lines = 0;
    for (char *at = out; *at; lines++) {
        char *tab = strchr(at, '\t'), *end = strchr(at, '\n');
        if (tab == NULL || end == NULL || tab > end)
            return false;
        *tab = *end = '\0';
        if (!line(w, n, at, tab + 1))
            return false;
        at = end + 1;
    }
    return lines == n;
}

int dataset_get(const struct dataset *s, uid_t user, struct dataset_state *state, struct err *e)
{
    char quota[40], used[40], all[256];
    struct said said;
    snprintf(quota, sizeof quota, "userobjquota@%u", (unsigned)user);
    snprintf(used, sizeof used, "userobjused@%u", (unsigned)user);
    snprintf(all, sizeof all, "%s,mountpoint,refquota,referenced,%s,%s", PROPERTY, quota, used);
    *state = (struct dataset_state){ 0 };
    struct wanted w[] = {
        { .property = PROPERTY, .text = state->server, .size = sizeof state->server },
        { .property = "mountpoint", .text = state->mountpoint, .size = sizeof state->mountpoint },
        { .property = "refquota", .number = &state->limit },
        { .property = "referenced", .number = &state->used },
        { .property = quota, .number = &state->inodes },
        { .property = used, .number = &state->used_inodes },
    };
    if (zfs((const char *const[]){ "zfs", "get", "-Hp", "-t", "filesystem", "-o", "property,value", all, s->name, NULL }, &said, e) < 0)
        return -1;
    if (said.code == 1 && strstr(said.why, "dataset does not exist"))
        return 0;
    if (said.code != 0)
        return failed("get", &said, e);
    return parse(said.out, w, countof(w)) ? 1 : err_set(e, EPROTO, "zfs", "get: not the answer that was asked for");
}

int dataset_make(const struct dataset *s, const char *server, uint64_t bytes, struct err *e)
{
    char owner[96], limit[40];
    struct said said;
    snprintf(owner, sizeof owner, "%s=%s", PROPERTY, server);
    snprintf(limit, sizeof limit, "refquota=%" PRIu64, bytes);
    /* mountpoint=legacy: neither `zfs mount -a` nor an import shows it anywhere.  acltype: files that are moved here may have ACLs. */
    const char *const argv[] = { "zfs", "create", "-o", "mountpoint=legacy", "-o", "setuid=off", "-o", "devices=off", "-o", "snapdir=hidden", "-o", "xattr=sa",
                                 "-o", "acltype=posixacl", "-o", limit, "-o", owner, s->name, NULL };
    return zfs(argv, &said, e) < 0 ? -1 : said.code == 0 ? 0 : failed("create", &said, e);
}

static int set(const struct dataset *s, const char *property, uint64_t value, struct said *said, struct err *e)
{
    char both[80];
    snprintf(both, sizeof both, "%s=%" PRIu64, property, value);
    return zfs((const char *const[]){ "zfs", "set", both, s->name, NULL }, said, e);
}

int dataset_objects(const struct dataset *s, uid_t user, uint64_t inodes, struct err *e)
{
    char objects[40];
    struct said said;
    snprintf(objects, sizeof objects, "userobjquota@%u", (unsigned)user);
    if (set(s, objects, inodes, &said, e) < 0)
        return -1;
    return said.code == 0 ? 0 : failed("set userobjquota (the pool needs the feature userobj_accounting)", &said, e);
}

int dataset_limit(const struct dataset *s, uint64_t *bytes, struct err *e)
{
    struct said said;
    struct dataset_state now;
    uint64_t aim = *bytes;
    for (unsigned try = 0; try < TRIES; try++) {
        if (set(s, "refquota", aim, &said, e) < 0)
            return -1;
        if (said.code == 0) {
            *bytes = aim;
            return 0;
        }
        int is = dataset_get(s, 0, &now, e);
        if (is < 0 || (is > 0 && now.used <= aim) || is == 0)
            return is < 0 ? -1 : failed("set refquota", &said, e);
        /* Who writes at this moment is behind what was told. */
        aim = now.used + try * SLACK;
    }
    return failed("set refquota", &said, e);
}

int dataset_destroy(const struct dataset *s, struct err *e)
{
    struct said said;
    if (zfs((const char *const[]){ "zfs", "destroy", s->name, NULL }, &said, e) < 0)
        return -1;
    return said.code == 0 || (said.code == 1 && strstr(said.why, "dataset does not exist")) ? 0 : failed("destroy", &said, e);
}

int dataset_rename(const struct dataset *s, const struct dataset *to, struct err *e)
{
    struct said said;
    if (zfs((const char *const[]){ "zfs", "rename", s->name, to->name, NULL }, &said, e) < 0)
        return -1;
    return said.code == 0 ? 0 : failed("rename", &said, e);
}

static bool word(const char *from, char *to, size_t size)
{
    size_t n = strcspn(from, " \n");
    if (n < size && memchr(from, '\\', n) == NULL) {
        memcpy(to, from, n);
        to[n] = '\0';
    }
    return to[0] != '\0';
}

/* "ID PARENT DEVICE ROOT POINT OPTIONS [TAGS...] - TYPE SOURCE OPTIONS" */
bool dataset_mount(const char *mountinfo, uint64_t id, char *type, char *source, size_t size)
{
    type[0] = source[0] = '\0';
    for (const char *at = mountinfo; *at; at += strcspn(at, "\n"), at += *at == '\n') {
        char *end;
        if (strtoull(at, &end, 10) != id || *end != ' ')
            continue;
        const char *dash = strstr(at, " - "), *stop = at + strcspn(at, "\n");
        if (dash == NULL || dash > stop || !word(dash + 3, type, size))
            return false;
        const char *next = dash + 3 + strlen(type);
        if (*next == ' ')
            word(next + 1, source, size);
        return true;
    }
    return false;
}
