#include <criterion/criterion.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "sshd/prompt/keys.h"
#include "sshd/prompt/screen.h"
#include "sshd/prompt/words.h"

static void locale(void) { cr_assert_not_null(setlocale(LC_CTYPE, "C.UTF-8")); }

/* ---- keys ---- */

static void keys_are(const char *bytes, size_t size, const wchar_t *want, size_t n)
{
    struct keys k = { 0 };
    size_t got = 0;
    for (size_t i = 0; i < size; i++) {
        wchar_t key;
        if (!keys_take(&k, (uint8_t)bytes[i], &key))
            continue;
        cr_assert_lt(got, n, "one more: %#lx", (unsigned long)key);
        cr_assert_eq(key, want[got], "key %zu is %#lx, wanted %#lx", got, (unsigned long)key, (unsigned long)want[got]);
        got++;
    }
    cr_assert_eq(got, n, "%zu keys, wanted %zu", got, n);
}
#define KEYS(bytes, ...) keys_are(bytes, sizeof(bytes) - 1, (wchar_t[]){ __VA_ARGS__ }, sizeof((wchar_t[]){ __VA_ARGS__ }) / sizeof(wchar_t))

Test(keys, characters, .init = locale)
{
    KEYS("aB ~", 'a', 'B', ' ', '~');
    KEYS("\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80", 0xe9, 0x6f22, 0x1f600);
    KEYS("\r\n\t\x7f", KEY_ENTER, KEY_ENTER, KEY_TAB, KEY_ERASE);
}

Test(keys, what_is_no_utf8_vanishes, .init = locale)
{
    KEYS("a\xff\xfe" "b", 'a', 'b');
    KEYS("a\xc0\xaf" "b", 'a', 'b');                /* too long */
    KEYS("a\xed\xa0\x80" "b", 'a', 'b');            /* a surrogate */
    KEYS("a\xf4\x90\x80\x80" "b", 'a', 'b');        /* behind the last */
    KEYS("a\xe6\xbc" "b", 'a', 'b');                /* cut off */
    KEYS("a\xc2\x85" "b", 'a', 'b');                /* a control character of C1 */
}

Test(keys, sequences, .init = locale)
{
    KEYS("\x1b[A\x1b[B\x1bOC\x1b[D", KEY_UP, KEY_DOWN, KEY_RIGHT, KEY_LEFT);
    KEYS("\x1b[3~\x1b[1;5C\x1b[1;5D\x1b[H\x1b[4~", KEY_DELETE, KEY_WORD_RIGHT, KEY_WORD_LEFT, KEY_BEGIN, KEY_END);
    KEYS("\x1b" "b\x1b" "f\x1b" "d\x1b\x7f", KEY_WORD_LEFT, KEY_WORD_RIGHT, KEY_WORD_DELETE, KEY_WORD_ERASE);
}

Test(keys, unknown_ones_are_no_text, .init = locale)
{
    KEYS("a\x1b[5~b\x1b[15;2~c\x1b[200~d\x1b[201~e", 'a', 'b', 'c', 'd', 'e');
    KEYS("a\x1b]11;rgb:00/00/00\x07" "b\x1bP1+r\x1b\\c", 'a', 'b', 'c');
    KEYS("a\x1b[1234567890123456789012345678901234567890~b", 'a', 'b');
    KEYS("a\x1b[1;5A" "b\x1bzc", 'a', 'b', 'c');
    KEYS("\x11\x1c\x1e\x1f\x00" "a", 'a');
}

Test(keys, control_keys_end_a_sequence, .init = locale)
{
    KEYS("\x1b[\x03" "a", KEY_CANCEL, 'a');
    KEYS("\x1b]0;title\r" "a", KEY_ENTER, 'a');
    KEYS("\x1b\x1b[A", KEY_UP);
    KEYS("\xe6\xbc\r", KEY_ENTER);
}

/* ---- the screen ---- */

static void place_is(const wchar_t *text, unsigned columns, unsigned row, unsigned column)
{
    struct place p = screen_after((struct place){ 0, 0 }, text, wcslen(text), columns);
    cr_assert(p.row == row && p.column == column, "%ls: %u,%u, wanted %u,%u", text, p.row, p.column, row, column);
}

Test(screen, places, .init = locale)
{
    place_is(L"abc", 10, 0, 3);
    place_is(L"abcdefghij", 10, 1, 0);
    place_is(L"abcdefghijk", 10, 1, 1);
    place_is(L"\u6f22\u6f22", 10, 0, 4);
    place_is(L"abcdefghi\u6f22", 10, 1, 2);
    place_is(L"a\tb", 20, 0, 9);
    place_is(L"ab\ncd", 10, 1, 2);
    place_is(L"\x01", 10, 0, 2);
    place_is(L"", 10, 0, 0);
}

static void tail_is(struct tail *t, bool own, const char *bytes, const char *lines, const wchar_t *tail)
{
    struct buf b = BUF(1 << 16);
    wchar_t text[64];
    tail_take(t, own, (const uint8_t *)bytes, strlen(bytes), &b);
    cr_assert_eq(buf_size(&b), strlen(lines));
    cr_assert(strlen(lines) == 0 || memcmp(buf_head(&b), lines, strlen(lines)) == 0, "%.*s", (int)buf_size(&b), (const char *)buf_head(&b));
    size_t n = tail_text(t, text, 63);
    text[n] = L'\0';
    cr_assert(wcscmp(text, tail) == 0, "'%ls', wanted '%ls'", text, tail);
    buf_free(&b);
}

Test(screen, tails, .init = locale)
{
    struct tail t = { BUF(2 * TAIL_MOST) };
    tail_is(&t, false, "one\ntwo", "one\n", L"two");
    tail_is(&t, false, " more", "", L"two more");
    tail_is(&t, false, "\n", "two more\n", L"");
    tail_is(&t, false, "\033[31mred", "", L"red");
    tail_is(&t, true, "[note]\n", "\033[31mred\n\033[m[note]\n\033[m", L"");
    tail_is(&t, false, "50%\r60%", "", L"60%");
    tail_is(&t, false, "\b\bx\b\b\b\b\b", "", L"");
    buf_free(&t.bytes);
}

Test(screen, a_line_without_end_is_broken, .init = locale)
{
    struct tail t = { BUF(2 * TAIL_MOST) };
    struct buf b = BUF(1 << 20);
    char piece[300];
    memset(piece, 'x', sizeof piece);
    for (int i = 0; i < 100; i++)
        tail_take(&t, false, (const uint8_t *)piece, sizeof piece, &b);
    cr_assert_leq(buf_size(&t.bytes), (size_t)TAIL_MOST);
    cr_assert_gt(buf_size(&b), (size_t)100 * sizeof piece - TAIL_MOST);
    cr_assert(!b.bad && !t.bytes.bad);
    buf_free(&b);
    buf_free(&t.bytes);
}

/* ---- completions ---- */

Test(words, common, .init = locale)
{
    struct words w = { 0 };
    cr_assert_eq(words_common(&w), 0);
    words_add(&w, "start ", 6);
    cr_assert_eq(words_common(&w), 6);
    words_add(&w, "status ", 7);
    cr_assert_eq(words_common(&w), 3);
    words_add(&w, "a\x1b[31m", 6);
    words_add(&w, "\xff", 1);
    cr_assert_eq(w.n, 2, "what cannot be shown is left out");
    words_free(&w);
}

Test(words, list, .init = locale)
{
    struct words w = { 0 };
    struct buf b = BUF(4096);
    words_add(&w, "/one/a ", 7);
    words_add(&w, "/one/bcd/", 9);
    words_add(&w, "/one/\xe6\xbc\xa2 ", 9);
    words_list(&w, 14, 2, &b);
    buf_put_u8(&b, 0);
    cr_assert_str_eq((const char *)buf_head(&b), "a     \xe6\xbc\xa2 \nbcd/\nand 2 more\n");
    buf_free(&b);
    words_free(&w);
}
