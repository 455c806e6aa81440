"""Starts of the server `one` of a rig, killed at their system calls: cut_daemon.py CUT_FILE LOG CONTROL CGROUP UID_BASE, in a rig's environment and with a
t/lib/cutter that watches its daemon.  Lines for import_results."""
import glob
import json
import os
import re
import signal
import subprocess
import sys
import time

from results import ok

cut_file, log, control, cgroup, base = sys.argv[1:]
PREFIX, CONFIG, RUN, SLICE = (os.environ[k] for k in ("PREFIX", "SSH_CONFIG", "RUN", "SLICE"))
LOW = int(base)
OURS = os.readlink("/proc/self/ns/pid")


def hf(*words):
    command = ["ssh", "-F", CONFIG, "-o", f"ControlPath={control}", "alice", *words]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)


def status():
    for _ in range(200):
        v = json.loads(hf("status", "one", "--json").stdout.splitlines()[0])
        if v["state"] in ("failed", "offline"):
            break
        time.sleep(0.05)
    return v


def lines(path):
    with open(path) as f:
        return f.read().splitlines()


def mounts():
    return sorted(line.split(" ", 2)[2] for line in lines("/proc/self/mountinfo") if PREFIX in line)


def loops():
    found = []
    for path in glob.glob("/sys/block/loop*/loop/backing_file"):
        try:
            found += [path for line in lines(path) if line.startswith(PREFIX)]
        except OSError:
            pass
    return sorted(found)


def waits(path, exe):
    """The launch that waits for the next start has no descriptors of a job."""
    return exe.startswith(PREFIX) and exe.endswith("/holdfast-launch") and len(os.listdir(path + "/fd")) <= 4


def processes():
    """Launches, shims and inits of the rig, and what runs in another pid namespace under a uid of the server."""
    found = []
    for path in glob.glob("/proc/[0-9]*"):
        try:
            text = "\n".join(lines(path + "/status"))
            uid = int(re.search(r"^Uid:\s+(\d+)", text, re.M).group(1))
            if re.search(r"^State:\s+[ZX]", text, re.M):
                continue
            exe = os.readlink(path + "/exe")
            name = os.path.basename(exe) if exe.startswith(PREFIX) else ""
            if waits(path, exe):
                continue
            inside = LOW <= uid < LOW + 65536 and os.readlink(path + "/ns/pid") != OURS
            if inside or name in ("holdfast-launch", "holdfast-shim", "holdfast-init"):
                found.append(f"{path} {name} uid={uid}")
        except OSError:
            pass
    return found


def interfaces():
    text = subprocess.run(["ip", "-4", "-o", "addr"], capture_output=True, text=True, check=True).stdout
    return [line for line in text.splitlines() if f" 10.213.{SLICE}." in line]


def left(patience=10):
    end = time.monotonic() + patience
    while True:
        found = processes() + interfaces() + [p for p in (cgroup, RUN + "/shims/one.sock") if p and os.path.exists(p)]
        if mounts() != BEFORE[0] or loops() != BEFORE[1]:
            found += ["mounts or loop devices: " + str(set(mounts()) ^ set(BEFORE[0])) + str(set(loops()) ^ set(BEFORE[1]))]
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.02)


def waiting():
    found = []
    for path in glob.glob("/proc/[0-9]*"):
        try:
            if waits(path, os.readlink(path + "/exe")):
                found.append(int(path[6:]))
        except OSError:
            pass
    return found


def end_waiting():
    """It was begun without an order, and no other is until there was a start: that begins its own."""
    end = time.monotonic() + 2
    while not waiting() and time.monotonic() < end:
        time.sleep(0.02)
    for pid in waiting():
        os.kill(pid, signal.SIGKILL)
    while waiting() and time.monotonic() < end:
        time.sleep(0.02)


def order(text):
    with open(cut_file, "w") as f:
        f.write(text)


def cut_once(side, n, victim):
    end_waiting()
    order(f"{side} {n} kill {victim}")
    hf("start", "one", "--wait", "--timeout", "30")
    order("")
    return status()


def cut(side, n, call, victim):
    v = cut_once(side, n, victim)
    if v["state"] == "running":
        # Nobody was killed: by a launch that had begun to wait meanwhile, or with fewer calls this time.  Once more, and a second time it is wrong.
        hf("kill", "one", "--wait", "--timeout", "10")
        v = cut_once(side, n, victim)
    rest = left()
    if v["state"] == "running":
        hf("kill", "one", "--wait", "--timeout", "10")
    who = r"launch died|shim died|was killed|signal 9"
    if v["state"] != "failed" or not re.search(who, v["reason"] or "") or rest:
        return [f"{side} {n} {call}, {victim} killed: state={v['state']} reason={v['reason']} left={rest}"]
    return []


def start():
    first = hf("start", "one", "--wait", "--timeout", "30")
    hf("kill", "one", "--wait", "--timeout", "10")
    return [] if first.returncode == 0 else [f"a start: {first.stderr}"]


BEFORE = ([], [])
order("")
# The launch that waited was there before the cutter.
ok(start() == [], "a start that is not watched")
time.sleep(1)
ok(start() == [], "a start that is not cut")
time.sleep(0.5)
BEFORE = (mounts(), loops())
ok(left() == [], "nothing is left of it", left(0))
places, last = [], {}
for line in lines(log):
    side, n, call = line.split()
    # Where a run of the same call begins.
    if last.get(side) != call and (side, int(n), call) not in places:
        places.append((side, int(n), call))
    last[side] = call
ok(len(places) > 60, f"{len(places)} places to cut at")
for victim, side in (("host", "host"), ("child", "child"), ("host", "child")):
    # Launch itself hardly moves while its child does: a few places tell.  Every call of the child is cut without a daemon.
    mine = [p for p in places if p[0] == side][::1 if side == "host" else 2 if victim == side else 10]
    wrong = []
    for i, (_, n, call) in enumerate(mine):
        wrong += cut(side, n, call, victim)
        wrong += start() if i % 5 == 0 else []
    ok(not wrong, f"{victim} killed at {len(mine)} calls of the {side}: failed, says who died, leaves nothing, starts again", wrong[:4])
sys.exit(ok.failed > 0)
