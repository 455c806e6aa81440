#include "sshd/session/exec.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"
#include "sshd/session/conn.h"
#include "sshd/session/doing.h"
#include "sshd/session/exec_files.h"
#include "base/io.h"
#include "base/json.h"
#include "sshd/session/verbs.h"

enum { DEADLINE_MS = 90000, COMMAND_MOST = 32 * 1024, TEXT_MOST = 4096 };

/* ---- output ---- */

bool exec_json(const struct exec *x) { return x->options & OPTION_JSON; }
bool exec_terminal(const struct exec *x) { return channel_has_terminal(x->channel); }

typedef void put_fn(struct channel *c, const void *bytes, size_t size);

static void put_lines(struct exec *x, put_fn *put, const char *p, size_t size)
{
    if (!exec_terminal(x)) {
        put(x->channel, p, size);
        return;
    }
    while (size > 0) {
        const char *newline = memchr(p, '\n', size);
        size_t n = newline ? (size_t)(newline - p) : size;
        put(x->channel, p, n);
        if (newline == NULL)
            return;
        put(x->channel, "\r\n", 2);
        p += n + 1;
        size -= n + 1;
    }
}

void exec_out(struct exec *x, const void *bytes, size_t size)
{
    put_lines(x, channel_write, bytes, size);
}

void exec_print(struct exec *x, const char *fmt, ...)
{
    char text[TEXT_MOST];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    exec_out(x, text, strlen(text));
}

static void note(struct exec *x, const char *text)
{
    put_lines(x, channel_error, text, strlen(text));
    put_lines(x, channel_error, "\n", 1);
}

void exec_note(struct exec *x, const char *fmt, ...)
{
    char text[TEXT_MOST];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    note(x, text);
}

void exec_flush(struct exec *x, struct buf *b)
{
    exec_out(x, buf_head(b), buf_size(b));
    buf_reset(b);
}

/* ---- the end ---- */

static void let_go(struct exec *x)
{
    x->ended = true;
    doing_end(x->session, x);
    if (x->drop) {
        void (*drop)(struct exec *) = x->drop;
        x->drop = NULL;
        drop(x);
    }
    exec_files_end(x);
    if (x->asked)
        session_do_cancel(x->session, x->asked);
    x->asked = 0;
    timer_free(x->deadline);
    x->deadline = NULL;
    rights_listener_free(x->rights);
    x->rights = NULL;
}

/* From the loop: who ended it may still use it. */
static void tell_done(void *data)
{
    struct exec *x = data;
    x->turn = NULL;
    x->done(x->done_data, x, x->code);
}

void exec_end(struct exec *x, int code)
{
    if (x->ended)
        return;
    let_go(x);
    if (x->done == NULL || x->cut) {
        channel_exit(x->channel, code);
        return;
    }
    x->code = code;
    x->turn = session_turn_new(x->session, tell_done, x);
}

static void fail_text(struct exec *x, int code, const char *text)
{
    if (x->ended)
        return;
    if (exec_json(x)) {
        BUF_FREE struct buf b = BUF(64 * 1024);
        json_begin(&b, NULL);
        json_str(&b, "error", text);
        json_u64(&b, "code", (unsigned)code);
        json_end(&b);
        buf_put_u8(&b, '\0');
        note(x, (const char *)buf_head(&b));
    } else {
        note(x, text);
    }
    exec_end(x, code);
}

void exec_fail(struct exec *x, int code, const char *fmt, ...)
{
    char text[TEXT_MOST];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fail_text(x, code, text);
}

/* Codes come from another process: what is none of ours becomes a plain failure, so that 255 never reaches a client. */
static int known_code(int code)
{
    static const int known[] = { EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_STATE, EXIT_UNAVAILABLE, EXIT_QUOTA, EXIT_LATER,
                                 EXIT_NOT_PERMITTED, EXIT_DISABLED, EXIT_UNKNOWN_VERB };
    for (size_t i = 0; i < countof(known); i++)
        if (known[i] == code)
            return code;
    return EXIT_FAILED;
}

bool exec_ok(struct exec *x, int code, const char *text)
{
    if (code == EXIT_DONE)
        return true;
    fail_text(x, known_code(code), *text ? text : "failed");
    return false;
}

/* ---- waiting ---- */

static void out_of_time(void *data)
{
    struct exec *x = data;
    x->deadline = NULL;
    exec_fail(x, EXIT_LATER, "no answer in time, please try again");
}

void exec_deadline(struct exec *x, uint64_t ms)
{
    timer_free(x->deadline);
    x->deadline = ms ? loop_timer(x->session->loop, ms, out_of_time, x) : NULL;
}

struct timer *exec_timer(struct exec *x, uint64_t ms, void (*fn)(void *data))
{
    return exec_timer_for(x, ms, fn, x);
}

struct timer *exec_timer_for(struct exec *x, uint64_t ms, void (*fn)(void *data), void *data)
{
    return loop_timer(x->session->loop, ms, fn, data);
}

static void answered(void *data, int code, const char *text, struct msg *m)
{
    struct exec *x = data;
    x->asked = 0;
    x->answer(x, code, text, m);
}

void exec_ask(struct exec *x, enum op op, const char *server, uint64_t number, const char *arg,
              void (*fn)(struct exec *x, int code, const char *text, struct msg *m))
{
    invariant(x->asked == 0);
    x->answer = fn;
    x->asked = session_do_later(x->session, op, server, number, arg, answered, x);
}

void exec_ask_bytes(struct exec *x, enum op op, uint64_t number, const void *arg, size_t size,
                    void (*fn)(struct exec *x, int code, const char *text, struct msg *m))
{
    invariant(x->asked == 0);
    x->answer = fn;
    x->asked = session_do_bytes(x->session, op, "", number, arg, size, answered, x);
}

/* One about all servers relies on its right on each of them. */
static void rights_changed(void *data, const char *server, uint32_t rights, uint32_t lost)
{
    struct exec *x = data;
    bool all = x->server == NULL && x->verb->server == SERVER_ALL && (lost & x->relied);
    bool one = x->server && strcmp(server, x->server) == 0 && (rights & x->relied) != x->relied;
    if (x->ended || (!all && !one))
        return;
    session_log(x->session, "channel.cut", "program=%s server=%s why=a right was taken away", x->verb->name, server);
    channel_cut(x->channel);
    x->cut = true;
    exec_fail(x, EXIT_NOT_PERMITTED, "%s: the right to do this was taken away", server);
}

/* ---- the channel's side ---- */

static size_t on_data(void *data, struct channel *c, const uint8_t *bytes, size_t size)
{
    struct exec *x = data;
    (void)c;
    if (x->ended)
        return size;
    if (x->input)
        return x->input(x, bytes, size);
    /* A terminal sends the key, not a signal. */
    if (exec_terminal(x) && memchr(bytes, 3, size))
        exec_end(x, x->verb && x->verb->streams ? EXIT_DONE : EXIT_FAILED);
    return size;
}

static void on_eof(void *data, struct channel *c)
{
    struct exec *x = data;
    (void)c;
    if (!x->ended && x->input_end)
        x->input_end(x);
}

static void on_writable(void *data, struct channel *c)
{
    struct exec *x = data;
    (void)c;
    if (!x->ended && x->room)
        x->room(x);
}

static void on_resize(void *data, struct channel *c, unsigned columns, unsigned rows)
{
    struct exec *x = data;
    (void)c;
    if (!x->ended && x->resize)
        x->resize(x, columns, rows);
}

static void on_interrupt(void *data, struct channel *c, const char *signal)
{
    struct exec *x = data;
    (void)c;
    if (x->ended)
        return;
    if (x->interrupt)
        x->interrupt(x, signal);
    else
        exec_end(x, EXIT_FAILED);
}

static void on_closed(void *data, struct channel *c)
{
    struct exec *x = data;
    (void)c;
    let_go(x);
    session_turn_free(x->turn);
    conf_words_free(x->words);
    free(x->args);
    free(x->server);
    free(x);
}

const struct channel_ops exec_ops = {
    .data = on_data,
    .eof = on_eof,
    .writable = on_writable,
    .resize = on_resize,
    .interrupt = on_interrupt,
    .closed = on_closed,
};

/* ---- the command line ---- */

static bool is_option(const char *word) { return word[0] == '-' && word[1] != '\0'; }

/* Splits what stands behind the verb into options and the rest.  A literal verb's text begins with the first word that is no option and not
   the name of a server. */
static bool take_words(struct exec *x, char **words)
{
    bool only_args = false;
    for (size_t i = 0; words[i]; i++) {
        if (!only_args && !x->verb->plain && strcmp(words[i], "--") == 0) {
            only_args = true;
            continue;
        }
        if (!only_args && !x->verb->plain && is_option(words[i])) {
            if (!exec_option(x, words, &i))
                return false;
            continue;
        }
        bool server = x->nargs == 0 && session_server(x->session, words[i]) != NULL;
        x->args = mem_grow(x->args, x->nargs + 2, sizeof *x->args);
        x->args[x->nargs++] = words[i];
        x->args[x->nargs] = NULL;
        if (x->verb->literal && !server)
            only_args = true;
    }
    return true;
}

static void shift(struct exec *x)
{
    memmove(x->args, x->args + 1, x->nargs * sizeof *x->args);
    x->nargs--;
}

/* The same words whether it does not exist or is somebody else's. */
static bool no_such_server(struct exec *x, const char *name)
{
    exec_fail(x, EXIT_NOT_PERMITTED, "no server '%s', or you may not see it", esc(name));
    return false;
}

static bool ask_which(struct exec *x)
{
    BUF_FREE struct buf b = BUF(2048);
    size_t n;
    const struct server_right *r = session_servers(x->session, &n);
    for (size_t i = 0; i < n; i++)
        buf_put_fmt(&b, " %s", r[i].name);
    buf_put_u8(&b, '\0');
    exec_fail(x, EXIT_USAGE, "%s: which server? One of:%s", x->verb->name, b.bad ? " many" : (const char *)buf_head(&b));
    return false;
}

static bool choose_server(struct exec *x)
{
    size_t n;
    const struct server_right *all = session_servers(x->session, &n);
    const char *home = session_home(x->session);
    if (x->nargs > 0 && session_server(x->session, x->args[0])) {
        x->server = mem_str(x->args[0]);
        shift(x);
        return true;
    }
    /* More words than the verb takes: the first was meant as a server. */
    bool named = x->nargs > x->verb->most || (n != 1 && !home && x->nargs > x->verb->least);
    if (named)
        return no_such_server(x, x->args[0]);
    if (home && session_server(x->session, home) == NULL)
        return no_such_server(x, home);
    if (home)
        x->server = mem_str(home);
    else if (x->verb->server == SERVER_ALL)
        return true;
    else if (n == 1)
        x->server = mem_str(all[0].name);
    else if (n == 0)
        exec_fail(x, EXIT_NOT_PERMITTED, "there is no server you may see");
    else
        return ask_which(x);
    return x->server != NULL;
}

static bool check_right(struct exec *x)
{
    if (x->server == NULL)
        return true;
    const struct server_right *r = session_server(x->session, x->server);
    uint32_t missing = x->verb->right & ~r->rights;
    char words[256];
    if (missing == 0)
        return true;
    exec_fail(x, EXIT_NOT_PERMITTED, "%s: you may not do this here; it needs the right: %s", x->server,
              rights_text(missing, words, sizeof words));
    return false;
}

static bool check_count(struct exec *x)
{
    if (x->nargs >= x->verb->least && x->nargs <= x->verb->most)
        return true;
    exec_fail(x, EXIT_USAGE, "usage: %s", x->verb->usage);
    return false;
}

static void run_verb(struct exec *x, char **words)
{
    if (!take_words(x, words) || (x->verb->server != SERVER_NONE && !choose_server(x)) || !check_count(x) || !check_right(x))
        return;
    x->relied = x->verb->right;
    x->rights = session_on_rights(x->session, rights_changed, x);
    if (!x->verb->streams)
        exec_deadline(x, DEADLINE_MS);
    else
        doing_begin(x->session, x, x->verb->name, x->server ? x->server : "");
    x->verb->run(x);
}

/* What it must do first; false: the command has been ended. */
static bool may_run(struct exec *x)
{
    const char *why = session_enrolling(x->session);
    if (why == NULL || (x->verb && x->verb->enrolling))
        return true;
    exec_fail(x, EXIT_NOT_PERMITTED, "%s", why);
    return false;
}

/* Codes stand on the command line: of a verb that takes them the log has the name alone, and so has it of a line that cannot be read. */
static void log_command(const struct exec *x, const char *command)
{
    if (x->verb && x->verb->secret)
        session_log(x->session, "command", "line=%s ...", x->verb->name);
    else if (x->verb == NULL && strstr(command, "totp"))
        session_log(x->session, "command", "line=totp ...");
    else
        session_log(x->session, "command", "line=%s", command);
}

static void run_line(struct exec *x, const char *command)
{
    const char *why = NULL;
    /* Before the words are known the wish for JSON can only be guessed. */
    if (strstr(command, "--json"))
        x->options |= OPTION_JSON;
    if (strlen(command) > COMMAND_MOST) {
        log_command(x, command);
        exec_fail(x, EXIT_USAGE, "the command is too long; allowed: %d bytes", COMMAND_MOST);
        return;
    }
    if (conf_words(command, &x->words, &why) < 0) {
        log_command(x, command);
        exec_fail(x, EXIT_USAGE, "%s", why);
        return;
    }
    size_t nwords;
    bool group;
    x->verb = x->words[0] ? verb_find(x->words, &nwords, &group) : NULL;
    log_command(x, command);
    if (!may_run(x))
        return;
    if (x->words[0] == NULL) {
        verb_greeting(x);
    } else if (x->verb) {
        x->options &= x->verb->options;
        run_verb(x, x->words + nwords);
    } else if (group) {
        exec_fail(x, EXIT_USAGE, "%s: what? See 'help %s'", x->words[0], x->words[0]);
    } else {
        exec_fail(x, EXIT_UNKNOWN_VERB, "unknown verb '%s'; 'help' lists them", esc(x->words[0]));
    }
}

static struct exec *new(struct channel *c)
{
    struct exec *x = mem_new(sizeof *x);
    x->channel = c;
    x->session = channel_session(c);
    x->lines = 100;
    return x;
}

void exec_refuse(struct channel *c, const char *why)
{
    struct exec *x = new(c);
    channel_run(c, &exec_ops, x);
    exec_fail(x, EXIT_NOT_PERMITTED, "%s", why);
}

void exec_start(struct channel *c, const char *command)
{
    struct exec *x = new(c);
    channel_run(c, &exec_ops, x);
    x->line = command;
    run_line(x, command);
}

struct exec *exec_within(struct channel *c, struct prompt *prompt, const char *command, exec_done_fn *done, void *data)
{
    struct exec *x = new(c);
    x->prompt = prompt;
    x->done = done;
    x->done_data = data;
    x->line = command;
    run_line(x, command);
    return x;
}
