#!/usr/bin/python3 -B
"""What an unprivileged user of a server's disk tries against its limits: wall_try.py FOLDER BYTES INODES KIND [OTHER FOLDER].

The disk is empty, and nobody else writes to it.  Prints "ok WORDS" and "not ok WORDS" for t/lib/tap.sh's import_results.
KIND is the file system: xfs counts what was deleted away a little later, and keeps small folders and links in the inode.
"""
import ctypes
import errno
import fcntl
import mmap
import os
import stat
import struct
import sys
import time

ROOT, BYTES, INODES, KIND = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
OTHER = sys.argv[5] if len(sys.argv) > 5 else None
FULL = (errno.ENOSPC, errno.EDQUOT)
FSGETXATTR, FSSETXATTR, FICLONE = 0x801c581f, 0x401c5820, 0x40049409
GETFLAGS, SETFLAGS, PROJINHERIT_FL = 0x80086601, 0x40086602, 0x20000000
libc = ctypes.CDLL(None, use_errno=True)
os.chdir(ROOT)
os.umask(0o022)


def say(good, words):
    print(("ok " if good else "not ok ") + words, flush=True)


def call(fn, *args):
    """None when it worked, else its errno."""
    try:
        fn(*args)
        return None
    except OSError as e:
        return e.errno


def refused(words, fn, *args):
    no = call(fn, *args)
    say(no in FULL, f"{words}: quota full" + ("" if no in FULL else f", got {no and errno.errorcode.get(no, no)}"))


def truth():
    """Bytes and inodes of all there is, the root folder too, hard links once."""
    seen, total = set(), 0
    for folder, folders, names in os.walk("."):
        for name in ["."] + names + [f for f in folders if os.path.islink(os.path.join(folder, f))]:
            st = os.lstat(os.path.join(folder, name))
            if st.st_ino not in seen:
                seen.add(st.st_ino)
                total += st.st_blocks * 512
    return total, len(seen)


def shown():
    s = os.statvfs(".")
    return (s.f_blocks - s.f_bfree) * s.f_frsize, s.f_files - s.f_ffree


def settled(want, seconds=30):
    end = time.time() + seconds
    while shown() != want() and time.time() < end:
        time.sleep(0.2)
    return shown()


def within(words):
    os.sync()
    have = truth()
    say(have[0] <= BYTES and have[1] <= INODES, f"{words}: {have[0]} bytes and {have[1]} inodes on the disk are within {BYTES} and {INODES}")
    got = settled(truth)
    say(got == have, f"{words}: statfs says so" + ("" if got == have else f", no: {got}"))


def clear():
    for folder, folders, names in os.walk(".", topdown=False):
        for n in names:
            os.unlink(os.path.join(folder, n))
        for n in folders:
            p = os.path.join(folder, n)
            os.unlink(p) if os.path.islink(p) else os.rmdir(p)


def fill(name, block=1 << 16):
    fd = os.open(name, os.O_WRONLY | os.O_CREAT, 0o644)
    no = None
    while no is None:
        no = call(os.write, fd, b"x" * block)
        if no is not None and block > 512:
            no, block = None, block // 2
    say(no in FULL, f"writing ends with quota full, at {os.fstat(fd).st_size} bytes" + ("" if no in FULL else f": {no}"))
    return fd


def wrote(name, data=b"x", offset=0):
    """Written and on the disk, or OSError."""
    fd = os.open(name, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.pwrite(fd, data, offset)
        os.fsync(fd)
    finally:
        os.close(fd)


def fallocated(mode, length):
    fd = os.open("alloc", os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        if libc.fallocate(fd, mode, ctypes.c_long(0), ctypes.c_long(length)) < 0:
            raise OSError(ctypes.get_errno(), "fallocate")
    finally:
        os.close(fd)


def mapped(fd):
    """A store into a hole of a mapped file: killed by SIGBUS when there is no place for it."""
    pid = os.fork()
    if pid == 0:
        with mmap.mmap(fd, 1 << 20) as m:
            m[5 << 16] = 1
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def bytes_wall():
    s = os.statvfs(".")
    say((s.f_blocks * s.f_frsize, s.f_files) == (BYTES, INODES), f"statfs shows the limits: {s.f_blocks * s.f_frsize} {s.f_files}")
    say(shown() == truth() and shown()[1] == 1, f"empty: {shown()[0]} bytes and the root folder's inode are in use")
    empty = truth()[0]
    hole = os.open("hole", os.O_RDWR | os.O_CREAT, 0o644)
    os.ftruncate(hole, 1 << 40 if KIND == "xfs" else 1 << 43)
    os.ftruncate(hole, 1 << 20)
    say(shown()[0] == truth()[0], "holes cost nothing")
    for name in ("alloc", "full2", "target"):
        wrote(name, b"")
    fd = fill("full")
    os.fsync(fd)
    within("full")
    left = BYTES - truth()[0]
    say(left < 8192, f"all of it could be had but {left} bytes")
    wrote("full", b"y" * 65536, 4096)
    say(True, "overwriting works when it is full")
    while call(wrote, "full2", b"x" * 4096, os.stat("full2").st_size) is None:
        pass
    refused("a byte of another file", wrote, "target")
    refused("a byte at a distance", wrote, "target", b"x", 1 << 33)
    refused("fallocate of a TiB", fallocated, 0, 1 << 40)
    refused("fallocate, size kept", fallocated, 1, 1 << 20)
    refused("fallocate, zeros", fallocated, 0x10, 1 << 20)
    source, target = os.open("full", os.O_RDONLY), os.open("target", os.O_WRONLY)
    refused("copy_file_range", os.copy_file_range, source, target, 1 << 20)
    if KIND == "xfs":
        refused("a reflink", fcntl.ioctl, target, FICLONE, source)
    os.close(source)
    os.close(target)
    refused("a large attribute", os.setxattr, "target", "user.a", b"v" * (3000 if KIND == "ext4" else 60000))
    refused("a long symbolic link", os.symlink, "l" * (3000 if KIND == "ext4" else 1000), "long")
    if KIND == "ext4":
        refused("a folder", os.mkdir, "folder")
    say(mapped(hole) == -7, "a store into a mapped hole is SIGBUS")
    say(call(os.truncate, "target", 1 << 30) is None, "truncate to more is a hole")
    os.rename("target", "full2")
    say(True, "a rename over another works")
    within("after all of that")
    os.close(fd)
    os.close(hole)
    clear()
    settled(lambda: (empty, 1))
    say(shown() == truth() and truth()[1] == 1, f"all is free again: {shown()} in use")


def inodes_wall():
    made = 0
    no = None
    while no is None:
        no = call(os.mknod, f"f{made}", stat.S_IFREG | 0o644)
        made += no is None
    say(no in FULL and made == INODES - 1, f"{made} files could be made, the root folder is one more")
    refused("a folder", os.mkdir, "folder")
    refused("a symbolic link", os.symlink, "x", "link")
    refused("a pipe", os.mkfifo, "pipe")
    refused("a socket", os.mknod, "sock", stat.S_IFSOCK | 0o600)
    refused("a file without a name", os.open, ".", os.O_TMPFILE | os.O_WRONLY, 0o600)
    say(call(os.link, "f0", "again") is None and call(os.rename, "f1", "g1") is None, "a hard link and a rename take none")
    os.unlink("f2")
    say(wait(lambda: call(os.mknod, "f2", stat.S_IFREG | 0o644) is None), "one deleted, one to be had")
    held = os.open("f3", os.O_RDONLY)
    os.unlink("f3")
    refused("another while the deleted one is open", os.mknod, "f3", stat.S_IFREG | 0o644)
    os.close(held)
    say(wait(lambda: call(os.mknod, "f3", stat.S_IFREG | 0o644) is None), "closed, and it is to be had")
    within("as many as may be")
    clear()
    settled(lambda: truth())


def wait(fn, seconds=60):
    end = time.time() + seconds
    while not fn():
        if time.time() > end:
            return False
        time.sleep(0.2)
    return True


def small_files():
    made = 0
    while call(wrote, f"s{made}", b"tiny") is None:
        made += 1
    within(f"{made} files of 4 bytes")
    say(made >= min(INODES - 1, BYTES // 4096) - BYTES // 4096 // 20 - 2, "as many as blocks or inodes allow")
    clear()
    settled(lambda: truth())


def every(fd, first, step):
    n = 0
    while call(os.pwrite, fd, b"x" * 4096, (first + n * step) * 4096) is None and (first + n * step) * 4096 < BYTES * 8:
        n += 1
    return n


def apart(fd):
    return every(fd, 0, 2)


def between(fd):
    """Where there are pieces already, on the disk, as many as half of it: each of their lists is split again and again."""
    for n in range(BYTES // 8192):
        if call(os.pwrite, fd, b"x" * 4096, n * 4 * 4096) is not None:
            break
    os.fsync(fd)
    return every(fd, 2, 4)


def unwritten(fd):
    """All of it set aside first, in one piece."""
    length = BYTES
    while call(os.posix_fallocate, fd, 0, length) is not None:
        length -= 4096
    n = 0
    while n * 8192 + 4096 <= length and call(os.pwrite, fd, b"x" * 4096, n * 8192) is None:
        n += 1
    return n


def many(fd):
    """Files of as few pieces as need a list of their own: one more than the inode holds."""
    n, each = 0, 5 if KIND == "ext4" else 25
    while n < (INODES - 4) * each:
        name = f"p{n // each}"
        if n % each == 0 and call(os.mknod, name, stat.S_IFREG | 0o644) is not None:
            break
        one = os.open(name, os.O_WRONLY)
        no = call(os.pwrite, one, b"x" * 4096, n % each * 8192)
        os.close(one)
        if no is not None:
            break
        n += 1
    os.sync()
    return n


def pieces():
    """Pieces of one block, accepted before any has a place: what maps them comes on top.  ABOVE in the environment is what is tolerated."""
    most = int(os.environ.get("ABOVE", BYTES // 4))
    for pattern in (apart, between, unwritten, many):
        fd = os.open("pieces", os.O_WRONLY | os.O_CREAT, 0o644)
        n = pattern(fd)
        no = call(os.fsync, fd)
        have = truth()[0]
        say(have <= BYTES + most, f"{n} pieces, {pattern.__name__}, take {have} of {BYTES} bytes, {have - BYTES} above")
        print("# fsync:", no and errno.errorcode[no], flush=True)
        if have >= BYTES:
            refused("and nothing more is to be had", wrote, "more", b"x" * 65536)
        os.close(fd)
        clear()
        settled(lambda: truth())


def number():
    """Project number and inheritance, as the owner: in the first user namespace and in another."""
    wrote("mine")
    fd = os.open("mine", os.O_RDWR)
    x = bytearray(28)
    fcntl.ioctl(fd, FSGETXATTR, x)
    flags, ext, n, projid, cow = struct.unpack("IIIII8x", x)
    say(projid > 0x48460000, f"a file has the server's number: {projid:#x}")
    os.mkdir("sub")
    sub = os.open("sub", os.O_RDONLY)
    xs = bytearray(28)
    fcntl.ioctl(sub, FSGETXATTR, xs)
    subflags = struct.unpack("IIIII8x", xs)[0]
    say(struct.unpack("IIIII8x", xs)[3] == projid and subflags & 0x200, "so has a folder, and gives it on")
    pid = os.fork()
    if pid == 0:
        if libc.unshare(0x10000000) < 0:
            os._exit(3)
        tries = (
            (fd, FSSETXATTR, struct.pack("IIIII8x", flags, ext, 0, 0, cow)),
            (sub, FSSETXATTR, struct.pack("IIIII8x", subflags, ext, 0, 0, cow)),
            (sub, FSSETXATTR, struct.pack("IIIII8x", subflags & ~0x200, ext, 0, projid, cow)),
            (sub, SETFLAGS, struct.pack("l", 0)),
        )
        got = [call(fcntl.ioctl, *t) for t in tries]
        print("# in a user namespace:", [g and errno.errorcode[g] for g in got], flush=True)
        os._exit(0 if all(got) else 1)
    say(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, "in a user namespace the owner changes neither number nor inheritance")
    own = call(fcntl.ioctl, fd, FSSETXATTR, struct.pack("IIIII8x", flags, ext, 0, 0, cow))
    print("# in the first one:", own and errno.errorcode[own], flush=True)
    if own is None:
        fcntl.ioctl(fd, FSSETXATTR, struct.pack("IIIII8x", flags, ext, 0, projid, cow))
    os.close(fd)
    os.close(sub)
    if OTHER:
        say(call(os.rename, "mine", OTHER + "/mine") == errno.EXDEV, "a rename to another server is EXDEV")
        say(call(os.link, "mine", OTHER + "/mine") == errno.EXDEV, "and so is a hard link")
    clear()


PARTS = (bytes_wall, inodes_wall, small_files, pieces, number)
for part in [p for p in PARTS if p.__name__ in os.environ.get("PARTS", p.__name__)]:
    print("#", part.__name__, flush=True)
    try:
        part()
    finally:
        clear()
