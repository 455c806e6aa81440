/* The options of verbs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "sshd/proto.h"
#include "sshd/session/exec.h"
#include "sshd/session/since.h"

enum { TIMEOUT_MOST_S = 3600, LINES_MOST = 10 * 1000 * 1000 };

static bool number_of(const char *text, uint64_t most, uint64_t *n)
{
    size_t len = strlen(text);
    if (len == 0 || len > 18 || strspn(text, "0123456789") != len)
        return false;
    *n = strtoull(text, NULL, 10);
    return *n <= most;
}

static bool set_timeout(struct exec *x, const char *value)
{
    uint64_t s;
    size_t len = strlen(value);
    FREE_MEM char *digits = mem_strn(value, len > 0 && value[len - 1] == 's' ? len - 1 : len);
    if (!number_of(digits, TIMEOUT_MOST_S, &s) || s == 0) {
        exec_fail(x, EXIT_USAGE, "--timeout: '%s' is no number of seconds; allowed: 1 to %d", escn(value, len), TIMEOUT_MOST_S);
        return false;
    }
    x->timeout_ms = s * 1000;
    return true;
}

static bool set_lines(struct exec *x, const char *value)
{
    if (number_of(value, LINES_MOST, &x->lines))
        return true;
    exec_fail(x, EXIT_USAGE, "-n: '%s' is no number of lines; allowed: 0 to %d", esc(value), LINES_MOST);
    return false;
}

static bool set_after(struct exec *x, const char *value)
{
    if (number_of(value, INT64_MAX, &x->after))
        return true;
    exec_fail(x, EXIT_USAGE, "--after: '%s' is no id of an event", esc(value));
    return false;
}

static bool set_top(struct exec *x, const char *value)
{
    if (number_of(value, DU_TOP_MOST, &x->top) && x->top > 0)
        return true;
    exec_fail(x, EXIT_USAGE, "--top: '%s' is no number; allowed: 1 to %d", esc(value), DU_TOP_MOST);
    return false;
}

static bool set_since(struct exec *x, const char *value)
{
    if (since_parse(value, wall_ms(), &x->since))
        return true;
    exec_fail(x, EXIT_USAGE, "--since: '%s' is no time; allowed: %s", esc_text(value), SINCE_FORMS);
    return false;
}

static bool set_expect(struct exec *x, const char *value)
{
    x->expect = value;
    return true;
}

const struct exec_option exec_options[] = {
    { "--json", OPTION_JSON, NULL },         { "--wait", OPTION_WAIT, NULL },   { "--timeout", OPTION_TIMEOUT, set_timeout },
    { "-n", OPTION_LINES, set_lines },       { "-f", OPTION_FOLLOW, NULL },     { "--expect", OPTION_EXPECT, set_expect },
    { "--raw", OPTION_RAW, NULL },           { "--force", OPTION_FORCE, NULL }, { "--qr", OPTION_QR, NULL },
    { "--after", OPTION_AFTER, set_after },
    { "--top", OPTION_TOP, set_top },        { "--since", OPTION_SINCE, set_since },
    { NULL, 0, NULL },
};

enum { OPTIONS = countof(exec_options) - 1 };

static bool refuse_option(struct exec *x, const char *word)
{
    char allowed[256] = "";
    size_t at = 0;
    for (size_t i = 0; i < OPTIONS; i++)
        if (x->verb->options & exec_options[i].bit)
            at += (size_t)snprintf(allowed + at, sizeof allowed - at, "%s%s", at ? " " : "", exec_options[i].word);
    exec_fail(x, EXIT_USAGE, "%s: option '%s' is not known here; allowed: %s", x->verb->name, esc(word), at ? allowed : "none");
    return false;
}

bool exec_option(struct exec *x, char **words, size_t *i)
{
    const char *word = words[*i];
    const char *equals = strncmp(word, "--", 2) == 0 ? strchr(word, '=') : NULL;
    size_t len = equals ? (size_t)(equals - word) : strlen(word);
    for (size_t k = 0; k < OPTIONS; k++) {
        if (strlen(exec_options[k].word) != len || strncmp(exec_options[k].word, word, len) != 0)
            continue;
        if (!(x->verb->options & exec_options[k].bit))
            break;
        x->options |= exec_options[k].bit;
        if (exec_options[k].set == NULL)
            return equals ? refuse_option(x, word) : true;
        const char *value = equals ? equals + 1 : words[++*i];
        if (value == NULL) {
            exec_fail(x, EXIT_USAGE, "%s: option '%s' needs a value", x->verb->name, esc(word));
            return false;
        }
        return exec_options[k].set(x, value);
    }
    return refuse_option(x, word);
}
