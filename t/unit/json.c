#include <criterion/criterion.h>
#include <string.h>

#include "base/json.h"

static const char *text(struct buf *b)
{
    buf_put_u8(b, '\0');
    return (const char *)buf_head(b);
}

Test(json, commas_and_nesting)
{
    BUF_FREE struct buf b = BUF(4096);
    json_begin(&b, NULL);
    json_str(&b, "a", "x");
    json_u64(&b, "b", 18446744073709551615ull);
    json_list(&b, "c");
    json_str(&b, NULL, "1");
    json_begin(&b, NULL);
    json_bool(&b, "t", true);
    json_end(&b);
    json_list_end(&b);
    json_list(&b, "e");
    json_list_end(&b);
    json_str(&b, "n", NULL);
    json_time(&b, "w", 1700000000123);
    json_end(&b);
    json_line(&b);
    json_begin(&b, NULL);
    json_end(&b);
    cr_assert_str_eq(text(&b), "{\"a\":\"x\",\"b\":18446744073709551615,\"c\":[\"1\",{\"t\":true}],\"e\":[],\"n\":null,"
                               "\"w\":\"2023-11-14T22:13:20Z\"}\n{}");
}

static void check_bytes(const char *bytes, size_t size, const char *want)
{
    BUF_FREE struct buf b = BUF(4096);
    json_bytes(&b, NULL, bytes, size);
    cr_assert_str_eq(text(&b), want);
}

Test(json, any_bytes_become_valid)
{
    check_bytes("\"\\\n\x01\x7f", 5, "\"\\\"\\\\\\n\\u0001\\u007f\"");
    check_bytes("a\0b", 3, "\"a\\u0000b\"");
    check_bytes("\xe2\x82\xac\xf0\x9f\x8e\xae", 7, "\"\xe2\x82\xac\xf0\x9f\x8e\xae\"");
    check_bytes("\xff\xc3", 2, "\"\\ufffd\\ufffd\"");
    check_bytes("\xc0\xaf", 2, "\"\\ufffd\\ufffd\"");                     /* overlong */
    check_bytes("\xed\xa0\x80", 3, "\"\\ufffd\\ufffd\\ufffd\"");          /* a surrogate */
    check_bytes("\xf4\x90\x80\x80", 4, "\"\\ufffd\\ufffd\\ufffd\\ufffd\""); /* past the last character */
    check_bytes("\xc2\x9b" "2Jx\xc2\x80\xc2\xa0", 9, "\"\\u009b2Jx\\u0080\xc2\xa0\"");   /* C1 controls */
    check_bytes("\xe2\x80\xae\xe2\x81\xa6\xe2\x80\xa9\xe2\x80\xaf", 12, "\"\\u202e\\u2066\xe2\x80\xa9\xe2\x80\xaf\"");
    check_bytes("\xe2\x82", 2, "\"\\ufffd\\ufffd\"");                     /* cut short */
}
