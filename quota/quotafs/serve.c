#include "quota/quotafs/ops.h"
#include "quota/quotafs/serve.h"

#include <errno.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/die.h"
#include "base/mem.h"

enum { ANSWER_MOST = 1 << 20 };

static struct fuse_session *session;
static int over = -1;
/* What the kernel offers in its first request. */
static uint32_t offered;

char *serve_buffer(size_t *room)
{
    static _Thread_local char *bytes;
    if (!bytes)
        bytes = mem_new(ANSWER_MOST);
    *room = ANSWER_MOST;
    return bytes;
}

/* ---- the device ---- */

static ssize_t take(int fd, void *bytes, size_t size, void *data)
{
    (void)data;
    ssize_t n = read(fd, bytes, size);
    const struct fuse_in_header *h = bytes;
    if (n >= (ssize_t)(sizeof *h + sizeof(uint32_t) * 4) && h->opcode == FUSE_INIT)
        offered = ((const struct fuse_init_in *)(h + 1))->flags;
    return n;
}

/* The kernel asks for the attribute security.capability before each write, to take it away, unless it is told that we do (HANDLE_KILLPRIV_V2): and
   there is never one, nor a set-id bit.  This version of the library has no word for it, so its answer to the first request is completed here. */
static ssize_t give(int fd, struct iovec *v, int count, void *data)
{
    (void)data;
    static _Atomic bool answered;
    if (!answered && count == 2 && v[1].iov_len >= offsetof(struct fuse_init_out, max_background)) {
        struct fuse_init_out *out = v[1].iov_base;
        if (out->major == FUSE_KERNEL_VERSION)
            out->flags |= offered & FUSE_HANDLE_KILLPRIV_V2;
        answered = true;
    }
    return writev(fd, v, count);
}

/* ---- the threads ---- */

static void *work(void *data)
{
    (void)data;
    struct fuse_buf b = { 0 };
    int n = 0;
    while (!fuse_session_exited(session)) {
        n = fuse_session_receive_buf(session, &b);
        if (n == -EINTR || n == -EAGAIN || n == -ENOENT)
            continue;
        if (n <= 0)
            break;
        fuse_session_process_buf(session, &b);
    }
    free(b.mem);
    eventfd_write(over, 1);
    return NULL;
}

static void init(void *data, struct fuse_conn_info *c)
{
    (void)data;
    c->want &= ~(unsigned)(FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
    /* Where the kernel cuts one O_DIRECT write into several that go at once, a short one is EIO: a full disk would be no ENOSPC. */
    c->want &= ~(unsigned)FUSE_CAP_ASYNC_DIO;
    c->want |= c->capable & (FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_EXPLICIT_INVAL_DATA);
    c->max_background = 64;
    c->congestion_threshold = 48;
    c->time_gran = 1;
}

static void start_thread(void)
{
    pthread_t t;
    pthread_attr_t a;
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 512 * 1024);
    pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
    int no = pthread_create(&t, &a, work, NULL);
    if (no) {
        errno = no;
        die_errno("a thread");
    }
    pthread_attr_destroy(&a);
}

int serve_start(struct fs *fs, int device, unsigned n)
{
    static const struct fuse_custom_io io = { .read = take, .writev = give };
    char name[] = "holdfast-quotafs";
    char *argv[] = { name, NULL };
    struct fuse_args args = FUSE_ARGS_INIT(1, argv);
    struct fuse_lowlevel_ops ops = { .init = init };
    ops_names(&ops);
    ops_gone(&ops);
    ops_data(&ops);
    ops_attrs(&ops);
    ops_xattrs(&ops);
    ops_list(&ops);
    session = fuse_session_new(&args, &ops, sizeof ops, fs);
    if (!session || fuse_session_custom_io(session, &io, device) < 0)
        die("libfuse refused");
    over = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (over < 0)
        die_errno("eventfd");
    while (n--)
        start_thread();
    return over;
}
