"""Servers under test: how each is started, how it is reached.  All write into disks of the same kind, made and mounted by holdfast.

A peer runs with the rights of the owner of its disk, an ordinary uid, and listens on one port of every address.
"""
import contextlib
import os
import re
import shutil
import subprocess
import time
import urllib.request

import place as where
from measure import BOUND, call, free_port, give_up, listening, read, tree, wait_for

HERE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
USER = "holdfast-bench"
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com")
# One key exchange for all, as with the cipher: OpenSSH with OpenSSH would take one that costs its client much more.
KEX = ("-o", "KexAlgorithms=curve25519-sha256")


class Peer:
    name = "?"
    needs = ()            # (program or file, Debian package)
    runs_commands = True  # ssh HOST true
    forks = True          # processes of its own for a connection
    host, far_host = "127.0.0.1", where.NEAR
    server = None         # the server of the rig whose disk it has
    root = None           # what clients call the disk; None: its path here

    def __init__(self, bench):
        self.bench, self.user, self.ciphers = bench, USER, None
        self.folder = f"{bench.place.work}/{self.server}"

    @classmethod
    def missing(cls):
        """The first package that is not there."""
        for what, package in cls.needs:
            if not (os.path.exists(what) if what.startswith("/") else shutil.which(what)):
                return package
        return None

    # --- for clients -------------------------------------------------------------------------------------------------------------

    def options(self, cipher=None, kex=KEX):
        return ["-F", "none", "-o", f"Ciphers={cipher or self.bench.cipher}", *kex, "-o", f"Port={self.port}", "-o", f"User={self.user}",
                "-o", f"IdentityFile={self.key}", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "HostKeyAlias=bench",
                "-o", f"UserKnownHostsFile={self.known}", "-o", "GlobalKnownHostsFile=/dev/null", "-o", "BatchMode=yes",
                "-o", "StrictHostKeyChecking=yes", "-o", "LogLevel=ERROR", "-o", "ControlPath=none", "-o", "ConnectTimeout=120"]

    def ssh(self, *command, **how):
        return ["ssh", *self.options(**how), self.host, *command]

    def subsystem(self):
        return ["ssh", *self.options(), "-s", self.host, "sftp"]

    def sftp(self, cipher=None, far=False):
        before = self.bench.place.far() if far else []
        return [*before, "sftp", *self.options(cipher), "-b", "-", self.far_host if far else self.host]

    def path(self, name):
        """What clients call NAME on its disk."""
        return f"{self.disk if self.root is None else self.root}/{name}"

    def has(self, cipher):
        if self.ciphers is None:
            # Of an option given twice the first counts.
            done = subprocess.run(["ssh", "-o", "LogLevel=DEBUG2", *self.options(cipher=",".join(CIPHERS)), self.host, "true"],
                                  stdin=subprocess.DEVNULL, capture_output=True, timeout=BOUND)
            said = done.stderr.decode(errors="replace")
            offer = re.search(r"debug2: ciphers ctos: (\S+)", said.partition("peer server KEXINIT proposal")[2])
            if not offer or "Authenticated to" not in said:
                give_up(f"{self.name}: no login: {said[-600:]}")
            self.ciphers = offer[1].split(",")
        return cipher in self.ciphers

    # --- for measurements --------------------------------------------------------------------------------------------------------

    def settle(self):
        """What was written before is not to be on the bill of what is measured next."""
        subprocess.run(["sync", "-f", self.disk], check=True)

    def changed(self):
        """Files have come or gone behind the server's back."""

    @contextlib.contextmanager
    def owner(self):
        """What is made on its disk meanwhile is its own.  A mount that maps ids takes nothing from root, who is none of them."""
        os.setegid(self.uid)
        os.seteuid(self.uid)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)

    def mkdir(self, path):
        with self.owner():
            os.mkdir(path)

    # --- to start with -----------------------------------------------------------------------------------------------------------

    def take_disk(self):
        """The folder of its own, and its disk at a path that an ordinary uid reaches."""
        os.mkdir(self.folder, 0o755)
        self.disk = self.folder + "/files"
        os.mkdir(self.disk)
        call("mount", "--bind", self.bench.disks[self.server], self.disk)
        self.bench.place.undo.append(lambda: call("umount", self.disk))
        self.uid = os.stat(self.disk).st_uid

    def prepare(self):
        """All that a server needs before it starts."""
        self.take_disk()
        for key in ("host", "client"):
            call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", f"{self.folder}/{key}")
        self.key, self.known, self.port = self.folder + "/client", self.folder + "/known", free_port()
        self.file("known", f"bench {read(self.folder + '/host.pub')}")

    def file(self, name, text, mode=0o644):
        path = f"{self.folder}/{name}"
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def daemon(self, command, **more):
        log = f"{self.folder}/log"
        with open(log, "w") as out:
            child = self.bench.place.spawn(command, stdout=out, stderr=out, **more)
        self.pid = child.pid
        wait_for(lambda: listening(self.port) or child.poll() is not None, 30, f"{self.name} does not listen")
        if child.poll() is not None:
            give_up(f"{self.name} ended: {read(log)[-600:]}")


class OpenSSH(Peer):
    """sshd with internal-sftp.  Its user is known in its mount namespace alone and has /bin/sh and no home, so that neither root's
    shortcuts in sshd nor anybody's start-up files count."""
    name, server = "OpenSSH", "two"
    needs = (("/usr/sbin/sshd", "openssh-server"),)

    def start(self):
        self.prepare()
        # All of /etc: whoever replaces /etc/passwd meanwhile would take a mount on it away.
        call("cp", "-a", "/etc", self.folder + "/etc")
        with open(self.folder + "/etc/passwd", "a") as f:
            f.write(f"{USER}:*:{self.uid}:{self.uid}::{self.folder}:/bin/sh\n")
        authorized = self.file("authorized", read(self.key + ".pub"))
        if not os.path.isdir("/run/sshd"):
            os.mkdir("/run/sshd", 0o755)
            self.bench.place.undo.append(lambda: os.rmdir("/run/sshd"))
        config = self.file("config", f"""
            Port {self.port}
            ListenAddress 0.0.0.0
            HostKey {self.folder}/host
            AuthorizedKeysFile {authorized}
            PidFile none
            UsePAM no
            UseDNS no
            StrictModes no
            PasswordAuthentication no
            Subsystem sftp internal-sftp
            LogLevel ERROR
            MaxStartups 1000
            MaxSessions 1000
            """)
        self.daemon(["unshare", "--mount", "--propagation", "private", "sh", "-c",
                     'mount --bind "$0/etc" /etc && exec /usr/sbin/sshd -D -e -f "$1"', self.folder, config])


class ProFTPD(Peer):
    """mod_sftp.  No PAM and no system accounts: a user file of its own.  It takes no commands."""
    name, server = "ProFTPD", "proftpd"
    needs = (("/usr/sbin/proftpd", "proftpd-core"), ("/usr/lib/proftpd/mod_sftp.so", "proftpd-mod-crypto"))
    runs_commands = False

    def start(self):
        self.prepare()
        authorized = self.file("authorized", call("ssh-keygen", "-e", "-m", "RFC4716", "-f", self.key + ".pub"))
        self.file("passwd", f"{USER}:*:{self.uid}:{self.uid}::{self.disk}:/bin/sh\n", 0o600)
        self.file("group", f"{USER}:*:{self.uid}:\n", 0o600)
        config = self.file("config", f"""
            ModulePath /usr/lib/proftpd
            LoadModule mod_sftp.c
            ServerName bench
            ServerType standalone
            DefaultServer on
            UseIPv6 off
            Port {self.port}
            User nobody
            Group nogroup
            Umask 022 022
            AllowOverwrite on
            AuthPAM off
            AuthOrder mod_auth_file.c
            AuthUserFile {self.folder}/passwd
            AuthGroupFile {self.folder}/group
            WtmpLog off
            PidFile {self.folder}/pid
            ScoreboardFile {self.folder}/scoreboard
            DelayTable {self.folder}/delay
            ControlsSocket {self.folder}/controls
            SystemLog {self.folder}/system.log
            TransferLog {self.folder}/transfer.log
            SFTPEngine on
            SFTPHostKey {self.folder}/host
            SFTPAuthMethods publickey
            SFTPAuthorizedUserKeys file:{authorized}
            """)
        self.daemon(["/usr/sbin/proftpd", "-n", "-c", config])


class Go(Peer):
    """rclone serve sftp, a server in Go on pkg/sftp, with the local backend and no cache of file data (--vfs-cache-mode off): what it
    is sent it writes straight into the file.  It takes no commands but those of checksums."""
    name, server, root = "rclone", "rclone", ""
    needs = (("rclone", "rclone"),)
    runs_commands = forks = False

    def start(self):
        self.prepare()
        authorized = self.file("authorized", read(self.key + ".pub"))
        os.mkdir(self.folder + "/home")
        for name in ("home", "host"):
            os.chown(f"{self.folder}/{name}", self.uid, self.uid)
        self.control = free_port()
        self.daemon(["setpriv", "--reuid", str(self.uid), "--regid", str(self.uid), "--clear-groups", "rclone", "serve", "sftp",
                     "--config", "/dev/null", "--cache-dir", self.folder + "/home", "--addr", f":{self.port}",
                     "--key", self.folder + "/host", "--authorized-keys", authorized, "--vfs-cache-mode", "off",
                     "--rc", "--rc-no-auth", "--rc-addr", f"127.0.0.1:{self.control}", self.disk],
                    env=dict(os.environ, HOME=self.folder + "/home"))

    def changed(self):
        """It has a cache of folders, to be forgotten by its remote control."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.control}/vfs/forget", data=b"", timeout=30) as answer:
            answer.read()


class Holdfast(Peer):
    name, server, root = "holdfast", "one", "/one"

    def limits(self):
        """Options that keep one account from 200 sessions at once; those that this version has."""
        table, wanted = read(HERE + "/base/conf_options.h"), ""
        for key in ("account_handles", "node_handles"):
            found = re.search(rf'"{key}", UINT, "\d+", "[^"]*1 to (\d+)', table)
            if found:
                wanted += f"{key} = {min(int(found[1]), 100000)}\n"
        return ("max_connections = 512\nmax_per_source = 1000\nmax_unauthenticated = 10000\nlogin_grace = 120s\nhandles = 1000\n"
                + wanted)

    def ini(self, peers):
        text = f"[limits]\n{self.limits()}[log]\nlevel = info\n[account alice]\nmax_connections = 512\n"
        text += f"[paths]\nstate = {self.bench.place.work}/state\n"
        for p in (self, *peers):
            text += f"[server {p.server}]\nowner = alice\ncommand = ./run\ndisk = {self.bench.size.disk}\ninodes = 400000\n"
        return text

    def start(self, peers):
        bench = self.bench
        ini = bench.place.work + "/bench.ini"
        with open(ini, "w") as f:
            f.write(self.ini(peers))
        extra = ["--listen", where.NEAR] if bench.place.line else []
        with where.unstopped():
            out = call(HERE + "/t/rig", "up", "--ini", ini, *extra)
            rig = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
            bench.place.undo.append(lambda: call(HERE + "/t/rig", "down", rig["PREFIX"]))
        self.pid, self.port, self.user, self.key = int(rig["SERVER_PID"]), rig["PORT"], rig["USER_"], rig["KEY"]
        self.known = bench.place.work + "/known"
        with open(self.known, "w") as f:
            f.write(re.sub(r"(?m)^\S+", "bench", read(rig["KNOWN_HOSTS"])))
        for p in (self, *peers):
            bench.disks[p.server] = self.disk_of(p.server)
        self.take_disk()
        # The end of a client's connections is told by the number of processes: all that are kept must be there first.
        wait_for(self.steady, 30, "holdfast's processes do not come to rest")

    def steady(self):
        before = tree(self.pid)
        time.sleep(1)
        return tree(self.pid) == before

    def disk_of(self, server):
        """Where SERVER's disk is mounted; holdfast mounts it when its files are first looked at."""
        subprocess.run(self.sftp(), input=f"ls /{server}\n".encode(), capture_output=True, timeout=BOUND)
        path = f"{self.bench.place.work}/state/servers/{server}"
        if not os.path.ismount(path):
            give_up(f"the disk of server {server} is not mounted at {path}")
        return path


KINDS = {"openssh": OpenSSH, "proftpd": ProFTPD, "rclone": Go}
