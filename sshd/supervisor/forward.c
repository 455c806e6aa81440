#include "sshd/supervisor/forward.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"

#define IPV4 "/proc/sys/net/ipv4/ip_forward"
#define IPV6 "/proc/sys/net/ipv6/conf/all/forwarding"
#define PORTS6 "/proc/sys/net/ipv6/conf"

enum { NOTES_MOST = 1 << 20 };

/* The one digit of a setting, -1 if it cannot be read. */
static int setting(const char *path)
{
    struct err e;
    FREE_MEM char *text = io_read_file(path, 64, NULL, &e);
    return text && text[0] >= '0' && text[0] <= '9' ? text[0] - '0' : -1;
}

bool forward_has_ipv6(void)
{
    /* Where new interfaces are to have none, none can be given to a server. */
    return access(IPV6, F_OK) == 0 && setting(PORTS6 "/default/disable_ipv6") == 0;
}

static int set(const char *path, int value, struct err *e)
{
    char text[8];
    int n = snprintf(text, sizeof text, "%d\n", value);
    CLOSE_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 || write(fd, text, (size_t)n) != n ? err_set(e, errno, "write", "%s", path) : 0;
}

/* ---- what we changed, in the run folder: one setting a line ---- */

static char *notes_path(const struct conf *conf)
{
    return mem_fmt("%s/forwarding", conf->paths.run);
}

static char *notes(const struct conf *conf)
{
    struct err e;
    FREE_MEM char *path = notes_path(conf);
    char *text = io_read_file(path, NOTES_MOST, NULL, &e);
    return text ? text : mem_str("");
}

static bool noted(const char *text, const char *path)
{
    size_t n = strlen(path);
    for (const char *at = text; (at = strstr(at, path)); at += n)
        if ((at == text || at[-1] == '\n') && at[n] == '\n')
            return true;
    return false;
}

/* Before the change: a daemon that dies in between must find it. */
static int note(const struct conf *conf, const char *setting_path, struct err *e)
{
    FREE_MEM char *before = notes(conf);
    if (noted(before, setting_path))
        return 0;
    FREE_MEM char *path = notes_path(conf);
    FREE_MEM char *text = mem_fmt("%s%s\n", before, setting_path);
    return io_write_file(path, 0600, text, strlen(text), e);
}

/* ---- */

static bool wanted(const struct conf *conf)
{
    if (conf->network.forward != CONF_YES)
        return false;
    for (size_t i = 0; i < conf->nservers; i++)
        if (conf->servers[i].network == NETWORK_PRIVATE)
            return true;
    return false;
}

static struct forward_family plan_one(const char *path, const char *text, bool want)
{
    bool on = setting(path) > 0, ours = noted(text, path);
    if (!want)
        return (struct forward_family){ .routed = on && !ours };
    return (struct forward_family){ .routed = true, .ours = ours || !on };
}

void forward_plan(const struct conf *conf, struct forward *f)
{
    FREE_MEM char *text = notes(conf);
    bool want = wanted(conf);
    f->v4 = plan_one(IPV4, text, want);
    f->v6 = plan_one(IPV6, text, want && conf->network.pool6[0] && forward_has_ipv6());
}

static int switch_on(const struct conf *conf, const char *path, int value, struct err *e)
{
    if (note(conf, path, e) < 0 || set(path, value, e) < 0)
        return -1;
    log_info("forward", "setting=%s value=%d", path, value);
    return 0;
}

/* A router hears no router advertisements, but for those of interfaces that say 2: the machine would lose its own addresses and way out. */
static int keep_advertisements(const struct conf *conf, struct err *e)
{
    DIR *d = opendir(PORTS6);
    if (d == NULL)
        return err_set(e, errno, "open", "%s", PORTS6);
    int r = 0;
    for (struct dirent *entry; r == 0 && (entry = readdir(d)) != NULL;) {
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "all") == 0 || strcmp(entry->d_name, "default") == 0 ||
            strcmp(entry->d_name, "lo") == 0)
            continue;
        FREE_MEM char *path = mem_fmt("%s/%s/accept_ra", PORTS6, entry->d_name);
        if (setting(path) == 1)
            r = switch_on(conf, path, 2, e);
    }
    closedir(d);
    return r;
}

int forward_on(const struct conf *conf, const struct forward *f, struct err *e)
{
    if (f->v4.ours && setting(IPV4) == 0 && switch_on(conf, IPV4, 1, e) < 0)
        return -1;
    if (!f->v6.ours || setting(IPV6) != 0)
        return 0;
    return keep_advertisements(conf, e) < 0 ? -1 : switch_on(conf, IPV6, 1, e);
}

void forward_off(const struct conf *conf)
{
    FREE_MEM char *text = notes(conf), *path = notes_path(conf);
    if (text[0] == '\0')
        return;
    /* The last first: forwarding ends before advertisements are as they were. */
    for (char *line = text + strlen(text); line > text;) {
        struct err e;
        char words[400];
        line[-1] = '\0';
        for (line--; line > text && line[-1] != '\n'; line--)
            ;
        /* An interface that has gone took its setting with it. */
        if (strncmp(line, "/proc/sys/net/", 14) == 0 && access(line, F_OK) == 0 && set(line, strstr(line, "accept_ra") ? 1 : 0, &e) < 0)
            log_error("forward", "error=\"%s\"", err_text(&e, words, sizeof words));
    }
    unlink(path);
    log_info("forward", "settings=restored");
}
