#include "sshd/tool/tool.h"

enum { ARGUMENTS = 3 };

/* `--dry-run` is an option here and the last word of the request. */
int quota(const struct command *c)
{
    static char dry[] = "--dry-run";
    struct command with = *c;
    struct buf none = BUF(16);
    char *argv[ARGUMENTS + 1];
    for (int i = 0; i < c->argc && i < ARGUMENTS; i++)
        argv[i] = c->argv[i];
    argv[c->argc] = dry;
    with.argv = argv;
    with.argc = c->argc + c->dry;
    return request(&with, &none);
}
