/* The files worker over its link: every request does what it says, and nothing more. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/rights.h"
#include "t/proc/files_rig.h"

TestSuite(files, .timeout = 60, .fini = rig_clean_up);

Test(files, operations_do_what_they_say)
{
    rig_up();
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
    refused(FX_FAILURE, FILES_LSETSTAT, "pa", "d/l", &(struct attrs){ .flags = ATTRS_MODE, .mode = 0600 });
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
    rig_down();
}

Test(files, open_flags_in_all_combinations)
{
    rig_up();
    for (uint32_t flags = 0; flags <= FXF_ALL; flags++)
        for (int there = 0; there < 2; there++) {
            char path[100];
            snprintf(path, sizeof path, "%s/x", rig.in);
            unlink(path);
            if (there)
                rig_put(rig.in, "x", "data");
            int h = file_open("x", flags);
            bool works = there ? !(flags & FXF_CREAT && flags & FXF_EXCL) : flags & FXF_CREAT;
            cr_assert_eq(h >= 0, works, "flags %u there %d: %s", flags, there, rig.text);
            if (h < 0)
                continue;
            cr_assert_eq(opened_made, !there, "flags %u", flags);
            char c = 0;
            if (flags & FXF_READ && there && !(flags & FXF_TRUNC))
                cr_assert(pread(opened_fd, &c, 1, 0) == 1 && c == 'd');
            if (flags & FXF_APPEND)
                cr_assert(pwrite(opened_fd, "!", 1, 0) == 1);
            off_t want = (there && !(flags & FXF_TRUNC) ? 4 : 0) + (flags & FXF_APPEND ? 1 : 0);
            cr_assert_eq(inside("x").st_size, want, "flags %u", flags);
            file_close(h);
        }
    rig_down();
}

/* Behind a file that was made the next is made unseen: what stands in its way is found, and said, all the same. */
Test(files, what_is_there_is_seen_behind_a_file_that_was_made)
{
    enum { MAKE = FXF_WRITE | FXF_CREAT };
    struct stat out;
    char path[100];
    rig_up();
    rig_put(rig.in, "old", "data");
    snprintf(path, sizeof path, "%s/out", rig.in);
    cr_assert_eq(symlink("../out/new", path), 0);
    snprintf(path, sizeof path, "%s/loose", rig.in);
    cr_assert_eq(symlink("target", path), 0);
    ok(FILES_MKDIR, "pa", "dir", NULL);
    static const struct { const char *path; uint32_t flags, status; } tries[] = {
        { "old", MAKE, FX_OK }, { "old", MAKE | FXF_TRUNC, FX_OK }, { "old", MAKE | FXF_EXCL, FX_FAILURE }, { "dir", MAKE, FX_FAILURE },
        { "dir/", MAKE, FX_FAILURE }, { "none/x", MAKE, FX_NO_SUCH_FILE }, { "none/", MAKE, FX_FAILURE }, { "../x", MAKE, FX_PERMISSION_DENIED },
        { "out", MAKE, FX_PERMISSION_DENIED }, { "loose", MAKE, FX_OK },
    };
    for (size_t i = 0; i < countof(tries); i++) {
        /* The same with and without one that was made before. */
        for (int made = 0; made < 2; made++) {
            FREE_MEM char *before = mem_fmt("before%zu%d", i, made);
            int b = made ? file_open(before, MAKE) : -1;
            cr_assert_eq(b >= 0, made, "%s", rig.text);
            uint64_t leased = gate_leased(rig.gate);
            int h = file_open(tries[i].path, tries[i].flags);
            if (tries[i].status == FX_OK)
                cr_assert(h >= 0, "%s: %s", tries[i].path, rig.text);
            else {
                cr_assert_eq(rig.status, tries[i].status, "%s made %d: %u %s", tries[i].path, made, rig.status, rig.text);
                cr_assert_eq(gate_leased(rig.gate), leased, "%s: the lease went back", tries[i].path);
            }
            if (h >= 0) {
                cr_assert_eq(opened_made, strcmp(tries[i].path, "loose") == 0 && !made, "%s", tries[i].path);
                file_close(h);
            }
            if (b >= 0)
                handle_close((uint32_t)b);
        }
    }
    cr_assert_eq(inside("old").st_size, 0);
    cr_assert(S_ISLNK(inside("loose").st_mode) && S_ISREG(inside("target").st_mode), "made where the link leads, as the kernel does");
    snprintf(path, sizeof path, "%s/new", rig.out);
    cr_assert_eq(lstat(path, &out), -1);
    rig_down();
}

Test(files, only_regular_files_are_opened)
{
    rig_up();
    char path[100];
    snprintf(path, sizeof path, "%s/fifo", rig.in);
    cr_assert(mkfifo(path, 0666) == 0);
    rig_own(path);
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
    rig_down();
}

Test(files, nothing_leads_out)
{
    static const char *const ways[] = { "../out/f", "d/../../out/f", "up/out/f", "abs/f", "/etc/passwd", "proc/self/root/etc/passwd",
                                        "loop", "upfile" };
    rig_up();
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
    rig_down();
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
    handle_close(h);
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

/* KiB of the worker's heap that are in memory; 0 where that cannot be seen. */
static unsigned heap(void)
{
    char line[512];
    unsigned kib = 0;
    bool here = false;
    FREE_MEM char *path = mem_fmt("/proc/%d/smaps", (int)rig.pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f) && !(here && sscanf(line, "Rss: %u", &kib) == 1))
        here = here || strstr(line, "[heap]");
    if (f)
        fclose(f);
    return kib;
}

Test(files, gives_back_what_a_listing_took)
{
    static char names[200][256];
    char name[16];
    rig_up();
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "n%d", i);
        rig_put(rig.in, name, "");
    }
    cr_assert_geq(list("", names, 200), 100);
    cr_assert_leq(heap(), 24, "%u KiB", heap());
    rig_down();
}

Test(files, odd_names_and_deep_paths)
{
    static char names[3000][256];
    char longest[256], name[300], deep[5000] = "";
    rig_up();
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
        rig_put(rig.in, name, "");
    }
    n = list("", names, countof(names));
    cr_assert_eq(n, 2500u + 1 + 2, "a listing in batches is whole");
    cr_assert(listed(names, n, ".") && listed(names, n, ".."));
    rig_down();
}

Test(files, rights_come_first)
{
    rig_up_with(RIGHT_FILES_READ, 1 << 30);
    rig_put(rig.in, "x", "data");
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
    rig_down();
    rig_up_with(RIGHT_FILES_WRITE, UINT64_C(1) << 50);
    h = file_open("x", FXF_WRITE | FXF_CREAT);
    cr_assert(h >= 0);
    file_close(h);
    cr_assert(file_open("x", FXF_READ) < 0);
    refused(FX_PERMISSION_DENIED, FILES_OPENDIR, "p", "");
    refused(FX_PERMISSION_DENIED, FILES_REMOVE, "p", "x");
    rig_down();
}

/* What is there stays as it is, by whatever name and by whatever request; what one makes is one's own until it is closed. */
Test(files, create_makes_and_changes_nothing)
{
    rig_up_with(RIGHT_FILES_READ | RIGHT_FILES_CREATE, UINT64_C(1) << 50);
    rig_put(rig.in, "old", "data");
    FREE_MEM char *link_path = mem_fmt("%s/link", rig.in);
    FREE_MEM char *dangling = mem_fmt("%s/dangling", rig.in);
    cr_assert(symlink("old", link_path) == 0 && symlink("nothing", dangling) == 0);
    static const uint32_t tries[] = { FXF_WRITE, FXF_WRITE | FXF_TRUNC, FXF_WRITE | FXF_APPEND, FXF_WRITE | FXF_CREAT, FXF_WRITE | FXF_CREAT | FXF_TRUNC,
                                      FXF_READ | FXF_CREAT, FXF_CREAT, FXF_TRUNC, FXF_READ | FXF_TRUNC, FXF_WRITE | FXF_CREAT | FXF_APPEND };
    for (size_t i = 0; i < countof(tries); i++) {
        cr_assert(file_open("old", tries[i]) < 0, "%x", tries[i]);
        cr_assert(file_open("link", tries[i]) < 0, "%x", tries[i]);
        if (tries[i] & FXF_CREAT)
            says("it exists already, and you may make new files here");
        else
            says("files.write");
        cr_assert(file_open("dangling", tries[i]) < 0, "%x", tries[i]);
    }
    cr_assert_eq(inside("old").st_size, 4);
    cr_assert_eq(inside("nothing").st_ino, 0);
    int old = file_open("old", FXF_READ);
    cr_assert(old >= 0);
    refused(FX_PERMISSION_DENIED, FILES_FSETSTAT, "ua", (uint32_t)old, &(struct attrs){ .flags = ATTRS_MODE, .mode = 0600 });
    says("not change what is there");
    static const struct attrs times = { .flags = ATTRS_TIMES }, mode = { .flags = ATTRS_MODE, .mode = 0777 }, size = { .flags = ATTRS_SIZE };
    refused(FX_PERMISSION_DENIED, FILES_SETSTAT, "pa", "old", &mode);
    refused(FX_PERMISSION_DENIED, FILES_SETSTAT, "pa", "old", &size);
    refused(FX_PERMISSION_DENIED, FILES_LSETSTAT, "pa", "old", &times);
    refused(FX_PERMISSION_DENIED, FILES_REMOVE, "p", "old");
    refused(FX_PERMISSION_DENIED, FILES_RENAME, "ppu", "old", "older", 0u);
    refused(FX_PERMISSION_DENIED, FILES_LINK, "pp", "old", "second");
    refused(FX_PERMISSION_DENIED, FILES_SYMLINK, "pp", "old", "second");
    ok(FILES_MKDIR, "pa", "d", NULL);
    refused(FX_FAILURE, FILES_MKDIR, "pa", "d", NULL);
    refused(FX_PERMISSION_DENIED, FILES_RMDIR, "p", "d");
    refused(FX_PERMISSION_DENIED, FILES_SETSTAT, "pa", "d", &mode);

    int new = file_open("d/new", FXF_WRITE | FXF_CREAT | FXF_TRUNC);
    cr_assert(new >= 0 && opened_made && opened_lease > 0, "%s", rig.text);
    cr_assert_eq(write(opened_fd, "fresh", 5), 5);
    ok(FILES_LEASE, "uUU", (uint32_t)new, UINT64_C(0), UINT64_C(4096));
    ok(FILES_FSETSTAT, "ua", (uint32_t)new, &mode);
    ok(FILES_FSETSTAT, "ua", (uint32_t)new, &times);
    ok(FILES_COPY, "uUUuU", (uint32_t)old, UINT64_C(0), UINT64_C(4), (uint32_t)new, UINT64_C(5));
    ok(FILES_FSYNC, "u", (uint32_t)new);
    refused(FX_FAILURE, FILES_COPY, "uUUuU", (uint32_t)new, UINT64_C(0), UINT64_C(4), (uint32_t)old, UINT64_C(0));
    file_close(new);
    file_close(old);
    cr_assert_eq(inside("d/new").st_size, 9);
    cr_assert_eq(inside("d/new").st_mode & 0777, 0777);
    cr_assert(file_open("d/new", FXF_WRITE | FXF_CREAT | FXF_TRUNC) < 0, "its own, once closed, as well");
    cr_assert(file_open("d/new", FXF_WRITE) < 0);
    cr_assert_eq(inside("old").st_size, 4);
    rig_down();
}

Test(files, handles_are_limited)
{
    rig_up();
    rig_put(rig.in, "x", "data");
    int fds[RIG_HANDLES];
    for (int i = 0; i < RIG_HANDLES; i++) {
        cr_assert_eq(file_open("x", FXF_READ | FXF_WRITE), i);
        fds[i] = opened_fd;
    }
    uint64_t leased = gate_leased(rig.gate);
    cr_assert(file_open("x", FXF_READ | FXF_WRITE) < 0);
    says("too many open handles");
    cr_assert_eq(gate_leased(rig.gate), leased, "the refused open gave its lease back");
    for (int i = 0; i < RIG_HANDLES; i++) {
        close(fds[i]);
        handle_close((uint32_t)i);
    }
    cr_assert_eq(gate_leased(rig.gate), 0);
    cr_assert_eq(gate_leased(rig.handles), 0);
    rig_down();
}

Test(files, the_account_and_the_machine_limit_them_too)
{
    rig_up();
    rig_put(rig.in, "x", "data");
    int other = gate_slot_take(rig.handles);
    cr_assert_eq(gate_take(rig.handles, (unsigned)other, 0, RIG_ACCOUNT - 1, 1), RIG_ACCOUNT - 1, "another channel of the account");
    int h = file_open("x", FXF_READ);
    cr_assert_eq(gate_leased(rig.handles), RIG_ACCOUNT);
    int fd = opened_fd;
    cr_assert(file_open("new", FXF_WRITE | FXF_CREAT) < 0);
    cr_assert_str_eq(rig.text, "too many open handles: your account has 100 of 100 open (per account 100)");
    cr_assert_eq(inside("new").st_ino, 0, "nothing was made");
    cr_assert(file_open("x", FXF_WRITE | FXF_TRUNC) < 0);
    cr_assert_eq(inside("x").st_size, 4, "nor truncated");
    refused(FX_FAILURE, FILES_OPENDIR, "p", "");
    says("your account has 100 of 100");
    gate_give(rig.handles, (unsigned)other, 10);
    gate_set_limit(rig.handles, 60);
    refused(FX_FAILURE, FILES_OPENDIR, "p", "");
    cr_assert_str_eq(rig.text, "too many open handles: your account has 90 of 60 open (per account 100); this machine shares 200 among "
                               "those connected");
    cr_assert_eq(gate_leased(rig.handles), 90, "a refused one is not counted");
    close(fd);
    handle_close((uint32_t)h);
    cr_assert_eq(gate_leased(rig.handles), 89);
    gate_give(rig.handles, (unsigned)other, 40);
    cr_assert(file_open("none", FXF_READ) < 0);
    refused(FX_NO_SUCH_FILE, FILES_OPENDIR, "p", "none");
    cr_assert_eq(gate_leased(rig.handles), 49, "nor one that failed");
    for (int i = 0; i < 50; i++) {
        ok(FILES_OPENDIR, "p", "");
        handle_close(msg_get_u32(&rig.answer));
    }
    cr_assert_eq(gate_leased(rig.handles), 49);
    rig_down();
}

static void put_close(struct msg *many, uint32_t handle)
{
    MSG_FREE struct msg m;
    msg_begin(&m, FILES_CLOSE, 0);
    msg_put_u32(&m, handle);
    msg_put_u64(&m, 0);
    msg_put_u32(many, FILES_CLOSE);
    msg_put_bytes(many, m.body.p, m.body.len);
}

static void put_look(struct msg *many)
{
    MSG_FREE struct msg m;
    msg_begin(&m, FILES_STAT, 0);
    msg_put_str(&m, "");
    msg_put_u32(many, FILES_STAT);
    msg_put_bytes(many, m.body.p, m.body.len);
}

Test(files, several_in_one_message_are_done_in_their_order)
{
    rig_up();
    int fds[2], h[2];
    for (int i = 0; i < 2; i++) {
        h[i] = file_open(i ? "b" : "a", FXF_WRITE | FXF_CREAT);
        fds[i] = opened_fd;
    }
    MSG_FREE struct msg m;
    msg_begin(&m, FILES_MANY, 77);
    put_close(&m, (uint32_t)h[0]);
    put_close(&m, (uint32_t)h[1]);
    put_look(&m);
    cr_assert(msg_send(rig.link, &m) == 0);
    MSG_FREE struct msg answer;
    cr_assert_eq(msg_recv(rig.link, &answer), 1);
    cr_assert(answer.type == FILES_ANSWER && answer.id == 77);
    cr_assert_eq(msg_get_u32(&answer), FX_OK);
    cr_assert_eq(gate_leased(rig.gate), 0, "both were closed before");
    cr_assert_eq(gate_leased(rig.handles), 0);
    ok(FILES_STAT, "p", "");
    for (int i = 0; i < 2; i++)
        close(fds[i]);
    rig_down();
}

static void ends_worker(struct msg *m)
{
    int status;
    cr_assert(msg_send(rig.link, m) == 0);
    cr_assert(waitpid(rig.pid, &status, 0) == rig.pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 71, "%x", (unsigned)status);
}

Test(files, nothing_that_is_answered_stands_in_front)
{
    rig_up();
    MSG_FREE struct msg m;
    msg_begin(&m, FILES_MANY, 1);
    put_look(&m);
    put_look(&m);
    ends_worker(&m);
}

Test(files, several_within_several_end_it)
{
    rig_up();
    MSG_FREE struct msg inner, m;
    msg_begin(&inner, FILES_MANY, 0);
    put_look(&inner);
    msg_begin(&m, FILES_MANY, 1);
    msg_put_u32(&m, FILES_MANY);
    msg_put_bytes(&m, inner.body.p, inner.body.len);
    ends_worker(&m);
}

Test(files, none_in_several_ends_it)
{
    rig_up();
    MSG_FREE struct msg m;
    msg_begin(&m, FILES_MANY, 1);
    ends_worker(&m);
}

Test(files, a_type_beyond_them_all_ends_it)
{
    rig_up();
    MSG_FREE struct msg m;
    msg_begin(&m, FILES_MANY, 1);
    msg_put_u32(&m, 0x10000u + FILES_STAT);
    msg_put_bytes(&m, "", 0);
    ends_worker(&m);
}

Test(files, a_session_that_breaks_a_rule_ends_it)
{
    int status;
    rig_up();
    MSG_FREE struct msg m;
    msg_begin(&m, FILES_CLOSE, 1);
    msg_put_u32(&m, 99);
    msg_put_u64(&m, 0);
    cr_assert(msg_send(rig.link, &m) == 0);
    cr_assert(waitpid(rig.pid, &status, 0) == rig.pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 71, "%x", (unsigned)status);
}
