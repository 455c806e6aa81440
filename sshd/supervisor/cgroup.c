#include "sshd/supervisor/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"

static const char *const needed[] = { "cpu", "memory", "pids" };
static const char *const wanted[] = { "cpu", "memory", "pids", "io" };
/* Beside the servers' folders; no server's name begins with a dot. */
static const char shims[] = ".shims", errands[] = ".errand.";

/* The mount point of cgroup2, owned; NULL if there is none. */
static char *mount_point(void)
{
    FREE_MEM char *text = io_read_file("/proc/self/mountinfo", 4 << 20, NULL, NULL);
    char *save = NULL, *found = NULL;
    for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
        char point[512];
        const char *type = strstr(line, " - ");
        if (type && strncmp(type, " - cgroup2 ", 11) == 0 && sscanf(line, "%*s %*s %*s %*s %511s", point) == 1) {
            found = mem_str(point);
            break;
        }
    }
    return found;
}

static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = list; (p = strstr(p, word)) != NULL; p += n)
        if ((p == list || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\n' || p[n] == '\0'))
            return true;
    return false;
}

static int write_at(const char *folder, const char *file, const char *text)
{
    FREE_MEM char *path = mem_fmt("%s/%s", folder, file);
    CLOSE_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -1 : io_write_all(fd, text, strlen(text));
}

static void missing_in(const char *root, char *why, size_t size)
{
    FREE_MEM char *path = mem_fmt("%s/cgroup.controllers", root);
    FREE_MEM char *have = io_read_file(path, 4096, NULL, NULL);
    why[0] = '\0';
    for (size_t i = 0; i < countof(needed); i++)
        if (have == NULL || !has_word(have, needed[i])) {
            size_t n = strlen(why);
            snprintf(why + n, size - n, "%s%s", n ? ", " : "cgroup v2 controllers missing: ", needed[i]);
        }
}

void cgroup_probe(char *why, size_t size)
{
    FREE_MEM char *root = mount_point();
    if (root == NULL)
        snprintf(why, size, "no cgroup2 file system is mounted");
    else
        missing_in(root, why, size);
}

static void enable(const char *folder)
{
    for (size_t i = 0; i < countof(wanted); i++) {
        char word[16];
        snprintf(word, sizeof word, "+%s", wanted[i]);
        write_at(folder, "cgroup.subtree_control", word);
    }
}

static void remove_folder(const char *folder)
{
    for (int i = 0; i < 100 && rmdir(folder) < 0 && errno == EBUSY; i++)
        nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

/* Of a daemon that died: nobody waits for them. */
static void sweep_errands(const struct super *s)
{
    DIR *d = opendir(s->cgroup);
    if (d == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
        if (strncmp(entry->d_name, errands, sizeof errands - 1) != 0)
            continue;
        FREE_MEM char *folder = mem_fmt("%s/%s", s->cgroup, entry->d_name);
        write_at(folder, "cgroup.kill", "1");
        remove_folder(folder);
    }
    closedir(d);
}

void cgroup_find(struct super *s)
{
    FREE_MEM char *root = mount_point();
    s->limits_missing[0] = '\0';
    if (root == NULL) {
        snprintf(s->limits_missing, sizeof s->limits_missing, "no cgroup2 file system is mounted");
        return;
    }
    s->cgroup = mem_fmt("%s/%s", root, s->conf.sandbox.cgroup);
    enable(root);
    if (mkdir(s->cgroup, 0755) < 0 && errno != EEXIST) {
        snprintf(s->limits_missing, sizeof s->limits_missing, "cannot make %s: %s", s->cgroup, strerror(errno));
        free(s->cgroup);
        s->cgroup = NULL;
        return;
    }
    enable(s->cgroup);
    sweep_errands(s);
    missing_in(s->cgroup, s->limits_missing, sizeof s->limits_missing);
    FREE_MEM char *folder = mem_fmt("%s/%s", s->cgroup, shims);
    if (mkdir(folder, 0755) < 0 && errno != EEXIST)
        log_warn("cgroup", "folder=%s error=\"%s\"", folder, strerror(errno));
}

void cgroup_take_shim(const struct super *s, pid_t pid)
{
    if (s->cgroup == NULL)
        return;
    FREE_MEM char *folder = mem_fmt("%s/%s", s->cgroup, shims);
    char text[16];
    snprintf(text, sizeof text, "%d", (int)pid);
    /* Gone already: its link tells. */
    if (write_at(folder, "cgroup.procs", text) < 0 && errno != ESRCH)
        log_warn("cgroup", "folder=%s pid=%d error=\"%s\"", folder, (int)pid, strerror(errno));
}

static char *folder_of(const struct server *v)
{
    return mem_fmt("%s/%s", v->super->cgroup, v->name);
}

struct limit { const char *file; char text[48]; bool must; };

static int set_limits(const struct super *s, const char *folder, const struct conf_server *c, struct err *e)
{
    struct limit limits[] = {
        { "memory.max", "", true }, { "memory.high", "", true }, { "memory.swap.max", "", false },
        { "memory.oom.group", "1", false }, { "cpu.max", "", true }, { "cpu.weight", "", false },
        { "io.weight", "", false }, { "pids.max", "", true },
    };
    snprintf(limits[0].text, 48, "%" PRIu64, c->memory);
    if (c->memory_high)
        snprintf(limits[1].text, 48, "%" PRIu64, c->memory_high);
    else
        snprintf(limits[1].text, 48, "max");
    snprintf(limits[2].text, 48, "%" PRIu64, c->swap);
    snprintf(limits[4].text, 48, "%u 100000", c->cpu * 1000);
    snprintf(limits[5].text, 48, "%u", c->cpu_weight);
    snprintf(limits[6].text, 48, "default %u", c->io_weight);
    snprintf(limits[7].text, 48, "%u", c->pids);
    for (size_t i = 0; i < countof(limits); i++)
        if (write_at(folder, limits[i].file, limits[i].text) < 0 && limits[i].must && s->limits_missing[0] == '\0')
            return err_set(e, errno, limits[i].file, "%s", limits[i].text);
    return 0;
}

static int make_folder(const struct super *s, const char *folder, const struct conf_server *c, struct err *e)
{
    if (mkdir(folder, 0755) < 0 && errno != EEXIST)
        return err_set(e, errno, "mkdir", "%s", folder);
    if (set_limits(s, folder, c, e) < 0)
        return -1;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? err_set(e, errno, "open", "%s", folder) : fd;
}

int cgroup_make(struct server *v, const struct conf_server *c, struct err *e)
{
    const struct super *s = v->super;
    if (s->cgroup == NULL)
        return err_set(e, 0, "cgroup", "%s", s->limits_missing);
    FREE_MEM char *folder = folder_of(v);
    return make_folder(s, folder, c, e);
}

static char *errand_folder(const struct super *s, uint32_t number)
{
    return mem_fmt("%s/%s%u", s->cgroup, errands, number);
}

int cgroup_make_errand(const struct super *s, uint32_t number, const struct conf_server *c, struct err *e)
{
    if (s->cgroup == NULL)
        return err_set(e, 0, "cgroup", "%s", s->limits_missing);
    FREE_MEM char *folder = errand_folder(s, number);
    return make_folder(s, folder, c, e);
}

void cgroup_kill_errand(const struct super *s, uint32_t number)
{
    if (s->cgroup == NULL)
        return;
    FREE_MEM char *folder = errand_folder(s, number);
    write_at(folder, "cgroup.kill", "1");
}

void cgroup_remove_errand(const struct super *s, uint32_t number)
{
    if (s->cgroup == NULL)
        return;
    FREE_MEM char *folder = errand_folder(s, number);
    remove_folder(folder);
}

void cgroup_limits(struct server *v, const struct conf_server *c)
{
    struct err e;
    if (v->super->cgroup == NULL)
        return;
    FREE_MEM char *folder = folder_of(v);
    char line[400];
    if (set_limits(v->super, folder, c, &e) < 0)
        log_warn("server.limits", "server=%s error=\"%s\"", v->name, err_text(&e, line, sizeof line));
}

void cgroup_kill(struct server *v)
{
    if (v->super->cgroup == NULL)
        return;
    FREE_MEM char *folder = folder_of(v);
    write_at(folder, "cgroup.kill", "1");
}

void cgroup_remove(struct server *v)
{
    if (v->super->cgroup == NULL)
        return;
    FREE_MEM char *folder = folder_of(v);
    remove_folder(folder);
}

static char *read_at(const struct server *v, const char *file)
{
    if (v->super->cgroup == NULL)
        return NULL;
    FREE_MEM char *path = mem_fmt("%s/%s/%s", v->super->cgroup, v->name, file);
    return io_read_file(path, 1 << 20, NULL, NULL);
}

static uint64_t number_after(const char *text, const char *word)
{
    const char *at = text ? strstr(text, word) : NULL;
    return at ? strtoull(at + strlen(word), NULL, 10) : 0;
}

bool cgroup_oom(const struct server *v)
{
    FREE_MEM char *text = read_at(v, "memory.events");
    return number_after(text, "oom_kill ") > 0;
}

static uint32_t count_lines(const char *text)
{
    uint32_t n = 0;
    for (; text && *text; text++)
        n += *text == '\n';
    return n;
}

void cgroup_read(const struct server *v, struct cgroup_use *use)
{
    FREE_MEM char *cpu = read_at(v, "cpu.stat");
    FREE_MEM char *memory = read_at(v, "memory.current");
    FREE_MEM char *peak = read_at(v, "memory.peak");
    FREE_MEM char *pids = read_at(v, "cgroup.threads");
    use->cpu_ms = number_after(cpu, "usage_usec ") / 1000;
    use->memory = memory ? strtoull(memory, NULL, 10) : 0;
    use->memory_peak = peak ? strtoull(peak, NULL, 10) : 0;
    use->pids = count_lines(pids);
}

void cgroup_leave(struct super *s)
{
    if (s->cgroup == NULL)
        return;
    FREE_MEM char *folder = mem_fmt("%s/%s", s->cgroup, shims);
    remove_folder(folder);
    rmdir(s->cgroup);
}
