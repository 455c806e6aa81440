"""Kinds of channels of one account, each begun, seen at work, and watched until it ends: stock clients wherever there is one.  By t/lib/out.py."""
import json
import os
import re
import signal
import subprocess
import threading
import time

import paramiko

from roles import of_role

ENV = os.environ
PORT, HOST, RUN, TOOL, PREFIX = (ENV[k] for k in ("PORT", "HOST", "RUN", "TOOL", "PREFIX"))
WORK = ENV["SCRATCH"]
COMMON = ["-F", "none", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", f"UserKnownHostsFile={ENV['KNOWN_HOSTS']}",
          "-o", "StrictHostKeyChecking=yes", "-o", "LogLevel=INFO", "-o", f"Port={PORT}"]
SLOW = "4000"       # kbit/s: half a megabyte a second


def now():
    return time.monotonic()


def until(test, seconds=20):
    end = now() + seconds
    while now() < end:
        if test():
            return True
        time.sleep(0.05)
    return False


def size(path):
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def host(server, name):
    return f"{PREFIX}/state/servers/{server}/{name}"


class Who:
    """How the account logs in."""
    def __init__(self, account, key=None, password=None):
        self.account, self.key, self.password = account, key, password
        self.options = COMMON + (["-i", key, "-o", "BatchMode=yes"] if key else
                                 ["-o", "BatchMode=no", "-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=password"])
        self.front = [] if key else ["sshpass", "-e"]
        self.env = dict(ENV, SSHPASS=password or "")
        self.at = f"{account}@{HOST}"

    def connect(self):
        t = paramiko.Transport((HOST, int(PORT)))
        t.start_client(timeout=30)
        if self.key:
            t.auth_publickey(self.account, paramiko.Ed25519Key.from_private_key_file(self.key))
        else:
            t.auth_password(self.account, self.password)
        return t


class Kind:
    """`needs`: rights without which it must end.  `words`: what the client must have been told, besides what ended the session."""
    needs, words, server = (), None, "arena"
    lags = False        # its client holds megabytes before it shows them, and so hears of its end late: the server's side is what counts
    port = None         # the client's

    def __init__(self, who, name, server=None):
        self.who, self.name, self.ended, self.text = who, name, None, b""
        self.server = server or self.server

    def over(self):
        return self.ended is not None

    def files(self):
        """Which must not grow when it has ended."""
        return []


class Program(Kind):
    """One that is run.  `out` is where its output goes: a file, or a slow reader."""
    limp = False

    def begin(self):
        self.out = f"{WORK}/{self.name}.out"
        self.err = f"{WORK}/{self.name}.err"
        for path in self.files():
            if os.path.exists(path):
                os.unlink(path)
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.p = subprocess.Popen(self.who.front + self.argv(), stdin=subprocess.PIPE, stdout=subprocess.PIPE if self.limp else out,
                                      stderr=err, env=self.who.env, start_new_session=True)
        if self.stdin():
            self.p.stdin.write(self.stdin())
            self.p.stdin.flush()
        self.got = 0
        threading.Thread(target=self.watch, daemon=True).start()

    def stdin(self):
        return b""

    def watch(self):
        while self.limp and (part := self.p.stdout.read1(65536)):
            self.got += len(part)
            time.sleep(0.2)
        self.p.wait()
        self.ended = now()
        with open(self.err, "rb") as f:
            self.text = f.read()

    def atwork(self):
        return any(size(p) > 60000 for p in self.files())

    def kill(self):
        try:
            os.killpg(self.p.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.p.wait()


class SftpUp(Program):
    needs, words = ("files.read", "files.write", "files.delete"), b"rights on this server have changed|re-configured"

    def argv(self):
        return ["sftp", *self.who.options, "-l", SLOW, "-b", "-", self.who.at]

    def stdin(self):
        return f"put {WORK}/blob /{self.server}/{self.name}\n".encode()

    def files(self):
        return [host(self.server, self.name)]


class SftpDown(SftpUp):
    lags = True

    def stdin(self):
        return f"get /{self.server}/blob {WORK}/{self.name}.got\n".encode()

    def files(self):
        return [f"{WORK}/{self.name}.got"]


class Stalled(SftpDown):
    """Reads its socket no more: the window is shut, and so is TCP's.  Only the server's side can tell that it was cut."""
    words = None

    def argv(self):
        relay = f"python3 {os.path.dirname(os.path.abspath(__file__))}/narrow.py %h %p"
        return ["sftp", *self.who.options, "-o", f"ProxyCommand={relay}", "-b", "-", self.who.at]

    def stdin(self):
        return f"get /{self.server}/huge {WORK}/{self.name}.got\n".encode()

    def atwork(self):
        if not super().atwork():
            return False
        os.killpg(self.p.pid, signal.SIGSTOP)
        return True


class ScpUp(Program):
    needs, words = ("files.write",), b"taken away|re-configured"

    def argv(self):
        return ["scp", "-O", *self.who.options, "-l", SLOW, f"{WORK}/blob", f"{self.who.at}:/{self.server}/{self.name}"]

    def files(self):
        return [host(self.server, self.name)]


class ScpDown(ScpUp):
    needs, lags = ("files.read",), True

    def argv(self):
        return ["scp", "-O", *self.who.options, "-l", SLOW, f"{self.who.at}:/{self.server}/blob", f"{WORK}/{self.name}.got"]

    def files(self):
        return [f"{WORK}/{self.name}.got"]


class RsyncUp(Program):
    needs, words = ("files.read", "files.write", "files.delete"), b"taken away|hidden by the admin"

    def argv(self):
        return ["rsync", "--inplace", "--bwlimit=500", "-e", " ".join(["ssh", *self.who.options]), *self.ends()]

    def ends(self):
        return [f"{WORK}/blob", f"{self.who.at}:/{self.server}/{self.name}"]

    def files(self):
        return [host(self.server, self.name)]


class RsyncDown(RsyncUp):
    needs = ("files.read",)

    def ends(self):
        return [f"{self.who.at}:/{self.server}/blob", f"{WORK}/{self.name}.got"]

    def files(self):
        return [f"{WORK}/{self.name}.got"]


class Verb(Program):
    words = b"the right to do this was taken away"
    line = ""

    def argv(self):
        return ["ssh", *self.who.options, self.who.at, self.line.format(s=self.server, n=self.name)]


class Console(Verb):
    needs, line = ("console", "send"), "console {s}"

    def files(self):
        return [self.out]

    def atwork(self):
        return size(self.out) > 0


class Logs(Console):
    needs, line = ("logs",), "logs {s} -f"


class Send(Verb):
    needs, line = ("console", "send"), "send {s} --expect NEVER-SAID --timeout 300 word-{n}"
    count = 0

    def begin(self):
        Send.count += 1
        self.line = f"send {{s}} --expect NEVER-SAID --timeout 300 word-{Send.count}"
        super().begin()

    def atwork(self):
        with open(f"{PREFIX}/state/logs/{self.server}/console.log", "rb") as f:
            return f"heard: word-{Send.count}\n".encode() in f.read()


class Start(Verb):
    """Of a server that is never ready; it goes on, who waits for it does not."""
    needs, line, server = ("start",), "start {s} --wait --timeout 300", "slow"

    def argv(self):
        return ["ssh", *self.who.options, self.who.at, f"start {self.server} --wait --timeout 300"]

    def atwork(self):
        with open(ENV["LOG"], "rb") as f:
            text = f.read()
        return text.count(b"server=slow op=2") > self.before

    def begin(self):
        with open(ENV["LOG"], "rb") as f:
            self.before = f.read().count(b"server=slow op=2")
        super().begin()


class Create(Verb):
    """The archive program is stopped, so that it is sure to be at it."""
    needs, line = ("backup.create",), "backup create {s}"
    words = b"taken away"

    def begin(self):
        self.stopped = False
        super().begin()
        threading.Thread(target=self.stop, daemon=True).start()

    def stop(self):
        while not self.over() and not self.stopped:
            for pid in of_role(PREFIX, "archive"):
                os.kill(pid, signal.SIGSTOP)
                self.stopped = True

    def atwork(self):
        return self.stopped


class Get(Verb):
    needs, limp, lags = ("backup.read",), True, True

    def argv(self):
        return ["ssh", *self.who.options, self.who.at, f"backup get {self.server} {ENV['BACKUP']}"]

    def atwork(self):
        return self.got > 60000


class Sum(Verb):
    needs, line = ("files.read",), "sha256sum /{s}/huge"
    words = b"taken away|re-configured"

    def begin(self):
        super().begin()
        self.since = now()

    def atwork(self):
        return now() - self.since > 1 and not self.over()


class Connection(Kind):
    """Paramiko's: several channels on one connection, or none."""
    def begin(self):
        self.t = self.who.connect()
        self.open()
        threading.Thread(target=self.watch, daemon=True).start()

    def open(self):
        pass

    def alive(self):
        return self.t.is_active()

    def watch(self):
        while self.alive():
            time.sleep(0.01)
        self.ended = now()

    def atwork(self):
        return True

    def kill(self):
        self.t.close()


class Bare(Connection):
    """Logged in, and nothing else."""


class Ten(Connection):
    needs = ("logs",)

    def open(self):
        self.channels = []
        for _ in range(10):
            c = self.t.open_session(timeout=30)
            c.exec_command(f"logs {self.server} -f")
            self.channels.append(c)

    def alive(self):
        return any(not c.closed and not c.exit_status_ready() for c in self.channels) and self.t.is_active()

    def atwork(self):
        return all(c.recv_ready() for c in self.channels)


class Two(Ten):
    """A channel at the server, and one at another: the connection and the other go on when only the first loses."""
    def open(self):
        self.channels, self.other = [self.t.open_session(timeout=30)], self.t.open_session(timeout=30)
        self.channels[0].exec_command(f"logs {self.server} -f")
        self.other.exec_command("logs side -f")

    def atwork(self):
        return super().atwork() and self.other.recv_ready()

    def other_lives(self):
        while self.other.recv_ready():
            self.other.recv(65536)
        return until(lambda: self.other.recv_ready() or self.other.closed, 5) and self.other.recv_ready() and self.t.is_active()


class Idle(Connection):
    """An open handle that nothing is done with; the next write and read must fail, and nothing be written."""
    needs = ("files.read", "files.write", "files.delete")

    def open(self):
        self.sftp = self.t.open_sftp_client()
        self.file = self.sftp.open(f"/{self.server}/{self.name}", "w+")
        self.file.write(b"before")
        self.file.flush()

    def alive(self):
        return not self.sftp.get_channel().closed and self.t.is_active()

    def useless(self):
        failed = []
        for act in (lambda: (self.file.seek(0), self.file.write(b"AFTER!"), self.file.flush()), lambda: (self.file.seek(0), self.file.read(3))):
            try:
                act()
            except (OSError, EOFError, paramiko.SSHException):
                failed.append(act)
        try:
            with open(host(self.server, self.name), "rb") as f:
                return len(failed) == 2 and f.read() == b"before"
        except FileNotFoundError:
            return len(failed) == 2


KINDS = {"sftp-up": SftpUp, "sftp-down": SftpDown, "idle": Idle, "stalled": Stalled, "scp-up": ScpUp, "scp-down": ScpDown, "rsync-up": RsyncUp,
         "rsync-down": RsyncDown, "console": Console, "logs": Logs, "send": Send, "start": Start, "create": Create, "get": Get, "sum": Sum,
         "bare": Bare, "ten": Ten, "two": Two}


def sessions(account):
    text = subprocess.run([TOOL, "--run", RUN, "sessions", "--json"], capture_output=True, text=True, check=True).stdout
    return [o for o in map(json.loads, text.splitlines()) if o["account"] == account]


def holds(pids, dev):
    """Whether one of these processes has something of that disk open."""
    for pid in pids:
        try:
            for fd in os.listdir(f"/proc/{pid}/fd"):
                if os.stat(f"/proc/{pid}/fd/{fd}").st_dev == dev:
                    return True
        except OSError:
            pass
    return False


def client_ports(things):
    """Which of the connections is whose."""
    text = subprocess.run(["ss", "-tnpH", "dst", f"{HOST}:{PORT}"], capture_output=True, text=True, check=True).stdout
    for line in text.splitlines():
        pids = [int(p) for p in re.findall(r"pid=(\d+)", line)]
        for t in things:
            try:
                if isinstance(t, Program) and any(os.getpgid(p) == t.p.pid for p in pids):
                    t.port = int(line.split()[3].rsplit(":", 1)[1])
            except ProcessLookupError:
                pass


def sent():
    """Bytes that the server's kernel has sent, by the client's port."""
    text = subprocess.run(["ss", "-tniHO", "src", f"{HOST}:{PORT}"], capture_output=True, text=True, check=True).stdout
    found = {}
    for line in text.splitlines():
        n = re.search(r"bytes_sent:(\d+)", line)
        if n:
            found[int(line.split()[4].rsplit(":", 1)[1])] = int(n[1])
    return found
