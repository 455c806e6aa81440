/* A configuration on its way in. */
#ifndef STORED_PUSH_H
#define STORED_PUSH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include "base/name.h"
#include "base/rate.h"
#include "store/stored/keys.h"

/* What one message can answer, and what an account may see and still be told in one. */
enum { PUSH_SERVERS = 1024, PUSH_VISIBLE = 512, PUSH_NUMBERS = 32768, PUSH_DIGEST = 32 };

struct pushed_key {
    const char *type;
    uint8_t hash[KEY_HASH];
    char fingerprint[KEY_FINGERPRINT], label[KEY_LABEL_MOST + 1];
    char *options;               /* as written; owned; NULL: none */
};

struct pushed_account {
    char name[NAME_MOST + 1];    /* first, for sorting */
    bool password, suspended, own_keys, second_factor;
    uint32_t max_connections, rights;
    struct pushed_key *keys;     /* owned */
    size_t nkeys;
    uint8_t digest[PUSH_DIGEST];
};

struct pushed_allow {
    char account[NAME_MOST + 1];
    uint32_t rights;
};

struct pushed_server {
    char name[NAME_MOST + 1];    /* first, for sorting */
    char owner[NAME_MOST + 1];
    struct pushed_allow *allow;  /* owned */
    size_t nallow;
    uint8_t digest[PUSH_DIGEST];
    uint32_t number;             /* from push_apply */
};

struct trust;

struct push {
    struct pushed_account *accounts;
    struct pushed_server *servers;
    size_t naccounts, nservers;
    uint32_t activity_days, activity_rows;
    uint32_t numbers;       /* a server's is below; at most PUSH_NUMBERS */
    const uint8_t *seal;         /* the store's, borrowed */
    struct rate rates[RATES];
    struct trust *trust;         /* owned */
    char *error;                 /* owned; the first thing that was wrong, or NULL */
};

struct changes {
    unsigned accounts_added, accounts_changed, accounts_removed, suspended;
    unsigned servers_added, servers_changed, servers_removed;
    unsigned lists;
};

/* NULL is allowed. */
void push_free(struct push *p);
/* Makes the database say what P says (both lists sorted by name), in one transaction, and fills in the servers' numbers.  0, or -1 with
   E and nothing changed. */
int push_apply(sqlite3 *db, struct push *p, struct changes *c, struct err *e);

#endif
