#include "sandbox/filter/mark.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/die.h"

#define SPREAD UINT32_C(0x9e3779b1)    /* odd: no two numbers become one */

uint32_t mark_of(uint64_t second)
{
    return second > ~MARK_FIRST ? 0 : MARK_OURS | (((uint32_t)second * SPREAD) & ~MARK_FIRST);
}

/* Like connections, it outlives all of us and goes on while the machine sleeps. */
uint64_t mark_second(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_BOOTTIME, &t) < 0)
        die_errno("clock_gettime");
    return (uint64_t)t.tv_sec;
}

/* The kernel does it by waiting until each processor has left what it read under RCU, as every packet does in the filter; with one processor
   there is none on its way while we run. */
bool mark_settle(void)
{
    return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0;
}
