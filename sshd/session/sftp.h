/* SFTP version 3 on one channel; what its files share.  The rest of the session knows sftp_start (channel.h) only.

   sftp.c takes packets from the channel, sftp_ops.c and sftp_ext.c are the tables of what they mean, sftp_data.c moves bytes,
   sftp_virtual.c answers for what lies on no disk,
   sftp_list.c lists, sftp_check.c and sftp_copy.c go on over several turns, sftp_handle.c, sftp_server.c and sftp_path.c keep handles, workers and names, sftp_reply.c packs answers,
   sftp_note.c says what is recorded. */
#ifndef SESSION_SFTP_H
#define SESSION_SFTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/msg.h"
#include "sshd/attrs.h"
#include "sshd/session/files_client.h"
#include "sshd/session/outfile.h"
#include "sshd/session/sftp_path.h"
#include "store/proto.h"

struct channel;
struct session;

enum {
    SFTP_PACKET_MOST = 257 * 1024,   /* without its length field */
    SFTP_DATA_MOST = 255 * 1024,     /* of one READ */
    SFTP_COST_MOST = 64,             /* with the workers at once, by the costs of the tables; no input is taken above */
    SFTP_COPY_COST = 16,             /* of a slice that is copied */
};

enum sftp_type {
    FXP_INIT = 1, FXP_VERSION, FXP_OPEN, FXP_CLOSE, FXP_READ, FXP_WRITE, FXP_LSTAT, FXP_FSTAT, FXP_SETSTAT, FXP_FSETSTAT,
    FXP_OPENDIR, FXP_READDIR, FXP_REMOVE, FXP_MKDIR, FXP_RMDIR, FXP_REALPATH, FXP_STAT, FXP_RENAME, FXP_READLINK, FXP_SYMLINK,
    FXP_STATUS = 101, FXP_HANDLE, FXP_DATA, FXP_NAME, FXP_ATTRS,
    FXP_EXTENDED = 200, FXP_EXTENDED_REPLY,
};

/* A server and its worker. */
struct sftp_server {
    char *name;
    struct files *files;    /* NULL: not started, or gone */
    uint32_t rights;        /* the worker was started with */
    bool stale;             /* rights were added since: another worker as soon as nothing is open */
    struct sftp *sftp;
    uint32_t starting;      /* the question for a worker; 0: none is out */
    uint32_t wanted;        /* rights when it was asked */
    uint32_t why_not;       /* status of what came of it; with `text` for the packet that waits */
    char *text;             /* owned; NULL: nothing to say */
    unsigned open, asked;   /* handles, unanswered requests */
};

/* The next batch of a listing: not asked for, with the worker, here, or there is none. */
enum sftp_fetch { FETCH_NONE, FETCH_ASKED, FETCH_READY, FETCH_END };

enum sftp_kind { HANDLE_FREE, HANDLE_OPENING, HANDLE_FILE, HANDLE_DIR, HANDLE_TOP, HANDLE_VIRTUAL, HANDLE_DEAD };

struct sftp_handle {
    enum sftp_kind kind;
    uint32_t generation;
    struct sftp_server *server;
    uint32_t flags;         /* FXF_* of the open */
    unsigned busy;          /* requests about it that are not answered: data has to wait for them */
    unsigned pinned;        /* of these, those that go on over several turns: its close waits as well */
    bool read;              /* HANDLE_TOP: was listed */
    enum sftp_fetch fetch;  /* HANDLE_DIR */
    struct buf ahead;       /* HANDLE_DIR, FETCH_READY: the packet, without its id */
    struct outfile file;    /* HANDLE_DIR: the worker and its number only; HANDLE_VIRTUAL: its fd, or -1, only */
    struct sftp_node *node; /* HANDLE_VIRTUAL; owned */
    /* For the activity log. */
    char *path;             /* HANDLE_FILE, HANDLE_DIR: owned */
    bool finished;          /* closed by the client */
};

/* The WRITE whose payload is arriving. */
struct sftp_write {
    bool on;
    uint32_t id, handle, generation;
    uint64_t offset;
    uint32_t left;
    uint32_t fits;          /* bytes of it the disk has room for; more is refused when it comes */
    struct refusal refusal; /* the rest is skipped */
};

struct sftp_op;
struct sftp_check;

struct sftp {
    struct channel *channel;
    struct session *session;
    struct rights_listener *listener;
    struct buf in;          /* a packet not yet whole, or one that has to wait */
    struct sftp_write write;
    struct sftp_server **servers;
    size_t nservers;
    struct sftp_handle *handles;
    uint32_t nhandles, generation;
    const struct sftp_op *op;   /* at hand */
    unsigned cost;          /* with the workers now, and of checks */
    struct sftp_check *checks;  /* sftp_check.c: in the order they came */
    struct session_turn *turn;  /* for them */
    struct sftp_job *jobs;  /* sftp_virtual.c */
    unsigned depth;         /* of our functions on the stack */
    unsigned told;          /* lines on stderr so far */
    bool version, eof, running, over, gone;
    bool waiting;           /* a packet is here and cannot be taken now */
    bool held;              /* the packet at hand waits for its server's worker */
    uint32_t skip;          /* bytes behind a payload, of no meaning */
    bool resume;            /* the channel holds bytes back for us */
};

/* sftp.c: around everything the loop calls, as a call may end the channel; leave goes on with input that waited. */
void sftp_enter(struct sftp *f);
void sftp_leave(struct sftp *f);
/* The client broke the protocol: log, exit status 1. */
void sftp_bad(struct sftp *f, const char *why);
/* What the channel lived on was taken away: WHY on stderr, the end at once. */
void sftp_cut(struct sftp *f, const char *why);

/* WAIT: nothing was done, offer the packet again when something was answered.  OTHER: nothing was done, it is not about a virtual node. */
enum sftp_result { SFTP_DONE, SFTP_WAIT, SFTP_OTHER };
typedef enum sftp_result sftp_fn(struct sftp *f, uint32_t id, struct buf *p);
/* A row of the tables of operations and extensions.  `cost`: how much of SFTP_COST_MOST a request to the worker takes until it is
   answered; `writes`: refused at once where the account may change nothing; `virtual`: asked first, may be NULL; `action`: as which it is
   recorded when it was done. */
struct sftp_op {
    const char *name;
    bool writes;
    unsigned cost;
    sftp_fn *fn, *virtual;
    enum activity_action action;
};
enum sftp_result sftp_run(struct sftp *f, const struct sftp_op *op, uint32_t id, struct buf *p);
/* sftp_ops.c: the packet P (type, id, fields). */
enum sftp_result sftp_packet(struct sftp *f, struct buf *p);
/* True when all fields were there; else ends the channel. */
bool sftp_fields(struct sftp *f, const struct buf *p);

/* Names: sftp_path.h. */
/* Takes a path from P.  False: answered, or P is bad. */
bool sftp_spot(struct sftp *f, uint32_t id, struct buf *p, struct sftp_spot *s);

/* sftp_server.c: the worker of a server, started when it must be.  NULL: ID was answered, or will be: the packet comes again when there is a
   worker or none can be had, so nothing may have been done for it yet. */
struct sftp_server *sftp_server(struct sftp *f, uint32_t id, const char *name);
/* Closes its worker and handles: what is under way is answered with STATUS and TEXT. */
void sftp_server_end(struct sftp *f, struct sftp_server *s, uint32_t status, const char *text);
void sftp_server_rights(void *data, const char *server, uint32_t rights, uint32_t lost);
void sftp_servers_free(struct sftp *f);

/* One request to a worker on behalf of a packet; freed when it was answered. */
struct sftp_call;
typedef void sftp_answer_fn(struct sftp *f, struct sftp_call *c, struct msg *answer);
struct sftp_call {
    struct sftp *f;
    struct sftp_server *server;
    uint32_t id;
    unsigned cost;
    int handle;                   /* index, or -1 */
    uint32_t generation;
    uint32_t flags;
    uint64_t size;
    uint32_t mode;
    void *job;                    /* of who asks several times */
    enum activity_action action;
    char *path, *other;           /* for the record; owned */
    sftp_answer_fn *answer;       /* on success; a failure is answered as status */
    sftp_answer_fn *refused;      /* before that status, to put things back; may be NULL */
};
struct sftp_call *sftp_call(struct sftp *f, struct sftp_server *s, uint32_t id, sftp_answer_fn *answer);
/* The call is about handle I: data waits for it. */
void sftp_call_handle(struct sftp_call *c, uint32_t i);
void sftp_call_send(struct sftp_call *c, struct msg *m);
/* A call about handle I, and M begun as TYPE with its number. */
struct sftp_call *sftp_call_about(struct sftp *f, uint32_t id, uint32_t i, sftp_answer_fn *answer, struct msg *m, uint16_t type);
/* sftp_note.c: C is about PATH and OTHER (NULL: none) in its server, and recorded when it was done.  Returns C. */
struct sftp_call *sftp_note(struct sftp_call *c, const char *path, const char *other);
struct sftp_call *sftp_note_attrs(struct sftp_call *c, const char *path, const struct attrs *a);
void sftp_note_done(struct sftp *f, const struct sftp_call *c);
void sftp_note_closed(struct sftp *f, const struct sftp_handle *h);
void sftp_note_copied(struct sftp *f, const char *server, const char *path, uint64_t bytes, bool made, bool finished);
/* Answers. */
sftp_answer_fn sftp_answer_ok, sftp_answer_attrs;

/* sftp_handle.c */
bool sftp_handle_new(struct sftp *f, uint32_t *i);
void sftp_handle_free(struct sftp *f, uint32_t i);
/* The handle in P; NULL when there is none (nothing is answered).  *I is its index. */
struct sftp_handle *sftp_handle(struct sftp *f, struct buf *p, uint32_t *i);
struct sftp_handle *sftp_handle_of(struct sftp *f, const uint8_t *bytes, size_t size, uint32_t *i);
/* Answers ID: H (which may be NULL) is none, or none of the kind. */
void sftp_no_handle(struct sftp *f, uint32_t id, const struct sftp_handle *h);
/* Something goes on with handle I over several turns of the loop. */
void sftp_pin(struct sftp *f, uint32_t i);
void sftp_unpin(struct sftp *f, uint32_t i);
/* Answers ID: no handle is free. */
void sftp_too_many(struct sftp *f, uint32_t id);
/* Closes what is open in the worker only. */
void sftp_close_number(struct sftp_server *s, uint32_t number, uint64_t lease);
sftp_fn sftp_open, sftp_close, sftp_fstat, sftp_fsetstat, sftp_opendir, sftp_fsync;

/* sftp_list.c */
sftp_fn sftp_readdir;

/* sftp_data.c */
sftp_fn sftp_read;
/* Answers a READ of up to WANT bytes from FD. */
void sftp_read_into(struct sftp *f, uint32_t id, int fd, uint64_t offset, uint32_t want);
/* HEAD is a WRITE up to its payload (type, id, handle, offset, length). */
enum sftp_result sftp_write_begin(struct sftp *f, struct buf *head);
/* Uses up to SIZE bytes of the payload; returns how many. */
size_t sftp_write_data(struct sftp *f, const uint8_t *bytes, size_t size);

/* sftp_virtual.c: what stands in "/" beside the servers.  Each of the first takes requests that are about it, else it is SFTP_OTHER. */
sftp_fn sftp_virtual_open, sftp_virtual_close, sftp_virtual_read, sftp_virtual_stat, sftp_virtual_fstat, sftp_virtual_setstat, sftp_virtual_fsetstat,
        sftp_virtual_opendir, sftp_virtual_readdir, sftp_virtual_mkdir, sftp_virtual_fsync;
/* Refuse: a change of one name, of two, a new link, what only files of servers have. */
sftp_fn sftp_virtual_change, sftp_virtual_two, sftp_virtual_symlink, sftp_virtual_never;
bool sftp_is_virtual(struct sftp *f, const struct sftp_spot *spot);
/* Packs the entries of "/" into B (NULL: counts them). */
uint32_t sftp_virtual_top(struct sftp *f, struct buf *b);
/* A WRITE: its handle, if it is a virtual one; NULL or why not (static), *OFFSET set where it appends; then its payload in parts. */
struct sftp_handle *sftp_virtual_handle(struct sftp *f, const uint8_t *bytes, size_t size, uint32_t *i);
const char *sftp_virtual_write_begin(struct sftp_handle *h, uint64_t *offset, uint32_t size);
void sftp_virtual_write(struct sftp_handle *h, uint64_t offset, const uint8_t *bytes, size_t size);
/* Closes what relied on a right; true if anything did. */
bool sftp_virtual_rights(struct sftp *f, const char *server, uint32_t rights);
/* With its handle; with the channel: what is not yet stored is not stored. */
void sftp_virtual_drop(struct sftp_handle *h);
void sftp_virtual_free(struct sftp *f);

/* sftp_check.c */
sftp_fn sftp_check_handle, sftp_check_plain, sftp_check_name;
/* Ends those on S's files (NULL: all) with STATUS. */
void sftp_checks_end(struct sftp *f, const struct sftp_server *s, uint32_t status, const char *text);

/* sftp_copy.c */
sftp_fn sftp_copy_data, sftp_copy_file;

/* sftp_ext.c */
sftp_fn sftp_extended;
void sftp_extensions(struct buf *b);   /* the pairs of VERSION */

/* sftp_ops.c, for sftp_ext.c */
enum sftp_result sftp_two_paths(struct sftp *f, uint32_t id, struct buf *p, uint16_t type, uint32_t number);
enum sftp_result sftp_one_path(struct sftp *f, uint32_t id, struct buf *p, uint16_t type, sftp_answer_fn *answer);
sftp_fn sftp_realpath;
enum sftp_result sftp_path_and_attrs(struct sftp *f, uint32_t id, struct buf *p, uint16_t type);

/* sftp_reply.c: packs and queues; nothing once the channel is over. */
void sftp_status(struct sftp *f, uint32_t id, uint32_t status, const char *text);
/* TEXT on the client's stderr, a few times a channel: stock sftp prints words of its own for a status. */
void sftp_tell(struct sftp *f, const char *text);
void sftp_reply_handle(struct sftp *f, uint32_t id, uint32_t i);
void sftp_reply_attrs(struct sftp *f, uint32_t id, const uint8_t *attrs, size_t size);   /* packed, as the worker gives them */
void sftp_reply_attrs_of(struct sftp *f, uint32_t id, const struct attrs *a);
void sftp_reply_name(struct sftp *f, uint32_t id, const void *name, size_t size);   /* one name, no attributes */
/* A packet of any form: begin, put, end.  MOST bounds it. */
void sftp_reply_begin(struct buf *b, size_t most, uint8_t type, uint32_t id);
void sftp_reply_end(struct sftp *f, struct buf *b);
/* The attributes of "/". */
void sftp_top_attrs(struct attrs *a);

#endif
