#include <criterion/criterion.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sshd/session/wire.h"

static int peer, seen, real;
static uint8_t big[600 * 1024];

static void setup(void)
{
    int pair[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    peer = pair[0];
    seen = pair[1];
    real = dup(seen);
    wire_open(seen, real);
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (uint8_t)(i * 7);
}

static int asked(short events)
{
    struct pollfd p = { .fd = seen, .events = events };
    return poll(&p, 1, 1000) ? p.revents : 0;
}

Test(wire, poll_tells_of_the_buffer, .init = setup)
{
    uint8_t out[16];
    cr_assert_eq(asked(POLLIN), 0);
    cr_assert_eq(asked(POLLIN | POLLOUT), POLLOUT);
    cr_assert_eq(write(peer, "hello", 5), 5);
    cr_assert_eq(asked(POLLIN), 0, "nothing is there before wire_fill");
    wire_fill();
    cr_assert_eq(asked(POLLIN), POLLIN);
    wire_hold(true);
    cr_assert_eq(asked(POLLIN), 0);
    wire_hold(false);
    cr_assert_eq(recv(seen, out, 3, 0), 3);
    cr_assert_eq(asked(POLLIN), POLLIN);
    cr_assert_eq(recv(seen, out, sizeof out, 0), 2);
    cr_assert_eq(recv(seen, out, sizeof out, 0), -1);
    cr_assert_eq(wire_received(), 5);
}

Test(wire, reads_grow_with_the_traffic, .init = setup)
{
    static uint8_t out[sizeof big];
    size_t at = 0;
    cr_assert_eq(write(peer, big, 100000), 100000);
    wire_fill();
    cr_assert_eq(wire_buffered(), WIRE_SMALL);
    while (at < 100000) {
        wire_fill();
        cr_assert_gt(wire_buffered(), 0);
        at += (size_t)recv(seen, out + at, sizeof out - at, 0);
    }
    cr_assert(memcmp(out, big, 100000) == 0);
    cr_assert_eq(write(peer, big, 50000), 50000);
    wire_fill();
    cr_assert_gt(wire_buffered(), WIRE_SMALL);
}

Test(wire, send_takes_all_and_keeps_the_order, .init = setup)
{
    static uint8_t out[sizeof big];
    cr_assert_eq(send(seen, big, 10, 0), 10);
    cr_assert_eq(wire_unsent(), 10, "small pieces wait for each other");
    cr_assert_eq(send(seen, big + 10, sizeof big - 10, 0), (ssize_t)sizeof big - 10);
    size_t at = 0;
    while (at < sizeof big) {
        wire_flush();
        ssize_t n = recv(peer, out + at, sizeof out - at, MSG_DONTWAIT);
        cr_assert_gt(n, 0);
        at += (size_t)n;
    }
    cr_assert(memcmp(out, big, sizeof big) == 0);
    cr_assert_eq(wire_unsent(), 0);
}

Test(wire, the_end_comes_behind_the_bytes, .init = setup)
{
    uint8_t out[16];
    cr_assert_eq(write(peer, "bye", 3), 3);
    close(peer);
    wire_fill();
    cr_assert_eq(recv(seen, out, sizeof out, 0), 3);
    cr_assert_not(wire_ended());
    wire_fill();
    cr_assert(wire_ended());
    cr_assert_eq(asked(POLLIN), POLLIN);
    cr_assert_eq(recv(seen, out, sizeof out, 0), 0);
    cr_assert_eq(send(seen, "x", 1, 0), 1);
    wire_flush();
    cr_assert(wire_broken());
    cr_assert_eq(wire_unsent(), 0);
}

Test(wire, other_descriptors_are_libc_s, .init = setup)
{
    int pair[2];
    char c;
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    struct pollfd p = { .fd = pair[0], .events = POLLIN };
    cr_assert_eq(poll(&p, 1, 10), 0);
    cr_assert_eq(send(pair[1], "x", 1, 0), 1);
    cr_assert_eq(poll(&p, 1, 10), 1);
    cr_assert_eq(recv(pair[0], &c, 1, 0), 1);
}
