/* df, as rclone and people read it. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "sshd/session/exec_files.h"
#include "sshd/session/status.h"
#include "sshd/session/verbs.h"

struct df {
    char **names, **mounts;    /* servers, and where they stand; owned */
    size_t n, at;
    bool human, failed;
};

static void drop(struct exec *x)
{
    struct df *d = x->state;
    for (size_t i = 0; i < d->n; i++) {
        free(d->names[i]);
        free(d->mounts[i]);
    }
    free(d->names);
    free(d->mounts);
    free(d);
}

static void add(struct exec *x, const char *server)
{
    struct df *d = x->state;
    BUF_FREE struct buf b = BUF(NAME_MOST + 2);
    buf_put_fmt(&b, "/%s", session_home(x->session) ? "" : server);
    d->names = mem_grow(d->names, d->n + 1, sizeof *d->names);
    d->mounts = mem_grow(d->mounts, d->n + 1, sizeof *d->mounts);
    d->names[d->n] = mem_str(server);
    d->mounts[d->n++] = mem_strn((const char *)buf_head(&b), buf_size(&b));
}

static void add_all(struct exec *x)
{
    size_t n;
    const struct server_right *r = session_servers(x->session, &n);
    for (size_t i = 0; i < n; i++)
        if (r[i].rights & RIGHT_FILES)
            add(x, r[i].name);
}

static const char *amount(const struct df *d, uint64_t bytes, char buf[32])
{
    if (d->human)
        return size_text(bytes, buf, 32);
    BUF_FREE struct buf b = BUF(31);
    buf_put_fmt(&b, "%llu", (unsigned long long)(bytes / 1024));
    memcpy(buf, buf_head(&b), buf_size(&b));
    buf[buf_size(&b)] = '\0';
    return buf;
}

static void print(struct exec *x, const uint64_t v[11])
{
    const struct df *d = x->state;
    char total[32], used[32], free[32], percent[32] = "-";
    uint64_t unit = v[1], gone = v[2] - v[3], all = gone + v[4];
    BUF_FREE struct buf b = BUF(sizeof percent - 1);
    if (all > 0) {
        buf_put_fmt(&b, "%llu%%", (unsigned long long)((gone * 100 + all - 1) / all));
        memcpy(percent, buf_head(&b), buf_size(&b));
        percent[buf_size(&b)] = '\0';
    }
    exec_print(x, "%-20s %10s %10s %10s %4s %s\n", d->names[d->at], amount(d, v[2] * unit, total), amount(d, gone * unit, used),
               amount(d, v[4] * unit, free), percent, d->mounts[d->at]);
}

static void next(struct exec *x);

static void answered(struct exec *x, uint32_t status, const char *text, struct msg *answer)
{
    struct df *d = x->state;
    uint64_t v[11];
    if (status != FX_OK) {
        exec_note(x, "df: %s: %s", d->names[d->at], text);
        d->failed = true;
    } else {
        for (size_t i = 0; i < countof(v); i++)
            v[i] = msg_get_u64(answer);
        print(x, v);
    }
    d->at++;
    next(x);
}

static void next(struct exec *x)
{
    struct df *d = x->state;
    struct msg m;
    if (d->at == d->n) {
        exec_end(x, d->failed ? EXIT_FAILED : EXIT_DONE);
        return;
    }
    files_begin(&m, FILES_STATVFS);
    msg_put_str(&m, "");
    exec_files(x, d->names[d->at], RIGHT_STATUS, &m, answered);
}

/* The space of one server is one whole, wherever in it PATH leads. */
static bool add_path(struct exec *x, const char *word)
{
    SPOT_FREE struct sftp_spot spot;
    const char *why = exec_place(x, word, &spot);
    if (why) {
        exec_fail(x, EXIT_FAILED, "df: %s: %s", esc(word), why);
        return false;
    }
    if (sftp_is_top(&spot))
        add_all(x);
    else
        add(x, spot.name);
    return true;
}

static bool take_words(struct exec *x, struct df *d)
{
    size_t paths = 0;
    for (size_t i = 0; i < x->nargs; i++) {
        const char *word = x->args[i];
        if (word[0] != '-') {
            paths++;
            if (!add_path(x, word))
                return false;
        } else if (strcmp(word, "--") != 0 && strspn(word + 1, "hkP") != strlen(word + 1)) {
            exec_fail(x, EXIT_USAGE, "df: option '%s' is not known here; allowed: -k -P -h", esc(word));
            return false;
        }
        d->human = d->human || (word[0] == '-' && strchr(word, 'h'));
    }
    if (paths == 0 && session_home(x->session))
        return add_path(x, "/");
    if (paths == 0)
        add_all(x);
    return true;
}

void verb_df(struct exec *x)
{
    struct df *d = mem_new(sizeof *d);
    x->state = d;
    x->drop = drop;
    if (!take_words(x, d))
        return;
    exec_print(x, "%-20s %10s %10s %10s %4s %s\n", "Filesystem", d->human ? "Size" : "1K-blocks", "Used", d->human ? "Avail" : "Available",
               "Use%", "Mounted on");
    next(x);
}
