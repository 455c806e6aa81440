/* Imported images, as they lie in STATE/images: NAME/root is the tree, of ids.image's user; NAME/about says what it is.  What begins with a dot is
   being made or removed (import.h). */
#ifndef SUPERVISOR_IMAGE_H
#define SUPERVISOR_IMAGE_H

#include "sshd/supervisor/super.h"

struct image_about { uint64_t bytes, files; int64_t created; };

/* The server's root is made of the host's /usr. */
bool image_is_host(const char *name);
/* The root of the image NAME, or -1 with E: why a server cannot have it. */
int image_open(const struct conf *c, const char *name, struct err *e);
/* The first server of C whose image cannot be had: true, and WHY says which and what is allowed. */
bool image_missing(const struct conf *c, char *why, size_t size);
/* Names, sorted, owned; the count in *N.  Reads STATE/images. */
char **image_names(const struct conf *c, size_t *n);
void image_names_free(char **names, size_t n);
/* 0, or -1: what is there was not made by an import. */
int image_read_about(const struct conf *c, const char *name, struct image_about *a);
int image_write_about(const char *folder, const struct image_about *a, struct err *e);
/* Calls FN for each server that is configured with NAME, or runs on it. */
typedef void image_user_fn(void *data, const char *server, bool running);
void image_users(const struct super *s, const char *name, image_user_fn *fn, void *data);

/* Which image a running server stands on, for a daemon that comes after this one: noted beside its shim's socket.  "" forgets. */
int image_note(struct server *v, const char *name, struct err *e);
void image_forget(struct server *v);     /* notes that it has ended, or logs why that cannot be */
void image_noted(struct server *v);      /* reads it back into v->image */

#endif
