/* Virtual nodes: what stands in "/" beside the servers and lies on no disk.  A place is a name in "/" with all that is under it: one row in
   sftp_virtual.c, its code in a file of its own (sftp_keys.c, sftp_backups.c).  sftp_virtual.c does what is the same everywhere: it takes requests
   about such names and handles before the worker's side sees them, keeps what is open, and moves bytes. */
#ifndef SESSION_SFTP_VIRTUAL_H
#define SESSION_SFTP_VIRTUAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/msg.h"
#include "sshd/attrs.h"
#include "sshd/session/session.h"
#include "sshd/session/sftp.h"

struct sftp_place;

/* What is open.  Owned by its handle. */
struct sftp_node {
    const struct sftp_place *place;
    char *rest;                 /* its name under the place, "" the place itself; owned */
    char *server;               /* whose backups it is of, or NULL; owned */
    struct attrs attrs;
    struct buf content;         /* a file that lies in memory */
    bool writable, changed;     /* changed: written to since it was opened or saved */
    const char *spoilt;         /* why it must not be saved, or NULL; static */
    uint64_t seen;              /* a folder: entries asked for so far */
    bool listed;                /* a folder: nothing more is there */
};

enum sftp_job_kind { JOB_STAT, JOB_OPEN, JOB_OPENDIR, JOB_SETSTAT, JOB_LIST, JOB_SAVE };

struct sftp_job;
typedef void sftp_job_fn(struct sftp_job *j);
typedef void sftp_job_answer_fn(struct sftp_job *j, struct msg *answer);

/* A request on its way.  Ends by one of the three functions below, now or after questions to the store; goes with the channel. */
struct sftp_job {
    struct sftp_job *next, **prev;
    struct sftp *f;
    const struct sftp_place *place;
    enum sftp_job_kind kind;
    uint32_t id;
    unsigned cost;
    char *rest;                 /* owned */
    uint32_t flags;             /* JOB_OPEN */
    int handle;                 /* JOB_OPEN, JOB_OPENDIR: opening; JOB_LIST: listed; JOB_SAVE: saved without being closed; else -1 */
    uint32_t generation;
    uint32_t ask;               /* the question to the store; 0: none */
    bool missing;               /* the store's "failed" is "no such file" */
    sftp_job_answer_fn *fn;
};

struct sftp_place {
    const char *name;           /* in "/" */
    const char *refusal;        /* of whatever changes names in it; told on stderr as well */
    bool (*shown)(struct sftp *f);
    /* Says what J->rest is: sftp_job_found or sftp_job_refuse. */
    sftp_job_fn *look;
    /* The next entries of a folder: sftp_job_entries. */
    void (*list)(struct sftp_job *j, struct sftp_node *n);
    /* Stores TEXT (no NUL in it): sftp_job_done or sftp_job_refuse.  NULL: nothing in it is ever written. */
    void (*save)(struct sftp_job *j, const char *text);
};

extern const struct sftp_place sftp_keys, sftp_backups;

/* The question OP to the store; FN has its fields when it was granted, else J is refused with the store's words. */
void sftp_job_ask(struct sftp_job *j, enum op op, const char *server, uint64_t number, const char *text, sftp_job_answer_fn *fn);
/* N (its place and rest are filled in) is what was looked for; a file that is opened and has no content in memory comes with its descriptor FD (else -1).
   Takes over what N owns, and FD. */
void sftp_job_found(struct sftp_job *j, struct sftp_node *n, int fd);
/* COUNT packed entries in B, freed here; 0: the end. */
void sftp_job_entries(struct sftp_job *j, uint32_t count, struct buf *b);
void sftp_job_done(struct sftp_job *j);
void sftp_job_refuse(struct sftp_job *j, uint32_t status, const char *text);
/* The same, with TEXT on stderr, as clients show a word of their own in its place. */
void sftp_job_tell(struct sftp_job *j, uint32_t status, const char *text);
/* Does it open a file to change it? */
bool sftp_job_writes(const struct sftp_job *j);

/* The server and the id of a file of backups, from its name under the place; the id is "" for a folder.  False: no name of ours. */
enum { BACKUP_ID_MOST = 64 };
bool sftp_backup_split(const char *rest, char server[NAME_MOST + 2], char id[BACKUP_ID_MOST + 1]);

/* Attributes of ours: a folder or a file (MODE with its type), of root's, TIME in seconds since the epoch. */
struct attrs sftp_virtual_attrs(uint32_t mode, uint64_t size, uint64_t time);
/* Packs one entry of a listing. */
void sftp_virtual_entry(struct buf *b, const char *name, const struct attrs *a);

#endif
