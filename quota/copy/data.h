/* What is in a file.  Holes stay holes. */
#ifndef COPY_DATA_H
#define COPY_DATA_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"

/* Told of bytes as they are done. */
typedef void data_fn(uint64_t bytes);

/* Everything of FROM, ST's, into the empty file TO. */
int data_copy(int from, int to, const struct stat *st, data_fn *tell, struct err *e);
/* Whether both hold the same, to the byte; read from the disk where that can be asked for. */
int data_compare(int from, int to, const struct stat *st, data_fn *tell, struct err *e);

#endif
