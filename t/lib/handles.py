#!/usr/bin/python3 -B
"""Handles of accounts and of the machine: who gets how many, and who is told what.

handles.py account HOST PORT KEY KEY2 PROGRAM   limits as they are by default; PROGRAM is the workers'
handles.py node HOST PORT KEY KEY2              account_handles = 30, node_handles = 40
handles.py limit HOST PORT KEY                  what limits@openssh.com says
"""
import os
import re
import signal
import sys
import time

from results import ok
from sftp_raw import HANDLE, OPEN, R, NO_ATTRS, s, u32, connect, subsystem

FAILURE = 4


class Opener:
    """Channels of one connection, opened as they fill."""

    def __init__(self, host, port, key, user, path):
        self.client, self.path = connect(host, port, key, user), path
        self.channels, self.open = [], []

    def one(self):
        """None, or the words of the refusal; a full channel is followed by another."""
        while True:
            if not self.channels:
                self.channels.append(subsystem(self.client))
            raw = self.channels[-1]
            kind, r = raw.ask(OPEN, s(self.path), u32(R), NO_ATTRS)
            if kind == HANDLE:
                self.open.append((raw, r.s()))
                return None
            code, text = r.u32(), r.s().decode()
            assert code == FAILURE, (code, text)
            if "at most" not in text or len(self.channels) == 10:
                return text
            self.channels.append(subsystem(self.client))

    def fill(self):
        while len(self.open) < 400:
            said = self.one()
            if said:
                return said
        return "no end"

    def close(self, n):
        for _ in range(n):
            raw, handle = self.open.pop()
            raw.close(handle)


def until(fn, seconds=5):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if fn():
            return True
        time.sleep(0.05)
    return False


def running(program):
    """Workers as (uid of the server, pid)."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/exe") == program:
                with open(f"/proc/{pid}/status") as f:
                    yield int(re.search(r"^Uid:\s+(\d+)", f.read(), re.M)[1]), int(pid)
        except OSError:
            pass


def account(host, port, key, key2, program):
    first = Opener(host, port, key, "alice", "/one/f")
    said = first.fill()
    ok(len(first.open) == 128, "one account stops at 128 handles", f"{len(first.open)} {said}")
    ok(said == "too many open handles: your account has 128 of 128 open (per account 128)", "and is told", said)
    second = Opener(host, port, key, "alice", "/two/f")
    said = second.fill()
    ok(not second.open and "has 128 of 128 open" in said, "so is its other connection, on another server", said)
    other = Opener(host, port, key2, "bob", "/three/f")
    ok(other.one() is None, "another account is not touched")
    first.close(5)
    until(lambda: second.fill() and len(second.open) == 5)
    said = second.one()
    ok(len(second.open) == 5, "what is closed can be opened elsewhere", f"{len(second.open)} {said}")
    workers = list(running(program))
    uids = [uid for uid, _ in workers]
    # A worker for each channel: five of the first connection, as four hold 128, and one each of the others.
    busy = max(uids, key=uids.count)
    ok(sorted(uids.count(uid) for uid in set(uids)) == [1, 1, 5], "seven workers", str(workers))
    for uid, pid in workers:
        if uid == busy:
            os.kill(pid, signal.SIGKILL)
    until(lambda: second.one() is None)
    said = second.fill()
    ok(len(second.open) == 128, "killed workers give back all they had", f"{len(second.open)} {said}")
    for o in (first, second, other):
        o.client.close()
    third = Opener(host, port, key, "alice", "/one/f")
    ok(until(lambda: third.one() or len(third.open) == 128), "and connections that end")


def node(host, port, key, key2):
    alice, bob = Opener(host, port, key, "alice", "/one/f"), Opener(host, port, key2, "bob", "/three/f")
    said = alice.fill()
    ok(len(alice.open) == 30, "alone an account has its 30 of the machine's 40", f"{len(alice.open)} {said}")
    said = bob.fill()
    ok(len(bob.open) >= 2, "a late comer can open some", f"{len(bob.open)} {said}")
    ok(re.search(r"of \d+ open \(per account 30\); this machine shares 40 among those connected", said), "and is told who shares", said)
    ok(len(alice.open) + len(bob.open) <= 40, "together never more than the machine has")
    said = alice.one()
    ok(said and "too many open handles" in said, "the first one can take no more", said)
    alice.close(25)

    def level():
        bob.fill()
        return len(bob.open) >= 14
    ok(until(level), "what one closes goes to the other", f"{len(alice.open)} {len(bob.open)}")
    alice.fill()
    ok(len(alice.open) >= 10 and len(alice.open) + len(bob.open) <= 40, "and neither has it all", f"{len(alice.open)} {len(bob.open)}")
    print(f"# alice {len(alice.open)}, bob {len(bob.open)}")


def limit(host, port, key):
    raw = subsystem(connect(host, port, key))
    kind, r = raw.extended("limits@openssh.com")
    print([r.u64() for _ in range(4)][3])


if __name__ == "__main__":
    {"account": account, "node": node, "limit": limit}[sys.argv[1]](*sys.argv[2:])
