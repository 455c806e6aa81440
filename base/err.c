#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *e, int no, const char *step, const char *fmt, ...)
{
    if (e == NULL)
        return -1;
    e->no = no;
    snprintf(e->step, sizeof e->step, "%s", step);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    return -1;
}

int err_wrap(struct err *e, const char *outer)
{
    if (e == NULL)
        return -1;
    char joined[sizeof e->step * 2];
    snprintf(joined, sizeof joined, "%s: %s", outer, e->step);
    memcpy(e->step, joined, sizeof e->step - 1);
    e->step[sizeof e->step - 1] = '\0';
    return -1;
}

const char *err_text(const struct err *e, char *buf, size_t size)
{
    snprintf(buf, size, "%s%s%s%s%s", e->step, e->text[0] ? ": " : "", e->text, e->no ? ": " : "",
             e->no ? strerror(e->no) : "");
    return buf;
}
