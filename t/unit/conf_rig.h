/* One configuration at a time, given key by key. */
#ifndef T_UNIT_CONF_RIG_H
#define T_UNIT_CONF_RIG_H

#include <criterion/criterion.h>

#include "base/conf_table.h"

extern struct conf c;
extern struct conf_errors errors;
extern struct conf_reader *reader;

void begin(void);
/* In the file that SECTION belongs to, at "f:7". */
void set(const char *section, const char *key, const char *value);
/* Then what spans sections is checked. */
void finish(void);
void end(void);

void no_errors(void);
bool said(const char *part);
/* One value that must be refused, the words to be said, and that nothing else is. */
void refused(const char *section, const char *key, const char *value, const char *words);

#endif
