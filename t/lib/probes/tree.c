#include "t/lib/probes/probe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

long try_open(const struct probe *p)
{
    return open(text_of(p->path), (int)p->arg[0] | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
}

long try_read(const struct probe *p)
{
    char bytes[64];
    int fd = open(text_of(p->path), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);
    if (n >= 0)
        say(n ? "data" : "empty");
    return n;
}

long try_create(const struct probe *p)
{
    int fd = open(p->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    return unlink(p->path);
}

long try_look(const struct probe *p)
{
    struct stat st;
    return lstat(text_of(p->path), &st);
}

static int is_folder(const struct dirent *d)
{
    return d->d_type == DT_DIR;
}

static long list_names(const char *path, int (*chosen)(const struct dirent *))
{
    struct dirent **names;
    char list[280] = "";
    int n = scandir(path, &names, chosen, alphasort);
    for (int i = 0; i < n; i++)
        if (names[i]->d_name[0] != '.')
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", list[0] ? " " : "", names[i]->d_name);
    if (n >= 0)
        say("%s", list[0] ? list : "nothing");
    return n;
}

long try_list(const struct probe *p)
{
    return list_names(p->path, NULL);
}

long try_folders(const struct probe *p)
{
    return list_names(p->path, is_folder);
}

long try_device(const struct probe *p)
{
    unlink(p->path);
    if (mknod(p->path, (mode_t)p->arg[0], makedev((unsigned)p->arg[1], (unsigned)p->arg[2])) < 0)
        return -1;
    unlink(p->path);
    return 0;
}

long try_mount(const struct probe *p)
{
    return mount("tmpfs", p->path, "tmpfs", (unsigned long)p->arg[0], NULL);
}

static int copy_itself(int to)
{
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (from < 0 || fstat(from, &st) < 0)
        return -1;
    for (off_t left = st.st_size; left > 0;) {
        ssize_t n = sendfile(to, from, NULL, (size_t)left);
        if (n <= 0)
            return -1;
        left -= n;
    }
    return 0;
}

/* Its exit code, or -1 with the errno of the exec. */
static int execute(int fd, const char *path)
{
    int pair[2], status = 0, no = 0;
    if (pipe2(pair, O_CLOEXEC) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        char name[] = "prober", word[] = "--id";
        char *argv[] = { name, word, NULL }, *env[] = { NULL };
        if (path)
            execve(path, argv, env);
        else
            syscall(SYS_execveat, fd, "", argv, env, AT_EMPTY_PATH);
        no = errno;
        _exit(write(pair[1], &no, sizeof no) < 0);
    }
    close(pair[1]);
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return -1;
    if (read(pair[0], &no, sizeof no) == sizeof no) {
        errno = no;
        return -1;
    }
    return WEXITSTATUS(status);
}

long try_execute(const struct probe *p)
{
    /* The interpreter is whoever executes it: no copy of a program would fit in /run. */
    static const char script[] = "#!/proc/self/exe --id\n";
    char path[128];
    snprintf(path, sizeof path, "%s/script", p->path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    if (fd < 0 || write(fd, script, sizeof script - 1) < 0) {
        say("not made: %s", strerror(errno));
        return -1;
    }
    close(fd);
    int r = execute(-1, path), no = errno;
    unlink(path);
    errno = no;
    return r;
}

long try_setuid_program(const struct probe *p)
{
    int r = execute(-1, p->path);
    if (r == 1)
        say("nothing gained");
    return r;
}

long try_memfd(const struct probe *p)
{
    (void)p;
    int fd = (int)syscall(SYS_memfd_create, "prober", 1L);
    return fd < 0 || copy_itself(fd) < 0 ? -1 : execute(fd, NULL);
}

long try_link(const struct probe *p)
{
    unlink("linked");
    long r = link(text_of(p->path), "linked");
    int no = errno;
    unlink("linked");
    errno = no;
    return r;
}

long try_rename(const struct probe *p)
{
    int fd = open("moved", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    close(fd);
    long r = rename("moved", p->path);
    int no = errno;
    unlink("moved");
    errno = no;
    return r;
}

long try_chroot(const struct probe *p)
{
    int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (chroot(p->path) < 0)
        return -1;
    return fchdir(root) < 0 || chroot(".") < 0 ? -1 : 0;
}

long try_inherited(const struct probe *p)
{
    if (fchdir((int)p->arg[0]) < 0)
        return -1;
    return open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

long try_chmod(const struct probe *p)
{
    struct stat st;
    int fd = open(p->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    if (fd < 0 || fchmod(fd, (mode_t)p->arg[0]) < 0 || fstat(fd, &st) < 0)
        return -1;
    unlink(p->path);
    say("%04o", st.st_mode & 07777);
    return 0;
}

long try_chown(const struct probe *p)
{
    int fd = open("owned", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    long r = fd < 0 ? -1 : fchown(fd, (uid_t)p->arg[0], (gid_t)p->arg[1]);
    int no = errno;
    unlink("owned");
    errno = no;
    return r;
}
