#include <string.h>

#include "base/mem.h"
#include "sshd/session/scp.h"

/* Behind the set that begins at P ('['), or NULL when it has no end and '[' is meant.  *HIT: C is in it. */
static const char *set(const char *p, const char *end, unsigned char c, bool *hit)
{
    bool not = p + 1 < end && (p[1] == '!' || p[1] == '^'), in = false;
    const char *first = p + 1 + not;
    for (p = first; p < end && (*p != ']' || p == first); p++) {
        if (*p == '\\' && p + 1 < end)
            p++;
        unsigned char low = (unsigned char)*p, high = low;
        if (p + 2 < end && p[1] == '-' && p[2] != ']') {
            p += 2;
            if (*p == '\\' && p + 1 < end)
                p++;
            high = (unsigned char)*p;
        }
        in = in || (c >= low && c <= high);
    }
    *hit = in != not;
    return p < end ? p + 1 : NULL;
}

/* Behind what stands for one byte at P, or NULL when C is not that byte. */
static const char *one(const char *p, const char *end, unsigned char c)
{
    bool hit = true;
    const char *next = *p == '[' ? set(p, end, c, &hit) : NULL;
    if (next)
        return hit ? next : NULL;
    if (*p == '?')
        return p + 1;
    if (*p == '\\' && p + 1 < end)
        p++;
    return (unsigned char)*p == c ? p + 1 : NULL;
}

bool scp_glob_match(const char *p, size_t size, const char *name)
{
    const char *end = p + size, *star = NULL, *from = name;
    if (name[0] == '.' && (size == 0 || (p[0] != '.' && (size < 2 || p[0] != '\\' || p[1] != '.'))))
        return false;
    while (*name) {
        const char *next = p < end && *p != '*' ? one(p, end, (unsigned char)*name) : NULL;
        if (p < end && *p == '*') {
            star = ++p;
            from = name;
        } else if (next) {
            p = next;
            name++;
        } else if (star) {
            /* The last star takes one byte more: an earlier one could not do better. */
            p = star;
            name = ++from;
        } else {
            return false;
        }
    }
    while (p < end && *p == '*')
        p++;
    return p == end;
}

bool scp_glob_is(const char *pattern, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (pattern[i] == '\\')
            i++;
        else if (strchr("*?[", pattern[i]))
            return true;
    }
    return false;
}

char *scp_glob_plain(const char *pattern, size_t size)
{
    char *plain = mem_new(size + 1);
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        if (pattern[i] == '\\' && i + 1 < size)
            i++;
        plain[n++] = pattern[i];
    }
    return plain;
}
