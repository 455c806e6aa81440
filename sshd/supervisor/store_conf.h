/* The configuration in the words of the store: what each STORE_CONF_... message carries. */
#ifndef SUPERVISOR_STORE_CONF_H
#define SUPERVISOR_STORE_CONF_H

#include "base/conf.h"
#include "base/link.h"

/* One message each, on the store's link L. */
void store_conf_begin(struct link *l, const struct conf *conf);
void store_conf_account(struct link *l, const struct conf_account *a);
void store_conf_server(struct link *l, const struct conf_server *v);

#endif
