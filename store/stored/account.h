/* Questions about accounts and what they may do, as of the last configuration applied.  Each returns -1 with E when the database
   fails; the caller refuses then. */
#ifndef STORED_ACCOUNT_H
#define STORED_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "base/err.h"
#include "base/name.h"
#include "store/stored/keys.h"

/* own_keys: may log in with keys that it set itself. */
struct account { bool password, suspended, own_keys; };

struct visible {
    char server[NAME_MOST + 1], owner[NAME_MOST + 1];
    uint32_t rights;
};

/* 1: there, *A filled.  0: no such account. */
int account_find(sqlite3 *db, const char *name, struct account *a, struct err *e);
/* 1: HASH is a key of account NAME that it may use: the admin's, or one of its own where it may have them. */
int account_has_key(sqlite3 *db, const char *name, const uint8_t hash[KEY_HASH], struct err *e);
/* 1: HASH is a key of some account. */
int account_any_key(sqlite3 *db, const uint8_t hash[KEY_HASH], struct err *e);
/* 1: HASH is a key that the admin gave account NAME. */
int account_has_ini_key(sqlite3 *db, const char *name, const uint8_t hash[KEY_HASH], struct err *e);
/* 1: account NAME can log in without a key of its own: by a key of the admin's, or by a password that is set and allowed. */
int account_way_in(sqlite3 *db, const char *name, struct err *e);
/* 1: *HASH is the account's password hash, owned by the caller.  0: it has none. */
int account_password(sqlite3 *db, const char *name, char **hash, struct err *e);
/* 1: *CHANGED is when the account's password was set (wall ms; another one has another).  0: it has none. */
int account_password_since(sqlite3 *db, const char *name, int64_t *changed, struct err *e);
int account_set_password(sqlite3 *db, const char *name, const char *hash, struct err *e);

/* The servers NAME may see, sorted by name; *V is owned by the caller. */
int account_servers(sqlite3 *db, const char *name, struct visible **v, size_t *n, struct err *e);
/* 1: *RIGHTS are those on SERVER.  0: it may not see it, or there is none. */
int account_rights(sqlite3 *db, const char *name, const char *server, uint32_t *rights, struct err *e);

#endif
