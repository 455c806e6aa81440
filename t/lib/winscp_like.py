#!/usr/bin/python3 -B
"""Requests in the order in which WinSCP, Cyberduck and other clients with windows send them, by raw packets.  winscp_like.py HOST PORT KEY

An upload goes to NAME.filepart; its last writes, close, attributes and the rename are sent without waiting."""
import os
import sys

import paramiko

from results import ok
from sftp_raw import (APPEND, ATTRS, CLOSE, CREAT, DATA, EXCL, FSETSTAT, FSTAT, HANDLE, LSTAT, MKDIR, NAME, NO_ATTRS, OPEN, OPENDIR, R, READ, READDIR,
                      READLINK, REALPATH, REMOVE, RENAME, Raw, SETSTAT, STAT, STATUS, SYMLINK, TRUNC, W, WRITE, s, u32, u64)

OK, EOF, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE = 0, 1, 2, 3, 4
BLOCK = 32768 - 1


def connect(host, port, key, version):
    t = paramiko.Transport((host, int(port)))
    t.local_version = version
    t.connect(username="alice", pkey=paramiko.Ed25519Key.from_private_key_file(key))
    channel = t.open_session()
    channel.invoke_subsystem("sftp")
    channel.settimeout(60)
    return t, channel


class Newest(Raw):
    """Offers version 6, as WinSCP does."""

    def __init__(self, channel):
        def send(data):
            if data[4] == 1 and len(data) == 9:
                data = data[:5] + u32(6)
            channel.sendall(data)
        super().__init__(send, channel.recv)


def code(answer):
    kind, r = answer
    return r.u32() if kind == STATUS else -kind


def times(t):
    return u32(8) + u32(t) + u32(t)


def mode_and_times(mode, t):
    return u32(4 | 8) + u32(mode) + u32(t) + u32(t)


def handle(answer):
    kind, r = answer
    assert kind == HANDLE, (kind, r.data)
    return r.s()


def send_all(raw, h, data, at=0):
    return [raw.post(WRITE, s(h), u64(o), s(data[o:o + BLOCK])) for o in range(at, len(data), BLOCK)]


def upload(raw, name, data, stamp):
    part = name + ".filepart"
    ok(code(raw.ask(LSTAT, s(name))) == NO_SUCH_FILE, "nothing is there yet")
    h = handle(raw.ask(OPEN, s(part), u32(W | CREAT | EXCL | TRUNC), NO_ATTRS))
    half = len(data) // 2 // BLOCK * BLOCK
    ids = send_all(raw, h, data[:half])
    ok({code(raw.wait(i)) for i in ids} == {OK}, "half of an upload")
    raw.close(h)
    ok(code(raw.ask(OPEN, s(part), u32(W | CREAT | EXCL), NO_ATTRS)) == FAILURE, "the part is there: exclusive creation is refused")
    h = handle(raw.ask(OPEN, s(part), u32(W), NO_ATTRS))
    kind, r = raw.ask(FSTAT, s(h))
    ok(kind == ATTRS and r.attrs()["size"] == half, "its size by the handle")
    ids = send_all(raw, h, data, half)
    ids += [raw.post(CLOSE, s(h)), raw.post(SETSTAT, s(part), mode_and_times(0o100640, stamp)), raw.post(RENAME, s(part), s(name)),
            raw.post(STAT, s(name))]
    ok([code(raw.wait(i)) for i in ids[:-1]] == [OK] * (len(ids) - 1), "the rest, close, attributes and rename without waiting")
    a = raw.wait(ids[-1])[1].attrs()
    ok((a["size"], a["mode"], a["mtime"]) == (len(data), 0o100640, stamp), "have their effect in that order", a)
    ok(raw.read(name) == data, "and the bytes are right")


def replace(raw, name, data):
    raw.write(name + ".filepart", data)
    ok(code(raw.ask(RENAME, s(name + ".filepart"), s(name))) == FAILURE, "a rename over what is there is refused")
    ids = [raw.post(REMOVE, s(name)), raw.post(RENAME, s(name + ".filepart"), s(name))]
    ok([code(raw.wait(i)) for i in ids] == [OK, OK], "remove and rename without waiting")
    ok(raw.read(name) == data, "replace it")


def download(raw, name, data):
    h = handle(raw.ask(OPEN, s(name), u32(R), NO_ATTRS))
    ids = [raw.post(READ, s(h), u64(o), u32(BLOCK)) for o in range(0, len(data) + 4 * BLOCK, BLOCK)]
    got, ends = b"", 0
    for i in ids:
        kind, r = raw.wait(i)
        if kind == DATA:
            got += r.s()
        else:
            ends += r.u32() == EOF
    ok(got == data and ends >= 3, "reads sent ahead, past the end")
    raw.close(h)


def listing(raw, path, want):
    h = handle(raw.ask(OPENDIR, s(path)))
    ids = [raw.post(READDIR, s(h)) for _ in range(3)] + [raw.post(CLOSE, s(h))]
    names, codes = [], []
    for i in ids:
        kind, r = raw.wait(i)
        if kind == NAME:
            for _ in range(r.u32()):
                names.append(r.s().decode())
                r.s()
                r.attrs()
        else:
            codes.append(r.u32())
    ok(sorted(names) == sorted([".", ".."] + want) and codes[-1] == OK, "a listing asked for ahead, and closed", (names, codes))


def odd_flags(raw):
    for words, flags in (("create", CREAT), ("create and cut", CREAT | TRUNC), ("write and create", W | CREAT), ("all ways", R | W | CREAT),
                         ("append and create", APPEND | CREAT), ("write, append, create", W | APPEND | CREAT)):
        h = handle(raw.ask(OPEN, s("/big/odd"), u32(flags), u32(4) + u32(0o100644)))
        ok(code(raw.ask(WRITE, s(h), u64(0), s(b"some"))) == OK, f"a file opened to {words} is written")
        ok(code(raw.ask(FSETSTAT, s(h), times(77))) == OK and raw.close(h) == OK, "stamped by its handle, and closed")
        ok(code(raw.ask(WRITE, s(h), u64(0), s(b"late"))) == FAILURE, "a write after the close is refused")
        ok(code(raw.ask(SETSTAT, s("/big/odd"), u32(4) + u32(0o666))) == OK and raw.ask(STAT, s("/big/odd"))[1].attrs()["mtime"] == 77,
           "attributes after the close")
        raw.status(REMOVE, s("/big/odd"))


def links(host, port, key):
    for version, first in (("SSH-2.0-WinSCP_release_5.21.7", True), ("SSH-2.0-libssh_0.10.6", True), ("SSH-2.0-libssh2_1.10.0", False),
                           ("SSH-2.0-OpenSSH_9.2", False)):
        t, channel = connect(host, port, key, version)
        raw = Raw(channel.sendall, channel.recv)
        names = (s("/big/link"), s("f.txt")) if first else (s("f.txt"), s("/big/link"))
        made = code(raw.ask(SYMLINK, *names))
        kind, r = raw.ask(READLINK, s("/big/link"))
        ok(made == OK and kind == NAME and (r.u32(), r.s()) == (1, b"f.txt"), f"a symlink as {version[8:]} makes it")
        raw.status(REMOVE, s("/big/link"))
        t.close()


def main(host, port, key):
    t, channel = connect(host, port, key, "SSH-2.0-WinSCP_release_5.21.7")
    raw = Newest(channel)
    ok("posix-rename@openssh.com" in raw.extensions, "a client that offers version 6 gets 3")
    for path in (".", "", "/", "/."):
        kind, r = raw.ask(REALPATH, s(path))
        ok(kind == NAME and (r.u32(), r.s()) == (1, b"/"), f"realpath of '{path}'")
    data = os.urandom(3_000_001)
    upload(raw, "/big/f.txt", data, 1_234_567_890)
    replace(raw, "/big/f.txt", data[::-1])
    download(raw, "/big/f.txt", data[::-1])
    listing(raw, "/big", ["f.txt", "lost+found"] if raw.ask(LSTAT, s("/big/lost+found"))[0] == ATTRS else ["f.txt"])
    ok([code(raw.ask(MKDIR, s(p), NO_ATTRS)) for p in ("/", "/big", "/new")] == [FAILURE, FAILURE, PERMISSION_DENIED],
       "a folder that exists is said to fail, as where all folders of a path are made; a new server is not permitted")
    odd_flags(raw)
    ok(code(raw.extended("copy-file", s("/big/f.txt"), s("/big/copy"), b"\0")) == OK and raw.read("/big/copy") == data[::-1], "copy-file")
    kind, r = raw.extended("space-available", s("/big"))
    total, _, _, free = (r.u64() for _ in range(4))
    ok(free <= total <= 1500 << 20, "space-available")
    t.close()
    links(host, port, key)
    return 1 if ok.failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
