/* `holdfast quota WORD SERVER ...`: what an admin does about servers' disks. */
#ifndef SUPERVISOR_TOOL_QUOTA_H
#define SUPERVISOR_TOOL_QUOTA_H

struct client;

void tool_quota(struct client *c);

#endif
