#include "quota/e2fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sandbox/lock/landlock.h"

enum { NOT_FOUND = 126, NOT_RUN = 127 };

static const char *const programs[] = { "/usr/sbin", "/sbin" };
static const char *const readable[] = { "/usr", "/lib", "/lib64", "/sbin", "/proc", "/etc/ld.so.cache", "/dev/null" };

/* Descriptors of the child: 0 nothing, 1 and 2 the output, 3 the image, no other. */
static int descriptors(int image, int out)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), high = fcntl(image, F_DUPFD_CLOEXEC, 10), log = fcntl(out, F_DUPFD_CLOEXEC, 10);
    return null < 0 || high < 0 || log < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0 || dup2(high, 3) < 0 ||
           close_range(4, ~0U, 0) < 0 ? -1 : 0;
}

static int allow_path(int set, const struct landlock *taken, const char *path)
{
    CLOSE_FD int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -1;
    uint64_t rights = S_ISDIR(st.st_mode) ? LANDLOCK_READ | LANDLOCK_EXECUTE : S_ISCHR(st.st_mode) ? LANDLOCK_READ_FILE | LANDLOCK_WRITE_FILE : LANDLOCK_READ_FILE;
    return landlock_beneath(set, fd, taken->fs & rights);
}

static int fence(void)
{
    struct landlock taken;
    if (landlock_known(&taken) < 0)
        return -1;
    CLOSE_FD int set = landlock_new(&taken);
    if (set < 0 || landlock_beneath(set, 3, taken.fs & (LANDLOCK_READ_FILE | LANDLOCK_WRITE_FILE | LANDLOCK_TRUNCATE)) < 0)
        return -1;
    for (size_t i = 0; i < countof(readable); i++)
        if (allow_path(set, &taken, readable[i]) < 0)
            return -1;
    return landlock_enforce(set);
}

/* The file is root's, so that uid 0 opens it without any capability; who else runs programs under that uid here has all of them anyway. */
static int cage(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[2] = { { 0 } };
    static const struct rlimit no_core = { 0, 0 }, files = { 64, 64 };
    if (unshare(CLONE_NEWNET | CLONE_NEWIPC) < 0 || setrlimit(RLIMIT_CORE, &no_core) < 0 || setrlimit(RLIMIT_NOFILE, &files) < 0)
        return -1;
    /* Also off the bounding set: uid 0 would have them again by exec. */
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
        if (prctl(PR_CAPBSET_DROP, cap) < 0)
            return -1;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || fence() < 0 || syscall(SYS_capset, &header, none) < 0 ? -1 : 0;
}

static _Noreturn void become(int image, int out, pid_t parent, char *const argv[])
{
    char *const environment[] = { (char[]){ "PATH=/usr/sbin:/usr/bin:/sbin:/bin" }, (char[]){ "LC_ALL=C" },
                                  (char[]){ "MKE2FS_CONFIG=/dev/null" }, (char[]){ "E2FSCK_CONFIG=/dev/null" }, NULL };
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || descriptors(image, out) < 0)
        _exit(NOT_RUN);
    if (cage() < 0) {
        dprintf(2, "cannot be locked up: errno %d", errno);
        _exit(NOT_RUN);
    }
    for (size_t i = 0; i < countof(programs); i++) {
        char path[64];
        snprintf(path, sizeof path, "%s/%s", programs[i], argv[0]);
        execve(path, argv, environment);
    }
    _exit(errno == ENOENT ? NOT_FOUND : NOT_RUN);
}

static void read_told(int out, char *told, size_t size)
{
    ssize_t n = pread(out, told, size - 1, 0);
    told[n < 0 ? 0 : n] = '\0';
    for (char *c = told; *c; c++)
        if (*c == '\n')
            *c = c[1] ? ' ' : '\0';
}

int e2fs_run(int image, char *const argv[], char *told, size_t size, struct err *e)
{
    CLOSE_FD int out = memfd_create("output", MFD_CLOEXEC);
    pid_t parent = getpid(), pid = out < 0 ? -1 : fork();
    if (pid < 0)
        return err_set(e, errno, argv[0], "fork");
    if (pid == 0)
        become(image, out, parent, argv);
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_set(e, errno, argv[0], "wait");
    read_told(out, told, size);
    if (!WIFEXITED(status))
        return err_set(e, 0, argv[0], "killed by signal %d", WTERMSIG(status));
    if (WEXITSTATUS(status) == NOT_FOUND)
        return err_set(e, ENOENT, argv[0], "not found in /usr/sbin or /sbin: install e2fsprogs");
    return WEXITSTATUS(status) == NOT_RUN ? err_set(e, EPERM, argv[0], "%s", told) : WEXITSTATUS(status);
}
