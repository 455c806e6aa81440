#!/usr/bin/python3 -B
"""Commands that ask the worker which SFTP on the same connection has: that they do, and what comes of it when either ends.
lent.py HOST PORT KEY BOBS_KEY PREFIX DAEMON RUN: servers.d/rig.ini lets bob do with server one what its line "allow = bob: ..." says"""
import contextlib
import hashlib
import os
import re
import signal
import subprocess
import sys
import time

from results import ok
from roles import of_role
from sftp_raw import ATTRS, STAT, Raw, connect, s, subsystem

HOST, PORT, KEY, BOBS_KEY, PREFIX, DAEMON, RUN = sys.argv[1:8]
SUM = "md5sum /one/f"
CONTENT = os.urandom(5000)
RIGHT = (0, f"{hashlib.md5(CONTENT).hexdigest()}  /one/f\n", "")
PATIENCE = 20


@contextlib.contextmanager
def halted(pid):
    """What PID is needed for waits meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def until(test, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not test() and time.monotonic() < end:
        time.sleep(0.01)
    return test()


def begin(client, command=SUM):
    channel = client.get_transport().open_session()
    channel.settimeout(PATIENCE)
    channel.exec_command(command)
    return channel


def outcome(channel):
    """(exit code, output, what it complained of)"""
    try:
        out = b"".join(iter(lambda: channel.recv(65536), b""))
        err = b"".join(iter(lambda: channel.recv_stderr(65536), b""))
        return channel.recv_exit_status(), out.decode(), err.decode()
    except TimeoutError:
        return "no answer"
    finally:
        channel.close()


def workers():
    return of_role(PREFIX, "files")


def one_worker():
    until(lambda: len(workers()) == 1)
    return workers()[0]


def open_files(pid):
    found = 0
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            found += os.readlink(f"/proc/{pid}/fd/{fd}").endswith("/f")
    return found


def taken_up(client):
    """What was asked on this connection before."""
    outcome(begin(client, "true"))


def stat(raw):
    return raw.ask(STAT, s("/one/f"))[0] == ATTRS


def without_a_start(client, raw):
    with halted(int(DAEMON)):
        ok(outcome(begin(client)) == RIGHT, "a digest is made while no worker can be started")
        ok(outcome(begin(client, "test -f /one/f"))[0] == 0, "so is test answered with yes")
        ok(outcome(begin(client, "test -f /one/none"))[0] == 1, "and with no")
        got = outcome(begin(client, "md5sum /one/none /one/f /one"))
        ok(got[:2] == (1, RIGHT[1]) and got[2].count("\n") == 2, "of three names that one is a file's", got)
    ok(stat(raw), "SFTP goes on")


def left_while_asked(client, raw, pid):
    for _ in range(3):
        with halted(pid):
            channel = begin(client)
            taken_up(client)
            channel.close()
            taken_up(client)
        stat(raw)
    ok(until(lambda: stat(raw) and open_files(pid) == 0), "nothing stays open of commands that left before the answer", open_files(pid))


def busy(client, raw, pid):
    with halted(pid):
        request = raw.post(STAT, s("/one/f"))
        taken_up(client)
        ok(outcome(begin(client)) == RIGHT, "a worker that is busy with SFTP is not waited for")
    ok(raw.wait(request)[0] == ATTRS, "and SFTP is answered")


def worker_killed(client, pid):
    with halted(pid):
        channel = begin(client)
        taken_up(client)
        os.kill(pid, signal.SIGKILL)
        ok(outcome(channel) == RIGHT, "a worker that is killed while it is asked is asked for anew")


def sftp_left(client):
    stream = client.get_transport().open_session()
    stream.invoke_subsystem("sftp")
    stat(Raw(stream.sendall, stream.recv))
    with halted(one_worker()):
        channel = begin(client)
        taken_up(client)
        stream.close()
        ok(outcome(channel) == RIGHT, "so is one whose SFTP ends")
    ok(until(lambda: not workers()), "and both end", workers())


def without_sftp(client):
    ok(outcome(begin(client)) == RIGHT, "without SFTP a worker is started")
    first = one_worker()
    with halted(int(DAEMON)):
        for _ in range(3):
            got = outcome(begin(client))
    ok(got == RIGHT and workers() == [first], "and kept for those that ask at once behind it", workers())
    with halted(first):
        channel = begin(client)
        until(lambda: first not in workers() or len(workers()) > 1)
        ok(outcome(channel) == RIGHT, "its time may end while it is asked")
    ok(until(lambda: not workers()), "for a second", workers())
    outcome(begin(client, "md5sum /one/f /two/none"))
    ok(until(lambda: len(workers()) == 1, 0.7), "one is kept, be it for two servers", workers())
    os.kill(one_worker(), signal.SIGKILL)
    ok(outcome(begin(client)) == RIGHT, "or for none, if it is killed")


def allow(rights):
    ini = f"{PREFIX}/etc/servers.d/rig.ini"
    with open(ini) as f:
        text = f.read()
    with open(ini, "w") as f:
        f.write(re.sub(r"(?m)^allow = bob:.*$", f"allow = bob: {rights}", text))
    subprocess.run([f"{PREFIX}/libexec/holdfast", "--run", RUN, "reload"], check=True, timeout=30, stdin=subprocess.DEVNULL, capture_output=True)


def rights_lost():
    """The worker ends with any right of SFTP's; the command needs one of them alone."""
    with contextlib.closing(connect(HOST, PORT, BOBS_KEY, "bob")) as client:
        raw = subsystem(client)
        stat(raw)
        with halted(one_worker()):
            channel = begin(client)
            taken_up(client)
            allow("files.read")
            ok(outcome(channel) == RIGHT, "a right that SFTP loses does not stop what can do without")
        ok(until(lambda: stat(raw)), "and SFTP has a worker with the others")
        with halted(one_worker()):
            channel = begin(client)
            taken_up(client)
            allow("status")
            got = outcome(channel)
        ok(got[0] == 77 and got[1] == "", "the right that it needs does", got)
    allow("files.read files.create")


def without_the_right():
    """A worker without the right is not asked."""
    allow("files.create")
    with contextlib.closing(connect(HOST, PORT, BOBS_KEY, "bob")) as client:
        raw = subsystem(client)
        stat(raw)
        got = outcome(begin(client))
        ok(got[0] in (1, 77) and got[1] == "", "who may not read gets no digest", got)


alice = connect(HOST, PORT, KEY)
sftp = subsystem(alice)
stat(sftp)
sftp.write("/one/f", CONTENT)
without_a_start(alice, sftp)
left_while_asked(alice, sftp, one_worker())
busy(alice, sftp, one_worker())
worker_killed(alice, one_worker())
ok(until(lambda: stat(sftp)), "SFTP has another worker")
alice.close()
until(lambda: not workers())
alice = connect(HOST, PORT, KEY)
sftp_left(alice)
without_sftp(alice)
alice.close()
rights_lost()
without_the_right()
