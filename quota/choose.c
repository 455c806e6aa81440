#include "quota/choose.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "quota/record.h"

static bool automatic(const struct disk *d)
{
    return d->backend == NULL || strcmp(d->backend, "auto") == 0;
}

/* It holds nobody to anything, and is only had by asking for it. */
static bool unsafe(const struct backend *b)
{
    return strcmp(b->word, "none") == 0;
}

static int by_looking(const struct place *p, const struct backend **b, struct err *e)
{
    *b = NULL;
    for (size_t i = 0; backends[i]; i++) {
        if (!backends[i]->has(p))
            continue;
        if (*b)
            return err_set(e, 0, "quota", "%s has files on %s and on %s, and no record of which are to be used: move those that are not away", p->folder,
                           (*b)->word, backends[i]->word);
        *b = backends[i];
    }
    return *b != NULL;
}

/* A record whose backend could tell, and says that it has nothing, is of files that were never made, or were taken away by hand. */
static int by_record(const struct place *p, const struct record *r, const struct backend **b, struct err *e)
{
    *b = backend_find(r->backend);
    if (*b == NULL)
        return err_set(e, 0, "quota", "the files of %s are on %s, which this version does not know", p->folder, r->backend);
    struct disk d = { .name = p->folder };
    struct err why;
    return (*b)->has(p) || (*b)->fit(p, &d, &why) < 0;
}

int choose_found(const struct place *p, const struct backend **b, struct err *e)
{
    struct record r;
    int is = record_read(p, &r, e);
    return is < 0 ? -1 : is ? by_record(p, &r, b, e) : by_looking(p, b, e);
}

const struct backend *choose_auto(const struct place *p, const struct disk *d, choose_fn *say, void *data)
{
    char why[400];
    for (size_t i = 0; backends[i]; i++) {
        struct err e = { 0 };
        if (unsafe(backends[i]))
            continue;
        int fits = backends[i]->fit(p, d, &e);
        if (say)
            say(data, backends[i], fits ? err_text(&e, why, sizeof why) : "");
        if (fits == 0)
            return backends[i];
    }
    return NULL;
}

int choose_allowed(const struct disk *d, const struct backend *b, struct err *e)
{
    if (automatic(d) && unsafe(b))
        return err_set(e, 0, "quota", "its files are on none, which holds it to no limit, and 'none, unsafe' is not configured: "
                       "move them with 'holdfast quota migrate %s BACKEND', or set quota = none, unsafe", d->name);
    if (automatic(d) || strcmp(d->backend, b->word) == 0)
        return 0;
    return err_set(e, 0, "quota", "its files are on %s; configured: %s; move them with 'holdfast quota migrate %s %s', or set quota = %s%s",
                   b->word, d->backend, d->name, d->backend, b->word, unsafe(b) ? ", unsafe" : "");
}

static void gather(void *data, const struct backend *b, const char *why)
{
    struct buf *text = data;
    buf_put_fmt(text, "%s%s: %s", buf_size(text) ? "; " : "", b->word, why);
}

static int fresh_one(const struct place *p, const struct disk *d, const struct backend **b, struct err *e)
{
    BUF_FREE struct buf text = BUF(4096);
    if (automatic(d)) {
        *b = choose_auto(p, d, gather, &text);
        return *b ? 0 : err_set(e, 0, "quota", "no backend can be used here: %.*s", (int)buf_size(&text), (const char *)buf_head(&text));
    }
    *b = backend_find(d->backend);
    if (*b == NULL)
        return err_set(e, 0, "quota", "there is no backend '%s' in this build", d->backend);
    if ((*b)->fit(p, d, e) >= 0)
        return 0;
    return err_wrap(e, (*b)->word);
}

int choose_for(const struct place *p, const struct disk *d, const struct backend **b, bool *fresh, struct err *e)
{
    int is = choose_found(p, b, e);
    *fresh = is == 0;
    return is < 0 ? -1 : is ? choose_allowed(d, *b, e) : fresh_one(p, d, b, e);
}
