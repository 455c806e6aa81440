/* What the supervisor is told: orders of the store, and requests of the tool.  The store may make it end, the tool never; nothing is started,
   as what stands behind both is stood in for here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/rights.h"
#include "sshd/proto.h"
#include "sshd/supervisor/backup.h"
#include "sshd/supervisor/conn.h"
#include "sshd/supervisor/disk.h"
#include "sshd/supervisor/doctor.h"
#include "sshd/supervisor/errand.h"
#include "sshd/supervisor/filter.h"
#include "sshd/supervisor/launch.h"
#include "sshd/supervisor/leave.h"
#include "sshd/supervisor/order.h"
#include "sshd/supervisor/reload.h"
#include "sshd/supervisor/server.h"
#include "sshd/supervisor/standing.h"
#include "sshd/supervisor/store.h"
#include "sshd/supervisor/tool.h"
#include "sshd/supervisor/tool_ban.h"
#include "sshd/supervisor/tool_image.h"
#include "sshd/supervisor/tool_server.h"
#include "sshd/supervisor/tool_store.h"
#include "sshd/supervisor/worker.h"
#include "t/fuzz/fuzz.h"

static char alice[] = "alice", bob[] = "bob", one[] = "one", all[] = "", other[] = "two";
static struct super super = { .null_fd = -1, .log_fd = -1 };
static struct session session = { .id = 1, .account = "alice", .address = "127.0.0.1 port 1", .link = -1, .servers = all };
static struct server server = { .name = "one", .super = &super };
static struct conf_allow allow[] = { { .account = bob, .rights = RIGHT_STATUS | RIGHT_FILES_READ } };
static struct conf_server conf = { .name = one, .owner = alice, .allow = { allow, 1 } };
static struct conf_account accounts[] = { { .name = alice, .rights = RIGHT_ALL }, { .name = bob, .rights = RIGHT_ALL } };
static unsigned results;
static uint32_t rights;

/* --- stand-ins ------------------------------------------------------------------------------------------------------------------------ */

struct session *conn_find(struct super *s UNUSED, uint64_t id) { return id == 1 ? &session : NULL; }
void conn_kill(struct super *s UNUSED, struct session *c UNUSED, bool at_once UNUSED) {}
struct server *server_find(struct super *s UNUSED, const char *name) { return strcmp(name, "one") == 0 ? &server : NULL; }
bool server_alive(const struct server *v UNUSED) { return true; }
const char *server_word(const struct server *v UNUSED) { return "running"; }
uint64_t server_disk_used(struct server *v UNUSED, uint64_t *inodes) { return *inodes = 7; }
void server_put_status(struct server *v, struct msg *m) { msg_put_str(m, v->name); }
void result_begin(struct msg *m, uint32_t id, int code, const char *text)
{
    msg_begin(m, STORE_RESULT, id);
    msg_put_u32(m, (uint32_t)code);
    msg_put_str(m, text);
}
void result_send(struct super *s UNUSED, struct msg *m)
{
    invariant(!m->bad && !m->body.bad);
    results++;
    msg_free(m);
}
void result(struct super *s UNUSED, uint32_t id UNUSED, int code UNUSED, const char *fmt UNUSED, ...) { results++; }
static void power(uint32_t right)
{
    invariant((rights & right) == right);
    results++;
}
const char *server_event(struct server *v UNUSED, enum event e)
{
    power(e == EVENT_START ? RIGHT_START : e == EVENT_STOP ? RIGHT_STOP : e == EVENT_KILL ? RIGHT_KILL : RIGHT_START | RIGHT_STOP);
    results--;
    return NULL;
}
void server_wait_reply(struct server *v UNUSED, uint64_t id UNUSED, uint32_t order UNUSED, enum event e UNUSED, bool full UNUSED, uint64_t ms)
{
    invariant(ms <= 3600000);
    results++;
}
int launch_viewer(struct server *v UNUSED, const char *who UNUSED, bool write, uint64_t history UNUSED, struct err *e UNUSED)
{
    invariant(!write || (rights & RIGHT_SEND));
    return dup(0);
}
void disk_need(struct server *v UNUSED, disk_fn *fn, void *data) { fn(data, NULL); }
int worker_start(struct super *s UNUSED, struct session *c, struct server *v UNUSED, uint32_t given, struct err *e UNUSED)
{
    invariant(c == &session && (given & ~rights) == 0);
    return dup(0);
}
void backup_create(struct super *s UNUSED, struct order *o UNUSED) { power(RIGHT_BACKUP_CREATE); }
void backup_get(struct super *s UNUSED, struct order *o UNUSED) { power(RIGHT_BACKUP_READ); }
void errand_rsync(struct super *s UNUSED, struct order *o UNUSED) { power(RIGHT_FILES_READ); }
unsigned doctor(const struct conf *c UNUSED, const char *folder UNUSED, bool live UNUSED, struct buf *out UNUSED) { return 0; }
void filter_status(struct super *s UNUSED, struct buf *out UNUSED) {}
void reload(struct super *s UNUSED, reload_fn *fn, void *data) { fn(data, true, "nothing changed"); }
void store_passwd(struct super *s UNUSED, const char *who, const void *word UNUSED, size_t size, passwd_fn *fn, void *data)
{
    invariant((strcmp(who, "alice") == 0 || strcmp(who, "bob") == 0) && size <= 1024);
    fn(data, "");
}
void store_totp_reset(struct super *s UNUSED, const char *who, passwd_fn *fn, void *data)
{
    invariant(strcmp(who, "alice") == 0 || strcmp(who, "bob") == 0);
    fn(data, "");
}
void conn_end(struct super *s UNUSED, struct session *c, const char *why UNUSED) { invariant(c == &session); }
void standing_tell(struct super *s UNUSED, struct order *o) { invariant(o->session == &session), results++; }
void leave(struct super *s UNUSED, leave_fn *fn UNUSED, void *data UNUSED) {}
void tool_server(struct client *c) { client_done(c, 0, ""); }
void tool_image(struct client *c) { client_done(c, 0, ""); }
void tool_ban(struct client *c) { client_done(c, 0, ""); }
void tool_key(struct client *c) { client_done(c, 0, ""); }
void tool_store(struct client *c) { client_done(c, 0, ""); }

/* --- targets -------------------------------------------------------------------------------------------------------------------------- */

static const char *const words[] = { "alice", "bob", "one", "", "rw", "status", "sessions", "kick", "reload", "account", "passwd", "show",
    "doctor", "shutdown", "version", "server", "image", "totp-reset", "ban", "key", "store", "1", "two", "../x", NULL };

static void orders(struct supply *in)
{
    struct msg m;
    bool second = take_u8(in) & 1;
    snprintf(session.account, sizeof session.account, "%s", second ? "bob" : "alice");
    /* What its key carries of that: all, some, or nothing on this server. */
    uint8_t key = take_u8(in);
    session.rights = key & 1 ? RIGHT_ALL : RIGHT_STATUS | RIGHT_START | RIGHT_FILES_READ;
    session.servers = key & 2 ? other : all;
    session.generation = 0;
    rights = session.servers == other ? 0 : (second ? allow[0].rights : RIGHT_ALL) & session.rights;
    super.leaving = take_u8(in) > 250;
    results = 0;
    msg_begin(&m, STORE_ORDER, 9);
    put_fields(in, &m, "qsisqsq", words);
    if (MAY_DIE) {
        order_take(&super, &m);
        invariant(results == 1);
    }
    may_die = false;
    msg_free(&m);
}

static void tool(struct supply *in)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    snprintf(a.sun_path, sizeof a.sun_path, "%s/holdfast.sock", work_folder());
    CLOSE_FD int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
        die_errno("connect");
    struct msg m;
    msg_begin(&m, TOOL_REQUEST, 1);
    uint8_t how = take_u8(in);
    put_fields(in, &m, how & 1 ? "sin(s)b" : "sin(s)bf", words);
    send_fields(fd, &m);
    for (int i = 0; i < 2; i++)
        loop_once(super.loop, 0);
    /* The client goes; the supervisor is to forget it. */
    close(fd_steal(&fd));
    for (int i = 0; i < 3; i++)
        loop_once(super.loop, 0);
}

static void prepare(void)
{
    struct err e;
    if (super.loop)
        return;
    super.loop = loop_new();
    super.servers = &server;
    super.sessions = &session;
    super.conf.servers = &conf;
    super.conf.accounts = accounts;
    super.conf.naccounts = countof(accounts);
    super.conf.nservers = 1;
    super.conf.paths.state = super.conf.paths.run = mem_str(work_folder());
    if (tool_open(&super, &e) < 0)
        die_err(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct supply in = { bytes, size };
    prepare();
    (take_u8(&in) & 1 ? orders : tool)(&in);
    return 0;
}
