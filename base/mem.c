#include "base/mem.h"

#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/die.h"

void cleanup_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

void cleanup_mem(void *pointer_to_pointer)
{
    free(*(void **)pointer_to_pointer);
}

static void *there(void *p)
{
    if (p == NULL)
        die("out of memory");
    return p;
}

void *mem_new(size_t size)
{
    return there(calloc(1, size ? size : 1));
}

void *mem_array(size_t count, size_t size)
{
    return there(calloc(count ? count : 1, size ? size : 1));
}

void *mem_grow(void *p, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        die("out of memory: %zu x %zu bytes", count, size);
    return there(realloc(p, bytes ? bytes : 1));
}

char *mem_str(const char *s)
{
    return s ? there(strdup(s)) : NULL;
}

char *mem_strn(const void *bytes, size_t len)
{
    char *s = mem_new(len + 1);
    memcpy(s, bytes, len);
    return s;
}

char *mem_fmt(const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    return n < 0 ? there(NULL) : s;
}

void mem_wipe(void *p, size_t size)
{
    /* What was never filled has no address. */
    if (size)
        explicit_bzero(p, size);
}

/* Far less than the stack a process is born with, so that nothing else is met; and less than a page for the frames from here to the call. */
enum { STACK_PAGE = 4096, STACK_DEEP = 16 * STACK_PAGE, FRAMES = 1024 };

__attribute__((noinline)) void mem_rest(void)
{
    int before = errno;
    malloc_trim(0);
    uintptr_t end = ((uintptr_t)__builtin_frame_address(0) - FRAMES) & ~(uintptr_t)(STACK_PAGE - 1);
    madvise((void *)(end - STACK_DEEP), STACK_DEEP, MADV_DONTNEED);
    errno = before;
}
