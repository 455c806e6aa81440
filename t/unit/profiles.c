/* The profiles of sandboxes: none has more than a server, what is refused is refused, and what an admin may change of it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/audit.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/attr.h"
#include "sandbox/lock/build.bpf.h"
#include "sandbox/lock/change.h"
#include "sandbox/lock/server.bpf.h"
#include "sandbox/lock/tool.bpf.h"
#include "sandbox/proto.h"
#include "t/lib/bpf.h"

enum { CALLS = 1024, VALUES_MOST = 400 };
#define ERRNO(no) (SECCOMP_RET_ERRNO | (uint32_t)(no))
static const uint32_t ALLOW = SECCOMP_RET_ALLOW;

static const struct { const char *name; const struct sock_filter *program; size_t n; } filters[] = {
    [PROFILE_SERVER] = { "server", lock_server_filter, countof(lock_server_filter) },
    [PROFILE_BUILD] = { "build", lock_build_filter, countof(lock_build_filter) },
    [PROFILE_TOOL] = { "tool", lock_tool_filter, countof(lock_tool_filter) },
};

static uint32_t ask(int profile, long nr, const uint64_t args[6])
{
    struct seccomp_data d = { .nr = (int)nr, .arch = POLICY_ARCH };
    memcpy(d.args, args, sizeof d.args);
    return bpf_run(filters[profile].program, filters[profile].n, &d);
}

static uint32_t server(long nr, uint64_t a, uint64_t b, uint64_t c)
{
    return ask(PROFILE_SERVER, nr, (uint64_t[6]){ a, b, c });
}

/* ---- a filter decides as its rows do, and none has more than a server ---- */

static bool holds(const struct policy_condition *c, uint64_t value)
{
    switch (c->op) {
    case POLICY_EQ: return value == c->value;
    case POLICY_NE: return value != c->value;
    case POLICY_LT: return value < c->value;
    case POLICY_LE: return value <= c->value;
    case POLICY_GT: return value > c->value;
    case POLICY_GE: return value >= c->value;
    case POLICY_MASK: return (value & c->mask) == c->value;
    }
    return false;
}

/* What the first row of the call says whose conditions all hold, looked up in the table and not in the program that was made of it. */
static uint32_t decided(int profile, long nr, const uint64_t args[6])
{
    const struct policy *p = &policies[profile];
    for (size_t i = 0; i < p->n; i++) {
        const struct policy_row *r = &p->rows[i];
        unsigned c = 0;
        while (r->nr == nr && c < r->nconditions && holds(&r->conditions[c], args[r->conditions[c].arg]))
            c++;
        if (r->nr == nr && c == r->nconditions)
            return r->action;
    }
    return p->fallback;
}

/* What any row of any profile compares argument ARG of NR with, what lies beside it, and the ends. */
static size_t values_of(long nr, unsigned arg, uint64_t *values)
{
    size_t n = 0;
    values[n++] = 0;
    values[n++] = ~0ULL;
    for (size_t p = 0; p < PROFILE_COUNT; p++)
        for (size_t i = 0; i < policies[p].n; i++)
            for (unsigned c = 0; c < policies[p].rows[i].nconditions; c++) {
                const struct policy_condition *k = &policies[p].rows[i].conditions[c];
                if (policies[p].rows[i].nr != nr || k->arg != arg || n + 5 > VALUES_MOST)
                    continue;
                const uint64_t near[] = { k->value, k->value | 1ULL << 40, k->value + 1, k->value | ~k->mask };
                for (size_t j = 0; j < countof(near); j++) {
                    size_t at = 0;
                    while (at < n && values[at] != near[j])
                        at++;
                    if (at == n)
                        values[n++] = near[j];
                }
            }
    return n;
}

static unsigned compare(int profile, long nr)
{
    static uint64_t values[3][VALUES_MOST];
    size_t n[3];
    unsigned tried = 0;
    for (unsigned a = 0; a < 3; a++)
        n[a] = values_of(nr, a, values[a]);
    for (size_t i = 0; i < n[0]; i++)
        for (size_t j = 0; j < n[1]; j++)
            for (size_t k = 0; k < n[2]; k++, tried++) {
                const uint64_t args[6] = { values[0][i], values[1][j], values[2][k] };
                cr_assert_eq(ask(profile, nr, args), decided(profile, nr, args), "%s: %ld(%llx, %llx, %llx) is not what its rows say",
                             filters[profile].name, nr, (unsigned long long)args[0], (unsigned long long)args[1], (unsigned long long)args[2]);
                if (ask(profile, nr, args) == ALLOW)
                    cr_assert_eq(ask(PROFILE_SERVER, nr, args), ALLOW, "%s may %ld(%llx, %llx, %llx), a server may not",
                                 filters[profile].name, nr, (unsigned long long)args[0], (unsigned long long)args[1],
                                 (unsigned long long)args[2]);
            }
    return tried;
}

Test(profiles, none_has_more_than_a_server)
{
    for (int p = 0; p < PROFILE_COUNT; p++) {
        unsigned tried = 0;
        for (long nr = 0; nr < CALLS; nr++)
            tried += compare(p, nr);
        cr_assert_gt(tried, 10000, "%s: %u probes", filters[p].name, tried);
    }
}

Test(profiles, build_and_tool_have_less)
{
    const uint64_t inet[6] = { AF_INET, SOCK_STREAM }, local[6] = { AF_UNIX, SOCK_STREAM }, none[6] = { 0 };
    cr_expect_eq(ask(PROFILE_BUILD, SYS_socket, inet), ALLOW);
    cr_expect_eq(ask(PROFILE_TOOL, SYS_socket, inet), ERRNO(EPERM));
    cr_expect_eq(ask(PROFILE_TOOL, SYS_socket, local), ERRNO(EPERM));
    cr_expect_eq(ask(PROFILE_TOOL, SYS_socketpair, local), ALLOW);
    cr_expect_eq(ask(PROFILE_TOOL, SYS_connect, none), ERRNO(EPERM));
    cr_expect_eq(ask(PROFILE_TOOL, SYS_seccomp, none), ERRNO(ENOSYS));
    cr_expect_eq(ask(PROFILE_TOOL, SYS_execve, none), ALLOW);
    cr_expect_eq(ask(PROFILE_BUILD, SYS_io_setup, none), ERRNO(EPERM));
    cr_expect_eq(ask(PROFILE_SERVER, SYS_io_setup, none), ERRNO(ENOSYS));
    cr_expect_eq(ask(PROFILE_SERVER, SYS_io_submit, none), ALLOW);
}

/* ---- what is refused ---- */

Test(profiles, refused_by_name)
{
    static const long calls[] = {
        SYS_unshare, SYS_setns, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_open_tree, SYS_move_mount, SYS_fsopen, SYS_fsconfig,
        SYS_fsmount, SYS_fspick, SYS_mount_setattr, 457, 458, 467, 470, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev,
        SYS_process_madvise, SYS_process_mrelease, SYS_kcmp, SYS_pidfd_getfd, SYS_bpf, SYS_perf_event_open, SYS_userfaultfd,
        SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register, SYS_add_key, SYS_request_key, SYS_keyctl, SYS_init_module,
        SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_kexec_file_load, SYS_reboot, SYS_swapon, SYS_swapoff, SYS_syslog, SYS_acct,
        SYS_settimeofday, SYS_clock_settime, SYS_adjtimex, SYS_clock_adjtime, SYS_sethostname, SYS_setdomainname, SYS_quotactl,
        SYS_quotactl_fd, 469, SYS_open_by_handle_at, SYS_name_to_handle_at, SYS_fanotify_init, SYS_fanotify_mark, SYS_mbind,
        SYS_set_mempolicy, SYS_get_mempolicy, SYS_migrate_pages, SYS_move_pages, 450, 451, SYS_vmsplice, SYS_memfd_secret, SYS_vhangup,
        SYS_sync, 459, 460, 461,
#ifdef __x86_64__
        SYS_iopl, SYS_ioperm, SYS_modify_ldt,
#endif
    };
    for (int p = 0; p < PROFILE_COUNT; p++)
        for (size_t i = 0; i < countof(calls); i++) {
            const uint64_t none[6] = { 0 }, all[6] = { ~0ULL, ~0ULL, ~0ULL, ~0ULL, ~0ULL, ~0ULL };
            cr_expect_eq(ask(p, calls[i], none), ERRNO(EPERM), "%s: %ld", filters[p].name, calls[i]);
            cr_expect_eq(ask(p, calls[i], all), ERRNO(EPERM), "%s: %ld", filters[p].name, calls[i]);
        }
    cr_expect_eq(server(SYS_clone3, 0, 0, 0), ERRNO(ENOSYS));
    cr_expect_eq(server(SYS_remap_file_pages, 0, 0, 0), ERRNO(ENOSYS));
}

Test(profiles, refused_by_argument)
{
    static const uint64_t namespaces[] = { CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET };
    for (size_t i = 0; i < countof(namespaces); i++)
        cr_expect_eq(server(SYS_clone, namespaces[i] | SIGCHLD, 0, 0), ERRNO(EPERM), "%llx", (unsigned long long)namespaces[i]);
    cr_expect_eq(server(SYS_clone, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND, 0, 0), ALLOW);
    for (unsigned high = 0; high < 2; high++) {
        uint64_t bits = high ? 0xdead00000000ULL : 0;
        static const uint64_t ioctls[] = { 0x5412, 0x541c, 0x5423, 0x541d, 0x401c5820, 0x40086602, 0x5000940e, 0x50009401, 0xc0045877, 0xc0185879 };
        for (size_t i = 0; i < countof(ioctls); i++)
            cr_expect_eq(server(SYS_ioctl, 0, ioctls[i] | bits, 0), ERRNO(EPERM), "%llx", (unsigned long long)ioctls[i]);
        cr_expect_eq(server(SYS_ioctl, 0, TCGETS | bits, 0), ALLOW);
        cr_expect_eq(server(SYS_ioctl, 0, 0x8912 | bits, 0), ALLOW, "SIOCGIFCONF");
        cr_expect_eq(server(SYS_ioctl, 0, 0x40049409 | bits, 0), ALLOW, "FICLONE");
        cr_expect_eq(server(SYS_ioctl, 0, 0xc0046400 | bits, 0), ERRNO(ENOTTY), "a device's");
        cr_expect_eq(server(SYS_socket, AF_INET | bits, SOCK_RAW | SOCK_CLOEXEC, 0), ERRNO(EPERM));
        cr_expect_eq(server(SYS_socket, AF_INET6 | bits, SOCK_RAW, 58), ERRNO(EPERM));
        cr_expect_eq(server(SYS_socket, AF_INET | bits, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 6), ALLOW);
        cr_expect_eq(server(SYS_socket, AF_INET6 | bits, SOCK_DGRAM, 17), ALLOW);
        cr_expect_eq(server(SYS_socket, AF_INET | bits, SOCK_STREAM, 132), ERRNO(EPROTONOSUPPORT), "SCTP");
        cr_expect_eq(server(SYS_socket, AF_INET6 | bits, SOCK_STREAM, 262), ERRNO(EPROTONOSUPPORT), "MPTCP");
        cr_expect_eq(server(SYS_socket, AF_UNIX | bits, SOCK_SEQPACKET, 0), ALLOW);
        cr_expect_eq(server(SYS_socket, AF_NETLINK | bits, SOCK_RAW, 0), ALLOW);
        cr_expect_eq(server(SYS_socket, AF_NETLINK | bits, SOCK_RAW, 9), ERRNO(EAFNOSUPPORT));
        cr_expect_eq(server(SYS_socketpair, AF_INET | bits, SOCK_STREAM, 0), ERRNO(EAFNOSUPPORT));
        cr_expect_eq(server(SYS_personality, bits, 0, 0), ALLOW);
        cr_expect_eq(server(SYS_personality, 0x0400000 | bits, 0, 0), ERRNO(EPERM), "READ_IMPLIES_EXEC");
        cr_expect_eq(server(SYS_personality, 0x0040000 | bits, 0, 0), ERRNO(EPERM), "ADDR_NO_RANDOMIZE");
        cr_expect_eq(server(SYS_prctl, 15 | bits, 0, 0), ALLOW, "PR_SET_NAME");
        cr_expect_eq(server(SYS_prctl, 59 | bits, 1, 0), ALLOW, "PR_SET_SYSCALL_USER_DISPATCH");
        cr_expect_eq(server(SYS_prctl, 62 | bits, 1, 0), ERRNO(EPERM), "PR_SCHED_CORE");
        cr_expect_eq(server(SYS_prctl, 35 | bits, 1, 0), ERRNO(EPERM), "PR_SET_MM");
        cr_expect_eq(server(SYS_prctl, 53 | bits, 0, 2), ERRNO(EPERM), "PR_SET_SPECULATION_CTRL, enable");
        cr_expect_eq(server(SYS_prctl, 53 | bits, 0, 4), ALLOW, "PR_SET_SPECULATION_CTRL, disable");
        cr_expect_eq(server(SYS_prctl, 31 | bits, 0, 0), ERRNO(EINVAL), "PR_TASK_PERF_EVENTS_DISABLE");
        cr_expect_eq(server(SYS_madvise, 0, 0, 12 | bits), ERRNO(EINVAL), "MADV_MERGEABLE");
        cr_expect_eq(server(SYS_setsockopt, 3, 6 | bits, 31), ERRNO(ENOPROTOOPT), "TCP_ULP");
    }
    for (int family = 3; family < 64; family++)
        if (family != AF_INET6 && family != AF_NETLINK)
            cr_expect_eq(server(SYS_socket, (uint64_t)family, SOCK_DGRAM, 0), ERRNO(EAFNOSUPPORT), "family %d", family);
}

Test(profiles, unlisted_and_foreign)
{
    for (int p = 0; p < PROFILE_COUNT; p++) {
        const uint64_t none[6] = { 0 };
        cr_expect_eq(ask(p, 900, none), ERRNO(ENOSYS));
        struct seccomp_data d = { .nr = 1, .arch = POLICY_ARCH == AUDIT_ARCH_X86_64 ? AUDIT_ARCH_I386 : AUDIT_ARCH_ARM };
        cr_expect_eq(bpf_run(filters[p].program, filters[p].n, &d), SECCOMP_RET_KILL_PROCESS);
#ifdef __x86_64__
        cr_expect_eq(ask(p, 1 | 0x40000000, none), SECCOMP_RET_KILL_PROCESS, "x32");
#endif
    }
}

/* ---- the admin's changes ---- */

static struct sock_filter changed[BPF_MAXINSNS];
static unsigned nchanged;
static struct err why;

static bool apply(const char *const *words, size_t n)
{
    static struct policy_row rows[POLICY_ROWS_MOST];
    size_t nrows;
    why = (struct err){ 0 };
    if (change_apply(&policies[PROFILE_SERVER], (char *const *)(uintptr_t)words, n, rows, &nrows, &why) < 0)
        return false;
    nchanged = policy_emit(rows, nrows, policies[PROFILE_SERVER].fallback, changed);
    return nchanged != 0;
}

static uint32_t now(long nr, uint64_t a, uint64_t b)
{
    struct seccomp_data d = { .nr = (int)nr, .arch = POLICY_ARCH, .args = { a, b } };
    return bpf_run(changed, nchanged, &d);
}

Test(changes, none_is_what_launch_has_built_in)
{
    cr_assert(apply(NULL, 0));
    cr_assert_eq(nchanged, countof(lock_server_filter));
    cr_assert_eq(memcmp(changed, lock_server_filter, sizeof lock_server_filter), 0);
}

Test(changes, added_and_taken_away)
{
    static const char *const words[] = { "+ptrace", "+personality", "-mq_open", "-socket", "+ioctl", "+prctl", "+fanotify_init" };
    cr_assert(apply(words, countof(words)));
    cr_expect_eq(now(SYS_ptrace, 0, 0), ALLOW);
    cr_expect_eq(now(SYS_process_vm_readv, 0, 0), ERRNO(EPERM), "not named");
    cr_expect_eq(now(SYS_personality, 0x0040000, 0), ALLOW);
    cr_expect_eq(now(SYS_mq_open, 0, 0), ERRNO(EPERM));
    cr_expect_eq(now(SYS_socket, AF_INET, SOCK_STREAM), ERRNO(EPERM));
    cr_expect_eq(now(SYS_socket, AF_UNIX, SOCK_STREAM), ERRNO(EPERM));
    cr_expect_eq(now(SYS_ioctl, 0, 0xc0046400), ALLOW, "any other ioctl");
    cr_expect_eq(now(SYS_ioctl, 0, TIOCSTI), ERRNO(EPERM), "never lifted");
    cr_expect_eq(now(SYS_ioctl, 0, 0x5000940e), ERRNO(EPERM), "never lifted");
    cr_expect_eq(now(SYS_prctl, 31, 0), ALLOW);
    cr_expect_eq(now(SYS_prctl, 62, 0), ERRNO(EPERM), "never lifted");
    cr_expect_eq(now(SYS_mount, 0, 0), ERRNO(EPERM));
    cr_expect_eq(now(SYS_read, 0, 0), ALLOW);
}

Test(changes, never)
{
    static const char *const words[] = {
        "+mount", "+umount2", "+pivot_root", "+chroot", "+move_mount", "+open_tree", "+fsopen", "+fsmount", "+mount_setattr", "+bpf",
        "+kexec_load", "+kexec_file_load", "+setns", "+unshare", "+clone", "+clone3", "+init_module", "+finit_module", "+delete_module",
        "+keyctl", "+add_key", "+request_key", "+socket", "+socketpair", "+mknodat", "+reboot", "+open_by_handle_at", "+quotactl", "+syslog",
    };
    for (size_t i = 0; i < countof(words); i++) {
        cr_expect_not(apply(&words[i], 1), "%s", words[i]);
        cr_expect(strstr(why.text, "can never be added: ") && strlen(strstr(why.text, "added: ")) > 10, "%s: %s", words[i], why.text);
    }
}

Test(changes, wrong_words)
{
    static const struct { const char *words[2]; size_t n; const char *said; } wrong[] = {
        { { "+nosuchcall" }, 1, "'nosuchcall' is no system call" }, { { "ptrace" }, 1, "allowed: +CALL, -CALL" }, { { "+" }, 1, "is no system call" },
        { { "+ptrace", "-ptrace" }, 2, "'ptrace' is named twice" }, { { "-execve" }, 1, "'execve' cannot be taken away" },
        { { "-read" }, 1, "init needs it" }, { { "-clone" }, 1, "init needs it" }, { { "-prctl" }, 1, "init needs it" },
    };
    for (size_t i = 0; i < countof(wrong); i++) {
        cr_expect_not(apply(wrong[i].words, wrong[i].n), "%s", wrong[i].words[0]);
        cr_expect_not_null(strstr(why.text, wrong[i].said), "%s: %s", wrong[i].words[0], why.text);
    }
    static const char *many[CHANGES_MOST + 1];
    for (size_t i = 0; i < countof(many); i++)
        many[i] = "+ptrace";
    cr_expect_not(apply(many, countof(many)));
    cr_expect_not_null(strstr(why.text, "allowed: 200"), "%s", why.text);
}
