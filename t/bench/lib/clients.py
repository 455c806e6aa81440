"""Clients that load a server: OpenSSH's sftp in steps that are measured, rclone, lftp, logins, idle connections."""
import collections
import os
import resource
import select
import shutil
import subprocess
import tempfile
import time

from measure import BOUND, cpu, cpu_each, give_up, tree, wait_for

# Seconds: by the clock; the server's CPU; the client's own, of all its processes and of the busiest.
Used = collections.namedtuple("Used", "wall cpu client busiest")


class Batch:
    """One sftp client fed with a batch; at each `mark` in it it waits until AT_MARK has looked at the server."""
    def __init__(self, command, name, work):
        self.command, self.name = command, name
        self.work = tempfile.mkdtemp(dir=work)
        self.up, self.down = self.work + "/up", self.work + "/down"
        os.mkfifo(self.up)
        os.mkfifo(self.down)

    def complain(self, log, what):
        log.seek(0)
        give_up(f"{self.name}: sftp {what}: {log.read().decode(errors='replace')[-600:]}")

    def wait_mark(self, child, fd, log):
        end = time.monotonic() + BOUND
        while not select.select([fd], [], [], 0.2)[0]:
            if child.poll() is not None or time.monotonic() > end:
                self.complain(log, "ended early")
        os.read(fd, 100)

    def run(self, commands, at_mark):
        mark = f"!echo x > {self.up}; read x < {self.down}"
        batch = "\n".join(mark if c == "mark" else c for c in commands) + "\n"
        up, down = os.open(self.up, os.O_RDWR), os.open(self.down, os.O_RDWR)
        log = tempfile.TemporaryFile()
        child = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log,
                                 env=dict(os.environ, SHELL="/bin/sh"))
        try:
            child.stdin.write(batch.encode())
            child.stdin.close()
            for n in range(commands.count("mark")):
                self.wait_mark(child, up, log)
                at_mark(n, child.pid)
                os.write(down, b"\n")
            if child.wait(timeout=BOUND):
                self.complain(log, "failed")
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
            os.close(up)
            os.close(down)
            shutil.rmtree(self.work)


def batch(peer, work, steps, **how):
    """One session of sftp.  STEPS are lists of commands; those in a tuple are measured: Used of each."""
    commands, starts, found = [], [], []
    for step in steps:
        commands += ["mark", *step, "mark"] if isinstance(step, tuple) else step

    def at_mark(n, client):
        # Wall ends at the client's signal, before anybody is looked at; it starts after.
        now = time.monotonic()
        if n % 2:
            start, used, theirs = starts[-1]
            each = [b - a for a, b in zip(theirs, cpu_each(client))]
            found.append(Used(now - start, cpu(peer.pid) - used, sum(each), max(each)))
        else:
            peer.settle()
            used, theirs = cpu(peer.pid), cpu_each(client)
            starts.append((time.monotonic(), used, theirs))
    Batch(peer.sftp(**how), peer.name, work).run(commands, at_mark)
    return found


def run(peer, command, what, env=None):
    """Used of a client that comes and goes; CPU until its connections have ended."""
    peer.settle()
    before, processes, ours = cpu(peer.pid), len(tree(peer.pid)), waited_for()
    start = time.monotonic()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=BOUND, env=env)
    wall = time.monotonic() - start
    if done.returncode:
        give_up(f"{peer.name}: {what} exited with {done.returncode}: {done.stderr.decode(errors='replace')[-600:]}")
    ours = waited_for() - ours
    ended(peer, processes)
    return Used(wall, cpu(peer.pid) - before, ours, ours)


def waited_for():
    r = resource.getrusage(resource.RUSAGE_CHILDREN)
    return r.ru_utime + r.ru_stime


def ended(peer, processes):
    wait_for(lambda: len(tree(peer.pid)) <= processes, 30, f"{peer.name}: connections do not end")


def rclone(peer, work, source, to, upload, checksums=True):
    without = "" if checksums else ",shell_type=none,md5sum_command=none,sha1sum_command=none"
    remote = f":sftp,host={peer.host},port={peer.port},user={peer.user},key_file={peer.key}{without}:"
    ends = [source, remote + to] if upload else [remote + source, to]
    command = ["rclone", "copy", "--config", "/dev/null", "--cache-dir", work + "/rclone-cache", "--transfers", "16", "--retries", "1"]
    return run(peer, command + ends, "rclone")


def lftp(peer, work, source, to, upload):
    home = work + "/lftp-home"
    os.makedirs(home, exist_ok=True)
    connect = " ".join(["ssh", "-a", "-x", *peer.options()])
    script = (f"set cmd:fail-exit yes; set net:max-retries 1; set sftp:connect-program '{connect}'; "
              f"open -u {peer.user},unused -p {peer.port} sftp://{peer.host}; mirror {'-R ' if upload else ''}{source} {to}")
    return run(peer, ["lftp", "-c", script], "lftp", dict(os.environ, HOME=home, LFTP_HOME=home))


def logins(peer, count, command, text=None):
    """Walls of COUNT logins one after the other, and the CPU of one: children that have ended are known to a tick only."""
    before, processes, walls = cpu(peer.pid), len(tree(peer.pid)), []
    for _ in range(count):
        start = time.monotonic()
        done = subprocess.run(command, input=text, capture_output=True, timeout=BOUND)
        walls.append(time.monotonic() - start)
        if done.returncode:
            give_up(f"{peer.name}: {command[0]} exited with {done.returncode}: {done.stderr.decode(errors='replace')[-400:]}")
    ended(peer, processes)
    return walls, (cpu(peer.pid) - before) / count


class Idle:
    """A client that has logged in (with SFTP: made a listing) and does nothing."""
    def __init__(self, peer, work, sftp):
        self.sftp, ready = sftp, tempfile.mktemp(dir=work)
        if sftp:
            self.child = subprocess.Popen(peer.sftp(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            self.child.stdin.write(f"ls {peer.path('')}\n!touch {ready}\n".encode())
            self.child.stdin.flush()
        else:
            # -N asks for nothing; the local command runs after the login.
            command = ["ssh", "-N", "-o", "PermitLocalCommand=yes", "-o", f"LocalCommand=touch {ready}"] + peer.ssh()[1:]
            self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            wait_for(lambda: os.path.exists(ready) or self.child.poll() is not None, 60, f"{peer.name}: no idle connection")
            if self.child.poll() is not None:
                give_up(f"{peer.name}: a connection ended: {self.child.stderr.read().decode(errors='replace')[-300:]}")
        except SystemExit:
            self.close()
            raise

    def leave(self):
        self.child.stdin.close()
        if not self.sftp:
            self.child.terminate()   # ssh -N does not look at its input

    def close(self):
        self.leave()
        try:
            self.child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.child.terminate()
            self.child.wait(timeout=20)
        self.child.stderr.close()
