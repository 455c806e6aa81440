#include "sshd/session/doing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/name.h"
#include "sshd/session/conn.h"
#include "sshd/session/exec.h"

enum { MOMENT_MS = 100 };

struct doing {
    struct doing *next;
    const void *who;
    const char *what;
    char server[NAME_MOST + 1];
};

static void tell(void *data)
{
    struct session *s = data;
    s->doing_turn = NULL;
    uint32_t n = 0;
    for (const struct doing *d = s->doing; d && n < DOING_MOST; d = d->next)
        n++;
    struct msg m;
    msg_begin(&m, STORE_DOING, 0);
    msg_put_u32(&m, n);
    for (const struct doing *d = s->doing; n > 0; d = d->next, n--) {
        msg_put_str(&m, d->what);
        msg_put_str(&m, d->server);
    }
    /* A store that does not read hears of it later. */
    if (!store_tell(s, &m))
        s->doing_turn = session_turn_later(s, MOMENT_MS, tell, s);
}

static void tell_later(struct session *s)
{
    if (s->doing_turn == NULL)
        s->doing_turn = session_turn_later(s, MOMENT_MS, tell, s);
}

void doing_begin(struct session *s, const void *who, const char *what, const char *server)
{
    struct doing *d = mem_new(sizeof *d);
    *d = (struct doing){ .next = s->doing, .who = who, .what = what };
    memcpy(d->server, server, strnlen(server, NAME_MOST));
    s->doing = d;
    tell_later(s);
}

void doing_end(struct session *s, const void *who)
{
    for (struct doing **at = &s->doing; *at; at = &(*at)->next)
        if ((*at)->who == who) {
            struct doing *d = *at;
            *at = d->next;
            free(d);
            tell_later(s);
            return;
        }
}

void doing_anew(struct session *s)
{
    if (s->doing)
        tell_later(s);
}

/* ---- who else is there ---- */

/* Is the console among what it does with the server? */
static bool attached(const char *doing, const char *server)
{
    FREE_MEM char *word = mem_fmt("console %s", server);
    size_t n = strlen(word);
    for (const char *at = doing; (at = strstr(at, word)) != NULL; at += n)
        if (at[n] == '\0' || at[n] == ',')
            return true;
    return false;
}

static void told(struct exec *x, int code, const char *text, struct msg *m)
{
    BUF_FREE struct buf names = BUF(1024);
    (void)text;
    /* Nobody asked for it: it fails in silence. */
    if (code != EXIT_DONE)
        return;
    for (uint32_t n = msg_get_u32(m); n > 0; n--) {
        msg_get_u64(m);
        free(msg_get_str(m));
        msg_get_u32(m), msg_get_u64(m);
        free(msg_get_str(m));
        free(msg_get_str(m));
        bool this = msg_get_u32(m) != 0;
        FREE_MEM char *account = msg_get_str(m);
        FREE_MEM char *doing = msg_get_str(m);
        if (!this && attached(doing, x->server))
            buf_put_fmt(&names, "%s%s", buf_size(&names) ? ", " : "", account);
    }
    msg_end(m);
    if (buf_size(&names) > 0)
        exec_note(x, "[also here: %.*s; 'sessions %s' tells more]", (int)buf_size(&names), (const char *)buf_head(&names), x->server);
}

void doing_company(struct exec *x)
{
    exec_ask(x, OP_SESSIONS, x->server, 0, NULL, told);
}
