/* Links by the server's socket: limits, usage, the end. */
#ifndef QUOTAFS_CONTROL_H
#define QUOTAFS_CONTROL_H

struct fs;

/* Serves those who come at LISTENER until one sends END or OVER becomes readable. */
void control_run(struct fs *fs, int listener, int over);

#endif
