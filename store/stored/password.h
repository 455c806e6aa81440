/* Passwords: Argon2id in a helper process of our own, so that neither the loop nor anybody's login stands still while one is computed.
   One at a time, in order; at most PASSWORD_QUEUE wait. */
#ifndef STORED_PASSWORD_H
#define STORED_PASSWORD_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/loop.h"

enum { PASSWORD_QUEUE = 32, PASSWORD_MOST = 1024, PASSWORD_NICE = 5 };

struct passwords;

/* LOST: the helper died over it; say "try later". */
enum password_result { PASSWORD_WRONG, PASSWORD_RIGHT, PASSWORD_LOST };
/* COOKIE is the asker's.  HASH is the new hash of password_make (NULL otherwise), valid during the call. */
typedef void password_fn(void *data, uint64_t cookie, enum password_result result, const char *hash);

/* Starts the helper; to be called before any lock, as it executes this program again.  Dies when that fails, and later when the
   helper's guardian is gone, as no login by password could ever succeed again. */
struct passwords *passwords_new(struct loop *loop, void *data);
/* HASH may be NULL (no such account, no password): the time is the same, the result PASSWORD_WRONG.  Copies both; 0, or -1 when the
   queue is full. */
int password_verify(struct passwords *p, const char *hash, const void *password, size_t size, password_fn *fn, uint64_t cookie);
int password_make(struct passwords *p, const void *password, size_t size, password_fn *fn, uint64_t cookie);
/* Nobody waits for what COOKIE wants verified any more: what was not begun is not.  The others' turn comes sooner. */
void password_forget(struct passwords *p, uint64_t cookie);

/* The helper's own main. */
NORETURN void pwhash_main(void);

#endif
