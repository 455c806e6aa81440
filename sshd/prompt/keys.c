#include "sshd/prompt/keys.h"

#include <string.h>
#include <wctype.h>

#include "base/attr.h"

enum state { PLAIN, ESCAPE, SEQUENCE, STRING, STRING_ESCAPE };

static const struct { const char *sequence; int key; } sequences[] = {
    { "A", KEY_UP }, { "B", KEY_DOWN }, { "C", KEY_RIGHT }, { "D", KEY_LEFT }, { "H", KEY_BEGIN }, { "F", KEY_END },
    { "1~", KEY_BEGIN }, { "7~", KEY_BEGIN }, { "4~", KEY_END }, { "8~", KEY_END }, { "3~", KEY_DELETE },
    { "1;5C", KEY_WORD_RIGHT }, { "1;3C", KEY_WORD_RIGHT }, { "5C", KEY_WORD_RIGHT }, { "1;5D", KEY_WORD_LEFT }, { "1;3D", KEY_WORD_LEFT },
    { "5D", KEY_WORD_LEFT }, { "3;5~", KEY_WORD_DELETE },
};

static const struct { uint8_t byte; int key; } escaped[] = {
    { 'b', KEY_WORD_LEFT }, { 'f', KEY_WORD_RIGHT }, { 'd', KEY_WORD_DELETE }, { KEY_ERASE, KEY_WORD_ERASE }, { '\b', KEY_WORD_ERASE },
};

static bool end_sequence(struct keys *k, wchar_t *key)
{
    k->state = PLAIN;
    if (k->size > KEYS_SEQUENCE)
        return false;
    k->sequence[k->size] = '\0';
    for (size_t i = 0; i < countof(sequences); i++)
        if (strcmp(sequences[i].sequence, k->sequence) == 0) {
            *key = sequences[i].key;
            return true;
        }
    return false;
}

static bool in_sequence(struct keys *k, uint8_t byte, wchar_t *key)
{
    if (k->size < KEYS_SEQUENCE)
        k->sequence[k->size++] = (char)byte;
    else
        k->size = KEYS_SEQUENCE + 1;
    return byte >= 0x40 && byte < 0x7f && end_sequence(k, key);
}

static bool after_escape(struct keys *k, uint8_t byte, wchar_t *key)
{
    k->state = byte == '[' || byte == 'O' ? SEQUENCE : byte && strchr("]P_^X", byte) ? STRING : PLAIN;
    k->size = 0;
    for (size_t i = 0; k->state == PLAIN && i < countof(escaped); i++)
        if (escaped[i].byte == byte) {
            *key = escaped[i].key;
            return true;
        }
    return false;
}

/* What a terminal answers to questions that nobody asked here. */
static void in_string(struct keys *k, uint8_t byte)
{
    if (byte == '\a' || (k->state == STRING_ESCAPE && byte == '\\'))
        k->state = PLAIN;
    else
        k->state = STRING;
}

static bool control(struct keys *k, uint8_t byte, wchar_t *key)
{
    bool string = k->state == STRING || k->state == STRING_ESCAPE;
    k->missing = 0;
    if (byte == 0x1b) {
        k->state = string ? STRING_ESCAPE : ESCAPE;
        return false;
    }
    if (string && byte == '\a') {
        k->state = PLAIN;
        return false;
    }
    if (k->state == ESCAPE && byte == '\b')
        return after_escape(k, byte, key);
    k->state = PLAIN;
    /* Codes that stand for other keys are nobody's to type. */
    if (byte == 0 || byte == KEY_DELETE || byte >= KEY_WORD_RIGHT)
        return false;
    *key = byte == '\r' ? KEY_ENTER : byte;
    return true;
}

/* Shortest form only, no surrogates, up to 0x10ffff: what is wrong vanishes, and what follows is read anew. */
static bool utf8(struct keys *k, uint8_t byte, wchar_t *key)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (k->missing && (byte & 0xc0) == 0x80) {
        k->point = k->point << 6 | (byte & 0x3f);
        if (--k->missing)
            return false;
        bool good = k->point >= least[k->bytes] && k->point <= 0x10ffff && (k->point & 0xfffff800) != 0xd800 && iswprint((wint_t)k->point);
        *key = (wchar_t)k->point;
        return good;
    }
    k->bytes = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    k->missing = byte >= 0xc2 && byte < 0xf5 ? k->bytes - 1 : 0;
    k->point = byte & (0x7fu >> k->bytes);
    return false;
}

bool keys_take(struct keys *k, uint8_t byte, wchar_t *key)
{
    if (byte < 0x20)
        return control(k, byte, key);
    if (k->state == SEQUENCE)
        return in_sequence(k, byte, key);
    if (k->state == ESCAPE)
        return after_escape(k, byte, key);
    if (k->state != PLAIN) {
        in_string(k, byte);
        return false;
    }
    if (byte >= 0x80)
        return utf8(k, byte, key);
    k->missing = 0;
    *key = byte;
    return true;
}
