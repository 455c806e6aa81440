#include "sandbox/launch/mounts.h"
#include "sandbox/launch/image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "sandbox/launch/root.h"

static int fail(struct err *e, const char *step, const char *what)
{
    return err_set(e, errno, step, "%s", what);
}

/* ---- by launch ---- */

static int write_map(pid_t pid, const char *file, uint32_t owner, uint32_t base, struct err *e)
{
    char path[64], map[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    int n = snprintf(map, sizeof map, "%u %u 1\n", owner, base);
    CLOSE_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 || write(fd, map, (size_t)n) != n ? fail(e, "map the image", file) : 0;
}

static int open_map(pid_t pid, const struct stat *st, uint32_t base, struct err *e)
{
    char path[64];
    if (write_map(pid, "uid_map", st->st_uid, base, e) < 0 || write_map(pid, "gid_map", st->st_gid, base, e) < 0)
        return -1;
    snprintf(path, sizeof path, "/proc/%d/ns/user", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? fail(e, "map the image", path) : fd;
}

static int end_map(int process, struct err *e)
{
    siginfo_t gone = { 0 };
    int r;
    while ((r = waitid(P_PIDFD, (id_t)process, &gone, WEXITED)) < 0 && errno == EINTR)
        ;
    if (r < 0)
        return fail(e, "map the image", "waitid");
    if (gone.si_code == CLD_EXITED && gone.si_status == 0)
        return 0;
    return err_set(e, gone.si_code == CLD_EXITED ? gone.si_status : 0, "map the image", "the process that holds it");
}

/* A user namespace that says whose files are whose, and has no other use: a process must make it, and may go when we hold it. */
static int make_map(const struct stat *st, uint32_t base, struct err *e)
{
    int ends[2], pidfd = -1;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return fail(e, "map the image", "pipe");
    CLOSE_FD int wait = ends[0], hold = ends[1];
    struct clone_args a = { .flags = CLONE_NEWUSER | CLONE_PIDFD, .pidfd = (uintptr_t)&pidfd, .exit_signal = SIGCHLD };
    pid_t pid = (pid_t)syscall(SYS_clone3, &a, sizeof a);
    if (pid < 0)
        return fail(e, "map the image", "clone3");
    if (pid == 0) {
        char end;
        close(hold);
        _exit(read(wait, &end, 1) == 0 ? EXIT_SUCCESS : errno);
    }
    CLOSE_FD int process = pidfd;
    CLOSE_FD int fd = open_map(pid, st, base, e);
    close(fd_steal(&hold));
    return end_map(process, e) < 0 || fd < 0 ? -1 : fd_steal(&fd);
}

static int set_attributes(int tree, struct mount_attr *attr)
{
    return (int)syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, attr, sizeof *attr);
}

/* Its own owner means nothing inside; as root's the files look as they do elsewhere.  Nobody's they may stay where the file system knows no
   such mapping: all of them are for everyone to read and for nobody to write. */
static int give_to_root(int tree, const struct stat *st, uint32_t base, struct err *e)
{
    CLOSE_FD int map = make_map(st, base, e);
    if (map < 0)
        return -1;
    struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (unsigned)map };
    if (set_attributes(tree, &attr) == 0)
        return 0;
    if (errno != EINVAL)
        return fail(e, "map the image", "mount_setattr");
    log_info("image.owner", "owner=nobody why=\"its file system has no mapped mounts\"");
    return 0;
}

static const char *const folders[] = { "proc", "dev", "tmp", "run", "home", "sys", "etc", "var/tmp" };
static const char *const files[] = { "etc/passwd", "etc/group", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/machine-id" };

/* Everything is mounted by name, and the host's tree is still there: a symbolic link among these names would lead a mount out of the image.
   The import made all of them; nobody can change the image since. */
static int check(int image, const char *path, mode_t kind, struct err *e)
{
    struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
                            .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV };
    struct stat st;
    CLOSE_FD int fd = (int)syscall(SYS_openat2, image, path, &how, sizeof how);
    if (fd < 0 || fstat(fd, &st) < 0)
        return fail(e, "the image has no", path);
    return (st.st_mode & S_IFMT) == kind ? 0 : err_set(e, 0, "the image has another kind of", "%s", path);
}

static int check_all(int image, struct err *e)
{
    for (size_t i = 0; i < countof(folders); i++)
        if (check(image, folders[i], S_IFDIR, e) < 0)
            return -1;
    for (size_t i = 0; i < countof(files); i++)
        if (check(image, files[i], S_IFREG, e) < 0)
            return -1;
    return 0;
}

int image_clone(const struct plan *p, struct err *e)
{
    struct mount_attr sealed = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, .propagation = M_PRIVATE };
    struct stat st;
    if (fstat(p->image, &st) < 0)
        return fail(e, "the image", "");
    if (!S_ISDIR(st.st_mode))
        return err_set(e, ENOTDIR, "the image", "%s", "");
    /* An import's files are never root's: this is something else. */
    if (st.st_uid == 0 || st.st_gid == 0)
        return err_set(e, EPERM, "the image", "belongs to root");
    if (check_all(p->image, e) < 0)
        return -1;
    /* This mount alone: nothing that is mounted in it on the host. */
    CLOSE_FD int tree = (int)syscall(SYS_open_tree, p->image, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (tree < 0 || set_attributes(tree, &sealed) < 0)
        return fail(e, "open_tree", "the image");
    return give_to_root(tree, &st, p->base, e) < 0 ? -1 : fd_steal(&tree);
}

/* ---- by the child ---- */

static int cover_file(struct child *c UNUSED, const struct step *s, struct err *e)
{
    if (mount(s->from, s->at, NULL, M_BIND, NULL) < 0)
        return -1;
    return mount(NULL, s->at, NULL, (unsigned long)s->flags, NULL) < 0 ? err_set(e, errno, "read-only", "/%s", s->at) : 0;
}

static int unmount(struct child *c UNUSED, const struct step *s, struct err *e UNUSED)
{
    return umount2(s->at, U_DETACH);
}

static int bind_folder(struct child *c UNUSED, const struct step *s, struct err *e UNUSED)
{
    return mount(s->from, s->at, NULL, M_BIND, NULL);
}

static const struct verb v_cover = { "cover", .child = cover_file, .bits = mount_flags, .inside = true },
    v_unmount = { "unmount", .child = unmount, .inside = true }, v_bind = { "bind", .child = bind_folder, .inside = true };

static void small(struct steps *l, const char *at, const char *with)
{
    step_add(l, (struct step){ .verb = &verb_mount, .at = at, .from = "tmpfs", .with = with, .flags = M_NOSUID | M_NODEV });
}

static void folder(struct steps *l, const char *at)
{
    step_add(l, (struct step){ .verb = &verb_mkdir, .at = at, .number = 0755 });
}

void image_steps_make(struct steps *l, const struct plan *p)
{
    static const char few[] = "mode=755,size=1m,nr_inodes=64", many[] = "mode=755,size=1m,nr_inodes=16384";
    /* Ours are made in a file system that is seen by them alone: on /run, which is covered again. */
    small(l, "run", few);
    folder(l, "run/etc");
    etc_steps_files(l, p, "run/");
    for (size_t i = 0; i < countof(files); i++)
        step_add(l, (struct step){ .verb = &v_cover, .at = files[i], .from = step_text(l, mem_fmt("run/%s", files[i])),
                                   .flags = M_REMOUNT | M_BIND | M_RDONLY | M_NOSUID | M_NODEV | M_NOEXEC });
    step_add(l, (struct step){ .verb = &v_unmount, .at = "run" });
    small(l, "home", few);
    folder(l, p->home);
    small(l, "dev", few);
    small(l, "sys", many);
}

void image_steps_end(struct steps *l)
{
    step_add(l, (struct step){ .verb = &v_bind, .at = "var/tmp", .from = "tmp" });
}
