#include "sshd/supervisor/usage.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "sshd/supervisor/cgroup.h"
#include "sshd/supervisor/limits.h"

static const struct row {
    const char *name, *file, *word;
    unsigned per;       /* of the kernel's unit in ours */
    bool disk;          /* the word stands in the line of the server's disk */
} rows[] = {
    { "memory", "memory.current", "", 1, false },
    { "memory_peak", "memory.peak", "", 1, false },
    { "swap", "memory.swap.current", "", 1, false },
    { "memory_high_hits", "memory.events", "high", 1, false },
    { "oom_kills", "memory.events", "oom_kill", 1, false },
    { "cpu_ms", "cpu.stat", "usage_usec", 1000, false },
    { "cpu_throttled", "cpu.stat", "nr_throttled", 1, false },
    { "cpu_throttled_ms", "cpu.stat", "throttled_usec", 1000, false },
    { "pids", "pids.current", "", 1, false },
    { "pids_peak", "pids.peak", "", 1, false },
    { "pids_refused", "pids.events", "max", 1, false },
    { "io_read", "io.stat", "rbytes=", 1, true },
    { "io_written", "io.stat", "wbytes=", 1, true },
    { "io_reads", "io.stat", "rios=", 1, true },
    { "io_writes", "io.stat", "wios=", 1, true },
};

static bool number_at(const char *text, uint64_t *number)
{
    char *end;
    *number = strtoull(text, &end, 10);
    return end != text && *text >= '0' && *text <= '9';
}

/* The line that begins with WORD and a space: what follows these. */
static const char *behind(const char *text, const char *word)
{
    size_t len = strlen(word);
    for (const char *line = text; line && *line; line += strcspn(line, "\n"), line += *line == '\n')
        if (strncmp(line, word, len) == 0 && line[len] == ' ')
            return line + len + 1;
    return NULL;
}

bool usage_number(const char *text, const char *word, uint64_t *number)
{
    const char *at = word[0] ? behind(text, word) : text;
    return at && number_at(at, number);
}

bool usage_device(const char *text, unsigned major, unsigned minor, const char *word, uint64_t *number)
{
    char device[32];
    snprintf(device, sizeof device, "%u:%u", major, minor);
    const char *line = behind(text, device);
    FREE_MEM char *values = line ? mem_strn(line, strcspn(line, "\n")) : NULL;
    const char *at = values ? strstr(values, word) : NULL;
    return at && number_at(at + strlen(word), number);
}

static bool read_row(const struct server *v, const struct row *r, const struct limits_place *p, uint64_t *number)
{
    FREE_MEM char *text = cgroup_file(v, r->file);
    bool there = r->disk ? usage_device(text, p->disk.major, p->disk.minor, r->word, number) : usage_number(text, r->word, number);
    *number /= r->per;
    /* Nothing was read or written yet: then the device is not listed. */
    if (text && r->disk && !there)
        *number = 0;
    return there || (text && r->disk);
}

static uint64_t counted(const char *interface, const char *what)
{
    uint64_t number = 0;
    FREE_MEM char *path = mem_fmt("/sys/class/net/%s/statistics/%s", interface, what);
    FREE_MEM char *text = io_read_file(path, 64, NULL, NULL);
    return text && number_at(text, &number) ? number : 0;
}

/* The host's end sends what the server receives. */
void usage_net(const struct server *v, uint64_t *received, uint64_t *sent)
{
    struct server_net n;
    bool has = server_host_address(v) != 0 && server_net(v, &n);
    *received = has ? counted(n.interface, "tx_bytes") : 0;
    *sent = has ? counted(n.interface, "rx_bytes") : 0;
}

bool usage_value(const struct server *v, const char *name, uint64_t *number)
{
    struct limits_place place = cgroup_place(v);
    for (size_t i = 0; i < countof(rows); i++)
        if (strcmp(rows[i].name, name) == 0)
            return read_row(v, &rows[i], &place, number);
    return false;
}

/* A limit's file as one line of words. */
static void flatten(char *text)
{
    size_t n = strlen(text);
    while (n && (text[n - 1] == '\n' || text[n - 1] == ' '))
        text[--n] = '\0';
    for (; *text; text++)
        if (*text == '\n')
            *text = ',';
}

static void put_limit(const struct limit *l, char *text, bool json, struct buf *b)
{
    if (text)
        flatten(text);
    if (json)
        json_str(b, l->file, text);
    else if (text && text[0])
        buf_put_fmt(b, "limit %s %s\n", l->file, text);
}

void usage_put(const struct server *v, bool json, struct buf *b)
{
    struct limits_place place = cgroup_place(v);
    if (json)
        json_begin(b, "limits");
    for (size_t i = 0; i < limit_count; i++) {
        FREE_MEM char *text = cgroup_file(v, limit_rows[i].file);
        put_limit(&limit_rows[i], text, json, b);
    }
    if (json) {
        json_end(b);
        json_begin(b, "use");
    }
    for (size_t i = 0; i < countof(rows); i++) {
        uint64_t number = 0;
        bool there = read_row(v, &rows[i], &place, &number);
        if (json && there)
            json_u64(b, rows[i].name, number);
        else if (json)
            json_null(b, rows[i].name);
        else if (there)
            buf_put_fmt(b, "use %s %" PRIu64 "\n", rows[i].name, number);
    }
    if (json)
        json_end(b);
}
