#include "base/buf.h"

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/mem.h"

void buf_free(struct buf *b)
{
    free(b->p);
    b->p = NULL;
    b->off = b->len = b->cap = 0;
    b->bad = false;
}

void buf_wipe(struct buf *b)
{
    if (b->p)
        mem_wipe(b->p, b->cap);
    buf_free(b);
}

void buf_reset(struct buf *b)
{
    b->off = b->len = 0;
    b->bad = false;
}

static void compact(struct buf *b)
{
    if (b->off == 0)
        return;
    memmove(b->p, b->p + b->off, b->len - b->off);
    b->len -= b->off;
    b->off = 0;
}

uint8_t *buf_room(struct buf *b, size_t size)
{
    if (b->bad)
        return NULL;
    if (size > b->max || buf_size(b) > b->max - size) {
        b->bad = true;
        return NULL;
    }
    if (b->cap - b->len < size)
        compact(b);
    if (b->cap - b->len < size) {
        size_t cap = b->cap ? b->cap : 256;
        while (cap < b->len + size)
            cap *= 2;
        if (cap > b->max)
            cap = b->max;
        b->p = mem_grow(b->p, cap, 1);
        b->cap = cap;
    }
    return b->p + b->len;
}

void buf_added(struct buf *b, size_t size)
{
    invariant(size <= b->cap - b->len);
    b->len += size;
}

void buf_drop(struct buf *b, size_t size)
{
    size_t have = buf_size(b);
    b->off += size < have ? size : have;
    if (b->off == b->len)
        b->off = b->len = 0;
}

void buf_put(struct buf *b, const void *bytes, size_t size)
{
    if (size == 0)
        return;
    uint8_t *at = buf_room(b, size);
    if (at == NULL)
        return;
    memcpy(at, bytes, size);
    b->len += size;
}

void buf_put_u8(struct buf *b, uint8_t v) { buf_put(b, &v, 1); }

void buf_put_u16(struct buf *b, uint16_t v)
{
    v = htobe16(v);
    buf_put(b, &v, sizeof v);
}

void buf_put_u32(struct buf *b, uint32_t v)
{
    v = htobe32(v);
    buf_put(b, &v, sizeof v);
}

void buf_put_u64(struct buf *b, uint64_t v)
{
    v = htobe64(v);
    buf_put(b, &v, sizeof v);
}

void buf_put_bytes(struct buf *b, const void *bytes, size_t size)
{
    if (size > UINT32_MAX - 4 || buf_room(b, size + 4) == NULL) {
        b->bad = true;
        return;
    }
    buf_put_u32(b, (uint32_t)size);
    buf_put(b, bytes, size);
}

void buf_put_str(struct buf *b, const char *s) { buf_put_bytes(b, s, strlen(s)); }

void buf_put_fmt(struct buf *b, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0)
        die("out of memory");
    buf_put(b, text, (size_t)n);
    free(text);
}

const uint8_t *buf_get(struct buf *b, size_t size)
{
    if (b->bad || buf_size(b) < size) {
        b->bad = true;
        return NULL;
    }
    const uint8_t *at = buf_head(b);
    b->off += size;
    return at;
}

uint8_t buf_get_u8(struct buf *b)
{
    const uint8_t *p = buf_get(b, 1);
    return p ? *p : 0;
}

uint16_t buf_get_u16(struct buf *b)
{
    uint16_t v = 0;
    const uint8_t *p = buf_get(b, sizeof v);
    if (p)
        memcpy(&v, p, sizeof v);
    return be16toh(v);
}

uint32_t buf_get_u32(struct buf *b)
{
    uint32_t v = 0;
    const uint8_t *p = buf_get(b, sizeof v);
    if (p)
        memcpy(&v, p, sizeof v);
    return be32toh(v);
}

uint64_t buf_get_u64(struct buf *b)
{
    uint64_t v = 0;
    const uint8_t *p = buf_get(b, sizeof v);
    if (p)
        memcpy(&v, p, sizeof v);
    return be64toh(v);
}

const uint8_t *buf_get_bytes(struct buf *b, size_t *size)
{
    *size = buf_get_u32(b);
    const uint8_t *p = buf_get(b, *size);
    if (p == NULL)
        *size = 0;
    return p;
}

char *buf_get_str(struct buf *b)
{
    size_t size;
    const uint8_t *p = buf_get_bytes(b, &size);
    if (p == NULL)
        return NULL;
    if (size && memchr(p, 0, size)) {
        b->bad = true;
        return NULL;
    }
    return mem_strn(size ? (const void *)p : "", size);
}
