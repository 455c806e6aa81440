#include "sshd/supervisor/spare.h"

#include <errno.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/msg.h"
#include "sshd/supervisor/cgroup.h"
#include "sshd/supervisor/child.h"

enum { CALM_MS = 300 };   /* many servers started at once have better use for the processors */

static struct { pid_t pid; int link; struct timer *soon; } spare = { .link = -1 };

static void let_go(void)
{
    if (spare.link >= 0)
        close(spare.link);
    spare.link = -1;
    spare.pid = 0;
}

/* While it waits: the next start does without, and wants a new one. */
static void on_end(void *data, pid_t pid, int status)
{
    (void)data, (void)status;
    if (pid == spare.pid)
        let_go();
}

/* With M as its first message, or none yet.  The pid, with our end in *LINK; or -1 with E. */
static pid_t start(struct super *s, const struct msg *m, int *link, struct err *e)
{
    int pair[2];
    if (io_pair(pair) < 0)
        return (pid_t)err_set(e, errno, "socketpair", "%s", "");
    CLOSE_FD int ours = pair[0], theirs = pair[1];
    if (m && msg_send(ours, m) < 0)
        return (pid_t)err_set(e, errno, "plan", "send");
    pid_t pid = child_start(s, ROLE_LAUNCH, 0, theirs, on_end, NULL, e);
    if (pid < 0)
        return -1;
    cgroup_take_shim(s, pid);
    *link = fd_steal(&ours);
    return pid;
}

static void make(void *data)
{
    struct err e;
    char text[400];
    const struct super *s = data;
    spare.soon = NULL;
    if (spare.pid || s->leaving)
        return;
    pid_t pid = start(data, NULL, &spare.link, &e);
    if (pid < 0)
        log_warn("launch.spare", "error=\"%s\"", err_text(&e, text, sizeof text));
    else
        spare.pid = pid;
}

void spare_keep(struct super *s)
{
    timer_free(spare.soon);
    spare.soon = loop_timer(s->loop, CALM_MS, make, s);
}

void spare_end(void)
{
    let_go();
}

int spare_launch(struct super *s, const struct msg *m, struct err *e)
{
    int link = -1;
    if (spare.pid && msg_send(spare.link, m) == 0) {
        link = fd_steal(&spare.link);
        spare.pid = 0;
    } else {
        let_go();
        start(s, m, &link, e);
    }
    spare_keep(s);
    return link;
}
