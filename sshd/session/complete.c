#include "sshd/session/complete.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "sshd/session/verbs.h"

enum { LINE_LONG = 64 * 1024 };

/* ---- words ---- */

/* The line as far as it goes: words that are whole, and the one at the cursor, which may be empty or lack its closing quote. */
struct words {
    char **v;               /* owned, NULL-terminated */
    size_t n;
    char *last;             /* owned, without its quotes */
    size_t from;
};

static void words_free(struct words *w)
{
    for (size_t i = 0; i < w->n; i++)
        free(w->v[i]);
    free(w->v);
    free(w->last);
}

static char *text_of(const struct buf *b)
{
    return mem_strn(buf_size(b) ? (const void *)buf_head(b) : "", buf_size(b));
}

static void end_word(struct words *w, struct buf *word)
{
    w->v = mem_grow(w->v, w->n + 2, sizeof *w->v);
    w->v[w->n++] = text_of(word);
    w->v[w->n] = NULL;
    buf_reset(word);
}

static void split(const char *left, struct words *w)
{
    BUF_FREE struct buf word = BUF(LINE_LONG);
    bool open = false;
    char quote = '\0';
    *w = (struct words){ .v = mem_array(1, sizeof *w->v) };
    for (const char *p = left; *p; p++) {
        bool space = quote == '\0' && (*p == ' ' || *p == '\t');
        if (space) {
            if (open)
                end_word(w, &word);
            open = false;
            continue;
        }
        if (!open)
            w->from = (size_t)(p - left);
        open = true;
        if (*p == quote)
            quote = '\0';
        else if (quote == '\0' && (*p == '\'' || *p == '"'))
            quote = *p;
        else if (*p == '\\' && quote != '\'' && p[1])
            buf_put_u8(&word, (uint8_t)*++p);
        else if (*p != '\\' || quote == '\'')
            buf_put_u8(&word, (uint8_t)*p);
    }
    if (!open)
        w->from = strlen(left);
    w->last = text_of(&word);
}

/* NULL: it has what nobody can type. */
static char *quoted(const char *text, const char *behind)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
    BUF_FREE struct buf b = BUF(LINE_LONG);
    for (const char *p = text; *p; p++) {
        if ((uint8_t)*p < 0x20 || *p == 0x7f)
            return NULL;
        if ((uint8_t)*p < 0x80 && strchr(plain, *p) == NULL)
            buf_put_u8(&b, '\\');
        buf_put_u8(&b, (uint8_t)*p);
    }
    buf_put(&b, behind, strlen(behind));
    return text_of(&b);
}

/* ---- candidates ---- */

static void add(struct completions *c, const char *text, const char *behind)
{
    char *word = quoted(text, behind);
    if (word == NULL)
        return;
    c->words = mem_grow(c->words, c->n + 1, sizeof *c->words);
    c->words[c->n++] = word;
}

static bool begins(const char *text, const char *with) { return strncmp(text, with, strlen(with)) == 0; }

static void add_verbs(struct completions *c, const char *first, const char *last)
{
    for (const struct verb *v = verbs; v->name; v++) {
        const char *space = strchr(v->name, ' ');
        FREE_MEM char *word = mem_strn(v->name, space ? (size_t)(space - v->name) : strlen(v->name));
        if (first == NULL && begins(word, last))
            add(c, word, " ");
        else if (first && space && strcmp(word, first) == 0 && begins(space + 1, last))
            add(c, space + 1, " ");
    }
}

static void add_servers(struct completions *c, const struct server_right *servers, size_t n, uint32_t right, const char *last)
{
    for (size_t i = 0; i < n; i++)
        if ((servers[i].rights & right) == right && begins(servers[i].name, last))
            add(c, servers[i].name, " ");
}

static bool given(char *const *words, const char *option)
{
    size_t len = strlen(option);
    for (; *words; words++)
        if (strncmp(*words, option, len) == 0 && ((*words)[len] == '\0' || (*words)[len] == '='))
            return true;
    return false;
}

static void add_options(struct completions *c, const struct verb *v, char *const *words, const char *last)
{
    for (const struct exec_option *o = exec_options; o->word; o++)
        if ((v->options & o->bit) && begins(o->word, last) && !given(words, o->word))
            add(c, o->word, " ");
}

static void want_paths(struct completions *c, const char *last)
{
    const char *name = strrchr(last, '/');
    c->folder = name ? mem_strn(last, (size_t)(name - last) + 1) : mem_str("/");
    c->prefix = mem_str(name ? name + 1 : last);
}

/* ---- where we are ---- */

static const struct exec_option *option_of(const char *word)
{
    for (const struct exec_option *o = exec_options; o->word; o++)
        if (strcmp(o->word, word) == 0)
            return o;
    return NULL;
}

/* How many WORDS are no options nor their values; *VALUE: the last is an option whose value comes next. */
static size_t arguments(const struct verb *v, char *const *words, bool *value)
{
    size_t n = 0;
    *value = false;
    for (; *words; words++) {
        const struct exec_option *o = v->plain ? NULL : option_of(*words);
        if (*value)
            *value = false;
        else if (o && (v->options & o->bit))
            *value = o->set != NULL;
        else
            n++;
    }
    return n;
}

static void complete_argument(struct completions *c, const struct verb *v, char *const *words, const char *last, const struct server_right *servers,
                              size_t nservers)
{
    bool value;
    size_t n = arguments(v, words, &value);
    if (value || (v->literal && n > 1))
        return;
    if (last[0] == '-' && !v->plain) {
        add_options(c, v, words, last);
        return;
    }
    bool server = n == 0 && v->server != SERVER_NONE;
    if (server || (v->completed == COMPLETE_SERVERS_AND_PATHS && last[0] != '/'))
        add_servers(c, servers, nservers, v->right, last);
    else if (v->completed == COMPLETE_PATHS || v->completed == COMPLETE_SERVERS_AND_PATHS) {
        if (last[0] == '\0' || last[0] == '/')
            want_paths(c, last);
    } else if (v->completed == COMPLETE_VERBS && n < 2)
        add_verbs(c, n ? words[0] : NULL, last);
    if (c->n == 0 && c->folder == NULL && last[0] == '\0' && !v->plain)
        add_options(c, v, words, last);
}

void complete(const char *left, const struct server_right *servers, size_t n, struct completions *c)
{
    struct words w;
    size_t nwords = 0;
    bool group = false;
    split(left, &w);
    *c = (struct completions){ .from = w.from };
    const struct verb *v = w.n ? verb_find(w.v, &nwords, &group) : NULL;
    if (w.n == 0)
        add_verbs(c, NULL, w.last);
    else if (v)
        complete_argument(c, v, w.v + nwords, w.last, servers, n);
    else if (group && w.n == 1)
        add_verbs(c, w.v[0], w.last);
    words_free(&w);
    completions_sort(c);
}

void completions_name(struct completions *c, const char *name, bool directory)
{
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || !begins(name, c->prefix) || (name[0] == '.' && c->prefix[0] != '.'))
        return;
    FREE_MEM char *path = mem_fmt("%s%s", c->folder, name);
    add(c, path, directory ? "/" : " ");
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void completions_sort(struct completions *c)
{
    size_t kept = 0;
    if (c->n > 1)
        qsort(c->words, c->n, sizeof *c->words, by_name);
    for (size_t i = 0; i < c->n; i++)
        if (kept > 0 && strcmp(c->words[kept - 1], c->words[i]) == 0)
            free(c->words[i]);
        else
            c->words[kept++] = c->words[i];
    c->n = kept;
}

void completions_free(struct completions *c)
{
    for (size_t i = 0; i < c->n; i++)
        free(c->words[i]);
    free(c->words);
    free(c->folder);
    free(c->prefix);
    *c = (struct completions){ 0 };
}
