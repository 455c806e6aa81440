/* What policyc writes, run by a small BPF machine: t/lib/sample.policy. */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "config.h"

#include "base/attr.h"
#include "t/lib/bpf.h"
#include "t/lib/sample.bpf.h"

#ifdef __x86_64__
enum { HERE = (int)AUDIT_ARCH_X86_64, FOREIGN = (int)AUDIT_ARCH_I386 };
#else
enum { HERE = (int)AUDIT_ARCH_AARCH64, FOREIGN = (int)AUDIT_ARCH_ARM };
#endif

static uint32_t run(const struct seccomp_data *d)
{
    return bpf_run(lock_sample_filter, countof(lock_sample_filter), d);
}

static uint32_t call(long nr, uint64_t a0, uint64_t a1)
{
    struct seccomp_data d = { .nr = (int)nr, .arch = (uint32_t)HERE, .args = { a0, a1 } };
    return run(&d);
}

static const uint32_t allowed = SECCOMP_RET_ALLOW, refused = SECCOMP_RET_ERRNO;

Test(policy, alternatives_in_order)
{
    cr_expect_eq(call(SYS_socket, AF_UNIX, SOCK_STREAM), allowed);
    cr_expect_eq(call(SYS_socket, AF_UNIX, SOCK_DGRAM), refused | EAFNOSUPPORT);
    cr_expect_eq(call(SYS_socket, AF_INET, SOCK_DGRAM), allowed);
    cr_expect_eq(call(SYS_socket, AF_ALG, SOCK_STREAM), refused | EAFNOSUPPORT);
    cr_expect_eq(call(SYS_socket, AF_INET | 1ULL << 40, 0), allowed, "the kernel takes an int");
}

Test(policy, all_sixty_four_bits)
{
    static const struct { uint64_t v; bool ok; } dups[] = {
        { 0, false }, { 2, false }, { 3, true }, { 6, true }, { 7, false }, { 8, true }, { 0xffffffff, true },
        { 0x100000004, true }, { 0x100000005, false }, { 0x100000007, false }, { 0x200000000, false }, { ~0ULL, false },
    };
    for (size_t i = 0; i < countof(dups); i++)
        cr_expect_eq(call(SYS_dup, dups[i].v, 0), dups[i].ok ? allowed : refused | ENOSYS, "%llx",
                     (unsigned long long)dups[i].v);
    cr_expect_eq(call(SYS_lseek, 0, 0x200000000), allowed);
    cr_expect_eq(call(SYS_lseek, 0, 0x1ffffffff), refused | ENOSYS);
    cr_expect_eq(call(SYS_lseek, 0, 5), refused | EPERM);
    cr_expect_eq(call(SYS_lseek, 0, 6), refused | ENOSYS);
    cr_expect_eq(call(SYS_lseek, 0, 0x100000000), refused | ENOSYS);
}

Test(policy, unlisted_included_foreign)
{
    cr_expect_eq(call(SYS_read, 0, 0), allowed);
    cr_expect_eq(call(SYS_write, 0, 0), allowed);
    cr_expect_eq(call(SYS_newfstatat, 0, 0), refused | EBADF);
#ifdef SANITIZERS
    cr_expect_eq(call(SYS_getppid, 0, 0), allowed);
#else
    cr_expect_eq(call(SYS_getppid, 0, 0), refused | ENOSYS);
#endif
    cr_expect_eq(call(SYS_reboot, 0, 0), SECCOMP_RET_KILL_PROCESS);
    for (long nr = 0; nr < 1000; nr++)
        if (nr != SYS_read && nr != SYS_write && nr != SYS_reboot && nr != SYS_newfstatat && nr != SYS_socket && nr != SYS_getppid)
            cr_expect((call(nr, 0, 0) & 0xffff0000) == refused, "%ld", nr);
    struct seccomp_data d = { .nr = SYS_read, .arch = (uint32_t)FOREIGN };
    cr_expect_eq(run(&d), SECCOMP_RET_KILL_PROCESS);
#ifdef __x86_64__
    cr_expect_eq(call(SYS_read | 0x40000000, 0, 0), SECCOMP_RET_KILL_PROCESS, "x32");
#endif
}
