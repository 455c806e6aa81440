/* What a key's options ask of the one who uses it, against what the signature proved. */
#ifndef STORED_PROOF_H
#define STORED_PROOF_H

#include <stdbool.h>
#include <stdint.h>

/* Whether PROOF (STORE_KEY_LOGIN) is all that a hardware key with FLAGS (key_flag, store/proto.h) must show: a touch, unless it may do without.  Of a key that is kept in a
   file there is never any proof: give KEY_NO_TOUCH for it. */
bool proof_fits(uint32_t proof, uint32_t flags);
/* What is missing, in words for its owner. */
const char *proof_missing(uint32_t proof, uint32_t flags);

#endif
