/* The second factor of a login, and what it means for a session that is there. */
#ifndef STORED_CODE_H
#define STORED_CODE_H

#include "store/stored/factor.h"
#include "store/stored/session.h"

/* The key or the password of S (account, method and question are set) was right: asks for a code, or goes on to the supervisor. */
void code_or_enter(struct session *s);
/* Why S, whose key or password still counts, may not stay for its second factor; NULL: it may. */
const char *code_unwelcome(struct session *s, struct err *e);
/* SECOND_... of store/proto.h. */
uint32_t code_state(const struct session *s);

/* What codes of STORE are judged with. */
struct factor_keys code_keys(const struct store *store);
/* What is told when the seed does not open. */
const char *code_lost(const struct store *store);
extern const char code_enrol[];

#endif
