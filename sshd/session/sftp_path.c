#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sshd/session/session.h"
#include "sshd/session/sftp.h"

/* The part of OUT before its last component. */
static size_t up(const char *out, size_t at)
{
    while (at > 0 && out[at - 1] != '/')
        at--;
    return at > 0 ? at - 1 : 0;
}

char *sftp_path_normal(const uint8_t *bytes, size_t size, enum sftp_path_error *why)
{
    *why = size > SFTP_PATH_MOST ? PATH_LONG : size && memchr(bytes, 0, size) ? PATH_NUL : PATH_OK;
    if (*why != PATH_OK)
        return NULL;
    /* Never longer than what came, a slash in front and a NUL. */
    char *out = mem_new(size + 2);
    size_t at = 0;
    for (size_t i = 0; i < size;) {
        size_t len = 0;
        while (i + len < size && bytes[i + len] != '/')
            len++;
        if (len == 2 && bytes[i] == '.' && bytes[i + 1] == '.')
            at = up(out, at);
        else if (len > 0 && !(len == 1 && bytes[i] == '.')) {
            out[at++] = '/';
            memcpy(out + at, bytes + i, len);
            at += len;
        }
        i += len + 1;
    }
    if (at == 0)
        out[at++] = '/';
    out[at] = '\0';
    return out;
}

const char *sftp_path_split(const char *path, char server[NAME_MOST + 2])
{
    path++;
    size_t len = strcspn(path, "/"), keep = len < NAME_MOST + 1 ? len : NAME_MOST + 1;
    memcpy(server, path, keep);
    server[keep] = '\0';
    path += len;
    return path[0] == '/' ? path + 1 : path;
}

void sftp_spot_free(struct sftp_spot *s)
{
    free(s->path);
}

const char *sftp_path_why(enum sftp_path_error why)
{
    return why == PATH_NUL ? "a name cannot hold a NUL byte" : "path too long (at most 4096 bytes)";
}

bool sftp_spot_of(const struct session *s, const uint8_t *bytes, size_t size, struct sftp_spot *spot, enum sftp_path_error *why)
{
    *spot = (struct sftp_spot){ .path = sftp_path_normal(bytes, size, why) };
    if (spot->path == NULL)
        return false;
    const char *home = session_home(s);
    if (home == NULL)
        spot->rest = sftp_path_split(spot->path, spot->name);
    else {
        spot->rest = spot->path + 1;
        memcpy(spot->name, home, strnlen(home, NAME_MOST));
    }
    return true;
}

bool sftp_spot(struct sftp *f, uint32_t id, struct buf *p, struct sftp_spot *s)
{
    enum sftp_path_error why;
    size_t size;
    *s = (struct sftp_spot){ .path = NULL };
    const uint8_t *bytes = buf_get_bytes(p, &size);
    if (p->bad)
        return false;
    if (sftp_spot_of(f->session, bytes, size, s, &why))
        return true;
    sftp_status(f, id, why == PATH_NUL ? FX_NO_SUCH_FILE : FX_FAILURE, sftp_path_why(why));
    return false;
}

bool sftp_is_top(const struct sftp_spot *s)
{
    return s->name[0] == '\0';
}
