#include "sshd/session/asked.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sshd/session/channel.h"
#include "sshd/session/doing.h"

enum { TERMINAL_SIDE_MOST = 1000 };

static unsigned side(int n)
{
    return n < 1 ? 80 : n > TERMINAL_SIDE_MOST ? TERMINAL_SIDE_MOST : (unsigned)n;
}

void asked_size(struct asked *a, int columns, int rows)
{
    a->columns = side(columns);
    a->rows = side(rows);
}

static void refused(struct session *s, const char *what)
{
    if (s->refusals_logged++ < REFUSALS_LOGGED)
        session_log(s, "request.refused", "%s", what);
}

static void set_term(struct asked *a, const char *term)
{
    size_t n = strlen(term);
    if (n < sizeof a->term && strspn(term, TERM_BYTES) == n)
        memcpy(a->term, term, n + 1);
}

static int on_pty(ssh_session ssh, ssh_channel channel, const char *term, int columns, int rows, int px, int py, void *data)
{
    struct asked *a = channel_asked(data);
    (void)ssh, (void)channel, (void)px, (void)py;
    if (a->what != ASKED_NOTHING)
        return 1;
    if (a->s->key_flags & KEY_NO_PTY) {
        refused(a->s, "request=pty why=no-pty");
        return 1;
    }
    a->terminal = true;
    set_term(a, term);
    asked_size(a, columns, rows);
    return 0;
}

/* The key's command in place of what was asked for, whatever that is; SFTP only where that is all the key is for.  Held here, at the one place
   where anything is started: env, another channel and a subsystem come by as well. */
static int start_forced(struct asked *a, enum asked_what what, const char *asked)
{
    bool sftp = strcmp(a->s->command, "internal-sftp") == 0;
    session_log(a->s, "command.forced", "instead of %s%s", what == ASKED_SFTP ? "the subsystem sftp" : "line=", asked);
    a->what = sftp && what != ASKED_SFTP ? ASKED_REFUSED : sftp ? ASKED_SFTP : ASKED_EXEC;
    a->command = mem_str(sftp ? "" : a->s->command);
    a->s->work = true;
    return 0;
}

/* A program is started from the loop, after the reply to its request has gone. */
static int start(struct channel *c, enum asked_what what, const char *command)
{
    struct asked *a = channel_asked(c);
    if (a->what != ASKED_NOTHING || channel_closed(c))
        return 1;
    if (a->s->command[0])
        return start_forced(a, what, command);
    a->what = what;
    a->command = mem_str(command);
    a->s->work = true;
    return 0;
}

static int on_exec(ssh_session ssh, ssh_channel channel, const char *command, void *data)
{
    (void)ssh, (void)channel;
    return start(data, ASKED_EXEC, command);
}

static int on_shell(ssh_session ssh, ssh_channel channel, void *data)
{
    (void)ssh, (void)channel;
    return start(data, ASKED_EXEC, "");
}

static int on_subsystem(ssh_session ssh, ssh_channel channel, const char *subsystem, void *data)
{
    struct channel *c = data;
    (void)ssh, (void)channel;
    if (strcmp(subsystem, "sftp") != 0) {
        FREE_MEM char *what = mem_fmt("subsystem=%s", subsystem);
        refused(channel_session(c), what);
        return 1;
    }
    return start(c, ASKED_SFTP, "");
}

/* Nothing here has an environment; language settings are what every client sends and are taken without a word. */
static int on_env(ssh_session ssh, ssh_channel channel, const char *name, const char *value, void *data)
{
    (void)ssh, (void)channel, (void)value, (void)data;
    return strcmp(name, "LANG") != 0 && strncmp(name, "LC_", 3) != 0;
}

void asked_callbacks(struct ssh_channel_callbacks_struct *k)
{
    k->channel_pty_request_function = on_pty;
    k->channel_shell_request_function = on_shell;
    k->channel_exec_request_function = on_exec;
    k->channel_env_request_function = on_env;
    k->channel_subsystem_request_function = on_subsystem;
}

bool asked_waits(const struct asked *a)
{
    return a->what != ASKED_NOTHING && a->what != ASKED_STARTED;
}

void asked_start(struct asked *a, struct channel *c)
{
    bool sftp = a->what == ASKED_SFTP, refused = a->what == ASKED_REFUSED;
    a->what = ASKED_STARTED;
    FREE_MEM char *command = a->command;
    a->command = NULL;
    /* The empty command says what is to be done first. */
    if (sftp && session_enrolling(a->s) == NULL) {
        doing_begin(a->s, c, "sftp", session_home(a->s) ? session_home(a->s) : "");
        sftp_start(c);
    } else if (refused)
        exec_refuse(c, "the key of this connection is for SFTP alone (command=\"internal-sftp\")");
    else if (command[0] == '\0' && a->terminal && session_enrolling(a->s) == NULL)
        interactive_start(c);
    else
        exec_start(c, command);
}

void asked_free(struct asked *a)
{
    free(a->command);
}
