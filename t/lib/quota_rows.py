#!/usr/bin/python3 -B
"""The rows of t/lib/filler, run inside the server `one` while SFTP clients write to it as well, each judged from outside.

quota_rows.py CONFIG FOLDER FILLER [ROW]...

CONFIG is ssh's, FOLDER the server's files as root sees them, FILLER the program, for its list of rows.  $LIMIT and $INODES are what the server was
given; $BACKING, where there is one, the file that holds its files.  A row is "ok" or "not ok" and what is wrong with it: the server must have been answered
as the table says, more than the limit must never be on the disk, the numbers shown must be the truth, and once all is removed everything must
be as before."""
import ctypes
import json
import os
import queue
import random
import resource
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from gate_writers import Link, soon
from results import ok
from sftp_raw import APPEND, CREAT, FSETSTAT, R, REMOVE, TRUNC, W, WRITE, s, u32, u64

CLIENTS, BLOCK, SLACK = 3, 4096, 65536
LIMIT, INODES = int(os.environ["LIMIT"]), int(os.environ["INODES"])
BACKING = os.environ.get("BACKING", "")
BACKEND = os.environ.get("QUOTA_BACKEND", "image")
# The seconds that a row may take at most.
ANSWER = 90 * int(os.environ.get("QUOTA_SLOW", "1"))
# A wall that counts bytes only, with all that describes the files in them: what is cloned or as good as free is never refused.
BYTES_ONLY = BACKEND == "btrfs"
# No wall, but the gate, which refuses by a count of what is there.
GATE_ONLY = BACKEND == "none"
# What is in use is told by the file system's own process, once a second.
TOLD = 2.5 if BACKEND == "fuse" else 0
# A file system that lists a file's blocks in blocks may take these from what it keeps back, 2 % at most, where data could not.
KEPT = LIMIT // 50
# The trees that tell where pieces are, and their sums, are of the whole file system and no server's: what they grow by meanwhile.
AROUND = 8 << 20 if BYTES_ONLY else KEPT
LIBC = ctypes.CDLL(None)
DATA = random.Random(1).randbytes(200000)


def remove(raw, name):
    raw.status(REMOVE, s(name))


class Client(threading.Thread):
    """Writes, cuts, copies and removes over the gate until told to stop."""

    def __init__(self, link, number, stop):
        super().__init__(daemon=True)
        self.raw, self.number, self.stop = link.raw, number, stop
        self.r = random.Random(time.time_ns() + number)
        self.wrong = None

    def run(self):
        try:
            while not self.stop.is_set():
                self.turn()
        except (EOFError, OSError, AssertionError) as e:
            self.wrong = repr(e)

    def turn(self):
        name = f"/one/client{self.number}.{self.r.randrange(3)}"
        if self.r.randrange(4) == 0:
            remove(self.raw, name)
        try:
            h = self.raw.open(name, self.r.choice((W | CREAT, W | CREAT | TRUNC, W | CREAT | APPEND)))
        except OSError:
            # Full: as a client that tries again.
            time.sleep(0.01)
            return
        at, size = self.r.randrange(1 << 20), self.r.choice((1000, 32768, 200000))
        for _ in range(self.r.randrange(1, 10)):
            if self.raw.status(WRITE, s(h), u64(at), s(DATA[:size]))[0]:
                break
            at += size
        if self.r.randrange(4) == 0:
            self.raw.status(FSETSTAT, s(h), u32(1), u64(self.r.randrange(1 << 20)))
        self.raw.close(h)


class Console:
    """The server's input and output."""

    def __init__(self, config):
        self.process = subprocess.Popen(["ssh", "-F", config, "alice", "console", "one"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True, bufsize=1)
        self.lines = queue.Queue()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            self.lines.put(line.strip())
        self.lines.put(None)

    def ask(self, text, seconds):
        self.process.stdin.write(text + "\n")
        until, want = time.monotonic() + seconds, "done " + text.removeprefix("row ")
        while True:
            try:
                line = self.lines.get(timeout=max(0.1, until - time.monotonic()))
            except queue.Empty:
                return f"no answer to {text}"
            if line is None:
                return "the console has ended"
            if line.startswith(want):
                return line

    def end(self):
        self.process.kill()
        self.process.wait()


def look(fd, seen):
    """Bytes right below FD, and the names of its folders."""
    total, deeper = 0, []
    with os.scandir(fd) as entries:
        for e in entries:
            try:
                st = os.stat(e.name, dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if (st.st_dev, st.st_ino) not in seen:
                seen.add((st.st_dev, st.st_ino))
                total += st.st_blocks * 512
                if e.is_dir(follow_symlinks=False):
                    deeper.append(e.name)
    return total, deeper


def walk(folder):
    """Bytes and inodes below FOLDER, hard links once, without the folder itself; by a descriptor a level."""
    blocks, seen = os.stat(folder).st_blocks * 512, set()
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    n, names = look(fd, seen)
    total, path = n + blocks - min(BLOCK, blocks), [(fd, names)]
    while path:
        fd, names = path[-1]
        if not names:
            os.close(path.pop()[0])
            continue
        down = os.open(names.pop(), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
        n, names = look(down, seen)
        total += n
        path.append((down, names))
    return total, len(seen)


def quota(config):
    out = subprocess.run(["ssh", "-F", config, "alice", "quota", "one", "--json"], capture_output=True, text=True, timeout=60).stdout
    return json.loads(out)


def of_btrfs(folder):
    """Bytes in use on the whole of a btrfs, by another account than that of its quotas."""
    uuid = subprocess.run(["findmnt", "-no", "UUID", "-T", folder], capture_output=True, text=True, check=True).stdout.strip()
    total = 0
    for kind in ("data", "metadata"):
        with open(f"/sys/fs/btrfs/{uuid}/allocation/{kind}/bytes_used", encoding="ascii") as f:
            total += int(f.read())
    return total


class Judge:
    def __init__(self, config, folder):
        self.config, self.folder = config, folder
        self.begin()
        time.sleep(TOLD)
        self.before = quota(config)
        self.most = 0

    def begin(self):
        """Before a row."""
        self.sync()
        if BYTES_ONLY:
            self.apart = of_btrfs(self.folder) - quota(self.config)["used"]

    def measure(self):
        if BYTES_ONLY:
            return of_btrfs(self.folder) - self.apart, 0
        return walk(self.folder)

    def sync(self):
        fd = os.open(self.folder, os.O_RDONLY)
        LIBC.syncfs(fd)
        os.close(fd)

    def over(self, held):
        """What is wrong with the disk as it is."""
        self.sync()
        if GATE_ONLY:
            yield from self.ledger(held)
            return
        b, i = self.measure()
        time.sleep(TOLD)
        q = quota(self.config)
        self.most = max(self.most, b)
        if b > LIMIT + AROUND or i > INODES:
            yield f"{b - LIMIT:+} bytes, {i - INODES:+} inodes over the limit"
        if q["used"] > LIMIT or q["inodes_used"] > INODES:
            yield f"it shows {q['used'] - LIMIT:+} bytes, {q['inodes_used'] - INODES:+} inodes over"
        if q["used"] + AROUND < b or q["inodes_used"] < i:
            yield f"the ledger has {q['used']} and {q['inodes_used']}, on the disk are {b} and {i}"
        if not held and (q["used"] > b + (AROUND if BYTES_ONLY else SLACK) or q["inodes_used"] > i + 16):
            yield f"the ledger has {q['used']} and {q['inodes_used']}, on the disk are only {b} and {i}"
        if BACKING and os.stat(BACKING).st_blocks * 512 > os.stat(BACKING).st_size + (1 << 20):
            yield "the backing file has outgrown its size"

    def ledger(self, held):
        """The count comes to what is there; what nobody can see any more, files that are open and have no name, it cannot have."""
        b, i = walk(self.folder)
        self.most = max(self.most, b)

        def equal():
            q = quota(self.config)
            return abs(q["used"] - b) <= KEPT and abs(q["inodes_used"] - i) <= 1
        # What went through the gate counts twice until the next look, 30 s later at most.
        if not held and not soon(equal, 45):
            q = quota(self.config)
            yield f"the ledger has {q['used']} and {q['inodes_used']}, on the disk are {b} and {i}"

    def as_before(self):
        if GATE_ONLY:
            return True
        self.sync()
        q = quota(self.config)
        return abs(q["used"] - self.before["used"]) <= 2 * BLOCK and q["inodes_used"] == self.before["inodes_used"]


def serves(raw):
    raw.write("/one/again", DATA)
    good = raw.read("/one/again") == DATA
    remove(raw, "/one/again")
    return good


def full(raw):
    """Whether SFTP is refused a block."""
    try:
        h = raw.open("/one/again", W | CREAT)
    except OSError:
        return True
    refused = raw.status(WRITE, s(h), u64(0), s(DATA[:BLOCK]))[0]
    raw.close(h)
    remove(raw, "/one/again")
    return bool(refused)


def one(row, words, console, links, judge):
    judge.begin()
    stop = threading.Event()
    clients = [Client(link, i, stop) for i, link in enumerate(links)]
    start = time.monotonic()
    for c in clients:
        c.start()
    answer = console.ask("row " + row, ANSWER)
    stop.set()
    for c in clients:
        c.join(30)
    wrong = [c.wrong for c in clients if c.wrong]
    unrefused = "wrong=never refused" in answer and (BYTES_ONLY or GATE_ONLY)
    # FUSE asks nobody when a page of a map is first stored into: it is refused when it is written back (SECURITY).
    late = "wrong=an error at msync" in answer and BACKEND == "fuse"
    if " good " not in answer and not unrefused and not late:
        wrong.append(answer)
    wrong += judge.over("held=0 " not in answer)
    if GATE_ONLY and quota(judge.config)["used"] > LIMIT and not full(links[0].raw):
        wrong.append("over the limit, and SFTP takes more")
    console.ask("clean", ANSWER)
    for i in range(CLIENTS):
        for k in range(3):
            remove(links[i].raw, f"/one/client{i}.{k}")
    if not soon(judge.as_before, 10):
        wrong.append(f"removed, and not free: {judge.before} {quota(judge.config)}")
    if not (soon(lambda: not full(links[0].raw), 45) and serves(links[0].raw)):
        wrong.append("it does not serve again")
    said = " ".join(w for w in answer.split() if w.startswith(("bytes=", "made=", "errno=")))
    ok(not wrong, f"{row}: {words} ({said}, {time.monotonic() - start:.1f} s)", wrong)


def main(config, folder, filler, *names):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    table = dict(line.split("\t") for line in subprocess.run([filler, "--list"], capture_output=True, text=True, check=True).stdout.splitlines())
    links = [Link(config, 90 + i) for i in range(CLIENTS)]
    # After a kill: until what was deleted is counted.
    soon(lambda: not full(links[0].raw), 45)
    serves(links[0].raw)
    judge, console = Judge(config, folder), Console(config)
    for row in names or table:
        one(row, table[row], console, links, judge)
    print(f"# most on the disk: {judge.most - LIMIT:+} bytes of the limit")
    console.end()
    for link in links:
        link.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.exit(1 if ok.failed else 0)
