#include "sandbox/filter/held.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/* Words from the listing go into commands again: only such as cannot be taken for anything else. */
static bool plain(const char *text, size_t n, const char *also)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] == '\0' || (strchr(letters, text[i]) == NULL && strchr(also, text[i]) == NULL))
            return false;
    return n > 0;
}

/* "A . B": parts without a space in them. */
static bool is_key(const char *at, const char *end)
{
    for (;;) {
        const char *dot = memmem(at, (size_t)(end - at), " . ", 3), *stop = dot ? dot : end;
        if (!plain(at, (size_t)(stop - at), "\".:/_*-"))
            return false;
        if (dot == NULL)
            return true;
        at = dot + 3;
    }
}

/* SET NULL: of one that packets fill. */
struct reader { const char *set, *filled; struct state *out; };

static bool read_element(const struct reader *r, const char *at, const char *end)
{
    size_t n = strlen(r->filled);
    if (r->set == NULL)
        return (size_t)(end - at) > n && memcmp(end - n, r->filled, n) == 0 && is_key(at, end - n);
    const char *colon = memmem(at, (size_t)(end - at), " : ", 3), *stop = colon ? colon : end;
    if (!is_key(at, stop))
        return false;
    FREE_MEM char *key = mem_strn(at, (size_t)(stop - at));
    state_put(r->out, ENTRY_ELEMENT, r->set, key, "%.*s", colon ? (int)(end - colon - 3) : 0, colon ? colon + 3 : "");
    return true;
}

/* From behind the opening brace.  False: there is one that is not ours. */
static bool read_elements(const struct reader *r, const char *at, const char *end)
{
    static const char space[] = " \t\n";
    while (at < end) {
        at += strspn(at, space);
        const char *comma = memchr(at, ',', (size_t)(end - at)), *stop = comma ? comma : end, *next = comma ? comma + 1 : end;
        while (stop > at && strchr(space, stop[-1]))
            stop--;
        if (!read_element(r, at, stop))
            return false;
        at = next;
    }
    return true;
}

/* The part of a listing from BODY to END, of the set that is entry AT. */
static void read_set(struct reader *r, const char *body, const char *end, size_t at)
{
    static const char opening[] = "\n\t\telements = { ", dynamic[] = "\n\t\tflags dynamic";
    const char *elements = memmem(body, (size_t)(end - body), opening, sizeof opening - 1);
    size_t before = r->out->n;
    if (elements == NULL)
        return;
    if (memmem(body, (size_t)(elements - body), dynamic, sizeof dynamic - 1))
        r->set = NULL;
    elements += sizeof opening - 1;
    const char *close = memchr(elements, '}', (size_t)(end - elements));
    if (read_elements(r, elements, close ? close : end))
        return;
    state_cut(r->out, before);
    r->out->v[at].flush = true;
}

static bool is_kind(const char *word)
{
    static const char *const kinds[] = { "chain", "set", "map", "counter", "quota", "limit", "secmark", "synproxy", "flowtable" };
    for (size_t i = 0; i < countof(kinds); i++)
        if (strcmp(word, kinds[i]) == 0)
            return true;
    return false;
}

/* "KIND NAME {" */
static int read_head(const char *line, size_t n, char **kind, char **name, struct err *e)
{
    const char *space = memchr(line, ' ', n);
    size_t first = space ? (size_t)(space - line) : 0;
    if (first == 0 || n < first + 4 || memcmp(line + n - 2, " {", 2) != 0 || !plain(space + 1, n - first - 3, "_.-"))
        return err_set(e, EINVAL, "table", "%s", escn(line, n));
    *kind = mem_strn(line, first);
    *name = mem_strn(space + 1, n - first - 3);
    if (!is_kind(*kind))
        return err_set(e, EINVAL, "table", "%s", escn(line, n));
    return 0;
}

static int read_part(const struct reader *all, const char *line, size_t n, const char *end, struct err *e)
{
    FREE_MEM char *kind = NULL, *name = NULL;
    if (read_head(line, n, &kind, &name, e) < 0)
        return -1;
    struct reader r = { .set = name, .filled = all->filled, .out = all->out };
    bool is_set = strcmp(kind, "set") == 0 || strcmp(kind, "map") == 0;
    size_t at = r.out->n;
    state_put(r.out, strcmp(kind, "chain") == 0 ? ENTRY_CHAIN : ENTRY_SET, kind, name, NULL);
    if (is_set)
        read_set(&r, line + n, end, at);
    return 0;
}

/* Each part stands one tab deep, from "\tKIND NAME {" to "\t}"; what else is there at that depth is a property of the table. */
int held_read(const char *listing, const char *filled, struct state *out, struct err *e)
{
    const struct reader all = { .filled = filled, .out = out };
    for (const char *at = listing; *at; at += strcspn(at, "\n"), at += *at == '\n') {
        size_t n = strcspn(at, "\n");
        if (at[0] != '\t' || at[1] == '\t' || n < 2 || at[n - 1] != '{')
            continue;
        const char *end = strstr(at + n, "\n\t}");
        if (end == NULL)
            return err_set(e, EINVAL, "table", "ends within %s", escn(at + 1, n - 1));
        if (read_part(&all, at + 1, n - 1, end, e) < 0)
            return -1;
        at = end + 1;
    }
    return 0;
}
