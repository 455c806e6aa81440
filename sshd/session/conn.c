/* The connection: libssh set up before the lock, then one loop that moves bytes between the socket, libssh and the channels.  libssh is only
   entered from here and from channels_turn, never from within its own callbacks' callees: what callbacks want done is noted and done after. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "sshd/session/activity.h"
#include "sshd/session/conn.h"
#include "sshd/session/hostkeys.h"
#include "sshd/session/proof.h"
#include "sshd/session/wire.h"

enum { RSA_LEAST = 3072, REST_MS = 1000, FAREWELL_MS = 1000, CUT_MS = 700, LAST_MS = 400 };

static const struct {
    enum ssh_bind_options_e option;
    const char *value;
} algorithms[] = {
    { SSH_BIND_OPTIONS_KEY_EXCHANGE,
      "curve25519-sha256,curve25519-sha256@libssh.org,diffie-hellman-group16-sha512,diffie-hellman-group18-sha512" },
    { SSH_BIND_OPTIONS_HOSTKEY_ALGORITHMS, "ssh-ed25519,rsa-sha2-512,rsa-sha2-256" },
    { SSH_BIND_OPTIONS_PUBKEY_ACCEPTED_KEY_TYPES,
      "ssh-ed25519,sk-ssh-ed25519@openssh.com,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,"
      "sk-ecdsa-sha2-nistp256@openssh.com,rsa-sha2-512,rsa-sha2-256" },
    { SSH_BIND_OPTIONS_CIPHERS_C_S, "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes256-ctr,aes128-ctr" },
    { SSH_BIND_OPTIONS_CIPHERS_S_C, "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com,aes256-ctr,aes128-ctr" },
    { SSH_BIND_OPTIONS_HMAC_C_S, "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512" },
    { SSH_BIND_OPTIONS_HMAC_S_C, "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512" },
    { SSH_BIND_OPTIONS_BANNER, "holdfast" },
};

/* How their version strings begin.  libssh2 is another library, and is like most. */
static const char *const link_first[] = { "SSH-2.0-libssh_", "SSH-2.0-libssh-", "SSH-2.0-AsyncSSH_", "SSH-2.0-WinSCP_" };

bool session_link_first(const struct session *s)
{
    const char *version = ssh_get_clientbanner(s->ssh);
    for (size_t i = 0; version && i < countof(link_first); i++)
        if (strncmp(version, link_first[i], strlen(link_first[i])) == 0)
            return true;
    return false;
}

static ssh_bind configured(const char *hostkeys)
{
    ssh_bind bind = ssh_bind_new();
    bool config = false;
    int least = RSA_LEAST;
    if (bind == NULL || ssh_bind_options_set(bind, SSH_BIND_OPTIONS_PROCESS_CONFIG, &config) != SSH_OK ||
        ssh_bind_options_set(bind, SSH_BIND_OPTIONS_RSA_MIN_SIZE, &least) != SSH_OK)
        die("libssh: no server");
    for (size_t i = 0; i < countof(algorithms); i++)
        if (ssh_bind_options_set(bind, algorithms[i].option, algorithms[i].value) != SSH_OK)
            die("libssh: %s: %s", algorithms[i].value, ssh_get_error(bind));
    hostkeys_import(bind, hostkeys);
    return bind;
}

/* Two numbers for one socket: libssh closes the one it knows, and what it said last still has to go out. */
static int second(int client)
{
    int fd = fcntl(client, F_DUPFD_CLOEXEC, 3);
    int on = 1;
    if (fd < 0)
        die_errno("client's socket");
    /* Fails on a socket that is no TCP, as in tests; nothing depends on it but speed. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void client_ready(void *data, int fd, unsigned events)
{
    (void)data;
    (void)fd;
    if (events & LOOP_WRITE)
        wire_flush();
    if (events & (LOOP_READ | LOOP_GONE))
        wire_fill();
}

static void beat(void *data);

void conn_open(struct session *s, int client, const char *hostkeys)
{
    int real = second(client);
    s->loop = loop_new();
    eager_open(&s->eager);
    place_open(&s->place);
    s->ssh = ssh_new();
    s->event = ssh_event_new();
    ssh_bind bind = configured(hostkeys);
    if (s->ssh == NULL || s->event == NULL ||
        /* By name: "no" would still offer zlib@openssh.com, and a few KiB that inflate to many MiB keep a session busy. */
        ssh_options_set(s->ssh, SSH_OPTIONS_COMPRESSION_C_S, "none") != SSH_OK ||
        ssh_options_set(s->ssh, SSH_OPTIONS_COMPRESSION_S_C, "none") != SSH_OK)
        die("libssh: no session");
    if (ssh_bind_accept_fd(bind, s->ssh, client) != SSH_OK)
        die("libssh: %s", ssh_get_error(bind));
    ssh_bind_free(bind);
    ssh_set_blocking(s->ssh, 0);
    auth_callbacks(s);
    proof_open();
    store_open(s);
    wire_open(client, real);
    wire_hold(true);
    s->client = loop_watch(s->loop, real, LOOP_READ, client_ready, s);
    if (s->keepalive > 0)
        loop_timer(s->loop, s->keepalive * 1000ull, beat, s);
}

void conn_close(struct session *s, const char *why)
{
    if (!s->over && why && *why)
        s->why = mem_str(why);
    s->over = true;
}

struct cut { struct session *s; uint64_t mark; };

static void cut_due(void *data)
{
    FREE_MEM struct cut *k = data;
    struct session *s = k->s;
    if (s->over || wire_taken() >= k->mark)
        return;
    session_log(s, "connection.cut", "why=what was on its way when a right was taken away was not read in time");
    s->thrown = true;
    conn_close(s, NULL);
}

void conn_cut(struct session *s)
{
    struct cut *k = mem_new(sizeof *k);
    *k = (struct cut){ .s = s, .mark = wire_total() };
    loop_timer(s->loop, CUT_MS, cut_due, k);
}

/* libssh says it has no connection any more: the client left, or broke the protocol. */
static void lost(struct session *s)
{
    const char *error = ssh_get_error(s->ssh);
    /* A client that takes its leave is nothing to note. */
    bool leave = error && strstr(error, "SSH_MSG_DISCONNECT");
    if (!s->over && !wire_ended() && error && *error && !leave)
        session_log(s, "connection.ended", "reason=%s", error);
    conn_close(s, NULL);
}

static void feed(struct session *s)
{
    /* Bounded by what one read brought; libssh eats 4 KiB a call. */
    enum { CALLS_MOST = WIRE_AHEAD / 1024 };
    wire_hold(false);
    for (int i = 0; i < CALLS_MOST && !s->over && (wire_buffered() > 0 || wire_ended()); i++)
        /* A broken rule of the key exchange is known by the state alone: the socket is open and libssh waits for nothing any more. */
        if (ssh_event_dopoll(s->event, 0) == SSH_ERROR || !ssh_is_connected(s->ssh) || (ssh_get_status(s->ssh) & SSH_CLOSED_ERROR))
            lost(s);
    wire_hold(true);
}

/* What libssh answered by itself waits in its own buffer until it hears that the socket can be written. */
static void drain(struct session *s)
{
    for (int i = 0; i < 4 && !s->over && (ssh_get_status(s->ssh) & SSH_WRITE_PENDING); i++)
        if (ssh_event_dopoll(s->event, 0) == SSH_ERROR)
            lost(s);
}

/* Only behind a time in which nothing came: what is given back under work is taken again at once, by all of many sessions at the same time. */
static void rest(void *data)
{
    struct session *s = data;
    s->resting = NULL;
    if (s->quiet != wire_received())
        return;
    wire_rest();
    channels_rest(s);
    mem_rest();
}

static void beat(void *data)
{
    struct session *s = data;
    loop_timer(s->loop, s->keepalive * 1000ull, beat, s);
    if (s->heard != wire_received()) {
        s->heard = wire_received();
        s->missed = 0;
        return;
    }
    /* Before the login the supervisor's grace is what counts. */
    if (!s->in)
        return;
    if (s->missed++ >= s->keepalive_misses) {
        session_log(s, "connection.dead", "missed=%u", s->keepalive_misses);
        conn_close(s, NULL);
        return;
    }
    /* The first call may only collect the answer to the last one; the second asks anew, or finds one still out. */
    ssh_set_fd_towrite(s->ssh);
    ssh_send_keepalive(s->ssh);
    ssh_send_keepalive(s->ssh);
}

static void turn(struct session *s)
{
    bool full = wire_unsent() >= WIRE_FULL;
    if (!full)
        feed(s);
    drain(s);
    if (!s->over)
        channels_turn(s);
    drain(s);
    activity_send(s);
    wire_flush();
    if (wire_broken())
        conn_close(s, NULL);
    full = wire_unsent() >= WIRE_FULL;
    watch_events(s->client, (full ? 0u : (unsigned)LOOP_READ) | (wire_unsent() > 0 ? (unsigned)LOOP_WRITE : 0u));
    if (s->resting == NULL && s->quiet != wire_received()) {
        s->quiet = wire_received();
        s->resting = loop_timer(s->loop, REST_MS, rest, s);
    }
}

/* OpenSSH's client drops what it has not printed yet when it is told that the connection ends: it gets a moment to,
   and one that had no other channel ends the connection then. */
static void farewell(struct session *s)
{
    if (s->why && ssh_is_connected(s->ssh) && channels_last(s)) {
        for (int i = 0; i < 4 && (ssh_get_status(s->ssh) & SSH_WRITE_PENDING); i++)
            if (ssh_event_dopoll(s->event, 0) == SSH_ERROR)
                break;
        wire_wait_end(LAST_MS);
    }
    channels_end(s);
    activity_send(s);
    if (s->why && ssh_is_connected(s->ssh)) {
        ssh_session_set_disconnect_message(s->ssh, s->why);
        ssh_set_fd_towrite(s->ssh);
        ssh_disconnect(s->ssh);
    }
    /* Whoever is put out gets no more of what was on its way than it takes in that time, whoever ends us. */
    bool put_out = s->thrown || s->why;
    wire_throw(put_out);
    uint64_t until = s->thrown ? 0 : now_ms() + FAREWELL_MS;
    wire_flush();
    while ((wire_unsent() > 0 || (put_out && wire_taken() < wire_total() && !wire_broken())) && now_ms() < until) {
        watch_events(s->client, wire_unsent() > 0 ? LOOP_WRITE : 0);
        loop_once(s->loop, 20);
        wire_flush();
    }
    if (!s->thrown && wire_taken() >= wire_total())
        wire_throw(false);
}

void conn_run(struct session *s)
{
    if (ssh_handle_key_exchange(s->ssh) == SSH_ERROR)
        die("libssh: %s", ssh_get_error(s->ssh));
    if (ssh_event_add_session(s->event, s->ssh) != SSH_OK)
        die("libssh: no event");
    turn(s);
    while (!s->over) {
        bool more = s->work || (wire_buffered() > 0 && wire_unsent() < WIRE_FULL);
        place_turn(&s->place);
        /* Who waits for a worker sleeps: that one wants this processor. */
        if (more || !s->in || s->place.holds > 0 || !eager_wait(&s->eager, s->loop, wire_received() + wire_total()))
            loop_once(s->loop, more ? 0 : -1);
        turn(s);
    }
    farewell(s);
}
