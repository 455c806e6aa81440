/* cgroup v2: our subtree, one folder a server, its limits and what it uses.

   The subtree is a folder of the root, not of the group that systemd gives the unit, though the unit has Delegate=yes: servers outlive the
   unit's processes, and systemd before 254 (no DelegateSubgroup=) cannot put a new daemon into a group that has controllers enabled for
   children, nor tell those children from processes that were left over.  systemd leaves a group alone that it did not make, and a controller that
   we have enabled below the root the kernel does not let it take away (t/vm/systemd.t tries both). */
#ifndef SUPERVISOR_CGROUP_H
#define SUPERVISOR_CGROUP_H

#include "sshd/supervisor/limits.h"
#include "sshd/supervisor/server.h"

struct cgroup_use { uint64_t cpu_ms, memory, memory_peak; uint32_t pids; };

/* Finds the cgroup2 mount, makes our subtree, enables controllers; fills s->cgroup and s->limits_missing. */
void cgroup_find(struct super *s);
/* Fills WHY ("" if all is well) with what stands against CONF's limits on this machine; makes nothing. */
void cgroup_probe(const struct conf *conf, char *why, size_t size);
/* The machine's processors. */
void cgroup_cpus(struct conf_cpus *set);
/* The number of servers has changed: what all have together, and their shims. */
void cgroup_share(const struct super *s);
/* What V's limits depend on besides the configuration. */
struct limits_place cgroup_place(const struct server *v);
/* The server's folder with its limits set, open O_RDONLY; -1 when there is no cgroup2 at all (E->no 0) or on an error (E->no set). */
int cgroup_make(struct server *v, const struct conf_server *c, struct err *e);
/* An errand's folder, beside the servers', by its number; as cgroup_make. */
int cgroup_make_errand(const struct server *v, uint32_t number, const struct conf_server *c, struct err *e);
void cgroup_kill_errand(const struct super *s, uint32_t number);
void cgroup_remove_errand(const struct super *s, uint32_t number);
/* Moves a shim to be out of the daemon's own group: who ends all processes of the daemon's unit must not end servers. */
void cgroup_take_shim(const struct super *s, pid_t pid);
/* RLIMIT_NPROC of C's processes. */
uint32_t cgroup_nproc(const struct super *s, const struct conf_server *c);
/* Sets changed limits on a running server, or an errand; what cannot be set stays as it was; both are logged and added to TOLD (may be NULL) as
   "; server NAME ...". */
void cgroup_limits(struct server *v, const struct conf_server *c, struct buf *told);
void cgroup_limits_errand(const struct server *v, uint32_t number, const struct conf_server *c);
/* Its processes stand still, or go on; that they do is seen a moment later. */
int cgroup_freeze(const struct server *v, bool freeze, struct err *e);
bool cgroup_frozen(const struct server *v);
/* At once, frozen or not. */
void cgroup_kill(struct server *v);
/* Removes the folder, empty by now.  A process that is still dying keeps it a moment: retried. */
void cgroup_remove(struct server *v);
void cgroup_remove_folder(const char *folder);
/* A file of its group, owned; NULL when there is none. */
char *cgroup_file(const struct server *v, const char *file);
bool cgroup_oom(const struct server *v);
void cgroup_read(const struct server *v, struct cgroup_use *use);
/* Removes the empty subtree. */
void cgroup_leave(struct super *s);

#endif
