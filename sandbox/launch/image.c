#include "sandbox/launch/mounts.h"
#include "sandbox/launch/image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "quota/idmap.h"
#include "sandbox/launch/root.h"

static int fail(struct err *e, const char *step, const char *what)
{
    return err_set(e, errno, step, "%s", what);
}

/* ---- by launch ---- */

static int set_attributes(int tree, struct mount_attr *attr)
{
    return (int)syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, attr, sizeof *attr);
}

/* Its own owner means nothing inside; as root's the files look as they do elsewhere.  Nobody's they may stay where the file system knows no
   such mapping: all of them are for everyone to read and for nobody to write. */
static int give_to_root(int tree, const struct stat *st, uint32_t base, struct err *e)
{
    char uids[64], gids[64];
    snprintf(uids, sizeof uids, "%u %u 1\n", (unsigned)st->st_uid, base);
    snprintf(gids, sizeof gids, "%u %u 1\n", (unsigned)st->st_gid, base);
    int cannot = idmap_apply(tree, uids, gids, e);
    if (cannot < 0)
        return err_wrap(e, "the image");
    if (cannot)
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
