#!/usr/bin/python3
"""holdfast-archive, the real program: what goes in comes out again with tar, and a tree that changes meanwhile does no harm."""
import filecmp
import hashlib
import os
import random
import resource
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from lint import Tap
from link import Link, pair

BUILD = os.environ.get("HOLDFAST_BUILD", os.getcwd())
PROGRAM = os.path.join(BUILD, "holdfast-archive")
ROOT = os.getuid() == 0
UID = 64002 if ROOT else os.getuid()
START, DONE = 0x4c0, 0x4c1
tap = Tap()
WORK = tempfile.mkdtemp(prefix="holdfast-archive.").encode()
os.chmod(WORK, 0o711)


def is_(have, want, words):
    tap.ok(have == want, words, [] if have == want else [f"have {have!r}"[:2000], f"want {want!r}"[:2000]])


class Job:
    def __init__(self, tree, archive, file=None):
        ours, its = pair()
        self.log = tempfile.TemporaryFile()

        def plan():
            os.dup2(its.fileno(), 3)
            os.set_inheritable(3, True)
            if ROOT:
                os.setgroups([])
                os.setgid(UID)
                os.setuid(UID)

        self.process = subprocess.Popen([PROGRAM], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log,
                                        close_fds=False, preexec_fn=plan, env={})
        its.close()
        self.link = Link(ours, patience=120)
        folder = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
        out = file if file is not None else os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self.link.send(START, "one", 2, id=9, fds=[folder, out])
        os.close(folder)
        if file is None:
            os.close(out)

    def done(self):
        m = self.link.recv()
        code = self.process.wait(20)
        if m is None:
            self.log.seek(0)
            raise SystemExit(f"Bail out! it ended with {code}\n{self.log.read().decode()}")
        assert (m.kind, m.id) == (DONE, 9), m
        return m.fields[0], m.fields[1], m.fields[2], m.fields[3]


def archive(tree, name):
    path = os.path.join(WORK, name)
    return (path, *Job(tree, path).done())


def tar(*args, **more):
    return subprocess.run(["tar", "--zstd", *args], capture_output=True, env={"LC_ALL": "C", "PATH": os.environ["PATH"]}, **more)


def own(tree):
    if ROOT:
        subprocess.run(["chown", "-Rh", f"{UID}:{UID}", tree], check=True)


def fill(path, data):
    with open(path, "wb") as f:
        f.write(data)


def make_tree():
    tree = os.path.join(WORK, b"tree")
    os.mkdir(tree)
    rng = random.Random(4711)
    for d in range(100):
        folder = os.path.join(tree, b"d%02d" % d)
        os.mkdir(folder)
        for f in range(100):
            fill(os.path.join(folder, b"f%03d" % f), rng.randbytes(rng.choice((0, 1, 511, 512, 513, 3000))))
    odd = os.path.join(tree, b"odd")
    os.mkdir(odd)
    for name in (b"two  blanks ", b"-rf", b"new\nline", b"tab\there", b"quote'\"", b"back\\slash", b"\xff\xfe\x80", "größe 日本".encode(),
                 b"\x1b[31mred", b"*", b"~", b" ", b"n" * 255, b"\xe9" * 255, b"lost+found", b"PaxHeaders", b"./".strip(b"/") + b"x"):
        fill(os.path.join(odd, name), name)
    deep = tree
    for i in range(30):
        deep = os.path.join(deep, b"deep%02d-" % i + b"x" * 20)
        os.mkdir(deep)
    fill(os.path.join(deep, b"end"), b"deep")
    os.mkdir(os.path.join(tree, b"empty"))
    os.chmod(os.path.join(tree, b"empty"), 0o1770)
    os.mkdir(os.path.join(tree, b"lost+found"))
    fill(os.path.join(tree, b"lost+found", b"x"), b"x")
    links = os.path.join(tree, b"links")
    os.mkdir(links)
    fill(os.path.join(links, b"a"), b"shared" * 1000)
    for n in (b"b", b"c"):
        os.link(os.path.join(links, b"a"), os.path.join(links, n))
    os.link(os.path.join(links, b"a"), os.path.join(tree, b"d00", b"also"))
    for n, target in ((b"up", b"../../../etc/shadow"), (b"abs", b"/etc/passwd"), (b"dangling", b"\xff nowhere"), (b"long", b"t" * 3000),
                      (b"dir", b"../d01")):
        os.symlink(target, os.path.join(links, n))
    os.link(os.path.join(links, b"dangling"), os.path.join(links, b"dangling2"), follow_symlinks=False)
    os.mkfifo(os.path.join(links, b"fifo"))
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(os.path.join(links, b"socket"))
    holes = os.path.join(tree, b"holes")
    os.mkdir(holes)
    for name, size, at in ((b"front", 1 << 20, [0]), (b"back", 1 << 30, [(1 << 30) - 5]), (b"none", 100 << 20, []), (b"huge", 1 << 36, [1 << 35]),
                           (b"many", 8 << 20, range(0, 8 << 20, 1 << 16)), (b"tail", (1 << 20) + 7, [4096])):
        with open(os.path.join(holes, name), "wb") as f:
            f.truncate(size)
            for where in at:
                f.seek(where)
                f.write(b"data!")
    fill(os.path.join(tree, b"big"), rng.randbytes(20 << 20))
    fill(os.path.join(tree, b"run"), b"#!/bin/sh\n")
    os.chmod(os.path.join(tree, b"run"), 0o6755)
    os.utime(os.path.join(tree, b"run"), (1, 1000000000))
    own(tree)
    os.chmod(os.path.join(tree, b"run"), 0o6755)
    return tree


def entries(tree):
    return 1 + sum(len(d) + len(f) for _, d, f in os.walk(tree))


def differences(a, b):
    """What diff -r does not look at: kinds, modes, times, link targets and counts."""
    found = []
    for folder, folders, names in os.walk(a):
        for n in folders + names:
            one, two = os.path.join(folder, n), os.path.join(b, os.path.relpath(os.path.join(folder, n), a))
            if not os.path.lexists(two):
                found.append(f"missing {n!r}")
                continue
            s, t = os.lstat(one), os.lstat(two)
            if stat.S_IFMT(s.st_mode) != stat.S_IFMT(t.st_mode) or s.st_nlink != t.st_nlink and not stat.S_ISDIR(s.st_mode):
                found.append(f"kind or links of {n!r}")
            if not stat.S_ISLNK(s.st_mode) and (s.st_mode & 0o1777) != t.st_mode & 0o7777:
                found.append(f"mode of {n!r}: {s.st_mode:o} {t.st_mode:o}")
            if stat.S_ISREG(s.st_mode) and int(s.st_mtime) != int(t.st_mtime):
                found.append(f"time of {n!r}")
    return found


def test_tree():
    tree = make_tree()
    then = time.monotonic()
    path, ok, note, size, count = archive(tree, b"a.tar.zst")
    took = time.monotonic() - then
    print(f"# {count} entries, {size} bytes, {took:.2f} s")
    is_((ok, note), (1, "1 sockets or devices left out"), "a tree of ten thousand is archived")
    is_(size, os.stat(path).st_size, "the size told is the file's")
    # the socket, lost+found and what is in it
    is_(count, entries(tree) - 3, "every entry is counted")
    listing = tar("-tvf", path)
    # two names and one link's target are not UTF-8
    remark = b"tar: Ignoring unknown extended header keyword 'hdrcharset'\n" * 3
    is_((listing.returncode, listing.stderr), (0, remark), "tar lists it, with a remark on names that are not UTF-8 only")
    names = tar("-tf", path, "--quoting-style=escape").stdout.split(b"\n")
    is_(len(names) - 1, count, "all of it")
    tap.ok(names[0] == b"./" and all(n.startswith(b"./") for n in names[:-1]), "names are relative, in front './'")
    tap.ok(b" server/server " in listing.stdout and b"root" not in listing.stdout.split(b"odd")[0], "and belong to 'server'")
    out = os.path.join(WORK, b"out")
    os.mkdir(out)
    r = tar("-xpf", path, "-C", out, "--no-same-owner", "--delay-directory-restore")
    is_((r.returncode, r.stderr), (0, remark), "tar extracts it")
    shutil.rmtree(os.path.join(tree, b"lost+found"))
    os.unlink(os.path.join(tree, b"links", b"socket"))
    diff = subprocess.run(["diff", "-r", "--no-dereference", "-x", "huge", tree, out], capture_output=True)
    r = [x for x in diff.stdout.split(b"\n") if x and b"is a fifo" not in x]
    is_(r, [], "diff -r finds no difference")
    is_(differences(tree, out), [], "nor is there one in kinds, modes, times or links")
    one, two = (os.lstat(os.path.join(t, b"holes", b"huge")) for t in (tree, out))
    is_((one.st_size, two.st_size, two.st_blocks < 100), (1 << 36, 1 << 36, True), "64 GiB of hole stay a hole")
    with open(os.path.join(out, b"holes", b"huge"), "rb") as f:
        f.seek(1 << 35)
        is_(f.read(6), b"data!\0", "with the data in the right place")
    again = archive(tree, b"b.tar.zst")[0]
    third = archive(tree, b"c.tar.zst")[0]
    tap.ok(filecmp.cmp(again, third, False), "twice the same tree is twice the same archive")
    shutil.rmtree(out)
    return tree


def test_moving(tree):
    """Files that grow, shrink, vanish, swap with links and folders while they are read."""
    busy = os.path.join(WORK, b"busy")
    os.mkdir(busy)
    secret = os.path.join(WORK, b"secret")
    fill(secret, b"SECRET OF ANOTHER" * 1000)
    os.chmod(secret, 0o644)
    for i in range(200):
        fill(os.path.join(busy, b"f%03d" % i), b"x" * 300000)
        os.mkdir(os.path.join(busy, b"d%03d" % i))
        fill(os.path.join(busy, b"d%03d" % i, b"in"), b"y" * 1000)
    own(busy)
    stop = threading.Event()

    def stir():
        rng = random.Random(1)
        while not stop.is_set():
            i = rng.randrange(200)
            f, d = os.path.join(busy, b"f%03d" % i), os.path.join(busy, b"d%03d" % i)
            try:
                act = rng.randrange(5)
                if act == 0:
                    os.truncate(f, rng.randrange(600000))
                elif act == 1:
                    with open(f, "ab") as g:
                        g.write(b"z" * 100000)
                elif act == 2:
                    os.unlink(f)
                    os.symlink(secret, f)
                elif act == 3:
                    if os.path.islink(f):
                        os.unlink(f)
                    fill(f, b"x" * 300000)
                else:
                    os.rename(d, d + b".away")
                    os.symlink(WORK, d)
                    os.unlink(d)
                    os.rename(d + b".away", d)
            except OSError:
                pass

    threads = [threading.Thread(target=stir) for _ in range(2)]
    for t in threads:
        t.start()
    bad, notes = [], set()
    try:
        # At least ten; on a busy machine the tree may lie still for longer.
        for turn in range(60):
            if turn >= 10 and any("changed while they were read" in n for n in notes):
                break
            path, ok, note, _, _ = archive(busy, b"busy.tar.zst")
            r = tar("-tf", path)
            if not ok or r.returncode or r.stderr:
                bad.append(f"turn {turn}: {ok} {note} {r.stderr}")
            notes.add(note)
            if b"SECRET" in subprocess.run(["zstd", "-dcq", path], capture_output=True).stdout:
                bad.append(f"turn {turn}: a link was followed")
    finally:
        stop.set()
        for t in threads:
            t.join()
    is_(bad, [], "archives of a tree in motion are all whole, and no link was followed")
    tap.ok(any("changed while they were read" in n for n in notes), "what changed is told", [str(notes)])


def test_refusals(tree):
    odd = os.path.join(WORK, b"closed")
    os.mkdir(odd)
    fill(os.path.join(odd, b"no"), b"n")
    fill(os.path.join(odd, b"yes"), b"y")
    own(odd)
    os.chmod(os.path.join(odd, b"no"), 0)
    path, ok, note, _, count = archive(odd, b"closed.tar.zst")
    is_((ok, note, count), (1, "1 not readable", 2), "a file without a right to it is told")
    deep = os.open(odd, os.O_RDONLY)
    for _ in range(600):
        os.mkdir(b"d", dir_fd=deep)
        below = os.open(b"d", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = below
    os.close(deep)
    own(odd)
    path, ok, note, _, count = archive(odd, b"deep.tar.zst")
    is_((ok, note, count), (1, "1 not readable, 1 too deep", 513), "what is too deep is told")
    for words, file, want in (("a full disk", os.open("/dev/full", os.O_WRONLY), "write the archive: No space left on device"),):
        ok, error, _, _ = Job(tree, None, file).done()
        os.close(file)
        is_((ok, error), (0, want), f"{words} is an error with its reason")
    r, w = os.pipe()
    job = Job(tree, None, w)
    os.close(w)
    os.read(r, 1000)
    job.link.close()
    try:
        while os.read(r, 1 << 20):
            pass
        job.process.wait(10)
    except subprocess.TimeoutExpired:
        pass
    tap.ok(job.process.returncode not in (0, None), "it ends when nobody waits for it any more", [str(job.process.poll())])
    for words, send in (("a wrong first message", lambda l: l.send(0x1234)), ("no descriptors", lambda l: l.send(START, "x", 2)),
                        ("a frame cut short", lambda l: l.raw(b"\x04"))):
        ours, its = pair()
        p = subprocess.Popen([PROGRAM], stderr=subprocess.DEVNULL, close_fds=False,
                             preexec_fn=lambda: (os.dup2(its.fileno(), 3), os.set_inheritable(3, True)))
        send(Link(ours))
        is_(p.wait(10), 71, f"ends over {words}")


try:
    where = test_tree()
    test_moving(where)
    test_refusals(where)
finally:
    shutil.rmtree(WORK, ignore_errors=True)
tap.end()
