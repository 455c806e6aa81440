#include "sandbox/shim/match.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { ESC = 0x1b, BEL = 0x07, DEL = 0x7f };
enum state { TEXT, ESCAPE, CONTROL, STRING, STRING_ESCAPE, CHARSET };

void needle_init(struct needle *n, const char *text)
{
    n->text = mem_str(text);
    n->len = strlen(text);
    n->back = mem_array(n->len + 1, sizeof *n->back);
    for (size_t i = 1, k = 0; i < n->len; i++) {
        while (k > 0 && text[i] != text[k])
            k = n->back[k];
        if (text[i] == text[k])
            k++;
        n->back[i + 1] = k;
    }
}

void needle_free(struct needle *n)
{
    free(n->text);
    free(n->back);
    *n = (struct needle){ 0 };
}

static enum state after_escape(uint8_t c)
{
    if (c == '[')
        return CONTROL;
    if (c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_')
        return STRING;
    if (c >= ' ' && c <= '/')
        return CHARSET;
    return c == ESC ? ESCAPE : TEXT;
}

/* The state behind C; TEXT before and after means that C is text. */
static enum state next(enum state s, uint8_t c)
{
    switch (s) {
    case TEXT: return c == ESC ? ESCAPE : TEXT;
    case ESCAPE: return after_escape(c);
    case CONTROL: return c == ESC ? ESCAPE : c >= '@' && c <= '~' ? TEXT : CONTROL;
    case STRING: return c == ESC ? STRING_ESCAPE : c == BEL ? TEXT : STRING;
    case STRING_ESCAPE: return c == '\\' ? TEXT : after_escape(c);
    case CHARSET: return c >= ' ' && c <= '/' ? CHARSET : TEXT;
    }
    return TEXT;
}

static bool step(struct match *m, const struct needle *n, uint8_t c)
{
    while (m->at > 0 && (m->at == n->len || (uint8_t)n->text[m->at] != c))
        m->at = n->back[m->at];
    if (m->at < n->len && (uint8_t)n->text[m->at] == c)
        m->at++;
    return m->at == n->len;
}

bool match_add(struct match *m, const struct needle *n, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t c = bytes[i];
        /* A sequence that never ends must not hide the rest of the output: no sequence crosses a line. */
        if (c == '\n') {
            *m = (struct match){ 0 };
            continue;
        }
        enum state was = (enum state)m->state, now = next(was, c);
        m->state = (int)now;
        if (was != TEXT || now != TEXT || ((c < ' ' || c == DEL) && c != '\t'))
            continue;
        if (step(m, n, c))
            return true;
    }
    return n->len == 0;
}
