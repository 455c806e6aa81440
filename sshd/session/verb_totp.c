#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "sshd/session/qr.h"
#include "sshd/session/verbs.h"

enum { CODE_MOST = 64, OUT_MOST = 64 * 1024 };

static void wipe_text(char *text)
{
    mem_wipe(text, strlen(text));
    free(text);
}

/* The words on the command line are wiped when they have been sent: nobody reads them again. */
static void ask(struct exec *x, enum op op, void (*fn)(struct exec *x, int code, const char *text, struct msg *m))
{
    char *code = x->nargs ? x->args[0] : NULL;
    size_t size = code ? strlen(code) : 0;
    if (size > CODE_MOST) {
        exec_fail(x, EXIT_USAGE, "that is no code: 6 digits of your app, or a recovery code");
        return;
    }
    exec_ask_bytes(x, op, 0, code, size, fn);
    mem_wipe(code, size);
}

/* ---- enroll ---- */

static void enroll_json(struct exec *x, const char *uri, const char *secret)
{
    struct buf b = BUF(OUT_MOST);
    json_begin(&b, NULL);
    json_str(&b, "uri", uri);
    json_str(&b, "secret", secret);
    json_end(&b);
    json_line(&b);
    exec_flush(x, &b);
    buf_wipe(&b);
}

static void enroll_text(struct exec *x, const char *uri, const char *secret, const struct qr *picture)
{
    struct buf b = BUF(OUT_MOST);
    if ((exec_terminal(x) || x->options & OPTION_QR) && !qr_put(&b, picture, exec_terminal(x)))
        buf_reset(&b);
    buf_put_fmt(&b, "%s\nsecret", uri);
    for (size_t i = 0; secret[i]; i++)
        buf_put_fmt(&b, "%s%c", i % 4 == 0 ? " " : "", secret[i]);
    buf_put(&b, "\n", 1);
    exec_flush(x, &b);
    buf_wipe(&b);
}

static void enrolled(struct exec *x, int code, const char *text, struct msg *m)
{
    if (!exec_ok(x, code, text))
        return;
    char *uri = msg_get_str(m), *secret = msg_get_str(m);
    size_t side = msg_get_u32(m), size;
    const uint8_t *modules = msg_get_bytes(m, &size);
    const struct qr picture = { modules, size == side * side ? side : 0 };
    msg_end(m);
    if (exec_json(x))
        enroll_json(x, uri, secret);
    else
        enroll_text(x, uri, secret, &picture);
    wipe_text(uri);
    wipe_text(secret);
    exec_note(x, "%sput this into your authenticator app, then run 'totp verify CODE' with a code that it shows; nothing is in force before",
              exec_terminal(x) ? "scan the picture, or " : "");
    exec_end(x, EXIT_DONE);
}

void verb_totp_enroll(struct exec *x)
{
    if (exec_json(x) && x->options & OPTION_QR)
        exec_fail(x, EXIT_USAGE, "totp enroll: --qr and --json do not go together; the picture shows the uri");
    else
        ask(x, OP_TOTP_ENROLL, enrolled);
}

/* ---- recovery codes ---- */

static void put_codes(struct exec *x, struct msg *m)
{
    struct buf b = BUF(OUT_MOST);
    bool json = exec_json(x);
    uint32_t n = msg_get_u32(m);
    if (json) {
        json_begin(&b, NULL);
        json_list(&b, "recovery_codes");
    }
    for (uint32_t i = 0; i < n; i++) {
        char *code = msg_get_str(m);
        if (json)
            json_str(&b, NULL, code);
        else
            buf_put_fmt(&b, "%s\n", code);
        wipe_text(code);
    }
    msg_end(m);
    if (json) {
        json_list_end(&b);
        json_end(&b);
        json_line(&b);
    }
    exec_flush(x, &b);
    buf_wipe(&b);
    exec_note(x, "keep these apart from your device: each logs you in once instead of a code, and they are not shown again");
}

static void verified(struct exec *x, int code, const char *text, struct msg *m)
{
    if (!exec_ok(x, code, text))
        return;
    exec_note(x, "the second factor is in force; other connections of this account are closed. Recovery codes:");
    put_codes(x, m);
    exec_end(x, EXIT_DONE);
}

void verb_totp_verify(struct exec *x)
{
    ask(x, OP_TOTP_VERIFY, verified);
}

static void renewed(struct exec *x, int code, const char *text, struct msg *m)
{
    if (!exec_ok(x, code, text))
        return;
    put_codes(x, m);
    exec_end(x, EXIT_DONE);
}

void verb_totp_codes(struct exec *x)
{
    ask(x, OP_TOTP_CODES, renewed);
}

/* ---- remove ---- */

static void removed(struct exec *x, int code, const char *text, struct msg *m)
{
    if (!exec_ok(x, code, text))
        return;
    msg_end(m);
    exec_note(x, "the second factor was removed; other connections of this account are closed");
    exec_end(x, EXIT_DONE);
}

void verb_totp_remove(struct exec *x)
{
    ask(x, OP_TOTP_REMOVE, removed);
}
