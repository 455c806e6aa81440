#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "sshd/tool/tool.h"

static int help(const struct command *c);

/* Those without `local` are the daemon's. */
static const struct verb {
    const char *name, *arguments;
    int least, most;
    int (*local)(const struct command *c);
    const char *secret;     /* the first argument with which a password is read, for the last one */
    const char *help;
} verbs[] = {
    {"status", "", 0, 0, NULL, NULL, "the daemon and every server"},
    {"sessions", "", 0, 0, NULL, NULL, "who is connected"},
    {"kick", "ACCOUNT|ID", 1, 1, NULL, NULL, "end all sessions of an account, or one"},
    {"reload", "", 0, 0, NULL, NULL, "read the ini files again, all or nothing"},
    {"account", "WORD NAME", 2, 2, NULL, "passwd",
     "passwd: set its password, asked for or one line of standard input; totp-reset: take its second factor away"},
    {"doctor", "", 0, 0, NULL, NULL, "what the machine lacks, and what does not fit"},
    {"server", "WORD NAME", 2, 3, NULL, NULL, "show: one server as the daemon has it; plan: what a start does; seccomp: its system calls; freeze, thaw; start, stop, restart, kill; lock NAME REASON, unlock"},
    {"image", "WORD ...", 1, 3, image, NULL, "list; import NAME FILE (a tar of a root file system, - for standard input); rm NAME"},
    {"ban", "WORD ...", 1, 3, NULL, NULL, "list: sources that are held off; rm SOURCE or all; add SOURCE SECONDS"},
    {"quota", "WORD ...", 1, 3, quota, NULL, "list: limits and what is used; check: is that what a count finds?; migrate SERVER BACKEND [--dry-run]: its files to another backend"},
    {"hostkeys", "[HOST]", 0, 1, hostkeys, NULL, "fingerprints, known_hosts lines and SSHFP records"},
    {"key", "rotate", 1, 1, key, NULL, "a new secret.key, and everything the store keeps sealed anew with it; live sessions go on"},
    {"store", "WORD ...", 1, 2, store, NULL, "check: is the database sound?; backup FILE: a copy of it, of one moment"},
    {"metrics", "", 0, 0, NULL, NULL, "of the daemon and every server, as OpenMetrics text"},
    {"shutdown", "", 0, 0, NULL, NULL, "stop every server and the daemon"},
    {"version", "", 0, 0, NULL, NULL, "of the daemon"},
    {"help", "[VERB]", 0, 1, help, NULL, "this"},
};

static const struct verb *verb_of(const char *name)
{
    for (size_t i = 0; i < countof(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

static int unknown(const char *name)
{
    fprintf(stderr, "holdfast: unknown verb '%s'; allowed:", name);
    for (size_t i = 0; i < countof(verbs); i++)
        fprintf(stderr, " %s", verbs[i].name);
    fputc('\n', stderr);
    return TOOL_UNKNOWN;
}

static void print_verb(FILE *out, const struct verb *v)
{
    fprintf(out, "  %-10s%-14s%s\n", v->name, v->arguments, v->help);
}

static void print_help(FILE *out)
{
    fprintf(out, "usage: holdfast [--run FOLDER] [--config FOLDER] [--json] VERB [ARGUMENT...]\n");
    for (size_t i = 0; i < countof(verbs); i++)
        print_verb(out, &verbs[i]);
    fprintf(out, "  --run FOLDER     of the daemon to talk to; otherwise as holdfast.ini says\n"
                 "  --config FOLDER  of the ini files, instead of " HOLDFAST_SYSCONF "\n"
                 "  --json           one object a line\n"
                 "  --dry-run        of `quota migrate`: nothing is changed\n"
                 "  --force          of `store backup`: replace the file; of `key rotate`: leave what does not open\n");
}

static int help(const struct command *c)
{
    const struct verb *v = c->argc ? verb_of(c->argv[0]) : NULL;
    if (c->argc && v == NULL)
        return unknown(c->argv[0]);
    if (v)
        print_verb(stdout, v);
    else
        print_help(stdout);
    return TOOL_DONE_WELL;
}

/* Options may stand before the verb or behind it: none of the daemon's verbs has options of its own. */
static int options(int argc, char **argv, struct command *c)
{
    static const struct option longs[] = {
        {"run", required_argument, NULL, 'r'},
        {"config", required_argument, NULL, 'c'},
        {"json", no_argument, NULL, 'j'},
        {"force", no_argument, NULL, 'f'},
        {"dry-run", no_argument, NULL, 'n'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    for (int o; (o = getopt_long(argc, argv, "c:hj", longs, NULL)) != -1;)
        switch (o) {
        case 'r': c->run = optarg; break;
        case 'c': c->folder = optarg; break;
        case 'j': c->json = true; break;
        case 'f': c->force = true; break;
        case 'n': c->dry = true; break;
        case 'h': c->verb = "help"; return TOOL_DONE_WELL;
        default: print_help(stderr); return TOOL_USAGE;
        }
    if (optind == argc) {
        print_help(stderr);
        return TOOL_USAGE;
    }
    c->verb = argv[optind];
    c->argv = argv + optind + 1;
    c->argc = argc - optind - 1;
    return TOOL_DONE_WELL;
}

static int run(const struct command *c, const struct verb *v)
{
    if (c->force && v->local != store && v->local != key) {
        fprintf(stderr, "holdfast: --force is not for '%s'\n", v->name);
        return TOOL_USAGE;
    }
    if (c->dry && v->local != quota) {
        fprintf(stderr, "holdfast: --dry-run is not for '%s'\n", v->name);
        return TOOL_USAGE;
    }
    if (c->argc < v->least || c->argc > v->most) {
        fprintf(stderr, "usage: holdfast %s %s\n", v->name, v->arguments);
        return TOOL_USAGE;
    }
    if (v->local)
        return v->local(c);
    struct buf secret = BUF(1024);
    bool wanted = v->secret && strcmp(c->argv[0], v->secret) == 0;
    int code = wanted ? secret_read(c->argv[c->argc - 1], &secret) : TOOL_DONE_WELL;
    if (code == TOOL_DONE_WELL)
        code = request(c, &secret);
    buf_wipe(&secret);
    return code;
}

int main(int argc, char **argv)
{
    struct command c = { .folder = HOLDFAST_SYSCONF, .fd = -1 };
    log_init("holdfast", LOG_WARN);
    int code = options(argc, argv, &c);
    if (code != TOOL_DONE_WELL)
        return code;
    const struct verb *v = verb_of(c.verb);
    code = v ? run(&c, v) : unknown(c.verb);
    if (fflush(stdout) != 0 && code == TOOL_DONE_WELL)
        code = TOOL_FAILED;
    return code;
}
