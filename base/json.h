/* One JSON object a line, written into a buffer.  Whatever bytes go in, what comes out is valid: invalid UTF-8 becomes U+FFFD. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* KEY is NULL for the elements of a list. */
void json_begin(struct buf *b, const char *key);                       /* { */
void json_end(struct buf *b);                                          /* } */
void json_list(struct buf *b, const char *key);                        /* [ */
void json_list_end(struct buf *b);                                     /* ] */
void json_str(struct buf *b, const char *key, const char *value);      /* NULL: null */
void json_bytes(struct buf *b, const char *key, const void *bytes, size_t size);
void json_u64(struct buf *b, const char *key, uint64_t value);
void json_i64(struct buf *b, const char *key, int64_t value);
void json_bool(struct buf *b, const char *key, bool value);
void json_null(struct buf *b, const char *key);
void json_time(struct buf *b, const char *key, uint64_t wall_ms);      /* RFC 3339 UTC; 0: null */
void json_line(struct buf *b);                                         /* the line's end */

#endif
