/* What the session counts against leases, against a real file and a worker that knows them all: whatever is written, nothing is on the disk that was
   neither there nor granted. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sshd/attrs.h"
#include "sshd/proto.h"
#include "sshd/session/files_client.h"
#include "sshd/session/outfile.h"

enum { BLOCK = 4096, MIB = 1024 * 1024, FILES = 2, OPENS = 4, TURNS = 4000 };
static const uint64_t plenty = UINT64_C(1) << 40;

/* The disk: two files, opened by four outfiles, and what the gate would know. */
static struct {
    uint64_t limit;            /* bytes */
    uint64_t out[OPENS];
    char path[FILES][40];
    struct { files_fn *fn; void *data; uint32_t id; struct msg m; bool on; } later[OPENS];
    uint32_t id;
    bool lazy;                 /* what is asked ahead is answered when it is waited for */
} disk;

static uint64_t used(void)
{
    uint64_t sum = 0;
    struct stat st;
    for (int i = 0; i < FILES; i++)
        if (stat(disk.path[i], &st) == 0)
            sum += (uint64_t)st.st_blocks * 512;
    return sum;
}

static uint64_t out(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < OPENS; i++)
        sum += disk.out[i];
    return sum;
}

void files_begin(struct msg *m, uint16_t type)
{
    msg_begin(m, type, 0);
}

/* As it would arrive. */
static void pass(struct msg *m, struct msg *to)
{
    int pair[2];
    cr_assert(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    cr_assert(msg_send(pair[0], m) == 0 && msg_recv(pair[1], to) == 1);
    close(pair[0]);
    close(pair[1]);
    msg_free(m);
}

static uint64_t grant(uint64_t more)
{
    uint64_t busy = used() + out(), left = busy < disk.limit ? disk.limit - busy : 0;
    uint64_t part = left / 8 < MIB ? left / 8 / BLOCK * BLOCK : MIB;
    more = (more + BLOCK - 1) / BLOCK * BLOCK;
    part = part > more ? part : more;
    return part < left ? part : left / BLOCK * BLOCK;
}

static void serve(struct msg *request, files_fn *fn, void *data)
{
    MSG_FREE struct msg m = { 0 };
    pass(request, &m);
    uint32_t number = msg_get_u32(&m);
    uint64_t left = msg_get_u64(&m), more = m.type == FILES_LEASE ? msg_get_u64(&m) : 0;
    cr_assert(msg_end(&m));
    cr_assert_leq(left, disk.out[number], "more is left of a lease than it had");
    disk.out[number] = m.type == FILES_LEASE ? left : 0;
    uint64_t part = more ? grant(more) : 0;
    if (fn == NULL)
        return;
    if (part == 0) {
        fn(data, FX_FAILURE, "quota exceeded", NULL);
        return;
    }
    disk.out[number] += part;
    MSG_FREE struct msg a, answer = { 0 };
    msg_begin(&a, FILES_ANSWER, 0);
    msg_put_u64(&a, part);
    pass(&a, &answer);
    fn(data, 0, "", &answer);
    cr_assert(msg_end(&answer));
}

static void deliver(uint32_t id)
{
    for (int i = 0; i < OPENS; i++)
        if (disk.later[i].on && (id == 0 || disk.later[i].id == id)) {
            disk.later[i].on = false;
            serve(&disk.later[i].m, disk.later[i].fn, disk.later[i].data);
        }
}

uint32_t files_ask(struct files *f, struct msg *m, files_fn *fn, void *data)
{
    int i = 0;
    (void)f;
    while (disk.later[i].on)
        i++;
    disk.later[i].fn = fn;
    disk.later[i].data = data;
    disk.later[i].m = *m;
    disk.later[i].on = true;
    disk.later[i].id = ++disk.id;
    uint32_t id = disk.id;
    if (!disk.lazy)
        deliver(id);
    return id;
}

void files_tell(struct files *f, struct msg *m)
{
    (void)f;
    deliver(0);
    serve(m, NULL, NULL);
}

bool files_ask_now(struct files *f, struct msg *m, files_fn *fn, void *data)
{
    (void)f;
    deliver(0);
    serve(m, fn, data);
    return true;
}

bool files_wait(struct files *f, uint32_t id)
{
    (void)f;
    deliver(id);
    return true;
}

static void up(uint64_t limit, bool lazy)
{
    memset(&disk, 0, sizeof disk);
    disk.limit = limit;
    disk.lazy = lazy;
    for (int i = 0; i < FILES; i++) {
        snprintf(disk.path[i], sizeof disk.path[i], "/dev/shm/outfile.XXXXXX");
        int fd = mkstemp(disk.path[i]);
        cr_assert(fd >= 0);
        close(fd);
    }
}

static void down(void)
{
    for (int i = 0; i < FILES; i++)
        unlink(disk.path[i]);
}

/* As the worker opens it: the first lease is one block's. */
static void open_one(struct outfile *o, uint32_t number, int file, bool append)
{
    struct msg a, answer = { 0 };
    int fd = open(disk.path[file], O_RDWR | O_CLOEXEC | (append ? O_APPEND : 0));
    struct stat st;
    cr_assert(fd >= 0 && fstat(fd, &st) == 0);
    off_t hole = st.st_size ? lseek(fd, 0, SEEK_HOLE) : 0;
    uint64_t lease = grant(1);
    disk.out[number] = lease;
    msg_begin(&a, FILES_ANSWER, 0);
    msg_put_u32(&a, number);
    msg_put_u64(&a, (uint64_t)hole);
    msg_put_u64(&a, lease);
    msg_put_u32(&a, 0);
    msg_put_fd(&a, fd);
    pass(&a, &answer);
    outfile_opened(o, (struct files *)&disk, &answer);
    cr_assert(msg_end(&answer));
    o->append = append;
    close(fd);
}

/* What this one write was granted: all that is out for the file, but for what is left of it. */
static uint64_t paid(const struct outfile *o)
{
    return disk.out[o->number] - o->lease;
}

/* Between paying and writing others have their turn, as with a client that sends slowly: what was paid for must be out then. */
static bool put(struct outfile *o, uint64_t offset, uint32_t size)
{
    static uint8_t bytes[300000];
    struct refusal r = { 0 };
    deliver(0);
    disk.out[o->number] = o->lease;
    uint64_t before = used();
    if (o->append)
        offset = outfile_end(o);
    uint32_t fits = outfile_charge(o, offset, size, &r);
    deliver(0);
    if (r.status)
        return false;
    uint64_t granted = paid(o);
    fits = fits < size ? fits : size;
    memset(bytes, (int)offset + 1, fits);
    bool wrote = outfile_write(o, bytes, fits, offset, &r);
    cr_assert_leq(used(), before + granted, "%lu written without a lease", (unsigned long)(used() - before - granted));
    cr_assert_leq(used() + out() - granted, disk.limit, "written and out: more than there is");
    if (wrote && fits < size)
        outfile_full(o, &r);
    return wrote && fits == size;
}

static void cut(int file, uint64_t size)
{
    cr_assert(truncate(disk.path[file], (off_t)size) == 0);
}

static void turn(struct outfile *o, unsigned *seed)
{
    uint32_t size = 1 + (uint32_t)rand_r(seed) % 200000;
    uint64_t at = (uint64_t)rand_r(seed) % (6 * MIB);
    switch (rand_r(seed) % 16) {
    case 0: cut(rand_r(seed) % FILES, at); break;
    case 1: cut(rand_r(seed) % FILES, 0); break;
    case 2: put(o, at, size); break;
    case 3: put(o, at, 1 + size % 100); break;
    case 4: {
        uint64_t end = at / 2;
        cr_assert(ftruncate(o->fd, (off_t)end) == 0);
        outfile_resized(o, end);
        break;
    }
    default: put(o, o->end, rand_r(seed) % 3 ? size : 1 + size % 5000);
    }
}

static void dance(uint64_t limit, bool lazy, unsigned seed)
{
    struct outfile o[OPENS];
    up(limit, lazy);
    for (uint32_t i = 0; i < OPENS; i++)
        open_one(&o[i], i, (int)i % FILES, i == OPENS - 1);
    for (int i = 0; i < TURNS; i++)
        turn(&o[rand_r(&seed) % OPENS], &seed);
    for (uint32_t i = 0; i < OPENS; i++)
        outfile_close(&o[i]);
    deliver(0);
    cr_assert_eq(out(), 0, "all is given back");
    down();
}

Test(outfile, any_order_stays_within_the_limit, .timeout = 120)
{
    for (unsigned seed = 1; seed <= 6; seed++)
        dance(4 * MIB + (seed % 3) * BLOCK, seed % 2, seed);
}

Test(outfile, what_is_paid_and_not_written_is_out)
{
    struct outfile o;
    struct refusal r = { 0 };
    up(plenty, true);
    open_one(&o, 0, 0, false);
    cr_assert(put(&o, 0, 262144) && put(&o, 262144, 262144));
    cr_assert_eq(outfile_charge(&o, 524288, 262144, &r), UINT32_MAX);
    cr_assert(disk.later[0].on, "the next lease is asked for ahead");
    deliver(0);
    cr_assert_eq(disk.out[0], MIB - 524288 + MIB, "with the bytes of the write that is under way");
    outfile_close(&o);
    down();
}

Test(outfile, back_comes_what_is_not_wanted)
{
    struct outfile o;
    up(plenty, false);
    open_one(&o, 0, 0, false);
    cr_assert(put(&o, 0, 100000));
    cr_assert_gt(disk.out[0], 0);
    cr_assert(put(&o, 100000, 10));
    cr_assert_gt(disk.out[0], 0, "the last block's rest is no step back");
    cr_assert(put(&o, 4096, 4096));
    cr_assert_eq(disk.out[0], 0, "at a step back");
    cr_assert(put(&o, o.end, 100000));
    cr_assert_gt(disk.out[0], 0);
    cr_assert(ftruncate(o.fd, 10) == 0);
    outfile_resized(&o, 10);
    cr_assert_eq(disk.out[0], 0, "at a cut");
    outfile_close(&o);
    down();
}

Test(outfile, overwrite_costs_nothing_where_nothing_is_left)
{
    struct outfile o;
    up(MIB, false);
    cut(0, MIB);
    open_one(&o, 0, 0, false);
    cr_assert_eq(o.high, 0, "all holes");
    for (uint64_t at = MIB / 2; at < MIB; at += BLOCK)
        cr_assert(put(&o, at, BLOCK));
    cr_assert(put(&o, 0, MIB / 4) && put(&o, MIB / 4, MIB / 4));
    cr_assert_eq(used(), MIB);
    cr_assert(put(&o, 3 * MIB / 4, BLOCK), "written over in what was a hole");
    cr_assert(put(&o, 0, MIB / 4), "and at the start");
    cr_assert_not(put(&o, MIB, 1));
    outfile_close(&o);
    down();
}

Test(outfile, the_last_bytes_are_used_up)
{
    struct outfile o[2];
    up(40 * BLOCK, false);
    open_one(&o[0], 0, 0, false);
    open_one(&o[1], 1, 1, false);
    while (put(&o[0], o[0].end, 7 * BLOCK - 5)) {}
    outfile_close(&o[0]);
    while (put(&o[1], o[1].end, 3 * BLOCK)) {}
    cr_assert_eq(used(), 40 * BLOCK, "%lu of %d blocks", (unsigned long)used() / BLOCK, 40);
    outfile_close(&o[1]);
    cr_assert_eq(out(), 0);
    down();
}

Test(outfile, a_hole_made_by_another_is_paid_for)
{
    struct outfile o;
    up(plenty, false);
    open_one(&o, 0, 0, false);
    cr_assert(put(&o, 0, 200000));
    cut(0, 0);
    cr_assert(put(&o, 0, 100000));
    cr_assert_eq(paid(&o), 25 * BLOCK);
    outfile_close(&o);
    down();
}

Test(outfile, a_write_that_failed_is_paid_for_again)
{
    struct outfile o;
    struct refusal r = { 0 };
    static uint8_t bytes[2 * BLOCK];
    struct rlimit no = { BLOCK, RLIM_INFINITY }, was;
    up(plenty, false);
    open_one(&o, 0, 0, false);
    signal(SIGXFSZ, SIG_IGN);
    cr_assert(getrlimit(RLIMIT_FSIZE, &was) == 0 && setrlimit(RLIMIT_FSIZE, &no) == 0);
    cr_assert(put(&o, 0, BLOCK));
    cr_assert_eq(outfile_charge(&o, BLOCK, 2 * BLOCK, &r), UINT32_MAX);
    cr_assert_not(outfile_write(&o, bytes, 2 * BLOCK, BLOCK, &r));
    cr_assert(setrlimit(RLIMIT_FSIZE, &was) == 0);
    cr_assert(put(&o, BLOCK, 2 * BLOCK));
    cr_assert_eq(paid(&o), 2 * BLOCK);
    outfile_close(&o);
    down();
}
