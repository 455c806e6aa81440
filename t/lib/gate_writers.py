#!/usr/bin/python3 -B
"""64 writers at once on one nearly full server, each a connection of OpenSSH's with raw SFTP packets: what passes the gate never passes its limit.

gate_writers.py rush CONFIG DAEMON FOLDER LEFT    to a limit of LEFT bytes that the gate alone knows: the wall behind it is out of the way
gate_writers.py churn CONFIG DAEMON FOLDER LEFT SECONDS    the same, or to the wall itself, with files cut, removed and written over, writers and their processes killed
gate_writers.py refill CONFIG DAEMON FOLDER       all that is free can be written
gate_writers.py stopped CONFIG DAEMON FOLDER      a killed worker's lease waits for the session that may still write by it
gate_writers.py page DAEMON LIMIT                 prints what is out

CONFIG is ssh's, DAEMON the supervisor's pid, FOLDER the server's files as root sees them.  The server is `one`, its disk $LIMIT bytes.
"""
import os
import random
import signal
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from results import ok
from sftp_raw import APPEND, CLOSE, CREAT, FSETSTAT, HANDLE, OPEN, R, REMOVE, TRUNC, W, WRITE, Raw, s, u32, u64

WRITERS, BLOCK = 64, 4096
ZERO = bytes(262144)


class Page:
    """The gate's page of the server whose limit is LIMIT: magic, limit, total, ... (quota/gate.c)."""

    def __init__(self, daemon, limit):
        self.fd = -1
        for name in os.listdir(f"/proc/{daemon}/fd"):
            path = f"/proc/{daemon}/fd/{name}"
            try:
                if not os.readlink(path).startswith("/memfd:gate"):
                    continue
            except FileNotFoundError:
                continue
            fd = os.open(path, os.O_RDWR)
            if struct.unpack("=Q", os.pread(fd, 8, 8))[0] == limit:
                self.fd = fd
                return
            os.close(fd)
        raise SystemExit(f"no gate with the limit {limit}")

    def out(self):
        return struct.unpack("=Q", os.pread(self.fd, 8, 16))[0]

    def limit(self, to):
        os.pwrite(self.fd, struct.pack("=Q", to), 8)


class Link:
    """One connection, from an address of its own: penalties of one hit no other."""

    def __init__(self, config, number):
        self.process = subprocess.Popen(
            ["ssh", "-F", config, "-o", f"BindAddress=127.0.{1 + number // 250}.{1 + number % 250}", "-s", "alice", "sftp"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)
        out = self.process.stdin.fileno()
        self.raw = Raw(lambda data: self.all(out, data), self.process.stdout.read)

    @staticmethod
    def all(fd, data):
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view):]

    def end(self):
        for f in (self.process.stdin, self.process.stdout):
            try:
                f.close()
            except OSError:
                pass
        self.process.kill()
        self.process.wait()


def taken(folder):
    f = os.statvfs(folder)
    return (f.f_blocks - f.f_bfree) * f.f_frsize


def free(folder):
    f = os.statvfs(folder)
    return f.f_bavail * f.f_frsize


def data_of(path):
    """Bytes of blocks with data, without those the file system keeps its own lists in."""
    total, fd = 0, os.open(path, os.O_RDONLY)
    try:
        size, at = os.fstat(fd).st_size, 0
        while at < size:
            try:
                at = os.lseek(fd, at, os.SEEK_DATA)
            except OSError:
                break
            hole = os.lseek(fd, at, os.SEEK_HOLE)
            total += -(-hole // BLOCK) * BLOCK - at // BLOCK * BLOCK
            at = hole
        return total
    finally:
        os.close(fd)


class Writer(threading.Thread):
    def __init__(self, config, number, churns, until):
        super().__init__(daemon=True)
        self.number, self.churns, self.until = number, churns, until
        self.r = random.Random(number)
        self.config = config
        self.refused, self.words, self.wrote, self.ended = 0, set(), 0, None

    def run(self):
        try:
            self.link = Link(self.config, self.number)
            self.raw = self.link.raw
            self.ready.wait()
            self.work()
        except (EOFError, OSError, ValueError, AssertionError, struct.error) as e:
            self.ended = repr(e)

    def name(self):
        return f"/one/w{self.number}.{self.r.randrange(3)}"

    def work(self):
        while time.monotonic() < self.until and (self.churns or self.refused < 6):
            kind = self.r.randrange(10)
            if self.churns and kind < 2:
                self.raw.status(REMOVE, s(self.name()))
            elif kind == 2:
                self.copy()
            else:
                self.file()

    def post(self, h, at, data):
        self.raw.post(WRITE, s(h), u64(at), s(data))
        return self.raw.id

    def answer(self, ident):
        kind, r = self.raw.wait(ident)
        code, text = r.u32(), r.s().decode()
        if code:
            self.refused += 1
            self.words.add(text.split("(")[0].strip())
            # As a client that waits for room, which others may make.
            time.sleep(0.01)
        return code == 0

    def opened(self, flags):
        kind, r = self.raw.ask(OPEN, s(self.name()), u32(flags), u32(0))
        if kind == HANDLE:
            return r.s()
        r.u32()
        self.refused += 1
        self.words.add(r.s().decode().split("(")[0].strip())
        time.sleep(0.01)
        return None

    def file(self):
        flags = self.r.choice((W | CREAT, R | W | CREAT, W | CREAT | APPEND) + ((W | CREAT | TRUNC,) if self.churns else ()))
        h = self.opened(flags)
        if h is None:
            return
        at, size = self.r.choice((0, 0, self.r.randrange(1 << 21))), self.r.choice((100, 1000, 4096, 32768, 100000, 262144 - 1024))
        for _ in range(self.r.randrange(1, 12)):
            turns = [self.post(h, at + i * size, ZERO[:size]) for i in range(8)]
            good = [self.answer(i) for i in turns]
            self.wrote += sum(good) * size
            if not all(good):
                break
            at = self.r.choice((at + 8 * size, at + 8 * size, 0, at // 2))
            if self.churns and self.r.randrange(8) == 0:
                at = self.r.randrange(1 << 20)
                self.raw.status(FSETSTAT, s(h), u32(1), u64(at))
        self.raw.close(h)

    def copy(self):
        source, to = self.opened(R), None
        if source is not None:
            to = self.opened(W | CREAT)
        if to is not None:
            kind, r = self.raw.extended("copy-data", s(source), u64(0), u64(1 << 20), s(to), u64(self.r.randrange(1 << 20)))
            if r.u32():
                self.refused += 1
        for h in (source, to):
            if h is not None:
                self.raw.close(h)


class Watch(threading.Thread):
    """The most that was ever taken."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder, self.most, self.looks, self.on = folder, 0, 0, True

    def run(self):
        while self.on:
            self.most = max(self.most, taken(self.folder))
            self.looks += 1
            time.sleep(0.0005)


def start(config, churns, seconds):
    Writer.ready = threading.Event()
    until = time.monotonic() + 60
    writers = [Writer(config, i, churns, until) for i in range(WRITERS)]
    for w in writers:
        w.start()
    # All stand before one begins.
    while time.monotonic() < until and sum(hasattr(w, "raw") or not w.is_alive() for w in writers) < WRITERS:
        time.sleep(0.05)
    for w in writers:
        w.until = time.monotonic() + seconds
    Writer.ready.set()
    return writers


def end(writers, seconds):
    until = time.monotonic() + seconds
    for w in writers:
        w.join(max(0.1, until - time.monotonic()))
    for w in writers:
        if hasattr(w, "link"):
            w.link.end()


def soon(fn, seconds=15):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if fn():
            return True
        time.sleep(0.05)
    return fn()


def role(daemon, name):
    found = []
    for p in os.listdir("/proc"):
        try:
            if p.isdigit() and os.readlink(f"/proc/{p}/exe").endswith(f"/holdfast-{name}"):
                with open(f"/proc/{p}/stat") as f:
                    if f.read().rsplit(")", 1)[1].split()[1] == daemon:
                        found.append(int(p))
        except OSError:
            pass
    return sorted(found)


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def strike(writers, daemon, until):
    """Clients, sessions and workers, one of each in turn."""
    r, n = random.Random(7), 0
    while time.monotonic() < until:
        live = [w for w in writers if w.is_alive() and hasattr(w, "link")]
        victims = [[w.link.process.pid for w in live], role(daemon, "session"), role(daemon, "files")][n % 3]
        if victims and len(live) > WRITERS // 2:
            kill(r.choice(victims))
            n += 1
        time.sleep(0.15)
    return n


def words(writers):
    return set().union(*(w.words for w in writers))


def rush(config, daemon, folder, left):
    page, before = Page(daemon, int(os.environ["LIMIT"])), taken(folder)
    ok(not os.listdir(folder), "it is empty")
    # What is there already is the top directory's block, which is nobody's.
    page.limit(int(left))
    writers = start(config, False, 20)
    watch = Watch(folder)
    watch.start()
    end(writers, 30)
    ok(soon(lambda: page.out() == 0), "all leases are back", page.out())
    watch.on = False
    os.sync()
    data = sum(data_of(os.path.join(folder, f)) for f in os.listdir(folder))
    lists = taken(folder) - before - data
    alive = sum(hasattr(w, "raw") for w in writers)
    ok(alive == WRITERS, f"{WRITERS} writers at once", [w.ended for w in writers if w.ended][:3])
    ok(all(w.refused or w.ended for w in writers) and sum(w.refused for w in writers) > WRITERS, "each was refused in the end",
       sum(w.refused for w in writers))
    ok(words(writers) - {"no such file or directory"} == {"quota exceeded"}, "with the words of it", words(writers))
    ok(data <= int(left), "overshoot of what they wrote: 0 bytes", data - int(left))
    ok(watch.most <= before + int(left) + lists, "at no time, but for blocks the file system lists these in",
       (watch.most - before - int(left), lists))
    ok(data >= int(left) - lists - WRITERS * BLOCK, "and the limit was reached", int(left) - data)
    print(f"# {data} of {left} bytes by {alive} writers, {lists} for lists of blocks; most {watch.most - before - int(left):+} in {watch.looks} looks")
    page.limit(int(os.environ["LIMIT"]))


def churn(config, daemon, folder, left, seconds):
    page, before = Page(daemon, int(os.environ["LIMIT"])), taken(folder)
    page.limit(int(left))
    writers = start(config, True, float(seconds))
    watch = Watch(folder)
    watch.start()
    n = strike(writers, daemon, time.monotonic() + float(seconds))
    end(writers, 20)
    watch.on = False
    os.sync()
    # A file in pieces has a block or two more than its data.
    lists = 2 * BLOCK * len(os.listdir(folder))
    refused = sum(w.refused for w in writers)
    ok(watch.most <= before + int(left) + lists, "never more on the disk", watch.most - before - int(left))
    page.limit(int(os.environ["LIMIT"]))
    ok(n >= 10, "clients, sessions and workers were killed meanwhile", n)
    ok(refused > 100, "they met the limit again and again", refused)
    ok(words(writers) <= {"quota exceeded", "no such file or directory", "the worker for this server's files has ended; try again",
                          "closed: your rights on this server have changed, or its worker has ended"}, "with the words of it", words(writers))
    ok(soon(lambda: page.out() == 0), "all leases are back, those of the killed as well", page.out())
    ok(soon(lambda: not role(daemon, "files")), "no worker is left")
    print(f"# {sum(w.wrote for w in writers) >> 20} MiB written, {refused} refused, {n} killed; most {watch.most - before - int(left):+} in {watch.looks} looks")


def refill(config, daemon, folder):
    page = Page(daemon, int(os.environ["LIMIT"]))
    link = Link(config, 70)
    room, at = free(folder), 0
    h = link.raw.open("/one/all of it", W | CREAT)
    text, again = "", 3
    while True:
        n = min(len(ZERO) - 1024, max(room - at, 1))
        code, text = link.raw.status(WRITE, s(h), u64(at), s(ZERO[:n]))
        if code and again and at < room:
            # What gets its place while the kernel writes back counts twice for a moment.
            again -= 1
            os.sync()
            continue
        if code:
            break
        at += n
    os.sync()
    st = os.stat(os.path.join(folder, "all of it"))
    size = st.st_size
    # The last blocks may be those that list the file's own.
    ok(1 << 20 < room <= st.st_blocks * 512 and 0 <= room - size <= 2 * BLOCK, "every byte that was free can be written", (at, size, st.st_blocks * 512, room))
    ok(text.startswith("quota exceeded"), "and not one more", text)
    ok(link.raw.status(WRITE, s(h), u64(0), s(ZERO[:min(size, 100000)]))[0] == 0, "writing over it costs nothing")
    ok(link.raw.open("/one/all of it", W) and page.out() == 0, "no lease is out where nothing is left", page.out())
    try:
        link.raw.open("/one/all of it", W | TRUNC)
        good = False
    except OSError:
        good = os.stat(os.path.join(folder, "all of it")).st_size == size
    ok(good, "an open with truncation is refused before it destroys")
    ok(link.raw.status(REMOVE, s("/one/all of it"))[0] == 0, "it is removed")
    link.end()


def stopped(config, daemon, folder):
    page = Page(daemon, int(os.environ["LIMIT"]))
    for how in ("goes on", "is killed"):
        link = Link(config, 80 + (how == "goes on"))
        h = link.raw.open("/one/slow", W | CREAT)
        link.raw.status(WRITE, s(h), u64(0), s(ZERO[:1000]))
        workers, sessions = role(daemon, "files"), role(daemon, "session")
        ok(len(workers) == 1 and len(sessions) == 1 and page.out() > 0, "a writer has a lease", (workers, sessions, page.out()))
        before = page.out()
        os.kill(sessions[0], signal.SIGSTOP)
        os.kill(workers[0], signal.SIGKILL)
        ok(soon(lambda: not role(daemon, "files")), "its worker is killed")
        time.sleep(0.5)
        ok(page.out() == before, "the lease is out while the session may write by it", (page.out(), before))
        os.kill(sessions[0], signal.SIGCONT if how == "goes on" else signal.SIGKILL)
        ok(soon(lambda: page.out() == 0, 5), f"and back when the session {how}", page.out())
        if how == "goes on":
            code, text = link.raw.status(WRITE, s(h), u64(1000), s(b"more"))
            ok(code == 3, "which writes no more by it", (code, text))
        link.end()


def page(daemon, limit):
    print(Page(daemon, int(limit)).out())


if __name__ == "__main__":
    {"rush": rush, "churn": churn, "refill": refill, "stopped": stopped, "page": page}[sys.argv[1]](*sys.argv[2:])
    sys.exit(1 if ok.failed else 0)
