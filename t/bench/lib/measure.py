"""What a server costs, read from /proc: its process tree, CPU, memory; and small helpers of all the bench."""
import hashlib
import os
import socket
import subprocess
import sys
import time

TICK = os.sysconf("SC_CLK_TCK")
BOUND = 600   # seconds one client may take


def give_up(text):
    print(f"bench: {text}", file=sys.stderr)
    sys.exit(1)


def say(text):
    print(f"# {text}", file=sys.stderr, flush=True)


def read(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return ""


def call(*command):
    """In a session of its own: an interrupt from the terminal is for us to act upon."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, start_new_session=True)
    if done.returncode:
        give_up(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def wait_for(what, seconds, text):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            give_up(text)
        time.sleep(0.02)


def tree(root):
    """Pids of ROOT and all its descendants; those that nobody has waited for yet too, whose CPU is in no parent's sum yet."""
    children = {}
    for d in os.listdir("/proc"):
        if d.isdigit():
            stat = read(f"/proc/{d}/stat").rpartition(")")[2].split()
            if stat:
                children.setdefault(int(stat[1]), []).append(int(d))
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


def cpu_each(root):
    """CPU seconds of each member of ROOT's tree: its own, by the scheduler's clock, and that of those it has waited for."""
    found = []
    for pid in tree(root):
        stat = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
        if not stat:
            continue
        exact = 0
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                exact += int((read(f"/proc/{pid}/task/{task}/schedstat") or "0").split()[0])
        except OSError:
            pass
        # Threads that have ended count in the ticks alone; ticks are rounded down.
        found.append(max(exact / 1e9, (int(stat[11]) + int(stat[12])) / TICK) + (int(stat[13]) + int(stat[14])) / TICK)
    return found


def cpu(root):
    """CPU seconds of ROOT's tree."""
    return sum(cpu_each(root))


def pss(pid):
    """KiB."""
    for line in read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def program(pid):
    words = read(f"/proc/{pid}/cmdline").split(chr(0))[0] or "?"
    return os.path.basename(words.split(" ")[0].rstrip(":"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listening(port):
    return bool(subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True).stdout)


def digest(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            h.update(block)
    return h.hexdigest()


def percentile(values, p):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))]
