#include "sshd/supervisor/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sshd/supervisor/cgroup_shell.h"
#include "sshd/supervisor/hold.h"
#include "sshd/supervisor/usage.h"

static const char *const needed[] = { "cpu", "memory", "pids" };
static const char *const wanted[] = { "cpu", "memory", "pids", "io", "cpuset" };
/* Of all shims together, and for each server; a server's network and mounts, which launch makes, are charged there too. */
#define SHIMS_MEMORY ((uint64_t)64 << 20)
#define SHIM_MEMORY ((uint64_t)16 << 20)
enum { SHIMS_PIDS = 64, SHIM_PIDS = 4, NPROC_MORE = 16 };
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

/* What a server asks for beyond the controllers that every machine must have. */
static void missing_for(const struct conf_server *c, const char *have, char *why, size_t size)
{
    const struct limits_place place = { .page = 4096 };
    for (size_t i = 0; i < limit_count && why[0] == '\0'; i++)
        if (limit_rows[i].need == NEED_ASKED && limit_asked(&limit_rows[i], c, &place) && !has_word(have, limit_rows[i].controller))
            snprintf(why, size, "server %s has %s, and controller %s of cgroup v2 is missing", c->name, limit_rows[i].key, limit_rows[i].controller);
}

void cgroup_probe(const struct conf *conf, char *why, size_t size)
{
    FREE_MEM char *root = mount_point();
    if (root == NULL) {
        snprintf(why, size, "no cgroup2 file system is mounted");
        return;
    }
    missing_in(root, why, size);
    FREE_MEM char *path = mem_fmt("%s/cgroup.controllers", root);
    FREE_MEM char *have = io_read_file(path, 4096, NULL, NULL);
    for (size_t i = 0; have && i < conf->nservers; i++)
        missing_for(&conf->servers[i], have, why, size);
}

static void enable(const char *folder)
{
    for (size_t i = 0; i < countof(wanted); i++) {
        char word[16];
        snprintf(word, sizeof word, "+%s", wanted[i]);
        hold_write(folder, "cgroup.subtree_control", word);
    }
}

void cgroup_remove_folder(const char *folder)
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
        FREE_MEM char *folder = mem_fmt("%s/%s", s->cgroup, entry->d_name);
        if (entry->d_name[0] != '.')
            cgroup_sweep_shells(folder);
        if (strncmp(entry->d_name, errands, sizeof errands - 1) != 0)
            continue;
        hold_write(folder, "cgroup.kill", "1");
        cgroup_remove_folder(folder);
    }
    closedir(d);
}

/* What servers are promised together, the kernel has to be promised above them; and what the shims may use, who are as many. */
static void share(const struct super *s)
{
    uint64_t reserved = 0;
    for (const struct server *v = s->servers; v; v = v->next)
        reserved += v->reserved;
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, reserved);
    hold_write(s->cgroup, "memory.low", text);
    FREE_MEM char *folder = mem_fmt("%s/%s", s->cgroup, shims);
    snprintf(text, sizeof text, "%" PRIu64, SHIMS_MEMORY + s->conf.nservers * SHIM_MEMORY);
    hold_write(folder, "memory.max", text);
    snprintf(text, sizeof text, "%zu", SHIMS_PIDS + s->conf.nservers * SHIM_PIDS);
    hold_write(folder, "pids.max", text);
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
    /* To be walked through, not listed: before Linux 6.15 or so a sandbox that mounts its own group is asked for the way to it. */
    if ((mkdir(s->cgroup, 0711) < 0 && errno != EEXIST) || chmod(s->cgroup, 0711) < 0) {
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
    share(s);
}

void cgroup_take_shim(const struct super *s, pid_t pid)
{
    if (s->cgroup == NULL)
        return;
    FREE_MEM char *folder = mem_fmt("%s/%s", s->cgroup, shims);
    char text[16];
    snprintf(text, sizeof text, "%d", (int)pid);
    /* Gone already: its link tells. */
    if (hold_write(folder, "cgroup.procs", text) < 0 && errno != ESRCH)
        log_warn("cgroup", "folder=%s pid=%d error=\"%s\"", folder, (int)pid, strerror(errno));
}

static char *folder_of(const struct server *v)
{
    return mem_fmt("%s/%s", v->super->cgroup, v->name);
}

static char *files_of(const struct server *v)
{
    return mem_fmt("%s/servers/%s", v->super->conf.paths.state, v->name);
}

static bool has_swap(void)
{
    FREE_MEM char *text = io_read_file("/proc/swaps", 1 << 16, NULL, NULL);
    const char *line = text ? strchr(text, '\n') : NULL;
    return line && line[1];
}

/* Every processor that may be, where the machine does not say. */
void cgroup_cpus(struct conf_cpus *set)
{
    FREE_MEM char *text = io_read_file("/sys/devices/system/cpu/online", 1 << 16, NULL, NULL);
    if (text)
        text[strcspn(text, "\n")] = '\0';
    if (text == NULL || conf_cpus(text, set) < 0)
        memset(set, 0xff, sizeof *set);
}

/* The loop device is where a server's reads and writes are held back, by whatever way they come.  At the disk under it the kernel knows the
   server only while the device reads and writes its image directly (t/vm/limits.t shows both). */
struct limits_place cgroup_place(const struct server *v)
{
    struct limits_place p = { .page = (uint64_t)sysconf(_SC_PAGESIZE), .swap = has_swap() };
    struct stat st;
    FREE_MEM char *files = files_of(v);
    cgroup_cpus(&p.cpus);
    /* Of a server that was found running it is up, though not by us. */
    if ((v->disk == DISK_UP || v->resizing || v->launched) && stat(files, &st) == 0) {
        p.disk.major = major(st.st_dev);
        p.disk.minor = minor(st.st_dev);
    }
    return p;
}

/* What an earlier run left there, processes or counts of kills, is not this one's. */
static int fresh_folder(const char *folder, struct err *e)
{
    if (mkdir(folder, 0755) == 0)
        return 0;
    if (errno == EEXIST) {
        cgroup_sweep_shells(folder);
        hold_write(folder, "cgroup.kill", "1");
        cgroup_remove_folder(folder);
        if (mkdir(folder, 0755) == 0)
            return 0;
    }
    return err_set(e, errno, "mkdir", "%s", folder);
}

static bool excused(const struct super *s)
{
    return s->conf.sandbox.limits == LIMITS_AVAILABLE;
}

static int make_folder(const struct server *v, const char *folder, const struct conf_server *c, struct err *e)
{
    struct limits_place place = cgroup_place(v);
    struct hold h = { .folder = folder, .conf = c, .place = &place, .excused = excused(v->super) };
    BUF_FREE struct buf wrong = BUF(4096);
    if (fresh_folder(folder, e) < 0)
        return -1;
    int no = hold_limits(&h, &wrong);
    int fd = no ? -1 : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    if (no)
        err_set(e, no, "limits", "%.*s", (int)buf_size(&wrong), (const char *)buf_head(&wrong));
    else
        err_set(e, errno, "open", "%s", folder);
    rmdir(folder);
    return -1;
}

void cgroup_share(const struct super *s)
{
    if (s->cgroup)
        share(s);
}

static void reserve(struct server *v, uint64_t bytes)
{
    if (v->reserved == bytes)
        return;
    v->reserved = bytes;
    share(v->super);
}

int cgroup_make(struct server *v, const struct conf_server *c, struct err *e)
{
    const struct super *s = v->super;
    if (s->cgroup == NULL)
        return err_set(e, 0, "cgroup", "%s", s->limits_missing);
    FREE_MEM char *folder = folder_of(v);
    int fd = make_folder(v, folder, c, e);
    if (fd >= 0)
        reserve(v, c->memory_reservation);
    return fd;
}

static char *errand_folder(const struct super *s, uint32_t number)
{
    return mem_fmt("%s/%s%u", s->cgroup, errands, number);
}

int cgroup_make_errand(const struct server *v, uint32_t number, const struct conf_server *c, struct err *e)
{
    const struct super *s = v->super;
    if (s->cgroup == NULL)
        return err_set(e, 0, "cgroup", "%s", s->limits_missing);
    FREE_MEM char *folder = errand_folder(s, number);
    return make_folder(v, folder, c, e);
}

void cgroup_kill_errand(const struct super *s, uint32_t number)
{
    if (s->cgroup == NULL)
        return;
    FREE_MEM char *folder = errand_folder(s, number);
    hold_write(folder, "cgroup.kill", "1");
}

void cgroup_remove_errand(const struct super *s, uint32_t number)
{
    if (s->cgroup == NULL)
        return;
    FREE_MEM char *folder = errand_folder(s, number);
    cgroup_remove_folder(folder);
}

/* It counts what the group counts and is asked first: with some more it leaves the refusal to the group, which tells how often. */
uint32_t cgroup_nproc(const struct super *s, const struct conf_server *c)
{
    return c->pids + (s->limits_missing[0] ? 0 : NPROC_MORE);
}

static void change(const struct server *v, const char *folder, const char *name, const struct conf_server *c, struct buf *told)
{
    struct limits_place place = cgroup_place(v);
    struct hold h = { .folder = folder, .name = name, .conf = c, .place = &place, .excused = excused(v->super) };
    BUF_FREE struct buf wrong = BUF(4096);
    hold_limits(&h, &wrong);
    uint32_t nproc = cgroup_nproc(v->super, c);
    int no = hold_nproc(folder, nproc, server_owner_uid(v));
    if (no)
        buf_put_fmt(&wrong, "%spids: RLIMIT_NPROC = %u: %s", buf_size(&wrong) ? "; " : "", nproc, strerror(no));
    if (told && h.changed)
        buf_put_fmt(told, "; server %s: %u limit%s set", v->name, h.changed, h.changed == 1 ? "" : "s");
    if (buf_size(&wrong) == 0)
        return;
    log_warn("server.limits", "server=%s group=%s error=\"%.*s\"", v->name, folder, (int)buf_size(&wrong), (const char *)buf_head(&wrong));
    if (told)
        buf_put_fmt(told, "; server %s keeps what it had: %.*s", v->name, (int)buf_size(&wrong), (const char *)buf_head(&wrong));
}

void cgroup_limits(struct server *v, const struct conf_server *c, struct buf *told)
{
    if (v->super->cgroup == NULL)
        return;
    FREE_MEM char *folder = folder_of(v);
    /* It waits for its disk: its group will be made with these. */
    if (access(folder, F_OK) < 0)
        return;
    change(v, folder, v->name, c, told);
    reserve(v, c->memory_reservation);
}

void cgroup_limits_errand(const struct server *v, uint32_t number, const struct conf_server *c)
{
    if (v->super->cgroup == NULL)
        return;
    FREE_MEM char *folder = errand_folder(v->super, number);
    change(v, folder, NULL, c, NULL);
}

int cgroup_freeze(const struct server *v, bool freeze, struct err *e)
{
    if (v->super->cgroup == NULL)
        return err_set(e, 0, "cgroup", "%s", v->super->limits_missing);
    FREE_MEM char *folder = folder_of(v);
    return hold_write(folder, "cgroup.freeze", freeze ? "1" : "0") < 0 ? err_set(e, errno, "cgroup.freeze", "%s", folder) : 0;
}

bool cgroup_frozen(const struct server *v)
{
    uint64_t number;
    FREE_MEM char *text = cgroup_file(v, "cgroup.events");
    return usage_number(text, "frozen", &number) && number;
}

void cgroup_kill(struct server *v)
{
    if (v->super->cgroup == NULL)
        return;
    FREE_MEM char *folder = folder_of(v);
    hold_write(folder, "cgroup.kill", "1");
}

void cgroup_remove(struct server *v)
{
    if (v->super->cgroup == NULL)
        return;
    FREE_MEM char *folder = folder_of(v);
    cgroup_sweep_shells(folder);
    cgroup_remove_folder(folder);
    reserve(v, 0);
}

char *cgroup_file(const struct server *v, const char *file)
{
    if (v->super->cgroup == NULL)
        return NULL;
    FREE_MEM char *path = mem_fmt("%s/%s/%s", v->super->cgroup, v->name, file);
    return io_read_file(path, 1 << 20, NULL, NULL);
}

bool cgroup_oom(const struct server *v)
{
    uint64_t kills;
    FREE_MEM char *text = cgroup_file(v, "memory.events");
    return usage_number(text, "oom_kill", &kills) && kills;
}

static uint32_t count_lines(const char *text)
{
    uint32_t n = 0;
    for (; text && *text; text++)
        n += *text == '\n';
    return n;
}

static uint64_t number_of(const struct server *v, const char *file, const char *word)
{
    uint64_t number;
    FREE_MEM char *text = cgroup_file(v, file);
    return usage_number(text, word, &number) ? number : 0;
}

void cgroup_read(const struct server *v, struct cgroup_use *use)
{
    FREE_MEM char *threads = cgroup_file(v, "cgroup.threads");
    use->cpu_ms = number_of(v, "cpu.stat", "usage_usec") / 1000;
    use->memory = number_of(v, "memory.current", "");
    use->memory_peak = number_of(v, "memory.peak", "");
    use->pids = count_lines(threads) + (v->super->cgroup ? cgroup_threads_shells(v) : 0);
}

void cgroup_leave(struct super *s)
{
    if (s->cgroup == NULL)
        return;
    FREE_MEM char *folder = mem_fmt("%s/%s", s->cgroup, shims);
    cgroup_remove_folder(folder);
    rmdir(s->cgroup);
}
