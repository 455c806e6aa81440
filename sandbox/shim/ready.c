#include "sandbox/shim/ready.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
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
static bool over, told;

static struct needle needle;
static struct match place[SOURCE_COUNT];

static struct sockaddr_in address;
static int probe = -1;
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
        probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (probe < 0)
            die_errno("ready: socket");
    } else if (kind != HOW_NONE && kind != HOW_NOTIFY)
        die("ready: kind %d; allowed: none, line, tcp, notify", how);
}

uint16_t ready_port(void)
{
    return kind == HOW_TCP ? ntohs(address.sin_port) : 0;
}

static void stop_watching(void)
{
    watch_free(watch);
    watch = NULL;
}

void ready_over(void)
{
    over = true;
    stop_watching();
    timer_free(timer);
    timer = NULL;
    if (probe >= 0)
        close(fd_steal(&probe));
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
        stop_watching();   /* the timer tries again */
}

/* One socket for all tries, made before the lock: Linux lets a refused one connect again, and goes on with one that is under way. */
static void try_connect(void *data UNUSED)
{
    timer = loop_timer(shim.loop, TRY_EVERY, try_connect, NULL);
    if (connect(probe, (const struct sockaddr *)&address, sizeof address) == 0)
        found();
    else if (errno == EINPROGRESS && watch == NULL)
        watch = loop_watch(shim.loop, probe, LOOP_WRITE, on_connected, NULL);
    else if (errno != ECONNREFUSED && errno != EALREADY && !told) {
        told = true;
        log_warn("ready.connect", "port=%u errno=%s", ready_port(), strerrorname_np(errno));
    }
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

void ready_notified(void)
{
    if (!over && kind == HOW_NOTIFY)
        found();
}

void ready_output(enum source from, const uint8_t *bytes, size_t size)
{
    if (!over && kind == HOW_LINE && match_add(&place[from], &needle, bytes, size))
        found();
}
