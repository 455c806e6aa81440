/* The store's aid: this program again, for one look at the database beside the running store, which goes on answering. */
#ifndef STORED_AID_H
#define STORED_AID_H

#include "base/attr.h"

/* Takes START_CHECK or START_COPY from its link, does it, answers and ends. */
NORETURN void aid_main(void);

#endif
