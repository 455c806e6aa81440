/* What stands in front of a key in authorized_keys: who may use it from where, until when, and for what.  Pure: no database, no clock, no network. */
#ifndef STORED_KEY_OPTIONS_H
#define STORED_KEY_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rights.h"
#include "store/proto.h"

/* Bytes of all options of a key as they are written, of a forced command, of an address; servers, patterns of `from`, and principals that are
   named. */
enum { KEY_OPTIONS_MOST = 4096, KEY_COMMAND_MOST = 1024, KEY_ADDRESS_MOST = 64, KEY_NAMES_MOST = 64 };

/* An account's own line, or one that names an authority: only the latter has principals. */
enum key_role { KEY_OF_ACCOUNT, KEY_OF_AUTHORITY };

struct key_options {
    uint32_t flags;       /* enum key_flag (store/proto.h) */
    uint32_t rights;      /* it carries at most these; RIGHT_ALL without `rights` */
    char *servers;        /* "a,b": only these; owned; NULL: all */
    char *from;           /* patterns; owned; NULL: from anywhere */
    int64_t expires;      /* wall ms from which on it is no more; 0: never */
    char *command;        /* the line that runs whatever the client asks for; owned; NULL: none */
    char *principals;     /* owned; NULL: none */
};

/* None: what a key without options, or a password, may do. */
#define KEY_OPTIONS_NONE ((struct key_options){ .rights = RIGHT_ALL })

/* How many bytes of LINE are options: up to the first blank outside of quotes. */
size_t key_options_size(const char *line);
/* Reads SIZE bytes of options.  0 and *O, which the caller ends; or -1 with E, which names the option and what is allowed, and *O as
   KEY_OPTIONS_NONE.  Nothing is ignored: an option that is not known, one that stands there twice, and a value that does not fit are errors. */
int key_options_parse(const char *text, size_t size, enum key_role role, struct key_options *o, struct err *e);
void key_options_end(struct key_options *o);

enum key_verdict { KEY_FITS, KEY_EXPIRED, KEY_ELSEWHERE };
/* May it be used from ADDRESS (as inet_ntop writes it) at NOW (wall ms)? */
enum key_verdict key_options_check(const struct key_options *o, const char *address, int64_t now);
/* What is left of RIGHTS on SERVER. */
uint32_t key_options_rights(const struct key_options *o, const char *server, uint32_t rights);

/* key_from.c: the patterns of `from`, as OpenSSH takes them: addresses, networks with a mask, wildcards, '!' in front for "not"; one "not" that
   fits outweighs all others.  Host names are refused: nobody is asked for them here. */
int key_from_parse(const char *patterns, struct err *e);
bool key_from_fits(const char *patterns, const char *address);

/* key_command.c: does COMMAND begin with a verb there is, or is it internal-sftp?  0, or -1 with E. */
int key_command_check(const char *command, struct err *e);

#endif
