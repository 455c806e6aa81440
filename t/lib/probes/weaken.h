#ifndef T_LIB_PROBES_WEAKEN_H
#define T_LIB_PROBES_WEAKEN_H

#include <stdbool.h>

#define WEAKEN "HOLDFAST_WEAKEN"

bool off(const char *name);
void weaken_names(void);   /* prints those that this program knows, a line each, and "+VERB" for a step */
void refuse_the_dangerous(void);

#endif
