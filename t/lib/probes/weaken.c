/* What makes holdfast-launch and holdfast-init leave out protections by name, for t/sys/weaken.t: linked into launch_weak and init_weak, which
   are the very objects of the two programs with some of their calls going through here (ld's --wrap).  The programs themselves know nothing of
   it.  The names come in HOLDFAST_WEAKEN, parted by blanks; the word "names" prints them. */
#include "t/lib/probes/weaken.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool off(const char *name)
{
    const char *names = getenv(WEAKEN);
    size_t n = strlen(name);
    for (const char *at = names; at && *at; at += strspn(at, " ")) {
        size_t word = strcspn(at, " ");
        if (word == n && memcmp(at, name, n) == 0)
            return true;
        at += word;
    }
    return false;
}

/* As pid 1 of nothing, root of the host and told to kill all that it can see. */
void refuse_the_dangerous(void)
{
    if (off("ns-user") && off("ns-pid")) {
        fprintf(stderr, "weaken: ns-user and ns-pid together would end the machine\n");
        _exit(3);
    }
}

__attribute__((constructor)) static void list(void)
{
    if (off("names")) {
        weaken_names();
        exit(0);
    }
}
