/* du, as the session asks for it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rights.h"
#include "t/proc/files_rig.h"

TestSuite(files_du, .timeout = 120, .fini = rig_clean_up);

static struct { uint64_t bytes, size, files, directories, unreadable; uint32_t n, slices; } du;

/* To its end. */
static uint32_t du_of(const char *path, uint32_t top)
{
    uint32_t status = ask(FILES_DU, "upu", (uint32_t)DU_BEGIN, path, top), done = 0;
    for (du.slices = 0; status == FX_OK && !done; du.slices++) {
        if (du.slices)
            cr_assert_eq(ask(FILES_DU, "upu", (uint32_t)DU_GO_ON, "", UINT32_C(0)), FX_OK);
        done = msg_get_u32(&rig.answer);
        du.bytes = msg_get_u64(&rig.answer);
        du.size = msg_get_u64(&rig.answer);
        du.files = msg_get_u64(&rig.answer);
        du.directories = msg_get_u64(&rig.answer);
        du.unreadable = msg_get_u64(&rig.answer);
        du.n = msg_get_u32(&rig.answer);
        cr_assert_lt(du.slices, 100000);
    }
    return status;
}

static void tree(void)
{
    char path[200];
    static char text[20001];
    memset(text, 'x', sizeof text - 1);
    static const char *const folders[] = { "a", "a/b", "secret", "empty" };
    for (size_t i = 0; i < countof(folders); i++) {
        snprintf(path, sizeof path, "%s/%s", rig.in, folders[i]);
        cr_assert(mkdir(path, 0755) == 0);
        rig_own(path);
    }
    rig_put(rig.in, "a/f", text);
    rig_put(rig.in, "a/b/g", "small");
    rig_put(rig.in, "secret/s", text);
    char other[200];
    snprintf(path, sizeof path, "%s/a/f", rig.in);
    snprintf(other, sizeof other, "%s/a/b/again", rig.in);
    cr_assert(link(path, other) == 0);
    snprintf(path, sizeof path, "%s/a/out", rig.in);
    cr_assert(symlink(rig.out, path) == 0);
}

Test(files_du, sums_and_the_largest)
{
    rig_up();
    tree();
    cr_assert_eq(du_of("", 2), FX_OK, "%s", rig.text);
    cr_assert_eq(du.files, 4, "one of two names; the link as itself");
    cr_assert_eq(du.directories, 5);
    cr_assert_eq(du.unreadable, 0);
    cr_assert_eq(du.n, 4);
    cr_assert_eq(msg_get_u32(&rig.answer), 1);
    uint64_t bytes = msg_get_u64(&rig.answer);
    FREE_MEM char *path = msg_get_str(&rig.answer);
    cr_assert_str_eq(path, "a");
    cr_assert_geq(bytes, 20480 + 4096);
    cr_assert_eq(du_of("a/f", 0), FX_OK);
    cr_assert_eq(du.size, 20000);
    cr_assert_eq(du.files, 1);
    cr_assert_eq(du.directories, 0);
    cr_assert_eq(du_of("a/out", 0), FX_OK, "a link is not followed");
    cr_assert_eq(du.directories, 0);
    cr_assert_eq(du_of("nothing", 0), FX_NO_SUCH_FILE);
    cr_assert_eq(du_of("../out", 0), FX_PERMISSION_DENIED);
    rig_down();
}

Test(files_du, what_is_hidden_does_not_count)
{
    static const char *const deny[] = { "secret", "a/b/*", NULL };
    rig.deny = deny;
    rig_up();
    rig.deny = NULL;
    tree();
    cr_assert_eq(du_of("", 100), FX_OK);
    cr_assert_eq(du.files, 2, "a/f and the link: %llu", (unsigned long long)du.files);
    cr_assert_eq(du.directories, 4);
    for (uint32_t i = 0; i < du.n; i++) {
        msg_get_u32(&rig.answer);
        msg_get_u64(&rig.answer);
        FREE_MEM char *path = msg_get_str(&rig.answer);
        cr_assert(strstr(path, "secret") == NULL, "%s", path);
    }
    refused(FX_PERMISSION_DENIED, FILES_DU, "upu", (uint32_t)DU_BEGIN, "secret", UINT32_C(0));
    says("hidden by the admin");
    rig_down();
}

Test(files_du, needs_the_right_to_read)
{
    rig_up_with(RIGHT_FILES_WRITE, 1 << 20);
    refused(FX_PERMISSION_DENIED, FILES_DU, "upu", (uint32_t)DU_BEGIN, "", UINT32_C(0));
    rig_down();
}

/* Many files: in slices, with other requests in between; and one that nobody goes on with is forgotten by the next. */
Test(files_du, in_slices)
{
    enum { FILES = 40000 };
    char name[40];
    rig_up();
    CLOSE_FD int dir = open(rig.in, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "f%d", i);
        cr_assert_eq(mknodat(dir, name, S_IFREG | 0644, 0), 0);
    }
    ok(FILES_DU, "upu", (uint32_t)DU_BEGIN, "", UINT32_C(0));
    cr_assert_eq(msg_get_u32(&rig.answer), 0, "not at once");
    ok(FILES_LSTAT, "p", "f7");
    cr_assert_eq(du_of("", 3), FX_OK);
    cr_assert_eq(du.files, FILES);
    cr_assert_gt(du.slices, 2);
    rig_down();
}

/* More levels than a path has room for, and than there are descriptors. */
Test(files_du, deep)
{
    rig_up();
    int at = open(rig.in, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 2500; i++) {
        cr_assert(mkdirat(at, "d", 0755) == 0 && mkdirat(at, "e", 0755) == 0);
        if (geteuid() == 0)
            cr_assert(fchownat(at, "d", RIG_UID, RIG_UID, 0) == 0 && fchownat(at, "e", RIG_UID, RIG_UID, 0) == 0);
        int next = openat(at, i % 2 ? "d" : "e", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close(at);
        at = next;
    }
    close(at);
    cr_assert_eq(du_of("", 1), FX_OK);
    cr_assert_eq(du.directories, 5001);
    cr_assert_eq(du.unreadable, 0);
    rig_down();
}

Test(files_du, a_session_that_breaks_the_rule_ends_it)
{
    rig_up();
    MSG_FREE struct msg m;
    msg_begin(&m, FILES_DU, ++rig.id);
    msg_put_u32(&m, DU_GO_ON);
    msg_put_str(&m, "");
    msg_put_u32(&m, 0);
    cr_assert(msg_send(rig.link, &m) == 0);
    int status;
    cr_assert(waitpid(rig.pid, &status, 0) == rig.pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) != 0);
}
