#include "sshd/supervisor/store_aid.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "sshd/supervisor/child.h"
#include "sshd/supervisor/store.h"

struct aid {
    struct super *super;
    struct client *client;      /* held; its `left` is ours */
    struct link *link;
    pid_t pid;                  /* 0: it has ended */
    bool copies, done;
    unsigned found;
};

static void end(struct aid *a)
{
    if (a->link == NULL && a->pid == 0) {
        if (a->super->aid == a)
            a->super->aid = NULL;
        free(a);
    }
}

static void answer(struct aid *a, int code, const char *text)
{
    struct client *c = a->client;
    a->client = NULL;
    /* What is left is its end, and another one may begin. */
    if (a->super->aid == a)
        a->super->aid = NULL;
    if (c == NULL)
        return;
    c->left = NULL;
    client_done(c, code, text);
    client_release(c);
}

static void put(struct aid *a, struct buf *b)
{
    if (a->client)
        client_put(a->client, (const char *)buf_head(b), buf_size(b));
    buf_free(b);
}

static void take_found(struct aid *a, struct msg *m)
{
    struct buf b = BUF(MSG_MOST);
    FREE_MEM char *part = msg_get_text(m, 64);
    FREE_MEM char *what = msg_get_text(m, 4096);
    if (!msg_end(m) || a->client == NULL)
        return;
    a->found++;
    if (a->client->json) {
        json_begin(&b, NULL);
        json_str(&b, "part", part);
        json_str(&b, "wrong", what);
        json_end(&b);
        json_line(&b);
    } else
        buf_put_fmt(&b, "%s: %s\n", part, esc_text(what));
    put(a, &b);
}

static void take_checked(struct aid *a, struct msg *m)
{
    struct buf b = BUF(1024);
    FREE_MEM char *error = msg_get_text(m, 1024);
    uint64_t pages = msg_get_u64(m), texts = msg_get_u64(m);
    uint32_t schema = msg_get_u32(m);
    if (!msg_end(m) || a->client == NULL)
        return;
    a->done = true;
    if (a->client->json) {
        json_begin(&b, NULL);
        json_bool(&b, "ok", a->found == 0 && error[0] == '\0');
        json_u64(&b, "wrong", a->found);
        json_u64(&b, "schema", schema);
        json_u64(&b, "pages", pages);
        json_u64(&b, "sealed", texts);
        json_end(&b);
        json_line(&b);
    } else if (a->found == 0 && error[0] == '\0')
        buf_put_fmt(&b, "the store is sound: schema %u, %llu pages, %llu sealed texts\n", schema, (unsigned long long)pages, (unsigned long long)texts);
    put(a, &b);
    FREE_MEM char *why = error[0] ? mem_fmt("the check ended early: %s", error) : a->found ? mem_fmt("%u things are wrong", a->found) : NULL;
    answer(a, why ? CODE_FAILED : 0, why ? why : "");
}

static void take_copied(struct aid *a, struct msg *m)
{
    struct buf b = BUF(1024);
    FREE_MEM char *error = msg_get_text(m, 1024);
    uint64_t bytes = msg_get_u64(m);
    uint32_t schema = msg_get_u32(m);
    if (!msg_end(m) || a->client == NULL)
        return;
    a->done = true;
    if (error[0] == '\0' && a->client->json) {
        json_begin(&b, NULL);
        json_u64(&b, "bytes", bytes);
        json_u64(&b, "schema", schema);
        json_end(&b);
        json_line(&b);
    } else if (error[0] == '\0')
        buf_put_fmt(&b, "%llu bytes, schema %u; it opens with the secret.key of now: keep that too, elsewhere\n", (unsigned long long)bytes, schema);
    put(a, &b);
    if (error[0] == '\0')
        log_info("store.copied", "bytes=%llu", (unsigned long long)bytes);
    answer(a, error[0] ? CODE_FAILED : 0, error);
}

static const struct {
    uint16_t type;
    bool copies;
    void (*take)(struct aid *a, struct msg *m);
} table[] = {
    { CHECK_FOUND, false, take_found },
    { CHECK_DONE, false, take_checked },
    { COPY_DONE, true, take_copied },
};

static void on_msg(void *data, struct link *l UNUSED, struct msg *m)
{
    struct aid *a = data;
    for (size_t i = 0; i < countof(table); i++)
        if (table[i].type == m->type && table[i].copies == a->copies) {
            table[i].take(a, m);
            return;
        }
}

static void on_gone(void *data, struct link *l)
{
    struct aid *a = data;
    link_free(l);
    a->link = NULL;
    if (!a->done)
        answer(a, CODE_FAILED, "the store's aid ended before it was done: see the log");
    end(a);
}

static void on_end(void *data, pid_t pid UNUSED, int status UNUSED)
{
    struct aid *a = data;
    a->pid = 0;
    end(a);
}

static void on_left(void *data)
{
    struct aid *a = data;
    struct client *c = a->client;
    a->client = NULL;
    if (a->pid > 0)
        kill(a->pid, SIGKILL);
    client_release(c);
}

static const struct link_events events = { .msg = on_msg, .gone = on_gone, .client = true };

static int begin(struct aid *a, uint16_t type, int fd, struct err *e)
{
    struct super *s = a->super;
    int pair[2];
    FREE_MEM char *folder = mem_fmt("%s/store", s->conf.paths.state);
    if (io_pair(pair) < 0)
        return err_set(e, errno, "socketpair", "%s", "");
    CLOSE_FD int ours = pair[0], theirs = pair[1];
    a->pid = child_start(s, ROLE_AID, s->conf.ids.store, theirs, on_end, a, e);
    if (a->pid < 0)
        return -1;
    a->link = link_new(s->loop, fd_steal(&ours), &events, a);
    struct msg m;
    msg_begin(&m, type, 0);
    msg_put_str(&m, folder);
    msg_put_fd(&m, fd);
    link_send(a->link, &m);
    return 0;
}

static void start(struct client *c, uint16_t type, int fd)
{
    struct super *s = c->super;
    struct err e;
    char text[400];
    if (s->aid || !store_ready(s)) {
        client_done(c, CODE_LATER, s->aid ? "another check or backup of the store is under way" : "the store is not running");
        return;
    }
    struct aid *a = mem_new(sizeof *a);
    *a = (struct aid){ .super = s, .client = c, .copies = type == START_COPY };
    if (begin(a, type, fd, &e) < 0) {
        free(a);
        client_done(c, CODE_FAILED, err_text(&e, text, sizeof text));
        return;
    }
    s->aid = a;
    client_hold(c);
    c->left = on_left;
    c->left_data = a;
}

void store_aid_check(struct client *c)
{
    start(c, START_CHECK, c->super->secret);
}

void store_aid_copy(struct client *c)
{
    start(c, START_COPY, c->fd);
}
