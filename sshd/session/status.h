/* What the supervisor says of a server: STATUS_FIELDS of store/proto.h, and how it is printed. */
#ifndef SESSION_STATUS_H
#define SESSION_STATUS_H

#include "base/msg.h"
#include "sshd/session/exec.h"

/* From here on a disk is said to be full to so many percent. */
enum { FULL_SAID = 80 };

struct status {
    char *server, *state, *reason, *status, *address, *address6, *limits, *quota, *quota_note;   /* owned */
    uint64_t since, cpu_ms, memory, memory_peak, disk_used, disk_limit;
    uint64_t io_read, io_written, net_sent, net_received;
    uint64_t cpu_share;   /* the reader's own */
    uint32_t disk_full;     /* percent, of bytes or inodes */
    uint32_t pid, ready, has_exit, exit_code, signal, restarts, pids;
    struct status_port { uint32_t port, udp; } *ports;  /* owned */
    uint32_t nports;
};

struct statuses { struct status *v; uint32_t n; };

/* Reads the fields to the end of M, behind what ALL (zeroed at first) has. */
void status_read(struct statuses *all, struct msg *m);
void status_free(struct statuses *all);
/* How many servers the account may see the status of: an answer about all holds a part of them only when they are many. */
uint32_t status_visible(const struct exec *x);
/* The whole answer on stdout: JSON lines or a table. */
void status_print(struct exec *x, const struct statuses *all);
/* "1.5G" for people, in BUF.  Returns BUF. */
const char *size_text(uint64_t bytes, char *buf, size_t size);

#endif
