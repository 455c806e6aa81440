/* Passwords set by the admin: the supervisor sends one, the helper makes its hash, the database keeps that. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/proto.h"
#include "store/stored/session.h"

/* Asked and not yet answered: the helper's cookie is the address. */
struct setting {
    uint32_t cookie, id;
    char *account;    /* owned */
};

static void done(struct store *store, const struct setting *t, const char *error)
{
    struct msg m;
    msg_begin(&m, STORE_PASSWD_DONE, t->id);
    msg_put_u32(&m, t->cookie);
    msg_put_str(&m, error);
    link_send(store->super, &m);
}

static void drop(struct setting *t)
{
    free(t->account);
    free(t);
}

static const char *keep(struct store *store, const struct setting *t, const char *hash, char *text, size_t size)
{
    struct err e = { 0 };
    struct account a;
    /* It may have left the configuration while the hash was made. */
    int r = account_find(store->db, t->account, &a, &e);
    if (r == 1)
        r = account_set_password(store->db, t->account, hash, &e) < 0 ? -1 : 1;
    if (r < 0)
        return err_text(&e, text, size);
    if (r == 0)
        return "no such account";
    log_info("passwd.set", "account=%s", t->account);
    /* Who is in by the old one is out. */
    sessions_recheck(store, t->account);
    return "";
}

static void on_made(void *data, uint64_t cookie, enum password_result result, const char *hash)
{
    struct store *store = data;
    struct setting *t = (struct setting *)(uintptr_t)cookie;
    char text[400];
    if (result != PASSWORD_RIGHT)
        done(store, t, "the hash could not be made (out of memory?), try later");
    else
        done(store, t, keep(store, t, hash, text, sizeof text));
    drop(t);
}

static const char *refused(struct store *store, const char *account, size_t size)
{
    struct err e = { 0 };
    struct account a;
    int r = account_find(store->db, account, &a, &e);
    if (r < 0)
        return "the database cannot be read";
    if (r == 0)
        return "no such account";
    if (size == 0)
        return "the password is empty";
    return size > PASSWORD_MOST ? "the password is longer than 1024 bytes" : NULL;
}

void passwd(struct store *store, struct msg *m)
{
    struct setting *t = mem_new(sizeof *t);
    size_t size;
    t->id = m->id;
    t->cookie = msg_get_u32(m);
    t->account = msg_get_text(m, MSG_MOST);
    const uint8_t *password = msg_get_bytes(m, &size);
    msg_end(m);
    const char *error = refused(store, t->account, size);
    if (error == NULL && password_make(store->passwords, password, size, on_made, (uintptr_t)t) < 0)
        error = "too many logins at once, try later";
    if (error) {
        done(store, t, error);
        drop(t);
    }
    msg_wipe(m);
}
