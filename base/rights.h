/* What an account may do with one server: a set of bits, written in the ini as words. */
#ifndef BASE_RIGHTS_H
#define BASE_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*      bit name            word              what it lets one do */
#define RIGHTS(R)                                                          \
    R(RIGHT_STATUS,        "status",         "see its state and quota")    \
    R(RIGHT_START,         "start",          "start it")                   \
    R(RIGHT_STOP,          "stop",           "stop it")                    \
    R(RIGHT_KILL,          "kill",           "kill it")                    \
    R(RIGHT_CONSOLE,       "console",        "watch its console")          \
    R(RIGHT_SEND,          "send",           "type into its console")      \
    R(RIGHT_LOGS,          "logs",           "read its logs")              \
    R(RIGHT_FILES_READ,    "files.read",     "list and read its files")    \
    R(RIGHT_FILES_WRITE,   "files.write",    "create and change files")    \
    R(RIGHT_FILES_DELETE,  "files.delete",   "remove and rename files")    \
    R(RIGHT_BACKUP_CREATE, "backup.create",  "make backups")               \
    R(RIGHT_BACKUP_READ,   "backup.read",    "list and fetch backups")     \
    R(RIGHT_ACTIVITY,      "activity",       "see who did what")         \
    R(RIGHT_FILES_CREATE,  "files.create",   "make files that are not there yet") \
    R(RIGHT_SHELL,         "shell",          "open a shell in its sandbox")

enum right_index {
#define R(bit, word, help) bit##_INDEX,
    RIGHTS(R)
#undef R
    RIGHT_COUNT
};

enum right {
#define R(bit, word, help) bit = 1u << bit##_INDEX,
    RIGHTS(R)
#undef R
    RIGHT_ALL = (1u << RIGHT_COUNT) - 1,
    /* Of any kind: what a worker is started for. */
    RIGHT_FILES = RIGHT_FILES_READ | RIGHT_FILES_CREATE | RIGHT_FILES_WRITE | RIGHT_FILES_DELETE,
    RIGHT_FILES_CHANGE = RIGHT_FILES_CREATE | RIGHT_FILES_WRITE | RIGHT_FILES_DELETE,
};

/* Named sets of rights, by who has them.  A role is a word like a right, and "-WORD" behind it takes away again.

   owner: everything, and whatever right is added later.
   operator: keeps it running and finds out why it does not.  Changes no file, and so nothing of what the server is; reads them all the same, those
     with secrets included, as who looks for a fault must see how it is configured (`deny` hides what must stay hidden, but not in backups).
   viewer: sees that it runs and what it says.  No files, backups or activity: configuration files hold passwords and keys, records of activity
     hold other people's addresses.

        word        what it is                             rights */
#define ROLES(R)                                                                                                                   \
    R("owner",    "everything",                          RIGHT_ALL)                                                                \
    R("operator", "run it, no change of files",          RIGHT_STATUS | RIGHT_START | RIGHT_STOP | RIGHT_KILL | RIGHT_CONSOLE |    \
      RIGHT_SEND | RIGHT_LOGS | RIGHT_FILES_READ | RIGHT_BACKUP_CREATE | RIGHT_BACKUP_READ | RIGHT_ACTIVITY)                       \
    R("viewer",   "watch it",                            RIGHT_STATUS | RIGHT_CONSOLE | RIGHT_LOGS)

/* The bits of one word ("restart" is start and stop, "files" all of files.*, "backup" all of backup.*, "*" everything, a role what it has; files.write
   brings files.create with it and every word status), or 0 for an unknown one. */
uint32_t rights_of_word(const char *word);
/* The bits of words with space between.  "-WORD" takes what WORD means away, wherever it stands.  0, or -1 with what is wrong in WHY: an unknown
   word, with those that there are; nothing that is left; status taken from somebody who has another right, or files.create
   from somebody who has files.write. */
int rights_parse(const char *text, uint32_t *bits, char *why, size_t size);
/* The words of BITS, space between, in BUF; files.create is left out beside files.write.  Returns BUF. */
const char *rights_text(uint32_t bits, char *buf, size_t size);
/* The role that is exactly BITS, or NULL. */
const char *rights_role(uint32_t bits);
/* Every word that rights_parse knows, space between. */
const char *rights_words(char *buf, size_t size);

#endif
