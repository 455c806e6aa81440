#include "store/stored/lock.h"

#include "base/attr.h"
#include "sandbox/lock/lock.h"
#include "sandbox/lock/pwhash.bpf.h"
#include "sandbox/lock/store.bpf.h"

void lock_store(int folder)
{
    /* One link a session, and the descriptors of orders that wait in queues.  A core would hold the hash key; 1 and not 0, as a
       core_pattern that is a pipe ignores 0. */
    static const struct lock_limit limits[] = {
        { RLIMIT_CORE, 1 }, { RLIMIT_NOFILE, 8192 }, { RLIMIT_FSIZE, 4ull << 30 },
    };
    const struct lock_folder folders[] = { { .fd = folder, .access = LOCK_FOLDER_WRITE } };
    lock_apply(&(struct lock){ .limits = limits, .nlimits = countof(limits), .folders = folders,
                               .nfolders = countof(folders), LOCK_FILTER(lock_store_filter) });
}

void lock_pwhash(void)
{
    static const struct lock_limit limits[] = { { RLIMIT_CORE, 1 }, { RLIMIT_NOFILE, 8 }, { RLIMIT_FSIZE, 4ull << 30 } };
    lock_apply(&(struct lock){ .limits = limits, .nlimits = countof(limits), LOCK_FILTER(lock_pwhash_filter) });
}
