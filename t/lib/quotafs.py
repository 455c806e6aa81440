"""What a server might try against its limit, run as the server's user on the mount: quotafs.py ATTACK FOLDER [LIMIT].  Prints "ok WORDS" and
"not ok WORDS"; leaves what it wrote, for the caller to look at.  `twice A B SEED` does the same random things in both folders and compares them."""
import ctypes
import errno
import hashlib
import mmap
import os
import random
import stat
import sys
import threading

libc = ctypes.CDLL(None, use_errno=True)
KEEP, PUNCH, COLLAPSE, ZERO, INSERT = 1, 2, 8, 16, 32
FULL = (errno.ENOSPC, errno.EDQUOT)
K, M, G, T = 1 << 10, 1 << 20, 1 << 30, 1 << 40


def ok(good, words):
    print(("ok " if good else "not ok ") + words, flush=True)


def refused(words, fn, *args, errors=FULL):
    try:
        fn(*args)
        ok(False, words + ": done")
    except OSError as e:
        ok(e.errno in errors, f"{words}: {errno.errorcode.get(e.errno)}")


def renameat2(a, b, flags):
    """Not libc's, which has no flags but by another call."""
    if libc.syscall({"x86_64": 316, "aarch64": 276}[os.uname().machine], -100, a.encode(), -100, b.encode(), flags) < 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def fallocate(fd, mode, off, size):
    if libc.fallocate(fd, mode, ctypes.c_long(off), ctypes.c_long(size)) < 0:
        raise OSError(ctypes.get_errno(), "fallocate")


def new(path, size=0):
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    at = 0
    while at < size:
        at += os.write(fd, b"x" * min(M, size - at))
    return fd


def fill(fd, piece=M):
    """Until it is refused, at the write."""
    n = 0
    try:
        while True:
            n += os.write(fd, b"f" * piece)
    except OSError as e:
        if e.errno not in FULL:
            raise
    return n


def until_full(fn, most=1 << 20):
    for i in range(most):
        try:
            fn(i)
        except OSError as e:
            if e.errno not in FULL:
                raise
            return i
    return most


def sequential(d, limit):
    fd = new(d + "/a")
    fill(fd)
    s = os.statvfs(d)
    ok(s.f_bavail == 0, "filled to the last block")
    ok(s.f_blocks * s.f_frsize == limit, "statfs shows the limit")
    refused("one byte more, at the write", os.pwrite, fd, b"x", os.fstat(fd).st_size)
    ok(os.pwrite(fd, b"y" * M, 0) == M, "what is there can be overwritten")
    os.fsync(fd)
    ok(True, "fsync has nothing to say")
    refused("a file", lambda: new(d + "/b"))
    os.ftruncate(fd, 0)
    ok(os.statvfs(d).f_bavail * 4096 > limit - 64 * K, "truncated, it is all free again")
    ok(fill(fd) > limit - 64 * K, "and can be written again")


def direct(d, limit):
    """Past the page cache, in pieces that the kernel cuts."""
    page = mmap.mmap(-1, M)
    page.write(b"d" * M)
    ends = set()
    for i in range(8):
        fd = os.open(d + "/a", os.O_WRONLY | os.O_CREAT | os.O_DIRECT, 0o644)
        fallocate(fd, 0, 0, (i + 1) * 12 * K)
        try:
            while os.write(fd, page):
                pass
        except OSError as e:
            ends.add(errno.errorcode.get(e.errno))
        os.close(fd)
        os.unlink(d + "/a")
    ok(ends == {"ENOSPC"}, f"a full disk: {sorted(ends)}")


def truncate(d, limit):
    fd = new(d + "/a", limit // 2)
    fallocate(fd, KEEP, limit // 2, limit // 4)
    before = os.statvfs(d).f_bavail
    os.ftruncate(fd, limit // 2)
    ok(os.statvfs(d).f_bavail >= before, "the same size: costs nothing")
    os.ftruncate(fd, T)
    ok(os.statvfs(d).f_bavail >= before, "a TiB of nothing: nothing")
    n = until_full(lambda i: os.pwrite(fd, b"z" * 4096, G + i * 997 * 4096))
    ok(n * 4096 <= limit, f"{n} blocks far from each other, then no more")


def allocate(d, limit):
    fd = new(d + "/a")
    for mode, words in ((0, "plain"), (KEEP, "keeping the size"), (ZERO, "zeroing"), (ZERO | KEEP, "zeroing, keeping the size")):
        refused(f"1 TiB, {words}", fallocate, fd, mode, 0, T)
        refused(f"twice the limit, {words}", fallocate, fd, mode, 0, limit * 2)
    for mode, words in ((COLLAPSE, "collapse"), (INSERT, "insert")):
        refused(words, fallocate, fd, mode, 0, 4096, errors=(errno.EOPNOTSUPP,))
    n = until_full(lambda i: fallocate(fd, KEEP, i * M, M))
    ok(n * M <= limit, f"{n} MiB behind its end, then no more")
    m = until_full(lambda i: os.pwrite(fd, b"q" * 100, (i * 2 + 1) * 4096 % (n * M)), 3000)
    ok(m > 0, f"{m} small writes in what was reserved")
    fallocate(fd, PUNCH | KEEP, 0, n * M)
    ok(os.statvfs(d).f_bavail * 4096 > limit // 2, "punched, it is free")


def holes(d, limit):
    fd = new(d + "/a")
    size = fill(fd)
    for i in range(0, size // 4096 - 16, 16):
        fallocate(fd, PUNCH | KEEP, i * 4096, 8 * 4096)
    ok(True, "a full file is punched all over")
    n = until_full(lambda i: os.pwrite(fd, b"h" * 4096, (i * 16 + i % 7) * 4096), size // 4096 // 16)
    ok(n > 0, f"{n} holes filled again")
    fd = new(d + "/b")
    fill(fd)
    ok(True, "another takes what is left")


def sparse(d, limit):
    fd = new(d + "/a")
    random.seed(5)
    n = until_full(lambda i: os.pwrite(fd, b"s", random.randrange(T)))
    ok(limit // 4096 * 0.9 < n * 1.01 <= limit // 4096 * 1.01, f"{n} single bytes far apart, {limit // 4096} blocks")
    for i in range(20):
        f = os.open(f"{d}/a", os.O_RDWR)
        until_full(lambda j: os.pwrite(f, b"s", random.randrange(T)), 20)
        os.close(f)
    ok(True, "opened again and again")


def copies(d, limit):
    a, b = new(d + "/a", limit // 3), new(d + "/b")

    def copy(i):
        at = i * (limit // 3)
        while at < (i + 1) * (limit // 3):
            n = os.copy_file_range(a, b, limit // 3, at - i * (limit // 3), at)
            if n == 0:
                raise OSError(errno.EIO, "short")
            at += n
    n = until_full(copy, 10)
    ok(n in (1, 2), f"copied {n} times")
    ficlone = 0x40049409
    import fcntl
    refused("reflinks", fcntl.ioctl, b, ficlone, a, errors=(errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.EXDEV))


def mapped(d, limit):
    fd = new(d + "/a")
    os.ftruncate(fd, limit * 2)
    with mmap.mmap(fd, limit * 2) as m:
        for at in range(0, limit * 2, 4096):
            m[at] = 1
        refused("a sparse file filled through a map: at msync", m.flush)
    b = new(d + "/b")
    os.ftruncate(fd, 0)
    os.write(b, b"m" * M)
    with mmap.mmap(b, M) as m:
        fill(fd)
        for at in range(0, M, 4096):
            m[at:at + 4] = b"over"
        m.flush()
    ok(os.pread(b, 4, M - 4096) == b"over", "blocks that are there can be written through a map on a full disk")


def replaced(d, limit):
    for i in range(30):
        os.close(new(f"{d}/new", limit // 3))
        os.rename(f"{d}/new", f"{d}/a")
    ok(True, "replaced 30 times by a third of the disk")
    os.close(new(f"{d}/b", limit // 3))
    renameat2(f"{d}/a", f"{d}/b", 2)
    os.unlink(d + "/a")
    os.close(new(f"{d}/c", limit // 3))
    ok(True, "exchanged, and one removed")


def links(d, limit):
    os.close(new(d + "/a", limit // 2))
    os.mkdir(d + "/l")
    before = os.statvfs(d)
    for i in range(300):
        os.link(d + "/a", f"{d}/l/{i}")
    after = os.statvfs(d)
    ok(before.f_ffree == after.f_ffree and before.f_bavail - after.f_bavail <= 8, "300 links cost the folder they are in")
    os.unlink(d + "/a")
    for i in range(299):
        os.unlink(f"{d}/l/{i}")
    ok(os.statvfs(d).f_bavail <= after.f_bavail + 8, "the last one holds the blocks")
    ok(os.stat(f"{d}/l/299").st_nlink == 1 and len(open(f"{d}/l/299", "rb").read()) == limit // 2, "and can be read")
    os.unlink(f"{d}/l/299")
    ok(os.statvfs(d).f_bavail > after.f_bavail + limit // 4 // 4096, "then they are free")


def unlinked(d, limit):
    fd = new(d + "/a")
    os.unlink(d + "/a")
    n = fill(fd)
    ok(n <= limit, f"{n} bytes without a name")
    refused("a file beside it", lambda: new(d + "/b"))
    ok(os.fstat(fd).st_nlink == 0, "it has no name")
    os.fchmod(fd, 0o600)
    os.utime(fd, ns=(1, 2))
    os.close(fd)
    os.close(new(d + "/b", limit // 2))
    ok(True, "closed, it is free")
    try:
        fd = os.open(d, os.O_TMPFILE | os.O_RDWR, 0o600)
        ok(fill(fd) <= limit // 2, "O_TMPFILE is charged")
    except OSError as e:
        ok(e.errno == errno.EOPNOTSUPP, "O_TMPFILE: EOPNOTSUPP")


def attributes(d, limit):
    def one(i):
        os.close(os.open(f"{d}/{i}", os.O_CREAT | os.O_WRONLY, 0o600))
        os.setxattr(f"{d}/{i}", "user.a", b"%8d" % i + b"v" * 3000)
    n = until_full(one)
    ok(n * 4096 <= limit, f"{n} attributes of 3 kB")
    os.removexattr(d + "/0", "user.a")
    refused("of the system", os.setxattr, d + "/0", "trusted.x", b"1", errors=(errno.EPERM, errno.EOPNOTSUPP))
    refused("an ACL", os.setxattr, d + "/0", "system.posix_acl_access", b"\2\0\0\0", errors=(errno.EOPNOTSUPP,))
    ok(os.listxattr(d + "/1") == ["user.a"], "listed")


def names(d, limit):
    def one(i):
        k = i % 3
        if k == 0:
            os.close(os.open(f"{d}/{i}", os.O_CREAT | os.O_WRONLY, 0o600))
        elif k == 1:
            os.mkdir(f"{d}/{i}")
        else:
            os.symlink("t" * 200, f"{d}/{i}")
    free = os.statvfs(d).f_ffree
    n = until_full(one)
    ok(n <= free and (n == free or os.statvfs(d).f_bavail <= 8), f"{n} empty files, folders and links of {free} inodes")
    refused("a pipe", os.mkfifo, d + "/p")
    os.unlink(d + "/0")
    os.mkfifo(d + "/p")
    ok(True, "one for one")


def long_names(d, limit):
    n = until_full(lambda i: os.mkdir(f"{d}/{i:0250d}"))
    s = os.statvfs(d)
    ok(n > 0 and (s.f_ffree == 0 or s.f_bavail <= 8), f"{n} folders of long names")


def special(d, limit):
    for mode, words in ((stat.S_IFCHR, "a device"), (stat.S_IFBLK, "a disk")):
        refused(words, os.mknod, d + "/n", mode | 0o600, os.makedev(1, 3), errors=(errno.EPERM,))
    os.close(new(d + "/f"))
    refused("set-uid", os.chmod, d + "/f", 0o4755, errors=(errno.EPERM,))
    refused("set-gid", os.chmod, d + "/f", 0o2755, errors=(errno.EPERM,))
    refused("another's", os.chown, d + "/f", 0, 0, errors=(errno.EPERM, errno.EINVAL, errno.EOVERFLOW))
    os.close(new(d + "/" + "n" * 255))
    os.close(os.open((d + "/").encode() + b"\xff\x01\xfe", os.O_CREAT, 0o600))
    ok(b"\xff\x01\xfe" in os.listdir(d.encode()), "names byte for byte, 255 of them")
    refused("256", lambda: new(d + "/" + "n" * 256), errors=(errno.ENAMETOOLONG,))
    os.chmod(d + "/f", 0)
    refused("mode 0", os.open, d + "/f", os.O_RDONLY, errors=(errno.EACCES,))
    os.utime(d + "/f", ns=(123456789, 987654321987654321))
    ok(os.stat(d + "/f").st_mtime_ns == 987654321987654321, "times to the nanosecond")
    deep = os.open(d, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=deep)
        down = os.open("d", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = down
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=deep))
    ok(os.stat("bottom", dir_fd=deep).st_size == 0, "1500 folders deep")
    fd = os.open(d + "/log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)

    def append(c):
        for _ in range(500):
            os.write(fd, c * 37)
    each = [threading.Thread(target=append, args=(bytes([65 + i]),)) for i in range(8)]
    [t.start() for t in each]
    [t.join() for t in each]
    data = open(d + "/log", "rb").read()
    ok(len(data) == 8 * 500 * 37 and all(len(set(data[i:i + 37])) == 1 for i in range(0, len(data), 37)), "appends of 8 threads are whole")


def storm(d, limit):
    """Whatever, by several at once."""
    def one(seed):
        r = random.Random(seed)
        open_files = []
        for _ in range(600):
            name, other = (f"{d}/{r.randrange(40)}" for _ in "ab")
            try:
                what = r.randrange(14)
                if what < 5:
                    open_files.append(os.open(name, os.O_RDWR | os.O_CREAT, 0o600))
                    os.pwrite(open_files[-1], b"s" * r.randrange(1, 300000), r.randrange(1 << 22) if what < 2 else 0)
                elif what == 5 and open_files:
                    fallocate(r.choice(open_files), r.choice((0, KEEP, PUNCH | KEEP, ZERO)), r.randrange(1 << 20), r.randrange(1, 1 << 20))
                elif what == 6 and open_files:
                    os.ftruncate(r.choice(open_files), r.randrange(1 << 20))
                elif what == 7:
                    os.rename(name, other)
                elif what == 8:
                    os.link(name, other)
                elif what == 9:
                    os.unlink(name)
                elif what == 10:
                    os.mkdir(name)
                elif what == 11:
                    os.rmdir(name)
                elif what == 12:
                    os.setxattr(name, "user.x", b"v" * r.randrange(3500))
                elif what == 13 and open_files:
                    os.close(open_files.pop(r.randrange(len(open_files))))
                if len(open_files) > 20:
                    os.close(open_files.pop(0))
            except OSError as e:
                if e.errno not in FULL + (errno.ENOENT, errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY, errno.EPERM, errno.ENODATA):
                    print(f"not ok {what}: {e}", flush=True)
        os._exit(0)
    pids = []
    for i in range(8):
        pid = os.fork()
        if pid == 0:
            one(i)
        pids.append(pid)
    ok(all(os.waitpid(p, 0)[1] == 0 for p in pids), "8 at once")


# ---- the same in two folders ----

def digest(d):
    lines = []
    for folder, folders, files in os.walk(d):
        folders.sort()
        for n in sorted(folders + files) + ["."]:
            p = os.path.join(folder, n)
            s = os.lstat(p)
            line = [os.path.relpath(p, d), oct(s.st_mode), 1 if stat.S_ISDIR(s.st_mode) else s.st_nlink, s.st_uid, s.st_gid]
            if stat.S_ISREG(s.st_mode):
                line += [s.st_size, hashlib.sha256(open(p, "rb").read()).hexdigest(), {a: os.getxattr(p, a) for a in sorted(os.listxattr(p))}]
            if stat.S_ISLNK(s.st_mode):
                line.append(os.readlink(p))
            if s.st_mtime < 1e6:
                line.append(s.st_mtime_ns)
            lines.append(str(line))
    return lines


def act(d, r, handles):
    def name():
        return "/".join([d] + [f"{r.randrange(6)}" for _ in range(r.choice((1, 1, 2, 3)))])
    what, a, b, n = r.randrange(17), name(), name(), r.randrange(1 << 18)
    data, at, pick = r.randbytes(r.randrange(1, 70000)), r.randrange(1 << 18), r.randrange(1 << 20)
    fd = handles[pick % len(handles)] if handles else None

    def do_open():
        handles.append(os.open(a, os.O_RDWR | os.O_CREAT | (os.O_TRUNC if n % 5 == 0 else 0) | (os.O_APPEND if n % 7 == 0 else 0), 0o640))
        os.write(handles[-1], data)
        if len(handles) > 8:
            os.close(handles.pop(0))

    def on_map():
        size = os.fstat(fd).st_size
        with mmap.mmap(fd, size) as m:
            m[n % size:n % size + 5] = b"mmap!"[:size - n % size]

    return what, (
        do_open, do_open, lambda: os.mkdir(a, 0o755), lambda: os.rename(a, b), lambda: os.unlink(a), lambda: os.rmdir(a), lambda: os.link(a, b),
        lambda: os.symlink(f"x{n}", a), lambda: os.truncate(a, n), lambda: os.chmod(a, n & 0o777 | 0o700), lambda: os.utime(a, ns=(n, n)),
        lambda: os.setxattr(a, f"user.{n % 3}", data[:200]), lambda: fd is not None and os.pwrite(fd, data, at),
        lambda: fd is not None and hashlib.md5(os.pread(fd, n, at)).hexdigest(), lambda: fd is not None and on_map(),
        lambda: fd is not None and fallocate(fd, (0, KEEP, PUNCH | KEEP, ZERO)[n % 4], at, n + 1),
        lambda: renameat2(a, b, n % 3),
    )[what]


def twice(a, b, seed):
    both = []
    for d in (a, b):
        r, handles, results = random.Random(seed), [], []
        for _ in range(3000):
            what, fn = act(d, r, handles)
            try:
                results.append((what, fn()))
            except (OSError, ValueError) as e:
                results.append((what, getattr(e, "errno", "value")))
        for fd in handles:
            os.close(fd)
        both.append((results, digest(d)))
    ra, rb = both[0][0], both[1][0]
    bad = [(i, x, y) for i, (x, y) in enumerate(zip(ra, rb)) if x != y]
    ok(not bad, f"seed {seed}: 3000 calls answer alike" + (f": first {bad[0]}" if bad else ""))
    ok(both[0][1] == both[1][1], f"seed {seed}: {len(both[0][1])} entries alike")
    for x, y in list(zip(both[0][1], both[1][1])):
        if x != y:
            print("#", x[:300], "\n#", y[:300])
            break


if __name__ == "__main__":
    os.umask(0o022)
    if sys.argv[1] == "twice":
        twice(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        globals()[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
