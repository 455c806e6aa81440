/* The compiler of seccomp policies, which runs when holdfast is built: any file. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "t/fuzz/fuzz.h"

static jmp_buf out;

static void __attribute__((noreturn)) leave(int code)
{
    longjmp(out, code + 1);
}

/* What it says of a mistake is not what is tried. */
static FILE *quiet;

#define main compiler
#undef stderr
#define stderr quiet
#define exit leave
#include "sandbox/lock/policyc.c"
#undef main
#undef exit

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static char path[128], rest[] = "--rows", *words[] = { rest, rest, path, NULL };
    static bool ready;
    static int first;
    if (!ready) {
        snprintf(path, sizeof path, "%s/fuzz.policy", work_folder());
        quiet = fopen("/dev/null", "w");
        if (quiet == NULL || freopen("/dev/null", "w", stdout) == NULL)
            abort();
        first = dup(0);
        close(first);
        ready = true;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size || close(fd) < 0)
        abort();
    nrows = 0;
    default_action = 0;
    has_default = false;
    if (setjmp(out) == 0)
        compiler(size % 2 ? 2 : 3, size % 2 ? words + 1 : words);
    /* It exits, and leaves the rest to the kernel. */
    close_range((unsigned)first, (unsigned)first + 32, 0);
    return 0;
}
