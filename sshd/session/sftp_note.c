/* For the activity log: what a request is about is kept with it until the worker has said yes, what a handle is about until it is closed. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sshd/proto.h"
#include "sshd/session/activity.h"
#include "sshd/session/sftp.h"

enum { MODE_BITS = 07777 };

struct sftp_call *sftp_note(struct sftp_call *c, const char *path, const char *other)
{
    c->action = c->f->op->action;
    if (c->action != ACTIVITY_NONE) {
        c->path = mem_str(path);
        c->other = other ? mem_str(other) : NULL;
    }
    return c;
}

struct sftp_call *sftp_note_attrs(struct sftp_call *c, const char *path, const struct attrs *a)
{
    c->flags = a->flags;
    c->size = a->size;
    c->mode = a->mode;
    return sftp_note(c, path, NULL);
}

void sftp_note_done(struct sftp *f, const struct sftp_call *c)
{
    const char *server = c->server->name, *other = c->other ? c->other : "";
    if (c->action == ACTIVITY_NONE || c->path == NULL)
        return;
    if (c->action != ACTIVITY_CHMOD) {
        activity_note(f->session, c->action, server, c->path, other, 0, 0);
        return;
    }
    if (c->flags & ATTRS_SIZE)
        activity_note(f->session, ACTIVITY_TRUNCATE, server, c->path, "", c->size, 0);
    if (c->flags & ATTRS_MODE)
        activity_note(f->session, ACTIVITY_CHMOD, server, c->path, "", c->mode & MODE_BITS, 0);
}

static uint32_t flags_of(bool made, bool emptied, bool finished)
{
    return (made ? ACTIVITY_CREATED : emptied ? ACTIVITY_EMPTIED : 0u) | (finished ? 0u : ACTIVITY_UNFINISHED);
}

void sftp_note_closed(struct sftp *f, const struct sftp_handle *h)
{
    bool wrote = h->file.made || h->flags & (FXF_WRITE | FXF_APPEND | FXF_TRUNC);
    if (h->kind == HANDLE_FILE && wrote && h->path)
        activity_note(f->session, ACTIVITY_WRITE, h->server->name, h->path, "", h->file.written,
                      flags_of(h->file.made, h->flags & FXF_TRUNC, h->finished));
}

void sftp_note_copied(struct sftp *f, const char *server, const char *path, uint64_t bytes, bool made, bool finished)
{
    if (finished || made || bytes > 0)
        activity_note(f->session, ACTIVITY_WRITE, server, path, "", bytes, flags_of(made, true, finished));
}
