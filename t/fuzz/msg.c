/* Messages themselves: any datagram, any fields asked of it, by the receiver that trusts its peer and by the one that does not. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/die.h"
#include "base/io.h"
#include "base/mem.h"
#include "t/fuzz/fuzz.h"

static void ask(struct msg *m, struct supply *in)
{
    size_t size;
    for (unsigned n = 0; n < 40; n++)
        switch (take_u8(in) % 6) {
        case 0: msg_get_u32(m); break;
        case 1: msg_get_u64(m); break;
        case 2: {
            const uint8_t *p = msg_get_bytes(m, &size);
            for (size_t i = 0; p && i < size; i++)
                in->left ^= (size_t)(p[i] & 0);
            break;
        }
        case 3: {
            FREE_MEM char *text = msg_get_text(m, 40);
            invariant(strlen(text) <= 40);
            break;
        }
        case 4:
            if (msg_has_fd(m)) {
                int fd = msg_get_fd(m);
                invariant(fd >= 0 && close(fd) == 0);
            }
            break;
        default:
            msg_end(m);
            return;
        }
}

static void receive(int fd, bool client, struct supply in)
{
    static struct msg m;
    if (!MAY_DIE)
        goto end;
    m = (struct msg){ 0 };
    if ((client ? msg_recv_client : msg_recv)(fd, &m) > 0)
        ask(&m, &in);
end:
    invariant(may_die);
    may_die = false;
    msg_free(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static int pair[2] = { -1, -1 };
    static const char *const words[] = { "one", "", NULL };
    if (pair[0] < 0 && (io_pair(pair) < 0 || io_nonblock(pair[1]) < 0))
        die_errno("pair");
    struct supply in = { bytes, size };
    uint8_t how = take_u8(&in);
    bool client = how & 1;
    if (how & 2) {
        /* Raw; none of 0 bytes, which is the end. */
        if (in.left && in.left < MSG_MOST && send(pair[0], in.p, in.left, MSG_NOSIGNAL) > 0)
            receive(pair[1], client, in);
        return 0;
    }
    struct msg m;
    msg_begin(&m, (uint16_t)take_u32(&in), take_u32(&in));
    put_fields(&in, &m, "isqbfs", words);
    bool sent = !m.bad && !m.body.bad;
    send_fields(pair[0], &m);
    if (sent)
        receive(pair[1], client, in);
    return 0;
}
