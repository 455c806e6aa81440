#include "t/unit/conf_rig.h"

#include <string.h>

#include "base/mem.h"

struct conf c;
struct conf_errors errors;
struct conf_reader *reader;

void begin(void)
{
    conf_init(&c);
    errors = (struct conf_errors){ 0 };
    reader = conf_reader_new(&c, &errors);
    /* The machine of a test has no users of ours. */
    conf_reader_set(reader, CONF_FILE_DAEMON, "d:1", "ids", "store", "901");
    conf_reader_set(reader, CONF_FILE_DAEMON, "d:2", "ids", "shim", "902");
    conf_reader_set(reader, CONF_FILE_DAEMON, "d:3", "ids", "image", "903");
    conf_reader_set(reader, CONF_FILE_DAEMON, "d:4", "ids", "filter", "904");
}

void end(void)
{
    conf_free(&c);
    conf_errors_free(&errors);
}

void set(const char *section, const char *key, const char *value)
{
    static const struct { const char *word; enum conf_file file; } files[] = {
        { "account", CONF_FILE_ACCOUNTS }, { "server", CONF_FILE_SERVERS },
    };
    enum conf_file file = CONF_FILE_DAEMON;
    for (size_t i = 0; i < countof(files); i++)
        if (strncmp(section, files[i].word, strlen(files[i].word)) == 0)
            file = files[i].file;
    conf_reader_set(reader, file, "f:7", section, key, value);
}

void finish(void)
{
    conf_reader_end(reader);
}

void no_errors(void)
{
    for (size_t i = 0; i < errors.n; i++)
        cr_log_error("%s", errors.v[i]);
    cr_assert_eq(errors.n, 0);
}

bool said(const char *part)
{
    for (size_t i = 0; i < errors.n; i++)
        if (strstr(errors.v[i], part))
            return true;
    for (size_t i = 0; i < errors.n; i++)
        cr_log_warn("%s", errors.v[i]);
    return false;
}

void refused(const char *section, const char *key, const char *value, const char *words)
{
    begin();
    set("account a", "password", "no");
    if (strncmp(section, "server ", 7) == 0) {
        if (strcmp(key, "owner") != 0)
            set(section, "owner", "a");
        if (strcmp(key, "command") != 0)
            set(section, "command", "x");
    }
    set(section, key, value);
    size_t now = errors.n;
    cr_expect_eq(now, 1, "%s = %s: %zu errors", key, value, now);
    cr_expect(said(words), "%s = %s: not said: %s", key, value, words);
    cr_expect(said("f:7: "), "%s = %s: the place is not said", key, value);
    finish();
    end();
}
