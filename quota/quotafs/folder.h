/* Descriptors (O_PATH) of folders, a bounded number of them: those used last stay.  One that is not there any more is opened again from the next
   parent above that is, a name at a time.  The caller holds the names' lock (fs.h), so that they do not change on the way. */
#ifndef QUOTAFS_FOLDER_H
#define QUOTAFS_FOLDER_H

#include "quota/quotafs/node.h"

enum { FOLDERS_KEPT = 1024 };

/* ROOT is borrowed. */
void folder_root(struct nodes *t, int root);
/* A descriptor that is good until folder_done, and keeps N; -1 with errno: ESTALE when its name is not known now, ENOENT when it has none. */
int folder_use(struct nodes *t, struct node *n);
void folder_done(struct nodes *t, struct node *n);
/* With the table's lock held, when nobody uses it. */
void folder_close(struct node *n);

#endif
