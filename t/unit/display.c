/* What may reach a person's terminal of what a server writes. */
#include <criterion/criterion.h>
#include <string.h>

#include "sshd/session/display.h"

/* SHOWN, whole and in pieces of every size. */
static void shows(const char *in, size_t size, const char *want)
{
    for (size_t piece = 1; piece <= size; piece++) {
        struct display d = { 0 };
        uint8_t out[8192];
        size_t n = 0;
        for (size_t at = 0; at < size; at += piece) {
            size_t now = size - at < piece ? size - at : piece, before = n;
            n += display(&d, (const uint8_t *)in + at, now, out + n);
            cr_assert(n - before <= now + DISPLAY_HELD);
        }
        cr_assert(n == strlen(want) && memcmp(out, want, n) == 0, "pieces of %zu: '%.*s', not '%s'", piece, (int)n, (char *)out, want);
    }
}

#define SHOWS(in, want) shows(in, sizeof in - 1, want)

Test(display, text_passes)
{
    SHOWS("plain\ttext\r\n\bx\a", "plain\ttext\r\n\bx\a");
    SHOWS("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8e\xae", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8e\xae");
}

Test(display, colours_pass)
{
    SHOWS("\033[1;31mred\033[0m\033[m\033[38;2;1;2;3m\033[4:3mx\033[K", "\033[1;31mred\033[0m\033[m\033[38;2;1;2;3m\033[4:3mx\033[K");
}

Test(display, what_drives_a_terminal_vanishes)
{
    SHOWS("a\033]0;title\ab", "ab");
    SHOWS("a\033]52;c;ZXZpbA==\033\\b", "ab");
    SHOWS("a\033P$q\"p\033\\b", "ab");
    SHOWS("a\033_app\033\\\033^pm\033\\\033Xsos\033\\b", "ab");
    SHOWS("a\033[c\033[>c\033[6n\033[5n\033[?1049h\033[2J\033[10;10H\033[21t\033[?1000h\033[>4;1m\033[1 qb", "ab");
    SHOWS("a\033c\033Z\033#8\033(0\033=\0337b", "ab");
    SHOWS("a\005\016\017\001\000\177b", "ab");
    SHOWS("a\033[31\033[32mb", "a\033[32mb");
}

Test(display, c1_controls_vanish)
{
    SHOWS("a\xc2\x9b" "31mb", "a31mb");
    SHOWS("a\xc2\x9d" "0;x\ab", "a0;x\ab");
    SHOWS("a\x9b" "c\x90", "a?c?");
    SHOWS("a\xc2\xa0z", "a\xc2\xa0z");
}

Test(display, what_is_no_utf8_is_marked)
{
    SHOWS("\xc0\xaf \xe0\x80\x80 \xed\xa0\x80 \xf4\x90\x80\x80 \xc3(", "?? ??? ??? ???? ?(");
    SHOWS("\xe2\x82\033[31mx", "?\033[31mx");
}

Test(display, a_string_without_end_hides_one_line)
{
    SHOWS("a\033]0;never\nb\033Pnor this\nc", "a\nb\nc");
    SHOWS("a\033]0;x\033[31mred", "a\033[31mred");
    SHOWS("a\033]0;x\030b", "ab");
}

Test(display, an_endless_sequence_is_not_kept)
{
    struct display d = { 0 };
    uint8_t out[4096 + DISPLAY_HELD], in[4096];
    memset(in, '1', sizeof in);
    memcpy(in, "\033[", 2);
    cr_assert(display(&d, in, sizeof in, out) == 0);
    cr_assert(display(&d, (const uint8_t *)"mx", 2, out) == 1 && out[0] == 'x');
}
