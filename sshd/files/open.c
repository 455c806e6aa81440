#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/die.h"
#include "base/mem.h"
#include "base/rights.h"
#include "sshd/files/beneath.h"
#include "sshd/files/failure.h"
#include "sshd/files/handle.h"
#include "sshd/files/requests.h"
#include "sshd/files/space.h"

/* What one OPEN wants, and what was found on the way. */
struct opening {
    const char *path;
    uint32_t want;      /* FXF_* */
    bool new_only;      /* what is there already is not to be changed: makes the file or fails */
    mode_t mode;
    bool there;         /* a file stands there already */
    struct stat st;     /* then: what it is */
    uint64_t lease;
};

/* Some clients say "make it" and mean "to write to it"; saying nothing at all is reading. */
static uint32_t open_flags(uint32_t want)
{
    if (want & (FXF_READ | FXF_WRITE | FXF_APPEND))
        return want;
    return want | (want & (FXF_CREAT | FXF_TRUNC) ? FXF_WRITE : FXF_READ);
}

static uint32_t rights_of(uint32_t want)
{
    uint32_t rights = want & FXF_READ ? RIGHT_FILES_READ : 0;
    if (want & (FXF_WRITE | FXF_APPEND | FXF_CREAT | FXF_TRUNC))
        rights |= want & FXF_CREAT ? RIGHT_FILES_CREATE : RIGHT_FILES_WRITE;
    return rights;
}

/* What is wanted of a session that may only make files: the one that is named must not be there, and the kernel sees to that when it is made. */
static void hold_to_new(struct worker *w, struct opening *o)
{
    o->new_only = o->want & FXF_CREAT && (w->rights & RIGHT_FILES_WRITE) == 0;
    if (o->new_only)
        o->want |= FXF_EXCL;
}

static int fail_there(struct worker *w, const struct opening *o)
{
    if (o->new_only)
        return fail(w, FX_PERMISSION_DENIED, "it exists already, and you may make new files here, not change what is there");
    return fail_errno(w, EEXIST);
}

static int allowed(struct worker *w, uint32_t want)
{
    if (want & ~(uint32_t)FXF_ALL)
        return fail(w, FX_FAILURE, "unknown flags (read, write, append, creat, trunc, excl)");
    uint32_t missing = rights_of(want) & ~w->rights;
    char words[128];
    /* Either of the two would do; this is the one that people have. */
    if (missing & RIGHT_FILES_CREATE)
        missing |= RIGHT_FILES_WRITE;
    if (missing)
        return fail(w, FX_PERMISSION_DENIED, "your account does not have %s on this server",
                    rights_text(missing, words, sizeof words));
    return 0;
}

/* Before anything is opened for real: a FIFO would wait for its other end, a device would act. */
static int look_first(struct worker *w, struct opening *o)
{
    CLOSE_FD int fd = beneath_look(w, o->path, !(o->want & FXF_CREAT && o->want & FXF_EXCL), &o->st);
    if (fd < 0)
        return errno == ENOENT && o->want & FXF_CREAT ? 0 : fail_errno(w, errno);
    o->there = true;
    if (o->want & FXF_CREAT && o->want & FXF_EXCL)
        return fail_there(w, o);
    if (S_ISDIR(o->st.st_mode))
        return fail_errno(w, EISDIR);
    return S_ISREG(o->st.st_mode) ? 0 : fail(w, FX_FAILURE, "not a regular file");
}

static bool writes(uint32_t want)
{
    return want & (FXF_WRITE | FXF_APPEND | FXF_TRUNC);
}

/* Also before: nothing is made or truncated that could not be written afterwards. */
static int lease_first(struct worker *w, struct opening *o)
{
    if (!writes(o->want))
        return 0;
    if (o->lease == 0)
        o->lease = space_take(w, 1);
    if (o->lease == 0 && (!o->there || o->want & FXF_TRUNC))
        return fail_space(w);
    return 0;
}

static int flags_of(uint32_t want)
{
    int flags = writes(want) ? want & FXF_READ ? O_RDWR : O_WRONLY : O_RDONLY;
    flags |= want & FXF_APPEND ? O_APPEND : 0;
    return flags | O_NONBLOCK | O_NOCTTY;
}

/* A folder that is uploaded is new from end to end: behind a file that was made, the next is made without a look whether it is there.  That follows
   no link and opens nothing that is there already; all that speaks against it is left to the longer way, which says what it is. */
static int make_unseen(struct worker *w, struct opening *o)
{
    if (!w->made_last || w->deny || (o->want & FXF_CREAT) == 0 || !writes(o->want))
        return -1;
    o->lease = space_take(w, 1);
    return o->lease > 0 ? beneath_make(w, o->path, flags_of(o->want), o->mode, true) : -1;
}

static int open_seen(struct worker *w, const struct opening *o)
{
    int flags = flags_of(o->want);
    return o->want & FXF_CREAT ? beneath_make(w, o->path, flags, o->mode, o->want & FXF_EXCL) : beneath_open(w, o->path, flags);
}

static int open_now(struct worker *w, struct opening *o)
{
    CLOSE_FD int fd = make_unseen(w, o);
    if (fd < 0 && (look_first(w, o) < 0 || lease_first(w, o) < 0))
        return -1;
    if (fd < 0)
        fd = open_seen(w, o);
    if (fd < 0 || fstat(fd, &o->st) < 0)
        return errno == EEXIST ? fail_there(w, o) : fail_errno(w, errno);
    if (!S_ISREG(o->st.st_mode))
        return fail(w, FX_FAILURE, "not a regular file");
    if (o->want & FXF_TRUNC && o->st.st_size > 0 && (ftruncate(fd, 0) < 0 || fstat(fd, &o->st) < 0))
        return fail_errno(w, errno);
    return fd_steal(&fd);
}

static int opened(struct worker *w, struct opening *o, struct msg *answer)
{
    CLOSE_FD int fd = open_now(w, o);
    if (fd < 0)
        return -1;
    uint32_t number = handle_new(w, fd, NULL);
    handle_get(w->handles, number)->leased = o->lease;
    handle_get(w->handles, number)->made = !o->there;
    msg_put_u32(answer, number);
    msg_put_u64(answer, flags_of(o->want) & (O_WRONLY | O_RDWR) ? space_high(fd, &o->st) : 0);
    msg_put_u64(answer, o->lease);
    msg_put_u32(answer, !o->there);
    msg_put_fd(answer, fd_steal(&fd));
    return 0;
}

int files_open(struct worker *w, struct msg *m, struct msg *answer)
{
    struct attrs a;
    FREE_MEM char *path = msg_get_str(m);
    struct opening o = { .path = path, .want = open_flags(msg_get_u32(m)) };
    request_attrs(m, &a);
    msg_end(m);
    o.mode = a.flags & ATTRS_MODE ? a.mode & MODE_MASK : 0666;
    if (allowed(w, o.want) < 0)
        return -1;
    hold_to_new(w, &o);
    if (handle_room(w) < 0)
        return -1;
    int r = opened(w, &o, answer);
    w->made_last = r == 0 && !o.there;
    if (r < 0) {
        space_give(w, o.lease);
        handle_room_back(w);
    }
    return r;
}

int files_close(struct worker *w, struct msg *m, struct msg *answer UNUSED)
{
    uint32_t number = msg_get_u32(m);
    uint64_t left = msg_get_u64(m), leased = handle_get(w->handles, number)->leased;
    msg_end(m);
    /* All of it, whatever is said to be left: the rest was written and shows on the disk by now. */
    space_wrote(w, left < leased ? leased - left : 0);
    space_give(w, left < leased ? left : leased);
    handle_close(w, number);
    return 0;
}

int files_lease(struct worker *w, struct msg *m, struct msg *answer)
{
    struct handle *h = handle_get(w->handles, msg_get_u32(m));
    uint64_t left = msg_get_u64(m), more = msg_get_u64(m);
    msg_end(m);
    if (left > h->leased)
        die("peer broke a rule: more is left of a lease than it had");
    /* What was written of it goes back first: those bytes show on the disk, and would else count twice near the limit. */
    space_wrote(w, h->leased - left);
    h->leased = left;
    uint64_t granted = more ? space_take(w, more) : 0;
    if (granted == 0)
        return fail_space(w);
    h->leased += granted;
    msg_put_u64(answer, granted);
    return 0;
}

int files_give(struct worker *w, struct msg *m, struct msg *answer UNUSED)
{
    struct handle *h = handle_get(w->handles, msg_get_u32(m));
    uint64_t left = msg_get_u64(m);
    if (left > h->leased)
        die("peer broke a rule: more is left of a lease than it had");
    msg_end(m);
    space_wrote(w, h->leased - left);
    space_give(w, left);
    h->leased = 0;
    return 0;
}

int files_fsync(struct worker *w, struct msg *m, struct msg *answer UNUSED)
{
    struct handle *h = handle_get(w->handles, msg_get_u32(m));
    msg_end(m);
    return fsync(h->fd) < 0 ? fail_errno(w, errno) : 0;
}
