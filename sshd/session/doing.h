/* What this connection is about, for `sessions`: programs that last, a line a channel, told to the store a moment after they have begun or ended. */
#ifndef SESSION_DOING_H
#define SESSION_DOING_H

struct exec;
struct session;

/* WHO, any pointer of the caller's, does WHAT (a verb's name; kept by reference) with SERVER ("" none; copied) until doing_end. */
void doing_begin(struct session *s, const void *who, const char *what, const char *server);
/* Harmless for who does nothing. */
void doing_end(struct session *s, const void *who);
/* To another store than before. */
void doing_anew(struct session *s);

/* A note to who has just attached to the console of its server: who else is there. */
void doing_company(struct exec *x);

#endif
