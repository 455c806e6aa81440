#include "sshd/supervisor/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "sandbox/lock/change.h"
#include "sshd/supervisor/child.h"

enum { KEPT_MOST = 64 };

struct words {
    char *text;                     /* owned; what EACH points into */
    char *each[CHANGES_MOST + 1];
    uint32_t n;
};

struct waiter {
    struct waiter *next;
    policy_fn *fn;
    void *data;
};

/* One answer of holdfast-policy: being made while it has a link, kept afterwards if it is a filter. */
struct made {
    struct made *next;
    char *key;                      /* profile and changes */
    int link, fd;
    bool keep;
    struct waiter *waiters;
};

static struct made *list;           /* newest first */

static void made_free(struct made *m)
{
    for (struct made **at = &list; *at; at = &(*at)->next)
        if (*at == m) {
            *at = m->next;
            break;
        }
    if (m->link >= 0)
        close(m->link);
    if (m->fd >= 0)
        close(m->fd);
    free(m->key);
    free(m);
}

char *policy_changes(const struct conf_server *c)
{
    char *text = mem_str("");
    for (size_t i = 0; i < c->seccomp.n; i++) {
        char *longer = mem_fmt("%s%s%s", text, text[0] ? " " : "", c->seccomp.v[i]);
        free(text);
        text = longer;
    }
    return text;
}

/* One more than allowed is enough to be refused. */
static void split(struct words *w, const struct conf_server *c, bool only_removed)
{
    char *rest = NULL;
    w->text = policy_changes(c);
    w->n = 0;
    for (char *word = strtok_r(w->text, " \t", &rest); word && w->n <= CHANGES_MOST; word = strtok_r(NULL, " \t", &rest))
        if (!only_removed || word[0] == '-')
            w->each[w->n++] = word;
}

int policy_check(const struct conf_server *c, struct err *e)
{
    static struct policy_row rows[POLICY_ROWS_MOST];
    struct words w;
    size_t n;
    split(&w, c, false);
    int r = change_apply(&policies[PROFILE_SERVER], w.each, w.n, rows, &n, e);
    free(w.text);
    return r;
}

/* ---- the answer ---- */

/* Nobody can change it any more, and it is a filter by its size; the kernel looks at the rest. */
static int check_filter(int fd, struct err *e)
{
    const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    struct stat st;
    if (fstat(fd, &st) < 0 || (fcntl(fd, F_GET_SEALS) & seals) != seals)
        return err_set(e, 0, "seccomp", "what was made is not sealed");
    if (st.st_size <= 0 || (size_t)st.st_size % sizeof(struct sock_filter) || (size_t)st.st_size > BPF_MAXINSNS * sizeof(struct sock_filter))
        return err_set(e, 0, "seccomp", "a filter of %lld bytes", (long long)st.st_size);
    return 0;
}

static int take(struct made *m, int status, struct err *e)
{
    struct msg in MSG_FREE;
    if (msg_recv_client(m->link, &in) != 1 || in.type != POLICY_MADE)
        return err_set(e, 0, "seccomp", "holdfast-policy: %s", status_text(status));
    uint32_t ok = msg_get_u32(&in);
    FREE_MEM char *error = msg_get_str(&in);
    CLOSE_FD int fd = ok && msg_has_fd(&in) ? msg_get_fd(&in) : -1;
    if (!msg_end(&in) || (ok && fd < 0))
        return err_set(e, 0, "seccomp", "holdfast-policy: a bad answer");
    if (!ok)
        return err_set(e, 0, "", "%s", error);
    if (m->keep && check_filter(fd, e) < 0)
        return -1;
    m->fd = fd_steal(&fd);
    return 0;
}

static void tell(struct made *m, const char *error)
{
    struct waiter *w = m->waiters;
    m->waiters = NULL;
    for (struct waiter *next; w; w = next) {
        next = w->next;
        w->fn(w->data, m->fd, error);
        free(w);
    }
}

/* Those that are being made are not many, and somebody waits for them. */
static void forget_oldest(void)
{
    unsigned n = 0;
    struct made *oldest = NULL;
    for (struct made *m = list; m; m = m->next, n++)
        if (m->link < 0)
            oldest = m;
    if (n > KEPT_MOST && oldest)
        made_free(oldest);
}

static void on_end(void *data, pid_t pid, int status)
{
    (void)pid;
    struct made *m = data;
    struct err e = { 0 };
    char line[400];
    bool failed = take(m, status, &e) < 0;
    close(m->link);
    m->link = -1;
    if (failed)
        log_error("seccomp", "error=\"%s\"", err_text(&e, line, sizeof line));
    tell(m, failed ? err_text(&e, line, sizeof line) : NULL);
    if (failed || !m->keep)
        made_free(m);
    else
        forget_oldest();
}

/* ---- the question ---- */

static int ask(struct super *s, struct made *m, enum sandbox_profile profile, enum policy_want want, const struct words *w, struct err *e)
{
    int pair[2];
    if (io_pair(pair) < 0)
        return err_set(e, errno, "socketpair", "%s", "");
    m->link = pair[0];
    CLOSE_FD int theirs = pair[1];
    struct msg out MSG_FREE;
    msg_begin(&out, POLICY_MAKE, 0);
    msg_put_u32(&out, profile);
    msg_put_u32(&out, want);
    msg_put_u32(&out, (uint32_t)s->conf.log.level);
    msg_put_u32(&out, w->n);
    for (uint32_t i = 0; i < w->n; i++)
        msg_put_str(&out, w->each[i]);
    if (io_nonblock(m->link) < 0 || msg_send(m->link, &out) < 0)
        return err_set(e, errno, "seccomp", "send");
    /* Behind the last session's: a uid that nobody has. */
    uid_t uid = s->conf.ids.sessions + s->conf.limits.connections;
    return child_start(s, ROLE_POLICY, uid, theirs, on_end, m, e) < 0 ? -1 : 0;
}

static void wait_for(struct made *m, policy_fn *fn, void *data)
{
    struct waiter *w = mem_new(sizeof *w);
    *w = (struct waiter){ .next = m->waiters, .fn = fn, .data = data };
    m->waiters = w;
}

static void make(struct super *s, const char *key, enum sandbox_profile profile, enum policy_want want, const struct words *w,
                 policy_fn *fn, void *data)
{
    struct made *m = mem_new(sizeof *m);
    struct err e = { 0 };
    char line[400];
    *m = (struct made){ .next = list, .key = mem_str(key), .link = -1, .fd = -1, .keep = want == POLICY_FILTER };
    list = m;
    if (ask(s, m, profile, want, w, &e) == 0) {
        wait_for(m, fn, data);
        return;
    }
    made_free(m);
    fn(data, -1, err_text(&e, line, sizeof line));
}

static char *key_of(enum sandbox_profile profile, const struct words *w)
{
    char *key = mem_fmt("%d", (int)profile);
    for (uint32_t i = 0; i < w->n; i++) {
        char *longer = mem_fmt("%s %s", key, w->each[i]);
        free(key);
        key = longer;
    }
    return key;
}

void policy_need(struct super *s, const struct conf_server *c, enum sandbox_profile profile, policy_fn *fn, void *data)
{
    struct words w;
    split(&w, c, profile != PROFILE_SERVER);
    FREE_MEM char *text = w.text;
    if (w.n == 0) {
        fn(data, -1, NULL);
        return;
    }
    FREE_MEM char *key = key_of(profile, &w);
    struct made *m = list;
    while (m && (!m->keep || strcmp(m->key, key) != 0))
        m = m->next;
    if (m && m->link >= 0)
        wait_for(m, fn, data);
    else if (m)
        fn(data, m->fd, NULL);
    else
        make(s, key, profile, POLICY_FILTER, &w, fn, data);
}

void policy_show(struct super *s, const struct conf_server *c, bool json, policy_fn *fn, void *data)
{
    struct words w;
    split(&w, c, false);
    FREE_MEM char *text = w.text;
    make(s, "shown", PROFILE_SERVER, json ? POLICY_JSON : POLICY_TABLE, &w, fn, data);
}
