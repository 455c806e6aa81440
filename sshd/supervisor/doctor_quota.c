/* Which backend a new disk is made with, and why no stronger one. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/msg.h"
#include "sandbox/proto.h"
#include "sshd/supervisor/doctor_visit.h"
#include "sshd/supervisor/launch.h"

enum { PATIENCE_MS = 20000, OWNER = 1000 };

/* Also without a daemon, before there is one: launch is started here, and waited for. */
static pid_t start(const struct conf *c, int link)
{
    FREE_MEM char *path = mem_fmt("%s/holdfast-launch", c->paths.libexec);
    static char program[] = "holdfast-launch", lang[] = "LC_ALL=C.UTF-8", bin[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    char *argv[] = { program, NULL }, *envp[] = { lang, bin, NULL };
    pid_t pid = fork();
    if (pid)
        return pid;
    int high = fcntl(link, F_DUPFD, 10);
    if (high < 0 || dup2(high, LINK_FD) < 0 || close_range(LINK_FD + 1, ~0U, 0) < 0)
        _exit(1);
    execve(path, argv, envp);
    _exit(127);
}

static int send_job(const struct conf *c, const char *word, int link)
{
    struct msg m MSG_FREE;
    msg_begin(&m, LAUNCH_DISK_FIT, 0);
    msg_put_str(&m, "doctor");
    msg_put_str(&m, c->paths.state);
    msg_put_str(&m, c->paths.run);
    msg_put_str(&m, c->paths.libexec);
    msg_put_str(&m, word);
    msg_put_u64(&m, 1 << 30);
    msg_put_u64(&m, 100000);
    msg_put_u32(&m, c->ids.servers + OWNER);
    msg_put_u32(&m, 1);
    return msg_send(link, &m);
}

static bool take(int link, struct buf *text)
{
    struct msg m MSG_FREE = { 0 };
    struct err e;
    char line[400];
    struct pollfd p = { .fd = link, .events = POLLIN };
    if (poll(&p, 1, PATIENCE_MS) <= 0 || msg_recv_client(link, &m) != 1) {
        buf_put_fmt(text, "holdfast-launch gives no answer");
        return false;
    }
    bool ok = launch_answer(&m, &e), fits = ok && msg_get_u32(&m);
    FREE_MEM char *tried = ok ? msg_get_str(&m) : NULL;
    buf_put_fmt(text, "%s", ok ? tried : err_text(&e, line, sizeof line));
    return msg_end(&m) && fits;
}

static bool ask(const struct conf *c, const char *word, struct buf *text)
{
    int pair[2];
    if (io_pair(pair) < 0)
        return false;
    CLOSE_FD int ours = pair[0];
    pid_t pid = start(c, pair[1]);
    close(pair[1]);
    bool fits = pid > 0 && send_job(c, word, ours) == 0 && take(ours, text);
    if (pid > 0) {
        kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    return fits;
}

/* What servers of their own configuration have, but for the node's. */
static bool used(const struct conf *c, const char *word)
{
    for (size_t i = 0; i < c->nservers; i++)
        if (strcmp(conf_backend(c, &c->servers[i]), word) == 0)
            return true;
    return false;
}

static void put_none(const struct conf *c, struct buf *text)
{
    const char *first = "";
    unsigned more = 0;
    for (size_t i = 0; i < c->nservers; i++)
        if (strcmp(conf_backend(c, &c->servers[i]), "none") == 0 && first[0])
            more++;
        else if (strcmp(conf_backend(c, &c->servers[i]), "none") == 0)
            first = c->servers[i].name;
    buf_put_fmt(text, "%snone, unsafe: nothing holds server %s", buf_size(text) ? "; " : "", first);
    if (more)
        buf_put_fmt(text, " (and %u more)", more);
    buf_put_fmt(text, " to the disk limit");
}

static const char *const words[] = { "project", "btrfs", "zfs", "image", "fuse" };

enum verdict check_quota(struct visit *v)
{
    BUF_FREE struct buf text = BUF(8192);
    const struct conf *c = v->conf;
    bool none = used(c, "none"), good = true;
    const struct conf_server nobody = { .quota = CONF_NOTHING };
    const char *node = conf_backend(c, &nobody);
    if (strcmp(node, "none") != 0 && (c->nservers == 0 || used(c, node)))
        good = ask(c, node, &text);
    for (size_t i = 0; i < countof(words); i++)
        if (strcmp(words[i], node) != 0 && used(c, words[i])) {
            buf_put_fmt(&text, "%s", buf_size(&text) ? "; " : "");
            good &= ask(c, words[i], &text);
        }
    if (none)
        put_none(c, &text);
    snprintf(v->text, sizeof v->text, "%s%.*s", strcmp(node, "auto") == 0 ? "auto: " : "", (int)buf_size(&text), (const char *)buf_head(&text));
    return !good ? FAIL : none ? WARN : OK;
}
