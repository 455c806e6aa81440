/* holdfast-quotafs: one server's files as a file system that counts them.  It has no more than four descriptors to begin with: /dev/fuse, the
   folder, the socket, the log. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "config.h"

#include "base/die.h"
#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/msg.h"
#include "quota/quotafs/control.h"
#include "quota/quotafs/folder.h"
#include "quota/quotafs/fs.h"
#include "quota/quotafs/recount.h"
#include "quota/quotafs/serve.h"
#include "quota/quotafs_proto.h"
#include "sandbox/lock/lock.h"
#include "sandbox/lock/quotafs.bpf.h"

enum { THREADS_LEAST = 4, THREADS_MOST = 16, FILES_MOST = 1 << 20, TRIAL = 3000 };

static struct fs fs;
static int device, listener;

static uint64_t receive(void)
{
    struct msg m MSG_FREE;
    msg_begin(&m, 0, 0);
    if (msg_recv(LINK_FD, &m) <= 0 || m.type != QUOTAFS_START)
        die("is started by holdfast-launch, with its link on descriptor %d", LINK_FD);
    FREE_MEM char *name = msg_get_str(&m);
    log_init("holdfast-quotafs", (enum log_level)msg_get_u32(&m));
    log_context("server=%s", esc(name));
    fs.base = msg_get_u32(&m);
    uint64_t bytes = msg_get_u64(&m);
    ledger_set(&fs.ledger, bytes, msg_get_u64(&m));
    device = msg_get_fd(&m);
    fs.root = msg_get_fd(&m);
    listener = msg_get_fd(&m);
    msg_end(&m);
    return m.id;
}

static void answer(uint32_t id, const char *error)
{
    struct msg m MSG_FREE;
    struct ledger_sum s = ledger_sum(&fs.ledger);
    msg_begin(&m, QUOTAFS_READY, id);
    msg_put_u32(&m, error == NULL);
    msg_put_str(&m, error);
    msg_put_u64(&m, s.bytes);
    msg_put_u64(&m, s.inodes);
    if (msg_send(LINK_FD, &m) < 0)
        die_errno("launch has gone");
}

/* As many as the machine lets us: an open file is a descriptor of ours. */
static rlim_t files_most(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) < 0)
        die_errno("getrlimit");
    return r.rlim_max < FILES_MOST ? r.rlim_max : FILES_MOST;
}

static void lock(void)
{
    const struct lock_limit limits[] = { { RLIMIT_CORE, 1 }, { RLIMIT_NOFILE, files_most() } };
    const struct lock_folder folders[] = { { .fd = fs.root, .access = LOCK_FOLDER_WRITE } };
    lock_apply(&(struct lock){ .limits = limits, .nlimits = countof(limits), .folders = folders, .nfolders = countof(folders),
                               LOCK_FILTER(lock_quotafs_filter) });
}

/* How this disk counts, seen on a file without a name: the bytes of its smallest file, and whether attributes are among them. */
static int try_disk(struct err *e)
{
    static char value[TRIAL];
    struct statvfs v;
    struct stat one, more;
    CLOSE_FD int fd = openat(fs.real, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fstatvfs(fs.real, &v) < 0)
        return err_set(e, errno, "statfs", "the folder of the files");
    fs.unit = v.f_frsize > 4096 ? v.f_frsize : 4096;
    if (fd < 0 || write(fd, "", 1) != 1 || fstat(fd, &one) < 0)
        return 0;
    fs.unit = blocks_of(&one) > fs.unit ? blocks_of(&one) : fs.unit;
    fs.xattrs = fsetxattr(fd, "user.holdfast", value, sizeof value, 0) == 0 && fstat(fd, &more) == 0 && more.st_blocks > one.st_blocks;
    return 0;
}

static int open_files(struct err *e)
{
    struct stat st;
    struct recount r;
    fs.real = openat(fs.root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fs.real < 0 || fstat(fs.real, &st) < 0)
        return err_set(e, errno, "open", "the folder of the files");
    fs.dev = st.st_dev;
    /* What was written before a crash takes its last blocks when it is written back. */
    if (syncfs(fs.real) < 0)
        return err_set(e, errno, "sync", "the folder of the files");
    if (try_disk(e) < 0 || recount(fs.root, &r, e) < 0)
        return -1;
    ledger_settle(&fs.ledger, 0, r.bytes);
    fs.ledger.inodes = r.inodes;
    nodes_init(&fs.nodes, &fs.ledger, &st);
    folder_root(&fs.nodes, fs.root);
    return 0;
}

static void names_lock_init(void)
{
    pthread_rwlockattr_t a;
    pthread_rwlockattr_init(&a);
    pthread_rwlockattr_setkind_np(&a, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&fs.names, &a);
    pthread_rwlockattr_destroy(&a);
}

static unsigned threads(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN) * 2;
    return n < THREADS_LEAST ? THREADS_LEAST : n > THREADS_MOST ? THREADS_MOST : (unsigned)n;
}

/* Read before the lock: what an id is shown as that our namespace does not have. */
static uid_t strangers(void)
{
    struct err e = { 0 };
    FREE_MEM char *text = io_read_file("/proc/sys/kernel/overflowuid", 32, NULL, &e);
    return text ? (uid_t)strtoul(text, NULL, 10) : 65534;
}

int main(int argc, char **argv UNUSED)
{
    struct err e = { 0 };
    char text[400];
    log_init("holdfast-quotafs", LOG_INFO);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    umask(0);
    if (argc != 1 || io_close_from(LINK_FD + 1) < 0)
        die("is started by holdfast-launch");
    uint32_t id = (uint32_t)receive();
    fs.strangers = strangers();
    unsigned n = threads();
    names_lock_init();
    lock();
    if (open_files(&e) < 0) {
        answer(id, err_text(&e, text, sizeof text));
        return EXIT_FAILURE;
    }
    int over = serve_start(&fs, device, n);
    struct ledger_sum s = ledger_sum(&fs.ledger);
    log_info("serves", "bytes=%llu inodes=%llu bytes_most=%llu inodes_most=%llu unit=%llu xattrs=%d", (unsigned long long)s.bytes,
             (unsigned long long)s.inodes, (unsigned long long)s.bytes_most, (unsigned long long)s.inodes_most, (unsigned long long)fs.unit, fs.xattrs);
    answer(id, NULL);
    close(LINK_FD);
    control_run(&fs, listener, over);
    s = ledger_sum(&fs.ledger);
    log_info("ends", "bytes=%llu inodes=%llu", (unsigned long long)s.bytes, (unsigned long long)s.inodes);
    /* The threads may be in the middle of something; what they have answered is on the disk. */
    _exit(EXIT_SUCCESS);
}
