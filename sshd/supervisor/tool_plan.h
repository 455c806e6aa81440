/* `holdfast server plan NAME`. */
#ifndef SUPERVISOR_TOOL_PLAN_H
#define SUPERVISOR_TOOL_PLAN_H

struct client;
struct server;

/* What a start of V would do, one step a line, from launch itself: started with -n and without any right. */
void tool_plan(struct client *c, struct server *v);

#endif
