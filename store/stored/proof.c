#include "store/stored/proof.h"

#include "store/proto.h"

bool proof_fits(uint32_t proof, uint32_t flags)
{
    bool touched = proof & PROOF_TOUCH || flags & KEY_NO_TOUCH;
    bool verified = proof & PROOF_VERIFIED || !(flags & KEY_VERIFY_REQUIRED);
    return touched && verified;
}

const char *proof_missing(uint32_t proof, uint32_t flags)
{
    return proof_fits(proof, flags | KEY_NO_TOUCH) ? "the key has to be touched, and its signature says that it was not"
                                                   : "the key has to verify who uses it (PIN, finger), and its signature says that it did not";
}
