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

/* What programs have tried on those who look at their output, and what is left of it. */
#define ATTACK(in, left) { in, sizeof in - 1, left }
static const struct { const char *in; size_t size; const char *left; } attacks[] = {
    /* titles, and having them typed back */
    ATTACK("\033]0;t\a.", "."), ATTACK("\033]2;t\033\\.", "."), ATTACK("\033]1;t\x9c.\n.", "\n."), ATTACK("\033]l;t\033\\\033[21t.", "."), ATTACK("\033[20t\033[22;0t.", "."),
    ATTACK("\033k" "screen's title\033\\.", "screen's title."),
    /* clipboard, palette, notifications, files, hyperlinks, the shell's marks */
    ATTACK("\033]52;c;?\a.", "."), ATTACK("\033]52;p;ZXZpbA==\033\\.", "."), ATTACK("\033]4;1;?\a\033]10;?\a\033]11;?\033\\.", "."),
    ATTACK("\033]50;#3\a\033]777;notify;x;y\a\033]9;x\a.", "."), ATTACK("\033]1337;File=name=eA==;inline=1:ZXZpbA==\a.", "."),
    ATTACK("\033]8;;http://evil/\033\\good\033]8;;\033\\", "good"), ATTACK("\033]133;C\a\033]7;file:///etc\a.", "."),
    /* questions that a terminal answers as if it were typed */
    ATTACK("\033[c\033[0c\033[>c\033[=c.", "."), ATTACK("\033[5n\033[6n\033[?6n\033[?15n.", "."), ATTACK("\033Z\005.", "."), ATTACK("\033[x\033[1x.", "."),
    ATTACK("\033P$qm\033\\\033P+q544e\033\\.", "."), ATTACK("\033[?1$p\033[4$p.", "."), ATTACK("\033[13t\033[14t\033[18t\033[19t.", "."),
    ATTACK("\033[?u\033[>q\033[>0q\033[?4m.", "."), ATTACK("\033[1*y\033[*x.", "."),
    /* keys that mean something else from now on, macros, bracketed paste and its end, the mouse, focus */
    ATTACK("\033P1;1|17/6576696c\033\\.", "."), ATTACK("\033P0;0;0!zevil\033\\\033[1*z.", "."), ATTACK("\033[?2004h\033[200~x\033[201~.", "x."),
    ATTACK("\033[?1000h\033[?1006h\033[?1004h.", "."), ATTACK("\033=\033>\033[?1h.", "."),
    /* graphics and printers, the other strings */
    ATTACK("\033Pq#0;2;0;0;0#0~~@@vv\033\\.", "."), ATTACK("\033_Ga=T,f=24;AAAA\033\\.", "."), ATTACK("\033^private\033\\\033Xstart\033\\.", "."),
    ATTACK("\033[5i\033[4i\033[?5i.", "."),
    /* earlier lines: another text where they were, out of sight, another screen */
    ATTACK("real\n\033[Afake", "real\nfake"), ATTACK("\033[1;1H\033[2J\033[3Jx", "x"), ATTACK("\033M\033D\033E\033[S\033[T\033[5Fx", "x"), ATTACK("\033[2K\033[1Kx", "\033[2K\033[1Kx"),
    ATTACK("\033[L\033[M\033[P\033[@\033[X\033[10G\033[10dx", "x"), ATTACK("\033[?1049h\033[?47h\033[?25l\033[2;3rx", "x"), ATTACK("\033[s\033[u\0337\0338x", "x"),
    ATTACK("\013\014x", "x"), ATTACK("\033#8\033[?3h\033c\033[!px", "x"), ATTACK("\033[8;1;1t\033[2t\033[3;0;0tx", "x"), ATTACK("\033[9999999999bx", "x"),
    /* other characters than those that are read */
    ATTACK("\016qqq\017\033(0\033)A\033*B\033%G\033%@\033nx", "qqqx"), ATTACK("a\xe2\x80\xae" "b\xe2\x80\xac\xe2\x81\xa7" "c\xe2\x81\xa9", "abc"),
    ATTACK("\xe2\x80\xa9\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa", "\xe2\x80\xa9\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa"), ATTACK("a\xcc\x81", "a\xcc\x81"),
    /* one byte for two, in each form there is, and hidden in what is let through */
    ATTACK("\x9b" "6n", "?6n"), ATTACK("\x9d" "0;t\a", "?0;t\a"), ATTACK("\x90q\x9c", "?q?"), ATTACK("\xc2\x9b" "6n", "6n"), ATTACK("\xc2\x9d" "0;t\xc2\x9c", "0;t"),
    ATTACK("\xe0\x82\x9b" "6n", "???6n"), ATTACK("\xc2\033[6n", "?"), ATTACK("\033[3\033[6n1m", "1m"), ATTACK("\033[1;31\x9bm.", "m."), ATTACK("\033[31;?25lx", "x"),
    ATTACK("\033[31$mx", "x"), ATTACK("\033[ mx", "x"), ATTACK("\033[>4;2mx", "x"), ATTACK("\033\033\033]0;t\ax", "x"), ATTACK("\033[\n6n", "\n6n"), ATTACK("\033[6\0306n", "6n"),
    ATTACK("\033]0;a\033[6nb\ac", "b\ac"), ATTACK("\033[\000" "6nx", "6nx"), ATTACK("\033[6\177nx", "nx"),
};

Test(display, what_has_been_tried)
{
    for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++)
        shows(attacks[i].in, attacks[i].size, attacks[i].left);
}

static size_t ends(struct display *d, const char *in, uint8_t *out)
{
    size_t n = display(d, (const uint8_t *)in, strlen(in), out);
    return n + display_end(d, out + n);
}

Test(display, what_was_begun_ends_with_it)
{
    static const struct { const char *in, *want; } cases[] = {
        { "plain", "plain" }, { "\033[31mred", "\033[31mred\033[0m" }, { "\033[31mred\033[0m", "\033[31mred\033[0m" }, { "\033[1mx\033[m", "\033[1mx\033[m" },
        { "\033[0;1mx", "\033[0;1mx\033[0m" }, { "x\033]0;never", "x" }, { "x\033[3", "x" }, { "x\xe2\x82", "x" }, { "x\033", "x" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct display d = { 0 };
        uint8_t out[256];
        size_t n = ends(&d, cases[i].in, out);
        cr_assert(n == strlen(cases[i].want) && memcmp(out, cases[i].want, n) == 0, "%zu: '%.*s'", i, (int)n, (char *)out);
        n = ends(&d, "next", out);
        cr_assert(n == 4 && memcmp(out, "next", 4) == 0, "%zu: '%.*s' behind it", i, (int)n, (char *)out);
    }
}
