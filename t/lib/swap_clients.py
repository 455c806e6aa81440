#!/usr/bin/python3 -B
"""Every SFTP operation against names that a hostile server swaps (t/lib/swapper.c), and the canaries that must not notice.

swap_clients.py plant TOKEN FOLDER UID          makes canaries in FOLDER, UID's and open to everybody, so that only the worker stands before them
swap_clients.py look FOLDER...                  prints all there is to see of them but access times
swap_clients.py run CONFIG HOST PORT KEY UID SECONDS TOKEN    results as "ok WORDS" lines; UID is the server's
swap_clients.py names CONFIG UID                paths as no stock client sends them, one by one, with nothing swapped
"""
import collections
import hashlib
import json
import multiprocessing
import os
import random
import select
import struct
import subprocess
import sys
import time

from sftp_raw import (APPEND, ATTRS, CLOSE, CREAT, EXCL, EXTENDED, EXTENDED_REPLY, FSETSTAT, FSTAT, HANDLE, LSTAT, MKDIR, NAME, NO_ATTRS,
                      OPEN, OPENDIR, R, READ, READDIR, READLINK, REALPATH, REMOVE, RENAME, RMDIR, Raw, Reader, SETSTAT, STAT, STATUS, SYMLINK,
                      TRUNC, W, WRITE, connect, s, u32, u64)

HANG = 8                       # seconds an answer may take
STAMP = 1_234_567_891          # the canaries' times
DISK_MOST = 80 << 20           # of the server; the host's is larger
FAILURE = 4
# Whose names hold nothing inside, whatever is swapped: to reach one is to have left.
OUTSIDE = ["only-outside", "passwd", "shadow", "etc/passwd", "cage/only-outside", "up/cage/only-outside", "self/environ", "proc/self/environ",
           "two/f", "three/f"]


# --- canaries ---------------------------------------------------------------------------------------------------------------------

def content(token, name):
    return f"{token} {name}\n".encode() * 50


def plant(token, folder, uid):
    # In another server's files nobody but its own ids makes anything.
    owner = os.stat(os.path.dirname(folder)).st_uid
    if owner:
        os.setgroups([])
        os.setegid(owner)
        os.seteuid(owner)
        uid = owner
    os.makedirs(folder + "/sub", exist_ok=True)
    for name in ("f", "only-outside", "sub/f"):
        with open(f"{folder}/{name}", "wb") as f:
            f.write(content(token, name))
        os.setxattr(f"{folder}/{name}", "user.canary", token.encode())
        os.chmod(f"{folder}/{name}", 0o646)
    os.symlink(token, folder + "/link")
    for name in ("sub/f", "sub", "f", "only-outside", "link", "."):
        os.chown(f"{folder}/{name}", int(uid), int(uid), follow_symlinks=False)
        os.utime(f"{folder}/{name}", (STAMP, STAMP), follow_symlinks=False)
    os.chmod(folder, 0o757)
    os.chmod(folder + "/sub", 0o757)


def digests(token):
    texts = [content(token, name) for name in ("f", "only-outside", "sub/f")] + [open("/etc/passwd", "rb").read()]
    return [hashlib.new(h, text) for text in texts for h in ("md5", "sha1", "sha256")]


def look(*folders):
    for folder in folders:
        for path in [folder] + sorted(os.path.join(at, n) for at, dirs, names in os.walk(folder) for n in dirs + names):
            st = os.lstat(path)
            row = [path, oct(st.st_mode), st.st_uid, st.st_gid, st.st_nlink, st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns]
            if os.path.islink(path):
                row.append(os.readlink(path))
            elif os.path.isfile(path):
                with open(path, "rb") as f:
                    row.append(hashlib.sha256(f.read()).hexdigest())
                row += [(n, os.getxattr(path, n).hex()) for n in os.listxattr(path)]
            print(json.dumps(row))


# --- a client that reads every answer for what it must not hold ---------------------------------------------------------------------

class Watcher(Raw):
    def __init__(self, config, uid, token):
        self.ssh = subprocess.Popen(["ssh", "-F", config, "-s", "alice", "sftp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.uid, self.leaks, self.asked, self.slowest, self.posted = int(uid), [], {}, 0, {}
        self.done, self.good, self.wrong = collections.Counter(), collections.Counter(), []
        self.marks = [token.encode(), b"root:x:0:0", struct.pack(">II", STAMP, STAMP)] + [d.digest() for d in digests(token)] if token else []
        super().__init__(self.put, self.get)

    def put(self, data):
        while data:
            data = data[os.write(self.ssh.stdin.fileno(), data):]

    def get(self, most):
        if not select.select([self.ssh.stdout], [], [], HANG)[0]:
            raise TimeoutError(f"no answer within {HANG} s of {[what for what, _ in self.posted.values()]}")
        return os.read(self.ssh.stdout.fileno(), most)

    def packet(self):
        p = super().packet()
        what, since = self.posted.pop(struct.unpack(">I", p[1:5])[0], ("init", time.monotonic())) if len(p) >= 5 else ("init", 0)
        self.slowest = max(self.slowest, time.monotonic() - since) if since else self.slowest
        for mark in self.marks:
            if mark in p:
                self.leak(what, f"the answer (type {p[0]}) holds {mark!r}")
        if p[0] == ATTRS:
            self.owned(what, Reader(p[5:]).attrs())
        return p

    def leak(self, what, words):
        self.leaks.append(f"{what}: {words}")

    def owned(self, what, a):
        if a.get("uid", self.uid) != self.uid:
            self.leak(what, f"attributes of what is another's: {a}")

    def go(self, op, path, *message):
        """Posts it; the answer is `outcome`'s to look at."""
        ident = self.post(*message)
        self.posted[ident] = (f"{op} {path!r}", time.monotonic())
        return op, path, ident

    def outcome(self, op, path, ident):
        """(kind, Reader), counted."""
        kind, r = self.wait(ident)
        good = kind != STATUS
        if kind == STATUS:
            code = Reader(r.data).u32()
            good = code == 0
            if code > 8 or code == 5:
                self.wrong.append(f"{op} {path!r}: status {code}")
        self.done[op] += 1
        self.good[op] += good
        if good and op in OUTSIDE_OPS and any(path.endswith("/" + n) for n in OUTSIDE):
            self.leak(f"{op} {path!r}", "what is not inside was there")
        if kind == EXTENDED_REPLY and op in ("statvfs", "fstatvfs"):
            v = [Reader(r.data[i * 8:]).u64() for i in range(4)]
            if v[1] * v[2] > DISK_MOST:
                self.leak(f"{op} {path!r}", f"a disk of {v[1] * v[2]} bytes")
        return kind, r

    def each(self, posted):
        return [(op, path, *self.outcome(op, path, ident)) for op, path, ident in posted]

    def names(self, what, r):
        for _ in range(r.u32()):
            name, _, a = r.s(), r.s(), r.attrs()
            # An entry that could not be looked at is listed without an owner.
            if a.get("uid") or a.get("size"):
                self.owned(f"{what} {name!r}", a)
            yield name, a

    def finish(self):
        self.ssh.stdin.close()
        self.ssh.wait(10)


# --- operations ------------------------------------------------------------------------------------------------------------------------

def ext(name, *fields):
    return (EXTENDED, s(name), *fields)


def times():
    return u32(8) + u32(7) + u32(random.randrange(1 << 31))


FLAGS = [a | b | c | d for a in (R, W, R | W) for b in (0, APPEND) for c in (0, CREAT, CREAT | EXCL) for d in (0, TRUNC)]
LOOKS = {
    "stat": lambda p: (STAT, s(p)), "lstat": lambda p: (LSTAT, s(p)), "opendir": lambda p: (OPENDIR, s(p)), "readlink": lambda p: (READLINK, s(p)),
    "open r": lambda p: (OPEN, s(p), u32(R), NO_ATTRS), "open rw": lambda p: (OPEN, s(p), u32(R | W), NO_ATTRS),
    "open trunc": lambda p: (OPEN, s(p), u32(W | TRUNC), NO_ATTRS), "open append": lambda p: (OPEN, s(p), u32(W | APPEND), NO_ATTRS),
    "setstat size": lambda p: (SETSTAT, s(p), u32(1) + u64(random.randrange(9000))),
    "setstat mode": lambda p: (SETSTAT, s(p), u32(4) + u32(random.choice((0o755, 0o700, 0o777)))),
    "setstat times": lambda p: (SETSTAT, s(p), times()),
    "setstat all": lambda p: (SETSTAT, s(p), u32(13) + u64(3) + u32(0o711) + u32(1) + u32(2)),
    "setstat owner": lambda p: (SETSTAT, s(p), u32(2) + u32(0) + u32(0)),
    "lsetstat": lambda p: ext("lsetstat@openssh.com", s(p), times()),
    "lsetstat mode": lambda p: ext("lsetstat@openssh.com", s(p), u32(4) + u32(0o755)),
    "statvfs": lambda p: ext("statvfs@openssh.com", s(p)), "space-available": lambda p: ext("space-available", s(p)),
    "check-file-name": lambda p: ext("check-file-name", s(p), s(random.choice(("md5", "sha256"))), u64(0), u64(0), u32(0)),
    "hardlink from": lambda p: ext("hardlink@openssh.com", s(p), s("/one/kept")),
    "copy-file from": lambda p: ext("copy-file", s(p), s("/one/copy"), b"\1"),
    "rename from": lambda p: (RENAME, s(p), s("/one/taken")),
    "posix-rename from": lambda p: ext("posix-rename@openssh.com", s(p), s("/one/taken")),
    "remove": lambda p: (REMOVE, s(p)), "rmdir": lambda p: (RMDIR, s(p)),
}
# What makes names: never one of OUTSIDE.
MAKES = {
    "open any": lambda p: (OPEN, s(p), u32(random.choice(FLAGS)), random.choice((NO_ATTRS, u32(4) + u32(0o700)))),
    "open creat": lambda p: (OPEN, s(p), u32(R | W | CREAT), NO_ATTRS),
    "open excl": lambda p: (OPEN, s(p), u32(W | CREAT | EXCL), NO_ATTRS),
    "open creat trunc": lambda p: (OPEN, s(p), u32(W | CREAT | TRUNC), NO_ATTRS),
    "mkdir": lambda p: (MKDIR, s(p), NO_ATTRS),
    "symlink": lambda p: (SYMLINK, s("f"), s(p)), "symlink out": lambda p: (SYMLINK, s("../../cage/f"), s(p)),
    "hardlink to": lambda p: ext("hardlink@openssh.com", s("/one/plain"), s(p)),
    "copy-file to": lambda p: ext("copy-file", s("/one/plain"), s(p), b"\1"),
    "rename to": lambda p: (RENAME, s("/one/spare"), s(p)),
    "posix-rename to": lambda p: ext("posix-rename@openssh.com", s("/one/spare"), s(p)),
    "realpath": lambda p: (REALPATH, s(p)), "expand-path": lambda p: ext("expand-path@openssh.com", s(p)),
}
OUTSIDE_OPS = frozenset(LOOKS)
OPS = {**LOOKS, **MAKES}
WALK = [f"{at}{end}" for at in ("/one/walk/a/b/c/d/e", "/one/moved/d/e", "/one/pit/1/2/3/4/c/d/e", "/one/walk/c/d/e")
        for end in ("", "/f", "/out", "/out/f", "/far/f", "/out/made", "/far/made")]
PLACES = [f"/one/{slot}{end}" for slot in ("place", "zoo", "churn", "leaf")
          for end in ("", "", "/f", "/f", "/made", "/link", "/up/plain", "/cage/f", "/up/leaf", "/sub/f")]
HIDDEN = [f"/one/{slot}/{end}" for slot in ("place", "zoo", "churn", "walk/a/b/c/d/e/out", "moved/d/e/out", "walk/a/b/c/d/e/far")
          for end in OUTSIDE]


def choose():
    """Where what can succeed does so often enough to be a race, and each operation meets each name in time."""
    op = random.choice(list(OPS))
    if op in LOOKS and random.random() < 0.2:
        return op, random.choice(HIDDEN)
    return op, random.choice(random.choice((PLACES, PLACES, WALK)))


def about_files(c, files):
    posted = []
    for h in files:
        for op, message in (("write", (WRITE, s(h), u64(0), s(b"mine\n"))), ("read", (READ, s(h), u64(0), u32(4096))),
                            ("fstat", (FSTAT, s(h))),
                            ("fsetstat", (FSETSTAT, s(h), random.choice((u32(1) + u64(5), u32(4) + u32(0o755), times())))),
                            ("fstatvfs", ext("fstatvfs@openssh.com", s(h))), ("fsync", ext("fsync@openssh.com", s(h))),
                            ("check-file-handle", ext("check-file-handle", s(h), s("md5"), u64(0), u64(0), u32(0))),
                            ("copy-data", ext("copy-data", s(h), u64(0), u64(0), s(random.choice(files)), u64(0)))):
            if op != "fsync" or random.random() < 0.02:
                posted.append(c.go(op, "a handle", *message))
    c.each(posted)


def about_folders(c, folders):
    posted = [c.go(op, "a folder's handle", *message) for h in folders for op, message in
              (("readdir", (READDIR, s(h))), ("fstat", (FSTAT, s(h))), ("fsetstat", (FSETSTAT, s(h), times())), ("readdir", (READDIR, s(h))))]
    for op, path, kind, r in c.each(posted):
        if kind == NAME:
            for name, _ in c.names(op, r):
                if name in (b"only-outside", b"passwd"):
                    c.leak(op, f"listed {name!r}")


def some(c):
    """A handful at once, then what was opened by them."""
    files, folders = [], []
    posted = [c.go(op, path, *OPS[op](path)) for op, path in (choose() for _ in range(12))]
    posted += [c.go("open creat", p, *OPS["open creat"](p)) for p in ("/one/plain", "/one/spare")]
    posted += [c.go("remove", p, REMOVE, s(p)) for p in ("/one/kept", "/one/copy", "/one/taken")]
    made = "/one/walk/a/b/c/d/e/out/made"
    posted += [c.go("mkdir", made, MKDIR, s(made), NO_ATTRS)] + [c.go("rmdir", p, RMDIR, s(p)) for p in (made, "/one/taken")]
    for op, path, kind, r in c.each(posted):
        if kind == HANDLE:
            (folders if op == "opendir" else files).append(r.s())
    about_files(c, files)
    about_folders(c, folders)
    c.each([c.go("close", "a handle", CLOSE, s(h)) for h in files + folders])


BURST = ["/one/place", "/one/place/f", "/one/leaf", "/one/zoo", "/one/zoo/f",
         "/one/walk/a/b/c/d/e/out/f", "/one/moved/d/e/far/f", "/one/pit/1/2/3/4/c/d/e/out/f"]


def burst(c):
    """The same look again and again: what leads out between a check and a use does so for microseconds."""
    op, path = random.choice(("stat", "stat", "setstat times", "lsetstat", "statvfs")), random.choice(BURST)
    c.each([c.go(op, path, *OPS[op](path)) for _ in range(200)])


def walk(c, path="/one", depth=0, left=None):
    """As a client that follows links downloads a tree, up to so many names."""
    left = [150] if left is None else left
    (_, _, kind, r), = c.each([c.go("opendir", path, OPENDIR, s(path))])
    if kind != HANDLE:
        return
    handle, names = r.s(), []
    while True:
        (op, _, kind, r), = c.each([c.go("readdir", path, READDIR, s(handle))])
        if kind != NAME:
            break
        names += [name for name, _ in c.names(path, r) if name not in (b".", b"..")]
    c.each([c.go("close", path, CLOSE, s(handle))])
    random.shuffle(names)
    paths = [path + "/" + os.fsdecode(n) for n in names[:max(left[0], 0)]]
    left[0] -= len(paths)
    for (_, p, kind, r) in c.each([c.go("stat", p, STAT, s(os.fsencode(p))) for p in paths]):
        if kind == ATTRS and Reader(r.data).attrs()["mode"] & 0o170000 == 0o040000 and depth < 6 and left[0] > 0:
            walk(c, p, depth + 1, left)


# --- processes -----------------------------------------------------------------------------------------------------------------------------

def sftp_process(queue, seed, config, uid, seconds, token):
    random.seed(seed)
    c, error = None, ""
    try:
        c = Watcher(config, uid, token)
        until, rounds = time.monotonic() + seconds, 0
        while time.monotonic() < until:
            if (rounds := rounds + 1) % 40 == 0:
                walk(c)
            some(c)
            burst(c)
        c.finish()
    except Exception as e:
        error = f"{type(e).__name__}: {e}"
    if c:
        queue.put((c.done, c.good, c.leaks, c.wrong, c.slowest, error))
    else:
        queue.put(({}, {}, [], [], 0, error))


VERBS = [f"{verb} {path}" for path in ("/one/place/f", "/one/leaf", "/one/zoo/f", "/one/churn", "/one/walk/a/b/c/d/e/out/f")
         for verb in ("md5sum", "sha256sum", "sha1sum", "test -e", "test -f", "test -d", "test -L", "test -s", "test -p", "df -k")]


def exec_process(queue, host, port, key, seconds, token):
    """The commands that stock clients run, on one connection."""
    done, good, leaks, slowest, error = collections.Counter(), collections.Counter(), [], 0, ""
    marks = [token, "root:x:0:0"] + [d.hexdigest() for d in digests(token)]
    try:
        client = connect(host, port, key)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            verb = random.choice(VERBS + ["test -e /one/place/only-outside", "test -f /one/zoo/passwd"])
            start = time.monotonic()
            _, out, err = client.exec_command(verb, timeout=HANG)
            text, code = (out.read() + err.read()).decode(errors="replace"), out.channel.recv_exit_status()
            slowest = max(slowest, time.monotonic() - start)
            name = verb.split()[0]
            done[name] += 1
            good[name] += code == 0
            leaks += [f"{verb}: {text[:200]}" for m in marks if m in text]
            if code == 0 and verb.endswith(("only-outside", "passwd")):
                leaks.append(f"{verb}: it is there")
            if name == "df" and code == 0 and int(text.split("\n")[1].split()[1]) > DISK_MOST >> 10:
                leaks.append(f"{verb}: {text}")
        client.close()
    except Exception as e:
        error = f"{type(e).__name__}: {e}"
    queue.put((done, good, leaks, [], slowest, error))


# Those that must have met both what they may act on and what they may not.
BOTH = sorted(set(OPS) - {"setstat owner", "realpath", "expand-path"}) + ["md5sum", "sha256sum", "sha1sum", "test"]
ALWAYS = ["close", "realpath", "expand-path", "write", "read", "fstat", "fsetstat", "fstatvfs", "fsync", "check-file-handle", "copy-data",
          "readdir", "df"]


def run(config, host, port, key, uid, seconds, token):
    queue, seconds = multiprocessing.Queue(), float(seconds)
    processes = [multiprocessing.Process(target=sftp_process, args=(queue, i, config, uid, seconds, token)) for i in range(3)]
    processes.append(multiprocessing.Process(target=exec_process, args=(queue, host, port, key, seconds, token)))
    for p in processes:
        p.start()
    done, good, leaks, wrong, slowest, errors = collections.Counter(), collections.Counter(), [], [], 0, []
    for _ in processes:
        d, g, l, w, s_, e = queue.get(timeout=seconds + 60)
        done.update(d)
        good.update(g)
        leaks += l
        wrong += w
        slowest = max(slowest, s_)
        errors += [e] if e else []
    for p in processes:
        p.join(20)
    for op in sorted(done):
        print(f"{op:18} {done[op]:7} asked {good[op]:7} done")
    print(f"{sum(done.values())} requests in {seconds:.0f} s, the slowest took {slowest * 1000:.0f} ms")
    failed = 0

    def ok(bad, words):
        nonlocal failed
        failed += bool(bad)
        print(f"{'not ok' if bad else 'ok'} {words}")
        for b in list(bad)[:8]:
            print(b)

    ok(leaks, "nothing of outside was read, seen or found")
    ok(errors, f"no connection ended and each request was answered within {HANG} s")
    ok(wrong, "by a status that a client of version 3 knows")
    ok([f"{op}: {good[op]} of {done[op]}" for op in BOTH if not 0 < good[op] < done[op]], "each operation was done at times and refused at times")
    ok([op for op in ALWAYS if not good[op]], "and what needs a handle had one")
    ok([op for op in ("setstat owner",) if good[op]], "none changed an owner")
    return failed


# --- paths, one by one ----------------------------------------------------------------------------------------------------------------------

def names(config, uid):
    c, failed = Watcher(config, uid, ""), 0
    everything = {**OPS, "rename into": lambda p: (RENAME, s("/one/spare"), s(p))}

    def ask(op, path):
        return c.outcome(*c.go(op, path if isinstance(path, str) else repr(path), *everything[op](path)))

    def ok(good, words, more=""):
        nonlocal failed
        failed += not good
        print(f"{'ok' if good else 'not ok'} {words}")
        if not good:
            print(more)

    def refused(path, words, but=()):
        """By all operations, whose words say something; the connection goes on."""
        bad = []
        for op in everything:
            kind, r = ask(op, path)
            if op not in but and (kind != STATUS or r.u32() in (0, 5) or not r.s()):
                bad.append((op, kind))
        ok(not bad, words, bad)

    for p in ("/one/plain", "/one/spare"):
        c.write(p, b"mine\n")
    lexical = ("realpath", "expand-path")
    for path, words in ((b"/one/a\0b", "a NUL in a name"), (b"/one/..\0", "a NUL behind dots"), (b"\0", "a NUL alone"),
                        (b"/one/plain\0/../../three", "a NUL before dots"), (b"/\0one", "a NUL in the server's name"),
                        (b"/one/" + b"x/" * 2100, "4205 bytes"), (b"/" * 5000, "5000 slashes"),
                        (b"/one/" + b"./" * 2100 + b"plain", "4210 bytes that mean /one/plain"), (b"x" * 70000, "70000 bytes")):
        refused(path, words + " is refused by each operation")
    refused(b"/one/" + b"n" * 256, "a name of 256 bytes is refused by each operation", lexical)
    refused(b"/one/" + b"n" * 256 + b"/f", "and as a folder", lexical)
    refused(b"/three/f", "another's server is none", lexical)
    refused(b"/one/../three/f", "however it is named", lexical)
    refused(b"/nothing/f", "nor is one that nobody has", lexical)
    refused(b"/one/plain/f", "a file is no folder", lexical)
    for path in ("/one/a/../../one/plain", "/one/../../../../one/plain", "//one//plain", "/one/./plain", "one/plain", "/one/plain/",
                 "/../one/x/../plain", "/one/x/./../plain/."):
        kind, r = ask("stat", path)
        ok(kind == ATTRS and r.attrs()["size"] == 5, f"{path} is /one/plain")
        kind, r = ask("realpath", path)
        ok(kind == NAME and r.u32() == 1 and r.s() == b"/one/plain", f"realpath says so of {path}", (kind, r.data))
    # Odd, but names: each is a file of its own and comes back byte for byte.
    for name in (b"...", b"....", b".. ", b" ..", b"..\n", b"\n", b"-", b"~", b"\\", b"*", b"\x01", b"\x7f", b"\xff\xfe", b"\xc0\xaf",
                 b"\xe2\x80\xae", b"n" * 255, b"\xff" * 255, b"..a", b".a.", b"%s%n", b"a\rb", b"\x1b]0;x\x07"):
        path = b"/one/" + name
        c.write(path, name)
        h = ask("opendir", "/one")[1].s()
        listed = []
        while (answer := c.ask(READDIR, s(h)))[0] == NAME:
            listed += [n for n, _ in c.names("readdir", answer[1])]
        c.close(h)
        ok(c.read(path) == name and listed.count(name) == 1 and c.status(REMOVE, s(path))[0] == 0, f"{name[:12]!r} is a name")
    there, here = s("/two/other"), s("/one/mine")
    for op, message in (("hard link", ext("hardlink@openssh.com", there, here)), ("rename", (RENAME, there, here)),
                        ("posix-rename", ext("posix-rename@openssh.com", s("/one/plain"), there)),
                        ("copy-file", ext("copy-file", there, here, b"\1"))):
        c.write("/two/other", b"other\n")
        kind, r = c.ask(*message)
        ok(kind == STATUS and r.u32() == FAILURE and c.ask(LSTAT, s("/one/mine"))[0] == STATUS, f"a {op} does not lead from one server to another")
    ok(ask("stat", "/one/plain")[0] == ATTRS, "and all of it on one connection")
    c.finish()
    return failed


if __name__ == "__main__":
    sys.exit(1 if {"plant": plant, "look": look, "run": run, "names": names}[sys.argv[1]](*sys.argv[2:]) else 0)
