/* Words every file uses: attributes, close-on-scope, sizes. */
#ifndef BASE_ATTR_H
#define BASE_ATTR_H

#include <stddef.h>

#define NORETURN __attribute__((noreturn))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define UNUSED __attribute__((unused))
#define MUST_USE __attribute__((warn_unused_result))
#define countof(a) (sizeof(a) / sizeof((a)[0]))

/* Close-on-scope: the variable's fd, or memory, goes when the scope ends.  Hand it over with fd_steal / mem_steal. */
#define CLOSE_FD __attribute__((cleanup(cleanup_fd)))
#define FREE_MEM __attribute__((cleanup(cleanup_mem)))

void cleanup_fd(int *fd);
void cleanup_mem(void *pointer_to_pointer);

/* Returns *fd and leaves -1 in it. */
static inline int fd_steal(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

#endif
