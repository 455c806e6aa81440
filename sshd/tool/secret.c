#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sshd/tool/tool.h"

enum { PASSWORD_MOST = 1023, INTERRUPT = 3 };

/* One line of standard input without its end.  Byte by byte: what follows the line stays unread.  -1: none, or too
 * long. */
static int read_line(char *line, size_t size, bool terminal)
{
    size_t n = 0;
    for (char c = 0; n < size;) {
        ssize_t got = read(STDIN_FILENO, &c, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || (terminal && c == INTERRUPT) || (got == 0 && n == 0))
            return -1;
        if (got == 0 || c == '\n') {
            line[n] = '\0';
            return 0;
        }
        line[n++] = c;
    }
    return -1;
}

static int prompt(const char *text, const char *who, char *line, size_t size)
{
    struct termios shown, hidden;
    if (tcgetattr(STDIN_FILENO, &shown) < 0)
        return -1;
    hidden = shown;
    /* Without signals, so that an interrupt cannot leave the terminal silent: it arrives as a byte. */
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    fprintf(stderr, text, who);
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) < 0)
        return -1;
    int r = read_line(line, size, true);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    fputc('\n', stderr);
    return r;
}

static int twice(const char *who, char *first, size_t size)
{
    char second[PASSWORD_MOST + 1];
    int r = prompt("New password for %s: ", who, first, size);
    if (r == 0)
        r = prompt("The same again: ", who, second, sizeof second);
    if (r < 0)
        fprintf(stderr, "holdfast: no password was given\n");
    else if (strcmp(first, second) != 0)
        r = -1, fprintf(stderr, "holdfast: the two are not the same\n");
    mem_wipe(second, sizeof second);
    return r;
}

int secret_read(const char *who, struct buf *secret)
{
    char line[PASSWORD_MOST + 1];
    int r;
    /* Neither a core, nor swap as far as our limit allows; who may attach to us could read the terminal too. */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    mlockall(MCL_CURRENT);
    if (isatty(STDIN_FILENO)) {
        r = twice(who, line, sizeof line);
    } else {
        r = read_line(line, sizeof line, false);
        if (r < 0)
            fprintf(stderr, "holdfast: no password on standard input; one line of at most %d bytes is wanted\n",
                    PASSWORD_MOST);
    }
    if (r == 0)
        buf_put(secret, line, strlen(line));
    mem_wipe(line, sizeof line);
    return r == 0 ? TOOL_DONE_WELL : TOOL_FAILED;
}
