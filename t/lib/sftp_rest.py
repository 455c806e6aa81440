#!/usr/bin/python3 -B
"""When a session gives its memory back: not while it is asked, however seldom, but soon after.
sftp_rest.py HOST PORT KEY PREFIX"""
import sys
import time

from results import ok
from roles import of_role
from sftp_raw import STAT, connect, s, subsystem


def faults(pid):
    """Pages it had to be given, since it was born."""
    with open(f"/proc/{pid}/stat") as f:
        return int(f.read().rpartition(")")[2].split()[7])


def busy(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        raw.ask(STAT, s("/"))
        time.sleep(0.02)


host, port, key, prefix = sys.argv[1:5]
client = connect(host, port, key)
raw = subsystem(client)
(session,) = of_role(prefix, "session")
busy(2.5)
before = faults(session)
busy(6)
ok(faults(session) - before < 3, "what is in use is kept", faults(session) - before)
time.sleep(3)
before = faults(session)
busy(0.1)
ok(faults(session) - before >= 1, "what nobody uses is given back, and taken again", faults(session) - before)
client.close()
sys.exit(ok.failed != 0)
