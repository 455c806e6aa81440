#!/usr/bin/python3 -B
"""The same operations against OpenSSH's sftp-server and holdfast: statuses and effects must be equal, but for what DIFFER says.

sftp_oracle.py HOST PORT KEY FOLDER UID     FOLDER is UID's, for the oracle; holdfast's is /one
"""
import socket
import subprocess
import sys

from sftp_raw import (APPEND, ATTRS, CLOSE, CREAT, DATA, EXCL, EXTENDED_REPLY, FSETSTAT, FSTAT, HANDLE, LSTAT, MKDIR, NAME, NO_ATTRS, OPEN, OPENDIR, R,
                      READ, READDIR, READLINK, REALPATH, REMOVE, RENAME, RMDIR, Raw, SETSTAT, STAT, STATUS, SYMLINK, TRUNC, W, WRITE, connect, s,
                      subsystem, u32, u64)

ORACLE = "/usr/lib/openssh/sftp-server"
WORDS = {0: "OK", 1: "EOF", 2: "NO_SUCH_FILE", 3: "PERMISSION_DENIED", 4: "FAILURE", 5: "BAD_MESSAGE", 8: "OP_UNSUPPORTED"}

# Where we differ on purpose: case -> (ours, why).  A row whose case is equal after all is a failure as well.
WORDS_NOT_PROTOCOL = "a status of the protocol (BAD_MESSAGE) for a bad argument says nothing to a person; FAILURE with words"
DIFFER = {
    "open_a_folder": ("FAILURE", "what could never be read is not opened"),
    "open_with_a_slash": ("handle", "names are made normal first, here as everywhere"),
    "open_set_id": (("handle", (0, "0o100755")), "set-user-id and set-group-id are masked"),
    "setstat_set_id": (("OK", (4, "0o100755")), "set-user-id and set-group-id are masked"),
    "wrong_way": (["PERMISSION_DENIED", "FAILURE"], "the file is there: it is the handle that does not allow it"),
    "no_handle": (["FAILURE"] * 4, "all requests say the same of a handle that is none"),
    "folder_handle": ((None, "0o40755"), "a folder's handle has attributes as well"),
    "ftruncate_for_reading": (("FAILURE", "OK", (4, "0o100600")), WORDS_NOT_PROTOCOL),
    "rename_into_itself": (["FAILURE", "FAILURE"], WORDS_NOT_PROTOCOL),
    "readlink_of_others": (["FAILURE", "FAILURE"], WORDS_NOT_PROTOCOL),
    "names_too_long": (["FAILURE"] * 3, WORDS_NOT_PROTOCOL),
    "lsetstat_size": (("OK", b"da"), "a file is no link, and its size is set"),
    "realpath_of_a_link": (["/l"], "a name is made normal without asking the disk, whose links are never followed upwards anyway"),
    "realpath_through_nothing": (["/no/no"], "the same"),
}
# Flags that do not say how the file is to be used: the oracle reads, we take making, cutting and appending for writing.
MEANT = {"A": "WA", "AC": "WAC", "C": "WC", "CT": "WCT", "T": "WT", "CX": "WCX"}

cases = {}


def case(fn):
    cases[fn.__name__] = fn
    return fn


class Side:
    """One server, in a folder of its own for each case."""

    def __init__(self, raw, base, oracle):
        self.raw, self.base, self.oracle = raw, base, oracle

    def p(self, name):
        return (self.dir + "/" + name if isinstance(name, str) else self.dir.encode() + b"/" + name) if name else self.dir

    def result(self, answer):
        kind, r = answer
        if kind == STATUS:
            return WORDS.get(r.u32(), "?")
        if kind == HANDLE:
            self.handle = r.s()
            return "handle"
        if kind == DATA:
            return r.s()
        if kind == ATTRS:
            a = r.attrs()
            return a.get("size") if a["mode"] & 0o170000 == 0o100000 else None, oct(a["mode"])
        if kind == NAME:
            names = []
            for _ in range(r.u32()):
                names.append(r.s())
                r.s()
                r.attrs()
            return sorted(names)
        return kind

    def ask(self, kind, *fields):
        return self.result(self.raw.ask(kind, *fields))

    def ext(self, name, *fields):
        return self.result(self.raw.extended(name, *fields))

    def open(self, name, flags, attrs=NO_ATTRS):
        return self.ask(OPEN, s(self.p(name)), u32(flags), attrs)

    def opened(self, name, flags):
        assert self.open(name, flags) == "handle"
        return self.handle

    def close(self, handle):
        return self.ask(CLOSE, s(handle))

    def write(self, handle, at, data):
        return self.ask(WRITE, s(handle), u64(at), s(data))

    def read(self, handle, at, size):
        return self.ask(READ, s(handle), u64(at), u32(size))

    def make(self, name, data=b"data"):
        self.raw.write(self.p(name), data)

    def whole(self, name):
        return self.raw.read(self.p(name))

    def mkdir(self, name, attrs=NO_ATTRS):
        return self.ask(MKDIR, s(self.p(name)), attrs)

    def one(self, kind, name):
        return self.ask(kind, s(self.p(name)))

    def two(self, kind, a, b):
        return self.ask(kind, s(self.p(a)), s(self.p(b)))

    def link(self, target, name):
        return self.ask(SYMLINK, s(target), s(self.p(name)))

    def ls(self, name=""):
        assert self.one(OPENDIR, name) == "handle"
        handle, names = self.handle, []
        while isinstance(got := self.ask(READDIR, s(handle)), list):
            names += got
        self.close(handle)
        return sorted(names), got


FLAGS = {"R": R, "W": W, "A": APPEND, "C": CREAT, "T": TRUNC, "X": EXCL}


def bits(word):
    return sum(FLAGS[c] for c in word)


def open_case(word, what):
    """OPEN with these flags on WHAT; what a write of two bytes at 1 and a read do then; and what is there afterwards."""
    def fn(o):
        if what == "file":
            o.make("f", b"data")
        elif what == "folder":
            o.mkdir("f")
        elif what == "link":
            o.make("g", b"data")
            o.link("g", "f")
        elif what == "dangling":
            o.link("g", "f")
        got = [o.open("f", bits(MEANT.get(word, word) if o.oracle else word))]
        if got[0] == "handle":
            handle = o.handle
            got += [o.write(handle, 1, b"xy"), o.read(handle, 0, 100)]
            # How that is refused: wrong_way.
            got = [g if g in ("OK", "EOF", "handle") or isinstance(g, bytes) else "refused" for g in got] + [o.close(handle)]
        if what == "folder" and "W" not in word:
            got = []   # open_a_folder
        return got, o.one(LSTAT, "f"), o.one(STAT, "f"), o.open("f", R) == "handle" and what != "folder" and o.read(o.handle, 0, 100), o.ls()
    fn.__name__ = f"open {word or '0'} of a {what}"
    return fn


for word in ("", "R", "W", "RW", "WC", "RWC", "WCT", "RWCT", "WCX", "WCTX", "WA", "WAC", "RWA", "A", "AC", "C", "CT", "T", "WT", "RT", "WX", "X", "CX", "RC"):
    for what in ("file", "missing", "folder", "link", "dangling"):
        case(open_case(word, what))


@case
def open_modes(o):
    got = []
    for mode in (0o600, 0o777, 0o640, 0o444, 0o000, 0o1777):
        got += [o.open(f"f{mode:o}", W | CREAT, u32(4) + u32(mode)), o.one(STAT, f"f{mode:o}")]
    return got


@case
def open_set_id(o):
    return o.open("f", W | CREAT, u32(4) + u32(0o6755)), o.one(STAT, "f")


@case
def open_a_folder(o):
    return o.open("", R)


@case
def open_with_a_slash(o):
    o.make("f")
    return o.open("f/", R)


@case
def open_through_a_file(o):
    o.make("f")
    return o.open("f/g", R), o.open("f/g", W | CREAT), o.open("no/f", W | CREAT), o.one(STAT, "f/g")


@case
def open_unreadable(o):
    o.make("f")
    o.ask(SETSTAT, s(o.p("f")), u32(4) + u32(0o200))
    return o.open("f", R), o.open("f", R | W), o.open("f", W)


@case
def append(o):
    o.make("f", b"12345")
    handle = o.opened("f", W | APPEND)
    got = [o.write(handle, 0, b"678"), o.write(handle, 1, b"9"), o.close(handle)]
    return got, o.whole("f")


@case
def reads(o):
    o.make("f", bytes(range(256)) * 300)
    handle = o.opened("f", R)
    return [o.read(handle, at, size) for at, size in ((0, 10), (76790, 100), (76800, 1), (99999, 10), (1 << 40, 10), (0, 0), (76800, 0), (0, 76800))]


@case
def writes(o):
    handle = o.opened("f", R | W | CREAT)
    got = [o.write(handle, 0, b"abc"), o.write(handle, 10, b"def"), o.write(handle, 1, b""), o.write(handle, 5000, b""), o.ask(FSTAT, s(handle)),
           o.write(handle, 100_000, b"far"), o.ask(FSTAT, s(handle)), o.read(handle, 0, 20)]
    return got


@case
def wrong_way(o):
    o.make("f")
    return [o.write(o.opened("f", R), 0, b"x"), o.read(o.opened("f", W), 0, 10)]


@case
def no_handle(o):
    o.make("f")
    closed = o.opened("f", R)
    o.close(closed)
    return [o.close(closed), o.close(b""), o.close(b"nonsense"), o.ext("fsync@openssh.com", s(b"nonsense"))]


@case
def folder_handle(o):
    assert o.one(OPENDIR, "") == "handle"
    return o.ask(FSTAT, s(o.handle))


@case
def wrong_handles(o):
    o.make("f")
    reading = o.opened("f", R)
    assert o.one(OPENDIR, "") == "handle"
    folder = o.handle
    got = [o.read(folder, 0, 10), o.write(folder, 0, b"x"), o.ask(READDIR, s(reading))]
    for handle in (b"", b"x", b"12345678", b"\xff" * 8):
        got += [o.read(handle, 0, 1), o.write(handle, 0, b"x"), o.ask(READDIR, s(handle)), o.ask(FSTAT, s(handle)), o.ask(FSETSTAT, s(handle), NO_ATTRS)]
    o.close(reading)
    return got + [o.read(reading, 0, 1), o.close(folder), o.ask(READDIR, s(folder))]


@case
def ftruncate_for_reading(o):
    o.make("f")
    handle = o.opened("f", R)
    return o.ask(FSETSTAT, s(handle), u32(1) + u64(1)), o.ask(FSETSTAT, s(handle), u32(4) + u32(0o600)), o.ask(FSTAT, s(handle))


@case
def stats(o):
    o.make("f")
    o.mkdir("d")
    o.link("f", "l")
    o.link("no", "n")
    o.link("loop", "loop")
    return [[o.one(kind, name) for kind in (STAT, LSTAT)] for name in ("f", "d", "l", "n", "loop", "no", "f/x", "loop/x", "d/", "d/.", "d/../f")]


@case
def setstats(o):
    o.make("f", b"0123456789")
    path, got = s(o.p("f")), []
    for attrs in (u32(1) + u64(4), u32(1) + u64(8), u32(1) + u64(0), u32(4) + u32(0o640), u32(4) + u32(0o1777), NO_ATTRS,
                  u32(8) + u32(5) + u32(6), u32(13) + u64(3) + u32(0o600) + u32(1) + u32(2)):
        got += [o.ask(SETSTAT, path, attrs), o.one(STAT, "f"), o.whole("f")]
    return got


@case
def setstat_times(o):
    o.make("f")
    o.ask(SETSTAT, s(o.p("f")), u32(8) + u32(1_000_000_000) + u32(4_000_000_000))
    kind, r = o.raw.ask(STAT, s(o.p("f")))
    a = r.attrs()
    return a["atime"], a["mtime"]


@case
def setstat_errors(o):
    o.mkdir("d")
    o.link("no", "n")
    o.link("d", "l")
    return [o.ask(SETSTAT, s(o.p(name)), attrs) for name in ("no", "d", "n", "no/f") for attrs in
            (u32(1) + u64(4), u32(4) + u32(0o700), u32(8) + u32(1) + u32(2))] + [o.ask(SETSTAT, s(o.p("l")), u32(4) + u32(0o700)), o.one(STAT, "d")]


@case
def setstat_owner(o):
    o.make("f")
    kind, r = o.raw.ask(STAT, s(o.p("f")))
    a = r.attrs()
    path = s(o.p("f"))
    return (o.ask(SETSTAT, path, u32(2) + u32(a["uid"]) + u32(a["gid"])), o.ask(SETSTAT, path, u32(2) + u32(0) + u32(0)),
            o.ask(SETSTAT, path, u32(2) + u32(a["uid"]) + u32(1)))


@case
def setstat_set_id(o):
    o.make("f")
    return o.ask(SETSTAT, s(o.p("f")), u32(4) + u32(0o6755)), o.one(STAT, "f")


@case
def mkdirs(o):
    o.make("f")
    o.link("no", "n")
    return [o.mkdir(name) for name in ("d", "d", "d/e/f", "f", "f/d", "n", "d/", "e/", "", ".")] + [
        o.mkdir("m", u32(4) + u32(0o711)), o.one(STAT, "m"), o.one(STAT, "d"), o.mkdir("t", u32(4) + u32(0o1777)), o.one(STAT, "t")]


@case
def rmdirs(o):
    o.mkdir("d")
    o.mkdir("d/e")
    o.make("f")
    o.link("d", "l")
    return [o.one(RMDIR, name) for name in ("d", "d/e", "l", "f", "no", "f/x", "d", "d")]


@case
def removes(o):
    o.mkdir("d")
    o.make("f")
    o.link("f", "l")
    o.link("no", "n")
    return [o.one(REMOVE, name) for name in ("d", "l", "n", "f", "f", "no/f", "d/")] + [o.ls()]


@case
def rename_into_itself(o):
    o.mkdir("d")
    return [o.two(RENAME, "d", "d/x"), o.ext("posix-rename@openssh.com", s(o.p("d")), s(o.p("d/x")))]


@case
def readlink_of_others(o):
    o.make("f")
    o.mkdir("d")
    return [o.one(READLINK, "f"), o.one(READLINK, "d")]


@case
def names_too_long(o):
    return [o.open("x" * 256, W | CREAT), o.one(STAT, "x" * 256), o.mkdir("y" * 256)]


@case
def renames(o):
    for name in "abc":
        o.make(name, name.encode())
    o.mkdir("d")
    o.mkdir("e")
    o.mkdir("d/sub")
    o.link("a", "l")
    return [o.two(RENAME, *pair) for pair in (("a", "b"), ("a", "a"), ("a", "new"), ("new", "d/new"), ("no", "x"), ("d", "e"),
                                              ("b", "no/x"), ("e", "ee"), ("l", "ll"), ("b", "d"), ("c", "l"), ("b", "c/x"))] + [o.ls(), o.ls("d")]


@case
def posix_renames(o):
    for name in "abc":
        o.make(name, name.encode())
    for name in ("d", "e", "full", "full/x"):
        o.mkdir(name)
    o.link("no", "n")
    return [o.ext("posix-rename@openssh.com", s(o.p(a)), s(o.p(b))) for a, b in
            (("a", "b"), ("no", "x"), ("d", "e"), ("e", "full"), ("b", "e"), ("e", "b"), ("c", "n"), ("b", "no/x"), ("b", "b"))] + [o.ls()]


@case
def links(o):
    o.make("f")
    o.mkdir("d")
    got = [o.link("f", "l"), o.link("f", "l"), o.link("no", "n"), o.link("f", "no/l"), o.link("", "empty"), o.link("d", "dl"), o.link("../x", "up")]
    return got + [o.one(READLINK, name) for name in ("l", "n", "up", "no")] + [o.ls("dl"), o.ls()]


@case
def hard_links(o):
    o.make("f")
    o.mkdir("d")
    o.link("f", "l")
    return [o.ext("hardlink@openssh.com", s(o.p(a)), s(o.p(b))) for a, b in
            (("f", "g"), ("f", "g"), ("no", "h"), ("d", "h"), ("f", "no/h"), ("l", "m"))] + [o.one(LSTAT, "m"), o.ls()]


@case
def lsetstats(o):
    o.make("f")
    o.link("f", "l")
    return (o.ext("lsetstat@openssh.com", s(o.p("f")), u32(4) + u32(0o600)), o.one(STAT, "f"),
            o.ext("lsetstat@openssh.com", s(o.p("l")), u32(8) + u32(7) + u32(8)), o.ext("lsetstat@openssh.com", s(o.p("no")), u32(8) + u32(7) + u32(8)))


@case
def lsetstat_mode_of_a_link(o):
    o.make("f")
    o.link("f", "l")
    return o.ext("lsetstat@openssh.com", s(o.p("l")), u32(4) + u32(0o600)), o.one(STAT, "f")


@case
def lsetstat_size(o):
    o.make("f")
    return o.ext("lsetstat@openssh.com", s(o.p("f")), u32(1) + u64(2)), o.whole("f")


@case
def fsyncs(o):
    handle = o.opened("f", W | CREAT)
    return o.ext("fsync@openssh.com", s(handle)), o.close(handle)


@case
def copies(o):
    o.make("f", b"0123456789")
    o.make("g", b"abcdefghij")
    f, g = o.opened("f", R), o.opened("g", R | W)

    def copy(a, at, size, b, to):
        return o.ext("copy-data", s(a), u64(at), u64(size), s(b), u64(to)), o.whole("g")

    return [copy(f, 0, 3, g, 2), copy(f, 8, 5, g, 0), copy(f, 10, 0, g, 0), copy(f, 10, 1, g, 0), copy(f, 0, 0, g, 12), copy(g, 0, 1, g, 5),
            copy(f, 0, 1, f, 5), copy(f, 20, 0, g, 0), copy(f, 0, 1, b"nonsense", 0)]


@case
def listings(o):
    for name in ("a", "b", " ", "~", "-", "\n", "\\", "*", "ü"):
        o.make(name)
    o.make(b"\xff\xfe")
    o.mkdir("d")
    o.make(".hidden")
    return o.ls(), o.ls("d"), o.one(OPENDIR, "a"), o.one(OPENDIR, "no"), o.one(OPENDIR, "a/b")


@case
def listing_without_rights(o):
    o.mkdir("d")
    o.make("d/f")
    o.ask(SETSTAT, s(o.p("d")), u32(4) + u32(0))
    got = [o.one(OPENDIR, "d"), o.open("d/f", R), o.one(STAT, "d/f"), o.one(REMOVE, "d/f"), o.mkdir("d/e"), o.open("d/g", W | CREAT)]
    return got + [o.ask(SETSTAT, s(o.p("d")), u32(4) + u32(0o700)), o.ls("d")]


@case
def names(o):
    return [o.open(name, W | CREAT) for name in ("x" * 255, b"\xff\xfe", "a\nb", " ", "..", ".")] + [o.ls()]


@case
def realpaths(o):
    o.mkdir("d")
    got = []
    for name in ("", "d", "d/", "d/.", "d/..", "no", "d/../d//"):
        answer = o.one(REALPATH, name)
        got.append([n.decode().replace(o.dir, "") for n in answer] if isinstance(answer, list) else answer)
    return got


@case
def realpath_of_a_link(o):
    o.mkdir("d")
    o.link("d", "l")
    answer = o.one(REALPATH, "l")
    return [n.decode().replace(o.dir, "") for n in answer]


@case
def realpath_through_nothing(o):
    answer = o.one(REALPATH, "no/no")
    return [n.decode().replace(o.dir, "") for n in answer] if isinstance(answer, list) else answer


@case
def unknown(o):
    return o.ext("no-such-extension", s("x"))


@case
def statvfs(o):
    return o.ext("statvfs@openssh.com", s(o.p(""))) == EXTENDED_REPLY, o.ext("statvfs@openssh.com", s(o.p("no")))


@case
def users_groups(o):
    kind, r = o.raw.extended("users-groups-by-id@openssh.com", s(b""), s(b""))
    return kind, r.data


@case
def home_directory(o):
    return o.ext("home-directory", s("no-such-account"))


@case
def expand_path(o):
    return o.ext("expand-path@openssh.com", s("~no-such-account")), o.ext("expand-path@openssh.com", s("~no-such-account/x"))


@case
def limits(o):
    kind, r = o.raw.extended("limits@openssh.com")
    return kind, r.u64() >= 256 * 1024, r.u64(), r.u64()


def sides(host, port, key, folder, uid):
    ours, theirs = socket.socketpair()
    process = subprocess.Popen([ORACLE, "-e", "-u", "022"], stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL, user=uid, group=uid, extra_groups=[],
                               cwd=folder)
    theirs.close()
    client = connect(host, port, key)
    return Side(Raw(ours.sendall, ours.recv), folder, True), Side(subsystem(client), "/one", False), (ours, process, client)


def run(side, name, n):
    side.dir = f"{side.base}/case{n}"
    assert side.ask(MKDIR, s(side.dir), NO_ATTRS) == "OK"
    try:
        return cases[name](side)
    except Exception as e:
        return f"{type(e).__name__}: {e}"


def main(host, port, key, folder, uid):
    failed = 0
    oracle, us, (sock, process, client) = sides(host, port, key, folder, int(uid))
    for n, name in enumerate(cases):
        theirs, ours = run(oracle, name, n), run(us, name, n)
        # As many handles as cases leave open would not fit.
        oracle, us, (sock, process, client) = again(oracle, us, (sock, process, client), (host, port, key, folder, int(uid)), n)
        if name in DIFFER:
            want, why = DIFFER[name]
            good = ours == want and ours != theirs
            print(f"{'ok' if good else 'not ok'} {name}: differs, as {why}")
        else:
            good = ours == theirs
            print(f"{'ok' if good else 'not ok'} {name}")
        if not good:
            failed += 1
            print(f"oracle: {theirs}\nours:   {ours}", flush=True)
    finish(sock, process, client)
    return failed


def again(oracle, us, open_now, arguments, n):
    if n % 12 != 11:
        return oracle, us, open_now
    finish(*open_now)
    return sides(*arguments)


def finish(sock, process, client):
    sock.close()
    process.wait(10)
    client.close()


if __name__ == "__main__":
    sys.exit(1 if main(*sys.argv[1:]) else 0)
