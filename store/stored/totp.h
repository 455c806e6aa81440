/* One-time codes (RFC 6238: SHA-1, 30 s, 6 digits) and recovery codes, as bytes and as people write them.  Nothing here knows the database. */
#ifndef STORED_TOTP_H
#define STORED_TOTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* TOTP_SKEW: steps a clock may be off, each way. */
enum { TOTP_SEED = 20, TOTP_STEP_MS = 30000, TOTP_SKEW = 1, TOTP_DIGITS = 6, TOTP_SECRET = 32 + 1 };
/* 80 bits a code; RECOVERY_SHOWN: four groups of four and a NUL. */
enum { RECOVERY_CODES = 10, RECOVERY_BYTES = 10, RECOVERY_DIGITS = 16, RECOVERY_SHOWN = 20, RECOVERY_HASH = 32 };
/* Of what somebody typed, with a NUL. */
enum { CODE_MOST = 64, CODE_TEXT = CODE_MOST + 1 };

enum code_kind { CODE_NONE, CODE_TOTP, CODE_RECOVERY };

/* Takes SIZE bytes as a person types them to OUT: capitals, without blanks and dashes.  What can be no code is CODE_NONE, and OUT is "". */
enum code_kind code_read(const void *typed, size_t size, char out[CODE_TEXT]);

/* RFC 4648, capitals, no padding: 8 characters for 5 bytes (SIZE is a multiple of 5) and a NUL. */
void base32(const uint8_t *bytes, size_t size, char *out);

/* The step that the clock is in. */
int64_t totp_step(int64_t wall_ms);
/* The step beside NOW, later than LAST, whose code is CODE; 0: there is none.  The time it takes does not depend on CODE, LAST or SEED. */
int64_t totp_match(const uint8_t seed[TOTP_SEED], int64_t now, int64_t last, const char code[TOTP_DIGITS + 1]);
/* The otpauth:// URI of SECRET (base32) for ACCOUNT, owned by the caller, who wipes it. */
char *totp_uri(const char *account, const char *secret);

/* A new recovery code, as it is shown. */
void recovery_make(char shown[RECOVERY_SHOWN]);
/* What is kept of CODE (as code_read gives it) of ACCOUNT, under KEY (HASH_KEY bytes). */
void recovery_hash(const uint8_t *key, const char *account, const char *code, uint8_t out[RECOVERY_HASH]);

#endif
