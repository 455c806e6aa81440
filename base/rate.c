#include "base/rate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "base/mem.h"

enum { MIB = 1 << 20 };
#define MS_LEAST 1000ull
#define MS_MOST (30ull * 24 * 3600 * 1000)

#define HOUR (3600 * 1000)

static const struct {
    const char *name;
    bool bytes;
    struct rate rate;
} rows[RATES] = {
    [RATE_BACKUP_CREATE] = { "backup.create", false, { 12, HOUR } },
    [RATE_BACKUP_GET] = { "backup.get", false, { 60, HOUR } },
    [RATE_RSYNC] = { "rsync", false, { 600, HOUR } },
    [RATE_SUM] = { "sum", true, { 64 * 1024, HOUR } },
    [RATE_CHECK_FILE] = { "check-file", true, { 64 * 1024, HOUR } },
};

const char *rate_name(enum rate_verb verb) { return rows[verb].name; }
bool rate_bytes(enum rate_verb verb) { return rows[verb].bytes; }
struct rate rate_default(enum rate_verb verb) { return rows[verb].rate; }

static int verb_of(const char *text, size_t len)
{
    for (int i = 0; i < RATES; i++)
        if (strlen(rows[i].name) == len && memcmp(rows[i].name, text, len) == 0)
            return i;
    return -1;
}

static int unknown(const char *text, size_t len, struct err *why)
{
    char names[160] = "";
    for (int i = 0; i < RATES; i++) {
        size_t at = strlen(names);
        snprintf(names + at, sizeof names - at, "%s%s", at ? " " : "", rows[i].name);
    }
    return err_set(why, 0, "", "'%.*s' has no rate; allowed: %s", (int)(len < 40 ? len : 40), text, names);
}

static int parse_burst(const char *text, size_t len, bool bytes, uint32_t *burst, struct err *why)
{
    FREE_MEM char *word = mem_strn(text, len);
    char *end;
    uint64_t n;
    if (!bytes) {
        n = *word >= '0' && *word <= '9' ? strtoull(word, &end, 10) : 0;
        if (n == 0 || *end || n > 1000000)
            return err_set(why, 0, "", "'%.40s': must be 1 to 1000000 times", word);
    } else if (conf_size(word, &n) < 0 || n < MIB || n % MIB || (n /= MIB) > 1ull << 26)
        return err_set(why, 0, "", "'%.40s': must be whole mebibytes, 1M to 64T", word);
    *burst = (uint32_t)n;
    return 0;
}

int rate_parse(const char *text, struct rate *r, struct err *why)
{
    size_t len = strcspn(text, " \t");
    int verb = verb_of(text, len);
    if (verb < 0)
        return unknown(text, len, why);
    text += len + strspn(text + len, " \t");
    *r = (struct rate){ 0 };
    if (strcmp(text, "none") == 0)
        return verb;
    const char *slash = strchr(text, '/');
    if (slash == NULL)
        return err_set(why, 0, "", "'%.40s': must be BURST/TIME, or none", text);
    if (parse_burst(text, (size_t)(slash - text), rows[verb].bytes, &r->burst, why) < 0)
        return -1;
    if (conf_time(slash + 1, &r->ms) < 0 || r->ms < MS_LEAST || r->ms > MS_MOST)
        return err_set(why, 0, "", "'%.40s': must be a time of 1s to 30d", slash + 1);
    return verb;
}

void rate_set(struct rate_left *l, const struct rate *r, uint64_t now)
{
    if (l->rate.burst == r->burst && l->rate.ms == r->ms)
        return;
    l->rate = *r;
    bucket_init(&l->bucket, r->ms, 1000, now);
}

static uint64_t whole(const struct rate_left *l, enum rate_verb verb)
{
    return rows[verb].bytes ? (uint64_t)l->rate.burst * MIB : l->rate.burst;
}

/* Rounded up, so that many small ones are not free.  At most 2^46 of one and 2^32 of the other. */
static uint64_t cost(const struct rate_left *l, enum rate_verb verb, uint64_t n)
{
    uint64_t all = whole(l, verb), ms = l->rate.ms, product;
    if (n >= all)
        return ms;
    if (__builtin_mul_overflow(n, ms, &product))
        return (n / MIB + 1) * ms / (all / MIB);
    return product / all + (product % all != 0);
}

uint64_t rate_take(struct rate_left *l, enum rate_verb verb, uint64_t n, uint64_t now)
{
    if (l->rate.burst == 0)
        return 0;
    uint64_t ms = cost(l, verb, n);
    return bucket_take(&l->bucket, ms, now) ? 0 : bucket_wait(&l->bucket, ms, now);
}

void rate_give_back(struct rate_left *l, enum rate_verb verb, uint64_t n)
{
    if (l->rate.burst == 0)
        return;
    uint64_t level = l->bucket.level + cost(l, verb, n) * 1000, most = l->bucket.burst * 1000;
    l->bucket.level = level < most ? level : most;
}

uint64_t rate_there(struct rate_left *l, enum rate_verb verb, uint64_t now, uint64_t *full_in)
{
    *full_in = l->rate.burst ? bucket_wait(&l->bucket, l->rate.ms, now) : 0;
    if (l->rate.burst == 0)
        return UINT64_MAX;
    uint64_t ms = l->bucket.level / 1000, all = whole(l, verb), product;
    if (__builtin_mul_overflow(all, ms, &product))
        return all / l->rate.ms * ms;
    return product / l->rate.ms;
}
