/* The N largest of many, without keeping the rest.  One thread. */
#ifndef QUOTA_TOP_H
#define QUOTA_TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TOP_MOST = 1000, TOP_PATH = 4096 };

struct top_one { uint64_t bytes; char *path; };

/* Largest first. */
struct top { size_t most, n; struct top_one *v; };

/* MOST is at most TOP_MOST. */
struct top *top_new(size_t most);
void top_free(struct top *t);
/* Whether BYTES would be among them: ask before a path is made. */
bool top_wants(const struct top *t, uint64_t bytes);
/* PATH is copied. */
void top_add(struct top *t, uint64_t bytes, const char *path);

#endif
