#include "base/name.h"

#include <string.h>

static bool alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool name_ok(const char *name)
{
    size_t n = strnlen(name, NAME_MOST + 1);
    if (n == 0 || n > NAME_MOST || !alnum(name[0]))
        return false;
    for (size_t i = 1; i < n; i++)
        if (!alnum(name[i]) && name[i] != '.' && name[i] != '_' && name[i] != '-')
            return false;
    return true;
}

bool name_listed(const char *list, const char *name)
{
    size_t len = strlen(name);
    while (*list) {
        size_t n = strcspn(list, ",");
        if (n == len && memcmp(list, name, n) == 0)
            return true;
        list += n + (list[n] == ',');
    }
    return false;
}
