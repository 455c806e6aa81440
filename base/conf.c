#include "base/conf.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/conf_table.h"
#include "base/die.h"
#include "base/mem.h"

/* `here` is another struct in each section, so each table stands in a function of its own. */
#define O(field, word, kind, fallback, what, words) \
    { .key = word, .type = CONF_TYPE_##kind, .def = fallback, .unit = what, .help = words, \
      .offset = offsetof(here, field) },
#define S(SECTION, word, tag, named, file) \
    static const struct conf_option *options_##tag(size_t *n) \
    { \
        typedef struct conf_##tag here; \
        static const struct conf_option table[] = { SECTION(O) }; \
        *n = countof(table); \
        return table; \
    }
CONF_SECTIONS(S)
#undef S
#undef O

#define PLACE_false(tag) .place = offsetof(struct conf, tag)
#define PLACE_true(tag) .place = offsetof(struct conf, tag##s), .count = offsetof(struct conf, n##tag##s)
#define S(SECTION, section_word, tag, is_named, from) \
    { .word = section_word, .named = is_named, .file = from, .options = options_##tag, \
      .size = sizeof(struct conf_##tag), PLACE_##is_named(tag) },
const struct conf_section conf_sections[] = { CONF_SECTIONS(S) };
#undef S
const size_t conf_nsections = countof(conf_sections);

/* What each named section's struct begins with. */
struct named { char *name, *where; };

static void *array_of(const struct conf *c, const struct conf_section *s)
{
    void *array;
    memcpy(&array, (const char *)c + s->place, sizeof array);
    return array;
}

size_t *conf_count(struct conf *c, const struct conf_section *s)
{
    return (size_t *)(void *)((char *)c + s->count);
}

void *conf_at(struct conf *c, const struct conf_section *s, size_t i)
{
    return s->named ? (char *)array_of(c, s) + i * s->size : (char *)c + s->place;
}

void *conf_add(struct conf *c, const struct conf_section *s, const char *name, const char *where)
{
    size_t *n = conf_count(c, s);
    char *array = mem_grow(array_of(c, s), *n + 1, s->size);
    memcpy((char *)c + s->place, &array, sizeof array);
    void *at = array + *n * s->size;
    memset(at, 0, s->size);
    struct named head = { mem_str(name), mem_str(where) };
    memcpy(at, &head, sizeof head);
    conf_defaults(s, at);
    ++*n;
    return at;
}

static void default_of(const struct conf_option *o, void *field)
{
    const struct conf_type *t = &conf_types[o->type];
    if (o->def == NULL || (t->many && o->def[0] == '\0'))
        return;
    struct err why = { 0 };
    const char *text = o->def;
    FREE_MEM char *item = NULL;
    if (!t->many) {
        item = mem_str(text);
        text = "";
    }
    do {
        if (t->many) {
            size_t len = strcspn(text, " ");
            free(item);
            item = mem_strn(text, len);
            text += len + strspn(text + len, " ");
        }
        /* A user of the default name may not be there yet: conf_check asks for it, so that no more than a path can be
           read without. */
        if (t->parse(o, field, item, &why) < 0 && o->type != CONF_TYPE_USER)
            bug("default of %s: %s", o->key, why.text);
    } while (*text);
}

void conf_defaults(const struct conf_section *s, void *at)
{
    size_t n;
    const struct conf_option *o = s->options(&n);
    for (size_t i = 0; i < n; i++)
        default_of(&o[i], (char *)at + o[i].offset);
}

void conf_section_free(const struct conf_section *s, void *at)
{
    size_t n;
    const struct conf_option *o = s->options(&n);
    for (size_t i = 0; i < n; i++)
        if (conf_types[o[i].type].free)
            conf_types[o[i].type].free((char *)at + o[i].offset);
    if (s->named) {
        struct named head;
        memcpy(&head, at, sizeof head);
        free(head.name);
        free(head.where);
    }
}

void conf_init(struct conf *c)
{
    memset(c, 0, sizeof *c);
    for (size_t i = 0; i < conf_nsections; i++)
        if (!conf_sections[i].named)
            conf_defaults(&conf_sections[i], conf_at(c, &conf_sections[i], 0));
}

/* Most of a large configuration.  In a mapping that a fork leaves out: copying the tables of its pages for each connection took longer than
   most of the login. */
static size_t keys_size(const struct conf *c)
{
    size_t size = 0;
    for (size_t i = 0; i < c->naccounts; i++)
        for (size_t j = 0; j < c->accounts[i].key.n; j++)
            size += sizeof(char *) + strlen(c->accounts[i].key.v[j]) + 1;
    return size;
}

static void take_in(struct conf_account *a, char ***pointers, char **texts)
{
    char **v = *pointers;
    for (size_t i = 0; i < a->key.n; i++) {
        size_t size = strlen(a->key.v[i]) + 1;
        v[i] = memcpy(*texts, a->key.v[i], size);
        *texts += size;
        free(a->key.v[i]);
    }
    free(a->key.v);
    a->key.v = v;
    *pointers += a->key.n;
}

void conf_pack(struct conf *c)
{
    enum { WORTH_IT = 64 * 1024 };
    size_t n = 0, size = keys_size(c);
    if (c->keys || size < WORTH_IT)
        return;
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED || madvise(at, size, MADV_DONTFORK) < 0)
        die_errno("configuration: %zu bytes of keys", size);
    for (size_t i = 0; i < c->naccounts; i++)
        n += c->accounts[i].key.n;
    char **pointers = at, *texts = (char *)(pointers + n);
    for (size_t i = 0; i < c->naccounts; i++)
        take_in(&c->accounts[i], &pointers, &texts);
    c->keys = at;
    c->nkeys = size;
    malloc_trim(0);
}

static void unpack(struct conf *c)
{
    if (c->keys == NULL)
        return;
    for (size_t i = 0; i < c->naccounts; i++) {
        c->accounts[i].key.v = NULL;
        c->accounts[i].key.n = 0;
    }
    munmap(c->keys, c->nkeys);
}

void conf_free(struct conf *c)
{
    unpack(c);
    for (size_t i = 0; i < conf_nsections; i++) {
        const struct conf_section *s = &conf_sections[i];
        size_t n = s->named ? *conf_count(c, s) : 1;
        for (size_t j = 0; j < n; j++)
            conf_section_free(s, conf_at(c, s, j));
        if (s->named)
            free(array_of(c, s));
    }
    memset(c, 0, sizeof *c);
}

void conf_error(struct conf_errors *e, const char *where, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0)
        die("out of memory");
    e->v = mem_grow(e->v, e->n + 1, sizeof *e->v);
    e->v[e->n++] = mem_fmt("%s: %s", where, text);
    free(text);
}

void conf_errors_free(struct conf_errors *e)
{
    for (size_t i = 0; i < e->n; i++)
        free(e->v[i]);
    free(e->v);
    *e = (struct conf_errors){ 0 };
}

static int by_name(const void *name, const void *at)
{
    struct named head;
    memcpy(&head, at, sizeof head);
    return strcmp(name, head.name);
}

const struct conf_account *conf_account(const struct conf *c, const char *name)
{
    return c->naccounts ? bsearch(name, c->accounts, c->naccounts, sizeof *c->accounts, by_name) : NULL;
}

const struct conf_server *conf_server(const struct conf *c, const char *name)
{
    return c->nservers ? bsearch(name, c->servers, c->nservers, sizeof *c->servers, by_name) : NULL;
}
