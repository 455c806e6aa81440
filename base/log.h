/* The log: one line an event on one descriptor, "TIME PROGRAM[PID]: EVENT key=value ...".  Where that is the journal of systemd, "<N>" in front says how
   serious it is. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* NAME is kept by reference.  Lines go to descriptor 2 until log_to names another.  The first
   call, and log_to, look at where they go: before the process is locked. */
void log_init(const char *name, enum log_level most);
void log_to(int fd);
/* In front of every later line's keys, e.g. "session=12"; copied, cut at 127 bytes. */
void log_context(const char *fmt, ...) PRINTF(1, 2);
/* The next line is about connection N and carries this number in place of the process's: filters made for OpenSSH, which has a process for each
   connection, take all lines with one number for one client. */
void log_as(uint64_t n);
/* EVENT is a word or a phrase of ours; FMT prints "key=value" pairs.  Lines are cut at 2 KiB. */
void log_line(enum log_level level, const char *event, const char *fmt, ...) PRINTF(3, 4);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

/* Bytes a stranger chose, made harmless: printable ASCII but space, '"', '\\' and '=' stay, all else becomes \xNN.  The result
   lives in one of eight rotating buffers of 512 bytes; longer input is cut and ends in "...". */
const char *esc(const char *bytes);
const char *escn(const void *bytes, size_t len);
/* For a whole phrase, between double quotes: as esc, but spaces and '=' stay too. */
const char *esc_text(const char *bytes);

#endif
