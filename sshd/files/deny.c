#include "sshd/files/deny.h"

#include <fnmatch.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct names {
    char *text, **v;
    size_t n;
    bool up;   /* there was a ".." */
};

struct pattern {
    char *text;
    bool anchored;
    struct names names;
};

struct deny {
    struct pattern *v;
    size_t n;
};

static void split(struct names *s, const char *path)
{
    char *rest;
    *s = (struct names){ .text = mem_str(path) };
    for (char *one = strtok_r(s->text, "/", &rest); one; one = strtok_r(NULL, "/", &rest)) {
        if (strcmp(one, "..") == 0)
            s->up = true;
        else if (strcmp(one, ".") != 0) {
            s->v = mem_grow(s->v, s->n + 1, sizeof *s->v);
            s->v[s->n++] = one;
        }
    }
}

static void names_free(struct names *s)
{
    free(s->text);
    free(s->v);
}

struct deny *deny_new(void)
{
    return mem_new(sizeof(struct deny));
}

void deny_free(struct deny *d)
{
    for (size_t i = 0; d && i < d->n; i++) {
        free(d->v[i].text);
        names_free(&d->v[i].names);
    }
    if (d)
        free(d->v);
    free(d);
}

void deny_add(struct deny *d, const char *text)
{
    d->v = mem_grow(d->v, d->n + 1, sizeof *d->v);
    struct pattern *p = &d->v[d->n++];
    *p = (struct pattern){ .text = mem_str(text), .anchored = strchr(text, '/') != NULL };
    split(&p->names, text);
}

/* An error of fnmatch hides, too. */
static bool fits(const char *pattern, const char *name)
{
    return fnmatch(pattern, name, 0) != FNM_NOMATCH;
}

static bool first_fit(const struct pattern *p, const struct names *path, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!fits(p->names.v[i], path->v[i]))
            return false;
    return true;
}

static bool hides(const struct pattern *p, const struct names *path)
{
    if (p->anchored)
        return !path->up && path->n >= p->names.n && first_fit(p, path, p->names.n);
    for (size_t i = 0; i < path->n; i++)
        if (fits(p->text, path->v[i]))
            return true;
    return false;
}

static bool holds(const struct pattern *p, const struct names *path)
{
    return p->anchored && path->n > 0 && path->n < p->names.n && first_fit(p, path, path->n);
}

static const char *find(const struct deny *d, const char *path, bool (*is)(const struct pattern *p, const struct names *path))
{
    struct names names;
    const char *found = NULL;
    split(&names, path);
    for (size_t i = 0; i < d->n && found == NULL; i++)
        if (is(&d->v[i], &names))
            found = d->v[i].text;
    names_free(&names);
    return found;
}

const char *deny_hides(const struct deny *d, const char *path)
{
    return find(d, path, hides);
}

const char *deny_holds(const struct deny *d, const char *path)
{
    return find(d, path, holds);
}
