#include <string.h>

#include "sshd/session/scp.h"

struct scan {
    const uint8_t *at, *end;
};

static bool digit(const struct scan *s)
{
    return s->at < s->end && *s->at >= '0' && *s->at <= '9';
}

/* At least one digit; false as well past MOST. */
static bool number(struct scan *s, uint64_t most, uint64_t *n)
{
    *n = 0;
    if (!digit(s))
        return false;
    for (; digit(s); s->at++) {
        uint64_t d = (uint64_t)(*s->at - '0');
        if (*n > (most - d) / 10)
            return false;
        *n = *n * 10 + d;
    }
    return true;
}

static bool blank(struct scan *s)
{
    return s->at < s->end && *s->at++ == ' ';
}

static const char *times(struct scan *s, struct scp_line *l)
{
    enum { MICROSECONDS = 999999 };
    uint64_t part;
    if (!number(s, INT64_MAX, &l->mtime) || !blank(s) || !number(s, MICROSECONDS, &part) || !blank(s))
        return "bad modification time";
    if (!number(s, INT64_MAX, &l->atime) || !blank(s) || !number(s, MICROSECONDS, &part) || s->at != s->end)
        return "bad access time";
    return NULL;
}

static const char *entry(struct scan *s, struct scp_line *l)
{
    enum { DIGITS = 4 };
    for (int i = 0; i < DIGITS; i++, s->at++) {
        if (s->at == s->end || *s->at < '0' || *s->at > '7')
            return "bad mode";
        l->mode = l->mode << 3 | (uint32_t)(*s->at - '0');
    }
    if (!blank(s))
        return "mode not delimited";
    if (!digit(s))
        return "size not present";
    if (!number(s, INT64_MAX, &l->size))
        return "size out of range";
    if (!blank(s))
        return "size not delimited";
    l->name = s->at;
    l->name_size = (size_t)(s->end - s->at);
    return NULL;
}

const char *scp_line(const uint8_t *bytes, size_t size, struct scp_line *l)
{
    *l = (struct scp_line){ .kind = size > 0 ? (char)bytes[0] : '\0' };
    struct scan s = { bytes + (size > 0), bytes + size };
    switch (l->kind) {
    case '\0': return size > 0 ? "expected control record" : "unexpected <newline>";
    case 'T': return times(&s, l);
    case 'C': case 'D': return entry(&s, l);
    case 'E': return size == 1 ? NULL : "something behind 'E'";
    default: return "expected control record";
    }
}

const char *scp_name_why(const uint8_t *name, size_t size)
{
    if (size == 0)
        return "unexpected filename: none at all";
    if (memchr(name, '/', size) || memchr(name, '\0', size))
        return "unexpected filename: a '/' or a NUL byte is in it";
    if (name[0] == '.' && (size == 1 || (size == 2 && name[1] == '.')))
        return "unexpected filename: '.' and '..' are none";
    return size > SCP_NAME_MOST ? "name too long (at most 255 bytes)" : NULL;
}
