/* The server's log: console.log in the log folder, moved on to console.log.1 and .2 at JOURNAL_FILE bytes.  A line is
   "TIME\tTEXT", TIME in RFC 3339 UTC without fraction (20 bytes); "TIME!\tTEXT" came from stderr, "TIME#\tTEXT" is our own word.  TEXT is
   what the server wrote, uninterpreted, without its line end; longer than JOURNAL_LINE bytes it goes on in a line of its own.
   A disk that refuses is told once and stops nothing: what could not be written is left out. */
#ifndef SHIM_JOURNAL_H
#define SHIM_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

enum { JOURNAL_FILE = 5 * 1024 * 1024, JOURNAL_LINE = 64 * 1024, JOURNAL_FILES = 3 };

enum source { SOURCE_STDOUT, SOURCE_STDERR, SOURCE_SHIM, SOURCE_COUNT };

/* Writes into FOLDER (kept, not owned). */
void journal_open(int folder);
void journal_add(enum source from, const uint8_t *bytes, size_t size);
/* Writes out unfinished lines and closes the file; what is added later opens it again. */
void journal_close(void);

#endif
