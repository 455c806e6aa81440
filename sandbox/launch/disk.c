#include "sandbox/launch/disk.h"

#include "base/mem.h"
#include "base/name.h"
#include "quota/image.h"

enum { STATE_MOST = 1024 };

int job_disk_up(struct msg *m, struct err *e)
{
    FREE_MEM char *name = msg_get_text(m, NAME_MOST);
    FREE_MEM char *state = msg_get_text(m, STATE_MOST);
    struct image i = { .name = name, .state = state };
    i.bytes = msg_get_u64(m);
    i.inodes = msg_get_u64(m);
    i.owner = msg_get_u32(m);
    msg_end(m);
    return image_up(&i, e);
}

int job_disk_down(struct msg *m, struct err *e)
{
    FREE_MEM char *name = msg_get_text(m, NAME_MOST);
    FREE_MEM char *state = msg_get_text(m, STATE_MOST);
    msg_end(m);
    return image_down(&(struct image){ .name = name, .state = state }, e);
}
