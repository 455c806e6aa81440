"""Plays supervisor, store and shim for real holdfast-session processes, so that the session can be tested alone, without root.

    rig = Rig(program, folder)      listens on a loopback port; a process a connection
    rig.port, rig.key               what a client needs; the account is alice, her password "correct horse"
    rig.events                      ("log", event, text), ("exit", code), ("op", ...) ... in the order they came
    rig.stop()                      ends exactly what it started
"""
import array
import base64
import ctypes
import itertools
import os
import pty
import socket
import struct
import subprocess
import threading
import time

START_SESSION, START_KEYGEN, KEYGEN_DONE = 0x101, 0x102, 0x103
(KEY_OFFER, KEY_LOGIN, PASSWORD_LOGIN, ANSWER, WHOAMI, WHOAMI_ANSWER, DO, DO_RESULT, LOG, CLOSE, RIGHTS) = range(0x480, 0x48b)
(STATUS, START, STOP, RESTART, KILL, FILES, CONSOLE, LOGS, QUOTA, BACKUP_CREATE, BACKUP_LIST, BACKUP_GET, KEYS_GET, KEYS_SET, RSYNC) = range(1, 16)
PROMPT, START_PROMPT = 28, 0x106
ERRAND_ENDED = 0x601
SHIM_OUTPUT, SHIM_NOTICE, SHIM_BYE, SHIM_INPUT, SHIM_RESIZE = range(0x528, 0x52d)
SHIM_TAKEN, ACTIVITY, ACTIVITY_INPUT = 0x531, 0x48c, 19
ALL = (1 << 12) - 1
SHELL, RIGHT_SHELL = 29, 1 << 14


class U64(int):
    pass


def pack(kind, ident, *fields, fds=()):
    body = b""
    for f in fields:
        if isinstance(f, U64):
            body += struct.pack(">BQ", 2, f)
        elif isinstance(f, int):
            body += struct.pack(">BI", 1, f)
        else:
            f = f.encode() if isinstance(f, str) else f
            body += struct.pack(">BI", 3, len(f)) + f
    return struct.pack(">HBBI", kind, 0, len(fds), ident) + body


def send(sock, kind, ident, *fields, fds=()):
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    sock.sendmsg([pack(kind, ident, *fields, fds=fds)], ancillary)


def receive(sock):
    """kind, id, fields; None at the end."""
    data = sock.recv(65536)
    if len(data) < 8:
        return None
    kind, _, _, ident = struct.unpack(">HBBI", data[:8])
    at, fields = 8, []
    while at < len(data):
        tag = data[at]
        if tag == 1:
            fields.append(struct.unpack(">I", data[at + 1:at + 5])[0])
            at += 5
        elif tag == 2:
            fields.append(struct.unpack(">Q", data[at + 1:at + 9])[0])
            at += 9
        else:
            n = struct.unpack(">I", data[at + 1:at + 5])[0]
            fields.append(data[at + 5:at + 5 + n])
            at += 5 + n
    return kind, ident, fields


LOOKS = itertools.count(1)


def status_fields(name, running=True, reason=""):
    return [name, "running" if running else "stopped", U64(1700000000000), 4242 if running else 0, int(running),
            int(not running), 0, 0, reason, "", 1, U64(1234), U64(64 << 20), U64(65 << 20), 3, U64(1 << 20), U64(64 << 20),
            0, "10.213.0.2", "fd00::2", "enforced", "image", "", 2, 31001, 0, 31001, 1,
            U64(5), U64(6), U64(7), U64(next(LOOKS) << 20)]


def keygen(program, folder, kind):
    """A host key by START_KEYGEN: PEM and public line."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = spawn(program, theirs, os.path.join(folder, "keygen.log"))
    theirs.close()
    send(ours, START_KEYGEN, 7, kind)
    answer = receive(ours)
    ours.close()
    code = process.wait(60)
    return (answer[2][0], answer[2][1].decode(), answer[0], code) if answer else (b"", "", 0, code)


# Descriptor 3 is taken here, so that nothing of Popen's own lies where the link goes in the child.
while True:
    _taken = os.open("/dev/null", os.O_RDONLY)
    if _taken >= 3:
        break


def spawn(program, link, log):
    libc = ctypes.CDLL(None)
    number = link.fileno()

    def child():
        os.dup2(number, 3, inheritable=True)
        libc.prctl(38, 1, 0, 0, 0)

    with open(log, "ab") as err:
        return subprocess.Popen([program], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err, close_fds=True,
                                pass_fds=[3], preexec_fn=child)


class Shim(threading.Thread):
    """A viewer's other end: a server that says what it was told, and ends when told "quit"."""

    def __init__(self, rig, sock, writes, history):
        super().__init__(daemon=True)
        self.rig, self.sock, self.writes, self.taken = rig, sock, writes, rig.taken
        if writes and self.taken is not None:
            send(sock, SHIM_TAKEN, 0, U64(0), 0)
        if history:
            send(sock, SHIM_OUTPUT, 0, "history line\n")

    def run(self):
        try:
            self.serve()
        except OSError:
            pass
        self.sock.close()

    def serve(self):
        rest = b""
        while True:
            m = receive(self.sock)
            if m is None:
                break
            if m[0] == SHIM_RESIZE:
                self.rig.note("resize", *m[2])
                continue
            if not self.writes:
                send(self.sock, SHIM_NOTICE, 0, "you may only watch")
                continue
            self.rig.note("input", m[2][0])
            if self.taken is not None:
                send(self.sock, SHIM_TAKEN, 0, U64(len(m[2][0])), self.taken)
            rest += m[2][0]
            while b"\n" in rest:
                line, rest = rest.split(b"\n", 1)
                if line == b"flood":
                    for i in range(2000):
                        send(self.sock, SHIM_OUTPUT, 0, b"%06d " % i + b"x" * 1000 + b"\n")
                elif line == b"quit":
                    send(self.sock, SHIM_BYE, 0, 3, 0)
                    return
                elif line == b"show":
                    send(self.sock, SHIM_OUTPUT, 0, b"\033]0;title\007\033[32mshown\033[0m\033[c\n")
                elif line != b"silence":
                    send(self.sock, SHIM_OUTPUT, 0, b"got: " + line + b"\n")


class Errand(threading.Thread):
    """An rsync and the supervisor behind it: eats its arguments and all its input, answers, ends."""

    def __init__(self, rig, writes, words):
        super().__init__(daemon=True)
        (self.stdin, theirs_in), (theirs_out, self.stdout), (theirs_err, self.stderr) = os.pipe(), os.pipe(), os.pipe()
        self.link, status = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.fds, self.status = [theirs_in, theirs_out, theirs_err, status.fileno()], status
        self.end, self.pause, self.writes, self.got = rig.errand_end, rig.errand_pause, writes, b""
        self.words = words

    def begin(self):
        for fd in self.fds[:3]:
            os.close(fd)
        self.status.close()
        self.start()

    def run(self):
        while piece := os.read(self.stdin, 16384):
            self.got += piece
            time.sleep(self.pause)
        os.write(self.stdout, b"out")
        os.write(self.stderr, b"err\n")
        for fd in (self.stdin, self.stdout, self.stderr):
            os.close(fd)
        if self.end:
            send(self.link, ERRAND_ENDED, 0, *self.end)
        self.link.close()


class Link(threading.Thread):
    """The store's side of one session."""

    def __init__(self, rig, sock, process):
        super().__init__(daemon=True)
        self.rig, self.sock, self.process = rig, sock, process
        self.account = None

    def answer(self, kind, ident, *fields, fds=()):
        try:
            send(self.sock, kind, ident, *fields, fds=fds)
        except OSError:
            pass

    def run(self):
        while True:
            try:
                m = receive(self.sock)
            except OSError:
                m = None
            if m is None:
                break
            self.handle(*m)
        self.rig.note("exit", self.process.wait())

    def handle(self, kind, ident, f):
        rig = self.rig
        if kind == ACTIVITY:
            for i in range(f[0]):
                rig.note("activity", *f[1 + 6 * i:7 + 6 * i])
        elif kind == LOG:
            rig.note("log", f[1].decode(), f[2].decode(errors="replace"))
        elif kind == KEY_OFFER:
            rig.note("offer", f[0], f[2].decode())
            self.answer(ANSWER, ident, int(f[0] == b"alice" and f[1] == rig.blob), "")
        elif kind in (KEY_LOGIN, PASSWORD_LOGIN):
            good = f[0] == b"alice" and f[1] == (rig.blob if kind == KEY_LOGIN else b"correct horse")
            rig.note("login", f[0], good)
            self.account = "alice" if good else None
            self.method = "publickey" if kind == KEY_LOGIN else "password"
            refused = good and rig.refuse_login
            self.answer(ANSWER, ident, int(good and not refused), refused or "")
        elif kind == WHOAMI:
            servers = [x for name in sorted(rig.servers) for x in (name, rig.servers[name], "alice")]
            self.answer(WHOAMI_ANSWER, ident, self.account, self.method, "SHA256:abc", "127.0.0.1", rig.key_options, rig.key_flags,
                        rig.command, rig.factor, len(rig.servers), *servers)
        elif kind == DO:
            rig.note("op", f[0], f[1].decode(), f[2], f[3])
            self.do(ident, *f)

    def do(self, ident, op, server, number, text):
        rig, server = self.rig, server.decode()
        done = lambda *fields, fds=(): self.answer(DO_RESULT, ident, 0, "", *fields, fds=fds)
        if rig.mute:
            return
        if server in rig.stopped and op in (CONSOLE, STOP):
            self.answer(DO_RESULT, ident, 3, server + " does not run")
        elif op == STATUS:
            names = [server] if server else sorted(rig.servers)
            done(len(names), *[x for n in names for x in status_fields(n, n not in rig.stopped, rig.reason)])
        elif op in (START, STOP, RESTART, KILL):
            done(1, *status_fields(server, op != KILL))
        elif op == QUOTA:
            done(U64(1 << 20), U64(64 << 20), U64(12), U64(20000), "image")
        elif op == LOGS:
            fds = [os.open(p, os.O_RDONLY) for p in rig.logs]
            done(len(fds), fds=fds)
            for fd in fds:
                os.close(fd)
        elif op == CONSOLE:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            rig.shims.append(Shim(rig, ours, text == b"rw", number))
            rig.shims[-1].start()
            done(fds=[theirs.fileno()])
            theirs.close()
        elif op == BACKUP_CREATE:
            done("20260101-1", U64(1234))
        elif op == BACKUP_LIST:
            rows = [x for i in range(number, min(number + 200, rig.backups))
                    for x in (f"20260101-{i + 1}", server, "done", U64(1700000000000), U64(1234), b"l\xe4bel", 0)]
            done(len(rows) // 7, *rows)
        elif op == BACKUP_GET:
            fd = os.open(rig.archive, os.O_RDONLY)
            done(U64(os.fstat(fd).st_size), fds=[fd])
            os.close(fd)
        elif op == FILES and rig.files_late:
            rig.note("files asked")
            rig.files_go.wait(30)
            self.answer(DO_RESULT, ident, 69, "its disk is damaged")
        elif op == PROMPT:
            rig.prompt(number, text, done)
        elif op in (RSYNC, SHELL):
            rig.errands.append(Errand(rig, number, text))
            done(fds=rig.errands[-1].fds)
            rig.errands[-1].begin()
        else:
            self.answer(DO_RESULT, ident, 69, "not here")


class Rig:
    def __init__(self, program, folder, **limits):
        self.program, self.folder = program, folder
        self.limits = dict(channels=3, auth_tries=4, password_tries=2, handles=8, keepalive=60, misses=3, level=2)
        self.limits.update(limits)
        self.servers = {"one": ALL | RIGHT_SHELL, "two": ALL, "watch": 1 | 1 << 4 | 1 << 6}
        self.stopped, self.mute, self.refuse_login, self.reason = set(), False, "", ""
        self.key_options, self.key_flags, self.command = "", 0, ""
        self.logs, self.archive, self.backups = [], "", 1
        self.files_late, self.files_go = False, threading.Event()
        self.errands, self.errand_end, self.errand_pause = [], (0, 0, ""), 0
        self.factor, self.taken = 0, None
        self.events, self.lock, self.links, self.shims = [], threading.Lock(), [], []
        self.prompts = []
        self.key = os.path.join(folder, "key")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        with open(self.key + ".pub") as f:
            self.blob = base64.b64decode(f.read().split()[1])
        self.hostkeys = b""
        for kind in ("ed25519", "rsa"):
            self.hostkeys += keygen(program, folder, kind)[0]
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def note(self, *event):
        with self.lock:
            self.events.append(event)

    def clear(self):
        with self.lock:
            self.events.clear()

    def seen(self, *start):
        with self.lock:
            return [e for e in self.events if e[:len(start)] == start]

    def wait(self, *start, seconds=5):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = self.seen(*start)
            if found:
                return found
            time.sleep(0.02)
        return []

    def accept(self):
        number = 0
        while True:
            try:
                client, address = self.listener.accept()
            except OSError:
                return
            number += 1
            self.start(number, client, address)

    def prompt(self, size, term, done):
        """The real line editor, as the supervisor starts it."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        master, slave = pty.openpty()
        send(ours, START_PROMPT, 0, U64(1), 2, "alice", term, size >> 16, size & 0xffff, fds=[slave])
        self.prompts.append(spawn(os.path.join(os.path.dirname(self.program), "holdfast-prompt"), theirs, os.path.join(self.folder, "prompt.log")))
        done(fds=[ours.fileno(), master])
        for fd in (master, slave):
            os.close(fd)
        ours.close()
        theirs.close()

    def start(self, number, client, address):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        process = spawn(self.program, theirs, os.path.join(self.folder, "session.log"))
        theirs.close()
        keys = os.memfd_create("hostkeys")
        os.write(keys, self.hostkeys)
        n = self.limits
        send(ours, START_SESSION, 0, U64(number), address[0], address[1], n["channels"], n["auth_tries"], n["password_tries"],
             n["handles"], n["keepalive"], n["misses"], n["level"], fds=[client.fileno(), keys])
        client.close()
        os.close(keys)
        link = Link(self, ours, process)
        self.links.append(link)
        link.start()

    def stop(self):
        self.listener.close()
        for link in self.links:
            link.process.kill()
            link.process.wait()
