/* The one buffer of bytes: bounded, grows up to MAX, read from the front.  Numbers are big-endian, strings carry a 32-bit length
   (the encoding of SSH, used for SFTP and for our own messages). */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct buf {
    uint8_t *p;   /* owned; NULL while empty and never written */
    size_t off;   /* first unread byte */
    size_t len;   /* one past the last byte */
    size_t cap;
    size_t max;   /* most bytes it may ever hold */
    bool bad;     /* a put did not fit or a get ran past the end; stays until buf_reset */
};

#define BUF(limit) { .max = (limit) }
#define BUF_FREE __attribute__((cleanup(buf_free)))

void buf_free(struct buf *b);    /* memory only; may be used again */
void buf_wipe(struct buf *b);    /* overwrites, then frees */
void buf_reset(struct buf *b);   /* empty, not bad, memory kept */

static inline size_t buf_size(const struct buf *b) { return b->len - b->off; }
static inline const uint8_t *buf_head(const struct buf *b) { return b->p ? b->p + b->off : NULL; }

/* Room for SIZE more bytes at the tail: a pointer to write to (then buf_added), or NULL and bad if it would pass MAX. */
uint8_t *buf_room(struct buf *b, size_t size);
void buf_added(struct buf *b, size_t size);
/* Drops SIZE bytes (at most what is there) from the front. */
void buf_drop(struct buf *b, size_t size);

/* Puts set bad and write nothing when MAX would be passed. */
void buf_put(struct buf *b, const void *bytes, size_t size);
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_u16(struct buf *b, uint16_t v);
void buf_put_u32(struct buf *b, uint32_t v);
void buf_put_u64(struct buf *b, uint64_t v);
void buf_put_bytes(struct buf *b, const void *bytes, size_t size);   /* u32 length in front */
void buf_put_str(struct buf *b, const char *s);
void buf_put_fmt(struct buf *b, const char *fmt, ...) PRINTF(2, 3);  /* raw text, no length, no NUL */

/* Gets return 0 (or NULL) and set bad past the end. */
uint8_t buf_get_u8(struct buf *b);
uint16_t buf_get_u16(struct buf *b);
uint32_t buf_get_u32(struct buf *b);
uint64_t buf_get_u64(struct buf *b);
/* Points into the buffer: valid until the next put, reset or free. */
const uint8_t *buf_get(struct buf *b, size_t size);
const uint8_t *buf_get_bytes(struct buf *b, size_t *size);
/* A copy with a NUL, owned by the caller; NULL and bad when the bytes hold a NUL themselves or the end is passed. */
char *buf_get_str(struct buf *b);

#endif
