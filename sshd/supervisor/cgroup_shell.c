#include "sshd/supervisor/cgroup_shell.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sshd/supervisor/cgroup.h"
#include "sshd/supervisor/hold.h"

static const char prefix[] = "shell.";

static char *folder_of(const struct server *v, uint32_t number)
{
    return mem_fmt("%s/%s/%s%u", v->super->cgroup, v->name, prefix, number);
}

int cgroup_make_shell(const struct server *v, uint32_t number, struct err *e)
{
    if (v->super->cgroup == NULL)
        return err_set(e, 0, "cgroup", "%s", v->super->limits_missing);
    FREE_MEM char *folder = folder_of(v, number);
    FREE_MEM char *file = mem_fmt("%s/cgroup.kill", folder);
    if (mkdir(folder, 0755) < 0)
        return err_set(e, errno, "mkdir", "%s", folder);
    int fd = open(file, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? err_set(e, errno, "open", "%s", file) : fd;
}

/* ---- whom init names ---- */

static pid_t pid_of(int pidfd)
{
    char path[64];
    int pid = -1;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
    FREE_MEM char *text = io_read_file(path, 4096, NULL, NULL);
    const char *line = text ? strstr(text, "\nPid:") : NULL;
    return line && sscanf(line, " Pid: %d", &pid) == 1 ? pid : -1;
}

/* By the group it is in, where nobody but we put it. */
static bool is_of(const struct server *v, pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
    FREE_MEM char *text = io_read_file(path, 1 << 16, NULL, NULL);
    FREE_MEM char *want = mem_fmt("/%s/%s", v->super->conf.sandbox.cgroup, v->name);
    char *line = text ? strstr(text, "0::") : NULL;
    if (line == NULL || (line > text && line[-1] != '\n'))
        return false;
    line[strcspn(line, "\n")] = '\0';
    size_t n = strlen(line), wanted = strlen(want);
    return n >= wanted && strcmp(line + n - wanted, want) == 0;
}

static bool lives(int pidfd)
{
    return syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0;
}

/* What init says may be what the server wants it to say: a descriptor of anything.  Alive before and after, its number was its own all the while. */
int cgroup_put_shell(const struct server *v, uint32_t number, int pidfd, struct err *e)
{
    FREE_MEM char *folder = folder_of(v, number);
    char text[16];
    pid_t pid = pid_of(pidfd);
    if (pid <= 1 || !lives(pidfd) || !is_of(v, pid))
        return err_set(e, ESRCH, "shell", "process %d is not of this server", (int)pid);
    snprintf(text, sizeof text, "%d", (int)pid);
    if (hold_write(folder, "cgroup.procs", text) < 0)
        return err_set(e, errno, "cgroup.procs", "%s", folder);
    return lives(pidfd) ? 0 : err_set(e, ESRCH, "shell", "process %d has ended", (int)pid);
}

/* ---- the end ---- */

void cgroup_kill_shell(const struct server *v, uint32_t number)
{
    if (v->super->cgroup == NULL)
        return;
    FREE_MEM char *folder = folder_of(v, number);
    hold_write(folder, "cgroup.kill", "1");
}

void cgroup_remove_shell(const struct server *v, uint32_t number)
{
    if (v->super->cgroup == NULL)
        return;
    FREE_MEM char *folder = folder_of(v, number);
    hold_write(folder, "cgroup.kill", "1");
    cgroup_remove_folder(folder);
}

void cgroup_nproc_shell(const struct server *v, uint32_t number, uint32_t most)
{
    FREE_MEM char *folder = folder_of(v, number);
    hold_nproc(folder, most, server_owner_uid(v));
}

/* ---- all of a server ---- */

static void each(const char *folder, void (*fn)(const char *shell, void *data), void *data)
{
    DIR *d = opendir(folder);
    if (d == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(d)) != NULL;)
        if (strncmp(entry->d_name, prefix, sizeof prefix - 1) == 0) {
            FREE_MEM char *shell = mem_fmt("%s/%s", folder, entry->d_name);
            fn(shell, data);
        }
    closedir(d);
}

static void sweep(const char *shell, void *data UNUSED)
{
    hold_write(shell, "cgroup.kill", "1");
    cgroup_remove_folder(shell);
}

void cgroup_sweep_shells(const char *folder)
{
    each(folder, sweep, NULL);
}

static void count(const char *shell, void *data)
{
    uint32_t *n = data;
    FREE_MEM char *file = mem_fmt("%s/cgroup.threads", shell);
    FREE_MEM char *text = io_read_file(file, 1 << 20, NULL, NULL);
    for (const char *at = text; at && *at; at++)
        *n += *at == '\n';
}

uint32_t cgroup_threads_shells(const struct server *v)
{
    uint32_t n = 0;
    FREE_MEM char *folder = mem_fmt("%s/%s", v->super->cgroup, v->name);
    each(folder, count, &n);
    return n;
}
