/* `holdfast ban WORD ...`: sources that are held off. */
#ifndef SUPERVISOR_TOOL_BAN_H
#define SUPERVISOR_TOOL_BAN_H

struct client;

void tool_ban(struct client *c);

#endif
