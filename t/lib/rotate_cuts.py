"""Rotations of the secret key, cut short by a kill at each system call of the supervisor, of the store, and of both at once, as a power cut would:
rotate_cuts.py SCRATCH, in a rig's environment without a daemon and without servers.  Lines for import_results."""
import glob
import os
import re
import signal
import subprocess
import sys
import time

from results import ok

WORK = sys.argv[1]
DAEMON, TOOL, RUN, CONFIG, PREFIX, KNOWN, PORT, HOST = (os.environ[k] for k in ("DAEMON", "TOOL", "RUN", "CONFIG", "PREFIX", "KNOWN_HOSTS", "PORT", "HOST"))
LOG = os.path.join(WORK, "cuts.log")
MOST = 30       # places a victim


def tool(*words, patience=60):
    return subprocess.run([TOOL, "--run", RUN, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=patience, check=False)


def until(test, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if test():
            return True
        time.sleep(0.01)
    return False


class Daemon:
    def __init__(self):
        with open(LOG, "ab") as log:
            self.p = subprocess.Popen([DAEMON, "-c", CONFIG, "-D"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        if not until(self.ready):
            raise SystemExit("the daemon does not start:\n" + text(LOG)[-2000:])

    def ready(self):
        """The store has the configuration: it is looked at through a check."""
        return self.p.poll() is None and tool("store", "check").returncode in (0, 1) and self.store()

    def store(self):
        for path in glob.glob(f"/proc/{self.p.pid}/task/{self.p.pid}/children"):
            for pid in text(path).split():
                try:
                    if text(f"/proc/{pid}/cmdline") == f"{PREFIX}/libexec/holdfast-store\0" or \
                            os.path.basename(text(f"/proc/{pid}/cmdline").rstrip("\0")) == "holdfast-store":
                        return int(pid)
                except OSError:
                    pass
        return 0

    def end(self, how=signal.SIGTERM):
        self.p.send_signal(how)
        self.p.wait(20)


def text(path):
    with open(path, errors="replace") as f:
        return f.read()


def trace(pid, log, *more):
    p = subprocess.Popen(["strace", "-qq", "-o", log, *more, "-p", str(pid)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    # One that has ended was cut at a call it makes while it waits.
    until(lambda: not alive(pid) or "TracerPid:\t0\n" not in status(pid))
    return p


def status(pid):
    try:
        return text(f"/proc/{pid}/status")
    except OSError:
        return ""


def calls(victim):
    """(name, which of that name) of all calls of one rotation, in order."""
    d = Daemon()
    log = os.path.join(WORK, "trace")
    p = trace(d.store() if victim == "store" else d.p.pid, log)
    r = tool("key", "rotate")
    p.send_signal(signal.SIGINT)
    p.wait(10)
    d.end()
    seen, found = {}, []
    for line in text(log).splitlines():
        name = re.match(r"(\w+)\(", line)
        if name:
            seen[name[1]] = seen.get(name[1], 0) + 1
            found.append((name[1], seen[name[1]]))
    if r.returncode:
        raise SystemExit(f"a rotation that is not cut: {r.stderr}")
    return found


def thinned(places):
    step = max(1.0, len(places) / MOST)
    return [places[int(i * step)] for i in range(min(MOST, len(places)))]


def keys():
    return sorted(os.path.basename(p) for p in glob.glob(CONFIG + "/secret.key*"))


def login(key, account):
    return subprocess.run(["ssh", "-F", "none", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", f"UserKnownHostsFile={KNOWN}", "-o",
                           "BatchMode=yes", "-o", "LogLevel=ERROR", "-i", f"{WORK}/{key}", "-p", PORT, f"{account}@{HOST}", "true"],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False).returncode == 0


def sound(where, d, turn):
    wrong = []
    check = tool("store", "check")
    if check.returncode:
        wrong.append(f"{where}: {check.stdout}{check.stderr}")
    if keys() != ["secret.key"]:
        wrong.append(f"{where}: keys {keys()}")
    if turn % 8 == 0 and not (login("one", "alice") and login("bobs", "bob")):
        wrong.append(f"{where}: an own key does not log in")
    if "secret.lost" in text(LOG):
        wrong.append(f"{where}: the key was lost")
    return wrong


def with_key():
    with open(CONFIG + "/secret.key", "rb") as f:
        return f.read()


def cut(victim, place, turn, counts):
    name, n = place
    where = f"{victim} at {name} {n}"
    d = Daemon()
    before = with_key()
    store = d.store()
    p = trace(store if victim != "supervisor" else d.p.pid, os.path.join(WORK, "trace"), "-e", f"inject={name}:signal=KILL:when={n}")
    asked = subprocess.Popen([TOOL, "--run", RUN, "key", "rotate"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    cut_off = until(lambda: not alive(store) or not alive(d.p.pid) or asked.poll() is not None)
    wrong = [] if cut_off else [f"{where}: nothing happens"]
    if victim == "both":
        d.p.kill()
    asked.wait(60)
    p.send_signal(signal.SIGINT)
    p.wait(10)
    if victim == "store" and alive(d.p.pid):
        # The next store of the same daemon says how far it came.
        if not until(lambda: d.store() not in (0, store) and d.ready()) and not alive(store):
            wrong.append(f"{where}: no store again")
        if asked.returncode == 0 and with_key() == before:
            wrong.append(f"{where}: it was said to be done, and is not")
        wrong += sound(where, d, turn)
    counts["killed"] += not alive(store)
    if d.p.poll() is None:
        d.end()
    after = Daemon()
    wrong += sound(where + ", then a start", after, turn)
    counts["new" if with_key() != before else "old"] += 1
    after.end()
    return wrong


def alive(pid):
    return status(pid) != "" and "\nState:\tZ" not in status(pid)


open(LOG, "w").close()
total = 0
for victim in ("supervisor", "store", "both"):
    counts = {"killed": 0, "new": 0, "old": 0}
    places = thinned(calls("supervisor" if victim == "supervisor" else "store"))
    if victim == "both":
        places = places[::2]
    wrong = []
    for turn, place in enumerate(places):
        wrong += cut(victim, place, turn, counts)
    total += counts["killed"]
    ok(not wrong, f"{victim}: killed at {counts['killed']} of {len(places)} calls: one key is left and opens everything "
                  f"({counts['old']} times the old one, {counts['new']} times the new one)", wrong[:5])
    ok(counts["old"] and counts["new"], f"{victim}: both ends were seen", counts)
ok(total >= 60, f"{total} kills")
said = text(LOG)
ok("secret.rotated" in said and "the old key stays" in said, "the log says which way each went")

# The tool has no part in it.
d = Daemon()
for ms in (0, 1, 2, 5, 10, 20):
    asked = subprocess.Popen([TOOL, "--run", RUN, "key", "rotate"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(ms / 1000)
    asked.kill()
    asked.wait()
ok(until(lambda: keys() == ["secret.key"]) and not sound("tool", d, 0), "the tool killed: the rotation ends all the same")
d.end()
sys.exit(ok.failed > 0)
