#include "sshd/supervisor/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { PERIOD_US = 100000 };

#define FIELD(type, c) (*(const type *)(const void *)((const char *)(c) + l->field))
#define PUT(name) \
    static void name(const struct limit *l UNUSED, const struct conf_server *c UNUSED, const struct limits_place *p UNUSED, struct buf *b)

PUT(put_bytes)
{
    uint64_t v = FIELD(uint64_t, c);
    buf_put_fmt(b, "%" PRIu64, v - v % p->page);
}

PUT(put_bytes_or_max)
{
    if (FIELD(uint64_t, c) == 0)
        buf_put_fmt(b, "max");
    else
        put_bytes(l, c, p, b);
}

PUT(put_number)
{
    buf_put_fmt(b, "%u", FIELD(uint32_t, c));
}

PUT(put_one)
{
    buf_put_fmt(b, "1");
}

PUT(put_quota)
{
    buf_put_fmt(b, "%" PRIu64 " %d", (uint64_t)FIELD(uint32_t, c) * PERIOD_US / 100, PERIOD_US);
}

PUT(put_microseconds)
{
    buf_put_fmt(b, "%" PRIu64, FIELD(uint64_t, c) * 1000);
}

PUT(put_cpus)
{
    struct conf_cpus set;
    if (conf_cpus(FIELD(char *const, c), &set) < 0)
        return;
    FREE_MEM char *text = conf_cpus_text(&set);
    buf_put_fmt(b, "%s", text);
}

PUT(put_weight)
{
    buf_put_fmt(b, "default %u", FIELD(uint32_t, c));
}

/* Another scale, 1 to 1000, with the same middle. */
PUT(put_bfq_weight)
{
    uint32_t v = FIELD(uint32_t, c);
    buf_put_fmt(b, "default %u", v <= 100 ? v : 100 + (v - 100) * 900 / 9900);
}

static void put_rate(struct buf *b, const char *word, uint64_t rate)
{
    if (rate)
        buf_put_fmt(b, " %s=%" PRIu64, word, rate);
    else
        buf_put_fmt(b, " %s=max", word);
}

PUT(put_rates)
{
    if (p->disk.major == 0)
        return;
    buf_put_fmt(b, "%u:%u", p->disk.major, p->disk.minor);
    put_rate(b, "rbps", c->io_read);
    put_rate(b, "wbps", c->io_write);
    put_rate(b, "riops", c->io_read_ops);
    put_rate(b, "wiops", c->io_write_ops);
}

#define F(name) .field = offsetof(struct conf_server, name)
const struct limit limit_rows[] = {
    { "memory_reservation", "memory.low", "memory", NEED_ASKED, "0", put_bytes, F(memory_reservation) },
    /* The lower one first: what is over it is reclaimed before anything is killed for the upper. */
    { "memory_high", "memory.high", "memory", NEED_ASKED, "max", put_bytes_or_max, F(memory_high) },
    { "memory", "memory.max", "memory", NEED_ALWAYS, "max", put_bytes, F(memory) },
    { "swap", "memory.swap.max", "memory", NEED_SWAP, "max", put_bytes, F(swap) },
    { "swap", "memory.zswap.max", "memory", NEED_NEVER, "max", put_bytes, F(swap) },
    /* A server that lost one process to this is no server any more. */
    { NULL, "memory.oom.group", "memory", NEED_ALWAYS, "0", put_one, 0 },
    { "cpu", "cpu.max", "cpu", NEED_ALWAYS, "max 100000", put_quota, F(cpu) },
    { "cpu_burst", "cpu.max.burst", "cpu", NEED_ASKED, "0", put_microseconds, F(cpu_burst) },
    { "cpu_weight", "cpu.weight", "cpu", NEED_ALWAYS, "100", put_number, F(cpu_weight) },
    { "cpuset", "cpuset.cpus", "cpuset", NEED_ASKED, "", put_cpus, F(cpuset) },
    { "pids", "pids.max", "pids", NEED_ALWAYS, "max", put_number, F(pids) },
    { "io_read, io_write, io_read_ops, io_write_ops", "io.max", "io", NEED_ASKED, "", put_rates, 0 },
    /* Which of the two there is depends on the kernel, and whether it does anything on the disk's scheduler. */
    { "io_weight", "io.weight", "io", NEED_NEVER, "default 100", put_weight, F(io_weight) },
    { "io_weight", "io.bfq.weight", "io", NEED_NEVER, "default 100", put_bfq_weight, F(io_weight) },
};
const size_t limit_count = countof(limit_rows);

char *limit_text(const struct limit *l, const struct conf_server *c, const struct limits_place *p)
{
    BUF_FREE struct buf b = BUF(65536);
    l->put(l, c, p, &b);
    return mem_strn(buf_size(&b) ? (const char *)buf_head(&b) : "", buf_size(&b));
}

static bool any_rate(const struct conf_server *c)
{
    return c->io_read || c->io_write || c->io_read_ops || c->io_write_ops;
}

bool limit_asked(const struct limit *l, const struct conf_server *c, const struct limits_place *p)
{
    /* Rates that are none still name their disk. */
    if (l->put == put_rates)
        return any_rate(c);
    FREE_MEM char *text = limit_text(l, c, p);
    return strcmp(text, l->none) != 0;
}

bool limit_needed(const struct limit *l, const struct conf_server *c, const struct limits_place *p)
{
    switch (l->need) {
    case NEED_ALWAYS: return true;
    case NEED_ASKED: return limit_asked(l, c, p);
    case NEED_SWAP: return p->swap;
    case NEED_NEVER: break;
    }
    return false;
}

/* Of processors that are not there the kernel would make: all of them. */
static bool cpus_possible(const struct conf_server *c, const struct limits_place *p, char *why, size_t size)
{
    struct conf_cpus wanted, rest;
    if (conf_cpus(c->cpuset, &wanted) < 0 || !conf_cpus_without(&wanted, &p->cpus, &rest))
        return true;
    FREE_MEM char *there = conf_cpus_text(&p->cpus), *missing = conf_cpus_text(&rest);
    snprintf(why, size, "this machine has no processor %.60s; allowed: %.60s", missing, there);
    return false;
}

bool limit_possible(const struct limit *l, const struct conf_server *c, const struct limits_place *p, char *why, size_t size)
{
    if (l->put == put_cpus)
        return cpus_possible(c, p, why, size);
    if (l->put == put_rates && any_rate(c) && p->disk.major == 0) {
        snprintf(why, size, "its files are on no block device");
        return false;
    }
    return true;
}

/* One of CONTENT's lines that begins with the first LEN bytes of TEXT; its length in *SIZE. */
static const char *line_of(const char *content, const char *text, size_t len, size_t *size)
{
    for (const char *line = content; *line; line += *size + (line[*size] == '\n')) {
        *size = strcspn(line, "\n");
        if (*size >= len && memcmp(line, text, len) == 0)
            return line;
    }
    return NULL;
}

/* The kernel lists a device while it has a limit. */
static bool rates_in_force(const char *text, const char *content)
{
    size_t size, device = strcspn(text, " ");
    const char *line = line_of(content, text, device + 1, &size);
    if (line)
        return size == strlen(text) && memcmp(line, text, size) == 0;
    for (text += device; *text; text += strcspn(text, "=") + 4)
        if (strncmp(text + strcspn(text, "="), "=max", 4) != 0)
            return false;
    return true;
}

/* A group with processes in it cannot be told to have no set of processors any more, only to have all. */
char *limit_line(const struct limit *l, const char *text, const struct limits_place *p)
{
    FREE_MEM char *all = l->put == put_cpus && text[0] == '\0' ? conf_cpus_text(&p->cpus) : NULL;
    return mem_fmt("%s\n", all ? all : text);
}

bool limit_in_force(const struct limit *l, const char *text, const char *content, const struct limits_place *p)
{
    size_t size, len = strlen(text);
    if (l->put == put_rates)
        return len == 0 || rates_in_force(text, content);
    if (len == 0) {
        FREE_MEM char *lifted = limit_line(l, text, p);
        return content[0] == '\0' || content[0] == '\n' || strcmp(content, lifted) == 0;
    }
    const char *line = line_of(content, text, len, &size);
    return line && size == len;
}
