#include "sshd/tool/config.h"

#include <string.h>

#include "base/conf_table.h"
#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"

enum { FILE_MOST = 1 << 20 };

static char *fallback(const char *section, const char *key)
{
    for (size_t i = 0; i < conf_nsections; i++) {
        size_t n;
        const struct conf_option *o = conf_sections[i].options(&n);
        for (size_t j = 0; j < n; j++)
            if (strcmp(conf_sections[i].word, section) == 0 && strcmp(o[j].key, key) == 0)
                return mem_str(o[j].def);
    }
    bug("no option %s in [%s]", key, section);
}

static char *trimmed(const char *text, size_t len)
{
    while (len && strchr(" \t\r", text[0]))
        text++, len--;
    while (len && strchr(" \t\r", text[len - 1]))
        len--;
    if (len >= 2 && (text[0] == '"' || text[0] == '\'') && text[len - 1] == text[0])
        return mem_strn(text + 1, len - 2);
    return mem_strn(text, len);
}

/* The value of KEY on a line of LEN bytes, up to a comment; NULL when the line is another's. */
static char *value_of(const char *line, size_t len, const char *key)
{
    const char *equals = memchr(line, '=', len);
    if (equals == NULL)
        return NULL;
    FREE_MEM char *word = trimmed(line, (size_t)(equals - line));
    if (strcmp(word, key) != 0)
        return NULL;
    const char *value = equals + 1;
    size_t rest = len - (size_t)(value - line);
    const char *comment = memmem(value, rest, " ;", 2);
    return trimmed(value, comment ? (size_t)(comment - value) : rest);
}

static char *find(const char *text, const char *section, const char *key)
{
    FREE_MEM char *head = mem_fmt("[%s]", section);
    bool inside = false;
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\n");
        const char *start = line + strspn(line, " \t");
        if (*start == '[')
            inside = strncmp(start, head, strlen(head)) == 0;
        char *value = inside ? value_of(line, len, key) : NULL;
        if (value)
            return value;
        line += len + (line[len] == '\n');
    }
    return NULL;
}

char *config_value(const char *folder, const char *section, const char *key)
{
    FREE_MEM char *path = mem_fmt("%s/holdfast.ini", folder);
    FREE_MEM char *text = io_read_file(path, FILE_MOST, NULL, NULL);
    char *value = text ? find(text, section, key) : NULL;
    return value ? value : fallback(section, key);
}
