#!/usr/bin/python3
"""holdfast-store, the real program: this test plays its supervisor and its sessions."""
import base64
import hashlib
import hmac
import os
import re
import resource
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from lint import Tap
from link import U64, Link, frame, pair

BUILD = os.environ.get("HOLDFAST_BUILD", os.getcwd())
PROGRAM = os.path.join(BUILD, "holdfast-store")
UID = 64001 if os.getuid() == 0 else os.getuid()
SCHEMA = 8

START, READY, BEGIN, ACCOUNT, SERVER, END, DONE, NEW, GONE, SESSIONS, SESSIONS_ANSWER, PASSWD, PASSWD_DONE, RESULT = range(0x401, 0x40f)
S_LOAD, S_PAGE, S_SAVE, S_SAVED = range(0x410, 0x414)
W_LOAD, W_PAGE, W_SAVE, W_SAVED = range(0x430, 0x434)
LOGGED_IN, LOGIN_ANSWER, AUTH_FAILED, KICK, ORDER = range(0x440, 0x445)
GENERATION = 0x420
(KEY_OFFER, KEY_LOGIN, PASSWORD_LOGIN, ANSWER, WHOAMI, WHOAMI_ANSWER, DO, DO_RESULT, LOG, CLOSE, RIGHTS, ANEW, ACTIVITY) = range(0x480, 0x48d)
(STATUS, O_START, O_STOP, RESTART, KILL, FILES, CONSOLE, LOGS, QUOTA, B_CREATE, B_LIST, B_GET, K_GET, K_SET, RSYNC, LIST,
 K_LIST, K_ADD, K_RM) = range(1, 20)
LIMITS, O_SESSIONS = 25, 26
DOING, INPUT_DEED = 0x470, 19
# As base/rate.h numbers them: name, of bytes?
RATES = [("backup.create", 0), ("backup.get", 0), ("rsync", 0), ("sum", 1), ("check-file", 1)]
BITS = {w: 1 << i for i, w in enumerate("status start stop kill console send logs files.read files.write files.delete "
                                        "backup.create backup.read activity files.create shell".split())}
ALL = (1 << len(BITS)) - 1
SECRET = os.urandom(32)
CODE_LOGIN, TOTP_RESET, LOGIN_CHANGED, PARTIAL = 0x4a0, 0x428, 0x429, 0x42a
ROTATE, ROTATED = 0x418, 0x419
O_PASSWD, T_ENROLL, T_VERIFY, T_CODES, T_REMOVE = range(20, 25)

tap = Tap()
WORK = tempfile.mkdtemp(prefix="holdfast-store.")
os.chmod(WORK, 0o711)


def is_(have, want, words):
    tap.ok(have == want, words, [] if have == want else [f"have {have!r}", f"want {want!r}"])


def key(name, kind="ed25519", bits=None):
    path = os.path.join(WORK, name)
    args = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", f"{name}@test", "-f", path] + (["-b", str(bits)] if bits else [])
    subprocess.run(args, check=True)
    with open(path + ".pub") as f:
        line = f.read().strip()
    return line, base64.b64decode(line.split()[1]), line.split()[0], subprocess.run(
        ["ssh-keygen", "-l", "-f", path + ".pub"], check=True, capture_output=True, text=True).stdout.split()[1]


def text_of(path):
    with open(path) as f:
        return f.read()


def soon(test, seconds=5):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if test():
            return True
        time.sleep(0.01)
    return False


def gone(pid):
    """Ended; where nobody reaps orphans it stays as a zombie."""
    try:
        return "State:\tZ" in text_of(f"/proc/{pid}/status")
    except FileNotFoundError:
        return True


def cpu(pid):
    """Ticks it has computed for."""
    rest = text_of(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()
    return int(rest[11]) + int(rest[12])


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(x) for x in f.read().split()]


class Super(Link):
    """The supervisor's end: what it is told of generations is kept apart, by session."""
    def __init__(self, sock):
        super().__init__(sock)
        self.generations = {}

    def recv(self):
        while True:
            m = super().recv()
            if m is None or m.kind != GENERATION:
                return m
            self.generations[m.fields[0]] = m.fields[1]


class Conf:
    def __init__(self):
        self.accounts, self.servers = {}, {}
        self.days, self.rows, self.numbers = 90, 200000, 3000
        self.rates = {}     # verb: [burst, ms]; others have none
        self.cas, self.revoked = [], []

    def begin(self):
        rates = [x for v, (burst, ms) in self.rates.items() for x in (v, burst, U64(ms))]
        return (self.days, self.rows, self.numbers, len(self.rates), *rates, len(self.cas), *self.cas, len(self.revoked), *self.revoked)

    def account(self, name, keys=(), password=0, suspended=0, own=1, ceiling=ALL, factor=0):
        self.accounts[name] = [password, suspended, 10, ceiling, own, factor, len(keys), *keys]
        return self

    def server(self, name, owner, **allow):
        flat = [x for who, bits in allow.items() for x in (who, bits)]
        self.servers[name] = [owner, len(allow), *flat]
        return self


class Store:
    def __init__(self, folder=None, ready=True, file_limit=None, secret=SECRET, fresh=0):
        self.folder = folder or make_folder()
        ours, its = pair()
        self.log = tempfile.TemporaryFile()

        def plan():
            os.dup2(its.fileno(), 3)
            os.set_inheritable(3, True)
            if file_limit:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(UID)
                os.setuid(UID)

        self.process = subprocess.Popen([PROGRAM], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log,
                                        close_fds=False, preexec_fn=plan, env={})
        its.close()
        self.link = Super(ours)
        with tempfile.TemporaryFile() as f:
            f.write(secret)
            f.flush()
            self.link.send(START, self.folder, 2, SCHEMA, fresh, id=1, fds=[f.fileno()])
        answer = self.link.recv()
        self.error, self.used = answer.fields if answer else ("no answer", 0)
        self.ids = 0
        if ready and self.error:
            raise SystemExit(f"Bail out! the store does not start: {self.error}\n{self.lines()}")

    def lines(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def push(self, conf):
        """(error, summary, numbers, messages that came before the answer)"""
        self.link.send(BEGIN, *conf.begin())
        for name, rest in conf.accounts.items():
            self.link.send(ACCOUNT, name, *rest)
        for name, rest in conf.servers.items():
            self.link.send(SERVER, name, *rest)
        self.link.send(END, id=7)
        before = []
        while True:
            m = self.link.recv()
            if m is None:
                raise SystemExit(f"Bail out! the store ended\n{self.lines()}")
            if m.kind == DONE:
                return m.fields[0], m.fields[1], dict(zip(m.fields[3::2], m.fields[4::2])), before
            before.append(m)

    def session(self, address="192.0.2.7", port=4711, keep=False):
        ours, its = pair()
        self.ids += 1
        self.link.send(NEW, U64(self.ids), address, port, "", b"", fds=[its.fileno()])
        s = Link(ours)
        s.id = self.ids
        s.kept = os.dup(its.fileno()) if keep else -1
        its.close()
        return s

    def resume(self, s, account, login):
        """A session that logged in with an earlier store."""
        self.link.send(NEW, U64(s.id), "192.0.2.7", 4711, account, login, fds=[s.kept])

    def login(self, account, k, **at):
        s = self.session(**at)
        ask = s.ask(KEY_LOGIN, account, k[1], k[2], 0)
        m = self.link.recv()
        assert m.kind == LOGGED_IN and m.fields[:2] == [s.id, account], m
        s.login = m.fields[2]
        self.link.generations[s.id] = m.fields[5]
        self.link.send(LOGIN_ANSWER, U64(s.id), 1, "")
        m = s.recv()
        assert (m.kind, m.id, m.fields[0]) == (ANSWER, ask, 1), m
        return s

    def passwd(self, account, password):
        self.link.send(PASSWD, 5, account, password)
        m = self.link.recv()
        assert m.kind == PASSWD_DONE and m.fields[0] == 5, m
        return m.fields[1]

    def children(self):
        return children(self.process.pid)

    def end(self):
        self.link.close()
        return self.process.wait(10)

    def kill(self):
        self.process.kill()
        self.process.wait(10)
        self.link.close()


def make_folder(mode=0o700):
    folder = tempfile.mkdtemp(dir=WORK)
    os.chown(folder, UID, -1)
    os.chmod(folder, mode)
    return folder


def quiet(link, seconds=0.2):
    """Nothing comes for a while."""
    link.sock.settimeout(seconds)
    try:
        m = link.recv()
    except (socket.timeout, BlockingIOError):
        m = "nothing"
    link.sock.settimeout(10)
    return m == "nothing"


def do(s, op, server="", number=0, text=""):
    return s.ask(DO, op, server, U64(number), text)


(WRITE, RENAME, REMOVE, RMDIR, MKDIR, CHMOD, TRUNCATE, LINK, SYMLINK, LOST, START_DEED, STOP_DEED, RESTART_DEED, KILL_DEED, CONSOLE_DEED,
 B_CREATE_DEED, B_GET_DEED) = range(1, 18)
CREATED, EMPTIED, UNFINISHED, WATCHED = 1, 2, 4, 8


def event(server, action=WRITE, path=b"file", other=b"", number=0, flags=0):
    return [action, server, path, other, U64(number), flags]


def tell(s, *events):
    s.send(ACTIVITY, len(events), *[f for e in events for f in e])


class Record:
    def __init__(self, f):
        (self.id, self.at, self.account, self.address, self.server, self.action, self.path, self.other, self.number, self.flags,
         self.times) = f

    def short(self):
        return (self.action, self.path, self.number, self.times)


def listed(s, server="", last=10000):
    """The last records, as the verb asks for them."""
    do(s, LIST, server, last, "last")
    while (m := s.recv()).kind == RIGHTS:
        pass
    if m.fields[0]:
        return m.fields
    at, got = m.fields[2], []
    while True:
        do(s, LIST, server, at)
        m = s.recv()
        assert m.fields[0] == 0, m
        rows = m.fields[3:]
        if m.fields[2] == 0:
            return got
        got += [Record(rows[i:i + 11]) for i in range(0, len(rows), 11)]
        at = got[-1].id


def ended(s):
    """Everything up to the end of the link."""
    got = []
    while True:
        m = s.recv()
        if m is None:
            return got
        got.append(m)


ALICE, BOB, EVE, RSA, ECDSA = key("alice"), key("bob"), key("eve"), key("rsa", "rsa", 2048), key("ecdsa", "ecdsa", 384)
BIG = key("big", "rsa", 3072)


def base():
    return (Conf().account("alice", [ALICE[0], RSA[0]], password=1).account("bob", [BOB[0]])
            .account("carol", [ECDSA[0]], suspended=1)
            .server("one", "alice", bob=BITS["status"] | BITS["console"] | BITS["files.read"])
            .server("two", "alice").server("three", "bob"))


def test_start():
    for what, spoil, want in (
            ("a folder others may enter", lambda f: os.chmod(f, 0o750), r"has mode 0750, must have 0700"),
            ("a database others may read", lambda f: plant(f, "store.db", 0o640), r"store\.db: has mode 0640"),
            ("a -wal of a wrong mode", lambda f: plant(f, "store.db-wal", 0o644), r"store\.db-wal: has mode 0644"),
            ("a -shm that is a link", lambda f: os.symlink("/etc/passwd", f + "/store.db-shm"), r"store\.db-shm: is not a plain file"),
            ("a relative path", None, r"no absolute path")):
        folder = make_folder()
        if spoil:
            spoil(folder)
        s = Store(folder if spoil else "here", ready=False)
        tap.ok(re.search(want, s.error), f"refuses {what}, by name", [s.error])
        is_(s.end(), 71, "and ends")
    if os.getuid() == 0:
        folder = make_folder()
        os.chown(folder, 0, 0)
        s = Store(folder, ready=False)
        tap.ok("open" in s.error or "belongs to uid 0" in s.error, "refuses a folder of another owner", [s.error])
        s.end()
        plant(folder, "store.db", 0o600)
        os.chown(folder, UID, -1)
        os.chown(folder + "/store.db", 0, 0)
        s = Store(folder, ready=False)
        tap.ok("belongs to uid 0" in s.error, "refuses a database of another owner", [s.error])
        s.end()
    s = Store()
    is_(sorted((n, oct(os.stat(f"{s.folder}/{n}").st_mode & 0o7777)) for n in os.listdir(s.folder)),
        [(n, "0o600") for n in ("activity.db", "activity.db-wal", "store.db", "store.db-shm", "store.db-wal")], "makes its files 0600")
    status = text_of(f"/proc/{s.process.pid}/status")
    is_((re.search(r"Seccomp:\s*(\d)", status)[1], re.search(r"NoNewPrivs:\s*(\d)", status)[1]), ("2", "1"), "is locked")
    helper = s.children()
    is_(len(helper), 1, "has one child, the password helper")
    tap.ok(soon(lambda: children(helper[0]) and "Seccomp:\t2" in text_of(f"/proc/{helper[0]}/status")), "which is locked too")
    is_(s.end(), 0, "ends with 0 when the supervisor has gone")
    tap.ok(soon(lambda: gone(helper[0])), "and its helper with it")
    newer(s.folder)


def plant(folder, name, mode):
    path = f"{folder}/{name}"
    open(path, "w").close()
    os.chown(path, UID, -1)
    os.chmod(path, mode)


def newer(folder):
    db = sqlite3.connect(folder + "/store.db")
    db.execute("PRAGMA user_version = 99")
    db.commit()
    db.close()
    for n in os.listdir(folder):
        os.chown(f"{folder}/{n}", UID, UID)
    s = Store(folder, ready=False)
    tap.ok("schema 99 is newer than this build's" in s.error, "refuses a newer schema, by name", [s.error])
    s.end()


def test_conf():
    s = Store()
    error, summary, numbers, _ = s.push(base())
    is_(error, "", "a configuration is applied")
    is_(summary, "3 accounts added, 1 suspended, 3 servers added", "and summarised")
    is_(sorted(numbers.values()), [0, 1, 2], "servers are numbered from 0")
    is_(s.push(base())[1], "nothing changed", "the same again changes nothing")
    c = base()
    del c.servers["two"]
    is_(s.push(c)[1], "1 server removed", "a server leaves")
    c.server("four", "bob")
    again = s.push(c)[2]
    is_(again["four"], 3, "a new one gets a new number, not that of the one that left")
    is_(s.push(base().server("four", "bob"))[2], {**numbers, "four": 3}, "and the one that comes back has its own again")
    for what, spoil, want in (
            ("an option that is not known", lambda c: c.account("bob", [BOB[0], "no-tty " + EVE[0]]),
             "account bob: key 2: option: 'no-tty' is not supported; allowed: command"),
            ("a command that is no verb", lambda c: c.account("bob", ['command="a b",no-pty ' + EVE[0]]), "option: command: 'a' is no verb"),
            ("one key with two kinds of options", lambda c: c.account("bob", ["no-pty " + BOB[0], BOB[0]]),
             "account bob: key 2: it stands there already, with other options"),
            ("a key cut short", lambda c: c.account("bob", [EVE[0].split()[0] + " " + EVE[0].split()[1][:40]]), "account bob: key 1: "),
            ("an unknown type", lambda c: c.account("bob", ["ssh-dss AAAA"]), "key type: 'ssh-dss' is not known; allowed"),
            ("an owner nobody knows", lambda c: c.server("five", "zed"), "server five: owner: there is no account 'zed'"),
            ("a name that is none", lambda c: c.server("../x", "bob"), "server '../x': no name")):
        bad = base().server("extra", "alice")
        spoil(bad)
        error, _, given, _ = s.push(bad)
        tap.ok(want in error and not given, f"refuses {what}", [error])
    is_(s.push(base().server("four", "bob"))[1], "nothing changed", "and nothing of what was refused was applied")
    s.end()


def test_keys():
    s = Store()
    s.push(base())
    x = s.session()
    for who, k, want in (("alice", ALICE, 1), ("alice", RSA, 1), ("alice", EVE, 0), ("alice", BOB, 3), ("nobody", ALICE, 0),
                         ("carol", ECDSA, 3)):
        ask = x.ask(KEY_OFFER, who, k[1], k[2], 0)
        m = x.recv()
        is_((m.kind, m.id, m.fields[0]), (ANSWER, ask, want), f"offer of {k[0].split()[2]} for {who}: {want}")
    m = s.link.recv()
    is_((m.kind, m.fields), (AUTH_FAILED, [x.id, 3]), "a key that is nobody's is counted")
    m = s.link.recv()
    is_((m.kind, m.fields), (AUTH_FAILED, [x.id, 2]), "the unknown account is a failure; somebody else's key is neither")
    tap.ok(quiet(s.link), "no other")
    x.ask(KEY_LOGIN, "alice", RSA[1], RSA[2], 0)
    s.link.recv()
    s.link.send(LOGIN_ANSWER, U64(x.id), 0, "alice has 10 connections already")
    is_(x.recv().fields, [0, "alice has 10 connections already"], "the supervisor's no reaches the session with its reason")
    x.ask(KEY_LOGIN, "alice", ALICE[1], ALICE[2], 0)
    is_((x.recv().fields[0], quiet(s.link)), (0, True), "and is not asked for twice on one connection")
    x.close()
    s.link.send(GONE, U64(x.id), 0)
    x = s.session()
    x.ask(KEY_LOGIN, "alice", EVE[1], EVE[2], 0)
    is_(x.recv().fields[0], 0, "a key that is not alice's is no login")
    is_(s.link.recv().fields, [x.id, 0], "and is a failure")
    x.ask(KEY_LOGIN, "carol", ECDSA[1], ECDSA[2], 0)
    is_(x.recv().fields, [0, "the account is suspended"], "a suspended account is told so")
    x.ask(KEY_LOGIN, "alice", ALICE[1], ALICE[2], 0)
    tap.ok(quiet(x), "no answer before the supervisor's")
    s.link.recv()
    s.link.send(LOGIN_ANSWER, U64(x.id), 1, "")
    is_(x.recv().fields[0], 1, "alice is in")
    ask = x.ask(WHOAMI)
    m = x.recv()
    is_((m.kind, m.id, m.fields), (WHOAMI_ANSWER, ask, ["alice", "publickey", ALICE[3], "192.0.2.7", "", 0, "", 0, 2, "one", ALL, "alice",
                                                        "two", ALL, "alice"]), "and who she is, with the fingerprint of ssh-keygen")
    b = s.login("bob", BOB, address="2001:db8::5")
    b.ask(WHOAMI)
    is_(b.recv().fields[7:], [0, 2, "one", BITS["status"] | BITS["console"] | BITS["files.read"], "alice", "three", ALL, "bob"],
        "bob sees what he owns and what he is allowed")
    s.link.send(SESSIONS, 99)
    m = s.link.recv()
    is_((m.kind, m.fields[:2], m.fields[2:5], m.fields[6:9]), (SESSIONS_ANSWER, [99, 2], [b.id, "bob", "2001:db8::5"],
                                                               [x.id, "alice", "192.0.2.7"]), "the supervisor hears who is there")
    log = s.lines()
    for line in (f"Accepted publickey for alice from 192.0.2.7 port 4711 ssh2: ED25519 {ALICE[3]}\n",
                 "Invalid user nobody from 192.0.2.7 port 4711\n",
                 f"Failed publickey for alice from 192.0.2.7 port 4711 ssh2: ED25519 {EVE[3]}\n",
                 "User carol not allowed because account is locked\n"):
        tap.ok(line in log, f"logged: {line.strip()}", log.splitlines()[-8:])
    y = s.session()
    y.ask(KEY_LOGIN, "x from 6.6.6.6 port 1\nAccepted", EVE[1], EVE[2], 0)
    y.recv()
    tap.ok("\\x20from\\x206.6.6.6\\x20port\\x201\\x0aAccepted from 192.0.2.7" in s.lines(), "a name cannot forge a line")
    z = s.session()
    for i in range(25):
        z.ask(KEY_OFFER, "alice", b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes([i]) * 32, "ssh-ed25519", 0)
        z.recv()
    while (m := s.link.recv()).fields[0] != z.id:
        pass
    n = 1
    while not quiet(s.link, 0.1):
        n += 1
    is_(n, 25, "each offer that does not fit is told to who counts")
    s.end()


def test_passwords():
    s = Store()
    s.push(base())
    is_(s.passwd("alice", "correct horse"), "", "a password is set")
    is_(s.passwd("zed", "x"), "no such account", "not for an account that is not there")
    is_(s.passwd("alice", ""), "the password is empty", "nor an empty one")
    work = {}
    worker = children(s.children()[0])[0]
    for who, word, want in (("alice", "correct horse", 1), ("alice", "wrong", 0), ("bob", "correct horse", 0), ("zed", "x", 0)):
        before = cpu(worker)
        for _ in range(3):
            x = s.session()
            x.ask(PASSWORD_LOGIN, who, word)
            m = s.link.recv()
            if want:
                good = (m.kind, m.fields[:2]) == (LOGGED_IN, [x.id, who])
                s.link.send(LOGIN_ANSWER, U64(x.id), 1, "")
            else:
                good = (m.kind, m.fields) == (AUTH_FAILED, [x.id, 2 if who == "zed" else 1])
            m = x.recv()
        tap.ok(good and m.fields[0] == want, f"{who} with '{word}': {want}", [repr(m)])
        work[who, word] = cpu(worker) - before
    tap.ok(min(work.values()) > max(work.values()) / 2 > 0, "all take the same work", [f"{work}"])
    log = s.lines()
    for line in ("Accepted password for alice from 192.0.2.7 port 4711 ssh2\n", "Failed password for alice from 192.0.2.7 port 4711 ssh2\n",
                 "Failed password for invalid user zed from 192.0.2.7 port 4711 ssh2\n"):
        tap.ok(line in log, f"logged: {line.strip()}", log.splitlines())
    many = [s.session() for _ in range(40)]
    for x in many:
        x.ask(PASSWORD_LOGIN, "alice", "nope")
    then = time.monotonic()
    y = s.session()
    y.ask(KEY_OFFER, "alice", ALICE[1], ALICE[2], 0)
    y.recv()
    tap.ok(time.monotonic() - then < 0.5, "the loop answers while passwords are computed")
    answers = [x.recv().fields for x in many]
    late = [a for a in answers if "try later" in a[1]]
    is_((len(answers), len(late)), (40, 8), "32 wait, the others are told to try later")
    for _ in range(32):
        s.link.recv()
    many = [s.session() for _ in range(32)]
    for x in many:
        x.ask(PASSWORD_LOGIN, "alice", "nope")
    y = s.session()
    y.ask(KEY_OFFER, "alice", ALICE[1], ALICE[2], 0)
    y.recv()
    before = cpu(worker)
    for x in many:
        x.close()
    x = s.session()
    x.ask(PASSWORD_LOGIN, "alice", "correct horse")
    is_(s.link.recv().kind, LOGGED_IN, "a password is looked at before those whose sessions have gone")
    spent = cpu(worker) - before
    tap.ok(spent < 4 * max(work.values()), "which are not looked at any more", [f"{spent}, of three each {work}"])
    helper = s.children()[0]
    x = s.session()
    x.ask(PASSWORD_LOGIN, "alice", "correct horse")
    worker = children(helper)[0]
    os.kill(worker, signal.SIGKILL)
    is_(x.recv().fields, [0, "the store cannot verify it now, try later"], "a killed worker costs one login")
    x.ask(PASSWORD_LOGIN, "alice", "correct horse")
    m = s.link.recv()
    is_(m.kind, LOGGED_IN, "and the next one works again")
    x = s.session()
    x.ask(PASSWORD_LOGIN, "alice", "correct horse")
    x.close()
    tap.ok(quiet(s.link, 1), "a session that left while its password was looked at is forgotten")
    is_(s.end(), 0, "and the store lives")


def test_phases():
    s = Store()
    s.push(base())
    for words, act, phase in (
            ("whoami before the login", lambda x: x.ask(WHOAMI), 0),
            ("an order before the login", lambda x: do(x, STATUS), 0),
            ("an offer after the login", lambda x: x.ask(KEY_OFFER, "alice", ALICE[1], ALICE[2], 0), 1),
            ("a login after the login", lambda x: x.ask(KEY_LOGIN, "bob", BOB[1], BOB[2], 0), 1),
            ("a supervisor's message", lambda x: x.send(LOGIN_ANSWER, U64(1), 1, ""), 0),
            ("an unknown message", lambda x: x.send(0x9999), 0),
            ("a frame cut short", lambda x: x.raw(b"\x04\x80\0"), 0),
            ("a field missing", lambda x: x.ask(KEY_OFFER, "alice"), 0),
            ("a field of another kind", lambda x: x.ask(KEY_OFFER, 5, b"x", "y", 0), 0),
            ("a byte left over", lambda x: x.raw(frame(KEY_OFFER, "alice", b"x", "y", 0) + b"\0"), 0),
            ("a length past the end", lambda x: x.raw(frame(WHOAMI) + b"\x03\xff\xff\xff\xff"), 1),
            ("a descriptor nobody wants", lambda x: x.send(WHOAMI, fds=[0]), 1),
            ("a descriptor count that lies", lambda x: x.raw(frame(WHOAMI, fds=3)), 1),
            ("an operation that does not exist", lambda x: do(x, 77), 1),
            ("a huge log line", lambda x: x.ask(LOG, 2, "e" * 100, "x"), 0),
            ("a huge name", lambda x: x.ask(KEY_OFFER, "a" * 5000, b"x", "y", 0), 0),
            ("a NUL in a name", lambda x: x.ask(KEY_OFFER, "a\0b", b"x", "y", 0), 0),
            ("activity before the login", lambda x: tell(x, event("one")), 0),
            ("no event", lambda x: tell(x), 1),
            ("more events than a message may hold", lambda x: tell(x, *[event("one")] * 257), 1),
            ("more events announced than there are", lambda x: x.send(ACTIVITY, 3, *event("one")), 1),
            ("fewer announced", lambda x: x.send(ACTIVITY, 1, *event("one"), *event("one")), 1),
            ("an action that is none", lambda x: tell(x, event("one", action=0)), 1),
            ("an action of the store's own", lambda x: tell(x, event("one", action=START_DEED)), 1),
            ("an action nobody knows", lambda x: tell(x, event("one", action=99)), 1),
            ("flags nobody knows", lambda x: tell(x, event("one", flags=16)), 1),
            ("a path too long", lambda x: tell(x, event("one", path=b"p" * 4097)), 1),
            ("another path too long", lambda x: tell(x, event("one", other=b"p" * 4097)), 1),
            ("a server's name too long", lambda x: tell(x, event("o" * 33)), 1),
            ("a server without a name", lambda x: tell(x, event("")), 1),
            ("a typed line that was read-only", lambda x: tell(x, event("one", action=INPUT_DEED, flags=8)), 1),
            ("a file that is hidden", lambda x: tell(x, event("one", flags=16)), 1),
            ("more done than there are channels", lambda x: x.send(DOING, 17, *["x", ""] * 17), 1),
            ("a word of it that is none", lambda x: x.send(DOING, 1, "x\033[m", ""), 1),
            ("a long word", lambda x: x.send(DOING, 1, "x" * 25, ""), 1),
            ("less done than announced", lambda x: x.send(DOING, 2, "x", ""), 1),
            ("doings before the login", lambda x: x.send(DOING, 0), 0)):
        x = s.login("alice", ALICE) if phase else s.session()
        act(x)
        m = s.link.recv()
        is_((m.kind, m.fields[0]), (KICK, x.id), f"{words}: reported")
        end = ended(x)
        is_([e.kind for e in end[-1:]], [CLOSE], "the session is told and closed")
    x = s.session()
    x.ask(PASSWORD_LOGIN, "alice", "a")
    x.ask(PASSWORD_LOGIN, "alice", "b")
    is_(s.link.recv().kind, KICK, "a second login while the first is decided: reported")
    x = s.session()
    for i in range(300):
        try:
            x.ask(KEY_OFFER, "alice", ALICE[1], ALICE[2], 0)
        except (BrokenPipeError, ConnectionResetError):
            break
        try:
            x.sock.setblocking(False)
            x.recv()
        except BlockingIOError:
            pass
        x.sock.settimeout(10)
    is_(s.link.recv().kind, KICK, "a flood of offers: reported")
    x = s.login("alice", ALICE)
    x.sock.settimeout(2)
    sent = 0
    try:
        while sent < 20000:
            x.ask(WHOAMI)
            sent += 1
    except (BrokenPipeError, ConnectionResetError, socket.timeout):
        pass
    m = s.link.recv()
    is_((m.kind, m.fields[0]), (KICK, x.id), "one that asks and never reads: reported")
    x = s.login("alice", ALICE)
    before = len(s.lines())
    for i in range(2000):
        x.ask(LOG, 2, "flood", 'n=%d a b \x1b[31m\n forged" event=x' % i)
    x.ask(WHOAMI)
    x.recv()
    flood = s.lines()[before:]
    tap.ok(flood.count("event=flood") < 120, "log lines are rationed", [str(flood.count("event=flood"))])
    tap.ok("\x1b" not in flood and "\n forged" not in flood, "and harmless")
    tap.ok('event=flood text="n=0 a b \\x1b[31m\\x0a forged\\x22 event=x"' in flood, "escaped once, and readable", [flood[:300]])
    x = s.login("bob", BOB)
    tap.ok(s.process.poll() is None, "the store lives through all that")
    if os.getuid() == 0:    # nobody else may look into a process that cannot be dumped
        fds = len(os.listdir(f"/proc/{s.process.pid}/fd"))
        tap.ok(fds < 20, "and holds no descriptors of those that went", [str(fds)])
    s.end()


def test_activity():
    s = Store()
    before = time.time() * 1000
    s.push(base().server("one", "alice", bob=BITS["status"] | BITS["activity"]).server("four", "bob", alice=BITS["status"]))
    a, b = s.login("alice", ALICE), s.login("bob", BOB, address="2001:db8::5")
    for x in (a, b):
        x.ask(WHOAMI)
        x.recv()
    tell(a, event("one", path=b"a\xff\n", number=4096, flags=CREATED), event("two", RENAME, b"x", b"y"), event("one", CHMOD, number=0o640))
    got = listed(a)
    is_([(r.account, r.address, r.server, r.action, r.path, r.other, r.number, r.flags, r.times) for r in got],
        [("alice", "192.0.2.7", "one", WRITE, "a\udcff\n", "", 4096, CREATED, 1), ("alice", "192.0.2.7", "two", RENAME, "x", "y", 0, 0, 1),
         ("alice", "192.0.2.7", "one", CHMOD, "file", "", 0o640, 0, 1)], "events are there when they are asked for, the oldest first")
    tap.ok(all(before - 1 <= r.at <= time.time() * 1000 for r in got), "with the time", [str([r.at for r in got])])
    is_([r.action for r in listed(a, "one")], [WRITE, CHMOD], "of one server")
    is_([r.action for r in listed(a, last=2)], [RENAME, CHMOD], "the last ones")
    is_([r.server for r in listed(b)], ["one", "one"], "of all servers: those where one has the right")
    for x, server, words in ((b, "two", "there is no server 'two' that bob may see"), (a, "four", "four: alice may not see who did what"),
                             (a, "three", "there is no server 'three' that alice may see")):
        m = listed(x, server)
        tap.ok(m[0] == 77 and words in m[1], f"refused: {words}", [repr(m)])
    do(a, LIST, "one", 0, "first")
    is_(a.recv().fields[0], 2, "another word than last is refused")
    tell(a, event("three"), event("nosuch"), event("../x"), event("one", REMOVE, b"mine"))
    is_([(r.server, r.path) for r in listed(a)][3:], [("one", "mine")], "what is said about a server one cannot see is left out")
    is_(listed(b, "three"), [], "and never gets there")
    is_(s.lines().count("activity.foreign session=1 account=alice server=three"), 1, "which is logged, once")
    tap.ok(s.process.poll() is None and quiet(s.link), "and no reason to end the session")
    c = base().server("one", "alice")
    s.push(c)
    tell(b, event("one", path=b"late", flags=UNFINISHED))
    is_([(r.account, r.path, r.flags) for r in listed(a)][-1:], [("bob", "late", UNFINISHED)], "what was done before a right was lost still comes")
    is_([r.path for r in listed(b)], [], "who lost the right sees nothing more")
    tell(a, *[event("one", REMOVE, b"%d" % i) for i in range(250)])
    is_([r.path for r in listed(a, last=250)], [str(i) for i in range(250)], "many come in pages")
    tell(a, *[event("two", RENAME, b"%d" % i * 2000, b"q" * 4096) for i in range(7)])
    is_([len(r.path) for r in listed(a, "two", last=7)], [2000] * 7, "and so do long ones")
    waits = []
    for _ in range(20):
        time.sleep(0.06)
        tell(a, event("one", path=b"alone"))
        time.sleep(0.003)
        then = time.monotonic()
        a.ask(WHOAMI)
        a.recv()
        waits.append(time.monotonic() - then)
    tap.ok(min(waits) < 0.01, "what is asked behind one event alone does not wait for more of them", [f"{w:.4f}" for w in waits])
    s.end()


def test_activity_limits():
    """So many records, of each server its fair part, for so many days; and not faster than they can be kept."""
    s = Store()
    c = base()
    c.rows = 1000
    s.push(c)
    a, b = s.login("alice", ALICE), s.login("bob", BOB)
    for x in (a, b):
        x.ask(WHOAMI)
        x.recv()
    tell(b, *[event("three", REMOVE, b"%d" % i) for i in range(100)])
    for n in range(20):
        tell(a, *[event("one", REMOVE, b"%d" % (n * 250 + i)) for i in range(250)])
    tap.ok(soon(lambda: len(listed(a)) == 900), "the oldest go when there are more than activity_rows", [str(len(listed(a)))])
    is_([r.path for r in listed(a)], [str(i) for i in range(4100, 5000)], "the newest stay")
    is_(len(listed(b, "three")), 100, "and all of a server that has few")
    tell(a, *[event("two", REMOVE, b"x" * 4096) for i in range(10)])
    tap.ok(soon(lambda: len(listed(a)) == 820), "a long path counts as several", [str(len(listed(a)))])
    for n in range(100):
        tell(a, *[event("one", REMOVE, b"%d" % i) for i in range(250)])
    tell(b, event("three", MKDIR))
    is_(listed(b)[-1].action, MKDIR, "and does not cost another account its own")
    a.close()
    s.link.send(GONE, U64(a.id), 0)
    a = s.login("alice", ALICE)
    lost = [r for r in listed(a) if r.action == LOST]
    tap.ok(len(lost) >= 1 and 1000 < sum(r.number for r in lost) < 10100 and lost[0].server == "one", "what was too much is counted",
           [str([(r.number, r.server) for r in lost])])
    s.kill()
    db = sqlite3.connect(s.folder + "/activity.db")
    total = db.execute("SELECT COUNT(*) FROM activity").fetchone()[0]
    old = int(time.time() * 1000) - 91 * 86400 * 1000
    db.execute("UPDATE activity SET at = ? WHERE id <= (SELECT id FROM activity WHERE server = 'three' ORDER BY id LIMIT 1 OFFSET 49)", (old,))
    db.commit()
    db.close()
    hand_over(s.folder)
    s = Store(s.folder)
    s.push(base())
    b = s.login("bob", BOB)
    tap.ok(soon(lambda: len(listed(b)) == 51), f"what is older than activity_days goes, of {total}", [str(len(listed(b)))])
    s.end()


def hand_over(folder):
    for n in os.listdir(folder):
        os.chown(f"{folder}/{n}", UID, UID)


def test_activity_lives():
    """What a session has sent is recorded, whoever dies next."""
    s = Store()
    s.push(base())
    a = s.login("alice", ALICE, keep=True)
    a.ask(WHOAMI)
    a.recv()
    tell(a, event("one", MKDIR, b"first"))
    is_(len(listed(a)), 1, "one is there")
    tell(a, *[event("one", REMOVE, b"%d" % i) for i in range(200)])
    is_(len(listed(a)), 201, "and more")
    s.kill()
    tell(a, event("one", MKDIR, b"between"))
    s = Store(s.folder)
    s.ids = a.id
    s.push(base())
    s.resume(a, "alice", a.login)
    is_(a.recv().kind, ANEW, "a store that was killed comes back")
    got = [r.path for r in listed(a)]
    is_(got, ["first", *map(str, range(200)), "between"], "with all that was sent, before and meanwhile")

    # Killed in the middle of reading, with much of it not written yet: what the database has not is in the socket.
    want = set(got)
    for turn in range(8):
        for n in range(10):
            tell(a, *[event("one", MKDIR, b"%d-%d-%d-" % (turn, n, i) + b"x" * 300) for i in range(100)])
        want |= {f"{turn}-{n}-{i}-" + "x" * 300 for n in range(10) for i in range(100)}
        time.sleep(turn * 0.002)
        s.kill()
        s = Store(s.folder)
        s.ids = a.id
        s.push(base())
        s.resume(a, "alice", a.login)
        a.recv()
    have = {r.path for r in listed(a)}
    is_(len(want - have), 0, "what it had read and not written when it was killed is recorded by the next one")
    is_(have - want, set(), "and nothing else")
    x = s.login("alice", ALICE)
    x.ask(WHOAMI)
    x.recv()
    for i in range(40):
        tell(x, event("two", MKDIR, b"%d" % i))
    s.link.send(GONE, U64(x.id), 1)
    x.close()
    is_([r.path for r in listed(a, "two")], [str(i) for i in range(40)], "and what a session sent before it was killed")
    x = s.login("bob", BOB)
    x.ask(WHOAMI)
    x.recv()
    tell(x, event("three", MKDIR, b"waits"))
    for _ in range(2):    # it is read before the second answer; then its link rests
        s.link.send(SESSIONS, 1)
        s.link.recv()
    tell(x, event("three", MKDIR, b"a rest"))
    s.push(base().account("bob", [EVE[0]]))
    is_([m.kind for m in ended(x)][-1:], [CLOSE], "a session whose key was removed is closed")
    s.push(base())
    s.link.send(GONE, U64(x.id), 0)
    is_([r.path for r in listed(s.login("bob", BOB), "three")], ["waits", "a rest"], "and what it had sent is recorded")
    for op, number, deed in ((O_START, 0, START_DEED), (KILL, 0, KILL_DEED)):
        do(a, op, "one")
        m = s.link.recv()
        s.link.send(RESULT, 0, "", 1, id=m.id)
        a.recv()
        is_(listed(a)[-1].action, deed, f"order {op} is recorded")
    for code, fields, want in ((3, (), 0), (75, (), 0), (75, (1, "one"), 1), (1, (1, "one"), 1)):
        n = len(listed(a))
        do(a, O_STOP, "one")
        m = s.link.recv()
        s.link.send(RESULT, code, "still stopping", *fields, id=m.id)
        a.recv()
        is_(len(listed(a)) - n, want, f"one with code {code} {'and' if fields else 'but no'} state is {'' if want else 'not '}")
    for text, flags in (("ro", WATCHED), ("rw", 0)):
        do(a, CONSOLE, "one", 0, text)
        m = s.link.recv()
        s.link.send(RESULT, 0, "", id=m.id)
        a.recv()
        r = listed(a)[-1]
        is_((r.action, r.flags), (CONSOLE_DEED, flags), f"a console, {text}")
    do(a, B_CREATE, "one", 0, "label")
    m = s.link.recv()
    name = m.fields[5].split()[0]
    s.link.send(RESULT, 0, "", name, U64(5), id=m.id)
    a.recv()
    do(a, B_GET, "one", 0, name)
    m = s.link.recv()
    a.close()
    s.link.send(GONE, U64(a.id), 0)
    s.link.send(RESULT, 0, "", U64(5), id=m.id)
    a = s.login("alice", ALICE)
    is_([(r.action, r.path) for r in listed(a)][-2:], [(B_CREATE_DEED, name), (B_GET_DEED, name)],
        "backups, with their ids, also for a session that left")
    s.end()


def test_activity_broken():
    """A log that cannot be used stops nobody."""
    def spoil(path, at, size):
        sqlite3.connect(path).execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with open(path, "r+b") as f:
            f.seek(at)
            f.write(b"\xa5" * size)

    def newer(path):
        db = sqlite3.connect(path)
        db.execute("PRAGMA user_version = 99")
        db.commit()
        db.close()

    for what, act, want in (
            ("rubbish", lambda p: spoil(p, 0, 4096), "not a database"), ("a broken page", lambda p: spoil(p, 4096, 8192), "malformed"),
            ("a newer schema", newer, "its schema is 99"), ("a mode others may read", lambda p: os.chmod(p, 0o644), "has mode 0644"),
            ("a link", lambda p: (os.rename(p, p + ".x"), os.symlink(p + ".x", p)), "is not a plain file"),
            ("a folder", lambda p: (os.unlink(p), os.mkdir(p)), "is not a plain file")):
        s = Store()
        s.push(base())
        a = s.login("alice", ALICE)
        a.ask(WHOAMI)
        a.recv()
        tell(a, *[event("one", REMOVE, b"%d" % i * 100) for i in range(200)])
        is_(len(listed(a)), 200, "a log is filled")
        s.end()
        act(s.folder + "/activity.db")
        for n in os.listdir(s.folder):
            os.chown(f"{s.folder}/{n}", UID, UID, follow_symlinks=False)
        s = Store(s.folder)
        s.push(base())
        a = s.login("alice", ALICE)
        a.ask(WHOAMI)
        a.recv()
        is_(listed(a), [], f"{what}: logins work, with a new log")
        tell(a, event("one"))
        is_(len(listed(a)), 1, "that is written")
        lines = [x for x in s.lines().splitlines() if "activity.broken" in x]
        tap.ok(len(lines) == 1 and want in lines[0], "the log says what was wrong", [s.lines()])
        tap.ok(os.path.lexists(s.folder + "/activity.db.bad"), "and the old one is kept aside")
        s.end()
    s = Store(file_limit=300000)
    s.push(base())
    a = s.login("alice", ALICE)
    a.ask(WHOAMI)
    a.recv()
    for i in range(20):
        tell(a, *[event("one", REMOVE, b"x" * 200) for _ in range(200)])
    tap.ok(soon(lambda: "activity.lost" in s.lines()), "a full disk is told in the log")
    is_(s.login("alice", ALICE).ask(WHOAMI) > 0, True, "and lets people in")
    s.end()


def test_watching():
    """`logs -f` watches by the right to the logs; typing needs the console."""
    s = Store()
    s.push(Conf().account("alice", [ALICE[0]]).account("bob", [BOB[0]])
           .server("one", "alice", bob=BITS["status"] | BITS["logs"] | BITS["send"]).server("two", "alice", bob=BITS["status"]))
    b = s.login("bob", BOB, keep=True)
    do(b, CONSOLE, "one", 0, "ro")
    m = s.link.recv()
    is_((m.kind, m.fields[2:4]), (ORDER, [CONSOLE, "one"]), "who may read the logs may watch")
    s.link.send(RESULT, 0, "", id=m.id)
    b.recv()
    for server, text in (("one", "rw"), ("two", "ro")):
        do(b, CONSOLE, server, 0, text)
        is_(b.recv().fields[0], 77, f"but not {text} on {server}")
    tap.ok(quiet(s.link), "neither reached the supervisor")
    s.end()


def test_orders():
    s = Store()
    s.push(base())
    a, b = s.login("alice", ALICE, keep=True), s.login("bob", BOB, keep=True)
    for who, x, op, server, number, text, want in (
            ("alice", a, STATUS, "", 0, "", (U64(0), "one two")), ("bob", b, STATUS, "", 0, "", (0, "one three")),
            ("alice", a, STATUS, "one", 0, "", (0, "")), ("alice", a, O_START, "one", 5000, "", (5000, "")),
            ("alice", a, KILL, "two", 0, "", (0, "")),
            ("bob", b, FILES, "one", BITS["files.read"] | BITS["files.write"] | 1, "", (BITS["files.read"], "")),
            ("alice", a, FILES, "one", BITS["files.write"], "", (BITS["files.write"], "")), ("bob", b, FILES, "one", 0, "", (BITS["files.read"], "")),
            ("alice", a, FILES, "one", 0, "", (BITS["files.read"] | BITS["files.create"] | BITS["files.write"] | BITS["files.delete"], "")),
            ("bob", b, RSYNC, "one", 0, "", (0, "")), ("alice", a, RSYNC, "two", 1, "", (1, "")),
            ("bob", b, CONSOLE, "one", 4096, "ro", (4096, "ro")), ("alice", a, CONSOLE, "one", 10, "rw", (10, "rw"))):
        ask = do(x, op, server, number, text)
        m = s.link.recv()
        is_((m.kind, m.fields), (ORDER, [x.id, who, op, server, *want, s.link.generations[x.id]]), f"{who}'s order {op} for '{server}' goes on")
        s.link.send(RESULT, 0, "", 42, U64(7), "as it came", id=m.id)
        r = x.recv()
        is_((r.kind, r.id, r.fields), (DO_RESULT, ask, [0, "", 42, 7, "as it came"]), "and its result comes back untouched")
    for x, op, server, text, code, words in (
            (b, O_START, "one", "", 77, "one: bob may not start it"), (b, CONSOLE, "one", "rw", 77, "not type into it"),
            (b, LOGS, "one", "", 77, "may not read its logs"), (b, STATUS, "two", "", 77, "there is no server 'two' that bob may see"),
            (b, STATUS, "nosuch", "", 77, "there is no server 'nosuch' that bob may see"), (b, KILL, "../x\n", "", 77, "../x\\x0a"),
            (a, QUOTA, "", "", 77, "there is no server ''"), (a, CONSOLE, "one", "r", 2, "allowed: rw, ro"),
            (b, B_CREATE, "one", "", 77, "may not back it up"), (b, B_LIST, "one", "", 77, "may not list")):
        do(x, op, server, 0, text)
        m = x.recv()
        tap.ok(m.fields[0] == code and words in m.fields[1], f"refused with {code}: {words}", [repr(m)])
    for x, server, number, code, words in (
            (b, "one", 1, 77, "one: bob may not write with rsync"),
            (b, "two", 0, 77, "there is no server 'two'"), (a, "one", 2, 2, "allowed: 0, 1"), (a, "", 0, 77, "there is no server ''")):
        do(x, RSYNC, server, number, "")
        m = x.recv()
        tap.ok(m.fields[0] == code and words in m.fields[1], f"rsync refused with {code}: {words}", [repr(m)])
    tap.ok(quiet(s.link), "no refused order reached the supervisor")
    do(a, LOGS, "one")
    m = s.link.recv()
    with tempfile.TemporaryFile() as f:
        f.write(b"through")
        f.flush()
        s.link.send(RESULT, 0, "", 1, id=m.id, fds=[f.fileno(), f.fileno()])
        r = a.recv()
        is_((len(r.fds), os.pread(r.fds[1], 10, 0)), (2, b"through"), "descriptors are relayed")
        for fd in r.fds:
            os.close(fd)
        do(a, LOGS, "one")
        m = s.link.recv()
        a.close()
        s.link.send(GONE, U64(a.id), 0)
        r, w = os.pipe()
        s.link.send(RESULT, 0, "", 1, id=m.id, fds=[w])
        os.close(w)
        is_(os.read(r, 1), b"", "a result for one that left is dropped, its descriptor closed")
    for _ in range(40):
        do(b, STATUS, "one")
    codes = [b.recv().fields[0] for _ in range(8)]
    is_(codes, [75] * 8, "more than 32 orders under way: try later")
    s.end()


def test_backups():
    s = Store()
    s.push(base())
    a = s.login("alice", ALICE)
    ask = do(a, B_CREATE, "one", 0, "before the fair")
    m = s.link.recv()
    name, label = m.fields[5].split(" ", 1)
    tap.ok(re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{4}", name) and label == "before the fair", "a backup gets an id", [m.fields[5]])
    do(a, B_LIST)
    r = a.recv()
    is_(r.fields[:6] + r.fields[7:], [0, "", 1, name, "one", "running", 0, "before the fair", 0], "and is listed as running")
    do(a, B_CREATE, "one")
    is_(a.recv().fields[0], 3, "one at a time")
    do(a, B_GET, "one", 0, name)
    is_(a.recv().fields[0], 3, "not to be fetched yet")
    s.link.send(RESULT, 0, "", name, U64(123456), id=m.id)
    r = a.recv()
    is_((r.id, r.fields), (ask, [0, "", name, 123456]), "its end is told")
    do(a, B_LIST, "one")
    r = a.recv()
    is_((r.fields[5], r.fields[7]), ("done", 123456), "and kept with its size")
    do(a, B_GET, "two", 0, name)
    is_(a.recv().fields[0], 1, "it is not to be had under another server's name")
    do(a, B_GET, "one", 0, "../../x")
    is_(a.recv().fields[0], 1, "nor one that is not there")
    do(a, B_GET, "one", 0, name)
    m = s.link.recv()
    is_(m.fields[5], name, "the fetch goes on")
    do(a, B_CREATE, "two", 0, "x\ny")
    is_(a.recv().fields[0], 2, "a label with a line break is refused")
    do(a, B_CREATE, "two")
    m = s.link.recv()
    a.close()
    s.link.send(GONE, U64(a.id), 0)
    s.link.send(RESULT, 1, "no space", id=m.id)
    a = s.login("alice", ALICE)
    do(a, B_CREATE, "one")
    s.link.recv()
    do(a, B_LIST)
    r = a.recv()
    is_(sorted(r.fields[5::7]), ["done", "failed", "running"], "one that failed after its asker left is 'failed'")
    s.kill()
    s = Store(s.folder)
    s.push(base())
    a = s.login("alice", ALICE)
    do(a, B_LIST)
    r = a.recv()
    is_(sorted(r.fields[5::7]), ["done", "failed", "failed"], "one cut off by the end of the store is 'failed'")
    do(a, B_LIST, "", 3)
    is_(a.recv().fields, [0, "", 0], "and the list ends")
    b = s.login("bob", BOB)
    do(b, B_LIST)
    is_(b.recv().fields, [0, "", 0], "bob sees none of them")
    s.end()


def test_reload():
    s = Store()
    s.push(base())
    s.passwd("alice", "pw")
    a, b, r = s.login("alice", ALICE), s.login("bob", BOB), s.login("alice", RSA)
    p = s.session()
    p.ask(PASSWORD_LOGIN, "alice", "pw")
    s.link.recv()
    s.link.send(LOGIN_ANSWER, U64(p.id), 1, "")
    p.recv()
    waiting = s.session()
    waiting.ask(KEY_LOGIN, "alice", RSA[1], RSA[2], 0)
    s.link.recv()
    c = base().account("alice", [ALICE[0]], password=0).server("one", "alice", bob=BITS["status"]).server("nine", "bob")
    then = time.monotonic()
    error, summary, _, before = s.push(c)
    is_((error, summary), ("", "1 account changed, 1 server added, 1 server changed, 3 sessions closed"), "a reload says what changed")
    is_(sorted(m.fields[0] for m in before if m.kind == KICK), sorted([r.id, p.id, waiting.id]), "who may not stay is reported")
    for x, why in ((r, "the key was removed"), (p, "the account may not use a password any more"), (waiting, "the key was removed")):
        is_([(m.kind, m.fields) for m in ended(x)], [(CLOSE, [why])], f"and told: {why}")
    is_([b.recv().fields for _ in range(2)], [["nine", ALL], ["one", BITS["status"]]], "changed rights are told")
    tap.ok(time.monotonic() - then < 1, "within a second")
    a.ask(WHOAMI)
    kinds = [a.recv().kind for _ in range(1)]
    is_(kinds, [WHOAMI_ANSWER], "who lost nothing hears nothing")
    do(b, CONSOLE, "one", 0, "ro")
    is_(b.recv().fields[0], 77, "a lost right is lost at once")
    del c.servers["nine"]
    s.push(c)
    is_(b.recv().fields, ["nine", 0], "a server that left is told with 0")
    c.account("bob", [BOB[0]], suspended=1)
    is_(s.push(c)[1], "1 account changed, 1 suspended, 1 session closed", "a suspended account's sessions are closed")
    del c.accounts["alice"]
    c.servers = {"three": ["bob", 0]}
    error, summary, _, _ = s.push(c)
    is_((error, summary), ("", "1 account removed, 2 servers removed, 1 session closed"), "so are those of one that left")
    s.push(base())
    x = s.session()
    x.ask(PASSWORD_LOGIN, "alice", "pw")
    is_(s.link.recv().kind, AUTH_FAILED, "a later account of the same name has not the old password")
    s.end()


def by_password(s, account, word):
    x = s.session()
    x.ask(PASSWORD_LOGIN, account, word)
    s.link.generations[x.id] = s.link.recv().fields[3]
    s.link.send(LOGIN_ANSWER, U64(x.id), 1, "")
    x.recv()
    return x


def test_generations():
    """What is known of an account has a number; nothing is done by an older one."""
    s = Store()
    c = base()
    s.push(c)
    a, b = s.login("alice", ALICE, keep=True), s.login("bob", BOB, keep=True)
    first = dict(s.link.generations)
    tap.ok(all(first.values()), "a login is told with one", [repr(first)])
    s.push(c)
    c.server("one", "alice", bob=BITS["status"] | BITS["logs"])
    s.push(c)
    tap.ok(s.link.generations[b.id] > first[b.id], "a changed right is a new one, told to the supervisor")
    b.recv()
    do(b, STATUS, "one")
    m = s.link.recv()
    is_(m.fields[-1], s.link.generations[b.id], "and orders carry it")
    s.link.send(RESULT, 0, "", id=m.id)
    b.recv()

    # A result with a descriptor that comes when the right has gone.
    ask = do(b, LOGS, "one")
    m = s.link.recv()
    c.server("one", "alice", bob=BITS["status"])
    s.push(c)
    b.recv()
    r, w = os.pipe()
    s.link.send(RESULT, 0, "", 1, id=m.id, fds=[w])
    os.close(w)
    m = b.recv()
    is_((m.id, m.fields, m.fds), (ask, [77, "the right to do this was taken away"], []), "what comes with a result is not for who lost the right")
    is_(os.read(r, 1), b"", "and is closed")
    os.close(r)

    # A ceiling.
    c.account("alice", [ALICE[0], RSA[0]], password=1, ceiling=BITS["status"] | BITS["logs"])
    s.push(c)
    is_(sorted(a.recv().fields for _ in range(2)), [["one", BITS["status"] | BITS["logs"]], ["two", BITS["status"] | BITS["logs"]]],
        "a ceiling takes from an owner")
    do(a, O_START, "one")
    is_(a.recv().fields[0], 77, "who may not then")
    do(a, LOGS, "one")
    is_(s.link.recv().kind, ORDER, "but what is below it")

    # A password that is no more.
    s.passwd("alice", "old")
    p = by_password(s, "alice", "old")
    s.link.send(PASSWD, 5, "alice", "new")
    kinds = [s.link.recv() for _ in range(2)]
    is_([(m.kind, m.fields) for m in kinds], [(KICK, [p.id, "the password was changed"]), (PASSWD_DONE, [5, ""])],
        "who is in by the old password is out")
    is_([(m.kind, m.fields) for m in ended(p)], [(CLOSE, ["the password was changed"])], "and is told")
    p = by_password(s, "alice", "new")
    s.push(c.account("zoe"))
    do(p, LOGS, "one")
    is_(s.link.recv().kind, ORDER, "who is in by the new one stays")

    # What only the supervisor may say.
    for kind in (*range(0x401, 0x40f), GENERATION, *range(0x440, 0x445)):
        x = s.login("alice", ALICE)
        x.send(kind, "alice", ALL)
        got = ended(x)
        if not (got and got[-1].kind == CLOSE and "is not one of a session" in got[-1].fields[0] and s.link.recv().kind == KICK):
            break
    else:
        kind = 0
    is_(kind, 0, "a session that speaks as the supervisor, of rights or of anything, is closed")

    # Each use asks: nobody needs to tell the store that something changed.
    with sqlite3.connect(f"{s.folder}/store.db") as db:
        db.execute("UPDATE account SET suspended = 1, generation = generation + 1 WHERE name = 'bob'")
    do(b, STATUS, "one")
    m = s.link.recv()
    is_((m.kind, m.fields), (KICK, [b.id, "the account is suspended"]), "a session whose account is not what it was is judged before it does anything")
    lines = [line for line in s.lines().splitlines() if " session=" in line]
    tap.ok(any("session.login session=" in line and "account=bob generation=" in line for line in lines), "logins are logged with it")
    is_([line for line in lines if "account=" not in line], [], "no line of a session without its account")
    s.end()
def test_proofs():
    """What a signature must prove, and certificates: logins, and what lasts beyond the store that let them in."""
    s = Store()
    string = lambda b: struct.pack(">I", len(b)) + b
    sk = string(b"sk-ssh-ed25519@openssh.com") + string(bytes(range(32))) + string(b"ssh:")
    c = base()
    c.account("alice", [ALICE[0], "sk-ssh-ed25519@openssh.com " + base64.b64encode(sk).decode()])
    ca = key("ca")
    c.cas = [ca[0]]
    is_(s.push(c)[0], "", "a configuration with a CA")

    def says(x, kind, blob, proof, name="alice", word="sk-ssh-ed25519@openssh.com"):
        x.ask(kind, name, blob, word, proof)
        return x.recv().fields

    x = s.session()
    is_(says(x, KEY_OFFER, sk, 0), [1, ""], "a hardware key is offered without proof")
    for proof in (0, 2, 4, 0xfffffffe):
        f = says(x, KEY_LOGIN, sk, proof)
        is_((f[0], "has to be touched" in f[1]), (0, True), f"proof {proof:#x} is no touch, in words")
        is_(s.link.recv().kind, AUTH_FAILED, "and a failure")
    f = says(x, KEY_LOGIN, sk, 0, word="ssh-ed25519")
    is_((f[0], "has to be touched" in f[1]), (0, True), "whatever kind the session says it is")
    s.link.recv()
    for proof in (1, 3):
        x = s.session()
        x.ask(KEY_LOGIN, "alice", sk, "sk-ssh-ed25519@openssh.com", proof)
        is_(s.link.recv().kind, LOGGED_IN, f"proof {proof} is")

    subject = os.path.join(WORK, "subject")
    key("subject")

    def cert(*options):
        subprocess.run(["ssh-keygen", "-q", "-s", os.path.join(WORK, "ca"), "-I", "id of it", "-z", "77", *options, subject + ".pub"], check=True)
        with open(subject + "-cert.pub") as f:
            kind, text = f.read().split()[:2]
        return None, base64.b64decode(text), kind

    good = cert("-n", "alice", "-O", "clear", "-O", "force-command=status")
    a = s.login("alice", good, keep=True)
    a.ask(WHOAMI)
    allowed = ['command="status",no-pty', 9, "status"]
    is_(a.recv().fields[4:7], allowed, "what a certificate allows is told to the session")
    x = s.session()
    tried = 0
    for n in range(0, len(good[1]), 7):
        x = s.session()
        f = says(x, KEY_OFFER, good[1][:n], 0, word=good[2])
        tried += f[0] + (s.link.recv().kind != AUTH_FAILED)
    is_(tried, 0, "cut short anywhere it is refused")
    b = s.login("alice", cert("-n", "alice", "-V", "-1m:+3s"), keep=True)
    s.process.kill()
    s.process.wait()
    s2 = Store(s.folder)
    c.revoked = ["serial: 76", "id: id of"]
    s2.push(c)
    s2.resume(a, "alice", a.login)
    s2.resume(b, "alice", b.login)
    is_([a.recv().kind, b.recv().kind], [ANEW, ANEW], "another store takes them over")
    a.ask(WHOAMI)
    is_(a.recv().fields[4:7], allowed, "with all they were allowed")
    m = b.recv()
    is_((m.kind, m.fields[0].split(":")[0]), (CLOSE, "the certificate is not valid any more"), "their time runs on")
    s2.link.recv()
    c.revoked.append("id: id of it")
    error, summary, _, _ = s2.push(c)
    is_((error, summary), ("", "1 list of [auth] changed, 1 session closed"), "and they are revoked")
    is_(a.recv().kind, CLOSE, "at once")
    c.cas.append("ssh-ed25519 AAAA")
    is_(s2.push(c)[0].split(":")[0], "[auth] ca_key", "a broken key of a CA is refused")
    s2.end()


def test_kills():
    """50 times kill -9 in the middle of writes: what was acknowledged is there."""
    folder = make_folder()
    known, lost, passwords = {}, [], {}
    for turn in range(50):
        s = Store(folder)
        c = base()
        for n in range(turn * 4):
            c.server(f"s{n}", "alice")
        is_fine = s.push(c)
        if any(is_fine[2].get(n) != v for n, v in known.items() if n in is_fine[2]):
            lost.append(f"turn {turn}: a number changed")
        known.update(is_fine[2])
        timer = threading.Timer(0.002 + turn * 0.0007, s.process.kill)
        timer.start()
        extra = 0
        try:
            while extra < 400:
                extra += 1
                c.server(f"t{turn}-{extra}", "bob")
                if len(c.servers) > 300:
                    for n in [n for n in c.servers if n[0] == "t"]:
                        del c.servers[n]
                s.link.send(BEGIN, *c.begin())
                for name, rest in list(c.accounts.items()):
                    s.link.send(ACCOUNT, name, *rest)
                for name, rest in list(c.servers.items()):
                    s.link.send(SERVER, name, *rest)
                s.link.send(END)
                m = s.link.recv()
                if m is None:
                    break
                known.update(zip(m.fields[3::2], m.fields[4::2]))
        except (BrokenPipeError, ConnectionResetError):
            pass
        timer.join()
        s.kill()
        db = sqlite3.connect(f"{folder}/store.db")
        have = dict(db.execute("SELECT name, number FROM server"))
        if db.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            lost.append(f"turn {turn}: the database is damaged")
        db.close()
        for n in os.listdir(folder):
            os.chown(f"{folder}/{n}", UID, UID)
        lost += [f"turn {turn}: {n}" for n, v in known.items() if have.get(n) != v]
    is_(lost[:5], [], f"50 kills lost none of {len(known)} acknowledged numbers")
    is_(len(set(known.values())), len(known), "and no number was given twice")
    s = Store(folder)
    s.push(base())
    is_(s.passwd("alice", "kept"), "", "a password is acknowledged")
    s.kill()
    s = Store(folder)
    s.push(base())
    x = s.session()
    x.ask(PASSWORD_LOGIN, "alice", "kept")
    is_(s.link.recv().kind, LOGGED_IN, "and survives the next kill")
    s.end()


def test_hand_over():
    s = Store()
    s.push(base())
    a, b = s.login("alice", ALICE, keep=True), s.login("bob", BOB, keep=True)
    s.kill()
    whoami = a.ask(WHOAMI)
    t = Store(s.folder)
    t.push(base())
    t.resume(a, "alice", a.login)
    is_(a.recv().kind, ANEW, "a session is told that there is a new store")
    m = a.recv()
    is_((m.kind, m.id, m.fields[:3]), (WHOAMI_ANSWER, whoami, ["alice", "publickey", ALICE[3]]),
        "a question asked while there was no store is answered by the next one")
    conf = base()
    del conf.accounts["bob"]
    conf.servers = {n: v for n, v in conf.servers.items() if "bob" not in v}
    t.push(conf)
    t.resume(b, "bob", b.login)
    is_([b.recv().kind, b.recv().kind], [ANEW, CLOSE], "who lost the right to be here meanwhile is not taken back")
    m = t.link.recv()
    is_((m.kind, m.fields[0]), (KICK, b.id), "and reported")
    t.resume(b, "alice", b"rubbish")
    is_(t.process.wait(10), 71, "a login that no store wrote ends the store")


def test_secrets():
    s = Store()
    s.push(base())
    s.passwd("alice", "hunter2hunter2")
    a = s.login("alice", ALICE)
    a.ask(WHOAMI)
    a.recv()
    log = s.lines().encode()
    everything = b"".join(open(f"{s.folder}/{n}", "rb").read() for n in sorted(os.listdir(s.folder)))
    found = [w for w, secret in (("password", b"hunter2hunter2"), *((k[0].split()[2], k[1][-20:]) for k in (ALICE, BOB, RSA)),
                                 *((k[0].split()[2] + " base64", k[0].split()[1][-24:].encode()) for k in (ALICE, BOB, RSA)))
             if secret in everything or secret in log]
    is_(found, [], "neither keys nor passwords are in the folder or the log")
    tap.ok(ALICE[3].encode() not in everything and b"$argon2id$" in everything, "nor fingerprints; Argon2id hashes are")
    s.end()


def keys_get(s):
    """(code, words, writable, added, text)"""
    do(s, K_GET)
    f = s.recv().fields
    return (*f, 0, 0, "")[:5] if len(f) < 5 else f


def keys_set(s, *lines, end="\n"):
    do(s, K_SET, "", 0, "".join(line + end for line in lines))
    m = s.recv()
    return m.fields if m.kind == DO_RESULT else m


def shown(k):
    return f"# set by the admin: {k[2]} {k[3]} {k[0].split()[2]}\n"


def database(s):
    return b"".join(open(f"{s.folder}/{n}", "rb").read() for n in sorted(os.listdir(s.folder)))


def sealed(s, change=None):
    """The rows of own keys, read (and changed) beside the store."""
    db = sqlite3.connect(f"{s.folder}/store.db")
    if change:
        db.execute(change)
        db.commit()
    rows = db.execute("SELECT account, type, label, line, length(sealed) FROM key WHERE origin = 'own' ORDER BY account, line").fetchall()
    db.close()
    for n in os.listdir(s.folder):
        os.chown(f"{s.folder}/{n}", UID, UID)
    return rows


def test_own_keys():
    s = Store()
    s.push(base())
    a = s.login("alice", ALICE, keep=True)
    is_(keys_get(a), [0, "", 1, 0, shown(ALICE) + shown(RSA)], "at first the admin's keys are shown, as comments")
    labelled = EVE[0] + " and a label-of-mine"
    then = time.time()
    is_(keys_set(a, "# mine", "", labelled, "  " + BIG[0], end="\r\n"), [0, ""], "a file is taken")
    got = keys_get(a)
    is_(got[4], shown(ALICE) + shown(RSA) + labelled + "\n  " + BIG[0] + "\n", "its keys come back as they were written, in order, without its comments")
    tap.ok(abs(got[3] / 1000 - then) < 5, "with the time they came")
    log = s.lines()
    for k, word in ((EVE, "ED25519"), (BIG, "RSA")):
        tap.ok(f'keys.added session={a.id} account=alice key="{word} {k[3]}" from=192.0.2.7\n' in log, f"logged: {word}", log.splitlines()[-3:])
    e = s.login("alice", EVE)
    is_(e.ask(WHOAMI) and e.recv().fields[:3], ["alice", "publickey", EVE[3]], "an own key logs in")
    x = s.session()
    x.ask(KEY_OFFER, "bob", EVE[1], EVE[2], 0)
    is_(x.recv().fields[0], 3, "nobody else's account")
    b = s.login("bob", BOB)
    is_(keys_get(b)[4], shown(BOB), "nor is it shown to bob")
    found = [w for w, t in (("base64", EVE[0].split()[1]), ("end of base64", BIG[0].split()[1][-40:]), ("label", "label-of-mine"), ("blob", EVE[1][-30:]))
             if (t if isinstance(t, bytes) else t.encode()) in database(s) or (t if isinstance(t, bytes) else t.encode()) in s.lines().encode()]
    is_(found, [], "no key, base64 or label of it is in the database, its -wal or the log")
    is_([r[:4] for r in sealed(s)], [("alice", EVE[2], "", 1), ("alice", BIG[2], "", 2)], "the rows are there")

    for what, lines, code, want in (
            ("a bad line", [labelled, "ssh-dss AAAA x"], 2, "line 2: key type: 'ssh-dss' is not known; allowed: ssh-ed25519"),
            ("an option", ["environment=\"A=b\" " + EVE[0]], 2, "line 1: option: 'environment' is not supported; allowed: command "),
            ("a short RSA key", [EVE[0], "", RSA[0]], 2, "line 3: ssh-rsa: a key of 2048 bits; allowed: 3072 bits or more"),
            ("the same key twice", [EVE[0], EVE[0] + " b"], 2, "line 2: key: the same key as in line 1"),
            ("too many", [ssh_line(i) for i in range(65)], 2, "line 65: key: one too many; allowed: 64 keys")):
        r = keys_set(e, *lines)
        tap.ok(r[0] == code and want in r[1] and r[1].endswith("; nothing was changed"), f"refused: {what}", [repr(r)])
    is_(keys_get(e), got, "and nothing was changed")
    r = keys_set(e, BIG[0])
    tap.ok(r[0] == 3 and f"the key of this connection, {EVE[3]}, is missing" in r[1], "refused: without the key in use", [repr(r)])
    is_(keys_set(e, EVE[0], ALICE[0]), [0, ""], "the admin's key may stand there as well")
    is_(keys_get(e)[4], shown(RSA) + EVE[0] + "\n" + ALICE[0] + "\n", "and is shown once")
    tap.ok(f'keys.removed session={e.id} account=alice key="RSA {BIG[3]}"' in s.lines(), "what went is logged")

    asked = s.session()
    asked.ask(KEY_LOGIN, "alice", EVE[1], EVE[2], 0)
    s.link.recv()
    then = time.monotonic()
    is_(keys_set(a), [0, ""], "an account with keys of the admin's may take out all of its own")
    for y in (e, asked):
        is_([(m.kind, m.fields) for m in ended(y)], [(CLOSE, ["the key was removed"])], "who was in, or coming in, by a removed key is told and closed")
    is_(sorted(m.fields[0] for m in (s.link.recv(), s.link.recv())), sorted([e.id, asked.id]), "and reported")
    tap.ok(time.monotonic() - then < 1, "within a second")
    a.ask(WHOAMI)
    is_(a.recv().kind, WHOAMI_ANSWER, "who is in by another key stays")
    is_(sealed(s), [], "the rows have gone")
    for op in (K_GET, K_SET):
        do(a, op, "one", 0, "")
        is_(a.recv().fields[0], 2, f"operation {op} is no server's")
    codes = [keys_set(a, "rubbish")[0] for _ in range(40)]
    tap.ok(75 in codes and codes[0] == 2, "changes are rationed", [repr(codes)])
    x = s.login("bob", BOB)
    do(x, K_SET, "", 0, "#" * 32769)
    is_(s.link.recv().kind, KICK, "more than a file may have: reported")
    s.end()


def offer(s, account, k, **at):
    x = s.session(**at)
    x.ask(KEY_OFFER, account, k[1], k[2], 0)
    return x.recv().fields[0], x


def whoami(x):
    x.ask(WHOAMI)
    return x.recv().fields


def stamp(at):
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(at))


def test_key_options():
    s = Store()
    tight = 'rights="restart",servers="one,three",no-pty '
    narrow = 'from="192.0.2.0/24,!192.0.2.9" '
    c = base().account("alice", [ALICE[0], narrow + RSA[0]], password=1).account("bob", [BOB[0], tight + EVE[0]])
    s.push(c)
    is_([offer(s, "alice", RSA, address=a)[0] for a in ("192.0.2.7", "192.0.2.9", "198.51.100.1", "2001:db8::5")], [1, 3, 3, 3],
        "from: an offer is answered by where it comes from")
    told = [s.link.recv() for _ in range(3)]
    is_([(m.kind, m.fields[1]) for m in told], [(AUTH_FAILED, 4)] * 3, "the supervisor hears of those that were refused, and not of a failure")
    tap.ok("Authentication tried for alice with correct key but not from a permitted host (host=198.51.100.1, ip=198.51.100.1, "
           "required=192.0.2.0/24,!192.0.2.9).\n" in s.lines(), "logged as OpenSSH does", s.lines().splitlines()[-4:])
    tap.ok("Failed" not in s.lines(), "and not as a failure")
    x = s.session(address="198.51.100.1")
    for _ in range(30):
        x.ask(KEY_LOGIN, "alice", RSA[1], RSA[2], 0)
        assert x.recv().fields == [3, ""]
    is_(s.link.recv().fields, [x.id, 4], "a signature changes nothing, and is told once")
    is_((quiet(s.link), s.lines().count("ip=198.51.100.1")), (True, 21), "and logged twenty times a connection at most")
    r = s.login("alice", RSA)
    is_(whoami(r)[4:7], [narrow.strip(), 0, ""], "from where it may it is in, and told its options")
    is_(keys_set(r, BIG[0]), [0, ""], "a key with from= alone may change keys")

    e = s.session()
    e.ask(KEY_LOGIN, "bob", EVE[1], EVE[2], 0)
    m = s.link.recv()
    mask = BITS["status"] | BITS["start"] | BITS["stop"]
    is_((m.fields[:2], m.fields[3:5]), ([e.id, "bob"], [mask, "one,three"]), "the supervisor is told what a key carries at most")
    s.link.send(LOGIN_ANSWER, U64(e.id), 1, "")
    e.recv()
    is_(whoami(e)[4:], [tight.strip(), 9, "", 0, 2, "one", BITS["status"], "alice", "three", mask, "bob"],
        "and the session what is left of its account's rights")
    for op, server, code, words in ((O_START, "three", None, ""), (KILL, "three", 77, "three: bob may not kill it"), (FILES, "one", 77, "may not use its files"),
                                    (STATUS, "two", 77, "no server 'two'"), (CONSOLE, "one", 77, "may not watch"), (RSYNC, "three", 77, "may not"),
                                    (B_LIST, "three", 77, "may not list its backups"), (LIST, "three", 77, "may not see who did")):
        do(e, op, server)
        m = s.link.recv() if code is None else e.recv()
        tap.ok((m.kind, m.fields[2]) == (ORDER, op) if code is None else m.fields[0] == code and words in m.fields[1], f"operation {op} on {server}",
               [repr(m.fields)])
    for op, text in ((K_SET, BOB[0]), (K_ADD, BIG[0]), (K_RM, "1")):
        do(e, op, "", 0, text)
        m = e.recv().fields
        tap.ok(m[0] == 77 and "limited" in m[1] and m[1].endswith("; nothing was changed"), f"a limited key changes no keys: {op}", [repr(m)])
    is_(keys_get(e)[2], 2, "and is told why the file is not written")
    s.push(c.server("one", "alice", bob=BITS["status"] | BITS["start"] | BITS["kill"]).server("two", "alice", bob=ALL))
    m = e.recv()
    is_((m.kind, m.fields), (RIGHTS, ["one", BITS["status"] | BITS["start"]]), "a change is told as far as the key carries it")
    tap.ok(quiet(e), "and a server it may not see is no news")
    b = s.login("bob", BOB)
    is_(whoami(b)[8:10], [3, "one"], "another key of his carries all")

    then = time.monotonic()
    s.push(c.account("bob", [BOB[0], 'rights="restart" ' + EVE[0]]))
    is_([(m.kind, m.fields) for m in ended(e)], [(CLOSE, ["the options of its key were changed: log in again"])], "options that change end the session")
    s.push(c.account("alice", [ALICE[0], 'from="10.0.0.0/8" ' + RSA[0]], password=1))
    is_(ended(r)[0].kind, CLOSE, "a from= that shuts it out as well")
    tap.ok(time.monotonic() - then < 2 and whoami(b)[0] == "bob", "at once, and the others stay")
    s.end()


def test_key_expiry():
    s = Store()
    at = int(time.time()) + 4
    c = base().account("bob", [BOB[0], f'expiry-time="{stamp(at)}" ' + EVE[0], 'expiry-time="20200101" ' + BIG[0]])
    s.push(c)
    is_(offer(s, "bob", BIG)[0], 3, "a key whose time is over is not taken")
    is_(s.link.recv().fields[1], 4, "and is no failure")
    tap.ok("Authentication tried for bob with correct key but after its time (host=192.0.2.7, ip=192.0.2.7, expired=2020-01-01T00:00:00Z).\n" in s.lines(),
           "logged", s.lines().splitlines()[-3:])
    e = s.login("bob", EVE, keep=True)
    s.kill()
    s = Store(s.folder)
    s.push(c)
    s.resume(e, "bob", e.login)
    os.close(e.kept)
    is_(e.recv().kind, ANEW, "a store after the one that died")
    f = s.login("bob", EVE)
    for who in (e, f):
        is_([(m.kind, m.fields) for m in ended(who)], [(CLOSE, ["its key has expired"])], "ends the session when the time has come")
    now = time.time()
    tap.ok(at <= now < at + 1, "within a second, and not before", [now - at])
    is_(sorted(s.link.recv().kind for _ in range(2)), [KICK, KICK], "which the supervisor hears")
    is_(offer(s, "bob", EVE)[0], 3, "and the key is taken no more")
    s.end()


def resumed(s, x):
    s.resume(x, "bob", x.login)
    os.close(x.kept)
    return [m.kind for m in ended(x)]


def test_key_options_hand_over():
    """What was told to a session by one store is held against the options by the next."""
    s = Store()
    c = base().account("bob", [BOB[0], 'rights="logs" ' + EVE[0]])
    s.push(c)
    e, f = s.login("bob", EVE, keep=True), s.login("bob", EVE, keep=True)
    s.kill()
    s = Store(s.folder)
    s.push(c)
    s.resume(e, "bob", e.login)
    is_(e.recv().kind, ANEW, "taken over")
    is_(whoami(e)[4:10], ['rights="logs"', 8, "", 0, 2, "one"], "with the options it had")
    do(e, O_START, "three")
    is_(e.recv().fields[0], 77, "which hold")
    s.push(base().account("bob", [BOB[0], EVE[0]]))
    is_(resumed(s, f), [ANEW, CLOSE], "one whose options were changed meanwhile is not")
    s.end()


def keys_list(x, skip=0):
    do(x, K_LIST, "", skip)
    f = x.recv().fields
    return [f[i:i + 8] for i in range(3, len(f), 8)] if f[:2] == [0, ""] and (len(f) - 3) == f[2] * 8 else f


def add_keys(x, *lines):
    do(x, K_ADD, "", 0, "\n".join(lines))
    return x.recv().fields


def rm_key(x, which, force=0):
    do(x, K_RM, "", force, which)
    return x.recv().fields


def test_keys_used():
    s = Store()
    c = base().account("alice", [ALICE[0], 'from="192.0.2.*" ' + RSA[0]], password=1)
    s.push(c)
    a = s.login("alice", ALICE)
    then = time.time()
    got = keys_list(a)
    is_([(r[0], r[1], r[2], r[6], r[7]) for r in got], [(ALICE[3], "ssh-ed25519", "alice@test", 2, ""), (RSA[3], "ssh-rsa", "rsa@test", 0, 'from="192.0.2.*"')],
        "the list: fingerprint, type, label, which is in use, options")
    tap.ok(abs(got[0][4] / 1000 - then) < 5 and got[0][5] == "192.0.2.7" and got[1][4:6] == [0, ""], "when and from where it was used last", [repr(got)])
    is_(keys_list(a, 1), got[1:], "behind the first")
    is_(keys_list(a, 2), [], "up to the last")
    s.login("alice", ALICE, address="192.0.2.8").close()
    is_(keys_list(a)[0][4:6], got[0][4:6], "another use within a minute is not written")
    is_(sqlite(s, "UPDATE key SET used = used - 61000, used_from = 'x' WHERE used > 0"), 1, "a minute later")
    is_(s.push(c.account("alice", [ALICE[0] + " x", 'from="192.0.2.*" ' + RSA[0]], password=1))[0], "", "with another label")
    s.login("alice", ALICE, address="192.0.2.8").close()
    now = keys_list(a)[0]
    tap.ok(now[4] > got[0][4] - 1000 and now[5] == "192.0.2.8" and now[3] == got[0][3], "one is, and neither is lost by a change in the ini", [repr(now)])
    s.kill()
    s = Store(s.folder)
    s.push(c)
    is_(keys_list(s.login("alice", RSA))[0][4:6], now[4:6], "nor by a kill")
    s.end()


def test_keys_verbs():
    s = Store()
    s.push(base().account("alice", [ALICE[0], 'from="192.0.2.*" ' + RSA[0]], password=1))
    a = s.login("alice", ALICE)
    deploy = 'command="restart one",expiry-time="20400101" '
    is_(add_keys(a, deploy + EVE[0] + " deploy", BIG[0]), [0, "", 2, EVE[3], "ssh-ed25519", BIG[3], "ssh-rsa"], "two are added")
    got = keys_list(a)
    is_([(r[0], r[2], r[6], r[7]) for r in got[2:]], [(EVE[3], "eve@test deploy", 1, deploy.strip()), (BIG[3], "big@test", 1, "")],
        "and listed behind the admin's")
    file = keys_get(a)[4].splitlines()
    is_(file[2:], [deploy + EVE[0] + " deploy", BIG[0]], "the file has the lines as they were written")
    tap.ok(file[1].startswith('# set by the admin: from="192.0.2.*" ssh-rsa '), "and the options of the admin's", file)
    is_(whoami(s.login("alice", EVE))[4:7], [deploy.strip(), 8, "restart one"], "a session by it hears its command")
    got = keys_list(a)
    for what, lines, code, want in (
            ("one that is there", [EVE[0]], 3, f"{EVE[3]} is a key of this account already; nothing"),
            ("the admin's", ["pty " + ssh_line(9), ALICE[0]], 3, "already, set by the admin; nothing"),
            ("none", ["# words", "", ""], 2, "there is no key in it"), ("a bad line", ["x" * 30], 2, "line 1: key type: 'xxx"),
            ("a short one", [RSA[0]], 2, "allowed: 3072 bits"), ("an unknown option", ["x11 " + BOB[0]], 2, "option: 'x11' is not supported"),
            ("one too many", [ssh_line(i) for i in range(63)], 2, "with those there are: line 65: key: one too many")):
        f = add_keys(a, *lines)
        tap.ok(f[0] == code and want in f[1] and f[1].endswith("nothing was changed"), f"refused: {what}", [repr(f)])
    is_(keys_list(a), got, "and nothing was")
    for what, text, code, want in (("the admin's by number", "1", 77, f"{ALICE[3]} is the admin's"), ("by fingerprint", RSA[3], 77, "is the admin's"),
                                   ("a number too high", "5", 1, "no key '5'"), ("0", "0", 1, "no key '0'"), ("no such label", "eve", 1, "no key 'eve'"),
                                   ("nothing", "", 1, "no key ''")):
        f = rm_key(a, text, 1)
        tap.ok(f[0] == code and want in f[1], f"not removed: {what}", [repr(f)])
    a = s.login("alice", ALICE)
    add_keys(a, ssh_line(1) + " twin", ssh_line(2) + " twin")
    is_(rm_key(a, "twin"), [2, "'twin' is the label of 2 keys: name one by its number or fingerprint; nothing was changed"], "a label of two is none")
    is_([rm_key(a, which)[0] for which in ("6", "twin")], [0, 0], "removed by number, and then by label")
    is_(keys_list(a), got, "which leaves the others")
    g = s.login("alice", BIG)
    f = rm_key(g, "big@test")
    tap.ok(f[0] == 3 and "the key of this connection" in f[1], "the one in use is kept", [repr(f)])
    f = keys_set(g, 'from="10.0.0.1" ' + BIG[0])
    tap.ok(f[0] == 3 and "could not be used from here" in f[1], "nor does it get options that shut it out", [repr(f)])
    do(g, K_RM, "", 1, BIG[3])
    is_([(m.kind, m.fields) for m in ended(g)], [(DO_RESULT, [0, "", BIG[3]]), (CLOSE, ["the key was removed"])],
        "by force it goes, and the session with it")

    s.push(base().account("alice", [], password=1))
    is_([m.kind for m in ended(a)], [CLOSE], "without keys of the admin's")
    tap.ok(sqlite(s, "UPDATE key SET options = 'what' WHERE account = 'alice' AND origin = 'own'") > 0, "an option of another build")
    is_(offer(s, "alice", EVE)[0], 3, "lets nobody in")
    tap.ok('key.options options="what" error=' in s.lines(), "which is logged", s.lines().splitlines()[-3:])
    s.end()


def sqlite(s, change):
    db = sqlite3.connect(f"{s.folder}/store.db")
    n = db.execute(change).rowcount
    db.commit()
    db.close()
    for name in os.listdir(s.folder):
        os.chown(f"{s.folder}/{name}", UID, UID)
    return n


def ssh_line(n):
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes([n]) * 32
    return "ssh-ed25519 " + base64.b64encode(blob).decode()


def test_way_in():
    """An account that has nothing but its own keys."""
    s = Store()
    s.push(base())
    keys_set(s.login("bob", BOB), EVE[0], BIG[0])
    c = base().account("bob", [])
    s.push(c)
    e = s.login("bob", EVE)
    r = keys_set(e, "# nothing")
    tap.ok(r[0] == 3 and "bob has no other way in; nothing was changed" in r[1], "the last way in cannot be taken out", [repr(r)])
    s.push(c.account("bob", [], password=1))
    r = keys_set(e)
    tap.ok(r[0] == 3 and "no other way in" in r[1], "a password that is allowed and not set is no way in", [repr(r)])
    s.passwd("bob", "pw")
    p = s.session()
    p.ask(PASSWORD_LOGIN, "bob", "pw")
    s.link.recv()
    s.link.send(LOGIN_ANSWER, U64(p.id), 1, "")
    p.recv()
    is_(keys_set(p), [0, ""], "one that is set is; a session by password has no key in use")
    is_(ended(e)[0].fields, ["the key was removed"], "the other session is closed")
    s.end()


def test_own_keys_reload():
    s = Store()
    s.push(base())
    a = s.login("alice", ALICE)
    keys_set(a, EVE[0], BIG[0])
    e = s.login("alice", EVE)
    c = base().account("alice", [ALICE[0]], password=1)
    is_(s.push(c)[0], "", "a configuration that changes the account")
    is_([r[1] for r in sealed(s)], [EVE[2], BIG[2]], "leaves its own keys")
    e.ask(WHOAMI)
    is_(e.recv().kind, WHOAMI_ANSWER, "and its sessions")
    then = time.monotonic()
    error, summary, _, _ = s.push(c.account("alice", [ALICE[0]], password=1, own=0))
    is_((error, summary), ("", "1 account changed, 1 session closed"), "own_keys = no closes sessions by own keys")
    is_(ended(e)[0].fields, ["the key was removed"], "which are told")
    tap.ok(time.monotonic() - then < 1, "within a second")
    x = s.session()
    x.ask(KEY_LOGIN, "alice", EVE[1], EVE[2], 0)
    is_(x.recv().fields[0], 0, "they log in no more")
    s.link.recv()
    got = keys_get(a)
    tap.ok(got[2] == 0 and got[4].startswith("# own keys are turned off") and EVE[0] in got[4], "the file is still shown", [repr(got)])
    r = keys_set(a, EVE[0])
    tap.ok(r[0] == 77 and "nothing was changed" in r[1], "but not written", [repr(r)])
    s.push(base())
    s.login("alice", EVE)
    is_(len(sealed(s)), 2, "turned on again, they are as they were")
    c = base()
    del c.accounts["alice"]
    c.servers = {"three": ["bob", 0]}
    s.push(c)
    s.push(base())
    is_(sealed(s), [], "an account that leaves loses them")
    s.end()


def test_secret_key():
    s = Store(fresh=1)
    is_(s.used, 1, "a new key is used by a database without sealed rows")
    s.push(base())
    keys_set(s.login("alice", ALICE), EVE[0], BIG[0])
    text = keys_get(s.login("alice", EVE))[4]
    s.kill()
    s = Store(s.folder)
    s.push(base())
    is_((s.used, keys_get(s.login("alice", EVE))[4]), (1, text), "what was acknowledged survives a kill, and opens with the same key")
    s.end()
    for what, secret, fresh in (("a new key", os.urandom(32), 1), ("another key", os.urandom(32), 0)):
        t = Store(s.folder, secret=secret, fresh=fresh)
        t.push(base())
        is_(t.used, 0, f"{what} is not used over rows that were sealed with another one")
        e = t.session()
        e.ask(KEY_LOGIN, "alice", EVE[1], EVE[2], 0)
        is_((e.recv().fields[0], t.link.recv().kind), (0, AUTH_FAILED), "own keys do not log in")
        e = t.login("alice", ALICE)
        for r in (keys_get(e), keys_set(e, EVE[0])):
            tap.ok(r[0] == 1 and "has lost the secret key" in r[1], "but are neither shown nor replaced", [repr(r)])
        is_(keys_get(t.login("bob", BOB))[4], shown(BOB).replace(BOB[3], "(fingerprint unknown)"), "who has none is shown the admin's")
        t.end()
    t = Store(s.folder, secret=b"short", ready=False)
    tap.ok("must have 32 bytes" in t.error, "a key of another size is refused", [t.error])
    t.end()
    t = Store(s.folder)
    t.push(base())
    e = t.login("alice", EVE)
    sealed(t, "UPDATE key SET sealed = (SELECT sealed FROM key WHERE origin = 'own' AND line = 2) WHERE origin = 'own' AND line = 1")
    r = keys_get(e)
    tap.ok(r[0] == 0 and EVE[0] not in r[4] and f"damaged; it still counts, and is mended by writing it again: {EVE[3]}" in r[4] and BIG[0] in r[4],
           "a sealed text in another row does not open, is told, and takes no other along", [repr(r)])
    tap.ok('sealed.broken use="own key" account=alice' in t.lines(), "which the log says")
    is_(keys_set(t.login("alice", ALICE), BIG[0])[0], 0, "the others may be changed")
    is_(keys_set(e, EVE[0], BIG[0])[0], 0, "and it be written again")
    is_(keys_get(e)[4], text, "which mends it")
    t.end()


def totp(secret, steps=0):
    """What an authenticator shows, so many steps from now."""
    mac = hmac.new(base64.b32decode(secret), struct.pack(">Q", int(time.time()) // 30 + steps), hashlib.sha1).digest()
    return "%06d" % ((struct.unpack_from(">I", mac, mac[19] & 15)[0] & 0x7fffffff) % 1000000)


def fresh_step():
    """Not at the end of a step: what follows is to see one clock."""
    while time.time() % 30 > 20:
        time.sleep(0.2)


def first_step(s, account, k, **at):
    """A session whose key was right, of an account that is asked for a code."""
    x = s.session(**at)
    x.ask(KEY_LOGIN, account, k[1], k[2], 0)
    m = s.link.recv()
    assert (m.kind, m.fields) == (PARTIAL, [x.id]), m
    m = x.recv()
    assert (m.kind, m.fields) == (ANSWER, [2, ""]), m
    return x


def let_in(s, x):
    m = s.link.recv()
    assert m.kind == LOGGED_IN, m
    x.login = m.fields[2]
    s.link.send(LOGIN_ANSWER, U64(x.id), 1, "")
    return x.recv().fields


def answer(x, op, text="", number=0, server=""):
    """Code, text, fields of the result; what comes unasked before it is dropped."""
    ask = do(x, op, server, number, text)
    while (m := x.recv()).id != ask:
        pass
    return m.fields


def state(x):
    ask = x.ask(WHOAMI)
    while (m := x.recv()).id != ask:
        pass
    return m.fields[7]


def with_factor():
    return base().account("eve", [EVE[0]], password=1, factor=1).server("four", "eve")


def test_enrolling():
    s = Store()
    s.push(with_factor())
    s.passwd("eve", "correct horse")
    x = s.session()
    x.ask(PASSWORD_LOGIN, "eve", "correct horse")
    m = x.recv()
    tap.ok(m.fields[0] == 0 and "log in with a key and run 'totp enroll'" in m.fields[1], "with a password alone nobody sets up a second factor", [repr(m)])
    e = s.login("eve", EVE)
    e.ask(WHOAMI)
    is_(e.recv().fields[7:], [2, 0], "with a key: only to set it up, and no server is seen")
    refused = [op for op in list(range(1, 17)) + [O_PASSWD, T_CODES, T_REMOVE] if (lambda r: r[0] == 77 and "totp enroll" in r[1])(answer(e, op, server="four"))]
    is_(len(refused), 19, "every operation but two is refused, with words how to")
    tap.ok(quiet(s.link), "and reaches no supervisor")
    tell(e, event("four"))
    r = answer(e, T_VERIFY, "000000")
    tap.ok(r[0] == 3 and "'totp enroll' begins" in r[1], "nothing to verify yet", [repr(r)])
    fresh_step()
    code, _, uri, secret, side, modules = answer(e, T_ENROLL)
    rows = [modules[at:at + side].encode() for at in range(0, len(modules), side)]
    finder = [bytes(row) for row in ([1] * 7, [1, 0, 0, 0, 0, 0, 1], [1, 0, 1, 1, 1, 0, 1])]
    is_((len(rows), side % 4, set(modules), [row[:7] for row in rows[:3]], [row[-7:] for row in rows[:3]], rows[6][8:-8:2]),
        (side, 1, {"\0", "\1"}, finder, finder, b"\1" * ((side - 15) // 2)), "a QR code, its modules row by row")
    is_((code, uri, len(base64.b32decode(secret))), (0, f"otpauth://totp/holdfast:eve?secret={secret}&issuer=holdfast&algorithm=SHA1&digits=6&period=30", 20),
        "a seed of 160 bits")
    other = s.login("eve", EVE)
    is_(state(other), 2, "which is not in force yet")
    is_([answer(e, T_VERIFY, c)[0] for c in ("12345", "", totp(secret, 3))], [1, 1, 1], "a code of five digits is wrong, as is none, and one of another time")
    r = answer(e, T_VERIFY, totp(secret, -1))
    is_((r[0], r[2], [bool(re.fullmatch("[A-Z2-7]{4}(-[A-Z2-7]{4}){3}", c)) for c in r[3:]], len(set(r[3:]))), (0, 10, [True] * 10, 10),
        "verified: ten recovery codes")
    do(e, STATUS)
    got = [s.link.recv() for _ in range(3)]
    is_([m.fields for m in got if m.kind == KICK], [[other.id, "a second factor is asked for now"]], "the others of the account are ended")
    is_([m.fields[5] for m in got if m.kind == ORDER], ["four"], "this one is free")
    is_([m.fields[0] for m in got if m.kind == LOGIN_CHANGED], [e.id], "and known as such to the supervisor")
    while not quiet(e):
        pass
    is_(listed(e, "four"), [], "what it told about a server before is not recorded")
    logins(s, secret, r[3:])
    s.end()


def logins(s, secret, recovery):
    x = first_step(s, "eve", EVE)
    x.ask(CODE_LOGIN, "eve", "000000")
    is_((s.link.recv().fields, x.recv().fields), ([x.id, 1], [0, ""]), "a wrong code is a wrong password")
    x.ask(CODE_LOGIN, "eve", totp(secret, -1))
    is_((s.link.recv().fields, x.recv().fields), ([x.id, 1], [0, ""]), "so is the one it was verified with")
    now = totp(secret)
    x.ask(CODE_LOGIN, "eve", now[:3] + " " + now[3:])
    is_(let_in(s, x), [1, ""], "the right one is let in, blanks or not")
    is_(state(x), 1, "and it is known how")
    y = first_step(s, "eve", EVE)
    y.ask(CODE_LOGIN, "eve", now)
    is_((s.link.recv().kind, y.recv().fields), (AUTH_FAILED, [0, ""]), "the same again is not")
    y.ask(CODE_LOGIN, "eve", totp(secret, 3))
    is_((s.link.recv().kind, y.recv().fields), (AUTH_FAILED, [0, ""]), "nor one of three steps ahead")
    y.ask(CODE_LOGIN, "eve", recovery[0].lower())
    is_(let_in(s, y), [1, "a recovery code was used: 9 recovery codes left"], "a recovery code is, and the rest are counted")
    z = first_step(s, "eve", EVE)
    z.ask(CODE_LOGIN, "eve", recovery[0])
    is_((s.link.recv().kind, z.recv().fields[0]), (AUTH_FAILED, 0), "once")
    p = s.session()
    p.ask(PASSWORD_LOGIN, "eve", "correct horse")
    is_((s.link.recv().kind, p.recv().fields), (PARTIAL, [2, ""]), "a password leads to the same question")
    p.ask(CODE_LOGIN, "eve", totp(secret, 1))
    is_(let_in(s, p)[0], 1, "and to the same answer")
    log = s.lines()
    for line in (f"Partial publickey for eve from 192.0.2.7 port 4711 ssh2: ED25519 {EVE[3]}\n",
                 f"Accepted keyboard-interactive/totp for eve from 192.0.2.7 port 4711 ssh2: ED25519 {EVE[3]}\n",
                 "Failed keyboard-interactive/totp for eve from 192.0.2.7 port 4711 ssh2",
                 "Accepted keyboard-interactive/totp for eve from 192.0.2.7 port 4711 ssh2\n",
                 f"totp.recovery session={y.id} account=eve from=192.0.2.7 left=9"):
        tap.ok(line in log, f"logged: {line.strip()}", log.splitlines()[-12:])
    tap.ok(not any(c in log for c in [secret] + recovery), "and no code, no seed")
    raw = contents(s.folder)
    tap.ok(not any(c in raw for c in [secret.encode(), base64.b32decode(secret), recovery[1].encode(), recovery[1].replace("-", "").encode()]),
           "nor are they in the database")


def contents(folder):
    raw = b""
    for name in os.listdir(folder):
        with open(f"{folder}/{name}", "rb") as f:
            raw += f.read()
    return raw


def enrolled(s, account, k):
    """A session of the account with a second factor that it has just set up: session, secret, recovery codes.  The code of this step was used."""
    fresh_step()
    x = s.login(account, k, keep=True)
    secret = answer(x, T_ENROLL)[3]
    recovery = answer(x, T_VERIFY, totp(secret))[3:]
    m = s.link.recv()
    assert m.kind == LOGIN_CHANGED and len(recovery) == 10, m
    x.login = m.fields[1]
    return x, secret, recovery


def rotate(s, secret):
    """A new secret key: error, which it is sealed with now, texts, of them left."""
    with tempfile.TemporaryFile() as f:
        f.write(secret)
        f.flush()
        s.link.send(ROTATE, 0, fds=[f.fileno()])
        m = s.link.recv()
    assert m.kind == ROTATED, m
    return m.fields


def coded(s, k, code, want=1):
    """A session of alice's by K and CODE: itself and what the supervisor was told."""
    x = first_step(s, "alice", k, keep=True)
    x.ask(CODE_LOGIN, "alice", code)
    m = s.link.recv()
    assert m.kind == LOGGED_IN, m
    x.login = m.fields[2]
    s.link.send(LOGIN_ANSWER, U64(x.id), 1, "")
    is_(x.recv().fields[0], want, "in with a code")
    return x, m.fields


def changes_nothing(x, words):
    for op in (O_PASSWD, T_ENROLL, T_VERIFY, T_CODES, T_REMOVE):
        r = answer(x, op, "000000")
        tap.ok(r[0] == 77 and "limited (rights, servers or command)" in r[1] and r[1].endswith("; nothing was changed"), f"{words}: not operation {op}",
               [repr(r)])


def test_factor_seams():
    """A second factor behind certificates and keys with limits, with another secret key, another store, and without its key."""
    s = Store()
    limits = 'rights="restart",servers="one" '
    ca, subject, fresh = key("seam-ca"), key("seam-subject"), os.urandom(32)
    c = base().account("alice", [ALICE[0], limits + BIG[0]], password=1)
    c.cas = [ca[0]]
    is_(s.push(c)[0], "", "a configuration")
    s.passwd("alice", "correct horse")
    subprocess.run(["ssh-keygen", "-q", "-s", os.path.join(WORK, "seam-ca"), "-I", "id of it", "-z", "77", "-n", "alice", "-O", "clear", "-O", "force-command=status",
                    os.path.join(WORK, "seam-subject.pub")], check=True)
    with open(os.path.join(WORK, "seam-subject-cert.pub")) as f:
        kind, text = f.read().split()[:2]
    cert = None, base64.b64decode(text), kind
    b = s.login("alice", BIG)
    changes_nothing(b, "a limited key")
    tap.ok(quiet(s.link), "and the supervisor hears of no wrong code or password")
    a, secret, recovery = enrolled(s, "alice", ALICE)
    is_(s.link.recv().fields, [b.id, "a second factor is asked for now"], "which does not keep it there without one")

    first = int(time.time()) // 30
    x, _ = coded(s, cert, totp(secret, 1))
    x.ask(WHOAMI)
    is_(x.recv().fields[4:8], ['command="status",no-pty', 9, "status", 1], "a certificate is asked for a code, and allows what it says")
    tap.ok(f"Accepted keyboard-interactive/totp for alice from 192.0.2.7 port 4711 ssh2: ED25519-CERT {subject[3]} ID id\\x20of\\x20it (serial 77) "
           f"CA ED25519 {ca[3]}\n" in s.lines(), "logged with the certificate", s.lines().splitlines()[-3:])
    changes_nothing(x, "a certificate with a command")
    y, told = coded(s, BIG, recovery[0])
    mask = BITS["status"] | BITS["start"] | BITS["stop"]
    is_(told[3:5], [mask, "one"], "the supervisor is told what the key carries")

    before = told[5]
    is_(rotate(s, fresh)[:2], ["", 2], "a new secret key")
    z, told = coded(s, ALICE, recovery[1])
    is_(told[5], before, "it changes no account")
    is_([state(v) for v in (a, x, y, z)], [1] * 4, "recovery codes are good after it, and those who are in stay")
    s.kill()
    t = Store(s.folder, secret=fresh)
    t.push(c)
    t.ids = z.id
    for v in (a, x, y, z):
        t.resume(v, "alice", v.login)
    is_([v.recv().kind for v in (a, x, y, z)], [ANEW] * 4, "killed: another store takes them over")
    is_([state(v) for v in (a, x, y, z)], [1] * 4, "with their second factor")
    x.ask(WHOAMI)
    is_(x.recv().fields[4:7], ['command="status",no-pty', 9, "status"], "and the certificate's command")
    changes_nothing(y, "a limited key")
    v = first_step(t, "alice", ALICE)
    for code in recovery[:2]:
        v.ask(CODE_LOGIN, "alice", code)
        is_((t.link.recv().kind, v.recv().fields), (AUTH_FAILED, [0, ""]), "a recovery code that was used is so in the new store")
    while int(time.time()) // 30 == first:
        time.sleep(0.2)
    v.ask(CODE_LOGIN, "alice", totp(secret, 1))
    is_(let_in(t, v)[0], 1, "a code of the app is right: the seed was sealed anew")
    t.kill()

    for what in ("a key that was lost", "the key before the rotation"):
        t = Store(s.folder, secret=os.urandom(32) if "lost" in what else SECRET)
        t.push(c)
        v = first_step(t, "alice", ALICE)
        for code in (totp(secret, 1), recovery[2], "000000"):
            v.ask(CODE_LOGIN, "alice", code)
            r = v.recv().fields
            tap.ok(r[0] == 0 and "lost the secret key" in r[1], f"{what}: no code is right", [repr(r)])
        w = t.session()
        w.ask(PASSWORD_LOGIN, "alice", "correct horse")
        m = t.link.recv()
        is_((m.kind, w.recv().fields[0]), (PARTIAL, 2), "one is asked for all the same")
        tap.ok(quiet(t.link), "and nothing is counted")
        t.kill()
    t = Store(s.folder, secret=fresh)
    t.push(c)
    coded(t, ALICE, recovery[2])
    t.end()


def test_code_rules():
    """What a session that was taken over might try, and what changes while a code is typed."""
    s = Store()
    s.push(with_factor())
    _, secret, recovery = enrolled(s, "eve", EVE)
    for words, act, where in (("a code before the key", lambda v: v.ask(CODE_LOGIN, "eve", totp(secret, 1)), 0),
                              ("whoami between the steps", lambda v: v.ask(WHOAMI), 1),
                              ("an order between the steps", lambda v: do(v, STATUS), 1),
                              ("another key between the steps", lambda v: v.ask(KEY_LOGIN, "alice", ALICE[1], ALICE[2], 0), 1),
                              ("an offer between the steps", lambda v: v.ask(KEY_OFFER, "alice", ALICE[1], ALICE[2], 0), 1),
                              ("a code for another account", lambda v: v.ask(CODE_LOGIN, "alice", totp(secret, 1)), 1),
                              ("a huge code", lambda v: v.ask(CODE_LOGIN, "eve", "1" * 65), 1),
                              ("a code behind the login", lambda v: v.ask(CODE_LOGIN, "alice", totp(secret, 1)), 2)):
        v = s.session() if where == 0 else first_step(s, "eve", EVE) if where == 1 else s.login("alice", ALICE)
        act(v)
        m = s.link.recv()
        is_((m.kind, m.fields[0]), (KICK, v.id), f"{words}: reported")
        is_([c.kind for c in ended(v)[-1:]], [CLOSE], "the session is told and closed")
    v = first_step(s, "eve", EVE)
    for code in ("", "0", "\0\0\0\0\0\0", "a" * 64, "９９９９９９"):
        v.ask(CODE_LOGIN, "eve", code)
        if (s.link.recv().kind, v.recv().fields) != (AUTH_FAILED, [0, ""]):
            tap.ok(False, f"the code {code!r} is wrong and no more")
    s.push(with_factor().account("eve", [BOB[0]], password=1, factor=1))
    s.link.sock.settimeout(1)
    v.ask(CODE_LOGIN, "eve", recovery[1])
    is_(v.recv().fields, [0, "the key was removed"], "a key that goes while the code is typed is none")
    s.end()


def test_codes():
    """What is done with a second factor, and by whom."""
    s = Store()
    s.push(with_factor())
    fresh_step()
    a = s.login("alice", ALICE)
    is_([answer(a, op, "000000")[0] for op in (T_CODES, T_REMOVE)], [3, 3], "nothing to renew or to remove without one")
    a, secret, recovery = enrolled(s, "alice", ALICE)
    m = s.link.recv()
    is_((m.kind, m.fields[1]), (KICK, "a second factor is asked for now"), "one may have it where the ini asks for none")
    x = first_step(s, "alice", ALICE)
    x.ask(CODE_LOGIN, "alice", totp(secret, 1))
    is_(let_in(s, x)[0], 1, "and is asked for it from then on")
    r = answer(x, T_ENROLL)
    tap.ok(r[0] == 2 and "totp enroll CODE" in r[1], "another one takes a code of the first", [repr(r)])
    is_((answer(x, T_ENROLL, "000000")[0], s.link.recv().fields), (1, [x.id, 1]), "a wrong one is a wrong password")
    second = answer(x, T_ENROLL, recovery[0])[3]
    is_((answer(x, T_CODES, recovery[0])[0], s.link.recv().kind), (1, AUTH_FAILED), "a recovery code does, once")
    fresh = answer(x, T_CODES, recovery[1])[3:]
    is_((len(fresh), set(fresh) & set(recovery)), (10, set()), "new recovery codes")
    is_((answer(x, T_CODES, recovery[2])[0], s.link.recv().kind), (1, AUTH_FAILED), "those before are void")
    r = answer(x, T_VERIFY, totp(second))
    got = {m.kind: m.fields for m in (s.link.recv(), s.link.recv())}
    is_((r[0], got[KICK]), (0, [a.id, "the second factor was changed"]), "another seed: who relied on the first is ended")
    is_(state(x), 1, "who changed it stays")
    is_((answer(x, T_REMOVE, r[5])[:2], s.link.recv().kind, state(x)), ([0, ""], LOGIN_CHANGED, 0), "removed with a recovery code")
    s.login("alice", ALICE).close()
    e, secret, recovery = enrolled(s, "eve", EVE)
    r = answer(e, T_REMOVE, recovery[0])
    tap.ok(r[0] == 77 and "must have a second factor" in r[1], "not where the ini demands it", [repr(r)])
    for n in range(10):
        v = first_step(s, "eve", EVE, address=f"192.0.2.{n}")
        v.ask(CODE_LOGIN, "eve", "000000")
        s.link.recv()
        v.recv()
        v.close()
    v = first_step(s, "eve", EVE, address="192.0.2.99")
    v.ask(CODE_LOGIN, "eve", recovery[0])
    r = v.recv().fields
    tap.ok(r[0] == 0 and re.fullmatch("too many wrong codes for this account, retry after 1?[0-9] s", r[1]),
           "ten wrong codes of ten sources: a wait, which is told", [repr(r)])
    is_(answer(e, T_CODES, recovery[0])[0], 75, "for who is in as well")
    s.kill()
    s = Store(s.folder)
    s.push(with_factor())
    v = first_step(s, "eve", EVE)
    v.ask(CODE_LOGIN, "eve", recovery[0])
    tap.ok("too many wrong codes" in v.recv().fields[1], "which no restart ends")
    s.link.send(TOTP_RESET, 9, "eve")
    is_(s.link.recv().fields, [9, ""], "the admin resets it")
    v.ask(CODE_LOGIN, "eve", recovery[0])
    is_(v.recv().fields, [0, "the second factor was reset just now, log in again"], "who was at the prompt hears of it")
    for who, want in (("eve", "the account has no second factor"), ("zed", "no such account")):
        s.link.send(TOTP_RESET, 9, who)
        is_(s.link.recv().fields, [9, want], f"once more of {who}: {want}")
    is_(state(s.login("eve", EVE)), 2, "and eve must set one up again")
    s.end()


def test_codes_live():
    """A demand switched on, a seed reset: at once, for whoever came in otherwise; and a new store knows who came in how."""
    s = Store()
    s.push(base().account("eve", [EVE[0]]))
    e = s.login("eve", EVE)
    s.push(with_factor())
    is_([m.kind for m in ended(e)][-1:], [CLOSE], "a second factor that is demanded ends who came in without")
    s.end()
    s = Store()
    s.push(with_factor())
    e, secret, recovery = enrolled(s, "eve", EVE)
    s.kill()
    s = Store(s.folder)
    s.push(with_factor())
    s.ids = e.id
    s.resume(e, "eve", e.login)
    while (m := e.recv()).kind != ANEW:
        pass
    is_(state(e), 1, "a session that set it up stays so with another store")
    f = first_step(s, "eve", EVE)
    f.ask(CODE_LOGIN, "eve", recovery[0])
    let_in(s, f)
    g = first_step(s, "eve", EVE)
    s.link.send(TOTP_RESET, 9, "eve")
    got = [s.link.recv() for _ in range(3)]
    is_([m.fields[1] for m in got if m.kind == KICK], ["the second factor was removed"] * 2, "a reset ends who relied on it")
    is_([m.kind for m in ended(f)][-1:], [CLOSE], "at once")
    s.end()
    s = Store()
    s.push(with_factor())
    e = s.login("eve", EVE)
    s.push(base().account("eve", [EVE[0]]).server("four", "eve"))
    is_(e.recv().fields[7:], [0, 1, "four", ALL, "eve"],
        "a demand that is dropped frees who was to set it up")
    s.end()


def test_passwd():
    s = Store()
    s.push(base().account("eve", [EVE[0]], password=1))
    s.passwd("alice", "correct horse")
    a = s.login("alice", ALICE)

    def change(x, old, new):
        return answer(x, O_PASSWD, old + new, len(old.encode()))[:2]

    for who, k, new, code, want in (
            ("alice", ALICE, "short", 2, "too short; it must have 10 characters"),
            ("alice", ALICE, "äöüßéèê", 2, "too short"),
            ("alice", ALICE, "AliceAlice1alice", 2, "the account's name and little else"),
            ("alice", ALICE, "correct horse", 2, "is the old one"),
            ("alice", ALICE, "x" * 1025, 2, "longer than 1024 bytes"),
            ("alice", ALICE, "battery\0staple", 2, "NUL"),
            ("bob", BOB, "battery staple", 77, "bob may not have a password"),
            ("eve", EVE, "battery staple", 3, "the admin sets the first one")):
        r = change(s.login(who, k), "correct horse", new)
        tap.ok(r[0] == code and want in r[1], f"refused: {want}", [repr(r)])
    for n in range(4):
        r = change(a, "wrong horse!", "battery staple")
        tap.ok(r[0] == 77 and "not right" in r[1] if n < 3 else r == [75, "too many wrong passwords on this connection"],
               f"a wrong old password, time {n + 1}", [repr(r)])
        if n < 3:
            is_(s.link.recv().fields, [a.id, 1], "counts as one at a login")

    def by_password(word):
        x = s.session(keep=True)
        x.ask(PASSWORD_LOGIN, "alice", word)
        m = s.link.recv()
        if m.kind != LOGGED_IN:
            return x.recv().fields[0]
        s.link.send(LOGIN_ANSWER, U64(x.id), 1, "")
        x.recv()
        return x
    mine, theirs, b = by_password("correct horse"), by_password("correct horse"), s.login("alice", ALICE)
    is_(change(mine, "correct horse", "battery staple"), [0, ""], "changed")
    got = [s.link.recv(), s.link.recv()]
    is_(sorted((m.kind, m.fields[0]) for m in got), [(LOGIN_CHANGED, mine.id), (KICK, theirs.id)], "the other session with the old password is ended")
    is_((state(mine), state(b)), (0, 0), "this one and those with keys stay")
    is_(by_password("correct horse"), 0, "the old password is none any more")
    is_(type(by_password("battery staple")), Link, "the new one is")
    log, raw = s.lines(), contents(s.folder)
    tap.ok("passwd.changed" in log and not any(w in log or w.encode() in raw for w in ("correct horse", "battery staple", "wrong horse!")),
           "logged without the words, which are nowhere in the database")
    s.link.send(PASSWD, 5, "alice", "set by the admin")
    got = []
    while not got or got[-1].kind != PASSWD_DONE:
        got.append(s.link.recv())
    is_({tuple(m.fields) for m in got if m.kind == KICK} >= {(mine.id, "the password was changed")}, True, "the admin's new password ends it")
    s.end()


def test_full():
    """No room for the database to grow: refused, nothing half applied, the store lives."""
    s = Store(file_limit=300 << 10)
    is_(s.push(base())[0], "", "what fits is applied")
    c = base()
    for n in range(900):
        c.account(f"a{n % 9}", [BOB[0]]).server(f"server-with-a-long-name-{n}", f"a{n % 9}", **{f"a{(n + i) % 9}": 1 for i in range(4)})
    error, _, numbers, _ = s.push(c)
    tap.ok(re.search("full|disk I/O", error) and not numbers, "what does not fit is refused", [error])
    is_(s.push(base())[1], "nothing changed", "and nothing of it is there")
    a = s.login("alice", ALICE)
    do(a, STATUS)
    is_(s.link.recv().fields[5], "one two", "while orders go on")
    is_(s.end(), 0, "and the store lives")


def row(address, saved, penalty, in_force=1, cool=0, tries=0, keys=0, passwords=0, why=2, since=1, refused=0):
    return [address, U64(saved), U64(penalty), in_force, U64(cool), U64(tries), keys, passwords, why, U64(since), refused]


def save(s, *rows):
    s.link.send(S_SAVE, len(rows), *[f for r in rows for f in r])
    m = s.link.recv()
    return m and (m.kind, m.fields) == (S_SAVED, [1])


def pages(s):
    got, after, n = {}, b"", 0
    while True:
        s.link.send(S_LOAD, after)
        m = s.link.recv()
        assert m.kind == S_PAGE, m
        if m.fields[0] == 0:
            return got, n
        n += 1
        rows = [m.fields[i:i + 11] for i in range(1, len(m.fields), 11)]
        assert len(rows) == m.fields[0] <= 400, m
        for r in rows:
            after = r[0].encode("utf-8", "surrogateescape") if isinstance(r[0], str) else bytes(r[0])
            got[after] = r[1:]


def test_sources():
    s = Store()
    wall = int(time.time() * 1000)
    is_(pages(s), ({}, 0), "no sources at first")
    four, six = bytes([192, 0, 2, 1]), bytes([0x20, 1, 0xd, 0xb8, 0, 1, 0, 2])
    tap.ok(save(s, row(four, wall, 600000, cool=5, tries=7, keys=3, passwords=2, why=3, since=wall - 9, refused=12),
                row(six, wall, 0, in_force=0, tries=60000, keys=1)), "two are written")
    s.kill()
    s = Store(s.folder)
    is_(pages(s)[0], {four: [wall, 600000, 1, 5, 7, 3, 2, 3, wall - 9, 12], six: [wall, 0, 0, 0, 60000, 1, 0, 2, 1, 0]},
        "and are there behind a kill, field by field")
    tap.ok(save(s, row(four, wall, 300000), row(six, wall, 0)), "one is changed, of one nothing is left")
    is_(sorted(pages(s)[0]), [four], "which goes")
    tap.ok(save(s, row(four, wall - 300000, 299999), row(six, wall + 86400000, 1000)), "one that is over, one from the future")
    is_(sorted(pages(s)[0]), [six], "what is over goes, what a clock that was ahead wrote does not")
    many = [bytes([10, 1, i >> 8, i & 255]) for i in range(1000)]
    for i in range(0, 1000, 400):
        save(s, *[row(a, wall, 60000) for a in many[i:i + 400]])
    got, n = pages(s)
    is_((len(got), set(got) == set(many + [six]), n), (1001, True, 3), "a thousand come in pages")
    save(s, *[row(a, wall - 70000, 60000) for a in many[:400]])
    is_(len(pages(s)[0]), 601, "old rows are purged")
    db = sqlite3.connect(s.folder + "/store.db")
    is_(db.execute("SELECT COUNT(*) FROM source").fetchone()[0], 601, "from the disk as well")
    db.close()
    s.end()
    for what, fields in (("an address of 5 bytes", [1, *row(b"12345", wall, 1)]), ("401 rows", [401, *[f for i in range(401) for f in row(four, wall, 1)]]),
                         ("a row missing", [2, *row(four, wall, 1)])):
        s = Store()
        s.link.send(S_SAVE, *fields)
        is_(s.process.wait(10), 71, f"a supervisor that sends {what} ends the store")
    s = Store(file_limit=150 << 10)
    s.push(base())
    sizes = [save(s, *[row(bytes([10, 2 + j, i >> 8, i & 255]), wall, 600000) for i in range(400)]) for j in range(10)]
    tap.ok(sizes[0] and not sizes[-1], "no room: what is not written is said not to be")
    a = s.login("alice", ALICE)
    do(a, STATUS)
    is_(s.link.recv().fields[5], "one two", "and logins go on")
    s.end()


def wishes(s):
    got, after, n = {}, "", 0
    while True:
        s.link.send(W_LOAD, after)
        m = s.link.recv()
        assert m.kind == W_PAGE, m
        if m.fields[0] == 0:
            return got, n
        n += 1
        rows = [m.fields[i:i + 8] for i in range(1, len(m.fields), 8)]
        assert len(rows) == m.fields[0] <= 100, m
        for r in rows:
            after = r[0]
            got[after] = r[1:]


def wish(s, name, wish_=1, locked="", ended=0, code=0, signal_=0, since=0, reason=""):
    s.link.send(W_SAVE, name, wish_, locked, ended, code, signal_, U64(since), reason)
    m = s.link.recv()
    assert (m.kind, m.fields[0]) == (W_SAVED, name), m
    return m.fields[1] == 1


def test_wanted():
    s = Store()
    s.push(base())
    is_(wishes(s), ({}, 0), "nothing is wanted at first")
    wall = int(time.time() * 1000)
    tap.ok(wish(s, "one", 2, "unpaid", 1, 7, 9, wall, "stopped by bob") and wish(s, "three"), "two wishes are written")
    s.kill()
    s = Store(s.folder)
    s.push(base())
    is_(wishes(s)[0], {"one": [2, "unpaid", 1, 7, 9, wall, "stopped by bob"], "three": [1, "", 0, 0, 0, 0, ""]}, "and are there behind a kill, field by field")
    tap.ok(wish(s, "one", 4, "", 1, 1, 0, wall, "x" * 255), "one is changed")
    is_(wishes(s)[0]["one"], [4, "", 1, 1, 0, wall, "x" * 255], "as a whole")
    conf = base()
    del conf.servers["one"]
    s.push(conf)
    is_(list(wishes(s)[0]), ["three"], "of a server that is not configured nothing is told")
    s.push(base())
    is_(wishes(s)[0]["one"][0], 4, "and it is told again when it is back")
    tap.ok(not wish(s, "nobody"), "one that was never configured is refused, and the store lives")
    conf = base()
    for i in range(250):
        conf.server(f"s{i:03}", "alice")
    s.push(conf)
    for i in range(250):
        assert wish(s, f"s{i:03}", reason="y" * 255, locked="z" * 120)
    got, n = wishes(s)
    is_((len(got), n), (252, 3), "many come in pages")
    s.end()
    for what, fields in (("a wish that is none", ["one", 5, "", 0, 0, 0, U64(0), ""]), ("a longer reason", ["one", 1, "", 0, 0, 0, U64(0), "x" * 256]),
                         ("a longer lock", ["one", 1, "x" * 121, 0, 0, 0, U64(0), ""])):
        s = Store()
        s.link.send(W_SAVE, *fields)
        is_(s.process.wait(10), 71, f"a supervisor that sends {what} ends the store")


def limits(s, a):
    do(a, LIMITS)
    m = s.link.recv()
    assert (m.kind, m.fields[2]) == (ORDER, LIMITS), m
    s.link.send(RESULT, 0, "", 5, 10, id=m.id)
    m = a.recv()
    assert m.fields[:4] == [0, "", 5, 10] and m.fields[4] == len(RATES), m
    f = m.fields[5:]
    return {f[i]: f[i + 1:i + 6] for i in range(0, len(f), 6)}


def order(s, a, op, *rest, code=0, fields=()):
    """What the session is told: passed on and answered with CODE, or refused by the store."""
    do(a, op, *rest)
    m = s.link.recv() if not quiet_for(a) else None
    if m:
        s.link.send(RESULT, code, "", *fields, id=m.id)
    m = a.recv()
    return m.fields[0], m.fields[1]


def quiet_for(a):
    """An answer is there already."""
    a.sock.settimeout(0.3)
    try:
        return bool(a.sock.recv(1, socket.MSG_PEEK))
    except (socket.timeout, BlockingIOError):
        return False
    finally:
        a.sock.settimeout(10)


def test_rates():
    s = Store()
    c = base()
    c.rates = {2: [3, 3600000], 3: [100, 1000 * 3600], 4: [100, 3600000], 1: [2, 4000]}
    s.push(c)
    a, other, b = s.login("alice", ALICE), s.login("alice", ALICE), s.login("bob", BOB)
    is_(limits(s, a), {"backup.create": [0, 0, 0, 0, 0], "backup.get": [0, 2, 4000, 2, 0], "rsync": [0, 3, 3600000, 3, 0],
                       "sum": [1, 100 << 20, 3600000, 100 << 20, 0], "check-file": [1, 100 << 20, 3600000, 100 << 20, 0]}, "all is there at first")
    for who in (a, other, a):
        is_(order(s, who, RSYNC, "one")[0], 0, "as often as the rate says")
    code, words = order(s, other, RSYNC, "one")
    tap.ok(code == 75 and re.search(r"rate of rsync .*retry after 1(1\d\d|200) s", words), "then no connection of the account, told when", [words])
    is_(order(s, b, RSYNC, "one")[0], 0, "another account may")
    is_(order(s, a, QUOTA, "one")[0], 0, "and other verbs")
    left = limits(s, other)["rsync"]
    tap.ok(left[3] == 0 and 3590000 < left[4] <= 3600000, "limits shows it", [repr(left)])
    for _ in range(5):
        is_(order(s, b, RSYNC, "one", code=3)[0], 3, "what is refused at once costs nothing")
    is_(order(s, b, RSYNC, "one", code=1)[0], 1, "what fails may have")
    is_(order(s, b, RSYNC, "one", code=1)[0], 1, "again")
    is_(order(s, b, RSYNC, "one")[0], 75, "and then")
    do(a, LIMITS, "", 60 << 20, "sum")
    is_(a.recv().fields[:2], [0, ""], "bytes are counted")
    do(other, LIMITS, "", 60 << 20, "sum")
    m = other.recv()
    tap.ok(m.fields[0] == 75 and re.search(r"retry after 7[12]\d s", m.fields[1]), "over all connections of the account", [repr(m.fields)])
    do(other, LIMITS, "", 60 << 20, "check-file")
    is_(other.recv().fields[0], 0, "each verb apart")
    do(b, LIMITS, "", 1 << 50, "sum")
    is_(b.recv().fields[0], 0, "more than the whole is taken as the whole")
    for word in ("rsync", "nosuch"):
        do(b, LIMITS, "", 1, word)
        is_(b.recv().fields[0], 2, f"{word} is nothing that is counted in bytes")
    is_([order(s, a, B_GET, "one", 0, "none")[0] for _ in range(3)], [1, 1, 1], "what the store refuses costs nothing")
    c.rates[2] = [2, 4000]
    s.push(c)
    got = [order(s, a, RSYNC, "one") for _ in range(3)]
    is_(([g[0] for g in got], "retry after 2 s" in got[2][1]), ([0, 0, 75], True), "of two in 4 s, when they are gone")
    time.sleep(2.1)
    is_([order(s, a, RSYNC, "one")[0] for _ in range(2)], [0, 75], "one comes back in 2 s: no burst at an edge")
    c.rates[2] = [3, 30000]
    s.push(c)
    is_([order(s, a, RSYNC, "one")[0] for _ in range(4)], [0, 0, 0, 75], "a new configuration's rate holds at once")
    del c.rates[2]
    s.push(c)
    is_([order(s, a, RSYNC, "one")[0] for _ in range(5)], [0] * 5, "and none")
    s.end()


def test_sessions_own():
    s = Store()
    s.push(base())
    a, b = s.login("alice", ALICE), s.login("bob", BOB)
    c = s.login("alice", ALICE, address="2001:db8::7", port=99)
    s.session()
    do(a, O_SESSIONS)
    f = a.recv().fields
    rows = sorted(f[i:i + 9] for i in range(3, len(f), 9))
    is_(f[:3], [0, "", 2], "alice has two sessions, and sees nobody else's")
    is_([(r[0], r[1], r[2], r[4], r[5], r[6]) for r in rows], [(a.id, "192.0.2.7", 4711, "publickey", ALICE[3], 1), (c.id, "2001:db8::7", 99, "publickey", ALICE[3], 0)],
        "told with where from and how")
    do(a, O_SESSIONS, "", 2)
    is_(a.recv().fields, [0, "", 0], "and then no more")
    a.send(DOING, 2, "console", "one", "sftp", "")
    b.send(DOING, 1, "console", "nobodys")
    do(a, O_SESSIONS)
    f = a.recv().fields
    is_(sorted(f[i + 7:i + 9] for i in range(3, len(f), 9)), [["alice", ""], ["alice", "console one, sftp"]], "and with what they do, by their own word")
    do(a, O_SESSIONS, "one")
    f = a.recv().fields
    is_((f[2], f[3 + 7:]), (1, ["alice", "console one"]), "of one server: who has to do with it, and only that")
    do(b, O_SESSIONS, "nobodys")
    is_(b.recv().fields[0], 77, "not of one that is not seen")
    a.send(DOING, 0)
    do(a, O_SESSIONS, "one")
    is_(a.recv().fields, [0, "", 0], "which ends when they say so")
    s.end()


def test_known_keys():
    """A key of another account is no try, however often it is offered."""
    s = Store()
    s.push(base())
    x = s.session()
    for _ in range(100):
        x.ask(KEY_OFFER, "bob", ALICE[1], ALICE[2], 0)
        is_known = x.recv().fields[0] == 3
        if not is_known:
            break
    tap.ok(is_known and quiet(s.link), "a known key that does not fit is answered as one, and nobody counts it")
    x.ask(KEY_OFFER, "bob", EVE[1], EVE[2], 0)
    is_(x.recv().fields[0], 0, "an unknown one is not")
    m = s.link.recv()
    is_((m.kind, m.fields), (AUTH_FAILED, [x.id, 3]), "and is counted")
    x.ask(KEY_OFFER, "nobodyhere", ALICE[1], ALICE[2], 0)
    is_(x.recv().fields[0], 0, "nor is one for an unknown account")
    s.end()


def rules():
    s = Store()
    s.push(base())
    s.link.send(0x9999)
    is_(s.process.wait(10), 71, "a supervisor that breaks a rule ends the store")


try:
    for test in (test_start, test_conf, test_keys, test_passwords, test_phases, test_watching, test_orders, test_backups, test_reload, test_generations,
                 test_hand_over,
                 test_secrets, test_own_keys, test_way_in, test_own_keys_reload, test_secret_key,
                 test_enrolling, test_code_rules, test_codes, test_codes_live, test_passwd, test_factor_seams,
                 test_key_options, test_key_expiry, test_key_options_hand_over, test_keys_used, test_keys_verbs,
                 test_activity, test_activity_limits, test_activity_lives, test_activity_broken, test_full, test_sources, test_wanted, test_rates,
                 test_sessions_own, test_known_keys, rules, test_proofs, test_kills):
        print(f"# {test.__name__}", flush=True)
        test()
finally:
    shutil.rmtree(WORK, ignore_errors=True)
tap.end()
