/* Small pure parsers of what clients type: lines of scp, its patterns, the arguments of a client's rsync, patterns of deny; and what servers
   write, on its way to a terminal.  Byte 0 chooses. */
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "base/die.h"
#include "base/mem.h"
#include "sshd/files/deny.h"
#include "sshd/session/display.h"
#include "sshd/session/rsync_args.h"
#include "sshd/session/scp.h"
#include "t/fuzz/fuzz.h"

static void line(struct supply *in)
{
    struct scp_line l = { 0 };
    size_t size;
    FREE_MEM char *text = take_rest(in, &size);
    if (scp_line((const uint8_t *)text, size, &l) == NULL && (l.kind == 'C' || l.kind == 'D')) {
        const char *why = scp_name_why(l.name, l.name_size);
        invariant(why || (l.name_size > 0 && memchr(l.name, '/', l.name_size) == NULL && memchr(l.name, 0, l.name_size) == NULL));
        invariant(l.size <= INT64_MAX);
    }
}

static void glob(struct supply *in)
{
    size_t size, rest;
    FREE_MEM char *pattern = take_bytes(in, 2000, &size), *name = take_rest(in, &rest), *plain = scp_glob_plain(pattern, size);
    bool is = scp_glob_is(pattern, size);
    if (!is && size == strlen(pattern) && strcmp(plain, name) == 0 && name[0] && pattern[size - 1] != '\\')
        invariant(scp_glob_match(pattern, size, name));
    else
        scp_glob_match(pattern, size, name);
}

static void rsync(struct supply *in)
{
    struct rsync_args a;
    char *words[32] = { NULL };
    size_t size, n = 0;
    rsync_args_init(&a, take_u8(in) & 1 ? "one" : NULL);
    bool marked = take_u8(in) & 1;
    while (in->left && n + 1 < countof(words))
        words[n++] = take_bytes(in, 6000, &size);
    size_t first = take_u8(in) & 1 ? n / 2 : n;
    char *rest = words[first];
    words[first] = NULL;
    bool good = rsync_args_add(&a, words, marked);
    words[first] = rest;
    if (good && a.secluded)
        good = rsync_args_add(&a, words + first, false);
    BUF_FREE struct buf list = BUF(RSYNC_LIST_MOST);
    if (good && rsync_args_end(&a, &list))
        invariant(buf_size(&list) > 0 && a.server[0]);
    else
        invariant(a.why);
    rsync_args_free(&a);
    for (size_t i = 0; i < n; i++)
        free(words[i]);
}

static void deny(struct supply *in)
{
    struct deny *d = deny_new();
    size_t size;
    for (unsigned n = take_u8(in) % 4; n > 0; n--) {
        FREE_MEM char *pattern = take_bytes(in, 500, &size);
        /* What the configuration lets through. */
        if (pattern[0] && strlen(pattern) == size && strstr(pattern, "..") == NULL)
            deny_add(d, pattern);
    }
    FREE_MEM char *path = take_rest(in, &size);
    deny_hides(d, path);
    deny_holds(d, path);
    deny_free(d);
}

/* Nothing but text, a few controls, colours and "erase in line". */
static void harmless(const uint8_t *p, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        invariant(p[i] >= ' ' || strchr("\a\b\t\n\r\033", p[i]));
        invariant(p[i] != 0x7f);
        if (p[i] == 0xc2)
            invariant(i + 1 < size && p[i + 1] >= 0xa0);
        if (p[i] != '\033')
            continue;
        invariant(i + 1 < size && p[i + 1] == '[');
        i += 2;
        while (i < size && p[i] >= '0' && p[i] <= ';')
            i++;
        invariant(i < size && (p[i] == 'm' || p[i] == 'K'));
    }
}

static void shown(struct supply *in)
{
    struct display whole = { 0 }, parts = { 0 };
    size_t size, piece = take_u8(in) + 1u, n = 0;
    FREE_MEM char *text = take_rest(in, &size);
    FREE_MEM uint8_t *one = mem_new(size + 2 * DISPLAY_HELD), *two = mem_new(size + 2 * DISPLAY_HELD);
    size_t first = display(&whole, (const uint8_t *)text, size, one);
    for (size_t at = 0; at < size; at += piece)
        n += display(&parts, (const uint8_t *)text + at, size - at < piece ? size - at : piece, two + n);
    invariant(first <= size + DISPLAY_HELD && n == first && memcmp(one, two, n) == 0);
    first += display_end(&whole, one + first);
    harmless(one, first);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static void (*const parts[])(struct supply *in) = { line, glob, rsync, deny, shown };
    struct supply in = { bytes, size };
    parts[take_u8(&in) % countof(parts)](&in);
    return 0;
}
