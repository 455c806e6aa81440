/* The tables of conf_options.h as data: what the reader, the printer and whoever lists options walk over.  For
   base/conf*.c and for programs that print or check samples; processes use base/conf.h. */
#ifndef BASE_CONF_TABLE_H
#define BASE_CONF_TABLE_H

#include "base/buf.h"
#include "base/conf.h"
#include "base/err.h"

#define CONF_TYPES(T) \
    T(STR) T(PATH) T(NAME) T(USER) T(UINT) T(SIZE) T(TIME) T(PERCENT) T(ENUM) T(LIST) T(PORTS) T(ALLOW) T(RIGHTS) T(HOW) T(EXITS)

enum conf_type_index {
#define T(name) CONF_TYPE_##name,
    CONF_TYPES(T)
#undef T
    CONF_TYPE_COUNT
};

/* `unit` is not only for people: "a | b" are an ENUM's words and a HOW's kinds, "N to M" and "at least SIZE" are
   limits, and its first words pick the form of a text (conf_form.c). */
struct conf_option {
    const char *key;
    enum conf_type_index type;
    const char *def;     /* NULL: must be given */
    const char *unit, *help;
    size_t offset;       /* of the field in the section's struct */
};

struct conf_type {
    const char *name;
    bool many;           /* given again it adds; its default is replaced by the first */
    /* FIELD holds an earlier value (zeroes at first), which is replaced or added to.  -1 with WHY's text filled, or
       empty where "allowed: UNIT" says it all; the field is then as it was. */
    int (*parse)(const struct conf_option *o, void *field, const char *text, struct err *why);
    /* As "KEY = VALUE" lines. */
    void (*print)(const struct conf_option *o, const void *field, struct buf *out);
    void (*free)(void *field);   /* what the field owns; NULL: nothing */
};

/* A named section's structs stand in an array of struct conf; `place` is then the offset of its pointer and `count` of
   its length. */
struct conf_section {
    const char *word;
    bool named;
    enum conf_file file;
    const struct conf_option *(*options)(size_t *n);
    size_t place, count;
    size_t size;
};

extern const struct conf_type conf_types[CONF_TYPE_COUNT];
extern const struct conf_section conf_sections[];
extern const size_t conf_nsections;

/* Sets every field of a section's struct (zeroed before) to its default. */
void conf_defaults(const struct conf_section *s, void *at);
/* Frees what the fields own. */
void conf_section_free(const struct conf_section *s, void *at);
/* The struct of an unnamed section, or element I of a named one; its array's length. */
void *conf_at(struct conf *c, const struct conf_section *s, size_t i);
size_t *conf_count(struct conf *c, const struct conf_section *s);
/* One more element of a named section, everything default; WHERE and NAME are copied.  Pointers into the array are
   stale afterwards. */
void *conf_add(struct conf *c, const struct conf_section *s, const char *name, const char *where);

/* A decimal number without sign at TEXT: *END is behind it.  -1 when there is none or it does not fit. */
int conf_number(const char *text, const char **end, uint64_t *number);
/* Whether TEXT has the form that UNIT's first words name; true when they name none.  WHY as for parse. */
bool conf_form(const char *unit, const char *text, struct err *why);
/* True if TEXT is to be split into words later and must keep its quotes. */
bool conf_form_quoted(const char *unit);
/* True if WORD is one of "a | b | c", its position in *INDEX. */
bool conf_choice(const char *unit, const char *word, size_t len, int *index);
/* A signal by its name, with or without SIG; -1 when there is none. */
int conf_signal(const char *name);
/* The type EXITS (conf_exit.c); as of conf_type. */
int conf_parse_exits(const struct conf_option *o, void *field, const char *text, struct err *why);
void conf_print_exits(const struct conf_option *o, const void *field, struct buf *out);
/* TEXT as a value, put in quotes where reading it back would change it. */
void conf_print_text(struct buf *out, const char *text);

/* Adds one line; used by conf_reader and conf_check. */
void conf_error(struct conf_errors *e, const char *where, const char *fmt, ...) PRINTF(3, 4);
/* What spans sections.  AT says where a key of a section, or with KEY NULL the section itself, was given: NULL if it
   was not. */
typedef const char *conf_where_fn(const void *data, const struct conf_section *s, const char *name, const char *key);
void conf_check(struct conf *c, struct conf_errors *e, conf_where_fn *at, const void *data);

/* Whether a user, a group or a subordinate range in the files of folder ETC has an id of FIRST and N - 1 more, but for users of the NBUT ids in BUT: who,
   in TEXT. */
bool conf_host_meets(const char *etc, uint64_t first, uint64_t n, const uid_t *but, size_t nbut, char *text, size_t size);

/* Moves the keys of all accounts into one mapping, if they are many; nothing may be added to C afterwards. */
void conf_pack(struct conf *c);

#endif
