/* /backups/SERVER/ID.tar.zst: finished backups, to be read. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "sshd/session/sftp_virtual.h"

#define ENDING ".tar.zst"

enum { LIST_MOST = 250 * 1024 };

static bool may(struct sftp *f, const char *server)
{
    const struct server_right *r = session_server(f->session, server);
    return r && r->rights & RIGHT_BACKUP_READ;
}

static bool shown(struct sftp *f)
{
    size_t n;
    const struct server_right *r = session_servers(f->session, &n);
    for (size_t i = 0; i < n; i++)
        if (r[i].rights & RIGHT_BACKUP_READ)
            return true;
    return false;
}

/* An id begins with the time it was given. */
static uint64_t time_of(const char *id)
{
    struct tm tm = { 0 };
    const char *end = strptime(id, "%Y%m%dT%H%M%SZ", &tm);
    time_t t = end ? timegm(&tm) : 0;
    return t > 0 ? (uint64_t)t : 0;
}

static struct attrs folder(void)
{
    return sftp_virtual_attrs(S_IFDIR | 0500, 0, 0);
}

bool sftp_backup_split(const char *rest, char server[NAME_MOST + 2], char id[BACKUP_ID_MOST + 1])
{
    size_t ns = strcspn(rest, "/"), nid = strlen(rest) - ns;
    id[0] = '\0';
    if (ns > NAME_MOST)
        return false;
    memcpy(server, rest, ns);
    server[ns] = '\0';
    if (nid == 0)
        return true;
    rest += ns + 1;
    nid--;
    if (nid <= strlen(ENDING) || strcmp(rest + nid - strlen(ENDING), ENDING) != 0 || nid - strlen(ENDING) > BACKUP_ID_MOST)
        return false;
    nid -= strlen(ENDING);
    memcpy(id, rest, nid);
    id[nid] = '\0';
    return strchr(id, '/') == NULL;
}

static void file_found(struct sftp_job *j, struct msg *answer)
{
    char server[NAME_MOST + 2], id[BACKUP_ID_MOST + 1];
    uint64_t size = msg_get_u64(answer);
    CLOSE_FD int fd = msg_get_fd(answer);
    msg_end(answer);
    /* Taken away while we waited: nobody was there yet to be told. */
    if (!sftp_backup_split(j->rest, server, id) || !may(j->f, server)) {
        sftp_job_refuse(j, FX_PERMISSION_DENIED, "your rights on this server have changed");
        return;
    }
    struct sftp_node n = { .attrs = sftp_virtual_attrs(S_IFREG | 0400, size, time_of(id)), .server = mem_str(server) };
    sftp_job_found(j, &n, fd_steal(&fd));
}

static void look(struct sftp_job *j)
{
    char server[NAME_MOST + 2], id[BACKUP_ID_MOST + 1];
    bool named = sftp_backup_split(j->rest, server, id);
    struct sftp_node n = { .attrs = folder() };
    if (!shown(j->f) || !named || (server[0] && session_server(j->f->session, server) == NULL)) {
        if (sftp_job_writes(j))
            sftp_job_tell(j, FX_PERMISSION_DENIED, sftp_backups.refusal);
        else
            sftp_job_refuse(j, FX_NO_SUCH_FILE, "no such backup");
    } else if (server[0] && !may(j->f, server))
        sftp_job_refuse(j, FX_PERMISSION_DENIED, "your account may not read this server's backups");
    else if (id[0] == '\0')
        sftp_job_found(j, &n, -1);
    else if (sftp_job_writes(j))
        sftp_job_tell(j, FX_PERMISSION_DENIED, sftp_backups.refusal);
    else {
        j->missing = true;
        sftp_job_ask(j, OP_BACKUP_GET, server, 0, id, file_found);
    }
}

static void list_servers(struct sftp_job *j)
{
    size_t n;
    struct buf b = BUF(LIST_MOST);
    uint32_t count = 2;
    const struct attrs a = folder();
    const struct server_right *r = session_servers(j->f->session, &n);
    sftp_virtual_entry(&b, ".", &a);
    sftp_virtual_entry(&b, "..", &a);
    for (size_t i = 0; i < n; i++)
        if (r[i].rights & RIGHT_BACKUP_READ) {
            sftp_virtual_entry(&b, r[i].name, &a);
            count++;
        }
    sftp_job_entries(j, count, &b);
}

/* One row of the store's; true when it is shown: what is not finished is no file yet. */
static bool put_row(struct buf *b, struct msg *m)
{
    FREE_MEM char *id = msg_get_str(m), *server = msg_get_str(m), *state = msg_get_str(m);
    msg_get_u64(m);
    uint64_t size = msg_get_u64(m);
    FREE_MEM char *label = msg_get_str(m);
    msg_get_u32(m);
    if (strcmp(state, "done") != 0)
        return false;
    FREE_MEM char *name = mem_fmt("%s" ENDING, id);
    const struct attrs a = sftp_virtual_attrs(S_IFREG | 0400, size, time_of(id));
    sftp_virtual_entry(b, name, &a);
    return true;
}

static void ask_page(struct sftp_job *j, const struct sftp_node *n);

/* A page without a row to show is no end. */
static void page(struct sftp_job *j, struct msg *answer)
{
    const struct sftp_handle *h = &j->f->handles[j->handle];
    struct buf b = BUF(LIST_MOST);
    const bool first = h->generation == j->generation && h->kind == HANDLE_VIRTUAL && h->node->seen == 0;
    const struct attrs a = folder();
    uint32_t rows = msg_get_u32(answer), count = first ? 2 : 0;
    if (first) {
        sftp_virtual_entry(&b, ".", &a);
        sftp_virtual_entry(&b, "..", &a);
    }
    for (uint32_t i = 0; i < rows; i++)
        count += put_row(&b, answer);
    msg_end(answer);
    if (h->generation != j->generation || h->kind != HANDLE_VIRTUAL) {
        buf_free(&b);
        sftp_job_refuse(j, FX_FAILURE, "the handle was closed");
        return;
    }
    h->node->seen += rows;
    h->node->listed = rows == 0;
    if (rows > 0 && count == 0)
        ask_page(j, h->node);
    else
        sftp_job_entries(j, count, &b);
}

static void ask_page(struct sftp_job *j, const struct sftp_node *n)
{
    sftp_job_ask(j, OP_BACKUP_LIST, n->rest, n->seen, "", page);
}

static void list(struct sftp_job *j, struct sftp_node *n)
{
    if (n->rest[0])
        ask_page(j, n);
    else {
        n->listed = true;
        list_servers(j);
    }
}

const struct sftp_place sftp_backups = {
    .name = "backups",
    .refusal = "/backups is to be read: backups are made by 'ssh ... backup create'",
    .shown = shown, .look = look, .list = list,
};
