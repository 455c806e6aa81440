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
    R(RIGHT_ACTIVITY,      "activity",       "see who did what")

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
    RIGHT_ALL = (1u << RIGHT_COUNT) - 1
};

/* The bits of one word ("restart" is start and stop, "files" all of files.*, "backup" all of backup.*, "*" everything; every word
   brings status with it), or 0 for an unknown one. */
uint32_t rights_of_word(const char *word);
/* The words of BITS, space between, in BUF.  Returns BUF. */
const char *rights_text(uint32_t bits, char *buf, size_t size);

#endif
