"""The process that serves a folder over FUSE, and its processor time."""
import os
import signal
import sys
import time

FIRST = 1000   # the owner's id within his range


def server_of(folder):
    """Its number: bindfs has the folder as an argument, quotafs is the first id of the range that the folder's owner is of (its descriptors do not say
    where the folder is), and the last one that began, if another is still ending; None without."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            name = open(f"/proc/{pid}/comm", encoding="ascii").read().strip()
            words = open(f"/proc/{pid}/cmdline", encoding="utf-8").read().split("\0")
            mine = os.stat(f"/proc/{pid}").st_uid + FIRST == os.stat(folder).st_uid
        except OSError:
            continue
        if name == "bindfs" and folder in words or name == "holdfast-quotaf" and mine:
            found.append(int(pid))
    return max(found, default=None)


def processor(pid):
    """Seconds that it has run, by the kernel's clock for it; 0 of None."""
    return time.clock_gettime(~pid << 3 | 2) if pid else 0.0


def ends_tidily():
    """Who is ended from outside takes its mounts away as well; timeout(1) says it twice."""
    def end(*_):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(1)
    signal.signal(signal.SIGTERM, end)
