/* Inodes with several names that were met, each with a number of the caller's. */
#ifndef COPY_PAIRS_H
#define COPY_PAIRS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Notes NUMBER for the inode unless it has one.  True if it is new, else its number in *NUMBER. */
bool pairs_note(dev_t dev, ino_t ino, uint64_t *number);

#endif
