/* Finds a text in lines that arrive in any pieces: control characters and terminal sequences are passed over, a line end starts anew. */
#ifndef SHIM_MATCH_H
#define SHIM_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The text, and for each of its prefixes the longest one that it ends with. */
struct needle {
    char *text;
    size_t len;
    size_t *back;
};

/* One stream's place; zeroed at first. */
struct match {
    size_t at;   /* characters of the text that the line ends with now */
    int state;   /* within a terminal sequence */
};

void needle_init(struct needle *n, const char *text);
void needle_free(struct needle *n);
/* True once the text stands in the current line, at the latest with the byte that completes it. */
bool match_add(struct match *m, const struct needle *n, const uint8_t *bytes, size_t size);

#endif
