/* Lines, names and patterns of scp, which strangers choose. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sshd/session/scp.h"

static const char *line(const char *text, struct scp_line *l)
{
    return scp_line((const uint8_t *)text, strlen(text), l);
}

Test(scp, good_lines)
{
    struct scp_line l;
    cr_assert_null(line("C0644 123 a name", &l));
    cr_assert_eq(l.kind, 'C');
    cr_assert_eq(l.mode, 0644);
    cr_assert_eq(l.size, 123);
    cr_assert_eq(l.name_size, 6);
    cr_assert_arr_eq(l.name, "a name", 6);
    cr_assert_null(line("D7777 0 d", &l));
    cr_assert_eq(l.mode, 07777);
    cr_assert_null(line("C0000 9223372036854775807  ", &l));
    cr_assert_eq(l.size, INT64_MAX);
    cr_assert_eq(l.name_size, 1);
    cr_assert_null(line("T1234567890 0 9223372036854775807 999999", &l));
    cr_assert_eq(l.mtime, 1234567890);
    cr_assert_eq(l.atime, INT64_MAX);
    cr_assert_null(line("E", &l));
}

Test(scp, bad_lines)
{
    static const char *const bad[] = {
        "", "X", "c0644 1 a", "C", "C064", "C0644", "C0844 1 a", "C00644 1 a", "C-644 1 a", "C0644  1 a", "C0644 -1 a", "C0644 +1 a", "C0644 a",
        "C0644 1", "C0644 1a b", "C0644 9223372036854775808 a", "C0644 18446744073709551617 a", "C0644 99999999999999999999999999 a",
        "C0644 0x10 a", "C0644\t1 a", "T", "T1", "T1 0", "T1 0 1", "T1 0 1 0 ", "T1 0 1 0 0", "T-1 0 1 0", "T1 -1 1 0", "T1 1000000 1 0",
        "T1 0 1 1000000", "T9223372036854775808 0 1 0", "T 1 0 1 0", "E ", "EE", " C0644 1 a", "scp: no such file", "\xff",
    };
    struct scp_line l;
    for (size_t i = 0; i < countof(bad); i++)
        cr_expect_not_null(line(bad[i], &l), "%s", bad[i]);
    cr_expect_not_null(scp_line((const uint8_t *)"C06\0" "4 1 a", 9, &l));
    cr_expect_not_null(scp_line((const uint8_t *)"\0", 1, &l));
}

/* In memory of their own size, so that a checker sees a byte too far. */
static void one_line(unsigned *seed)
{
    static const char letters[] = "CDET0123456789  -/.\n\\*\xff";
    size_t size = (size_t)rand_r(seed) % 40;
    uint8_t *bytes = malloc(size ? size : 1);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)letters[(size_t)rand_r(seed) % sizeof letters];
    if (size > 12 && rand_r(seed) % 2)
        memcpy(bytes, rand_r(seed) % 2 ? "C0644 1234 " : "T1 0 1 99999", (size_t)rand_r(seed) % 12);
    struct scp_line l;
    const char *why = scp_line(bytes, size, &l);
    if (why == NULL && (l.kind == 'C' || l.kind == 'D')) {
        cr_assert(l.mode <= 07777 && l.size <= INT64_MAX);
        cr_assert(l.name >= bytes && l.name + l.name_size == bytes + size);
        if (scp_name_why(l.name, l.name_size) == NULL)
            cr_assert(memchr(l.name, '/', l.name_size) == NULL && memchr(l.name, 0, l.name_size) == NULL && l.name_size > 0);
    }
    free(bytes);
}

Test(scp, any_line)
{
    unsigned seed = 1;
    for (int i = 0; i < 300000; i++)
        one_line(&seed);
}

Test(scp, names)
{
    char longest[SCP_NAME_MOST + 1];
    memset(longest, 'a', sizeof longest);
    static const struct { const char *name; size_t size; bool good; } names[] = {
        { "a", 1, true }, { "...", 3, true }, { ".a", 2, true }, { "-rf", 3, true }, { " ", 1, true }, { "\xff\xfe", 2, true }, { "a\\^Jb", 5, true },
        { "", 0, false }, { ".", 1, false }, { "..", 2, false }, { "/", 1, false }, { "a/b", 3, false }, { "../a", 4, false }, { "a\0b", 3, false },
        { "\0", 1, false },
    };
    for (size_t i = 0; i < countof(names); i++)
        cr_expect_eq(scp_name_why((const uint8_t *)names[i].name, names[i].size) == NULL, names[i].good, "%s", names[i].name);
    cr_expect_null(scp_name_why((const uint8_t *)longest, SCP_NAME_MOST));
    cr_expect_not_null(scp_name_why((const uint8_t *)longest, sizeof longest));
}

Test(scp, patterns)
{
    static const struct { const char *pattern, *name; bool fits; } rows[] = {
        { "a", "a", true }, { "a", "b", false }, { "a", "ab", false }, { "ab", "a", false }, { "*", "a", true }, { "*", "", true },
        { "?", "a", true }, { "?", "", false }, { "?", "ab", false }, { "a*b", "ab", true }, { "a*b", "axxb", true }, { "a*b", "axxbc", false },
        { "*a*b*", "xxaxxbxx", true }, { "*.txt", "a.txt", true }, { "*.txt", "a.txt2", false }, { "**", "x", true }, { "*?", "x", true },
        { "*?*?", "x", false }, { "[abc]", "b", true }, { "[abc]", "d", false }, { "[a-c]x", "bx", true }, { "[!a-c]", "d", true },
        { "[^a-c]", "b", false }, { "[]]", "]", true }, { "[!]]", "]", false }, { "[!]]", "a", true }, { "[a-]", "-", true }, { "[a", "[a", true },
        { "[", "[", true }, { "x[", "x[", true }, { "\\*", "*", true }, { "\\*", "a", false }, { "\\[a\\]", "[a]", true }, { "[\\]]", "]", true },
        { "[\\!a]", "!", true }, { "[a\\-c]", "-", true }, { "[a\\-c]", "b", false }, { "\\", "\\", true }, { "*", ".a", false }, { "?a", ".a", false },
        { "[.]a", ".a", false }, { ".*", ".a", true }, { "\\.a", ".a", true }, { "a*", "a.b", true }, { "[\x80-\xff]", "\xc3", true },
        { "*[", "ab[", true }, { "[a-c-e]", "-", true }, { "\xff*", "\xff\xfe", true },
    };
    for (size_t i = 0; i < countof(rows); i++)
        cr_expect_eq(scp_glob_match(rows[i].pattern, strlen(rows[i].pattern), rows[i].name), rows[i].fits, "%s %s", rows[i].pattern,
                     rows[i].name);
}

/* What makes other matchers try every way of dividing the name. */
Test(scp, many_stars_end, .timeout = 10)
{
    char pattern[4096], name[SCP_NAME_MOST + 1];
    memset(name, 'a', SCP_NAME_MOST);
    name[SCP_NAME_MOST] = '\0';
    for (size_t i = 0; i + 1 < sizeof pattern; i += 2)
        memcpy(pattern + i, "*a", 2);
    for (int i = 0; i < 1000; i++) {
        cr_assert_not(scp_glob_match(pattern, sizeof pattern, name));
        cr_assert_not(scp_glob_match("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", 32, name));
    }
}

Test(scp, any_pattern)
{
    static const char letters[] = "ab*?[]!^-\\.";
    unsigned seed = 2;
    for (int i = 0; i < 300000; i++) {
        size_t size = (size_t)rand_r(&seed) % 12;
        char *pattern = malloc(size ? size : 1), name[8] = "";
        for (size_t k = 0; k < size; k++)
            pattern[k] = letters[(size_t)rand_r(&seed) % (sizeof letters - 1)];
        for (size_t k = 0; k < (size_t)i % sizeof name; k++)
            name[k] = "ab.-]"[(size_t)rand_r(&seed) % 5];
        name[sizeof name - 1] = '\0';
        bool fits = scp_glob_match(pattern, size, name);
        FREE_MEM char *plain = scp_glob_plain(pattern, size);
        if (!scp_glob_is(pattern, size))
            cr_assert_eq(fits, strcmp(plain, name) == 0, "%.*s %s", (int)size, pattern, name);
        free(pattern);
    }
}
