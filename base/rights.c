#include "base/rights.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/attr.h"

enum { WORD_MOST = 40 };

static const struct {
    const char *word;
    uint32_t bits;
} words[] = {
#define R(bit, word, help) { word, bit },
    RIGHTS(R)
#undef R
    { "restart", RIGHT_START | RIGHT_STOP },
    { "files", RIGHT_FILES },
    { "backup", RIGHT_BACKUP_CREATE | RIGHT_BACKUP_READ },
    { "*", RIGHT_ALL },
}, roles[] = {
#define R(word, help, bits) { word, bits },
    ROLES(R)
#undef R
};

/* Without status, which is nothing that a word takes away. */
static uint32_t meaning(const char *word, size_t size)
{
    for (size_t i = 0; i < countof(words); i++)
        if (strlen(words[i].word) == size && memcmp(word, words[i].word, size) == 0)
            return words[i].bits | (words[i].bits & RIGHT_FILES_WRITE ? RIGHT_FILES_CREATE : 0);
    for (size_t i = 0; i < countof(roles); i++)
        if (strlen(roles[i].word) == size && memcmp(word, roles[i].word, size) == 0)
            return roles[i].bits;
    return 0;
}

uint32_t rights_of_word(const char *word)
{
    uint32_t bits = meaning(word, strlen(word));
    return bits ? bits | RIGHT_STATUS : 0;
}

static int wrong(char *why, size_t size, const char *fmt, ...) PRINTF(3, 4);

static int wrong(char *why, size_t size, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, size, fmt, ap);
    va_end(ap);
    return -1;
}

int rights_parse(const char *text, uint32_t *bits, char *why, size_t size)
{
    uint32_t given = 0, taken = 0;
    bool no_status = false;
    size_t len;
    for (const char *at = text + strspn(text, " \t"); *at; at += len, at += strspn(at, " \t")) {
        len = strcspn(at, " \t");
        bool takes = *at == '-';
        uint32_t one = meaning(at + takes, len - takes);
        char known[256];
        if (one == 0)
            return wrong(why, size, "'%.*s' is no right; allowed: %s, -WORD",
                         (int)(len < WORD_MOST ? len : WORD_MOST), at, rights_words(known, sizeof known));
        no_status |= takes && one == RIGHT_STATUS;
        *(takes ? &taken : &given) |= one;
    }
    uint32_t left = given & ~taken;
    if (given == 0)
        return wrong(why, size, "no right named");
    if (left == 0)
        return wrong(why, size, "no right is left");
    if (no_status && (left & ~(uint32_t)RIGHT_STATUS))
        return wrong(why, size, "status comes with every other right; it cannot be taken away alone");
    if ((left & RIGHT_FILES_WRITE) && !(left & RIGHT_FILES_CREATE))
        return wrong(why, size, "files.create comes with files.write; it cannot be taken away alone");
    *bits = left | RIGHT_STATUS;
    return 0;
}

const char *rights_text(uint32_t bits, char *buf, size_t size)
{
    size_t at = 0;
    buf[0] = '\0';
    if (bits & RIGHT_FILES_WRITE)
        bits &= ~(uint32_t)RIGHT_FILES_CREATE;
    for (size_t i = 0; i < RIGHT_COUNT && at < size; i++)
        if (bits & words[i].bits)
            at += (size_t)snprintf(buf + at, size - at, "%s%s", at ? " " : "", words[i].word);
    return buf;
}

const char *rights_role(uint32_t bits)
{
    for (size_t i = 0; i < countof(roles); i++)
        if (roles[i].bits == bits)
            return roles[i].word;
    return NULL;
}

const char *rights_words(char *buf, size_t size)
{
    size_t at = 0;
    buf[0] = '\0';
    for (size_t i = 0; i < countof(words) && at < size; i++)
        at += (size_t)snprintf(buf + at, size - at, "%s ", words[i].word);
    for (size_t i = 0; i < countof(roles) && at < size; i++)
        at += (size_t)snprintf(buf + at, size - at, "%s%s", roles[i].word, i + 1 < countof(roles) ? " " : "");
    return buf;
}
