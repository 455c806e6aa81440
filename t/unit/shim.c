/* The shim's pure parts, each against a plain model of it. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/shim/match.h"
#include "sandbox/shim/ring.h"

static unsigned long seed;

static unsigned long any(unsigned long below)
{
    seed = seed * 6364136223846793005UL + 1442695040888963407UL;
    return (seed >> 33) % below;
}

/* All that was ever written; what the ring holds must be its tail. */
static void check_ring(const struct ring *r, const char *all, size_t len)
{
    uint64_t lines = 0, behind = 0, at = any(r->head - r->start + 1) + r->start;
    const uint8_t *p;
    cr_assert_eq(r->head, len);
    for (uint64_t i = r->start; i < r->head;) {
        size_t n = ring_peek(r, i, 1000, &p);
        cr_assert(n > 0 && memcmp(p, all + i, n) == 0);
        i += n;
    }
    for (size_t i = 0; i < len; i++) {
        lines += all[i] == '\n';
        behind += i >= at && all[i] == '\n';
    }
    cr_assert(r->lines == lines && ring_lines_from(r, at) == behind);
    const char *end = memchr(all + at, '\n', len - at);
    cr_assert_eq(ring_line_from(r, at), end ? (uint64_t)(end - all) + 1 : at);
    uint64_t n = any(20), start = r->head;
    for (uint64_t left = n; start > r->start; start--)
        if (all[start - 1] == '\n' && left-- == 0)
            break;
    cr_assert_eq(ring_last_lines(r, n), start);
}

Test(shim_ring, holds_the_tail)
{
    enum { ALL = 200000 };
    static char all[ALL];
    for (seed = 1; seed < 20; seed++) {
        unsigned long keep = seed;
        struct ring r = RING(16384);
        size_t len = 0;
        while (len < ALL) {
            size_t n = any(3) == 0 ? any(40000) : any(300);
            n = n < ALL - len ? n : ALL - len;
            for (size_t i = 0; i < n; i++)
                all[len + i] = any(30) == 0 ? '\n' : (char)('a' + any(26));
            ring_put(&r, all + len, n);
            len += n;
            cr_assert(r.head - r.start >= (len < 8192 ? len : 8192) && r.cap <= 32768);
            if (any(10) == 0)
                ring_limit(&r, any(2) ? 32768 : 16384);
            if (any(5) == 0)
                check_ring(&r, all, len);
        }
        ring_free(&r);
        seed = keep;
    }
}

Test(shim_ring, starts_small)
{
    struct ring r = RING(262144);
    cr_assert_null(r.p);
    ring_put(&r, "x", 1);
    cr_assert_eq(r.cap, 4096);
    ring_free(&r);
}

static bool found(const char *needle, const char *text, size_t piece)
{
    struct needle n;
    struct match m = { 0 };
    bool yes = false;
    needle_init(&n, needle);
    for (size_t at = 0, len = strlen(text); at < len && !yes; at += piece)
        yes = match_add(&m, &n, (const uint8_t *)text + at, len - at < piece ? len - at : piece);
    needle_free(&n);
    return yes;
}

Test(shim_match, sequences)
{
    static const struct { const char *needle, *text; bool want; } cases[] = {
        { "Done (", "[12:00:00] Done (3.2s)!", true },
        { "Done (", "D\033[1mon\033[0;32me\033[m (", true },
        { "Done (", "Do\033]0;Done (\007ne (", true },
        { "Done (", "\033]0;Done (\033\\x", false },
        { "Done (", "\033]0;open\nDone (", true },
        { "Done (", "Don\ne (", false },
        { "Done (", "Do\r\003ne (", true },
        { "Done (", "D\033(Bone (", true },
        { "Done (", "\033[31Done (", false },      /* the D ends the sequence */
        { "one (", "\033[31Done (", true },
        { "Done", "\033[31Done", false },
        { "aab", "aaaab", true },
        { "abab\tc", "ababab\tc", true },
        { "ready", "read", false },
        { "\303\274ber", "\303\274ber", true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t piece = 1; piece < 8; piece++)
            cr_assert_eq(found(cases[i].needle, cases[i].text, piece), cases[i].want, "case %zu piece %zu", i, piece);
}

Test(shim_match, as_strstr_does)
{
    for (seed = 7; seed < 5000; seed += 3) {
        unsigned long keep = seed;
        char needle[8], text[64];
        size_t n = 1 + any(5), len = any(60);
        for (size_t i = 0; i < n; i++)
            needle[i] = (char)('a' + any(2));
        for (size_t i = 0; i < len; i++)
            text[i] = (char)('a' + any(2));
        needle[n] = text[len] = '\0';
        cr_assert_eq(found(needle, text, 1 + any(9)), strstr(text, needle) != NULL, "%s in %s", needle, text);
        seed = keep;
    }
}
