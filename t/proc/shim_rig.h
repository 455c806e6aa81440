/* A real shim with a real init below it, in a pid namespace of its own, and the supervisor's end of the link. */
#ifndef T_SHIM_RIG_H
#define T_SHIM_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/msg.h"

struct rig {
    pid_t shim, init;      /* init as we see it */
    int link;              /* the first supervisor's */
    char folder[64];       /* temporary: door, logs, the daemon's log */
    int cgroup_kill;       /* what the shim gets as descriptor 10; -1: /dev/null */
};

struct plan {
    const char *const *argv;   /* NULL: { "/bin/sh", "-c", script } */
    const char *script;
    const char *directory;     /* NULL: "/" */
    const char *const *env;    /* NULL: a PATH */
    bool tty;
    int ready_kind, ready_port;
    const char *ready_text;
    const char *log_folder;    /* NULL: one in the rig's folder */
    bool notify;               /* a notify socket, "notify" in the rig's folder */
    unsigned watchdog;         /* ms; 0: none */
    const char *program;       /* NULL: BUILD/holdfast-shim */
};

void rig_up(struct rig *r, const struct plan *p);
/* Kills what still runs (by pid) and removes the folder. */
void rig_down(struct rig *r);

/* A connection through the door. */
int rig_connect(const struct rig *r);
int rig_viewer(const struct rig *r, bool may_write, uint64_t history);
int rig_viewer_of(const struct rig *r, uint32_t version, bool may_write, uint64_t history);
int rig_supervisor(const struct rig *r);   /* has sent SHIM_SUPERVISOR; the STATE is to be received */
/* The same, offering VERSION.  What rig_stop..., rig_kill and rig_expect_end send and expect on it is of rig_version, SHIM_VERSION at first. */
int rig_supervisor_of(const struct rig *r, uint32_t version);
extern uint32_t rig_version;
/* Sends a datagram to the notify socket. */
void rig_notify(const struct rig *r, const void *bytes, size_t size);

void rig_stop_line(int link, const char *line, uint64_t ms);
void rig_stop_signal(int link, uint32_t signal, uint64_t ms);
void rig_kill(int link);                   /* by "bob" */
void rig_plain(int link, uint16_t type);   /* a message without fields */
void rig_type(int viewer, const char *text);

/* Receives within MS.  False: nothing came, or the link was closed (then m->type is 0 and *GONE, if not NULL, is true). */
bool rig_receive(int link, struct msg *m, int ms, bool *gone);
/* Passes over all else until TYPE comes (freed by the caller); fails the test when it does not within MS. */
void rig_expect(int link, uint16_t type, struct msg *m, int ms);
void rig_expect_end(int link, uint32_t code, uint32_t signal, uint32_t killed, int ms);
bool rig_closed(int link, int ms);
/* Gathers SHIM_OUTPUT (and "{notice}" for notices) into TEXT until it contains NEEDLE, BYE comes or MS pass.  True if found. */
bool rig_read(int viewer, char *text, size_t size, const char *needle, int ms);

/* A file of the log folder, NUL-terminated, owned by the caller. */
char *rig_log(const struct rig *r, const char *name);
/* The shim's exit code within MS, else -1. */
int rig_shim_exit(struct rig *r, int ms);

#endif
