#!/usr/bin/python3 -B
"""Where a session and its files worker run while a client asks one small thing after the other, and that each has a share of its own.
sftp_place.py HOST PORT KEY PREFIX PROCESSORS: those the daemon may run on, as in Cpus_allowed_list"""
import os
import sys
import time

from results import ok
from roles import of_role
from sftp_raw import OPENDIR, READDIR, STAT, connect, s, subsystem

TRIES = 200


def processors(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(line.split()[1] for line in f if line.startswith("Cpus_allowed_list:"))


def small(n):
    for _ in range(n):
        raw.ask(STAT, s("/one"))


def becomes(pid, wanted, step):
    """The session may be moved at any time, and the worker comes behind: it is enough when it is so once."""
    for _ in range(TRIES):
        step()
        if wanted(processors(pid)):
            return True
    return False


host, port, key, prefix, everywhere = sys.argv[1:6]
client = connect(host, port, key)
raw = subsystem(client)
small(1)
(session,), (worker,) = of_role(prefix, "session"), of_role(prefix, "files")
everybody = [session, worker, min(of_role(prefix, "store"))]
ok(all(os.getsid(pid) == pid for pid in everybody), "each is told apart where the kernel shares out processors by session", [(pid, os.getsid(pid)) for pid in everybody])
ok(becomes(worker, str.isdigit, lambda: small(10)), "asked small things one by one, the worker stays on one processor", processors(worker))
ok(becomes(session, lambda now: now.isdigit() and now == processors(worker), lambda: small(10)), "which is the session's", (processors(session), processors(worker)))


def listing():
    handle = raw.ask(OPENDIR, s("/one"))[1].s()
    raw.ask(READDIR, s(handle))


listing()
ok(processors(worker) == everywhere, "asked for a listing it is free", processors(worker))
until = time.monotonic() + 20
while processors(session) != everywhere and time.monotonic() < until:
    time.sleep(0.1)
ok(processors(session) == everywhere, "so is the session when it rests", processors(session))
small(20)
client.close()
sys.exit(ok.failed != 0)
