"""As a hostile server, ./run: looks for processes that come, and tries to get at what is not the server's through them, before they have become
what they are to be.  "FOUND WHAT" to its output for each success; "hidden N" now and then: newcomers that were there and could not be looked into."""
import ctypes
import os
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
PTRACE_SEIZE = 0x4206
OURS = ("/home/server", "/usr/", "/dev/null", "/dev/pts/", "/dev/tty", "pipe:", "/tmp", "anon_inode:", "/etc/", "/proc/")


def found(what):
    print("FOUND", what, flush=True)


def link(path):
    try:
        return os.readlink(path)
    except OSError:
        return None


def look(pid):
    """True if it could be looked into: what it is then must be the sandbox's own."""
    base = f"/proc/{pid}"
    exe, root, cwd = link(base + "/exe"), link(base + "/root"), link(base + "/cwd")
    if exe is not None and not exe.startswith("/usr/"):
        found(f"{pid} exe {exe}")
    if root not in (None, "/"):
        found(f"{pid} root {root}")
    if cwd is not None and cwd != "/" and not cwd.startswith("/home/server"):
        found(f"{pid} cwd {cwd}")
    try:
        names = os.listdir(base + "/fd")
    except OSError:
        names = []
    for name in names:
        to = link(f"{base}/fd/{name}")
        if to is not None and not to.startswith(OURS):
            found(f"{pid} fd {name} {to}")
    for name in ("exe", "mem"):
        try:
            os.close(os.open(f"{base}/{name}", os.O_WRONLY))
        except OSError:
            continue
        if name == "exe" or link(base + "/exe") is None:
            found(f"{pid} {name} can be written")
    if libc.ptrace(PTRACE_SEIZE, pid, 0, 0) == 0:
        found(f"{pid} can be traced")
    try:
        # Once it is what it is to be, that is its own.
        if open(base + "/environ", "rb").read() and link(base + "/exe") is None and there(pid):
            found(f"{pid} environ")
    except OSError:
        pass
    return exe is not None


def there(pid):
    try:
        os.kill(pid, 0)
        return True
    except PermissionError:
        return True
    except OSError:
        return False


high, hidden, told = os.getpid(), set(), -1
known = {os.getpid(), 1}
print("watching", flush=True)
last = time.monotonic()
while True:
    for pid in range(2, high + 40):
        if pid in known or not there(pid):
            continue
        high = max(high, pid)
        if look(pid):
            known.add(pid)
        else:
            hidden.add(pid)
    if time.monotonic() - last > 0.5:
        last = time.monotonic()
        if len(hidden) != told:
            told = len(hidden)
            print("hidden", told, flush=True)
