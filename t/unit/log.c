#include <criterion/criterion.h>
#include <string.h>

#include "base/log.h"

Test(log, a_word_has_no_space_quote_backslash_or_equals_sign)
{
    cr_assert_str_eq(esc("alice"), "alice");
    cr_assert_str_eq(esc("a b=c\"d\\e"), "a\\x20b\\x3dc\\x22d\\x5ce");
    cr_assert_str_eq(escn("a\0b", 3), "a\\x00b");
}

Test(log, a_text_keeps_what_can_be_read_and_cannot_end)
{
    cr_assert_str_eq(esc_text("send arena say a=b"), "send arena say a=b");
    cr_assert_str_eq(esc_text("x\" event=\\y"), "x\\x22 event=\\x5cy");
    cr_assert_str_eq(esc_text("\x1b[31m\r\n\x7f\xc3\xa4"), "\\x1b[31m\\x0d\\x0a\\x7f\\xc3\\xa4");
}

Test(log, what_is_too_long_is_cut_and_says_so)
{
    char long_one[2000];
    memset(long_one, '\n', sizeof long_one - 1);
    long_one[sizeof long_one - 1] = '\0';
    const char *cut = esc_text(long_one);
    cr_assert(strlen(cut) < 512);
    cr_assert_str_eq(cut + strlen(cut) - 3, "...");
}
