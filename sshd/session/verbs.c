#include "sshd/session/verbs.h"

#include <string.h>

#define POWER (OPTION_WAIT | OPTION_TIMEOUT)
#define ANY 100000
#define SUM(word)                                                                                                                  \
    { .name = word, .most = ANY, .plain = true, .streams = true, .completed = COMPLETE_PATHS, .run = verb_sum,                     \
      .usage = word " [-btz] [--tag] [PATH...]",                                                                                   \
      .help = "digests of files, or of the input" }

const struct verb verbs[] = {
    { .name = "status", .server = SERVER_ALL, .right = RIGHT_STATUS, .options = OPTION_JSON, .run = verb_status,
      .usage = "status [SERVER] [--json]", .help = "state, memory, disk and ports; exit 3 if SERVER does not run" },
    { .name = "start", .server = SERVER_ONE, .right = RIGHT_START, .options = POWER, .run = verb_power,
      .usage = "start [SERVER] [--wait] [--timeout SECONDS]", .help = "start it; --wait: until it is ready" },
    { .name = "stop", .server = SERVER_ONE, .right = RIGHT_STOP, .options = POWER, .run = verb_power,
      .usage = "stop [SERVER] [--wait] [--timeout SECONDS]", .help = "ask it to stop; --wait: until it has" },
    { .name = "restart", .server = SERVER_ONE, .right = RIGHT_START | RIGHT_STOP, .options = POWER, .run = verb_power,
      .usage = "restart [SERVER] [--wait] [--timeout SECONDS]", .help = "stop and start it" },
    { .name = "kill", .server = SERVER_ONE, .right = RIGHT_KILL, .options = POWER, .run = verb_power,
      .usage = "kill [SERVER] [--wait] [--timeout SECONDS]", .help = "end all of its processes at once" },
    { .name = "top", .server = SERVER_ALL, .right = RIGHT_STATUS, .options = OPTION_JSON, .streams = true, .run = verb_top,
      .usage = "top [SERVER] [--json]", .help = "what they use now: a live screen (ssh -t), or one look of a second" },
    { .name = "console", .server = SERVER_ONE, .right = RIGHT_CONSOLE, .options = OPTION_RAW, .streams = true, .run = verb_console,
      .usage = "console [SERVER] [--raw]",
      .help = "attach to its console (ssh -t); without a terminal: stdin to it, its output to stdout" },
    { .name = "send", .server = SERVER_ONE, .right = RIGHT_SEND, .options = OPTION_EXPECT | OPTION_TIMEOUT, .least = 1, .most = ANY,
      .literal = true, .streams = true, .secret = true, .run = verb_send, .usage = "send [SERVER] [--expect RE [--timeout SECONDS]] TEXT...",
      .help = "type a line into its console; --expect: print the first line of output that matches, exit 1 if none does in time" },
    { .name = "shell", .server = SERVER_ONE, .right = RIGHT_SHELL, .most = ANY, .literal = true, .streams = true, .run = verb_shell,
      .usage = "shell [SERVER] [-- COMMAND...]", .help = "a shell inside its sandbox (ssh -t), or one command there, with the exit code it has" },
    { .name = "logs", .server = SERVER_ONE, .right = RIGHT_LOGS, .streams = true,
      .options = OPTION_LINES | OPTION_FOLLOW | OPTION_SINCE | OPTION_RAW | OPTION_JSON, .run = verb_logs,
      .usage = "logs [SERVER] [-n LINES] [-f] [--since TIME] [--raw] [--json]",
      .help = "the last lines of its output (100), or all since a time (10m, today, 2026-01-31T12:00:00Z); -f: and what follows" },
    { .name = "quota", .server = SERVER_ALL, .right = RIGHT_STATUS, .options = OPTION_JSON, .run = verb_quota,
      .usage = "quota [SERVER] [--json]", .help = "disk and files used, and the limits" },
    { .name = "du", .options = OPTION_JSON | OPTION_TOP, .most = ANY, .streams = true, .completed = COMPLETE_SERVERS_AND_PATHS, .run = verb_du,
      .usage = "du [SERVER] [PATH...] [--top N] [--json]", .help = "what files and folders take; --top: and the N largest of each" },
    { .name = "backup create", .server = SERVER_ONE, .right = RIGHT_BACKUP_CREATE, .options = OPTION_JSON, .most = 1, .streams = true,
      .run = verb_backup_create, .usage = "backup create [SERVER] [LABEL] [--json]", .help = "make a backup and print its id" },
    { .name = "backup list", .server = SERVER_ALL, .right = RIGHT_BACKUP_READ, .options = OPTION_JSON, .run = verb_backup_list,
      .usage = "backup list [SERVER] [--json]", .help = "the backups there are" },
    { .name = "backup get", .server = SERVER_ONE, .right = RIGHT_BACKUP_READ, .least = 1, .most = 1, .streams = true,
      .run = verb_backup_get, .usage = "backup get [SERVER] ID > FILE.tar.zst", .help = "the archive on stdout" },
    { .name = "activity", .server = SERVER_ALL, .right = RIGHT_ACTIVITY, .options = OPTION_LINES | OPTION_JSON, .run = verb_activity,
      .usage = "activity [SERVER] [-n RECORDS] [--json]", .help = "who did what, from where, when: the last records (50)" },
    { .name = "events", .server = SERVER_ALL, .right = RIGHT_STATUS, .options = OPTION_LINES | OPTION_FOLLOW | OPTION_AFTER | OPTION_JSON,
      .streams = true, .run = verb_events, .usage = "events [SERVER] [-n EVENTS | --after ID] [-f] [--json]",
      .help = "what happened to your servers and logins: the last (50), or all behind ID; -f: and what follows" },
    { .name = "keys list", .options = OPTION_JSON, .run = verb_keys_list, .usage = "keys list [--json]",
      .help = "your keys: number, type, fingerprint, label, when added, last used, options" },
    { .name = "keys add", .most = ANY, .literal = true, .run = verb_keys_add, .usage = "keys add [[OPTIONS] TYPE BASE64 [LABEL]]",
      .help = "one key more: the line behind it, or lines on stdin" },
    { .name = "keys rm", .least = 1, .most = 1, .options = OPTION_FORCE, .run = verb_keys_rm,
      .usage = "keys rm FINGERPRINT|LABEL|NUMBER [--force]", .help = "remove one of your own; --force: the last one too, or the one in use" },
    { .name = "passwd", .streams = true, .run = verb_passwd, .usage = "passwd",
      .help = "change your password (ssh -t); without a terminal: three lines of input, the old one, the new one, the new one again" },
    { .name = "totp enroll", .most = 1, .options = OPTION_JSON | OPTION_QR, .enrolling = true, .secret = true, .run = verb_totp_enroll,
      .usage = "totp enroll [CODE] [--qr] [--json]",
      .help = "a new second factor for an authenticator app, in force once it is verified; CODE: of the one there is" },
    { .name = "totp verify", .least = 1, .most = 1, .options = OPTION_JSON, .enrolling = true, .secret = true, .run = verb_totp_verify,
      .usage = "totp verify CODE [--json]", .help = "put the new second factor in force and print its recovery codes, once" },
    { .name = "totp codes", .least = 1, .most = 1, .options = OPTION_JSON, .secret = true, .run = verb_totp_codes,
      .usage = "totp codes CODE [--json]", .help = "new recovery codes; those before are void" },
    { .name = "totp remove", .least = 1, .most = 1, .secret = true, .run = verb_totp_remove, .usage = "totp remove CODE",
      .help = "give the second factor up, where the admin does not want one" },
    { .name = "whoami", .enrolling = true, .options = OPTION_JSON, .run = verb_whoami, .usage = "whoami [--json]",
      .help = "your account, key, address and rights" },
    { .name = "limits", .options = OPTION_JSON, .run = verb_limits, .usage = "limits [--json]",
      .help = "connections, rates and tries: what is used and what is left" },
    { .name = "sessions", .options = OPTION_JSON, .most = 1, .run = verb_sessions, .usage = "sessions [SERVER] [--json]",
      .help = "who is logged in as you, from where, and does what; SERVER: who is at its console, or does anything with it" },
    { .name = "help", .enrolling = true, .most = 2, .completed = COMPLETE_VERBS, .run = verb_help, .usage = "help [VERB]", .help = "this" },
    { .name = "version", .options = OPTION_JSON, .run = verb_version, .usage = "version [--json]", .help = "of this service" },
    /* What stock clients send to find out what is at the other end. */
    { .name = "df", .most = ANY, .plain = true, .completed = COMPLETE_PATHS, .streams = true, .run = verb_df, .usage = "df [-k | -h] [PATH...]",
      .help = "space on your servers' disks, in KiB" },
    SUM("md5sum"), SUM("sha1sum"), SUM("sha224sum"), SUM("sha256sum"), SUM("sha384sum"), SUM("sha512sum"),
    { .name = "scp", .most = ANY, .plain = true, .protocol = true, .streams = true, .run = verb_scp, .usage = "scp -t|-f [-r] [-p] [-d] PATH...",
      .help = "the far end of a copy by an old client (scp -O, pscp -scp)" },
    { .name = "rsync", .most = ANY, .plain = true, .protocol = true, .streams = true, .run = verb_rsync, .usage = "rsync --server ...",
      .help = "the far end of a copy by rsync, which runs on your machine" },
    { .name = "test", .most = ANY, .plain = true, .completed = COMPLETE_PATHS, .run = verb_test, .usage = "test -e|-f|-d|-L|-s PATH",
      .help = "exit 0 if PATH is there, a file, a folder, a link, not empty; else 1" },
    { .name = "echo", .most = ANY, .plain = true, .run = verb_echo, .usage = "echo [-n] [WORD...]", .help = "print the words" },
    { .name = "true", .most = ANY, .plain = true, .run = verb_true, .usage = "true", .help = "do nothing, exit 0" },
    { .name = "exit", .most = ANY, .plain = true, .run = verb_true, .usage = "exit",
      .help = "leave the prompt; without one the same as true, as ssh-copy-id tries a key with it" },
    { .name = "pwd", .most = ANY, .plain = true, .run = verb_pwd, .usage = "pwd", .help = "print /" },
    { .name = NULL },
};

const struct verb *verb_find(char **words, size_t *nwords, bool *group)
{
    size_t first = strlen(words[0]);
    *group = false;
    for (const struct verb *v = verbs; v->name; v++) {
        const char *second = strchr(v->name, ' ');
        size_t len = second ? (size_t)(second - v->name) : strlen(v->name);
        if (len != first || strncmp(v->name, words[0], len) != 0)
            continue;
        *nwords = second ? 2 : 1;
        if (second == NULL || (words[1] && strcmp(words[1], second + 1) == 0))
            return v;
        *group = true;
    }
    return NULL;
}
