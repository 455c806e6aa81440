#!/usr/bin/python3 -B
"""Random work on files of a folder, beside a copy in memory that says what must be there.  Seeded: what failed once fails again.

exercise.py work FOLDER SEED STEPS SHADOW    writes, reads, cuts, appends, maps, syncs and renames; leaves what must be there in SHADOW
exercise.py check FOLDER SHADOW              compares, as somebody who opens the files anew (after a remount)
"""
import mmap
import os
import pickle
import random
import sys

FILES, SPAN = 6, 400_000


class Worker:
    def __init__(self, folder, seed):
        self.folder, self.r = folder, random.Random(seed)
        self.want = {}              # name -> bytes
        self.open = {}              # name -> descriptor, and one that appends
        self.made = 0

    def path(self, name):
        return os.path.join(self.folder, name)

    def fds(self, name):
        if name not in self.open:
            self.open[name] = os.open(self.path(name), os.O_RDWR), os.open(self.path(name), os.O_WRONLY | os.O_APPEND)
        return self.open[name]

    def shut(self, name):
        for fd in self.open.pop(name, ()):
            os.close(fd)

    def some(self):
        return self.r.choice(sorted(self.want))

    def make(self):
        self.made += 1
        name = f"file {self.made}"
        os.close(os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        self.want[name] = bytearray()

    def write(self, name):
        at, data = self.r.randrange(SPAN), self.r.randbytes(self.r.choice((1, 100, 4096, 5000, 70_000)))
        want = self.want[name]
        want.extend(bytes(max(0, at - len(want))))
        want[at:at + len(data)] = data
        assert os.pwrite(self.fds(name)[0], data, at) == len(data)

    def read(self, name):
        at, n = self.r.randrange(SPAN), self.r.choice((1, 4096, 100_000))
        got = os.pread(self.fds(name)[0], n, at)
        assert got == self.want[name][at:at + n], f"{name}: {n} bytes at {at} differ"

    def append(self, name):
        data = self.r.randbytes(self.r.choice((1, 333, 9000)))
        assert os.write(self.fds(name)[1], data) == len(data)
        self.want[name] += data

    def truncate(self, name):
        size, want = self.r.randrange(SPAN), self.want[name]
        if self.r.random() < 0.5:
            os.ftruncate(self.fds(name)[0], size)
        else:
            os.truncate(self.path(name), size)
        del want[size:]
        want.extend(bytes(size - len(want)))

    def sync(self, name):
        os.fsync(self.fds(name)[0])

    def size(self, name):
        assert os.fstat(self.fds(name)[0]).st_size == len(self.want[name]), f"{name}: size"

    def map(self, name):
        if not self.want[name]:
            return
        with mmap.mmap(self.fds(name)[0], len(self.want[name]), prot=mmap.PROT_READ) as m:
            assert m[:] == self.want[name], f"{name}: mapped differs"

    def rename(self, name):
        """To a new name, or over another file, open ones too."""
        to = f"file {name} moved {self.made}" if self.r.random() < 0.5 and len(name) < 60 else self.some()
        if to == name:
            return
        self.shut(to)
        os.rename(self.path(name), self.path(to))
        self.want[to] = self.want.pop(name)
        if name in self.open:
            self.open[to] = self.open.pop(name)

    def remove(self, name):
        self.shut(name)
        os.unlink(self.path(name))
        del self.want[name]

    def step(self):
        while len(self.want) < FILES:
            self.make()
        how = self.r.choices((self.write, self.read, self.append, self.truncate, self.sync, self.size, self.map, self.rename, self.remove, self.shut),
                             (30, 30, 10, 8, 5, 5, 3, 3, 1, 3))[0]
        name = self.some()
        how(name)


def work(folder, seed, steps, shadow):
    w = Worker(folder, int(seed))
    for i in range(int(steps)):
        w.step()
    for name in list(w.open):
        w.shut(name)
    with open(shadow, "wb") as f:
        pickle.dump({n: bytes(b) for n, b in w.want.items()}, f)
    check(folder, shadow)


def check(folder, shadow):
    with open(shadow, "rb") as f:
        want = pickle.load(f)
    names = sorted(os.listdir(folder))
    assert names == sorted(want), f"names: {names}"
    for name in names:
        with open(os.path.join(folder, name), "rb") as f:
            assert f.read() == want[name], f"{name} differs"


if __name__ == "__main__":
    {"work": work, "check": check}[sys.argv[1]](*sys.argv[2:])
