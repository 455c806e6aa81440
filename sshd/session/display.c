#include "sshd/session/display.h"

#include <stdbool.h>
#include <string.h>

enum state { TEXT, CHARACTER, ESCAPE, SEQUENCE, STRING, STRING_ESCAPE };
enum { BEL = 0x07, CAN = 0x18, SUB = 0x1a, ESC = 0x1b, DEL = 0x7f };

/* Bytes of the character that FIRST begins; 0: none does. */
static size_t length(uint8_t first)
{
    return first >= 0xc2 && first <= 0xdf ? 2 : first >= 0xe0 && first <= 0xef ? 3 : first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

/* Whether BYTE may stand second behind FIRST: neither overlong, nor a surrogate, nor past the last character. */
static bool second(uint8_t first, uint8_t byte)
{
    uint8_t least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80, most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    return byte >= least && byte <= most;
}

static size_t release(struct display *d, uint8_t *out)
{
    size_t n = d->size;
    memcpy(out, d->held, n);
    d->size = 0;
    d->state = TEXT;
    return n;
}

static void hold(struct display *d, enum state state, uint8_t byte)
{
    d->state = state;
    d->held[d->size++] = byte;
}

static size_t text(struct display *d, uint8_t byte, uint8_t *out)
{
    if (byte == ESC) {
        hold(d, ESCAPE, byte);
    } else if (length(byte)) {
        hold(d, CHARACTER, byte);
    } else if (byte >= 0x80) {
        *out = '?';
        return 1;
    } else if ((byte >= ' ' && byte != DEL) || (byte >= BEL && byte <= '\n') || byte == '\r') {
        *out = byte;
        return 1;
    }
    return 0;
}

/* Characters that are obeyed, not shown: C1 controls have a form in UTF-8 as well, and there are some that make the line read in another order than it
   was written. */
static bool controls(const uint8_t *p, size_t size)
{
    if (size == 2)
        return p[0] == 0xc2 && p[1] < 0xa0;
    return size == 3 && p[0] == 0xe2 && ((p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae) || (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9));
}

static size_t character(struct display *d, uint8_t byte, uint8_t *out)
{
    bool fits = d->size == 1 ? second(d->held[0], byte) : (byte & 0xc0) == 0x80;
    if (!fits) {
        d->size = 0;
        d->state = TEXT;
        *out = '?';
        return 1 + text(d, byte, out + 1);
    }
    hold(d, CHARACTER, byte);
    if (d->size < length(d->held[0]))
        return 0;
    if (controls(d->held, d->size))
        d->size = 0;
    return release(d, out);
}

static void forget(struct display *d, enum state state)
{
    d->size = 0;
    d->state = state;
}

static void escape(struct display *d, uint8_t byte)
{
    if (byte == '[')
        hold(d, SEQUENCE, byte);
    else if (byte == ']' || byte == 'P' || byte == 'X' || byte == '^' || byte == '_')
        forget(d, STRING);
    else if (byte < ' ' || byte > '/')   /* else an intermediate byte: more follow */
        forget(d, TEXT);
}

/* Parameters are digits and separators; a private or an intermediate byte makes it another sequence. */
static bool harmless(const struct display *d, uint8_t final)
{
    for (size_t i = 2; i < d->size; i++)
        if (d->held[i] < '0' || d->held[i] > ';')
            return false;
    return final == 'm' || final == 'K';
}

/* An SGR, final byte included, that switches all off. */
static bool resets(const struct display *d)
{
    for (size_t i = 2; i < d->size - 1; i++)
        if (d->held[i] != '0')
            return false;
    return true;
}

static size_t sequence(struct display *d, uint8_t byte, uint8_t *out)
{
    if (byte >= ' ' && byte < '@') {
        /* One that is too long is kept as long as it goes on, so that its end is not shown, and is no good then. */
        if (d->size == DISPLAY_HELD - 1)
            d->held[2] = '?';
        else
            hold(d, SEQUENCE, byte);
    } else if (byte >= '@' && byte < DEL && harmless(d, byte)) {
        hold(d, TEXT, byte);
        if (byte == 'm')
            d->coloured = !resets(d);
        return release(d, out);
    } else {
        forget(d, TEXT);
    }
    return 0;
}

static size_t one(struct display *d, uint8_t byte, uint8_t *out)
{
    bool within = d->state != TEXT && d->state != CHARACTER;
    /* What ends any sequence.  The line's end counts, so that a string never finished hides one line, not all that follow. */
    if (within && (byte == CAN || byte == SUB || byte == '\n' || (byte == ESC && d->state != STRING))) {
        forget(d, TEXT);
        return text(d, byte, out);
    }
    switch ((enum state)d->state) {
    case TEXT: return text(d, byte, out);
    case CHARACTER: return character(d, byte, out);
    case ESCAPE: escape(d, byte); return 0;
    case SEQUENCE: return sequence(d, byte, out);
    case STRING:
        d->state = byte == BEL ? TEXT : byte == ESC ? STRING_ESCAPE : STRING;
        return 0;
    case STRING_ESCAPE:
        /* The string's end is a sequence by itself, and so is anything else that begins here. */
        hold(d, ESCAPE, ESC);
        escape(d, byte);
        return 0;
    }
    return 0;
}

size_t display(struct display *d, const uint8_t *bytes, size_t size, uint8_t *out)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++)
        n += one(d, bytes[i], out + n);
    return n;
}

size_t display_end(struct display *d, uint8_t *out)
{
    static const char plain[] = "\033[0m";
    size_t n = d->coloured ? sizeof plain - 1 : 0;
    memcpy(out, plain, n);
    *d = (struct display){ 0 };
    return n;
}
