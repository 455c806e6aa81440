/* Logging in: libssh verifies signatures, the store decides.  Tries are counted here for the client's sake and by the store and the supervisor
   for ours. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "sshd/session/auth.h"
#include "sshd/session/blob.h"
#include "sshd/session/conn.h"
#include "sshd/session/proof.h"

/* KNOWN_MOST: below what the store takes of offers on one connection. */
enum { BLOB_MOST = 8192, RSA_LEAST = 3072, KNOWN_MOST = 200 };

char *auth_account(const char *user, char **server)
{
    const char *plus = strchr(user, '+');
    *server = plus ? mem_str(plus + 1) : NULL;
    return plus ? mem_strn(user, (size_t)(plus - user)) : mem_str(user);
}

static void too_many(struct session *s)
{
    session_log(s, "tries.exceeded", "keys=%u passwords=%u", s->keys_failed, s->passwords_failed);
    conn_close(s, "too many authentication failures");
}

/* One failure more in *COUNT; the connection ends when MOST have been. */
static int failed(struct session *s, uint32_t *count, uint32_t most)
{
    if (++*count >= most)
        too_many(s);
    return SSH_AUTH_DENIED;
}

int auth_enter(struct session *s, char *server)
{
    s->in = true;
    s->home = server;
    if (store_whoami(s))
        log_context("session=%llu account=%s", (unsigned long long)s->id, s->account);
    else
        conn_close(s, "the service does not answer, please try again");
    return SSH_AUTH_SUCCESS;
}

void auth_tell(struct session *s, const char *text)
{
    ssh_string banner = ssh_string_from_char(text);
    ssh_send_issue_banner(s->ssh, banner);
    ssh_string_free(banner);
}

/* A login that was proven and refused all the same (suspended, too many connections) is told why. */
int auth_refused(struct session *s, enum store_yes yes, const char *why, uint32_t *count, uint32_t most)
{
    if (yes == STORE_SILENT) {
        conn_close(s, "the service does not answer, please try again");
        return SSH_AUTH_DENIED;
    }
    if (yes == STORE_NO_TRY)
        return failed(s, &s->keys_known, KNOWN_MOST);
    if (*why) {
        /* The failure goes out before the farewell, and a client may leave on it; the banner comes before both. */
        auth_tell(s, why);
        conn_close(s, why);
    }
    return failed(s, count, most);
}

static int none_function(ssh_session ssh, const char *user, void *data)
{
    struct session *s = data;
    (void)ssh;
    (void)user;
    return failed(s, &s->others_failed, s->auth_tries);
}

static int password_function(ssh_session ssh, const char *user, const char *password, void *data)
{
    struct session *s = data;
    (void)ssh;
    if (s->in || s->over)
        return SSH_AUTH_DENIED;
    if (auth_code_pending(s))
        return failed(s, &s->passwords_failed, s->password_tries);
    FREE_MEM char *server = NULL;
    FREE_MEM char *account = auth_account(user, &server);
    FREE_MEM char *why = NULL;
    enum store_yes yes = store_password(s, account, password, &why);
    if (yes == STORE_CODE)
        return auth_code_wanted(s, user);
    if (yes != STORE_YES)
        return auth_refused(s, yes, why, &s->passwords_failed, s->password_tries);
    char *home = server;
    server = NULL;
    return auth_enter(s, home);
}

/* The key's blob in OUT; 0 when it is of no kind we take. */
static size_t blob_of(struct session *s, struct ssh_key_struct *key, uint8_t *out)
{
    char *text = NULL;
    if (ssh_pki_export_pubkey_base64(key, &text) != SSH_OK)
        return 0;
    size_t size = blob_of_base64(text, out, BLOB_MOST);
    ssh_string_free_char(text);
    if (size == 0)
        session_log(s, "key.refused", "size=\"more than %d bytes\"", BLOB_MOST);
    int bits = blob_rsa_bits(out, size);
    if (bits != 0 && bits < RSA_LEAST) {
        session_log(s, "key.refused", "bits=%d least=%d", bits, RSA_LEAST);
        return 0;
    }
    return size;
}

static int key_function(ssh_session ssh, const char *user, struct ssh_key_struct *key, char state, void *data)
{
    struct session *s = data;
    (void)ssh;
    if (s->in || s->over)
        return SSH_AUTH_DENIED;
    uint8_t blob[BLOB_MOST];
    size_t size = blob_of(s, key, blob);
    uint32_t proof = proof_take(blob, size);
    bool login = state == SSH_PUBLICKEY_STATE_VALID;
    if (auth_code_pending(s) || size == 0 || (!login && state != SSH_PUBLICKEY_STATE_NONE))
        return failed(s, &s->keys_failed, s->auth_tries);
    FREE_MEM char *server = NULL;
    FREE_MEM char *account = auth_account(user, &server);
    FREE_MEM char *why = NULL;
    enum store_yes yes = store_key(s, login, account, blob, size, ssh_key_type_to_char(ssh_key_type(key)), login ? proof : 0, &why);
    if (yes == STORE_CODE)
        return auth_code_wanted(s, user);
    if (yes != STORE_YES)
        return auth_refused(s, yes, why, &s->keys_failed, s->auth_tries);
    if (!login)
        return SSH_AUTH_SUCCESS;
    char *home = server;
    server = NULL;
    return auth_enter(s, home);
}

static ssh_channel open_function(ssh_session ssh, void *data)
{
    (void)ssh;
    return channel_open(data);
}

static const char *request_name(ssh_message m)
{
    switch (ssh_message_type(m)) {
    case SSH_REQUEST_AUTH:
        return "an authentication method that is not offered";
    case SSH_REQUEST_CHANNEL_OPEN:
        return ssh_message_subtype(m) == SSH_CHANNEL_DIRECT_TCPIP ? "forwarding (direct-tcpip)" : "a channel of another type";
    case SSH_REQUEST_CHANNEL:
        return ssh_message_subtype(m) == SSH_CHANNEL_REQUEST_X11 ? "forwarding (x11)" : "an unknown channel request";
    case SSH_REQUEST_GLOBAL:
        return "forwarding (tcpip-forward)";
    default:
        return "an unknown request";
    }
}

/* Whatever no callback took: refused, and the first few are logged. */
static int other_message(ssh_session ssh, ssh_message m, void *data)
{
    struct session *s = data;
    (void)ssh;
    if (ssh_message_type(m) == SSH_REQUEST_SERVICE)
        return 1;
    if (ssh_message_type(m) == SSH_REQUEST_AUTH && auth_code_message(s, m))
        return 0;
    if (ssh_message_type(m) == SSH_REQUEST_AUTH)
        failed(s, &s->others_failed, s->auth_tries);
    if (s->refusals_logged++ < REFUSALS_LOGGED)
        session_log(s, "request.refused", "request=%s", request_name(m));
    return 1;
}

void auth_callbacks(struct session *s)
{
    s->server_callbacks = (struct ssh_server_callbacks_struct){
        .userdata = s,
        .auth_none_function = none_function,
        .auth_password_function = password_function,
        .auth_pubkey_function = key_function,
        .channel_open_request_session_function = open_function,
    };
    ssh_callbacks_init(&s->server_callbacks);
    if (ssh_set_server_callbacks(s->ssh, &s->server_callbacks) != SSH_OK)
        conn_close(s, NULL);
    ssh_set_message_callback(s->ssh, other_message, s);
    ssh_set_auth_methods(s->ssh, SSH_AUTH_METHOD_PUBLICKEY | SSH_AUTH_METHOD_PASSWORD);
}
