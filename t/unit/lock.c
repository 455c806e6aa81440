/* A locked child: what it holds goes on, nothing new can be had. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/die.h"
#include "base/log.h"
#include "sandbox/lock/lock.h"
#include "t/lib/locked.bpf.h"

/* Runs FN in a locked child; its wait status. */
static int locked(const struct lock *l, int (*fn)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        log_to(null);
        lock_apply(l);
        _exit(fn());
    }
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static const struct lock_limit limits[] = { { RLIMIT_NOFILE, 64 }, { RLIMIT_FSIZE, 4096 } };
static const struct lock none = { .limits = limits, .nlimits = countof(limits), LOCK_FILTER(lock_locked_filter) };

static int lives(void)
{
    struct rlimit r;
    struct stat st;
    void *p = malloc(1 << 20);
    if (p == NULL || fstat(2, &st) < 0)
        return 1;
    free(p);
    log_info("still", "here=%d", 1);
    return getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_max != 64 || prctl(PR_GET_DUMPABLE) != 0 ? 2 : 0;
}

static int opens(void)
{
    return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0 ? 1 : errno == EACCES ? 0 : 2;
}

static int makes(void)
{
    return open("/tmp/holdfast-lock-test", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0 ? 1 : errno == EACCES ? 0 : 2;
}

static int makes_socket(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 ? 1 : errno == EAFNOSUPPORT ? 0 : 2;
}

static int executes(void)
{
    char *const argv[] = { (char *)(uintptr_t)"/bin/true", NULL };
    execve(argv[0], argv, argv + 1);
    return 1;
}

Test(lock, keeps_what_it_holds)
{
    cr_expect_eq(locked(&none, lives), 0);
}

Test(lock, no_open_no_socket)
{
    cr_expect_eq(locked(&none, opens), 0);
    cr_expect_eq(locked(&none, makes), 0);
    cr_expect_eq(locked(&none, makes_socket), 0);
}

Test(lock, unlisted_call_kills)
{
    int status = locked(&none, executes);
    cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%x", (unsigned)status);
}

static char folder[] = "/tmp/holdfast-lock.XXXXXX";
static int folder_fd;

static int reads_folder(void)
{
    int fd = openat(folder_fd, "there", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 1;
    if (openat(folder_fd, "there", O_WRONLY | O_CLOEXEC) >= 0 || errno != EACCES)
        return 2;
    return openat(folder_fd, "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0 || errno != EACCES ? 3 : opens();
}

static int writes_folder(void)
{
    if (openat(folder_fd, "there", O_WRONLY | O_TRUNC | O_CLOEXEC) < 0)
        return 1;
    return openat(folder_fd, "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 ? 2 : opens();
}

Test(lock, folders)
{
    cr_assert(mkdtemp(folder));
    folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(openat(folder_fd, "there", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    struct lock_folder f = { folder_fd, LOCK_FOLDER_READ };
    struct lock l = { .folders = &f, .nfolders = 1, LOCK_FILTER(lock_locked_filter) };
    cr_expect_eq(locked(&l, reads_folder), 0);
    f.access = LOCK_FOLDER_WRITE;
    cr_expect_eq(locked(&l, writes_folder), 0);
    unlinkat(folder_fd, "there", 0);
    unlinkat(folder_fd, "new", 0);
    rmdir(folder);
}

Test(lock, failure_is_fatal)
{
    static const struct lock_limit bad[] = { { 999, 1 } };
    struct lock l = { .limits = bad, .nlimits = 1, LOCK_FILTER(lock_locked_filter) };
    int status = locked(&l, lives);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DIE, "limit: %x", (unsigned)status);
    struct lock_folder gone = { 9999, LOCK_FOLDER_READ };
    l = (struct lock){ .folders = &gone, .nfolders = 1, LOCK_FILTER(lock_locked_filter) };
    status = locked(&l, lives);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DIE, "folder: %x", (unsigned)status);
    static const struct sock_filter broken[] = { { 0xffff, 0, 0, 0 } };
    l = (struct lock){ LOCK_FILTER(broken) };
    status = locked(&l, lives);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_DIE, "filter: %x", (unsigned)status);
    l = (struct lock){ .nfilter = 0 };
    status = locked(&l, lives);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_BUG, "none: %x", (unsigned)status);
}
