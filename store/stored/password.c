#include "store/stored/password.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <sodium.h>

#include "base/attr.h"
#include "base/die.h"
#include "base/io.h"
#include "base/link.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/stored/pwhash.h"

struct job {
    struct job *next;
    enum pwhash_type type;
    char *hash;        /* owned; NULL: the dummy's */
    uint8_t *password; /* owned, wiped */
    size_t size;
    password_fn *fn;
    uint64_t cookie;
    uint32_t id;
    bool sent, dummy;
};

struct passwords {
    struct link *link;
    void *data;
    struct job *first, **last;
    unsigned count;
    uint32_t turn;
    char *dummy;       /* the hash of a password nobody knows, for accounts that have none */
};

static void job_free(struct job *j)
{
    mem_wipe(j->password, j->size);
    free(j->password);
    free(j->hash);
    free(j);
}

static void finish(struct passwords *p, enum password_result result, const char *hash)
{
    struct job *j = p->first;
    p->first = j->next;
    if (p->first == NULL)
        p->last = &p->first;
    p->count--;
    j->fn(p->data, j->cookie, result, hash);
    job_free(j);
}

static int send_job(struct passwords *p, struct job *j)
{
    struct msg m;
    msg_begin(&m, (uint16_t)j->type, j->id);
    if (j->type == PWHASH_VERIFY)
        msg_put_str(&m, j->hash ? j->hash : p->dummy);
    msg_put_bytes(&m, j->password, j->size);
    /* Not by link_send: it might keep a copy.  The socket is empty, as there is one request at a time. */
    int r = msg_send(link_fd(p->link), &m);
    msg_wipe(&m);
    return r;
}

static void next(struct passwords *p)
{
    while (p->first && !p->first->sent) {
        p->first->sent = true;
        if (send_job(p, p->first) == 0)
            return;
        finish(p, PASSWORD_LOST, NULL);
    }
}

static void keep_dummy(struct passwords *p, const char *hash)
{
    free(p->dummy);
    p->dummy = mem_str(hash);
}

/* An answer to a job that is no longer the first is stale: its worker was given up for lost while the next one already had it. */
static void on_verified(struct passwords *p, struct job *j, struct msg *m)
{
    bool right = msg_get_u32(m) == 1;
    msg_end(m);
    /* A right answer to the dummy would be a guess of 32 random bytes; it is still no login. */
    if (j && m->id == j->id && j->type == PWHASH_VERIFY)
        finish(p, right && !j->dummy ? PASSWORD_RIGHT : PASSWORD_WRONG, NULL);
}

static void on_made(struct passwords *p, struct job *j, struct msg *m)
{
    FREE_MEM char *hash = msg_get_text(m, crypto_pwhash_STRBYTES);
    msg_end(m);
    if (j && m->id == j->id && j->type == PWHASH_MAKE)
        finish(p, hash[0] ? PASSWORD_RIGHT : PASSWORD_LOST, hash);
}

static void on_lost(struct passwords *p, struct job *j, struct msg *m)
{
    msg_end(m);
    if (j)
        finish(p, PASSWORD_LOST, NULL);
}

static void on_answer(void *data, struct link *l UNUSED, struct msg *m)
{
    struct passwords *p = data;
    struct job *j = p->first && p->first->sent ? p->first : NULL;
    if (m->type == PWHASH_VERIFIED)
        on_verified(p, j, m);
    else if (m->type == PWHASH_MADE)
        on_made(p, j, m);
    else if (m->type == PWHASH_LOST)
        on_lost(p, j, m);
    else
        die("pwhash: message %u is not one of ours", m->type);
    next(p);
}

static void on_gone(void *data UNUSED, struct link *l UNUSED)
{
    die("the password helper has gone");
}

static const struct link_events events = { .msg = on_answer, .gone = on_gone };

static NORETURN void become_helper(int fd)
{
    static char name[] = "holdfast-store", task[] = "pwhash";
    char *const args[] = { name, task, NULL };
    char *const none[] = { NULL };
    if (dup2(fd, LINK_FD) < 0 || io_close_from(LINK_FD + 1) < 0)
        die_errno("pwhash: descriptors");
    /* The end of the link would do, but only after the password at hand: the next daemon starts beside it. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        die_errno("pwhash: death signal");
    /* Whoever sends wrong ones in thousands takes the time of others with wrong ones, not of those with keys. */
    errno = 0;
    if (nice(PASSWORD_NICE) == -1 && errno)
        die_errno("pwhash: nice");
    execve("/proc/self/exe", args, none);
    die_errno("pwhash: exec /proc/self/exe");
}

static int add(struct passwords *p, struct job *j)
{
    j->id = ++p->turn;
    *p->last = j;
    p->last = &j->next;
    p->count++;
    next(p);
    return 0;
}

static struct job *job_new(enum pwhash_type type, const void *password, size_t size, password_fn *fn, uint64_t cookie)
{
    struct job *j = mem_new(sizeof *j);
    *j = (struct job){ .type = type, .size = size, .fn = fn, .cookie = cookie };
    j->password = mem_new(size);
    if (size)
        memcpy(j->password, password, size);
    return j;
}

static void on_dummy(void *data UNUSED, uint64_t cookie, enum password_result result, const char *hash)
{
    if (result != PASSWORD_RIGHT)
        die("the password helper could not compute one hash: 64 MiB of memory are needed");
    keep_dummy((struct passwords *)(uintptr_t)cookie, hash);
}

struct passwords *passwords_new(struct loop *loop, void *data)
{
    int pair[2];
    if (io_pair(pair) < 0)
        die_errno("pwhash: socketpair");
    pid_t pid = fork();
    if (pid < 0)
        die_errno("pwhash: fork");
    if (pid == 0)
        become_helper(pair[1]);
    close(pair[1]);
    struct passwords *p = mem_new(sizeof *p);
    *p = (struct passwords){ .data = data, .last = &p->first };
    p->link = link_new(loop, pair[0], &events, p);
    struct msg m;
    msg_begin(&m, PWHASH_LEVEL, 0);
    msg_put_u32(&m, LOG_INFO);
    link_send(p->link, &m);
    /* First in the queue: there is a dummy before anybody can ask for one. */
    uint8_t nobody[32];
    randombytes_buf(nobody, sizeof nobody);
    password_make(p, nobody, sizeof nobody, on_dummy, (uintptr_t)p);
    mem_wipe(nobody, sizeof nobody);
    return p;
}

int password_verify(struct passwords *p, const char *hash, const void *password, size_t size, password_fn *fn, uint64_t cookie)
{
    if (p->count >= PASSWORD_QUEUE)
        return -1;
    struct job *j = job_new(PWHASH_VERIFY, password, size, fn, cookie);
    j->hash = mem_str(hash);
    j->dummy = hash == NULL;
    return add(p, j);
}

void password_forget(struct passwords *p, uint64_t cookie)
{
    for (struct job **at = &p->first; *at;) {
        struct job *j = *at;
        if (j->sent || j->type != PWHASH_VERIFY || j->cookie != cookie) {
            at = &j->next;
            continue;
        }
        *at = j->next;
        if (p->last == &j->next)
            p->last = at;
        p->count--;
        job_free(j);
    }
}

int password_make(struct passwords *p, const void *password, size_t size, password_fn *fn, uint64_t cookie)
{
    return p->count >= PASSWORD_QUEUE ? -1 : add(p, job_new(PWHASH_MAKE, password, size, fn, cookie));
}
