#include "base/die.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static void (*teller)(const char *text);

void die_tell(void (*tell)(const char *text))
{
    teller = tell;
}

static NORETURN void end(int code, const char *word, const char *fmt, va_list ap, const char *tail)
{
    char text[1024];
    vsnprintf(text, sizeof text, fmt, ap);
    log_line(LOG_ERROR, word, "%s%s%s", text, tail[0] ? ": " : "", tail);
    if (teller) {
        void (*tell)(const char *) = teller;
        teller = NULL;
        tell(text);
    }
    _exit(code);
}

void die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    end(EXIT_DIE, "fatal:", fmt, ap, "");
}

void die_errno(const char *fmt, ...)
{
    const char *tail = strerror(errno);
    va_list ap;
    va_start(ap, fmt);
    end(EXIT_DIE, "fatal:", fmt, ap, tail);
}

void die_err(const struct err *e)
{
    char line[400];
    die("%s", err_text(e, line, sizeof line));
}

void bug_at(const char *file, int line, const char *fmt, ...)
{
    char where[128];
    snprintf(where, sizeof where, "bug at %s:%d:", file, line);
    va_list ap;
    va_start(ap, fmt);
    end(EXIT_BUG, where, fmt, ap, "");
}
