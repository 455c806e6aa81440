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
    const char *account, *text;             /* valid during the call */
};

/* A STORE_ORDER message. */
void order_take(struct super *s, struct msg *m);
/* What ACCOUNT may do with C's server, and what S may, logged in with the key it has. */
uint32_t order_rights(const struct conf_server *c, const char *account);
uint32_t order_session_rights(const struct session *s, const struct conf_server *c);

#endif
