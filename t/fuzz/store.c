/* What sessions ask of the store: any sequence of their messages, in every phase, with a real database; and what the supervisor answers. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sodium.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/rights.h"
#include "store/proto.h"
#include "store/stored/activity.h"
#include "store/stored/db.h"
#include "store/stored/migrate.h"
#include "store/stored/session.h"
#include "store/stored/store.h"
#include "t/fuzz/fuzz.h"

static struct store store;
static int supervisor = -1;
static const uint8_t secret[32] = { 9 };
static uint64_t last;

/* --- in place of the password helper ---------------------------------------------------------------------------------------------------- */

static struct { password_fn *fn; uint64_t cookie; } verify;

int password_verify(struct passwords *p UNUSED, const char *hash UNUSED, const void *word UNUSED, size_t size, password_fn *fn, uint64_t cookie)
{
    invariant(verify.fn == NULL);
    if (size == 13)
        return -1;      /* the queue is full */
    verify.fn = fn;
    verify.cookie = cookie;
    return 0;
}

int password_make(struct passwords *p UNUSED, const void *word UNUSED, size_t size UNUSED, password_fn *fn, uint64_t cookie)
{
    fn(&store, cookie, PASSWORD_LOST, NULL);
    return 0;
}

void password_forget(struct passwords *p UNUSED, uint64_t cookie)
{
    if (verify.cookie == cookie)
        verify.fn = NULL;
}

/* --- the store ---------------------------------------------------------------------------------------------------------------------------- */

static void ignore(void *data UNUSED, struct link *l UNUSED, struct msg *m UNUSED) {}
static void gone(void *data UNUSED, struct link *l UNUSED) { bug("the supervisor's link has broken"); }
static const struct link_events events = { .msg = ignore, .gone = gone, .queue = 65536 };

static const uint8_t point[51] = "\0\0\0\x0bssh-ed25519\0\0\0\x20" "fuzz";

static void configure(void)
{
    struct msg m;
    char key[128];
    sodium_bin2base64(key, sizeof key, point, sizeof point, sodium_base64_VARIANT_ORIGINAL);
    FREE_MEM char *line = mem_fmt("ssh-ed25519 %s fuzz", key);
    static const char *const accounts[] = { "alice", "bob", "carol" };
    msg_begin(&m, STORE_CONF_BEGIN, 0);
    msg_put_u32(&m, 1);
    msg_put_u32(&m, 1000);
    msg_put_u32(&m, 100);
    msg_put_u32(&m, 0);
    msg_put_u32(&m, 0);
    msg_put_u32(&m, 0);
    push_begin(&store, &m);
    msg_free(&m);
    for (uint32_t i = 0; i < countof(accounts); i++) {
        msg_begin(&m, STORE_CONF_ACCOUNT, 0);
        msg_put_str(&m, accounts[i]);
        msg_put_u32(&m, i < 2);
        msg_put_u32(&m, i == 2);
        msg_put_u32(&m, 10);
        msg_put_u32(&m, RIGHT_ALL);
        msg_put_u32(&m, 1);
        msg_put_u32(&m, i == 1);
        msg_put_u32(&m, 1);
        msg_put_str(&m, line);
        push_account(&store, &m);
        msg_free(&m);
    }
    for (uint32_t i = 0; i < 2; i++) {
        msg_begin(&m, STORE_CONF_SERVER, 0);
        msg_put_str(&m, i ? "two" : "one");
        msg_put_str(&m, i ? "bob" : "alice");
        msg_put_u32(&m, !i);
        if (!i) {
            msg_put_str(&m, "bob");
            msg_put_u32(&m, RIGHT_STATUS);
        }
        push_server(&store, &m);
        msg_free(&m);
    }
    msg_begin(&m, STORE_CONF_END, 0);
    push_end(&store, &m);
    msg_free(&m);
}

static void prepare(void)
{
    struct err e = { 0 };
    int pair[2];
    if (store.loop)
        return;
    FREE_MEM char *file = mem_fmt("%s/store.db", work_folder());
    int folder = open(work_folder(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (sodium_init() < 0 || io_pair(pair) < 0 || folder < 0 || io_nonblock(pair[1]) < 0)
        die_errno("prepare");
    supervisor = pair[1];
    store.loop = loop_new();
    store.super = link_new(store.loop, pair[0], &events, &store);
    store.secret = store.seal = store.digest = secret;
    store.db = db_open(file, &e);
    if (store.db == NULL || migrate(store.db, &e) < 0)
        die_err(&e);
    /* A crash of the machine is not tried. */
    db_exec(store.db, "PRAGMA synchronous = OFF", &e);
    store.activity = activity_open(store.loop, work_folder(), folder);
    bucket_init(&store.complaints, 1, 1, now_ms());
    configure();
    invariant(store.push == NULL);
}

/* --- one session -------------------------------------------------------------------------------------------------------------------------- */

static const char *const words[] = { "alice", "bob", "carol", "nobody", "alice+one", "one", "two", "", "ssh-ed25519", "a word", "rw", "first",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZ1enoAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA x\n", NULL };

/* What a session may send, in the words of store/proto.h; "k": the blob of a key, mostly one that is alice's and bob's. */
static const struct { uint16_t type; const char *letters; } requests[] = {
    { STORE_KEY_OFFER, "sksi" }, { STORE_KEY_LOGIN, "sksi" }, { STORE_KEY_LOGIN, "sksi" }, { STORE_PASSWORD_LOGIN, "sb" }, { STORE_CODE_LOGIN, "sb" },
    { STORE_WHOAMI, "" },
    { STORE_DO, "isqs" }, { STORE_DO, "isqs" }, { STORE_DO, "isqs" }, { STORE_LOG, "iss" }, { STORE_ACTIVITY, "n(isbbqi)" },
    { STORE_ANSWER, "is" }, { STORE_ORDER, "qsisqs" },
};

static void ask(struct supply *in, int fd)
{
    struct msg m;
    size_t which = take_u8(in) % countof(requests);
    msg_begin(&m, requests[which].type, take_u32(in));
    for (const char *at = requests[which].letters; *at; at++) {
        char letter[2] = { *at, '\0' };
        if (*at == 'n') {
            put_fields(in, &m, at, words);
            break;
        }
        if (*at == 'k' && take_u8(in) < 220)
            msg_put_bytes(&m, point, sizeof point);
        else
            put_fields(in, &m, *at == 'k' ? "b" : letter, words);
    }
    send_fields(fd, &m);
}

/* To the session's own end: nobody waits for more. */
static void drain(int fd)
{
    struct msg m;
    while (msg_recv_client(fd, &m) > 0)
        msg_free(&m);
}

static void answer_login(struct supply *in, uint64_t id)
{
    struct msg out;
    bool yes = take_u8(in) < 230;
    msg_begin(&out, STORE_LOGIN_ANSWER, 0);
    msg_put_u64(&out, id);
    msg_put_u32(&out, yes);
    msg_put_str(&out, yes ? "" : "too many connections of this account");
    login_answered(&store, &out);
    msg_free(&out);
}

/* Any code and text; the fields behind them are passed on as they are. */
static void answer_order(struct supply *in, uint32_t id)
{
    struct msg out;
    msg_begin(&out, STORE_RESULT, id);
    msg_put_u32(&out, take_u32(in) % 80);
    msg_put_str(&out, "done");
    put_fields(in, &out, "qqqqsf", words);
    out.received = true;
    order_result(&store, &out);
    msg_free(&out);
}

static void supervise(struct supply *in)
{
    struct msg m;
    while (msg_recv_client(supervisor, &m) > 0) {
        if (m.type == STORE_LOGGED_IN)
            answer_login(in, msg_get_u64(&m));
        else if (m.type == STORE_ORDER && take_u8(in) < 200)
            answer_order(in, m.id);
        msg_free(&m);
    }
}

static void rounds(struct supply *in, int fd)
{
    for (int i = 0; i < 3; i++) {
        loop_once(store.loop, 0);
        if (verify.fn && take_u8(in) < 240) {
            password_fn *fn = verify.fn;
            verify.fn = NULL;
            fn(&store, verify.cookie, take_u8(in) < 200 ? PASSWORD_RIGHT : PASSWORD_WRONG, NULL);
        }
        supervise(in);
        drain(fd);
    }
}

static void tell_gone(uint64_t id)
{
    struct msg m;
    msg_begin(&m, STORE_SESSION_GONE, 0);
    msg_put_u64(&m, id);
    msg_put_u32(&m, 0);
    session_gone(&store, &m);
    msg_free(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct supply in = { bytes, size };
    struct msg m;
    int pair[2];
    prepare();
    if (io_pair(pair) < 0 || io_nonblock(pair[1]) < 0)
        die_errno("pair");
    uint64_t id = ++last;
    msg_begin(&m, STORE_SESSION_NEW, 0);
    msg_put_u64(&m, id);
    msg_put_str(&m, "192.0.2.1");
    msg_put_u32(&m, 1234);
    msg_put_str(&m, "");
    msg_put_bytes(&m, "", 0);
    msg_put_fd(&m, pair[0]);
    session_new(&store, &m);
    msg_free(&m);
    while (in.left && session_find(&store, id)) {
        ask(&in, pair[1]);
        if (take_u8(&in) & 1)
            rounds(&in, pair[1]);
    }
    rounds(&in, pair[1]);
    tell_gone(id);
    close(pair[1]);
    verify.fn = NULL;
    loop_once(store.loop, 0);
    invariant(store.sessions == NULL);
    return 0;
}
