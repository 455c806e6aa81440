/* holdfast-store: who may log in, who may do what.  Starts, opens its folder, locks itself, then answers. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/proto.h"
#include "store/stored/actor.h"
#include "store/stored/activity.h"
#include "store/stored/aid.h"
#include "store/stored/backup.h"
#include "store/stored/db.h"
#include "store/stored/folder.h"
#include "store/stored/lock.h"
#include "store/stored/migrate.h"
#include "store/stored/secret.h"
#include "store/stored/store.h"
#include "store/stored/vault.h"

static const struct {
    uint16_t type;
    super_fn *fn;
} table[] = {
    { STORE_CONF_BEGIN, push_begin },
    { STORE_CONF_ACCOUNT, push_account },
    { STORE_CONF_SERVER, push_server },
    { STORE_CONF_END, push_end },
    { STORE_SESSION_NEW, session_new },
    { STORE_SESSION_GONE, session_gone },
    { STORE_SESSIONS, sessions_list },
    { STORE_LOGIN_ANSWER, login_answered },
    { STORE_PASSWD, passwd },
    { STORE_TOTP_RESET, totp_reset },
    { STORE_RESULT, order_result },
    { STORE_ROTATE, rotate },
    { STORE_SOURCES_LOAD, sources_load },
    { STORE_WISH_LOAD, wanted_load },
    { STORE_WISH_SAVE, wanted_save },
    { STORE_SOURCES_SAVE, sources_save },
    { STORE_EVENT, event_told },
    { STORE_SHELL_END, shell_end_told },
};

static void on_super(void *data, struct link *l UNUSED, struct msg *m)
{
    for (size_t i = 0; i < countof(table); i++)
        if (table[i].type == m->type) {
            table[i].fn(data, m);
            return;
        }
    die("message %#x is not one of the supervisor's", m->type);
}

/* Nobody is left to decide for; the sessions see the end of their links. */
static void on_super_gone(void *data UNUSED, struct link *l UNUSED)
{
    log_info("store.end", "why=\"the supervisor has gone\"");
    _exit(0);
}

static const struct link_events super_events = { .msg = on_super, .gone = on_super_gone, .queue = 65536 };

static int check_schema(uint32_t wanted, struct err *e)
{
    if (wanted == migrate_newest())
        return 0;
    return err_set(e, 0, "schema", "the supervisor is built for %u, this store for %u: they are of two versions", wanted,
                   migrate_newest());
}

/* Keeps the key of FDS (-1: there is none) that the database is sealed with; FRESH: the first was made just now.  Where neither is, the first is good for
   hashes all the same: those of keys that the ini files name fit again once they came. */
static int take_secret(struct store *s, const int fds[2], bool fresh, struct err *e)
{
    uint8_t *digest = secret_digest_key();
    int fits = 0;
    for (int i = 0; i < 2 && fits == 0; i++) {
        if (fds[i] < 0)
            continue;
        s->keys = secret_take(fds[i], SECRET_NOW, e);
        fits = s->keys ? vault_fit(s->db, s->keys, fresh && i == 0, digest, e) : -1;
        s->sealed = fits == 1 ? i == 0 ? SEALED_FIRST : SEALED_SECOND : SEALED_UNKNOWN;
    }
    if (fits == 0) {
        s->keys = secret_take(fds[0], SECRET_NOW, e);
        secret_forget_key(SECRET_NOW);
        randombytes_buf(digest, HASH_KEY);
    }
    if (fits < 0 || s->keys == NULL)
        return -1;
    s->secret = s->keys->hash;
    s->seal = fits == 1 ? s->keys->key : NULL;
    s->digest = digest;
    return 0;
}

/* Returns the folder's descriptor, or -1 with E. */
static int open_all(struct store *s, const char *path, struct err *e)
{
    int folder = folder_open(path, e);
    if (folder < 0)
        return -1;
    FREE_MEM char *file = mem_fmt("%s/store.db", path);
    s->db = db_open(file, e);
    if (s->db == NULL || migrate(s->db, e) < 0 || backup_settle_all(s->db, e) < 0)
        return -1;
    /* SQLite takes its randomness from a file, the first time. */
    unsigned char byte;
    sqlite3_randomness(1, &byte);
    s->activity = activity_open(s->loop, path, folder);
    bucket_init(&s->complaints, 1, 1, now_ms());
    return folder;
}

static void ready(struct store *s, uint32_t id, const char *error)
{
    struct msg m;
    msg_begin(&m, STORE_READY, id);
    msg_put_str(&m, error);
    msg_put_u32(&m, s->sealed);
    link_send(s->super, &m);
}

static void start(struct store *s, struct msg *m)
{
    struct err e = { 0 };
    char text[400];
    FREE_MEM char *path = msg_get_str(m);
    enum log_level level = (enum log_level)msg_get_u32(m);
    uint32_t schema = msg_get_u32(m);
    bool fresh = msg_get_u32(m) != 0;
    CLOSE_FD int secret = msg_get_fd(m);
    CLOSE_FD int next = msg_has_fd(m) ? msg_get_fd(m) : -1;
    msg_end(m);
    log_init("holdfast-store", level);
    s->loop = loop_new();
    s->super = link_new(s->loop, LINK_FD, &super_events, s);
    int folder = check_schema(schema, &e) < 0 ? -1 : open_all(s, path, &e);
    if (folder < 0 || take_secret(s, (const int[]){ secret, next }, fresh, &e) < 0) {
        ready(s, m->id, err_text(&e, text, sizeof text));
        die_err(&e);
    }
    close(fd_steal(&secret));
    if (next >= 0)
        close(fd_steal(&next));
    folder_tidy(folder, s->seal != NULL);
    s->passwords = passwords_new(s->loop, s);
    lock_store(folder);
    close(folder);
    log_info("store.ready", "schema=%u", migrate_newest());
    ready(s, m->id, "");
}

static void setup(void)
{
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    /* A file at its limit is an error of one request, as a full disk is. */
    signal(SIGXFSZ, SIG_IGN);
    if (io_close_from(LINK_FD + 1) < 0)
        die_errno("close_range");
    if (sodium_init() < 0)
        die("libsodium does not start");
}

int main(int argc, char **argv)
{
    static struct store store;
    log_init("holdfast-store", LOG_INFO);
    setup();
    if (argc == 2 && strcmp(argv[1], "aid") == 0)
        aid_main();
    secret_lock_memory();
    if (argc == 2 && strcmp(argv[1], "pwhash") == 0)
        pwhash_main();
    MSG_FREE struct msg m;
    if (argc != 1 || msg_recv(LINK_FD, &m) <= 0)
        die("is started by holdfastd, with its link on descriptor %d", LINK_FD);
    if (m.type != START_STORE)
        die("message %#x came before the start", m.type);
    start(&store, &m);
    loop_run(store.loop);
    return 0;
}
