#include "sandbox/launch/drop.h"

#include <errno.h>
#include <grp.h>
#include <linux/securebits.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
    BITS = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
           SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED
};

static int empty_bounding_set(struct err *e)
{
    /* The kernel may know more than the headers did: up to the first number it refuses.  One that the headers know it must not. */
    unsigned long cap = 0;
    while (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
        cap++;
    return errno == EINVAL && cap > CAP_LAST_CAP ? 0 : err_set(e, errno, "bounding set", "%lu", cap);
}

int drop_rights(uid_t uid, gid_t gid, struct err *e)
{
    /* Outermost first: each of these needs a capability that the last one takes away. */
    if (empty_bounding_set(e) < 0)
        return -1;
    if (prctl(PR_SET_SECUREBITS, BITS, 0, 0, 0) < 0)
        return err_set(e, errno, "securebits", "%s", "");
    if (setgroups(0, NULL) < 0)
        return err_set(e, errno, "setgroups", "%s", "");
    if (setresgid(gid, gid, gid) < 0)
        return err_set(e, errno, "setresgid", "%u", (unsigned)gid);
    if (setresuid(uid, uid, uid) < 0)
        return err_set(e, errno, "setresuid", "%u", (unsigned)uid);
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return err_set(e, errno, "ambient set", "%s", "");
    cap_t none = cap_init();
    if (none == NULL || cap_set_proc(none) < 0)
        return err_set(e, errno, "capset", "%s", "");
    cap_free(none);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_set(e, errno, "no_new_privs", "%s", "");
    return 0;
}
