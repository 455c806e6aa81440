/* Landlock, on top of the mounts, the packet filter and seccomp: what they keep already, and a few things they cannot.  A kernel without it does
   not run servers.  The server may still lock itself further. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"
#include "sandbox/launch/access.h"
#include "sandbox/launch/child.h"

static int begin(struct child *c, const struct step *s, struct err *e)
{
    struct landlock all;
    if (landlock_known(&all) < 0)
        return err_set(e, errno, s->verb->name, "is missing from this kernel");
    c->taken = (struct landlock){ all.fs, all.net & s->flags, all.scoped };
    c->landlock = landlock_new(&c->taken);
    return c->landlock < 0 ? -1 : 0;
}

static int allow(struct child *c, const struct step *s, struct err *e UNUSED)
{
    CLOSE_FD int fd = open(s->at, O_PATH | O_CLOEXEC);
    return fd < 0 ? -1 : landlock_beneath(c->landlock, fd, s->flags & c->taken.fs);
}

/* Init's program lies outside: no path leads to it, but its descriptor. */
static int allow_init(struct child *c, const struct step *s, struct err *e UNUSED)
{
    return landlock_beneath(c->landlock, c->init, s->flags & c->taken.fs);
}

static int enforce(struct child *c, const struct step *s UNUSED, struct err *e UNUSED)
{
    CLOSE_FD int set = fd_steal(&c->landlock);
    return landlock_enforce(set);
}

static const struct bit net_bits[] = { { LANDLOCK_BIND_TCP, "bind-tcp" }, { LANDLOCK_CONNECT_TCP, "connect-tcp" }, { 0 } };
static const struct bit fs_bits[] = {
    { LANDLOCK_READ_FILE, "read" }, { LANDLOCK_EXECUTE, "execute" }, { LANDLOCK_WRITE_FILE, "write" },
    { LANDLOCK_WRITE & ~(uint64_t)LANDLOCK_WRITE_FILE, "make" }, { LANDLOCK_IOCTL_DEV, "ioctl" }, { 0 },
};

static const struct verb v_begin = { "landlock", .child = begin, .bits = net_bits }, v_allow = { "allow", .child = allow, .bits = fs_bits },
    v_init = { "allow", .child = allow_init, .bits = fs_bits }, v_enforce = { "landlock", .child = enforce };

static const struct { const char *at; uint64_t rights; } rows[] = {
    { "/", LANDLOCK_READ | LANDLOCK_EXECUTE },
    { "/tmp", LANDLOCK_WRITE },
    { "/dev/shm", LANDLOCK_WRITE },
    /* A queue is opened by a mount of the kernel's own, which "/" is not above: it needs the right to read, too. */
    { "/dev/mqueue", LANDLOCK_READ | LANDLOCK_WRITE },
    { "/run", LANDLOCK_WRITE },
    /* ioctl of devices nowhere else: a terminal is driven by it, the others only tell of the machine. */
    { "/dev/pts", LANDLOCK_WRITE_FILE | LANDLOCK_IOCTL_DEV },
    { "/dev/tty", LANDLOCK_WRITE_FILE | LANDLOCK_IOCTL_DEV },
    { "/dev/null", LANDLOCK_WRITE_FILE },
    { "/dev/zero", LANDLOCK_WRITE_FILE },
    { "/dev/full", LANDLOCK_WRITE_FILE },
    { "/dev/random", LANDLOCK_WRITE_FILE },
    { "/dev/urandom", LANDLOCK_WRITE_FILE },
};

void landlock_steps(struct steps *l, const struct plan *p)
{
    /* With a private network TCP stays: landlock knows ports, not addresses, and whom the server may speak to is a question of addresses;
       the packet filter answers it, for UDP as well. */
    uint64_t net = p->network == NETWORK_NONE ? LANDLOCK_BIND_TCP | LANDLOCK_CONNECT_TCP : 0;
    step_add(l, (struct step){ .verb = &v_begin, .at = "rules", .flags = net });
    for (size_t i = 0; i < countof(rows); i++)
        step_add(l, (struct step){ .verb = &v_allow, .at = rows[i].at, .flags = rows[i].rights });
    if (!p->read_only)
        step_add(l, (struct step){ .verb = &v_allow, .at = step_text(l, mem_fmt("/%s", p->home)), .flags = LANDLOCK_WRITE });
    step_add(l, (struct step){ .verb = &v_init, .at = p->init, .flags = LANDLOCK_READ_FILE | LANDLOCK_EXECUTE });
    step_add(l, (struct step){ .verb = &v_enforce, .at = "for good" });
}
