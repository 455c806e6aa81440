/* What a session asks about its account's own keys.  Answered here and now: no supervisor, no server. */
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/stored/own_order.h"

bool own_whose(struct wish *w, struct account *a)
{
    struct err e = { 0 };
    int r = account_find(w->session->store->db, w->session->account, a, &e);
    if (r < 0)
        wish_failed(w, &e);
    else if (r == 0)
        wish_refuse(w, CODE_NOT_PERMITTED, "there is no such account any more");
    else if (w->server[0])
        wish_refuse(w, CODE_USAGE, "keys are an account's, not a server's");
    else
        return true;
    return false;
}

bool own_limited(const struct wish *w)
{
    return w->session->options.flags & KEY_LIMITED;
}

bool own_may_change(struct wish *w, const struct account *a)
{
    if (!a->own_keys)
        wish_refuse(w, CODE_NOT_PERMITTED, "%s may not have keys of its own: the admin sets them" UNCHANGED, w->session->account);
    /* Nobody gives what he has not: a key that is added carries all that its account may do. */
    else if (own_limited(w))
        wish_refuse(w, CODE_NOT_PERMITTED, LIMITED("keys"));
    else if (!bucket_take(&w->session->changes, 1, now_ms()))
        wish_refuse(w, CODE_LATER, "too many changes of keys at once, try later" UNCHANGED);
    else
        return true;
    return false;
}

/* 1: the file is in OUT.  0: something in it does not open. */
static int gather(struct wish *w, const struct account *a, struct buf *out, int64_t *added, struct err *e)
{
    struct store *store = w->session->store;
    if (!a->own_keys)
        buf_put_fmt(out, "# own keys are turned off for this account: those below do not log in\n");
    if (own_comments(store->db, store->seal, w->session->account, out, e) < 0)
        return -1;
    return own_lines(store->db, store->seal, w->session->account, out, added, e);
}

bool keys_get(struct wish *w)
{
    struct account a;
    struct err e = { 0 };
    struct buf file = BUF(MSG_MOST - 1024);
    int64_t added;
    if (!own_whose(w, &a))
        return false;
    int r = gather(w, &a, &file, &added, &e);
    if (r < 0)
        wish_failed(w, &e);
    else if (r == 0)
        wish_refuse(w, CODE_FAILED, NO_SECRET);
    else {
        struct msg m;
        msg_begin(&m, STORE_DO_RESULT, w->id);
        msg_put_u32(&m, CODE_OK);
        msg_put_str(&m, "");
        msg_put_u32(&m, !a.own_keys ? KEYS_FIXED : own_limited(w) ? KEYS_NOT_BY_THIS : KEYS_OWN);
        msg_put_u64(&m, (uint64_t)added);
        msg_put_bytes(&m, buf_head(&file), buf_size(&file));
        link_send(w->session->link, &m);
    }
    buf_wipe(&file);
    return false;
}

/* The key in use is there: but could it be used as it is now? */
static int still_fits(struct wish *w, const struct keyfile_key *k)
{
    struct key_options o = KEY_OPTIONS_NONE;
    struct err e;
    const char *text = k->options ? k->options : "";
    bool fits = key_options_parse(text, strlen(text), KEY_OF_ACCOUNT, &o, &e) == 0 &&
                key_options_check(&o, w->session->address, wall_ms()) == KEY_FITS;
    key_options_end(&o);
    if (!fits)
        wish_refuse(w, CODE_STATE, "the key of this connection, %s, could not be used from here any more" UNCHANGED, w->session->fingerprint);
    return fits;
}

/* 1: the session may have F and nothing else.  0: W was answered. */
static int keeps_way_in(struct wish *w, const struct keyfile *f, struct err *e)
{
    const struct session *s = w->session;
    sqlite3 *db = s->store->db;
    int r = f->n ? 1 : account_way_in(db, s->account, e);
    if (r == 0)
        wish_refuse(w, CODE_STATE, "no key is left, and %s has no other way in" UNCHANGED, s->account);
    if (r != 1 || strcmp(s->method, "publickey") != 0 || s->certified)
        return r;
    const struct keyfile_key *k = keyfile_find(f, s->hash);
    r = account_has_ini_key(db, s->account, s->hash, e);
    if (r == 0 && k)
        return still_fits(w, k);
    if (r == 0)
        wish_refuse(w, CODE_STATE, "the key of this connection, %s, is missing: log in with another one to take it out" UNCHANGED, s->fingerprint);
    return r;
}

int own_read(struct wish *w, struct keyfile *f, struct err *e)
{
    const struct store *store = w->session->store;
    struct buf lines = BUF(MSG_MOST);
    int64_t added;
    *f = (struct keyfile){ 0 };
    int r = store->seal ? own_lines(store->db, store->seal, w->session->account, &lines, &added, e) : 0;
    if (r == 0)
        wish_refuse(w, CODE_FAILED, NO_SECRET);
    FREE_MEM char *text = mem_strn(buf_size(&lines) ? (const void *)buf_head(&lines) : "", buf_size(&lines));
    buf_wipe(&lines);
    if (r == 1 && keyfile_parse(text, store->secret, f, e) < 0)
        r = -1;
    mem_wipe(text, strlen(text));
    return r;
}

static void tell_log(const struct session *s, const struct own_change *c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        log_info(c[i].added ? "keys.added" : "keys.removed", "session=%llu account=%s key=\"%s %s\" from=%s", (unsigned long long)s->id, s->account,
                 c[i].word, c[i].fingerprint, s->address);
}

int own_write(struct wish *w, const struct keyfile *f, bool force, struct err *e)
{
    struct session *s = w->session;
    struct store *store = s->store;
    FREE_MEM struct own_change *changes = NULL;
    size_t n;
    int r = force ? 1 : keeps_way_in(w, f, e);
    if (r != 1)
        return r;
    if (own_replace(store->db, store->seal, s->account, f, &changes, &n, e) < 0)
        return -1;
    tell_log(s, changes, n);
    return 1;
}

void own_tell(struct wish *w)
{
    struct store *store = w->session->store;
    FREE_MEM char *account = mem_str(w->session->account);
    /* Any session may go here, this one too if it is not to be here for another reason. */
    sessions_recheck(store, account);
}

/* Nobody may write keys over others that nobody can read: who appends to what it got would lose them. */
static int readable(struct wish *w, struct err *e)
{
    struct keyfile before;
    int r = own_read(w, &before, e);
    keyfile_free(&before);
    return r;
}

bool keys_set(struct wish *w)
{
    struct account a;
    struct err e = { 0 };
    struct keyfile f = { 0 };
    char text[400];
    if (!own_whose(w, &a) || !own_may_change(w, &a))
        return false;
    int r = 0;
    if (keyfile_parse(w->text, w->session->store->secret, &f, &e) < 0)
        wish_refuse(w, CODE_USAGE, "%s" UNCHANGED, err_text(&e, text, sizeof text));
    else if ((r = readable(w, &e)) == 1)
        r = own_write(w, &f, false, &e);
    keyfile_free(&f);
    if (r < 0)
        wish_failed(w, &e);
    if (r != 1)
        return false;
    wish_refuse(w, CODE_OK, "%s", "");
    own_tell(w);
    return false;
}
