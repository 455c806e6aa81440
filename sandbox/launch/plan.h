/* The supervisor's plan for one sandbox, as sent with LAUNCH_RUN, LAUNCH_ERRAND or LAUNCH_SHELL. */
#ifndef SANDBOX_LAUNCH_PLAN_H
#define SANDBOX_LAUNCH_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/msg.h"
#include "base/name.h"

enum { PLAN_UIDS = 65536, PLAN_SERVER_UID = 1000, PLAN_TTY_GID = 5 };   /* the last two as seen inside */
/* Whose the namespaces are, from BASE: the last of the server's ids, which has no process, no file and no other account to be counted to. */
enum { PLAN_OWNER_UID = PLAN_UIDS - 1 };
enum plan_network { NETWORK_PRIVATE, NETWORK_NONE };

struct plan_port { uint32_t port; bool udp; };
struct plan_list { uint32_t n; char **each; };   /* each and the array owned; the array ends in NULL */

struct plan {
    char *server;
    uint32_t base;              /* uid and gid 0 inside are this outside */
    uint32_t shim_uid;          /* its gid too */
    uint32_t log_level;
    struct plan_list argv;      /* at least one */
    char *directory;
    struct plan_list env;
    bool tty;
    uint64_t tmp, memory;       /* bytes */
    uint32_t nofile, pids;
    uint32_t profile;           /* enum sandbox_profile */
    bool has_filter, has_image;
    enum plan_network network;
    uint32_t host, inside;      /* IPv4, host order, the two ends of a /30 */
    char *host6, *inside6;      /* IPv6, the two ends of a /126; "" without IPv6 */
    char *interface;            /* of the host's end */
    uint32_t nports;
    struct plan_port *ports;
    struct plan_list dns;
    char *init, *shim;          /* absolute paths on the host */
    uint32_t ready_kind, ready_number;
    char *ready_text;
    bool notify;                /* it gets a notify socket */
    uint64_t watchdog;          /* ms; 0: none */
    bool errand;                /* no console, log or socket; ends with the link */
    bool shell;                 /* an errand that is one */
    bool read_only;             /* its files */
    uint32_t columns, rows;     /* of a shell's terminal */
    uint32_t wall;              /* seconds an errand may run; 0 else */
    bool has_cgroup;
    char home[NAME_MOST + 8];   /* where they are, below the root */
    int root, logs, listener, cgroup;   /* descriptors, owned; cgroup -1: none; an errand has no logs and no listener */
    int filter;                 /* -1: the profile's own */
    int image;                          /* its root, in place of what the host has; -1: none */
    int stdio[3];               /* an errand's without a terminal; else -1 */
};

/* Returns 0, or -1 with E: a value that cannot be.  A malformed message ends the process.  FDS: it must carry the descriptors; else those
   it carries are closed, and all are -1. */
int plan_read(struct plan *p, struct msg *m, bool fds, struct err *e);
/* What P owns, but for the descriptors.  (A launch needs no such thing: its process ends or is replaced soon.) */
void plan_free(struct plan *p);

#endif
