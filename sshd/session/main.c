/* holdfast-session: one connection, from the first byte of a stranger to the last.  What it is to do comes as the first message on its link. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/msg.h"
#include "sshd/proto.h"
#include "sshd/session/conn.h"
#include "sshd/session/hostkeys.h"
#include "sshd/session/lockdown.h"

enum { HOSTKEYS_MOST = 64 * 1024 };

static void run_session(struct msg *m)
{
    static struct session s;
    s.id = msg_get_u64(m);
    s.peer = msg_get_str(m);
    s.peer_port = msg_get_u32(m);
    s.channels = msg_get_u32(m);
    s.auth_tries = msg_get_u32(m);
    s.password_tries = msg_get_u32(m);
    s.handles = msg_get_u32(m);
    s.keepalive = msg_get_u32(m);
    s.keepalive_misses = msg_get_u32(m);
    log_init("holdfast-session", (enum log_level)msg_get_u32(m));
    log_context("session=%llu account=-", (unsigned long long)s.id);
    int client = msg_get_fd(m), keys = msg_get_fd(m);
    msg_end(m);

    size_t size = 0;
    struct err e = { .no = 0 };
    char *hostkeys = lseek(keys, 0, SEEK_SET) == 0 ? io_read_fd(keys, "host keys", HOSTKEYS_MOST, &size, &e) : NULL;
    if (hostkeys == NULL)
        die("host keys: %s", e.text);
    close(keys);
    conn_open(&s, client, hostkeys);
    mem_wipe(hostkeys, size);
    lockdown();
    conn_run(&s);
}

static void run_keygen(struct msg *m)
{
    FREE_MEM char *type = msg_get_str(m);
    msg_end(m);
    lockdown();
    char *private_text, *public_line;
    hostkeys_make(type, &private_text, &public_line);
    struct msg done;
    msg_begin(&done, KEYGEN_DONE, m->id);
    msg_put_bytes(&done, private_text, strlen(private_text));
    msg_put_str(&done, public_line);
    mem_wipe(private_text, strlen(private_text));
    if (msg_send(LINK_FD, &done) < 0)
        die_errno("sending a host key");
    buf_wipe(&done.body);
}

static const struct {
    uint16_t type;
    void (*run)(struct msg *m);
} starts[] = {
    { START_SESSION, run_session },
    { START_KEYGEN, run_keygen },
};

int main(void)
{
    log_init("holdfast-session", LOG_INFO);
    signal(SIGPIPE, SIG_IGN);   /* a pipe to a program that has ended is an error of that program's verb */
    lockdown_prepare();
    struct msg m;
    if (msg_recv(LINK_FD, &m) != 1)
        die("no start message");
    for (size_t i = 0; i < countof(starts); i++)
        if (starts[i].type == m.type) {
            starts[i].run(&m);
            _exit(0);
        }
    die("message %u is no start", m.type);
}
