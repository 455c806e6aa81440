/* Forced commands are held to the verbs when the key is stored: a key that never works is told to who writes it, not to who uses it.  The list is
   made of the session's table when this is built; that table alone says what a verb does. */
#include <string.h>

#include "base/conf.h"
#include "base/log.h"
#include "store/stored/key_options.h"

static const char *const verbs[] = {
#include "store/stored/verbs.inc"
};

static bool is_verb(char **words)
{
    for (size_t i = 0; i < countof(verbs); i++) {
        size_t first = strcspn(verbs[i], " ");
        const char *second = verbs[i][first] ? verbs[i] + first + 1 : NULL;
        if (strlen(words[0]) == first && memcmp(words[0], verbs[i], first) == 0 &&
            (second == NULL || (words[1] && strcmp(words[1], second) == 0)))
            return true;
    }
    return false;
}

int key_command_check(const char *command, struct err *e)
{
    char **words = NULL;
    const char *why = NULL;
    if (conf_words(command, &words, &why) < 0)
        return err_set(e, 0, "option", "command: %s", why);
    int r = 0;
    if (words[0] == NULL)
        r = err_set(e, 0, "option", "command: names none; allowed: a verb and its words as 'help' lists them, or internal-sftp");
    else if (strcmp(command, "internal-sftp") != 0 && !is_verb(words))
        r = err_set(e, 0, "option", "command: '%s' is no verb; allowed: those that 'help' lists, or internal-sftp",
                    escn(words[0], strnlen(words[0], 40)));
    conf_words_free(words);
    return r;
}
