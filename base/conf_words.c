#include "base/conf.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct split {
    const char *at;
    char *word;          /* being built, as long as the text */
    size_t len;
    bool open;           /* a word has begun, though it may be empty */
    bool marked;
    char **words;
    size_t n;
};

static const struct { char c; const char *why; } refused[] = {
    { '|', "unquoted '|': there is no shell and no pipe; quote it to mean the character" },
    { '>', "unquoted '>': there is no shell to redirect; quote it to mean the character" },
    { '<', "unquoted '<': there is no shell to redirect; quote it to mean the character" },
    { ';', "unquoted ';': one command only; quote it to mean the character" },
    { '&', "unquoted '&': there is no shell and no background; quote it to mean the character" },
    { '`', "unquoted '`': nothing is expanded; quote it to mean the character" },
    { '(', "unquoted '$(': nothing is expanded; quote it to mean the characters" },
};

static const char *refusal(const char *at)
{
    char c = *at == '$' && at[1] == '(' ? '(' : *at == '(' ? '\0' : *at;
    for (size_t i = 0; i < countof(refused); i++)
        if (c && refused[i].c == c)
            return refused[i].why;
    return NULL;
}

static void add(struct split *s, char c)
{
    s->word[s->len++] = c;
    s->open = true;
}

/* Not as a shell would read it: a backslash says so. */
static void add_quoted(struct split *s, char c)
{
    if (s->marked && c && strchr("*?[]!^-~\\", c))
        add(s, '\\');
    add(s, c);
}

static void end_word(struct split *s)
{
    if (!s->open)
        return;
    s->words = mem_grow(s->words, s->n + 2, sizeof *s->words);
    s->words[s->n++] = mem_strn(s->word, s->len);
    s->words[s->n] = NULL;
    s->len = 0;
    s->open = false;
}

static const char *single(struct split *s)
{
    for (s->open = true; *s->at != '\''; s->at++) {
        if (*s->at == '\0')
            return "a ' without its end";
        add_quoted(s, *s->at);
    }
    s->at++;
    return NULL;
}

static const char *twofold(struct split *s)
{
    for (s->open = true; *s->at != '"'; s->at++) {
        if (*s->at == '\\' && s->at[1] && strchr("$`\"\\\n", s->at[1])) {
            s->at++;
            if (*s->at == '\n')
                continue;
        }
        if (*s->at == '\0')
            return "a \" without its end";
        add_quoted(s, *s->at);
    }
    s->at++;
    return NULL;
}

static const char *step(struct split *s)
{
    const char *why = refusal(s->at);
    if (why)
        return why;
    char c = *s->at++;
    switch (c) {
    case ' ': case '\t': case '\n':
        end_word(s);
        return NULL;
    case '\'':
        return single(s);
    case '"':
        return twofold(s);
    case '\\':
        if (*s->at == '\0')
            return "a \\ at the end";
        if (*s->at != '\n')
            add_quoted(s, *s->at);
        s->at++;
        return NULL;
    default:
        add(s, c);
        return NULL;
    }
}

static int split(const char *text, bool marked, char ***words, const char **why)
{
    FREE_MEM char *word = mem_new(2 * strlen(text) + 1);
    struct split s = { .at = text, .word = word, .marked = marked, .words = mem_array(1, sizeof(char *)) };
    *why = NULL;
    while (*s.at && *why == NULL)
        *why = step(&s);
    if (*why) {
        conf_words_free(s.words);
        *words = NULL;
        return -1;
    }
    end_word(&s);
    *words = s.words;
    return 0;
}

int conf_words(const char *text, char ***words, const char **why)
{
    return split(text, false, words, why);
}

int conf_words_marked(const char *text, char ***words, const char **why)
{
    return split(text, true, words, why);
}

void conf_words_free(char **words)
{
    for (size_t i = 0; words && words[i]; i++)
        free(words[i]);
    free(words);
}
