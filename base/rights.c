#include "base/rights.h"

#include <stdio.h>
#include <string.h>

#include "base/attr.h"

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
};

uint32_t rights_of_word(const char *word)
{
    for (size_t i = 0; i < countof(words); i++)
        if (strcmp(word, words[i].word) == 0)
            return words[i].bits | RIGHT_STATUS | (words[i].bits & RIGHT_FILES_WRITE ? RIGHT_FILES_CREATE : 0);
    return 0;
}

uint32_t rights_of_words(const char *list, char *unknown, size_t size)
{
    uint32_t rights = 0;
    unknown[0] = '\0';
    for (list += strspn(list, " \t"); *list; list += strspn(list, " \t")) {
        char word[32];
        size_t len = strcspn(list, " \t");
        snprintf(word, sizeof word, "%.*s", (int)(len < sizeof word ? len : sizeof word), list);
        uint32_t bits = rights_of_word(word);
        if (bits == 0) {
            snprintf(unknown, size, "%.*s", (int)(len < size ? len : size), list);
            return 0;
        }
        rights |= bits;
        list += len;
    }
    return rights;
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

const char *rights_words(void)
{
    static char text[256];
    size_t at = 0;
    for (size_t i = 0; i < countof(words) && at < sizeof text; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", at ? " " : "", words[i].word);
    return text;
}
