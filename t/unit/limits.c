/* Limits as texts of control group files, and what the kernel's texts mean. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf_table.h"
#include "base/mem.h"
#include "sshd/supervisor/limits.h"
#include "sshd/supervisor/usage.h"

uint32_t server_host_address(const struct server *s) { (void)s; return 0; }
bool server_net(const struct server *s, struct server_net *n) { (void)s, (void)n; return false; }

static struct conf_server c;
static struct limits_place place;

char *cgroup_file(const struct server *v, const char *file) { (void)v, (void)file; return NULL; }
struct limits_place cgroup_place(const struct server *v) { (void)v; return place; }

static const struct conf_section *section(void)
{
    for (size_t i = 0; i < conf_nsections; i++)
        if (strcmp(conf_sections[i].word, "server") == 0)
            return &conf_sections[i];
    abort();
}

static void set(const char *key, const char *value)
{
    size_t n;
    struct err why = { 0 };
    const struct conf_option *o = section()->options(&n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(o[i].key, key) == 0) {
            cr_assert_eq(conf_types[o[i].type].parse(&o[i], (char *)&c + o[i].offset, value, &why), 0, "%s = %s: %s", key, value, why.text);
            return;
        }
    cr_assert_fail("no option %s", key);
}

static void begin(void)
{
    memset(&c, 0, sizeof c);
    conf_defaults(section(), &c);
    place = (struct limits_place){ .page = 4096, .disk = { 7, 3 } };
    conf_cpus("0-3", &place.cpus);
}

static void end(void)
{
    conf_section_free(section(), &c);
}

TestSuite(limits, .init = begin, .fini = end);

static const struct limit *row(const char *file)
{
    for (size_t i = 0; i < limit_count; i++)
        if (strcmp(limit_rows[i].file, file) == 0)
            return &limit_rows[i];
    cr_assert_fail("no row %s", file);
    return NULL;
}

static void is(const char *file, const char *want)
{
    FREE_MEM char *text = limit_text(row(file), &c, &place);
    cr_expect_str_eq(text, want, "%s: '%s', not '%s'", file, text, want);
}

Test(limits, defaults)
{
    static const struct { const char *file, *text; } all[] = {
        { "memory.low", "0" }, { "memory.high", "max" }, { "memory.max", "1073741824" }, { "memory.swap.max", "0" },
        { "memory.zswap.max", "0" }, { "memory.oom.group", "1" }, { "cpu.max", "100000 100000" }, { "cpu.max.burst", "0" },
        { "cpu.weight", "100" }, { "cpuset.cpus", "" }, { "pids.max", "512" },
        { "io.max", "7:3 rbps=max wbps=max riops=max wiops=max" }, { "io.weight", "default 100" }, { "io.bfq.weight", "default 100" },
    };
    cr_assert_eq(countof(all), limit_count);
    for (size_t i = 0; i < countof(all); i++) {
        cr_expect_str_eq(limit_rows[i].file, all[i].file, "the order of the rows");
        is(all[i].file, all[i].text);
    }
}

Test(limits, values)
{
    static const struct { const char *key, *value, *file, *text; } all[] = {
        { "memory", "96M", "memory.max", "100663296" },
        { "memory", "5000000", "memory.max", "4997120" },              /* whole pages */
        { "memory_high", "64M", "memory.high", "67108864" },
        { "memory_reservation", "1000000", "memory.low", "999424" },
        { "swap", "1G", "memory.swap.max", "1073741824" },
        { "swap", "1G", "memory.zswap.max", "1073741824" },
        { "cpu", "1%", "cpu.max", "1000 100000" },
        { "cpu", "250%", "cpu.max", "250000 100000" },
        { "cpu", "100000%", "cpu.max", "100000000 100000" },
        { "cpu_burst", "15ms", "cpu.max.burst", "15000" },
        { "cpu_weight", "10000", "cpu.weight", "10000" },
        { "cpuset", "6,0-1,2", "cpuset.cpus", "0-2,6" },
        { "pids", "3", "pids.max", "3" },
        { "io_read", "8M", "io.max", "7:3 rbps=8388608 wbps=max riops=max wiops=max" },
        { "io_write", "1", "io.max", "7:3 rbps=8388608 wbps=1 riops=max wiops=max" },
        { "io_read_ops", "50", "io.max", "7:3 rbps=8388608 wbps=1 riops=50 wiops=max" },
        { "io_write_ops", "1000000000", "io.max", "7:3 rbps=8388608 wbps=1 riops=50 wiops=1000000000" },
        { "io_weight", "1", "io.weight", "default 1" },
        { "io_weight", "10000", "io.weight", "default 10000" },
        { "io_weight", "1", "io.bfq.weight", "default 1" },
        { "io_weight", "10000", "io.bfq.weight", "default 1000" },
        { "io_weight", "1090", "io.bfq.weight", "default 190" },
    };
    for (size_t i = 0; i < countof(all); i++) {
        set(all[i].key, all[i].value);
        is(all[i].file, all[i].text);
    }
}

Test(limits, what_must_be_held)
{
    static const char *const always[] = { "memory.max", "memory.oom.group", "cpu.max", "cpu.weight", "pids.max" };
    static const struct { const char *file, *key, *value; } asked[] = {
        { "memory.low", "memory_reservation", "1M" }, { "memory.high", "memory_high", "1M" }, { "cpu.max.burst", "cpu_burst", "1ms" },
        { "cpuset.cpus", "cpuset", "0" }, { "io.max", "io_write_ops", "1" },
    };
    for (size_t i = 0; i < countof(always); i++)
        cr_expect(limit_needed(row(always[i]), &c, &place), "%s", always[i]);
    for (size_t i = 0; i < countof(asked); i++) {
        cr_expect_not(limit_needed(row(asked[i].file), &c, &place), "%s unasked", asked[i].file);
        set(asked[i].key, asked[i].value);
        cr_expect(limit_needed(row(asked[i].file), &c, &place), "%s asked", asked[i].file);
    }
    cr_expect_not(limit_needed(row("memory.swap.max"), &c, &place), "a machine without swap needs no limit of it");
    place.swap = true;
    cr_expect(limit_needed(row("memory.swap.max"), &c, &place));
    set("io_weight", "5");
    cr_expect_not(limit_needed(row("io.weight"), &c, &place));
}

Test(limits, what_the_kernel_would_not_refuse)
{
    char why[200] = "";
    for (size_t i = 0; i < limit_count; i++)
        cr_expect(limit_possible(&limit_rows[i], &c, &place, why, sizeof why), "%s: %s", limit_rows[i].file, why);
    set("cpuset", "2-5,9");
    cr_expect_not(limit_possible(row("cpuset.cpus"), &c, &place, why, sizeof why));
    cr_expect_str_eq(why, "this machine has no processor 4-5,9; allowed: 0-3");
    set("cpuset", "3");
    cr_expect(limit_possible(row("cpuset.cpus"), &c, &place, why, sizeof why));
    place.disk.major = 0;
    cr_expect(limit_possible(row("io.max"), &c, &place, why, sizeof why), "nothing asked of no device");
    is("io.max", "");
    set("io_read", "1M");
    cr_expect_not(limit_possible(row("io.max"), &c, &place, why, sizeof why));
}

Test(limits, in_force)
{
    static const struct { const char *file, *text, *content; bool yes; } all[] = {
        { "memory.max", "4096", "4096\n", true },
        { "memory.max", "4096", "40960\n", false },
        { "memory.max", "40960", "4096\n", false },
        { "memory.high", "max", "max\n", true },
        { "cpu.max", "50000 100000", "50000 100000\n", true },
        { "cpu.max", "50000 100000", "max 100000\n", false },
        { "cpuset.cpus", "", "\n", true },
        { "cpuset.cpus", "", "", true },
        { "cpuset.cpus", "", "0-1\n", false },
        { "cpuset.cpus", "0-1", "\n", false },
        { "cpuset.cpus", "", "0-3\n", true },
        { "io.weight", "default 100", "default 100\n7:3 50\n", true },
        { "io.weight", "default 10", "default 100\n", false },
        { "io.max", "", "8:0 rbps=1 wbps=max riops=max wiops=max\n", true },
        { "io.max", "7:3 rbps=max wbps=max riops=max wiops=max", "", true },
        { "io.max", "7:3 rbps=max wbps=max riops=max wiops=max", "7:30 rbps=1 wbps=max riops=max wiops=max\n", true },
        { "io.max", "7:3 rbps=max wbps=max riops=max wiops=max", "7:3 rbps=1 wbps=max riops=max wiops=max\n", false },
        { "io.max", "7:3 rbps=max wbps=5 riops=max wiops=max", "", false },
        { "io.max", "7:3 rbps=max wbps=max riops=max wiops=7", "", false },
        { "io.max", "7:3 rbps=1 wbps=max riops=max wiops=max", "8:0 rbps=9 wbps=max riops=max wiops=max\n7:3 rbps=1 wbps=max riops=max wiops=max\n", true },
        { "io.max", "7:3 rbps=1 wbps=max riops=max wiops=max", "7:3 rbps=12 wbps=max riops=max wiops=max\n", false },
    };
    for (size_t i = 0; i < countof(all); i++)
        cr_expect_eq(limit_in_force(row(all[i].file), all[i].text, all[i].content, &place), all[i].yes, "%s: '%s' in '%s'", all[i].file, all[i].text,
                     all[i].content);
}

Test(limits, lines)
{
    FREE_MEM char *all = limit_line(row("cpuset.cpus"), "", &place), *some = limit_line(row("cpuset.cpus"), "0-1", &place);
    FREE_MEM char *pids = limit_line(row("pids.max"), "7", &place);
    cr_expect_str_eq(all, "0-3\n", "a group with processes cannot have an empty set");
    cr_expect_str_eq(some, "0-1\n");
    cr_expect_str_eq(pids, "7\n");
}

Test(limits, numbers_of_use)
{
    static const char events[] = "low 0\nhigh 12\nmax 3\noom 1\noom_kill 7\noom_group_kill 2\n";
    static const char io[] = "7:30 rbytes=9 wbytes=9\n7:3 rbytes=4096 wbytes=18446744073709551615 rios=1 wios=2\n259:0 rbytes=5\n7:4 \n";
    uint64_t n;
    cr_expect(usage_number(events, "oom_kill", &n) && n == 7);
    cr_expect(usage_number(events, "oom", &n) && n == 1);
    cr_expect_not(usage_number(events, "oom_", &n));
    cr_expect_not(usage_number(NULL, "oom", &n));
    cr_expect(usage_number("8192\n", "", &n) && n == 8192);
    cr_expect_not(usage_number("max\n", "", &n));
    cr_expect_not(usage_number("-1\n", "", &n));
    cr_expect(usage_device(io, 7, 3, "rbytes=", &n) && n == 4096);
    cr_expect(usage_device(io, 7, 3, "wbytes=", &n) && n == UINT64_MAX);
    cr_expect_not(usage_device(io, 259, 0, "wbytes=", &n), "that of the next line is not its own");
    cr_expect_not(usage_device(io, 7, 4, "rbytes=", &n));
    cr_expect_not(usage_device(io, 7, 5, "rbytes=", &n));
    cr_expect_not(usage_device(NULL, 7, 5, "rbytes=", &n));
}
