/* `holdfast server WORD NAME`: what an admin asks about one server, or does to it. */
#ifndef SUPERVISOR_TOOL_SERVER_H
#define SUPERVISOR_TOOL_SERVER_H

struct client;

/* Takes argv[0], the word, and argv[1], the server's name; answers the client. */
void tool_server(struct client *c);

#endif
