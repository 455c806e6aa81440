/* Processors by their numbers. */
#include <inttypes.h>
#include <string.h>

#include "base/conf_table.h"
#include "base/mem.h"

static bool has(const struct conf_cpus *set, uint64_t n)
{
    return n < CONF_CPUS_MOST && set->bits[n / 64] >> n % 64 & 1;
}

/* One "N" or "N-M" at TEXT; where it ends, or NULL. */
static const char *add(struct conf_cpus *set, const char *text)
{
    uint64_t from, to;
    if (conf_number(text, &text, &from) < 0)
        return NULL;
    to = from;
    if (*text == '-' && conf_number(text + 1, &text, &to) < 0)
        return NULL;
    if (from > to || to >= CONF_CPUS_MOST)
        return NULL;
    for (uint64_t n = from; n <= to; n++)
        set->bits[n / 64] |= 1ULL << n % 64;
    return text;
}

int conf_cpus(const char *text, struct conf_cpus *set)
{
    memset(set, 0, sizeof *set);
    for (;; text++) {
        text = add(set, text);
        if (text == NULL)
            return -1;
        if (*text == '\0')
            return 0;
        if (*text != ',')
            return -1;
    }
}

char *conf_cpus_text(const struct conf_cpus *set)
{
    BUF_FREE struct buf b = BUF(CONF_CPUS_MOST * 6);
    for (uint64_t n = 0; n < CONF_CPUS_MOST; n++) {
        uint64_t last = n;
        if (!has(set, n))
            continue;
        while (has(set, last + 1))
            last++;
        buf_put_fmt(&b, "%s%" PRIu64, buf_size(&b) ? "," : "", n);
        if (last > n)
            buf_put_fmt(&b, "-%" PRIu64, last);
        n = last;
    }
    return mem_strn(buf_head(&b), buf_size(&b));
}

bool conf_cpus_without(const struct conf_cpus *a, const struct conf_cpus *b, struct conf_cpus *rest)
{
    uint64_t some = 0;
    for (size_t i = 0; i < countof(a->bits); i++)
        some |= rest->bits[i] = a->bits[i] & ~b->bits[i];
    return some != 0;
}
