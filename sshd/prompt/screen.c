#include "sshd/prompt/screen.h"

#include <stdlib.h>
#include <string.h>
#include <wctype.h>

enum { TAB = 8 };

static void put(struct place *p, unsigned width, unsigned columns)
{
    if (p->column + width > columns) {
        p->column = 0;
        p->row++;
    }
    p->column += width;
    if (p->column >= columns) {
        p->column = 0;
        p->row++;
    }
}

static void put_tab(struct place *p, unsigned columns)
{
    do
        put(p, 1, columns);
    while (p->column % TAB);
}

struct place screen_after(struct place p, const wchar_t *text, size_t n, unsigned columns)
{
    for (size_t i = 0; i < n; i++) {
        int width = wcwidth(text[i]);
        if (text[i] == L'\n')
            p = (struct place){ p.row + 1, 0 };
        else if (text[i] == L'\t')
            put_tab(&p, columns);
        else if (width >= 0)
            put(&p, (unsigned)width, columns);
        else    /* "^X" */
            for (int k = 0; k < 2; k++)
                put(&p, 1, columns);
    }
    return p;
}

/* The escape sequence that would make lines behind it coloured ends with its own line. */
static void put_end(struct buf *lines)
{
    if (lines->p && memchr(buf_head(lines), 0x1b, buf_size(lines)))
        buf_put(lines, "\033[m", 3);
}

void tail_end(struct tail *t, struct buf *lines)
{
    if (buf_size(&t->bytes) == 0)
        return;
    buf_put(lines, buf_head(&t->bytes), buf_size(&t->bytes));
    buf_put_u8(lines, '\n');
    put_end(lines);
    buf_reset(&t->bytes);
}

void tail_take(struct tail *t, bool own, const uint8_t *bytes, size_t size, struct buf *lines)
{
    const uint8_t *last = size ? memrchr(bytes, '\n', size) : NULL;
    if (own)
        tail_end(t, lines);
    if (last) {
        buf_put(lines, buf_head(&t->bytes), buf_size(&t->bytes));
        buf_reset(&t->bytes);
        buf_put(lines, bytes, (size_t)(last - bytes) + 1);
        put_end(lines);
        size -= (size_t)(last - bytes) + 1;
        bytes = last + 1;
    }
    if (buf_size(&t->bytes) + size > TAIL_MOST) {
        buf_put(lines, buf_head(&t->bytes), buf_size(&t->bytes));
        buf_put(lines, bytes, size);
        buf_put_u8(lines, '\n');
        put_end(lines);
        buf_reset(&t->bytes);
    } else
        buf_put(&t->bytes, bytes, size);
}

size_t tail_text(const struct tail *t, wchar_t *out, size_t most)
{
    const char *p = (const char *)buf_head(&t->bytes);
    size_t left = buf_size(&t->bytes), n = 0;
    mbstate_t state = { 0 };
    bool sequence = false;
    while (left > 0) {
        wchar_t c;
        size_t used = mbrtowc(&c, p, left, &state);
        if (used == 0 || used > left) {
            memset(&state, 0, sizeof state);
            used = 1;
            c = 0;
        }
        p += used;
        left -= used;
        if (sequence)
            sequence = !(c >= 0x40 && c < 0x7f && c != L'[');
        else if (c == 0x1b)
            sequence = true;
        else if (c == L'\r')
            n = left ? 0 : n;
        else if (c == L'\b')
            n -= n > 0;
        else if (n < most && (c == L'\t' || iswprint((wint_t)c)))
            out[n++] = c == L'\t' ? L' ' : c;
    }
    return n;
}
