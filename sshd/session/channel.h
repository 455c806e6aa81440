/* One SSH channel: bytes in by callback with back-pressure, bytes out through a bounded queue that is cut into full packets. */
#ifndef SESSION_CHANNEL_H
#define SESSION_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session;
struct channel;

struct channel_ops {
    /* Bytes from the client.  Returns how many were used; the rest stays with libssh (and holds the window shut) and is offered again
       after channel_resume. */
    size_t (*data)(void *data, struct channel *c, const uint8_t *bytes, size_t size);
    /* channel_resume, and there are no bytes.  May be NULL. */
    void (*resumed)(void *data, struct channel *c);
    /* The client will send no more.  May be NULL. */
    void (*eof)(void *data, struct channel *c);
    /* channel_room went from less than CHANNEL_LOW to at least CHANNEL_LOW.  May be NULL. */
    void (*writable)(void *data, struct channel *c);
    void (*resize)(void *data, struct channel *c, unsigned columns, unsigned rows);   /* may be NULL */
    void (*interrupt)(void *data, struct channel *c, const char *signal);             /* "INT" ...; may be NULL */
    /* The channel is going: free DATA; no call on C is allowed afterwards. */
    void (*closed)(void *data, struct channel *c);
};

/* LOW: with 64 KiB left in the queue.  Bytes from a disk come when those before are as good as gone, into the same memory, which is in the caches. */
enum { CHANNEL_QUEUE = 512 * 1024, CHANNEL_LOW = CHANNEL_QUEUE - 64 * 1024 };

/* Puts a running program (SFTP, a verb, a console) on a channel whose request was just accepted. */
void channel_run(struct channel *c, const struct channel_ops *ops, void *data);

/* Bytes that may be queued now.  Writing more than that is allowed (it is kept) but is the caller's fault to repeat. */
size_t channel_room(const struct channel *c);
void channel_write(struct channel *c, const void *bytes, size_t size);
/* Room for SIZE bytes at the end of the queue, to be filled and then channel_wrote; saves a copy.  Never NULL. */
uint8_t *channel_reserve(struct channel *c, size_t size);
void channel_wrote(struct channel *c, size_t size);
void channel_error(struct channel *c, const void *bytes, size_t size);   /* stderr */
/* Offers held-back input again. */
void channel_resume(struct channel *c);
/* When the queue has drained: exit status, EOF, close.  Nothing may be written afterwards; `closed` follows. */
void channel_exit(struct channel *c, int code);
/* What the channel relied on was taken away: drops the output that is queued.  What is written from here on, and the channel_exit that must
   follow, wait for no window: the channel is closed in this turn of the loop. */
void channel_cut(struct channel *c);

bool channel_has_terminal(const struct channel *c);
/* As the client calls its kind of terminal, if that is a name like those of terminfo; else "". */
const char *channel_term(const struct channel *c);
/* The last byte that was written was no end of a line. */
bool channel_midline(const struct channel *c);
void channel_size(const struct channel *c, unsigned *columns, unsigned *rows);
struct session *channel_session(const struct channel *c);

/* Entry points of what runs on channels. */
void sftp_start(struct channel *c);                          /* sshd/session/sftp.c */
void exec_start(struct channel *c, const char *command);     /* sshd/session/exec.c: one command line, "" is no command */
void interactive_start(struct channel *c);                   /* sshd/session/interactive.c: no command, on a terminal */
void exec_refuse(struct channel *c, const char *why);        /* there: a command that is not permitted */

#endif
