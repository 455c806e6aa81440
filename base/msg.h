/* Messages between processes: one SOCK_SEQPACKET datagram each, a header (type, id) and typed fields, descriptors by
   SCM_RIGHTS.  Both ends are ours but may have been taken over, so every get is checked and msg_end wants each byte and each
   descriptor eaten.

   Two ways to receive, and the choice follows the peer for the life of the message: a bad *peer* (another role) is fatal to us,
   a bad *client* (the tool's socket) only marks the message, and msg_end says so. */
#ifndef BASE_MSG_H
#define BASE_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum { MSG_MOST = 64 * 1024, MSG_FDS = 8, LINK_FD = 3 };

struct msg {
    uint16_t type;
    uint8_t from;       /* the processor the sender waits on, counted from 1 (place.h); 0: not said, as always by a client */
    uint32_t id;        /* chosen by the asker, repeated by the answer */
    struct buf body;
    int fds[MSG_FDS];   /* received and not yet taken, or to be sent (borrowed) */
    unsigned nfds, taken;
    bool received;      /* its descriptors are ours to close */
    bool client;        /* lenient: bad marks, does not kill */
    bool bad;
};

#define MSG_FREE __attribute__((cleanup(msg_free)))

/* Starts a message to be sent.  Any earlier content is freed. */
void msg_begin(struct msg *m, uint16_t type, uint32_t id);
void msg_put_u32(struct msg *m, uint32_t v);
void msg_put_u64(struct msg *m, uint64_t v);
void msg_put_str(struct msg *m, const char *s);                        /* NULL is sent as "" */
void msg_put_bytes(struct msg *m, const void *bytes, size_t size);
/* FD is borrowed until msg_send returns. */
void msg_put_fd(struct msg *m, int fd);
/* Sends on a SEQPACKET socket; blocks if the socket does.  0; -1 with errno (EAGAIN: queue full, EPIPE: the peer has gone,
   EMSGSIZE: more than MSG_MOST bytes or MSG_FDS descriptors).  The message stays and may be sent again. */
int msg_send(int fd, const struct msg *m);

/* 1: M holds a message.  0: the peer has gone.  -1: errno EAGAIN (nothing now), or an error of the socket.
   A datagram that is no message: msg_recv dies, msg_recv_client returns -1 with EBADMSG. */
int msg_recv(int fd, struct msg *m);
int msg_recv_client(int fd, struct msg *m);
/* As msg_recv_client, and leaves it in the socket. */
int msg_peek_client(int fd, struct msg *m);

/* Gets in the order of the puts; a field of another kind is a broken rule. */
uint32_t msg_get_u32(struct msg *m);
uint64_t msg_get_u64(struct msg *m);
/* Owned by the caller; never NULL from a peer, "" when bad from a client. */
char *msg_get_str(struct msg *m);
/* As msg_get_str, but a string longer than MOST bytes is a broken rule. */
char *msg_get_text(struct msg *m, size_t most);
/* Points into M: valid until M is freed or begun again. */
const uint8_t *msg_get_bytes(struct msg *m, size_t *size);
/* The next descriptor, close-on-exec, now owned by the caller; -1 when there is none (a broken rule). */
int msg_get_fd(struct msg *m);
/* True if a descriptor is left to get: for messages that may or may not carry some. */
bool msg_has_fd(const struct msg *m);
/* Everything must have been eaten.  True if the message was well formed (always, from a peer: else we died). */
bool msg_end(struct msg *m);
/* For a message that carried a secret, as soon as it was used: overwrites its body.  What it was received through is overwritten already. */
void msg_wipe(struct msg *m);
/* Overwrites and frees the body, and closes descriptors that were received and not taken. */
void msg_free(struct msg *m);

#endif
