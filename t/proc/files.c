/* The files worker over its link: every request, the walls around it, and a server that swaps names under it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/msg.h"
#include "base/rights.h"
#include "quota/gate.h"
#include "sshd/attrs.h"
#include "sshd/proto.h"

enum { UID = 54321, HANDLES = 8 };

/* A server's directory `in`, beside it `out` with the canary, both the worker's uid's: only the worker's own care keeps it inside. */
static struct {
    char top[64], in[80], out[80];
    int link;
    pid_t pid;
    struct gate *gate;
    uint32_t id;
    struct msg answer;
    char *text;
    bool mounted;
} rig;

static void own(const char *path)
{
    if (geteuid() == 0)
        cr_assert(lchown(path, UID, UID) == 0);
}

static void put(const char *dir, const char *name, const char *text)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    CLOSE_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    cr_assert(fd >= 0 && io_write_all(fd, text, strlen(text)) == 0);
    own(path);
}

static void become_worker(int link)
{
    if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(UID) < 0 || setuid(UID) < 0))
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

static void start(uint32_t rights, uint64_t limit)
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
    CLOSE_FD int dir = open(rig.in, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    MSG_FREE struct msg m;
    msg_begin(&m, START_FILES, 0);
    msg_put_str(&m, "one");
    msg_put_u32(&m, rights);
    msg_put_u32(&m, (uint32_t)gate_slot_take(rig.gate));
    msg_put_u32(&m, HANDLES);
    msg_put_u64(&m, 7);
    msg_put_u32(&m, LOG_INFO);
    msg_put_fd(&m, dir);
    msg_put_fd(&m, gate);
    cr_assert(msg_send(rig.link, &m) == 0);
}

static void folders(void)
{
    snprintf(rig.top, sizeof rig.top, "/tmp/files-test-XXXXXX");
    cr_assert(mkdtemp(rig.top));
    snprintf(rig.in, sizeof rig.in, "%s/in", rig.top);
    snprintf(rig.out, sizeof rig.out, "%s/out", rig.top);
    cr_assert(mkdir(rig.in, 0755) == 0 && mkdir(rig.out, 0755) == 0 && chmod(rig.top, 0755) == 0);
}

static void up_with(uint32_t rights, uint64_t limit)
{
    folders();
    own(rig.in);
    own(rig.out);
    put(rig.out, "f", "canary");
    start(rights, limit);
}

static void up(void)
{
    up_with(RIGHT_ALL, UINT64_C(1) << 50);
}

/* Runs a tool on our folder; the tests have no other need of a shell. */
static void run(const char *const argv[])
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

/* Also after a test that failed. */
static void clean_up(void)
{
    if (rig.mounted)
        umount2(rig.in, MNT_DETACH);
    rig.mounted = false;
    if (rig.top[0])
        run((const char *const[]){ "rm", "-rf", "--one-file-system", rig.top, NULL });
    rig.top[0] = '\0';
}

static void down(void)
{
    int status;
    close(rig.link);
    cr_assert(waitpid(rig.pid, &status, 0) == rig.pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the worker ended with %x", (unsigned)status);
    gate_unmap(rig.gate);
    msg_free(&rig.answer);
    free(rig.text);
    rig.text = NULL;
    clean_up();
}

static void put_attrs(struct msg *m, const struct attrs *a)
{
    BUF_FREE struct buf b = BUF(ATTRS_MOST);
    attrs_put(&b, a);
    msg_put_bytes(m, buf_head(&b), buf_size(&b));
}

/* FIELDS: p a path, u a u32, U a u64, a attributes.  Returns the status; the answer's own fields are next in rig.answer. */
static uint32_t ask(uint16_t type, const char *fields, ...)
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
    uint32_t status = msg_get_u32(&rig.answer);
    rig.text = msg_get_str(&rig.answer);
    return status;
}

/* A close has no answer: that of what is asked next says that it is done. */
static void close_handle(uint32_t handle)
{
    MSG_FREE struct msg m;
    msg_begin(&m, FILES_CLOSE, ++rig.id);
    msg_put_u32(&m, handle);
    msg_put_u64(&m, 0);
    cr_assert(msg_send(rig.link, &m) == 0);
    cr_assert_eq(ask(FILES_STATVFS, "p", ""), FX_OK, "%s", rig.text);
}

static int opened_fd;
static uint64_t opened_lease;

/* The handle, or -1. */
static int file_open(const char *path, uint32_t flags)
{
    if (ask(FILES_OPEN, "pua", path, flags, NULL) != FX_OK)
        return -1;
    int handle = (int)msg_get_u32(&rig.answer);
    msg_get_u64(&rig.answer);
    opened_lease = msg_get_u64(&rig.answer);
    opened_fd = msg_get_fd(&rig.answer);
    return handle;
}

static void file_close(int handle)
{
    close(opened_fd);
    close_handle((uint32_t)handle);
}

static struct stat inside(const char *name)
{
    char path[400];
    struct stat st = { 0 };
    snprintf(path, sizeof path, "%s/%s", rig.in, name);
    lstat(path, &st);
    return st;
}

#define ok(...) cr_assert_eq(ask(__VA_ARGS__), FX_OK, "%s", rig.text)
#define refused(status, ...) cr_assert_eq(ask(__VA_ARGS__), status, "%s", rig.text)
#define says(words) cr_assert(strstr(rig.text, words), "text: %s", rig.text)

TestSuite(files, .timeout = 60, .fini = clean_up);

Test(files, operations_do_what_they_say)
{
    up();
    ok(FILES_MKDIR, "pa", "d", &(struct attrs){ .flags = ATTRS_MODE, .mode = 06750 });
    cr_assert_eq(inside("d").st_mode & 07777, 0750, "no setuid, no setgid");
    int h = file_open("d/f", FXF_WRITE | FXF_CREAT | FXF_TRUNC);
    cr_assert(h >= 0 && opened_lease > 0);
    cr_assert(pwrite(opened_fd, "hello", 5, 0) == 5);
    ok(FILES_FSYNC, "u", (uint32_t)h);
    ok(FILES_FSETSTAT, "ua", (uint32_t)h, &(struct attrs){ .flags = ATTRS_MODE | ATTRS_TIMES, .mode = 0104600, .atime = 5, .mtime = 6 });
    file_close(h);
    struct stat st = inside("d/f");
    cr_assert_eq(st.st_mode & 07777, 0600);
    cr_assert_eq(st.st_mtime, 6);
    ok(FILES_SETSTAT, "pa", "d/f", &(struct attrs){ .flags = ATTRS_MODE | ATTRS_SIZE, .mode = 0, .size = 3 });
    ok(FILES_SETSTAT, "pa", "d/f", &(struct attrs){ .flags = ATTRS_MODE | ATTRS_TIMES, .mode = 0644, .atime = 1, .mtime = 2 });
    st = inside("d/f");
    cr_assert_eq(st.st_mode & 07777, 0644, "from no rights at all and back");
    cr_assert_eq(st.st_size, 3);
    cr_assert_eq(st.st_mtime, 2);
    ok(FILES_SETSTAT, "pa", "d/f", &(struct attrs){ .flags = ATTRS_OWNER, .uid = st.st_uid, .gid = st.st_gid });
    refused(FX_PERMISSION_DENIED, FILES_SETSTAT, "pa", "d/f", &(struct attrs){ .flags = ATTRS_OWNER | ATTRS_MODE, .uid = 0 });
    cr_assert_eq(inside("d/f").st_mode & 07777, 0644, "refused as a whole");
    ok(FILES_SYMLINK, "pp", "f", "d/l");
    ok(FILES_READLINK, "p", "d/l");
    ok(FILES_LSETSTAT, "pa", "d/l", &(struct attrs){ .flags = ATTRS_TIMES, .atime = 9, .mtime = 9 });
    cr_assert_eq(inside("d/l").st_mtime, 9);
    cr_assert_eq(inside("d/f").st_mtime, 2);
    refused(FX_OP_UNSUPPORTED, FILES_LSETSTAT, "pa", "d/l", &(struct attrs){ .flags = ATTRS_MODE, .mode = 0600 });
    ok(FILES_LINK, "pp", "d/f", "g");
    cr_assert_eq(inside("g").st_nlink, 2);
    refused(FX_FAILURE, FILES_RENAME, "ppu", "g", "d/l", 0u);
    says("exists");
    ok(FILES_RENAME, "ppu", "g", "k", 0u);
    ok(FILES_RENAME, "ppu", "k", "d/l", 1u);
    refused(FX_FAILURE, FILES_RMDIR, "p", "d");
    says("not empty");
    ok(FILES_REMOVE, "p", "d/l");
    ok(FILES_REMOVE, "p", "d/f");
    ok(FILES_RMDIR, "p", "d/");
    refused(FX_NO_SUCH_FILE, FILES_STAT, "p", "d");
    ok(FILES_STATVFS, "p", "");
    ok(FILES_STAT, "p", "");
    refused(FX_PERMISSION_DENIED, FILES_RMDIR, "p", "");
    refused(FX_PERMISSION_DENIED, FILES_RENAME, "ppu", ".", "x", 1u);
    down();
}

Test(files, open_flags_in_all_combinations)
{
    up();
    for (uint32_t flags = 0; flags <= FXF_ALL; flags++)
        for (int there = 0; there < 2; there++) {
            char path[100];
            snprintf(path, sizeof path, "%s/x", rig.in);
            unlink(path);
            if (there)
                put(rig.in, "x", "data");
            int h = file_open("x", flags);
            bool works = flags & (FXF_READ | FXF_WRITE | FXF_APPEND);
            if (there)
                works = works && !(flags & FXF_CREAT && flags & FXF_EXCL);
            else
                works = works && flags & FXF_CREAT;
            cr_assert_eq(h >= 0, works, "flags %u there %d: %s", flags, there, rig.text);
            if (h < 0)
                continue;
            char c = 0;
            if (flags & FXF_READ && there && !(flags & FXF_TRUNC))
                cr_assert(pread(opened_fd, &c, 1, 0) == 1 && c == 'd');
            if (flags & FXF_APPEND)
                cr_assert(pwrite(opened_fd, "!", 1, 0) == 1);
            off_t want = (there && !(flags & FXF_TRUNC) ? 4 : 0) + (flags & FXF_APPEND ? 1 : 0);
            cr_assert_eq(inside("x").st_size, want, "flags %u", flags);
            file_close(h);
        }
    down();
}

Test(files, only_regular_files_are_opened)
{
    up();
    char path[100];
    snprintf(path, sizeof path, "%s/fifo", rig.in);
    cr_assert(mkfifo(path, 0666) == 0);
    own(path);
    snprintf(path, sizeof path, "%s/null", rig.in);
    bool device = mknod(path, S_IFCHR | 0666, 1 << 8 | 3) == 0;
    cr_assert(file_open("fifo", FXF_READ) < 0);
    says("not a regular file");
    cr_assert(file_open("fifo", FXF_WRITE | FXF_CREAT) < 0);
    cr_assert(file_open("fifo", FXF_READ | FXF_WRITE | FXF_TRUNC) < 0);
    ok(FILES_SETSTAT, "pa", "fifo", &(struct attrs){ .flags = ATTRS_TIMES });
    refused(FX_FAILURE, FILES_SETSTAT, "pa", "fifo", &(struct attrs){ .flags = ATTRS_SIZE });
    cr_assert(!device || file_open("null", FXF_READ | FXF_WRITE) < 0);
    cr_assert(file_open("", FXF_READ) < 0);
    says("directory");
    down();
}

Test(files, nothing_leads_out)
{
    static const char *const ways[] = { "../out/f", "d/../../out/f", "up/out/f", "abs/f", "/etc/passwd", "proc/self/root/etc/passwd",
                                        "loop", "upfile" };
    up();
    char abs[100];
    snprintf(abs, sizeof abs, "%s", rig.out);
    ok(FILES_MKDIR, "pa", "d", NULL);
    ok(FILES_SYMLINK, "pp", "..", "up");
    ok(FILES_SYMLINK, "pp", abs, "abs");
    ok(FILES_SYMLINK, "pp", "/proc", "proc");
    ok(FILES_SYMLINK, "pp", "loop", "loop");
    ok(FILES_SYMLINK, "pp", "../out/f", "upfile");
    ok(FILES_SYMLINK, "pp", "../out/made", "dangling");
    for (size_t i = 0; i < countof(ways); i++) {
        cr_assert(file_open(ways[i], FXF_READ) < 0, "%s", ways[i]);
        cr_assert(file_open(ways[i], FXF_WRITE | FXF_CREAT | FXF_TRUNC) < 0, "%s", ways[i]);
        cr_assert(ask(FILES_STAT, "p", ways[i]) != FX_OK, "%s", ways[i]);
        cr_assert(ask(FILES_SETSTAT, "pa", ways[i], &(struct attrs){ .flags = ATTRS_MODE, .mode = 0777 }) != FX_OK, "%s", ways[i]);
        cr_assert(ask(FILES_OPENDIR, "p", ways[i]) != FX_OK, "%s", ways[i]);
    }
    refused(FX_PERMISSION_DENIED, FILES_STAT, "p", "abs/f");
    says("leaves this server's files");
    cr_assert(file_open("dangling", FXF_WRITE | FXF_CREAT) < 0);
    refused(FX_PERMISSION_DENIED, FILES_RENAME, "ppu", "d", "up/d", 1u);
    refused(FX_PERMISSION_DENIED, FILES_LINK, "pp", "up/out/f", "hard");
    refused(FX_PERMISSION_DENIED, FILES_MKDIR, "pa", "abs/d", NULL);
    refused(FX_PERMISSION_DENIED, FILES_REMOVE, "p", "abs/f");
    down();
}

static uint32_t list(const char *path, char names[][256], uint32_t most)
{
    uint32_t count = 0;
    size_t size;
    ok(FILES_OPENDIR, "p", path);
    uint32_t h = msg_get_u32(&rig.answer);
    for (;;) {
        ok(FILES_READDIR, "u", h);
        uint32_t n = msg_get_u32(&rig.answer);
        if (n == 0)
            break;
        while (n-- > 0) {
            const uint8_t *name = msg_get_bytes(&rig.answer, &size);
            cr_assert(count < most && size < 256);
            memcpy(names[count], name, size);
            names[count++][size] = '\0';
            char *line = msg_get_str(&rig.answer);
            cr_assert(strstr(line, names[count - 1]));
            free(line);
            msg_get_bytes(&rig.answer, &size);
        }
        cr_assert(msg_end(&rig.answer));
    }
    close_handle(h);
    return count;
}

static bool listed(char names[][256], uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static void deeper(char *path, size_t size)
{
    size_t len = strlen(path);
    snprintf(path + len, size - len, "dddddddddd/");
}

Test(files, odd_names_and_deep_paths)
{
    static char names[3000][256];
    char longest[256], name[300], deep[5000] = "";
    up();
    memset(longest, 'n', 255);
    longest[255] = '\0';
    const char *const odd[] = { "new\nline", "...", " ", "-rf", "\xff\xfe", "a\tb", "*", longest };
    for (size_t i = 0; i < countof(odd); i++) {
        int h = file_open(odd[i], FXF_WRITE | FXF_CREAT | FXF_EXCL);
        cr_assert(h >= 0, "%s", rig.text);
        file_close(h);
    }
    snprintf(name, sizeof name, "%sx", longest);
    refused(FX_FAILURE, FILES_MKDIR, "pa", name, NULL);
    says("too long");
    uint32_t n = list("", names, countof(names));
    cr_assert_eq(n, countof(odd) + 2);
    for (size_t i = 0; i < countof(odd); i++) {
        cr_assert(listed(names, n, odd[i]));
        ok(FILES_REMOVE, "p", odd[i]);
    }
    while (strlen(deep) < 4000) {
        deeper(deep, sizeof deep);
        ok(FILES_MKDIR, "pa", deep, NULL);
    }
    ok(FILES_STAT, "p", deep);
    while (strlen(deep) < 4500)
        deeper(deep, sizeof deep);
    refused(FX_FAILURE, FILES_STAT, "p", deep);
    says("too long");
    for (int i = 0; i < 2500; i++) {
        snprintf(name, sizeof name, "many%0200d", i);
        put(rig.in, name, "");
    }
    n = list("", names, countof(names));
    cr_assert_eq(n, 2500u + 1 + 2, "a listing in batches is whole");
    cr_assert(listed(names, n, ".") && listed(names, n, ".."));
    down();
}

Test(files, rights_come_first)
{
    up_with(RIGHT_FILES_READ, 1 << 30);
    put(rig.in, "x", "data");
    int h = file_open("x", FXF_READ);
    cr_assert(h >= 0);
    refused(FX_PERMISSION_DENIED, FILES_FSETSTAT, "ua", (uint32_t)h, &(struct attrs){ .flags = ATTRS_TIMES });
    file_close(h);
    cr_assert(file_open("x", FXF_READ | FXF_TRUNC) < 0);
    cr_assert(file_open("x", FXF_WRITE) < 0);
    says("files.write");
    cr_assert(file_open("y", FXF_READ | FXF_CREAT) < 0);
    refused(FX_PERMISSION_DENIED, FILES_REMOVE, "p", "x");
    says("files.delete");
    refused(FX_PERMISSION_DENIED, FILES_MKDIR, "pa", "d", NULL);
    refused(FX_PERMISSION_DENIED, FILES_RENAME, "ppu", "x", "y", 1u);
    cr_assert_eq(inside("x").st_size, 4);
    down();
    up_with(RIGHT_FILES_WRITE, UINT64_C(1) << 50);
    h = file_open("x", FXF_WRITE | FXF_CREAT);
    cr_assert(h >= 0);
    file_close(h);
    cr_assert(file_open("x", FXF_READ) < 0);
    refused(FX_PERMISSION_DENIED, FILES_OPENDIR, "p", "");
    refused(FX_PERMISSION_DENIED, FILES_REMOVE, "p", "x");
    down();
}

Test(files, handles_are_limited)
{
    up();
    put(rig.in, "x", "data");
    int fds[HANDLES];
    for (int i = 0; i < HANDLES; i++) {
        cr_assert_eq(file_open("x", FXF_READ | FXF_WRITE), i);
        fds[i] = opened_fd;
    }
    uint64_t leased = gate_leased(rig.gate);
    cr_assert(file_open("x", FXF_READ | FXF_WRITE) < 0);
    says("too many open handles");
    cr_assert_eq(gate_leased(rig.gate), leased, "the refused open gave its lease back");
    for (int i = 0; i < HANDLES; i++) {
        close(fds[i]);
        close_handle((uint32_t)i);
    }
    cr_assert_eq(gate_leased(rig.gate), 0);
    down();
}

/* On a tmpfs of its own: `used` has to be the disk's. */
static bool up_on_disk(const char *options, uint64_t limit)
{
    folders();
    if (geteuid() != 0 || mount("tmpfs", rig.in, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0) {
        clean_up();
        return false;
    }
    rig.mounted = true;
    own(rig.in);
    start(RIGHT_ALL, limit);
    return true;
}

/* Writes as the session does, in leases.  Returns the bytes written until refused. */
static uint64_t fill(int h, uint64_t piece)
{
    uint64_t at = 0, lease = opened_lease;
    char *zero = mem_new(piece);
    for (;; at += piece) {
        if (lease < piece) {
            if (ask(FILES_LEASE, "uUU", (uint32_t)h, at, piece) != FX_OK)
                break;
            lease = msg_get_u64(&rig.answer);
        }
        cr_assert(pwrite(opened_fd, zero, piece, (off_t)at) == (ssize_t)piece, "the wall was hit before the gate");
        lease -= piece;
    }
    free(zero);
    return at;
}

Test(files, the_gate_stops_at_the_limit)
{
    const uint64_t limit = 8 << 20;
    if (!up_on_disk("size=8m,nr_inodes=1000", limit))
        return;
    int h = file_open("big", FXF_WRITE | FXF_CREAT);
    cr_assert_eq(fill(h, 32768), limit);
    says("quota exceeded (8 MiB of 8 MiB)");
    file_close(h);
    cr_assert_eq(gate_leased(rig.gate), 0);
    cr_assert(file_open("big", FXF_WRITE | FXF_TRUNC) < 0);
    says("quota exceeded (8 MiB of 8 MiB)");
    cr_assert_eq(inside("big").st_size, (off_t)limit, "refused before it was truncated");
    cr_assert(file_open("new", FXF_WRITE | FXF_CREAT) < 0);
    cr_assert_eq(inside("new").st_ino, 0, "nor was anything made");
    h = file_open("big", FXF_READ | FXF_WRITE);
    cr_assert(h >= 0 && opened_lease == 0, "what is there may be written over");
    file_close(h);
    ok(FILES_REMOVE, "p", "big");
    h = file_open("big", FXF_WRITE | FXF_CREAT);
    cr_assert_eq(fill(h, 4096), limit);
    refused(FX_FAILURE, FILES_LEASE, "uUU", (uint32_t)h, UINT64_C(0), UINT64_C(0));
    says("quota exceeded");
    file_close(h);
    down();
}

Test(files, a_limit_below_the_disk_and_one_above)
{
    if (!up_on_disk("size=16m", 4 << 20))
        return;
    int h = file_open("big", FXF_WRITE | FXF_CREAT);
    cr_assert_eq(fill(h, 4096), 4u << 20);
    file_close(h);
    down();
    if (!up_on_disk("size=4m", 16 << 20))
        return;
    h = file_open("big", FXF_WRITE | FXF_CREAT);
    cr_assert_eq(fill(h, 4096), 4u << 20);
    file_close(h);
    down();
}

Test(files, small_files_count_as_blocks)
{
    if (!up_on_disk("size=1m", 1 << 20))
        return;
    char name[32];
    unsigned n = 0;
    for (;; n++) {
        snprintf(name, sizeof name, "f%u", n);
        int h = file_open(name, FXF_WRITE | FXF_CREAT);
        if (h < 0)
            break;
        cr_assert(pwrite(opened_fd, "x", 1, 0) == 1);
        file_close(h);
    }
    cr_assert_eq(n, (1u << 20) / 4096, "%s", rig.text);
    down();
}

Test(files, inodes_have_words_of_their_own)
{
    if (!up_on_disk("size=8m,nr_inodes=20", 8 << 20))
        return;
    char name[32];
    uint32_t status = FX_OK;
    for (int i = 0; i < 40 && status == FX_OK; i++) {
        snprintf(name, sizeof name, "d%d", i);
        status = ask(FILES_MKDIR, "pa", name, NULL);
    }
    cr_assert_eq(status, FX_FAILURE);
    says("20 of 20 files and directories");
    down();
}

Test(files, growing_without_writing_is_free)
{
    if (!up_on_disk("size=8m", 8 << 20))
        return;
    int h = file_open("x", FXF_WRITE | FXF_CREAT);
    ok(FILES_FSETSTAT, "ua", (uint32_t)h, &(struct attrs){ .flags = ATTRS_SIZE, .size = 1 << 30 });
    file_close(h);
    ok(FILES_OPEN, "pua", "x", FXF_WRITE, NULL);
    msg_get_u32(&rig.answer);
    cr_assert_eq(msg_get_u64(&rig.answer), 0, "no part of a file with holes is below the high-water mark");
    refused(FX_FAILURE, FILES_SETSTAT, "pa", "x", &(struct attrs){ .flags = ATTRS_SIZE, .size = UINT64_MAX });
    down();
}

/* --- a server that swaps names while the worker works ------------------------------------------------------------------------- */

static void swap_for_ever(void)
{
    char dir[100], link[100], leaf[100], leaf_link[100];
    snprintf(dir, sizeof dir, "%s/swap", rig.in);
    snprintf(link, sizeof link, "%s/swap.l", rig.in);
    snprintf(leaf, sizeof leaf, "%s/leaf", rig.in);
    snprintf(leaf_link, sizeof leaf_link, "%s/leaf.l", rig.in);
    for (;;) {
        syscall(SYS_renameat2, AT_FDCWD, dir, AT_FDCWD, link, 2u);
        syscall(SYS_renameat2, AT_FDCWD, leaf, AT_FDCWD, leaf_link, 2u);
    }
}

static unsigned reached;   /* how often an operation went through: else the test tests nothing */

static void try_open(const char *path, uint32_t flags)
{
    char seen[16] = "";
    int h = file_open(path, flags);
    if (h < 0)
        return;
    reached++;
    if (flags & FXF_READ)
        cr_assert(pread(opened_fd, seen, sizeof seen - 1, 0) >= 0);
    cr_assert_neq(strcmp(seen, "canary"), 0, "%s led to the canary", path);
    if (flags & FXF_WRITE)
        cr_assert(pwrite(opened_fd, "own", 3, 0) == 3);
    file_close(h);
}

static void try_list(const char *path)
{
    if (ask(FILES_OPENDIR, "p", path) != FX_OK)
        return;
    reached++;
    uint32_t h = msg_get_u32(&rig.answer);
    ok(FILES_READDIR, "u", h);
    cr_assert_null(memmem(rig.answer.body.p, rig.answer.body.len, "only-outside", 12), "a listing of outside");
    close_handle(h);
}

static void one_round(void)
{
    static const struct attrs all = { .flags = ATTRS_SIZE | ATTRS_MODE | ATTRS_TIMES, .size = 3, .mode = 0777, .atime = 1, .mtime = 1 };
    static const char *const leaves[] = { "swap/f", "leaf" };
    for (size_t i = 0; i < countof(leaves); i++) {
        try_open(leaves[i], FXF_READ);
        try_open(leaves[i], FXF_READ | FXF_WRITE | FXF_CREAT | FXF_TRUNC);
        reached += ask(FILES_SETSTAT, "pa", leaves[i], &all) == FX_OK;
        ask(FILES_LSETSTAT, "pa", leaves[i], &all);
        ask(FILES_STAT, "p", leaves[i]);
        ask(FILES_LINK, "pp", leaves[i], "hard");
        ask(FILES_REMOVE, "p", "hard");
        ask(FILES_READLINK, "p", leaves[i]);
        ask(FILES_STATVFS, "p", leaves[i]);
    }
    try_list("swap");
    reached += ask(FILES_MKDIR, "pa", "swap/made", NULL) == FX_OK;
    ask(FILES_RMDIR, "p", "swap/made");
    ask(FILES_SYMLINK, "pp", "f", "swap/link");
    ask(FILES_REMOVE, "p", "swap/link");
    ask(FILES_LINK, "pp", "plain", "swap/hard");
    ask(FILES_RENAME, "ppu", "swap/hard", "swap/hard2", 1u);
    ask(FILES_RENAME, "ppu", "swap/hard2", "back", 0u);
    ask(FILES_REMOVE, "p", "back");
    ask(FILES_REMOVE, "p", "swap/only-outside");
    ask(FILES_RENAME, "ppu", "swap/only-outside", "stolen", 1u);
    ask(FILES_REMOVE, "p", "swap/hard");
    ask(FILES_REMOVE, "p", "swap/hard2");
}

static void canary_lives(const struct stat *before)
{
    char path[100], got[16] = "";
    struct stat now;
    snprintf(path, sizeof path, "%s/f", rig.out);
    CLOSE_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    cr_assert(fd >= 0 && read(fd, got, sizeof got - 1) == 6 && fstat(fd, &now) == 0);
    cr_assert_str_eq(got, "canary");
    cr_assert_eq(now.st_mode, before->st_mode);
    cr_assert_eq(now.st_nlink, 1);
    cr_assert_eq(now.st_ctim.tv_sec, before->st_ctim.tv_sec);
    cr_assert_eq(now.st_ctim.tv_nsec, before->st_ctim.tv_nsec, "nothing about it was changed, not even for a moment");
    snprintf(path, sizeof path, "%s", rig.out);
    cr_assert(stat(path, &now) == 0);
    cr_assert_eq(now.st_mtim.tv_nsec, before[1].st_mtim.tv_nsec, "nothing was made or removed beside it");
}

Test(files, names_swapped_under_it)
{
    struct stat before[2];
    char path[100], target[100];
    up();
    put(rig.out, "only-outside", "x");
    put(rig.in, "plain", "own");
    put(rig.in, "leaf", "own");
    snprintf(path, sizeof path, "%s/swap", rig.in);
    cr_assert(mkdir(path, 0755) == 0);
    own(path);
    put(path, "f", "own");
    snprintf(path, sizeof path, "%s/swap.l", rig.in);
    cr_assert(symlink("../out", path) == 0);
    snprintf(path, sizeof path, "%s/leaf.l", rig.in);
    cr_assert(symlink("../out/f", path) == 0);
    snprintf(target, sizeof target, "%s/f", rig.out);
    cr_assert(stat(target, &before[0]) == 0 && stat(rig.out, &before[1]) == 0);
    pid_t swapper = fork();
    if (swapper == 0)
        swap_for_ever();
    uint64_t until = now_ms() + 4000;
    unsigned rounds = 0;
    while (now_ms() < until) {
        one_round();
        rounds++;
    }
    kill(swapper, SIGKILL);
    waitpid(swapper, NULL, 0);
    canary_lives(before);
    cr_assert(rounds > 200 && reached > rounds / 4, "%u rounds, %u went through", rounds, reached);
    down();
}

Test(files, a_session_that_breaks_a_rule_ends_it)
{
    int status;
    up();
    MSG_FREE struct msg m;
    msg_begin(&m, FILES_CLOSE, 1);
    msg_put_u32(&m, 99);
    msg_put_u64(&m, 0);
    cr_assert(msg_send(rig.link, &m) == 0);
    cr_assert(waitpid(rig.pid, &status, 0) == rig.pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 71, "%x", (unsigned)status);
}
