#include "t/proc/files_rig.h"

#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rights.h"
#include "quota/kind.h"

struct files_rig rig;

void rig_own(const char *path)
{
    if (geteuid() == 0)
        cr_assert(lchown(path, RIG_UID, RIG_UID) == 0);
}

void rig_put(const char *dir, const char *name, const char *text)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    CLOSE_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    cr_assert(fd >= 0 && io_write_all(fd, text, strlen(text)) == 0);
    rig_own(path);
}

static void become_worker(int link)
{
    if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(RIG_UID) < 0 || setuid(RIG_UID) < 0))
        _exit(1);
    int moved = fcntl(link, F_DUPFD, 10);
    CLOSE_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(null, 0);
    dup2(null, 1);
    dup2(moved, LINK_FD);
    io_close_from(LINK_FD + 1);
    execl(BUILD "/holdfast-files", "holdfast-files", (char *)NULL);
    _exit(1);
}

void rig_start(uint32_t rights, uint64_t limit)
{
    int pair[2];
    cr_assert(io_pair(pair) == 0);
    rig.pid = fork();
    if (rig.pid == 0)
        become_worker(pair[1]);
    close(pair[1]);
    rig.link = pair[0];
    CLOSE_FD int gate = gate_create();
    rig.gate = gate_map(gate);
    gate_set_limit(rig.gate, limit);
    CLOSE_FD int handles = gate_create();
    rig.handles = gate_map(handles);
    gate_set_limit(rig.handles, RIG_ACCOUNT);
    uint32_t ndeny = 0;
    while (rig.deny && rig.deny[ndeny])
        ndeny++;
    CLOSE_FD int dir = open(rig.in, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    MSG_FREE struct msg m;
    msg_begin(&m, START_FILES, 0);
    msg_put_str(&m, "one");
    msg_put_u32(&m, rights);
    msg_put_u32(&m, (uint32_t)gate_slot_take(rig.gate));
    msg_put_u32(&m, RIG_HANDLES);
    msg_put_u64(&m, 7);
    msg_put_u32(&m, LOG_INFO);
    msg_put_u32(&m, (uint32_t)gate_slot_take(rig.handles));
    msg_put_u32(&m, RIG_ACCOUNT);
    msg_put_u32(&m, RIG_NODE);
    msg_put_u32(&m, ndeny);
    for (uint32_t i = 0; i < ndeny; i++)
        msg_put_str(&m, rig.deny[i]);
    msg_put_str(&m, "alice");
    msg_put_u32(&m, rig.usage);
    msg_put_fd(&m, dir);
    msg_put_fd(&m, gate);
    msg_put_fd(&m, handles);
    if (rig.usage == DISK_COUNT_FILE)
        msg_put_fd(&m, rig.usage_fd);
    cr_assert(msg_send(rig.link, &m) == 0);
}

void rig_folders(void)
{
    snprintf(rig.top, sizeof rig.top, "/tmp/files-test-XXXXXX");
    cr_assert(mkdtemp(rig.top));
    snprintf(rig.in, sizeof rig.in, "%s/in", rig.top);
    snprintf(rig.out, sizeof rig.out, "%s/out", rig.top);
    cr_assert(mkdir(rig.in, 0755) == 0 && mkdir(rig.out, 0755) == 0 && chmod(rig.top, 0755) == 0);
}

void rig_up_with(uint32_t rights, uint64_t limit)
{
    rig_folders();
    rig_own(rig.in);
    rig_own(rig.out);
    rig_put(rig.out, "f", "canary");
    rig_start(rights, limit);
}

void rig_up(void)
{
    rig_up_with(RIGHT_ALL, UINT64_C(1) << 50);
}

void rig_run(const char *const argv[])
{
    pid_t pid = fork();
    if (pid == 0) {
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    int status;
    waitpid(pid, &status, 0);
    cr_assert_eq(status, 0, "%s", argv[0]);
}

void rig_clean_up(void)
{
    if (rig.mounted)
        umount2(rig.in, MNT_DETACH);
    rig.mounted = false;
    if (rig.top[0])
        rig_run((const char *const[]){ "rm", "-rf", "--one-file-system", rig.top, NULL });
    rig.top[0] = '\0';
}

void rig_down(void)
{
    int status;
    close(rig.link);
    cr_assert(waitpid(rig.pid, &status, 0) == rig.pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the worker ended with %x", (unsigned)status);
    gate_unmap(rig.gate);
    gate_unmap(rig.handles);
    msg_free(&rig.answer);
    free(rig.text);
    rig.text = NULL;
    rig_clean_up();
}

static void put_attrs(struct msg *m, const struct attrs *a)
{
    BUF_FREE struct buf b = BUF(ATTRS_MOST);
    attrs_put(&b, a);
    msg_put_bytes(m, buf_head(&b), buf_size(&b));
}

uint32_t ask(uint16_t type, const char *fields, ...)
{
    static const struct attrs none;
    struct msg m;
    va_list ap;
    msg_begin(&m, type, ++rig.id);
    va_start(ap, fields);
    for (; *fields; fields++) {
        if (*fields == 'p')
            msg_put_str(&m, va_arg(ap, const char *));
        else if (*fields == 'u')
            msg_put_u32(&m, va_arg(ap, uint32_t));
        else if (*fields == 'U')
            msg_put_u64(&m, va_arg(ap, uint64_t));
        else {
            const struct attrs *a = va_arg(ap, const struct attrs *);
            put_attrs(&m, a ? a : &none);
        }
    }
    va_end(ap);
    cr_assert(msg_send(rig.link, &m) == 0);
    msg_free(&m);
    msg_free(&rig.answer);
    free(rig.text);
    cr_assert_eq(msg_recv(rig.link, &rig.answer), 1, "the worker has died");
    cr_assert_eq(rig.answer.id, rig.id);
    rig.status = msg_get_u32(&rig.answer);
    rig.text = msg_get_str(&rig.answer);
    return rig.status;
}

int opened_fd;
uint64_t opened_lease;
uint32_t opened_made;

int file_open(const char *path, uint32_t flags)
{
    if (ask(FILES_OPEN, "pua", path, flags, NULL) != FX_OK)
        return -1;
    int handle = (int)msg_get_u32(&rig.answer);
    msg_get_u64(&rig.answer);
    opened_lease = msg_get_u64(&rig.answer);
    opened_made = msg_get_u32(&rig.answer);
    opened_fd = msg_get_fd(&rig.answer);
    return handle;
}

void handle_close(uint32_t handle)
{
    MSG_FREE struct msg m;
    msg_begin(&m, FILES_CLOSE, ++rig.id);
    msg_put_u32(&m, handle);
    msg_put_u64(&m, 0);
    cr_assert(msg_send(rig.link, &m) == 0);
    cr_assert_eq(ask(FILES_STATVFS, "p", ""), FX_OK, "%s", rig.text);
}

void file_close(int handle)
{
    close(opened_fd);
    handle_close((uint32_t)handle);
}

struct stat inside(const char *name)
{
    char path[400];
    struct stat st = { 0 };
    snprintf(path, sizeof path, "%s/%s", rig.in, name);
    lstat(path, &st);
    return st;
}
