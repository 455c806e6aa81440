#!/usr/bin/python3
"""Fills a folder without end, as a server that ignores what it is told: filler.py FOLDER bytes|inodes|both SECONDS.  Prints what it got
when the time is over; with "+" in front of SECONDS, when it was refused 300 times on end, or then."""
import errno
import os
import sys
import time

folder, kind, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
patience = 300 if sys.argv[3].startswith("+") else float("inf")
refusals = 0
end, n, refused = time.monotonic() + seconds, 0, 0
block = os.urandom(4096)
data = os.open(f"{folder}/filled", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
def data_block():
    os.write(data, block)


def file():
    global n
    os.close(os.open(f"{folder}/n{n}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    n += 1


todo = [f for f, k in ((data_block, "inodes"), (file, "bytes")) if kind != k]
while time.monotonic() < end and refusals < patience:
    for f in todo:
        try:
            f()
            refusals = 0
        except OSError as e:
            if e.errno not in (errno.ENOSPC, errno.EDQUOT):
                print(f"unexpected: {e}")
                sys.exit(1)
            refused += 1
            refusals += 1
            time.sleep(0.001)
print(f"size={os.fstat(data).st_size} files={n} refused={refused}")
