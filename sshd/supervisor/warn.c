#include "sshd/supervisor/warn.h"

#include "base/log.h"
#include "sshd/supervisor/news.h"

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
    static const unsigned marks[] = { WARN_FULL, WARN_HIGH, WARN_LOW };
    for (size_t i = 0; i < countof(marks); i++)
        if (holds(marks[i], before, percent))
            return marks[i];
    return 0;
}

static void tell(struct server *v, uint64_t used, uint64_t limit, const char *what)
{
    if (v->full >= WARN_FULL)
        news_put(v->super, NEWS_QUOTA, v->name, "", "its disk is full: %llu of %llu %s", (unsigned long long)used, (unsigned long long)limit, what);
    else
        news_put(v->super, NEWS_QUOTA, v->name, "", "its disk is %u%% full: %llu of %llu %s", v->full, (unsigned long long)used,
                 (unsigned long long)limit, what);
}

void quota_warn(struct server *v, unsigned level, uint64_t used, uint64_t inodes)
{
    log_warn("quota.warn", "server=%s percent=%u used=%llu limit=%llu inodes=%llu inodes_limit=%llu mark=%u", v->name, v->full,
             (unsigned long long)used, (unsigned long long)v->disk_limit, (unsigned long long)inodes, (unsigned long long)v->inodes_limit, level);
    if (part(used, v->disk_limit) >= part(inodes, v->inodes_limit))
        tell(v, used, v->disk_limit, "bytes");
    else
        tell(v, inodes, v->inodes_limit, "files");
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
