#!/usr/bin/python3
"""Kills random processes of the appliance at PREFIX for SECONDS, but none of the pids in SPARE: a signal every quarter second, the store's
turn every tenth second.  Prints how many of each role."""
import collections, os, random, signal, sys, time

from roles import by_role, role_of

prefix, seconds, spare = sys.argv[1], float(sys.argv[2]), {int(p) for p in sys.argv[3:]}
roles = ["session", "files", "archive", "launch", "shim", "init"]
signals = [signal.SIGKILL, signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM, signal.SIGSTOP]
killed = collections.Counter()
stopped = {}

def all_roles():
    found = collections.defaultdict(list)
    for role, pids in by_role(prefix).items():
        found[role] = [p for p in pids if p not in spare]
    return found

def send(pid, role, sig):
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return
    try:
        # The number may have come to somebody else since it was looked up; the handle cannot.
        if role_of(prefix, pid) == role:
            signal.pidfd_send_signal(handle, sig)
            killed[role] += 1
    except OSError:
        pass
    finally:
        os.close(handle)

end, next_store = time.time() + seconds, time.time() + 8
while time.time() < end:
    found = all_roles()
    if time.time() > next_store and found["store"]:
        next_store = time.time() + 10
        send(random.choice(found["store"]), "store", signal.SIGKILL)
    there = [r for r in roles if found[r]]
    if there:
        role = random.choice(there)
        # One that is stopped must not be stopped for ever: nothing else would end it.
        sig = random.choice(signals if role in ("session", "files") else signals[:5])
        pid = random.choice(found[role])
        send(pid, role, sig)
        if sig == signal.SIGSTOP:
            stopped[pid] = (role, time.time() + 3)
    for pid, (role, when) in list(stopped.items()):
        if time.time() > when:
            send(pid, role, signal.SIGKILL)
            del stopped[pid]
    time.sleep(random.uniform(0.05, 0.4))
for pid, (role, when) in stopped.items():
    send(pid, role, signal.SIGKILL)
print(" ".join(f"{k}={v}" for k, v in sorted(killed.items())))
