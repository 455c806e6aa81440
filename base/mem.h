/* Memory that is there or the process dies; strings owned by the caller, freed with free(). */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

#include "base/attr.h"

void *mem_new(size_t size) MUST_USE;                          /* zeroed */
void *mem_array(size_t count, size_t size) MUST_USE;          /* zeroed; dies on overflow */
void *mem_grow(void *p, size_t count, size_t size) MUST_USE;  /* realloc; new bytes not zeroed; dies on overflow */
char *mem_str(const char *s) MUST_USE;                        /* NULL stays NULL */
char *mem_strn(const void *bytes, size_t len) MUST_USE;       /* adds the NUL */
char *mem_fmt(const char *fmt, ...) PRINTF(1, 2) MUST_USE;
/* Overwrites before the memory is given back; for secrets. */
void mem_wipe(void *p, size_t size);
/* Of a process of one thread that begins to rest: the kernel gets back what its heap has free, and what of its stack lies below the caller. */
void mem_rest(void);

#endif
