/* Public keys as the protocol carries them: reading a base64 text, and how large an RSA key is. */
#ifndef SESSION_BLOB_H
#define SESSION_BLOB_H

#include <stddef.h>
#include <stdint.h>

/* Decodes TEXT (no white space) into OUT of SIZE bytes.  The number of bytes, or 0 when it is no base64 or does not fit. */
size_t blob_of_base64(const char *text, uint8_t *out, size_t size);
/* Bits of the modulus when BLOB is an RSA key, 0 for any other kind, -1 for a broken one. */
int blob_rsa_bits(const uint8_t *blob, size_t size);

#endif
