/* Folders that a role owns below folders of root's. */
#ifndef SUPERVISOR_FOLDER_H
#define SUPERVISOR_FOLDER_H

#include <sys/types.h>

#include "base/err.h"

/* Makes PATH with MODE for UID (and the group of that number) when it is missing; one that was made and not yet given away is given now.
   What is there already keeps its owner.  0, or -1 with E (ENOTDIR: something else stands there). */
int folder_make(const char *path, uid_t uid, mode_t mode, struct err *e);

#endif
