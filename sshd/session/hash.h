/* Digests of files, a slice at a time, so that an event loop lives on beside them. */
#ifndef SESSION_HASH_H
#define SESSION_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { HASH_MOST = 64, HASH_SLICE = 256 * 1024 };   /* bytes: the longest digest; what is read and hashed in one turn of the loop */

struct hash;
/* NAME of SIZE bytes: md5, sha1, sha224, sha256, sha384, sha512 or crc32.  NULL: none of these. */
struct hash *hash_new(const char *name, size_t size);
void hash_free(struct hash *h);                         /* NULL is allowed */
const char *hash_name(const struct hash *h);
size_t hash_size(const struct hash *h);
void hash_add(struct hash *h, const void *bytes, size_t size);
/* Puts the digest to OUT and begins anew. */
void hash_end(struct hash *h, uint8_t out[HASH_MOST]);
/* Adds at most MOST and HASH_SLICE bytes of FD from OFFSET on.  Bytes added; 0 at the end of the file; -1 with errno. */
ssize_t hash_read(struct hash *h, int fd, uint64_t offset, uint64_t most);

#endif
