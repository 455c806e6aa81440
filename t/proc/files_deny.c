/* What the admin hides from everybody: no request of the files worker sees or touches it, by whatever way. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/rights.h"
#include "sshd/files/requests.h"
#include "t/proc/files_rig.h"

TestSuite(files_deny, .timeout = 60, .fini = rig_clean_up);

static const char *const patterns[] = { "*.pem", "hidden", "keys/*.key", "a/b/c", NULL };

static void folder(const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", rig.in, name);
    cr_assert(mkdir(path, 0755) == 0);
    rig_own(path);
}

static void linked(const char *target, const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", rig.in, name);
    cr_assert(symlink(target, path) == 0);
    rig_own(path);
}

static void up(void)
{
    static const char *const folders[] = { "hidden", "hidden/d", "keys", "d", "a", "a/b", "a/b/c", "d/hidden" };
    static const char *const files[] = { "secret.pem", "hidden/f", "hidden/d/f", "keys/a.key", "keys/plain", "d/deep.pem", "d/x", "own", "a/b/c/f" };
    rig.deny = patterns;
    rig_up();
    for (size_t i = 0; i < countof(folders); i++)
        folder(folders[i]);
    for (size_t i = 0; i < countof(files); i++)
        rig_put(rig.in, files[i], "canary");
    linked("secret.pem", "l");
    linked("hidden", "lh");
    linked("keys", "lk");
    linked("d/../hidden/f", "d/up");
    linked("new.pem", "dangling");
    linked("../d/fine", "d/fine.l");
    linked("../lh/d/none", "d/none");
}

/* Requests with paths: the rest of their fields, and whether a symbolic link at the end is followed. */
static const struct shape { uint16_t type; const char *fields; bool follows; } shapes[] = {
    { FILES_OPEN, "pua", true },   { FILES_OPENDIR, "p", true },   { FILES_STAT, "p", true },      { FILES_LSTAT, "p", false },
    { FILES_SETSTAT, "pa", true }, { FILES_LSETSTAT, "pa", false }, { FILES_MKDIR, "pa", false },   { FILES_RMDIR, "p", false },
    { FILES_REMOVE, "p", false },  { FILES_RENAME, "ppu", false }, { FILES_LINK, "pp", false },    { FILES_SYMLINK, "pp", false },
    { FILES_READLINK, "p", false }, { FILES_STATVFS, "p", true },   { FILES_DU, "upu", false },
};

static const struct shape *shape_of(uint16_t type)
{
    for (size_t i = 0; i < countof(shapes); i++)
        if (shapes[i].type == type)
            return &shapes[i];
    cr_assert(0, "request %x has paths and no row in this test", type);
    return NULL;
}

static uint32_t ask_with(const struct shape *s, int which, const char *path)
{
    static const struct attrs attrs = { .flags = ATTRS_MODE | ATTRS_TIMES, .mode = 0640, .atime = 1, .mtime = 1 };
    const char *first = which == 0 ? path : "own", *second = which == 1 ? path : "own.2";
    if (strcmp(s->fields, "p") == 0)
        return ask(s->type, "p", path);
    if (strcmp(s->fields, "pa") == 0)
        return ask(s->type, "pa", path, &attrs);
    if (strcmp(s->fields, "pp") == 0)
        return ask(s->type, "pp", first, second);
    if (strcmp(s->fields, "upu") == 0)
        return ask(s->type, "upu", (uint32_t)DU_BEGIN, path, 0u);
    if (strcmp(s->fields, "ppu") == 0)
        return ask(s->type, "ppu", first, second, 1u);
    return ask(s->type, "pua", path, (uint32_t)(FXF_READ | FXF_WRITE | FXF_CREAT | FXF_TRUNC), &attrs);
}

static void walk(uint16_t type, int which)
{
    static const struct { const char *path, *pattern; bool link; } ways[] = {
        { "secret.pem", "*.pem", false },      { "none.pem", "*.pem", false },         { "d/deep.pem", "*.pem", false },
        { "d/../secret.pem", "*.pem", false }, { "hidden", "hidden", false },          { "hidden/f", "hidden", false },
        { "hidden/none", "hidden", false },    { "hidden/d/../../own", "hidden", false }, { "keys/a.key", "keys/*.key", false },
        { "keys/../keys/a.key", "keys/*.key", false }, { "lk/a.key", "keys/*.key", false }, { "lk/none.key", "keys/*.key", false },
        { "lh/f", "hidden", false },           { "lh/d", "hidden", false },            { "lh/d/f", "hidden", false },
        { "a/b/c", "a/b/c", false },           { "a/b/c/f", "a/b/c", false },          { "./d/.././a/b/c/f", "a/b/c", false },
        { "l", "*.pem", true },                { "lh", "hidden", true },               { "d/up", "hidden", true },
        { "lk/../lh", "hidden", true },        { "lh/none", "hidden", false },         { "lh/none/none", "hidden", false },
        { "lh/f/none", "hidden", false },      { "lh/none/../x", "hidden", false },    { "dangling", "*.pem", true },
        { "d/none", "hidden", true },
    };
    const struct shape *s = shape_of(type);
    for (size_t i = 0; i < countof(ways); i++) {
        char words[100];
        if (ways[i].link && !s->follows)
            continue;
        uint32_t status = ask_with(s, which, ways[i].path);
        cr_assert_eq(status, FX_PERMISSION_DENIED, "request %x path %d %s: %u %s", type, which, ways[i].path, status, rig.text);
        snprintf(words, sizeof words, "hidden by the admin (deny = %s)", ways[i].pattern);
        says(words);
    }
}

static void all_as_it_was(void)
{
    static const char *const files[] = { "secret.pem", "hidden/f", "hidden/d/f", "keys/a.key", "d/deep.pem", "a/b/c/f", "own" };
    static const char *const none[] = { "none.pem", "new.pem", "hidden/none", "keys/none.key", "own.2" };
    for (size_t i = 0; i < countof(files); i++) {
        struct stat st = inside(files[i]);
        cr_assert(st.st_size == 6 && (st.st_mode & 07777) == 0644 && st.st_mtime > 1 && st.st_nlink == 1, "%s", files[i]);
    }
    for (size_t i = 0; i < countof(none); i++)
        cr_assert_eq(inside(none[i]).st_ino, 0, "%s", none[i]);
}

Test(files_deny, every_request_by_every_way)
{
    static const struct { uint16_t type; enum path_use use[2]; } all[] = {
#define R(type, rights, changes, answered, first, second, fn) { type, { first, second } },
        FILES_REQUESTS(R)
#undef R
    };
    unsigned walked = 0;
    up();
    for (size_t i = 0; i < countof(all); i++)
        for (int which = 0; which < 2; which++)
            if (all[i].use[which] != PATH_NONE && all[i].use[which] != PATH_TEXT) {
                walk(all[i].type, which);
                walked++;
            }
    cr_assert_eq(walked, countof(shapes) + 2);
    all_as_it_was();
    rig_down();
}

Test(files_deny, what_is_not_hidden_works_as_ever)
{
    up();
    int h = file_open("keys/plain", FXF_READ | FXF_WRITE);
    cr_assert(h >= 0, "%s", rig.text);
    file_close(h);
    ok(FILES_LSTAT, "p", "l");
    ok(FILES_READLINK, "p", "l");
    ok(FILES_OPENDIR, "p", "lk");
    handle_close(msg_get_u32(&rig.answer));
    ok(FILES_STAT, "p", "");
    ok(FILES_SYMLINK, "pp", "secret.pem", "words");
    refused(FX_PERMISSION_DENIED, FILES_STAT, "p", "words");
    ok(FILES_REMOVE, "p", "l");
    ok(FILES_MKDIR, "pa", "keys/d", NULL);
    ok(FILES_RENAME, "ppu", "keys/d", "elsewhere", 0u);
    ok(FILES_RENAME, "ppu", "elsewhere", "keys/e", 0u);
    ok(FILES_RMDIR, "p", "keys/e");
    ok(FILES_RENAME, "ppu", "d/x", "a/b/y", 0u);
    rig_down();
}

Test(files_deny, a_new_file_only_where_it_may_be)
{
    up();
    cr_assert(file_open("dangling", FXF_WRITE | FXF_CREAT) < 0);
    says("hidden by the admin (deny = *.pem)");
    cr_assert_eq(inside("new.pem").st_ino, 0);
    int h = file_open("d/fine.l", FXF_WRITE | FXF_CREAT | FXF_TRUNC);
    cr_assert(h >= 0, "a link that leads nowhere is followed: %s", rig.text);
    file_close(h);
    cr_assert(S_ISREG(inside("d/fine").st_mode) && S_ISLNK(inside("d/fine.l").st_mode));
    cr_assert(file_open("d/fine.l", FXF_WRITE | FXF_CREAT | FXF_EXCL) < 0);
    says("exists");
    cr_assert(file_open("new/", FXF_WRITE | FXF_CREAT) < 0);
    says("directory");
    linked("loop", "loop");
    cr_assert(file_open("loop", FXF_WRITE | FXF_CREAT) < 0);
    says("symbolic links");
    linked("/etc/made", "absolute");
    cr_assert(file_open("absolute", FXF_WRITE | FXF_CREAT) < 0);
    says("leaves this server's files");
    linked("chain.2", "chain.1");
    linked("d/../chain.3", "chain.2");
    linked("end", "chain.3");
    h = file_open("chain.1", FXF_WRITE | FXF_CREAT);
    cr_assert(h >= 0, "%s", rig.text);
    file_close(h);
    cr_assert(S_ISREG(inside("end").st_mode));
    rig_down();
}

Test(files_deny, what_leads_there_stays)
{
    up();
    refused(FX_PERMISSION_DENIED, FILES_RENAME, "ppu", "keys", "k2", 0u);
    says("kept as it is by the admin, for what is hidden below it (deny = keys/*.key)");
    refused(FX_PERMISSION_DENIED, FILES_RENAME, "ppu", "a", "a2", 0u);
    refused(FX_PERMISSION_DENIED, FILES_RENAME, "ppu", "a/b", "b2", 0u);
    refused(FX_PERMISSION_DENIED, FILES_RENAME, "ppu", "lk/../keys/", "k2", 0u);
    refused(FX_PERMISSION_DENIED, FILES_RMDIR, "p", "keys");
    refused(FX_PERMISSION_DENIED, FILES_RMDIR, "p", "a/b");
    cr_assert(S_ISDIR(inside("keys").st_mode) && S_ISDIR(inside("a/b").st_mode));
    rig_run((const char *const[]){ "rm", "-r", mem_fmt("%s/keys", rig.in), NULL });
    refused(FX_PERMISSION_DENIED, FILES_SYMLINK, "pp", "d", "keys");
    says("kept as it is");
    ok(FILES_SYMLINK, "pp", "d", "aside");
    refused(FX_PERMISSION_DENIED, FILES_RENAME, "ppu", "aside", "keys", 0u);
    refused(FX_PERMISSION_DENIED, FILES_LINK, "pp", "aside", "keys");
    refused(FX_PERMISSION_DENIED, FILES_RENAME, "ppu", "d", "keys", 0u);
    cr_assert_eq(inside("keys").st_ino, 0);
    ok(FILES_LINK, "pp", "own", "keys");
    ok(FILES_REMOVE, "p", "keys");
    ok(FILES_MKDIR, "pa", "keys", NULL);
    ok(FILES_RENAME, "ppu", "d", "d2", 0u);
    refused(FX_PERMISSION_DENIED, FILES_STAT, "p", "d2/deep.pem");
    rig_down();
}

static bool in_listing(const char *dir, const char *name)
{
    char quoted[64];
    ok(FILES_OPENDIR, "p", dir);
    uint32_t h = msg_get_u32(&rig.answer);
    ok(FILES_READDIR, "u", h);
    int n = snprintf(quoted, sizeof quoted, " %s", name);
    bool found = memmem(rig.answer.body.p, rig.answer.body.len, quoted, (size_t)n) != NULL;
    handle_close(h);
    return found;
}

Test(files_deny, listings_do_not_show_it)
{
    up();
    cr_assert(!in_listing("", "secret.pem") && !in_listing("", "hidden") && !in_listing("d", "deep.pem") && !in_listing("d", "hidden"));
    cr_assert(!in_listing("keys", "a.key") && !in_listing("lk", "a.key") && !in_listing("a/b", "c"));
    cr_assert(in_listing("", "own") && in_listing("", "l") && in_listing("keys", "plain") && in_listing("", "keys") && in_listing("", ".."));
    rig_down();
    rig.deny = (const char *const[]){ ".*", "??", NULL };
    rig_up();
    rig_put(rig.in, ".profile", "x");
    rig_put(rig.in, "xy", "x");
    rig_put(rig.in, "abc", "x");
    cr_assert(in_listing("", ".") && in_listing("", "..") && in_listing("", "abc"));
    cr_assert(!in_listing("", ".profile") && !in_listing("", "xy"));
    rig_down();
}

Test(files_deny, a_place_that_cannot_be_told_is_refused)
{
    char path[200], deep[4200] = "", *at = deep;
    up();
    ok(FILES_OPENDIR, "p", "d");
    uint32_t h = msg_get_u32(&rig.answer);
    snprintf(path, sizeof path, "%s/d", rig.in);
    char out[200];
    snprintf(out, sizeof out, "%s/d", rig.out);
    cr_assert(rename(path, out) == 0);
    ok(FILES_READDIR, "u", h);
    cr_assert_null(memmem(rig.answer.body.p, rig.answer.body.len, "deep.pem", 8), "moved outside it shows nothing");
    handle_close(h);
    /* Deeper than the kernel tells. */
    snprintf(path, sizeof path, "%s", rig.in);
    CLOSE_FD int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 20; i++) {
        char name[221];
        memset(name, 'n', 220);
        name[220] = '\0';
        cr_assert(mkdirat(dir, name, 0755) == 0 && fchownat(dir, name, geteuid() ? getuid() : RIG_UID, (gid_t)-1, 0) == 0);
        int next = openat(dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        close(dir);
        dir = next;
        if (i < 18)
            at += snprintf(at, sizeof deep - (size_t)(at - deep), "%s/", name);
    }
    ok(FILES_STAT, "p", deep);
    deep[10 * 221 - 1] = '\0';
    linked(deep, "half");
    char whole[4096];
    snprintf(whole, sizeof whole, "half/%s", deep);
    refused(FX_FAILURE, FILES_STAT, "p", whole);
    says("name too long");
    rig_down();
}

/* ---- a server that swaps names meanwhile ---- */

static void swap_for_ever(const char *a, const char *b)
{
    char one[200], two[200];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(rig.link);
    snprintf(one, sizeof one, "%s/%s", rig.in, a);
    snprintf(two, sizeof two, "%s/%s", rig.in, b);
    for (;;)
        syscall(SYS_renameat2, AT_FDCWD, one, AT_FDCWD, two, 2u);
}

static pid_t swapper(const char *a, const char *b)
{
    pid_t pid = fork();
    if (pid == 0)
        swap_for_ever(a, b);
    return pid;
}

static unsigned came, kept;

static void try_read(const char *path, uint32_t flags)
{
    char seen[16] = "";
    int h = file_open(path, flags);
    if (h < 0) {
        kept += strstr(rig.text, "hidden") != NULL;
        return;
    }
    came++;
    cr_assert(pread(opened_fd, seen, sizeof seen - 1, 0) >= 0);
    cr_assert_neq(strcmp(seen, "canary"), 0, "%s came out", path);
    if (flags & FXF_WRITE)
        cr_assert(pwrite(opened_fd, "open", 4, 0) == 4);
    file_close(h);
}

static void try_size(const char *path)
{
    struct attrs a;
    size_t size;
    if (ask(FILES_STAT, "p", path) != FX_OK)
        return;
    const uint8_t *p = msg_get_bytes(&rig.answer, &size);
    struct buf view = { .p = (uint8_t *)(uintptr_t)p, .len = size, .cap = size, .max = size };
    attrs_get(&view, &a);
    cr_assert(a.size != 6, "the size of what is hidden came out");
}

Test(files_deny, a_link_swapped_meanwhile)
{
    static const struct attrs attrs = { .flags = ATTRS_SIZE | ATTRS_MODE | ATTRS_TIMES, .size = 1, .mode = 0600, .atime = 1, .mtime = 1 };
    char path[200];
    struct stat before, now;
    up();
    rig_put(rig.in, "public", "open");
    linked("public", "swap");
    linked("secret.pem", "swap.2");
    folder("pub");
    rig_put(rig.in, "pub/f", "open");
    linked("pub", "dir");
    linked("hidden", "dir.2");
    linked("made.txt", "make");
    linked("made.pem", "make.2");
    snprintf(path, sizeof path, "%s/secret.pem", rig.in);
    cr_assert(stat(path, &before) == 0);
    const pid_t pids[] = { swapper("swap", "swap.2"), swapper("dir", "dir.2"), swapper("make", "make.2") };
    uint64_t until = now_ms() + 5000;
    while (now_ms() < until) {
        try_read("swap", FXF_READ);
        try_read("swap", FXF_READ | FXF_WRITE | FXF_CREAT | FXF_TRUNC);
        try_read("dir/f", FXF_READ);
        try_read("dir/f", FXF_READ | FXF_WRITE | FXF_TRUNC);
        try_size("swap");
        try_size("dir/f");
        ask(FILES_SETSTAT, "pa", "swap", &attrs);
        ask(FILES_REMOVE, "p", "dir/d");
        ask(FILES_RENAME, "ppu", "dir/f", "stolen", 1u);
        ask(FILES_RENAME, "ppu", "stolen", "dir/f", 1u);
        int h = file_open("make", FXF_WRITE | FXF_CREAT);
        if (h >= 0)
            file_close(h);
        ask(FILES_REMOVE, "p", "made.txt");
        cr_assert_eq(inside("made.pem").st_ino, 0, "a hidden file was made");
    }
    for (size_t i = 0; i < countof(pids); i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    cr_assert(came > 100 && kept > 100, "%u came, %u were kept", came, kept);
    cr_assert(stat(path, &now) == 0);
    cr_assert(now.st_size == 6 && now.st_ctim.tv_nsec == before.st_ctim.tv_nsec && now.st_ctim.tv_sec == before.st_ctim.tv_sec);
    cr_assert_eq(inside("hidden/f").st_size, 6);
    rig_down();
}

/* Unlinked between the open and the question where it is, a file is told with another name; it stays hidden. */
Test(files_deny, a_file_removed_meanwhile)
{
    char path[200], other[200];
    up();
    linked("turn.pem", "turn");
    snprintf(path, sizeof path, "%s/turn.pem", rig.in);
    snprintf(other, sizeof other, "%s/turn.new", rig.in);
    rig_put(rig.in, "turn.pem", "canary");
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(rig.link);
        for (;;) {
            rig_put(rig.in, "turn.new", "canary");
            rename(other, path);
        }
    }
    uint64_t until = now_ms() + 2000;
    while (now_ms() < until)
        try_read("turn", FXF_READ);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    cr_assert_eq(came, 0);
    cr_assert_gt(kept, 100u);
    rig_down();
}
