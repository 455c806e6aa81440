/* Ending a process.  `die`: something happened to us (a peer broke a rule, the system refused).  `bug`: an invariant of
   our own broke.  Both log one line and never return; neither runs atexit handlers. */
#ifndef BASE_DIE_H
#define BASE_DIE_H

#include "base/attr.h"
#include "base/err.h"

enum { EXIT_BUG = 70, EXIT_DIE = 71 };

NORETURN void die(const char *fmt, ...) PRINTF(1, 2);
/* As die, with ": strerror(errno)" behind the text. */
NORETURN void die_errno(const char *fmt, ...) PRINTF(1, 2);
NORETURN void die_err(const struct err *e);
NORETURN void bug_at(const char *file, int line, const char *fmt, ...) PRINTF(3, 4);

/* TELL gets the words of the last line as well: for a role whose descriptor 2 leads nowhere.  It must not fail, allocate or return late. */
void die_tell(void (*tell)(const char *text));

#define bug(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
#define invariant(x) ((x) ? (void)0 : bug("%s", #x))

#endif
