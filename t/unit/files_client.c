/* What a session tells its files worker and waits no answer for: it goes with the next request, however far that is. */
#include <criterion/criterion.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "sshd/proto.h"
#include "sshd/session/files_client.h"
#include "sshd/session/session.h"

enum { USUAL_MS = 20, MOST_MS = 100 };   /* how long it waits for a request: at first, and at most */

static struct { session_turn_fn *fn; void *data; uint64_t ms; } later;   /* fn NULL: none waits */
static struct files *f;
static int worker;

/* The session's end of the loop: the one timer there is. */
struct session_watch *session_watch_new(struct session *s, int fd, short events, session_watch_fn *fn, void *data)
{
    (void)s, (void)fd, (void)events, (void)fn, (void)data;
    return NULL;
}
void session_watch_events(struct session_watch *w, short events) { (void)w, (void)events; }
void session_watch_free(struct session_watch *w) { (void)w; }
struct session_turn *session_turn_later(struct session *s, uint64_t ms, session_turn_fn *fn, void *data)
{
    (void)s;
    cr_assert_null(later.fn, "one is enough");
    later.fn = fn;
    later.data = data;
    later.ms = ms;
    return (struct session_turn *)&later;
}
void session_turn_free(struct session_turn *t)
{
    if (t)
        later.fn = NULL;
}
uint8_t session_hold(struct session *s) { return (void)s, (uint8_t)0; }
void session_let_go(struct session *s) { (void)s; }

static void gone(void *data, struct files *files, const char *ended)
{
    (void)data, (void)files, (void)ended;
    cr_assert(false, "the worker has not gone");
}

static void its_time(void)
{
    session_turn_fn *fn = later.fn;
    cr_assert_not_null(fn);
    later.fn = NULL;
    fn(later.data);
}

static void answered(void *data, uint32_t status, const char *text, struct msg *answer)
{
    (void)data, (void)status, (void)text, (void)answer;
}

static void up(void)
{
    int pair[2];
    cr_assert_eq(io_pair(pair), 0);
    f = files_new(NULL, pair[0], gone, NULL);
    worker = pair[1];
}

/* What came, of one message. */
static uint16_t came(void)
{
    MSG_FREE struct msg m = { 0 };
    cr_assert_eq(msg_recv(worker, &m), 1);
    return m.type;
}

static bool nothing_came(void)
{
    char byte;
    return recv(worker, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
}

/* For how long a CLOSE would wait for the next request. */
static uint64_t close_one(void)
{
    struct msg m;
    files_begin(&m, FILES_CLOSE);
    msg_put_u32(&m, 0);
    msg_put_u64(&m, 0);
    files_tell(f, &m);
    return later.ms;
}

static void open_one(void)
{
    struct msg m;
    files_begin(&m, FILES_FSTAT);
    msg_put_u32(&m, 0);
    files_ask(f, &m, answered, NULL);
}

/* A client that asks again after MS, once; its turn has come when that is longer than what was waited for. */
static void pause_of(unsigned ms)
{
    uint64_t patience = close_one();
    usleep(ms * 1000);
    if (ms > patience)
        its_time();
    open_one();
}

Test(files_client, goes_with_the_next_request)
{
    up();
    cr_assert_eq(close_one(), USUAL_MS);
    cr_assert(nothing_came());
    open_one();
    cr_assert_eq(came(), FILES_MANY);
    cr_assert(nothing_came());
    cr_assert_null(later.fn, "nothing is left to send");
}

Test(files_client, goes_alone_when_its_time_has_come)
{
    up();
    close_one();
    its_time();
    cr_assert_eq(came(), FILES_CLOSE);
    open_one();
    cr_assert_eq(came(), FILES_FSTAT);
}

Test(files_client, waits_longer_for_a_client_that_comes_later)
{
    up();
    for (int i = 0; i < 6; i++)
        pause_of(40);
    uint64_t patience = close_one();
    cr_assert_gt(patience, 60);
    cr_assert_leq(patience, MOST_MS);
    open_one();
    /* One long pause is not the rule. */
    pause_of(300);
    pause_of(40);
    cr_assert_gt(close_one(), 40);
}

Test(files_client, waits_no_longer_for_one_that_does_not_come)
{
    up();
    for (int i = 0; i < 6; i++)
        pause_of(2 * MOST_MS + 10);
    cr_assert_eq(close_one(), USUAL_MS);
}
