#!/usr/bin/python3
"""holdfast-store killed 200 times (kill -9) while its clients change own keys, passwords and backups and start servers: what was answered is there
afterwards, what was not is there whole or not at all, and the databases are sound.  This test plays supervisor and sessions."""
import os
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from lint import Tap
from link import U64, Link, pair

PROGRAM = os.path.join(os.environ.get("HOLDFAST_BUILD", os.getcwd()), "holdfast-store")
UID = 64001 if os.getuid() == 0 else os.getuid()
TURNS, SCHEMA = 200, 8
START, READY, BEGIN, ACCOUNT, SERVER, END, DONE, NEW = range(0x401, 0x409)
PASSWD, PASSWD_DONE, RESULT, LOGGED_IN, LOGIN_ANSWER, ORDER = 0x40c, 0x40d, 0x40e, 0x440, 0x441, 0x444
GENERATION = 0x420
KEY_LOGIN, PASSWORD_LOGIN, ANSWER, DO, DO_RESULT = 0x481, 0x482, 0x483, 0x486, 0x487
O_START, B_CREATE, B_LIST, K_GET, K_SET, A_LIST = 2, 10, 11, 13, 14, 16
SECRET = os.urandom(32)

tap = Tap()
WORK = tempfile.mkdtemp(prefix="holdfast-storekill.")
os.chmod(WORK, 0o711)
FOLDER = os.path.join(WORK, "store")
os.mkdir(FOLDER, 0o700)
os.chown(FOLDER, UID, UID)


def key(name):
    path = os.path.join(WORK, name)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path], check=True)
    with open(path + ".pub") as f:
        return f.read().strip()


ADMINS, OWN = key("admins"), [key(f"own{i}") for i in range(6)]


def blob(line):
    import base64
    return base64.b64decode(line.split()[1])


class Gone(Exception):
    """The store has been killed."""


class Super(Link):
    """The supervisor's end: generations are news that nobody here asks about."""
    def recv(self):
        while True:
            m = super().recv()
            if m is None or m.kind != GENERATION:
                return m


class Store:
    def __init__(self):
        ours, its = pair()

        def plan():
            os.dup2(its.fileno(), 3)
            os.set_inheritable(3, True)
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(UID)
                os.setuid(UID)

        self.log = tempfile.TemporaryFile()
        self.p = subprocess.Popen([PROGRAM], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log, close_fds=False, preexec_fn=plan, env={})
        its.close()
        self.link = Super(ours, 30)
        self.sessions = 0
        with tempfile.TemporaryFile() as f:
            f.write(SECRET)
            f.flush()
            self.link.send(START, FOLDER, 1, SCHEMA, 0, id=1, fds=[f.fileno()])
        m = self.link.recv()
        if m is None or m.fields[0]:
            self.log.seek(0)
            raise SystemExit(f"Bail out! the store does not start: {m and m.fields}\n{self.log.read().decode(errors='replace')}")
        self.link.send(BEGIN, 90, 100000, 3000, 0, 0, 0)
        self.link.send(ACCOUNT, "alice", 1, 0, 10, (1 << 14) - 1, 1, 0, 1, ADMINS)
        self.link.send(SERVER, "one", "alice", 0)
        self.link.send(END, id=2)
        self.want(DONE)

    def want(self, kind, link=None):
        try:
            m = (link or self.link).recv()
        except OSError:
            raise Gone from None
        if m is None:
            raise Gone
        assert m.kind == kind, m
        return m

    def session(self):
        ours, its = pair()
        self.sessions += 1
        self.link.send(NEW, U64(self.sessions), "192.0.2.7", 4711, "", b"", fds=[its.fileno()])
        its.close()
        return Link(ours, 30)

    def login(self):
        s = self.session()
        s.ask(KEY_LOGIN, "alice", blob(ADMINS), "ssh-ed25519", 0)
        self.want(LOGGED_IN)
        self.link.send(LOGIN_ANSWER, U64(self.sessions), 1, "")
        assert self.want(ANSWER, s).fields[0] == 1
        return s

    def do(self, s, op, server="", number=0, text=""):
        try:
            s.ask(DO, op, server, U64(number), text)
        except OSError:
            raise Gone from None

    def answered(self, s):
        return self.want(DO_RESULT, s).fields

    def kill(self):
        self.p.kill()
        self.p.wait(30)
        self.link.close()
        self.log.close()


class Truth:
    """What was answered, and what was asked and not answered."""
    def __init__(self):
        self.keys, self.maybe_keys = "", None
        self.backups = {}               # id: state that was answered, or None
        self.starts, self.maybe_starts = 0, 0
        self.password, self.maybe_password = None, None
        self.answers = 0


def write_keys(s, c, t, r):
    t.maybe_keys = "".join(k + f" v{r.randrange(10 ** 9)}\n" for k in r.sample(OWN, r.randint(1, 6)))
    s.do(c, K_SET, text=t.maybe_keys)
    f = s.answered(c)
    if f[0] == 0:
        t.keys = t.maybe_keys
        t.answers += 1
    else:
        assert f[0] == 75, f
    t.maybe_keys = None


def make_backup(s, c, t, r):
    s.do(c, B_CREATE, "one", text=f"label {r.random()}")
    m = s.want(ORDER)
    backup = m.fields[5].split()[0]
    t.backups[backup] = "running"
    good = r.random() < 0.8
    s.link.send(RESULT, *([0, "", backup, U64(r.randrange(1 << 40))] if good else [1, "no room"]), id=m.id)
    assert (s.answered(c)[0] == 0) == good
    t.backups[backup] = "done" if good else "failed"
    t.answers += 1


def start_server(s, c, t, r):
    t.maybe_starts += 1
    s.do(c, O_START, "one")
    m = s.want(ORDER)
    s.link.send(RESULT, 0, "", id=m.id)
    assert s.answered(c)[0] == 0
    t.starts += 1
    t.answers += 1


def set_password(s, c, t, r):
    t.maybe_password = f"word {r.random()}"
    s.link.send(PASSWD, 5, "alice", t.maybe_password)
    assert s.want(PASSWD_DONE).fields[1] == ""
    t.password, t.maybe_password = t.maybe_password, None
    t.answers += 1


def log_in_by_password(s, password):
    c = s.session()
    c.ask(PASSWORD_LOGIN, "alice", password)
    m = s.link.recv()
    return m.kind == LOGGED_IN


def listed(s, c):
    s.do(c, B_LIST)
    f = s.answered(c)
    return {f[i]: f[i + 2] for i in range(3, len(f), 7)}


def starts(s, c):
    s.do(c, A_LIST, number=100000, text="last")
    at, n = s.answered(c)[2], 0
    while True:
        s.do(c, A_LIST, number=at)
        rows = s.answered(c)[3:]
        if not rows:
            return n
        # The same again is counted in the record there is.
        n += sum(rows[i + 10] for i in range(0, len(rows), 11) if rows[i + 5] == 11)
        at = rows[-11]


def compare(s, t, full):
    wrong = []
    c = s.login()
    s.do(c, K_GET)
    have = "".join(line + "\n" for line in s.answered(c)[4].splitlines() if not line.startswith("#"))
    if have not in (t.keys, t.maybe_keys):
        wrong.append(f"own keys: {have[:300]!r}, answered were {t.keys[:300]!r}")
    t.keys, t.maybe_keys = have, None
    rows = listed(s, c)
    for backup, state in list(t.backups.items())[-150:]:
        # One whose end was not answered may have ended, or was cut off.
        if rows.get(backup) not in ((state,) if state != "running" else ("failed", "done")):
            wrong.append(f"backup {backup}: {rows.get(backup)}, answered was {state}")
        t.backups[backup] = rows.get(backup)
    if full:
        n = starts(s, c)
        if not t.starts <= n <= t.maybe_starts:
            wrong.append(f"{n} starts are recorded, {t.starts} were answered, {t.maybe_starts} asked")
        if t.password and not (log_in_by_password(s, t.password) or (t.maybe_password and log_in_by_password(s, t.maybe_password))):
            wrong.append("the password is another one")
    return wrong


def sound():
    """Of copies: the store itself is to find what the kill left."""
    copy = os.path.join(WORK, "copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns("*-shm"))
    wrong = []
    for name in ("store.db", "activity.db"):
        db = sqlite3.connect(os.path.join(copy, name))
        wrong += [f"{name}: {row[0]}" for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
        wrong += [f"{name}: {row}" for row in db.execute("PRAGMA foreign_key_check")]
        db.close()
    return wrong


def run():
    r, t, wrong = random.Random(7), Truth(), []
    began, cut = time.monotonic(), 0
    for turn in range(TURNS):
        s = Store()
        full = turn % 20 == 19
        wrong += [f"turn {turn}: {w}" for w in compare(s, t, full)]
        c = s.login()
        slow = turn % 20 == 18      # a password takes its time: then the kill comes late
        timer = threading.Timer(r.uniform(0, 0.3 if slow else 0.03), s.p.kill)
        timer.start()
        try:
            while True:
                (set_password if slow and r.random() < 0.3 else r.choice((write_keys, make_backup, start_server)))(s, c, t, r)
        except (Gone, BrokenPipeError, ConnectionResetError, socket.timeout):
            cut += 1
        timer.join()
        s.kill()
        wrong += [f"turn {turn}: {w}" for w in sound()]
    s = Store()
    wrong += [f"at the end: {w}" for w in compare(s, t, True)]
    s.kill()
    tap.ok(not wrong, f"{cut} kills lost none of {t.answers} answers, and left both databases sound", wrong[:6])
    tap.ok(t.answers > 5 * TURNS / 2 and cut == TURNS, f"{t.answers} answers between {cut} kills", [])
    print(f"# {time.monotonic() - began:.0f} s, {len(t.backups)} backups, {t.starts} starts")


try:
    run()
finally:
    shutil.rmtree(WORK, ignore_errors=True)
tap.end()
