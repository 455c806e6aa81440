#!/usr/bin/python3 -B
"""Folders of very many entries.

million.py make FOLDER N UID              as UID, entries 0000000 ... in FOLDER
million.py churn FOLDER UID               others are made, renamed and removed there until its input ends; prints how many
million.py list CONFIG N HOST_FOLDER UID  lists /one/few, then /one/many (N entries each known by its number) with several requests in flight;
                                          HOST_FOLDER is where the host sees /one.  Results as "ok WORDS" lines.
"""
import collections
import os
import random
import select
import socket
import subprocess
import sys
import time

from results import ok
from roles import of_role
from sftp_raw import CLOSE, HANDLE, NAME, OPENDIR, READDIR, Raw, s

IN_FLIGHT = 8
FEW = 1000
MEMORY_MOST = 2048             # KiB more for many than for few
ORACLE = "/usr/lib/openssh/sftp-server"


def become(uid):
    os.setgroups([])
    os.setgid(int(uid))
    os.setuid(int(uid))


def make(folder, n, uid):
    os.chdir(os.path.dirname(folder))
    become(uid)
    os.mkdir(os.path.basename(folder))
    os.chdir(os.path.basename(folder))
    for i in range(int(n)):
        os.mknod(f"{i:07}")


def churn(folder, uid):
    os.chdir(folder)
    become(uid)
    n, have = 0, []
    while not select.select([0], [], [], 0)[0]:
        for _ in range(100):
            n += 1
            have.append(f"other-{n}")
            os.mknod(have[-1])
            if n % 3 == 0:
                i = random.randrange(len(have))
                os.rename(have[i], f"renamed-{n}")
                have[i] = f"renamed-{n}"
            if len(have) > 3000:
                i = random.randrange(len(have))
                os.unlink(have[i])
                have[i] = have[-1]
                have.pop()
    for name in have:
        os.unlink(name)
    print(n)


def listing(raw, path):
    """How often each name came, and the seconds."""
    start = time.monotonic()
    kind, r = raw.ask(OPENDIR, s(path))
    assert kind == HANDLE, (path, kind)
    handle, seen = r.s(), collections.Counter()
    waiting, ended = collections.deque(), 0
    while not ended or waiting:
        while not ended and len(waiting) < IN_FLIGHT:
            waiting.append(raw.post(READDIR, s(handle)))
        kind, r = raw.wait(waiting.popleft())
        if kind != NAME:
            assert r.u32() == 1, "it ended by something else than its end"
            ended += 1
            continue
        assert not ended, "entries behind the end"
        for _ in range(r.u32()):
            seen[r.s()] += 1
            r.s()
            r.attrs()
    raw.ask(CLOSE, s(handle))
    return seen, time.monotonic() - start


def by_ssh(config):
    p = subprocess.Popen(["ssh", "-F", config, "-s", "alice", "sftp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    return p, Raw(p.stdin.write, p.stdout.read)


def by_oracle(folder):
    """As root, as the server's uid has no name on the host."""
    ours, theirs = socket.socketpair()
    p = subprocess.Popen([ORACLE], stdin=theirs, stdout=theirs, cwd=folder)
    theirs.close()
    return p, ours, Raw(ours.sendall, ours.recv)


def memory():
    """{role: KiB at most so far} of the rig's one session and worker."""
    found = {}
    for role in ("session", "files"):
        for pid in of_role(os.environ["PREFIX"], role):
            try:
                with open(f"/proc/{pid}/status") as f:
                    found[role] = found.get(role, 0) + int(next(line for line in f if line.startswith("VmHWM")).split()[1])
            except OSError:
                pass
    return found




def whole(seen, n, words, exact=True):
    missing = [i for i in range(n) if not seen[b"%07d" % i]]
    twice = [name for name, count in seen.items() if count > 1 and (exact or name[:1].isdigit())]
    ok(not missing, f"{words}: none is missing", f"{len(missing)}: {missing[:5]}")
    ok(not twice, f"{words}: none came twice", f"{len(twice)}: {twice[:5]}")
    if exact:
        ok(len(seen) == n + 2, f"{words}: {n} and no others", len(seen))


def during_churn(raw, folder, uid, n):
    other = subprocess.Popen([sys.executable, "-B", __file__, "churn", folder + "/many", uid], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    rounds = max(1, 300_000 // n)
    try:
        for i in range(rounds):
            seen, _ = listing(raw, "/one/many")
            whole(seen, n, f"while others come and go, time {i + 1}", exact=False)
    finally:
        made = other.communicate(b"end")[0].decode().strip()
    ok(other.returncode == 0 and int(made) > 1000, "others came and went all the while", made)
    print(f"{made} others made in {rounds} listings")


def idle_memory():
    """Once nothing moves any more."""
    last, now = None, memory()
    while last != now:
        last = now
        time.sleep(0.5)
        now = memory()
    return now


def without_reading(raw, before):
    """All is asked for at once and nothing read: it must wait where it costs nothing."""
    kind, r = raw.ask(OPENDIR, s("/one/many"))
    handle = r.s()
    waiting = [raw.post(READDIR, s(handle)) for _ in range(1500)]
    now = idle_memory()
    ok(all(now[r] - before[r] < MEMORY_MOST for r in now), "nor for 1500 requests whose answers are not read", now)
    seen = collections.Counter()
    for ident in waiting:
        kind, r = raw.wait(ident)
        for _ in range(r.u32() if kind == NAME else 0):
            seen[r.s()] += 1
            r.s()
            r.attrs()
    raw.ask(CLOSE, s(handle))
    return seen


def run(config, n, folder, uid):
    n = int(n)
    client, raw = by_ssh(config)
    seen, _ = listing(raw, "/one/few")
    whole(seen, FEW, "few")
    before = memory()
    seen, ours = listing(raw, "/one/many")
    after = memory()
    whole(seen, n, "many")
    ok(len(after) == 2 and all(after[r] - before[r] < MEMORY_MOST for r in after), "session and worker need no more memory for many than for few",
       (before, after))
    print(f"memory at most, KiB: few {before}, many {after}")
    first = without_reading(raw, before)
    ok(all(count == 1 for count in first.values()) and len(first) >= min(n + 2, 1500 * 100), "which are right, once they are", len(first))
    oracle, sock, other = by_oracle(folder)
    seen, theirs = listing(other, "many")
    ok(len(seen) == n + 2, "OpenSSH's sftp-server lists as many")
    sock.close()
    oracle.wait(10)
    print(f"{n} entries in {ours:.2f} s; sftp-server without a connection around it in {theirs:.2f} s")
    during_churn(raw, folder, uid, n)
    now = memory()
    ok(all(now[r] - before[r] < MEMORY_MOST for r in now), "nor for all of these", now)
    client.stdin.close()
    client.wait(10)
    return ok.failed


if __name__ == "__main__":
    sys.exit(1 if {"make": make, "churn": churn, "list": run}[sys.argv[1]](*sys.argv[2:]) else 0)
