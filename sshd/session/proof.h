/* What a hardware key (sk-...) says under its signature of the person who used it: whether it was touched, and whether it verified who that was.
   libssh verifies such signatures, and nothing of its interface shows these flags. */
#ifndef SESSION_PROOF_H
#define SESSION_PROOF_H

#include <stddef.h>
#include <stdint.h>

/* Dies when OpenSSL's function is not to be found.  Call before the lock. */
void proof_open(void);
/* PROOF_TOUCH, PROOF_VERIFIED (store/proto.h) of the signature that was verified last, and forgets it.  0 as well when that one was not valid, or
   not by a hardware key made for what the key BLOB (plain, or in a certificate) is for. */
uint32_t proof_take(const uint8_t *blob, size_t size);

#endif
