#include "sshd/tool/tool.h"

enum { ARGUMENTS = 3 };

int quota(const struct command *c)
{
    static char dry[] = "--dry-run";
    struct command with = *c;
    struct buf none = BUF(16);
    char *argv[ARGUMENTS + 1];
    for (int i = 0; i < ARGUMENTS; i++)
        argv[i] = c->argv[i];
    argv[ARGUMENTS] = dry;
    with.argv = argv;
    with.argc = ARGUMENTS + c->dry;
    return request(&with, &none);
}
