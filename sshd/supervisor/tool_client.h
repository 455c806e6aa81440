/* One request of the tool, and how it is answered. */
#ifndef SUPERVISOR_TOOL_CLIENT_H
#define SUPERVISOR_TOOL_CLIENT_H

#include <stdbool.h>

#include "base/buf.h"
#include "sshd/supervisor/super.h"

enum { ARGS_MOST = 8 };

struct client {
    struct client *next;
    struct super *super;
    struct link *link;
    unsigned calls;         /* answers under way that hold this client */
    bool gone, json;
    int fd;                 /* came with the request; -1 */
    /* Called once when the client goes before its answer; then forgotten. */
    void (*left)(void *data);
    void *left_data;
    unsigned argc;
    char *argv[ARGS_MOST];
    struct buf secret;
};

/* An answer that comes later holds the client until then; the release may free it. */
void client_hold(struct client *c);
void client_release(struct client *c);
/* What a person at a terminal sees while it takes long. */
void client_progress(struct client *c, const char *text);
/* Output, any number of times; then the end with its exit code and, when that is not 0, the reason.  Both do nothing for one that has gone. */
void client_put(struct client *c, const char *bytes, size_t size);
void client_done(struct client *c, int code, const char *text);

#endif
