#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sshd/tool/tool.h"

static int open_archive(const char *file)
{
    if (strcmp(file, "-") != 0) {
        int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
            fprintf(stderr, "holdfast: %s: %s\n", file, strerror(errno));
        return fd;
    }
    if (!isatty(STDIN_FILENO))
        return fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
    fprintf(stderr, "holdfast: standard input is a terminal; a tar archive is wanted\n");
    return -1;
}

int image(const struct command *c)
{
    struct command with = *c;
    struct buf none = BUF(16);
    CLOSE_FD int fd = -1;
    if (strcmp(c->argv[0], "import") == 0 && c->argc == 3) {
        fd = open_archive(c->argv[2]);
        if (fd < 0)
            return TOOL_FAILED;
        with.fd = fd;
    }
    return request(&with, &none);
}
