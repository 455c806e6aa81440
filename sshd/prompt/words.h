/* Completions: what they have in common, and a list of them. */
#ifndef PROMPT_WORDS_H
#define PROMPT_WORDS_H

#include <stddef.h>
#include <wchar.h>

#include "base/buf.h"

struct words {
    wchar_t **v;        /* owned */
    size_t n;
};

void words_free(struct words *w);
/* Adds SIZE bytes of UTF-8, unless something of them cannot be shown. */
void words_add(struct words *w, const void *bytes, size_t size);
/* How many characters all begin with. */
size_t words_common(const struct words *w);
/* In columns, downwards, on a screen of COLUMNS; the last line says how many more there are, if any. */
void words_list(const struct words *w, unsigned columns, unsigned more, struct buf *b);

#endif
