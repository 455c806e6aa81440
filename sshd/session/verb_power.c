#include <string.h>

#include "sshd/session/status.h"
#include "sshd/session/verbs.h"

enum { WAIT_MS = 60000, SLACK_MS = 60000 };

static const struct { const char *verb; enum op op; } powers[] = {
    { "start", OP_START }, { "stop", OP_STOP }, { "restart", OP_RESTART }, { "kill", OP_KILL },
};

static void power_answer(struct exec *x, int code, const char *text, struct msg *m)
{
    if (!exec_ok(x, code, text))
        return;
    struct statuses all = { .n = 0 };
    status_read(&all, m);
    for (uint32_t i = 0; i < all.n; i++)
        exec_print(x, "%s: %s\n", all.v[i].server, all.v[i].state);
    status_free(&all);
    exec_end(x, EXIT_DONE);
}

void verb_power(struct exec *x)
{
    uint64_t wait = 0;
    /* A time limit without anything to limit would be a slip. */
    if (x->options & (OPTION_WAIT | OPTION_TIMEOUT))
        wait = x->timeout_ms ? x->timeout_ms : WAIT_MS;
    exec_deadline(x, wait + SLACK_MS);
    for (size_t i = 0; i < countof(powers); i++)
        if (strcmp(powers[i].verb, x->verb->name) == 0)
            exec_ask(x, powers[i].op, x->server, wait, NULL, power_answer);
}
