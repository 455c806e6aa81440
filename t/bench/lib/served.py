"""The process that serves a folder over FUSE, and its processor time."""
import os
import signal
import sys
import time

PROGRAMS = ("holdfast-quotafs", "bindfs")


def server_of(folder):
    """Its number: the one that has a descriptor below the folder's parent, or the folder as an argument; None without."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if open(f"/proc/{pid}/comm", encoding="ascii").read().strip() not in [name[:15] for name in PROGRAMS]:
                continue
            words = open(f"/proc/{pid}/cmdline", encoding="utf-8").read().split("\0")
            links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        except OSError:
            continue
        if folder in words or any(link.startswith(os.path.dirname(folder) + "/") for link in links):
            return int(pid)
    return None


def processor(pid):
    """Seconds that it has run, by the kernel's clock for it; 0 of None."""
    return time.clock_gettime(~pid << 3 | 2) if pid else 0.0


def ends_tidily():
    """Who is ended from outside takes its mounts away as well; timeout(1) says it twice."""
    def end(*_):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(1)
    signal.signal(signal.SIGTERM, end)
