/* Orders from the store, each checked again: the session exists and is the account's, the server exists, the account has the right in the
   configuration in force. */
#ifndef SUPERVISOR_ORDER_H
#define SUPERVISOR_ORDER_H

#include "sshd/supervisor/conn.h"
#include "sshd/supervisor/server.h"

struct order {
    uint32_t id;
    enum op op;
    struct session *session;
    struct server *server;                  /* NULL for those that name none */
    const struct conf_server *conf;
    uint32_t rights;                        /* of the session on the server: the account's by the configuration, as far as its key carries them */
    uint64_t number;
    uint64_t generation;                    /* of the account, by which the store judged the session */
    const char *account, *text;             /* valid during the call */
};

/* A STORE_ORDER message. */
void order_take(struct super *s, struct msg *m);
/* What ACCOUNT may do with V's server now, by CONF: nothing if V is NULL, or the account has gone or is suspended. */
uint32_t order_rights(const struct conf *conf, const struct conf_server *v, const char *account);
/* The same for S, as far as the key that it is logged in with carries it. */
uint32_t order_session_rights(const struct conf *conf, const struct session *s, const struct conf_server *v);

#endif
