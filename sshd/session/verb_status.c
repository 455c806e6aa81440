#include <stdlib.h>

#include "base/mem.h"
#include "sshd/session/status.h"
#include "sshd/session/verbs.h"

/* Of many servers an answer holds a part: the rest is asked for until it is whole. */
struct listing {
    struct statuses all;
    void (*print)(struct exec *x, const struct statuses *all);
};

static void drop(struct exec *x)
{
    struct listing *l = x->state;
    status_free(&l->all);
    free(l);
}

uint32_t status_visible(const struct exec *x)
{
    size_t n;
    uint32_t count = 0;
    const struct server_right *r = session_servers(x->session, &n);
    for (size_t i = 0; i < n; i++)
        count += (r[i].rights & RIGHT_STATUS) != 0;
    return count;
}

static void answer(struct exec *x, int code, const char *text, struct msg *m)
{
    struct listing *l = x->state;
    if (!exec_ok(x, code, text))
        return;
    uint32_t before = l->all.n;
    status_read(&l->all, m);
    if (x->server == NULL && l->all.n > before && l->all.n < status_visible(x))
        exec_ask(x, OP_STATUS, NULL, l->all.n, NULL, answer);
    else
        l->print(x, &l->all);
}

static void ask(struct exec *x, void (*print)(struct exec *x, const struct statuses *all))
{
    struct listing *l = mem_new(sizeof *l);
    l->print = print;
    x->state = l;
    x->drop = drop;
    exec_ask(x, OP_STATUS, x->server, 0, NULL, answer);
}

static void print_status(struct exec *x, const struct statuses *all)
{
    status_print(x, all);
    exec_end(x, x->server && (all->n == 0 || all->v[0].pid == 0) ? EXIT_STATE : EXIT_DONE);
}

void verb_status(struct exec *x)
{
    ask(x, print_status);
}

static void print_greeting(struct exec *x, const struct statuses *all)
{
    if (all->n > 0)
        status_print(x, all);
    else
        exec_print(x, "There is no server you may see.\n");
    if (x->done)
        exec_print(x, "\nFiles: sftp. 'help' lists what can be typed here, TAB completes it, ctrl-D ends.\n");
    else
        exec_print(x, "\nFiles: sftp. Commands: ssh ... VERB [SERVER]; 'help' lists them.\n");
    exec_end(x, EXIT_DONE);
}

void verb_greeting(struct exec *x)
{
    enum { DEADLINE_MS = 30000 };
    exec_print(x, "holdfast: you are %s.\n\n", session_account(x->session));
    exec_deadline(x, DEADLINE_MS);
    ask(x, print_greeting);
}
