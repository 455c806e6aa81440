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
    { "files", RIGHT_FILES_READ | RIGHT_FILES_WRITE | RIGHT_FILES_DELETE },
    { "backup", RIGHT_BACKUP_CREATE | RIGHT_BACKUP_READ },
    { "*", RIGHT_ALL },
};

uint32_t rights_of_word(const char *word)
{
    for (size_t i = 0; i < countof(words); i++)
        if (strcmp(word, words[i].word) == 0)
            return words[i].bits | RIGHT_STATUS;
    return 0;
}

const char *rights_text(uint32_t bits, char *buf, size_t size)
{
    size_t at = 0;
    buf[0] = '\0';
    for (size_t i = 0; i < RIGHT_COUNT && at < size; i++)
        if (bits & words[i].bits)
            at += (size_t)snprintf(buf + at, size - at, "%s%s", at ? " " : "", words[i].word);
    return buf;
}
