#!/usr/bin/python3
"""holdfast-archive unpacking and emptying images, the real program: what is honest comes out as it went in, what is hostile gets nowhere."""
import bz2
import gzip
import io
import lzma
import os
import random
import shutil
import socket
import stat
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from lint import Tap
from link import Link, U64, pair

BUILD = os.environ.get("HOLDFAST_BUILD", os.getcwd())
PROGRAM = os.path.join(BUILD, "holdfast-archive")
ROOT = os.getuid() == 0
UID = 64003 if ROOT else os.getuid()
DONE, UNPACK, PROGRESS, EMPTY = 0x4c1, 0x4c2, 0x4c3, 0x4c4
MADE = 9 + 6         # what every image has: folders and files to mount on
tap = Tap()
WORK = tempfile.mkdtemp(prefix="holdfast-image.")
os.chmod(WORK, 0o711)


def is_(have, want, words):
    tap.ok(have == want, words, [] if have == want else [f"have {have!r}"[:2000], f"want {want!r}"[:2000]])


class Job:
    def __init__(self, kind, *fields, fds):
        ours, its = pair()
        self.log = tempfile.TemporaryFile()
        self.told = []

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
        self.link.send(kind, "image", 2, *fields, id=9, fds=fds)

    def done(self):
        while (m := self.link.recv()) and m.kind == PROGRESS:
            self.told.append(tuple(m.fields))
        code = self.process.wait(20)
        if m is None:
            self.log.seek(0)
            return 0, f"DIED {code} {self.log.read().decode()}", 0, 0
        assert (m.kind, m.id) == (DONE, 9), m
        return tuple(m.fields)


def unpack(archive, bytes_most=1 << 30, files_most=10000, keep=True):
    """ARCHIVE (bytes, or a descriptor, which is closed unless KEEP) into a new folder: (folder, ok, text, bytes, entries)."""
    tree = tempfile.mkdtemp(prefix="tree.", dir=WORK)
    os.chown(tree, UID, UID)
    os.chmod(tree, 0o755)
    folder = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    if isinstance(archive, bytes):
        with open(os.path.join(WORK, "archive"), "wb") as f:
            f.write(archive)
        fd = os.open(os.path.join(WORK, "archive"), os.O_RDONLY)
    else:
        fd = os.dup(archive) if keep else archive
    job = Job(UNPACK, U64(bytes_most), U64(files_most), fds=[folder, fd])
    os.close(folder)
    os.close(fd)
    return (tree, *job.done())


def entry(name, data=None, kind=None, mode=0o644, link="", mtime=1000000000, pax=None, size=None):
    t = tarfile.TarInfo(name)
    t.type = kind or (tarfile.REGTYPE if data is not None else tarfile.DIRTYPE)
    t.size, t.mode, t.linkname, t.mtime = len(data or b"") if size is None else size, mode, link, mtime
    t.uid, t.gid, t.uname, t.gname = 0, 0, "root", "root"
    if pax:
        t.pax_headers = pax
    return t, data


def tar(*entries, form=tarfile.PAX_FORMAT, end=True):
    out = io.BytesIO()
    t = tarfile.open(fileobj=out, mode="w", format=form)
    for head, data in entries:
        t.addfile(head, io.BytesIO(data) if data is not None else None)
    if end:
        t.close()
    return out.getvalue()


def below(tree):
    return sorted(os.path.relpath(os.path.join(d, n), tree) for d, fs, ns in os.walk(tree) for n in fs + ns)


SKELETON = sorted("etc var proc dev tmp run home sys var/tmp etc/passwd etc/group etc/hostname etc/hosts etc/resolv.conf etc/machine-id".split())
BUSYBOX = (entry("./"), entry("./bin"), entry("./bin/busybox", b"\x7fELF" * 5000, mode=0o755), entry("./bin/sh", kind=tarfile.SYMTYPE, link="busybox"))

# --- what is honest ---------------------------------------------------------------------------------------------------------------------------

tree, ok, text, size, count = unpack(tar(*BUSYBOX))
is_((ok, text), (1, ""), "a small root is unpacked")
is_(below(tree), sorted(SKELETON + ["bin", "bin/busybox", "bin/sh"]), "with all there is to mount on")
is_(count, MADE + 3, "and counted")
is_(size, 20480, "in blocks")
busybox = os.stat(f"{tree}/bin/busybox")
is_((busybox.st_mode & 0o7777, int(busybox.st_mtime), busybox.st_uid, busybox.st_gid), (0o755, 1000000000, UID, UID), "mode and time are kept, the owner is not")
is_(os.readlink(f"{tree}/bin/sh"), "busybox", "a link is a link")
is_(all(os.lstat(f"{tree}/{p}").st_uid == UID for p in below(tree)), True, "all belongs to one")

plain = tar(*BUSYBOX)
for words, packed in (("gzip", gzip.compress(plain)), ("bzip2", bz2.compress(plain)), ("xz", lzma.compress(plain)),
                      ("zstd", subprocess.run(["zstd", "-cq"], input=plain, capture_output=True).stdout)):
    tree, ok, text, _, count = unpack(packed)
    is_((ok, text, count), (1, "", MADE + 3), f"compressed by {words}")
for words, form in (("GNU", tarfile.GNU_FORMAT), ("ustar", tarfile.USTAR_FORMAT)):
    tree, ok, text, _, count = unpack(tar(*BUSYBOX, form=form))
    is_((ok, text, count), (1, "", MADE + 3), f"in the form of {words}")

long = "d" * 120 + "/" + "e" * 200 + "/" + "f" * 250
odd = ["new\nline", "tab\there", " ", "*", "größe 日本", "\udcff\udcfe", "back\\slash", "-rf", "con", "x" * 255]
for words, form in (("pax", tarfile.PAX_FORMAT), ("GNU", tarfile.GNU_FORMAT)):
    heads = [entry(n, b"1") for n in odd] + [entry(long, b"deep")]
    tree, ok, text, _, _ = unpack(tar(*heads, form=form))
    names = set(os.listdir(os.fsencode(tree)))
    is_((ok, [n for n in odd if os.fsencode(n) not in names], os.path.exists(f"{tree}/{long}")), (1, [], True), f"odd and long names in {words}")

tree, ok, text, _, _ = unpack(tar(
    entry("a", b"one", mode=0o6755), entry("closed", b"x", mode=0o200), entry("d", mode=0o2700), entry("d/in", b"y", mode=0), entry("sticky", mode=0o1777),
    entry("xa", b"x", pax={"SCHILY.xattr.security.capability": "\x01\0\0\x02\xff\xff\xff\xff", "SCHILY.xattr.user.x": "y", "SCHILY.acl.access": "user::rwx"})))
modes = {p: os.stat(f"{tree}/{p}").st_mode & 0o7777 for p in ("a", "closed", "d", "d/in", "sticky")}
is_((ok, modes), (1, {"a": 0o755, "closed": 0o644, "d": 0o755, "d/in": 0o444, "sticky": 0o1777}), "no set-id bits; everyone may read; else modes are kept")
is_(os.listxattr(f"{tree}/xa"), [], "no attributes, no capabilities")

tree, ok, text, _, _ = unpack(tar(entry("a", b"shared"), entry("sub/b", kind=tarfile.LNKTYPE, link="a"), entry("l", kind=tarfile.SYMTYPE, link="/etc/passwd"),
                                  entry("l2", kind=tarfile.LNKTYPE, link="./l"), entry("c", kind=tarfile.LNKTYPE, link="/a")))
is_((ok, os.stat(f"{tree}/a").st_nlink, os.readlink(f"{tree}/l2")), (1, 3, "/etc/passwd"), "hard links, also of a symbolic link")
tree, ok, text, _, _ = unpack(tar(entry("a", b"first", mode=0o755), entry("b", kind=tarfile.LNKTYPE, link="a"), entry("a", b"second"),
                                  entry("s", kind=tarfile.SYMTYPE, link="a"), entry("s", b"a file now"), entry("d", mode=0o700), entry("d", mode=0o777)))
is_((ok, [open(f"{tree}/{n}").read() for n in "abs"], stat.S_IMODE(os.stat(f"{tree}/d").st_mode)), (1, ["second", "first", "a file now"], 0o777),
    "what is given twice: the last counts, and a link's other name keeps the first")

tree, ok, text, _, count = unpack(tar(*BUSYBOX, entry("dev/sda", kind=tarfile.BLKTYPE), entry("dev/null", kind=tarfile.CHRTYPE), entry("run/fifo", kind=tarfile.FIFOTYPE),
                                      entry("etc/shadow", b"root:secret"), entry("./etc//gshadow-", b"x"), entry("etc/passwd", b"image's")))
is_((ok, text, count), (1, "3 devices, pipes or sockets left out, 2 shadow files left out", MADE + 3), "devices, pipes and shadow files are left out, and told")
is_([p for p in below(tree) if "shadow" in p or "sda" in p or "fifo" in p], [], "and not there")
is_(open(f"{tree}/etc/passwd").read(), "image's", "what it has of its own stays")

tree, ok, text, _, _ = unpack(tar(entry("etc/resolv.conf", kind=tarfile.SYMTYPE, link="../run/stub"), entry("etc/hosts", kind=tarfile.SYMTYPE, link="/nowhere"),
                                  entry("tmp", kind=tarfile.SYMTYPE, link="/"), entry("home", kind=tarfile.SYMTYPE, link="usr/home"), entry("proc", b"a file"),
                                  entry("var/tmp", kind=tarfile.SYMTYPE, link="../tmp"), entry("lib", kind=tarfile.SYMTYPE, link="usr/lib")))
kinds = {p: stat.S_IFMT(os.lstat(f"{tree}/{p}").st_mode) for p in SKELETON}
is_((ok, {p for p, k in kinds.items() if k not in (stat.S_IFDIR, stat.S_IFREG)}, kinds["proc"], kinds["tmp"]), (1, set(), stat.S_IFDIR, stat.S_IFDIR),
    "nothing is mounted on by way of a link")
is_(os.readlink(f"{tree}/lib"), "usr/lib", "other links stay")


def sparse(path, size, at):
    with open(path, "wb") as f:
        f.truncate(size)
        f.seek(at)
        f.write(b"data!")


holes = os.path.join(WORK, "holes")
os.mkdir(holes)
sparse(f"{holes}/middle", 100 << 20, 50 << 20)
sparse(f"{holes}/end", 1 << 20, (1 << 20) - 5)
with open(f"{holes}/none", "wb") as f:
    f.truncate(64 << 20)
for form in ("gnu", "posix"):
    packed = subprocess.run(["tar", "-C", holes, f"--format={form}", "-cSf", "-", "."], capture_output=True).stdout
    tree, ok, text, size, _ = unpack(packed)
    same = subprocess.run(["diff", "-r", holes, tree], capture_output=True, text=True).stdout
    is_((ok, [x for x in same.split("\n") if x and not x.startswith("Only in")], os.stat(f"{tree}/none").st_blocks < 100), (1, [], True), f"holes stay holes ({form})")
    shutil.rmtree(tree)
sparse(f"{holes}/huge", 1 << 42, 1 << 41)
for form in ("gnu", "posix"):
    packed = subprocess.run(["tar", "-C", holes, f"--format={form}", "-cSf", "-", "huge"], capture_output=True).stdout
    tree, ok, text, _, _ = unpack(packed)
    tap.ok(not ok and "too large: more than 1073741824" in text and "huge" in text, f"but count ({form}, {len(packed)} bytes for 4 TiB)", [text])

# --- what is hostile ---------------------------------------------------------------------------------------------------------------------------

outside = os.path.join(WORK, "outside")
os.makedirs(f"{outside}/sub")
os.chmod(outside, 0o777)
os.chmod(f"{outside}/sub", 0o777)
with open(f"{outside}/sub/in", "w") as f:
    f.write("in")
secret = os.path.join(WORK, "secret")
with open(secret, "w") as f:
    f.write("SECRET")
os.chmod(secret, 0o666)
SYM, LNK = tarfile.SYMTYPE, tarfile.LNKTYPE
for words, want, heads in (
        ("up", "'..' is not allowed", [entry("../outside/x", b"x")]),
        ("up in the middle", "'..' is not allowed", [entry("a"), entry("a/../../outside/x", b"x")]),
        ("up behind a slash", "'..' is not allowed", [entry("/../outside/x", b"x")]),
        ("through a link", "symbolic link or a file: out/x", [entry("out", kind=SYM, link=outside), entry("out/x", b"x")]),
        ("through a link upwards", "symbolic link or a file: up/outside/x", [entry("up", kind=SYM, link=".."), entry("up/outside/x", b"x")]),
        ("through two links", "symbolic link or a file", [entry("a", kind=SYM, link="b"), entry("b", kind=SYM, link=outside), entry("a/x", b"x")]),
        ("through a link that is given as a folder", "something else already and then a folder: out", [entry("out", kind=SYM, link=outside), entry("out"), entry("out/x", b"x")]),
        ("through a link within", "symbolic link or a file", [entry("usr/lib"), entry("lib", kind=SYM, link="usr/lib"), entry("lib/x", b"x")]),
        ("through a link in the middle", "symbolic link or a file", [entry("usr/lib/sub"), entry("lib", kind=SYM, link="usr/lib"), entry("lib/sub/x", b"x")]),
        ("through a link in the middle, out", "symbolic link or a file", [entry("out", kind=SYM, link=outside), entry("out/sub/x", b"x")]),
        ("a hard link through a link in the middle", "symbolic link or a file", [entry("out", kind=SYM, link=outside), entry("x", kind=LNK, link="out/sub/in")]),
        ("through a file", "symbolic link or a file", [entry("a", b"x"), entry("a/x", b"x")]),
        ("a folder through a link", "symbolic link or a file", [entry("out", kind=SYM, link=outside), entry("out/d")]),
        ("a hard link upwards", "'..' is not allowed", [entry("x", kind=LNK, link="../secret")]),
        ("a hard link to the outside", "No such file or directory", [entry("x", kind=LNK, link=secret)]),
        ("a hard link through a link", "symbolic link or a file", [entry("out", kind=SYM, link=WORK), entry("x", kind=LNK, link="out/secret")]),
        ("a hard link to nothing", "link: x: No such file", [entry("x", kind=LNK, link="nowhere")]),
        ("a hard link to a folder", "link: x", [entry("d"), entry("x", kind=LNK, link="d")]),
        ("a hard link to the root", "a hard link to the root", [entry("x", kind=LNK, link=".")]),
        ("a folder over a file", "something else already and then a folder", [entry("a", b"x"), entry("a")]),
        ("a file over a folder", "a folder already and then something else", [entry("a"), entry("a", b"x")]),
        ("a link over a folder", "a folder already and then something else", [entry("a"), entry("a", kind=SYM, link="/")]),
        ("a link to nothing", "symbolic link to nothing", [entry("a", kind=SYM, link="")]),
        ("depth", "more than 128 folders deep", [entry("d/" * 129)]),
        ("a name too long", "a name of more than 255 bytes", [entry("n" * 256, b"x")]),
        ("a path too long", "a path of more than 4095 bytes", [entry("/".join(["n" * 200] * 30), b"x")]),
        ("etc as a link", "not a root file system: /etc is not a folder", [entry("etc", kind=SYM, link="/etc")]),
        ("var as a file", "through a symbolic link or a file: var/tmp|/var is not a folder", [entry("var", b"x")]),
        ("a whiteout", "one layer of a container's image", [entry("usr/.wh.bin", b"")]),
        ("an opaque folder", "one layer of a container's image", [entry("usr/.wh..wh..opq", b"")]),
        ("an image in layers", "a container's image in layers", [entry("oci-layout", b"{}")]),
        ("an older one", "a container's image in layers", [entry("manifest.json", b"[]")]),
        ("data behind its end", "more data than its header says",
         [entry("x", b"1\n1000\n5\n".ljust(512, b"\0") + b"data!", pax={"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "x",
                                                                     "GNU.sparse.realsize": "10"})]),
        ("a size that is none", "", [entry("hole", b"", size=0, pax={"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "-5"})]),
        ("nothing", "it is empty", []),
):
    tree, ok, text, _, _ = unpack(tar(*heads))
    good = not ok and any(w in text for w in want.split("|")) and not text.startswith("DIED")
    tap.ok(good and below(outside) == ["sub", "sub/in"] and open(secret).read() == "SECRET" and os.stat(secret).st_nlink == 1, f"refused: {words}", [f"{ok} {text}", str(below(outside))])
    shutil.rmtree(tree)

tree, ok, text, _, _ = unpack(tar(entry("/abs/x", b"x"), entry("//y", b"y")))
is_((ok, os.path.exists(f"{tree}/abs/x"), os.path.exists("/abs"), os.path.exists("/y")), (1, True, False, False), "absolute names begin at the image's root")
link = tar(entry("x", kind=SYM, link=secret), entry("x", b"written over"))
tree, ok, text, _, _ = unpack(link)
is_((ok, open(f"{tree}/x").read(), open(secret).read()), (1, "written over", "SECRET"), "a file of a link's name replaces the link, not what it leads to")

tree, ok, text, size, count = unpack(tar(*(entry(f"f{i}", b"x" * 5000) for i in range(300))), bytes_most=1 << 20)
tap.ok(not ok and "too large: more than 1048576" in text and sum(os.stat(f"{tree}/{n}").st_blocks * 512 for n in os.listdir(tree)) <= 1 << 20,
       "no more bytes than allowed", [text])
for words, heads in (("files", [entry(f"f{i}", b"") for i in range(200)]), ("folders on the way", [entry("/".join(f"{i}-{j}" for j in range(40)) + "/f", b"") for i in range(5)]),
                     ("links", [entry(f"l{i}", kind=SYM, link="x") for i in range(200)]), ("devices", [entry(f"d{i}", kind=tarfile.CHRTYPE) for i in range(200)]),
                     ("hard links", [entry("a", b"")] + [entry(f"l{i}", kind=LNK, link="a") for i in range(200)])):
    tree, ok, text, _, _ = unpack(tar(*heads), files_most=100)
    tap.ok(not ok and "too many files: more than 100 ([limits] image_files)" in text and len(below(tree)) <= 100, f"no more {words} than allowed", [text, str(len(below(tree)))])

bomb = gzip.compress(entry("bomb", b"", size=2 << 30)[0].tobuf() + bytes(10 << 20))
tree, ok, text, _, _ = unpack(bomb, bytes_most=64 << 20)
is_((ok, "too large" in text), (0, True), "a bomb is refused by its header")
tree, ok, text, _, _ = unpack(gzip.compress(gzip.compress(plain)))
is_((ok, text), (0, "refused: it is compressed more than once"), "twice compressed is refused")

body = os.urandom(300000)
whole = tar(*BUSYBOX, entry("usr"), entry("usr/data", body), entry("usr/last", b"z" * 700))
for words, cut in (("in a header", whole[:1000]), ("in data", whole[:100000]), ("between two files", tar(*BUSYBOX, end=False)), ("in the middle of a gzip", gzip.compress(whole)[:200000]),
                   ("between two files, compressed afterwards", gzip.compress(tar(*BUSYBOX, end=False))), ("in the middle of an xz", lzma.compress(whole)[:200000]),
                   ("to nothing", b""), ("to one byte", b"x")):
    tree, ok, text, _, _ = unpack(cut)
    tap.ok(not ok and text.startswith("read the archive: ") and "DIED" not in text, f"cut {words} is noticed", [f"{ok} {text}"])
    shutil.rmtree(tree)
for words, data in (("text", b"this is no archive\n" * 1000), ("noise", os.urandom(100000)), ("a zip", b"PK\x03\x04" + os.urandom(1000)), ("a compressed text", gzip.compress(b"text" * 10000)),
                    ("a cpio", subprocess.run(["sh", "-c", "printf '070701%0104d' 0"], capture_output=True).stdout + b"x" * 4000)):
    tree, ok, text, _, _ = unpack(data)
    tap.ok(not ok and text.startswith("read the archive: ") and below(tree) == [], f"{words} is no archive", [f"{ok} {text}"])
tree, ok, text, _, _ = unpack(plain[:512 * 2] + b"\xff" * 512 + plain[512 * 3:])
is_(ok, 0, "a damaged header is noticed")
folder = os.open(WORK, os.O_RDONLY)
tree, ok, text, _, _ = unpack(folder)
is_((ok, text), (0, "read the archive: Is a directory"), "a folder is no archive")
os.close(folder)

# Bytes turned at random: it may take them or refuse them, but neither dies nor gets out.
rng = random.Random(4711)
rich = tar(*BUSYBOX, entry("l", kind=SYM, link="bin"), entry("h", kind=LNK, link="bin/busybox"), entry(long, b"deep"), entry("größe", b"x", pax={"path": "größe", "x.y": "z"}),
           form=tarfile.PAX_FORMAT)
died = []
for turn in range(100):
    data = bytearray(rich)
    for _ in range(rng.randrange(1, 8)):
        at = rng.randrange(len(data))
        data[at] = rng.randrange(256)
        # Mended sums let more of it through.
        block = at // 512 * 512
        if rng.random() < 0.7 and data[block + 257:block + 262] == b"ustar":
            data[block + 148:block + 156] = b" " * 8
            data[block + 148:block + 156] = b"%06o\0 " % sum(data[block:block + 512])
    tree, ok, text, _, _ = unpack(bytes(data), bytes_most=64 << 20)
    if text.startswith("DIED") or below(outside) != ["sub", "sub/in"]:
        died.append(f"turn {turn}: {text}")
    shutil.rmtree(tree)
is_(died, [], "turned bytes: refused or taken, never a death")

# --- pipes, a full disk, nobody waiting, progress -----------------------------------------------------------------------------------------------

r, w = os.pipe()
broken = []


def feed():
    try:
        os.write(w, plain[:700])
        time.sleep(0.3)
        for i in range(700, len(plain), 4096):
            os.write(w, plain[i:i + 4096])
        time.sleep(0.3)
        for _ in range(40):
            os.write(w, bytes(50000))
    except OSError as e:
        broken.append(e)
    os.close(w)


feeder = threading.Thread(target=feed)
feeder.start()
tree, ok, text, _, count = unpack(r, keep=False)
feeder.join()
is_((ok, text, count, broken), (1, "", MADE + 3, []), "from a pipe that is slow, and read to its end")

if ROOT:
    small = os.path.join(WORK, "small")
    os.mkdir(small)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=1m,mode=755,uid={UID},gid={UID}", "tmpfs", small], check=True)
    try:
        with open(os.path.join(WORK, "archive"), "wb") as f:
            f.write(tar(entry("big", bytes(3 << 20))))
        folder, fd = os.open(small, os.O_RDONLY), os.open(os.path.join(WORK, "archive"), os.O_RDONLY)
        job = Job(UNPACK, U64(1 << 30), U64(1000), fds=[folder, fd])
        is_(job.done()[:2], (0, "write: big: No space left on device"), "a full disk is told")
        is_(Job(EMPTY, fds=[folder]).done()[:2] + (os.listdir(small),), (1, "", []), "and what is left can be removed")
        os.close(folder)
        os.close(fd)
    finally:
        subprocess.run(["umount", small], check=True)
else:
    tap.skip("a full disk is told", "needs root")
    tap.skip("and what is left can be removed", "needs root")

for words, close in (("waits for bytes", False), ("works", True)):
    r, w = os.pipe()
    tree = tempfile.mkdtemp(prefix="tree.", dir=WORK)
    os.chown(tree, UID, UID)
    folder = os.open(tree, os.O_RDONLY)
    job = Job(UNPACK, U64(1 << 30), U64(1000), fds=[folder, r])
    os.close(r)
    os.write(w, entry("endless", b"", size=1 << 29)[0].tobuf())
    stop = threading.Event()
    if close:
        def pour():
            while not stop.is_set():
                try:
                    os.write(w, bytes(65536))
                except OSError:
                    return
        signal_free = threading.Thread(target=pour)
        signal_free.start()
    time.sleep(0.2)
    job.link.close()
    try:
        job.process.wait(20)
    except subprocess.TimeoutExpired:
        job.process.kill()
    stop.set()
    tap.ok(job.process.returncode not in (None, 0, -9), f"it ends when nobody waits for it any more and it {words}", [str(job.process.returncode)])
    os.close(folder)
    if close:
        signal_free.join()
    os.close(w)

r, w = os.pipe()
tree = tempfile.mkdtemp(prefix="tree.", dir=WORK)
os.chown(tree, UID, UID)
folder = os.open(tree, os.O_RDONLY)
job = Job(UNPACK, U64(1 << 30), U64(1000), fds=[folder, r])


def drip():
    for i in range(8):
        os.write(w, tar(entry(f"f{i}", b"x" * 40000), end=False))
        time.sleep(0.1)
    os.write(w, bytes(1024))
    os.close(w)


feeder = threading.Thread(target=drip)
feeder.start()
ok = job.done()[0]
feeder.join()
tap.ok(ok and 1 <= len(job.told) <= 8 and job.told == sorted(job.told), "it tells how far it is, not too often", [str(job.told)])

# --- emptying ------------------------------------------------------------------------------------------------------------------------------------

tree, ok, text, _, _ = unpack(tar(*BUSYBOX, entry("d/" * 127 + "deep", b"x"), entry("out", kind=SYM, link=outside), *(entry(f"many/{i}", b"") for i in range(3000)),
                                  entry("no", mode=0), entry("no/in", b"x")))
with open(f"{outside}/stays", "w"):
    pass
folder = os.open(tree, os.O_RDONLY)
done = Job(EMPTY, fds=[folder]).done()
is_((ok, done[:2], os.listdir(tree), below(outside)), (1, (1, ""), [], ["stays", "sub", "sub/in"]), "a tree is emptied, and what its links lead to stays")
os.close(folder)

for words, send in (("no descriptors", lambda l: l.send(UNPACK, "x", 2, U64(1), U64(1))), ("one too few", lambda l: l.send(UNPACK, "x", 2, U64(1), U64(1), fds=[0])),
                    ("no bounds", lambda l: l.send(UNPACK, "x", 2, fds=[0, 0]))):
    ours, its = pair()
    p = subprocess.Popen([PROGRAM], stderr=subprocess.DEVNULL, close_fds=False, preexec_fn=lambda: (os.dup2(its.fileno(), 3), os.set_inheritable(3, True)))
    send(Link(ours))
    is_(p.wait(10), 71, f"ends over {words}")

shutil.rmtree(WORK, ignore_errors=True)
tap.end()
