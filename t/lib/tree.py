#!/usr/bin/python3 -B
"""Trees of files to send, and what is in one afterwards.

tree.py make FOLDER WHAT...   plain: names every client takes; odd: not UTF-8, newline, wildcards; links: symlinks; many: 2,000 small files
tree.py show FOLDER [mode] [time] [folders] [links]    a line an entry: name, type, size and SHA-256 of a file, and what was asked for: modes
        and times of files, and with folders also theirs; symlinks and their targets
"""
import hashlib
import os
import random
import stat
import sys

PLAIN = [b"with space", b" leading and trailing ", "größe-日本.txt".encode(), b"-dash", b"--help", b"~tilde", b"it's \"quoted\"", b"a;b&c|d", b"$HOME",
         b"#hash", b"%41", b".hidden", b"x" * 255]
ODD = [b"latin-\xe9\xff", b"new\nline", b"tab\there", b"back\\slash", b"star*", b"what?", b"[bracket]", b"{a,b}", b"\x01control", b"\xf0\x9f\x98"]


def write(path, data, mode=0o644, mtime=None):
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, mode)
    os.utime(path, (mtime, mtime))


def make(top, *what):
    r = random.Random(4)

    def data(n):
        return r.randbytes(n)

    def when():
        return r.randrange(946684800, 1700000000)

    top = os.fsencode(top)
    os.makedirs(top, exist_ok=True)
    for name in (PLAIN if "plain" in what else []) + (ODD if "odd" in what else []):
        write(os.path.join(top, name), data(r.choice((1, 100, 5000))), r.choice((0o644, 0o600, 0o755)), when())
    if "plain" in what:
        write(top + b"/empty", b"", 0o640, when())
        write(top + b"/mid", data(3_000_001), 0o700, when())
        write(top + b"/two blocks", data(65536), 0o604, when())
        os.makedirs(top + b"/empty folder")
        os.makedirs(top + b"/d/" + b"deep/" * 20)
        write(top + b"/d/" + b"deep/" * 20 + b"end", b"end\n", 0o644, when())
        os.makedirs(top + b"/sp ace/-dash/.dot")
        write(top + b"/sp ace/-dash/.dot/f", b"f\n", 0o644, when())
    if "odd" in what:
        os.makedirs(top + b"/odd\n\xff folder")
        write(top + b"/odd\n\xff folder/f", data(777), 0o644, when())
    if "links" in what:
        for target, name in ((b"mid", b"link"), (b"nothing", b"dangling"), (b"d/deep", b"to folder"), (b"../../..", b"up"), (b"/etc/passwd", b"absolute")):
            os.symlink(target, os.path.join(top, name))
    for i in range(2000 if "many" in what else 0):
        folder = top + b"/%02d" % (i % 40)
        os.makedirs(folder, exist_ok=True)
        write(folder + b"/file %04d.dat" % i, data(r.choice((0, 1, 100, 4096, 5000))), 0o644, when())
    for folder, _, _ in os.walk(top, topdown=False):
        t = when()
        os.utime(folder, (t, t))


def line(path, name, asked):
    s = os.lstat(path)
    kind = {stat.S_IFDIR: "d", stat.S_IFLNK: "l", stat.S_IFREG: "f"}.get(stat.S_IFMT(s.st_mode), "?")
    words = [repr(name)[1:], kind]
    if kind == "f":
        with open(path, "rb") as f:
            words += [str(s.st_size), hashlib.sha256(f.read()).hexdigest()]
    elif kind == "l":
        words.append(repr(os.readlink(path)))
    known = kind == "f" or kind == "d" and "folders" in asked
    if "mode" in asked and known:
        words.append(f"{stat.S_IMODE(s.st_mode):o}")
    if "time" in asked and known:
        words.append(str(int(s.st_mtime)))
    return None if kind == "l" and "links" not in asked else " ".join(words)


def show(top, *asked):
    top, lines = os.fsencode(top), []
    os.stat(top)
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(folder, name)
            lines.append(line(path, os.path.relpath(path, top), asked))
    print("\n".join(sorted(x for x in lines if x)))


if __name__ == "__main__":
    {"make": make, "show": show}[sys.argv[1]](*sys.argv[2:])
