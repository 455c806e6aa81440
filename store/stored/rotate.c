/* A new secret key, at the supervisor's word: the database is sealed with it in one transaction, and live sessions go on. */
#include <unistd.h>

#include "base/attr.h"
#include "base/io.h"
#include "base/log.h"
#include "store/proto.h"
#include "store/stored/session.h"
#include "store/stored/vault.h"

static void answer(struct store *s, uint32_t id, const char *error, enum store_sealed sealed, const struct sealed_tally *t)
{
    struct msg m;
    msg_begin(&m, STORE_ROTATED, id);
    msg_put_str(&m, error);
    msg_put_u32(&m, sealed);
    msg_put_u64(&m, t->texts);
    msg_put_u64(&m, t->broken);
    link_send(s->super, &m);
}

/* Who is logged in, or about to be, with a key is known by its hash. */
static void rehash(struct store *store)
{
    for (struct session *s = store->sessions; s; s = s->next)
        if (s->fingerprint[0])
            key_hash_print(store->secret, s->fingerprint, s->hash);
}

void rotate(struct store *s, struct msg *m)
{
    struct err e = { 0 };
    struct sealed_tally t = { 0 };
    char text[400];
    bool force = msg_get_u32(m) != 0;
    CLOSE_FD int fd = msg_get_fd(m);
    msg_end(m);
    if (s->seal == NULL) {
        answer(s, m->id, "the database is sealed with a secret key that the appliance has lost: put that one back first", SEALED_FIRST, &t);
        return;
    }
    const struct secret *next = secret_take(fd, SECRET_NEXT, &e), *sealed = s->keys;
    uint64_t began = now_ms();
    int r = next ? vault_rotate(s->db, s->keys, next, force, &t, &sealed, &e) : -1;
    enum store_sealed which = sealed == NULL ? SEALED_UNKNOWN : sealed == s->keys ? SEALED_FIRST : SEALED_SECOND;
    if (which == SEALED_SECOND) {
        secret_advance();
        rehash(s);
        log_info("sealed.anew", "texts=%llu broken=%llu ms=%llu", (unsigned long long)t.texts, (unsigned long long)t.broken,
                 (unsigned long long)(now_ms() - began));
    } else {
        secret_forget(SECRET_NEXT);
        log_error("secret.rotate", "%s", err_text(&e, text, sizeof text));
    }
    answer(s, m->id, r < 0 && which != SEALED_SECOND ? err_text(&e, text, sizeof text) : "", which, &t);
}
