#include "sandbox/launch/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/lock/build.bpf.h"
#include "sandbox/lock/server.bpf.h"
#include "sandbox/lock/tool.bpf.h"
#include "sandbox/proto.h"

#define FILTER(word) { #word, lock_##word##_filter, countof(lock_##word##_filter) }

static const struct { const char *name; const struct sock_filter *program; size_t n; } built_in[] = {
    [PROFILE_SERVER] = FILTER(server),
    [PROFILE_BUILD] = FILTER(build),
    [PROFILE_TOOL] = FILTER(tool),
};

/* Sealed: what was checked is what is loaded, whoever else has it open. */
static int check(int fd, size_t *n, struct err *e)
{
    const int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_set(e, errno, "filter", "%s", "");
    int has = fcntl(fd, F_GET_SEALS);
    if (has < 0)
        return err_set(e, errno, "filter", "it cannot be sealed");
    if ((has & seals) != seals)
        return err_set(e, EINVAL, "filter", "it is not sealed");
    if (st.st_size <= 0 || (size_t)st.st_size % sizeof(struct sock_filter) || (size_t)st.st_size / sizeof(struct sock_filter) > BPF_MAXINSNS)
        return err_set(e, EINVAL, "filter", "%lld bytes; allowed: %zu to %zu, by %zu", (long long)st.st_size, sizeof(struct sock_filter),
                       BPF_MAXINSNS * sizeof(struct sock_filter), sizeof(struct sock_filter));
    *n = (size_t)st.st_size / sizeof(struct sock_filter);
    return 0;
}

int filter_take(const struct plan *p, struct sock_fprog *f, struct err *e)
{
    static struct sock_filter given[BPF_MAXINSNS];
    size_t n;
    if (p->filter < 0) {
        *f = (struct sock_fprog){ (unsigned short)built_in[p->profile].n, (struct sock_filter *)(uintptr_t)built_in[p->profile].program };
        return 0;
    }
    if (check(p->filter, &n, e) < 0)
        return -1;
    ssize_t got = pread(p->filter, given, n * sizeof given[0], 0);
    if (got != (ssize_t)(n * sizeof given[0]))
        return err_set(e, got < 0 ? errno : EIO, "filter", "it cannot be read");
    *f = (struct sock_fprog){ (unsigned short)n, given };
    return 0;
}

const char *filter_name(const struct plan *p)
{
    return p->has_filter ? "as the admin changed it" : built_in[p->profile].name;
}
