/* Inodes with more than one name, so that each is counted once.  Any number of threads.

   Memory is 16 bytes an inode in a table at most three quarters full, up to the number given to links_new; from there on an inode
   that is not in it is counted at each of its names (never too little), and links_over tells how often that was. */
#ifndef QUOTA_LINKS_H
#define QUOTA_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct links;

/* For MOST inodes. */
struct links *links_new(size_t most);
void links_free(struct links *l);
/* Whether this is the first time; also when it cannot be told any more. */
bool links_first(struct links *l, uint64_t dev, uint64_t ino);
size_t links_known(struct links *l);
uint64_t links_over(struct links *l);

#endif
