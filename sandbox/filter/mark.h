/* Connections that the rules let through are remembered, by the kernel's own mark of each (ct mark), so that not every packet is asked all rules.

   The mark is a number that stands for one state of the rules.  A connection between a server and the world outside gets it from its first packet
   that passes all of them; a packet whose connection has the number of now passes at once.  Each change of the rules takes the number away in the
   same transaction, so that everything is asked again, and the next number comes a second later, in a change of its own that alters nothing else.

   Why not the next number at once?  A packet on its way may see the rules of before in one chain and those of after in the next, where two
   transactions (one of them may be anybody's) are done meanwhile; see state.h.  It would take the new number on the word of old rules, and its
   connection keep it.  So the number is given to rules that have stood for as long as the kernel waits for whoever still sees others: while it
   is in force, no packet is about that has seen rules which allowed more.

   No number is given twice while the machine is up, whoever dies or is started again: it is made of the second since boot, and no second is used
   twice.  It is a whole word, of which the first four bits say that it is one of ours.  A connection that has another's mark keeps it, and
   each of its packets is asked. */
#ifndef SANDBOX_FILTER_MARK_H
#define SANDBOX_FILTER_MARK_H

#include <stdbool.h>
#include <stdint.h>

#define MARK_OURS UINT32_C(0x60000000)    /* what they begin with, */
#define MARK_FIRST UINT32_C(0xf0000000)   /* in these bits */

/* Of the second since boot: never 0, but past the last (8 years) always.  Seconds in a row have marks that are bits apart, so that who changes
   some bits of one does not make the next. */
uint32_t mark_of(uint64_t second);
uint64_t mark_second(void);
/* Waits (some milliseconds) until no packet is on its way that began before.  False: the kernel does not do that. */
bool mark_settle(void);

#endif
