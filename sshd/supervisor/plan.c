#include "sshd/supervisor/plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sandbox/proto.h"
#include "sshd/supervisor/cgroup.h"
#include "sshd/supervisor/image.h"
#include "sshd/supervisor/launch.h"

int launch_pool(const struct conf *conf, uint32_t *base, uint32_t *count)
{
    char host[32];
    struct in_addr in;
    const char *slash = strchr(conf->network.pool, '/');
    if (slash == NULL || (size_t)(slash - conf->network.pool) >= sizeof host)
        return -1;
    snprintf(host, sizeof host, "%.*s", (int)(slash - conf->network.pool), conf->network.pool);
    char *end;
    unsigned long bits = strtoul(slash + 1, &end, 10);
    if (*end || end == slash + 1 || bits < 8 || bits > 30 || inet_pton(AF_INET, host, &in) != 1)
        return -1;
    *base = ntohl(in.s_addr) & ~((1u << (32 - bits)) - 1);
    *count = (1u << (32 - bits)) / 4;
    return 0;
}

static void put_strings(struct msg *m, char *const *v, size_t n)
{
    msg_put_u32(m, (uint32_t)n);
    for (size_t i = 0; i < n; i++)
        msg_put_str(m, v[i]);
}

static int put_command(const struct conf_server *c, struct msg *m, struct err *e)
{
    char **words;
    const char *why;
    if (conf_words(c->command, &words, &why) < 0)
        return err_set(e, EINVAL, "command", "%s", why);
    size_t n = 0;
    while (words[n])
        n++;
    put_strings(m, words, n);
    conf_words_free(words);
    return n ? 0 : err_set(e, EINVAL, "command", "is empty");
}

static bool has_notify(const struct conf_server *c)
{
    return c->ready.kind == HOW_NOTIFY || c->watchdog > 0;
}

/* What sd_notify(3) and sd_watchdog_enabled(3) look for. */
static void put_notify(const struct conf_server *c, struct msg *m)
{
    if (has_notify(c))
        msg_put_str(m, "NOTIFY_SOCKET=" NOTIFY_SOCKET);
    if (c->watchdog) {
        FREE_MEM char *text = mem_fmt("WATCHDOG_USEC=%llu", (unsigned long long)c->watchdog * 1000);
        msg_put_str(m, text);
    }
}

/* TERM: NULL: as the server has it. */
static void put_environment(const struct server *v, const struct conf_server *c, bool notify, const char *term, struct msg *m)
{
    uint32_t a = server_inside_address(v);
    char six[INET6_ADDRSTRLEN];
    server_inside6_address(v, six);
    char *ours[] = {
        mem_str("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games"), mem_str("HOME=/home/server"),
        mem_str("USER=server"), mem_str("LOGNAME=server"), mem_str("SHELL=/bin/sh"), mem_str("LANG=C.UTF-8"),
        mem_str("TMPDIR=/tmp"), mem_fmt("TERM=%s", term ? term : c->tty == CONF_YES ? "xterm-256color" : "dumb"),
        mem_fmt("SERVER_NAME=%s", v->name), mem_fmt("SERVER_MEMORY=%llu", (unsigned long long)(c->memory >> 20)),
        mem_fmt("SERVER_IP=%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255),
        mem_fmt("SERVER_IP6=%s", six),
        mem_fmt("SERVER_PORT=%u", c->port.n ? c->port.v[0].port : 0u),
    };
    size_t told = notify ? (size_t)has_notify(c) + (c->watchdog > 0) : 0;
    msg_put_u32(m, (uint32_t)(countof(ours) + told + c->environment.n));
    for (size_t i = 0; i < countof(ours); i++) {
        msg_put_str(m, ours[i]);
        free(ours[i]);
    }
    if (notify)
        put_notify(c, m);
    for (size_t i = 0; i < c->environment.n; i++)
        msg_put_str(m, c->environment.v[i]);
}

/* Up to the next mark; AT goes behind it. */
static char *next_word(const char **at)
{
    const char *mark = strchr(*at, SHELL_MARK);
    char *word = mem_strn(*at, (size_t)(mark - *at));
    *at = mark + 1;
    return word;
}

static uint32_t count_words(const char *at)
{
    uint32_t n = 0;
    while ((at = strchr(at, SHELL_MARK)) != NULL)
        n++, at++;
    return n;
}

/* Without a command, one word that is empty: the shell that there is. */
static void put_words(const char *words, struct msg *m)
{
    uint32_t n = count_words(words) - 1;
    const char *at = words;
    free(next_word(&at));
    msg_put_u32(m, n ? n : 1);
    if (n == 0)
        msg_put_str(m, "");
    while (*at) {
        FREE_MEM char *word = next_word(&at);
        msg_put_str(m, word);
    }
}

static void put_shell_environment(const struct server *v, const struct conf_server *c, const char *words, struct msg *m)
{
    FREE_MEM char *term = next_word(&words);
    put_environment(v, c, false, term[0] ? term : "dumb", m);
}

void plan_put_shell(const struct server *v, const struct conf_server *c, const char *words, bool terminal, struct msg *m)
{
    put_words(words, m);
    msg_put_str(m, "/home/server");
    put_shell_environment(v, c, words, m);
    msg_put_u32(m, INIT_TELLS | (terminal ? INIT_TTY : 0));
}

static int put_network(const struct server *v, const struct conf_server *c, struct msg *m, struct err *e)
{
    struct server_net n = { 0 };
    if (c->network == NETWORK_PRIVATE && !server_net(v, &n))
        return err_set(e, 0, "network.pool", "%s or pool6 has no room for server number %u", v->super->conf.network.pool, v->number);
    msg_put_u32(m, (uint32_t)c->network);
    msg_put_u32(m, n.host);
    msg_put_u32(m, n.inside);
    msg_put_str(m, n.host6);
    msg_put_str(m, n.inside6);
    msg_put_str(m, n.interface);
    msg_put_u32(m, (uint32_t)c->port.n);
    for (size_t i = 0; i < c->port.n; i++) {
        msg_put_u32(m, c->port.v[i].port);
        msg_put_u32(m, c->port.v[i].udp);
    }
    put_strings(m, v->super->conf.network.dns.v, v->super->conf.network.dns.n);
    return 0;
}

/* WORDS: of a shell, as of OP_SHELL; else NULL. */
static int put_plan(const struct server *v, const struct conf_server *c, uint16_t type, bool filter, bool image, const char *words, struct msg *m,
                    struct err *e)
{
    const struct conf *conf = &v->super->conf;
    FREE_MEM char *init = mem_fmt("%s/holdfast-init", conf->paths.libexec);
    FREE_MEM char *shim = mem_fmt("%s/holdfast-shim", conf->paths.libexec);
    msg_begin(m, type, 0);
    msg_put_str(m, v->name);
    msg_put_u32(m, server_uid_base(v));
    msg_put_u32(m, conf->ids.shim);
    msg_put_u32(m, (uint32_t)conf->log.level);
    if (words)
        put_words(words, m);
    else if (put_command(c, m, e) < 0)
        return -1;
    msg_put_str(m, c->directory);
    if (words)
        put_shell_environment(v, c, words, m);
    else
        put_environment(v, c, type == LAUNCH_RUN, NULL, m);
    msg_put_u32(m, c->tty == CONF_YES);
    msg_put_u64(m, c->tmp);
    msg_put_u64(m, c->memory);
    msg_put_u32(m, c->nofile);
    msg_put_u32(m, cgroup_nproc(v->super, c));
    msg_put_u32(m, type == LAUNCH_ERRAND ? PROFILE_TOOL : PROFILE_SERVER);
    msg_put_u32(m, filter);
    if (put_network(v, c, m, e) < 0)
        return -1;
    msg_put_u32(m, image);
    msg_put_str(m, init);
    msg_put_str(m, shim);
    msg_put_u32(m, (uint32_t)c->ready.kind);
    msg_put_u32(m, (uint32_t)c->ready.number);
    msg_put_str(m, c->ready.text);
    msg_put_u32(m, type == LAUNCH_RUN && has_notify(c));
    msg_put_u64(m, type == LAUNCH_RUN ? c->watchdog : 0);
    return 0;
}

static void put_fds(struct msg *m, const int *fds, int n)
{
    for (int i = 0; i < n; i++)
        if (fds[i] >= 0)
            msg_put_fd(m, fds[i]);
}

int plan_write(const struct server *v, const struct conf_server *c, struct msg *m, const int fds[6], struct err *e)
{
    if (put_plan(v, c, LAUNCH_RUN, fds[5] >= 0, fds[3] >= 0, NULL, m, e) < 0)
        return -1;
    msg_put_u32(m, fds[4] >= 0);
    put_fds(m, fds, 6);
    return 0;
}

int plan_write_dry(const struct server *v, const struct conf_server *c, struct msg *m, struct err *e)
{
    if (put_plan(v, c, LAUNCH_RUN, c->seccomp.n > 0, !image_is_host(c->image), NULL, m, e) < 0)
        return -1;
    msg_put_u32(m, v->super->cgroup != NULL);
    return 0;
}

int plan_write_errand(const struct server *v, const struct conf_server *c, const struct plan_errand *r, struct msg *m, struct err *e)
{
    const int fds[] = { r->root, r->stdio[0], r->stdio[1], r->stdio[2], r->image, r->group, r->filter };
    /* rsync is the machine's: an image need not have it. */
    if (put_plan(v, c, r->words ? LAUNCH_SHELL : LAUNCH_ERRAND, r->filter >= 0, r->image >= 0, r->words, m, e) < 0)
        return -1;
    msg_put_u32(m, r->group >= 0);
    msg_put_u32(m, r->writes);
    msg_put_u32(m, r->seconds);
    if (r->words) {
        msg_put_u32(m, r->columns);
        msg_put_u32(m, r->rows);
    }
    put_fds(m, fds, countof(fds));
    return 0;
}
