#include "base/json.h"

#include <string.h>

#include "base/io.h"

/* A comma stands before everything but the first in its object or list. */
static void comma(struct buf *b)
{
    if (buf_size(b) == 0)
        return;
    uint8_t last = b->p[b->len - 1];
    if (last != '{' && last != '[' && last != ':' && last != '\n')
        buf_put_u8(b, ',');
}

/* Length of the well-formed UTF-8 sequence at P, or 0. */
static size_t sequence(const uint8_t *p, size_t size)
{
    static const struct { uint8_t first, last, low, high; size_t len; } forms[] = {
        { 0x00, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
        { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
        { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };
    for (size_t i = 0; i < countof(forms); i++) {
        if (p[0] < forms[i].first || p[0] > forms[i].last)
            continue;
        if (forms[i].len == 1)
            return 1;
        if (size < forms[i].len || p[1] < forms[i].low || p[1] > forms[i].high)
            return 0;
        for (size_t k = 2; k < forms[i].len; k++)
            if ((p[k] & 0xc0) != 0x80)
                return 0;
        return forms[i].len;
    }
    return 0;
}

static void escaped(struct buf *b, uint8_t c)
{
    if (c == '"' || c == '\\')
        buf_put_fmt(b, "\\%c", c);
    else if (c == '\n')
        buf_put_fmt(b, "\\n");
    else if (c < 0x20 || c == 0x7f)
        buf_put_fmt(b, "\\u%04x", c);
    else
        buf_put_u8(b, c);
}

/* What a terminal might obey is escaped: C1 controls, and what turns the direction of writing. */
static bool drives_terminal(const uint8_t *p, size_t n)
{
    if (n == 2)
        return p[0] == 0xc2 && p[1] < 0xa0;
    return n == 3 && p[0] == 0xe2 && ((p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae) || (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9));
}

static void put_unit(struct buf *b, const uint8_t *p, size_t n)
{
    if (n == 2)
        buf_put_fmt(b, "\\u%04x", (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu));
    else
        buf_put_fmt(b, "\\u%04x", (p[0] & 0xfu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu));
}

static void quoted(struct buf *b, const uint8_t *p, size_t size)
{
    buf_put_u8(b, '"');
    while (size > 0) {
        size_t n = sequence(p, size);
        if (n == 0)
            buf_put_fmt(b, "\\ufffd");
        else if (n == 1)
            escaped(b, *p);
        else if (drives_terminal(p, n))
            put_unit(b, p, n);
        else
            buf_put(b, p, n);
        n = n ? n : 1;
        p += n;
        size -= n;
    }
    buf_put_u8(b, '"');
}

static void key_of(struct buf *b, const char *key)
{
    comma(b);
    if (key == NULL)
        return;
    quoted(b, (const uint8_t *)key, strlen(key));
    buf_put_u8(b, ':');
}

void json_begin(struct buf *b, const char *key)
{
    key_of(b, key);
    buf_put_u8(b, '{');
}

void json_end(struct buf *b) { buf_put_u8(b, '}'); }

void json_list(struct buf *b, const char *key)
{
    key_of(b, key);
    buf_put_u8(b, '[');
}

void json_list_end(struct buf *b) { buf_put_u8(b, ']'); }

void json_bytes(struct buf *b, const char *key, const void *bytes, size_t size)
{
    key_of(b, key);
    quoted(b, bytes, size);
}

void json_str(struct buf *b, const char *key, const char *value)
{
    if (value)
        json_bytes(b, key, value, strlen(value));
    else
        json_null(b, key);
}

void json_u64(struct buf *b, const char *key, uint64_t value)
{
    key_of(b, key);
    buf_put_fmt(b, "%llu", (unsigned long long)value);
}

void json_i64(struct buf *b, const char *key, int64_t value)
{
    key_of(b, key);
    buf_put_fmt(b, "%lld", (long long)value);
}

void json_bool(struct buf *b, const char *key, bool value)
{
    key_of(b, key);
    buf_put_fmt(b, "%s", value ? "true" : "false");
}

void json_null(struct buf *b, const char *key)
{
    key_of(b, key);
    buf_put_fmt(b, "null");
}

void json_time(struct buf *b, const char *key, uint64_t wall)
{
    char text[32];
    if (wall == 0)
        json_null(b, key);
    else
        json_str(b, key, wall_text((int64_t)wall, text, sizeof text));
}

void json_line(struct buf *b) { buf_put_u8(b, '\n'); }
