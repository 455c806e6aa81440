/* The threads that take the kernel's requests from /dev/fuse and answer them. */
#ifndef QUOTAFS_SERVE_H
#define QUOTAFS_SERVE_H

#include <stddef.h>

struct fs;

/* Starts N threads on DEVICE (not owned).  The descriptor returned becomes readable when the mount has gone. */
int serve_start(struct fs *fs, int device, unsigned n);

/* This thread's buffer for answers, of the largest size there is. */
char *serve_buffer(size_t *room);

#endif
