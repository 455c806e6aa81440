/* Line editors (holdfast-prompt): one a channel with a terminal, under the uid of its connection's slot. */
#ifndef SUPERVISOR_PROMPT_H
#define SUPERVISOR_PROMPT_H

#include "sshd/supervisor/super.h"

struct order;

/* OP_PROMPT: starts one; its answer has the session's end of the link and the terminal's master.  75 past 10 of a connection or 64 of an
   account, 69 when it cannot be started. */
void prompt_order(struct super *s, struct order *o);
/* The session has ended: so do its prompts. */
void prompts_end(uint64_t session);

#endif
