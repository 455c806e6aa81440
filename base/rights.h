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
    R(RIGHT_FILES_CREATE,  "files.create",   "make files that are not there yet")

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

/* The bits of one word ("restart" is start and stop, "files" all of files.*, "backup" all of backup.*, "*" everything; files.write brings
   files.create with it and every word status), or 0 for an unknown one. */
uint32_t rights_of_word(const char *word);
/* The bits of WORDS, blanks between.  0 when there is none, or with *UNKNOWN (of SIZE bytes) set to the first that is no right. */
uint32_t rights_of_words(const char *words, char *unknown, size_t size);
/* The words of BITS, space between, in BUF; files.create is left out beside files.write.  Returns BUF. */
const char *rights_text(uint32_t bits, char *buf, size_t size);
/* All words there are, space between; static. */
const char *rights_words(void);

#endif
