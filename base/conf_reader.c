#include "base/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf_table.h"
#include "base/mem.h"

/* A section that was given: where, and where each of its keys. */
struct given {
    const struct conf_section *s;
    char *name;      /* NULL in an unnamed one */
    char *where;
    char **keys;     /* "FILE:LINE" of each option, NULL while not given */
    size_t place;    /* in the array of its kind, until that is sorted */
};

struct conf_reader {
    struct conf *c;
    struct conf_errors *errors;
    struct given *given;
    size_t n;
    uint32_t *slots; /* where in `given`, plus 1, by a hash of section and name; 0: free.  A power of two, never more than half full */
    size_t nslots;
    char *last;      /* the section text reported as wrong: said once, not at each key */
};

struct conf_reader *conf_reader_new(struct conf *c, struct conf_errors *errors)
{
    struct conf_reader *r = mem_new(sizeof *r);
    r->c = c;
    r->errors = errors;
    return r;
}

static size_t least3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Single-letter edits between two words; long words are never near. */
static size_t distance(const char *a, const char *b)
{
    enum { MOST = 40 };
    size_t n = strlen(b), row[MOST + 1];
    if (n > MOST || strlen(a) > MOST)
        return MOST;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t corner = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            size_t above = row[j + 1];
            row[j + 1] = least3(above + 1, row[j] + 1, corner + (a[i] != b[j]));
            corner = above;
        }
    }
    return row[n];
}

struct nearest { const char *wrong, *best; size_t far; };

static void consider(struct nearest *near, struct buf *all, const char *word)
{
    size_t far = distance(near->wrong, word);
    if (far < near->far) {
        near->far = far;
        near->best = word;
    }
    buf_put_fmt(all, "%s%s", buf_size(all) ? " " : "", word);
}

/* "did you mean ...; allowed: ..." */
static void report_unknown(struct conf_reader *r, const char *where, const char *what, struct nearest *near,
                           struct buf *all)
{
    bool close = near->best && near->far <= 1 + strlen(near->wrong) / 4;
    conf_error(r->errors, where, "unknown %s '%.60s'%s%s%s; allowed: %.*s", what, near->wrong,
               close ? ", did you mean '" : "", close ? near->best : "", close ? "'?" : "", (int)buf_size(all),
               (const char *)buf_head(all));
}

static void unknown_section(struct conf_reader *r, enum conf_file file, const char *where, const char *word)
{
    BUF_FREE struct buf all = BUF(4096);
    struct nearest near = { .wrong = word, .far = SIZE_MAX };
    for (size_t i = 0; i < conf_nsections; i++)
        if (conf_sections[i].file == file)
            consider(&near, &all, conf_sections[i].word);
    report_unknown(r, where, "section", &near, &all);
}

static const struct conf_option *option_of(struct conf_reader *r, const struct conf_section *s, const char *where,
                                           const char *key, size_t *index)
{
    size_t n;
    const struct conf_option *o = s->options(&n);
    for (*index = 0; *index < n; ++*index)
        if (strcmp(o[*index].key, key) == 0)
            return &o[*index];
    BUF_FREE struct buf all = BUF(4096);
    struct nearest near = { .wrong = key, .far = SIZE_MAX };
    for (size_t i = 0; i < n; i++)
        consider(&near, &all, o[i].key);
    FREE_MEM char *what = mem_fmt("key in [%s]:", s->word);
    report_unknown(r, where, what, &near, &all);
    return NULL;
}

static const struct conf_section *section_of(enum conf_file file, const char *word)
{
    for (size_t i = 0; i < conf_nsections; i++)
        if (conf_sections[i].file == file && strcmp(conf_sections[i].word, word) == 0)
            return &conf_sections[i];
    return NULL;
}

static bool same_name(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* The admin's own files: nobody chooses names to fall together. */
static size_t hash(const struct conf_section *s, const char *name)
{
    uint64_t h = (uint64_t)(s - conf_sections);
    for (; name && *name; name++)
        h = (h ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    return (size_t)(h ^ h >> 32);
}

/* The slot that has it, or the free one where it would be put. */
static uint32_t *slot_of(const struct conf_reader *r, const struct conf_section *s, const char *name)
{
    size_t i = hash(s, name) & (r->nslots - 1);
    for (; r->slots[i]; i = (i + 1) & (r->nslots - 1))
        if (r->given[r->slots[i] - 1].s == s && same_name(r->given[r->slots[i] - 1].name, name))
            break;
    return &r->slots[i];
}

static struct given *find(const struct conf_reader *r, const struct conf_section *s, const char *name)
{
    uint32_t place = r->n ? *slot_of(r, s, name) : 0;
    return place ? &r->given[place - 1] : NULL;
}

static void enter(struct conf_reader *r, size_t place)
{
    *slot_of(r, r->given[place].s, r->given[place].name) = (uint32_t)place + 1;
}

/* Room for one more. */
static void more_slots(struct conf_reader *r)
{
    if (r->nslots >= 2 * (r->n + 1))
        return;
    free(r->slots);
    r->nslots = r->nslots ? 2 * r->nslots : 64;
    r->slots = mem_array(r->nslots, sizeof *r->slots);
    for (size_t i = 0; i < r->n; i++)
        enter(r, i);
}

/* Splits "server survival"; *NAME is NULL when there is none.  The first word, owned. */
static char *split_section(const char *section, const char **name)
{
    size_t len = strcspn(section, " \t");
    const char *rest = section + len + strspn(section + len, " \t");
    *name = *rest ? rest : NULL;
    return mem_strn(section, len);
}

static const struct conf_section *section_checked(struct conf_reader *r, enum conf_file file, const char *where,
                                                  const char *section, const char **name)
{
    FREE_MEM char *word = split_section(section, name);
    const struct conf_section *s = section_of(file, word);
    if (s == NULL)
        unknown_section(r, file, where, word);
    else if (!s->named && *name)
        conf_error(r->errors, where, "section [%s] takes no name; allowed: [%s]", word, word);
    else if (s->named && *name == NULL)
        conf_error(r->errors, where, "section [%s] has no name; allowed: [%s NAME]", word, word);
    else if (s->named && !name_ok(*name))
        conf_error(r->errors, where,
                   "bad name '%.60s' of a section [%s]; allowed: 1 to %d of a-z 0-9 . _ -, the first a letter or digit",
                   *name, word, NAME_MOST);
    else
        return s;
    free(r->last);
    r->last = mem_str(section);
    return NULL;
}

static struct given *declare(struct conf_reader *r, const struct conf_section *s, const char *name, const char *where)
{
    size_t n;
    s->options(&n);
    r->given = mem_grow(r->given, r->n + 1, sizeof *r->given);
    more_slots(r);
    struct given *g = &r->given[r->n++];
    *g = (struct given){ .s = s, .name = mem_str(name), .where = mem_str(where), .keys = mem_array(n, sizeof(char *)) };
    enter(r, r->n - 1);
    if (s->named) {
        g->place = *conf_count(r->c, s);
        conf_add(r->c, s, name, where);
    }
    return g;
}

void conf_reader_section(struct conf_reader *r, enum conf_file file, const char *where, const char *section)
{
    const char *name;
    const struct conf_section *s = section_checked(r, file, where, section, &name);
    if (s == NULL)
        return;
    struct given *g = find(r, s, name);
    if (g)
        conf_error(r->errors, where, "section [%s] is given twice, first at %s", section, g->where);
    else
        declare(r, s, name, where);
}

static void *struct_of(const struct conf_reader *r, const struct given *g)
{
    return conf_at(r->c, g->s, g->place);
}

static void set(struct conf_reader *r, struct given *g, const struct conf_option *o, size_t i, const char *where,
                const char *value)
{
    const struct conf_type *t = &conf_types[o->type];
    void *field = (char *)struct_of(r, g) + o->offset;
    struct err why = { 0 };
    if (g->keys[i] && !t->many) {
        conf_error(r->errors, where, "'%s' is given twice, first at %s", o->key, g->keys[i]);
        return;
    }
    if (g->keys[i] == NULL) {
        g->keys[i] = mem_str(where);
        if (t->many)
            t->free(field);
    }
    if (t->parse(o, field, value, &why) < 0)
        conf_error(r->errors, where, "bad value '%.100s' of '%s'%s%s; allowed: %s", value, o->key,
                   why.text[0] ? ": " : "", why.text, o->unit);
}

void conf_reader_set(struct conf_reader *r, enum conf_file file, const char *where, const char *section,
                     const char *key, const char *value)
{
    const char *name;
    if (section[0] == '\0') {
        conf_error(r->errors, where, "'%.60s' stands before the first [section]", key);
        return;
    }
    if (r->last && strcmp(r->last, section) == 0)
        return;
    const struct conf_section *s = section_checked(r, file, where, section, &name);
    size_t i;
    const struct conf_option *o = s ? option_of(r, s, where, key, &i) : NULL;
    if (o == NULL)
        return;
    struct given *g = find(r, s, name);
    set(r, g ? g : declare(r, s, name, where), o, i, where, value);
}

static const char *where_of(const void *data, const struct conf_section *s, const char *name, const char *key)
{
    const struct given *g = find(data, s, name);
    size_t n;
    const struct conf_option *o = s->options(&n);
    if (g == NULL || key == NULL)
        return g ? g->where : NULL;
    for (size_t i = 0; i < n; i++)
        if (strcmp(o[i].key, key) == 0)
            return g->keys[i];
    return NULL;
}

static void check_required(struct conf_reader *r)
{
    for (size_t i = 0; i < r->n; i++) {
        size_t n;
        const struct conf_option *o = r->given[i].s->options(&n);
        for (size_t j = 0; j < n; j++)
            if (o[j].def == NULL && r->given[i].keys[j] == NULL)
                conf_error(r->errors, r->given[i].where, "[%s %s] has no '%s'; it must be given: %s",
                           r->given[i].s->word, r->given[i].name ? r->given[i].name : "", o[j].key, o[j].unit);
    }
}

static int by_name(const void *a, const void *b)
{
    char *one, *two;
    memcpy(&one, a, sizeof one);
    memcpy(&two, b, sizeof two);
    return strcmp(one, two);
}

static void sort(struct conf *c)
{
    for (size_t i = 0; i < conf_nsections; i++)
        if (conf_sections[i].named && *conf_count(c, &conf_sections[i]) > 1)
            qsort(conf_at(c, &conf_sections[i], 0), *conf_count(c, &conf_sections[i]), conf_sections[i].size, by_name);
}

static void reader_free(struct conf_reader *r)
{
    for (size_t i = 0; i < r->n; i++) {
        size_t n;
        r->given[i].s->options(&n);
        for (size_t j = 0; j < n; j++)
            free(r->given[i].keys[j]);
        free(r->given[i].keys);
        free(r->given[i].name);
        free(r->given[i].where);
    }
    free(r->given);
    free(r->slots);
    free(r->last);
    free(r);
}

void conf_reader_end(struct conf_reader *r)
{
    struct conf *c = r->c;
    sort(r->c);
    check_required(r);
    conf_check(r->c, r->errors, where_of, r);
    reader_free(r);
    conf_pack(c);
}
