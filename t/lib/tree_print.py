#!/usr/bin/python3 -B
"""make FOLDER UID [unnamed]: a tree of everything a server can have; unnamed: its access lists name nobody.  print FOLDER: all there is to know about
one, to be compared; owners are counted from UID's range, so that two mounts for the same owner print the same.  list FOLDER UID: one file, NAMED, with an
access list that names somebody; says whether it is shown as it was set."""
import hashlib
import os
import socket
import stat
import struct
import sys


def deep(folder, floors):
    """Deeper than any path that the kernel takes."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for i in range(floors):
        name = f"{i:04d}-and-some-more"
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = below
    with open(os.open("bottom", os.O_WRONLY | os.O_CREAT, dir_fd=fd), "w") as f:
        f.write("here")
    os.close(fd)


def access_list(*named):
    entries = ((1, 6, 0xffffffff), *((2, 4, n) for n in named), (4, 4, 0xffffffff), (16, 6, 0xffffffff), (32, 0, 0xffffffff))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in entries)


def one_list(folder, uid):
    os.chdir(folder)
    os.setegid(uid)
    os.seteuid(uid)
    acl, path = access_list(uid + 5), "NAMED"
    with open(path, "w"):
        pass
    os.setxattr(path, "system.posix_acl_access", acl)
    print("as set" if os.getxattr(path, "system.posix_acl_access") == acl else "as on the disk")


def make(folder, uid, unnamed):
    first = uid - 1000
    os.chdir(folder)
    as_server = lambda: (os.setegid(uid), os.seteuid(uid))
    as_root = lambda: (os.seteuid(0), os.setegid(0))
    as_server()
    os.makedirs("plain/empty")
    for name in ("file", " blank\nand line ", "plain/-rf", "plain/\xff".encode("latin-1")):
        with open(name, "wb") as f:
            f.write(os.urandom(100_000))
    with open("nothing", "w"):
        pass
    with open("sparse", "wb") as f:
        f.write(b"start")
        f.seek(300 << 20)
        f.write(b"middle")
        f.truncate(1 << 40)
    with open("zeros", "wb") as f:
        f.write(bytes(65536))
    for i in range(40):
        os.link("file", f"plain/link{i}")
    os.link("plain/link3", "plain/empty/again")
    os.symlink("/etc/passwd", "absolute")
    os.symlink("../../../../etc", "above")
    os.symlink("absolute", "chain")
    os.link("absolute", "chain2", follow_symlinks=False)
    os.symlink("x" * 3000, "long")
    os.mkfifo("fifo")
    os.link("fifo", "plain/fifo")
    s = socket.socket(socket.AF_UNIX)
    s.bind("socket")
    os.mkdir("sticky")
    os.chmod("sticky", 0o3777)
    os.mkdir("shut")
    with open("shut/inside", "w") as f:
        f.write("x")
    os.setxattr("file", "user.one", b"1" * 2000)
    os.setxattr("plain", "user.two", bytes(range(200)))
    acl = access_list() if unnamed else access_list(first + 1005)
    os.setxattr("nothing", "system.posix_acl_access", acl)
    os.setxattr("plain/empty", "system.posix_acl_default", acl)
    deep("plain", 400)
    for i in range(300):
        with open(f"sticky/{i}", "w") as f:
            f.write(str(i))
    as_root()
    os.chown("plain/-rf", first + 2000, first + 3000)
    os.chown("shut", first, first)
    os.chown("chain", first + 7, first + 8, follow_symlinks=False)
    os.chown("zeros", first, first + 65533)
    os.chmod("zeros", 0o6755)
    os.chmod("file", 0o4711)
    try:
        # As a sandbox's root would have it; one without a root of its own would be good for the whole machine, and is none that a server could make.
        os.setxattr("plain/link3", "security.capability", struct.pack("<IIIIII", 0x03000001, 1 << 10, 0, 0, 0, first))
    except OSError:
        pass
    os.chmod("shut/inside", 0)
    os.chmod("shut", 0)
    for i, name in enumerate((b"file", b"fifo", b"socket", b"absolute", b"chain", b"sticky", b"plain/empty", b"plain")):
        os.utime(name, ns=(1_000_000_000_123_456_789 + i, 1_234_567_890_987_654_321 + i), follow_symlinks=False)
    os.utime(".", ns=(5, 1_111_111_111_222_222_222))


def holes(fd, size):
    """Where data is, by 64 KiB: file systems differ in less."""
    found, at = set(), 0
    while at < size:
        try:
            at = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            break
        end = os.lseek(fd, at, os.SEEK_HOLE)
        found.update(range(at >> 16, (end + 65535) >> 16))
        at = end
    return found


def content(fd, size):
    h = hashlib.sha256()
    for part in sorted(holes(fd, size)):
        data = os.pread(fd, 65536, part << 16)
        if data.strip(b"\0"):
            h.update(struct.pack("<Q", part) + data)
    return h.hexdigest()[:16]


def short(value):
    """So that a line that differs can be read."""
    return value.hex() if len(value) <= 32 else f"{len(value)}:{hashlib.sha256(value).hexdigest()[:16]}"


def attributes(path):
    try:
        return {n: short(os.getxattr(path, n)) for n in sorted(os.listxattr(path)) if n.split(".")[0] in ("user", "security", "system")}
    except OSError as e:
        return e.strerror


def show(fd, path, inodes):
    for name in sorted(os.listdir(fd), key=os.fsencode):
        st = os.stat(name, dir_fd=fd, follow_symlinks=False)
        if stat.S_ISBLK(st.st_mode) or stat.S_ISCHR(st.st_mode):
            continue
        here = f"{path}/{ascii(name)[1:-1]}"
        line = [here[-300:], oct(st.st_mode), st.st_uid, st.st_gid, st.st_mtime_ns]
        if not stat.S_ISDIR(st.st_mode):
            line += [st.st_nlink, st.st_size, inodes.setdefault((st.st_dev, st.st_ino), here[-300:])]
        if stat.S_ISLNK(st.st_mode):
            line.append(os.readlink(name, dir_fd=fd))
        elif not stat.S_ISSOCK(st.st_mode):
            one = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW, dir_fd=fd)
            line.append(attributes(one))
            if stat.S_ISREG(st.st_mode):
                line += [content(one, st.st_size), st.st_blocks * 512 < st.st_size or st.st_size < 4096]
            if stat.S_ISDIR(st.st_mode):
                show(one, here, inodes)
            os.close(one)
        print(*line)


if sys.argv[1] == "make":
    make(sys.argv[2], int(sys.argv[3]), "unnamed" in sys.argv[4:])
elif sys.argv[1] == "list":
    one_list(sys.argv[2], int(sys.argv[3]))
else:
    sys.setrecursionlimit(10000)
    top = os.stat(sys.argv[2])
    print(oct(top.st_mode), top.st_uid, top.st_gid, top.st_mtime_ns)
    show(os.open(sys.argv[2], os.O_RDONLY | os.O_DIRECTORY), "", {})
