/* Host keys: the PEM blocks the supervisor hands over, and new ones for START_KEYGEN. */
#ifndef SESSION_HOSTKEYS_H
#define SESSION_HOSTKEYS_H

#define LIBSSH_LEGACY_0_4
#include <libssh/libssh.h>
#include <libssh/server.h>

/* Imports every block of TEXT into BIND; dies when one is broken or there is none. */
void hostkeys_import(ssh_bind bind, const char *text);
/* Makes a key of TYPE ("ed25519" or "rsa"): *PRIVATE the PEM text, *PUBLIC the line "TYPE BASE64".  Both owned by the caller, *PRIVATE to be
   wiped.  Dies when TYPE is another or libssh fails. */
void hostkeys_make(const char *type, char **private_text, char **public_line);

#endif
