/* The second step of a login: one code, asked for by keyboard-interactive, behind a key or password that was right.  Before that, the method is
   neither offered nor answered otherwise than one nobody knows, so that it tells nothing about any account. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sshd/session/auth.h"
#include "sshd/session/conn.h"

/* What is longer is no code; it is counted as a wrong one. */
enum { ANSWER_MOST = 64 };

int auth_code_wanted(struct session *s, const char *user)
{
    s->proven = mem_str(user);
    ssh_set_auth_methods(s->ssh, SSH_AUTH_METHOD_INTERACTIVE);
    return SSH_AUTH_PARTIAL;
}

bool auth_code_pending(const struct session *s)
{
    return s->proven != NULL;
}

/* The name of the prompt's window is the account as it was typed at the client: it has proven that it is theirs. */
static void prompt(struct session *s, ssh_message m)
{
    const char *prompts[] = { "Verification code: " };
    char echo[] = { 0 };
    s->prompted = true;
    if (ssh_message_auth_interactive_request(m, "", "", 1, prompts, echo) != SSH_OK)
        conn_close(s, NULL);
}

static bool asks(struct session *s, ssh_message m)
{
    const char *user = ssh_message_auth_user(m);
    if (s->proven == NULL || s->in || s->over || user == NULL || strcmp(user, s->proven) != 0)
        return false;
    prompt(s, m);
    return true;
}

/* libssh keeps answers as texts until the next come; other numbers of them than one are passed on as a code that is wrong. */
static bool answers(struct session *s, ssh_message m)
{
    /* libssh takes answers for as long as there was any prompt; one prompt is good for one. */
    if (!s->prompted || s->in || s->over)
        return false;
    s->prompted = false;
    const char *typed = ssh_userauth_kbdint_getnanswers(s->ssh) == 1 ? ssh_userauth_kbdint_getanswer(s->ssh, 0) : NULL;
    if (typed == NULL || strlen(typed) > ANSWER_MOST)
        typed = "";
    FREE_MEM char *server = NULL;
    FREE_MEM char *account = auth_account(s->proven, &server);
    FREE_MEM char *why = NULL;
    enum store_yes yes = store_code(s, account, typed, &why);
    if (yes != STORE_YES) {
        auth_refused(s, yes, why, &s->passwords_failed, s->password_tries);
        ssh_message_reply_default(m);
        return true;
    }
    if (*why)
        auth_tell(s, why);
    auth_enter(s, server);
    server = NULL;
    ssh_message_auth_reply_success(m, 0);
    return true;
}

bool auth_code_message(struct session *s, ssh_message m)
{
    if (ssh_message_subtype(m) != SSH_AUTH_METHOD_INTERACTIVE)
        return false;
    return ssh_message_auth_kbdint_is_response(m) ? answers(s, m) : asks(s, m);
}
