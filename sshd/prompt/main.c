/* holdfast-prompt: edits lines on a terminal, for one channel of one session. */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "config.h"

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/msg.h"
#include "sandbox/lock/lock.h"
#include "sandbox/lock/prompt.bpf.h"
#include "sshd/prompt/edit.h"
#include "sshd/proto.h"

enum { NAME_LONG = 256, MEMORY = 32 * 1024 * 1024, FILES = 16 };

static struct {
    bool wanted, editing;           /* a line; one is being edited */
    enum prompt_kind kind;
    char *history, *prompt;         /* owned */
} next;

static uint32_t last_id;

static void send(struct msg *m)
{
    if (msg_send(LINK_FD, m) < 0)
        _exit(EXIT_SUCCESS);        /* the session has gone */
    msg_free(m);
}

static void tell(uint16_t type)
{
    struct msg m;
    msg_begin(&m, type, 0);
    send(&m);
}

/* ---- from the session ---- */

static void take_read(struct msg *m)
{
    uint32_t kind = msg_get_u32(m);
    free(next.history);
    free(next.prompt);
    next.history = msg_get_text(m, NAME_LONG);
    next.prompt = msg_get_text(m, NAME_LONG);
    msg_end(m);
    if (next.editing || kind >= PROMPT_KINDS)
        die("PROMPT_READ of kind %u%s", kind, next.editing ? " while a line is edited" : "");
    next.kind = (enum prompt_kind)kind;
    next.wanted = true;
}

static void take_completions(struct msg *m)
{
    struct words w = { 0 };
    uint32_t from = msg_get_u32(m), more = msg_get_u32(m), n = msg_get_u32(m);
    if (n > COMPLETIONS_MOST)
        die("%u completions", n);
    for (uint32_t i = 0; i < n; i++) {
        size_t size;
        const uint8_t *word = msg_get_bytes(m, &size);
        words_add(&w, word, size);
    }
    msg_end(m);
    edit_completions(m->id, from, more, &w);
}

static void take_output(struct msg *m)
{
    size_t size;
    bool own = msg_get_u32(m) != 0;
    const uint8_t *bytes = msg_get_bytes(m, &size);
    msg_end(m);
    if (size > PROMPT_PIECE)
        die("%zu bytes of output", size);
    edit_output(own, bytes, size);
}

static void take_resize(struct msg *m)
{
    msg_end(m);
    edit_resize();
}

static void take_stop(struct msg *m)
{
    uint64_t fed = msg_get_u64(m);
    msg_end(m);
    if (next.wanted && !next.editing)
        die("PROMPT_STOP of a line that was not begun");
    edit_stop(fed);
}

static const struct {
    uint16_t type;
    void (*take)(struct msg *m);
} table[] = {
    { PROMPT_READ, take_read }, { PROMPT_COMPLETIONS, take_completions }, { PROMPT_OUTPUT, take_output }, { PROMPT_RESIZE, take_resize },
    { PROMPT_STOP, take_stop },
};

static void message(void)
{
    MSG_FREE struct msg m;
    if (msg_recv(LINK_FD, &m) <= 0)
        _exit(EXIT_SUCCESS);
    for (size_t i = 0; i < countof(table); i++)
        if (table[i].type == m.type) {
            table[i].take(&m);
            return;
        }
    die("message %#x", m.type);
}

/* ---- to it ---- */

static void more(void) { tell(PROMPT_MORE); }

static uint32_t complete(const void *line, size_t size)
{
    struct msg m;
    msg_begin(&m, PROMPT_COMPLETE, ++last_id);
    msg_put_bytes(&m, line, size);
    send(&m);
    return last_id;
}

static void edit(void)
{
    BUF_FREE struct buf line = BUF(PROMPT_LINE_MOST);
    next.wanted = false;
    next.editing = true;
    enum edit_end end = edit_line(next.kind, next.history, next.prompt, &line);
    next.editing = false;
    if (end == EDIT_STOPPED) {
        tell(PROMPT_STOPPED);
        return;
    }
    struct msg m;
    msg_begin(&m, PROMPT_LINE, 0);
    msg_put_u32(&m, end == EDIT_END);
    msg_put_bytes(&m, buf_head(&line), end == EDIT_END ? 0 : buf_size(&line));
    send(&m);
}

static int start(char **term, struct edit_terminal *t)
{
    MSG_FREE struct msg m;
    if (msg_recv(LINK_FD, &m) != 1 || m.type != START_PROMPT)
        die("is started by holdfastd, with its link on descriptor %d", LINK_FD);
    unsigned long long session = msg_get_u64(&m);
    uint32_t level = msg_get_u32(&m);
    FREE_MEM char *account = msg_get_str(&m);
    t->term = *term = msg_get_text(&m, TERM_MOST);
    t->columns = msg_get_u32(&m);
    t->rows = msg_get_u32(&m);
    int tty = msg_get_fd(&m);
    msg_end(&m);
    if (level > LOG_DEBUG)
        die("log level %u", level);
    log_init("holdfast-prompt", (enum log_level)level);
    log_context("session=%llu account=%s", session, esc(account));
    return tty;
}

static void lock(void)
{
    static const struct lock_limit limits[] = {
        { RLIMIT_NPROC, 0 },
        { RLIMIT_CORE, 1 },
        { RLIMIT_NOFILE, FILES },
#ifndef SANITIZERS
        { RLIMIT_DATA, MEMORY },
#endif
    };
    lock_apply(&(struct lock){ .limits = limits, .nlimits = countof(limits), LOCK_FILTER(lock_prompt_filter) });
}

int main(void)
{
    char *term;
    struct edit_terminal t;
    log_init("holdfast-prompt", LOG_INFO);
    signal(SIGPIPE, SIG_IGN);
    int tty = start(&term, &t);
    edit_open(tty, &t, LINK_FD, message, more, complete);
    free(term);
    lock();
    tell(PROMPT_READY);
    for (;;)
        if (next.wanted)
            edit();
        else
            message();
}
