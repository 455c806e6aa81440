#include "sshd/supervisor/turn.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"

enum { TICK_MS = 100 };

static struct timer *timer;

static unsigned under_way(const struct super *s)
{
    unsigned n = 0;
    int64_t now = (int64_t)now_ms();
    for (const struct server *v = s->servers; v; v = v->next)
        n += v->state == STATE_STARTING && !v->life.queued && now - v->life.began < TURN_MS;
    return n;
}

static unsigned at_once(void)
{
    double load = 0;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return getloadavg(&load, 1) == 1 && cpus > 0 && load > (double)(TURN_LOAD * cpus) ? 1 : TURN_AT_ONCE;
}

static struct server *next(struct super *s)
{
    for (struct server *v = s->servers; v; v = v->next)
        if (v->life.queued)
            return v;
    return NULL;
}

static void tick(void *data)
{
    struct super *s = data;
    struct server *v;
    timer = NULL;
    unsigned most = at_once(), n = under_way(s);
    while ((v = next(s)) != NULL && n < most) {
        life_start(v);
        /* Whatever became of it: it has had its turn. */
        v->life.queued = false;
        n++;
    }
    if (v)
        timer = loop_timer(s->loop, TICK_MS, tick, s);
}

void turn_take(struct server *v)
{
    v->life.queued = true;
    server_set(v, STATE_STARTING);
    if (timer == NULL)
        timer = loop_timer(v->super->loop, 0, tick, v->super);
}
