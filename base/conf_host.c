/* Whose the uids and gids of this machine are, beside ours.  Files are read as files: a process of root loads no name service modules. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf_table.h"
#include "base/mem.h"

struct search {
    uint64_t first, n;     /* ours */
    const uid_t *but;      /* roles, which stand there rightly */
    size_t nbut;
    char *text;
    size_t size;
};

static bool meets(const struct search *s, uint64_t first, uint64_t n)
{
    for (size_t i = 0; n == 1 && i < s->nbut; i++)
        if (first == s->but[i])
            return false;
    return first < s->first + s->n && s->first < first + n;
}

static bool found(const struct search *s, const char *file, const char *name, uint64_t first, uint64_t n)
{
    if (!meets(s, first, n))
        return false;
    if (n == 1)
        snprintf(s->text, s->size, "%s in %s has %llu", name, file, (unsigned long long)first);
    else
        snprintf(s->text, s->size, "%s in %s has %llu to %llu", name, file, (unsigned long long)first, (unsigned long long)(first + n - 1));
    return true;
}

static bool users(const struct search *s, const char *file, FILE *f)
{
    bool is = false;
    for (struct passwd *p; !is && (p = fgetpwent(f)) != NULL;)
        is = found(s, file, p->pw_name, p->pw_uid, 1);
    return is;
}

static bool groups(const struct search *s, const char *file, FILE *f)
{
    bool is = false;
    for (struct group *g; !is && (g = fgetgrent(f)) != NULL;)
        is = found(s, file, g->gr_name, g->gr_gid, 1);
    return is;
}

/* NAME:FIRST:COUNT */
static bool ranges(const struct search *s, const char *file, FILE *f)
{
    char line[512], name[64];
    unsigned long long first, n;
    bool is = false;
    while (!is && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, " %63[^:#\n]:%llu:%llu", name, &first, &n) == 3 && n > 0 && first < UINT32_MAX && n <= UINT32_MAX)
            is = found(s, file, name, first, n);
    return is;
}

bool conf_host_meets(const char *etc, uint64_t first, uint64_t n, const uid_t *but, size_t nbut, char *text, size_t size)
{
    static const struct { const char *name; bool (*look)(const struct search *, const char *, FILE *); } files[] = {
        { "passwd", users }, { "group", groups }, { "subuid", ranges }, { "subgid", ranges },
    };
    const struct search s = { first, n, but, nbut, text, size };
    bool is = false;
    for (size_t i = 0; !is && i < countof(files); i++) {
        FREE_MEM char *path = mem_fmt("%s/%s", etc, files[i].name);
        FILE *f = fopen(path, "re");
        if (f == NULL)
            continue;   /* subuid need not be there, and a user that is asked for is missed elsewhere */
        is = files[i].look(&s, path, f);
        fclose(f);
    }
    return is;
}
