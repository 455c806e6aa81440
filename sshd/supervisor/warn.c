#include "sshd/supervisor/warn.h"

#include "base/log.h"

static unsigned part(uint64_t used, uint64_t limit)
{
    if (limit == 0)
        return 0;
    return used >= limit ? 100 : (unsigned)((__uint128_t)used * 100 / limit);
}

unsigned warn_percent(uint64_t used, uint64_t limit, uint64_t inodes, uint64_t inodes_limit)
{
    unsigned a = part(used, limit), b = part(inodes, inodes_limit);
    return a > b ? a : b;
}

static bool holds(unsigned mark, unsigned before, unsigned percent)
{
    return percent >= mark || (before >= mark && percent > mark - WARN_BACK);
}

unsigned warn_mark(unsigned before, unsigned percent)
{
    return holds(WARN_HIGH, before, percent) ? WARN_HIGH : holds(WARN_LOW, before, percent) ? WARN_LOW : 0;
}

void quota_warn(struct server *v, unsigned level, uint64_t used, uint64_t inodes)
{
    log_warn("quota.warn", "server=%s percent=%u used=%llu limit=%llu inodes=%llu inodes_limit=%llu mark=%u", v->name, v->full,
             (unsigned long long)used, (unsigned long long)v->disk_limit, (unsigned long long)inodes, (unsigned long long)v->inodes_limit, level);
}

void warn_look(struct server *v, uint64_t used, uint64_t inodes)
{
    v->full = warn_percent(used, v->disk_limit, inodes, v->inodes_limit);
    unsigned mark = warn_mark(v->warned, v->full), before = v->warned;
    v->warned = mark;
    if (mark > before)
        quota_warn(v, mark, used, inodes);
}

static void look_at_all(void *data)
{
    struct super *s = data;
    uint64_t inodes;
    loop_timer(s->loop, WARN_EVERY_MS, look_at_all, s);
    for (struct server *v = s->servers; v; v = v->next)
        if (v->disk == DISK_UP)
            server_disk_used(v, &inodes);
}

void warn_begin(struct super *s)
{
    loop_timer(s->loop, WARN_EVERY_MS, look_at_all, s);
}
