/* The connection: who is logged in, what it may do, its questions to the store, and the event loop its channels share (libssh's
   ssh_event underneath: one poll set, one thread). */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/msg.h"
#include "base/rights.h"
#include "store/proto.h"

struct session;

struct server_right {
    char *name, *owner;
    uint32_t rights;
};

const char *session_account(const struct session *s);
/* The server named by "ACCOUNT+SERVER" at login, or NULL. */
const char *session_home(const struct session *s);
/* Servers the account may see, sorted by name; valid until control returns to the loop. */
const struct server_right *session_servers(const struct session *s, size_t *n);
const struct server_right *session_server(const struct session *s, const char *name);   /* NULL if it may not see it */
/* It must set up its second factor and may do nothing else: words for the person; NULL: it may. */
const char *session_enrolling(const struct session *s);
unsigned session_handle_limit(const struct session *s);                                 /* SFTP handles per channel */
uint64_t session_id(const struct session *s);
/* By its version string: a client that names a symbolic link before what it leads to, as the draft of SFTP has it, unless the server calls
   itself OpenSSH. */
bool session_link_first(const struct session *s);

/* Asks the store to do OP.  FN is called once from the loop, with the exit code of PRODUCT section 3 (75 after the op's deadline), TEXT for the person
   ("" if none) and ANSWER at the fields of the op when the code is 0; or never, if session_do_cancel came first. */
typedef void do_fn(void *data, int code, const char *text, struct msg *answer);
uint32_t session_do_later(struct session *s, enum op op, const char *server, uint64_t number, const char *arg, do_fn *fn, void *data);
/* The same with bytes as its text: a secret, which the caller wipes. */
uint32_t session_do_bytes(struct session *s, enum op op, const char *server, uint64_t number, const void *arg, size_t size, do_fn *fn, void *data);
void session_do_cancel(struct session *s, uint32_t id);

/* Watches FD in the connection's loop for POLLIN and/or POLLOUT.  FN may free its own watch.  Free before closing FD. */
struct session_watch;
typedef void session_watch_fn(void *data, int fd, short revents);
struct session_watch *session_watch_new(struct session *s, int fd, short events, session_watch_fn *fn, void *data);
void session_watch_events(struct session_watch *w, short events);
void session_watch_free(struct session_watch *w);

/* Calls FN once, in the next round of the loop, when everybody else has had a turn.  It is gone when FN is called. */
struct session_turn;
typedef void session_turn_fn(void *data);
struct session_turn *session_turn_new(struct session *s, session_turn_fn *fn, void *data);
/* The same in MS milliseconds. */
struct session_turn *session_turn_later(struct session *s, uint64_t ms, session_turn_fn *fn, void *data);
void session_turn_free(struct session_turn *t);   /* NULL is allowed */

/* Told when rights on SERVER changed (0: gone), LOST of those that were there, so that what relied on more is closed; one listener a channel. */
typedef void rights_fn(void *data, const char *server, uint32_t rights, uint32_t lost);
struct rights_listener;
struct rights_listener *session_on_rights(struct session *s, rights_fn *fn, void *data);
void rights_listener_free(struct rights_listener *l);

/* From now until it let go as often, the connection waits for another process and stays on its processor: which, for that process to come there
   (base/place.h). */
uint8_t session_hold(struct session *s);
void session_let_go(struct session *s);

/* One line to the log, by way of the store, which escapes it: client bytes go in as they are.  Words of ours in EVENT;
   the text is cut at 511 bytes. */
void session_log(struct session *s, const char *event, const char *fmt, ...) PRINTF(3, 4);

#endif
