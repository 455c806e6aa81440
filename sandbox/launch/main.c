/* holdfast-launch: one job for the supervisor, read from the link, answered, done.  With -n, what it would do. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/die.h"
#include "base/log.h"
#include "sandbox/launch/disk.h"
#include "sandbox/launch/jobs.h"
#include "sandbox/proto.h"

static const struct { uint16_t type; const char *name; job_fn *fn; } jobs[] = {
    { LAUNCH_DISK_UP, "disk up", job_disk_up },
    { LAUNCH_DISK_DOWN, "disk down", job_disk_down },
    { LAUNCH_DISK_RESIZE, "disk resize", job_disk_resize },
    { LAUNCH_DISK_MIGRATE, "disk migrate", job_disk_migrate },
    { LAUNCH_DISK_FIT, "disk fit", job_disk_fit },
    { LAUNCH_RUN, "run", job_run },
    { LAUNCH_ERRAND, "errand", job_run },
    { LAUNCH_SHELL, "shell", job_run },
    { LAUNCH_TERMINAL, "terminal", job_terminal },
};

static void answer(int ok, const struct err *e)
{
    struct msg m MSG_FREE;
    msg_begin(&m, LAUNCH_DONE, 0);
    msg_put_u32(&m, (uint32_t)ok);
    msg_put_u32(&m, (uint32_t)e->no);
    msg_put_str(&m, e->step);
    msg_put_str(&m, e->text);
    if (msg_send(LINK_FD, &m) < 0)
        die_errno("answer");
}

static int print_plan(struct msg *m)
{
    struct err e = { 0 };
    if (m->type != LAUNCH_RUN && m->type != LAUNCH_ERRAND)
        die("-n: message %#x starts nothing", m->type);
    if (job_print(m, &e) < 0)
        die_err(&e);
    return EXIT_SUCCESS;
}

static int do_job(struct msg *m)
{
    struct err e = { 0 };
    for (size_t i = 0; i < countof(jobs); i++) {
        if (jobs[i].type != m->type)
            continue;
        int r = jobs[i].fn(m, &e);
        if (r < 0) {
            char text[400];
            log_error("failed", "job=%s error=\"%s\"", jobs[i].name, err_text(&e, text, sizeof text));
        }
        if (r != JOB_ANSWERED)
            answer(r == 0, &e);
        return r >= 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    die("no job has the number %#x", m->type);
}

int main(int argc, char **argv)
{
    bool print = argc == 2 && strcmp(argv[1], "-n") == 0;
    log_init("holdfast-launch", LOG_INFO);
    if (argc > 1 && !print)
        die("usage: holdfast-launch [-n]: its job comes by descriptor %d; -n prints the steps of a RUN or ERRAND, not doing them", LINK_FD);
    struct msg m MSG_FREE;
    msg_begin(&m, 0, 0);
    int n = msg_recv(LINK_FD, &m);
    if (n < 0)
        die_errno("link");
    if (n == 0)
        return EXIT_SUCCESS;
    return print ? print_plan(&m) : do_job(&m);
}
