/* The supervisor's one state, and what its rooms offer each other.  Root, one thread, never parses a stranger's bytes. */
#ifndef SUPERVISOR_SUPER_H
#define SUPERVISOR_SUPER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/conf.h"
#include "base/err.h"
#include "base/link.h"
#include "base/log.h"
#include "base/loop.h"
#include "store/proto.h"

struct session;
struct server;
struct source;
struct sources;
struct listener;
struct store;
struct tool;
struct disk_queue;
struct errand;
struct import;
struct filter;
struct aid;

struct super {
    struct loop *loop;
    char *folder;               /* of the ini files */
    struct conf conf;           /* in force */
    int null_fd, log_fd;
    int hostkeys, secret;       /* sealed memfds */
    int secret_next;            /* one more, of a rotation under way; -1 */
    bool secret_fresh;          /* made just now, in no file yet */
    bool listening, leaving;    /* leaving: `shutdown` was ordered */
    bool booted;                /* nothing was in paths.run: no daemon was here since the machine's start */
    bool begun;                 /* servers_begin was called */
    struct listener *listeners;
    struct session *sessions;   /* list */
    struct session **slots;     /* by slot, limits.connections of them */
    uint64_t next_session;
    struct sources *sources;    /* NULL until somebody came */
    unsigned unauthenticated;
    struct server *servers;     /* list, in the order of conf.servers */
    struct store *store;
    struct tool *tool;
    struct disk_queue *disks;
    struct errand *errands;     /* list */
    struct import *imports;     /* list */
    struct aid *aid;            /* looking at the database for an admin; NULL */
    struct filter *filter;      /* NULL as long as no server has needed one */
    char *cgroup;               /* folder of our subtree, NULL if there is none */
    struct { int64_t started; uint64_t accepted, refused, logins, login_failures; } counts;   /* wall ms; since then */
    char limits_missing[160];   /* why limits cannot be enforced; "" if they are */
};

/* main.c.  super_ready: the store has the configuration; tells the service manager, once.  super_leave: ends the process. */
void super_ready(struct super *s);
void super_leave(struct super *s, int code);

#endif
