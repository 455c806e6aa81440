/* The command of an scp client, and what both directions of it share. */
#include <string.h>

#include "base/conf.h"
#include "base/log.h"
#include "base/mem.h"
#include "sshd/session/scp.h"
#include "sshd/session/verbs.h"

void scp_enter(struct scp *s)
{
    s->inside++;
}

void scp_leave(struct scp *s)
{
    if (--s->inside == 0 && s->over)
        s->free(s);
}

void scp_drop(struct exec *x)
{
    struct scp *s = x->state;
    scp_enter(s);
    s->over = true;
    scp_leave(s);
}

void scp_ok(struct scp *s)
{
    channel_write(s->x->channel, "", 1);
}

static void say(struct scp *s, char kind, const char *path, const char *why)
{
    BUF_FREE struct buf b = BUF(64 * 1024);
    buf_put_fmt(&b, "%cscp: %s%s%s\n", kind, path ? esc_text(path) : "", path ? ": " : "", why);
    channel_write(s->x->channel, buf_head(&b), buf_size(&b));
    s->failed = true;
}

void scp_warn(struct scp *s, const char *path, const char *why)
{
    say(s, 1, path, why);
}

void scp_fatal(struct scp *s, const char *why)
{
    if (s->x->ended)
        return;
    say(s, 2, NULL, why);
    exec_end(s->x, EXIT_FAILED);
}

const char *scp_begin(struct scp *s, const char *path, const char *suffix, uint16_t type, struct msg *m, struct sftp_spot *spot)
{
    const char *why = exec_place(s->x, path, spot);
    if (why == NULL && sftp_is_top(spot))
        why = "only servers are here; name one: /SERVER/PATH";
    if (why)
        return why;
    FREE_MEM char *rest = mem_fmt("%s%s", spot->rest, spot->rest[0] || suffix[0] == '\0' ? suffix : ".");
    files_begin(m, type);
    msg_put_str(m, rest);
    return NULL;
}

void scp_get_attrs(struct msg *answer, struct attrs *a)
{
    size_t size;
    const uint8_t *p = msg_get_bytes(answer, &size);
    struct buf view = { .p = (uint8_t *)(uintptr_t)p, .len = size, .cap = size, .max = size };
    attrs_get(&view, a);
}

enum scp_said scp_listen(struct scp_peer *p, const uint8_t *bytes, size_t size, size_t *used)
{
    *used = 0;
    if (p->size == 0 && size > 0) {
        p->kind = bytes[0];
        *used = p->size = 1;
        if (p->kind == 0) {
            p->size = 0;
            return SAID_OK;
        }
    }
    const uint8_t *newline = memchr(bytes + *used, '\n', size - *used);
    size_t n = newline ? (size_t)(newline - bytes) + 1 - *used : size - *used;
    *used += n;
    p->size += n;
    if (newline == NULL && p->size <= SCP_LINE_MOST)
        return SAID_MORE;
    p->size = 0;
    return p->kind == 2 || newline == NULL ? SAID_FATAL : SAID_WARNING;
}

static const struct { char letter; size_t at; } letters[] = {
#define LETTER(l, field) { l, offsetof(struct scp, field) }
    LETTER('r', recursive), LETTER('p', times), LETTER('d', directory),
#undef LETTER
};

static bool set_letter(struct scp *s, char letter, char *way)
{
    for (size_t i = 0; i < countof(letters); i++)
        if (letter == letters[i].letter) {
            *(bool *)((char *)s + letters[i].at) = true;
            return true;
        }
    if (letter == 't' || letter == 'f')
        *way = *way == '\0' || *way == letter ? letter : '?';
    return strchr("tfvq", letter) != NULL;
}

/* Options end where the first word that is none begins.  Returns how many words they are, or -1. */
static int take_options(struct exec *x, struct scp *s, char *way)
{
    size_t i = 0;
    for (; i < x->nargs && x->args[i][0] == '-' && x->args[i][1]; i++) {
        if (strcmp(x->args[i], "--") == 0)
            return (int)i + 1;
        for (const char *l = x->args[i] + 1; *l; l++)
            if (!set_letter(s, *l, way)) {
                exec_fail(x, EXIT_USAGE, "scp: option '%s' is not known here; allowed: -t -f -r -p -d -v -q", esc(x->args[i]));
                return -1;
            }
    }
    return (int)i;
}

/* A shell at the far end would have put the home there. */
static const char *home(const char *word)
{
    return strcmp(word, "~") == 0 ? "/" : strncmp(word, "~/", 2) == 0 ? word + 1 : word;
}

static void start(struct exec *x, const struct scp *s, char way, size_t at)
{
    const char *why;
    char **words;
    /* It was split before without an error. */
    if (conf_words_marked(x->line, &words, &why) < 0) {
        exec_fail(x, EXIT_USAGE, "%s", why);
        return;
    }
    for (size_t i = 0; words[i]; i++)
        memmove(words[i], home(words[i]), strlen(home(words[i])) + 1);
    at += 1;
    if (way == 'f') {
        scp_source(x, s, words, at);
        return;
    }
    FREE_MEM char *target = scp_glob_plain(words[at], strlen(words[at]));
    conf_words_free(words);
    scp_sink(x, s, target);
}

void verb_scp(struct exec *x)
{
    char way = '\0';
    struct scp s = { .x = x };
    int at = take_options(x, &s, &way);
    if (at < 0)
        return;
    if (way != 't' && way != 'f')
        exec_fail(x, EXIT_USAGE, "scp: one of -t and -f is needed: this is the far end of a copy, which your own scp starts");
    else if ((size_t)at == x->nargs)
        exec_fail(x, EXIT_USAGE, "usage: %s", x->verb->usage);
    else if (way == 't' && x->nargs - (size_t)at > 1)
        exec_fail(x, EXIT_FAILED, "scp: ambiguous target: one only; quote the blanks of a name");
    else
        start(x, &s, way, (size_t)at);
}
