"""What an owner of files on btrfs tries, by number of his uid; and what root asks the file system, for t/sys/btrfs.t.

  btrfs_try.py make UID FOLDER NAME [free]        a subvolume; `free`: with a list of groups of its own, which is empty
  btrfs_try.py snapshot UID SOURCE FOLDER NAME [ro]
  btrfs_try.py clone UID FILE COPIES              copies that share blocks, until refused; prints how many
  btrfs_try.py group PATH ID CHILD                root: makes group 1/ID with subvolume CHILD in it
  btrfs_try.py storm UID FOLDER COUNT LIMIT KIND SECONDS
     eight writers of KIND at once until each is refused for good, or the time is over; COUNT is the kernel's file with the bytes in use, looked at all the while.
     Prints "highest= end= made= errors=": the most bytes seen, those after a sync, how many calls were done, which errors ended the writers."""
import ctypes
import errno
import fcntl
import multiprocessing
import os
import random
import struct
import sys
import time

SUBVOL_CREATE_V2, SNAP_CREATE_V2 = 0x50009418, 0x50009417
QGROUP_ASSIGN, QGROUP_CREATE, FICLONE = 0x40189429, 0x4010942a, 0x40049409
READ_ONLY, INHERIT = 2, 4
WRITERS, AGAIN = 8, 6


def folder(path):
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY)


def become(uid):
    os.setgroups([])
    os.setgid(int(uid))
    os.setuid(int(uid))


def arguments(name, fd=0, flags=0, size=0, pointer=0):
    return bytearray(struct.pack("<qQQQQQQ", fd, 0, flags, size, pointer, 0, 0) + name.encode().ljust(4040, b"\0"))


def make(uid, where, name, free=None):
    become(uid)
    groups = ctypes.create_string_buffer(struct.pack("<9Q", *[0] * 9), 72)
    given = arguments(name, flags=INHERIT, size=72, pointer=ctypes.addressof(groups)) if free else arguments(name)
    fcntl.ioctl(folder(where), SUBVOL_CREATE_V2, given)


def snapshot(uid, source, where, name, read_only=None):
    become(uid)
    fcntl.ioctl(folder(where), SNAP_CREATE_V2, arguments(name, fd=folder(source), flags=READ_ONLY if read_only else 0))


def clone(uid, path, copies):
    become(uid)
    done = 0
    with open(path, "rb") as source:
        try:
            while done < int(copies):
                with open(f"{path}.{done}", "wb") as copy:
                    fcntl.ioctl(copy, FICLONE, source.fileno())
                done += 1
        except OSError as e:
            print(errno.errorcode[e.errno], end=" ")
    print(done)


def group(path, number, child):
    fd, level1 = folder(path), 1 << 48 | int(number)
    fcntl.ioctl(fd, QGROUP_CREATE, struct.pack("<QQ", 1, level1))
    fcntl.ioctl(fd, QGROUP_ASSIGN, struct.pack("<QQQ", 1, int(child), level1))


def write_on(name, size):
    with open(name, "wb", 0) as f:
        while f.write(b"x" * size):
            yield


def write_about(name):
    with open(name, "wb", 0) as f:
        while True:
            os.pwrite(f.fileno(), b"x" * 4096, random.randrange(1 << 18) * 4096)
            yield


def files(name, size):
    os.mkdir(name)
    n = 0
    while True:
        with open(f"{name}/{n}", "wb", 0) as f:
            f.write(b"y" * size)
        n += 1
        yield


def attributes(name):
    for n, _ in enumerate(files(name, 0)):
        for k in range(4):
            os.setxattr(f"{name}/{n}", f"user.{k}", b"z" * 3000)
        yield


def allocate(name):
    n = 0
    while True:
        with open(f"{name}.{n}", "wb", 0) as f:
            os.posix_fallocate(f.fileno(), 0, 1 << 20)
        n += 1
        yield


def nameless(name):
    held = []
    while True:
        held.append(os.open(os.path.dirname(name), os.O_TMPFILE | os.O_RDWR, 0o600))
        yield


def links(name):
    os.mkdir(name)
    n = 0
    while True:
        if n % 1000 == 0:
            first = f"{name}/{n}"
            os.close(os.open(first, os.O_CREAT | os.O_WRONLY, 0o600))
        else:
            os.link(first, f"{name}/{n}.{'l' * 200}")
        n += 1
        yield


def tree(name):
    os.mkdir(name)
    while True:
        for _ in range(200):
            name += "/" + "d" * 10
            os.mkdir(name)
            yield
        name = name[:name.index("/d" + "d" * 9)] + f"/{random.randrange(1 << 60)}"
        os.mkdir(name)


KINDS = {
    "on": lambda name: write_on(name, 65536), "about": write_about, "small": lambda name: files(name, 100), "empty": lambda name: files(name, 0),
    "attributes": attributes, "allocate": allocate, "nameless": nameless, "links": links, "tree": tree,
}


def writer(uid, name, kind, end, answers):
    """Begins anew after a refusal, some times: near the limit what others have under way counts, until it is on the disk."""
    become(uid)
    os.nice(5)
    done, why = 0, "time"
    for again in range(AGAIN):
        try:
            for _ in KINDS[kind](f"{name}.{again}"):
                done += 1
                if done % 64 == 0 and time.monotonic() > end:
                    break
        except OSError as e:
            why = errno.errorcode[e.errno]
        time.sleep(0.2)
        if time.monotonic() > end:
            break
    answers.put((done, why))
    answers.close()
    answers.join_thread()


def storm(uid, where, count, limit, kind, seconds):
    fd, highest = os.open(count, os.O_RDONLY), 0
    answers, end = multiprocessing.Queue(), time.monotonic() + float(seconds)
    all_ = [multiprocessing.Process(target=writer, args=(uid, f"{where}/{kind}{i}", kind, end, answers)) for i in range(WRITERS)]
    for p in all_:
        p.start()
    synced = time.monotonic()
    while any(p.is_alive() for p in all_):
        highest = max(highest, int(os.pread(fd, 40, 0)))
        if time.monotonic() > synced + 1:
            os.sync()
            synced = time.monotonic()
        time.sleep(0.002)
    got = [answers.get() for _ in all_]
    highest = max(highest, int(os.pread(fd, 40, 0)))
    mount = folder(where)
    ctypes.CDLL(None).syncfs(mount)
    last = int(os.pread(fd, 40, 0))
    print(f"highest={max(highest, last)} end={last} made={sum(n for n, _ in got)} errors={','.join(sorted({w for _, w in got}))} limit={limit}")


{"make": make, "snapshot": snapshot, "clone": clone, "group": group, "storm": storm}[sys.argv[1]](*sys.argv[2:])
