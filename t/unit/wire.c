#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
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

/* Over TCP, where the kernel counts bytes. */
Test(wire, what_the_peer_has_taken_is_known_and_the_rest_can_be_thrown_away)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof a;
    static uint8_t out[64 * 1024];
    int narrow = 4096, listener = socket(AF_INET, SOCK_STREAM, 0);
    peer = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(peer, SOL_SOCKET, SO_RCVBUF, &narrow, sizeof narrow);
    cr_assert(bind(listener, (struct sockaddr *)&a, sizeof a) == 0 && listen(listener, 1) == 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&a, &size), 0);
    cr_assert_eq(connect(peer, (struct sockaddr *)&a, sizeof a), 0);
    seen = accept(listener, NULL, NULL);
    real = dup(seen);
    wire_open(seen, real);
    cr_assert_eq(wire_total(), 0);
    cr_assert_eq(send(seen, "hello", 5, 0), 5);
    wire_flush();
    for (int i = 0; i < 100 && wire_taken() < 5; i++)
        usleep(10000);
    cr_assert_eq(wire_taken(), 5);
    cr_assert_eq(send(seen, big, sizeof big, 0), (ssize_t)sizeof big);
    wire_flush();
    usleep(100000);
    cr_assert_eq(wire_total(), 5 + sizeof big);
    cr_assert_lt(wire_taken(), wire_total(), "nobody reads");
    wire_throw(true);
    close(seen);
    close(real);
    size_t got = 0;
    for (ssize_t n; (n = read(peer, out, sizeof out)) > 0;)
        got += (size_t)n;
    cr_assert_eq(errno, ECONNRESET, "not ended: thrown away");
    cr_assert_lt(got, 5 + sizeof big);
}
