/* The configuration in memory: one struct a section, made from the table in conf_options.h, and the rules for values.  Reading files is
   sshd/supervisor/ini.c's; this part is pure. */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/conf_options.h"
#include "base/name.h"

struct conf_list { char **v; size_t n; };
struct conf_port { uint16_t port; bool udp; };
struct conf_ports { struct conf_port *v; size_t n; };
struct conf_allow { char *account; uint32_t rights; };
struct conf_allows { struct conf_allow *v; size_t n; };
enum conf_how_kind { HOW_NONE, HOW_LINE, HOW_SIGNAL, HOW_TCP, HOW_NOTIFY };
/* `number` is the signal or the port; `text` the line (owned; NULL otherwise). */
struct conf_how { enum conf_how_kind kind; int number; char *text; };
/* Ends that are no failure: exit codes, a bit each, and signals, bit N for signal N.  Exit code 0 always is one. */
struct conf_exits { uint32_t codes[8]; uint64_t signals; };

#define CONF_CTYPE_STR char *
#define CONF_CTYPE_PATH char *
#define CONF_CTYPE_NAME char *
#define CONF_CTYPE_USER uid_t
#define CONF_CTYPE_UINT uint32_t
#define CONF_CTYPE_SIZE uint64_t      /* bytes */
#define CONF_CTYPE_TIME uint64_t      /* milliseconds */
#define CONF_CTYPE_PERCENT uint32_t
#define CONF_CTYPE_ENUM int           /* position in the "a | b | c" of the table, from 0; CONF_NOTHING */
#define CONF_CTYPE_LIST struct conf_list
#define CONF_CTYPE_PORTS struct conf_ports
#define CONF_CTYPE_ALLOW struct conf_allows
#define CONF_CTYPE_RIGHTS uint32_t    /* bits of base/rights.h */
#define CONF_CTYPE_HOW struct conf_how
#define CONF_CTYPE_EXITS struct conf_exits

enum { CONF_NOTHING = -1 };                                       /* an ENUM whose default is "": nothing was given */
enum { LIMITS_REQUIRED, LIMITS_AVAILABLE };
enum { QUOTA_AUTO, QUOTA_PROJECT, QUOTA_BTRFS, QUOTA_ZFS, QUOTA_IMAGE, QUOTA_FUSE, QUOTA_NONE };
enum { CONF_YES, CONF_NO };                                       /* "yes | no" */
enum { SECOND_FACTOR_NONE, SECOND_FACTOR_TOTP };
enum { NETWORK_PRIVATE, NETWORK_NONE };
enum { RESTART_NEVER, RESTART_ON_FAILURE, RESTART_ALWAYS };

/* A named section's struct starts with its name and the place it was read from ("FILE:LINE"), both owned. */
#define CONF_FIELD(field, key, type, def, unit, help) CONF_CTYPE_##type field;
struct conf_listen { CONF_LISTEN(CONF_FIELD) };
struct conf_limits { CONF_LIMITS(CONF_FIELD) };
struct conf_auth { CONF_AUTH(CONF_FIELD) };
struct conf_paths { CONF_PATHS(CONF_FIELD) };
struct conf_ids { CONF_IDS(CONF_FIELD) };
struct conf_sandbox { CONF_SANDBOX(CONF_FIELD) };
struct conf_network { CONF_NETWORK(CONF_FIELD) };
struct conf_quota { CONF_QUOTA(CONF_FIELD) };
struct conf_events { CONF_EVENTS(CONF_FIELD) };
struct conf_log { CONF_LOG(CONF_FIELD) };
struct conf_account { char *name, *where; CONF_ACCOUNT(CONF_FIELD) };
struct conf_server { char *name, *where; CONF_SERVER(CONF_FIELD) };
#undef CONF_FIELD

struct conf {
    struct conf_listen listen;
    struct conf_limits limits;
    struct conf_auth auth;           /* `ca_key` and `revoked` hold the lines of their files as well */
    struct conf_paths paths;
    struct conf_ids ids;
    struct conf_sandbox sandbox;
    struct conf_network network;
    struct conf_quota quota;
    struct conf_events events;
    struct conf_log log;
    void *keys;                      /* a mapping of `nkeys` bytes with the keys of all accounts, or NULL: each has its own */
    size_t nkeys;
    struct conf_account *accounts;   /* sorted by name; `key` holds the lines of keys_file as well */
    size_t naccounts;
    struct conf_server *servers;     /* sorted by name */
    size_t nservers;
};

enum conf_file { CONF_FILE_DAEMON, CONF_FILE_ACCOUNTS, CONF_FILE_SERVERS };

/* Errors gathered, not only the first: one line each, "FILE:LINE: what is wrong; allowed: ...", owned. */
struct conf_errors { char **v; size_t n; };

/* Everything default.  conf_free frees what C holds, not C. */
void conf_init(struct conf *c);
void conf_free(struct conf *c);
void conf_errors_free(struct conf_errors *e);

/* The value of KEY in SECTION ("limits", "server survival") of FILE, at "FILE:LINE" WHERE.  A single value given
   twice is an error; a list's first value replaces the default.  Adds to ERRORS and goes on when something is wrong. */
struct conf_reader;
struct conf_reader *conf_reader_new(struct conf *c, struct conf_errors *errors);
/* A section's header, before its keys; giving the same section twice is an error.  The keys of a section whose header is wrong are
   dropped, the header reported once. */
void conf_reader_section(struct conf_reader *r, enum conf_file file, const char *where, const char *section);
void conf_reader_set(struct conf_reader *r, enum conf_file file, const char *where, const char *section, const char *key,
                     const char *value);
/* Checks what spans keys (owners and allowed accounts exist, required keys, no port twice, sections named rightly), sorts, and
   frees R. */
void conf_reader_end(struct conf_reader *r);

const struct conf_account *conf_account(const struct conf *c, const char *name);   /* NULL if unknown */
const struct conf_server *conf_server(const struct conf *c, const char *name);
/* What is to hold V to its disk limit: "auto", or a word of quota/backend.h. */
const char *conf_backend(const struct conf *c, const struct conf_server *v);
/* How many servers there may be over time: ranges of CONF_RANGE uids from ids.servers on. */
enum { CONF_RANGE = 65536 };
uint32_t conf_ranges(const struct conf *c);

/* Prints the effective configuration as ini text (for -T): every option with its value.  Owned by the caller. */
char *conf_text(const struct conf *c);

/* Whether a main process that ended with CODE, or of SIGNAL if that is not 0, ended well. */
bool conf_exit_clean(const struct conf_exits *e, uint32_t code, uint32_t signal);

/* The pure value parsers, for other users and tests.  0, or -1 when TEXT is not one. */
int conf_size(const char *text, uint64_t *bytes);      /* 512M 10G 4096 */
int conf_time(const char *text, uint64_t *ms);         /* 30s 10m 1h 250ms */
/* Processors: "0-3,6".  0, or -1 when TEXT is no such list.  The shortest text of a set, owned.  Whether A has what B has not: in *REST. */
enum { CONF_CPUS_MOST = 8192 };
struct conf_cpus { uint64_t bits[CONF_CPUS_MOST / 64]; };
int conf_cpus(const char *text, struct conf_cpus *set);
char *conf_cpus_text(const struct conf_cpus *set);
bool conf_cpus_without(const struct conf_cpus *a, const struct conf_cpus *b, struct conf_cpus *rest);
/* POSIX words: '...', "...", backslash; no expansion.  Unquoted | > < ; & $( ` are refused.  *WORDS is a NULL-terminated array,
   free with conf_words_free; on -1 *WHY names what was refused (static text). */
int conf_words(const char *text, char ***words, const char **why);
/* The same words; a backslash stands before each byte of * ? [ ] ! ^ - ~ \ that was quoted, so that patterns can be told from names. */
int conf_words_marked(const char *text, char ***words, const char **why);
void conf_words_free(char **words);

#endif
