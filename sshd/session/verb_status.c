#include "sshd/session/status.h"
#include "sshd/session/verbs.h"

static void status_answer(struct exec *x, int code, const char *text, struct msg *m)
{
    if (!exec_ok(x, code, text))
        return;
    struct statuses all;
    status_read(&all, m);
    status_print(x, &all);
    bool down = x->server && (all.n == 0 || all.v[0].pid == 0);
    status_free(&all);
    exec_end(x, down ? EXIT_STATE : EXIT_DONE);
}

void verb_status(struct exec *x)
{
    exec_ask(x, OP_STATUS, x->server, 0, NULL, status_answer);
}

static void greeting_answer(struct exec *x, int code, const char *text, struct msg *m)
{
    if (!exec_ok(x, code, text))
        return;
    struct statuses all;
    status_read(&all, m);
    if (all.n > 0)
        status_print(x, &all);
    else
        exec_print(x, "There is no server you may see.\n");
    status_free(&all);
    exec_print(x, "\nFiles: sftp. Commands: ssh ... VERB [SERVER]; 'help' lists them.\n");
    if (exec_terminal(x))
        exec_note(x, "There is no shell here; try: ssh -t ... console SERVER");
    exec_end(x, EXIT_DONE);
}

void verb_greeting(struct exec *x)
{
    enum { DEADLINE_MS = 30000 };
    exec_print(x, "holdfast: you are %s.\n\n", session_account(x->session));
    exec_deadline(x, DEADLINE_MS);
    exec_ask(x, OP_STATUS, NULL, 0, NULL, greeting_answer);
}
