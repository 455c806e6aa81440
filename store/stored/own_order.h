/* What orders about an account's own keys share.  Each that returns false, or 0, has answered the wish. */
#ifndef STORED_OWN_ORDER_H
#define STORED_OWN_ORDER_H

#include "store/stored/order.h"
#include "store/stored/own.h"

#define UNCHANGED "; nothing was changed"
#define LIMITED(what) "the key of this connection is limited (rights, servers or command), so it may not change " what UNCHANGED
#define NO_SECRET "own keys cannot be shown or changed now: the appliance has lost the secret key they are kept with; tell its admin"

/* The account at hand, in *A. */
bool own_whose(struct wish *w, struct account *a);
/* The key of W's session carries less than its account may: it changes nothing by which others log in. */
bool own_limited(const struct wish *w);
/* It may have keys of its own, this session may change them, and not too often. */
bool own_may_change(struct wish *w, const struct account *a);
/* The own keys there are, in *F for keyfile_free.  1, 0, or -1 with E. */
int own_read(struct wish *w, struct keyfile *f, struct err *e);
/* Makes F the account's own keys, unless that would shut it out; FORCE: even then.  1, 0, or -1 with E.  After 1 the wish is to be answered, and then
   own_tell called. */
int own_write(struct wish *w, const struct keyfile *f, bool force, struct err *e);
/* Holds the account's sessions to the new keys: W's may go. */
void own_tell(struct wish *w);

#endif
