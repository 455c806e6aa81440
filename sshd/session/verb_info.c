/* What is known without asking anybody. */
#include <string.h>

#include "config.h"
#include "sshd/session/conn.h"
#include "base/json.h"
#include "sshd/session/verbs.h"

static void rights_json(struct buf *b, uint32_t rights)
{
    json_list(b, "rights");
    for (unsigned i = 0; i < RIGHT_COUNT; i++) {
        char word[64];
        if (rights & (1u << i))
            json_str(b, NULL, rights_text(1u << i, word, sizeof word));
    }
    json_list_end(b);
}

static const struct { const char *word, *text; } factor_words[] = {
    [SECOND_NONE] = { "none", "" },
    [SECOND_CODE] = { "totp", " and a code" },
    [SECOND_ENROL] = { "wanted", ", a second factor is to be set up: 'totp enroll'" },
};

static void whoami_json(struct exec *x, const struct server_right *r, size_t n)
{
    const struct session *s = x->session;
    BUF_FREE struct buf b = BUF(1024 * 1024);
    json_begin(&b, NULL);
    json_str(&b, "account", s->account);
    json_str(&b, "method", s->method);
    json_str(&b, "key", *s->fingerprint ? s->fingerprint : NULL);
    json_str(&b, "key_options", *s->key_options ? s->key_options : NULL);
    json_str(&b, "command", *s->command ? s->command : NULL);
    json_bool(&b, "key_limited", s->key_flags & KEY_LIMITED);
    json_str(&b, "address", s->address);
    json_u64(&b, "session", s->id);
    json_str(&b, "second_factor", factor_words[s->factor].word);
    json_list(&b, "servers");
    for (size_t i = 0; i < n; i++) {
        json_begin(&b, NULL);
        json_str(&b, "server", r[i].name);
        json_str(&b, "owner", r[i].owner);
        json_str(&b, "role", rights_role(r[i].rights));
        rights_json(&b, r[i].rights);
        json_end(&b);
    }
    json_list_end(&b);
    json_end(&b);
    json_line(&b);
    exec_flush(x, &b);
}

void verb_whoami(struct exec *x)
{
    const struct session *s = x->session;
    size_t n;
    const struct server_right *r = session_servers(s, &n);
    if (exec_json(x)) {
        whoami_json(x, r, n);
        exec_end(x, EXIT_DONE);
        return;
    }
    exec_print(x, "account %s\nlogged in by %s%s%s%s\nfrom %s\n", s->account, s->method, *s->fingerprint ? " " : "", s->fingerprint,
               factor_words[s->factor].text, s->address);
    if (*s->key_options)
        exec_print(x, "key options %s\n", s->key_options);
    if (s->key_flags & KEY_LIMITED)
        exec_print(x, "what the key does not carry is left out below; it may not change keys, the password or the second factor\n");
    for (size_t i = 0; i < n; i++) {
        char words[256];
        bool owner = strcmp(r[i].owner, s->account) == 0;
        const char *role = rights_role(r[i].rights);
        exec_print(x, "server %s (%s%s): %s%s%s\n", r[i].name, owner ? "yours" : "of ", owner ? "" : r[i].owner, role ? role : "",
                   role ? ": " : "", rights_text(r[i].rights, words, sizeof words));
    }
    exec_end(x, EXIT_DONE);
}

static bool begins(const struct verb *v, char **words, size_t n)
{
    size_t len = strlen(words[0]);
    if (strncmp(v->name, words[0], len) != 0 || (v->name[len] != '\0' && v->name[len] != ' '))
        return false;
    return n < 2 || (v->name[len] == ' ' && strcmp(v->name + len + 1, words[1]) == 0);
}

static void help_one(struct exec *x)
{
    bool found = false;
    for (const struct verb *v = verbs; v->name; v++) {
        if (!begins(v, x->args, x->nargs))
            continue;
        char words[256] = "";
        exec_print(x, "usage: %s\n  %s\n", v->usage, v->help);
        if (v->right)
            exec_print(x, "  needs the right: %s\n", rights_text(v->right, words, sizeof words));
        found = true;
    }
    if (found)
        exec_end(x, EXIT_DONE);
    else
        exec_fail(x, EXIT_UNKNOWN_VERB, "unknown verb; 'help' lists them");
}

void verb_help(struct exec *x)
{
    if (x->nargs > 0) {
        help_one(x);
        return;
    }
    exec_print(x, "ssh ACCOUNT@HOST VERB [SERVER] [ARGUMENT...]; SERVER may be left out when there is only one.\n\n");
    for (const struct verb *v = verbs; v->name; v++)
        exec_print(x, "  %-14s  %s\n", v->name, v->help);
    exec_print(x, "\nExit: 0 done, 1 failed, 2 usage, 3 the state does not allow it, 69 unavailable, 73 quota, 75 try later,\n"
                  "77 not permitted, 126 disabled, 127 unknown verb.\n");
    exec_end(x, EXIT_DONE);
}

void verb_version(struct exec *x)
{
    if (exec_json(x)) {
        BUF_FREE struct buf b = BUF(256);
        json_begin(&b, NULL);
        json_str(&b, "version", PACKAGE_VERSION);
        json_end(&b);
        json_line(&b);
        exec_flush(x, &b);
    } else {
        exec_print(x, "holdfast %s\n", PACKAGE_VERSION);
    }
    exec_end(x, EXIT_DONE);
}

void verb_echo(struct exec *x)
{
    size_t first = x->nargs > 0 && strcmp(x->args[0], "-n") == 0 ? 1 : 0;
    for (size_t i = first; i < x->nargs; i++) {
        exec_out(x, " ", i > first);
        exec_out(x, x->args[i], strlen(x->args[i]));
    }
    exec_out(x, "\n", first == 0);
    exec_end(x, EXIT_DONE);
}

void verb_true(struct exec *x) { exec_end(x, EXIT_DONE); }

void verb_pwd(struct exec *x)
{
    exec_print(x, "/\n");
    exec_end(x, EXIT_DONE);
}
