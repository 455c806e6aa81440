/* test, for clients that look before they act: one question about one path. */
#include <string.h>
#include <sys/stat.h>

#include "sshd/session/exec_files.h"
#include "sshd/session/verbs.h"

enum { OTHER = 2 };   /* test's own: neither yes nor no */

static const struct { const char *word; mode_t kind; bool link, filled; } questions[] = {
    { "-e", 0, false, false },       { "-f", S_IFREG, false, false }, { "-d", S_IFDIR, false, false }, { "-L", S_IFLNK, true, false },
    { "-h", S_IFLNK, true, false },  { "-s", 0, false, true },        { "-p", S_IFIFO, false, false },
};

static void say(struct exec *x, size_t question, mode_t mode, uint64_t size)
{
    bool kind = questions[question].kind == 0 || (mode & S_IFMT) == questions[question].kind;
    exec_end(x, kind && (!questions[question].filled || size > 0) ? EXIT_DONE : EXIT_FAILED);
}

static size_t question_of(const char *word)
{
    size_t i = 0;
    while (i < countof(questions) && strcmp(word, questions[i].word) != 0)
        i++;
    return i;
}

static void answered(struct exec *x, uint32_t status, const char *text, struct msg *answer)
{
    size_t size;
    struct attrs a;
    if (status == FX_PERMISSION_DENIED)
        exec_fail(x, OTHER, "test: %s", text);
    else if (status != FX_OK)
        exec_end(x, EXIT_FAILED);
    else {
        const uint8_t *p = msg_get_bytes(answer, &size);
        struct buf view = { .p = (uint8_t *)(uintptr_t)p, .len = size, .cap = size, .max = size };
        attrs_get(&view, &a);
        say(x, question_of(x->args[0]), a.mode, a.size);
    }
}

void verb_test(struct exec *x)
{
    struct msg m;
    size_t i = x->nargs == 2 ? question_of(x->args[0]) : countof(questions);
    if (i == countof(questions)) {
        exec_fail(x, OTHER, "usage: %s", x->verb->usage);
        return;
    }
    SPOT_FREE struct sftp_spot spot;
    const char *why = exec_place(x, x->args[1], &spot);
    if (why)
        exec_end(x, EXIT_FAILED);
    else if (sftp_is_top(&spot))
        say(x, i, S_IFDIR, 1);
    else {
        files_begin(&m, questions[i].link ? FILES_LSTAT : FILES_STAT);
        msg_put_str(&m, spot.rest);
        exec_files_once(x, spot.name, RIGHT_FILES_READ, &m, answered);
    }
}
