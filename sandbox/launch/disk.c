#include "sandbox/launch/disk.h"

#include "base/die.h"
#include "base/mem.h"
#include "base/name.h"
#include "quota/backend.h"
#include "sandbox/launch/jobs.h"
#include "sandbox/proto.h"

enum { STATE_MOST = 1024 };

int job_disk_up(struct msg *m, struct err *e)
{
    FREE_MEM char *name = msg_get_text(m, NAME_MOST);
    FREE_MEM char *state = msg_get_text(m, STATE_MOST);
    struct disk d = { .name = name, .state = state };
    d.bytes = msg_get_u64(m);
    d.inodes = msg_get_u64(m);
    d.owner = msg_get_u32(m);
    msg_end(m);
    if (disk_up(&d, e) < 0)
        return -1;
    struct msg answer MSG_FREE;
    msg_begin(&answer, LAUNCH_DONE, 0);
    msg_put_u32(&answer, 1);
    msg_put_u32(&answer, 0);
    msg_put_str(&answer, "");
    msg_put_str(&answer, "");
    msg_put_u64(&answer, d.bytes);
    msg_put_u64(&answer, d.inodes);
    if (msg_send(LINK_FD, &answer) < 0)
        die_errno("answer");
    return JOB_ANSWERED;
}

int job_disk_down(struct msg *m, struct err *e)
{
    FREE_MEM char *name = msg_get_text(m, NAME_MOST);
    FREE_MEM char *state = msg_get_text(m, STATE_MOST);
    msg_end(m);
    return disk_down(&(struct disk){ .name = name, .state = state }, e);
}
