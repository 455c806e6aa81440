/* The store as a whole: one of it, handed to everybody. */
#ifndef STORED_STORE_H
#define STORED_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "base/bucket.h"
#include "base/link.h"
#include "base/loop.h"
#include "base/msg.h"
#include "store/proto.h"
#include "store/stored/password.h"

struct session;
struct secret;
struct order;
struct push;
struct activity;
struct trust;
struct account_rate;
struct event_wait;

struct store {
    struct loop *loop;
    struct link *super;           /* its end is ours */
    sqlite3 *db;
    const struct secret *keys;    /* what the next three point into, locked */
    const uint8_t *secret;        /* HASH_KEY bytes, for hashes of public keys */
    const uint8_t *seal;          /* SECRET_KEY bytes; NULL: not what the database was sealed with */
    enum store_sealed sealed;     /* as for STORE_READY */
    const uint8_t *digest;        /* HASH_KEY bytes, for digests of sections; random where `seal` is NULL */
    struct passwords *passwords;
    struct session *sessions;     /* owned, a list */
    struct timer *expiry;         /* of keys that sessions use; NULL: none expires */
    struct order *orders;         /* owned, a list */
    uint32_t last_order;
    struct push *push;            /* a configuration being received, or NULL */
    struct trust *trust;          /* of the last one applied; owned; NULL before */
    struct activity *activity;
    struct event_wait *event_waits;   /* event_order.c's; owned, a list */
    struct account_rate *rates;   /* actor.c's; owned, a list */
    struct bucket complaints;     /* in the log, about what could not be recorded */
};

/* What the supervisor may ask; every message of its that is none of these ends us, as does a broken one. */
typedef void super_fn(struct store *s, struct msg *m);
super_fn session_new, session_gone, sessions_list, login_answered, passwd, totp_reset, order_result, rotate;
super_fn sources_load, sources_save, event_told, wanted_load, wanted_save;
super_fn push_begin, push_account, push_server, push_end;

#endif
