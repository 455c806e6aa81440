#include "sandbox/lock/change.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>

#include "base/attr.h"
#include "base/log.h"
#include "sandbox/lock/build.rows.h"
#include "sandbox/lock/calls.h"
#include "sandbox/lock/server.rows.h"
#include "sandbox/lock/tool.rows.h"
#include "sandbox/proto.h"

#define POLICY(word) { #word, lock_##word##_rows, countof(lock_##word##_rows), LOCK_##word##_FALLBACK }

const struct policy policies[] = {
    [PROFILE_SERVER] = POLICY(server),
    [PROFILE_BUILD] = POLICY(build),
    [PROFILE_TOOL] = POLICY(tool),
};

const char change_added[] = "added by the admin", change_removed[] = "taken away by the admin";

static const struct policy_call *call_of(const char *name)
{
    for (size_t i = 0; i < countof(lock_calls); i++)
        if (strcmp(lock_calls[i].name, name) == 0)
            return &lock_calls[i];
    return NULL;
}

/* Of an included file the rows come later: the first unconditional one decides, what follows it is never reached. */
static int refused(const struct policy *p, const struct policy_call *c, bool add, struct err *e)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct policy_row *r = &p->rows[i];
        if (r->nr != c->nr)
            continue;
        if (add && r->never && r->nconditions == 0)
            return err_set(e, 0, "seccomp", "'%s' can never be added: %s", c->name, r->reason);
        if (!add && r->needed)
            return err_set(e, 0, "seccomp", "'%s' cannot be taken away, the sandbox's own init needs it: %s", c->name, r->reason);
        if (r->nconditions == 0)
            return 0;
    }
    return 0;
}

/* Drops the call's rows; of one that is added those remain that are never lifted. */
static void replace(const struct policy_call *c, bool add, struct policy_row *rows, size_t *n)
{
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++)
        if (rows[i].nr != c->nr || (add && rows[i].never))
            rows[kept++] = rows[i];
    rows[kept++] = (struct policy_row){
        .name = c->name, .nr = c->nr, .action = add ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | EPERM, .order = POLICY_ROWS_MOST,
        .text = "", .reason = add ? change_added : change_removed,
    };
    *n = kept;
}

static int change(const struct policy *p, char *const *words, size_t i, struct policy_row *rows, size_t *n, struct err *e)
{
    const char *word = words[i];
    bool add = word[0] == '+';
    if (!add && word[0] != '-')
        return err_set(e, 0, "seccomp", "'%.60s'; allowed: +CALL, -CALL", esc(word));
    const struct policy_call *c = call_of(word + 1);
    if (c == NULL)
        return err_set(e, 0, "seccomp", "'%.60s' is no system call; allowed: those of syscalls(2) on this architecture", esc(word + 1));
    for (size_t j = 0; j < i; j++)
        if (strcmp(words[j] + 1, word + 1) == 0)
            return err_set(e, 0, "seccomp", "'%s' is named twice", c->name);
    if (refused(p, c, add, e) < 0)
        return -1;
    replace(c, add, rows, n);
    return 0;
}

int change_apply(const struct policy *p, char *const *words, size_t nwords, struct policy_row out[POLICY_ROWS_MOST], size_t *n,
                 struct err *e)
{
    /* Each word adds a row at most. */
    if (nwords > CHANGES_MOST || p->n + nwords > POLICY_ROWS_MOST)
        return err_set(e, 0, "seccomp", "%zu changes; allowed: %d", nwords, CHANGES_MOST);
    memcpy(out, p->rows, p->n * sizeof out[0]);
    *n = p->n;
    for (size_t i = 0; i < nwords; i++)
        if (change(p, words, i, out, n, e) < 0)
            return -1;
    return 0;
}
