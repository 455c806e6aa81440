#include "store/stored/lock.h"

#include "base/attr.h"
#include "base/die.h"
#include "sandbox/lock/lock.h"
#include "sandbox/lock/pwhash.bpf.h"
#include "sandbox/lock/store.bpf.h"

/* WANT, or what we may have where that is less: raising a hard limit is not ours to do. */
static rlim_t at_most(int resource, rlim_t want)
{
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)resource, &now) < 0)
        die_errno("getrlimit");
    return now.rlim_max < want ? now.rlim_max : want;
}

/* A core would hold the hash key; 1 and not 0, as a core_pattern that is a pipe ignores 0. */
enum { CORE = 1, STORE_FILES = 8192, PWHASH_FILES = 8 };
#define DATABASE_MOST ((rlim_t)4 << 30)

void lock_store(int folder)
{
    /* One link a session, and the descriptors of results that wait in queues. */
    const struct lock_limit limits[] = {
        { RLIMIT_CORE, at_most(RLIMIT_CORE, CORE) },
        { RLIMIT_NOFILE, at_most(RLIMIT_NOFILE, STORE_FILES) },
        { RLIMIT_FSIZE, at_most(RLIMIT_FSIZE, DATABASE_MOST) },
    };
    const struct lock_folder folders[] = { { .fd = folder, .access = LOCK_FOLDER_WRITE } };
    lock_apply(&(struct lock){ .limits = limits, .nlimits = countof(limits), .folders = folders,
                               .nfolders = countof(folders), LOCK_FILTER(lock_store_filter) });
}

void lock_pwhash(void)
{
    const struct lock_limit limits[] = {
        { RLIMIT_CORE, at_most(RLIMIT_CORE, CORE) }, { RLIMIT_NOFILE, at_most(RLIMIT_NOFILE, PWHASH_FILES) },
    };
    lock_apply(&(struct lock){ .limits = limits, .nlimits = countof(limits), LOCK_FILTER(lock_pwhash_filter) });
}
