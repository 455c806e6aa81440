#!/usr/bin/python3 -B
"""The extensions, one by one.  sftp_extensions.py HOST PORT KEY KEY2, where bob of KEY2 owns `three`."""
import hashlib
import os
import struct
import sys
import time
import zlib

from results import ok
from sftp_raw import (APPEND, ATTRS, CLOSE, CREAT, DATA, EXTENDED, EXTENDED_REPLY, EXCL, FSETSTAT, FSTAT, OPEN, R, READ, REMOVE, SETSTAT, STAT, STATUS, TRUNC, W,
                      WRITE, Reader, connect, s, subsystem, u32, u64)

OK, EOF, NO_FILE, DENIED, FAILURE, _, _, _, UNSUPPORTED = range(9)
def code(answer):
    kind, r = answer
    return r.u32() if kind == STATUS else None


def said(answer):
    kind, r = answer
    return (r.u32(), r.s().decode()) if kind == STATUS else (None, kind)


host, port, key, key2 = sys.argv[1:5]
client = connect(host, port, key)
raw = subsystem(client)

# --- what is advertised

want = {"check-file-handle": "1", "check-file-name": "1", "check-file": "1", "copy-data": "1", "copy-file": "1", "space-available": "1",
        "users-groups-by-id@openssh.com": "1", "limits@openssh.com": "1", "posix-rename@openssh.com": "1", "statvfs@openssh.com": "2",
        "fstatvfs@openssh.com": "2", "hardlink@openssh.com": "1", "fsync@openssh.com": "1", "lsetstat@openssh.com": "1",
        "expand-path@openssh.com": "1", "home-directory": "1"}
ok(raw.extensions == want, "the extensions and their versions", raw.extensions)

# --- check-file

data = os.urandom(1_500_001)
raw.write("/one/data", data)
raw.write("/one/empty", b"")
digests = {n: hashlib.new(n) for n in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")}


def digest(name, part):
    return struct.pack(">I", zlib.crc32(part)) if name == "crc32" else hashlib.new(name, part).digest()


def check(extension, subject, names, start=0, length=0, block=0):
    kind, r = raw.extended(extension, s(subject), s(names), u64(start), u64(length), u32(block))
    if kind != EXTENDED_REPLY:
        return kind, r.u32(), r.s().decode()
    if extension == "check-file" and r.s() != b"check-file":
        return "no echo"
    return r.s().decode(), r.data


h = raw.open("/one/data", R)
for name in (*digests, "crc32"):
    ok(check("check-file-name", "/one/data", name) == (name, digest(name, data)), f"check-file-name, {name}")
ok(check("check-file-handle", h, "sha256") == ("sha256", digest("sha256", data)), "check-file-handle")
ok(check("check-file", h, "sha256") == ("sha256", digest("sha256", data)), "check-file as paramiko speaks it")
ok(check("check-file-handle", h, "whirlpool,crc32,md5") == ("crc32", digest("crc32", data)), "the first known of a list")
ok(check("check-file-handle", h, "whirlpool")[1] == FAILURE, "none known")
ok(check("check-file-handle", h, "")[1] == FAILURE, "an empty list")
ok(check("check-file-handle", h, "md5", 1000, 5000) == ("md5", digest("md5", data[1000:6000])), "a range")
ok(check("check-file-handle", h, "md5", 1000) == ("md5", digest("md5", data[1000:])), "from a place to the end")
ok(check("check-file-handle", h, "md5", 1_500_000, 99) == ("md5", digest("md5", data[1_500_000:])), "a range past the end is cut")
ok(check("check-file-handle", h, "md5", len(data)) == ("md5", digest("md5", b"")), "from the end on")
ok(check("check-file-handle", h, "md5", len(data) + 1)[1] == FAILURE, "from past the end")
for block in (256, 1000, 65536, 300_000, 10_000_000):
    parts = b"".join(digest("sha1", data[i:i + block]) for i in range(0, len(data), block))
    ok(check("check-file-handle", h, "sha1", 0, 0, block) == ("sha1", parts), f"blocks of {block}")
ok(check("check-file-handle", h, "sha1", 0, 0, 255)[1] == FAILURE, "blocks of 255 are too small")
ok(check("check-file-name", "/one/empty", "md5") == ("md5", digest("md5", b"")), "an empty file")
ok(check("check-file-name", "/one/nothing", "md5")[1] == NO_FILE, "a missing file")
ok(check("check-file-name", "/one", "md5")[1] == FAILURE, "a folder")
ok(check("check-file-name", "/", "md5")[1] == FAILURE, "the root")
ok(check("check-file-name", "/three/run", "md5")[1] == NO_FILE, "another's server")
ok(check("check-file-handle", b"12345678", "md5")[1] == FAILURE, "no handle")
w = raw.open("/one/w", W | CREAT | TRUNC)
ok(check("check-file-handle", w, "md5", 0, 0, 0)[1] == FAILURE, "a handle for writing only has nothing to hash", check("check-file-handle", w, "md5"))
raw.status(20, s("/etc/passwd"), s("/one/out"))
ok(check("check-file-name", "/one/out", "md5")[1] == DENIED, "a link out of the server")

# Small blocks of a large file do not fit in an answer; and one is at work while others are asked.
raw.status(SETSTAT, s("/one/w"), u32(1), u64(1 << 30))
ok(check("check-file-name", "/one/w", "md5", 0, 0, 256)[1] == FAILURE, "more blocks than an answer holds")
start = time.monotonic()
long = raw.post(EXTENDED, s("check-file-name"), s("/one/w"), s("sha512"), u64(0), u64(0), u32(0))
ok(raw.ask(STAT, s("/one/data"))[0] == ATTRS and raw.ask(READ, s(h), u64(0), u32(100))[0] == DATA and long not in raw.answers,
   "requests are answered while a long one is at work")
beside = time.monotonic() - start
kind, r = raw.wait(long)
took = time.monotonic() - start
ok(kind == EXTENDED_REPLY and beside < took, f"which comes to its end", f"{beside} {took}")
# A handle is closed when its check is through, not before.
w2 = raw.open("/one/w", R)
a = raw.post(EXTENDED, s("check-file-handle"), s(w2), s("md5"), u64(0), u64(1 << 28), u32(0))
b = raw.post(CLOSE, s(w2))
ok(raw.wait(a)[0] == EXTENDED_REPLY and code(raw.wait(b)) == OK, "close waits for the check")
raw.close(w)
raw.status(REMOVE, s("/one/w"))

# --- copy-data

raw.write("/one/target", b"t" * 100)


def copy(frm, at, size, to, to_at):
    return code(raw.extended("copy-data", s(frm), u64(at), u64(size), s(to), u64(to_at)))


t = raw.open("/one/target", R | W)
ok(copy(h, 0, 0, t, 0) == OK and raw.read("/one/target") == data, "copy-data of all")
ok(copy(h, 10, 20, t, 5) == OK and raw.read("/one/target") == data[:5] + data[10:30] + data[25:], "of a range")
ok(copy(h, 0, 1000, t, 2_000_000) == OK and raw.read("/one/target")[1_500_001:] == b"\0" * 499_999 + data[:1000], "past the end makes a hole")
ok(copy(h, len(data) - 10, 20, t, 0) == OK, "more than there is: what there is")
ok(raw.read("/one/target")[:10] == data[-10:], "and what there is is copied")
ok(copy(h, len(data), 0, t, 0) == OK, "nothing from the end on")
ok(copy(t, 0, 10, t, 100) == FAILURE, "within one handle")
t2 = raw.open("/one/target", R)
ok(copy(t2, 0, 10, t, 100) == FAILURE, "within one file")
ok(copy(h, 0, 10, h, 0) == FAILURE, "to a handle for reading")
wo = raw.open("/one/wo", W | CREAT)
ok(copy(wo, 0, 10, t, 0) == FAILURE, "from a handle for writing")
ok(copy(b"nonsense", 0, 10, t, 0) == FAILURE, "from no handle")
other = raw.open("/two/other", W | CREAT | TRUNC)
ok(copy(h, 0, 10, other, 0) == FAILURE, "to another server")
# What is written behind a copy lands behind it, whatever was not waited for.
ids = [raw.post(EXTENDED, s("copy-data"), s(h), u64(0), u64(0), s(wo), u64(0)), raw.post(WRITE, s(wo), u64(0), s(b"over")), raw.post(CLOSE, s(wo))]
ok([code(raw.wait(i)) for i in ids] == [OK, OK, OK] and raw.read("/one/wo") == b"over" + data[4:], "copy, write, close without waiting")
for handle in (t, t2, other):
    raw.close(handle)

# --- copy-file


def copy_file(frm, to, replace):
    return said(raw.extended("copy-file", s(frm), s(to), bytes([replace])))


raw.status(SETSTAT, s("/one/data"), u32(4), u32(0o750))
ok(copy_file("/one/data", "/one/copy", 0)[0] == OK and raw.read("/one/copy") == data, "copy-file")
ok(raw.ask(STAT, s("/one/copy"))[1].attrs()["mode"] & 0o7777 == 0o750, "keeps the mode")
ok(copy_file("/one/data", "/one/copy", 0)[0] == FAILURE, "does not replace unasked")
raw.write("/one/short", b"short")
ok(copy_file("/one/short", "/one/copy", 1)[0] == OK and raw.read("/one/copy") == b"short", "replaces when asked, and leaves no tail")
ok(copy_file("/one/copy", "/one/copy", 1)[0] == FAILURE and raw.read("/one/copy") == b"short", "onto itself is refused, and nothing is lost")
ok(copy_file("/one/nothing", "/one/copy2", 1)[0] == NO_FILE, "of a missing file")
ok(copy_file("/one/data", "/one/no/copy", 1)[0] == NO_FILE, "to a missing folder")
ok(copy_file("/one", "/one/copy2", 1)[0] == FAILURE, "of a folder")
ok(copy_file("/one/data", "/two/copy", 1)[0] == FAILURE, "to another server")
ok(copy_file("/one/out", "/one/copy2", 1)[0] == DENIED, "through a link out of the server")
ok(copy_file("/one/data", "/one/out", 1)[0] == DENIED, "and to one")

# --- the limit: never passed, used to the last block

raw.write("/one/big", b"b" * (20 << 20))
codes = [copy_file("/one/big", f"/one/big{i}", 0) for i in range(4)]
ok(codes[0][0] == OK and codes[-1][0] == FAILURE, "copies until the disk is full", codes)
ok("quota exceeded" in codes[-1][1], "which is said", codes[-1])
_, r = raw.extended("statvfs@openssh.com", s("/one"))
v = [r.u64() for _ in range(11)]
ok(v[4] * v[1] <= 65536, "to nearly the last block", v)
raw.status(REMOVE, s("/one/big3"))
h2, b0 = raw.open("/one/data", R), raw.open("/one/big0", W)
ok(code(raw.extended("copy-data", s(h2), u64(0), u64(0), s(b0), u64(4096))) == OK, "over what is there a full disk is no hindrance")
free_before = v[4]
for i in range(4):
    raw.status(REMOVE, s(f"/one/big{i}"))
_, r = raw.extended("statvfs@openssh.com", s("/one"))
ok([r.u64() for _ in range(11)][4] > free_before, "and comes back")
raw.close(h2)
raw.close(b0)

# --- ids, space, limits

kind, r = raw.extended("users-groups-by-id@openssh.com", s(u32(54321) + u32(0)), s(u32(7)))
users, groups = Reader(r.s()), Reader(r.s())
ok([users.s(), users.s(), groups.s()] == [b"server"] * 3 and not users.data and not groups.data, "users-groups-by-id")
ok(code(raw.extended("users-groups-by-id@openssh.com", s(b"123"), s(b""))) == FAILURE, "half an id")
_, r = raw.extended("space-available", s("/one/data"))
space = [r.u64(), r.u64(), r.u64(), r.u64(), r.u32()]
_, r = raw.extended("statvfs@openssh.com", s("/one"))
v = [r.u64() for _ in range(11)]
ok(space[0] == v[1] * v[2] and abs(space[3] - v[1] * v[4]) < 2 << 20 and space[4] == v[1], "space-available agrees with statvfs", (space, v))
ok(code(raw.extended("space-available", s("/one/nothing"))) == NO_FILE, "of a missing file")
_, r = raw.extended("limits@openssh.com")
packet, most_read, most_write, handles = r.u64(), r.u64(), r.u64(), r.u64()
kind, answer = raw.ask(READ, s(h), u64(0), u32(most_read))
ok(kind == DATA and answer.s() == data[:most_read], "a read of the limit is answered whole", most_read)
kind, answer = raw.ask(READ, s(h), u64(0), u32(most_read + 1))
ok(kind == DATA and len(answer.s()) == most_read, "one byte more is not")
x = raw.open("/one/x", R | W | CREAT | TRUNC)
ok(raw.status(WRITE, s(x), u64(0), s(data[:most_write]))[0] == OK and raw.read("/one/x") == data[:most_write], "a write of the limit is taken", most_write)
more = packet - 1 - 4 - 12 - 8 - 4
big = (data * 2)[:more]
ok(raw.status(WRITE, s(x), u64(0), s(big))[0] == OK and raw.read("/one/x") == big, "a packet of the limit is taken", packet)
raw.close(x)
raw.close(h)
opened = [raw.open(f"/one/h{i}", W | CREAT) for i in range(handles)]
ok(said(raw.ask(OPEN, s("/one/h"), u32(W | CREAT), u32(0)))[0] == FAILURE, "as many handles as the limit says, and no more", handles)
for handle in opened:
    raw.close(handle)

# --- what is asked in one breath is answered in its order

raw.write("/one/order", b"x")
h, wrong = raw.open("/one/order", R), []
send, breath = raw.send, []
for size in range(1000, 1100):
    raw.send = breath.append
    first, then = raw.post(SETSTAT, s("/one/order"), u32(1), u64(size)), raw.post(FSTAT, s(h))
    raw.send = send
    send(b"".join(breath))
    breath.clear()
    kind, r = raw.wait(then)
    raw.wait(first)
    seen = r.attrs()["size"] if kind == ATTRS else None
    if seen != size:
        wrong.append((size, seen))
ok(not wrong, "fstat behind a setstat by name shows what that set", wrong[:3])
raw.close(h)
client.close()
sys.exit(ok.failed != 0)
