#!/usr/bin/python3 -B
"""Reads a name for SECONDS that is swapped meanwhile between what may be read and what is hidden.

deny_race.py HOST PORT KEY FOLDER SECONDS   FOLDER: the server's, where "swap" and "swap.2" are exchanged
"""
import ctypes
import os
import sys
import time

from sftp_raw import HANDLE, OPEN, R, READ, DATA, NO_ATTRS, s, u32, u64, connect, subsystem


def swap(folder):
    libc = ctypes.CDLL(None, use_errno=True)
    one, two = (os.path.join(folder, n).encode() for n in ("swap", "swap.2"))
    while os.getppid() != 1:
        for _ in range(1000):
            libc.renameat2(-100, one, -100, two, 2)


host, port, key, folder, seconds = sys.argv[1:]
swapper = os.fork()
if swapper == 0:
    swap(folder)
    os._exit(0)
raw = subsystem(connect(host, port, key))
came = kept = leaked = 0
end = time.monotonic() + float(seconds)
while time.monotonic() < end:
    kind, r = raw.ask(OPEN, s("/one/swap"), u32(R), NO_ATTRS)
    if kind != HANDLE:
        kept += r.u32() == 3
        continue
    handle = r.s()
    kind, r = raw.ask(READ, s(handle), u64(0), u32(100))
    data = r.s() if kind == DATA else b""
    came += data == b"open\n"
    leaked += b"canary" in data
    raw.close(handle)
os.kill(swapper, 9)
os.waitpid(swapper, 0)
print(f"{'ok' if not leaked else 'not ok'} what is hidden never came out ({leaked})")
print(f"{'ok' if came > 50 and kept > 50 else 'not ok'} both were tried: {came} read, {kept} refused")
