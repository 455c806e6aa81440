#include "sandbox/shim/ready.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/conf.h"
#include "base/die.h"
#include "base/log.h"
#include "sandbox/shim/match.h"
#include "sandbox/shim/server.h"
#include "sandbox/shim/shim.h"

enum { TRY_EVERY = 250 };

static enum conf_how_kind kind;
static bool over;

static struct needle needle;
static struct match place[SOURCE_COUNT];

static struct sockaddr_in address;
static int trying = -1;
static struct watch *watch;
static struct timer *timer;

void ready_plan(int how, int port, const char *text, const char *where)
{
    kind = (enum conf_how_kind)how;
    if (kind == HOW_LINE) {
        if (text[0] == '\0')
            die("ready: line without a text");
        needle_init(&needle, text);
    } else if (kind == HOW_TCP) {
        address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
        if (port < 1 || port > 65535 || inet_pton(AF_INET, where, &address.sin_addr) != 1)
            die("ready: tcp:%d at '%s': a port of 1 to 65535 and a network are needed", port, where);
    } else if (kind != HOW_NONE)
        die("ready: kind %d; allowed: none, line, tcp", how);
}

static void give_up(void)
{
    watch_free(watch);
    watch = NULL;
    if (trying >= 0)
        close(fd_steal(&trying));
}

void ready_over(void)
{
    over = true;
    give_up();
    timer_free(timer);
    timer = NULL;
    needle_free(&needle);
}

static void found(void)
{
    ready_over();
    server_ready();
}

static void on_connected(void *data UNUSED, int fd, unsigned events UNUSED)
{
    int why = 0;
    socklen_t size = sizeof why;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &size) == 0 && why == 0)
        found();
    else
        give_up();   /* the timer tries again */
}

static void try_connect(void *data UNUSED)
{
    give_up();
    timer = loop_timer(shim.loop, TRY_EVERY, try_connect, NULL);
    trying = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (trying < 0)
        return;
    if (connect(trying, (const struct sockaddr *)&address, sizeof address) == 0)
        found();
    else if (errno == EINPROGRESS)
        watch = loop_watch(shim.loop, trying, LOOP_WRITE, on_connected, NULL);
    else
        give_up();
}

void ready_started(void)
{
    if (over)
        return;
    if (kind == HOW_NONE)
        found();
    else if (kind == HOW_TCP)
        try_connect(NULL);
}

void ready_output(enum source from, const uint8_t *bytes, size_t size)
{
    if (!over && kind == HOW_LINE && match_add(&place[from], &needle, bytes, size))
        found();
}
