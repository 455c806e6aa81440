/* `quota list` and `quota check` of the tool. */
#ifndef SUPERVISOR_TOOL_QUOTA_H
#define SUPERVISOR_TOOL_QUOTA_H

struct client;

/* Its words are checked here. */
void tool_quota(struct client *c);

#endif
