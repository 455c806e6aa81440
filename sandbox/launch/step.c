#include "sandbox/launch/step.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

void step_add(struct steps *l, struct step s)
{
    if (l->n == l->room) {
        l->room = l->room ? 2 * l->room : 256;
        l->each = mem_grow(l->each, l->room, sizeof l->each[0]);
    }
    l->each[l->n++] = s;
}

const char *step_text(struct steps *l, char *text)
{
    l->texts = mem_grow(l->texts, l->ntexts + 1, sizeof l->texts[0]);
    return l->texts[l->ntexts++] = text;
}

void steps_free(struct steps *l)
{
    for (size_t i = 0; i < l->ntexts; i++)
        free(l->texts[i]);
    free(l->texts);
    free(l->each);
    *l = (struct steps){ 0 };
}

static void put_bits(struct buf *b, const struct bit *bits, uint64_t flags)
{
    const char *before = " [";
    for (; bits && bits->name; bits++)
        if ((flags & bits->bits) == bits->bits) {
            buf_put_fmt(b, "%s%s", before, bits->name);
            before = ",";
        }
    if (*before == ',')
        buf_put_fmt(b, "]");
}

/* esc_text() has an end; a file's text may be longer. */
static void put_text(struct buf *b, const char *text)
{
    enum { PIECE = 100 };
    char piece[PIECE + 1];
    buf_put_fmt(b, " \"");
    for (size_t n; (n = strnlen(text, PIECE)) > 0; text += n) {
        memcpy(piece, text, n);
        piece[n] = '\0';
        buf_put_fmt(b, "%s", esc_text(piece));
    }
    buf_put_fmt(b, "\"");
}

void steps_print(const struct steps *l, struct buf *b)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct step *s = &l->each[i];
        const struct verb *v = s->verb;
        buf_put_fmt(b, "%s %s %s%s", v->host ? "host" : "child", v->name, v->inside ? "/" : "", esc_text(s->at));
        if (s->from)
            buf_put_fmt(b, " from=%s", esc_text(s->from));
        put_bits(b, v->bits, s->flags);
        if (s->with)
            put_text(b, s->with);
        if (v->number)
            buf_put_fmt(b, " %s%llu", v->number, (unsigned long long)s->number);
        if (s->tolerates)
            buf_put_fmt(b, " or=%s", strerrorname_np(s->tolerates));
        buf_put_fmt(b, "\n");
    }
}

int step_failed(const struct step *s, struct err *e)
{
    int no = errno;
    if (e->step[0])
        return -1;
    if (s->tolerates && no == s->tolerates)
        return 0;
    return err_set(e, no, s->verb->name, "%s%s", s->verb->inside ? "/" : "", s->at);
}
