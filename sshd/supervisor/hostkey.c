#include "sshd/supervisor/hostkey.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sshd/proto.h"
#include "sshd/supervisor/child.h"

enum { KEY_MOST = 16384 };

static const struct { const char *type, *file; } kinds[] = {
    { "ed25519", "ssh_host_ed25519_key" },
    { "rsa", "ssh_host_rsa_key" },
};

static void ended(void *data, pid_t pid, int status)
{
    (void)data, (void)pid, (void)status;
}

static int save(const char *path, struct msg *m, struct err *e)
{
    size_t size;
    const uint8_t *private = msg_get_bytes(m, &size);
    FREE_MEM char *key = mem_strn(private ? (const void *)private : "", size);
    FREE_MEM char *public = msg_get_text(m, 4096);
    FREE_MEM char *line = mem_fmt("%s\n", public);
    FREE_MEM char *beside = mem_fmt("%s.pub", path);
    if (m->type != KEYGEN_DONE || !msg_end(m) || size == 0)
        return err_set(e, EPROTO, "make host key", "%s", path);
    /* The public half first: a private key that is there is never made again, and must not lack its half. */
    int rc = io_write_file(beside, 0644, line, strlen(line), e);
    if (rc == 0)
        rc = io_write_file(path, 0600, key, size, e);
    mem_wipe(key, size);
    return rc;
}

static int make(struct super *s, const char *type, const char *path, struct err *e)
{
    int pair[2];
    if (io_pair(pair) < 0)
        return err_set(e, errno, "socketpair", "%s", "");
    CLOSE_FD int ours = pair[0], theirs = pair[1];
    struct msg m MSG_FREE, answer MSG_FREE;
    msg_begin(&answer, 0, 0);
    msg_begin(&m, START_KEYGEN, 0);
    msg_put_str(&m, type);
    if (msg_send(ours, &m) < 0)
        return err_set(e, errno, "make host key", "send");
    if (child_start(s, ROLE_SESSION, s->conf.ids.sessions, theirs, ended, NULL, e) < 0)
        return -1;
    close(fd_steal(&theirs));
    if (msg_recv_client(ours, &answer) != 1) {
        msg_begin(&answer, 0, 0);
        return err_set(e, EPROTO, "make host key", "%s: the key program gave no answer", path);
    }
    if (save(path, &answer, e) < 0)
        return -1;
    log_info("hostkey.made", "type=%s file=%s", type, path);
    return 0;
}

static int check(int fd, const char *path, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_set(e, errno, "stat", "%s", path);
    if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & 0177))
        return err_set(e, EPERM, "host key", "%s must be a file of root's with mode 0600", path);
    return 0;
}

int hostkey_load(struct super *s, struct err *e)
{
    struct buf all = BUF(countof(kinds) * (KEY_MOST + 1));
    int rc = 0;
    for (size_t i = 0; i < countof(kinds) && rc == 0; i++) {
        FREE_MEM char *path = mem_fmt("%s/%s", s->folder, kinds[i].file);
        if (access(path, F_OK) < 0 && errno == ENOENT && make(s, kinds[i].type, path, e) < 0) {
            rc = -1;
            break;
        }
        CLOSE_FD int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        size_t size = 0;
        FREE_MEM char *text = NULL;
        if (fd < 0)
            rc = err_set(e, errno, "open", "%s", path);
        else if (check(fd, path, e) < 0 || (text = io_read_fd(fd, path, KEY_MOST, &size, e)) == NULL)
            rc = -1;
        if (text == NULL)
            continue;
        buf_put(&all, text, size);
        buf_put(&all, "\n", 1);
        mem_wipe(text, size);
    }
    if (rc == 0) {
        s->hostkeys = io_sealed("hostkeys", buf_head(&all), buf_size(&all));
        if (s->hostkeys < 0)
            rc = err_set(e, errno, "memfd", "host keys");
    }
    buf_wipe(&all);
    return rc;
}
