#!/usr/bin/python3 -B
"""Paths at their limits against OpenSSH's sftp-server, as sftp_oracle.py compares operations: as long as can be, deeper than a path can say,
names of any bytes.

sftp_paths.py HOST PORT KEY FOLDER UID     FOLDER is UID's, for the oracle; holdfast's is /one
"""
import sys

import sftp_oracle
from sftp_oracle import WORDS_NOT_PROTOCOL, case
from sftp_raw import (CREAT, EXCL, FSTAT, LSTAT, NAME, OPENDIR, R, READDIR, READLINK, REALPATH, REMOVE, RENAME, RMDIR, SETSTAT, STAT, TRUNC,
                      W, s, u32, u64)

sftp_oracle.cases.clear()
sftp_oracle.DIFFER = DIFFER = {
    "paths of 4097 bytes": (["FAILURE"] * 38, WORDS_NOT_PROTOCOL),
    "a link's target of 4096 bytes": (["FAILURE", False, "NO_SUCH_FILE", False], WORDS_NOT_PROTOCOL),
    "a link's target of 4097 bytes": (["FAILURE", False, "NO_SUCH_FILE", False], WORDS_NOT_PROTOCOL),
}
DEEP, HALF = 1900, 1100       # folders of one letter in each other: a path can still say DEEP of them, twice HALF it cannot
SOME = (b"\xff" * 255, b"\xc3" * 254, b"n" * 255, b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xe9 \n\t", b"\x80.", b"-\xff",
        b"\xe2\x80\xae txt", bytes(range(1, 46)), bytes(range(48, 256)))


def every_operation(o, name, other):
    """On NAME, which nothing has, and OTHER, which has the same length and stands beside it."""
    got = [o.open(name, R), o.open(name, W | CREAT | EXCL)]
    if got[-1] == "handle":
        got += [o.write(o.handle, 0, b"data"), o.ask(FSTAT, s(o.handle)), o.close(o.handle)]
    path = s(o.p(name))
    got += [o.one(STAT, name), o.one(LSTAT, name), o.open(name, W | CREAT | EXCL), o.open(name, R)]
    if got[-1] == "handle":
        got += [o.read(o.handle, 0, 10), o.close(o.handle)]
    got += [o.ask(SETSTAT, path, u32(4) + u32(0o640)), o.ask(SETSTAT, path, u32(1) + u64(2)), o.ask(SETSTAT, path, u32(8) + u32(1) + u32(2)),
            o.ext("lsetstat@openssh.com", path, u32(8) + u32(3) + u32(4)), o.one(STAT, name), o.one(OPENDIR, name)]
    got += [o.two(RENAME, name, other), o.one(STAT, name), o.ext("posix-rename@openssh.com", s(o.p(other)), path), o.one(STAT, other)]
    got += [o.ext("hardlink@openssh.com", path, s(o.p(other))), o.one(STAT, other), o.two(RENAME, name, other), o.one(REMOVE, other)]
    got += [o.link("target", other), o.one(READLINK, other), o.one(STAT, other), o.one(LSTAT, other), o.one(REMOVE, other)]
    got += [o.mkdir(other), o.one(STAT, other), o.one(RMDIR, name), o.one(REMOVE, other), o.two(RENAME, other, name)]
    if o.one(OPENDIR, other) == "handle":
        got += [o.ask(READDIR, s(o.handle)), o.close(o.handle)]
    got += [o.one(RMDIR, other), o.ext("statvfs@openssh.com", path), o.open(name, W | CREAT | TRUNC)]
    if got[-1] == "handle":
        got.append(o.close(o.handle))
    return got + [real(o, name), o.one(REMOVE, name), o.one(REMOVE, name), o.one(RMDIR, name), o.one(READLINK, name)]


def real(o, name):
    answer = o.one(REALPATH, name)
    return [n.replace(o.dir.encode(), b"") == (name if isinstance(name, bytes) else name.encode()).join((b"/", b"")) for n in answer] \
        if isinstance(answer, list) else answer


def dig(o, length):
    """Folders until a name of some bytes makes a path of LENGTH as it is sent; returns what stands before that name, and how long it must be."""
    folder, left = "", length - len(o.dir) - 1
    while left > 250:
        folder += "d" * 120 + "/"
        left -= 121
        assert o.mkdir(folder) == "OK"
    return folder, left


def long_case(length):
    def fn(o):
        folder, left = dig(o, length)
        got = every_operation(o, folder + "a" * left, folder + "b" * left)
        if length == 4095 and not o.oracle:
            DIFFER["paths of 4096 bytes"] = got, "the kernel is not told the server's name, so a path may be longer by it"
        return got
    fn.__name__ = f"paths of {length} bytes"
    return fn


for length in (1000, 4094, 4095, 4096, 4097):
    case(long_case(length))


def name_case(name):
    def fn(o):
        return every_operation(o, name, bytes([name[0] ^ 0x20]) + name[1:]), every_operation(o, name[:-1] or b"z", name)
    fn.__name__ = f"a name of {len(name)} bytes, {name[:12]!r}"
    return fn


for name in SOME:
    case(name_case(name))


@case
def any_byte_in_a_name(o):
    names = [n for b in range(1, 256) for n in (bytes([b]), b"x" + bytes([b]), bytes([b]) + b"y") if b != 0x2f and n != b"."]
    for name in names:
        o.make(name, name)
    assert o.ls()[0] == sorted(names + [b".", b".."])
    got = [o.whole(name) == name and o.one(STAT, name) for name in names]
    return got, [o.one(REMOVE, name) for name in names], o.ls()


@case
def any_byte_in_a_folder_and_a_target(o):
    got = []
    for name in SOME:
        got += [o.mkdir(name), o.mkdir(name + b"/" + name), o.open(name + b"/" + name + b"/" + name, W | CREAT), o.close(o.handle)]
        got += [o.link(name, b"link"), o.one(READLINK, b"link"), o.ls(b"link"), o.ls(name), o.one(REMOVE, b"link")]
        got += [o.one(REMOVE, name + b"/" + name + b"/" + name), o.one(RMDIR, name + b"/" + name), o.one(RMDIR, name)]
    return got


@case
def lines_end_in_the_name(o):
    for name in SOME:
        o.make(name)
    assert o.one(OPENDIR, "") == "handle"
    handle, got = o.handle, []
    while (answer := o.raw.ask(READDIR, s(handle)))[0] == NAME:
        for _ in range(answer[1].u32()):
            name, line = answer[1].s(), answer[1].s()
            answer[1].attrs()
            got.append((name, line.endswith(b" " + name)))
    return sorted(got)


def target_case(length):
    def fn(o):
        o.make("f")
        target = "./" * ((length - 1) // 2) + "/" * ((length - 1) % 2) + "f"
        assert len(target) == length
        got = [o.link(target, "l"), o.one(READLINK, "l") == [target.encode()], o.one(STAT, "l")]
        return got + [o.open("l", R) == "handle" and o.read(o.handle, 0, 10)]
    fn.__name__ = f"a link's target of {length} bytes"
    return fn


for length in (4094, 4095, 4096, 4097):
    case(target_case(length))


def chain(o, letter, n):
    """N folders in each other; the statuses of making them, which are all the same."""
    return {o.mkdir("/".join([letter] * i)) for i in range(1, n + 1)}


@case
def deep(o):
    got = [chain(o, "d", DEEP)]
    bottom = "/".join("d" * DEEP)
    o.make(bottom + "/f", b"deep")
    o.link("../" * 1000 + "f", bottom + "/up")
    o.link("../" * 900 + "no", bottom + "/over")
    o.make("/".join("d" * (DEEP - 1000)) + "/f", b"upper")
    got += [o.whole(bottom + "/f"), o.ls(bottom), o.one(STAT, bottom + "/f"), o.one(STAT, bottom + "/over")]
    got += [o.open(bottom + "/up", R), o.read(o.handle, 0, 10)]
    return got + [o.two(RENAME, bottom + "/f", "f"), o.two(RENAME, "f", bottom + "/g"), o.one(RMDIR, bottom), o.one(REMOVE, bottom + "/g")]


@case
def deeper_than_a_path(o):
    """One chain moved to the other's bottom: a path to its own bottom would be too long, but by way of a link there is one."""
    got = [chain(o, "d", HALF), chain(o, "e", HALF)]
    o.make("/".join("d" * HALF) + "/f", b"deepest")
    bottom = "/".join("e" * HALF)
    got += [o.two(RENAME, "d", bottom + "/d"), o.link(bottom, "short"), o.ls("short"), o.ls(bottom)]
    got += [o.one(kind, bottom + "/d" * HALF) in ("FAILURE", "BAD_MESSAGE") for kind in (STAT, OPENDIR, RMDIR, REMOVE, READLINK)]
    deepest = "short/" + "/".join("d" * HALF)
    got += [o.whole(deepest + "/f"), o.ls(deepest), o.two(RENAME, deepest + "/f", "f"), o.two(RENAME, "f", deepest + "/g")]
    got += [o.one(STAT, deepest + "/g"), o.mkdir(deepest + "/h"), o.one(RMDIR, deepest + "/h"), o.ext("statvfs@openssh.com", s(o.p(deepest)))]
    got += [o.open(deepest + "/i", W | CREAT), o.one(REMOVE, deepest + "/i"), o.one(RMDIR, "short/d"), o.one(REMOVE, deepest + "/g")]
    # What cannot be named any more can be brought back, and be removed.
    got += [o.two(RENAME, "short/d", "back"), {o.one(RMDIR, "back" + "/d" * i) for i in range(HALF - 1, -1, -1)}]
    return got + [o.one(REMOVE, "short"), {o.one(RMDIR, "/".join("e" * i)) for i in range(HALF, 0, -1)}, o.ls()]


if __name__ == "__main__":
    sys.exit(1 if sftp_oracle.main(*sys.argv[1:]) else 0)
