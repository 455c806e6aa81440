/* Prints the states of servers and what is done about events, for t/lint/states.t. */
#include <stdio.h>

#include "sshd/supervisor/states.h"

int main(void)
{
    struct buf b = BUF(1 << 20);
    states_print(&b);
    fwrite(buf_head(&b), 1, buf_size(&b), stdout);
    buf_free(&b);
    return 0;
}
