/* Loop devices: attached for as long as something uses them, never longer. */
#ifndef QUOTA_LOOPDEV_H
#define QUOTA_LOOPDEV_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* Attaches the file open at FD, with direct IO, or finds the device that has it already: two devices on one image would
   be two file systems that do not know of each other.  The device is freed by the kernel when its last user (a mount,
   the returned descriptor) goes.  Writes its path to PATH of SIZE bytes.  The device's fd, or -1 with E. */
int loopdev_attach(int fd, char *path, size_t size, struct err *e);
/* Whether block device DEV is a loop device on the file of FD. */
bool loopdev_holds(dev_t dev, int fd);
/* Tells the loop device at PATH that its file has another size. */
int loopdev_resized(const char *path, struct err *e);
/* Waits until loop device DEV has no file any more: 0, or -1 with EBUSY after two seconds. */
int loopdev_wait_free(dev_t dev, struct err *e);

#endif
