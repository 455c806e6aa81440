#include "sandbox/shim/input.h"

#include <errno.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "sandbox/shim/shim.h"

static struct buf waiting = BUF(INPUT_MOST);
static int stdin_fd = -1;
static struct watch *watch;
static bool closed;

static void on_writable(void *data, int fd, unsigned events);

void input_open(int fd)
{
    if (io_nonblock(fd) < 0)
        die_errno("stdin: fcntl");
    stdin_fd = fd;
}

void input_close(void)
{
    closed = true;
    buf_free(&waiting);
    watch_free(watch);
    watch = NULL;
}

/* Watched only while something waits: else a pipe that nobody reads would wake us for ever. */
static void flush(void)
{
    while (buf_size(&waiting) > 0) {
        ssize_t n = write(stdin_fd, buf_head(&waiting), buf_size(&waiting));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            if (watch == NULL)
                watch = loop_watch(shim.loop, stdin_fd, LOOP_WRITE, on_writable, NULL);
            return;
        }
        if (n < 0) {
            log_info("stdin.closed", "errno=%s", strerrorname_np(errno));
            input_close();
            return;
        }
        buf_drop(&waiting, (size_t)n);
    }
    watch_free(watch);
    watch = NULL;
    if (waiting.cap > 4096)
        buf_free(&waiting);
}

static void on_writable(void *data UNUSED, int fd UNUSED, unsigned events UNUSED)
{
    flush();
}

enum input_result input_add(const void *bytes, size_t size)
{
    if (closed)
        return INPUT_CLOSED;
    if (size > INPUT_MOST - buf_size(&waiting))
        return INPUT_FULL;
    buf_put(&waiting, bytes, size);
    flush();
    return closed ? INPUT_CLOSED : INPUT_TAKEN;
}

/* The master answers for the server's side. */
bool input_hidden(void)
{
    struct termios t;
    return shim.tty && (tcgetattr(stdin_fd, &t) < 0 || !(t.c_lflag & ECHO) || buf_size(&waiting) > 0);
}

void input_line(const char *text)
{
    size_t size = strlen(text);
    if (closed)
        return;
    if (size + 1 > INPUT_MOST - buf_size(&waiting))
        buf_reset(&waiting);
    buf_put(&waiting, text, size);
    buf_put_u8(&waiting, '\n');
    flush();
}
