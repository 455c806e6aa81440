/* Servers as the supervisor sees them: a state machine fed by orders, by the launch and by the shim. */
#ifndef SUPERVISOR_SERVER_H
#define SUPERVISOR_SERVER_H

#include "quota/gate.h"
#include "quota/kind.h"
#include "sshd/supervisor/life.h"
#include "sshd/supervisor/super.h"

enum disk_state { DISK_DOWN, DISK_WORKING, DISK_UP };

struct waiter;
struct server;
typedef void filter_fn(struct server *v, const char *error);   /* NULL: done */

/* Its private network, whatever its configuration says now: the two ends, and the interface on the host.  The IPv6 ones "" without IPv6. */
struct server_net {
    uint32_t host, inside;          /* host order */
    char inside_text[16], host6[INET6_ADDRSTRLEN], inside6[INET6_ADDRSTRLEN], interface[16];
};
struct disk_waiter;
struct count;

struct server {
    struct server *next;
    struct super *super;
    char name[NAME_MOST + 1];
    uint32_t number;                /* place in the uid range and the address pool */
    bool numbered;

    enum state state;
    int64_t since;                  /* wall ms of the last change of state */
    int64_t started;
    pid_t pid;                      /* init, host's view; 0 */
    bool ready, has_exit, killed, again, abort;
    uint32_t code, signal;
    char reason[WISH_REASON_MOST + 1];
    uint32_t restarts;
    struct timer *backoff;
    struct link *shim;              /* the launch's, later the shim's */
    bool launched;
    char *changes;                  /* of its system calls, as it was started with; NULL: by an earlier daemon, or never */
    bool filtered;                  /* rules of its are, or are to be, in the packet filter */
    filter_fn *filter_fn;           /* waits for them; the number it waits for, 0: for the next start of the filter */
    uint32_t filter_id;
    struct waiter *waiters;
    char image[NAME_MOST + 1];      /* it runs on; "": the host's, or it does not run */

    enum disk_state disk;
    struct disk_waiter *disk_waiters;
    uint64_t disk_limit, inodes_limit;   /* in force; 0 until it was up once */
    uint64_t disk_asked, inodes_asked;   /* of the configuration, as of the last job that set them */
    char backend[16];               /* that has its files (quota/backend.h); "" until it was up once */
    enum disk_count usage;          /* how its use is known */
    char count_path[128];
    char limits_late[200];          /* why the limits in force are not those asked for; "" */
    bool resizing;                  /* it is working, and mounted all the same */
    bool migrating;                 /* its files are on the way to another backend: it cannot start, its disk stays down */
    int gate_fd;
    struct gate *gate;
    int usage_fd;                   /* of DISK_COUNT_FILE; -1 */
    struct told *told;              /* of DISK_COUNT_TOLD (told.h); NULL */
    struct count *count;            /* counts it as long as the disk is up; NULL: the kernel does */
    unsigned full, warned;          /* percent of bytes or inodes when it was last looked at; the mark it is above (warn.h) */
    uint64_t reserved;              /* memory promised to it as long as it has a group */
    unsigned workers;               /* and errands: whoever uses the disk on behalf of a session */
    bool backing_up;

    struct life life;
};

struct server *server_find(struct super *s, const char *name);
/* The store's number for NAME; makes the server if it is new. */
void server_number(struct super *s, const char *name, uint32_t number);
/* After the configuration changed: applies new limits, unmounts the disks of servers no longer named.  What that did to running
   servers is added to TOLD (may be NULL), as cgroup_limits. */
void servers_apply(struct super *s, struct buf *told);
/* Something let go of V: unmounts its disk if V is no longer configured and nothing else uses it. */
void server_tidy(struct server *v);
/* The reason why CONF cannot be put in force now (a running server is missing from it), or "" ; BUF is returned. */
const char *servers_refuse(struct super *s, const struct conf *conf, char *buf, size_t size);
/* At the start of the daemon, once: finds shims that lived on, mounts disks, starts what is to be started. */
void servers_begin(struct super *s);
void server_set(struct server *v, enum state state);
/* Its state, or "frozen", or "stopping" if it says so itself. */
const char *server_word(const struct server *v);
bool server_alive(const struct server *v);

uid_t server_uid_base(const struct server *v);
uid_t server_uid(const struct server *v);                       /* of its files and processes */
uid_t server_owner_uid(const struct server *v);                 /* of its namespaces */
/* Addresses in host order; 0 when its network is `none` or the pool is too small. */
uint32_t server_host_address(const struct server *v);
uint32_t server_inside_address(const struct server *v);
/* False when the pool has no room for it. */
bool server_net(const struct server *v, struct server_net *n);
/* "" as server_inside_address is 0, and without IPv6. */
void server_inside6_address(const struct server *v, char text[INET6_ADDRSTRLEN]);

/* Answers ORDER, which fed EV, when its state is reached or MS are over (then with 75).  FULL: a start waits until the server is ready, else
   until it was executed. */
void server_wait_reply(struct server *v, uint64_t session, uint32_t order, enum event ev, bool full, uint64_t ms);
/* SESSION has ended: nobody waits for its orders any more. */
void server_waits_drop(struct super *s, uint64_t session, const char *account);
void server_put_status(struct server *v, struct msg *m);
/* Bytes used and, in *INODES, inodes; 0 while the disk is down.  More than the limit when that was lowered below. */
uint64_t server_disk_used(struct server *v, uint64_t *inodes);

#endif
