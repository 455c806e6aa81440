/* Values that name ends of a process: exit codes and signals. */
#include <signal.h>
#include <string.h>

#include "base/conf_table.h"

/* As sigabbrev_np knows it, with or without SIG; -1 when there is none. */
int conf_signal(const char *name)
{
    if (strncmp(name, "SIG", 3) == 0)
        name += 3;
    for (int s = 1; s < 32; s++) {
        const char *abbrev = sigabbrev_np(s);
        if (abbrev && strcmp(abbrev, name) == 0)
            return s;
    }
    return -1;
}

/* One word; a bare number is an exit code, so signals are named. */
static int take(struct conf_exits *e, const char *word, struct err *why)
{
    const char *end;
    uint64_t code;
    int sig;
    if (conf_number(word, &end, &code) == 0 && *end == '\0' && code <= 255)
        e->codes[code / 32] |= 1u << code % 32;
    else if (strncmp(word, "SIG", 3) == 0 && (sig = conf_signal(word)) > 0)
        e->signals |= 1ull << sig;
    else
        return err_set(why, 0, "", "'%.20s' is no exit code and no signal", word);
    return 0;
}

int conf_parse_exits(const struct conf_option *o, void *field, const char *text, struct err *why)
{
    (void)o;
    struct conf_exits e = { .codes = { 1 } };
    char word[24];
    while (*(text += strspn(text, " \t"))) {
        size_t n = strcspn(text, " \t"), kept = n < sizeof word - 1 ? n : sizeof word - 1;
        memcpy(word, text, kept);
        word[kept] = '\0';
        if (take(&e, word, why) < 0)
            return -1;
        text += n;
    }
    *(struct conf_exits *)field = e;
    return 0;
}

void conf_print_exits(const struct conf_option *o, const void *field, struct buf *out)
{
    const struct conf_exits *e = field;
    buf_put_fmt(out, "%s =", o->key);
    for (unsigned code = 0; code < 256; code++)
        if (e->codes[code / 32] >> code % 32 & 1)
            buf_put_fmt(out, " %u", code);
    for (int sig = 1; sig < 32; sig++)
        if (e->signals >> sig & 1)
            buf_put_fmt(out, " SIG%s", sigabbrev_np(sig));
    buf_put_fmt(out, "\n");
}

bool conf_exit_clean(const struct conf_exits *e, uint32_t code, uint32_t signal)
{
    if (signal)
        return signal < 64 && (e->signals >> signal & 1);
    return code == 0 || (code < 256 && (e->codes[code / 32] >> code % 32 & 1));
}
