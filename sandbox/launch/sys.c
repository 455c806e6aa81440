/* The /sys of a sandbox: a few files copied from the host's, which are the same for everyone, and a place for a view of its own cgroup.  The real one is
   nowhere in it: most of it tells of the host, and it cannot be had in part. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "sandbox/launch/root.h"

enum { SMALL = 512, CPUS_MOST = 4096 };

#define CPU "sys/devices/system/cpu"
#define HUGE "sys/kernel/mm/transparent_hugepage"

static const char *const folders[] = {
    "sys/devices", "sys/devices/system", CPU, "sys/fs", "sys/fs/cgroup", "sys/kernel", "sys/kernel/mm", HUGE,
};

static const char *const files[] = {
    CPU "/online",               /* sysconf(_SC_NPROCESSORS_ONLN), Java, .NET */
    CPU "/possible",             /* sysconf(_SC_NPROCESSORS_CONF), allocators with a heap a processor */
    CPU "/present",              /* the same, other programs */
    HUGE "/enabled",             /* Java, jemalloc, tcmalloc: whether to align for huge pages */
    HUGE "/shmem_enabled",       /* Java */
    HUGE "/defrag",              /* Java */
    HUGE "/hpage_pmd_size",      /* Go, Java */
};

static int copy(struct child *c UNUSED, const struct step *s, struct err *e UNUSED)
{
    char text[SMALL];
    CLOSE_FD int in = open(s->from, O_RDONLY | O_CLOEXEC);
    ssize_t n = in < 0 ? -1 : read(in, text, sizeof text);
    if (n < 0)
        return -1;
    CLOSE_FD int out = open(s->at, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    return out < 0 || io_write_all(out, text, (size_t)n) < 0 ? err_set(e, errno, "write", "/%s", s->at) : 0;
}

static int make_folder(struct child *c UNUSED, const struct step *s, struct err *e UNUSED)
{
    return mkdir(s->at, 0755);
}

/* Before glibc 2.34 the processors are counted by their folders. */
static int make_cpus(struct child *c UNUSED, const struct step *s, struct err *e)
{
    char text[SMALL] = "", name[sizeof CPU + 16];
    unsigned first = 0, last = 0;
    CLOSE_FD int fd = open(s->from, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n < 0)
        return -1;
    char *save = NULL;
    for (char *range = strtok_r(text, ",\n", &save); range; range = strtok_r(NULL, ",\n", &save)) {
        int got = sscanf(range, "%u-%u", &first, &last);
        for (unsigned i = first; got > 0 && i <= (got == 2 ? last : first) && i < CPUS_MOST; i++) {
            snprintf(name, sizeof name, "%s/cpu%u", s->at, i);
            if (mkdir(name, 0755) < 0)
                return err_set(e, errno, "mkdir", "/%s", name);
        }
    }
    return 0;
}

static const struct verb v_copy = { "copy", .child = copy, .inside = true }, v_mkdir = { "mkdir", .child = make_folder, .inside = true },
    v_cpus = { "processors", .child = make_cpus, .inside = true };

void sys_step_copy(struct steps *l, const char *from, const char *to)
{
    step_add(l, (struct step){ .verb = &v_copy, .at = to, .from = from, .tolerates = ENOENT });
}

void sys_steps(struct steps *l)
{
    for (size_t i = 0; i < countof(folders); i++)
        step_add(l, (struct step){ .verb = &v_mkdir, .at = folders[i] });
    for (size_t i = 0; i < countof(files); i++)
        sys_step_copy(l, step_text(l, mem_fmt("/%s", files[i])), files[i]);
    step_add(l, (struct step){ .verb = &v_cpus, .at = CPU, .from = "/" CPU "/present", .tolerates = ENOENT });
}
