#include "store/archive/path.h"

#include <stddef.h>
#include <string.h>

const char *path_clean(const char *raw, char *out)
{
    size_t len = 0;
    unsigned depth = 0;
    for (size_t n; *raw; raw += n) {
        raw += strspn(raw, "/");
        n = strcspn(raw, "/");
        if (n == 0 || (n == 1 && raw[0] == '.'))
            continue;
        if (n == 2 && raw[0] == '.' && raw[1] == '.')
            return "'..' is not allowed in a path";
        if (n > PART_BYTES)
            return "a name of more than 255 bytes";
        if (len + 1 + n > PATH_BYTES)
            return "a path of more than 4095 bytes";
        if (++depth > PATH_DEPTH)
            return "more than 128 folders deep";
        if (len)
            out[len++] = '/';
        memcpy(out + len, raw, n);
        len += n;
    }
    out[len] = '\0';
    return NULL;
}

const char *path_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}
