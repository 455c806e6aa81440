/* Deletes a tree that somebody hostile may have made: of any depth and width, with two descriptors, following nothing.  Nobody changes it
   meanwhile. */
#ifndef QUOTA_RMTREE_H
#define QUOTA_RMTREE_H

#include "base/err.h"

/* The folder NAME in PARENT and all below it: 0, or -1 with E and a part of it left; done again, it goes on.  Gone already: 0.  What is
   mounted in it is an error. */
int rmtree(int parent, const char *name, struct err *e);

#endif
