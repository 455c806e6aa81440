/* What sessions are about, by their own word: shown to their account, and to who may watch the console of a server they have to do with. */
#ifndef STORED_DOING_H
#define STORED_DOING_H

#include "base/name.h"
#include "store/stored/session.h"

struct doing {
    char what[DOING_WORD + 1];
    char server[NAME_MOST + 1];   /* "": none */
};

struct wish;

/* STORE_DOING. */
request_fn doing_told;
void doing_forget(struct session *s);
/* OP_SESSIONS. */
bool doing_list(struct wish *w);

#endif
